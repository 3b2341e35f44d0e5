"""From a log to rows: chunks of whole customers through threads, each for all instants at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import CUSTOMER
from crmintel.features.arithmetic import Bool, Float
from crmintel.features.engine import Chunk, Owners
from crmintel.features.plan import Answer
from crmintel.features.regroup import keyed, paired
from crmintel.interactions import InteractionLog, Part, Zone
from crmintel.interactions.ahead import ahead
from crmintel.interactions.clock import Int
from crmintel.interactions.memory import keep_freed_memory
from crmintel.interactions.profiles import Profiles

CHUNK_ROWS: Final = 300_000
"""Rows of a chunk: few enough for the cache, so many that threads seldom wait for the interpreter."""
CHUNK_CELLS: Final = 120_000
"""The most rows that a chunk may give."""


@final
@dataclass(frozen=True)
class Panel:
    """What is asked of a log: which features of whom, and when.

    Parameters
    ----------
    columns : frozenset of str
        The columns of the log that are read.
    at : int64, shape (n_instants,)
        UTC microseconds, rising.
    answers : list of callable
        One a feature.
    backs : tuple of int
        How far before the instants their windows begin and end.
    by : tuple of str
        The columns whose values each have rows: the customer, an item, or the customer and an item.
    only : Index, optional
        The customers wanted.
    profiles : Profiles, optional
        What is known of customers beside what they did.
    """

    columns: frozenset[str]
    at: Int
    answers: list[Answer]
    backs: tuple[int, ...]
    by: tuple[str, ...] = (CUSTOMER,)
    only: pd.Index | None = None
    profiles: Profiles | None = None

    @property
    def pairs(self) -> bool:
        """Whether rows are (customer, something)."""
        return len(self.by) > 1

    def parts(self, log: InteractionLog, *, read: bool = True) -> Iterator[Part]:
        """Some whole customers at a time, or some whole items; only who and when, if nothing else is `read`."""
        columns = self.columns | {c for c in self.by if c != CUSTOMER} if read else frozenset[str]()
        parts = log.parts(columns) if self.by[0] == CUSTOMER else keyed(log, self.by[0], columns)
        for part in parts:
            yield part if self.only is None else _restricted(part, self.only)

    def size(self, part: Part) -> int:
        """How many rows some customers will have; pairs are not counted."""
        if not len(part):
            return 0
        first = part.time[part.starts[:-1]]
        if part.known_at is not None:
            first = np.minimum.reduceat(np.maximum(part.time, part.known_at), part.starts[:-1])
        return sum(int(np.count_nonzero(first < at)) for at in self.at)

    def rows(self, part: Part, zone: Zone, into: Float | None = None) -> "Rows":
        """The rows of some customers; their values `into` an array, if there is one."""
        if part.known_at is None:
            return self._rows(part, self.at, zone, into)
        rows = self._rows(part, self.at, zone)
        for i, at in enumerate(self.at.tolist()):
            late = (part.time < at) & (part.known_at >= at)
            if late.any():  # the customers concerned are told anew, by what was known of them
                touched = np.add.reduceat(late, part.starts[:-1], dtype=np.int64) > 0
                known = part.take(np.repeat(touched, np.diff(part.starts)) & (part.known_at < at))
                rows = rows.mended(self._rows(known, self.at[i : i + 1], zone), i, touched)
        if into is None:
            return rows
        into[:] = rows.values
        return Rows(rows.keys, rows.which, into)

    def _rows(self, part: Part, at: Int, zone: Zone, into: Float | None = None) -> "Rows":
        """The rows of everybody with a past at an instant, by key and instant."""
        chunk = Chunk(part, at, zone, self.backs, profiles=self.profiles)
        keys: tuple[tuple[pa.Array, Int], ...]
        if self.pairs:
            pairs, owner, value = paired(part, self.by[1])
            parent, chunk = chunk, Chunk(pairs, at, zone, self.backs, Owners(chunk, owner))
            keys = ((part.customers, owner), (part.vocabulary[self.by[1]], value))
        else:
            keys = ((part.customers, np.arange(len(part.customers))),)
        if not len(chunk.part):
            return Rows(tuple((v, k[:0]) for v, k in keys), np.zeros(0, np.int64), np.zeros((len(self.answers), 0)))
        past = chunk.bounds(0) > chunk.part.starts[:-1]
        who, which = np.nonzero(past.T)
        cell = which * past.shape[1] + who
        values = np.empty((len(self.answers), len(cell))) if into is None else into
        if len(at) == 1 and len(cell) == past.size:  # everybody, once: the rows are the answers
            np.concatenate([answer(chunk) for answer in self.answers], out=values)
        else:
            for out, answer in zip(values, self.answers, strict=True):
                out[:] = answer(chunk).reshape(-1).take(cell)
        chunk.forget()
        if self.pairs:
            parent.forget()
        return Rows(tuple((v, k[who]) for v, k in keys), which, values)


@final
@dataclass(frozen=True)
class Rows:
    """Rows of a table: for each key its values and their codes, the place of the instant, and the numbers, shape (n_features, n_rows)."""

    keys: tuple[tuple[pa.Array, Int], ...]
    which: Int
    values: Float

    def __len__(self) -> int:
        return len(self.which)

    def mended(self, other: "Rows", i: int, touched: Bool) -> "Rows":
        """The same with the rows of touched customers at instant `i` as `other` tells them; those it does not tell are gone."""
        (customers, first), *rest = self.keys
        keep = ~((self.which == i) & touched[first])
        told = [pc.index_in(other.keys[0][0], customers).to_numpy()[other.keys[0][1]], *(k for _, k in other.keys[1:])]
        codes = [np.concatenate([k[keep], t]) for (_, k), t in zip(self.keys, told, strict=True)]
        which = np.concatenate([self.which[keep], np.full(len(other), i)])
        order = np.lexsort([which, *reversed(codes)])
        values = np.concatenate([self.values[:, keep], other.values], axis=1)
        keys = tuple((v, c[order]) for (v, _), c in zip(((customers, first), *rest), codes, strict=True))
        return Rows(keys, which[order], values[:, order])


def run(
    log: InteractionLog, panel: Panel, *, threads: int, progress: bool,
    skip: Callable[[int, Part], bool] = lambda number, part: False, room: Callable[[int], Float] | None = None,
) -> Iterator[tuple[int, Rows]]:  # fmt: skip
    """The rows of each chunk and the number of the part it belongs to, in order.

    Parts to `skip` are left out. `room` gives an array for the values of a number of rows; it is asked in order.
    """
    keep_freed_memory()
    with _bar(max(len(log), 1) if progress else 0) as advance:

        def tasks() -> Iterator[tuple[int, Part, Float | None]]:
            for number, part in enumerate(panel.parts(log)):
                if skip(number, part):
                    advance(len(part))
                    continue
                for chunk in chunks(part, len(panel.at)):
                    yield number, chunk, None if room is None else room(panel.size(chunk))

        def told(task: tuple[int, Part, Float | None]) -> tuple[int, int, Rows]:
            number, chunk, into = task
            return number, len(chunk), panel.rows(chunk, log.zone, into)

        told_rows = map(told, tasks()) if threads == 1 else ahead(told, tasks(), threads)
        for number, n, rows in told_rows:
            advance(n)
            yield number, rows


def chunks(part: Part, n_instants: int) -> Iterator[Part]:
    """Slices of whole customers with about `CHUNK_ROWS` rows, that give at most about `CHUNK_CELLS`."""
    if not len(part):
        return
    weight = part.starts[1:] / CHUNK_ROWS + np.arange(1, len(part.starts)) * (n_instants / CHUNK_CELLS)
    cuts = np.searchsorted(weight, np.arange(1, int(weight[-1]) + 1), side="right")
    for a, b in pairwise(np.unique(np.concatenate([[0], cuts, [len(part.customers)]])).tolist()):
        yield part.slice(a, b)


def _restricted(part: Part, only: pd.Index) -> Part:
    """The same part without the customers that nobody asks for."""
    wanted = pc.is_in(part.customers, pa.array(only, part.customers.type)).to_numpy(zero_copy_only=False)
    return part if wanted.all() else part.take(np.repeat(wanted, np.diff(part.starts)))


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
