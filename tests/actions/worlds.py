"""Instances of the allocation, and plain judges of its plans."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from crmintel.actions import Allocation


def instance(n: int, actions: int = 10, seed: int = 0) -> dict[str, Any]:
    """Heavy-tailed gains that hang together, scarce places, and 60 % of the money that would fill them."""
    rng = np.random.default_rng(seed)
    weight, cost = rng.normal(0, 0.7, (actions, 3)), rng.uniform(0.1, 2, actions)
    capacity = np.maximum(n * rng.uniform(0.03, 0.12, actions), 1).astype(int)
    gain = rng.gamma(1.2, size=(n, 1)) * np.exp(0.6 * rng.normal(size=(n, 3)) @ weight.T) - 0.7
    gain += 0.2 * rng.normal(size=(n, actions))
    names = [f"a{i}" for i in range(actions)]
    return {
        "gain": pd.DataFrame(gain, columns=names, index=pd.Index(np.arange(n) * 3 + 7, name="customer_id")),
        "cost": dict(zip(names, cost.tolist(), strict=True)),
        "capacity": dict(zip(names, capacity.tolist(), strict=True)),
        "budget": float(0.6 * capacity @ cost),
        "eligible": pd.DataFrame(rng.random((n, actions)) > 0.3, columns=names, index=np.arange(n) * 3 + 7),
    }


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """Few customers and actions, with any mixture of limits; whole numbers, so that ties are frequent."""
    n, a = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    names = [f"a{i}" for i in range(a)]
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    gain = pd.DataFrame(rng.integers(-2, 9, (n, a)).astype(float), columns=names)
    own = draw(st.booleans())
    cost: Any = rng.integers(0, 4, (n, a) if own else a).astype(float)
    cost = pd.DataFrame(cost, columns=names) if own else dict(zip(names, cost.tolist(), strict=True))
    capacity = {x: draw(st.integers(1, n)) for x in names if draw(st.booleans())}
    quota = {x: draw(st.integers(0, capacity.get(x, n))) for x in names if draw(st.integers(0, 3)) == 0}
    groups = {x: draw(st.sampled_from("pq")) for x in names if draw(st.booleans())}
    return {
        "gain": gain, "cost": cost, "capacity": capacity, "quota": quota, "groups": groups,
        "budget": draw(st.one_of(st.none(), st.integers(1, 12))), "max_contacts": draw(st.integers(1, 3)),
        "eligible": pd.DataFrame(rng.random((n, a)) < draw(st.sampled_from([0.5, 0.9, 1.0])), columns=names),
        "priced": draw(st.booleans()),
    }  # fmt: skip


def full(problem: dict[str, Any]) -> dict[str, Any]:
    """The same as arrays, with nothing left out."""
    gain = problem["gain"]
    names, n = list(gain.columns), len(gain)
    cost = problem["cost"]
    table = cost if isinstance(cost, pd.DataFrame) else pd.DataFrame([cost] * n)[names]
    groups = problem.get("groups", {})
    return {
        "names": names, "gain": gain.to_numpy(float), "cost": table.to_numpy(float),
        "eligible": problem["eligible"].to_numpy(bool), "most": np.array([problem.get("capacity", {}).get(x, np.inf) for x in names]),
        "least": np.array([problem.get("quota", {}).get(x, 0) for x in names]),
        "budget": np.inf if problem.get("budget") is None else problem["budget"], "k": problem.get("max_contacts", 1),
        "group": [str(groups.get(x, f"alone {x}")) for x in names],
        "net": gain.to_numpy(float) - (table.to_numpy(float) if problem.get("priced", True) else 0),
    }  # fmt: skip


def optimum(problem: dict[str, Any], *, whole: bool = True) -> float | None:
    """The best value by HiGHS, pair by pair, written without our code; None if there is no plan."""
    p = full(problem)
    n, a = p["gain"].shape
    pair = np.arange(n * a)
    who, what = np.divmod(pair, a)
    ones = np.ones(n * a)
    rows = [
        sp.csr_array((ones, (who, pair)), shape=(n, n * a)),
        sp.csr_array((ones, (what, pair)), shape=(a, n * a)),
        sp.csr_array(p["cost"].reshape(1, -1)),
    ]
    low = [np.zeros(n), p["least"], [-np.inf]]
    high = [np.full(n, p["k"]), p["most"], [p["budget"]]]
    for g in set(p["group"]):
        mine = pair[np.isin(what, [j for j in range(a) if p["group"][j] == g])]
        rows.append(sp.csr_array((np.ones(len(mine)), (who[mine], mine)), shape=(n, n * a)))
        low.append(np.zeros(n))
        high.append(np.ones(n))
    found = milp(
        -p["net"].ravel(), integrality=np.full(n * a, int(whole)), bounds=Bounds(0, p["eligible"].ravel().astype(float)),
        constraints=LinearConstraint(sp.vstack(rows, format="csr"), np.concatenate(low), np.concatenate(high)), options={"mip_rel_gap": 1e-9},
    )  # fmt: skip
    return None if found.status == 2 else -float(found.fun)


def chosen(plan: Allocation, problem: dict[str, Any]) -> npt.NDArray[np.bool_]:
    """The plan as a table of pairs, read from what a user sees."""
    table, gain = plan.table, problem["gain"]
    pairs = np.zeros(gain.shape, bool)
    rows = gain.index.get_indexer(pd.Index(table["customer_id"]))
    pairs[rows, gain.columns.get_indexer(table["action"].astype(str))] = True
    assert pairs.sum() == len(table), "a pair occurs twice"
    return pairs


def check(plan: Allocation, problem: dict[str, Any]) -> None:
    """Every limit, and every sum that the plan tells."""
    p, x = full(problem), chosen(plan, problem)
    assert not (x & ~p["eligible"]).any()
    assert (x.sum(0) <= p["most"]).all()
    assert (x.sum(0) >= p["least"]).all()
    assert (x.sum(1) <= p["k"]).all()
    assert p["cost"][x].sum() <= p["budget"] * (1 + 1e-9)
    for g in set(p["group"]):
        assert (x[:, [h == g for h in p["group"]]].sum(1) <= 1).all()
    assert plan.counts.tolist() == x.sum(0).tolist()
    np.testing.assert_allclose(plan.value, p["net"][x].sum(), atol=1e-9)
    np.testing.assert_allclose(plan.spent, p["cost"][x].sum(), atol=1e-9)
    np.testing.assert_allclose(plan.table["net"].sum(), plan.value, atol=1e-9)
    assert plan.value <= plan.bound
