"""A million logged rounds: CPU seconds of `evaluate_policy`, and how far it lies from a plain second account.

python -m benchmarks.opponents.actions_policy ROUNDS [FILE]
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from crmintel.actions import evaluate_policy


def softmax(u: Any) -> Any:
    """Shares that rise with u."""
    e = np.exp(u - u.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def world(n: int, actions: int = 10, seed: int = 0) -> dict[str, Any]:
    """Softmax logging, a peaked target, and a model of the outcome that is somewhat off."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5))
    p = softmax(x @ rng.normal(0, 0.2, (5, actions)))
    mean = 1 / (1 + np.exp(0.8 - x @ rng.normal(0, 0.35, (5, actions))))
    target = softmax(24 * mean)
    action = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    y = (rng.random(n) < mean[np.arange(n), action]).astype(float)
    model = np.clip(mean + 0.06 * np.sin(3 * x[:, :1]) - 0.03, 0, 1)
    truth = float((target * mean).sum(axis=1).mean())
    return {
        "action": action,
        "y": y,
        "p": p[np.arange(n), action],
        "every": p,
        "target": target,
        "model": model,
        "truth": truth,
    }


def plain(w: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Five estimators and their standard errors, one round after the other, in numbers of Python."""
    n, total = len(w["y"]), [0.0] * 4
    rounds = []
    for a, y, p, t, q in zip(*(w[k].tolist() for k in ("action", "y", "p", "target", "model")), strict=True):
        weight, direct = t[a] / p, sum(x * z for x, z in zip(t, q, strict=True))
        rounds.append((weight, y, direct, y - q[a]))
        for i, x in enumerate((weight, weight * y, direct, weight * (y - q[a]))):
            total[i] += x
    mean, v, s = total[0] / n, total[1] / total[0], total[3] / total[0]
    kinds = {
        "IPW": lambda g, y, d, r: g * y,
        "SNIPW": lambda g, y, d, r: v + g * (y - v) / mean,
        "DM": lambda g, y, d, r: d,
        "DR": lambda g, y, d, r: d + g * r,
        "SNDR": lambda g, y, d, r: d + s + g * (r - s) / mean,
    }
    told = {}
    for name, kind in kinds.items():
        values = [kind(*r) for r in rounds]
        centre = sum(values) / n
        told[name] = (centre, (sum((x - centre) ** 2 for x in values) / (n - 1) / n) ** 0.5)
    return told


def main(n: int, file: str | None) -> None:
    """Print one JSON object."""
    w = world(n)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        found = evaluate_policy(w["action"], w["y"], w["p"], w["target"], expected=w["model"])
        seconds.append(time.process_time() - start)
    start = time.process_time()
    evaluate_policy(w["action"], w["y"], w["every"], w["target"], expected=w["model"], bounds=(0, 1))
    more = time.process_time() - start
    table = found.estimates.set_index("estimator")
    loop = plain(w)
    off = max(abs(table.loc[k, c] - x[i]) for k, x in loop.items() for i, c in enumerate(("value", "se")))
    if file:
        np.savez(Path(file), **{k: v for k, v in w.items() if k != "every"})
    told = {r.estimator: (r.value, r.low, r.high, bool(r.trusted)) for r in found.estimates.itertuples()}
    print(json.dumps({
        "cpu": min(seconds), "first": seconds[0], "more": more, "off": off, "truth": w["truth"], "estimates": told,
        "effective": found.diagnostics.effective_share, "largest": found.diagnostics.largest_weight,
        "warnings": found.warnings, "gain": str(found.gain), "verdict": found.verdict,
    }))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
