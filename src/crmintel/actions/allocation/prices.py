"""Prices of limits, and what they decide: for one customer at once, or for many."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import pandas as pd

from crmintel.actions.allocation.blocks import Block
from crmintel.actions.allocation.dual import largest
from crmintel.actions.allocation.limits import Float, Int, Limits
from crmintel.errors import DataContractError
from crmintel.showing import Shown


@final
@dataclass(frozen=True, eq=False)
class Prices(Shown):
    """What a contact must bring beyond its cost, because contacts and money are limited.

    A customer gets the actions whose gain exceeds cost and price the most, if any does; equal ones in the order of the actions. Decided
    one by one the limits are kept on average only: :func:`allocate` keeps them exactly, by changing the few decisions at the margin.

    Parameters
    ----------
    action : array of float, shape (n_actions,)
        Money a contact must bring to be worth its place; negative where a quota has to be filled.
    budget : float
        What one more unit of money in the budget would bring.
    limits : Limits
        What the prices are of.

    Examples
    --------
    >>> from crmintel.actions import allocate
    >>> allocation = allocate(np.array([[5.0, 4.0], [3.0, 1.0]]), cost=1.0, actions=["call", "mail"])
    >>> allocation.prices.decide([3.0, 4.0])
    ('mail',)
    """

    action: Float
    budget: float
    limits: Limits
    _rule: tuple[Any, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        at = self.limits
        cost = None if at.cost is None else at.cost.tolist()
        level = None if at.cost is None else (self.action + self.budget * at.cost).tolist()
        taken = cost if cost is not None and at.priced else [0.0] * len(at.actions)
        rule = (at.actions, taken, level, self.action.tolist(), at.contacts, at.group.tolist())
        object.__setattr__(self, "_rule", rule)

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {price:,.2f}" for name, price in self.to_frame()["price"].items())
        return f"Prices: {told}"

    def to_frame(self) -> pd.DataFrame:
        """One row an action, and one for the budget: price."""
        index = pd.Index([*self.limits.actions, "budget"], name="limit")
        return pd.DataFrame({"price": [*self.action.tolist(), self.budget]}, index=index)

    def decide(self, gain: Any, cost: Any = None, eligible: Any = None) -> tuple[str, ...]:
        """The actions for one customer, the best first; none if nothing is worth its price.

        Parameters
        ----------
        gain : sequence of float, shape (n_actions,)
            Money each action brings, before its cost, in the order of the actions; or a Series by action.
        cost : the same, optional
            Only where each pair of customer and action has its own cost.
        eligible : sequence of bool, optional

        Raises
        ------
        DataContractError
            If there is not one finite number an action.
        """
        names, taken, level, price, k, group = self._rule
        worth = self._row(gain, "gain")
        own = level is None
        if own != (cost is not None):
            raise DataContractError(
                "These prices belong to costs of "
                + ("each pair: pass cost." if own else "the actions: leave cost out.")
            )
        if own:
            taken = self._row(cost, "cost")
            level = [p + self.budget * c for p, c in zip(price, taken, strict=True)]
            taken = taken if self.limits.priced else [0.0] * len(names)
        left = [g - c - p for g, c, p in zip(worth, taken, level, strict=True)]
        open_ = [a for a, r in enumerate(left) if r > 0] if eligible is None else self._open(left, eligible)
        if not (math.isfinite(sum(worth)) or all(math.isfinite(worth[a]) for a in self._allowed(eligible))):
            raise DataContractError("gain is missing or infinite for an action that is eligible. Give finite money.")
        if k == 1:
            return (names[max(open_, key=left.__getitem__)],) if open_ else ()
        chosen: list[int] = []
        for a in sorted(open_, key=lambda a: -left[a]):
            if len(chosen) < k and all(group[a] != group[b] for b in chosen):
                chosen.append(a)
        return tuple(names[a] for a in chosen)

    def decide_many(self, gain: Any, cost: Any = None, eligible: Any = None) -> list[tuple[str, ...]]:
        """The same for each row of (n, n_actions), with the same result as one by one, bit for bit."""
        names = self.limits.actions
        return [tuple(names[a] for a in row if a >= 0) for row in self.choose(gain, cost, eligible).tolist()]

    def choose(self, gain: Any, cost: Any = None, eligible: Any = None) -> Int:
        """The numbers of the actions of each row, the best first, −1 where there is none: shape (n, contacts)."""
        own, wide = self.limits.cost is None, len(self.limits.actions)
        if own != (cost is not None):
            raise DataContractError(
                "These prices belong to costs of "
                + ("each pair: pass cost." if own else "the actions: leave cost out.")
            )
        tables = [None if m is None else np.asarray(m, t) for m, t in ((gain, float), (cost, float), (eligible, bool))]
        shape = np.shape(gain)
        if len(shape) != 2 or shape[1] != wide or any(m is not None and m.shape != shape for m in tables):
            raise DataContractError(
                f"The tables have shapes {[m.shape for m in tables if m is not None]}. Give one column an action: {wide}."
            )
        block = Block(0, tables[0], *tables[1:])  # type: ignore[arg-type]  # gain is an array, as its shape has told
        _, left = self.reduced(block)
        if not np.isfinite(np.asarray(gain, float)[slice(None) if tables[2] is None else tables[2]]).all():
            raise DataContractError("gain is missing or infinite for pairs that are eligible. Give finite money.")
        return self.pick(left)

    def pick(self, left: Float) -> Int:
        """The same from net gains less prices, of shape (actions, rows), which are used up."""
        rows = np.arange(left.shape[1])
        chosen = np.full((len(rows), self.limits.contacts), -1, np.int64)
        for j in range(self.limits.contacts):
            best = left.argmax(axis=0) if len(rows) else rows
            good = left[best, rows] > 0
            chosen[good, j] = best[good]
            if j + 1 < self.limits.contacts:
                left[(self.limits.group[:, None] == self.limits.group[best]) & good] = -np.inf
        return chosen

    def reduced(self, block: Block) -> tuple[Float, Float]:
        """Net gain, and net gain less prices, of shape (actions, rows); minus infinity where a pair is not eligible."""
        net, cost = block.net(self.limits), block.charge(self.limits)
        if block.eligible is not None:
            net[~block.eligible.T] = -np.inf
            cost = np.where(block.eligible.T, cost, 0.0) if block.cost is not None else cost
        return net, net - (self.action[:, None] + self.budget * cost)

    def bound(self, left: Float) -> float:
        """What the customers of a block could bring at most beyond prices."""
        groups = self.limits.groups
        if groups:
            left = np.array([left[self.limits.group == g].max(axis=0) for g in range(int(self.limits.group.max()) + 1)])
        return float(sum(np.maximum(top, 0.0).sum() for top in largest(left, self.limits.contacts)))

    def rent(self, *, spend: bool = True) -> float:
        """What the limits (the budget only if `spend`) are worth at these prices: the other part of the upper bound."""
        at, up = self.limits, self.action > 0
        money = self.budget * at.budget if spend and self.budget > 0 else 0.0
        return float(self.action[up] @ at.capacity[up] + self.action[~up] @ at.quota[~up] + money)

    def _row(self, values: Any, name: str) -> list[float]:
        if isinstance(values, pd.Series):
            values = values.reindex(list(self.limits.actions)).to_numpy()
        row = values.tolist() if isinstance(values, np.ndarray) else list(values)
        if len(row) != len(self.limits.actions):
            raise DataContractError(f"{name} has {len(row)} numbers. Give one for each of {list(self.limits.actions)}.")
        return [float(x) for x in row]

    def _allowed(self, eligible: Sequence[bool] | None) -> list[int]:
        return [a for a in range(len(self.limits.actions)) if eligible is None or eligible[a]]

    def _open(self, left: list[float], eligible: Any) -> list[int]:
        if len(eligible) != len(left):
            raise DataContractError(
                f"eligible has {len(eligible)} values. Give one for each of {list(self.limits.actions)}."
            )
        may = eligible.tolist() if isinstance(eligible, np.ndarray) else list(eligible)
        return [a for a, (r, ok) in enumerate(zip(left, may, strict=True)) if ok and r > 0]
