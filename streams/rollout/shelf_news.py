"""Tells on model events what the shelf did by itself: versions that were registered, and how their validation ended.

What has happened and what the topic has already go in, what is to be told goes out, each event once.
The shelf is written to by whoever registers a version, with or without a running controller; so
the controller looks, and tells what nobody has told.
"""

from collections.abc import Callable, Collection, Sequence

from schemas.events import ModelEvent

LOOK_MS = 1_000
TOLD_AT_ONCE_MAX = 500


class ShelfNews:
    """`happened`: everything, in order, each with an id of its own; `told`: ids that the topic has, asked once."""

    def __init__(self, *, happened: Callable[[], Sequence[ModelEvent]], told: Callable[[], Collection[str]]) -> None:
        self._happened = happened
        self._read_told = told
        self._told: set[str] | None = None
        self._looked_at: int | None = None

    def take(self, now: int) -> list[ModelEvent]:
        """What is new, looked for once a second; a part of it where there is much."""
        if self._looked_at is not None and now - self._looked_at < LOOK_MS:
            return []
        self._looked_at = now
        if self._told is None:
            self._told = set(self._read_told())
        news = [event for event in self._happened() if event.event_id not in self._told][:TOLD_AT_ONCE_MAX]
        self._told.update(event.event_id for event in news)
        return news
