"""Kaplan–Meier, the log-rank test, concordance, Brier score and calibration of survival curves."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf, norm

from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.evaluation.kaplan_meier import kaplan_meier, log_rank
from crmintel.evaluation.survival import brier_curve, concordance, horizon_calibration, integrated_brier

GOLDEN_CURVE = [
    0.05470734697049132,
    0.14553977177299407,
    0.23273086772606089,
    0.3041545100787698,
    0.3389911067107641,
    0.36815095717958046,
    0.3473282852601233,
    0.33578022342326436,
    0.26587815525523,
]
GOLDEN_IBS = 0.2791210591580522
GOLDEN_C = 0.4622222222222222
FIVE = ([2, 3, 3, 5, 8], [True, True, False, True, False])


def sample(n: int = 400, seed: int = 0, *, whole: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Times of leaving and of being last seen, whichever came first."""
    rng = np.random.default_rng(seed)
    leave, end = rng.exponential(10, n), rng.uniform(1, 25, n)
    time = np.minimum(leave, end)
    return (np.ceil(time) if whole else time), leave <= end


def test_the_curve_of_five_customers_by_hand() -> None:
    told = kaplan_meier(*FIVE)
    assert told.time.tolist() == [2, 3, 5, 8]
    assert told.at_risk.tolist() == [5, 4, 2, 1]
    assert told.events.tolist() == [1, 1, 1, 0]
    assert told.survival == pytest.approx([4 / 5, 3 / 5, 3 / 10, 3 / 10])
    assert told.median.value == 5
    assert told.at([0, 2.9, 3, 8]) == pytest.approx([1, 0.8, 0.6, 0.3])


def test_the_interval_is_greenwoods_on_the_log_log_scale() -> None:
    told = kaplan_meier(*FIVE, level=0.9)
    spread = np.sqrt(1 / (5 * 4) + 1 / (4 * 3))
    wide = np.exp(norm.ppf(0.95) * spread / -np.log(0.6))
    at = told.estimate(3)
    assert (at.low, at.high) == pytest.approx((0.6**wide, 0.6 ** (1 / wide)))


@pytest.mark.parametrize("whole", [True, False])
def test_scipy_draws_the_same_curve(whole: bool) -> None:
    time, seen = sample(whole=whole)
    theirs = ecdf(CensoredData(uncensored=time[seen], right=time[~seen])).sf
    assert kaplan_meier(time, seen).at(theirs.quantiles) == pytest.approx(theirs.probabilities, abs=1e-12)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 8), st.booleans()), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
def test_a_plain_loop_counts_the_same_with_late_entries(rows: list[tuple[int, int, bool]]) -> None:
    time, entry, seen = (np.array(v) for v in zip(*((t, min(e, t - 1), s) for t, e, s in rows), strict=True))
    seen[0] = True
    told = kaplan_meier(time, seen, entry=entry)
    share = 1.0
    for i, t in enumerate(sorted(set(time.tolist()))):
        at_risk = sum(e < t <= d for e, d in zip(entry, time, strict=True))
        left = sum(d == t and s for d, s in zip(time, seen, strict=True))
        share *= 1 - left / at_risk
        assert (told.at_risk[i], told.events[i]) == (at_risk, left)
        assert told.survival[i] == pytest.approx(share)
        assert 0 <= told.low[i] <= told.survival[i] + 1e-12
        assert told.survival[i] <= told.high[i] + 1e-12 <= 1 + 1e-11


def test_nothing_is_told_beyond_the_longest_time() -> None:
    assert np.isnan(kaplan_meier(*FIVE).at(8.1))
    assert kaplan_meier([1, 2], [True, True]).at(9) == 0
    assert kaplan_meier([1, 2, 3], [True, False, False]).median.value == np.inf


def test_late_entries_that_empty_the_base_are_told() -> None:
    with pytest.warns(DataContractWarning, match="stays at 0"):
        kaplan_meier([1, 5, 6], [True, True, False], entry=[0, 2, 2])


def test_the_band_holds_the_truth_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(200):
        at = kaplan_meier(*sample(120, seed, whole=False)).estimate(8)
        held += at.low <= np.exp(-0.8) <= at.high
    assert 180 <= held <= 198


@pytest.mark.parametrize(
    ("duration", "observed", "entry", "words"),
    [
        ([1, 0], [1, 1], None, "duration is not above 0 for 1 of 2"),
        ([1, np.nan], [1, 1], None, r"duration is missing \(NaN\) for 1 of 2"),
        ([1, np.inf], [1, 1], None, "duration is infinite for 1 of 2"),
        ([1, 2], [1, 2], None, "observed is neither 0 nor 1 for 1 of 2"),
        ([1, 2], [0, 0], None, "observed is constant: 0 of 2 customers left"),
        ([1, 2], [1], None, "Lengths differ: duration 2, observed 1"),
        ([1, 2], [1, 1], [1, 0], "entry is not before duration for 1 of 2"),
        ([1, 2], [1, 1], [0, -1], "entry is negative for 1 of 2"),
    ],
)
def test_times_that_cannot_be_are_counted(duration: list, observed: list, entry: list | None, words: str) -> None:
    with pytest.raises(DataContractError, match=words):
        kaplan_meier(duration, observed, entry=entry)


def test_the_log_rank_test_by_hand() -> None:
    told = log_rank([1, 2, 3, 4], [True] * 4, ["a", "a", "b", "b"])
    expected, variance = 1 / 2 + 1 / 3, 1 / 4 + 2 / 9
    assert told.groups["expected"].tolist() == pytest.approx([expected, 4 - expected])
    assert told.statistic == pytest.approx((2 - expected) ** 2 / variance)


def test_alike_groups_are_called_different_one_time_in_twenty() -> None:
    rng = np.random.default_rng(3)
    p = [log_rank(*sample(90, seed), rng.integers(0, 3, 90)).p_value for seed in range(300)]
    assert 5 <= sum(x < 0.05 for x in p) <= 27
    time, seen = sample(300)
    assert log_rank(np.where(np.arange(300) < 150, time, 2 * time), seen, np.arange(300) < 150).p_value < 1e-4


def test_groups_that_are_missing_are_refused() -> None:
    with pytest.raises(DataContractError, match="2 missing"):
        log_rank([1, 2, 3], [1, 1, 1], [None, "a", None])


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.integers(0, 5)), min_size=2, max_size=25))
@settings(max_examples=80, deadline=None)
def test_concordance_is_what_a_loop_over_pairs_counts(rows: list[tuple[int, bool, int]]) -> None:
    time, seen, risk = (np.array(v) for v in zip(*rows, strict=True))
    pairs = won = 0.0
    for i in np.flatnonzero(seen):
        for j in range(len(time)):
            if time[j] > time[i] or (time[j] == time[i] and not seen[j]):
                pairs += 1
                won += (risk[i] > risk[j]) + (risk[i] == risk[j]) / 2
    if pairs:
        assert concordance(time, seen, risk) == pytest.approx(won / pairs)
    else:
        with pytest.raises(DataContractError):
            concordance(time, seen, risk)


def golden() -> tuple[np.ndarray, ...]:
    """A sample that anybody can make again: 60 to learn the censoring from, 40 to judge, curves and their times."""
    i = np.arange(1, 101)
    time = 1 + (i * 37) % 29
    seen = (i * 53) % 7 < 4
    times = np.arange(2.0, 28.0, 3)
    curves = np.exp(-times[None, :] / (5 + (i[60:, None] * 17) % 23))
    return time[:60], seen[:60], time[60:], seen[60:], curves, times


def test_figures_equal_those_of_scikit_survival() -> None:
    """scikit-survival 0.28.0: `integrated_brier_score`, `brier_score`, `concordance_index_censored` on `golden()`."""
    t0, s0, t, s, curves, times = golden()
    found = brier_curve(t, s, curves, times, censoring=(t0, s0))
    assert found == pytest.approx(GOLDEN_CURVE, abs=1e-12)
    assert integrated_brier(t, s, curves, times, censoring=(t0, s0)) == pytest.approx(GOLDEN_IBS, abs=1e-12)
    assert concordance(t, s, -curves.mean(axis=1)) == pytest.approx(GOLDEN_C, abs=1e-12)


def test_without_censoring_the_brier_score_is_a_mean_of_squares() -> None:
    time = np.arange(1, 11)
    curves = np.linspace(0, 1, 20).reshape(10, 2)
    plain = ((time[:, None] > [3, 7]) - curves) ** 2
    assert brier_curve(time, np.ones(10), curves, [3, 7]) == pytest.approx(plain.mean(axis=0))


def test_curves_that_cannot_be_judged_are_refused() -> None:
    time, seen = np.arange(1, 6), np.ones(5)
    with pytest.raises(DataContractError, match="shape"):
        brier_curve(time, seen, np.ones((5, 3)), [1, 2])
    with pytest.raises(DataContractError, match="outside 0 to 1 in 10 of 10"):
        brier_curve(time, seen, np.full((5, 2), 1.5), [1, 2])
    with pytest.raises(DataContractError, match="below the longest duration, 5"):
        brier_curve(time, seen, np.ones((5, 2)), [1, 5])
    with pytest.raises(DataContractError, match="at least two"):
        integrated_brier(time, seen, np.ones((5, 1)), [1])
    with pytest.raises(DataContractError, match="only to 3"):
        brier_curve(time, seen, np.ones((5, 1)), [1], censoring=([1, 3], [1, 1]))


def test_calibration_at_a_horizon_finds_the_truth_and_a_lie() -> None:
    rng = np.random.default_rng(1)
    rate = rng.choice([0.02, 0.1, 0.3], 9000)
    leave, end = rng.exponential(1 / rate), rng.uniform(2, 20, 9000)
    time, seen, p = np.minimum(leave, end), leave <= end, 1 - np.exp(-5 * rate)
    true, lie = (horizon_calibration(time, seen, q, 5, bins=3) for q in (p, p / 2))
    assert true["customers"].sum() == 9000
    assert (true["observed"] - true["predicted"]).abs().max() < 0.025
    assert ((true["low"] < true["observed"]) & (true["observed"] < true["high"])).all()
    assert (lie["low"] > lie["predicted"]).all()
    with pytest.raises(DataContractError, match="seen up to"):
        horizon_calibration(time, seen, p, 90)


def test_results_show_themselves() -> None:
    told = kaplan_meier(*FIVE)
    assert "median=5" in repr(told)
    assert isinstance(told.to_frame(), pd.DataFrame)
    assert "<table" in told._repr_html_()
    assert "statistic" in log_rank([1, 2, 3], [1, 1, 1], ["a", "b", "a"])._repr_html_()


def named(n: int = 60) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Times, whether leaving was seen, and a risk, of customers with names."""
    who = pd.Index([f"c{i}" for i in range(n)], name="customer_id")
    time, seen = sample(n)
    risk = np.random.default_rng(1).random(n)
    return pd.Series(time, who), pd.Series(seen, who), pd.Series(risk, who)


def test_series_find_one_anothers_customers() -> None:
    time, seen, risk = named()
    entry, group = time / 3, pd.Series(np.where(risk > 0.5, "a", "b"), time.index)
    times = np.arange(1.0, 9.0)
    curves = pd.DataFrame(np.exp(-np.outer(0.2 * risk, times)), time.index, times)
    turned = slice(None, None, -1)
    for ask in (
        lambda t, s, _, e: kaplan_meier(t, s, entry=e).survival.tolist(),
        lambda t, s, _, e: log_rank(t, s, group, entry=e).p_value,
        lambda t, s, r, _: concordance(t, s, r),
        lambda t, s, r, _: horizon_calibration(t, s, r, 6.0, bins=4).to_numpy().ravel().tolist(),
        lambda t, s, *_: integrated_brier(t, s, curves, times, censoring=(t, s)),
    ):
        whole = ask(time, seen, risk, entry)
        assert ask(time, seen[turned], risk.sample(frac=1, random_state=0), entry[turned]) == pytest.approx(whole)
        assert ask(time.to_numpy(), seen.to_numpy(), risk.to_numpy(), entry.to_numpy()) == pytest.approx(whole)
        with pytest.raises(DataContractError, match="observed has another index"):
            ask(time, seen.rename("x{}".format), risk, entry)
    for score in (integrated_brier, lambda *a: brier_curve(*a).mean()):
        right = score(time.to_numpy(), seen.to_numpy(), curves.to_numpy(), times)
        assert score(time, seen, curves[::-1], times) == pytest.approx(right)
        assert score(time[::-1], seen, curves, times) == pytest.approx(right)


def test_polars_and_lists_are_judged_as_arrays() -> None:
    time, seen, risk = named()
    right = concordance(time, seen, risk)
    assert concordance(*(pl.Series(v.to_numpy()) for v in (time, seen, risk))) == right
    assert concordance(*(v.tolist() for v in (time, seen, risk))) == right


def test_lengths_with_a_unit_are_refused() -> None:
    time, seen, risk = named()
    for odd in (pd.to_timedelta(time, unit="D"), list(pd.to_timedelta(time.to_numpy(), unit="D").to_pytimedelta())):
        with pytest.raises(DataTypeError, match="duration holds lengths of time"):
            kaplan_meier(odd, seen)
        with pytest.raises(DataTypeError, match="entry holds lengths of time"):
            log_rank(time, seen, risk > 0.5, entry=odd)
    with pytest.raises(DataTypeError, match="horizon is '6d'"):
        horizon_calibration(time, seen, risk, "6d")  # type: ignore[arg-type]
    with pytest.raises(DataContractError, match="duration is not numeric"):
        kaplan_meier([[1], [1, 2]], [1, 1])
