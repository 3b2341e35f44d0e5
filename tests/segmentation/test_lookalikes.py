"""Look-alike audiences: a curve by hand, planted and random lists, calibration, and one answer whatever the order."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from crmintel.errors import DataContractError, DataTypeError
from crmintel.segmentation import LookAlikes, look_alikes
from crmintel.segmentation.lookalikes import _curve

pytestmark = pytest.mark.slow  # `make check` stays under 90 seconds without them


def base(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "orders": rng.poisson(4, n).astype(float), "noise": rng.normal(size=n), "more_noise": rng.normal(size=n),
            "city": rng.choice(["Porto", "Łódź", "深圳", "Gent"], n), "member": rng.random(n) < 0.4,
        },
        index=rng.permutation(n) + 1_000,
    )  # fmt: skip
    table.loc[table.index[::7], "noise"] = np.nan
    table.loc[table.index[::11], "city"] = None
    return table


def planted(table: pd.DataFrame, seed: int = 0) -> tuple[pd.Index, pd.Series]:
    """A list on which members of one city with many orders are likely; and everybody's chance."""
    rng = np.random.default_rng(seed)
    score = -5.0 + 0.7 * table["orders"] + 2.0 * (table["city"] == "深圳") - 1.5 * table["member"]
    chance = 1 / (1 + np.exp(-score))
    return table.index[rng.random(len(table)) < chance], chance


@pytest.fixture(scope="module")
def found() -> tuple[LookAlikes, pd.DataFrame, pd.Index, pd.Series]:
    table = base(3_000, 1)
    seeds, chance = planted(table)
    return look_alikes(table, seeds), table, seeds, chance


# By hand


def test_a_curve_by_hand() -> None:
    """Ten customers, three on the list: the two most alike, and one of the four who share a similarity."""
    similarity = np.array([0.9, 0.8, 0.5, 0.5, 0.5, 0.5, 0.2, 0.2, 0.1, 0.1])
    y = np.array([True, True, False, False, True, False, False, False, False, False])
    curve = _curve(similarity, y).set_index("customers")
    assert curve.index.tolist() == [1, 2, 3, 5, 8, 10]
    assert curve["seeds_reached"].tolist() == pytest.approx([1 / 3, 2 / 3, 2.25 / 3, 2.75 / 3, 1, 1])
    assert curve["similarity"].tolist() == [0.9, 0.8, 0.5, 0.5, 0.2, 0.1]
    assert curve["random"].tolist() == curve["share"].tolist() == [0.1, 0.2, 0.3, 0.5, 0.8, 1.0]
    assert curve["lift"].tolist() == pytest.approx([10 / 3, 10 / 3, 2.5, 5.5 / 3, 1.25, 1])
    turned = _curve(similarity[::-1], y[::-1]).set_index("customers")
    pd.testing.assert_frame_equal(turned, curve)


# Planted and random lists


def test_a_planted_list_is_found() -> None:
    table = base(2_000, 2)
    seeds = table.index[(table["orders"] >= 7) & ~table["member"]]
    told = look_alikes(table, seeds)
    assert told.separation.low > 0.8
    assert told.better_than_random
    assert told.curve.set_index("share").loc[0.1, "lift"] > 3
    assert "better than random" in repr(told)
    assert "not proven" not in repr(told)


@pytest.mark.slow
def test_random_lists_are_not_proven_better_than_random() -> None:
    proven = 0
    for seed in range(6):
        table = base(300, seed)
        told = look_alikes(table, table.sample(60, random_state=seed).index, random_state=seed)
        proven += told.better_than_random
        assert told.customers["similarity"].mean() == pytest.approx(0.2, abs=1e-3)
    assert proven <= 1


def test_a_list_that_misleads_the_trees_makes_everybody_equally_alike() -> None:
    """Of every pair of twins one is on the list: whoever saw the one is misled about the other."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": np.repeat(rng.normal(size=150), 2)})
    told = look_alikes(table, table.index[::2])
    assert told.separation.value < 0.5
    assert np.allclose(told.customers["similarity"], 0.5)
    assert np.allclose(told.curve["lift"], 1.0)
    assert not told.better_than_random
    assert "not proven better than random" in repr(told)


def test_a_table_without_information_is_random() -> None:
    told = look_alikes(pd.DataFrame({"x": np.ones(200)}), range(40))
    assert told.separation.value == 0.5
    assert np.allclose(told.curve["lift"], 1.0)
    assert not told.better_than_random


# Calibration and the true chance


@pytest.mark.slow
def test_similarity_is_calibrated(found: tuple[LookAlikes, pd.DataFrame, pd.Index, pd.Series]) -> None:
    told, _, seeds, _ = found
    customers = told.customers
    assert customers["similarity"].mean() == pytest.approx(len(seeds) / len(customers), abs=1e-4)
    tenth = np.argsort(np.argsort(customers["similarity"].to_numpy())) * 10 // len(customers)
    by = customers.groupby(tenth).agg(p=("similarity", "mean"), share=("seed", "mean"), n=("seed", "size"))
    z = (by["share"] - by["p"]) / np.sqrt(by["p"] * (1 - by["p"]) / by["n"])
    assert np.abs(z).max() < 3.5
    assert by["p"].iloc[-1] > 10 * by["p"].iloc[0]


def test_similarity_is_near_the_true_chance(found: tuple[LookAlikes, pd.DataFrame, pd.Index, pd.Series]) -> None:
    told, _, _, chance = found
    similarity = told.customers["similarity"]
    truth = chance.reindex(similarity.index)
    assert np.corrcoef(similarity, truth)[0, 1] > 0.85
    assert np.abs(similarity - truth).mean() < 0.08


def test_the_curve_rises_to_the_whole_list(found: tuple[LookAlikes, pd.DataFrame, pd.Index, pd.Series]) -> None:
    curve = found[0].curve
    assert curve["seeds_reached"].is_monotonic_increasing
    assert curve["similarity"].is_monotonic_decreasing
    assert curve[["share", "seeds_reached", "lift"]].iloc[-1].tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert found[0].to_frame() is curve
    assert "<table" in found[0]._repr_html_()


def test_the_audience_leaves_the_list_out(found: tuple[LookAlikes, pd.DataFrame, pd.Index, pd.Series]) -> None:
    told, _, seeds, _ = found
    audience = told.audience(100)
    assert audience.columns.tolist() == ["similarity"]
    assert not audience.index.isin(seeds).any()
    others = told.customers[~told.customers["seed"]]["similarity"]
    best = sorted(others.items(), key=lambda pair: (-pair[1], pair[0]))[:100]
    assert list(audience["similarity"].items()) == best
    assert len(told.audience(10**6)) == len(others)
    for n in (0, -1):
        with pytest.raises(DataContractError, match=f"n is {n}"):
            told.audience(n)


# One answer


@pytest.mark.slow
def test_order_of_rows_columns_and_list_changes_no_bit() -> None:
    table = base(500, 4)
    seeds, _ = planted(table)
    told = look_alikes(table, seeds, random_state=3)
    for seed in range(2):
        rows = table.sample(frac=1, random_state=seed)
        again = look_alikes(rows[rows.columns[::-1]], [*seeds[::-1], *seeds[:5]], random_state=3)
        pd.testing.assert_frame_equal(again.customers, told.customers, check_exact=True)
        pd.testing.assert_frame_equal(again.curve, told.curve, check_exact=True)
        assert again.separation == told.separation


@pytest.mark.slow
def test_twin_columns_in_another_order_change_no_bit() -> None:
    table = base(400, 5)
    seeds, _ = planted(table)
    table["twin"] = table["orders"] * 2 + (np.arange(400) % 50 == 0)
    told = look_alikes(table, seeds)
    again = look_alikes(table[sorted(table.columns, reverse=True)], seeds)
    pd.testing.assert_frame_equal(again.customers, told.customers, check_exact=True)


def test_many_levels_are_read() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"town": rng.integers(0, 400, 1_000).astype(str), "x": rng.normal(size=1_000)})
    told = look_alikes(table, table.index[table["x"] > 1])
    assert told.separation.low > 0.8


# Errors


@pytest.mark.slow
def test_unknown_seeds_are_counted() -> None:
    table = base(200, 6)
    told = look_alikes(table, [*table.index[:30], -1, -2, -2])
    assert told.unknown == 2
    assert int(told.customers["seed"].sum()) == 30
    assert repr(told).startswith("LookAlikes of 30 seeds among 200 customers (2 more are not in the table): ")
    assert look_alikes(table, table.index[:30]).unknown == 0


def test_too_few_seeds_or_others_are_refused() -> None:
    table = base(100, 7)
    with pytest.raises(DataContractError, match=r"19 seeds and 81 others .*\(1 seeds are not\).*at least 20"):
        look_alikes(table, [*table.index[:19], -1])
    with pytest.raises(DataContractError, match="81 seeds and 19 others"):
        look_alikes(table, table.index[:81])
    with pytest.raises(DataContractError, match="0 seeds and 100 others"):
        look_alikes(table, [])
    look_alikes(table, table.index[:20])


def test_row_11_an_empty_table_is_refused() -> None:
    with pytest.raises(DataContractError, match="0 seeds and 0 others"):
        look_alikes(base(100, 7).iloc[:0], [1, 2])


def test_tables_that_cannot_be_read_are_refused() -> None:
    table = base(100, 8)
    with pytest.raises(DataContractError, match="101 rows of 100 customers"):
        look_alikes(pd.concat([table, table.iloc[:1]]), table.index[:30])
    with pytest.raises(DataContractError, match="no column"):
        look_alikes(table[[]], table.index[:30])
    with pytest.raises(DataContractError, match="2 columns of 1 names"):
        look_alikes(table[["orders", "orders"]], table.index[:30])
    with pytest.raises(DataTypeError, match="holds times"):
        look_alikes(table.assign(born=pd.Timestamp("2000-01-01")), table.index[:30])


@pytest.mark.parametrize("wrong", [None, [1, 2], "table.csv", pd.Series([1.0]), np.ones((3, 2))])
def test_row_17_what_is_no_table_is_named(wrong: object) -> None:
    with pytest.raises(DataTypeError, match="table of customers"):
        look_alikes(wrong, [1])


@pytest.mark.parametrize("wrong", [None, "1 2 3", 7, pd.DataFrame({"x": [1]})])
def test_row_17_seeds_that_are_no_list_are_named(wrong: object) -> None:
    with pytest.raises(DataTypeError, match="Seeds cannot be a"):
        look_alikes(base(100, 8), wrong)  # type: ignore[arg-type]


def test_infinite_values_are_named_by_column() -> None:
    table = base(100, 8)
    table.iloc[3, 0] = np.inf
    with pytest.raises(DataContractError, match="'orders' has 1 infinite"):
        look_alikes(table, table.index[:30])


@pytest.mark.slow
def test_tables_of_polars_and_arrow_tell_the_same() -> None:
    table = base(120, 9)[["orders", "noise"]]
    table.index.name = "customer_id"
    told, flat = look_alikes(table, table.index[:40]), table.reset_index()
    for other in (flat, pl.from_pandas(flat), pa.Table.from_pandas(flat)):
        again = look_alikes(other, table.index[:40])
        pd.testing.assert_frame_equal(again.customers, told.customers, check_exact=True)


# Real data


@pytest.mark.slow
def test_look_alikes_of_loyal_customers(data: Path) -> None:
    rows = pd.read_parquet(data / "smcrm" / "customerRetentionDemographics.parquet").set_index("customer")
    best = rows.index[rows["clv"] >= rows["clv"].quantile(0.8)]
    table = rows.drop(columns="clv")
    told = look_alikes(table, best)
    assert len(told.customers) == 500
    assert told.better_than_random
    assert told.curve.set_index("share").loc[0.2, "lift"] > 1.3
    shuffled = look_alikes(table, np.random.default_rng(0).permutation(table.index)[: len(best)])
    assert shuffled.separation.value < told.separation.low
