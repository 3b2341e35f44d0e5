"""The what-if of the plan: it says just what the plan does, and nothing of any single customer."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crmintel.actions import Action, Plan, plan_actions
from crmintel.errors import DataContractError
from crmintel.reports import Outcome, PlanSection, Report, WhatIf, outcome, render, what_if
from crmintel.reports.asking import what_if_form
from crmintel.reports.whatif import MOST_STEPS, amount, coarse


def risks(n: int, seed: int = 0) -> pd.Series:
    drawn = np.random.default_rng(seed).lognormal(2.0, 1.2, n)
    return pd.Series(drawn, pd.RangeIndex(n, name="customer_id"))


def planned(risk: pd.Series, budget: float, *actions: Action, holdout: float = 0.2) -> Plan:
    return plan_actions(
        risk, risk / (1 + risk.max()), list(actions), budget=budget, horizon_days=30, holdout=holdout, seed=1
    )


def numbers(plan: Plan) -> tuple[int, int, float, float]:
    """Chosen, contacted, cost, and the money at risk of those chosen."""
    taken = plan.table[plan.table["arm"] != "outside"]
    return len(taken), plan.count("treated"), plan.cost, float(taken["at_risk"].sum())


def told(reached: Outcome) -> tuple[int, int, float, float]:
    return reached.chosen, reached.contacted, reached.spent, reached.at_risk


def made(risk: Any, **options: Any) -> WhatIf:
    ladder = what_if(risk, **options)
    assert ladder is not None
    return ladder


def test_a_pencil_can_check_it() -> None:
    """Ten customers with 100 at risk, ten with 50, ten with 20; a contact costs 10; a fifth is left alone."""
    ladder = made([100] * 50 + [50] * 50 + [20] * 50, cost=10, budget=400, holdout=0.2)
    reached = outcome(ladder, kept=0.3)
    assert told(reached) == (50, 40, 400, 5_000)
    assert reached.saved == pytest.approx(0.3 * 4_000)
    assert reached.net == pytest.approx(800)
    assert reached.worth == 100  # 30 and 15 are kept for 10, and only 6 of the last
    assert reached.enough == pytest.approx(800)
    assert reached.next_unit == pytest.approx(0.3 * 50 / 10)
    assert reached.exact


@pytest.mark.slow
@given(
    n=st.integers(60, 3_000), seed=st.integers(0, 99), budget=st.floats(0, 5_000), cost=st.floats(0.01, 40), holdout=st.floats(0.1, 0.9),
    capacity=st.none() | st.integers(1, 4_000),
)  # fmt: skip
@settings(max_examples=120, deadline=None)
def test_with_its_own_budget_and_cost_it_says_what_the_plan_does(
    n: int, seed: int, budget: float, cost: float, holdout: float, capacity: int | None
) -> None:
    risk = risks(n, seed)
    ladder = what_if(risk, cost=cost, budget=budget, holdout=holdout, capacity=capacity)
    assume(ladder is not None)
    reached = outcome(ladder)  # type: ignore[arg-type]
    plan = planned(risk, budget, Action("call", cost, capacity=capacity), holdout=holdout)
    assert told(reached) == pytest.approx(numbers(plan), rel=1e-12)
    assert reached.exact
    assert reached.counted


@pytest.mark.parametrize("budget", [0.0, 300.0, 1_234.5, 9_000.0, 1e7])
@pytest.mark.parametrize("cost", [0.5, 5.0, 17.0])
def test_with_another_budget_or_cost_it_is_right_to_a_step(budget: float, cost: float) -> None:
    risk = risks(4_000)
    ladder = made(risk, cost=5.0, budget=2_000.0, holdout=0.2)
    reached, right = outcome(ladder, budget=budget, cost=cost), numbers(planned(risk, budget, Action("call", cost)))
    if reached.counted:
        assert told(reached)[:3] == pytest.approx(right[:3])
    assert reached.chosen == pytest.approx(right[0], rel=0.03, abs=10)
    assert reached.at_risk == pytest.approx(right[3], rel=0.02, abs=1e-9)
    assert reached.exact <= reached.counted


@pytest.mark.parametrize("kept", [0.01, 0.1, 0.5, 1.0])
def test_worth_a_contact_are_those_of_whom_it_keeps_its_cost(kept: float) -> None:
    risk = risks(5_000)
    reached = outcome(made(risk, cost=4.0, budget=500.0, holdout=0.2), kept=kept)
    right = int((kept * risk >= 4.0).sum())
    assert reached.worth == pytest.approx(right, rel=0.03, abs=10)
    there = outcome(made(risk, cost=4.0, budget=500.0, holdout=0.2), kept=kept, budget=reached.enough)
    assert there.chosen == reached.worth


def test_the_next_unit_of_money_brings_what_the_next_customers_keep() -> None:
    ladder = made(risks(5_000), cost=4.0, budget=500.0, holdout=0.2)
    now, more = (outcome(ladder, budget=b, kept=0.2) for b in (400.0, 416.0))
    assert now.next_unit == pytest.approx((more.saved - now.saved) / 16.0, rel=0.05)
    assert outcome(ladder, budget=1e6).next_unit == 0


@pytest.mark.slow
def test_more_money_never_reaches_fewer_and_a_dearer_contact_never_more() -> None:
    ladder = made(risks(3_000), cost=4.0, budget=500.0, holdout=0.2)
    reached = [outcome(ladder, budget=b).chosen for b in np.linspace(0, 20_000, 300)]
    dearer = [outcome(ladder, budget=900, cost=c).chosen for c in np.linspace(0, 200, 300)]
    assert reached == sorted(reached)
    assert dearer == sorted(dearer, reverse=True)


@pytest.mark.parametrize("n", [700, 30_000, 1_000_000])
@pytest.mark.parametrize("k", [10, 25])
def test_no_step_has_few_customers_and_few_steps_are_made(n: int, k: int) -> None:
    ladder = coarse(made(risks(n), cost=3.0, budget=0.3 * n, holdout=0.4), k)
    assert ladder is not None
    steps = np.diff(np.r_[0, ladder.ladder["customers"]])
    assert steps.min() >= k
    assert 20 <= len(steps) <= MOST_STEPS


@pytest.mark.parametrize("tail", [1, 5, 9])
def test_the_rest_below_the_plan_is_never_a_few_customers(tail: int) -> None:
    """The page tells the money at risk of those chosen: the end of the ladder minus it would be that of a few."""
    with_tail = what_if([50.0] * 100 + [2.0] * tail, cost=10, budget=1e6, holdout=0.2)
    assert with_tail is not None
    assert with_tail.ladder["customers"].iloc[-1] == 100


@pytest.mark.parametrize(
    ("chosen", "holdout"),
    [(12, 0.5), (40, 0.2), (40, 0.8)],  # treated and left alone: 6 and 6, 32 and 8, 8 and 32
)
def test_a_small_arm_keeps_the_form_away(chosen: int, holdout: float) -> None:
    assert what_if([50.0] * chosen + [1.0] * 99, cost=10, budget=1e6, holdout=holdout) is None


def test_few_left_alone_by_the_other_actions_keep_the_form_away(report: Report) -> None:
    part = report.plan
    assert part is not None
    assert part.what_if is not None
    alone = part.what_if.chosen - int(part.what_if.chosen * (1 - part.what_if.holdout))
    assert what_if_form(part, 10) is not None
    assert what_if_form(dataclasses.replace(part, holdout=alone + 4), 10) is None
    assert what_if_form(part, 48) is None  # 47 are left alone


def test_a_ladder_of_single_customers_reaches_the_page_only_in_steps(report: Report) -> None:
    risk = np.sort(risks(300).to_numpy())[::-1]
    fine = WhatIf(
        pd.DataFrame({"customers": range(1, 301), "at_risk": np.cumsum(risk)}), 5.0, 400.0, 0.2, 100, 100, "call"
    )
    form = what_if_form(dataclasses.replace(report.plan or PlanSection, holdout=20, what_if=fine), 10)  # type: ignore[type-var]
    assert form is not None
    assert repr(float(risk[0])) not in form.data
    assert str(float(np.cumsum(risk)[99])) in form.data


def test_without_money_to_spend_or_to_lose_nothing_is_reached() -> None:
    ladder = made(risks(500), cost=3.0, budget=0.0, holdout=0.2)
    assert told(outcome(ladder)) == (0, 0, 0, 0)
    assert outcome(ladder, budget=1e9, cost=1e9).chosen == 0
    assert outcome(ladder, kept=0.0).worth == 0
    assert outcome(ladder, cost=0.0, budget=0.0).chosen == 500
    assert outcome(ladder, cost=1e-320, budget=1e300).chosen == 500
    assert what_if([], cost=3.0, budget=9.0, holdout=0.2) is None
    assert what_if([0.0, np.nan] * 50, cost=3.0, budget=9.0, holdout=0.2) is None


@pytest.mark.parametrize("wrong", [{"budget": -1}, {"cost": np.nan}, {"budget": np.inf}, {"kept": 1.1}, {"kept": -0.1}])
def test_wrong_numbers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(DataContractError, match="Give money"):
        outcome(made(risks(500), cost=3.0, budget=600.0, holdout=0.2), **wrong)


def test_a_ladder_that_does_not_fit_the_plan_is_refused() -> None:
    ladder = made(risks(500), cost=3.0, budget=600.0, holdout=0.2)
    with pytest.raises(DataContractError, match="no step"):
        outcome(dataclasses.replace(ladder, chosen=ladder.chosen + 1))
    with pytest.raises(DataContractError, match="rise"):
        outcome(dataclasses.replace(ladder, ladder=ladder.ladder.iloc[::-1]))


def test_the_page_shows_the_plans_own_figures_without_a_script(page: str) -> None:
    assert '<form hidden autocomplete="off">' in page
    assert 'name="budget" value="12000"' in page
    assert 'name="kept" value="10" min="0" max="100"' in page
    assert '<strong data-key="chosen">467</strong>' in page
    assert '<strong data-key="spent">2,520</strong>' in page
    assert "your assumption" in page
    assert "The plan has 4 actions" in page
    assert "reaches at most 467 customers" in page
    assert "for as many of these as the action reaches" in page


@pytest.mark.slow
def test_a_measured_share_is_no_assumption(report: Report) -> None:
    assert report.plan is not None
    assert report.plan.what_if is not None
    measured = dataclasses.replace(report.plan, what_if=dataclasses.replace(report.plan.what_if, kept=0.07))
    page = render(dataclasses.replace(report, plan=measured))
    assert 'name="kept" value="7"' in page
    assert "assumption" not in page[page.index('class="card wide whatif"') :]


@pytest.mark.parametrize(
    ("x", "text"), [(0, "0"), (99.994, "99.99"), (99.996, "100"), (100.5, "101"), (1_234_567.2, "1,234,567"), (-2.5, "−2.50")]
)  # fmt: skip
def test_amounts_are_written_in_full(x: float, text: str) -> None:
    assert amount(x) == text


def test_of_several_actions_the_first_and_all_together_are_steps() -> None:
    risk = risks(2_000)
    actions = Action("call", 6.0, capacity=147), Action("mail", 0.5)
    plan = planned(risk, 900.0, *actions)
    ladder = made(
        risk, cost=6.0, budget=900.0, holdout=0.2, capacity=147, planned=numbers(plan)[0], action="call", actions=2
    )
    reached = outcome(ladder)
    assert reached.chosen == 147
    assert reached.contacted == int((plan.table["action"] == "call").sum())
    assert reached.spent == plan.table.loc[plan.table["action"] == "call", "cost"].sum()
    assert ladder.planned == numbers(plan)[0] > 147
    assert {147, ladder.planned} <= set(ladder.ladder["customers"])
    assert np.diff(ladder.ladder["customers"]).min() >= 10
