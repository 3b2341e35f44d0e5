"""A figure is only as good as its interval: estimates, the bootstrap, and Wilson's interval for shares."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from crmintel.errors import DataContractError
from crmintel.showing import Shown

Floats = npt.NDArray[np.float64]

MOST_UNDEFINED: Final = 0.5
"""Draws in which a figure is undefined are left out, up to this share of all draws."""


@final
@dataclass(frozen=True)
class Estimate(Shown):
    """A figure with the interval that it should be read with.

    Parameters
    ----------
    value : float
        The figure on all the data.
    low, high : float
        Ends of the interval, in the unit of `value`.
    level : float in (0, 1), default=0.95
        How often such an interval holds the truth.
    method : str
        Where the interval comes from.

    Examples
    --------
    >>> auc = Estimate(0.7412, 0.7221, 0.7604)
    >>> print(auc)
    0.741 (0.722 to 0.760)
    >>> f"{auc:.0%}"
    '74% (72% to 76%)'
    """

    value: float
    low: float
    high: float
    level: float = 0.95
    method: str = "percentile bootstrap"

    def __str__(self) -> str:
        return format(self, ".3f")

    def __format__(self, spec: str) -> str:
        spec = spec or ".3f"
        return f"{self.value:{spec}} ({self.low:{spec}} to {self.high:{spec}})"

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero (never, when an end is missing)."""
        return bool(self.low > 0 or self.high < 0)


def bootstrap(
    statistic: Callable[..., float],
    *arrays: npt.ArrayLike,
    n: int = 500,
    seed: int = 0,
    groups: npt.ArrayLike | None = None,
    level: float = 0.95,
    max_undefined: float = MOST_UNDEFINED,
) -> Estimate:
    """Any figure with the interval that resampling the customers gives it.

    Parameters
    ----------
    statistic : callable
        Takes the arrays and returns a float; may raise ValueError where it is undefined.
    *arrays : arrays, each of shape (n_rows, ...)
        Rows are resampled together.
    n : int, default=500
        Number of draws.
    groups : array, shape (n_rows,), optional
        Rows of one group (one customer at several instants) are drawn together.
    level : float in (0, 1), default=0.95
        The middle part of the draws that the interval holds.
    max_undefined : float, default=0.5
        Draws where the statistic raises ValueError or is NaN are left out, up to this share.

    Raises
    ------
    ValueError
        If there are no rows, lengths differ, a group is missing, or too many draws are undefined.

    Examples
    --------
    >>> print(bootstrap(np.mean, [1.0, 2.0, 3.0, 4.0], n=200))
    2.500 (1.500 to 3.500)
    """
    data = [np.asarray(a) for a in arrays]
    lengths = sorted({len(a) for a in data})
    if len(lengths) != 1 or lengths[0] == 0:
        raise ValueError(f"The arrays have lengths {lengths}. Pass one or more arrays of one length, not empty.")
    value = float(statistic(*data))
    draws = np.full(n, np.nan)
    for i, weights in enumerate(resamples(lengths[0], n=n, seed=seed, groups=groups)):
        rows = np.repeat(np.arange(lengths[0]), weights)
        try:
            draws[i] = statistic(*(a[rows] for a in data))
        except ValueError:
            continue
    return percentile(value, draws, level=level, max_undefined=max_undefined)


def resamples(
    n_rows: int, *, n: int, seed: int, groups: npt.ArrayLike | None = None
) -> Iterator[npt.NDArray[np.int64]]:
    """How often each row is drawn, once for each of `n` draws with replacement (of rows, or of whole groups).

    Examples
    --------
    >>> [int(w.sum()) for w in resamples(5, n=3, seed=0)]
    [5, 5, 5]
    """
    if n < 1:
        raise ValueError(f"n is {n}. Ask for at least one draw.")
    codes = None if groups is None else group_codes(groups, n_rows)
    units = n_rows if codes is None else int(codes.max()) + 1
    rng = np.random.default_rng(seed)
    for _ in range(n):
        counts = np.bincount(rng.integers(0, units, units), minlength=units)
        yield counts if codes is None else counts[codes]


def percentile(
    value: float,
    draws: Floats,
    *,
    level: float = 0.95,
    max_undefined: float = MOST_UNDEFINED,
    centred: bool = False,
) -> Estimate:
    """The middle part of the draws as an interval; NaN draws are left out up to `max_undefined` of them.

    `centred` takes the mean of the draws off and puts `value` in its place, for figures such as an absolute error
    of calibration, which resampling makes larger than they are.

    Examples
    --------
    >>> print(percentile(2.0, np.array([1.0, 2.0, 3.0, np.nan]), level=0.5))
    2.000 (1.500 to 2.500)
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level:g}. Pass a share between 0 and 1, such as 0.95.")
    defined = draws[~np.isnan(draws)]
    missing = len(draws) - len(defined)
    if not len(defined) or missing > max_undefined * len(draws):
        raise ValueError(
            f"The figure is undefined in {missing:,} of {len(draws):,} draws (at most {max_undefined:.0%} may be). "
            "Use more customers, or a figure that small samples allow."
        )
    shift = value - float(defined.mean()) if centred else 0.0
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]) + shift
    name = "percentile bootstrap, centred" if centred else "percentile bootstrap"
    return Estimate(float(value), float(low), float(high), level, name)


def wilson(k: float, n: float, level: float = 0.95) -> Estimate:
    """A share of customers with Wilson's interval, which stays inside 0 and 1 and works for 0 of n.

    Parameters
    ----------
    k, n : int, or float
        `k` of `n` customers; 0 <= k <= n and n >= 1. Not whole where rows of one customer count for less than so many.

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22, 209-212.

    Examples
    --------
    >>> print(wilson(0, 10))
    0.000 (0.000 to 0.278)
    """
    if n < 1 or not 0 <= k <= n:
        raise ValueError(f"{k:,} of {n:,} is no share. Pass 0 <= k <= n and n of at least 1.")
    z = float(norm.ppf((1 + level) / 2))
    share = k / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    # At the ends rounding can leave a tiny remainder where the formula gives exactly 0 or 1.
    low = 0.0 if k == 0 else max(0.0, centre - half)
    high = 1.0 if k == n else min(1.0, centre + half)
    return Estimate(share, low, high, level, "Wilson")


def group_codes(groups: npt.ArrayLike, n_rows: int) -> npt.NDArray[np.intp]:
    """The number of each row's group, rising with what the groups are called.

    Raises
    ------
    DataContractError
        If there is not one group a row, or some are missing: taken as one group they would leave no interval.

    Examples
    --------
    >>> group_codes(["b", "a", "b"], 3).tolist()
    [1, 0, 1]
    """
    # A list of words and NaN would become words alone.
    labels: npt.NDArray[Any] = np.asarray(groups, dtype=object if isinstance(groups, list | tuple) else None)
    if labels.shape != (n_rows,):
        raise DataContractError(f"groups has shape {labels.shape} for {n_rows:,} rows. Pass one group for each row.")
    codes = pd.factorize(labels, sort=True)[0]
    if missing := int((codes < 0).sum()):
        raise DataContractError(
            f"groups is missing for {missing:,} of {n_rows:,} rows. Name the customer of each row, or leave these rows out."
        )
    return codes
