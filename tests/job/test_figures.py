"""The figures of the page against plain pandas on the rows, and against the tables of the run."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from crmintel.job.page import _what_if
from crmintel.reports import people
from crmintel.reports.blocks import Bars
from crmintel.reports.months import months
from tests.job.conftest import Run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bought(run: Run) -> pd.DataFrame:
    """Purchases with their month and the month of the customer's first."""
    rows = run.rows[run.rows["kind"] == "purchase"].copy()
    rows["month"] = pd.to_datetime(rows["timestamp"]).dt.to_period("M")
    rows["first"] = rows.groupby("customer_id")["month"].transform("min")
    return rows


def test_the_months(run: Run, bought: pd.DataFrame) -> None:
    told = run.results.report.base.monthly
    money = run.rows[run.rows["kind"].isin(["purchase", "return"])]
    revenue = money.groupby(pd.to_datetime(money["timestamp"]).dt.to_period("M"))["amount"].sum()
    assert told["month"].dt.to_period("M").tolist() == revenue.index.tolist()
    np.testing.assert_allclose(told["revenue"], revenue)
    assert told["active_customers"].tolist() == bought.groupby("month")["customer_id"].nunique().tolist()
    new = bought.groupby("first")["customer_id"].nunique().reindex(revenue.index, fill_value=0)
    assert told["new_customers"].tolist() == new.tolist()


def test_who_comes_back(run: Run, bought: pd.DataFrame) -> None:
    told = run.results.report.base.retention
    cohorts = bought.groupby("first")["customer_id"].nunique()
    for month, shares in told.iterrows():
        cohort = month.to_period("M")
        mine = bought[bought["first"] == cohort]
        for later, share in shares.dropna().items():
            back = mine.loc[mine["month"] == cohort + int(later), "customer_id"].nunique()
            assert share == pytest.approx(back / cohorts[cohort]), (month, later)
    assert told.notna().to_numpy().sum() == sum(range(1, len(told)))  # the last month is not over
    assert told.iloc[-1].isna().all()


def test_segments_and_stages(run: Run) -> None:
    table, report = run.table("customers"), run.results.report
    money = run.rows[run.rows["kind"].isin(["purchase", "return"])].groupby("customer_id")["amount"].sum()
    table["money"] = table["customer_id"].map(money).fillna(0.0)
    segments = report.segments.set_index("segment")
    by = table[table["segment"] != "prospects"].groupby("segment")
    np.testing.assert_allclose(segments["revenue"].reindex(by["money"].sum().index), by["money"].sum(), atol=1e-6)
    np.testing.assert_allclose(segments["mean_value"].reindex(by["value"].mean().index), by["value"].mean())
    np.testing.assert_allclose(
        segments["churn_probability"].reindex(by["churn_probability"].mean().index), by["churn_probability"].mean()
    )
    stages = report.stages.set_index("stage")
    mean = table.groupby("stage")["churn_probability"].mean()
    np.testing.assert_allclose(stages["churn_probability"].reindex(mean.index), mean)


def test_where_the_plan_goes(run: Run) -> None:
    plan = run.table("plan").merge(run.table("customers")[["customer_id", "segment"]])
    told = run.results.report.plan
    assert told is not None
    contacted = plan[plan["arm"] == "treated"].groupby("segment").size()
    by = told.by_segment.set_index("segment")["contacted"]
    assert by[by > 0].to_dict() == contacted.to_dict()
    assert told.treated == contacted.sum()


def test_the_items_offered_most(run: Run) -> None:
    told, lists = run.results.report.offers, run.table("recommendations")
    assert told is not None
    often = lists[lists["list"] == "new"].groupby("item_id")["customer_id"].nunique()
    assert told.top["customers"].tolist() == sorted(often, reverse=True)[: len(told.top)]
    assert told.top.set_index("item")["customers"].to_dict().items() <= {str(i): n for i, n in often.items()}.items()


def test_the_total_ahead_and_how_far_it_may_be_off(run: Run) -> None:
    value = run.results.report.value
    assert value is not None
    assert value.total is not None
    miss = value.metrics["bias"]
    expected, width = run.table("customers")["value"].sum(), max(abs(miss.low), abs(miss.high))
    assert value.total.value == pytest.approx(expected)
    assert value.total.low == pytest.approx(expected / (1 + width))
    assert value.total.high == pytest.approx(expected / (1 - width))


def test_the_what_if_knows_how_many_the_action_reaches(run: Run) -> None:
    plan = run.results.scores.plan
    assert plan is not None
    few = dataclasses.replace(run.settings.actions[0], capacity=300)
    asked = _what_if(run.results.ground.log, plan, dataclasses.replace(run.settings, actions=(few,)))
    assert asked is not None
    assert asked.capacity == 300


def test_a_month_is_compared_with_the_same_month_of_the_year_before(run: Run) -> None:
    report = run.results.report
    monthly = report.base.monthly
    pictures = [b for b in months(report, 10) if hasattr(b, "svg")]
    whole = len(monthly) - 2  # the last one is not over
    change = monthly["active_customers"].iloc[whole] / monthly["active_customers"].iloc[whole - 12] - 1
    assert f"{100 * change:.0f}% more than a year before" in pictures[0].title  # type: ignore[union-attr]  # pictures have one


def test_the_share_that_comes_back_is_that_of_all_customers_of_whom_it_is_known(run: Run) -> None:
    report = run.results.report
    new = report.base.monthly.set_index("month")["new_customers"].iloc[1:]
    (picture,) = people._retention(report.base, 10)
    assert picture is not None
    for later, words in ((1, "one month later"), (6, "six months later")):
        share = report.base.retention[later].iloc[1:].dropna()
        size = new.reindex(share.index)
        share, size = share[size >= 10], size[size >= 10]
        assert f"{100 * np.average(share, weights=size):.0f} come back {words}" in picture.title  # type: ignore[union-attr]  # it is a picture


def test_a_full_bar_of_risk_is_certainty(run: Run) -> None:
    section = people.segments(run.results.report, 10)
    (bars,) = (b for b in section.blocks if isinstance(b, Bars) and "certainty" in b.caption)
    mean = run.results.report.segments.set_index("segment")["churn_probability"]
    for row in bars.rows:
        if row.name in mean.index:
            assert row.bars[0].width == pytest.approx(100 * mean[row.name], abs=0.01)
