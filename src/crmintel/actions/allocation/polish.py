"""Prices brought from a sample to all customers: only those are looked at again whose decision hangs on a small change of prices."""

from typing import Any, Final

import numpy as np

from crmintel.actions.allocation.blocks import Block, Source
from crmintel.actions.allocation.dual import NEVER, Sample, duals_of, largest, minimise, prices_of, room
from crmintel.actions.allocation.limits import Float, Limits
from crmintel.actions.allocation.prices import Prices

WIDTH: Final = 0.05
"""A decision is settled if it stands by so much, in standard deviations of the net gain."""
LOOKS: Final = 30
"""How often the dual of the unsettled is looked at."""
PASSES: Final = 5
"""Passes over all customers while prices move as far as they may in one."""
MANY: Final = 5_000_000
"""Pairs of unsettled customers beyond which the width is not doubled."""
GRID: Final = 2.0**20
"""Costs are counted in whole parts of this, so that their sum does not depend on the order of rows."""


def polish(source: Source, prices: Prices, sample: Sample, eps: float) -> Prices:
    """The minimum of the dual of all customers near some prices.

    While no price moves a decision by more than a width, settled customers keep what they have: it is counted once, and taken off the limits.
    Where prices move as far as they may, this is done again, with twice the width if memory allows.
    """
    width = WIDTH
    for _ in range(PASSES):
        part, limit = _near(source, prices, sample, width)
        reach = np.full(
            2 * len(prices.action) + 1, width / 6
        )  # three prices move a pair: of its capacity, of its quota, of money
        reach[-1] /= float(part.cost.max(initial=0.0)) or 1.0
        start = duals_of(prices.action, prices.budget, sample)
        found = minimise(part, prices.limits, limit, start, eps, LOOKS, reach)
        prices = Prices(*prices_of(found, sample), prices.limits)
        if (np.abs(found - start) < 0.99 * reach).all():
            break
        width *= 2 if part.net.size < MANY else 1
    return prices


def _near(source: Source, prices: Prices, sample: Sample, width: float) -> tuple[Sample, Float]:
    """Customers whose decision hangs on prices, by key, and what the others leave of each limit for each of them."""
    limits, a = prices.limits, len(prices.action)
    used, spent = np.zeros(a), 0
    rows: list[tuple[Any, ...]] = []
    for block in source:
        _, left = prices.reduced(block)
        open_ = unsettled(left, limits, width * sample.scale)
        chosen = prices.pick(left)
        chosen[open_] = -1
        row, place = np.nonzero(chosen >= 0)
        action = chosen[row, place]
        used += np.bincount(action, minlength=a)
        if block.cost is not None:
            spent += int(np.rint(block.cost[row, action].astype(np.float64) / sample.unit * GRID).sum(dtype=np.int64))
        near = np.flatnonzero(open_)
        parts = (None if m is None else m[near] for m in (block.gain, block.cost, block.eligible))
        rows.append((source.keys(near + block.start), *parts))
    keys, *tables = (np.concatenate(c) if c[0] is not None else None for c in zip(*rows, strict=True))
    order = np.argsort(np.asarray(keys))
    block = Block(0, *(None if m is None else m[order] for m in tables))  # type: ignore[arg-type]  # gain is there
    net, _ = prices.reduced(block)
    scaled = np.where(net > -np.inf, net / sample.scale, NEVER).astype(np.float32)
    cost = sample.cost if block.cost is None else np.ascontiguousarray(block.cost.T / sample.unit, np.float32)
    money = float(used @ limits.cost) / sample.unit if limits.cost is not None else spent / GRID
    part = Sample(scaled, cost, sample.scale, sample.unit, len(order), sample.eligible)
    return part, room(limits, sample.unit, used, money) / max(len(order), 1)


def unsettled(left: Float, limits: Limits, width: float) -> Any:
    """Whose decision could change if the value of each pair moved by less than half of `width`."""
    k = limits.contacts
    if limits.groups:
        best = np.array([left[limits.group == g].max(axis=0) for g in range(int(limits.group.max()) + 1)])
        inside = np.zeros(left.shape[1], bool)
        for members in limits.groups:
            first, second = largest(left[members], 2)
            inside |= (first > -width) & (first < second + width)
    else:
        best, inside = left, np.zeros(left.shape[1], bool)
    if len(best) > k:
        *top, last, next_ = largest(best, k + 1)
        inside |= (last > -width) & (last < next_ + width)
        top.append(last)
    else:
        top = list(best)
    for t in top:
        inside |= np.abs(t) < width
    return inside
