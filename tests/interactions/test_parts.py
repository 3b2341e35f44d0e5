"""The ways of the rows: coded text, several parts in memory, files of parts; the log is the same by each of them."""

import uuid
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crmintel.errors import DataContractError, DataContractWarning
from crmintel.interactions import InteractionLog, Policies
from crmintel.interactions.fingerprint import fingerprint
from crmintel.interactions.part import PART_ROWS, Part, Rows, sorted_part

KEEP = Policies(on_missing_item="keep", on_shared_order="keep")


def read(source: Any, **options: Any) -> InteractionLog:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        return InteractionLog.read(source, **{"policies": KEEP, **options})


def equal(a: InteractionLog, b: InteractionLog) -> None:
    assert a.to_arrow().equals(b.to_arrow())
    assert a.fingerprint == b.fingerprint
    assert a.quality == b.quality
    assert a.bounds == b.bounds
    assert a.customers.equals(b.customers)


def coded(values: list[Any], spare: list[Any], kind: pa.DataType | None = None) -> pa.DictionaryArray:
    """Text whose dictionary holds every value twice, a missing one, and some that no row has."""
    known = [*spare, *values, None, *values]
    return pa.DictionaryArray.from_arrays(
        pa.array([len(spare) + i + (len(values) + 1) * (i % 2) for i in range(len(values))], pa.int16()),
        pa.array(known, kind),
    )


LONG = "x" * 100_001
TEXT = {
    "customer_id": ["b", "a", "b", "ada ", "b", "a"],
    "kind": ["purchase", None, " ", "return", "purchase", "view"],
    "channel": ["web", "", None, "\u00df", "web", "\t"],
    "item_id": ["cup", None, "  ", "pan", "cup", "cup"],
    "note": [LONG, LONG + "y", "", None, "z", " "],
}
PLAIN = {
    "timestamp": pa.array(range(6), pa.timestamp("s")),
    "amount": [-1.0, 2.0, 3.0, -4.0, 5.0, 6.0],
}


@pytest.mark.parametrize("memory", ["2GB", 1])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_coded_text_is_the_text_it_stands_for(kind: pa.DataType, memory: Any, tmp_path: Path) -> None:
    plain = pa.table({**PLAIN, **TEXT})
    told = pa.table({**PLAIN, **{k: coded(v, ["spare", LONG, " "], kind) for k, v in TEXT.items()}})
    pq.write_table(plain, tmp_path / "plain.parquet")
    expected = read(plain, keep=["note"])
    other = pa.table({**PLAIN, **{k: coded(v, [], kind) for k, v in TEXT.items()}})
    for source in (told, pa.concat_tables([told.slice(0, 2), other.slice(2)]), tmp_path / "plain.parquet"):
        equal(read(source, keep=["note"], memory=memory), expected)
    table = expected.to_arrow()
    assert table["customer_id"].to_pylist() == ["a", "a", "ada ", "b", "b", "b"]
    assert table["kind"].to_pylist() == ["unknown", "view", "return", "return", "unknown", "purchase"]
    assert table["channel"].to_pylist() == ["unknown", "unknown", "\u00df", "web", "unknown", "web"]
    assert table["item_id"].to_pylist() == [None, "cup", "pan", "cup", None, "cup"]
    assert [t and (len(t), t[-1]) for t in table["note"].to_pylist()] == [
        (100_000, "x"), None, None, (100_000, "x"), None, (1, "z")
    ]  # fmt: skip
    (part,) = expected.parts()
    assert part.vocabulary["note"].to_pylist() == [LONG[:100_000], "z"], "texts that no row has are no values"


def test_a_text_of_the_dictionary_breaks_a_rule_only_where_a_row_has_it() -> None:
    table = pa.table({**PLAIN, **TEXT, "customer_id": coded(TEXT["customer_id"], ["y" * 1_025, ""])})
    assert len(read(table)) == 6
    long = coded(["a", "y" * 1_025, "a", "y" * 1_025, "b", "b"], [])
    with pytest.raises(DataContractError, match=r"2 of 6 rows: identifiers longer .*first rows: 1, 3\)"):
        read(pa.table({**PLAIN, "customer_id": long}))


def test_amounts_written_as_text_are_refused_alike_in_memory_and_in_parquet_files(tmp_path: Path) -> None:
    table = pa.table({**PLAIN, "customer_id": TEXT["customer_id"], "amount": ["1", "2", "x", "4", "5", None]})
    pq.write_table(table, tmp_path / "a.parquet")
    for source in (table, tmp_path / "a.parquet"):
        with pytest.raises(DataContractError, match="is text, not numbers"):
            read(source)


def big(n: int, text: bool) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    who = rng.integers(0, n // 20, n)
    names = np.array([f"{'C' if i % 2 else 'c'}{i // 2:05d}" for i in range(n // 20)], object)
    return pd.DataFrame(
        {
            "customer_id": names[who] if text else who * 10**12,
            "timestamp": pd.Timestamp("1960-01-01") + pd.to_timedelta(rng.integers(0, 9, n) * 2_345_678, "s"),
            "item_id": pd.array(np.where(rng.random(n) < 0.1, None, rng.integers(0, 50, n)), "Int64"),
            "kind": rng.choice(["purchase", "return"], n),
            "amount": rng.choice([1.0, -2.0], n),
            "order_id": rng.permutation(n) // 2,
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("text", [False, True])
def test_a_large_log_in_memory_is_several_parts_of_rising_customers(text: bool) -> None:
    frame = big(int(2.2 * PART_ROWS), text)
    log, spilled = read(frame), read((frame.iloc[i::3] for i in range(3)), memory="5MB")
    parts = list(log.parts())
    assert len(parts) == 3
    assert spilled.store.held == ()
    assert max(map(len, parts)) < 1.2 * PART_ROWS
    seen = [c for p in parts for c in p.customers.to_pylist()]
    assert seen == sorted(set(frame["customer_id"]))
    assert all(p.vocabulary["item_id"] is parts[0].vocabulary["item_id"] for p in parts)
    equal(spilled, log)
    equal(spilled.before("1960-06-01"), log.before("1960-06-01"))
    found = {f.rule: f.rows for f in log.quality.findings}
    pairs = frame.groupby("order_id")["customer_id"].nunique()
    assert found["orders with more than one customer"] == (pairs > 1).sum()
    assert found["exact duplicate rows"] > 0 if frame.duplicated().any() else "exact duplicate rows" not in found
    alike = [f for r, f in found.items() if r.startswith("customers whose ids differ only")]
    assert alike == ([frame["customer_id"].nunique() - frame["customer_id"].str.lower().nunique()] if text else [])
    first = frame[frame["kind"] == "purchase"].assign(kind=lambda f: np.where(f["amount"] < 0, "return", "purchase"))
    bought = first[first["kind"] == "purchase"].groupby(["customer_id", "item_id"], dropna=False)["timestamp"].min()
    back = frame[(frame["kind"] == "return") | (frame["amount"] < 0)].join(
        bought.rename("bought"), on=["customer_id", "item_id"]
    )
    assert found["returns dated before the purchase of the same item"] == (back["bought"] > back["timestamp"]).sum()


@pytest.mark.parametrize("rows", [1, 3, 1_000])
def test_blocks_of_any_size_hold_the_same_rows(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crmintel.interactions.part._RUN_ROWS", 7)
    rng = np.random.default_rng(rows)
    n = 60
    table = pa.table(
        {
            "customer_id": rng.integers(0, 9, n),
            "timestamp": rng.integers(0, 4, n),
            "x": rng.choice([1.0, np.nan, 2.0], n),
            "w": pa.array(rng.choice(["a", "b", None], n), pa.large_string()),
        }
    )
    whole, parts = sorted_part(table), list(Rows.of(table, rows).parts())
    assert len(parts) == (9 if rows < 4 else 1)
    assert pa.concat_tables([p.to_arrow() for p in parts]).equals(whole.to_arrow())
    assert fingerprint(table.schema, parts) == fingerprint(table.schema, [whole])
    plain = table.to_pandas().assign(w=lambda f: f["w"].fillna("")).sort_values(["customer_id", "timestamp", "w", "x"])
    assert whole.to_arrow()["w"].to_pandas().fillna("").tolist() == plain["w"].tolist()
    assert whole.numbers["x"].tolist() == pytest.approx(plain["x"].tolist(), nan_ok=True)


FAR = [
    pd.Timestamp("1901-05-05 00:00:00.000001"),
    pd.Timestamp("2199-12-30"),
    pd.Timestamp("1960-01-01 00:00:00.000001"),
]


@pytest.mark.slow
@pytest.mark.parametrize("ids", ["int", "text", "uuid"])
def test_every_dtype_survives_the_way_through_files(ids: str) -> None:
    n = 400
    rng = np.random.default_rng(2)
    who = rng.integers(0, 30, n)
    names: dict[str, Any] = {
        "int": who - 10 + 2**60,
        "text": [f"\u00e9{i}" for i in who],
        "uuid": pd.Series([uuid.UUID(int=int(i) + 7) for i in who], dtype=object),
    }
    frame = pd.DataFrame(
        {
            "customer_id": names[ids],
            "timestamp": pd.Series([FAR[i] for i in rng.integers(0, 3, n)])
            + pd.to_timedelta(rng.integers(0, 3, n), "us"),
            "item_id": pd.array(np.where(rng.random(n) < 0.5, None, rng.integers(-3, 3, n)), "Int64"),
            "order_id": [None if i % 3 else f"o{i % 50}" for i in range(n)],
            "amount": rng.choice([0.1, -0.0, 3.0], n),
            "kind": rng.choice(["view", "click"], n),
            "rating": rng.choice([np.nan, 1.0, 2.0], n),
            "flag": rng.choice([True, False], n),
            "none": [None] * n,
        }
    )
    frame["known_at"] = frame["timestamp"] + pd.to_timedelta(rng.integers(0, 3, n) * 10, "D")
    log = read(frame, keep=["flag", "none"])
    spilled = read((frame.iloc[i : i + 90] for i in range(0, n, 90)), keep=["flag", "none"], memory="1KB")
    assert len(spilled.store.files) > 10
    equal(spilled, log)
    equal(spilled.before("2000-01-01"), log.before("2000-01-01"))
    table = log.to_arrow()
    by = ["customer_id", "timestamp", "item_id", "flag", "kind", "order_id", "known_at", "amount", "rating"]
    frame = frame.assign(
        customer_id=frame["customer_id"].map(str) if ids == "uuid" else frame["customer_id"],
        item_id=frame["item_id"].fillna(-9),  # missing comes first among codes
        order_id=frame["order_id"].fillna(""),
        flag=frame["flag"].map({True: "true", False: "false"}),
    ).sort_values(by)
    for name in by:
        instant = pa.types.is_timestamp(table[name].type)
        column = table[name].cast(pa.int64()) if instant else table[name]
        want = frame[name].astype("datetime64[us]").astype("int64") if instant else frame[name]
        missing = {"item_id": -9, "order_id": "", "rating": None}.get(name)
        assert [missing if v is None else v for v in column.to_pylist()] == [None if v != v else v for v in want], name
    for part in (*log.parts(), *spilled.parts()):
        assert isinstance(part, Part)
        assert (np.diff(part.time)[np.diff(part.customer_codes) == 0] >= 0).all()
    assert {p.time.dtype for p in spilled.parts(["rating"])} == {np.dtype(np.int64)}
    assert all(set(p.numbers) == {"rating"} and not p.codes for p in spilled.parts(["rating"]))
