"""The bars of time to churn: survival curves beside Cox (lifelines) and gradient boosting (scikit-survival) on real data.

python -m benchmarks.churn_survival [--quick]
"""

import json
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measure import DATA, ROOT, Line, command, environment, run
from crmintel import InteractionLog, Policies
from crmintel import features as f
from crmintel.churn import TimeToChurn
from crmintel.errors import DataContractWarning
from crmintel.evaluation.survival import concordance, integrated_brier

BENCH = "churn"
PEERS = ("lifelines==0.30.3", "scikit-survival==0.28.0", "pyarrow")
NAMES = ("Cox", "gradient boosting", "gradient boosting, default")
WORDS = {
    "Cox": "Cox (lifelines, ridge .1)",
    "gradient boosting": "scikit-survival gradient boosting (100 × .1, depth 3, row .7)",
    "gradient boosting, default": "scikit-survival gradient boosting, default",
}
Case = tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]


def telco() -> Case:
    """Months to leaving; tenure 0 is left out, `TotalCharges` is time × price."""
    frame = pd.read_parquet(DATA / "telco_ibm" / "telco.parquet")
    frame = frame[frame["tenure"] > 0].reset_index(drop=True)
    X = frame.drop(columns=["customerID", "tenure", "TotalCharges", "Churn"])
    X["SeniorCitizen"] = X["SeniorCitizen"].astype(str)
    return X, frame["tenure"].to_numpy(float), (frame["Churn"] == "Yes").to_numpy(), np.arange(1.0, 70.0)


def retail() -> Case:
    """Days from 1 June 2011 to the next purchase, by what was known then."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        log = InteractionLog.read(
            DATA / "online_retail" / "interactions.parquet",
            policies=Policies(on_missing="drop"),
            timezone="Europe/London",
        )
    X = f.standard(log, at="2011-06-01").build(log, at=["2011-06-01"])
    told = f.time_to_event(log, X.index)
    return X.reset_index(drop=True), told["days"].to_numpy(), told["observed"].to_numpy(), np.arange(1.0, 190.0)


def held_out(observed: np.ndarray, seed: int) -> np.ndarray:
    """Three in ten of those who were seen leaving, and of the others."""
    rng = np.random.default_rng(seed)
    test = np.zeros(len(observed), bool)
    for kind in (False, True):
        rows = np.flatnonzero(observed == kind)
        test[rng.permutation(rows)[: round(0.3 * len(rows))]] = True
    return test


def compared(case: Case, seed: int, python: Path | None, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """C, integrated Brier score and CPU seconds of ours and each peer on one split; ours by both implementations."""
    X, duration, observed, times = case
    test = held_out(observed, seed)
    train = ~test
    cpu = time.process_time()
    model = TimeToChurn(random_state=seed, threads=1).fit(X[train], duration[train], observed[train])
    curves = model.survival(X[test], times=times).to_numpy()
    cpu = time.process_time() - cpu
    ours = {
        "c": concordance(duration[test], observed[test], -curves.mean(axis=1)),
        "ibs": integrated_brier(duration[test], observed[test], curves, times, censoring=(duration[train], observed[train])),
        "cpu": cpu,
    }  # fmt: skip
    if python is None:
        return {"ours": ours}
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("rows.parquet", "times.npy", "ours.npy")]
        X.assign(duration=duration, observed=observed, test=test).to_parquet(paths[0])
        np.save(paths[1], times)
        np.save(paths[2], curves)
        module = "benchmarks.opponents.churn_survival_peers"
        told = json.loads(run(["-m", module, *paths, *names], threads=1, python=python).output)
    told["by scikit-survival"] = told.pop("ours")
    told.pop("version")
    return {"ours": ours, **told}


def survival(quick: bool) -> Iterator[Line]:
    """Concordance and integrated Brier score of time to churn, means over splits."""
    names = NAMES[:1] if quick else NAMES
    seeds = (0,) if quick else (0, 1, 2)
    python = environment("churn_survival", PEERS)
    for data, case in (("telco_ibm, months to leaving", telco), ("online_retail, days to the next purchase", retail)):
        if quick and case is retail:
            continue
        held = case()
        told = [compared(held, seed, python, names) for seed in seeds]
        what = f"{data}, {len(seeds)} split(s) 70/30, 1 thread"
        yield from _lines(what, told, names, python is not None)


def _lines(
    what: str, told: list[dict[str, dict[str, float]]], names: tuple[str, ...], measured: bool
) -> Iterator[Line]:
    ours = {key: float(np.mean([t["ours"][key] for t in told])) for key in ("c", "ibs", "cpu")}
    yield Line(BENCH, f"{what}: C-index, ours", round(ours["c"], 4), "")
    yield Line(BENCH, f"{what}: integrated Brier score, ours", round(ours["ibs"], 4), "")
    yield Line(BENCH, f"{what}: CPU, ours", round(ours["cpu"], 1), "s")
    if not measured:
        yield Line(BENCH, f"{what}: peers", "not measured: lifelines and scikit-survival are not installed", "")
        return
    apart = max(abs(t["ours"][key] - t["by scikit-survival"][key]) for t in told for key in ("c", "ibs"))
    yield Line(
        BENCH, f"{what}: figures of ours by scikit-survival, largest difference", apart, "", "<= 1e-9", apart <= 1e-9
    )
    for name in names:
        c, ibs, cpu = (float(np.mean([t[name][key] for t in told])) for key in ("c", "ibs", "cpu"))
        yield Line(
            BENCH,
            f"{what}: C-index, ours ÷ {WORDS[name]} ({c:.4f})",
            round(ours["c"] / c, 4),
            "ratio",
            ">= 1",
            ours["c"] >= c,
        )
        yield Line(BENCH, f"{what}: integrated Brier score, ours ÷ {WORDS[name]} ({ibs:.4f})", round(ours["ibs"] / ibs, 4), "ratio", "<= 1", ours["ibs"] <= ibs)  # fmt: skip
        yield Line(BENCH, f"{what}: CPU, {WORDS[name]}", round(cpu, 1), "s")


if __name__ == "__main__":
    command(BENCH, __doc__, survival, ROOT / "docs" / "churn.md")
