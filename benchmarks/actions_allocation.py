"""The bars of the allocation: CPU, certified gap, memory and feasibility beside HiGHS, and one decision online.

A part of `python -m benchmarks.actions`; run by name it solves one instance.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.optimize import linprog

from benchmarks.measure import Line, run

line = partial(Line, "actions")

ACTIONS, PART = 10, 100_000
NAMES = [f"action {a}" for a in range(ACTIONS)]
Bool = npt.NDArray[np.bool_]
VARIANTS: dict[str, dict[str, Any]] = {
    "k = 1": {},
    "k = 2": {"k": 2},
    "k = 3": {"k": 3},
    "k = 1, quotas": {"quota": True},
    "k = 2, quotas": {"k": 2, "quota": True},
    "k = 3, quotas": {"k": 3, "quota": True},
    "k = 2, three groups of three": {"k": 2, "groups": True},
    "k = 1, costs of pairs": {"own": True},
    "k = 2, groups, quotas, costs of pairs": {"k": 2, "groups": True, "quota": True, "own": True},
}


def instance(n: int, seed: int = 0) -> dict[str, Any]:
    """Heavy-tailed gains of ten actions, 30 % of the pairs not eligible, scarce places, 60 % of the money that would fill them."""
    rng = np.random.default_rng(seed)
    weight, cost = rng.normal(0, 0.7, (ACTIONS, 3)), rng.uniform(0.1, 2, ACTIONS)
    capacity = (n * rng.uniform(0.03, 0.12, ACTIONS)).astype(int)
    gain, eligible = np.empty((n, ACTIONS), np.float32), np.empty((n, ACTIONS), bool)
    for at in range(0, n, PART):
        part = slice(at, min(at + PART, n))
        size = part.stop - at
        scale = rng.gamma(1.2, size=(size, 1)) * np.exp(0.6 * rng.normal(size=(size, 3)) @ weight.T)
        gain[part] = scale - 0.7 + 0.2 * rng.normal(size=(size, ACTIONS))
        eligible[part] = rng.random((size, ACTIONS)) > 0.3
    return {
        "gain": gain,
        "eligible": eligible,
        "cost": cost,
        "capacity": capacity,
        "budget": float(0.6 * capacity @ cost),
    }


def problem(
    n: int, seed: int = 0, k: int = 1, quota: bool = False, groups: bool = False, own: bool = False
) -> dict[str, Any]:
    """An instance, and what `allocate` is told about it; the gain is no money, as in the family of the notes."""
    from crmintel.actions import allocate

    made = instance(n, seed)
    told = made | {"capacity": dict(zip(NAMES, made["capacity"].tolist(), strict=True))}
    told |= {"max_contacts": k, "priced": False, "actions": NAMES}
    if quota:  # what is used least on a first part of the customers is to be used
        few = min(n, 20_000)
        sample = told | {
            "gain": told["gain"][:few],
            "eligible": told["eligible"][:few],
            "budget": told["budget"] * few / n,
        }
        sample["capacity"] = {a: max(c * few // n, 1) for a, c in told["capacity"].items()}
        share = allocate(**sample).counts / np.array(list(sample["capacity"].values()))
        least = share.sort_values(kind="stable").index[:3]
        told["quota"] = {a: int(f * told["capacity"][a]) for a, f in zip(least, (0.9, 0.7, 0.6), strict=True)}
    if groups:
        told["groups"] = {NAMES[a]: a // 3 for a in range(9)}
    if own:
        rng = np.random.default_rng(seed + 1)
        told["cost"] = (made["cost"] * rng.uniform(0.5, 1.5, made["gain"].shape)).astype(np.float32)
    return told


def broken(plan: Any, told: dict[str, Any]) -> list[str]:
    """The limits that a plan breaks, counted from its pairs."""
    row, action, n = plan.row, plan.action, len(told["gain"])
    count = np.bincount(action, minlength=ACTIONS)
    cost = np.broadcast_to(told["cost"], told["gain"].shape)[row, action].astype(float)
    group = np.array([told.get("groups", {}).get(a, -1) for a in NAMES])[action]
    inside = group >= 0
    checks = {
        "capacity": (count > np.array(list(told["capacity"].values()))).any(),
        "quota": any(count[NAMES.index(a)] < q for a, q in told.get("quota", {}).items()),
        "budget": cost.sum() > told["budget"] * (1 + 1e-9),
        "contacts": np.bincount(row, minlength=n).max() > told["max_contacts"],
        "eligible": not told["eligible"][row, action].all(),
        "twice": len(np.unique(row.astype(np.int64) * ACTIONS + action)) < len(row),
        "groups": inside.any()
        and np.unique(row[inside].astype(np.int64) * 99 + group[inside], return_counts=True)[1].max() > 1,
    }
    return [name for name, wrong in checks.items() if wrong]


def ours(n: int, seed: int = 0, stream: bool = False, **variant: Any) -> dict[str, Any]:
    """CPU of `allocate`, its certificate, and what it breaks; a stream is read from files."""
    from crmintel.actions import allocate

    told = problem(n, seed, **variant)
    if not stream:
        start = time.process_time()
        plan = allocate(**told)
        cpu = time.process_time() - start
        return {"cpu": cpu, "gap": plan.gap, "value": plan.value, "bound": plan.bound, "broken": broken(plan, told)}
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / name for name in ("gain", "eligible")}
        for name, path in files.items():
            told.pop(name).tofile(path)

        def blocks() -> Iterator[Any]:
            for at in range(0, n, PART):
                size, skip = min(PART, n - at) * ACTIONS, at * ACTIONS
                gain = np.fromfile(files["gain"], np.float32, size, offset=skip * 4).reshape(-1, ACTIONS)
                yield gain, None, np.fromfile(files["eligible"], bool, size, offset=skip).reshape(-1, ACTIONS)

        start = time.process_time()
        plan = allocate(blocks, **told)
        return {"cpu": time.process_time() - start, "gap": plan.gap, "value": plan.value}


def highs(n: int, seed: int = 0, method: str = "highs-ipm", **variant: Any) -> dict[str, Any]:
    """CPU and optimum of HiGHS on the linear relaxation of the same instance; making the matrix is not counted."""
    told = problem(n, seed, **variant)
    row, action = np.nonzero(told["eligible"])
    size, one = len(row), np.ones(len(row))
    pair = np.arange(size)
    cost = np.broadcast_to(told["cost"], told["gain"].shape)[row, action].astype(float)
    parts = [
        sp.csr_array((one, (row, pair)), shape=(n, size)),
        sp.csr_array((one, (action, pair)), shape=(ACTIONS, size)),
        sp.csr_array(cost[None]),
    ]
    limit = [np.full(n, told["max_contacts"]), list(told["capacity"].values()), [told["budget"]]]
    for name, least in told.get("quota", {}).items():
        parts.append(sp.csr_array(-1.0 * (action == NAMES.index(name))[None]))
        limit.append([-least])
    if "groups" in told:
        group = np.array([told["groups"].get(a, -1) for a in NAMES])[action]
        for g in range(3):
            mine = group == g
            parts.append(sp.csr_array((one[mine], (row[mine], pair[mine])), shape=(n, size)))
            limit.append(np.ones(n))
    worth, matrix = -told["gain"][row, action].astype(float), sp.vstack(parts, format="csc")
    start = time.process_time()
    found = linprog(worth, A_ub=matrix, b_ub=np.concatenate(limit), bounds=(0, 1), method=method)
    return {"cpu": time.process_time() - start, "value": -float(found.fun), "status": int(found.status)}


def online() -> dict[str, float]:
    """Seconds of one decision, and how many of 20,000 differ from the block's."""
    from crmintel.actions import allocate

    result: dict[str, float] = {"differ": 0}
    for wide in (3, 10):
        told = instance(20_000)
        gain, eligible = told["gain"][:, :wide], told["eligible"][:, :wide]
        gain = np.round(gain, 1)  # many ties
        names = NAMES[:wide]
        limits = dict(zip(names, told["capacity"][:wide].tolist(), strict=True))
        plan = allocate(
            gain, cost=told["cost"][:wide], capacity=limits, budget=told["budget"] / 2, eligible=eligible, actions=names
        )
        seconds, alone = [], []
        for values, may in zip(gain, eligible, strict=True):
            start = time.perf_counter()
            alone.append(plan.prices.decide(values, eligible=may))
            seconds.append(time.perf_counter() - start)
        result[f"p95 {wide}"] = float(np.quantile(seconds, 0.95) * 1000)
        result["differ"] += sum(
            a != b for a, b in zip(alone, plan.prices.decide_many(gain, eligible=eligible), strict=True)
        )
    return result


def told(kind: str, **arguments: Any) -> dict[str, Any]:
    """What a contender prints in a process of its own, with one thread on one processor; and its peak memory."""
    cost = run(["-m", "benchmarks.actions_allocation", kind, json.dumps(arguments)], threads=1)
    return json.loads(cost.output) | {"peak": cost.peak_mb / 1024}


def beside_highs(quick: bool) -> Iterator[Line]:
    """The same instances by HiGHS: its interior point; the simplex takes over 100 s at 100,000, as does highspy 1.16's first-order method,
    whose interior point without crossover is no faster than SciPy's with it (14 against 11 CPU s)."""
    n = 20_000 if quick else 100_000
    where = f"allocation, {n:,} x {ACTIONS}"
    names = ("k = 1", "k = 2, quotas", "k = 2, three groups of three", "k = 1, costs of pairs")
    for name in names[: 1 if quick else None]:
        variant = VARIANTS[name]
        mine = min((told("ours", n=n, **variant) for _ in range(3)), key=lambda r: r["cpu"])
        best = told("highs", n=n, **variant)
        ratio, true = best["cpu"] / mine["cpu"], (best["value"] - mine["value"]) / best["value"]
        bar = ">= 20" if name == "k = 1" and not quick else ""
        yield line(f"{where}, {name}: CPU, HiGHS (interior point, relaxation only)", round(best["cpu"], 2), "s")
        yield line(f"{where}, {name}: CPU, ours (least of 3)", round(mine["cpu"], 3), "s")
        yield line(f"{where}, {name}: CPU of HiGHS ÷ ours", round(ratio, 1), "ratio", bar, ratio >= 20 if bar else None)
        fine = -1e-9 <= true <= mine["gap"] + 1e-9
        yield line(
            f"{where}, {name}: distance from HiGHS's optimum", float(f"{true:.2g}"), "", "0 to the certified gap", fine
        )


def certified(quick: bool) -> Iterator[Line]:
    """Gap, CPU and feasibility of every variant."""
    for n, seeds in ((100_000, 1 if quick else 3), *(() if quick else ((1_000_000, 1),))):
        for name, variant in list(VARIANTS.items())[:: 4 if quick else 1]:
            runs = [told("ours", n=n, seed=s, **variant) for s in range(seeds)]
            gap, cpu = max(r["gap"] for r in runs), max(r["cpu"] for r in runs)
            wide, slow = (1e-3 if "groups" in name or "pairs" in name else 1e-4), (2.5 if name == "k = 1" else 6)
            where = f"allocation, {n:,} x {ACTIONS}, {name}"
            yield line(
                f"{where}: certified gap{f', largest of {seeds} seeds' if seeds > 1 else ''}",
                float(f"{gap:.2g}"),
                "",
                f"<= {wide:g}",
                gap <= wide,
            )
            timed = n == 1_000_000
            yield line(
                f"{where}: CPU", round(cpu, 2), "s", f"<= {slow:g}" if timed else "", cpu <= slow if timed else None
            )
            wrong = sorted({b for r in runs for b in r["broken"]})
            yield line(f"{where}: limits broken", ", ".join(wrong) or "none", "", "none", not wrong)


def large(quick: bool) -> Iterator[Line]:
    """Ten million customers, in memory and as a stream from files."""
    if quick:
        return
    for stream, k in ((False, 1), (False, 2), (True, 1)):
        got = told("ours", n=10_000_000, k=k, stream=stream)
        where = f"allocation, 10,000,000 x {ACTIONS}, k = {k}, {'stream of files' if stream else 'in memory'}"
        yield line(f"{where}: CPU", round(got["cpu"], 1), "s", "<= 25", got["cpu"] <= 25)
        yield line(f"{where}: certified gap", float(f"{got['gap']:.2g}"), "", "<= 1e-4", got["gap"] <= 1e-4)
        what = "making the instance included"
        yield line(f"{where}: peak memory, {what}", round(got["peak"], 2), "GB", "<= 2", got["peak"] <= 2)


def single(quick: bool) -> Iterator[Line]:
    """One customer at a time."""
    got = told("online")
    for wide in (3, 10):
        yield line(
            f"one decision by prices, {wide} actions: p95",
            round(got[f"p95 {wide}"], 4),
            "ms",
            "< 0.1",
            got[f"p95 {wide}"] < 0.1,
        )
    yield line(
        "one by one against the block, 2 x 20,000 customers, many ties: decisions that differ",
        got["differ"],
        "",
        "0",
        got["differ"] == 0,
    )


def lines(quick: bool) -> Iterator[Line]:
    """All of them."""
    for part in (single, beside_highs, certified, large):
        yield from part(quick)


if __name__ == "__main__":
    print(json.dumps({"ours": ours, "highs": highs, "online": online}[sys.argv[1]](**json.loads(sys.argv[2]))))
