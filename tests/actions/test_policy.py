"""Personal actions only where they are proven better than one action for all."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from crmintel.actions import EffectModel, choose_policy
from crmintel.errors import DataContractError

HALF = {"no action": 0.5, "mail": 0.5}


def model_of(effect: float, slope: float, seed: int = 0, n: int = 2_000) -> tuple[EffectModel, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"x": rng.normal(size=n)})
    treated = rng.integers(0, 2, n)
    y = (effect + slope * X["x"]) * treated + rng.normal(size=n)
    return EffectModel(base=LinearRegression()).fit(X, np.array(["no action", "mail"])[treated], y, propensity=HALF), X


def test_strong_differences_are_used() -> None:
    model, X = model_of(0.0, 0.5)
    policy = choose_policy(model, cost=0.1)
    assert policy.personal
    assert policy.gain.low > 0
    chosen = policy.decide(X)
    assert (chosen[X["x"] > 0.6] == "mail").all()
    assert (chosen[X["x"] < -0.4] == "no action").all()
    assert policy.ladder.query("chosen")["policy"].item() == "the best for each"


def test_equal_effects_give_one_action_for_everybody() -> None:
    model, X = model_of(0.5, 0.0, seed=1)
    policy = choose_policy(model, cost=0.1)
    assert not policy.personal
    assert policy.best == "mail"
    assert (policy.decide(X) == "mail").all()
    assert policy.gains(X).nunique().item() == 1
    assert "'mail' for everybody" in repr(policy)


def test_a_cost_above_the_effect_leaves_everybody_alone() -> None:
    model, X = model_of(0.5, 0.0)
    policy = choose_policy(model, cost={"mail": 2.0})
    assert policy.best == "no action"
    assert (policy.decide(X) == "no action").all()


def test_gain_and_worth_are_money() -> None:
    model, _ = model_of(0.0, 0.5)
    one, ten = choose_policy(model, cost=0.1), choose_policy(model, cost=1.0, worth=10.0)
    assert ten.gain.value == pytest.approx(10 * one.gain.value)
    assert ten.ladder["value"].to_numpy() == pytest.approx(10 * one.ladder["value"].to_numpy())


def test_the_gain_is_the_mean_of_differences_of_scores_by_hand() -> None:
    model, _ = model_of(0.0, 0.5, n=300)
    e, policy = model.evidence_, choose_policy(model, cost=0.1)
    net = e.scores - np.array([0, 0.1])
    d = []
    for i, row in enumerate(e.told_rows):
        mine = int(e.effects[i, 0] > 0.1)
        others = net[e.way.part != e.way.part[row]].mean(axis=0)
        d.append(net[row, mine] - net[row, int(others[1] > others[0])])
    assert policy.gain.value == pytest.approx(np.mean(d))
    assert policy.gain.high - policy.gain.value == pytest.approx(1.96 * np.std(d, ddof=1) / np.sqrt(300), rel=1e-3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cost": -1.0}, "negative"),
        ({"cost": {"mail": np.nan}}, "not finite"),
        ({"cost": {}}, "no money for mail"),
        ({"cost": {"mial": 1.0}}, "Did you mean 'mail'"),
        ({"worth": 0.0}, "worth is 0.0"),
    ],
)
def test_row_107_and_109_costs_and_names(options: dict, said: str) -> None:
    model, _ = model_of(0.0, 0.5, n=300)
    with pytest.raises(DataContractError, match=said):
        choose_policy(model, **options)


def test_without_propensities_the_statement_says_so() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=400)})
    action = rng.choice(["no action", "mail"], 400)
    model = EffectModel(base=LinearRegression()).fit(X, action, rng.normal(size=400))
    assert "Not causal" in choose_policy(model).statement


@pytest.mark.slow
def test_faint_campaigns_are_rarely_harmed() -> None:
    worse = 0
    for seed in range(40):
        model, _ = model_of(0.05, 0.0, seed=seed, n=800)
        worse += choose_policy(model, cost=0.02).personal
    assert worse <= 5


@pytest.mark.slow
def test_an_order_is_called_proven_only_if_its_whole_interval_is_above_zero() -> None:
    seen = set()
    for seed in range(6):
        policy = choose_policy(model_of(1.0, 0.09, seed=seed)[0], cost=0.2)
        order = policy.order.iloc[0]
        assert order["proven"] == (order["low"] > 0)
        if order["used"] and not policy.personal:
            seen.add(bool(order["proven"]))
            word = "is proven for" if order["proven"] else "is likely, though not proven, for"
            assert f"the order of customers {word} mail" in policy.statement
    assert seen == {True, False}


def test_where_an_action_was_impossible_for_some_the_policy_says_so() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=2_000)})
    wanted = np.where(X["x"] > 0, "mail", "call")
    action = np.where(rng.random(2_000) < 0.5, wanted, "no action")
    model = EffectModel(base=LinearRegression()).fit(X, action, rng.normal(size=2_000), propensity=np.full(2_000, 0.5))
    assert "Not everybody could get call" in model.statement_
    assert "Not everybody could get call" in choose_policy(model).statement
    assert "Not everybody" not in model_of(0.5, 0.0)[0].statement_


def test_names_that_are_numbers_and_costs_in_a_series_are_understood() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=400)})
    arm = rng.integers(0, 2, 400)
    y = arm + rng.normal(size=400)
    text = EffectModel(control="0", base=LinearRegression()).fit(X, arm.astype(str), y, propensity={"0": 0.5, "1": 0.5})
    whole = EffectModel(control=0, base=LinearRegression()).fit(X, arm, y, propensity={0: 0.5, 1: 0.5})
    table = EffectModel(control=0, base=LinearRegression()).fit(
        X, arm, y, propensity=pd.DataFrame({0: np.full(400, 0.5), 1: 0.5})
    )
    assert whole.average_.equals(text.average_)
    assert table.average_.equals(text.average_)
    policy = choose_policy(whole, cost=pd.Series({1: 5.0}))
    assert policy.best == "0"
    assert policy.decide(X).eq("0").all()
    assert choose_policy(whole, cost={1: 0.1}).decide(X).eq("1").all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cost": {"mail": 1.0, "no action": 0.5}}, "cost of 'no action' is not 0"),
        ({"cost": {"mail": "dear"}}, "A cost is no number"),
        ({"cost": 0.1, "level": 1.5}, "level is 1.5"),
        ({"cost": 0.1, "worth": "much"}, "worth is 'much'"),
    ],
)
def test_what_no_policy_can_be_chosen_with_is_refused(options: dict, said: str) -> None:
    model, _ = model_of(0.5, 0.0, n=300)
    with pytest.raises(DataContractError, match=said):
        choose_policy(model, **options)


@pytest.mark.slow
def test_of_several_actions_each_order_is_proven_at_its_share_of_the_risk() -> None:
    rng = np.random.default_rng(0)
    names = np.array(["no action", "mail", "call"])
    X = pd.DataFrame({"x": rng.normal(size=1_500)})
    arm = rng.integers(0, 3, 1_500)
    y = X["x"] * (arm > 0) * 0.1 + rng.normal(size=1_500)
    model = EffectModel(base=LinearRegression()).fit(X, names[arm], y, propensity=dict.fromkeys(names, 1 / 3))
    parted = 0
    for level in np.linspace(0.05, 0.99, 60):
        order = choose_policy(model, level=level).order
        assert order["proven"].tolist() == (choose_policy(model, level=(1 + level) / 2).order["low"] > 0).tolist()
        parted += (order["proven"] != (order["low"] > 0)).sum()
    assert parted


@pytest.mark.slow
def test_of_many_actions_that_do_nothing_an_order_is_rarely_called_proven() -> None:
    names = np.array(["no action", *(f"letter {i}" for i in range(10))])
    claimed = 0
    for seed in range(24):
        rng = np.random.default_rng(seed)
        X = pd.DataFrame({"x": rng.normal(size=1_500)})
        model = EffectModel(base=LinearRegression()).fit(
            X, names[rng.integers(0, 11, 1_500)], rng.normal(size=1_500), propensity=dict.fromkeys(names, 1 / 11)
        )
        order = choose_policy(model).order
        claimed += bool(order["proven"].any())
        seen = (order["low"] > 0).sum()
        assert order["proven"].sum() <= seen <= order["used"].sum()
    assert claimed <= 2
