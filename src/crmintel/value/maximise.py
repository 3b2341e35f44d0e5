"""The most likely parameters: a start from a sample, quasi-Newton steps on all rows, and the curvature at the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from scipy import optimize

from crmintel.value.packing import Float, Rows

Objective = Callable[[Float, Rows], tuple[float, Float]]
"""Mean loss and its gradient at logarithms of parameters (and coefficients) on some rows."""
Slopes = Callable[[Float], tuple[float, Float]]
_minimize: Any = optimize.minimize  # its stubs do not know the options of BFGS
SAMPLE: Final = 20_000
EDGE: Final = 12.0
"""Logarithms of parameters beyond it are held back: a parameter there has run away."""
_STEP: Final = 1e-5
_FLAT: Final = 1e-5
_NEAR: Final = 0.01
_AWAY: Final = 8.0
_CURVED: Final = 3e-3
_TOLERANCE: Final = 1e-6
_LEAST_CURVATURE: Final = 1e-12


@final
@dataclass(frozen=True, eq=False)
class Maximum:
    """Where the mean loss is least, and the matrix of its second derivatives there."""

    theta: Float
    loss: float
    hessian: Float
    converged: bool


def maximise(objective: Objective, rows: Rows, starts: Sequence[Float], n_logs: int) -> Maximum:
    """Least mean loss on all rows. The first `n_logs` numbers are logarithms, and held within ±12.

    The later starts are tried only if those before them run away; the best end counts.
    """
    found: list[Maximum] = []
    for start in starts:
        found.append(_search(objective, rows, start, n_logs))
        if np.abs(found[-1].theta[:n_logs]).max() < _AWAY:
            break
    return min(found, key=lambda m: m.loss)


def _search(objective: Objective, rows: Rows, start: Float, n_logs: int) -> Maximum:
    """From one start: on a sample first if there are many rows."""

    def of(some: Rows) -> Slopes:
        return lambda theta: _held(objective, theta, some, n_logs)

    if len(rows.weight) > SAMPLE:
        few = of(rows.sample(SAMPLE))
        start = _descend(few, start, _bowl(curvature(few, start))).x
        found = _descend(of(rows), start, _bowl(curvature(few, start)))
    else:
        found = _descend(of(rows), start, _bowl(curvature(of(rows), start)))
    hessian, slope = curvature(of(rows), found.x, found.jac), float(np.abs(found.jac).max())
    step = inverted(hessian) @ found.jac  # Newton's last step is free: the curvature is needed anyway
    theta = found.x - step if np.abs(step).max() < _NEAR else found.x
    return Maximum(theta, float(found.fun), hessian, slope < _FLAT)


def curvature(gradient_of: Slopes, theta: Float, here: Float | None = None) -> Float:
    """Second derivatives by differences of the gradient, shape (n, n); `here` is the gradient at theta, if known."""
    here = gradient_of(theta)[1] if here is None else here
    out = np.array([(gradient_of(theta + step)[1] - here) / _STEP for step in _STEP * np.eye(len(theta))])
    return _symmetric(out)


def inverted(hessian: Float) -> Float:
    """The inverse; where there is next to no curvature it is very large, never negative."""
    values, vectors = np.linalg.eigh(hessian)
    return _symmetric((vectors / np.maximum(values, _LEAST_CURVATURE)) @ vectors.T)


def _bowl(hessian: Float) -> Float:
    """The inverse for a first step: hills are turned into bowls, and flat directions made less so."""
    values, vectors = np.linalg.eigh(hessian)
    return _symmetric((vectors / np.maximum(np.abs(values), _CURVED)) @ vectors.T)


def _symmetric(matrix: Float) -> Float:
    return np.asarray((matrix + matrix.T) / 2)


def _descend(of: Slopes, start: Float, inverse: Float) -> Any:
    return _minimize(of, start, jac=True, method="BFGS", options={"gtol": _TOLERANCE, "hess_inv0": inverse})


def _held(objective: Objective, theta: Float, rows: Rows, n_logs: int) -> tuple[float, Float]:
    """The loss, and a soft wall around logarithms beyond the edge."""
    inside = theta.copy()
    inside[:n_logs] = np.clip(theta[:n_logs], -EDGE, EDGE)
    beyond = theta - inside
    loss, slope = objective(inside, rows)
    slope = np.where(beyond == 0, slope, 0.0) + beyond
    return loss + 0.5 * float(beyond @ beyond), slope
