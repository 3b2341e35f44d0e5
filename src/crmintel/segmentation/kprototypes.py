"""k-prototypes: clusters of rows with numbers and categories, vectorised over rows; the distances hold no rows × columns × clusters array."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
BLOCK: Final = 8_192
"""Rows whose distances are held at a time: they stay in the cache."""
SAMPLE: Final = 50_000
"""Rows that the starts are tried on; the best start goes on with all rows."""
CANDIDATES: Final = 4
MOST_PASSES: Final = 100
_SETTLED = 1e-9


@final
@dataclass(frozen=True)
class Mixed:
    """Rows of numbers and categories.

    Parameters
    ----------
    x : float64, shape (n_numbers, n_rows)
        Each number of every row, already on a common scale, without missing values.
    codes : int64, shape (n_categories, n_rows)
        Each category of every row; −1 is missing or unknown, and equals no other.
    """

    x: Float
    codes: Int

    def __len__(self) -> int:
        return int(self.x.shape[1])

    def take(self, rows: npt.NDArray[Any] | slice) -> "Mixed":
        """Some rows."""
        return Mixed(self.x[:, rows], self.codes[:, rows])


@final
@dataclass(frozen=True)
class Prototypes:
    """The middle of each cluster.

    Parameters
    ----------
    centres : float64, shape (k, n_numbers)
        Means.
    modes : int64, shape (k, n_categories)
        Most frequent codes, the lowest of several; −1 where the cluster knows none.
    gamma : float
        What a category that differs adds to the squared distance.
    """

    centres: Float
    modes: Int
    gamma: float

    def __len__(self) -> int:
        return len(self.centres)

    def distances(self, rows: Mixed) -> Float:
        """Squared distance plus `gamma` for each category that differs; shape (k, n_rows).

        Summed column by column, so that a row has the same distances whoever stands beside it.
        """
        out = np.zeros((len(self), len(rows)))
        for x, centre in zip(rows.x, self.centres.T, strict=True):
            off = x - centre[:, None]
            off *= off
            out += off
        for codes, mode in zip(rows.codes, self.modes.T[:, :, None], strict=True):
            out += self.gamma * ((codes != mode) | (mode < 0))
        return out

    def nearest(self, rows: Mixed) -> tuple[Int, Float]:
        """The nearest prototype of each row, the first of several, and its distance."""
        label, least = np.zeros(len(rows), np.int64), np.empty(len(rows))
        for a in range(0, len(rows), BLOCK):
            block = slice(a, a + BLOCK)
            near = self.distances(rows.take(block))
            best = near[0].copy()
            for i in range(1, len(near)):
                better = near[i] < best
                label[block][better] = i
                np.minimum(best, near[i], out=best)
            least[block] = best
        return label, least


@final
@dataclass(frozen=True)
class Clustering:
    """What clustering gave: the prototypes, the cluster of each row, the cost, and the cost of each start."""

    prototypes: Prototypes
    labels: Int
    cost: float
    costs: tuple[float, ...]
    passes: int


def usual_gamma(rows: Mixed) -> float:
    """Half the mean standard deviation of the numbers (the rule of Huang 1997 as `kmodes` applies it); 1 without numbers."""
    spread = float(rows.x.std(axis=1).mean()) if len(rows.x) else 2.0
    return spread / 2 if spread > 0 else 1.0


def k_prototypes(
    rows: Mixed, k: int, rng: np.random.Generator, *, gamma: float | None = None, starts: int = 5
) -> Clustering:
    """Cluster rows into `k` groups, each with its mean and its most frequent categories.

    Each start is seeded like k-means++: of four candidates the one that lowers the cost most. The starts run on at most
    `SAMPLE` rows, and the best goes on with all of them until no row moves. A row between two prototypes goes to the
    first. A cluster that loses its last row takes the row that is farthest from its prototype, so none is ever empty
    while there are `k` different rows.

    Parameters
    ----------
    rows : Mixed
        At least `k` rows.
    k : int
        How many clusters.
    rng : Generator
        Seeds the starts.
    gamma : float, optional
        What a differing category adds; `usual_gamma`, if not given.
    starts : int, default=5
        How many.

    Notes
    -----
    Z. Huang, "Clustering large data sets with mixed numeric and categorical values", PAKDD 1997.
    """
    gamma = usual_gamma(rows) if gamma is None else gamma
    part = rows if len(rows) <= SAMPLE else rows.take(np.sort(rng.choice(len(rows), SAMPLE, replace=False)))
    tried = [_descend(part, _seeds(part, k, gamma, rng)) for _ in range(starts)]
    best = min(tried, key=lambda c: c.cost)
    if part is not rows:
        best = _descend(rows, best.prototypes)
    return Clustering(best.prototypes, best.labels, best.cost, tuple(c.cost for c in tried), best.passes)


def _seeds(rows: Mixed, k: int, gamma: float, rng: np.random.Generator) -> Prototypes:
    """Rows that are far from each other: drawn by their distance to those already chosen, the best of some candidates."""
    chosen = [int(rng.integers(len(rows)))]
    least = _at(rows, chosen, gamma).distances(rows)[0]
    for _ in range(1, k):
        running = np.cumsum(least)
        drawn = np.searchsorted(running, rng.random(CANDIDATES) * running[-1], side="right")
        drawn = np.minimum(drawn, len(rows) - 1)
        near = np.minimum(_at(rows, drawn, gamma).distances(rows), least)
        best = int(near.sum(axis=1).argmin())
        chosen.append(int(drawn[best]))
        least = near[best]
    return _at(rows, chosen, gamma)


def _at(rows: Mixed, chosen: Any, gamma: float) -> Prototypes:
    return Prototypes(rows.x[:, chosen].T.copy(), rows.codes[:, chosen].T.copy(), gamma)


def _descend(rows: Mixed, prototypes: Prototypes) -> Clustering:
    """Assign and average in turn until no row moves."""
    before, cost = None, np.inf
    for passes in range(1, MOST_PASSES + 1):  # noqa: B007 - told at the end
        labels, least = prototypes.nearest(rows)
        total = float(least.sum())
        if before is not None and ((labels == before).all() or cost - total <= _SETTLED * cost):
            break
        before, cost = labels, total
        labels = _filled(labels, least, len(prototypes))
        prototypes = prototypes_of(rows, labels, len(prototypes), prototypes.gamma)
    return Clustering(prototypes, labels, total, (total,), passes)


def _filled(labels: Int, least: Float, k: int) -> Int:
    """The same labels, each empty cluster given one of the rows that are farthest from their prototypes."""
    counts = np.bincount(labels, minlength=k)
    if counts.all():
        return labels
    labels = labels.copy()
    for row in np.argsort(-least, kind="stable"):
        empty = np.flatnonzero(counts == 0)
        if not len(empty) or least[row] == 0:
            break
        if counts[labels[row]] > 1:
            counts[labels[row]] -= 1
            labels[row] = empty[0]
            counts[empty[0]] = 1
    return labels


def prototypes_of(rows: Mixed, labels: Int, k: int, gamma: float) -> Prototypes:
    """Means and most frequent categories of the clusters of rows."""
    n = np.maximum(np.bincount(labels, minlength=k), 1)
    centres = np.empty((k, len(rows.x)))
    for j, x in enumerate(rows.x):
        centres[:, j] = np.bincount(labels, weights=x, minlength=k) / n
    modes = np.empty((k, len(rows.codes)), np.int64)
    for j, codes in enumerate(rows.codes):
        levels = int(codes.max(initial=-1)) + 2  # missing counts last, so that it is never the mode of known values
        counts = np.bincount(labels * levels + codes % levels, minlength=k * levels).reshape(k, levels)[:, :-1]
        modes[:, j] = np.where(counts.any(axis=1), counts.argmax(axis=1) if levels > 1 else -1, -1)
    return Prototypes(centres, modes, gamma)


def by_content(rows: Mixed) -> tuple[Int, int]:
    """An order of rows that depends on their content alone, and how many different ones there are."""
    mark = np.zeros(len(rows), np.uint64)
    for column in (*(rows.x + 0.0).view(np.uint64), *rows.codes.view(np.uint64)):
        mark ^= column
        mark *= np.uint64(0x9E3779B97F4A7C15)  # an odd number near 2^64 over the golden ratio spreads bits well
        mark ^= mark >> np.uint64(29)
    order = np.argsort(mark, kind="stable")
    return order, int((np.diff(mark[order]) != 0).sum()) + 1
