"""`penstock models list|show`: what each version is now."""

from dataclasses import asdict

import click

from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import iso, print_fields, print_json, print_table, say
from penstock.cli.versions import find_version, newest_version
from penstock.standings import VersionNow, versions_now
from registry.catalogue import VersionRecord
from runtime.settings import Settings

_COLUMNS = ("name", "version", "state", "serves", "task", "registered_at", "registered_by", "metrics", "why")


@click.command("list", epilog=example("penstock models list", "penstock models list flights --json"))
@click.argument("name", required=False, type=ModelName())
@with_json
@with_settings()
def list_versions(settings: Settings, name: str | None, *, as_json: bool) -> None:
    """List versions in the order they were added, of the model NAME or of all, with what each is now.

    What became of a version is the deployment's word, so that without a running stack only
    the shelf's is shown.
    """
    listing = versions_now(settings, name)
    for words in listing.missing:
        say(words)
    rows = [_row(each) for each in listing.versions]
    if as_json:
        print_json(rows)
        return
    print_table([{**row, "serves": _percent(row["serves"])} for row in rows], _COLUMNS)


@click.command(epilog=example("penstock models show flights 1 --json"))
@click.argument("name", type=ModelName())
@click.argument("version", required=False)
@with_json
@with_settings()
def show(settings: Settings, name: str, version: str | None, *, as_json: bool) -> None:
    """Show what a version of the model NAME is: its signature, libraries, metrics. Without VERSION the newest."""
    catalogue = wiring.catalogue(settings)
    record = newest_version(catalogue, name) if version is None else find_version(catalogue, name, version)
    listing = versions_now(settings, name)
    for words in listing.missing:
        say(words)
    (now,) = [each for each in listing.versions if each.record.version == record.version]
    manifest = wiring.shelf(settings).manifest(name, record.version)
    answer = {
        **_row(now),
        "approvals": now.approval.words if now.approval else None,
        "parent": manifest.parent,
        "estimator": manifest.estimator,
        "signature": manifest.signature.to_dict(),
        "libraries": dict(manifest.libraries),
        "metrics_of": manifest.metrics_of,
        "sample_rows": manifest.sample.rows,
        "holdout_rows": None if manifest.holdout is None else manifest.holdout.rows,
        "compared_with": None if manifest.baseline is None else asdict(manifest.baseline),
        "golden_rows": manifest.golden_rows,
        "reference": manifest.profile.summary,
    }
    (print_json if as_json else print_fields)(answer)


def facts_of(record: VersionRecord) -> dict[str, object]:
    """What the catalogue has of a version, for people and scripts."""
    return {
        "name": record.name,
        "version": record.version,
        "state": record.state.value,
        "task": record.task.value,
        "registered_at": iso(record.registered_at),
        "registered_by": record.registered_by,
        "request_schema_id": record.request_schema_id,
        "prediction_schema_id": record.prediction_schema_id,
        "metrics": dict(record.metrics),
        "failure": record.failure or None,
        "bundle": record.bundle,
    }


def _row(now: VersionNow) -> dict[str, object]:
    """The catalogue's facts, with the standing in place of the shelf's state."""
    return {
        **facts_of(now.record),
        "state": now.standing.value,
        "serves": now.share,
        "approved_by": list(now.approval.approved_by) if now.approval else [],
        "why": now.why or None,
    }


def _percent(share: object) -> str:
    """A share as people read it; nothing for nothing and for what is not known."""
    return f"{share:.4g} %" if isinstance(share, float) and (share := share * 100) else ""
