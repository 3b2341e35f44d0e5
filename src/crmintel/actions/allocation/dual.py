"""Prices of limits: the smoothed Lagrangian dual of an allocation, minimised over a sample of customers.

Each customer's problem max r·x − (ε/2)|x|² over 0 ≤ x ≤ 1, Σx ≤ k, Σx ≤ 1 in each exclusive group, with r the net gain less prices, is
solved by x = clip(r/ε − max(θ, τ_g), 0, 1): τ_g is the group's own threshold, θ ≥ 0 the customer's. Away from ties x is 0 or 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from crmintel.actions.allocation.blocks import ROWS, Block, Keys, Source
from crmintel.actions.allocation.limits import Float, Int, Limits
from crmintel.errors import DataContractError

Single = npt.NDArray[np.float32]
NEVER: Final = np.float32(-1e30)
"""The scaled net gain of a pair that is not eligible; finite, so that 0 times it is 0."""
MOST: Final = 1_000_000
"""Pairs in the sample that the prices are first learned from: 100,000 customers with ten actions."""
FEW: Final = 8_192
"""Customers of the first, quick descent; the budget curve rests on them too."""
SMOOTH: Final = ((0.05, 30), (0.01, 30), (0.003, 30))
"""ε in standard deviations of the net gain, and how often the dual is looked at, at most."""
FINE: Final = SMOOTH[-1][0]


@final
@dataclass(frozen=True)
class Sample:
    """Customers by the order of their keys, in units of `scale` money of gain and `unit` money of cost.

    `net` and `cost` have shape (actions, rows); `cost` has one column where costs are the actions' own. `total` customers stand behind it.
    """

    net: Single
    cost: Single
    scale: float
    unit: float
    total: int
    eligible: Int

    def first(self, n: int) -> "Sample":
        """The first customers only."""
        cost = self.cost if self.cost.shape[1] == 1 else self.cost[:, :n]
        return Sample(self.net[:, :n], cost, self.scale, self.unit, self.total, self.eligible)


def draw(source: Source, limits: Limits) -> Sample:
    """Check every block, and keep the customers of the smallest keys."""
    size = max(MOST // len(source.actions), FEW)
    rows: list[tuple[Keys, Single, Single | None]] = []
    held, total, highest = 0, 0, np.uint64(2**64 - 1)
    eligible = np.zeros(len(source.actions), np.int64)
    for block in source:
        eligible += _checked(block, source.actions)
        total += len(block.gain)
        keys = source.keys(np.arange(block.start, block.start + len(block.gain)))
        mine = np.flatnonzero(keys <= highest)
        rows.append((keys[mine], *_scaled(block, limits, mine)))
        held += len(mine)
        if held > 2 * size:
            rows = [_lowest(rows, size)]
            held, highest = size, rows[0][0][-1]
    if not total:
        raise DataContractError("gain holds no customer. Give at least one row.")
    _, net, cost = _lowest(rows, size)
    del rows
    known = net > NEVER / 2
    worth = net[:FEW][known[:FEW]].astype(np.float64)
    scale = float(np.std(worth)) if worth.size else 0.0
    scale = scale if scale > 1e-9 * float(np.abs(worth).max(initial=0.0)) else float(np.abs(worth).max(initial=0.0))
    scale = scale or 1.0
    price = cost.T if limits.cost is None else limits.cost[:, None]
    unit = float(np.mean(price, dtype=np.float64)) or 1.0
    scaled = np.ascontiguousarray(np.where(known, net / np.float32(scale), NEVER).T)
    return Sample(scaled, np.ascontiguousarray(price / unit, np.float32), scale, unit, total, eligible)


def descend(sample: Sample, limits: Limits, full: int = 30) -> tuple[Float, float]:
    """Prices of the actions (negative: a quota binds) and of money, in units of gain; `full` looks at the whole sample."""
    limit = room(limits, sample.unit) / sample.total
    z, few = np.zeros(len(limit)), sample.first(FEW)
    stages = [(few, *s) for s in SMOOTH]
    if full and few.net.shape[1] < sample.net.shape[1]:
        stages.append((sample, FINE, full))
    for part, eps, most in stages:
        z = minimise(part, limits, limit, z, eps, most)
    return prices_of(z, sample)


def room(limits: Limits, unit: float, used: Any = 0, spent: float = 0.0) -> Float:
    """What is left of capacities, of quotas (negative) and of the budget after some contacts; 0 where there is no limit."""
    upper, lower = np.isfinite(limits.capacity), limits.quota > 0
    money = limits.budget / unit - spent if np.isfinite(limits.budget) else 0.0
    return np.concatenate(
        [np.where(upper, limits.capacity - used, 0.0), np.where(lower, used - limits.quota, 0.0), [money]]
    )


def prices_of(z: Float, sample: Sample) -> tuple[Float, float]:
    """Prices in money: of the actions, and of money."""
    a = len(z) // 2
    return (z[:a] - z[a : 2 * a]) * sample.scale, float(z[-1]) * sample.scale / sample.unit


def duals_of(action: Float, budget: float, sample: Sample) -> Float:
    """The same back, in units of the sample: prices of capacities, of quotas, of money."""
    parts = np.maximum(action, 0), np.maximum(-action, 0), [budget * sample.unit]
    return np.concatenate(parts) / sample.scale


def minimise(
    sample: Sample, limits: Limits, limit: Float, z: Float, eps: float, most: int, reach: Float | None = None
) -> Float:
    """The dual of a sample, with so much of each limit for each of its customers, brought down from z (by at most `reach` each way)."""
    a = len(limits.actions)
    free = np.concatenate([np.isfinite(limits.capacity), limits.quota > 0, [np.isfinite(limits.budget)]])
    if not free.any() or not sample.net.shape[1]:
        return z
    low = np.zeros(len(z)) if reach is None else np.maximum(z - reach, 0)
    high = np.full(len(z), np.inf) if reach is None else z + reach
    z = z.copy()

    def loss(y: Float) -> tuple[float, Float]:
        z[free] = y
        value, used, spent = smoothed(sample, z[:a] - z[a : 2 * a], z[-1], eps, limits)
        slope = limit - np.concatenate([used, -used, [spent]])
        return value + float(limit @ z), slope[free]

    found = minimize(
        loss, z[free], jac=True, method="L-BFGS-B", bounds=list(zip(low[free], high[free], strict=True)),
        options={"maxfun": most, "maxcor": 20, "ftol": 1e-9, "gtol": 1e-5},
    )  # fmt: skip
    z[free] = found.x
    return z


def smoothed(sample: Sample, price: Float, mu: float, eps: float, limits: Limits) -> tuple[float, Float, float]:
    """Mean over the customers of the smoothed maximum, of the contacts of each action, and of the money."""
    n, own = sample.net.shape[1], sample.cost.shape[1] == 1
    value, used, spent = 0.0, np.zeros(len(price)), 0.0
    level = price[:, None] + (mu * sample.cost if own else 0.0)
    level = (level / eps).astype(np.float32)
    for at in range(0, n, ROWS):
        part = slice(at, at + ROWS)
        u = sample.net[:, part] * np.float32(1 / eps)
        u -= level
        if not own:
            u -= sample.cost[:, part] * np.float32(mu / eps)
        x = u - thresholds(u, limits)
        np.minimum(np.maximum(x, 0, out=x), 1, out=x)
        counts = x.sum(axis=1)
        used += counts
        if not own:
            spent += float(np.einsum("ij,ij->i", x, sample.cost[:, part]).sum(dtype=np.float64))
        u -= np.float32(0.5) * x
        u *= x
        value += float(u.sum(axis=1).sum(dtype=np.float64))
    if own:
        spent = float(used @ sample.cost[:, 0])
    return value * eps / n, used / n, spent / n


def thresholds(u: Single, limits: Limits) -> Single:
    """max(θ, τ_g) of each customer, and action if there are groups."""
    groups = limits.groups
    if not groups:
        return _threshold(u, limits.contacts)
    floor, best = np.zeros_like(u), []
    for g in range(int(limits.group.max()) + 1):
        mine = np.flatnonzero(limits.group == g)
        best.append(u[mine].max(axis=0))
        if len(mine) > 1:
            floor[mine] = _threshold(u[mine], 1)
    return np.maximum(floor, _threshold(u, limits.contacts, np.array(best), floor))


def _threshold(u: Single, k: int, best: Single | None = None, floor: Single | None = None) -> Single:
    """The least θ ≥ 0 for which the parts sum to at most k; `best` holds the largest of each group."""
    best = u if best is None else best
    if len(best) <= k:
        return np.zeros(u.shape[1], np.float32)
    high, next_ = largest(best, k + 1)[-2:]
    theta = np.maximum(next_, np.float32(0))
    # With a lead of 1 or more the k largest are taken whole, the others not at all.
    tied = np.flatnonzero((next_ > 0) & (high - next_ < 1))
    if len(tied):
        near = u[:, tied]
        if k == 1 and floor is None:
            theta[tied] = _simplex(near)
        else:
            under = np.float32(0) if floor is None else floor[:, tied]
            theta[tied] = _halved(near, k, under, np.maximum(next_[tied] - 1, 0), high[tied])
    return np.asarray(theta, np.float32)


def _simplex(u: Single) -> Single:
    """The threshold for a sum of at most 1 in closed form: the largest (u₁ + … + u_j − 1) / j, or 0 (Held, Wolfe, Crowder 1974)."""
    best = np.zeros(u.shape[1], np.float32)
    total = np.full(u.shape[1], -1, np.float32)
    for j, row in enumerate(np.sort(u, axis=0)[::-1], 1):
        total += row
        np.maximum(best, total / np.float32(j), out=best)
    return best


def _halved(u: Single, k: int, under: Any, low: Single, up: Single) -> Single:
    """The threshold between two others: halved a few times, then by a straight line."""

    def excess(theta: Any) -> Single:
        x = u - np.maximum(theta, under)
        np.minimum(np.maximum(x, 0, out=x), 1, out=x)
        return np.asarray(x.sum(axis=0) - np.float32(k))

    for _ in range(7):
        middle = (low + up) / 2
        over = excess(middle) > 0
        low, up = np.where(over, middle, low), np.where(over, up, middle)
    above, below = excess(low), excess(up)
    line = low + (up - low) * np.clip(above / np.maximum(above - below, np.float32(1e-6)), 0, 1)
    return np.where(excess(np.zeros_like(low)) <= 0, np.float32(0), line)


def largest(values: npt.NDArray[Any], k: int) -> list[npt.NDArray[Any]]:
    """The k largest of each column, largest first."""
    if k > 4:
        return list(-np.sort(-values, axis=0)[:k])
    top = [np.full(values.shape[1], -np.inf, values.dtype) for _ in range(k)]
    for row in values:
        rest = row
        for j in range(k):
            higher = np.maximum(top[j], rest)
            if j < k - 1:
                rest = np.minimum(top[j], rest)
            top[j] = higher
    return top


def _scaled(block: Block, limits: Limits, rows: Int) -> tuple[Single, Single | None]:
    """Net gains and own costs of some rows."""
    gain = block.gain[rows].astype(np.float32)
    cost = None if block.cost is None else block.cost[rows].astype(np.float32)
    if limits.priced:
        gain -= np.asarray(cost if limits.cost is None else limits.cost, np.float32)
    if block.eligible is not None:
        gain[~block.eligible[rows]] = NEVER
    return gain, cost


def _lowest(rows: list[Any], size: int) -> Any:
    """All rows as one, by key, the lowest keys only."""
    keys = np.concatenate([r[0] for r in rows])
    order = np.argsort(keys, kind="stable")[:size]
    gain = np.concatenate([r[1] for r in rows])[order]
    cost = None if rows[0][2] is None else np.concatenate([r[2] for r in rows])[order]
    return keys[order], gain, cost


def _checked(block: Block, actions: tuple[str, ...]) -> Int:
    """How many are eligible for each action; complain about gains and costs that are no money."""
    allowed = block.eligible
    wrong: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[np.bool_]]] = {
        "gain": lambda m: ~np.isfinite(m),
        "cost": lambda m: ~(np.isfinite(m) & (m >= 0)),
    }
    for name, told, what in (
        ("gain", block.gain, "missing or infinite"),
        ("cost", block.cost, "missing, infinite or negative"),
    ):
        if told is None:
            continue
        bad = wrong[name](told)
        bad = bad if allowed is None else bad & allowed
        if bad.any():
            where = [actions[i] for i in np.flatnonzero(bad.any(axis=0))]
            raise DataContractError(
                f"{name} is {what} for {int(bad.sum()):,} pairs in rows {block.start:,} to {block.start + len(bad) - 1:,}, "
                f"actions {where}. Give finite money, or make these pairs not eligible."
            )
    return np.full(len(actions), len(block.gain), np.int64) if allowed is None else allowed.sum(axis=0)
