"""Recommending: small worlds with one right answer, a floor on real data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog, Policies
from crmintel import features as f
from crmintel.datasets import simulate
from crmintel.errors import DataContractError
from crmintel.evaluation import ndcg
from crmintel.recommend import CoOccurrence, Popularity, Repeat
from tests.recommend.worlds import answer, log_of

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")


@pytest.fixture(scope="module")
def simulated() -> InteractionLog:
    return simulate(400, days=300, seed=2).log()


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
