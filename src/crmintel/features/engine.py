"""How features are computed: bounds once, then one vectorised segment operation for all windows and instants of an aggregate."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any, TypeVar, final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crmintel.errors import DataContractError
from crmintel.features.arithmetic import (
    EVER,
    NEVER,
    Bool,
    Float,
    inside,
    prefix,
    quotient_of_pairs,
    row_spread,
    segments,
    sorted_rows,
    spare,
)
from crmintel.features.days import CLOCK, PERIODS
from crmintel.features.exact import MANY, SCALE, Exact
from crmintel.features.filters import Both, Either, Not, OnClock, Where, places
from crmintel.features.words import ALL, length
from crmintel.interactions import Part, Zone
from crmintel.interactions.clock import Int
from crmintel.interactions.profiles import Profiles

T = TypeVar("T")
_SHORT = 5_000
_FEW_CUTS = 3


_NOTHING = object()


class _Memory:
    """Things that are worked out once, by key."""

    def __init__(self) -> None:
        self._kept: dict[Any, Any] = {}

    def once(self, key: Any, make: Callable[[], T]) -> T:
        """The thing of a key, made at the first call."""
        kept = self._kept.get(key, _NOTHING)
        if kept is _NOTHING:
            kept = self._kept[key] = make()
        return kept  # type: ignore[no-any-return]  # what `make` returns

    def forget(self) -> None:
        """Let go of everything: what is kept refers back to its keeper, and would wait for the garbage collector."""
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
    backs : iterable of int
        How far before the instants windows begin and end, where that is known: their bounds are found together.
    owners : Owners, optional
        Whom pairs belong to.
    profiles : Profiles, optional
        What is known of customers beside what they did.

    Notes
    -----
    Results have shape (n_instants, n_customers). Bounds are found by counting rows between cuts rather than with a combined
    sort key, which would overflow 63 bits at 20,000 customers times 30 years of microseconds.
    """

    def __init__(
        self, part: Part, at: Int, zone: Zone, backs: Iterable[int] = (), owners: "Owners | None" = None,
        profiles: Profiles | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._profiles = profiles
        self.part, self.at, self.zone, self.owners = part, at, zone, owners
        self._backs = tuple(backs)
        self._subs: list[Sub] = []

    @property
    def shape(self) -> tuple[int, int]:
        """(n_instants, n_customers)."""
        return len(self.at), len(self.part.customers)

    def bounds(self, back: int) -> Int:
        """Row of each customer's first interaction at or after ``at - back``; shape (n_instants, n_customers)."""
        place = self._cuts.get(back)
        if place is not None:
            planned: Int = self._bounds[place]
            return planned
        return self.once(("bounds", back), lambda: self.before(self.at - back))

    @cached_property
    def _cuts(self) -> dict[int, int]:
        return {back: i for i, back in enumerate(self._backs)}

    @cached_property
    def _bounds(self) -> Int:
        """All bounds that are known to be needed; shape (n_backs, n_instants, n_customers)."""
        cuts = self.at - np.array(self._backs, np.int64)[:, None]
        return self.before(cuts.ravel()).reshape(*cuts.shape, self.shape[1])

    def before(self, cuts: Int) -> Int:
        """Row of each customer's first interaction at or after each cut; shape (n_cuts, n_customers)."""
        time, starts = self.part.time, self.part.starts
        if len(starts) == 2:
            return np.searchsorted(time, cuts)[:, None]
        if len(cuts) <= _FEW_CUTS:
            few: Int = starts[:-1] + np.stack([np.diff(prefix(time < cut)[starts]) for cut in cuts])
            return few
        edges, place = np.unique(cuts, return_inverse=True)
        cell = np.searchsorted(edges, time, side="right")
        cell += np.repeat(np.arange(len(starts) - 1) * (len(edges) + 1), np.diff(starts))
        counts = np.bincount(cell, minlength=(len(starts) - 1) * (len(edges) + 1)).reshape(-1, len(edges) + 1)
        rows = np.ascontiguousarray(np.cumsum(counts[:, :-1], axis=1).T) + starts[:-1]
        return rows[place]

    @cached_property
    def local(self) -> Int:
        """Local microseconds of each row."""
        return self.zone.to_local(self.part.time)

    @cached_property
    def later(self) -> Int:
        """For each row the customer's first row that is later in time; the end of the customer's rows where there is none."""
        new = np.ones(len(self.part), bool)
        np.not_equal(self.part.time[1:], self.part.time[:-1], out=new[1:])
        new[self.part.starts[:-1]] = True
        return np.append(np.flatnonzero(new), len(new))[prefix(new)[1:]]

    @cached_property
    def attributes(self) -> tuple[Part, Int, Bool]:
        """The versions of what is known of each customer, the one that holds at each instant, and whether there is one."""
        if self.owners is not None:
            part, row, there = self.owners.chunk.attributes
            return part, row[:, self.owners.owner], there[:, self.owners.owner]
        if self._profiles is None:
            raise DataContractError("A feature is an attribute of customers. Give build() their profiles.")
        part = self._profiles.of(self.part.customers)
        stop = Chunk(part, self.at, self.zone).before(self.at)
        return part, stop - 1, stop > part.starts[:-1]

    def mask(self, where: Where) -> Bool:
        """Which rows meet a filter; the parts of composed filters are looked at once."""
        if isinstance(where, Both):
            return self.mask(where.left) & self.mask(where.right)
        if isinstance(where, Either):
            return self.mask(where.left) | self.mask(where.right)
        if isinstance(where, Not):
            return ~self.mask(where.inner)
        return self.once(("mask", where), lambda: self._mask(where))

    def _mask(self, where: Where) -> Bool:
        """Which rows meet a condition that is made of no others."""
        if isinstance(where, OnClock):
            return where.told(len(self.part), lambda: self.clock("local_weekday"), lambda: self.clock("local_hour"))
        return where.mask(self.part, self.zone)

    def number(self, column: str) -> Float:
        """A number of each row."""
        return _column(self.part.numbers, column)

    def code(self, column: str) -> npt.NDArray[Any]:
        """A code of each row; hours, weekdays and months of the local clock are codes, too."""
        return (
            self.clock(column)
            if column in CLOCK and column not in self.part.codes
            else _column(self.part.codes, column)
        )

    def clock(self, column: str) -> Int:
        """The hour, weekday or month of each row."""
        return self.once(("clock", column), lambda: CLOCK[column](self.local))

    def places(self, column: str, values: tuple[str, ...]) -> Int:
        """For each code of a column: its place among some values; −1 for others and, at the end, for missing."""

        def make() -> Int:
            if column in CLOCK and column not in self.part.codes:
                return np.append(np.arange(len(values)), -1)
            held = self.part.vocabulary.get(column, pa.array([], pa.large_string()))
            if held.type != pa.large_string():
                held = held.cast(pa.large_string())  # a vocabulary is text, though identifiers may be numbers
            of_code = np.full(len(held) + 1, -1)
            of_code[places(held, values)] = np.arange(len(values))
            of_code[-1] = -1
            return of_code

        return self.once(("places", column, values), make)

    def sub(self, where: Where | None, number: str | None = None, code: str | None = None) -> "Sub":
        """The rows that meet a filter and have a value in a column."""

        def make() -> Sub:
            self._subs.append(Sub(self, self._there(where, number, code)))
            return self._subs[-1]

        return self.once(("sub", where, number, code), make)

    def forget(self) -> None:
        """Let go of everything, and let the sub-logs do so."""
        for sub in self._subs:
            sub.forget()
        self._subs.clear()
        super().forget()

    def _there(self, where: Where | None, number: str | None, code: str | None) -> Bool | None:
        """The mask of a sub-log; None for every row."""
        mask = None if where is None else self.mask(where)
        for column, value in (("number", number), ("code", code)):
            if value is not None:
                there = self._present(column, value)
                mask = there if mask is None else mask if there is None else mask & there
        return mask

    def _present(self, kind: str, column: str) -> Bool | None:
        """The rows with a value in a column; None for all."""

        def make() -> Bool | None:
            there: Bool = ~np.isnan(self.number(column)) if kind == "number" else self.code(column) >= 0
            return None if there.all() else there

        return self.once(("there", kind, column), make)

    def period(self, unit: str) -> Int:
        """Local day, week or month number of each row."""
        return self.once(("period", unit), lambda: PERIODS[unit](self.local))


@final
class Owners:
    """Whom the customers of a chunk belong to, where they are pairs: the chunk of the owners, and the owner of each."""

    def __init__(self, chunk: Chunk, owner: Int) -> None:
        self.chunk, self.owner = chunk, owner


@final
class Sub(_Memory):
    """The rows of a chunk that meet a filter, as a log of their own: no feature ever tests a row it does not need."""

    def __init__(self, chunk: Chunk, mask: Bool | None) -> None:
        super().__init__()
        self.chunk, self._mask = chunk, mask
        self._prefix = None if mask is None else prefix(mask)
        self.starts = chunk.part.starts if self._prefix is None else self._prefix[chunk.part.starts]
        self._bounds: dict[int | None, Int] = {}

    def __len__(self) -> int:
        return int(self.starts[-1])

    @cached_property
    def counts(self) -> Int:
        """Rows of each customer."""
        return self.starts[1:] - self.starts[:-1]

    @cached_property
    def rows(self) -> Int | None:
        """Their places in the chunk; None for all rows. A mere count never asks for them."""
        return None if self._mask is None else np.flatnonzero(self._mask)

    def take(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The values of these rows."""
        return x if self.rows is None else x[self.rows]

    def until(self, row: Int) -> Int:
        """How many of these rows lie before rows of the chunk."""
        return row if self._prefix is None else self._prefix[row]

    def forget(self) -> None:
        """Let go of everything."""
        self._bounds.clear()
        super().forget()

    def bound(self, back: int | None) -> Int:
        """The first row at or after ``at - back``, or each customer's first row; shape (n_instants, n_customers)."""
        kept = self._bounds.get(back)
        if kept is None:
            if back is None:
                kept = np.empty(self.chunk.shape, np.int64)
                kept[:] = self.starts[:-1]
            else:
                kept = self.until(self.chunk.bounds(back))
            self._bounds[back] = kept
        return kept

    def bounds(self, backs: tuple[int | None, ...]) -> Int:
        """The bounds of several windows; shape (n_backs, n_instants, n_customers)."""
        return np.stack([self.bound(back) for back in backs])

    def over(self, *windows: "Window") -> "Span":
        """The rows of windows, one below the other."""
        return self.once(("over", windows), lambda: Span.of(self, windows))

    @cached_property
    def time(self) -> Int:
        """Time of each row."""
        return self.take(self.chunk.part.time)

    def period(self, unit: str) -> Int:
        """Local day, week or month of each row."""
        return self.once(("period", unit), lambda: self.take(self.chunk.period(unit)))

    def number(self, column: str) -> Float:
        """A number of each row, and a spare cell."""
        return self.once(("number", column), lambda: spare(self.take(self.chunk.number(column))))

    def code(self, column: str) -> npt.NDArray[Any]:
        """A code of each row."""
        return self.once(("code", column), lambda: self.take(self.chunk.code(column)))

    def places(self, column: str, values: tuple[str, ...]) -> Int:
        """The place of each row's code among some values."""
        return self.once(("places", column, values), lambda: self.chunk.places(column, values)[self.code(column)])

    def opens(self, unit: str = "day") -> Bool:
        """Whether a row is its customer's first of its local day, week or month."""

        def make() -> Bool:
            period, out = self.period(unit), np.ones(len(self), bool)
            np.not_equal(period[1:], period[:-1], out=out[1:])
            out[self.starts[:-1][self.counts > 0]] = True
            return out

        return self.once(("opens", unit), make)

    def grouped(self, column: str, values: tuple[str, ...]) -> Int:
        """The rows with the first of some values, then those with the second, …, each in their order."""
        place = self.places(column, values)
        if len(self) < _SHORT:
            order = np.argsort(place, kind="stable")
            return order[np.searchsorted(place[order], 0) :]
        return np.concatenate([np.flatnonzero(place == v) for v in range(len(values))])

    def opening(self, unit: str = "day") -> Int:
        """The local days, weeks or months that rows open, one after the other."""
        return self.once(("opening", unit), lambda: self.period(unit)[self.opens(unit)])

    def opened(self, unit: str = "day") -> Int:
        """Local days, weeks or months opened before each row."""
        return self.once(("opened", unit), lambda: prefix(self.opens(unit)))

    def tally(self, column: str, values: tuple[str, ...]) -> npt.NDArray[np.int32]:
        """How many rows before each row, and before the end, have each of some values; shape (n_values, n_rows + 1)."""

        def make() -> npt.NDArray[np.int32]:
            place, out = self.places(column, values), np.zeros((len(values), len(self) + 1), np.int32)
            if len(self) < _SHORT:
                np.cumsum(place == np.arange(len(values))[:, None], axis=1, out=out[:, 1:])
                return out
            for v, row in enumerate(out):  # one after the other stays in the cache
                np.cumsum((place == v).view(np.int8), out=row[1:])
            return out

        return self.once(("tally", column, values), make)

    def each(self, per_customer: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A value of each customer, spread over its rows."""
        return np.repeat(per_customer, self.counts)

    def exact(self, column: str) -> "Exact":
        """A number in hundredths."""
        return self.once(("exact", column), lambda: Exact(self.number(column)[:-1], self.starts))

    def next_same(self, column: str) -> Int:
        """Time of the same customer's next row with the same code; never, where there is none."""

        def make() -> Int:
            order, time, groups = self.by_value(column)
            out = np.empty(len(self), np.int64)
            following = np.append(time[1:], NEVER)
            following[groups[1:] - 1] = NEVER
            out[order] = following
            return out

        return self.once(("next", column), make)

    def last_of_value(self, column: str, end: int) -> Int:
        """How many rows before each row have no later row of their value before `end`; one pass for all windows."""
        return self.once(("last", column, end), lambda: prefix(self.next_same(column) >= end))

    def by_value(self, column: str) -> tuple[Int, Int, Int]:
        """Rows ordered by (customer, code, time), their times, and the places where a new (customer, code) begins."""

        def make() -> tuple[Int, Int, Int]:
            code = self.code(column).astype(np.int64)
            key = self.each(np.arange(len(self.counts)) * (int(code.max(initial=0)) + 1)) + code
            order, key = sorted_rows(key)
            new = np.ones(len(order), bool)
            np.not_equal(key[1:], key[:-1], out=new[1:])
            return order, self.time[order], np.flatnonzero(new)

        return self.once(("by", column), make)

    def by_number(self, column: str) -> tuple[Int, Int]:
        """Rows ordered by (customer, number), and their times."""

        def make() -> tuple[Int, Int]:
            order = np.lexsort((self.number(column)[:-1], self.each(np.arange(len(self.counts)))))
            return order, self.time[order]

        return self.once(("ordered", column), make)

    def value_counts(self, column: str, begin: int, end: int) -> "Counts":
        """How often each (customer, value) occurs in a window, its number, and where the values of a customer start and stop.

        Values outside the window leave no zeros behind: they would change the order of a sum, and so its last bits.
        """

        def make() -> "Counts":
            _, time, groups = self.by_value(column)
            edges = self.once(("edges", column), lambda: np.searchsorted(groups, self.starts))
            within = inside(time, begin, end).view(np.int8)
            none: npt.NDArray[Any] = np.zeros(0, np.int32)
            counts = np.add.reduceat(within, groups, dtype=np.int32) if len(groups) else none
            number = np.flatnonzero(counts)
            there = prefix(counts > 0)[edges]  # a customer's rows keep their places in the order
            return counts[number], number, there[:-1], there[1:]

        return self.once(("values", column, begin, end), make)


Counts = tuple[npt.NDArray[Any], Int, Int, Int]
"""How often each (customer, value) occurs, its number, and where the values of each customer start and stop."""

Window = tuple[int | None, int]
"""From how far to how far before the instant, in microseconds; from None for the whole past."""


def window(name: str, ago: int = 0) -> Window:
    """A window that ends `ago` microseconds before the instant."""
    return (None if name == ALL else ago + length(name)), ago


@final
class Span:
    """The rows of each customer in some windows: ``start`` to ``stop`` (exclusive), both (n_windows × n_instants, n_customers).

    `windows` tells which they are; none, where somebody has put the slices together.
    """

    def __init__(self, sub: Sub, start: Int, stop: Int, windows: tuple[Window, ...] = ()) -> None:
        self.sub, self.start, self.stop, self.windows = sub, start, stop, windows

    @classmethod
    def of(cls, sub: Sub, windows: tuple[Window, ...]) -> "Span":
        """The rows of windows, one below the other."""
        if len(windows) == 1:
            begin, end = windows[0]
            return cls(sub, sub.bound(begin), sub.bound(end), windows)
        backs, far, near = _looked_up(windows)
        bounds, shape = sub.bounds(backs), (-1, sub.chunk.shape[1])
        return cls(sub, bounds[far].reshape(shape), bounds[near].reshape(shape), windows)

    @cached_property
    def ends(self) -> Int:
        """Where each window ends at each instant, in microseconds; shape (n_windows × n_instants,)."""
        at = self.sub.chunk.at
        return np.concatenate([at - near if near else at for _, near in self.windows])

    @cached_property
    def begins(self) -> Int:
        """Where each window begins at each instant; at `EVER` for the whole past."""
        at = self.sub.chunk.at
        return np.concatenate([at - far if far is not None else np.full(len(at), EVER) for far, _ in self.windows])

    @cached_property
    def n(self) -> Int:
        """How many rows."""
        return self.stop - self.start

    def difference(self, x: Int) -> Int:
        """What prefix sums, shape (..., n_rows + 1), grow by; each bound is looked up once, though many windows end at it."""
        if len(self.windows) <= 1:
            return x[..., self.stop] - x[..., self.start]
        backs, far, near = _looked_up(self.windows)
        found = x[..., self.sub.bounds(backs)]
        grown: Int = found[..., near, :, :] - found[..., far, :, :]
        return grown.reshape(*x.shape[:-1], *self.start.shape)

    @cached_property
    def some(self) -> Bool:
        """Whether there is any row."""
        return self.start < self.stop

    def reduce(self, op: np.ufunc, x: npt.NDArray[np.generic], empty: float) -> Float:
        """``op`` over the rows of numbers with a spare cell; `empty` for none."""
        return segments(op, x, self.start, self.stop, empty)

    def total(self, column: str) -> Float:
        """The sum of a number; 0 for none."""
        exact = self.sub.exact(column)
        out: Float = self.difference(exact.sums) / SCALE
        if exact.odd is not None:
            odd = self.difference(exact.odd) > 0
            out[odd] = segments(np.add, self.sub.number(column), self.start[odd], self.stop[odd], 0.0)
        return out

    def spread(self, column: str) -> Float:
        """The sample standard deviation of a number; missing for fewer than two, exactly 0 for equal ones."""
        exact, n = self.sub.exact(column), self.n
        total, squares = self.difference(exact.offsets)
        inexact = (n >= MANY) | (squares.astype(np.float64) * n >= 2.0**62)
        for bad in (exact.odd, exact.far):
            if bad is not None:
                inexact |= self.difference(bad) > 0
        parts = np.where(inexact, 0, n * squares - total * total)
        out = np.sqrt(quotient_of_pairs(parts, n)) / SCALE
        if inexact.any():
            for i in np.flatnonzero(inexact.any(axis=1)):
                direct = row_spread(self.sub.number(column), self.start[i : i + 1], self.stop[i : i + 1])[0]
                out[i] = np.where(inexact[i], direct, out[i])
        return out

    def begun(self, unit: str = "day") -> Bool:
        """Whether the window starts inside a day, week or month that an earlier row has opened."""
        opened = self.sub.opened(unit)
        out: Bool = self.some & (opened[self.start] == opened.take(self.start + 1, mode="clip"))
        return out

    def visits(self, unit: str = "day") -> "tuple[Int, Int, Int]":
        """The local day, week or month of each first row of one, and the slices of these that windows hold.

        A window that starts inside a period already begun holds that period too, though not the row that opened it.
        """
        period, opened = self.sub.opening(unit), self.sub.opened(unit)
        return period, opened[self.start] - self.begun(unit), opened[self.stop]


@lru_cache(maxsize=1_024)
def _looked_up(windows: tuple[Window, ...]) -> tuple[tuple[int | None, ...], Int, Int]:
    """The bounds of windows, each once, and the places of the far and of the near ones."""
    place = {back: i for i, back in enumerate(dict.fromkeys(b for pair in windows for b in pair))}
    far, near = np.array([[place[back] for back in pair] for pair in windows]).T
    return tuple(place), far, near


def _column(columns: Mapping[str, npt.NDArray[Any]], name: str) -> npt.NDArray[Any]:
    if name not in columns:
        raise DataContractError(f"The log has no column {name!r} of this kind. It has {', '.join(columns) or 'none'}.")
    return columns[name]
