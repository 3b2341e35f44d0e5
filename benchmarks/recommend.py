"""The bars of recommending: published splits, data sets beside implicit, top-k, pairs, size, one customer.

python -m benchmarks.recommend [--quick] [--write]
"""

import json
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from benchmarks.measure import CACHE, ROOT, Line, command, environment, run
from benchmarks.recommend_basket import lines as baskets
from benchmarks.recommend_sets import IMPLICIT, PEERS, Judged, cases, gowalla, ours, peers
from crmintel import InteractionLog, Policies, features
from crmintel.datasets.public import complete_journey
from crmintel.errors import DataContractWarning
from crmintel.evaluation import compare_rankings
from crmintel.evaluation.intervals import bootstrap
from crmintel.recommend import (
    AutoRecommender,
    CoOccurrence,
    Ease,
    NextBasket,
    Popularity,
    Repeat,
    TwoStage,
    bought_together,
    top_k,
)
from crmintel.recommend.purchases import Purchases
from crmintel.recommend.together import _baskets, pair_table

BENCH = "recommend"


def line(what: str, value: float | str, unit: str = "", bar: str = "", holds: bool | None = None) -> Line:
    """One figure of this benchmark."""
    return Line(BENCH, what, value, unit, bar, None if holds is None else bool(holds))


def published(quick: bool) -> Iterator[Line]:
    """Gowalla in the split of the published tables."""
    if quick:
        return
    case = gowalla()
    plain = ours(case, CoOccurrence(l=0.6, r=0.3, low_rank=0))
    yield line(
        "gowalla, co-occurrence without patterns (a .4, l .6, r .3): Recall@20",
        round(plain.recall.mean(), 4),
        "",
        ">= 0.185",
        plain.recall.mean() >= 0.185,
    )
    yield line("the same: NDCG@20", round(plain.ndcg.mean(), 4), "", ">= 0.151", plain.ndcg.mean() >= 0.151)
    yield line("the same: fit", round(plain.fit, 2), "CPU s", "< 1", plain.fit < 1)
    model = CoOccurrence()
    found = ours(case, model)
    yield line(
        "gowalla, co-occurrence, defaults: Recall@20",
        round(found.recall.mean(), 4),
        "",
        ">= 0.188",
        found.recall.mean() >= 0.188,
    )
    yield line("the same: NDCG@20", round(found.ndcg.mean(), 4), "", ">= 0.155", found.ndcg.mean() >= 0.155)
    yield line("the same: fit", round(found.fit, 1), "CPU s", "<= 30", found.fit <= 30)
    yield line(
        f"the same: lists of {len(case.asked):,} customers over {len(model.items_):,} items",
        round(found.lists, 1),
        "CPU s",
        "<= 60",
        found.lists <= 60,
    )
    for name, other in peers(case, model, ("implicit TF-IDF 100", "implicit ALS 64")).items():
        yield line(
            f"gowalla, {name}: Recall@20, NDCG@20, CPU s of fit and lists",
            f"{other.recall.mean():.4f}, {other.ndcg.mean():.4f}, {other.fit:.1f}, {other.lists:.1f}",
        )
        better, quicker = plain.ndcg.mean() > other.ndcg.mean(), plain.fit < other.fit
        yield line(
            f"gowalla, co-occurrence without patterns against {name}: more accurate, and a quicker fit",
            f"{plain.ndcg.mean() / other.ndcg.mean():.2f} × NDCG, {plain.fit / other.fit:.2f} × fit",
            "",
            "ahead in both",
            better and quicker,
        )


def latency(quick: bool) -> Iterator[Line]:
    """One customer of a warm model."""
    if quick:
        return
    retail = next(c for c in cases(False) if c.name.startswith("online_retail"))
    for case, model in (
        (retail, CoOccurrence()), (retail, Ease()), (retail, NextBasket()), (gowalla(), CoOccurrence(low_rank=0, prune=100)), (gowalla(), CoOccurrence()),
    ):  # fmt: skip
        model.fit(case.log)
        told = repr(model.prune) if isinstance(model, CoOccurrence) else ""
        milliseconds = _latency(model)
        options = f", low_rank {model.low_rank:g}, prune {told}" if isinstance(model, CoOccurrence) else ""
        what = f"one customer, warm, ten items: {case.name.split(',')[0]}, {len(model.items_):,} items, {model.name}{options}: median"
        yield line(what, round(milliseconds, 2), "ms", "<= 1", milliseconds <= 1)


def _latency(model: Any) -> float:
    some = model.customers_[:200]
    model.recommend([some[0]], k=10, threads=1)
    seconds = []
    for c in some:
        start = time.perf_counter()
        model.recommend([c], k=10, threads=1)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds) * 1000)


def sets(quick: bool) -> Iterator[Line]:
    """The default that chooses itself beside popularity, repeats and implicit, each on the same customers."""
    for case in cases(quick):
        auto = AutoRecommender(case.task)  # type: ignore[arg-type]
        found: dict[str, Judged] = {"auto": ours(case, auto)}
        for model in (Popularity(), Repeat()):
            found[model.name] = ours(case, model)
        found |= peers(case, auto, PEERS)
        what = f"{case.name} ({len(case.asked):,} customers)"
        told = ", ".join(f"{k} {j.ndcg.mean():.4f}" for k, j in sorted(found.items(), key=lambda i: -i[1].ndcg.mean()))
        yield line(f"{what}: NDCG@20", told)
        yield line(f"{what}: chosen", repr(auto.chosen_).split("(")[0] + " of " + ", ".join(auto.trials_["candidate"]))
        best = max((k for k in found if k != "auto"), key=lambda k: found[k].ndcg.mean())
        gain = bootstrap(lambda a, b: float(a.mean() - b.mean()), found["auto"].ndcg, found[best].ndcg, n=300)
        yield line(
            f"{what}: NDCG@20 of auto less that of the best other ({best})",
            str(gain),
            "95 % interval",
            "first, or 0 inside",
            gain.high >= 0,
        )
        yield line(
            f"{what}: CPU s of fit and lists", ", ".join(f"{k} {j.fit:.1f} + {j.lists:.1f}" for k, j in found.items())
        )


def two_stage(quick: bool) -> Iterator[Line]:
    """Two stages under a global cut in time."""
    if quick:
        return
    log = InteractionLog.read(complete_journey()[0], timezone="America/New_York", policies=Policies(), quiet=True)
    at = "2017-11-01"
    truth = features.next_items(log, at, "30d")[["customer_id", "item_id"]]
    who = truth["customer_id"].unique()
    lists = {
        m.name: m.fit(log, at=at).recommend(who, k=10, exclude=None)
        for m in (TwoStage("30d"), NextBasket(), Popularity())
    }
    report = compare_rankings(truth, lists, k=10)
    yield line(
        f"completejourney, at {at}, 30 days, {report.n:,} customers, global cut: two-stage NDCG@10",
        str(report.metrics["ndcg"]),
        "95 % interval",
    )
    for row in report.rules.iloc[1:].itertuples():
        yield line(
            f"the same: gain over {row.name}",
            f"{row.gain:+.3f} ({row.gain_low:+.3f} to {row.gain_high:+.3f}), {row.verdict}",
            "95 % interval",
        )
    table = lists["two-stage"]
    hit = pd.MultiIndex.from_frame(table[["customer_id", "item_id"]]).isin(pd.MultiIndex.from_frame(truth))
    yield line(
        "the same: mean probability of the ten listed, and the share bought",
        f"{table['score'].mean():.3f}, {hit.mean():.3f}",
    )


def speed(quick: bool) -> Iterator[Line]:
    """Top-k beside the bare product of factors."""
    m, n, d = (1_024 if quick else 4_096), 40_000, 128
    rng = np.random.default_rng(0)
    q, v = (rng.normal(size=(rows, d)).astype(np.float32) for rows in (m, n))
    seen = sp.csr_array((np.ones(m * 30, np.int8), (np.repeat(np.arange(m), 30), rng.integers(0, n, m * 30))), (m, n))
    ratios, bare, own = [], [], []
    for _ in range(5):
        with threadpool_limits(2, "blas"):
            start = time.perf_counter()
            for a in range(0, m, 1_024):
                _ = q[a : a + 1_024] @ v.T
            bare.append(time.perf_counter() - start)
        start = time.perf_counter()
        top_k(q, v, 20, exclude=seen, threads=2)
        own.append(time.perf_counter() - start)
        ratios.append(own[-1] / bare[-1])
    best = min(own) / min(bare)
    yield line(
        f"top 20 of {n:,} items for {m:,} customers, d = {d}, 30 masked each: best of 5 ÷ best of 5 of the bare product, two threads",
        round(best, 2),
        "×",
        "<= 1.0",
        best <= 1.0,
    )
    if not quick:
        many = rng.normal(size=(100_000, d)).astype(np.float32)
        start = time.perf_counter()
        top_k(many, v, 20, threads=2)
        seconds = time.perf_counter() - start
        yield line(
            "top 20 of 40,000 items for 100,000 customers, d = 128, two threads, wall",
            round(seconds, 1),
            "s",
            "<= 16",
            seconds <= 16,
        )


def together(quick: bool) -> Iterator[Line]:
    """Pairs with lift beside mlxtend, from the same baskets."""
    log = InteractionLog.read(complete_journey()[0], timezone="America/New_York", policies=Policies(), quiet=True)
    purchases = Purchases.read(log)
    start = time.process_time()
    told = bought_together(log, least=200)
    whole = time.process_time() - start
    X = _baskets(purchases)[0]
    python = environment("implicit", IMPLICIT)
    yield line(
        f"completejourney, pairs in 200 baskets or more of {X.shape[0]:,}: from the log, reading included",
        round(whole, 2),
        "CPU s",
    )
    if python is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baskets.npz"
        table = X.tocoo()
        np.savez(path, basket=table.row, item=table.col, shape=np.array(table.shape))
        script = str(Path(__file__).parent / "opponents" / "recommend_mlxtend.py")
        n, theirs = json.loads(run([script, str(path), "200"], threads=1, python=python).output.splitlines()[-1])
    start = time.process_time()
    for _ in range(5):
        pair_table(X, purchases.items, 200, 0.95)
    own = (time.process_time() - start) / 5
    yield line(
        f"the same from baskets in memory: {len(told.pairs)} pairs, mlxtend {n}; mlxtend's CPU ÷ ours",
        round(theirs / own, 1),
        "×",
        ">= 20",
        theirs / own >= 20,
    )


def size(quick: bool) -> Iterator[Line]:
    """A million customers, 50,000 items, 50 million interactions: fit and ten items for everybody, in a process of its own."""
    if quick:
        return
    path = CACHE / "recommend-size.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    command_ = ["-m", "benchmarks.opponents.recommend_size", str(path)]
    if not path.exists():
        run(command_)
    cost = run(command_, threads=2)
    fit, lists = json.loads(cost.output.splitlines()[-1])
    yield line(
        "1,000,000 customers × 50,000 items × 50,000,000 interactions, CoOccurrence(prune=100, low_rank=0), 2 threads: read and fit, wall",
        round(fit),
        "s",
    )
    yield line("the same: top 10 for all, wall", round(lists), "s")
    yield line("the same: peak memory", round(cost.peak_mb / 1024, 2), "GB", "<= 6", cost.peak_mb / 1024 <= 6)


def lines(quick: bool) -> Iterator[Line]:
    """All of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        for part in (speed, together, latency, published, sets, two_stage, size):
            yield from part(quick)
        for told in baskets(quick):
            yield Line(BENCH, told.what, told.value, told.unit, told.bar, told.holds)


if __name__ == "__main__":
    command(BENCH, __doc__, lines, ROOT / "docs" / "recommend.md")
