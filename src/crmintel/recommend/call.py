"""One call of `recommend`: scores, what must not be offered, what fills a list, how it is mixed, and the answer."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from crmintel.columns import CUSTOMER, ITEM, RANK, SCORE, SOURCE
from crmintel.recommend.lists import Mix, reach, within_stock
from crmintel.recommend.rules import (
    IN_CATEGORY,
    IN_SEGMENT,
    POPULAR,
    Allowed,
    Exclude,
    Rules,
    categories_of,
    label,
    series,
)
from crmintel.recommend.topk import CHUNK, Real, Triple, best, pairs, pairs_of, steps

if TYPE_CHECKING:
    from crmintel.recommend.base import Recommender

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
_CELLS: Final = 20_000_000
_NO_LIMIT: Final = 2**40


@final
@dataclass(eq=False)
class Call:
    """One call of `recommend`: everything that does not depend on the chunk."""

    model: "Recommender"
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
            return Mix(np.zeros(n, np.int64), None, rules.diversity, 0.0, self.model.sketch)
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
