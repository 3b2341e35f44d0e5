"""Monitoring: silent when nothing changed, planted drifts found, nothing of any customer kept or told."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest
from scipy.special import expit, logit
from scipy.stats import ks_2samp

from crmintel.churn.bins import Bins
from crmintel.churn.figures import figures_of, harm
from crmintel.churn.shift import shift
from crmintel.errors import DataContractError, DataTypeError
from crmintel.evaluation import auc
from crmintel.evaluation.intervals import Estimate, wilson
from crmintel.scoring import Profile, monitor, profile_of
from crmintel.scoring.monitor_profile import RIM

Floats = npt.NDArray[np.float64]
World = tuple[pd.DataFrame, Floats, Floats]
AT, HORIZON, UNTIL = "2024-01-01", "90d", "2024-06-01"
KNOWN: dict[str, Any] = {"at": AT, "horizon": HORIZON, "until": UNTIL}


def world(n: int, seed: int) -> World:
    """Features of every kind, true probabilities, outcomes."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({
        "orders": rng.poisson(3, n), "spend": rng.lognormal(3, 1, n), "flag": rng.random(n) < 0.1,
        "plan": rng.choice(["month", "year", "free"], n, p=[0.5, 0.4, 0.1]), "town": rng.zipf(1.7, n).astype(str),
        "gap": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
    }, index=pd.Index([f"person-{i}" for i in range(n)], name="customer_id"))  # fmt: skip
    odds = -1 - 0.3 * X["orders"] + X["gap"].fillna(0) + 0.8 * (X["plan"] == "month")
    p = expit(odds.to_numpy(np.float64))
    return X, p, (rng.random(n) < p).astype(float)


def scored(X: pd.DataFrame, p: Any) -> pd.DataFrame:
    return X.assign(churn_probability=p)


@pytest.fixture(scope="module")
def then() -> World:
    return world(3_000, 1)


@pytest.fixture(scope="module")
def now() -> World:
    return world(3_000, 2)


@pytest.fixture(scope="module")
def profile(then: World) -> Profile:
    return profile_of(then[0], then[1], outcomes=then[2], horizon=HORIZON)


# by hand and against others


def test_bins_count_their_rows() -> None:
    bins = Bins.of(pd.Series([0.0] * 6 + [1.0, 2.0, 3.0, np.nan]))
    assert bins.atoms.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert bins.counts.tolist() == [0, 6, 1, 1, 1, 1]
    later = pd.Series([0.0, 2.0, 2.5, np.nan, np.nan, 9.0])
    assert bins.count(bins.place(later)).tolist() == [2, 1, 0, 1, 0, 2]
    assert bins.new(later).tolist() == [False, False, False, False, False, True]


def test_the_range_ends_at_the_fifth_extreme_and_a_category_is_forgotten_if_rare() -> None:
    bins = Bins.of(pd.Series(np.arange(1_000.0)), rim=RIM)
    assert (bins.low, bins.high, bins.extremes) == (4.0, 995.0, 10)
    town = pd.Series(["big"] * 990 + ["small"] * 4 + [f"one-{i}" for i in range(6)])
    kept = Bins.of(town).forgotten()
    assert kept.levels == ("big",)
    assert kept.known is None
    assert kept.extremes == 11
    assert kept.new(pd.Series(["big", "small", "none such", None])).tolist() == [False, True, True, False]


def test_index_and_distance_are_those_of_others(profile: Profile, then: World, now: World) -> None:
    told = monitor(profile, scored(*now[:2]))
    rows = told.features.set_index("feature")
    for c in ("orders", "spend", "gap", "plan"):
        assert rows.loc[c, "psi"] == pytest.approx(shift(then[0][c], now[0][c]).psi, abs=1e-12)
    assert told.score.loc[0, "psi"] == pytest.approx(shift(pd.Series(then[1]), pd.Series(now[1])).psi, abs=1e-12)
    peer = ks_2samp(then[1], now[1], method="asymp")
    assert told.score.loc[0, "ks"] == pytest.approx(peer.statistic, abs=0.01)
    assert told.score.loc[0, "ks"] <= peer.statistic + 1e-12


@pytest.mark.slow
def test_what_chance_gives_is_not_exceeded_more_often_than_said() -> None:
    rng = np.random.default_rng(5)
    over = total = 0
    for _ in range(60):
        X, Z = (pd.DataFrame(rng.normal(size=(400, 5)), columns=list("abcde")) for _ in range(2))
        told = monitor(profile_of(X, np.full(400, 0.2)), scored(Z, 0.2)).features
        over += int((told["psi"] > told["limit"]).sum())
        total += len(told)
    assert over / total <= 0.025  # 1 % was said


def test_outcomes_are_judged_as_by_hand(profile: Profile, now: World) -> None:
    X, p, y = now
    told = monitor(profile, scored(X, p), outcomes=pd.Series(y, index=X.index).iloc[::-1], **KNOWN)
    figures = told.figures.set_index("figure")
    assert figures.loc["auc", "after"] == pytest.approx(auc(y, p))
    assert figures.loc["auc", "before"] == profile.figures["auc"].value
    seen = wilson(y.sum(), len(y), 1 - 0.025 / 3)
    assert told.metrics["observed_rate"] == pytest.approx(y.mean())
    assert told.metrics["observed_rate_low"] == pytest.approx(seen.low)
    assert told.metrics["expected_rate"] == pytest.approx(p.mean())
    assert told.calibration["customers"].sum() == len(y)
    assert told.verdict == "hold"
    assert "no loss beyond chance" in told.reasons[-1]


# alarms


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False])
def test_nothing_changed_is_no_alarm(known: bool) -> None:
    said = []
    for seed in range(30):
        (X, p, y), (X2, p2, y2) = world(400, 2 * seed + 100), world(300, 2 * seed + 101)
        one = profile_of(X, p, outcomes=y, horizon=HORIZON)
        said.append(monitor(one, scored(X2, p2), outcomes=y2 if known else None, at=AT, until=UNTIL).verdict)
    assert said.count("hold") >= 28


def test_what_moved_beyond_chance_but_by_little_is_no_alarm() -> None:
    rng = np.random.default_rng(0)
    X, Z = (pd.DataFrame({"a": rng.normal(m, 1, 20_000)}) for m in (0.0, 0.15))
    told = monitor(profile_of(X, np.full(20_000, 0.3)), scored(Z, 0.3))
    assert told.features.loc[0, "p_value"] < 1e-9
    assert told.verdict == "hold"


def test_a_score_that_follows_nothing_is_not_said_to_have_followed() -> None:
    """Means of many bins follow any noise that they are told from."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 12)))
    assert abs(profile_of(X.add_prefix("x"), rng.random(300)).follows) < 0.15


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda X: X.assign(spend=X["spend"] * 2.5), "Column 'spend' moved"),
        (lambda X: X.assign(plan=X["plan"].where(X["spend"] > 5, "family")), "'plan' moved"),
        (lambda X: X.assign(plan=X["plan"].where(X["spend"] > 5, "family").astype("category")), "rare or unseen category"),
    ],
)  # fmt: skip
def test_inputs_that_moved_are_looked_at_until_outcomes_tell(
    change: Any, said: str, profile: Profile, now: World
) -> None:
    X, p, y = now
    told = monitor(profile, scored(change(X), p))
    assert told.verdict == "look"
    assert any(said in r for r in told.reasons)
    assert told.reasons[-1] == "No outcome is mature yet."
    assert monitor(profile, scored(change(X), p), outcomes=y, **KNOWN).verdict == "hold"
    assert "family" not in str(told) + told._repr_html_() + told.to_json()


def test_row_114_a_column_and_rows_without_any_value(profile: Profile, now: World) -> None:
    X, p, y = now
    told = monitor(profile, scored(X.assign(orders=None, plan=np.nan), p), outcomes=y, **KNOWN)
    assert told.verdict == "look"
    assert told.reasons[0] == "Without any value now: orders, plan. Repair the source."
    assert set(told.features.query("verdict == 'dead'")["feature"]) == {"orders", "plan"}
    assert told.features.set_index("feature").loc["orders", ["missing_before", "missing"]].tolist() == [0.0, 1.0]
    holes = X.astype({"orders": float, "flag": object})
    holes.iloc[:600] = np.nan
    empty = monitor(profile, scored(holes, p))
    share = empty.population.set_index("what")["after"]
    assert share["share: nothing known"] == 0.2
    assert share["share: low information"] == 0.2
    assert any("Less than half is known of 20.0% of rows" in r for r in empty.reasons)
    assert empty.metrics["nothing_known"] == 0.2


def test_row_115_values_far_outside_the_range(profile: Profile, now: World) -> None:
    X, p, _ = now
    far = X["spend"].where(np.arange(len(X)) >= 90, 1e9)
    told = monitor(profile, scored(X.assign(spend=far), p))
    row = told.features.set_index("feature").loc["spend"]
    assert row["verdict"] == "new values"
    assert row["beyond"] == pytest.approx(0.033, abs=0.003)
    assert row["beyond_before"] == pytest.approx(10 / 3_001)
    assert told.verdict == "look"
    assert any("outside the range, after 0.3%" in r for r in told.reasons)


def test_a_rate_that_moved_asks_for_training(profile: Profile, now: World) -> None:
    X, p, _ = now
    y = np.random.default_rng(0).random(len(p)) < expit(logit(p) + 0.6)
    told = monitor(profile, scored(X, p), outcomes=y, **KNOWN)
    assert told.verdict == "retrain"
    assert "calibration in the large +0." in told.reasons[0]
    assert monitor(profile, scored(X, p)).verdict == "hold"  # nobody can know without outcomes


def test_miscalibration_asks_for_training(profile: Profile, now: World) -> None:
    X, p, y = now
    told = monitor(profile, scored(X, expit(logit(p) + 0.5)), outcomes=y, **KNOWN)
    assert told.verdict == "retrain"
    assert told.metrics["monitor_retrain"] == 1.0


def test_shuffled_scores_are_found_with_and_without_outcomes(profile: Profile, now: World) -> None:
    X, p, y = now
    p = np.random.default_rng(0).permutation(p)
    told = monitor(profile, scored(X, p), outcomes=y, **KNOWN)
    assert told.verdict == "retrain"
    assert "The order got worse" in told.reasons[0]
    blind = monitor(profile, scored(X, p))
    assert blind.verdict == "look"
    assert blind.score.loc[0, "verdict"] == "mixed up"
    assert "no longer follows the features" in blind.reasons[0]


def test_scores_that_moved_are_looked_at(profile: Profile, now: World) -> None:
    told = monitor(profile, scored(now[0], expit(logit(now[1]) + 1)))
    assert told.verdict == "look"
    assert told.score.loc[0, "verdict"] == "moved"


def test_a_calibration_that_got_better_is_no_harm() -> None:
    bad, good = Estimate(0.5, 0.4, 0.6), Estimate(0.0, -0.1, 0.1)
    fine = {"auc": good, "calibration slope": Estimate(1.0, 0.9, 1.1)}
    before, after = ({**fine, "calibration in the large": e} for e in (bad, good))
    assert not list(harm(figures_of(before, after)))
    assert len(list(harm(figures_of(after, before)))) == 1


# maturity


def test_only_rows_whose_horizon_is_over_are_judged(profile: Profile, now: World) -> None:
    """Early leavers are known first: of the later half only those who left are known yet."""
    X, p, y = now
    at = np.where(np.arange(len(X)) < 2_000, "2024-01-01", "2024-04-01")
    early = np.where((at == "2024-04-01") & (y == 0), np.nan, y)
    table = scored(X, p).set_axis(pd.MultiIndex.from_arrays([X.index, pd.to_datetime(at)], names=["customer_id", "at"]))
    outcomes = pd.Series(early, index=table.index)
    told = monitor(profile, table, outcomes=outcomes, until="2024-05-01")
    people = told.population.set_index("what")["after"]
    assert people["outcome mature"] == 2_000
    assert people["outcome not mature"] == 1_000
    assert told.metrics["observed_rate"] == pytest.approx(y[:2_000].mean())
    assert told.verdict == "hold"
    assert monitor(profile, table, outcomes=outcomes, until="2024-03-31").metrics["outcome_mature"] == 2_000
    assert monitor(profile, table, outcomes=outcomes, until="2024-03-30").metrics["outcome_mature"] == 0
    with pytest.raises(DataContractError, match="came without `until`"):
        monitor(profile, table, outcomes=outcomes)


def test_outcomes_that_are_missing_are_counted(profile: Profile, now: World) -> None:
    X, p, y = now
    told = monitor(profile, scored(X, p), outcomes=pd.Series(y, index=X.index).iloc[:400], **KNOWN)
    people = told.population.set_index("what")["after"]
    assert (people["outcome mature"], people["outcome missing though mature"]) == (400, 2_600)


def test_few_outcomes_settle_nothing_but_a_rate_that_is_far_off_is_seen(profile: Profile, now: World) -> None:
    X, p, _ = now
    moved = scored(X.assign(spend=X["spend"] * 3), p)
    few = np.full(len(X), np.nan)
    few[:40] = np.arange(40) < 5
    told = monitor(profile, moved, outcomes=few, **KNOWN)
    assert told.verdict == "look"
    assert "too few" in told.reasons[-1]
    assert told.figures.empty
    nobody = monitor(profile, scored(X, p), outcomes=np.zeros(len(X)), **KNOWN)
    assert nobody.verdict == "retrain"
    assert nobody.reasons[0].startswith("Probabilities are no longer true: 0.0% of 3,000 left")


def test_outcomes_of_few_of_the_rows_do_not_settle_what_moved(profile: Profile, now: World) -> None:
    X, p, y = now
    at = np.where(np.arange(len(X)) < 1_000, "2024-01-01", "2024-04-01")
    table = scored(X.assign(spend=X["spend"] * 3), p)
    told = monitor(profile, table, outcomes=y, at=at, until="2024-05-01")
    assert told.metrics["outcome_mature"] == 1_000
    assert not told.figures.empty
    assert told.verdict == "look"


# who is scored


def test_new_and_gone_customers_are_counted(then: World, now: World) -> None:
    table = scored(*now[:2])
    later = table.iloc[100:].rename(index={"person-200": "person-9999"})
    told = monitor(scored(*then[:2]), later)
    people = told.population.set_index("what")["after"]
    assert people["new customers"] == 1
    assert people["gone customers"] == 101
    assert people["rows"] == 2_900
    assert "new customers" not in monitor(profile_of(*then[:2]), later).population["what"].tolist()
    assert monitor(profile_of(*then[:2]), later, previous=table.index).metrics["new_customers"] == 1.0


def test_shares_are_of_the_rows_of_their_own_table(profile: Profile, then: World, now: World) -> None:
    X, p, _ = now
    told = (
        monitor(profile, scored(X, p).iloc[:1_000]).population.set_index("what").loc["share: rare or unseen category"]
    )
    for share, table in (("before", then[0]), ("after", X.iloc[:1_000])):
        often = then[0]["town"].value_counts().loc[lambda n: n >= 30].index
        assert told[share] == pytest.approx((~table["town"].isin(often)).mean())


# promises


def test_a_profile_travels_as_text(profile: Profile, now: World) -> None:
    text = profile.to_json()
    again = Profile.from_json(text)
    assert again.to_json() == text
    one, two = (monitor(r, scored(*now[:2]), outcomes=now[2], **KNOWN) for r in (profile, again))
    assert one.to_json() == two.to_json()
    assert len(text) < 20_000
    assert "person" not in text


def test_a_profile_keeps_no_extreme_and_no_rare_category() -> None:
    X = world(1_000, 3)[0].assign(secret=[f"mail-{i}@example.org" for i in range(1_000)])
    X.iloc[0, X.columns.get_loc("spend")] = 987654.25
    text = profile_of(X, np.full(1_000, 0.5)).to_json()
    assert "mail" not in text
    assert "987654" not in text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1}', "null", "[" * 100_000])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(DataContractError, match=r"no profile|format 2"):
        Profile.from_json(text)


def test_row_117_row_order_changes_no_bit(then: World, now: World, profile: Profile) -> None:
    order = np.random.default_rng(0).permutation(3_000)
    X, p, y = (x.iloc[order] if isinstance(x, pd.DataFrame) else x[order] for x in then)
    assert profile_of(X, p, outcomes=y, horizon=HORIZON).to_json() == profile.to_json()
    X, p, y = (x.iloc[order] if isinstance(x, pd.DataFrame) else x[order] for x in now)
    one = monitor(profile, scored(*now[:2]), outcomes=now[2], **KNOWN)
    assert monitor(profile, scored(X, p), outcomes=y, **KNOWN).to_json() == one.to_json()


def test_inputs_stay_as_they_were_and_polars_is_read(profile: Profile, now: World) -> None:
    table = scored(*now[:2])
    kept = table.copy()
    one = monitor(profile, table)
    pd.testing.assert_frame_equal(table, kept)
    assert monitor(profile, pl.from_pandas(table)).to_json() == one.to_json()


def test_results_show_themselves(profile: Profile, now: World) -> None:
    told = monitor(profile, scored(*now[:2]), outcomes=now[2], **KNOWN)
    assert repr(told) == "Monitoring(verdict='hold', features=6)"
    assert str(told).startswith("Verdict: hold\n")
    assert "<h5>population</h5>" in told._repr_html_()
    assert told.to_frame().equals(told.features)
    back = json.loads(told.to_json())
    assert back["verdict"] == "hold"
    assert len(back["features"]) == 6
    assert all(isinstance(v, float) and np.isfinite(v) for v in told.metrics.values())
    assert {"score_psi", "auc", "auc_change", "calibration_slope", "low_information", "monitor_hold"} <= set(
        told.metrics
    )


def test_features_are_ranked_by_how_far_they_moved(profile: Profile, now: World) -> None:
    X, p, _ = now
    told = monitor(profile, scored(X.assign(spend=X["spend"] * 3, orders=X["orders"] + 1), p)).features
    assert set(told["feature"].iloc[:2]) == {"spend", "orders"}
    assert (told["psi"] - told["by_chance"]).is_monotonic_decreasing


def test_a_feature_is_told_with_what_it_does_to_the_score(profile: Profile, then: World, now: World) -> None:
    """All plans turn to months: the mean score moves to that of the customers who had months."""
    X, p, _ = now
    told = monitor(profile, scored(X.assign(plan="month"), p)).features.set_index("feature")
    had = (then[0]["plan"] == "month").to_numpy()
    n = int(had.sum())
    gap = (logit(then[1][had]).mean() - logit(then[1]).mean()) * n / (n + 10)
    assert told.loc["plan", "score_shift"] == pytest.approx(gap, abs=0.02)
    assert abs(told.loc["orders", "score_shift"]) < 0.05


def test_what_moves_by_itself_can_be_left_out(profile: Profile, now: World) -> None:
    X, p, _ = now
    table = scored(X.assign(spend=X["spend"] * 3), p)
    told = monitor(profile, table, features=["orders", "plan"])
    assert told.verdict == "hold"
    assert sorted(told.features["feature"]) == ["orders", "plan"]
    assert told.score.loc[0, "verdict"] == "stable"
    with pytest.raises(DataContractError, match="no columns nope"):
        monitor(profile, table, features=["nope"])


def test_what_cannot_be_compared_is_refused(profile: Profile, now: World) -> None:
    X, p, y = now
    table = scored(X, p)
    refused: list[tuple[Any, str]] = [
        (table.drop(columns=["town", "gap"]), "lacks columns: town, gap"), (X, "no column 'churn_probability'"),
        (table.assign(orders="many"), "'orders' held numbers"), (table.assign(plan=1.0), "'plan' held categories"),
        (table.iloc[:0], "no row"), (scored(X, 1.5), "outside 0 to 1"), (scored(X, np.nan), "missing"),
        (table.assign(spend=np.inf), "Columns with infinity: spend"),
    ]  # fmt: skip
    for wrong, said in refused:
        with pytest.raises(DataContractError, match=said):
            monitor(profile, wrong)
    with pytest.raises(DataTypeError):
        monitor(profile, None)
    bad: list[tuple[Any, str]] = [
        (pd.Series([1.0], index=["nobody"]), "None of 1 outcomes"), (y[:5], "5 outcomes for 3,000 rows"),
        (y + 1, "neither 0 nor 1"), (["yes"] * 3_000, "no truth values"), (pd.concat([pd.Series(y, X.index)] * 2), "rows occur twice"),
    ]  # fmt: skip
    for outcomes, said in bad:
        with pytest.raises(DataContractError, match=said) as caught:
            monitor(profile, table, outcomes=outcomes, **KNOWN)
        assert "person" not in str(caught.value)
    with pytest.raises(DataContractError, match="no instants"):
        monitor(profile, table, outcomes=y, until=UNTIL)
    with pytest.raises(DataContractError, match="2 instants for 3,000 rows"):
        monitor(profile, table, outcomes=y, until=UNTIL, at=[AT, AT])
    with pytest.raises(DataContractError, match="7 scores for 3,000 rows"):
        profile_of(X, p[:7])


def test_small_tables_and_constant_scores_are_no_error() -> None:
    X = pd.DataFrame({"a": [1.0, 2.0, np.nan], "b": ["x", None, "y"]})
    told = monitor(profile_of(X, [0.2, 0.2, 0.2]), scored(X.iloc[:1], 0.2))
    assert told.verdict == "hold"
    assert "score_follows" not in told.metrics
