"""What a second pair of eyes found: each once wrong, on a world that a pencil can check."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog
from crmintel.errors import DataContractError, DataTypeError
from crmintel.recommend import (
    AutoRecommender,
    CoOccurrence,
    Ease,
    Evidence,
    NextBasket,
    Popularity,
    Rules,
    TwoStage,
    bought_together,
    top_k,
)
from crmintel.recommend.purchases import Purchases
from crmintel.recommend.tuning import HeldOut
from tests.recommend.worlds import answer, log_of

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
# owners: a 5, b 4, c 3, d 2, e 1
WORLD = {1: "abcde", 2: "abcd", 3: "abc", 4: "ab", 5: "a"}
KIND = pd.Series({"a": "tea", "b": "tea", "c": "tea", "d": "cup", "e": "cup"})
NUMBERED = pd.Series({"a": 1, "b": 1, "c": 1, "d": 2})  # e has none: pandas makes floats of the others


@pytest.fixture(scope="module")
def popular() -> Popularity:
    return Popularity().fit(log_of(WORLD))


@pytest.mark.parametrize("wish", [{"quota": 1}, {"diversity": 0.9}, {"calibration": 0.9}])
def test_stock_holds_when_lists_are_mixed(popular: Popularity, wish: dict[str, Any]) -> None:
    """The second place goes to a cup; there is one of d and none of e."""
    rules = Rules(categories=KIND, stock=pd.Series({"d": 1, "e": 0}), **wish)
    sold = popular.recommend([1, 2, 3, 91, 92], k=2, exclude=None, rules=rules)["item_id"].value_counts()
    assert sold.get("d", 0) <= 1
    assert "e" not in sold


def test_stock_with_a_quota_offers_the_next_item_when_a_category_is_sold_out(popular: Popularity) -> None:
    table = popular.recommend(
        [91, 92, 93], k=2, rules=Rules(categories=KIND, quota=1, stock=pd.Series({"d": 1, "e": 1}))
    )
    assert [answer(table, c) for c in (91, 92, 93)] == [["a", "d"], ["a", "e"], ["a"]]


@pytest.mark.parametrize("quota", [{1: 1}, {1.0: 1}, {"1": 1}])
def test_quotas_of_numbered_categories_hold_beside_items_without_one(popular: Popularity, quota: Any) -> None:
    assert answer(popular.recommend([99], k=3, rules=Rules(categories=NUMBERED, quota=quota)), 99) == ["a", "d", "e"]


def test_a_quota_may_be_a_number_of_numpy(popular: Popularity) -> None:
    assert answer(popular.recommend([99], k=4, rules=Rules(categories=KIND, quota=np.int64(1))), 99) == ["a", "d"]  # type: ignore[arg-type]


def test_a_liked_category_may_be_a_number_though_others_like_none(popular: Popularity) -> None:
    kinds = pd.Series({"a": 1, "b": 1, "c": 1, "d": 2, "e": 2})
    table = popular.recommend([99, 98], k=2, rules=Rules(categories=kinds, liked=pd.Series({99: 2})))
    assert (answer(table, 99), answer(table, 98)) == (["d", "e"], ["a", "b"])


def test_a_quota_looks_beyond_the_highest_scores_before_a_list_is_left_short() -> None:
    frame = pd.DataFrame({"customer_id": [1] * 260 + [2] * 259, "item_id": [*range(260), *range(259)]})
    frame["timestamp"] = pd.Timestamp("2024-01-01").as_unit("us")
    model = Popularity().fit(InteractionLog.read(frame, quiet=True))
    kinds = pd.Series({i: "cup" if i == 259 else "tea" for i in range(260)})
    table = model.recommend([1, 9, 2], k=2, exclude=None, rules=Rules(categories=kinds, quota=1))
    assert table["item_id"].tolist() == [0, 259] * 3


def test_stock_looks_as_far_as_items_can_be_sold_out() -> None:
    """300 customers, 300 items, one of each: nobody goes without."""
    frame = pd.DataFrame({"customer_id": [*range(300), *range(300)], "item_id": [*range(300), *range(1, 300), 0]})
    frame["timestamp"] = pd.Timestamp("2024-01-01").as_unit("us")
    model = Popularity().fit(InteractionLog.read(frame, quiet=True))
    table = model.recommend(k=1, exclude=None, rules=Rules(stock=pd.Series(1, index=range(300))))
    assert table["item_id"].nunique() == len(table) == 300


def test_boosts_without_end_are_refused(popular: Popularity) -> None:
    with pytest.raises(DataContractError, match="infinite"):
        popular.recommend([5], rules=Rules(boosts=pd.Series({"e": np.inf})))


def test_misread_arguments_are_named_without_their_values(popular: Popularity) -> None:
    with pytest.raises(DataContractError, match="exclude is a DataFrame"):
        popular.recommend([5], exclude=pd.DataFrame({"customer_id": [1], "item_id": ["a"]}))  # type: ignore[arg-type]
    with pytest.raises(DataTypeError, match="customers cannot be a str"):
        popular.recommend("ab")
    with pytest.raises(DataTypeError, match="eligible cannot be a dict"):
        popular.recommend([5], eligible={5: ["a"]})


@pytest.mark.parametrize("wrong", [{"low_rank": np.nan}, {"rank": -1}, {"prune": -1}])
def test_cooccurrence_refuses_options_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataContractError):
        CoOccurrence(**wrong).fit(log_of(WORLD))


def test_an_update_leaves_ties_to_the_identifier_as_a_refit_does() -> None:
    """b has three owners and a two; the later log, with the same order of items, makes it three each."""
    first, later = {1: "b", 2: "b", 3: "ba", 4: "a"}, {1: "bb", 2: "b", 5: "a"}
    stepped = CoOccurrence().fit(log_of(first)).update(log_of(later))
    assert stepped.items_.tolist() == ["a", "b"]


def test_no_opinion_stays_none_beside_patterns() -> None:
    """Two groups share nothing: what the other group has is not the model's, whatever float32 makes of it."""
    rows = [(c, i) for c in range(300) for i in (range(20) if c % 2 else range(20, 40))]
    frame = pd.DataFrame(rows, columns=["customer_id", "item_id"])
    frame["timestamp"] = pd.Timestamp("2024-01-01").as_unit("us")
    table = (
        CoOccurrence()
        .fit(InteractionLog.read(frame, quiet=True))
        .recommend(k=40, exclude=None, rules=Rules(fill=False))
    )
    assert ((table["customer_id"] % 2 == 1) == (table["item_id"] < 20)).all()
    assert len(table) == 300 * 20


def test_ease_scores_what_was_bought_alike_in_both_forms() -> None:
    model = Ease(ridge=2.0).fit(log_of({1: "abcdef", 2: "abg", 3: "cdh"}))
    X = model._X.toarray()
    P = np.linalg.inv(X.T @ X + 2 * np.eye(X.shape[1]))
    B = -P / np.diag(P)
    np.fill_diagonal(B, 0.0)
    np.testing.assert_allclose(model._score(np.arange(3)), X @ B, atol=1e-12)


def test_factors_may_be_whole_numbers_and_items_none() -> None:
    assert top_k([[1, 0]], [[1, 1], [3, 0]], k=3)[0].tolist() == [[1, 0, -1]]
    assert top_k(np.zeros((2, 2)), np.zeros((0, 2)), k=1)[0].tolist() == [[-1], [-1]]


def test_a_share_of_baskets_is_not_rounded_up_by_its_floating_point() -> None:
    """7 of 100 baskets are a share of 0.07, though 0.07 x 100 is 7.000000000000001."""
    frame = pd.DataFrame({"customer_id": [*range(100), *range(7)], "item_id": ["a"] * 100 + ["b"] * 7})
    frame["timestamp"] = pd.Timestamp("2024-01-01").as_unit("us")
    assert len(bought_together(InteractionLog.read(frame, quiet=True), least=0.07).pairs) == 1


def test_ties_on_the_last_part_of_the_past_do_not_know_what_becomes_popular() -> None:
    """Before the cut a and z tie; afterwards everybody buys z, which must not put it first."""
    rows = [(1, 0, "a"), (2, 0, "z"), *((c, 1, "m") for c in range(3, 15)), *((c, 9, "z") for c in (3, 4, 5, 6))]
    frame = pd.DataFrame(rows, columns=["customer_id", "day", "item_id"])
    frame["timestamp"] = (pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.pop("day"), unit="D")).astype(
        "datetime64[us]"
    )
    held = HeldOut.of(Purchases.read(InteractionLog.read(frame, quiet=True)), new=True)
    assert held is not None
    assert held.ndcg(lambda who: np.ones((len(who), 3)), new=True, k=1).tolist() == [0.0] * len(held.who)


def test_candidates_that_would_be_told_of_less_than_they_ask_for_are_refused() -> None:
    viewing = CoOccurrence(evidence=Evidence({"purchase": 1.0, "view": 0.2}))
    with pytest.raises(DataContractError, match="other kinds"):
        AutoRecommender(candidates=[viewing]).fit(log_of(WORLD))
    with pytest.raises(DataContractError, match="whole log"):
        AutoRecommender(candidates=[TwoStage()]).fit(log_of(WORLD))


def test_whoever_bought_long_ago_is_still_known() -> None:
    rows = [(c, "2020-01-01" if c < 5 else "2024-01-01", i) for c in range(10) for i in "abc"[: 1 + c % 3]]
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "item_id"])
    frame["timestamp"] = pd.to_datetime(frame["timestamp"]).astype("datetime64[us]")
    model = CoOccurrence(evidence=Evidence(half_life="1d")).fit(InteractionLog.read(frame, quiet=True))
    assert model.recommend([0], k=2)["source"].tolist() == ["co-occurrence"] * 2


def test_repeats_cannot_be_judged_without_a_clock() -> None:
    """What is hidden is all rows of a pair, so never a repeat: it must not speak against a model of repeats."""
    rows = [(c, i) for c in range(12) for i in "abcdef"[: 1 + c % 6]]
    frame = pd.DataFrame(rows, columns=["customer_id", "item_id"])
    frame["timestamp"] = pd.Timestamp("2024-01-01").as_unit("us")
    auto = AutoRecommender("next").fit(InteractionLog.read(frame, quiet=True))
    assert isinstance(auto.chosen_, NextBasket)
    assert len(auto.trials_) == 0


@pytest.mark.slow
def test_files_of_customers_by_hash_give_the_same_purchases(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    frame = pd.DataFrame({
        "customer_id": [f"c{i:03d}" for i in draw.integers(0, 200, 3000)], "item_id": [f"i{i}" for i in draw.integers(0, 30, 3000)],
        "order_id": draw.integers(0, 5, 3000).astype(str), "kind": np.where(draw.random(3000) < 0.5, "purchase", "view"),
    })  # fmt: skip
    frame["order_id"] = frame["customer_id"] + frame["order_id"]
    frame["timestamp"] = (
        pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 9000, 3000), unit="min")
    ).astype("datetime64[us]")
    frame.to_parquet(tmp_path / "log.parquet")
    evidence = Evidence({"purchase": 1.0, "view": 0.2})
    whole = Purchases.read(InteractionLog.read(frame, quiet=True), None, evidence)
    parts = Purchases.read(InteractionLog.read(tmp_path / "log.parquet", memory="10KB", quiet=True), None, evidence)
    for name in ("customers", "items", "owners", "starts", "time", "bought", "weight", "item", "basket"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name), err_msg=name)
