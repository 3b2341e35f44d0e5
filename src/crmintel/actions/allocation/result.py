"""Who gets what within limits, how far from the best plan this can be, and what more capacity or money would bring."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.actions.allocation.dual import FINE, NEVER, Sample, descend, smoothed
from crmintel.actions.allocation.limits import Float, Int
from crmintel.actions.allocation.prices import Prices
from crmintel.actions.allocation.repair import Candidates, Mask
from crmintel.actions.catalogue.catalog import NONE
from crmintel.columns import ACTION, CUSTOMER, WHY
from crmintel.errors import DataContractError
from crmintel.evaluation.tables import page

STANDING: Final = (
    "no action is open to this customer",
    "no open action is worth its cost",
    "an action is worth it, but the limits went to customers who gain more",
)

NO_GAIN: Final = "no open action brings a gain"
"""Said instead where costs are not taken off."""


@final
@dataclass(frozen=True, eq=False)
class Allocation:
    """A plan within limits, with its distance from the best one.

    Parameters
    ----------
    row, action : arrays of int
        Position of the customer, and number of the action, one entry a contact; by customer, the best contact first.
    gain, cost, advantage : arrays of float
        Money the contact brings before its cost, what it costs, and what is left after cost and prices.
    runner_up : array of int
        The best action of the customer after prices that was not chosen; −1 if none is worth its price.
    prices : Prices
        Of the limits; they decide for single customers.
    value, bound : float
        What the plan brings (gain, less cost if it is priced), and what no plan exceeds.

    Examples
    --------
    >>> from crmintel.actions import allocate
    >>> gain = pd.DataFrame({"call": [9.0, 5.0, 1.0], "mail": [3.0, 4.0, 2.0]}, index=pd.Index([7, 8, 9], name="customer_id"))
    >>> plan = allocate(gain, cost={"call": 2.0, "mail": 0.5}, capacity={"call": 1})
    >>> plan
    Allocation: 3 contacts for 3 of 3 customers, value 12.00 (at most 0 below the best), cost 3.00
    """

    row: npt.NDArray[np.int32]
    action: npt.NDArray[np.int16]
    gain: Float
    cost: Float
    advantage: Float
    runner_up: npt.NDArray[np.int16]
    prices: Prices
    value: float
    bound: float
    _customers: pd.Index | None
    _standing: npt.NDArray[np.uint8]
    _dual: float
    _sample: Sample

    @property
    def gap(self) -> float:
        """The most that a better plan could add, as a share of the bound."""
        return 0.0 if self.bound == self.value else (self.bound - self.value) / abs(self.bound)

    @property
    def spent(self) -> float:
        """What all contacts cost."""
        return float(self.cost.sum())

    @property
    def counts(self) -> pd.Series:
        """Contacts of each action."""
        limits = self.prices.limits
        return pd.Series(
            np.bincount(self.action, minlength=len(limits.actions)),
            index=pd.Index(limits.actions, name=ACTION),
            name="chosen",
        )

    @property
    def worth_of_one_more(self) -> pd.Series:
        """What one more unit of each capacity, and of the budget, would bring; negative where a quota costs so much a contact."""
        return self.prices.to_frame()["price"].rename("worth")

    @property
    def table(self) -> pd.DataFrame:
        """One row a contact: customer_id, action, gain, cost, net, advantage, runner_up (by name, "no action" if there is none)."""
        names = self.prices.limits.actions
        net = self.gain - self.cost if self.prices.limits.priced else self.gain
        return pd.DataFrame({
            CUSTOMER: self._who(self.row), ACTION: pd.Categorical.from_codes(self.action, pd.Index(names)), "gain": self.gain, "cost": self.cost,
            "net": net, "advantage": self.advantage, "runner_up": pd.Categorical.from_codes(self.runner_up % (len(names) + 1), pd.Index([*names, NONE])),
        })  # fmt: skip

    def to_frame(self) -> pd.DataFrame:
        """The plan, one row a contact."""
        return self.table

    def reasons(self) -> pd.DataFrame:
        """Why the others get nothing: customer_id, action ("no action"), action_why; one row a customer without contact."""
        without = np.ones(len(self._standing), bool)
        without[self.row] = False
        rows = np.flatnonzero(without)
        nothing = pd.Categorical.from_codes(np.zeros(len(rows), np.int8), pd.Index([NONE]))
        words = (STANDING[0], STANDING[1] if self.prices.limits.priced else NO_GAIN, STANDING[2])
        why = pd.Categorical.from_codes(self._standing[rows].astype(np.int8), pd.Index(words))
        return pd.DataFrame({CUSTOMER: self._who(rows), ACTION: nothing, WHY: why})

    def budget_curve(self, budgets: int | Sequence[float] = 20) -> pd.DataFrame:
        """What other budgets would bring: budget, value, price (what one more unit of money brings there).

        Solved anew on a sample, not on all customers: prices for each budget are learned from at most 8,192 customers, and what they leave
        as upper bound is taken over the whole sample (a million pairs), in the proportion that makes it the plan's own bound at the plan's
        own prices. The curve is concave. Budgets that do not pay for the quotas have no value (NaN).

        Parameters
        ----------
        budgets : int or sequence of float, default=20
            So many budgets, evenly up to what would be spent without limit; or these.

        Raises
        ------
        DataContractError
            If a budget is not above 0.
        """
        sample, limits = self._sample, self.prices.limits
        most = replace(limits, budget=np.inf)
        free = Prices(*descend(sample, most, full=0), most)
        least = float(limits.quota @ limits.cost) if limits.cost is not None else 0.0
        if isinstance(budgets, int):
            spent = smoothed(sample, free.action / sample.scale, 0.0, FINE, most)[2] * sample.unit * sample.total
            money = least + max(spent - least, 0.0) * np.arange(1, budgets + 1) / max(budgets, 1)
            money = money[money > 0]
        else:
            try:
                money = np.asarray(budgets, np.float64).reshape(-1)
            except (TypeError, ValueError):
                raise DataContractError("budgets are no numbers. Give money above 0.") from None
        if not len(money) or not (np.isfinite(money) & (money > 0)).all():
            raise DataContractError(
                "budgets holds none, or some that are not above 0, or no action costs anything. Give money above 0."
            )
        solved = [free, self.prices]
        for at in money:
            limited = replace(limits, budget=float(at))
            solved.append(Prices(*descend(sample, limited, full=0), limited))
        # Each solution bounds every budget by a straight line; the least of the bounds is concave.
        base = np.array([p.rent(spend=False) + _bound(sample, p) for p in solved])
        slope = np.array([p.budget for p in solved])
        bounds = base + np.outer(money, slope)
        best = bounds.argmin(axis=1)
        own = base[1] + (slope[1] * limits.budget if slope[1] > 0 else 0.0)
        ratio = self._dual / own if own > 0 and self._dual > 0 else 1.0
        value = np.where(money < least, np.nan, bounds.min(axis=1) * ratio)
        return pd.DataFrame({"budget": money, "value": value, "price": slope[best] * ratio})

    def __repr__(self) -> str:
        people, of = len(np.unique(self.row)), len(self._standing)
        return (
            f"Allocation: {len(self.row):,} contacts for {people:,} of {of:,} customers, value {self.value:,.2f} "
            f"(at most {self.gap:.1g} below the best), cost {self.spent:,.2f}"
        )

    def _repr_html_(self) -> str:
        limits = self.prices.limits
        capacity = pd.array([int(c) if np.isfinite(c) else None for c in limits.capacity], dtype="Int64")
        shown = pd.DataFrame(
            {
                ACTION: limits.actions,
                "chosen": self.counts.to_numpy(),
                "capacity": capacity,
                "price": self.prices.action,
            }
        )
        money = pd.DataFrame({"spent": [self.spent], "budget": [limits.budget], "price": [self.prices.budget]}).replace(
            np.inf, np.nan
        )
        return page(repr(self), actions=shown, money=money)

    def _who(self, rows: npt.NDArray[np.integer]) -> pd.Index | Int:
        return rows.astype(np.int64) if self._customers is None else self._customers.take(rows)


def allocation(
    pairs: Candidates, taken: Mask, bound: float, prices: Prices, customers: pd.Index | None, sample: Sample
) -> Allocation:
    """The plan of some pairs, in the order of customers."""
    limits, n = prices.limits, len(pairs.standing)
    chosen = np.flatnonzero(taken)
    chosen = chosen[np.argsort(pairs.who[chosen], kind="stable")]
    second = np.full(n, -1, np.int16)
    open_ = np.flatnonzero(~taken & (pairs.left > 0))[::-1]
    second[pairs.who[open_]] = pairs.action[open_]  # the best comes last, and stays
    value = float(pairs.net(limits)[chosen].sum())
    return Allocation(
        pairs.who[chosen], pairs.action[chosen], pairs.gain[chosen].astype(np.float64), pairs.cost[chosen], pairs.left[chosen],
        second[pairs.who[chosen]], prices, value, max(bound, value), customers, pairs.standing, pairs.bound, sample,
    )  # fmt: skip


def _bound(sample: Sample, prices: Prices) -> float:
    """What the customers behind a sample bring at most beyond prices."""
    net = np.where(sample.net > NEVER / 2, sample.net * sample.scale, -np.inf)
    left: Float = net - (prices.action[:, None] + prices.budget * sample.unit * sample.cost.astype(np.float64))
    return float(prices.bound(left) * sample.total / sample.net.shape[1])
