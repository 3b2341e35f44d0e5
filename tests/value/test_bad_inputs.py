"""Rows 61 to 73 of BAD_INPUTS.md: what money that is odd does to value. The door itself is tested with the log."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from crmintel.errors import DataContractError, DataTypeError
from crmintel.interactions import InteractionLog, Policies
from crmintel.value import GammaGammaModel, cohort_retention, cohort_revenue, key_customers, purchase_history

DAYS = ["2024-01-01", "2024-01-08", "2024-02-05", "2024-01-02", "2024-01-09", "2024-02-10", "2024-02-29"]
WHO = ["a", "a", "a", "b", "b", "b", "c"]


def read(amount: object, **more: object) -> InteractionLog:
    """Two customers with two repeat purchases each, and one with none."""
    frame = pd.DataFrame({"customer_id": WHO, "timestamp": pd.to_datetime(DAYS), "amount": amount})
    return InteractionLog.read(frame, quiet=True, **more)  # type: ignore[arg-type]


def history(means: list[float], frequency: int = 2) -> pd.DataFrame:
    return pd.DataFrame({"frequency": frequency, "mean_value": means})


def test_row_61_negative_amounts_net_the_value_and_never_count() -> None:
    log = read([10.0, 20.0, -4.0, 30.0, 40.0, 50.0, 6.0])
    told = purchase_history(log)
    assert told["frequency"].tolist() == [1, 2, 0]
    assert told["mean_value"].tolist()[:2] == [16.0, 45.0]
    assert cohort_retention(log).totals.iloc[0].tolist() == [2, 1]
    assert cohort_revenue(log).totals.iloc[0].tolist() == [96.0, 50.0]


def test_row_61_a_mean_below_zero_is_left_out_of_the_fit_and_counts_as_zero_after_it() -> None:
    model = GammaGammaModel().fit(history([10.0, 12.0, 30.0, 7.0, -5.0]))
    assert model.counts_["not_positive"] == 1
    told = model.expected_value(history([-5.0, 0.0, 7.0]))
    assert told[0] == told[1]
    assert 0 < told[0] < told[2]


def test_row_62_zero_amount_orders_count_but_gamma_gamma_leaves_them_out() -> None:
    told = purchase_history(read([10.0, 0.0, 0.0, 30.0, 40.0, 50.0, 6.0]))
    assert told["frequency"].tolist() == [2, 2, 0]
    assert told["mean_value"].tolist()[:2] == [0.0, 45.0]
    with_zero = pd.concat([told, history([20.0, 31.0, 44.0])])
    assert GammaGammaModel().fit(with_zero).counts_ == {"fitted": 4, "no_repeat": 1, "not_positive": 1}


def test_row_63_a_missing_amount_needs_a_choice_and_a_missing_mean_is_refused() -> None:
    amount = [10.0, np.nan, 8.0, 30.0, 40.0, 50.0, 6.0]
    with pytest.raises(DataContractError, match="on_missing_amount"):
        read(amount)
    kept = purchase_history(read(amount, policies=Policies(on_missing_amount="zero")))
    assert kept["frequency"].tolist() == [2, 2, 0]
    assert kept["mean_value"].iloc[0] == 4.0  # chosen: a purchase of unknown money counts, and adds none
    with pytest.raises(DataContractError, match="1 of 3 rows: 'mean_value' is missing"):
        GammaGammaModel().fit(history([10.0, np.nan, 8.0]))


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_row_64_infinite_money_is_refused_at_fit_and_at_predict(bad: float) -> None:
    model = GammaGammaModel().fit(history([10.0, 12.0, 30.0]))
    for call in (GammaGammaModel().fit, model.expected_value):
        with pytest.raises(DataContractError, match=r"1 of 2 rows: 'mean_value' is infinite \(first rows: 1\)"):
            call(history([10.0, bad]))
    with pytest.raises(DataContractError, match="values is infinite for 1 of 2"):
        key_customers(pd.Series([1.0, bad], index=["a", "b"]))


def test_row_65_money_as_text_is_a_typed_refusal() -> None:
    for text in (["5", "£1,234"], ["5", "1234"], [True, False], pd.Categorical(["5", "1234"])):
        with pytest.raises(DataTypeError, match="'mean_value' does not hold numbers") as told:
            GammaGammaModel().fit(pd.DataFrame({"frequency": [1, 2], "mean_value": text}))
        assert "234" not in str(told.value)
    with pytest.raises(DataContractError) as told_too:
        key_customers(pd.Series(["5", "£1,234"], index=["a", "b"]))
    assert "234" not in str(told_too.value)


def test_row_66_decimals_are_money_like_any_other() -> None:
    amount = [10.1, 20.2, 30.3, 30.0, 40.0, 50.0, 6.0]
    told = purchase_history(read([Decimal(str(a)) for a in amount]))
    pd.testing.assert_frame_equal(told, purchase_history(read(amount)))
    model = GammaGammaModel().fit(history([10.0, 12.0, 30.0]))
    pd.testing.assert_series_equal(
        GammaGammaModel().fit(history([Decimal(10), Decimal(12), Decimal(30)])).expected_value(history([5.0])),  # type: ignore[list-item]
        model.expected_value(history([5.0])),
    )


def test_row_67_money_up_to_the_limit_adds_up_and_fits_without_overflow() -> None:
    log = read([9e14] * 3 + [3e14, 1e14, 2e14, 9e14])
    assert cohort_revenue(log).totals.iloc[0, 0] == 2.2e15
    rng = np.random.default_rng(0)
    x = rng.integers(1, 9, 300)
    means = rng.gamma(5 * x) / rng.gamma(4, size=300) / x
    large, plain, small = (
        GammaGammaModel().fit(history(list(means * f)).assign(frequency=x)) for f in (1e13, 1, 1e-13)
    )
    assert large.parameters_["p"] == pytest.approx(plain.parameters_["p"], rel=1e-6)
    assert small.parameters_["p"] == pytest.approx(plain.parameters_["p"], rel=1e-6)
    assert large.expected_value(history([5e13]))[0] == pytest.approx(1e13 * plain.expected_value(history([5.0]))[0])


@pytest.mark.parametrize("kind", ["int8", "int16", "uint8", "uint64", "Int32", "float32"])
def test_rows_68_and_70_small_and_unsigned_numbers_are_widened_before_sums(kind: str) -> None:
    amount = [100, 120, 110, 90, 100, 127, 127]
    told = purchase_history(read(pd.array(amount, dtype=kind)))
    pd.testing.assert_frame_equal(told, purchase_history(read([float(a) for a in amount])))
    assert cohort_revenue(read(pd.array(amount, dtype=kind))).totals.iloc[0].tolist() == [410.0, 237.0]
    table = history([100.0, 120.0, 90.0]).astype({"frequency": "uint8", "mean_value": kind})
    plain = GammaGammaModel().fit(history([100.0, 120.0, 90.0]))
    assert GammaGammaModel().fit(table).parameters_ == plain.parameters_
    listed = key_customers(pd.Series(amount[:3], index=list("abc"), dtype=kind), count=1)
    assert listed.total == 330.0


def test_row_69_whole_numbers_near_the_largest_do_not_wrap() -> None:
    values = pd.Series([2**62, 2**62, 2**62], index=list("abc"))
    assert key_customers(values, count=1).total == pytest.approx(3 * 2.0**62)
    log = read(np.full(7, 10**15, dtype=np.int64))
    assert cohort_revenue(log).totals.sum().sum() == 7e15


def test_row_71_two_currencies_never_reach_a_sum_of_value() -> None:
    frame = pd.DataFrame(
        {"customer_id": WHO, "timestamp": pd.to_datetime(DAYS), "amount": 1.0, "currency": ["EUR"] * 6 + ["USD"]}
    )
    with pytest.raises(DataContractError, match="2 currencies"):
        purchase_history(InteractionLog.read(frame, quiet=True))


def test_row_72_one_customer_with_half_of_the_money_is_told_of() -> None:
    key = key_customers(pd.Series([1e6, 1.0, 2.0, 3.0], index=list("abcd")), count=1)
    assert "one customer alone holds over half of the value" in repr(key)
    assert "alone" not in repr(key_customers(pd.Series([3.0, 1.0, 2.0, 3.0], index=list("abcd")), count=1))
    rng = np.random.default_rng(0)
    means = list(15 / rng.gamma(4, size=40))
    model = GammaGammaModel().fit(history([*means, 1e6]).assign(frequency=rng.integers(1, 9, 41)))
    assert "one customer alone holds over half of the money" in repr(model)
    assert "1e+06" not in repr(model)


def test_row_73_equal_amounts_are_refused_by_the_model_of_spend_and_told_by_the_rest() -> None:
    log = read([5.0] * 7)
    with pytest.raises(DataContractError, match="All 2 mean values are equal"):
        GammaGammaModel().fit(purchase_history(log))
    with pytest.raises(DataContractError, match="All 5 mean values are equal"):
        GammaGammaModel().fit(history([0.1 + 0.2, 0.3, 0.3, 0.3, 0.3]))  # equal but for rounding
    assert cohort_revenue(log).totals.iloc[0].tolist() == [20.0, 10.0]
    assert key_customers(pd.Series(5.0, index=list("ba")), count=1).table.index.tolist() == ["a"]
