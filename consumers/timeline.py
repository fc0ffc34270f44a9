"""What happened to a model, as chains of cause and effect: an alarm, the retrain, the candidate, its canary, the end.

Moments come in, in any order; they go out in the order of time, each with the moment that led to
it, as far as the records tell. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

_STARTED, _TRAINED = "RolloutStarted", "Trained"
_OF_A_ROLLOUT = frozenset(
    {"Widened", "Paused", "Resumed", "Inconclusive", "Promoted", "RolledBack", "CandidateDropped", "Pinned", "Advised"}
)
_OF_THE_SHELF = frozenset({"Registered", "Validated"})
_OF_A_VERSION = frozenset(
    {"ApprovalGiven", "Approved", "Rejected", _STARTED, "Activated", "Barred", "Unbarred", "Retired", "Refused"}
)
_ASIDE = frozenset({"Superseded", "Barred"})
"""What a decision says besides its main event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened at `at` (ms): a signal, a model event, or a command of automation that was refused.

    `versions`: those it is about. `caused_by`: as it was recorded, an id of any kind. `led_by`: the
    id of the moment that led to it, empty where none did.
    """

    id: str
    at: int
    kind: str
    versions: tuple[str, ...]
    who: str
    words: str
    caused_by: str
    led_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A moment and what followed from it, in the order of time."""

    moment: Moment
    followed_by: tuple["Step", ...]


def linked(moments: Sequence[Moment], causes: Mapping[str, str]) -> list[Moment]:
    """The moments in the order of time, each with the one that led to it; `causes`: what commands say caused them."""
    moments = [replace(each, at=at) for each, at in zip(moments, _noticed_at(moments, causes), strict=True)]
    known: dict[str, Moment] = {}
    requests = {version: each.caused_by for each in moments if each.kind == _TRAINED for version in each.versions}
    for moment in sorted(moments, key=lambda each: (each.at, each.kind in _ASIDE, bool(each.caused_by))):
        leader = _leader(moment, tuple(known.values()), causes, requests)
        known[moment.id] = replace(moment, led_by="" if leader is None else leader.id)
    return list(known.values())


def _noticed_at(moments: Sequence[Moment], causes: Mapping[str, str]) -> Iterator[int]:
    """When each was first known: a signal that was told again has its last telling, and what it led to was before."""
    followed_at: dict[str, int] = {}
    for moment in moments:
        for cause in filter(None, (moment.caused_by, causes.get(moment.caused_by))):
            followed_at[cause] = min(moment.at, followed_at.get(cause, moment.at))
    for moment in moments:
        yield min(moment.at, followed_at.get(moment.id, moment.at))


def trees(moments: Sequence[Moment]) -> tuple[Step, ...]:
    """Linked moments as trees: what nothing led to, each with what followed."""
    followers: dict[str, list[Moment]] = {}
    for moment in moments:
        followers.setdefault(moment.led_by, []).append(moment)
    return tuple(_grown("", followers))


def _grown(leader: str, followers: Mapping[str, Sequence[Moment]]) -> Iterator[Step]:
    for moment in followers.get(leader, ()):
        yield Step(moment=moment, followed_by=tuple(_grown(moment.id, followers)))


def _leader(
    moment: Moment, earlier: Sequence[Moment], causes: Mapping[str, str], requests: Mapping[str, str]
) -> Moment | None:
    """By the decision it is part of, by what it says itself or its command says, else by what it belongs to.

    `requests`: by version the request to retrain that it was made for; the shelf tells of it before the trainer.
    """
    backwards = earlier[::-1]
    if moment.kind in _OF_THE_SHELF:
        named = {requests.get(version, "") for version in moment.versions}
        return next((each for each in backwards if each.id in named or each.caused_by == moment.caused_by), None)
    if moment.kind in _ASIDE:
        main = next((each for each in backwards if each.caused_by == moment.caused_by), None)
        if main is not None:
            return main
    named = {moment.caused_by, causes.get(moment.caused_by, "")}
    found = next((each for each in backwards if each.id in named), None)
    if found is None and moment.kind in _OF_A_ROLLOUT:
        found = next((each for each in backwards if each.kind == _STARTED), None)
    if found is None and moment.kind in _OF_A_VERSION:
        found = next((each for each in backwards if _made(each, moment)), None)
    return found


def _made(trained: Moment, moment: Moment) -> bool:
    return trained.kind == _TRAINED and bool(set(trained.versions) & set(moment.versions))
