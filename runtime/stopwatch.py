"""How long a batch spent in each of its stages."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Adds up seconds by stage until they are taken; a stage that raises counts as well.

    >>> ticks = iter([0.0, 2.0, 5.0, 5.5])
    >>> watch = Stopwatch(lambda: next(ticks))
    >>> with watch.stage("produce"): pass
    >>> with watch.stage("commit"): pass
    >>> watch.take(), watch.take()
    ({'produce': 2.0, 'commit': 0.5}, {})
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block."""
        started = self._now()
        try:
            yield
        finally:
            self.add({name: self._now() - started})

    def add(self, seconds: Mapping[str, float]) -> None:
        """Add what was timed elsewhere."""
        for name, each in seconds.items():
            self._seconds[name] = self._seconds.get(name, 0.0) + each

    def take(self) -> Mapping[str, float]:
        """The seconds since the last call."""
        seconds, self._seconds = self._seconds, {}
        return seconds
