"""Whether forecasts come true on average: group by group of customers, with the interval of what really came."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd
from scipy.stats import t as student

from crmintel.errors import DataContractError
from crmintel.evaluation import checks, tables
from crmintel.evaluation.aligned import together
from crmintel.evaluation.ordering import Ordering, equal_bins
from crmintel.interactions.clock import Int
from crmintel.value.purchases import FREQUENCY, Float

MOST: Final = 7
"""Customers with so many repeat purchases or more are one group."""


@final
@dataclass(frozen=True, repr=False)
class GroupMeans:
    """Predicted and actual means of groups of customers.

    Parameters
    ----------
    table : DataFrame
        One row a group: its name (first column), customers, expected and actual (means), low and high (95 % for the
        actual mean; missing for a single customer).

    Examples
    --------
    >>> from crmintel.value import calibration_by_decile
    >>> expected = pd.Series(np.arange(200.0))
    >>> told = calibration_by_decile(expected, expected * 1.1)
    >>> told
    GroupMeans by decile: 200 customers in 10 groups; the expected mean lies in the interval of the actual mean in 2 of 10
    """

    table: pd.DataFrame

    @property
    def by(self) -> str:
        """What the groups are: "frequency" or "decile"."""
        return str(self.table.columns[0])

    @property
    def outside(self) -> pd.DataFrame:
        """The groups whose expected mean lies outside the interval."""
        told = self.table
        return told[(told["expected"] < told["low"]) | (told["expected"] > told["high"])]

    def to_frame(self) -> pd.DataFrame:
        """One row a group."""
        return self.table.copy(deep=False)

    def __repr__(self) -> str:
        known = int(self.table["low"].notna().sum())
        return (
            f"GroupMeans by {self.by}: {self.table['customers'].sum():,} customers in {len(self.table)} groups; "
            f"the expected mean lies in the interval of the actual mean in {known - len(self.outside)} of {known}"
        )

    def _repr_html_(self) -> str:
        return tables.page(repr(self), groups=self.table)


def conditional_expectation(history: pd.DataFrame, predicted: Any, actual: Any) -> GroupMeans:
    """What was forecast for the holdout and what came, by how often customers had bought before: 0 to 6 times again, and 7 or more.

    Parameters
    ----------
    history : DataFrame
        As `purchase_history` makes it; ``frequency`` is read.
    predicted, actual : Series or array, shape (n_customers,)
        Purchases or money in the holdout; a Series is put into the order of the history.

    Raises
    ------
    DataContractError
        If numbers are missing or infinite, or of other customers.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers the Easy Way", Marketing Science 24, figure 4.

    Examples
    --------
    >>> conditional_expectation(pd.DataFrame({"frequency": [0, 0, 9]}), [0.5, 0.5, 4.0], [0, 2, 5]).table
      frequency  customers  expected  actual  low       high
    0         0          2       0.5     1.0  0.0  13.706205
    1        7+          1       4.0     5.0  NaN        NaN
    """
    if FREQUENCY not in history.columns:
        raise DataContractError(f"Missing column: {FREQUENCY!r}. Make the table with purchase_history(log, at).")
    x, predicted, actual = _columns(history[FREQUENCY], predicted, actual)
    table = _means(np.minimum(x, MOST).astype(np.int64), predicted, actual)
    names = [f"{MOST}+" if g == MOST else str(g) for g in table.index]
    table.insert(0, FREQUENCY, pd.Series(names, index=table.index, dtype="str"))
    return GroupMeans(table.reset_index(drop=True))


def calibration_by_decile(predicted: Any, actual: Any) -> GroupMeans:
    """What was forecast and what came, in tenths of customers by forecast; tenth 1 holds the highest.

    Customers of equal forecast stay together, so that tenths can differ in size, or be fewer.

    Parameters
    ----------
    predicted, actual : Series or array, shape (n_customers,)
        A Series is put into the order of the other.

    Raises
    ------
    DataContractError
        If numbers are missing or infinite, or of other customers.

    Examples
    --------
    >>> calibration_by_decile([3.0, 3.0, 1.0, 1.0], [2, 4, 1, 1]).table.round(2)
       decile  customers  expected  actual  low   high
    0       1          2       3.0     3.0  0.0  15.71
    1       2          2       1.0     1.0  1.0   1.00
    """
    told = together(predicted=predicted, actual=actual)
    _, predicted, actual = _columns(told["predicted"], told["predicted"], told["actual"])
    ordering = Ordering.descending(predicted)
    sizes = ordering.sums(np.ones(len(predicted)))
    group = np.empty(len(predicted), np.int64)
    group[ordering.order] = np.repeat(equal_bins(sizes, 10), sizes.astype(np.int64))
    table = _means(group, predicted, actual).reset_index(drop=True)
    table.insert(0, "decile", np.arange(1, len(table) + 1))
    return GroupMeans(table)


def _columns(first: Any, predicted: Any, actual: Any) -> tuple[Float, Float, Float]:
    told = together(first=first, predicted=predicted, actual=actual)
    found = {k: checks.amounts(v, k) for k, v in (told | {"first": first}).items()}
    checks.same_length({"the rows": found["first"], "predicted": found["predicted"], "actual": found["actual"]})
    return found["first"], found["predicted"], found["actual"]


def _means(group: Int, predicted: Float, actual: Float) -> pd.DataFrame:
    """Means of each group that occurs, with the interval of Student's t; what is never below zero has none below it."""
    n = np.bincount(group)
    here = n > 0
    n = n[here]
    expected, mean = (np.bincount(group, v)[here] / n for v in (predicted, actual))
    back = np.cumsum(here) - 1
    square = np.bincount(group, (actual - mean[back[group]]) ** 2)[here]
    spread = np.sqrt(square / np.where(n > 1, n - 1, np.nan) / n)
    half = student.ppf(0.975, np.maximum(n - 1, 1)) * spread
    low = mean - half
    low = np.maximum(low, 0.0) if actual.min(initial=0.0) >= 0 else low
    columns = {"customers": n, "expected": expected, "actual": mean, "low": low, "high": mean + half}
    return pd.DataFrame(columns, index=np.flatnonzero(here))
