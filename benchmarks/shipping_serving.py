"""A model behind `crmintel serve` and behind `mlflow models serve`, on loopback; and a minute of mixed requests at full load."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import Line
from crmintel import features as f
from crmintel.churn import SMALL, ChurnClassifier
from crmintel.datasets import simulate
from crmintel.scoring import CustomerModel

BENCH = "shipping"
CANARY = "canary-5e1f"
EVENTS = 200


def world(
    learners: Any, features: f.FeatureSet | None = None
) -> tuple[CustomerModel, pd.DataFrame, list[list[dict[str, Any]]]]:
    """A model, rows of its features, and interactions of single customers as JSON tells them."""
    log = simulate(3_000, days=400, seed=2).log(quiet=True)
    at = log.end - pd.Timedelta(days=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = CustomerModel(features or f.standard(log, at=at), ChurnClassifier(learners, folds=2)).fit(
            log, lambda log, rows: f.churned(log, rows, "60d"), at=at, horizon="60d"
        )
    table = model.features.build(log, at=at)  # type: ignore[union-attr]
    frame = log.to_pandas()
    often = frame.groupby("customer_id")["customer_id"].transform("size")
    frame = frame[often > 20].assign(timestamp=lambda t: t["timestamp"].astype(str))
    people = []
    for _, mine in list(frame.groupby("customer_id"))[:300]:
        rows = json.loads(mine.to_json(orient="records"))
        people.append((rows * (EVENTS // len(rows) + 1))[:EVENTS])
    return model, table, people


def body(value: Any) -> bytes:
    """JSON, holes as null."""
    return json.dumps(value, allow_nan=False).encode()


def row(values: Any) -> dict[str, Any]:
    """One row of a table."""
    return {k: None if v != v else v for k, v in values.items()}


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def server(arguments: list[str], port: int, health: str, log: Path, patience: float = 120.0) -> Iterator[tuple[subprocess.Popen[bytes], float]]:  # fmt: skip
    """A server in a process of its own, and the seconds until it answers."""
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    begin = time.monotonic()
    with open(log, "wb") as out:
        job = subprocess.Popen(arguments, stdout=out, stderr=subprocess.STDOUT, env=env, start_new_session=True)
    try:
        while time.monotonic() - begin < patience and job.poll() is None:
            try:
                if asked(port, "GET", health, b"")[0] == 200:
                    break
            except OSError:
                time.sleep(0.02)
        yield job, time.monotonic() - begin
    finally:
        os.killpg(job.pid, signal.SIGTERM)
        job.wait(30)


def asked(port: int, method: str, path: str, data: bytes) -> tuple[int, bytes]:
    """Status and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, data, {"Content-Type": "application/json"})
        told = connection.getresponse()
        return told.status, told.read()
    finally:
        connection.close()


def milliseconds(port: int, path: str, bodies: list[bytes]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How long each request takes, one after the other on one connection."""
    connection, spent = http.client.HTTPConnection("127.0.0.1", port, timeout=30), []
    for data in bodies:
        begin = time.perf_counter()
        connection.request("POST", path, data, {"Content-Type": "application/json"})
        told = connection.getresponse()
        answer = told.read()
        spent.append(time.perf_counter() - begin)
        if told.status != 200:
            raise RuntimeError(f"{path}: {told.status} {answer[:300]!r}")
    connection.close()
    return np.array(spent) * 1000


def best(port: int, path: str, bodies: list[bytes], times: int = 3) -> tuple[float, float]:
    """Median and 99th percentile, the run with the lowest median of several."""
    milliseconds(port, path, bodies[:30])
    runs = [milliseconds(port, path, bodies) for _ in range(times)]
    quickest = min(runs, key=lambda r: float(np.median(r)))
    return float(np.median(quickest)), float(np.quantile(quickest, 0.99))


def memory(group: int) -> float:
    """Resident MB of the processes of a group."""
    told = subprocess.run(["ps", "-o", "rss=", "-g", str(group)], capture_output=True, text=True, check=True).stdout
    return sum(map(int, told.split())) / 1024


def serving(quick: bool) -> Iterator[Line]:
    """Start, memory, single rows and raw interactions; the same rows through MLflow's server; the soak."""
    with tempfile.TemporaryDirectory(prefix="crmintel-bench-") as folder:
        home = Path(folder)
        model, table, people = world(SMALL)
        model.save(home / "model")
        rows = [body({"rows": [row(r)]}) for r in table.head(300).to_dict("records")]
        events = [body({"events": e, "at": "2024-03-01"}) for e in people]
        port = free_port()
        ours = [sys.executable, "-m", "crmintel", "serve", str(home / "model"), "--port", str(port)]
        with server(ours, port, "/ready", home / "ours.log") as (job, start):
            one, tail = best(port, "/predict", rows)
            raw, raw_tail = best(port, "/predict", events)
            held = memory(job.pid)
            yield Line(BENCH, "crmintel serve: start until ready", round(start, 2), "s", "<= 4", start <= 4)
            what = f"crmintel serve, one feature row of {table.shape[1]} features, small trees"
            yield Line(BENCH, f"{what}: p50", round(one, 2), "ms", "<= 1.5", one <= 1.5)
            yield Line(BENCH, f"{what}: p99", round(tail, 2), "ms", "<= 6", tail <= 6)
            what = f"crmintel serve, {EVENTS} raw interactions of one customer, {table.shape[1]} features"
            yield Line(BENCH, f"{what}: p50", round(raw, 2), "ms", "<= 3", raw <= 3)
            yield Line(BENCH, f"{what}: p99", round(raw_tail, 2), "ms", "<= 6", raw_tail <= 6)
            yield Line(
                BENCH, "crmintel serve: resident memory after these", round(held, 0), "MB", "<= 260", held <= 260
            )
            yield from soak(port, job.pid, home / "ours.log", rows, events, 10 if quick else 60)
        yield from through_mlflow(home, model, table, one)
        yield from thirty(home)
        if not quick:
            yield from stacked(home)


def through_mlflow(home: Path, model: CustomerModel, table: pd.DataFrame, one: float) -> Iterator[Line]:
    """The same rows through `mlflow models serve`."""
    from crmintel import tracking

    before, port = os.getcwd(), free_port()
    os.chdir(home)
    try:
        uri = tracking.sqlite_uri(home)
        logged = tracking.log(model, uri=uri, register_as="churn", alias="champion")
        theirs = [sys.executable, "-m", "mlflow", "models", "serve", "-m", logged.uri, "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
        os.environ["MLFLOW_TRACKING_URI"] = uri
        bodies = [body({"dataframe_records": [row(r)]}) for r in table.head(150).to_dict("records")]
        with server(theirs, port, "/health", home / "theirs.log") as (job, start):
            theirs_one, _ = best(port, "/invocations", bodies)
            yield Line(BENCH, "mlflow models serve, the same model and rows: start", round(start, 1), "s")
            yield Line(
                BENCH, "mlflow models serve, the same model and rows: resident memory", round(memory(job.pid), 0), "MB"
            )
            yield Line(BENCH, "mlflow models serve, the same model and rows: p50", round(theirs_one, 2), "ms")
            ratio = theirs_one / one
            yield Line(
                BENCH,
                "mlflow models serve ÷ crmintel serve, p50 of one feature row",
                round(ratio, 1),
                "",
                ">= 5",
                ratio >= 5,
            )
    finally:
        os.chdir(before)
        os.environ.pop("MLFLOW_TRACKING_URI", None)


def thirty(home: Path) -> Iterator[Line]:
    """Raw interactions again, with thirty features instead of all the standard ones."""
    buys = f.where(kind="purchase")
    some = f.FeatureSet([
        f.recency(buys), f.tenure(), f.gaps(buys), f.count(buys).over("7d", "30d", "90d", "180d", "365d", "all"), f.total("amount", buys).over("30d", "90d", "365d", "all"),
        f.mean("amount", buys).over("90d", "365d", "all"), f.largest("amount", buys).over("365d"), f.active_days().over("30d", "90d", "365d", "all"),
        f.distinct("category", buys).over("90d", "all"), f.trend(f.count(buys), "30d"), f.count().over("30d", "90d"),
    ])  # fmt: skip
    model, _, people = world(SMALL, some)
    model.save(home / "thirty")
    port = free_port()
    with server(
        [sys.executable, "-m", "crmintel", "serve", str(home / "thirty"), "--port", str(port)],
        port,
        "/ready",
        home / "thirty.log",
    ):
        raw, tail = best(port, "/predict", [body({"events": e, "at": "2024-03-01"}) for e in people])
    what = f"crmintel serve, {EVENTS} raw interactions of one customer, {len(model.features.names)} features"  # type: ignore[union-attr]
    yield Line(BENCH, f"{what}: p50", round(raw, 2), "ms", "<= 3", raw <= 3)
    yield Line(BENCH, f"{what}: p99", round(tail, 2), "ms", "<= 6", tail <= 6)


def stacked(home: Path) -> Iterator[Line]:
    """The same with the default stack of four learners."""
    model, table, _ = world(None)
    model.save(home / "stack")
    port = free_port()
    with server(
        [sys.executable, "-m", "crmintel", "serve", str(home / "stack"), "--port", str(port)],
        port,
        "/ready",
        home / "stack.log",
    ):
        one, _ = best(port, "/predict", [body({"rows": [row(r)]}) for r in table.head(300).to_dict("records")])
        yield Line(BENCH, "crmintel serve, one feature row, default stack of four learners: p50", round(one, 2), "ms")


def requests_of(rows: list[bytes], events: list[bytes], rng: np.random.Generator) -> tuple[str, str, bytes, set[int]]:
    """A request drawn at random, and the statuses that it may get."""
    kind = int(rng.integers(10))
    if kind < 4:
        return "POST", "/predict", rows[int(rng.integers(len(rows)))], {200, 429, 503}
    if kind == 4:
        return "POST", "/predict", events[int(rng.integers(len(events)))], {200, 429, 503}
    bad = [
        body({"rows": [{"tenure_days": CANARY}]}), body({CANARY: [1]}), body({"rows": []}), b'{"rows":[{"a":' + CANARY.encode(), b"[" * 20_000,
        body({"events": [{"customer_id": CANARY, "timestamp": CANARY}]}), body({"rows": [json.loads(rows[0])["rows"][0] | {"tenure_days": CANARY}]}),
        b'{"rows":[{"x":NaN}]}', b'{"a":1,"a":2}', b"\xff\xfe", b"", body([CANARY]), body({"events": [{"customer_id": None}]}),
        body({"rows": [json.loads(rows[0])["rows"][0] | {"tenure_days": 1e308}]}).replace(b"1e+308", b"1e999"),
    ]  # fmt: skip
    if kind == 5:
        return "POST", "/predict", CANARY.encode() * 500_000, {413, 429, 503}
    if kind == 6:
        return "POST", f"/{CANARY}", b"{}", {404, 405, 429, 503}
    if kind == 7:
        return "GET", "/metrics", b"", {200, 429, 503}
    return "POST", "/predict", bad[int(rng.integers(len(bad)))], {400, 413, 415, 422, 429, 503}


def soak(port: int, group: int, log: Path, rows: list[bytes], events: list[bytes], seconds: int) -> Iterator[Line]:
    """Four clients at once, as fast as answers come."""
    statuses: Counter[int] = Counter()
    faults: Counter[str] = Counter()
    lock = threading.Lock()

    def client(seed: int, end: float) -> None:
        rng = np.random.default_rng(seed)
        while time.monotonic() < end:
            method, path, data, allowed = requests_of(rows, events, rng)
            try:
                status, told = asked(port, method, path, data)
            except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected):
                with lock:
                    statuses[0] += 1  # the server hung up on a body that it refused
                    faults["hung up on something else"] += len(data) < 1_000_000
                continue
            except OSError:
                with lock:
                    faults["no answer"] += 1
                continue
            with lock:
                statuses[status] += 1
                faults["unexpected status"] += status not in allowed
                faults["leak"] += CANARY.encode() in told
                if status >= 400:
                    typed = told.startswith(b'{"error":{"type":')
                    faults["5xx without a typed body"] += status >= 500 and not typed
                    faults["4xx without a typed body"] += status < 500 and not typed

    def together(length: float) -> None:
        end = time.monotonic() + length
        threads = [threading.Thread(target=client, args=(i, end)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    together(seconds / 6)
    before = memory(group)
    together(seconds)
    after = memory(group)
    told = ", ".join(f"{n:,} × {s or 'hung up on a body too large'}" for s, n in sorted(statuses.items()))
    what = f"{seconds} s of mixed requests from four clients at full load ({told})"
    wrong = sum(faults.values())
    leaks = faults["leak"] + (CANARY in log.read_text(encoding="utf-8", errors="replace"))
    yield Line(
        BENCH,
        f"{what}: 5xx without a typed body, other faults",
        wrong - faults["leak"],
        "",
        "0",
        wrong - faults["leak"] == 0,
    )
    yield Line(
        BENCH, "the same: values that came back in answers or stand in the server's log", leaks, "", "0", leaks == 0
    )
    yield Line(
        BENCH,
        "the same: memory after it less memory after a tenth of a minute",
        round(after - before, 1),
        "MB",
        "<= 5: no growth",
        after - before <= 5,
    )
