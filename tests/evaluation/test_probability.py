"""Figures for probabilities and scores."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peers

from crmintel.errors import DataContractError
from crmintel.evaluation import (
    auc,
    average_precision,
    brier,
    calibration_error,
    calibration_table,
    lift,
    lift_table,
    log_loss,
)

FIGURES = [auc, average_precision, brier, log_loss, calibration_error, lift, calibration_table, lift_table]


@st.composite
def scored(draw):
    """A label with both kinds and a coarse score in [0, 1], so that ties are common."""
    n = draw(st.integers(2, 60))
    y = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    y[:2] = [True, False]
    score = np.array(draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))) / 12
    return y, score


def test_auc_by_hand():
    assert auc([1, 0, 1, 0], [4, 3, 2, 1]) == 0.75
    assert auc([1, 0], [1, 1]) == 0.5
    assert auc([0, 1], [1, 0]) == 0.0


def test_average_precision_by_hand():
    assert average_precision([1, 0, 1], [3, 2, 1]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([1, 0, 0, 0], [1, 1, 1, 1]) == 0.25


def test_brier_and_log_loss_by_hand():
    assert brier([1, 0], [0.8, 0.4]) == pytest.approx((0.04 + 0.16) / 2)
    assert log_loss([1, 0], [0.8, 0.4]) == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2)
    assert np.isfinite(log_loss([1, 0], [0.0, 1.0]))


def test_lift_by_hand():
    y = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    score = np.arange(10, 0, -1)
    assert lift(y, score, depth=0.1) == pytest.approx(5.0)
    assert lift(y, score, depth=0.15) == pytest.approx(5.0)  # rounded up to two customers
    assert lift(y, score, depth=1.0) == pytest.approx(1.0)
    assert lift(y, np.ones(10), depth=0.1) == pytest.approx(1.0)


def test_a_tie_at_the_cut_counts_by_its_expected_share():
    # One place is left for two tied customers, one of whom did: half of one in the top two.
    assert lift([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1], depth=0.5) == pytest.approx((1.5 / 2) / (2 / 4))


def test_calibration_by_hand():
    y = [0, 0, 0, 1, 1, 1, 1, 0]
    p = [0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9]
    table = calibration_table(y, p, bins=2)
    assert table["customers"].tolist() == [4, 4]
    assert table["predicted"].tolist() == pytest.approx([0.1, 0.9])
    assert table["observed"].tolist() == [0.25, 0.75]
    assert table["bin"].tolist() == [1, 2]
    assert (table["low"] < table["observed"]).all()
    assert (table["observed"] < table["high"]).all()
    assert calibration_error(y, p, bins=2) == pytest.approx(0.15)


def test_bins_without_ties_hold_the_same_number_of_customers():
    p = np.random.default_rng(0).random(1000)
    assert calibration_table(p > 0.5, p)["customers"].tolist() == [100] * 10


def test_a_block_of_equal_probabilities_goes_where_its_middle_lies():
    assert calibration_table([0, 1, 1, 0], [0.1, 0.9, 0.9, 0.9], bins=2)["customers"].tolist() == [1, 3]
    assert calibration_table([0, 1, 1, 0], [0.1, 0.1, 0.1, 0.9], bins=2)["customers"].tolist() == [3, 1]


def test_a_lift_table_ends_with_everybody():
    table = lift_table([1, 0, 0, 1], [4, 3, 2, 1], points=[0.25, 0.5, 1.0])
    assert table["captured"].tolist() == [0.5, 0.5, 1.0]
    assert table["lift"].tolist() == [2.0, 1.0, 1.0]


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(scored())
def test_auc_and_average_precision_agree_with_scikit_learn(case):
    y, score = case
    assert auc(y, score) == pytest.approx(peers.roc_auc_score(y, score), abs=1e-12)
    assert average_precision(y, score) == pytest.approx(peers.average_precision_score(y, score), abs=1e-12)
    assert brier(y, score) == pytest.approx(peers.brier_score_loss(y, score), abs=1e-12)
    inside = np.clip(score, 0.01, 0.99)
    assert log_loss(y, inside) == pytest.approx(peers.log_loss(y, inside), abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(scored())
def test_figures_of_order_do_not_change_under_rising_transforms(case):
    y, score = case
    for figure in (auc, average_precision, lift):
        assert figure(y, np.exp(5 * score) - 7) == figure(y, score)


@settings(deadline=None, max_examples=50)
@given(scored())
def test_turning_the_score_round_turns_the_auc_round(case):
    y, score = case
    assert auc(y, -score) == pytest.approx(1 - auc(y, score))


@settings(deadline=None, max_examples=50)
@given(scored(), st.randoms(use_true_random=False), st.floats(0.01, 1.0))
def test_the_order_of_rows_changes_nothing(case, random, depth):
    y, score = case
    rows = list(range(len(y)))
    random.shuffle(rows)
    for figure in (auc, average_precision, brier, calibration_error):
        assert figure(y[rows], score[rows]) == pytest.approx(figure(y, score))
    assert lift(y[rows], score[rows], depth=depth) == pytest.approx(lift(y, score, depth=depth))


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(scored(), st.integers(1, 10))
def test_a_tie_counts_as_the_mean_over_all_its_orders(case, tenths):
    y, score = case
    rng = np.random.default_rng(0)
    broken = [lift(y, score + 1e-6 * rng.random(len(y)), depth=tenths / 10) for _ in range(200)]
    spread = np.std(broken) / np.sqrt(200)
    assert lift(y, score, depth=tenths / 10) == pytest.approx(np.mean(broken), abs=6 * spread + 1e-9)


@settings(deadline=None, max_examples=50)
@given(scored(), st.integers(1, 12))
def test_equal_probabilities_are_never_split(case, bins):
    y, p = case
    table = calibration_table(y, p, bins=bins)
    assert table["customers"].sum() == len(y)
    assert table["predicted"].is_monotonic_increasing
    # Each bin is made of whole values: some choice of cuts between the distinct values gives these counts.
    reachable = set(np.cumsum(np.unique(p, return_counts=True)[1]))
    assert set(np.cumsum(table["customers"])) <= reachable


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize(("y", "counts"), [([1, 1, 1], "3 of 3"), ([0, 0, 0], "0 of 3")])
def test_row_94_constant_label_raises_with_the_counts(figure, y, counts):
    with pytest.raises(ValueError, match=rf"y is constant: {counts} customers are positive"):
        figure(y, [0.1, 0.2, 0.3])


@pytest.mark.parametrize("figure", FIGURES)
def test_what_cannot_be_judged_is_refused(figure):
    for y, p, message in [
        ([0, 1], [0.1, 0.2, 0.3], "Lengths differ: y 2, score 3"),
        ([0, 1], [0.1, np.nan], r"missing \(NaN\) for 1 of 2"),
        ([0, 2], [0.1, 0.2], "neither 0 nor 1 for 1 of 2"),
        ([0, 1], ["a", "b"], "is not numeric"),
        ([], [], "at least one"),
        ([[0, 1]], [[0.1, 0.2]], "has shape"),
    ]:
        with pytest.raises(DataContractError, match=message):
            figure(y, p)


@pytest.mark.parametrize("figure", [brier, log_loss, calibration_error, calibration_table])
def test_a_probability_outside_0_to_1_is_refused(figure):
    with pytest.raises(ValueError, match="outside 0 to 1 for 2 of 3"):
        figure([0, 1, 1], [-0.1, 1.2, 0.5])


@pytest.mark.parametrize("depth", [0, -0.1, 1.5])
def test_a_depth_that_is_no_part_of_the_list_is_refused(depth):
    with pytest.raises(ValueError, match="depth is"):
        lift([0, 1], [0.1, 0.2], depth=depth)


def test_pandas_columns_are_read_by_position_and_nullable_gaps_are_seen():
    y = pd.Series([True, False], index=[7, 8], dtype="boolean")
    assert auc(y, pd.Series([0.9, 0.1])) == 1.0
    with pytest.raises(DataContractError, match="missing"):
        auc(y, pd.Series([0.9, None], dtype="Float64"))
