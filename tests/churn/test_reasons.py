"""Reasons: they add up to the log-odds, speak in sentences of the customer, and know what can be acted on."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from crmintel.churn import ChurnClassifier, SplineLogistic, Trees, reasons
from crmintel.churn.reasons import CALIBRATION, CHUNK
from crmintel.churn.stack import Calibration
from crmintel.churn.telling import Teller
from crmintel.errors import DataContractError, DataTypeError
from crmintel.features import Feature
from tests.churn.conftest import customers

FEW = (SplineLogistic(), Trees("few trees", 30, leaves=7))


@pytest.fixture(scope="module")
def fitted(world: Any) -> ChurnClassifier:
    return ChurnClassifier(FEW, folds=2).fit(world[1], world[2])


@pytest.fixture(scope="module")
def plain() -> ChurnClassifier:
    return ChurnClassifier(FEW, folds=2).fit(*customers())


def gap(model: ChurnClassifier, X: pd.DataFrame, told: Any) -> float:
    return float(np.abs(told.contributions.sum(axis=1) + told.base - model.decision_function(X)).max())


@pytest.mark.slow
def test_reasons_add_up_to_the_log_odds(world: Any, fitted: ChurnClassifier) -> None:
    assert gap(fitted, world[1], reasons(fitted, world[1], world[0])) < 1e-10


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_after_a_further_step_they_add_up_with_a_term_of_its_own(kind: Any, plain: ChurnClassifier) -> None:
    X, _ = customers()
    line = np.linspace(-6, 6, 20)
    step = Calibration(kind, line, np.array([0.2, 0.8]) if kind == "sigmoid" else np.sign(line) * np.abs(line) ** 0.5)
    other = ChurnClassifier(FEW)
    other.__dict__.update(plain.__dict__, step_=step, calibration_=kind)
    told = reasons(other, X)
    assert gap(other, X, told) < 1e-10
    assert told.contributions[CALIBRATION].abs().max() > 0.1
    assert not (told.themes == CALIBRATION).any(axis=None)


def test_chunks_change_no_bit(plain: ChurnClassifier) -> None:
    X, _ = customers(2 * CHUNK + 7)
    whole, some = reasons(plain, X), reasons(plain, X.iloc[CHUNK - 3 : CHUNK + 3])
    assert whole.contributions.iloc[CHUNK - 3 : CHUNK + 3].equals(some.contributions)


@pytest.mark.slow
def test_reasons_are_sentences_of_the_customer_and_the_strongest_comes_first(
    world: Any, fitted: ChurnClassifier
) -> None:
    fs, X, _ = world
    riskiest = X.iloc[[int(np.argmax(fitted.decision_function(X)))]]
    told = reasons(fitted, riskiest, fs)
    assert told.themes.iloc[0, 0] == told.contributions.iloc[0].idxmax()
    for theme, sentence in zip(told.themes.iloc[0], told.sentences.iloc[0], strict=True):
        own = {f.tell(riskiest[f.name].iloc[0]) for f in fs.features if fs.themes[f.name] == theme}
        assert set(sentence.split("; ")) <= own


def test_the_same_in_chinese(world: Any, fitted: ChurnClassifier) -> None:
    fs, X, _ = world
    riskiest = X.iloc[[int(np.argmax(fitted.decision_function(X)))]]
    told, english = reasons(fitted, riskiest, fs, language="zh"), reasons(fitted, riskiest, fs)
    meaning = set(fs.describe("zh")["meaning"])
    for chinese, plain in zip(told.sentences.iloc[0], english.sentences.iloc[0], strict=True):
        parts = chinese.split("；")
        assert {p.split("：")[0] for p in parts} <= meaning
        assert len(parts) == len(plain.split("; "))
    assert {"节奏", "频率"} <= set(told.contributions.columns)
    assert (told.contributions.to_numpy() == english.contributions.to_numpy()).all()


def test_reasons_that_speak_against_leaving_are_not_told(world: Any, fitted: ChurnClassifier) -> None:
    fs, X, _ = world
    told = reasons(fitted, X, fs, k=20)
    for column in told.themes.columns:
        said = told.themes[column].to_numpy(object)
        rows = np.flatnonzero(said != "")
        places = told.contributions.columns.get_indexer(said[rows])
        assert (told.contributions.to_numpy()[rows, places] > 0).all()
        assert (told.sentences[column].to_numpy(object)[said == ""] == "").all()


def test_without_features_a_column_is_a_reason_and_holes_are_said(plain: ChurnClassifier) -> None:
    X, _ = customers()
    told = reasons(plain, X.assign(plan="month", a=2.5), k=4)
    first = told.sentences.iloc[0].tolist()
    assert "a: 2.5" in first
    assert "plan: month" in first
    hole = reasons(plain, X.iloc[:1].assign(a=np.nan, plan=None), k=4, language="zh")
    assert {s for s in hole.sentences.iloc[0] if s} <= {
        "a：未知",
        "plan：未知",
        f"b：{X['b'].iloc[0]:.2f}",
        "c：0.12",
    } | {s for s in hole.sentences.iloc[0] if s.startswith(("b：", "c："))}


def test_what_never_happened_and_what_is_nearly_nothing_are_told_in_chinese() -> None:
    never = Feature("a", "最近一次退货距今天数", absent="至今没有")
    tell = Teller((never, Feature("b", "占比")), ("", ""), "zh")
    assert [tell(0, np.nan), tell(1, np.nan), tell(1, 0.001), tell(1, 0.0)] == [
        "最近一次退货距今天数：至今没有", "占比：未知", "占比：接近 0", "占比：0",
    ]  # fmt: skip


def test_columns_can_be_joined_to_one_reason(plain: ChurnClassifier) -> None:
    X, _ = customers(200)
    told = reasons(plain, X, themes={"a": "habits", "b": "habits"})
    alone = reasons(plain, X)
    assert list(told.contributions.columns) == ["habits", "c", "plan"]
    assert told.contributions["habits"].to_numpy() == pytest.approx(
        alone.contributions[["a", "b"]].sum(axis=1).to_numpy()
    )


def test_what_the_company_can_act_on_is_flagged(plain: ChurnClassifier) -> None:
    X, _ = customers(200)
    told = reasons(plain, X, k=4, actionable=["plan"])
    assert (told.actionable == (told.themes == "plan")).all(axis=None)
    joined = reasons(plain, X, k=4, themes={"plan": "contract"}, actionable=["plan"])
    assert (joined.actionable == (joined.themes == "contract")).all(axis=None)
    assert told.actionable.to_numpy().any()


def test_a_segment_has_mean_contributions(plain: ChurnClassifier) -> None:
    X, _ = customers(200)
    told = reasons(plain, X)
    by = told.by(X["plan"])
    assert by.loc["month", "plan"] > by.loc["year", "plan"]
    assert by.loc["year", "a"] == pytest.approx(told.contributions.loc[X["plan"] == "year", "a"].mean())
    with pytest.raises(DataContractError, match="3 segments for 200 rows"):
        told.by(["x"] * 3)


def test_what_is_wrong_is_named(plain: ChurnClassifier) -> None:
    X, y = customers(200)
    with pytest.raises(DataContractError, match=r"Neither reasons nor columns: price"):
        reasons(plain, X, actionable=["price"])
    with pytest.raises(DataContractError, match="'en' or 'zh'"):
        reasons(plain, X, language="de")  # type: ignore[arg-type]
    with pytest.raises(DataContractError, match="does not have: z"):
        reasons(plain, X, themes={"z": "x"})
    other = ChurnClassifier(LogisticRegression(), folds=2).fit(X[["a", "b"]], y)
    with pytest.raises(DataTypeError, match="not known of LogisticRegression"):
        reasons(other, X)


def test_nobody_to_explain_is_no_error(plain: ChurnClassifier) -> None:
    assert len(reasons(plain, customers(10)[0].iloc[:0]).sentences) == 0


def test_markup_in_titles_is_escaped_and_no_row_is_shown(plain: ChurnClassifier) -> None:
    X = customers(40)[0].set_index(pd.Index([f"canary-{i}" for i in range(40)]))
    told = reasons(plain, X, themes=dict.fromkeys(["plan", "a"], "<script>"))
    html = told._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "canary" not in html
    first = told.themes.iloc[:, 0].value_counts()
    assert f"<td>{first.max()}</td>" in html


def test_a_column_called_as_the_further_step_is_refused() -> None:
    X, y = customers(400)
    X = X.rename(columns={"a": CALIBRATION})
    found = ChurnClassifier(FEW[1:], folds=2).fit(X, y)
    with pytest.raises(DataContractError, match="Rename it"):
        reasons(found, X)


def test_segments_in_another_order_find_their_rows(plain: ChurnClassifier) -> None:
    X, _ = customers(200)
    X.index = pd.Index([f"c{i}" for i in range(200)], name="customer_id")
    told = reasons(plain, X)
    assert told.by(X["plan"][::-1]).equals(told.by(X["plan"]))
    with pytest.raises(DataContractError, match="k is 0"):
        reasons(plain, X, k=0)
