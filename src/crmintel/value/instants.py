"""What is known of every customer at an instant, and what the inner instants of a history have seen happen afterwards."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np
import pandas as pd

from crmintel.errors import DataContractError, DataContractWarning
from crmintel.interactions import InteractionLog
from crmintel.value.columns import columns
from crmintel.value.forecast import PURCHASES
from crmintel.value.pareto import ParetoModel
from crmintel.value.purchases import Bool, Float, PurchaseDays
from crmintel.value.spend import GammaGammaModel

FEWEST: Final = 20
"""Customers, and purchases seen afterwards, that an inner instant must have to teach anything."""
_LEAST: Final = 1e-6


@final
@dataclass(frozen=True, eq=False)
class Past:
    """Customers at an instant.

    Parameters
    ----------
    days : PurchaseDays
    history : DataFrame
        As `purchase_history` tells it.
    table : DataFrame
        What trees look at; see `columns`.
    pareto : ParetoModel
    spend : GammaGammaModel, optional
    each : array of float, shape (n_customers,), optional
        Expected money of a purchase; None where the log has no amounts.
    usual : float, optional
        Mean money of a purchase: what is expected where there is no model of spend.
    """

    days: PurchaseDays
    history: pd.DataFrame
    table: pd.DataFrame
    pareto: ParetoModel
    spend: GammaGammaModel | None
    each: Float | None
    usual: float | None

    @classmethod
    def learned(cls, days: PurchaseDays) -> "Past":
        """With models of counts and spend that know this past alone."""
        history = days.history()
        usual = None
        if days.amount is not None:
            usual = max(float(days.amount.sum()) / max(int(days.bought.sum()), 1), _LEAST)
        return cls._of(days, history, ParetoModel().fit(history), _spend(days, history), usual)

    @classmethod
    def told(
        cls, days: PurchaseDays, pareto: ParetoModel, spend: GammaGammaModel | None, usual: float | None
    ) -> "Past":
        """With models that were learned before."""
        return cls._of(days, days.history(), pareto, spend, usual)

    @classmethod
    def _of(
        cls, days: PurchaseDays, history: pd.DataFrame, pareto: ParetoModel, spend: GammaGammaModel | None, usual: float | None
    ) -> "Past":  # fmt: skip
        each = None
        if days.amount is not None and usual is not None:
            each = np.full(len(history), usual)
            if spend is not None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DataContractWarning)  # who has no mean of his own has that of all
                    own = spend.expected_value(history).to_numpy()
                each = np.where(np.isnan(own), usual, np.maximum(own, _LEAST))
        return cls(days, history, columns(days), pareto, spend, each, usual)

    def view(self, horizon: int) -> "View":
        """What there is to look at, for a forecast over so many days."""
        told: Any = self.pareto.expected_purchases(self.history, f"{horizon}d")
        return View(self.table, np.maximum(told.to_numpy(), _LEAST).astype(np.float64), self.each, horizon)


@final
@dataclass(frozen=True, eq=False)
class View:
    """Customers at an instant, as trees and stacks see them.

    Parameters
    ----------
    table : DataFrame
    expected : array of float, shape (n_customers,)
        Expected purchase days in the horizon, never quite 0.
    each : array of float, shape (n_customers,), optional
        Expected money of a purchase.
    horizon : int
        Days.
    """

    table: pd.DataFrame
    expected: Float
    each: Float | None
    horizon: int

    @property
    def spend(self) -> Float:
        """Expected money in the horizon."""
        if self.each is None:
            raise DataContractError("There are no amounts to tell money by.")
        return self.expected * self.each

    def level(self, name: str) -> float:
        """The total of what is expected, of purchases or of spend."""
        return float((self.expected if name == PURCHASES else self.spend).sum())

    def take(self, rows: Bool) -> "View":
        """Some of the customers."""
        return View(self.table[rows], self.expected[rows], None if self.each is None else self.each[rows], self.horizon)


@final
@dataclass(frozen=True, eq=False)
class Inner:
    """Customers at an instant within a history, and what happened between it and the end of the history.

    Parameters
    ----------
    view : View
        Learned before the instant; its horizon ends with the history.
    counts : array of float, shape (n_customers,)
        Purchase days in the horizon.
    money : array of float, shape (n_customers,), optional
        Money in the horizon, net of returns and not below 0.
    """

    view: View
    counts: Float
    money: Float | None

    @property
    def teaches(self) -> bool:
        """Whether enough customers bought later, and brought money where there is money."""
        later = [self.counts] if self.money is None else [self.counts, self.money]
        return len(self.counts) >= FEWEST and all(int((v > 0).sum()) >= FEWEST for v in later)

    def actual(self, name: str) -> Float:
        """What happened, of purchases or of spend."""
        if name == PURCHASES:
            return self.counts
        if self.money is None:
            raise DataContractError("There are no amounts to tell money by.")
        return self.money

    def of(self, customers: pd.Index) -> "Inner":
        """Some of the customers."""
        rows = np.asarray(self.view.table.index.isin(customers))
        return Inner(self.view.take(rows), self.counts[rows], None if self.money is None else self.money[rows])


def inner_instants(log: InteractionLog, days: PurchaseDays, horizon: int) -> Iterator[Inner]:
    """The instants at the end less the horizon, a half and a quarter of it; the horizon is at most half of the history.

    Those with too few customers, or too few who buy (and bring money, where there is money) afterwards, teach nothing and are passed
    over; if all are, as after months in which nobody bought, the middle of the history is tried. Of days without amounts, purchases
    alone are told.
    """
    half = (days.end - int(days.day.min())) // 2
    longest, taught = min(horizon, half), False
    for length in filter(None, dict.fromkeys((longest, round(longest / 2), round(longest / 4), half))):
        if length == half != longest and taught:
            return
        found = _inner(log, days, length)
        if found is not None:
            taught = True
            yield found


def _inner(log: InteractionLog, days: PurchaseDays, length: int) -> Inner | None:
    """The instant so many days before the end; None if it teaches nothing."""
    at = pd.Timestamp(0) + pd.Timedelta(days=days.end - length + 1)
    try:
        known = PurchaseDays.of(log, at)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataContractWarning)
            past = Past.learned(known if days.amount is not None else replace(known, amount=None))
    except DataContractError:
        return None
    counts, money = days.later(past.days.customers, days.end - length, days.end)
    found = Inner(past.view(length), counts, None if money is None else np.maximum(money, 0.0))
    return found if found.teaches else None


def _spend(days: PurchaseDays, history: pd.DataFrame) -> GammaGammaModel | None:
    """The model of spend; None where there is no money, or nothing to learn of it (nobody bought again, all means are equal)."""
    if days.amount is None:
        return None
    try:
        return GammaGammaModel().fit(history)
    except DataContractError:
        return None
