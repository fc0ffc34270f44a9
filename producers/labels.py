"""Labels into their topic: what turned out to be true for a request, also corrected or taken back."""

from types import TracebackType
from typing import Self

from producers.holdback import Holdback
from producers.publisher import Publisher
from runtime.clock import Clock, SystemClock
from runtime.groups import outcomes_group, sink_group
from runtime.kafka import is_embedded
from runtime.schema_registry import build_schema_registry
from runtime.settings import Settings
from runtime.stack import attach
from schemas.codec import EventCodec
from schemas.events import Label
from schemas.registry_port import SchemaRegistry
from schemas.topics import LABELS, Topics


class LabelProducer:
    """Publishes labels of one model, in the partition of the request that they judge.

    Raises `StackNotRunningError` when there is neither a running embedded stack nor a broker
    named in the settings.
    """

    def __init__(
        self,
        settings: Settings,
        model: str,
        *,
        registry: SchemaRegistry | None = None,
        clock: Clock | None = None,
    ) -> None:
        attached = attach(settings)
        self._model = model
        self._clock = clock or SystemClock()
        topics = Topics(settings.topics.prefix)
        self._topic = topics.of(LABELS, model)
        self._codec = EventCodec(registry or build_schema_registry(settings))
        self._publisher = Publisher(attached, _holdback(attached, self._topic))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._publisher.__exit__(kind, error, trace)

    @property
    def accepted(self) -> int:
        """Labels that the broker has accepted so far."""
        return self._publisher.accepted

    def send(
        self,
        request_id: str,
        entity_id: str,
        *,
        label: str | float | None,
        event_time: int | None = None,
        revision: int = 0,
        weight: float | None = None,
        value: float | None = None,
    ) -> None:
        """Publish one label; None takes an earlier one back, a higher revision corrects it.

        `event_time`: ms since the epoch when it became true, now unless given. `weight`: in error
        rates, 1 unless given. `value`: what the outcome was worth, in a unit of your own.
        """
        event = Label(
            model=self._model,
            request_id=request_id,
            entity_id=entity_id,
            label=label,
            event_time=self._clock.now_ms() if event_time is None else event_time,
            revision=revision,
            weight=weight,
            value=value,
        )
        self._publisher.publish(self._topic, self._codec.encode(event), key=entity_id.encode())

    def flush(self) -> int:
        """Wait until all are accepted; returns how many. Raises `DeliveryFailedError`."""
        return self._publisher.flush()


def _holdback(settings: Settings, topic: str) -> Holdback | None:
    """On the embedded broker: behind the sink and the outcome lane."""
    if not is_embedded(settings.kafka):
        return None
    groups = [sink_group(settings.topics.prefix), outcomes_group(settings.topics.prefix)]
    return Holdback(settings, groups=groups, topic=topic)
