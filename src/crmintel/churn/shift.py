"""How far a column has moved between two periods: stability index, what chance alone gives, and values never seen."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import pandas as pd
from scipy.stats import betabinom, chi2

from crmintel.churn.bins import Bins, Ints, is_number
from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Estimate, wilson
from crmintel.features.screen import UNSTABLE, WATCH

OUTSIDE: Final = 0.01
"""From this share on, values that were never seen before matter."""


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
    bins = Bins.of(before)
    return compared(bins, bins.count(bins.place(after)), int(bins.new(after).sum()))


def compared(bins: Bins, later: Ints, unseen: int) -> Shift:
    """Rows of each bin against those of a later period, of which some hold what was not met before."""
    n, m = int(bins.counts.sum()), int(later.sum())
    full = (bins.counts + later) > 0
    p, q, freedom = bins.counts[full], later[full], int(full.sum()) - 1
    smooth = [(c + 0.5) / (c + 0.5).sum() for c in (p, q)]
    psi = float(((smooth[1] - smooth[0]) * np.log(smooth[1] / smooth[0])).sum())
    common = (p + q) / (n + m)
    squared = float(((p - n * common) ** 2 / (n * common) + (q - m * common) ** 2 / (m * common)).sum())
    # The mass beyond the extremes (or of levels not met yet, Good-Turing) is Beta(extremes, n - extremes + 1).
    outside_p = float(betabinom.sf(unseen - 1, m, bins.extremes, max(n - bins.extremes + 1, 0.5)))
    p_value = float(chi2.sf(squared, freedom)) if freedom else 1.0
    return Shift(psi, freedom * (1 / n + 1 / m), p_value, wilson(unseen, m), outside_p)
