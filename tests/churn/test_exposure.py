"""What time to churn refuses before it learns: other orders, columns that tell the duration, few customers, units, overlaps."""

import datetime as dt
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks

from crmintel.churn import TimeToChurn
from crmintel.churn.splines import SplineLogistic
from crmintel.churn.trees import Trees
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError, LeakageError

pytestmark = pytest.mark.slow  # `make check` stays under 90 seconds without them

ONE = (SplineLogistic(knots=4, C=1.0),)


def base(n: int = 120, seed: int = 0) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Customers with a name, how long they stayed, and whether they were seen leaving."""
    rng = np.random.default_rng(seed)
    who = pd.Index([f"c{i}" for i in range(n)], name="customer_id")
    X = pd.DataFrame({"orders": rng.normal(size=n), "plan": rng.choice(["basic", "gold"], n)}, index=who)
    time = np.ceil(rng.exponential(5 * np.exp(-0.8 * X["orders"]))).clip(1, 12)
    return X, pd.Series(np.asarray(time), who, name="months"), pd.Series(rng.random(n) < 0.7, who, name="left")


def bits(model: TimeToChurn, X: Any = None) -> bytes:
    return model.hazard(base(20, seed=3)[0] if X is None else X).to_numpy().tobytes()


# rows are found by their index


def test_series_in_another_order_find_their_rows() -> None:
    X, time, seen = base()
    entry = pd.Series(0.5, X.index).where(X["plan"] == "gold", 0.0)
    right = TimeToChurn(ONE).fit(X, time, seen, entry=entry)
    mixed = TimeToChurn(ONE).fit(X, time[::-1], seen.sort_index(), entry=entry.sort_values())
    assert bits(mixed) == bits(right)
    plain = X.reset_index(drop=True)  # without names of its own the table comes in the order of the durations
    right = TimeToChurn(ONE).fit(plain, time.to_numpy(), seen.to_numpy(), entry=entry.to_numpy())
    assert bits(TimeToChurn(ONE).fit(plain, time, seen[::-1], entry=entry[::-1])) == bits(right)


def test_series_of_other_customers_are_refused() -> None:
    X, time, seen = base()
    other = time.rename(lambda name: f"{name}x")
    with pytest.raises(DataContractError, match="duration has another index than the rows"):
        TimeToChurn(ONE).fit(X, other, seen.to_numpy())
    with pytest.raises(DataContractError, match="observed has another index"):
        TimeToChurn(ONE).fit(X, time, seen.rename(lambda name: f"{name}x"))


def test_elapsed_finds_its_rows() -> None:
    X, time, seen = base()
    model, since = TimeToChurn(ONE).fit(X, time, seen), time.clip(upper=4) / 2
    for ask in (
        lambda e: model.survival(X, times=[1, 2], elapsed=e).to_numpy(),
        lambda e: model.churn_probability(X, 3, elapsed=e).to_numpy(),
        lambda e: model.expected_remaining(X, 3, elapsed=e).to_numpy(),
        lambda e: model.median_remaining(X, elapsed=e).to_numpy(),
    ):
        assert ask(since[::-1]).tobytes() == ask(since.to_numpy()).tobytes()
    with pytest.raises(DataContractError, match="elapsed has another index"):
        model.survival(X, elapsed=since.rename(lambda name: f"{name}x"))


def test_polars_lists_and_nullable_columns_are_taken_in_their_order() -> None:
    X, time, seen = base()
    X = X.reset_index(drop=True)
    right = bits(TimeToChurn(ONE).fit(X, time.to_numpy(), seen.to_numpy()))
    frame = pl.DataFrame({"orders": X["orders"].to_numpy(), "plan": X["plan"].tolist()})
    nullable = time.astype("Int64"), seen.astype("boolean")
    for args in (
        (frame, pl.Series(time.to_numpy()), pl.Series(seen.to_numpy())),
        (X, time.tolist(), seen.tolist()),
        (X, *nullable),
    ):
        assert bits(TimeToChurn(ONE).fit(*args)) == right


# columns that tell the duration


def test_the_duration_left_in_the_table_is_refused_by_name() -> None:
    X, time, seen = base(400)
    told = X.assign(tenure=time + 1, months_to_go=-(time**2), noise=time.sample(frac=1, random_state=0).to_numpy())
    with pytest.raises(LeakageError, match=r"allow=\['tenure', 'months_to_go'\]") as caught:
        TimeToChurn(ONE).fit(told, time, seen)
    assert "'tenure' follows the duration" in str(caught.value)
    TimeToChurn(ONE, allow=["tenure", "months_to_go"]).fit(told, time, seen)
    TimeToChurn(ONE, allow=["*"]).fit(told, time, seen)
    TimeToChurn(ONE).fit(told.to_numpy(object)[:, [0, 2]].astype(float), time, seen)  # arrays have no names


def test_a_total_that_is_price_times_time_is_refused() -> None:
    X, time, seen = base(400)
    price = np.random.default_rng(1).uniform(20, 60, 400).round()
    told = X.assign(price=price, free=0.0, total=(price * time + 0.3))
    with pytest.raises(LeakageError, match=r"'total' divided by 'price' follows the duration(.|\n)*allow=\['total'\]"):
        TimeToChurn(ONE).fit(told, time, seen)
    TimeToChurn(ONE, allow=("total",)).fit(told, time, seen)


def test_a_copy_of_the_label_is_refused() -> None:
    X, time, seen = base(400)
    with pytest.raises(LeakageError, match="'gone' tells the label"):
        TimeToChurn(ONE).fit(X.assign(gone=seen.astype(float)), time, seen)


def test_what_was_known_at_entry_passes_and_what_is_known_at_the_end_does_not() -> None:
    X, time, seen = base(400)
    entry = np.arange(400) % 60.0
    end = entry + 1 + 0.1 * time
    TimeToChurn(ONE).fit(X.assign(age=entry), end, seen, entry=entry)
    for leak in (end, end - entry):
        with pytest.raises(LeakageError, match="'age' follows the duration"):
            TimeToChurn(ONE).fit(X.assign(age=leak), end, seen, entry=entry)


def test_fewer_than_fifty_rows_tell_too_little() -> None:
    X, time, seen = base(49)
    TimeToChurn(ONE).fit(X.assign(tenure=time), time, seen)
    X, time, seen = base(50)
    with pytest.raises(LeakageError, match="tenure"):
        TimeToChurn(ONE).fit(X.assign(tenure=time), time, seen)


# edges


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("named", [True, False])
def test_too_few_customers_are_counted(n: int, named: bool, capfd: pytest.CaptureFixture[str]) -> None:
    X, time, seen = base(n)
    X, seen = X if named else X.reset_index(drop=True), seen | True
    with pytest.raises(DataContractError, match=f"There are {n} customers. Pass at least 6"):
        TimeToChurn().fit(X, time, seen)
    assert not capfd.readouterr().err


def test_many_rows_of_few_customers_are_too_few_and_six_customers_are_enough() -> None:
    X, time, seen = (pd.concat([t.iloc[:3]] * 3) for t in base())
    entry = np.repeat([0.0, 20, 40], 3)
    with pytest.raises(DataContractError, match="There are 3 customers"):
        TimeToChurn().fit(X, time + entry, seen | True, entry=entry)
    for events in (1, 3, 6):
        X, time, seen = base(6)
        seen.iloc[:] = np.arange(6) < events
        for rows in (X, X.reset_index(drop=True)):
            assert np.isfinite(TimeToChurn().fit(rows, time, seen).survival(X).to_numpy()).all()


UNITS = [pd.to_timedelta([3] * 120, unit="D"), [dt.timedelta(days=3)] * 120, np.full(120, 3, "m8[D]"), pl.Series([dt.timedelta(days=3)] * 120)]  # fmt: skip


@pytest.mark.parametrize("units", UNITS)
def test_times_with_a_unit_are_refused(units: Any) -> None:
    X, time, seen = base()
    with pytest.raises(DataTypeError, match=r"duration holds lengths of time .*pd.Timedelta\(days=1\)"):
        TimeToChurn(ONE).fit(X, units, seen.to_numpy())
    with pytest.raises(DataTypeError, match="entry holds lengths"):
        TimeToChurn(ONE).fit(X, time.to_numpy(), seen.to_numpy(), entry=units)
    with pytest.raises(DataTypeError, match="duration holds dates"):
        TimeToChurn(ONE).fit(X, pd.Series(pd.Timestamp("2024-01-01"), X.index), seen)
    model = TimeToChurn(ONE).fit(X, time, seen)
    with pytest.raises(DataTypeError, match="elapsed holds lengths"):
        model.survival(X, elapsed=units)
    with pytest.raises(DataTypeError, match="times holds lengths"):
        model.survival(X, times=units[:3])


@pytest.mark.parametrize(
    "horizon", ["30d", "30", None, True, pd.Timedelta(days=30), np.timedelta64(30, "D"), dt.timedelta(days=30), [1, 2]]
)
def test_a_horizon_that_is_no_number_is_refused_and_the_unit_is_said(horizon: Any) -> None:
    X, time, seen = base()
    model = TimeToChurn(ONE).fit(X, time, seen)
    for ask in (model.churn_probability, model.expected_remaining):
        with pytest.raises(DataTypeError, match=r"horizon is .* in the unit of duration"):
            ask(X, horizon)
    if not isinstance(horizon, list | None):
        with pytest.raises(DataTypeError, match=r"elapsed is .* in the unit of duration"):
            model.survival(X, elapsed=horizon)
        with pytest.raises(DataTypeError, match=r"period is .* in the unit of duration"):
            TimeToChurn(ONE, period=horizon).fit(X, time, seen)
    assert model.churn_probability(X, np.int64(3)).equals(model.churn_probability(X, np.array(3.0)))


def test_times_that_are_text_are_refused() -> None:
    X, time, seen = base()
    with pytest.raises(DataTypeError, match="times are no numbers"):
        TimeToChurn(ONE).fit(X, time, seen).survival(X, times=["a month"])


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", None, True])
def test_threads_are_a_count(threads: Any) -> None:
    with pytest.raises(DataContractError, match=r"threads is .* Pass a whole number"):
        TimeToChurn(ONE, threads=threads).fit(*base())


def test_rows_of_one_customer_that_overlap_are_counted() -> None:
    X, time, seen = (pd.concat([t, t.iloc[:7]]) for t in base())
    with pytest.warns(DataContractWarning, match="7 of 120 customers have rows whose times overlap"):
        TimeToChurn(ONE).fit(X, time, seen)
    entry = np.r_[np.zeros(120), time[:7]]
    with pytest.warns(DataContractWarning, match="2 of 120"):
        TimeToChurn(ONE).fit(X, time + entry, seen, entry=entry - np.isin(np.arange(127), [120, 125]))
    TimeToChurn(ONE).fit(X, time + entry, seen, entry=entry)
    at = pd.to_datetime(np.where(np.arange(127) < 120, "2024-01-01", "2024-06-01"))
    told = X.set_index(pd.Index(at, name="at"), append=True)
    TimeToChurn(ONE).fit(told, time.to_numpy(), seen.to_numpy())  # each instant begins anew


# conventions


def test_nothing_of_an_earlier_fit_survives() -> None:
    X, time, seen = base()
    array = np.random.default_rng(0).normal(size=(90, 3))
    used = TimeToChurn((*ONE, Trees("trees", 10, 0.2, leaves=4, min_leaf=5))).fit(X, time, seen)
    again = used.set_params(learners=ONE, period=2.0).fit(array, time[:90], seen[:90])
    fresh = TimeToChurn(ONE, period=2.0).fit(array, time[:90], seen[:90])
    assert again is used
    assert vars(used).keys() == vars(fresh).keys()
    assert not hasattr(used, "feature_names_in_")
    assert pickle.dumps(used) == pickle.dumps(fresh)
    assert bits(used.fit(X, time, seen), X) == bits(clone(used).fit(X, time, seen), X)


def test_a_fit_that_fails_leaves_what_was_learned() -> None:
    X, time, seen = base()
    model = TimeToChurn(ONE).fit(X, time, seen)
    before = bits(model)
    with pytest.raises(DataContractError):
        model.set_params(period=-1.0).fit(X[["plan", "orders"]].assign(plan="new"), time, seen)
    assert bits(model) == before


def test_scikit_learn_finds_an_estimator() -> None:
    """Its checks that fit call ``fit(X, y)``; time has two targets, so only those of parameters apply, and the rest is above."""
    model = TimeToChurn(ONE, allow=["a"])
    for check in (
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_valid_tag_types,
    ):
        check("TimeToChurn", model)
    estimator_checks.check_parameters_default_constructible("TimeToChurn", TimeToChurn())
    assert clone(model).get_params() == model.get_params()
    fitted = clone(model).set_params(allow=(), threads=1).fit(*base())
    assert bits(pickle.loads(pickle.dumps(fitted))) == bits(fitted)
    assert bits(clone(fitted).fit(*base())) == bits(fitted)


def test_a_fitted_model_shows_what_it_learned() -> None:
    X, time, seen = base()
    assert "TimeToChurn" in TimeToChurn()._repr_html_()
    odd = SplineLogistic("<b>stiff & co</b>", 4, 0.1)
    model = TimeToChurn((odd,)).fit(X, time, seen)
    model.interactions_ = ("<i>plan</i>",)
    shown = model._repr_html_()
    assert model._repr_mimebundle_()["text/html"] == shown
    for words in ("periods", "12, up to 12", model.rule_, "longest duration seen", "&lt;b&gt;stiff &amp; co&lt;/b&gt;", "1.000", "&lt;i&gt;plan"):  # fmt: skip
        assert words in shown
    assert "<b>" not in shown
    assert "<i>" not in shown
