"""EMPC against its published implementation, emp-py 2.0.4; called by the benchmark of churn."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.special import expit

from benchmarks.measure import Line, environment, run
from crmintel.churn import empc, profit_curve

BENCH = "churn"
EMP = ("emp-py==2.0.4",)
BAR = 1e-9


def customers(n: int, seed: int, *, digits: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities; rounded ones have many ties."""
    rng = np.random.default_rng(seed)
    p = expit(1.5 * rng.normal(size=n) - 1.2)
    y = (rng.random(n) < p).astype(np.int64)
    return y, p if digits is None else np.round(p, digits)


def profit(quick: bool) -> Iterator[Line]:
    """The difference to emp-py on samples with and without ties, and what the curve costs."""
    samples = [
        customers(n, seed, digits=digits)
        for seed, n in enumerate((200, 1_000, 7_043) if quick else (50, 200, 500, 1_000, 7_043, 20_000))
        for digits in (None, 2, 1)
    ]
    what = f"EMPC, {len(samples)} samples of {len(samples[0][0]):,} to {len(samples[-1][0]):,} customers, with and without ties"
    theirs = peer(samples)
    if theirs is None:
        yield Line(
            BENCH, f"{what}: difference to emp-py 2.0.4", "not measured: emp-py is not installed", "", f"<= {BAR:g}"
        )
    else:
        ours = [empc(y, p) for y, p in samples]
        for name, told in (("profit", [e.profit for e in ours]), ("fraction", [e.fraction for e in ours])):
            place = 0 if name == "profit" else 1
            gap = float(np.abs(np.array(told) - np.array(theirs)[:, place]).max())
            yield Line(BENCH, f"{what}: largest difference of the {name} to emp-py 2.0.4", float(f"{gap:.1e}"), "", f"<= {BAR:g}", gap <= BAR)  # fmt: skip
    y, p = customers(7_043, 1)
    yield Line(BENCH, "EMPC, 7,043 customers: CPU", round(1000 * cpu(lambda: empc(y, p)), 1), "ms")
    yield Line(
        BENCH, "profit curve, 7,043 customers, 300 draws: CPU", round(1000 * cpu(lambda: profit_curve(y, p))), "ms"
    )


def peer(samples: list[tuple[np.ndarray, np.ndarray]]) -> list[list[float]] | None:
    """Profit and fraction of each sample by emp-py; None where it cannot be had."""
    python = environment("emp-py", EMP)
    if python is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "samples.npz")
        np.savez(path, **{f"{k}_{i}": a for i, pair in enumerate(samples) for k, a in zip("yp", pair, strict=True)})
        output = run(["-m", "benchmarks.opponents.churn_emp", path], threads=1, python=python).output
    told: list[list[float]] = json.loads(output)
    return told


def cpu(call: Callable[[], object]) -> float:
    """The least CPU seconds of three calls."""
    took = []
    for _ in range(3):
        start = time.process_time()
        call()
        took.append(time.process_time() - start)
    return min(took)
