"""`penstock topics`: what topics there are, made, described and given to those who need them."""

from dataclasses import asdict

import click

from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_fields, print_json, print_table, say
from penstock.errors import TopicNotFoundError
from runtime.access import command_of, grants
from runtime.access_control import allow
from runtime.kafka import describe_topic, ensure_topics, partition_counts
from runtime.settings import Settings
from runtime.stack import attach
from schemas.topics import CATALOGUE


@click.group(epilog=example("penstock topics list --json"))
def topics() -> None:
    """List, create and describe penstock's topics, and give rights on them."""


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


@topics.command(
    epilog=example(
        "penstock topics acls flights",
        "penstock topics acls flights --principal 'User:CN={role}' --json",
        "penstock topics acls flights --apply --config admin.toml",
    )
)
@click.argument("names", nargs=-1, type=ModelName(), metavar="[NAME]...")
@click.option(
    "--principal",
    default="User:penstock-{role}",
    show_default=True,
    callback=lambda _context, _parameter, text: _principal_template(text),
    help="How the user of a role is called; {role} stands for it.",
)
@click.option("--apply", "apply_now", is_flag=True, help="Give the rights now, as the user of the settings.")
@with_json
@with_settings()
def acls(settings: Settings, names: tuple[str, ...], *, principal: str, apply_now: bool, as_json: bool) -> None:
    """Show the least rights that each role needs on the system topics and those of the models NAME...

    Prints the commands of Kafka's own tool, or with --apply gives the rights at once. Giving
    them again changes nothing, so run it for each new model. docs/reference/access.md has them all.
    """
    wanted = grants(wiring.topics(settings), names)
    if apply_now:
        kafka = attach(settings).kafka
        given = allow(kafka, wanted, principal_of=lambda role: principal.format(role=role))
        say(f"{given} rights are given at {kafka.bootstrap_servers}")
    if as_json:
        print_json([{**asdict(grant), "principal": principal.format(role=grant.role)} for grant in wanted])
    elif not apply_now:
        for grant in wanted:
            click.echo(command_of(grant, principal.format(role=grant.role)))


def _principal_template(text: str) -> str:
    if "{role}" not in text or text.replace("{role}", "").count("{"):
        raise click.BadParameter("it must hold {role}, and no other braces")
    return text
