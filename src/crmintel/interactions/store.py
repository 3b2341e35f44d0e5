"""Where checked rows live: in memory while they fit, else in temporary Parquet files of whole customers."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crmintel.columns import CUSTOMER, KNOWN_AT, TIME
from crmintel.errors import DataTypeError
from crmintel.interactions.clock import Int
from crmintel.interactions.fingerprint import hash_values
from crmintel.interactions.part import ROW, Part, Window, sorted_part, within
from crmintel.interactions.spelling import likeness

PARTITIONS = 32


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
        Parts in memory.
    files : tuple of Path
        Parts on disk, in a folder that lives as long as a store that needs it.
    window : pair of int or None
        The rows of the files that count: start <= time < end, known before the end.
    """

    schema: pa.Schema
    held: tuple[Part, ...] = ()
    files: tuple[Path, ...] = ()
    folder: Folder | None = None
    window: Window = (None, None)

    def parts(self, columns: Iterable[str] | None = None) -> Iterator[Part]:
        """The parts one after the other; those on disk read only the columns asked for, beside customer and time."""
        yield from self.held
        wanted = None if columns is None else {*columns, CUSTOMER, TIME, KNOWN_AT}
        names = [n for n in self.schema.names if wanted is None or n in wanted]
        for file in self.files:
            part = sorted_part(pq.read_table(file, columns=names), in_order=True).between(*self.window).compact()
            if len(part):
                yield part

    def empty(self) -> Part:
        """A part of no rows, with the types of the columns."""
        kinds = {f.name: pa.int64() if f.name in (TIME, KNOWN_AT) else f.type for f in self.schema}
        return sorted_part(pa.table({name: pa.array([], kind) for name, kind in kinds.items()}))

    def discard(self) -> None:
        """Remove the files now: the rows were refused."""
        if self.folder is not None:
            self.folder.remove()

    def times(self) -> Iterator[Int]:
        """The times of all rows, part by part, in no stated order."""
        yield from (part.time for part in self.held)
        names = [n for n in (TIME, KNOWN_AT) if n in self.schema.names]
        for file in self.files:
            table = pq.read_table(file, columns=names)
            time, *known_at = (table[n].to_numpy() for n in names)
            keep = within(self.window, time, known_at[0] if known_at else None)
            yield time[keep]

    def cut(self, start: int | None, end: int | None) -> "Store":
        """The rows with start <= time < end that were known before the end; files are cut when they are read."""
        held = (part.between(start, end).compact() for part in self.held)
        first, last = self.window
        window = (_chosen(max, first, start), _chosen(min, last, end))
        return replace(self, held=tuple(p for p in held if len(p)), window=window)

    def surveyed(self, take: Callable[[Part], Part]) -> "Store":
        """The store after every part went through `take`; files are rewritten in order, without row numbers."""
        held = (take(part).without(ROW) for part in self.held)
        files = []
        for file in self.files:
            part = take(sorted_part(pq.read_table(file))).without(ROW)
            table = _coded(part)
            pq.write_table(table, file, compression="lz4", write_statistics=False, row_group_size=max(len(table), 1))
            files.append(file)
        schema = self.schema.remove(self.schema.get_field_index(ROW))
        return replace(self, schema=schema, held=tuple(p for p in held if len(p)), files=tuple(files))


def _chosen(better: Callable[[int, int], int], a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else better(a, b)


def _coded(part: Part) -> pa.Table:
    """A part as it lies on disk: times as integers, text as dictionaries."""
    data = {
        CUSTOMER: pa.DictionaryArray.from_arrays(pa.array(part.customer_codes, pa.int32()), part.customers),
        TIME: part.time,
    }
    data |= {
        k: pa.DictionaryArray.from_arrays(pa.array(v, mask=v < 0), part.vocabulary[k]) for k, v in part.codes.items()
    }
    data |= {k: pa.array(v) for k, v in part.numbers.items()}
    if part.known_at is not None:
        data[KNOWN_AT] = part.known_at
    return pa.table(data)


def gather(tables: Iterable[pa.Table], memory: int) -> Store:
    """Keep checked tables: together in memory, or partitioned by customer on disk once they outgrow `memory` bytes.

    A customer is never split, and the partition depends on the identifier alone.
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
        return spill.store()
    schema = _common([t.schema for t in held])
    part = sorted_part(pa.concat_tables([t.cast(schema) for t in held]))
    return Store(schema, (part,))


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
            raise DataTypeError(
                f"Column {name!r} changes from {kinds[0]} to {kinds[1]} between batches. Give it one dtype."
            )
        fields.append(pa.field(name, kinds[0] if kinds else pa.large_string()))
    return pa.schema(fields)


@final
class _Spill:
    """Parquet files of customers with the same hash."""

    def __init__(self, schema: pa.Schema) -> None:
        self.folder = Folder()
        self._schema = schema
        self._writers: dict[int, pq.ParquetWriter] = {}

    def add(self, table: pa.Table) -> None:
        """Append each row to the file of its customer."""
        table = table.cast(_common([self._schema, table.schema]))
        bucket = _buckets(table[CUSTOMER].combine_chunks())
        order = np.argsort(bucket, kind="stable")
        table = table.take(pa.array(order))
        ends = np.searchsorted(bucket[order], np.arange(PARTITIONS + 1))
        for p in np.flatnonzero(np.diff(ends)).tolist():
            if p not in self._writers:
                self._writers[p] = pq.ParquetWriter(
                    self._path(p), self._schema, compression="lz4", write_statistics=False
                )
            self._writers[p].write_table(table.slice(ends[p], ends[p + 1] - ends[p]))

    def store(self) -> Store:
        """The files, complete."""
        for writer in self._writers.values():
            writer.close()
        return Store(self._schema, files=tuple(self._path(p) for p in sorted(self._writers)), folder=self.folder)

    def _path(self, p: int) -> Path:
        return self.folder.path / f"part-{p:03d}.parquet"


def _buckets(customers: pa.Array | pa.ChunkedArray) -> Int:
    """The partition of each row; customers that a careless join would take for one another share theirs."""
    encoded = pa.chunked_array([customers] if isinstance(customers, pa.Array) else customers.chunks, customers.type)
    encoded = encoded.dictionary_encode().unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        if not encoded.num_chunks:
            return np.zeros(0, np.int64)
        encoded = encoded.chunk(0)
    buckets: Int = (hash_values(likeness(encoded.dictionary)) % np.uint64(PARTITIONS)).astype(np.int64)
    each: Int = buckets[encoded.indices.to_numpy(zero_copy_only=False)]
    return each
