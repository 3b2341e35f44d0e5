"""What customers are worth."""

from crmintel.value.betageo import BetaGeoModel, ModifiedBetaGeoModel
from crmintel.value.btyd import BuyTillYouDie
from crmintel.value.lifetime import LifetimeValue
from crmintel.value.pareto import ParetoModel
from crmintel.value.regularity import Regularity, regularity

__all__ = [
    "BetaGeoModel",
    "BuyTillYouDie",
    "LifetimeValue",
    "ModifiedBetaGeoModel",
    "ParetoModel",
    "Regularity",
    "regularity",
]
