"""From prices to a whole plan: what prices choose is trimmed to the capacities, filled up to the quotas, and kept within the budget."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from crmintel.actions.allocation.blocks import Source
from crmintel.actions.allocation.limits import Float, Int, Limits
from crmintel.actions.allocation.prices import Prices

Mask = npt.NDArray[np.bool_]
ROUNDS: Final = 8
"""Rounds in which free places are filled up."""
CLOSE: Final = 1e-4
"""A plan this close to its bound is not bettered by exchanges."""
UNABLE, NOT_WORTH, WORTH = 0, 1, 2


class Unmet(Exception):
    """A limit that could not be kept, by name."""


@final
@dataclass(frozen=True)
class Candidates:
    """Pairs of customer and action that come into question, by net gain less prices, the best first; equal ones by key of the customer.

    Parameters
    ----------
    who, action, gain, cost, left : arrays
        Row of the customer, number of the action, gain, cost, and gain less cost and prices.
    standing : array of uint8, shape (n_customers,)
        Whether no action is open to a customer (0), none is worth its cost (1), or one is (2).
    bound : float
        No plan brings more.
    """

    who: npt.NDArray[np.int32]
    action: npt.NDArray[np.int16]
    gain: npt.NDArray[Any]
    cost: Float
    left: Float
    standing: npt.NDArray[np.uint8]
    bound: float

    def net(self, limits: Limits) -> Float:
        """Gain, less cost if it is priced."""
        return self.gain - self.cost if limits.priced else self.gain.astype(np.float64)


def collect(source: Source, prices: Prices, margin: float) -> Candidates:
    """One pass over all customers: the certificate, and each pair that falls short of its price by less than `margin`."""
    limits = prices.limits
    parts: list[tuple[Any, ...]] = []
    standing, bound = [], prices.rent()
    for block in source:
        net, left = prices.reduced(block)
        bound += prices.bound(left)
        best = net.max(axis=0)
        standing.append(np.where(best > 0, WORTH, np.where(best > -np.inf, NOT_WORTH, UNABLE)).astype(np.uint8))
        action, row = np.nonzero((left > -margin) & (net > -np.inf))
        own = () if block.cost is None else (block.cost[row, action],)
        parts.append(
            (
                (row + block.start).astype(np.int32),
                action.astype(np.int16),
                block.gain[row, action],
                left[action, row],
                *own,
            )
        )
    columns = [np.concatenate([p[i] for p in parts]) for i in range(len(parts[0]))]
    del parts
    who, action, _, left = columns[:4]
    order = np.argsort(-left)
    same = left[order[1:]] == left[order[:-1]]
    if same.any():
        tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
        mine = order[tied]
        order[tied] = mine[np.lexsort((action[mine], source.keys(who[mine]), -left[mine]))]
    del who, action, left
    for i, column in enumerate(columns):
        columns[i] = column[order]  # one at a time, for the sake of memory
    who, action, gain, left, *charge = columns
    codes: npt.NDArray[np.int16] = action.astype(np.int16, copy=False)
    cost = charge[0].astype(np.float64) if charge else _of(limits)[action]
    return Candidates(who.astype(np.int32, copy=False), codes, gain, cost, left, np.concatenate(standing), bound)


def repair(pairs: Candidates, limits: Limits) -> Mask:
    """Which pairs make up the plan.

    Raises
    ------
    Unmet
        If a quota or the budget cannot be kept with these pairs.
    """
    plan = _Plan(pairs, limits)
    plan.by_price()
    plan.trim()
    plan.fill_quotas()
    plan.save()
    plan.refill()
    if pairs.bound - float(pairs.net(limits)[plan.taken].sum()) > CLOSE * abs(pairs.bound):
        plan.exchange()
    plan.check()
    return plan.taken


class _Plan:
    """A plan in the making."""

    def __init__(self, pairs: Candidates, limits: Limits) -> None:
        self.pairs, self.limits = pairs, limits
        n, groups = len(pairs.standing), limits.groups
        self.taken = np.zeros(len(pairs.who), bool)
        self.load = np.zeros(n, np.int16)
        self.count = np.zeros(len(limits.actions), np.int64)
        self.joint = np.full(len(limits.actions), -1)  # the number among the groups that exclude anything
        for number, members in enumerate(groups):
            self.joint[members] = number
        self.busy = np.zeros((n, len(groups)), bool)
        self.place = np.empty(n, np.int32)

    def change(self, which: Int, taken: bool) -> None:
        """Take pairs, or give them back."""
        self.taken[which] = taken
        sign = 1 if taken else -1
        np.add.at(self.load, self.pairs.who[which], np.int16(sign))
        self.count += sign * np.bincount(self.pairs.action[which], minlength=len(self.count))
        if self.busy.shape[1]:
            group = self.joint[self.pairs.action[which]]
            self.busy[self.pairs.who[which][group >= 0], group[group >= 0]] = taken

    def firsts(self, which: Int) -> Int:
        """The first pair of each customer among some."""
        who, order = self.pairs.who[which], np.arange(len(which), dtype=np.int32)
        self.place[who[::-1]] = order[::-1]
        return np.asarray(which[self.place[who] == order])

    def free(self, which: Int) -> Int:
        """Those pairs that neither are taken nor clash with what their customer has."""
        which = which[~self.taken[which]]
        which = which[self.load[self.pairs.who[which]] < self.limits.contacts]
        if self.busy.shape[1]:
            group = self.joint[self.pairs.action[which]]
            which = which[(group < 0) | ~self.busy[self.pairs.who[which], group]]
        return which

    def by_price(self) -> None:
        """What the prices decide, without regard to limits."""
        which = np.arange(int(np.searchsorted(-self.pairs.left, 0.0)))
        for _ in range(self.limits.contacts):
            which = self.free(which)
            self.change(self.firsts(which), True)

    def trim(self) -> None:
        """Give back what an action has above its capacity, the least worth first."""
        for a in np.flatnonzero(self.count > self.limits.capacity):
            self.change(np.flatnonzero(self.taken & (self.pairs.action == a))[int(self.limits.capacity[a]) :], False)

    def fill_quotas(self) -> None:
        """Add what loses least to the actions that are short; a full customer gives up its weakest pair that no quota needs."""
        while (short := np.flatnonzero(self.count < self.limits.quota)).size:
            moved = 0
            for a in short:
                moved += self._fill(int(a))
            if not moved:
                raise Unmet(f"the quota of action {self.limits.actions[short[0]]!r}")

    def _fill(self, a: int) -> int:
        p, n = self.pairs, len(self.load)
        spare = self.count - self.limits.quota
        held = np.flatnonzero(self.taken)
        loose = held[spare[p.action[held]] > 0]
        weakest, clash = np.full(n, -1), np.full(n, -1)
        weakest[p.who[loose]] = loose
        if self.joint[a] >= 0:
            inside = held[self.joint[p.action[held]] == self.joint[a]]
            clash[p.who[inside]] = inside
        which = np.flatnonzero(~self.taken & (p.action == a))
        who = p.who[which]
        full = self.load[who] >= self.limits.contacts
        gone = np.where(clash[who] >= 0, clash[who], np.where(full, weakest[who], -1))
        fine = np.where(gone >= 0, spare[p.action[gone]] > 0, ~full)
        which, gone = which[fine], gone[fine]
        loss = np.where(gone >= 0, p.left[gone], 0.0) - p.left[which]
        order = np.argsort(loss, kind="stable")[: int(self.limits.quota[a] - self.count[a])]
        which, gone = which[order], gone[order]
        kept = np.ones(len(which), bool)
        for b in np.unique(p.action[gone[gone >= 0]]):  # no action falls below its own quota
            kept[np.flatnonzero((gone >= 0) & (p.action[gone] == b))[int(spare[b]) :]] = False
        which, gone = which[kept], gone[kept]
        self.change(gone[gone >= 0], False)
        self.change(which, True)
        return len(which)

    def save(self) -> None:
        """Give back what brings least for its money until the budget is kept, but never what a quota needs."""
        p = self.pairs
        over = float(p.cost[self.taken].sum()) - self.limits.most
        if over <= 0:
            return
        which = np.flatnonzero(self.taken & (p.cost > 0))[::-1]
        which = which[np.argsort(p.left[which] / p.cost[which], kind="stable")]
        spare = self.count - self.limits.quota
        kept = np.ones(len(which), bool)
        for a in range(len(spare)):
            kept[np.flatnonzero(p.action[which] == a)[int(spare[a]) :]] = False
        which = which[kept]
        saved = np.cumsum(p.cost[which])
        if not len(which) or saved[-1] < over:
            raise Unmet("the budget")
        self.change(which[: int(np.searchsorted(saved, over)) + 1], False)

    def refill(self) -> None:
        """Fill free places and what is left of the budget with pairs that bring something, the best beyond prices first."""
        p, limits = self.pairs, self.limits
        which = np.flatnonzero(~self.taken & (p.net(limits) > 0))
        for _ in range(ROUNDS):
            left = limits.most - float(p.cost[self.taken].sum())
            which = self.free(which)
            room = limits.capacity - self.count
            which = which[(room[p.action[which]] > 0) & (p.cost[which] <= left)]
            take = self.firsts(which)
            kept = np.ones(len(take), bool)
            for a in np.flatnonzero(np.isfinite(room)):
                kept[np.flatnonzero(p.action[take] == a)[int(room[a]) :]] = False
            take = take[kept]
            take = take[np.cumsum(p.cost[take]) <= left]
            if not len(take):
                return
            self.change(take, True)

    def exchange(self) -> None:
        """Move full customers to actions with free places that bring more: where many are equal, prices leave places open."""
        for _ in range(ROUNDS):
            if not sum([self._move(int(a)) for a in np.flatnonzero(self.count < self.limits.capacity)]):
                return
            self.refill()

    def _move(self, a: int) -> int:
        p, limits = self.pairs, self.limits
        spare, left = self.count - limits.quota, limits.most - float(p.cost[self.taken].sum())
        held = np.flatnonzero(self.taken)
        held = held[spare[p.action[held]] > 0]
        weakest = np.full(len(self.load), -1)
        weakest[p.who[held]] = held
        which = np.flatnonzero(~self.taken & (p.action == a))
        which = which[weakest[p.who[which]] >= 0]
        gone = weakest[p.who[which]]
        if self.joint[a] >= 0:  # the pair given up is the one that excludes the new one, if there is such a pair
            fine = ~self.busy[p.who[which], self.joint[a]] | (self.joint[p.action[gone]] == self.joint[a])
            which, gone = which[fine], gone[fine]
        net = p.net(limits)
        more = net[which] - net[gone]
        order = np.argsort(-more, kind="stable")[: int((more > 0).sum())]
        which, gone = which[order], gone[order]
        kept = np.cumsum(np.maximum(p.cost[which] - p.cost[gone], 0)) <= left
        for b in np.flatnonzero(limits.quota):
            kept[np.flatnonzero(p.action[gone] == b)[int(spare[b]) :]] = False
        room = limits.capacity[a] - self.count[a]
        which, gone = (x[kept][: int(min(room, len(x)))] for x in (which, gone))
        self.change(gone, False)
        self.change(which, True)
        return len(which)

    def check(self) -> None:
        """Keep nothing that breaks a limit: this would be an error of ours, and is said."""
        broken = [name for name, wrong in self.broken() if wrong]
        if broken:
            raise RuntimeError(f"The plan breaks {broken}. Please report this.")

    def broken(self) -> Iterator[tuple[str, bool]]:
        """Each limit, and whether the plan breaks it, counted afresh."""
        p, limits, t = self.pairs, self.limits, np.flatnonzero(self.taken)
        count = np.bincount(p.action[t], minlength=len(limits.actions))
        yield "a capacity", bool((count > limits.capacity).any())
        yield "a quota", bool((count < limits.quota).any())
        yield "the budget", float(p.cost[t].sum()) > limits.budget * (1 + 1e-9)
        yield "the contacts a customer", bool((np.bincount(p.who[t], minlength=1) > limits.contacts).any())
        for members in limits.groups:
            mine = p.who[t[np.isin(p.action[t], members)]]
            yield "a group", bool(len(mine) and np.bincount(mine).max() > 1)


def _of(limits: Limits) -> Float:
    assert limits.cost is not None  # pairs without a cost of their own
    return limits.cost
