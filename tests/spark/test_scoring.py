"""Every score that Spark gives is the local one, bit for bit, whatever the zone of the session and the size of its batches."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from crmintel import InteractionLog
from crmintel.errors import BundleError, DataContractError
from crmintel.scoring import CustomerModel, save_bundle
from tests.scoring.conftest import fitted, world

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def api(spark):
    from crmintel import spark as module

    return module


@pytest.mark.parametrize("name", ["CustomerModel", "LifetimeValue", "RFM", "CoOccurrence"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("text", [False, True])
def test_every_score_is_the_local_one(spark, api, tmp_path: Path, name: str, zone: str, text: bool):
    spark.conf.set("spark.sql.session.timeZone", zone)
    log, at, _ = world()
    rows = log.to_pandas()
    if text and name == "CoOccurrence":
        pytest.skip("a recommender knows customers by the identifiers that it learned")
    if text:
        rows = rows.assign(customer_id=rows["customer_id"].map("c{:05d}".format))
        log = InteractionLog.read(rows, quiet=True)
    save_bundle(fitted(name), tmp_path / "m")
    frame = spark.createDataFrame(rows.assign(timestamp=rows["timestamp"].dt.tz_localize("UTC")))
    told = api.score(frame, tmp_path / "m", at, reasons=2).toArrow().to_pandas()
    whole = CustomerModel.load(tmp_path / "m").score(log, at=at, reasons=2).sort_index(kind="stable").reset_index()
    keys = ["customer_id", *(["rank"] if "rank" in whole else [])]
    whole, told = (t.sort_values(keys, kind="stable", ignore_index=True) for t in (whole, told))
    texts = {c: "str" for c in whole if whole[c].dtype.kind not in "biuf"}
    pd.testing.assert_frame_equal(told.astype(texts), whole.astype(texts), check_exact=True, check_dtype=False)


def test_a_damaged_bundle_and_several_instants_are_refused(spark, api, bundle: Path, tmp_path: Path):
    rows = world()[0].to_pandas().head(5)
    frame = spark.createDataFrame(rows.assign(timestamp=rows["timestamp"].dt.tz_localize("UTC")))
    with pytest.raises(BundleError):
        api.score(frame, tmp_path, "2024-01-01")
    with pytest.raises(DataContractError, match="one instant"):
        api.score(frame, bundle, ["2024-01-01", "2024-02-01"])


@pytest.mark.parametrize("ntz", [False, True])
def test_long_silent_customers_are_told_by_the_end_of_the_whole_history(spark, api, tmp_path: Path, ntz: bool):
    log, _, _ = world()
    rows = log.to_pandas()
    old = rows.groupby("customer_id")["timestamp"].transform("max") < log.end - pd.Timedelta(days=120)
    assert old.any()
    save_bundle(fitted("LifetimeValue"), tmp_path / "m")
    later = pd.concat([rows[old], rows.tail(1).assign(timestamp=log.end + pd.Timedelta(days=100))])
    zipped = shutil.make_archive(str(tmp_path / "m"), "zip", tmp_path / "m")
    if ntz:
        spark.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
    frame = spark.createDataFrame(later if ntz else later.assign(timestamp=later["timestamp"].dt.tz_localize("UTC")))
    spark.conf.unset("spark.sql.timestampType")
    at = log.end + pd.Timedelta(days=101)
    told = api.score(frame, zipped, at, partitions=8).toArrow().to_pandas().set_index("customer_id").sort_index()
    whole = CustomerModel.load(tmp_path / "m").score(InteractionLog.read(later, quiet=True), at=at)
    pd.testing.assert_frame_equal(told, whole.sort_index(), check_exact=True, check_dtype=False)
