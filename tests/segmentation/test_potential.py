"""Potential value and wallets: answers a pencil can check, then laws, then planted and absent effects."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel import InteractionLog
from crmintel.datasets import simulate
from crmintel.errors import DataContractError, DataTypeError
from crmintel.segmentation import potential, share_of_wallet
from crmintel.segmentation.potential import MOST_DRAWN, robust

COLUMNS = ["segment", "current", "next_decile", "ceiling", "gap", "room", "own_peers"]


def ten_and_ten() -> tuple[pd.Series, pd.Series]:
    """Ten customers worth 10, 20, …, 100 and ten worth 1, 2, …, 10."""
    value = pd.Series([*range(10, 101, 10), *range(1, 11)], index=range(1, 21), dtype=float)
    return value, pd.Series(["big"] * 10 + ["small"] * 10, index=value.index)


def world(seed: int, effect: float, n: int = 600) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Three groups of customers with different spending; later value, with or without a pull of the company."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    value = pd.Series(rng.gamma(2, 30, n) * (1 + 0.5 * kind))
    later = 0.7 * value + effect * kind + rng.gamma(2, 15, n)
    return value, pd.Series(np.array(["a", "b", "c"])[kind]), later


# By hand


def test_twenty_customers_by_hand() -> None:
    value, segments = ten_and_ten()
    table = potential(value, segments, fewest=5).customers
    assert table.columns.tolist() == sorted(table.columns, key=["current", *COLUMNS].index)
    assert table["next_decile"].tolist() == [*range(20, 91, 10), 90, 90, *range(2, 10), 9, 9]
    assert table["ceiling"].tolist() == [90.0] * 10 + [9.0] * 10
    assert table["gap"].tolist() == [10.0] * 8 + [0.0] * 2 + [1.0] * 8 + [0.0] * 2
    assert table["room"].tolist() == [80, 70, 60, 50, 40, 30, 20, 10, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]
    assert table["own_peers"].all()


def test_segments_are_summed_largest_room_first() -> None:
    told = potential(*ten_and_ten(), fewest=5)
    assert told.to_frame().to_numpy().tolist() == [["big", 10, 550.0, 80.0, 360.0], ["small", 10, 55.0, 8.0, 36.0]]
    assert told.to_frame().columns.tolist() == ["segment", "customers", "current", "gap", "room"]
    assert repr(told) == "Potential (gap to peers) of 20 customers, not checked on later value"
    assert "<table" in told._repr_html_()


def test_small_groups_are_compared_with_everybody() -> None:
    value, segments = ten_and_ten()
    segments.loc[17:] = "few"
    table = potential(value, segments, fewest=5).customers
    assert table["own_peers"].tolist() == [True] * 16 + [False] * 4
    assert table.loc[17:, "ceiling"].tolist() == [80.0] * 4  # the 18th of all twenty
    assert table.loc[17:, "next_decile"].tolist() == [8.0, 10.0, 10.0, 20.0]  # deciles 2, 4, 6, 8, 10, 20, 40, 60, 80
    assert table.loc[11:16, "ceiling"].tolist() == [6.0] * 6


def test_peers_of_one_third_of_tenure_by_hand() -> None:
    value = pd.Series(np.arange(1.0, 31.0))
    tenure = pd.Series(np.repeat([1.0, 2.0, 3.0], 10))
    table = potential(value, pd.Series("a", index=value.index), tenure=tenure, fewest=10).customers
    assert table["ceiling"].tolist() == [9.0] * 10 + [19.0] * 10 + [29.0] * 10


def test_a_third_that_is_too_small_is_compared_with_its_own_segment() -> None:
    value = pd.Series(np.arange(1.0, 41.0))
    segments, tenure = pd.Series(["a"] * 20 + ["b"] * 20), pd.Series([1.0] * 14 + [2.0] * 3 + [3.0] * 3 + [1.0] * 20)
    table = potential(value, segments, tenure=tenure, fewest=10).customers
    assert table.loc[:13, "ceiling"].tolist() == [13.0] * 14
    assert table.loc[14:19, "ceiling"].tolist() == [18.0] * 6  # neither everybody's nor that of the six
    assert table["own_peers"].all()


# Laws


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(-20, 200), st.sampled_from("ab"), st.integers(0, 5)), min_size=2, max_size=60))
def test_potential_keeps_its_laws(rows: list[tuple[int, str, int]]) -> None:
    frame = pd.DataFrame(rows, columns=["value", "segment", "tenure"])
    told = potential(frame["value"], frame["segment"], tenure=frame["tenure"], fewest=5)
    table = told.customers
    assert (table["gap"] >= 0).all()
    assert (table["gap"] <= table["room"]).all()
    assert table["next_decile"].isin(frame["value"]).all()
    assert (table["room"] == (table["ceiling"] - table["current"]).clip(lower=0)).all()
    assert (frame.assign(gap=table["gap"]).groupby(["value", "segment", "tenure"])["gap"].nunique() == 1).all()
    order = frame.sample(frac=1, random_state=0)
    again = potential(order["value"], frame["segment"][::-1], tenure=order["tenure"], fewest=5)
    pd.testing.assert_frame_equal(again.customers, table, check_exact=True)
    pd.testing.assert_frame_equal(again.to_frame(), told.to_frame(), check_exact=True)


# The check on later value


def test_a_planted_effect_is_found_and_gives_the_name() -> None:
    value, segments, later = world(1, effect=15.0)
    told = potential(value, segments)
    checked = told.checked(later, draws=200)
    assert checked.check is not None
    assert checked.check.low > 0
    assert checked.name == "potential"
    assert told.name == "gap to peers"
    assert repr(checked).endswith(
        f"customers in richer company were worth {checked.check:,.2f} more later than others of equal value"
    )
    assert checked.check.method == "percentile bootstrap"
    shuffled = told.checked(later.sample(frac=1, random_state=0), draws=200)
    assert shuffled.check == checked.check


def test_an_effect_that_goes_the_other_way_keeps_the_careful_name() -> None:
    value, segments, later = world(1, effect=-15.0)
    checked = potential(value, segments).checked(later, draws=200)
    assert checked.check is not None
    assert checked.check.high < 0
    assert checked.name == "gap to peers"


def test_the_check_measures_the_difference_that_was_planted() -> None:
    """Two groups, equal in value but for a few rich ones: company alone decides what comes later."""
    rng = np.random.default_rng(0)
    rich = np.arange(2_000) < 1_000
    value = pd.Series(rng.uniform(0, 100, 2_000))
    value[rich & (value > 80)] += 100
    later = value + 25.0 * rich + rng.normal(0, 5, 2_000)
    check = potential(value, pd.Series(np.where(rich, "r", "p"))).checked(later, draws=200).check
    assert check is not None
    assert check.low < 25 < check.high
    assert check.high - check.low < 3


@pytest.mark.slow
def test_noise_is_called_potential_in_about_one_of_forty_worlds_or_fewer() -> None:
    named = 0
    for seed in range(100):
        value, segments, later = world(seed, effect=0.0, n=400)
        named += potential(value, segments).checked(later, draws=100, seed=seed).name == "potential"
    assert named <= 8  # 2.5 expected; 9 or more in one run of a thousand


def test_a_curve_in_later_value_is_not_taken_for_an_effect() -> None:
    """Later value rises with the square of the current one, and the richer company has more of the rich."""
    told = []
    for seed in range(20):
        value, segments, _ = world(seed, effect=0.0, n=1_000)
        later = value**2 / 50 + np.random.default_rng(seed).normal(0, 20, 1_000)
        check = potential(value, segments).checked(later, draws=20, seed=seed).check
        assert check is not None
        told.append(check.value)
    assert abs(np.mean(told)) < 6  # later value is 100 on average; one line for all customers would be 15 off


def test_above_so_many_customers_the_interval_is_worked_out_and_agrees_with_the_draws() -> None:
    value, segments, later = world(3, effect=1.0, n=MOST_DRAWN + 1)
    later = later + value * np.random.default_rng(0).normal(0, 0.3, len(value))  # unequal spread
    drawn = potential(value[:-1], segments[:-1]).checked(later[:-1], draws=500).check
    told = potential(value, segments).checked(later).check
    assert drawn is not None
    assert told is not None
    assert drawn.method == "percentile bootstrap"
    assert told.method == "normal, robust standard error (HC1)"
    assert (told.high - told.low) / (drawn.high - drawn.low) == pytest.approx(1, abs=0.1)
    assert abs(told.value - drawn.value) < 0.1 * (drawn.high - drawn.low)
    assert abs(told.low - drawn.low) < 0.1 * (drawn.high - drawn.low)


def test_the_robust_error_is_that_of_the_plain_formula() -> None:
    """White's sandwich of the whole regression, with a column for each stratum."""
    rng = np.random.default_rng(0)
    n, stratum = 300, np.arange(300) % 3
    current, richer = rng.gamma(2, 1, n), rng.random(n) < 0.4
    after = current + richer + rng.normal(size=n) * current
    x = np.column_stack([richer, current, *(stratum == s for s in range(3))]).astype(float)
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ after
    left = after - x @ beta
    error = np.sqrt((inverse @ (x.T * left**2) @ x @ inverse)[0, 0] * n / (n - 5))
    told = robust(after, richer, current, stratum)
    assert told.value == pytest.approx(beta[0])
    assert told.high - told.value == pytest.approx(1.959964 * error)


# Errors


def test_errors_say_what_is_wrong() -> None:
    value, segments = ten_and_ten()
    for bad in (segments[:10], segments.mask(segments.index == 3), segments.set_axis(range(2, 22))):
        with pytest.raises(DataContractError, match="do not match, or some are missing"):
            potential(value, bad)
    with pytest.raises(DataContractError, match="do not match, or some are missing"):
        potential(value.mask(value > 90), segments)
    with pytest.raises(DataContractError, match="tenures"):
        potential(value, segments, tenure=value[:19])
    twice = [1, *range(1, 20)]
    with pytest.raises(DataContractError, match="value: 1 customers occur twice"):
        potential(value.set_axis(twice), segments.set_axis(twice))
    told = potential(value, segments, fewest=5)
    with pytest.raises(DataContractError, match="1 of 20 customers have no later value"):
        told.checked(value.drop(5))
    with pytest.raises(DataContractError, match="Compare several segments"):
        potential(value, segments.where(segments == "all", "all"), fewest=5).checked(value)


def test_row_11_nobody_has_no_potential() -> None:
    with pytest.raises(DataContractError, match="0 values"):
        potential(pd.Series([], dtype=float), pd.Series([], dtype="str"))


@pytest.mark.parametrize("fewest", [1, 50])
def test_row_73_equal_values_leave_no_room(fewest: int) -> None:
    value = pd.Series(7.0, index=range(30))
    table = potential(value, pd.Series(["a", "b"] * 15), fewest=fewest).customers
    assert (table[["gap", "room"]] == 0).all().all()
    assert table.notna().all().all()


@pytest.mark.parametrize("wrong", [None, [1.0], "a", pd.DataFrame({"x": [1]})])
def test_row_17_what_is_no_series_is_named(wrong: object) -> None:
    value, segments = ten_and_ten()
    with pytest.raises(DataTypeError, match="value cannot be a"):
        potential(wrong, segments)  # type: ignore[arg-type]
    with pytest.raises(DataTypeError, match="segments cannot be a"):
        potential(value, wrong)  # type: ignore[arg-type]
    with pytest.raises(DataTypeError, match="later cannot be a"):
        potential(value, segments).checked(wrong)  # type: ignore[arg-type]
    with pytest.raises(DataTypeError, match="segments cannot be a"):
        share_of_wallet(log_of(*WALLETS), wrong, at="2024-02-01")  # type: ignore[arg-type]
    with pytest.raises(DataTypeError, match="history cannot be a"):
        share_of_wallet(wrong, segments, at="2024-02-01")  # type: ignore[arg-type]


def test_values_that_are_no_finite_numbers_are_refused() -> None:
    value, segments = ten_and_ten()
    told = potential(value, segments)
    for bad in (value.mask(value > 90, np.inf), value.mask(value > 90, -np.inf)):
        with pytest.raises(DataContractError, match="'value' has 1 infinite"):
            potential(bad, segments)
        with pytest.raises(DataContractError, match="'tenure' has 1 infinite"):
            potential(value, segments, tenure=bad)
        with pytest.raises(DataContractError, match="'later' has 1 infinite"):
            told.checked(bad)
    with pytest.raises(DataTypeError, match="value holds str, not numbers"):
        potential(value.astype("str"), segments)
    with pytest.raises(DataContractError, match="later: 1 customers occur twice"):
        told.checked(pd.concat([value, value[:1]]))


def test_one_customer_or_no_peers_are_refused() -> None:
    value, segments = ten_and_ten()
    with pytest.raises(DataContractError, match="nobody is alike"):
        potential(value[:1], segments[:1])
    for fewest in (0, -3):
        with pytest.raises(DataContractError, match=f"fewest is {fewest}"):
            potential(value, segments, fewest=fewest)


# Wallets


def log_of(*rows: tuple[int, str, str, float]) -> InteractionLog:
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "category", "amount"])
    return InteractionLog.read(frame.astype({"timestamp": "datetime64[us]"}), quiet=True)


WALLETS = (
    (1, "2024-01-01", "tea", 30.0), (1, "2024-01-02", "tea", 30.0), (2, "2024-01-01", "tea", 20.0),
    (2, "2024-01-05", "cake", 20.0), (3, "2024-01-01", "soap", 8.0), (4, "2024-01-01", "soap", 2.0),
)  # fmt: skip


def test_wallets_by_hand() -> None:
    log = log_of(*WALLETS, (1, "2022-01-01", "cake", 500.0), (1, "2024-02-01", "cake", 500.0))
    table = share_of_wallet(log, pd.Series({3: "y", 1: "x", 2: "x", 9: "x"}), at="2024-02-01")
    told = table[["customer_id", "category", "segment", "money"]].to_numpy().tolist()
    assert told == [
        [1, "cake", "x", 0.0], [1, "tea", "x", 60.0], [2, "cake", "x", 20.0], [2, "tea", "x", 20.0], [3, "soap", "y", 8.0],
    ]  # fmt: skip
    assert table["share"].tolist() == pytest.approx([0, 1, 0.5, 0.5, 1])
    assert table["segment_share"].tolist() == pytest.approx([0.2, 0.8, 0.2, 0.8, 1])
    assert table["short"].tolist() == pytest.approx([12, 0, 0, 12, 0])


def test_a_category_with_more_returned_than_bought_is_empty() -> None:
    log = log_of(*WALLETS, (2, "2024-01-06", "cake", -25.0))
    table = share_of_wallet(log, pd.Series({1: "x", 2: "x"}), at="2024-02-01")
    assert table[["customer_id", "category", "money", "share"]].to_numpy().tolist() == [
        [1, "tea", 60.0, 1.0],
        [2, "tea", 20.0, 1.0],
    ]


def test_wallets_add_up_to_the_money_of_every_customer() -> None:
    rows = simulate(200, days=400, seed=1).interactions
    log = InteractionLog.read(rows)
    segments = pd.Series(np.resize(["x", "y", "z"], 200), index=log.customers)
    table = share_of_wallet(log, segments, at="2100-01-01", window="40000d")
    bought = rows[rows["kind"].isin(["purchase", "return"])]
    pairs = bought.groupby(["customer_id", "category"])["amount"].sum().clip(lower=0)
    spent = pairs.groupby("customer_id").sum()
    assert np.abs(table.groupby("customer_id")["money"].sum() - spent[spent > 0]).max() < 1e-6
    by_customer = table.groupby("customer_id")
    assert np.allclose(by_customer["share"].sum(), 1)
    assert np.allclose(by_customer["segment_share"].sum(), 1)
    short = by_customer["short"].sum()
    more = (table["share"] - table["segment_share"]).clip(lower=0) * by_customer["money"].transform("sum")
    assert np.allclose(short, more.groupby(table["customer_id"]).sum())  # what is short here is more elsewhere
    for (_, _), one in table.groupby(["segment", "category"]):
        assert one["segment_share"].nunique() == 1
    again = share_of_wallet(
        InteractionLog.read(rows.sample(frac=1, random_state=0)), segments[::-1], at="2100-01-01", window="40000d"
    )
    pd.testing.assert_frame_equal(again, table, check_exact=True)


def test_a_wallet_needs_amounts_and_categories() -> None:
    frame = pd.DataFrame({"customer_id": [1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    with pytest.raises(DataContractError, match="no column amount, category"):
        share_of_wallet(InteractionLog.read(frame), pd.Series({1: "x"}), at="2024-02-01")


def test_a_wallet_of_customers_whom_the_log_does_not_know_is_refused() -> None:
    log = log_of(*WALLETS)
    with pytest.raises(DataContractError, match="None of the 2 customers with a segment is in the log"):
        share_of_wallet(log, pd.Series({"1": "x", "2": "x"}), at="2024-02-01")
    with pytest.raises(DataContractError, match="segments: 1 customers occur twice"):
        share_of_wallet(log, pd.Series(["x", "y"], index=[1, 1]), at="2024-02-01")
    assert share_of_wallet(log, pd.Series({1: "x"}), at="2023-01-01").empty  # known, and spent nothing before
