"""How good a forecast of money is: per customer, in total, at the top of the list, and in its own interval."""

import numpy as np
import numpy.typing as npt

from crmintel.errors import DataContractError
from crmintel.evaluation import checks
from crmintel.evaluation.intervals import Estimate, Floats, wilson
from crmintel.evaluation.ordering import Ordering, block_capture


def mean_absolute_error(y: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """How far off the forecast is for a customer, on average, in the unit of `y`.

    Parameters
    ----------
    y, prediction : array of float, shape (n_customers,)
        What each customer really spent later, and the forecast, in the same currency.

    Raises
    ------
    ValueError
        If a number is missing or infinite, or lengths differ.

    Examples
    --------
    >>> mean_absolute_error([10.0, 0.0], [8.0, 4.0])
    3.0
    """
    truth, forecast = _pair(y, prediction)
    return float(np.abs(forecast - truth).mean())


def total_error(y: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """How far the forecast of all customers' money together is off, as a share: 0.1 is 10 % too much.

    Raises
    ------
    ValueError
        If the real total is zero: then no share of it exists.

    Examples
    --------
    >>> total_error([10.0, 10.0], [8.0, 14.0])
    0.1
    """
    truth, forecast = _pair(y, prediction)
    if truth.sum() == 0:
        raise DataContractError(f"The total of y over {len(truth):,} customers is zero. Use a horizon with purchases.")
    return float((forecast.sum() - truth.sum()) / abs(truth.sum()))


def capture(y: npt.ArrayLike, score: npt.ArrayLike, depth: float = 0.1) -> float:
    """Share of the later money that the top of the list holds.

    Parameters
    ----------
    y : array of float, shape (n_customers,)
        Money spent later.
    score : array of float, shape (n_customers,)
        Higher means worth more; equal scores count by their expected share.
    depth : float in (0, 1], default=0.1
        Part of the list that is looked at, rounded up to whole customers.

    Raises
    ------
    ValueError
        If the money sums to zero or less: then there is nothing to hold a share of.

    Examples
    --------
    >>> capture([60.0, 20.0, 20.0, 0.0], [9.0, 5.0, 5.0, 1.0], depth=0.5)
    0.8
    """
    truth, values = checks.amounts(y, "y"), checks.numbers(score, "score")
    checks.same_length({"y": truth, "score": values})
    if truth.sum() <= 0:
        raise checks.nothing_spent(truth)
    ordering = Ordering.descending(values)
    return block_capture(ordering.sums(truth), ordering.sums(np.ones(len(truth))), depth)


def coverage(y: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike) -> Estimate:
    """Share of customers whose money really fell inside their interval, both ends included.

    Raises
    ------
    ValueError
        If an interval has its low end above its high end, a number is missing, or lengths differ.

    Examples
    --------
    >>> print(coverage([1.0, 5.0], [0.0, 0.0], [2.0, 2.0]))
    0.500 (0.095 to 0.905)
    """
    truth, lower, upper = checks.amounts(y, "y"), checks.numbers(low, "low"), checks.numbers(high, "high")
    checks.same_length({"y": truth, "low": lower, "high": upper})
    crossed = int((lower > upper).sum())
    if crossed:
        raise DataContractError(f"low is above high for {crossed:,} of {len(truth):,} customers. Swap the two.")
    return wilson(int(((lower <= truth) & (truth <= upper)).sum()), len(truth))


def _pair(y: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Floats, Floats]:
    truth, forecast = checks.amounts(y, "y"), checks.amounts(prediction, "prediction")
    checks.same_length({"y": truth, "prediction": forecast})
    return truth, forecast
