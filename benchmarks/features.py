"""The bars of the feature engine: 75 features against hand-written SQL, Polars, pandas, featuretools and the scan bound.

python -m benchmarks.features [--quick] [--write]

CPU seconds are user and system seconds of a whole process, imports included; in races all have one thread on one processor; repeats
alternate and the best of each counts. Every table is compared with ours before a ratio is told.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, Cost, Line, command, environment, run
from benchmarks.opponents import data
from benchmarks.opponents.compare import compare_files
from benchmarks.opponents.declared import feature_set, shared_set

BENCH = "features"
THREADS, ONE = 2, 1
IDLE, WAITING = 3, 4
"""Places in the line of /proc/stat."""
YEAR = [f"2024-{month:02d}-01" for month in range(2, 13)] + [data.END]
THREE = ["2024-03-01", "2024-08-15T12:30:00", data.END]
STREAMED = ("--stream",)
FEATURETOOLS = ("featuretools==1.31.0", "pandas<3", "numpy<2.3", "pyarrow", "setuptools<81")
OPPONENTS = {
    "sql_lead": "DuckDB SQL, tuned by us (lead() instead of COUNT(DISTINCT), purchases in a pass of their own)",
    "sql_filter": "DuckDB SQL, as its documentation writes it (FILTER, COUNT(DISTINCT))",
    "pandas_vectorised": "pandas, vectorised",
    "polars_lazy": "Polars, lazy",
    "scan": "scan bound",
}


@dataclass
class Race:
    """Jobs that run in turn, and the best of what each took."""

    folder: Path
    costs: dict[str, list[Cost]] = field(default_factory=dict)
    others: float = 0.0

    def out(self, name: str) -> Path:
        """Where a job writes."""
        return self.folder / f"{name}.parquet"

    def job(
        self, name: str, module: str, rows: int, at: list[str], *more: str, threads: int = THREADS, python: Any = sys.executable
    ) -> Cost:  # fmt: skip
        """Run a module over a log."""
        arguments = ["-m", f"benchmarks.opponents.{module}", str(data.log(rows)), "--at", *at]
        arguments += ["--threads", str(threads), "--out", str(self.out(name)), *more]
        shutil.rmtree(self.out(name), ignore_errors=True)
        busy, start = busy_seconds(), time.perf_counter()
        cost = run(arguments, threads, python)
        others = busy_seconds() - busy - cost.cpu
        self.others = max(self.others, others / (time.perf_counter() - start))
        self.costs.setdefault(name, []).append(cost)
        return cost

    def best(self, name: str) -> Cost:
        """The least of everything that the runs of a job took."""
        runs = self.costs[name]
        return replace(
            runs[0], wall=min(r.wall for r in runs), cpu=min(r.cpu for r in runs), peak_mb=min(r.peak_mb for r in runs)
        )

    def least(self, name: str, step: str) -> float:
        """The least seconds of a step that the runs of a job told."""
        return min(json.loads(r.output)[step] for r in self.costs[name])


def busy_seconds() -> float:
    """Seconds that the processors of this machine have worked for anybody."""
    ticks = [int(x) for x in Path("/proc/stat").read_text().split()[1:9]]
    return (sum(ticks) - ticks[IDLE] - ticks[WAITING]) / os.sysconf("SC_CLK_TCK")


def size(rows: int) -> str:
    """A number of events, in words."""
    return f"{rows / 1e6:g} M events" if rows >= 1_000_000 else f"{rows // 1000} k events"


def ratio(what: str, value: float, bar: float, *, least: bool = False, sound: bool = True) -> Line:
    """A ratio and its bar; a ratio between tables that differ never holds."""
    holds = (value >= bar if least else value <= bar) and sound
    return Line(BENCH, what, round(value, 3), "ratio", f"{'>=' if least else '<='} {bar:.3g}", holds)


def missing(what: str, why: str, bar: str = "") -> Line:
    """A figure that could not be measured, and why."""
    return Line(BENCH, what, f"not measured: {why}", "", bar, None)


def races(race: Race, rows: int, repeats: int) -> Iterator[Line]:
    """Ours against every opponent, at one instant."""
    of = f"{size(rows)}, 75 features, 1 instant, 1 thread"
    absent = run_all(race, rows, repeats)
    there = [name for name in OPPONENTS if name not in absent]
    same = {"scan": True}
    for name in [n for n in there if n != "scan"]:
        found = compare_files(race.out("ours"), race.out(name), feature_set().names)
        same[name] = not found.differ
        yield differing(f"{of}: cells that differ between ours and {OPPONENTS[name]}", found)
    for name in ("ours", *there):
        best, who = race.best(name), OPPONENTS.get(name, name)
        yield Line(BENCH, f"{of}: CPU, {who}", round(best.cpu, 2), "s")
        yield Line(BENCH, f"{of}: wall, {who}", round(best.wall, 2), "s")
        yield Line(BENCH, f"{of}: peak memory, {who}", round(best.peak_mb / 1024, 2), "GB")
    bars = {"sql_filter": 1 / 6, "sql_lead": 1 / 6, "pandas_vectorised": 1 / 3, "polars_lazy": 1 / 3, "scan": 4}
    for name, bar in bars.items():
        what = f"{of}: CPU of ours ÷ CPU of {OPPONENTS[name]}"
        if name in absent:
            yield missing(what, absent[name], f"<= {bar:.3g}")
        else:
            yield ratio(what, race.best("ours").cpu / race.best(name).cpu, bar, sound=same[name])


def run_all(race: Race, rows: int, repeats: int) -> dict[str, str]:
    """Run ours and the opponents in turn; tells who could not run, and why."""
    absent: dict[str, str] = {}
    for _ in range(repeats):
        race.job("ours", "ours", rows, [data.END], threads=ONE)
        for name in OPPONENTS:
            if name in absent:
                continue
            try:
                race.job(name, name, rows, [data.END], threads=ONE)
            except RuntimeError as error:
                absent[name] = last_line(error)
    return absent


def last_line(error: Exception) -> str:
    """What an error says in the end."""
    return str(error).strip().splitlines()[-1]


def guarded(what: str, told: Iterator[Line]) -> Iterator[Line]:
    """Lines, or one that says why there are no more."""
    try:
        yield from told
    except RuntimeError as error:
        yield missing(what, last_line(error))


def differing(what: str, found: Any) -> Line:
    """How many cells differ."""
    value = f"{found.differ:,} of {found.cells:,}{f' ({found.where})' if found.differ else ''}"
    return Line(BENCH, what, value, "cells", "0 differ", not found.differ)


def scaling(race: Race, rows: int, repeats: int) -> Iterator[Line]:
    """More instants, more threads."""
    told = {"1 instant": [data.END], "12 instants": YEAR}
    for _ in range(repeats):
        for at, instants in told.items():
            for threads in (ONE, THREADS):
                race.job(f"{at}, {threads}", "ours", rows, instants, threads=threads)
    of = f"{size(rows)}, ours"
    for at in told:
        for threads in (ONE, THREADS):
            best, how = race.best(f"{at}, {threads}"), f"{at}, {threads} thread{'s' if threads > 1 else ''}"
            yield Line(BENCH, f"{of}: CPU, {how}", round(best.cpu, 2), "s")
            yield Line(BENCH, f"{of}: wall, {how}", round(best.wall, 2), "s")
            yield Line(BENCH, f"{of}: peak memory, {how}", round(best.peak_mb / 1024, 2), "GB")
            for step in ("read", "build"):
                seconds = race.least(f"{at}, {threads}", f"{step}_cpu")
                yield Line(BENCH, f"{of}: CPU of the {step} alone, {how}", round(seconds, 2), "s")
    cpu = race.best("12 instants, 1").cpu / race.best("1 instant, 1").cpu
    yield ratio(f"{of}: CPU of 12 instants ÷ 1, 1 thread", cpu, 2.0)
    for at in told:
        wall = race.best(f"{at}, {THREADS}").wall / race.best(f"{at}, {ONE}").wall
        yield ratio(f"{of}: wall of 2 threads ÷ 1, whole job, {at}", wall, 0.6)
        build = race.least(f"{at}, {THREADS}", "build_wall") / race.least(f"{at}, {ONE}", "build_wall")
        yield ratio(f"{of}: wall of 2 threads ÷ 1, build alone, {at}", build, 0.6)


def streamed(race: Race, few: int, many: int) -> Iterator[Line]:
    """Logs larger than memory, written in parts."""
    for n, at in ((1, [data.END]), (12, YEAR)):
        small = race.job(f"{few} x {n}", "ours", few, at, *STREAMED)
        large = race.job(f"{many} x {n}", "ours", many, at, *STREAMED)
        of = f"{size(many)}, {n} instant{'s' if n > 1 else ''}, streamed to Parquet"
        peak = large.peak_mb / 1024
        yield Line(BENCH, f"{of}: peak memory of the process", round(peak, 2), "GB", "<= 1.5", peak <= 1.5)
        yield Line(BENCH, f"{of}: CPU", round(large.cpu, 1), "s")
        yield Line(BENCH, f"{of}: wall", round(large.wall, 1), "s")
        yield ratio(f"{of}: CPU per event ÷ that of {size(few)}", large.cpu / many / (small.cpu / few), 1.2)


def against_featuretools(race: Race, rows: int, repeats: int, make: bool) -> Iterator[Line]:
    """Both compute the same features of the same log, once it is loaded."""
    what = f"{size(rows)}, 1 instant, {len(shared_set().names)} features that both have"
    python = environment("featuretools", FEATURETOOLS, make=make)  # it cannot live beside ours
    if python is None:
        yield missing(f"{what}: CPU per customer of featuretools ÷ ours", "featuretools is not installed", ">= 200")
        return
    theirs = json.loads(race.job("featuretools", "featuretools_dfs", rows, [data.END], python=python).output)
    for _ in range(repeats):
        race.job("shared", "ours", rows, [data.END], "--shared")
    found = compare_files(race.out("shared"), race.out("featuretools"), shared_set().names)
    yield differing(f"{what}: cells that differ between ours and featuretools", found)
    customers, ours = theirs["rows"], race.least("shared", "build_cpu")
    yield Line(
        BENCH, f"{what}: featuretools, per customer", round(1e6 * theirs["compute_cpu"] / customers, 1), "µs CPU"
    )
    yield Line(BENCH, f"{what}: ours, per customer", round(1e6 * ours / customers, 2), "µs CPU")
    name = f"{what}: CPU per customer of featuretools ÷ ours"
    yield ratio(name, theirs["compute_cpu"] / ours, 200, least=True, sound=not found.differ)


def online(rows: int) -> Iterator[Line]:
    """A single customer, now."""
    told = json.loads(run(["-m", "benchmarks.opponents.online", str(data.log(rows))], threads=1).output)
    what = f"one customer with 200 events, 75 features, 1 thread, {told['what']}"
    median = told["median"]
    yield Line(BENCH, f"{what}: median of 200 calls", round(median, 2), "ms", "<= 2", median <= 2)
    yield Line(BENCH, f"{what}: 99th percentile", round(told["p99"], 2), "ms")
    yield Line(
        BENCH, f"{what}: cells that differ from fs.build", told["differ"], "cells", "0 differ", not told["differ"]
    )


def oracle(race: Race, rows: int, on_spark: int) -> Iterator[Line]:
    """Every cell against SQL, here and on Spark."""
    names = feature_set().names
    race.job("oracle", "sql_filter", rows, THREE)
    race.job("local", "ours", rows, THREE)
    what = "3 instants: cells that differ from the SQL oracle"
    yield differing(f"{size(rows)}, {what}, local", compare_files(race.out("local"), race.out("oracle"), names))
    race.job("parts", "ours", rows, THREE, *STREAMED)
    found = compare_files(race.out("parts"), race.out("oracle"), names)
    yield differing(f"{size(rows)}, {what}, local, from a log on disk", found)
    if find_spec("pyspark") is None:
        yield missing(f"{size(on_spark)}, {what}, Spark", "pyspark is not installed", "0 differ")
        return
    if on_spark != rows:
        race.job("oracle", "sql_filter", on_spark, THREE)
    race.job("spark", "on_spark", on_spark, THREE)
    found = compare_files(race.out("spark"), race.out("oracle"), names)
    yield differing(f"{size(on_spark)}, {what}, Spark", found)


def lines(quick: bool) -> Iterator[Line]:
    """Everything; quick keeps what fits into 50 seconds."""
    rows, repeats = (1_000_000, 1) if quick else (10_000_000, 2)
    data.log(rows)
    with tempfile.TemporaryDirectory(dir=data.CACHE) as folder:
        race = Race(Path(folder))
        yield from races(race, rows, repeats)
        yield from guarded("more instants, fewer threads", scaling(race, rows, repeats))
        few = 50_000 if quick else 500_000
        yield from guarded("against featuretools", against_featuretools(race, few, repeats, make=not quick))
        yield from guarded("one customer", online(200_000))
        sizes = (300_000, 100_000) if quick else (1_000_000, 1_000_000)
        yield from guarded("every cell against SQL", oracle(race, *sizes))
        if quick:
            yield missing("100 M events, streamed to Parquet", "only without --quick", "<= 1.5")
        else:
            yield from guarded("100 M events, streamed to Parquet", streamed(race, 10_000_000, 100_000_000))
        yield Line(BENCH, "processors taken by others in the worst run", round(race.others, 2), "of 2")


if __name__ == "__main__":
    command(BENCH, __doc__, lines, ROOT / "docs" / "features.md")
