"""How good a probability or a score is at saying who will: order, calibration, and the top of the list."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.evaluation import checks
from crmintel.evaluation.intervals import Floats, wilson
from crmintel.evaluation.ordering import (
    Ordering,
    block_auc,
    block_average_precision,
    block_capture,
    block_lift,
    equal_bins,
)

POINTS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Depths of the list that a lift table shows."""


def auc(y: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Chance that a customer who did scores above one who did not.

    Parameters
    ----------
    y : array of bool, shape (n_customers,)
        Who really did.
    score : array of float, shape (n_customers,)
        Higher means likelier; equal scores count half.

    Raises
    ------
    ValueError
        If all customers did or none did, a score is NaN, or lengths differ.

    Examples
    --------
    >>> auc([True, False, True, False], [0.9, 0.1, 0.4, 0.4])
    0.875
    """
    return block_auc(*_blocks(y, score))


def average_precision(y: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Precision averaged over the customers who did, going down the list; equal scores come as one block.

    Arguments and complaints as in `auc`; the share of those who did is what a random list reaches.

    Examples
    --------
    >>> average_precision([True, False, True], [0.9, 0.5, 0.1]) == (1 + 2 / 3) / 2
    True
    """
    return block_average_precision(*_blocks(y, score))


def brier(y: npt.ArrayLike, p: npt.ArrayLike) -> float:
    """Mean squared distance between the probability and what happened (0 is perfect).

    Examples
    --------
    >>> brier([True, False], [1.0, 0.5])
    0.125
    """
    truth, probability = _pair(y, checks.probabilities(p))
    return float(np.mean((probability - truth) ** 2))


def log_loss(y: npt.ArrayLike, p: npt.ArrayLike) -> float:
    """Mean surprise at what happened, in nats; probabilities of 0 and 1 are moved inside by 1e-15.

    Examples
    --------
    >>> round(log_loss([True, False], [0.5, 0.5]), 4)
    0.6931
    """
    truth, probability = _pair(y, checks.probabilities(p))
    return float(surprise(truth, probability).mean())


def calibration_error(y: npt.ArrayLike, p: npt.ArrayLike, *, bins: int = 10) -> float:
    """How far, on average, a group of customers is from the share that was promised for it (0 is perfect).

    Customers are grouped by `p` into `bins` of about the same size (expected calibration error, equal-frequency
    bins); equal probabilities are never split, so there may be fewer bins.

    Examples
    --------
    >>> calibration_error([True, False, False, False], [0.5, 0.5, 0.5, 0.5])
    0.25
    """
    truth, probability = _pair(y, checks.probabilities(p))
    ascending = Ordering.descending(-probability)
    return binned_error(ascending, truth, probability, np.ones(len(truth)), bins)


def lift(y: npt.ArrayLike, score: npt.ArrayLike, *, depth: float = 0.1) -> float:
    """How many times more leavers the top of the list holds than a random list.

    Parameters
    ----------
    y : array of bool, shape (n_customers,)
        Who really left.
    score : array of float, shape (n_customers,)
        Higher means likelier to leave; equal scores count by their expected share.
    depth : float in (0, 1], default=0.1
        Part of the list that is looked at, rounded up to whole customers.

    Raises
    ------
    ValueError
        If nobody left, or everybody: then no list is better than another.

    Examples
    --------
    >>> lift([True, False, False, False], [0.9, 0.5, 0.4, 0.1], depth=0.25)
    4.0
    """
    return block_lift(*_blocks(y, score), depth)


def calibration_table(y: npt.ArrayLike, p: npt.ArrayLike, bins: int = 10) -> pd.DataFrame:
    """What was promised and what happened, for customers grouped from unlikely to likely.

    Returns
    -------
    DataFrame with bin (from 1), customers, predicted and observed (mean probability, share who did), and
    low, high (Wilson's 95 % interval of the observed share). Equal probabilities share a bin.

    Examples
    --------
    >>> calibration_table([False, False, True, True], [0.1, 0.1, 0.7, 0.9], bins=2)[["customers", "observed"]]
       customers  observed
    0          2       0.0
    1          2       1.0
    """
    truth, probability = _pair(y, checks.probabilities(p))
    ascending = Ordering.descending(-probability)
    sums = [ascending.sums(v) for v in (np.ones(len(truth)), truth, probability)]
    index = equal_bins(sums[0], bins)
    customers, positives, promised = (np.bincount(index, weights=v) for v in sums)
    rows = [
        (int(n), total / n, wilson(int(k), int(n)))
        for n, k, total in zip(customers, positives, promised, strict=True)
        if n
    ]
    return pd.DataFrame(
        [(i, n, mean, share.value, share.low, share.high) for i, (n, mean, share) in enumerate(rows, start=1)],
        columns=["bin", "customers", "predicted", "observed", "low", "high"],
    )


def lift_table(y: npt.ArrayLike, score: npt.ArrayLike, points: Sequence[float] = POINTS) -> pd.DataFrame:
    """How much of all who did the top of the list captures, at several depths: depth, captured, lift.

    Examples
    --------
    >>> lift_table([True, False, False, False], [0.9, 0.5, 0.4, 0.1], points=[0.25, 1.0])
       depth  captured  lift
    0   0.25       1.0   4.0
    1   1.00       1.0   1.0
    """
    blocks = _blocks(y, score)
    rows = [(d, block_capture(*blocks, d), block_lift(*blocks, d)) for d in points]
    return pd.DataFrame(rows, columns=["depth", "captured", "lift"])


def surprise(truth: Floats, probability: Floats) -> Floats:
    """The log loss of each customer, shape (n_customers,)."""
    inside = np.clip(probability, 1e-15, 1 - 1e-15)
    return -np.where(truth == 1, np.log(inside), np.log1p(-inside))


def binned_error(ascending: Ordering, truth: Floats, probability: Floats, weights: Floats, bins: int = 10) -> float:
    """Calibration error with a weight for each customer, on an order that was sorted before."""
    total = ascending.sums(weights)
    distance = np.bincount(equal_bins(total, bins), weights=ascending.sums(weights * (truth - probability)))
    return float(np.abs(distance).sum() / total.sum())


def _pair(y: npt.ArrayLike, other: Floats) -> tuple[Floats, Floats]:
    truth = checks.numbers(y, "y")
    checks.same_length({"y": truth, "score": other})
    return checks.labels(truth), other


def _blocks(y: npt.ArrayLike, score: npt.ArrayLike) -> tuple[Floats, Floats]:
    truth, values = _pair(y, checks.numbers(score, "score"))
    ordering = Ordering.descending(values)
    return ordering.sums(truth), ordering.sums(np.ones(len(truth)))
