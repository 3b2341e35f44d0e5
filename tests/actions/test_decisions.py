"""The decision log: a hash by hand, every way to damage it, outcomes that are due."""

import hashlib
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel.actions import DecisionLog
from crmintel.errors import DataContractError

EMPTY = "0" * 64


def decisions(n: int = 4, start: int = 0) -> pd.DataFrame:
    return pd.DataFrame({
        "customer_id": range(start, start + n), "action": ["call", "no action"] * (n // 2) + ["call"] * (n % 2),
        "propensity": 0.5, "effect": np.where(np.arange(n) % 3 == 0, np.nan, 1.25),
    })  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> DecisionLog:
    return DecisionLog(tmp_path / "log")


@pytest.fixture
def three(log: DecisionLog) -> tuple[DecisionLog, list[str]]:
    heads = [log.append(decisions(4, 10 * i), at=f"2024-03-0{i + 1}", model="m", bundle="b") for i in range(3)]
    return log, heads


def parts(log: DecisionLog) -> list[Path]:
    return sorted(Path(log.path).glob("*.parquet"))


def edit(part: Path, change: Any) -> None:
    """Rewrite a part with other columns."""
    table = pq.read_table(part, partitioning=None)
    frame = {n: table[n].to_pylist() for n in table.column_names}
    change(frame)
    pq.write_table(pa.table({n: pa.array(v, table.schema.field(n).type) for n, v in frame.items()}), part)


def test_the_hash_of_a_record_by_hand(log: DecisionLog) -> None:
    frame = pd.DataFrame({"customer_id": ["né"], "action": ["call"], "value": [0.1]})
    head = log.append(frame, at=pd.Timestamp("2024-03-01 12:00", tz="Europe/Paris"), model="m")
    record = (
        '{"action":"call","at":"2024-03-01T11:00:00.000000Z","bundle":null,"customer_id":"né","decision_id":0,"effect":null,'
        '"model":"m","price":null,"propensity":null,"rule":null,"runner_up":null,"value":0.1}'
    )
    assert head == hashlib.sha256((EMPTY + record).encode()).hexdigest()


def test_what_is_appended_is_read_back(three: tuple[DecisionLog, list[str]]) -> None:
    log, heads = three
    told = log.read()
    assert told["decision_id"].tolist() == list(range(12))
    assert told["customer_id"].tolist() == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    assert told["at"].unique().tolist() == [pd.Timestamp(f"2024-03-0{d}", tz="UTC") for d in (1, 2, 3)]
    assert told["effect"].isna().tolist() == [True, False, False, True] * 3
    assert (told["model"] == "m").all()
    assert told["rule"].isna().all()
    assert len(set(heads)) == 3
    for head in (None, EMPTY, *heads):
        assert log.verify(head).whole
    assert log.verify().head == heads[-1]


def test_a_log_of_nothing_is_whole(log: DecisionLog) -> None:
    assert log.verify().whole
    assert log.verify(EMPTY).head == EMPTY
    assert log.read().empty
    assert log.append(decisions(0), at="2024-01-01") == EMPTY
    assert parts(log) == []
    assert list(log.read().columns)[:3] == ["decision_id", "at", "customer_id"]


def test_the_head_does_not_depend_on_how_values_are_held(tmp_path: Path) -> None:
    frame = decisions()
    other = frame.astype({"customer_id": "int32", "action": "category", "propensity": "Float64", "effect": "float64"})[
        frame.columns[::-1]
    ]
    timed = other.assign(at=pd.Timestamp("2024-03-01 01:20:30.000001", tz="Europe/Paris"))
    heads = {
        DecisionLog(tmp_path / "a").append(frame, at="2024-03-01 00:20:30.000001"),
        DecisionLog(tmp_path / "b").append(timed),
        DecisionLog(tmp_path / "c").append(frame.assign(at=pd.Timestamp("2024-03-01 00:20:30.000001"), model=None)),
    }
    assert len(heads) == 1


CHANGES = {
    "action": "mail",
    "customer_id": 99,
    "propensity": 0.51,
    "effect": 0.0,
    "model": "n",
    "rule": "x",
    "decision_id": 77,
}


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_value_is_located(three: tuple[DecisionLog, list[str]], column: str) -> None:
    log, _ = three
    edit(parts(log)[1], lambda frame: frame[column].__setitem__(2, CHANGES[column]))
    told = log.verify()
    assert (told.whole, told.records, told.part, told.row) == (False, 6, "part-000001.parquet", 2)
    assert "part-000001.parquet, row 2" in repr(told)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2), st.integers(0, 3), st.sampled_from(["drop", "twice", "swap", "hash", "time"]))
def test_a_record_that_is_dropped_doubled_moved_or_rehashed_is_located(part: int, row: int, how: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        log = DecisionLog(folder)
        heads = [log.append(decisions(4, 10 * i), at=f"2024-03-0{i + 1}") for i in range(3)]

        def change(frame: dict[str, list[Any]]) -> None:
            for name, values in frame.items():
                if how == "drop":
                    del values[row]
                elif how == "twice":
                    values.insert(row, values[row])
                elif how == "swap":
                    values[row], values[row - 1] = values[row - 1], values[row]
                elif how == "hash" and name == "hash":
                    values[row] = EMPTY
                elif how == "time" and name == "at":
                    values[row] += pd.Timedelta(microseconds=1)

        edit(parts(log)[part], change)
        told = log.verify(heads[-1])
        assert not told.whole
        if not (how == "drop" and row == 3):  # without its last record a part ends well, and the next begins badly
            first = min(row, row - 1 if row else 0) if how == "swap" else row + (how == "twice")
            assert (told.part, told.row) == (f"part-{part:06d}.parquet", first)
        elif part < 2:
            assert (told.part, told.row) == (f"part-{part + 1:06d}.parquet", 0)


def test_a_part_that_is_gone_is_named_and_a_tail_that_is_gone_is_noticed_by_its_head(
    three: tuple[DecisionLog, list[str]],
) -> None:
    log, heads = three
    parts(log)[2].unlink()
    assert log.verify().whole  # without a head nobody can know
    assert log.verify(heads[1]).whole
    told = log.verify(heads[2])
    assert not told.whole
    assert told.records == 8
    assert "tail was cut off" in str(told.problem)
    log.append(decisions(4, 20), at="2024-03-05")
    assert not log.verify(heads[2]).whole  # nor does writing on hide it
    parts(log)[1].unlink()
    assert (log.verify().problem, log.verify().part) == ("the file is missing", "part-000001.parquet")


def test_the_first_part_that_is_gone_and_files_in_another_order_are_noticed(
    three: tuple[DecisionLog, list[str]],
) -> None:
    log, _ = three
    first, second, _ = parts(log)
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    assert (log.verify().part, log.verify().row) == ("part-000000.parquet", 0)
    first.unlink()
    assert (log.verify().part, log.verify().problem) == ("part-000000.parquet", "the file is missing")


@pytest.mark.parametrize("what", ["cut", "noise", "empty", "other", "none"])
def test_a_file_that_cannot_be_read_is_named(three: tuple[DecisionLog, list[str]], what: str) -> None:
    log, _ = three
    part = parts(log)[1]
    if what == "other":
        pd.DataFrame({"x": [1]}).to_parquet(part)
    elif what == "none":
        pq.write_table(pq.read_table(part, partitioning=None)[:0], part)
    else:
        data = part.read_bytes()
        part.write_bytes({"cut": data[: len(data) // 2], "noise": b"x" * 100, "empty": b""}[what])
    told = log.verify()
    assert (told.whole, told.records, told.part) == (False, 4, "part-000001.parquet")


def test_a_chain_that_was_rewritten_as_a_whole_is_noticed_by_its_head(
    three: tuple[DecisionLog, list[str]], tmp_path: Path
) -> None:
    _, heads = three
    forged = DecisionLog(tmp_path / "forged")
    for i in range(3):
        forged.append(decisions(4, 10 * i).assign(propensity=0.6), at=f"2024-03-0{i + 1}", model="m", bundle="b")
    assert forged.verify().whole
    assert not forged.verify(heads[-1]).whole


def test_an_append_that_breaks_off_leaves_the_log_as_it_was(
    three: tuple[DecisionLog, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, heads = three

    def full(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        log.append(decisions(), at="2024-03-09")
    monkeypatch.undo()
    assert log.verify(heads[-1]).records == 12
    assert len(log.read()) == 12
    log.append(decisions(), at="2024-03-09")  # the lock was given back
    assert log.verify(heads[-1]).records == 16
    assert not list(Path(log.path).glob("*.tmp"))


def test_two_writers_at_once_are_told_apart(three: tuple[DecisionLog, list[str]]) -> None:
    log, _ = three
    lock = Path(log.path) / "writer.lock"
    lock.touch()
    with pytest.raises(DataContractError, match=r"Another writer holds this log.*delete writer\.lock"):
        log.append(decisions(), at="2024-03-09")
    assert lock.exists()  # it is the other's
    lock.unlink()
    log.append(decisions(), at="2024-03-09")


def _write_some(path: Path, number: int) -> None:
    log, done = DecisionLog(path), 0
    while done < 3:
        try:
            log.append(decisions(4, 100 * number + done), at="2024-03-01")
            done += 1
        except DataContractError:
            time.sleep(0.002)


@pytest.mark.slow
def test_writers_in_several_processes_make_one_whole_chain(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_some, args=(tmp_path, i)) for i in range(2)]
    for w in writers:
        w.start()
    for w in writers:
        w.join(60)
    assert DecisionLog(tmp_path).verify().records == 24
    assert DecisionLog(tmp_path).verify().whole


@pytest.mark.parametrize(
    ("frame", "options", "words"),
    [
        (decisions().assign(email="x@y"), {}, r"does not take: \['email'\]"),
        (decisions().assign(hash="x"), {}, r"does not take: \['hash'\]"),
        (decisions().drop(columns="action"), {}, "lack action"),
        (decisions(), {"at": None}, "lack at"),
        (decisions().assign(model="a"), {"model": "b"}, "model is given twice"),
        (decisions().assign(customer_id=[1, None, 3, 4]), {}, "another kind|missing in 1 of 4"),
        (decisions().assign(customer_id=["a", None, "c", "d"]), {}, "customer_id is missing in 1 of 4"),
        (decisions().assign(action=[None, "x", "y", "z"]), {}, "action is missing in 1 of 4"),
        (decisions().assign(at=[None, *pd.to_datetime(["2024-01-01"] * 3)]), {"at": None}, "at is missing in 1 of 4"),
        (decisions().assign(customer_id=[1, "secret", 3, 4]), {}, "customer_id has values of another kind"),
        (decisions().assign(customer_id=[1.5, 2.5, 3.0, 4.0]), {}, "customer_id has values of another kind"),
        (decisions().assign(customer_id=[True, False, True, True]), {}, "customer_id has values of another kind"),
        (decisions().assign(customer_id=pd.Series(["secret\ud800"] * 4, dtype=object)), {}, "customer_id has values of another kind"),
        (decisions().assign(effect="secret"), {}, "effect has values of another kind"),
        (decisions().assign(action=[1, 2, 3, 4]), {}, "action has values of another kind"),
        (decisions().assign(value=np.inf), {}, "value is infinite in 4 decisions"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_without_values(
    log: DecisionLog, frame: pd.DataFrame, options: Any, words: str
) -> None:
    with pytest.raises(DataContractError, match=words) as told:
        log.append(frame, **({"at": "2024-03-01"} | options))
    assert "secret" not in str(told.value)
    assert told.value.__cause__ is None
    assert not parts(log)


def test_customers_of_one_log_are_of_one_kind(three: tuple[DecisionLog, list[str]]) -> None:
    log, _ = three
    with pytest.raises(DataContractError, match="Customers in this log are int64, these are string"):
        log.append(decisions().assign(customer_id=["0", "1", "2", "3"]), at="2024-03-09")
    assert log.verify().records == 12


def test_outcomes_join_when_their_horizon_is_over(three: tuple[DecisionLog, list[str]]) -> None:
    log, _ = three
    at = pd.to_datetime(["2024-03-01", "2024-03-01", "2024-03-02", "2024-03-03"])
    index = pd.MultiIndex.from_arrays([[0, 1, 10, 20], at], names=["customer_id", "at"])
    told = log.join_outcomes(pd.Series([5.0, 0.0, 7.0, 9.0], index, name="spend"), horizon="30d", now="2024-04-01")
    assert told.immature == 4  # of the third of March the horizon ends on the second of April
    assert told.unknown == 5
    table = told.to_frame()
    assert table["customer_id"].tolist() == [0, 1, 2, 3, 10, 11, 12, 13]
    assert table["spend"].tolist()[:2] == [5.0, 0.0]
    assert table["spend"].tolist()[4] == 7.0
    assert table["spend"].isna().sum() == 5
    assert log.join_outcomes(pd.Series([], pd.MultiIndex.from_arrays([[], pd.to_datetime([])], names=["customer_id", "at"]), float), horizon="30d", now="2024-04-02").immature == 0  # fmt: skip
    assert "4 are not due" in repr(told)


def test_outcomes_by_a_local_clock_join_the_same_instant(log: DecisionLog) -> None:
    log.append(decisions(2), at=pd.Timestamp("2024-06-01", tz="Europe/Paris"))
    index = pd.MultiIndex.from_arrays([[0, 1], pd.to_datetime(["2024-06-01"] * 2)], names=["customer_id", "at"])
    outcomes = pd.DataFrame({"spend": [1.0, 2.0], "left": [True, False]}, index)
    told = log.join_outcomes(outcomes, horizon="1d", now="2024-06-02", timezone="Europe/Paris")
    assert told.table["spend"].tolist() == [1.0, 2.0]
    assert told.unknown == 0
    assert log.join_outcomes(outcomes, horizon="1d", now="2024-06-02", timezone="UTC").unknown == 2


def test_outcomes_that_do_not_fit_are_refused(three: tuple[DecisionLog, list[str]]) -> None:
    log, _ = three
    index = pd.MultiIndex.from_arrays([[0, 0], pd.to_datetime(["2024-03-01"] * 2)], names=["customer_id", "at"])
    for outcomes, words in (
        (pd.Series([1.0, 2.0], index), "1 pairs of customer and time occur twice"),
        (pd.Series([1.0, 2.0]), "Index them by"),
        (pd.DataFrame({"value": [1.0]}, index[:1]), "bring columns that the log has: value"),
    ):
        with pytest.raises(DataContractError, match=words):
            log.join_outcomes(outcomes, horizon="1d", now="2025-01-01")


@pytest.mark.slow
def test_a_hundred_thousand_records_take_a_few_seconds(log: DecisionLog) -> None:
    frame = decisions(100_000).assign(value=np.random.default_rng(0).random(100_000))
    start = time.process_time()
    head = log.append(frame, at="2024-03-01", model="m", bundle="b")
    middle = time.process_time()
    assert log.verify(head).records == 100_000
    assert middle - start < 5
    assert time.process_time() - middle < 5
