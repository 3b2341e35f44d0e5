"""What a fitted model says of customers, as a table: one place that knows how each kind is asked."""

from typing import Any

import numpy as np
import pandas as pd

from crmintel.actions import EffectModel, Policy
from crmintel.churn import TimeToChurn
from crmintel.columns import ACTION, CUSTOMER, SCORE
from crmintel.errors import DataTypeError
from crmintel.interactions import InteractionLog
from crmintel.recommend import Recommender
from crmintel.segmentation import RFM, CustomerGroups, ValueTiers
from crmintel.value import LifetimeValue


def learns_from_log(model: Any) -> bool:
    """Whether a model reads interactions by itself and needs no features."""
    return isinstance(model, LifetimeValue | Recommender | RFM | ValueTiers)


def scores_of_table(model: Any, X: pd.DataFrame) -> pd.DataFrame:
    """What a model says of the rows of a table of features, on its index.

    Raises
    ------
    DataTypeError
        If the model is of no kind that says something of rows.
    """
    if hasattr(model, "scores"):
        told: pd.DataFrame = model.scores(X)
        return told
    if isinstance(model, Policy):
        return model.gains(X).add_prefix("gain_").assign(**{ACTION: model.decide(X)})
    if isinstance(model, TimeToChurn):
        return pd.concat([model.expected_remaining(X, model.longest_), model.median_remaining(X)], axis=1)
    if isinstance(model, CustomerGroups):
        return model.segments(X).to_frame()
    if hasattr(model, "predict_proba"):
        return pd.DataFrame({SCORE: np.asarray(model.predict_proba(X))[:, 1]}, index=X.index)
    if isinstance(model, EffectModel):
        return model.predict(X).add_prefix("effect_")
    if hasattr(model, "predict"):
        told = model.predict(X)
        return told if isinstance(told, pd.DataFrame) else pd.DataFrame({SCORE: np.asarray(told)}, index=X.index)
    raise DataTypeError(f"{type(model).__name__} says nothing of the rows of a table. Give an estimator.")


def scores_of_log(model: Any, log: InteractionLog, at: Any, k: int = 10) -> pd.DataFrame:
    """What a model that reads interactions says of the customers of a log, indexed by customer; of recommenders `k` items each."""
    if isinstance(model, LifetimeValue):
        return model.predict(log, at=at).customers
    if isinstance(model, Recommender):
        past = log if at is None else log.before(at)
        return model.recommend(past.customers, k=min(k, len(model.items_)), threads=1).set_index(CUSTOMER)
    told: pd.DataFrame = model.score(log, at=at)
    return told
