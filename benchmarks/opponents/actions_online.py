"""One customer at a time: effects of a stack of trees and a line, then prices.

python -m benchmarks.opponents.actions_online ACTIONS
"""

import json
import sys
import time

import numpy as np
import pandas as pd

from crmintel.actions import Decider, EffectModel, allocate, choose_policy

if __name__ == "__main__":
    k, n = int(sys.argv[1]), 20_000
    rng = np.random.default_rng(0)
    names = np.array(["no action", *(f"action {a}" for a in range(k))])
    x, arm = rng.normal(size=(n, 30)), rng.integers(0, k + 1, n)
    effect = np.column_stack([np.zeros(n), *(0.3 * x[:, a] + 0.3 * (x[:, (a + 3) % 30] > 0) for a in range(k))])
    y = 0.5 * x[:, 0] + effect[np.arange(n), arm] + rng.normal(size=n)
    X = pd.DataFrame(x).add_prefix("x")
    policy = choose_policy(EffectModel().fit(X, names[arm], y, propensity=dict.fromkeys(names, 1 / (k + 1))), cost=0.05)
    gains = policy.gains(X)
    prices = allocate(gains, cost=0.05, capacity=dict.fromkeys(gains.columns, n // (3 * k))).prices
    decider, rows = Decider(policy, prices), [list(row) for row in x[:3_000]]
    many, seconds, differ = prices.decide_many(gains.head(3_000)), [], 0
    for row, batch, gain in zip(rows, many, gains.head(3_000).to_numpy(), strict=True):
        start = time.perf_counter()
        decision = decider.decide(row)
        seconds.append(time.perf_counter() - start)
        differ += decision.actions != batch or list(decision.gains.values()) != gain.tolist()
    median, p95 = np.percentile(seconds, [50, 95]) * 1e3
    print(json.dumps({"median": median, "p95": p95, "differ": differ, "models": len(policy.model.stack_.models)}))
