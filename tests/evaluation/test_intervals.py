"""Estimates, the bootstrap and Wilson's interval."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from crmintel.evaluation import Estimate, bootstrap, wilson
from crmintel.evaluation.intervals import percentile


def test_an_estimate_shows_its_interval():
    assert str(Estimate(0.741, 0.722, 0.760)) == "0.741 (0.722 to 0.760)"
    assert f"{Estimate(1234.5, 1000, 2000):,.0f}" == "1,234 (1,000 to 2,000)"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False), (0.0, 0.1, False), (np.nan, np.nan, False)],
)
def test_an_interval_excludes_zero_only_when_it_lies_on_one_side(low, high, expected):
    assert Estimate(0.0, low, high).excludes_zero is expected


def test_a_constant_has_no_spread():
    estimate = bootstrap(np.mean, np.full(20, 3.0), n=50)
    assert (estimate.value, estimate.low, estimate.high) == (3.0, 3.0, 3.0)


def test_the_bootstrap_of_a_mean_agrees_with_the_textbook():
    values = np.random.default_rng(1).normal(size=400)
    half = 1.96 * values.std(ddof=1) / 20
    estimate = bootstrap(np.mean, values, n=2000, seed=3)
    assert estimate.high - estimate.low == pytest.approx(2 * half, rel=0.08)
    assert bootstrap(np.mean, values, n=2000, seed=3) == estimate
    assert bootstrap(np.mean, values, n=2000, seed=4) != estimate


def test_arrays_are_resampled_together():
    x = np.arange(30.0)
    assert bootstrap(lambda a, b: float(np.abs(a - b).max()), x, x + 2, n=50).high == 2.0


def test_rows_of_one_group_are_drawn_together():
    per_customer = np.random.default_rng(0).normal(size=100)
    once = bootstrap(np.mean, per_customer, n=1000)
    groups = np.tile(np.arange(100), 9)
    nine_times = bootstrap(np.mean, np.tile(per_customer, 9), n=1000, groups=groups)
    pretending = bootstrap(np.mean, np.tile(per_customer, 9), n=1000)
    assert nine_times.high - nine_times.low == pytest.approx(once.high - once.low)
    assert pretending.high - pretending.low < 0.5 * (once.high - once.low)


@pytest.mark.parametrize(
    "groups",
    [[np.nan, np.nan, 1.0, 2.0], [None, None, "a", "b"], ["a", np.nan, "b", None], pd.array([1, None, None, 2])],
)
def test_missing_groups_are_counted_instead_of_drawn_as_one(groups):
    with pytest.raises(ValueError, match="groups is missing for 2 of 4 rows"):
        bootstrap(np.mean, [1.0, 2.0, 3.0, 4.0], groups=groups, n=5)


def _mean_of_positive(values):
    if not (values > 0).any():
        raise ValueError("nothing above zero")
    return values[values > 0].mean()


def test_draws_where_the_figure_is_undefined_are_left_out():
    assert bootstrap(_mean_of_positive, [0.0, 0.0, 5.0, 7.0], n=100).low >= 5.0


def test_too_many_undefined_draws_are_refused_with_their_number():
    with pytest.raises(ValueError, match=r"undefined in \d+ of 200 draws \(at most 5% may be\)"):
        bootstrap(_mean_of_positive, [0.0, 0.0, 0.0, 0.0, 7.0], n=200, max_undefined=0.05)


def test_a_centred_interval_lies_around_the_figure():
    estimate = percentile(1.0, np.array([2.0, 3.0, 4.0]), level=0.5, centred=True)
    assert (estimate.low, estimate.high) == (0.5, 1.5)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        (([1.0], [1.0, 2.0]), {}, r"lengths \[1, 2\]"),
        (([],), {}, r"lengths \[0\]"),
        ((), {}, r"lengths \[\]"),
        (([1.0, 2.0],), {"groups": [1]}, "groups has shape"),
        (([1.0, 2.0],), {"n": 0}, "n is 0"),
        (([1.0, 2.0],), {"level": 95}, "level is 95"),
    ],
)
def test_the_bootstrap_refuses_what_it_cannot_resample(arrays, options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap(lambda *a: 0.0, *arrays, **options)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95]))
def test_wilson_agrees_with_scipy(case, level):
    k, n = case
    peer = binomtest(k, n).proportion_ci(level, method="wilson")
    ours = wilson(k, n, level)
    assert (ours.low, ours.high) == pytest.approx((peer.low, peer.high), abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (3, 2), (-1, 4)])
def test_wilson_refuses_what_is_no_share(k, n):
    with pytest.raises(ValueError, match="is no share"):
        wilson(k, n)
