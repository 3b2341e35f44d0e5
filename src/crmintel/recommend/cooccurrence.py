"""Co-occurrence: one family of graph filters in place of many neighbourhood models, with reasons that add up."""

from collections.abc import Callable
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError
from threadpoolctl import threadpool_limits

from crmintel.columns import CUSTOMER, ITEM, RANK
from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog
from crmintel.recommend.base import Int, Recommender
from crmintel.recommend.evidence import Pairs
from crmintel.recommend.purchases import PURCHASES, Evidence, Purchases
from crmintel.recommend.topk import CHUNK, Real, best, check_k, steps

SMALL: Final = 4_000
"""Up to so many items the tables of pairs are kept dense."""
LEAST_RANK, MOST_RANK = 16, 512
_OVER, _ROUNDS = 10, 2
_NOISE: Final = 1e-5
_DENSE: Final = 0.1
"""Where customers share items with more than this share of all, rows are summed as dense ones."""
Factors = npt.NDArray[np.float32]


@final
class CoOccurrence(Recommender):
    """Rank items by whom they were bought with: who shares items with you, and what else those customers had.

    With the history x of a customer (1 for what was bought), the first part of the score is ``x D_i^-l R' D_u^-2a R D_i^-r``, where R
    marks who bought what and the D hold how many customers an item has and how many items a customer has. Dividing by them keeps
    best-sellers and heavy buyers from drowning the rest. The second part keeps of the history only what the strongest patterns of
    the whole base explain. Both are brought to one length, and the second counts `low_rank`.

    Parameters
    ----------
    a, l, r : float
        Powers of the sizes of customers, of items bought, and of items offered. Cosine neighbours are a=0, l=r=½; P3 a=½, l=1, r=0; RP3β
        the same with r=β; GF-CF a=l=r=½.
    low_rank : float
        Weight of the second part; 0 leaves it out.
    rank : int, optional
        How many patterns; by default an eighth of the smaller of customers and items, at least 16 and at most 512.
    prune : int, optional
        Keep so many candidates for each item that was bought: quicker where items are many (300 is safe).
    tune : bool
        Choose r and `low_rank` on the last fifth of the time of the purchases, and learn from all of them then.
    evidence : Evidence
        What counts, and how much; by default 1 for what was bought.
    random_state : int
        Seed of the search for patterns.

    Notes
    -----
    The defaults were chosen once over eight data sets, without the test part of any. Sources: Deshpande and Karypis (2004) and
    Cooper et al. (2014) for the family; Shen et al. (2021), "How Powerful is Graph Convolution for Recommendation?", for the two parts.
    Where there are at most 4,000 items, sums go row by row and one customer scores exactly as in a batch; with more, equal to float32.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> model = CoOccurrence().fit(log)
    >>> model.recommend(k=3).groupby("customer_id").size().unique().tolist()
    [3]
    """

    name = "co-occurrence"

    def __init__(
        self, *, a: float = 0.4, l: float = 0.5, r: float = 0.4, low_rank: float = 0.3, rank: int | None = None,  # noqa: E741 - its name in the formula
        prune: int | None = None, tune: bool = False, evidence: Evidence = PURCHASES, random_state: int = 0,
    ) -> None:  # fmt: skip
        self.a, self.l, self.r = a, l, r
        self.low_rank, self.rank, self.prune = low_rank, rank, prune
        self.tune, self.evidence, self.random_state = tune, evidence, random_state

    def update(self, log: InteractionLog) -> Self:
        """Learn from further interactions too: the same as a fit on all of them. Rows that were seen before must not come again.

        What `tune` chose stays. Kinds other than purchases count only if the same log holds a purchase by the customer, and one of the
        item: fit anew where that matters.

        Raises
        ------
        DataContractError
            If the log has no items, or nothing was bought in it.
        """
        if not hasattr(self, "_pairs"):
            raise NotFittedError("This CoOccurrence is not fitted. Call fit(log) first.")
        later = Pairs.of(Purchases.read(log, None, self.evidence, fewest=1), self.evidence.half_life)
        self._prepare(self._pairs.join(later))
        return self

    def _fit(self, purchases: Purchases) -> None:
        if not all(np.isfinite([self.a, self.l, self.r])) or not 0 <= self.low_rank < np.inf:
            raise DataContractError("a, l and r must be numbers, and low_rank a number of 0 or more.")
        if any(n is not None and n < 1 for n in (self.rank, self.prune)):
            raise DataContractError(f"rank is {self.rank}, prune {self.prune}. Give numbers of at least 1, or None.")
        self.r_, self.low_rank_ = self.r, self.low_rank
        if self.tune:
            from crmintel.recommend.tuning import tuned

            self.r_, self.low_rank_ = tuned(self, purchases)
        self._prepare(Pairs.of(purchases, self.evidence.half_life))

    def _prepare(self, table: Pairs) -> None:
        """Everything that scores are made of."""
        self._pairs = table
        self.customers_, self.items_, self.owners_ = table.customers, table.items, table.owners
        self.history_ = table.history()
        self.__dict__.pop("sketch", None)
        small = table.shape[1] <= SMALL
        kind: Any = np.float64 if small else np.float32
        R = table.strength().astype(kind)
        size, owned = (np.asarray(R.sum(axis=axis, dtype=np.float64)) for axis in (1, 0))
        size[size == 0], owned[owned == 0] = 1.0, 1.0  # nobody and nothing: powers must exist
        self._R = R

        def scaled(by: npt.NDArray[np.float64], of_row: npt.NDArray[np.float64] | None = None) -> sp.csr_array:
            """R with its columns (and rows) multiplied; what is stored where is shared."""
            data = R.data * by.astype(kind)[R.indices]
            if of_row is not None:
                data *= np.repeat(of_row.astype(kind), np.diff(R.indptr))
            return sp.csr_array((data, R.indices, R.indptr), shape=R.shape)

        self._bought = scaled(owned**-self.l)
        self._offered = scaled(owned**-self.r_, size ** (-2 * self.a))
        self._back = R.T.tocsr()
        some = np.linspace(0, R.shape[0] - 1, CHUNK).astype(np.int64)
        shared = self._bought[some] @ self._back
        self._dense_between = shared.nnz > _DENSE * len(some) * R.shape[0]
        self._onward = self._offered.T.tocsr() if self._dense_between else None
        self._table: Any = None
        if small:
            self._table = np.ascontiguousarray(_dense(self._bought.T @ self._offered))
            if self.prune:
                self._table = _pruned(self._table, self.prune)
        elif self.prune:
            self._table = self._pruned_rows(self.prune)
        self._low: tuple[Factors, Factors] | None = None
        self._low_table: npt.NDArray[np.float64] | None = None
        if self.low_rank_:
            left, right = self._patterns(R, size, owned)
            if small:
                self._low_table = _without_noise(left.astype(np.float64) @ right.astype(np.float64))
            else:
                self._low = (left, right)

    def _patterns(
        self, R: sp.csr_array, size: npt.NDArray[np.float64], owned: npt.NDArray[np.float64]
    ) -> tuple[Factors, Factors]:
        """What projects a history on the strongest patterns: shapes (n_items, d) and (d, n_items)."""
        smaller = min(R.shape)
        d = int(np.clip(smaller // 8, LEAST_RANK, MOST_RANK)) if self.rank is None else self.rank
        d = min(d, smaller)
        Rn = (sp.diags_array(size**-0.5) @ R @ sp.diags_array(owned**-0.5)).astype(np.float32)
        back = Rn.T.tocsr()
        draw = np.random.default_rng(self.random_state).standard_normal(
            (R.shape[1], min(d + _OVER, smaller)), dtype=np.float32
        )
        with threadpool_limits(1, "blas"):
            for _ in range(_ROUNDS):
                draw = np.linalg.qr(back @ np.linalg.qr(Rn @ draw)[0])[0]
            B = back @ np.linalg.qr(Rn @ draw)[0]
            squared, turn = np.linalg.eigh((B.T @ B).astype(np.float64))
            V = B @ (turn[:, ::-1][:, :d] / np.sqrt(np.maximum(squared[::-1][:d], 1e-12))).astype(np.float32)
        root = np.sqrt(owned).astype(np.float32)
        return V / root[:, None], np.ascontiguousarray((V * root[:, None]).T)

    def _score(self, who: Int) -> Real:
        near = self._near(who)
        if not self.low_rank_:
            return near
        far, weight = self._far(who, near)
        far *= weight[:, None]
        near += far
        return near

    def _near(self, who: Int) -> Real:
        """The first part of the score."""
        if self._table is not None:
            return _dense(self._R[who] @ self._table)
        between = self._bought[who] @ self._back
        if self._dense_between:
            return np.ascontiguousarray((self._onward @ between.toarray().T).T)
        return _dense(between @ self._offered)

    def _far(self, who: Int, near: Real) -> tuple[Real, Real]:
        """The second part, and what it weighs beside the first."""
        x = self._R[who]
        far = x @ self._low[0] @ self._low[1] if self._low is not None else x @ self._low_table
        lengths = [np.sqrt(np.einsum("ij,ij->i", s, s)) for s in (near, far)]
        weight = np.divide(self.low_rank_ * lengths[0], lengths[1], out=np.zeros_like(lengths[0]), where=lengths[1] > 0)
        return np.asarray(far), weight

    def _pruned_rows(self, keep: int) -> sp.csr_array:
        """The table of pairs with the largest entries of each row."""
        rows, columns, values = [], [], []
        bought = self._bought.T.tocsr()
        for a, b in steps(bought.shape[0], CHUNK):
            block = _dense(bought[a:b] @ self._offered)
            row, column, value = best(block, keep)
            good = value > 0
            rows.append(row[good] + a)
            columns.append(column[good])
            values.append(value[good])
        place = (np.concatenate(rows), np.concatenate(columns))
        return sp.csr_array(sp.coo_array((np.concatenate(values), place), (len(self.items_),) * 2))

    def reasons(self, recommended: pd.DataFrame, *, most: int = 3) -> pd.DataFrame:
        """Because of what: how much each item that was bought adds to the score of one that is recommended.

        Parameters
        ----------
        recommended : DataFrame of customer_id, item_id
            As `recommend` gives them; rows of unknown customers or items have no reasons.
        most : int
            Reasons for each row.

        Returns
        -------
        DataFrame
            customer_id, item_id, because (an item that was bought), part (of the score; all parts add up to it), rank.
        """
        check_k(most)
        who = self.customers_.get_indexer(pd.Index(recommended[CUSTOMER]))
        item = self.items_.get_indexer(pd.Index(recommended[ITEM]))
        out = []
        for i in np.flatnonzero((who >= 0) & (item >= 0)):
            bought, part = self._parts(int(who[i]), int(item[i]))
            order = np.argsort(-part, kind="stable")[:most]
            order = order[part[order] > 0]
            out.append(
                pd.DataFrame({
                    CUSTOMER: [recommended[CUSTOMER].iloc[i]] * len(order), ITEM: [recommended[ITEM].iloc[i]] * len(order),
                    "because": self.items_[bought[order]], "part": part[order], RANK: np.arange(1, len(order) + 1),
                })
            )  # fmt: skip
        empty = pd.DataFrame({CUSTOMER: self.customers_[:0], ITEM: self.items_[:0], "because": self.items_[:0], "part": [], RANK: np.zeros(0, np.int64)})  # fmt: skip
        return pd.concat(out, ignore_index=True) if out else empty

    def _parts(self, who: int, item: int) -> tuple[Int, npt.NDArray[np.float64]]:
        """What was bought, and what each of it adds to the score of an item."""
        row = self._R[[who]]
        bought, x = row.indices.astype(np.int64), row.data.astype(np.float64)
        if self._table is not None:
            near = _dense(self._table[bought][:, [item]]).ravel()
        else:
            near = _dense(self._bought[:, bought].T @ self._offered[:, [item]]).ravel()
        part = x * near
        if self.low_rank_:
            weight = float(self._far(np.array([who]), self._near(np.array([who])))[1][0])
            if self._low is not None:
                part = part + weight * x * (self._low[0][bought] @ self._low[1][:, item])
            elif self._low_table is not None:
                part = part + weight * x * self._low_table[bought, item]
        return bought, part

    def _likeness(self) -> Callable[[Int], Any]:
        if self._table is not None:
            return lambda who: _dense(self._table[who])
        bought = self._bought.T.tocsr()
        return lambda who: _dense(bought[who] @ self._offered)


def _dense(found: Any) -> npt.NDArray[Any]:
    """A sparse table as a dense one, a dense one as it is."""
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found)


def _without_noise(table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A table made of float32 numbers, with 0 for what is only their rounding: no opinion must stay none."""
    table[np.abs(table) < _NOISE * np.abs(table).max(initial=0.0)] = 0.0
    return table


def _pruned(table: npt.NDArray[np.float64], keep: int) -> npt.NDArray[np.float64]:
    """A dense table with the largest entries of each row, the others 0."""
    out = np.zeros_like(table)
    row, column, value = best(table, min(keep, table.shape[1]))
    out[row, column] = value
    return out
