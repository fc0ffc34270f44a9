"""How far the time of events has come in one partition, told by its inputs. Pure; all times in ms.

An input speaks for all times up to its latest event, but for some lateness. The slowest input
decides, so that nothing is closed before labels of its time have been read; one that has been
read to its end and stays silent is not waited for. When all are silent, time goes on by itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class InputProgress:
    """How far one input has come.

    `event_time`: the latest so far, none beyond its record's append time, so that one broken
    clock can't carry all away. `appended_at`: append time of the latest record. `ended_at`: when
    the end of its log was met, None while records are left.
    """

    offset_next: int = 0
    event_time: int | None = None
    appended_at: int | None = None
    ended_at: int | None = None

    @property
    def unused(self) -> bool:
        """Whether its log was read to its end, and there never was an event."""
        return self.event_time is None and self.ended_at is not None

    def read(self, offsets: Sequence[int], event_times: Sequence[int | None], appended_at: Sequence[int]) -> None:
        """These records were read, in their order; those that were refused have no event time."""
        self.offset_next = offsets[-1] + 1
        bounded = [
            min(event_time, at)
            for event_time, at in zip(event_times, appended_at, strict=True)
            if event_time is not None
        ]
        self.event_time = _latest(self.event_time, bounded)
        self.appended_at = _latest(self.appended_at, appended_at)
        self.ended_at = None


def _latest(known: int | None, times: Sequence[int]) -> int | None:
    return max(times, default=known) if known is None else max(known, max(times, default=known))


def watermark(inputs: Collection[InputProgress], *, now: int, lateness_ms: int, idle_ms: int) -> int | None:
    """The event time up to which everything has been read; None while that can't be told.

    >>> predictions = InputProgress(event_time=5_000, ended_at=None)
    >>> labels = InputProgress(event_time=2_000, ended_at=None)
    >>> watermark([predictions, labels], now=9_000, lateness_ms=100, idle_ms=1_000)
    1900
    >>> labels.ended_at = 8_000
    >>> watermark([predictions, labels], now=9_000, lateness_ms=100, idle_ms=1_000)
    4900
    """
    busy = [each for each in inputs if each.ended_at is None or now - each.ended_at < idle_ms]
    if busy:
        times = [each.event_time for each in busy]
        return None if None in times else min(time for time in times if time is not None) - lateness_ms
    known = [each.event_time for each in inputs if each.event_time is not None]
    if not known:
        return None
    silent_since = max(each.ended_at for each in inputs if each.ended_at is not None)
    return max(known) - lateness_ms + now - silent_since - idle_ms


def log_time(inputs: Collection[InputProgress], *, now: int) -> int | None:
    """The append time up to which every input has been read; None while one has not been read at all.

    >>> read = InputProgress(appended_at=700)
    >>> log_time([read, InputProgress(ended_at=800)], now=900)
    700
    """
    times = [now if each.ended_at is not None else each.appended_at for each in inputs]
    return None if None in times else min(time for time in times if time is not None)
