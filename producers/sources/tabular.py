"""Rows of a csv, jsonl or parquet file, one after the other, in memory that does not grow with the file.

A path comes in; numbered rows go out, each a mapping of column to value or the fault that makes
it unreadable. Rows count from 1; a header is none. Values stay as the file has them: text in csv.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from producers.errors import ColumnNotFoundError, FileContentError, FileKindError, RowError

_BATCH_ROWS = 5_000
_FIRST_ROWS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: its number, and its cells by column or the fault."""

    number: int
    cells: Mapping[str, object]
    fault: RowError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file that can be read: its columns (in jsonl those of its first rows) and its rows."""

    path: Path
    columns: tuple[str, ...]
    _rows: Callable[[Path], Iterator[Row]]

    def require(self, *columns: str | None) -> None:
        """Raise `ColumnNotFoundError` for the first column that the file does not have; None is skipped."""
        for column in columns:
            if column is not None and column not in self.columns:
                raise ColumnNotFoundError(self.path, column, self.columns)

    def rows(self) -> Iterator[Row]:
        """Every row. Raises `FileContentError` when the file turns out to be something else."""
        try:
            yield from self._rows(self.path)
        except (UnicodeDecodeError, csv.Error, pa.ArrowException, OSError) as error:
            raise FileContentError(self.path, str(error)) from error


def open_table(path: Path) -> Table:
    """Look at a file by its name's ending.

    Raises `FileKindError` for another ending, `FileContentError` when it can't be read as that.
    """
    kinds = {".csv": (_csv_columns, _csv_rows), ".jsonl": (_jsonl_columns, _jsonl_rows)}
    kinds |= {".ndjson": kinds[".jsonl"], ".parquet": (_parquet_columns, _parquet_rows)}
    if path.suffix.lower() not in kinds:
        raise FileKindError(path)
    columns, rows = kinds[path.suffix.lower()]
    try:
        return Table(path=path, columns=columns(path), _rows=rows)
    except (UnicodeDecodeError, csv.Error, pa.ArrowException, OSError) as error:
        raise FileContentError(path, str(error)) from error


def _csv_columns(path: Path) -> tuple[str, ...]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), None)
    if not header:
        raise FileContentError(path, "it has no header line")
    return tuple(header)


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        for number, cells in enumerate((cells for cells in lines if cells), start=1):
            if len(cells) == len(header):
                yield Row(number=number, cells=dict(zip(header, cells, strict=True)))
            else:
                found = f"{len(cells)} cells where the header has {len(header)}"
                yield Row(number=number, cells={}, fault=RowError(header[0], found, "quote cells that hold commas"))


def _jsonl_columns(path: Path) -> tuple[str, ...]:
    """The keys of the first rows, since a row leaves out what it does not have."""
    first = list(islice(_jsonl_rows(path), _FIRST_ROWS))
    columns = tuple(dict.fromkeys(name for row in first for name in row.cells))
    if not columns:
        raise FileContentError(path, str(first[0].fault) if first and first[0].fault else "it has no lines")
    return columns


def _jsonl_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate((line for line in file if line.strip()), start=1):
            yield _json_row(number, line)


def _json_row(number: int, line: bytes) -> Row:
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Row(number=number, cells={}, fault=RowError("(all)", f"a line that is not JSON ({error})", "fix it"))
    if not isinstance(values, dict):
        fault = RowError("(all)", f"a JSON {type(values).__name__}", "write one JSON object a line")
        return Row(number=number, cells={}, fault=fault)
    return Row(number=number, cells=values)


def _parquet_columns(path: Path) -> tuple[str, ...]:
    return tuple(pq.read_schema(path).names)


def _parquet_rows(path: Path) -> Iterator[Row]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            for values in batch.to_pylist():
                number += 1
                yield Row(number=number, cells=values)
