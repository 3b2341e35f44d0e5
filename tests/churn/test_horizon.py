"""Labels both ways: contracts with their dates or status, and how long a silence must last."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel import InteractionLog, Policies
from crmintel.churn import by_status, contractual, kaplan_meier, re_activated, suggest_silence
from crmintel.churn.silence import CLASSES, _Curves, _gaps
from crmintel.datasets import simulate
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError, LeakageError
from crmintel.features import churned
from crmintel.features.filters import Is

# contracts


def people(**columns: Any) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    return pd.DataFrame({"customer_id": [f"person-{i}" for i in range(n)], **columns})


def dated(*pairs: tuple[str, str | None]) -> pd.DataFrame:
    return people(since=[a for a, _ in pairs], until=[b for _, b in pairs])


FIVE = dated(
    ("2023-01-01", "2024-01-10"),
    ("2023-01-01", None),
    ("2023-03-01", "2023-12-31"),
    ("2024-01-01", None),
    ("2023-12-31", "2024-01-31"),
)


def test_labels_of_five_contracts_by_hand() -> None:
    told = contractual(FIVE, start="since", end="until", seen="2024-06-30", at="2024-01-01", horizon="30d")
    assert told.label is not None
    assert told.label.index.names == ["customer_id", "at"]
    assert told.label.to_dict() == {
        ("person-0", pd.Timestamp("2024-01-01")): True,
        ("person-1", pd.Timestamp("2024-01-01")): False,
        ("person-4", pd.Timestamp("2024-01-01")): False,  # the window ends before the 31st
    }
    assert told.left_out.set_index("reason")["customers"].to_dict() == {"ended before at": 1, "started at or after at": 1}  # fmt: skip
    assert told.survival is not None
    assert told.survival.loc["person-0"].tolist() == [374, True, 365]
    assert told.survival.loc["person-1"].tolist() == [546, False, 365]
    assert told.survival.loc["person-4"].tolist() == [31, True, 1]
    assert told.duration is not None
    assert told.observed is not None
    assert told.entry is not None
    assert len(told.label) + told.left_out["customers"].sum() == told.n == 5


def test_ends_on_the_edges_of_the_window() -> None:
    table = dated(("2023-01-01", "2024-01-01"), ("2023-01-01", "2024-01-30"), ("2023-01-01", "2024-01-31"))
    told = contractual(table, start="since", end="until", seen="2024-03-01", at="2024-01-01", horizon="30d")
    assert told.label is not None
    assert told.label.tolist() == [True, True, False]


def test_without_an_instant_everybody_enters_at_age_zero() -> None:
    told = contractual(FIVE, start="since", end="until", seen="2024-01-20")
    assert told.label is None
    assert told.survival is not None
    assert told.survival["entry"].tolist() == [0.0] * 5
    assert told.survival["observed"].tolist() == [True, False, True, False, False]  # the end of the last lies ahead
    assert told.survival["duration"].tolist() == [374, 384, 305, 19, 20]
    early = contractual(FIVE, start="since", end="until", seen="2023-06-30")
    assert early.left_out.to_numpy().tolist() == [["started after the last day seen", 2]]


def test_a_horizon_that_is_not_over_is_refused() -> None:
    with pytest.raises(LeakageError, match="known until 2024-01-31, before the label window closes on 2024-02-10"):
        contractual(FIVE, start="since", end="until", seen="2024-01-31", at="2024-01-11", horizon="30d")
    with pytest.raises(LeakageError, match="Use at <= 2024-01-01"):
        contractual(FIVE, start="since", end="until", seen="2024-01-31", at="2024-01-11", horizon="30d")
    told = contractual(FIVE, start="since", end="until", seen="2024-01-31", at="2024-01-01", horizon="30d")
    assert told.label is not None
    with pytest.raises(LeakageError, match="Nothing is known from 2024-02-01"):
        contractual(FIVE, start="since", end="until", at="2024-02-01")
    with pytest.raises(DataContractError, match="Pass at"):
        contractual(FIVE, start="since", end="until", horizon="30d")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.none() | st.integers(0, 300)), min_size=1, max_size=20), st.integers(1, 300))  # fmt: skip
def test_labels_and_durations_tell_the_same(pairs: list[tuple[int, int | None]], day: int) -> None:
    """Who leaves within the horizon is who is observed to end before entry + horizon."""
    origin = pd.Timestamp("2023-01-01")
    since = [origin + pd.Timedelta(days=a) for a, _ in pairs]
    until = [pd.NaT if b is None else s + pd.Timedelta(days=b) for s, (_, b) in zip(since, pairs, strict=True)]
    table = people(since=since, until=pd.Series(until, dtype="datetime64[us]"))
    at = origin + pd.Timedelta(days=day)
    try:
        told = contractual(table, start="since", end="until", seen="2024-12-31", at=at, horizon="60d")
    except DataContractError:
        return
    assert told.label is not None
    assert told.survival is not None
    held = told.survival
    leaves = held["observed"] & (held["duration"] < held["entry"] + 60)
    label = told.label.droplevel("at")
    assert leaves.tolist() == label[held.index].tolist()
    assert label.drop(held.index).all()  # ended right at the instant
    assert (held["entry"] > 0).all()
    assert (held["duration"] > held["entry"]).all()
    assert len(held) + told.left_out["customers"].sum() == len(table)


def test_times_of_day_and_zones_are_read_by_their_own_clock() -> None:
    since = pd.Series(pd.to_datetime(["2023-01-01 12:00", "2023-01-01 00:00"])).dt.tz_localize("Europe/Berlin")
    told = contractual(
        people(since=since, until=["2024-01-01 12:00", None]), start="since", end="until", seen="2024-02-01"
    )
    assert told.survival is not None
    assert told.survival["duration"].tolist() == [365.0, 396.0]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (dated(("2024-01-02", "2024-01-01")), "'until' lies before 'since' for 1 of 1"),
        (people(since=["2024-01-01", None], until=[None, None]), "'since' is missing for 1 of 2"),
        (dated(("2024-01-01", "soon")), r"'until' cannot be read as a date .* 1 of 1"),
        (people(since=[20240101], until=[None]), "'since' holds numbers"),
        (people(since=["2024-01-01"]), "lacks columns: until"),
        (FIVE.iloc[:0], "no rows"),
        (FIVE.assign(customer_id="person-1"), "4 of 5 rows repeat a customer"),
        (FIVE.assign(customer_id=[None, *list("abcd")]), "1 of 5 rows have no customer"),
        (FIVE.drop(columns="customer_id"), "no column or index 'customer_id'"),
    ],
)
def test_dates_that_cannot_be_are_counted(table: pd.DataFrame, said: str) -> None:
    with pytest.raises(DataContractError, match=said) as caught:
        contractual(table, start="since", end="until", seen="2024-06-30")
    assert "person-" not in str(caught.value)
    assert "soon" not in str(caught.value)


NOTICE = dated(("2023-01-01", "2026-02-01"), ("2023-05-01", None), ("2023-09-01", None))


def test_a_notice_given_in_advance_does_not_tell_the_last_day_seen() -> None:
    with pytest.raises(LeakageError, match=r"until 2023-09-01 \(the latest start, since seen is not given\)"):
        contractual(NOTICE, start="since", end="until", at="2025-01-01", horizon="90d")
    with pytest.raises(LeakageError, match=r"known until 2023-09-01 \(the latest start"):
        contractual(NOTICE, start="since", end="until", at="2025-01-01")
    with pytest.warns(
        DataContractWarning, match=r"known until 2023-09-01, the latest start\. 1 of 3 contracts end later"
    ):
        told = contractual(NOTICE, start="since", end="until", at="2023-06-01", horizon="30d")
    assert told.observed is not None
    assert not told.observed.any()
    told = contractual(NOTICE, start="since", end="until", seen="2026-02-01", at="2025-01-01", horizon="90d")
    assert told.label is not None
    assert told.label.tolist() == [False] * 3


def test_durations_are_such_as_curves_can_take() -> None:
    """Ended right at the instant, started on the last day seen, ended when it began, tenure 0: no time was seen."""
    table = dated(("2023-01-01", "2024-01-01"), ("2023-01-01", "2024-01-15"), ("2023-01-01", None))
    told = contractual(table, start="since", end="until", seen="2024-06-30", at="2024-01-01", horizon="30d")
    assert told.label is not None
    assert told.label.tolist() == [True, True, False]
    assert told.survival is not None
    assert told.survival.index.tolist() == ["person-1", "person-2"]
    assert told.left_out.to_numpy().tolist() == [["no time was seen (not in survival)", 1]]
    assert kaplan_meier(told.duration, told.observed, entry=told.entry).events.sum() == 1
    assert repr(told) == "Contracts(n=3, kept=3, 2 of 3 leave)"
    table = dated(("2023-01-01", "2023-01-01"), ("2024-06-30", None), ("2023-01-01", "2024-01-15"))
    told = contractual(table, start="since", end="until", seen="2024-06-30")
    assert told.left_out.to_numpy().tolist() == [["no time was seen (not in survival)", 2]]
    assert kaplan_meier(told.duration, told.observed).events.sum() == 1
    told = by_status(people(left=[1, 0, 0], months=[5, 9, 0]), "left", tenure="months")
    assert told.left_out.to_numpy().tolist() == [["no time was seen (not in survival)", 1]]
    assert kaplan_meier(told.duration, told.observed).events.sum() == 1


def test_tables_of_polars_are_read() -> None:
    own: Any = {"start": "since", "end": "until", "seen": "2024-06-30", "at": "2024-01-01", "horizon": "30d"}
    one, two = contractual(FIVE, **own), contractual(pl.from_pandas(FIVE), **own)
    assert one.to_frame().equals(two.to_frame())
    dates = pl.from_pandas(FIVE).with_columns(pl.col("since", "until").str.to_date())
    assert contractual(dates, **own).to_frame().equals(one.to_frame())
    table = pl.DataFrame({"customer_id": [1, 2, 3], "left": ["yes", "no", "no"], "months": [1, 2, 3]})
    told = by_status(table, "left", positive="yes", tenure="months")
    assert told.to_frame()["churned"].tolist() == [True, False, False]
    with pytest.raises(DataTypeError, match="contracts cannot be a ndarray"):
        by_status(np.zeros((2, 2)), "left")


def test_nobody_alive_is_refused() -> None:
    with pytest.raises(DataContractError, match="None of 5 contracts"):
        contractual(FIVE, start="since", end="until", at="2020-01-01")


# a status


def test_a_status_with_a_tenure_by_hand() -> None:
    table = people(left=["Yes", "No", "No"], months=[5, 9, 0])
    told = by_status(table, "left", positive="Yes", tenure="months")
    assert told.label is not None
    assert told.label.to_dict() == {"person-0": True, "person-1": False, "person-2": False}
    assert told.to_frame().columns.tolist() == ["churned", "duration", "observed", "entry"]
    assert told.to_frame()["duration"].tolist()[:2] == [5.0, 9.0]
    assert np.isnan(told.to_frame()["duration"].iloc[2])  # no time was seen
    assert repr(told) == "Contracts(n=3, kept=3, 1 of 3 leave)"
    assert "table" in told._repr_html_()


@pytest.mark.parametrize("values", [[1, 0, 0], [True, False, False], [1.0, 0.0, 0.0], pd.array([1, 0, 0], "Int64")])
def test_zeros_and_ones_need_no_positive(values: Any) -> None:
    told = by_status(people(left=values), "left")
    assert told.label is not None
    assert told.label.tolist() == [True, False, False]
    assert told.survival is None


def test_several_values_may_mean_left() -> None:
    table = people(left=["gone", "sleeps", "here", "dead"]).set_index("customer_id")
    told = by_status(table, "left", positive=["gone", "dead"])
    assert told.label is not None
    assert told.label.tolist() == [True, False, False, True]


@pytest.mark.parametrize("kind", [set, frozenset, np.array, pd.Index, pd.Series, pl.Series, tuple, iter])
def test_what_means_left_may_come_in_any_container(kind: Any) -> None:
    told = by_status(people(left=["gone", "here", "dead"]), "left", positive=kind(["gone", "dead"]))
    assert told.label is not None
    assert told.label.tolist() == [True, False, True]


def test_a_value_that_never_occurs_is_named() -> None:
    table = people(left=["gone", "here", "dead"])
    with pytest.warns(DataContractWarning, match=r"never occur in 'left': 'Deda'\. Check"):
        told = by_status(table, "left", positive=np.array(["gone", "Deda"]))
    assert told.label is not None
    assert told.label.tolist() == [True, False, False]
    with pytest.raises(DataContractError, match=r"None of 3 customers .* \('Deda', 'Gone'\); 3 different values occur"):
        by_status(table, "left", positive={"Gone", "Deda"})
    with pytest.raises(DataContractError, match=r"'1'.*text or a number"):
        by_status(people(left=[1, 0, 0]), "left", positive="1")


def test_yes_and_no_may_be_objects() -> None:
    for values in ([True, False, False], [1, 0, 0], [1.0, 0, 0]):
        told = by_status(people(left=pd.Series(values, dtype=object)), "left")
        assert told.label is not None
        assert told.label.tolist() == [True, False, False]


@pytest.mark.parametrize("positive", [None, 1, "1"])
def test_numbers_mixed_with_text_are_refused(positive: Any) -> None:
    with pytest.raises(DataContractError, match="'left' mixes text and other values: text for 1 of 3"):
        by_status(people(left=[1, "1", 0]), "left", positive=positive)


@pytest.mark.parametrize(
    ("values", "positive", "said"),
    [
        ([1, 0, np.nan], None, "'left' is missing for 1 of 3"),
        (["yes", None, "no"], "yes", "'left' is missing for 1 of 3"),
        ([0, 1, 2], None, "neither 0 nor 1 for 1 of 3 customers, with 3 different values"),
        ([0.5, 1.0, 0.5], None, "neither 0 nor 1 for 2 of 3"),
        (["yes", "no", "no"], None, r"no number and has 2 different values.*positive="),
        (["yes", "no", "no"], "Yes", "None of 3 customers .* Check its spelling"),
    ],
)
def test_row_95_a_status_that_is_no_label_is_counted(values: list[Any], positive: Any, said: str) -> None:
    with pytest.raises(DataContractError, match=said) as caught:
        by_status(people(left=values), "left", positive=positive)
    assert "yes" not in str(caught.value)


def test_a_tenure_that_is_none_is_counted() -> None:
    for months in ([1, -1, 2], [1, np.nan, 2], ["1", " ", "2"]):
        with pytest.raises(DataContractError, match="'months' is missing, negative or no number for 1 of 3"):
            by_status(people(left=[1, 0, 0], months=months), "left", tenure="months")


# silence


def log_of(days: dict[int, list[int]], **more: Any) -> InteractionLog:
    """Customers who bought on these days of 2023; the log ends when the last of all events is."""
    rows = [(c, pd.Timestamp("2023-01-01") + pd.Timedelta(days=d, hours=9)) for c, of in days.items() for d in of]
    return InteractionLog.read(pd.DataFrame(rows, columns=["customer_id", "timestamp"]).assign(**more), quiet=True)


def test_gaps_of_three_customers_by_hand() -> None:
    told = _gaps(log_of({1: [0, 0, 10, 30], 2: [5], 3: [40, 100]}), Is("kind", ("purchase",)))
    assert told.days.tolist() == [10, 20, 70, 95, 60, 0]
    assert told.observed.tolist() == [True, True, False, False, True, False]
    assert told.bought.tolist() == [1, 2, 3, 1, 1, 2]
    assert ((told.first - told.first[0]).tolist(), told.span) == ([0, 5, 40], 100)


def test_false_alarms_by_hand() -> None:
    """After one purchase: gaps of 10, 20, 30 and 60 ended, one of 25 is open (it leaves the risk set)."""
    told = suggest_silence(
        log_of({1: [0, 10], 2: [0, 20], 3: [0, 30], 4: [0, 60], 5: [95], 6: [95, 120]}), candidates=[10, 30, 31, 60, 61], n=20
    )  # fmt: skip
    gaps = _gaps(log_of({1: [0, 10], 2: [0, 20], 3: [0, 30], 4: [0, 60], 5: [95], 6: [120]}), Is("kind", ("purchase",)))
    alive = _Curves(gaps, np.array([10])).survival(0, np.ones(6))
    assert alive[[9, 10, 19, 20, 29, 30, 59, 60]].tolist() == pytest.approx(
        [1, 0.8, 0.8, 0.6, 0.6, 0.3, 0.3, 0]
    )  # 5 at risk, then 4; 25 is open, so 2 are left at 30
    assert _Curves(gaps, np.array([10])).late(0, np.ones(6))[[10, 11, 30, 31]].tolist() == pytest.approx([1, 0.8, 0.6, 0.3])  # fmt: skip
    assert told.curve["horizon_days"].tolist() == [10, 30, 31, 60]  # half of the log is 60 days
    assert told.curve["decided"].tolist() == [1.0, 4 / 6, 4 / 6, 4 / 6]


def test_open_gaps_make_gaps_longer_than_closed_ones_alone_say() -> None:
    """Exponential gaps of 40 days in a log of 120: the closed ones look short, the curve finds 40 again."""
    rng = np.random.default_rng(0)
    start, gap = rng.uniform(0, 100, 4000), rng.exponential(40, 4000)
    days = {i: [int(s), *([int(s + g)] if int(s) < s + g < 120 else [])] for i, (s, g) in enumerate(zip(start, gap, strict=True))}  # fmt: skip
    days[0] = [0, 120]
    gaps = _gaps(log_of(days), Is("kind", ("purchase",)))
    alive = _Curves(gaps, np.array([10])).survival(0, np.ones(4000))
    assert alive[27] == pytest.approx(np.exp(-28 / 40), abs=0.025)
    closed = gaps.days[gaps.observed & (gaps.bought == 1)]
    assert (closed > 27).mean() < np.exp(-28 / 40) - 0.1


def test_each_customer_counts_once_in_a_class() -> None:
    """One customer with hundreds of short gaps must not drown nine with long ones."""
    often = {0: list(range(300))}
    rarely = {i: [30 * j for j in range(10)] for i in range(1, 10)}
    told = suggest_silence(log_of({**often, **rarely}), candidates=[7, 14, 31], n=10)
    assert told.horizon == "31d"
    row = told.classes.set_index("purchases").loc["8 or more"]
    assert row["customers"] == 10
    assert row["days_90"] == 31


def test_the_horizon_grows_with_the_share_and_the_curve_falls() -> None:
    log = simulate(400, days=500, seed=3).log(quiet=True)
    low, high = (suggest_silence(log, share=s, n=20) for s in (0.6, 0.95))
    assert int(low.horizon[:-1]) < int(high.horizon[:-1])
    curve = low.curve
    assert (np.diff(curve["false_alarms"]) <= 0).all()
    assert (np.diff(curve["decided"]) <= 0).all()
    assert ((curve["low"] <= curve["false_alarms"]) & (curve["false_alarms"] <= curve["high"])).all()
    at = curve.set_index("horizon_days")["false_alarms"]
    assert at[int(low.horizon[:-1])] <= 0.4
    assert "60% of returns have come" in low.why
    assert (low.classes["days_90"] <= low.classes["days_95"]).all()
    assert low.classes["purchases"].tolist() == list(CLASSES)
    assert "Silence(horizon=" in repr(low)
    assert "of customers" in str(low)
    assert "classes" in low._repr_html_()
    assert low.to_frame().equals(curve)


def test_the_order_of_the_rows_changes_no_bit() -> None:
    frame = simulate(200, days=300, seed=4).interactions
    one, two = (
        suggest_silence(InteractionLog.read(x, quiet=True), n=10) for x in (frame, frame.sample(frac=1, random_state=1))
    )
    assert one.curve.to_numpy().tobytes() == two.curve.to_numpy().tobytes()


def test_a_log_too_short_for_its_gaps_says_so() -> None:
    told = suggest_silence(log_of({i: [0, 90] for i in range(5)}), candidates=[7, 30], n=5)
    assert told.horizon == "30d"
    assert "more than 10%" in told.why


def test_logs_without_gaps_are_refused() -> None:
    with pytest.raises(DataContractError, match="two different days"):
        suggest_silence(log_of({1: [0], 2: [50]}))
    with pytest.raises(DataContractError, match="no purchase"):
        suggest_silence(log_of({1: [0], 2: [50]}, kind="visit"))
    with pytest.raises(DataContractError, match="spans 5 days"):
        suggest_silence(log_of({1: [0, 5]}))
    with pytest.raises(DataContractError, match="share is 1"):
        suggest_silence(log_of({1: [0, 5]}), share=1)


# who came back


def test_who_came_back_by_hand() -> None:
    """At day 10, silent for 20 days: 1 returns on day 40, 2 on day 60 (too late), 3 never, 4 is not silent."""
    log = log_of({1: [0, 40], 2: [0, 60], 3: [0], 4: [0, 15, 90]})
    told = re_activated(log, "2023-01-11", "20d", n=50)
    row = told.instants.iloc[0]
    assert row[["customers", "called", "returned", "returned_within"]].tolist() == [4, 3, 2, 1]
    assert told.share.value == row["share"] == 1 / 3
    assert row["followed_days"] == pytest.approx(60, abs=0.5)
    assert told.share.low < 1 / 3 < told.share.high
    wide = re_activated(log, "2023-01-11", "20d", within="50d", n=50)
    assert wide.share.value == 2 / 3


def test_an_instant_that_is_not_followed_long_enough_is_shown_but_not_counted() -> None:
    log = log_of({1: [0, 40], 2: [0], 3: [0, 90], 4: [50]})
    told = re_activated(log, ["2023-01-11", "2023-03-01"], "20d", n=50)
    assert told.instants["share"].isna().tolist() == [False, True]
    assert told.instants["returned"].tolist() == [2, 1]
    assert told.share.value == told.instants["share"].iloc[0]
    with pytest.raises(LeakageError, match="Use at <= 2023-02-20"):
        re_activated(log, "2023-03-01", "20d")
    with pytest.raises(LeakageError, match="label window closes"):
        re_activated(log, "2023-03-25", "20d")
    with pytest.raises(DataContractError, match="Nobody was silent"):
        re_activated(log_of({1: [0, 15, 90]}), "2023-01-11", "20d")


def test_returns_are_those_that_a_loop_counts() -> None:
    world = simulate(150, days=400, seed=5)
    log = world.log(quiet=True)
    at, horizon, within = ["2023-05-01", "2023-07-01"], "60d", "45d"
    told = re_activated(log, at, horizon, within=within, n=20)
    frame = world.interactions
    frame = frame[frame["kind"] == "purchase"]
    lost = churned(log, at, horizon)
    for row in told.instants.itertuples():
        close = row.at + pd.Timedelta(days=60)
        called = lost[(lost.index.get_level_values("at") == row.at) & lost].index.get_level_values("customer_id")
        later = frame[(frame["timestamp"] >= close) & frame["customer_id"].isin(called)]
        soon = later[later["timestamp"] < close + pd.Timedelta(days=45)]
        assert (row.called, row.returned, row.returned_within) == (
            len(called), later["customer_id"].nunique(), soon["customer_id"].nunique(),
        )  # fmt: skip
    assert told.share.value == pytest.approx(told.instants["returned_within"].sum() / told.instants["called"].sum())
    assert "bought within 45d more" in repr(told)
    assert told.to_frame().equals(told.instants)
    assert "instants" in told._repr_html_()


@pytest.mark.slow
def test_telco_gives_its_known_counts(data: Path) -> None:
    table = pd.read_parquet(data / "telco_ibm" / "telco.parquet")
    told = by_status(table, "Churn", positive="Yes", tenure="tenure", customer="customerID")
    assert told.label is not None
    assert (len(told.label), int(told.label.sum())) == (7043, 1869)
    assert told.duration is not None
    assert told.duration.max() == 72


@pytest.mark.slow
def test_a_longer_silence_is_broken_by_fewer_on_online_retail(data: Path) -> None:
    with pytest.warns(UserWarning, match="with remarks"):
        log = InteractionLog.read(
            data / "online_retail" / "interactions.parquet", policies=Policies(on_missing="drop"), timezone="Europe/London"
        )  # fmt: skip
    told = suggest_silence(log)
    assert told.horizon == "180d"
    assert told.classes["days_90"].is_monotonic_decreasing
    short, long = (re_activated(log, "2011-03-01", h, within="60d").share for h in ("30d", "120d"))
    assert long.high < short.low
