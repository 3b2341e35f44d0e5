"""Where checked rows live: in memory while they fit, else in temporary Arrow files of whole customers."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crmintel.columns import CUSTOMER, KNOWN_AT, TIME
from crmintel.errors import DataTypeError
from crmintel.interactions.clock import Int
from crmintel.interactions.fingerprint import hash_values
from crmintel.interactions.part import ROW, Codes, Part, Rows, Window
from crmintel.interactions.words import WORDS, decoded, encoded, joined, plain_type

PARTITIONS = 64


@final
class Folder:
    """A temporary folder that vanishes with its last holder."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="crmintel-"))
        self._remove = weakref.finalize(self, _remove, self.path, os.getpid())

    def remove(self) -> None:
        """Remove the folder now."""
        self._remove()


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child must not take the files from its parent
        shutil.rmtree(path, ignore_errors=True)


@final
@dataclass(frozen=True)
class Store:
    """Parts of whole customers, each loaded when it is asked for.

    Parameters
    ----------
    schema : Arrow schema
        The columns and their types.
    held : tuple of Part
        Parts in memory, of rising customers.
    files : tuple of Path
        Parts on disk, one a file, in a folder that lives as long as a store that needs it.
    window : pair of int or None
        The rows of the files that count: start <= time < end, known before the end.
    """

    schema: pa.Schema
    held: tuple[Part, ...] = ()
    files: tuple[Path, ...] = ()
    folder: Folder | None = None
    window: Window = (None, None)

    def parts(self, columns: Iterable[str] | None = None) -> Iterator[Part]:
        """The parts one after the other; those on disk load only the columns asked for, beside customer and time."""
        yield from self.held
        wanted = None if columns is None else {*columns, CUSTOMER, TIME, KNOWN_AT}
        names = [n for n in self.schema.names if wanted is None or n in wanted]
        for file in self.files:
            whole = _load(file, names)
            part = whole.between(*self.window)
            if len(part):
                yield part if part is whole else part.compact()

    def times(self) -> Iterator[Int]:
        """The times of all rows, part by part, in no stated order."""
        return (part.time for part in self.parts([]))

    def cut(self, start: int | None, end: int | None) -> "Store":
        """The rows with start <= time < end that were known before the end; files are cut when they are read."""
        held = (part.between(start, end) for part in self.held)
        first, last = self.window
        window = (_chosen(max, first, start), _chosen(min, last, end))
        return replace(self, held=tuple(p.compact() for p in held if len(p)), window=window)


def _chosen(better: Callable[[int, int], int], a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else better(a, b)


def _save(part: Part, path: Path) -> Path:
    """Write a part as it lies in memory: times as integers, text and identifiers as codes."""
    data = {CUSTOMER: _dictionary(part.customer_codes.astype(np.int32), part.customers), TIME: pa.array(part.time)}
    data |= {k: _dictionary(v, part.vocabulary[k]) for k, v in part.codes.items()}
    data |= {k: pa.array(v) for k, v in part.numbers.items()}
    if part.known_at is not None:
        data[KNOWN_AT] = pa.array(part.known_at)
    batch = pa.record_batch(data)
    with pa.ipc.new_file(str(path), batch.schema) as writer:
        writer.write_batch(batch)
    return path


def _dictionary(codes: Codes, values: pa.Array) -> pa.DictionaryArray:
    missing = codes < 0
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=missing if missing.any() else None), values)


def _load(path: Path, names: list[str]) -> Part:
    """Some columns of a part, as views of its file."""
    with pa.memory_map(str(path)) as file:
        batch = pa.ipc.open_file(file).get_batch(0)
    coded = [n for n in names if n != CUSTOMER and pa.types.is_dictionary(batch[n].type)]
    customer = batch[CUSTOMER]
    return Part(
        customers=customer.dictionary,
        starts=np.searchsorted(customer.indices.to_numpy(), np.arange(len(customer.dictionary) + 1)).astype(np.int64),
        time=batch[TIME].to_numpy(),
        codes={n: batch[n].indices.fill_null(-1).to_numpy() for n in coded},
        vocabulary={n: batch[n].dictionary for n in coded},
        numbers={n: batch[n].to_numpy() for n in names if pa.types.is_floating(batch[n].type)},
        known_at=batch[KNOWN_AT].to_numpy() if KNOWN_AT in names else None,
    )


@final
@dataclass(frozen=True)
class Pending:
    """Checked rows that are not sorted yet: in memory, or on disk divided by customer.

    Parameters
    ----------
    schema : Arrow schema
        The columns and their types, text as codes.
    rows : Rows or None
        The rows, if they are in memory.
    files : tuple of Path
        The rows on disk, in no order.
    """

    schema: pa.Schema
    rows: Rows | None = None
    files: tuple[Path, ...] = ()
    folder: Folder | None = None

    def surveyed(self, take: Callable[[Part], Part]) -> Store:
        """The rows sorted, after every part went through `take`; files are replaced by files of sorted parts."""
        schema = pa.schema([(f.name, plain_type(f.type)) for f in self.schema if f.name != ROW])
        if self.rows is not None:
            return Store(schema, held=tuple(p for p in map(take, self.rows.parts()) if len(p)))
        return Store(schema, files=tuple(self._rewritten(take)), folder=self.folder)

    def _rewritten(self, take: Callable[[Part], Part]) -> Iterator[Path]:
        for file in self.files:
            with pa.ipc.open_stream(str(file)) as stream:
                rows = Rows.of(stream.read_all())
            file.unlink()
            for i, part in enumerate(map(take, rows.parts())):
                yield _save(part.compact(), file.with_name(f"{file.stem}-{i:03d}.arrow"))

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of the rows on disk, as plain values."""
        for file in self.files:
            with pa.ipc.open_stream(str(file)) as stream:
                for batch in stream:
                    yield pa.record_batch({n: decoded(batch[n]) for n in columns})

    def discard(self) -> None:
        """Remove the files: the rows were refused."""
        if self.folder is not None:
            self.folder.remove()


def gather(tables: Iterable[pa.Table], memory: int) -> Pending:
    """Keep checked tables: in memory, or divided by customer on disk once they outgrow `memory` bytes.

    A customer is never split, and the file depends on the identifier alone.
    """
    held: list[pa.Table] = []
    size = 0
    spill: _Spill | None = None
    try:
        for table in tables:
            size += table.nbytes
            held.append(table)
            if spill is None and 3 * size > memory:  # sorting needs about twice the rows beside them
                spill = _Spill(_common([t.schema for t in held]))
            if spill is not None:
                while held:
                    spill.add(held.pop(0))
    except BaseException:
        if spill is not None:
            spill.folder.remove()
        raise
    if spill is not None:
        return spill.pending()
    schema = _common([t.schema for t in held])
    return Pending(schema, Rows.of(pa.concat_tables([t.cast(schema) for t in held])))


def _common(schemas: list[pa.Schema]) -> pa.Schema:
    """One schema for batches whose columns are of equal types; columns without any value follow the others.

    Raises
    ------
    DataTypeError
        If a column changes its type between batches.
    """
    fields = []
    for name in schemas[0].names:
        kinds = list(dict.fromkeys(s.field(name).type for s in schemas if not pa.types.is_null(s.field(name).type)))
        if len(kinds) > 1:
            was, now = map(plain_type, kinds[:2])
            raise DataTypeError(f"Column {name!r} changes from {was} to {now} between batches. Give it one dtype.")
        fields.append(pa.field(name, kinds[0] if kinds else WORDS))
    return pa.schema(fields)


@final
class _Spill:
    """Arrow streams of customers with the same hash: every column as it lies in memory, each text once a batch."""

    def __init__(self, schema: pa.Schema) -> None:
        self.folder = Folder()
        self._schema = schema
        self._writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}

    def add(self, table: pa.Table) -> None:
        """Append each row to the file of its customer."""
        table = table.cast(_common([self._schema, table.schema]))
        customers = joined(table[CUSTOMER].chunks, self._schema.field(CUSTOMER).type)
        bucket = _buckets(customers)
        ends = np.append(0, np.cumsum(np.bincount(bucket, minlength=PARTITIONS)))
        table = table.take(pa.array(np.argsort(bucket, kind="stable")))  # 16 bits are sorted by counting
        for p in np.flatnonzero(np.diff(ends)).tolist():
            if p not in self._writers:
                self._writers[p] = pa.ipc.new_stream(str(self._path(p)), self._schema)
            self._writers[p].write_table(_slim(table.slice(ends[p], ends[p + 1] - ends[p])))

    def pending(self) -> Pending:
        """The files, complete."""
        for writer in self._writers.values():
            writer.close()
        return Pending(self._schema, files=tuple(self._path(p) for p in sorted(self._writers)), folder=self.folder)

    def _path(self, p: int) -> Path:
        return self.folder.path / f"part-{p:03d}.arrows"


def _slim(table: pa.Table) -> pa.Table:
    """The rows without texts that no row holds, where those would be the bulk of the file."""
    for i, column in enumerate(table.columns):
        if pa.types.is_dictionary(column.type) and len(column.chunk(0).dictionary) > len(table):
            plain = pa.chunked_array([decoded(c) for c in column.chunks])
            table = table.set_column(i, table.field(i), encoded(plain))
    return table


def _buckets(customers: pa.Array) -> npt.NDArray[np.uint16]:
    """The file of each row."""
    coded = pa.types.is_dictionary(customers.type)
    hashed = hash_values(customers.dictionary if coded else customers)
    bucket = (hashed % np.uint64(PARTITIONS)).astype(np.uint16)
    return np.take(bucket, customers.indices.to_numpy()) if coded else bucket
