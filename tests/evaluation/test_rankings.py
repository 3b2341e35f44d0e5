"""Recommendation lists, alone and beside others."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from crmintel.evaluation import compare_rankings, hit_rate, ndcg, precision, recall
from crmintel.evaluation.ranking import by_customer


def bought(pairs):
    return pd.DataFrame(pairs, columns=["customer_id", "item_id"])


def listed(lists):
    rows = [(c, item, rank) for c, items in lists.items() for rank, item in enumerate(items, start=1)]
    return pd.DataFrame(rows, columns=["customer_id", "item_id", "rank"])


TRUTH = bought([(1, "cup"), (1, "pot"), (1, "cup"), (2, "tea")])
LISTS = listed({1: ["cup", "jar", "pot"], 2: ["jar", "cup"], 3: ["tea"]})


def test_the_four_figures_by_hand():
    # Customer 1: cup at 1, pot at 3, of two bought. Customer 2: nothing right. Customer 3 bought nothing.
    ideal = 1 + 1 / math.log2(3)
    assert hit_rate(TRUTH, LISTS, k=3) == 0.5
    assert recall(TRUTH, LISTS, k=3) == 0.5
    assert precision(TRUTH, LISTS, k=3) == pytest.approx((2 / 3) / 2)
    assert ndcg(TRUTH, LISTS, k=3) == pytest.approx((1 + 0.5) / ideal / 2)


def test_only_the_first_k_count():
    assert recall(TRUTH, LISTS, k=2) == pytest.approx(0.25)
    assert ndcg(TRUTH, LISTS, k=1) == pytest.approx(0.5)  # the ideal over min(1, 2) items is 1


def test_a_customer_without_a_list_scores_0():
    table = by_customer(TRUTH, LISTS[LISTS["customer_id"] == 1], k=3)
    assert table.index.tolist() == [1, 2]
    assert table.loc[2].tolist() == [0, 0, 0, 0]


def test_an_empty_list_scores_0():
    assert ndcg(TRUTH, LISTS.iloc[:0], k=3) == 0


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 8))
def test_ndcg_agrees_with_scikit_learn_and_a_plain_loop(seed, k):
    rng = np.random.default_rng(seed)
    relevant = rng.random((6, 8)) < 0.4
    relevant[:, 0] |= ~relevant.any(axis=1)
    order = np.argsort(rng.random((6, 8)), axis=1)
    truth = bought([(c, i) for c in range(6) for i in range(8) if relevant[c, i]])
    lists = listed({c: order[c].tolist() for c in range(6)})
    scores = -np.argsort(order, axis=1).astype(float)
    assert ndcg(truth, lists, k=k) == pytest.approx(ndcg_score(relevant, scores, k=k))
    hits = [len(set(order[c, :k]) & set(np.flatnonzero(relevant[c]))) for c in range(6)]
    assert precision(truth, lists, k=k) == pytest.approx(np.mean(hits) / k)
    assert recall(truth, lists, k=k) == pytest.approx(np.mean(np.array(hits) / relevant.sum(axis=1)))
    assert hit_rate(truth, lists, k=k) == np.mean(np.array(hits) > 0)


def many(n=300, seed=0):
    rng = np.random.default_rng(seed)
    truth = bought([(c, int(i)) for c in range(n) for i in rng.choice(20, 2, replace=False)])
    right = truth.assign(rank=truth.groupby("customer_id").cumcount() + 1)
    wrong = listed({c: rng.choice(20, 5, replace=False).tolist() for c in range(n)})
    return truth, right, wrong


def test_the_first_list_is_the_model_and_the_others_are_rules():
    truth, right, wrong = many()
    report = compare_rankings(truth, {"right": right, "wrong": wrong, "again": right}, k=5)
    assert report.rules["name"].tolist() == ["right", "wrong", "again"]
    assert report.rules["verdict"].tolist() == ["", "proven", "not proven"]
    assert compare_rankings(truth, {"wrong": wrong, "right": right}, k=5).rules["verdict"].tolist() == ["", "worse"]
    assert report.metrics["ndcg"].value == 1.0
    assert (report.n, report.k) == (300, 5)


def test_coverage_counts_the_items_in_the_first_k_places():
    report = compare_rankings(TRUTH, {"a": LISTS, "b": LISTS[LISTS["customer_id"] == 3]}, k=1, n=10)
    assert report.coverage == {"a": 3, "b": 1}


def test_row_order_changes_nothing():
    truth, right, wrong = many()
    shuffled = [f.sample(frac=1, random_state=3) for f in (truth, right, wrong)]
    one = compare_rankings(truth, {"a": wrong, "b": right}, n=30)
    two = compare_rankings(shuffled[0], {"a": shuffled[2], "b": shuffled[1]}, n=30)
    pd.testing.assert_frame_equal(one.rules, two.rules, check_exact=True)


def test_a_report_shows_itself():
    report = compare_rankings(TRUTH, {"<b>": LISTS, "b": LISTS}, k=3, n=10)
    assert repr(report).startswith("RankingReport(n=2, k=3, ndcg=")
    assert "binary NDCG@k" in str(report)
    assert "&lt;b&gt;" in report._repr_html_()
    assert report.to_frame()["metric"].tolist() == ["hit_rate", "recall", "precision", "ndcg"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ndcg(TRUTH.rename(columns={"item_id": "x"}), LISTS), "truth has no column item_id"),
        (lambda: ndcg(TRUTH, LISTS[["item_id"]]), "recommended has no column customer_id, rank"),
        (lambda: ndcg(TRUTH.iloc[:0], LISTS), "no purchase"),
        (lambda: ndcg(TRUTH, LISTS.assign(rank=0)), "a rank below 1"),
        (lambda: ndcg(TRUTH, LISTS.assign(item_id=None)), "6 of 6 rows of recommended have gaps"),
        (lambda: ndcg(TRUTH, pd.concat([LISTS, LISTS.assign(rank=9)])), "repeat a item_id"),
        (lambda: ndcg(TRUTH, LISTS.assign(rank=1)), "repeat a rank"),
        (lambda: ndcg(TRUTH, LISTS, k=0), "k is 0"),
        (lambda: compare_rankings(TRUTH, {}), "no list to judge"),
    ],
)
def test_lists_that_cannot_be_judged_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
