"""What a promotion changed, and whether that may be called its effect."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crmintel.actions import PromotionEffect, promotion_effect
from crmintel.datasets import Simulation, simulate
from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog

START, END = pd.Timestamp("2024-02-01"), pd.Timestamp("2024-02-11")
ORDERS = {  # in each ten days from 2 January on: three periods before, the promotion, ten days after
    True: [1, 1, 1, 3, 0],
    False: [1, 1, 1, 2, 1],
}


def log_of(orders: dict[bool, list[int]], n: int = 30, **options: Any) -> InteractionLog:
    """Customers 0, 2, ... have the promotion; one in five of each group orders twice as often."""
    rows = []
    for who in range(2 * n):
        for period, count in enumerate(orders[who % 2 == 0]):
            for k in range(count * (2 if who % 10 < 2 else 1)):
                time = START + pd.Timedelta(days=10 * (period - 3) + 1, hours=k)
                item = "tea" if period == 3 and who % 2 == 0 and k % 3 else "cup"
                rows.append((who, time, f"{who}-{period}-{k}", item, 10.0))
    rows += [(who, pd.Timestamp("2024-01-01"), f"{who}", "cup", 1.0) for who in range(2 * n)]
    rows.append((0, pd.Timestamp(options.pop("ends", "2024-03-31")), "last", "cup", 1.0))
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "order_id", "item_id", "amount"])
    return InteractionLog.read(frame, quiet=True)


TREATED = list(range(0, 60, 2))


def cell(found: PromotionEffect, what: str, when: str, how: str = "with") -> pd.Series:
    table = found.table
    kept = table[(table["what"] == what) & (table["when"] == when) & table["how"].str.startswith(how)]
    assert len(kept) == 1
    return kept.iloc[0]


def test_a_pencil_finds_the_same_figures() -> None:
    """One in five doubles, so 1.2 times each count: +1.2 orders during, −1.2 after, nothing together."""
    found = promotion_effect(log_of(ORDERS), TREATED, START, END, items=["tea"])
    for how in ("with", "change"):
        assert cell(found, "orders", "during", how)["difference"] == pytest.approx(1.2)
        assert cell(found, "orders", "after", how)["difference"] == pytest.approx(-1.2)
        assert cell(found, "orders", "during and after", how)["difference"] == pytest.approx(0, abs=1e-12)
        assert cell(found, "money", "during", how)["difference"] == pytest.approx(12)
    row = cell(found, "orders", "during")
    assert (row["mean"], row["control_mean"]) == pytest.approx((3.6, 2.4))
    assert (row["treated"], row["controls"]) == (30, 30)
    assert "only brought forward" in found.statement
    halo = cell(found, "orders of other items", "during")
    assert (halo["mean"], halo["control_mean"]) == pytest.approx((0.8 * 1 + 0.2 * 2, 2.4))


def test_the_interval_is_welch_s_over_customers() -> None:
    row = cell(promotion_effect(log_of(ORDERS), TREATED, START, END), "orders", "during")
    a, b = (np.array([c * (2 if k % 5 == 0 else 1) for k in range(30)], float) for c in (3, 2))
    error = np.sqrt(a.var(ddof=1) / 30 + b.var(ddof=1) / 30)
    assert (row["high"] - row["low"]) / 2 == pytest.approx(2.0 * error, rel=0.02)


def test_groups_that_differ_but_move_alike_have_equal_changes() -> None:
    found = promotion_effect(log_of({True: [3, 3, 3, 4, 4], False: [1, 1, 1, 2, 2]}), TREATED, START, END)
    assert cell(found, "orders", "during", "with")["difference"] == pytest.approx(2.4)
    assert cell(found, "orders", "during", "change")["difference"] == pytest.approx(0, abs=1e-12)
    assert cell(found, "orders", "during and after", "change")["difference"] == pytest.approx(0, abs=1e-12)
    assert found.headline().value == pytest.approx(0, abs=1e-12)
    assert "No different trend is seen" in found.statement


def test_groups_that_moved_apart_before_cannot_be_compared() -> None:
    found = promotion_effect(log_of({True: [1, 2, 4, 6, 6], False: [2, 2, 2, 2, 2]}), TREATED, START, END)
    assert not found.trends["parallel"].any()
    assert found.earlier.loc[found.earlier["what"] == "orders", "difference"].tolist() == pytest.approx([1.2, 2.4])
    assert "They moved differently before it, too (orders, money)" in found.statement


def test_without_propensities_nothing_is_called_an_effect() -> None:
    blind = promotion_effect(log_of(ORDERS), TREATED, START, END)
    drawn = promotion_effect(log_of(ORDERS), TREATED, START, END, propensity=0.5)
    assert (blind.causal, drawn.causal) == (False, True)
    assert blind.statement.startswith("Not causal:")
    assert "hold out a random part" in blind.statement
    assert "difference (not causal)" in repr(blind)
    assert "Not causal" not in repr(drawn) + drawn._repr_html_()
    assert drawn.headline().method != blind.headline().method
    pd.testing.assert_frame_equal(blind.table, drawn.table)


def test_customers_who_came_later_are_left_out() -> None:
    frame = log_of(ORDERS).to_pandas()
    late = frame[frame["customer_id"] < 10].assign(
        customer_id=lambda f: f["customer_id"] + 1000, order_id=lambda f: "late" + f["order_id"].astype(str)
    )
    late = late[late["timestamp"].dt.tz_localize(None) > START + pd.Timedelta(hours=1)]
    both = InteractionLog.read(
        pd.concat([frame, late])[["customer_id", "timestamp", "order_id", "item_id", "amount"]], quiet=True
    )
    found = promotion_effect(both, [*TREATED, 1000, 1002], START, END)
    pd.testing.assert_frame_equal(found.table, promotion_effect(log_of(ORDERS), TREATED, START, END).table)


def test_changes_are_of_customers_who_were_there_in_all_earlier_periods() -> None:
    frame = log_of(ORDERS).to_pandas()
    new = frame[frame["customer_id"] < 10].copy()
    new["customer_id"] += 1000
    new["order_id"] = "new" + new["order_id"].astype(str)
    new = new[new["timestamp"].dt.tz_localize(None) > START - pd.Timedelta(days=20)]
    columns = ["customer_id", "timestamp", "order_id", "item_id", "amount"]
    log = InteractionLog.read(pd.concat([frame, new])[columns], quiet=True)
    found = promotion_effect(log, [*TREATED, 1000, 1002], START, END)
    assert tuple(cell(found, "orders", "during", "with")[["treated", "controls"]]) == (32, 38)
    assert tuple(cell(found, "orders", "during", "change")[["treated", "controls"]]) == (30, 30)


def test_a_log_that_ends_with_the_promotion_tells_nothing_of_later() -> None:
    found = promotion_effect(log_of({k: v[:4] for k, v in ORDERS.items()}, ends="2024-02-11"), TREATED, START, END)
    assert set(found.table["when"]) == {"during"}
    assert "ends too early" in found.statement


def test_one_earlier_period_shows_no_trend() -> None:
    found = promotion_effect(log_of(ORDERS), TREATED, START, END, before=1)
    assert len(found.trends) == len(found.earlier) == 0
    assert "One earlier period cannot show" in found.statement


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"treated": [0, 2, 4]}, "3 treated and 57 controls"),
        ({"treated": list(range(60))}, "60 treated and 0 controls"),
        ({"controls": TREATED}, "30 customers are both"),
        ({"treated": list(range(5000, 5030))}, "30 of 30 treated"),
        ({"propensity": 1.0}, "propensity"),
        ({"propensity": pd.Series(0.5, index=[0, 1])}, "58 of 60"),
        ({"propensity": 0.1}, "it was not given with these propensities"),
        ({"before": 9}, "before asks for 9"),
        ({"before": 0}, "before is 0"),
        ({"end": START}, "ends before it starts"),
        ({"level": 0.05}, "level"),
        ({"treated": [str(i) for i in TREATED]}, "dtype"),
    ],
)
def test_what_cannot_be_measured_is_refused(change: dict[str, Any], named: str) -> None:
    options = {"treated": TREATED, "start": START, "end": END} | change
    with pytest.raises(DataContractError, match=re.escape(named)):
        promotion_effect(log_of(ORDERS), options.pop("treated"), options.pop("start"), options.pop("end"), **options)


def test_a_figure_that_is_not_there_is_named() -> None:
    with pytest.raises(DataContractError, match="orders of other items"):
        promotion_effect(log_of(ORDERS), TREATED, START, END).headline("orders of other items")


# simulated promotions, whose truth is known: the same customers without the effect of the promotion


def sent(world: Simulation, number: int = 3) -> tuple[pd.DataFrame, pd.Timestamp, pd.Timestamp]:
    rows = world.promotions[world.promotions["promotion_id"] == number].set_index("customer_id")
    start = rows["at"].iloc[0]
    return rows, start, start + pd.Timedelta(days=14)


def truth(with_: Simulation, without: Simulation, start: pd.Timestamp, end: pd.Timestamp, who: pd.Index) -> float:
    counts = []
    for world in (with_, without):
        rows = world.interactions
        inside = (rows["kind"] == "purchase") & (rows["timestamp"] >= start) & (rows["timestamp"] < end)
        counts.append(rows.loc[inside & rows["customer_id"].isin(who), "order_id"].nunique())
    return (counts[0] - counts[1]) / len(who)


def test_a_simulated_promotion_is_measured() -> None:
    worlds = [simulate(4000, days=240, promotion_effect=e, promotion_spread=0.0, seed=5) for e in (2.0, 1.0)]
    rows, start, end = sent(worlds[0])
    log = worlds[0].log(quiet=True)
    found = promotion_effect(log, rows["treated"], start, end, propensity=rows["propensity"])
    there = rows.index[rows["treated"]].intersection(log.before(start).customers)
    real = truth(worlds[0], worlds[1], start, end, there)
    assert found.headline().low < real < found.headline().high
    assert found.headline().low > 0.1
    assert found.trends["parallel"].all()
    assert cell(found, "orders", "after")["p"] > 0.01


def test_a_promotion_for_those_who_buy_anyway_looks_good_and_is_called_not_causal() -> None:
    world = simulate(3000, days=240, promotion_effect=1.0, promotion_spread=0.0, promotion_share=0.0, seed=2)
    start = pd.Timestamp("2023-07-01")
    log = world.log(quiet=True)
    recent = world.interactions.query("kind == 'purchase' and timestamp < @start and timestamp >= '2023-06-01'")
    found = promotion_effect(log, recent["customer_id"].unique(), start, start + pd.Timedelta(days=14))
    assert cell(found, "orders", "during")["low"] > 0  # chosen, not changed
    assert not found.trends["parallel"].all()
    assert "Not causal" in found.statement
    assert "moved differently" in found.statement


@pytest.mark.slow
def test_propensities_that_vary_are_weighed() -> None:
    """Frequent buyers get it more often: the plain difference is off, the weighted one is not."""
    held, plain = [], []
    for seed in range(30):
        world = simulate(2000, days=240, promotion_effect=1.0, promotion_spread=0.0, promotion_share=0.0, seed=seed)
        start = pd.Timestamp("2023-07-01")
        log = world.log(quiet=True)
        counts = (
            world.interactions.query("kind == 'purchase' and timestamp < @start")
            .groupby("customer_id")["order_id"]
            .nunique()
        )
        p = (0.2 + 0.1 * counts).clip(upper=0.8)
        got = pd.Series(np.random.default_rng(seed).random(len(p)) < p, index=p.index)
        for chance, out in ((p, held), (None, plain)):
            row = cell(
                promotion_effect(log, got, start, start + pd.Timedelta(days=14), propensity=chance), "orders", "during"
            )
            out.append(row["low"] <= 0 <= row["high"])
    assert np.mean(held) >= 0.88
    assert np.mean(plain) < 0.2


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = []
    for seed in range(60):
        worlds = [simulate(1500, days=240, promotion_effect=e, promotion_spread=0.0, seed=seed) for e in (2.0, 1.0)]
        rows, start, end = sent(worlds[0])
        log = worlds[0].log(quiet=True)
        found = promotion_effect(log, rows["treated"], start, end, propensity=rows["propensity"], before=1)
        there = rows.index.intersection(log.before(start).customers)
        real = truth(*worlds, start, end, there[rows.loc[there, "treated"]])
        held += [found.headline().low <= real <= found.headline().high]
    assert 0.9 <= np.mean(held) <= 1.0
