"""Tables in other shapes: of items and pairs, in files, of one customer now, and looked over before a model sees them."""

import json
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from crmintel import InteractionLog
from crmintel import features as f
from crmintel.errors import DataContractError
from crmintel.features import FeatureSet, panel, standard
from crmintel.interactions import Policies, Profiles
from crmintel.interactions.few import few
from crmintel.testing import assert_point_in_time
from tests.features.test_promises import EVERY, same

BUYS = f.where(kind="purchase")
PAIRS = FeatureSet([
    f.count(BUYS).over("90d", "all"), f.recency(BUYS), f.gaps(BUYS), f.active_days(BUYS), f.total("amount", BUYS).over("90d", "all"),
    f.share_of_customer(f.total("amount", BUYS).over("90d", "all")), f.share_of_customer(f.count(BUYS)).named("share_of_lines", "share of lines"),
    f.ratio(f.active_days(BUYS), f.tenure()).named("repeat_rate", "days with a purchase a day"),
])  # fmt: skip


def past(world, at):
    """The rows known before an instant, as the door leaves them."""
    frame = world.log.before(at).to_pandas()
    return frame[frame["kind"] == "purchase"]


# ---- Items and pairs


def test_features_of_items_are_what_pandas_says(world):
    fs = FeatureSet(
        [f.count(BUYS).over("90d", "all"), f.distinct("customer_id", BUYS), f.total("amount", BUYS), f.recency(BUYS)]
    )
    table = fs.build(world.log, at=world.at, by="item_id")
    assert table.index.names == ["item_id", "at"]
    for at in world.at:
        rows = past(world, at)
        told = rows.groupby("item_id").agg(
            n=("amount", "size"), buyers=("customer_id", "nunique"), money=("amount", "sum")
        )
        ours = table.xs(at, level="at")
        ours = ours[ours["count_purchase_all"] > 0]
        assert ours.index.tolist() == told.index.tolist()
        assert ours["count_purchase_all"].tolist() == told["n"].tolist()
        assert ours["distinct_customer_id_purchase_all"].tolist() == told["buyers"].tolist()
        assert ours["total_amount_purchase_all"].tolist() == pytest.approx(told["money"].tolist())


def test_features_of_pairs_are_what_pandas_says(world):
    table = PAIRS.build(world.log, at=world.at, by=("customer_id", "item_id"))
    assert table.index.names == ["customer_id", "item_id", "at"]
    assert table.index.is_monotonic_increasing
    for at in world.at:
        rows = past(world, at)
        told = rows.groupby(["customer_id", "item_id"]).agg(n=("amount", "size"), money=("amount", "sum"))
        ours = table.xs(at, level="at")
        ours = ours[ours["count_purchase_all"] > 0]
        assert ours.index.tolist() == told.index.tolist()
        assert ours["count_purchase_all"].tolist() == told["n"].tolist()
        wallet = (told["money"] / rows.groupby("customer_id")["amount"].sum()).tolist()
        assert ours["share_of_total_amount_purchase_all"].tolist() == pytest.approx(wallet)
        lines = (told["n"] / rows.groupby("customer_id").size()).tolist()
        assert ours["share_of_lines_all"].tolist() == pytest.approx(lines)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["item_id", ("customer_id", "item_id")])
def test_other_keys_keep_every_promise(world, by, monkeypatch):
    fs = PAIRS if len(by) == 2 else FeatureSet([*EVERY.specs, f.distinct("customer_id")]).freeze(world.log, world.at[0])
    table = fs.build(world.log, at=world.at, by=by)
    assert_point_in_time(fs, world.log, world.at[1], by=by)
    same(table, fs.build(world.again(world.frame.sample(frac=1, random_state=2)), at=world.at, by=by, threads=1))
    same(table, fs.build(world.again(world.frame, memory=1), at=world.at, by=by))
    monkeypatch.setattr(panel, "CHUNK_ROWS", 70)
    monkeypatch.setattr("crmintel.features.regroup.ROWS_HELD", 500)
    same(table, fs.build(world.log, at=world.at, by=by))


def test_a_share_of_the_customer_needs_pairs(simulated):
    with pytest.raises(DataContractError, match="no pairs"):
        PAIRS.build(simulated.log, at=simulated.at[0])
    for by in (("item_id", "customer_id"), ("customer_id", "item_id", "channel"), ()):
        with pytest.raises(DataContractError, match="told by one column"):
            PAIRS.build(simulated.log, at=simulated.at[0], by=by)
    with pytest.raises(DataContractError, match="no such names"):
        PAIRS.build(simulated.log, at=simulated.at[0], by=("customer_id", "amount"))
    with pytest.raises(DataContractError, match="customers="):
        PAIRS.build(simulated.log, at=simulated.at[0], by="item_id", customers=[1])


# ---- Files


def read_back(folder):
    """The files of a table as one frame."""
    frame = pd.concat([pd.read_parquet(p) for p in sorted(folder.glob("part-*.parquet"))])
    return frame.set_index(["customer_id", "at"]).sort_index()


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["2GB", 1])
def test_files_hold_the_table(world, tmp_path, memory):
    log, fs = world.again(world.frame, memory=memory), EVERY.freeze(world.log, world.at[0])
    assert fs.build(log, at=world.at, out=tmp_path / "table") == tmp_path / "table"
    same(read_back(tmp_path / "table"), fs.build(world.log, at=world.at))
    assert json.loads((tmp_path / "table" / "manifest.json").read_text())["complete"]
    assert not list((tmp_path / "table").glob("*.tmp"))


def test_files_hold_silent_customers_too(simulated, tmp_path):
    fs, wanted = standard(simulated.log), [*simulated.log.customers[:3], 10**9]
    fs.build(simulated.log, at=simulated.at, customers=wanted, out=tmp_path)
    same(read_back(tmp_path), fs.build(simulated.log, at=simulated.at, customers=wanted))
    (tmp_path / "part-silent.parquet").unlink()  # and again, from the files that are whole
    fs.build(simulated.log, at=simulated.at, customers=wanted, out=tmp_path)
    same(read_back(tmp_path), fs.build(simulated.log, at=simulated.at, customers=wanted))


@pytest.mark.slow
def test_an_interrupted_run_goes_on(simulated, tmp_path, monkeypatch):
    log, fs = simulated.again(simulated.frame, memory=1), standard(simulated.log)
    worked = []
    rows = panel.Panel.rows

    def counted(self, part, zone, into=None):
        worked.append(len(part))
        if len(worked) == 20:
            raise KeyboardInterrupt
        return rows(self, part, zone, into)

    monkeypatch.setattr(panel.Panel, "rows", counted)
    with pytest.raises(KeyboardInterrupt):
        fs.build(log, at=simulated.at, out=tmp_path, threads=1)
    done = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("part-*.parquet")}
    assert 10 < len(done) < 20
    assert not json.loads((tmp_path / "manifest.json").read_text())["complete"]
    worked[:] = [0] * 100
    fs.build(log, at=simulated.at, out=tmp_path, threads=1)
    assert {n: (tmp_path / n).stat().st_mtime_ns for n in done} == done
    same(read_back(tmp_path), fs.build(simulated.log, at=simulated.at))


def test_files_of_other_rows_are_made_anew(simulated, tmp_path):
    fs = standard(simulated.log)
    fs.build(simulated.log, at=simulated.at, out=tmp_path)
    changed = simulated.again(simulated.frame.assign(amount=simulated.frame["amount"] * 2))
    fs.build(changed, at=simulated.at, out=tmp_path)
    same(read_back(tmp_path), fs.build(changed, at=simulated.at))


def test_a_folder_of_something_else_is_refused(simulated, tmp_path):
    fs = standard(simulated.log)
    fs.build(simulated.log, at=simulated.at[0], out=tmp_path)
    for other, at in ((FeatureSet([f.count()]), simulated.at[0]), (fs, simulated.at[1])):
        with pytest.raises(DataContractError, match="other features, instants or customers"):
            other.build(simulated.log, at=at, out=tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(DataContractError, match="files of something else"):
        fs.build(simulated.log, at=simulated.at[0], out=tmp_path / "mine")


@pytest.mark.slow
def test_a_killed_run_leaves_no_half_files(tmp_path):
    script = textwrap.dedent(f"""
        import os, threading, warnings
        from crmintel.datasets import simulate
        from crmintel.features import standard
        warnings.simplefilter("ignore")
        log = simulate(4000, days=500, seed=4).log(memory=1)
        fs = standard(log, at="2023-12-01")
        if not os.path.exists({str(tmp_path / "t")!r}):
            def kill():
                while len([n for n in os.listdir({str(tmp_path / "t")!r}) if n.endswith("parquet")] if os.path.exists({str(tmp_path / "t")!r}) else []) < 4: pass
                os._exit(9)
            threading.Thread(target=kill, daemon=True).start()
        fs.build(log, at=["2023-12-01", "2024-01-01"], out={str(tmp_path / "t")!r})
        fs.build(log, at=["2023-12-01", "2024-01-01"], out={str(tmp_path / "fresh")!r})
    """)
    first = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert first.returncode == 9
    for file in (tmp_path / "t").glob("*.parquet"):
        assert pq.read_metadata(file).num_rows > 0
    assert subprocess.run([sys.executable, "-c", script], capture_output=True).returncode == 0
    pd.testing.assert_frame_equal(read_back(tmp_path / "t"), read_back(tmp_path / "fresh"), check_exact=True)


def test_a_table_larger_than_memory_is_refused(simulated):
    fs = standard(simulated.log)
    with pytest.raises(DataContractError, match=r"more than memory allows.*out="):
        fs.build(simulated.log, at=simulated.at, memory="100KB")
    assert len(fs.build(simulated.log, at=simulated.at, memory="1GB"))


# ---- One customer, now


def test_online_says_what_the_batch_says(world):
    fs = EVERY.freeze(world.log, world.at[0])
    at = world.at[-1]
    batch = fs.build(world.log, at=at)
    frame = world.frame
    for who in world.log.customers[::7]:
        alone = fs.online(frame[frame["customer_id"] == who], at=at, timezone=world.zone)
        expected = batch.loc[batch.index.isin([who])]
        assert [c for c in batch if alone[c].to_numpy().tobytes() != expected[c].to_numpy().tobytes()] == []
        assert alone.index.tolist() == expected.index.tolist()


def test_online_takes_plain_python(make):
    fs = FeatureSet([f.count(), f.total("amount", BUYS), f.recency()])
    rows = [
        {"customer_id": "a", "timestamp": pd.Timestamp("2024-01-01"), "amount": 5.0},
        {"customer_id": "a", "timestamp": pd.Timestamp("2024-01-03"), "amount": 2},
    ]
    table = fs.online(rows, at="2024-01-05")
    assert table.loc["a"].tolist() == [2, 7, 2]
    assert fs.online({k: [r[k] for r in rows] for k in rows[0]}, at="2024-01-05").equals(table)
    assert fs.online(make(rows), at="2024-01-05").equals(table)
    assert fs.online(rows).loc["a", "count_all"] == 2
    assert len(fs.online(rows, at="2023-01-05")) == 0


def test_what_is_unusual_goes_through_the_door():
    fs = FeatureSet([f.count(), f.total("amount", BUYS)])
    frame = pd.DataFrame(
        {"customer_id": ["a", "a"], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-03"]), "amount": [1.0, np.nan]}
    )
    with pytest.raises(DataContractError, match="without an amount"):
        fs.online(frame, at="2024-02-01")
    told = fs.online(frame, at="2024-02-01", policies=Policies(on_missing_amount="zero"))
    assert told.loc["a"].tolist() == [2, 1]
    with pytest.raises(DataContractError, match="freeze"):
        FeatureSet([f.share("kind")]).online(frame)


@pytest.mark.parametrize("column", ["item_id", "channel", "category", "store", "customer_id"])
@pytest.mark.parametrize("kind", ["int", "Int64", "category of int", "object of int", "text", "string with NA", "bool"])
def test_online_is_the_batch_for_values_of_every_kind(column, kind):
    values = {
        "int": [1, 2, 1, 3], "Int64": pd.array([1, 2, None, 3], "Int64"), "category of int": pd.Categorical([3, 4, 3, 5]),
        "object of int": np.array([1, 2, 1, 3], object), "text": ["b", "a", "b", "c"], "string with NA": pd.array(["b", None, "a", "b"], "string"),
        "bool": [True, False, True, True],
    }[kind]  # fmt: skip
    frame = pd.DataFrame(
        {
            "customer_id": 1,
            "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-02", "2024-01-05"]),
            "kind": "visit",
        }
    )
    frame[column] = values
    specs = [f.count(), f.recency()]
    if column == "store" and kind in ("int", "Int64", "object of int"):
        specs += [f.total(column), f.last(column)]  # a kept number
    elif column != "customer_id":
        specs += [f.distinct(column), f.share(column), f.top(column), f.last_value(column), f.since(column)]
    try:
        log = InteractionLog.read(frame, keep=["store"] if column == "store" else [], quiet=True)
    except DataContractError as error:
        refused: DataContractError | None = error
    else:
        refused = None
    if refused is not None:  # what the door refuses, online refuses with the same words
        with pytest.raises(type(refused)) as told:
            FeatureSet(specs, dict.fromkeys(("kind", column), ("1",))).online(frame, at="2024-02-01")
        assert str(told.value) == str(refused)
        return
    fs = FeatureSet(specs).freeze(log, "2024-02-01")
    expected = fs.build(log, at="2024-02-01")
    assert fs.online(frame, at="2024-02-01").equals(expected)
    if column != "customer_id":
        shares = [n for n in fs.names if n.startswith("share_")]
        assert not shares or expected.iloc[0][shares].sum() > 0.7


def test_online_heeds_policies(make):
    fs, at = FeatureSet([f.count(), f.mean("rating")]), "2024-02-01"
    rows = pd.DataFrame({"customer_id": [1, 1], "timestamp": pd.to_datetime(["2024-01-01"] * 2), "rating": [9.0, 9.0]})
    assert fs.online(rows, at=at, policies=Policies(on_duplicate="drop")).iloc[0].tolist() == [1, 9]
    with pytest.raises(DataContractError, match="outside"):
        fs.online(rows, at=at, policies=Policies(ranges={"rating": (1, 5)}))
    with pytest.raises(DataContractError, match="one instant"):
        fs.online(rows, at=["2024-01-01", "2024-02-01"])
    for odd in ({"customer": [1]}, []):
        with pytest.raises(DataContractError, match="Missing columns"):
            fs.online(odd, at=at)


def test_rows_of_one_moment_are_ordered_alike():
    fs = FeatureSet([f.first("amount"), f.last("amount"), f.last_value("category")], {"category": ("x", "y")})
    frame = pd.DataFrame({
        "customer_id": 1, "timestamp": pd.Timestamp("2024-01-01"), "item_id": ["b", "a", "a"], "category": ["x", "y", "x"], "amount": [1.0, 2.0, 3.0],
    })  # fmt: skip
    told = fs.online(frame, at="2024-02-01")
    assert told.iloc[0].tolist() == [3.0, 1.0, 0.0]
    assert told.equals(fs.build(InteractionLog.read(frame, quiet=True), at="2024-02-01"))


def test_an_answer_on_the_last_moment_and_a_contact_as_old_as_allowed(make):
    visits, contacts = f.where(kind="visit"), f.where(kind="contact")
    log = make(
        {
            "customer_id": [1, 2, 2, 3],
            "timestamp": ["2024-01-01", "2024-01-01", "2024-01-08", "2024-01-01 00:00:00.000001"],
            "kind": ["contact", "contact", "visit", "contact"],
        }
    )
    table = FeatureSet([f.response(contacts, visits, within="7d")]).build(log, at="2024-01-08")
    assert table["response_contact_visit_7d_rate_all"].tolist() == pytest.approx([0.0, 0.0, np.nan], nan_ok=True)


def test_integer_items_have_shares_and_favourites():
    n = 1_200
    frame = pd.DataFrame(
        {
            "customer_id": 1,
            "timestamp": pd.date_range("2024-01-01", periods=n, freq="min"),
            "item_id": np.arange(n) % 600,
        }
    )
    frame.loc[:99, "item_id"] = 5
    log = InteractionLog.read(frame, quiet=True)
    table = FeatureSet([f.top("item_id"), f.share("item_id")]).build(log, at="2024-02-01")
    assert table["top_item_id_all"].tolist() == [0.0]
    assert table["share_item_id=5_all"].iloc[0] == pytest.approx(102 / n, abs=2 / n)


def test_attributes_go_with_customers_and_pairs_only(make):
    log = make({"customer_id": [5, 6], "timestamp": ["2024-01-01"] * 2, "item_id": [6, 5]})
    profiles = Profiles.read(pd.DataFrame({"customer_id": [5, 6, 7], "age": [50.0, 60.0, 70.0]}))
    fs = FeatureSet([f.attribute("age"), f.count()])
    with pytest.warns(UserWarning, match="profiles belong"):
        pairs = fs.build(log, at="2024-02-01", by=("customer_id", "item_id"), profiles=profiles)
    assert pairs["age"].tolist() == [50.0, 60.0]
    with pytest.raises(DataContractError, match="Profiles are of customers"):
        fs.build(log, at="2024-02-01", by="item_id", profiles=profiles)
    with pytest.warns(UserWarning, match="profiles belong"):
        silent = fs.build(log, at=["2024-01-01", "2024-02-01"], customers=[7, 5], profiles=profiles)
    assert silent["age"].tolist() == [50.0, 50.0, 70.0, 70.0]
    assert silent["count_all"].tolist() == [0, 1, 0, 0]


def test_other_profiles_make_other_files(make, tmp_path):
    log = make({"customer_id": [5, 6], "timestamp": ["2024-01-01"] * 2})
    fs = FeatureSet([f.attribute("age")])
    profiles = [Profiles.read(pd.DataFrame({"customer_id": [5, 6], "age": ages})) for ages in ([1.0, 2.0], [3.0, 4.0])]
    fs.build(log, at="2024-02-01", profiles=profiles[0], out=tmp_path)
    with pytest.raises(DataContractError, match="other features, instants or customers"):
        fs.build(log, at="2024-02-01", profiles=profiles[1], out=tmp_path)
    with pytest.raises(DataContractError, match="cannot be called at"):
        FeatureSet([f.attribute("at")]).build(log, at="2024-02-01")


def test_a_set_is_copied_pickled_and_hashed(simulated):
    fs = standard(simulated.log)
    fs.build(simulated.log, at=simulated.at[0])
    again = pickle.loads(pickle.dumps(fs))
    assert again == fs
    assert hash(again) == hash(fs)
    same(again.build(simulated.log, at=simulated.at), fs.build(simulated.log, at=simulated.at))
    listed = FeatureSet([f.share("kind")], {"kind": ["visit"]})
    assert listed == FeatureSet([f.share("kind")], {"kind": ("visit",)})


@pytest.mark.parametrize("spec", [
    lambda: f.count(f.where(item_id=np.int64(5))), lambda: f.count(f.between("amount", np.int64(1), np.float32(3))), lambda: f.quantile("amount", np.float64(0.5)),
])  # fmt: skip
def test_numbers_of_numpy_are_saved(spec):
    fs = FeatureSet([spec()])
    assert FeatureSet.from_json(fs.to_json()) == fs


def test_what_makes_no_sense_is_refused_at_once(simulated):
    gaps = f.gaps()
    for make, message in (
        (lambda: f.trend(gaps, "30d"), "not one number a window"), (lambda: f.ratio(gaps, f.count()), "not one number"),
        (lambda: f.share_of_customer(f.since()), "not one number"), (lambda: f.decayed().over("7d"), "whole past"),
        (lambda: f.decayed(half_life="x"), "cannot be read"), (lambda: f.response(BUYS, BUYS, within="zz"), "cannot be read"),
        (lambda: f.trend(f.count(), "zz"), "cannot be read"), (lambda: f.where(kind=[]), "no value"), (lambda: f.where(kind=["a", None]), "one kind"),
        (lambda: f.between("timestamp", "2024-01-01"), "needs numbers"), (lambda: f.hours(5, 5), "Hours go"), (lambda: f.count().over(pd.Timedelta(days=7)), "text such as"),
        (lambda: FeatureSet(f.count()), "list of features"), (lambda: FeatureSet.from_json("hello"), "no feature set"), (lambda: FeatureSet.from_json("[]"), "no feature set"),
        (lambda: FeatureSet([f.count()]).build(simulated.frame, at="2024-01-01"), "InteractionLog"), (lambda: FeatureSet([f.count()]).build(simulated.log, at="2024-01-01", threads=0), "one thread"),
        (lambda: FeatureSet([f.count()]).build(simulated.log, at="2024-01-01", customers="ab"), "list of identifiers"),
        (lambda: FeatureSet([f.count(f.where(amount="x@y.z"))]).build(simulated.log, at="2024-01-01"), "holds numbers"),
    ):  # fmt: skip
        with pytest.raises(DataContractError, match=message) as told:
            make()
        assert "x@y.z" not in str(told.value)


def test_memory_bounds_tables_of_every_shape(simulated):
    fs = FeatureSet([f.count()])
    for options in ({"by": ("customer_id", "item_id")}, {"by": "item_id"}, {"customers": range(10**5)}):
        with pytest.raises(DataContractError, match="more than memory"):
            fs.build(simulated.log, at=simulated.at[1], memory=200, **options)


def test_few_rows_are_sorted_as_at_the_door(world):
    frame = world.frame[world.frame["customer_id"].isin(world.log.customers[:12])].drop(
        columns="order_id", errors="ignore"
    )
    ours, door = few(frame, world.log.zone, ["store", "mark"]), next(iter(world.again(frame).parts()))
    assert ours is not None
    assert ours.customers.equals(door.customers)
    for a, b in ((ours.starts, door.starts), (ours.time, door.time), (ours.known_at, door.known_at)):
        np.testing.assert_array_equal(a, b)
    assert ours.codes.keys() == door.codes.keys()
    for name in door.codes:
        assert ours.vocabulary[name].to_pylist() == door.vocabulary[name].to_pylist()
        np.testing.assert_array_equal(ours.codes[name], door.codes[name])
    for name in door.numbers:
        np.testing.assert_array_equal(ours.numbers[name], door.numbers[name])


# ---- Profiles


def test_row_38_same_customer_twice_in_a_profile_table():
    frame = pd.DataFrame({"customer_id": [1, 1, 2], "plan": ["a", "b", "a"]})
    with pytest.raises(DataContractError, match="1 customers stand in the profiles twice"):
        Profiles.read(frame)
    with pytest.raises(DataContractError, match="no customer or no time"):
        Profiles.read(frame.assign(customer_id=pd.array([1, None, 2], "Int64")))


def test_row_39_profiles_and_interactions_of_others(make):
    log = make({"customer_id": [1, 2], "timestamp": ["2024-01-01", "2024-01-02"]})
    profiles = Profiles.read(pd.DataFrame({"customer_id": [2, 3, 4], "income": [5.0, 6.0, 7.0]}))
    with pytest.warns(UserWarning, match="1 of 2 customers of the log have no profile.*2 profiles belong"):
        table = FeatureSet([f.attribute("income")]).build(log, at="2024-02-01", profiles=profiles)
    assert table["income"].tolist() == pytest.approx([np.nan, 5.0], nan_ok=True)
    with pytest.raises(DataContractError, match="Give build"):
        FeatureSet([f.attribute("income")]).build(log, at="2024-02-01")
    with pytest.raises(DataContractError, match="no number 'wage'"), pytest.warns(UserWarning, match="no profile"):
        FeatureSet([f.attribute("wage")]).build(log, at="2024-02-01", profiles=profiles)
    text = Profiles.read(pd.DataFrame({"customer_id": ["1", "2"], "income": [5.0, 6.0]}))
    with pytest.raises(DataContractError, match="Give both one dtype"):
        FeatureSet([f.attribute("income")]).build(log, at="2024-02-01", profiles=text)


def test_a_later_version_moves_no_attribute(make):
    log = make({"customer_id": [1, 2], "timestamp": ["2024-01-01", "2024-01-02"]})
    rows = pd.DataFrame(
        {
            "customer_id": [1, 1, 2],
            "valid_from": pd.to_datetime(["2023-01-01", "2024-02-01", "2024-01-31"]),
            "plan": ["a", "b", "c"],
            "age": [1.0, 2.0, 3.0],
        }
    )
    fs = FeatureSet([f.attribute("age"), f.attribute_value("plan")])
    table = fs.build(log, at="2024-02-01", profiles=Profiles.read(rows))
    early = fs.build(log, at="2024-02-01", profiles=Profiles.read(rows.drop(1)))
    assert table.equals(early)
    assert table["age"].tolist() == [1.0, 3.0]


# ---- Screening


@pytest.fixture(scope="module")
def suspects():
    rng = np.random.default_rng(1)
    at = pd.to_datetime(["2024-01-01", "2024-02-01"])
    index = pd.MultiIndex.from_product([range(1500), at], names=["customer_id", "at"])
    later = index.get_level_values("at") == at[1]
    x, y = rng.normal(size=len(index)), rng.random(len(index)) < 0.3
    X = pd.DataFrame({
        "good": x, "twice": 2 * x + 1, "constant": np.where(np.arange(len(index)) == 0, 1.0, 0.0), "holes": np.nan,
        "leak": y + rng.normal(size=len(index)) / 10, "absent_if_churned": np.where(y, np.nan, rng.normal(size=len(index))),
        "moved": rng.normal(size=len(index)) + 2 * later, "a_little": rng.normal(size=len(index)) + 0.4 * later,
    }, index=index)  # fmt: skip
    return X, pd.Series(y, index=index)


def test_screening_finds_each_suspect(suspects):
    X, y = suspects
    found = f.screen(X, y).to_frame()
    told = set(zip(found["feature"], found["finding"], strict=True))
    assert told == {("twice", "duplicate"), ("constant", "near-constant"), ("holes", "near-constant"), ("leak", "near-label"),
                    ("absent_if_churned", "near-label"), ("moved", "unstable"), ("a_little", "drifting")}  # fmt: skip
    assert found.set_index("feature").loc["twice", "like"] == "good"
    assert f.screen(X, y).keep == ["good", "moved", "a_little"]
    assert f.screen(X, y.sample(frac=1, random_state=1)).to_frame().equals(found)


def test_screening_of_a_number_and_without_a_label(suspects):
    X, y = suspects
    spend = pd.Series(np.exp(X["good"]) + 1, index=X.index)
    assert ("good", "near-label") in {(c, k) for c, k, *_ in f.screen(X, spend).findings}
    assert "near-label" not in f.screen(X).to_frame()["finding"].tolist()
    shuffled = y.sample(frac=1, random_state=0).to_numpy()
    assert "near-label" not in f.screen(X, shuffled).to_frame()["finding"].tolist()


def test_screening_refuses_what_it_cannot_read(suspects):
    X, y = suspects
    with pytest.raises(DataContractError, match="no numbers"):
        f.screen(X.assign(plan="gold"))
    with pytest.raises(DataContractError, match=r"99 values for 3,000 rows"):
        f.screen(X, y.to_numpy()[:99])
    with pytest.raises(DataContractError, match="another index"):
        f.screen(X, y.rename(lambda i: i + 1, level=0))


def test_stability_is_the_textbook_sum():
    a, b = np.repeat([0.0, 1.0], [500, 500]), np.repeat([0.0, 1.0], [800, 200])
    expected = (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    from crmintel.features.screen import stability

    assert stability(a, b) == pytest.approx(expected, rel=0.02)


def test_a_log_of_every_kind_of_identifier(simulated):
    frame, fs = simulated.frame, FeatureSet([f.count(), f.recency(), f.distinct("item_id")])
    numbers = fs.build(simulated.log, at=simulated.at)
    codes = pd.factorize(frame["customer_id"], sort=True)[0]
    kinds = {
        "big": codes.astype(np.int64) + 2**62, "text": pd.Series(codes).map("{:05d}".format),
        "uuid": pd.Series(codes).map(lambda i: f"00000000-0000-4000-8000-{i:012d}"), "small": codes.astype(np.int16), "unsigned": codes.astype(np.uint32),
    }  # fmt: skip
    for ids in kinds.values():
        other = simulated.again(frame.assign(customer_id=np.asarray(ids)))
        assert fs.build(other, at=simulated.at).to_numpy().tobytes() == numbers.to_numpy().tobytes()


def test_hostile_names_of_columns_and_values(make):
    names = ['a"b', "A", "a", "select", "drop table x;--", "{value}", "ünïcode ✓", "with\nbreak"]
    rows = {
        "customer_id": [1, 1, 2],
        "timestamp": ["2024-01-01", "2024-01-05", "2024-01-09"],
        **{n: ["x{", 'y"', None] for n in names},
    }
    log = make(rows, keep=names)
    fs = FeatureSet(
        [spec for n in names for spec in (f.distinct(n), f.share(n), f.count(f.where(**{n: "x{"})))]
    ).freeze(log, "2024-02-01")
    table = fs.build(log, at="2024-02-01")
    assert len(set(fs.names)) == len(fs.names) == table.shape[1]
    assert table["distinct_A_all"].tolist() == [2, 0]
    for feature in fs.features:
        assert feature.tell(0.5)
    assert FeatureSet.from_json(fs.to_json()).build(log, at="2024-02-01").equals(table)


def test_a_customer_with_very_many_events(make):
    rng = np.random.default_rng(2)
    n = 300_000
    frame = {
        "customer_id": np.where(np.arange(n) < 100, 2, 1), "timestamp": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 10**8, n), "s"),
        "amount": np.round(rng.lognormal(3, 1, n), 2), "item_id": rng.integers(0, 1000, n),
    }  # fmt: skip
    log, fs = (
        make(frame),
        FeatureSet(
            [f.count(), f.total("amount"), f.spread("amount"), f.distinct("item_id"), f.median("amount"), f.gaps()]
        ),
    )
    table = fs.build(log, at="2024-01-01")
    rows = pd.DataFrame(frame).groupby("customer_id")["amount"]
    assert table["count_all"].tolist() == rows.size().tolist()
    assert table["spread_amount_all"].tolist() == pytest.approx(rows.std().tolist(), rel=1e-9)
    assert table["median_amount_all"].tolist() == pytest.approx(rows.median().tolist())


def test_all_null_columns_say_nothing(make):
    rows = {
        "customer_id": [1, 2],
        "timestamp": ["2024-01-01", "2024-01-02"],
        "kind": ["visit"] * 2,
        "amount": [np.nan] * 2,
        "item_id": [None] * 2,
    }
    log = make(rows)
    fs = FeatureSet([f.total("amount"), f.mean("amount"), f.spread("amount"), f.median("amount"), f.drift("amount"), f.distinct("item_id"),
                     f.entropy("item_id"), f.top("item_id"), f.share("item_id"), f.decayed("amount")])  # fmt: skip
    table = fs.build(log, at="2024-02-01")
    assert table[fs.freeze(log, "2024-02-01").zeros].eq(0).all().all()
    assert table.drop(columns=fs.freeze(log, "2024-02-01").zeros).isna().all().all()
