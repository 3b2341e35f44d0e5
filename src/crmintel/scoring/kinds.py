"""What a bundle may hold: the classes of this package that are models or parts of one. No name in a file leads anywhere else."""

import importlib
from typing import Final

_HOMES: Final = {
    "actions.allocation.limits": "Limits",
    "actions.allocation.prices": "Prices",
    "actions.effects.learners": "SLearner TLearner XLearner DRLearner RLearner",
    "actions.effects.linear": "Design Line",
    "actions.effects.model": "EffectModel",
    "actions.effects.online": "Decider",
    "actions.effects.policy": "Policy",
    "actions.effects.recipes": "Boosted",
    "actions.effects.stacked": "Stack",
    "churn.classifier": "ChurnClassifier",
    "churn.hazard": "Hazards Tails",
    "churn.periods": "Periods",
    "churn.rules": "BestColumn",
    "churn.splines": "Additive Crossed Curve SplineLogistic Steps",
    "churn.stack": "Calibration Weights",
    "churn.survival": "TimeToChurn",
    "churn.table": "Schema",
    "churn.trees": "FittedTrees Trees",
    "evaluation.intervals": "Estimate",
    "recommend.attributes": "ByAttributes",
    "recommend.basket": "NextBasket",
    "recommend.baskets": "Baskets",
    "recommend.blend": "Alike Blend Parts",
    "recommend.choice": "AutoRecommender",
    "recommend.cooccurrence": "CoOccurrence",
    "recommend.ease": "Ease",
    "recommend.evidence": "Pairs",
    "recommend.frequency": "GlobalTopFrequency PersonalGlobalTopFrequency PersonalTopFrequency",
    "recommend.models": "Popularity Repeat",
    "recommend.neighbours": "TifuKnn UpCf",
    "recommend.purchases": "Evidence",
    "recommend.twostage": "TwoStage",
    "scoring.model": "CustomerModel",
    "segmentation.groups": "CustomerGroups",
    "segmentation.kprototypes": "Prototypes",
    "segmentation.mixed": "Encoding",
    "segmentation.rfm": "RFM",
    "segmentation.scaling": "Scale",
    "segmentation.stability": "Stability",
    "segmentation.structure": "Structure",
    "segmentation.tiers": "ValueTiers",
    "segmentation.types": "EightTypes Grid",
    "value.betageo": "BetaGeoModel ModifiedBetaGeoModel",
    "value.independence": "Independence",
    "value.joined": "Joined",
    "value.lifetime": "LifetimeValue",
    "value.members": "Trees",
    "value.pareto": "ParetoModel",
    "value.spend": "GammaGammaModel",
    "value.spread": "Cells Seen Spread",
}
KINDS: Final = frozenset(f"{home}.{name}" for home, names in _HOMES.items() for name in names.split())


def kind_of(thing: object) -> str | None:
    """The name of a thing's class in bundles; None where bundles do not know it."""
    kind = f"{type(thing).__module__}.{type(thing).__qualname__}".removeprefix("crmintel.")
    return kind if kind in KINDS else None


def class_of(kind: str) -> type | None:
    """The class of a name; None for any name that is not in the list."""
    if kind not in KINDS:
        return None
    home, name = kind.rsplit(".", 1)
    found: type = getattr(importlib.import_module(f"crmintel.{home}"), name)
    return found
