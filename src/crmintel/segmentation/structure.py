"""Is there any structure? Clusters of customers against clusters of twins that have the same columns but no groups."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import rankdata

from crmintel.errors import DataContractError
from crmintel.segmentation.kprototypes import Float, Int, Mixed
from crmintel.segmentation.stability import cluster

FEWEST_TWINS: Final = 4
Z: Final = 4.0
"""Standard deviations by which clusters must be tighter than those of the twins."""
NONE_FOUND: Final = (
    "No cluster structure found: the groups are cuts through one cloud of customers, useful as tiers, not as types."
)


@final
@dataclass(frozen=True)
class Structure:
    """Whether customers fall into groups of their own, or are merely cut into some.

    Parameters
    ----------
    found : bool
    z : mapping of k to float
        By how many standard deviations k clusters are tighter than in the twins.
    gap : mapping of k to float
        Mean logarithm of the twins' cost, less that of the customers.
    humps : tuple of str
        Columns that fall into two humps by themselves.
    """

    found: bool
    z: dict[int, float]
    gap: dict[int, float]
    humps: tuple[str, ...]

    def sentence(self, k: int | None = None) -> str:
        """The verdict in a sentence; with a number of groups, whether it is those that are real."""
        if not self.found:
            return NONE_FOUND
        best = max(self.z, key=lambda k: self.z[k])
        if k is not None and self.z.get(k, -np.inf) <= Z and not self.humps:
            return (
                f"Cluster structure found at {best} groups, not at {k}: the {k} groups are cuts through it, useful as tiers, not as "
                "types."
            )
        shown = best if k is None or k not in self.z else k
        told = [f"{shown} groups are {self.z[shown]:.1f} standard deviations tighter than in twins without any"]
        told += [f"there are two humps in {', '.join(self.humps)}"] if self.humps else []
        return f"Cluster structure found: {'; '.join(told)}."


def structure(
    rows: Mixed, ks: list[int], rng: np.random.Generator, *, gamma: float, twins: int, humps: tuple[str, ...] = ()
) -> Structure:
    """Compare the cost of clusters with that of structureless twins.

    A twin has the columns of the rows, each with its own values, and their rank correlations, but nothing else: a Gaussian
    copula. Structure is claimed where clusters are tighter than in the twins by more than `Z` standard deviations at some
    k, and more so than any twin is than its siblings; or where a column falls into two humps, which twins have, too.

    Notes
    -----
    The gap is that of Tibshirani, Walther and Hastie, "Estimating the number of clusters in a data set via the gap
    statistic", JRSS B 63 (2001), with these twins instead of uniform ones.
    """

    if twins < FEWEST_TWINS:
        raise DataContractError(
            f"{twins} twins tell no spread. Ask for at least {FEWEST_TWINS}, or for 0 to leave the question open."
        )

    def costs(some: Mixed) -> list[float]:
        return [float(np.log(max(cluster(some, k, rng, gamma=gamma, starts=2).cost, 1e-300))) for k in ks]

    observed, copula = np.array(costs(rows)), Copula.of(rows)
    null = np.array([costs(copula.twin(rng)) for _ in range(twins)])
    z = _z(observed, null)
    siblings = max(_z(null[i], np.delete(null, i, axis=0)).max() for i in range(twins))
    found = bool(humps) or bool(z.max() > max(Z, siblings))
    gap = null.mean(axis=0) - observed
    return Structure(found, dict(zip(ks, z.tolist(), strict=True)), dict(zip(ks, gap.tolist(), strict=True)), humps)


def _z(observed: Float, null: Float) -> Float:
    spread = null.std(axis=0, ddof=1)
    out: Float = (null.mean(axis=0) - observed) / np.where(spread > 0, spread, np.inf)
    return out


@final
@dataclass(frozen=True)
class Copula:
    """The columns of rows in rising order, and the square root of their rank correlations.

    The codes of a category are put into the order of the numbers that go with them, so that what a category shares with
    the numbers monotonously is no structure.
    """

    columns: Float
    root: Float
    orders: tuple[Int, ...]
    n_numbers: int

    @classmethod
    def of(cls, rows: Mixed) -> "Copula":
        """From the rows themselves."""
        line, ranked, orders = _main_line(rows.x, len(rows)), [], []
        for codes in rows.codes:
            levels = int(codes.max(initial=-1)) + 2
            place = codes % levels  # missing comes last, and takes part
            mean = np.bincount(place, weights=line, minlength=levels) / np.maximum(
                np.bincount(place, minlength=levels), 1
            )
            order = np.argsort(mean, kind="stable")
            rank = np.empty(levels, np.int64)
            rank[order] = np.arange(levels)
            orders.append(np.where(order == levels - 1, -1, order))
            ranked.append(rank[place].astype(np.float64))
        columns = np.vstack([rows.x, *ranked])
        scores = ndtri(rankdata(columns, axis=1) / (len(rows) + 1))
        spread = scores.std(axis=1, keepdims=True)
        scores = (scores - scores.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
        values, vectors = np.linalg.eigh(scores @ scores.T / len(rows))
        return cls(np.sort(columns, axis=1), vectors * np.sqrt(np.maximum(values, 0.0)), tuple(orders), len(rows.x))

    def twin(self, rng: np.random.Generator) -> Mixed:
        """As many rows, with the same columns and rank correlations, and no groups."""
        drawn = self.root @ rng.standard_normal((len(self.columns), self.columns.shape[1]))
        out = np.empty_like(self.columns)
        for row, values, place in zip(out, self.columns, drawn, strict=True):
            row[np.argsort(place, kind="stable")] = values
        codes = [order[c.astype(np.int64)] for order, c in zip(self.orders, out[self.n_numbers :], strict=True)]
        none: npt.NDArray[Any] = np.empty((0, out.shape[1]), np.int64)
        return Mixed(out[: self.n_numbers], np.array(codes, np.int64) if codes else none)


def _main_line(x: Float, n: int) -> Float:
    """Where each row lies along the direction in which the numbers vary most."""
    if not len(x):
        return np.zeros(n)
    off = x - x.mean(axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(off @ off.T / n)
    main = vectors[:, -1]
    line: Float = (main * np.sign(main[np.argmax(np.abs(main))])) @ off
    return line
