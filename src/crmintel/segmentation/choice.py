"""How many groups: as many as come back when customers are resampled."""

from typing import Final

import numpy as np
import pandas as pd

from crmintel.segmentation.kprototypes import Mixed
from crmintel.segmentation.stability import STABLE, cluster, silhouette, stability
from crmintel.segmentation.structure import Structure

NEARLY: Final = 0.9
"""Of the best silhouette of stable groups, what is enough."""


def tried(
    rows: Mixed, ks: list[int], rng: np.random.Generator, *, gamma: float, starts: int, draws: int
) -> pd.DataFrame:
    """For each number of groups: the similarity of its weakest group, and the silhouette."""
    told = []
    for k in ks:
        found = cluster(rows, k, rng, gamma=gamma, starts=starts)
        held = stability(rows, found.labels, k, rng, gamma=gamma, draws=draws)
        told.append((k, held.jaccard.min(), silhouette(found.prototypes, rows)))
    return pd.DataFrame(told, columns=["groups", "smallest_jaccard", "silhouette"])


def largest_stable(table: pd.DataFrame) -> int:
    """The most groups that are all stable and nearly as well apart as can be; if none are stable, those whose weakest is strongest.

    The highest similarity alone nearly always says two groups; a round group is cut stably in two where its columns are
    not equally wide, which the silhouette tells.
    """
    groups, weakest, apart = (table[c].to_numpy() for c in ("groups", "smallest_jaccard", "silhouette"))
    stable = weakest >= STABLE
    if not stable.any():
        return int(groups[weakest.argmax()])
    return int(groups[stable & (apart >= NEARLY * apart[stable].max())].max())


def complete(table: pd.DataFrame, structure: Structure | None, k: int) -> pd.DataFrame:
    """The same with the gap, the z of each number of groups, and which was chosen."""
    for name in ("gap", "z"):
        by_k = getattr(structure, name, {})
        table = table.assign(**{name: [by_k.get(int(g), np.nan) for g in table["groups"]]})
    return table.assign(chosen=table["groups"] == k)
