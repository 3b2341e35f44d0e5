"""What a fit warns of, and what it does not."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.value_btyd_worlds import PARETO, geometric, pareto, whole_days
from crmintel import InteractionLog
from crmintel.errors import DataContractError, DataContractWarning
from crmintel.value import BetaGeoModel, ModifiedBetaGeoModel, ParetoModel, regularity
from crmintel.value.purchases import PurchaseDays, purchase_history

MODELS = [BetaGeoModel, ModifiedBetaGeoModel, ParetoModel]
each_model = pytest.mark.parametrize("model", MODELS)


def stayers(n=3000, seed=2):
    """Nobody leaves."""
    return whole_days(geometric(n, seed, 0, {"r": 0.8, "alpha": 8.0, "a": 1e-9, "b": 5.0}))


@each_model
@pytest.mark.slow
def test_where_nobody_leaves_it_says_that_leaving_cannot_be_seen(model):
    with pytest.warns(DataContractWarning, match="Leaving cannot be seen in these data"):
        found = model().fit(stayers())
    assert "everybody staying" in found.concerns_[0]
    assert "! Leaving cannot be seen" in repr(found)
    assert "Leaving cannot be seen" in found._repr_html_()
    told = found.expected_purchases(stayers(), "26w")
    assert told.sum() == pytest.approx(
        (stayers()["frequency"] / (stayers()["T_days"] / 7)).mean() * 26 * 3000, rel=0.15
    )


@pytest.fixture(scope="module")
def retail(data):
    """Online Retail to 2011-06-09: customers known, quantity and price above 0."""
    columns = ["customer_id", "timestamp", "amount", "quantity", "unit_price"]
    frame = pd.read_parquet(data / "online_retail" / "interactions.parquet", columns=columns)
    frame = frame[frame["customer_id"].notna() & (frame["quantity"] > 0) & (frame["unit_price"] > 0)]
    frame = frame.assign(timestamp=frame["timestamp"].dt.floor("D")).drop_duplicates(["customer_id", "timestamp"])
    return purchase_history(InteractionLog.read(frame[columns[:3]].astype({"customer_id": int})), "2011-06-10")


@each_model
def test_the_alarm_rings_on_online_retail(model, retail):
    with pytest.warns(DataContractWarning, match="P\\(alive\\) says nothing"):
        found = model().fit(retail)
    assert found.parameters_["r"] == pytest.approx(0.742, abs=0.002)
    assert found.parameters_["alpha"] == pytest.approx(8.737, abs=0.02)
    assert found.log_likelihood_ == pytest.approx(-13255.61, abs=0.02)


@each_model
def test_it_is_silent_where_customers_leave(model):
    history = geometric(3000, 4, 1) if model is ModifiedBetaGeoModel else geometric(3000, 4)
    assert model().fit(whole_days(pareto(6000, 4) if model is ParetoModel else history)).concerns_ == ()


@each_model
def test_cohorts_that_buy_unlike_each_other_are_told_apart(model):
    early, late = pareto(4000, 5, PARETO, (40, 52)), pareto(4000, 6, PARETO | {"alpha": 2.0}, (4, 12))
    with pytest.warns(DataContractWarning, match="Cohorts differ") as heard:
        model().fit(whole_days(pd.concat([early, late], ignore_index=True)))
    assert "0 to 90 days ago +" in str(heard[0].message)
    assert "days ago -" in str(heard[0].message)


def test_a_covariate_of_the_cohort_answers_it():
    early, late = pareto(4000, 5, PARETO, (40, 52)), pareto(4000, 6, PARETO | {"alpha": 2.0}, (4, 12))
    both = whole_days(pd.concat([early.assign(late=0), late.assign(late=1)], ignore_index=True))
    assert ParetoModel(purchase_covariates=["late"]).fit(both).concerns_ == ()


def test_parameters_that_run_away_are_named():
    alike = pd.DataFrame({"frequency": [4] * 300, "t_x_days": range(100, 400), "T_days": range(130, 430)})
    with pytest.warns(DataContractWarning, match="No best value was found for"):
        found = BetaGeoModel().fit(alike)
    assert any("runs away" in c for c in found.concerns_)


def days(gaps):
    """Purchase days of customers with these gaps."""
    at = [np.concatenate([[0], np.cumsum(g)]) for g in gaps]
    starts = np.append(0, np.cumsum([len(a) for a in at]))
    day = np.concatenate(at).astype(np.int64)
    return PurchaseDays(pd.Index(range(len(gaps))), starts, day, np.ones(len(day), bool), None, int(day.max()))


def test_regularity_by_hand():
    # shares 1/4 and 3/4: squares 1/16 each; random gaps of 8 and 4 days would have (1 − 1/4)/12 and (1 − 1/2)/12
    told = regularity(days([[2, 6], [3, 1]]))
    v = (1 / 16 + 1 / 16) / (3 / 4 + 1 / 2)
    assert told.shape.value == pytest.approx((1 - 4 * v) / (8 * v))
    assert told.n_customers == 2


@pytest.mark.parametrize(("shape", "regular"), [(1, False), (4, True)])
def test_clockwork_is_told_from_chance_on_whole_days(shape, regular):
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.gamma(shape, 6 / shape, (4000, 12)), axis=1)
    gaps = [np.diff(np.unique(np.floor(t))) for t in times]
    told = regularity(days([g for g in gaps if len(g) > 1]))
    assert told.regular == regular
    assert ("like clockwork" in str(told)) == regular
    if not regular:
        assert told.shape.low < 1.06
        assert told.shape.high > 0.97


def test_too_few_purchase_days_are_counted():
    with pytest.raises(DataContractError, match="1 of 3 customers have three purchase days"):
        regularity(days([[2, 3], [4], [5]]))
    with pytest.raises(DataContractError, match="All gaps are one day"):
        regularity(days([[1, 1], [1, 1]]))


def test_a_covariate_with_a_value_for_each_customer_is_bearable():
    history = whole_days(geometric(4000, 8)).assign(z=np.linspace(-1, 1, 4000))
    found = BetaGeoModel(purchase_covariates=["z"]).fit(history)
    assert found.concerns_ == ()
    assert abs(found.coefficients_["purchase:z"]) < 0.2
    assert found.expected_purchases(history, ["30d", "60d"]).shape == (4000, 2)
