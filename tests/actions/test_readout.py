"""What an experiment showed."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crmintel.actions import ReadOut, assign, read_experiment
from crmintel.errors import DataContractError

HALF = {"no action": 0.5, "mail": 0.5}


def world(n: int = 2000, seed: int = 0, effect: float = 0.0, share: float = 0.5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "region": rng.choice(list("ab"), n)})
    frame["arm"] = np.where(rng.permutation(n) < share * n, "mail", "no action")
    frame["y"] = 5 + 2 * frame["x"] + rng.normal(size=n) + effect * (frame["arm"] == "mail")
    return frame


def test_a_pencil_finds_the_same_difference() -> None:
    """40 of 100 bought against 30 of 100: +10 points, standard error √((.24 + .21) / 99)."""
    arm = np.repeat(["no action", "mail"], 100)
    bought = np.r_[np.arange(100) < 30, np.arange(100) < 40].astype(float)
    row = read_experiment(arm, bought, planned=HALF).effects.iloc[0]
    error = np.sqrt((0.24 + 0.21) / 99)
    assert (row["control_mean"], row["mean"]) == pytest.approx((0.3, 0.4))
    test = stats.ttest_ind(bought[100:], bought[:100], equal_var=False)
    assert row["p"] == pytest.approx(test.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert row["high"] - row["difference"] == pytest.approx(stats.t.ppf(0.975, test.df) * error)
    factor = np.exp(stats.t.ppf(0.975, test.df) * np.sqrt(0.24 / 99 / 0.4**2 + 0.21 / 99 / 0.3**2))
    assert (row["lift"], row["lift_high"]) == pytest.approx((1 / 3, 4 / 3 * factor - 1))
    assert row["lift_low"] == pytest.approx(4 / 3 / factor - 1)
    assert row["verdict"] == "not proven"
    assert np.isnan(row["variance_saved"])


def test_repeats_of_a_customer_are_one() -> None:
    frame = world(400)
    once = read_experiment(frame["arm"], frame["y"], planned=HALF, before=frame["x"], segments=frame["region"])
    thrice = pd.concat([frame.assign(who=frame.index)] * 3, ignore_index=True)
    again = read_experiment(
        thrice["arm"], thrice["y"], planned=HALF, before=thrice["x"], customer=thrice["who"], segments=thrice["region"]
    )
    numbers = ["customers", "difference", "low", "high", "p"]
    pd.testing.assert_frame_equal(again.plain[numbers], once.plain[numbers])
    pd.testing.assert_frame_equal(again.effects[numbers], once.effects[numbers])
    pd.testing.assert_frame_equal(again.segments, once.segments)
    assert again.checks["statistic"][0] == once.checks["statistic"][0]


def test_the_adjusted_difference_is_that_of_the_regression_with_interactions() -> None:
    frame = world(600, effect=0.3)
    row = read_experiment(frame["arm"], frame["y"], planned=HALF, before=frame["x"]).effects.iloc[0]
    t, x = (frame["arm"] == "mail").to_numpy(float), (frame["x"] - frame["x"].mean()).to_numpy()
    design = np.column_stack([np.ones(600), t, x, t * x])
    slopes, *_ = np.linalg.lstsq(design, frame["y"].to_numpy(), rcond=None)
    assert row["difference"] == pytest.approx(slopes[1])
    inverse, left = np.linalg.inv(design.T @ design), frame["y"].to_numpy() - design @ slopes
    robust = inverse @ (design.T * left**2) @ design @ inverse
    assert row["high"] - row["difference"] == pytest.approx(1.96 * np.sqrt(robust[1, 1]), rel=0.01)
    assert row["variance_saved"] == pytest.approx(0.8, abs=0.04)
    assert row["method"] == "adjusted"


def test_effects_that_grow_with_the_covariate_know_that_its_mean_is_of_a_sample() -> None:
    """Without noise the only doubt left is about the mean of x: the effect is 1 + x."""
    x = np.random.default_rng(4).normal(size=500)
    arm = np.where(np.arange(500) % 2, "mail", "no action")
    y = x + (1 + x) * (arm == "mail")
    row = read_experiment(arm, y, planned=HALF, before=pd.Series(x, name="x")).effects.iloc[0]
    assert row["difference"] == pytest.approx(1 + x.mean())
    assert row["high"] - row["difference"] == pytest.approx(1.96 * x.std() / np.sqrt(500), rel=0.02)


def test_a_lift_over_nothing_is_not_told() -> None:
    frame = world(200)
    lift = read_experiment(frame["arm"], frame["y"] - frame["y"].mean(), planned=HALF).effects["lift"]
    assert lift.isna().all()


def test_a_missing_past_is_an_indicator_and_not_zero() -> None:
    frame = world(4000, effect=0.2)
    known = read_experiment(frame["arm"], frame["y"], planned=HALF, before=frame["x"]).effects.iloc[0]
    frame["x"] = frame["x"] + 50
    frame.loc[frame.index % 4 == 0, "x"] = np.nan
    frame["y"] += 10 * frame["x"].isna()  # who has no past is another kind of customer
    part = read_experiment(frame["arm"], frame["y"], planned=HALF, before=frame["x"])
    assert part.effects["variance_saved"][0] > known["variance_saved"]
    assert part.checks["where"].tolist() == ["all", "x", "x is missing"]


def test_covariates_that_say_nothing_or_the_same_twice_do_no_harm() -> None:
    frame = world(400)
    x = pd.DataFrame({"x": frame["x"], "again": 2 * frame["x"], "flat": 1.0})
    one = read_experiment(frame["arm"], frame["y"], planned=HALF, before=frame["x"]).effects
    three = read_experiment(frame["arm"], frame["y"], planned=HALF, before=x).effects
    pd.testing.assert_frame_equal(one, three)


def test_a_covariate_that_one_arm_has_no_more_of_is_not_extrapolated() -> None:
    frame = world(400)
    frame["odd"] = ((frame["arm"] == "mail") & (frame.index % 100 == 0)).astype(float)
    with_, without = (
        read_experiment(frame["arm"], frame["y"], planned=HALF, before=frame[c]).effects["difference"][0]
        for c in (["x", "odd"], ["x"])
    )
    assert with_ == pytest.approx(without, abs=0.05)


def test_strata_are_taken_away_if_they_are_large_enough() -> None:
    frame = world(800)
    frame["y"] += 10 * (frame["region"] == "a")
    read = read_experiment(frame["arm"], frame["y"], planned=HALF, strata=frame["region"])
    gaps = frame.groupby(["region", "arm"])["y"].mean().unstack()
    weight = frame["region"].value_counts(normalize=True).sort_index()
    assert read.effects["difference"][0] == pytest.approx(float(weight @ (gaps["mail"] - gaps["no action"])))
    assert read.effects["variance_saved"][0] > 0.7
    assert read.checks["check"].tolist() == ["arms as planned", *["arms as planned, by strata"] * 2]
    few = read_experiment(frame["arm"], frame["y"], planned=HALF, strata=frame.index // 10)
    assert few.effects["method"][0] == "difference"
    assert any("strata are not used" in w for w in few.warnings)


def test_the_order_of_rows_does_not_matter() -> None:
    frame = world(500, effect=0.2)
    frame["at"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.index, unit="h")
    first, second = (
        read_experiment(f["arm"], f["y"], planned=HALF, before=f["x"], segments=f["region"], at=f["at"], look_at=400)
        for f in (frame, frame.sample(frac=1, random_state=3))
    )
    for name in ("effects", "plain", "checks", "segments", "tests", "sequence"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))


def test_several_actions_share_the_error() -> None:
    frame = world(3000)
    frame["arm"] = np.array(["no action", "mail", "call"])[np.arange(3000) % 3]
    planned = dict.fromkeys(["no action", "mail", "call"], 1 / 3)
    table = read_experiment(frame["arm"], frame["y"], planned=planned).effects.set_index("arm")
    two = [frame.loc[frame["arm"] == a, "y"] for a in ("call", "no action")]
    limits = stats.ttest_ind(*two, equal_var=False).confidence_interval(0.975)
    assert tuple(table.loc["call", ["low", "high"]]) == pytest.approx(tuple(limits))


# what forbids reading


def test_row_105_a_sample_ratio_mismatch_is_refused_before_any_effect_is_shown() -> None:
    frame = world(2000, effect=3, share=0.45)  # 900 against 1,100: chi-square 20
    with pytest.raises(
        DataContractError, match=r"no action 1,100 \(1,000 planned\), mail 900 \(1,000 planned\)"
    ) as told:
        read_experiment(frame["arm"], frame["y"], planned=HALF)
    assert "7.7e-06" in str(told.value) or "8e-06" in str(told.value)
    assert read_experiment(frame["arm"], frame["y"], planned={"no action": 0.55, "mail": 0.45}).warnings == ()


def test_customers_are_counted_and_not_rows() -> None:
    frame = world(1000)
    again = frame.index[frame["arm"] == "mail"]
    rows = pd.concat([frame.assign(who=frame.index), frame.loc[again].assign(who=again)], ignore_index=True)
    read = read_experiment(rows["arm"], rows["y"], planned=HALF, customer=rows["who"])
    assert read.checks["customers"].tolist() == [1000]
    with pytest.raises(DataContractError, match="sizes that were planned"):
        read_experiment(rows["arm"], rows["y"], planned=HALF)


def test_arms_that_are_odd_but_possible_are_told() -> None:
    frame = world(2000, share=0.47)  # chi-square 7.2
    assert "0.7% of experiments" in read_experiment(frame["arm"], frame["y"], planned=HALF).warnings[0]


def test_a_day_on_which_an_arm_was_lost_is_found() -> None:
    frame = world(2000)
    frame["at"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(2000) // 100, unit="D")
    day = frame.index[frame["at"] == "2024-01-05"]
    frame.loc[day, "arm"] = np.where(np.arange(100) < 75, "mail", "no action")
    read = read_experiment(frame["arm"], frame["y"], planned=HALF, at=frame["at"])
    assert read.checks.loc[~read.checks["fits"], "where"].tolist() == ["2024-01-05"]
    assert "1 of 21 checks fail (arms as planned, by days)" in read.warnings[0]


def test_a_covariate_that_came_after_the_assignment_is_found() -> None:
    frame = world(2000, effect=1)
    read = read_experiment(frame["arm"], frame["y"], planned=HALF, before=frame["y"].rename("visits"))
    assert read.checks.loc[~read.checks["fits"], "where"].tolist() == ["visits"]
    assert "alike before" in read.warnings[0]


def test_row_106_customers_in_both_arms_are_counted_and_refused() -> None:
    frame = world(100)
    who = np.arange(100)
    mail, control = np.flatnonzero(frame["arm"] == "mail"), np.flatnonzero(frame["arm"] == "no action")
    who[mail[:3]] = who[control[:3]]
    with pytest.raises(DataContractError, match="3 of 97 customers are in more than one arm"):
        read_experiment(frame["arm"], frame["y"], planned=HALF, customer=who)


def test_row_102_an_empty_arm_is_named() -> None:
    frame = world(100)
    with pytest.raises(DataContractError, match="Nobody is in call"):
        read_experiment(frame["arm"], frame["y"], planned={"no action": 0.5, "mail": 0.4, "call": 0.1})
    frame.loc[frame["arm"] == "mail", "y"] = np.nan
    with pytest.raises(DataContractError, match="missing for all of mail"):
        read_experiment(frame["arm"], frame["y"], planned=HALF)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"planned": {"no action": 0.5, "letter": 0.5}}, "unknown actions: mail"),
        ({"planned": {"no action": 0.5, "mail": 0.4}}, "planned"),
        ({"control": "nothing"}, "control"),
        ({"level": 0.05}, "level"),
        ({"before": pd.Series(["a"] * 100, name="town")}, "'town'"),
        ({"before": pd.Series([np.nan] * 100, name="spent")}, "'spent'"),
        ({"strata": [None] * 100}, "strata"),
        ({"at": ["never"] * 100}, "at cannot"),
        ({"at": pd.Series([pd.NaT] * 100)}, "at has"),
        ({"look_at": 50}, "look_at needs at"),
        ({"look_at": 0, "at": pd.date_range("2024", periods=100)}, "look_at is 0"),
        ({"segments": ["a"] * 99}, "segments"),
    ],
)
def test_what_cannot_be_read_is_refused(change: dict[str, Any], named: str) -> None:
    frame = world(100)
    with pytest.raises(DataContractError, match=re.escape(named)):
        read_experiment(frame["arm"], frame["y"], **({"planned": HALF} | change))


# segments


def test_segments_tell_their_own_difference_and_whether_they_differ() -> None:
    frame = world(4000, seed=2)
    frame["y"] += 0.8 * ((frame["arm"] == "mail") & (frame["region"] == "a"))
    frame["coin"] = np.arange(4000) % 2
    read = read_experiment(frame["arm"], frame["y"], planned=HALF, segments=frame[["region", "coin"]])
    for r in read.segments.itertuples():
        inside = frame[frame[r.by].map(str) == r.segment]
        sides = [inside.loc[inside["arm"] == a, "y"] for a in ("mail", "no action")]
        told = stats.ttest_ind(*sides, equal_var=False)
        assert (r.low, r.high) == pytest.approx(tuple(told.confidence_interval(0.95)))
    tests = read.tests.set_index("by")
    told = read.segments[read.segments["by"] == "region"]
    errors = ((told["high"] - told["low"]) / 2 / 1.961).to_numpy()
    z = float(np.diff(told["difference"])[0] / np.sqrt((errors**2).sum()))
    assert tests.loc["region", "statistic"] == pytest.approx(z**2, rel=0.01)
    assert tests.loc["region", "p_holm"] == pytest.approx(2 * tests.loc["region", "p"])
    assert tests["verdict"].tolist() == ["segments differ", "no difference proven"]


def test_segments_that_are_too_small_are_counted_but_tell_nothing() -> None:
    frame = world(400)
    frame.loc[:20, "region"] = "c"
    read = read_experiment(frame["arm"], frame["y"], planned=HALF, segments=frame["region"])
    small = read.segments.set_index("segment").loc["c"]
    assert small["customers"] == 21
    assert np.isnan(small["difference"])
    assert read.tests["df"].tolist() == [1]


def test_a_customer_who_moves_between_segments_is_refused() -> None:
    frame = world(100)
    twice = pd.concat([frame, frame], ignore_index=True)
    with pytest.raises(DataContractError, match="100 customers are in several segments of 'half'"):
        read_experiment(
            twice["arm"], twice["y"], planned=HALF, customer=np.tile(np.arange(100), 2),
            segments=pd.Series(np.arange(200) // 100, name="half"),
        )  # fmt: skip


# many looks


def test_the_sequence_is_the_headline_of_an_experiment_that_was_looked_at() -> None:
    frame = world(4000, effect=0.5)
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.index.to_numpy(), unit="min")
    read = read_experiment(frame["arm"], frame["y"], planned=HALF, at=at, look_at=4000)
    row, plain = read.effects.iloc[0], read.plain.iloc[0]
    assert row["method"] == "any time"
    assert row["difference"] == pytest.approx(plain["difference"], abs=0.03)
    assert 1.1 < (row["high"] - row["low"]) / (plain["high"] - plain["low"]) < 1.7
    assert row["verdict"] == "proven"
    assert len(read.sequence) == 4000
    assert read.sequence["low"].iloc[-1] == row["low"]


@pytest.mark.slow
def test_limits_for_one_look_fail_under_many_looks_and_the_sequence_does_not() -> None:
    wrong = np.zeros(2)
    for seed in range(200):
        frame = world(1500, seed=seed)
        at = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.index.to_numpy(), unit="min")
        found = read_experiment(frame["arm"], frame["y"], planned=HALF, at=at, look_at=800).sequence
        wrong[0] += ((found["low"] > 0) | (found["high"] < 0)).any()
        peeked = [
            stats.ttest_ind(*(frame["y"][:n][frame["arm"][:n] == a] for a in HALF), equal_var=False).pvalue
            for n in range(100, 1501, 50)
        ]
        wrong[1] += min(peeked) < 0.05
    assert wrong[0] / 200 <= 0.05
    assert wrong[1] / 200 > 0.15


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "adjusted", "clustered", "rare", "unequal"])
def test_intervals_hold_the_truth_as_often_as_they_say(kind: str) -> None:
    held, rng = [], np.random.default_rng(11)
    for _ in range(300):
        n, share = 400, 0.8 if kind == "unequal" else 0.5
        x, treated = rng.gamma(1, size=n), rng.permutation(n) < share * n
        y = 1 + x + (0.3 + 0.5 * x) * treated + rng.normal(0, 1 + treated, n)
        truth, more = 0.8, dict[str, Any]()
        if kind == "rare":
            y, truth = (rng.random(n) < np.where(treated, 0.12, 0.08)).astype(float), 0.04
        if kind == "adjusted":
            more["before"] = x
        if kind == "clustered":
            who = np.repeat(np.arange(n), rng.integers(1, 5, n))
            y, treated = y[who] + rng.normal(size=len(who)), treated[who]
            more["customer"] = who
        arm = np.where(treated, "mail", "no action")
        row = read_experiment(arm, y, planned={"no action": 1 - share, "mail": share}, **more).effects.iloc[0]
        held.append(row["low"] <= truth <= row["high"])
    assert 0.93 <= np.mean(held) <= 0.97


def test_assigned_customers_pass_the_checks_of_the_read_out() -> None:
    drawn = assign(pd.RangeIndex(3000), {"no action": 0.3, "mail": 0.7}, salt="x", strata=np.arange(3000) % 7)
    read = read_experiment(
        drawn["arm"], np.ones(3000), planned={"no action": 0.3, "mail": 0.7}, strata=np.arange(3000) % 7
    )
    assert read.checks["fits"].all()
    assert read.effects["verdict"].tolist() == ["not proven"]


def test_the_read_out_shows_itself() -> None:
    frame = world(500, effect=1)
    read = read_experiment(frame["arm"], frame["y"], planned=HALF, before=frame["x"], segments=frame["region"])
    assert isinstance(read, ReadOut)
    assert "mail less no action: +0." in repr(read)
    assert "of the variance saved" in repr(read)
    assert "mail by region: no difference proven" in repr(read)
    assert "<h5>whether segments differ</h5>" in read._repr_html_()
    pd.testing.assert_frame_equal(read.to_frame(), read.effects)


# real experiments


def test_hillstrom_reads_as_its_readme_says(data: Path) -> None:
    path = data / "hillstrom" / "hillstrom.parquet"
    if not path.is_file():
        pytest.skip("Hillstrom's e-mails are not on this machine")
    frame = pd.read_parquet(path)
    arms = ["No E-Mail", "Mens E-Mail", "Womens E-Mail"]
    read = read_experiment(
        frame["segment"], frame["visit"], planned=dict.fromkeys(arms, 1 / 3), control="No E-Mail",
        before=frame[["recency", "history", "mens", "womens", "newbie"]], segments=frame[["mens", "channel"]],
    )  # fmt: skip
    plain = read.plain.set_index("arm")
    assert plain["customers"].to_dict() == {"Mens E-Mail": 21_307, "Womens E-Mail": 21_387}
    assert plain["control_customers"].tolist() == [21_306] * 2
    assert plain.loc["Mens E-Mail", ["mean", "control_mean"]].tolist() == pytest.approx([0.1828, 0.1062], abs=5e-5)
    assert plain.loc["Womens E-Mail", "mean"] == pytest.approx(0.1514, abs=5e-5)
    assert read.effects["verdict"].tolist() == ["proven"] * 2
    assert read.effects["variance_saved"].between(0.01, 0.05).all()
    tests = read.tests.set_index(["by", "arm"])["verdict"]
    assert tests["mens", "Womens E-Mail"] == "segments differ"  # who bought men's things does not come for women's
    assert tests["channel", "Womens E-Mail"] == "no difference proven"


def test_cookie_cats_reads_as_its_readme_says(data: Path) -> None:
    path = data / "cookie_cats_ab" / "cookie_cats.parquet"
    if not path.is_file():
        pytest.skip("Cookie Cats is not on this machine")
    frame = pd.read_parquet(path)
    halves = {"gate_30": 0.5, "gate_40": 0.5}
    week, day = (
        read_experiment(frame["version"], frame[y], planned=halves, control="gate_30", customer=frame["userid"])
        for y in ("retention_7", "retention_1")
    )
    row = week.effects.iloc[0]
    assert (row["control_mean"], row["mean"]) == pytest.approx((0.1902, 0.1820), abs=5e-5)
    assert row["verdict"] == "worse"
    row = day.effects.iloc[0]
    assert (row["control_mean"], row["mean"]) == pytest.approx((0.4482, 0.4423), abs=5e-5)
    assert row["verdict"] == "not proven"
    assert "0.9% of experiments" in week.warnings[0]  # 44,700 against 45,489


def test_arms_that_are_numbers_are_read_as_they_are_planned() -> None:
    arm = np.arange(400) % 2
    read = read_experiment(arm, arm + np.arange(400) % 7, planned={0: 0.5, 1: 0.5}, control=0)  # type: ignore[arg-type, dict-item]  # as a table holds them
    assert read.effects["arm"].tolist() == ["1"]
    assert read.effects["difference"].item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("planned", [[0.5, 0.5], {"no action": "half", "mail": 0.5}])
def test_shares_that_are_no_numbers_by_name_are_refused(planned: Any) -> None:
    with pytest.raises(DataContractError, match="planned is no mapping of arms to numbers"):
        read_experiment(["no action", "mail"] * 20, np.ones(40), planned=planned)
