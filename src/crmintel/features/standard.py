"""A good feature set for the columns that a log has."""

from typing import Any

import numpy as np

from crmintel.columns import AMOUNT, CATEGORY, CHANNEL, ITEM, KIND, ORDER, PURCHASE, RATING, RETURN
from crmintel.features import declare as f
from crmintel.features.build import FeatureSet
from crmintel.features.compare import ratio
from crmintel.features.filters import Where
from crmintel.features.spec import Spec, Windowed
from crmintel.features.where import night, weekend, where
from crmintel.interactions import InteractionLog


def standard(log: InteractionLog, at: Any = None) -> FeatureSet:
    """Features that serve churn, value and segments, frozen on the log (before `at`, if given): about sixty for orders with
    amounts and items, and one more for each frequent channel and category.

    What is declared depends on the columns only: money needs `amount`, rhythm needs nothing, variety needs items or
    categories, other kinds of contact get counts and recencies.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"customer_id": [1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-05"])})
    >>> "orders_90d" in standard(InteractionLog.read(frame)).names
    True
    """
    at = log.end + np.timedelta64(1, "us") if at is None else at
    buys = where(kind=PURCHASE)
    specs: list[Spec] = [f.recency(buys), f.tenure(), f.gaps(buys), *_orders(log, buys)]
    specs += [ratio(f.count(buys & clock()), f.count(buys)).named(f"{name}_share", f"share of purchases at {words}")
              for clock, name, words in ((weekend, "weekend", "the weekend"), (night, "night", "night"))]  # fmt: skip
    if log.has_amounts:
        specs += _money(log, buys)
    if ITEM in log.columns:
        specs += [f.distinct(ITEM, buys).named("items", "different items bought").over("90d", "365d", "all")]
        specs += [
            ratio(f.distinct(ITEM, buys), f.count(buys)).named("new_item_share", "different items per item bought")
        ]
    if CATEGORY in log.columns:
        specs += [
            f.distinct(CATEGORY, buys).named("categories", "different categories bought from").over("90d", "all"),
            f.entropy(CATEGORY, buys).over("365d"),
        ]
        specs += [f.top_share(CATEGORY, buys).over("365d"), f.share(CATEGORY, buys).over("365d")]
    if CHANNEL in log.columns:
        specs += [f.entropy(CHANNEL, buys).over("365d"), f.share(CHANNEL, buys).over("365d")]
    if RATING in log.columns:
        specs += [f.mean(RATING).over("365d"), f.last(RATING)]
    return FeatureSet([*specs, *_other_kinds(log, at)]).freeze(log, at)


def _orders(log: InteractionLog, buys: Where) -> list[Spec]:
    """How often: orders where the log knows them, else days with a purchase; lines are never taken for orders."""
    days = f.active_days(buys)
    order: Windowed = (
        f.distinct(ORDER, buys).named("orders", "orders")
        if ORDER in log.columns
        else days.named("orders", "days with a purchase")
    )
    out: list[Spec] = [
        order.over("7d", "30d", "60d", "90d", "180d", "365d", "all"), f.trend(order, "30d"), f.trend(order, "90d"), f.year_ago(order, "30d", "90d"),
        ratio(days, f.tenure()).named("active_day_share", "share of days with a purchase, since the first contact,"),
        f.decayed(where=buys, half_life="30d"), f.decayed(where=buys, half_life="90d"),
    ]  # fmt: skip
    if ORDER in log.columns:
        out += [f.active_days(buys).over("30d", "90d", "365d", "all")]
        out += [ratio(f.count(buys), order).named("lines_per_order", "lines per order").over("90d", "all")]
    return out


def _money(log: InteractionLog, buys: Where) -> list[Spec]:
    """How much, net of returns."""
    net = where(kind=[PURCHASE, RETURN])
    order: Windowed = f.distinct(ORDER, buys) if ORDER in log.columns else f.active_days(buys)
    money = f.total(AMOUNT, net).named("net_amount", "money spent, net of returns,")
    return [
        money.over("7d", "30d", "60d", "90d", "180d", "365d", "all"),
        ratio(f.total(AMOUNT, buys), order).named("order_value", "money per order").over("90d", "all"),
        f.mean(AMOUNT, buys).over("90d", "all"), f.largest(AMOUNT, buys).over("365d", "all"), f.spread(AMOUNT, buys).over("365d"),
        f.last(AMOUNT, buys), f.first_day(AMOUNT, buys).named("first_order_value", "money spent on the first day with a purchase,"),
        f.trend(money, "30d"), f.trend(money, "90d"), f.year_ago(money, "90d"),
        f.decayed(AMOUNT, net, half_life="30d"), f.decayed(AMOUNT, net, half_life="90d"),
    ]  # fmt: skip


def _other_kinds(log: InteractionLog, at: Any) -> list[Spec]:
    """Counts and recencies of what is not a purchase: returns, visits, contacts, complaints."""
    frozen = FeatureSet([f.since(KIND)]).freeze(log, at).vocabulary[KIND]
    out: list[Spec] = []
    for kind in sorted(set(frozen) - {PURCHASE}):
        other = where(kind=kind)
        out += [f.count(other).over("30d", "90d", "365d"), f.recency(other)]
        if kind == RETURN:
            rate = ratio(f.count(other), f.count(where(kind=PURCHASE)))
            out += [rate.named("return_rate", "returns per purchase").over("all")]
    return out
