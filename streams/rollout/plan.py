"""What a command asks of a rollout, read and checked: versions, steps, shares, rules and pinned entities.

Arguments are text, as commands carry them, from whoever wrote the command; `PlanError` says which
argument is wrong and how it should read.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from schemas.events import Override, RolloutRules, RolloutStep
from streams.rollout.allocation import BUCKETS

STRATEGIES = ("blue-green", "canary", "ab")
JUDGES = ("labels", "guardrails")
PROMOTIONS = ("auto", "manual")
OVERRIDE_KINDS = ("entity", "prefix")
CANDIDATES_MAX = 8
STEPS_MAX = 50
OVERRIDES_MAX = 1_000
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)%")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION_MS_MAX = 3_650 * 86_400_000
_CANARY_STEPS = "1%,5%,20%,50%"
_BLUE_GREEN_STEPS = "0%,100%"


class PlanError(Exception):
    """An argument can't be used; the message names it and says how it should read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds for a rollout where its command says nothing: from the settings."""

    rules: RolloutRules
    step_duration_ms: int
    step_labels_min: int
    warm_up_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A rollout as it was asked for."""

    strategy: str
    versions: tuple[str, ...]
    steps: tuple[RolloutStep, ...]
    rules: RolloutRules
    ends_at: int | None
    overrides: tuple[Override, ...]


def read_plan(arguments: Mapping[str, str], defaults: Defaults) -> Plan:
    """The plan in a command's arguments. Raises `PlanError`."""
    strategy = _one_of(arguments, "strategy", STRATEGIES, "canary")
    versions = _versions(arguments, strategy)
    rules = _rules(arguments, defaults.rules, strategy)
    steps = _steps(arguments, defaults, strategy, versions, judged_by=rules.judged_by)
    longest_ms = max(step.duration_ms for step in steps)
    if strategy != "blue-green" and longest_ms >= rules.deadline_ms:
        raise PlanError(f"a step takes {longest_ms / 1_000:g} s at least: deadline must be longer than that")
    return Plan(
        strategy=strategy,
        versions=versions,
        steps=steps,
        rules=rules,
        ends_at=_ends_at(arguments, strategy),
        overrides=read_overrides(arguments, versions),
    )


def versions_named(arguments: Mapping[str, str]) -> tuple[str, ...]:
    """The versions that a command's arguments name, in order.

    >>> versions_named({"version": "2, 3"})
    ('2', '3')
    """
    return tuple(name for part in arguments.get("version", "").split(",") if (name := part.strip()))


def read_overrides(arguments: Mapping[str, str], versions: tuple[str, ...]) -> tuple[Override, ...]:
    """Pinned entities, one a line as `entity:ID` or `prefix:BEGINNING`, behind `VERSION=` where there are several.

    Raises `PlanError`.
    """
    lines = [line.strip() for line in arguments.get("pins", "").splitlines() if line.strip()]
    if len(lines) > OVERRIDES_MAX:
        raise PlanError(f"pins has {len(lines)} rules: at most {OVERRIDES_MAX}")
    return tuple(_override(line, versions) for line in lines)


def share_of(text: str, *, argument: str) -> int:
    """A share in buckets. Raises `PlanError`.

    >>> share_of("0.5%", argument="steps")
    50
    """
    match = _SHARE.fullmatch(text.strip())
    buckets = round(float(match[1]) * BUCKETS / 100) if match else -1
    if not 0 <= buckets <= BUCKETS:
        raise PlanError(f"{argument} has {text!r}: a share reads like 5% or 0.25%, from 0% to 100%")
    return buckets


def duration_of(text: str, *, argument: str) -> int:
    """A duration in ms. Raises `PlanError`.

    >>> duration_of("1.5m", argument="duration")
    90000
    """
    match = _DURATION.fullmatch(text.strip())
    duration_ms = round(float(match[1]) * _UNIT_MS[match[2]]) if match else -1
    if not 0 <= duration_ms <= _DURATION_MS_MAX:
        raise PlanError(f"{argument} has {text!r}: a duration reads like 30s, 10m, 2h or 1d")
    return duration_ms


def _versions(arguments: Mapping[str, str], strategy: str) -> tuple[str, ...]:
    versions = versions_named(arguments)
    if not versions:
        raise PlanError("start needs the argument version")
    if len(set(versions)) < len(versions):
        raise PlanError(f"version names one twice: {', '.join(versions)}")
    if len(versions) > 1 and strategy != "ab":
        raise PlanError(f"a {strategy} has one candidate, not {len(versions)}: compare several with strategy ab")
    if len(versions) > CANDIDATES_MAX:
        raise PlanError(f"version names {len(versions)}: at most {CANDIDATES_MAX} candidates at once")
    return versions


def _rules(arguments: Mapping[str, str], rules: RolloutRules, strategy: str) -> RolloutRules:
    judged_by = _one_of(arguments, "judged_by", JUDGES, "guardrails" if strategy == "blue-green" else rules.judged_by)
    if strategy == "blue-green" and judged_by == "labels":
        raise PlanError("a blue-green rollout has no control to compare labels with: use judged_by guardrails")
    return replace(
        rules,
        judged_by=judged_by,
        promotion=_one_of(arguments, "promotion", PROMOTIONS, rules.promotion),
        alpha=_number(arguments, "alpha", rules.alpha, above=0.0, below=0.5),
        margin=_number(arguments, "margin", 0.0 if strategy == "ab" else rules.margin, least=0.0, below=1.0),
        labels_max=_count(arguments, "labels_max", rules.labels_max, least=1),
        block_labels_min=_count(arguments, "block_labels_min", rules.block_labels_min, least=1),
        deadline_ms=_duration(arguments, "deadline", rules.deadline_ms),
    )


def _steps(
    arguments: Mapping[str, str], defaults: Defaults, strategy: str, versions: tuple[str, ...], *, judged_by: str
) -> tuple[RolloutStep, ...]:
    duration_ms = _duration(arguments, "duration", defaults.step_duration_ms)
    labels_min = 0 if judged_by == "guardrails" else defaults.step_labels_min
    usual = RolloutStep(
        shares=(), duration_ms=duration_ms, labels_min=_count(arguments, "labels_min", labels_min, least=0)
    )
    if strategy == "ab":
        return (replace(usual, shares=_ab_shares(arguments, versions)),)
    if "shares" in arguments:
        raise PlanError(f"shares are of an ab; a {strategy} has steps")
    text = arguments.get("steps") or (_BLUE_GREEN_STEPS if strategy == "blue-green" else _CANARY_STEPS)
    steps = tuple(_step(part, usual) for part in text.split(","))
    if strategy == "blue-green":
        return _blue_green(steps, arguments, defaults)
    widths = [step.shares[0] for step in steps]
    if not all(0 < width < BUCKETS for width in widths) or sorted(set(widths)) != widths or len(steps) > STEPS_MAX:
        raise PlanError(
            f"steps has {text!r}: shares grow from step to step, above 0% and below 100%, which promotion gives, "
            f"in at most {STEPS_MAX} steps"
        )
    return steps


def _blue_green(
    steps: tuple[RolloutStep, ...], arguments: Mapping[str, str], defaults: Defaults
) -> tuple[RolloutStep, ...]:
    """Nobody while it warms up, then everybody: the switch between the two is one record."""
    if [step.shares for step in steps] != [(0,), (BUCKETS,)]:
        raise PlanError("the steps of a blue-green are 0% and 100%: it switches all at once")
    if "steps" in arguments:
        return steps
    return (replace(steps[0], duration_ms=defaults.warm_up_ms), steps[1])


def _step(text: str, usual: RolloutStep) -> RolloutStep:
    share, _, rest = text.strip().partition(":")
    duration, _, labels = rest.partition(":")
    return RolloutStep(
        shares=(share_of(share, argument="steps"),),
        duration_ms=duration_of(duration, argument="steps") if duration else usual.duration_ms,
        labels_min=_whole(labels, "steps", 0) if labels else usual.labels_min,
    )


def _ab_shares(arguments: Mapping[str, str], versions: tuple[str, ...]) -> tuple[int, ...]:
    """Each candidate's buckets; without a word all arms get alike, and control what is left over."""
    if "steps" in arguments:
        raise PlanError("steps are of a canary; an ab has shares, like 2=30%,3=20%")
    text = arguments.get("shares", "")
    if not text:
        return (BUCKETS // (len(versions) + 1),) * len(versions)
    given: dict[str, int] = {}
    for part in text.split(","):
        version, _, share = part.partition("=")
        given[version.strip()] = share_of(share, argument="shares")
    if set(given) != set(versions) or min(given.values()) == 0 or sum(given.values()) >= BUCKETS:
        raise PlanError(
            f"shares has {text!r}: it names each candidate once, like {versions[0]}=30%, above 0% and together below "
            "100%, since control keeps what is left"
        )
    return tuple(given[version] for version in versions)


def _ends_at(arguments: Mapping[str, str], strategy: str) -> int | None:
    if "ends_at" not in arguments:
        return None
    if strategy != "ab":
        raise PlanError(f"ends_at is of an ab; a {strategy} ends with its last step")
    return _count(arguments, "ends_at", 0, least=1)


def _override(line: str, versions: tuple[str, ...]) -> Override:
    named, rule = _named(line, versions)
    kind, _, value = rule.partition(":")
    if kind not in OVERRIDE_KINDS or not value:
        raise PlanError(f"pins has {line!r}: a rule reads entity:ID or prefix:BEGINNING")
    return Override(kind=kind, value=value, version=named)


def _named(line: str, versions: tuple[str, ...]) -> tuple[str, str]:
    """The version that a rule is for, and the rule."""
    for version in versions:
        if line.startswith(f"{version}="):
            return version, line.removeprefix(f"{version}=")
    if len(versions) != 1:
        raise PlanError(f"pins has {line!r}: say which of {', '.join(versions)} it is for, like {versions[0]}={line}")
    return versions[0], line


def _one_of(arguments: Mapping[str, str], argument: str, known: tuple[str, ...], default: str) -> str:
    value = arguments.get(argument, default)
    if value not in known:
        raise PlanError(f"{argument} is {value!r}; known are {', '.join(known)}")
    return value


def _number(
    arguments: Mapping[str, str],
    argument: str,
    default: float,
    *,
    below: float,
    least: float | None = None,
    above: float | None = None,
) -> float:
    holds: Callable[[float], bool] = lambda value: (  # noqa: E731  one condition, asked twice
        value < below and (least is None or value >= least) and (above is None or value > above)
    )
    text = arguments.get(argument)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = float("nan")
    if not holds(value):
        bound = f"at least {least:g}" if least is not None else f"above {above:g}"
        raise PlanError(f"{argument} is {text!r}: a number {bound} and below {below:g}")
    return value


def _count(arguments: Mapping[str, str], argument: str, default: int, *, least: int) -> int:
    return _whole(arguments[argument], argument, least) if argument in arguments else default


def _whole(text: str, argument: str, least: int) -> int:
    if not text.strip().isdecimal() or int(text) < least or len(text) > 15:
        raise PlanError(f"{argument} has {text!r}: a whole number, at least {least}")
    return int(text)


def _duration(arguments: Mapping[str, str], argument: str, default: int) -> int:
    return duration_of(arguments[argument], argument=argument) if argument in arguments else default
