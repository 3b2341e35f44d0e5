"""What each action changes: known effects come back, rows have no order, one customer is told as among others."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from crmintel.actions import DRLearner, EffectModel, RLearner, SLearner, TLearner, XLearner
from crmintel.actions.effects.aggregation import aggregated, slopes
from crmintel.actions.effects.linear import Design, lines
from crmintel.actions.effects.nuisance import Outcomes, doubly_robust, split
from crmintel.actions.effects.recipes import Binned, Boosted, fused
from crmintel.actions.effects.trial import Trial
from crmintel.churn.table import Schema
from crmintel.errors import DataContractError, DataContractWarning, LeakageError

NAMES = np.array(["no action", "call", "mail"])
SHARES = dict.fromkeys(NAMES, 1 / 3)


def world(n: int = 1_500, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Orders and a region; mail helps those who order much, calling helps nobody."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {"orders": rng.normal(size=n), "region": rng.choice(["north", "south"], n), "noise": rng.normal(size=n)}
    )
    arm = rng.integers(0, 3, n)
    effect = np.column_stack([np.zeros(n), np.zeros(n), 0.5 + X["orders"]])
    y = (X["region"] == "north") + effect[np.arange(n), arm] + rng.normal(size=n)
    return X, NAMES[arm], y.to_numpy(), effect


@pytest.fixture(scope="module")
def fitted() -> tuple[EffectModel, pd.DataFrame]:
    X, action, y, _ = world()
    return EffectModel().fit(X, action, y, propensity=SHARES), X


def test_scores_are_what_a_pencil_gives() -> None:
    trial = Trial(("none", "mail"), np.array([0, 1]), np.array([1.0, 3.0]), None, None)
    told = Outcomes(np.zeros(2), np.array([[0.5, 2.0], [0.5, 2.0]]), [])
    scores = doubly_robust(trial, np.array([[0.5, 0.5], [0.75, 0.25]]), told)
    assert scores.tolist() == [[0.5 + 0.5 / 0.5, 2.0], [0.5, 2.0 + 1.0 / 0.25]]


@pytest.mark.slow
def test_known_effects_come_back(fitted: tuple[EffectModel, pd.DataFrame]) -> None:
    model, X = fitted
    told, truth = model.predict(X), world()[3]
    assert np.corrcoef(told["mail"], truth[:, 2])[0, 1] > 0.95
    assert np.abs(told["call"]).mean() < 0.2
    average = model.average_.set_index("action")
    assert average.loc["mail", "low"] < 0.5 < average.loc["mail", "high"]
    assert average.loc["call", "low"] < 0 < average.loc["call", "high"]


@pytest.mark.slow
def test_the_order_of_rows_does_not_matter(fitted: tuple[EffectModel, pd.DataFrame]) -> None:
    model, X = fitted
    _, action, y, _ = world()
    order = np.random.default_rng(1).permutation(len(X))
    other = EffectModel().fit(X.iloc[order], action[order], y[order], propensity=SHARES)
    pd.testing.assert_frame_equal(other.predict(X), model.predict(X), check_exact=True)
    assert model.average_.equals(other.average_)


def test_one_customer_is_told_as_among_others_bit_for_bit(fitted: tuple[EffectModel, pd.DataFrame]) -> None:
    model, X = fitted
    X = X.head(50).copy()
    X.loc[X.index[:3], "orders"] = np.nan
    X.loc[X.index[2:5], "region"] = None
    batch = model.predict(X).to_numpy()
    assert np.array_equal(np.array([model.stack_.one(row) for row in X.to_dict("records")]), batch)
    assert np.array_equal(np.array([model.stack_.one(list(row)) for row in X.itertuples(index=False)]), batch)
    assert np.array_equal(model.predict(X.iloc[[7]]).to_numpy()[0], batch[7])


@pytest.mark.slow
def test_a_faint_effect_is_told_as_its_average_and_a_bent_one_is_bent() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(3_000, 2)), columns=["a", "b"])
    treated = rng.integers(0, 2, 3_000)
    half = {"no action": 0.5, "mail": 0.5}
    flat = EffectModel().fit(X, np.array(["no action", "mail"])[treated], rng.normal(size=3_000), propensity=half)
    assert flat.weights_.loc["constant", "mail"] > 0.5 or flat.predict(X)["mail"].std() < 0.08
    bent = 2.0 * (X["a"].abs() < 0.7) * treated + rng.normal(size=3_000)
    model = EffectModel().fit(X, np.array(["no action", "mail"])[treated], bent, propensity=half)
    assert model.weights_.loc[["trees", "by arm"], "mail"].sum() > 0.8
    assert np.corrcoef(model.predict(X)["mail"], X["a"].abs() < 0.7)[0, 1] > 0.8


def test_known_propensities_take_out_a_targeting_that_would_deceive() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=4_000)
    p = 1 / (1 + np.exp(-1.5 * x))
    treated = rng.random(4_000) < p
    y = 2 * x + rng.normal(size=4_000)
    action = np.where(treated, "mail", "no action")
    known = pd.DataFrame({"no action": 1 - p, "mail": p})
    naive = y[treated].mean() - y[~treated].mean()
    model = EffectModel(base=LinearRegression()).fit(pd.DataFrame({"x": x}), action, y, propensity=known)
    low, high = model.average_.loc[0, ["low", "high"]]
    assert low < 0 < high < naive / 3
    assert model.overlap_["fits"].all()


@pytest.mark.slow
def test_the_propensity_of_what_was_done_is_enough() -> None:
    X, action, y, effect = world(900)
    whole = EffectModel(base=LinearRegression()).fit(X, action, y, propensity=SHARES)
    logged = EffectModel(base=LinearRegression()).fit(X, action, y, propensity=np.full(900, 1 / 3))
    pd.testing.assert_frame_equal(whole.average_, logged.average_)
    assert logged.causal_
    assert logged.overlap_["least_propensity"].tolist() == pytest.approx([1 / 3] * 3)
    trees = EffectModel().fit(X, action, y, propensity=np.full(900, 1 / 3))
    assert np.corrcoef(trees.predict(X)["mail"], effect[:, 2])[0, 1] > 0.9
    with pytest.raises(DataContractError, match="that of every arm"):
        RLearner().fit(X, action, y, propensity=np.full(900, 1 / 3))


def test_rows_of_one_customer_count_once() -> None:
    X, action, y, _ = world(900)
    once = EffectModel(base=LinearRegression()).fit(X, action, y, propensity=SHARES)
    twice = EffectModel(base=LinearRegression()).fit(
        pd.concat([X, X], ignore_index=True),
        np.tile(action, 2),
        np.tile(y, 2),
        propensity=SHARES,
        customer=np.tile(np.arange(900), 2),
    )
    width = [m.average_.eval("high - low").to_numpy() for m in (once, twice)]
    assert width[1] == pytest.approx(width[0], rel=0.05)
    parts = pd.DataFrame({"customer": twice.evidence_.trial.customer, "part": twice.evidence_.way.part})
    assert (parts.groupby("customer")["part"].nunique() == 1).all()


def test_groups_and_calibration_tell_who_gains(fitted: tuple[EffectModel, pd.DataFrame]) -> None:
    model, X = fitted
    groups = model.effects_of(np.where(X["orders"] > 0, "much", "little"))
    mail = groups[groups["action"] == "mail"].set_index("group")
    assert mail.loc["much", "low"] > mail.loc["little", "high"]
    fifths = model.calibration().query("action == 'mail'")
    assert fifths["customers"].sum() == len(X)
    assert fifths["effect"].iloc[-1] > fifths["effect"].iloc[0] + 1
    with pytest.raises(DataContractError, match="groups has 3 values"):
        model.effects_of(["a", "b", "c"])


@pytest.mark.slow
@pytest.mark.parametrize("learner", [SLearner, TLearner, XLearner, DRLearner, RLearner])
def test_each_learner_finds_a_strong_effect(learner: type) -> None:
    X, action, y, effect = world(1_200)
    told = learner(base=None).fit(X, action, y, propensity=SHARES).predict(X)
    assert list(told.columns) == ["call", "mail"]
    assert np.corrcoef(told["mail"], effect[:, 2])[0, 1] > 0.6
    order = np.random.default_rng(2).permutation(len(X))
    again = learner().fit(X.iloc[order], action[order], y[order], propensity=SHARES).predict(X)
    pd.testing.assert_frame_equal(told, again, check_exact=True)


def test_a_base_without_weights_is_refused_by_the_learner_that_needs_them() -> None:
    from sklearn.neighbors import KNeighborsRegressor

    X, action, y, _ = world(300)
    with pytest.raises(DataContractError, match="takes no sample_weight"):
        RLearner(base=KNeighborsRegressor()).fit(X, action, y, propensity=SHARES)
    assert EffectModel(base=KNeighborsRegressor()).fit(X, action, y, propensity=SHARES).predict(X).shape == (300, 2)


def test_weights_are_the_best_on_the_simplex() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=500)
    M = np.column_stack(
        [np.zeros(500), 0.3 * z + rng.normal(size=500), 0.2 * z + rng.normal(size=500), rng.normal(size=500)]
    )
    M, z = M - M.mean(axis=0), z - z.mean()
    M = M * slopes(z, M)
    charge = np.array([0.0, 0.0, 4.0, 4.0])

    def loss(w: np.ndarray) -> float:
        alone = ((z[:, None] - M) ** 2).mean(axis=0)
        return float(0.5 * ((z - M @ w) ** 2).mean() + 0.5 * w @ alone + w @ charge * z.var() / len(z))

    w = aggregated(z, M, charge)
    assert w.min() >= 0
    assert w.sum() == pytest.approx(1)
    for other in rng.dirichlet(np.ones(4) * 0.5, 300):
        assert loss(w) <= loss(other) + 1e-12


def test_slopes_are_never_negative_and_undo_a_scale() -> None:
    z = np.array([1.0, -1.0, 2.0, -2.0])
    assert slopes(z, np.column_stack([4 * z, -z, 0 * z])).tolist() == [0.25, 0.0, 0.0]


def test_ridge_is_the_one_with_the_least_generalised_cross_validation() -> None:
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(200, 5))
    Z -= Z.mean(axis=0)
    y = Z @ np.array([1.0, -1, 0.5, 0, 0]) + rng.normal(size=200)
    found = lines(Z, y[:, None])
    losses = {}
    for penalty in 10 ** np.linspace(1, 7, 19):
        hat = Z @ np.linalg.solve(Z.T @ Z + penalty * np.eye(5), Z.T) + 1 / 200
        losses[penalty] = ((y - hat @ y) ** 2).sum() / (1 - np.trace(hat) / 200) ** 2
    best = min(losses, key=losses.get)  # type: ignore[arg-type]  # of a dict of floats
    assert found.weights[:, 0] == pytest.approx(np.linalg.solve(Z.T @ Z + best * np.eye(5), Z.T @ (y - y.mean())))


def test_several_boosters_are_one_with_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    rows = Binned(X, 0)
    models = [rows.learn(np.arange(400), y) for y in (X[:, 0], X[:, 1] ** 2, np.ones(400))]
    whole = fused([m for m in models if isinstance(m, Boosted)]).predict(X, raw_score=True, num_threads=1)
    assert np.array_equal(whole, np.column_stack([m.predict(X) for m in models]))


def test_parts_hold_arms_and_outcomes_in_equal_shares() -> None:
    rng = np.random.default_rng(0)
    trial = Trial(("none", "mail"), rng.integers(0, 2, 1_000), (rng.random(1_000) < 0.05).astype(float), None, None)
    way = split(trial, 0)
    table = pd.crosstab(way.part, [trial.arm, trial.outcome])
    assert (table.max() - table.min()).max() <= 2


def test_a_design_fills_holes_and_flags_them() -> None:
    X = pd.DataFrame({"x": [1.0, np.nan, 3.0, 1.0], "kind": ["a", "b", None, "a"]})
    table = Schema.learn(X).read(X)
    design = Design.learn(table)
    raw = design._columns(table)
    assert raw[1, 0] == 1.0
    assert raw[:, -3].tolist() == [0, 1, 0, 0]
    assert raw[:, -2:].tolist() == [[1, 0], [0, 1], [0, 0], [1, 0]]


class TestBadInputs:
    X, action, y, _ = world(300)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"action": np.full(300, "mail")}, "Nobody got 'no action'"),
            ({"action": np.full(300, "no action")}, "undefined"),
            ({"action": np.where(np.arange(300) < 5, "mail", "no action")}, r"mail \(5\)"),
            ({"action": [None] * 300}, "missing in 300"),
            ({"action": ["mail"] * 7}, "7 values for 300 rows"),
        ],
    )
    def test_row_102_treatment_constant_or_an_arm_empty(self, change: dict, said: str) -> None:
        with pytest.raises(DataContractError, match=said):
            EffectModel().fit(self.X, change["action"], self.y)

    def test_row_102_outcome_missing_for_one_arm_names_it(self) -> None:
        y = np.where(self.action == "mail", np.nan, self.y)
        with pytest.raises(DataContractError, match="missing for all of mail"):
            EffectModel().fit(self.X, self.action, y)

    def test_row_102_an_arm_of_one_customer_is_too_small(self) -> None:
        with pytest.raises(DataContractError, match=r"Too few customers of an arm: .*call \(1\)"):
            EffectModel().fit(self.X, self.action, self.y, customer=pd.factorize(self.action)[0])

    def test_the_least_arms_that_are_allowed_can_be_learned_from(self) -> None:
        action = np.where(np.arange(300) < 20, "mail", "no action")
        told = EffectModel().fit(self.X, action, self.y, propensity={"no action": 14 / 15, "mail": 1 / 15})
        assert np.isfinite(told.predict(self.X)).all().all()
        flat = EffectModel().fit(self.X, action, np.zeros(300), propensity={"no action": 14 / 15, "mail": 1 / 15})
        assert (flat.predict(self.X) == 0).all().all()

    def test_row_103_treatment_by_score_is_not_called_causal(self) -> None:
        action = np.where(self.X["orders"] > 0, "mail", "no action")
        model = EffectModel(base=LinearRegression()).fit(self.X, action, self.y)
        assert not model.causal_
        assert "Not causal" in model.statement_
        assert "Overlap is poor" in model.statement_
        assert "not causal" in repr(model)

    @pytest.mark.parametrize("bad", [0.0, 1.2, np.nan, -0.1])
    def test_row_104_propensity_out_of_range(self, bad: float) -> None:
        p = pd.DataFrame({n: np.full(300, 1 / 3) for n in NAMES})
        p.iloc[0, list(p.columns).index(self.action[0])] = bad
        with pytest.raises(DataContractError, match="propensity is 0, negative, above 1 or missing in 1 of 300"):
            EffectModel().fit(self.X, self.action, self.y, propensity=p)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"no action": 0.5, "mail": 0.5}, "no share for call"),
            ({"no action": 0.3, "mail": 0.3, "call": 0.3}, "do not sum to 1"),
            (np.full(7, 0.5), "for 300 rows"),
            ({**SHARES, "mial": 0.1}, "Did you mean 'mail'"),
        ],
    )
    def test_row_104_propensity_of_other_arms(self, given: object, said: str) -> None:
        with pytest.raises(DataContractError, match=said):
            EffectModel().fit(self.X, self.action, self.y, propensity=given)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"outcome": np.zeros((300, 2))}, r"outcome has shape \(300, 2\)"),
            ({"action": np.full((300, 2), "mail")}, r"action has shape \(300, 2\)"),
            ({"customer": np.zeros((300, 2))}, r"customer has shape \(300, 2\)"),
            ({"propensity": {**SHARES, "mail": "often"}}, "propensity is not numeric"),
            ({"propensity": ["often"] * 300}, "propensity is not numeric"),
        ],
    )
    def test_shapes_and_kinds_that_do_not_fit_are_named(self, change: dict, said: str) -> None:
        given = {"action": self.action, "outcome": self.y, "propensity": SHARES} | change
        with pytest.raises(DataContractError, match=said):
            EffectModel().fit(self.X, **given)

    @pytest.mark.parametrize(
        "change",
        [
            {"action": [f"anna{i}@example.org" for i in range(300)]},
            {"action": ["no action"] * 20 + [f"anna{i}@example.org" for i in range(280)]},
            {"propensity": {f"anna{i}@example.org": 0.5 for i in range(300)}},
        ],
    )
    def test_customers_in_the_wrong_column_are_not_told(self, change: dict) -> None:
        given = {"action": self.action, "outcome": self.y, "propensity": SHARES} | change
        with pytest.raises(DataContractError) as told:
            EffectModel().fit(self.X, **given)
        assert "anna" not in str(told.value)

    @pytest.mark.parametrize("folds", [0, 1, 2.5, 300, True])
    def test_folds_that_cannot_be_made_are_refused(self, folds: object) -> None:
        with pytest.raises(DataContractError, match="folds is"):
            EffectModel(folds=folds).fit(self.X, self.action, self.y, propensity=SHARES)

    def test_groups_are_put_into_the_order_of_the_rows(self, fitted: tuple[EffectModel, pd.DataFrame]) -> None:
        model, X = fitted
        mixed = X["region"].sample(frac=1, random_state=0)
        pd.testing.assert_frame_equal(model.effects_of(mixed), model.effects_of(X["region"]))

    def test_unknown_categories_are_missing_and_said(self, fitted: tuple[EffectModel, pd.DataFrame]) -> None:
        model, X = fitted
        with pytest.warns(DataContractWarning, match="region"):
            model.predict(X.head(2).assign(region="east"))

    def test_what_a_person_sees(self, fitted: tuple[EffectModel, pd.DataFrame]) -> None:
        model, _ = fitted
        assert "average effect against 'no action'" in repr(model)
        assert "<table" in model._repr_html_()
        assert "EffectModel(" in repr(EffectModel())

    @pytest.mark.slow
    def test_row_98_names_of_customers_are_no_feature(self) -> None:
        X = self.X.assign(card=[f"c{i}" for i in range(300)])
        with pytest.raises(LeakageError, match="card"):
            EffectModel().fit(X, self.action, self.y, propensity=SHARES)
        assert "card" in EffectModel(allow=["card"]).fit(X, self.action, self.y, propensity=SHARES).stack_.schema.names
