"""The churn classifier: the probability is true, the same whatever the order, and bad tables are refused."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import check_estimator

from crmintel import InteractionLog, Policies
from crmintel import features as f
from crmintel.churn import LIGHT, STACK, ChurnClassifier, SplineLogistic, Trees, churn_report, reasons
from crmintel.churn.folds import by_time, closed_by, folds, instants_of, told
from crmintel.churn.recipes import Data
from crmintel.churn.stack import Calibration, calibrated, chosen, learned
from crmintel.churn.table import MOST_LEVELS, Schema, by_content
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError, LeakageError
from crmintel.evaluation import auc, brier, calibration_error, leak_check
from tests.churn.conftest import customers

FEW = (SplineLogistic(), Trees("few trees", 30, leaves=7))


def model(**options: Any) -> ChurnClassifier:
    """A classifier that is learned in a moment."""
    return ChurnClassifier(FEW, folds=3, **options)


@pytest.fixture(scope="module")
def fitted() -> ChurnClassifier:
    return model().fit(*customers())


# the probability


@pytest.mark.slow
def test_the_probabilities_of_the_default_are_true_on_customers_never_seen() -> None:
    X, y = customers(3_000)
    new, later = customers(20_000, seed=9)
    found = ChurnClassifier().fit(X, y)
    p = found.predict_proba(new)[:, 1]
    assert calibration_error(later, p) < 0.02
    assert auc(later, p) > 0.82
    assert list(found.weights_.index) == [r.name for r in STACK]
    assert (found.weights_ >= 0).all()


def test_the_stack_is_better_than_each_of_its_learners_alone() -> None:
    X, y = customers()
    new, later = customers(20_000, seed=9)
    both = brier(later, model().fit(X, y).predict_proba(new)[:, 1])
    for one in FEW:
        assert both < brier(later, ChurnClassifier(one, folds=3).fit(X, y).predict_proba(new)[:, 1]) + 5e-4


def test_weights_find_the_learner_that_is_right() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, 20_000)
    z = np.column_stack([true, rng.normal(0, 2, 20_000)])
    y = (rng.random(20_000) < expit(0.7 * true - 0.5)).astype(np.int64)
    found = learned(z, y)
    assert found.weights == pytest.approx([0.7, 0.0], abs=0.03)
    assert found.constant == pytest.approx(-0.5, abs=0.05)


def test_no_weight_is_negative() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(0, 1, (5_000, 2))
    y = (rng.random(5_000) < expit(z @ [1.0, -0.5])).astype(np.int64)
    assert learned(z, y).weights[1] == 0.0


def test_with_groups_each_has_a_constant_of_its_own() -> None:
    rng = np.random.default_rng(0)
    group, z = np.repeat([0, 1], 20_000), rng.normal(0, 1, (40_000, 1))
    y = (rng.random(40_000) < expit(z[:, 0] + np.where(group == 1, 1.5, -0.5))).astype(np.int64)
    found = learned(z, y, groups=group)
    assert found.weights[0] == pytest.approx(1.0, abs=0.05)
    assert found.constant == pytest.approx(0.5, abs=0.05)


def test_weights_are_where_the_slope_of_the_loss_is_nothing() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(size=(2_000, 2))
    y = (rng.random(2_000) < expit(z @ [0.6, 0.9] + 0.2)).astype(np.int64)
    found = learned(z, y, penalty=0.1)
    gap = expit(found(z)) - y
    slope = z.T @ gap / len(y) + 0.2 * (found.weights - 0.5)
    assert np.abs(slope).max() < 1e-6
    assert abs(gap.mean()) < 1e-6


def test_row_96_few_leavers_get_equal_weights_and_no_further_step() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(3_000, 2)), np.zeros(3_000, np.int64)
    y[:40] = 1
    assert learned(z, y).weights.tolist() == [0.5, 0.5]
    assert expit(learned(z, y)(z)).mean() == pytest.approx(y.mean(), rel=1e-6)
    assert chosen(z, y, np.arange(3_000) % 3)[0].kind == "none"


def test_a_further_step_is_taken_where_it_helps_and_only_there() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, (20_000, 1))
    straight = (rng.random(20_000) < expit(z[:, 0])).astype(np.int64)
    bent = (rng.random(20_000) < np.where(z[:, 0] > 1, 0.9, 0.1)).astype(np.int64)
    part = np.arange(20_000) % 5
    assert chosen(z, straight, part)[0].kind == "none"
    step, scores = chosen(z, bent, part)
    assert step.kind == "isotonic"
    assert scores["isotonic"] < scores["none"]


@pytest.mark.parametrize("kind", ["none", "sigmoid", "isotonic"])
def test_every_step_keeps_the_order(kind: Any) -> None:
    rng = np.random.default_rng(0)
    s = np.sort(rng.normal(size=2_000))
    step = calibrated(kind, s, (rng.random(2_000) < expit(2 * s)).astype(np.int64))
    told = step(s)
    assert (np.diff(told) >= 0).all()
    assert np.isfinite(told).all()
    assert isinstance(step, Calibration)


def test_the_summary_says_what_each_learner_is_worth(fitted: ChurnClassifier) -> None:
    assert list(fitted.summary_.index) == ["spline-logistic", "few trees", "stack"]
    assert fitted.summary_["log_loss"].idxmin() == "stack"
    assert "further calibration" in fitted._repr_html_()


# learners


def test_the_spline_learner_is_the_same_as_scikit_learns_pipeline() -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler

    X, y = customers(900)
    X = X.drop(columns="c")
    splines = make_pipeline(SplineTransformer(n_knots=8, degree=3), StandardScaler())
    peer = make_pipeline(
        make_column_transformer((splines, ["a", "b"]), (OneHotEncoder(), ["plan"])),
        LogisticRegression(C=0.3, max_iter=3_000, tol=1e-10),
    ).fit(X, y)
    schema = Schema.learn(X)
    table = schema.read(X)
    ours = SplineLogistic(C=0.3).fit(Data(table), y.astype(np.int64), np.arange(len(X)))
    assert ours.log_odds(table) == pytest.approx(peer.decision_function(X), abs=1e-4)


@pytest.mark.parametrize("recipe", FEW, ids=lambda r: r.name)
def test_contributions_add_up_to_the_log_odds(recipe: Any) -> None:
    X, y = customers(600)
    table = Schema.learn(X).read(X)
    found = recipe.fit(Data(table), y.astype(np.int64), np.arange(len(X)))
    assert np.abs(found.contributions(table).sum(axis=1) - found.log_odds(table)).max() < 1e-12


@pytest.mark.parametrize("recipe", FEW, ids=lambda r: r.name)
def test_rows_count_by_their_weight(recipe: Any) -> None:
    X, y = customers(600)
    data, rows = Data(Schema.learn(X).read(X)), np.arange(600)
    left = y.astype(np.int64)
    plain = recipe.fit(data, left, rows).log_odds(data.table).mean()
    heavy = recipe.fit(data, left, rows, weight=np.where(y, 4.0, 1.0)).log_odds(data.table).mean()
    assert heavy > plain + 0.7


def test_a_hole_has_a_weight_of_its_own() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=4_000)})
    hole = rng.random(4_000) < 0.3
    X.loc[hole, "a"] = np.nan
    y = (rng.random(4_000) < np.where(hole, 0.8, 0.2)).astype(np.int64)
    table = Schema.learn(X).read(X)
    p = expit(SplineLogistic().fit(Data(table), y, np.arange(4_000)).log_odds(table))
    assert p[hole].mean() == pytest.approx(0.8, abs=0.03)
    assert p[~hole].mean() == pytest.approx(0.2, abs=0.03)


def test_beyond_what_was_seen_a_curve_stays_where_it_was() -> None:
    X, y = customers(600)
    table = Schema.learn(X).read(X)
    found = SplineLogistic().fit(Data(table), y.astype(np.int64), np.arange(len(X)))
    far = X.iloc[[0, 0]].assign(a=[X["a"].max(), 1e9])
    told = found.log_odds(table.schema.read(far))
    assert told[0] == told[1]


def test_another_learner_can_be_passed_in() -> None:
    X, y = customers(1_000)
    numbers = X.drop(columns="plan").fillna(0)
    found = ChurnClassifier(LogisticRegression(max_iter=500), folds=3).fit(numbers, y)
    assert auc(y, found.predict_proba(numbers)[:, 1]) > 0.75
    assert found.weights_.index.tolist() == ["LogisticRegression"]


def test_what_is_no_learner_is_named() -> None:
    with pytest.raises(DataContractError, match="learners holds str"):
        ChurnClassifier(["lgbm"]).fit(*customers(300))


def test_settings_are_tried_within_the_budget_and_the_best_one_joins() -> None:
    X, y = customers(600)
    found = ChurnClassifier(FEW, folds=2, tune=3).fit(X, y)
    assert len(found.tuning_) == 3
    assert found.tuning_["log_loss"].is_monotonic_increasing
    assert found.weights_.index[-1] == "tuned trees"


# the same whatever the order


def test_row_117_shuffled_rows_give_the_same_bits(fitted: ChurnClassifier) -> None:
    X, y = customers()
    order = np.random.default_rng(4).permutation(len(X))
    assert model().fit(X.iloc[order], y[order]).predict_proba(X).tobytes() == fitted.predict_proba(X).tobytes()


def test_row_117_threads_change_no_bit(fitted: ChurnClassifier) -> None:
    X, y = customers()
    assert model(threads=1).fit(X, y).predict_proba(X).tobytes() == fitted.predict_proba(X).tobytes()


def test_row_117_one_customer_scores_as_in_the_batch(fitted: ChurnClassifier) -> None:
    X, _ = customers()
    alone = np.vstack([fitted.predict_proba(X.iloc[[i]]) for i in range(20)])
    assert fitted.predict_proba(X)[:20].tobytes() == alone.tobytes()


def test_another_seed_gives_another_model(fitted: ChurnClassifier) -> None:
    X, y = customers()
    assert model(random_state=1).fit(X, y).weights_.tolist() != fitted.weights_.tolist()


def test_a_pickled_copy_gives_the_same_bits(fitted: ChurnClassifier) -> None:
    X, _ = customers()
    copy = pickle.loads(pickle.dumps(fitted))
    assert copy.predict_proba(X).tobytes() == fitted.predict_proba(X).tobytes()


def test_row_18_nullable_and_arrow_columns_give_the_same_bits(fitted: ChurnClassifier) -> None:
    X, y = customers()
    other = X.astype({"a": "Float64", "c": "float64[pyarrow]", "plan": "category"})
    assert model().fit(other, y).predict_proba(other).tobytes() == fitted.predict_proba(X).tobytes()


def test_the_order_of_content_does_not_know_zero_from_minus_zero() -> None:
    X = pd.DataFrame({"a": [0.0, 1.0, np.nan], "k": ["x", None, "z"]})
    schema = Schema.learn(X)
    assert by_content(X, schema).tolist() == by_content(X.assign(a=[-0.0, 1.0, -np.nan]), schema).tolist()


def test_inputs_are_left_as_they_were() -> None:
    X, y = customers(300)
    before, label = X.copy(), y.copy()
    model().fit(X, y).predict_proba(X)
    pd.testing.assert_frame_equal(X, before)
    assert (y == label).all()


# folds


def test_folds_keep_customers_whole_and_learn_from_earlier_instants(world: Any) -> None:
    _, X, y = world
    who = pd.factorize(X.index.get_level_values("customer_id"))[0]
    when = pd.factorize(X.index.get_level_values("at"), sort=True)[0]
    split = folds(y.to_numpy().astype(np.int64), who, when, 5, 0)
    assert len(split) == 5
    seen = []
    for inside, outside in split:
        assert not set(who[inside]) & set(who[outside])
        assert when[inside].max() < when[outside].min()
        seen += outside.tolist()
    assert len(set(seen)) == len(seen)
    assert set(when[seen]) == {3, 4, 5}


def test_folds_without_customers_hold_the_rate_and_every_row() -> None:
    y = (np.arange(1_000) % 10 == 0).astype(np.int64)
    split = folds(y, None, None, 5, 0)
    assert sorted(np.concatenate([o for _, o in split]).tolist()) == list(range(1_000))
    assert all(y[o].sum() == 20 for _, o in split)


@pytest.mark.parametrize(("rows", "expected"), [(500, 5), (20_001, 3), (200_001, 1)])
def test_more_rows_need_fewer_folds(rows: int, expected: int) -> None:
    assert len(folds((np.arange(rows) % 3 == 0).astype(np.int64), None, None, None, 0)) == expected


def test_row_101_a_random_split_says_so(fitted: ChurnClassifier) -> None:
    X, y = customers(300)
    assert fitted.split_ == "by customer"
    assert "split by customer" in fitted._repr_html_()
    assert ChurnClassifier(FEW[1:], folds=2).fit(X.reset_index(drop=True), y).split_ == "at random"
    months = pd.to_datetime(["2024-01-01", "2024-02-01"])
    X.index = pd.MultiIndex.from_arrays([np.arange(300), months[np.arange(300) % 2]], names=["customer_id", "at"])
    assert ChurnClassifier(FEW[1:], folds=2).fit(X, y).split_ == "by time and customer"


def test_row_116_scoring_in_chunks_gives_the_same_bits(fitted: ChurnClassifier) -> None:
    X, _ = customers()
    parts = [fitted.scores(X.iloc[i : i + 317]) for i in range(0, len(X), 317)]
    whole = fitted.scores(X)
    assert pd.concat(parts).to_numpy(float).tobytes() == whole.to_numpy(float).tobytes()


def test_customers_leaving_more_often_at_the_later_instants_is_said() -> None:
    X, y = customers(4_000)
    at = np.where(np.arange(4_000) % 2, "2024-01-01", "2024-06-01")
    X.index = pd.MultiIndex.from_arrays([np.arange(4_000), pd.to_datetime(at)], names=["customer_id", "at"])
    later = y | ((np.arange(4_000) % 2 == 0) & (np.random.default_rng(0).random(4_000) < 0.6))
    with pytest.warns(DataContractWarning, match="At the later instants customers leave more often"):
        ChurnClassifier(FEW[:1], folds=2).fit(X, later)


# bad input


def refused(change: Callable[[pd.DataFrame, Any], tuple[Any, Any]], error: type[Exception] = DataContractError) -> str:
    with pytest.raises(error) as caught:
        model().fit(*change(*customers(300)))
    return str(caught.value)


@pytest.mark.parametrize("label", [0, 1])
def test_row_94_constant_label_names_the_counts(label: int) -> None:
    assert "1 class only, with 300 rows" in refused(lambda X, y: (X, np.full(300, label)))


def test_row_95_holes_in_the_label_are_counted() -> None:
    def broken(X: pd.DataFrame, y: Any) -> Any:
        label = pd.Series(y.astype(float))
        label[:7] = np.nan
        return X, label

    assert "missing (NaN) for 7 of 300 rows" in refused(broken)


def test_row_95_three_kinds_of_label_are_counted() -> None:
    assert "3 classes, with 100, 100, 100 rows" in refused(lambda X, y: (X, np.arange(300) % 3))


def test_row_95_text_and_odd_numbers_need_positive() -> None:
    assert "Say which one left" in refused(lambda X, y: (X, np.where(y, "yes", "no")))
    assert "Say which one left" in refused(lambda X, y: (X, pd.Series(np.where(y, 2, 1))))
    assert "Say which one left" in refused(lambda X, y: (X, pd.Series(np.where(y, 0.5, 0.0))))
    X, y = customers(300)
    found = model(positive="yes").fit(X, np.where(y, "yes", "no"))
    assert found.classes_.tolist() == ["no", "yes"]
    assert found.predict_proba(X).tobytes() == model().fit(X, y).predict_proba(X).tobytes()
    flipped = model(positive="no").fit(X, np.where(y, "yes", "no"))
    assert flipped.classes_.tolist() == ["yes", "no"]
    assert flipped.predict_proba(X)[:, 0] == pytest.approx(found.predict_proba(X)[:, 1], abs=0.2)


def test_row_95_a_positive_that_does_not_occur_is_refused() -> None:
    with pytest.raises(DataContractError, match="none of the two"):
        model(positive="gone").fit(customers(300)[0], np.where(customers(300)[1], "yes", "no"))


def test_row_97_the_guard_stops_a_leak_at_fit_and_lets_it_pass_by_name() -> None:
    X, y = customers(300)
    leak = X.assign(closed=y.astype(float) + np.random.default_rng(0).normal(0, 0.01, 300))
    with pytest.raises(LeakageError, match=r"'closed' tells the label.*\n.*allow=\['closed'\]"):
        model().fit(leak, y)
    assert model(allow=["closed"]).fit(leak, y).score(leak, y) > 0.99


def test_row_98_an_identifier_is_refused() -> None:
    text = refused(lambda X, y: (X.assign(ref=[f"C{i:06d}" for i in range(300)]), y), LeakageError)
    assert "'ref' names each customer" in text
    assert "C000" not in text


def test_row_64_infinity_is_refused_at_fit_and_at_predict(fitted: ChurnClassifier) -> None:
    broken = customers(300)[0]
    broken.iloc[3, 1] = np.inf
    assert "Columns with infinity: b" in refused(lambda X, y: (broken, y))
    with pytest.raises(DataContractError, match="infinity: b"):
        fitted.predict_proba(broken)


def test_row_12_no_feature_is_refused() -> None:
    assert "no feature" in refused(lambda X, y: (X[[]], y))


def test_row_3_and_5_names_of_columns_are_text_and_differ() -> None:
    assert "one name: a" in refused(lambda X, y: (X[["a", "a"]], y))
    assert "no text: 0" in refused(lambda X, y: (X[["a", "b"]].set_axis([0, "b"], axis=1), y))


def test_row_97_columns_of_times_are_refused_and_late_ones_are_leaks() -> None:
    stamp = pd.Timestamp("2024-05-01")
    assert "Columns of times: seen" in refused(lambda X, y: (X.assign(seen=stamp), y), DataTypeError)

    def late(X: pd.DataFrame, y: Any) -> Any:
        index = pd.MultiIndex.from_product([X.index, [pd.Timestamp("2024-04-01")]], names=["customer_id", "at"])
        return X.assign(seen=stamp).set_axis(index), y

    assert "'seen' holds times at or after the instant" in refused(late, LeakageError)


def test_row_13_one_row_cannot_be_learned_from() -> None:
    X, y = customers(1)
    with pytest.raises(DataContractError, match="1 class only"):
        model().fit(X, y)


def test_labels_and_rows_must_be_as_many() -> None:
    assert "y has 299 labels for 300 rows" in refused(lambda X, y: (X, pd.Series(y[:-1])))


def test_row_110_predict_before_fit() -> None:
    with pytest.raises(NotFittedError):
        ChurnClassifier().predict_proba(customers(10)[0])


def test_row_111_missing_features_are_all_named_with_the_nearest(fitted: ChurnClassifier) -> None:
    X = customers(50)[0].rename(columns={"plan": "Plan"})
    with pytest.raises(DataContractError, match=r"Missing features: b, plan \(there is Plan\)"):
        fitted.predict_proba(X.drop(columns="b"))


def test_row_112_a_changed_kind_of_column_is_named_without_values(fitted: ChurnClassifier) -> None:
    with pytest.raises(DataTypeError, match="a held numbers and is now str") as caught:
        fitted.predict_proba(customers(50)[0].assign(a="secret"))
    assert "secret" not in str(caught.value)
    with pytest.raises(DataTypeError, match="plan held categories and is now int64"):
        fitted.predict_proba(customers(50)[0].assign(plan=1))


def test_row_113_unseen_values_count_as_missing_and_are_counted(fitted: ChurnClassifier) -> None:
    X = customers(50)[0]
    odd, hole = X.copy(), X.copy()
    odd.loc[odd.index[:3], "plan"] = "brand new"
    hole.loc[hole.index[:3], "plan"] = None
    with pytest.warns(DataContractWarning, match=r"plan \(3 of 50 rows\)") as caught:
        told = fitted.predict_proba(odd)
    assert "brand new" not in str(caught[0].message)
    assert told.tobytes() == fitted.predict_proba(hole).tobytes()


def test_row_114_rows_of_which_nothing_is_known_are_scored_flagged_and_counted(fitted: ChurnClassifier) -> None:
    X = customers(50)[0].astype({"plan": object})
    X.iloc[:4] = np.nan
    X.iloc[4, :3] = np.nan
    X.iloc[5:, 2] = 0.0
    with pytest.warns(DataContractWarning, match="4 of 50 rows nothing is known"):
        told = fitted.scores(X)
    assert told["low_information"].tolist() == [True] * 5 + [False] * 45
    assert told["known"].tolist() == [0.0] * 4 + [0.25] + [1.0] * 45
    assert told["churn_probability"].between(0, 1).all()


def test_row_9_columns_are_found_by_name(fitted: ChurnClassifier) -> None:
    X = customers(50)[0]
    assert fitted.predict_proba(X[["plan", "c", "a", "b"]]).tobytes() == fitted.predict_proba(X).tobytes()


def test_row_8_further_columns_are_ignored(fitted: ChurnClassifier) -> None:
    X = customers(50)[0]
    assert fitted.predict_proba(X.assign(more="x")).tobytes() == fitted.predict_proba(X).tobytes()


def test_row_11_an_empty_table_gives_an_empty_answer(fitted: ChurnClassifier) -> None:
    assert fitted.predict_proba(customers(10)[0].iloc[:0]).shape == (0, 2)


def test_of_many_values_the_most_frequent_are_told_apart() -> None:
    text = pd.DataFrame({"town": [f"t{i % 150:03d}" for i in range(1_000)]})
    levels = Schema.learn(text).levels["town"]
    assert len(levels) == MOST_LEVELS
    assert levels[0] == "t000"
    assert "t149" not in levels


@pytest.mark.parametrize("thing", [None, [{"a": 1}], "table.parquet", pd.Series([1.0])])
def test_row_17_what_is_no_table_is_named(thing: Any) -> None:
    with pytest.raises(DataTypeError, match="cannot be a"):
        model().fit(thing, [0, 1])


def test_tables_of_polars_are_taken() -> None:
    import polars as pl

    X, y = customers(300)
    found, table = model().fit(pl.from_pandas(X), pl.Series(y)), pl.from_pandas(X)
    assert found.predict_proba(table).shape == (300, 2)
    assert found.scores(table)["churn_probability"].tolist() == found.predict_proba(X)[:, 1].tolist()
    assert len(reasons(found, table, k=1).sentences) == 300
    assert leak_check(table, pl.Series(y)).suspects == []
    p = pl.Series(found.predict_proba(X)[:, 1])
    assert churn_report(table, pl.Series(y), p, train=(table, y), n=10).overall.n == 300


@pytest.mark.slow
def test_labels_in_another_order_find_their_rows_and_others_are_refused(fitted: ChurnClassifier) -> None:
    X, y = customers()
    label = pd.Series(y, index=X.index)
    X.index = label.index = pd.Index([f"c{i}" for i in range(len(X))])
    X.index.name = label.index.name = "customer_id"
    straight = model().fit(X, label)
    assert (
        model().fit(X, label.sample(frac=1, random_state=0)).predict_proba(X).tobytes()
        == straight.predict_proba(X).tobytes()
    )
    assert (
        model().fit(X, label.to_frame("left")[::-1]).predict_proba(X).tobytes() == straight.predict_proba(X).tobytes()
    )
    with pytest.raises(DataContractError, match="y has another index"):
        model().fit(X, label.rename(lambda c: c + "x"))


@pytest.mark.slow
def test_few_leavers_at_the_later_instants_do_not_make_the_stack_a_constant() -> None:
    rng = np.random.default_rng(11)
    X = pd.DataFrame(rng.normal(size=(2_100, 20)), columns=[f"f{i}" for i in range(20)])
    y = rng.random(2_100) < expit(0.5 * X["f0"] - 2.5)
    months = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"])
    X.index = pd.MultiIndex.from_arrays(
        [np.arange(2_100) // 3, months[np.arange(2_100) % 3]], names=["customer_id", "at"]
    )
    found = ChurnClassifier(FEW, folds=3).fit(X, y.to_numpy())
    assert found.weights_.sum() > 0.3
    assert auc(y, found.predict_proba(X)[:, 1]) > 0.6


def test_folds_learn_only_from_instants_whose_labels_were_known() -> None:
    when = np.repeat(np.arange(6), 50)
    y, who = np.arange(300) % 2, np.arange(300)
    closed = np.array([0, 0, 0, 1, 2, 3])  # labels are known three instants later
    for inside, outside in folds(y, who, when, 5, 0, closed=closed):
        assert when[inside].max() + 3 <= when[outside].min()


def test_where_no_earlier_labels_are_known_folds_are_of_customers() -> None:
    when, y, who = np.repeat(np.arange(3), 100), np.arange(300) % 2, np.arange(300) % 100
    split = folds(y, who, when, 4, 0, closed=np.zeros(3, np.int64))
    assert len(split) == 4
    assert all(not set(who[i]) & set(who[o]) for i, o in split)
    assert not by_time(split, when)
    assert told(split, who, when) == "by customer"


def test_how_many_instants_are_closed_is_counted_in_time() -> None:
    months = pd.DatetimeIndex(["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"])
    assert closed_by(months, "60d").tolist() == [0, 0, 1, 2]
    assert closed_by(months, "31d").tolist() == [0, 1, 1, 3]


def test_missing_customers_and_instants_that_are_none_are_refused() -> None:
    X, y = customers(300)
    hole = X.set_axis(pd.Index([None, *[f"c{i}" for i in range(299)]], name="customer_id"))
    with pytest.raises(DataContractError, match="'customer_id' of the index is missing in 1 of 300"):
        model().fit(hole, y)
    odd = X.set_axis(pd.MultiIndex.from_product([range(300), ["soon"]], names=["customer_id", "at"]))
    with pytest.raises(DataContractError, match="'at' of the index holds no instants"):
        model().fit(odd, y)


def test_instants_written_as_text_are_ordered_by_time() -> None:
    X, _ = customers(4)
    X.index = pd.MultiIndex.from_arrays([range(4), ["2024-10-01", "2024-9-01"] * 2], names=["customer_id", "at"])
    found = instants_of(X)
    assert found is not None
    assert found[0].tolist() == [1, 0, 1, 0]


def test_customers_as_a_column_are_refused_with_what_to_do() -> None:
    X, y = customers(300)
    with pytest.raises(LeakageError, match=r"'customer_id' says which row it is. Put it into the index"):
        model().fit(X.reset_index(), y)


def test_a_text_allows_the_column_of_that_name_and_no_other() -> None:
    X, y = customers(300)
    with pytest.raises(LeakageError, match="'churn' tells"):
        model(allow="churn_reason").fit(X.assign(churn=y.astype(float), churn_reason=1.0), y)
    with pytest.raises(DataContractError, match="does not have: reason"):
        model(allow="reason").fit(X, y)


@pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
def test_features_of_the_library_pass_the_guard() -> None:
    rng = np.random.default_rng(0)
    when = pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 500, 6_000), "D")
    kind = rng.choice(["purchase", "cancel", "cancelled_order"], 6_000)
    log = InteractionLog.read(
        pd.DataFrame({"customer_id": rng.integers(0, 300, 6_000), "timestamp": when, "kind": kind})
    )
    X = f.standard(log, at="2024-01-01").build(log, at=["2024-01-01"])
    assert {"count_cancel_30d", "recency_days_cancelled_order"} <= set(X.columns)
    assert leak_check(X, rng.random(len(X)) < 0.3).suspects == []


def test_the_rarer_values_of_a_category_are_known_as_others() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"city": [f"t{i}" for i in rng.integers(0, 150, 3_000)], "a": rng.normal(size=3_000)})
    found = ChurnClassifier(FEW[1:], folds=2).fit(X, rng.random(3_000) < expit(X["a"]))
    assert len(found.schema_.levels["city"]) == MOST_LEVELS
    assert (found.scores(X)["known"] == 1.0).all()


def test_a_forest_is_one_learner() -> None:
    X, y = customers(400)
    forest = RandomForestClassifier(5, random_state=0, n_jobs=1)
    found = ChurnClassifier(forest, folds=2).fit(X[["a", "b"]], y)
    assert found.weights_.index.tolist() == ["RandomForestClassifier"]


def test_a_learner_that_takes_no_categories_says_so_without_values() -> None:
    X, y = customers(400)
    with pytest.raises(
        DataTypeError, match="LogisticRegression cannot learn from a table with the categories plan"
    ) as caught:
        ChurnClassifier(LogisticRegression(), folds=2).fit(X.drop(columns="c"), y)
    assert "month" not in str(caught.value)


@pytest.mark.slow
def test_nothing_of_an_earlier_fit_is_left(world: Any) -> None:
    _, X, y = world
    again = ChurnClassifier(FEW[1:], folds=2).fit(X, y, horizon="60d")
    X2, y2 = customers(400)
    fresh = ChurnClassifier(FEW[1:], folds=2).fit(X2, y2)
    again.fit(X2, y2)
    assert set(vars(again)) == set(vars(fresh))
    assert again.shift_ == 0.0
    assert again.predict_proba(X2).tobytes() == fresh.predict_proba(X2).tobytes()


@pytest.mark.parametrize("odd", [{"threads": 0}, {"folds": 1}, {"folds": 2.5}, {"tune": -1}])
def test_settings_that_mean_nothing_are_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(DataContractError, match=next(iter(odd))):
        ChurnClassifier(FEW[1:], **odd).fit(*customers(300))


def test_row_96_few_leavers_are_said() -> None:
    X, _ = customers(300)
    with pytest.warns(DataContractWarning, match="Only 20 of 300 rows left"):
        ChurnClassifier(FEW[1:], folds=2).fit(X, np.arange(300) < 20)


def test_row_26_labels_of_true_and_false_as_objects_are_taken() -> None:
    X, y = customers(300)
    assert ChurnClassifier(FEW[1:], folds=2).fit(X, pd.Series(y).astype(object)).classes_.tolist() == [False, True]
    with pytest.raises(DataContractError, match="several kinds"):
        ChurnClassifier(FEW[1:]).fit(X, pd.Series([1, "1"] * 150))


# scikit-learn, and real customers


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
def test_check_estimator() -> None:
    reason = "labels that are not 0 and 1 need positive= (BAD_INPUTS row 95)"
    expected = {
        "check_estimators_dtypes": reason,
        "check_classifier_data_not_an_array": reason,
        "check_classifiers_classes": reason,
    }
    check_estimator(ChurnClassifier(folds=2, threads=1), expected_failed_checks=expected)


@pytest.mark.slow
def test_online_retail_beats_recency_and_past_orders_by_a_margin(data: Path) -> None:
    with pytest.warns(DataContractWarning):
        log = InteractionLog.read(
            data / "online_retail" / "interactions.parquet", policies=Policies(on_missing="drop"), timezone="Europe/London"
        )  # fmt: skip
    train = f.monthly("2011-03-01", "2011-06-01")
    fs = f.standard(log, at=train[0])
    X, later = fs.build(log, at=train), fs.build(log, at=["2011-09-01"])
    y, left = (f.churned(log, t.index, "90d").to_numpy() for t in (X, later))
    for learners in (LIGHT, None):
        score = auc(left, ChurnClassifier(learners).fit(X, y).predict_proba(later)[:, 1])
        assert score > auc(left, later["recency_days_purchase"].fillna(1e3)) + 0.04
        assert score > auc(left, -later["orders_all"]) + 0.015


@pytest.mark.slow
def test_telco_keeps_its_floors(data: Path) -> None:
    from benchmarks.churn_tables import cut, ours, predicted, telco

    X, y = telco()
    p = predicted(ours, X, y, cut(y, 1, 42))[:, 0]
    assert 0.845 < auc(y, p) < 0.855
    assert brier(y, p) < 0.135
    assert calibration_error(y, p) < 0.015
