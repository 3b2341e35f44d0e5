"""Choosing on the last part of the past: what was bought there is told from what was bought before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
import scipy.sparse as sp

from crmintel.interactions.clock import Int
from crmintel.recommend.purchases import Float, Purchases
from crmintel.recommend.topk import CHUNK, Real, best, in_chunks, pairs, steps

if TYPE_CHECKING:
    from crmintel.recommend.cooccurrence import CoOccurrence

SHARE: Final = 0.8
MOST: Final = 1_000
"""Customers that are looked at."""
K: Final = 20
POWERS: Final = (0.2, 0.3, 0.4, 0.5)
WEIGHTS: Final = (0.0, 0.3)


@final
@dataclass(frozen=True, eq=False)
class HeldOut:
    """A past that ends earlier, and what some of its customers bought afterwards.

    Parameters
    ----------
    past : Purchases
        With the customers and items of the whole.
    who : int64, shape (n,)
        Customers who had bought before and bought something afterwards.
    truth : CSR array, shape (n, n_items)
        What they bought afterwards.
    bought : CSR array, shape (n, n_items)
        What they had bought before.
    """

    past: Purchases
    who: Int
    truth: sp.csr_array
    bought: sp.csr_array

    @classmethod
    def of(cls, purchases: Purchases, *, new: bool) -> "HeldOut | None":
        """Cut at four fifths of the rows; with `new`, what had been bought before does not count. None if nothing is left."""
        cut = int(np.quantile(purchases.time, SHARE))
        if cut == purchases.time.min():
            return None
        past = purchases.before(cut)
        before, later = past.history(), purchases.history()
        later = sp.csr_array(later - before)
        later.eliminate_zeros()
        later.data[:] = 1.0
        if new:
            seen = before.copy()
            seen.data[:] = 1.0
            later = sp.csr_array(later - later.multiply(seen))
            later.eliminate_zeros()
        return cls._some(past, later, before)

    @classmethod
    def hidden(cls, purchases: Purchases) -> "HeldOut | None":
        """Hide a fifth of the items of each customer by chance, for a past without a clock. None if nobody has two items."""
        pair = purchases.who.astype(np.int64) * purchases.shape[1] + purchases.item
        pairs_, number = np.unique(pair, return_inverse=True)
        away = np.random.default_rng(0).random(len(pairs_)) > SHARE
        past = purchases.only(~away[number])
        before, later = past.history(), purchases.history()
        later = sp.csr_array(later - before)
        later.eliminate_zeros()
        later.data[:] = 1.0
        return cls._some(past, later, before)

    @classmethod
    def _some(cls, past: Purchases, later: sp.csr_array, before: sp.csr_array) -> "HeldOut | None":
        """Some of the customers with something before and afterwards."""
        who = np.flatnonzero((np.diff(later.indptr) > 0) & (np.diff(before.indptr) > 0))
        if not len(who):
            return None
        if len(who) > MOST:
            who = np.sort(np.random.default_rng(0).permutation(who)[:MOST])
        return cls(past, who, later[who], before[who])

    def ndcg(self, score: Callable[[Int], Real], *, new: bool, k: int = K) -> Float:
        """NDCG@k (ideal over min(k, items bought)) of each customer, by a function that scores customers at positions."""
        gain = 1 / np.log2(np.arange(2, k + 2))
        # items stand in the order of the whole: ties must not go to what is going to be popular
        known = np.lexsort((self.past.items.argsort().argsort(), -self.past.owners))
        truth = self.truth[:, known]
        bought = self.bought[:, known]

        def run(step: tuple[int, int]) -> Float:
            a, b = step
            block = score(self.who[a:b])[:, known]
            block[block <= 0] = -np.inf
            if new:
                block[pairs(bought, a, b)] = -np.inf
            rows, columns, _ = best(block, k)
            place = np.arange(len(rows)) - np.searchsorted(rows, rows)
            hit = np.asarray(truth[a:b].toarray())[rows, columns] > 0
            return np.bincount(rows, hit * gain[place], minlength=b - a).astype(np.float64)

        found = np.concatenate(in_chunks(run, steps(len(self.who), CHUNK), 1))
        ideal = np.cumsum(gain)[np.minimum(np.diff(self.truth.indptr), k) - 1]
        return np.asarray(found / ideal, np.float64)


def tuned(model: "CoOccurrence", purchases: Purchases) -> tuple[float, float]:
    """The power of items offered and the weight of patterns that were best for new items; the model's own where nothing can be told."""
    from crmintel.recommend.cooccurrence import CoOccurrence

    held = HeldOut.of(purchases, new=True)
    if held is None:
        return model.r, model.low_rank
    found = {}
    for w in WEIGHTS:
        for r in POWERS:
            trial = CoOccurrence(
                a=model.a, l=model.l, r=r, low_rank=w, rank=model.rank, prune=model.prune, evidence=model.evidence, random_state=model.random_state,
            )  # fmt: skip
            trial._fit(held.past)
            found[r, w] = float(held.ndcg(trial._score, new=True).mean())
    return max(found, key=lambda c: (found[c], c == (model.r, model.low_rank)))
