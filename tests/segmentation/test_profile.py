"""Profiles, rules and small groups: answers a pencil can check, then laws, then simulations."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crmintel import InteractionLog, Policies
from crmintel.errors import DataContractError, DataTypeError
from crmintel.segmentation import RFM
from crmintel.segmentation.profile import Profile, _differences, _of_numbers, _sizes, profile
from crmintel.segmentation.rules import _Feature, _joined, _Range, rules
from crmintel.segmentation.small import hidden, merged, suppressed

pytestmark = pytest.mark.slow  # `make check` stays under 90 seconds without them


def world(n: int = 600, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Three segments; orders and the channel differ, luck does not."""
    rng = np.random.default_rng(seed)
    segment = np.repeat(["big", "middle", "small"], [n // 2, n // 3, n - n // 2 - n // 3])
    table = pd.DataFrame(
        {
            "orders": rng.poisson(np.where(segment == "big", 4, np.where(segment == "middle", 9, 20))).astype(float),
            "luck": rng.normal(size=n),
            "channel": pd.array(
                np.where(rng.random(n) < np.where(segment == "small", 0.6, 0.3), "app", "web"), dtype="str"
            ),
            "member": rng.random(n) < 0.5,
            "money": np.round(rng.gamma(2, 30, n), 2),
        },
        index=pd.Index(rng.permutation(n) + 100, name="customer_id"),
    )
    table.loc[table.index[:40], "luck"] = np.nan
    return table, pd.Series(segment, index=table.index)


@pytest.fixture(scope="module")
def told() -> Profile:
    table, segments = world()
    return profile(table, segments, value="money", built_from=["orders"])


def row(p: Profile, segment: str, column: str, level: str = "") -> pd.Series:
    d = p.differences
    return d[(d["segment"] == segment) & (d["column"] == column) & (d["level"] == level)].iloc[0]


def two(a: list[float], b: list[float]) -> Profile:
    table = pd.DataFrame({"x": [*a, *b]})
    return profile(table, pd.Series(["a"] * len(a) + ["b"] * len(b)))


# Differences by hand


def test_a_standardised_difference_by_hand() -> None:
    a, b = [1.0, 2.0, 3.0] * 10, [3.0, 5.0, 7.0] * 10
    found = row(two(a, b), "b", "x")
    v = 20 / 29  # thirty values, twenty of them one away from the mean; four times that for b
    assert (found["inside"], found["outside"]) == (5.0, 2.0)
    assert found["difference"] == pytest.approx(3 / np.sqrt(2.5 * v))
    ranks = stats.mannwhitneyu(a, b, method="asymptotic").pvalue  # thirty values are few: the larger p counts
    assert found["p"] == pytest.approx(max(ranks, stats.ttest_ind(a, b, equal_var=False).pvalue))
    assert found["p"] == pytest.approx(ranks)
    assert found["telling"]


def test_below_twenty_customers_hedges_factor_shrinks_the_difference() -> None:
    a, b = [1.0, 2.0, 3.0] * 4, [2.0, 3.0, 4.0] * 4
    d = 1 / np.sqrt(8 / 11)
    assert row(two(a, b), "b", "x")["difference"] == pytest.approx(d * (1 - 3 / (4 * 22 - 1)))


def test_shares_by_hand_and_newcombe_s_published_interval() -> None:
    """56 of 70 against 48 of 80: Newcombe (1998), table II, method 10: 0.0524 to 0.3339."""
    table = pd.DataFrame({"c": pd.array(["y"] * 56 + ["n"] * 14 + ["y"] * 48 + ["n"] * 32, dtype="str")})
    found = row(profile(table, pd.Series(["a"] * 70 + ["b"] * 80)), "a", "c", "y")
    assert found["difference"] == pytest.approx(0.2)
    assert (round(found["low"], 4), round(found["high"], 4)) == (0.0524, 0.3339)
    chi2 = stats.chi2_contingency([[56, 14], [48, 32]], correction=False)
    assert found["p"] == pytest.approx(chi2.pvalue)


def test_missing_values_leave_means_and_shares_alone() -> None:
    table = pd.DataFrame(
        {"x": [1.0, np.nan, 3.0, 5.0, 7.0, np.nan], "c": pd.array(["u", "u", None, "v", "v", "v"], dtype="str")}
    )
    p = profile(table, pd.Series(["a"] * 3 + ["b"] * 3))
    assert row(p, "a", "x")[["inside", "outside", "known_inside", "known_outside"]].tolist() == [2.0, 6.0, 2, 2]
    assert row(p, "a", "c", "u")[["inside", "outside", "known_inside"]].tolist() == [1.0, 0.0, 2]


def test_rest_is_everybody_else_whatever_the_number_of_segments() -> None:
    table, segments = world()
    p = profile(table, segments)
    for segment in ("big", "middle", "small"):
        own = (segments == segment).to_numpy()
        found = row(p, segment, "luck")
        assert found["outside"] == pytest.approx(table["luck"][~own].mean())
        a, b = table["luck"][own].dropna(), table["luck"][~own].dropna()
        by_hand = stats.ttest_ind(a, b, equal_var=False).pvalue
        if min(len(a), len(b)) < 150:
            by_hand = max(by_hand, stats.mannwhitneyu(a, b, method="asymptotic").pvalue)
        assert found["p"] == pytest.approx(by_hand)
        spread = np.sqrt((a.var() + b.var()) / 2)
        assert found["difference"] == pytest.approx((a.mean() - b.mean()) / spread)


def test_q_is_benjamini_hochberg_over_all_rows(told: Profile) -> None:
    d = told.differences
    p = np.sort(d["p"])
    by_hand = np.minimum.accumulate((p * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    assert np.sort(d["q"]) == pytest.approx(np.minimum(by_hand, 1))


def test_a_constant_column_tells_nothing_and_a_perfect_split_tells_all() -> None:
    table = pd.DataFrame({"same": [0.1] * 60, "split": [0.1] * 30 + [0.3] * 30})
    p = profile(table, pd.Series(["a"] * 30 + ["b"] * 30))
    assert row(p, "a", "same")[["difference", "p"]].tolist() == [0.0, 1.0]
    assert row(p, "b", "split")["difference"] == np.inf
    assert p.differences["telling"].tolist() == [False, True, False, True]


def test_a_large_distant_value_does_not_spoil_the_spread_of_the_others() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(1e9, 1, 50), rng.normal(0, 1, 50), rng.normal(1, 1, 50)])
    segments = pd.Series(np.repeat(["far", "a", "b"], 50))
    found = row(profile(pd.DataFrame({"x": x}), segments), "far", "x")
    assert found["difference"] == pytest.approx(1e9 / np.sqrt((x[:50].var(ddof=1) + x[50:].var(ddof=1)) / 2), rel=1e-6)


def test_only_the_twenty_most_frequent_levels_are_told_ties_by_name() -> None:
    levels = [f"l{i:02d}" for i in range(30)]
    table = pd.DataFrame({"c": pd.array(levels[::-1] * 4 + ["zz"] * 9, dtype="str")})
    p = profile(table, pd.Series(["a", "b"] * 64 + ["a"]))
    assert p.differences.loc[p.differences["segment"] == "a", "level"].tolist() == ["zz", *levels[:19]]
    assert row(p, "a", "c", "zz")["known_inside"] == 65


def test_columns_that_built_the_segments_are_marked_and_told_last(told: Profile) -> None:
    assert set(told.differences.loc[told.differences["by_construction"], "column"]) == {"orders"}
    line = told.lines.set_index("segment").loc["small", "line"]
    assert line.startswith("small (100 customers, 17 %, ")
    assert line.index("with channel app") < line.index("by construction")
    assert "; by construction: orders " in line


# Money, lines, prototypes


def test_money_adds_up_to_the_cent(told: Profile) -> None:
    table, segments = world()
    cents = np.rint(table["money"] * 100).astype(int)
    assert np.rint(told.sizes["money"] * 100).sum() == cents.sum()
    by_hand = cents.groupby(segments).sum()
    assert dict(zip(told.sizes["segment"], np.rint(told.sizes["money"] * 100), strict=True)) == by_hand.to_dict()
    assert told.sizes["money"].is_monotonic_decreasing
    assert told.sizes[["share", "money_share"]].sum().tolist() == pytest.approx([1, 1])


def test_lines_by_hand() -> None:
    table = pd.DataFrame({"orders": [1.0, 2.0, 3.0] * 20 + [11.0, 12.0, 13.0] * 20, "app": [True] * 40 + [False] * 80})
    segments = pd.Series(["few"] * 60 + ["many"] * 60)
    p = profile(table, segments, value=pd.Series([1.0] * 60 + [3.0] * 60), sentences={"orders": "orders in a year"})
    assert p.lines["line"].tolist() == [
        "many (60 customers, 50 %, 75 % of the money): orders in a year 12 against 2; fewer with app (0 % against 67 %)",
        "few (60 customers, 50 %, 25 % of the money): orders in a year 2 against 12; more with app (67 % against 0 %)",
    ]


def test_chance_alone_sets_nothing_apart() -> None:
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0] * 40})
    p = profile(table, pd.Series(["a", "b"] * 60))
    assert p.lines["line"].str.endswith("nothing sets them apart beyond chance").all()
    assert "nothing sets them apart" in repr(p)


def test_prototypes_are_the_customers_in_the_middle_ties_by_id() -> None:
    table = pd.DataFrame(
        {"x": [0.0, 5, 10, 5, 5, 5, 20, 22, 24, 26, 28]},
        index=pd.Index([9, 8, 7, 6, 5, 4, 11, 12, 13, 14, 15], name="who"),
    )
    p = profile(table, pd.Series(["a"] * 6 + ["b"] * 5, index=table.index))
    assert p.prototypes.groupby("segment")["customer_id"].agg(list).to_dict() == {"a": [4, 5, 6], "b": [13, 12, 14]}
    assert p.prototypes["distance"].tolist()[:3] == [0, 0, 0]


def test_a_prototype_has_the_usual_level_of_its_segment(told: Profile) -> None:
    table, segments = world()
    for segment, ids in told.prototypes.groupby("segment")["customer_id"]:
        assert (segments[ids] == segment).all()
        assert (table.loc[ids, "channel"] == table["channel"][segments == segment].mode()[0]).all()


# Laws


def test_row_order_changes_no_bit() -> None:
    table, segments = world()
    a = profile(table, segments, value="money")
    b = profile(table.sample(frac=1, random_state=4), segments.sample(frac=1, random_state=5), value="money")
    for name in ("sizes", "differences", "lines", "prototypes"):
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name), check_exact=True)
    pd.testing.assert_frame_equal(a.rules.frame, b.rules.frame, check_exact=True)
    assert a.rules.fidelity == b.rules.fidelity


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.floats(0.01, 1000), st.floats(-100, 100))
def test_the_unit_of_a_number_plays_no_part(scale: float, shift: float) -> None:
    a, b = [1.0, 2.0, 4.0] * 8, [2.0, 3.0, 7.0] * 8
    d = two(a, b).differences
    e = two([scale * x + shift for x in a], [scale * x + shift for x in b]).differences
    for column in ("difference", "low", "high", "p"):
        assert e[column].to_numpy() == pytest.approx(d[column].to_numpy(), rel=1e-6)


def test_two_segments_mirror_each_other() -> None:
    d = two([1.0, 2.0, 4.0] * 8, [2.0, 3.0, 7.0] * 9).differences
    assert d.loc[0, "difference"] == pytest.approx(-d.loc[1, "difference"])
    assert d.loc[0, "low"] == pytest.approx(-d.loc[1, "high"])


# Simulations


@pytest.mark.slow
def test_the_interval_of_a_standardised_difference_holds_the_truth_with_unequal_spreads() -> None:
    """30 customers with spread 2 and mean 3 against 1,000 with spread 1: 95 % of the intervals hold the truth."""
    rng, truth, hits = np.random.default_rng(7), 3 / np.sqrt(2.5), 0
    segments = pd.Series(np.repeat(["a", "b"], [30, 1000]))
    codes = (segments == "b").to_numpy().astype(np.int64)
    for _ in range(1500):
        x = np.concatenate([rng.normal(3, 2, 30), rng.normal(0, 1, 1000)])
        found = _of_numbers(x, codes, 2)
        hits += found["low"][0] <= truth <= found["high"][0]
    assert 0.93 < hits / 1500 < 0.97


@pytest.mark.slow
def test_of_many_columns_without_difference_almost_none_is_called_telling() -> None:
    rng = np.random.default_rng(3)
    false = 0
    for _ in range(12):
        table = pd.DataFrame(rng.normal(size=(90, 20)), columns=[f"c{i}" for i in range(20)])
        p = profile(table, pd.Series(np.repeat(["a", "b", "c"], 30)))
        false += bool(p.differences["telling"].any())
    assert false <= 3  # 5 % of 12 worlds expected; more than 3 has probability .002


def test_one_customer_with_a_rare_level_is_no_finding() -> None:
    """1 of 12 against 4 of 1,992: the score test says 2e-8, Fisher's .030."""
    table = pd.DataFrame({"c": pd.array(["u"] + ["v"] * 11 + ["u"] * 4 + ["v"] * 1988, dtype="str")})
    p = profile(table, pd.Series(["in"] * 12 + ["out"] * 1992))
    seen = stats.hypergeom(2004, 5, 12)
    assert row(p, "in", "c", "u")["p"] == pytest.approx(2 * (seen.sf(0) - seen.pmf(1) / 2))
    assert row(p, "out", "c", "v")["p"] == pytest.approx(row(p, "in", "c", "u")["p"])
    assert not p.differences["telling"].any()


def test_a_level_of_few_customers_is_not_telling_however_certain() -> None:
    """Nine of twenty have a level that nobody else has: fewer than ten have it, and fewer would by chance."""
    table = pd.DataFrame({"c": pd.array(["u"] * 9 + ["v"] * 11 + ["v"] * 980, dtype="str")})
    p = profile(table, pd.Series(["in"] * 20 + ["out"] * 980))
    assert row(p, "in", "c", "u")["q"] < 1e-6
    assert not row(p, "in", "c", "u")["telling"]
    assert not row(p, "in", "c", "v")["telling"]  # nine do without it
    nine = profile(table, pd.Series(["in"] * 20 + ["out"] * 980), fewest=9)
    assert nine.differences.set_index("segment").loc["in", "telling"].all()


def false_claims(tables: Iterator[pd.DataFrame], inside: int) -> float:
    """The share of tables of pure chance in which anything is called telling of the first customers."""
    found = []
    for table in tables:
        codes = (np.arange(len(table)) >= inside).astype(np.int64)
        names = ["in", "out"]
        rows = _differences(table, codes, names, set(), _sizes(codes, names, None), 10)
        found.append(bool(rows["telling"].any()))
    return float(np.mean(found))


def heavy_tails(n: int, worlds: int) -> Iterator[pd.DataFrame]:
    rng = np.random.default_rng(11)
    return (pd.DataFrame(rng.lognormal(0, 2, (n, 5)), columns=list("abcde")) for _ in range(worlds))


def rare_cities(n: int, worlds: int) -> Iterator[pd.DataFrame]:
    rng, p = np.random.default_rng(12), 1 / np.arange(1, 21) ** 1.5
    cities = np.array([f"city {i}" for i in range(20)])
    return (pd.DataFrame({"city": rng.choice(cities, n, p=p / p.sum())}).astype("str") for _ in range(worlds))


@pytest.mark.slow
def test_rare_levels_and_heavy_tails_make_no_claims_by_chance_in_small_worlds() -> None:
    assert false_claims(rare_cities(1000, 20), 15) <= 0.1  # 19 of 20 worlds before counts below 5 were told apart
    assert false_claims(heavy_tails(1000, 20), 30) <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("inside", [12, 15, 30, 60])
def test_rare_levels_make_no_claims_by_chance(inside: int) -> None:
    assert false_claims(rare_cities(5000, 60), inside) <= 0.1  # 5 % of 60 expected at most; above .1 has p = .03


@pytest.mark.slow
@pytest.mark.parametrize(("inside", "n"), [(15, 1000), (30, 1000), (60, 1000), (150, 1000), (30, 120)])
def test_heavy_tails_make_no_claims_by_chance(inside: int, n: int) -> None:
    assert false_claims(heavy_tails(n, 60), inside) <= 0.1


# Rules


def test_rules_by_hand() -> None:
    table = pd.DataFrame(
        {"recency_days": np.arange(200.0) / 1.7, "channel": pd.array(["web", "shop"] * 100, dtype="str")}
    )
    late = table["recency_days"] > 50
    segments = pd.Series(np.where(late, "late", np.where(table["channel"] == "web", "now on web", "now in shop")))
    found = rules(table, segments)
    assert found.fidelity.value > 0.95
    assert found.text["now on web"] in {
        "recency_days <= 50 and channel is web",
        "recency_days <= 50 and channel is not shop",
    }
    assert found.text["late"] == "recency_days > 50"
    assert not found.poor
    assert found.frame["customers"].sum() == 200


def test_rules_select_what_they_say(told: Profile) -> None:
    table, segments = world()
    found = rules(table[["orders", "money"]], segments)
    for rule, customers in zip(found.frame["rule"], found.frame["customers"], strict=True):
        assert len(table.query(rule.replace(",", ""))) == customers
    assert found.frame["customers"].sum() == len(table)
    assert told.rules.frame["customers"].sum() == len(table)


def test_fidelity_is_judged_on_customers_that_the_tree_has_not_seen() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(600, 30)), columns=[f"c{i}" for i in range(30)])
    found = rules(table, pd.Series(np.repeat(["a", "b", "c"], 200)))
    assert found.fidelity.value < 0.45
    assert found.fidelity.low < 1 / 3 < found.fidelity.high
    assert "explain the segments poorly" in repr(found)


def test_agreement_with_one_large_segment_is_no_merit() -> None:
    rng = np.random.default_rng(0)
    found = rules(
        pd.DataFrame({"x": rng.normal(size=1000)}), pd.Series(np.where(rng.random(1000) < 0.95, "all", "few"))
    )
    assert found.fidelity.value > 0.9
    assert found.largest_share > 0.9
    assert found.poor


def test_missing_values_find_their_rule() -> None:
    x = np.where(np.arange(300) % 3 == 0, np.nan, np.arange(300.0) + 93 * (np.arange(300) >= 100))
    segments = pd.Series(np.where(np.isnan(x), "unknown", np.where(x < 100, "low", "high")))
    found = rules(pd.DataFrame({"x": x}), segments)
    assert found.text == {"high": "x > 100", "low": "x <= 100", "unknown": "x is missing"}
    either = rules(pd.DataFrame({"x": x}), pd.Series(np.where(np.isnan(x) | (x < 100), "low", "high")))
    assert either.text == {"high": "x > 100", "low": "(x <= 100 or missing)"}
    assert either.fidelity.value == 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=20, max_size=60, unique=True), st.integers(1, 19))
def test_rounding_moves_no_customer(values: list[float], place: int) -> None:
    x = np.sort(values)
    found = rules(pd.DataFrame({"x": x}), pd.Series(np.where(x < x[place], "low", "other")))
    for rule, customers in zip(found.frame["rule"], found.frame["customers"], strict=True):
        if rule != "everybody":
            assert len(pd.DataFrame({"x": x}).query(rule.replace(",", ""))) == customers


def test_missing_values_are_named_only_where_the_column_has_some() -> None:
    """One missing value, which the tree has not seen: no rule speaks of missing values, and none selects it."""
    x = np.arange(300.0)
    segments = pd.Series(np.where(x < 100, "low", "high"))
    held = np.random.default_rng(0).permutation(300)[0]  # the first of those who judge
    found = rules(pd.DataFrame({"x": np.where(np.arange(300) == held, np.nan, x)}), segments)
    assert not any("missing" in rule for rule in found.frame["rule"])
    assert found.frame["customers"].sum() == 299


def test_neighbouring_rules_of_a_segment_are_one() -> None:
    f, g = _Feature("x"), _Feature("y")
    below = {f: _Range(high=1.0, names={1.0: "1"}, missing=False)}
    middle = {f: _Range(1.0, 2.0, False, {1.0: "1", 2.0: "2"})}
    above = {f: _Range(2.0, missing=False, names={2.0: "2"})}
    gaps = {"x": False, "y": False}
    joined = _joined([(0, below), (1, above), (0, middle)], gaps)
    assert [(label, r[f].told(f, False)) for label, r in joined] == [(0, "x <= 2"), (1, "x > 2")]
    assert len(_joined([(0, below), (1, middle), (0, above)], gaps)) == 3  # a hole between them
    assert _joined([(0, below), (0, above), (0, middle)], gaps) == [(0, {})]
    elsewhere = {**middle, g: _Range(high=5.0, names={5.0: "5"})}
    assert len(_joined([(0, below), (0, elsewhere)], gaps)) == 2  # no one rule says both
    unknown = {f: _Range(np.inf, np.inf, True)}
    known = _joined([(0, below), (0, unknown)], {"x": True})
    assert [r[f].told(f, True) for _, r in known] == ["(x <= 1 or missing)"]


def test_rules_are_told_after_neighbours_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree that parts the low ones twice: two rules are left."""
    f = _Feature("x")
    leaves = [
        (1, {f: _Range(high=1.0, names={1.0: "1"}, missing=False)}),
        (0, {f: _Range(5.0, missing=False, names={5.0: "5"})}),
        (1, {f: _Range(1.0, 5.0, False, {1.0: "1", 5.0: "5"})}),
    ]
    monkeypatch.setitem(rules.__globals__, "_leaves", lambda *_: leaves)
    x = np.arange(10.0)
    found = rules(pd.DataFrame({"x": x}), pd.Series(np.where(x > 5, "high", "low")))
    assert found.text == {"high": "x > 5", "low": "x <= 5"}
    assert found.frame["customers"].tolist() == [4, 6]


# Errors


def test_customers_must_be_the_same_in_both() -> None:
    table, segments = world(60)
    extra = pd.Series(["big"], index=[9999])
    with pytest.raises(DataContractError, match="10 customers of the table are not in the segments, 1 of the segments"):
        profile(table, pd.concat([segments[10:], extra]))
    with pytest.raises(DataContractError, match="1 rows of the table repeat a customer"):
        profile(pd.concat([table, table[:1]]), segments)
    with pytest.raises(DataContractError, match="1 of 60 customers have no segment"):
        profile(table, segments.where(segments.index != segments.index[3]))


def test_bad_columns_are_named() -> None:
    table, segments = world(60)
    with pytest.raises(DataContractError, match=r"built_from .*\['nothing'\]"):
        profile(table, segments, built_from=["nothing"])
    with pytest.raises(DataContractError, match="'luck' has 1 infinite"):
        profile(table.assign(luck=np.r_[np.inf, np.zeros(59)]), segments)
    with pytest.raises(DataTypeError, match="'day' holds times"):
        profile(table.assign(day=pd.Timestamp("2024-01-01")), segments)
    with pytest.raises(DataTypeError, match="Pass money as numbers"):
        profile(table, segments, value="channel")


def test_one_customer_has_no_segments_and_one_segment_no_rest() -> None:
    with pytest.raises(DataContractError, match="1 customers"):
        profile(pd.DataFrame({"x": [1.0]}), pd.Series(["a"]))
    p = profile(pd.DataFrame({"x": np.arange(20.0)}), pd.Series(["a"] * 20))
    assert p.lines["line"].tolist() == ["a (20 customers, 100 %): there is no other segment to compare with"]
    assert p.rules.text == {"a": "everybody"}


# Small groups (row 134)


def test_row_134_small_segments_join_their_neighbour_or_the_rest() -> None:
    s = pd.Series(["a"] * 50 + ["b"] * 20 + ["c"] * 4 + ["d"] * 3)
    counts = merged(s, into={"c": "b", "d": "c"}).value_counts().to_dict()
    assert counts == {"a": 50, "b": 27}
    assert merged(s).value_counts().to_dict() == {"a": 50, "other": 27}  # 7 are too few: b joins
    assert merged(s, into={"c": "b"}).value_counts().to_dict() == {"a": 50, "other": 27}
    assert merged(s, fewest=3).tolist() == s.tolist()


def test_row_134_too_few_customers_in_all_cannot_be_merged() -> None:
    with pytest.raises(DataContractError, match="7 customers in all"):
        merged(pd.Series(["a"] * 4 + ["b"] * 3))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=7),
    st.dictionaries(st.sampled_from("abcdefgx"), st.sampled_from("abcdefgx")),
)
def test_row_134_after_merging_no_segment_is_small_and_nobody_is_lost(sizes: list[int], into: dict[str, str]) -> None:
    s = pd.Series(np.repeat(list("abcdefg")[: len(sizes)], sizes))
    if len(s) < 10:
        return
    out = merged(s, into=into)
    assert out.value_counts().min() >= 10
    assert out.index.equals(s.index)
    assert (out.groupby(s).nunique() == 1).all()  # a segment moves as one
    large = s.map(s.value_counts()) >= 10
    assert set(out[large]) <= set(s) | {"other", "x"}


def test_row_134_suppression_by_hand() -> None:
    counts = pd.DataFrame({"u": [3, 40, 20], "v": [30, 50, 60], "w": [70, 80, 0]}, index=["a", "b", "c"])
    out = suppressed(counts)
    assert out.isna().to_numpy().tolist() == [[True, True, False], [False, False, False], [True, True, False]]
    assert out.loc["b"].tolist() == [40, 50, 80]
    assert suppressed(counts, fewest=3).equals(counts.astype("Int64"))


grids = st.integers(2, 5).flatmap(
    lambda r: st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=r, max_size=r)
)


@settings(max_examples=150, deadline=None)
@given(grids)
def test_row_134_no_missing_cell_can_be_found_by_taking_the_shown_from_a_total(grid: list[list[int]]) -> None:
    counts = pd.DataFrame(grid)
    missing = suppressed(counts).isna().to_numpy()
    cells = counts.to_numpy()
    assert not ((cells > 0) & (cells < 10) & ~missing).any()
    for lines, gone in ((cells, missing), (cells.T, missing.T)):
        for line, hole in zip(lines, gone, strict=True):
            assert hole.sum() != 1
            assert not hole.any() or line[hole].sum() >= 10 or hole.all()
    if not ((cells > 0) & (cells < 10)).any():
        assert not missing.any()


def test_row_134_counts_must_be_counts() -> None:
    with pytest.raises(DataContractError, match="negative or no whole"):
        suppressed(pd.DataFrame({"a": [0.5, 20]}))


def test_row_134_hidden_groups_hide_each_other() -> None:
    assert hidden(np.array([50.0, 3.0, 20.0, 15.0, 0.0])).tolist() == [False, True, False, True, False]
    assert hidden(np.array([1.0, 2.0, 30.0, 40.0])).tolist() == [True, True, True, False]
    assert not hidden(np.array([10.0, 20.0, 0.0])).any()
    alone = np.array([False, True, False])  # hidden for another reason: large, but alone it is the rest of the total
    assert hidden(np.array([50.0, 20.0, 15.0]), 10, alone).tolist() == [False, True, True]


def shared_world() -> tuple[pd.DataFrame, pd.Series]:
    table, segments = world()
    return table, segments.where(~segments.index.isin(segments.index[:4]), "tiny")


def test_row_134_a_shared_profile_shows_no_small_segment_and_no_identifier() -> None:
    table, segments = shared_world()
    full = profile(table, segments, value="money")
    p = full.shared()
    hidden_ones = {"tiny", "small"}  # the smallest other segment hides the tiny one
    for frame in (p.differences, p.prototypes, p.rules.frame):
        assert not hidden_ones & set(frame["segment"])
    assert p.sizes.set_index("segment").loc[["small", "tiny"]].isna().all(axis=None)
    assert p.sizes["segment"].tolist()[-2:] == ["small", "tiny"]
    assert "customer_id" not in p.prototypes
    assert not {"known_inside", "known_outside"} & set(p.differences)
    assert p.lines["line"].str.contains("not shown").sum() == 2
    shown = p.differences.merge(full.differences, on=["segment", "column", "level"])
    assert (shown["inside_x"] == shown["inside_y"]).all()  # nothing else is small here
    with pytest.raises(DataContractError, match="shared one already"):
        p.shared()


def test_row_134_levels_and_means_of_few_customers_are_missing_with_the_outside() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"c": pd.array(["u"] * 3 + ["v"] * 97 + ["u", "v"] * 100, dtype="str"), "x": rng.normal(size=300)}
    )
    table.loc[4:99, "x"] = np.nan  # four known values in a
    full = profile(table, pd.Series(["a"] * 100 + ["b"] * 100 + ["c"] * 100))
    p = full.shared()
    for level in ("u", "v"):
        for segment in "abc":
            assert np.isnan(row(p, segment, "c", level)["outside"])
        assert np.isnan(row(p, "a", "c", level)["inside"])
    assert np.isnan(row(p, "a", "x")["inside"])
    assert p.differences.loc[p.differences["column"] == "x", "outside"].isna().all()
    assert not p.differences["telling"].any()
    assert p.differences["inside"].notna().any()
    assert full.differences["inside"].notna().all()


@pytest.mark.parametrize("name", ["segment", "distance", "customers", None])
def test_row_134_no_identifier_is_shared_whatever_the_index_is_called(name: str | None) -> None:
    table, segments = shared_world()
    full = profile(table.rename_axis(name), segments.rename_axis(name))
    assert list(full.prototypes.columns) == ["segment", "customer_id", "distance"]
    assert set(full.prototypes["customer_id"]) <= set(table.index)
    assert set(full.prototypes["segment"]) == set(segments)
    shared = full.shared()
    assert list(shared.prototypes.columns) == ["segment", "distance"]
    assert set(shared.prototypes["segment"]) == {"big", "middle"}
    assert shared.prototypes["distance"].max() < 100  # identifiers are 100 and more


def test_row_134_nothing_is_said_of_the_rules_of_hidden_segments() -> None:
    table, segments = shared_world()
    full = profile(table, segments)
    assert full.rules.text["tiny"] == "no short rule finds them"
    shared = full.shared().rules
    assert set(shared.text) == {"big", "middle"}
    assert "no short rule finds them" not in shared.text.values()


def test_it_says_how_many_lines_it_leaves_out() -> None:
    table = pd.DataFrame({"x": np.arange(220.0)})
    names = [f"s{i:02d}" for i in range(11)]
    text = repr(profile(table, pd.Series(np.repeat(names, 20))))
    assert text.endswith("\n  and 1 more")
    assert len(text.splitlines()) == 12
    assert "more" not in repr(profile(table, pd.Series(np.repeat(names[:10], 22)))).splitlines()[-1]


@pytest.mark.parametrize("wrong", [None, [1, 2], "table", pd.Series([1.0, 2.0])])
def test_row_17_a_profile_needs_a_table_and_a_series(wrong: object) -> None:
    table, segments = pd.DataFrame({"x": [1.0, 2.0]}), pd.Series(["a", "b"])
    for tell in (profile, rules):
        with pytest.raises(DataTypeError, match=r"Give a DataFrame"):
            tell(wrong, segments)  # type: ignore[operator]
    with pytest.raises(DataTypeError, match=r"Give a pandas DataFrame"):
        suppressed(wrong)  # type: ignore[arg-type]
    if not isinstance(wrong, pd.Series):
        for tell in (profile, rules):
            with pytest.raises(DataTypeError, match=r"Give a Series indexed by customer"):
                tell(table, wrong)  # type: ignore[operator]
        with pytest.raises(DataTypeError, match=r"Give a Series indexed by customer"):
            merged(wrong)  # type: ignore[arg-type]


def test_row_17_tables_of_polars_and_arrow_are_told_by_the_number_of_the_row() -> None:
    polars, arrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    table, segments = pd.DataFrame({"x": np.arange(40.0)}), pd.Series(["a", "b"] * 20)
    expected = profile(table, segments)
    for other in (polars.DataFrame({"x": np.arange(40.0)}), arrow.table({"x": np.arange(40.0)})):
        found = profile(other, segments)
        pd.testing.assert_frame_equal(found.differences, expected.differences)
        assert rules(other, segments).text == expected.rules.text
        with pytest.raises(DataTypeError, match=r"Give a pandas DataFrame"):
            suppressed(other)
        with pytest.raises(DataTypeError, match=r"Give a Series"):
            merged(other)


def test_row_12_a_table_without_columns_tells_nothing() -> None:
    table, segments = world(60)
    for tell in (profile, rules):
        with pytest.raises(DataContractError, match="no column"):
            tell(table[[]], segments)  # type: ignore[operator]
    with pytest.raises(DataTypeError, match="hold no numbers: 'a'"):
        suppressed(pd.DataFrame({"a": ["x", "y"]}))


@pytest.mark.slow
def test_online_retail_segments_are_explained(data: Path) -> None:
    file = data / "online_retail" / "interactions.parquet"
    log = InteractionLog.read(file, policies=Policies(on_missing="drop"), timezone="Europe/London", quiet=True)
    table = RFM().fit(log, at="2011-12-10").segments()
    columns = ["recency_days", "frequency", "monetary"]
    p = profile(table[columns], table["segment"], value="monetary", built_from=columns)
    assert p.sizes["customers"].sum() == len(table)
    assert np.rint(p.sizes["money"].sum() * 100) == np.rint(table["monetary"] * 100).sum()
    assert p.sizes["segment"].iloc[0] == "champions"
    assert p.rules.fidelity.low > 0.8 > p.rules.largest_share
    assert "champions" in repr(p)
    assert "<table" in p._repr_html_()
