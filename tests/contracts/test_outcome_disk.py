"""Both disks of the outcome lane keep what was written, in order, whole, over a close."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.outcomes.disk import Disk, Writes, after, number_key
from streams.outcomes.errors import DiskTakenError
from streams.outcomes.memory_disk import MemoryDisk
from streams.outcomes.rocks_disk import RocksDisk, block_cache

Open = Callable[[], Disk]


@pytest.fixture(params=["memory", "rocks"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same disk, again and again."""
    content: dict[bytes, bytes] = {}

    def open_disk() -> Disk:
        if request.param == "memory":
            return MemoryDisk(content)
        return RocksDisk(tmp_path / "state", cache=block_cache(1 << 20))

    return open_disk


def test_what_was_written_is_there_after_a_close(reopen: Open) -> None:
    """Values come back by key, absent ones as None, repeated asks included."""
    disk = reopen()
    disk.write(Writes(puts={b"ra": b"1", b"rb": b"", b"\x00": b"\xff"}))
    disk.close()
    again = reopen()

    assert again.get_many([b"rb", b"rc", b"ra", b"ra", b"\x00"]) == [b"", None, b"1", b"1", b"\xff"]
    assert again.get_many([]) == []
    again.close()


def test_a_prefix_is_scanned_in_order(reopen: Open) -> None:
    """Only keys of the prefix, numbers in their order, negative ones first."""
    disk = reopen()
    numbers = [5, -3, 0, 1 << 40, -(1 << 40)]
    disk.write(Writes(puts={number_key(b"s", number): str(number).encode() for number in numbers} | {b"t": b"no"}))

    assert [int(value) for _, value in disk.scan(b"s")] == sorted(numbers)
    assert list(disk.scan(b"u")) == []
    disk.close()


def test_a_write_clears_ranges_first_then_keys_then_puts(reopen: Open) -> None:
    """So that what is deleted and written in one turn is there."""
    disk = reopen()
    disk.write(Writes(puts={number_key(b"c", 1, turn): b"x" for turn in range(5)} | {number_key(b"c", 2, 0): b"y"}))
    prefix = number_key(b"c", 1)
    disk.write(
        Writes(
            ranges=[(prefix, after(prefix))],
            deletes=[number_key(b"c", 2, 0), b"never"],
            puts={number_key(b"c", 1, 9): b"new", number_key(b"c", 2, 0): b"again"},
        )
    )

    assert list(disk.scan(b"c")) == [(number_key(b"c", 1, 9), b"new"), (number_key(b"c", 2, 0), b"again")]
    disk.close()


def test_a_disk_is_open_in_one_place(tmp_path: Path) -> None:
    """A second owner is told so, and the first one's state is not touched."""
    first = RocksDisk(tmp_path / "state", cache=block_cache(1 << 20))
    first.write(Writes(puts={b"a": b"1"}))

    with pytest.raises(DiskTakenError, match="own slot"):
        RocksDisk(tmp_path / "state", cache=block_cache(1 << 20))
    assert first.get_many([b"a"]) == [b"1"]
    first.close()


def test_a_damaged_disk_is_begun_anew(tmp_path: Path) -> None:
    """What can't be read is thrown away: the inputs have all of it."""
    disk = RocksDisk(tmp_path / "state", cache=block_cache(1 << 20))
    disk.write(Writes(puts={b"a": b"1"}))
    disk.close()
    for file in (tmp_path / "state").glob("MANIFEST*"):
        file.write_bytes(b"nonsense")
    (tmp_path / "state" / "CURRENT").write_text("MANIFEST-nothing\n")
    again = RocksDisk(tmp_path / "state", cache=block_cache(1 << 20))

    assert again.get_many([b"a"]) == [None]
    again.write(Writes(puts={b"a": b"2"}))
    assert again.get_many([b"a"]) == [b"2"]
    again.close()
