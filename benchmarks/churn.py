"""The bars of churn: published tables, silent churn, leaks, profit, time to churn, size.

python -m benchmarks.churn [--quick] [--write]
"""

import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.model_selection import RepeatedStratifiedKFold

from benchmarks.churn_profit import profit
from benchmarks.churn_survival import survival
from benchmarks.churn_tables import FIGURES, TABLES, by_fold, contenders, cut, ours, predicted, telco, worse
from benchmarks.measure import DATA, ROOT, Line, command, run
from crmintel import InteractionLog, Policies
from crmintel import features as f
from crmintel.churn import ChurnClassifier, churn_report
from crmintel.datasets.public import complete_journey
from crmintel.errors import DataContractWarning
from crmintel.evaluation import auc, average_precision, brier, calibration_error, leak_check, lift
from crmintel.evaluation.intervals import Estimate, bootstrap

BENCH = "churn"
SEGMENTS = ("Contract", "InternetService", "SeniorCitizen", "gender")


def line(what: str, value: float | str, unit: str = "", bar: str = "", holds: bool | None = None) -> Line:
    """One figure of this benchmark."""
    return Line(BENCH, what, value, unit, bar, holds)


def least(what: str, value: float, bar: float, digits: int = 4) -> Line:
    """A figure that must not be less than a bar."""
    return line(what, round(value, digits), "", f">= {bar:g}", value >= bar)


def most(what: str, value: float, bar: float, digits: int = 4, unit: str = "") -> Line:
    """A figure that must not exceed a bar."""
    return line(what, round(value, digits), unit, f"<= {bar:g}", value <= bar)


def ibm(quick: bool) -> Iterator[Line]:
    """IBM Telco at the defaults, four times stratified five-fold (scikit-learn's, random_state 42)."""
    X, y = telco()
    repeats = 1 if quick else 4
    folds = np.empty((len(y), repeats), np.int64)
    splitter = RepeatedStratifiedKFold(n_splits=5, n_repeats=repeats, random_state=42)
    for i, (_, rows) in enumerate(splitter.split(X, y)):
        folds[rows, i // 5] = i % 5
    p = predicted(ours, X, y, folds)
    what = f"telco_ibm, defaults, {repeats} x stratified 5-fold"
    area = float(by_fold(auc, y, p, folds).mean())
    yield least(f"{what}: AUC", area, 0.849)
    yield line(f"{what}: AUC, above which a leak is to be suspected", round(area, 4), "", "<= 0.855", area <= 0.855)
    yield least(f"{what}: PR-AUC", float(by_fold(average_precision, y, p, folds).mean()), 0.67)
    yield most(f"{what}: Brier", float(by_fold(brier, y, p, folds).mean()), 0.1335)
    yield least(f"{what}: top-decile lift", float(by_fold(lift, y, p, folds).mean()), 2.85, 3)
    pooled = [calibration_error(y, p[:, r]) for r in range(repeats)]
    yield most(f"{what}: pooled out-of-fold ECE, mean of the repeats", float(np.mean(pooled)), 0.015)
    yield most(f"{what}: pooled out-of-fold ECE, the worst repeat", max(pooled), 0.015)
    mean = p.mean(axis=1)
    off = {f"{c} = {v}": float((mean - y)[X[c] == v].mean()) for c in SEGMENTS for v in sorted(X[c].unique())}
    worst = max(off, key=lambda k: abs(off[k]))
    yield most(f"{what}: largest |mean probability - rate| of a segment ({worst})", abs(off[worst]), 0.015)
    if not quick:
        from benchmarks.churn_tables import Default

        theirs = predicted(Default(), X, y, folds)
        wins = int((by_fold(auc, y, p, folds) > by_fold(auc, y, theirs, folds)).sum())
        yield line(
            f"{what}: folds with a higher AUC than LightGBM's defaults", f"{wins} of 20", "", ">= 18", wins >= 18
        )


def tables(quick: bool) -> Iterator[Line]:
    """Ours against each contender on tables of several origins, on the same folds; and the bars of bank_churn."""
    ranks: dict[str, list[float]] = {}
    for name in ("bank_churn",) if quick else tuple(TABLES):
        X, y = TABLES[name]()
        folds = cut(y, 1, 42 if name == "telco_ibm" else 0)
        told = {"ours": predicted(ours, X, y, folds)} if quick else contenders(X, y, folds)
        if name == "bank_churn":
            what = "bank_churn, defaults, stratified 5-fold"
            yield least(f"{what}: AUC", float(by_fold(auc, y, told["ours"], folds).mean()), 0.867)
            yield least(f"{what}: PR-AUC", float(by_fold(average_precision, y, told["ours"], folds).mean()), 0.71)
            yield most(f"{what}: Brier", float(by_fold(brier, y, told["ours"], folds).mean()), 0.1009)
        if not quick:
            yield from _against(name, y, folds, told, ranks)
    if ranks:
        order = sorted(ranks, key=lambda k: float(np.mean(ranks[k])))
        said = ", ".join(f"{k} {np.mean(ranks[k]):.2f}" for k in order)
        yield line(
            f"average rank over AUC and Brier of {len(TABLES)} tables", said, "", "ours first", order[0] == "ours"
        )


def _against(name: str, y: Any, folds: Any, told: dict[str, Any], ranks: dict[str, list[float]]) -> Iterator[Line]:
    """Figures of all, and whether ours is worse than the best of the others beyond chance."""
    for figure, (of, sign) in FIGURES.items():
        by = {k: sign * by_fold(of, y, p, folds) for k, p in told.items()}
        mean = {k: float(v.mean()) for k, v in by.items()}
        for place, k in enumerate(sorted(mean, key=lambda k: -mean[k]), start=1):
            ranks.setdefault(k, []).append(place)
        yield line(f"{name}: {figure}", ", ".join(f"{k} {sign * v:.4f}" for k, v in mean.items()))
        best = max((k for k in mean if k != "ours"), key=lambda k: mean[k])
        gain = by["ours"] - by[best]
        p = worse(gain)
        bad = bool(gain.mean() < 0 and p < 0.05)
        yield line(f"{name}: {figure}, ours less the best other ({best}); p of no difference", f"{sign * gain.mean():+.4f}; {p:.2f}", "", "not worse", not bad)  # fmt: skip


def silent(quick: bool) -> Iterator[Line]:
    """Silent churn: standard features, learned at earlier instants, judged at a later one beside each rule, on AUC and on profit."""
    for name, (log, train, test, horizon) in _logs(quick):
        fs = f.standard(log, at=train[0])
        X, later = fs.build(log, at=train), fs.build(log, at=[test])
        X, later = (t[t["recency_days_purchase"].notna()] for t in (X, later))
        y, left = (f.churned(log, t.index, horizon).to_numpy() for t in (X, later))
        p = ChurnClassifier().fit(X, y, horizon=horizon).predict_proba(later)[:, 1]
        report = churn_report(later, left, p, train=(X, y))
        what = f"{name}, at {test}, {horizon}, {len(later):,} customers"
        yield line(f"{what}: AUC", str(report.overall.metrics["auc"]), "95 % interval")
        yield line(f"{what}: calibration error", str(report.overall.metrics["calibration_error"]), "95 % interval")
        yield line(f"{what}: grade", report.grade)
        for row in report.overall.rules.iloc[1:].itertuples():
            said = f"{row.gain:+.3f} ({row.gain_low:+.3f} to {row.gain_high:+.3f}), {row.verdict}"
            yield line(f"{what}: AUC gain over “{row.name}”", said, "", "proven", row.verdict == "proven")
        scores = _rules(later, X, y)
        for rule, score in scores.items():
            gain = _richer(left, p, score)
            said = f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
            yield line(f"{what}: profit a customer, gain over “{rule}” (each at its best depth)", said, "", "above 0", gain.low > 0)  # fmt: skip


def _rules(later: pd.DataFrame, X: pd.DataFrame, y: Any) -> dict[str, Any]:
    from crmintel.churn import BestColumn, simple_rules

    best = BestColumn.learn(X, y)
    rules = simple_rules(later) | {str(best): best(later)}
    return {k: np.where(np.isnan(v), np.nanmin(v) - 1, v) for k, v in rules.items()}


def _richer(left: Any, p: Any, rule: Any) -> Estimate:
    """Expected maximum profit (EMPC at its published costs) of ours less that of a rule, with a bootstrap over customers."""
    from crmintel.churn import empc

    return bootstrap(lambda a, b, c: empc(a, b).profit - empc(a, c).profit, left, p, rule, n=200)


def _logs(quick: bool) -> Iterator[tuple[str, tuple[InteractionLog, Any, str, str]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        policies = Policies(on_missing="drop")
        retail = InteractionLog.read(DATA / "online_retail" / "interactions.parquet", policies=policies, timezone="Europe/London")  # fmt: skip
        yield "online_retail", (retail, f.monthly("2011-03-01", "2011-06-01"), "2011-09-01", "90d")
        if not quick:
            cdnow = InteractionLog.read(DATA / "cdnow" / "interactions.parquet")
            yield "cdnow", (cdnow, f.monthly("1997-05-01", "1997-07-01"), "1998-01-01", "180d")
            journey = InteractionLog.read(complete_journey()[0], timezone="America/New_York", policies=Policies())
            yield "completejourney", (journey, f.monthly("2017-05-01", "2017-09-01"), "2017-11-01", "30d")


def leaks(quick: bool) -> Iterator[Line]:
    """Leaks of five kinds planted in clean tables, and alarms on clean tables."""
    n = 20 if quick else 200
    caught, asked = dict.fromkeys(PLANTED, 0), dict.fromkeys(PLANTED, 0)
    alarms = 0
    for seed in range(n):
        X, y = clean(seed)
        alarms += bool(leak_check(X, y).findings)
        kind = list(PLANTED)[seed % len(PLANTED)]
        asked[kind] += 1
        caught[kind] += "planted" in PLANTED[kind](X, y, np.random.default_rng(seed))
    for kind, found in caught.items():
        yield line(f"leak guard: planted, {kind}", f"{found} of {asked[kind]}", "", "all", found == asked[kind])
    yield line("leak guard: alarms on clean tables", f"{alarms} of {n}", "", "<= 1 %", alarms <= 0.01 * n)


def clean(seed: int) -> tuple[pd.DataFrame, Any]:
    """A table that knows only the past: 300 to 10,000 customers, 3 to 60 % leave; counts, money, days, categories, holes."""
    rng = np.random.default_rng([7, seed])
    n, rate = int(np.exp(rng.uniform(np.log(300), np.log(10_000)))), rng.uniform(0.03, 0.6)
    towns = int(rng.integers(20, 200))
    town = rng.integers(0, towns, n)
    X = pd.DataFrame({
        "orders": rng.poisson(rng.gamma(1.0, 5, n)), "money": np.round(rng.lognormal(4, 1, n), 2), "visits": rng.negative_binomial(1, 0.1, n),
        "points": rng.lognormal(6, 1.2, n).astype(np.int64), "tenure_days": rng.integers(0, rng.integers(300, 4_000), n),
        "age": rng.integers(18, 90, n), "member": rng.random(n) < 0.3, "plan": rng.choice(["month", "year", "free"], n, p=[0.5, 0.4, 0.1]),
        "town": np.array([f"town {i}" for i in range(towns)])[town], "quality": rng.normal(size=n), "share": rng.beta(0.5, 2, n),
    })  # fmt: skip
    score = (
        rng.normal(1, 0.5) * X["quality"] - 0.1 * X["orders"] + (X["plan"] == "month") + rng.normal(0, 0.3, towns)[town]
    )
    y = (rng.random(n) < expit(score - np.quantile(score, 1 - rate))).to_numpy().astype(int)
    for c in rng.choice(["money", "age", "quality", "share"], 2, replace=False):
        X[c] = X[c].where(rng.random(n) > 0.2)
    return X, y


def _copy(X: pd.DataFrame, y: Any, rng: np.random.Generator) -> list[str]:
    return leak_check(X.assign(planted=y + rng.normal(0, 0.25, len(y))), y).suspects


def _name(X: pd.DataFrame, y: Any, rng: np.random.Generator) -> list[str]:
    names = [
        rng.permutation(len(y)) + 1,
        rng.choice(10**7, len(y), replace=False) + 10**6,
        [f"K{i}" for i in rng.permutation(len(y))],
    ]
    return leak_check(X.assign(planted=names[int(rng.integers(3))]), y).suspects


def _mean(X: pd.DataFrame, y: Any, rng: np.random.Generator) -> list[str]:
    by, smooth = pd.Series(y).groupby(X["town"]), float(rng.choice([0.0, 5.0, 20.0]))
    told = (by.transform("sum") + smooth * y.mean()) / (by.transform("size") + smooth)
    return leak_check(X.assign(planted=told), y).suspects


def _late(X: pd.DataFrame, y: Any, rng: np.random.Generator) -> list[str]:
    at = pd.Timestamp("2024-03-01")
    days = rng.integers(1, 400, len(y)) - np.where(rng.random(len(y)) < 0.02, 420, 0)
    return leak_check(X.assign(planted=at - pd.to_timedelta(days, "D")), y, at=at).suspects


def _today(X: pd.DataFrame, y: Any, rng: np.random.Generator) -> list[str]:
    before = X.assign(planted=rng.poisson(3, len(y)))
    moved = before["planted"] + (rng.random(len(y)) < 0.05)
    return leak_check(before.assign(planted=moved), y, earlier=before).suspects


PLANTED = {"near-copy of the label": _copy, "near-unique id": _name, "target mean of all rows": _mean, "made after the instant": _late,
           "as of today, changed between two exports": _today}  # fmt: skip


def size(quick: bool) -> Iterator[Line]:
    """Time and memory of a process that learns from, scores and explains many customers."""
    for setting, rows in (("light", 100_000),) if quick else (("light", 1_000_000), ("stack", 1_000_000)):
        cost = run(["-m", "benchmarks.opponents.churn_ours", str(rows), setting])
        told = json.loads(cost.output)
        what = f"{rows:,} customers x 75 features, {setting}, 2 threads"
        bars = {"fit": 60.0, "predict": 12.0, "explain": 3.0} if setting == "light" else {}
        names = {"fit": "fit", "predict": "predict all", "explain": "reasons of 10,000"}
        for step, name in names.items():
            wall = told[f"{step}_wall"]
            bar = bars.get(step)
            yield line(
                f"{what}: {name}, wall", round(wall, 1), "s", f"<= {bar:g}" if bar else "", wall <= bar if bar else None
            )
            yield line(f"{what}: {name}, CPU", round(told[f"{step}_cpu"], 1), "s")
        peak = cost.peak_mb / 1024
        bounded = setting == "light"
        yield line(
            f"{what}: peak memory", round(peak, 2), "GB", "<= 4" if bounded else "", peak <= 4 if bounded else None
        )


def lines(quick: bool) -> Iterator[Line]:
    """Everything; quick keeps what fits into 50 seconds."""
    for part in (size, ibm, tables, silent, leaks, profit, survival):
        yield from part(quick)


if __name__ == "__main__":
    warnings.simplefilter("ignore", DataContractWarning)
    command(BENCH, __doc__, lines, ROOT / "docs" / "churn.md")
