"""Receipts for tests: one lane over one partition unless said."""

from dataclasses import replace

from consumers.coverage import LanePartition
from schemas.events import Receipt

PLACE = LanePartition("cluster", "flights", "flights.requests", 0)


def receipt(offset_from: int, offset_to: int, *, dead: int = 0, guarantee: str = "exactly_once") -> Receipt:
    """A receipt in whose range every offset is a record, `dead` of them dead-lettered."""
    return Receipt(
        cluster_id=PLACE.cluster_id,
        lane="scorer",
        guarantee=guarantee,
        model=PLACE.model,
        topic=PLACE.topic,
        partition=PLACE.partition,
        offset_from=offset_from,
        offset_to=offset_to,
        records=offset_to - offset_from,
        scored=offset_to - offset_from - dead,
        dead_lettered={"truncated": dead} if dead else {},
        committed_at=1_364_817_600_000,
    )


def with_markers(original: Receipt, markers: int) -> Receipt:
    """The same range, of which some offsets are transaction markers."""
    return replace(original, records=original.records - markers, scored=original.scored - markers)
