"""What a partition must read again before it goes on: what is committed and not in its state. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of one input to be read again: [first, told) for requests alone, [told, end) for windows too."""

    first: int
    told: int
    end: int


def to_read_again(state: PartitionState, starts: Mapping[str, StartOffset], note: Note) -> dict[str, Span]:
    """By input, what is committed and not in the state.

    With a disk that is what was committed after its last write. Without one it begins at the oldest
    record that is still needed, as the note says, else the last receipt, else the log; and windows
    go on from what was told of them last. What the log has no more is beyond the horizon, since no
    topic forgets earlier.
    """
    spans = {}
    for kind, start in starts.items():
        known = state.inputs[kind].offset_next if state.begun else _oldest(start, note.oldest.get(kind))
        first = min(max(known, start.log_start), start.offset)
        told = note.told.get(kind, first) if state.rebuilding else first
        spans[kind] = Span(first, min(max(told, first), start.offset), start.offset)
    return spans


def _oldest(start: StartOffset, noted: int | None) -> int:
    if noted is not None:
        return noted
    return start.log_start if start.offset_pending_oldest is None else start.offset_pending_oldest
