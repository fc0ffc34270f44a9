"""Batch scoring from file to file: rows in, scores out, by the same code that scores requests.

A table and a loaded version come in; a csv, jsonl or parquet file goes out, with a row for each
row that could be scored. Needs no broker, and holds one batch of rows in memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Protocol, Self

import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from penstock.errors import OutputKindError
from producers.errors import RowError
from producers.sources.request_rows import Value, row_features
from producers.sources.tabular import Row, Table
from registry.loaded import LoadedVersion, Scores
from schemas.request_columns import features_schema
from schemas.signature import Task
from streams.scoring.bisection import score_span

BATCH_ROWS = 5_000

Personal = Callable[[Mapping[str, Value]], Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRefused:
    """A row that could not be scored: its number in the file, the reason code and what was found."""

    row: int
    reason: str
    detail: str


@dataclass(slots=True)
class ScoredFile:
    """What became of a file's rows."""

    scored: int = 0
    refused: list[RowRefused] = field(default_factory=list)


class FileScorer:
    """Scores tables with one version. `keep` names columns that go along, as text."""

    def __init__(self, version: LoadedVersion, *, keep: Sequence[str], tokenized: Personal) -> None:
        self._version = version
        self._keep = tuple(keep)
        self._tokenized = tokenized
        self._features = features_schema(version.signature.features)

    @property
    def schema(self) -> pa.Schema:
        """Columns of the output: `row` counts from 1 as in the file, `score` is that of a prediction."""
        fields = [pa.field("row", pa.int64()), *(pa.field(name, pa.string()) for name in self._keep)]
        fields += [pa.field("version", pa.string()), pa.field("score", pa.float64())]
        if self._version.signature.task is not Task.REGRESSION:
            fields.append(pa.field("label", pa.string()))
        if self._version.signature.task is Task.MULTICLASS:
            fields += [pa.field(f"probability_{name}", pa.float64()) for name in self._version.signature.classes]
        return pa.schema(fields)

    def score(self, table: Table, output: "RowsWriter", *, shown: Callable[[ScoredFile], None]) -> ScoredFile:
        """Score every row; one that does not fit is refused alone. `shown` is told after each batch."""
        result = ScoredFile()
        rows = table.rows()
        while batch := list(islice(rows, BATCH_ROWS)):
            output.write(self._scored(batch, result))
            shown(result)
        return result

    def _scored(self, rows: Sequence[Row], result: ScoredFile) -> pa.RecordBatch:
        typed = list(self._typed(rows, result))
        features = pa.RecordBatch.from_pylist([dict(values) for _row, values in typed], schema=self._features)
        frame, unfit = self._version.fit(features)
        result.refused += [
            RowRefused(row=typed[each.row][0].number, reason=each.reason.value, detail=each.detail) for each in unfit
        ]
        left_out = {each.row for each in unfit}
        fitting = [row for index, (row, _values) in enumerate(typed) if index not in left_out]
        parts, faults = score_span(lambda start, stop: self._version.score(frame[start:stop]), len(fitting))
        result.refused += [
            RowRefused(row=fitting[fault.index].number, reason=fault.error.reason.value, detail=fault.error.detail)
            for fault in faults
        ]
        batches = [self._output(fitting[part.start : part.stop], part.scores) for part in parts]
        result.scored += sum(batch.num_rows for batch in batches)
        return pa.concat_batches(batches) if batches else pa.RecordBatch.from_pylist([], schema=self.schema)

    def _typed(self, rows: Sequence[Row], result: ScoredFile) -> Iterator[tuple[Row, Mapping[str, object]]]:
        for row in rows:
            try:
                if row.fault is not None:
                    raise row.fault
                yield row, self._tokenized(row_features(self._version.signature.features, row.cells))
            except RowError as error:
                result.refused.append(RowRefused(row=row.number, reason="row", detail=str(error)))

    def _output(self, rows: Sequence[Row], scores: Scores) -> pa.RecordBatch:
        columns: list[pa.Array] = [pa.array([row.number for row in rows], pa.int64())]
        columns += [pa.array([_text(row.cells.get(name)) for row in rows], pa.string()) for name in self._keep]
        columns += [pa.array([self._version.version] * len(rows), pa.string()), pa.array(scores.scores, pa.float64())]
        if scores.labels is not None:
            columns.append(pa.array(scores.labels, pa.string()))
        if scores.probabilities is not None:
            columns += [pa.array(column, pa.float64()) for column in scores.probabilities.T]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


class RowsWriter(Protocol):
    """A file that takes record batches one after the other."""

    def write(self, batch: pa.RecordBatch) -> None: ...


class _JsonLines:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def write(self, batch: pa.RecordBatch) -> None:
        self._file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in batch.to_pylist())


def open_output(path: Path, schema: pa.Schema) -> AbstractContextManager[RowsWriter]:
    """A writer by the name's ending: csv, jsonl or parquet. Raises `OutputKindError`."""
    kind = path.suffix.lower()
    if kind == ".csv":
        writer: AbstractContextManager[RowsWriter] = pa_csv.CSVWriter(path, schema)
        return writer
    if kind in (".jsonl", ".ndjson"):
        return _JsonLines(path.open("wb"))
    if kind == ".parquet":
        parquet: AbstractContextManager[RowsWriter] = pq.ParquetWriter(path, schema)
        return parquet
    raise OutputKindError(path)


def _text(cell: object) -> str | None:
    return None if cell is None else str(cell)
