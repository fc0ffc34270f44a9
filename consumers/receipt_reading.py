"""All receipts of one lane: those in the store, and those on the topic that are not there yet.

A receipt is known by where its record lies, so the two sources never count one twice. Receipts
from the store are streamed in order; only the tail of the topic is held in memory.
"""

import heapq
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, TopicPartition

from consumers.coverage import in_order, receipt_order
from consumers.errors import LedgerError, StoreNotFoundError
from consumers.questions import Question, Row, Store, by, only
from consumers.sinks.base import FieldValue
from consumers.stored_collections import RECEIPTS
from runtime.kafka import log_end
from runtime.settings import Guarantee
from schemas.codec import EventCodec
from schemas.errors import EventDecodeError
from schemas.events import Receipt

TAIL_RECEIPTS_MAX = 500_000
TAIL_DEADLINE_S = 30.0
STORE_DEADLINE_S = 300.0
_POLL_RECORDS = 1_000

_COLUMNS = (
    *("cluster_id", "lane", "guarantee", "model", "topic", "partition", "offset_from", "offset_to"),
    *("records", "scored", "dead_lettered", "lost", "receipt_partition", "receipt_offset"),
)
_ORDER = ("cluster_id", "topic", "partition", "offset_from", "offset_to")
_RECEIPTS_OF_LANE = Question(
    collection=RECEIPTS,
    sql="""
SELECT cluster_id, lane, guarantee, model, topic, "partition", offset_from, offset_to, records, scored, dead_lettered,
    lost, receipt_partition, receipt_offset
FROM receipts WHERE lane = :lane ORDER BY cluster_id, topic, "partition", offset_from, offset_to
""",
    search=lambda parameters: {
        "query": {"bool": {"filter": only(parameters)}},
        "_source": list(_COLUMNS),
        "sort": list(_ORDER),
    },
    complete=True,
)
_LAST_STORED = Question(
    collection=RECEIPTS,
    sql="""
SELECT receipt_partition, max(receipt_offset) AS offset_last FROM receipts WHERE cluster_id = :cluster_id GROUP BY 1
""",
    search=lambda parameters: {
        "query": {"bool": {"filter": only(parameters)}},
        "aggs": {
            "place": {
                "composite": by("receipt_partition"),
                "aggs": {"offset_last": {"max": {"field": "receipt_offset"}}},
            }
        },
    },
    complete=True,
)


@dataclass(frozen=True, slots=True)
class ReceiptTail:
    """What the topic holds beyond the store: receipts, and from which offset on by partition."""

    cluster_id: str
    offsets_from: Mapping[int, int]
    receipts: Sequence[Receipt]


def stored_next(store: Store, cluster_id: str, committed: Mapping[int, int]) -> dict[int, int]:
    """The offset before which every receipt is stored, by partition of their topic; empty without a store.

    The sink commits what it has stored, so that nothing before `committed` is missing, while after it
    a store may hold some receipts and not others. A store that holds less was begun anew.
    """
    try:
        rows = store.ask(_LAST_STORED, {"cluster_id": cluster_id})
    except StoreNotFoundError:
        return {}
    stored = {_whole(row, "receipt_partition"): int(float(str(row["offset_last"]))) + 1 for row in rows}
    return {partition: min(offset, committed.get(partition, 0)) for partition, offset in stored.items()}


def read_tail(
    reader: Consumer,
    topic: str,
    *,
    partitions: int,
    codec: EventCodec,
    cluster_id: str,
    offsets_next: Mapping[int, int],
) -> ReceiptTail:
    """Read the receipts topic from `offsets_next`, before which everything is stored, to its end as it is now.

    Raises `LedgerError` when the end is not reached in time, or the store is too far behind.
    """
    offsets_from = {partition: offsets_next.get(partition, 0) for partition in range(partitions)}
    reader.assign([TopicPartition(topic, partition, offset) for partition, offset in offsets_from.items()])
    # The end as it is now: where receipts keep coming, the end as it will be then is never reached.
    reading = {partition: log_end(reader, topic, partition) for partition in offsets_from}
    receipts: list[Receipt] = []
    deadline = time.monotonic() + TAIL_DEADLINE_S
    while reading:
        if time.monotonic() > deadline or len(receipts) > TAIL_RECEIPTS_MAX:
            raise LedgerError(
                f"{len(receipts)} receipts are not in the store yet: let the sink catch up, then ask again"
            )
        for message in reader.consume(_POLL_RECORDS, 0.1):
            fault = message.error()
            partition = message.partition() or 0
            if fault is None:
                receipts += _decoded(codec, message.value())
                end = reading.get(partition)
                if end is not None and (message.offset() or 0) >= end - 1:
                    del reading[partition]
            elif fault.code() == KafkaError._PARTITION_EOF:
                reading.pop(partition, None)
    reader.unassign()
    return ReceiptTail(cluster_id, offsets_from, receipts)


def receipts_of(store: Store, tail: ReceiptTail | None, lane: str) -> Iterator[Receipt]:
    """Every receipt of the lane once, in the order that coverage wants; a missing store has none."""
    tail_of_lane = [receipt for receipt in tail.receipts if receipt.lane == lane] if tail else []
    yield from heapq.merge(_stored(store, tail, lane), in_order(tail_of_lane), key=receipt_order)


def noting_guarantees(receipts: Iterator[Receipt], seen: set[str]) -> Iterator[Receipt]:
    """Pass receipts through, noting their guarantees in `seen`."""
    for receipt in receipts:
        seen.add(receipt.guarantee)
        yield receipt


def guarantee_of(seen: set[str], default: Guarantee) -> Guarantee:
    """The weakest guarantee among receipts; the default where there are none."""
    if "at_least_once" in seen:
        return "at_least_once"
    return "exactly_once" if seen else default


def _stored(store: Store, tail: ReceiptTail | None, lane: str) -> Iterator[Receipt]:
    """Receipts from the store, but for those that the tail has too, since the sink goes on writing."""
    try:
        for row in store.rows(_RECEIPTS_OF_LANE, {"lane": lane}, time_max_s=STORE_DEADLINE_S):
            if not _in_tail(row, tail):
                yield _receipt(row)
    except StoreNotFoundError:
        return


def _in_tail(row: Row, tail: ReceiptTail | None) -> bool:
    if tail is None or row["cluster_id"] != tail.cluster_id:
        return False
    start = tail.offsets_from.get(_whole(row, "receipt_partition"))
    return start is not None and _whole(row, "receipt_offset") >= start


def _receipt(row: Row) -> Receipt:
    return Receipt(
        cluster_id=str(row["cluster_id"]),
        lane=str(row["lane"]),
        guarantee=str(row["guarantee"]),
        model=str(row["model"]),
        topic=str(row["topic"]),
        partition=_whole(row, "partition"),
        offset_from=_whole(row, "offset_from"),
        offset_to=_whole(row, "offset_to"),
        records=_whole(row, "records"),
        scored=_whole(row, "scored"),
        dead_lettered=_counts(row["dead_lettered"]),
        lost=_whole(row, "lost"),
        committed_at=0,
    )


def _decoded(codec: EventCodec, value: bytes | None) -> list[Receipt]:
    """A receipt that does not decode is dead-lettered by the sink and leaves a gap in the ledger."""
    try:
        return [codec.decode(Receipt, value)]
    except EventDecodeError:
        return []


def _counts(value: FieldValue) -> dict[str, int]:
    assert isinstance(value, Mapping), f"counts are an object: {value!r}"
    return {reason: int(str(count)) for reason, count in value.items()}


def _whole(row: Row, name: str) -> int:
    value = row[name]
    assert type(value) is int, f"{name} is an integer column: {value!r}"
    return value
