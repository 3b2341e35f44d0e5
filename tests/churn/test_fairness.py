"""Fairness: counts by hand, no alarm where groups are alike, an alarm where they are not, nobody singled out."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest
from scipy.special import expit

from crmintel.churn import Fairness, fairness
from crmintel.errors import DataContractError
from crmintel.evaluation import wilson

Floats = npt.NDArray[np.float64]


def world(n: int, seed: int, groups: int = 4) -> tuple[Floats, Floats, npt.NDArray[np.str_]]:
    """Labels whose probabilities are true, whatever the group."""
    rng = np.random.default_rng(seed)
    p = expit(1.5 * rng.normal(size=n) - 1)
    return (rng.random(n) < p).astype(float), p, np.array(list("abcdefgh"))[rng.integers(0, groups, n)]


def test_twenty_customers_by_hand() -> None:
    y = [1, 1, *[0] * 8, 1, 1, 1, 1, *[0] * 6]
    p = [0.9, 0.1, 0.8, *[0.2] * 7, 0.9, 0.9, 0.9, 0.1, *[0.3] * 6]
    told = fairness(y, p, np.repeat(["x", "y"], 10), threshold=0.5)
    x, other = told.groups.set_index("group").loc[["x", "y"]].to_dict("records")
    assert (x["customers"], x["rate"], x["contact_rate"]) == (10, 0.2, 0.2)
    assert (x["true_positive_rate"], x["false_positive_rate"]) == (1 / 2, 1 / 8)
    assert x["mean_probability"] == pytest.approx(0.32)
    assert x["calibration"] == pytest.approx(0.12)
    assert (other["true_positive_rate"], other["false_positive_rate"], other["contact_rate"]) == (3 / 4, 0, 0.3)
    share = wilson(2, 10)
    assert (x["rate_low"], x["rate_high"]) == (share.low, share.high)
    assert (x["contact_rate_low"], x["contact_rate_high"]) == (share.low, share.high)
    assert (x["calibration_low"], x["calibration_high"]) == pytest.approx((0.32 - share.high, 0.32 - share.low))
    rows = told.differences.set_index(["group", "metric"])
    assert rows.loc[("x", "contact_rate"), "difference"] == pytest.approx(-0.1)
    assert rows.loc[("y", "contact_rate"), "difference"] == pytest.approx(0.1)
    assert rows.loc[("y", "contact_rate"), "low"] == pytest.approx(-rows.loc[("x", "contact_rate"), "high"])


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """56/70 against 48/80: 0.0524 to 0.3339 (Newcombe 1998, table II, method 10)."""
    y = np.r_[np.ones(70), np.ones(80), 0.0, 0.0]
    p = np.r_[np.repeat([0.9, 0.1], [56, 14]), np.repeat([0.9, 0.1], [48, 32]), 0.1, 0.1]
    from crmintel.churn.fairness import _differences, _Side

    who = np.arange(152) < 70
    rows = {m: (low, high) for _, m, _, _, _, low, high, _ in _differences(
        "x", _Side(y, p, p >= 0.5, who, np.arange(152)), _Side(y, p, p >= 0.5, ~who, np.arange(152)), 0.95)}  # fmt: skip
    assert rows["true_positive_rate"] == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_depth_contacts_a_part_and_all_who_are_equal_at_its_end() -> None:
    y, p, group = world(500, 0)
    assert fairness(y, p, group, depth=0.2).groups.pipe(lambda g: (g["contact_rate"] * g["customers"]).sum()) == (
        pytest.approx(100)
    )
    assert fairness(y, p, group).threshold == np.sort(p)[-50]
    tied = fairness(y, np.where(p > 0.5, 0.6, 0.2), group, depth=0.01)
    assert (tied.groups["contact_rate"] * tied.groups["customers"]).sum() == pytest.approx((p > 0.5).sum())


def test_a_group_that_is_called_riskier_than_it_is_differs() -> None:
    y, p, group = world(4000, 1)
    told = fairness(y, np.where(group == "a", np.minimum(p + 0.15, 1), p), group, threshold=0.5)
    rows = told.groups.set_index("group")
    assert rows.loc["a", "verdict"] == "differs"
    assert {"calibration", "contact_rate", "false_positive_rate"} <= set(rows.loc["a", "where"].split(", "))
    assert rows.loc["a", "calibration_low"] > 0.05
    assert "a" in told.differs
    calibration = told.differences.query("group == 'a' and metric == 'calibration'").iloc[0]
    assert calibration["low"] > 0


def test_groups_that_are_alike_rarely_differ() -> None:
    alarms = sum(bool(fairness(*world(400, seed, 2), threshold=0.4).differs) for seed in range(30))
    assert alarms <= 4  # 5 % of 30 is 1.5


@pytest.mark.slow
@pytest.mark.parametrize("groups", [2, 6])
def test_the_share_of_false_alarms_keeps_to_five_percent(groups: int) -> None:
    alarms = sum(bool(fairness(*world(600, 900 + seed, groups), threshold=0.4).differs) for seed in range(400))
    assert alarms <= 28


def test_a_missing_group_is_a_group_of_its_own() -> None:
    y, p, group = world(300, 2, 2)
    with_gaps = pd.Series(group, index=range(300, 0, -1)).where(np.arange(300) % 3 > 0)
    told = fairness(y, p, with_gaps)
    assert set(told.groups["group"]) == {"a", "b", "missing"}
    assert told.groups.set_index("group").loc["missing", "customers"] == 100
    categories = fairness(y, p, with_gaps.astype("category"))
    assert categories.groups.equals(told.groups)


def test_numbers_and_booleans_are_groups_too() -> None:
    y, p, _ = world(200, 3)
    assert set(fairness(y, p, np.arange(200) % 2 == 0).groups["group"]) == {"True", "False"}
    assert set(fairness(y, p, np.arange(200) % 3).groups["group"]) == {"0", "1", "2"}


def test_row_134_groups_of_fewer_than_ten_are_merged_until_they_are_ten() -> None:
    y, p, _ = world(100, 4)
    group = np.repeat(["big", "large", "mid", "s1", "s2"], [40, 33, 14, 9, 4])
    told = fairness(y, p, group)
    assert told.groups.set_index("group")["customers"].to_dict() == {"big": 40, "large": 33, "mid": 14, "other small groups": 13}  # fmt: skip
    assert "2 groups are shown together" in told.notes[0]
    one = fairness(y, p, np.repeat(["big", "large", "mid", "s1"], [40, 33, 20, 7]))
    assert one.groups.set_index("group")["customers"].to_dict() == {"big": 40, "large": 33, "other small groups": 27}
    assert "s1" not in str(one) + one._repr_html_()


@pytest.mark.parametrize("sizes", [[60, 36, 4], [91, 3, 3, 3], [50, 41, 9]])
def test_row_134_no_small_number_can_be_worked_out(sizes: list[int]) -> None:
    y, p, _ = world(100, 5)
    group = np.repeat(list("abcd")[: len(sizes)], sizes)
    try:
        told = fairness(y, p, group)
    except DataContractError:
        return
    assert told.groups["customers"].sum() == told.n == 100
    assert told.groups["customers"].min() >= 10


def test_a_group_in_which_nobody_left_has_no_true_positive_rate() -> None:
    y, p, _ = world(200, 6)
    group = np.where(y > 0, "a", np.where(np.arange(200) % 2, "a", "b"))
    told = fairness(y, p, group)
    row = told.groups.set_index("group").loc["b"]
    assert np.isnan(row["true_positive_rate"])
    assert any("nobody left" in note for note in told.notes)
    rows = told.differences[told.differences["metric"] == "true_positive_rate"]
    assert (rows["verdict"] == "no difference shown").all()


def test_row_order_changes_no_bit() -> None:
    y, p, group = world(400, 7)
    order = np.random.default_rng(0).permutation(400)
    one, two = fairness(y, p, group), fairness(y[order], p[order], group[order])
    assert one.groups.equals(two.groups)
    assert one.differences.equals(two.differences)


def test_values_in_another_order_find_their_customers() -> None:
    y, p, group = world(400, 7)
    rows = pd.Index([f"person-{i}" for i in range(400)], name="customer_id")
    away = np.random.default_rng(0).permutation(400)
    one = fairness(y, p, group)
    told = [pd.Series(values, index=rows) for values in (y, p, group)]
    for i in range(3):
        two = fairness(*(s.iloc[away] if j == i else s for j, s in enumerate(told)))
        assert one.groups.equals(two.groups)
    with pytest.raises(DataContractError, match="attribute has another index than the rows"):
        fairness(told[0], told[1], told[2].rename(lambda name: name + "x"))


def test_customers_at_several_instants_count_once() -> None:
    """Five copies of each customer tell no more than one, whether they are named or found in the index."""
    y, p, group = world(400, 1)
    alone = fairness(y, p, group, threshold=0.4)
    who = np.repeat(np.arange(400), 5)
    five = [np.repeat(x, 5) for x in (y, p, group)]
    loose, named = fairness(*five, threshold=0.4), fairness(*five, threshold=0.4, groups=who)
    for metric in ("rate", "contact_rate", "true_positive_rate", "false_positive_rate", "calibration"):
        wide = [(t.groups[f"{metric}_high"] - t.groups[f"{metric}_low"]).to_numpy() for t in (alone, loose, named)]
        assert wide[2] == pytest.approx(wide[0], rel=0.02)
        assert (wide[1] < 0.6 * wide[0]).all()
    assert named.groups["customers"].tolist() == alone.groups["customers"].tolist()
    assert named.groups["rows"].tolist() == (5 * alone.groups["rows"]).tolist()
    assert named.n == 400
    rows = pd.MultiIndex.from_arrays([who, np.tile(np.arange(5), 400)], names=["customer_id", "at"])
    assert fairness(pd.Series(five[0], index=rows), *five[1:], threshold=0.4).groups.equals(named.groups)
    with pytest.raises(DataContractError, match=r"groups is missing for 1 of 2,000"):
        fairness(*five, groups=np.r_[np.nan, who[1:]])


def test_row_134_ten_rows_of_one_customer_are_not_ten_customers() -> None:
    y, p, _ = world(100, 5)
    who = np.r_[np.arange(85), np.repeat([85, 86, 87], 5)]
    told = fairness(y, p, np.repeat(["a", "b", "c"], [50, 35, 15]), groups=who)
    assert set(told.groups["group"]) == {"a", "other small groups"}


@pytest.mark.slow
def test_clustered_intervals_hold_the_truth() -> None:
    """Six instants of each customer, who mostly does the same; the rate of each group is 0.3 on average over customers."""
    held = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        habit = rng.beta(0.6, 1.4, 120)
        y = rng.random(720) < np.repeat(habit, 6)
        told = fairness(y, np.full(720, 0.3), np.repeat(["a", "b"], 360), groups=np.repeat(np.arange(120), 6)).groups
        held += int(((told["rate_low"] <= 0.3) & (told["rate_high"] >= 0.3)).sum())
    assert 0.93 * 600 <= held <= 0.98 * 600


def test_attributes_of_polars_and_of_one_column_are_read() -> None:
    y, p, group = world(300, 2)
    one = fairness(y, p, group)
    frame = pl.DataFrame({"y": y > 0, "p": p, "group": group, "more": group})
    assert fairness(frame["y"], frame["p"], frame["group"]).groups.equals(one.groups)
    assert fairness(y, p, frame.select("group")).groups.equals(one.groups)
    assert fairness(y.tolist(), p.tolist(), pd.DataFrame({"group": group})).groups.equals(one.groups)
    for wide in (frame, frame.to_pandas()):
        with pytest.raises(DataContractError, match="attribute has 4 columns"):
            fairness(y, p, wide)


def test_an_amount_is_no_group() -> None:
    y, p, _ = world(300, 2)
    age = np.random.default_rng(0).integers(18, 90, 300)
    with pytest.raises(DataContractError, match=r"different numbers for 300 customers.*pd\.cut"):
        fairness(y, p, age)
    assert len(fairness(y, p, pd.cut(pd.Series(age), 3)).groups) == 3
    assert len(fairness(y, p, (age // 10).astype(str)).groups) > 3


def test_results_show_themselves() -> None:
    told: Fairness = fairness(*world(200, 8))
    assert repr(told) == f"Fairness(n=200, groups=4, differ={len(told.differs)})"
    assert "contacted" in str(told)
    assert "<h5>differences</h5>" in told._repr_html_()
    assert told.to_frame().equals(told.groups)


def test_what_cannot_be_compared_is_refused() -> None:
    y, p, group = world(200, 9)
    with pytest.raises(DataContractError, match="Both threshold and depth"):
        fairness(y, p, group, threshold=0.5, depth=0.1)
    with pytest.raises(DataContractError, match="threshold is 2"):
        fairness(y, p, group, threshold=2)
    with pytest.raises(DataContractError, match="1 group with at least 10"):
        fairness(y, p, np.full(200, "x"))
    with pytest.raises(DataContractError, match="attribute has 3 values for 200"):
        fairness(y, p, ["a", "b", "c"])
    with pytest.raises(DataContractError, match="y is constant"):
        fairness(np.zeros(200), p, group)
    with pytest.raises(DataContractError, match="smallest is 0"):
        fairness(y, p, group, smallest=0)
    with pytest.raises(DataContractError, match="Lengths differ"):
        fairness(y, p[:100], group)
