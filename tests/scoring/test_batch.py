"""Batch scoring: the same scores in parts, whole results only, one job at a time."""

import csv
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from crmintel import InteractionLog
from crmintel.churn import LIGHT, ChurnClassifier
from crmintel.cli import app
from crmintel.datasets import simulate
from crmintel.errors import BundleError, DataContractError, DataTypeError, LockedError, OutputError
from crmintel.features import panel
from crmintel.scoring import CustomerModel, save_bundle, score_batch
from crmintel.scoring.export import neutral
from crmintel.scoring.output import locked
from tests.scoring.conftest import buyers_model, customer_model, fitted, left, world

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small parts, so that a small log has many."""
    monkeypatch.setattr(panel, "CHUNK_ROWS", 600)


def tree(path: Path) -> dict[str, str]:
    """Every file of a folder by its digest."""
    return {
        str(p.relative_to(path)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(path.rglob("*"))
        if p.is_file()
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["CustomerModel", "RFM", "ValueTiers", "LifetimeValue", "CoOccurrence"])
@pytest.mark.usefixtures("parts")
def test_row_117_parts_score_as_the_whole(name: str, tmp_path: Path) -> None:
    log = world()[0]
    save_bundle(fitted(name), tmp_path / "m")
    report = score_batch(tmp_path / "m", log, tmp_path / "out")
    assert report.parts > 5
    assert report.rows == pq.read_table(tmp_path / "out").num_rows
    told = pd.read_parquet(tmp_path / "out").sort_values("customer_id", kind="stable", ignore_index=True)
    whole = CustomerModel.load(tmp_path / "m").score(log).sort_index(kind="stable").reset_index()
    pd.testing.assert_frame_equal(told, whole, check_exact=True, check_dtype=False)


@pytest.mark.usefixtures("parts")
def test_a_part_in_which_nobody_bought_has_no_scores(tmp_path: Path) -> None:
    model, log = buyers_model()
    first = set(sorted(log.customers)[:100])
    frame = log.to_pandas()
    frame["kind"] = frame["kind"].astype(str).where(~frame["customer_id"].isin(first), "view")
    some = InteractionLog.read(frame, quiet=True)
    model.save(tmp_path / "m")
    report = score_batch(tmp_path / "m", some, tmp_path / "out", reasons=2)
    told = pd.read_parquet(tmp_path / "out").set_index("customer_id").sort_index()
    assert report.rows == len(told) > 100
    assert told.to_json() == model.score(some, reasons=2).sort_index().to_json()


@pytest.mark.usefixtures("parts")
def test_reasons_go_along_in_parts_as_in_the_whole(bundle: Path, tmp_path: Path) -> None:
    log = world()[0]
    score_batch(bundle, log, tmp_path / "out", reasons=2)
    told = pd.read_parquet(tmp_path / "out").set_index("customer_id").sort_index()
    whole = customer_model().score(log, reasons=2)
    assert [c for c in told if c.startswith("reason_")] == ["reason_1", "reason_2"]
    assert told["churn_probability"].tolist() == customer_model().score(log)["churn_probability"].tolist()
    pd.testing.assert_frame_equal(
        told, whole.astype({"reason_1": "str", "reason_2": "str"}), check_exact=True, check_dtype=False
    )
    assert told["reason_1"].notna().mean() > 0.5


@pytest.mark.usefixtures("parts")
def test_row_117_threads_and_the_order_of_rows_change_no_byte(bundle: Path, tmp_path: Path) -> None:
    rows = world()[0].to_pandas()
    shuffled = rows.sample(frac=1.0, random_state=1)
    for i, (frame, threads) in enumerate([(rows, 1), (rows, 3), (shuffled, 2)]):
        score_batch(bundle, frame, tmp_path / f"out{i}", threads=threads)
    first = tree(tmp_path / "out0" / "")
    assert len(first) > 5
    assert first == tree(tmp_path / "out1" / "") == tree(tmp_path / "out2" / "")


@pytest.mark.slow
def test_row_116_rows_beyond_memory_score_the_same(bundle: Path, tmp_path: Path) -> None:
    rows = world()[0].to_pandas()
    rows.to_parquet(tmp_path / "rows.parquet")
    score_batch(bundle, str(tmp_path / "rows.parquet"), tmp_path / "held.parquet")
    report = score_batch(bundle, str(tmp_path / "rows.parquet"), tmp_path / "spilled.parquet", memory="100KB")
    held, spilled = (
        pd.read_parquet(tmp_path / f"{n}.parquet").set_index("customer_id").sort_index() for n in ("held", "spilled")
    )
    assert report.parts > 20
    pd.testing.assert_frame_equal(held, spilled, check_exact=True)


@pytest.mark.usefixtures("parts")
def test_row_118_a_job_goes_on_where_it_stopped(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = world()[0]
    score_batch(bundle, log, tmp_path / "whole")
    real, count = CustomerModel.score, [0]

    def breaks(self: CustomerModel, *args: Any, **options: Any) -> Any:
        count[0] += 1
        if count[0] == 7:
            raise KeyboardInterrupt
        return real(self, *args, **options)

    monkeypatch.setattr(CustomerModel, "score", breaks)
    with pytest.raises(KeyboardInterrupt):
        score_batch(bundle, log, tmp_path / "out", threads=1)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(CustomerModel, "score", real)
    damaged = sorted((tmp_path / "out.work").glob("part-*.parquet"))[2]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    report = score_batch(bundle, log, tmp_path / "out")
    assert 3 <= report.resumed <= 5
    assert tree(tmp_path / "out" / "") == tree(tmp_path / "whole" / "")


@pytest.mark.slow
@pytest.mark.usefixtures("parts")
def test_parts_of_another_model_or_instant_or_history_are_never_mixed_in(bundle: Path, tmp_path: Path) -> None:
    log, at, _ = world()
    score_batch(bundle, log, tmp_path / "whole")
    again = CustomerModel(customer_model().features, ChurnClassifier(LIGHT, folds=2)).fit(log, left, at=at)
    again.save(tmp_path / "again")
    changes: list[dict[str, Any]] = [
        {"at": at},
        {"log": InteractionLog.read(log.to_pandas().assign(amount=1.0), quiet=True)},
        {"bundle": tmp_path / "again"},
    ]
    for change in changes:
        shutil.rmtree(tmp_path / "out.work", ignore_errors=True)
        score_batch(change.get("bundle", bundle), change.get("log", log), tmp_path / "other", at=change.get("at"))
        shutil.copytree(tmp_path / "other" / "", tmp_path / "out.work")
        report = score_batch(bundle, log, tmp_path / "out")
        assert report.resumed == 0
        assert tree(tmp_path / "out" / "") == tree(tmp_path / "whole" / "")


def test_a_new_result_takes_the_place_of_the_old_one_in_one_move(bundle: Path, tmp_path: Path) -> None:
    log, at, _ = world()
    score_batch(bundle, log, tmp_path / "out", at=at)
    first = os.readlink(tmp_path / "out")
    score_batch(bundle, log, tmp_path / "out")
    second = os.readlink(tmp_path / "out")
    assert first != second
    assert (tmp_path / first).is_dir()  # for those who are reading it
    score_batch(bundle, log, tmp_path / "out", at=at - pd.Timedelta(days=9))
    assert not (tmp_path / first).exists()
    assert score_batch(bundle, log, tmp_path / "out").digest[:12] == second.rsplit(".", 1)[1]
    assert not list(tmp_path.glob("*.work"))
    done = json.loads((tmp_path / "out" / "_done.json").read_bytes())
    assert done["rows"] == sum(n for _, n, _ in done["parts"]) == len(log.customers)


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), lambda p: p.write_text("mine")])
def test_row_119_what_is_not_ours_stays(bundle: Path, tmp_path: Path, make: Any) -> None:
    make(tmp_path / "out")
    with pytest.raises(OutputError, match="exists"):
        score_batch(bundle, world()[0], tmp_path / "out")
    assert (tmp_path / "out").exists()


def test_row_119_a_full_disk_leaves_the_old_result(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, at, _ = world()
    score_batch(bundle, log, tmp_path / "out.csv")
    before = (tmp_path / "out.csv").read_bytes()
    real = os.fsync
    for allowed in range(7):
        left = [allowed]
        shutil.rmtree(tmp_path / "out.csv.work", ignore_errors=True)

        def full(handle: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(28, "No space left on device")
            real(handle)

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left"):
            score_batch(bundle, log, tmp_path / "out.csv", at=at)
        assert (tmp_path / "out.csv").read_bytes() == before
    monkeypatch.setattr(os, "fsync", real)
    score_batch(bundle, log, tmp_path / "out.csv", at=at)
    assert (tmp_path / "out.csv").read_bytes() != before


def test_row_120_a_second_job_fails_at_once(bundle: Path, tmp_path: Path) -> None:
    with open(tmp_path / "out.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LockedError, match="Another job"):
            score_batch(bundle, world()[0], tmp_path / "out")
    score_batch(bundle, world()[0], tmp_path / "out")
    with locked(tmp_path / "mine"), pytest.raises(LockedError), locked(tmp_path / "mine"):
        pass


def test_the_command_says_what_it_did_and_how_it_failed(bundle: Path, tmp_path: Path) -> None:
    world()[0].to_pandas().to_csv(tmp_path / "rows.csv", index=False)
    args = ["score", "--model", str(bundle), "--input", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "out")]
    told = CliRunner().invoke(app, args)
    assert told.exit_code == 0, told.output
    summary = json.loads(told.stdout.splitlines()[-1])
    assert summary["status"] == "done"
    assert summary["rows"] == pq.read_table(tmp_path / "out").num_rows
    with open(tmp_path / "out.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert CliRunner().invoke(app, args).exit_code == 3
    assert CliRunner().invoke(app, [*args[:-1], "/proc/nowhere/out"]).exit_code == 4
    assert CliRunner().invoke(app, ["score", "--model", str(tmp_path), *args[3:]]).exit_code == 2
    assert CliRunner().invoke(app, [*args, "--at", "soon"]).exit_code == 2
    assert CliRunner().invoke(app, ["bundle", "verify", str(bundle)]).exit_code == 0
    assert CliRunner().invoke(app, ["bundle", "verify", str(tmp_path)]).exit_code == 2


def test_nobody_known_yet_is_said(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(DataContractError, match="Nobody is known"):
        score_batch(bundle, world()[0], tmp_path / "out", at="1999-01-01")
    assert not (tmp_path / "out").exists()


def test_an_estimator_without_features_cannot_read_interactions(tmp_path: Path) -> None:
    save_bundle(customer_model().estimator, tmp_path / "m")
    with pytest.raises(DataTypeError, match="CustomerModel"):
        score_batch(tmp_path / "m", world()[0], tmp_path / "out")
    with pytest.raises(BundleError):
        score_batch(tmp_path / "nothing", world()[0], tmp_path / "out")


@pytest.mark.slow
def test_row_131_zone_locale_and_hash_seed_change_no_byte(bundle: Path, tmp_path: Path) -> None:
    world()[0].to_pandas().to_parquet(tmp_path / "rows.parquet")
    found = []
    for i, env in enumerate([{"TZ": "UTC", "PYTHONHASHSEED": "0"}, {"TZ": "Asia/Kolkata", "PYTHONHASHSEED": "7", "LC_ALL": "de_DE.UTF-8", "PYTHONIOENCODING": "ascii"}]):  # fmt: skip
        out = tmp_path / f"out{i}.csv"
        args = [sys.executable, str(HERE / "killed.py"), str(bundle), str(tmp_path / "rows.parquet"), str(out), "3000"]
        subprocess.run(args, env=os.environ | env, check=True, capture_output=True)
        found.append(out.read_bytes())
    assert found[0] == found[1]


def test_formulas_become_texts_and_numbers_stay(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "＝1", "plain", "a=1", '"=1', ""]
    table = pa.table({"=name": pa.array(texts, pa.string()), "score": np.linspace(-1, 1, len(texts))})
    told = neutral(table)
    assert told.column_names == ["'=name", "score"]
    assert told["'=name"].to_pylist() == [f"'{t}" if t[:1] in tuple("=+-@\t\r＝") else t for t in texts]
    assert told["score"].to_pylist() == table["score"].to_pylist()


def test_ids_of_customers_that_are_formulas_do_not_run(bundle: Path, tmp_path: Path) -> None:
    rows = world()[0].to_pandas()
    names = {c: f"=HYPERLINK({c})" for c in rows["customer_id"].unique()}
    score_batch(bundle, rows.assign(customer_id=rows["customer_id"].map(names)), tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        cells = [row[0] for row in csv.reader(file)][1:]
    assert all(c.startswith("'=HYPERLINK(") for c in cells)


@pytest.mark.slow
def test_row_118_killed_anywhere_the_result_is_whole(bundle: Path, tmp_path: Path) -> None:
    simulate(2000, days=300, seed=5).interactions.to_parquet(tmp_path / "rows.parquet")
    args = [sys.executable, str(HERE / "killed.py"), str(bundle), str(tmp_path / "rows.parquet")]
    subprocess.run([*args, str(tmp_path / "whole"), "500"], check=True, capture_output=True)
    whole = tree(tmp_path / "whole" / "")
    rng = np.random.default_rng(0)
    start = time.monotonic()
    subprocess.run([*args, str(tmp_path / "timed"), "500"], check=True, capture_output=True)
    length = time.monotonic() - start
    for _ in range(6):
        job = subprocess.Popen(
            [*args, str(tmp_path / "out"), "500"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(length * (0.3 + 0.75 * rng.random()))
        job.send_signal(signal.SIGKILL)
        job.wait()
        assert not (tmp_path / "out").exists() or tree(tmp_path / "out" / "") == whole
    subprocess.run([*args, str(tmp_path / "out"), "500"], check=True, capture_output=True)
    assert tree(tmp_path / "out" / "") == whole


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("name", ["CustomerModel", "LifetimeValue"])
@pytest.mark.usefixtures("parts")
def test_row_117_a_part_in_which_nobody_bought_has_no_rows(name: str, text: bool, tmp_path: Path) -> None:
    rows, at = world()[0].to_pandas(), world()[1]
    early = rows["customer_id"] <= 100
    rows.loc[early, ["kind", "amount", "unit_price", "quantity"]] = ["view", np.nan, np.nan, np.nan]
    rows.loc[rows["customer_id"].between(101, 200), "timestamp"] = at + pd.Timedelta(days=1)
    if text:
        rows["customer_id"] = rows["customer_id"].map("c{:05d}".format)
    log = InteractionLog.read(rows, quiet=True)
    save_bundle(fitted(name), tmp_path / "m")
    report = score_batch(tmp_path / "m", log, tmp_path / "out", at=at)
    whole = CustomerModel.load(tmp_path / "m").score(log, at=at)
    assert report.parts > 5
    assert pd.read_parquet(tmp_path / "out")["customer_id"].sort_values().tolist() == sorted(whole.index)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda p: p.write_bytes(b"x")])
def test_a_published_result_that_was_damaged_is_made_anew(spoil: Any, bundle: Path, tmp_path: Path) -> None:
    log = world()[0]
    score_batch(bundle, log, tmp_path / "out")
    before = tree(tmp_path / "out" / "")
    spoil(next((tmp_path / "out").glob("part-*")))
    score_batch(bundle, log, tmp_path / "out")
    assert tree(tmp_path / "out" / "") == before


def test_outputs_with_odd_names_leave_those_of_others_alone(bundle: Path, tmp_path: Path) -> None:
    log, at, _ = world()
    score_batch(bundle, log, tmp_path / "other", at=at)
    for days in range(3):
        score_batch(bundle, log, tmp_path / "o*", at=at - pd.Timedelta(days=days))
    assert (tmp_path / "other").exists()
    assert len(list(tmp_path.glob("o[*].*"))) == 3  # a lock, this version and the one before
    with pytest.raises(OutputError, match="no name"):
        score_batch(bundle, log, "/")


@pytest.mark.parametrize("odd", [{"threads": 0}, {"reasons": -1}, {"reasons": "a"}, {"k": 0}, {"k": 1.5}, {"k": True}])
def test_numbers_out_of_range_are_named(odd: dict[str, Any], bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(DataContractError, match=f"^{next(iter(odd))} is "):
        score_batch(bundle, world()[0], tmp_path / "out", **odd)
    assert list(tmp_path.iterdir()) == []
