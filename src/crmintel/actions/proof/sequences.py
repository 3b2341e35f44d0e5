"""Limits that hold for any sample size, and limits that hold however often one looks."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.errors import DataContractError
from crmintel.evaluation.checks import amounts, same_length
from crmintel.evaluation.intervals import Estimate, Floats

START: Final = 100
"""Before so many values an asymptotic sequence says nothing."""
MOST: Final = 0.5
"""The largest bet on one round."""


def empirical_bernstein(values: npt.ArrayLike, *, upper: float, level: float = 0.95) -> Estimate:
    """A lower limit for the mean of values between 0 and a known bound, right for every sample size.

    Parameters
    ----------
    values : array, shape (n,)
        Independent, between 0 and `upper`, at least two.
    upper : float
        The largest *possible* value, such as the largest weight × the largest outcome; not the largest seen.

    Raises
    ------
    DataContractError
        If a value lies outside.

    References
    ----------
    Maurer, Pontil (2009), COLT, theorem 4.

    Examples
    --------
    >>> print(empirical_bernstein(np.tile([0.0, 1.0], 500), upper=1))
    0.500 (0.448 to inf)
    """
    x, confidence = amounts(values, "values"), _level(level)
    if len(x) < 2 or x.min() < 0 or x.max() > upper * (1 + 1e-12):
        raise DataContractError(
            f"{len(x):,} values from {x.min():.4g} to {x.max():.4g} with upper {upper:.4g}. "
            "Pass at least two values between 0 and upper, the largest possible one."
        )
    size, spread = np.log(2 / confidence), float(x.var(ddof=1))
    low = float(x.mean() - np.sqrt(2 * spread * size / len(x)) - 7 * upper * size / (3 * (len(x) - 1)))
    return Estimate(float(x.mean()), low, np.inf, level, "empirical Bernstein, lower limit")


def confidence_sequence(
    values: npt.ArrayLike, *, level: float = 0.95, focus: int | None = None, start: int = START
) -> pd.DataFrame:
    """Limits for a mean that may be looked at after every round, for as long as one likes (asymptotic).

    Rare large values, such as outcomes times large weights, are seen too late for these limits: use
    `off_policy_sequence`, or scores from which a model has taken most of the spread.

    Parameters
    ----------
    values : array, shape (n,)
        In the order in which they came.
    focus : int, optional
        The round where the limits shall be narrowest; the last one if left out.
    start : int, default=100
        The first round that has limits; before it the spread is not known well enough.

    Returns
    -------
    DataFrame
        One row a round: round, mean, low, high.

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2021), arXiv 2103.06476, theorem 2.2.

    Examples
    --------
    >>> confidence_sequence(np.tile([0.0, 1.0], 500)).iloc[-1].round(3).tolist()
    [1000.0, 0.5, 0.452, 0.548]
    """
    x = amounts(values, "values")
    t = np.arange(1, len(x) + 1)
    mean = np.cumsum(x) / t
    centred = x - x[: min(start, len(x))].mean()  # so that no digits cancel in the sums of squares
    spread = np.sqrt(np.maximum(np.cumsum(centred**2) / t - (np.cumsum(centred) / t) ** 2, 0))
    half = np.where(t < start, np.inf, spread * any_time(t, focus or len(x), _level(level)) / np.sqrt(t))
    return pd.DataFrame({"round": t, "mean": mean, "low": mean - half, "high": mean + half})


def off_policy_sequence(
    weight: npt.ArrayLike,
    outcome: npt.ArrayLike,
    *,
    bounds: tuple[float, float],
    level: float = 0.95,
    focus: int | None = None,
) -> pd.DataFrame:
    """Limits for the value of a policy that hold at all rounds together, exactly, even if the logging policy learned.

    Parameters
    ----------
    weight : array, shape (n,)
        Target probability over propensity of the action logged, in the order of the rounds.
    outcome : array, shape (n,)
    bounds : tuple of float
        Between which every outcome lies.
    focus : int, optional
        The round where the limits shall be narrow; the last one if left out.

    Returns
    -------
    DataFrame
        One row a round: round, mean (weighted by importance), low, high.

    References
    ----------
    Waudby-Smith, Wu, Ramdas, Karampatziakis, Mineiro (2022), arXiv 2210.10768, on values that are bounded below only.

    Examples
    --------
    >>> off_policy_sequence(np.ones(1000), np.tile([0.0, 1.0], 500), bounds=(0, 1)).iloc[-1].round(2).tolist()
    [1000.0, 0.5, 0.45, 0.55]
    """
    w, y = amounts(weight, "weight"), amounts(outcome, "outcome")
    same_length({"weight": w, "outcome": y})
    low, high = bounds
    outside = int(((y < low) | (y > high)).sum())
    if outside or not low < high:
        raise DataContractError(
            f"{outside:,} of {len(y):,} outcomes lie outside bounds {bounds}. Pass what is possible."
        )
    share, tail = (y - low) / (high - low), _level(level) / 2
    t = np.arange(1, len(y) + 1)
    below = _lower(w * share, tail, focus or len(y))
    above = 1 - _lower(w * (1 - share), tail, focus or len(y))
    scale = high - low
    mean = low + scale * np.cumsum(w * share) / t
    return pd.DataFrame({
        "round": t, "mean": mean, "low": low + scale * np.clip(below, 0, 1), "high": low + scale * np.clip(above, 0, 1),
    })  # fmt: skip


def any_time(t: npt.ArrayLike, focus: int, alpha: float) -> Floats:
    """By how many standard errors the limits lie off after t rounds, where a single look would take 1.96."""
    rho = (-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / focus
    scaled = np.asarray(t, float) * rho + 1
    return np.asarray(np.sqrt(2 * scaled / (scaled - 1) * np.log(np.sqrt(scaled) / alpha)))


def _lower(x: Floats, alpha: float, focus: int) -> Floats:
    """Lower limits of the mean, at most 1, of values of at least 0: bets of a size that only the past decides."""
    t = np.arange(1, len(x) + 1)
    guess = np.minimum((0.5 + np.cumsum(x) - x) / t, 1)
    square = (x - guess) ** 2
    spread = (0.25 + np.cumsum(square) - square) / t
    bet = np.minimum(np.sqrt(2 * np.log(1 / alpha) / (spread * focus)), MOST)
    price = -np.log1p(-bet) - bet
    return np.asarray((np.cumsum(bet * x) + np.log(alpha) - np.cumsum(price * square)) / np.cumsum(bet))


def _level(level: float) -> float:
    if not 0 < level < 1:
        raise DataContractError(f"level is {level}. Pass a share between 0 and 1, such as 0.95.")
    return 1 - level
