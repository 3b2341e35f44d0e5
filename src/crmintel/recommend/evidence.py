"""How strongly each customer's history speaks for each item: pairs that can be joined with later ones, as if read at once."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from crmintel.columns import ITEM
from crmintel.interactions.clock import Int, duration
from crmintel.recommend.purchases import Codes, Float, Purchases, Real32

_OLDEST: Final = -40.0
"""Half-lives beyond which evidence fades no more."""


@final
@dataclass(frozen=True, eq=False)
class Pairs:
    """Each pair of a customer and an item once.

    Parameters
    ----------
    customers, items : Index
        Rising; most owners first, then by identifier.
    who, item : int32, shape (n_pairs,)
        Positions; rising by customer, then item.
    count : float32, shape (n_pairs,)
        Rows of purchases.
    key : float64, shape (n_pairs,)
        Logarithm (base 2) of the strongest evidence as of 1970: what it is at an instant takes the half-life into account.
    half_life : int, optional
        Microseconds.
    at : int
        The instant it was told at, UTC microseconds.
    """

    customers: pd.Index
    items: pd.Index
    who: Codes
    item: Codes
    count: Real32
    key: Float
    half_life: int | None
    at: int

    @classmethod
    def of(cls, purchases: Purchases, half_life: str | None) -> "Pairs":
        """From rows."""
        length = None if half_life is None else duration(half_life)

        def key(rows: slice) -> Float:
            with np.errstate(divide="ignore"):
                strength = np.log2(purchases.weight[rows].astype(np.float64))
            return strength if length is None else strength + purchases.time[rows] / length

        who, item, count, top = purchases.pairs(key)
        assert top is not None
        return cls(purchases.customers, purchases.items, who, item, count, top, length, purchases.at)

    def join(self, later: "Pairs") -> "Pairs":
        """These pairs and later ones, as if all rows had been read at once."""
        customers = self.customers.union(later.customers)
        items = pd.Index(self.items.union(later.items).sort_values(), name=ITEM)  # union leaves equal ones unsorted
        who = np.concatenate([customers.get_indexer(p.customers)[p.who] for p in (self, later)])
        item = np.concatenate([items.get_indexer(p.items)[p.item] for p in (self, later)])
        count, key = (np.concatenate([getattr(p, n) for p in (self, later)]) for n in ("count", "key"))
        who, item, count, key = _strongest(who, item, count, key, len(items))
        owners = np.bincount(item[count > 0], minlength=len(items))
        order = np.argsort(-owners, kind="stable")
        place = np.empty(len(items), np.int64)
        place[order] = np.arange(len(items))
        found = _strongest(who, place[item], count, key, len(items))
        return Pairs(customers, items[order], *found, self.half_life, max(self.at, later.at))

    @property
    def shape(self) -> tuple[int, int]:
        """Customers, items."""
        return len(self.customers), len(self.items)

    @property
    def owners(self) -> Int:
        """How many customers bought each item."""
        return np.bincount(self.item[self.count > 0], minlength=len(self.items))

    def history(self) -> sp.csr_array:
        """On how many rows each customer bought each item."""
        some = self.count > 0
        return self._matrix(self.count[some], self.who[some], self.item[some])

    def strength(self) -> sp.csr_array:
        """The strongest evidence of each pair, as of the instant."""
        key = self.key if self.half_life is None else self.key - self.at / self.half_life
        some = key > -np.inf
        if self.half_life is not None:  # who bought long ago must not vanish in what float32 can hold
            key = np.maximum(key, _OLDEST)
        return self._matrix(np.exp2(key[some]), self.who[some], self.item[some])

    def _matrix(self, values: Float | Real32, who: Codes, item: Codes) -> sp.csr_array:
        starts = np.searchsorted(who, np.arange(self.shape[0] + 1))
        return sp.csr_array((values, item, starts), shape=self.shape)


def _strongest(
    who: npt.NDArray[np.integer[Any]], item: npt.NDArray[np.integer[Any]], count: Real32, key: Float, n_items: int
) -> tuple[Codes, Codes, Real32, Float]:
    """Each pair once: its rows added, and its greatest key."""
    pair = who.astype(np.int64) * n_items + item
    order = np.argsort(pair, kind="stable")
    pair = pair[order]
    first = np.flatnonzero(np.append(True, pair[1:] != pair[:-1]))
    pair = pair[first]
    return (
        (pair // n_items).astype(np.int32), (pair % n_items).astype(np.int32), np.add.reduceat(count[order], first),
        np.maximum.reduceat(key[order], first),
    )  # fmt: skip
