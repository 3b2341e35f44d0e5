"""Triangles of cohorts: five rows and a pencil, a loop, and what has not been seen whole."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmintel.datasets import simulate
from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog
from crmintel.value import CohortTriangle, cohort_retention, cohort_revenue
from tests.value.conftest import log_of

NAN = float("nan")


def small() -> InteractionLog:
    """Three customers of January and two of February; March is seen to its last day, April is not."""
    return log_of(
        [
            ("a", "2024-01-03", 10.0, "purchase"), ("a", "2024-01-30", 5.0, "purchase"), ("a", "2024-03-08", 20.0, "purchase"),
            ("b", "2024-01-31", 40.0, "purchase"), ("b", "2024-02-01", 8.0, "purchase"), ("b", "2024-03-15", -3.0, "return"),
            ("c", "2024-01-09", 1.0, "purchase"),
            ("d", "2024-02-29", 30.0, "purchase"), ("d", "2024-03-01", 30.0, "purchase"), ("d", "2024-04-10", 7.0, "purchase"),
            ("e", "2024-02-02", 2.0, "purchase"),
        ],
        "customer_id timestamp amount kind",
    )  # fmt: skip


# by hand


def test_a_pencil_can_follow_who_still_buys() -> None:
    told = cohort_retention(small())
    assert told.customers.to_dict() == {pd.Timestamp("2024-01-01"): 3, pd.Timestamp("2024-02-01"): 2}
    np.testing.assert_array_equal(told.totals, [[3, 1, 1], [2, 1, NAN]])
    np.testing.assert_allclose(told.each, [[1, 1 / 3, 1 / 3], [1, 1 / 2, NAN]])
    np.testing.assert_allclose(told.overall, [1, 2 / 5, 1 / 3])
    frame = told.to_frame()
    assert frame.index.tolist() == ["2024-01-01", "2024-02-01", "all"]
    assert frame.loc["all"].tolist() == pytest.approx([5, 1, 0.4, 1 / 3])
    assert frame.columns.tolist() == ["customers", 0, 1, 2]


def test_a_pencil_can_follow_the_money_and_a_return_is_taken_off_what_was_bought() -> None:
    told = cohort_revenue(small())
    np.testing.assert_array_equal(told.totals, [[56, 5, 20], [32, 30, NAN]])  # b returns 3 of the 8 of February
    np.testing.assert_allclose(told.each, told.totals.to_numpy() / [[3], [2]])
    np.testing.assert_allclose(told.cumulative, [[56 / 3, 61 / 3, 27], [16, 31, NAN]])
    np.testing.assert_allclose(told.overall, [88 / 5, 35 / 5, 20 / 3])


def test_a_return_is_no_purchase() -> None:
    rows = [("a", "2024-01-03", 9.0, "purchase"), ("a", "2024-02-10", -9.0, "return"), ("b", "2024-01-03", 1.0, "purchase"), ("b", "2024-02-29", 1.0, "purchase")]  # fmt: skip
    log = log_of(rows, "customer_id timestamp amount kind")
    assert cohort_retention(log).totals.to_numpy().tolist() == [[2, 1]]
    assert cohort_revenue(log).totals.to_numpy().tolist() == [[1, 1]]


def test_a_period_counts_only_if_its_last_day_was_seen() -> None:
    log = small()
    assert cohort_retention(log, at="2024-05-01").totals.shape == (2, 4)  # the caller knows that April is whole
    np.testing.assert_array_equal(cohort_retention(log, at="2024-05-01").totals.iloc[1], [2, 1, 1, NAN])
    np.testing.assert_array_equal(cohort_retention(log, at="2024-03-31").totals, [[3, 1], [2, NAN]])
    early = cohort_retention(log, at="2024-01-20")
    assert early.customers.tolist() == [2]
    assert early.totals.isna().all(axis=None)
    assert "after their first" not in repr(early)


def test_quarters_and_weeks_have_their_own_bounds() -> None:
    days = [
        "2023-12-31",
        "2024-01-01",
        "2024-01-07",
        "2024-01-08",
        "2024-03-31",
    ]  # Sunday, Monday, Sunday, Monday, Sunday
    log = log_of(list(zip([1, 1, 2, 2, 3], days, strict=True)), "customer_id timestamp")
    weeks = cohort_retention(log, "week")
    assert weeks.customers.index.strftime("%Y-%m-%d").tolist() == ["2023-12-25", "2024-01-01", "2024-03-25"]
    np.testing.assert_array_equal(weeks.totals.iloc[:, :2], [[1, 1], [1, 1], [1, NAN]])
    quarters = cohort_retention(log, "quarter")
    assert quarters.customers.to_dict() == {pd.Timestamp("2023-10-01"): 1, pd.Timestamp("2024-01-01"): 2}
    np.testing.assert_array_equal(quarters.totals, [[1, 1], [2, NAN]])


def test_days_are_those_of_the_business_clock() -> None:
    stamps = [pd.Timestamp("2024-01-31 23:30", tz="UTC"), pd.Timestamp("2024-03-31 12:00", tz="UTC")]
    for zone, first in (("UTC", "2024-01-01"), ("Asia/Tokyo", "2024-02-01")):
        told = cohort_retention(log_of(list(zip("ab", stamps, strict=True)), "customer_id timestamp", timezone=zone))
        assert told.customers.index[0] == pd.Timestamp(first)


# laws and an oracle


@pytest.mark.parametrize("period", ["month", "week", "quarter"])
def test_a_loop_over_customers_fills_the_same_cells(period: str) -> None:
    log = simulate(50, seed=4).log()
    buyers, money = cohort_retention(log, period), cohort_revenue(log, period)
    frame = log.to_pandas()
    frame = frame.assign(day=frame["timestamp"].dt.floor("D")).sort_values(["day", "kind"])  # purchases first on a day
    code = {"month": "M", "week": "W-SUN", "quarter": "Q-DEC"}[period]
    last = (log.end + pd.Timedelta(days=1)).floor("D").to_period(code) - 1
    cells: dict[tuple[pd.Timestamp, int], list[set[str] | float]] = {}
    for customer, rows in frame[frame["kind"].isin(["purchase", "return"])].groupby("customer_id"):
        first = when = None
        for row in rows.itertuples():  # returns of the day of a purchase or later come off it
            if row.kind == "purchase":
                when = row.timestamp.to_period(code)
                first = first if first is not None else when
            if first is None or when is None or when > last:
                continue
            cell = cells.setdefault((first.start_time, (when - first).n), [set(), 0.0])
            if row.kind == "purchase":
                cell[0].add(customer)  # type: ignore[union-attr]
            cell[1] += row.amount  # type: ignore[operator]
    for triangle, number in ((buyers, lambda c: len(c[0])), (money, lambda c: c[1])):
        assert len(triangle.totals) >= 3
        for cohort, row in triangle.totals.iterrows():
            for age, told in row.items():
                if cohort.to_period(code) + age > last:
                    assert np.isnan(told)
                else:
                    cell = cells.get((cohort, age))
                    assert told == pytest.approx(0.0 if cell is None else number(cell))


def test_all_money_of_whole_periods_is_in_the_triangle() -> None:
    log = simulate(150, seed=4).log()
    frame = log.to_pandas()
    end = frame["timestamp"].max() + pd.Timedelta(days=40)
    told = cohort_revenue(log, at=end)
    money = frame.loc[frame["kind"].isin(["purchase", "return"]), "amount"].sum()
    assert told.totals.sum().sum() == pytest.approx(money)
    assert int(told.customers.sum()) == frame.loc[frame["kind"] == "purchase", "customer_id"].nunique()


def test_row_order_changes_nothing() -> None:
    frame = simulate(100, seed=4).log().to_pandas()
    for function in (cohort_retention, cohort_revenue):
        one, other = (
            function(InteractionLog.read(f, quiet=True)) for f in (frame, frame.sample(frac=1, random_state=1))
        )
        pd.testing.assert_frame_equal(one.to_frame(), other.to_frame(), check_exact=True)


# refusals and looks


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(DataContractError, match=r"Unknown period 'year'. Choose from month, quarter, week"):
        cohort_retention(small(), "year")
    with pytest.raises(DataContractError, match="needs amounts"):
        cohort_revenue(log_of([(1, "2024-01-01"), (2, "2024-01-02")], "customer_id timestamp"))
    with pytest.raises(DataContractError, match="Nobody bought"):
        cohort_retention(small(), at="2023-01-01")


def test_a_triangle_shows_itself() -> None:
    told = cohort_retention(small())
    assert isinstance(told, CohortTriangle)
    assert repr(told) == (
        "CohortTriangle of buyers: 5 customers in 2 cohorts by month, seen until 2024-04-10; 40.0% buy in the month after their first"
    )
    assert "<td>all</td>" in told._repr_html_()
    assert "money" in repr(cohort_revenue(small()))


# real data


@pytest.mark.slow
def test_cohorts_of_the_published_data(data: Path) -> None:
    log = InteractionLog.read(data / "cdnow" / "interactions.parquet", quiet=True)
    told = cohort_retention(log)
    assert told.customers.tolist() == [7846, 8476, 7248]
    assert told.totals.shape == (3, 18)
    assert told.totals.isna().sum(axis=1).tolist() == [0, 1, 2]
    assert told.each.iloc[0, 1] == pytest.approx(0.1475, abs=1e-4)
