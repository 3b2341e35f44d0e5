"""Logistic regression with a ridge penalty, and how strong that should be, told without refitting."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.special import expit

from crmintel.churn.table import Float, Int

GRID: Final = (0.1, 0.01, 0.001, 0.0001)
"""Variances of the weights that are tried, one after the other, while leaving rows out gets better."""
_STEPS = 60
_ENOUGH = 1e-7


@final
@dataclass(frozen=True, eq=False)
class Ridge:
    """Weights of columns and a constant, and the variance that the weights were given."""

    weights: Float
    constant: float
    C: float


def ridge(Z: Float, y: Int, weight: Float | None = None, *, C: float | None = None) -> Ridge:
    """Weights that minimise log-loss (summed) + squared weights ÷ 2C; the constant is free.

    Without `C`, it is chosen by the log-loss of each row told without it. That is worked out from the fit of all rows: taking a row out moves its log-odds by its leverage (Rad and Maleki 2020, J. R. Stat. Soc. B 82).

    Parameters
    ----------
    Z : float, shape (n_rows, n_columns)
    y : int of 0 and 1, shape (n_rows,)
    weight : float, shape (n_rows,), optional
    C : float, optional
        The variance of a weight.
    """
    of = np.ones(len(y)) if weight is None else weight
    design = np.column_stack([Z, np.ones(len(Z))])
    start = np.zeros(design.shape[1])
    start[-1] = _logit(float(np.clip(of @ y / of.sum(), 1e-6, 1 - 1e-6)))
    if C is None:
        C, found = _chosen(design, y, of, start)
    else:
        found = _newton(design, y, of, C, start)
    return Ridge(found[:-1], float(found[-1]), C)


def _chosen(design: Float, y: Int, of: Float, at: Float) -> tuple[float, Float]:
    """The first variance after which a smaller one does worse on rows left out, and where its weights are."""
    best: tuple[float, float, Float] | None = None
    for C in GRID:
        at = _newton(design, y, of, C, at)
        lost = _left_out(design, y, of, C, at)
        if best is not None and lost >= best[0]:
            break
        best = (lost, C, at)
    assert best is not None
    return best[1], best[2]


def _newton(design: Float, y: Int, of: Float, C: float, at: Float) -> Float:
    """Newton's method, steps halved where they do not lead down."""
    value = _loss(design, y, of, C, at)
    for _ in range(_STEPS):
        p = expit(design @ at)
        slope = design.T @ (of * (p - y)) + _penalty(at, C)
        step = cho_solve(cho_factor(_curvature(design, of * p * (1 - p), C), check_finite=False), slope)
        size = 1.0
        while (after := _loss(design, y, of, C, at - size * step)) > value and size > 1e-4:
            size /= 2
        at, gained = at - size * step, value - after
        value = after
        if gained <= _ENOUGH * abs(value):
            break
    return at


def _left_out(design: Float, y: Int, of: Float, C: float, at: Float) -> float:
    """The log-loss of each row by the weights without it, summed."""
    s = design @ at
    spread = np.maximum(expit(s) * (1 - expit(s)), 1e-10)
    lower = np.linalg.cholesky(_curvature(design, of * spread, C))
    half = solve_triangular(lower, design.T, lower=True, check_finite=False)
    leverage = np.minimum(of * spread * (half**2).sum(axis=0), 0.999)
    moved = s + leverage / (1 - leverage) * (expit(s) - y) / spread
    return float(of @ (np.logaddexp(0, moved) - y * moved))


def _curvature(design: Float, spread: Float, C: float) -> Float:
    root = design * np.sqrt(spread)[:, None]
    out: Float = root.T @ root
    out[np.diag_indices(len(out))] += np.append(np.full(len(out) - 1, 1 / C), 1e-9)
    return out


def _penalty(at: Float, C: float) -> Float:
    return np.append(at[:-1] / C, 0.0)


def _loss(design: Float, y: Int, of: Float, C: float, at: Float) -> float:
    s = design @ at
    return float(of @ (np.logaddexp(0, s) - y * s) + at[:-1] @ at[:-1] / (2 * C))


def _logit(p: Any) -> Any:
    return np.log(p) - np.log1p(-p)
