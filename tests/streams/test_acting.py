"""What drift and bad performance lead to, and what people may say to that."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Cohort, ModelEvent
from streams.rollout.inputs import input_of
from streams.rollout.journal import explain
from streams.rollout.standings import DECIMALS, Tallies, record_of
from tests.streams.rollouts import ACTING, MINUTE, MODEL, Model

DAY = 24 * 60 * MINUTE
AUTO = ACTING.retrain


class Watched(Model):
    """A model of which is told what automation did about alarms."""

    @property
    def told(self) -> list[tuple[str, str | None]]:
        """Events about acting, and the version of each."""
        kinds = ("Retrain", "Rollback", "RolledBack", "Barred")
        return [(event.kind, event.version) for event in self.events if event.kind.startswith(kinds)]

    def last(self) -> ModelEvent:
        return self.events[-1]


@pytest.fixture
def one() -> Watched:
    """Version 1 serves, and there was none before it."""
    model = Watched()
    model.serve("1")
    return model


@pytest.fixture
def two(one: Watched) -> Watched:
    """Version 2 serves, and version 1 did before it, with five errors in a hundred."""
    one.record("1", 2_000, 0.05)
    one.serve("2")
    return one


def test_drift_asks_for_a_retrain(one: Watched) -> None:
    """The request names the version that serves, the signal, and since when the world is another one."""
    decision = one.alarm("drift", since="2013-06-01T00:00:00Z")
    event = one.last()

    assert (decision.outcome, one.told) == ("acted", [("RetrainRequested", "1")])
    assert orjson.loads(event.details) == {"since": 1_370_044_800_000}
    assert (event.caused_by, event.reason, event.issued_by) == (
        f"drift-{one.inputs}",
        "drift of version 1",
        "penstock:controller",
    )


@pytest.mark.parametrize("since", [None, "soon", 7, "2013-06-01T00:00:00"])
def test_a_moment_that_can_not_be_read_is_none(one: Watched, since: object) -> None:
    """Evidence without a moment, or with one that nobody can place, asks for what there is."""
    one.alarm("drift", since=since)

    assert orjson.loads(one.last().details) == {"since": None}


def test_the_version_before_takes_over_when_it_does_better(two: Watched) -> None:
    """The one that failed is barred for cause, and nothing begins until things have cooled down."""
    two.record("2", 2_000, 0.15)

    decision = two.bad("2")

    assert decision.outcome == "acted"
    assert two.told == [("RolledBack", "1"), ("Barred", "2")]
    assert [served.version for served in two.deployment.versions] == ["1"]
    assert two.deployment.withdrawal_of("2") is not None
    assert two.deployment.cool_down_until == two.now + AUTO.cool_down_ms
    assert "version 1 had a mean loss of 0.05, 2 has 0.15" in two.events[-2].reason


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        (0.05, "version 1 had a mean loss of 0.05, 2 has 0.05"),
        (0.055, "version 1 had a mean loss of 0.05, 2 has 0.055"),
    ],
    ids=["the same", "by chance"],
)
def test_it_is_retrained_when_the_version_before_did_no_better(two: Watched, errors: float, words: str) -> None:
    """A record that is not better by more than chance is no reason to go back to it."""
    two.record("2", 2_000, errors)

    two.bad("2")

    assert two.told == [("RetrainRequested", "2")]
    assert words in two.last().reason


def test_without_records_it_is_retrained(two: Watched) -> None:
    """Nobody goes back to a version of which nothing is known."""
    two.record("2", 499, 0.5)

    two.bad("2")

    assert two.told == [("RetrainRequested", "2")]
    assert "do not both have a record of 500 labels" in two.last().reason


def test_the_first_version_is_retrained(one: Watched) -> None:
    """There is nothing to go back to."""
    one.record("1", 2_000, 0.5)

    one.bad("1")

    assert one.told == [("RetrainRequested", "1")]
    assert one.last().reason.endswith("there is no version to go back to")


def test_nobody_goes_back_to_what_was_barred(two: Watched) -> None:
    """A person's word on the version before holds."""
    two.record("2", 2_000, 0.5)
    assert two.ask("bar", version="1", reason="no good").outcome == "accepted"

    two.bad("2")

    assert ("RetrainRequested", "2") in two.told


def test_a_loss_that_has_risen_asks_for_a_retrain(two: Watched) -> None:
    """Whatever the version before did: only an alarm that asks for it takes a version back."""
    two.record("2", 2_000, 0.5)

    two.alarm("performance", "2", asks_for="retrain")

    assert two.told == [("RetrainRequested", "2")]


def test_one_alarm_acts_once(one: Watched) -> None:
    """While an act is fresh further alarms are noted and nothing else; after that they count again."""
    one.alarm("drift")
    held = one.alarm("drift")
    one.now += 60 * MINUTE
    one.alarm("drift")

    assert held.outcome == "noted"
    assert held.reason == "drift of version 1; the last retrain was 0 s ago, and 3,600 s must pass"
    assert one.told == [("RetrainRequested", "1")] * 2


def test_a_day_has_a_budget(one: Watched) -> None:
    """Beyond it automation only tells, and the next day it acts again."""
    for _ in range(3):
        one.alarm("drift")
        one.now += 60 * MINUTE
    told = list(one.told)
    one.now += DAY
    one.alarm("drift")

    assert told == [("RetrainRequested", "1"), ("RetrainRequested", "1"), ("RetrainAdvised", "1")]
    assert one.told[3:] == [("RetrainRequested", "1")]
    assert len(one.deployment.acts) == 2


def test_in_notify_mode_it_only_tells(two: Watched) -> None:
    """The words say what would have been done, and why."""
    two.record("2", 2_000, 0.5)
    two.rules = replace(ACTING, retrain=replace(AUTO, mode="notify"), rollback=replace(AUTO, mode="notify"))
    before = two.deployment

    two.alarm("drift", "2")
    two.bad("2")

    assert two.told == [("RetrainAdvised", "2"), ("RollbackAdvised", "2")]
    assert two.last().reason.startswith("acting.rollback is notify, or it would go back to the version before: perf")
    assert two.deployment == before


def test_what_is_off_is_off(one: Watched) -> None:
    """Neither done nor told, but in the journal."""
    one.rules = replace(ACTING, retrain=replace(AUTO, mode="off"))

    decision = one.alarm("drift")

    assert (decision.outcome, decision.reason) == ("noted", "drift of version 1; acting.retrain is off")
    assert one.told == []


def test_grounds_that_are_left_out_are_only_signaled(two: Watched) -> None:
    """Losses that rise with the weather are no reason to retrain where nobody says so; drift and a bad version are."""
    two.rules = replace(ACTING, retrain=replace(AUTO, cool_down_ms=0), retrain_on=("drift", "baseline"))

    risen = two.alarm("performance", "2")
    two.alarm("drift", "2")
    two.bad("2")

    assert (risen.outcome, risen.reason) == ("noted", "performance of version 2; acting.retrain_on leaves out rise")
    assert two.told == [("RetrainRequested", "2"), ("RetrainRequested", "2")]


def test_a_freeze_holds_here_too(one: Watched) -> None:
    """Whoever froze automation has frozen all of it."""
    one.ask("freeze")

    one.alarm("drift")

    assert one.told == [("RetrainAdvised", "1")]
    assert one.last().reason == "frozen by ann, or it would ask for a retrain: drift of version 1"


def test_a_rollout_decides_by_itself(two: Watched) -> None:
    """While a candidate is on trial nobody goes back behind control, but a retrain can be asked for."""
    two.record("2", 2_000, 0.5)
    two.start("3")

    two.bad("2")

    assert two.told == [("RetrainRequested", "2")]
    assert "a rollout is under way" in two.last().reason


@pytest.mark.parametrize("version", ["2", "9", None])
def test_alarms_about_others_are_nothing(one: Watched, version: str) -> None:
    """A signal about a version that does not serve is ignored and leaves no trace."""
    entries = len(one.journal)

    assert one.alarm("drift", version).outcome == "ignored"
    assert len(one.journal) == entries


def test_a_veto_turns_acts_into_words(one: Watched) -> None:
    """For as long as it says; it takes back what is open, and the trainer is told so."""
    one.alarm("drift")
    vetoed = one.ask("veto", kind="retrain", reason="the data are wrong", **{"for": "2h"})
    event = one.last()
    one.now += 61 * MINUTE
    one.alarm("drift")
    one.now += 60 * MINUTE
    one.alarm("drift")

    assert vetoed.outcome == "accepted"
    assert event.reason == "retrain: veto by ann for 2h (the data are wrong)"
    assert [kind for kind, _ in one.told] == ["RetrainRequested", "RetrainVetoed", "RetrainAdvised", "RetrainRequested"]


def test_a_silence_turns_acts_into_nothing(two: Watched) -> None:
    """Neither done nor told, and the other kind is as it was."""
    two.record("2", 2_000, 0.5)
    two.ask("silence", kind="rollback")

    silenced = two.bad("2")
    two.alarm("drift", "2")

    assert (silenced.outcome, silenced.reason.rsplit("; ", 1)[-1]) == ("noted", "silenced by ann")
    assert [kind for kind, _ in two.told] == ["RollbackSilenced", "RetrainRequested"]


def test_what_was_restrained_can_be_allowed_again(one: Watched) -> None:
    """Before its time, by anybody; where nothing restrains, nothing changes."""
    one.ask("veto", kind="retrain")
    one.ask("allow", kind="retrain")
    again = one.ask("allow", kind="retrain")
    one.alarm("drift")

    assert again.reason == "nothing restrains retrain of flights"
    assert [kind for kind, _ in one.told] == ["RetrainVetoed", "RetrainAllowed", "RetrainRequested"]


@pytest.mark.parametrize(
    ("action", "arguments", "words"),
    [
        ("veto", {}, "veto needs the argument kind: retrain or rollback"),
        ("silence", {"kind": "promotion"}, "silence needs the argument kind: retrain or rollback"),
        ("veto", {"kind": "retrain", "for": "ever"}, "for has 'ever': a duration reads like 30s, 10m, 2h or 1d"),
        ("retrain", {"since": "May"}, "since has 'May': it is an event time in ms since the epoch"),
    ],
)
def test_what_can_not_be_read_is_refused(one: Watched, action: str, arguments: dict[str, str], words: str) -> None:
    """The refusal says how the argument should read."""
    decision = one.ask(action, **arguments)

    assert (decision.outcome, decision.reason) == ("refused", words)


@pytest.mark.parametrize("action", ["veto", "silence", "allow"])
def test_only_people_restrain(one: Watched, action: str) -> None:
    """Automation does not free itself."""
    decision = one.ask(action, by="penstock:controller", kind="retrain")

    assert decision.reason == f"penstock:controller can't {action}: only a person may"


def test_a_person_asks_for_a_retrain(one: Watched) -> None:
    """Whatever is spent or vetoed; automation does not follow it at once with one of its own."""
    one.ask("veto", kind="retrain")
    decision = one.ask("retrain", since="5", reason="new airport")
    event = one.last()
    one.ask("allow", kind="retrain")
    held = one.alarm("drift")

    assert decision.outcome == "accepted"
    assert (event.kind, event.version, event.reason) == ("RetrainRequested", "1", "retrain by ann (new airport)")
    assert (event.issued_by, orjson.loads(event.details)) == ("ann", {"since": 5})
    assert held.outcome == "noted"


def test_automation_asks_only_where_it_may(one: Watched) -> None:
    """Its command is refused under a veto, a person's is not."""
    one.ask("veto", kind="retrain")

    assert one.ask("retrain", by="penstock:other").outcome == "refused"
    assert one.ask("retrain").outcome == "accepted"


def test_what_nothing_serves_can_not_be_retrained() -> None:
    """There is no pipeline to clone."""
    decision = Watched().ask("retrain")

    assert decision.outcome == "refused"
    assert decision.reason.startswith("no version of flights serves that could be refitted")


def test_every_decision_can_be_made_again(two: Watched) -> None:
    """From the journal alone, byte for byte: signals with their rules, tallies, people's words."""
    two.record("2", 2_000, 0.5)
    two.alarm("drift", "2")
    two.ask("veto", kind="retrain")
    two.bad("2")
    chain = ""
    for entry in two.journal:
        found = explain(entry, chain=chain)
        chain = entry.digest

        assert found.faults == ()
        assert input_of(entry.input) == found.event


def cohort(version: str, number: int, *, labels: int, errors: int, role: str = "live", predicted: int = 0) -> Cohort:
    return Cohort(
        model=MODEL,
        cohort_id=f"{MODEL}:{version}:live:{role}:{number}:0",
        version=version,
        arm="live",
        role=role,
        generation=1,
        start=number * MINUTE,
        end=(number + 1) * MINUTE,
        predicted=predicted or labels,
        labeled=labels,
        losses=(1.0,) * errors + (0.0,) * (labels - errors),
        delay_ms_p95=0.0,
        closed_at=1,
    )


def test_cohorts_are_added_up_before_they_count() -> None:
    """Enough labels of a version make a tally; shadows, and cohorts that lack labels, do not count."""
    tallies, made = Tallies(), []
    for number in range(6):
        for each in (
            cohort("1", number, labels=100, errors=10),
            cohort("2", number, labels=50, errors=10),
            cohort("2", number, labels=50, errors=50, role="shadow"),
            cohort("2", number, labels=50, errors=50, predicted=60),
        ):
            tallies, full = tallies.with_cohort(each, labels_min=250, coverage_min=0.9)
            made += [full] if full else []

    assert [(each.version, each.labels, each.losses) for each in made] == [
        ("1", 300, 30.0),
        ("2", 250, 50.0),
        ("1", 300, 30.0),
    ]
    assert len({each.tally_id for each in made}) == 3


@given(rates=st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_a_record_stays_within_what_can_be(rates: list[float]) -> None:
    """Faded labels stay bounded, and the mean within the losses that there were."""
    model = Watched()
    model.serve("1")
    for rate in rates:
        model.record("1", 500, rate)
    record = record_of(model.deployment, "1")

    assert record is not None
    assert 500 <= record.labels <= 500 / (1 - 0.98**5) + 1
    assert min(rates) - 1e-4 <= record.losses / record.labels <= max(rates) + 1e-4
    assert record.labels == round(record.labels, DECIMALS)
