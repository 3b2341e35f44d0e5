"""How far a column has moved between two periods: stability index, what chance alone gives, and values never seen."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import betabinom, chi2

from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Estimate, wilson
from crmintel.features.screen import UNSTABLE, WATCH

BINS: Final = 10
RARE: Final = 0.01
"""Levels below this part of the earlier rows (or of fewer than 5) are counted as one."""
OUTSIDE: Final = 0.01
"""From this share on, values that were never seen before matter."""
Ints = npt.NDArray[np.int64]


@final
@dataclass(frozen=True)
class Shift:
    """One column in two periods.

    Parameters
    ----------
    psi : float
        Population stability index, half a row added to each bin that somebody is in, before or after.
    by_chance : float
        Its expected value when nothing changed: (bins - 1) * (1 / n_before + 1 / n_after).
    p_value : float
        Chance of bins that differ as much, when nothing changed (chi-squared).
    outside : Estimate
        Share of later rows below the least or above the greatest earlier number, or of a level never seen.
    outside_p : float
        Chance of as many of them, when nothing changed.
    """

    psi: float
    by_chance: float
    p_value: float
    outside: Estimate
    outside_p: float

    def verdict(self, alpha: float) -> str:
        """ "moved", "watch" or "stable"; chance alone gives other than "stable" with at most about twice `alpha`."""
        beyond = self.psi - self.by_chance if self.p_value < alpha else 0.0
        if beyond > UNSTABLE:
            return "moved"
        unseen = self.outside_p < alpha and self.outside.value > OUTSIDE
        return "watch" if beyond > WATCH or unseen else "stable"


def shift(before: pd.Series, after: pd.Series) -> Shift:
    """Compare a column of numbers or categories between two periods.

    A number that holds a tenth of the earlier rows or more is a bin of its own; the others are cut at their quantiles,
    as in :func:`crmintel.features.screen.stability`. Missing values are a bin too.

    >>> told = shift(pd.Series([1.0, 2.0, 3.0, 4.0] * 50), pd.Series([1.0, 2.0, 3.0, 4.0] * 50))
    >>> told.psi, round(told.by_chance, 2), told.verdict(0.05)
    (0.0, 0.03, 'stable')
    """
    if is_number(before) != is_number(after):
        raise DataContractError(
            f"A column {str(before.name)!r} holds numbers in one period and none in the other. Read both alike."
        )
    bins = _number_bins if is_number(before) else _level_bins
    first, later, unseen, edge = bins(before, after)
    n, m = len(before), len(after)
    p, q = (np.bincount(b, minlength=int(max(first.max(), later.max())) + 1) for b in (first, later))
    full = (p + q) > 0
    p, q, freedom = p[full], q[full], int(full.sum()) - 1
    smooth = [(c + 0.5) / (c + 0.5).sum() for c in (p, q)]
    psi = float(((smooth[1] - smooth[0]) * np.log(smooth[1] / smooth[0])).sum())
    common = (p + q) / (n + m)
    squared = float(((p - n * common) ** 2 / (n * common) + (q - m * common) ** 2 / (m * common)).sum())
    # The mass beyond the extremes (or of levels not met yet, Good-Turing) is Beta(edge, n - edge + 1).
    outside_p = float(betabinom.sf(unseen - 1, m, edge, max(n - edge + 1, 0.5)))
    p_value = float(chi2.sf(squared, freedom)) if freedom else 1.0
    return Shift(psi, freedom * (1 / n + 1 / m), p_value, wilson(unseen, m), outside_p)


def is_number(column: pd.Series) -> bool:
    """Whether a column holds numbers; yes and no are categories."""
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))


def _number_bins(before: pd.Series, after: pd.Series) -> tuple[Ints, Ints, int, int]:
    """The bin of each row of both periods, later numbers beyond the earlier ones, and how many extremes there are."""
    x, z = (c.to_numpy(np.float64, na_value=np.nan) for c in (before, after))
    known = x[~np.isnan(x)]
    values, counts = np.unique(known, return_counts=True)
    atoms = values[counts >= len(known) / BINS]
    rest = known[~np.isin(known, atoms)]
    parts = max(1, round(BINS * len(rest) / max(len(known), 1)))
    edges = np.unique(np.quantile(rest, np.linspace(0, 1, parts + 1)[1:-1])) if len(rest) else np.zeros(0)

    def place(column: npt.NDArray[np.float64]) -> Ints:
        out = np.searchsorted(edges, column, side="right")
        at = np.searchsorted(atoms, column)
        own = np.isin(column, atoms)
        out = np.where(own, len(edges) + 1 + at, out)
        return np.where(np.isnan(column), len(edges) + 1 + len(atoms), out).astype(np.int64)

    beyond = int(((z < known.min()) | (z > known.max())).sum()) if len(known) else int((~np.isnan(z)).sum())
    return place(x), place(z), beyond, 2


def _level_bins(before: pd.Series, after: pd.Series) -> tuple[Ints, Ints, int, int]:
    """The same for categories: rare and new levels share a bin, and an extreme is a level that was met once."""
    x, z = (c.astype(object).where(c.notna(), None) for c in (before, after))
    x, z = (c.map(str, na_action="ignore") for c in (x, z))
    counts = x.value_counts()
    common = sorted(counts.index[counts >= max(5, RARE * len(x))])
    code = {level: i for i, level in enumerate(common)}

    def place(column: pd.Series) -> Ints:
        told = column.map(code).to_numpy(np.float64, na_value=np.nan)
        rest = np.where(column.isna().to_numpy(), len(common) + 1, len(common))
        return np.where(np.isnan(told), rest, told).astype(np.int64)

    new = int((z.notna() & ~z.isin(counts.index)).sum())
    return place(x), place(z), new, int((counts == 1).sum()) + 1
