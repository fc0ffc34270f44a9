"""Tells the log of dead letters: of the first of a kind at once, then once in a while of how many.

A producer that sends nothing but bad records must not fill the log with them; each is on its
topic, counted in the metrics, and in the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from schemas.columns import Rejection
from schemas.events import DeadLetter

SAY_EVERY_MS = 10_000
_log = structlog.get_logger("penstock.dead_letters")


@dataclass(slots=True)
class _Kind:
    """Dead letters of one topic for one reason since they were last told of."""

    records: int = 0
    due: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetterNews:
    """What one service has told of; no detail, which may hold what the record held."""

    kinds: dict[tuple[str, str], _Kind] = field(default_factory=dict)

    def tell(self, letters: Sequence[DeadLetter], rejections: Sequence[Rejection], now: int) -> None:
        """Count these letters, each with its rejection, and log each kind that is due; `now` in ms since the epoch."""
        firsts: dict[tuple[str, str], tuple[DeadLetter, Rejection]] = {}
        for letter, rejection in zip(letters, rejections, strict=True):
            key = (letter.topic, letter.reason)
            firsts.setdefault(key, (letter, rejection))
            self.kinds.setdefault(key, _Kind()).records += 1
        for key, (first, rejection) in firsts.items():
            kind = self.kinds[key]
            if now >= kind.due:
                _log.warning(
                    "records dead-lettered",
                    model=first.model or None,
                    topic=first.topic,
                    partition=first.partition,
                    offset=first.offset,
                    **_known(request_id=rejection.request_id, version=rejection.version),
                    reason=first.reason,
                    stage=first.stage,
                    records=kind.records,
                )
                kind.records, kind.due = 0, now + SAY_EVERY_MS


def _known(**fields: str | None) -> dict[str, str]:
    """Those that have a value."""
    return {name: value for name, value in fields.items() if value is not None}
