"""Correlations with the interval that they should be read with."""

from typing import Final

import numpy as np
from scipy.stats import norm, rankdata

from crmintel.evaluation.intervals import Estimate
from crmintel.value.purchases import Float

FEWEST: Final = 4
"""With fewer pairs a correlation says nothing."""


def pearson(x: Float, y: Float, level: float = 0.95) -> Estimate:
    """Correlation of two columns; NaN where one of them does not vary.

    The interval is by the influence of each pair on Fisher's z, so that heavy tails widen it as they should.

    Examples
    --------
    >>> print(pearson(np.arange(5.0), np.array([0.0, 1.0, 2.0, 3.0, 9.0])))
    0.894 (0.697 to 0.966)
    """
    if len(x) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Estimate(np.nan, np.nan, np.nan, level, "influence function")
    a, b = (_standard(v) for v in (x, y))
    r = float(np.clip(np.mean(a * b), -1, 1))
    influence = a * b - r / 2 * (a * a + b * b)
    spread = float(np.sqrt(np.mean(influence**2) / len(x)))
    return _fisher(r, spread / max(1 - r * r, 1e-12), level, "influence function")


def spearman(x: Float, y: Float, level: float = 0.95) -> Estimate:
    """Correlation of the ranks, equal values sharing their mean rank; NaN where one column does not vary.

    References
    ----------
    Bonett and Wright (2000), Psychometrika 65, 23-28 (the interval).

    Examples
    --------
    >>> print(f"{spearman(np.arange(9.0), np.array([0.0, 1, 2, 3, 4, 5, 6, 8, 7])):.2f}")
    0.98 (0.89 to 1.00)
    """
    if len(x) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Estimate(np.nan, np.nan, np.nan, level, "Bonett and Wright")
    a, b = (_standard(rankdata(v)) for v in (x, y))
    r = float(np.clip(np.mean(a * b), -1, 1))
    return _fisher(r, float(np.sqrt((1 + r * r / 2) / (len(x) - 3))), level, "Bonett and Wright")


def _standard(x: Float) -> Float:
    centred: Float = x - x.mean()
    centred /= np.abs(centred).max()  # squares of very small or large money would be lost
    out: Float = centred / np.sqrt(np.mean(centred**2))
    return out


def _fisher(r: float, spread: float, level: float, method: str) -> Estimate:
    """An interval that stays within -1 and 1."""
    z = np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15))
    half = float(norm.ppf((1 + level) / 2)) * spread
    return Estimate(r, min(float(np.tanh(z - half)), r), max(float(np.tanh(z + half)), r), level, method)
