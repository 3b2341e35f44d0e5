"""Laws of the log, on histories that hypothesis makes up."""

import itertools
import string
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmintel.columns import KNOWN
from crmintel.errors import DataContractError, DataContractWarning
from crmintel.interactions import InteractionLog, Policies
from crmintel.interactions.files import looks_like_data
from crmintel.interactions.fingerprint import fingerprint
from crmintel.interactions.identity import Identities
from crmintel.interactions.part import factorise, total_order

DAY = pd.Timedelta("1D")
few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
rows = st.lists(
    st.tuples(
        st.sampled_from(["ada", "Bob", "cyd", "d\u00e9d\u00e9"]),
        st.integers(0, 12),
        st.sampled_from(["cup", "pan", None]),
        st.sampled_from([-2.0, 0.0, 1.5, 1e14]),
    ),
    min_size=1,
    max_size=25,
)


def frame_of(made: list[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(made, columns=["customer_id", "day", "item_id", "amount"])
    frame["item_id"] = frame["item_id"].astype("str")
    return frame.assign(timestamp=pd.Timestamp("2024-01-01") + frame.pop("day") * pd.Timedelta("12h"))


def read(source: Any, **options: Any) -> InteractionLog:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        return InteractionLog.read(source, **{"policies": Policies(on_missing_item="keep"), **options})


def as_rows(log: InteractionLog) -> list[tuple[Any, ...]]:
    return sorted(map(str, log.to_pandas().itertuples(index=False)))


@pytest.mark.slow
@few
@given(rows, st.integers(-1, 13), st.integers(0, 13))
def test_before_and_between_divide_the_log(made: list[tuple[Any, ...]], at: int, length: int) -> None:
    log = read(frame_of(made))
    cut = pd.Timestamp("2024-01-01") + at * pd.Timedelta("12h")
    past, future = log.before(cut), log.between(cut, "2030-01-01")
    assert as_rows(log) == sorted(as_rows(past) + as_rows(future))
    assert (past.to_pandas()["timestamp"] < cut).all()
    assert (future.to_pandas()["timestamp"] >= cut).all()
    middle = log.between(cut, cut + length * DAY)
    assert as_rows(middle) == as_rows(log.before(cut + length * DAY).between(cut, "2030-01-01"))


@pytest.mark.slow
@few
@given(rows, st.integers(-1, 13))
def test_a_cut_is_what_reading_only_those_rows_would_give(made: list[tuple[Any, ...]], at: int) -> None:
    cut = pd.Timestamp("2024-01-01") + at * pd.Timedelta("12h")
    frame = frame_of(made)
    a, b = read(frame).before(cut), read(frame[frame["timestamp"] < cut])
    assert a.fingerprint == b.fingerprint
    assert a.to_arrow().equals(b.to_arrow())


@pytest.mark.slow
@few
@given(rows, st.lists(st.integers(0, 25), max_size=4), st.randoms())
def test_rows_53_54_division_into_frames_and_order_of_rows_change_nothing(
    made: list[tuple[Any, ...]], cuts: list[int], random: Any
) -> None:
    frame = frame_of(made)
    whole = read(frame)
    marks = [0, *sorted(min(c, len(frame)) for c in cuts), len(frame)]
    divided = read(frame.iloc[a:b] for a, b in itertools.pairwise(marks))
    order = random.sample(range(len(frame)), len(frame))
    for other in (divided, read(frame.iloc[order]), read(frame, memory=1)):
        assert other.fingerprint == whole.fingerprint
        assert other.to_arrow().equals(whole.to_arrow())
        assert other.quality == whole.quality


@pytest.mark.slow
@few
@given(rows)
def test_dropping_duplicates_twice_is_dropping_them_once(made: list[tuple[Any, ...]]) -> None:
    drop = Policies(on_missing_item="keep", on_duplicate="drop")
    once = read(frame_of(made), policies=drop)
    twice = read(once.to_arrow(), policies=drop)
    assert twice.fingerprint == once.fingerprint
    assert not once.to_pandas().duplicated().any()
    assert len(once) == len(frame_of(made).drop_duplicates())


@pytest.mark.slow
@few
@given(rows)
def test_what_a_log_gives_can_be_read_again(made: list[tuple[Any, ...]]) -> None:
    log = read(frame_of(made), timezone="America/New_York")
    assert read(log.to_arrow(), timezone="America/New_York").fingerprint == log.fingerprint
    assert read(log.to_pandas(), timezone="America/New_York").fingerprint == log.fingerprint


hostile = st.text(
    st.characters(blacklist_categories=("Cs", "Cc")) | st.sampled_from("\"';-()\n,\t`[]{}.*%"), min_size=1, max_size=30
)
ATTACKS = ['a"b', '"); DROP TABLE lines; --', "a'b", "two\nlines", "a,b", "a;b", "SELECT", "c0", "c1", "*", "ID", "id", " x ", "a.b", "a\tb", "", "--", "%s", "{}"]  # fmt: skip


@pytest.mark.slow
@few
@given(
    st.lists(hostile | st.sampled_from([a for a in ATTACKS if a]), min_size=4, max_size=7, unique=True).filter(
        lambda n: not set(n) & set(KNOWN)
    )
)
def test_row_6_no_column_name_changes_what_is_read(names: list[str]) -> None:
    who, when, what, much, *others = names
    frame = pd.DataFrame(
        {who: ["ada", "bob"], when: ["2024-01-01", "2024-01-02"], what: ["cup", "pan"], much: ["1.5", "2"]}
    )
    frame = frame.assign(**dict.fromkeys(others, "drop me"))
    columns = {"customer_id": who, "timestamp": when, "amount": much}
    typed = frame.assign(**{when: pd.to_datetime(frame[when]), much: frame[much].astype(float)})
    with tempfile.TemporaryDirectory() as folder:
        frame.to_csv(Path(folder) / "a.csv", index=False)
        pq.write_table(pa.Table.from_pandas(typed, preserve_index=False), Path(folder) / "a.parquet")
        if data_like := any(map(looks_like_data, frame.columns)):
            with pytest.raises(DataContractError, match="looks like data, not like column names"):
                read(Path(folder) / "a.csv", columns=columns)
        for source in (
            *([] if data_like else [Path(folder) / "a.csv"]),
            Path(folder) / "a.parquet",
            typed,
            pa.Table.from_pandas(typed, preserve_index=False),
        ):
            keep = [what] if what not in ("at", "score") else []
            log = read(source, columns=columns, keep=keep)
            out = log.to_pandas()
            assert out["customer_id"].tolist() == ["ada", "bob"]
            assert out["amount"].tolist() == [1.5, 2.0]
            assert out["timestamp"].dt.day.tolist() == [1, 2]
            assert [out[k].tolist() for k in keep] == [["cup", "pan"]]
            if others:
                (told,) = log.quality.findings
                assert all(name in told.rule for name in others)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.sampled_from([-(2**61), -1, 0, 1, 7, 2**61, 2**61 + 1]),
            st.sampled_from([-1.5, 0.0, np.nan]),
            st.integers(-1, 2),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_the_total_order_is_the_order_of_a_plain_sort(made: list[tuple[int, int, float, int]]) -> None:
    code, time, x, last = (np.array(column) for column in zip(*made, strict=True))
    order = total_order(code, time, [x, last.astype(np.int32)])
    keys = [(c, t, np.isnan(v), 0.0 if np.isnan(v) else v, z) for c, t, v, z in made]
    assert [keys[i] for i in order] == sorted(keys)
    assert sorted(order.tolist()) == list(range(len(made)))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.none() | st.integers(-(2**62), 2**62))
    | st.lists(st.none() | st.text(string.printable + "éß客🛒", max_size=4))
)
def test_codes_are_positions_in_the_rising_values(values: list[Any]) -> None:
    kind = pa.int64() if any(isinstance(v, int) for v in values) else pa.large_string()
    codes, known = factorise(pa.array(values, kind))
    assert known.to_pylist() == sorted({v for v in values if v is not None})
    assert [None if c < 0 else known[int(c)].as_py() for c in codes] == values


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.integers(0, 9), st.integers(0, 9)))
def test_identities_end_where_a_walk_ends(pairs: dict[int, int]) -> None:
    def walk(start: int) -> int | None:
        seen = set()
        while start in pairs and pairs[start] != start:
            if start in seen:
                return None
            seen.add(start)
            start = pairs[start]
        return start

    ends = {old: walk(old) for old in pairs}
    table = pa.table({"customer_id": pa.array([*range(10)], pa.int64())})
    if None in ends.values():
        with pytest.raises(ValueError, match=r"circle of \d"):
            Identities(pairs)
    else:
        assert Identities(pairs).apply(table)["customer_id"].to_pylist() == [ends.get(i, i) for i in range(10)]


def test_the_fingerprint_is_no_sum_of_its_columns() -> None:
    """Values that swap their columns or their rows must not cancel out."""
    base = frame_of([("ada", 0, "cup", 1.5), ("Bob", 1, "pan", 0.0)])
    prints = {read(base).fingerprint}
    for column in ("customer_id", "timestamp", "item_id", "amount"):
        prints.add(read(base.assign(**{column: base[column].to_numpy()[::-1]})).fingerprint)
    prints.add(read(base.rename(columns={"amount": "quantity"})).fingerprint)
    assert len(prints) == 6
    log = read(base)
    assert fingerprint(log.store.schema, [*log.parts(), *log.parts()]) != log.fingerprint
