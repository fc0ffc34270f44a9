"""`penstock automation`: what penstock does by itself about drift and bad performance, and who keeps it from that."""

import time
from collections.abc import Callable, Mapping

import click

from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import iso, print_fields, print_json, print_table, say
from penstock.commanding import command
from penstock.deployed import deployments
from penstock.errors import ModelNotDeployedError
from runtime.settings import Settings
from schemas.alarms import ASKS_FOR
from schemas.events import DeploymentState

DAY_MS = 86_400_000
_KIND = click.argument("kind", type=click.Choice(ASKS_FOR))
_FOR = click.option("--for", "duration", default="1d", show_default=True, help="How long, such as 30m, 2h or 1d.")
_REASON = click.option("--reason", default="", metavar="TEXT", help="Why; kept in the journal and shown to others.")
_TIMEOUT = click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="Seconds to wait."
)


@click.group(epilog=example("penstock automation show flights", "penstock automation veto flights retrain --for 2h"))
def automation() -> None:
    """What penstock does by itself about drift and bad performance."""


@automation.command(epilog=example("penstock automation show flights"))
@click.argument("name", type=ModelName())
@with_json
@with_settings()
def show(settings: Settings, name: str, *, as_json: bool) -> None:
    """What automation may do for the model NAME, what it has done, and how each version does by its own record."""
    state = deployments(settings).get(name)
    if state is None:
        raise ModelNotDeployedError(name)
    kinds = [_of_kind(settings, state, kind, time.time_ns() // 1_000_000) for kind in ASKS_FOR]
    records = [
        {"version": each.version, "labels": round(each.labels), "mean_loss": round(each.losses / each.labels, 4)}
        for each in state.records
    ]
    if as_json:
        print_json({"model": name, "frozen_by": state.frozen_by, "acts": kinds, "records": records})
        return
    if state.frozen_by is not None:
        say(f"frozen by {state.frozen_by}: automation only tells")
    print_table(kinds)
    print_table(records, ("version", "labels", "mean_loss"))


@automation.command(epilog=example("penstock automation veto flights retrain --for 2h --reason 'labels are wrong'"))
@click.argument("name", type=ModelName())
@_KIND
@_FOR
@_REASON
@_TIMEOUT
@with_json
@with_settings()
def veto(
    settings: Settings, name: str, kind: str, *, duration: str, reason: str, timeout: float, as_json: bool
) -> None:
    """Let automation only tell of this KIND of act, and take back what is asked for and not answered yet."""
    _ask(settings, "veto", name, kind, duration=duration, reason=reason, timeout=timeout, as_json=as_json)


@automation.command(epilog=example("penstock automation silence flights rollback --for 30m"))
@click.argument("name", type=ModelName())
@_KIND
@_FOR
@_REASON
@_TIMEOUT
@with_json
@with_settings()
def silence(
    settings: Settings, name: str, kind: str, *, duration: str, reason: str, timeout: float, as_json: bool
) -> None:
    """Let automation neither do this KIND of act nor tell of it."""
    _ask(settings, "silence", name, kind, duration=duration, reason=reason, timeout=timeout, as_json=as_json)


@automation.command(epilog=example("penstock automation allow flights retrain"))
@click.argument("name", type=ModelName())
@_KIND
@_REASON
@_TIMEOUT
@with_json
@with_settings()
def allow(settings: Settings, name: str, kind: str, *, reason: str, timeout: float, as_json: bool) -> None:
    """Lift a veto or a silence on this KIND of act before its time."""
    _ask(settings, "allow", name, kind, duration="", reason=reason, timeout=timeout, as_json=as_json)


def _ask(
    settings: Settings, action: str, name: str, kind: str, *, duration: str, reason: str, timeout: float, as_json: bool
) -> None:
    given = {"kind": kind, "for": duration, "reason": reason}
    arguments = {key: value for key, value in given.items() if value}
    entry = command(settings, action, name, arguments=arguments, wait_s=timeout)
    shown: Callable[[Mapping[str, object]], None] = print_json if as_json else print_fields
    shown({"model": name, "kind": kind, "answer": entry.reason, "command_id": entry.command_id})


def _of_kind(settings: Settings, state: DeploymentState, kind: str, now: int) -> dict[str, object]:
    """What the settings and people say of one kind of act, and how often it was done in a day."""
    restraint = next((each for each in state.restraints if each.kind == kind and now < each.until), None)
    acts = [act.at for act in state.acts if act.kind == kind]
    acting = settings.acting
    return {
        "act": kind,
        "mode": acting.retrain if kind == "retrain" else acting.rollback,
        "restraint": "" if restraint is None else f"{restraint.word} by {restraint.issued_by}",
        "until": None if restraint is None else iso(restraint.until),
        "last": iso(acts[-1]) if acts else None,
        "today": sum(1 for at in acts if now - at < DAY_MS),
        "per_day_max": acting.retrains_per_day_max if kind == "retrain" else acting.rollbacks_per_day_max,
    }
