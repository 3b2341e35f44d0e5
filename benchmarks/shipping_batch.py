"""Batch scoring: a base of ten million customers, kill -9 at random points, and damaged bundles."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import CACHE, ROOT, Line, run
from crmintel import features as f
from crmintel.churn import SMALL, ChurnClassifier
from crmintel.datasets import simulate
from crmintel.errors import BundleError
from crmintel.scoring import CustomerModel, load_bundle, save_bundle
from crmintel.segmentation import RFM

BENCH = "shipping"
KILLED = ROOT / "tests" / "scoring" / "killed.py"


def history(customers: int, rows: int) -> Path:
    """Interactions of many customers as one Parquet file, in the order of time, made once: purchases over a year."""
    path = CACHE / f"shipping-{customers}-{rows}.parquet"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    beside, steps = path.with_suffix(".tmp"), max(rows // 1_000_000, 1)
    each = rows // steps
    schema = pa.schema([("customer_id", pa.int64()), ("timestamp", pa.timestamp("us")), ("amount", pa.float64()), ("channel", pa.string())])  # fmt: skip
    width = 365 * 86_400 * 10**6 // steps
    with pq.ParquetWriter(beside, schema) as out:
        for step in range(steps):
            rng = np.random.default_rng(step)
            who = (customers * rng.random(each) ** 1.2).astype(np.int64)  # some buy more often
            at = (
                np.sort(rng.integers(0, width, each))
                + step * width
                + np.datetime64("2023-01-01", "us").astype(np.int64)
            )
            channel = pa.array(["web", "shop", "app"]).take(pa.array(rng.integers(0, 3, each)))
            out.write_table(
                pa.table([who, at.astype("M8[us]"), np.round(rng.lognormal(3, 1, each), 2), channel], schema=schema)
            )
    beside.rename(path)
    return path


def model_of(source: Path, customers: int) -> CustomerModel:
    """A churn model of the standard features, learned from some of the customers."""
    table = pq.read_table(source, filters=[("customer_id", "<", customers)])
    log = CustomerModel(f.FeatureSet([f.count()]), ChurnClassifier()).read(table, quiet=True)
    at = log.end - np.timedelta64(60, "D")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CustomerModel(f.standard(log, at=at), ChurnClassifier(SMALL, folds=3)).fit(
            log, lambda log, rows: f.churned(log, rows, "60d"), at=at, horizon="60d"
        )


def batch(quick: bool) -> Iterator[Line]:
    """All customers of a history, score and three reasons each; the same at a tenth of the size."""
    sizes = [(10_000, 100_000), (100_000, 1_000_000)] if quick else [(1_000_000, 10_000_000), (10_000_000, 100_000_000)]
    spent = []
    with tempfile.TemporaryDirectory(prefix="crmintel-bench-", dir=CACHE if CACHE.is_dir() else None) as home:
        for customers, rows in sizes:
            source, place = history(customers, rows), Path(home)
            if not (place / "model").exists():
                model = model_of(source, 20_000)
                model.save(place / "model")
                yield Line(
                    BENCH,
                    "features of the model that scores a base",
                    len(model.features.names) if model.features else 0,
                )
            cost = run(["-m", "crmintel", "score", "--model", str(place / "model"), "--input", str(source), "--out", str(place / "out"), "--threads", "2"])  # fmt: skip
            told = json.loads(cost.output.splitlines()[-1])
            spent.append((told["rows"], cost))
            shutil.rmtree(place / "out.lock", ignore_errors=True)
            what = f"{told['rows']:,} customers scored from {rows:,} interactions, three reasons each, 2 threads"
            bar = "" if customers < 10_000_000 else "<= 2 GB"
            yield Line(
                BENCH,
                f"{what}: peak memory",
                round(cost.peak_mb / 1000, 2),
                "GB",
                bar,
                None if not bar else cost.peak_mb <= 2000,
            )
            yield Line(BENCH, f"{what}: CPU seconds", round(cost.cpu, 1), "s")
            yield Line(BENCH, f"{what}: seconds", round(cost.wall, 1), "s")
    (few, small), (many, large) = spent
    growth = (large.cpu / many) / (small.cpu / few)
    yield Line(
        BENCH,
        f"CPU a customer at {many:,} over {few:,} customers",
        round(growth, 2),
        "",
        "<= 1.25: linear",
        growth <= 1.25,
    )


def _tree(path: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(path.iterdir())}


def kills(quick: bool) -> Iterator[Line]:
    """kill -9 at random moments of a job over an older result: the older one or the new one, whole; then resumed."""
    n = 5 if quick else 200
    with tempfile.TemporaryDirectory(prefix="crmintel-bench-") as folder:
        home = Path(folder)
        simulate(2000, days=300, seed=5).interactions.to_parquet(home / "rows.parquet")
        simulate(500, days=300, seed=6).interactions.to_parquet(home / "older.parquet")
        model_of_simulated().save(home / "model")

        def command(rows: str, out: str) -> list[str]:
            return [sys.executable, str(KILLED), str(home / "model"), str(home / rows), str(home / out), "500"]

        subprocess.run(command("rows.parquet", "whole"), check=True, capture_output=True)
        begin = time.monotonic()
        subprocess.run(command("rows.parquet", "timed"), check=True, capture_output=True)
        length = time.monotonic() - begin
        whole, rng = _tree(home / "whole"), np.random.default_rng(0)
        subprocess.run(command("older.parquet", "older"), check=True, capture_output=True)
        older = _tree(home / "older")
        old = new = mixed = resumed = unequal = 0
        for _ in range(n):
            for left in home.glob("out*"):
                left.unlink() if left.is_symlink() or left.is_file() else shutil.rmtree(left)
            version = home / (home / "older").resolve().name.replace("older", "out")
            shutil.copytree(home / "older", version)
            (home / "out").symlink_to(version.name)
            job = subprocess.Popen(command("rows.parquet", "out"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(length * (0.35 + 0.65 * rng.random()))
            job.send_signal(signal.SIGKILL)
            job.wait()
            found = _tree(home / "out")
            old, new, mixed = old + (found == older), new + (found == whole), mixed + (found not in (older, whole))
            if found == older and (home / "out.work").exists() and resumed < 30:
                subprocess.run(command("rows.parquet", "out"), check=True, capture_output=True)
                resumed, unequal = resumed + 1, unequal + (_tree(home / "out") != whole)
    told = f"{n} kills at random points of batch scoring: {old} times the older result whole, {new} times the new one"
    yield Line(BENCH, f"{told}; something else", mixed, "", "0", mixed == 0)
    yield Line(
        BENCH,
        f"{resumed} of these jobs resumed: bytes that differ from those of an uninterrupted one",
        unequal,
        "",
        "0",
        unequal == 0,
    )


def model_of_simulated() -> CustomerModel:
    """A small churn model."""
    log = simulate(400, days=300, seed=3).log(quiet=True)
    at = log.end - np.timedelta64(60, "D")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CustomerModel(f.standard(log, at=at), ChurnClassifier(SMALL, folds=2)).fit(
            log, lambda log, rows: f.churned(log, rows, "60d"), at=at
        )


def damage(quick: bool) -> Iterator[Line]:
    """Bundles whose bytes, lines and files were changed at random."""
    from tests.scoring.mutations import mutated

    n, rng = 500 if quick else 10_000, np.random.default_rng(0)
    changed = silent = untyped = 0
    with tempfile.TemporaryDirectory(prefix="crmintel-bench-") as folder:
        home = Path(folder)
        model_of_simulated().save(home / "model")
        log = simulate(400, days=300, seed=3).log(quiet=True)
        save_bundle(RFM().fit(log, at=log.end), home / "other")
        for _ in range(n):
            done = mutated(home / "model", home / "other", home / "copy", rng)
            if done is not None:
                changed += 1
                try:
                    load_bundle(home / "copy")
                    silent += 1
                except BundleError:
                    pass
                except Exception:
                    untyped += 1
            shutil.rmtree(home / "copy")
        begin = time.process_time()
        for _ in range(20):
            load_bundle(home / "model")
        each = (time.process_time() - begin) / 20
    yield Line(
        BENCH,
        f"{changed:,} of {n:,} damaged bundles differ from the good one: loaded in silence",
        silent,
        "",
        "0",
        silent == 0,
    )
    yield Line(
        BENCH,
        "the same: crashes and untyped errors (a crash of the process would have ended this run)",
        untyped,
        "",
        "0",
        untyped == 0,
    )
    yield Line(BENCH, "a bundle proven and loaded", round(each * 1000, 1), "ms CPU")
