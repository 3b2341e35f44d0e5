"""From a log to a table: chunks of whole customers through threads, and the rows put together."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import AT, CUSTOMER
from crmintel.features.arithmetic import Float
from crmintel.features.engine import Chunk
from crmintel.features.instants import stamps
from crmintel.interactions import InteractionLog, Part
from crmintel.interactions.clock import Int

CHUNK_ROWS: Final = 150_000
"""Rows of a chunk: small enough for the cache, large enough that calls do not show."""


@final
@dataclass(frozen=True)
class Block:
    """Rows of a table: who, at which instant, and the values, shape (n_features, n_rows): columns lie together."""

    customers: pa.Array
    place: Int
    values: Float


def panel(
    log: InteractionLog, columns: frozenset[str], when: Int, compute: Callable[[Chunk], list[Float]], *,
    only: pd.Index | None, threads: int, progress: bool,
) -> tuple[pd.MultiIndex, Float | None]:  # fmt: skip
    """The rows (customer, at) of everybody with a past, sorted, and their values; no values if there is nobody."""
    blocks: list[Block] = []

    def told(task: tuple[Part, Int]) -> Block:
        return _block(log, *task, when, compute)

    total = max(len(log), 1) * len(when) if progress else 0
    with ThreadPoolExecutor(threads) as pool, _bar(total) as advance:
        for tasks in _tasks(log, columns, when, only):
            several = threads > 1 and len(tasks) > 1  # a single chunk needs no other thread
            for task, block in zip(tasks, (pool.map(told, tasks) if several else map(told, tasks)), strict=True):
                blocks.append(block)
                advance(len(task[0]) * len(task[1]))
    if not blocks:
        nobody = pd.DatetimeIndex([], dtype="datetime64[us]")
        return pd.MultiIndex.from_arrays([log.customers[:0], nobody], names=[CUSTOMER, AT]), None
    ids = pa.chunked_array([b.customers for b in blocks]).to_pandas()
    place = np.concatenate([b.place for b in blocks])
    index = pd.MultiIndex.from_arrays([ids, stamps(when, log.zone)[place]], names=[CUSTOMER, AT])
    values = np.concatenate([b.values for b in blocks], axis=1)
    del blocks
    order = np.lexsort((place, index.codes[0]))  # the levels of an index are sorted
    return (index, values.T) if (np.diff(order) == 1).all() else (index[order], values[:, order].T)


def _tasks(
    log: InteractionLog, columns: frozenset[str], when: Int, only: pd.Index | None
) -> Iterator[list[tuple[Part, Int]]]:
    """Chunks and the places of the instants at which to look at them, as many at a time as are in memory anyway."""
    every = np.arange(len(when))
    for part in log.parts(columns):
        if only is not None:
            part = _restricted(part, only)
        if part.known_at is None:
            yield [(chunk, every) for chunk in chunks(part)]
            continue
        for i in every:  # what was known differs from instant to instant, so each sees a log of its own
            yield [(chunk, every[i : i + 1]) for chunk in chunks(part.between(None, int(when[i])))]


def _restricted(part: Part, only: pd.Index) -> Part:
    """The same part without the customers that nobody asks for."""
    wanted = pc.is_in(part.customers, pa.array(only, part.customers.type)).to_numpy(zero_copy_only=False)
    return part if wanted.all() else part.take(np.repeat(wanted, np.diff(part.starts)))


def chunks(part: Part) -> Iterator[Part]:
    """Slices of whole customers with about `CHUNK_ROWS` rows."""
    if not len(part):
        return
    cuts = np.searchsorted(part.starts, np.arange(0, len(part), CHUNK_ROWS))
    edges = np.unique(np.concatenate([[0], cuts, [len(part.customers)]]))
    for a, b in pairwise(edges):
        yield part.slice(int(a), int(b))


def _block(log: InteractionLog, part: Part, places: Int, when: Int, compute: Callable[[Chunk], list[Float]]) -> Block:
    """The rows of the customers of a chunk who have a past, by customer and instant."""
    chunk = Chunk(part, when[places], log.zone)
    cube = compute(chunk)
    known = (chunk.bounds(0) > part.starts[:-1]).T
    who, which = np.nonzero(known)
    values = np.empty((len(cube), len(who)))
    for i, column in enumerate(cube):
        values[i] = column.T[known]
    chunk.forget()
    return Block(part.customers.take(pa.array(who)), places[which], values)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar of a number of steps; none for 0 steps."""
    if not total:
        yield lambda steps: None
        return
    from rich.progress import Progress

    with Progress(transient=True) as shown:
        task = shown.add_task("features", total=total)
        yield lambda steps: shown.advance(task, steps)
