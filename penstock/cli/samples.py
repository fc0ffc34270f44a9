"""A sample of rows from a file, typed as pandas would have it for fitting."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from producers.errors import FileContentError, FileKindError


def read_sample(path: Path) -> pd.DataFrame:
    """The whole file as a frame. Raises `FileKindError`, `FileContentError`."""
    kinds = {".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".parquet": _parquet}
    read = kinds.get(path.suffix.lower())
    if read is None:
        raise FileKindError(path)
    try:
        return read(path)
    except (ValueError, OSError, pa.ArrowException) as error:
        raise FileContentError(path, str(error)) from error


def _csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path)


def _jsonl(path: Path) -> pd.DataFrame:
    return pd.read_json(path, orient="records", lines=True, convert_dates=False)


def _parquet(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path)
