"""Train before, test after."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel.errors import DataContractError, LeakageError
from crmintel.evaluation import suggest_horizon, time_split
from crmintel.evaluation.splits import CHOICES

T = pd.Timestamp


def test_a_long_horizon_uses_firsts_of_months():
    split = time_split("2023-01-01", "2023-12-31 23:00", "30d")
    assert split.test == T("2023-12-01")
    assert split.train == tuple(T(2023, month, 1) for month in (6, 7, 8, 9, 10, 11))
    assert split.horizon == pd.Timedelta(days=30)


def test_a_month_that_is_one_day_short_is_not_used():
    assert time_split("2023-01-01", "2023-12-30 23:00", "30d").test == T("2023-11-01")


def test_a_horizon_of_weeks_uses_mondays():
    split = time_split("2024-01-01", "2024-02-29", "14d", most=2)
    assert split.test == T("2024-02-12")
    assert split.train == (T("2024-01-22"), T("2024-01-29"))
    assert all(at.weekday() == 0 for at in (*split.train, split.test))


def test_a_horizon_of_days_uses_midnights():
    split = time_split("2024-01-01 10:00", "2024-01-20 10:00", "3D", most=1)
    assert (split.train, split.test) == ((T("2024-01-14"),), T("2024-01-17"))


def test_the_first_training_instant_leaves_history_behind_it():
    # A quarter of the 234 days before the test is 58 days, less than the horizon: nothing before 9 March.
    split = time_split("2023-01-10", "2023-12-01", "90d", most=99)
    assert split.test == T("2023-09-01")
    assert split.train == (T("2023-04-01"), T("2023-05-01"), T("2023-06-01"))


def test_the_caller_may_choose_step_first_and_test():
    split = time_split("2023-01-01", "2023-12-31", "30d", test="2023-10-15", step="7D", first="2023-09-01")
    assert split.test == T("2023-10-15")
    assert split.train == (T("2023-09-03"), T("2023-09-10"))


def test_a_split_prints_its_instants():
    assert str(time_split("2023-01-01", "2023-12-31", "90d", most=1)) == (
        "train at 2023-07-01; test at 2023-10-01; horizon 90 days"
    )


moments = st.datetimes(T("2015-01-01"), T("2020-12-31"))


@settings(deadline=None, max_examples=50)
@given(moments, st.floats(0.5, 900), st.integers(1, 200), st.integers(1, 8))
def test_no_label_window_reaches_the_test_or_runs_past_the_data(start, days, horizon, most):
    start = T(start)
    end, length = start + pd.Timedelta(days=days), pd.Timedelta(days=horizon)
    try:
        split = time_split(start, end, length, most=most)
    except DataContractError:
        return
    assert split.test + length <= end
    assert all(at + length <= split.test for at in split.train)
    assert all(at >= start + min(length, (split.test - start) / 4) for at in split.train)
    assert 1 <= len(split.train) <= most
    assert list(split.train) == sorted(set(split.train))
    assert all(at == at.normalize() for at in (*split.train, split.test))


@settings(deadline=None, max_examples=50)
@given(moments, st.floats(2, 400))
def test_the_suggested_horizon_is_the_longest_that_can_be_split(start, days):
    end = T(start) + pd.Timedelta(days=days)

    def works(length):
        try:
            return bool(time_split(start, end, pd.Timedelta(days=length)).train)
        except DataContractError:
            return False

    best = next((d for d in CHOICES if works(d)), None)
    if best is None:
        with pytest.raises(DataContractError):
            suggest_horizon(start, end)
    else:
        assert suggest_horizon(start, end).days == best


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(moments, st.integers(3, 300))
def test_the_horizon_named_in_the_complaint_really_fits(start, days):
    end = T(start) + pd.Timedelta(days=days)
    with pytest.raises(DataContractError, match="too short to train and test") as caught:
        time_split(start, end, "1000d")
    words = str(caught.value).split()
    if "fits" in words:
        named = int(words[words.index("fits") + 2])
        assert time_split(start, end, pd.Timedelta(days=named)).train
        for longer in range(named + 1, named + 20):
            with pytest.raises(DataContractError):
                time_split(start, end, pd.Timedelta(days=longer))


def test_whole_days_are_told_as_days():
    with pytest.raises(DataContractError, match=r"The data span 1 day, too short .* horizon of 14 days\. "):
        time_split("2024-01-01", "2024-01-02 10:00", "14d")
    with pytest.raises(DataContractError, match=r"on one day \(span 0 days\)"):
        time_split("2024-01-01", "2024-01-01", "14d")
    with pytest.raises(DataContractError, match=r"horizon of 1 days 12:00:00\. "):
        time_split("2024-01-01", "2024-01-02 10:00", "36h")


@pytest.mark.parametrize("call", [lambda *a: time_split(*a, "7d"), suggest_horizon])
def test_row_58_all_events_on_one_day_raises_and_says_the_span(call):
    with pytest.raises(DataContractError, match=r"All events lie on one day \(span 0 days 05:30:00\)"):
        call("2024-03-01 08:00", "2024-03-01 13:30")


def test_a_test_instant_whose_label_cannot_be_known_is_leakage():
    with pytest.raises(LeakageError, match="Use a test at or before 2024-02-09, or a shorter horizon"):
        time_split("2023-01-01", "2024-03-10", "30d", test="2024-03-01")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": "2024-02-01", "end": "2024-01-01"}, "The data end 31 days before they start. Swap start and end"),
        ({"start": "NaT"}, "start is missing"),
        ({"end": "2024-01-01T00:00Z"}, "tz_localize"),
        ({"horizon": "0d"}, "horizon is 0 days. Pass"),
        ({"most": 0}, "most is 0"),
        ({"first": "2023-12-30"}, "too short"),
    ],
)
def test_what_cannot_be_split_is_refused(options, message):
    arguments = {"start": "2023-01-01", "end": "2023-12-31", "horizon": "30d"} | options
    with pytest.raises(DataContractError, match=message):
        time_split(**arguments)
