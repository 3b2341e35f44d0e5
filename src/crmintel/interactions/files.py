"""Files of interactions: Parquet and CSV, read in batches that fit in memory."""

import csv
import glob
import io
import re
from collections.abc import Collection, Iterator
from itertools import islice, repeat, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from crmintel.errors import DataContractError
from crmintel.interactions.ahead import ahead
from crmintel.interactions.source import BATCH_ROWS, Source, check_names, require

if TYPE_CHECKING:
    import duckdb  # loaded where it is needed: a Parquet file does not need it

_CAUSES = {
    "Invalid unicode": ("bytes that are not UTF-8", "Save it as UTF-8."),
    "Expected Number of Columns": (
        "a line has more or fewer cells than the header",
        "Repair that line; quote cells that hold the delimiter.",
    ),
    "unterminated quote": ("a quote that never ends", "Close it, or double quotes inside cells."),
}
_UNKNOWN_CAUSE = ("a line that cannot be parsed", "Save it as UTF-8 with one header line.")
_DELIMITERS = ",;\t|"
_MONTH = r"(jan|feb|mar|apr|ma[iy]|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-z]*\.?"
_DATE = re.compile(
    r"\s*(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}[T\s]"
    rf"|\d{{1,2}}[\s.-]*{_MONTH}[\s,-]*\d{{2,4}}|{_MONTH}[\s-]*\d{{1,2}}[\s,-]+\d{{2,4}})",
    re.IGNORECASE,
)
_HEADER_LINES, _LONGEST_LINE = 50, 1_000_000


def connect(**limits: str) -> "duckdb.DuckDBPyConnection":
    """A database of our own, in memory, that draws no progress bar onto the caller's screen."""
    import duckdb

    connection = duckdb.connect(config={"threads": 2, **limits})
    connection.execute("SET enable_progress_bar = false")
    return connection


def open_files(patterns: list[str]) -> Source:
    files: list[str] = []
    for pattern in patterns:
        path = Path(pattern)
        folder = sorted(str(p) for s in ("*.parquet", "*.csv") for p in path.glob(s)) if path.is_dir() else []
        if path.is_dir() and not folder:
            raise DataContractError(
                f"The folder {pattern!r} holds no Parquet or CSV file. Give a folder with files that end in .parquet or .csv."
            )
        found = folder or ([pattern] if path.is_file() else sorted(glob.glob(pattern, recursive=True)))
        if not found:
            raise DataContractError(
                f"No file matches {pattern!r}. Give an existing Parquet or CSV file, folder or glob."
            )
        files += found
    kinds = {re.sub(r"\.(gz|zst)$", "", f).rsplit(".", 1)[-1].lower() for f in files}
    if kinds <= {"parquet", "pq"}:
        return _open_parquet(files)
    if kinds <= {"csv", "tsv", "txt"}:
        return _open_csv(files)
    raise DataContractError(f"Files end in {sorted(kinds)}. Give all Parquet (.parquet) or all CSV (.csv, .tsv).")


def _open_parquet(files: list[str]) -> Source:
    try:
        schema = pq.read_schema(files[0])
    except (pa.ArrowInvalid, OSError):
        raise DataContractError("A Parquet file cannot be opened: it is damaged. Write it anew.") from None
    names = check_names(schema.names)

    def batches(columns: list[str], words: Collection[str]) -> Iterator[pa.Table]:
        coded = [c for c in words if schema.field(c).type in (pa.string(), pa.large_string())]
        wanted = pa.schema([schema.field(c) for c in columns])
        yield wanted.empty_table()  # so that a file without rows has types
        try:
            for path in files:
                # a dataset, or a buffer ahead, would keep much of the file in memory, and a dataset fills lost columns
                with pq.ParquetFile(path, read_dictionary=coded, pre_buffer=False) as file:
                    require({c: c for c in columns}, tuple(file.schema_arrow.names))
                    found = file.iter_batches(BATCH_ROWS, columns=columns)
                    for batch in takewhile(bool, ahead(_next, repeat(found), 1)):
                        yield _same_types(pa.Table.from_batches(batch).select(columns), wanted)
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, DataContractError):
                raise
            raise DataContractError(
                "A Parquet file is damaged, or differs in its column types from the first. Write it anew, with the same types."
            ) from None

    return Source(names, batches)


def _next(batches: Iterator[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The next batch, or none at the end."""
    return list(islice(batches, 1))


def _same_types(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """The columns as they are in the first file, or coded."""
    coded = [
        pa.types.is_dictionary(k) and k.value_type == f.type for k, f in zip(table.schema.types, wanted, strict=True)
    ]
    return table.cast(pa.schema([a if same else b for a, b, same in zip(table.schema, wanted, coded, strict=True)]))


def _open_csv(files: list[str]) -> Source:
    header, delimiter = _csv_header(files[0])
    _refuse_data(header)
    names = [header[0] or "unnamed column", *header[1:]]
    if other := [i for i, f in enumerate(files) if _csv_header(f) != (header, delimiter)]:
        raise DataContractError(
            f"{len(other)} of {len(files)} CSV files have another header than the first. Give them one header."
        )
    check_names(names)
    columns = [f"c{i}" for i in range(len(names))]  # names of our own: no header can change the statement

    def batches(wanted: list[str], _: Collection[str]) -> Iterator[pa.Table]:
        import duckdb

        schema = pa.schema([(w, pa.large_string()) for w in wanted])
        yield schema.empty_table()  # so that a file without rows has types
        connection = connect()
        try:
            relation = connection.read_csv(
                files,  # type: ignore[arg-type]  # the stubs know one path only
                header=True,
                auto_detect=False,
                columns=dict.fromkeys(columns, "VARCHAR"),
                delimiter=delimiter,
                quotechar='"',
                escapechar='"',
            )
            chosen = relation.project(", ".join(columns[names.index(w)] for w in wanted))
            for batch in chosen.to_arrow_reader(BATCH_ROWS):
                yield pa.Table.from_batches([batch]).rename_columns(wanted).cast(schema)
        except (duckdb.Error, pa.ArrowException) as error:
            raise _csv_error(error) from None
        finally:
            connection.close()

    return Source(tuple(names), batches, text=True)


def _csv_header(file: str) -> tuple[list[str], str]:
    """The names in the first line of a CSV file, and the delimiter that splits it into the most of them."""
    try:
        with (
            pa.input_stream(file, compression="detect") as raw,
            io.TextIOWrapper(raw, "utf-8-sig", "surrogateescape", newline="") as text,
        ):
            lines = [text.readline(_LONGEST_LINE) for _ in range(_HEADER_LINES)]  # a name may hold line breaks
    except (pa.ArrowException, OSError):
        raise DataContractError(
            "A CSV file cannot be opened: it is damaged or cannot be reached. Check the path and its compression."
        ) from None
    try:
        headers = {d: next(csv.reader(iter(lines), delimiter=d), []) for d in _DELIMITERS}
    except csv.Error:
        raise DataContractError(
            "A CSV file cannot be read: its first line holds no column names. Save it with one header line."
        ) from None
    best = max(headers, key=lambda d: len(headers[d]))
    if not any(headers[best]):
        raise DataContractError(
            "A CSV file is empty: its first line holds no column names. Save it with one header line."
        )
    if any("\udc80" <= letter <= "\udcff" for name in headers[best] for letter in name):
        raise DataContractError("A CSV file cannot be read: bytes that are not UTF-8 near line 1. Save it as UTF-8.")
    return headers[best], best


def _refuse_data(names: list[str]) -> None:
    """Complain of a first line that holds a customer's values, before any message can show them as names."""
    if any(map(looks_like_data, names[not names[0] :])):  # a nameless first column is the index of a table
        raise DataContractError(
            f"The first line of the CSV looks like data, not like column names ({len(names)} cells). Add a header line."
        )


def looks_like_data(cell: str) -> bool:
    """Whether a cell is empty, a number (perhaps with a currency sign), a date or an address."""
    if not cell.strip() or "@" in cell or _DATE.match(cell):
        return True
    try:
        float(cell)  # 1e5 and nan have letters
    except ValueError:
        return bool(re.search(r"\d", cell)) and not re.search(r"[^\W\d_]", cell)
    return True


def _csv_error(error: Exception) -> DataContractError:
    """The complaint of the CSV reader without the line it quotes."""
    line = re.search(r"CSV Error on Line: (\d+)", str(error))
    where = f" near line {line.group(1)}" if line else ""
    cause, todo = next((why for sign, why in _CAUSES.items() if sign in str(error)), _UNKNOWN_CAUSE)
    return DataContractError(f"A CSV file cannot be read: {cause}{where}. {todo}")
