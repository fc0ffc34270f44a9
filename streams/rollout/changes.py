"""What a rollout does to a deployment: begin, take a step, drop a candidate, finish, fall back.

A state comes in, the state after goes out; nothing here asks whether it should be done. A new
generation begins exactly where scorers have to do something else.
"""

from collections.abc import Sequence
from dataclasses import replace

from schemas.events import (
    Candidate,
    DeploymentState,
    Rollout,
    RolloutRules,
    RolloutStep,
    ServedVersion,
    StandbyVersion,
    WithdrawnVersion,
)
from schemas.issuers import automation
from streams.rollout.allocation import ALL, BUCKETS, allocate
from streams.rollout.evidence import EMPTY
from streams.rollout.phases import Phase, Trigger, after
from streams.rollout.withdrawal import BARRED

LIVE, CONTROL, CANDIDATE = "live", "control", "candidate"
OPEN, OK, WORSE = "open", "ok", "worse"
ACTIVATION = "activate"
CONTROLLER = automation("controller")


def candidate_of(version: str, bundle: str, *, arm: str) -> Candidate:
    """A version of which nothing is known yet."""
    return Candidate(
        version=version, bundle=bundle, arm=arm, verdict=OPEN, step_labels=0, evidence=EMPTY, guardrails=()
    )


def arm_name(index: int, candidates: int) -> str:
    """The arm of the candidate at that place.

    >>> arm_name(0, 1), arm_name(1, 2)
    ('candidate', 'candidate-2')
    """
    return CANDIDATE if candidates == 1 else f"{CANDIDATE}-{index + 1}"


def live(version: str, bundle: str) -> tuple[ServedVersion, ...]:
    """One version that serves all."""
    return (ServedVersion(version=version, bundle=bundle, arm=LIVE, buckets=ALL),)


def divided(state: DeploymentState, rollout: Rollout, step: int) -> tuple[ServedVersion, ...]:
    """Control and candidates with the shares of a step; a candidate that was found worse has none."""
    shares = {
        each.version: 0 if each.verdict == WORSE else share
        for each, share in zip(rollout.candidates, rollout.steps[step].shares, strict=True)
    }
    present = {served.version: served.buckets for served in state.versions}
    ranges = allocate(present, {rollout.control: BUCKETS - sum(shares.values()), **shares})
    control = ServedVersion(
        version=rollout.control, bundle=rollout.control_bundle, arm=CONTROL, buckets=ranges[rollout.control]
    )
    others = [
        ServedVersion(version=each.version, bundle=each.bundle, arm=each.arm, buckets=ranges[each.version])
        for each in rollout.candidates
        if each.verdict != WORSE
    ]
    return (control, *others)


def new_rollout(
    rollout_id: str,
    strategy: str,
    *,
    started_by: str,
    now: int,
    generation: int,
    control: ServedVersion | None,
    candidates: Sequence[Candidate],
    steps: tuple[RolloutStep, ...],
    rules: RolloutRules,
    ends_at: int | None = None,
) -> Rollout:
    """A rollout at its beginning, before any worker has loaded what it names."""
    return Rollout(
        rollout_id=rollout_id,
        strategy=strategy,
        phase=Phase.PENDING,
        reason="waits for a worker that has loaded and warmed every version",
        started_by=started_by,
        started_at=now,
        phase_since=now,
        generation_first=generation,
        control="" if control is None else control.version,
        control_bundle="" if control is None else control.bundle,
        candidates=tuple(candidates),
        steps=steps,
        step=0,
        step_since=now,
        step_generation=generation,
        loaded_at=None,
        ends_at=ends_at,
        labels_max=rules.labels_max,
        rules=rules,
        faults=(),
        advised=(),
    )


def moved(rollout: Rollout, trigger: Trigger, reason: str, now: int) -> Rollout:
    """The rollout in the phase that the trigger leads to, which the table has to know."""
    phase = after(Phase(rollout.phase), trigger)
    assert phase is not None, f"{trigger} is not legal in {rollout.phase}"
    since = rollout.phase_since if phase == rollout.phase else now
    return replace(rollout, phase=phase, reason=reason, phase_since=since)


def step_taken(state: DeploymentState, rollout: Rollout, now: int) -> DeploymentState:
    """The deployment one step further, in a generation of its own."""
    step = rollout.step + 1
    generation = state.generation + 1
    ahead = replace(
        rollout,
        step=step,
        step_since=now,
        step_generation=generation,
        candidates=tuple(replace(each, step_labels=0) for each in rollout.candidates),
    )
    return replace(state, generation=generation, versions=divided(state, ahead, step), rollout=ahead)


def dropped(state: DeploymentState, rollout: Rollout, version: str) -> DeploymentState:
    """The deployment in which one candidate's entities went back to control."""
    candidates = tuple(replace(each, verdict=WORSE) if each.version == version else each for each in rollout.candidates)
    left = replace(rollout, candidates=candidates)
    return replace(
        state,
        generation=state.generation + 1,
        versions=divided(state, left, left.step),
        overrides=tuple(each for each in state.overrides if each.version != version),
        rollout=left,
    )


def finished(state: DeploymentState, rollout: Rollout, winner: str) -> DeploymentState:
    """The deployment in which one candidate serves all and control stays warm behind it."""
    (bundle,) = (each.bundle for each in rollout.candidates if each.version == winner)
    standby = (StandbyVersion(version=rollout.control, bundle=rollout.control_bundle),) if rollout.control else ()
    return replace(
        state,
        generation=state.generation + 1,
        versions=live(winner, bundle),
        previous_version=rollout.control or None,
        standby=standby,
        overrides=(),
        rollout=rollout,
    )


def fallen_back(state: DeploymentState, rollout: Rollout) -> DeploymentState:
    """The deployment in which control serves all again.

    Where there was none before, or it was withdrawn while another was being activated, nothing else can serve.
    """
    if not rollout.control or state.withdrawal_of(rollout.control) is not None:
        return replace(state, rollout=rollout)
    kept = tuple(each for each in state.standby if each.version != rollout.control)
    previous = None if state.previous_version == rollout.control else state.previous_version
    return replace(
        state,
        generation=state.generation + 1,
        versions=live(rollout.control, rollout.control_bundle),
        previous_version=previous,
        standby=kept,
        overrides=(),
        rollout=rollout,
    )


def gone_back(state: DeploymentState, target: StandbyVersion, reason: str, now: int) -> DeploymentState:
    """The deployment in which a version that served before serves all again: one record, nothing to load."""
    ended = state.rollout
    if ended is not None and after(Phase(ended.phase), Trigger.ROLLBACK) is not None:
        ended = moved(ended, Trigger.ROLLBACK, reason, now)
    return replace(
        state,
        generation=state.generation + 1,
        versions=live(target.version, target.bundle),
        previous_version=None,
        standby=(),
        overrides=(),
        rollout=ended,
    )


def barred(state: DeploymentState, version: str, reason: str, *, issued_by: str, now: int) -> DeploymentState:
    """The deployment that lets a version serve by no path until a person lifts it; it serves no more by now."""
    withdrawn = WithdrawnVersion(version=version, state=BARRED, reason=reason, issued_by=issued_by, decided_at=now)
    return replace(
        state,
        previous_version=None if state.previous_version == version else state.previous_version,
        standby=tuple(each for each in state.standby if each.version != version),
        shadows=tuple(each for each in state.shadows if each.version != version),
        withdrawn=(*(each for each in state.withdrawn if each.version != version), withdrawn),
    )
