"""Learn, predict and explain on a made table of customers, and say how long each took.

python -m benchmarks.opponents.churn_ours ROWS {light,stack}
"""

import sys

import numpy as np
import pandas as pd

from benchmarks.opponents.command import Steps
from crmintel.churn import LIGHT, ChurnClassifier, reasons

COLUMNS = 75
EXPLAINED = 10_000


def table(rows: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Heavy-tailed counts, money, days and shares, some with holes; a fifth of the customers leave."""
    rng = np.random.default_rng(seed)
    of = rng.normal(size=(3, rows))
    columns, score = {}, np.full(rows, -1.6)
    for j in range(COLUMNS):
        x = 0.6 * of[j % 3] + 0.8 * rng.normal(size=rows)
        kind = j % 4
        value = np.floor(np.exp(x)) if kind == 0 else np.exp(1.2 * x + 3) if kind == 1 else 1 / (1 + np.exp(-x)) if kind == 2 else x * 30 + 90  # fmt: skip
        if j % 5 == 4:
            value[rng.random(rows) < 0.15] = np.nan
        columns[f"feature_{j:02d}"] = value
        score += 0.25 * x * (j < 12) - 0.2 * np.maximum(x, 0) * (12 <= j < 18)
    return pd.DataFrame(columns), rng.random(rows) < 1 / (1 + np.exp(-score))


if __name__ == "__main__":
    X, y = table(int(sys.argv[1]))
    model, steps = ChurnClassifier(LIGHT if sys.argv[2] == "light" else None), Steps()
    with steps.step("fit"):
        model.fit(X, y)
    with steps.step("predict"):
        model.predict_proba(X)
    with steps.step("explain"):
        reasons(model, X.iloc[:EXPLAINED])
    print(steps)
