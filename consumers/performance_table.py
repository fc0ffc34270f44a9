"""The newest part of every window that may still change, so that a window can be told as a whole.

Parts come from the topic of performance, which this reads by itself and whole: a sink that has just
taken over knows what the one before it knew. Windows that have not been told of for a week can't
change any more, and are forgotten.
"""

from collections.abc import Callable, Iterable

from consumers.performance import merged, performance_document, window_id
from consumers.sinks.base import Document
from schemas.events import Performance

KEPT_MS = 8 * 86_400_000
_LOOK_EVERY_MS = 3_600_000

Follow = Callable[[int], Iterable[Performance]]
"""Gives, in the order of the topic, what was not given before, up to that offset at least."""


class PerformanceTable:
    """Used on one thread."""

    def __init__(self, follow: Follow) -> None:
        self._follow = follow
        self._parts: dict[str, dict[int, Performance]] = {}
        self._revisions: dict[str, int] = {}
        self._newest = 0
        self._looked_at = 0

    def __len__(self) -> int:
        """How many windows are held."""
        return len(self._parts)

    def follow_to(self, offset: int) -> None:
        """Take in everything up to that offset of the topic."""
        for part in self._follow(offset):
            self._put(part)
        self._forget()

    def document(self, part: Performance) -> Document:
        """The window of a part, as of all that is known; each one made of a window has a higher revision."""
        self._put(part)
        window = window_id(part)
        parts = list(self._parts[window].values())
        revision = max(*(each.revision for each in parts), self._revisions.get(window, 0) + 1)
        self._revisions[window] = revision
        return performance_document(merged(parts), revision)

    def _put(self, part: Performance) -> None:
        parts = self._parts.setdefault(window_id(part), {})
        known = parts.get(part.partition)
        if known is None or part.revision >= known.revision:
            parts[part.partition] = part
        self._newest = max(self._newest, part.told_at)

    def _forget(self) -> None:
        """Drop windows that nobody has told of for long, once an hour of what is told."""
        if self._newest - self._looked_at < _LOOK_EVERY_MS:
            return
        self._looked_at = self._newest
        old = [
            window
            for window, parts in self._parts.items()
            if max(part.told_at for part in parts.values()) < self._newest - KEPT_MS
        ]
        for window in old:
            del self._parts[window]
            self._revisions.pop(window, None)
