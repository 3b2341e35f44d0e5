"""The model of Gamma and Gamma: its formula, its laws, its anchors, and what it refuses."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import gamma

from crmintel.errors import DataContractError, DataContractWarning
from crmintel.evaluation import Estimate
from crmintel.interactions import InteractionLog
from crmintel.value import GammaGammaModel, Independence, purchase_history
from crmintel.value.correlation import pearson, spearman
from crmintel.value.spend import _Surface


def table(frequency: list[int], mean_value: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"frequency": frequency, "mean_value": mean_value})


def simulated(n: int, p: float, q: float, v: float, seed: int = 0, least: int = 0) -> pd.DataFrame:
    """Customers whose purchases are Gamma(p, rate), with rates Gamma(q, rate v)."""
    rng = np.random.default_rng(seed)
    x = rng.integers(least, 12, n)
    rate = rng.gamma(q, size=n) / v
    mean = rng.gamma(p * np.maximum(x, 1)) / rate / np.maximum(x, 1)
    return table(x, np.where(x > 0, mean, np.nan))


def fitted(p: float, q: float, v: float) -> GammaGammaModel:
    model = GammaGammaModel()
    model.parameters_ = {"p": p, "q": q, "v": v}
    return model


# by hand


def test_the_expected_value_is_between_the_mean_of_all_and_the_own_mean() -> None:
    # p = 2, q = 3, v = 10: all 2·10/2 = 10; one purchase of 30: 2·(10+30)/4 = 20; four of 30: 2·(10+120)/10 = 26
    told = fitted(2, 3, 10).expected_value(table([0, 1, 4], [np.nan, 30.0, 30.0]))
    assert told.tolist() == [10.0, 20.0, 26.0]
    assert told.name == "mean_value"


def test_the_likelihood_is_that_of_the_mixture_told_by_an_integral() -> None:
    p, q, v, x, m = 1.7, 2.3, 4.0, 3, 2.5
    density = quad(lambda rate: gamma.pdf(m, p * x, scale=1 / (x * rate)) * gamma.pdf(rate, q, scale=1 / v), 0, np.inf)
    surface = _Surface(np.array([float(x)]), np.array([m]), np.zeros(3), np.zeros(3))
    assert surface.likelihood(np.log([p, q, v]))[0] == pytest.approx(np.log(density[0]), abs=1e-9)


# laws


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.floats(-2, 3)] * 3), st.integers(0, 99))
def test_the_slopes_are_those_of_the_likelihood(theta: tuple[float, float, float], seed: int) -> None:
    told = simulated(20, 3, 3, 9, seed, least=1)
    surface = _Surface(
        told["frequency"].to_numpy(float), told["mean_value"].to_numpy(), np.array([0.1, 0.2, 0.3]), np.ones(3)
    )
    at = np.array(theta)
    for i, step in enumerate(np.eye(3) * 1e-5):
        slope = (surface(at + step)[0] - surface(at - step)[0]) / 2e-5
        assert surface(at)[1][i] == pytest.approx(slope, rel=1e-5, abs=1e-5)


def test_parameters_of_simulated_customers_are_found_within_their_intervals() -> None:
    model = GammaGammaModel().fit(simulated(4000, 5.0, 4.0, 20.0))
    told = model.summary().set_index("parameter")
    for name, truth in {"p": 5.0, "q": 4.0, "v": 20.0}.items():
        assert told.loc[name, "low"] < truth < told.loc[name, "high"]
        assert model.parameters_[name] == pytest.approx(truth, rel=0.25)
    assert not model.independence_.matters


def test_the_covariance_is_the_inverse_of_how_the_likelihood_bends() -> None:
    told = simulated(300, 4, 4, 20, least=1)
    model = GammaGammaModel().fit(told)
    surface = _Surface(told["frequency"].to_numpy(float), told["mean_value"].to_numpy(), np.zeros(3), np.zeros(3))
    at, h = np.log([model.parameters_[n] for n in "pqv"]), 1e-3 * np.eye(3)
    bend = [[sum(s * t * surface.likelihood(at + s * a + t * b)[0] for s in (-1, 1) for t in (-1, 1)) / 4e-6 for a in h] for b in h]  # fmt: skip
    np.testing.assert_allclose(model.covariance_, np.linalg.inv(-np.array(bend)), rtol=2e-3)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    truth, held = {"p": 4.0, "q": 4.0, "v": 20.0}, []
    for seed in range(120):
        told = (
            GammaGammaModel().fit(simulated(400, 4.0, 4.0, 20.0, 1000 + seed, least=1)).summary().set_index("parameter")
        )
        held.append([bool(told.loc[n, "low"] < t < told.loc[n, "high"]) for n, t in truth.items()])
    assert (np.mean(held, axis=0) >= 0.89).all()
    assert (np.mean(held, axis=0) <= 0.99).all()


def test_row_order_changes_no_bit() -> None:
    told = simulated(500, 5, 4, 20)
    one, other = (GammaGammaModel().fit(t) for t in (told, told.sample(frac=1, random_state=3)))
    assert one.parameters_ == other.parameters_
    assert one.log_likelihood_ == other.log_likelihood_
    assert one.independence_ == other.independence_
    pd.testing.assert_frame_equal(one.covariance_, other.covariance_, check_exact=True)


def test_another_currency_changes_only_the_money() -> None:
    told = simulated(500, 5, 4, 20)
    one, other = (GammaGammaModel().fit(t) for t in (told, told.assign(mean_value=told["mean_value"] * 1024)))
    assert other.parameters_["p"] == one.parameters_["p"]
    assert other.parameters_["v"] == pytest.approx(1024 * one.parameters_["v"], rel=1e-12)
    assert other.covariance_.equals(one.covariance_)
    assert other.log_likelihood_ == pytest.approx(one.log_likelihood_ - other.counts_["fitted"] * np.log(1024))
    pd.testing.assert_series_equal(other.expected_value(told.assign(mean_value=told["mean_value"] * 1024)), one.expected_value(told) * 1024)  # fmt: skip


@settings(max_examples=40)
@given(st.floats(0.1, 20), st.floats(1.01, 20), st.floats(0.1, 100), st.floats(0.01, 1e4))
def test_the_more_purchases_the_nearer_the_own_mean(p: float, q: float, v: float, m: float) -> None:
    told = fitted(p, q, v).expected_value(table([0, 1, 2, 9, 10_000], [np.nan, m, m, m, m])).to_numpy()
    off = np.abs(told - m)
    assert (np.diff(off) <= 1e-9 * max(m, off[0])).all()


def test_a_strong_prior_wins_and_a_weak_one_hardly_matters() -> None:
    told = simulated(300, 5, 4, 20)
    free = GammaGammaModel().fit(told).parameters_
    weak = GammaGammaModel(prior={"p": (1.0, 10.0), "v": (1.0, 10.0)}).fit(told).parameters_
    strong = GammaGammaModel(prior={"p": (9.0, 1e-3), "v": (50.0, 1e-3)}).fit(told).parameters_
    assert weak == pytest.approx(free, rel=0.02)
    assert strong["p"] == pytest.approx(9.0, rel=1e-2)
    assert strong["v"] == pytest.approx(50.0, rel=1e-2)


# what is left out, said and warned of


def test_those_without_a_repeat_purchase_or_a_positive_mean_are_left_out_and_counted() -> None:
    told = simulated(200, 5, 4, 20, least=1)
    more = pd.concat(
        [told, table([0, 0, 0, 2, 1], [np.nan, 0.0, 99.0, 0.0, -3.0])]
    )  # some write the first purchase there
    model = GammaGammaModel().fit(more)
    assert model.counts_ == {"fitted": 200, "no_repeat": 3, "not_positive": 2}
    assert model.parameters_ == GammaGammaModel().fit(told).parameters_
    assert "200 customers (3 without a second purchase day and 2 with a mean that is not above zero left out)" in repr(
        model
    )


def test_frequency_and_spend_that_go_together_are_said_and_warned_of() -> None:
    told = simulated(400, 5, 4, 20, least=1)
    with pytest.warns(DataContractWarning, match="spend more a purchase"):
        model = GammaGammaModel().fit(told.assign(mean_value=told["mean_value"] * told["frequency"]))
    assert model.independence_.matters
    assert model.summary().set_index("parameter").loc["correlation", "low"] > 0.3
    assert "too strong to pass over" in repr(model)
    with pytest.warns(DataContractWarning, match="spend less a purchase"):
        GammaGammaModel().fit(told.assign(mean_value=told["mean_value"] / told["frequency"]))


def test_ranks_that_go_together_only_as_the_model_makes_them_are_no_dependence() -> None:
    rng = np.random.default_rng(3)  # p below 1: small means abound after one purchase and are rare after many
    x = rng.integers(1, 30, 3000)
    means = rng.gamma(0.3 * x) / rng.gamma(6, size=3000) / x
    told = GammaGammaModel().fit(table(x, means)).independence_
    assert told.spearman.low > 0.1
    assert told.ranks_by_model == pytest.approx(told.spearman.value, abs=0.03)
    assert not told.pearson.excludes_zero
    assert "spend as much a purchase" in str(told)
    assert "as the model assumes" in str(told)


def test_what_the_model_makes_by_itself_is_not_held_against_it() -> None:
    none, some = Estimate(0.0, -0.02, 0.02), Estimate(0.4, 0.38, 0.42)
    assert not Independence(none, some, 0.25, 900).matters
    assert Independence(none, some, 0.0, 900).matters
    assert "spend more a purchase" in str(Independence(none, some, 0.0, 900))
    assert "spend less a purchase" in str(Independence(Estimate(-0.1, -0.2, -0.05), some, 0.25, 900))


def test_one_purchase_frequency_for_all_tells_nothing_of_independence() -> None:
    told = simulated(300, 5, 4, 20, least=1).assign(frequency=2)
    model = GammaGammaModel().fit(told)
    assert "cannot be told" in repr(model)
    assert not model.independence_.matters


def test_without_a_mean_of_all_one_time_buyers_get_none_and_it_is_said() -> None:
    with pytest.warns(DataContractWarning, match=r"q is 0\.80.*2 of 3 customers"):
        told = fitted(0.1, 0.8, 10).expected_value(table([0, 1, 9], [np.nan, 30.0, 30.0]))
    assert told.isna().tolist() == [True, True, False]


def test_customers_who_do_not_differ_leave_means_but_no_intervals() -> None:
    rng = np.random.default_rng(2)
    exact = table(
        list(rng.integers(1, 9, 300)), list(15 / rng.gamma(4, size=300))
    )  # always the same price of one's own
    model = GammaGammaModel().fit(exact)
    assert "intervals cannot" in repr(model)
    assert model.summary().iloc[0, 2:].isna().all()
    assert model.expected_value(table([3], [7.0])).iloc[0] == pytest.approx(7.0, rel=1e-3)


# refusals


@pytest.mark.parametrize(
    ("history", "says"),
    [
        (table([0, 0], [np.nan, np.nan]), "Nobody bought again for money: 2 customers"),
        (table([], []), "Nobody bought again for money"),
        (table([1, 2, 3], [1.0, 1.0, 1.0]), "All 3 mean values are equal"),
        (table([1, 2], [1.0, np.inf]), r"1 of 2 rows: 'mean_value' is infinite \(first rows: 1\)"),
        (table([1, 2], [1.0, np.nan]), r"missing although there were repeat purchases \(first rows: 1\)"),
        (table([-1, 2], [1.0, 2.0]), r"'frequency' is no whole number .*\(first rows: 0\)"),
        (pd.DataFrame({"frequency": [1]}), "Missing columns: 'mean_value'"),
        ([1, 2], "cannot be a list"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(history: pd.DataFrame, says: str) -> None:
    with pytest.raises(DataContractError, match=says):
        GammaGammaModel().fit(history)


@pytest.mark.parametrize("prior", [{"z": (1, 1)}, {"p": (1,)}, {"q": (0, 1)}, {"v": (1, -1)}])
def test_a_prior_that_says_nothing_is_refused(prior: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(DataContractError, match="prior names"):
        GammaGammaModel(prior=prior).fit(simulated(50, 5, 4, 20))


def test_a_message_shows_no_value() -> None:
    with pytest.raises(DataContractError) as told:
        GammaGammaModel().fit(table([1, 2], [1234.5, np.inf]))
    assert "1234" not in str(told.value)


def test_it_shows_itself_as_a_table() -> None:
    assert repr(GammaGammaModel(prior={"p": (1, 1)})) == "GammaGammaModel(prior={'p': (1, 1)})"
    assert "GammaGammaModel" in GammaGammaModel()._repr_html_()
    model = GammaGammaModel().fit(simulated(200, 5, 4, 20))
    for shown in (model._repr_html_(), model._repr_mimebundle_()["text/html"]):
        assert re.search("<td>rank_correlation</td>", shown)
    assert model.summary()["parameter"].tolist() == [
        "p",
        "q",
        "v",
        "correlation",
        "rank_correlation",
        "rank_correlation_by_model",
    ]


# correlations


def test_correlations_by_hand() -> None:
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 4.0, 3.0])
    assert pearson(x, y).value == pytest.approx(0.8)
    assert spearman(x, 10**y).value == pytest.approx(0.8)
    tied = np.array([5.0, 5.0, 7.0, 1.0])  # ranks 2.5, 2.5, 4, 1 beside 1, 2, 3, 4: -1.5 / sqrt(5 · 4.5)
    assert spearman(x, tied).value == pytest.approx(-1.5 / np.sqrt(5 * 4.5))
    assert np.isnan(pearson(x, np.ones(4)).value)
    assert np.isnan(spearman(x[:3], y[:3]).low)


def test_intervals_of_correlations_hold_the_truth_of_heavy_tails_too() -> None:
    rng = np.random.default_rng(1)
    held = np.zeros(2)
    for _ in range(200):
        x, noise = rng.exponential(size=(2, 300))
        for i, told in enumerate((pearson(x, x + noise), spearman(x, noise))):
            held[i] += told.low <= (np.sqrt(0.5), 0.0)[i] <= told.high
    assert (held >= 0.88 * 200).all()
    assert (held <= 0.99 * 200).all()


# real data


@pytest.mark.slow
def test_the_published_data_give_the_known_parameters(data: Path) -> None:
    """Anchors of our notes: CDNOW, all customers, to 1997-09-30; Fader and Hardie's sample gives 6.25, 3.74, 15.44."""
    log = InteractionLog.read(data / "cdnow" / "interactions.parquet", quiet=True)
    history = purchase_history(log, "1997-10-01")
    model = GammaGammaModel().fit(history)
    assert model.parameters_ == pytest.approx({"p": 6.275, "q": 3.624, "v": 14.984}, rel=1e-3)
    assert model.counts_ == {"fitted": 9_450, "no_repeat": 14_119, "not_positive": 1}
    assert model.independence_.pearson.value == pytest.approx(0.080, abs=1e-3)
    assert model.independence_.spearman.value == pytest.approx(0.198, abs=1e-3)
    assert not model.independence_.matters
    assert model.expected_value(history).mean() == pytest.approx(36, abs=2)
