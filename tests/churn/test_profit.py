"""Profit: five customers by hand, emp-py and an integral as oracles, the best depth and what it is compared with."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import beta as beta_distribution

from crmintel.churn import Empc, ProfitCurve, empc, profit_curve
from crmintel.errors import DataContractError

Floats = npt.NDArray[np.float64]


def customers(n: int, seed: int, spread: float = 1.5) -> tuple[Floats, Floats]:
    """Labels whose probabilities are true."""
    rng = np.random.default_rng(seed)
    p = expit(spread * rng.normal(size=n) - 1.2)
    return (rng.random(n) < p).astype(float), p


# by hand


def test_profit_of_five_customers_by_hand() -> None:
    """Acceptance one half: a leaver brings 0.5 * 80 - 2 = 38, a stayer costs 22."""
    curve = profit_curve(
        [1, 0, 1, 0, 0],
        [0.9, 0.7, 0.6, 0.2, 0.1],
        value=100,
        contact_cost=2,
        incentive_cost=20,
        acceptance=0.5,
        n=20,
    )
    at = curve.curve.set_index(curve.curve["depth"].round(2))
    assert at.loc[[0.0, 0.2, 0.4, 0.6, 0.8, 1.0], "profit"].tolist() == pytest.approx(
        [0, 38 / 5, 16 / 5, 54 / 5, 32 / 5, 10 / 5]
    )
    assert at.loc[0.1, "profit"] == pytest.approx(19 / 5)  # half of the first customer
    assert at.loc[[0.2, 0.6, 1.0], "threshold"].tolist() == [0.9, 0.6, 0.1]
    assert at.loc[[0.2, 0.6, 1.0], "contacted"].tolist() == [1, 3, 5]
    assert at.loc[0.2, "expected"] == pytest.approx((0.9 * 40 - 0.1 * 20 - 2) / 5)
    assert (curve.best.depth.value, curve.best.threshold.value) == (0.6, 0.6)
    assert curve.best.profit.value == pytest.approx(54 / 5)
    assert curve.planned.depth.value == pytest.approx(0.6)
    assert curve.comparisons["profit"].tolist() == pytest.approx([0, 2, 0.6 * 2])


def test_empc_of_a_perfect_list_by_hand() -> None:
    """Half leave, all of them come first: a leaver is worth contacting where 190 g > 1, which is nearly always."""
    chance = beta_distribution(6, 14)
    told = empc([1, 1, 0, 0], [4.0, 3.0, 2.0, 1.0])
    assert told.profit == pytest.approx(0.5 * (190 * 0.3 - 1), abs=1e-6)
    assert told.fraction == pytest.approx(0.5 * (1 - chance.cdf(1 / 190)), abs=1e-6)


def test_equal_scores_are_one_block() -> None:
    y = np.array([1, 0, 1, 0, 0, 0])
    told = profit_curve(y, np.full(6, 0.3), value=100, incentive_cost=10, n=20)
    everybody = float(told.curve["profit"].iloc[-1])
    assert told.curve["profit"].to_numpy() == pytest.approx(told.curve["depth"].to_numpy() * everybody)
    assert told.best.depth.value in (0.0, 1.0)


# emp-py

_PEER_Y = [0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0]
_PEER_P = [
    0.08, 0.04, 0.17, 0.36, 0.62, 0.26, 0.12, 0.08, 0.48, 0.78, 0.31, 0.05, 0.07, 0.77, 0.29, 0.02, 0.21, 0.05, 0.1, 0.13,
]  # fmt: skip


def test_empc_is_that_of_its_published_implementation() -> None:
    """Golden: emp-py 2.0.4, ``EMP.metrics.empChurn(p, y)`` with its defaults, by benchmarks/opponents/churn_emp.py."""
    few = empc(_PEER_Y, _PEER_P)
    assert (few.profit, few.fraction) == pytest.approx((9.553175871061024, 0.35114187980442585), abs=1e-9)
    many = empc(*customers(400, 11))
    assert (many.profit, many.fraction) == pytest.approx((12.160476271031706, 0.6347500787613449), abs=1e-9)


@pytest.mark.slow
def test_empc_is_that_of_emp_py_where_it_is_installed() -> None:
    from benchmarks.churn_profit import profit

    held = [line.holds for line in profit(True) if line.bar]
    if held[0] is None:
        pytest.skip("emp-py cannot be installed here")
    assert held == [True, True]


# an integral


def integrated(
    y: Floats, rank: Floats, value: Any, contact: Any, incentive: Any, alpha: float, beta: float
) -> tuple[float, float]:
    """The definition, in steps of the chance of acceptance: at each the best of all cuts between distinct scores."""
    n = len(y)
    cuts = [np.zeros(n, bool), *(rank >= s for s in np.unique(rank)[::-1])]
    brings = np.array([float((c * y * (value - incentive)).sum()) / n for c in cuts])
    costs = np.array([float((c * (contact + (1 - y) * incentive)).sum()) / n for c in cuts])
    depth = np.array([c.mean() for c in cuts])
    edges = np.linspace(0, 1, 4001)
    middle = (edges[1:] + edges[:-1]) / 2
    mass = np.diff(beta_distribution(alpha, beta).cdf(edges))
    lines = middle[:, None] * brings - costs
    best = lines.argmax(axis=1)
    return float(mass @ lines.max(axis=1)), float(mass @ depth[best])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("own", [False, True])
def test_empc_is_the_integral_that_defines_it(seed: int, own: bool) -> None:
    rng = np.random.default_rng(seed)
    y, p = customers(60, seed)
    p = np.round(p, 1 + seed % 2)
    value, contact, incentive = (
        (rng.uniform(40, 400, 60), rng.uniform(0, 3, 60), rng.uniform(1, 30, 60)) if own else (90.0, 2.0, 15.0)
    )
    alpha, beta = 2.0 + seed, 5.0
    mean = alpha / (alpha + beta)
    gain = p * mean * (value - incentive) - (1 - p) * incentive - contact
    told = empc(y, p, value=value, contact_cost=contact, incentive_cost=incentive, alpha=alpha, beta=beta)
    profit, fraction = integrated(y, gain.round(9) if own else p, value, contact, incentive, alpha, beta)
    assert told.profit == pytest.approx(profit, rel=1e-5)
    assert told.fraction == pytest.approx(fraction, abs=2e-3)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000), st.floats(20, 500), st.floats(0, 5), st.floats(0, 19), st.floats(0.5, 30), st.floats(0.5, 30)
)  # fmt: skip
def test_own_amounts_that_are_equal_give_empc(
    seed: int, value: float, contact: float, incentive: float, alpha: float, beta: float
) -> None:
    """A hair's breadth between the amounts takes the other road: sorted by gain, sums of own amounts."""
    y, p = customers(80, seed)
    if y.min() == y.max():
        return
    same = empc(y, p, value=value, contact_cost=contact, incentive_cost=incentive, alpha=alpha, beta=beta)
    own = np.full(80, value)
    arrays = empc(y, p, value=own, contact_cost=np.full(80, contact), incentive_cost=incentive, alpha=alpha, beta=beta)
    assert (arrays.profit, arrays.fraction) == (same.profit, same.fraction)
    own[0] = np.nextafter(value, np.inf)
    near = empc(y, p, value=own, contact_cost=contact, incentive_cost=incentive, alpha=alpha, beta=beta)
    assert near.profit == pytest.approx(same.profit, abs=1e-9)


def test_empc_depends_on_the_order_of_the_list_alone_and_never_loses_money() -> None:
    y, p = customers(300, 5)
    assert empc(y, p) == empc(y, np.log(p) * 3 - 7)
    assert empc(y, p).profit >= empc(y, 1 - p).profit >= 0
    assert empc(y, p).profit >= profit_curve(y, p, n=5).best.profit.value  # the mean of the best beats the best mean
    assert empc(y, p, value=11, incentive_cost=10.9, contact_cost=50) == Empc(0.0, 0.0)


def test_own_values_are_worth_more_than_one_for_all() -> None:
    """Ranking by expected gain beats ranking by risk, where the values differ."""
    y, p = customers(3000, 2)
    value = np.random.default_rng(0).lognormal(5, 1, 3000) + 20
    own = profit_curve(y, p, value=value, n=5)
    gain = y * 0.3 * (value - 10) - (1 - y) * 10 - 1
    by_risk = float(np.cumsum(gain[np.argsort(-p)]).max() / 3000)
    assert own.best.profit.value > by_risk * 1.02
    assert (own.ranked_by, profit_curve(y, p, n=5).ranked_by) == ("expected gain", "probability")


# the best depth


@pytest.fixture(scope="module")
def told() -> ProfitCurve:
    return profit_curve(*customers(3000, 1), n=200)


def test_the_best_depth_has_an_interval_and_the_flat_range_is_said(told: ProfitCurve) -> None:
    assert told.best.depth.low < told.best.depth.value < told.best.depth.high
    low, high = told.flat
    assert low <= told.best.depth.value <= high
    held = told.curve[(told.curve["depth"] >= low) & (told.curve["depth"] <= high)]
    assert (held["profit"] >= 0.98 * told.best.profit.value - 1e-9).all()
    assert told.is_flat == (high - low >= 0.1)
    assert f"from {low:.0%} to {high:.0%} the profit is within 2% of the best" in told.verdict
    assert "best depth between" in told.verdict


def test_the_band_holds_the_curve_and_starts_at_nothing(told: ProfitCurve) -> None:
    curve = told.curve
    assert ((curve["low"] <= curve["profit"]) & (curve["profit"] <= curve["high"])).all()
    assert curve.iloc[0][["profit", "low", "high", "expected", "contacted"]].tolist() == [0.0] * 5
    assert curve["threshold"].is_monotonic_decreasing
    assert told.best.profit.value >= curve["profit"].max() - 1e-12


def test_true_probabilities_expect_what_is_realised(told: ProfitCurve) -> None:
    inside = (told.curve["expected"] >= told.curve["low"]) & (told.curve["expected"] <= told.curve["high"])
    assert inside.mean() > 0.9
    assert abs(told.planned.depth.value - told.best.depth.value) < 0.15
    assert told.planned.profit.value <= told.best.profit.value


def test_a_list_is_compared_with_nobody_everybody_and_a_random_list(told: ProfitCurve) -> None:
    rows = told.comparisons.set_index("against")
    assert rows["verdict"].tolist() == ["proven"] * 3
    everybody = float(told.curve["profit"].iloc[-1])
    assert rows["profit"].tolist() == pytest.approx([0.0, everybody, told.best.depth.value * everybody])
    assert (rows["gain"] + rows["profit"] + told.optimism).tolist() == pytest.approx([told.best.profit.value] * 3)
    assert told.optimism > 0


def test_nobody_is_best_where_nothing_pays() -> None:
    told = profit_curve(*customers(300, 3), value=12, incentive_cost=11, contact_cost=5, n=50)
    assert told.best.depth.value == 0.0
    assert told.best.threshold.value > told.curve["threshold"].iloc[1:].max()
    assert told.flat == (0.0, 0.0)
    assert told.comparisons["verdict"].tolist() == ["the same", "proven", "the same"]
    assert told.verdict == (
        "Contacting nobody is best: no depth brings more than it costs. Other customers of the same kind say the same. "
        "The gain over everybody is proven."
    )


def test_where_nothing_is_at_stake_no_list_brings_more() -> None:
    told = profit_curve(*customers(100, 3), incentive_cost=0, contact_cost=0, acceptance=0, n=5)
    assert told.comparisons["verdict"].tolist() == ["the same"] * 3
    assert "No list brings more than another" in told.verdict


def test_everybody_is_best_where_all_pays() -> None:
    told = profit_curve(*customers(300, 3), value=1000, incentive_cost=0, contact_cost=0, acceptance=1.0, n=50)
    assert told.flat[1] == 1.0
    assert told.best.depth.value > 0.8  # up to the last leaver; after that nothing changes
    assert told.comparisons["verdict"].tolist()[1] != "proven"  # everybody costs nothing more


@pytest.mark.slow
def test_a_list_of_noise_is_rarely_proven() -> None:
    """The depth is chosen on the same labels; without taking that off, noise would beat a random list often."""
    proven = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        y, p = rng.random(400) < 0.25, rng.random(400)
        rows = profit_curve(y, p, value=150, n=100, seed=seed).comparisons.set_index("against")
        proven += rows.loc["a random list of the same depth", "verdict"] == "proven"
    assert proven <= 12


@pytest.mark.slow
def test_the_interval_of_the_depth_holds_the_best_depth_of_all_customers() -> None:
    """Truth: the depth at which a leaver's chance falls to 11 / 67 (57 p = 10 (1 - p) + 1)."""
    rng = np.random.default_rng(0)
    truth = float((expit(1.5 * rng.normal(size=400_000) - 1.2) > 11 / 67).mean())
    held = 0
    for seed in range(100):
        depth = profit_curve(*customers(2000, seed + 50), n=150).best.depth
        held += depth.low <= truth <= depth.high
    assert held >= 88


# promises


def test_row_order_and_repetition_change_no_bit() -> None:
    y, p = customers(400, 7)
    p = np.round(p, 2)
    value = np.random.default_rng(1).integers(50, 60, 400) * 1.1
    group = np.arange(400) // 3
    order = np.random.default_rng(2).permutation(400)
    one = profit_curve(y, p, value=value, groups=group, n=30)
    two = profit_curve(y[order], p[order], value=value[order], groups=group[order], n=30)
    assert one.curve.to_numpy().tobytes() == two.curve.to_numpy().tobytes()
    assert (one.best, one.optimism, one.flat) == (two.best, two.optimism, two.flat)
    assert empc(y, p, value=value) == empc(y[order], p[order], value=value[order])
    three, four = profit_curve(y, p, value=99.7, n=30), profit_curve(y[order], p[order], value=99.7, n=30)
    assert three.curve.to_numpy().tobytes() == four.curve.to_numpy().tobytes()


def test_rows_of_one_customer_are_drawn_together() -> None:
    """Ten copies of each customer tell no more than one."""
    y, p = customers(200, 8)
    many, group = np.repeat(np.column_stack([y, p]), 10, axis=0), np.repeat(np.arange(200), 10)
    alone = profit_curve(y, p, n=200).best.profit
    loose = profit_curve(many[:, 0], many[:, 1], n=200).best.profit
    together = profit_curve(many[:, 0], many[:, 1], groups=group, n=200).best.profit
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.25)
    assert loose.high - loose.low < 0.5 * (together.high - together.low)


def test_amounts_in_another_order_find_their_customers() -> None:
    y, p = customers(200, 9)
    rows = pd.Index([f"person-{i}" for i in range(200)])
    value, accepts = np.random.default_rng(3).uniform(50, 400, 200), np.random.default_rng(4).uniform(0, 1, 200)
    group = np.arange(200) // 2
    away = np.random.default_rng(5).permutation(200)
    named = {name: pd.Series(told, index=rows) for name, told in (("y", y), ("p", p))}
    moved = {
        name: pd.Series(told, index=rows).iloc[away]
        for name, told in (("value", value), ("acceptance", accepts), ("groups", group))
    }
    one = profit_curve(**named, **moved, n=10)
    two = profit_curve(y, p, value=value, acceptance=accepts, groups=group, n=10)
    assert one.curve.equals(two.curve)
    assert one.best == two.best
    assert empc(named["y"], named["p"], value=moved["value"]) == empc(y, p, value=value)
    assert empc(named["y"].iloc[away], named["p"]) == empc(y, p)
    with pytest.raises(DataContractError, match="value has another index than the rows") as caught:
        profit_curve(**named, value=moved["value"].rename(lambda name: name + "x"))
    assert "person" not in str(caught.value)


def test_columns_of_polars_and_lists_are_read() -> None:
    y, p = customers(100, 9)
    value = np.arange(100) + 50.0
    one = profit_curve(y, p, value=value, groups=np.arange(100) // 2, n=5)
    frame = pl.DataFrame({"y": y > 0, "p": p, "value": value, "who": np.arange(100) // 2})
    two = profit_curve(frame["y"], frame["p"], value=frame["value"], groups=frame["who"], n=5)
    three = profit_curve(y.tolist(), p.tolist(), value=value.tolist(), groups=frame["who"].to_list(), n=5)
    assert one.curve.equals(two.curve)
    assert one.curve.equals(three.curve)
    assert empc(frame["y"], frame["p"]) == empc(y, p)


def test_each_customer_may_have_an_own_chance_of_acceptance() -> None:
    """Two leavers: 0.1 * 80 - 2 = 6 and 0.9 * 80 - 2 = 70; the stayer costs 22. The list is sorted by expected gain."""
    told = profit_curve(
        [1, 1, 0], [0.9, 0.8, 0.7], value=100, contact_cost=2, incentive_cost=20, acceptance=[0.1, 0.9, 0.5], n=5
    )
    at = told.curve.set_index(told.curve["depth"].round(2))["profit"]
    assert at.loc[0.33] == pytest.approx(70 / 3 * 0.99)
    assert at.loc[1.0] == pytest.approx((70 + 6 - 22) / 3)
    assert told.ranked_by == "expected gain"
    assert told.acceptance == pytest.approx(0.5)
    same = profit_curve([1, 1, 0], [0.9, 0.8, 0.7], acceptance=[0.5] * 3, n=5)
    assert same.curve.equals(profit_curve([1, 1, 0], [0.9, 0.8, 0.7], acceptance=0.5, n=5).curve)


def test_results_show_themselves(told: ProfitCurve) -> None:
    assert repr(told).startswith("ProfitCurve(n=3,000, best depth=")
    assert "against everybody: +" in str(told)
    assert "<h5>comparisons</h5>" in told._repr_html_()
    assert told.to_frame() is not told.curve
    assert len(told.to_frame()) == 101
    assert empc(_PEER_Y, _PEER_P).to_frame().columns.tolist() == ["profit", "fraction"]
    assert "Empc(profit=" in empc(_PEER_Y, _PEER_P)._repr_html_()


# what is refused


def test_row_94_constant_label_names_the_counts() -> None:
    for call in (empc, profit_curve):
        with pytest.raises(DataContractError, match="0 of 3 customers are positive"):
            call([0, 0, 0], [0.1, 0.2, 0.3])


def test_row_96_few_leavers_are_said() -> None:
    y, p = np.r_[np.ones(6), np.zeros(54)], np.linspace(0.9, 0.1, 60)
    assert "Only 6 customers left" in profit_curve(y, p, n=20).verdict


@pytest.mark.parametrize(
    ("amounts", "said"),
    [
        ({"value": 0}, "value must be above zero"),
        ({"value": [200, -1, 200]}, "not for 1 of 3 customers"),
        ({"contact_cost": -1}, "contact_cost must be zero or more"),
        ({"incentive_cost": -0.5}, "incentive_cost must be zero or more"),
        ({"incentive_cost": 200}, "incentive_cost must be below the value"),
        ({"value": np.inf}, "value is infinite"),
        ({"contact_cost": [1, np.nan, 1]}, "contact_cost is missing"),
        ({"value": [200, 200]}, "value has 2 amounts for 3 customers"),
        ({"value": "much"}, "value is not numeric"),
    ],
)
def test_row_107_amounts_out_of_range_are_named(amounts: dict[str, Any], said: str) -> None:
    for call in (empc, profit_curve):
        with pytest.raises(DataContractError, match=said):
            call([1, 0, 1], [0.5, 0.4, 0.3], **amounts)


@pytest.mark.parametrize("acceptance", [-0.1, 1.1, (0, 5), (1, np.inf), (1, 2, 3), np.nan, [0.1, 0.2], [0.1, 0.2, 1.2]])
def test_row_107_acceptance_out_of_range(acceptance: Any) -> None:
    with pytest.raises(DataContractError, match="acceptance"):
        profit_curve([1, 0, 1], [0.5, 0.4, 0.3], acceptance=acceptance)
    with pytest.raises(DataContractError, match="alpha is 0"):
        empc([1, 0, 1], [0.5, 0.4, 0.3], alpha=0)


def test_lengths_scores_and_groups_are_checked() -> None:
    with pytest.raises(DataContractError, match="Lengths differ"):
        empc([1, 0, 1], [0.5, 0.4])
    with pytest.raises(DataContractError, match="outside 0 to 1"):
        profit_curve([1, 0, 1], [0.5, 0.4, 2.0])
    with pytest.raises(DataContractError, match="outside 0 to 1"):
        empc([1, 0, 1], [0.5, 0.4, 2.0], value=[100, 200, 300])
    with pytest.raises(DataContractError, match="score is infinite"):
        empc([1, 0, 1], [0.5, 0.4, np.inf])
    with pytest.raises(DataContractError, match="groups has shape"):
        profit_curve([1, 0, 1], [0.5, 0.4, 0.3], groups=[1, 2])
    for groups in ([1, None, 2], ["a", np.nan, None], pl.Series([1, None, 2])):
        with pytest.raises(DataContractError, match=r"groups is missing for [12] of 3 rows"):
            profit_curve([1, 0, 1], [0.5, 0.4, 0.3], groups=groups)
