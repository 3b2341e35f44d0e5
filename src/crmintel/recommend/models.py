"""Recommenders: each only says how it scores; the rules live in the base."""

from typing import final

import numpy as np
import scipy.sparse as sp

from crmintel.recommend.base import Float, Recommender

SMALL = 4_000
"""Up to this many items the table of pairs is kept dense."""


@final
class Popularity(Recommender):
    """Rank items by how many different customers had them."""

    name = "popularity"

    def _fit(self) -> None:
        pass

    def _score(self, history: sp.csr_array) -> Float:
        return np.tile(self.owners_.astype(np.float64), (history.shape[0], 1))


@final
class Repeat(Recommender):
    """Rank items by how often the customer bought them before; popularity breaks ties and fills up."""

    name = "repeat"

    def _fit(self) -> None:
        pass

    def _score(self, history: sp.csr_array) -> Float:
        return np.asarray(history.toarray())


@final
class CoOccurrence(Recommender):
    """Rank items by whom they were bought with: who shares items with you, and what else those customers had.

    The score of a customer with history x is ``x D_i^-l R' D_u^-2a R D_i^-r``, where R marks who bought what and the
    D hold how many customers an item has and how many items a customer has. Dividing by them keeps best-sellers and
    heavy buyers from drowning the rest.

    Parameters
    ----------
    a, l, r : float
        Powers of the sizes of customers, of items bought, and of items offered.

    Notes
    -----
    Sparse products sum row by row in a fixed order, so one customer scores exactly as in a batch. Where items are fewer than
    customers the table of pairs is kept; else scores go through the customers who share items.
    """

    name = "co-occurrence"

    def __init__(self, *, a: float = 0.4, l: float = 0.5, r: float = 0.4) -> None:  # noqa: E741
        self.a, self.l, self.r = a, l, r

    def _fit(self) -> None:
        seen = self.history_.copy()
        seen.data[:] = 1.0
        owners = self.owners_.astype(np.float64)
        self._bought = (sp.diags_array(owners**-self.l) @ seen.T).tocsr()
        self._offered = (
            sp.diags_array(np.diff(seen.indptr) ** (-2 * self.a)) @ seen @ sp.diags_array(owners**-self.r)
        ).tocsr()
        self._pairs: sp.csr_array | Float | None = None
        if len(self.items_) <= len(self.customers_):  # item by item is the smaller table, and is worked out once
            pairs = (self._bought @ self._offered).tocsr()
            self._pairs = pairs.toarray() if len(self.items_) <= SMALL else pairs

    def _score(self, history: sp.csr_array) -> Float:
        seen = history.copy()
        seen.data = (seen.data > 0).astype(np.float64)
        if self._pairs is not None:
            scores = seen @ self._pairs
            return np.asarray(scores.toarray() if isinstance(scores, sp.csr_array) else scores)
        return np.asarray((self._offered.T @ (seen @ self._bought).toarray().T).T)
