"""Customers for the tests of churn."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from crmintel import features as f
from crmintel.datasets import simulate
from crmintel.features import FeatureSet


def customers(n: int = 1_500, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Customers whose true log-odds of leaving are known: numbers with holes, and a category."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"), index=pd.Index(range(n), name="customer_id"))
    X["plan"] = rng.choice(["month", "year", "free"], n, p=[0.5, 0.4, 0.1])
    truth = expit(X["a"] * 1.5 - X["b"].clip(lower=0) + (X["plan"] == "month") - 1.0)
    X.loc[rng.random(n) < 0.1, "c"] = np.nan
    return X, (rng.random(n) < truth).to_numpy()


@pytest.fixture(scope="package")
def world() -> tuple[FeatureSet, pd.DataFrame, pd.Series]:
    """Features and labels of simulated customers at several instants."""
    log = simulate(250, days=500, seed=1).log(quiet=True)
    at = f.monthly("2023-07-01", "2023-12-01")
    fs = f.standard(log, at=at[0])
    X = fs.build(log, at=at)
    return fs, X, f.churned(log, X.index, "60d")
