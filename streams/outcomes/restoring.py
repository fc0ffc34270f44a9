"""What a partition must read again before it goes on: what is committed and not in its state. Pure."""

from collections.abc import Iterable, Mapping

from runtime.offsets import StartOffset
from streams.outcomes.note import Note
from streams.outcomes.partition_state import PartitionState


def newest_note(starts: Iterable[StartOffset]) -> Note:
    """Of the notes beside a partition's inputs the one that was written last.

    >>> place = {"topic": "t", "partition": 0, "offset": 5, "log_start": 0}
    >>> newest_note([StartOffset(**place, note=Note(turn=turn).encode()) for turn in (3, 7, 5)]).turn
    7
    """
    return max((Note.decode(start.note) for start in starts), key=lambda note: note.turn)


def to_read_again(state: PartitionState, starts: Mapping[str, StartOffset], note: Note) -> dict[str, tuple[int, int]]:
    """By input, the offsets [from, to) that are committed and not in the state.

    With a disk these are what was committed after its last write. Without one they begin at the
    oldest record that is still needed: as the note says, else the last receipt, else the log.
    What the log has no more is beyond the horizon, since no topic forgets earlier.
    """
    ranges = {}
    for kind, start in starts.items():
        known = _oldest(start, note.oldest.get(kind)) if state.is_new else state.inputs[kind].offset_next
        first = max(known, start.log_start)
        if first < start.offset:
            ranges[kind] = (first, start.offset)
    return ranges


def _oldest(start: StartOffset, noted: int | None) -> int:
    if noted is not None:
        return noted
    return start.log_start if start.offset_pending_oldest is None else start.offset_pending_oldest
