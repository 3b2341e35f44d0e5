"""One row a customer, as of the end of the history."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd

from crmintel import features as f
from crmintel.actions import Plan, plan_actions
from crmintel.churn import Reasons, reasons
from crmintel.columns import (
    ACTION,
    AMOUNT,
    CHURN,
    CUSTOMER,
    ITEM,
    NEXT_ITEMS,
    PURCHASE,
    RANK,
    REASONS,
    RETURN,
    SCORE,
    SEGMENT,
    SOURCE,
    STAGE,
    TIER,
    VALUE,
    VALUE_HIGH,
    VALUE_LOW,
    WHY,
)
from crmintel.features import FeatureSet
from crmintel.interactions import InteractionLog
from crmintel.job.answers import BUYERS, ChurnAnswer, Ground, OfferAnswer, ValueAnswer
from crmintel.job.settings import Settings
from crmintel.segmentation import RFM, ValueTiers, lifecycle_stage
from crmintel.showing import Shown


@final
@dataclass(frozen=True, eq=False)
class Scores(Shown):
    """Everything that is known of each customer as of an instant.

    Parameters
    ----------
    at : Timestamp
        The instant: just after the last interaction.
    customers : DataFrame
        One row a customer: segment, tier, stage, churn probability, reasons, value with interval, next items, action and why.
    recommendations : DataFrame
        customer_id, list ("new" or "again"), rank, item_id, score, source.
    plan : Plan, optional
    rfm : DataFrame
        Recency, frequency and money with their scores.
    tiers : ValueTiers, optional
    reasons : Reasons, optional
    """

    at: pd.Timestamp
    customers: pd.DataFrame
    recommendations: pd.DataFrame
    plan: Plan | None
    rfm: pd.DataFrame
    tiers: ValueTiers | None
    reasons: Reasons | None

    def to_frame(self) -> pd.DataFrame:
        """One row a customer."""
        return self.customers.copy(deep=False)

    def __repr__(self) -> str:
        return f"Scores of {len(self.customers):,} customers as of {self.at:%Y-%m-%d}"


def score_customers(
    ground: Ground, churn: ChurnAnswer | None, value: ValueAnswer | None, offers: OfferAnswer | None, settings: Settings
) -> Scores:
    """Every customer of the log, told just after its last interaction.

    Parameters
    ----------
    ground : Ground
        Made by `prepare`.
    churn, value, offers : answers or None
        What was learned; None leaves the columns empty. Without churn there is no plan.
    settings : Settings
        What the plan and the lists are told.

    Returns
    -------
    Scores
        One row a customer, and the plan.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(120, days=400, seed=1).log(quiet=True)
    >>> from crmintel.job import Settings, choose, prepare
    >>> scores = score_customers(prepare(log, choose(log, "30d")), None, None, None, Settings())
    >>> scores.customers.columns[:4].tolist()
    ['customer_id', 'segment', 'tier', 'stage']
    """
    log = ground.log
    at = log.end + pd.Timedelta(microseconds=1)
    rfm = RFM().fit(log, at=at).segments()
    table = pd.DataFrame({SEGMENT: rfm[SEGMENT]}, index=rfm.index)
    tiers = ValueTiers().fit(log, at=at) if log.has_amounts else None
    empty = pd.Series(pd.array([None] * len(table), dtype="str"), index=table.index)
    table[TIER] = empty if tiers is None else tiers.tiers()[TIER]
    table[STAGE] = lifecycle_stage(log, at=at)[STAGE]
    X = ground.features.build(log, at=at)
    bought = X[BUYERS].notna()
    told, table[CHURN], table[REASONS] = None, np.nan, empty
    if churn is not None:
        table.loc[bought, CHURN] = churn.model.predict_proba(X[bought])[:, 1]
        told = reasons(churn.model, X[bought], ground.features)
        table.loc[bought, REASONS] = _joined(told.sentences)
    for name in (VALUE, VALUE_LOW, VALUE_HIGH):
        table[name] = np.nan
    if value is not None:
        told_value = value.model.predict(log, at=at).customers
        for name in (VALUE, VALUE_LOW, VALUE_HIGH):
            table[name] = told_value[name].reindex(table.index)
    lists = _lists(offers, table.index, settings)
    table[NEXT_ITEMS] = _as_lists(lists[lists["list"] == settings.offer], table.index)
    plan = None if churn is None else _plan(log, at, table, ground, settings)
    table[ACTION], table[WHY] = (
        (empty, empty) if plan is None else (plan.table.set_index(CUSTOMER)[c] for c in (ACTION, WHY))
    )
    return Scores(at, table.reset_index(), lists, plan, rfm, tiers, told)


def _joined(sentences: pd.DataFrame) -> pd.Series:
    """The reasons of each row as one text."""
    lines = [" | ".join(s for s in row if s) for row in sentences.itertuples(index=False)]
    return pd.Series(pd.array(lines, dtype="str"), index=sentences.index)


def _lists(offers: OfferAnswer | None, customers: pd.Index, settings: Settings) -> pd.DataFrame:
    """Both lists of every customer, new items first."""
    if offers is None:
        text, empty = pd.array([], dtype="str"), np.zeros(0)
        columns = [customers[:0], text, empty.astype(np.int64), text, empty, text]
        return pd.DataFrame(dict(zip((CUSTOMER, "list", RANK, ITEM, SCORE, SOURCE), columns, strict=True)))
    size = min(settings.k, len(offers.new.items_))
    new = offers.new.recommend(customers, k=size, exclude="bought").assign(list="new")
    again = offers.again.recommend(customers, k=size, exclude="new").assign(list="again")
    both = pd.concat([new, again], ignore_index=True)[[CUSTOMER, "list", RANK, ITEM, SCORE, SOURCE]]
    return both.sort_values([CUSTOMER, "list", RANK], ascending=[True, False, True], kind="stable", ignore_index=True)


def _as_lists(lists: pd.DataFrame, customers: pd.Index) -> pd.Series:
    """The items of each customer in their order; an empty list where there are none."""
    found: dict[Any, list[Any]] = lists.groupby(CUSTOMER, sort=False)[ITEM].agg(list).to_dict() if len(lists) else {}
    return pd.Series([found.get(c, []) for c in customers], index=customers, dtype=object)


def _plan(log: InteractionLog, at: Any, table: pd.DataFrame, ground: Ground, settings: Settings) -> Plan:
    """Who is contacted: recent business over one horizon times the probability of losing it.

    Business weighs half for every horizon that has passed since, so that nobody long gone counts for what was once bought.
    The weights add up to the length of the past, but never to less than one horizon: what was bought once is not taken for a pace.
    """
    days = ground.split.horizon.days
    half = f"{days}d"
    business = f.decayed(AMOUNT, f.where(kind=[PURCHASE, RETURN]), half_life=half) if log.has_amounts else (
        f.decayed(where=f.where(kind=PURCHASE), half_life=half)
    )  # fmt: skip
    past = FeatureSet([business.named("recent", "recent business"), f.tenure()]).build(log, at)
    weights = -np.expm1(-np.log(2) * past["tenure_days"] / days) / np.log(2)
    pace = np.maximum(past[f"recent_{half}"], 0) / np.maximum(weights, 1)
    probability = table[CHURN].fillna(0.0)
    cheapest = min(a.cost for a in settings.actions)
    budget = round(0.1 * len(table) * cheapest, 2) if settings.budget is None else settings.budget
    return plan_actions(
        pace * probability, probability, settings.actions, budget=budget, horizon_days=days, holdout=settings.holdout,
        priced=log.has_amounts, seed=settings.seed, at=at,
    )  # fmt: skip
