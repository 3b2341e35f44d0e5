"""What every recommender shares: who bought what, eligibility, ties, cold customers and the shape of the answer."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import scipy.sparse as sp

from crmintel.columns import CUSTOMER, ITEM, KIND, PURCHASE, RANK, SCORE, SOURCE
from crmintel.errors import DataContractError, DataContractWarning
from crmintel.interactions import InteractionLog

Float = npt.NDArray[np.float64]
POPULAR = "popular"
_CELLS = 4_000_000


class Recommender(ABC):
    """A ranking of items for each customer. Write `_fit` and `_score`; the rules are settled here, once.

    Items are kept in falling order of how many customers had them, then by identifier: equal scores go to the more popular
    item, whatever the order of rows. Customers without a purchase, and places that a model cannot fill with a positive
    score, get the most popular items, marked ``popular`` in the column `source`.

    Attributes
    ----------
    items_ : Index of item identifiers, most popular first
    customers_ : Index of customer identifiers, rising
    history_ : CSR matrix, shape (n_customers, n_items)
        On how many rows each customer bought each item.
    owners_ : int64, shape (n_items,)
        How many customers had each item.
    """

    name: str

    def fit(self, log: InteractionLog, *, at: Any = None) -> Self:
        """Learn from the purchases of a log, or from those before an instant.

        Raises
        ------
        DataContractError
            If the log has no items, or fewer than two customers or items were bought from.
        """
        if ITEM not in log.columns:
            raise DataContractError(f"The log has no column {ITEM!r}. Map it to recommend items.")
        counts = _purchases(log if at is None else log.before(at))
        owners = counts.groupby(ITEM, sort=True)[CUSTOMER].size()
        self.customers_ = pd.Index(np.sort(counts[CUSTOMER].unique()), name=CUSTOMER)
        if len(owners) < 2 or len(self.customers_) < 2:
            raise DataContractError(
                f"{len(self.customers_)} customers bought {len(owners)} items. Recommending needs at least 2 of each."
            )
        owners = owners.iloc[np.argsort(-owners.to_numpy(), kind="stable")]
        self.items_, self.owners_ = pd.Index(owners.index, name=ITEM), owners.to_numpy()
        place = (self.customers_.get_indexer(counts[CUSTOMER]), self.items_.get_indexer(counts[ITEM]))
        shape = (len(self.customers_), len(self.items_))
        self.history_ = sp.csr_array((counts["n"].to_numpy(np.float64), place), shape=shape)
        self._fit()
        return self

    def __repr__(self) -> str:
        fitted = (
            f", fitted on {len(self.customers_):,} customers and {len(self.items_):,} items"
            if hasattr(self, "items_")
            else ""
        )
        return f"{type(self).__name__}({fitted.removeprefix(', ')})"

    @abstractmethod
    def _fit(self) -> None:
        """Prepare from `history_`."""

    @abstractmethod
    def _score(self, history: sp.csr_array) -> Float:
        """Scores of all items for some customers' histories, shape (n, n_items); a fresh array, 0 for no opinion."""

    def recommend(
        self,
        customers: Iterable[Any] | None = None,
        *,
        k: int = 10,
        exclude: Literal["bought", "new"] | None = "bought",
        eligible: Iterable[Any] | None = None,
    ) -> pd.DataFrame:
        """The best items for each customer.

        Parameters
        ----------
        customers : iterable, optional
            Who is asked for; everybody who bought, without it. Unknown customers get popular items.
        k : int
            Length of each list; shorter only when no item is left.
        exclude : {"bought", "new"} or None
            Leave out what a customer bought before, or what is new to the customer, or nothing.
        eligible : iterable, optional
            The items that may be offered (stock, assortment).

        Returns
        -------
        DataFrame
            customer_id, item_id, score, rank (from 1), source (the model's name or ``popular``), in the order asked for.

        Raises
        ------
        DataContractError
            If `k` is no positive whole number, or `exclude` is unknown.
        """
        if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
            raise DataContractError(f"k is {k!r}. Ask for a whole number of items, at least 1.")
        if exclude not in ("bought", "new", None):
            raise DataContractError(f"exclude is {exclude!r}. Choose 'bought', 'new' or None.")
        if k > len(self.items_):
            warnings.warn(
                f"k is {k:,}, but there are {len(self.items_):,} items: all are returned.",
                DataContractWarning,
                stacklevel=2,
            )
        wanted = self.customers_ if customers is None else pd.Index(list(customers), name=CUSTOMER)
        allowed = np.ones(len(self.items_), bool) if eligible is None else self.items_.isin(list(eligible))
        known = self.customers_.get_indexer(wanted)
        blocks = [self._block(known[a:b], a, k, exclude, allowed) for a, b in self._steps(len(known))]
        who, item, score, rank, popular = (
            (np.concatenate(c) for c in zip(*blocks, strict=True)) if blocks else [np.zeros(0, int)] * 5
        )
        data = {
            CUSTOMER: wanted[who], ITEM: self.items_[item], SCORE: score.astype(np.float64), RANK: rank,
            SOURCE: pd.array(np.where(popular, POPULAR, self.name), dtype="str"),
        }  # fmt: skip
        return pd.DataFrame(data)

    def _steps(self, n: int) -> Iterator[tuple[int, int]]:
        size = max(1, min(256, _CELLS // max(self.history_.shape)))
        yield from ((a, min(a + size, n)) for a in range(0, n, size))

    def _block(
        self, known: npt.NDArray[np.int64], first: int, k: int, exclude: str | None, allowed: npt.NDArray[np.bool_]
    ) -> Any:
        """Lists of some customers: their place, item, score, rank, and whether popularity filled in."""
        history = self.history_[np.maximum(known, 0)]
        history.data[np.repeat(known < 0, np.diff(history.indptr))] = 0
        scores = np.maximum(self._score(history), 0.0)
        open_ = np.broadcast_to(allowed, scores.shape).copy()
        bought = history.toarray() > 0
        if exclude == "bought":
            open_ &= ~bought
        elif exclude == "new":
            open_ &= bought
        # Popularity fills what the model leaves at 0: a place below every positive score, in the order of the columns.
        filler = -np.arange(1, scores.shape[1] + 1, dtype=np.float64)
        ranked = np.where(open_, np.where(scores > 0, scores, filler), -np.inf)
        return _top(ranked, np.arange(first, first + len(known)), min(k, scores.shape[1]))


def _top(ranked: Float, who: npt.NDArray[np.int64], k: int) -> tuple[npt.NDArray[Any], ...]:
    """The k best of each row, ties to the earlier column."""
    threshold = np.partition(ranked, ranked.shape[1] - k, axis=1)[:, ranked.shape[1] - k]
    rows, columns = np.nonzero((ranked >= threshold[:, None]) & (ranked > -np.inf))
    values = ranked[rows, columns]
    order = np.lexsort((columns, -values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows) + 1
    keep = rank <= k
    popular = values[keep] < 0
    return who[rows[keep]], columns[keep], np.where(popular, 0.0, values[keep]), rank[keep], popular


def _purchases(log: InteractionLog) -> pd.DataFrame:
    """How often each customer bought each item: customer_id, item_id, n."""
    frames = []
    for part in log.parts([ITEM, KIND]):
        kinds = part.vocabulary[KIND].to_pylist()
        if PURCHASE not in kinds:
            continue
        mask = (part.codes[KIND] == kinds.index(PURCHASE)) & (part.codes[ITEM] >= 0)
        width = len(part.vocabulary[ITEM]) + 1
        pair, n = np.unique(part.customer_codes[mask] * width + part.codes[ITEM][mask], return_counts=True)
        customer = part.customers.take(pa.array(pair // width)).to_pandas()
        frames.append(
            pd.DataFrame(
                {CUSTOMER: customer, ITEM: part.vocabulary[ITEM].take(pa.array(pair % width)).to_pandas(), "n": n}
            )
        )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({CUSTOMER: [], ITEM: [], "n": []})
