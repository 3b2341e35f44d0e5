"""Means of arms with their joint spread: plain, by customer, adjusted by what was known before, weighted."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import stats

from crmintel.actions.effects.trial import Float, Int


@final
@dataclass(frozen=True, eq=False)
class Means:
    """The mean of each arm and how the means vary together.

    Parameters
    ----------
    value : float, shape (n_arms,)
    spread : float, shape (n_arms, n_arms)
        Covariances of the means.
    units : int, shape (n_arms,)
        Customers of each arm (rows, where they are not told).
    """

    value: Float
    spread: Float
    units: Int

    def difference(self, arm: int, level: float) -> tuple[float, float, float, float]:
        """Of an arm less the first: the difference, the ends of its interval, and p (Welch's t)."""
        gap = float(self.value[arm] - self.value[0])
        error, df = self.error(arm)
        half = float(stats.t.ppf((1 + level) / 2, df)) * error
        p = float(2 * stats.t.sf(abs(gap) / error, df)) if error > 0 else float(gap == 0)
        return gap, gap - half, gap + half, p

    def error(self, arm: int) -> tuple[float, float]:
        """The standard error of the difference to the first arm, and its degrees of freedom (Satterthwaite)."""
        a, b, both = self.spread[arm, arm], self.spread[0, 0], self.spread[arm, 0]
        variance = max(a + b - 2 * both, 0.0)
        parts = a**2 / max(self.units[arm] - 1, 1) + b**2 / max(self.units[0] - 1, 1)
        return float(np.sqrt(variance)), float((a + b) ** 2 / parts) if parts > 0 else float(self.units.sum())

    def lift(self, arm: int, level: float) -> tuple[float, float, float]:
        """The difference as a share of the first mean; NaN where that mean may be 0 or below.

        The interval is by the delta method, of the logarithm where the means have one: shares of few cases need that.
        """
        base, top = float(self.value[0]), float(self.value[arm])
        k = float(stats.t.ppf((1 + level) / 2, self.error(arm)[1]))
        if base - k * np.sqrt(self.spread[0, 0]) <= 0:
            return float("nan"), float("nan"), float("nan")
        log = top > 0
        slope = np.array([1 / top, -1 / base]) if log else np.array([1 / base, -top / base**2])
        half = k * float(np.sqrt(max(slope @ self.spread[np.ix_([arm, 0], [arm, 0])] @ slope, 0.0)))
        ratio = top / base
        low, high = (ratio * np.exp(-half), ratio * np.exp(half)) if log else (ratio - half, ratio + half)
        return ratio - 1, float(low) - 1, float(high) - 1


def means(
    y: Float,
    arm: Int,
    arms: int,
    *,
    before: Float | None = None,
    customer: Int | None = None,
    weight: Float | None = None,
) -> Means:
    """The mean outcome of each arm; with covariates, what it would be if all arms had the same covariates.

    Parameters
    ----------
    y : float, shape (n_rows,)
    arm : int, shape (n_rows,)
        From 0 to `arms` - 1.
    before : float, shape (n_rows, n_columns), optional
        From before the assignment. One regression an arm, at the mean of all rows (Lin 2013): never less exact than the plain mean in
        large samples, whatever the truth is.
    customer : int, shape (n_rows,), optional
        Rows of one customer are summed before a spread is taken.
    weight : float, shape (n_rows,), optional
        One over the probability of the arm, where it varies.

    Notes
    -----
    The spread is that of influence values, (1{arm} e / n + slope (x − x̄) / N), each arm's residuals e scaled for the customers and
    slopes used up; the second part says that the mean of the covariates is of a sample, too.
    """
    w = np.ones(len(y)) if weight is None else weight
    value, influence, units = np.empty(arms), np.zeros((len(y), arms)), np.empty(arms, np.int64)
    shift = y.min()  # so that equal outcomes have equal means to the last digit
    y, centre = y - shift, None if before is None else before.mean(axis=0)
    for a in range(arms):
        here = np.flatnonzero(arm == a)
        units[a] = len(here) if customer is None else np.count_nonzero(np.bincount(customer[here]))
        share, used = w[here] / w[here].sum(), 1
        left = y[here] - share @ y[here]
        value[a] = share @ y[here]
        if before is not None and centre is not None:
            own = share @ before[here]
            solve, rank = _solver(before[here] - own, share)
            slope = solve @ left
            value[a] += (centre - own) @ slope
            influence[:, a] = (before - centre) @ slope / len(y)
            share, left, used = share + (centre - own) @ solve, left - (before[here] - own) @ slope, rank + 1
        influence[here, a] += share * left * np.sqrt(units[a] / max(units[a] - used, 1))
    if customer is not None:
        influence = np.column_stack([np.bincount(customer, column) for column in influence.T])
    return Means(value + shift, influence.T @ influence, units)


def _solver(x: Float, share: Float) -> tuple[Float, int]:
    """What makes slopes of outcomes, shape (n_columns, n_rows), and of how many columns; those alike or constant have none."""
    root = np.sqrt(share)
    u, size, v = np.linalg.svd(x * root[:, None], full_matrices=False)
    kept = size > 1e-9 * max(float(np.abs(x).max(initial=0.0)), 1e-300)
    return (v[kept].T / size[kept]) @ u[:, kept].T * root, int(kept.sum())
