"""How large an experiment must be, and who gets which arm."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crmintel.actions import assign, design_experiment
from crmintel.errors import DataContractError

HALF = {"control": 1, "mail": 1}


def test_the_sample_size_is_the_textbook_s() -> None:
    """Fleiss, Levin, Paik, table A.4: 60 % against 40 % at power .80 and level .05 needs 97 a group without correction."""
    design = design_experiment(0.6, arms={"control": 97, "mail": 97}, customers=194, detect=-0.2)
    assert design.needed == pytest.approx(2 * 97, abs=1)
    assert design.smallest == pytest.approx(-0.2, abs=0.001)
    assert design.rounds == 1


def test_means_need_the_size_that_a_pencil_tells() -> None:
    """2 (1.95996 + .84162)² 10² / 1² = 1,569.8 an arm; a covariate of correlation .6 leaves .64 of it."""
    assert design_experiment(50, sd=10, detect=1, arms=HALF).arms["needed"].tolist() == [1570, 1570]
    assert design_experiment(50, sd=10, detect=1, arms=HALF, correlation=0.6).arms["needed"].tolist() == [1005, 1005]
    assert design_experiment(50, sd=10, relative=0.02, arms=HALF).needed == 3140


def test_repeated_rows_count_by_how_alike_they_are() -> None:
    sizes = [design_experiment(50, sd=10, detect=1, arms=HALF, rows=4, icc=icc).needed for icc in (0, 0.5, 1)]
    assert sizes[0] == pytest.approx(3140 / 4, abs=2)
    assert sizes[1] == pytest.approx(3140 * 2.5 / 4, abs=2)
    assert sizes[2] == 3140


def test_several_actions_share_the_error_and_the_control() -> None:
    z = stats.norm.ppf(1 - 0.025 / 3) + stats.norm.ppf(0.8)
    design = design_experiment(50, sd=10, detect=1, arms={"control": 0.4, "a": 0.2, "b": 0.2, "c": 0.2})
    total = (1 / 0.2 + 1 / 0.4) * (z * 10) ** 2
    assert design.needed == pytest.approx(total, abs=4)
    assert design.arms["needed"].tolist() == pytest.approx([0.4 * total, *[0.2 * total] * 3], abs=1)


def test_what_differs_between_strata_is_no_noise() -> None:
    """Two halves at 20 % and 60 %: .24 in all, .04 between them, so five sixths of the customers do."""
    plain = design_experiment(0.4, detect=0.05, arms=HALF)
    split = design_experiment(0.4, detect=0.05, arms=HALF, strata={"new": (0.5, 0.2), "old": (0.5, 0.6)})
    assert split.needed == pytest.approx(plain.needed * 5 / 6, abs=2)
    assert split.strata["customers"].sum() == pytest.approx(split.needed, abs=4)
    assert split.strata["arm"].tolist() == ["control", "mail"] * 2


def test_the_duration_is_until_the_last_outcome_is_known() -> None:
    flow = design_experiment(50, sd=10, detect=1, arms=HALF, customers_a_day=100, horizon_days=30)
    assert flow.duration_days == pytest.approx(31.4 + 30)
    rounds = design_experiment(50, sd=10, detect=1, arms=HALF, customers=1000, horizon_days=30)
    assert (rounds.rounds, rounds.duration_days) == (4, 120)


def test_more_customers_see_smaller_drops_and_need_fewer_rounds() -> None:
    designs = [
        design_experiment(0.4, arms={"control": 1, "mail": 4}, customers=10 * n, relative=-0.1) for n in (10, 100, 1000)
    ]
    assert [d.smallest for d in designs] == sorted(d.smallest for d in designs)
    assert [d.rounds for d in designs] == sorted((d.rounds for d in designs), reverse=True)


@pytest.mark.parametrize("options", [{}, {"sd": 3.0}, {"arms": {"control": 1, "a": 3}}, {"correlation": 0.5}])
def test_what_the_size_needed_proves_is_what_was_wanted(options: dict[str, float]) -> None:
    first = design_experiment(0.3, detect=0.04, **options)  # type: ignore[arg-type]  # of several kinds
    again = design_experiment(0.3, detect=0.04, customers=first.needed, **options)  # type: ignore[arg-type]  # likewise
    assert again.smallest == pytest.approx(0.04, rel=0.002)
    assert again.rounds == 1


def test_arms_that_are_too_small_are_said_to_prove_nothing() -> None:
    design = design_experiment(0.5, arms={"held out": 1, "treated": 4}, customers=5, relative=-0.1)
    assert np.isnan(design.smallest)
    assert "could prove no drop" in str(design)


def test_a_staged_roll_out_tells_the_harm_that_each_stage_shows() -> None:
    design = design_experiment(
        50, sd=10, detect=1, arms={"control": 1, "mail": 1}, customers=4000, stages=(0.01, 0.1, 0.5, 1.0)
    )
    stages = design.stages
    assert stages["treated"].tolist() == [20, 200, 1000, 2000]
    assert stages["control"].tolist() == [2000] * 4
    a, b = stats.norm.ppf(1 - 0.05 / 4), stats.norm.ppf(0.8)
    error = 10 * np.sqrt(1 / 200 + 1 / 2000)
    assert stages["stop_at"][1] == pytest.approx(-a * error)
    assert stages["harm"][1] == pytest.approx(-(a + b) * error)
    assert stages["harm"].is_monotonic_increasing  # ever smaller harm
    assert "stages" in design._repr_html_()


@pytest.mark.parametrize(("aim", "harm"), [(-0.05, 1), (0.05, -1)])
def test_harm_lies_on_the_other_side_of_the_aim(aim: float, harm: int) -> None:
    stages = design_experiment(0.5, detect=aim, stages=(0.5, 1)).stages
    assert (np.sign(stages[["harm", "stop_at"]]) == harm).all(axis=None)


def found(outcome: np.ndarray, arm: np.ndarray, level: float) -> np.ndarray:
    """Whether Welch's test finds a difference, one experiment a row."""
    p = stats.ttest_ind(outcome[:, arm == 1], outcome[:, arm == 0], axis=1, equal_var=False).pvalue
    return np.asarray(p < 1 - level)


@pytest.mark.parametrize("share", [0.5, 0.8])
@pytest.mark.parametrize("change", [0.06, -0.06])
def test_the_power_is_real_for_rates(share: float, change: float) -> None:
    design = design_experiment(0.3, detect=change, arms={"control": 1 - share, "mail": share})
    sizes = design.arms["needed"].to_numpy()
    rng = np.random.default_rng(1)
    hits = rng.binomial(sizes, [0.3, 0.3 + change], (6000, 2)) / sizes
    pooled = hits @ sizes / sizes.sum()
    z = (hits[:, 1] - hits[:, 0]) / np.sqrt(pooled * (1 - pooled) * (1 / sizes).sum())
    assert (np.abs(z) > stats.norm.ppf(0.975)).mean() == pytest.approx(0.8, abs=0.03)


def test_the_power_is_real_for_means_with_a_covariate() -> None:
    design = design_experiment(10, sd=4, detect=1, correlation=0.7)
    n, rng = design.needed, np.random.default_rng(2)
    arm = np.arange(n) % 2
    x = rng.normal(size=(3000, n))
    y = 10 + 4 * (0.7 * x + np.sqrt(1 - 0.49) * rng.normal(size=(3000, n))) + arm
    theta = ((x - x.mean(1, keepdims=True)) * y).sum(1) / ((x - x.mean(1, keepdims=True)) ** 2).sum(1)
    assert found(y - theta[:, None] * x, arm, 0.95).mean() == pytest.approx(0.8, abs=0.03)


def test_the_power_is_real_for_repeated_rows() -> None:
    design = design_experiment(10, sd=2, detect=0.5, rows=3, icc=0.4)
    n, rng = design.needed, np.random.default_rng(3)
    arm = np.arange(n) % 2
    person = rng.normal(0, 2 * np.sqrt(0.4), (2000, n))
    y = 10 + person + rng.normal(0, 2 * np.sqrt(0.6 / 3), (2000, n)) + 0.5 * arm  # the mean of three rows
    assert found(y, arm, 0.95).mean() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"baseline": 0.0}, "baseline"),
        ({"baseline": 1.0}, "baseline"),
        ({"baseline": 0.95}, "between 0 and 1"),
        ({"detect": 0.0}, "detect"),
        ({"detect": 0.1, "relative": 0.1}, "detect and relative"),
        ({"sd": 0.0}, "sd"),
        ({"power": 0.3}, "power"),
        ({"level": 0.05}, "level"),
        ({"correlation": 1.0}, "correlation"),
        ({"rows": 0.5}, "rows"),
        ({"icc": 2.0}, "icc"),
        ({"customers": 0}, "customers"),
        ({"customers_a_day": 0.0}, "customers_a_day"),
        ({"horizon_days": -1.0}, "horizon_days"),
        ({"arms": {"control": 1}}, "arms"),
        ({"arms": {"control": 5, "mail": 0}}, "arms"),
        ({"stages": (0.5, 0.1)}, "stages"),
        ({"strata": {"a": (0.5, 0.1), "b": (0.5, 0.2)}}, "strata"),
    ],
)
def test_row_107_experiments_out_of_range_are_refused(options: dict[str, object], named: str) -> None:
    with pytest.raises(DataContractError, match=named):
        design_experiment(**({"baseline": 0.5} | options))  # type: ignore[arg-type]  # wrong on purpose


# assignment

SHARES = {"control": 0.2, "mail": 0.3, "call": 0.5}


def test_customers_are_drawn_by_their_shares_and_the_probability_is_on_record() -> None:
    drawn = assign(pd.RangeIndex(50_000), SHARES, salt="spring")
    counts = drawn["arm"].value_counts(normalize=True)
    assert all(abs(counts[a] - s) < 0.007 for a, s in SHARES.items())
    assert (drawn["propensity"] == drawn["arm"].map(SHARES)).all()
    assert drawn.index.name == "customer_id"


@pytest.mark.parametrize("strata", [False, True])
def test_neither_the_order_of_rows_nor_the_batch_of_the_draw_matters(strata: bool) -> None:
    ids = pd.Series(range(400))
    groups = ids % 3 if strata else None
    first = assign(ids, SHARES, salt="spring", strata=groups)["arm"]
    mixed = ids.sample(frac=1, random_state=1)
    again = assign(mixed, SHARES, salt="spring", strata=None if groups is None else groups.loc[mixed].to_numpy())["arm"]
    assert again.sort_index().equals(first)
    if not strata:
        assert assign(ids[100:200], SHARES, salt="spring")["arm"].equals(first[100:200])


def test_strata_get_their_shares_but_for_less_than_one_customer() -> None:
    ids, strata = np.arange(1003), np.repeat(list("abc"), [500, 3, 500])
    drawn = assign(ids, SHARES, salt="x", strata=strata)
    for name, n in (("a", 500), ("b", 3), ("c", 500)):
        counts = drawn["arm"][strata == name].value_counts().reindex(SHARES, fill_value=0)
        assert (np.abs(counts - n * np.array([*SHARES.values()])) < 1).all()


def test_the_propensity_is_true_in_strata_of_one_customer_too() -> None:
    drawn = assign(np.arange(20_000), SHARES, salt="x", strata=np.arange(20_000))
    counts = drawn["arm"].value_counts(normalize=True)
    assert all(abs(counts[a] - s) < 0.012 for a, s in SHARES.items())


def test_another_salt_draws_independently() -> None:
    one, two = (assign(np.arange(20_000), {"a": 0.5, "b": 0.5}, salt=s)["arm"] == "a" for s in ("x", "y"))
    assert (one & two).mean() == pytest.approx(0.25, abs=0.012)


@pytest.mark.parametrize(
    ("ids", "shares", "strata", "named"),
    [
        ([1, 1, 2], SHARES, None, "1 doubled"),
        (["a", None], SHARES, None, "1 missing"),
        ([1, 2], {"a": 0.5, "b": 0.4}, None, "shares"),
        ([1, 2], {"a": 1.0}, None, "shares"),
        ([1, 2], SHARES, ["x", None], "strata"),
        ([1, 2], SHARES, ["x"], "strata"),
    ],
)
def test_draws_that_cannot_be_made_are_refused(
    ids: list[object], shares: dict[str, float], strata: list[object] | None, named: str
) -> None:
    with pytest.raises(DataContractError, match=re.escape(named)):
        assign(ids, shares, salt="x", strata=strata)
