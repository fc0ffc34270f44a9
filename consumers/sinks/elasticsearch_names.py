"""Names of indices: a family for each kind of document, an index for each month of event time.

Pure. The first dash ends the prefix, the second the collection, the first dot the model; none of
the three can hold what ends it, so that no family's pattern ever takes in another's indices.
"""

from dataclasses import dataclass
from functools import lru_cache

from consumers.errors import DocumentError
from consumers.sinks.shape import time_text
from consumers.stored_collections import Collection

ALL_TIME = "all"
_DAY_MS = 86_400_000
_DAYS_KEPT = 4_096


@dataclass(frozen=True, slots=True)
class IndexNames:
    """The indices of one deployment.

    >>> from consumers.stored_collections import LABELS, PREDICTIONS, SIGNALS
    >>> names = IndexNames("penstock")
    >>> names.index(PREDICTIONS, "flights", 1_364_793_300_000), names.index(SIGNALS, "flights", 0)
    ('penstock-predictions-flights.2013.04', 'penstock-signals.1970.01')
    >>> names.index(LABELS, "flights", 1_364_793_300_000)
    'penstock-labels.all'
    >>> names.pattern(PREDICTIONS), names.pattern(PREDICTIONS, "flights"), names.pattern(SIGNALS)
    ('penstock-predictions-*', 'penstock-predictions-flights.*', 'penstock-signals.*')
    """

    prefix: str

    def family(self, collection: Collection, model: str | None = None) -> str:
        """What the names of a family's indices begin with; `model` counts where documents carry features."""
        if collection.per_model and model is not None:
            return f"{self.prefix}-{collection.name}-{model}"
        return f"{self.prefix}-{collection.name}"

    def index(self, collection: Collection, model: str, event_time: int) -> str:
        """The index of a document with that event time. Raises `DocumentError` outside the years 1 to 9999."""
        return f"{self.family(collection, model)}.{month_of(event_time) if collection.monthly else ALL_TIME}"

    def pattern(self, collection: Collection, model: str | None = None) -> str:
        """What matches every index of a family, or those of all models."""
        family = self.family(collection, model)
        return f"{family}-*" if collection.per_model and model is None else f"{family}.*"

    def collection_in(self, index: str) -> str | None:
        """The collection that an index is of; None for one that is not of this deployment.

        >>> names = IndexNames("penstock")
        >>> names.collection_in("penstock-predictions-flights.2013.04"), names.collection_in("penstock-labels.all")
        ('predictions', 'labels')
        """
        prefix, _, rest = index.partition("-")
        return rest.partition(".")[0].partition("-")[0] if prefix == self.prefix else None

    def model_in(self, index: str) -> str | None:
        """The model whose index it is; None where all models share one.

        >>> names = IndexNames("penstock")
        >>> names.model_in("penstock-predictions-air-mail.2013.04"), names.model_in("penstock-labels.all")
        ('air-mail', None)
        """
        prefix, _, rest = index.partition("-")
        return rest.partition(".")[0].partition("-")[2] or None if prefix == self.prefix else None

    @property
    def everything(self) -> str:
        """What matches every index of the deployment."""
        return f"{self.prefix}-*"


def month_of(event_time: int) -> str:
    """The month of an event time, as indices are named. Raises `DocumentError` outside the years 1 to 9999.

    >>> month_of(1_364_793_300_000)
    '2013.04'
    """
    return _month_of_day(event_time // _DAY_MS)


def month_in(index: str) -> str | None:
    """The month that an index is of; None for one that holds all time.

    >>> month_in("penstock-predictions-flights.2013.04"), month_in("penstock-labels.all")
    ('2013.04', None)
    """
    month = index.partition(".")[2]
    return None if month == ALL_TIME else month


@lru_cache(maxsize=_DAYS_KEPT)
def _month_of_day(day: int) -> str:
    try:
        return time_text(day * _DAY_MS)[:7].replace("-", ".")
    except OverflowError as error:
        raise DocumentError(f"event time {day * _DAY_MS} ms is outside the years 1 to 9999") from error
