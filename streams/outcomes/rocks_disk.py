"""A partition's disk in RocksDB: the one door to rocksdict.

Reads go through a bloom filter, so that asking for a request that is not there costs little.
Writes are atomic and in the log of the store when they return; a kill loses none, a machine that
dies loses the last ones, and the lane reads their records again.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog
from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, Rdict, ReadOptions, WriteBatch

from streams.outcomes.disk import Writes, after
from streams.outcomes.errors import DiskTakenError

_WRITE_BUFFER_BYTES = 8 << 20
_BLOOM_BITS = 10
_log = structlog.get_logger("penstock.outcomes")


class RocksDisk:
    """One database in `folder`; one that can't be read is thrown away, since the inputs have all of it."""

    def __init__(self, folder: Path, *, cache: Cache) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._database = self._open(cache)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        if not keys:
            return []
        values: list[bytes | None] = self._database.get(list(keys)) or []
        return values

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        limits = ReadOptions()
        limits.set_iterate_upper_bound(after(prefix))
        yield from self._database.items(from_key=prefix, read_opt=limits)

    def write(self, writes: Writes) -> None:
        batch = WriteBatch(raw_mode=True)
        for start, end in writes.ranges:
            batch.delete_range(start, end)
        for key in writes.deletes:
            batch.delete(key)
        for key, value in writes.puts.items():
            batch.put(key, value)
        self._database.write(batch)

    def close(self) -> None:
        self._database.close()

    def _open(self, cache: Cache) -> Rdict:
        """Raises `DiskTakenError` when another process has it."""
        try:
            return Rdict(str(self._folder), _options(cache))
        except Exception as error:
            # The library raises no classes of its own: a lock is told by its words.
            if "lock" in str(error).lower():
                raise DiskTakenError(self._folder) from error
            _log.error("state can't be read and is rebuilt from the topics", folder=str(self._folder), why=str(error))
        shutil.rmtree(self._folder, ignore_errors=True)
        return Rdict(str(self._folder), _options(cache))


def block_cache(size: int) -> Cache:
    """Blocks kept in memory, shared by all partitions of a process."""
    return Cache(size)


def _options(cache: Cache) -> Options:
    table = BlockBasedOptions()
    table.set_bloom_filter(_BLOOM_BITS, False)
    table.set_block_cache(cache)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(table)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(3)
    options.set_memtable_whole_key_filtering(True)
    options.set_memtable_prefix_bloom_ratio(0.1)
    options.set_max_background_jobs(2)
    options.set_max_open_files(256)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1 << 20)
    return options
