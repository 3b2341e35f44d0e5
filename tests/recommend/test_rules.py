"""What may be offered, and how lists are mixed: each rule on a world that a pencil can check."""

import numpy as np
import pandas as pd
import pytest

from crmintel.errors import DataContractError, DataTypeError
from crmintel.recommend import CoOccurrence, Popularity, Rules
from tests.recommend.worlds import answer, log_of

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
# owners: a 5, b 4, c 3, d 2, e 1
WORLD = {1: "abcde", 2: "abcd", 3: "abc", 4: "ab", 5: "a"}
KIND = pd.Series({"a": "tea", "b": "tea", "c": "tea", "d": "cup", "e": "cup"})


@pytest.fixture(scope="module")
def popular() -> Popularity:
    return Popularity().fit(log_of(WORLD))


def test_blocked_pairs_are_not_offered_to_that_customer_alone(popular: Popularity) -> None:
    blocked = pd.DataFrame({"customer_id": [5, 99], "item_id": ["b", "c"]})
    table = popular.recommend([5, 4], k=2, exclude=None, rules=Rules(blocked=blocked))
    assert answer(table, 5) == ["a", "c"]
    assert answer(table, 4) == ["a", "b"]


def test_items_eligible_for_a_customer(popular: Popularity) -> None:
    allowed = pd.DataFrame({"customer_id": [5, 5, 4], "item_id": ["e", "c", "d"]})
    table = popular.recommend([5, 4, 3], k=3, eligible=allowed)
    assert (answer(table, 5), answer(table, 4), answer(table, 3)) == (["c", "e"], ["d"], [])


def test_boosts_move_items_up_and_zero_leaves_them_to_the_fallback(popular: Popularity) -> None:
    table = popular.recommend([99, 5], k=5, exclude=None, rules=Rules(boosts=pd.Series({"e": 10.0, "a": 0.0})))
    mine = table[table["customer_id"] == 5]
    assert mine["item_id"].tolist() == ["e", "b", "c", "d", "a"]
    assert mine["score"].tolist() == [10.0, 4.0, 3.0, 2.0, 0.0]
    assert mine["source"].tolist() == ["popularity"] * 4 + ["popular"]


def test_novelty_divides_by_owners_to_a_power(popular: Popularity) -> None:
    table = popular.recommend([5], k=2, exclude=None, rules=Rules(novelty=1.0))
    assert table["score"].tolist() == [1.0, 1.0]
    assert (
        CoOccurrence(low_rank=0).fit(log_of(WORLD)).recommend([5], k=4, rules=Rules(novelty=1.0))["item_id"].iloc[0]
        != "a"
    )


def test_stock_goes_to_the_highest_scores_and_the_others_get_their_next(popular: Popularity) -> None:
    table = popular.recommend([11, 12, 13], k=2, rules=Rules(stock=pd.Series({"a": 1, "b": 2, "c": 0})))
    assert table["item_id"].value_counts().to_dict() == {"b": 2, "d": 2, "a": 1, "e": 1}
    assert "c" not in set(table["item_id"])
    assert answer(table, 11) == ["a", "b"]


def test_quotas_hold_for_a_category_or_for_all(popular: Popularity) -> None:
    table = popular.recommend([99], k=4, rules=Rules(categories=KIND, quota=1))
    assert answer(table, 99) == ["a", "d"]
    table = popular.recommend([99], k=4, rules=Rules(categories=KIND, quota={"tea": 2}))
    assert answer(table, 99) == ["a", "b", "d", "e"]


def test_diversity_prefers_what_is_unlike_the_list(popular: Popularity) -> None:
    table = popular.recommend([5], k=2, exclude=None, rules=Rules(categories=KIND, diversity=0.9))
    assert answer(table, 5) == ["a", "d"]
    plain = popular.recommend([5], k=2, exclude=None, rules=Rules(categories=KIND))
    assert answer(plain, 5) == ["a", "b"]


def test_diversity_without_categories_goes_by_owners() -> None:
    """x and y have the same owners, z others: after x comes z."""
    world = dict.fromkeys(range(1, 8), "xy") | dict.fromkeys(range(8, 14), "z")
    model = Popularity().fit(log_of(world))
    assert answer(model.recommend([1], k=2, exclude=None), 1) == ["x", "y"]
    assert answer(model.recommend([1], k=2, exclude=None, rules=Rules(diversity=0.7)), 1) == ["x", "z"]


def test_calibration_follows_the_mix_of_what_was_bought() -> None:
    """Customer 1 bought half tea, half cups: so is the list, though teas are more popular."""
    world = {1: "tu"} | dict.fromkeys(range(2, 12), "abcd") | dict.fromkeys(range(12, 15), "wxyz")
    kinds = pd.Series(dict.fromkeys("tabcd", "tea") | dict.fromkeys("uwxyz", "cup"))
    model = Popularity().fit(log_of(world))
    assert answer(model.recommend([1], k=4), 1) == ["a", "b", "c", "d"]
    mixed = model.recommend([1], k=4, rules=Rules(categories=kinds, calibration=0.9))["item_id"].map(kinds)
    assert mixed.value_counts().to_dict() == {"tea": 2, "cup": 2}


def test_least_score_hands_over_to_the_fallback(popular: Popularity) -> None:
    table = popular.recommend([5], k=5, exclude=None, rules=Rules(least_score=2.5))
    assert table["source"].tolist() == ["popularity"] * 3 + ["popular"] * 2
    bare = popular.recommend([5], k=5, exclude=None, rules=Rules(least_score=2.5, fill=False))
    assert answer(bare, 5) == ["a", "b", "c"]


def test_cold_customers_get_what_is_popular_in_their_segment_or_category() -> None:
    world = dict.fromkeys(range(1, 6), "ab") | dict.fromkeys(range(6, 9), "cd") | {9: "d"}
    model = CoOccurrence().fit(log_of(world))
    segments = pd.Series({c: "young" if c >= 6 else "old" for c in range(1, 10)} | {77: "young"})
    table = model.recommend([77, 78], k=3, rules=Rules(segments=segments))
    assert answer(table, 77) == ["d", "c", "a"]
    assert table["source"].tolist() == ["popular in segment"] * 2 + ["popular"] * 4
    kinds = pd.Series({"a": "tea", "b": "tea", "c": "cup", "d": "cup"})
    liked = model.recommend([77], k=2, rules=Rules(segments=segments, categories=kinds, liked=pd.Series({77: "tea"})))
    assert answer(liked, 77) == ["a", "b"]
    assert set(liked["source"]) == {"popular in category"}


def test_row_85_items_without_a_category_are_unknown_and_stay(popular: Popularity) -> None:
    table = popular.recommend([99], k=5, rules=Rules(categories=KIND.drop("e"), quota={"unknown": 0}))
    assert answer(table, 99) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (Rules(diversity=2), "diversity is 2"), (Rules(calibration=-1), "calibration is -1"), (Rules(novelty=np.nan), "novelty"),
        (Rules(least_score=-1), "least_score is -1"), (Rules(quota=1), "needs the categories"), (Rules(calibration=0.5), "needs the categories"),
        (Rules(quota=1.5, categories=KIND), "whole number"), (Rules(boosts=pd.Series({"a": -1.0})), "below 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(popular: Popularity, rules: Rules, said: str) -> None:
    with pytest.raises(DataContractError, match=said):
        popular.recommend([5], rules=rules)


def test_wrong_kinds_are_named(popular: Popularity) -> None:
    with pytest.raises(DataTypeError, match="blocked is no frame"):
        popular.recommend([5], rules=Rules(blocked=[(5, "a")]))
    with pytest.raises(DataTypeError, match="boosts cannot be a list"):
        popular.recommend([5], rules=Rules(boosts=[1, 2]))
    with pytest.raises(DataTypeError, match="eligible cannot be a str"):
        popular.recommend([5], eligible="a")
    with pytest.raises(DataContractError, match="twice"):
        popular.recommend([5, 5], rules=Rules(blocked=pd.DataFrame({"customer_id": [5], "item_id": ["a"]})))


def test_threads_and_progress_change_nothing(popular: Popularity, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (popular.recommend(k=3, threads=t, progress=t == 2) for t in (1, 2))
    pd.testing.assert_frame_equal(one, two)
