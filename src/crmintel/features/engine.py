"""How features are computed: bounds once, then one vectorised segment operation a feature, for all instants at once."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar, final

import numpy as np
import numpy.typing as npt

from crmintel.errors import DataContractError
from crmintel.features.arithmetic import Bool, Float, prefix, segments
from crmintel.features.days import day
from crmintel.features.filters import Both, Either, Not, Where
from crmintel.features.words import ALL, length
from crmintel.interactions import Part, Zone
from crmintel.interactions.clock import Int

T = TypeVar("T")


class _Memory:
    """Things that are worked out once, by key."""

    def __init__(self) -> None:
        self._kept: dict[Any, Any] = {}

    def once(self, key: Any, make: Callable[[], T]) -> T:
        """The thing of a key, made at the first call."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]  # type: ignore[no-any-return]

    def forget(self) -> None:
        """Let go of everything: what is kept refers back to its keeper, and would wait for the garbage collector."""
        for thing in self._kept.values():
            if isinstance(thing, _Memory):
                thing.forget()
        self._kept.clear()


@final
class Chunk(_Memory):
    """Some whole customers and some instants: everything that features share is worked out once here.

    Parameters
    ----------
    part : Part
        The customers, sorted.
    at : int64, shape (n_instants,)
        UTC microseconds, rising.
    zone : Zone
        The business clock.

    Notes
    -----
    Results have shape (n_instants, n_customers). ``bound(cut)`` counts with ``add.reduceat`` rather than with a combined
    sort key, which would overflow 63 bits at 20,000 customers times 30 years of microseconds.
    """

    def __init__(self, part: Part, at: Int, zone: Zone) -> None:
        super().__init__()
        self.part, self.at, self.zone = part, at, zone

    @property
    def shape(self) -> tuple[int, int]:
        """(n_instants, n_customers)."""
        return len(self.at), len(self.part.customers)

    def bound(self, cut: int) -> Int:
        """Row of each customer's first interaction at or after an instant; shape (n_customers,)."""
        starts = self.part.starts[:-1]
        return self.once(("bound", cut), lambda: starts + np.add.reduceat(self.part.time < cut, starts, dtype=np.int64))

    def bounds(self, back: int) -> Int:
        """Bounds at ``at - back`` for every instant."""
        return self.once(("bounds", back), lambda: np.stack([self.bound(int(a) - back) for a in self.at]))

    @cached_property
    def day(self) -> Int:
        """Local day number of each row."""
        return day(self.zone.to_local(self.part.time))

    def mask(self, where: Where) -> Bool:
        """Which rows meet a filter; the parts of composed filters are looked at once."""
        if isinstance(where, Both):
            return self.mask(where.left) & self.mask(where.right)
        if isinstance(where, Either):
            return self.mask(where.left) | self.mask(where.right)
        if isinstance(where, Not):
            return ~self.mask(where.inner)
        return self.once(("mask", where), lambda: where.mask(self.part, self.zone))

    def sub(self, where: Where | None, number: str | None = None, code: str | None = None) -> "Sub":
        """The rows that meet a filter and have a value in a column."""

        def make() -> Sub:
            mask = np.ones(len(self.part), bool) if where is None else self.mask(where)
            if number is not None:
                mask = mask & ~np.isnan(_column(self.part.numbers, number))
            if code is not None:
                mask = mask & (_column(self.part.codes, code) >= 0)
            return Sub(self, mask)

        return self.once(("sub", where, number, code), make)

    def visits(self, where: Where | None) -> "Sub":
        """The first row of each local day among the rows that meet a filter."""

        def make() -> Sub:
            sub = self.sub(where)
            mask = np.zeros(len(self.part), bool)
            mask[sub.rows[sub.first_of_day]] = True
            return Sub(self, mask)

        return self.once(("visits", where), make)


@final
class Sub(_Memory):
    """The rows of a chunk that meet a filter, as a log of their own: no feature ever tests a row it does not need."""

    def __init__(self, chunk: Chunk, mask: Bool) -> None:
        super().__init__()
        self.chunk, self._mask = chunk, mask
        self.prefix = prefix(mask)
        self.starts = self.prefix[chunk.part.starts]
        self.counts = np.diff(self.starts)

    def __len__(self) -> int:
        return int(self.starts[-1])

    @cached_property
    def rows(self) -> Int:
        """Their places in the chunk; a mere count never asks for them."""
        return np.flatnonzero(self._mask)

    def over(self, window: str, ago: int = 0) -> "Span":
        """The rows of a window that ends `ago` microseconds before the instant."""
        return self.once(("over", window, ago), lambda: self._over(window, ago))

    def _over(self, window: str, ago: int) -> "Span":
        stop = self.prefix[self.chunk.bounds(ago)]
        if window == ALL:
            return Span(self, np.broadcast_to(self.starts[:-1], stop.shape), stop)
        return Span(self, self.prefix[self.chunk.bounds(ago + length(window))], stop)

    @cached_property
    def time(self) -> Int:
        """Time of each row."""
        return self.chunk.part.time[self.rows]

    @cached_property
    def day(self) -> Int:
        """Local day of each row."""
        return self.chunk.day[self.rows]

    def number(self, column: str) -> Float:
        """A number of each row."""
        return self.once(("number", column), lambda: _column(self.chunk.part.numbers, column)[self.rows])

    def code(self, column: str) -> npt.NDArray[np.int32]:
        """A code of each row."""
        return self.once(("code", column), lambda: _column(self.chunk.part.codes, column)[self.rows])

    @cached_property
    def first_of_day(self) -> Bool:
        """Whether a row opens a local day of its customer."""
        out = np.ones(len(self), bool)
        np.not_equal(self.day[1:], self.day[:-1], out=out[1:])
        out[self.starts[:-1][self.counts > 0]] = True
        return out

    @cached_property
    def days_opened(self) -> Int:
        """Local days opened before each row."""
        return prefix(self.first_of_day)

    def each(self, per_customer: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A value of each customer, spread over its rows."""
        return np.repeat(per_customer, self.counts)

    def next_same(self, column: str) -> Int:
        """Row of the same customer's next row with the same code; past the end where there is none."""

        def make() -> Int:
            order, new = self.by_value(column)
            out = np.full(len(self), len(self), np.int64)
            same = np.flatnonzero(~new[1:])
            out[order[same]] = order[same + 1]
            return out

        return self.once(("next", column), make)

    def last_of_value(self, column: str, stop: Int) -> list[Int]:
        """For each instant: how many rows before each row are the last of their value before `stop`; one pass for all windows."""

        def make() -> list[Int]:
            following = self.next_same(column)
            return [prefix(following >= self.each(s)) for s in stop]

        return self.once(("last", column, stop.tobytes()), make)

    def by_value(self, column: str) -> tuple[Int, Bool]:
        """Rows ordered by (customer, code, time), and whether each opens a new (customer, code)."""

        def make() -> tuple[Int, Bool]:
            code = self.code(column).astype(np.int64)
            key = self.each(np.arange(len(self.counts)) * (int(code.max(initial=0)) + 1)) + code
            order, key = sorted_rows(key)
            new = np.ones(len(order), bool)
            np.not_equal(key[1:], key[:-1], out=new[1:])
            return order, new

        return self.once(("by", column), make)


@final
class Span(_Memory):
    """The rows of each customer in a window: ``start`` to ``stop`` (exclusive), both (n_instants, n_customers)."""

    def __init__(self, sub: Sub, start: Int, stop: Int) -> None:
        super().__init__()
        self.sub, self.start, self.stop = sub, start, stop

    @cached_property
    def n(self) -> Int:
        """How many rows."""
        return self.stop - self.start

    @cached_property
    def some(self) -> Bool:
        """Whether there is any row."""
        return self.start < self.stop

    def reduce(self, op: np.ufunc, x: npt.NDArray[np.generic], empty: float) -> Float:
        """``op`` over the rows; `empty` for none."""
        return segments(op, x, self.start, self.stop, empty)

    @cached_property
    def begun(self) -> Bool:
        """Whether the window starts inside a day that an earlier row has opened."""
        out = np.zeros(self.start.shape, bool)
        out[self.some] = ~self.sub.first_of_day[self.start[self.some]]
        return out

    def value_counts(self, column: str) -> list[tuple[Int, Int, Int]]:
        """For each instant: how often each (customer, value) in the window occurs, and where the values of a customer start and stop.

        Values outside the window leave no zeros behind: they would change the order of a sum, and so its last bits.
        """
        return self.once(("values", column), lambda: self._value_counts(column))

    def _value_counts(self, column: str) -> list[tuple[Int, Int, Int]]:
        order, new = self.sub.by_value(column)
        groups = np.flatnonzero(new)
        edges = np.searchsorted(groups, self.sub.starts)  # a customer's rows keep their places in the order
        out = []
        for start, stop in zip(self.start, self.stop, strict=True):
            inside = (order >= self.sub.each(start)) & (order < self.sub.each(stop))
            counts = np.add.reduceat(inside, groups, dtype=np.int64) if len(groups) else np.zeros(0, np.int64)
            there = prefix(counts > 0)[edges]
            out.append((counts[counts > 0], there[:-1], there[1:]))
        return out


def sorted_rows(key: Int) -> tuple[Int, Int]:
    """The stable order of keys, and the keys in it.

    One sort of (key, row) packed into 63 bits where they fit: NumPy sorts integers with vector instructions, but not by key.
    """
    bits = max(len(key) - 1, 0).bit_length()
    if int(key.max(initial=0)) >> (62 - bits):
        order = np.argsort(key, kind="stable")
        return order, key[order]
    packed = np.sort((key << bits) | np.arange(len(key)))
    return packed & ((1 << bits) - 1), packed >> bits


def _column(columns: Mapping[str, npt.NDArray[Any]], name: str) -> npt.NDArray[Any]:
    if name not in columns:
        raise DataContractError(f"The log has no column {name!r} of this kind. It has {', '.join(columns) or 'none'}.")
    return columns[name]
