"""What each customer may want next."""

from crmintel.recommend.attributes import ByAttributes
from crmintel.recommend.base import Recommender
from crmintel.recommend.basket import NextBasket
from crmintel.recommend.blend import Blend
from crmintel.recommend.choice import AutoRecommender
from crmintel.recommend.cooccurrence import CoOccurrence
from crmintel.recommend.cycle import replenishment
from crmintel.recommend.ease import Ease
from crmintel.recommend.frequency import GlobalTopFrequency, PersonalGlobalTopFrequency, PersonalTopFrequency
from crmintel.recommend.models import Popularity, Repeat
from crmintel.recommend.neighbours import TifuKnn, UpCf
from crmintel.recommend.purchases import Evidence, Purchases
from crmintel.recommend.rules import Rules
from crmintel.recommend.together import Together, bought_together
from crmintel.recommend.topk import top_k
from crmintel.recommend.twostage import TwoStage

__all__ = [
    "AutoRecommender",
    "Blend",
    "ByAttributes",
    "CoOccurrence",
    "Ease",
    "Evidence",
    "GlobalTopFrequency",
    "NextBasket",
    "PersonalGlobalTopFrequency",
    "PersonalTopFrequency",
    "Popularity",
    "Purchases",
    "Recommender",
    "Repeat",
    "Rules",
    "TifuKnn",
    "Together",
    "TwoStage",
    "UpCf",
    "bought_together",
    "replenishment",
    "top_k",
]
