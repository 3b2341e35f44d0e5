"""The rows of BAD_INPUTS.md that must simply work, or are mended by a stated rule; and answers a pencil can check."""

import datetime as dt
import itertools
import uuid
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.interactions import InteractionLog, Policies, normalise_ids

FRAME = pd.DataFrame(
    {
        "customer_id": ["ada", "ada", "bob", "cyd", "bob"],
        "timestamp": pd.to_datetime(["2024-03-02", "2024-03-01", "2024-03-03", "2024-03-05", "2024-03-04"]),
        "item_id": ["cup", "pot", "cup", "pan", "pot"],
        "quantity": [2, 1, 1, 3, 1],
        "unit_price": [5.0, 7.5, 5.0, 4.0, 7.5],
    }
)


def quiet(source: Any, **options: Any) -> InteractionLog:
    """Read, whatever is remarked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        return InteractionLog.read(source, **options)


def same(a: InteractionLog, b: InteractionLog) -> None:
    assert a.fingerprint == b.fingerprint
    assert a.to_arrow().equals(b.to_arrow())
    assert a.span == b.span


def finding(log: InteractionLog, start: str) -> Any:
    return next(f for f in log.quality.findings if f.rule.startswith(start))


CONTAINERS = {
    "pandas": lambda f, p: f,
    "pandas, Arrow-backed": lambda f, p: f.convert_dtypes(dtype_backend="pyarrow"),
    "pandas, nullable": lambda f, p: f.convert_dtypes(),
    "Arrow table": lambda f, p: pa.Table.from_pandas(f, preserve_index=False),
    "Arrow reader": lambda f, p: pa.Table.from_pandas(f, preserve_index=False).to_reader(2),
    "polars": lambda f, p: pl.from_pandas(f),
    "polars, lazy": lambda f, p: pl.from_pandas(f).lazy(),
    "polars, categorical": lambda f, p: pl.from_pandas(f).with_columns(pl.col("item_id").cast(pl.Categorical)),
    "DuckDB relation": lambda f, p: duckdb.from_arrow(pa.Table.from_pandas(f, preserve_index=False)),
    "iterator of frames": lambda f, p: iter([f.iloc[:2], f.iloc[2:]]),
    "Parquet": lambda f, p: (f.to_parquet(p / "a.parquet"), str(p / "a.parquet"))[1],
    "Parquet glob": lambda f, p: (f.iloc[:3].to_parquet(p / "a.parquet"), f.iloc[3:].to_parquet(p / "b.parquet"), str(p / "*.parquet"))[2],
    "Parquet folder": lambda f, p: (f.iloc[:3].to_parquet(p / "a.parquet"), f.iloc[3:].to_parquet(p / "b.parquet"), p)[2],
    "CSV": lambda f, p: (f.to_csv(p / "a.csv", index=False), p / "a.csv")[1],
    "CSV with semicolons": lambda f, p: (f.to_csv(p / "a.csv", index=False, sep=";"), p / "a.csv")[1],
    "CSV, packed, of a spreadsheet": lambda f, p: (f.to_csv(p / "a.csv.gz", index=False, encoding="utf-8-sig", lineterminator="\r\n"), p / "a.csv.gz")[1],
    "list of CSV files": lambda f, p: (f.iloc[:3].to_csv(p / "a.csv", index=False), f.iloc[3:].to_csv(p / "b.csv", index=False), [p / "a.csv", p / "b.csv"])[2],
}  # fmt: skip


def test_five_rows_by_hand() -> None:
    log = InteractionLog.read(FRAME, timezone="Europe/London")
    assert repr(log) == "InteractionLog: 5 interactions of 3 customers, 2024-03-01 to 2024-03-05 (Europe/London)"
    assert log.columns == ("customer_id", "timestamp", "kind", "item_id", "quantity", "unit_price", "amount")
    assert log.customers.tolist() == ["ada", "bob", "cyd"]
    assert log.has_amounts
    out = log.to_pandas()
    assert out["customer_id"].tolist() == ["ada", "ada", "bob", "bob", "cyd"]
    assert out["amount"].tolist() == [7.5, 10.0, 5.0, 7.5, 12.0]
    assert out["kind"].unique().tolist() == ["purchase"]
    assert log.span == (pd.Timestamp("2024-03-01"), pd.Timestamp("2024-03-05"))
    (part,) = log.parts(["item_id"])
    assert part.starts.tolist() == [0, 2, 4, 5]
    assert part.vocabulary["item_id"].to_pylist() == ["cup", "pan", "pot"]
    assert part.codes["item_id"].tolist() == [2, 0, 0, 2, 1]
    assert str(log.quality) == "5 rows read, 5 kept"


@pytest.mark.parametrize("container", CONTAINERS)
def test_row_17_every_container_gives_the_same_log(container: str, tmp_path: Path) -> None:
    same(InteractionLog.read(CONTAINERS[container](FRAME, tmp_path)), InteractionLog.read(FRAME))


@pytest.mark.parametrize("container", [c for c in CONTAINERS if c != "Arrow reader"])  # row 19 refuses an empty reader
def test_row_11_no_rows_with_the_right_columns_give_an_empty_typed_log(container: str, tmp_path: Path) -> None:
    log = InteractionLog.read(CONTAINERS[container](FRAME.iloc[:0], tmp_path))
    assert (len(log), len(log.customers), log.quality.rows_read) == (0, 0, 0)
    assert repr(log) == "InteractionLog: no interactions (UTC)"
    kinds = {f.name: str(f.type) for f in log.to_arrow().schema}
    assert kinds["customer_id"] == "large_string"
    assert kinds["timestamp"] == "timestamp[us, tz=UTC]"
    assert kinds["amount"] == "double"
    assert len(log.before("2024-01-01").to_pandas()) == 0


def test_usual_names_of_columns_are_told() -> None:
    other = FRAME[["customer_id", "timestamp"]].assign(
        **{"Total": 1.0, "Product Name": "a", "Invoice No": 1, "Price": 2.0, "note": "x"}
    )
    told = finding(quiet(other), "columns not read").rule
    assert told == "columns not read: Product Name (item_id?), Invoice No (order_id?), Total (amount?), Price, note"
    with pytest.raises(DataContractError) as caught:
        InteractionLog.read(other.drop(columns="Total").assign(Qty=1).rename(columns={"timestamp": "Order Date"}))
    assert (
        'Probably also: item_id = "Product Name", order_id = "Invoice No", quantity = "Qty", unit_price = "Price".'
        in str(caught.value)
    )
    assert 'timestamp = "Order Date"' in str(caught.value)


def test_a_column_has_one_guess_and_no_guess_is_explained() -> None:
    frame = pd.DataFrame({"Guest No": [1], "Order Date": ["2024-01-01"], "Notes": ["x"]})
    with pytest.raises(DataContractError) as caught:
        InteractionLog.read(frame, columns={"order_id": "InvoiceNo", "channel": "Orders Data"})
    said = str(caught.value)
    assert 'order_id = "THEIRS", channel = "Order Date", customer_id = "Guest No", timestamp = "THEIRS".' in said
    assert "THEIRS stands for the one of these columns" in said
    with pytest.raises(DataContractError, match='customer_id = "客户编号", timestamp = "下单时间"') as caught:
        InteractionLog.read(pd.DataFrame({"客户编号": [1], "下单时间": ["2024-01-01"], "金额": [2.0]}))
    assert 'Probably also: amount = "金额"' in str(caught.value)


def test_orders_in_the_place_of_customers_are_remarked() -> None:
    orders = pd.DataFrame({
        "customer_id": np.repeat(np.arange(40), 2), "timestamp": np.repeat(pd.date_range("2024-01-01", periods=40), 2),
        "item_id": ["a", "b"] * 40,
    })  # fmt: skip
    assert finding(quiet(orders), "customers seen only once").rows == 40
    twice = orders.assign(
        timestamp=lambda t: t["timestamp"].mask(
            (t["customer_id"] < 4) & (t["item_id"] == "b"), pd.Timestamp("2024-03-01")
        )
    )
    assert not any("seen only once" in f.rule for f in quiet(twice).quality.findings)


def test_row_8_columns_not_asked_for_are_listed_once() -> None:
    log = InteractionLog.read(FRAME.assign(note="x", extra=1))
    assert finding(log, "columns not read").rule == "columns not read: note, extra"
    assert "note" not in log.columns
    assert "note" in InteractionLog.read(FRAME.assign(note="x"), keep=["note"]).columns


@pytest.mark.parametrize("order", list(itertools.islice(itertools.permutations(range(5)), 0, 120, 17)))
def test_rows_9_53_54_order_of_rows_and_columns_never_matters(order: tuple[int, ...]) -> None:
    tied = FRAME.assign(timestamp=pd.Timestamp("2024-03-01"))  # several events at one instant
    for frame in (FRAME, tied):
        shuffled = frame.iloc[list(order)][list(frame.columns[::-1])]
        same(quiet(shuffled), quiet(frame))


def test_rows_15_16_the_row_index_plays_no_part() -> None:
    doubled = FRAME.set_index(pd.Index([0, 0, 0, 1, 1], name="customer_id"))
    same(InteractionLog.read(doubled), InteractionLog.read(FRAME))
    assert doubled.index.tolist() == [0, 0, 0, 1, 1]
    same(InteractionLog.read(FRAME.set_index(["customer_id", "item_id"], drop=False)), InteractionLog.read(FRAME))


def test_row_18_sparse_and_extension_dtypes_give_the_same_numbers() -> None:
    sparse = FRAME.assign(
        quantity=pd.arrays.SparseArray(FRAME["quantity"]), unit_price=FRAME["unit_price"].astype("Float32")
    )
    same(InteractionLog.read(sparse), InteractionLog.read(FRAME))


@pytest.mark.parametrize("gone", [None, np.nan, pd.NA, "", "  "])
def test_rows_20_21_missing_customers_are_dropped_on_request_and_counted(gone: Any) -> None:
    frame = FRAME.assign(customer_id=pd.Series(["ada", gone, "bob", gone, "bob"], dtype=object))
    log = InteractionLog.read(frame, policies=Policies(on_missing="drop"))
    found = finding(log, "rows without a customer")
    assert (len(log), found.rows, found.share, found.action, found.level) == (3, 2, 0.4, "dropped", "fixed")


def test_row_26_ids_of_csv_files_stay_text_with_leading_zeros(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("customer_id,timestamp\n00123,2024-01-01\n1001.0,2024-01-02\n-1e5,2024-01-02\n")
    assert InteractionLog.read(tmp_path / "a.csv").customers.tolist() == ["-1e5", "00123", "1001.0"]


def test_row_24_one_id_that_is_no_float_shows_that_all_are_text(tmp_path: Path) -> None:
    many = "".join(f"{i}.0,2024-01-01\n" for i in range(3))
    (tmp_path / "a.csv").write_text(f"customer_id,timestamp\n{many}7.5,2024-01-01\n")
    assert InteractionLog.read(tmp_path / "a.csv").customers.tolist() == ["0.0", "1.0", "2.0", "7.5"]
    (tmp_path / "b.csv").write_text(f"customer_id,timestamp\n{many}")
    files = [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    assert len(quiet(iter(files)).customers) == 4, "told by the whole source, not by its last batch"
    both = iter([pd.DataFrame({"customer_id": ["7.0"], "timestamp": pd.Timestamp("2024-01-01")})])
    assert quiet(both).customers.tolist() == ["7.0"], "text of a frame is meant as text"
    with pytest.raises(DataTypeError, match=r"'customer_id' .* Cast it: astype\('Int64'\)"):
        InteractionLog.read([tmp_path / "b.csv", tmp_path / "b.csv"])
    (tmp_path / "items.csv").write_text("item_id,category\n1.0,x\n")
    with pytest.raises(DataTypeError, match=r"'item_id' .* Cast it"):
        InteractionLog.read(FRAME, items=tmp_path / "items.csv")


def test_row_65_a_decimal_comma_is_read_when_it_is_declared(tmp_path: Path) -> None:
    lines = ["1.234,50", "-7,5", "1234", "+1.234.567", "12,"]
    (tmp_path / "a.csv").write_text(
        "customer_id;timestamp;rating\n" + "".join(f"a{i};2024-01-01;{x}\n" for i, x in enumerate(lines))
    )
    log = quiet(tmp_path / "a.csv", policies=Policies(decimal=","))
    assert log.to_pandas()["rating"].tolist() == [1234.5, -7.5, 1234.0, 1234567.0, 12.0]
    frame = FRAME.assign(timestamp=FRAME["timestamp"].dt.strftime("%Y-%m-%d"))
    frame.to_csv(tmp_path / "b.csv", index=False, sep=";", decimal=",")
    same(InteractionLog.read(tmp_path / "b.csv", policies=Policies(decimal=",")), InteractionLog.read(FRAME))


@pytest.mark.parametrize("name", ["2nd name", "item2", "sales 2024", "total %", "Café (new)", "may_sales", "#", "客户"])
def test_names_that_are_no_data_may_head_a_csv_file(name: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"customer_id": ["a", "b"], "timestamp": ["2024-01-01", "2024-01-02"], name: ["x", "y"]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert name in InteractionLog.read(tmp_path / "a.csv", keep=[name]).columns


def test_an_index_that_pandas_wrote_is_an_unread_column(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "a.csv")
    log = InteractionLog.read(tmp_path / "a.csv")
    same(log, InteractionLog.read(FRAME))
    assert any("unnamed column" in f.rule for f in log.quality.findings)


STRANGE = [
    "客户", "عميل", "🛒", "e\u0301", "a,b", 'say "hi"', "two\nlines", "=1+1", "+1", "-1x", "@sum", "<script>alert(1)</script>", "';--", "a\tb",
]  # fmt: skip


@pytest.mark.parametrize("via", ["pandas", "Parquet", "CSV"])
def test_rows_27_31_32_strange_ids_come_back_as_they_went_in(via: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"customer_id": STRANGE, "timestamp": pd.Timestamp("2024-01-01")})
    log = InteractionLog.read(CONTAINERS[via](frame, tmp_path))
    assert log.customers.tolist() == sorted(STRANGE)
    pq.write_table(log.to_arrow(), tmp_path / "out.parquet")
    again = InteractionLog.read(tmp_path / "out.parquet")
    same(again, log)
    assert "<script>" not in log._repr_html_()


def test_row_28_normalising_is_offered_and_never_done_in_silence() -> None:
    assert normalise_ids(pd.Series(["Ａ1 ", "cafe\u0301", None])).tolist()[:2] == ["a1", "caf\u00e9"]
    log = quiet(FRAME.assign(customer_id=["a", "A", "a ", "ａ", "b"]))
    assert len(log.customers) == 5


def test_row_33_integers_text_and_uuids_are_identifiers() -> None:
    known = [uuid.UUID(int=i) for i in (3, 1, 2)]
    ids = pd.Series([known[0], known[1], known[2], np.nan, known[0]], dtype=object)
    log = quiet(FRAME.assign(customer_id=ids), policies=Policies(on_missing="drop"))
    assert log.customers.tolist() == sorted(map(str, known))
    for kind in (np.int8, np.uint64, "Int32"):
        assert InteractionLog.read(FRAME.assign(customer_id=pd.array([3, 1, 2, 2, 1], kind))).customers.tolist() == [
            1,
            2,
            3,
        ]
    arrow = pa.table(
        {"customer_id": pa.array([k.bytes for k in known], pa.uuid()), "timestamp": FRAME["timestamp"][:3]}
    )
    assert InteractionLog.read(arrow).customers.tolist() == sorted(map(str, known))


def test_row_35_unused_categories_make_no_phantom_customers() -> None:
    ids = pd.Categorical(FRAME["customer_id"], categories=["ada", "bob", "cyd", "dan", "eve"])
    same(InteractionLog.read(FRAME.assign(customer_id=ids)), InteractionLog.read(FRAME))


@pytest.mark.parametrize("shape", ["mapping", "frame"])
def test_row_36_merged_customers_are_one_and_chains_are_followed(shape: str) -> None:
    pairs = {"ada": "bob", "bob": "bea", "zoe": "ada", "cyd": "cyd"}
    identities = pairs if shape == "mapping" else pd.DataFrame({"old": pairs.keys(), "new": pairs.values()})
    log = InteractionLog.read(FRAME, identities=identities)
    assert log.customers.tolist() == ["bea", "cyd"]
    assert InteractionLog.read(FRAME, identities={}).customers.tolist() == ["ada", "bob", "cyd"]
    numbers = FRAME.assign(customer_id=[1, 1, 2, 3, 2])
    assert InteractionLog.read(numbers, identities={1: 3}).customers.tolist() == [2, 3]


def test_row_40_text_times_are_parsed_strictly_when_the_form_is_stated() -> None:
    text = FRAME.assign(timestamp=FRAME["timestamp"].dt.strftime("%d/%m/%Y %H:%M"))
    same(InteractionLog.read(text, policies=Policies(time_format="%d/%m/%Y %H:%M")), InteractionLog.read(FRAME))
    iso = FRAME.assign(timestamp=FRAME["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S"))
    same(InteractionLog.read(iso, policies=Policies(time_format="ISO8601")), InteractionLog.read(FRAME))


@pytest.mark.parametrize(("unit", "ticks"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
@pytest.mark.parametrize("kind", [np.int64, np.float64, str])
def test_row_42_counted_times_need_their_unit(unit: Any, ticks: int, kind: Any, tmp_path: Path) -> None:
    seconds = FRAME["timestamp"].astype("datetime64[s]").astype(np.int64)
    counted: Any = FRAME.assign(timestamp=(seconds * ticks).astype(kind))
    if kind is str:
        counted = CONTAINERS["CSV"](counted, tmp_path)
    same(InteractionLog.read(counted, policies=Policies(time_unit=unit)), InteractionLog.read(FRAME))


def test_row_44_rows_without_a_time_are_dropped_on_request() -> None:
    log = InteractionLog.read(
        FRAME.assign(timestamp=FRAME["timestamp"].where(FRAME.index > 1)), policies=Policies(on_missing="drop")
    )
    assert (len(log), finding(log, "rows without").rows) == (3, 2)


def test_row_45_aware_times_become_utc_and_naive_times_are_business_time(tmp_path: Path) -> None:
    naive = InteractionLog.read(FRAME, timezone="America/New_York")
    aware = FRAME.assign(timestamp=FRAME["timestamp"].dt.tz_localize("America/New_York").dt.tz_convert("Asia/Tokyo"))
    same(InteractionLog.read(aware, timezone="America/New_York"), naive)
    polar = pl.from_pandas(FRAME).with_columns(pl.col("timestamp").dt.replace_time_zone("America/New_York"))
    same(InteractionLog.read(polar, timezone="America/New_York"), naive)
    assert naive.to_arrow()["timestamp"][0].as_py() == dt.datetime(2024, 3, 1, 5, tzinfo=dt.UTC)
    spelled = aware.assign(
        timestamp=[
            t.tz_convert(z).isoformat()
            for t, z in zip(aware["timestamp"], ["UTC", "Asia/Tokyo", "Europe/Paris"] * 2, strict=False)
        ]
    )
    same(InteractionLog.read(CONTAINERS["CSV"](spelled, tmp_path), timezone="America/New_York"), naive)
    objects = aware.assign(timestamp=pd.Series([t.to_pydatetime() for t in aware["timestamp"]], dtype=object))
    same(InteractionLog.read(objects, timezone="America/New_York"), naive)


def test_rows_47_48_the_past_is_before_the_instant_and_the_label_window_starts_with_it() -> None:
    log = InteractionLog.read(FRAME)
    assert len(log.before("2024-03-03")) == 2
    assert len(log.before(pd.Timestamp("2024-03-03") + pd.Timedelta("1us"))) == 3
    assert log.between("2024-03-03", "2024-03-04").to_pandas()["customer_id"].tolist() == ["bob"]
    assert len(log.between("2024-03-03", "2024-03-03")) == 0
    assert log.before("2024-03-03").end == pd.Timestamp("2024-03-02")
    assert log.between("2024-03-03", "2024-03-05").span == (pd.Timestamp("2024-03-03"), pd.Timestamp("2024-03-04"))


def test_row_48_rows_that_became_known_late_are_not_known_before() -> None:
    late = FRAME.assign(known_at=pd.to_datetime(["2024-03-09", None, "2024-01-01", "2024-03-05", "2024-03-05"]))
    log = InteractionLog.read(late)
    assert len(log.before("2024-03-05")) == 2
    assert len(log.before(pd.Timestamp("2024-03-05") + pd.Timedelta("1us"))) == 4, (
        "known at the instant is not known before it"
    )
    assert len(log.before("2024-03-10")) == 5
    assert len(log.between("2024-03-02", "2024-03-03")) == 0
    assert log.to_pandas()["known_at"].tolist()[0] == pd.Timestamp("2024-03-01"), "missing: known when it happened"


def test_a_cut_knows_nothing_of_what_came_later() -> None:
    log = InteractionLog.read(FRAME, keep=[])
    early = FRAME[FRAME["timestamp"] < "2024-03-04"]
    same(log.before("2024-03-04"), InteractionLog.read(early))
    (cut,), (fresh,) = log.before("2024-03-04").parts(), InteractionLog.read(early).parts()
    assert cut.vocabulary["item_id"].to_pylist() == fresh.vocabulary["item_id"].to_pylist() == ["cup", "pot"]
    assert cut.customers.to_pylist() == ["ada", "bob"]


def test_rows_49_50_future_and_sentinel_dates_are_kept_but_move_nothing() -> None:
    odd = pd.DataFrame({"customer_id": ["ada", "zed", "zed", "yan"],
                        "timestamp": np.array(["2199-12-31", "9999-12-31T23:00", "1970-01-01T01:00", "1900-01-01"], "datetime64[s]")})  # fmt: skip
    for zone in ("UTC", "Europe/London", "America/New_York", "Asia/Tokyo"):
        log = quiet(pd.concat([FRAME[["customer_id", "timestamp"]], odd]), timezone=zone)
        assert (len(log), finding(log, "sentinel").rows, finding(log, "times in the future").rows) == (9, 3, 1)
        assert log.span == (pd.Timestamp("2024-03-01"), pd.Timestamp("2024-03-05"))
        assert log.before("2024-03-04").end == pd.Timestamp("2024-03-03")
        assert log.to_pandas()["timestamp"].max() == pd.Timestamp("9999-12-31T23:00")


def test_row_50_a_sentinel_told_in_utc_is_seen_in_any_zone() -> None:
    frame = pd.DataFrame({"customer_id": [1, 2], "timestamp": pd.to_datetime(["1970-01-01", "2024-01-01"], utc=True)})
    assert finding(quiet(frame, timezone="America/New_York"), "sentinel").rows == 1


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_row_55_every_resolution_of_time_gives_the_same_log(unit: str) -> None:
    same(
        InteractionLog.read(FRAME.assign(timestamp=FRAME["timestamp"].astype(f"datetime64[{unit}]"))),
        InteractionLog.read(FRAME),
    )


def test_row_55_date_objects_are_midnights() -> None:
    same(InteractionLog.read(FRAME.assign(timestamp=FRAME["timestamp"].dt.date)), InteractionLog.read(FRAME))


def test_row_61_negative_purchases_are_returns_and_never_purchases() -> None:
    frame = FRAME.assign(quantity=[2, -1, 1, 3, 1])
    log = quiet(frame)
    assert log.to_pandas()["kind"].tolist() == ["return", "purchase", "purchase", "purchase", "purchase"]
    assert log.to_pandas()["amount"].sum() == 5 * 2 - 7.5 + 5 + 12 + 7.5
    flagged = InteractionLog.read(frame.assign(kind=["purchase", "return", "purchase", "purchase", "purchase"]))
    assert flagged.fingerprint == log.fingerprint
    assert flagged.quality.warnings == ()
    assert InteractionLog.read(frame.assign(kind="view")).to_pandas()["kind"].unique().tolist() == ["view"]


def test_row_62_free_orders_are_kept_and_counted() -> None:
    log = InteractionLog.read(FRAME.assign(unit_price=[0.0, 7.5, -0.0, 4.0, 7.5]))
    found = finding(log, "purchases or returns of amount zero")
    assert (len(log), found.rows, found.level) == (5, 2, "note")


@pytest.mark.parametrize(("choice", "kept", "total"), [("drop", 3, 15.0), ("zero", 5, 15.0)])
def test_row_63_missing_amounts_follow_the_choice(choice: Any, kept: int, total: float) -> None:
    frame = FRAME.assign(amount=[None, 1.0, 2.0, None, 12.0])
    log = quiet(frame, policies=Policies(on_missing_amount=choice))
    assert (len(log), finding(log, "purchases or returns without an amount").rows) == (kept, 2)
    assert log.to_pandas()["amount"].sum() == total
    assert len(quiet(frame.assign(kind=["view", "purchase", "purchase", "contact", "purchase"]))) == 5


def test_a_row_that_is_dropped_has_no_say() -> None:
    last = FRAME.assign(amount=[1.0, 2.0, 3.0, None, 4.0])
    assert InteractionLog.read(last, policies=Policies(on_missing_amount="drop")).end == pd.Timestamp("2024-03-04")
    ownerless = last.assign(customer_id=["ada", "ada", "bob", None, "bob"])
    log = InteractionLog.read(ownerless, policies=Policies(on_missing="drop"))
    assert [f.rule for f in log.quality.findings] == ["rows without a customer or a time"]
    negative = InteractionLog.read(
        ownerless.assign(amount=[1.0, 2.0, 3.0, -9.0, 4.0]), policies=Policies(on_missing="drop")
    )
    assert negative.quality.warnings == ()


def test_row_66_decimals_become_floats_and_are_counted() -> None:
    log = InteractionLog.read(FRAME.assign(unit_price=[Decimal("5.0"), Decimal("7.5"), None, Decimal("4.00"), Decimal("7.5")]),
                              policies=Policies(on_missing_amount="drop"))  # fmt: skip
    assert finding(log, "decimals in 'unit_price'").rows == 4
    assert log.to_pandas()["unit_price"].tolist() == [7.5, 5.0, 7.5, 4.0]


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "uint8", "uint64", "float32"])
def test_rows_68_70_narrow_and_unsigned_numbers_are_widened(kind: str) -> None:
    frame = FRAME.assign(quantity=np.array([100, 1, 1, 3, 1], kind), unit_price=np.array([100, 7, 5, 4, 7], kind))
    assert quiet(frame).to_pandas()["amount"].max() == 10_000.0


def test_row_71_one_currency_is_no_column_and_no_complaint() -> None:
    log = InteractionLog.read(FRAME.assign(currency=["EUR", None, "EUR", "EUR", "EUR"]))
    assert "currency" not in log.columns
    assert log.fingerprint == InteractionLog.read(FRAME).fingerprint


def test_row_73_equal_amounts_are_no_reason_to_complain() -> None:
    assert InteractionLog.read(FRAME.assign(amount=5.0)).quality.findings == ()


def test_row_75_negative_zero_is_zero() -> None:
    assert (
        InteractionLog.read(FRAME.assign(amount=-0.0)).fingerprint
        == InteractionLog.read(FRAME.assign(amount=0.0)).fingerprint
    )
    tiny = InteractionLog.read(FRAME.assign(amount=5e-324)).to_pandas()
    assert tiny["amount"].tolist() == [5e-324] * 5


def test_row_79_duplicates_are_dropped_on_request() -> None:
    doubled = pd.concat([FRAME, FRAME.iloc[1:4]])
    log = quiet(doubled, policies=Policies(on_duplicate="drop"))
    same(log, InteractionLog.read(FRAME))
    assert finding(log, "exact duplicate rows").rows == 3
    assert len(quiet(doubled)) == 8
    found = finding(quiet(doubled.assign(note="x")), "rows equal in every column that was read")
    assert (found.rows, found.action) == (3, "kept; a column that was not read may tell them apart")
    again = InteractionLog.read(log.to_arrow(), policies=Policies(on_duplicate="drop"))
    same(again, log)


def test_row_79_rows_that_differ_in_one_column_or_customer_are_no_duplicates() -> None:
    frame = pd.DataFrame(
        {"customer_id": ["a", "a", "b"], "timestamp": pd.Timestamp("2024-01-01"), "amount": [1.0, 2.0, 2.0]}
    )
    assert InteractionLog.read(frame).quality.findings == ()
    missing = frame.assign(rating=[None, None, 3.0], amount=1.0)
    assert finding(quiet(missing), "exact duplicate").rows == 1, "missing equals missing"


def test_row_81_order_lines_are_counted_as_orders() -> None:
    log = InteractionLog.read(FRAME.assign(order_id=["o1", "o1", "o2", "o3", "o2"]))
    found = finding(log, "order lines")
    assert (found.rows, found.action, found.level) == (5, "counted as 3 orders", "note")


@pytest.mark.parametrize(("choice", "kept"), [("drop", 3), ("keep", 5)])
def test_row_84_missing_items_follow_the_choice(choice: Any, kept: int) -> None:
    log = InteractionLog.read(
        FRAME.assign(item_id=["cup", None, " ", "pan", "pot"]), policies=Policies(on_missing_item=choice)
    )
    assert len(log) == kept
    assert finding(log, "purchases or returns without an item").rows == 2


def test_row_85_items_without_a_category_are_unknown(tmp_path: Path) -> None:
    items = pd.DataFrame(
        {"item_id": ["cup", "pan", "pan", "jug", None], "category": ["drink", "cook", "cook", None, "x"]}
    )
    log = quiet(FRAME, items=items)
    assert dict(zip(log.to_pandas()["item_id"], log.to_pandas()["category"], strict=True)) == {
        "cup": "drink",
        "pan": "cook",
        "pot": "unknown",
    }
    assert finding(log, "items without a category").rows == 2
    items.to_csv(tmp_path / "items.csv", index=False)
    same(quiet(FRAME, items=tmp_path / "items.csv"), log)
    numbered = FRAME.assign(item_id=[1, 2, 1, 3, 2])
    log = quiet(numbered, items=pd.DataFrame({"item_id": [1, 2, 3], "category": ["drink", "tea", "cook"]}))
    assert log.to_pandas()["category"].tolist() == ["tea", "drink", "drink", "tea", "cook"]
    assert quiet(FRAME, items=items.iloc[:0]).to_pandas()["category"].unique().tolist() == ["unknown"]
    assert (
        quiet(FRAME.assign(channel=["web", None, "", "web", "web"])).to_pandas()["channel"].tolist().count("unknown")
        == 2
    )


def test_row_92_free_text_is_kept_empty_text_is_missing_and_long_text_is_cut() -> None:
    log = InteractionLog.read(FRAME.assign(note=["x" * 1_000_000, "", "日本語", "שלום", None]), keep=["note"])
    notes = log.to_pandas()["note"]
    assert notes.str.len().max() == 100_000
    assert notes.isna().sum() == 2
    assert finding(log, "texts longer than 100,000 characters in 'note'").rows == 1


def test_kept_columns_keep_their_kind_also_when_the_first_frame_has_no_value() -> None:
    full = FRAME.assign(note="x", size=1.5, flag=True)
    log = InteractionLog.read(iter([full.assign(note=None).iloc[:2], full.iloc[2:]]), keep=["note", "size", "flag"])
    out = log.to_pandas()
    assert out["size"].tolist() == [1.5] * 5
    assert out["note"].isna().sum() == 2
    assert out["flag"].unique().tolist() == ["true"]


def test_the_log_cannot_be_changed_through_what_it_gave() -> None:
    frame = FRAME.copy()
    log = InteractionLog.read(frame)
    before = log.fingerprint
    frame["unit_price"] = 0.0
    out = log.to_pandas()
    out["amount"] = 0.0
    assert InteractionLog.read(FRAME).fingerprint == before == log.before("2030-01-01").fingerprint
    with pytest.raises(AttributeError):
        log.zone = None  # type: ignore[misc, assignment]


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": [3, 1, 1, 3, 1]},
        {"customer_id": ["ada", "ada", "bob", "dan", "bob"]},
        {"item_id": ["cup", "pot", "cup", "pan", None]},
    ],
)
def test_the_fingerprint_tells_different_data_apart(change: dict[str, Any]) -> None:
    keep = Policies(on_missing_item="keep")
    assert (
        InteractionLog.read(FRAME.assign(**change), policies=keep).fingerprint != InteractionLog.read(FRAME).fingerprint
    )


def test_the_fingerprint_of_yesterday_is_the_fingerprint_of_today() -> None:
    assert InteractionLog.read(FRAME).fingerprint == "8d193227506e258a903cbe78f4c9a4380266653d48d6c6530c035d5df8027b5b"


def test_the_report_says_what_was_done_as_text_table_and_page() -> None:
    with pytest.warns(DataContractWarning):
        log = InteractionLog.read(pd.concat([FRAME, FRAME.iloc[:1]]))
    assert (
        str(log.quality).splitlines()[1]
        == '  warning  exact duplicate rows: 1 (16.7 %), kept; on_duplicate="drop" (a policy) removes them'
    )
    assert log.quality.to_frame().columns.tolist() == ["rule", "rows", "share", "action", "level"]
    assert "<b>6</b> rows read" in log._repr_html_()


@pytest.mark.slow
def test_online_retail_is_read_as_published(data: Path) -> None:
    names = {
        "customer_id": "CustomerID", "timestamp": "InvoiceDate", "item_id": "StockCode",
        "quantity": "Quantity", "unit_price": "UnitPrice", "order_id": "InvoiceNo",
    }  # fmt: skip
    log = quiet(
        data / "online_retail" / "online_retail.parquet",
        columns=names,
        timezone="Europe/London",
        policies=Policies(on_missing="drop"),
    )
    assert (log.quality.rows_read, log.quality.rows_kept, len(log)) == (541_909, 406_829, 406_829)
    assert len(log.customers) == 4_372
    assert finding(log, "rows without a customer or a time").rows == 135_080
    assert finding(log, "rows equal in every column that was read").rows == 5_227
    assert finding(log, "order lines").action == "counted as 18,536 orders"
    assert finding(log, "negative amounts").rows == 8_905
    assert log.span == (pd.Timestamp("2010-12-01 08:26"), pd.Timestamp("2011-12-09 12:50"))
    with pytest.raises(DataContractError, match=r"135,080 of 541,909 rows have no customer or no time"):
        quiet(data / "online_retail" / "online_retail.parquet", columns=names)
