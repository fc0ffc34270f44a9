"""What a start command may say, and what is refused with the remedy."""

import re

import pytest

from streams.rollout.plan import Plan, PlanError, read_plan
from tests.streams.rollouts import DEFAULTS, MINUTE


def plan(**arguments: str) -> Plan:
    return read_plan({"version": "2", **arguments}, DEFAULTS)


def test_a_canary_by_default() -> None:
    """1, 5, 20 and 50 %, each for the settings' time and labels, judged by labels."""
    found = plan()

    assert found.strategy == "canary"
    assert [(step.shares, step.duration_ms, step.labels_min) for step in found.steps] == [
        ((share,), MINUTE, 100) for share in (100, 500, 2_000, 5_000)
    ]
    assert found.rules == DEFAULTS.rules


def test_steps_say_their_own_time_and_labels() -> None:
    """SHARE:DURATION:LABELS, each part from the command's or the settings' word where it is missing."""
    found = plan(steps="0.25%:90s,10%::7,50%", duration="2m", labels_min="30")

    assert [(step.shares[0], step.duration_ms, step.labels_min) for step in found.steps] == [
        (25, 90_000, 30),
        (1_000, 2 * MINUTE, 7),
        (5_000, 2 * MINUTE, 30),
    ]


def test_blue_green_is_nobody_then_everybody() -> None:
    """Judged by guardrails, with the warm-up before the switch."""
    found = plan(strategy="blue-green")

    assert [(step.shares[0], step.duration_ms, step.labels_min) for step in found.steps] == [
        (0, DEFAULTS.warm_up_ms, 0),
        (10_000, MINUTE, 0),
    ]
    assert found.rules.judged_by == "guardrails"


def test_ab_shares_alike_or_as_told_and_asks_for_better() -> None:
    """Without a word each arm has the same; the margin is none, since the winner has to be better."""
    alike = read_plan({"version": "2,3", "strategy": "ab"}, DEFAULTS)
    told = read_plan({"version": "2,3", "strategy": "ab", "shares": "3=5%,2=30%"}, DEFAULTS)

    assert alike.steps[0].shares == (3_333, 3_333)
    assert told.steps[0].shares == (3_000, 500)
    assert told.rules.margin == 0.0


def test_rules_of_the_command_go_over_the_settings() -> None:
    """Alpha, margin, caps, deadline, promotion and judge."""
    rules = plan(
        alpha="0.01",
        margin="0.1",
        labels_max="500",
        block_labels_min="20",
        deadline="3h",
        promotion="manual",
        judged_by="guardrails",
    ).rules

    assert (rules.alpha, rules.margin, rules.labels_max, rules.block_labels_min) == (0.01, 0.1, 500, 20)
    assert (rules.deadline_ms, rules.promotion, rules.judged_by) == (180 * MINUTE, "manual", "guardrails")


def test_pins_name_entities_and_beginnings() -> None:
    """One a line; of several candidates each rule says which."""
    several = read_plan({"version": "2,3", "strategy": "ab", "pins": "3=entity:a:b\n2=prefix:x"}, DEFAULTS)

    assert [(each.version, each.kind, each.value) for each in several.overrides] == [
        ("3", "entity", "a:b"),
        ("2", "prefix", "x"),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"version": ""}, "needs the argument version"),
        ({"version": "2,3"}, "compare several with strategy ab"),
        ({"version": "2,2", "strategy": "ab"}, "names one twice"),
        ({"strategy": "big-bang"}, "known are blue-green, canary, ab"),
        ({"steps": "5"}, "a share reads like 5%"),
        ({"steps": "5%,5%"}, "shares grow"),
        ({"steps": "50%,5%"}, "shares grow"),
        ({"steps": "0%,5%"}, "above 0%"),
        ({"steps": "5%,100%"}, "below 100%"),
        ({"steps": "101%"}, "a share reads like"),
        ({"steps": "5%:soon"}, "a duration reads like"),
        ({"steps": "5%:1m:many"}, "a whole number"),
        ({"duration": "5"}, "a duration reads like"),
        ({"alpha": "0"}, "a number above 0"),
        ({"alpha": "nan"}, "a number above 0"),
        ({"alpha": "0.5"}, "below 0.5"),
        ({"margin": "-1"}, "at least 0"),
        ({"labels_max": "0"}, "at least 1"),
        ({"promotion": "maybe"}, "known are auto, manual"),
        ({"judged_by": "luck"}, "known are labels, guardrails"),
        ({"shares": "2=5%"}, "shares are of an ab"),
        ({"ends_at": "5"}, "ends_at is of an ab"),
        ({"strategy": "ab", "steps": "5%"}, "steps are of a canary"),
        ({"strategy": "ab", "shares": "3=5%"}, "names each candidate once"),
        ({"strategy": "ab", "shares": "2=100%"}, "together below 100%"),
        ({"strategy": "ab", "shares": "2=0%"}, "above 0%"),
        ({"strategy": "blue-green", "steps": "5%,100%"}, "0% and 100%"),
        ({"strategy": "blue-green", "judged_by": "labels"}, "use judged_by guardrails"),
        ({"pins": "N1"}, "entity:ID or prefix:BEGINNING"),
        ({"pins": "entity:"}, "entity:ID or prefix:BEGINNING"),
        ({"version": "2,3", "strategy": "ab", "pins": "entity:N1"}, "say which of 2, 3"),
        ({"deadline": "30s"}, "deadline"),
    ],
)
def test_what_can_not_be_used_is_refused_with_how_it_should_read(arguments: dict[str, str], words: str) -> None:
    """The message names the argument and says what there is."""
    with pytest.raises(PlanError, match=re.escape(words)):
        plan(**arguments)
