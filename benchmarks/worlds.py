"""Customers with groups planted in them, clouds without any, and rows of numbers and categories."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Float = npt.NDArray[np.float64]
SHAPES = ("round", "heavy tails", "money")
CLOUDS = ("round", "long", "uniform", "log-normal", "correlated", "recency, frequency, money")


def planted(shape: str, seed: int, *, categories: int = 0, n: int = 1_500, k: int = 4) -> tuple[pd.DataFrame, Any]:
    """Groups whose centres lie at least six standard deviations apart, and which customer belongs to which."""
    rng = np.random.default_rng(seed)
    while True:
        centres = rng.normal(0, 3.2, (k, 4))
        apart = np.sqrt(((centres[:, None] - centres) ** 2).sum(-1))[np.triu_indices(k, 1)]
        if apart.min() > 6:
            break
    of = rng.choice(k, size=n)
    noise = rng.standard_t(5, (n, 4)) / np.sqrt(5 / 3) if shape == "heavy tails" else rng.normal(size=(n, 4))
    x = centres[of] + noise
    table = pd.DataFrame(np.exp((x + 8) / 2) if shape == "money" else x, columns=list("abcd"))
    for j in range(categories):
        odds = rng.dirichlet(np.full(4, 0.3), size=k).cumsum(axis=1)
        table[f"kind{j}"] = [f"v{min(np.searchsorted(odds[i], rng.random()), 3)}" for i in of]
    return table, of


def cloud(kind: str, seed: int, n: int = 800, *, categories: bool = False) -> pd.DataFrame:
    """Customers without groups; with two categories, one that goes with nothing and one that follows a number, if wanted."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    if kind == "long":
        x = x * [4, 1, 1, 1]
    elif kind == "uniform":
        x = rng.uniform(size=(n, 4))
    elif kind == "log-normal":
        x = 50 * np.exp(x)
    elif kind == "correlated":
        x = rng.multivariate_normal(np.zeros(4), 0.7 * np.ones((4, 4)) + 0.3 * np.eye(4), n)
    elif kind == "recency, frequency, money":
        count = 1 + rng.poisson(rng.gamma(1.0, 4, n))
        x = np.c_[rng.exponential(365 / count), count, count * np.exp(rng.normal(3, 0.6, n))]
    table = pd.DataFrame(x, columns=list("abcd")[: x.shape[1]])
    if categories:
        table["kind"] = rng.choice(list("wxyz"), n, p=[0.5, 0.3, 0.15, 0.05])
        table["size"] = np.digitize(table["b"].rank(pct=True) + rng.normal(0, 0.2, n), [0.3, 0.7]).astype(str)
    return table


def mixed(rows: int) -> tuple[Float, npt.NDArray[np.int64]]:
    """Six groups that overlap: five numbers (centres with deviation 1.2, noise 1) and five categories of five levels."""
    rng = np.random.default_rng(0)
    of = rng.integers(6, size=rows)
    x = rng.normal(0, 1.2, (6, 5))[of] + rng.normal(size=(rows, 5))
    odds = rng.dirichlet(np.full(5, 0.5), size=(6, 5)).cumsum(axis=2)
    return x, (rng.random((rows, 5, 1)) > odds[of]).sum(axis=2).clip(max=4)


def transactions(rows: int, customers: int, *, text: bool) -> pd.DataFrame:
    """Customers who buy at random moments of a year, for heavy-tailed amounts."""
    rng = np.random.default_rng(0)
    who = rng.integers(customers, size=rows)
    time = np.datetime64("2023-01-01", "us") + rng.integers(365 * 86_400 * 10**6, size=rows)
    table = pd.DataFrame({"customer_id": who, "timestamp": time, "amount": np.round(rng.lognormal(3, 1, rows), 2)})
    return table.assign(customer_id="C" + table["customer_id"].astype("str")) if text else table


def moves(matrix: Float, customers: int, steps: int, stay: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """States of customers who move by a matrix of rates, shape (steps + 1, customers); a share `stay` never moves."""
    k = len(matrix)
    states = [rng.integers(k, size=customers)]
    frozen = rng.random(customers) < stay
    for _ in range(steps):
        moved = (rng.random((customers, 1)) > matrix.cumsum(axis=1)[states[-1]]).sum(axis=1).clip(max=k - 1)
        states.append(np.where(frozen, states[-1], moved))
    return np.array(states)
