"""Files of stored tables: how customers are found in each kind, and how it is written again without them."""

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, final

import pyarrow as pa
import pyarrow.parquet as pq

from crmintel.interactions.files import looks_like_data
from crmintel.privacy.matching import GONE, Wanted
from crmintel.privacy.pruning import columns_to_read, pruned

BESIDE: Final = ".erasing"
"""How the name of a file ends that is being written and will replace another."""
_PACKED: Final = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_DELIMITERS: Final = ",;\t|"


@final
@dataclass(frozen=True)
class Found:
    """What a file holds of customers to erase: rows to remove, rows to change, and whether any column names customers."""

    removed: int = 0
    changed: int = 0
    searched: bool = True
    empty: bool = False

    def __bool__(self) -> bool:
        return bool(self.removed or self.changed)


Rewrite = Callable[[Path, Path | None, Wanted], Found]


class NotText(ValueError):
    """A file of text that is in no encoding that is read."""


def kind_of(path: Path) -> Rewrite | None:
    """How files like this are read and written: by their name, otherwise by how they begin; None for unknown kinds."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        return _PLAIN.get(suffixes[-2]) if len(suffixes) > 1 and suffixes[-2] in _TEXT else None
    if suffixes and suffixes[-1] in _PLAIN:
        return _PLAIN[suffixes[-1]]
    with path.open("rb") as file:
        start = file.read(8)
    return _parquet if start[:4] == b"PAR1" else _arrow if start[:6] == b"ARROW1" else None


def count(path: Path, rewrite: Rewrite, wanted: Wanted) -> Found:
    """What the file holds of customers to erase."""
    return rewrite(path, None, wanted)


def replace(path: Path, rewrite: Rewrite, wanted: Wanted) -> Found:
    """Write the file again without them, and put it in the place of the old one in one move.

    Raises
    ------
    OSError
        If it cannot be written; the old file is as it was.
    """
    beside = path.with_name(f".{path.name}{BESIDE}")
    try:
        found = rewrite(path, beside, wanted)
        if found.empty:
            path.unlink()
        else:
            if count(beside, rewrite, wanted):
                raise NotText("some customers are still there after writing")
            shutil.copymode(path, beside)
            with beside.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    with suppress(OSError):  # some file systems cannot flush a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return found


def _parquet(path: Path, out: Path | None, wanted: Wanted) -> Found:
    with pq.ParquetFile(path, pre_buffer=False) as file:
        schema, meta = file.schema_arrow, file.metadata
        columns = columns_to_read(schema, wanted)
        removed = changed = 0
        with _parquet_writer(out, schema, meta) as write:
            for i in range(meta.num_row_groups):
                if not columns:
                    break
                table, rows, others = pruned(file.read_row_group(i, columns=columns if out is None else None), wanted)
                removed, changed = removed + rows, changed + others
                if len(table):
                    write(table)
    return Found(removed, changed, bool(columns))


@contextmanager
def _parquet_writer(out: Path | None, schema: pa.Schema, meta: Any) -> Iterator[Callable[[pa.Table], Any]]:
    """A writer that packs columns as they were."""
    if out is None:
        yield lambda table: None
        return
    told = meta.row_group(0) if meta.num_row_groups else None
    chunks = [told.column(i) for i in range(told.num_columns)] if told else []
    options: dict[str, Any] = {
        "compression": {c.path_in_schema: "none" if c.compression == "UNCOMPRESSED" else c.compression.lower() for c in chunks},
        "use_dictionary": [c.path_in_schema for c in chunks if {"PLAIN_DICTIONARY", "RLE_DICTIONARY"} & {*c.encodings}],
        "write_statistics": [c.path_in_schema for c in chunks if c.is_stats_set],
    } if chunks else {}  # fmt: skip
    with pq.ParquetWriter(out, schema, **options) as writer:
        yield writer.write_table


def _arrow(path: Path, out: Path | None, wanted: Wanted) -> Found:
    with pa.OSFile(str(path)) as raw:
        try:
            reader, make = pa.ipc.open_file(raw), pa.ipc.new_file
        except pa.ArrowInvalid:
            raw.seek(0)
            reader, make = pa.ipc.open_stream(raw), pa.ipc.new_stream
        table, schema = reader.read_all(), reader.schema
    columns = columns_to_read(schema, wanted)
    if not columns:
        return Found(searched=False)
    table, removed, changed = pruned(table, wanted)
    if out is not None:
        packed = "lz4" if table.nbytes and path.stat().st_size < 0.9 * table.nbytes else None
        with make(str(out), schema, options=pa.ipc.IpcWriteOptions(compression=packed)) as writer:
            writer.write_table(table.unify_dictionaries())
    return Found(removed, changed)


def _csv(path: Path, out: Path | None, wanted: Wanted) -> Found:
    removed = 0
    before = csv.field_size_limit(sys.maxsize)
    try:
        with (
            _reading(path) as raw,
            io.TextIOWrapper(raw, "utf-8", "surrogateescape", newline="") as text,
            _writing(path, out) as write,
        ):
            lines = _Lines(text)
            header, delimiter = _header(lines)
            names = [h.lstrip("\ufeff") for h in header]
            places = [i for i, h in enumerate(names) if h in wanted.columns]
            if not names or not (places or wanted.pseudonyms):
                return Found(searched=False)
            if places or not any(map(looks_like_data, names[not names[0] :])):
                write(lines.taken())
            else:  # a table without names: its first line is a row
                lines.back()
            for cells in csv.reader(lines, delimiter=delimiter):
                raw_text = lines.taken()
                looked = range(len(cells)) if wanted.pseudonyms else [i for i in places if i < len(cells)]
                if any(wanted.says(cells[i], customers=i in places) for i in looked):
                    removed += 1
                else:
                    write(raw_text)
    finally:
        csv.field_size_limit(before)
    return Found(removed)


@final
class _Lines:
    """Lines of a text that remembers those which were taken since it was last asked."""

    def __init__(self, text: IO[str]) -> None:
        self._text, self._held, self._again = text, list[str](), list[str]()

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.pop(0) if self._again else next(self._text)
        self._held.append(line)
        return line

    def taken(self) -> str:
        out = "".join(self._held)
        self._held = []
        return out

    def back(self) -> None:
        """Take the lines again."""
        self._again = self._held + self._again
        self._held = []


def _header(lines: _Lines) -> tuple[list[str], str]:
    """The names in the first line, and the delimiter that splits it into the most of them."""
    best: tuple[list[str], str] = ([], ",")
    for delimiter in _DELIMITERS:
        names = next(csv.reader(lines, delimiter=delimiter), [])
        lines.back()
        best = max(best, (names, delimiter), key=lambda b: len(b[0]))
    next(csv.reader(lines, delimiter=best[1]), [])
    if any("\x00" in n or "\ufffe" in n for n in best[0]) or any("\udc80" <= c <= "\udcff" for n in best[0] for c in n):
        raise NotText("it is not UTF-8")
    return best


def _json_lines(path: Path, out: Path | None, wanted: Wanted) -> Found:
    removed = changed = 0
    with _reading(path) as raw, _writing(path, out) as write:
        for line in raw:
            after = line.decode("utf-8-sig", "surrogateescape")
            if after.strip():
                value = json.loads(after)
                kept = wanted.pruned(value)
                if kept is GONE:
                    removed += 1
                    continue
                if kept != value:
                    changed += 1
                    write(_dumped(kept, after) + "\n")
                    continue
            write(line.decode("utf-8", "surrogateescape"))
    return Found(removed, changed)


def _json(path: Path, out: Path | None, wanted: Wanted) -> Found:
    text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    value = json.loads(text)
    kept = wanted.pruned(value)
    if kept is GONE:
        return Found(removed=1, empty=True)
    gone = len(value) - len(kept) if isinstance(value, list) else 0
    if out is not None:
        out.write_bytes(_dumped(kept, text).encode("utf-8", "surrogateescape"))
    return Found(gone, int(kept != value and not gone))


def _dumped(value: Any, like: str) -> str:
    """JSON with blanks and signs as in another."""
    dense = ": " not in like
    return json.dumps(value, ensure_ascii=like.isascii(), separators=(",", ":") if dense else None)


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    packed = _PACKED.get(path.suffix.lower()) or _PACKED.get(Path(path.name.removesuffix(BESIDE)).suffix.lower())
    with path.open("rb") as raw:
        if packed is None:
            yield raw
        else:
            with pa.CompressedInputStream(raw, packed) as stream, io.BufferedReader(stream) as held:
                yield held


@contextmanager
def _writing(path: Path, out: Path | None) -> Iterator[Callable[[str], Any]]:
    if out is None:
        yield lambda text: None
        return
    packed = _PACKED.get(path.suffix.lower())
    with out.open("wb") as raw:
        if packed is None:
            yield lambda text: raw.write(text.encode("utf-8", "surrogateescape"))
        else:
            with pa.CompressedOutputStream(raw, packed) as stream:
                yield lambda text: stream.write(text.encode("utf-8", "surrogateescape"))


_TEXT: Final = (".csv", ".tsv", ".jsonl", ".ndjson")
_PLAIN: Final[dict[str, Rewrite]] = {
    ".parquet": _parquet, ".pq": _parquet, ".arrow": _arrow, ".arrows": _arrow, ".feather": _arrow, ".ipc": _arrow,
    ".csv": _csv, ".tsv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines, ".json": _json,
}  # fmt: skip
