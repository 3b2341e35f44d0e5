"""Value tiers: answers a pencil can check, then the laws they keep, then real money."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from crmintel import InteractionLog, Policies
from crmintel.datasets import simulate
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.segmentation import ValueTiers

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")

AT = "2024-03-01"
MONEY = st.lists(st.integers(-300, 5_000), min_size=2, max_size=40)


def log_of(cents: list[int]) -> InteractionLog:
    """One row a customer, 1, 2, …, with so many cents."""
    frame = pd.DataFrame({"customer_id": range(1, len(cents) + 1), "amount": np.array(cents, np.float64) / 100})
    return InteractionLog.read(frame.assign(timestamp=pd.Timestamp("2024-02-01")), policies=Policies(), quiet=True)


def rows_with_costs() -> pd.DataFrame:
    day = pd.Timestamp("2024-02-01")
    return pd.DataFrame(
        [
            (1, day, "purchase", "web", 100.0, 60.0),
            (1, day, "return", "web", -20.0, -12.0),
            (1, day, "contact", "email", np.nan, np.nan),
            (2, day, "purchase", "shop", 50.0, 10.0),
            (2, day, "contact", "phone", np.nan, np.nan),
            (2, day, "contact", "phone", np.nan, np.nan),
            (2, day, "contact", "email", np.nan, np.nan),
            (3, day, "contact", "phone", np.nan, np.nan),
            (4, day, "purchase", "shop", 9.99, 5.0),
        ],
        columns=["customer_id", "timestamp", "kind", "channel", "amount", "cost"],
    )


# By hand


def test_deciles_by_hand() -> None:
    tiers = ValueTiers().fit(log_of([*range(100, 2_100, 100), 0, -100]), at=AT).tiers()
    assert tiers["decile"].tolist() == [*np.repeat(range(10, 0, -1), 2).tolist(), 0, 0]


def test_the_fewest_who_make_a_part_by_hand() -> None:
    tiers = ValueTiers().fit(log_of([4_000, 3_000, 2_000, 1_000, -500]), at=AT)
    assert tiers.share_that_makes(0.4) == (1, 0.2)
    assert tiers.share_that_makes(0.5) == (2, 0.4)
    assert tiers.share_that_makes() == (3, 0.6)
    assert tiers.share_that_makes(1.0) == (4, 0.8)


def test_a_part_is_meant_as_it_is_written() -> None:
    assert 0.55 * 100 > 55  # in floating point
    assert ValueTiers().fit(log_of([55, 45]), at=AT).share_that_makes(0.55) == (1, 0.5)
    assert ValueTiers(shares=(0.55, 0.95)).fit(log_of([55, 45]), at=AT).tiers()["tier"].tolist() == ["A", "B"]


def test_equal_contributions_stay_together_in_the_better_tier() -> None:
    tiers = ValueTiers(shares=(0.5, 0.8)).fit(log_of([400, 300, 300, 300, 100]), at=AT).tiers()
    assert tiers["tier"].tolist() == ["A", "A", "A", "A", "C"]


def test_margin_and_cost_to_serve_by_hand() -> None:
    log = InteractionLog.read(rows_with_costs(), keep=["cost"])
    costs = {"email": 0.05, "phone": 6.0}
    plain, margin = ValueTiers().fit(log, at=AT), ValueTiers(cost="cost").fit(log, at=AT)
    served, both = ValueTiers(contact_costs=costs).fit(log, at=AT), ValueTiers(cost="cost", contact_costs=costs)
    assert plain.cents_.tolist() == [8_000, 5_000, 0, 999]
    assert margin.cents_.tolist() == [3_200, 4_000, 0, 499]
    assert served.cents_.tolist() == [7_995, 3_795, -600, 999]
    both.fit(log, at=AT)
    assert both.cents_.tolist() == [3_195, 2_795, -600, 499]
    assert both.tiers()["tier"].tolist() == ["A", "A", "Z", "B"]
    assert both.score(log, at=AT).equals(both.tiers())


def test_newcomers_are_ranked_by_the_ends_that_were_learned() -> None:
    model = ValueTiers().fit(log_of([8_000, 1_500, 500]), at=AT)
    scored = model.score(log_of([9_000, 8_000, 7_999, 1_500, 1_499, 1, 0]), at=AT)
    assert scored["tier"].tolist() == ["A", "A", "B", "B", "C", "C", "Z"]


def test_the_curve_rises_above_its_end_and_comes_back() -> None:
    curve = ValueTiers().fit(log_of([300, 100, -200]), at=AT).concentration()
    assert curve["revenue_share"].tolist() == pytest.approx([0.0, 0.75, 1.0, 0.5])
    assert curve["customer_share"].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])


# Laws


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(MONEY)
def test_tiers_keep_their_laws(cents: list[int]) -> None:
    model = ValueTiers().fit(log_of(cents), at=AT)
    table, summary = model.tiers(), model.summary()
    assert model.cents_.tolist() == cents
    assert int(summary["cents"].sum()) == sum(cents)
    assert summary["customers"].sum() == len(cents)
    best_first = table.sort_values("contribution", ascending=False)
    assert best_first["tier"].tolist() == sorted(table["tier"])
    assert (table.groupby("contribution")[["tier", "decile"]].nunique() == 1).all().all()
    brings = table["contribution"] > 0
    assert ((table["tier"] == "Z") == ~brings).all()
    assert ((table["decile"] == 0) == ~brings).all()
    pd.testing.assert_frame_equal(model.score(log_of(cents), at=AT), table)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(MONEY.filter(lambda m: max(m) > 0), st.sampled_from([0.07, 0.5, 0.55, 0.57, 0.8, 0.95, 1.0]))
def test_the_share_that_makes_a_part_is_the_smallest_prefix(cents: list[int], part: float) -> None:
    number, share = ValueTiers().fit(log_of(cents), at=AT).share_that_makes(part)
    falling = sorted((c for c in cents if c > 0), reverse=True)
    wanted = Fraction(str(part)) * sum(falling)
    assert sum(falling[:number]) >= wanted > sum(falling[: number - 1])
    assert share == number / len(cents)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=60, unique=True))
def test_deciles_of_different_contributions_have_equal_sizes(cents: list[int]) -> None:
    decile = ValueTiers().fit(log_of(cents), at=AT).tiers()["decile"]
    sizes = decile.value_counts().reindex(range(1, 11), fill_value=0)
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-2, 3), min_size=2, max_size=30), st.integers(1, 35))
def test_of_equal_customers_the_top_has_the_first_identifier(cents: list[int], n: int) -> None:
    top = ValueTiers().fit(log_of(cents), at=AT).top(n)
    assert top.index.tolist() == sorted(range(1, len(cents) + 1), key=lambda i: (-cents[i - 1], i))[:n]


def test_row_order_changes_no_bit_and_no_cent_is_lost_with_costs() -> None:
    rows = simulate(300, days=300, seed=4).interactions
    rng = np.random.default_rng(0)
    rows["cost"] = np.where(
        rows["kind"] == "contact", np.nan, np.round(rows["amount"] * rng.uniform(0.3, 0.9, len(rows)), 4)
    )
    costs = {"email": 0.013, "shop": 1.5}
    model = ValueTiers(cost="cost", contact_costs=costs)
    at = rows["timestamp"].max() + pd.Timedelta(days=1)
    fitted = model.fit(InteractionLog.read(rows, keep=["cost"]), at=at)
    spent = rows["channel"].where(rows["kind"] == "contact").map(costs).fillna(0.0)
    money = (rows["amount"].fillna(0) - rows["cost"].fillna(0) - spent).groupby(rows["customer_id"]).sum()
    assert spent.sum() > 0
    assert np.abs(fitted.tiers()["contribution"] - money).max() <= 0.005 + 1e-9
    assert (
        int(fitted.summary()["cents"].sum())
        == int(fitted.cents_.sum())
        == round(fitted.tiers()["contribution"].sum() * 100)
    )
    shuffled = InteractionLog.read(rows.sample(frac=1, random_state=1), keep=["cost"])
    again = ValueTiers(cost="cost", contact_costs=costs).fit(shuffled, at=at)
    pd.testing.assert_frame_equal(again.tiers(), fitted.tiers(), check_exact=True)
    pd.testing.assert_frame_equal(again.concentration(), fitted.concentration(), check_exact=True)


# Bad inputs


@pytest.mark.parametrize(("cents", "at"), [([], AT), ([500, 300], "2024-01-01")])
def test_row_11_nobody_makes_no_tiers(cents: list[int], at: str) -> None:
    with pytest.raises(DataContractError, match=r"0 customers are known .* at least 2"):
        ValueTiers().fit(log_of(cents), at=at)


def test_row_13_one_row_makes_no_tiers() -> None:
    with pytest.raises(DataContractError, match=r"1 customers are known .* at least 2"):
        ValueTiers().fit(log_of([500]), at=AT)


def test_row_14_one_customer_makes_no_tiers() -> None:
    days = pd.to_datetime(["2024-01-01", "2024-02-01"])
    log = InteractionLog.read(pd.DataFrame({"customer_id": [1, 1], "timestamp": days, "amount": [1.0, 2.0]}))
    with pytest.raises(DataContractError, match=r"1 customers are known .* at least 2"):
        ValueTiers().fit(log, at=AT)


def test_row_72_one_customer_with_half_of_the_money_leaves_all_tiers_filled() -> None:
    rest = list(range(101, 201))
    model = ValueTiers().fit(log_of([sum(rest), *rest]), at=AT)
    summary = model.summary().set_index("tier")
    assert summary.index.tolist() == ["A", "B", "C"]
    assert summary["customers"].min() >= 5
    assert summary["revenue_share"].sum() == pytest.approx(1.0)
    assert model.share_that_makes(0.5) == (1, 1 / 101)  # and this is how one sees it
    assert model.tiers()["decile"].value_counts().between(10, 11).all()


def test_row_72_one_customer_with_nearly_all_of_the_money_is_seen_in_the_summary() -> None:
    summary = ValueTiers().fit(log_of([100_000, *[10] * 50]), at=AT).summary().set_index("tier")
    assert summary.loc["A", ["customers", "cents"]].tolist() == [1, 100_000]
    assert summary["customers"].to_dict() == {"A": 1, "C": 50}  # nobody is in B


def test_row_73_equal_amounts_are_one_tier_and_one_decile() -> None:
    model = ValueTiers().fit(log_of([700] * 25), at=AT)
    table = model.tiers()
    assert set(table["tier"]) == {"A"}
    assert set(table["decile"]) == {1}
    assert table.notna().all().all()
    assert model.summary()[["customers", "cents", "share"]].to_numpy().tolist() == [[25, 17_500, 1.0]]


def test_a_base_that_brings_nothing_is_one_tier() -> None:
    model = ValueTiers().fit(log_of([0, -100, 0]), at=AT)
    assert set(model.tiers()["tier"]) == {"Z"}
    assert int(model.summary()["cents"].sum()) == -100
    assert model.concentration().notna().all().all()
    with pytest.raises(DataContractError, match="of 0 customers"):
        model.share_that_makes()


def test_errors_say_what_is_wrong() -> None:
    log = log_of([100, 200])
    for shares in ((0.9, 0.8), (0.0, 0.5), (0.5, 1.1), (0.8,), (0.5, 0.8, 0.95), "ab", None):
        with pytest.raises(DataContractError, match="two rising shares"):
            ValueTiers(shares=shares).fit(log, at=AT)  # type: ignore[arg-type]
    for n in (0, -1):
        with pytest.raises(DataContractError, match=f"n is {n}"):
            ValueTiers().fit(log, at=AT).top(n)
    with pytest.raises(DataContractError, match=r"no column cost.*keep="):
        ValueTiers(cost="cost").fit(log, at=AT)
    with pytest.raises(DataContractError, match="no column cost, channel"):
        ValueTiers(cost="cost", contact_costs={"email": 1.0}).fit(log, at=AT)
    for price in (-1.0, np.nan, np.inf):
        with pytest.raises(DataContractError, match="no number of at least 0 on: email"):
            ValueTiers(contact_costs={"email": price}).fit(InteractionLog.read(rows_with_costs()), at=AT)
    with pytest.raises(DataContractError, match="part in"):
        ValueTiers().fit(log, at=AT).share_that_makes(0.0)
    with pytest.raises(DataContractError, match="does not fit 63 bits"):
        ValueTiers().fit(log_of([99 * 10**15] * 50), at=AT)


@pytest.mark.parametrize("wrong", [None, [], "log.csv", pd.DataFrame({"customer_id": [1]})])
def test_row_17_what_is_no_log_is_named(wrong: object) -> None:
    with pytest.raises(DataTypeError, match="history cannot be a"):
        ValueTiers().fit(wrong, at=AT)  # type: ignore[arg-type]
    with pytest.raises(DataTypeError, match="history cannot be a"):
        ValueTiers().fit(log_of([1, 2]), at=AT).score(wrong, at=AT)  # type: ignore[arg-type]


@pytest.mark.parametrize("ask", ["tiers", "summary", "shared", "concentration", "share_that_makes"])
def test_before_fit_there_is_nothing_to_tell(ask: str) -> None:
    with pytest.raises(NotFittedError, match="not fitted"):
        getattr(ValueTiers(), ask)()
    with pytest.raises(NotFittedError, match="not fitted"):
        ValueTiers().top(1)
    with pytest.raises(NotFittedError, match="not fitted"):
        ValueTiers().score(log_of([1, 2]), at=AT)


# What others may see


def test_row_134_a_small_tier_is_hidden_with_another_one_that_protects_it() -> None:
    model = ValueTiers().fit(log_of([100_000, *[1_000] * 14, *[10] * 30, *[0] * 40]), at=AT)
    assert model.summary()["customers"].tolist() == [1, 14, 30, 40]
    shared = model.shared()
    assert shared["tier"].tolist() == ["A", "B", "C", "Z"]
    figures = shared.drop(columns="tier")
    assert figures.isna().to_numpy().tolist() == [[True] * 4] * 2 + [[False] * 4] * 2
    assert shared["customers"].tolist()[2:] == [30, 40]
    assert shared["cents"].tolist()[2:] == [300, 0]
    assert model.shared(fewest=1).notna().all(axis=None)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(MONEY, st.integers(1, 20))
def test_row_134_no_small_tier_is_shown_and_none_can_be_worked_out(cents: list[int], fewest: int) -> None:
    model = ValueTiers().fit(log_of(cents), at=AT)
    true, shared = model.summary()["customers"], model.shared(fewest)
    shut = shared["customers"].isna()
    assert (shared.loc[~shut, "customers"] >= fewest).all()
    assert (shared.loc[~shut, "customers"] == true[~shut]).all()
    assert (shared[["cents", "share", "revenue_share"]].isna().all(axis=1) == shut).all()
    assert not shut.any() or shut.all() or (shut.sum() > 1 and true[shut].sum() >= fewest)


def test_a_notebook_shows_the_summary() -> None:
    assert "<table" in ValueTiers().fit(log_of([500, 300]), at=AT)._repr_html_()
    assert "<table" not in ValueTiers()._repr_html_()


# A window


def test_a_window_by_hand() -> None:
    """Rich long ago, and rich now; nothing but a return in the window; a purchase at the edge counts."""
    days = ["2020-01-01", "2024-02-01", "2023-01-01", "2024-02-01", "2024-01-31", "2024-01-30"]
    frame = pd.DataFrame(
        {"customer_id": [1, 2, 3, 3, 4, 5], "timestamp": pd.to_datetime(days), "amount": [99.0, 50, 40, -5, 7, 8]}
    )
    log = InteractionLog.read(frame, policies=Policies(), quiet=True)
    lifetime, recent = (ValueTiers(window=w).fit(log, at=AT).tiers() for w in ("all", "30d"))
    assert lifetime["contribution"].tolist() == [99.0, 50.0, 35.0, 7.0, 8.0]
    assert recent["contribution"].tolist() == [0.0, 50.0, -5.0, 7.0, 0.0]
    assert recent["tier"].tolist() == ["Z", "A", "Z", "B", "Z"]


def test_costs_are_those_of_the_window() -> None:
    rows = rows_with_costs()
    old = rows.assign(timestamp=pd.Timestamp("2022-01-01"))
    old.loc[0, "cost"] = np.nan  # a cost that is not known plays no part outside of the window
    log = InteractionLog.read(pd.concat([rows, old], ignore_index=True), keep=["cost"], policies=Policies(), quiet=True)
    costs = {"email": 0.05, "phone": 6.0}
    model = ValueTiers(cost="cost", contact_costs=costs, window="365d").fit(log, at=AT)
    assert model.cents_.tolist() == [3_195, 2_795, -600, 499]
    with pytest.raises(DataContractError, match="1 purchases or returns have no 'cost'"):
        ValueTiers(cost="cost", contact_costs=costs).fit(log, at=AT)


@pytest.mark.parametrize("window", ["a year", "0d", "-3d", "", 365, None])
def test_a_window_that_is_none_is_refused(window: object) -> None:
    with pytest.raises(DataContractError, match=r"duration|Windows are text"):
        ValueTiers(window=window).fit(log_of([1, 2]), at=AT)  # type: ignore[arg-type]


# Real data


def test_foodmart_profit_reconciles(data: Path) -> None:
    file = data / "foodmart" / "interactions.parquet"
    rows = pd.read_parquet(file)
    margin = (rows["amount"] - rows["cost"]).groupby(rows["customer_id"]).sum()
    model = ValueTiers(cost="cost").fit(InteractionLog.read(file, keep=["cost"]), at="1999-01-01")
    table, summary = model.tiers(), model.summary()
    assert table.index.tolist() == margin.index.tolist()
    assert np.abs(table["contribution"] - margin).max() <= 0.005 + 1e-9
    assert abs(summary["cents"].sum() / 100 - margin.sum()) <= 0.005 * len(margin)
    assert int(summary["cents"].sum()) == int(np.rint(table["contribution"] * 100).sum())
    assert summary["customers"].sum() == rows["customer_id"].nunique()
    falling = np.sort(model.cents_.to_numpy())[::-1]
    number = model.share_that_makes()[0]
    assert falling[:number].sum() * 10 >= falling.sum() * 8 > falling[: number - 1].sum() * 10
    plain = ValueTiers().fit(InteractionLog.read(file), at="1999-01-01")
    assert 0.3 < summary["cents"].sum() / plain.summary()["cents"].sum() < 0.9


def test_a_purchase_without_cost_is_no_pure_margin() -> None:
    frame = pd.DataFrame(
        {
            "customer_id": [1, 2, 3],
            "timestamp": pd.to_datetime(["2024-01-01"] * 3),
            "amount": [5.0, 4, 3],
            "cost": [1.0, None, 2],
        }
    )
    with pytest.raises(DataContractError, match="1 purchases or returns have no 'cost'"):
        ValueTiers(cost="cost").fit(InteractionLog.read(frame, keep=["cost"]), at="2024-02-01")


def test_a_channel_without_contacts_is_named() -> None:
    frame = pd.DataFrame(
        {
            "customer_id": [1, 2, 3],
            "timestamp": pd.to_datetime(["2024-01-01"] * 3),
            "amount": [5.0, 4, 3],
            "channel": "web",
        }
    )
    with pytest.warns(DataContractWarning, match="No contact before the instant on: phnoe"):
        ValueTiers(contact_costs={"phnoe": 1.0}).fit(InteractionLog.read(frame), at="2024-02-01")
