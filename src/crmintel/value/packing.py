"""Histories of customers packed: equal ones once, with their number as weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from crmintel.interactions.clock import Int

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
_MOST_BITS: Final = 62
_FEW: Final = 1 << 16


@final
@dataclass(frozen=True, eq=False)
class Distinct:
    """Different pairs of a value and a group of covariates, and the place of each row's pair among them.

    Parameters
    ----------
    value : float64, shape (n_pairs,)
    group : int64, shape (n_pairs,)
    code : int64, shape (n_rows,)
    """

    value: Float
    group: Int
    code: Int

    def total(self, rows: Float) -> Float:
        """Sums of a column of rows by pair."""
        return np.asarray(np.bincount(self.code, rows, len(self.value)), np.float64)


@final
@dataclass(frozen=True, eq=False)
class Rows:
    """Different histories and how many customers have each, in an order that their contents alone decide.

    Parameters
    ----------
    x : float64, shape (n_rows,)
        Days with a purchase after the first.
    t, age : float64, shape (n_rows,)
        Days from the first purchase to the last, and to the end.
    group : int64, shape (n_rows,)
        Which row of `covariates`.
    covariates : float64, shape (n_groups, n_covariates)
    weight : float64, shape (n_rows,)
    """

    x: Float
    t: Float
    age: Float
    group: Int
    covariates: Float
    weight: Float

    @cached_property
    def n(self) -> float:
        """The number of customers."""
        return float(self.weight.sum())

    @cached_property
    def by_x(self) -> Distinct:
        return self._by(self.x)

    @cached_property
    def by_t(self) -> Distinct:
        return self._by(self.t)

    @cached_property
    def by_age(self) -> Distinct:
        return self._by(self.age)

    @cached_property
    def weights(self) -> tuple[Float, Float, Float]:
        """Customers by pair of x, by pair of age, and their purchases by pair of age."""
        w = self.weight
        return self.by_x.total(w), self.by_age.total(w), self.by_age.total(w * self.x)

    @cached_property
    def whole(self) -> bool:
        """Whether all times are whole days."""
        return all(bool((v == np.rint(v)).all()) for v in (self.by_t.value, self.by_age.value))

    def by_group(self, pairs: Distinct, values: Float) -> Float:
        """Sums of a column of pairs by group."""
        return np.asarray(np.bincount(pairs.group, values, len(self.covariates)), np.float64)

    def where(self, chosen: Bool) -> "Rows":
        """Some of the rows, with the same groups."""
        x, t, age = (c[chosen] for c in (self.x, self.t, self.age))
        return Rows(x, t, age, self.group[chosen], self.covariates, self.weight[chosen])

    def sample(self, size: int, seed: int = 0) -> "Rows":
        """As many customers, drawn with replacement."""
        drawn = np.random.default_rng(seed).multinomial(size, self.weight / self.n)
        rows = Rows(self.x, self.t, self.age, self.group, self.covariates, drawn.astype(np.float64))
        return rows.where(drawn > 0)

    @cached_property
    def grid(self) -> "DayGrid":
        """Where each row stands on a grid of pairs of x and days, if all times are whole days."""
        xs, days = self.by_x, int(self.age.max()) + 1
        first = np.full(len(xs.value), np.inf)
        np.minimum.at(first, xs.code, self.t)
        at_t, at_age = (xs.code * days + v.astype(np.int64) for v in (self.t, self.age))
        return DayGrid(
            days, at_t, at_age, first, np.append(np.flatnonzero(np.diff(xs.group, prepend=-1)), len(xs.group))
        )

    def _by(self, value: Float) -> Distinct:
        first, code = distinct([value] if len(self.covariates) == 1 else [self.group, value])
        return Distinct(value[first], self.group[first], code)


@final
@dataclass(frozen=True, eq=False)
class DayGrid:
    """A grid of pairs of x (and group) and whole days, from 0 to the last.

    Parameters
    ----------
    days : int
    at_t, at_age : int64, shape (n_rows,)
        The cells of a row's last purchase and of its end: pair × days + day.
    first : float64, shape (n_pairs,)
        The least t of each pair.
    starts : int64, shape (n_groups + 1,)
        The pairs of group g are ``starts[g]:starts[g + 1]``.
    """

    days: int
    at_t: Int
    at_age: Int
    first: Float
    starts: Int


def distinct(columns: Sequence[npt.NDArray[Any]]) -> tuple[Int, Int]:
    """One row of each different kind, in rising order, and the kind of each row."""
    packed = _pack(columns)
    if packed is None:
        order = np.lexsort(columns[::-1])
        starts = _starts([c[order] for c in columns])
        code = np.empty(len(order), np.int64)
        code[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
        return order[starts], code
    key, spans = packed
    if (size := int(np.prod(spans, dtype=np.int64))) <= 4 * len(key) + _FEW:
        place = np.full(size, -1)
        place[key[::-1]] = np.arange(len(key))[::-1]
        there = place >= 0
        return place[there], (np.cumsum(there) - 1)[key]
    _, first, code = np.unique(key, return_index=True, return_inverse=True)
    return first, code


def runs(columns: Sequence[npt.NDArray[Any]]) -> tuple[list[npt.NDArray[Any]], Int]:
    """The different rows of some columns in rising order, and how often each is there."""
    packed = _pack(columns)
    if packed is None:
        order = np.lexsort(columns[::-1])
        sorted_ = [c[order] for c in columns]
        starts = _starts(sorted_)
        return [c[starts] for c in sorted_], np.diff(starts, append=len(order))
    key, spans = packed
    key = np.sort(key)
    starts = _starts([key])
    count, key, out = np.diff(starts, append=len(key)), key[starts], []
    for column, span in zip(columns[::-1], spans[::-1], strict=True):
        out.append(key % span + int(column.min()))
        key = key // span
    return out[::-1], count


def _pack(columns: Sequence[npt.NDArray[Any]]) -> tuple[Int, list[int]] | None:
    """Whole numbers of a row in one; None where they are not whole, or too large."""
    if not len(columns[0]) or any(c.dtype.kind == "f" and not (c == np.rint(c)).all() for c in columns):
        return None
    low = [int(c.min()) for c in columns]
    spans = [int(c.max()) - v + 1 for c, v in zip(columns, low, strict=True)]
    if sum(s.bit_length() for s in spans) > _MOST_BITS:
        return None
    key = np.zeros(len(columns[0]), np.int64)
    for column, v, span in zip(columns, low, spans, strict=True):
        key *= span
        key += column.astype(np.int64, copy=False) - v
    return key, spans


def _starts(columns: Sequence[npt.NDArray[Any]]) -> Int:
    """Where a row differs from the one before it."""
    new = np.zeros(len(columns[0]), bool)
    new[:1] = True
    for c in columns:
        new[1:] |= c[1:] != c[:-1]
    return np.flatnonzero(new)
