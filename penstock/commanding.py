"""Asks the controller for something and waits for its word in the journal.

A command goes out on its topic, and the journal entry with the command's id comes back:
accepted or refused, with the reason and the state that holds now.
"""

import time
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException

from penstock import wiring
from penstock.errors import CommandRefusedError, CommandTimeoutError
from penstock.person import person
from producers.commands import CommandProducer
from runtime.errors import BrokerUnreachableError
from runtime.follower import read_to_end
from runtime.kafka import build_reader, system_partition
from runtime.settings import Settings
from runtime.stack import attach
from schemas.events import JournalEntry
from schemas.topics import JOURNAL

_READ_S = 30.0
_POLL_S = 0.1
_RECORDS = 100


def command(
    settings: Settings,
    action: str,
    model: str,
    *,
    arguments: dict[str, str],
    wait_s: float,
    command_id: str | None = None,
) -> JournalEntry:
    """Publish a command and return the controller's entry on it.

    An id that was given before acts once: the controller's word of then is returned. Raises
    `CommandRefusedError` with the controller's reason, `CommandTimeoutError` when the journal says
    nothing in time.
    """
    attached = attach(settings)
    entry = None if command_id is None else _said_before(attached, command_id)
    if entry is None:
        reader = _journal_from_now(attached)
        command_id = command_id or str(uuid4())
        try:
            publish(attached, action, model, arguments=arguments, command_id=command_id)
            entry = _entry(attached, reader, command_id, wait_s=wait_s)
        finally:
            reader.close()
    if entry is None:
        assert command_id is not None, "one was made at the latest when it was published"
        raise CommandTimeoutError(action, model, waited_s=wait_s, command_id=command_id)
    if entry.outcome != "accepted":
        raise CommandRefusedError(action, model, entry.reason)
    return entry


def publish(settings: Settings, action: str, model: str, *, arguments: dict[str, str], command_id: str) -> None:
    """Publish a command and wait for nothing but the broker."""
    producer = CommandProducer(settings, registry=wiring.schema_registry(settings))
    producer.send(action, model, arguments=arguments, command_id=command_id, issued_by=person())


def _said_before(settings: Settings, command_id: str) -> JournalEntry | None:
    """The controller's entry on a command that was published earlier."""
    codec = wiring.codec(settings)
    messages = read_to_end(settings.kafka, wiring.topics(settings).of(JOURNAL), deadline_s=_READ_S)
    entries = (codec.decode(JournalEntry, message.value()) for message in messages)
    return next((entry for entry in entries if entry.command_id == command_id), None)


def _journal_from_now(settings: Settings) -> Consumer:
    """A reader of the journal that begins behind its last entry."""
    topic = wiring.topics(settings).of(JOURNAL)
    reader = build_reader(settings.kafka)
    try:
        _, end = reader.get_watermark_offsets(system_partition(topic, 0), timeout=settings.kafka.request_timeout_s)
    except KafkaException as error:
        reader.close()
        raise BrokerUnreachableError(settings.kafka.bootstrap_servers, error.args[0].str()) from error
    reader.assign([system_partition(topic, end)])
    return reader


def _entry(settings: Settings, reader: Consumer, command_id: str, *, wait_s: float) -> JournalEntry | None:
    codec = wiring.codec(settings)
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        for message in reader.consume(_RECORDS, _POLL_S):
            fault = message.error()
            if fault is not None:
                if fault.code() != KafkaError._PARTITION_EOF and fault.fatal():
                    raise BrokerUnreachableError(settings.kafka.bootstrap_servers, fault.str())
                continue
            entry = codec.decode(JournalEntry, message.value())
            if entry.command_id == command_id:
                return entry
    return None
