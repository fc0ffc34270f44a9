"""Files become numbered rows; a bad row is named and does not hide those after it."""

from pathlib import Path

import pandas as pd
import pytest

from producers.errors import ColumnNotFoundError, FileContentError, FileKindError
from producers.sources.tabular import open_table

FRAME = pd.DataFrame({"id": ["a", "b"], "x": [1.5, None], "n": [1, 2]})


def _written(directory: Path, kind: str) -> Path:
    path = directory / f"rows.{kind}"
    if kind == "csv":
        FRAME.to_csv(path, index=False)
    elif kind == "jsonl":
        FRAME.to_json(path, orient="records", lines=True)
    else:
        FRAME.to_parquet(path)
    return path


@pytest.mark.parametrize(
    ("kind", "second"),
    [("csv", {"id": "b", "x": "", "n": "2"}), ("jsonl", {"id": "b", "x": None, "n": 2}), ("parquet", None)],
)
def test_each_kind_gives_the_same_columns_and_rows(tmp_path: Path, kind: str, second: dict[str, object] | None) -> None:
    """Columns and numbered rows; csv gives text, the others types."""
    table = open_table(_written(tmp_path, kind))
    rows = list(table.rows())

    assert table.columns == ("id", "x", "n")
    assert [row.number for row in rows] == [1, 2]
    assert rows[1].cells == second or (kind == "parquet" and rows[1].cells["n"] == 2)


def test_a_crooked_csv_row_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    """Row 2 has a cell too many; rows 1 and 3 are whole."""
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n1,2,3\n\n4,5\n", encoding="utf-8")
    rows = list(open_table(path).rows())

    assert [(row.number, dict(row.cells)) for row in rows if row.fault is None] == [
        (1, {"a": "1", "b": "2"}),
        (3, {"a": "4", "b": "5"}),
    ]
    assert [str(row.fault) for row in rows if row.fault] == [
        "column 'a' has 3 cells where the header has 2: quote cells that hold commas"
    ]


@pytest.mark.parametrize(("line", "found"), [("{oops", "not JSON"), ("[1]", "a JSON list")])
def test_a_line_that_is_no_object_is_named(tmp_path: Path, line: str, found: str) -> None:
    """The others are read."""
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"a": 1}}\n{line}\n{{"a": 3}}\n', encoding="utf-8")
    rows = list(open_table(path).rows())

    assert [row.cells.get("a") for row in rows] == [1, None, 3]
    assert found in str(rows[1].fault)


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    """So that a typing error is seen at once."""
    with pytest.raises(ColumnNotFoundError, match="no column 'tail': it has id, x, n"):
        open_table(_written(tmp_path, "csv")).require("id", None, "tail")


def test_an_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    """The kinds that can be read are named."""
    with pytest.raises(FileKindError, match=r"\.csv, \.jsonl or \.parquet"):
        open_table(tmp_path / "rows.xlsx")


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.parquet", b"no parquet"), ("a.csv", b""), ("a.csv", b"\xff\xfe\x00"), ("a.jsonl", b""), ("a.jsonl", b"{")],
)
def test_a_file_that_is_not_what_it_says_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    """With the file's name, in one sentence."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileContentError, match=name):
        list(open_table(path).rows())
