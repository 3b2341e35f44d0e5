"""The bars of proof from records: a million rounds, the open bandit data, and how often intervals hold the truth.

A part of `python -m benchmarks.actions`.
"""

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import DATA, Line, run
from benchmarks.opponents.actions_policy import softmax
from crmintel.actions import confidence_sequence, evaluate_policy, off_policy_sequence

line = partial(Line, "actions")

NAMES = ("IPW", "SNIPW", "DR", "SNDR")
LIMIT = "IPW, empirical Bernstein"


def size(quick: bool) -> Iterator[Line]:
    """A million rounds, ten actions, in a process of its own."""
    n = 100_000 if quick else 1_000_000
    told = json.loads(run(["-m", "benchmarks.opponents.actions_policy", str(n)], threads=1).output.splitlines()[-1])
    what = f"{n:,} rounds × 10 actions"
    yield line(
        f"{what}: seven estimators, intervals, diagnostics, gain over every action; best of 5",
        round(told["cpu"], 3),
        "CPU s",
        "<= 0.25",
        told["cpu"] <= 0.25,
    )
    yield line(
        f"{what}: the same with the propensities of all actions and exact limits", round(told["more"], 3), "CPU s"
    )
    yield line(
        f"{what}: largest difference to a plain loop, value or standard error",
        f"{told['off']:.1e}",
        "",
        "<= 1e-10",
        told["off"] <= 1e-10,
    )
    yield line(f"{what}: effective share, largest weight", f"{told['effective']:.1%}, {told['largest']:.0f}")
    for name, (value, low, high, trusted) in told["estimates"].items():
        inside = "holds" if low <= told["truth"] <= high else "misses"
        yield line(
            f"{what}: {name}, truth {told['truth']:.4f}",
            f"{value:.4f} ({low:.4f} to {high:.4f}), {inside} the truth, {'trusted' if trusted else 'not trusted'}",
            "",
            "no trusted interval misses",
            inside == "holds" or not trusted,
        )
    yield line(f"{what}: gain over the best single action", f"{told['gain']}, {told['verdict']}", "95 % interval")


def bandit(quick: bool) -> Iterator[Line]:
    """Clicks in a shop: what showing the 80 items at random is worth, from the random log and from that of a learner."""
    found = {}
    for log in ("random", "bts"):
        rounds = pd.read_parquet(DATA / "obd_small" / f"{log}_all.parquet")
        target = pd.DataFrame(1 / 80, index=rounds.index, columns=range(80))
        found[log] = evaluate_policy(rounds["item_id"], rounds["click"], rounds["propensity_score"], target)
        told = found[log].estimates.set_index("estimator")
        for name in ("IPW", "SNIPW"):
            value = f"{told.loc[name, 'value']:.5f} ({told.loc[name, 'se']:.5f})"
            yield line(f"obd_small, {log} log, uniform over 80 items: {name} (standard error)", value)
    thin = found["bts"].diagnostics
    warned = any("effective rounds" in w for w in found["bts"].warnings) and not found["bts"].estimates["trusted"].any()
    yield line(
        "obd_small, bts log: effective share, largest weight, mean weight",
        f"{thin.effective_share:.1%}, {thin.largest_weight:.0f}, {thin.mean_weight:.3f}",
        "",
        "warned of",
        warned and not found["random"].warnings,
    )
    a, b = (found[k].estimates.set_index("estimator").loc["SNIPW"] for k in ("random", "bts"))
    gap = abs(a["value"] - b["value"]) / np.hypot(a["se"], b["se"])
    yield line("obd_small: the two logs differ by", round(float(gap), 2), "standard errors", "< 2", gap < 2)


def simulated(n: int, seed: int, *, each: int = 1) -> dict[str, Any]:
    """A log of rounds, `each` of them on average a customer, who keeps his features and often repeats his first round."""
    rng = np.random.default_rng(seed)
    taste, habit = np.random.default_rng(7).normal(0, 0.6, (2, 3, 5))
    who = np.arange(n) if each == 1 else np.sort(rng.integers(0, n // each, n))
    x = rng.normal(size=(who.max() + 1, 3))[who]
    mean = 0.2 + 0.6 / (1 + np.exp(-x @ taste))
    p, target = softmax(x @ habit), softmax(6 * mean)
    action = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    y = (rng.random(n) < mean[np.arange(n), action]).astype(float)
    model = mean + 0.1 * np.sin(3 * x[:, :1])
    if each > 1:
        copied = np.where(rng.random(n) < 0.7, np.searchsorted(who, who), np.arange(n))
        action, y = action[copied], y[copied]
    best = int(mean.mean(axis=0).argmax())
    return {
        "who": who, "action": action, "y": y, "p": p, "target": target, "model": model,
        "truth": (target * mean).sum(axis=1).mean(), "singles": mean.mean(axis=0), "best": best,
    }  # fmt: skip


def coverage(quick: bool) -> Iterator[Line]:
    """How often intervals hold the value of the policy, alone and with several rounds a customer."""
    runs, big = (100, 100_000) if quick else (500, 2_000_000)
    world = simulated(big, 99_991)
    truth, gain = world["truth"], world["truth"] - world["singles"].max()
    for each, what in ((1, "one round a customer"), (4, "four rounds a customer")):
        held: Counter[str] = Counter()
        for seed in range(runs):
            w = simulated(2_000, seed + 10_000 * each, each=each)
            found = evaluate_policy(
                w["action"], w["y"], w["p"], w["target"], expected=w["model"], customer=w["who"], bounds=(0, 1)
            )
            for row in found.estimates.itertuples():
                held[row.estimator] += row.low <= truth <= row.high
            if each > 1:
                alone = evaluate_policy(w["action"], w["y"], w["p"], w["target"], expected=w["model"]).value
                held["alone"] += alone.low <= truth <= alone.high
            held["gain"] += found.gain.low <= gain <= found.gain.high
        for name in NAMES:
            share = held[name] / runs
            yield line(
                f"{what}, 2,000 rounds, {runs} runs: {name} 95 % interval holds the truth",
                f"{share:.1%}",
                "",
                "93 to 97 %",
                0.93 <= share <= 0.97,
            )
        share = held[LIMIT] / runs
        yield line(f"{what}: empirical Bernstein lower limit holds", f"{share:.1%}", "", ">= 95 %", share >= 0.95)
        yield line(
            f"{what}: gain over the best single action holds",
            f"{held['gain'] / runs:.1%}",
            "",
            ">= 95 %",
            held["gain"] >= 0.95 * runs,
        )
        if each > 1:
            yield line(f"{what}: SNDR, customers not named", f"{held['alone'] / runs:.1%}")
        others = ("DM", "Switch", "shrinkage DR")
        yield line(f"{what}: {', '.join(others)}, marked or not", ", ".join(f"{held[k] / runs:.1%}" for k in others))


def sequences(quick: bool) -> Iterator[Line]:
    """How often limits that may be looked at always miss at some round of their whole path."""
    runs, n, big = (100, 2_000, 100_000) if quick else (500, 5_000, 2_000_000)
    truth = simulated(big, 99_991)["truth"]
    missed: Counter[str] = Counter()
    for seed in range(runs):
        w = simulated(n, seed + 50_000)
        at = np.arange(n)
        weight = w["target"][at, w["action"]] / w["p"][at, w["action"]]
        direct = (w["target"] * w["model"]).sum(axis=1)
        paths = {
            "asymptotic, DR": confidence_sequence(direct + weight * (w["y"] - w["model"][at, w["action"]])),
            "asymptotic, IPW": confidence_sequence(weight * w["y"]),
            "exact, IPW": off_policy_sequence(weight, w["y"], bounds=(0, 1)),
        }
        for name, path in paths.items():
            missed[name] += ((path["low"] > truth) | (path["high"] < truth)).any()
            missed[name + " width"] += path["high"].iloc[-1] - path["low"].iloc[-1]
    for name in paths:
        share = missed[name] / runs
        yield line(
            f"sequence, {name}: ever misses in {n:,} rounds, {runs} runs",
            f"{share:.1%}",
            *(("", "<= 5 %", share <= 0.05) if name != "asymptotic, IPW" else ()),
        )
        yield line(f"sequence, {name}: mean width at the end", round(missed[name + " width"] / runs, 4))
    found = [learning(seed, 2_000) for seed in range(runs)]
    share = float(np.mean(found))
    yield line(
        f"sequence, exact, log of a policy that learns: ever misses in 2,000 rounds, {runs} runs",
        f"{share:.1%}",
        "",
        "<= 5 %",
        share <= 0.05,
    )


def learning(seed: int, n: int) -> bool:
    """Whether the exact sequence ever misses, when the log comes from a policy that follows what sold."""
    rng = np.random.default_rng(seed)
    p, got, w, y = 0.5, [[1.0, 1.0], [1.0, 1.0]], np.zeros(n), np.zeros(n)
    for t in range(n):
        act = int(rng.random() < p)
        y[t] = rng.random() < (0.4, 0.5)[act]
        w[t] = act / p
        got[act][0] += y[t]
        got[act][1] += 1
        p = 0.9 if got[1][0] / got[1][1] > got[0][0] / got[0][1] else 0.1
    path = off_policy_sequence(w, y, bounds=(0, 1))
    return bool(((path["low"] > 0.5) | (path["high"] < 0.5)).any())


def lines(quick: bool) -> Iterator[Line]:
    """All of them."""
    for part in (size, bandit, coverage, sequences):
        yield from part(quick)
