"""What every recommender shares: who bought what, what may be offered, ties, cold customers and the shape of the answer."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from crmintel.columns import CUSTOMER, ITEM, RANK, SCORE
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.interactions import InteractionLog
from crmintel.recommend.call import Call
from crmintel.recommend.purchases import PURCHASES, Evidence, Purchases
from crmintel.recommend.rules import (
    NO_RULES,
    Exclude,
    Rules,
    allowed,
)
from crmintel.recommend.topk import CHUNK, Real, best, check_k, in_chunks, joined, steps
from crmintel.showing import Shown

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Habit = Literal["habit"]
_SKETCH = 64


class Recommender(Shown, ABC):
    """A ranking of items for each customer. Write `_fit` and `_score`; the rules are settled here, once.

    Items are kept in falling order of how many customers had them, then by identifier: equal scores go to the more popular item,
    whatever the order of rows. Customers without a purchase, and places that a model cannot fill with a positive score, get
    popular items, marked in the column `source`.

    Attributes
    ----------
    items_ : Index of item identifiers, most popular first
    customers_ : Index of customer identifiers, rising
    history_ : CSR matrix, shape (n_customers, n_items)
        On how many rows each customer bought each item.
    owners_ : int64, shape (n_items,)
        How many customers had each item.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(100, days=400, seed=1).log(quiet=True)
    >>> class Rare(Recommender):
    ...     name = "rare"
    ...
    ...     def _fit(self, purchases):
    ...         pass
    ...
    ...     def _score(self, who):
    ...         return np.tile(1 / self.owners_, (len(who), 1))
    ...
    >>> lists = Rare().fit(log).recommend(k=2)
    >>> lists["source"].unique().tolist()
    ['rare']
    """

    name: str
    evidence: Evidence = PURCHASES
    habit: Exclude = "bought"
    """What `recommend` leaves out unless told: nothing for models of the next basket, which repeats much of the last ones."""

    def fit(self, log: InteractionLog, *, at: Any = None) -> Self:
        """Learn from the purchases of a log, or from those before an instant.

        Raises
        ------
        DataContractError
            If the log has no items, fewer than two customers or items were bought from, or an option is out of range.
        """
        self._learn(Purchases.read(log, at, self.evidence))
        return self

    def _learn(self, purchases: Purchases) -> None:
        self.customers_, self.items_, self.owners_ = purchases.customers, purchases.items, purchases.owners
        self.history_ = purchases.history()
        self.__dict__.pop("sketch", None)
        self._fit(purchases)

    @abstractmethod
    def _fit(self, purchases: Purchases) -> None:
        """Prepare from purchases; `history_`, `items_`, `customers_` and `owners_` are there."""

    @abstractmethod
    def _score(self, who: Int) -> Real:
        """Scores of all items for customers at these positions, shape (n, n_items); a fresh array, 0 or less for no opinion."""

    def recommend(
        self, customers: Iterable[Any] | None = None, *, k: int = 10, exclude: Exclude | Habit = "habit", eligible: Any = None,
        rules: Rules = NO_RULES, threads: int = 2, progress: bool = False,
    ) -> pd.DataFrame:  # fmt: skip
        """The best items for each customer.

        Parameters
        ----------
        customers : iterable, optional
            Who is asked for; everybody who bought, without it. Unknown customers get popular items.
        k : int
            Length of each list; shorter only when no item is left.
        exclude : {"bought", "new"} or None
            Leave out what a customer bought before, or what is new to the customer, or nothing. By default as is the model's
            habit: what was bought, or nothing where the next basket is foretold.
        eligible : iterable of items, or DataFrame of customer_id and item_id, optional
            What may be offered to everybody, or to each customer (assortment, consent, region).
        rules : Rules
            Blocked pairs, boosts, stock, quotas, diversity, novelty, and what fills a list.
        threads : int
            Chunks of customers at a time; the result does not depend on it.

        Returns
        -------
        DataFrame
            customer_id, item_id, score, rank (from 1), source (the model's name, or how popular items came in), in the order asked for.

        Raises
        ------
        DataContractError
            If `k` is no positive whole number, `exclude` is unknown, or a rule cannot be meant.
        """
        if not hasattr(self, "items_"):
            raise NotFittedError(f"This {type(self).__name__} is not fitted. Call fit(log) first.")
        check_k(k)
        left_out = self.habit if isinstance(exclude, str) and exclude == "habit" else exclude
        if not (left_out is None or (isinstance(left_out, str) and left_out in ("bought", "new"))):
            told = repr(exclude) if isinstance(exclude, str) else f"a {type(exclude).__name__}"
            raise DataContractError(
                f"exclude is {told}. Choose 'bought', 'new' or None; pairs belong in Rules(blocked=...)."
            )
        rules.check()
        n = len(self.items_)
        if k > n:
            warnings.warn(
                f"k is {k:,}, but there are {n:,} items: all are returned.", DataContractWarning, stacklevel=2
            )
        if isinstance(customers, str | pd.DataFrame):
            raise DataTypeError(f"customers cannot be a {type(customers).__name__}. Give their identifiers in a list.")
        asked = self.customers_ if customers is None else pd.Index(list(customers), name=CUSTOMER)
        job = Call(self, asked, min(k, n), left_out, allowed(asked, self.items_, eligible, rules), rules)
        with _bar(len(asked) if progress else 0) as advance:

            def run(step: tuple[int, int]) -> Any:
                done = job.lists(*step)
                advance(step[1] - step[0])
                return done

            found = in_chunks(run, steps(len(asked), CHUNK), threads)
        row, item, score = joined(found)
        if job.units is not None:
            row, item, score = job.sold(row, item, score)
        return job.table(row, item, score)

    def similar_items(self, items: Iterable[Any] | None = None, *, k: int = 10) -> pd.DataFrame:
        """Items that go with an item: by the model's own table of pairs where it has one, else bought by the same customers (cosine).

        Returns
        -------
        DataFrame
            item_id, similar_id, score, rank; items nobody bought have no rows.
        """
        check_k(k)
        asked = self.items_ if items is None else pd.Index(list(items), name=ITEM)
        known, likeness, out = self.items_.get_indexer(asked), self._likeness(), []
        for a, b in steps(len(asked), CHUNK):
            who = known[a:b]
            block = np.array(likeness(np.maximum(who, 0)), np.float64)
            block[np.arange(len(who)), np.maximum(who, 0)] = 0.0
            block[who < 0] = 0.0
            rows, columns, values = best(block, min(k, len(self.items_)))
            out.append((rows[values > 0] + a, columns[values > 0], values[values > 0]))
        row, item, score = joined(out)
        rank = np.arange(len(row)) - np.searchsorted(row, row) + 1
        return pd.DataFrame({ITEM: asked[row], "similar_id": self.items_[item], SCORE: score, RANK: rank})

    def _likeness(self) -> Callable[[Int], Any]:
        """What gives rows of likeness for items at positions, shape (n, n_items)."""
        owned = self.history_.copy()
        owned.data[:] = 1.0
        owned = owned @ sp.diags_array(np.maximum(self.owners_, 1) ** -0.5)
        back = owned.T.tocsr()
        return lambda who: (back[who] @ owned).toarray()

    def __repr__(self) -> str:
        if not hasattr(self, "items_"):
            return f"{type(self).__name__}()"
        return f"{type(self).__name__}(fitted on {len(self.customers_):,} customers and {len(self.items_):,} items)"

    @cached_property
    def sketch(self) -> npt.NDArray[np.float32]:
        """Items as short vectors whose products are about the cosine of their owners."""
        owned = self.history_.astype(np.float32)
        owned.data[:] = 1.0
        draw = np.random.default_rng(0).standard_normal((len(self.customers_), _SKETCH), dtype=np.float32)
        vectors = np.asarray(owned.T @ draw, np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    """A progress bar of customers; none for 0."""
    if not total:
        yield lambda n: None
        return
    from rich.progress import Progress

    with Progress() as progress:
        task = progress.add_task("customers", total=total)
        yield lambda n: progress.advance(task, n)
