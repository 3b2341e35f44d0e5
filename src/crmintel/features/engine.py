"""How features are computed: bounds once, then one vectorised segment operation a feature, for all instants at once."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar, final

import numpy as np
import numpy.typing as npt

from crmintel.errors import DataContractError
from crmintel.features.days import day
from crmintel.features.where import Where
from crmintel.interactions import Part, Zone
from crmintel.interactions.clock import DAY, Int

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
T = TypeVar("T")

CHUNK_ROWS = 150_000


@final
class Chunk:
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
        self.part, self.at, self.zone = part, at, zone
        self.starts = part.starts
        self._bounds: dict[int, Int] = {}
        self._subs: dict[Any, Sub] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """(n_instants, n_customers)."""
        return len(self.at), len(self.part.customers)

    def bound(self, cut: int) -> Int:
        """Row of each customer's first interaction at or after an instant; shape (n_customers,)."""
        if cut not in self._bounds:
            self._bounds[cut] = self.starts[:-1] + np.add.reduceat(self.part.time < cut, self.starts[:-1], dtype=np.int64)
        return self._bounds[cut]

    def bounds(self, back: int) -> Int:
        """Bounds at ``at - back`` for every instant."""
        return np.stack([self.bound(int(a) - back) for a in self.at])

    @cached_property
    def day(self) -> Int:
        """Local day number of each row."""
        return day(self.zone.to_local(self.part.time))

    def sub(self, where: Where | None, number: str | None = None, code: str | None = None) -> "Sub":
        """The rows that meet a filter and have a value in a column."""
        key = (where, number, code)
        if key not in self._subs:
            mask = np.ones(len(self.part), bool) if where is None else where.mask(self.part, self.zone)
            if number is not None:
                mask = mask & ~np.isnan(self._column(self.part.numbers, number))
            if code is not None:
                mask = mask & (self._column(self.part.codes, code) >= 0)
            self._subs[key] = Sub(self, mask)
        return self._subs[key]

    def visits(self, where: Where | None) -> "Sub":
        """The first row of each local day among the rows that meet a filter."""
        key = ("visits", where)
        if key not in self._subs:
            sub = self.sub(where)
            mask = np.zeros(len(self.part), bool)
            mask[sub.rows[sub.first_of_day]] = True
            self._subs[key] = Sub(self, mask)
        return self._subs[key]

    def _column(self, columns: Any, name: str) -> Any:
        if name not in columns:
            raise DataContractError(f"The log has no column {name!r} of this kind. It has {', '.join(columns) or 'none'}.")
        return columns[name]


@final
class Sub:
    """The rows of a chunk that meet a filter, as a log of their own: no feature ever tests a row it does not need."""

    def __init__(self, chunk: Chunk, mask: Bool) -> None:
        self.chunk = chunk
        self.rows = np.flatnonzero(mask)
        self.prefix = np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])
        self.starts = self.prefix[chunk.starts]
        self.counts = np.diff(self.starts)
        self._cache: dict[Any, Any] = {}

    def remember(self, key: Any, make: Callable[[], T]) -> T:
        """Work something out once."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]  # type: ignore[no-any-return]

    def span(self, back: int | None, until: int = 0) -> tuple[Int, Int]:
        """Rows of ``[at - back, at - until)`` as (start, stop), each (n_instants, n_customers); no `back` is all the past."""

        def make() -> tuple[Int, Int]:
            stop = self.prefix[self.chunk.bounds(until)]
            start = np.broadcast_to(self.starts[:-1], stop.shape) if back is None else self.prefix[self.chunk.bounds(back)]
            return start, stop

        return self.remember(("span", back, until), make)

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
        return self.remember(("number", column), lambda: self.chunk.part.numbers[column][self.rows])

    def code(self, column: str) -> npt.NDArray[np.int32]:
        """A code of each row."""
        return self.remember(("code", column), lambda: self.chunk.part.codes[column][self.rows])

    @cached_property
    def first_of_day(self) -> Bool:
        """Whether a row opens a local day of its customer."""
        out = np.ones(len(self.rows), bool)
        out[1:] = np.diff(self.day) != 0
        out[self.starts[:-1][self.counts > 0]] = True
        return out

    def each(self, per_customer: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A value of each customer, spread over its rows."""
        return np.repeat(per_customer, self.counts)

    def next_same(self, column: str) -> Int:
        """Row of the same customer's next row with the same code; past the end where there is none."""

        def make() -> Int:
            order, _ = self.by_value(column)
            out = np.full(len(self.rows), len(self.rows), np.int64)
            same = ~self.by_value(column)[1][1:] if len(order) else np.zeros(0, bool)
            out[order[:-1][same]] = order[1:][same]
            return out

        return self.remember(("next", column), make)

    def by_value(self, column: str) -> tuple[Int, Bool]:
        """Rows ordered by (customer, code, time), and whether each opens a new (customer, code)."""

        def make() -> tuple[Int, Bool]:
            code = self.code(column).astype(np.int64)
            customer = self.each(np.arange(len(self.counts)))
            key = customer * (int(code.max(initial=0)) + 1) + code
            order = np.argsort(key, kind="stable")
            new = np.ones(len(order), bool)
            new[1:] = np.diff(key[order]) != 0
            return order, new

        return self.remember(("by", column), make)


def segments(op: np.ufunc, x: npt.NDArray[Any], start: Int, stop: Int, empty: float) -> npt.NDArray[Any]:
    """``op`` over ``x[start:stop)`` for each slice; an empty slice gives `empty`.

    ``reduceat`` gives ``x[start]`` for an empty slice and refuses an index equal to the length: hence the spare cell and
    the final choice. Work is one pass over `x` whatever the slices.
    """
    spare = np.append(x, x[:1] if len(x) else np.zeros(1, x.dtype))
    pairs = np.stack([start, stop], axis=-1).reshape(-1)
    out = op.reduceat(spare, pairs)[::2].reshape(start.shape)
    return np.where(start < stop, out, empty)


def days(micro: npt.NDArray[Any]) -> Float:
    """Microseconds as days."""
    return micro / DAY
