"""Every cell that Spark gives is the local engine's, bit for bit, whatever the zone of the session and the size of its batches."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crmintel import features as f
from crmintel.errors import DataContractError
from crmintel.features import FeatureSet, standard
from crmintel.interactions import Policies, Profiles
from tests.features.test_promises import EVERY, same

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def api(spark):
    from crmintel import spark as module

    return module


def table_of(world, *, aware):
    """The rows of a world as Arrow; times of the business clock without a zone, or UTC instants."""
    frame = world.frame.reset_index(drop=True)
    for name in {"timestamp", "known_at"} & set(frame):
        time = frame[name]
        if time.dt.tz is None:
            time = time.dt.tz_localize(world.zone, ambiguous=True, nonexistent="shift_forward")
        frame[name] = time.dt.tz_convert("UTC") if aware else time.dt.tz_convert(world.zone).dt.tz_localize(None)
    return pa.Table.from_pandas(frame, preserve_index=False)


def back(found):
    """A Spark result as our frame."""
    table = found.toArrow().to_pandas()
    return table.set_index(["customer_id", "at"]).sort_index()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_every_cell_is_that_of_the_local_engine(spark, api, world, zone):
    spark.conf.set("spark.sql.session.timeZone", zone)
    fs = EVERY.freeze(world.log, world.at[0])
    rows = spark.createDataFrame(table_of(world, aware=True))
    told = api.build(fs, rows, world.at, timezone=world.zone)
    assert dict(told.dtypes)["at"] == "timestamp_ntz"
    same(back(told), fs.build(world.log, at=world.at))


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_times_without_a_zone_are_of_the_business_zone(spark, api, simulated, zone):
    spark.conf.set("spark.sql.session.timeZone", zone)
    fs = standard(simulated.log)
    spark.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
    rows = spark.createDataFrame(table_of(simulated, aware=False))
    spark.conf.unset("spark.sql.timestampType")
    assert dict(rows.dtypes)["timestamp"] == "timestamp_ntz"
    same(back(api.build(fs, rows, simulated.at, timezone=simulated.zone)), fs.build(simulated.log, at=simulated.at))


def test_customers_are_never_cut_in_two(spark, api, simulated, monkeypatch):
    fs = standard(simulated.log)
    rows = spark.createDataFrame(table_of(simulated, aware=True))
    expected = fs.build(simulated.log, at=simulated.at)
    for partitions in (1, 5):
        same(back(api.build(fs, rows, simulated.at, timezone=simulated.zone, partitions=partitions)), expected)


def test_held_back_customers_come_with_the_next_batch(api):
    from crmintel.spark.features import by_customer

    frame = pd.DataFrame(
        {
            "customer_id": np.repeat(np.arange(40), 7),
            "timestamp": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(280), "h"),
        }
    )
    batches = pa.Table.from_pandas(frame, preserve_index=False).to_batches(max_chunksize=11)
    seen = []

    def told(log):
        seen.append((len(log), len(log.customers)))
        yield from ()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crmintel.spark.features.ROWS_HELD", 30)
        assert list(by_customer(told, [], "UTC", Policies())(iter(batches))) == []
    assert sum(n for n, _ in seen) == 280
    assert sum(c for _, c in seen) == 40
    assert all(n == 7 * c for n, c in seen)
    assert len(seen) > 5


def test_vocabularies_are_frozen_on_the_whole(spark, api, world):
    rows = spark.createDataFrame(table_of(world, aware=True))
    told = api.freeze(EVERY, rows, world.at, timezone=world.zone)
    assert told.fingerprint == EVERY.freeze(world.log, world.at).fingerprint
    assert api.freeze(told, rows, world.at) is told
    with pytest.raises(DataContractError, match=r"spark\.freeze"):
        api.build(EVERY, rows, world.at)


def test_other_names_profiles_and_missing_columns(spark, api, simulated):
    fs = (
        FeatureSet([f.count(), f.attribute("age"), f.distinct("store")])
        if "store" in simulated.frame
        else FeatureSet([f.count(), f.attribute("age")])
    )
    profiles = Profiles.read(
        pd.DataFrame({"customer_id": simulated.log.customers, "age": np.arange(float(len(simulated.log.customers)))})
    )
    rows = spark.createDataFrame(table_of(simulated, aware=True)).withColumnRenamed("customer_id", "Customer.ID")
    told = api.build(
        fs, rows, simulated.at[0], columns={"customer_id": "Customer.ID"}, timezone=simulated.zone, profiles=profiles
    )
    expected = fs.build(simulated.log, at=[simulated.at[0]], profiles=profiles)
    same(back(told), expected)
    with pytest.raises(DataContractError, match="no columns 'nobody'"):
        api.build(fs, rows, simulated.at[0], columns={"customer_id": "nobody"}, profiles=profiles)


def test_what_breaks_a_rule_is_refused_on_a_worker(spark, api):
    frame = pd.DataFrame({"customer_id": [1, 2], "timestamp": pd.to_datetime(["2024-01-01", None])})
    rows = spark.createDataFrame(pa.Table.from_pandas(frame, preserve_index=False))
    fs = FeatureSet([f.count()])
    with pytest.raises(Exception, match="no customer or no time"):
        api.build(fs, rows, "2024-02-01").collect()
    assert api.build(fs, rows, "2024-02-01", policies=Policies(on_missing="drop")).count() == 1


def test_an_empty_frame_gives_no_rows(spark, api):
    rows = spark.createDataFrame([], "customer_id long, timestamp timestamp")
    assert api.build(FeatureSet([f.count()]), rows, "2024-02-01").count() == 0
