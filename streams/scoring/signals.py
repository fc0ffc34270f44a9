"""What a lane says of itself on the signals topic: loaded and refused versions, quarantines, lost records."""

from collections.abc import Mapping

import orjson

from runtime.batch import OutgoingRecords
from runtime.clock import Clock
from runtime.kafka import SYSTEM_PARTITION
from runtime.offsets import StartOffset
from schemas.codec import EventCodec
from schemas.events import Signal
from schemas.topics import SIGNALS, Topics


class SignalWriter:
    """Makes signals as records; the id derives from what they are about, so a repeat is one document."""

    def __init__(self, *, topics: Topics, codec: EventCodec, clock: Clock, cluster_id: str, service: str) -> None:
        self._topics = topics
        self._codec = codec
        self._clock = clock
        self._cluster_id = cluster_id
        self._service = service

    def version_loaded(self, model: str, versions: str, generation: int) -> OutgoingRecords:
        """What a rollout waits for before its first step counts."""
        message = f"{self._service} has loaded and warmed version {versions} of {model}"
        evidence: dict[str, str | int] = {"version": versions, "generation": generation, "service": self._service}
        return self._signal(model, "version_loaded", message, evidence)

    def version_refused(self, model: str, version: str, generation: int, why: str) -> OutgoingRecords:
        message = f"version {version} of {model} was refused by a worker: {why}"
        return self._signal(model, "version_refused", message, {"version": version, "generation": generation})

    def version_quarantined(self, model: str, version: str, generation: int, why: str) -> OutgoingRecords:
        message = f"version {version} of {model} is quarantined: {why}"
        return self._signal(model, "version_quarantined", message, {"version": version, "generation": generation})

    def records_lost(self, loss: StartOffset) -> OutgoingRecords:
        message = (
            f"{loss.topic} partition {loss.partition}: records from offset {loss.offset} up to {loss.log_start} "
            f"were deleted before they were read; accept with `penstock losses accept --topic {loss.topic}`"
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
        return self._signal(model or "", "records_lost", message, evidence)

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
