"""The parts of the next-basket score: own habit, popularity, and what goes together."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from crmintel.errors import DataContractError
from crmintel.interactions.clock import DAY, Int
from crmintel.recommend.baskets import Baskets

Float = npt.NDArray[np.float64]
WEEK: Final = 7 * DAY
SEEN_WITH: Final = 5.0
"""Baskets that an item is taken to have been in without the other one, before any is counted."""
LOYAL: Final = 10.0
"""Baskets that the usual repeat rate counts like, beside those of an item."""


@final
@dataclass(frozen=True)
class Blend:
    """How the parts of the score are weighed.

    Parameters
    ----------
    decay : float above 0 to 1
        What a basket counts less for each later one of the customer.
    power : float of 0 or more
        A basket with a later ones counts ``(1 + a) ** -power``: quickly less at first, then slowly.
    half_life_days : float, optional
        A basket counts half after so many days, seen from the customer's last one.
    loyalty : float of 0 or more
        Power of the item's repeat rate (how often it is in the very next basket again), by which the own part is multiplied.
    popularity, together : float of 0 or more
        Weights of popularity and of what goes with own items; the own part weighs 1.
    weeks : int, optional
        Popularity of so many weeks up to that of the customer's last basket; of all time, without it.

    Raises
    ------
    DataContractError
        If a number is out of range.
    """

    decay: float = 0.9
    power: float = 0.0
    half_life_days: float | None = None
    loyalty: float = 0.0
    popularity: float = 0.3
    together: float = 0.3
    weeks: int | None = None

    def __post_init__(self) -> None:
        bad = not 0 < self.decay <= 1 or min(self.power, self.loyalty, self.popularity, self.together) < 0
        if bad or (self.half_life_days is not None and not self.half_life_days > 0) or (self.weeks or 1) < 1:
            raise DataContractError(
                f"{self} cannot be meant. decay is above 0 to 1, half_life_days above 0, weeks at least 1, the others 0 or more."
            )


@final
class Parts:
    """What scores are made of, for one table of baskets."""

    def __init__(self, baskets: Baskets) -> None:
        self.baskets = baskets
        pairs, self.n_cut = baskets.together()
        self.together = (sp.diags_array(1 / (baskets.popularity + SEEN_WITH)) @ pairs).tocsr()
        self.repeats = _repeats(baskets)
        last = baskets.time[np.maximum(baskets.starts[1:] - 1, 0)]
        self.back_days = (last[baskets.owner] - baskets.time) / DAY
        week = (baskets.time - baskets.time.max()) // WEEK  # weeks end with the last basket
        self.week = week - week.min()
        self.last_week = self.week[np.maximum(baskets.starts[1:] - 1, 0)]

    def own(self, blend: Blend) -> sp.csr_array:
        """Decayed rates per basket, shape (n_customers, n_items)."""
        b = self.baskets
        weight = blend.decay**b.age * (1.0 + b.age) ** -blend.power / b.count[b.owner]
        if blend.half_life_days is not None:
            weight = weight * 0.5 ** (self.back_days / blend.half_life_days)
        return b.sums(weight)

    def popular(self, weeks: int | None) -> tuple[Float, Int]:
        """Shares of baskets that hold each item, a row for each period, and the period of each customer."""
        b = self.baskets
        if weeks is None:
            return (b.popularity / len(b.time))[None], np.zeros(len(b.starts) - 1, np.int64)
        n = int(self.week.max()) + 1
        held = sp.csr_array(sp.coo_array((np.ones(len(b.item)), (self.week[b.basket], b.item)), (n, b.n_items)))
        used, period = np.unique(self.last_week, return_inverse=True)
        recent = (np.arange(n) <= used[:, None]) & (np.arange(n) > used[:, None] - weeks)
        baskets = recent @ np.bincount(self.week, minlength=n)
        return np.asarray((sp.csr_array(recent.astype(np.float64)) @ held).toarray()) / baskets[:, None], period

    def company(self, own: sp.csr_array) -> Float:
        """How much what goes with own items speaks for each item: a mean over own items, weighed by their rates."""
        size = np.asarray(own.sum(axis=1))
        return np.asarray((own @ self.together).toarray()) / np.where(size > 0, size, 1.0)[:, None]


def _repeats(baskets: Baskets) -> Float:
    """How often an item is in the customer's very next basket again, drawn to what is usual by ten baskets."""
    again = np.flatnonzero(baskets.age > 0)
    X = baskets.matrix()
    before, both = X[again].sum(axis=0), X[again].multiply(X[again + 1]).sum(axis=0)
    usual = both.sum() / max(before.sum(), 1.0)
    return np.asarray((both + LOYAL * usual) / (before + LOYAL)) if usual else np.ones(baskets.n_items)
