"""The days on which customers bought: what every model of value stands on."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel import features as f
from crmintel.columns import AMOUNT, CUSTOMER, KIND, PURCHASE, RETURN
from crmintel.errors import DataContractError, NoBuyersError
from crmintel.interactions import InteractionLog, Part
from crmintel.interactions.clock import DAY, Int
from crmintel.showing import Shown

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

FREQUENCY = "frequency"
T_X = "t_x_days"
AGE = "T_days"
MEAN_VALUE = "mean_value"
_BUYS, _NET = f.where(kind=PURCHASE), f.where(kind=[PURCHASE, RETURN])


@final
@dataclass(frozen=True, eq=False)
class PurchaseDays(Shown):
    """Every day on which a customer bought or returned something, and what the day brought.

    Parameters
    ----------
    customers : Index, shape (n_customers,)
        Who bought at least once, rising.
    starts : int64, shape (n_customers + 1,)
        The days of customer ``c`` are ``starts[c]:starts[c + 1]``; the first of them is a purchase.
    day : int64, shape (n_days,)
        Local days since 1970-01-01, rising within a customer.
    bought : bool, shape (n_days,)
        False on a day with nothing but returns.
    amount : float64, shape (n_days,), optional
        Money of the day, net of what was returned on it; None where the log has no amounts.
    end : int
        The last day that was seen.
    early_returns : int
        Days of returns before a first purchase: they are left out.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> days = PurchaseDays.of(log, "2023-10-01")
    >>> days
    PurchaseDays: 1,251 days of 162 customers, with money
    """

    customers: pd.Index
    starts: Int
    day: Int
    bought: Bool
    amount: Float | None
    end: int
    early_returns: int = 0

    @classmethod
    def of(cls, log: InteractionLog, at: Any = None) -> "PurchaseDays":
        """The past of an instant: `timestamp < at`, and known by then. Without one, the whole log.

        Raises
        ------
        DataContractError
            If nobody bought before the instant.
        """
        at = pd.Timestamp(log.bounds[1] + 1, unit="us", tz="UTC") if at is None else at
        past = log.before(at)
        columns = [KIND, AMOUNT] if log.has_amounts else [KIND]
        ids: list[Any] = []
        counts: list[Int] = []
        found: list[tuple[Int, Bool, Float]] = []
        early = 0
        for part in past.parts(columns):
            code, day, sold, money = _days(part, past)
            first = np.flatnonzero(np.diff(code, prepend=-1))
            seen = np.cumsum(sold)
            keep = seen > (seen - sold)[first][np.cumsum(np.diff(code, prepend=-1) != 0) - 1] if len(code) else sold
            early += int((~keep).sum())
            count = np.bincount(code[keep], minlength=len(part.customers))
            ids.append(part.customers.to_pandas()[count > 0])
            counts.append(count[count > 0])
            found.append((day[keep], sold[keep], money[keep]))
        if not any(len(day) for day, _, _ in found):
            if not len(log):
                raise DataContractError("The log is empty: nobody bought. Read one with purchases.")
            raise NoBuyersError(f"Nobody bought before {pd.Timestamp(at):%Y-%m-%d}. Choose a later instant.")
        customers, number = pd.Index(pd.concat(ids), name=CUSTOMER), np.concatenate(counts)
        starts = np.append(0, np.cumsum(number))
        days, bought, amount = (np.concatenate(c) for c in zip(*found, strict=True))
        if not customers.is_monotonic_increasing:  # files hold customers by hash
            order = np.argsort(customers.to_numpy(), kind="stable")
            rows = np.repeat(starts[:-1][order], number[order]) + _ranges(number[order])
            customers, starts = customers[order], np.append(0, np.cumsum(number[order]))
            days, bought, amount = days[rows], bought[rows], amount[rows]
        end = int(past.zone.to_local(np.array([past.zone.instant(at) - 1]))[0] // DAY)
        return cls(customers, starts, days, bought, amount if log.has_amounts else None, end, early)

    @property
    def owner(self) -> Int:
        """The position in `customers` of each day."""
        return np.repeat(np.arange(len(self.customers)), np.diff(self.starts))

    def purchases(self) -> "PurchaseDays":
        """Days with a purchase only; what was returned on another day is taken off the purchase before it."""
        if self.bought.all():
            return self
        first = np.flatnonzero(self.bought)
        starts = np.searchsorted(first, self.starts)
        amount = None if self.amount is None else np.add.reduceat(self.amount, first)
        return PurchaseDays(
            self.customers, starts, self.day[first], self.bought[first], amount, self.end, self.early_returns
        )

    def later(self, customers: pd.Index, start: int, end: int) -> tuple[Float, Float | None]:
        """Purchase days and net money of some customers in the days ``(start, end]``; 0 for who is unknown."""
        inside = (self.day > start) & (self.day <= end)
        place = customers.get_indexer(self.customers)
        owner = place[self.owner]
        inside &= owner >= 0
        count = np.bincount(owner[inside & self.bought], minlength=len(customers)).astype(np.float64)
        if self.amount is None:
            return count, None
        money: Float = np.bincount(owner[inside], self.amount[inside], minlength=len(customers)).astype(np.float64)
        return count, money

    def history(self) -> pd.DataFrame:
        """See `purchase_history`."""
        days = self.purchases()
        first, last = days.starts[:-1], days.starts[1:] - 1
        born = days.day[first]
        frequency = last - first
        table = {FREQUENCY: frequency, T_X: days.day[last] - born, AGE: self.end - born}
        out = pd.DataFrame(table, index=self.customers)
        if days.amount is not None:
            repeat = np.add.reduceat(days.amount, first) - days.amount[first]
            out[MEAN_VALUE] = np.divide(repeat, frequency, out=np.full(len(out), np.nan), where=frequency > 0)
        return out

    def __repr__(self) -> str:
        money = "with" if self.amount is not None else "without"
        return f"PurchaseDays: {len(self.day):,} days of {len(self.customers):,} customers, {money} money"


def purchase_history(log: InteractionLog, at: Any = None) -> pd.DataFrame:
    """How often, until when and for how long each customer has bought: the table that models of counts and spend read.

    Several purchases on one local day are one, and their amounts are added. What was returned is taken off the purchase day at
    or before it, and never counts as a purchase.

    Parameters
    ----------
    log : InteractionLog
    at : instant, optional
        Only what was known before it is looked at; by default the whole log.

    Returns
    -------
    DataFrame
        One row for each customer with a purchase, rising: ``frequency`` (purchase days after the first), ``t_x_days`` (from the
        first purchase to the last), ``T_days`` (from the first purchase to the last whole day before `at`) and, where amounts
        are known, ``mean_value`` (mean money of the days after the first; missing where there is none).

    Raises
    ------
    DataContractError
        If nobody bought before the instant.

    Notes
    -----
    Fader and Hardie call the columns x, t_x, T and z-bar. ``recency`` there is t_x, the reverse of `features.recency`.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "customer_id": [1, 1, 1, 2], "amount": [9.0, 5.0, 7.0, 4.0],
    ...     "timestamp": pd.to_datetime(["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-10"]),
    ... })
    >>> purchase_history(InteractionLog.read(frame), at="2024-01-22")
                 frequency  t_x_days  T_days  mean_value
    customer_id
    1                    2        14      20         6.0
    2                    0         0      11         NaN
    """
    return PurchaseDays.of(log, at).history()


def _days(part: Part, log: InteractionLog) -> tuple[Int, Int, Bool, Float]:
    """Customer, local day, whether something was bought and the money, of each day of a customer with a purchase or a return."""
    row = _NET.mask(part, log.zone) & (part.time >= log.bounds[0]) & (part.time <= log.bounds[1])
    code, day = part.customer_codes[row], log.zone.to_local(part.time[row]) // DAY
    sold = _BUYS.mask(part, log.zone)[row]
    money = np.nan_to_num(part.numbers[AMOUNT][row]) if AMOUNT in part.numbers else np.zeros(len(code))
    if not len(code):
        return code, day, sold, money
    first = np.flatnonzero((np.diff(code, prepend=-1) != 0) | (np.diff(day, prepend=day[0] - 1) != 0))
    return code[first], day[first], np.logical_or.reduceat(sold, first), np.add.reduceat(money, first)


def _ranges(lengths: Int) -> Int:
    """0, 1, … up to each length, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)
