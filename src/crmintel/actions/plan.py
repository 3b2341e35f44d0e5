"""Whom to contact under a budget when nothing proves yet that contacting helps."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.actions.experiment import ExperimentDesign, design_experiment
from crmintel.columns import ACTION, CUSTOMER, WHY
from crmintel.errors import DataContractError

Float = npt.NDArray[np.float64]
NONE = "no action"
TREATED, HELD_OUT, OUTSIDE = "treated", "held out", "outside"
WORTH_PROVING = 0.1  # the drop of the rate that the experiment looks for, as a share of it
STATEMENT = (
    "This history holds no randomised treatment, so no effect of an action is known and none is claimed. Customers are ranked by {rank}. "
    "A random part of the candidates is held out, with the probability on record, so that the next run can tell."
)


@final
@dataclass(frozen=True)
class Action:
    """Something that can be done for a customer.

    Parameters
    ----------
    name : str
    cost : float
        Money per customer.
    capacity : int, optional
        How many customers it can reach.
    why : str
        The reason that is written beside it.
    """

    name: str
    cost: float
    capacity: int | None = None
    why: str = "value at risk"

    def __post_init__(self) -> None:
        kinds = (
            ("name", self.name, str),
            ("cost", self.cost, (int, float)),
            ("capacity", self.capacity, (int, type(None))),
            ("why", self.why, str),
        )
        for what, value, kind in kinds:
            if not isinstance(value, kind) or isinstance(value, bool):
                raise DataContractError(
                    f"The {what} of an action is {value!r}. Give a name, a cost in money and a whole capacity."
                )
        if not (np.isfinite(self.cost) and self.cost >= 0):
            raise DataContractError(f"The cost of action {self.name!r} is {self.cost}. Give money of at least 0.")
        if self.capacity is not None and self.capacity < 1:
            raise DataContractError(
                f"The capacity of action {self.name!r} is {self.capacity}. Give at least 1, or leave it out."
            )
        if not self.name or self.name == NONE:
            raise DataContractError(f"An action cannot be called {self.name!r}.")


@final
@dataclass(frozen=True)
class Plan:
    """Who gets what, who is held out, and what it costs.

    Parameters
    ----------
    table : DataFrame
        One row a customer: customer_id, action, action_why, arm (treated, held out, outside), propensity (of being
        treated; 0 outside), at_risk, cost.
    budget, cost : float
        Money allowed and money planned.
    statement : str
        What the plan claims, and what it does not.
    causal : bool
        Whether effects are known. Without randomised treatment: never.
    design : ExperimentDesign, optional
        What the hold-out will be able to prove; none without candidates.
    """

    table: pd.DataFrame
    budget: float
    cost: float
    statement: str
    causal: bool
    design: ExperimentDesign | None

    def to_frame(self) -> pd.DataFrame:
        """The plan, one row a customer."""
        return self.table.copy(deep=False)

    def __repr__(self) -> str:
        return f"Plan: {self.count(TREATED):,} treated, {self.count(HELD_OUT):,} held out, cost {self.cost:,.2f} of {self.budget:,.2f}"

    def count(self, arm: str) -> int:
        """How many customers are in an arm."""
        return int((self.table["arm"] == arm).sum())

    def _repr_html_(self) -> str:
        counts = self.table.groupby([ACTION, "arm"]).size().rename("customers").reset_index()
        return f"<p>{self.statement}</p><p>{self.design or ''}</p>{counts.to_html(index=False, escape=True)}"


def plan_actions(
    at_risk: pd.Series,
    probability: pd.Series,
    actions: Sequence[Action],
    *,
    budget: float,
    horizon_days: float,
    holdout: float = 0.2,
    priced: bool = True,
    blocked: pd.Series | None = None,
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
    actions : sequence of Action
        In order of preference: each customer gets the first that still has capacity.
    budget : float
        Money for all treated customers together.
    holdout : float in (0, 1)
        Share of the candidates who are left alone. The propensity on record is the share really treated.
    priced : bool
        Whether `at_risk` is money, so that cost can be subtracted from it.
    blocked : Series of bool, optional
        Customers who must not be contacted.
    seed : int
        Of the draw; it depends on this, the instant and the identifiers only, not on the order of rows.
    at : instant, optional
        When the plan is made. Plans of different instants draw their hold-outs independently, so that the propensity on
        record is true for each of them.

    Raises
    ------
    DataContractError
        If the budget is negative or not finite, the hold-out is no share, or no action is given.
    """
    if not (np.isfinite(budget) and budget >= 0):
        raise DataContractError(f"budget is {budget}. Give money of at least 0.")
    if not 0 < holdout < 1:
        raise DataContractError(f"holdout is {holdout}. Give a share between 0 and 1.")
    if not actions:
        raise DataContractError("No action was given. Name at least one.")
    ids, risk = at_risk.index, np.nan_to_num(at_risk.to_numpy(np.float64))
    free = np.ones(len(ids), bool) if blocked is None else ~blocked.reindex(ids).fillna(False).to_numpy(bool)
    chosen, cost = _candidates(risk, free, actions, budget / (1 - holdout), priced, ids)
    draw = uniform(ids, "hold-out", seed, at)
    arm = np.full(len(ids), OUTSIDE, object)
    propensity = np.zeros(len(ids))
    for number in range(len(actions)):
        mine = np.flatnonzero(chosen == number)
        treat = int(len(mine) * (1 - holdout))  # rounded down, so that the treated stay within the budget
        arm[mine], propensity[mine] = HELD_OUT, treat / max(len(mine), 1)
        arm[mine[np.argsort(draw[mine], kind="stable")[:treat]]] = TREATED
    treated, held = int((arm == TREATED).sum()), int((arm == HELD_OUT).sum())
    names = np.array([*(a.name for a in actions), NONE], object)[np.where(arm == TREATED, chosen, -1)]
    why = (
        np.array([_why(*x, actions, priced) for x in zip(chosen, arm, risk, free, strict=True)], object)
        if len(ids)
        else np.zeros(0, object)
    )
    table = pd.DataFrame({
        CUSTOMER: ids, ACTION: pd.array(names, dtype="str"), WHY: pd.array(why, dtype="str"), "arm": pd.array(arm, dtype="str"),
        "propensity": propensity, "at_risk": risk, "cost": np.where(arm == TREATED, cost, 0.0),
    })  # fmt: skip
    in_test = arm != OUTSIDE
    design = None
    if treated and held:
        baseline = float(np.clip(probability.to_numpy()[in_test].mean(), 0.001, 0.999))
        arms = {HELD_OUT: held, TREATED: treated}
        design = design_experiment(
            baseline, arms=arms, customers=treated + held, relative=-WORTH_PROVING, horizon_days=horizon_days
        )
    rank = "value at risk minus cost" if priced else "orders at risk, since the history has no money"
    return Plan(table, float(budget), float(table["cost"].sum()), STATEMENT.format(rank=rank), False, design)


def no_plan(customers: pd.Series) -> pd.DataFrame:
    """The table of a plan for nobody: the same columns, no row."""
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


def _candidates(
    risk: Float, free: npt.NDArray[np.bool_], actions: Sequence[Action], money: float, priced: bool, ids: pd.Index
) -> tuple[npt.NDArray[np.int64], Float]:
    """The action of each candidate (−1 for nobody's), the most at risk first until the money for all is planned."""
    chosen, cost = np.full(len(risk), -1, np.int64), np.zeros(len(risk))
    order = np.lexsort((np.argsort(np.argsort(ids)), -risk))
    for number, action in enumerate(actions):
        worth = risk - (action.cost if priced else 0.0)
        open_ = [i for i in order if free[i] and chosen[i] < 0 and worth[i] > 0]
        room = len(open_) if action.capacity is None else action.capacity
        afford = room if action.cost == 0 else int((money - cost.sum()) / action.cost + 1e-9)
        take = np.array(open_[: max(min(room, afford), 0)], np.int64)
        chosen[take], cost[take] = number, action.cost
    return chosen, cost


def _why(chosen: int, arm: str, risk: float, free: bool, actions: Sequence[Action], priced: bool) -> str:
    """The reason that is written beside a customer."""
    if arm == TREATED:
        return actions[chosen].why
    if arm == HELD_OUT:
        return "held out at random, to learn what the action changes"
    if not free:
        return "must not be contacted"
    if risk <= (min(a.cost for a in actions) if priced else 0.0):
        return "less at risk than a contact costs" if risk > 0 else "nothing at risk"
    return "less at risk than the budget reaches"
