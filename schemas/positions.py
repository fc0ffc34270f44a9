"""Numbers that grow with where a record lies, so that of two the later one is known whatever order they are read in."""

_TIME_BITS = 42
_OFFSET_BITS = 15
_PARTITION_BITS = 6
_OUTCOME_BITS = 20


def position_revision(requested_at: int, partition: int, offset: int) -> int:
    """A number that grows with the source position, so that the latest of repeated requests stays.

    Later append times win; within one millisecond the order is by the low bits of offset and
    partition, which differ for any two records that a broker can append in that time.

    >>> position_revision(5, 1, 7) < position_revision(5, 1, 8) < position_revision(6, 0, 0)
    True
    """
    time = min(max(requested_at, 0), (1 << _TIME_BITS) - 1)
    low = (offset % (1 << _OFFSET_BITS)) << _PARTITION_BITS | partition % (1 << _PARTITION_BITS)
    return time << (_OFFSET_BITS + _PARTITION_BITS) | low


def outcome_revision(prediction: int, label_appended_at: int, label_offset: int) -> int:
    """A number that grows with each change of one outcome: with a later prediction, and with a later label.

    `prediction` is its `position_revision`. A winning label is always a later record than the one
    that it replaces, so the sum of both times grows; within one millisecond the offsets decide.

    >>> first = outcome_revision(position_revision(5, 0, 7), 9, 3)
    >>> first < outcome_revision(position_revision(5, 0, 7), 9, 4) < outcome_revision(position_revision(6, 0, 9), 9, 4)
    True
    """
    predicted_at = prediction >> (_OFFSET_BITS + _PARTITION_BITS)
    labeled_at = min(max(label_appended_at, 0), (1 << _TIME_BITS) - 1)
    low = ((prediction >> _PARTITION_BITS) % (1 << _OFFSET_BITS) + label_offset) % (1 << _OUTCOME_BITS)
    return (predicted_at + labeled_at) << _OUTCOME_BITS | low


def label_revision(revision: int, event_time: int) -> int:
    """A number that orders labels of one request as the join does: by revision, then by event time.

    >>> label_revision(0, 9) < label_revision(1, 3) < label_revision(1, 4)
    True
    """
    bounded = min(max(revision, 0), (1 << (63 - _TIME_BITS)) - 1)
    return bounded << _TIME_BITS | min(max(event_time, 0), (1 << _TIME_BITS) - 1)
