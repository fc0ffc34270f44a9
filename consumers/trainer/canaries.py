"""Which candidates are to go on to a canary, from the model events in their order. Pure.

A candidate is asked for once for each thing that may have changed the answer: that it was trained,
that somebody approved it, that another rollout ended. Whether it may begin is the controller's to
decide; a refusal is in its journal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from consumers.trainer.requests import RETRAIN_VETOED, TRAINED
from schemas.events import ModelEvent

_TRIED = frozenset({"RolloutStarted", "Activated", "Promoted"})
_OUT = frozenset({"Rejected", "Barred", "Retired"})
_ALLOWED = frozenset({"Approved", "Unbarred"})
_ROLLED_BACK = "RolledBack"
_FREED = frozenset({"Promoted", _ROLLED_BACK, "CandidateDropped", "Unfrozen"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A version that was trained and has not been tried.

    `since`: the event that last gave reason to ask for it, `cause`: the one that speaks for it (that
    it was trained, or approved).
    """

    model: str
    version: str
    cause: str
    since: str
    due_at: int

    @property
    def command_id(self) -> str:
        """Asked for again for the same reason, it is the same command."""
        return f"{self.since}:canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canaries:
    """The newest candidate of each model. `cool_down_ms`: no rollout begins for so long after a rollback."""

    cool_down_ms: int
    waiting: Mapping[str, Candidate] = field(default_factory=dict)

    def after(self, event: ModelEvent) -> "Canaries":
        """What is to be asked for once the event has happened."""
        if event.kind == TRAINED and event.version is not None:
            return self._with(
                Candidate(
                    model=event.model,
                    version=event.version,
                    cause=event.event_id,
                    since=event.event_id,
                    due_at=event.occurred_at,
                )
            )
        candidate = self.waiting.get(event.model)
        if candidate is None:
            return self
        concerns_it = candidate.version in (event.version or "").split(",")
        if event.kind == RETRAIN_VETOED or (concerns_it and event.kind in _TRIED | _OUT):
            return replace(self, waiting={name: each for name, each in self.waiting.items() if name != event.model})
        if concerns_it and event.kind in _ALLOWED:
            return self._with(replace(candidate, cause=event.event_id, since=event.event_id, due_at=event.occurred_at))
        if event.kind in _FREED:
            pause = self.cool_down_ms if event.kind == _ROLLED_BACK else 0
            return self._with(replace(candidate, since=event.event_id, due_at=event.occurred_at + pause))
        return self

    def due(self, now: int) -> Iterator[Candidate]:
        """Candidates to be asked for by now."""
        return (each for each in self.waiting.values() if now >= each.due_at)

    def _with(self, candidate: Candidate) -> "Canaries":
        return replace(self, waiting={**self.waiting, candidate.model: candidate})
