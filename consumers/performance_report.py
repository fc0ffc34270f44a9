"""How good a model was, by version, arm, window of time or feature, and whether that is well.

Windows are read from the store and added up; what is asked by a feature is summed from the stored
outcomes themselves. The judgment is pure: a figure, its interval, what is known, and the baseline.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from consumers.measures import Measure, measures_of
from consumers.performance import coverage_of, sums_from
from consumers.performance_segments import Segmentation, segments_of
from consumers.questions import Question, Row, Store, only
from consumers.segments import VALUES_MAX
from consumers.sinks.shape import ms_of, time_text
from consumers.stored_collections import PERFORMANCE
from schemas.performance_sums import PerformanceSums
from schemas.signature import Task

GROUPS_MAX = VALUES_MAX
COVERAGE_LEAST = 0.9
LABELS_LEAST = 100
MARGIN = 0.02
OTHERS = "(others)"
_STEPS_MS = tuple(hours * 3_600_000 for hours in (1, 6, 24, 7 * 24, 28 * 24, 364 * 24))
_COLUMNS = ("version", "arm", "role", "start", "end", "task", "classes", "loss_scale", "maturity", "predicted", "sums")

_WINDOWS = Question(
    collection=PERFORMANCE,
    sql="""
SELECT version, arm, role, start, "end", task, classes, loss_scale, maturity, predicted, sums
FROM performance WHERE model = :model ORDER BY start
""",
    search=lambda parameters: {
        "query": {"bool": {"filter": only(parameters)}},
        "_source": list(_COLUMNS),
        "sort": [{"start": "asc"}, {"version": "asc"}, {"arm": "asc"}, {"role": "asc"}],
    },
)


class Health(StrEnum):
    """How a figure stands against its baseline."""

    HEALTHY = "healthy"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The loss that a version had on rows it had not seen when it was added; None where that is not known.

    `scale`: the absolute error that was a loss of 1 there, for values.
    """

    loss: float | None
    scale: float | None = None

    def on(self, loss_scale: float | None) -> "Baseline":
        """The same on the scale that outcomes have.

        >>> Baseline(0.1, 30.0).on(60.0).loss, Baseline(0.1, 1.0).on(None).loss
        (0.05, 0.1)
        """
        if self.loss is None or self.scale is None or loss_scale is None:
            return self
        return Baseline(self.loss * self.scale / loss_scale, loss_scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How it stands, why in words, and what to do next."""

    health: Health
    reason: str
    next: str


@dataclass(slots=True)
class Group:
    """What was added up under one name, of which versions; `loss_scale`: see outcomes."""

    task: Task
    classes: tuple[str, ...]
    loss_scale: float | None = None
    sums: PerformanceSums = field(default_factory=PerformanceSums)
    mature: float = 0.0
    versions: Counter[str] = field(default_factory=Counter)

    @property
    def maturity(self) -> float:
        """The share of predictions that were old enough for their labels."""
        return self.mature / self.sums.predicted if self.sums.predicted else 0.0

    @property
    def coverage(self) -> float | None:
        return coverage_of(self.sums)

    @property
    def measures(self) -> dict[str, Measure]:
        return measures_of(self.sums, self.task, self.classes)


def report_performance(store: Store, model: str, by_what: str, *, confidence_least: float) -> dict[str, Group]:
    """Groups in order, by `version`, `arm`, `window`, or the feature of that name.

    Live predictions only, but shadows of a version have a group of their own by version.
    `confidence_least`: see the settings of outcomes. Raises `QueryError` for a feature that no outcome has.
    """
    rows = store.ask(_WINDOWS, {"model": model})
    if by_what in ("version", "arm"):
        return _grouped(rows, lambda row: _named(row, by_what))
    if by_what == "window":
        live = [row for row in rows if row["role"] == "live"]
        step = _step(live)
        return _grouped(live, lambda row: time_text(ms_of(str(row["start"])) // step * step))
    return _by_feature(store, model, by_what, rows, confidence_least=confidence_least)


def judge_group(group: Group, baseline: Baseline, *, margin: float = MARGIN) -> Verdict:
    """Whether a group's mean loss is well against the baseline, and what to do.

    >>> sums = PerformanceSums(predicted=1_000, labeled=1_000,
    ...     sums={"weight": 1e3, "weight_squared": 1e3, "loss": 200.0, "loss_squared": 200.0})
    >>> verdict = judge_group(Group(Task.BINARY, ("0", "1"), sums=sums, mature=1e3), Baseline(0.1))
    >>> verdict.health.value, verdict.reason
    ('critical', 'mean loss 0.200 (0.176 to 0.226) is above the baseline 0.100 by more than 0.02')
    """
    loss = group.measures.get("loss")
    if loss is None or group.sums.labeled < LABELS_LEAST:
        reason = f"{group.sums.labeled} labels are too few to judge by ({LABELS_LEAST} are needed)"
        return Verdict(health=Health.UNKNOWN, reason=reason, next="send labels, or wait for them")
    if baseline.loss is None:
        reason = f"mean loss {loss.value:.3f}, and no baseline: the version was added without a target"
        return Verdict(health=Health.UNKNOWN, reason=reason, next="add versions with --target, so that they have one")
    low, high = (loss.value if bound is None else max(bound, 0.0) for bound in (loss.low, loss.high))
    figure = f"mean loss {loss.value:.3f} ({low:.3f} to {high:.3f})"
    worse = _worse(figure, loss.value, low, baseline.loss, margin)
    return _incomplete(group, f"{figure} is no worse than the baseline {baseline.loss:.3f}") if worse is None else worse


def _worse(figure: str, loss: float, low: float, baseline: float, margin: float) -> Verdict | None:
    """The verdict on a loss that is, or may be, above the baseline."""
    against = f"the baseline {baseline:.3f}"
    if low > baseline + margin:
        return Verdict(
            health=Health.CRITICAL,
            reason=f"{figure} is above {against} by more than {margin:g}",
            next="see what changed with `--by window` and by features; activate the version before, or retrain",
        )
    if loss > baseline + margin or low > baseline:
        by = f"may be above {against} by more than {margin:g}" if loss > baseline + margin else f"is above {against}"
        reason = f"{figure} {by}"
        return Verdict(health=Health.WARNING, reason=reason, next="look at it `--by window`, and wait for more labels")
    return None


def _incomplete(group: Group, reason: str) -> Verdict:
    """The verdict on a loss that is well, as far as it is known."""
    coverage = group.coverage or 0.0
    if coverage < COVERAGE_LEAST and group.maturity >= COVERAGE_LEAST:
        reason = f"{reason}, but only {coverage:.0%} of the predictions are labeled, and the rest had time to be"
        return Verdict(health=Health.WARNING, reason=reason, next="find out which labels are missing, and why")
    if group.maturity < 0.5:
        late = f"{reason}, but most labels are still to come"
        return Verdict(health=Health.HEALTHY, reason=late, next="look again when they have")
    return Verdict(health=Health.HEALTHY, reason=reason, next="nothing")


def _grouped(rows: Sequence[Row], name_of: Callable[[Row], str]) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for row in rows:
        classes = row["classes"]
        assert isinstance(classes, Sequence), "classes are a list"
        kind = Group(Task(str(row["task"])), tuple(map(str, classes)), _given(row["loss_scale"]))
        group = groups.setdefault(name_of(row), kind)
        sums = sums_from(str(row["sums"]))
        group.sums.add(sums)
        group.mature += sums.predicted * _number(row["maturity"])
        group.versions[str(row["version"])] += sums.predicted
    return groups


def _named(row: Row, what: str) -> str:
    name = str(row[what])
    return name if row["role"] == "live" else f"{name} (shadow)"


def _step(rows: Sequence[Row]) -> int:
    """The length of a group of windows, so that there are not too many to read."""
    if not rows:
        return _STEPS_MS[0]
    whole = ms_of(str(rows[-1]["end"])) - ms_of(str(rows[0]["start"]))
    own = max(ms_of(str(row["end"])) - ms_of(str(row["start"])) for row in rows)
    fitting = (step for step in _STEPS_MS if step >= own and whole <= step * GROUPS_MAX)
    return next(fitting, max(_STEPS_MS[-1], own))


def _by_feature(
    store: Store, model: str, feature: str, rows: Sequence[Row], *, confidence_least: float
) -> dict[str, Group]:
    live = [row for row in rows if row["role"] == "live"]
    if not live:
        return {}
    kind = next(iter(_grouped(live[-1:], lambda _: "").values()))
    asked = Segmentation(
        model=model,
        feature=feature,
        task=kind.task,
        classes=kind.classes,
        mature_before=max(map(_mature_before, live)),
        confidence_least=confidence_least,
    )
    segments = segments_of(store, asked)
    top = set(sorted(segments, key=lambda name: (-segments[name].sums.predicted, name))[:GROUPS_MAX])
    groups: dict[str, Group] = {}
    for name, segment in segments.items():
        shown = name if name in top else OTHERS
        group = groups.setdefault(shown, Group(kind.task, kind.classes, kind.loss_scale))
        group.sums.add(segment.sums)
        group.mature += segment.mature
    return dict(sorted(groups.items(), key=lambda item: item[0] == OTHERS))


def _mature_before(row: Row) -> int:
    """The event time before which labels had time to come, as far as this window tells."""
    start, end = ms_of(str(row["start"])), ms_of(str(row["end"]))
    return start + round((end - start) * _number(row["maturity"]))


def _given(value: object) -> float | None:
    return None if value is None else _number(value)


def _number(value: object) -> float:
    assert isinstance(value, (int, float)), f"a number was stored: {value!r}"
    return float(value)
