"""Where checked rows live: in memory while they fit, else in temporary Parquet files of whole customers."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crmintel.columns import CUSTOMER, KNOWN_AT
from crmintel.interactions.part import ROW, Part, sorted_part

PARTITIONS = 32


@final
@dataclass(frozen=True)
class Store:
    """Parts of whole customers, each loaded when it is asked for.

    Parameters
    ----------
    held : tuple of Part
        Parts in memory.
    files : tuple of Path
        Parts on disk, in a folder that lives as long as the store.
    """

    held: tuple[Part, ...] = ()
    files: tuple[Path, ...] = ()
    folder: "tempfile.TemporaryDirectory[str] | None" = field(default=None, repr=False, compare=False)

    def parts(self, columns: Iterable[str] | None = None) -> Iterator[Part]:
        """The parts one after the other; those on disk read only the columns asked for, beside customer and time."""
        yield from self.held
        for file in self.files:
            names = pq.read_schema(file).names
            wanted = None if columns is None else {*columns, CUSTOMER, "timestamp", KNOWN_AT}
            table = pq.read_table(file, columns=[c for c in names if c != ROW and (wanted is None or c in wanted)])
            yield sorted_part(table, KNOWN_AT in table.column_names)


def gather(tables: Iterable[pa.Table], memory: int) -> Store:
    """Keep checked tables: together in memory, or partitioned by customer on disk once they outgrow `memory` bytes.

    A customer is never split, and the partition depends on the identifier alone.
    """
    held: list[pa.Table] = []
    size = 0
    spill: _Spill | None = None
    for table in tables:
        size += table.nbytes
        held.append(table)
        if spill is None and 3 * size > memory:  # sorting needs about twice the rows beside them
            spill = _Spill()
        if spill is not None:
            for t in held:
                spill.add(t)
            held = []
    if spill is not None:
        return spill.store()
    if not held:
        return Store()
    table = pa.concat_tables(held, promote_options="default")
    return Store(held=(sorted_part(table, KNOWN_AT in table.column_names),))


@final
class _Spill:
    """Parquet files of customers with the same hash."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="crmintel-", ignore_cleanup_errors=True)
        self._writers: dict[int, pq.ParquetWriter] = {}

    def add(self, table: pa.Table) -> None:
        bucket = customer_hash(table[CUSTOMER]) % np.uint64(PARTITIONS)
        order = np.argsort(bucket, kind="stable")
        table = table.take(pa.array(order))
        ends = np.searchsorted(bucket[order], np.arange(PARTITIONS + 1, dtype=np.uint64))
        for p in range(PARTITIONS):
            if ends[p] == ends[p + 1]:
                continue
            if p not in self._writers:
                path = Path(self._folder.name) / f"part-{p:03d}.parquet"
                self._writers[p] = pq.ParquetWriter(path, table.schema, compression="lz4", write_statistics=False)
            self._writers[p].write_table(table.slice(ends[p], ends[p + 1] - ends[p]))

    def store(self) -> Store:
        for writer in self._writers.values():
            writer.close()
        files = tuple(Path(self._folder.name) / f"part-{p:03d}.parquet" for p in sorted(self._writers))
        return Store(files=files, folder=self._folder)


def customer_hash(customers: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """A hash of identifiers that depends on nothing else: no seed, no machine, no order."""
    if pa.types.is_integer(customers.type):
        out: npt.NDArray[np.uint64] = pd.util.hash_array(customers.to_numpy(), categorize=False)
        return out
    encoded = customers.combine_chunks().dictionary_encode()
    encoded = pa.chunked_array(encoded).unify_dictionaries().combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
    hashes = pd.util.hash_array(np.asarray(encoded.dictionary.to_pylist(), object), categorize=False)
    return hashes[encoded.indices.to_numpy()]  # type: ignore[no-any-return]
