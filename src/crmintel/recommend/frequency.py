"""What was bought most often: the plain baselines of the next basket, exactly as in the literature."""

from typing import final

import numpy as np
import scipy.sparse as sp

from crmintel.recommend.base import Int, Recommender
from crmintel.recommend.baskets import Baskets
from crmintel.recommend.purchases import Purchases
from crmintel.recommend.rules import Exclude
from crmintel.recommend.topk import Real


@final
class GlobalTopFrequency(Recommender):
    """Rank items by how many baskets hold them, whoever bought them (G-TopFreq).

    Source: Li et al. (2023), "A Next Basket Recommendation Reality Check", ACM TOIS. An item counts once a basket.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmintel import InteractionLog
    >>> day = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-01"])
    >>> log = InteractionLog.read(pd.DataFrame({"customer_id": [1, 1, 1, 2], "timestamp": day, "item_id": list("bbba")}))
    >>> GlobalTopFrequency().fit(log).recommend([2], k=2)["item_id"].tolist()
    ['b', 'a']
    """

    name = "global frequency"
    habit: Exclude = None

    def _fit(self, purchases: Purchases) -> None:
        self._row = Baskets.of(purchases).popularity.astype(np.float64)

    def _score(self, who: Int) -> Real:
        return np.tile(self._row, (len(who), 1))


@final
class PersonalTopFrequency(Recommender):
    """Rank the items of a customer by how many of the customer's baskets hold them (P-TopFreq).

    Ties go to the item that the customer bought first. A customer has scores for own items only: popular items fill the list,
    marked as such, unless ``rules=Rules(fill=False)`` leaves it short as in the literature. Source: Li et al. (2023).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmintel import InteractionLog
    >>> day = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-01"])
    >>> log = InteractionLog.read(pd.DataFrame({"customer_id": [1, 1, 1, 2], "timestamp": day, "item_id": list("baba")}))
    >>> PersonalTopFrequency().fit(log).recommend([1], k=2)["item_id"].tolist()
    ['b', 'a']
    """

    name = "personal frequency"
    habit: Exclude = None

    def _fit(self, purchases: Purchases) -> None:
        self._own = _own(Baskets.of(purchases))

    def _score(self, who: Int) -> Real:
        return np.asarray(self._own[who].toarray())


@final
class PersonalGlobalTopFrequency(Recommender):
    """A customer's own items by personal frequency, then all others by global frequency until the list is full (GP-TopFreq).

    Ties among own items go to the one bought first. Source: Li et al. (2023).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmintel import InteractionLog
    >>> day = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-01"])
    >>> log = InteractionLog.read(pd.DataFrame({"customer_id": [1, 1, 1, 2], "timestamp": day, "item_id": list("bbca")}))
    >>> PersonalGlobalTopFrequency().fit(log).recommend([2], k=2)["item_id"].tolist()
    ['a', 'b']
    """

    name = "personal, then global frequency"
    habit: Exclude = None

    def _fit(self, purchases: Purchases) -> None:
        baskets = Baskets.of(purchases)
        self._own = _own(baskets)
        self._row = baskets.popularity / (baskets.popularity.max() + 1.0)

    def _score(self, who: Int) -> Real:
        own = self._own[who].toarray()
        return np.where(own > 0, own, self._row)


def _own(baskets: Baskets) -> sp.csr_array:
    """Baskets of the customer that hold an item, plus less than 1 that is larger the earlier the item came."""
    own, first = baskets.sums(np.ones(len(baskets.time))), baskets.first()
    own.data += 1.0 - first.data / (first.data.max() + 1.0)
    return own
