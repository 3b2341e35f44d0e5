"""Rows 107 to 109 of the bad inputs, named by row, and what else an allocation refuses."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crmintel.actions import allocate, allocate_exactly
from crmintel.errors import DataContractError

GAIN = pd.DataFrame(
    {"call": [9.0, 8.0, 1.0], "mail": [8.0, 3.0, 0.5]}, index=pd.Index(["ann", "bob", "cy"], name="customer_id")
)
NAN, INF = float("nan"), float("inf")


def refused(match: str, gain: Any = GAIN, **options: Any) -> str:
    with pytest.raises(DataContractError, match=match) as told:
        allocate(gain, **options)
    words = str(told.value)
    assert not any(name in words for name in ("ann", "bob"))
    return words


@pytest.mark.parametrize("budget", [0, -1.0, NAN, INF, "much", True])
def test_row_107_a_budget_that_is_not_above_zero_is_refused_by_name(budget: Any) -> None:
    refused("^budget is ", budget=budget)


@pytest.mark.parametrize("capacity", [0, -3, 2.5, NAN, "many", True, None])
def test_row_107_a_capacity_that_is_no_whole_number_of_at_least_one_is_refused_by_name(capacity: Any) -> None:
    refused("The capacity of action 'mail' is ", capacity={"mail": capacity})


@pytest.mark.parametrize("cost", [-1.0, NAN, INF])
def test_row_107_a_cost_that_is_no_money_is_refused_by_name(cost: float) -> None:
    refused(r"cost is missing, infinite or negative for \['mail'\]", cost={"call": 1.0, "mail": cost})
    refused("cost is missing, infinite or negative", cost=cost)
    own = np.ones((3, 2))
    own[1, 1] = cost
    refused(r"cost is missing, infinite or negative for 1 pairs in rows 0 to 2, actions \['mail'\]", cost=own)


def test_row_107_a_cost_of_zero_and_a_gain_below_zero_are_allowed() -> None:
    plan = allocate(GAIN - 4, cost=0.0, budget=1.0)
    assert plan.table["action"].tolist() == ["call", "call"]


@pytest.mark.parametrize("quota", [-1, 0.5, NAN])
def test_row_107_a_quota_that_is_no_whole_number_is_refused_by_name(quota: float) -> None:
    refused("The quota of action 'call' is ", quota={"call": quota})


@pytest.mark.parametrize("contacts", [0, -1, 1.5, "two"])
def test_row_107_contacts_below_one_are_refused_by_name(contacts: Any) -> None:
    refused("The max_contacts is ", max_contacts=contacts)


def test_row_108_who_gets_no_action_is_told_why() -> None:
    may = pd.DataFrame({"call": [False, True, True], "mail": [False, True, True]}, index=GAIN.index)
    plan = allocate(
        GAIN.assign(call=[9.0, 8.0, 9.5]), cost=2.0, eligible=may, capacity={"call": 1, "mail": 1}, groups={"call": 1}
    )
    why = plan.reasons().set_index("customer_id")
    assert why.loc["ann"].tolist() == ["no action", "no action is open to this customer"]
    plan = allocate(GAIN, cost=2.0, eligible=may)
    why = plan.reasons().set_index("customer_id")["action_why"]
    assert why.to_dict() == {"ann": "no action is open to this customer", "cy": "no open action is worth its cost"}
    plan = allocate(GAIN, capacity={"call": 1, "mail": 1})
    why = plan.reasons().set_index("customer_id")["action_why"]
    assert why.to_dict() == {"cy": "an action is worth it, but the limits went to customers who gain more"}
    assert allocate(GAIN - 20, priced=False).reasons()["action_why"].unique().tolist() == [
        "no open action brings a gain"
    ]


def test_row_108_rules_that_leave_nobody_make_an_empty_plan_with_reasons() -> None:
    plan = allocate(GAIN, eligible=np.zeros((3, 2), bool), capacity={"call": 1}, budget=3.0)
    assert len(plan.table) == 0
    assert (plan.value, plan.bound, plan.gap, plan.spent) == (0, 0, 0, 0)
    assert plan.reasons()["action_why"].tolist() == ["no action is open to this customer"] * 3
    assert plan.counts.tolist() == [0, 0]
    assert plan._repr_html_()


@pytest.mark.parametrize("what", ["capacity", "quota", "groups"])
def test_row_109_unknown_actions_are_named_with_the_known_ones(what: str) -> None:
    words = refused(f"{what} names unknown actions", **{what: {"fax": 1, "call": 1}})
    assert "['fax']" in words
    assert "['call', 'mail']" in words


def test_row_109_costs_name_every_action_and_no_other() -> None:
    refused(r"cost names unknown actions: \['fax'\]", cost={"call": 1.0, "mail": 1.0, "fax": 2.0})
    refused(r"cost is missing for \['mail'\]", cost={"call": 1.0})


def test_quotas_that_cannot_be_met_are_refused_with_what_stands_against_them() -> None:
    refused("quota of action 'call' is 3, above its capacity of 2", quota={"call": 3}, capacity={"call": 2})
    refused("quota of action 'call' is 4, but 3 customers are eligible", quota={"call": 4})
    refused("ask for 4 contacts, 3 are allowed", quota={"call": 2, "mail": 2})
    refused(r"The quotas cost 6.00, the budget is 5.00", quota={"call": 3}, cost=2.0, budget=5.0)
    for solve in (allocate, allocate_exactly):  # both are open to one customer only, who may have but one
        with pytest.raises(DataContractError, match="No plan keeps"):
            solve(GAIN, quota={"call": 1, "mail": 1}, eligible=np.array([[True, True], [False, False], [False, False]]))


def test_quotas_that_no_plan_meets_are_refused_in_large_problems_too() -> None:
    n = 20_000
    may = np.zeros((n, 2), bool)
    may[:50] = True
    with pytest.raises(DataContractError, match="No plan was found that keeps the quota of action 'action"):
        allocate(np.ones((n, 2)), quota={"action 0": 30, "action 1": 30}, eligible=may)


@pytest.mark.parametrize("wrong", [NAN, INF, -INF])
def test_gains_that_are_no_money_are_counted_with_their_actions_unless_nobody_may_get_them(wrong: float) -> None:
    gain = GAIN.copy()
    gain.loc["bob", "mail"] = wrong
    refused(r"gain is missing or infinite for 1 pairs in rows 0 to 2, actions \['mail'\]", gain)
    may = np.isfinite(gain)
    assert allocate(gain, eligible=may).value == allocate(GAIN, eligible=may).value == 18.0
    with pytest.raises(DataContractError, match="gain is missing or infinite"):
        allocate(GAIN).prices.decide([1.0, wrong])
    assert allocate(GAIN).prices.decide([1.0, wrong], eligible=[True, False]) == ("call",)


@pytest.mark.parametrize(
    ("gain", "options", "match"),
    [
        (GAIN.iloc[:0], {}, "gain holds no customer"),
        (GAIN[[]], {}, "No action was given"),
        (np.ones(3), {}, r"gain has shape \(3,\)"),
        (GAIN.astype(object).replace(9.0, "nine"), {}, "gain is not numeric"),
        (pd.concat([GAIN, GAIN]), {}, "3 customers occur twice"),
        (GAIN.rename(columns={"mail": "no action"}), {}, "no usable name"),
        (GAIN.rename(columns={"mail": 7}), {}, "no usable name"),
        (GAIN.set_axis(["call", "call"], axis=1), {}, r"occur twice: \['call'\]"),
        (GAIN, {"eligible": np.ones((2, 2), bool)}, r"eligible has shape \(2, 2\), gain \(3, 2\)"),
        (GAIN, {"eligible": np.ones((3, 2))}, "eligible has type float64"),
        (GAIN, {"eligible": GAIN.iloc[:2] > 0}, "eligible lacks 1 customers and 0 actions"),
        (GAIN, {"cost": [1.0, 2.0, 3.0]}, r"cost has shape \(3,\)"),
        (GAIN, {"cost": "dear"}, "cost is not numeric"),
        (GAIN, {"capacity": 3}, "capacity is int. Give a mapping"),
        (GAIN.to_numpy(), {"actions": ["call"]}, "actions names 1, gain has 2 columns"),
        ((b for b in [GAIN.to_numpy()]), {}, "can be read only once"),
        (list, {}, "holds no block of rows"),
        (lambda: [GAIN.to_numpy(), np.ones((2, 3))], {}, r"gain has shape \(2, 3\)"),
        (lambda: [(GAIN.to_numpy(), np.ones((3, 2))), GAIN.to_numpy()], {}, "in some blocks only"),
        (lambda: [(GAIN.to_numpy(), np.ones((3, 2)))], {"cost": 1.0}, "Give it one way"),
        (lambda: [GAIN.to_numpy()], {"eligible": np.ones((3, 2), bool)}, "gain is a stream"),
    ],
)  # fmt: skip
def test_tables_that_do_not_fit_are_refused(gain: Any, options: dict[str, Any], match: str) -> None:
    refused(match, gain, **options)


def test_a_list_of_blocks_can_be_read_again_and_is_a_stream() -> None:
    rows = GAIN.to_numpy()
    plan = allocate([rows[:2], rows[2:]], actions=["call", "mail"], capacity={"call": 1})
    assert plan.table["customer_id"].tolist() == [0, 1, 2]
    assert plan.value == allocate(GAIN, capacity={"call": 1}).value


def test_prices_refuse_rows_that_do_not_fit() -> None:
    prices = allocate(GAIN).prices
    own = allocate(GAIN, cost=np.ones((3, 2))).prices
    for call, match in (
        (lambda: prices.decide([1.0]), "gain has 1 numbers"),
        (lambda: prices.decide([1.0, 2.0], eligible=[True]), "eligible has 1 values"),
        (lambda: prices.decide([1.0, 2.0], [1.0, 1.0]), "leave cost out"),
        (lambda: own.decide([1.0, 2.0]), "pass cost"),
        (lambda: prices.decide_many([1.0, 2.0]), "Give one column an action: 2"),
        (lambda: prices.decide_many([[1.0, NAN]]), "gain is missing or infinite"),
    ):
        with pytest.raises(DataContractError, match=match):
            call()
    assert prices.decide_many(np.zeros((0, 2))) == []
    assert prices.decide(pd.Series({"mail": 3.0, "call": 2.0})) == ("mail",)


def test_a_curve_needs_budgets_above_zero() -> None:
    plan = allocate(GAIN, cost=1.0, quota={"call": 2})
    for budgets in ([], [0.0], [NAN], 0):
        with pytest.raises(DataContractError, match="budgets"):
            plan.budget_curve(budgets)  # type: ignore[arg-type]  # 0 is a number of budgets
    assert np.isnan(plan.budget_curve([1.5])["value"].iloc[0])


def _blocks() -> Iterator[Any]:
    yield GAIN.to_numpy()


def test_a_function_that_starts_a_stream_is_called_anew_for_each_pass() -> None:
    assert allocate(_blocks).value == 9 + 8 + 1


def test_a_customer_without_a_name_gets_no_plan() -> None:
    gain = pd.DataFrame({"call": [1.0, 2.0, 3.0]}, index=["a", None, "c"])
    with pytest.raises(DataContractError, match="customer of 1 rows of gain is missing"):
        allocate(gain)


def test_budgets_that_are_no_numbers_are_refused() -> None:
    plan = allocate(pd.DataFrame({"call": [1.0, 2.0]}), cost=0.5)
    with pytest.raises(DataContractError, match="budgets are no numbers"):
        plan.budget_curve("much")  # type: ignore[arg-type]  # the point of the test
