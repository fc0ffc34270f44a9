"""`penstock topics`: what topics there are, made and described."""

import click

from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_fields, print_json, print_table
from penstock.errors import TopicNotFoundError
from runtime.kafka import describe_topic, ensure_topics, partition_counts
from runtime.settings import Settings
from runtime.stack import attach
from schemas.topics import CATALOGUE


@click.group(epilog=example("penstock topics list --json"))
def topics() -> None:
    """List, create and describe penstock's topics."""


@topics.command("list", epilog=example("penstock topics list", "penstock topics list --all --json"))
@click.option("--all", "everything", is_flag=True, help="Also topics that are not penstock's.")
@with_json
@with_settings()
def list_topics(settings: Settings, *, everything: bool, as_json: bool) -> None:
    """List the topics that exist."""
    names = wiring.topics(settings)
    rows = []
    for topic, partitions in sorted(partition_counts(attach(settings).kafka).items()):
        kind = names.kind_of(topic)
        if kind is None and not everything:
            continue
        model = names.model_of(topic, kind) if kind is not None else None
        rows.append({"topic": topic, "kind": kind.name if kind else None, "model": model, "partitions": partitions})
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ("topic", "kind", "model", "partitions"))


@topics.command(epilog=example("penstock topics create flights"))
@click.argument("names", nargs=-1, required=True, type=ModelName(), metavar="NAME...")
@with_json
@with_settings()
def create(settings: Settings, names: tuple[str, ...], *, as_json: bool) -> None:
    """Create the topics of the models NAME... and the system topics, where they are missing."""
    created = ensure_topics(attach(settings).kafka, settings.topics, names)
    if as_json:
        print_json({"models": list(names), "created": created})
    else:
        print_table([{"created": topic} for topic in created], ("created",))


@topics.command(epilog=example("penstock topics describe flights.requests"))
@click.argument("topic")
@with_json
@with_settings()
def describe(settings: Settings, topic: str, *, as_json: bool) -> None:
    """Show what TOPIC holds, who writes it and how the broker keeps it."""
    attached = attach(settings)
    counts = partition_counts(attached.kafka)
    if topic not in counts:
        raise TopicNotFoundError(topic)
    kind = wiring.topics(settings).kind_of(topic)
    declared = (
        {"holds": kind.doc, "key": kind.key, "value": kind.value, "written_by": kind.owner, "cleanup": kind.cleanup}
        if kind in CATALOGUE and kind is not None
        else {}
    )
    answer = {"topic": topic, "partitions": counts[topic], **declared, "config": describe_topic(attached.kafka, topic)}
    (print_json if as_json else print_fields)(answer)
