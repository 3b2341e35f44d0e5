"""Buy-till-you-die models tell: closed forms, simulation, extreme customers."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import betaln, hyp2f1

from benchmarks.value_btyd_worlds import SHAPES, SPANS, adaptive, geometric, pareto, whole_days
from crmintel.errors import DataContractError
from crmintel.value import BetaGeoModel, ModifiedBetaGeoModel, ParetoModel
from crmintel.value.betageo_mean import purchases_if_there
from crmintel.value.counts import leaving_after_purchases, leaving_any_time
from crmintel.value.pareto_integral import log_integral

MODELS = [BetaGeoModel, ModifiedBetaGeoModel, ParetoModel]
each_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def fitted():
    made = {BetaGeoModel: geometric(3000, 1), ModifiedBetaGeoModel: geometric(3000, 1, 1), ParetoModel: pareto(6000, 1)}
    return {m: m().fit(whole_days(h)) for m, h in made.items()}


@pytest.fixture
def customers():
    table = {
        "frequency": [0, 0, 1, 1, 3, 12, 40, 1], "t_x_days": [0, 0, 5, 300, 77, 340, 41, 90], "T_days": [0, 400, 400, 310, 90, 350, 500, 90],
    }  # fmt: skip
    return pd.DataFrame(table, index=pd.Index(list("abcdefgh"), name="customer_id"))


EXTREME = pd.DataFrame(
    [(x, t, age) for x in (0, 1, 50, 10_000) for age in (1, 30, 365, 3650) for t in ({0} if x == 0 else {1, age})],
    columns=["frequency", "t_x_days", "T_days"],
)


def chances(model, p, x, t, age):
    """P(alive) by the formula of the papers, with an adaptive integral in place of 2F1."""
    if model is ParetoModel:

        def density(u):
            return np.exp(
                -(p["r"] + x) * np.log((p["alpha"] + u) / (p["alpha"] + age))
                - (p["s"] + 1) * np.log((p["beta"] + u) / (p["beta"] + age))
            )

        return 1 / (1 + p["s"] / (p["beta"] + age) * quad(density, t, age, epsabs=0, epsrel=1e-11)[0])
    m = x + (model is ModifiedBetaGeoModel)
    odds = p["a"] / (p["b"] + m - 1) * ((p["alpha"] + age) / (p["alpha"] + t)) ** (p["r"] + x) if m else 0.0
    return 1 / (1 + odds)


@each_model
def test_the_chance_to_be_there_is_that_of_the_papers(model, fitted, customers):
    p = fitted[model].parameters_
    told = [chances(model, p, x, t / 7, age / 7) for x, t, age in customers.to_numpy()]
    assert fitted[model].probability_alive(customers).tolist() == pytest.approx(told, rel=1e-9)


@pytest.mark.parametrize("model", [BetaGeoModel, ModifiedBetaGeoModel])
def test_expected_purchases_are_the_textbook_formula_with_2f1(model, fitted, customers):
    r, alpha, a, b = fitted[model].parameters_.values()
    x, _, age = (customers[c].to_numpy() / u for c, u in (("frequency", 1), ("t_x_days", 7), ("T_days", 7)))
    m, t = x + (model is ModifiedBetaGeoModel), 39.0
    fall = ((alpha + age) / (alpha + age + t)) ** (r + x) * hyp2f1(r + x, b + m, a + b + m - 1, t / (alpha + age + t))
    told = (a + b + m - 1) / (a - 1) * (1 - fall) * fitted[model].probability_alive(customers)
    assert fitted[model].expected_purchases(customers, "39w").tolist() == pytest.approx(told.tolist(), rel=1e-8)


@pytest.mark.parametrize(
    ("a", "b"),
    [(0.7234, 2.16), (0.05, 0.5), (0.5, 0.5), (1.0, 2.0), (1.0004, 2.0), (3.0, 8.0), (1e-4, 20_000.0), (40.0, 90.0)],
)
def test_expected_purchases_are_right_for_young_customers_and_long_horizons_too(a, b):
    days, one = np.array([30.0, 3650.0]), np.ones(1)
    for x, age in ((0, 0), (1, 7), (50, 60), (10_000, 10_000)):
        k, scale, bx = 0.25 + x, 33.0 + age, b + x

        def mean(horizon, k=k, scale=scale, bx=bx):  # over the log-odds of the chance to leave
            def part(y):
                p = 1 / (1 + np.exp(-y))
                log = -a * np.log1p(np.exp(-y)) - bx * np.logaddexp(0, y) - betaln(a, bx)
                return np.exp(log) * -np.expm1(-k * np.log1p(p * horizon / scale)) / p

            pieces = pairwise(np.linspace(-60, 40, 26))
            low = np.exp(-60 * a - betaln(a, bx)) / a * k * horizon / scale  # below it nobody leaves
            return low + sum(quad(part, i, j, epsabs=1e-12, epsrel=1e-10)[0] for i, j in pieces)

        told = purchases_if_there(k * one, scale * one, a * one, bx * one, days)[:, 0]
        assert told == pytest.approx([mean(h) for h in days], rel=1e-6), (x, age)


def test_where_nearly_nobody_leaves_no_digits_are_lost():
    one = np.ones(1)
    told = purchases_if_there(0.25 * one, 333 * one, 1e-9 * one, 20_000 * one, np.array([0.05, 30.0]))[:, 0]
    assert told == pytest.approx([0.25 * 0.05 / 333, 0.25 * 30 / 333], rel=1e-10)


def test_expected_purchases_are_pace_times_time_there(fitted, customers):
    r, alpha, s, beta = fitted[ParetoModel].parameters_.values()
    alive = fitted[ParetoModel].probability_alive(customers)
    for who, (x, _, age) in zip(customers.index, customers.to_numpy(), strict=True):
        there = quad(lambda u, age=age: ((beta + age / 7) / (beta + age / 7 + u)) ** s, 0, 39)[0]
        told = fitted[ParetoModel].expected_purchases(customers, "273d")[who]
        assert told == pytest.approx(alive[who] * (r + x) / (alpha + age / 7) * there, rel=1e-9)


def test_who_never_came_back_is_there_for_sure_only_in_the_first_model(fitted, customers):
    alive = {m: fitted[m].probability_alive(customers.loc[["a", "b"]]).tolist() for m in MODELS}
    assert alive[BetaGeoModel] == [1.0, 1.0]
    assert 1 > alive[ModifiedBetaGeoModel][0] > alive[ModifiedBetaGeoModel][1]
    assert alive[ParetoModel][0] == 1.0 > alive[ParetoModel][1]


@each_model
def test_one_customer_is_told_the_same_bits_as_in_a_crowd(model, fitted):
    crowd = whole_days(pareto(4000, 9))
    months = [f"{30 * k}d" for k in range(1, 13)]
    told = (
        fitted[model].expected_purchases(crowd, months),
        fitted[model].probability_of_purchases(crowd, "13w", most=3),
        fitted[model].probability_alive(crowd).to_frame(),
    )
    for row in (0, 17, 3999):
        one = crowd.iloc[[row]]
        alone = (
            fitted[model].expected_purchases(one, months),
            fitted[model].probability_of_purchases(one, "13w", most=3),
            fitted[model].probability_alive(one).to_frame(),
        )
        for a, b in zip(told, alone, strict=True):
            assert a.iloc[[row]].equals(b)
    single = fitted[model].expected_purchases(crowd, pd.Timedelta(days=360))
    assert (single == told[0]["360d"]).all()


@each_model
def test_longer_horizons_bring_more_and_short_ones_their_share(model, fitted, customers):
    told = fitted[model].expected_purchases(customers, ["1h", "1d", "30d", "365d", "3650d"])
    assert list(told.columns) == ["1h", "1d", "30d", "365d", "3650d"]
    assert (told.diff(axis=1).iloc[:, 1:] > 0).to_numpy().all()
    assert (told["1h"] * 24).tolist() == pytest.approx(told["1d"].tolist(), rel=0.02)


@each_model
def test_extreme_customers_are_safe(model, fitted):
    alive = fitted[model].probability_alive(EXTREME)
    count = fitted[model].expected_purchases(EXTREME, ["1d", "365d", "3650d"])
    chance = fitted[model].probability_of_purchases(EXTREME, "365d", most=20)
    assert alive.between(0, 1).all()
    assert np.isfinite(count.to_numpy()).all()
    assert (count >= 0).to_numpy().all()
    assert ((chance >= 0) & (chance <= 1)).to_numpy().all()
    assert chance.sum(axis=1).tolist() == pytest.approx(np.ones(len(EXTREME)), abs=1e-9)


@pytest.mark.slow
@each_model
def test_chances_sum_to_one_and_their_mean_is_what_is_expected(model, fitted, customers):
    customers = customers.drop("g")  # forty purchases in as many days: all but a column would be "more"
    for horizon in ("1d", "39w"):
        told = fitted[model].probability_of_purchases(customers, horizon, most=120)
        assert list(told.columns) == [*range(121), "more"]
        assert told.sum(axis=1).tolist() == pytest.approx(np.ones(len(customers)), abs=1e-12)
        assert (told["more"] < 1e-6).all()
        mean = (told.drop(columns="more") * np.arange(121)).sum(axis=1)
        assert mean.tolist() == pytest.approx(fitted[model].expected_purchases(customers, horizon).tolist(), rel=1e-6)


def test_chances_are_those_of_simulated_futures():
    rng, n, days = np.random.default_rng(0), 400_000, 90.0
    size, scale, a, b, s, beta = 2.3, 70.0, 0.8, 3.4, 0.7, 120.0
    pace = rng.gamma(size, 1 / scale, n)
    bought = rng.poisson(pace * days)
    leaves_at = rng.geometric(np.maximum(rng.beta(a, b, n), 1e-12))
    seen = np.bincount(np.minimum(np.minimum(bought, leaves_at), 6), minlength=7)[:6] / n
    one = np.ones(1)
    told = leaving_after_purchases(size * one, scale * one, a * one, b * one, days, 5)[:, 0]
    assert told == pytest.approx(seen, abs=4 * 0.5 / np.sqrt(n))
    stay = beta * (rng.random(n) ** (-1 / s) - 1)
    seen = np.bincount(np.minimum(rng.poisson(pace * np.minimum(stay, days)), 6), minlength=7)[:6] / n
    told = leaving_any_time(size * one, scale * one, s, beta * one, days, 5)[:, 0]
    assert told == pytest.approx(seen, abs=4 * 0.5 / np.sqrt(n))


@pytest.mark.parametrize(("alpha", "s", "beta"), SHAPES)
def test_the_integral_over_the_moment_of_leaving_is_right_to_eight_digits(alpha, s, beta):
    one = np.ones(1)
    for x, t, age in SPANS:
        found = log_integral(x * one, t * one, age * one, 0.6, alpha * one, s, beta * one)[0]
        assert found == pytest.approx(adaptive(x, t, age, 0.6, alpha, s, beta), abs=1e-8), (x, t, age)


def test_nobody_had_time_to_leave_on_the_last_day():
    one = np.ones(1)
    assert log_integral(3 * one, 9 * one, 9 * one, 0.5, one, 0.5, one)[0] == -np.inf


@each_model
def test_no_customers_and_strange_questions(model, fitted, customers):
    nobody = customers.iloc[:0]
    assert fitted[model].expected_purchases(nobody, ["30d", "60d"]).shape == (0, 2)
    assert fitted[model].probability_of_purchases(nobody, "30d").shape == (0, 12)
    for horizon in ("soon", 30, "-1d"):
        with pytest.raises(DataContractError, match="duration"):
            fitted[model].expected_purchases(customers, horizon)
    with pytest.raises(DataContractError, match="most is -1"):
        fitted[model].probability_of_purchases(customers, "30d", most=-1)


def test_an_ordinary_chance_by_hand():
    one = np.ones(1)
    told = leaving_after_purchases(one, one, one, one, 1.0, 2)[:, 0]
    # counts of a geometric law with share 1/2; p is uniform: 1/2 leave at the first purchase, 1/6 at the second
    assert told == pytest.approx([1 / 2, 1 / 4 * 1 / 2 + 1 / 2 * 1 / 2, 1 / 8 * 1 / 3 + 1 / 4 * 1 / 6])
    assert betaln(1, 3) == pytest.approx(np.log(1 / 3))
