"""The phases of a rollout, and the one table of what leads from one to another.

What the table does not have is not legal: the decision asks it before it does anything, and the
picture in docs/rollouts.md is drawn from it. The words are those of Argo Rollouts.
"""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a rollout is; the last two are its ends."""

    PENDING = "Pending"
    RUNNING = "Running"
    PAUSED = "Paused"
    INCONCLUSIVE = "Inconclusive"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"


class Trigger(StrEnum):
    """What makes a rollout go on, or end."""

    LOADED = "loaded"
    WIDEN = "widen"
    DROP = "drop"
    HOLD = "hold"
    SUCCEED = "succeed"
    UNDECIDED = "undecided"
    REFUSED = "refused"
    QUARANTINED = "quarantined"
    GUARDRAIL = "guardrail"
    WORSE = "worse"
    PAUSE = "pause"
    RESUME = "resume"
    STEP = "step"
    PROMOTE = "promote"
    ABORT = "abort"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One legal step between phases; `by` is a person, or penstock itself."""

    before: Phase
    trigger: Trigger
    after: Phase
    by: str
    meaning: str


_PERSON, _ITSELF = "person", "penstock"
_LIVE = (Phase.RUNNING, Phase.PAUSED, Phase.INCONCLUSIVE)
_OPEN = (Phase.PENDING, *_LIVE)


def _from(
    phases: tuple[Phase, ...], trigger: Trigger, after: Phase, *, by: str, meaning: str
) -> tuple[Transition, ...]:
    return tuple(Transition(before=before, trigger=trigger, after=after, by=by, meaning=meaning) for before in phases)


TRANSITIONS: tuple[Transition, ...] = (
    *_from(
        (Phase.PENDING,), Trigger.LOADED, Phase.RUNNING, by=_ITSELF, meaning="a worker has loaded and warmed all of it"
    ),
    *_from(
        (Phase.RUNNING,), Trigger.WIDEN, Phase.RUNNING, by=_ITSELF, meaning="time and labels of the step are reached"
    ),
    *(
        Transition(before=each, trigger=Trigger.DROP, after=each, by=_ITSELF, meaning="one candidate of several fails")
        for each in _LIVE
    ),
    *_from(
        (Phase.RUNNING,),
        Trigger.HOLD,
        Phase.PAUSED,
        by=_ITSELF,
        meaning="only a person's word for promotion is missing",
    ),
    *_from(
        (Phase.RUNNING,), Trigger.UNDECIDED, Phase.INCONCLUSIVE, by=_ITSELF, meaning="no decision by deadline or cap"
    ),
    *_from(
        (Phase.RUNNING,), Trigger.SUCCEED, Phase.SUCCESSFUL, by=_ITSELF, meaning="the last step is reached and good"
    ),
    *_from(_OPEN, Trigger.REFUSED, Phase.FAILED, by=_ITSELF, meaning="a worker refuses a candidate's bundle"),
    *_from(_OPEN, Trigger.QUARANTINED, Phase.FAILED, by=_ITSELF, meaning="a candidate hung or ate memory twice"),
    *_from(_LIVE, Trigger.GUARDRAIL, Phase.FAILED, by=_ITSELF, meaning="N of the newest M readings are beyond it"),
    *_from(_LIVE, Trigger.WORSE, Phase.FAILED, by=_ITSELF, meaning="evidence says worse than control"),
    *_from((Phase.RUNNING,), Trigger.PAUSE, Phase.PAUSED, by=_PERSON, meaning="a person wants no widening"),
    *_from(
        (Phase.PAUSED, Phase.INCONCLUSIVE),
        Trigger.RESUME,
        Phase.RUNNING,
        by=_PERSON,
        meaning="a person lets it go on, with a new deadline",
    ),
    *_from(_LIVE, Trigger.STEP, Phase.RUNNING, by=_PERSON, meaning="a person takes the next step"),
    *_from(_LIVE, Trigger.PROMOTE, Phase.SUCCESSFUL, by=_PERSON, meaning="a person gives the candidate everything"),
    *_from(_OPEN, Trigger.ABORT, Phase.FAILED, by=_PERSON, meaning="a person ends it; control serves all"),
    *_from(_OPEN, Trigger.ROLLBACK, Phase.FAILED, by=_PERSON, meaning="a person goes back to control"),
    *_from(
        (Phase.SUCCESSFUL,), Trigger.ROLLBACK, Phase.FAILED, by=_PERSON, meaning="a person goes back to the one before"
    ),
)
_TABLE = {(each.before, each.trigger): each.after for each in TRANSITIONS}
ENDED = frozenset({Phase.SUCCESSFUL, Phase.FAILED})


def after(phase: Phase, trigger: Trigger) -> Phase | None:
    """The phase that a trigger leads to; None where it is not legal.

    >>> after(Phase.RUNNING, Trigger.PAUSE), after(Phase.FAILED, Trigger.PAUSE)
    (<Phase.PAUSED: 'Paused'>, None)
    """
    return _TABLE.get((phase, trigger))


def legal_for_people(phase: Phase) -> tuple[str, ...]:
    """What a person may ask for in a phase, in the order of the table.

    >>> legal_for_people(Phase.PENDING)
    ('abort', 'rollback')
    """
    return tuple(each.trigger.value for each in TRANSITIONS if each.before == phase and each.by == _PERSON)
