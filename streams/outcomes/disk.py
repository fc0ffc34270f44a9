"""The port of a partition's disk: keys in order, many read at once, one write for all that belongs together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

_SIGN = 1 << 63


@dataclass(slots=True)
class Writes:
    """What one write changes: ranges [from, to) go first, then single keys, then puts."""

    puts: dict[bytes, bytes] = field(default_factory=dict)
    deletes: list[bytes] = field(default_factory=list)
    ranges: list[tuple[bytes, bytes]] = field(default_factory=list)


class Disk(Protocol):
    """Keys and values of one partition; what was written whole is there whole after a crash, or not at all."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The value of each key, None where there is none."""
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All keys that begin so with their values, in order."""
        ...

    def write(self, writes: Writes) -> None:
        """Apply all of it, or none."""
        ...

    def close(self) -> None: ...


def number_key(prefix: bytes, *numbers: int) -> bytes:
    """A key under which numbers order as they do, negative ones too.

    >>> number_key(b"s", -1) < number_key(b"s", 0) < number_key(b"s", 0, 5) < number_key(b"s", 1)
    True
    """
    return prefix + b"".join((number + _SIGN).to_bytes(8, "big") for number in numbers)


def numbers_of(key: bytes) -> tuple[int, ...]:
    """The numbers behind a prefix of one byte.

    >>> numbers_of(number_key(b"s", -7, 9))
    (-7, 9)
    """
    return tuple(int.from_bytes(key[at : at + 8], "big") - _SIGN for at in range(1, len(key), 8))


def after(prefix: bytes) -> bytes:
    """The first key that is behind all keys that begin so, for prefixes of our own, which end in no 0xff.

    >>> b"sab" < after(b"sa") <= b"sb"
    True
    """
    whole = int.from_bytes(prefix, "big") + 1
    return whole.to_bytes(len(prefix), "big")
