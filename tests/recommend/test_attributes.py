"""Items by attributes: by hand, with the rules, and films that nobody had seen yet."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog, Policies
from crmintel.errors import DataContractError, DataTypeError
from crmintel.recommend import ByAttributes, CoOccurrence, Rules
from tests.recommend.worlds import answer, log_of

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
# a and b are teas, c is a cup; z (a tea) and y (a cup) were never bought
KINDS = pd.DataFrame({"kind": ["tea", "tea", "cup", "tea", "cup"]}, index=list("abczy"))
WORLD = {1: "aa", 2: "abc", 3: "c"}


def test_a_score_is_the_share_of_a_value_by_what_is_usual() -> None:
    """Of the five pairs of a customer and an item three are of teas, two of cups; customer 2 has two teas of three items."""
    model = ByAttributes(KINDS).fit(log_of(WORLD))
    table = model.recommend([2], k=5, exclude=None)
    told = dict(zip(table["item_id"], table["score"], strict=True))
    tea, cup = 2 / 3 / 0.6**0.5, 1 / 3 / 0.4**0.5
    assert told == pytest.approx(dict.fromkeys("abz", tea) | dict.fromkeys("cy", cup))
    assert answer(model.recommend([1], k=2), 1) == ["b", "z"]


def test_items_nobody_bought_come_last_at_ties_and_are_offered_last_by_the_fallback() -> None:
    model = ByAttributes(KINDS).fit(log_of(WORLD))
    assert model.items_.tolist() == ["a", "c", "b", "y", "z"]
    assert model.owners_.tolist() == [2, 2, 1, 0, 0]
    assert answer(model.recommend([2], k=5, exclude=None), 2) == ["a", "b", "z", "c", "y"]
    assert answer(model.recommend([99], k=5), 99) == ["a", "c", "b", "y", "z"]
    assert answer(model.recommend([3], k=4), 3) == ["y", "a", "b", "z"]  # teas fill: popular ones first


def test_numbers_are_cut_into_bands_and_what_is_missing_is_unknown() -> None:
    prices = pd.DataFrame({"item_id": list("abcdefghij"), "price": [1, 2, 3, 4, 5, 6, 7, 8, np.nan, np.inf]})
    model = ByAttributes(prices).fit(log_of({1: "a", 2: "k"}))
    bands = pd.Series(model._has.toarray().argmax(axis=1), index=model.items_)
    names = bands.map(dict(enumerate(model.values_.get_level_values("value"))))
    assert names[list("ijk")].tolist() == ["unknown"] * 3
    assert names[list("abcd")].tolist() == ["to 2.4", "to 2.4", "above 2.4 to 3.8", "above 3.8 to 5.2"]
    assert names["h"] == "above 6.6"
    assert answer(model.recommend([2], k=2), 2) == ["i", "j"]  # k is in no table: like it is what is unknown too


def test_row_85_an_item_with_several_values_has_several_rows() -> None:
    kinds = pd.DataFrame({"kind": ["tea", "gift", "gift", "tea", "tea"]}, index=list("aabcc"))
    model = ByAttributes(kinds, damp=0).fit(log_of({1: "a", 2: "b"}))
    assert model.recommend([1], k=3, exclude=None)["score"].tolist() == [2.0, 1.0, 1.0]


def test_the_base_ranks_what_was_bought_and_likeness_finds_the_rest_a_place() -> None:
    log = log_of({1: "ab", 2: "ab", 3: "a", 4: "c", 5: "c"})
    plain = CoOccurrence().fit(log).recommend([3], k=1)
    model = ByAttributes(KINDS, base=CoOccurrence(), weight=0.3).fit(log)
    table = model.recommend([3], k=4)
    assert answer(table, 3)[:2] == [plain["item_id"].iloc[0], "z"]
    known, like = (
        CoOccurrence().fit(log)._score(np.array([2]))[0],
        ByAttributes(KINDS).fit(log)._score(np.array([2]))[0],
    )
    factor = 0.3 * np.linalg.norm(known) / np.linalg.norm(like[:3])
    assert table["score"].iloc[:2].tolist() == pytest.approx([known[1] + factor * like[1], factor * like[4]])


def test_every_rule_holds_for_items_nobody_bought() -> None:
    model = ByAttributes(KINDS).fit(log_of(WORLD))
    kinds = KINDS["kind"]
    blocked = pd.DataFrame({"customer_id": [1], "item_id": ["z"]})
    assert "z" not in answer(model.recommend([1], k=5, rules=Rules(blocked=blocked)), 1)
    assert answer(model.recommend([1, 2], k=5, eligible=["z", "delisted"]), 1) == ["z"]
    assert answer(model.recommend([1], k=3, rules=Rules(categories=kinds, quota=1)), 1) == ["b", "c"]
    stock = model.recommend([1, 2], k=2, exclude=None, rules=Rules(stock=pd.Series({"a": 0, "b": 0, "z": 1})))
    assert stock["item_id"].tolist().count("z") == 1
    novel = model.recommend([1], k=2, exclude=None, rules=Rules(novelty=1.0))
    assert set(answer(novel, 1)) <= {"b", "z"}
    mixed = model.recommend([2], k=4, exclude=None, rules=Rules(categories=kinds, diversity=0.9, calibration=0.1))
    assert set(mixed["item_id"].iloc[:2].map(kinds)) == {"tea", "cup"}
    assert len(model.recommend([1], k=5, exclude=None, rules=Rules(diversity=0.5))) == 5
    assert not set(model.recommend(k=5, exclude="new")["item_id"]) & {"y", "z"}
    assert set(model.similar_items(["z", "a"])["item_id"]) == {"a"}


def test_integer_identifiers_and_the_index_of_a_frame() -> None:
    frame = log_of(WORLD).to_pandas().assign(item_id=lambda x: x["item_id"].map(ord))
    kinds = KINDS.set_axis([ord(i) for i in KINDS.index])
    model = ByAttributes(kinds).fit(InteractionLog.read(frame, quiet=True))
    assert [chr(int(i)) for i in model.recommend([1], k=2)["item_id"]] == ["b", "z"]


@pytest.mark.parametrize(
    ("items", "said"),
    [
        (KINDS[[]], "has no attributes"), (KINDS.set_axis([1, 2, 3, 4, 5]), "None of the 3 items bought"),
        (KINDS.set_axis(["a", None, "b", "c", "d"]), "1 rows of the table of items have no identifier"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_meant_are_refused(items: pd.DataFrame, said: str) -> None:
    with pytest.raises(DataContractError, match=said):
        ByAttributes(items).fit(log_of(WORLD))


def test_what_is_no_table_or_no_number_is_refused() -> None:
    with pytest.raises(DataTypeError, match="cannot be a dict"):
        ByAttributes({"a": "tea"}).fit(log_of(WORLD))  # type: ignore[arg-type]
    for options in ({"damp": 2.0}, {"weight": 0.0}):
        with pytest.raises(DataContractError, match="weight is"):
            ByAttributes(KINDS, **options).fit(log_of(WORLD))  # type: ignore[arg-type]


@pytest.mark.slow
def test_films_held_out_entirely_are_found_by_genre_and_year(data: Path) -> None:
    """A tenth of the films is in nobody's history; of them, those that a customer did see rank far above chance."""
    folder = data / "movielens_100k"
    seen = pd.read_parquet(folder / "interactions.parquet")[["customer_id", "timestamp", "item_id"]]
    films = pd.read_parquet(folder / "items.parquet")
    films = films.assign(
        item_id=films["item_id"].astype(seen["item_id"].dtype), **{"class": films["class"].str.split()}
    )
    films = films.explode("class")[["item_id", "class", "release_year"]]
    names = np.unique(seen["item_id"])
    cold = np.random.default_rng(0).choice(names, len(names) // 10, replace=False)
    past = InteractionLog.read(seen[~seen["item_id"].isin(cold)], quiet=True, policies=Policies())
    other = seen[seen["item_id"].isin(cold)]
    lists = ByAttributes(films).fit(past).recommend(k=2_000, eligible=cold, threads=1)
    hit = pd.MultiIndex.from_frame(lists[["customer_id", "item_id"]]).isin(
        pd.MultiIndex.from_frame(other[["customer_id", "item_id"]])
    )
    place = 1 - (lists["rank"] - 1) / (len(cold) - 1)  # 1 first, 0 last
    above = place[hit].groupby(lists["customer_id"][hit]).mean().mean()
    top = hit[lists["rank"] <= 10].mean() / hit.mean()
    assert above > 0.7
    assert top > 3
