"""`penstock store`: the analysts' store as a whole."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from consumers.stored_collections import COLLECTIONS, REPEATED_REQUESTS
from consumers.upkeep import Difference, Month, check_before, prunable
from penstock import wiring
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_json, print_table, say
from penstock.errors import StoreDiffersError
from runtime.clock import SystemClock
from runtime.settings import Settings

_COLUMNS = ("where", "what", "found", "wanted")
_BY_NAME = {collection.name: collection for collection in (*COLLECTIONS, REPEATED_REQUESTS)}


@click.group(epilog=example("penstock store check", "penstock store prune --before 2026-01"))
def store() -> None:
    """Make the analysts' store, compare it with what it should be, let go of old months.

    The store is a SQLite file in the data directory, or Elasticsearch where store.elasticsearch_urls
    names it.
    """


@store.command(epilog=example("penstock store setup"))
@with_json
@with_settings()
def setup(settings: Settings, *, as_json: bool) -> None:
    """Make what is missing: tables, or index templates and the fields of indices.

    The sink does the same when it starts; this does it before, and says what it did. Nothing that is
    as it should be is touched.
    """
    upkeep = wiring.upkeep(settings)
    before = upkeep.differences()
    upkeep.setup()
    left = upkeep.differences()
    mended = [difference for difference in before if difference not in left]
    if as_json:
        print_json({"mended": _listed(mended), "left": _listed(left)})
    elif mended:
        print_table(_listed(mended), _COLUMNS)
    elif not left:
        say(f"{wiring.store(settings).place} was as it should be")
    if left:
        raise StoreDiffersError(wiring.store(settings).place, len(left))


@store.command(epilog=example("penstock store check --json"))
@with_json
@with_settings()
def check(settings: Settings, *, as_json: bool) -> None:
    """Compare the store with what it should be, and name every difference; exit code 1 if there is one."""
    differences = wiring.upkeep(settings).differences()
    place = wiring.store(settings).place
    if as_json:
        print_json({"store": place, "differences": _listed(differences)})
    elif differences:
        print_table(_listed(differences), _COLUMNS)
    else:
        say(f"{place} is as it should be")
    if differences:
        raise StoreDiffersError(place, len(differences))


@store.command(
    epilog=example(
        "penstock store prune --before 2026-01",
        "penstock store prune --before 2026-01 --collection logs --collection dead_letters --yes",
    )
)
@click.option(
    "--before", metavar="MONTH", help="Months before this one, as 2026-01.  [default: store.retention_months]"
)
@click.option(
    "--collection",
    "names",
    multiple=True,
    type=click.Choice(sorted(_BY_NAME)),
    metavar="NAME",
    help="Of this collection only; may be given several times.  [default: all but decisions]",
)
@click.option("--yes", is_flag=True, help="Delete; without it the months are only listed.")
@with_json
@with_settings()
def prune(settings: Settings, *, before: str | None, names: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Delete whole months of event time that are older than MONTH.

    Decisions (deployments, journal, model_events, commands) are few and are kept unless they are
    named. What is deleted can't be brought back.
    """
    month = _before(settings, before)
    collections = [_BY_NAME[name] for name in names] if names else list(prunable())
    upkeep = wiring.upkeep(settings)
    parts = upkeep.parts(collections, before=month)
    for part in parts if yes else ():
        upkeep.delete(part)
    listed = [asdict(part) for part in parts]
    if as_json:
        print_json({"before": str(month), "deleted": yes, "parts": listed})
        return
    print_table(listed, ("month", "where", "documents", "bytes"))
    documents = sum(part.documents for part in parts)
    say(f"{documents} documents of months before {month} " + ("deleted" if yes else "would be deleted: --yes does it"))


def _before(settings: Settings, before: str | None) -> Month:
    now = SystemClock().now_ms()
    if before is not None:
        month = Month.parse(before)
        check_before(month, now)
        return month
    if settings.store.retention_months is None:
        raise click.UsageError("say --before MONTH, or set store.retention_months")
    return Month.of(now).earlier(settings.store.retention_months)


def _listed(differences: Sequence[Difference]) -> list[dict[str, str]]:
    return [asdict(difference) for difference in differences]
