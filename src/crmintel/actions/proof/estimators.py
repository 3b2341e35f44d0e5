"""Estimators of what a policy is worth: influence values of each, their spread by customer, and which bias to accept."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.actions.proof.logged import Logged
from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Floats, group_codes

CUTS: Final = (1, 5, 10, 50, 100, 1_000)
"""Weights above one of these are left to the model (Switch)."""
SHRINKAGES: Final = (1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7)
PLAIN: Final = ("IPW", "SNIPW", "DM", "DR", "SNDR")


def moments(make: Callable[[slice], Floats], log: Logged, shift: float = 0.0) -> tuple[Floats, Floats]:
    """Mean and standard error of rows of influence values, summed by customer first; shapes (k,).

    Parameters
    ----------
    make : callable
        From some rounds to their influence values less `shift`, shape (k, rounds).
    shift : float
        About the mean, so that no digits cancel in the sums of squares.
    """
    total = square = cross = np.zeros(1)
    squared = 0.0
    for rows, starts in log.blocks():
        values = make(rows)
        ones = np.ones(values.shape[1])
        part = values @ ones
        total = total + part
        if starts is None:
            cross, squared = cross + part, squared + len(ones)
        else:
            values, sizes = np.add.reduceat(values, starts, axis=1), np.add.reduceat(ones, starts)
            cross, squared = cross + values @ sizes, squared + float(sizes @ sizes)
        square = square + np.vecdot(values, values)
    off = total / log.n
    spread = np.maximum(square - 2 * off * cross + off**2 * squared, 0)
    return shift + off, np.sqrt(spread * log.clusters / max(log.clusters - 1, 1)) / log.n


def plain(log: Logged, weight: Floats, shift: float) -> Callable[[slice], Floats]:
    """Influence values, less a shift, of the five estimators that have nothing to tune."""
    y, model, rest = log.outcome, log.direct, log.residual
    sums = weight.sum()
    if not sums:
        raise DataContractError(
            f"The target never takes the action that was logged in {log.n:,} rounds, so they tell nothing about it. "
            "Evaluate a policy whose actions were tried."
        )
    mean, ratio, correction = sums / log.n, weight @ y / sums, weight @ rest / sums

    def make(rows: slice) -> Floats:
        w, dm = weight[rows], model[rows] - shift
        told = np.empty((len(PLAIN), len(w)))
        ipw, snipw, direct, dr, sndr = told
        # w y and w res; then what self-normalising takes off them, w v and w s, over the mean weight.
        np.multiply(w, y[rows], out=ipw)
        np.multiply(w, rest[rows], out=dr)
        np.subtract(ipw, w * ratio, out=snipw)
        np.subtract(dr, w * correction, out=sndr)
        snipw /= mean
        snipw += ratio - shift
        sndr /= mean
        sndr += dm
        sndr += correction
        ipw -= shift
        dr += dm
        direct[:] = dm
        return told

    return make


def tempered(
    log: Logged, weight: Floats, cuts: Sequence[float], shrinkages: Sequence[float], shift: float | None
) -> Callable[[slice], Floats]:
    """Influence values of Switch at each cut, then of each shrinkage: less a shift, or, without one, less those of DR."""
    model, rest = log.direct, log.residual

    def make(rows: slice) -> Floats:
        w = weight[rows]
        wr, square = w * rest[rows], w * w
        told = np.empty((len(cuts) + len(shrinkages), len(w)))
        for one, cut in zip(told, cuts, strict=False):
            np.less_equal(w, cut, out=one)
        for one, shrinkage in zip(told[len(cuts) :], shrinkages, strict=True):
            np.add(square, shrinkage, out=one)
            np.divide(shrinkage, one, out=one)
        if shift is None:
            told -= 1
            return np.multiply(told, wr, out=told)
        told *= wr
        return np.add(told, model[rows] - shift, out=told)

    return make


def grids(weight: Floats) -> tuple[list[float], list[float]]:
    """Cuts and shrinkages that make a difference to DR."""
    most = float(weight.max())
    return [c for c in CUTS if c < most], [s for s in SHRINKAGES if s < 10 * most**2]


def slope(values: npt.ArrayLike, widths: npt.ArrayLike) -> int:
    """Which of several estimators to use: the narrowest whose interval still meets those of all the wider ones.

    Parameters
    ----------
    values, widths : arrays, shape (k,)
        Estimates, and half the width of the interval of each; the widest has no bias.

    Returns
    -------
    int
        Position of the one chosen.

    References
    ----------
    Su, Srinath, Krishnamurthy (2020), Adaptive estimator selection for off-policy evaluation, ICML.

    Examples
    --------
    >>> slope([1.0, 1.1, 3.0], [0.4, 0.2, 0.1])
    1
    """
    value, width = np.asarray(values, float), np.asarray(widths, float)
    if value.ndim != 1 or value.shape != width.shape or not len(value) or not np.isfinite(value + width).all():
        raise DataContractError(
            f"values have shape {value.shape}, widths {width.shape}. Give one finite number each for every estimator."
        )
    order = np.argsort(-width, kind="stable")
    low = np.maximum.accumulate(value[order] - 2 * width[order])
    high = np.minimum.accumulate(value[order] + 2 * width[order])
    parted = np.flatnonzero(low > high)
    return int(order[parted[0] - 1 if len(parted) else -1])


def embedded(log: Logged, embedding: Any) -> Floats:
    """Weights over what actions have in common: π over propensity of all actions with the features of the one logged.

    References
    ----------
    Saito, Joachims (2022), arXiv 2202.06317, section 3; features that an action fixes, so p(e|a) is 0 or 1.
    """
    if log.every is None:
        raise DataContractError(
            "embedding needs the propensities of all actions. Pass propensity with one column each."
        )
    features = pd.DataFrame(embedding)
    lacking = [a for a in log.names if a not in features.index]
    if lacking:
        raise DataContractError(f"embedding has no row for the actions {lacking[:5]}. Give one row an action.")
    told = features.loc[log.names].astype(str).agg("\x1f".join, axis=1)
    alike = np.equal.outer(*[group_codes(told.to_numpy(object), len(log.names))] * 2).astype(float)
    same = alike[log.action]
    above = alike[log.choice, log.action] if log.target is None else np.einsum("ij,ij->i", log.target, same)
    return np.asarray(above / np.einsum("ij,ij->i", log.every, same))
