"""A record that can't be processed, as an event: its bytes, its reason and where it came from."""

import hashlib
from dataclasses import dataclass, field

from runtime.batch import Headers, OutgoingRecords, RecordColumns
from runtime.clock import Clock
from runtime.dead_letter_news import DeadLetterNews
from runtime.kafka import SYSTEM_PARTITION
from schemas.codec import EventCodec
from schemas.columns import Rejection
from schemas.events import DeadLetter, Header
from schemas.reasons import STAGES
from schemas.topics import DEAD_LETTERS, Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterWriter:
    """Makes the dead letters of one service; original bytes beyond `value_bytes_max` are cut."""

    service: str
    cluster_id: str
    topics: Topics
    codec: EventCodec
    clock: Clock
    value_bytes_max: int
    news: DeadLetterNews = field(default_factory=DeadLetterNews)

    def records(self, columns: RecordColumns, model: str, rejections: list[Rejection]) -> list[OutgoingRecords]:
        """The rejected rows of one topic's records, as records for the dead-letters topic."""
        if not rejections:
            return []
        letters = [self.letter(columns, model, rejection) for rejection in rejections]
        self.news.tell(letters, rejections, self.clock.now_ms())
        return [
            OutgoingRecords(
                topic=self.topics.of(DEAD_LETTERS),
                keys=[letter.key for letter in letters],
                values=[self.codec.encode(letter) for letter in letters],
                partition=SYSTEM_PARTITION,
            )
        ]

    def letter(self, columns: RecordColumns, model: str, rejection: Rejection) -> DeadLetter:
        row = rejection.row
        value = columns.values[row]
        return DeadLetter(
            model=model,
            reason=rejection.reason,
            stage=STAGES[rejection.reason],
            detail=rejection.detail,
            cluster_id=self.cluster_id,
            topic=columns.topic,
            partition=columns.partitions[row],
            offset=columns.offsets[row],
            append_time=columns.append_times[row],
            key=columns.keys[row],
            value=None if value is None else value[: self.value_bytes_max],
            value_bytes=len(value or b""),
            value_sha256=hashlib.sha256(value or b"").hexdigest(),
            value_truncated=len(value or b"") > self.value_bytes_max,
            headers=_headers(columns.headers[row]),
            service=self.service,
            failed_at=self.clock.now_ms(),
        )


def _headers(headers: Headers | None) -> tuple[Header, ...]:
    pairs = headers.items() if isinstance(headers, dict) else headers or ()
    return tuple(
        Header(name=name, value=content.encode() if isinstance(content, str) else content) for name, content in pairs
    )
