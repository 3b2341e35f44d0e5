"""Reasons for a whole base: what they cost in one thread, and how often they are those of TreeSHAP."""

import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.churn_tables import telco
from benchmarks.measure import Line
from crmintel.churn import LIGHT, SMALL, ChurnClassifier, LeafReasons, Trees
from crmintel.churn import reasons as by_treeshap
from crmintel.errors import DataContractWarning

BENCH = "shipping"
BIG = Trees("200 trees", 200, 0.08, leaves=15, min_leaf=100, row_share=0.7, column_share=0.5, ridge=5.0)
LEARNED, EXPLAINED = 50_000, 5_000


def line(what: str, value: float | str, unit: str = "", bar: str = "", holds: bool | None = None) -> Line:
    """One figure of this benchmark."""
    return Line(BENCH, what, value, unit, bar, holds)


def made(rows: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Customers with 30 features of every kind, some with holes; about a quarter leave."""
    from benchmarks.opponents.churn_ours import table

    X, y = table(rows, seed)
    return X.iloc[:, :30], y


def reasons(quick: bool) -> Iterator[Line]:
    """CPU microseconds a row with the score, sums, and agreement with TreeSHAP."""
    X, y = telco()
    yield from _of("telco_ibm, small trees", ChurnClassifier(SMALL).fit(X, y), X, 20.0, repeat=10)
    rows = 40_000 if quick else 200_000
    X, y = made(rows)
    few = slice(LEARNED)
    for name, learners, bar in (("200 trees of 15 leaves", BIG, 20.0), ("light", LIGHT, 20.0), ("stack", None, None)):
        if quick and learners is None:
            continue
        model = ChurnClassifier(learners).fit(X[few], y[few])
        yield from _of(f"{rows:,} customers x 30 features, {name}", model, X, bar)


def _of(what: str, model: ChurnClassifier, X: pd.DataFrame, bar: float | None, repeat: int = 1) -> Iterator[Line]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        table = model.read(X)
    start = time.process_time()
    explain = LeafReasons.of(model)
    took = time.process_time() - start
    yield line(f"{what}: tables of leaves made, CPU", round(took, 2), "s", "<= 0.3" if bar else "", took <= 0.3 if bar else None)  # fmt: skip
    costs, scores = [], []
    for _ in range(3):
        start = time.process_time()
        for _ in range(repeat):
            told = explain(table)
        costs.append((time.process_time() - start) / (repeat * len(table)) * 1e6)
        start = time.process_time()
        for _ in range(repeat):
            odds = model.log_odds(table)
        scores.append((time.process_time() - start) / (repeat * len(table)) * 1e6)
    cost = min(costs)
    yield line(f"{what}: score and three reasons, one thread, CPU a row", round(cost, 1), "us", f"<= {bar:g}" if bar else "", cost <= bar if bar else None)  # fmt: skip
    yield line(f"{what}: the score alone, CPU a row", round(min(scores), 1), "us")
    same = bool((told.log_odds == odds).all())
    yield line(f"{what}: scores equal to those of the model in every bit", "yes" if same else "no", "", "yes", same)
    gap = float(np.abs(told.contributions.sum(axis=1) + told.base - odds).max())
    yield line(f"{what}: base + contributions - log-odds, at most", f"{gap:.0e}", "", "<= 1e-10", gap <= 1e-10)
    yield from _beside_treeshap(what, model, X, told)


def _beside_treeshap(what: str, model: ChurnClassifier, X: pd.DataFrame, told: Any) -> Iterator[Line]:
    """Agreement on the first rows: the first reason, the three strongest as sets, and contributions."""
    start = time.process_time()
    slow = by_treeshap(model, X.iloc[:EXPLAINED])
    cost = (time.process_time() - start) / min(EXPLAINED, len(X)) * 1e6
    yield line(f"{what}: the same by TreeSHAP with sentences, CPU a row", round(cost), "us")
    exact, fast = slow.contributions.to_numpy(), told.contributions[:EXPLAINED]
    columns = len([t for t in told.titles if t in slow.contributions])
    order = np.argsort(-exact[:, :columns], axis=1, kind="stable")[:, :3]
    ours = np.argsort(-fast[:, :columns], axis=1, kind="stable")[:, :3]
    first = float((order[:, 0] == ours[:, 0]).mean())
    three = float((order[:, :, None] == ours[:, None, :]).any(axis=2).mean())
    alike = float(np.corrcoef(exact.ravel(), fast.ravel())[0, 1])
    yield line(f"{what}: rows with the first reason of TreeSHAP; share of its top three; correlation", f"{first:.1%}; {three:.1%}; {alike:.3f}")  # fmt: skip
