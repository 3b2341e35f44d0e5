"""What every recommender shares: who bought what, what may be offered, ties, cold customers and the shape of the answer."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from crmintel.columns import CUSTOMER, ITEM, RANK, SCORE, SOURCE
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.interactions import InteractionLog
from crmintel.recommend.lists import Mix, reach, within_stock
from crmintel.recommend.purchases import PURCHASES, Evidence, Purchases
from crmintel.recommend.rules import (
    IN_CATEGORY,
    IN_SEGMENT,
    NO_RULES,
    POPULAR,
    Allowed,
    Rules,
    allowed,
    categories_of,
    label,
    series,
)
from crmintel.recommend.topk import CHUNK, Real, Triple, best, check_k, in_chunks, joined, pairs, pairs_of, steps

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Exclude = Literal["bought", "new"] | None
Habit = Literal["habit"]
_SKETCH = 64
_CELLS = 20_000_000
_NO_LIMIT = 2**40


class Recommender(ABC):
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
        self.__dict__.pop("_sketch", None)
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
        job = _Job(self, asked, min(k, n), left_out, allowed(asked, self.items_, eligible, rules), rules)
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
    def _sketch(self) -> npt.NDArray[np.float32]:
        """Items as short vectors whose products are about the cosine of their owners."""
        owned = self.history_.astype(np.float32)
        owned.data[:] = 1.0
        draw = np.random.default_rng(0).standard_normal((len(self.customers_), _SKETCH), dtype=np.float32)
        vectors = np.asarray(owned.T @ draw, np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors


@final
@dataclass(eq=False)
class _Job:
    """One call of `recommend`: everything that does not depend on the chunk."""

    model: Recommender
    asked: pd.Index
    k: int
    exclude: Exclude
    allowed: Allowed
    rules: Rules

    def __post_init__(self) -> None:
        model, rules = self.model, self.rules
        n = len(model.items_)
        self.known = model.customers_.get_indexer(self.asked)
        factor = np.ones(n)
        if rules.boosts is not None:
            factor *= series(rules.boosts, "boosts").reindex(model.items_).fillna(1.0).to_numpy(np.float64)
        if rules.novelty:
            factor /= np.maximum(model.owners_, 1) ** rules.novelty
        self.factor = None if (factor == 1).all() else factor
        self.fillers, self.filler, self.words = self._fallback(n)
        self.units = None
        if rules.stock is not None:
            units = series(rules.stock, "stock").reindex(model.items_).to_numpy(np.float64)
            self.units = np.where(np.isnan(units), np.inf, np.floor(units))
        self.mix = self._mix(n) if rules.mixes else None

    def lists(self, a: int, b: int) -> Triple:
        """The lists of some of the customers asked for: their place, items and scores, best first; the fallback's are below 0."""
        scores = self._scores(a, b)
        k = self.k if self.mix is None else reach(self.k, scores.shape[1])
        if self.units is not None:  # so many may be sold out before a customer's turn
            sold_out = min(int(np.isfinite(self.units).sum()), _CELLS // len(self.asked))
            k = min(scores.shape[1], max(k, self.k + sold_out))
        rows, items, values = self._candidates(a, scores, k)
        if self.mix is not None and self.units is None:
            rows, items, values = self._mixed(a, rows, items, values, scores)
        return rows + a, items, values

    def _candidates(self, a: int, scores: Real, k: int) -> Triple:
        """The highest scores of a chunk, filled or not."""
        rows, items, values = best(scores, k)
        if self.rules.fill:
            rows, items, values = self._filled(a, scores, k, rows, items, values)
        else:
            good = values > self.rules.least_score
            rows, items, values = rows[good], items[good], values[good]
        return rows, items, values

    def _scores(self, a: int, b: int) -> Real:
        """What the model says, with −inf for what must not be offered."""
        who, model = self.known[a:b], self.model
        old = who >= 0
        scores = model._score(who[old]) if old.any() else np.zeros((0, len(model.items_)))
        if not old.all():
            whole = np.zeros((b - a, len(model.items_)), scores.dtype)
            whole[old] = scores
            scores = whole
        if self.factor is not None:
            scores *= self.factor
        rows, columns = pairs_of(model.history_, who)
        if self.exclude == "bought":
            scores[rows, columns] = -np.inf
        if self.exclude == "new":
            scores = _only(scores, rows, columns)
        if self.allowed.only is not None:
            scores = _only(scores, *pairs(self.allowed.only, a, b))
        if not self.allowed.items.all():
            scores[:, ~self.allowed.items] = -np.inf
        if self.allowed.closed is not None:
            scores[pairs(self.allowed.closed, a, b)] = -np.inf
        return scores

    def _filled(self, a: int, scores: Real, k: int, rows: Int, items: Int, values: Real) -> Triple:
        """Rows with fewer than `k` scores of the model's are filled with popular items, whose scores are below 0."""
        least = self.rules.least_score
        enough = np.bincount(rows[values > least], minlength=len(scores)) >= k
        if enough.all():
            return rows, items, values
        short = np.flatnonzero(~enough)
        block = scores[short].astype(np.float64)
        low = (block <= least) & (block > -np.inf)
        np.copyto(block, self.fillers[self.filler[a + short]], where=low)
        more = best(block, k)
        stay = enough[rows]
        parts = zip((rows[stay], items[stay], values[stay]), (short[more[0]], *more[1:]), strict=True)
        rows, items, values = (np.concatenate(p) for p in parts)
        order = np.argsort(rows, kind="stable")
        return rows[order], items[order], values[order]

    def _fallback(self, n: int) -> tuple[Float, Int, list[str]]:
        """Orders of popular items as scores below 0, which of them each customer asked for gets, and what they are called."""
        orders, words = [-np.arange(1.0, n + 1)], [POPULAR]
        which = np.zeros(len(self.asked), np.int64)
        model, rules = self.model, self.rules
        for told, word in ((rules.segments, IN_SEGMENT), (rules.liked, IN_CATEGORY)):
            if told is None:
                continue
            group = series(told, "segments" if word == IN_SEGMENT else "liked")
            group = group.astype(object)  # a missing one must not make numbers of the others floats
            code, names = pd.factorize(group.reindex(self.asked).to_numpy(), sort=True)
            if word == IN_CATEGORY:
                category, known = categories_of(model.items_, rules.categories)
                counts = np.array(
                    [
                        np.where(category == known.get_loc(label(g)), model.owners_, 0)
                        if label(g) in known
                        else np.zeros(n)
                        for g in names
                    ]
                )
            else:
                mine = pd.Index(names).get_indexer(pd.Index(group.reindex(model.customers_)))
                owned = model.history_.copy()
                owned.data[:] = 1.0
                rows = np.flatnonzero(mine >= 0)
                member = sp.csr_array((np.ones(len(rows)), (mine[rows], rows)), shape=(len(names), len(mine)))
                counts = (member @ owned).toarray()
            for g, count in enumerate(counts):
                if count.any():
                    place = np.empty(n)
                    place[np.argsort(-count, kind="stable")] = np.arange(n)
                    which[code == g] = len(orders)
                    orders.append(np.where(count > 0, -1 - place, -1 - n - np.arange(n)))
                    words.append(word)
        return np.array(orders), which, words

    def _mix(self, n: int) -> Mix:
        rules = self.rules
        if rules.categories is None:
            return Mix(np.zeros(n, np.int64), None, rules.diversity, 0.0, self.model._sketch)
        category, names = categories_of(self.model.items_, rules.categories)
        vectors = np.eye(len(names), dtype=np.float32)[category] if rules.diversity else np.zeros((n, 1), np.float32)
        quota = None
        if rules.quota is not None:
            most = (
                rules.quota
                if isinstance(rules.quota, int | np.integer)
                else pd.Series({label(c): q for c, q in rules.quota.items()}, dtype=np.float64).reindex(names)
            )
            told = np.broadcast_to(np.nan_to_num(np.asarray(most, np.float64), nan=_NO_LIMIT), len(names))
            quota = told.astype(np.int64)
        return Mix(category, quota, rules.diversity, rules.calibration, vectors)

    def _mixed(self, a: int, rows: Int, items: Int, values: Real, scores: Real) -> Triple:
        """The lists of a chunk, mixed; where quotas leave too little of the highest scores, all are looked at."""
        assert self.mix is not None
        m, n = scores.shape
        padded, score = _padded(rows, items, values, m)
        chosen = self.mix.choose(padded, score, self.k, self._taste(self.known[a : a + m]))
        row, place = np.nonzero(chosen >= 0)
        at = chosen[row, place]
        found = (row, padded[row, at], score[row, at])
        some = reach(self.k, n)
        if self.mix.quota is None or some == n:
            return found
        short = np.flatnonzero((np.bincount(row, minlength=m) < self.k) & (np.bincount(rows, minlength=m) == some))
        if not len(short):
            return found
        parts = [tuple(x[~np.isin(row, short)] for x in found)]
        for i in short.tolist():
            padded, score = _padded(*self._candidates(a + i, scores[i : i + 1], n), 1)
            at = self.mix.choose(padded, score, self.k, self._taste(self.known[a + i : a + i + 1]))[0]
            at = at[at >= 0]
            parts.append((np.full(len(at), i), padded[0, at], score[0, at]))
        row, item, value = (np.concatenate(p) for p in zip(*parts, strict=True))
        order = np.argsort(row, kind="stable")
        return row[order], item[order], value[order]

    def _taste(self, who: Int) -> Float:
        """Shares of categories in what customers bought; nothing for the unknown."""
        assert self.mix is not None
        n = int(self.mix.category.max()) + 1
        out = np.zeros((len(who), n))
        rows, columns = pairs_of(self.model.history_, who)
        np.add.at(out, (rows, self.mix.category[columns]), 1.0)
        out /= np.maximum(out.sum(axis=1, keepdims=True), 1.0)
        return out

    def sold(self, row: Int, item: Int, score: Real) -> Triple:
        """Everybody's lists within the stock."""
        assert self.units is not None
        assert self.mix is not None
        mix, rules = self.mix, self.rules
        padded, values = _padded(row, item, score, len(self.asked))

        def first(rows: Int, items: Int) -> Int:
            places = np.argsort(items < 0, axis=1, kind="stable")[:, : self.k]
            return np.where(np.take_along_axis(items, places, axis=1) >= 0, places, -1)

        def mixed(rows: Int, items: Int) -> Int:
            parts = [
                mix.choose(items[a:b], np.where(items[a:b] >= 0, values[rows[a:b]], -np.inf), self.k, self._taste(self.known[rows[a:b]]))
                for a, b in steps(len(rows), CHUNK)
            ]  # fmt: skip
            return np.concatenate(parts) if parts else np.zeros((0, self.k), np.int64)

        plain = rules.quota is None and not rules.diversity and not rules.calibration
        chosen = within_stock(padded, values, self.units, first if plain else mixed)
        row, rank = np.nonzero(chosen >= 0)
        place = chosen[row, rank]
        return row, padded[row, place], values[row, place]

    def table(self, row: Int, item: Int, score: Real) -> pd.DataFrame:
        """The answer."""
        rank = np.arange(len(row)) - np.searchsorted(row, row) + 1
        filled = score <= self.rules.least_score
        # what nobody in the segment has is filled by what is popular everywhere
        beyond = score < -len(self.model.items_)
        word = np.where(filled, 1 + np.where(beyond, 0, self.filler[row]), 0)
        data = {
            CUSTOMER: self.asked.array.take(row), ITEM: self.model.items_.array.take(item),
            SCORE: np.where(filled, 0.0, score.astype(np.float64)), RANK: rank, SOURCE: _words(self.model.name, *self.words).take(word),
        }  # fmt: skip
        return pd.DataFrame(data, copy=False)


@lru_cache(maxsize=64)
def _words(*words: str) -> Any:
    """Sources as a column; to make one takes longer than to take from it."""
    return pd.array(words, dtype="str")


def _only(scores: Real, rows: Int, columns: Int) -> Real:
    """−inf but for some cells."""
    out = np.full_like(scores, -np.inf)
    out[rows, columns] = scores[rows, columns]
    return out


def _padded(rows: Int, items: Int, values: Real, m: int) -> tuple[Int, Float]:
    """Lists of unequal length as rectangles, filled up with −1 and −inf."""
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    shape = (m, int(place.max(initial=-1)) + 1 or 1)
    out, scores = np.full(shape, -1, np.int64), np.full(shape, -np.inf)
    out[rows, place], scores[rows, place] = items, values
    return out, scores


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
