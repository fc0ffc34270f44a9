"""`penstock report performance`: how good a model was, whether that is well, and what to do about it."""

from pathlib import Path

import click

from consumers.performance_report import Baseline, Group, Health, Verdict, judge_group, report_performance
from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_json, print_table, say
from registry.bundles import read_manifest
from registry.catalogue import VersionRecord
from registry.errors import BundleRefusedError
from runtime.settings import Settings
from schemas.signature import Task

BLOCK = "\N{FULL BLOCK}"
_BAR = 24
_SHOWN = (
    "accuracy",
    "precision",
    "recall",
    "f1",
    "auc",
    "log_loss",
    "brier",
    "calibration_error",
    "mae",
    "rmse",
    "bias",
)
_FIGURES = ("predicted", "labeled", "coverage", "maturity", "unsure", "loss", "interval", *_SHOWN, "value", "health")


@click.command(
    epilog=example("penstock report performance flights", "penstock report performance flights --by carrier")
)
@click.argument("name", type=ModelName())
@click.option(
    "--by",
    "by_what",
    default="version",
    show_default=True,
    metavar="version|arm|window|FEATURE",
    help="What to group by.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw it too: writes FILE.png and FILE.html.",
)
@with_json
@with_settings()
def performance(settings: Settings, name: str, *, by_what: str, plot: Path | None, as_json: bool) -> None:
    """How good the model NAME was, each figure with its interval, coverage and maturity.

    Healthy, warning or critical against the loss that the version had on rows it had not seen.
    """
    groups = report_performance(
        wiring.store(settings), name, by_what, confidence_least=settings.outcomes.confidence_min
    )
    baselines = {record.version: _baseline(settings, record) for record in wiring.catalogue(settings).records(name)}
    rows = [_row(group_name, group, judge_group(group, _of(group, baselines))) for group_name, group in groups.items()]
    if plot is not None and groups:
        # Drawing takes a second to import, and most calls do without.
        from penstock.cli.drawing import draw_performance  # noqa: PLC0415

        for path in draw_performance(
            plot, name, by_what, groups, {key: _of(each, baselines) for key, each in groups.items()}
        ):
            say(f"drawn in {path}")
    if as_json:
        print_json(
            {"model": name, "by": by_what, "groups": [_plain(*item) for item in zip(groups.items(), rows, strict=True)]}
        )
        return
    _print(by_what, rows)


def _baseline(settings: Settings, record: VersionRecord) -> Baseline:
    """The loss in the reference of the version, where it was added with a target."""
    try:
        loss = read_manifest(settings.registry_dir / "bundles", record.bundle).profile.loss
    except BundleRefusedError:
        return Baseline(None)
    return Baseline(None) if loss is None else Baseline(loss.mean, loss.scale)


def _of(group: Group, baselines: dict[str, Baseline]) -> Baseline:
    """The baseline of the version that predicted most; that of the newest where a group tells of none."""
    version = group.versions.most_common(1)[0][0] if group.versions else next(reversed(baselines), "")
    return baselines.get(version, Baseline(None)).on(group.loss_scale)


def _row(name: str, group: Group, verdict: Verdict) -> dict[str, object]:
    measures = group.measures
    loss = measures.get("loss")
    sums = group.sums
    return {
        "group": name,
        "predicted": sums.predicted,
        "labeled": sums.labeled,
        "coverage": group.coverage,
        "maturity": group.maturity,
        "unsure": sums.low_confidence / sums.predicted
        if sums.predicted and group.task is not Task.REGRESSION
        else None,
        "loss": None if loss is None else loss.value,
        "interval": "" if loss is None or loss.low is None else f"{loss.low:.3f} to {loss.high:.3f}",
        **{name: measures[name].value for name in _SHOWN if name in measures},
        **({"value": measures["value_mean"].value} if "value_mean" in measures else {}),
        "health": verdict.health.value,
        "reason": verdict.reason,
        "next": verdict.next,
    }


def _print(by_what: str, rows: list[dict[str, object]]) -> None:
    """The figures as a table, the losses as bars, and a line for each group that needs a word."""
    names = [name for name in _FIGURES if any(name in row for row in rows)]
    figures = [{by_what: row["group"], **{name: _short(row.get(name)) for name in names}} for row in rows]
    print_table(figures, (by_what, *names) if rows else None)
    losses = [loss for row in rows if isinstance(loss := row["loss"], float)]
    if losses and max(losses) > 0:
        print_table([{by_what: row["group"], "mean loss": bar(row["loss"], max(losses))} for row in rows])
    unknown = [row for row in rows if row["health"] == Health.UNKNOWN.value]
    for row in rows if len(unknown) <= 1 else (row for row in rows if row not in unknown):
        say(f"{row['group']}: {row['health']}: {row['reason']}; next: {row['next']}")
    if len(unknown) > 1:
        first = unknown[0]
        say(f"{len(unknown)} groups: unknown, as {first['group']}: {first['reason']}; next: {first['next']}")


def bar(loss: object, most: float) -> str:
    """A loss as a bar with its figure.

    >>> bar(0.05, 0.1).count(BLOCK), bar(0.05, 0.1)[-5:]
    (12, '0.050')
    """
    return f"{BLOCK * round(_BAR * loss / most)} {loss:.3f}" if isinstance(loss, float) else "no labels"


def _short(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


def _plain(named: tuple[str, Group], row: dict[str, object]) -> dict[str, object]:
    """A group in full: every measure with its bounds, and the confusion of classes."""
    _, group = named
    return {
        **{key: row[key] for key in ("group", "predicted", "labeled", "coverage", "maturity", "unsure")},
        "measures": {
            key: {"value": each.value, "low": each.low, "high": each.high} for key, each in group.measures.items()
        },
        "confusion": [
            {"truth": truth, "label": label, "weight": weight}
            for (truth, label), weight in sorted(group.sums.confusion.items())
        ],
        "value_total": group.sums.sums.get("value") if group.sums.sums.get("valued") else None,
        **{key: row[key] for key in ("health", "reason", "next")},
    }
