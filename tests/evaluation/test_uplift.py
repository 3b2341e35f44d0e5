"""Qini and uplift curves of a list."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from crmintel.errors import DataContractError
from crmintel.evaluation import uplift_curve, uplift_curve_from_scores


def world(n=400, decimals=1, seed=0):
    rng = np.random.default_rng(seed)
    score, treated = np.round(rng.normal(size=n), decimals), rng.random(n) < 0.4
    return score, treated.astype(int), (rng.random(n) < 0.2 + 0.3 * treated * (score > 0)).astype(int)


def plain(score, treated, y, kind):
    """Points (customers, value) of a curve, one block of equal scores after the other, by counting."""
    points = [(0, 0.0)]
    for cut in sorted(set(score), reverse=True):
        top = [i for i in range(len(y)) if score[i] >= cut]
        t, c = [y[i] for i in top if treated[i]], [y[i] for i in top if not treated[i]]
        rate_t, rate_c = (sum(t) / len(t) if t else 0), (sum(c) / len(c) if c else 0)
        points.append((len(top), sum(t) - rate_c * len(t) if kind == "qini" else (rate_t - rate_c) * len(top)))
    return points


def above(points):
    """Area over the straight line from first to last point."""
    area = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(points))
    return area - points[-1][0] * points[-1][1] / 2


def test_four_customers_by_hand():
    curve = uplift_curve([4, 3, 2, 1], [1, 0, 1, 0], [1, 0, 0, 0], permutations=20)
    assert curve.depth.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert curve.qini.tolist() == [0, 1, 1, 1, 1]
    assert curve.gain.tolist() == [0, 1, 2, 1.5, 2]
    # Treated share 0, .5, .5, 1, 1 and Q per treated 0, .5, .5, .5, .5: .125 + .25 - .25.
    assert curve.qini_area == 0.125
    # The perfect list is this one with all others in one block: area 3.5 and (0 to 1, then 1): both 3.5 less 2.
    assert curve.qini_coefficient == 1
    assert curve.auuc == pytest.approx((0.5 + 1.5 + 1.75 + 1.75) / 16)
    assert curve.uplift_at(0.5).value == 1


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_coefficients_are_those_of_the_plain_count_by_scikit_uplifts_convention(decimals):
    for seed in range(3):
        score, treated, y = world(150, decimals, seed)
        curve = uplift_curve(score, treated, y, permutations=1)
        best = above(plain(y * treated - y * (1 - treated), treated, y, "qini"))
        assert curve.qini_coefficient == pytest.approx(above(plain(score, treated, y, "qini")) / best, abs=1e-12)
        few = ((y == 1) & (treated == 0)).sum() > ((y == 0) & (treated == 1)).sum()
        best = above(plain(2 * (y == treated) + (y if few else treated), treated, y, "gain"))
        assert curve.auuc_coefficient == pytest.approx(above(plain(score, treated, y, "gain")) / best, abs=1e-12)


def test_coefficients_are_those_that_scikit_uplift_told():
    # scikit-uplift 0.5.1, qini_auc_score and uplift_auc_score on the five thousand customers below.
    rng = np.random.default_rng(0)
    t, s = (rng.random(5_000) < 0.5).astype(int), np.round(rng.normal(size=5_000), 1)
    curve = uplift_curve(s, t, rng.random(5_000) < 0.2 + 0.1 * t * (s > 0), permutations=1)
    assert curve.qini_coefficient == pytest.approx(0.05705875301657124, abs=1e-12)
    assert curve.auuc_coefficient == pytest.approx(0.03933578171161654, abs=1e-12)


def test_equal_scores_are_one_block_whatever_the_order_of_rows():
    score, treated, y = world(decimals=0)
    mixed = np.random.default_rng(1).permutation(len(y))
    one, two = (uplift_curve(score[i], treated[i], y[i], permutations=9) for i in (np.arange(len(y)), mixed))
    assert len(one.depth) == len(set(score)) + 1
    for name in ("depth", "qini", "gain", "low", "high"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    assert (one.qini_area, one.qini_coefficient_band) == (two.qini_area, two.qini_coefficient_band)


@pytest.mark.slow
def test_the_band_holds_random_orders_and_not_a_good_one():
    rng = np.random.default_rng(3)
    score, treated, y = world(2_000, 9)
    good = uplift_curve(score, treated, y, permutations=100)
    assert good.qini_coefficient > 2 * good.qini_coefficient_band[1] > 0 > good.qini_coefficient_band[0]
    assert good.low[0] == good.high[0] == 0
    assert [good.low[-1], good.high[-1]] == pytest.approx([good.qini[-1]] * 2)
    inside = [low <= c <= high for c, (low, high) in ((u.qini_area, u.qini_area_band) for u in (
        uplift_curve(rng.permutation(score), treated, y, permutations=60, seed=i) for i in range(60)))]  # fmt: skip
    assert 50 <= sum(inside) <= 60


@pytest.mark.slow
def test_weights_take_off_what_an_unequal_chance_of_treatment_puts_on():
    rng = np.random.default_rng(0)
    x = rng.normal(size=60_000)
    e = np.where(x > 0, 0.8, 0.2)
    t = rng.random(60_000) < e
    y = 10 * x + t * 1.0  # the same effect for all, so no list is better than another
    naive, weighted = (uplift_curve(x, t, y, propensity=p, permutations=30) for p in (None, e))
    assert weighted.uplift_at(1.0).low < 1 < weighted.uplift_at(1.0).high
    assert naive.uplift_at(1.0).low > 5
    assert np.isnan(weighted.qini_coefficient)
    same = uplift_curve(x, t, y, propensity=np.full(60_000, 0.5), permutations=1)
    assert same.qini == pytest.approx(2 * naive.qini)
    assert same.qini_area == pytest.approx(naive.qini_area)


def test_the_interval_of_the_top_is_that_of_a_difference_of_means():
    score, treated, y = world(decimals=9)
    top = np.argsort(-score)[:100]
    t, c = (y[top][treated[top] == arm] for arm in (1, 0))
    told = uplift_curve(score, treated, y, permutations=1).uplift_at(0.25)
    assert told.value == pytest.approx(t.mean() - c.mean())
    assert told.high - told.value == pytest.approx(1.959964 * np.sqrt(t.var() / len(t) + c.var() / len(c)))


def test_scores_of_the_effect_give_the_mean_of_the_top():
    z = np.array([5.0, 1.0, 3.0, -1.0])
    curve = uplift_curve_from_scores([4, 1, 3, 2], z, permutations=5)
    assert curve.qini.tolist() == [0, 5, 8, 7, 8]
    told = curve.uplift_at(0.5)
    assert (told.value, told.high - 4) == (4, pytest.approx(1.959964 * np.sqrt(2) / 2))
    assert curve.qini_area == pytest.approx((2.5 + 6.5 + 7.5 + 7.5) / 16 - 1)


def test_row_102_an_empty_arm_is_named():
    with pytest.raises(DataContractError, match="No customer is in the control arm"):
        uplift_curve([1, 2], [1, 1], [0, 1])


@pytest.mark.parametrize("p", [0.0, 1.0, 1.5, np.nan])
def test_row_104_a_propensity_that_is_none_is_counted(p):
    with pytest.raises(DataContractError, match=r"propensity is .* for 1 of 3 customers"):
        uplift_curve([1, 2, 3], [1, 0, 1], [0, 1, 1], propensity=[0.5, 0.5, p])


def test_it_shows_its_convention_and_the_random_band():
    curve = uplift_curve(*world(), permutations=10)
    assert "as scikit-uplift scales them" in repr(curve)
    assert "random" in repr(curve)
    assert "<table" in curve._repr_html_()
    assert curve.to_frame().columns.tolist() == ["depth", "customers", "qini", "random_low", "random_high", "gain"]


def test_columns_with_an_index_are_put_into_one_order():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"score": rng.normal(size=60), "treated": np.arange(60) % 2, "outcome": rng.integers(0, 2, 60)}
    )
    table["propensity"] = rng.uniform(0.3, 0.7, 60)
    table.index = [f"c{i}" for i in range(60)]
    plain = uplift_curve(*(table[c].to_numpy() for c in ("score", "treated", "outcome")),
                         propensity=table["propensity"].to_numpy(), permutations=5)  # fmt: skip
    mixed = [table[c].sample(frac=1, random_state=i) for i, c in enumerate(table.columns)]
    assert uplift_curve(*mixed[:3], propensity=mixed[3], permutations=5).qini_area == plain.qini_area
    told = uplift_curve_from_scores(mixed[0], mixed[2], permutations=5)
    assert told.qini_area == uplift_curve_from_scores(table["score"], table["outcome"], permutations=5).qini_area
