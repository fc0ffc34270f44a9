"""Labels from files as they travel: classes as the estimator spells them, values of a regression as numbers."""

from collections.abc import Sequence

from producers.errors import RowError
from producers.values import described, feature_value, is_missing
from schemas.signature import FeatureKind, Task


def label_value(column: str, value: object, *, task: Task, classes: Sequence[str]) -> str | float | None:
    """The label, None where an earlier one is taken back. Raises `RowError`.

    A truth may be a class that a multiclass estimator does not know; of two classes it is one.

    >>> label_value("late", 1.0, task=Task.BINARY, classes=("0", "1"))
    '1'
    >>> label_value("late", "true", task=Task.BINARY, classes=("False", "True"))
    'True'
    >>> label_value("delay", "12.5", task=Task.REGRESSION, classes=())
    12.5
    """
    if is_missing(value):
        return None
    if task is Task.REGRESSION:
        return float(feature_value(column, FeatureKind.NUMBER, value))
    if not isinstance(value, (str, int, float)):
        raise RowError(column, described(value), "write the class as text or a number")
    spellings = _spellings(value)
    known = next((each for each in spellings if each in classes), None)
    if known is None and task is Task.BINARY:
        raise RowError(column, described(value), f"write one of the classes {' and '.join(classes)}")
    return spellings[0] if known is None else known


def _spellings(value: str | float) -> tuple[str, ...]:
    """The ways in which files and estimators write one class: 1, 1.0, True."""
    text = str(value)
    whole = text.removesuffix(".0")
    truth = {"true": "True", "1": "True", "false": "False", "0": "False"}.get(whole.lower())
    digit = {"true": "1", "false": "0"}.get(text.lower())
    return tuple(each for each in (text, whole, f"{whole}.0", truth, digit) if each is not None)
