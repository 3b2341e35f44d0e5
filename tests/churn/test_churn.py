"""Churn: the probability is true, the reasons add up, bad tables are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import check_estimator

from crmintel import InteractionLog, Policies
from crmintel import features as f
from crmintel.churn import ChurnClassifier, reasons
from crmintel.datasets import simulate
from crmintel.errors import DataContractError
from crmintel.evaluation import auc, calibration_error
from crmintel.features import FeatureSet

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")


def table(n: int = 3000, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Customers whose true log-odds of leaving are known."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"), index=pd.Index(range(n), name="customer_id"))
    X.loc[rng.random(n) < 0.1, "c"] = np.nan
    truth = expit(X["a"] * 1.5 - X["b"].clip(lower=0) - 0.5)
    return X, rng.random(n) < truth


@pytest.fixture(scope="module")
def fitted(world: tuple[FeatureSet, pd.DataFrame, pd.Series]) -> ChurnClassifier:
    return ChurnClassifier().fit(world[1], world[2].to_numpy())


@pytest.fixture(scope="module")
def world() -> tuple[FeatureSet, pd.DataFrame, pd.Series]:
    log = simulate(1200, days=500, seed=1).log()
    at = f.monthly("2023-07-01", "2023-12-01")
    fs = f.standard(log, at=at[0])
    X = fs.build(log, at=at)
    return fs, X, f.churned(log, X.index, "60d")


def test_the_probabilities_are_true_on_customers_never_seen() -> None:
    X, y = table()
    new, later = table(20_000, seed=9)
    p = ChurnClassifier().fit(X, y).predict_proba(new)[:, 1]
    assert calibration_error(later, p) < 0.025
    assert auc(later, p) > 0.78


def test_shuffled_rows_give_the_same_bits() -> None:
    X, y = table(800)
    order = np.random.default_rng(4).permutation(len(X))
    straight, mixed = ChurnClassifier().fit(X, y), ChurnClassifier().fit(X.iloc[order], y[order])
    assert straight.predict_proba(X).tobytes() == mixed.predict_proba(X).tobytes()


def test_threads_change_no_bit() -> None:
    X, y = table(800)
    one, two = (ChurnClassifier(threads=n).fit(X, y).predict_proba(X) for n in (1, 2))
    assert one.tobytes() == two.tobytes()


def test_row_117_one_customer_scores_as_in_the_batch() -> None:
    X, y = table(800)
    model = ChurnClassifier().fit(X, y)
    batch = model.predict_proba(X)[:50]
    alone = np.vstack([model.predict_proba(X.iloc[[i]]) for i in range(50)])
    assert batch.tobytes() == alone.tobytes()


def test_row_9_columns_are_put_into_order_by_name() -> None:
    X, y = table(800)
    model = ChurnClassifier().fit(X, y)
    assert model.predict_proba(X[["d", "b", "a", "c"]]).tobytes() == model.predict_proba(X).tobytes()


def test_the_instants_of_one_customer_stay_in_one_fold(world: tuple[FeatureSet, pd.DataFrame, pd.Series]) -> None:
    from crmintel.churn.classifier import _customers, _folds

    _, X, y = world
    groups = _customers(X)
    assert groups is not None
    folds = pd.Series(_folds(groups, y.to_numpy().astype(int), 0), index=X.index)
    assert (folds.groupby(level="customer_id").nunique() == 1).all()


def refused(change: Callable[[pd.DataFrame, Any], tuple[pd.DataFrame, Any]]) -> str:
    X, y = table(300)
    with pytest.raises(DataContractError) as caught:
        ChurnClassifier().fit(*change(X, y))
    return str(caught.value)


def test_row_94_constant_label_names_the_counts() -> None:
    assert "with 300 rows" in refused(lambda X, y: (X, np.ones(300, bool)))


def test_row_64_infinity_is_refused_at_fit_and_at_predict() -> None:
    X, y = table(300)
    broken = X.copy()
    broken.iloc[3, 1] = np.inf
    assert "Columns with infinity: b" in refused(lambda X, y: (broken, y))
    with pytest.raises(DataContractError, match="infinity"):
        ChurnClassifier().fit(X, y).predict_proba(broken)


def test_row_12_no_feature_is_refused() -> None:
    assert "no feature" in refused(lambda X, y: (X[[]], y))


def test_row_112_text_columns_are_named() -> None:
    assert "Columns that are not numbers: b" in refused(lambda X, y: (X.assign(b="yes"), y))


def test_row_111_missing_features_are_all_named() -> None:
    X, y = table(300)
    with pytest.raises(DataContractError, match="Missing features: a, d"):
        ChurnClassifier().fit(X, y).predict_proba(X[["b", "c"]])


def test_row_110_predict_before_fit() -> None:
    with pytest.raises(NotFittedError):
        ChurnClassifier().predict_proba(table(10)[0])


def test_row_13_one_row_cannot_be_learned_from() -> None:
    with pytest.raises(ValueError, match="minimum of 2"):
        ChurnClassifier().fit(table(1)[0], [True])


def test_another_learner_can_be_passed_in() -> None:
    X, y = table(1000)
    model = ChurnClassifier(LogisticRegression(max_iter=500)).fit(X.fillna(0), y)
    assert auc(y, model.predict_proba(X.fillna(0))[:, 1]) > 0.75


def test_reasons_add_up_to_the_log_odds(
    world: tuple[FeatureSet, pd.DataFrame, pd.Series], fitted: ChurnClassifier
) -> None:
    (fs, X, _), model = world, fitted
    told = reasons(model, X, fs)
    assert np.abs(told.contributions.sum(axis=1) + told.base - model.decision_function(X)).max() < 1e-10


def test_reasons_are_sentences_of_the_customer_and_the_strongest_comes_first(
    world: tuple[FeatureSet, pd.DataFrame, pd.Series], fitted: ChurnClassifier
) -> None:
    (fs, X, _), model = world, fitted
    riskiest = X.iloc[[int(np.argmax(model.decision_function(X)))]]
    told = reasons(model, riskiest, fs)
    assert told.themes.iloc[0, 0] == told.contributions.iloc[0].idxmax()
    recency = riskiest["recency_days_purchase"].iloc[0]
    assert any(f"last purchase {recency:.0f} days ago" in s for s in told.sentences.iloc[0])


def test_a_theme_that_speaks_against_leaving_is_no_reason(
    world: tuple[FeatureSet, pd.DataFrame, pd.Series], fitted: ChurnClassifier
) -> None:
    (fs, X, _), model = world, fitted
    told = reasons(model, X, fs, k=20)
    for column in told.themes.columns:
        said = told.themes[column][told.themes[column] != ""]
        strength = told.contributions.to_numpy()[
            told.contributions.index.get_indexer(said.index), told.contributions.columns.get_indexer(said)
        ]
        assert (strength > 0).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_check_estimator() -> None:
    expected = {
        "check_dataframe_column_names_consistency": "shuffled columns are put into order instead of refused (BAD_INPUTS row 9)",
    }
    check_estimator(ChurnClassifier(threads=1), expected_failed_checks=expected)


@pytest.mark.slow
def test_online_retail_beats_recency_and_past_orders_by_a_margin(data: Path) -> None:
    log = InteractionLog.read(
        data / "online_retail" / "interactions.parquet", policies=Policies(on_missing="drop"), timezone="Europe/London"
    )
    train = f.monthly("2011-03-01", "2011-06-01")
    fs = f.standard(log, at=train[0])
    X, later = fs.build(log, at=train), fs.build(log, at=["2011-09-01"])
    y, left = (f.churned(log, t.index, "90d").to_numpy() for t in (X, later))
    score = auc(left, ChurnClassifier().fit(X, y).predict_proba(later)[:, 1])
    assert score > auc(left, later["recency_days_purchase"].fillna(1e3)) + 0.04
    assert score > auc(left, -later["orders_all"]) + 0.015
