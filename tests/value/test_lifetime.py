"""LifetimeValue: what is promised of every model, money that adds up, and floors on real data."""

import pickle
from copy import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from crmintel import InteractionLog
from crmintel.datasets import simulate
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.evaluation import auc, capture
from crmintel.value import LifetimeValue, ParetoModel, PurchaseDays, ValueForecast, purchase_history
from crmintel.value.lifetime import _far, _small
from crmintel.value.options import whole_days

AT, HORIZON = "2024-03-01", "60d"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return simulate(350, days=500, seed=3).interactions


@pytest.fixture(scope="module")
def log(frame: pd.DataFrame) -> InteractionLog:
    return InteractionLog.read(frame, quiet=True)


@pytest.fixture(scope="module")
def model(log: InteractionLog) -> LifetimeValue:
    return LifetimeValue(HORIZON, threads=1).fit(log, at=AT)


@pytest.fixture(scope="module")
def forecast(model: LifetimeValue, log: InteractionLog) -> ValueForecast:
    return model.predict(log, at=AT)


@pytest.mark.slow
def test_every_customer_has_one_row_with_intervals_that_hold_the_forecast(
    log: InteractionLog, forecast: ValueForecast
) -> None:
    told = forecast.to_frame()
    assert told.index.equals(purchase_history(log, AT).index)
    assert told.notna().all(axis=None)
    for name in ("purchases", "spend", "value"):
        assert ((told[f"{name}_low"] <= told[name]) & (told[name] <= told[f"{name}_high"])).all()
    assert told["buy_probability"].between(0, 1).all()


def test_the_total_is_that_of_the_models_of_counts_and_spend(
    log: InteractionLog, model: LifetimeValue, forecast: ValueForecast
) -> None:
    history = purchase_history(log, AT)
    counts = ParetoModel().fit(history).expected_purchases(history, HORIZON)
    assert forecast.to_frame()["purchases"].sum() == pytest.approx(counts.sum(), rel=1e-6)
    assert model.spend_ is not None
    spend = (counts * model.spend_.expected_value(history)).sum()
    assert forecast.to_frame()["spend"].sum() == pytest.approx(spend, rel=1e-6)


def test_one_customer_is_told_as_in_the_batch(
    frame: pd.DataFrame, model: LifetimeValue, forecast: ValueForecast
) -> None:
    late = frame.groupby("customer_id")["timestamp"].max()
    silent = late[late < pd.Timestamp(AT) - pd.Timedelta(days=60)].index[0]  # his own log ends long before the instant
    for someone in (forecast.to_frame().index[[3, 50]], pd.Index([silent])):
        few = InteractionLog.read(frame[frame["customer_id"].isin(someone)], quiet=True)
        told = model.predict(few, at=AT).to_frame()
        pd.testing.assert_frame_equal(told, forecast.to_frame().loc[someone], rtol=1e-12)


@pytest.mark.slow
def test_row_order_and_threads_do_not_change_a_bit(frame: pd.DataFrame, forecast: ValueForecast) -> None:
    shuffled = InteractionLog.read(frame.sample(frac=1.0, random_state=1), quiet=True)
    again = LifetimeValue(HORIZON, threads=2).fit(shuffled, at=AT).predict(shuffled, at=AT)
    pd.testing.assert_frame_equal(again.to_frame(), forecast.to_frame(), check_exact=True)


@pytest.mark.slow
def test_what_happens_later_changes_nothing(frame: pd.DataFrame, forecast: ValueForecast) -> None:
    past = InteractionLog.read(frame[frame["timestamp"] < AT], quiet=True)
    again = LifetimeValue(HORIZON, threads=1).fit(past, at=AT).predict(past, at=AT)
    pd.testing.assert_frame_equal(again.to_frame(), forecast.to_frame(), check_exact=True)


def test_inner_instants_are_told_with_their_errors(log: InteractionLog, model: LifetimeValue) -> None:
    told = model.instants_
    assert told["horizon_days"].tolist() == [60, 30, 15]
    first = PurchaseDays.of(log, pd.Timestamp(AT) - pd.Timedelta(days=60))
    counts, _ = PurchaseDays.of(log, AT).later(first.customers, first.end, first.end + 60)
    assert told.loc[0, "purchases"] == counts.sum()
    assert told["purchases_error"].tolist() == pytest.approx(
        (told["purchases_expected"] / told["purchases"] - 1).tolist()
    )
    assert "off by" in repr(model)
    page = model._repr_html_()
    assert "Pareto/NBD" in page
    assert f"<td>{told.loc[0, 'purchases']:,.0f}</td>" in page
    assert f"<td>{told.loc[0, 'purchases_error']:+.0%}</td>" in page
    assert model.weights_.index.tolist()[:2] == ["Pareto/NBD", "past money"]


def test_margin_and_cost_to_serve_make_the_value(
    log: InteractionLog, model: LifetimeValue, forecast: ValueForecast
) -> None:
    dear = copy(model).set_params(margin=0.3, cost_to_serve=2.0).predict(log, at=AT).to_frame()
    plain = forecast.to_frame()
    pd.testing.assert_series_equal(dear["value"], 0.3 * plain["spend"] - 2.0 * plain["purchases"], check_names=False)
    loss = copy(model).set_params(margin=-0.5).predict(log, at=AT).to_frame()
    pd.testing.assert_series_equal(loss["value_low"], -0.5 * plain["spend_high"], check_names=False)
    pd.testing.assert_series_equal(loss["value_high"], -0.5 * plain["spend_low"], check_names=False)
    assert (dear["value_low"] <= dear["value"]).all()
    assert (dear["value"] <= dear["value_high"]).all()


def test_totals_of_segments_add_up_and_are_matched_by_customer(forecast: ValueForecast) -> None:
    told = forecast.to_frame()
    segments = pd.Series(np.where(told["spend"] > told["spend"].median(), "upper", "lower"), told.index)
    total = forecast.total(segments.sample(frac=1.0, random_state=0))
    assert total.index.tolist() == ["lower", "upper"]
    assert total["customers"].sum() == len(told)
    for name in ("purchases", "spend", "value"):
        assert total.loc["upper", name] == pytest.approx(told.loc[segments == "upper", name].sum())
        assert (total[f"{name}_low"] < total[name]).all()
        assert (total[name] < total[f"{name}_high"]).all()
    alone = forecast.total(segments.where(segments == "upper"))  # the others have none
    pd.testing.assert_frame_equal(alone, total.loc[["upper"]], check_exact=True)
    one = forecast.total().iloc[0]
    width = (one["spend_high"] - one["spend_low"]) / one["spend"]
    alone = ((told["spend_high"] - told["spend_low"]) / told["spend"]).median()
    assert width < alone  # chance of customers evens out, the drift of all of them does not


def test_the_page_shows_tenths_with_their_intervals(forecast: ValueForecast) -> None:
    page = forecast._repr_html_()
    one = forecast.total().iloc[0]
    assert f"value {one['value']:,.0f} ({one['value_low']:,.0f} to {one['value_high']:,.0f})" in page
    assert page.count("<tr") == 11
    best = forecast.customers["value"].nlargest(len(forecast.customers) // 10 + 1).sum()
    assert f"<td>{best:,.0f} (" in page


def test_customers_without_a_segment_are_left_out_and_others_refused(forecast: ValueForecast) -> None:
    told = forecast.to_frame()
    some = pd.Series("a", told.index, dtype=object)
    some.iloc[:10] = None
    assert forecast.total(some).loc["a", "customers"] == len(told) - 10
    with pytest.raises(DataContractError, match="segments has another index"):
        forecast.total(pd.Series("a", index=pd.Index(range(3), name="other")))
    with pytest.raises(DataContractError, match="No customer has a segment"):
        forecast.total(pd.Series(None, told.index, dtype=object))


def test_discounted_value_is_one_row_a_customer_and_rises(
    log: InteractionLog, model: LifetimeValue, forecast: ValueForecast
) -> None:
    months = model.discounted(log, at=AT, months=24)
    assert months.index.equals(forecast.to_frame().index)
    assert months.columns.tolist() == list(range(1, 25))
    assert (months.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    free = model.discounted(log, at=AT, months=2, annual_rate=0.0)
    per_day = free[2] / forecast.to_frame()["value"] / (2 * 30.4375 / 60)
    there = forecast.to_frame()["purchases"] > 0.01
    assert per_day[there].between(0.97, 1.03).all()  # two months are 61 days, the horizon has 60
    assert (months[24] < model.discounted(log, at=AT, months=24, annual_rate=0.0)[24]).all()


def test_a_year_later_money_is_worth_a_tenth_less(log: InteractionLog, model: LifetimeValue) -> None:
    plain, told = (model.discounted(log, at=AT, months=12, annual_rate=r) for r in (0.0, 0.1))
    last = (told[12] - told[11]) / (plain[12] - plain[11])
    assert last.to_numpy() == pytest.approx(1.1 ** (-11.5 / 12))


@pytest.mark.slow
def test_counts_alone_tell_purchases_and_say_so(frame: pd.DataFrame) -> None:
    bare = InteractionLog.read(frame[["customer_id", "timestamp", "kind"]], quiet=True)
    model = LifetimeValue(HORIZON, threads=1).fit(bare, at=AT)
    told = model.predict(bare, at=AT)
    assert not told.has_money
    assert list(told.to_frame()) == ["purchases", "purchases_low", "purchases_high", "buy_probability"]
    assert "no amounts" in repr(told)
    assert "purchases alone" in repr(model)
    assert "value" not in told.total()
    with pytest.raises(DataContractError, match="no value to discount"):
        model.discounted(bare, at=AT)


def test_a_log_without_amounts_cannot_be_told_by_a_model_of_money(frame: pd.DataFrame, model: LifetimeValue) -> None:
    bare = InteractionLog.read(frame[["customer_id", "timestamp", "kind"]], quiet=True)
    with pytest.raises(DataContractError, match="has no amounts"):
        model.predict(bare, at=AT)


def test_row_110_predict_before_fit(log: InteractionLog) -> None:
    with pytest.raises(NotFittedError):
        LifetimeValue().predict(log)
    assert repr(LifetimeValue("90d")).startswith("LifetimeValue(")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"horizon": "36h"}, "whole number of days"),
        ({"coverage": 1.0}, "coverage is 1.0"),
        ({"margin": np.nan}, "margin is nan"),
        ({"cost_to_serve": np.inf}, "cost_to_serve is inf"),
        ({"most_customers": 1}, "most_customers is 1"),
        ({"most_customers": 30.5}, "most_customers is 30.5"),
        ({"coverage": "0.8"}, "coverage is '0.8'"),
        ({"margin": None}, "margin is None"),
        ({"threads": 0}, "threads is 0"),
        ({"random_state": None}, "random_state is None"),
        ({"random_state": -1}, "random_state is -1"),
    ],
)
def test_options_out_of_range_are_named(log: InteractionLog, options: dict[str, object], said: str) -> None:
    with pytest.raises(DataContractError, match=said):
        clone(LifetimeValue()).set_params(**options).fit(log)


@pytest.mark.parametrize("months", [0, 61, 12.0, "12", True])
def test_months_go_from_1_to_60(log: InteractionLog, model: LifetimeValue, months: int) -> None:
    with pytest.raises(DataContractError, match=f"months is {months!r}"):
        model.discounted(log, at=AT, months=months)


@pytest.mark.parametrize("rate", [-1, np.nan, np.inf, "a", None])
def test_rates_are_numbers_above_minus_one(log: InteractionLog, model: LifetimeValue, rate: float) -> None:
    with pytest.raises(DataContractError, match="annual_rate is"):
        model.discounted(log, at=AT, annual_rate=rate)


def test_a_table_is_no_log(frame: pd.DataFrame, model: LifetimeValue) -> None:
    for call in (LifetimeValue(HORIZON).fit, model.predict, model.discounted):
        with pytest.raises(DataTypeError, match=r"log is a DataFrame\. Read it first"):
            call(frame)


def test_an_empty_log_is_called_empty(frame: pd.DataFrame, model: LifetimeValue) -> None:
    empty = InteractionLog.read(frame.iloc[:0], quiet=True)
    for call in (LifetimeValue(HORIZON).fit, model.predict):
        with pytest.raises(DataContractError, match="The log is empty"):
            call(empty)


@pytest.mark.slow
def test_amounts_that_are_all_nothing_tell_purchases_alone(frame: pd.DataFrame) -> None:
    free = InteractionLog.read(frame[frame["kind"] == "purchase"].assign(amount=0.0), quiet=True)
    with pytest.warns(DataContractWarning, match="purchases alone are told"):
        model = LifetimeValue(HORIZON, threads=1).fit(free, at=AT)
    told = model.predict(free, at=AT)
    assert not told.has_money
    assert told.to_frame().notna().all(axis=None)
    with pytest.raises(DataContractError, match="no value to discount"):
        model.discounted(free, at=AT)


def test_horizons_and_amounts_beyond_what_can_be_told_are_said() -> None:
    assert list(_far(400, 100)) == []
    assert "1,000 days is 10 times as long" in next(_far(1_000, 100))
    assert list(_small(1.0)) == list(_small(None)) == []
    assert "smaller unit, such as cents" in next(_small(0.004))


def test_discounted_value_by_hand(log: InteractionLog, model: LifetimeValue, forecast: ValueForecast) -> None:
    """The months of the model of counts, each paid in its middle, scaled to the forecast over the horizon."""
    dear = copy(model).set_params(margin=0.5, cost_to_serve=1.0)
    told = dear.discounted(log, at=AT, months=3, annual_rate=0.21)
    who = forecast.to_frame().index[[7]]
    history = purchase_history(log, AT).loc[who]
    ends = [pd.Timedelta(days=30.4375 * m) for m in (1, 2, 3)]
    a, b, c = model.pareto_.expected_purchases(history, ends).iloc[0]
    sixty = model.pareto_.expected_purchases(history, HORIZON).iloc[0]
    table = forecast.to_frame().loc[who[0]]
    value = 0.5 * table["spend"] - table["purchases"]
    paid = np.cumsum(np.diff([0, a, b, c]) / 1.21 ** (np.array([0.5, 1.5, 2.5]) / 12)) * value / sixty
    assert told.loc[who[0]].to_numpy() == pytest.approx(paid, rel=1e-9)


def test_coverage_is_that_of_the_fit(log: InteractionLog, model: LifetimeValue, forecast: ValueForecast) -> None:
    later = copy(model).set_params(coverage=0.5).predict(log, at=AT)
    assert later.coverage == 0.8
    assert later.to_frame().equals(forecast.to_frame())


def test_saved_and_loaded_it_tells_the_same_bits(
    log: InteractionLog, model: LifetimeValue, forecast: ValueForecast
) -> None:
    again = pickle.loads(pickle.dumps(model))
    assert again.predict(log, at=AT).to_frame().equals(forecast.to_frame())
    assert repr(again) == repr(model)


@pytest.mark.slow
def test_a_fit_that_fails_leaves_the_old_one_whole(
    frame: pd.DataFrame, log: InteractionLog, model: LifetimeValue, forecast: ValueForecast
) -> None:
    again = copy(model)
    with pytest.raises(DataContractError, match="too few to learn from"):
        again.fit(InteractionLog.read(frame[frame["customer_id"] == frame["customer_id"].iloc[0]], quiet=True))
    with pytest.raises(DataContractError, match=r"Of 20 customers who were drawn.*Raise most_customers"):
        again.set_params(most_customers=20).fit(log, at=AT)
    assert again.predict(log, at=AT).to_frame().equals(forecast.to_frame())


def test_segments_keep_the_order_of_their_categories(forecast: ValueForecast) -> None:
    n = len(forecast.customers)
    names = np.array(["gold", "base"])[np.arange(n) % 2]
    told = forecast.total(pd.Categorical(names, categories=["gold", "none", "base"]))
    assert told.index.tolist() == ["gold", "base"]
    assert told["customers"].tolist() == np.unique(names, return_counts=True)[1][::-1].tolist()
    assert forecast.total(np.arange(n) % 3).index.dtype == np.int64
    with pytest.raises(DataContractError, match=f"segments has {n} x 2 values"):
        forecast.total(np.ones((n, 2)))


def test_horizons_may_be_weeks_or_a_length_of_time() -> None:
    assert whole_days("6w") == whole_days(pd.Timedelta(days=42)) == 42


def test_an_instant_long_after_the_end_is_refused(log: InteractionLog) -> None:
    with pytest.raises(DataContractError, match="what was not seen would count as silence"):
        LifetimeValue(HORIZON).fit(log, at=log.end + pd.Timedelta(days=40))


def test_a_log_that_ends_early_is_believed_until_the_instant_of_the_fit(
    frame: pd.DataFrame, model: LifetimeValue
) -> None:
    """What the log of the fit held after its instant is not known to have been watched."""
    late = frame.groupby("customer_id")["timestamp"].max()
    silent = late[late < pd.Timestamp(AT) - pd.Timedelta(days=60)].index[0]
    few = InteractionLog.read(frame[frame["customer_id"] == silent], quiet=True)
    assert len(model.predict(few, at=pd.Timestamp(AT) + pd.Timedelta(days=31)).customers) == 1
    with pytest.raises(DataContractError, match="The log ends 2024-03-01, 40 days before"):
        model.predict(few, at=pd.Timestamp(AT) + pd.Timedelta(days=40))


@pytest.mark.slow
def test_a_short_history_is_refused_in_words(frame: pd.DataFrame) -> None:
    few = InteractionLog.read(frame[frame["customer_id"].isin(frame["customer_id"].unique()[:12])], quiet=True)
    with pytest.raises(DataContractError, match="too few to learn from"):
        LifetimeValue(HORIZON).fit(few)


@pytest.mark.slow
def test_trees_learn_from_at_most_so_many_customers(log: InteractionLog) -> None:
    model = LifetimeValue(HORIZON, most_customers=150, threads=1).fit(log, at=AT)
    assert model.instants_["customers"].max() <= 150
    assert len(model.predict(log, at=AT).to_frame()) > 200


@pytest.mark.slow
def test_equal_amounts_leave_spend_without_a_model(frame: pd.DataFrame) -> None:
    """Row 73: all amounts are equal. Money is told by the mean of a purchase."""
    same = frame[frame["kind"] == "purchase"].drop_duplicates(["customer_id", "timestamp"]).assign(amount=5.0)
    days = same["timestamp"].dt.floor("D")
    same = same[~pd.MultiIndex.from_arrays([same["customer_id"], days]).duplicated()][
        ["customer_id", "timestamp", "amount"]
    ]
    log = InteractionLog.read(same, quiet=True)
    model = LifetimeValue(HORIZON, threads=1).fit(log, at=AT)
    told = model.predict(log, at=AT).to_frame()
    assert model.spend_ is None
    assert told["spend"].sum() == pytest.approx(5.0 * told["purchases"].sum())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
def test_it_beats_the_pace_so_far_where_the_truth_is_known() -> None:
    world = simulate(1_500, days=500, seed=5)
    log = world.log(quiet=True)
    told = LifetimeValue("90d").fit(log, at=AT).predict(log, at=AT).to_frame()
    history = purchase_history(log, AT)
    truth = world.expected_orders(AT, pd.Timedelta(days=90))[told.index]
    pace = (history["frequency"] + 1) / (history["T_days"] + 7) * 90
    error, rule = ((f - truth).abs().mean() for f in (told["purchases"], pace))
    assert error < 0.8 * rule


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
def test_floors_on_cdnow(data: Path) -> None:
    """The bars of the benchmark with a little room: purchases, who buys, spend, capture and both intervals, all from one fit."""
    log = InteractionLog.read(data / "cdnow" / "interactions.parquet", quiet=True)
    told = LifetimeValue("273d").fit(log, at="1997-10-01").predict(log, at="1997-10-01")
    table = told.to_frame()
    past = PurchaseDays.of(log, "1997-10-01")
    counts, money = PurchaseDays.of(log).later(table.index, past.end, past.end + 273)
    assert money is not None
    assert (table["purchases"] - counts).abs().mean() <= 0.793
    assert auc(counts > 0, table["buy_probability"]) >= 0.7715
    assert np.sqrt(((table["spend"] - money) ** 2).mean()) <= 91.3
    assert capture(money, table["spend"]) >= 0.521
    inside = (money >= table["spend_low"]) & (money <= table["spend_high"])
    assert 0.76 <= inside.mean() <= 0.84
    whole = told.total().iloc[0]
    assert whole["spend_low"] < money.sum() < whole["spend_high"]
