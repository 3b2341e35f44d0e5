"""Expected beside actual purchases: counted by a pencil, by a loop, and on real data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmintel.datasets import simulate
from crmintel.errors import DataContractError, LeakageError
from crmintel.evaluation import compare_values
from crmintel.interactions import InteractionLog
from crmintel.value import calibration_by_decile, conditional_expectation, purchase_history, tracking_curves
from tests.value.conftest import Steady, log_of


def small() -> InteractionLog:
    """Customer 1 begins on day 0, customer 2 on day 4, customer 3 only in the holdout, which begins on day 15."""
    days = [(1, 0), (1, 7), (1, 8), (1, 15), (1, 28), (2, 4), (2, 4), (2, 22), (3, 16), (3, 20)]
    return log_of([(c, pd.Timestamp("2024-01-01") + pd.Timedelta(days=d)) for c, d in days], "customer_id timestamp")


# by hand


def test_a_pencil_can_follow_the_weeks(steady: Steady) -> None:
    # fresh customers buy 1/20 a day; weeks end on days 0 | 7, 14 | 21, 28; customer 2 lives 3 days in the first
    told = tracking_curves(steady, small(), "2024-01-16", "14d")
    weeks = told.weeks
    assert weeks["ends"].tolist() == list(pd.to_datetime(["2024-01-08", "2024-01-15", "2024-01-22", "2024-01-29"]))
    assert weeks["part"].tolist() == ["calibration"] * 2 + ["holdout"] * 2
    assert weeks["expected"].tolist() == pytest.approx([10 / 20, 14 / 20, 14 / 20, 14 / 20])
    assert weeks["actual"].tolist() == [1, 1, 1, 2]
    assert weeks["cumulative_actual"].tolist() == [1, 2, 3, 5]
    # at day 14: x = 2, T = 14 and x = 0, T = 10
    week = 7 * (3 / 34 + 1 / 30)
    assert weeks["conditional"].tolist()[2:] == pytest.approx([week, week])
    assert weeks["cumulative_conditional"].tolist()[2:] == pytest.approx([2 + week, 2 + 2 * week])
    assert weeks["conditional"].isna().tolist() == [True, True, False, False]
    assert told.customers == 2
    assert told.at == pd.Timestamp("2024-01-16")


def test_totals_of_the_parts_add_up(steady: Steady) -> None:
    told = tracking_curves(steady, small(), "2024-01-16", "14d").totals.set_index("part")
    assert told["actual"].to_dict() == {"calibration": 2, "holdout": 3, "whole": 5}
    assert told.loc["whole", "expected"] == pytest.approx(52 / 20)
    assert told.loc["holdout", "error"] == pytest.approx(28 / 20 / 3 - 1)
    assert np.isnan(told.loc["calibration", "conditional_error"])


def test_weeks_at_both_ends_may_be_short(steady: Steady) -> None:
    told = tracking_curves(steady, small(), "2024-01-17", "10d").weeks  # days -1 | 1, 8, 15 | 22, 25
    assert told["ends"].dt.day.tolist() == [2, 9, 16, 23, 26]
    assert told["expected"].tolist() == pytest.approx([1 / 20, 11 / 20, 14 / 20, 14 / 20, 6 / 20])
    assert told["actual"].tolist() == [0, 2, 1, 1, 0]


def test_customers_who_all_began_on_the_last_day_have_no_calibration_part(steady: Steady) -> None:
    log = log_of([(1, "2024-01-01"), (2, "2024-01-01"), (1, "2024-01-08")], "customer_id timestamp")
    told = tracking_curves(steady, log, "2024-01-02", "7d")
    assert told.weeks["part"].tolist() == ["holdout"]
    assert told.weeks["actual"].tolist() == [1]
    assert "purchases: – until 2024-01-02, -30.0% after it" in repr(told)


def test_customers_of_equal_history_are_all_counted(steady: Steady) -> None:
    log = log_of(
        [*((c, "2024-01-01") for c in "abc"), ("d", "2024-01-02"), ("d", "2024-01-19")], "customer_id timestamp"
    )
    told = tracking_curves(steady, log, "2024-01-11", "7d").totals.set_index("part")
    assert told.loc["holdout", "conditional"] == pytest.approx(7 * (3 / 29 + 1 / 28))


# laws and an oracle


def test_a_loop_over_customers_and_days_counts_the_same() -> None:
    log = simulate(120, seed=3).log()
    at = (log.end - pd.Timedelta(days=60)).floor("D")
    model = Steady(0.7, 33.0)
    told = tracking_curves(model, log, at, "50d").weeks
    frame = log.to_pandas()
    bought = frame[frame["kind"] == "purchase"]
    days = {c: sorted(set(g.dt.floor("D"))) for c, g in bought.groupby("customer_id")["timestamp"]}
    base = {c: d for c, d in days.items() if d[0] < at}
    first = min(d[0] for d in base.values())
    for row, before in zip(told.itertuples(), [first - pd.Timedelta(days=1), *told["ends"][:-1]], strict=True):
        actual = sum(before < day <= row.ends for d in base.values() for day in d[1:])
        lived = sum((row.ends - max(before, d[0])).days for d in base.values() if row.ends > d[0])
        assert row.actual == actual
        assert row.expected == pytest.approx(lived * 0.7 / 33)
    history = purchase_history(log, at)
    ahead = model.expected_purchases(history, ["50d"]).to_numpy().sum()
    assert told["conditional"].sum() == pytest.approx(ahead)


def test_a_model_that_is_right_is_about_right_in_each_part() -> None:
    rng = np.random.default_rng(5)
    rows = []
    for c in range(1000):
        born, rate = rng.integers(0, 100), rng.gamma(2.0) / 60
        rows += [(c, born), *((c, d) for d in range(born + 1, 300) if rng.random() < rate)]
    start = pd.Timestamp("2023-01-01")
    log = log_of([(c, start + pd.Timedelta(days=int(d))) for c, d in rows], "customer_id timestamp")
    told = tracking_curves(Steady(2.0, 60.0), log, start + pd.Timedelta(days=200), "98d").totals.set_index("part")
    assert abs(told.loc[["calibration", "holdout"], "error"]).max() < 0.05
    assert abs(told.loc["holdout", "conditional_error"]) < 0.05


def test_a_return_is_no_purchase_and_the_local_day_counts(steady: Steady) -> None:
    rows = [(1, "2024-01-01 12:00", "purchase"), (1, "2024-01-02 23:30", "purchase"), (1, "2024-01-03 00:30", "purchase"),
            (1, "2024-01-05 12:00", "return"), (2, "2024-01-01 12:00", "purchase"), (2, "2024-01-12 12:00", "purchase")]  # fmt: skip
    for zone, count in (("UTC", 2), ("America/New_York", 2)):
        log = log_of(rows, "customer_id timestamp kind", timezone=zone)
        assert tracking_curves(steady, log, "2024-01-08", "3d").weeks["actual"].sum() == count
    utc = [(c, pd.Timestamp(t, tz="UTC"), k) for c, t, k in rows]
    log = log_of(utc, "customer_id timestamp kind", timezone="America/New_York")  # half past midnight was still the 2nd
    assert tracking_curves(steady, log, "2024-01-08", "3d").weeks["actual"].sum() == 1


# refusals


def test_a_holdout_that_the_log_has_not_seen_is_refused(steady: Steady) -> None:
    with pytest.raises(
        LeakageError, match=r"ends 2024-01-29, before the holdout ends on 2024-01-30.*\n.*at <= 2024-01-15"
    ):
        tracking_curves(steady, small(), "2024-01-16", "15d")
    assert tracking_curves(steady, small(), "2024-01-15", "15d").customers == 2


def test_a_horizon_of_hours_and_a_model_of_another_shape_are_refused(steady: Steady) -> None:
    with pytest.raises(DataContractError, match="no whole number of days"):
        tracking_curves(steady, small(), "2024-01-16", "36h")

    class Wrong:
        def expected_purchases(self, history: pd.DataFrame, horizon: list[str]) -> np.ndarray:
            return np.ones(len(history))

    with pytest.raises(DataContractError, match=r"shape \(1,\) for 1 rows and 28 horizons"):
        tracking_curves(Wrong(), small(), "2024-01-16", "14d")


def test_they_show_themselves(steady: Steady) -> None:
    told = tracking_curves(steady, small(), "2024-01-16", "14d")
    assert repr(told).startswith(
        "TrackingCurves: 2 customers, expected against actual purchases: -40.0% until 2024-01-16"
    )
    assert "2024-01-08" in told._repr_html_()
    assert told.to_frame().equals(told.weeks)


# groups


def test_groups_by_frequency_by_hand() -> None:
    history = pd.DataFrame({"frequency": [0, 0, 0, 3, 7, 12]}, index=list("abcdef"))
    actual = pd.Series([0.0, 1.0, 2.0, 5.0, 4.0, 8.0], index=list("abcdef"))
    told = conditional_expectation(history, pd.Series(range(6), index=list("fedcba")), actual)  # of another order
    assert told.table["frequency"].tolist() == ["0", "3", "7+"]
    assert told.table["customers"].tolist() == [3, 1, 2]
    assert told.table["expected"].tolist() == [4.0, 2.0, 0.5]
    assert told.table["actual"].tolist() == [1.0, 5.0, 6.0]
    half = 4.302653 / np.sqrt(3)  # Student's t with two degrees of freedom, standard deviation 1
    assert told.table.loc[0, ["low", "high"]].tolist() == pytest.approx([0.0, 1 + half])
    assert np.isnan(told.table.loc[1, "low"])
    assert told.by == "frequency"
    assert "in 1 of 2" in repr(told)  # 4 is outside 0 to 3.5; .5 is inside 0 to 31
    assert "7+" in told._repr_html_()


def test_tenths_are_those_of_the_report_of_values() -> None:
    rng = np.random.default_rng(0)
    predicted = np.round(rng.gamma(1.0, 20.0, 997))  # with ties
    actual = predicted * rng.gamma(1.0, size=997)
    told = calibration_by_decile(predicted, actual).to_frame()
    known = compare_values(actual, predicted, None, None, {"mean": np.full(997, 20.0)}, n=2).deciles
    assert told["customers"].tolist() == known["customers"].tolist()
    np.testing.assert_allclose(told[["expected", "actual"]], known[["predicted", "actual"]])
    assert told["customers"].sum() == 997


def test_intervals_hold_the_expected_mean_of_a_right_forecast() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(40):
        mean = rng.gamma(2.0, size=1000)
        told = calibration_by_decile(mean, rng.poisson(mean))
        inside += 10 - len(told.outside)
    assert 0.92 * 400 <= inside <= 0.98 * 400


def test_equal_forecasts_are_one_group_and_gaps_are_refused() -> None:
    assert len(calibration_by_decile(np.ones(50), np.arange(50.0)).table) == 1
    with pytest.raises(DataContractError, match="actual is missing"):
        calibration_by_decile([1.0, 2.0], [1.0, np.nan])
    with pytest.raises(DataContractError, match="Lengths differ"):
        calibration_by_decile([1.0, 2.0], [1.0])
    with pytest.raises(DataContractError, match="Missing column: 'frequency'"):
        conditional_expectation(pd.DataFrame({"x": [1]}), [1.0], [1.0])


def test_money_below_zero_has_an_interval_below_zero() -> None:
    told = calibration_by_decile(np.ones(4), np.array([-5.0, -6.0, -5.0, 1.0])).table
    assert told["low"].iloc[0] < 0


# real data


@pytest.mark.slow
def test_counts_of_the_published_data(data: Path, steady: Steady) -> None:
    """The cohort of CDNOW and its 39 and 39 weeks: its purchases by the tools of the table itself."""
    log = InteractionLog.read(data / "cdnow" / "interactions.parquet", quiet=True)
    told = tracking_curves(steady, log, "1997-10-01", "273d")
    frame = log.to_pandas()
    day = frame.groupby("customer_id")["timestamp"].transform("min")
    again = frame[frame["timestamp"] > day].drop_duplicates(["customer_id", "timestamp"])
    assert told.customers == 23_570
    assert told.totals["actual"].tolist()[2] == len(again)
    assert told.totals["actual"].tolist()[0] == (again["timestamp"] < "1997-10-01").sum()
    assert len(told.weeks) == 78


def test_the_page_of_a_long_log_shows_the_last_weeks(steady: Steady) -> None:
    days = pd.date_range("2023-01-02", periods=400, freq="3D")
    log = log_of([(i % 9, day, 1.0) for i, day in enumerate(days)])
    told = tracking_curves(steady, log, "2025-10-06", "12w")
    page = told._repr_html_()
    assert f"last 26 of {len(told.weeks)} weeks" in page
    assert f"{told.weeks['ends'].iloc[-1]:%Y-%m-%d}" in page
    assert f"{told.weeks['ends'].iloc[0]:%Y-%m-%d}" not in page
