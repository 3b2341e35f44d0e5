"""Ease: each item told from all others by ridge regression, in closed form, on the smaller side of the table."""

from typing import Any, Final, final

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from crmintel.errors import DataContractError
from crmintel.recommend.base import Int, Recommender
from crmintel.recommend.evidence import Pairs
from crmintel.recommend.purchases import PURCHASES, Evidence, Purchases
from crmintel.recommend.topk import Real, pairs

MOST: Final = 12_000
"""Beyond so many customers and items, the table to be inverted does not fit."""


@final
class Ease(Recommender):
    """Rank items by a linear model of each item on all others, no item on itself (Steck 2019).

    The table that is inverted is of items, or, where customers are fewer, of customers: the result is the same (Woodbury).

    Parameters
    ----------
    ridge : float
        Penalty on squared weights; 50 to 200 do well on most data.
    evidence : Evidence
        What counts, and how much.

    Notes
    -----
    Source: Steck (2019), "Embarrassingly Shallow Autoencoders for Sparse Data".

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> Ease().fit(simulate(100, seed=1).log(quiet=True)).recommend(k=2).columns.tolist()
    ['customer_id', 'item_id', 'score', 'rank', 'source']
    """

    name = "ease"

    def __init__(self, *, ridge: float = 100.0, evidence: Evidence = PURCHASES) -> None:
        self.ridge, self.evidence = ridge, evidence

    def _fit(self, purchases: Purchases) -> None:
        if not 0 < self.ridge < np.inf:
            raise DataContractError(f"ridge is {self.ridge}. Give a number above 0.")
        self._X = Pairs.of(purchases, self.evidence.half_life).strength()
        n_customers, n_items = self._X.shape
        if min(n_customers, n_items) > MOST:
            raise DataContractError(
                f"{n_customers:,} customers and {n_items:,} items: Ease inverts the smaller table, at most {MOST:,}. Use CoOccurrence."
            )
        self._weights: Any = None
        with threadpool_limits(1, "blas"):
            if n_items <= n_customers:
                P = _inverse(self._X.T @ self._X, self.ridge)
                B = -P / np.diag(P)
                np.fill_diagonal(B, 0.0)
                self._weights = B
            else:
                self._K = _inverse(self._X @ self._X.T, self.ridge)
                own = np.asarray(self._X.multiply((self._X.T @ self._K).T).sum(axis=0)).ravel()
                self._scale = -self.ridge / (1 - own)

    def _score(self, who: Int) -> Real:
        if self._weights is not None:
            return np.asarray(self._X[who] @ self._weights)
        scores = np.asarray((self._X.T @ self._K[who].T).T) * self._scale
        mine = self._X[who]
        scores[pairs(mine, 0, len(who))] += mine.data  # an item tells nothing of itself
        return scores


def _inverse(gram: sp.csr_array, ridge: float) -> Any:
    dense = np.asarray(gram.toarray(), np.float64)
    dense[np.diag_indices_from(dense)] += ridge
    return np.linalg.inv(dense)
