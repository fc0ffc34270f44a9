"""`penstock losses`: an operator's word that deleted records are lost and scoring may go on."""

import click
from confluent_kafka import KafkaException, TopicPartition

from penstock import wiring
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_fields, print_json
from penstock.commanding import command
from runtime.errors import BrokerUnreachableError
from runtime.kafka import build_reader
from runtime.settings import Settings
from runtime.stack import attach
from schemas.topics import REQUESTS


@click.group(epilog=example("penstock losses accept flights --partition 3"))
def losses() -> None:
    """Accept that records are lost which the broker deleted before they were scored.

    Scoring of a partition stops at such a hole until a person has said that it may go on.
    """


@losses.command(epilog=example("penstock losses accept flights --partition 3"))
@click.argument("name")
@click.option("--partition", type=click.IntRange(min=0), required=True, help="The partition with the hole.")
@click.option("--topic", help="The topic.  [default: the model's requests]")
@click.option(
    "--before",
    "offset_next",
    type=click.IntRange(min=0),
    help="Accept up to this offset.  [default: what the log still has]",
)
@click.option("--timeout", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="Seconds to wait.")
@with_json
@with_settings()
def accept(
    settings: Settings,
    name: str,
    *,
    partition: int,
    topic: str | None,
    offset_next: int | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Accept the loss in one partition of the model NAME; the ledger keeps counting it as lost."""
    attached = attach(settings)
    topic = topic or wiring.topics(settings).of(REQUESTS, name)
    before = _log_start(attached, topic, partition) if offset_next is None else offset_next
    arguments = {"topic": topic, "partition": str(partition), "offset_next": str(before)}
    entry = command(attached, "accept_loss", name, arguments=arguments, wait_s=timeout)
    answer = {"model": name, "topic": topic, "partition": partition, "offset_next": before, "reason": entry.reason}
    (print_json if as_json else print_fields)(answer)


def _log_start(settings: Settings, topic: str, partition: int) -> int:
    """The oldest offset that the broker still has. Raises `BrokerUnreachableError`."""
    reader = build_reader(settings.kafka)
    try:
        low, _ = reader.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=settings.kafka.request_timeout_s
        )
    except KafkaException as error:
        raise BrokerUnreachableError(settings.kafka.bootstrap_servers, error.args[0].str()) from error
    finally:
        reader.close()
    return int(low)
