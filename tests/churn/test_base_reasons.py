"""Reasons for a whole base: right by a walk of the trees, equal in every batch, and from the same pass as the score."""

from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from crmintel.churn import SMALL, ChurnClassifier, LeafReasons, SplineLogistic, Trees, base_reasons, reasons
from crmintel.churn.base_reasons import CHUNK
from crmintel.churn.leaves import LeafTable
from crmintel.churn.reasons import CALIBRATION
from crmintel.churn.stack import Calibration
from crmintel.errors import DataContractError, DataTypeError
from tests.churn.conftest import customers

FEW = (SplineLogistic(), Trees("few trees", 30, leaves=7), Trees("more trees", 20, leaves=15))
ALONE = Trees("few trees", 40, leaves=9, cat_smooth=1.0)


@pytest.fixture(scope="module")
def stack() -> ChurnClassifier:
    return ChurnClassifier(FEW, folds=2).fit(*customers())


@pytest.fixture(scope="module")
def alone() -> ChurnClassifier:
    return ChurnClassifier(ALONE, folds=2).fit(*customers())


def strange(n: int = 600) -> pd.DataFrame:
    """Customers with holes everywhere, some of whom nothing is known."""
    X = customers(n, seed=5)[0]
    X.loc[::7, "plan"] = np.nan
    X.loc[::5, "a"] = np.nan
    X.loc[:3, ["a", "b", "c"]] = np.nan
    X.loc[:3, "plan"] = np.nan
    return X


def walked(dump: dict[str, Any], row: np.ndarray) -> tuple[np.ndarray, float]:
    """What each column adds to one row, by going down each tree; and the sum of the leaves."""
    added, total = np.zeros(len(row)), 0.0
    for info in dump["tree_info"]:
        node = info["tree_structure"]
        while "left_child" in node:
            x = row[node["split_feature"]]
            if node["decision_type"] == "==":
                left = not np.isnan(x) and str(int(x)) in node["threshold"].split("||")
            elif np.isnan(x) and node["missing_type"] == "NaN":
                left = node["default_left"]
            else:
                left = (0.0 if np.isnan(x) else x) <= node["threshold"]
            child = node["left_child" if left else "right_child"]
            added[node["split_feature"]] += below(child) - below(node)
            node = child
        total += node["leaf_value"]
    return added, total


def below(node: dict[str, Any]) -> float:
    """The mean of the leaves below a node, by their rows."""
    leaves: list[tuple[float, float]] = []
    open_ = [node]
    while open_:
        one = open_.pop()
        if "left_child" in one:
            open_ += [one["left_child"], one["right_child"]]
        else:
            leaves.append((one["leaf_value"], one["leaf_count"]))
    return float(np.average([v for v, _ in leaves], weights=[n for _, n in leaves]))


# by hand


def test_one_split_is_credited_with_what_it_changes() -> None:
    x = np.repeat([0.0, 1.0], [300, 100])
    y = np.r_[np.zeros(270), np.ones(30), np.zeros(20), np.ones(80)]
    data = lgb.Dataset(np.column_stack([x, np.zeros(400)]), y)
    booster = lgb.train({"objective": "binary", "num_leaves": 2, "verbosity": -1, "learning_rate": 1.0}, data, 1)
    told = LeafTable.of(booster, 2)
    low, high = booster.predict(np.array([[0.0, 0.0], [1.0, 0.0]]), raw_score=True)
    mean = 0.75 * low + 0.25 * high
    assert told.base == pytest.approx(mean)
    odds, added = told(booster, np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert odds.tolist() == [high, low]
    assert added == pytest.approx(np.array([[high - mean, 0.0], [low - mean, 0.0]]))


@pytest.mark.slow
def test_categories_and_holes_are_as_in_a_walk_down_the_trees(alone: ChurnClassifier) -> None:
    booster = alone.learners_["few trees"].booster
    dump = booster.dump_model()
    kinds = {n["decision_type"] for n in splits(dump)}
    assert kinds == {"==", "<="}
    matrix = silently(alone, strange(60)).matrix()
    odds, added = LeafTable.of(booster, matrix.shape[1])(booster, matrix)
    for i, row in enumerate(matrix):
        by_hand, total = walked(dump, row)
        assert added[i] == pytest.approx(by_hand, abs=1e-12)
        assert odds[i] == total


def splits(dump: dict[str, Any]) -> list[dict[str, Any]]:
    out, open_ = [], [t["tree_structure"] for t in dump["tree_info"]]
    while open_:
        node = open_.pop()
        if "left_child" in node:
            out.append(node)
            open_ += [node["left_child"], node["right_child"]]
    return out


def silently(model: ChurnClassifier, X: pd.DataFrame) -> Any:
    with pytest.warns(UserWarning, match="nothing is known"):
        return model.read(X)


def test_trees_that_never_split_add_nothing() -> None:
    data = lgb.Dataset(np.zeros((50, 2)), np.r_[np.zeros(25), np.ones(25)], params={"feature_pre_filter": False})
    booster = lgb.train({"objective": "binary", "verbosity": -1}, data, 3)
    told = LeafTable.of(booster, 2)
    odds, added = told(booster, np.ones((4, 2)))
    assert odds.tolist() == booster.predict(np.ones((4, 2)), raw_score=True).tolist()
    assert (added == 0).all()


# promises


@pytest.mark.parametrize("which", ["stack", "alone"])
def test_the_score_comes_from_the_same_pass_bit_for_bit(which: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(which)
    table = silently(model, strange())
    told = LeafReasons.of(model)(table)
    assert (told.log_odds == model.log_odds(table)).all()


@pytest.mark.parametrize("kind", ["none", "sigmoid", "isotonic"])
def test_contributions_add_up_to_the_log_odds(kind: Any, stack: ChurnClassifier) -> None:
    model = ChurnClassifier(FEW)
    model.__dict__.update(stack.__dict__)
    steps = {"none": Calibration(), "sigmoid": Calibration("sigmoid", np.zeros(1), np.array([0.3, 1.4])),
             "isotonic": Calibration("isotonic", np.array([-3.0, 0.0, 3.0]), np.array([-2.0, 0.5, 1.0]))}  # fmt: skip
    model.step_, model.calibration_ = steps[kind], kind
    X = customers(500, seed=4)[0]
    told = base_reasons(model, X)
    assert told.contributions.sum(axis=1) + told.base == pytest.approx(model.decision_function(X), abs=1e-10)
    assert (CALIBRATION in told.titles) == (kind != "none")
    full = reasons(model, X)
    assert told.base == pytest.approx(full.base, abs=1e-10)
    assert told.titles == tuple(full.contributions.columns)
    assert CALIBRATION not in told.to_frame()["reason_1"].cat.categories


def test_row_117_batches_and_order_change_no_bit(stack: ChurnClassifier) -> None:
    explain = LeafReasons.of(stack)
    table = stack.read(customers(CHUNK + 300, seed=2)[0])
    whole = explain(table)
    for rows in (np.arange(1), np.arange(CHUNK - 5, CHUNK + 9), np.arange(len(table))[::-3]):
        part = explain(table.take(rows))
        assert (part.log_odds == whole.log_odds[rows]).all()
        assert (part.contributions == whole.contributions[rows]).all()
        assert (part.strongest == whole.strongest[rows]).all()


def test_made_twice_it_is_the_same(stack: ChurnClassifier) -> None:
    one, two = LeafReasons.of(stack), LeafReasons.of(stack)
    assert one.base == two.base
    for name, table in one.tables.items():
        assert (table.added == two.tables[name].added).all()


def test_splines_alone_have_their_own_contributions() -> None:
    X, y = customers(800)
    model = ChurnClassifier(SplineLogistic(interactions=(("a", "plan"),)), folds=2).fit(X, y)
    told = base_reasons(model, X)
    assert told.contributions == pytest.approx(reasons(model, X).contributions.to_numpy(), abs=1e-12)
    assert (told.log_odds == model.decision_function(X)).all()


@pytest.mark.slow
def test_the_first_reason_is_mostly_that_of_treeshap() -> None:
    X, y = customers(2_500, seed=3)
    model = ChurnClassifier(SMALL, folds=2).fit(X, y)
    fast, slow = base_reasons(model, X).to_frame(), reasons(model, X).themes
    assert (fast["reason_1"].astype("str").fillna("") == slow["reason_1"]).mean() > 0.85


# what is handed out


def test_the_strongest_reasons_come_first_and_none_that_speaks_against(stack: ChurnClassifier) -> None:
    X = customers(300)[0]
    told = base_reasons(stack, X, k=4)
    frame = told.to_frame()
    assert frame.index.equals(X.index)
    assert frame.columns.tolist() == ["churn_probability", *(f"reason_{i}" for i in range(1, 5)), *(f"contribution_{i}" for i in range(1, 5))]  # fmt: skip
    order = np.argsort(-told.contributions, axis=1, kind="stable")
    held = np.take_along_axis(told.contributions, order, axis=1)
    assert (told.strongest == np.where(held > 0, order, -1)).all()
    strength = frame[[f"contribution_{i}" for i in range(1, 5)]].to_numpy()
    assert np.array_equal(strength, np.where(held > 0, held, np.nan), equal_nan=True)
    assert (frame["reason_4"].isna() == (held[:, 3] <= 0)).all()
    assert frame["reason_1"].dropna().iloc[0] == told.titles[order[0, 0]]


def test_equal_reasons_keep_the_order_of_the_columns() -> None:
    from crmintel.churn.base_reasons import _strongest

    assert _strongest(np.array([[0.0, 2.0, 1.0, 2.0], [-1.0, -2.0, 0.0, 0.5]]), 3).tolist() == [[1, 3, 2], [3, -1, -1]]


@pytest.mark.slow
def test_columns_of_one_theme_are_one_reason_whose_sum_is_theirs(world: Any) -> None:
    fs, X, y = world
    model = ChurnClassifier(FEW, folds=2).fit(X, y)
    told, alone = base_reasons(model, X, fs, language="zh"), base_reasons(model, X)
    full = reasons(model, X, fs, language="zh")
    assert told.titles == tuple(full.contributions.columns)
    place = [told.titles.index(dict(zip(fs.names, fs.describe("zh")["theme"], strict=True))[c]) for c in alone.titles]
    for i in range(len(told.titles)):
        joined = alone.contributions[:, np.array(place) == i].sum(axis=1)
        assert told.contributions[:, i] == pytest.approx(joined, abs=1e-10)


def test_more_reasons_than_there_are_is_all_of_them(alone: ChurnClassifier) -> None:
    assert base_reasons(alone, customers(20)[0], k=99).strongest.shape == (20, 4)


def test_nobody_to_explain_is_no_error(stack: ChurnClassifier) -> None:
    told = base_reasons(stack, customers(50)[0].iloc[:0])
    assert told.to_frame().shape == (0, 7)
    assert "0 rows" in repr(told)


def test_a_learner_without_weight_is_not_asked(stack: ChurnClassifier) -> None:
    model = ChurnClassifier(FEW)
    model.__dict__.update(stack.__dict__)
    weights = stack.stack_.weights.copy()
    weights[1] = 0.0
    model.stack_ = type(stack.stack_)(stack.stack_.constant, weights)
    model.weights_ = pd.Series(weights, index=stack.weights_.index)
    explain = LeafReasons.of(model)
    assert set(explain.tables) == {"more trees"}
    table = model.read(customers(100)[0])
    assert (explain(table).log_odds == model.log_odds(table)).all()


def test_what_cannot_be_explained_is_named() -> None:
    X, y = customers(400)
    model = ChurnClassifier(LogisticRegression(), folds=2).fit(X[["a", "b"]], y)
    with pytest.raises(DataTypeError, match="not known of LogisticRegression"):
        base_reasons(model, X[["a", "b"]])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"k": 0}, "k is 0"), ({"language": "de"}, "'en' or 'zh'"), ({"themes": {"nope": "t"}}, "nope")],
)
def test_wrong_questions_are_refused(wrong: dict[str, Any], said: str, alone: ChurnClassifier) -> None:
    with pytest.raises(DataContractError, match=said):
        base_reasons(alone, customers(10)[0], **wrong)


def test_markup_in_titles_is_escaped(alone: ChurnClassifier) -> None:
    X = customers(200)[0].set_index(pd.Index([f"canary-{i}" for i in range(200)]))
    told = base_reasons(alone, X, themes=dict.fromkeys(["a", "plan"], "<script>"))
    assert "<script>" not in told._repr_html_()
    assert "canary" not in told._repr_html_()
    assert f"<td>{told.to_frame()['reason_1'].value_counts().max()}</td>" in told._repr_html_()
