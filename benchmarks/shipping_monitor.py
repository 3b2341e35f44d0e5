"""Monitoring: alarms when nothing changed, planted drifts, and what a large table costs."""

import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmarks.measure import Line
from crmintel.columns import CHURN
from crmintel.scoring import Monitoring, monitor, profile_of

BENCH = "shipping"
AT, HORIZON, UNTIL = "2024-01-01", "90d", "2024-06-01"
Floats = np.ndarray
World = tuple[pd.DataFrame, Floats, Floats]


def line(what: str, value: float | str, unit: str = "", bar: str = "", holds: bool | None = None) -> Line:
    """One figure of this benchmark."""
    return Line(BENCH, what, value, unit, bar, holds)


def world(n: int, kind: int, rng: np.random.Generator) -> World:
    """Features of every kind with true probabilities and outcomes: 8 to 40 features, rates from about 4 to 40 %."""
    set_up = np.random.default_rng([11, kind])
    width, middle = int(set_up.integers(4, 36)), set_up.uniform(-3.2, -0.5)
    X = pd.DataFrame({
        "orders": rng.poisson(rng.gamma(1.0, 4, n)), "money": np.round(rng.lognormal(4, 1, n), 2),
        "plan": rng.choice(["month", "year", "free"], n, p=[0.5, 0.4, 0.1]), "town": rng.zipf(1.7, n).astype(str),
    })  # fmt: skip
    numbers = rng.normal(size=(n, width)) * set_up.uniform(0.5, 50, width)
    numbers[rng.random((n, width)) < set_up.choice([0.0, 0.2, 0.6], width)] = np.nan
    X = pd.concat([X, pd.DataFrame(numbers, columns=[f"x{j}" for j in range(width)])], axis=1)
    own = np.nan_to_num(numbers[:, 0] / np.nanstd(numbers[:, 0]))
    odds = middle + 0.8 * own - 0.1 * np.minimum(X["orders"], 10) + 0.7 * (X["plan"] == "month")
    p = expit(odds.to_numpy())
    return X, p, (rng.random(n) < p).astype(float)


def pair(seed: int, n: int, m: int) -> tuple[World, World]:
    """Two tables of one world."""
    return world(n, seed, np.random.default_rng([12, seed])), world(m, seed, np.random.default_rng([13, seed]))


def told(then: World, now: World, *, outcomes: bool) -> Monitoring:
    """What monitoring says, with or without outcomes."""
    profile = profile_of(then[0], then[1], outcomes=then[2], horizon=HORIZON)
    table = now[0].assign(**{CHURN: now[1]})
    return monitor(profile, table, outcomes=now[2] if outcomes else None, at=AT, until=UNTIL)


def _shifted(w: World, rng: np.random.Generator) -> World:
    return w[0].assign(money=w[0]["money"] * 2.5), w[1], w[2]


def _dead(w: World, rng: np.random.Generator) -> World:
    return w[0].assign(orders=np.nan), w[1], w[2]


def _rate(w: World, rng: np.random.Generator) -> World:
    odds = np.log(w[1] / (1 - w[1]))
    return w[0], w[1], (rng.random(len(odds)) < expit(odds + 0.7)).astype(float)


def _miscalibrated(w: World, rng: np.random.Generator) -> World:
    return w[0], expit(np.log(w[1] / (1 - w[1])) + 0.5), w[2]


def _shuffled(w: World, rng: np.random.Generator) -> World:
    return w[0], rng.permutation(w[1]), w[2]


def _category(w: World, rng: np.random.Generator) -> World:
    return w[0].assign(plan=w[0]["plan"].where(rng.random(len(w[0])) > 0.05, "family")), w[1], w[2]


def _range(w: World, rng: np.random.Generator) -> World:
    return w[0].assign(money=w[0]["money"].where(rng.random(len(w[0])) > 0.05, 1e6)), w[1], w[2]


PLANTED: Mapping[str, tuple[Callable[[World, np.random.Generator], World], bool, str]] = {
    "money x 2.5, no outcomes": (_shifted, False, "look"),
    "a column without any value, outcomes known": (_dead, True, "look"),
    "the rate moves by 0.7 log-odds, outcomes known": (_rate, True, "retrain"),
    "scores 0.5 log-odds too high, outcomes known": (_miscalibrated, True, "retrain"),
    "scores shuffled, outcomes known": (_shuffled, True, "retrain"),
    "scores shuffled, no outcomes": (_shuffled, False, "look"),
    "a new category in 5 % of rows, no outcomes": (_category, False, "look"),
    "5 % of rows far outside the range, no outcomes": (_range, False, "look"),
}
"""What is planted, whether outcomes are known, and what should be said."""


def monitoring(quick: bool) -> Iterator[Line]:
    """False alarms, what is found, and time."""
    yield from _null(40 if quick else 200)
    for n in (2_000,) if quick else (500, 2_000, 10_000):
        yield from _found(n, 5 if quick else 20)
    yield from _size(100_000 if quick else 1_000_000)


def _null(pairs: int) -> Iterator[Line]:
    """Pairs of one world, 300 to 20,000 rows each, with and without outcomes."""
    for outcomes in (True, False):
        verdicts = []
        for seed in range(pairs):
            n, m = np.exp(np.random.default_rng([14, seed]).uniform(np.log(300), np.log(20_000), 2)).astype(int)
            verdicts.append(told(*pair(seed, n, m), outcomes=outcomes).verdict)
        for verdict in ("retrain", "look"):
            share = verdicts.count(verdict) / pairs
            what = f"monitor: {pairs} pairs without drift, {'outcomes known' if outcomes else 'no outcomes'}: said {verdict}"  # fmt: skip
            yield line(what, f"{share:.1%}", "", "<= 5 %", share <= 0.05)


def _found(n: int, repeats: int) -> Iterator[Line]:
    for what, (plant, outcomes, verdict) in PLANTED.items():
        found = 0
        for seed in range(repeats):
            then, now = pair(seed, n, n)
            found += told(then, plant(now, np.random.default_rng([15, seed])), outcomes=outcomes).verdict == verdict
        bar = "all" if n >= 10_000 else ""
        yield line(f"monitor: {what}, {n:,} rows: said {verdict}", f"{found} of {repeats}", "", bar, found == repeats if bar else None)  # fmt: skip


def _size(rows: int) -> Iterator[Line]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.lognormal(size=(rows, 45)).astype(np.float64), columns=[f"x{j}" for j in range(45)])
    X = X.assign(**{f"c{j}": rng.choice(["a", "b", "c", "d"], rows) for j in range(5)})
    p = expit(X["x0"].to_numpy() - 2)
    y = rng.random(rows) < p
    start = time.process_time()
    profile = profile_of(X, p, outcomes=y, horizon=HORIZON)
    yield line(f"monitor: profile of {rows:,} x 50, CPU", round(time.process_time() - start, 1), "s")
    yield line(f"monitor: profile of {rows:,} x 50, JSON", round(len(profile.to_json()) / 1024), "kB")
    table = X.assign(**{CHURN: p})
    start = time.process_time()
    monitor(profile, table, outcomes=y, at=AT, until=UNTIL)
    took = time.process_time() - start
    yield line(f"monitor: {rows:,} x 50 with outcomes, CPU", round(took, 1), "s", "<= 5", took <= 5)
