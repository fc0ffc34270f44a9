"""What a decision is: the state after, the verdict on the input, why, and the events that tell of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from schemas.events import DeploymentState, ModelEvent

Outcome = Literal["accepted", "refused", "acted", "noted", "ignored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The state after, the verdict on the input, why, and the events that tell of it.

    Commands are `accepted` or `refused`; on other inputs it has `acted` (something changed that
    scorers or people see), `noted` (evidence grew) or `ignored` what does not concern it.
    `approval`: the signed statement that the shelf is to keep.
    """

    outcome: Outcome
    reason: str
    state: DeploymentState | None
    events: tuple[ModelEvent, ...] = ()
    approval: Mapping[str, str] | None = None

    def recording(self, approval: Mapping[str, str]) -> "Decision":
        """The same, with something for the shelf to keep."""
        return replace(self, approval=dict(approval))


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a decision is made on, for the events that it leads to: the input's id, who is behind it, and the time."""

    input_id: str
    issued_by: str
    now: int

    def event(
        self, model: str, kind: str, *, version: str | None = None, previous: str | None = None, reason: str
    ) -> ModelEvent:
        """An event whose id follows from the input, so that a decision that is made again makes the same one."""
        suffix = "" if version is None else f":{version}"
        return ModelEvent(
            event_id=f"{self.input_id}:{kind}{suffix}",
            model=model,
            kind=kind,
            version=version,
            previous_version=previous,
            reason=reason,
            caused_by=self.input_id,
            occurred_at=self.now,
            issued_by=self.issued_by,
        )


def accepted(state: DeploymentState | None, reason: str, *events: ModelEvent) -> Decision:
    return Decision(outcome="accepted", reason=reason, state=state, events=events)


def refused(state: DeploymentState | None, reason: str) -> Decision:
    """A refusal leaves the state as it was; `reason` says the remedy."""
    return Decision(outcome="refused", reason=reason, state=state)
