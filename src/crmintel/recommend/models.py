"""The two simplest recommenders, beside which every other is judged."""

from typing import final

import numpy as np

from crmintel.recommend.base import Int, Recommender
from crmintel.recommend.purchases import Purchases
from crmintel.recommend.topk import Real


@final
class Popularity(Recommender):
    """Rank items by how many different customers had them."""

    name = "popularity"

    def _fit(self, purchases: Purchases) -> None:
        self._row = self.owners_.astype(np.float64)

    def _score(self, who: Int) -> Real:
        return np.tile(self._row, (len(who), 1))


@final
class Repeat(Recommender):
    """Rank items by how often the customer bought them before; popularity breaks ties and fills up."""

    name = "repeat"

    def _fit(self, purchases: Purchases) -> None:
        pass

    def _score(self, who: Int) -> Real:
        return np.asarray(self.history_[who].toarray(), np.float64)
