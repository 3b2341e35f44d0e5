"""The best plan of a small problem, by SciPy's HiGHS."""

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

from crmintel.actions.allocation.limits import Limits
from crmintel.actions.allocation.repair import Candidates, Mask, Unmet


def best(pairs: Candidates, limits: Limits, *, nodes: int | None = None) -> tuple[Mask | None, float]:
    """The best whole plan from some pairs, if found within so many nodes of the search, and a bound that no plan exceeds.

    Raises
    ------
    Unmet
        If no plan keeps the limits.
    """
    n = len(pairs.who)
    if n == 0:
        if limits.quota.any():
            raise Unmet("the quotas")
        return np.zeros(0, bool), 0.0
    rows, low, high = [], [], []

    def limit(number: Any, weight: Any, least: Any, most: Any) -> None:
        rows.append(sp.csr_array((weight, (number, np.arange(n))), shape=(len(most), n)))
        low.append(least)
        high.append(most)

    ones = np.ones(n)
    who = pd.factorize(pairs.who)[0]  # by rank, so that the order of rows does not matter
    limit(who, ones, np.zeros(who.max() + 1), np.full(who.max() + 1, limits.contacts))
    limit(pairs.action, ones, limits.quota, limits.capacity)
    if limits.groups:
        size = int(limits.group.max()) + 1
        limit(
            who * size + limits.group[pairs.action],
            ones,
            np.zeros((who.max() + 1) * size),
            np.ones((who.max() + 1) * size),
        )
    if np.isfinite(limits.budget):
        limit(np.zeros(n, int), pairs.cost, np.zeros(1), np.array([limits.budget]))
    matrix, lows, highs = sp.vstack(rows, format="csr"), np.concatenate(low), np.concatenate(high)
    options: Any = {"mip_rel_gap": 1e-9} | ({} if nodes is None else {"node_limit": nodes})
    found = milp(
        -pairs.net(limits),
        integrality=np.ones(n, np.int64),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix, lows, highs),
        options=options,
    )
    if found.status == 2:
        raise Unmet("all limits together")
    bound = np.inf if found.mip_dual_bound is None else -float(found.mip_dual_bound)
    return (None if found.x is None else found.x > 0.5), bound
