"""`penstock shadow`: versions that score without serving, and how they compare with what serves."""

from dataclasses import asdict

import click
from confluent_kafka import KafkaException, TopicPartition

from consumers.shadow_report import ShadowReport, report_shadow
from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_fields, print_json, print_table, say
from penstock.cli.rollout import asking
from penstock.commanding import command
from penstock.deployed import deployments
from penstock.errors import NoShadowError, NothingDeployedError
from runtime.errors import BrokerUnreachableError
from runtime.kafka import build_reader, partition_counts
from runtime.settings import Settings
from runtime.stack import attach
from schemas.topics import REQUESTS


@click.group(epilog=example("penstock shadow start flights 3 --share 20%", "penstock shadow report flights 3"))
def shadow() -> None:
    """Let a version score requests without serving them, and compare it with what serves.

    Shadows run in a process and a consumer group of their own: one that crashes or crawls leaves
    live scoring as it was. Their predictions are on the topic MODEL.shadows and in the table shadows.
    """


@shadow.command(epilog=example("penstock shadow start flights 3", "penstock shadow start flights 3 --share 5%"))
@click.argument("name", type=ModelName())
@click.argument("version")
@click.option(
    "--share", default="100%", show_default=True, help="Share of the requests, chosen by a hash of their ids."
)
@asking
@with_json
@with_settings()
def start(
    settings: Settings,
    name: str,
    version: str,
    *,
    share: str,
    reason: str,
    timeout: float,
    command_id: str | None,
    as_json: bool,
) -> None:
    """Let VERSION of the model NAME score the requests that come from now on, without serving them."""
    attached = attach(settings)
    arguments = {"version": version, "share": share, "starts": _log_ends(attached, name), "reason": reason}
    told = {argument: value for argument, value in arguments.items() if value}
    entry = command(attached, "shadow_start", name, arguments=told, wait_s=timeout, command_id=command_id)
    _answer(name, version, entry.reason, entry.command_id, as_json=as_json)


@shadow.command(epilog=example("penstock shadow stop flights 3"))
@click.argument("name", type=ModelName())
@click.argument("version", required=False, default="")
@asking
@with_json
@with_settings()
def stop(
    settings: Settings,
    name: str,
    version: str,
    *,
    reason: str,
    timeout: float,
    command_id: str | None,
    as_json: bool,
) -> None:
    """End the shadow VERSION of the model NAME; what it has scored stays in the store."""
    told = {argument: value for argument, value in (("version", version), ("reason", reason)) if value}
    entry = command(settings, "shadow_stop", name, arguments=told, wait_s=timeout, command_id=command_id)
    _answer(name, version, entry.reason, entry.command_id, as_json=as_json)


@shadow.command(epilog=example("penstock shadow report flights 3 --since 2026-03-01 --json"))
@click.argument("name", type=ModelName())
@click.argument("version", required=False)
@click.option("--since", metavar="TIME", help="Only event times from then on, in ISO 8601.")
@click.option("--until", metavar="TIME", help="Only event times up to then, in ISO 8601.")
@with_json
@with_settings()
def report(
    settings: Settings, name: str, version: str | None, *, since: str | None, until: str | None, as_json: bool
) -> None:
    """Compare the shadow VERSION of the model NAME with what served, request by request.

    How often both say the same, how scores shift by quantile, which entities flip, and the difference
    of errors where labels are known. Without VERSION the only shadow that runs.
    """
    chosen = version or _only_shadow(settings, name)
    found = report_shadow(wiring.store(settings), name, chosen, since=since, until=until)
    if as_json:
        print_json(asdict(found))
        return
    _print(found)


def _print(found: ShadowReport) -> None:
    print_fields(
        {
            "model": found.model,
            "shadow": found.version,
            "beside": ", ".join(found.live_versions) or "nothing yet",
            "scored": found.scored,
            "compared": found.compared,
            "agreement": None if found.agreement is None else f"{found.agreement:.2%}",
            "entities that flip": f"{found.entities_flipped:,} of {found.entities:,}",
            "not scored": ", ".join(f"{reason} {count:,}" for reason, count in sorted(found.rejected.items())) or 0,
        }
    )
    if found.scores:
        print_table(
            [{**asdict(each), "scores": f"{each.share:.0%} quantile"} for each in found.scores],
            ("scores", "live", "shadow", "shift", "difference"),
        )
    if found.flips:
        print_table([{"live says": was, "shadow says": now, "requests": count} for was, now, count in found.flips])
    if found.flipped:
        print_table([{"entity": entity, "flips": count} for entity, count in found.flipped])
    if found.errors is None:
        say("no labels of both are known yet")
        return
    errors = found.errors
    say(
        f"mean loss on {errors.compared:,} labeled requests: shadow {errors.shadow:.4g}, live {errors.live:.4g}, "
        f"difference {errors.difference:+.4g}, in [{errors.low:+.4g}, {errors.high:+.4g}] with 95 %"
    )


def _answer(name: str, version: str, answer: str, command_id: str, *, as_json: bool) -> None:
    fields = {"model": name, "version": version or None, "answer": answer, "command_id": command_id}
    (print_json if as_json else print_fields)(fields)


def _only_shadow(settings: Settings, name: str) -> str:
    state = deployments(settings).get(name)
    if state is None:
        raise NothingDeployedError(name)
    running = [each.version for each in state.shadows]
    if len(running) != 1:
        raise NoShadowError(name, running)
    return running[0]


def _log_ends(settings: Settings, name: str) -> str:
    """Where the model's requests end now, as the controller reads it. Raises `BrokerUnreachableError`."""
    topic = wiring.topics(settings).of(REQUESTS, name)
    partitions = partition_counts(settings.kafka).get(topic, 0)
    reader = build_reader(settings.kafka)
    try:
        ends = [
            reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=settings.kafka.request_timeout_s)[1]
            for partition in range(partitions)
        ]
    except KafkaException as error:
        raise BrokerUnreachableError(settings.kafka.bootstrap_servers, error.args[0].str()) from error
    finally:
        reader.close()
    return ",".join(f"{partition}={end}" for partition, end in enumerate(ends))
