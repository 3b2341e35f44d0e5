"""Recommending: small worlds with one right answer, the promises every recommender keeps, a floor on real data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog, Policies
from crmintel import features as f
from crmintel.datasets import simulate
from crmintel.errors import DataContractError, DataContractWarning
from crmintel.evaluation import ndcg
from crmintel.recommend import CoOccurrence, Popularity, Recommender, Repeat

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
MODELS = [CoOccurrence, Popularity, Repeat]


def log_of(baskets: dict[int, str]) -> InteractionLog:
    """Customers and the items they bought, one letter each, a day apart."""
    rows = [
        (c, pd.Timestamp("2024-01-01") + pd.Timedelta(days=d), i)
        for c, items in baskets.items()
        for d, i in enumerate(items)
    ]
    return InteractionLog.read(
        pd.DataFrame(rows, columns=["customer_id", "timestamp", "item_id"]).astype({"timestamp": "datetime64[us]"})
    )


@pytest.fixture(scope="module")
def simulated() -> InteractionLog:
    return simulate(400, days=300, seed=2).log()


@pytest.fixture(params=MODELS, ids=lambda m: m.__name__)
def model(request: pytest.FixtureRequest, simulated: InteractionLog) -> Recommender:
    return request.param().fit(simulated)  # type: ignore[no-any-return]


def answer(table: pd.DataFrame, customer: int) -> list[str]:
    return table.loc[table["customer_id"] == customer, "item_id"].tolist()


def test_a_checkerboard_has_one_right_answer() -> None:
    """Even customers buy even items, odd ones odd items, and each lacks one: that one is next."""
    even, odd = "acegik", "bdfhjl"
    log = log_of({c: "".join(i for n, i in enumerate(even if c % 2 else odd) if n != c % 6) for c in range(1, 61)})
    table = CoOccurrence().fit(log).recommend(k=1)
    for c in range(1, 61):
        assert answer(table, c) == [(even if c % 2 else odd)[c % 6]]


def test_popularity_counts_customers_not_rows() -> None:
    table = Popularity().fit(log_of({1: "aaaa", 2: "b", 3: "b", 4: "c"})).recommend([4], k=3, exclude=None)
    assert answer(table, 4) == ["b", "a", "c"]  # equal owners: by name
    assert table["score"].tolist() == [2.0, 1.0, 1.0]


def test_repeat_ranks_what_was_bought_most_often() -> None:
    table = Repeat().fit(log_of({1: "abbcbc", 2: "d"})).recommend([1], k=9, exclude="new")
    assert answer(table, 1) == ["b", "c", "a"]


def test_co_occurrence_by_hand() -> None:
    """Customer 3 has a; customers 1 and 2 have a and b: b scores sum over both of owners^-.5 * size^-.8 * owners^-.4."""
    table = CoOccurrence().fit(log_of({1: "ab", 2: "ab", 3: "a", 4: "c"})).recommend([3], k=1)
    assert answer(table, 3) == ["b"]
    assert table["score"].tolist() == pytest.approx([2 * 3**-0.5 * 2**-0.8 * 2**-0.4])


def test_bought_items_are_left_out_or_the_only_ones_by_choice(model: Recommender, simulated: InteractionLog) -> None:
    bought = set(map(tuple, simulated.to_pandas().query("kind == 'purchase'")[["customer_id", "item_id"]].to_numpy()))
    new, again = (
        set(map(tuple, model.recommend(exclude=e)[["customer_id", "item_id"]].to_numpy())) for e in ("bought", "new")
    )
    assert not new & bought
    assert again <= bought


def test_the_answer_is_always_the_same_table(model: Recommender) -> None:
    table = model.recommend(k=5)
    assert table.columns.tolist() == ["customer_id", "item_id", "score", "rank", "source"]
    assert (table.groupby("customer_id")["rank"].apply(list).map(lambda r: r == list(range(1, len(r) + 1)))).all()
    assert not table.duplicated(["customer_id", "item_id"]).any()
    falling = (
        table[table["source"] != "popular"].groupby("customer_id")["score"].apply(lambda s: s.is_monotonic_decreasing)
    )
    assert falling.all()


def test_row_117_one_customer_is_told_as_in_the_batch(model: Recommender) -> None:
    batch = model.recommend(k=7)
    for c in model.customers_[:5]:
        alone = model.recommend([c], k=7)
        mine = batch[batch["customer_id"] == c].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, mine, check_exact=True)


def test_row_order_does_not_matter(model: Recommender, simulated: InteractionLog) -> None:
    shuffled = InteractionLog.read(simulated.to_pandas().sample(frac=1, random_state=3))
    again = type(model)().fit(shuffled).recommend(k=5)
    pd.testing.assert_frame_equal(again, model.recommend(k=5), check_exact=True)


def test_what_happens_after_the_instant_changes_nothing(model: Recommender, simulated: InteractionLog) -> None:
    at = "2023-06-01"
    before, whole = type(model)().fit(simulated.before(at)), type(model)().fit(simulated, at=at)
    pd.testing.assert_frame_equal(before.recommend(k=5), whole.recommend(k=5), check_exact=True)


def test_rows_83_and_86_unknown_customers_get_popular_items_marked_as_such(model: Recommender) -> None:
    table = model.recommend([10**9], k=4)
    assert table["item_id"].tolist() == model.items_[:4].tolist()
    if not isinstance(model, Popularity):
        assert set(table["source"]) == {"popular"}


def test_row_87_a_customer_who_bought_everything_gets_a_short_list() -> None:
    model = CoOccurrence().fit(log_of({1: "abc", 2: "ab"}))
    assert len(model.recommend([1], k=3)) == 0
    assert answer(model.recommend([2], k=3), 2) == ["c"]
    assert len(model.recommend([1], k=3, exclude="new")) == 3


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "3", None])
def test_row_88_k_must_be_a_whole_number(k: object) -> None:
    with pytest.raises(DataContractError, match="at least 1"):
        Popularity().fit(log_of({1: "a", 2: "b"})).recommend(k=k)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("default::crmintel.errors.DataContractWarning")
def test_row_88_k_above_the_catalogue_returns_all_and_says_so() -> None:
    model = Popularity().fit(log_of({1: "a", 2: "b"}))
    with pytest.warns(DataContractWarning, match="k is 9, but there are 2 items"):
        assert len(model.recommend([99], k=9)) == 2


@pytest.mark.parametrize("baskets", [{1: "ab"}, {1: "a", 2: "a"}])
def test_row_89_one_customer_or_one_item_is_too_few(baskets: dict[int, str]) -> None:
    with pytest.raises(DataContractError, match="at least 2 of each"):
        CoOccurrence().fit(log_of(baskets))


def test_only_eligible_items_are_offered(model: Recommender) -> None:
    stock = model.items_[5:15].tolist()
    assert set(model.recommend(k=5, eligible=stock)["item_id"]) <= set(stock)


def test_a_log_without_items_is_refused() -> None:
    frame = pd.DataFrame({"customer_id": [1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    with pytest.raises(DataContractError, match="no column 'item_id'"):
        Popularity().fit(InteractionLog.read(frame))


@pytest.mark.slow
def test_a_log_larger_than_memory_gives_the_same_lists(simulated: InteractionLog) -> None:
    spilled = InteractionLog.read(simulated.to_pandas(), memory="10KB")
    assert spilled.store.files
    pd.testing.assert_frame_equal(
        CoOccurrence().fit(spilled).recommend(k=3), CoOccurrence().fit(simulated).recommend(k=3)
    )


@pytest.mark.slow
def test_online_retail_beats_popularity_on_new_items_by_a_margin(data: Path) -> None:
    log = InteractionLog.read(data / "online_retail" / "interactions.parquet", policies=Policies(on_missing="drop"))
    at, past = "2011-09-01", log.before("2011-09-01")
    truth = f.next_items(log, at, "90d")
    bought = past.to_pandas().query("kind == 'purchase'")[["customer_id", "item_id"]].drop_duplicates()
    fresh = truth.merge(bought, how="left", indicator=True).query("_merge == 'left_only'")[["customer_id", "item_id"]]
    fresh = fresh[fresh["customer_id"].isin(bought["customer_id"])]
    who = np.unique(fresh["customer_id"])
    ours, popular = (ndcg(fresh, m.fit(past).recommend(who, k=10), k=10) for m in (CoOccurrence(), Popularity()))
    assert ours > 1.6 * popular
