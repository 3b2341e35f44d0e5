"""How good predicted times are: their order, the distance of survival curves from what happened, and calibration."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.errors import DataContractError
from crmintel.evaluation import checks
from crmintel.evaluation.aligned import together
from crmintel.evaluation.intervals import Floats
from crmintel.evaluation.kaplan_meier import Bools, distinct, kaplan_meier, spells
from crmintel.evaluation.ordering import Ordering, equal_bins
from crmintel.evaluation.times import length

Int = npt.NDArray[np.int64]


def concordance(duration: npt.ArrayLike, observed: npt.ArrayLike, risk: npt.ArrayLike) -> float:
    """Chance that of two customers the one who left first had the higher risk (Harrell's C).

    Parameters
    ----------
    duration, observed : arrays, shape (n_customers,)
        As in `kaplan_meier`.
    risk : array of float, shape (n_customers,)
        Higher means sooner; equal risks count half.

    Raises
    ------
    DataContractError
        If no two customers can be compared, or as in `kaplan_meier`.

    Notes
    -----
    Two customers are compared when the first to go was seen leaving; of equal times, when only one left. O(n log n).

    References
    ----------
    Harrell, Califf, Pryor, Lee, Rosati (1982), JAMA 247, 2543-2546.

    Examples
    --------
    >>> concordance([1, 2, 3, 4], [True, True, False, True], [0.9, 0.4, 0.5, 0.1])
    0.8
    """
    told = together(duration=duration, observed=observed, risk=risk)
    times, seen, _ = spells(told["duration"], told["observed"])
    score = checks.numbers(told["risk"], "risk")
    checks.same_length({"duration": times, "risk": score})
    order = np.lexsort((~seen, times))
    times, seen = times[order], seen[order]
    rank = np.unique(score, return_inverse=True)[1][order]
    later = (
        np.searchsorted(times, times, side="left")
        + np.bincount(_code(times), weights=seen).astype(np.int64)[_code(times)]
    )
    lower, equal = _lower(rank, later[seen], rank[seen])
    pairs = int((len(times) - later[seen]).sum())
    if not pairs:
        raise DataContractError(
            f"No two of {len(times):,} customers can be compared: nobody was there after another had left. Use more customers."
        )
    return float((lower.sum() + equal.sum() / 2) / pairs)


def brier_curve(
    duration: npt.ArrayLike, observed: npt.ArrayLike, survival: npt.ArrayLike, times: npt.ArrayLike, *,
    censoring: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> Floats:  # fmt: skip
    """Mean squared distance between "still there" and its probability, at each time, shape (n_times,).

    Parameters
    ----------
    duration, observed : arrays, shape (n_customers,)
        As in `kaplan_meier`.
    survival : frame or array in [0, 1], shape (n_customers, n_times)
        Probability of being there after each time; a frame finds its customers by its index, as Series do.
    times : array, shape (n_times,), rising
        Below the longest duration.
    censoring : (duration, observed), optional
        Customers, such as those that were learned from, who say how likely one is still seen after a time; by default those judged.

    Notes
    -----
    Who was last seen before a time is not judged at it; the others count for them (inverse probability of censoring weights).

    References
    ----------
    Graf, Schmoor, Sauerbrei, Schumacher (1999), Statistics in Medicine 18, 2529-2545.

    Examples
    --------
    >>> brier_curve([1, 2, 3], [True, True, True], [[0.5], [1.0], [1.0]], [1]).round(4).tolist()
    [0.0833]
    """
    told = together(duration=duration, observed=observed, survival=_places(survival))
    span, seen, _ = spells(told["duration"], told["observed"])
    p, at = np.asarray(survival, np.float64), np.asarray(times, np.float64)
    p = p if told["survival"] is None else p[np.asarray(told["survival"])]
    _curves(p, at, span)
    other = (span, seen) if censoring is None else spells(*censoring)[:2]
    if span[seen].max() > other[0].max() and _still(*other, other[0].max(keepdims=True))[0] > 0:
        raise DataContractError(
            f"Leaving was seen at up to {span[seen].max():g}, but the customers of `censoring` only to {other[0].max():g}: "
            "nothing tells how likely one is seen longer. Judge up to there."
        )
    own, there = _inverse(_still(*other, span)), _inverse(_still(*other, at))
    left = (span[:, None] <= at) & seen[:, None]
    stays = span[:, None] > at
    return np.asarray(np.mean(left * p**2 * own[:, None] + stays * (1 - p) ** 2 * there, axis=0))


def integrated_brier(
    duration: npt.ArrayLike, observed: npt.ArrayLike, survival: npt.ArrayLike, times: npt.ArrayLike, *,
    censoring: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> float:  # fmt: skip
    """The mean of `brier_curve` over its times (trapezoids); arguments as there, at least two times.

    Examples
    --------
    >>> integrated_brier([1, 2, 3], [True, True, True], [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], [1, 2])
    0.0
    """
    at = np.asarray(times, np.float64)
    if len(at) < 2:
        raise DataContractError(f"times holds {len(at)} time(s). Pass at least two.")
    scores = brier_curve(duration, observed, survival, at, censoring=censoring)
    return float(np.trapezoid(scores, at) / (at[-1] - at[0]))


def horizon_calibration(
    duration: npt.ArrayLike, observed: npt.ArrayLike, p: npt.ArrayLike, horizon: float, *, bins: int = 10
) -> pd.DataFrame:
    """What was promised for a horizon and what happened, for customers grouped from unlikely to likely.

    Parameters
    ----------
    p : array in [0, 1], shape (n_customers,)
        Probability of leaving within the horizon.
    horizon : float
        At most the longest duration.

    Returns
    -------
    DataFrame with bin (from 1), customers, predicted (mean probability), observed, low, high (one minus the Kaplan–Meier curve at the
    horizon, and its 95 % interval; missing where a bin is not seen that long). Equal probabilities share a bin.

    Examples
    --------
    >>> horizon_calibration([1, 3, 3, 3], [1, 0, 1, 0], [0.6, 0.6, 0.1, 0.1], 2, bins=2)[["customers", "observed"]]
       customers  observed
    0          2       0.0
    1          2       0.5
    """
    told = together(duration=duration, observed=observed, p=p)
    span, seen, _ = spells(told["duration"], told["observed"])
    probability = checks.probabilities(told["p"])
    checks.same_length({"duration": span, "p": probability})
    horizon = length(horizon, "horizon")
    if not 0 < horizon <= span.max():
        raise DataContractError(f"horizon is {horizon:g}; customers are seen up to {span.max():g}. Ask within that.")
    ordering = Ordering.descending(-probability)
    values = np.unique(probability)
    block = equal_bins(ordering.sums(np.ones(len(span))), bins)[np.searchsorted(values, probability)]
    rows = []
    for number, b in enumerate(np.unique(block), start=1):
        inside = block == b
        observed_share = _left_by(span[inside], seen[inside], horizon)
        rows.append((number, int(inside.sum()), float(probability[inside].mean()), *observed_share))
    return pd.DataFrame(rows, columns=["bin", "customers", "predicted", "observed", "low", "high"])


def _left_by(span: Floats, seen: Bools, horizon: float) -> tuple[float, float, float]:
    """The share that left by a horizon, with its interval."""
    if not seen.any():
        known = span.max() >= horizon
        return (0.0, 0.0, 0.0) if known else (np.nan, np.nan, np.nan)
    told = kaplan_meier(span, seen).estimate(horizon)
    return 1 - told.value, 1 - told.high, 1 - told.low


def _places(curves: Any) -> pd.Series | None:
    """The places of a frame's rows under its index; nothing where there is no index."""
    return pd.Series(np.arange(len(curves)), index=curves.index) if isinstance(curves, pd.DataFrame) else None


def _code(times: Floats) -> npt.NDArray[np.intp]:
    return distinct(times)[1]


def _lower(rank: Int, start: Int, of: Int) -> tuple[Int, Int]:
    """For each question, how many of ``rank[start:]`` are below and equal to `of`: a wavelet matrix, bit by bit."""
    left, right = start, np.full(len(start), len(rank))
    below = np.zeros(len(start), np.int64)
    for bit in reversed(range(int(rank.max(initial=0)).bit_length())):
        one = (rank >> bit) & 1
        zeros = np.concatenate([[0], np.cumsum(1 - one)])
        left_zeros, right_zeros = zeros[left], zeros[right]
        high = (of >> bit) & 1 == 1
        below += np.where(high, right_zeros - left_zeros, 0)
        left = np.where(high, zeros[-1] + left - left_zeros, left_zeros)
        right = np.where(high, zeros[-1] + right - right_zeros, right_zeros)
        rank = rank[np.argsort(one, kind="stable")]
    return below, right - left


def _still(span: Floats, seen: Bools, at: Floats) -> Floats:
    """How likely one is still seen after times, whoever left (Kaplan–Meier of being last seen; leaving counts first)."""
    time, code = distinct(span)
    ends = np.bincount(code)
    left = np.bincount(code, weights=seen).astype(np.int64)
    at_risk = np.cumsum(ends[::-1])[::-1] - left
    curve = np.cumprod(1 - (ends - left) / np.maximum(at_risk, 1))
    return np.concatenate([[1.0], curve])[np.searchsorted(time, at, side="right")]


def _inverse(share: Floats) -> Floats:
    """One divided by a share; nothing where nobody is seen any more."""
    return np.divide(1.0, share, out=np.zeros_like(share), where=share > 0)


def _curves(p: Floats, at: Floats, span: Floats) -> None:
    if p.shape != (len(span), len(at)):
        raise DataContractError(
            f"survival has shape {p.shape} for {len(span):,} customers and {len(at):,} times. Pass one row a customer."
        )
    outside = int((~((p >= 0) & (p <= 1))).sum())
    if outside:
        raise DataContractError(f"survival lies outside 0 to 1 in {outside:,} of {p.size:,} cells. Pass probabilities.")
    if not len(at) or (np.diff(at) <= 0).any() or at[0] < 0 or at[-1] >= span.max():
        raise DataContractError(
            f"times must rise from 0 or more to below the longest duration, {span.max():g}. Leave out the others."
        )
