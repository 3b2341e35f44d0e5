"""The plan under a budget, and the experiment that would prove it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel.actions import Action, plan_actions, uniform
from crmintel.errors import DataContractError


def series(values: list[float]) -> pd.Series:
    return pd.Series(values, index=pd.Index(range(1, len(values) + 1), name="customer_id"), dtype=float)


def planned(values: list[float], budget: float, **options: object):  # type: ignore[no-untyped-def]
    risk = series(values)
    actions = options.pop("actions", [Action("call", 2.0)])
    return plan_actions(risk, (risk > 0) * 0.5, actions, budget=budget, horizon_days=30, **options)  # type: ignore[arg-type]


def test_the_most_at_risk_come_first_and_what_is_not_worth_its_cost_is_left_alone() -> None:
    plan = planned([9.0, 1.0, 5.0, 7.0, 2.0], budget=6.0, holdout=0.25)
    table = plan.table.set_index("customer_id")
    assert set(table.index[table["arm"] != "outside"]) == {1, 3, 4}  # 1 and 2 do not exceed the cost of 2
    assert plan.cost <= 6.0


def test_the_hold_out_is_random_and_its_probability_is_on_record() -> None:
    plan = planned([10.0] * 1000, budget=800.0)
    counts = plan.table["arm"].value_counts()
    assert counts["treated"] == 400
    assert counts["held out"] == 100
    assert plan.table.loc[plan.table["arm"] != "outside", "propensity"].unique().tolist() == [0.8]
    assert (plan.table.loc[plan.table["arm"] == "outside", "propensity"] == 0).all()


def test_the_draw_depends_on_the_identifier_and_the_seed_only() -> None:
    risk = series(list(np.linspace(5, 50, 200)))
    plans = [
        plan_actions(r, r * 0 + 0.5, [Action("call", 1.0)], budget=60.0, horizon_days=30, seed=s).table.set_index(
            "customer_id"
        )["arm"]
        for r, s in ((risk, 1), (risk.sample(frac=1, random_state=0), 1), (risk, 2))
    ]
    assert plans[0].equals(plans[1].sort_index())
    assert not plans[0].equals(plans[2])


def test_plans_of_different_instants_hold_out_different_customers() -> None:
    risk = series([10.0] * 400)
    held = [
        set(p.table.loc[p.table["arm"] == "held out", "customer_id"])
        for p in (
            plan_actions(risk, risk * 0 + 0.5, [Action("call", 1.0)], budget=320, horizon_days=30, at=at)
            for at in ("2024-01-01", "2024-02-01")
        )
    ]
    assert len(held[0]) == len(held[1]) == 80
    assert 5 < len(held[0] & held[1]) < 30  # 16 are expected by chance


@pytest.mark.parametrize(
    ("risk", "said"),
    [
        (0.5, "less at risk than a contact costs"),
        (0.0, "nothing at risk"),
        (9.0, "the budget goes to customers with more at risk"),
    ],
)
def test_the_reason_for_no_action_is_the_true_one(risk: float, said: str) -> None:
    assert planned([risk] * 3, budget=0.0).table["action_why"].unique().tolist() == [said]


def test_the_draw_is_uniform() -> None:
    draw = uniform(pd.Index(range(100_000)), 7)
    assert abs(draw.mean() - 0.5) < 0.005
    assert np.histogram(draw, bins=10)[0].min() > 9_700
    assert abs(np.corrcoef(draw, uniform(pd.Index(range(100_000)), 8))[0, 1]) < 0.01


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-5, 100), min_size=1, max_size=60), st.floats(0, 100), st.integers(1, 20) | st.none())
def test_the_plan_stays_in_budget_and_capacity(values: list[float], budget: float, capacity: int | None) -> None:
    actions = [Action("call", 3.0, capacity), Action("letter", 0.5)]
    plan = planned(values, budget, actions=actions)
    assert plan.cost <= budget + 1e-9
    assert (plan.table["action"] == "call").sum() <= (capacity or len(values))
    assert len(plan.table) == len(values)
    worth = plan.table["at_risk"] - plan.table["cost"]
    assert (worth[plan.table["arm"] == "treated"] > 0).all()


def test_row_135_blocked_customers_are_never_contacted() -> None:
    risk = series([10.0] * 50)
    blocked = pd.Series(risk.index % 2 == 0, index=risk.index)
    plan = plan_actions(
        risk,
        risk * 0 + 0.5,
        [Action("call", 1.0)],
        budget=100,
        horizon_days=30,
        eligible=pd.DataFrame({"call": ~blocked}),
    )
    assert (plan.table.loc[blocked.to_numpy(), "arm"] == "outside").all()


def test_the_plan_tells_what_its_hold_out_can_prove() -> None:
    design = planned([10.0] * 1000, budget=800.0).design
    assert design is not None
    assert design.arms["arm"].tolist() == ["held out", "treated"]
    assert design.arms["customers"].tolist() == [100, 400]
    assert (design.baseline, design.wanted) == (0.5, -0.05)
    assert "400 treated against 100 held out would prove a drop of the rate from 50.0% to" in str(design)


def test_the_plan_claims_no_effect() -> None:
    plan = planned([10.0] * 20, budget=100)
    assert plan.causal is False
    assert "no effect of an action is known and none is claimed" in plan.statement


def test_row_108_nobody_worth_contacting_is_an_empty_plan_with_reasons() -> None:
    plan = planned([0.0, 1.0], budget=100)
    assert plan.table["action"].tolist() == ["no action", "no action"]
    assert plan.design is None
    assert plan.table["action_why"].str.len().min() > 0


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: planned([5.0], budget=-1.0), "budget"),
        (lambda: planned([5.0], budget=float("nan")), "budget"),
        (lambda: planned([5.0], budget=1.0, holdout=0.0), "holdout"),
        (lambda: planned([5.0], budget=1.0, actions=[]), "action"),
        (lambda: Action("call", -1.0), "cost"),
        (lambda: Action("call", float("inf")), "cost"),
        (lambda: Action("call", 1.0, 0), "capacity"),
    ],
)
def test_row_107_money_and_room_out_of_range_are_named(make, named: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataContractError, match=named):
        make()
