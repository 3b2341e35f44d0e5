"""The most likely parameters: a start from a sample, quasi-Newton steps on all rows, and the curvature at the end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from scipy.optimize import minimize

from crmintel.value.packing import Float, Rows

Objective = Callable[[Float, Rows], tuple[float, Float]]
"""Mean loss and its gradient at logarithms of parameters (and coefficients) on some rows."""
SAMPLE: Final = 20_000
EDGE: Final = 12.0
"""Logarithms of parameters beyond it are held back: a parameter there has run away."""
_STEP: Final = 1e-4
_TOLERANCE: Final = 1e-8
_LEAST_CURVATURE: Final = 1e-12


@final
@dataclass(frozen=True, eq=False)
class Maximum:
    """Where the mean loss is least, and the matrix of its second derivatives there."""

    theta: Float
    loss: float
    hessian: Float
    converged: bool


def maximise(objective: Objective, rows: Rows, start: Float, n_logs: int) -> Maximum:
    """Least mean loss on all rows. The first `n_logs` numbers are logarithms, and held within ±12."""

    def of(some: Rows) -> Callable[[Float], tuple[float, Float]]:
        return lambda theta: _held(objective, theta, some, n_logs)

    inverse = None
    if len(rows.weight) > SAMPLE:
        few = rows.sample(SAMPLE)
        start = minimize(of(few), start, jac=True, method="BFGS", options={"gtol": 1e-5}).x
        inverse = inverted(curvature(of(few), start))
    told: dict[str, Any] = {"gtol": _TOLERANCE} | ({} if inverse is None else {"hess_inv0": inverse})
    found = minimize(of(rows), start, jac=True, method="BFGS", options=told)
    slope = float(np.abs(found.jac).max())
    return Maximum(found.x, float(found.fun), curvature(of(rows), found.x), slope < 1e-4)


def curvature(gradient_of: Callable[[Float], tuple[float, Float]], theta: Float) -> Float:
    """Second derivatives by central differences of the gradient, shape (n, n)."""
    n = len(theta)
    out = np.empty((n, n))
    for i in range(n):
        step = np.zeros(n)
        step[i] = _STEP
        out[i] = (gradient_of(theta + step)[1] - gradient_of(theta - step)[1]) / (2 * _STEP)
    return (out + out.T) / 2


def inverted(hessian: Float) -> Float:
    """The inverse; where there is next to no curvature it is very large, never negative."""
    values, vectors = np.linalg.eigh(hessian)
    inverse = (vectors / np.maximum(values, _LEAST_CURVATURE)) @ vectors.T
    return np.asarray((inverse + inverse.T) / 2)


def _held(objective: Objective, theta: Float, rows: Rows, n_logs: int) -> tuple[float, Float]:
    """The loss, and a soft wall around logarithms beyond the edge."""
    inside = theta.copy()
    inside[:n_logs] = np.clip(theta[:n_logs], -EDGE, EDGE)
    beyond = theta - inside
    loss, slope = objective(inside, rows)
    slope = np.where(beyond == 0, slope, 0.0) + beyond
    return loss + 0.5 * float(beyond @ beyond), slope
