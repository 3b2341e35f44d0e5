"""Everything shows itself in a notebook: each public class has a look of ours, small, escaped, and without a customer."""

import importlib
import inspect
from typing import Any

import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from crmintel import InteractionLog, Policies
from crmintel import features as f
from crmintel.actions import Action, ActionCatalog, plan_actions
from crmintel.churn import SMALL, ChurnClassifier
from crmintel.datasets import World, simulate
from crmintel.job import Settings, choose, prepare, score_customers
from crmintel.recommend import CoOccurrence, Rules
from crmintel.reports import what_if
from crmintel.segmentation import RFM, CustomerGroups, ValueTiers, migration
from crmintel.value import BetaGeoModel, purchase_history
from docs.generate import PACKAGES, public

CLASSES = [
    (package, name)
    for package in PACKAGES
    if package not in ("crmintel", "crmintel.spark", "crmintel.errors")  # an extra; errors show themselves
    for name in public(package)
    if inspect.isclass(thing := getattr(importlib.import_module(package), name))
    and not getattr(thing, "_is_protocol", False)
]


@pytest.mark.parametrize(("package", "name"), CLASSES)
def test_a_public_class_shows_itself(package: str, name: str) -> None:
    """Scikit-learn's estimators ask `_html_repr`: their own look tells parameters, but prints whatever arrays were learned."""
    thing = getattr(importlib.import_module(package), name)
    looks = {"_repr_html_", "_html_repr"} if issubclass(thing, BaseEstimator) else {"_repr_html_"}
    ours = [base for base in thing.__mro__ if base.__module__.startswith("crmintel") and looks & vars(base).keys()]
    assert ours, f"{package}.{name} does not show itself: derive it from crmintel.showing.Shown"


def things() -> dict[str, Any]:
    """Results of every kind about customers who are called by a name that must not appear."""
    rows = simulate(120, days=400, seed=1).interactions
    rows["customer_id"] = "CANARY-" + rows["customer_id"].astype(str)
    log = InteractionLog.read(rows, quiet=True)
    at, risk = log.end, rows.groupby("customer_id")["amount"].sum().clip(lower=0)
    ground = prepare(log, choose(log, "30d"))
    X = ground.train.droplevel(1)[list(ground.train.columns[:6])].reset_index(drop=True)
    plan = plan_actions(risk, risk / (1 + risk.max()), [Action("call", 4.0)], budget=200.0, horizon_days=30, seed=1)
    scores = score_customers(ground, None, None, None, Settings())
    rfm = RFM().fit(log, at=at)
    return {
        "log": log, "quality": log.quality, "zone": log.zone, "part": next(log.parts()), "policies": Policies(), "world": World(),
        "simulation": simulate(60, days=200, seed=1), "features": ground.features, "spec": f.recency(), "where": f.where(kind="purchase"),
        "rfm": rfm, "tiers": ValueTiers().fit(log, at=at), "moves": migration(log, rfm, ["2023-10-01", "2023-12-01"]),
        "groups": CustomerGroups(2, n_bootstraps=3, n_twins=0).fit(X), "recommender": CoOccurrence().fit(log),
        "rules": Rules(blocked=pd.DataFrame({"customer_id": ["CANARY-1"], "item_id": [3]}), liked={"CANARY-2": 1.0}),
        "churn": ChurnClassifier(SMALL, folds=3).fit(X, f.churned(log, ground.train.index, "30d").to_numpy()),
        "value": BetaGeoModel().fit(purchase_history(log)), "catalog": ActionCatalog([Action("call <b>", 4.0)]), "plan": plan,
        "what if": what_if(risk, cost=1.0, budget=72.0, holdout=0.2), "split": ground.split, "ground": ground, "scores": scores,
        "settings": Settings(),
    }  # fmt: skip


@pytest.mark.slow
def test_no_look_shows_a_customer_or_runs_a_script_or_is_long() -> None:
    for name, thing in things().items():
        html = thing._repr_html_()
        assert html.startswith("<"), name
        assert "CANARY" not in html, name
        assert "<script" not in html, name
        assert 20 < len(html) < 40_000, (name, len(html))
    assert "call &lt;b&gt;" in things()["catalog"]._repr_html_()
