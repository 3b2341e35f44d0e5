"""One small world, and every model that can be shipped, fitted once."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog
from crmintel import features as f
from crmintel.actions import (
    Decider,
    DRLearner,
    EffectModel,
    RLearner,
    SLearner,
    TLearner,
    XLearner,
    allocate,
    choose_policy,
)
from crmintel.churn import LIGHT, SMALL, BestColumn, ChurnClassifier, SplineLogistic, TimeToChurn
from crmintel.datasets import simulate
from crmintel.errors import DataContractWarning
from crmintel.recommend import (
    AutoRecommender,
    ByAttributes,
    CoOccurrence,
    Ease,
    GlobalTopFrequency,
    NextBasket,
    PersonalGlobalTopFrequency,
    PersonalTopFrequency,
    Popularity,
    Repeat,
    TifuKnn,
    TwoStage,
    UpCf,
)
from crmintel.scoring import CustomerModel
from crmintel.segmentation import RFM, CustomerGroups, EightTypes, ValueTiers
from crmintel.value import (
    BetaGeoModel,
    GammaGammaModel,
    LifetimeValue,
    ModifiedBetaGeoModel,
    ParetoModel,
    purchase_history,
)


@cache
def world() -> tuple[InteractionLog, pd.Timestamp, pd.DataFrame]:
    """A log, an instant within it, and the features of its customers then."""
    log = simulate(400, days=400, seed=3).log(quiet=True)
    at = log.end - pd.Timedelta(days=60)
    return log, at, f.standard(log, at=at).build(log, at)


def left(log: InteractionLog, index: pd.Index) -> pd.Series:
    """Who buys nothing for sixty days."""
    return f.churned(log, index, "60d")


@cache
def customer_model() -> CustomerModel:
    """The model that most tests ship."""
    log, at, _ = world()
    model = CustomerModel(f.standard(log, at=at), ChurnClassifier(SMALL, folds=2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        return model.fit(log, left, at=at, horizon="60d")


@cache
def buyers_model() -> tuple[CustomerModel, InteractionLog]:
    """A model of who bought before, and a log in which every fourth customer only looked."""
    log, at, _ = world()
    frame = log.to_pandas()
    looks = frame["customer_id"].isin(log.customers[::4])
    mixed = InteractionLog.read(frame.assign(kind=np.where(looks, "view", frame["kind"].astype(str))), quiet=True)
    model = CustomerModel(f.standard(mixed, at=at), ChurnClassifier(SMALL, folds=2), among="recency_days_purchase")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        return model.fit(mixed, left, at=at, horizon="60d"), mixed


def _mixed() -> tuple[pd.DataFrame, Any, pd.Series]:
    """A table with categories and holes, labels, and times."""
    _, _, X = world()
    rng = np.random.default_rng(0)
    table = X.iloc[:, :8].copy()
    table["plan"] = rng.choice(["month", "year", None], len(X))
    table.iloc[::7, 2] = np.nan
    return table, rng.random(len(X)) < 0.4, pd.Series(rng.integers(1, 60, len(X)).astype(float), X.index)


def _trial() -> tuple[pd.DataFrame, Any, Any, dict[str, float]]:
    table, _, _ = _mixed()
    rng = np.random.default_rng(1)
    return (
        table,
        rng.choice(["no action", "mail"], len(table)),
        rng.normal(size=len(table)),
        {"no action": 0.5, "mail": 0.5},
    )


def _effects() -> EffectModel:
    X, action, outcome, propensity = _trial()
    return EffectModel().fit(X, action, outcome, propensity=propensity)


def _decider() -> Decider:
    policy = choose_policy(_effects(), cost=0.1)
    return Decider(policy, allocate(policy.gains(_trial()[0]), cost=0.1, capacity={"mail": 50}).prices)


def _learner(kind: Any) -> Callable[[], Any]:
    def fit() -> Any:
        X, action, outcome, propensity = _trial()
        return kind().fit(X, action, outcome, propensity=propensity)

    return fit


def _recommender(model: Any) -> Callable[[], Any]:
    return lambda: model.fit(world()[0])


def _attributes() -> ByAttributes:
    log = world()[0]
    items = log.to_pandas()[["item_id", "category"]].dropna().drop_duplicates("item_id").set_index("item_id")
    return ByAttributes(items, base=Popularity()).fit(log)


def _table(X: Any) -> Any:
    return lambda model: model.predict(X())


def _log(model: Any) -> Any:
    return model.score(world()[0], at=world()[1])


def _lists(model: Any) -> Any:
    return model.recommend(k=5)


def _history(model: Any) -> Any:
    history = purchase_history(world()[0], at=world()[1])
    return (
        model.expected_purchases(history, "90d")
        if hasattr(model, "expected_purchases")
        else model.expected_value(history)
    )


def _plain() -> Any:
    return world()[2].iloc[:, :6].fillna(0.0)


MODELS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "CustomerModel": (customer_model, lambda m: m.score(world()[0], at=world()[1])),
    "ChurnClassifier": (lambda: ChurnClassifier(folds=2).fit(*_mixed()[:2]), lambda m: m.predict_proba(_mixed()[0])),
    "ChurnClassifier of light trees": (
        lambda: ChurnClassifier(LIGHT, folds=2, positive="left").fit(_mixed()[0], np.where(_mixed()[1], "left", "stayed")),
        lambda m: m.predict_proba(_mixed()[0]),
    ),
    "ChurnClassifier of splines": (
        lambda: ChurnClassifier(SplineLogistic(interactions=((world()[2].columns[0], "plan"),)), folds=2).fit(*_mixed()[:2]),
        lambda m: m.predict_proba(_mixed()[0]),
    ),
    "TimeToChurn": (lambda: TimeToChurn().fit(_mixed()[0], _mixed()[2], _mixed()[1]), lambda m: m.hazard(_mixed()[0])),
    "BestColumn": (lambda: BestColumn.learn(world()[2], _mixed()[1]), lambda m: m(world()[2])),
    "RFM": (lambda: RFM().fit(world()[0], at=world()[1]), _log),
    "RFM of eight types": (lambda: RFM(naming=EightTypes(), window="90d").fit(world()[0], at=world()[1]), _log),
    "ValueTiers": (lambda: ValueTiers().fit(world()[0], at=world()[1]), _log),
    "CustomerGroups": (lambda: CustomerGroups(3, n_bootstraps=2, n_twins=0).fit(_mixed()[0]), _table(lambda: _mixed()[0])),
    "BetaGeoModel": (lambda: BetaGeoModel().fit(purchase_history(world()[0], at=world()[1])), _history),
    "ModifiedBetaGeoModel": (lambda: ModifiedBetaGeoModel().fit(purchase_history(world()[0], at=world()[1])), _history),
    "ParetoModel": (lambda: ParetoModel().fit(purchase_history(world()[0], at=world()[1])), _history),
    "GammaGammaModel": (lambda: GammaGammaModel().fit(purchase_history(world()[0], at=world()[1])), _history),
    "LifetimeValue": (lambda: LifetimeValue("60d").fit(world()[0]), lambda m: m.predict(world()[0]).customers),
    "EffectModel": (_effects, _table(lambda: _trial()[0])),
    "Policy": (lambda: choose_policy(_effects(), cost=0.1), lambda m: m.gains(_trial()[0])),
    "Decider": (_decider, lambda m: [m.decide(_trial()[0].iloc[i]).actions for i in range(20)]),
    **{k.__name__: (_learner(k), _table(lambda: _trial()[0])) for k in (SLearner, TLearner, XLearner, DRLearner, RLearner)},
    "ByAttributes": (_attributes, _lists),
    **{
        type(m).__name__: (_recommender(m), _lists)
        for m in (
            AutoRecommender(), CoOccurrence(), Ease(), GlobalTopFrequency(), NextBasket(), PersonalGlobalTopFrequency(),
            PersonalTopFrequency(), Popularity(), Repeat(), TifuKnn(), TwoStage(), UpCf(),
        )
    },
}  # fmt: skip
"""Every model: how it is fitted, and what it says."""


@cache
def fitted(name: str) -> Any:
    """A model, fitted once for all tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        return MODELS[name][0]()


def says(name: str, model: Any) -> Any:
    """What a model says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        return MODELS[name][1](model)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The bundle of the usual model."""
    path = tmp_path_factory.mktemp("bundle") / "churn"
    customer_model().save(path)
    return path
