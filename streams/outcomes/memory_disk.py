"""A disk in memory, for tests and for rebuilding in thought: what was written is what is read."""

from collections.abc import Iterator, Sequence

from streams.outcomes.disk import Writes


class MemoryDisk:
    """Keeps `content` after it is closed, as a disk does."""

    def __init__(self, content: dict[bytes, bytes] | None = None) -> None:
        self.content = {} if content is None else content

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.content.get(key) for key in keys]

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        yield from sorted((key, value) for key, value in self.content.items() if key.startswith(prefix))

    def write(self, writes: Writes) -> None:
        for start, end in writes.ranges:
            for key in [key for key in self.content if start <= key < end]:
                del self.content[key]
        for key in writes.deletes:
            self.content.pop(key, None)
        self.content.update(writes.puts)

    def close(self) -> None:
        """Nothing is open."""
