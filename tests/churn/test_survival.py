"""Time to churn: curves are true, agree with each other, and bad times are refused."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from crmintel.churn import TimeToChurn, kaplan_meier
from crmintel.churn.hazard import Tails
from crmintel.churn.periods import periods, person_periods
from crmintel.churn.recipes import Data
from crmintel.churn.splines import SplineLogistic
from crmintel.churn.table import Schema
from crmintel.churn.trees import Trees
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.evaluation.survival import concordance, integrated_brier

pytestmark = pytest.mark.slow  # `make check` stays under 90 seconds without them

FAST = (SplineLogistic(knots=4, C=1.0), Trees("trees", 20, 0.2, leaves=4, min_leaf=20))
LAST = 12


def base(n: int = 600, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Customers who leave with a known chance in each month; seen for at most a year."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {"orders": rng.normal(size=n), "plan": rng.choice(["basic", "gold"], n)},
        index=pd.Index([f"c{i}" for i in range(n)], name="customer_id"),
    )
    left = rng.random((n, LAST)) < truth(X)
    first = np.where(left.any(axis=1), left.argmax(axis=1) + 1, LAST + 1)
    end = rng.integers(1, LAST + 1, n)
    return X, np.minimum(first, end).astype(float), first <= end


def truth(X: pd.DataFrame) -> np.ndarray:
    """The hazard of each customer in each month."""
    month = np.arange(LAST)
    z = -2 - 0.08 * month[None, :] + 0.8 * X["orders"].to_numpy()[:, None] - (X["plan"] == "gold").to_numpy()[:, None]
    return np.asarray(1 / (1 + np.exp(-z)))


@pytest.fixture(scope="module")
def model() -> TimeToChurn:
    return TimeToChurn(FAST).fit(*base())


@pytest.fixture(scope="module")
def X() -> pd.DataFrame:
    return base(50, seed=5)[0]


def test_rows_of_customers_and_periods_by_hand() -> None:
    cut = periods(np.array([2.0, 3.0, 2.5]), 1.0)
    rows = person_periods(np.array([0.0, 1.0, 0.5]), np.array([2.0, 3.0, 2.5]), np.array([True, False, False]), cut)
    told = list(
        zip(rows.customer.tolist(), rows.period.tolist(), rows.left.tolist(), rows.weight.tolist(), strict=True)
    )
    assert told == [
        (0, 0, 0, 1.0), (0, 1, 1, 1.0),
        (1, 1, 0, 1.0), (1, 2, 0, 1.0),
        (2, 0, 0, 0.5), (2, 1, 0, 1.0), (2, 2, 0, 0.5),
    ]  # fmt: skip


def test_more_rows_than_allowed_are_sampled_and_stand_for_all() -> None:
    _, time, seen = base(3000)
    cut = periods(time, None)
    full, some = (person_periods(np.zeros(3000), time, seen, cut, most=m) for m in (10**6, 4000))
    assert len(some.left) <= 4000 < len(full.left)
    assert some.left.sum() == full.left.sum()
    assert some.weight.sum() == pytest.approx(full.weight.sum(), rel=0.01)
    for period in range(LAST):
        share = [r.weight[(r.period == period) & (r.left == 0)].sum() for r in (full, some)]
        assert share[1] == pytest.approx(share[0], rel=0.2)
    assert "weight" in some.rule
    few = person_periods(np.zeros(3000), time, seen, cut, most=400)
    assert len(few.left) == 400
    assert few.weight[few.left == 1].sum() == pytest.approx(seen.sum())


@pytest.mark.parametrize(
    ("longest", "period", "n", "words"),
    [(12.0, None, 12, "whole"), (12.5, None, 40, "grow"), (12.5, 0.5, 25, "25 periods of 0.5"), (900.0, 1.0, 120, "then"), (7.0, [2, 6, 9], 3, "given")],
)  # fmt: skip
def test_periods_reach_the_longest_time(longest: float, period: Any, n: int, words: str) -> None:
    cut = periods(np.array([1.0, longest]), period)
    assert 0.9 * n <= len(cut.ends) <= n
    assert cut.ends[-1] >= longest > cut.starts[-1]
    assert words in cut.rule
    assert cut.of([cut.ends[0], np.nextafter(cut.ends[0], 99)]).tolist() == [0, 1]


@pytest.mark.parametrize("period", [0.0, -1.0, np.inf, [3, 2], [1, 2], []])
def test_periods_that_cannot_be_are_refused(period: Any) -> None:
    with pytest.raises(DataContractError, match=r"period|rise"):
        periods(np.array([4.0]), period)


def test_the_hazards_are_those_that_the_customers_were_made_with() -> None:
    X, time, seen = base(5000)
    new = base(300, seed=9)[0]
    found = TimeToChurn(FAST[:1], threads=1).fit(X, time, seen).hazard(new)
    assert found.shape == (300, LAST)
    assert np.abs(found.to_numpy() - truth(new)).mean() < 0.012
    assert np.abs(found.to_numpy() - truth(new)).max() < 0.12


def test_the_mean_curve_is_that_of_kaplan_and_meier() -> None:
    X, time, seen = base(2000)
    told = TimeToChurn(FAST[:1], threads=1).fit(X, time, seen).survival(X, times=np.arange(1.0, LAST + 1))
    assert told.mean().to_numpy() == pytest.approx(kaplan_meier(time, seen).at(told.columns), abs=0.02)


def test_curves_begin_at_one_and_fall(model: TimeToChurn, X: pd.DataFrame) -> None:
    curve = model.survival(X).to_numpy()
    assert (curve[:, 0] == 1).all()
    assert (np.diff(curve) < 0).all()
    assert curve.min() > 0


def test_a_curve_is_the_product_of_what_hazards_leave(model: TimeToChurn, X: pd.DataFrame) -> None:
    left = np.cumprod(1 - model.hazard(X).to_numpy(), axis=1)
    assert model.survival(X).to_numpy()[:, 1:] == pytest.approx(left, rel=1e-12)


def test_the_chance_of_who_is_there_is_that_of_the_curves(model: TimeToChurn, X: pd.DataFrame) -> None:
    curve = model.survival(X, times=[2.5, 6])
    asked = model.churn_probability(X, 3.5, elapsed=2.5)
    assert asked.to_numpy() == pytest.approx((1 - curve[6] / curve[2.5]).to_numpy(), rel=1e-10)
    since = np.linspace(0, 8, len(X))
    each = [model.churn_probability(X.iloc[[i]], 3, elapsed=t).iloc[0] for i, t in enumerate(since)]
    assert model.churn_probability(X, 3, elapsed=since).tolist() == each


def test_the_expected_time_is_the_area_below_the_curve(model: TimeToChurn, X: pd.DataFrame) -> None:
    for horizon, since in ((8.0, 0.0), (4.7, 2.3)):
        t = np.linspace(0, horizon, 8001)
        area = np.trapezoid(model.survival(X, times=t, elapsed=since), t, axis=1)
        assert model.expected_remaining(X, horizon, elapsed=since).to_numpy() == pytest.approx(area, rel=1e-6)


def test_the_median_is_where_the_curve_crosses_one_half(model: TimeToChurn, X: pd.DataFrame) -> None:
    middle = model.median_remaining(X, elapsed=1.5)
    reached = np.isfinite(middle)
    assert 0 < reached.sum() < len(X)
    for i in np.flatnonzero(reached)[:10]:
        assert model.survival(X.iloc[[i]], times=[middle.iloc[i]], elapsed=1.5).iloc[0, 0] == pytest.approx(0.5)
    open_ = model.survival(X[~reached], times=[LAST - 1.5], elapsed=1.5)
    assert (open_.to_numpy() > 0.5).all()


def test_beyond_the_longest_time_the_last_hazard_is_carried_on_and_said(model: TimeToChurn, X: pd.DataFrame) -> None:
    with pytest.warns(DataContractWarning, match="50 of 50 customers are asked for beyond 12"):
        told = model.survival(X, times=[11, 12, 13, 14])
    ratio = told.to_numpy()[:, 1:] / told.to_numpy()[:, :-1]
    assert ratio == pytest.approx(np.repeat(ratio[:, :1], 3, axis=1))
    t = np.linspace(0, 15, 15001)
    with pytest.warns(DataContractWarning, match="50 of 50"):
        area = np.trapezoid(model.survival(X, times=t), t, axis=1)
    with pytest.warns(DataContractWarning, match="50 of 50"):
        assert model.expected_remaining(X, 15).to_numpy() == pytest.approx(area, rel=1e-6)
    fall = -np.log(ratio[:, 0])  # whoever is there after the longest time still leaves at this pace
    with pytest.warns(DataContractWarning, match="50 of 50"):
        late = model.expected_remaining(X, 2, elapsed=13.5)
    assert late.to_numpy() == pytest.approx((1 - np.exp(-2 * fall)) / fall, rel=1e-9)
    assert late.max() < 2
    with pytest.warns(DataContractWarning, match="1 of 50"):
        model.churn_probability(X, 2, elapsed=np.r_[11.0, np.ones(49)])


def test_late_entries_start_at_risk_late() -> None:
    rng = np.random.default_rng(2)
    X, time, seen = base(5000)
    entry = rng.integers(0, 8, len(X)).astype(float)
    there = time > entry
    new = base(200, seed=3)[0]
    args = X[there], time[there], seen[there]
    right, wrong = (TimeToChurn(FAST[:1]).fit(*args, **kw).hazard(new) for kw in ({"entry": entry[there]}, {}))
    assert np.abs(right.to_numpy() - truth(new)).mean() < 0.015
    assert wrong.iloc[:, :3].to_numpy().mean() < 0.8 * truth(new)[:, :3].mean()


def test_columns_that_change_come_as_several_rows_of_one_customer() -> None:
    X, time, seen = base(400)
    long = time > 3
    rows = pd.concat([X, X[long]])
    spells = np.r_[np.minimum(time, 3), time[long]], np.r_[seen & ~long, seen[long]]
    told = TimeToChurn(FAST[:1]).fit(rows, *spells, entry=np.r_[np.zeros(400), np.full(long.sum(), 3.0)])
    whole = TimeToChurn(FAST[:1]).fit(X, time, seen)
    assert told.survival(X).to_numpy() == pytest.approx(whole.survival(X).to_numpy(), abs=1e-3)
    assert "log-loss of periods" in told.rule_


def test_an_effect_that_fades_with_time_is_found_on_the_folds() -> None:
    rng = np.random.default_rng(0)
    n = 3000
    X = pd.DataFrame({"offer": rng.choice(["yes", "no"], n), "noise": rng.normal(size=n)})
    month = np.arange(LAST)
    hazard = np.where((X["offer"] == "yes").to_numpy()[:, None], 0.02 + 0.25 * (month >= 5), 0.12)
    left = rng.random((n, LAST)) < hazard
    time = np.where(left.any(axis=1), left.argmax(axis=1) + 1, LAST).astype(float)
    told = TimeToChurn(FAST[:1]).fit(X, time, left.any(axis=1))
    assert told.interactions_ == ("offer",)
    found = told.hazard(X.iloc[:200]).to_numpy()
    assert np.abs(found - hazard[:200]).mean() < 0.03


def test_pairs_add_up_and_count_for_their_second_column() -> None:
    X, time, seen = base(500)
    X.loc[X.index[:100], "plan"] = None
    schema = Schema.learn(X)
    table = schema.read(X)
    y, every = (seen & (time < 5)).astype(np.int64), np.arange(500)
    told = SplineLogistic(knots=4, interactions=(("orders", "plan"), ("orders", "orders"))).fit(Data(table), y, every)
    parts = told.contributions(table)
    assert parts.sum(axis=1) == pytest.approx(told.log_odds(table), abs=1e-10)
    plain = SplineLogistic(knots=4).fit(Data(table), y, every)
    assert np.abs(told.log_odds(table) - plain.log_odds(table)).max() > 0.05
    assert np.ptp(parts[(X["plan"] == "gold").to_numpy(), 1]) > 0.05  # what plan adds depends on orders
    assert np.abs(told.crossed[0].curves[-1](table.numbers[:, 0])).max() > 0.01  # a hole has a curve too


def test_a_learner_that_knows_its_customers_by_heart_gets_no_weight() -> None:
    X, time, seen = base(500)
    heart = Trees("heart", 60, 0.3, leaves=200, min_leaf=1)
    told = TimeToChurn((SplineLogistic(knots=4), heart), threads=1).fit(
        X.assign(noise=np.arange(500.0) % 71), time, seen
    )
    assert told.weights_.get("heart", 0.0) <= 0.25
    assert told.weights_.sum() == pytest.approx(1.0)


def test_a_long_tail_does_not_hide_the_hazard() -> None:
    X, time, seen = base(3000)
    tail, new = (t.assign(orders=np.exp(3 * t["orders"])) for t in (X, base(200, seed=9)[0]))
    found = TimeToChurn(FAST[:1], threads=1).fit(tail, time, seen).hazard(new)
    assert np.abs(found.to_numpy() - truth(new.assign(orders=np.log(new["orders"]) / 3))).mean() < 0.025


def test_long_tails_go_to_logarithms_and_keep_their_order() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"money": rng.lognormal(3, 2, 500), "age": rng.normal(40, 10, 500), "none": np.nan})
    table = Schema.learn(frame).read(frame)
    tails = Tails.learn(table.numbers)
    assert np.isfinite(tails.scale).tolist() == [True, False, False]
    after = tails(table).numbers
    assert (np.argsort(after[:, 0]) == np.argsort(frame["money"])).all()
    assert (after[:, 1] == frame["age"]).all()
    assert after[:, 0].max() < 10


def test_shuffled_rows_and_threads_change_no_bit(model: TimeToChurn, X: pd.DataFrame) -> None:
    args, order = base(), np.random.default_rng(1).permutation(600)
    again = TimeToChurn(FAST, threads=1).fit(args[0].iloc[order], args[1][order], args[2][order])
    assert again.survival(X).to_numpy().tobytes() == model.survival(X).to_numpy().tobytes()
    assert clone(model).fit(*args).hazard(X).to_numpy().tobytes() == model.hazard(X).to_numpy().tobytes()


def test_row_117_one_customer_scores_as_in_the_batch(model: TimeToChurn, X: pd.DataFrame) -> None:
    alone = pd.concat([model.survival(X.iloc[[i]]) for i in range(len(X))])
    assert alone.to_numpy().tobytes() == model.survival(X).to_numpy().tobytes()
    assert alone.index.equals(X.index)


def test_it_survives_being_copied(model: TimeToChurn, X: pd.DataFrame) -> None:
    again = pickle.loads(pickle.dumps(model))
    assert again.survival(X).to_numpy().tobytes() == model.survival(X).to_numpy().tobytes()


def test_inputs_stay_as_they_were() -> None:
    X, time, seen = base(200)
    before = X.copy(deep=True), time.copy(), seen.copy()
    TimeToChurn(FAST[:1]).fit(X, time, seen).median_remaining(X)
    pd.testing.assert_frame_equal(X, before[0])
    assert (time == before[1]).all()
    assert (seen == before[2]).all()


Change = Callable[[pd.DataFrame, np.ndarray, np.ndarray], tuple[Any, ...]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X, t, s: (X, t * 0, s), "duration is not above 0 for 60 of 60"),
        (lambda X, t, s: (X, np.where(t == t[0], np.nan, t), s), r"duration is missing \(NaN\)"),
        (lambda X, t, s: (X, np.where(t == t[0], np.inf, t), s), "duration is infinite"),
        (lambda X, t, s: (X, t, s + 0.5), "observed is neither 0 nor 1 for 60 of 60"),
        (lambda X, t, s: (X, t, s & False), "observed is constant: 0 of 60 customers left"),
        (lambda X, t, s: (X, t[:9], s), "Lengths differ: duration 9, observed 60"),
        (lambda X, t, s: (X[:9], t, s), "X has 9 rows and duration 60"),
        (lambda X, t, s: (X.assign(orders=np.inf), t, s), "Columns with infinity: orders"),
        (lambda X, t, s: (X[[]], t, s), "no feature"),
    ],
)
def test_row_94_times_that_cannot_be_learned_from_are_counted(change: Change, words: str) -> None:
    with pytest.raises(DataContractError, match=words):
        TimeToChurn(FAST).fit(*change(*base(60)))


def test_rows_9_and_111_to_113_columns_are_found_by_name(model: TimeToChurn, X: pd.DataFrame) -> None:
    assert model.hazard(X[["plan", "orders"]]).to_numpy().tobytes() == model.hazard(X).to_numpy().tobytes()
    with pytest.raises(DataContractError, match="Missing features: plan"):
        model.hazard(X[["orders"]])
    with pytest.raises(DataTypeError, match="orders held numbers"):
        model.hazard(X.assign(orders="many"))
    with pytest.warns(DataContractWarning, match=r"plan \(50 of 50 rows\)"):
        unknown = model.hazard(X.assign(plan="new"))
    assert np.isfinite(unknown.to_numpy()).all()
    assert len(model.survival(X.iloc[:0])) == 0


def test_row_110_before_fit() -> None:
    with pytest.raises(NotFittedError):
        TimeToChurn().hazard(base(10)[0])


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda m, X: m.churn_probability(X, 0), "horizon is 0"),
        (lambda m, X: m.expected_remaining(X, np.inf), "horizon is inf"),
        (lambda m, X: m.survival(X, times=[-1]), "times"),
        (lambda m, X: m.survival(X, elapsed=[1, 2]), "elapsed has 2 rows and X 50"),
        (lambda m, X: m.survival(X, elapsed=-1), "elapsed is below 0 or missing for 50 of 50"),
    ],
)
def test_questions_without_an_answer_are_refused(
    ask: Callable[..., Any], words: str, model: TimeToChurn, X: pd.DataFrame
) -> None:
    with pytest.raises(DataContractError, match=words):
        ask(model, X)


@pytest.mark.slow
def test_telco_is_better_than_everybodys_curve_and_than_contract_alone(data: Path) -> None:
    frame = pd.read_parquet(data / "telco_ibm" / "telco.parquet")
    frame = frame[frame["tenure"] > 0].sample(3000, random_state=0)
    time, seen = frame["tenure"].to_numpy(float), (frame["Churn"] == "Yes").to_numpy()
    X = frame.drop(columns=["customerID", "tenure", "TotalCharges", "Churn"])
    train, test, t = slice(0, 2000), slice(2000, None), np.arange(1.0, 70)
    model = TimeToChurn().fit(X[train], time[train], seen[train])
    curves = model.survival(X[test], times=t)
    flat = np.tile(kaplan_meier(time[train], seen[train]).at(t), (1000, 1))
    score = [
        integrated_brier(time[test], seen[test], s, t, censoring=(time[train], seen[train])) for s in (curves, flat)
    ]
    assert score[0] < 0.65 * score[1]
    contract = X["Contract"][test].map({"Month-to-month": 2, "One year": 1, "Two year": 0})
    assert (
        concordance(time[test], seen[test], -curves.mean(axis=1)) > concordance(time[test], seen[test], contract) + 0.05
    )
