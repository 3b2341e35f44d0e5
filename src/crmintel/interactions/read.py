"""Sources of interactions: whatever holds them, seen as named Arrow batches."""

import os
import sys
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from crmintel.errors import DataContractError, DataTypeError
from crmintel.interactions.convert import mixed_zones
from crmintel.interactions.files import open_files
from crmintel.interactions.source import BATCH_ROWS, Source, check_names, nearest, require, usual

__all__ = ["Source", "check_names", "nearest", "open_source", "require", "usual"]

_ACCEPTED = (
    "a path or glob of Parquet or CSV files, a pandas or polars DataFrame, an Arrow table or reader, "
    "a DuckDB relation, or an iterator of frames"
)
_UNMIXABLE = {"str", "bytes", "tuple", "UUID", "bool", "datetime", "Timestamp", "date", "Decimal"}


def open_source(source: Any) -> Source:
    """See `source` as a `Source`.

    Raises
    ------
    DataTypeError
        If the container is of no accepted kind.
    DataContractError
        If no file matches, or column names are doubled, nested, not text, or longer than 255 characters.
    """
    if isinstance(source, str | os.PathLike):
        return open_files([os.fspath(source)])
    if isinstance(source, list | tuple) and source and all(isinstance(s, str | os.PathLike) for s in source):
        return open_files([os.fspath(s) for s in source])
    if isinstance(source, pd.DataFrame):
        return _open_frame(source)
    if hasattr(source, "collect") and hasattr(source, "collect_schema"):  # a lazy polars frame
        source = source.collect()
    if "duckdb" in sys.modules and isinstance(source, sys.modules["duckdb"].DuckDBPyRelation):
        return _open_stream(source.to_arrow_reader(BATCH_ROWS))
    if hasattr(source, "__arrow_c_stream__"):
        return _open_stream(source, once=isinstance(source, pa.RecordBatchReader))
    if isinstance(source, Iterator):
        return _open_iterator(source)
    raise _unreadable(source)


def _unreadable(source: Any) -> DataTypeError:
    return DataTypeError(f"Interactions cannot be read from {type(source).__name__}. Give {_ACCEPTED}.")


def _open_frame(frame: pd.DataFrame) -> Source:
    names = check_names(frame.columns)

    def batches(columns: list[str], _: Collection[str]) -> Iterator[pa.Table]:
        yield pa.table({c: _arrow(frame[c], c) for c in columns})

    return Source(names, batches)


def _arrow(series: pd.Series, name: str) -> pa.Array:
    """One pandas column as Arrow, whatever its dtype; the row index plays no part."""
    series = series.reset_index(drop=True)
    if isinstance(series.dtype, pd.SparseDtype):
        series = pd.Series(np.asarray(series), name=series.name)
    if series.dtype == object:
        series = _plain_objects(series, name)
    try:
        if isinstance(series.dtype, pd.DatetimeTZDtype):
            plain = pa.array(series.dt.tz_convert("UTC").dt.tz_localize(None), from_pandas=True)
            return plain.cast(pa.timestamp(plain.type.unit, "UTC"))
        return pa.array(series, from_pandas=True)
    except UnicodeEncodeError:
        raise DataContractError(
            f"Column {name!r} holds text that is not valid Unicode ({_undecodable(series)}). Repair it first."
        ) from None
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        kinds = sorted({type(v).__name__ for v in series[series.notna()]})
        raise DataTypeError(
            f"Column {name!r} cannot be read as one dtype: it holds {', '.join(kinds)}. Give it one dtype."
        ) from None


def _undecodable(series: pd.Series) -> str:
    """The first rows whose text cannot be written as UTF-8, as words for a message."""
    bad = [i for i, v in enumerate(series) if isinstance(v, str) and v != v.encode("utf-8", "ignore").decode()]
    return f"{len(bad):,} rows; first rows: {', '.join(map(str, bad[:3]))}"


def _plain_objects(series: pd.Series, name: str) -> pd.Series:
    """Objects that Arrow would misread: mixed zones are refused, UUIDs become their text."""
    present = series[series.notna()]
    kinds = {type(v).__name__ for v in present}
    if kinds == {"UUID"}:
        return series.where(series.isna(), series.astype(str))
    if kinds and kinds <= {"datetime", "Timestamp"}:
        aware = {v.tzinfo is not None for v in present}
        if len(aware) == 2:
            raise mixed_zones(name)
        return pd.to_datetime(series, utc=aware == {True})
    if len(kinds) > 1 and kinds & _UNMIXABLE:
        raise DataTypeError(f"Column {name!r} mixes kinds of values: {', '.join(sorted(kinds))}. Give it one dtype.")
    return series


def _open_stream(source: Any, *, once: bool = False) -> Source:
    try:
        reader = pa.RecordBatchReader.from_stream(source)
    except (pa.ArrowException, ValueError, OSError):
        if not isinstance(source, pa.RecordBatchReader):  # a single column, say
            raise _unreadable(source) from None
        raise DataContractError("The reader is exhausted or damaged: no rows can be read. Open it anew.") from None
    names = check_names(reader.schema.names)

    def batches(columns: list[str], _: Collection[str]) -> Iterator[pa.Table]:
        rows = 0
        yield reader.schema.empty_table().select(columns)  # so that a source without rows has types
        for batch in reader:
            rows += batch.num_rows
            yield pa.Table.from_batches([batch]).select(columns)
        if once and not rows:
            raise DataContractError("The reader gave no rows: it was probably consumed before. Open it anew.")

    return Source(names, batches)


def _open_iterator(source: Iterator[Any]) -> Source:
    first = next(source, None)
    if first is None:
        raise DataContractError("The iterator gave no rows: it was probably consumed before. Make it anew.")
    head = open_source(first)

    def batches(columns: list[str], words: Collection[str]) -> Iterator[pa.Table]:
        yield from head.batches(columns, words)
        for item in source:
            following = open_source(item)
            require({c: c for c in columns}, following.names)
            yield from following.batches(columns, words)

    return Source(head.names, batches, head.text)
