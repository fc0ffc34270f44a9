"""`penstock rollout`: start, watch and steer the change from one version to another."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

import click

from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_fields, print_json
from penstock.cli.rollout_watching import status, watch
from penstock.commanding import command
from penstock.deployed import deployments
from penstock.errors import NothingDeployedError
from runtime.settings import Settings
from streams.rollout.plan import JUDGES, PROMOTIONS, STRATEGIES, PlanError, duration_of

P = ParamSpec("P")
R = TypeVar("R")


@click.group(
    epilog=example(
        "penstock rollout start flights 2 --steps 1%,5%,20%,50%",
        "penstock rollout watch flights",
        "penstock rollout promote flights",
    )
)
def rollout() -> None:
    """Change from one version to another, step by step, judged by what labels and guardrails say.

    Every command goes to the controller, which carries it out, or refuses it and says what to do
    instead; both are in the journal (`penstock decisions`). docs/rollouts.md tells how it decides.
    """


rollout.add_command(status)
rollout.add_command(watch)


def asking(command_function: Callable[P, R]) -> Callable[P, R]:
    """Add what every command to the controller takes: `--reason`, `--timeout` and `--command-id`."""
    for option in (
        click.option(
            "--command-id", metavar="ID", help="An id of your own: asked again with the same one, it acts once."
        ),
        click.option(
            "--timeout", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="Seconds to wait."
        ),
        click.option("--reason", default="", metavar="TEXT", help="Why; kept in the journal and shown to others."),
    ):
        command_function = option(command_function)
    return command_function


@rollout.command(
    epilog=example(
        "penstock rollout start flights 2 --steps 1%,5%:30m,20%:1h:500,50% --pin entity:N14228",
        "penstock rollout start flights 2 --strategy blue-green --promotion manual",
        "penstock rollout start flights 2 3 --strategy ab --share 2=30% --share 3=30% --for 7d",
    )
)
@click.argument("name", type=ModelName())
@click.argument("versions", nargs=-1, required=True, metavar="VERSION...")
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="canary",
    show_default=True,
    help="canary: widened step by step; blue-green: warmed up, then switched at once; ab: compared at fixed shares.",
)
@click.option("--steps", metavar="SHARE[:TIME[:LABELS]],...", help="Steps of a canary.  [default: 1%,5%,20%,50%]")
@click.option("--share", "shares", multiple=True, metavar="VERSION=SHARE", help="Share of a candidate in an ab.")
@click.option("--duration", metavar="TIME", help="Least time of a step, like 30s, 10m or 2h.")
@click.option(
    "--labels", "labels_min", type=click.IntRange(min=0), help="Least matured labels of a candidate in a step."
)
@click.option("--deadline", metavar="TIME", help="A step that takes longer makes the rollout Inconclusive.")
@click.option("--for", "lasting", metavar="TIME", help="How long an ab lasts at most.")
@click.option(
    "--judged-by", type=click.Choice(JUDGES), help="labels: by evidence; guardrails: by time and guardrails alone."
)
@click.option("--promotion", type=click.Choice(PROMOTIONS), help="manual: a person gives the word for everything.")
@click.option("--alpha", type=float, help="Probability of a false decision, in each direction.")
@click.option("--margin", type=float, help="Difference of mean loss up to which a candidate is no worse.")
@click.option("--labels-max", type=click.IntRange(min=1), help="Labels of both arms after which it is Inconclusive.")
@click.option(
    "--pin",
    "pins",
    multiple=True,
    metavar="[VERSION=]entity:ID|prefix:BEGINNING",
    help="Entities that the candidate scores whatever their bucket; they are no evidence.",
)
@asking
@with_json
@with_settings()
def start(
    settings: Settings,
    /,
    name: str,
    versions: tuple[str, ...],
    *,
    shares: tuple[str, ...],
    pins: tuple[str, ...],
    lasting: str | None,
    reason: str,
    timeout: float,
    command_id: str | None,
    as_json: bool,
    **given: str | float | None,
) -> None:
    """Begin a rollout of VERSION of the model NAME beside the version that serves.

    Several versions are compared with strategy ab. What is not given is taken from the settings,
    section rollout. Refused while another rollout of the model is under way.
    """
    arguments = {argument: str(value) for argument, value in given.items() if value is not None}
    arguments |= {"version": ",".join(versions), "reason": reason}
    if shares:
        arguments["shares"] = ",".join(shares)
    if pins:
        arguments["pins"] = "\n".join(pins)
    if lasting is not None:
        arguments["ends_at"] = str(_now_ms() + _duration_ms(lasting))
    _ask(settings, "start", name, arguments, timeout=timeout, command_id=command_id, as_json=as_json)


def _steering(action: str, help_text: str, *, sees: bool = False) -> click.Command:
    """A command that takes a model's name and nothing of its own.

    `sees`: it acts on what the person has seen, so it is refused when something else came to serve
    between the look and the command.
    """

    @click.command(action, help=help_text, epilog=example(f"penstock rollout {action} flights"))
    @click.argument("name", type=ModelName())
    @asking
    @with_json
    @with_settings()
    def steer(
        settings: Settings, name: str, *, reason: str, timeout: float, command_id: str | None, as_json: bool
    ) -> None:
        arguments = {"reason": reason, **(_generation(settings, name) if sees else {})}
        _ask(settings, action, name, arguments, timeout=timeout, command_id=command_id, as_json=as_json)

    return steer


rollout.add_command(_steering("pause", "Stop widening; evidence and guardrails still roll back."))
rollout.add_command(
    _steering(
        "resume", "Go on after a pause, or after Inconclusive with a new deadline and as many labels again.", sees=True
    )
)
rollout.add_command(_steering("step", "Take the next step now, whatever time and labels say.", sees=True))
rollout.add_command(_steering("abort", "End the rollout: the version before serves all again, and nothing is barred."))
rollout.add_command(_steering("freeze", "Let automation only tell what it would do, until `unfreeze`."))
rollout.add_command(_steering("unfreeze", "Let automation act again; what is due by then is done within a second."))


@rollout.command(epilog=example("penstock rollout promote flights", "penstock rollout promote flights --version 3"))
@click.argument("name", type=ModelName())
@click.option("--version", help="Which of several candidates.")
@asking
@with_json
@with_settings()
def promote(
    settings: Settings,
    name: str,
    *,
    version: str | None,
    reason: str,
    timeout: float,
    command_id: str | None,
    as_json: bool,
) -> None:
    """Give the candidate of the model NAME everything now, whatever evidence says."""
    arguments = {"reason": reason, **_generation(settings, name)} | ({} if version is None else {"version": version})
    _ask(settings, "promote", name, arguments, timeout=timeout, command_id=command_id, as_json=as_json)


@rollout.command(
    epilog=example("penstock rollout pin flights entity:N14228 prefix:test-", "penstock rollout pin flights")
)
@click.argument("name", type=ModelName())
@click.argument("pins", nargs=-1, metavar="[VERSION=]entity:ID|prefix:BEGINNING...")
@asking
@with_json
@with_settings()
def pin(
    settings: Settings,
    name: str,
    pins: tuple[str, ...],
    *,
    reason: str,
    timeout: float,
    command_id: str | None,
    as_json: bool,
) -> None:
    """Say anew which entities of the model NAME the candidate scores whatever their bucket; none: no more.

    Their predictions carry the arm `pinned`, and are no evidence.
    """
    arguments = {"reason": reason, "pins": "\n".join(pins)}
    _ask(settings, "pin", name, arguments, timeout=timeout, command_id=command_id, as_json=as_json)


@click.command(
    epilog=example("penstock rollback flights", "penstock rollback flights --bar --reason 'refuses freight'")
)
@click.argument("name", type=ModelName())
@click.option("--bar", is_flag=True, help="Bar what is rolled back, until a person lifts it.")
@asking
@with_json
@with_settings()
def rollback(
    settings: Settings, name: str, *, bar: bool, reason: str, timeout: float, command_id: str | None, as_json: bool
) -> None:
    """Go back to the version of the model NAME that served before, on every worker within a second.

    While a rollout is under way that is its control, else the version that was replaced last. The
    shelf is not needed: workers have the version in memory, or in their caches.
    """
    arguments = {"reason": reason, "bar": "true" if bar else "false"}
    _ask(settings, "rollback", name, arguments, timeout=timeout, command_id=command_id, as_json=as_json)


def _ask(
    settings: Settings,
    action: str,
    name: str,
    arguments: dict[str, str],
    *,
    timeout: float,
    command_id: str | None,
    as_json: bool,
) -> None:
    told = {argument: value for argument, value in arguments.items() if value or argument == "pins"}
    entry = command(settings, action, name, arguments=told, wait_s=timeout, command_id=command_id)
    answer = {"model": name, "action": action, "answer": entry.reason, "command_id": entry.command_id}
    (print_json if as_json else print_fields)({**answer, "decision": f"{name}:{entry.sequence}:{entry.command_id}"})


def _generation(settings: Settings, name: str) -> dict[str, str]:
    """What is in force now, for commands that act on what was seen."""
    state = deployments(settings).get(name)
    if state is None:
        raise NothingDeployedError(name)
    return {"generation": str(state.generation)}


def _duration_ms(text: str) -> int:
    """Raises `click.BadParameter` with how a duration reads."""
    try:
        return duration_of(text, argument="--for")
    except PlanError as error:
        raise click.BadParameter(str(error)) from error


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000)
