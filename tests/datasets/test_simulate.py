"""Simulated customers: the laws they were made with can be found again."""

import hashlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from crmintel.datasets import World, iter_simulate, simulate, simulate_to

pytestmark = pytest.mark.slow  # `make check` stays under 90 seconds without them

T, D = pd.Timestamp, pd.Timedelta


@pytest.fixture(scope="module")
def shop():
    return simulate(20_000, seed=3)


@pytest.fixture(scope="module")
def quiet():
    """Without promotions and returns."""
    return simulate(20_000, seed=3, promotion_share=0.0, return_rate=0.0)


def orders(simulation):
    """One row an order: customer_id, timestamp."""
    bought = simulation.interactions.query("kind == 'purchase'")
    return bought.drop_duplicates("order_id")[["order_id", "customer_id", "timestamp"]]


def count(simulation, start, end):
    """Orders of each customer in [start, end), as an array in the order of the truth."""
    seen = orders(simulation)
    seen = seen[(seen["timestamp"] >= start) & (seen["timestamp"] < end)]
    return seen.groupby("customer_id").size().reindex(simulation.truth["customer_id"], fill_value=0).to_numpy()


def lived(simulation):
    """The truth beside each interaction."""
    return simulation.interactions.merge(simulation.truth, on="customer_id")


def near(draws, truth, standard_errors=4.0):
    """Whether the mean of the differences is zero within its error."""
    difference = np.asarray(draws) - np.asarray(truth)
    return abs(difference.mean()) < standard_errors * difference.std() / np.sqrt(len(difference))


def test_one_customer_with_everything_switched_off_by_hand():
    world = simulate(
        1_000, days=10, present_share=0.0, orders_a_year=1e-9, promotion_share=0.0, lines_per_order=1,
        line_noise=0.0, basket_spread=0.0, mean_basket=13.0, return_rate=0.0,
    )  # fmt: skip
    seen = world.interactions
    assert len(seen) == 1_000  # the first order of each, and nothing else
    assert seen["timestamp"].tolist() == world.truth["arrival"].tolist()
    assert set(seen["unit_price"]) == {10.0}  # 13 an order for 1.3 units
    assert (seen["amount"] == 10 * seen["quantity"]).all()


def test_the_tables_have_the_promised_columns_and_types(shop):
    seen = shop.interactions
    assert seen.columns.tolist() == [
        "customer_id", "timestamp", "kind", "item_id", "category", "quantity", "unit_price", "amount", "channel",
        "order_id",
    ]  # fmt: skip
    assert str(seen["timestamp"].dtype) == "datetime64[us]"
    assert str(seen["customer_id"].dtype) == "int64"
    assert shop.promotions.columns.tolist() == ["promotion_id", "at", "customer_id", "treated", "propensity"]
    assert shop.truth["customer_id"].tolist() == list(range(1, 20_001))
    assert seen[["customer_id", "timestamp"]].equals(seen[["customer_id", "timestamp"]].sort_values(
        ["customer_id", "timestamp"], kind="stable"
    ))  # fmt: skip
    assert not seen.duplicated().any()
    assert repr(shop).startswith("Simulation(customers=20,000, interactions=")


def test_nothing_happens_before_arrival_after_churn_or_outside_the_log(shop):
    rows = lived(shop)
    assert (rows["timestamp"] >= rows["arrival"]).all()
    active = rows[rows["kind"] != "contact"]
    assert ((active["timestamp"] < active["churned_at"]) | active["churned_at"].isna()).all()
    assert rows["timestamp"].between(T("2023-01-01"), T("2024-12-31"), inclusive="left").all()
    assert (shop.truth["churned_at"].dropna() < shop.world.end).all()


def test_a_newcomer_orders_on_arrival(shop):
    first = orders(shop).groupby("customer_id")["timestamp"].min()
    newcomers = shop.truth[shop.truth["arrival"] > T("2023-01-01")].set_index("customer_id")
    assert (first.reindex(newcomers.index) == newcomers["arrival"]).all()
    assert len(newcomers) / 20_000 == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("regularity", [1, 4])
def test_mean_orders_are_those_of_the_true_rates(regularity):
    world = simulate(
        10_000, seed=1, present_share=1.0, churn_a_year=0.0, promotion_share=0.0, regularity=regularity, days=365
    )
    seen = count(world, T("2023-01-01"), T("2024-01-01"))
    truth = world.truth["orders_per_day"] * 365
    assert near(seen, truth)
    assert world.truth["orders_per_day"].mean() * 365.25 == pytest.approx(12, rel=0.05)
    # Of Erlang-k gaps the number of orders varies about 1/k as much as that of Poisson.
    often = truth > 12
    ratio = np.mean((seen - truth)[often] ** 2) / truth[often].mean()
    assert ratio == pytest.approx(1.0 if regularity == 1 else 1 / regularity + 0.02, abs=0.08)


def test_the_share_of_customers_who_left_is_that_of_the_true_hazards():
    world = simulate(20_000, seed=2, present_share=1.0, days=365, churn_a_year=0.7)
    gone = world.truth["churned_at"].notna()
    assert near(gone, 1 - np.exp(-365 * world.truth["churn_per_day"]))
    # Of a gamma mixture (Lomax): 1 - (1 + 0.7 / 1.5 * t)^-1.5 of a year.
    assert gone.mean() == pytest.approx(1 - (1 + 0.7 / 1.5 * 365 / 365.25) ** -1.5, abs=0.015)


def test_baskets_have_the_true_mean(quiet):
    money = quiet.interactions.groupby("order_id")["amount"].sum()
    seen = orders(quiet).set_index("order_id")
    truth = quiet.truth.set_index("customer_id")["mean_basket"].reindex(seen["customer_id"]).to_numpy()
    assert near(money.reindex(seen.index), truth)


def test_money_is_whole_cents(shop):
    bought = shop.interactions.dropna(subset=["amount"])
    cents = bought["amount"] * 100
    assert np.allclose(cents, cents.round(), atol=1e-6)
    assert np.allclose(bought["amount"], bought["quantity"] * bought["unit_price"], atol=1e-9)


def test_customers_prefer_their_top_category(shop):
    rows = lived(shop).query("kind == 'purchase'")
    assert (rows["category"] == rows["top_category"]).mean() > 0.4
    assert (rows["category"].str[-2:].astype(int) == (rows["item_id"].str[-5:].astype(int) - 1) // 40 + 1).all()


def test_orders_follow_the_seasons(quiet):
    world = simulate(5_000, seed=8, present_share=1.0, churn_a_year=0.0, promotion_share=0.0, yearly=0.5, weekly=0.5)
    seen = orders(world)["timestamp"]
    months = seen.dt.month.value_counts()
    days = seen.dt.day_of_week.value_counts()
    assert months[12] / months[6] == pytest.approx(3.0, rel=0.15)  # (1 + 0.5) / (1 - 0.5)
    assert days[5] / days[0] == pytest.approx(1.5 / 0.6, rel=0.1)
    assert (orders(quiet)["timestamp"].dt.hour < 7).mean() < 0.05


def test_returns_are_negative_and_come_after_their_purchase(shop):
    back = shop.interactions.query("kind == 'return'")
    bought = shop.interactions.query("kind == 'purchase'")
    pairs = back.merge(bought, on=["order_id", "item_id", "customer_id"], suffixes=("", "_bought"), how="left")
    assert len(pairs) == len(back)
    assert (pairs["timestamp"] > pairs["timestamp_bought"]).all()
    assert (pairs["quantity"] == -pairs["quantity_bought"]).all()
    assert (pairs["amount"] == -pairs["amount_bought"]).all()
    assert (back["quantity"] < 0).all()
    assert (back["unit_price"] > 0).all()


def test_the_rate_of_returns_is_the_stated_one():
    world = simulate(5_000, seed=4, present_share=1.0, churn_a_year=0.0, return_rate=0.2, return_days=1.0)
    kinds = world.interactions["kind"].value_counts()
    assert kinds["return"] / kinds["purchase"] == pytest.approx(0.2, rel=0.03)


def test_contacts_are_those_who_were_treated_at_random(shop):
    offered = shop.promotions
    contacts = shop.interactions.query("kind == 'contact'")[["customer_id", "timestamp"]]
    treated = offered[offered["treated"]].sort_values(["customer_id", "at"])[["customer_id", "at"]]
    assert (contacts.to_numpy() == treated.to_numpy()).all()
    assert near(offered["treated"], offered["propensity"])
    assert (offered["at"] > offered["customer_id"].map(shop.truth.set_index("customer_id")["arrival"])).all()
    share = offered.groupby("customer_id")["treated"].mean().reindex(shop.truth["customer_id"])
    assert np.allclose(share, shop.truth["treated_share"], equal_nan=True)


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.5, 1.0, 2.0])
def test_the_effect_of_promotions_is_recovered_from_the_randomised_contacts(effect):
    world = simulate(15_000, seed=6, promotion_effect=effect, churn_a_year=0.0, present_share=1.0, days=400)
    offered = world.promotions.merge(world.truth, on="customer_id")
    seen = orders(world).sort_values("timestamp")
    window = pd.merge_asof(seen, offered.sort_values("at")[["customer_id", "at", "promotion_id"]],
                           left_on="timestamp", right_on="at", by="customer_id", tolerance=D(days=14))  # fmt: skip
    found = window.groupby(["customer_id", "promotion_id"]).size()
    keys = pd.MultiIndex.from_frame(offered[["customer_id", "promotion_id"]])
    number, treated = found.reindex(keys, fill_value=0).to_numpy(), offered["treated"].to_numpy()
    rate = offered["orders_per_day"].to_numpy()
    true = np.average(offered["promotion_effect"], weights=rate)
    ratio = number[treated].mean() / number[~treated].mean()
    error = ratio * np.sqrt(sum(number[g].var() / g.sum() / number[g].mean() ** 2 for g in (treated, ~treated)))
    assert abs(ratio - true) < 4 * error
    assert error < 0.05


@pytest.mark.slow
def test_promotions_change_nothing_outside_their_windows(quiet):
    world = simulate(20_000, seed=3, promotion_effect=3.0, return_rate=0.0)
    early = T("2023-03-02")  # the first campaign
    assert (count(world, world.world.start, early) == count(quiet, world.world.start, early)).all()
    assert world.truth.drop(columns=["promotion_effect", "treated_share"]).equals(
        quiet.truth.drop(columns=["promotion_effect", "treated_share"])
    )


@pytest.mark.parametrize("at", ["2023-06-01", "2024-01-01", "2024-09-15 13:00"])
def test_the_true_chance_to_buy_is_what_happens(quiet, at):
    at, horizon = T(at), D(days=45)
    chance, mean = quiet.purchase_probability(at, horizon), quiet.expected_orders(at, horizon)
    known = chance.notna().to_numpy()
    assert known.tolist() == (quiet.truth["arrival"] < at).tolist()
    seen = count(quiet, at, at + horizon)
    assert near((seen > 0)[known], chance[known])
    assert near(seen[known], mean[known])
    for low, high in [(0.0001, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)]:
        group = chance.between(low, high).to_numpy()
        assert near((seen > 0)[group], chance[group])
    left = (quiet.truth["churned_at"] <= at).to_numpy()
    assert (chance[left] == 0).all()
    assert (mean[left] == 0).all()


@pytest.mark.slow
def test_the_true_chance_also_holds_for_regular_customers():
    world = simulate(20_000, seed=5, regularity=3, present_share=1.0, promotion_share=0.0)
    chance = world.purchase_probability("2023-07-01", D(days=30))
    assert near(count(world, T("2023-07-01"), T("2023-07-31")) > 0, chance)


def test_the_true_chance_counts_on_customers_leaving():
    world = simulate(20_000, seed=5, churn_a_year=5.0, promotion_share=0.0)
    at, horizon = T("2023-03-01"), D(days=60)
    chance, mean = world.purchase_probability(at, horizon), world.expected_orders(at, horizon)
    known = chance.notna().to_numpy()
    seen = count(world, at, at + horizon)
    assert near((seen > 0)[known], chance[known])
    assert near(seen[known], mean[known])


def test_a_regular_newcomer_waits_a_whole_gap_for_the_second_order():
    world = simulate(
        3_000, seed=2, present_share=0.0, regularity=3, orders_a_year=100.0, rate_shape=9.0, churn_a_year=0.0,
        promotion_share=0.0, yearly=0.0, weekly=0.0, days=200,
    )  # fmt: skip
    seen = orders(world).set_index("customer_id")["timestamp"].groupby("customer_id")
    gap = (seen.nth(1) - seen.nth(0)) / D(days=1)
    early = world.truth[world.truth["arrival"] < T("2023-04-01")].set_index("customer_id")
    waited = gap.reindex(early.index) * early["orders_per_day"]
    assert waited.mean() == pytest.approx(1.0, abs=0.06)
    assert waited.var() == pytest.approx(1 / 3, abs=0.06)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    def digest(name, seed):
        folder = simulate_to(tmp_path / name, 1_500, seed=seed, days=100)
        files = sorted(p for p in folder.rglob("*.parquet"))
        return [hashlib.sha256(p.read_bytes()).hexdigest() for p in files]

    assert digest("a", 1) == digest("b", 1)
    assert not set(digest("c", 2)) & set(digest("d", 1))


def test_blocks_together_equal_all_at_once(tmp_path):
    whole = simulate(3_400, seed=7, days=200)
    parts = list(iter_simulate(3_400, block=2_000, seed=7, days=200))
    assert [len(p.truth) for p in parts] == [2_000, 1_400]
    folder = simulate_to(tmp_path / "world", 3_400, block=1_000, seed=7, days=200)
    for name in ("interactions", "truth", "promotions"):
        expected = getattr(whole, name)
        pd.testing.assert_frame_equal(pd.concat([getattr(p, name) for p in parts], ignore_index=True), expected)
        path = folder / (name if name == "interactions" else f"{name}.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(path), expected)
    assert len(list((folder / "interactions").iterdir())) == 4


def test_the_first_customers_are_the_same_whatever_the_number():
    few, many = simulate(10, seed=1, days=100), simulate(1_200, seed=1, days=100)
    kept = many.interactions[many.interactions["customer_id"] <= 10].reset_index(drop=True)
    pd.testing.assert_frame_equal(few.interactions, kept)
    pd.testing.assert_frame_equal(few.truth, many.truth.head(10))


def test_the_log_reads_without_a_complaint():
    world = simulate(300, days=200)
    log = world.log(timezone="Europe/Berlin")
    assert len(log) == len(world.interactions)


def test_extremes_work():
    assert simulate(5, days=1).promotions.empty
    assert simulate(5, days=30, churn_a_year=0.0).truth["churned_at"].isna().all()
    assert simulate(5, days=30, categories=1, items_per_category=1).interactions["item_id"].dropna().nunique() <= 1
    assert len(simulate(200, days=60, churn_a_year=1e6, present_share=0.0).interactions) >= 200


def test_progress_is_silent_unless_asked_for(tmp_path, capsys):
    simulate_to(tmp_path / "a", 10, days=5)
    assert capsys.readouterr() == ("", "")
    simulate_to(tmp_path / "b", 10, days=5, progress=True)
    assert "10 of 10 customers" in capsys.readouterr().err


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(FileExistsError, match="is not empty"):
        simulate_to(tmp_path, 10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulate(0), "at least one customer"),
        (lambda: simulate(5, seed=-1), "seed -1"),
        (lambda: iter_simulate(5, block=1_500), "multiple of 1,000"),
        (lambda: simulate(5, return_rate=1.5), "return_rate is 1.5. Pass a number from 0 to 1"),
        (lambda: simulate(5, orders_a_year=0), "orders_a_year is 0. Pass a number above 0"),
        (lambda: simulate(5, churn_a_year=-1), "of at least 0"),
        (lambda: simulate(5, lines_per_order=0.5), "of at least 1"),
        (lambda: simulate(5, promotion_window_days=90), "would overlap"),
        (lambda: World(start=T("2023-01-01 05:00")), "Pass a midnight"),
        (lambda: simulate(5).purchase_probability("2020-01-01", D(days=30)), "or later"),
    ],
)
def test_impossible_worlds_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
def test_a_million_customers_fit_into_a_gigabyte_and_a_half(tmp_path):
    code = (
        "import resource, sys; from crmintel.datasets import simulate_to; "
        "simulate_to(sys.argv[1], 1_000_000); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "world")], capture_output=True, text=True, check=True, timeout=600
    )
    assert int(done.stdout) * 1024 < 1.5e9
