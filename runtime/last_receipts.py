"""Where a lane had come to by its receipts, for partitions whose committed offset is gone."""

from collections.abc import Callable, Sequence

from runtime.batch import TopicPartitionKey
from runtime.follower import read_to_end
from runtime.settings import KafkaSettings
from schemas.codec import EventCodec
from schemas.events import Receipt
from schemas.topics import RECEIPTS, Topics

_DEADLINE_S = 45.0


def receipts_reader(
    kafka: KafkaSettings, *, topics: Topics, codec: EventCodec, lane: str, cluster_id: str
) -> Callable[[Sequence[TopicPartitionKey]], dict[TopicPartitionKey, int]]:
    """A function that reads the receipts topic once through and answers with the highest `offset_to`.

    Committed offsets expire when a group is away for long; receipts are kept for a year.
    """

    def read(places: Sequence[TopicPartitionKey]) -> dict[TopicPartitionKey, int]:
        wanted = set(places)
        found: dict[TopicPartitionKey, int] = {}
        for message in read_to_end(kafka, topics.of(RECEIPTS), deadline_s=_DEADLINE_S):
            receipt = codec.decode(Receipt, message.value())
            place = (receipt.topic, receipt.partition)
            if place in wanted and receipt.lane == lane and receipt.cluster_id == cluster_id:
                found[place] = max(found.get(place, 0), receipt.offset_to)
        return found

    return read
