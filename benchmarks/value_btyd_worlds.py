"""Made customers whose parameters are known, and an adaptive integral, for the models that say when customers have left."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.integrate import quad

Float = npt.NDArray[np.float64]
GEOMETRIC = {"r": 0.2426, "alpha": 4.4135, "a": 0.7929, "b": 2.4258}
PARETO = {"r": 0.55, "alpha": 10.6, "s": 0.61, "beta": 11.7}
SHAPES = ((11.6, 0.52, 8.8), (0.01, 0.1, 200.0), (200.0, 5.0, 0.1), (3.0, 60.0, 700.0), (0.05, 200.0, 900.0))
"""alpha, s and beta, in weeks."""
SPANS = (
    (0, 0, 1 / 7), (0, 0, 520), (1, 1, 520), (30, 100, 105), (300, 200, 520), (10_000, 500, 520), (10_000, 0.2, 520), (10_000, 1, 8 / 7),
)  # fmt: skip
"""Purchases, t_x and T, in weeks."""


def geometric(n: int, seed: int, first: int = 0, true: dict[str, float] = GEOMETRIC, weeks: tuple[float, float] = (4, 52)) -> pd.DataFrame:  # fmt: skip
    """Histories of BG/NBD (first = 0) or MBG/NBD (1) customers, in fractions of days; times of parameters in weeks."""
    rng = np.random.default_rng(seed)
    age, pace = rng.uniform(*weeks, n), rng.gamma(true["r"], 1 / true["alpha"], n)
    p = rng.beta(true["a"], true["b"], n)
    x, now = np.zeros(n, np.int64), np.zeros(n)
    there = np.flatnonzero(rng.random(n) >= p) if first else np.arange(n)
    while len(there):
        next_ = now[there] + rng.standard_exponential(len(there)) / np.maximum(pace[there], 1e-300)
        there, next_ = there[next_ <= age[there]], next_[next_ <= age[there]]
        now[there] = next_
        x[there] += 1
        there = there[rng.random(len(there)) >= p[there]]
    return _table(x, now, age)


def pareto(n: int, seed: int, true: dict[str, float] = PARETO, weeks: tuple[float, float] = (4, 52)) -> pd.DataFrame:
    """Histories of Pareto/NBD customers, in fractions of days; times of parameters in weeks."""
    rng = np.random.default_rng(seed)
    age, pace = rng.uniform(*weeks, n), rng.gamma(true["r"], 1 / true["alpha"], n)
    stay = rng.standard_exponential(n) / np.maximum(rng.gamma(true["s"], 1 / true["beta"], n), 1e-300)
    seen = np.minimum(stay, age)
    x = rng.poisson(pace * seen)
    last = seen * rng.random(n) ** (1 / np.maximum(x, 1))  # the greatest of x uniform times
    return _table(x, np.where(x > 0, last, 0.0), age)


def adaptive(x: float, t: float, age: float, r: float, alpha: float, s: float, beta: float) -> float:
    """ln ∫ (α+τ)^−(r+x) (β+τ)^−(s+1) dτ from t to age, by an adaptive rule on pieces of a logarithmic scale."""

    def integrand(v: float) -> float:
        u = np.exp(v)
        return float(u * np.exp(-(r + x) * np.log1p(u / (alpha + t)) - (s + 1) * np.log1p(u / (beta + t))))

    pieces = pairwise(np.linspace(np.log(age - t) - 40, np.log(age - t), 81))
    told = sum(quad(integrand, a, b, epsabs=0, epsrel=1e-12)[0] for a, b in pieces)
    return float(np.log(told) - (r + x) * np.log(alpha + t) - (s + 1) * np.log(beta + t))


def whole_days(history: pd.DataFrame) -> pd.DataFrame:
    """Times as a shop that notes days alone would know them: the last purchase on the day in which it fell."""
    age = np.ceil(history["T_days"]).astype(np.int64)
    return history.assign(t_x_days=np.ceil(history["t_x_days"]).astype(np.int64), T_days=age)


def _table(x: npt.NDArray[np.int64], last: Float, age: Float) -> pd.DataFrame:
    return pd.DataFrame({"frequency": x, "t_x_days": last * 7, "T_days": age * 7}).rename_axis("customer_id")
