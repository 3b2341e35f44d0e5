"""A model's probabilities beside rules."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crmintel.evaluation import auc, average_precision, bootstrap, brier, compare_scores, lift, log_loss
from crmintel.evaluation.scores import METRICS


def world(n=2_000, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    p = 1 / (1 + np.exp(-x))
    return rng.random(n) < p, p, x


def test_a_better_model_is_proven_and_a_worse_one_is_called_so():
    y, p, x = world()
    noise = np.random.default_rng(5).normal(size=len(y))
    report = compare_scores(y, p, {"noise": noise, "same": x, "cheat": y + 0.1 * noise})
    assert report.rules["name"].tolist() == ["model", "noise", "same", "cheat"]
    assert report.rules["verdict"].tolist() == ["", "proven", "not proven", "worse"]
    assert report.rules.loc[2, ["gain", "gain_low", "gain_high"]].tolist() == [0, 0, 0]
    assert (report.n, report.positives) == (2_000, int(y.sum()))
    assert tuple(report.metrics) == METRICS


def test_the_figures_are_those_of_the_single_functions():
    y, p, _ = world()
    p = np.round(p, 1)
    report = compare_scores(y, p, {}, n=20)
    figures = {"auc": auc, "average_precision": average_precision, "brier": brier, "log_loss": log_loss}
    for name, figure in (figures | {"top_decile_lift": lift}).items():
        assert report.metrics[name].value == pytest.approx(figure(y, p))


@pytest.mark.slow
def test_the_fast_paired_bootstrap_equals_the_plain_one():
    y, p, _ = world(300)
    p = np.round(p, 1)
    rule = np.round(np.random.default_rng(2).normal(size=300) + y, 1)
    report = compare_scores(y, p, {"rule": rule}, n=60, seed=4)
    plain = bootstrap(lambda y, p, r: roc_auc_score(y, p) - roc_auc_score(y, r), y, p, rule, n=60, seed=4)
    row = report.rules.loc[1]
    assert (row.gain, row.gain_low, row.gain_high) == pytest.approx((plain.value, plain.low, plain.high))
    for name, figure in {"average_precision": average_precision, "top_decile_lift": lift, "brier": brier}.items():
        expected = bootstrap(figure, y, p, n=60, seed=4)
        ours = report.metrics[name]
        assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high))


def test_pairing_makes_the_gain_sharper_than_two_separate_intervals():
    y, p, x = world()
    report = compare_scores(y, p, {"close": x + 0.05 * np.random.default_rng(1).normal(size=len(y))})
    row = report.rules.loc[1]
    assert row.gain_high - row.gain_low < 0.5 * (row.auc_high - row.auc_low)


def test_a_missing_score_of_a_rule_is_put_last():
    y, p, x = world(500)
    gaps = np.where(x < 0, np.nan, x)
    lowest = np.where(x < 0, -99.0, x)
    report = compare_scores(y, p, {"gaps": gaps, "lowest": lowest}, n=20)
    assert report.rules.loc[1, "auc"] == report.rules.loc[2, "auc"] == pytest.approx(roc_auc_score(y, lowest))


def test_a_customer_at_several_instants_counts_once():
    y, p, _ = world(300)
    groups = np.tile(np.arange(300), 4)
    once = compare_scores(y, p, {}, n=100)
    repeated = compare_scores(np.tile(y, 4), np.tile(p, 4), {}, groups=groups, n=100)
    assert repeated.metrics["auc"].low == pytest.approx(once.metrics["auc"].low)
    assert repeated.metrics["auc"].high == pytest.approx(once.metrics["auc"].high)


def test_a_handful_of_positives_proves_nothing():
    y = np.zeros(200, dtype=bool)
    y[:3] = True
    p = np.linspace(0.9, 0.1, 200)
    report = compare_scores(y, p, {"reversed": -p})
    assert report.rules.loc[1, "gain"] == pytest.approx(1.0)
    assert report.rules.loc[1, "verdict"] == "not proven"


def test_the_calibration_interval_holds_its_figure():
    y, p, _ = world()
    error = compare_scores(y, p, {}).metrics["calibration_error"]
    assert 0 <= error.low <= error.value <= error.high


def test_the_same_seed_gives_the_same_report():
    y, p, x = world(300)
    one, two = (compare_scores(y, p, {"x": x}, n=30, seed=9) for _ in range(2))
    assert one.to_frame().equals(two.to_frame())
    assert one.rules.equals(two.rules)


def test_a_report_shows_itself():
    y, p, x = world(300)
    report = compare_scores(y, p, {"<b>": x}, n=20)
    assert repr(report).startswith("ProbabilityReport(n=300, positives=")
    assert "against <b>: +0.000" in str(report)
    assert "&lt;b&gt;" in report._repr_html_()
    assert report.to_frame()["metric"].tolist() == list(METRICS)


@pytest.mark.parametrize(("y", "counts"), [([1, 1, 1], "3 of 3"), ([0, 0, 0], "0 of 3")])
def test_row_94_constant_label_raises_with_the_counts(y, counts):
    with pytest.raises(ValueError, match=counts):
        compare_scores(y, [0.1, 0.2, 0.3], {})


@pytest.mark.parametrize(
    ("p", "rules", "message"),
    [
        ([0.1, np.nan], {}, "missing"),
        ([0.1, 1.1], {}, "outside 0 to 1 for 1 of 2"),
        ([0.1], {}, "Lengths differ: y 2, p 1"),
        ([0.1, 0.2], {"p": [1]}, "rule 'p' 1"),
        ([0.1, 0.2], {"model": [1, 2]}, "Rename the rule"),
    ],
)
def test_bad_probabilities_and_rules_are_refused(p, rules, message):
    with pytest.raises(ValueError, match=message):
        compare_scores([0, 1], p, rules)


def test_the_top_of_the_list_has_intervals_that_hold_its_figures():
    rng = np.random.default_rng(0)
    p = rng.beta(1, 3, 800)
    lift = compare_scores(rng.random(800) < p, p, {}, n=100).lift
    for figure in ("captured", "lift"):
        low, high = lift[f"{figure}_low"], lift[f"{figure}_high"]
        assert ((low <= lift[figure]) & (lift[figure] <= high)).all()
        assert (high[:-1] > low[:-1]).all()
    assert lift[["captured_low", "captured_high", "lift_low", "lift_high"]].iloc[-1].tolist() == [1.0] * 4
