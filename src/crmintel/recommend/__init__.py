"""What each customer may want next."""

from crmintel.recommend.base import Recommender
from crmintel.recommend.cooccurrence import CoOccurrence
from crmintel.recommend.ease import Ease
from crmintel.recommend.models import Popularity, Repeat
from crmintel.recommend.purchases import Evidence, Purchases
from crmintel.recommend.rules import Rules
from crmintel.recommend.together import Together, bought_together
from crmintel.recommend.topk import top_k

__all__ = [
    "CoOccurrence",
    "Ease",
    "Evidence",
    "Popularity",
    "Purchases",
    "Recommender",
    "Repeat",
    "Rules",
    "Together",
    "bought_together",
    "top_k",
]
