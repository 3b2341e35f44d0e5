"""Sources of interactions: whatever holds them, seen as named Arrow batches."""

import difflib
import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from crmintel.errors import DataContractError, DataTypeError

BATCH_ROWS = 1_000_000
LONGEST_NAME = 255
_ACCEPTED = (
    "a path or glob of Parquet or CSV files, a pandas or polars DataFrame, an Arrow table or reader, "
    "a DuckDB relation, or an iterator of frames"
)


@final
@dataclass(frozen=True)
class Source:
    """Named columns that can be walked through once, in batches.

    Parameters
    ----------
    names : tuple of str
        The columns of the source.
    batches : callable
        Takes the wanted column names, yields Arrow tables in source order.
    text : bool
        Whether everything is text (CSV): then numbers and ISO times are parsed, strictly.
    """

    names: tuple[str, ...]
    batches: Callable[[list[str]], Iterator[pa.Table]]
    text: bool = False


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
        return _open_files([os.fspath(source)])
    if isinstance(source, list | tuple) and source and all(isinstance(s, str | os.PathLike) for s in source):
        return _open_files([os.fspath(s) for s in source])
    if isinstance(source, pd.DataFrame):
        return _open_frame(source)
    if hasattr(source, "collect") and hasattr(source, "collect_schema"):  # a lazy polars frame
        source = source.collect()
    if isinstance(source, duckdb.DuckDBPyRelation):
        source = source.to_arrow_reader(BATCH_ROWS)
    if hasattr(source, "__arrow_c_stream__"):
        return _open_stream(source)
    if isinstance(source, Iterator):
        return _open_iterator(source)
    raise DataTypeError(f"Interactions cannot be read from {type(source).__name__}. Give {_ACCEPTED}.")


def check_names(names: Iterable[Any]) -> tuple[str, ...]:
    """The column names, if they can be told apart and written down."""
    names = list(names)
    if odd := [n for n in names if not isinstance(n, str)]:
        nested = any(isinstance(n, tuple) for n in odd)
        what = "are nested (a MultiIndex)" if nested else "are not text"
        raise DataContractError(f"{len(odd)} column names {what}: {odd[:3]!r}. Give flat text names.")
    if bad := [n for n in names if len(n) > LONGEST_NAME or re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", n)]:
        positions = ", ".join(str(names.index(n)) for n in bad[:3])
        raise DataContractError(
            f"{len(bad)} column names are longer than {LONGEST_NAME} characters or hold control characters "
            f"(columns at positions {positions}). Rename them."
        )
    if doubled := sorted({n for n in names if names.count(n) > 1}):
        raise DataContractError(f"Doubled column names: {', '.join(map(repr, doubled))}. Rename or drop one of each.")
    return tuple(names)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The existing name that was probably meant."""

    def plain(text: str) -> str:
        return re.sub(r"[\W_]+", "", text).casefold()

    candidates = {plain(n): n for n in reversed(list(names))}
    close = difflib.get_close_matches(plain(name), candidates, n=1, cutoff=0.75)
    return candidates[close[0]] if close else None


def require(wanted: Mapping[str, str], names: tuple[str, ...]) -> None:
    """Complain of every mapped column that the source lacks, all at once."""
    missing = {ours: theirs for ours, theirs in wanted.items() if theirs not in names}
    if not missing:
        return
    hints = []
    for ours, theirs in missing.items():
        guess = nearest(theirs, names) or nearest(ours, names)
        hints.append(f"{theirs!r}" + (f" for {ours}" if ours != theirs else "") + (f" (did you mean {guess!r}?)" if guess else ""))
    seen = ", ".join(map(repr, names[:30])) + (", …" if len(names) > 30 else "")
    raise DataContractError(
        f"Missing columns: {', '.join(hints)}. The source has {seen}. Map them with columns={{ours: theirs}}."
    )


def _open_files(patterns: list[str]) -> Source:
    files: list[str] = []
    for pattern in patterns:
        path = Path(pattern)
        folder = sorted(str(p) for s in ("*.parquet", "*.csv") for p in path.glob(s)) if path.is_dir() else []
        found = folder or ([pattern] if path.is_file() else sorted(glob.glob(pattern, recursive=True)))
        if not found:
            raise DataContractError(f"No file matches {pattern!r}. Give an existing Parquet or CSV file, folder or glob.")
        files += found
    kinds = {re.sub(r"\.(gz|zst)$", "", f).rsplit(".", 1)[-1].lower() for f in files}
    if kinds <= {"parquet", "pq"}:
        return _open_parquet(files)
    if kinds <= {"csv", "tsv", "txt"}:
        return _open_csv(files)
    raise DataContractError(f"Files end in {sorted(kinds)}. Give all Parquet (.parquet) or all CSV (.csv, .tsv).")


def _open_parquet(files: list[str]) -> Source:
    try:
        data = ds.dataset(files, format="parquet")
        names = check_names(data.schema.names)
    except (pa.ArrowInvalid, OSError):
        raise DataContractError(f"{len(files)} Parquet files cannot be opened: damaged, or of different columns.") from None

    def batches(columns: list[str]) -> Iterator[pa.Table]:
        scanner = data.scanner(columns={c: ds.field(c) for c in columns}, batch_size=BATCH_ROWS, use_threads=True)
        try:
            for batch in scanner.to_batches():
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])
        except (pa.ArrowInvalid, OSError):
            raise DataContractError("A Parquet file is damaged or differs in its column types from the first.") from None

    return Source(names, batches)


def _open_csv(files: list[str]) -> Source:
    connection = duckdb.connect(config={"threads": 2})
    try:
        relation = connection.read_csv(files, header=True, all_varchar=True)  # type: ignore[arg-type]
        names = check_names(relation.columns)
    except duckdb.Error as error:
        raise _csv_error(error) from None

    def batches(columns: list[str]) -> Iterator[pa.Table]:
        quoted = ", ".join('"' + c.replace('"', '""') + '"' for c in columns)
        try:
            for batch in relation.project(quoted).to_arrow_reader(BATCH_ROWS):
                yield pa.Table.from_batches([batch])
        except (duckdb.Error, pa.ArrowException) as error:
            raise _csv_error(error) from None

    return Source(names, batches, text=True)


def _csv_error(error: Exception) -> DataContractError:
    """The complaint of the CSV reader without the line it quotes."""
    line = re.search(r"[Ll]ine:? (\d+)", str(error))
    where = f" near line {line.group(1)}" if line else ""
    cause = "bytes that are not UTF-8" if re.search(r"utf|unicode|encod", str(error), re.I) else "a line that does not fit the header"
    return DataContractError(f"A CSV file cannot be read: {cause}{where}. Save it as UTF-8 with one header line.")


def _open_frame(frame: pd.DataFrame) -> Source:
    names = check_names(frame.columns)

    def batches(columns: list[str]) -> Iterator[pa.Table]:
        yield pa.table({c: _arrow(frame[c], c) for c in columns})

    return Source(names, batches)


def _arrow(series: pd.Series, name: str) -> pa.Array:
    """One pandas column as Arrow, whatever its dtype; the row index plays no part."""
    if isinstance(series.dtype, pd.SparseDtype):
        series = series.sparse.to_dense()
    if series.dtype == object:
        series = _plain_objects(series, name)
    try:
        return pa.array(series.array if not isinstance(series, pd.Series) else series.reset_index(drop=True), from_pandas=True)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        kinds = sorted({type(v).__name__ for v in series if v is not None})
        raise DataTypeError(f"Column {name!r} mixes kinds of values: {', '.join(kinds)}. Give it one dtype.") from None


def _plain_objects(series: pd.Series, name: str) -> pd.Series:
    """Objects that Arrow would misread: mixed zones are refused, UUIDs become their text."""
    kinds = {type(v).__name__ for v in series[series.notna()]}
    if kinds == {"UUID"}:
        return series.map(lambda v: None if v is None else str(v))
    if kinds and kinds <= {"datetime", "Timestamp"}:
        aware = {v.tzinfo is not None for v in series[series.notna()]}
        if len(aware) == 2:
            raise DataContractError(f"Column {name!r} mixes times with and without a time zone. Give all of them one rule.")
        return pd.to_datetime(series, utc=aware == {True})
    if len(kinds) > 1 and kinds & {"str", "bytes", "tuple", "UUID", "bool", "datetime", "Timestamp"}:
        raise DataTypeError(f"Column {name!r} mixes kinds of values: {', '.join(sorted(kinds))}. Give it one dtype.")
    return series


def _open_stream(source: Any) -> Source:
    try:
        reader = pa.RecordBatchReader.from_stream(source)
    except (pa.ArrowException, ValueError, OSError):
        raise DataContractError("The reader is exhausted or damaged: no rows can be read. Open it anew.") from None
    names = check_names(reader.schema.names)
    counted = not isinstance(source, pa.RecordBatchReader)

    def batches(columns: list[str]) -> Iterator[pa.Table]:
        rows = 0
        for batch in reader:
            rows += batch.num_rows
            yield pa.Table.from_batches([batch]).select(columns)
        if not rows and not counted:
            raise DataContractError("The reader gave no rows: it was probably consumed before. Open it anew.")

    return Source(names, batches)


def _open_iterator(source: Iterator[Any]) -> Source:
    first = next(source, None)
    if first is None:
        raise DataContractError("The iterator gave no rows: it was probably consumed before. Make it anew.")
    head = open_source(first)

    def batches(columns: list[str]) -> Iterator[pa.Table]:
        yield from head.batches(columns)
        for item in source:
            yield from open_source(item).batches(columns)

    return Source(head.names, batches, head.text)
