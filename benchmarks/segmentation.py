"""The bars of segmentation: RFM, k-prototypes, planted groups and clouds, migration, rules.

python -m benchmarks.segmentation [--quick] [--write]
"""

import json
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from benchmarks.measure import ROOT, Line, command, environment, run
from benchmarks.worlds import CLOUDS, SHAPES, cloud, mixed, moves, planted, transactions
from crmintel import InteractionLog, Policies
from crmintel.datasets.public import complete_journey
from crmintel.errors import DataContractWarning
from crmintel.segmentation import RFM, CustomerGroups, rules
from crmintel.segmentation import transitions as followed

BENCH = "segmentation"
KMODES = ("kmodes==0.12.2",)
RATES = np.array([
    [0.90, 0.05, 0.03, 0.015, 0.005], [0.10, 0.70, 0.15, 0.048, 0.002], [0.05, 0.15, 0.60, 0.15, 0.05],
    [0.02, 0.08, 0.20, 0.60, 0.10], [0.002, 0.018, 0.08, 0.20, 0.70],
])  # fmt: skip


def line(what: str, value: float | str, unit: str = "", bar: str = "", holds: bool | None = None) -> Line:
    """One figure of this benchmark."""
    return Line(BENCH, what, value, unit, bar, holds)


def told(module: str, *arguments: str, python: Path | str = sys.executable) -> dict[str, float]:
    """What a contender prints, in a process of its own with one thread on one processor."""
    answer: dict[str, float] = json.loads(run(["-m", module, *arguments], threads=1, python=python).output)
    return answer


def rfm(quick: bool) -> Iterator[Line]:
    """CPU of RFM segments against pandas with `qcut`, from the same frame, and from a log."""
    rows, customers = (500_000, 100_000) if quick else (5_000_000, 1_000_000)
    for ids, bar in (("integers", 0.2), ("strings", 0.5)):
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "rows.parquet")
            transactions(rows, customers, text=ids == "strings").to_parquet(path)
            ours, peer = (told(f"benchmarks.opponents.rfm_{name}", path) for name in ("ours", "pandas"))
        what = f"RFM, {rows:,} transactions of {customers:,} customers, ids as {ids}, 1 thread"
        yield line(f"{what}: CPU, pandas (groupby, rank, qcut)", round(peer["segments"], 3), "s")
        for history, words in (("frame", "from the same frame"), ("log", "from a log that was read before")):
            ratio, of = ours[history] / peer["segments"], f"{what}: CPU, ours, {words}"
            yield line(of, round(ours[history], 3), "s")
            yield line(f"{of} ÷ pandas", round(ratio, 3), "ratio", f"<= {bar:g}", ratio <= bar)


def prototypes(quick: bool) -> Iterator[Line]:
    """k-prototypes against `kmodes`: CPU and cost on the same rows with the same weight of categories."""
    small, large = (1_000, 100_000) if quick else (20_000, 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "rows.npz")
        save(path, small)
        what = f"k-prototypes, {small:,} x (5 numbers + 5 categories), k = 6, 1 thread"
        ours, peer = told("benchmarks.opponents.prototypes_ours", path), environment("kmodes", KMODES)
        yield line(f"{what}: CPU, ours, 5 starts", round(ours["cpu"], 3), "s")
        if peer is None:
            yield line(f"{what}: CPU of kmodes ÷ ours", "not measured: kmodes is not installed", bar=">= 100")
        else:
            theirs = told("benchmarks.opponents.prototypes_kmodes", path, python=peer)
            yield line(
                f"{what}: CPU, kmodes at its default ({theirs['starts']:g} starts)", round(theirs["cpu"], 2), "s"
            )
            ratio, cost = theirs["cpu"] / ours["cpu"], ours["cost"] / theirs["cost"]
            yield line(f"{what}: CPU of kmodes ÷ ours", round(ratio, 1), "ratio", ">= 100", ratio >= 100)
            yield line(f"{what}: cost of ours ÷ kmodes", round(cost, 7), "ratio", "<= 1", cost <= 1)
        save(path, large)
        process = run(["-m", "benchmarks.opponents.prototypes_ours", path], threads=1)
        wall, peak = json.loads(process.output)["wall"], process.peak_mb / 1024
        what = f"k-prototypes, {large:,} x (5 + 5), k = 6, 5 starts, 1 thread"
        yield line(f"{what}: wall", round(wall, 2), "s", "<= 15", wall <= 15)
        yield line(f"{what}: peak memory of the process", round(peak, 2), "GB", "<= 2", peak <= 2)


def save(path: str, rows: int) -> None:
    """Numbers and categories in a file."""
    x, codes = mixed(rows)
    np.savez(path, x=x, codes=codes)


def recovered(quick: bool) -> Iterator[Line]:
    """Planted groups: how well they are recovered, and whether their number is found."""
    seeds = range(100, 103 if quick else 110)
    for shape in SHAPES:
        for categories in (0, 2):
            asked, free, right = [], [], 0
            for seed in seeds:
                table, of = planted(shape, seed, categories=categories)
                asked.append(adjusted_rand_score(of, CustomerGroups(4, n_bootstraps=1, n_twins=0).fit_predict(table)))
                if not quick:
                    model = CustomerGroups(n_twins=0).fit(table)
                    right += model.n_groups_ == 4
                    free.append(adjusted_rand_score(of, model.labels_))
            columns = "4 numbers and 2 categories" if categories else "4 numbers"
            what = f"4 planted groups, {shape}, {columns}, {len(seeds)} seeds"
            middle = float(np.median(asked))
            yield line(f"{what}: median ARI, 4 groups asked for", round(middle, 3), "", ">= 0.95", middle >= 0.95)
            yield line(f"{what}: least ARI, 4 groups asked for", round(min(asked), 3))
            if free:
                yield line(f"{what}: seeds in which their number was found", f"{right} of {len(seeds)}")
                yield line(f"{what}: median ARI, number chosen from the data", round(float(np.median(free)), 3))


def structureless(quick: bool) -> Iterator[Line]:
    """Clouds: how often they are reported as such; and groups, for the other side."""
    for categories, seeds in ((False, 6 if quick else 102), (True, 0 if quick else 60)):
        claims = [
            found(cloud(CLOUDS[seed % len(CLOUDS)], 1_000 + seed, categories=categories)) for seed in range(seeds)
        ]
        what = f"clouds without groups ({len(CLOUDS)} kinds), {'numbers and 2 categories' if categories else 'numbers'}, reported as such"
        right = seeds - sum(claims)
        if seeds:
            yield line(what, f"{right} of {seeds}", "seeds", ">= 95 %", right >= 0.95 * seeds)
    groups = 3 if quick else 30
    seen = sum(found(planted(SHAPES[seed % 3], 2_000 + seed, n=800)[0]) for seed in range(groups))
    yield line("planted groups reported as structure", f"{seen} of {groups}", "seeds")


def found(table: pd.DataFrame) -> bool:
    """Whether structure is claimed."""
    told = CustomerGroups(2, n_bootstraps=1, n_init=1).fit(table).structure_
    return bool(told is not None and told.found)


def coverage(quick: bool) -> Iterator[Line]:
    """How often intervals of migration rates hold the truth: one pair of instants, and six with some who never move."""
    rng = np.random.default_rng(0)
    for customers, steps, stay in ((300, 1, 0.0), (1_000, 1, 0.0), (5_000, 1, 0.0), (800, 6, 0.35)):
        bases = 40 if quick else 500
        share = 100 * float(np.mean([held(moves(RATES, customers, steps, stay, rng), stay) for _ in range(bases)]))
        what = f"95 % intervals of migration rates, 5 states, {customers:,} customers, {steps + 1} instants"
        what += f", {stay:.0%} of them never move" if stay else ""
        yield line(f"{what}: coverage over {bases} bases", round(share, 1), "%", "93 to 97", 93 <= share <= 97)


def held(states: np.ndarray, stay: float) -> float:
    """The share of cells whose interval holds the true rate."""
    names = [f"s{i}" for i in range(len(RATES))]
    rates = followed(pd.DataFrame(np.array(names)[states].T), segments=names).rates
    truth = (
        stay * np.eye(len(RATES)) + (1 - stay) * RATES
    ).ravel()  # sources and targets come in the order of the names
    known = rates[rates["source"].isin(names) & rates["target"].isin(names)]
    return float(((known["low"] <= truth) & (truth <= known["high"])).mean())


def fidelity(quick: bool) -> Iterator[Line]:
    """How often short rules tell the segment of a customer they were not made from, on the demo."""
    if quick:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        log = InteractionLog.read(complete_journey()[0], timezone="America/New_York", policies=Policies())
    table = RFM().fit(log, at=log.end).segments()
    values = table[["recency_days", "frequency", "monetary"]]
    short = rules(values, table["segment"])
    what, share = f"demo: short rules for the {len(short.segments)} RFM segments", 100 * short.fidelity.value
    yield line(f"{what}: right for held-out customers", round(share, 1), "%", ">= 95", share >= 95)
    yield line(f"{what}: naming the largest segment", round(100 * short.largest_share, 1), "%")
    groups = CustomerGroups(n_twins=0).fit(values)
    share = 100 * rules(values, groups.segments(values)).fidelity.value
    yield line(
        f"demo: short rules for {groups.n_groups_} groups by behaviour: right for held-out customers",
        round(share, 1),
        "%",
    )


def lines(quick: bool) -> Iterator[Line]:
    """Everything; quick keeps what fits into 50 seconds."""
    for part in (rfm, prototypes, recovered, structureless, coverage, fidelity):
        yield from part(quick)


if __name__ == "__main__":
    command(BENCH, __doc__, lines, ROOT / "docs" / "segmentation.md")
