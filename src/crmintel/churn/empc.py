"""Expected maximum profit: how good a list is in money, whatever the chance that a leaver takes the offer."""

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import betainc

from crmintel.churn.money import in_order
from crmintel.errors import DataContractError
from crmintel.evaluation import checks
from crmintel.evaluation.intervals import Floats
from crmintel.evaluation.ordering import Ordering


@final
@dataclass(frozen=True)
class Empc:
    """Expected maximum profit of a list of customers.

    Parameters
    ----------
    profit : float
        Per customer of the whole base, in the currency of `value`.
    fraction : float
        Share of the base that is contacted on average to reach it.

    Examples
    --------
    >>> from crmintel.churn import empc
    >>> empc([True, False, False, True], [0.9, 0.4, 0.2, 0.7])
    Empc(profit=28.0000 per customer, contacting 50.0%)
    """

    profit: float
    fraction: float

    def to_frame(self) -> pd.DataFrame:
        """One row: profit, fraction."""
        return pd.DataFrame({"profit": [self.profit], "fraction": [self.fraction]})

    def __repr__(self) -> str:
        return f"Empc(profit={self.profit:,.4f} per customer, contacting {self.fraction:.1%})"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>"


def empc(
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    *,
    value: npt.ArrayLike = 200.0,
    contact_cost: npt.ArrayLike = 1.0,
    incentive_cost: npt.ArrayLike = 10.0,
    alpha: float = 6.0,
    beta: float = 14.0,
) -> Empc:
    """The profit a list brings when it is cut at its best place for every chance that a leaver takes the offer.

    Whoever is contacted costs `contact_cost`. A leaver takes the offer with a chance drawn from Beta(`alpha`, `beta`),
    then stays and brings `value` less `incentive_cost`; a stayer always takes it and costs `incentive_cost`.

    Parameters
    ----------
    y : array of bool, shape (n_customers,)
        Who really left. What comes with an index, here and below, is put into the order of the first that has one.
    score : array of float, shape (n_customers,)
        Higher means likelier to leave. Probabilities, where amounts differ between customers.
    value, contact_cost, incentive_cost : float or array of float, shape (n_customers,)
        In one currency. Where they differ, the list is sorted by the expected gain at the mean chance of acceptance
        instead of the score; equal ones count as one block either way.

    Raises
    ------
    DataContractError (a ValueError)
        If an amount, `alpha` or `beta` is out of range, y is constant, or lengths or customers differ.

    Notes
    -----
    With equal amounts this is EMPC of Verbraken, Verbeke & Baesens (2013), IEEE Transactions on Knowledge and Data
    Engineering 25, 961-973. For its interval use ``bootstrap(lambda y, s: empc(y, s).profit, y, score)``.

    Examples
    --------
    >>> empc([True, False, True, False], [0.9, 0.1, 0.6, 0.4])
    Empc(profit=28.0000 per customer, contacting 50.0%)
    """
    for name, parameter in (("alpha", alpha), ("beta", beta)):
        if not 0 < parameter < np.inf:
            raise DataContractError(f"{name} is {parameter:g}. Pass a number above zero.")
    mean = alpha / (alpha + beta)
    left, scores, money, _ = in_order(y, score, value, contact_cost, incentive_cost, mean)
    if not money.equal:
        checks.probabilities(scores)
    blocks = Ordering.descending(money.rank(scores))
    n = len(left)
    bring = np.r_[0.0, np.cumsum(blocks.sums(left * (money.value - money.incentive)))] / n
    cost = np.r_[0.0, np.cumsum(blocks.sums(money.contact + (1 - left) * money.incentive))] / n
    depth = np.r_[0.0, np.cumsum(blocks.sums(np.ones(n)))] / n
    best, cuts = _best_cuts(bring, cost)
    chance = np.diff(betainc(alpha, beta, cuts))
    accepted = mean * np.diff(betainc(alpha + 1, beta, cuts))
    return Empc(float(bring[best] @ accepted - cost[best] @ chance), float(depth[best] @ chance))


def _best_cuts(bring: Floats, cost: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
    """Which cuts of the list are best for some chance of acceptance, and from which chance to which.

    At the chance g a cut brings g * bring - cost: a line. The upper edge of all lines is the convex hull of the cuts,
    found in one pass, since neither sum ever falls along the list.
    """
    hull: list[int] = [0]
    for i in range(1, len(bring)):
        if bring[i] <= bring[hull[-1]]:
            continue
        while len(hull) > 1 and _useless(bring, cost, hull[-2], hull[-1], i):
            hull.pop()
        hull.append(i)
    best = np.array(hull, dtype=np.intp)
    turns = np.diff(cost[best]) / np.diff(bring[best])
    return best, np.r_[0.0, np.clip(turns, 0.0, 1.0), 1.0]


def _useless(bring: Floats, cost: Floats, before: int, at: int, after: int) -> bool:
    """Whether the cut in the middle is never better than both its neighbours."""
    rise, run = cost[after] - cost[at], bring[after] - bring[at]
    return bool(rise * (bring[at] - bring[before]) <= (cost[at] - cost[before]) * run)
