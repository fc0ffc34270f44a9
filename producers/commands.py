"""Commands into their topic: what a person or a program asks of the rollout controller."""

from producers.publisher import Publisher
from runtime.clock import Clock, SystemClock
from runtime.kafka import SYSTEM_PARTITION
from runtime.schema_registry import build_schema_registry
from runtime.settings import Settings
from runtime.stack import attach
from schemas.codec import EventCodec
from schemas.events import Command
from schemas.registry_port import SchemaRegistry
from schemas.topics import COMMANDS, Topics


class CommandProducer:
    """Publishes commands; each has an id, and the controller carries out an id once."""

    def __init__(
        self, settings: Settings, *, registry: SchemaRegistry | None = None, clock: Clock | None = None
    ) -> None:
        attached = attach(settings)
        self._clock = clock or SystemClock()
        self._topic = Topics(settings.topics.prefix).of(COMMANDS)
        self._codec = EventCodec(registry or build_schema_registry(settings))
        self._publisher = Publisher(attached)

    def send(self, action: str, model: str, *, arguments: dict[str, str], command_id: str, issued_by: str) -> Command:
        """Publish one command and wait until the broker has it. Raises `DeliveryFailedError`."""
        command = Command(
            command_id=command_id,
            model=model,
            action=action,
            arguments=arguments,
            issued_by=issued_by,
            issued_at=self._clock.now_ms(),
        )
        value = self._codec.encode(command)
        self._publisher.publish(self._topic, value, key=model.encode(), partition=SYSTEM_PARTITION)
        self._publisher.flush()
        return command
