"""How well clusters hold: drawn again from resampled customers, do the same groups come back?"""

import warnings
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

from crmintel.segmentation.kprototypes import Clustering, Float, Int, Mixed, Prototypes, k_prototypes

STABLE: Final = 0.75
DISSOLVED: Final = 0.6
"""Mean Jaccard similarities from which a cluster is called stable, and below which dissolved (Hennig 2007)."""


@final
@dataclass(frozen=True)
class Stability:
    """How alike the clusters of resampled customers are to the ones at hand.

    Parameters
    ----------
    jaccard : float64, shape (k,)
        Of each cluster: the mean, over the resamples, of the best overlap with a new cluster (customers in both ÷ in either).
    ari : float
        The mean adjusted Rand index of the whole grouping.
    """

    jaccard: Float
    ari: float

    @property
    def words(self) -> list[str]:
        """Each cluster in a word."""
        return ["stable" if j >= STABLE else "doubtful" if j >= DISSOLVED else "dissolved" for j in self.jaccard]


def cluster(rows: Mixed, k: int, rng: np.random.Generator, *, gamma: float, starts: int) -> Clustering:
    """k-means of scikit-learn for rows of numbers, k-prototypes where there are categories."""
    if len(rows.codes):
        return k_prototypes(rows, k, rng, gamma=gamma, starts=starts)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # resamples of few customers may hold fewer different ones than k
        model = KMeans(k, n_init=starts, random_state=int(rng.integers(2**31))).fit(rows.x.T)
    prototypes = Prototypes(np.asarray(model.cluster_centers_, np.float64), np.empty((k, 0), np.int64), gamma)
    labels, least = prototypes.nearest(rows)
    return Clustering(prototypes, labels, float(least.sum()), (float(model.inertia_),), int(model.n_iter_))


def stability(
    rows: Mixed, labels: Int, k: int, rng: np.random.Generator, *, gamma: float, draws: int, starts: int = 2
) -> Stability:
    """Recluster resampled rows, assign all rows, compare with `labels`.

    Notes
    -----
    C. Hennig, "Cluster-wise assessment of cluster stability", Computational Statistics & Data Analysis 52 (2007).
    """
    found, ari = np.zeros(k), 0.0
    for _ in range(draws):
        drawn = rows.take(np.sort(rng.integers(len(rows), size=len(rows))))
        other, _ = cluster(drawn, k, rng, gamma=gamma, starts=starts).prototypes.nearest(rows)
        found += overlap(labels, other, k)
        ari += adjusted_rand_score(labels, other)
    return Stability(found / draws, ari / draws)


def overlap(labels: Int, other: Int, k: int) -> Float:
    """Of each cluster, the largest Jaccard similarity with one of the other clusters; 0 for an empty one."""
    both = np.bincount(labels * k + other, minlength=k * k).reshape(k, k)
    either = both.sum(axis=1)[:, None] + both.sum(axis=0)[None, :] - both
    best: Float = (both / np.maximum(either, 1)).max(axis=1)
    return best


def silhouette(prototypes: Prototypes, rows: Mixed) -> float:
    """How much nearer customers are to their own prototype than to the next one: the simplified silhouette, −1 to 1."""
    near = np.sqrt(np.sort(prototypes.distances(rows), axis=0)[:2])
    wide = near[1] > 0
    share: npt.NDArray[Any] = np.where(wide, 1.0 - near[0] / np.where(wide, near[1], 1.0), 0.0)
    return float(share.mean())
