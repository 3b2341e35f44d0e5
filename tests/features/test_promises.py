"""What every feature promises: the future does not move it, and neither does the way it was computed."""

import hashlib
import os
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel import features as f
from crmintel.features import FeatureSet, catalog, panel, standard
from crmintel.features.days import CLOCK_VALUES
from crmintel.testing import assert_point_in_time

BUYS = f.where(kind="purchase")
EVERY = FeatureSet([
    f.count().over("30d", "all"), f.total("amount", BUYS), f.mean("amount", BUYS), f.largest("amount", BUYS), f.smallest("amount", BUYS),
    f.spread("amount", BUYS), f.first("amount", BUYS), f.last("amount", BUYS), f.first_day("amount", BUYS), f.decayed("amount", BUYS),
    f.distinct("item_id", BUYS).over("90d", "all"), f.entropy("category", BUYS), f.top_share("channel"), f.share("channel").over("90d"),
    f.recency(), f.tenure(), f.since(), f.active_days().over("30d", "all"), f.gaps(BUYS), f.trend(f.count(BUYS), "30d"),
    f.year_ago(f.count(BUYS), "90d"), f.ratio(f.count(BUYS), f.count()), f.active_weeks(), f.streaks(BUYS), f.joined(), f.drift("amount"),
    f.quantile("amount", 0.9, BUYS).over("90d", "all"), f.slope(f.total("amount"), "30d"), f.difference(f.count(), f.count(BUYS)),
    f.top("channel"), f.top("local_hour").over("365d"), f.first_value("category"), f.last_value("category"),
    f.response(~BUYS, BUYS, within="20d"), f.resolution(~BUYS, BUYS), f.best_hour(~BUYS, BUYS).over("365d"), f.share("local_weekday"),
])  # fmt: skip


def test_the_set_of_these_tests_holds_every_shipped_feature():
    profiled_or_paired = {catalog.Attribute, catalog.AttributeValue, catalog.OfCustomer}
    assert {type(s) for s in EVERY.specs} | profiled_or_paired == set(catalog.SHIPPED)


def same(a, b):
    """Whether two tables agree in every bit."""
    pd.testing.assert_index_equal(a.index, b.index)
    assert list(a.columns) == list(b.columns)
    assert [c for c in a if a[c].to_numpy().tobytes() != b[c].to_numpy().tobytes()] == []


@pytest.mark.slow
@pytest.mark.parametrize("place", [1, 2])
def test_the_future_moves_no_feature(world, place):
    assert_point_in_time(EVERY, world.log, world.at[place])


@pytest.mark.slow
def test_the_future_moves_no_standard_feature(world):
    at = world.at[1]
    assert_point_in_time(standard(world.log, at=at), world.log, at)


def test_the_check_itself_finds_a_leak(simulated):
    leaky = f.FeatureSet([f.count()]).build

    class Peeking:
        """A set of features that looks an hour ahead."""

        def build(self, log, at):
            return leaky(log, at=pd.Timestamp(at) + pd.Timedelta(hours=1))

    with pytest.raises(AssertionError, match=r"moved|changed when"):
        assert_point_in_time(Peeking(), simulated.log, simulated.at[1])


@pytest.mark.slow
def test_order_of_rows_threads_and_chunks_change_nothing(world, monkeypatch):
    table = EVERY.build(world.log, at=world.at)
    same(table, EVERY.build(world.again(world.frame.sample(frac=1, random_state=3)), at=world.at, threads=1))
    same(table, EVERY.build(world.log, at=world.at[::-1], threads=4))
    for rows in (60, 2_000):
        monkeypatch.setattr(panel, "CHUNK_ROWS", rows)
        same(table, EVERY.build(world.log, at=world.at))


@pytest.mark.slow
def test_a_log_on_disk_gives_the_same_bits(world):
    spilled = world.again(world.frame, memory=1)
    assert len(spilled.store.files) > 1
    same(EVERY.build(world.log, at=world.at), EVERY.build(spilled, at=world.at, threads=1))


@pytest.mark.slow
def test_zone_locale_and_hash_seed_of_the_machine_change_nothing():
    script = textwrap.dedent("""
        import hashlib, numpy as np, warnings
        from crmintel.datasets import simulate
        from crmintel.features import standard
        warnings.simplefilter("ignore")
        log = simulate(60, days=400, seed=9).log(timezone="Europe/London")
        fs = standard(log, at="2023-12-01")
        table = fs.build(log, at=["2023-12-01", "2024-01-15 10:00"])
        print(hashlib.sha256(table.to_numpy().tobytes() + fs.to_json().encode() + repr(list(table.index)).encode()).hexdigest())
    """)
    prints = [
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"OMP_NUM_THREADS": "1"} | env,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for env in (
            {"TZ": "UTC", "PYTHONHASHSEED": "0"},
            {"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "77", "LC_ALL": "de_DE.UTF-8", "LANG": "tr_TR"},
        )
    ]
    assert prints[0] == prints[1]
    assert len(prints[0].strip()) == hashlib.sha256().digest_size * 2


histories = st.lists(
    st.tuples(st.integers(1, 6), st.integers(0, 400), st.sampled_from(["purchase", "visit"]), st.integers(1, 9)), min_size=1, max_size=40
).map(lambda rows: pd.DataFrame({
    "customer_id": [r[0] for r in rows], "timestamp": pd.Timestamp("2024-01-01") + pd.to_timedelta([6 * r[1] for r in rows], "h"),
    "kind": [r[2] for r in rows], "item_id": [str(r[3]) for r in rows], "category": [str(r[3] % 3) for r in rows], "amount": [float(r[3]) for r in rows],
}))  # fmt: skip
instants = st.integers(1, 410).map(lambda n: pd.Timestamp("2024-01-01") + pd.Timedelta(hours=6 * n))
SMALL = FeatureSet(
    [s for s in EVERY.specs if "channel" not in s.columns],
    {"kind": ("purchase", "visit"), "category": ("0", "1"), **CLOCK_VALUES},
)


@pytest.mark.slow
@given(histories, instants, st.integers(0, 7))
@settings(max_examples=15, deadline=None)
def test_splitting_the_customers_changes_nothing(make, frame, at, cut):
    whole = SMALL.build(make(frame), at=at)
    halves = [
        SMALL.build(make(h), at=at)
        for h in (frame[frame["customer_id"] < cut], frame[frame["customer_id"] >= cut])
        if len(h)
    ]
    same(whole, pd.concat([h for h in halves if len(h)] or halves))


@pytest.mark.slow
@given(histories, instants)
@settings(max_examples=15, deadline=None)
def test_the_past_alone_gives_the_same_features(make, frame, at):
    past = frame[frame["timestamp"] < at]
    if len(past):
        same(SMALL.build(make(frame), at=at), SMALL.build(make(past), at=at))


@pytest.mark.slow
@given(histories, instants, st.integers(1, 60))
@settings(max_examples=15, deadline=None)
def test_counts_and_totals_of_neighbouring_windows_add_up(make, frame, at, days):
    log, length = make(frame), f"{days}d"
    pair = FeatureSet([f.count().over(length, f"{2 * days}d"), f.total("amount").over(length, f"{2 * days}d")])
    now, before = (pair.build(log, at=a, customers=range(1, 7)) for a in (at, at - pd.Timedelta(days=days)))
    for name in ("count", "total_amount"):
        expected = now[f"{name}_{2 * days}d"] - now[f"{name}_{length}"]
        assert before[f"{name}_{length}"].tolist() == pytest.approx(expected.tolist(), abs=1e-9)


@pytest.mark.slow
@given(histories, instants, st.sampled_from(["Asia/Tokyo", "America/Los_Angeles", "Asia/Kathmandu"]))
@settings(max_examples=10, deadline=None)
def test_another_business_zone_moves_calendar_features_only(make, frame, at, zone):
    frame, at = frame.assign(timestamp=frame["timestamp"].dt.tz_localize("UTC")), at.tz_localize("UTC")
    calendar = (catalog.ActiveDays, catalog.Gaps, catalog.FirstDay, catalog.Streaks, catalog.Joined, catalog.BestHour)
    clock = {"local_hour", "local_weekday"}
    told = [s for s in SMALL.specs if not isinstance(s, calendar) and getattr(s, "column", None) not in clock]
    plain = FeatureSet(told, SMALL.vocabulary)
    same(plain.build(make(frame), at=at), plain.build(make(frame, timezone=zone), at=at))


def test_another_business_zone_moves_days(make):
    rows = {
        "customer_id": [1, 1],
        "timestamp": pd.to_datetime(["2024-01-01 20:00", "2024-01-02 04:00"]).tz_localize("UTC"),
    }
    days = FeatureSet([f.active_days()])
    at = pd.Timestamp("2024-01-03", tz="UTC")
    assert [days.build(make(rows, timezone=z), at=at).iloc[0, 0] for z in ("UTC", "America/New_York")] == [2.0, 1.0]


def test_inputs_are_not_touched(simulated):
    before = simulated.log.fingerprint
    frame = simulated.frame.copy()
    EVERY.build(simulated.log, at=simulated.at)
    assert simulated.log.fingerprint == before
    pd.testing.assert_frame_equal(frame, simulated.frame)
    assert np.isfinite(EVERY.build(simulated.log, at=simulated.at[1])["tenure_days"]).all()
