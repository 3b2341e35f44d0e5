"""What customers are worth."""

from crmintel.value.betageo import BetaGeoModel, ModifiedBetaGeoModel
from crmintel.value.btyd import BuyTillYouDie
from crmintel.value.calibration import GroupMeans, calibration_by_decile, conditional_expectation
from crmintel.value.cohorts import CohortTriangle, cohort_retention, cohort_revenue
from crmintel.value.forecast import ValueForecast
from crmintel.value.independence import Independence
from crmintel.value.key_customers import KeyCustomers, ListStability, key_customers
from crmintel.value.lifetime import LifetimeValue
from crmintel.value.pareto import ParetoModel
from crmintel.value.purchases import PurchaseDays, purchase_history
from crmintel.value.regularity import Regularity, regularity
from crmintel.value.spend import GammaGammaModel
from crmintel.value.tracking import TrackingCurves, tracking_curves

__all__ = [
    "BetaGeoModel",
    "BuyTillYouDie",
    "CohortTriangle",
    "GammaGammaModel",
    "GroupMeans",
    "Independence",
    "KeyCustomers",
    "LifetimeValue",
    "ListStability",
    "ModifiedBetaGeoModel",
    "ParetoModel",
    "PurchaseDays",
    "Regularity",
    "TrackingCurves",
    "ValueForecast",
    "calibration_by_decile",
    "cohort_retention",
    "cohort_revenue",
    "conditional_expectation",
    "key_customers",
    "purchase_history",
    "regularity",
    "tracking_curves",
]
