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

from crmintel.actions.blocks import ROWS, Block, Keys, Source
from crmintel.actions.limits import Float, Int, Limits
from crmintel.errors import DataContractError

Single = npt.NDArray[np.float32]
NEVER: Final = np.float32(-1e30)
"""The scaled net gain of a pair that is not eligible; finite, so that 0 times it is 0."""
MOST: Final = 10_000_000
"""Pairs in the sample that the prices are learned from: a million customers with ten actions."""
FEW: Final = 32_768
"""Customers of the first, quick descent."""
SMOOTH: Final = ((0.05, 60), (0.01, 60), (0.003, 60))
"""ε in standard deviations of the net gain, and the most iterations."""


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
    rows: list[tuple[Keys, Float, Float | None]] = []
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
    worth = net[known].astype(np.float64)
    scale = float(np.std(worth)) if worth.size else 0.0
    scale = scale if scale > 1e-9 * float(np.abs(worth).max(initial=0.0)) else float(np.abs(worth).max(initial=0.0))
    scale = scale or 1.0
    price = limits.cost[:, None] if cost is None else cost.T
    unit = float(np.mean(price, dtype=np.float64)) or 1.0
    scaled = np.ascontiguousarray(np.where(known, net / np.float32(scale), NEVER).T)
    return Sample(scaled, np.ascontiguousarray(price / unit, np.float32), scale, unit, total, eligible)


def descend(sample: Sample, limits: Limits, start: Float | None = None, smooth: Any = SMOOTH, full: int = 20) -> tuple[Float, float]:
    """Prices of the actions (negative: a quota binds) and of money, in units of gain.

    Parameters
    ----------
    start : array, optional
        Prices to begin with (of actions, then of money), as they were returned; then only the whole sample is looked at.
    full : int
        Iterations over the whole sample.
    """
    a = len(limits.actions)
    upper, lower, money = np.isfinite(limits.capacity), limits.quota > 0, np.isfinite(limits.budget)
    free = np.concatenate([upper, lower, [money]])
    if not free.any():
        return np.zeros(a), 0.0
    limit = np.concatenate([np.where(upper, limits.capacity, 0), -limits.quota, [limits.budget / sample.unit if money else 0]])
    limit = limit / sample.total
    z = np.zeros(2 * a + 1)
    few = sample.first(FEW)
    stages = [(few, *s) for s in smooth]
    if start is not None:
        prices = start / sample.scale
        z = np.concatenate([np.maximum(prices[:a], 0), np.maximum(-prices[:a], 0), [prices[a] * sample.unit]])
        stages = []
    if start is not None or few.net.shape[1] < sample.net.shape[1]:
        stages.append((sample, smooth[-1][0], full))
    for part, eps, most in stages:

        def loss(y: Float, part: Sample = part, eps: float = eps) -> tuple[float, Float]:
            z[free] = y
            value, used, spent = smoothed(part, z[:a] - z[a : 2 * a], z[-1], eps, limits)
            slope = limit - np.concatenate([used, -used, [spent]])
            return value + float(limit @ z), slope[free]

        found = minimize(
            loss, z[free], jac=True, method="L-BFGS-B", bounds=[(0, None)] * int(free.sum()),
            options={"maxiter": most, "maxcor": 20, "ftol": 1e-10, "gtol": 1e-6},
        )  # fmt: skip
        z[free] = found.x
    return (z[:a] - z[a : 2 * a]) * sample.scale, float(z[-1]) * sample.scale / sample.unit


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
        np.clip(x, 0, 1, out=x)
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
        low, up = np.maximum(next_[tied] - 1, 0), high[tied]
        under = np.float32(0) if floor is None else floor[:, tied]
        for _ in range(16):
            middle = (low + up) / 2
            over = np.clip(near - np.maximum(middle, under), 0, 1).sum(axis=0) > k
            low, up = np.where(over, middle, low), np.where(over, up, middle)
        fits = np.clip(near - np.maximum(np.float32(0), under), 0, 1).sum(axis=0) <= k
        theta[tied] = np.where(fits, np.float32(0), up)
    return theta


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
        gain -= limits.cost.astype(np.float32) if limits.cost is not None else cost
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
    for name, told, what in (("gain", block.gain, "missing or infinite"), ("cost", block.cost, "missing, infinite or negative")):
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
