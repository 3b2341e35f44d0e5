"""Whom to contact under a budget when nothing proves yet that contacting helps."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.actions.allocation.result import Allocation
from crmintel.actions.catalogue.catalog import NONE, Action, ActionCatalog
from crmintel.actions.catalogue.eligibility import Eligibility
from crmintel.actions.effects.policy import Policy
from crmintel.actions.experiments.experiment import ExperimentDesign, design_experiment
from crmintel.columns import ACTION, AT, CUSTOMER, WHY
from crmintel.errors import DataContractError

Float = npt.NDArray[np.float64]
TREATED, HELD_OUT, OUTSIDE = "treated", "held out", "outside"
WHY_HELD = "held out at random, to learn what the action changes"
WORTH_PROVING = 0.1  # the drop of the rate that the experiment looks for, as a share of it
STATEMENT = (
    "This history holds no randomised treatment, so no effect of an action is known and none is claimed. Customers are ranked by {rank}. "
    "A random part of the candidates is held out, with the probability on record, so that the next run can tell."
)


@final
@dataclass(frozen=True)
class Plan:
    """Who gets what, who is held out, and what it costs.

    Parameters
    ----------
    table : DataFrame
        One row a customer: customer_id, action, action_why, arm (treated, held out, outside), propensity (of being
        treated; 0 outside), cost; at_risk in an experiment; where effects are known gain, net, advantage (net less prices), wanted (the
        action before the hold-out), runner_up, and rule (the code of what closed the best action).
    budget, cost : float
        Money allowed and money planned.
    statement : str
        What the plan claims, and what it does not.
    causal : bool
        Whether effects are known. Without randomised treatment: never.
    design : ExperimentDesign, optional
        What the hold-out will be able to prove; none without candidates, and none where effects are known.
    at : instant, optional
        When it was made.
    policy : Policy, optional
        Where effects are known: what they are, and whether personal actions are proven better than one for all.
    allocation : Allocation, optional
        Where effects are known: the candidates within limits, with prices and what more money would bring.
    eligibility : Eligibility, optional
        Which action is open to whom, and which rule closed the others.

    Examples
    --------
    >>> from crmintel.actions import Action, plan_actions
    >>> at_risk = pd.Series([90.0, 50.0, 10.0, 80.0, 70.0], index=pd.RangeIndex(5, name="customer_id"))
    >>> plan = plan_actions(at_risk, at_risk / 100, [Action("call", 4.0, capacity=3)], budget=12.0, horizon_days=30, seed=1)
    >>> plan.decisions().columns.tolist()
    ['customer_id', 'at', 'action', 'propensity']
    """

    table: pd.DataFrame
    budget: float
    cost: float
    statement: str
    causal: bool
    design: ExperimentDesign | None
    at: Any = None
    policy: Policy | None = None
    allocation: Allocation | None = None
    eligibility: Eligibility | None = None

    def to_frame(self) -> pd.DataFrame:
        """The plan, one row a customer."""
        return self.table.copy(deep=False)

    def decisions(self) -> pd.DataFrame:
        """What a `DecisionLog` takes, and the next plan learns from.

        Returns
        -------
        DataFrame
            One row a contact, and one a customer without: customer_id, at, action, propensity of what was done (1 where nothing was drawn); where
            effects are known also rule, effect (money before cost), value (after cost), price of the place, and runner_up.
        """
        t = self.table
        chance = t["propensity"].where(t["arm"] == TREATED, 1 - t["propensity"])
        columns = {CUSTOMER: t[CUSTOMER], AT: pd.Timestamp(self.at), ACTION: t[ACTION], "propensity": chance}
        if self.policy is not None:
            more = {"rule": t["rule"], "effect": t["gain"], "value": t["net"], "price": t["net"] - t["advantage"]}
            columns |= more | {"runner_up": t["runner_up"]}
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        limit = f" of {self.budget:,.2f}" if np.isfinite(self.budget) else ""
        return f"Plan: {self.count(TREATED):,} treated, {self.count(HELD_OUT):,} held out, cost {self.cost:,.2f}{limit}"

    def count(self, arm: str) -> int:
        """How many customers are in an arm."""
        return int((self.table["arm"] == arm).sum())

    def _repr_html_(self) -> str:
        counts = self.table.groupby([ACTION, "arm"]).size().rename("customers").reset_index()
        return f"<p>{escape(self.statement)}</p><p>{escape(str(self.design or ''))}</p>{counts.to_html(index=False, escape=True)}"


def plan_actions(
    at_risk: pd.Series,
    probability: pd.Series,
    actions: Sequence[Action] | ActionCatalog,
    *,
    budget: float,
    horizon_days: float,
    holdout: float = 0.2,
    priced: bool = True,
    eligible: pd.DataFrame | None = None,
    seed: int = 0,
    at: Any = None,
) -> Plan:
    """Spend a budget where most is at risk, and hold out a random part to learn from.

    Parameters
    ----------
    at_risk : Series
        What is lost with each customer over the horizon, in money; indexed by customer.
    probability : Series
        Probability of losing each customer.
    actions : sequence of Action, or ActionCatalog
        In order of preference: each customer gets the first that still has capacity.
    budget : float
        Money for all treated customers together.
    holdout : float in (0, 1)
        Share of the candidates who are left alone. The propensity on record is the share really treated.
    priced : bool
        Whether `at_risk` is money, so that cost can be subtracted from it.
    eligible : DataFrame of bool, optional
        Which actions are open to which customers: a column for each action; customers who are missing get none.
    seed : int
        Of the draw; it depends on this, the instant and the identifiers only, not on the order of rows.
    at : instant, optional
        When the plan is made. Plans of different instants draw their hold-outs independently, so that the propensity on
        record is true for each of them.

    Raises
    ------
    DataContractError
        If the budget is negative or not finite, the hold-out is no share, a probability is none, or no action is given.

    Examples
    --------
    >>> at_risk = pd.Series([90.0, 50.0, 10.0, 80.0, 70.0], index=pd.RangeIndex(5, name="customer_id"))
    >>> plan = plan_actions(at_risk, at_risk / 100, [Action("call", 4.0, capacity=3)], budget=12.0, horizon_days=30, seed=1)
    >>> plan.table.columns.tolist()
    ['customer_id', 'action', 'action_why', 'arm', 'propensity', 'at_risk', 'cost']
    """
    if not (np.isfinite(budget) and budget >= 0):
        raise DataContractError(f"budget is {budget}. Give money of at least 0.")
    if not 0 < holdout < 1:
        raise DataContractError(f"holdout is {holdout}. Give a share between 0 and 1.")
    catalog = actions if isinstance(actions, ActionCatalog) else ActionCatalog(actions)
    ids, chance = at_risk.index, of_customers(probability, at_risk.index, "probability")
    if outside := int(((chance < 0) | (chance > 1)).sum()):
        raise DataContractError(
            f"probability lies outside 0 to 1 for {outside:,} of {len(ids):,} customers. Repair it first."
        )
    risk = np.nan_to_num(at_risk.to_numpy(np.float64))
    names = list(catalog.names)
    open_ = (
        np.ones((len(ids), len(names)), bool)
        if eligible is None
        else eligible[names].reindex(ids, fill_value=False).to_numpy(bool)
    )
    free = np.asarray(open_.any(axis=1))
    chosen, cost = _candidates(risk, open_, catalog, budget / (1 - holdout), priced, ids)
    draw = uniform(ids, "hold-out", seed, at)
    arm, propensity = split_arms(chosen, len(names), draw, holdout)
    treated, held = int((arm == TREATED).sum()), int((arm == HELD_OUT).sum())
    got = np.array([*names, NONE], object)[np.where(arm == TREATED, chosen, -1)]
    why = (
        np.array([_why(*x, catalog, priced) for x in zip(chosen, arm, risk, free, strict=True)], object)
        if len(ids)
        else np.zeros(0, object)
    )
    table = pd.DataFrame({
        CUSTOMER: ids, ACTION: pd.array(got, dtype="str"), WHY: pd.array(why, dtype="str"), "arm": pd.array(arm, dtype="str"),
        "propensity": propensity, "at_risk": risk, "cost": np.where(arm == TREATED, cost, 0.0),
    })  # fmt: skip
    in_test = arm != OUTSIDE
    design = None
    if treated and held:
        baseline = float(np.clip(chance.to_numpy()[in_test].mean(), 0.001, 0.999))
        arms = {HELD_OUT: held, TREATED: treated}
        design = design_experiment(
            baseline, arms=arms, customers=treated + held, relative=-WORTH_PROVING, horizon_days=horizon_days
        )
    rank = "value at risk minus cost" if priced else "orders at risk, since the history has no money"
    return Plan(table, float(budget), float(table["cost"].sum()), STATEMENT.format(rank=rank), False, design, at)


def of_customers(values: Any, customers: pd.Index, name: str) -> pd.Series:
    """Numbers in the order of customers; 0 for those who have none.

    Raises
    ------
    DataContractError
        If values are not indexed by customer, hold one twice, hold none of the customers, or are infinite.
    """
    if not isinstance(values, pd.Series):
        raise DataContractError(f"{name} is {type(values).__name__}. Give a Series that is indexed by customer.")
    if twice := int(values.index.duplicated().sum()):
        raise DataContractError(f"{name} holds {twice:,} customers twice. Give one number a customer.")
    if len(customers) and not values.index.isin(customers).any():
        raise DataContractError(
            f"{name} is of {len(values):,} other customers ({values.index.dtype}), none of the {len(customers):,} of the log "
            f"({customers.dtype}). Index it by the same customers."
        )
    try:
        found = values.reindex(customers).astype(np.float64).fillna(0.0)
    except (TypeError, ValueError):
        raise DataContractError(f"{name} is not numeric. Give one number a customer.") from None
    if infinite := int(np.isinf(found).sum()):
        raise DataContractError(f"{name} is infinite for {infinite:,} of {len(found):,} customers. Repair it first.")
    return found


def no_plan(customers: pd.Series) -> pd.DataFrame:
    """The table of a plan for nobody: the same columns, no row.

    >>> no_plan(pd.Series([], name="customer_id")).columns.tolist()
    ['customer_id', 'action', 'action_why', 'arm', 'propensity', 'at_risk', 'cost']
    """
    text, number = pd.array([], dtype="str"), np.zeros(0)
    columns = [customers[:0], text, text, text, number, number, number]
    return pd.DataFrame(
        dict(zip((CUSTOMER, ACTION, WHY, "arm", "propensity", "at_risk", "cost"), columns, strict=True))
    )


def uniform(ids: pd.Index, *purpose: Any) -> Float:
    """A number in [0, 1) for each identifier: the same wherever it is drawn, and unrelated to draws for another purpose.

    >>> bool((uniform(pd.Index([1, 2]), "sample", 0) == uniform(pd.Index([1, 2]), "sample", 0)).all())
    True
    """
    key = hashlib.sha256("|".join(map(str, purpose)).encode()).hexdigest()[:16]
    text = np.array([str(i) for i in ids], object)
    return pd.util.hash_array(text, hash_key=key, categorize=False) / 2.0**64


def split_arms(
    chosen: npt.NDArray[Any], n_actions: int, draw: Float, holdout: float
) -> tuple[npt.NDArray[np.object_], Float]:
    """The arm of each row, and the probability of being treated: of the candidates of each action those with the least draws are.

    Parameters
    ----------
    chosen : int, shape (n_rows,)
        The number of each row's action; −1 for those who get none.
    draw : float, shape (n_rows,)
    """
    arm, propensity = np.full(len(chosen), OUTSIDE, object), np.zeros(len(chosen))
    for number in range(n_actions):
        mine = np.flatnonzero(chosen == number)
        treat = int(len(mine) * (1 - holdout))  # rounded down, so that the treated stay within the budget
        arm[mine], propensity[mine] = HELD_OUT, treat / max(len(mine), 1)
        arm[mine[np.argsort(draw[mine], kind="stable")[:treat]]] = TREATED
    return arm, propensity


def _candidates(
    risk: Float, open_: npt.NDArray[np.bool_], catalog: ActionCatalog, money: float, priced: bool, ids: pd.Index
) -> tuple[npt.NDArray[np.int64], Float]:
    """The action of each candidate (−1 for nobody's), the most at risk first until the money for all is planned."""
    chosen, cost = np.full(len(risk), -1, np.int64), np.zeros(len(risk))
    order = np.lexsort((np.argsort(np.argsort(ids)), -risk))
    left = {c.name: c.capacity for c in catalog.channels if c.capacity is not None}
    for number, (action, price) in enumerate(zip(catalog.actions, catalog.costs.values(), strict=True)):
        worth = risk - (price if priced else 0.0)
        waiting = order[open_[order, number] & (chosen[order] < 0) & (worth[order] > 0)]
        room = len(waiting) if action.capacity is None else action.capacity
        room = min(room, left.get(action.channel or "", room))
        afford = room if price == 0 else int((money - cost.sum()) / price + 1e-9)
        take = waiting[: max(min(room, afford), 0)]
        chosen[take], cost[take] = number, price
        if action.channel in left:
            left[action.channel] -= len(take)
    return chosen, cost


def _why(chosen: int, arm: str, risk: float, free: bool, catalog: ActionCatalog, priced: bool) -> str:
    """The reason that is written beside a customer."""
    if arm == TREATED:
        return catalog.actions[chosen].why
    if arm == HELD_OUT:
        return WHY_HELD
    if not free:
        return "must not be contacted"
    if risk <= (min(catalog.costs.values()) if priced else 0.0):
        return "less at risk than a contact costs" if risk > 0 else "nothing at risk"
    return "the budget goes to customers with more at risk"
