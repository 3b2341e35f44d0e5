"""What became of those who first bought in the same month, quarter or week."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd

from crmintel.columns import AMOUNT
from crmintel.errors import DataContractError
from crmintel.evaluation import tables
from crmintel.interactions import InteractionLog
from crmintel.interactions.clock import Int
from crmintel.value.purchases import Float, PurchaseDays

COHORT: Final = "cohort"
ALL: Final = "all"
BUYERS, MONEY = "buyers", "money"
_SHOWN: Final = 13
"""Ages in the HTML table."""
_MONDAY: Final = 3
"""1970-01-01 was a Thursday, three days after a Monday."""


@final
@dataclass(frozen=True, repr=False)
class CohortTriangle:
    """Cohorts down, age across: how many still bought, or what they brought.

    Parameters
    ----------
    what : str
        "buyers" or "money".
    period : str
        "week", "month" or "quarter".
    customers : Series of int, indexed by cohort
        The first day of the period in which they first bought, and how many they are.
    totals : DataFrame, shape (n_cohorts, n_ages)
        Buyers or money of each cohort at age 0, 1, 2 … periods; missing where the period was not seen whole.
    until : Timestamp
        The last day that was seen.

    Examples
    --------
    >>> from crmintel.value import cohort_retention
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> cohort_retention(log, "quarter")
    CohortTriangle of buyers: 194 customers in 5 cohorts by quarter, seen until 2024-02-04; 74.1% buy in the quarter after their first
    """

    what: str
    period: str
    customers: pd.Series
    totals: pd.DataFrame
    until: pd.Timestamp

    @property
    def each(self) -> pd.DataFrame:
        """Totals per customer of the cohort: the share who bought, or money each."""
        return self.totals.div(self.customers, axis=0)

    @property
    def cumulative(self) -> pd.DataFrame:
        """`each`, added up from age 0 on: periods with a purchase so far, or money so far."""
        return self.each.cumsum(axis=1)

    @property
    def overall(self) -> pd.Series:
        """`each` of all cohorts together at each age, over those that have been seen at it."""
        seen = self.totals.notna()
        people = seen.mul(self.customers, axis=0).sum()
        return self.totals.sum().div(people.where(people > 0))

    def to_frame(self) -> pd.DataFrame:
        """One row a cohort and one, called "all", for all of them: customers, and `each` at age 0, 1, 2 …"""
        rows = pd.concat([self.customers.rename("customers"), self.each], axis=1)
        rows.index = pd.DatetimeIndex(rows.index).strftime("%Y-%m-%d")
        whole = pd.DataFrame([[int(self.customers.sum()), *self.overall]], columns=rows.columns, index=[ALL])
        return pd.concat([rows, whole]).rename_axis(COHORT)

    def __repr__(self) -> str:
        later = self.overall.iloc[1:2].dropna()
        told = f"; {later.iloc[0]:.1%} buy in the {self.period} after their first" if len(later) else ""
        return (
            f"CohortTriangle of {self.what}: {self.customers.sum():,} customers in {len(self.customers):,} cohorts by "
            f"{self.period}, seen until {self.until:%Y-%m-%d}{told if self.what == BUYERS else ''}"
        )

    def _repr_html_(self) -> str:
        told = self.to_frame().iloc[:, : _SHOWN + 1]
        named = told.set_axis(["customers", *(str(c) for c in told.columns[1:])], axis=1).reset_index()
        return tables.page(repr(self), **{self.what: named})


def cohort_retention(log: InteractionLog, period: str = "month", *, at: Any = None) -> CohortTriangle:
    """Share of each cohort's customers who bought in the period of their first purchase and in each one after it.

    Days are told by the business clock of the log; a return is no purchase. A period is told of only if it was seen to its
    last day. The first cohort also holds those who were customers before the log begins.

    Parameters
    ----------
    log : InteractionLog
    period : {"month", "quarter", "week"}, default="month"
        Weeks begin on Monday.
    at : instant, optional
        Only what was known before it; by default the whole log, which then is taken to be whole up to the day of its last row.

    Raises
    ------
    DataContractError
        If the period is none of these, or nobody bought.

    Examples
    --------
    >>> days = ["2024-01-05", "2024-02-09", "2024-01-20", "2024-02-02", "2024-03-31"]
    >>> frame = pd.DataFrame({"customer_id": [1, 1, 2, 3, 3], "timestamp": pd.to_datetime(days)})
    >>> cohort_retention(InteractionLog.read(frame)).to_frame().round(2).reset_index()
           cohort  customers    0     1    2
    0  2024-01-01          2  1.0  0.50  0.0
    1  2024-02-01          1  1.0  1.00  NaN
    2         all          3  1.0  0.67  0.0
    """
    return _triangle(log, period, at, BUYERS)


def cohort_revenue(log: InteractionLog, period: str = "month", *, at: Any = None) -> CohortTriangle:
    """Money of each cohort's customers in the period of their first purchase and in each one after it.

    As `cohort_retention`. What was returned is taken off the purchase day at or before it, so that the money of a period can
    still fall afterwards; returns of things bought before the log begins are left out.

    Raises
    ------
    DataContractError
        If the log has no amounts, the period is none of those, or nobody bought.

    Examples
    --------
    >>> days = ["2024-01-05", "2024-02-09", "2024-02-11", "2024-01-20", "2024-02-29"]
    >>> money = [10.0, 8.0, -3.0, 16.0, 7.0]
    >>> kinds = ["purchase", "purchase", "return", "purchase", "purchase"]
    >>> frame = pd.DataFrame({"customer_id": [1, 1, 1, 2, 3], "timestamp": pd.to_datetime(days), "kind": kinds})
    >>> triangle = cohort_revenue(InteractionLog.read(frame.assign(amount=money)))
    >>> triangle.totals.to_numpy().tolist(), triangle.cumulative.iloc[0].tolist()
    ([[26.0, 5.0], [7.0, nan]], [13.0, 15.5])
    """
    if not log.has_amounts:
        raise DataContractError(f"Money of cohorts needs amounts. Map {AMOUNT!r}, or unit_price and quantity.")
    return _triangle(log, period, at, MONEY)


def _triangle(log: InteractionLog, period: str, at: Any, what: str) -> CohortTriangle:
    if period not in _NUMBER:
        raise DataContractError(f"Unknown period {period!r}. Choose from {', '.join(_NUMBER)}.")
    days = PurchaseDays.of(log, at).purchases()
    number = _NUMBER[period](days.day)
    born = number[days.starts[:-1]]
    age = number - born[days.owner]
    last = int(_NUMBER[period](np.array([days.end + 1]))[0]) - 1  # the last that was seen whole
    first = int(born.min())
    shape = (int(born.max()) - first + 1, max(last - first + 1, 1))
    cell = (born[days.owner] - first) * shape[1] + age
    inside = number <= last
    told: Float | None = days.amount
    if what == BUYERS:
        once = np.r_[True, (np.diff(days.owner) != 0) | (np.diff(number) != 0)]
        told = once.astype(np.float64)
    assert told is not None
    total = np.bincount(cell[inside], told[inside], minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    cohort, ages = np.arange(first, first + shape[0]), np.arange(shape[1])
    total[cohort[:, None] + ages > last] = np.nan
    people = np.bincount(born - first)
    held = people > 0
    index = pd.DatetimeIndex(_START[period](cohort[held]).astype("datetime64[us]"), name=COHORT)
    customers = pd.Series(people[held], index=index, name="customers")
    until = pd.Timestamp(days.end * 86_400, unit="s").as_unit("us")
    return CohortTriangle(what, period, customers, pd.DataFrame(total[held], index=index), until)


def _months(day: Int) -> Int:
    out: Int = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return out


_NUMBER: Final[Mapping[str, Callable[[Int], Int]]] = {
    "month": _months,
    "quarter": lambda day: _months(day) // 3,
    "week": lambda day: (day + _MONDAY) // 7,
}
_START: Final[Mapping[str, Callable[[Int], Any]]] = {
    "month": lambda n: n.astype("datetime64[M]"),
    "quarter": lambda n: (3 * n).astype("datetime64[M]"),
    "week": lambda n: (7 * n - _MONDAY).astype("datetime64[D]"),
}
