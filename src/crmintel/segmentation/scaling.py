"""Numbers made comparable: heavy tails drawn in, every column on the scale of its usual spread."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
CLIP: Final = 4.0
NORMAL_IQR: Final = 1.349
"""The interquartile range of a normal variable with standard deviation 1."""
HUMPS: Final = 0.2
"""Two humps, if the best cut into two leaves less than this share of the variance (normal .363, uniform .25)."""
ATOM: Final = 0.2
"""A value that more customers than this share have is a spike, not a hump."""
_SKEWED = 0.3
_NEGATIVE = 0.05


@final
@dataclass(frozen=True)
class Scale:
    """How one column becomes comparable with others.

    Parameters
    ----------
    log : bool
        Whether ``sign(x) log(1 + |x|)`` comes first.
    centre, spread : float
        What is then taken off, and divided by.
    limit : float
        How far from the centre values may lie once they are scaled; those beyond are moved there.
    humps : bool
        Whether the column falls into two humps; its spread is then that within the humps.
    """

    log: bool
    centre: float
    spread: float
    limit: float
    humps: bool

    def __call__(self, values: Float) -> Float:
        """Scaled values within the limit; a missing value stands in the middle, at 0."""
        out = (drawn_in(values) if self.log else values) - self.centre
        out /= self.spread
        return np.nan_to_num(np.clip(out, -self.limit, self.limit, out=out), copy=False)


def scale_of(values: Float) -> Scale | None:
    """The scale of a column, by its own values; None for a column with no two different ones.

    The logarithm is taken of money and counts (columns with hardly a negative value) where it makes a skewed column less
    skewed. The spread is that of the middle half, the standard
    deviation where half of the customers have one value. The interquartile range of a column with two humps is the
    distance between them: it would hide what sets the customers apart, so the spread within the humps is taken instead.
    """
    known = np.sort(values[~np.isnan(values)]) + 0.0
    if not len(known) or known[0] == known[-1]:
        return None
    plain, drawn = _skewness(known), _skewness(drawn_in(known))
    log = plain > _SKEWED and abs(drawn) < plain and float(np.quantile(known, _NEGATIVE)) >= 0
    known = drawn_in(known) if log else known
    low, centre, high = np.quantile(known, [0.25, 0.5, 0.75])
    usual = float((high - low) / NORMAL_IQR) if high > low else float(known.std())
    within = spread_within_humps(known)
    if within is None:
        return Scale(log, float(centre), usual, CLIP, humps=False)
    return Scale(log, float(centre), within, CLIP * max(usual / within, 1.0), humps=True)


def drawn_in(values: Float) -> Float:
    """``sign(x) log(1 + |x|)``."""
    return np.copysign(np.log1p(np.abs(values)), values)


def spread_within_humps(known: Float) -> float | None:
    """The spread within the two humps of sorted values; None where they form one.

    All cuts into two are tried by prefix sums. Columns with a spike, such as the zeros of those who never buy, are left alone.
    """
    n = len(known)
    steps = np.flatnonzero(np.diff(known)) + 1  # where a new value begins
    if np.diff(np.concatenate([[0], steps, [n]])).max() > ATOM * n:
        return None
    off = known - known.mean()
    first, second = np.cumsum(off), np.cumsum(off * off)
    total = second[-1]
    left, right = steps, n - steps
    before, before2 = first[steps - 1], second[steps - 1]
    inside = before2 - before**2 / left + (total - before2) - (first[-1] - before) ** 2 / right
    least = float(inside.min())
    return float(np.sqrt(least / n)) if 0 < least < HUMPS * total else None


def _skewness(known: Float) -> float:
    """How much longer the upper tail is than the lower one, from the 5th, 50th and 95th percentile: −1 to 1."""
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
    return float((high - middle - (middle - low)) / (high - low)) if high > low else 0.0
