"""Next baskets: pencil-sized answers, the published figures, and the laws that hold whatever the data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog
from crmintel.datasets import simulate
from crmintel.errors import DataContractError
from crmintel.recommend import (
    Blend,
    GlobalTopFrequency,
    NextBasket,
    PersonalGlobalTopFrequency,
    PersonalTopFrequency,
    Purchases,
    Recommender,
    Rules,
    TifuKnn,
    UpCf,
    replenishment,
)  # fmt: skip
from crmintel.recommend.baskets import LARGEST, Baskets
from crmintel.recommend.blend import Parts
from crmintel.recommend.blend_learning import learn

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
MODELS = [GlobalTopFrequency, PersonalTopFrequency, PersonalGlobalTopFrequency, TifuKnn, UpCf, NextBasket]
FIRST = pd.Timestamp("2024-01-01 08:00")


def log_of(histories: dict[int, list[str]], *, order: bool = True, gap: str = "1D") -> InteractionLog:
    """Customers and their baskets, one letter an item, a day apart; items of a basket a minute apart."""
    rows = [
        (c, FIRST + n * pd.Timedelta(gap) + pd.Timedelta(minutes=m), i, f"{c}/{n}")
        for c, baskets in histories.items()
        for n, basket in enumerate(baskets)
        for m, i in enumerate(basket)
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "item_id", "order_id"])
    return InteractionLog.read(frame if order else frame.drop(columns="order_id"))


def answer(model: Recommender, customer: int, k: int = 10, **options: object) -> list[str]:
    return model.recommend([customer], k=k, **options)["item_id"].tolist()  # type: ignore[arg-type]


def scores(model: Recommender, customer: int) -> dict[str, float]:
    table = model.recommend([customer], k=len(model.items_))
    return dict(zip(table["item_id"], table["score"], strict=True))


@pytest.fixture(scope="module")
def simulated() -> InteractionLog:
    return simulate(150, days=200, seed=2).log()


@pytest.fixture(scope="module", params=MODELS, ids=lambda m: m.__name__)
def model(request: pytest.FixtureRequest, simulated: InteractionLog) -> Recommender:
    return request.param().fit(simulated)  # type: ignore[no-any-return]


def test_baskets_hold_each_item_once_in_the_order_in_which_it_came() -> None:
    purchases = Purchases.read(log_of({1: ["bab", "a"], 2: ["c"]}))
    baskets = Baskets.of(purchases)
    assert purchases.items[baskets.item].tolist() == ["b", "a", "a", "c"]
    assert baskets.basket.tolist() == [0, 0, 1, 2]
    assert baskets.starts.tolist() == [0, 2, 3]
    assert baskets.age.tolist() == [1, 0, 0]
    assert baskets.popularity.tolist() == [2, 1, 1]


def test_without_order_ids_a_local_day_is_a_basket() -> None:
    log = log_of({1: ["a", "b", "c"], 2: ["a"]}, order=False, gap="10h")  # 08:00, 18:00, 04:00 of the next day
    assert Baskets.of(Purchases.read(log)).sizes.tolist() == [2, 1, 1]


def test_rows_whose_order_is_empty_are_of_their_day() -> None:
    frame = log_of({1: ["ab", "c"], 2: ["a"]}).to_pandas()
    frame["order_id"] = frame["order_id"].where(frame["customer_id"] == 2, None)
    assert Baskets.of(Purchases.read(InteractionLog.read(frame))).sizes.tolist() == [2, 1, 1]


def test_the_last_basket_is_told_apart_and_nobody_loses_an_only_one() -> None:
    past, last = Baskets.of(Purchases.read(log_of({1: ["a", "b"], 2: ["a"], 3: ["c", "c", "b"]}))).without_last()
    assert past.count.tolist() == [1, 1, 2]
    assert last.count.tolist() == [1, 0, 1]
    assert set(last.item) == {1}  # b, for both


def test_of_a_large_basket_the_items_bought_most_often_are_paired() -> None:
    many = pd.DataFrame(
        {"customer_id": 1, "timestamp": FIRST, "order_id": "x", "item_id": [f"i{n:03}" for n in range(LARGEST + 5)]}
    )
    often = many.iloc[-3:].assign(customer_id=2, order_id="y")
    purchases = Purchases.read(InteractionLog.read(pd.concat([many, often])))
    pairs, cut = Baskets.of(purchases).together()
    assert cut == 1
    place = purchases.items.get_indexer([f"i{LARGEST + 4}", f"i{LARGEST + 3}", f"i{LARGEST}"])
    assert pairs[place[0], place[1]] == 2
    assert pairs[[place[2]]].nnz == 0


def test_global_frequency_counts_baskets() -> None:
    assert answer(GlobalTopFrequency().fit(log_of({1: ["a", "aa", "a"], 2: ["b"], 3: ["b"]})), 2) == ["a", "b"]


def test_personal_frequency_counts_an_item_once_a_basket() -> None:
    model = PersonalTopFrequency().fit(log_of({1: ["aaa", "b", "b"], 2: ["c"]}))
    assert answer(model, 1, rules=Rules(fill=False)) == ["b", "a"]


def test_ties_go_to_the_item_that_the_customer_bought_first() -> None:
    log = log_of({1: ["zb", "a", "zba"], 2: ["a", "a"], 3: ["a"]})
    for model in (PersonalTopFrequency, PersonalGlobalTopFrequency):
        assert answer(model().fit(log), 1) == ["z", "b", "a"]


def test_personal_frequency_alone_may_give_less_than_a_full_list() -> None:
    log = log_of({1: ["a"], 2: ["b", "b", "c"], 3: ["d", "c", "c"]})
    assert answer(PersonalTopFrequency().fit(log), 1, rules=Rules(fill=False)) == ["a"]
    assert answer(PersonalGlobalTopFrequency().fit(log), 1, k=3) == ["a", "c", "b"]


def test_tifu_by_hand_groups_at_the_end_take_the_extra_baskets() -> None:
    """Five baskets in three groups: a alone, then b and c, then d and e."""
    model = TifuKnn(neighbours=1, within_decay=0.9, group_decay=0.5, alpha=1.0, groups=3)
    told = scores(model.fit(log_of({1: ["a", "b", "c", "d", "e"], 2: ["f"]})), 1)
    assert [told[i] for i in "abcde"] == pytest.approx([0.25 / 3, 0.225 / 3, 0.25 / 3, 0.45 / 3, 0.5 / 3])


def test_tifu_takes_the_nearest_other_customers() -> None:
    log = log_of({1: ["ab"], 2: ["abc"], 3: ["def"]})
    told = scores(TifuKnn(neighbours=1, alpha=0.7).fit(log), 1)
    assert [told[i] for i in "abc"] == pytest.approx([1.0, 1.0, 0.3])
    assert told["d"] == 0


def test_up_cf_by_hand() -> None:
    """Customer 1 has a and b, customer 2 b and c, a basket each: alike by 1 / (2^.5 · 2^.5 + 1) = 1/3, to the power of 2."""
    told = scores(UpCf(recency=1, asymmetry=0.5, locality=2, shrink=1).fit(log_of({1: ["d", "ab"], 2: ["bc"]})), 1)
    assert told == pytest.approx({"b": 1 + 1 / 9, "a": 1.0, "c": 1 / 9, "d": 0.0})


def test_the_blend_by_hand() -> None:
    """γ = .5: own a (½·½ + ½·1)... a is in both baskets, b in the first: a .75, b .25. Three baskets: a ⅔, b ⅔, c ⅓."""
    blend = Blend(decay=0.5, popularity=0.1, together=0.2)
    told = scores(NextBasket(blend=blend).fit(log_of({1: ["ab", "a"], 2: ["bc"]})), 1)
    company = {"a": 0.25 / (2 + 5), "b": 0.75 / (2 + 5), "c": 0.25 / (2 + 5)}  # own sums to 1
    own, share = {"a": 0.75, "b": 0.25, "c": 0.0}, {"a": 2 / 3, "b": 2 / 3, "c": 1 / 3}
    assert told == pytest.approx({i: own[i] + 0.1 * share[i] + 0.2 * company[i] for i in "abc"})


def test_own_rates_fade_by_basket_by_power_and_by_time() -> None:
    purchases = Purchases.read(log_of({1: ["a", "b"], 2: ["c"]}, gap="10D"))
    parts = Parts(Baskets.of(purchases))
    for blend, early in ((Blend(0.8), 0.8), (Blend(1.0, 2.0), 0.25), (Blend(1.0, half_life_days=5.0), 0.25)):
        row = parts.own(blend)[[0]].toarray()[0]
        assert row[purchases.items.get_indexer(["a", "b"])] == pytest.approx([early / 2, 1 / 2])


@pytest.mark.parametrize(
    ("window", "of_1", "of_2"),
    [
        ({}, [2 / 5, 1 / 5], [2 / 5, 1 / 5]),
        ({"weeks": 1}, [0, 1 / 2], [0, 1 / 2]),
        ({"weeks": 1, "each": True}, [1, 0], [0, 1 / 2]),
        ({"latest": 1}, [1 / 2, 0], [1 / 2, 0]),
    ],
)
def test_popularity_is_of_the_window_that_is_meant(
    window: dict[str, int], of_1: list[float], of_2: list[float]
) -> None:
    frame = pd.DataFrame({
        "customer_id": [1, 1, 2, 2, 2], "item_id": ["a", "a", "c", "b", "d"],
        "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-02-01", "2024-03-01", "2024-03-02"]),
    })  # fmt: skip
    purchases = Purchases.read(InteractionLog.read(frame))
    table, period = Parts(Baskets.of(purchases)).popular(Blend(**window))
    places = purchases.items.get_indexer(["a", "b"])
    assert table[period[0]][places].tolist() == of_1
    assert table[period[1]][places].tolist() == of_2


def test_equal_scores_go_to_the_more_popular_item() -> None:
    blend = Blend(decay=1.0, popularity=0.0, together=0.0)
    assert answer(NextBasket(blend=blend).fit(log_of({1: ["a", "z"], 2: ["z"], 3: ["z"]})), 1, k=2) == ["z", "a"]


def test_alike_customers_vote_and_nobody_votes_for_oneself() -> None:
    """Customers 1 and 2 share one item of two each: the only peer of 1 is 2."""
    blend = Blend(decay=1.0, popularity=0.0, together=0.0, alike=0.5)
    told = scores(NextBasket(blend=blend).fit(log_of({1: ["ab"], 2: ["bc"], 3: ["de"]})), 1)
    assert [told[i] for i in "abc"] == pytest.approx([1.0, 1.5, 0.5])


def test_repeats_are_offered_by_habit_and_left_out_on_request(model: Recommender) -> None:
    bought = {(c, i) for c, i in zip(*(model.history_.nonzero()), strict=True)}

    def places(table: pd.DataFrame) -> set[tuple[int, int]]:
        who, item = model.customers_.get_indexer(table["customer_id"]), model.items_.get_indexer(table["item_id"])
        return set(zip(who, item, strict=True))

    assert places(model.recommend()) & bought
    assert not places(model.recommend(exclude="bought")) & bought


def test_weights_are_learnt_from_last_baskets_without_looking_into_them() -> None:
    """Everybody always comes back for yesterday's item; what was bought often before is over."""
    log = log_of({c: [a, a, a, a, b, b] for c in range(60) for a, b in [("abcdefghij"[c % 10], "klmnopqrst"[c % 7])]})
    baskets = Baskets.of(Purchases.read(log))
    blend, trials = learn(baskets, 0, Blend())
    best = trials.loc[(trials["recall"] + trials["ndcg"]).idxmax()]
    assert blend == Blend(**{k: (None if pd.isna(v) else v) for k, v in best.drop(["recall", "ndcg"]).items()})
    past, last = baskets.without_last()
    assert (past.count == 5).all()
    assert (last.count == 1).all()
    same = learn(past, 0, Blend())[1]
    assert not same["recall"].equals(trials["recall"])


def test_last_baskets_of_items_that_nobody_had_before_cannot_be_told() -> None:
    frame = log_of({c: ["a", "ab", "b", "z"] for c in range(60)}).to_pandas()
    new = frame["item_id"] == "z"
    frame["item_id"] = frame["item_id"].where(~new, "z" + frame["customer_id"].astype(str))
    _, trials = learn(Baskets.of(Purchases.read(InteractionLog.read(frame))), 0, Blend())
    assert len(trials) > 50
    assert trials["recall"].max() == 0


def test_with_few_last_baskets_the_defaults_stay() -> None:
    model = NextBasket().fit(log_of({1: ["a", "b"], 2: ["a"]}))
    assert model.blend_ == Blend()
    assert len(model.trials_) == 0


@pytest.mark.parametrize(
    "options",
    [{"decay": 0.0}, {"decay": 1.1}, {"power": -1.0}, {"popularity": -0.1}, {"together": np.nan}, {"half_life_days": 0.0}, {"weeks": 0},
     {"weeks": 1, "latest": 1}, {"alike": np.inf}],
)  # fmt: skip
def test_weights_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(DataContractError):
        Blend(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "model", [TifuKnn(alpha=2), TifuKnn(neighbours=0), TifuKnn(within_decay=0), UpCf(recency=0), UpCf(shrink=-1)]
)
def test_parameters_out_of_range_are_refused(model: Recommender) -> None:
    with pytest.raises(DataContractError, match="at least 1"):
        model.fit(log_of({1: ["a"], 2: ["b"]}))


def due_log(days: dict[int, list[int]]) -> InteractionLog:
    """Customers and the days of 2024 on which they bought milk."""
    rows = [(c, FIRST + pd.Timedelta(days=d), "milk") for c, told in days.items() for d in told]
    return InteractionLog.read(pd.DataFrame(rows, columns=["customer_id", "timestamp", "item_id"]))


def test_a_repeat_cycle_by_hand() -> None:
    """Gaps 4, 10 and 6 of customer 1: median 6; customer 2: 12, 12. Usual: 9. Drawn: (3·6 + 2·9) / 5 and (2·12 + 2·9) / 4."""
    table = replenishment(due_log({1: [0, 4, 14, 20], 2: [0, 12, 24], 3: [1, 2]}), at="2024-01-26")
    assert table["customer_id"].tolist() == [1, 2]
    assert table["gap_days"].tolist() == pytest.approx([7.2, 10.5])
    assert table["due_in_days"].tolist() == [2, 10]  # due on days 27 and 35, of which 25 is today
    assert table["n"].tolist() == [4, 3]
    assert table["last"].tolist() == [pd.Timestamp("2024-01-21"), pd.Timestamp("2024-01-25")]
    assert table["due_at"].tolist() == [pd.Timestamp("2024-01-28"), pd.Timestamp("2024-02-05")]
    assert table["sentence"].tolist() == ["due again in 2 days", "due again in 10 days"]


@pytest.mark.parametrize(
    ("at", "said"),
    [("2024-01-21", "due again in 1 day"), ("2024-01-22", "due today"), ("2024-01-23", "overdue by 1 day"), ("2024-02-05", "overdue by 14 days")],
)  # fmt: skip
def test_what_is_due_is_said_in_words(at: str, said: str) -> None:
    log = due_log({1: [0, 7, 14], 2: [0]})
    assert replenishment(log, at=at)["sentence"].tolist() == [said]


def test_who_let_three_gaps_go_by_is_taken_to_have_stopped() -> None:
    log = due_log({1: [0, 7, 14], 2: [0]})
    assert len(replenishment(log, at="2024-02-05")) == 1
    assert len(replenishment(log, at="2024-02-06")) == 0
    assert len(replenishment(log, at="2024-02-06", patience=4)) == 1


def test_two_purchases_of_a_day_are_one_and_two_days_may_be_enough() -> None:
    log = due_log({1: [0, 0, 5], 2: [0]})
    assert len(replenishment(log)) == 0
    assert replenishment(log, least=2)["gap_days"].tolist() == [5.0]


def test_what_is_due_first_comes_first_and_only_some_are_told() -> None:
    rows = [(1, FIRST + pd.Timedelta(days=d), i) for i, gap in (("slow", 9), ("quick", 3)) for d in (0, gap, 2 * gap)]
    log = InteractionLog.read(
        pd.DataFrame([*rows, (2, FIRST, "slow")], columns=["customer_id", "timestamp", "item_id"])
    )
    assert replenishment(log, patience=9)["item_id"].tolist() == ["quick", "slow"]
    assert replenishment(log, patience=9, most=1)["item_id"].tolist() == ["quick"]
    assert len(replenishment(log, customers=[2, 3])) == 0


@pytest.mark.parametrize("options", [{"least": 1}, {"least": 2.5}, {"most": 0}, {"patience": 0}])
def test_cycles_that_cannot_be_meant_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(DataContractError):
        replenishment(due_log({1: [0, 7, 14]}), **options)  # type: ignore[arg-type]


def test_later_rows_do_not_change_what_is_due() -> None:
    early, late = due_log({1: [0, 7, 14], 2: [0]}), due_log({1: [0, 7, 14, 30, 31], 2: [0, 40, 50, 60]})
    at = "2024-01-18"
    pd.testing.assert_frame_equal(replenishment(early, at=at), replenishment(late, at=at))


FIGURES = {
    ("dc", GlobalTopFrequency): (0.1606, 0.0839, 0.2326), ("dc", PersonalTopFrequency): (0.3945, 0.3138, 0.4880),
    ("dc", PersonalGlobalTopFrequency): (0.4496, 0.3345, 0.5466), ("tms", GlobalTopFrequency): (0.2599, 0.1639, 0.4562),
    ("tms", PersonalTopFrequency): (0.4389, 0.3422, 0.6292), ("tms", PersonalGlobalTopFrequency): (0.4434, 0.3437, 0.6342),
}  # fmt: skip
BLENDS = {
    "dc": (Blend(decay=0.9, popularity=0.1, together=0.3), (0.4589, 0.3354, 0.5546)),
    "tms": (Blend(decay=0.8, popularity=0.3, together=0.3), (0.5144, 0.4124, 0.7053)),
}


@pytest.fixture(scope="module", params=["dc", "tms"])
def sets(request: pytest.FixtureRequest, data: Path) -> tuple[str, InteractionLog, pd.DataFrame]:
    """History, and the last basket of every customer."""
    frame = pd.read_parquet(data / "temporal_sets_dnntsp" / f"{request.param}.parquet")
    frame["customer_id"] = frame["split"] + "/" + frame["customer_id"]
    line = frame.groupby(["customer_id", "basket_index"]).cumcount()
    frame["timestamp"] = FIRST + pd.to_timedelta(frame["basket_index"], unit="D") + pd.to_timedelta(line, unit="s")
    frame["order_id"] = frame["customer_id"] + "/" + frame["basket_index"].astype(str)
    last = frame["basket_index"] == frame.groupby("customer_id")["basket_index"].transform("max")
    columns = ["customer_id", "timestamp", "order_id", "item_id"]
    return (
        request.param,
        InteractionLog.read(frame.loc[~last, columns]),
        frame.loc[last, ["customer_id", "item_id"]].drop_duplicates(),
    )


def figures(model: Recommender, log: InteractionLog, truth: pd.DataFrame) -> tuple[float, float, float]:
    """Recall, NDCG (ideal over all items of the basket) and hit rate of lists of ten, to four decimals."""
    size = truth.groupby("customer_id").size()
    lists = model.fit(log).recommend(size.index, rules=Rules(fill=not isinstance(model, PersonalTopFrequency)))
    right = lists.merge(truth, on=["customer_id", "item_id"])
    hits = right.groupby("customer_id").size().reindex(size.index, fill_value=0)
    gain = (1 / np.log2(right["rank"] + 1)).groupby(right["customer_id"]).sum().reindex(size.index, fill_value=0)
    ideal = np.cumsum(1 / np.log2(np.arange(2, 2 + size.max())))[size - 1]
    return round((hits / size).mean(), 4), round((gain / ideal).mean(), 4), round((hits > 0).mean(), 4)


@pytest.mark.slow
@pytest.mark.parametrize("model", [GlobalTopFrequency, PersonalTopFrequency, PersonalGlobalTopFrequency])
def test_the_baselines_have_their_figures(
    model: type[Recommender], sets: tuple[str, InteractionLog, pd.DataFrame]
) -> None:
    name, log, truth = sets
    assert figures(model(), log, truth) == FIGURES[name, model]  # type: ignore[index]


@pytest.mark.slow
def test_the_blend_with_given_weights_has_its_figures(sets: tuple[str, InteractionLog, pd.DataFrame]) -> None:
    name, log, truth = sets
    blend, told = BLENDS[name]
    assert figures(NextBasket(blend=blend), log, truth) == told


@pytest.mark.slow
def test_learnt_weights_are_ahead_of_tifu_and_of_weights_by_hand(
    sets: tuple[str, InteractionLog, pd.DataFrame],
) -> None:
    name, log, truth = sets
    ours, theirs = figures(NextBasket(), log, truth), figures(TifuKnn(), log, truth)
    floor = BLENDS[name][1]
    assert ours[0] >= max(theirs[0], floor[0])
    assert ours[1] >= max(theirs[1], floor[1]) + 0.005
