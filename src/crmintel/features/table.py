"""The rows of a panel as a DataFrame, or as Parquet files written one by one."""

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crmintel.columns import AT, CUSTOMER
from crmintel.errors import DataContractError
from crmintel.features.arithmetic import Float
from crmintel.features.engine import Chunk
from crmintel.features.instants import stamps
from crmintel.features.panel import Panel, Rows, run
from crmintel.features.plan import Answer
from crmintel.interactions import InteractionLog, Part
from crmintel.interactions.clock import Int

MANIFEST: Final = "manifest.json"
_CHECK = b"crmintel.check"


@final
@dataclass(frozen=True)
class Table:
    """A table of features, not built yet.

    Parameters
    ----------
    names : list of str
        The features.
    zeros : list of str
        Those that are 0, not missing, for customers without a past.
    print : str
        The fingerprint of the features.
    known : mapping of feature to callable
        Those that are known of customers without a past, too.
    """

    names: list[str]
    zeros: list[str]
    print: str
    panel: Panel
    log: InteractionLog
    known: dict[str, Answer]

    def frame(self, limit: int | None, *, threads: int, progress: bool) -> pd.DataFrame:
        """The whole table in memory, sorted.

        Raises
        ------
        DataContractError
            If it would be larger than `limit` bytes.
        """
        alone = self.panel.by == (CUSTOMER,)
        rows = sum(self.panel.size(p) for p in self.panel.parts(self.log, read=False)) if alone else 0
        asked = 0 if self.panel.only is None else len(self.panel.only) * len(self.panel.at)
        self._refuse(max(rows, asked), limit)
        values, taken = np.empty((len(self.names), rows)), [0, 0]

        def room(n: int) -> Float:
            """Blocks are written to their place at once: beside the whole there is never a second copy."""
            taken[1] += n
            return values[:, taken[1] - n : taken[1]]

        blocks = run(self.log, self.panel, threads=threads, progress=progress, room=room if alone else None)
        found = []
        for _, block in blocks:
            found.append(block)
            taken[0] += len(block)
            self._refuse(taken[0], limit)
        if found and not alone:
            values = np.concatenate([b.values for b in found], axis=1)
        index, order = self._index(found)
        table = pd.DataFrame((values if order is None else values[:, order]).T, index, self.names, copy=False)
        return table if self.panel.only is None else self._with_silent(table)

    def _refuse(self, rows: int, limit: int | None) -> None:
        """Complain of a table that would be larger than memory may be."""
        gigabytes = 8 * rows * len(self.names) / 1e9
        if limit is not None and gigabytes * 1e9 > limit:
            raise DataContractError(
                f"The table has {rows:,} rows or more and {len(self.names)} features, {gigabytes:.1f} GB: more than memory "
                'allows. Write it to files with out="features/", or allow more.'
            )

    def stream(self, folder: Path, *, threads: int, progress: bool) -> Path:
        """Write the table into a folder, one file a part of the log; files that are whole already stay as they are.

        Raises
        ------
        DataContractError
            If the folder holds anything else.
        """
        self._open(folder)
        checks: dict[int, str] = {}
        kept: list[Path] = []

        def done(number: int, part: Part) -> bool:
            checks[number] = check_of(part)
            file = _file(folder, number)
            whole = file.exists() and (pq.read_schema(file).metadata or {}).get(_CHECK) == checks[number].encode()
            if whole:
                kept.append(file)
                self._mark(pq.read_table(file, columns=[*self.panel.by, AT]))
            return whole

        blocks = run(self.log, self.panel, threads=threads, progress=progress, skip=done)
        for number, group in groupby(blocks, key=lambda b: b[0]):
            kept.append(self._write(_file(folder, number), (self._arrow(rows) for _, rows in group), checks[number]))
        if self.panel.only is not None:
            silent = self._arrow_of(self._silence(np.argwhere(~self._seen)))
            kept.append(self._write(folder / "part-silent.parquet", iter([silent]), ""))
        for file in set(folder.glob("part-*.parquet")) - set(kept):
            file.unlink()
        _write_json(folder / MANIFEST, {**self._story, "complete": True})
        return folder

    @property
    def _story(self) -> dict[str, Any]:
        """What the table is: equal for calls that give the same files."""
        wanted = None if self.panel.only is None else zlib.crc32("\n".join(map(str, self.panel.only)).encode())
        return {
            "format": 1,
            "features": self.print,
            "at": [int(a) for a in self.panel.at],
            "zone": self.log.zone.name,
            "by": list(self.panel.by),
            "customers": wanted,
            "profiles": None if self.panel.profiles is None else check_of(self.panel.profiles.part),
        }

    def _open(self, folder: Path) -> None:
        """Make the folder, or see that it was begun by the same call."""
        if folder.exists() and not folder.is_dir():
            raise DataContractError(f"{folder.name!r} is a file. Give a folder for the files of the table.")
        folder.mkdir(parents=True, exist_ok=True)
        manifest = folder / MANIFEST
        if manifest.exists():
            held = json.loads(manifest.read_text(encoding="utf-8"))
            if {k: v for k, v in held.items() if k != "complete"} != self._story:
                raise DataContractError(
                    f"The folder {folder.name!r} holds a table of other features, instants or customers. Choose another folder."
                )
        elif any(folder.iterdir()):
            raise DataContractError(
                f"The folder {folder.name!r} holds files of something else. Choose an empty folder."
            )
        for left in folder.glob("*.tmp"):
            left.unlink()
        _write_json(manifest, {**self._story, "complete": False})

    def _write(self, file: Path, tables: Iterator[pa.Table], check: str) -> Path:
        """One file, whole or not at all."""
        half = file.with_suffix(".tmp")
        first = next(tables)
        with pq.ParquetWriter(
            half, first.schema.with_metadata({_CHECK: check}), compression="lz4", use_dictionary=False, write_statistics=False,
        ) as writer:  # fmt: skip
            writer.write_table(first)
            for table in tables:
                writer.write_table(table)
        os.replace(half, file)
        return file

    def _arrow(self, rows: Rows) -> pa.Table:
        """Rows with their keys as columns."""
        data = {
            name: values.take(pa.array(codes)) for name, (values, codes) in zip(self.panel.by, rows.keys, strict=True)
        }
        data[AT] = pa.array(self._stamps[rows.which])
        table = _whole(data | dict(zip(self.names, map(pa.array, rows.values), strict=True)))
        self._mark(table)
        return table

    def _arrow_of(self, table: pd.DataFrame) -> pa.Table:
        kind = self.log.store.schema.field(CUSTOMER).type
        data = {CUSTOMER: pa.array(table.index.get_level_values(CUSTOMER), kind)}
        data[AT] = pa.array(table.index.get_level_values(AT).to_numpy())
        return _whole(data | {name: pa.array(table[name].to_numpy()) for name in self.names})

    @cached_property
    def _stamps(self) -> npt.NDArray[np.datetime64]:
        return stamps(self.panel.at, self.log.zone)

    @cached_property
    def _seen(self) -> npt.NDArray[np.bool_]:
        """Which of the wanted customers have a row at each instant."""
        return np.zeros((0 if self.panel.only is None else len(self.panel.only), len(self.panel.at)), bool)

    def _mark(self, table: pa.Table) -> None:
        if self.panel.only is not None:
            who = self.panel.only.get_indexer(pd.Index(table[CUSTOMER].to_pandas()))
            self._seen[who, np.searchsorted(self._stamps, table[AT].to_numpy())] = True

    def _silence(self, cells: Int) -> pd.DataFrame:
        """Rows of customers without a past, by the rule for nothing."""
        assert self.panel.only is not None
        index = pd.MultiIndex.from_arrays(
            [self.panel.only[cells[:, 0]], self._stamps[cells[:, 1]]], names=[CUSTOMER, AT]
        )
        table = pd.DataFrame(np.nan, index, self.names)
        table[self.zeros] = 0.0
        self._tell_known(table, cells)
        return table

    def _with_silent(self, table: pd.DataFrame) -> pd.DataFrame:
        """Rows for everybody asked for."""
        sides: list[Any] = [self.panel.only, pd.DatetimeIndex(self._stamps)]
        full = pd.MultiIndex.from_product(sides, names=[CUSTOMER, AT])
        out = table.reindex(full)
        missing = ~full.isin(table.index)
        out.loc[missing, self.zeros] = 0.0
        self._tell_known(out, np.argwhere(missing.reshape(-1, len(self.panel.at))), missing)
        return out

    def _tell_known(self, table: pd.DataFrame, cells: Int, rows: Any = slice(None)) -> None:
        """Put what is known of silent customers, such as their attributes, into their rows: cells of (customer, instant)."""
        if not self.known or not len(cells):
            return
        assert self.panel.only is not None
        ids = pa.array(self.panel.only, self.log.store.schema.field(CUSTOMER).type)
        nothing = np.zeros(0, np.int64)
        nobody = Part(ids, np.zeros(len(ids) + 1, np.int64), nothing, {}, {}, {})
        chunk = Chunk(nobody, self.panel.at, self.log.zone, profiles=self.panel.profiles)
        for name, answer in self.known.items():
            table.loc[rows, name] = answer(chunk)[cells[:, 1], cells[:, 0]]

    def _index(self, found: list[Rows]) -> tuple[pd.MultiIndex, Int | None]:
        """The sorted index of rows, and their order where they are not in it."""
        instants = pd.DatetimeIndex(self._stamps)
        if not found:
            nothing = [self.log.customers[:0]] * len(self.panel.by)
            return pd.MultiIndex.from_arrays([*nothing, instants[:0]], names=[*self.panel.by, AT]), None
        keys = [_joined([rows.keys[i] for rows in found]) for i in range(len(self.panel.by))]
        codes = [*(code for _, code in keys), np.concatenate([r.which for r in found])]
        order = None if _rising(codes) else np.lexsort(codes[::-1])
        index = pd.MultiIndex(
            [*(pd.Index(values.to_pandas()) for values, _ in keys), instants],  # type: ignore[list-item]  # the stubs know no mixed levels
            codes if order is None else [c[order] for c in codes],  # type: ignore[arg-type, misc]  # the stubs want lists of int
            names=[*self.panel.by, AT],
            verify_integrity=False,
        )
        return index.remove_unused_levels(), order


def _whole(data: dict[str, pa.Array]) -> pa.Table:
    """Columns without nulls, said so: a missing number is not a number, and files need not look for holes."""
    fields = [pa.field(name, array.type, nullable=False) for name, array in data.items()]
    return pa.table(list(data.values()), schema=pa.schema(fields))


def _joined(keys: list[tuple[pa.Array, Int]]) -> tuple[pa.Array, Int]:
    """Values of several blocks and codes of their rows, as one; the values rise."""
    if all(values is keys[0][0] for values, _ in keys):
        return keys[0][0], np.concatenate([codes for _, codes in keys])
    values = pa.concat_arrays([values for values, _ in keys])
    before = np.concatenate([[0], np.cumsum([len(v) for v, _ in keys])])
    codes = np.concatenate([codes + n for (_, codes), n in zip(keys, before[:-1], strict=True)])
    if len(values) < 2 or pc.all(pc.less(values[:-1], values[1:])).as_py():
        return values, codes
    once = pc.unique(values)
    once = once.take(pc.sort_indices(once))
    return once, pc.index_in(values, once).to_numpy()[codes].astype(np.int64)


def _rising(codes: list[Int]) -> bool:
    """Whether rows are in the order of their codes."""
    equal = np.ones(max(len(codes[0]) - 1, 0), bool)
    for code in codes:
        step = np.diff(code)
        if (equal & (step < 0)).any():
            return False
        equal &= step == 0
    return True


def check_of(part: Part) -> str:
    """A print of the rows of a part: a file made of other rows is made anew."""
    value = 0
    for array in (part.starts, part.time, part.known_at, *part.codes.values(), *part.numbers.values()):
        if array is not None:
            value = zlib.crc32(np.ascontiguousarray(array).data, value)
    for values in (part.customers, *part.vocabulary.values()):
        value = zlib.crc32(pa.record_batch([values], ["x"]).serialize(), value)
    return f"{len(part)}-{value:08x}"


def _file(folder: Path, number: int) -> Path:
    return folder / f"part-{number:05d}.parquet"


def _write_json(path: Path, data: dict[str, Any]) -> None:
    half = path.with_suffix(".tmp")
    half.write_text(json.dumps(data, sort_keys=True), encoding="utf-8")
    os.replace(half, path)
