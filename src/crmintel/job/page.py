"""The report of a run: numbers put into the words and pictures of `crmintel.reports`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crmintel.actions import Plan
from crmintel.actions.plan import HELD_OUT, TREATED
from crmintel.columns import (
    ACTION,
    AMOUNT,
    CATEGORY,
    CHURN,
    CUSTOMER,
    ITEM,
    KIND,
    PURCHASE,
    RETURN,
    SEGMENT,
    STAGE,
    VALUE,
)
from crmintel.evaluation import Estimate
from crmintel.interactions import InteractionLog
from crmintel.job.answers import ChurnAnswer, Ground, OfferAnswer, ValueAnswer
from crmintel.job.customers import Scores
from crmintel.job.settings import Settings
from crmintel.reports import (
    Base,
    ChurnSection,
    OfferSection,
    PlanSection,
    Report,
    ValueSection,
    WhatIf,
    what_if,
)
from crmintel.reports.months import SLACK
from crmintel.segmentation import RFM, Migration, migration

BINS = 20
LONG = 3650
"""Days beyond which nobody waits for an answer."""
THEMES = {
    "rhythm": "silent for longer than usual",
    "how often": "few or fewer orders",
    "money": "little or less money spent",
    "variety": "narrow choice of items",
    "returns": "returns",
    "other contacts": "little other contact",
    "tenure": "length of the relationship",
    "channels": "channels used",
    "ratings": "ratings given",
}


def build_report(
    ground: Ground, scores: Scores, churn: ChurnAnswer | None, value: ValueAnswer | None, offers: OfferAnswer | None,
    notes: list[str], settings: Settings, source: str,
) -> Report:  # fmt: skip
    """Everything the page shows, as plain numbers; no customer's row among them.

    Parameters
    ----------
    ground : Ground
        Made by `prepare`.
    scores : Scores
        Made by `score_customers`.
    churn, value, offers : answers or None
        What was learned; None leaves the section out.
    notes : list of str
        What was left out, and why.
    settings : Settings
    source : str
        Name of the data.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(120, days=400, seed=1).log(quiet=True)
    >>> from crmintel.job import choose, prepare, score_customers
    >>> ground = prepare(log, choose(log, "30d"))
    >>> scores = score_customers(ground, None, None, None, Settings())
    >>> report = build_report(ground, scores, None, None, None, [], Settings(), "orders.csv")
    >>> report.title, report.base.customers
    ('Customer report', 120)
    """
    log, table = ground.log, scores.customers
    churn_section = None if churn is None else _churn(ground, churn, scores)
    return Report(
        title=settings.title,
        source=source,
        created=None,
        span=log.span,
        at=scores.at.floor("s"),
        horizon=ground.split.horizon,
        base=_base(log, scores),
        quality=_quality(log),
        segments=_segments(scores),
        tiers=pd.DataFrame()
        if scores.tiers is None
        else scores.tiers.summary().assign(revenue=lambda t: t.pop("cents") / 100),
        stages=_shares(
            table.groupby(STAGE).agg(customers=(CUSTOMER, "size"), churn_probability=(CHURN, "mean")), len(table)
        ),
        churn=churn_section,
        value=None if value is None else _value(value, scores),
        offers=None if offers is None else _offers(ground, offers, scores, settings, "new"),
        repeats=None if offers is None else _offers(ground, offers, scores, settings, "again"),
        plan=None if scores.plan is None else _plan(scores.plan, table, _what_if(log, scores.plan, settings)),
        notes=tuple(notes),
        moves=_moves(ground, scores),
    )


def _quality(log: InteractionLog) -> pd.DataFrame:
    """What the checks found, without the figures of few customers."""
    frame = log.quality.to_frame().replace({"level": {"note": "info"}})
    frame.loc[[f.few for f in log.quality.findings], ["rows", "share"]] = np.nan
    return frame


def _base(log: InteractionLog, scores: Scores) -> Base:
    months = [_monthly(p, log) for p in log.parts([KIND, AMOUNT])]
    moved = (
        pd.concat(months, ignore_index=True) if months else pd.DataFrame(columns=[CUSTOMER, "month", "money", "bought"])
    )
    seen = moved[moved["bought"].astype(bool)]
    first = seen.groupby(CUSTOMER)["month"].min()
    revenue = moved.groupby("month")["money"].sum()
    every = pd.RangeIndex(revenue.index.min(), revenue.index.max() + 1) if len(revenue) else revenue.index
    monthly = pd.DataFrame({"active_customers": seen["month"].value_counts().reindex(every, fill_value=0)}, index=every)
    monthly["revenue"] = revenue.reindex(every, fill_value=0)
    monthly["new_customers"] = first.value_counts().reindex(every, fill_value=0)
    gap = seen.groupby(CUSTOMER)["month"].diff()  # each customer's months follow each other
    steps = {"came_customers": seen["month"][gap != 1], "quiet_customers": seen["month"][gap.shift(-1) != 1] + 1}
    for name, months_moved in steps.items():
        monthly[name] = (
            months_moved.value_counts().reindex(every, fill_value=0).astype(float).mask(every == every.min())
        )
    monthly.insert(0, "month", _month_start(monthly.index.to_numpy()))
    since = seen.assign(since=seen["month"] - seen[CUSTOMER].map(first), cohort=seen[CUSTOMER].map(first))
    grid = since.groupby(["cohort", "since"])[CUSTOMER].nunique().unstack(fill_value=0)
    retention = grid.div(first.value_counts().reindex(grid.index), axis=0)
    seen_until = (scores.at.tz_localize(None) + SLACK).to_period("M").ordinal  # a month counts as over
    last = min(int(every.max()), seen_until - 1) if len(monthly) else 0
    for cohort in retention.index:  # months that are not over are unknown, not empty
        retention.loc[cohort, [c for c in retention.columns if cohort + c > last]] = np.nan
    retention.index = pd.DatetimeIndex(_month_start(retention.index.to_numpy()))
    return Base(
        customers=len(scores.customers),
        interactions=len(log),
        orders=int(scores.rfm["frequency"].sum()),
        revenue=float(scores.rfm["monetary"].sum()) if log.has_amounts else None,
        monthly=monthly.reset_index(drop=True)
        if log.has_amounts
        else monthly.reset_index(drop=True).drop(columns="revenue"),
        concentration=None if scores.tiers is None else scores.tiers.concentration(),
        retention=retention,
    )


def _monthly(part: Any, log: InteractionLog) -> pd.DataFrame:
    """Each customer in each local month with a purchase or a return: customer_id, month (since 1970), money, and whether it bought."""
    low, high = log.bounds
    kinds = part.vocabulary[KIND].to_pylist()
    wanted = [kinds.index(k) for k in (PURCHASE, RETURN) if k in kinds]
    mask = np.isin(part.codes[KIND], wanted) & (part.time >= low) & (part.time <= high)
    month = log.zone.to_local(part.time[mask]).astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    money = part.numbers[AMOUNT][mask] if AMOUNT in part.numbers else np.zeros(mask.sum())
    ids = part.customers.to_pandas().to_numpy()[part.customer_codes[mask]]
    bought = part.codes[KIND][mask] == (kinds.index(PURCHASE) if PURCHASE in kinds else -1)
    rows = pd.DataFrame({CUSTOMER: ids, "month": month, "money": money, "bought": bought})
    return rows.groupby([CUSTOMER, "month"], as_index=False).agg({"money": "sum", "bought": "any"})


def _month_start(months: Any) -> Any:
    return np.asarray(months, np.int64).astype("datetime64[M]").astype("datetime64[us]")


def _shares(table: pd.DataFrame, total: int) -> pd.DataFrame:
    return (
        table.assign(share=table["customers"] / max(total, 1))
        .reset_index()
        .sort_values("customers", ascending=False, ignore_index=True)
    )


def _segments(scores: Scores) -> pd.DataFrame:
    table = scores.customers.set_index(CUSTOMER).join(
        scores.rfm[["recency_days", "frequency"] + [c for c in ("monetary",) if c in scores.rfm]]
    )
    grouped = table.groupby(SEGMENT).agg(
        customers=("recency_days", "size"), recency_days=("recency_days", "mean"), orders=("frequency", "mean"),
        churn_probability=(CHURN, "mean"), mean_value=(VALUE, "mean"),
    )  # fmt: skip
    if "monetary" in table:
        grouped["revenue"] = table.groupby(SEGMENT)["monetary"].sum()
        grouped["revenue_share"] = grouped["revenue"] / max(float(grouped["revenue"].sum()), 1e-9)
    return _shares(grouped.dropna(axis=1, how="all"), len(table))


def _moves(ground: Ground, scores: Scores) -> Migration:
    """From the instant of the test to now, by the cut-points of now, so that the segments are those of the rest of the page."""
    now = RFM().fit(ground.log, at=scores.at)
    return migration(ground.log, now, [ground.split.test, scores.at])


def _churn(ground: Ground, churn: ChurnAnswer, scores: Scores) -> ChurnSection:
    report, p = churn.report, scores.customers[CHURN].dropna()
    low, high = (np.floor(p.quantile(0.005) * BINS), np.ceil(p.quantile(0.995) * BINS)) if len(p) else (0, BINS)
    bars = max(int(high - low), 1)
    counts, edges = np.histogram(
        p.clip(low / BINS, (low + bars) / BINS), bins=bars, range=(low / BINS, (low + bars) / BINS)
    )
    top = (
        pd.Series(dtype=object)
        if scores.reasons is None
        else scores.reasons.themes.iloc[:, 0].replace("", np.nan).dropna()
    )
    reasons = top.map(lambda t: THEMES.get(t, t)).value_counts().rename_axis("reason").rename("customers").reset_index()
    return ChurnSection(
        n=report.n, churn_rate=churn.rate, horizon_days=ground.split.horizon.days,
        trained_at=list(ground.split.train), tested_at=ground.split.test,
        metrics=_renamed(report.metrics, {"top_decile_lift": "lift_10"}),
        rules=report.rules[report.rules["name"] != "model"], calibration=report.calibration, lift=report.lift,
        reasons=reasons.assign(share=reasons["customers"] / max(len(p), 1)),
        scores_histogram=pd.DataFrame({"low": edges[:-1], "high": edges[1:], "customers": counts}),
    )  # fmt: skip


def _value(value: ValueAnswer, scores: Scores) -> ValueSection:
    report = value.report
    metrics = {k: v for k, v in report.metrics.items() if k != "coverage"}
    return ValueSection(
        n=report.n,
        metrics=_renamed(metrics, {"mean_absolute_error": "mae", "total_error": "bias", "top_decile_capture": "capture_10"}),
        rules=report.rules[report.rules["name"] != "model"], deciles=report.deciles,
        coverage=report.metrics.get("coverage"), level=value.model.coverage,
        total=_total(scores, report.metrics["total_error"]),
    )  # fmt: skip


def _total(scores: Scores, miss: Estimate) -> Estimate:
    """What everybody is expected to bring, as far from the truth as the later test's total was.

    The miss is (predicted − real) ÷ real, so the real total is the predicted one over 1 + miss; its sign may turn.
    """
    expected, width = float(scores.customers[VALUE].sum()), max(abs(miss.low), abs(miss.high))
    high = expected / (1 - width) if width < 1 else np.inf
    return Estimate(expected, expected / (1 + width), high, miss.level, "miss of the total at the test instant")


def _offers(ground: Ground, offers: OfferAnswer, scores: Scores, settings: Settings, which: str) -> OfferSection:
    report = offers.new_report if which == "new" else offers.again_report
    lists = scores.recommendations
    first = lists[lists["list"] == which]
    top = first.groupby(ITEM)[CUSTOMER].nunique().rename("customers").reset_index().rename(columns={ITEM: "item"})
    top = top.sort_values(["customers", "item"], ascending=[False, True], kind="stable").head(15).reset_index(drop=True)
    if settings.items is not None and CATEGORY in settings.items:
        kinds = settings.items.drop_duplicates(ITEM).set_index(ITEM)[CATEGORY]
        top["category"] = top["item"].map(kinds)
    names = settings.item_names
    top["item"] = [str(names.get(i, i)) for i in top["item"]]
    mode = "items the customer never bought" if which == "new" else "items the customer bought before"
    rules = report.rules.assign(gain=lambda r: r["gain"].mask(r["verdict"] == ""))
    return OfferSection(n=report.n, k=report.k, mode=mode, rules=rules, top=top, horizon_days=ground.split.horizon.days)


def _what_if(log: InteractionLog, plan: Plan, settings: Settings) -> WhatIf | None:
    """What other budgets and costs of the preferred action would reach; nothing where there is no money to compare."""
    if not log.has_amounts:
        return None
    first = settings.actions[0]
    return what_if(
        plan.table["at_risk"], cost=first.cost, budget=plan.budget, holdout=settings.holdout, capacity=first.capacity,
        planned=plan.count(TREATED) + plan.count(HELD_OUT), action=first.name, actions=len(settings.actions),
    )  # fmt: skip


def _plan(plan: Plan, table: pd.DataFrame, asked: WhatIf | None) -> PlanSection:
    joined = plan.table.merge(table[[CUSTOMER, SEGMENT]], on=CUSTOMER)
    joined["contacted"] = joined["arm"] == "treated"
    label = joined[ACTION].mask(joined["arm"] == "held out", "held out at random")
    by_action = joined.groupby(label.rename("action")).agg(
        customers=(CUSTOMER, "size"), cost=("cost", "sum"), value_at_risk=("at_risk", "sum")
    )
    by_segment = joined.groupby(SEGMENT).agg(contacted=("contacted", "sum"), customers=(CUSTOMER, "size"))
    d = plan.design
    experiment: dict[str, str | float] = {} if d is None else {
        "customers contacted": f"{plan.count(TREATED):,}",
        "customers held out at random": f"{plan.count(HELD_OUT):,}",
        "expected churn without contact": f"{d.baseline:.1%}",
        "smallest drop one round can prove": "none: too few" if np.isnan(d.smallest) else f"{-100 * d.smallest:.1f} percentage points",
        "to prove a drop of a tenth": f"{d.needed:,} customers in both groups",
        "rounds of this size": f"{d.rounds:,}",
        "days until the answer": f"{d.duration_days:,.0f}" if d.duration_days <= LONG else "over ten years",
        "power and level": f"{d.power:.0%} and {1 - d.level:.0%}, two-sided",
    }  # fmt: skip
    return PlanSection(
        causal=plan.causal, statement=plan.statement, budget=plan.budget, cost=plan.cost, by_action=by_action.reset_index(),
        by_segment=by_segment.reset_index(), holdout=plan.count("held out"), treated=plan.count("treated"), experiment=experiment,
        what_if=asked,
    )  # fmt: skip


def _renamed(metrics: Mapping[str, Estimate], names: Mapping[str, str]) -> dict[str, Estimate]:
    return {names.get(k, k): v for k, v in metrics.items()}
