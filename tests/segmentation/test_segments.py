"""Segments, tiers and stages: answers a pencil can check, then the laws they keep."""

from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from crmintel import InteractionLog, Policies
from crmintel.datasets import simulate
from crmintel.errors import DataContractError, DataTypeError
from crmintel.evaluation.intervals import wilson
from crmintel.segmentation import CHINESE, RFM, STAGES, EightTypes, Grid, ValueTiers, lifecycle_stage, return_rates
from crmintel.segmentation.lifecycle import Rhythm
from crmintel.segmentation.types import NAMES, PROSPECT, TYPES

pytestmark = [
    pytest.mark.slow,  # `make check` stays under 90 seconds without them
    pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning"),
]

AT = "2024-03-01"


def log_of(*rows: tuple[int, str, float]) -> InteractionLog:
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "amount"])
    return InteractionLog.read(frame.astype({"timestamp": "datetime64[us]"}), policies=Policies())


@pytest.fixture(scope="module")
def simulated() -> InteractionLog:
    return simulate(600, days=500, seed=3).log()


FIVE = [
    (c, f"2024-02-{d:02d}", a) for c, d, a in [(1, 1, 10.0), (2, 8, 20.0), (3, 15, 30.0), (4, 22, 40.0), (5, 29, 50.0)]
]


def test_five_customers_get_five_scores() -> None:
    table = RFM().fit(log_of(*FIVE), at=AT).segments()
    assert table["r"].tolist() == [1, 2, 3, 4, 5]
    assert table["m"].tolist() == [1, 2, 3, 4, 5]
    assert table["f"].tolist() == [1, 1, 1, 1, 1]


def test_every_cell_of_the_grid_has_one_name() -> None:
    assert set(NAMES) == {(r, f) for r in range(1, 6) for f in range(1, 6)}


def test_a_newcomer_is_scored_by_the_cuts_that_were_learned() -> None:
    model = RFM().fit(log_of(*FIVE), at=AT)
    scored = model.score(log_of((9, "2024-02-29", 1000.0)), at=AT)
    assert scored[["r", "f", "m"]].to_numpy().tolist() == [[5, 1, 5]]


def test_a_customer_who_only_returned_is_a_prospect() -> None:
    table = RFM().fit(log_of(*FIVE, (6, "2024-02-03", -5.0)), at=AT).segments()
    assert table.loc[6, ["r", "f", "m"]].tolist() == [0, 0, 0]
    assert table.loc[6, "segment"] == "prospects"


def test_money_is_net_of_returns_and_may_be_the_lowest_score() -> None:
    table = RFM().fit(log_of(*FIVE, (5, "2024-02-29", -30.5), (4, "2024-02-23", -60.0)), at=AT).segments()
    assert table["monetary"].tolist() == [10.0, 20.0, 30.0, -20.0, 19.5]
    assert table["m"].tolist() == [2, 4, 5, 1, 3]
    assert table["f"].tolist() == [1, 1, 1, 1, 1]
    assert table["r"].tolist() == [1, 2, 3, 4, 5]  # a return is no purchase


def test_row_74_equal_values_get_equal_scores_and_row_order_is_irrelevant(simulated: InteractionLog) -> None:
    table = RFM().fit(simulated, at=simulated.end).segments()
    bought = table[table["frequency"] > 0]
    for value, score in (("recency_days", "r"), ("frequency", "f"), ("monetary", "m")):
        assert (bought.groupby(value)[score].nunique() == 1).all()
    shuffled = InteractionLog.read(simulated.to_pandas().sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(RFM().fit(shuffled, at=shuffled.end).segments(), table)


def test_row_73_equal_amounts_give_one_score_and_no_missing() -> None:
    table = RFM().fit(log_of(*[(c, d, 7.0) for c, d, _ in FIVE]), at=AT).segments()
    assert table["m"].nunique() == 1
    assert table.notna().all().all()


def test_row_14_one_customer_makes_no_segments() -> None:
    with pytest.raises(DataContractError, match=r"1 customers bought .* at least 2"):
        RFM().fit(log_of((1, "2024-02-01", 5.0), (1, "2024-02-02", 5.0)), at=AT)


def test_tiers_by_hand() -> None:
    log = log_of((1, "2024-02-01", 80.0), (2, "2024-02-01", 15.0), (3, "2024-02-01", 5.0), (4, "2024-02-01", 0.0))
    tiers = ValueTiers().fit(log, at=AT)
    assert tiers.tiers()["tier"].tolist() == ["A", "B", "C", "Z"]
    assert tiers.summary()["cents"].tolist() == [8000, 1500, 500, 0]


def test_tier_totals_add_up_to_the_cent(simulated: InteractionLog) -> None:
    tiers = ValueTiers().fit(simulated, at="2100-01-01")
    cents = np.rint(simulated.to_pandas().query("kind in ('purchase', 'return')")["amount"] * 100).sum()
    assert int(tiers.summary()["cents"].sum()) == int(cents)
    assert tiers.summary()["customers"].sum() == len(simulated.customers)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=30))
def test_a_richer_customer_is_never_in_a_lower_tier(money: list[int]) -> None:
    log = log_of(*[(i + 1, "2024-02-01", float(m)) for i, m in enumerate(money)])
    tiers = ValueTiers().fit(log, at=AT).tiers().sort_values("contribution", ascending=False)
    assert tiers["tier"].tolist() == sorted(tiers["tier"])


def test_tiers_need_amounts() -> None:
    frame = pd.DataFrame({"customer_id": [1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    with pytest.raises(DataContractError, match="need amounts"):
        ValueTiers().fit(InteractionLog.read(frame), at=AT)


def visits(customer: int, start: str, gap: int, number: int) -> list[tuple[int, str, float]]:
    days = pd.date_range(start, periods=number, freq=pd.Timedelta(days=gap))
    return [(customer, str(d), 1.0) for d in days]


def test_stages_follow_each_customer_s_own_rhythm() -> None:
    weekly, monthly = visits(1, "2023-01-01", 7, 50), visits(2, "2023-01-01", 30, 14)
    rest = [v for c in range(3, 40) for v in visits(c, "2023-01-01", 15, 20)]
    at = pd.Timestamp(weekly[-1][1]) + pd.Timedelta(days=40)  # six weekly gaps, about one monthly gap
    late_monthly = [v for v in monthly if pd.Timestamp(v[1]) < at]
    table = lifecycle_stage(log_of(*weekly, *late_monthly, *rest), at=at)
    assert table.loc[1, "stage"] == "lost"
    assert table.loc[2, "silence"] < 1.5 < 4 < table.loc[1, "silence"]


def test_a_customer_back_after_a_long_silence_is_reactivated() -> None:
    rest = [v for c in range(3, 40) for v in visits(c, "2023-01-01", 10, 40)]
    back = [*visits(1, "2023-01-01", 10, 6), (1, "2024-02-25", 1.0)]
    assert lifecycle_stage(log_of(*back, *rest), at="2024-02-26").loc[1, "stage"] == "reactivated"


def test_every_customer_has_a_known_stage(simulated: InteractionLog) -> None:
    table = lifecycle_stage(simulated, at=simulated.end)
    assert set(table["stage"]) <= set(STAGES)
    assert table["own_gap_days"].between(0.5, 1000).all()


def test_customers_who_left_are_found_lost_more_often_than_those_who_stayed() -> None:
    world = simulate(1500, days=700, seed=5)
    log = world.log()
    stage = lifecycle_stage(log, at=log.end)["stage"]
    gone = world.truth.set_index("customer_id")["churned_at"].reindex(stage.index) < log.end - pd.Timedelta(days=180)
    late = stage.isin(["lost", "dormant"])
    assert late[gone].mean() > 2 * late[~gone].mean()


@pytest.mark.slow
def test_online_retail_adds_up(data: Path) -> None:
    log = InteractionLog.read(
        data / "online_retail" / "interactions.parquet", policies=Policies(on_missing="drop"), timezone="Europe/London"
    )
    summary = ValueTiers().fit(log, at="2012-01-01").summary()
    assert summary["customers"].sum() == 4_372
    assert summary["cents"].sum() == 830_006_581


# Scores: laws


ROWS = st.lists(
    st.tuples(st.integers(1, 12), st.integers(1, 28), st.sampled_from([-5.0, -0.0, 0.0, 0.1, 0.2, 0.3, 7.0, 50.0])),
    min_size=6,
    max_size=60,
)


def history(rows: list[tuple[int, int, float]]) -> list[tuple[int, str, float]]:
    """Rows with two customers who bought for certain, so that segments can be made."""
    return [*((c, f"2024-02-{d:02d}", a) for c, d, a in rows), (13, "2024-02-01", 1.0), (14, "2024-02-02", 2.0)]


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(ROWS, st.randoms(use_true_random=False), st.sampled_from([Grid(), EightTypes(), EightTypes("median")]))
def test_scores_keep_their_laws(rows: list[tuple[int, int, float]], random: object, naming: Grid | EightTypes) -> None:
    told = history(rows)
    model = RFM(naming=naming).fit(log_of(*told), at=AT)
    table = model.segments()
    bought = table[table["frequency"] > 0]
    for value, score in (("recency_days", "r"), ("frequency", "f"), ("monetary", "m")):
        assert (bought.groupby(value)[score].nunique() == 1).all()
        rising = bought.sort_values(value)[score].to_numpy()
        assert (np.diff(rising) * (-1 if score == "r" else 1) >= 0).all()
        assert bought[score].between(1, 5).all()
    never = table[table["frequency"] == 0]
    assert (never[["r", "f", "m"]] == 0).all().all()
    assert never["rfm_score"].isna().all()
    assert set(never["segment"]) <= {PROSPECT}
    assert PROSPECT not in set(bought["segment"])
    shuffled = list(told)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = RFM(naming=naming).fit(log_of(*shuffled), at=AT)
    pd.testing.assert_frame_equal(again.segments(), table, check_exact=True)
    pd.testing.assert_frame_equal(model.score(log_of(*shuffled), at=AT), table, check_exact=True)
    assert all((again.cuts_[c] == model.cuts_[c]).all() for c in model.cuts_)


def test_scores_are_those_of_a_plain_loop(simulated: InteractionLog) -> None:
    table = RFM().fit(simulated, at=simulated.end).segments()
    bought = table[table["frequency"] > 0]
    for value, score in (("recency_days", "r"), ("frequency", "f"), ("monetary", "m")):
        worth = [-v if score == "r" else v for v in bought[value]]
        rising = sorted(worth)
        cuts = [rising[int(np.ceil(len(rising) * q / 5)) - 1] for q in (1, 2, 3, 4)]
        assert bought[score].tolist() == [1 + sum(c < v for c in cuts) for v in worth]


def test_any_instant_looks_at_its_own_past_only(simulated: InteractionLog) -> None:
    at = simulated.start + (simulated.end - simulated.start) / 2
    table = RFM().fit(simulated, at=at).segments()
    pd.testing.assert_frame_equal(RFM().fit(simulated.before(at), at=at).segments(), table)
    assert table["recency_days"].min() > 0


def test_sizes_tell_the_customers_and_the_money_of_every_cell(simulated: InteractionLog) -> None:
    model = RFM().fit(simulated, at=simulated.end)
    table, sizes = model.segments().query("r > 0"), model.sizes()
    assert sizes["customers"].sum() == len(table)
    assert round(sizes["money"].sum() * 100) == round(table["monetary"].sum() * 100)
    for cell in sizes.itertuples():
        here = table[(table["r"] == cell.r) & (table["f"] == cell.f)]
        assert len(here) == cell.customers
        assert set(here["segment"]) == {cell.segment}


def test_row_74_heavy_ties_leave_scores_empty_and_sizes_say_so() -> None:
    once = [(c, "2024-02-01", 1.0) for c in range(1, 10)]
    model = RFM().fit(log_of(*once, (10, "2024-02-01", 1.0), (10, "2024-02-20", 1.0)), at=AT)
    table = model.segments()
    assert table["f"].tolist() == [1] * 9 + [5]
    assert table["r"].tolist() == [1] * 9 + [5]  # the nine lie on every cut-point, and are better than none
    sizes = model.sizes()
    assert sizes[["r", "f", "customers", "money"]].to_numpy().tolist() == [[1, 1, 9, 9.0], [5, 5, 1, 2.0]]
    assert sizes["segment"].tolist() == ["hibernating", "champions"]


def test_row_73_all_alike_are_one_segment_by_the_stated_rule() -> None:
    rows = [(c, "2024-02-01", 0.1) for c in range(1, 8)]
    table = RFM().fit(log_of(*rows), at=AT).segments()
    assert table[["r", "f", "m"]].to_numpy().tolist() == [[1, 1, 1]] * 7
    assert set(table["segment"]) == {"hibernating"}
    for usual in ("mean", "median"):
        types = RFM(naming=EightTypes(usual)).fit(log_of(*rows), at=AT).segments()
        assert set(types["segment"]) == {"important, valued"}  # who equals the usual customer is better


def test_row_75_subnormal_and_negative_zero_amounts() -> None:
    rows = [(1, 0.0), (2, -0.0), (3, 5e-324), (4, 2.5e-310), (5, 1.0)]
    log = log_of(*[(c, "2024-02-01", a) for c, a in rows])
    table = RFM().fit(log, at=AT).segments()
    assert table["monetary"].tolist() == [0.0, 0.0, 5e-324, 2.5e-310, 1.0]
    assert table["m"].tolist() == [1, 1, 3, 4, 5]
    assert not np.signbit(table["monetary"]).any()
    plain = RFM().fit(log_of(*[(c, "2024-02-01", abs(a)) for c, a in rows]), at=AT).segments()
    pd.testing.assert_frame_equal(plain, table, check_exact=True)
    tiers = ValueTiers().fit(log, at=AT)
    assert tiers.tiers()["tier"].tolist() == ["Z", "Z", "Z", "Z", "A"]


def test_sums_that_are_equal_on_paper_get_one_score() -> None:
    rest = [(c, "2024-02-01", float(c)) for c in range(3, 9)]
    model = RFM().fit(log_of((1, "2024-02-01", 0.3), (2, "2024-02-01", 0.1), (2, "2024-02-02", 0.2), *rest), at=AT)
    assert model.segments().loc[[1, 2], "m"].nunique() == 1
    assert model.cuts_["monetary"][0] == 0.3


@pytest.mark.parametrize("rows", [[], [(1, "2024-04-01", 5.0), (2, "2024-04-02", 5.0)]])
def test_row_11_nobody_before_the_instant_makes_no_segments(rows: list[tuple[int, str, float]]) -> None:
    with pytest.raises(DataContractError, match=r"0 customers bought .* at least 2"):
        RFM().fit(log_of(*rows), at=AT)
    assert lifecycle_stage(log_of(*rows), at=AT).empty


def test_row_13_one_row_makes_no_segments() -> None:
    with pytest.raises(DataContractError, match="1 customers bought"):
        RFM().fit(log_of((1, "2024-02-01", 5.0)), at=AT)
    assert lifecycle_stage(log_of((1, "2024-02-01", 5.0)), at=AT)["stage"].tolist() == ["new"]


# Weights, names and types


def test_weights_are_those_of_the_mean_score() -> None:
    log = log_of(*FIVE)
    plain, weighted = RFM().fit(log, at=AT).segments(), RFM(weights=(2, 1, 5)).fit(log, at=AT).segments()
    assert plain["rfm_score"].tolist() == pytest.approx([(s + 1 + s) / 3 for s in range(1, 6)])
    assert weighted["rfm_score"].tolist() == pytest.approx([(2 * s + 1 + 5 * s) / 8 for s in range(1, 6)])
    assert RFM(weights=(0, 0, 3)).fit(log, at=AT).segments()["rfm_score"].tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("weights", [(1, 1), (1, 1, -1), (0, 0, 0), (1, 1, np.nan), (1, 1, np.inf), "abc", None])
def test_weights_that_are_none_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(DataContractError, match="three numbers of at least 0"):
        RFM(weights=weights).fit(log_of(*FIVE), at=AT)


@pytest.mark.parametrize("naming", ["8", 8, EightTypes])
def test_a_naming_that_is_none_is_refused(naming: object) -> None:
    with pytest.raises(DataTypeError, match=r"Give Grid\(\) or EightTypes\(\)"):
        RFM(naming=naming).fit(log_of(*FIVE), at=AT)  # type: ignore[arg-type]


def without_amounts() -> InteractionLog:
    days = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-02-20"])
    return InteractionLog.read(pd.DataFrame({"customer_id": [1, 2, 2], "timestamp": days}))


def test_without_amounts_recency_and_frequency_are_scored() -> None:
    table = RFM().fit(without_amounts(), at=AT).segments()
    assert table.columns.tolist() == ["recency_days", "frequency", "r", "f", "rfm_score", "segment"]
    assert table["rfm_score"].tolist() == [1.0, 3.0]
    with pytest.raises(DataContractError, match="no amounts, and money was scored in fit"):
        RFM().fit(log_of(*FIVE), at=AT).score(without_amounts(), at=AT)
    with pytest.raises(DataContractError, match="eight types need amounts"):
        RFM(naming=EightTypes()).fit(without_amounts(), at=AT)
    assert "m" not in RFM().fit(without_amounts(), at=AT).score(log_of(*FIVE), at=AT)


EIGHT = {  # each customer is better than the mean in R, F, M as the digits say
    "111": "重要价值客户", "101": "重要发展客户", "011": "重要保持客户", "001": "重要挽留客户",
    "110": "一般价值客户", "100": "一般发展客户", "010": "一般保持客户", "000": "一般挽留客户",
}  # fmt: skip


def eight() -> InteractionLog:
    rows = []
    for customer, (r, q, m) in enumerate(EIGHT, start=1):
        last, number, money = (20 if r == "1" else 3), (3 if q == "1" else 1), (30.0 if m == "1" else 6.0)
        rows += [(customer, f"2024-02-{last - i:02d}", money / number) for i in range(number)]
    return log_of(*rows)


@pytest.mark.parametrize("usual", ["mean", "median"])
def test_eight_types_by_hand_in_both_languages(usual: str) -> None:
    model = RFM(naming=EightTypes(usual)).fit(eight(), at=AT)  # type: ignore[arg-type]
    assert model.naming_.thresholds == {"recency_days": 18.5, "frequency": 2.0, "monetary": 18.0}
    assert model.segments(language="zh")["segment"].tolist() == list(EIGHT.values())
    english = model.segments()["segment"]
    assert english.tolist() == [TYPES[r == "1", q == "1", m == "1"] for r, q, m in EIGHT]
    assert english.nunique() == 8


def test_the_mean_and_the_median_part_customers_differently() -> None:
    rows = [(c, "2024-02-01", a) for c, a in zip(range(1, 6), [1.0, 2.0, 3.0, 4.0, 90.0], strict=True)]
    important = {}
    for usual in ("mean", "median"):
        types = RFM(naming=EightTypes(usual)).fit(log_of(*rows), at=AT).segments()["segment"]
        important[usual] = types.str.startswith("important").tolist()
    assert important["mean"] == [False] * 4 + [True]  # the mean is 20
    assert important["median"] == [False, False, True, True, True]  # 3 equals the median


def test_who_equals_a_mean_that_rounding_misses_is_better() -> None:
    rows = [(c, "2024-02-01", a) for c, a in zip((1, 2, 3), (0.1, 0.2, 0.3), strict=True)]
    types = RFM(naming=EightTypes()).fit(log_of(*rows), at=AT).segments()["segment"]
    assert types.tolist() == ["ordinary, valued", "important, valued", "important, valued"]


def test_newcomers_are_typed_by_the_thresholds_that_were_learned() -> None:
    model = RFM(naming=EightTypes()).fit(eight(), at=AT)
    assert model.score(log_of((9, "2024-02-28", 17.0)), at=AT)["segment"].tolist() == ["ordinary, to develop"]
    assert model.score(log_of((9, "2024-02-28", 18.0)), at=AT)["segment"].tolist() == ["important, to develop"]


def test_every_name_has_one_chinese_name() -> None:
    english = {*NAMES.values(), *TYPES.values(), PROSPECT}
    assert english == set(CHINESE)
    assert len(set(CHINESE.values())) == len(CHINESE) == 19
    assert set(NAMES.values()) == set(Grid().names)
    assert all(not n.isascii() for n in CHINESE.values())


def test_languages_name_the_same_segments(simulated: InteractionLog) -> None:
    model = RFM().fit(simulated, at=simulated.end)
    english, chinese = model.segments(), model.segments(language="zh")
    assert english["segment"].map(CHINESE).tolist() == chinese["segment"].tolist()
    named = [NAMES.get((r, q), PROSPECT) for r, q in zip(english["r"], english["f"], strict=True)]
    assert english["segment"].tolist() == named
    with pytest.raises(DataContractError, match="'en' or 'zh', not in 'de'"):
        model.segments(language="de")  # type: ignore[arg-type]
    with pytest.raises(DataContractError, match="'mean' or 'median'"):
        EightTypes("mode")  # type: ignore[arg-type]


def test_a_model_says_what_it_is() -> None:
    assert repr(RFM()) == "RFM by Grid, not fitted"
    assert repr(RFM(naming=EightTypes()).fit(log_of(*FIVE), at=AT)) == "RFM by EightTypes, fitted on 5 customers"


@pytest.mark.parametrize("ask", ["segments", "sizes", "shared"])
def test_before_fit_there_is_nothing_to_tell(ask: str) -> None:
    with pytest.raises(NotFittedError, match="not fitted"):
        getattr(RFM(), ask)()
    with pytest.raises(NotFittedError, match="not fitted"):
        RFM().score(log_of(*FIVE), at=AT)


def test_a_notebook_shows_the_sizes() -> None:
    assert "new customers" in RFM().fit(log_of(*FIVE), at=AT)._repr_html_()
    assert "<table" not in RFM()._repr_html_()


def test_sizes_are_told_in_chinese(simulated: InteractionLog) -> None:
    model = RFM().fit(simulated, at=simulated.end)
    assert model.sizes(language="zh")["segment"].tolist() == model.sizes()["segment"].map(CHINESE).tolist()
    with pytest.raises(DataContractError, match="'en' or 'zh'"):
        model.sizes(language="de")  # type: ignore[arg-type]


# What others may see


@pytest.mark.parametrize("fewest", [2, 10, 25])
def test_row_134_no_small_cell_is_shown_and_none_can_be_worked_out(simulated: InteractionLog, fewest: int) -> None:
    model = RFM().fit(simulated, at=simulated.end)
    sizes, shared = model.sizes(), model.shared(fewest)
    shut = shared["customers"].isna()
    assert (sizes["customers"] < fewest).any() or fewest == 2
    assert shut.any() or (sizes["customers"] >= fewest).all()
    assert not shut.all()
    assert (shared["money"].isna() == shut).all()
    assert (shared.loc[~shut, "customers"] >= fewest).all()
    assert (shared.loc[~shut, ["customers", "money"]] == sizes.loc[~shut, ["customers", "money"]]).all(axis=None)
    for line in ("r", "f", "segment"):
        for _, cells in sizes.assign(shut=shut).groupby(line):
            hidden = cells[cells["shut"]]
            assert hidden.empty or cells["shut"].all() or (len(hidden) > 1 and hidden["customers"].sum() >= fewest)


def test_row_134_one_small_cell_takes_another_one_with_it() -> None:
    """22 bought once long ago, three twice since then, and fifteen three times lately."""
    told = [(range(22), ["01-01"]), (range(22, 25), ["02-10", "02-11"]), (range(25, 40), ["02-20", "02-21", "02-22"])]
    model = RFM().fit(log_of(*[(c, f"2024-{d}", 1.0) for cs, days in told for c in cs for d in days]), at=AT)
    assert model.sizes()["customers"].tolist() == [22, 3, 15]
    assert model.shared()["customers"].isna().tolist() == [False, True, True]
    assert model.shared()["money"].tolist()[0] == 22.0
    assert model.shared(fewest=3).notna().all(axis=None)
    assert model.shared(language="zh")["segment"].tolist() == model.sizes(language="zh")["segment"].tolist()


# A window


def test_a_window_by_hand() -> None:
    """One who bought long ago is no prospect and has 1 in all; one who only returned is a prospect."""
    old = [(7, "2022-01-01", 900.0), (7, "2022-01-05", 900.0), (5, "2022-01-01", 70.0)]
    log = log_of(*FIVE, *old, (6, "2024-02-03", -5.0))
    model = RFM(window="365d").fit(log, at=AT)
    table = model.segments()
    assert table["frequency"].tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert table["monetary"].tolist() == [10.0, 20.0, 30.0, 40.0, 50.0, -5.0, 0.0]
    assert table.loc[7, "recency_days"] == 786.0
    assert table["r"].tolist() == [1, 2, 3, 4, 5, 0, 1]
    assert table["m"].tolist() == [1, 2, 3, 4, 5, 0, 1]
    assert table["f"].tolist() == [1, 1, 1, 1, 1, 0, 1]
    assert table["segment"].tolist()[-2:] == [PROSPECT, "hibernating"]
    assert model.cuts_["monetary"].tolist() == [10.0, 20.0, 30.0, 40.0]
    assert repr(model) == "RFM by Grid over 365d, fitted on 7 customers"
    with pytest.raises(DataContractError, match="0 customers bought before the instant, in the 10d that count"):
        RFM(window="10d").fit(log_of(*FIVE), at="2025-01-01")


def test_who_bought_nothing_in_the_window_has_1_in_money_whatever_others_lost() -> None:
    returned = [(c, "2024-02-28", -2.0 * a) for c, _, a in FIVE[:4]]
    table = RFM(window="365d").fit(log_of(*FIVE, *returned, (7, "2022-01-01", 70.0)), at=AT).segments()
    assert table["monetary"].tolist() == [-10.0, -20.0, -30.0, -40.0, 50.0, 0.0]
    assert table.loc[7, ["r", "f", "m"]].tolist() == [1, 1, 1]


def moves(window: str) -> tuple[float, float, float, float]:
    """In a base that is always the same: the shares who moved up and down within a year, by scores of f and m, and by tier."""
    rng = np.random.default_rng(7)
    pace, days = rng.gamma(2, 3, 1_500), 4 * 365  # purchases a year, all the time
    n = rng.poisson(pace * 4)
    customer = np.repeat(np.arange(len(n)), n)
    when = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, days, len(customer)), unit="D")
    frame = pd.DataFrame(
        {"customer_id": customer, "timestamp": when, "amount": rng.gamma(2, 20, len(customer)).round(2)}
    )
    log = InteractionLog.read(frame, policies=Policies(), quiet=True)
    first, second = "2022-12-01", "2023-12-01"
    model, tiers = RFM(window=window).fit(log, at=first), ValueTiers(window=window).fit(log, at=first)
    score = [m[m["r"] > 0][["f", "m"]].sum(axis=1) for m in (model.segments(), model.score(log, at=second))]
    step = score[1].reindex(score[0].index) - score[0]
    tier = [t["tier"].map({"A": 3, "B": 2, "C": 1, "Z": 0}) for t in (tiers.tiers(), tiers.score(log, at=second))]
    moved = tier[1].reindex(tier[0].index) - tier[0]
    return (step > 0).mean(), (step < 0).mean(), (moved > 0).mean(), (moved < 0).mean()


def test_with_a_window_a_stationary_base_moves_both_ways_and_without_one_only_up() -> None:
    up, down, better, worse = moves("365d")
    assert min(up, down, better, worse) > 0.1
    assert 0.8 < up / down < 1.25
    assert 0.8 < better / worse < 1.25
    up, down, better, worse = moves("all")
    assert down == worse == 0
    assert min(up, better) > 0.2


@pytest.mark.parametrize("window", ["a year", "0d", "-3d", "", 365, None, ["365d"]])
def test_a_window_that_is_none_is_refused(window: object) -> None:
    for log in (log_of(*FIVE), log_of(*FIVE).to_pandas()[["customer_id", "timestamp", "amount"]]):
        with pytest.raises(DataContractError, match=r"duration|window is"):
            RFM(window=window).fit(log, at=AT)  # type: ignore[arg-type]


# Return rates


def test_return_rates_by_hand() -> None:
    """Everybody's gaps have the mean 10, so everybody's own gap is 10 days."""
    start, days = pd.Timestamp("2024-01-01"), {1: (0, 9, 20), 2: (0, 2, 4, 30), 3: (-30, -25, -10)}
    log = log_of(*[(c, str(start + pd.Timedelta(days=d)), 1.0) for c, ds in days.items() for d in ds])
    at = start + pd.Timedelta(days=45)  # silent for 25, 15 and 55 days
    assert lifecycle_stage(log, at=at)["own_gap_days"].tolist() == pytest.approx([10, 10, 10])
    table = return_rates(log, at=at)
    assert table["stage"].tolist() == ["at risk", "dormant", "lost"]
    assert table["silence"].tolist() == [1.0, 2.0, 4.0]
    # the gaps of 11, 26 and 15 days are longer than what the others of their customers tell: 9.7, 4.6 and 8.0 days
    assert table["returned"].tolist() == [3, 1, 1]
    assert table["reached"].tolist() == [6, 3, 2]  # and the silences of 25, 15 and 55 days; 25 and 55; 55
    assert table["rate"].tolist() == pytest.approx([0.5, 1 / 3, 0.5])
    assert table.loc[1, ["low", "high"]].tolist() == [wilson(1, 3).low, wilson(1, 3).high]


def test_return_rates_are_those_of_a_plain_loop() -> None:
    world = simulate(250, days=400, seed=8)
    log = world.log()
    at = log.start + pd.Timedelta(days=300)
    stages, reached, returned = lifecycle_stage(log, at=at), {1.0: 0, 2.0: 0, 4.0: 0}, {1.0: 0, 2.0: 0, 4.0: 0}
    rows = world.interactions.query("kind == 'purchase' and timestamp < @at")
    days = rows.groupby("customer_id")["timestamp"].apply(lambda times: sorted(times.dt.normalize().unique()))
    gaps = [[(b - a).days for a, b in pairwise(of)] for of in days]
    told = [
        (np.mean(g), np.std(g, ddof=1) if len(g) > 1 else np.nan, len(g)) if g else (np.nan, np.nan, 0) for g in gaps
    ]
    rhythm = Rhythm.of(*(np.array(x, np.float64) for x in zip(*told, strict=True)))
    for multiple in reached:
        for own in gaps:
            for i, gap in enumerate(own):
                others = own[:i] + own[i + 1 :]
                usual = rhythm.own(np.array([np.mean(others) if others else np.nan]), np.array([float(len(others))]))[0]
                returned[multiple] += gap > multiple * usual
        reached[multiple] = returned[multiple] + int((stages["silence"] > multiple).sum())
    table = return_rates(log, at=at)
    assert table["returned"].tolist() == list(returned.values())
    assert table["reached"].tolist() == list(reached.values())
    assert min(returned.values()) > 20


def test_nobody_who_bought_has_no_return_rate() -> None:
    table = return_rates(log_of(), at=AT)
    assert table["reached"].tolist() == [0, 0, 0]
    assert table["rate"].isna().all()


# Real data


def test_cdnow_scores_are_those_of_a_query(data: Path) -> None:
    file, at = data / "cdnow" / "interactions.parquet", "1998-07-01"
    table = RFM().fit(InteractionLog.read(file), at=at).segments()
    scores = ", ".join(
        "1 + "
        + " + ".join(f"({value} > quantile_disc({value}, {q}) over ())::int" for q in (0.2, 0.4, 0.6, 0.8))
        + f" as {name}"
        for name, value in (("r", "-recency_days"), ("f", "frequency"), ("m", "cents"))
    )
    told = duckdb.connect().execute(
        "with base as (select customer_id, date_diff('day', max(timestamp), $at::timestamp) as recency_days, "
        "count(distinct timestamp::date) as frequency, sum(round(amount * 100)::bigint) as cents "
        f"from read_parquet($file) group by 1) select *, {scores} from base order by customer_id",
        {"at": at, "file": str(file)},
    ).df()  # fmt: skip
    assert len(table) == len(told) == 23_570
    assert table.index.tolist() == told["customer_id"].tolist()
    assert (table["recency_days"].to_numpy() == told["recency_days"].to_numpy()).all()
    assert (table["frequency"].to_numpy() == told["frequency"].to_numpy()).all()
    assert (np.rint(table["monetary"] * 100).to_numpy() == told["cents"].to_numpy(np.float64)).all()
    for score in ("r", "f", "m"):
        assert (table[score].to_numpy() == told[score].to_numpy()).all()
    assert table["f"].value_counts().to_dict().get(2, 0) == 0  # half of them bought once: a score stays empty
