"""Lists that depend on more than single scores: quotas, likeness, the mix of categories, and stock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
LONGEST: Final = 200
"""So many of the highest scores, or ten times the length of a list, are looked at when a list is mixed."""
_ALPHA: Final = 0.01
_LAST: Final = 1e-6


def reach(k: int, n_items: int) -> int:
    """How many of the highest scores are looked at."""
    return min(n_items, max(LONGEST, 10 * k))


@final
@dataclass(frozen=True, eq=False)
class Mix:
    """How lists are mixed.

    Parameters
    ----------
    category : int64, shape (n_items,)
    quota : int64, shape (n_categories,), optional
        Most items of each category.
    diversity, calibration : float
    vectors : array, shape (n_items, d)
        Items as vectors of length 1: the product of two is their likeness.
    """

    category: Int
    quota: Int | None
    diversity: float
    calibration: float
    vectors: npt.NDArray[np.float32]

    def choose(self, items: Int, scores: Float, k: int, taste: Float) -> Int:
        """Positions of the items that make each list, in their order; shape (m, k), −1 where nothing is left.

        Parameters
        ----------
        items, scores : arrays, shape (m, n)
            Candidates, best first; −1 and −inf fill up. Scores of 0 or less are of the fallback.
        taste : array, shape (m, n_categories)
            Shares of categories in what each customer bought.
        """
        m, n = items.shape
        there = items >= 0
        top = np.maximum(scores.max(axis=1, initial=0.0), 1e-300)[:, None]
        worth = np.where(scores > 0, scores / top, -_LAST * np.arange(1, n + 1))
        category = self.category[items]
        vectors = self.vectors[items] if self.diversity else None
        likeness, listed = np.zeros((m, n)), np.zeros(taste.shape)
        chosen, rows = np.full((m, k), -1), np.arange(m)
        for place in range(k):
            value = (1 - self.diversity) * (1 - self.calibration) * worth - self.diversity * likeness
            if self.calibration:
                value -= self.calibration * _distance(taste, listed, category)
            free = there if self.quota is None else there & (listed[rows[:, None], category] < self.quota[category])
            pick = np.where(free, value, -np.inf).argmax(axis=1)
            found = free[rows, pick]
            if not found.any():
                break
            chosen[found, place] = pick[found]
            there = there.copy()
            there[rows[found], pick[found]] = False
            listed[rows[found], category[rows, pick][found]] += 1
            if vectors is not None:
                likeness = np.maximum(likeness, np.einsum("mnd,md->mn", vectors, vectors[rows, pick]))
        return chosen


def _distance(taste: Float, listed: Float, category: Int) -> Float:
    """Kullback-Leibler divergence of taste from the list's mix, had it this candidate as well; shape (m, n)."""
    size = listed.sum(axis=1, keepdims=True) + 1
    known = taste.sum(axis=1, keepdims=True) > 0
    now = (1 - _ALPHA) * listed / size + _ALPHA * taste
    more = now + (1 - _ALPHA) / size
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(taste > 0, taste * (np.log(now) - np.log(more)), 0.0)  # what one more of a category saves
        base = np.where(taste > 0, taste * (np.log(taste) - np.log(now)), 0.0).sum(axis=1, keepdims=True)
    out = base + np.take_along_axis(np.where(known, gain, 0.0), category, axis=1)
    return np.where(known, out, 0.0)


def within_stock(items: Int, scores: Float, units: Float, choose: Callable[[Int, Int], Int]) -> Int:
    """The lists of customers, so that no item is offered to more of them than there are units; shape (m, k), as `Mix.choose` has it.

    Each customer asks for a list; an item keeps those with the highest scores (earlier customers at ties), the others
    ask for another list without it, until nobody is turned away.

    Parameters
    ----------
    choose : function of rows and items
        The lists of customers in these rows, of these candidates (−1 for what is none).
    """
    left = items.copy()
    chosen = choose(np.arange(len(items)), left)
    while True:
        row, rank = np.nonzero(chosen >= 0)
        place = chosen[row, rank]
        item, score = items[row, place], scores[row, place]
        limited = units[item] < np.inf
        row, place, item, score = row[limited], place[limited], item[limited], score[limited]
        order = np.lexsort((row, -score, item))
        item = item[order]
        turn = np.arange(len(item)) - np.searchsorted(item, item)
        away = order[turn >= units[item]]
        if not len(away):
            return chosen
        left[row[away], place[away]] = -1
        again = np.unique(row[away])
        chosen[again] = choose(again, left[again])
