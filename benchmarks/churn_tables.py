"""Tables of customers with a label, as published, and cross-validated probabilities of several contenders on the same folds."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import t as student
from sklearn.model_selection import StratifiedKFold

from benchmarks.measure import DATA, environment, run
from crmintel.churn import MIDDLE, SMALL, ChurnClassifier, SplineLogistic
from crmintel.churn.recipes import Data, Recipe
from crmintel.churn.table import Schema
from crmintel.evaluation import auc, brier

CATBOOST = ("catboost==1.2.10", "pandas", "pyarrow")
Float = np.ndarray
Table = tuple[pd.DataFrame, Float]


def telco() -> Table:
    """IBM Telco: total charges as numbers, blanks (tenure 0) as 0; no identifier."""
    X = pd.read_parquet(DATA / "telco_ibm" / "telco.parquet").drop(columns="customerID")
    y = (X.pop("Churn") == "Yes").to_numpy(np.int64)
    X["TotalCharges"] = pd.to_numeric(X["TotalCharges"], errors="coerce").fillna(0.0)
    return X.assign(SeniorCitizen=X["SeniorCitizen"].astype("str")), y


def bank_churn() -> Table:
    """Bank churn without row number, identifier and surname."""
    X = pd.read_parquet(DATA / "bank_churn" / "bank_churn.parquet")
    y = X.pop("Exited").to_numpy(np.int64)
    X = X.drop(columns=["RowNumber", "CustomerId", "Surname"])
    return X.assign(**{c: X[c].astype("str") for c in ("HasCrCard", "IsActiveMember")}), y


def bank_marketing() -> Table:
    """Portuguese bank calls, 41,188 rows, without the duration of the call."""
    X = pd.read_parquet(DATA / "bank_marketing" / "bank_additional_full.parquet").drop(columns="duration")
    return X, (X.pop("y") == "yes").to_numpy(np.int64)


def online_shoppers() -> Table:
    """Sessions of a shop, and whether they ended in a purchase."""
    X = pd.read_parquet(DATA / "online_shoppers_intention" / "purchase_intention.parquet")
    return X, (X.pop("revenue") == "yes").to_numpy(np.int64)


def caravan() -> Table:
    """Who bought an insurance of a caravan."""
    X = pd.read_parquet(DATA / "caravan_coil2000" / "caravan.parquet")
    return X, (X.pop("Purchase") == "Yes").to_numpy(np.int64)


def information() -> Table:
    """Marketing responses (`PURCHASE`) of the R package Information, training part."""
    X = pd.read_parquet(DATA / "information_uplift" / "train.parquet")
    y = X.pop("PURCHASE").to_numpy(np.int64)
    return X.drop(columns=[c for c in X if "unique" in c.lower() or c.lower() in ("id", "treatment")]), y


TABLES: Mapping[str, Callable[[], Table]] = {
    "telco_ibm": telco, "bank_churn": bank_churn, "bank_marketing": bank_marketing,
    "online_shoppers": online_shoppers, "caravan": caravan, "information_uplift": information,
}  # fmt: skip


def cut(y: Float, repeats: int, seed: int, n: int = 5) -> Float:
    """The fold of each row, shape (n_rows, repeats), stratified by label."""
    out = np.empty((len(y), repeats), np.int64)
    for r in range(repeats):
        for fold, (_, rows) in enumerate(StratifiedKFold(n, shuffle=True, random_state=seed + r).split(y, y)):
            out[rows, r] = fold
    return out


def predicted(fit: Callable[[pd.DataFrame, Float], Any], X: pd.DataFrame, y: Float, folds: Float) -> Float:
    """Probabilities of the rows that each fold left out, shape (n_rows, repeats)."""
    out = np.empty(folds.shape)
    for r in range(folds.shape[1]):
        for fold in np.unique(folds[:, r]):
            inside = folds[:, r] != fold
            out[~inside, r] = fit(X[inside], y[inside]).predict_proba(X[~inside])[:, 1]
    return out


class Alone:
    """One learner of the stack by itself, without anything of ours around it."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def __call__(self, X: pd.DataFrame, y: Float) -> "Alone":
        self.schema = Schema.learn(X)
        self.model = self.recipe.fit(Data(self.schema.read(X)), y, np.arange(len(X)))
        return self

    def predict_proba(self, X: pd.DataFrame) -> Float:
        p = expit(self.model.log_odds(self.schema.read(X)))
        return np.column_stack([1 - p, p])


class Default:
    """LightGBM as its documentation has you begin: defaults, categories as pandas knows them."""

    def __call__(self, X: pd.DataFrame, y: Float) -> "Default":
        self.kinds = {
            c: pd.CategoricalDtype(sorted(X[c].dropna().unique())) for c in X if X[c].dtype.kind not in "iufb"
        }
        self.model = lgb.LGBMClassifier(n_jobs=2, verbose=-1, random_state=0).fit(X.astype(self.kinds), y)
        return self

    def predict_proba(self, X: pd.DataFrame) -> Float:
        return np.asarray(self.model.predict_proba(X.astype(self.kinds)))


def ours(X: pd.DataFrame, y: Float) -> ChurnClassifier:
    """The default."""
    return ChurnClassifier().fit(X, y)


def contenders(X: pd.DataFrame, y: Float, folds: Float) -> dict[str, Float]:
    """Probabilities of ours and of every contender, on the same folds; CatBoost only where it can be installed."""
    made = {"ours": ours, "LightGBM default": Default(), "small trees": Alone(SMALL), "middle trees": Alone(MIDDLE),
            "spline-logistic": Alone(SplineLogistic(C=0.3)), "spline-logistic, penalty chosen": Alone(SplineLogistic())}  # fmt: skip
    out = {name: predicted(fit, X, y, folds) for name, fit in made.items()}
    if (python := environment("catboost", CATBOOST)) is not None:
        with tempfile.TemporaryDirectory() as folder:
            path, told = Path(folder) / "table.parquet", Path(folder) / "told.npy"
            X.assign(_y=y, **{f"_fold{r}": folds[:, r] for r in range(folds.shape[1])}).to_parquet(path)
            run(["-m", "benchmarks.opponents.churn_catboost", str(path), str(told)], python=python)
            out["CatBoost"] = np.load(told)
    return out


def by_fold(figure: Callable[[Float, Float], float], y: Float, p: Float, folds: Float) -> Float:
    """A figure of each fold of each repeat, shape (folds × repeats,)."""
    return np.array([figure(y[folds[:, r] == f], p[folds[:, r] == f, r]) for r in range(folds.shape[1]) for f in np.unique(folds[:, r])])  # fmt: skip


def worse(gain: Float) -> float:
    """Two-sided p of a mean gain over five-fold splits being zero (corrected resampled t test, Nadeau and Bengio 2003)."""
    n, spread = len(gain), gain.var(ddof=1)
    if spread == 0:
        return 1.0
    return float(2 * student.sf(abs(gain.mean()) / np.sqrt((1 / n + 1 / 4) * spread), n - 1))


FIGURES: Mapping[str, tuple[Callable[[Float, Float], float], int]] = {"AUC": (auc, 1), "Brier": (brier, -1)}
