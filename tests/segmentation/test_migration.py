"""Moves between segments: four customers by hand, laws of reconciliation, then simulations whose truth is known."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from crmintel import InteractionLog, Policies
from crmintel import features as f
from crmintel.datasets import simulate
from crmintel.errors import DataContractError, DataTypeError, LeakageError
from crmintel.segmentation import RFM, ValueTiers, lifecycle_stage
from crmintel.segmentation import chains as t
from crmintel.segmentation.migration import GONE, NOT_YET, Migration, migration, transitions

pytestmark = [
    pytest.mark.slow,  # `make check` stays under 90 seconds without them
    pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning"),
]

NAMES = ["customer_id", "timestamp", "amount"]
FOUR = pd.DataFrame({1: ["A", "A", "B", None], 2: ["A", "B", "B", "A"]}, index=["p", "q", "r", "s"])
TRUE = np.array([
    [0.90, 0.05, 0.03, 0.018, 0.002],
    [0.10, 0.70, 0.10, 0.08, 0.02],
    [0.02, 0.20, 0.60, 0.15, 0.03],
    [0.05, 0.05, 0.20, 0.60, 0.10],
    [0.01, 0.04, 0.05, 0.10, 0.80],
])  # fmt: skip


def stepped(rng: np.random.Generator, source: np.ndarray, chain: np.ndarray) -> np.ndarray:
    """The next state of each customer."""
    return (rng.random(len(source))[:, None] > chain.cumsum(axis=1)[source][:, :-1]).sum(axis=1)


def walked(rng: np.random.Generator, n: int, chains: list[np.ndarray]) -> np.ndarray:
    """States of n customers who start evenly; shape (n, number of chains + 1)."""
    states = [rng.integers(0, len(chains[0]), n)]
    for chain in chains:
        states.append(stepped(rng, states[-1], chain))
    return np.stack(states, axis=1)


def cell(frame: pd.DataFrame, source: str, target: str) -> Any:
    return frame[(frame["source"] == source) & (frame["target"] == target)].iloc[0]


def log_of(*rows: tuple[Any, str, float]) -> InteractionLog:
    frame = pd.DataFrame(rows, columns=NAMES)
    return InteractionLog.read(frame.astype({"timestamp": "datetime64[us]"}))


# by hand


def test_four_customers_by_hand() -> None:
    moved = transitions(FOUR)
    counts = {(r.source, r.target): r.customers for r in moved.counts.itertuples()}
    assert counts == {("A", "A"): 1, ("A", "B"): 1, ("B", "A"): 0, ("B", "B"): 1, (NOT_YET, "A"): 1}
    assert moved.matrix().loc["A", ["A", "B"]].tolist() == [0.5, 0.5]
    assert moved.matrix(0).equals(moved.matrix())
    assert moved.flows.drop(columns=["at", "to"]).to_numpy().tolist() == [
        ["A", 2, 0, 1, 1, 2, 0],
        ["B", 1, 1, 0, 0, 2, 1],
    ]
    assert moved.change.empty
    assert moved.memory.empty
    assert moved.at_stake.empty


def test_who_has_no_segment_any_more_is_gone_and_may_come_back() -> None:
    states = pd.DataFrame({1: ["A", "A"], 2: [None, "A"], 3: ["A", None]}, index=[7, 8])
    moved = transitions(states)
    first = moved.counts[moved.counts["at"] == 1]
    assert cell(first, "A", GONE)["customers"] == 1
    assert cell(moved.counts[moved.counts["at"] == 2], GONE, "A")["customers"] == 1
    assert moved.flows[moved.flows["segment"] == GONE][["at_start", "went_out", "at_end"]].to_numpy().tolist() == [
        [0, 0, 1],
        [1, 1, 1],
    ]
    assert NOT_YET not in moved.matrix().index


def test_jeffreys_ends_are_beta_quantiles_and_touch_0_and_1() -> None:
    rate = cell(transitions(pd.DataFrame({1: ["A"] * 10, 2: ["A"] * 8 + ["B"] * 2})).rates, "A", "B")
    assert [rate["low"], rate["high"]] == pytest.approx([0.0441, 0.5028], abs=1e-4)  # Brown et al. 2001, table 5
    stayed = transitions(pd.DataFrame({1: ["A"] * 10 + ["B"], 2: ["A"] * 10 + ["B"]})).rates
    assert cell(stayed, "A", "A")["high"] == 1.0
    assert cell(stayed, "A", "B")["low"] == 0.0


def test_a_row_of_nobody_has_no_rate_and_says_so() -> None:
    moved = transitions(pd.DataFrame({1: ["A", "A"], 2: ["A", "B"]}))
    rate = cell(moved.rates, "B", "A")
    assert (rate["of"], rate["low"], rate["high"]) == (0, 0.0, 1.0)
    assert np.isnan(rate["rate"])
    assert "nobody was seen leaving B" in moved.note


def test_the_design_effect_of_customers_who_always_do_the_same_is_their_number_of_moves() -> None:
    always = np.repeat([[0, 0, 0, 0]], 300, axis=0)
    codes = np.vstack([always, np.repeat([[0, 1, 0, 1]], 3, axis=0)])
    effect = t.design_effect(codes, 4)
    n, k = 300 * 3 + 3 * 2, 6
    p = k / n
    by_hand = (300 * (3 * p) ** 2 + 3 * (2 - 2 * p) ** 2) / (n * p * (1 - p)) * 303 / 302
    assert effect[0, 1] == pytest.approx(by_hand)
    assert effect[1, 0] == pytest.approx(1.0)  # every one of three goes back, once each


def test_labels_of_your_own_may_be_numbers_and_keep_the_order_given() -> None:
    states = pd.DataFrame({1: [2, 10, None], 2: [10, 10, 2]})
    assert transitions(states).segments == ("10", "2")
    assert transitions(states, segments=["2", "10", "30"]).segments == ("2", "10", "30")


def test_holm_by_hand() -> None:
    assert t.holm(np.array([0.04, 0.01, 0.5])).tolist() == pytest.approx([0.08, 0.03, 0.5])


def test_g2_by_hand() -> None:
    expected = 2 * (30 * np.log(1.5) + 10 * np.log(0.5) + 10 * np.log(0.5) + 30 * np.log(1.5))
    assert t.g2(np.array([[30, 10], [10, 30]])) == pytest.approx(expected)


# steady state


def states_of(table: dict[tuple[str | None, str | None], int]) -> pd.DataFrame:
    return pd.DataFrame([pair for pair, n in table.items() for _ in range(n)], columns=[1, 2])


def test_the_steady_state_of_two_segments_is_solved_by_hand() -> None:
    moved = transitions(states_of({("A", "A"): 90, ("A", "B"): 10, ("B", "A"): 30, ("B", "B"): 70}))
    shares = moved.steady_state.set_index("segment")
    assert shares["share"].tolist() == pytest.approx([0.75, 0.25])  # .3 / (.1 + .3)
    assert (shares["low"] < shares["share"]).all()
    assert (shares["share"] < shares["high"]).all()
    assert moved.note == ""


def test_leavers_are_replaced_by_newcomers() -> None:
    table = {("A", "A"): 80, ("A", None): 20, ("B", "B"): 60, ("B", "A"): 40, (None, "B"): 10}
    shares = transitions(states_of(table)).steady_state.set_index("segment")["share"]
    assert shares.tolist() == pytest.approx([2 / 3, 1 / 3])  # A loses .2 to B (through newcomers), B loses .4 to A


def test_a_base_that_only_loses_customers_has_no_steady_state() -> None:
    moved = transitions(states_of({("A", "A"): 8, ("A", None): 2}))
    assert "the base runs empty" in moved.note
    assert moved.steady_state["share"].isna().all()


def test_an_absorbing_segment_is_told() -> None:
    moved = transitions(states_of({("A", "A"): 8, ("A", "lost"): 2, ("lost", "lost"): 5}))
    assert moved.steady_state["share"].tolist() == pytest.approx([0, 1])
    assert moved.note == "Everyone ends in lost."
    assert moved.note in repr(moved)


def test_with_two_absorbing_segments_shares_depend_on_the_start() -> None:
    table = {("A", "L"): 25, ("A", "W"): 75, ("L", "L"): 10, ("W", "W"): 10, ("L2", "A"): 10}
    moved = transitions(states_of(table))
    last = np.array([10, 35, 85]) / 130
    expected = [0, last[1] + last[0] / 4, 0, last[2] + last[0] * 3 / 4]
    assert moved.steady_state["share"].tolist() == pytest.approx(expected)
    assert "never leaves it: L; or W" in moved.note


# laws


@st.composite
def random_states(draw: st.DrawFn) -> pd.DataFrame:
    n, periods = draw(st.integers(1, 25)), draw(st.integers(2, 4))
    label = st.sampled_from(["A", "B", "C", None])
    rows = draw(st.lists(st.lists(label, min_size=periods, max_size=periods), min_size=n, max_size=n))
    rows[0][-1] = "A"  # somebody is known
    return pd.DataFrame(rows, columns=range(periods), dtype=object)


@settings(max_examples=12, deadline=None)
@given(random_states())
def test_rows_and_columns_reconcile_with_the_customers_of_each_instant(states: pd.DataFrame) -> None:
    moved = transitions(states)
    begun = states.notna().to_numpy().cumsum(axis=1) > 0
    for p, (at, to) in enumerate(moved.periods):
        counts = moved.counts[(moved.counts["at"] == at) & (moved.counts["to"] == to)]
        flows = moved.flows[moved.flows["at"] == at].set_index("segment")
        assert counts.loc[counts["source"] != NOT_YET, "customers"].sum() == begun[:, p].sum()
        assert counts["customers"].sum() == begun[:, p + 1].sum()
        for segment in moved.segments:
            assert flows.loc[segment, "at_start"] == (states[p] == segment).sum()
            assert flows.loc[segment, "at_end"] == (states[p + 1] == segment).sum()
        for end, side in (("at_start", "source"), ("at_end", "target")):
            sums = counts[counts[side] != NOT_YET].groupby(side)["customers"].sum()
            assert flows[end].to_dict() == sums.reindex(flows.index, fill_value=0).to_dict()
        net = flows["came_in"] + flows["newcomers"] - flows["went_out"]
        assert (flows["at_start"] + net == flows["at_end"]).all()
        assert (flows["net"] == net).all()
    known = moved.rates[moved.rates["of"] > 0]
    assert known.groupby("source")["rate"].sum().to_numpy() == pytest.approx(1)
    assert (known["low"] <= known["rate"] + 1e-12).all()
    assert (known["rate"] <= known["high"] + 1e-12).all()
    share = moved.steady_state["share"]
    assert share.isna().all() or share.sum() == pytest.approx(1)


@settings(max_examples=8, deadline=None)
@given(random_states(), st.randoms(use_true_random=False))
def test_row_order_changes_no_bit(states: pd.DataFrame, random: Any) -> None:
    order = list(range(len(states)))
    random.shuffle(order)
    assert_same(transitions(states), transitions(states.iloc[order]))


FRAMES = ("counts", "rates", "flows", "change", "steady_state", "memory", "at_stake")


def assert_same(one: Migration, two: Migration) -> None:
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name), check_exact=True)


# simulations


def covered(codes: np.ndarray, size: int, truth: np.ndarray) -> np.ndarray:
    _, _, low, high = t.rates(codes, size)
    k = len(truth)
    return (low[:k, :k] <= truth) & (truth <= high[:k, :k])


@pytest.mark.parametrize("customers", [300, 1000])
def test_intervals_of_one_period_hold_the_truth_in_93_to_97_of_100_bases(customers: int) -> None:
    rng = np.random.default_rng(0)
    hit = np.mean([covered(walked(rng, customers, [TRUE]), 7, TRUE) for _ in range(500)], axis=0)
    assert 0.93 <= hit.mean() <= 0.97
    assert hit.min() > 0.90


def stayers(rng: np.random.Generator, n: int, periods: int) -> tuple[np.ndarray, np.ndarray]:
    """35 % of customers who stay where they are in 85 of 100 cases more; and the pooled rates of the whole population."""
    sticky = 0.15 * TRUE + 0.85 * np.eye(5)
    stay = rng.random(n) < 0.35
    states = [rng.integers(0, 5, n)]
    for _ in range(periods):
        states.append(np.where(stay, stepped(rng, states[-1], sticky), stepped(rng, states[-1], TRUE)))
    of, moves = np.zeros(5), np.zeros((5, 5))
    for share, chain in ((0.35, sticky), (0.65, TRUE)):
        at = np.full(5, share / 5)
        for _ in range(periods):
            of, moves, at = of + at, moves + at[:, None] * chain, at @ chain
    return np.stack(states, axis=1), moves / of[:, None]


@pytest.mark.slow
def test_pooled_intervals_allow_for_customers_who_count_several_times() -> None:
    rng = np.random.default_rng(1)
    hit = np.mean([covered(codes, 7, truth) for codes, truth in (stayers(rng, 800, 6) for _ in range(300))], axis=0)
    assert 0.93 <= hit.mean() <= 0.97
    assert np.diag(hit).mean() >= 0.93  # without the design effect 0.917


def change(rng: np.random.Generator, n: int, chains: list[np.ndarray]) -> list[t.Verdict]:
    codes = walked(rng, n, chains)
    halves = [[np.where(codes[:, p] == i, codes[:, p + 1], -1) for p in (0, 1)] for i in range(len(chains[0]))]
    found = [t.change_of_row(a, b, 7, rng) for a, b in halves]
    return [v for v in found if v is not None]


@pytest.mark.slow
@pytest.mark.parametrize(("n", "method"), [(4000, t.CHI_SQUARE), (150, t.PERMUTED)])
def test_without_a_change_5_of_100_p_values_are_below_5_percent(n: int, method: str) -> None:
    rng = np.random.default_rng(2)
    p = [v.p for _ in range(200 if n > 1000 else 100) for v in change(rng, n, [TRUE, TRUE]) if v.method == method]
    assert len(p) > 300
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.08


def test_a_real_change_is_found_in_its_row_and_only_there() -> None:
    later = TRUE.copy()
    later[1] = [0.05, 0.50, 0.25, 0.15, 0.05]
    codes = walked(np.random.default_rng(3), 4000, [TRUE, later])
    states = pd.DataFrame(np.array(list("ABCDE"))[codes], columns=["one", "two", "three"])
    found = transitions(states).change.set_index("source")
    assert found.loc["B", "p_adjusted"] < 0.001
    assert (found.drop(index="B")["p_adjusted"] > 0.05).all()
    assert found.loc["B", "df"] == 4
    assert (found["at"] == "two").all()


def test_a_change_in_small_rows_is_found_by_permutation() -> None:
    before = [("A", "A", "A")] * 2 + [("B", "A", "B")] * 12
    new = [(None, "A", "B")] * 3
    old = [("A", "C", "C")] * 9
    found = transitions(pd.DataFrame(before + new + old, columns=[1, 2, 3])).change.set_index("source")
    assert found.loc["A", "method"] == t.PERMUTED
    assert found.loc["A", "p"] < 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("n", "method"), [(6000, t.CHI_SQUARE), (200, t.SHUFFLED)])
def test_a_chain_without_memory_is_rejected_in_5_of_100_bases(n: int, method: str) -> None:
    rng = np.random.default_rng(4)
    chain = 0.5 * TRUE + 0.1
    found = [t.memory(walked(rng, n, [chain, chain]), 7, rng) for _ in range(200 if n > 1000 else 60)]
    assert {v.method for v in found if v is not None} == {method}
    assert 0.0 <= np.mean([v is not None and v.p < 0.05 for v in found]) <= 0.11


def test_memory_is_found_where_some_customers_never_move() -> None:
    codes, _ = stayers(np.random.default_rng(5), 3000, 3)
    moved = transitions(pd.DataFrame(np.array(list("ABCDE"))[codes], columns=["a", "b", "c", "d"]))
    assert moved.has_memory
    assert "only a rough guide" in repr(moved)
    assert "assumes constant rates and no memory" in repr(moved)


@pytest.mark.slow
def test_the_interval_of_the_steady_state_holds_the_truth() -> None:
    chain = np.array([[0.8, 0.2], [0.3, 0.7]])
    rng, hits = np.random.default_rng(6), 0
    for _ in range(200):
        counts = np.zeros((4, 4), np.int64)
        counts[:2, :2] = t.moves(walked(rng, 400, [chain]), 2 + 2)[0, :2, :2]
        steady = t.steady_state(counts, np.ones((4, 4)), np.array([0.5, 0.5]), ["A", "B"], rng)
        hits += bool(steady.low[0] <= 0.6 <= steady.high[0])
    assert 0.91 <= hits / 200 <= 0.985


# from a log


def visits(log: InteractionLog, at: Any) -> pd.Series:
    return log.before(at).to_pandas().groupby("customer_id").size().map(lambda n: "often" if n > 1 else "once")


def test_a_log_by_hand_with_text_identifiers() -> None:
    rows = [("p", "2024-01-05", 1.0), ("q", "2024-01-06", 1.0), ("p", "2024-02-05", 1.0), ("r", "2024-02-29", 1.0)]
    log = log_of(*rows)
    moved = migration(log, visits, ["2024-02-01", "2024-03-01"])
    assert moved.periods == [(pd.Timestamp("2024-02-01"), pd.Timestamp("2024-03-01"))]
    assert cell(moved.counts, "once", "often")["customers"] == 1
    assert cell(moved.counts, NOT_YET, "once")["customers"] == 1
    assert "the log ends before 29 days" in moved.note


def staked() -> InteractionLog:
    """Twenty who buy once and later for 10; twelve who come twice and later buy for 4, one of them returning 12."""
    rows = [(c, "2024-01-05", 1.0) for c in range(32)] + [(c, "2024-02-05", 1.0) for c in range(20, 32)]
    rows += [(c, "2024-03-05", 10.0) for c in range(20)] + [(c, "2024-03-05", 4.0) for c in range(20, 32)]
    return log_of(*rows, (20, "2024-03-06", -12.0), (99, "2024-06-01", 1.0))


def test_value_at_stake_by_hand() -> None:
    moved = migration(staked(), visits, ["2024-02-01", "2024-03-01"], horizon="30d")
    flow = moved.at_stake.iloc[0]
    assert len(moved.at_stake) == 1
    assert (flow["source"], flow["target"], flow["customers"]) == ("once", "often", 12)
    assert flow["value_per_customer"] == pytest.approx(10 - (12 * 4 - 12) / 12)
    assert flow["value"] == pytest.approx(7 * 12)
    assert flow["low"] < 7 < flow["high"]


def test_the_order_in_which_a_segmenter_tells_customers_changes_no_bit() -> None:
    at = ["2024-02-01", "2024-03-01"]
    log = log_of(*[(r[0], str(r[1]), r[2] + r[0] / 7) for r in staked().to_pandas()[NAMES].itertuples(index=False)])
    moved = migration(log, visits, at, horizon="30d")
    mixed = migration(log, lambda log, at: visits(log, at).sample(frac=1, random_state=7), at, horizon="30d")
    assert len(moved.at_stake)
    assert_same(mixed, moved)


def test_another_label_can_be_at_stake() -> None:
    flow = migration(staked(), visits, ["2024-02-01", "2024-03-01"], value=f.orders, horizon="30d").at_stake.iloc[0]
    assert flow["value_per_customer"] == 0


def test_without_amounts_nothing_is_at_stake() -> None:
    frame = staked().to_pandas().drop(columns="amount")
    moved = migration(InteractionLog.read(frame), visits, ["2024-02-01", "2024-03-01"])
    assert moved.at_stake.empty
    assert "without 'amount'" in moved.note


@pytest.fixture(scope="module")
def simulated() -> InteractionLog:
    return simulate(500, days=500, seed=3).log()


def instants(log: InteractionLog, n: int = 3) -> list[pd.Timestamp]:
    return [log.start.normalize() + pd.Timedelta(days=150 + 90 * i) for i in range(n)]


def test_the_caller_s_segmenter_is_not_changed_and_a_fitted_one_is_used_as_it_is(simulated: InteractionLog) -> None:
    at = instants(simulated)
    model = RFM()
    before = dict(vars(model))
    moved = migration(simulated, model, at)
    assert vars(model) == before
    later = RFM().fit(simulated, at=at[-1])
    cuts = copy.deepcopy(later.cuts_)
    by_later = migration(simulated, later, at)
    assert all((cuts[c] == later.cuts_[c]).all() for c in cuts)
    assert not by_later.counts.equals(moved.counts)
    assert_same(migration(simulated, RFM().fit(simulated, at=at[0]), at), moved)


def test_cut_points_are_frozen_at_the_first_instant(simulated: InteractionLog) -> None:
    at = instants(simulated)
    moved = migration(simulated, RFM(), at)
    last = RFM().fit(simulated, at=at[0]).score(simulated, at=at[2])["segment"].value_counts()
    flows = moved.flows[moved.flows["to"] == at[2]].set_index("segment")["at_end"]
    assert flows[flows > 0].to_dict() == last.to_dict()


def test_stages_and_tiers_can_be_followed_whatever_the_row_order(simulated: InteractionLog) -> None:
    at = instants(simulated)
    moved = migration(simulated, lifecycle_stage, at)
    shuffled = InteractionLog.read(simulated.to_pandas().sample(frac=1, random_state=1))
    assert_same(migration(shuffled, lifecycle_stage, at), moved)
    assert len(moved.at_stake)
    assert moved.segments[0] in ("prospect", "new")
    tiers = migration(simulated, lambda log, at: ValueTiers().fit(log, at=at).tiers(), at)
    assert set(tiers.segments) <= set("ABCZ")


def test_a_later_history_changes_no_count(simulated: InteractionLog) -> None:
    at = instants(simulated)
    early = migration(simulated.before(at[-1]), RFM(), at)
    pd.testing.assert_frame_equal(early.counts, migration(simulated, RFM(), at).counts)


def test_it_shows_itself_as_a_page(simulated: InteractionLog) -> None:
    page = migration(simulated, RFM(), instants(simulated))._repr_html_()
    assert "<h5>steady state</h5>" in page
    assert "assumes constant rates and no memory" in page


def test_instants_after_the_end_of_the_log_are_refused() -> None:
    log = log_of(("p", "2024-01-05", 1.0), ("q", "2024-02-29 12:00", 1.0))
    assert len(migration(log, visits, ["2024-02-01", "2024-02-29 12:00"]).rates)
    assert len(migration(log, visits, ["2024-02-01", "2024-03-01 12:00"]).rates)  # a day of grace
    with pytest.raises(LeakageError, match=r"log ends 2024-02-29, before the instant 2024-09-01.*\n.*2024-03-01"):
        migration(log, visits, ["2024-02-01", "2024-09-01"])


def monthly(*instants: str) -> Migration:
    rng = np.random.default_rng(8)
    codes = walked(rng, 400, [TRUE] * (len(instants) - 1))
    return transitions(pd.DataFrame(np.array(list("ABCDE"))[codes], columns=pd.to_datetime(list(instants))))


def test_periods_of_unequal_length_are_not_compared() -> None:
    moved = monthly("2024-01-01", "2024-02-01", "2024-07-01")
    assert moved.change.empty
    assert moved.memory.empty
    assert moved.steady_state.empty
    assert "Periods of 31 to 151 days are not compared" in moved.note
    assert "assumes" not in repr(moved)
    assert len(moved.rates)
    assert moved.steady_state.columns.tolist() == ["segment", "share", "low", "high"]


def test_calendar_months_are_compared() -> None:
    moved = monthly("2023-01-01", "2023-02-01", "2023-03-01", "2023-04-01")
    assert len(moved.change)
    assert len(moved.memory)
    assert moved.steady_state["share"].sum() == pytest.approx(1)
    assert moved.note == ""


class Windowed:
    """A segmenter with a window, as RFM and ValueTiers have one."""

    def __init__(self, window: str) -> None:
        self.window = window

    def fit(self, log: InteractionLog, at: Any) -> "Windowed":
        return self

    def score(self, log: InteractionLog, at: Any) -> pd.Series:
        return visits(log, at)


def test_a_segmenter_that_looks_at_the_whole_past_is_told() -> None:
    at = ["2024-02-01", "2024-03-01"]
    assert "hardly anybody moves down" in migration(staked(), Windowed("all"), at).note
    assert "window='365d'" in migration(staked(), Windowed("all"), at).note
    assert "whole past" not in migration(staked(), Windowed("365d"), at).note
    assert "whole past" not in migration(staked(), visits, at).note


def test_a_share_that_only_rounding_keeps_from_nothing_is_nothing() -> None:
    moved = transitions(states_of({("A", "B"): 30, ("B", "C"): 7, ("B", "B"): 3, ("C", "C"): 11}))
    assert moved.steady_state["share"].tolist() == [0.0, 0.0, 1.0]
    dust = t._without_dust(np.array([5e-18, 1e-9, 1.0]))
    assert dust.tolist() == [0.0, 1e-9, 1.0]


# for other eyes (row 134)


def few_moves() -> Migration:
    rows = {("A", "A"): 200, ("A", "B"): 3, ("A", "C"): 40, ("B", "A"): 20, ("B", "B"): 80, ("B", "C"): 30, ("C", "A"): 25,
            ("C", "B"): 35, ("C", "C"): 60, (None, "A"): 50, (None, "B"): 4, (None, "C"): 30}  # fmt: skip
    pairs = [pair for pair, n in rows.items() for _ in range(n)]
    later = np.random.default_rng(9).choice(list("ABC"), len(pairs))
    return transitions(pd.DataFrame([(*pair, new) for pair, new in zip(pairs, later, strict=True)], columns=[1, 2, 3]))


def test_row_134_shared_moves_show_no_small_count_and_none_that_gives_it_away() -> None:
    full, shared = few_moves(), few_moves().shared()
    first = shared.counts[shared.counts["at"] == 1]
    hidden = first[first["customers"].isna()]
    assert {("A", "B"), (NOT_YET, "B")} <= set(zip(hidden["source"], hidden["target"], strict=True))
    assert hidden.groupby("source").size().min() > 1
    assert hidden.groupby("target").size().min() > 1
    both = full.counts["customers"][shared.counts["customers"].notna()]
    assert not both.between(1, 9).any()
    assert shared.counts.loc[shared.counts["at"] == 2, "customers"].notna().all()
    rate = cell(shared.rates, "A", "B")
    assert rate[["customers", "rate", "low", "high"]].isna().all()  # pooled: the other period is shown
    assert cell(shared.rates, "C", "C")["rate"] == cell(full.rates, "C", "C")["rate"]
    flows = shared.flows[shared.flows["at"] == 1]["segment"]
    assert "B" not in set(flows)  # its newcomers are four
    assert "A" not in set(shared.change["source"])
    assert shared.matrix(0).loc["A"].isna().all()
    assert shared.matrix(1).equals(full.matrix(1))
    assert "fewer than 10 customers are hidden" in repr(shared)
    assert "moved a period" not in repr(shared)
    assert "<table" in shared._repr_html_()
    with pytest.raises(DataContractError, match="shared one already"):
        shared.shared()


def test_row_134_where_nothing_is_small_nothing_is_hidden() -> None:
    full = transitions(states_of({("A", "A"): 90, ("A", "B"): 10, ("B", "A"): 30, ("B", "B"): 70}))
    shared = full.shared()
    assert shared.counts["customers"].tolist() == full.counts["customers"].tolist()
    assert shared.rates["rate"].tolist() == full.rates["rate"].tolist()
    assert len(shared.flows) == len(full.flows)
    assert shared.matrix().equals(full.matrix())


def test_row_134_value_at_stake_of_hidden_flows_is_not_shared() -> None:
    moved = migration(staked(), visits, ["2024-02-01", "2024-03-01"], horizon="30d")
    assert len(moved.shared().at_stake) == 1
    assert moved.shared(fewest=13).at_stake.empty


@settings(max_examples=10, deadline=None)
@given(random_states(), st.integers(2, 6))
def test_row_134_no_line_of_shared_moves_gives_a_small_count_away(states: pd.DataFrame, fewest: int) -> None:
    full = transitions(states)
    shared = full.shared(fewest)
    known = full.counts.assign(shown=shared.counts["customers"].notna())
    assert not known.loc[known["shown"], "customers"].between(1, fewest - 1).any()
    for side in ("source", "target"):
        for _, line in known.groupby(["at", side]):
            gone = line.loc[~line["shown"], "customers"]
            assert gone.empty or not line["shown"].any() or (gone.sum() >= fewest and len(gone) > 1)
    told = shared.rates.dropna(subset=["customers"])
    assert not told["customers"].between(1, fewest - 1).any()
    assert not shared.rates["of"].dropna().between(1, fewest - 1).any()
    assert not shared.flows["newcomers"].between(1, fewest - 1).any()


# complaints


@pytest.mark.parametrize("wrong", [None, [1, 2], "log", pd.Series(["A"]), FOUR])
def test_row_17_moves_need_a_log_or_a_table_of_labels(wrong: Any) -> None:
    with pytest.raises(DataTypeError, match=r"InteractionLog\.read"):
        migration(wrong, visits, ["2024-02-01", "2024-03-01"])
    if wrong is not FOUR:
        with pytest.raises(DataTypeError, match=r"Give a pandas DataFrame"):
            transitions(wrong)


def test_row_17_labels_in_polars_are_refused() -> None:
    polars = pytest.importorskip("polars")
    with pytest.raises(DataTypeError, match=r"polars.*Give a pandas DataFrame"):
        transitions(polars.DataFrame({"a": ["A"], "b": ["B"]}))


@pytest.mark.parametrize("segmenter", [RFM, ValueTiers, KMeans(2), KMeans, "RFM", None])
def test_row_17_a_segmenter_tells_segments_at_an_instant(segmenter: Any) -> None:
    with pytest.raises(DataTypeError, match=r"fit\(log, at=\.\.\.\) and score\(log, at=\.\.\.\), such as RFM\(\)"):
        migration(staked(), segmenter, ["2024-02-01", "2024-03-01"])


def test_row_12_measurements_are_no_labels() -> None:
    numbers = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 2)))
    with pytest.raises(DataContractError, match="600 different labels"):
        transitions(numbers)


@pytest.mark.parametrize("at", [[], ["2024-02-01"], "2024-02-01", ["2024-03-01", "2024-02-01"], ["2024-02-01"] * 2])
def test_instants_must_be_two_and_rise(at: Any) -> None:
    with pytest.raises(DataContractError, match=r"two instants or more|do not rise"):
        migration(staked(), visits, at)


def test_complaints_name_what_is_wrong() -> None:
    at = ["2024-02-01", "2024-03-01"]
    with pytest.raises(DataTypeError, match="dict cannot tell segments"):
        migration(staked(), {1: "A"}, at)
    with pytest.raises(DataContractError, match=r"'size'.* must give one of 'segment'"):
        migration(staked(), lambda log, at: pd.DataFrame({"size": [1]}), at)
    with pytest.raises(DataContractError, match="1 rows repeat a customer"):
        migration(staked(), lambda log, at: pd.Series(["A", "B"], index=[1, 1]), at)
    with pytest.raises(DataTypeError, match="gave list"):
        migration(staked(), lambda log, at: ["A"], at)
    with pytest.raises(DataContractError, match="called 'gone'"):
        transitions(FOUR.replace("A", "gone"))
    with pytest.raises(DataContractError, match="do not rise"):
        transitions(FOUR[[2, 1]])
    with pytest.raises(DataContractError, match="there are 1"):
        transitions(FOUR[[1]])
    with pytest.raises(DataContractError, match="not listed"):
        transitions(FOUR, segments=["A"])
    with pytest.raises(DataContractError, match="No customer has a label"):
        transitions(pd.DataFrame({1: [None], 2: [None]}))
    with pytest.raises(DataContractError, match="level is 95"):
        transitions(FOUR, level=95)
    with pytest.raises(DataContractError, match="no period 1"):
        transitions(FOUR).matrix(1)


# real data


@pytest.mark.slow
def test_online_retail_moves_and_adds_up(data: Path) -> None:
    log = InteractionLog.read(
        data / "online_retail" / "interactions.parquet", policies=Policies(on_missing="drop"), timezone="Europe/London"
    )
    at = ["2011-03-01", "2011-06-01", "2011-09-01"]
    moved = migration(log, RFM(), at)
    for when, end in zip(at[1:], ("2011-06-01", "2011-09-01"), strict=True):
        known = len(log.before(when).customers)
        assert moved.flows.loc[moved.flows["to"] == pd.Timestamp(end), "at_end"].sum() == known
    matrix = moved.matrix()
    assert matrix.loc["champions", "champions"] > 3 * matrix.loc["hibernating", "champions"]
    assert len(moved.at_stake)
    assert moved.steady_state["share"].sum() == pytest.approx(1)
