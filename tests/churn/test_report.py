"""The report: rules anybody could use, a grade only where it is earned, segments and instants."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from crmintel.churn import BestColumn, churn_report, simple_rules
from crmintel.errors import DataContractError


def base(n: int = 400, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """A table, who left, and the true probability."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 2, n)
    X = pd.DataFrame({"recency_days_purchase": p * 90 + rng.normal(0, 30, n), "noise": rng.normal(size=n)})
    return X, rng.random(n) < p, p


def test_the_usual_rules_by_hand() -> None:
    X = pd.DataFrame(
        {"recency_days_purchase": [10.0, 40], "orders_all": [3.0, 1], "gap_purchase_mean_all": [20.0, np.nan]}
    )
    rules = simple_rules(X)
    assert {k: v.tolist() for k, v in rules.items()} == {
        "days since the last purchase": [10, 40], "few past orders": [-3, -1], "silence over usual gap": [0.5, 2.0],
    }  # fmt: skip
    assert simple_rules(pd.DataFrame({"x": [1]})) == {}
    assert list(simple_rules(pd.DataFrame({"days": [1.0]}), recency="days")) == ["days since the last purchase"]


def test_the_best_column_is_chosen_and_turned_on_the_training_period() -> None:
    X = pd.DataFrame({"noise": [1.0, 2, 1, 2], "loyal": [9.0, 8, 1, 2], "one": 1.0})
    best = BestColumn.learn(X, [0, 0, 1, 1])
    assert (best.column, best.rising, best.auc) == ("loyal", False, 1.0)
    assert best(X).tolist() == [-9, -8, -1, -2]
    assert str(best) == "little of 'loyal' alone"


def test_a_category_can_be_the_best_column() -> None:
    X = pd.DataFrame({"plan": ["a"] * 60 + ["b"] * 60, "noise": np.arange(120.0) % 2})
    y = [1] * 60 + [0] * 60
    best = BestColumn.learn(X, y)
    assert (best.column, best.auc) == ("plan", 1.0)
    told = best(pd.DataFrame({"plan": ["a", "b", "new"]}))
    assert told[:2].tolist() == pytest.approx([62.5 / 65, 2.5 / 65])
    assert np.isinf(told[2])


def test_a_name_for_each_few_customers_is_not_the_best_column() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=3_000)
    X = pd.DataFrame({"zip": [f"z{i}" for i in rng.integers(0, 400, 3_000)], "a": a})
    y = rng.random(3_000) < 1 / (1 + np.exp(-0.6 * a))
    assert BestColumn.learn(X, y).column == "a"
    order = rng.permutation(3_000)
    assert BestColumn.learn(X.iloc[order], y[order]) == BestColumn.learn(X, y)


def test_customers_for_whom_the_best_column_is_missing_stand_on_the_better_side() -> None:
    X = pd.DataFrame({"days": [1.0, 2, 3, np.nan, np.nan]})
    best = BestColumn.learn(X, [0, 0, 1, 1, 1])
    assert (best.missing_first, best.auc) == (True, 1.0)


def test_customers_without_a_purchase_are_the_riskiest_of_all() -> None:
    X = pd.DataFrame(
        {"recency_days_purchase": [10.0, np.nan], "orders_all": [3.0, np.nan], "gap_purchase_mean_all": [20.0, np.nan]}
    )
    for score in simple_rules(X).values():
        assert score[1] > score[0]


def test_columns_that_order_nobody_are_refused() -> None:
    with pytest.raises(DataContractError, match="No column has two different"):
        BestColumn.learn(pd.DataFrame({"one": [1.0, 1]}), [0, 1])


def test_a_model_that_knows_more_gets_a_grade() -> None:
    X, y, p = base(2_000)
    report = churn_report(X, y, p, n=60)
    assert report.grade in {"A", "B", "C"}
    assert set(report.overall.rules["name"]) == {"model", "days since the last purchase"}
    assert "grade" in str(report)
    assert "Grade" in report._repr_html_()


def test_a_model_like_the_rule_gets_none_and_a_worse_one_is_told() -> None:
    X, y, _p = base(2_000)
    rank = X["recency_days_purchase"].rank(pct=True).to_numpy()
    assert churn_report(X, y, rank, n=60).grade == "not proven"
    assert churn_report(X, y, rank[::-1], n=60).grade == "worse"


def test_the_training_period_gives_a_further_rule() -> None:
    X, y, p = base()
    earlier, left, _ = base(seed=1)
    report = churn_report(X, y, p, train=(earlier, left), n=20)
    assert "much of 'recency_days_purchase' alone" in set(report.overall.rules["name"])


def test_without_any_rule_nothing_is_judged() -> None:
    X, y, p = base()
    with pytest.raises(DataContractError, match="no rule to compare with"):
        churn_report(X[["noise"]], y, p)


def test_segments_say_where_the_probability_is_off() -> None:
    X, y, p = base(3_000)
    X["branch"] = np.where(np.arange(3_000) % 2, "north", "south")
    said = np.where(X["branch"] == "south", np.minimum(p + 0.2, 1), p)
    told = churn_report(
        X, y, said, segments={"branch": "branch", "size": np.where(np.arange(3_000) < 5, "few", "many")}, n=20
    )
    table = told.segments.set_index("segment")
    assert table.index.tolist() == ["north", "south", "many"]  # five customers are too few to be shown
    assert table.loc["south", "low"] > 0.1
    assert table.loc["north", "low"] < 0 < table.loc["north", "high"]


@pytest.mark.slow
def test_intervals_of_segments_hold_the_truth_as_often_as_they_say() -> None:
    held = []
    for seed in range(200):
        X, y, p = base(300, seed)
        X.index = pd.Index(
            np.arange(300) // 3, name="customer_id"
        )  # three rows of one customer, who leaves in all or in none
        y = np.repeat(np.random.default_rng(seed).random(100) < p[::3], 3)
        from crmintel.churn.folds import customers_of
        from crmintel.churn.report import _by_segment

        row = _by_segment("all", np.full(300, "x"), y.astype(float), np.repeat(p[::3], 3), customers_of(X)).iloc[0]
        held.append(row["low"] <= 0 <= row["high"])
    assert 0.90 <= np.mean(held) <= 0.985


def test_each_instant_is_judged_by_itself() -> None:
    X, y, p = base(1_200)
    months = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"])
    X.index = pd.MultiIndex.from_arrays([np.arange(1_200), months[np.arange(1_200) % 3]], names=["customer_id", "at"])
    y[np.arange(1_200) % 3 == 2] = False  # nobody left at the last instant: no figures
    told = churn_report(X, y, p, n=30).instants
    assert told["at"].tolist() == list(months)
    assert told["auc"].isna().tolist() == [False, False, True]
    assert told["customers"].tolist() == [400] * 3
    one: Any = churn_report(X.droplevel("at"), y, p, n=20).instants
    assert len(one) == 0


def test_what_comes_in_another_order_finds_its_rows() -> None:
    X, y, p = base()
    X.index = pd.Index([f"c{i}" for i in range(len(X))], name="customer_id")
    straight = churn_report(X, y, p, n=20)
    label, chance = (pd.Series(v, index=X.index)[::-1] for v in (y, p))
    assert churn_report(X, label, chance, n=20).overall.rules.equals(straight.overall.rules)
    with pytest.raises(DataContractError, match="p has another index"):
        churn_report(X, y, chance.rename(lambda c: c + "x"), n=20)


def test_what_is_missing_or_of_other_rows_is_named() -> None:
    X, y, p = base()
    with pytest.raises(DataContractError, match="segments names the column 'plam'"):
        churn_report(X, y, p, segments={"plan": "plam"})
    with pytest.raises(DataContractError, match="has 2 values for 400 rows"):
        churn_report(X, y, p, segments={"plan": [1, 2]})
    with pytest.raises(DataContractError, match="lacks noise"):
        churn_report(X, y, p, train=(X[["recency_days_purchase"]], y))
    with pytest.raises(DataContractError, match="positive="):
        churn_report(X, np.where(y, "yes", "no"), p)
    assert churn_report(X, np.where(y, "yes", "no"), p, positive="yes", n=20).overall.positives == y.sum()
