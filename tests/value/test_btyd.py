"""Buy-till-you-die models learn: published figures, second implementations, laws."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import betaln, gammaln
from sklearn.base import clone

from benchmarks.value_btyd_worlds import GEOMETRIC, PARETO, geometric, pareto, whole_days
from crmintel import InteractionLog
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.value import BetaGeoModel, ModifiedBetaGeoModel, ParetoModel
from crmintel.value.histories import Histories
from crmintel.value.layout import Layout
from crmintel.value.pareto_integral import DayTable, leaving_by_row
from crmintel.value.purchases import purchase_history

MODELS = [BetaGeoModel, ModifiedBetaGeoModel, ParetoModel]
WORLDS = {BetaGeoModel: lambda n, seed: geometric(n, seed), ModifiedBetaGeoModel: lambda n, seed: geometric(n, seed, 1), ParetoModel: pareto}  # fmt: skip
each_model = pytest.mark.parametrize("model", MODELS)


def world(model, n=800, seed=0):
    """Customers of the model's own kind, by whole days, with two covariates."""
    history = whole_days(WORLDS[model](n, seed))
    return history.assign(east=np.arange(n) % 3, app=np.arange(n) % 2 * 1.0)


@pytest.fixture(scope="module")
def fitted():
    return {m: m().fit(world(m)) for m in MODELS}


@pytest.fixture(scope="module")
def cdnow(data):
    frame = pd.read_parquet(data / "cdnow" / "interactions.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        log = InteractionLog.read(frame[["customer_id", "timestamp", "amount"]])
    return purchase_history(log, "1997-10-01")


def plain(model, p, x, t, age):
    """Log-likelihoods of customers as the papers write them; times in the unit of the parameters."""
    r, alpha = p["r"], p["alpha"]
    front = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    if model is ParetoModel:
        s, beta = p["s"], p["beta"]
        nodes, weights = np.polynomial.legendre.leggauss(150)
        u = t + (age - t) * (nodes[:, None] + 1) / 2
        left = (weights[:, None] * (alpha + u) ** -(r + x) * (beta / (beta + u)) ** s * s / (beta + u)).sum(axis=0)
        return front + np.log((alpha + age) ** -(r + x) * (beta / (beta + age)) ** s + left * (age - t) / 2)
    a, b, m = p["a"], p["b"], x + (model is ModifiedBetaGeoModel)
    there = np.exp(betaln(a, b + m) - betaln(a, b)) * (alpha + age) ** -(r + x)
    gone = np.exp(betaln(a + 1, np.maximum(b + m - 1, 1e-9)) - betaln(a, b)) * (alpha + t) ** -(r + x)
    return front + np.log(there + np.where(m > 0, gone, 0.0))


def total(model, p, history):
    x, t, age = history[["frequency", "t_x_days", "T_days"]].to_numpy(float).T
    return plain(model, p, x, t / 7, age / 7).sum()


def test_the_likelihood_of_one_customer_who_never_came_back_by_hand():
    history = pd.DataFrame({"frequency": [0, 1], "t_x_days": [0, 7], "T_days": [70, 70]})
    one, both = (h.pack() for h in (Histories.read(history[:1], []), Histories.read(history, [])))
    point = Layout.of(BetaGeoModel._kind, (), (), 7).point(np.log([0.5, 7 * 3.0, 1.0, 2.0]), np.zeros((1, 0)))
    first = BetaGeoModel()._likelihood(one, point).value
    assert first == pytest.approx(0.5 * np.log(3 / 13))
    # r/(α+T) · (α/(α+T))^r · b/(a+b) + the same at t_x · a/(a+b), a day at a time
    second = 0.5 * 21**0.5 * (2 / 3 * 91**-1.5 + 1 / 3 * 28**-1.5)
    assert BetaGeoModel()._likelihood(both, point).value - first == pytest.approx(np.log(second))


@each_model
def test_the_log_likelihood_is_that_of_the_papers(model, fitted):
    history = world(model)
    assert fitted[model].log_likelihood_ == pytest.approx(total(model, fitted[model].parameters_, history), abs=1e-6)


@each_model
def test_no_parameters_nearby_are_likelier(model, fitted):
    history, p = world(model, 800), fitted[model].parameters_
    best = fitted[model].log_likelihood_
    for name in p:
        for factor in (0.97, 1.03):
            assert total(model, p | {name: p[name] * factor}, history) < best


@each_model
@pytest.mark.parametrize("fraction", [0.0, 0.25])
def test_slopes_are_those_of_the_likelihood(model, fraction):
    history = world(model, 300)
    history["t_x_days"] = history["t_x_days"] - fraction * (history["frequency"] > 0)
    options = {"purchase_covariates": ["east", "app"], "dropout_covariates": ["app"]}
    asked = model(**options)
    layout = asked._layout()
    rows = Histories.read(history, layout.covariates).pack()
    theta = layout.starts(rows)[0] + np.linspace(-0.2, 0.3, 7)

    def value(at):
        return asked._likelihood(rows, layout.point(at, rows.covariates)).value

    told = layout.slopes(asked._likelihood(rows, layout.point(theta, rows.covariates)), rows.covariates)
    differences = [(value(theta + h) - value(theta - h)) / 2e-5 for h in 1e-5 * np.eye(7)]
    assert told == pytest.approx(differences, rel=1e-6, abs=1e-4)


@pytest.mark.parametrize(
    ("alpha", "s", "beta"),
    [(40.0, 0.6, 60.0), (0.02, 0.6, 60.0), (3.0, 200.0, 900.0), (900.0, 0.02, 0.5), (0.5, 3.0, 0.5)],
)
def test_the_day_table_and_the_sum_by_row_agree(alpha, s, beta):
    rows = Histories.read(world(ParetoModel).assign(frequency=lambda h: h["frequency"] * 3), []).pack()
    layout = Layout.of(ParetoModel._kind, (), (), 1)
    point = layout.point(np.log([0.6, alpha, s, beta]), rows.covariates)
    stay = -((0.6 + rows.x) * np.log(alpha + rows.age) + s * np.log(beta + rows.age))
    table, each = DayTable(rows).leaving(rows, point, stay), leaving_by_row(rows, point, stay)
    assert table.share == pytest.approx(each.share, abs=1e-8)
    assert table.gain == pytest.approx(each.gain, rel=1e-8, abs=1e-8)
    for name in ("log_alpha", "log_beta", "inverse_alpha", "inverse_beta"):
        assert getattr(table, name) == pytest.approx(getattr(each, name), rel=1e-7), name


def test_a_busy_customer_who_fell_silent_years_ago_is_not_left_to_the_table():
    history = pd.DataFrame({"frequency": [300, 2], "t_x_days": [250, 100], "T_days": [3650, 3650]})
    rows = Histories.read(history, []).pack()
    point = Layout.of(ParetoModel._kind, (), (), 1).point(np.log([0.6, 30.0, 0.6, 60.0]), rows.covariates)
    stay = -((0.6 + rows.x) * np.log(30 + rows.age) + 0.6 * np.log(60 + rows.age))
    table, each = DayTable(rows).leaving(rows, point, stay), leaving_by_row(rows, point, stay)
    assert table.gain == pytest.approx(each.gain, rel=1e-8)
    assert table.log_alpha == pytest.approx(each.log_alpha, rel=1e-8)


@each_model
def test_the_slopes_vanish_where_the_search_ends(model, fitted):
    rows, layout = Histories.read(world(model), []).pack(), fitted[model]._layout()
    told = fitted[model]._likelihood(rows, layout.point(fitted[model]._theta, rows.covariates))
    assert np.abs(layout.slopes(told, rows.covariates)).max() / rows.n < 1e-8


def test_some_of_those_points_are_too_steep_for_the_table():
    rows = Histories.read(world(ParetoModel).assign(frequency=lambda h: h["frequency"] * 3), []).pack()
    k, ones = 0.6 + rows.by_x.value, np.ones(len(rows.by_x.value))
    table = DayTable(rows)
    assert not table._deep(k, 40 * ones, 0.6, 60 * ones).any()
    assert table._deep(k, 0.02 * ones, 0.6, 60 * ones).any()


@each_model
def test_packing_counts_equal_histories_once(model):
    history = world(model)
    for names in ([], ["east", "app"]):
        rows = Histories.read(history, names).pack()
        told = dict(
            zip(zip(rows.x, rows.t, rows.age, *rows.covariates[rows.group].T, strict=True), rows.weight, strict=True)
        )
        assert told == history.value_counts(["frequency", "t_x_days", "T_days", *names]).to_dict()
        assert rows.by_x.value[rows.by_x.code] == pytest.approx(rows.x)
        assert rows.by_age.value[rows.by_age.code] == pytest.approx(rows.age)


@each_model
@pytest.mark.parametrize("options", [{}, {"purchase_covariates": ["east"], "dropout_covariates": ["app"]}])
def test_the_order_of_rows_does_not_change_a_bit(model, options):
    history = world(model)
    mixed = history.sample(frac=1, random_state=1)
    one, other = model(**options).fit(history), model(**options).fit(mixed)
    assert one.parameters_ == other.parameters_
    assert one.coefficients_ == other.coefficients_
    assert one.covariance_.equals(other.covariance_)
    assert one.log_likelihood_ == other.log_likelihood_


def test_nor_does_it_where_a_sample_leads_the_way():
    history = geometric(40_000, 3)
    one, other = BetaGeoModel().fit(history), BetaGeoModel().fit(history[::-1])
    assert one.parameters_ == other.parameters_
    off = np.log(list(one.parameters_.values())) - np.log(list(GEOMETRIC.values()))
    assert (np.abs(off) < 4 * np.sqrt(np.diag(one.covariance_))).all()


@each_model
def test_the_covariance_is_the_inverse_curvature_of_the_likelihood(model, fitted):
    history, p = world(model), fitted[model].parameters_
    theta = np.log(list(p.values()))

    def loss(at):
        return -total(model, dict(zip(p, np.exp(at), strict=True)), history)

    h, middle = 0.005 * np.eye(4), loss(theta)
    curve = np.empty((4, 4))
    for i in range(4):
        for j in range(i + 1):
            if i == j:
                curve[i, i] = (loss(theta + h[i]) - 2 * middle + loss(theta - h[i])) / 0.005**2
            else:
                corners = [s * u * loss(theta + s * h[i] + u * h[j]) for s in (1, -1) for u in (1, -1)]
                curve[i, j] = curve[j, i] = sum(corners) / (4 * 0.005**2)
    told = np.sqrt(np.diag(fitted[model].covariance_))
    assert told == pytest.approx(np.sqrt(np.diag(np.linalg.inv(curve))), rel=0.02)


@each_model
def test_the_unit_changes_how_parameters_are_told_and_nothing_else(model, fitted):
    history, weeks = world(model), fitted[model]
    days = model(unit_days=1.0).fit(history)
    for name, value in weeks.parameters_.items():
        factor = 7 if name in ("alpha", "beta") else 1
        assert days.parameters_[name] == pytest.approx(factor * value, rel=1e-12)
    assert days.log_likelihood_ == pytest.approx(weeks.log_likelihood_ - history["frequency"].sum() * np.log(7))
    assert days.expected_purchases(history, "90d").equals(weeks.expected_purchases(history, "90d"))


@each_model
def test_a_prior_pulls_and_a_certain_one_decides(model, fitted):
    history, name = world(model), list(fitted[model].parameters_)[1]
    middle = 2 * fitted[model].parameters_[name]
    weak, certain = (model(prior={name: (middle, sd)}).fit(history) for sd in (0.1, 1e-3))
    assert fitted[model].parameters_[name] < weak.parameters_[name] < middle
    assert certain.parameters_[name] == pytest.approx(middle, rel=1e-3)
    assert certain.log_likelihood_ < weak.log_likelihood_ < fitted[model].log_likelihood_
    assert np.sqrt(certain.covariance_.loc[name, name]) == pytest.approx(1e-3, rel=0.01)


@each_model
def test_a_covariate_that_splits_the_customers_moves_what_it_should(model):
    slow, fast = whole_days(WORLDS[model](3000, 1)), whole_days(WORLDS[model](3000, 2))
    fast = fast.assign(T_days=fast["T_days"] // 2 + 1, t_x_days=-(-fast["t_x_days"] // 2))  # twice the pace
    both = pd.concat([slow.assign(fast=0), fast.assign(fast=1)], ignore_index=True)
    found = model(purchase_covariates=["fast"], dropout_covariates=["fast"]).fit(both)
    assert found.coefficients_["purchase:fast"] == pytest.approx(np.log(2), abs=0.25)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)  # cohorts do differ
        one = model().fit(both)
    assert found.log_likelihood_ > one.log_likelihood_ + 20
    asked = both.iloc[[0, 0]].assign(frequency=2, t_x_days=30, T_days=60, fast=[0, 1])
    assert np.diff(found.probability_alive(asked))[0] < 0  # who buys faster and is as silent has left more surely


def test_a_positive_coefficient_of_leaving_means_sooner():
    long, short = pareto(3000, 1), pareto(3000, 2, PARETO | {"beta": 3.0})
    both = pd.concat([long.assign(z=0), short.assign(z=1)], ignore_index=True)
    assert ParetoModel(dropout_covariates=["z"]).fit(both).coefficients_["dropout:z"] > 0.5
    long, short = geometric(3000, 1), geometric(3000, 2, 0, GEOMETRIC | {"a": 2.4})
    both = pd.concat([long.assign(z=0), short.assign(z=1)], ignore_index=True)
    assert BetaGeoModel(dropout_covariates=["z"]).fit(both).coefficients_["dropout:z"] > 0.5


@each_model
def test_a_model_keeps_its_promises(model, fitted):
    history = world(model)
    before = history.copy(deep=True)
    again = clone(model()).fit(world(model, 300, 5)).fit(history)
    pd.testing.assert_frame_equal(history, before)
    assert again.parameters_ == fitted[model].parameters_
    loaded = pickle.loads(pickle.dumps(again))
    assert loaded.expected_purchases(history, "26w").equals(again.expected_purchases(history, "26w"))


@each_model
def test_what_was_learned_is_told(model, fitted):
    told = fitted[model].summary()
    assert list(told.columns) == ["parameter", "estimate", "standard_error", "low", "high"]
    assert told["estimate"].tolist() == pytest.approx(list(fitted[model].parameters_.values()))
    spread = np.sqrt(np.diag(fitted[model].covariance_))
    for ratio in (told["high"] / told["estimate"], told["estimate"] / told["low"]):
        assert ratio.tolist() == pytest.approx(np.exp(1.959964 * spread), rel=1e-5)
    assert told["standard_error"].tolist() == pytest.approx(told["estimate"] * spread)
    never = int((world(model)["frequency"] == 0).sum())
    for shown in (repr(fitted[model]), fitted[model]._repr_html_()):
        for words in ("800 customers", f"{never} ({never / 800:.0%}) never bought again", "never by P(alive)", "alpha"):
            assert words in shown
    assert ("by construction" in repr(fitted[model])) == (model is BetaGeoModel)
    assert repr(model()) == f"{model.__name__}()"


GOOD = {"frequency": [0, 1, 3], "t_x_days": [0, 5, 20], "T_days": [30, 30, 30]}
BAD = [
    ({"frequency": None, "T_days": None}, "Missing columns: frequency, T_days"),
    ({"frequency": [0, -1, 3]}, "1 of 3 rows have a frequency below 0"),
    ({"frequency": [0, 1.5, 3]}, "1 of 3 rows have a frequency that is no whole number"),
    ({"frequency": [0, np.nan, 3]}, "1 of 3 rows have a frequency that is missing or infinite"),
    ({"T_days": [30, np.inf, 30]}, "1 of 3 rows have a T_days that is missing or infinite"),
    ({"T_days": [30, 4, 4]}, r"2 of 3 rows have t_x_days above T_days \(first rows: 1, 2\)"),
    ({"t_x_days": [0, 0, 20]}, "1 of 3 rows have a frequency above 0 and a t_x_days of 0"),
    ({"t_x_days": [2, 5, 20]}, "1 of 3 rows have a frequency of 0 and a t_x_days above 0"),
    ({"frequency": [0, 0, 0], "t_x_days": [0, 0, 0]}, "None of 3 customers ever bought again"),
    ({"T_days": ["30", "30", "30"]}, "T_days is"),
]


@pytest.mark.parametrize(("change", "said"), BAD)
def test_a_table_that_breaks_the_contract_is_refused(change, said):
    table = pd.DataFrame({k: v for k, v in (GOOD | change).items() if v is not None})
    with pytest.raises(DataContractError, match=said):
        BetaGeoModel().fit(table)


OPTIONS = [
    ({"unit_days": 0}, "unit_days is 0"),
    ({"purchase_covariates": "east"}, r"Give a list of names: \['east'\]"),
    ({"purchase_covariates": ["east", "east"]}, "names a column twice"),
    ({"dropout_covariates": ["west"]}, "Missing columns: west"),
    ({"prior": {"alhpa": (1, 1)}}, "Did you mean 'alpha'"),
    ({"prior": {"alpha": (-1, 1)}}, "prior median of alpha is -1"),
    ({"prior": {"alpha": (1, 0)}}, "spread above 0"),
    ({"prior": {"alpha": 1}}, "no pair of numbers"),
]


@pytest.mark.parametrize(("options", "said"), OPTIONS)
def test_options_that_make_no_sense_are_refused(options, said):
    with pytest.raises(DataContractError, match=said):
        ParetoModel(**options).fit(world(ParetoModel, 100))


def test_what_is_no_table_is_refused():
    with pytest.raises(DataTypeError, match="history is a list"):
        BetaGeoModel().fit([1, 2])


def test_the_published_sample_of_cdnow(data):
    """Fader, Hardie and Lee (2005), table 2: r .243, alpha 4.414, a .793, b 2.426, log-likelihood −9582.4."""
    told = pd.read_parquet(data / "cdnow" / "customers_summary.parquet")
    history = pd.DataFrame({"frequency": told["frequency"], "t_x_days": told["recency"] * 7, "T_days": told["T"] * 7})
    found = BetaGeoModel().fit(history)
    assert list(found.parameters_.values()) == pytest.approx([0.2426, 4.4135, 0.7929, 2.4258], rel=1e-3)
    assert found.log_likelihood_ >= -9582.43


ANCHORS = {
    BetaGeoModel: ([0.251624, 4.78894, 0.723434, 2.161088], -95368.4440),
    ModifiedBetaGeoModel: ([0.637140, 7.310290, 0.807474, 1.228394], -95336.9584),
    ParetoModel: ([0.597420, 11.585657, 0.522186, 8.827759], -95415.1187),
}


@each_model
def test_all_of_cdnow(model, cdnow):
    found = model().fit(cdnow)
    assert list(found.parameters_.values()) == pytest.approx(ANCHORS[model][0], rel=1e-4)
    assert found.log_likelihood_ >= ANCHORS[model][1]
    assert found.concerns_ == ()


def test_covariates_of_the_apparel_retailer(data):
    """CLVTools (Bachmann and others), `apparelTrans` with `estimation.split = 104`: its estimates with Gender and Channel."""
    frame = pd.read_parquet(data / "apparel_clvtools" / "apparelTrans.parquet")
    log = InteractionLog.read(frame.rename(columns={"Id": "customer_id", "Date": "timestamp", "Price": "amount"}))
    known = pd.read_parquet(data / "apparel_clvtools" / "apparelStaticCov.parquet").set_index("Id")
    history = purchase_history(log, "2007-01-01").join(known)
    names = ["Gender", "Channel"]
    found = ParetoModel(purchase_covariates=names, dropout_covariates=names).fit(history)
    assert list(found.parameters_.values()) == pytest.approx([1.8378, 92.9123, 0.5920, 49.6227], rel=3e-3)
    assert list(found.coefficients_.values()) == pytest.approx([0.2859, 0.6241, -0.6430, 0.7907], abs=2e-3)
    assert found.log_likelihood_ >= -5821.0628
    assert ParetoModel().fit(history).log_likelihood_ == pytest.approx(-5848.1, abs=0.05)


@pytest.mark.slow
@each_model
def test_intervals_cover_the_truth(model):
    """Sixty bases here; the benchmark makes two hundred of each."""
    true = PARETO if model is ParetoModel else GEOMETRIC
    inside = []
    for seed in range(60):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataContractWarning)
            told = model().fit(WORLDS[model](4000, seed)).summary().set_index("parameter")
        inside += [told.loc[n, "low"] <= v <= told.loc[n, "high"] for n, v in true.items()]
    assert 0.91 <= np.mean(inside) <= 0.985
