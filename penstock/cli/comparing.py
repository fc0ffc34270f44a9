"""`penstock models compare`: two versions side by side."""

import click

from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_json, print_table, say
from penstock.cli.versions import find_version
from registry.bundles import read_manifest
from registry.comparison import Difference, Value, compare, measured_alike
from runtime.settings import Settings

_SHOWN_ALWAYS = frozenset({"metrics", "metrics on the same rows"})


@click.command(
    "compare", epilog=example("penstock models compare flights 1 2", "penstock models compare flights 1 2 --all")
)
@click.argument("name", type=ModelName())
@click.argument("first", metavar="V1")
@click.argument("second", metavar="V2")
@click.option("--all", "everything", is_flag=True, help="What is the same too.")
@with_json
@with_settings()
def compare_versions(
    settings: Settings, name: str, first: str, second: str, *, everything: bool, as_json: bool
) -> None:
    """Show versions V1 and V2 of the model NAME side by side: metrics, features, libraries, data and size.

    Metrics of different rows are no comparison, and it is said when they are; register with
    --holdout and --against for figures of both versions on the same rows.
    """
    catalogue, bundles = wiring.catalogue(settings), settings.registry_dir / "bundles"
    ours, theirs = (read_manifest(bundles, find_version(catalogue, name, each).bundle) for each in (first, second))
    found, alike = compare(ours, theirs), measured_alike(ours, theirs)
    if as_json:
        print_json(_answer(name, first, second, found, alike=alike))
        return
    if not alike:
        say("the metrics are of different rows, which is no comparison: see --holdout of `penstock models add`")
    shown = [each for each in found if everything or not each.same or each.aspect in _SHOWN_ALWAYS]
    columns = ("aspect", "item", f"version {first}", f"version {second}", "difference")
    print_table([dict(zip(columns, _cells(each), strict=True)) for each in shown], columns)


def _answer(name: str, first: str, second: str, found: list[Difference], *, alike: bool) -> dict[str, object]:
    return {
        "name": name,
        "first": first,
        "second": second,
        "metrics_of_the_same_rows": alike,
        "differences": [
            {
                "aspect": each.aspect,
                "item": each.item,
                "first": each.first,
                "second": each.second,
                "same": each.same,
            }
            for each in found
        ],
    }


def _cells(difference: Difference) -> tuple[str, str, Value, Value, Value]:
    return difference.aspect, difference.item, difference.first, difference.second, _change(difference)


def _change(difference: Difference) -> Value:
    """By how much numbers differ; for other things, that they do."""
    first, second = difference.first, difference.second
    if difference.same:
        return None
    if isinstance(first, int | float) and isinstance(second, int | float):
        return f"{second - first:+.6g}"
    if first is None or second is None:
        return "added" if first is None else "gone"
    return "changed"
