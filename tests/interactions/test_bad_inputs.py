"""The rows of BAD_INPUTS.md that end in a refusal or a remark; and that neither ever shows a customer's value."""

import datetime as dt
import logging
import traceback
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.interactions import InteractionLog, Policies

CANARY = "CANARY-7f3a"
CANARY_NUMBER = 7319462058


def rows(**columns: Any) -> pd.DataFrame:
    """Four rows of three customers, with some columns replaced or added."""
    plain = {
        "customer_id": [CANARY, "b", "b", "c"],
        "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]),
        "amount": [5.0, 7.0, 9.0, 11.0],
    }
    made = {**plain, **columns}
    return pd.DataFrame({k: pd.Series(v, dtype=object) if k.endswith("!") else v for k, v in made.items()})


def objects(*values: Any) -> pd.Series:
    return pd.Series(list(values), dtype=object)


def csv(text: str | bytes) -> Callable[[Path], Any]:
    def write(folder: Path) -> str:
        path = folder / "rows.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write


def parquet(table: pa.Table | bytes) -> Callable[[Path], Any]:
    def write(folder: Path) -> str:
        path = folder / "rows.parquet"
        if isinstance(table, bytes):
            path.write_bytes(table)
        else:
            pq.write_table(table, path)
        return str(path)

    return write


@dataclass(frozen=True)
class Case:
    """One bad input: where it comes from, how it is read, and what must be said about it."""

    name: str
    source: Any
    says: tuple[str, ...]
    kind: type[Exception] = DataContractError
    options: dict[str, Any] = field(default_factory=dict)

    def open(self, folder: Path) -> Any:
        return self.source(folder) if callable(self.source) else self.source


def case(name: str, source: Any, *says: str, kind: type[Exception] = DataContractError, **options: Any) -> Any:
    return pytest.param(Case(name, source, says, kind, options), id=name)


DAYS = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]
LONDON, NEW_YORK = dt.timezone(dt.timedelta(hours=1)), dt.timezone(dt.timedelta(hours=-5))


def given(value: Any) -> Callable[[Path], Any]:
    return lambda _: value


def consumed_iterator(_: Path) -> Any:
    frames = iter([rows()])
    list(frames)
    return frames


def consumed_reader(_: Path) -> Any:
    reader = pa.Table.from_pandas(rows()).to_reader()
    reader.read_all()
    return reader


REFUSED = [
    case("row 1 required columns missing", rows().rename(columns={"customer_id": "who", "timestamp": "when"}),
         "'customer_id'", "'timestamp'", "'who', 'when', 'amount'",
         'Map them with columns: customer_id = "THEIRS", timestamp = "THEIRS".'),
    case("row 1 an order number is no customer", rows().rename(columns={"customer_id": "Order Number", "timestamp": "Order Date"}),
         'customer_id = "THEIRS", timestamp = "Order Date"'),
    case("row 1 one column for order and customer", rows(basket=1), "both read from 'basket'", "An order is no customer",
         columns={"customer_id": "basket", "order_id": "basket"}),
    case("row 1 mapped column missing", rows(), "'Price' for unit_price", columns={"unit_price": "Price"}),
    case("row 2 other case and a space", rows().rename(columns={"customer_id": "Customer_ID "}), "did you mean 'Customer_ID '?",
         'customer_id = "Customer_ID "'),
    case("row 2 unknown name in the mapping", rows(), "'custmer_id'", "Did you mean 'customer_id'?", columns={"custmer_id": "x"}),
    case("row 2 mapping turned around", rows(), "turned around", 'customer_id = "CustomerID"', columns={"CustomerID": "customer_id"}),
    case("row 3 doubled names", pd.concat([rows(), rows()[["amount"]]], axis=1), "Doubled column names: 'amount'", "Rename"),
    case("row 3 doubled names in CSV", csv(f"customer_id,timestamp,amount,amount\n{CANARY},2024-01-01,1,2\n"), "Doubled", "'amount'"),
    case("row 3 doubled names in Arrow", pa.table([["a"], [dt.datetime(2024, 1, 1)], ["b"]], names=["customer_id", "timestamp", "customer_id"]),
         "Doubled column names: 'customer_id'"),
    case("row 3 doubled names in Parquet",
         parquet(pa.table([["a"], [dt.datetime(2024, 1, 1)], ["b"]], names=["customer_id", "timestamp", "customer_id"])), "Doubled"),
    case("row 4 nested names", pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])), "nested", "flat text names"),
    case("row 5 names that are not text", pd.DataFrame([[1, 2]], columns=[0, 1]), "2 column names are not text", "[0, 1]"),
    case("row 7 name of 10,000 characters", rows(**{"x" * 10_000: 1}), "1 column names", "255", "positions 3"),
    case("row 7 name with NUL", rows(**{"a\x00b": 1}), "control characters", "positions 3"),
    case("row 10 kept name that results carry", rows(score=1.0), "'score'", "cannot be kept", "Rename", keep=["score"]),
    case("row 10 kept name of the contract", rows(), "'amount'", "cannot be kept", keep=["amount"]),
    *(case(f"row 17 container {type(v).__name__} {i}", given(v), "cannot be read from", "a pandas or polars DataFrame", kind=DataTypeError)
      for i, v in enumerate([[{"customer_id": CANARY}], np.zeros((2, 2)), pd.Series([CANARY]), {"customer_id": [CANARY]}, None, 7, []])),
    case("row 17 path of nothing", "no/such/file.parquet", "No file matches", "Give an existing"),
    case("row 17 mixed kinds of files", lambda p: [csv("a\n1\n")(p), parquet(pa.table({"a": [1]}))(p)], "Give all Parquet"),
    case("row 19 consumed iterator", consumed_iterator, "no rows", "Make it anew"),
    case("row 19 consumed reader", consumed_reader, "no rows", "anew"),
    *(case(f"row 20 missing id as {name}", rows(customer_id=objects(CANARY, gone, "b", gone)),
           "2 of 4 rows have no customer or no time", "first rows: 1, 3", 'on_missing="drop"')
      for name, gone in {"None": None, "NaN": np.nan, "NaT": pd.NaT, "NA": pd.NA}.items()),
    case("row 20 missing integer id", rows(customer_id=pd.array([1, None, 3, 4], "Int64")), "1 of 4", "first rows: 1"),
    case("row 21 blank ids", rows(customer_id=[CANARY, "", "  ", "\t\u00a0"]), "3 of 4", "first rows: 1, 2, 3"),
    case("row 21 blank ids in CSV", csv(f'customer_id,timestamp\n{CANARY},2024-01-01\n"",2024-01-02\n ,2024-01-02\n'), "2 of 3", "first rows: 1, 2"),
    case("row 23 integers then text", lambda _: iter([rows(customer_id=[1, 2, 3, 4]), rows()]),
         "'customer_id' changes from int64 to large_string", kind=DataTypeError),
    case("row 23 mixed in one column", rows(customer_id=objects(CANARY, 1, 2, 3)), "'customer_id'", "int, str", "one dtype", kind=DataTypeError),
    case("row 23 identities of another dtype", rows(), "int64", "large_string", "one dtype", identities={1: 2}),
    case("row 23 identities that lead to another dtype", rows(customer_id=[1, 2, 3, 4]), "int64", "large_string", identities={1: CANARY}),
    case("row 23 items of another dtype", rows(item_id=[CANARY, "b", "c", "d"]), "large_string", "int64",
         items=pd.DataFrame({"item_id": [1], "category": ["x"]})),
    case("row 24 float ids", rows(customer_id=[1001.0, np.nan, 7.0, 8.0]), "floats", "astype('Int64')", kind=DataTypeError),
    *(case(f"row 24 float ids in CSV as {name}", csv(f"{name},{rest},timestamp\n{CANARY_NUMBER}.0,x,2024-01-01\n,y,2024-01-02\n"),
           f"'{name}' holds identifiers that all end in '.0'", "astype('Int64')", kind=DataTypeError)
      for name, rest in (("customer_id", "item_id"), ("item_id", "customer_id"), ("order_id", "customer_id"))),
    case("row 25 float ids beyond 2^53", rows(customer_id=[2.0**53 + 2, 1.0, 2.0, 3.0]), "2^53", "integers or text", kind=DataTypeError),
    case("row 25 unsigned ids beyond 63 bits", rows(customer_id=np.array([2**63, 1, 2, 3], np.uint64)), "63 bits", kind=DataTypeError),
    case("row 30 id of 1,025 characters", rows(customer_id=[CANARY + "x" * 1_014, "b", "c", "d"]), "1,024 characters", "1 of 4", "first rows: 0"),
    case("row 33 bytes as ids", rows(customer_id=objects(*[CANARY.encode()] * 4)), "'customer_id'", "cannot be an identifier", kind=DataTypeError),
    case("row 33 tuples as ids", rows(customer_id=objects(*[(CANARY, 1)] * 4)), "'customer_id'", kind=DataTypeError),
    case("row 33 UUIDs beside text", rows(customer_id=objects(uuid.uuid4(), CANARY, "b", "c")), "UUID, str", kind=DataTypeError),
    case("row 33 decimals as ids", rows(customer_id=objects(*[Decimal(1)] * 4)), "cannot be an identifier", kind=DataTypeError),
    case("row 34 boolean ids", rows(customer_id=[True, False, True, True]), "'customer_id' cannot be an identifier (bool)", kind=DataTypeError),
    case("row 37 identities in a circle", rows(), "circle of 2 (rows 1, 2)", "Break it", identities={"z": CANARY, CANARY: "b", "b": CANARY}),
    case("row 37 identities mapped twice", rows(), "1 identifiers are mapped twice (rows 1)",
         identities=pd.DataFrame({"old": [CANARY, CANARY], "new": ["b", "c"]})),
    case("row 37 identities without a target", rows(), "1 identities are missing or blank", identities={CANARY: None}),
    case("row 37 identities in a list", rows(), "Identities cannot be read from list", identities=[CANARY], kind=DataTypeError),
    case("row 37 identities of three columns", rows(), "3 columns", identities=pd.DataFrame({"a": [CANARY], "b": [1], "c": [2]})),
    case("row 38 items with two categories", rows(item_id=list("abcd")), "1 items stand in the item table with more than one category",
         items=pd.DataFrame({"item_id": ["a", "a"], "category": [CANARY, "y"]})),
    case("row 38 items without interactions to join", rows(), "no 'item_id'", items=pd.DataFrame({"item_id": ["a"], "category": [CANARY]})),
    case("row 40 times as text", rows(timestamp=[*DAYS[:3], CANARY]), "'timestamp' holds times as text", "time_format", kind=DataTypeError),
    case("row 41 day first and month first", rows(timestamp=["13/01/2024", "12/31/2024", "01/02/2024", CANARY]),
         "2 of 4 rows: text that is no time in 'timestamp'", "first rows: 1, 3", policies=Policies(time_format="%d/%m/%Y")),
    case("row 41 day first in CSV", csv(f"customer_id,timestamp\n{CANARY},13/01/2024\nb,2024-01-01\n"), "1 of 2", "first rows: 0"),
    case("row 41 American times in CSV", csv(f"customer_id,timestamp\n{CANARY},12/31/2024 10:00\n"), "text that is no time in 'timestamp'",
         'Say how they are written: time_format="%m/%d/%Y %H:%M" (a policy).'),
    case("row 41 bare year in CSV", csv("customer_id,timestamp\na,2024\n"), "text that is no time", "first rows: 0"),
    *(case(f"row 42 epoch {unit}", rows(timestamp=np.arange(4) * ticks), "bare numbers", 'time_unit="s" (a policy)', kind=DataTypeError)
      for unit, ticks in {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}.items()),
    case("row 42 epoch seconds in CSV", csv(f"customer_id,timestamp\n{CANARY},1704067200\n"), "text that is no time", "first rows: 0"),
    case("row 42 epoch out of range", rows(timestamp=[0, 1, 2, 2**62]), "times out of range in 'timestamp'", "first rows: 3",
         policies=Policies(time_unit="s")),
    case("row 43 Excel serial numbers", rows(timestamp=[45000.5] * 4), "bare numbers", kind=DataTypeError),
    case("row 44 missing times", rows(timestamp=pd.to_datetime(["2024-01-01", None, "2024-01-02", None])), "2 of 4", "first rows: 1, 3", "no time"),
    case("row 45 aware with naive objects", rows(timestamp=objects(*[dt.datetime(2024, 1, 1, tzinfo=dt.UTC)] * 3, dt.datetime(2024, 1, 1))),
         "'timestamp' mixes times with and without a time zone"),
    case("row 45 aware with naive in CSV", csv(f"customer_id,timestamp\n{CANARY},2024-01-01T00:00Z\nb,2024-01-01T00:00\n"), "with and without a time zone"),
    case("row 45 aware with naive frames", lambda _: iter([rows(), rows(timestamp=pd.to_datetime(DAYS, utc=True))]), "with and without a time zone"),
    case("row 50 out of range", rows(timestamp=np.array(["1899-12-31", *DAYS[:3]], "datetime64[s]")), "1 of 4 rows: times before 1900", "first rows: 0"),
    case("row 50 year 2200", rows(timestamp=np.array(["2200-01-01", *DAYS[:3]], "datetime64[s]")), "after 2200", "first rows: 0"),
    case("row 60 Buddhist year", rows(timestamp=np.array(["2567-01-01", *DAYS[:3]], "datetime64[s]")), "times before 1900 or after 2200", "first rows: 0"),
    case("row 63 missing amount", rows(amount=[5.0, np.nan, 7.0, np.nan]), "2 of 4", "without an amount", "first rows: 1, 3", "on_missing_amount"),
    case("row 63 missing price", rows(quantity=[1, 2, 3, 4], unit_price=[1.0, None, 1.0, 1.0]).drop(columns="amount"), "1 of 4", "without an amount"),
    *(case(f"row 64 amount {bad}", rows(amount=[5.0, bad, 7.0, 8.0]), "1 of 4 rows: infinite values in 'amount'", "first rows: 1", "Repair")
      for bad in (np.inf, -np.inf)),
    case("row 65 amount as text", rows(amount=["5.0", "£1,000", CANARY, "7"]), "'amount' is text", "2 rows cannot be parsed", "first rows: 1, 2",
         "pandas.to_numeric", kind=DataTypeError),
    case("row 65 clean amount as text", rows(amount=["5", "6", "7", "8"]), "'amount' is text", "pandas.to_numeric", kind=DataTypeError),
    case("row 65 amount as text in CSV", csv(f'customer_id,timestamp,amount\na,2024-01-01,"1,000"\nb,2024-01-01,{CANARY}\n'),
         "2 of 2 rows: text that is no number in 'amount'", "first rows: 0, 1", "Numbers need a decimal point and no thousands mark or currency sign.",
         'decimal=","'),
    case("row 65 decimal comma that is not declared", csv(f'customer_id;timestamp;amount\n{CANARY};2024-01-01;"1,5"\n'), "1 of 1", 'decimal=","'),
    case("row 65 decimal point where a comma is declared", csv(f"customer_id;timestamp;amount\n{CANARY};2024-01-01;1.5\nb;2024-01-01;EUR 1\n"),
         "2 of 2 rows: text that is no number", "1234,50 or 1.234,50", policies=Policies(decimal=",")),
    case("row 67 amount near 1e308", rows(amount=[5.0, 1e308, 7.0, 8.0]), "values beyond 1e15 in 'amount'", "first rows: 1"),
    case("row 67 product beyond 1e15", rows(quantity=[1e9, 1, 1, 1], unit_price=[1e9, 1, 1, 1]).drop(columns="amount"),
         "1 of 4 rows: products of quantity and price beyond 1e15", "first rows: 0"),
    case("row 69 whole amounts near 2^63", rows(amount=np.array([2**62, 1, 2, 3])), "values beyond 1e15 in 'amount'"),
    case("row 71 two currencies", rows(currency=["EUR", CANARY, "EUR", None]), "2 currencies", "Convert the amounts"),
    case("row 76 boolean amount", rows(amount=[True, False, True, True]), "'amount' does not hold numbers (bool)", kind=DataTypeError),
    case("row 76 category amount", rows(amount=pd.Categorical([CANARY, "b", "c", "d"])), "'amount' is a category", kind=DataTypeError),
    case("row 76 duration amount", rows(amount=pd.to_timedelta([1, 2, 3, 4], "D")), "'amount' does not hold numbers", kind=DataTypeError),
    case("row 77 rating outside its scale", rows(rating=[1, 11, 10, 0]), "2 of 4 rows: values of 'rating' outside 1 to 10", "first rows: 1, 3",
         policies=Policies(ranges={"rating": (1, 10)})),
    case("row 77 scale of an unknown column", rows(rating=[1, 2, 3, 4]), "ranges", "'ratng'", "there are", policies=Policies(ranges={"ratng": (1, 5)})),
    case("row 77 scale of text", rows(), "'customer_id'", "no numbers", policies=Policies(ranges={"customer_id": (1, 5)})),
    case("row 79 key of an unknown column", rows(), "duplicate_key", "'order_id'", policies=Policies(duplicate_key=("order_id",))),
    case("row 80 order of two customers", rows(order_id=[CANARY, "o2", CANARY, "o3"]), "1 orders carry more than one customer (first rows: 0)",
         'on_shared_order="keep"'),
    case("row 84 missing item", rows(item_id=[CANARY, None, " ", "d"]), "2 of 4", "without an item", "first rows: 1, 2", "on_missing_item"),
    case("row 92 bytes that are not UTF-8", csv(b"customer_id,timestamp\n" + CANARY.encode() + b"\xff,2024-01-01\n"), "not UTF-8", "line 2"),
    case("row 92 header that is not UTF-8", csv(b"customer_id\xff,timestamp\na,2024-01-01\n"), "not UTF-8", "line 1"),
    case("row 92 lone surrogate", rows(customer_id=objects(CANARY, "b\ud800", "c", "d")), "not valid Unicode", "1 rows; first rows: 1"),
    case("garbage a line too long", csv(f"customer_id,timestamp\na,2024-01-01\n{CANARY},2024-01-01,7\n"), "more or fewer cells than the header near line 3", "Repair that line"),
    case("garbage a line too short", csv(f"customer_id,timestamp\na,2024-01-01\n{CANARY}\n"), "more or fewer cells than the header near line 3"),
    *(case(f"garbage no header, {name}", csv(f"{line}\n{line}\n"), f"looks like data, not like column names ({cells} cells). Add a header line.")
      for name, line, cells in (("a number", f"{CANARY},x,5", 3), ("money", f"{CANARY};x;£5,20", 3), ("a date", f"{CANARY},2024-01-01 10:00,x", 3),
                                ("an American date", f"{CANARY},1/31/2024", 2), ("a spoken date", f"{CANARY},31 Jan 2024", 2),
                                ("an address", f"{CANARY}@example.org,x", 2), ("nothing", f"{CANARY},,x", 3), ("doubled values", f"{CANARY},{CANARY},5", 3))),
    case("garbage an empty folder", lambda p: str(p), "holds no Parquet or CSV file"),
    case("garbage a quote that never ends", csv(f'customer_id,timestamp\na,2024-01-01\n"{CANARY},2024-01-01\n'), "CSV file cannot be read: a quote that never ends"),
    case("garbage an empty CSV", csv(""), "empty"),
    case("garbage headers that differ", lambda p: [csv("customer_id,timestamp\n")(p), csv_beside(p)], "1 of 2 CSV files have another header"),
    case("garbage a damaged Parquet file", parquet(b"PAR1" + CANARY.encode() * 9), "cannot be opened", "Write it anew"),
    case("garbage Parquet files that lose a column", lambda p: two_files(p, rows(), rows().drop(columns="amount")), "Missing columns: 'amount'"),
    case("garbage Parquet files of other types", lambda p: two_files(p, rows(customer_id=[1, 2, 3, 4]), rows()), "differs in its column types"),
    case("garbage frames that lose a column", lambda _: iter([rows(), rows().drop(columns="amount")]), "Missing columns: 'amount'"),
    case("garbage amounts that mix kinds", rows(amount=objects(1.0, CANARY, 2.0, 3.0)), "float, str", kind=DataTypeError),
    case("garbage integers beyond 64 bits", rows(amount=objects(2**80, 1, 2, 3)), "'amount'", "one dtype", kind=DataTypeError),
    case("garbage a kept column of times", rows(seen=pd.to_datetime(DAYS)), "'seen' cannot hold names", keep=["seen"], kind=DataTypeError),
    case("garbage periods as ids", rows(customer_id=pd.period_range("2024", periods=4, freq="D")), "extension type", kind=DataTypeError),
    case("garbage unknown time zone", rows(), "Unknown time zone 'Mars/Olympus'", "IANA", timezone="Mars/Olympus"),
    case("garbage memory", rows(), "'lots'", "'2GB'", memory="lots", kind=DataTypeError),
    case("garbage memory of none", rows(), "None", "'2GB'", memory=None, kind=DataTypeError),
]  # fmt: skip


def csv_beside(folder: Path) -> str:
    path = folder / "other.csv"
    path.write_text(f"timestamp,customer_id\n2024-01-01,{CANARY}\n")
    return str(path)


def two_files(folder: Path, first: pd.DataFrame, second: pd.DataFrame) -> list[str]:
    paths = [str(folder / "first.parquet"), str(folder / "second.parquet")]
    first.to_parquet(paths[0])
    second.to_parquet(paths[1])
    return paths


def heavy(n: int = 2_000) -> pd.DataFrame:
    """A robot among a thousand customers."""
    ids = [f"c{i}" for i in range(n)] + [CANARY] * 200
    return pd.DataFrame(
        {"customer_id": ids, "timestamp": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(len(ids)), "s")}
    )


def points(*given: int) -> pd.DataFrame:
    return rows(customer_id=[CANARY, CANARY, CANARY, "b"], points=list(given))


KEEP_ITEMS = Policies(on_missing_item="keep")
WARNED = [
    case("row 13 one row", rows().iloc[:1], "1 only one row"),
    case("row 14 one customer", rows(customer_id=[CANARY] * 4), "1 only one customer"),
    case("row 22 placeholder ids", rows(customer_id=[CANARY, "Guest ", "NULL", "test"]), "3 placeholder customers"),
    case("row 22 placeholder numbers", rows(customer_id=[0, -1, 5, 6]), "2 placeholder customers"),
    case("row 28 NFC and NFD", rows(customer_id=["caf\u00e9", "cafe\u0301", CANARY, "１"]), "1 customers whose ids differ only"),
    case("row 28 full width", rows(customer_id=["１２", "12", CANARY, "x"]), "1 customers whose ids differ only"),
    case("row 29 case and spaces", rows(customer_id=[CANARY, CANARY.lower(), CANARY + " ", "b"]), "2 customers whose ids differ only", "normalise_ids"),
    case("row 26 leading zeros", rows(customer_id=["00123", "123", "0", "00"]), "2 customers whose ids differ only"),
    case("row 39 items absent from the table", rows(item_id=[CANARY, "b", "c", "d"]), "3 items without a category", "'unknown'",
         items=pd.DataFrame({"item_id": ["b"], "category": ["x"]})),
    case("row 49 future", rows(timestamp=pd.to_datetime(["2024-01-01", "2024-01-02", "2099-12-31", "2099-12-31"])), "2 times in the future", "left out"),
    case("row 50 sentinels", rows(timestamp=np.array(["1900-01-01", "1970-01-01T05:00", "9999-12-31", "2024-01-01"], "datetime64[s]")), "3 sentinel dates"),
    case("row 51 return before the purchase", rows(customer_id=[CANARY] * 4, item_id=["x", "x", "y", "y"], kind=["return", "purchase", "purchase", "return"]),
         "1 returns dated before the purchase"),
    case("row 61 negative amount", rows(amount=[5.0, -7.0, 8.0, -1.0]), "2 negative amounts", "treated as returns"),
    case("row 61 negative quantity", rows(quantity=[1, -1, 1, 1]), "1 negative amounts"),
    case("row 72 an outlier of half the revenue", rows(amount=[5e6, 1.0, 2.0, 3.0]), "1 customer who alone holds over half of the money"),
    case("row 78 points overdrawn", points(5, -3, -3, 1), "1 customers who redeemed more points"),
    case("row 79 exact duplicates", pd.concat([rows(), rows().iloc[:2]]), "2 exact duplicate rows", 'on_duplicate="drop"'),
    case("row 79 duplicates beside columns not read", pd.concat([rows(note=range(4)), rows(note=range(4, 8)).iloc[:2]]),
         "2 rows equal in every column that was read", "kept; a column that was not read may tell them apart"),
    case("row 79 doubled key", rows(order_id=["o1", "o2", "o2", CANARY]), "1 rows with a doubled key (dropped)",
         policies=Policies(duplicate_key=("order_id",), on_duplicate="drop")),
    case("row 80 shared order kept", rows(order_id=[CANARY, "o2", CANARY, "o3"]), "1 orders with more than one customer",
         policies=Policies(on_shared_order="keep")),
    case("row 90 a robot", heavy(), "200 rows of 1 customer who holds over 1 %"),
]  # fmt: skip


@pytest.mark.parametrize("bad", REFUSED)
def test_a_bad_input_is_refused_with_counts_positions_and_advice(bad: Case, tmp_path: Path) -> None:
    source = bad.open(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(bad.kind) as caught:
            InteractionLog.read(source, **bad.options)
    assert isinstance(caught.value, DataContractError)
    message = str(caught.value)
    assert [s for s in bad.says if s not in message] == [], message
    assert message.count(". ") >= 1 or message.endswith("."), "what is wrong, and what to do"


@pytest.mark.parametrize("bad", WARNED)
def test_a_doubtful_input_is_read_with_one_warning_and_a_finding(bad: Case, tmp_path: Path) -> None:
    with pytest.warns(DataContractWarning) as caught:
        log = InteractionLog.read(bad.open(tmp_path), **bad.options)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert [s for s in bad.says if s not in message] == [], message
    count, rule = bad.says[0].split(" ", 1)
    finding = next(f for f in log.quality.warnings if f.rule.startswith(rule.split(" (")[0]))
    assert finding.rows == int(count)
    assert finding.rule in str(log.quality)
    assert caught[0].filename == __file__, "the warning points at the caller"


def everything_said(error: BaseException) -> str:
    """What a console or a log would show of an error: its message, its arguments and the chain that would be printed."""
    return "".join(traceback.format_exception(error)) + repr(error.args)


SPILLED = [pytest.param(p.values[0], 1, id=f"{p.id}, spilled") for p in WARNED]
HELD = [pytest.param(p.values[0], "2GB", id=p.id) for p in [*REFUSED, *WARNED]]


@pytest.mark.slow
@pytest.mark.parametrize(("bad", "memory"), [*HELD, *SPILLED])
def test_no_customer_value_reaches_an_error_a_warning_a_log_or_a_report(
    bad: Case, memory: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = []
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            log = InteractionLog.read(bad.open(tmp_path), **{"memory": memory, **bad.options})
        except DataContractError as error:
            said += [everything_said(error)]
        else:
            quality = log.quality
            said += [repr(log), log._repr_html_(), repr(log.store), repr(next(log.parts()))]
            said += [str(quality), repr(quality), quality._repr_html_(), quality.to_frame().to_string()]
    said += [str(w.message) for w in caught] + [record.getMessage() for record in caplog.records]
    assert not [s for s in said if CANARY in s or CANARY.lower() in s or str(CANARY_NUMBER) in s]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("customer_id", [CANARY_NUMBER] * 3 + [2.5]),
        ("customer_id", objects(CANARY, Decimal(1), b"x", None)),
        ("amount", objects(Decimal("1.5"), CANARY, None, 2)),
        ("timestamp", objects(dt.date(2024, 1, 1), CANARY, None, 3)),
        ("timestamp", objects(dt.datetime(2024, 1, 1), dt.date(2024, 1, 1), CANARY, None)),
        ("amount", objects(*[[CANARY]] * 4)),
        ("amount", objects(*[{"name": CANARY}] * 4)),
        ("item_id", objects({CANARY}, 1, 2, 3)),
        ("kind", objects(CANARY.encode(), b"\xff", b"", None)),
        ("quantity", objects(2**90, CANARY_NUMBER, 1, 1)),
        ("amount", objects(Decimal("NaN"), Decimal("Infinity"), Decimal(CANARY_NUMBER), Decimal(1))),
        ("amount", np.array([CANARY_NUMBER, 1, 2, 3], complex)),
    ],
)  # fmt: skip
def test_odd_python_objects_end_in_a_typed_error_without_their_values(column: str, values: Any) -> None:
    with pytest.raises(DataContractError) as caught:
        InteractionLog.read(rows(**{column: values}))
    assert CANARY not in everything_said(caught.value)
    assert str(CANARY_NUMBER) not in everything_said(caught.value)


@pytest.mark.parametrize("call", ["before", "between"])
def test_instants_and_durations_that_cannot_be_read_are_refused_without_showing_them(call: str) -> None:
    log = InteractionLog.read(rows())
    for bad in (CANARY, None, pd.NaT, 2024, 1.5, True, "31/12/2024x", object()):
        with pytest.raises(
            DataContractError, match=r"An instant .* Give a date or a timestamp such as '2024-03-01'"
        ) as caught:
            log.before(bad) if call == "before" else log.between("2024-01-01", bad)
        assert CANARY not in everything_said(caught.value)
    with pytest.raises(DataContractError, match="The start lies after the end"):
        log.between("2024-01-03", "2024-01-01")


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"on_missing": "forget"}, "on_missing is 'forget'. Choose one of 'raise', 'drop'"),
        ({"on_missing_amount": "mean"}, "Choose one of 'raise', 'drop', 'zero'"),
        ({"time_unit": "h"}, "Choose one of 's', 'ms', 'us', 'ns'"),
        ({"time_format": "%Q"}, "time_format cannot be read. Use strftime codes"),
        ({"time_format": "mixed"}, "time_format cannot be read. Use strftime codes"),
        ({"ranges": {"rating": (5, 1)}}, "The range of 'rating' is upside down"),
    ],
)
def test_a_policy_that_does_not_exist_is_refused_with_the_choices(choice: dict[str, Any], says: str) -> None:
    with pytest.raises(DataContractError) as caught:
        Policies(**choice)
    assert says in str(caught.value)
