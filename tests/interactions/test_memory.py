"""A log larger than memory is the same log: from temporary files, in bounded memory, gone without a trace."""

import gc
import os
import subprocess
import sys
import tempfile
import textwrap
import tracemalloc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crmintel.errors import DataContractError, DataContractWarning
from crmintel.interactions import InteractionLog, Policies
from crmintel.interactions.store import PARTITIONS


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go in these tests."""
    place = tmp_path / "spill"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def history(n: int = 6_000) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    who = rng.integers(0, 300, n)
    frame = pd.DataFrame(
        {
            "customer_id": pd.Series(who).map(lambda i: f"{'C' if i % 50 else 'c '}{i // 2 * 2}"),
            "timestamp": pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 500, n) * 12, "h"),
            "known_at": pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 520, n) * 12, "h"),
            "item_id": rng.integers(0, 40, n),
            "category": rng.choice(["x", "y", None], n),
            "quantity": rng.integers(-1, 4, n),
            "unit_price": rng.choice([1.0, 2.5], n),
            "order_id": [f"o{i // 3}" if i % 2 else f"one{i}" for i in range(n)],
            "points": rng.integers(-3, 5, n),
            "store": rng.choice(["north", "south"], n),
        }
    )
    return pd.concat([frame, frame.iloc[:50]])


def read(source: Any, **options: Any) -> InteractionLog:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        return InteractionLog.read(
            source,
            **{"policies": Policies(on_shared_order="keep"), "keep": ["store"], "timezone": "Europe/London", **options},
        )


def batches(frame: pd.DataFrame, rows: int = 1_500) -> Iterator[pd.DataFrame]:
    return (frame.iloc[i : i + rows] for i in range(0, len(frame), rows))


def equal(spilled: InteractionLog, held: InteractionLog) -> None:
    assert len(spilled) == len(held)
    assert spilled.customers.equals(held.customers)
    assert spilled.columns == held.columns
    assert spilled.bounds == held.bounds
    assert spilled.span == held.span
    assert spilled.fingerprint == held.fingerprint
    assert spilled.to_arrow().equals(held.to_arrow())


@pytest.mark.slow
@pytest.mark.parametrize(
    "policies", [Policies(on_shared_order="keep"), Policies(on_shared_order="keep", on_duplicate="drop")]
)
def test_a_spilled_log_equals_the_log_in_memory_in_every_respect(policies: Policies) -> None:
    frame = history()
    held, spilled = read(frame, policies=policies), read(batches(frame), memory="100KB", policies=policies)
    assert held.store.files == ()
    assert PARTITIONS / 2 < len(spilled.store.files) <= PARTITIONS
    equal(spilled, held)
    assert spilled.quality == held.quality
    pd.testing.assert_frame_equal(spilled.to_pandas(), held.to_pandas())


@pytest.mark.slow
def test_cuts_of_a_spilled_log_and_cuts_of_cuts_equal_those_in_memory() -> None:
    frame = history(3_000)
    held, spilled = read(frame), read(batches(frame), memory="100KB")
    equal(spilled.before("2023-06-15"), held.before("2023-06-15"))
    equal(spilled.between("2023-03-01", "2023-04-01"), held.between("2023-03-01", "2023-04-01"))
    equal(
        spilled.before("2023-08-01").between("2023-02-01", "2023-12-01"),
        held.before("2023-08-01").between("2023-02-01", "2023-12-01"),
    )


@pytest.mark.slow
@pytest.mark.parametrize("columns", [[], ["item_id"], ["store", "amount"], None])
def test_the_order_of_rows_does_not_depend_on_the_columns_asked_for(columns: Any) -> None:
    frame = history()
    (whole,) = read(frame).parts()
    rows = {c: i for i, c in enumerate(whole.customers.to_pylist())}
    for part in read(batches(frame), memory="100KB").parts(columns):
        assert set(part.codes) | set(part.numbers) == (
            set(whole.codes) | set(whole.numbers) if columns is None else set(columns)
        )
        for i, customer in enumerate(part.customers.to_pylist()):
            a, b = (
                slice(part.starts[i], part.starts[i + 1]),
                slice(whole.starts[rows[customer]], whole.starts[rows[customer] + 1]),
            )
            assert part.time[a].tolist() == whole.time[b].tolist()
            for name in part.codes:
                assert [part.vocabulary[name][int(c)].as_py() for c in part.codes[name][a]] == [
                    whole.vocabulary[name][int(c)].as_py() for c in whole.codes[name][b]
                ]
            for name in part.numbers:
                assert part.numbers[name][a].tolist() == whole.numbers[name][b].tolist()
            if i == 5:
                break


@pytest.mark.slow
def test_whole_customers_stay_together_and_the_parts_are_asked_for_one_by_one() -> None:
    log = read(batches(history()), memory="100KB")
    seen = [set(p.customers.to_pylist()) for p in log.parts([])]
    assert len(set().union(*seen)) == sum(map(len, seen)) == len(log.customers)
    cut = log.before("2023-06-15")
    assert cut.store.held == ()
    assert cut.store.files == log.store.files


@pytest.mark.slow
def test_temporary_files_vanish_with_the_last_log_that_needs_them(folders: Path) -> None:
    log = read(batches(history()), memory="100KB")
    past = log.before("2023-06-15")
    assert len(list(folders.glob("crmintel-*/*"))) == len(log.store.files)
    n = len(past)
    del log
    gc.collect()
    assert sum(len(p) for p in past.parts([])) == n, "a cut keeps the files alive"
    del past
    gc.collect()
    assert list(folders.iterdir()) == []


@pytest.mark.parametrize("fault", ["rule", "shared order", "batch", "interrupt"])
def test_temporary_files_vanish_when_the_rows_are_refused(fault: str, folders: Path) -> None:
    def source() -> Iterator[pd.DataFrame]:
        frame = history()
        yield from batches(frame.assign(quantity=np.inf) if fault == "rule" else frame)
        if fault == "batch":
            yield frame.assign(customer_id=1)
        if fault == "interrupt":
            raise KeyboardInterrupt

    policies = Policies(on_shared_order="raise" if fault == "shared order" else "keep")
    with pytest.raises(KeyboardInterrupt if fault == "interrupt" else DataContractError) as caught:
        read(source(), memory="100KB", policies=policies)
    assert list(folders.iterdir()) == []
    if fault == "shared order":
        with pytest.raises(DataContractError) as other:
            read(history(), policies=policies)
        assert str(caught.value) == str(other.value), "the same complaint as in memory"


@pytest.mark.slow
def test_temporary_files_vanish_at_the_end_of_the_program(folders: Path, tmp_path: Path) -> None:
    code = f"""
    import tempfile, warnings
    warnings.simplefilter("ignore")
    tempfile.tempdir = {str(folders)!r}
    from crmintel import InteractionLog
    import pandas as pd, pathlib, os
    log = InteractionLog.read(pd.DataFrame({{"customer_id": range(500), "timestamp": pd.Timestamp("2024-01-01")}}), memory=1)
    if os.fork() == 0:
        del log
        raise SystemExit
    os.wait()
    assert len(log) == 500 and len(log.customers) == 500, "a child must not take the files"
    print(len(list(pathlib.Path(tempfile.tempdir).iterdir())))
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1"]
    assert list(folders.iterdir()) == []


@pytest.mark.slow
def test_ids_that_look_alike_are_counted_although_they_were_written_to_other_files() -> None:
    alike = [f"{a}{i}{b}" for i in range(200) for a, b in (("c", ""), ("C", ""), ("c", " "), ("00c", ""))]
    frame = pd.DataFrame({"customer_id": alike, "timestamp": pd.Timestamp("2024-01-01")})
    for memory in (1, "2GB"):
        log = read(frame, memory=memory, keep=[])
        assert [f.rows for f in log.quality.warnings] == [600]


@pytest.mark.slow
def test_integer_customers_spill_too_and_an_empty_cut_keeps_its_types() -> None:
    frame = history().assign(customer_id=lambda f: f["item_id"] + 5)
    equal(read(batches(frame), memory="100KB"), read(frame))
    equal(read(batches(frame), memory="100KB").before("1999-01-01"), read(frame).before("1999-01-01"))
    assert str(read(frame).before("1999-01-01").to_arrow().schema.field("customer_id").type) == "int64"


@pytest.mark.slow
def test_a_cut_of_a_spilled_log_does_not_load_it() -> None:
    frame = pd.concat([history(20_000)] * 6)
    log = read(batches(frame, 20_000), memory="1MB")
    size = log.to_arrow().nbytes
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    past = log.before("2024-01-01")
    assert len(past) > 0.5 * len(log)
    assert sum(len(p) for p in past.parts()) == len(past)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size / 4
    assert pa.total_allocated_bytes() - before < size / 20


GIANT = """
import resource, sys, time, warnings
warnings.simplefilter("ignore")
from crmintel import InteractionLog, Policies
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
start = time.time()
log = InteractionLog.read(sys.argv[1], memory="200MB", policies=Policies(on_shared_order="keep"))
print("read", peak(), time.time() - start)
past = log.before("2023-07-01")
rows, customers, seen = len(past), len(past.customers), sum(len(p) for p in past.parts())
assert rows == seen
print("cut", peak(), time.time() - start)
print("rows", len(log), rows)
"""


@pytest.mark.slow
def test_twenty_million_rows_are_read_and_cut_in_bounded_memory(tmp_path: Path, folders: Path) -> None:
    rng = np.random.default_rng(1)
    path, n, rounds = tmp_path / "giant.parquet", 1_000_000, 20
    channels, kinds = pa.array(["web", "shop", "phone"]), pa.array(["purchase", "view"])
    writer: pq.ParquetWriter | None = None
    size = 0
    for i in range(rounds):
        table = pa.table(
            {
                "customer_id": rng.integers(0, 1_000_000, n),
                "timestamp": pa.array(rng.integers(1_672_531_200, 1_704_067_200, n), pa.timestamp("s")),
                "kind": kinds.take(pa.array(rng.integers(0, 2, n))),
                "item_id": pa.array([f"item-{k:05d}" for k in range(20_000)]).take(
                    pa.array(rng.integers(0, 20_000, n))
                ),
                "quantity": rng.integers(1, 5, n),
                "unit_price": rng.integers(1, 900, n) / 10,
                "channel": channels.take(pa.array(rng.integers(0, 3, n))),
                "order_id": np.arange(n) + i * n,
            }
        )
        size += table.nbytes
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    done = subprocess.run(
        [sys.executable, "-c", GIANT, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(folders)},
    )
    assert done.returncode == 0, done.stderr
    said = {line.split()[0]: [float(x) for x in line.split()[1:]] for line in done.stdout.splitlines() if line.strip()}
    print(f"{size / 2**30:.2f} GiB in memory", said)
    assert said["rows"][0] == n * rounds
    assert 0.4 < said["rows"][1] / said["rows"][0] < 0.6
    assert said["cut"][0] < 1.5, "GiB; the rows alone take more"
    assert size / 2**30 > 1.2
