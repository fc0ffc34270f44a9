"""Where a lane had come to by its receipts, for partitions whose committed offset is gone."""

from collections.abc import Sequence

from runtime.batch import TopicPartitionKey
from runtime.follower import read_to_end
from runtime.offsets import LastReceipts
from runtime.settings import KafkaSettings
from schemas.codec import EventCodec
from schemas.events import Receipt
from schemas.topics import RECEIPTS, Topics

_DEADLINE_S = 45.0


def receipts_reader(
    kafka: KafkaSettings, *, topics: Topics, codec: EventCodec, lane: str, cluster_id: str
) -> LastReceipts:
    """A function that reads the receipts topic once through and answers with the receipt of the highest `offset_to`.

    Committed offsets expire when a group is away for long; receipts are kept for a year.
    """

    def read(places: Sequence[TopicPartitionKey]) -> dict[TopicPartitionKey, Receipt]:
        wanted = set(places)
        found: dict[TopicPartitionKey, Receipt] = {}
        for message in read_to_end(kafka, topics.of(RECEIPTS), deadline_s=_DEADLINE_S):
            receipt = codec.decode(Receipt, message.value())
            place = (receipt.topic, receipt.partition)
            if place in wanted and receipt.lane == lane and receipt.cluster_id == cluster_id:
                found[place] = max(found.get(place, receipt), receipt, key=_offset_to)
        return found

    return read


def _offset_to(receipt: Receipt) -> int:
    return receipt.offset_to
