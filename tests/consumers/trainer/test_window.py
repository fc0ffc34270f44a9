"""Which outcomes a version is refitted on: matured, the latest word on each, enough and balanced, split by time."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.trainer.window import OutcomeRow, Shortfall, Stretch, WindowRules, training_window
from registry.labeled_rows import LabeledRows
from schemas.reasons import TrainingFault
from schemas.signature import Container, Feature, FeatureKind, Signature, Task
from tests.trainer.outcomes import HOUR_MS, outcome

ALL = Stretch(since=0, until=10**15)
RULES = WindowRules(rows_min=10, rows_max=1_000, class_rows_min=2, judged_share=0.25)
NUMBER = Feature(name="x", kind=FeatureKind.NUMBER, dtype="float64")
GAPS = Feature(name="gaps", kind=FeatureKind.STRING, dtype="object", nullable=True)


def classes(*names: str, features: tuple[Feature, ...] = (NUMBER, GAPS)) -> Signature:
    task = Task.BINARY if len(names) == 2 else Task.MULTICLASS
    return Signature(features=features, task=task, container=Container.DATAFRAME, classes=names)


def alternating(rows: int, labels: Sequence[str] = ("0", "1")) -> list[OutcomeRow]:
    return [outcome(number, labels[number % len(labels)], x=float(number), gaps=None) for number in range(rows)]


def window(rows: Sequence[OutcomeRow], stretch: Stretch = ALL, rules: WindowRules = RULES) -> LabeledRows:
    found = training_window(rows, stretch, classes("0", "1"), rules)
    assert isinstance(found, LabeledRows), found
    return found


def shortfall(
    rows: Sequence[OutcomeRow], signature: Signature | None = None, rules: WindowRules = RULES
) -> tuple[TrainingFault, bool, str]:
    found = training_window(rows, ALL, signature or classes("0", "1"), rules)
    assert isinstance(found, Shortfall), found
    return found.fault, found.passing, found.detail


def test_the_newest_share_is_held_back() -> None:
    """Rows are in time order, and the newest quarter of them is for judging."""
    found = window(list(reversed(alternating(20))))

    assert found.event_times.tolist() == [number * HOUR_MS for number in range(20)]
    assert found.judged_from == 15
    assert found.truths.to_pylist() == ["0", "1"] * 10
    assert found.features.column("x").to_pylist() == [float(number) for number in range(20)]


def test_one_event_time_is_never_on_both_sides() -> None:
    """Where the boundary falls within rows of one time, all of them are held back."""
    rows = [replace(row, event_time=row.event_time // (6 * HOUR_MS)) for row in alternating(20)]

    found = window(rows)

    assert found.event_times[found.judged_from] == 2
    assert found.event_times[found.judged_from - 1] == 1


def test_only_the_stretch_counts() -> None:
    """Outcomes before the stretch, and those that have not matured, are left out."""
    found = window(alternating(40), Stretch(since=10 * HOUR_MS, until=30 * HOUR_MS))

    assert (found.event_times[0], found.event_times[-1]) == (10 * HOUR_MS, 29 * HOUR_MS)


def test_the_latest_revision_is_what_was_true() -> None:
    """A corrected label counts as corrected, one that was taken back not at all, in whatever order they came."""
    corrected = replace(outcome(3, "0", x=3.0, gaps=None), revision=2)
    taken_back = replace(outcome(4, None, x=4.0, gaps=None), revision=1)
    rows = [corrected, *alternating(20), taken_back]

    found = window(rows)

    assert found.truths[3].as_py() == "0"
    assert len(found) == 19


def test_the_newest_rows_are_kept() -> None:
    """Beyond the largest window, older rows are left out."""
    found = window(alternating(50), rules=replace(RULES, rows_max=20))

    assert (len(found), int(found.event_times[0])) == (20, 30 * HOUR_MS)


def test_what_the_version_could_not_be_asked_is_left_out() -> None:
    """A row without a value that the version needs is no row to learn from; a gap that it knows is one."""
    rows = [*alternating(20), outcome(20, "1", x=None, gaps="a"), outcome(21, "1", x=1.0, gaps=None)]

    assert len(window(rows)) == 21


@pytest.mark.parametrize(
    ("rows", "expected", "words"),
    [
        (alternating(9), TrainingFault.TOO_FEW_ROWS, "9 matured outcomes in the stretch, and trainer.rows_min is 10"),
        ([], TrainingFault.TOO_FEW_ROWS, "0 matured outcomes in the stretch, and trainer.rows_min is 10"),
        (
            [*alternating(2), *alternating(20, ("0",))[2:]],
            TrainingFault.CLASS_TOO_RARE,
            "1 of 15 outcomes to learn from are of class '1', and trainer.class_rows_min is 2",
        ),
    ],
    ids=["too few", "none", "rare"],
)
def test_what_is_missing_may_still_come(rows: Sequence[OutcomeRow], expected: TrainingFault, words: str) -> None:
    """Too few outcomes, or too few of a class, are said in numbers, and waiting may help."""
    assert shortfall(rows) == (expected, True, words)


def test_a_class_that_the_version_does_not_know() -> None:
    """A truth that the version can't answer is refused, and waiting does not help."""
    fault, passing, words = shortfall([*alternating(20), outcome(20, "2", x=1.0)])

    assert (fault, passing) == (TrainingFault.UNKNOWN_CLASS, False)
    assert words == "1 outcomes are of class '2', which the version does not know"


def test_every_class_of_many_must_be_there() -> None:
    """Of several classes the rarest is named."""
    signature = classes("a", "b", "c")

    assert shortfall(alternating(20, ("a", "b")), signature)[0] is TrainingFault.CLASS_TOO_RARE
    assert "'c'" in shortfall(alternating(20, ("a", "b")), signature)[2]
    assert isinstance(training_window(alternating(20, ("a", "b", "c")), ALL, signature, RULES), LabeledRows)


def test_values_without_variety() -> None:
    """A regression learns from values that differ."""
    signature = Signature(features=(NUMBER,), task=Task.REGRESSION, container=Container.DATAFRAME)
    same = [outcome(number, 3.5, x=1.0) for number in range(20)]
    various = [outcome(number, number / 2, x=1.0) for number in range(20)]

    found = training_window(various, ALL, signature, RULES)

    assert shortfall(same, signature)[0] is TrainingFault.CONSTANT_TRUTH
    assert isinstance(found, LabeledRows)
    assert found.truths.to_pylist() == [number / 2 for number in range(20)]


def test_personal_features_are_in_no_store() -> None:
    """A version that needs what is never stored can't be refitted from the store, and that is said."""
    signature = classes("0", "1", features=(NUMBER, replace(GAPS, personal=True)))
    fault, passing, words = shortfall(alternating(50), signature)

    assert (fault, passing) == (TrainingFault.PERSONAL_FEATURES, False)
    assert words == "feature 'gaps' is personal, and no store has its values"


@given(order=st.permutations(range(24)), revisions=st.lists(st.integers(0, 3), min_size=24, max_size=24))
def test_the_order_of_arrival_changes_nothing(order: list[int], revisions: list[int]) -> None:
    """Any permutation of the same outcomes and corrections gives the same rows, to the fingerprint."""
    events = [
        replace(
            outcome(number // 2, str(revision % 2), x=float(number // 2), gaps=None), revision=revision * 24 + number
        )
        for number, revision in enumerate(revisions)
    ]
    rules = replace(RULES, class_rows_min=0)

    shuffled = training_window([events[index] for index in order], ALL, classes("0", "1"), rules)
    straight = training_window(events, ALL, classes("0", "1"), rules)

    assert isinstance(straight, LabeledRows)
    assert isinstance(shuffled, LabeledRows)
    assert shuffled.sha256 == straight.sha256
