"""What can go wrong between the topics and the store.

ConsumerError
├── StoreUnavailableError   the store can't take or give documents now; ask again later
├── StoreNotFoundError      there is no store yet at that place
├── StoreOutdatedError      the store's software is not, or is too old for, what is needed
├── StoreMismatchError      the store holds something of ours in another form than is needed
├── MonthError              what was given is no month, or not one that can be pruned
├── DocumentError           a document does not fit its collection
├── PoisonRecordError       a record can't become a document, with the reason
├── QueryError              a query is wrong, in the store's own words
│   └── QueryLimitError     a query went beyond its limit of rows or time
├── FitFailedError          a refit gave no version, with the fault
└── LedgerError             receipts or logs can't be read, so nothing can be proved
"""

from pathlib import Path

from schemas.reasons import Reason, TrainingFault


class ConsumerError(Exception):
    """Anything wrong between the topics and the store."""


class StoreUnavailableError(ConsumerError):
    """The store can't be used now; the same call may be repeated."""


class StoreNotFoundError(ConsumerError):
    """There is no store yet."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"no store at {path}: it appears when `penstock up` runs on this data directory; check --data-dir"
        )
        self.path = path


class StoreOutdatedError(ConsumerError):
    """The store's software lacks something that is needed."""


class StoreMismatchError(ConsumerError):
    """What the store already holds can't become what is needed; a person has to decide."""

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(
            f"{what} is not as it should be: {detail}; `penstock store check` names every difference, and "
            "another store.index_prefix begins anew"
        )
        self.what = what


class MonthError(ConsumerError):
    """What was given is no month, or none that may be meant."""


class DocumentError(ConsumerError):
    """A document does not fit its collection; the message names the field and the kind of value."""


class PoisonRecordError(ConsumerError):
    """A record can't become a document."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


class QueryError(ConsumerError):
    """A query is wrong."""


class QueryLimitError(QueryError):
    """A query went beyond its limit of rows or time."""


class FitFailedError(ConsumerError):
    """A refit gave no version."""

    def __init__(self, fault: TrainingFault, detail: str) -> None:
        super().__init__(f"{fault.value}: {detail}")
        self.fault = fault
        self.detail = detail


class LedgerError(ConsumerError):
    """Receipts or logs can't be read, so nothing can be proved."""
