"""The shell of the ledger: collects receipts, log extents and counts, and lets `ledger` settle them.

    receipts = store + tail of the topic; extents = the request logs now; counts = what is in
    flight or in gaps, read record by record

Receipts are read before the logs, so what is scored in between shows as in flight, never as lost.
Without a broker the receipts in the store alone are settled, and the ledger says so.
"""

from confluent_kafka import Consumer

from consumers.coverage import Coverage, cover
from consumers.errors import StoreNotFoundError
from consumers.ledger import Ledger, settle, unreceipted
from consumers.log_counting import count_records, read_extents, request_partitions
from consumers.questions import Question, Store, by
from consumers.receipt_reading import (
    ReceiptTail,
    guarantee_of,
    noting_guarantees,
    read_tail,
    receipts_of,
    stored_next,
)
from consumers.stored_collections import REPEATED_REQUESTS
from runtime.errors import BrokerUnreachableError
from runtime.group_lag import GroupLag
from runtime.groups import sink_group
from runtime.kafka import build_reader, cluster_id, partition_counts
from runtime.settings import Guarantee, KafkaSettings
from schemas.codec import EventCodec
from schemas.topics import RECEIPTS, Topics

LANE = "scoring"
NO_BROKER = "no broker could be asked: what is in flight or was deleted is not known"
NO_STORE = "there is no store yet: receipts were read from their topic alone, repeated ids are not known"

_REPEATED = Question(
    collection=REPEATED_REQUESTS,
    sql="SELECT model, id AS document_id, count(*) AS doc_count FROM repeated_requests GROUP BY model, id",
    search=lambda _: {"aggs": {"request": {"composite": by("model", "document_id")}}},
    complete=True,
)


class LedgerReader:
    """Reads the ledger of the live lane; `kafka` is None when no broker is known."""

    def __init__(self, store: Store, *, topics: Topics, codec: EventCodec, kafka: KafkaSettings | None) -> None:
        self._store = store
        self._topics = topics
        self._codec = codec
        self._kafka = kafka

    def read(self, default: Guarantee) -> Ledger:
        """The ledger as of now; `default` is the guarantee where there are no receipts yet.

        Raises `StoreNotFoundError` when there is neither a broker nor a store, and `LedgerError`
        when receipts or logs can't be read whole.
        """
        notes = []
        repeats: dict[str, int] = {}
        try:
            repeats = self._repeats()
        except StoreNotFoundError:
            if self._kafka is None:
                raise
            notes.append(NO_STORE)
        counts = self._partition_counts()
        if self._kafka is None or counts is None:
            coverages, guarantee = self._cover(None, default)
            return settle(coverages, {}, {}, guarantee=guarantee, repeats=repeats, notes=[*notes, NO_BROKER])
        reader = build_reader(self._kafka, group="penstock.ledger")
        try:
            cluster = cluster_id(self._kafka)
            coverages, guarantee = self._cover(self._tail(reader, cluster, counts), default)
            extents = read_extents(reader, request_partitions(self._topics, cluster, counts))
            counted = count_records(reader, unreceipted(coverages, extents))
        finally:
            reader.close()
        return settle(coverages, extents, counted, guarantee=guarantee, repeats=repeats, notes=notes)

    def _repeats(self) -> dict[str, int]:
        """By model, how many records there are beyond one for each request."""
        repeats: dict[str, int] = {}
        for row in self._store.rows(_REPEATED):
            model = str(row["model"])
            repeats[model] = repeats.get(model, 0) + int(str(row["doc_count"])) - 1
        return repeats

    def _partition_counts(self) -> dict[str, int] | None:
        """Every topic's number of partitions; None when no broker answers."""
        if self._kafka is None:
            return None
        try:
            return partition_counts(self._kafka)
        except BrokerUnreachableError:
            return None

    def _tail(self, reader: Consumer, cluster: str, counts: dict[str, int]) -> ReceiptTail:
        topic = self._topics.of(RECEIPTS)
        partitions = counts.get(topic, 0)
        return read_tail(
            reader,
            topic,
            partitions=partitions,
            codec=self._codec,
            cluster_id=cluster,
            offsets_next=stored_next(self._store, cluster, self._committed(topic, partitions)),
        )

    def _committed(self, topic: str, partitions: int) -> dict[int, int]:
        """How far the sink has committed."""
        assert self._kafka is not None, "only asked where there is a broker"
        lag = GroupLag(self._kafka, sink_group(self._topics.prefix))
        try:
            return {part.partition: max(part.committed, 0) for part in lag.of_topic(topic, partitions)}
        finally:
            lag.close()

    def _cover(self, tail: ReceiptTail | None, default: Guarantee) -> tuple[list[Coverage], Guarantee]:
        seen: set[str] = set()
        coverages = list(cover(noting_guarantees(receipts_of(self._store, tail, LANE), seen)))
        return coverages, guarantee_of(seen, default)
