"""What is kept of a column to compare it later: bins and how many rows each holds, no row of anybody."""

from dataclasses import dataclass, replace
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd

BINS: Final = 10
RARE: Final = 0.01
"""Levels below this part of the earlier rows (or of fewer than 5) are counted as one."""
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@final
@dataclass(frozen=True, eq=False)
class Bins:
    """A column of numbers or of categories, cut into bins, and its rows in each.

    A number that holds a tenth of the rows or more is a bin of its own; the others are cut at their quantiles. Levels of a category
    are bins where they are not rare; all others share one. Missing values are the last bin.

    Parameters
    ----------
    number : bool
        Whether it holds numbers; yes and no are categories.
    counts : int, shape (n_bins,)
        Rows of each bin.
    edges, atoms : float
        Where numbers are cut, and those that are bins of their own.
    low, high : float
        Numbers beyond are new.
    levels : tuple of str
        Categories that are bins of their own.
    known : frozenset of str, or None
        All categories that were met; None where they were forgotten.
    extremes : int
        How many rows stand at the rim: the part of later rows beyond it is Beta(extremes, n − extremes + 1) when nothing
        changed.
    """

    number: bool
    counts: Ints
    edges: Floats
    atoms: Floats
    low: float
    high: float
    levels: tuple[str, ...]
    known: frozenset[str] | None
    extremes: int

    @classmethod
    def of(cls, column: pd.Series, *, rim: int = 1) -> Self:
        """Of a column; numbers are new beyond its `rim`-th least and greatest (of many rows)."""
        made = cls._numbers(column, rim) if is_number(column) else cls._levels(column)
        return replace(made, counts=made.count(made.place(column)))

    @classmethod
    def _numbers(cls, column: pd.Series, rim: int) -> Self:
        x = column.to_numpy(np.float64, na_value=np.nan)
        known = x[~np.isnan(x)]
        values, counts = np.unique(known, return_counts=True)
        often = counts >= len(known) / BINS
        atoms, rest = values[often], np.repeat(values[~often], counts[~often])
        parts = max(1, round(BINS * len(rest) / max(len(known), 1)))
        edges = np.unique(np.quantile(rest, np.linspace(0, 1, parts + 1)[1:-1])) if len(rest) else np.zeros(0)
        depth = min(rim, max(1, len(known) // 20))
        place = np.cumsum(counts)
        low = float(values[np.searchsorted(place, depth)]) if len(known) else np.nan
        high = float(values[np.searchsorted(place, len(known) - depth + 1)]) if len(known) else np.nan
        return cls(True, np.zeros(0, np.int64), edges, atoms, low, high, (), None, 2 * depth)

    @classmethod
    def _levels(cls, column: pd.Series) -> Self:
        code, names = texts(column)
        counts = np.bincount(code[code >= 0], minlength=len(names))
        common = tuple(sorted(n for n, c in zip(names, counts, strict=True) if c >= max(5, RARE * len(column))))
        once, nothing = int((counts == 1).sum()), np.zeros(0)
        return cls(False, np.zeros(0, np.int64), nothing, nothing, np.nan, np.nan, common, frozenset(names), once + 1)

    def forgotten(self) -> Self:
        """The same without the names of rare categories: what was rare and what is new then look alike."""
        if self.number:
            return self
        return replace(self, known=None, extremes=int(self.counts[len(self.levels)]) + 1)

    def place(self, column: pd.Series) -> Ints:
        """The bin of each row."""
        if self.number:
            x = column.to_numpy(np.float64, na_value=np.nan)
            out = np.zeros(len(x), np.int64)
            for edge in self.edges:  # for so few of them quicker than a search
                out += x >= edge
            for i, atom in enumerate(self.atoms):
                out[x == atom] = len(self.edges) + 1 + i
            out[np.isnan(x)] = len(self.edges) + 1 + len(self.atoms)
            return out
        code, names = texts(column)
        own = {level: i for i, level in enumerate(self.levels)}
        of = np.array([*(own.get(n, len(own)) for n in names), len(own) + 1], np.int64)
        return of[code]  # missing is −1, the last of them

    def count(self, place: Ints) -> Ints:
        """How many rows fell into each bin."""
        n = len(self.edges) + len(self.atoms) + 2 if self.number else len(self.levels) + 2
        return np.bincount(place, minlength=n).astype(np.int64)

    def new(self, column: pd.Series) -> npt.NDArray[np.bool_]:
        """Whether each row holds what was not met before."""
        if self.number:
            x = column.to_numpy(np.float64, na_value=np.nan)
            nobody = np.isnan(self.low)
            return ~np.isnan(x) if nobody else (x < self.low) | (x > self.high)
        code, names = texts(column)
        met = frozenset(self.levels) if self.known is None else self.known
        return np.array([*(n not in met for n in names), False], bool)[code]


def texts(column: pd.Series) -> tuple[npt.NDArray[np.intp], list[str]]:
    """The number of each row's text (missing is −1), and the texts."""
    if column.dtype == object:  # True and 1 are not one text
        column = column.map(str, na_action="ignore")
    code, found = pd.factorize(column)
    names = [str(v) for v in found]
    return code, names


def is_number(column: pd.Series) -> bool:
    """Whether a column holds numbers; yes and no are categories."""
    dtype: Any = column.dtype
    return bool(pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype))
