"""The two simplest recommenders, beside which every other is judged."""

from typing import final

import numpy as np

from crmintel.recommend.base import Int, Recommender
from crmintel.recommend.purchases import Purchases
from crmintel.recommend.topk import Real


@final
class Popularity(Recommender):
    """Rank items by how many different customers had them.

    >>> import pandas as pd
    >>> from crmintel import InteractionLog
    >>> frame = pd.DataFrame({"customer_id": [1, 1, 1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-09", "2024-01-20", "2024-01-03"]), "item_id": ["tea", "tea", "cup", "cup"]})
    >>> Popularity().fit(InteractionLog.read(frame)).recommend([1], k=2, exclude=None)["item_id"].tolist()
    ['cup', 'tea']
    """

    name = "popularity"

    def _fit(self, purchases: Purchases) -> None:
        self._row = self.owners_.astype(np.float64)

    def _score(self, who: Int) -> Real:
        return np.tile(self._row, (len(who), 1))


@final
class Repeat(Recommender):
    """Rank items by how often the customer bought them before; popularity breaks ties and fills up.

    >>> import pandas as pd
    >>> from crmintel import InteractionLog
    >>> frame = pd.DataFrame({"customer_id": [1, 1, 1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-09", "2024-01-20", "2024-01-03"]), "item_id": ["tea", "tea", "cup", "cup"]})
    >>> Repeat().fit(InteractionLog.read(frame)).recommend([1], k=2, exclude=None)["item_id"].tolist()
    ['tea', 'cup']
    """

    name = "repeat"

    def _fit(self, purchases: Purchases) -> None:
        pass

    def _score(self, who: Int) -> Real:
        return np.asarray(self.history_[who].toarray(), np.float64)
