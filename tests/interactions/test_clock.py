"""Business time against `zoneinfo`, at every kind of change-over."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog, Zone
from crmintel.interactions.clock import DAY, duration, micros

ZONES = [
    "UTC", "Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca",
    "Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu", "Europe/Dublin",
]  # fmt: skip
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
times = st.datetimes(dt.datetime(1905, 1, 1), dt.datetime(2190, 1, 1))


def utc_micros(at: dt.datetime) -> int:
    return (at - EPOCH) // dt.timedelta(microseconds=1)


def wall_micros(at: dt.datetime) -> int:
    return utc_micros(at.replace(tzinfo=dt.UTC))


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(st.sampled_from(ZONES), st.lists(times, min_size=1, max_size=8))
def test_local_time_is_what_zoneinfo_says(name: str, at: list[dt.datetime]) -> None:
    zone = ZoneInfo(name)
    aware = [t.replace(tzinfo=dt.UTC) for t in at]
    expected = [wall_micros(t.astimezone(zone).replace(tzinfo=None)) for t in aware]
    assert Zone(name).to_local(np.array([utc_micros(t) for t in aware])).tolist() == expected
    each = [int(Zone(name).to_local(np.array([utc_micros(t)]))[0]) for t in aware]
    assert each == expected, "one by one as all together"


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(ZONES), st.lists(times, min_size=1, max_size=8))
@example("Europe/London", [dt.datetime(2024, 3, 31, 1, 30), dt.datetime(2024, 10, 27, 1, 30)])
@example("America/New_York", [dt.datetime(2024, 3, 10, 2, 30), dt.datetime(2024, 11, 3, 1, 30)])
def test_utc_is_what_zoneinfo_says_the_first_of_a_repeated_hour_and_forward_over_a_gap(
    name: str, at: list[dt.datetime]
) -> None:
    expected = [utc_micros(t.replace(tzinfo=ZoneInfo(name), fold=0)) for t in at]
    assert Zone(name).to_utc(np.array([wall_micros(t) for t in at])).tolist() == expected


@pytest.mark.parametrize(
    ("zone", "wall", "utc"),
    [
        ("Europe/London", "2024-03-31 00:59:59", "2024-03-31 00:59:59"),
        ("Europe/London", "2024-03-31 01:30", "2024-03-31 01:30"),  # an hour that never was
        ("Europe/London", "2024-03-31 02:00", "2024-03-31 01:00"),
        ("Europe/London", "2024-10-27 00:59:59", "2024-10-26 23:59:59"),
        ("Europe/London", "2024-10-27 01:30", "2024-10-27 00:30"),  # an hour that was twice
        ("Europe/London", "2024-10-27 02:00", "2024-10-27 02:00"),
        ("America/New_York", "2024-03-10 01:59:59", "2024-03-10 06:59:59"),
        ("America/New_York", "2024-03-10 02:30", "2024-03-10 07:30"),
        ("America/New_York", "2024-03-10 03:00", "2024-03-10 07:00"),
        ("America/New_York", "2024-11-03 00:59:59", "2024-11-03 04:59:59"),
        ("America/New_York", "2024-11-03 01:30", "2024-11-03 05:30"),
        ("America/New_York", "2024-11-03 02:00", "2024-11-03 07:00"),
    ],
)
def test_row_46_both_changes_of_the_clock_by_hand(zone: str, wall: str, utc: str) -> None:
    assert Zone(zone).instant(wall) == micros(pd.Timestamp(utc))
    log = InteractionLog.read(
        pd.DataFrame({"customer_id": [1, 2], "timestamp": pd.to_datetime([wall, wall])}), timezone=zone
    )
    assert log.to_arrow()["timestamp"][0].as_py() == pd.Timestamp(utc, tz="UTC").to_pydatetime()


@pytest.mark.parametrize(("zone", "day", "hours"), [("Europe/London", "2024-03-31", 23), ("Europe/London", "2024-10-27", 25),
                                                    ("America/New_York", "2024-03-10", 23), ("America/New_York", "2024-11-03", 25)])  # fmt: skip
def test_row_46_the_days_of_the_change_belong_to_the_business_zone(zone: str, day: str, hours: int) -> None:
    midnight = pd.Timestamp(day, tz=zone)
    stamps = pd.date_range(midnight, midnight + pd.Timedelta("1D"), freq="30min", inclusive="left", unit="us")
    stamps = pd.date_range(midnight.tz_convert("UTC"), periods=2 * hours + 2, freq="30min", unit="us")
    log = InteractionLog.read(
        pd.DataFrame({"customer_id": [1, 2] * (len(stamps) // 2), "timestamp": stamps}), timezone=zone
    )
    following = pd.Timestamp(day) + pd.Timedelta("1D")
    assert len(log.between(day, following)) == 2 * hours
    assert log.between(day, following).to_pandas()["timestamp"].dt.date.nunique() == 1


def test_an_aware_instant_is_taken_at_its_word() -> None:
    zone = Zone("Europe/London")
    assert zone.instant(pd.Timestamp("2024-07-01 12:00", tz="Asia/Tokyo")) == micros(pd.Timestamp("2024-07-01 03:00"))
    assert zone.instant("2024-07-01T12:00+09:00") == micros(pd.Timestamp("2024-07-01 03:00"))
    assert zone.instant(dt.date(2024, 7, 1)) == zone.instant("2024-07-01") == zone.instant(np.datetime64("2024-07-01"))
    assert zone.stamp(zone.instant("2024-07-01 08:30")) == pd.Timestamp("2024-07-01 08:30")


def test_many_changes_and_few_changes_are_told_alike() -> None:
    zone = Zone("Europe/London")
    few = np.arange(0, 300) * DAY + micros(pd.Timestamp("2024-01-01"))
    far = np.array([micros(pd.Timestamp("1950-01-01")), micros(pd.Timestamp("2150-01-01"))])
    assert zone.to_local(np.concatenate([few, far]))[:300].tolist() == zone.to_local(few).tolist()
    assert zone.to_local(np.zeros(0, np.int64)).shape == (0,)


@pytest.mark.parametrize(("length", "expected"), [("1d", DAY), ("90D", 90 * DAY), ("12h", DAY // 2), (pd.Timedelta("1us"), 1),
                                                  (dt.timedelta(weeks=1), 7 * DAY), (np.timedelta64(2, "D"), 2 * DAY)])  # fmt: skip
def test_durations_are_microseconds(length: object, expected: int) -> None:
    assert duration(length) == expected


@pytest.mark.parametrize("length", ["0d", "-1d", "1ns", "soon", None, pd.NaT, 90, 1.5, True])
def test_durations_that_cannot_be_meant_are_refused(length: object) -> None:
    with pytest.raises(DataContractError, match="'90d'"):
        duration(length)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", None])
def test_unknown_zones_are_refused(name: str) -> None:
    with pytest.raises(DataContractError, match="Unknown time zone"):
        Zone(name)
