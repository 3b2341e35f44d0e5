"""The pictures of actions: whole, labelled, true to what they show, and telling of nobody."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from crmintel.actions import EffectModel, Policy, PolicyValue, choose_policy, evaluate_policy
from crmintel.evaluation.uplift import UpliftCurve, uplift_curve
from crmintel.reports import plots
from crmintel.reports.action_plots import alike

NASTY = "<script>\"&'</script>"


def texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)
    return [t for e in root.iter() for t in [(e.text or "").strip(), e.attrib.get("aria-label", "")] if t]


def curve_of(svg: str, color: str, nth: int = 0) -> np.ndarray:
    found = [d for d, style in re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', svg) if f"stroke: {color}" in style]
    return np.array([(float(x), float(y)) for x, y in re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", found[nth])])


def curve(n: int = 400, sign: float = 1.0) -> UpliftCurve:
    rng = np.random.default_rng(0)
    score, treated = rng.random(n), np.arange(n) % 2
    outcome = (rng.random(n) < 0.1 + 0.8 * score * treated).astype(float)
    return uplift_curve(sign * score, treated, outcome, permutations=50)


@pytest.fixture(scope="module")
def model() -> EffectModel:
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"orders": rng.normal(size=1500)})
    action = rng.choice(["no action", "mail", NASTY], 1500)
    y = X["orders"] * (action == "mail") + rng.normal(size=1500)
    return EffectModel().fit(X, action, y, propensity=dict.fromkeys(["no action", "mail", NASTY], 1 / 3))


@pytest.fixture(scope="module")
def policy(model: EffectModel) -> Policy:
    return choose_policy(model, cost=0.1)


def judged(actions: int = 3, n: int = 900) -> PolicyValue:
    rng = np.random.default_rng(2)
    names = np.array([f"offer {i:02d}" for i in range(actions)])
    done = names[np.arange(n) % actions]
    return evaluate_policy(done, rng.random(n) + (done == names[0]), np.full(n, 1 / actions), np.repeat(names[0], n))


def plan(**sizes: int) -> pd.DataFrame:
    """Half of each segment gets mail, a tenth a call."""
    rows = [
        (s, "call" if k % 10 == 0 else "mail" if k % 2 else "no action") for s, n in sizes.items() for k in range(n)
    ]
    return pd.DataFrame(rows, columns=["segment", "action"])


BUDGETS = pd.DataFrame(
    {"budget": [1000.0, 2000.0, 3000.0], "value": [5000.0, 8000.0, 9000.0], "price": [4.0, 2.0, 0.5]}
)


def all_of(model: EffectModel, policy: Policy) -> dict[str, str]:
    return {
        "uplift": plots.uplift_plot(curve()), "ladder": plots.ladder_plot(policy), "judged": plots.ladder_plot(judged()),
        "budget": plots.budget_plot(BUDGETS, budget=2000.0), "plan": plots.plan_plot(plan(loyal=200, new=100), by="segment"),
        "effect": plots.effect_plot(model.calibration()),
    }  # fmt: skip


@pytest.mark.slow
def test_pictures_are_whole_labelled_the_same_every_time_and_share_a_page(model: EffectModel, policy: Policy) -> None:
    first, again = all_of(model, policy), all_of(model, policy)
    assert first == again
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in first.values()]
    for svg in first.values():
        root = ET.fromstring(svg)
        assert root.attrib["role"] == "img"
        assert len(root.attrib["aria-label"]) > 30
        assert "<script" not in svg
        assert "@" not in "".join(texts(svg))
        assert set(re.findall(r'href="#([^"]+)"', svg)) <= set(re.findall(r'\bid="([^"]+)"', svg))
    pairs = [("uplift", "budget"), ("ladder", "plan"), ("plan", "effect")]
    names = list(first)
    assert all(not ids[names.index(a)] & ids[names.index(b)] for a, b in pairs)


def test_nothing_is_drawn_of_nothing_or_of_few() -> None:
    assert plots.uplift_plot(curve(18)) == ""
    assert plots.budget_plot(BUDGETS.iloc[:1]) == ""
    assert plots.budget_plot(BUDGETS.assign(value=np.nan)) == ""
    assert plots.plan_plot(plan(few=9), by="segment") == ""
    assert plots.effect_plot(pd.DataFrame({"action": ["a"], "part": 1, "customers": 9, "told": 0.1, "effect": 0.1, "low": 0.0, "high": 0.2})) == ""  # fmt: skip


# uplift


def test_the_curve_of_a_good_list_lies_above_the_random_line_and_ends_where_it_does() -> None:
    good = plots.uplift_plot(curve())
    line, chance = curve_of(good, "#0072b2"), curve_of(good, "#52606d")
    assert line[0] == pytest.approx(chance[0], abs=0.02)
    assert line[-1] == pytest.approx(chance[-1], abs=0.02)
    ticks = [float(t) for t in texts(good) if re.fullmatch(r"[\d.]+", t)]
    assert max(ticks) <= curve().qini.max() / 200 * 1.1  # of 200 treated customers
    middle = np.interp(np.mean(chance[:, 0]), line[:, 0], line[:, 1])
    assert middle < np.mean(chance[:, 1])  # higher on the sheet
    said = " ".join(texts(good))
    assert "more than random lists show" in said
    assert alike(curve().qini_area, *curve().qini_area_band)[0] in said


@pytest.mark.parametrize(("sign", "said"), [(-1.0, "less than random lists show"), (0.0, "no more than random")])
def test_a_bad_list_is_said_to_be_one(sign: float, said: str) -> None:
    assert any(said in t for t in texts(plots.uplift_plot(curve(sign=sign))))


# ladder


def test_each_way_to_act_stands_with_its_interval_and_the_chosen_one_is_marked(policy: Policy) -> None:
    svg = plots.ladder_plot(policy)
    shown = texts(svg)
    ladder = policy.ladder
    ends = alike(*ladder[["value", "low", "high"]].to_numpy().ravel())
    for i, row in enumerate(ladder.itertuples()):
        if row.low < row.high:
            assert "{} ({} to {})".format(*ends[3 * i : 3 * i + 3]) in shown
    assert "mail for everybody" in shown
    assert sum("(chosen)" in t for t in shown) == 1
    assert "the best for each (chosen)" in shown
    assert "&lt;script&gt;" in svg


def test_a_policy_judged_from_records_is_shown_against_each_action_the_nearest_twelve() -> None:
    value = judged()
    shown = texts(plots.ladder_plot(value))
    assert f"Against one action for everybody: {value.verdict}" in shown
    assert "offer 01 for everybody" in shown
    many = texts(plots.ladder_plot(judged(15, 3000)))
    assert sum(t.endswith("for everybody") for t in many) == 12


# budget


@pytest.mark.slow
def test_the_budget_planned_is_marked_with_what_it_brings() -> None:
    shown = texts(plots.budget_plot(BUDGETS, budget=2000.0))
    assert "A budget of 2k brings 8k; one more there brings 2" in shown
    assert "At most 3k brings 9k; one more there brings 0.5" in texts(plots.budget_plot(BUDGETS))
    assert plots.budget_plot(BUDGETS.iloc[::-1], budget=2000.0) == plots.budget_plot(BUDGETS, budget=2000.0)


def test_budgets_without_a_value_are_left_out() -> None:
    gap = pd.concat([pd.DataFrame({"budget": [500.0], "value": [np.nan], "price": [9.0]}), BUDGETS], ignore_index=True)
    assert plots.budget_plot(gap) == plots.budget_plot(BUDGETS)


# plan


def test_the_shares_of_each_group_are_written() -> None:
    shown = texts(plots.plan_plot(plan(loyal=200, new=100), by="segment"))
    assert {"loyal", "new", "200", "100", "mail", "call", "no action"} <= set(shown)
    assert shown.count("50%") == 2
    assert shown.count("40%") == 2
    assert shown.count("10%") == 2


def test_small_groups_are_left_out_and_small_cells_cannot_be_worked_out() -> None:
    shown = texts(plots.plan_plot(plan(loyal=200, some=90, few=9), by="segment"))
    assert "few" not in shown
    assert shown.count("–") == 2  # nine calls of 90, and one more cell that would tell them
    assert any("cannot be worked out" in t for t in shown)


def test_many_groups_and_actions_are_joined_and_long_names_take_two_lines() -> None:
    many = pd.concat([plan(**{f"s{i:02d}": 100 + i}) for i in range(15)], ignore_index=True)
    shown = texts(plots.plan_plot(many, by="segment"))
    assert "other" in shown
    assert "s14" in shown
    assert "s00" not in shown
    wide = plan(a=300)
    wide["action"] = [f"mail no {i % 8}" for i in range(300)]
    shown = texts(plots.plan_plot(wide, by="segment"))
    assert {"mail", "no 0", "no 4", "other"} <= set(shown)
    assert "no 5" not in shown


# effects


def test_every_action_has_a_panel_and_the_label_counts_what_was_held(model: EffectModel) -> None:
    told = model.calibration()
    svg = plots.effect_plot(told)
    held = int(((told["told"] >= told["low"]) & (told["told"] <= told["high"])).sum())
    assert any(f"{held} of 10 groups" in t for t in texts(svg))
    assert "mail" in texts(svg)
    assert svg.count("stroke-dasharray") == 2
    assert any("not causal" in t for t in texts(plots.effect_plot(told, causal=False)))


def test_figures_keep_their_digits() -> None:
    """Coordinates are shortened to hundredths, figures are not."""
    small = pd.DataFrame({"action": "a", "part": [1, 2], "customers": 50, "told": [0.001, 0.004], "effect": [0.001, 0.004], "low": [0.0005, 0.003], "high": [0.002, 0.006]})  # fmt: skip
    assert "0.002" in texts(plots.effect_plot(small))


@pytest.mark.slow
def test_pictures_of_hillstrom(data: Path) -> None:
    path = data / "hillstrom" / "hillstrom.parquet"
    if not path.is_file():
        pytest.skip("Hillstrom's e-mails are not on this machine")
    frame = pd.read_parquet(path)
    X, arms = frame[["recency", "history", "mens", "womens", "newbie"]], ["No E-Mail", "Mens E-Mail", "Womens E-Mail"]
    fitted = EffectModel(control="No E-Mail").fit(X, frame["segment"].astype("str"), frame["visit"], propensity=dict.fromkeys(arms, 1 / 3))  # fmt: skip
    assert "Womens E-Mail" in texts(plots.effect_plot(fitted.calibration()))
    assert "Mens E-Mail for everybody" in " ".join(texts(plots.ladder_plot(choose_policy(fitted, cost=0.05))))
