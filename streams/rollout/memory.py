"""What the controller knows between decisions, and how it comes back from the topics after a restart. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from schemas.codec import built
from schemas.events import DeploymentState, JournalEntry, ModelEvent

INPUT_IDS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerState:
    """By model its deployment, the next sequence and the newest digest of its journal; and the newest input ids.

    `unsaid`: what was decided, and a controller that was killed has not brought to its topic.
    """

    deployments: Mapping[str, DeploymentState] = field(default_factory=dict)
    sequences: Mapping[str, int] = field(default_factory=dict)
    chains: Mapping[str, str] = field(default_factory=dict)
    input_ids: tuple[str, ...] = ()
    unsaid: tuple[DeploymentState | ModelEvent, ...] = ()

    def knows(self, input_id: str) -> bool:
        """Whether this input was decided on before: a record that is read again acts once."""
        return input_id in self.input_ids

    def sequence_of(self, model: str) -> int:
        """The number of the model's next entry; where the journal was lost it is not below the state's revision."""
        state = self.deployments.get(model)
        return max(self.sequences.get(model, 0), state.revision if state else 0)

    def after(self, entry: JournalEntry, state: DeploymentState | None) -> "ControllerState":
        """With one decision more."""
        deployments = self.deployments if state is None else {**self.deployments, entry.model: state}
        return ControllerState(
            deployments=deployments,
            sequences={**self.sequences, entry.model: entry.sequence + 1},
            chains={**self.chains, entry.model: entry.digest},
            input_ids=(*self.input_ids, entry.command_id)[-INPUT_IDS_MAX:],
        )


def restored_state(deployments: Iterable[DeploymentState], journal: Iterable[JournalEntry]) -> ControllerState:
    """The state that the topics tell of, in the order they were written."""
    known = {deployment.model: deployment for deployment in deployments}
    sequences: dict[str, int] = {}
    chains: dict[str, str] = {}
    input_ids: list[str] = []
    for entry in journal:
        sequences[entry.model] = entry.sequence + 1
        chains[entry.model] = entry.digest
        input_ids.append(entry.command_id)
    return replace(
        ControllerState(),
        deployments=known,
        sequences=sequences,
        chains=chains,
        input_ids=tuple(input_ids[-INPUT_IDS_MAX:]),
    )


def made_whole(state: ControllerState, journal: Sequence[JournalEntry], told: Collection[str]) -> ControllerState:
    """The state after a crash where no transaction held a decision's records together.

    The journal has the word: what it says of a model is so, and is said again where the deployments
    or the model events (`told`: ids of those that are there) lack it. A deployment that is not in the
    journal is not so yet: its input was not committed, and is decided again.
    """
    newest = {entry.model: entry.state_after for entry in journal}
    decided = {model: built(DeploymentState, orjson.loads(text)) for model, text in newest.items() if text is not None}
    behind = [each for model, each in decided.items() if _revision(state.deployments.get(model)) < each.revision]
    events = [built(ModelEvent, orjson.loads(text)) for entry in journal for text in entry.actions]
    return replace(
        state,
        deployments={**state.deployments, **decided},
        unsaid=(*behind, *(each for each in events if each.event_id not in told)),
    )


def _revision(state: DeploymentState | None) -> int:
    return state.revision if state is not None else 0
