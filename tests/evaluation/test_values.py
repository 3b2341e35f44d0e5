"""Forecasts of money, alone and beside rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel.evaluation import bootstrap, capture, compare_values, coverage, mean_absolute_error, total_error


def world(n=1_000, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 1, n)
    return np.exp(x + 0.5 * rng.normal(size=n)), np.exp(x)


def test_the_four_figures_by_hand():
    y, prediction = [10.0, 0.0, 30.0], [20.0, 0.0, 40.0]
    assert mean_absolute_error(y, prediction) == pytest.approx(20 / 3)
    assert total_error(y, prediction) == pytest.approx(0.5)
    assert capture(y, prediction, depth=1 / 3) == pytest.approx(0.75)
    inside = coverage(y, [10, 1, 0], [10, 2, 29])
    assert inside.value == pytest.approx(1 / 3)
    assert inside.method == "Wilson"


def test_returns_may_make_a_customer_negative():
    assert capture([-10.0, 20.0], [1.0, 2.0], depth=0.5) == 2.0
    assert total_error([-10.0, -10.0], [-15.0, -15.0]) == -0.5


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 4)), min_size=2, max_size=40),
    st.randoms(use_true_random=False),
    st.floats(0.01, 1.0),
)
def test_capture_does_not_depend_on_the_order_of_ties(rows, random, depth):
    shuffled = list(rows)
    random.shuffle(shuffled)
    y, score = np.array([*rows, (1, 0)]).T
    y2, score2 = np.array([(1, 0), *shuffled]).T
    assert capture(y, score, depth) == pytest.approx(capture(y2, score2, depth))
    assert capture(y, np.zeros(len(y)), 0.5) == pytest.approx(np.ceil(len(y) / 2) / len(y))
    assert capture(y, score, 1.0) == pytest.approx(1.0)


def test_a_better_forecast_is_proven_and_a_worse_one_is_called_so():
    y, prediction = world()
    rules = {"mean": np.full(len(y), y.mean()), "same": prediction, "cheat": y + 0.1}
    report = compare_values(y, prediction, prediction / 3, prediction * 3, rules)
    assert report.rules["verdict"].tolist() == ["", "proven", "not proven", "worse"]
    assert report.rules["capture"].tolist()[1] == pytest.approx(0.1)
    assert report.rules["capture"].tolist()[3] == pytest.approx(capture(y, y))
    assert list(report.metrics) == ["mean_absolute_error", "total_error", "top_decile_capture", "coverage"]
    assert report.n == 1_000


def test_figures_and_intervals_equal_the_plain_bootstrap():
    y, prediction = world(200)
    prediction = np.round(prediction)
    rule = np.full(len(y), np.median(y))
    report = compare_values(y, prediction, None, None, {"median": rule}, n=50, seed=2)
    plain = {
        "mean_absolute_error": bootstrap(mean_absolute_error, y, prediction, n=50, seed=2),
        "total_error": bootstrap(total_error, y, prediction, n=50, seed=2),
        "top_decile_capture": bootstrap(capture, y, prediction, n=50, seed=2),
    }
    assert list(report.metrics) == list(plain)
    for name, e in plain.items():
        ours = report.metrics[name]
        assert (ours.value, ours.low, ours.high) == pytest.approx((e.value, e.low, e.high))
    gain = bootstrap(lambda y, p, r: np.mean(abs(r - y)) - np.mean(abs(p - y)), y, prediction, rule, n=50, seed=2)
    row = report.rules.loc[1]
    assert (row.gain, row.gain_low, row.gain_high) == pytest.approx((gain.value, gain.low, gain.high))


def test_deciles_go_from_the_highest_forecast_down_and_hold_everybody():
    y, prediction = world(1_000)
    deciles = compare_values(y, prediction, None, None, {}, n=10).deciles
    assert deciles["decile"].tolist() == list(range(1, 11))
    assert deciles["customers"].tolist() == [100] * 10
    assert deciles["predicted"].is_monotonic_decreasing
    assert deciles["actual"].mean() == pytest.approx(y.mean())


def test_few_buyers_prove_nothing():
    y = np.zeros(300)
    y[:3] = 50.0
    report = compare_values(y, y, None, None, {"one": np.ones(300)})
    assert report.rules.loc[1, "gain_low"] > 0
    assert report.rules.loc[1, "verdict"] == "not proven"


def test_a_report_shows_itself():
    y, prediction = world(100)
    report = compare_values(y, prediction, None, None, {"<b>": y}, n=20)
    assert repr(report).startswith("ValueReport(n=100, mean_absolute_error=")
    assert "against <b>" in str(report)
    assert "&lt;b&gt;" in report._repr_html_()
    assert report.to_frame().columns.tolist() == ["metric", "value", "low", "high"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_absolute_error([1, np.nan], [1, 2]), r"y is missing \(NaN\) for 1 of 2"),
        (lambda: mean_absolute_error([1, 2], [1, np.inf]), "prediction is infinite for 1 of 2"),
        (lambda: mean_absolute_error([1, 2], [1]), "Lengths differ: y 2, prediction 1"),
        (lambda: total_error([1, -1], [1, 2]), "total of y over 2 customers is zero"),
        (lambda: capture([0, 0], [1, 2]), "not above zero"),
        (lambda: coverage([1, 2], [3, 0], [2, 2]), "low is above high for 1 of 2"),
        (lambda: compare_values([0, 0], [1, 2], None, None, {}), "not above zero"),
        (lambda: compare_values([1, 2], [1, 2], None, None, {"model": [1, 2]}), "Rename the rule"),
        (lambda: compare_values([1, 2], [1, 2], None, None, {"y": [1]}), "forecast 'y' 1"),
    ],
)
def test_money_that_cannot_be_judged_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
