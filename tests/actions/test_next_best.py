"""From a history to a plan, and one customer at a time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from crmintel.actions import (
    Action,
    ActionCatalog,
    Channel,
    ContactPolicy,
    Decider,
    DecisionLog,
    EffectModel,
    Plan,
    Rule,
    allocate,
    choose_policy,
    learn_effects,
    next_best_actions,
)
from crmintel.actions.next_best import _declared
from crmintel.datasets import Simulation, simulate
from crmintel.errors import DataContractError
from crmintel.features import FeatureSet, count, recency, share
from crmintel.interactions import InteractionLog

AT = "2024-01-20"
FEATURES = FeatureSet([recency(), count().over("30d", "all")])
OFTEN = Rule("rare", "Buys too rarely.", lambda t: t["count_all"] >= 2, "count_all")
CATALOG = ActionCatalog(
    [
        Action("mail", 0.3, channel="post", rules=(OFTEN,)),
        Action("letter", 0.6, channel="post"),
        Action("call", 4.0, capacity=20),
    ],
    [Channel("post", cost=0.2, capacity=60)],
)


@pytest.fixture(scope="module")
def world() -> tuple[Simulation, InteractionLog, pd.DataFrame]:
    made = simulate(400, days=400, seed=4)
    p = made.promotions
    history = pd.DataFrame({
        "customer_id": p["customer_id"], "at": p["at"], "action": np.where(p["treated"], "mail", "no action"),
        "propensity": np.where(p["treated"], p["propensity"], 1 - p["propensity"]),
    })  # fmt: skip
    return made, made.log(timezone="Europe/London", quiet=True), history


@pytest.fixture(scope="module")
def plan(world: tuple[Simulation, InteractionLog, pd.DataFrame]) -> Plan:
    _, log, history = world
    return next_best_actions(
        log,
        CATALOG,
        at=AT,
        horizon="14d",
        history=history,
        features=FEATURES,
        budget=20.0,
        contact=ContactPolicy(consent=None),
    )


@pytest.mark.slow
def test_a_plan_keeps_every_limit_and_names_every_customer_once(plan: Plan) -> None:
    table = plan.table
    treated = table[table["arm"] == "treated"]
    assert table["customer_id"].is_unique
    assert 0 < len(treated) <= 60
    assert plan.cost == pytest.approx(treated["cost"].sum())
    assert plan.cost <= 20.0
    assert plan.causal
    assert plan.policy is not None
    assert (table["action_why"].str.len() > 10).all()
    assert set(treated["action"]) == {"mail"}
    assert "letter, call: never tried" in plan.statement
    rare = table[table["rule"] == "rare"]
    assert len(rare)
    assert (rare["action_why"] == "Buys too rarely.").all()
    assert (rare["action"] == "no action").all()


def test_what_was_planned_is_what_the_next_plan_learns_from(plan: Plan, tmp_path: Path) -> None:
    decisions = plan.decisions()
    drawn = decisions[decisions["propensity"] < 1]
    share = (drawn["action"] != "no action").mean()
    chance = drawn.groupby("action")["propensity"].first()
    assert sorted(chance.index) == ["mail", "no action"]
    assert chance["mail"] == pytest.approx(share)
    assert chance["no action"] == pytest.approx(1 - share)
    assert (decisions.loc[decisions["propensity"] == 1, "action"] == "no action").all()
    kept = DecisionLog(tmp_path / "decisions")
    head = kept.append(decisions, model="effects")
    assert kept.verify(head).whole
    assert len(kept.read()) == len(plan.table)
    assert decisions["at"].eq(pd.Timestamp(AT, tz="Europe/London")).all()


@pytest.mark.slow
def test_instants_with_a_zone_are_those_of_the_business_clock(
    world: tuple[Simulation, InteractionLog, pd.DataFrame],
) -> None:
    _, log, history = world
    options = {"at": AT, "horizon": "14d", "names": CATALOG.names, "features": FEATURES}
    plain = learn_effects(log, history, **options)[0].average_
    zoned = history.assign(at=history["at"].dt.tz_localize("Europe/London").dt.tz_convert("UTC"))
    assert learn_effects(log, zoned, **options)[0].average_.equals(plain)
    mixed = pd.concat([history.head(50).astype({"at": object}), zoned.iloc[50:].astype({"at": object})])
    assert learn_effects(log, mixed, **options)[0].average_.equals(plain)


def test_a_summer_plan_keeps_its_instant_through_the_log(
    world: tuple[Simulation, InteractionLog, pd.DataFrame], tmp_path: Path
) -> None:
    made, log, _ = world
    risk = pd.Series(8.0, index=pd.Index(made.truth["customer_id"], name="customer_id"))
    plan = next_best_actions(
        log, CATALOG, at="2023-07-01", horizon="14d", features=FEATURES, at_risk=risk, probability=risk / 20
    )
    kept = DecisionLog(tmp_path / "decisions")
    kept.append(plan.decisions())
    assert kept.read()["at"].eq(pd.Timestamp("2023-06-30 23:00", tz="UTC")).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"at": None}, "at in "),
        ({"at": "soon"}, "An instant cannot be read"),
        ({"customer_id": None}, "customer_id in "),
        ({"propensity": 1.0}, "all have probability 1"),
        ({"propensity": "high"}, "propensity is 0, negative, above 1 or missing"),
    ],
)
def test_a_history_that_cannot_be_used_says_why(
    change: dict, said: str, world: tuple[Simulation, InteractionLog, pd.DataFrame]
) -> None:
    _, log, history = world
    with pytest.raises(DataContractError, match=said):
        learn_effects(log, history.assign(**change), at=AT, horizon="14d", names=CATALOG.names, features=FEATURES)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"holdout": 0}, "holdout is 0"),
        ({"holdout": 1}, "holdout is 1"),
        ({"budget": 0}, "budget is 0"),
        ({"budget": "much"}, "budget is 'much'"),
        ({"at_risk": [8.0]}, "at_risk is list"),
        ({"at_risk": pd.Series(8.0, index=["a", "b"])}, "none of the"),
        ({"at_risk": pd.Series(8.0, index=[1, 1])}, "at_risk holds 1 customers twice"),
        ({"probability": pd.Series(1.5, index=range(1, 400))}, "outside 0 to 1"),
        ({"profiles": pd.DataFrame({"x": 1}, index=[1, 1])}, "profiles holds 1 customers twice"),
    ],
)
def test_options_that_no_plan_can_keep_are_refused(
    options: dict, said: str, world: tuple[Simulation, InteractionLog, pd.DataFrame]
) -> None:
    made, log, _ = world
    risk = pd.Series(8.0, index=pd.Index(made.truth["customer_id"], name="customer_id"))
    given = {"at_risk": risk, "probability": risk / 20} | options
    with pytest.raises(DataContractError, match=said):
        next_best_actions(log, CATALOG, at=AT, horizon="14d", features=FEATURES, **given)


@pytest.mark.slow
def test_decisions_that_could_not_have_been_otherwise_teach_nothing(
    world: tuple[Simulation, InteractionLog, pd.DataFrame],
) -> None:
    _, log, history = world
    fixed = history.head(40).assign(propensity=1.0, action="no action", at=pd.Timestamp("2023-07-07"))
    fixed["customer_id"] = history["customer_id"].unique()[:40]
    options = {"at": AT, "horizon": "14d", "names": CATALOG.names, "features": FEATURES}
    with_fixed, _ = learn_effects(log, pd.concat([history, fixed]), **options)
    assert len(with_fixed.evidence_.trial) == len(learn_effects(log, history, **options)[0].evidence_.trial)


def test_without_a_history_the_plan_is_an_experiment(world: tuple[Simulation, InteractionLog, pd.DataFrame]) -> None:
    made, log, _ = world
    risk = pd.Series(10.0, index=pd.Index(made.truth["customer_id"], name="customer_id"))
    options = {"at": AT, "horizon": "14d", "features": FEATURES, "contact": ContactPolicy(consent=None)}
    with pytest.raises(DataContractError, match="Give at_risk and probability"):
        next_best_actions(log, CATALOG, **options)
    plan = next_best_actions(log, CATALOG, at_risk=risk, probability=risk / 30, budget=100.0, **options)
    assert not plan.causal
    assert plan.design is not None
    assert plan.eligibility is not None
    assert "no effect of an action is known" in plan.statement
    post = plan.table[plan.table["action"].isin(["mail", "letter"])]
    assert 0 < len(post) <= 60
    assert (plan.table["action"] == "call").sum() <= 20


@pytest.mark.slow
def test_the_future_changes_nothing(world: tuple[Simulation, InteractionLog, pd.DataFrame], plan: Plan) -> None:
    _, log, history = world
    later = history.assign(at=history["at"] + pd.Timedelta("400D"))
    again = next_best_actions(
        log.before("2024-01-20"), CATALOG, at=AT, horizon="14d", history=pd.concat([history, later.head(50)]), features=FEATURES,
        budget=20.0, contact=ContactPolicy(consent=None),
    )  # fmt: skip
    pd.testing.assert_frame_equal(again.table, plan.table)


@pytest.mark.slow
def test_decisions_that_are_not_mature_are_left_out_and_counted(
    world: tuple[Simulation, InteractionLog, pd.DataFrame],
) -> None:
    _, log, history = world
    instants = sorted(history["at"].unique())
    young = int((history["at"] == instants[-1]).sum())
    model, late = learn_effects(
        log, history, at=instants[-1] + pd.Timedelta("3D"), horizon="14d", names=CATALOG.names, features=FEATURES
    )
    assert late == young
    assert len(model.evidence_.trial) == len(history) - young
    with pytest.raises(DataContractError, match="decisions is mature"):
        learn_effects(log, history, at=instants[0], horizon="14d", names=CATALOG.names, features=FEATURES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda h: h.drop(columns="action"), "no column action"),
        (lambda h: h.assign(action=h["action"].replace("mail", "mial")), "Did you mean 'mail'"),
        (lambda h: pd.concat([h, h.head(3)]), "3 decisions of history repeat"),
    ],
)
def test_row_109_history_that_the_catalogue_does_not_know(change, said, world) -> None:
    _, log, history = world
    with pytest.raises(DataContractError, match=said):
        learn_effects(log, change(history), at=AT, horizon="14d", names=CATALOG.names, features=FEATURES)


@pytest.mark.slow
def test_row_103_a_history_without_propensities_is_no_proof(
    world: tuple[Simulation, InteractionLog, pd.DataFrame],
) -> None:
    made, log, history = world
    risk = pd.Series(10.0, index=pd.Index(made.truth["customer_id"], name="customer_id"))
    plan = next_best_actions(
        log, CATALOG, at=AT, horizon="14d", history=history.drop(columns="propensity"), features=FEATURES, budget=50.0,
        contact=ContactPolicy(consent=None), at_risk=risk, probability=risk / 30,
    )  # fmt: skip
    assert not plan.causal


@pytest.mark.slow
def test_row_135_nobody_without_consent_is_planned(world: tuple[Simulation, InteractionLog, pd.DataFrame]) -> None:
    made, log, history = world
    ids = pd.Index(made.truth["customer_id"], name="customer_id")
    consent = pd.Series(np.arange(len(ids)) % 3 == 0, index=ids)
    plan = next_best_actions(
        log, CATALOG, at=AT, horizon="14d", history=history, features=FEATURES, contact=ContactPolicy(consent=consent)
    )
    contacted = plan.table.loc[plan.table["action"] != "no action", "customer_id"]
    assert len(contacted)
    assert consent[contacted].all()


@pytest.fixture(scope="module")
def parts() -> tuple[Decider, pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=1_500), "z": rng.normal(size=1_500)})
    arm = rng.integers(0, 3, 1_500)
    y = np.select([arm == 1, arm == 2], [X["x"], 0.5 * (X["z"] > 0)]) + rng.normal(size=1_500)
    names = np.array(["no action", "mail", "call"])
    policy = choose_policy(EffectModel().fit(X, names[arm], y, propensity=dict.fromkeys(names, 1 / 3)), cost=0.1)
    gains = policy.gains(X)
    return Decider(policy, allocate(gains, cost=0.1, capacity={"mail": 300, "call": 200}).prices), X, gains


class TestOneCustomer:
    @pytest.mark.slow
    def test_one_customer_gets_what_the_batch_gives(self, parts: tuple[Decider, pd.DataFrame, pd.DataFrame]) -> None:
        decider, X, gains = parts
        many = decider.prices.decide_many(gains)
        for row, batch, gain in zip(X.head(300).to_dict("records"), many, gains.to_numpy(), strict=False):
            one = decider.decide(row)
            assert one.actions == batch
            assert list(one.gains.values()) == gain.tolist()

    def test_what_is_not_open_is_not_chosen(self, parts: tuple[Decider, pd.DataFrame, pd.DataFrame]) -> None:
        decider, _, gains = parts
        closed = [name != "mail" for name in gains.columns]
        assert decider.decide({"x": 3.0, "z": -1.0}).action == "mail"
        assert decider.decide({"x": 3.0, "z": -1.0}, eligible=closed).action != "mail"

    def test_prices_of_other_actions_are_refused(self, parts: tuple[Decider, pd.DataFrame, pd.DataFrame]) -> None:
        prices = allocate(np.ones((3, 1)), cost=0.0, actions=["text"]).prices
        with pytest.raises(DataContractError, match="The prices are of text"):
            Decider(parts[0].policy, prices)

    @pytest.mark.parametrize("row", [{"x": 1.0}, [1.0], {"x": np.inf, "z": 0.0}])
    def test_a_row_that_does_not_fit_is_refused(
        self, row: object, parts: tuple[Decider, pd.DataFrame, pd.DataFrame]
    ) -> None:
        with pytest.raises(DataContractError):
            parts[0].decide(row)  # type: ignore[arg-type]  # the point of the test


def test_where_only_the_order_is_proven_nobody_is_dropped_and_one_customer_is_told_the_same() -> None:
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"x": rng.normal(size=3_000)})
    treated = rng.integers(0, 2, 3_000)
    y = (1 + 0.3 * X["x"]) * treated + rng.normal(size=3_000)
    model = EffectModel(base=LinearRegression()).fit(
        X, np.array(["no action", "mail"])[treated], y, propensity={"no action": 0.5, "mail": 0.5}
    )
    policy = choose_policy(model, cost=0.2)
    assert not policy.personal
    assert policy.order["proven"].all()
    gains = policy.gains(X)["mail"]
    assert (gains > 0.2).all()
    top = X["x"].to_numpy()[np.argsort(-gains.to_numpy())[:300]]
    assert top.mean() > 1
    assert (policy.decide(X) == "mail").all()
    decider = Decider(policy, allocate(policy.gains(X), cost=0.2, capacity={"mail": 300}).prices)
    assert decider.decide({"x": 2.0}).gains["mail"] == policy.gains(pd.DataFrame({"x": [2.0]}))["mail"].item()


def test_the_plan_sees_the_columns_that_effects_were_learned_from(
    world: tuple[Simulation, InteractionLog, pd.DataFrame],
) -> None:
    _, log, history = world
    asked, first = FeatureSet([count().over("all"), share("category").over("all")]), history["at"].min()
    declared = _declared(log, asked, pd.Timestamp(AT), history)
    assert declared.frozen
    assert declared.names == asked.freeze(log, first).names
    assert _declared(log, asked, pd.Timestamp(AT), None) is asked


def test_a_plan_decides_online_and_leaves_out_what_was_never_tried(
    plan: Plan, world: tuple[Simulation, InteractionLog, pd.DataFrame]
) -> None:
    _, log, _ = world
    assert plan.policy is not None
    assert plan.allocation is not None
    decider = Decider(plan.policy, plan.allocation.prices)
    rows = FEATURES.build(log, AT).to_dict("records")
    decided = [decider.decide(row) for row in rows[:80]]
    assert {d.action for d in decided} <= {"mail", "no action"}
    assert all(set(d.gains) == {"mail"} for d in decided)
    assert decider.decide(rows[0], eligible=[False, True, True]).action == "no action"
