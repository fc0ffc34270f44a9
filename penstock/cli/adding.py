"""`penstock models add|verify`: onto the shelf, and every check again."""

from pathlib import Path

import click

from penstock import wiring
from penstock.cli.arguments import READABLE_FILE, ModelName
from penstock.cli.listing import facts_of
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_fields, print_json, print_table, say
from penstock.cli.versions import find_version
from penstock.errors import VersionUnfitError
from penstock.person import person
from penstock.registration import make_topics, version_to_compare
from registry.catalogue import VersionState
from runtime.settings import Settings
from schemas.signature import Task


@click.command(
    epilog=example(
        "penstock models add flights model.skops --sample sample.parquet --target late",
        "penstock models add delays model.skops --sample sample.csv --target minutes --task regression",
    )
)
@click.argument("name", type=ModelName())
@click.argument("file", type=READABLE_FILE)
@click.option(
    "--sample", type=READABLE_FILE, required=True, help="Rows (csv, jsonl, parquet) like those it was fitted on."
)
@click.option("--target", metavar="COL", help="Column of true values in the sample; not a feature.")
@click.option(
    "--holdout", type=READABLE_FILE, help="Rows with the target that it was not fitted on, by which it is judged."
)
@click.option(
    "--against",
    metavar="VERSION",
    help="Version to compare it with on these rows.  [default: the one that serves, if the policy asks]",
)
@click.option(
    "--task", type=click.Choice([task.value for task in Task]), help="What a score means.  [default: as fitted]"
)
@click.option(
    "--time", metavar="COL", help="Column of time in the sample, which gives drift its reference.  [default: none]"
)
@click.option(
    "--personal", metavar="COL", multiple=True, help="A personal feature, tokenized before publishing; repeatable."
)
@click.option("--version", metavar="VERSION", help="The version's name.  [default: the next number]")
@with_json
@with_settings()
def add(
    settings: Settings,
    name: str,
    file: Path,
    *,
    sample: Path,
    target: str | None,
    holdout: Path | None,
    against: str | None,
    task: str | None,
    time: str | None,
    personal: tuple[str, ...],
    version: str | None,
    as_json: bool,
) -> None:
    """Register the estimator in FILE (.skops) as a version of the model NAME and validate it.

    The sample gives the features with their types, the reference profile and the golden vectors.
    What a version must be to pass its validation is said by the settings in `policy`.
    """
    # pandas takes a second to import, and listing versions does not need it.
    from penstock.cli.samples import read_sample  # noqa: PLC0415

    rows, unseen = read_sample(sample), None if holdout is None else read_sample(holdout)
    if against is None and target is not None:
        against = version_to_compare(settings, name)
    shelf = wiring.shelf(settings)
    record = shelf.add(
        name,
        shelf.estimator_in(file),
        rows,
        target=target,
        holdout=unseen,
        against=against,
        task=None if task is None else Task(task),
        time=time,
        personal=personal,
        version=version,
        registered_by=person(),
    )
    if problem := make_topics(settings, name):
        say(f"no topics made yet ({problem}); they are made when a version is activated")
    say(f"reference for drift: {shelf.manifest(name, record.version).profile.summary}")
    (print_json if as_json else print_fields)(facts_of(record))
    if record.state is VersionState.REJECTED:
        raise VersionUnfitError(name, record.version, record.failure)


@click.command(epilog=example("penstock models verify flights 1"))
@click.argument("name", type=ModelName())
@click.argument("version")
@with_json
@with_settings()
def verify(settings: Settings, name: str, version: str, *, as_json: bool) -> None:
    """Run every check of a version again, as a worker does before it loads it; exit code 1 if one fails."""
    record = find_version(wiring.catalogue(settings), name, version)
    report = wiring.shelf(settings).verify(name, record.version)
    checks = [{"check": each.name, "passed": each.passed, "detail": each.detail} for each in report.checks]
    if as_json:
        print_json({"name": name, "version": version, "passed": report.passed, "checks": checks})
    else:
        print_table(checks)
    if not report.passed:
        raise VersionUnfitError(name, version, report.failure)
