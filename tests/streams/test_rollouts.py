"""Rollouts from start to end, by example: what serves whom, in which phase, what is said and what is refused."""

from dataclasses import replace

import pytest

from schemas.events import GuardrailLimit
from schemas.issuers import automation
from streams.rollout.allocation import BUCKETS
from streams.rollout.inputs import ArmWindow, VersionFacts, Window, WindowInput
from tests.streams.rollouts import DEFAULTS, MINUTE, MODEL, VALIDATED, Model, serving

GOOD = {"1": 0.1, "2": 0.1}
BAD = {"1": 0.1, "2": 0.3}


def run_to_end(model: Model, errors: dict[str, float], *, rounds: int = 60) -> None:
    """Labels and time, again and again, until the rollout has left the phase Running."""
    for _ in range(rounds):
        model.labels(errors)
        model.tick(MINUTE)
        if model.rollout.phase != "Running":
            return


def test_a_canary_begins_narrow_and_counts_from_its_first_load() -> None:
    """The first record gives the candidate its share; time of the step runs from when a worker has loaded it."""
    model = serving()
    model.start(load=False)
    pending = (model.rollout.phase, model.shares)
    model.now += 10 * MINUTE
    model.signal("version_loaded")

    assert pending == ("Pending", {"1": 9_900, "2": 100})
    assert (model.rollout.phase, model.rollout.step_since) == ("Running", model.now)
    assert [served.arm for served in model.deployment.versions] == ["control", "candidate"]
    assert model.kinds == ["RolloutStarted"]


def test_a_good_candidate_is_widened_step_by_step_and_promoted() -> None:
    """1, 5, 20, 50 %, then everything; the version before stays warm behind it."""
    model = serving()
    model.start()
    seen = [model.shares["2"]]
    for _ in range(60):
        model.labels(GOOD)
        model.tick(MINUTE)
        if model.shares["2"] != seen[-1]:
            seen.append(model.shares["2"])
        if model.rollout.phase != "Running":
            break

    assert seen == [100, 500, 2_000, 5_000, BUCKETS]
    assert model.rollout.phase == "Successful"
    assert model.kinds == ["RolloutStarted", "Widened", "Widened", "Widened", "Promoted", "Superseded"]
    assert "no worse than the margin of 0.05" in model.rollout.reason
    assert (model.deployment.previous_version, [each.version for each in model.deployment.standby]) == ("1", ["1"])
    assert [served.arm for served in model.deployment.versions] == ["live"]


def test_a_bad_candidate_is_rolled_back_barred_and_nothing_starts_until_it_has_cooled_down() -> None:
    """Evidence says worse: control serves all, the version is barred, a new rollout is refused for a while."""
    model = serving()
    model.start()
    run_to_end(model, BAD)
    refused = model.ask("start", version="3")
    barred = model.ask("activate", version="2")
    model.now += DEFAULTS.rules.cool_down_ms
    again = model.ask("start", version="2")
    other = model.ask("start", version="3")

    assert (model.rollout.strategy, model.shares) == ("canary", {"1": 9_900, "3": 100})
    assert model.kinds[-3:] == ["RolledBack", "Barred", "RolloutStarted"]
    assert "version 2 is worse than 1" in model.events[-2].reason
    assert (refused.outcome, "no rollout begins for another" in refused.reason) == ("refused", True)
    assert (barred.outcome, "was barred by penstock:controller" in barred.reason) == ("refused", True)
    assert again.outcome == "refused"
    assert other.outcome == "accepted"


def test_widening_waits_for_time_for_labels_and_for_evidence_that_leans_the_other_way() -> None:
    """Each alone does not suffice; a step never comes early."""
    model = serving()
    model.start(steps="10%:2m:500,50%")
    model.labels(GOOD, labels=400)
    model.tick(2 * MINUTE)
    few_labels = model.shares["2"]
    model.labels(GOOD, labels=100)
    enough = model.shares["2"]
    model.labels(GOOD, labels=5_000)
    too_soon = model.shares["2"]

    assert (few_labels, enough, too_soon) == (1_000, 5_000, 5_000)
    leaning = serving()
    leaning.start(steps="10%:1m:100,50%")
    leaning.labels({"1": 0.1, "2": 0.16}, labels=200)
    leaning.labels({"1": 0.1, "2": 0.16}, labels=200)
    leaning.tick(MINUTE)
    assert (leaning.rollout.phase, leaning.shares["2"]) == ("Running", 1_000)


def test_nothing_is_widened_before_evidence_can_speak() -> None:
    """However bad the first block of labels is, it has nothing before it to bet on; the second one takes it back."""
    model = serving()
    model.start(steps="10%:1m:100,50%")
    model.labels({"1": 0.1, "2": 0.5}, labels=150)
    model.tick(MINUTE)
    after_one = (model.rollout.phase, model.shares["2"], model.rollout.candidates[0].evidence.blocks)
    model.labels({"1": 0.1, "2": 0.5}, labels=150)

    assert after_one == ("Running", 1_000, 1)
    assert (model.rollout.phase, model.shares) == ("Failed", {"1": 10_000})
    assert "Widened" not in model.kinds


def test_a_step_without_enough_labels_is_inconclusive_at_its_deadline_and_goes_on_when_resumed() -> None:
    """It pauses and tells; resuming gives a new deadline, and the share stays as it is."""
    model = serving()
    model.start()
    model.labels(GOOD, labels=50)
    told = model.tick(DEFAULTS.rules.deadline_ms)
    stands = (model.rollout.phase, model.shares["2"])
    later = model.tick(DEFAULTS.rules.deadline_ms)
    model.ask("resume")
    model.tick(MINUTE)

    assert stands == ("Inconclusive", 100)
    assert "50 matured labels of 100 needed" in told.reason
    assert later.outcome == "ignored"
    assert model.rollout.phase == "Running"
    assert model.kinds == ["RolloutStarted", "Inconclusive", "Resumed"]


def test_labels_without_end_are_inconclusive_at_the_cap() -> None:
    """A difference right between none and the margin decides nothing; more labels are allowed by resuming."""
    model = serving()
    model.start(steps="50%", labels_max="4000", margin="0.02", duration="1m")
    for _ in range(10):
        model.labels({"1": 0.10, "2": 0.11})
    first = (model.rollout.phase, model.rollout.reason)
    model.ask("resume")

    assert first[0] == "Inconclusive"
    assert "labels decided nothing" in first[1]
    assert model.rollout.labels_max == 8_000


def test_manual_promotion_holds_and_a_person_gives_the_word() -> None:
    """Evidence is good and time is over: it pauses, says so, and serves everything when promoted."""
    model = serving()
    model.start(promotion="manual", steps="50%")
    run_to_end(model, GOOD)
    held = (model.rollout.phase, model.shares["2"], model.rollout.reason)
    decision = model.ask("promote")

    assert held[:2] == ("Paused", 5_000)
    assert "waits for `penstock rollout promote`" in held[2]
    assert (decision.outcome, model.shares, model.rollout.phase) == ("accepted", {"2": BUCKETS}, "Successful")


def test_blue_green_warms_up_switches_in_one_record_and_ends_after_its_time() -> None:
    """Nobody is served while it is loaded and warmed; then everybody, then it is Successful."""
    model = serving()
    model.start(strategy="blue-green", duration="3m", load=False)
    warming = dict(model.shares)
    model.tick(10 * MINUTE)
    not_loaded = dict(model.shares)
    model.signal("version_loaded")
    model.tick(DEFAULTS.warm_up_ms)
    switched = (dict(model.shares), model.rollout.phase, model.deployment.generation)
    model.tick(3 * MINUTE)

    assert warming == not_loaded == {"1": BUCKETS, "2": 0}
    assert switched == ({"1": 0, "2": BUCKETS}, "Running", 3)
    assert (model.rollout.phase, model.shares) == ("Successful", {"2": BUCKETS})


def test_manual_blue_green_waits_before_the_switch() -> None:
    """The word that is kept is the one for everything."""
    model = serving()
    model.start(strategy="blue-green", promotion="manual")
    model.tick(10 * MINUTE)

    assert (model.rollout.phase, model.shares) == ("Paused", {"1": BUCKETS, "2": 0})
    assert model.ask("promote").outcome == "accepted"
    assert model.shares == {"2": BUCKETS}


def test_a_refusal_by_a_worker_fails_the_rollout_and_the_old_version_goes_on() -> None:
    """In the present generation; a refusal of an earlier one is stale and changes nothing."""
    model = serving()
    model.start(load=False)
    stale = model.signal("version_refused", version="2", generation=1)
    model.signal("version_refused", version="2")

    assert stale.outcome == "ignored"
    assert (model.rollout.phase, model.shares) == ("Failed", {"1": BUCKETS})
    assert model.deployment.withdrawn == ()
    assert model.kinds == ["RolloutStarted", "RolledBack"]


def test_an_activation_that_a_worker_refuses_goes_back_to_what_served() -> None:
    """Before any worker has loaded it; once one serves it, another worker's refusal is that worker's own matter."""
    model = serving()
    model.ask("activate", version="2")
    model.signal("version_refused", version="2")
    failed = (model.rollout.phase, model.shares)
    model.ask("activate", version="3")
    model.signal("version_loaded")
    late = model.signal("version_refused", version="3")

    assert failed == ("Failed", {"1": BUCKETS})
    assert model.kinds[:3] == ["Activated", "Superseded", "ActivationFailed"]
    assert (late.outcome, model.shares) == ("ignored", {"3": BUCKETS})


def test_a_first_activation_that_is_refused_has_nothing_to_go_back_to() -> None:
    """It fails, and what was to serve is still what requests wait for."""
    model = Model()
    model.ask("activate", version="1")
    model.signal("version_refused", version="1")

    assert (model.rollout.phase, model.shares) == ("Failed", {"1": BUCKETS})


def test_a_quarantined_candidate_is_rolled_back_for_cause() -> None:
    """It hung or ate memory: control serves all, and the version is barred."""
    model = serving()
    model.start()
    model.signal("version_quarantined", version="2")

    assert (model.rollout.phase, model.shares) == ("Failed", {"1": BUCKETS})
    assert [each.version for each in model.deployment.withdrawn] == ["2"]


@pytest.mark.parametrize("beyond", [(True, True, True), (True, False, True, False, True)])
def test_three_of_five_readings_beyond_the_limit_roll_back(beyond: tuple[bool, ...]) -> None:
    """One reading may stray, three of the newest five do not."""
    model = serving()
    model.start()
    for number, bad in enumerate(beyond):
        assert model.rollout.phase == "Running", number
        window(model, rejected=20 if bad else 0)

    assert (model.rollout.phase, model.shares) == ("Failed", {"1": BUCKETS})
    assert "guardrail dead_letter_share of version 2: 3 of the newest" in model.rollout.reason


def test_two_of_five_readings_roll_nothing_back() -> None:
    """However long it goes on."""
    model = serving()
    model.start()
    for number in range(20):
        window(model, rejected=20 if number % 5 < 2 else 0)

    assert model.rollout.phase == "Running"


def window(model: Model, *, rejected: int = 0) -> None:
    """A reading of 1,000 rows of each arm, with so many of the candidate's dead-lettered."""
    model.inputs += 1
    arm = ArmWindow(rows=1_000, duration_us=1_000, score_rows=1_000, score_quantiles=(100.0, 300.0, 500.0))
    model.decide(
        WindowInput(
            window=Window(
                window_id=f"w{model.inputs}",
                model=MODEL,
                version="2",
                generation=model.deployment.generation,
                candidate=replace(arm, rejected=rejected),
                control=arm,
            )
        )
    )


def test_guardrails_alone_promote_without_labels() -> None:
    """Where labels never come, time and guardrails decide."""
    model = serving()
    model.start(judged_by="guardrails", steps="10%,50%")
    for _ in range(3):
        model.tick(MINUTE)

    assert (model.rollout.phase, model.shares) == ("Successful", {"2": BUCKETS})


def test_ab_drops_the_worse_and_promotes_the_best_of_the_better() -> None:
    """Control against three: one is worse and goes alone, two are better, the best of them wins."""
    model = serving()
    model.start("2,3,4", strategy="ab")
    run_to_end(model, {"1": 0.20, "2": 0.35, "3": 0.10, "4": 0.05}, rounds=1)
    for _ in range(20):
        if model.rollout.phase != "Running":
            break
        model.labels({"1": 0.20, "2": 0.35, "3": 0.10, "4": 0.05})
        model.tick(MINUTE)

    assert (model.rollout.phase, model.shares) == ("Successful", {"4": BUCKETS})
    assert model.kinds == ["RolloutStarted", "CandidateDropped", "Barred", "Promoted", "Superseded"]
    assert [each.version for each in model.deployment.withdrawn] == ["2"]


def test_ab_splits_alpha_over_its_candidates() -> None:
    """Of four candidates each needs four times the evidence of one."""
    alone, four = serving(), serving()
    alone.start("2", strategy="ab", shares="2=20%")
    four.start("2,3,4,5", strategy="ab", shares="2=20%,3=20%,4=20%,5=20%")
    for model in (alone, four):
        model.labels({"1": 0.1, "2": 0.1}, labels=500)
        model.labels({"1": 0.1, "2": 0.165}, labels=500)
    looks = 0
    while alone.rollout.phase == "Running" and looks < 50:
        looks += 1
        for model in (alone, four):
            model.labels({"1": 0.10, "2": 0.16}, labels=200)

    assert alone.rollout.phase == "Failed"
    assert four.rollout.phase == "Running"
    assert "2" in four.shares


def test_ab_ends_by_date_without_a_winner() -> None:
    """Nothing was shown by then: it pauses and tells; a person names the one that is promoted."""
    model = serving()
    model.start("2,3", strategy="ab", ends_at=str(model.now + 10 * MINUTE))
    model.labels({"1": 0.1, "2": 0.1, "3": 0.1})
    model.tick(10 * MINUTE)
    ended = model.rollout.phase
    unnamed = model.ask("promote")
    model.ask("promote", version="3")

    assert ended == "Inconclusive"
    assert (unnamed.outcome, "which of the candidates 2, 3" in unnamed.reason) == ("refused", True)
    assert model.shares == {"3": BUCKETS}


def test_ab_ends_by_date_with_the_one_that_is_better() -> None:
    """What is shown by the date counts."""
    model = serving()
    model.start("2,3", strategy="ab", ends_at=str(model.now + 30 * MINUTE), promotion="manual")
    for _ in range(6):
        model.labels({"1": 0.3, "2": 0.1, "3": 0.3})
    running = model.rollout.phase
    model.tick(30 * MINUTE)

    assert running == "Running"
    assert model.rollout.phase == "Paused"
    assert "version 2 wins: better by e-value" in model.rollout.reason


def test_frozen_automation_tells_once_and_does_nothing() -> None:
    """It says what it would do; when the freeze is lifted, what is due is done."""
    model = serving()
    model.start()
    model.ask("freeze", reason="holiday")
    for _ in range(8):
        model.labels(BAD)
        model.tick(MINUTE)
    frozen = (model.rollout.phase, model.shares["2"])
    advice = [event.reason for event in model.events if event.kind == "Advised"]
    model.ask("unfreeze")
    model.tick(1_000)

    assert frozen == ("Running", 100)
    assert advice[0].startswith("frozen by ann, or it would ")
    assert sum("would worse" in each for each in advice) == 1
    assert (model.rollout.phase, model.shares) == ("Failed", {"1": BUCKETS})


def test_a_pause_stops_widening_and_not_the_guard() -> None:
    """While a person has paused, good evidence changes nothing and bad evidence still rolls back."""
    model = serving()
    model.start()
    model.ask("pause", reason="lunch")
    for _ in range(20):
        model.labels(GOOD)
        model.tick(MINUTE)
    paused = (model.rollout.phase, model.shares["2"])
    for _ in range(30):
        model.labels({"1": 0.05, "2": 0.6})

    assert paused == ("Paused", 100)
    assert (model.rollout.phase, model.shares) == ("Failed", {"1": BUCKETS})


def test_time_that_was_paused_is_no_time_of_the_step() -> None:
    """A step of five minutes that was paused after one has four left when it is resumed."""
    model = serving()
    model.start(steps="10%:5m:0,50%")
    model.tick(MINUTE)
    model.ask("pause")
    model.tick(60 * MINUTE)
    model.ask("resume")
    model.tick(3 * MINUTE)
    before = model.shares["2"]
    model.tick(MINUTE)

    assert (before, model.shares["2"]) == (1_000, 5_000)


def test_a_person_takes_steps_and_promotes_whatever_evidence_says() -> None:
    """Each is an event with who asked."""
    model = serving()
    model.start()
    model.ask("step")
    stepped = model.shares["2"]
    model.ask("promote", reason="agreed with product")

    assert stepped == 500
    assert (model.rollout.phase, model.shares) == ("Successful", {"2": BUCKETS})
    assert [(event.kind, event.issued_by) for event in model.events[1:3]] == [("Widened", "ann"), ("Promoted", "ann")]


def test_one_rollout_of_a_model_at_a_time() -> None:
    """Neither another start nor an activation; both say what to do first."""
    model = serving()
    model.start()

    for action in ("start", "activate"):
        decision = model.ask(action, version="3")
        assert decision.outcome == "refused"
        assert "promote or abort it first" in decision.reason


def test_rollback_goes_to_control_in_a_rollout_and_to_the_version_before_after_it() -> None:
    """Without asking the shelf, which may be away; and not further than the record reaches."""
    model = serving()
    model.start()
    model.facts = VersionFacts(state=None, unreachable="the shelf is away")
    in_rollout = model.ask("rollback")
    went_to = dict(model.shares)
    model.facts = VALIDATED
    model.serve("2")
    model.facts = VersionFacts(state=None, unreachable="the shelf is away")
    after = model.ask("rollback", reason="orders fall", bar="true")
    again = model.ask("rollback")

    assert (in_rollout.outcome, went_to) == ("accepted", {"1": BUCKETS})
    assert (after.outcome, model.shares, model.rollout.phase) == ("accepted", {"1": BUCKETS}, "Failed")
    assert [(each.version, each.issued_by) for each in model.deployment.withdrawn] == [("2", "ann")]
    assert (again.outcome, "no version of flights to go back to" in again.reason) == ("refused", True)


def test_what_is_not_legal_in_a_phase_is_refused_with_what_is() -> None:
    """Resume while running, pause while pending, anything without a rollout."""
    model = serving()
    without = model.ask("pause")
    model.start(load=False)
    pending = model.ask("pause")
    model.signal("version_loaded")
    running = model.ask("resume")

    assert "no rollout of flights is under way" in without.reason
    assert pending.reason == "pause is not legal while the rollout is Pending; legal are: abort, rollback"
    assert running.reason == (
        "resume is not legal while the rollout is Running; legal are: pause, step, promote, abort, rollback"
    )


def test_automation_may_start_and_a_person_outranks_it() -> None:
    """It starts what it may, can't promote, resume or unfreeze, nor end what a person has started."""
    trainer = automation("trainer")
    model = serving()
    assert model.ask("start", by=trainer, version="2").outcome == "accepted"
    model.signal("version_loaded")
    refused = [model.ask(action, by=trainer).outcome for action in ("promote", "pause", "resume", "freeze", "unfreeze")]
    own = model.ask("abort", by=trainer)
    model.start("3")
    others = model.ask("abort", by=trainer)
    model.ask("abort")
    model.ask("freeze")
    frozen = model.ask("start", by=trainer, version="4")

    assert refused == ["refused"] * 5
    assert own.outcome == "accepted"
    assert "a person outranks automation" in others.reason
    assert "automation is frozen by ann" in frozen.reason


def test_a_command_that_was_meant_for_an_earlier_generation_is_refused() -> None:
    """Who promotes what they saw does not promote what came since."""
    model = serving()
    model.start()
    seen = str(model.deployment.generation)
    model.ask("step")
    late = model.ask("promote", generation=seen)
    now = model.ask("promote", generation=str(model.deployment.generation))

    assert (late.outcome, "meant for generation 2, and 3 is in force" in late.reason) == ("refused", True)
    assert now.outcome == "accepted"


def test_cohorts_of_before_of_others_and_without_coverage_are_ignored_with_the_reason() -> None:
    """Stale generations, other arms, too few labels."""
    model = serving()
    model.start()
    before = model.cohort("1", [0.0] * 200, start=0, generation=1)
    pinned = model.cohort("2", [0.0] * 200, start=0, arm="pinned")
    live = model.cohort("1", [0.0] * 200, start=0, arm="live")

    assert "generation 1 was before the rollout" in before.reason
    assert "not on trial" in pinned.reason
    assert "not on trial" in live.reason
    assert {before.outcome, pinned.outcome, live.outcome} == {"ignored"}


def test_pinned_entities_come_with_the_start_change_and_go_with_the_end() -> None:
    """By id or by the beginning of it."""
    model = serving()
    model.start(pins="entity:N1\nprefix:test-")
    first = [(each.kind, each.value, each.version) for each in model.deployment.overrides]
    model.ask("pin", pins="entity:N2")
    second = [each.value for each in model.deployment.overrides]
    model.ask("abort")

    assert first == [("entity", "N1", "2"), ("prefix", "test-", "2")]
    assert second == ["N2"]
    assert model.deployment.overrides == ()


def test_versions_that_can_not_serve_can_not_be_candidates() -> None:
    """Not there, not validated, already serving, shelf away, no model yet."""
    cases = {
        "no version 2": VersionFacts(state=None),
        "is rejected, not validated: golden": VersionFacts(state="rejected", failure="golden"),
        "the shelf can't be read now": VersionFacts(state=None, unreachable="gone"),
    }
    for words, facts in cases.items():
        model = serving()
        model.facts = facts
        decision = model.ask("start", version="2")
        assert (decision.outcome, words in decision.reason) == ("refused", True), decision.reason

    assert "already serves" in serving().ask("start", version="1").reason
    assert "penstock activate flights VERSION" in Model().ask("start", version="1").reason


def test_schemas_of_the_newest_version_on_trial_are_used() -> None:
    """Whichever was registered last has the features of all."""
    newer = replace(VALIDATED, request_schema_id=7, prediction_schema_id=8, registered_at=5)
    model = serving()
    model.facts = newer
    model.start()

    assert (model.deployment.request_schema_id, model.deployment.prediction_schema_id) == (7, 8)


def test_limits_that_nobody_set_are_not_read() -> None:
    """A guardrail without a limit says nothing."""
    model = serving()
    model.start()
    rules = replace(model.rollout.rules, limits=(GuardrailLimit(guardrail="row_us", limit=0.5),))
    model.state = replace(model.deployment, rollout=replace(model.rollout, rules=rules))
    window(model, rejected=500)

    assert [each.guardrail for each in model.rollout.candidates[0].guardrails] == ["row_us"]
