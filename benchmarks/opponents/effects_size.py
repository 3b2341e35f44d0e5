"""A large made experiment: what a policy earns of what is possible, and the CPU seconds of its fit.

python -m benchmarks.opponents.effects_size ours|t N
"""

import json
import sys
import time

import numpy as np
import pandas as pd


def world(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Columns, arm, outcome, and the effect of every arm."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 30))
    base = 0.5 * x[:, 0] + 0.3 * x[:, 1] * x[:, 2] + 0.4 * np.sin(x[:, 3])
    effects = np.column_stack([
        np.zeros(n), 0.1 + 0.2 * x[:, 4] + 0.1 * (x[:, 5] > 0), 0.05 + 0.15 * x[:, 6] * (x[:, 7] > 0), 0.3 * np.tanh(x[:, 8]) - 0.05,
    ])  # fmt: skip
    arm = rng.integers(0, 4, n)
    return x, arm, base + effects[np.arange(n), arm] + rng.normal(size=n), effects


def ours(x: np.ndarray, arm: np.ndarray, y: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, float]:
    """Effects by our model, and the seconds of its fit."""
    from crmintel.actions import EffectModel

    names = np.array(["no action", "a", "b", "c"])
    X, action = pd.DataFrame(x).add_prefix("x"), names[arm]
    start = time.process_time()
    model = EffectModel().fit(X, action, y, propensity=dict.fromkeys(names, 0.25))
    cpu = time.process_time() - start
    return model.predict(pd.DataFrame(new).add_prefix("x")).to_numpy(), cpu


def t_learner(x: np.ndarray, arm: np.ndarray, y: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, float]:
    """Effects by one LightGBM model an arm."""
    from lightgbm import LGBMRegressor

    models = [LGBMRegressor(n_estimators=100, num_leaves=8, learning_rate=0.05, n_jobs=1, verbose=-1) for _ in range(4)]
    start = time.process_time()
    for a, model in enumerate(models):
        model.fit(x[arm == a], y[arm == a])
    cpu = time.process_time() - start
    told = np.column_stack([m.booster_.predict(new, num_threads=1) for m in models])
    return told[:, 1:] - told[:, :1], cpu


if __name__ == "__main__":
    x, arm, y, _ = world(int(sys.argv[2]), 0)
    new, _, _, truth = world(200_000, 1)
    told, cpu = (ours if sys.argv[1] == "ours" else t_learner)(x, arm, y, new)
    value = truth[np.arange(len(truth)), np.argmax(np.column_stack([np.zeros(len(told)), told]), axis=1)].mean()
    oracle, single = truth.max(axis=1).mean(), truth.mean(axis=0).max()
    print(json.dumps({"share": value / oracle, "gained": (value - single) / (oracle - single), "cpu": cpu}))
