"""Next baskets from customers with alike histories: TIFU-KNN and UP-CF@r, as in their papers."""

from typing import final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from crmintel.errors import DataContractError
from crmintel.recommend.base import Int, Recommender
from crmintel.recommend.baskets import Baskets
from crmintel.recommend.purchases import Purchases
from crmintel.recommend.rules import Exclude
from crmintel.recommend.topk import Real, best

Float = npt.NDArray[np.float64]


@final
class TifuKnn(Recommender):
    """A customer's own decayed frequencies, mixed with those of the customers nearest to them (TIFU-KNN).

    Baskets of a customer are cut into groups in order of time, the last ones a basket larger where they do not come out even. Within a
    group baskets weigh ``within_decay`` to the power of the distance from its end, averaged; groups weigh ``group_decay`` to the
    power of the distance from the last group, averaged. Neighbours are the nearest by Euclidean distance among all other customers.

    Parameters
    ----------
    neighbours : int
    within_decay, group_decay : float above 0 to 1
    alpha : float from 0 to 1
        Weight of the own part; the mean of the neighbours has the rest.
    groups : int

    Raises
    ------
    DataContractError
        When fitted, if a parameter is out of range.

    Notes
    -----
    Source: Hu et al. (2020), "Modeling Personalized Item Frequency Information for Next-basket Recommendation", SIGIR. The parameters
    are those for Ta-Feng; the paper has 900, .9, .6, .2, 3 for Dunnhumby and 900, .9, .7, .9, 3 for Instacart. Histories of fewer
    baskets than `groups` have as many groups as baskets, as in the paper; its code keeps the nominal number. Nearest at equal
    distance: the customer with the lower identifier.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmintel import InteractionLog
    >>> day = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-01", "2024-01-02"])
    >>> log = InteractionLog.read(pd.DataFrame({"customer_id": [1, 1, 1, 2, 2], "timestamp": day, "item_id": list("abbbc")}))
    >>> TifuKnn().fit(log).recommend([1], k=3)["item_id"].tolist()
    ['b', 'c', 'a']
    """

    name = "TIFU-KNN"
    habit: Exclude = None

    def __init__(
        self, *, neighbours: int = 300, within_decay: float = 0.9, group_decay: float = 0.7, alpha: float = 0.7, groups: int = 7
    ) -> None:  # fmt: skip
        self.neighbours, self.within_decay, self.group_decay = neighbours, within_decay, group_decay
        self.alpha, self.groups = alpha, groups

    def _fit(self, purchases: Purchases) -> None:
        good = self.neighbours >= 1 and self.groups >= 1 and 0 <= self.alpha <= 1
        if not (good and 0 < self.within_decay <= 1 and 0 < self.group_decay <= 1):
            raise DataContractError(
                "neighbours and groups are at least 1, alpha from 0 to 1, within_decay and group_decay above 0 to 1."
            )
        baskets = Baskets.of(purchases)
        self._own = baskets.sums(_grouped(baskets, self.groups, self.within_decay, self.group_decay))
        self._items = self._own.T.tocsr()
        self._length = np.asarray(self._own.multiply(self._own).sum(axis=1))

    def _score(self, who: Int) -> Real:
        near = (
            2 * (self._own[who] @ self._items).toarray() - self._length
        )  # nearest = highest: own length adds the same
        near[np.arange(len(who)), who] = -np.inf
        row, other, _ = best(near, min(self.neighbours, near.shape[1] - 1))
        share = (1 - self.alpha) / np.bincount(row, minlength=len(who))
        mean = sp.csr_array((share[row], (row, other)), shape=near.shape) @ self._own
        return np.asarray((self.alpha * self._own[who] + mean).toarray())


def _grouped(baskets: Baskets, groups: int, within: float, between: float) -> Float:
    """What each basket weighs in the vector of its customer."""
    n, place = baskets.count[baskets.owner], np.arange(len(baskets.time)) - baskets.starts[:-1][baskets.owner]
    m = np.minimum(n, groups)
    size, larger = n // m, n % m
    even = (m - larger) * size  # baskets in groups of the smaller size
    late = place >= even
    group = np.where(late, m - larger + (place - even) // (size + 1), place // size)
    end = np.where(late, even + (group - (m - larger) + 1) * (size + 1), (group + 1) * size) - 1
    return np.asarray(within ** (end - place) / (size + late) * between ** (m - 1 - group) / m)


@final
class UpCf(Recommender):
    """A customer's frequencies in the last baskets, helped by customers who share items (UP-CF@r).

    Own popularity is the share of the last `recency` baskets that hold an item. Customers a and b are alike by
    ``a·b / (|a|^2p |b|^2(1 - p) + shrink)`` of these vectors, 1 with themselves; the most alike (the customer among them) vote with
    likeness to the power of `locality`.

    Parameters
    ----------
    recency : int
        Baskets that are looked at.
    asymmetry : float from 0 to 1
        p above.
    locality : float of 0 or more
    neighbours : int
    shrink : float of 0 or more

    Raises
    ------
    DataContractError
        When fitted, if a parameter is out of range.

    Notes
    -----
    Source: Faggioli, Polato and Aiolli (2020), "Recency Aware Collaborative Filtering for Next Basket Recommendation", UMAP, with the
    parameters that Li et al. (2023) took for Ta-Feng and Instacart (recency 25 for Dunnhumby).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmintel import InteractionLog
    >>> day = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-01", "2024-01-02"])
    >>> log = InteractionLog.read(pd.DataFrame({"customer_id": [1, 1, 1, 2, 2], "timestamp": day, "item_id": list("abbbc")}))
    >>> UpCf().fit(log).recommend([1], k=3)["item_id"].tolist()
    ['b', 'a', 'c']
    """

    name = "UP-CF@r"
    habit: Exclude = None

    def __init__(
        self, *, recency: int = 10, asymmetry: float = 0.75, locality: float = 10.0, neighbours: int = 100, shrink: float = 1000.0
    ) -> None:  # fmt: skip
        self.recency, self.asymmetry, self.locality = recency, asymmetry, locality
        self.neighbours, self.shrink = neighbours, shrink

    def _fit(self, purchases: Purchases) -> None:
        if (
            min(self.recency, self.neighbours) < 1
            or not 0 <= self.asymmetry <= 1
            or min(self.locality, self.shrink) < 0
        ):
            raise DataContractError(
                "recency and neighbours are at least 1, asymmetry from 0 to 1, locality and shrink 0 or more."
            )
        baskets = Baskets.of(purchases)
        seen = np.minimum(baskets.count, self.recency)[baskets.owner]
        self._own = baskets.sums((baskets.age < self.recency) / seen)
        self._own.eliminate_zeros()
        self._items = self._own.T.tocsr()
        self._length = np.asarray(self._own.multiply(self._own).sum(axis=1))

    def _score(self, who: Int) -> Real:
        alike = (self._own[who] @ self._items).toarray()
        mine, theirs = self._length[who, None] ** self.asymmetry, self._length ** (1 - self.asymmetry)
        alike /= mine * theirs + self.shrink
        alike[np.arange(len(who)), who] = 1.0
        row, other, value = best(np.where(alike > 0, alike, -np.inf), self.neighbours)
        votes = sp.csr_array((value**self.locality, (row, other)), shape=alike.shape)
        return np.asarray((votes @ self._own).toarray())
