"""How what the models and the trees say becomes one forecast: weights that are never negative, one stack for each target."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from crmintel.value.purchases import Float

ABSOLUTE: Final = 0.25
"""Share of the absolute error in the loss for counts; the rest is the squared error."""


def spread_over(score: Float, total: float) -> Float:
    """A total, divided as the exponentials of the scores."""
    part: Float = np.exp(score - score.max())
    part *= total / part.sum()
    return part


def stack_counts(told: Sequence[Float], counts: Sequence[Float], totals: Sequence[float]) -> Float:
    """Weights of logarithms such that absolute and squared errors together are least, the total being held.

    Parameters
    ----------
    told : an array an instant, shape (n_customers, n_members)
        Logarithms of what members expect.
    counts, totals : an array and a total an instant
        What happened, and what the forecasts must add up to.

    Returns
    -------
    array, shape (n_members,)
    """

    def loss(w: Float) -> tuple[float, Float]:
        value, slope = 0.003 * float(((w - 0.5) ** 2).sum()), 0.006 * (w - 0.5)
        for z, y, total in zip(told, counts, totals, strict=True):
            p = spread_over(z @ w, total)
            off, usual, var = p - y, np.abs(y - np.median(y)).mean() or 1.0, y.var() or 1.0  # all may buy alike
            own = ABSOLUTE * np.abs(off).mean() / usual + (1 - ABSOLUTE) * 0.5 * (off**2).mean() / var
            value += float(own) / len(told)
            by = (ABSOLUTE * np.sign(off) / usual + (1 - ABSOLUTE) * off / var) / (len(y) * len(told))
            slope = slope + (by * p) @ (z - (p @ z) / p.sum())
        return value, slope

    return _least(loss, np.full(told[0].shape[1], 0.5), free=0)


def stack_money(told: Sequence[Float], money: Sequence[Float], start: Float) -> Float:
    """Weights of logarithms by the Poisson loss, drawn towards `start`; a level of its own is learned and let go."""
    means = [y.mean() for y in money]

    def loss(v: Float) -> tuple[float, Float]:
        w, level = v[:-1], v[-1]
        value, slope = 0.1 * float(((w - start) ** 2).sum()), np.append(0.2 * (w - start), 0.0)
        for z, y, mean in zip(told, money, means, strict=True):
            score = z @ w + level - np.log(mean)
            p = np.exp(np.minimum(score, 30.0))
            value += float((p - y / mean * score).mean()) / len(told)
            by = (p - y / mean) / (len(y) * len(told))
            slope += np.append(by @ z, by.sum())
        return value, slope

    return _least(loss, np.append(start, 0.0), free=1)[:-1]


def stack_bought(told: Float, bought: Float, start: Float) -> Float:
    """Weights of log-odds by the logistic loss, drawn towards `start`; a constant is learned and let go."""

    def loss(v: Float) -> tuple[float, Float]:
        score = told @ v[:-1] + v[-1]
        off = expit(score) - bought
        value = float((np.logaddexp(0, score) - bought * score).mean() + 0.01 * ((v[:-1] - start) ** 2).sum())
        return value, np.append(off @ told / len(bought) + 0.02 * (v[:-1] - start), off.mean())

    return _least(loss, np.append(start, 0.0), free=1)[:-1]


def _least(loss: Callable[[Float], tuple[float, Float]], start: Float, free: int) -> Float:
    """The least of a loss over numbers that are not negative, but for the last `free` ones."""
    bounds = [(0.0, None)] * (len(start) - free) + [(None, None)] * free
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x, np.float64)
