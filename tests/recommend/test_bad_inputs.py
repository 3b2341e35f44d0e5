"""Rows 79 to 93 of the bad inputs, named by row: what they do to recommendations. What the door settles is tested there.

Row 80 (an order of two customers) and 82 (kinds never seen: no evidence) are settled at the door, row 85 in test_rules and
test_attributes; row 93 does not apply: categories are flat here, there is no tree to go round in.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog, Policies
from crmintel.errors import DataContractError, DataContractWarning
from crmintel.recommend import (
    ByAttributes,
    CoOccurrence,
    Ease,
    Evidence,
    GlobalTopFrequency,
    NextBasket,
    PersonalGlobalTopFrequency,
    PersonalTopFrequency,
    Popularity,
    Recommender,
    Repeat,
    Rules,
    TifuKnn,
    TwoStage,
    UpCf,
    bought_together,
)
from tests.recommend.worlds import answer, log_of

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
WORLD = {1: "abc", 2: "ab", 3: "bd", 4: "ad"}
KINDS = pd.DataFrame({"kind": ["x", "y", "x", "y"]}, index=list("abcd"))
EVERY: list[Callable[[], Recommender]] = [
    lambda: ByAttributes(KINDS), CoOccurrence, Ease, GlobalTopFrequency, NextBasket, PersonalGlobalTopFrequency, PersonalTopFrequency,
    Popularity, Repeat, TifuKnn, lambda: TwoStage("1d"), UpCf,
]  # fmt: skip


def rows(*told: tuple[object, ...], columns: str = "customer_id timestamp item_id") -> pd.DataFrame:
    frame = pd.DataFrame(told, columns=columns.split())
    return frame.assign(timestamp=pd.to_datetime(frame["timestamp"], format="ISO8601").astype("datetime64[us]"))


def test_row_79_a_double_load_changes_no_list_but_those_that_count_rows() -> None:
    frame = log_of(WORLD).to_pandas()
    twice = InteractionLog.read(pd.concat([frame, frame]), quiet=True)
    for kind in (CoOccurrence, Popularity, Ease, GlobalTopFrequency, TifuKnn, NextBasket):
        once, again = (kind().fit(log).recommend(k=4, exclude=None) for log in (log_of(WORLD), twice))
        pd.testing.assert_frame_equal(again, once)
    assert Repeat().fit(twice).recommend([2], exclude="new")["score"].tolist() == [2.0, 2.0]
    clean = InteractionLog.read(pd.concat([frame, frame]), quiet=True, policies=Policies(on_duplicate="drop"))
    assert Repeat().fit(clean).recommend([2], exclude="new")["score"].tolist() == [1.0, 1.0]


def test_row_81_lines_of_one_order_are_one_basket_for_pairs() -> None:
    """Three lines of a and b in one order, on two days: one basket, not three, and not two."""
    lines = rows(
        (1, "2024-01-01 23:59", "a", "o1"), (1, "2024-01-01 23:59", "b", "o1"), (1, "2024-01-02 00:01", "b", "o1"),
        (2, "2024-01-01", "a", "o2"), (2, "2024-01-01 12:00", "b", "o3"),
        columns="customer_id timestamp item_id order_id",
    )  # fmt: skip
    told = bought_together(InteractionLog.read(lines, quiet=True), least=1)
    assert told.baskets == 3
    assert told.pairs["baskets"].tolist() == [1]


@pytest.mark.parametrize("make", EVERY[:-2] + EVERY[-1:])
def test_row_83_what_is_delisted_or_unknown_is_never_offered(make: Callable[[], Recommender]) -> None:
    model = make().fit(log_of(WORLD))
    for exclude in ("bought", "new", None):
        table = model.recommend([1, 2, 99], k=4, exclude=exclude, eligible=["a", "c", "never seen"])  # type: ignore[arg-type]
        assert set(table["item_id"]) <= {"a", "c"}
    assert answer(model.recommend([99], k=4, eligible=["c", "d", "never seen"]), 99) == ["d", "c"]
    assert not len(model.similar_items(["never seen"]))


def test_row_84_a_missing_item_is_never_offered() -> None:
    frame = pd.concat(
        [log_of(WORLD).to_pandas(), rows((1, "2024-01-05", None), (5, "2024-01-05", None)).assign(kind="purchase")]
    )
    log = InteractionLog.read(frame, quiet=True, policies=Policies(on_missing_item="keep"))
    model = CoOccurrence().fit(log)
    assert model.items_.tolist() == ["a", "b", "d", "c"]
    assert model.customers_.tolist() == [1, 2, 3, 4]
    assert set(model.recommend([5], k=4)["source"]) == {"popular"}  # bought nothing that is known


def test_row_86_who_has_no_history_gets_a_list_of_the_asked_length() -> None:
    table = NextBasket().fit(log_of(WORLD)).recommend([99], k=3)
    assert table["item_id"].tolist() == ["a", "b", "d"]
    assert table["source"].tolist() == ["popular"] * 3


def test_row_87_a_customer_who_bought_everything_gets_a_short_list() -> None:
    model = CoOccurrence().fit(log_of({1: "abc", 2: "ab"}))
    assert len(model.recommend([1], k=3)) == 0
    assert answer(model.recommend([2], k=3), 2) == ["c"]
    assert len(model.recommend([1], k=3, exclude="new")) == 3


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "3", None])
def test_row_88_k_must_be_a_whole_number(k: object) -> None:
    model = CoOccurrence().fit(log_of(WORLD))
    for call in (model.recommend, model.similar_items):
        with pytest.raises(DataContractError, match="at least 1"):
            call(k=k)  # type: ignore[operator]


@pytest.mark.filterwarnings("default::crmintel.errors.DataContractWarning")
def test_row_88_k_above_the_catalogue_returns_all_and_says_so() -> None:
    model = Popularity().fit(log_of({1: "a", 2: "b"}))
    with pytest.warns(DataContractWarning, match="k is 9, but there are 2 items"):
        assert len(model.recommend([99], k=9)) == 2


@pytest.mark.parametrize("make", EVERY)
@pytest.mark.parametrize("world", [{1: "aabbab"}, {1: "aaaa", 2: "aaaaa"}])
def test_row_89_one_customer_or_one_item_is_too_few(make: Callable[[], Recommender], world: dict[int, str]) -> None:
    with pytest.raises(DataContractError, match="at least 2 of each"):
        make().fit(log_of(world))


def test_row_90_a_bot_hardly_changes_the_lists_of_others() -> None:
    """Two tastes of 40 items; a bot buys half of either, a hundred times each. Repeats do not count, and sizes of customers damp it."""
    rng = np.random.default_rng(0)
    tastes = np.arange(80).reshape(2, 40)
    people = np.arange(1, 121)
    bought = [(c, "2024-01-01", i) for c in people for i in rng.choice(tastes[c % 2], 6, replace=False)]
    bot = [(999, f"2024-02-01 00:{m:02d}:{s:02d}", i) for i in range(0, 80, 2) for m in range(10) for s in range(10)]
    clean, flooded = (InteractionLog.read(rows(*told), quiet=True) for told in (bought, bought + bot))

    def kept(a: float) -> float:
        lists = [CoOccurrence(a=a, low_rank=0).fit(log).recommend(people, k=5) for log in (clean, flooded)]
        return len(lists[0].merge(lists[1], on=["customer_id", "item_id"])) / len(lists[0])

    assert kept(0.4) > 0.9
    assert kept(0.0) < 0.75  # without the power of sizes a third of the lists would be the bot's doing
    table = CoOccurrence().fit(flooded).recommend(people, k=5)
    assert (table["item_id"] // 40 == table["customer_id"] % 2).mean() > 0.95


def test_row_90_units_count_by_their_logarithm() -> None:
    frame = log_of({1: "ab", 2: "bc"}).to_pandas().assign(quantity=[1.0, 1.0, 1.0, 1e6])
    model = CoOccurrence(evidence=Evidence(quantity=True)).fit(InteractionLog.read(frame, quiet=True))
    assert model._R.max() == pytest.approx(np.log2(1 + 1e6))


@pytest.mark.parametrize("make", [Popularity, CoOccurrence, Repeat, NextBasket, lambda: ByAttributes(KINDS)])
def test_row_91_a_return_is_no_purchase(make: Callable[[], Recommender]) -> None:
    """Customer 4 only returned: has no history; the bundle's lines stay as they are."""
    frame = log_of(WORLD).to_pandas().assign(kind="purchase")
    back = rows((4, "2024-01-06", "c"), (5, "2024-01-06", "d")).assign(kind="return")
    plain, model = (make().fit(InteractionLog.read(f, quiet=True)) for f in (frame, pd.concat([frame, back])))
    assert model.owners_.tolist() == plain.owners_.tolist()
    pd.testing.assert_frame_equal(model.recommend(k=4), plain.recommend(k=4))
    assert set(model.recommend([5], k=3)["source"]) == {"popular"} or isinstance(model, Popularity)


def test_row_92_odd_texts_are_items_like_others() -> None:
    odd = [
        "=1+1",
        "购买",
        " a ",
        "a\nb",
        "é",
        "e\u0301",
        "NaN",
        "\U0001f600",
        "x" * 1_000,
        "'; drop table",
        "a\tb",
        "None",
    ]
    frame = rows(*((c, f"2024-01-{1 + n:02d}", odd[(c + n) % len(odd)]) for c in range(1, 25) for n in range(4)))
    model = CoOccurrence().fit(InteractionLog.read(frame, quiet=True))
    assert set(model.items_) == set(odd)
    table = model.recommend(k=3, rules=Rules(categories=pd.Series("kind", index=model.items_), quota=3))
    assert set(table["item_id"]) <= set(model.items_)
    assert len(model.recommend([1], k=len(odd), exclude=None)) == len(odd)
