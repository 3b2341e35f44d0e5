"""The bars of the models that say when customers have left: published figures, speed, size, recovery, quadrature.

python -m benchmarks.value_btyd [--quick]
"""

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from scipy.stats import chi2

from benchmarks.measure import DATA, ROOT, Line, emit, environment, run
from benchmarks.value_btyd_worlds import GEOMETRIC, PARETO, SHAPES, SPANS, adaptive, geometric, pareto, whole_days
from crmintel import InteractionLog
from crmintel.errors import DataContractWarning
from crmintel.value import BetaGeoModel, BuyTillYouDie, GammaGammaModel, ModifiedBetaGeoModel, ParetoModel
from crmintel.value.pareto_integral import log_integral
from crmintel.value.purchases import purchase_history

BENCH = "value"
LIFETIMES = (
    "lifetimes==0.11.3",
    "numpy<1.25",
    "pandas<2.1",
    "scipy<1.11",
    "autograd<1.7",
)
MODELS: tuple[type[BuyTillYouDie], ...] = (BetaGeoModel, ModifiedBetaGeoModel, ParetoModel)
ANCHORS = {
    "BetaGeoModel": ((0.2516, 4.7889, 0.7234, 2.1611), -95368.44),
    "ModifiedBetaGeoModel": ((0.6371, 7.3103, 0.8075, 1.2284), -95336.96),
    "ParetoModel": ((0.5974, 11.5852, 0.5222, 8.8275), -95415.1186),
}


def line(what: str, value: float | str, unit: str = "", bar: str = "", holds: bool | None = None) -> Line:
    """One figure of this benchmark."""
    return Line(BENCH, what, value, unit, bar, holds)


def quiet(frame: pd.DataFrame) -> InteractionLog:
    """Read a log whose remarks are known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        return InteractionLog.read(frame)


@cache
def cdnow() -> pd.DataFrame:
    """Histories of all customers to 1997-09-30."""
    frame = pd.read_parquet(DATA / "cdnow" / "interactions.parquet")
    return purchase_history(quiet(frame[["customer_id", "timestamp", "amount"]]), "1997-10-01")


def anchors(quick: bool) -> Iterator[Line]:
    """Parameters and likelihoods on CDNOW."""
    told = pd.read_parquet(DATA / "cdnow" / "customers_summary.parquet")
    sample = pd.DataFrame({"frequency": told["frequency"], "t_x_days": told["recency"] * 7, "T_days": told["T"] * 7})
    published = ("CDNOW sample, published summary", BetaGeoModel, sample, (0.2426, 4.4135, 0.7929, 2.4258), -9582.43)
    every = [("CDNOW all", m, cdnow(), *ANCHORS[m.__name__]) for m in MODELS]
    for name, model, history, parameters, likelihood in (published, *every):
        found = model().fit(history)
        off = max(abs(a / b - 1) for a, b in zip(found.parameters_.values(), parameters, strict=True))
        what = f"{name}, {model.__name__}"
        shown = ", ".join(f"{k} {v:.4f}" for k, v in found.parameters_.items())
        yield line(f"{what}: {shown}; largest relative distance", round(off, 6), "", "<= 0.001", off <= 1e-3)
        holds = found.log_likelihood_ >= likelihood - 0.005
        yield line(f"{what}: log-likelihood", round(found.log_likelihood_, 4), "", f">= {likelihood}", holds)


def spend(quick: bool) -> Iterator[Line]:
    """The model of spend on CDNOW."""
    found = GammaGammaModel().fit(cdnow())
    off = max(abs(found.parameters_[k] / v - 1) for k, v in {"p": 6.275, "q": 3.624, "v": 14.984}.items())
    shown = ", ".join(f"{k} {v:.4f}" for k, v in found.parameters_.items())
    yield line(
        f"CDNOW all, GammaGammaModel: {shown}; largest relative distance", round(off, 6), "", "<= 0.001", off <= 1e-3
    )


def covariates(quick: bool) -> Iterator[Line]:
    """Pareto/NBD with covariates, beside CLVTools' estimates on its own data (apparelTrans, estimation.split = 104)."""
    frame = pd.read_parquet(DATA / "apparel_clvtools" / "apparelTrans.parquet")
    log = quiet(frame.rename(columns={"Id": "customer_id", "Date": "timestamp", "Price": "amount"}))
    known = pd.read_parquet(DATA / "apparel_clvtools" / "apparelStaticCov.parquet").set_index("Id")
    history, names = purchase_history(log, "2007-01-01").join(known), ["Gender", "Channel"]
    none, found = (
        m.fit(history) for m in (ParetoModel(), ParetoModel(purchase_covariates=names, dropout_covariates=names))
    )
    gain = 2 * (found.log_likelihood_ - none.log_likelihood_)
    yield line("apparel, Pareto/NBD: log-likelihood without covariates", round(none.log_likelihood_, 4), "", ">= -5848.1", none.log_likelihood_ >= -5848.15)  # fmt: skip
    yield line("apparel, Pareto/NBD: log-likelihood with Gender and Channel", round(found.log_likelihood_, 4), "", ">= -5821.0627 (CLVTools)", found.log_likelihood_ >= -5821.0628)  # fmt: skip
    yield line("apparel, Pareto/NBD: likelihood ratio of the covariates, 4 degrees of freedom; p", f"{gain:.1f}; {chi2.sf(gain, 4):.1e}")  # fmt: skip
    published = (0.2859, 0.6241, -0.6430, 0.7907)
    off = max(abs(a - b) for a, b in zip(found.coefficients_.values(), published, strict=True))
    yield line("apparel, Pareto/NBD: largest distance of a coefficient from CLVTools'", round(off, 4), "", "<= 0.005", off <= 0.005)  # fmt: skip


def quadrature(quick: bool) -> Iterator[Line]:
    """The integral over the moment of leaving against an adaptive rule, ten thousand purchases and ten years included."""
    one, worst = np.ones(1), 0.0
    for alpha, s, beta in SHAPES:
        for x, t, age in SPANS:
            found = log_integral(x * one, t * one, age * one, 0.6, alpha * one, s, beta * one)[0]
            worst = max(worst, float(abs(found - adaptive(x, t, age, 0.6, alpha, s, beta))))
    what = f"Pareto/NBD: largest error of ln of the integral, {len(SHAPES) * len(SPANS)} cases"
    yield line(what, f"{worst:.1e}", "", "<= 1e-8", worst <= 1e-8)


def speed(quick: bool) -> Iterator[Line]:
    """CPU seconds of one fit against lifetimes, on one thread, in paired rounds of fresh processes that are warmed up."""
    python = environment("lifetimes", LIFETIMES)
    if python is None:
        yield line("lifetimes 0.11.3", "could not be installed")
        return
    cases = [("CDNOW all", "ParetoModel", cdnow(), 70.0), ("CDNOW all", "BetaGeoModel", cdnow(), None)]
    if not quick:
        cases.append(("1 M simulated", "BetaGeoModel", whole_days(geometric(1_000_000, 0)), 50.0))
    for name, model, history, bar in cases:
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder) / "history.npy")
            np.save(file, [history["frequency"], history["t_x_days"] / 7, history["T_days"] / 7])
            rounds = []
            for _ in range(1 if quick else 3):
                theirs = run([str(ROOT / "benchmarks" / "opponents" / "value_lifetimes.py"), file, model], 1, python)
                ours = run(["-m", "benchmarks.opponents.value_ours", file, model], 1)
                rounds.append([json.loads(o.output)["cpu"] for o in (theirs, ours)])
        ratio = median(a / b for a, b in rounds)
        said = "; ".join(f"{a:.2f} / {b:.3f}" for a, b in rounds)
        what = f"{name}, {model}: times faster than lifetimes 0.11.3, median of rounds (CPU s {said})"
        yield line(what, round(ratio, 1), "×", f">= {bar:g}" if bar else "", ratio >= bar if bar else None)


def size(quick: bool) -> Iterator[Line]:
    """Ten million customers, and sixty horizons for a million, on one thread."""
    million = whole_days(geometric(100_000 if quick else 1_000_000, 0))
    n = len(million)
    for model in MODELS:
        spent, found = _cpu(lambda m=model: m().fit(million))
        yield line(f"{model.__name__}: fit of {n:,} customers", round(spent, 3), "CPU s")
        spent, _ = _cpu(lambda f=found: f.expected_purchases(million, [f"{30 * k}d" for k in range(1, 61)]))
        yield line(f"{model.__name__}: {n:,} customers × 60 horizons", round(spent, 2), "CPU s", "<= 5", spent <= 5)
    if quick:
        return
    ten = pd.concat([million, *(whole_days(geometric(1_000_000, s)) for s in range(1, 10))], ignore_index=True)
    for model in (BetaGeoModel, ParetoModel):
        spent, _ = _cpu(lambda m=model: m().fit(ten))
        bar = ("<= 3", spent <= 3) if model is BetaGeoModel else ("", None)
        yield line(f"{model.__name__}: fit of {len(ten):,} customers, packing included", round(spent, 2), "CPU s", *bar)


def recovery(quick: bool) -> Iterator[Line]:
    """How often 95 % intervals hold the true parameters of simulated customers."""
    bases = 20 if quick else 200
    for model in MODELS:
        true = PARETO if model is ParetoModel else GEOMETRIC
        inside = []
        for seed in range(bases):
            made = pareto(4000, seed) if model is ParetoModel else geometric(4000, seed, int(model is not BetaGeoModel))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DataContractWarning)
                told = model().fit(made).summary().set_index("parameter")
            inside.append([told.loc[k, "low"] <= v <= told.loc[k, "high"] for k, v in true.items()])
        share = float(np.mean(inside))
        each = ", ".join(f"{k} {v:.3f}" for k, v in zip(true, np.mean(inside, axis=0), strict=True))
        what = f"{model.__name__}: coverage of 95 % intervals, {bases} bases of 4,000 ({each})"
        yield line(what, round(share, 4), "", "0.93 to 0.97", None if quick else 0.93 <= share <= 0.97)


def btyd(quick: bool) -> Iterator[Line]:
    """All of them."""
    for part in (anchors, spend, covariates, quadrature, speed, size, recovery):
        yield from part(quick)


def _cpu(work):  # type: ignore[no-untyped-def]
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        result = work()
    return time.process_time() - start, result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller data, under a minute")
    emit(btyd(parser.parse_args().quick))
