"""Profiles added up to windows: what guardrails are read from, a candidate's rows beside control's of the same time.

Profiles come in, windows that are full enough go out. Pure; a controller that starts anew begins
with empty windows, which costs a reading and no decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from schemas.events import DeploymentState, Profile
from schemas.reasons import Reason
from streams.rollout.changes import CONTROL
from streams.rollout.due import in_progress, on_trial
from streams.rollout.inputs import ArmWindow, Window

SCORE = "(score)"
SCORING_STAGES = ("fit", "score")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRules:
    """When a window is read: after so many rows of each arm and so much time."""

    rows_min: int
    every_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A window that is being filled."""

    since: int
    candidate: ArmWindow = field(default_factory=ArmWindow)
    control: ArmWindow = field(default_factory=ArmWindow)


_Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The windows that are being filled, by model, candidate and generation in which the rollout began."""

    open: Mapping[_Key, _Open] = field(default_factory=lambda: MappingProxyType({}))

    def with_profile(
        self, state: DeploymentState, profile: Profile, rules: ReadingRules, now: int
    ) -> tuple["Windows", list[Window]]:
        """The windows with one profile more, and those that it made full."""
        rollout = in_progress(state)
        if rollout is None or profile.role != "live" or profile.generation < rollout.generation_first:
            return self, []
        is_control = (profile.version, profile.arm) == (rollout.control, CONTROL)
        kept = {key: each for key, each in self.open.items() if key[0] != state.model}
        full = []
        for candidate in on_trial(rollout):
            key = (state.model, candidate.version, rollout.generation_first)
            window = self.open.get(key) or _Open(since=now)
            if is_control:
                window = replace(window, control=_added(window.control, profile))
            elif (profile.version, profile.arm) == (candidate.version, candidate.arm):
                window = replace(window, candidate=_added(window.candidate, profile))
            if _is_full(window, rules, now):
                full.append(
                    Window(
                        window_id=f"window:{profile.profile_id}:{candidate.version}",
                        model=state.model,
                        version=candidate.version,
                        generation=profile.generation,
                        candidate=window.candidate,
                        control=window.control,
                    )
                )
                window = _Open(since=now)
            kept[key] = window
        return Windows(open=MappingProxyType(kept)), full


def _is_full(window: _Open, rules: ReadingRules, now: int) -> bool:
    rows = min(window.candidate.rows, window.control.rows)
    return rows >= rules.rows_min and now - window.since >= rules.every_ms


def _added(arm: ArmWindow, profile: Profile) -> ArmWindow:
    score = next((column for column in profile.columns if column.name == SCORE and column.quantiles), None)
    scored = sum(score.counts[:-1]) if score is not None else 0
    quantiles = arm.score_quantiles
    if score is not None and scored:
        before = quantiles or (0.0,) * len(score.quantiles)
        quantiles = tuple(sum_ + scored * value for sum_, value in zip(before, score.quantiles, strict=True))
    return ArmWindow(
        rows=arm.rows + profile.rows,
        rejected=arm.rejected + sum(profile.rejected.values()),
        not_finite=arm.not_finite + profile.rejected.get(Reason.SCORE_NOT_FINITE, 0),
        duration_us=arm.duration_us + sum(profile.durations_us.get(stage, 0) for stage in SCORING_STAGES),
        score_rows=arm.score_rows + scored,
        score_quantiles=quantiles,
    )
