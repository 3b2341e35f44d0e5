"""Baskets: what each customer bought together, in order of time."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from crmintel.interactions.clock import Int
from crmintel.recommend.purchases import Purchases

Float = npt.NDArray[np.float64]
LARGEST: Final = 200
"""Items of a basket that are paired: of a larger one, only so many of those bought most often."""


@final
@dataclass(frozen=True, eq=False)
class Baskets:
    """Every basket with each of its items once, customer after customer in order of time.

    Parameters
    ----------
    n_items : int
    starts : int64, shape (n_customers + 1,)
        The baskets of customer ``c`` are ``starts[c]:starts[c + 1]``.
    time : int64, shape (n_baskets,)
        When each began, UTC microseconds.
    basket, item : int64, shape (n_lines,)
        Lines, basket after basket; within a basket in the order in which items came.
    """

    n_items: int
    starts: Int
    time: Int
    basket: Int
    item: Int

    @classmethod
    def of(cls, purchases: Purchases) -> "Baskets":
        """The baskets of purchases; other kinds of interactions are not looked at.

        Examples
        --------
        >>> import pandas as pd
        >>> from crmintel import InteractionLog
        >>> day = pd.to_datetime(["2024-01-01 08:00", "2024-01-01 09:00", "2024-01-02 08:00", "2024-01-02 08:00"])
        >>> log = InteractionLog.read(pd.DataFrame({"customer_id": [1, 1, 1, 2], "timestamp": day, "item_id": list("aaba")}))
        >>> Baskets.of(Purchases.read(log)).sizes.tolist()
        [1, 1, 1]
        """
        rows = purchases.bought
        old, item, time = purchases.basket[rows], purchases.item[rows].astype(np.int64), purchases.time[rows]
        _, first, basket = np.unique(old, return_index=True, return_inverse=True)
        order = np.argsort(basket, kind="stable")
        basket, item = basket[order], item[order]
        once = np.sort(np.unique(basket * len(purchases.items) + item, return_index=True)[1])
        owner = purchases.who[rows][first]
        starts = np.searchsorted(owner, np.arange(purchases.shape[0] + 1))
        return cls(len(purchases.items), starts, time[first], basket[once], item[once])

    @cached_property
    def owner(self) -> Int:
        """The customer of each basket, by position."""
        return np.repeat(np.arange(len(self.starts) - 1), self.count)

    @cached_property
    def count(self) -> Int:
        """How many baskets each customer has."""
        return np.diff(self.starts)

    @cached_property
    def sizes(self) -> Int:
        """How many different items each basket holds."""
        return np.bincount(self.basket, minlength=len(self.time))

    @cached_property
    def age(self) -> Int:
        """How many baskets of the same customer came after each basket."""
        return self.starts[1:][self.owner] - 1 - np.arange(len(self.time))

    @cached_property
    def popularity(self) -> Int:
        """How many baskets hold each item."""
        return np.bincount(self.item, minlength=self.n_items)

    def matrix(self) -> sp.csr_array:
        """1 where a basket holds an item, shape (n_baskets, n_items)."""
        starts = np.append(0, np.cumsum(self.sizes))
        return sp.csr_array((np.ones(len(self.item)), self.item, starts), shape=(len(self.time), self.n_items))

    def sums(self, weight: Float) -> sp.csr_array:
        """Weights of baskets summed for each customer and item, shape (n_customers, n_items); columns rise."""
        who, item, line = self._pairs
        values = np.bincount(line, weight[self.basket], minlength=len(who))
        starts = np.searchsorted(who, np.arange(len(self.starts)))
        return sp.csr_array((values, item, starts), shape=(len(self.starts) - 1, self.n_items))

    @cached_property
    def _pairs(self) -> tuple[Int, Int, Int]:
        """Each customer and item once, and the pair of each line."""
        pair, line = np.unique(self.owner[self.basket] * self.n_items + self.item, return_inverse=True)
        return pair // self.n_items, pair % self.n_items, line

    def first(self) -> sp.csr_array:
        """The place (from 1) of each item among those a customer has, by when it first came; shape (n_customers, n_items)."""
        who, item, line = self._pairs
        come = np.full(len(who), len(line))
        np.minimum.at(come, line, np.arange(len(line)))
        place = np.empty(len(who), np.int64)
        place[np.argsort(come, kind="stable")] = np.arange(len(who))  # lines of a customer stand together
        starts = np.searchsorted(who, np.arange(len(self.starts)))
        values = place - np.repeat(starts[:-1], np.diff(starts)) + 1
        return sp.csr_array((values.astype(np.float64), item, starts), shape=(len(self.starts) - 1, self.n_items))

    def where(self, keep: npt.NDArray[np.bool_]) -> "Baskets":
        """Some of the baskets, of the same customers and items."""
        lines = keep[self.basket]
        number = np.cumsum(keep) - 1
        starts = np.append(0, np.cumsum(keep))[self.starts]
        return Baskets(self.n_items, starts, self.time[keep], number[self.basket[lines]], self.item[lines])

    def without_last(self) -> tuple["Baskets", "Baskets"]:
        """Baskets without the last one of each customer who has two or more, and these last ones."""
        last = (self.age == 0) & (self.count >= 2)[self.owner]
        return self.where(~last), self.where(last)

    def together(self) -> tuple[sp.csr_array, int]:
        """How many baskets hold both of two items (0 for an item with itself), and how many baskets were too large.

        Of baskets with more than 200 items, the 200 that most baskets hold are paired (ties: the lower position).
        """
        big = self.sizes > LARGEST
        held = self
        if big.any():
            order = np.lexsort((self.item, -self.popularity[self.item], self.basket))
            rank = np.empty(len(order), np.int64)
            begin = np.append(0, np.cumsum(self.sizes))[:-1]
            rank[order] = np.arange(len(order)) - np.repeat(begin, self.sizes)
            some = rank < LARGEST
            held = Baskets(self.n_items, self.starts, self.time, self.basket[some], self.item[some])
        X = held.matrix()
        C = (X.T @ X).tocoo()
        off = C.row != C.col
        return sp.csr_array(sp.coo_array((C.data[off], (C.row[off], C.col[off])), C.shape)), int(big.sum())
