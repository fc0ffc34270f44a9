"""What a lane says of itself on the signals topic: loaded and refused versions, quarantines, lost records."""

from collections.abc import Mapping

import orjson

from runtime.batch import OutgoingRecords
from runtime.clock import Clock
from runtime.kafka import SYSTEM_PARTITION
from runtime.offsets import StartOffset
from schemas.codec import EventCodec
from schemas.events import DeploymentState, Signal
from schemas.topics import SIGNALS, Topics
from streams.scoring.roles import ROLE_LIVE


class SignalWriter:
    """Makes signals as records; the id derives from what they are about, so a repeat is one document."""

    def __init__(
        self,
        *,
        topics: Topics,
        codec: EventCodec,
        clock: Clock,
        cluster_id: str,
        service: str,
        role: str = ROLE_LIVE,
    ) -> None:
        self._topics = topics
        self._codec = codec
        self._clock = clock
        self._cluster_id = cluster_id
        self._service = service
        self._role = role

    def version_loaded(self, state: DeploymentState) -> OutgoingRecords:
        """What a rollout waits for before its first step counts."""
        versions = ",".join(served.version for served in state.versions)
        message = f"{self._service} has loaded and warmed version {versions} of {state.model}"
        evidence = {**self._about(state, versions), "service": self._service}
        return self._signal(state.model, "version_loaded", message, evidence)

    def version_refused(self, state: DeploymentState, version: str, why: str) -> OutgoingRecords:
        message = f"version {version} of {state.model} was refused by a worker: {why}"
        return self._signal(state.model, "version_refused", message, self._about(state, version))

    def version_quarantined(self, state: DeploymentState, version: str, why: str) -> OutgoingRecords:
        message = f"version {version} of {state.model} is quarantined: {why}"
        return self._signal(state.model, "version_quarantined", message, self._about(state, version))

    def _about(self, state: DeploymentState, version: str) -> dict[str, str | int]:
        """What the controller tells by whether it still matters; a shadow is known by its salt."""
        about: dict[str, str | int] = {"version": version, "generation": state.generation}
        return about if self._role == ROLE_LIVE else {**about, "role": self._role, "salt": state.salt}

    def records_lost(self, loss: StartOffset) -> OutgoingRecords:
        """A shadow goes on by itself: what it has not scored is missing in a comparison, and nowhere else."""
        remedy = f"accept with `penstock losses accept --topic {loss.topic}`"
        message = (
            f"{loss.topic} partition {loss.partition}: records from offset {loss.offset} up to {loss.log_start} "
            f"were deleted before they were read; {remedy if self._role == ROLE_LIVE else 'the shadow goes on'}"
        )
        evidence: dict[str, str | int] = {
            "cluster_id": self._cluster_id,
            "topic": loss.topic,
            "partition": loss.partition,
            "offset": loss.offset,
            "log_start": loss.log_start,
        }
        kind = self._topics.kind_of(loss.topic)
        model = self._topics.model_of(loss.topic, kind) if kind is not None else None
        found = "records_lost" if self._role == ROLE_LIVE else f"{self._role}_records_lost"
        return self._signal(model or "", found, message, evidence)

    def _signal(self, model: str, kind: str, message: str, evidence: Mapping[str, str | int]) -> OutgoingRecords:
        signal = Signal(
            signal_id=":".join([kind, model, *(str(value) for value in evidence.values())]),
            model=model,
            kind=kind,
            message=message,
            evidence=orjson.dumps(evidence, option=orjson.OPT_SORT_KEYS).decode(),
            raised_at=self._clock.now_ms(),
        )
        return OutgoingRecords(
            topic=self._topics.of(SIGNALS),
            keys=[model.encode()],
            values=[self._codec.encode(signal)],
            partition=SYSTEM_PARTITION,
        )
