"""Whom it pays to write to: by hand, by simulated mailings, and at the point where it just pays."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crmintel.errors import DataContractError, DataTypeError
from crmintel.segmentation import break_even
from crmintel.segmentation.breakeven import pull


def mailing(**told: tuple[int, int]) -> tuple[pd.Series, pd.Series]:
    """For each segment: responses, customers."""
    segments = np.repeat(list(told), [n for _, n in told.values()])
    responded = np.concatenate([np.arange(n) < k for k, n in told.values()])
    return pd.Series(segments, dtype="str"), pd.Series(responded)


def drawn(rng: np.random.Generator, rates: np.ndarray, sizes: np.ndarray) -> tuple[pd.Series, pd.Series]:
    k = rng.binomial(sizes, rates)
    return mailing(**{f"s{i:03d}": (int(a), int(b)) for i, (a, b) in enumerate(zip(k, sizes, strict=True))})


# By hand


def test_two_segments_by_hand() -> None:
    """p0 = .2, Q = 2 · 100 · .01 / .16 = 12.5, excess 11.5, room 100, ρ = 11.5 / 99, κ = 99 / 11.5 − 1 = 7.608…"""
    table = break_even(*mailing(rich=(30, 100), poor=(10, 100)), contact_cost=1.0, margin=8.0)
    kappa = 99 / 11.5 - 1
    assert pull(np.array([30.0, 10.0]), np.array([100.0, 100.0])) == pytest.approx(kappa)
    assert table["segment"].tolist() == ["rich", "poor"]
    assert table[["customers", "responses", "rate"]].to_numpy().tolist() == [[100, 30, 0.3], [100, 10, 0.1]]
    expected = [(30 + kappa * 0.2) / (100 + kappa), (10 + kappa * 0.2) / (100 + kappa)]
    assert table["expected"].tolist() == pytest.approx(expected)
    assert table["low"].tolist() == pytest.approx(
        [stats.beta.ppf(0.05, k + kappa * 0.2, 100 - k + kappa * 0.8) for k in (30, 10)]
    )
    assert table["break_even"].tolist() == [0.125, 0.125]
    assert table["pays"].tolist() == [True, False]
    assert table["surely_pays"].tolist() == [True, False]


def test_pays_flips_where_the_expected_response_covers_the_contact() -> None:
    mail = mailing(a=(30, 100), b=(10, 100), c=(4, 40))
    expected = break_even(*mail, contact_cost=1.0, margin=8.0)["expected"]
    low = break_even(*mail, contact_cost=1.0, margin=8.0)["low"]
    for e, sure in zip(expected, low, strict=True):
        assert break_even(*mail, contact_cost=1.0, margin=1 / (e - 1e-9))["pays"].sum() == (expected >= e).sum()
        assert break_even(*mail, contact_cost=1.0, margin=1 / (e + 1e-9))["pays"].sum() == (expected > e).sum()
        assert break_even(*mail, contact_cost=1.0, margin=1 / (sure - 1e-9))["surely_pays"].sum() == (low >= sure).sum()
    double = break_even(*mail, contact_cost=2.0, margin=16.0)
    pd.testing.assert_frame_equal(double, break_even(*mail, contact_cost=1.0, margin=8.0))


def test_a_pair_that_covers_its_cost_exactly_pays() -> None:
    table = break_even(*mailing(a=(1, 4), b=(1, 4)), contact_cost=1.0, margin=4.0)
    assert table["expected"].tolist() == [0.25, 0.25]
    assert table["pays"].all()
    assert not table["surely_pays"].any()


def test_one_small_segment_is_not_sure_of_its_own_mean() -> None:
    table = break_even(*mailing(a=(1, 10)), contact_cost=1.0, margin=10.1)
    assert table["expected"].tolist() == pytest.approx([0.1])
    assert table["low"].tolist() == pytest.approx([stats.beta.ppf(0.05, 1, 9)])
    assert table[["pays", "surely_pays"]].to_numpy().tolist() == [[True, False]]


@pytest.mark.parametrize(("yes", "rate"), [(0, 0.0), (7, 1.0)])
def test_nobody_or_everybody_responded(yes: int, rate: float) -> None:
    table = break_even(*mailing(a=(yes, 7), b=(yes, 7)), contact_cost=1.0, margin=10.0)
    assert table["expected"].tolist() == [rate, rate]
    assert table["low"].tolist() == [rate, rate]
    assert table["segment"].tolist() == ["a", "b"]


# Laws


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=8))
def test_expected_lies_between_the_own_rate_and_everybody_s(told: list[tuple[int, int]]) -> None:
    segments, responded = mailing(**{f"s{i}": t for i, t in enumerate(told)})
    table = break_even(segments, responded, contact_cost=1.0, margin=5.0)
    p0 = responded.mean()
    between = np.sort(np.column_stack([table["rate"], np.full(len(table), p0)]), axis=1)
    assert (table["expected"] >= between[:, 0] - 1e-12).all()
    assert (table["expected"] <= between[:, 1] + 1e-12).all()
    assert (table["low"] <= table["expected"] + 1e-12).all()
    assert table["expected"].is_monotonic_decreasing
    assert table["customers"].sum() == len(segments)
    assert table["responses"].sum() == responded.sum()
    order = np.random.default_rng(0).permutation(len(segments))
    shuffled = break_even(segments.iloc[order], responded.iloc[order[::-1]], contact_cost=1.0, margin=5.0)
    pd.testing.assert_frame_equal(shuffled, table, check_exact=True)


# Simulated mailings


def test_shrunk_rates_are_nearer_the_truth_than_raw_ones() -> None:
    rng, won = np.random.default_rng(1), []
    for _ in range(40):
        truth, sizes = rng.beta(4, 76, 25), rng.integers(10, 200, 25)
        table = break_even(*drawn(rng, truth, sizes), contact_cost=1.0, margin=20.0).sort_values("segment")
        raw, shrunk = (np.average((table[c] - truth) ** 2) for c in ("rate", "expected"))
        won.append((shrunk, raw))
    shrunk, raw = np.array(won).T
    assert (shrunk < raw).mean() > 0.8
    assert shrunk.mean() < 0.6 * raw.mean()


def test_the_pull_is_that_of_the_world_and_grows_where_rates_are_equal() -> None:
    rng, spread, equal = np.random.default_rng(2), [], []
    for _ in range(30):
        sizes = rng.integers(50, 400, 60)
        k = rng.binomial(sizes, rng.beta(4, 36, 60))
        spread.append(pull(k.astype(float), sizes.astype(float)))
        equal.append(pull(rng.binomial(sizes, 0.1).astype(float), sizes.astype(float)))
    assert 30 < np.median(spread) < 55  # 4 + 36
    assert np.median(equal) > 20 * np.median(spread)


@pytest.mark.slow
@pytest.mark.parametrize(("alike", "least"), [(True, 0.94), (False, 0.86)])
def test_the_lower_limit_holds_the_truth_about_as_often_as_its_notes_say(alike: bool, least: float) -> None:
    rng, held = np.random.default_rng(3), []
    for _ in range(150):
        truth = np.full(12, 0.1) if alike else rng.beta(4, 36, 12)
        table = break_even(*drawn(rng, truth, np.full(12, 60)), contact_cost=1.0, margin=20.0).sort_values("segment")
        held.append((table["low"].to_numpy() <= truth).mean())
    assert least < np.mean(held) < 1.0


# Errors


def test_errors_say_what_is_wrong() -> None:
    segments, responded = mailing(a=(1, 4), b=(1, 4))
    for cost, margin in ((0.0, 1.0), (1.0, 0.0), (1.0, np.nan), (-1.0, 2.0)):
        with pytest.raises(DataContractError, match="Both must be above 0"):
            break_even(segments, responded, contact_cost=cost, margin=margin)
    for level in (0.0, 1.0, 95.0):
        with pytest.raises(DataContractError, match="share between 0 and 1"):
            break_even(segments, responded, contact_cost=1.0, margin=2.0, level=level)
    with pytest.raises(DataContractError, match="8 segments and 7 responses"):
        break_even(segments, responded[:7], contact_cost=1.0, margin=2.0)
    with pytest.raises(DataContractError, match="not of the same customers"):
        break_even(segments, responded.set_axis(range(1, 9)), contact_cost=1.0, margin=2.0)
    twice = [0, 0, *range(6)]
    with pytest.raises(DataContractError, match="segments: 2 customers occur twice"):
        break_even(segments.set_axis(twice), responded.set_axis(twice), contact_cost=1.0, margin=2.0)


def test_a_missing_response_is_no_response() -> None:
    segments, responded = mailing(a=(1, 4), b=(1, 4))
    with pytest.raises(DataContractError, match="0 have no segment and 1 no response"):
        break_even(segments, responded.astype(float).mask(responded.index == 7), contact_cost=1.0, margin=2.0)
    with pytest.raises(DataContractError, match="1 have no segment and 0 no response"):
        break_even(segments.mask(segments.index == 7), responded, contact_cost=1.0, margin=2.0)


def test_row_11_an_earlier_mailing_to_nobody_is_refused() -> None:
    with pytest.raises(DataContractError, match="Of 0 customers"):
        break_even(pd.Series([], dtype="str"), pd.Series([], dtype=bool), contact_cost=1.0, margin=2.0)


@pytest.mark.parametrize("responses", [["no", "no", "yes"], [0.2, 0.0, 1.0], [1, 2, 0], ["0", "1", "0"]])
def test_responses_that_are_neither_yes_nor_no_are_refused(responses: list[object]) -> None:
    with pytest.raises(DataContractError, match="not all yes or no"):
        break_even(pd.Series(["a", "a", "b"]), pd.Series(responses), contact_cost=1.0, margin=2.0)


@pytest.mark.parametrize("kind", [bool, int, float, object, "boolean", "Int64"])
def test_yes_and_no_may_be_flags_or_zeros_and_ones(kind: object) -> None:
    segments, responded = mailing(a=(3, 4), b=(1, 4))
    table = break_even(segments, responded.astype(kind), contact_cost=1.0, margin=2.0)  # type: ignore[call-overload]
    pd.testing.assert_frame_equal(table, break_even(segments, responded, contact_cost=1.0, margin=2.0))
    assert table["responses"].tolist() == [3, 1]


@pytest.mark.parametrize("wrong", [None, ["a"], "a", pd.DataFrame({"x": [1]})])
def test_row_17_what_is_no_series_is_named(wrong: object) -> None:
    segments, responded = mailing(a=(3, 4), b=(1, 4))
    with pytest.raises(DataTypeError, match="segments cannot be a"):
        break_even(wrong, responded, contact_cost=1.0, margin=2.0)  # type: ignore[arg-type]
    with pytest.raises(DataTypeError, match="responded cannot be a"):
        break_even(segments, wrong, contact_cost=1.0, margin=2.0)  # type: ignore[arg-type]
