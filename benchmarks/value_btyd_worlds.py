"""Made customers whose parameters are known, for the models that say when customers have left."""

import numpy as np
import numpy.typing as npt
import pandas as pd

Float = npt.NDArray[np.float64]
GEOMETRIC = {"r": 0.2426, "alpha": 4.4135, "a": 0.7929, "b": 2.4258}
PARETO = {"r": 0.55, "alpha": 10.6, "s": 0.61, "beta": 11.7}


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


def whole_days(history: pd.DataFrame) -> pd.DataFrame:
    """Times as a shop that notes days alone would know them: the last purchase on the day in which it fell."""
    age = np.ceil(history["T_days"]).astype(np.int64)
    return history.assign(t_x_days=np.ceil(history["t_x_days"]).astype(np.int64), T_days=age)


def _table(x: npt.NDArray[np.int64], last: Float, age: Float) -> pd.DataFrame:
    return pd.DataFrame({"frequency": x, "t_x_days": last * 7, "T_days": age * 7}).rename_axis("customer_id")
