"""Customers in the order of a score, equal scores as one block: what every ranking figure is computed on.

Sorting is the dear part and weights do not change it, so a bootstrap sorts once and only sums again.
"""

from dataclasses import dataclass
from math import ceil
from typing import final

import numpy as np
import numpy.typing as npt

from crmintel.evaluation.intervals import Floats


@final
@dataclass(frozen=True)
class Ordering:
    """Rows sorted by falling score, cut into blocks of equal score.

    Parameters
    ----------
    order : array of int, shape (n_rows,)
        Row numbers, highest score first.
    starts : array of int, shape (n_blocks,)
        Where each block of equal scores begins in `order`.

    Examples
    --------
    >>> by_score = Ordering.descending(np.array([0.2, 0.9, 0.2]))
    >>> by_score.sums(np.array([1.0, 10.0, 100.0])).tolist()
    [10.0, 101.0]
    """

    order: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]

    @classmethod
    def descending(cls, score: Floats) -> "Ordering":
        """Sort once; the score must have no NaN."""
        order = np.argsort(-score, kind="stable")
        ordered = score[order]
        fresh = np.ones(len(score), dtype=bool)
        fresh[1:] = ordered[1:] != ordered[:-1]
        return cls(order, np.flatnonzero(fresh))

    def sums(self, values: Floats) -> Floats:
        """The sum of each block, highest score first; shape (n_blocks,)."""
        if len(self.starts) == len(self.order):
            return values[self.order]
        return np.add.reduceat(values[self.order], self.starts)


def block_auc(positive: Floats, total: Floats) -> float:
    """Chance that a positive stands before a negative, ties half; NaN when either is absent."""
    negative = total - positive
    pairs = positive.sum() * negative.sum()
    if pairs == 0:
        return float("nan")
    below = negative.sum() - np.cumsum(negative)
    return float(positive @ (below + negative / 2) / pairs)


def block_average_precision(positive: Floats, total: Floats) -> float:
    """Precision at each block, weighted by the positives that it brings; NaN when there are none."""
    if positive.sum() == 0:
        return float("nan")
    drawn = positive > 0  # also leaves out blocks of weight zero, which would divide by nothing
    precision = np.cumsum(positive)[drawn] / np.cumsum(total)[drawn]
    return float(precision @ positive[drawn] / positive.sum())


def block_capture(held: Floats, total: Floats, depth: float) -> float:
    """Share of what is held that the top `depth` of the list holds; a cut block counts by its share; NaN of nothing."""
    if held.sum() <= 0:
        return float("nan")
    size = top_size(total.sum(), depth)
    reached = np.cumsum(total)
    cut = int(np.searchsorted(reached, size))
    before = reached[cut] - total[cut]
    return float((held[:cut].sum() + held[cut] * (size - before) / total[cut]) / held.sum())


def block_lift(positive: Floats, total: Floats, depth: float) -> float:
    """How many times more positives the top holds than a random list of its size."""
    n = float(total.sum())
    return block_capture(positive, total, depth) * n / top_size(n, depth)


def top_size(n: float, depth: float) -> int:
    """Customers in the top `depth` of `n`, rounded up to whole ones.

    Examples
    --------
    >>> top_size(100, 0.07)  # although 100 * 0.07 is 7.000000000000001
    7
    """
    if not 0 < depth <= 1:
        raise ValueError(f"depth is {depth:g}. Pass the part of the list to look at, above 0 and up to 1.")
    return max(1, ceil(depth * n - 1e-9 * n))


def equal_bins(total: Floats, bins: int) -> npt.NDArray[np.intp]:
    """The bin of each block, bins holding about the same number of customers; a block is never split."""
    if bins < 1:
        raise ValueError(f"bins is {bins}. Ask for at least one.")
    middle = np.cumsum(total) - total / 2
    index: npt.NDArray[np.intp] = (bins * middle / total.sum()).astype(np.intp)
    return np.clip(index, 0, bins - 1)
