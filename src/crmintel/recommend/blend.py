"""The parts of the next-basket score: own habit, popularity, and what goes together."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from crmintel.errors import DataContractError
from crmintel.interactions.clock import DAY, Int
from crmintel.recommend.baskets import Baskets
from crmintel.recommend.topk import best
from crmintel.showing import Shown

Float = npt.NDArray[np.float64]
WEEK: Final = 7 * DAY
SEEN_WITH: Final = 5.0
"""Baskets that an item is taken to have been in without the other one, before any is counted."""
MANY: Final = 4_000
"""With more items, two that were together in a single basket are taken to go together by chance."""
PEERS, NEAREST = 10_000, 100
LOYAL: Final = 10.0
"""Baskets that the usual repeat rate counts like, beside those of an item."""


@final
@dataclass(frozen=True)
class Blend(Shown):
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
    popularity, together, alike : float of 0 or more
        Weights of popularity, of what goes with own items, and of customers with alike histories; the own part weighs 1.
    weeks : int, optional
        Popularity is that of the last weeks, so many; of all time, without it.
    each : bool
        The weeks end with that of the customer's last basket, not with the log.
    latest : int, optional
        Popularity is that of the last baskets of all customers, so many of each.

    Raises
    ------
    DataContractError
        If a number is out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmintel import InteractionLog
    >>> from crmintel.recommend import NextBasket
    >>> frame = pd.DataFrame({"customer_id": [1, 1, 1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-09", "2024-01-20", "2024-01-03"]), "item_id": ["tea", "tea", "cup", "cup"]})
    >>> loyal = NextBasket(blend=Blend(popularity=0.0, together=0.0))
    >>> loyal.fit(InteractionLog.read(frame)).recommend([1], k=1)["item_id"].tolist()
    ['tea']
    """

    decay: float = 0.9
    power: float = 0.0
    half_life_days: float | None = None
    loyalty: float = 0.0
    popularity: float = 0.3
    together: float = 0.3
    alike: float = 0.0
    weeks: int | None = None
    each: bool = False
    latest: int | None = None

    def __post_init__(self) -> None:
        weights = (self.power, self.loyalty, self.popularity, self.together, self.alike)
        bad = not 0 < self.decay <= 1 or not all(0 <= w < np.inf for w in weights)
        bad |= self.half_life_days is not None and not self.half_life_days > 0
        if bad or any(n is not None and n < 1 for n in (self.weeks, self.latest)):
            raise DataContractError(
                f"{self} cannot be meant. decay is above 0 to 1, half_life_days above 0, weeks and latest are at least 1, "
                "the others 0 or more."
            )
        if self.weeks and self.latest:
            raise DataContractError("Popularity is of the last weeks or of the latest baskets. Give one of the two.")

    @property
    def fading(self) -> tuple[float, float, float | None]:
        """What own rates depend on."""
        return self.decay, self.power, self.half_life_days

    @property
    def window(self) -> tuple[int | None, bool, int | None]:
        """What popularity depends on."""
        return self.weeks, self.each, self.latest


@final
class Parts:
    """What scores are made of, for one table of baskets."""

    def __init__(self, baskets: Baskets) -> None:
        self.baskets = baskets
        pairs, self.n_cut = baskets.together()
        if baskets.n_items > MANY:
            pairs.data[pairs.data < 2] = 0.0
            pairs.eliminate_zeros()
        self.together = (sp.diags_array(1 / (baskets.popularity + SEEN_WITH)) @ pairs).tocsr()
        self.repeats = _repeats(baskets)
        last = baskets.time[np.maximum(baskets.starts[1:] - 1, 0)]
        self.back_days = (last[baskets.owner] - baskets.time) / DAY
        week = (baskets.time - baskets.time.max() - 1) // WEEK  # weeks end with the last basket
        self.week = week - week.min()
        self.last_week = self.week[np.maximum(baskets.starts[1:] - 1, 0)]

    def own(self, blend: Blend) -> sp.csr_array:
        """Decayed rates per basket, shape (n_customers, n_items)."""
        b = self.baskets
        weight = blend.decay**b.age * (1.0 + b.age) ** -blend.power / b.count[b.owner]
        if blend.half_life_days is not None:
            weight = weight * 0.5 ** (self.back_days / blend.half_life_days)
        return b.sums(weight)

    def popular(self, blend: Blend) -> tuple[Float, Int]:
        """Shares of baskets that hold each item, a row for each period, and the period of each customer."""
        b = self.baskets
        nobody = np.zeros(len(b.starts) - 1, np.int64)
        if blend.weeks is None:
            some = b.age < (blend.latest or np.inf)
            held = np.bincount(b.item[some[b.basket]], minlength=b.n_items)
            return (held / max(int(some.sum()), 1))[None], nobody
        n = int(self.week.max()) + 1
        ends, period = np.unique(self.last_week, return_inverse=True) if blend.each else (np.array([n - 1]), nobody)
        holds = sp.csr_array(sp.coo_array((np.ones(len(b.item)), (self.week[b.basket], b.item)), (n, b.n_items)))
        within = (np.arange(n) <= ends[:, None]) & (np.arange(n) > ends[:, None] - blend.weeks)
        baskets = within @ np.bincount(self.week, minlength=n)
        table = (sp.csr_array(within.astype(np.float64)) @ holds).toarray()
        return np.asarray(table / np.maximum(baskets, 1)[:, None]), period

    def company(self, own: sp.csr_array) -> Float:
        """How much what goes with own items speaks for each item: a mean over own items, weighed by their rates."""
        size = np.asarray(own.sum(axis=1))
        return np.asarray((own @ self.together).toarray()) / np.where(size > 0, size, 1.0)[:, None]


@final
class Alike:
    """Customers with alike histories: the mean of their own rates, weighed by squared cosines.

    The 100 most alike of 10,000 customers at most (drawn with a fixed seed where there are more) are looked at, the customer not
    among them.
    """

    def __init__(self, own: sp.csr_array) -> None:
        n = own.shape[0]
        self.who = np.sort(np.random.default_rng(0).choice(n, PEERS, replace=False)) if n > PEERS else np.arange(n)
        length = np.sqrt(np.asarray(own.multiply(own).sum(axis=1)))
        self.vectors = (sp.diags_array(1 / np.where(length > 0, length, 1.0)) @ own).tocsr()
        self.peers = self.vectors[self.who].T.tocsr()
        self.rates = own[self.who]

    def votes(self, who: Int) -> Float:
        """The mean for some customers, shape (n, n_items)."""
        near = (self.vectors[who] @ self.peers).toarray()
        near[who[:, None] == self.who] = 0.0
        row, peer, cosine = best(near, NEAREST)
        weight = np.asarray(cosine, np.float64) ** 2
        total = np.bincount(row, weight, minlength=len(who))
        weight /= np.where(total > 0, total, 1.0)[row]
        return np.asarray((sp.csr_array((weight, (row, peer)), shape=near.shape) @ self.rates).toarray())


def _repeats(baskets: Baskets) -> Float:
    """How often an item is in the customer's very next basket again, drawn to what is usual by ten baskets."""
    again = np.flatnonzero(baskets.age > 0)
    X = baskets.matrix()
    before, both = X[again].sum(axis=0), X[again].multiply(X[again + 1]).sum(axis=0)
    usual = both.sum() / max(before.sum(), 1.0)
    return np.asarray((both + LOYAL * usual) / (before + LOYAL)) if usual else np.ones(baskets.n_items)
