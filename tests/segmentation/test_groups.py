"""Groups of customers: answers a pencil can check, planted groups, clouds without any, and the laws they keep."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from benchmarks.worlds import CLOUDS, SHAPES, cloud, planted
from crmintel import InteractionLog, Policies
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.segmentation import RFM, CustomerGroups, rules
from crmintel.segmentation.kprototypes import Mixed, Prototypes, by_content, k_prototypes, prototypes_of, usual_gamma
from crmintel.segmentation.scaling import scale_of, spread_within_humps
from crmintel.segmentation.stability import overlap
from crmintel.segmentation.structure import NONE_FOUND, Copula, Structure

pytestmark = pytest.mark.slow  # `make check` stays under 90 seconds without them


def quick(n_groups: int | None = None, **options: Any) -> CustomerGroups:
    """Groups without the long questions."""
    return CustomerGroups(n_groups, **{"n_bootstraps": 3, "n_twins": 0, **options})


# ---- k-prototypes


def test_distances_by_hand() -> None:
    rows = Mixed(np.array([[0.0, 3.0]]), np.array([[0, 1], [2, -1]]))
    near = Prototypes(np.array([[1.0], [3.0]]), np.array([[0, 2], [1, -1]]), gamma=0.5).distances(rows)
    np.testing.assert_array_equal(near, [[1.0, 4.0 + 0.5 + 0.5], [9.0 + 0.5 + 0.5, 0.0 + 0.0 + 0.5]])


def test_prototypes_by_hand() -> None:
    rows = Mixed(np.array([[0.0, 2.0, 10.0, 11.0]]), np.array([[1, 0, 2, 2], [-1, -1, -1, 3]]))
    told = prototypes_of(rows, np.array([0, 0, 1, 1]), 2, gamma=1.0)
    np.testing.assert_array_equal(told.centres, [[1.0], [10.5]])
    np.testing.assert_array_equal(
        told.modes, [[0, -1], [2, 3]]
    )  # the lowest of equally frequent codes; missing is no mode


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(0, 2))
def test_no_row_is_nearer_to_another_prototype_and_no_cluster_is_empty(seed: int, k: int, categories: int) -> None:
    rng = np.random.default_rng(seed)
    rows = Mixed(rng.normal(size=(2, 40)), rng.integers(-1, 3, (categories, 40)))
    found = k_prototypes(rows, k, rng, starts=1)
    near = found.prototypes.distances(rows)
    np.testing.assert_array_equal(found.labels, near.argmin(axis=0))
    assert found.cost == pytest.approx(near.min(axis=0).sum())
    assert len(np.unique(found.labels)) == k


def test_more_starts_never_cost_more() -> None:
    table, _ = planted("round", 3, k=6)
    rows = Mixed(table.to_numpy().T.copy(), np.zeros((0, len(table)), np.int64))
    one, many = (k_prototypes(rows, 6, np.random.default_rng(1), starts=s) for s in (1, 8))
    assert many.cost <= one.cost
    assert many.cost == min(many.costs)


def test_a_sample_for_the_starts_ends_as_low_as_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    table, _ = planted("round", 4, n=4_000)
    rows = Mixed(table.to_numpy().T.copy(), np.zeros((0, len(table)), np.int64))
    whole = k_prototypes(rows, 4, np.random.default_rng(0))
    monkeypatch.setattr("crmintel.segmentation.kprototypes.SAMPLE", 500)
    assert k_prototypes(rows, 4, np.random.default_rng(0)).cost == pytest.approx(whole.cost, rel=1e-6)


def test_the_cost_is_no_higher_than_that_of_exhaustive_search() -> None:
    rng = np.random.default_rng(5)
    rows = Mixed(rng.normal(size=(1, 9)), rng.integers(0, 3, (1, 9)))
    gamma, best = usual_gamma(rows), np.inf
    for mask in range(1, 2**8):
        labels = np.array([mask >> i & 1 for i in range(9)])
        told = prototypes_of(rows, labels, 2, gamma).distances(rows)
        best = min(best, told[labels, np.arange(9)].sum())
    assert k_prototypes(rows, 2, rng, starts=20).cost == pytest.approx(best)


def test_equal_rows_have_equal_marks() -> None:
    rows = Mixed(np.array([[1.0, -0.0, 1.0, 0.0]]), np.array([[2, 1, 2, 1]]))
    order, different = by_content(rows)
    assert different == 2
    assert {tuple(sorted(order[:2])), tuple(sorted(order[2:]))} == {(0, 2), (1, 3)}


# ---- Scales


def test_money_is_drawn_in_and_a_round_column_is_not() -> None:
    rng = np.random.default_rng(0)
    money, plain = np.exp(rng.normal(3, 1, 999)), rng.normal(5, 1, 999)
    told, even = scale_of(money), scale_of(plain)
    assert told is not None
    assert told.log
    assert not told.humps
    assert even is not None
    assert not even.log
    assert np.median(told(money)) == pytest.approx(0, abs=1e-12)
    assert np.abs(even(np.array([1e9, -1e9]))).tolist() == [4.0, 4.0]
    assert even(np.array([np.nan])).tolist() == [0.0]


def test_two_humps_are_scaled_by_the_spread_within_them() -> None:
    rng = np.random.default_rng(0)
    humps = np.r_[rng.normal(0, 1, 500), rng.normal(8, 1, 500)]
    told = scale_of(humps)
    assert told is not None
    assert told.humps
    assert told.spread == pytest.approx(1.0, rel=0.1)
    assert np.ptp(told(humps)) > 8  # nobody is clipped
    assert spread_within_humps(np.sort(rng.normal(size=1000))) is None
    assert spread_within_humps(np.sort(np.r_[np.zeros(400), rng.normal(8, 1, 600)])) is None  # a spike is no hump


def test_a_column_with_one_value_is_left_out_with_a_word() -> None:
    table = pd.DataFrame({"a": [1.0, 2, 9, 8], "one": 5.0, "text": "x"})
    with pytest.warns(DataContractWarning, match="left out: one, text"):
        model = quick(2).fit(table)
    assert model.labels_[0] == model.labels_[1] != model.labels_[2] == model.labels_[3]


# ---- Stability and structure


def test_overlap_by_hand() -> None:
    base, other = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 0, 0, 0, 2])
    np.testing.assert_allclose(overlap(base, other, 3), [2 / 3, 2 / 3, 1.0])


def test_a_twin_has_the_same_columns_and_rank_correlations_and_other_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 2_000)
    rows = Mixed(np.exp(x.T), np.digitize(x[:, 0], [-1, 1])[None] * 2 - 1)
    twin = Copula.of(rows).twin(rng)
    np.testing.assert_array_equal(np.sort(twin.x), np.sort(rows.x))
    np.testing.assert_array_equal(np.sort(twin.codes), np.sort(rows.codes))
    assert not np.array_equal(twin.x, rows.x)
    ranks = [pd.DataFrame(r.x.T).corr("spearman").iloc[0, 1] for r in (rows, twin)]
    assert ranks[1] == pytest.approx(ranks[0], abs=0.05)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("categories", [0, 2])
def test_planted_groups_are_recovered(shape: str, categories: int) -> None:
    table, of = planted(shape, 3, categories=categories)
    assert adjusted_rand_score(of, quick(4).fit_predict(table)) >= 0.95


def test_their_number_is_found_and_they_are_stable() -> None:
    table, of = planted("round", 3, n=600)
    model = CustomerGroups(max_groups=6, n_bootstraps=6, n_twins=9).fit(table)
    assert model.n_groups_ == 4
    assert adjusted_rand_score(of, model.labels_) >= 0.95
    assert (model.groups_["verdict"] == "stable").all()
    assert model.choice_.set_index("groups")["chosen"].to_dict() == {k: k == 4 for k in range(2, 7)}
    assert model.structure_ is not None
    assert model.structure_.found
    assert model.verdict_.startswith("Cluster structure found: 4 groups are")


@pytest.mark.parametrize("kind", CLOUDS)
def test_a_cloud_is_reported_as_such(kind: str) -> None:
    told = CustomerGroups(2, n_bootstraps=1, n_twins=15).fit(cloud(kind, 1, 400)).structure_
    assert told is not None
    assert not told.found
    assert told.sentence(2) == NONE_FOUND


@pytest.mark.slow
def test_clouds_are_reported_as_such_in_95_of_100_seeds() -> None:
    found = [
        CustomerGroups(2, n_bootstraps=1, n_init=1).fit(cloud(CLOUDS[seed % len(CLOUDS)], seed)).structure_
        for seed in range(100)
    ]
    assert sum(t is not None and t.found for t in found) <= 5


@pytest.mark.slow
def test_groups_planted_with_categories_only_are_found_too() -> None:
    rng = np.random.default_rng(0)
    of = rng.integers(2, size=400)
    table = pd.DataFrame({f"c{j}": np.where(rng.random(400) < 0.9, of, 1 - of).astype(str) for j in range(5)})
    model = quick(2).fit(table)
    assert adjusted_rand_score(of, model.labels_) > 0.9


# ---- Laws


@pytest.mark.parametrize("categories", [0, 1])
def test_shuffled_rows_give_the_same_bits(categories: int) -> None:
    table, _ = planted("money", 5, categories=categories, n=300)
    table.loc[::7, "b"] = np.nan
    order = np.random.default_rng(1).permutation(len(table))
    one, other = (CustomerGroups(max_groups=5, n_bootstraps=3, n_twins=4).fit(t) for t in (table, table.iloc[order]))
    np.testing.assert_array_equal(one.labels_[order], other.labels_)
    assert one.prototypes_.centres.tobytes() == other.prototypes_.centres.tobytes()
    pd.testing.assert_frame_equal(one.choice_, other.choice_, check_exact=True)
    pd.testing.assert_frame_equal(one.groups_, other.groups_, check_exact=True)


def test_new_customers_are_assigned_as_in_the_batch() -> None:
    table, _ = planted("round", 2, categories=2, n=300)
    model = quick(4).fit(table)
    np.testing.assert_array_equal(model.predict(table), model.labels_)
    alone = [model.predict(table.iloc[[i]])[0] for i in range(0, 300, 17)]
    np.testing.assert_array_equal(alone, model.labels_[::17])
    strange = table.head(2).assign(kind0=["never seen", None])
    assert set(model.predict(strange)) <= set(range(4))


def test_groups_are_numbered_by_falling_value_or_size() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"a": np.r_[rng.normal(0, 1, 300), rng.normal(9, 1, 100)], "spend": np.r_[np.ones(300), np.full(100, 50.0)]}
    )
    table["spend"] += rng.random(400) / 10
    assert np.bincount(quick(2).fit(table).labels_).tolist() == [300, 100]
    model = quick(2, value="spend").fit(table)
    assert np.bincount(model.labels_).tolist() == [100, 300]
    assert model.centres_["spend"].tolist() == sorted(model.centres_["spend"], reverse=True)
    names = model.segments(table.set_axis([f"k{i}" for i in range(400)]))
    assert names.loc["k0"] == "group 2"
    assert names.loc["k399"] == "group 1"


@pytest.mark.slow
@parametrize_with_checks([quick(2, n_bootstraps=1)])
def test_scikit_learn_s_promises(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


# ---- Bad inputs


def test_row_11_12_no_rows_or_no_columns() -> None:
    with pytest.raises(ValueError, match="0 sample"):
        quick(2).fit(pd.DataFrame({"a": np.zeros(0)}))
    with pytest.raises(ValueError, match=r"0 feature"):
        quick(2).fit(pd.DataFrame(index=range(5)))
    assert quick(2).fit(pd.DataFrame({"a": [1.0, 2, 9]})).predict(pd.DataFrame({"a": [5.0]})).shape == (1,)


def test_row_11_an_empty_table_gives_an_empty_typed_answer() -> None:
    table, _ = planted("round", 2, categories=1, n=60)
    model = quick(2).fit(table)
    assert model.predict(table.iloc[:0]).dtype == np.int64
    assert model.segments(table.iloc[:0]).dtype == "str"


def test_a_column_of_another_kind_is_named() -> None:
    table, _ = planted("round", 2, categories=1, n=60)
    model = quick(2).fit(table)
    with pytest.raises(DataContractError, match="held numbers when the groups were made: a"):
        model.predict(table.assign(a="x"))
    with pytest.raises(DataContractError, match="held categories when the groups were made: kind0"):
        model.predict(table.assign(kind0=1.0))
    with pytest.raises(DataTypeError, match="Columns of times tell no groups: b"):
        quick(2).fit(table.assign(b=pd.Timestamp("2024-01-01")))


def test_the_verdict_is_about_the_groups_that_are_shown() -> None:
    told = Structure(True, {2: 1.0, 5: 9.0}, {2: 0.1, 5: 0.9}, ())
    assert told.sentence(5).startswith("Cluster structure found: 5 groups are 9.0 standard deviations")
    assert told.sentence(2).startswith("Cluster structure found at 5 groups, not at 2: the 2 groups are cuts")
    assert Structure(True, {2: 1.0}, {2: 0.1}, ("a",)).sentence(2).endswith("there are two humps in a.")


def test_row_13_14_one_customer_makes_no_groups() -> None:
    with pytest.raises(DataContractError, match="n_samples=1 should be >= 2: groups need more customers"):
        quick().fit(pd.DataFrame({"a": [1.0]}))


def test_row_15_16_the_caller_s_index_comes_back_as_it_was() -> None:
    table = pd.DataFrame({"a": [0.0, 0.1, 9.0, 9.1]}, index=pd.Index([7, 7, 7, 8], name="a"))
    told = quick(2).fit(table).segments(table)
    assert told.index.equals(table.index)
    assert told.index.name == "a"
    assert told.tolist() == ["group 1", "group 1", "group 2", "group 2"]


@pytest.mark.parametrize("thing", [[{"a": 1}], {"a": [1]}, pd.Series([1.0, 2]), None, "table.parquet", Path("x")])
def test_row_17_wrong_containers_are_named(thing: Any) -> None:
    with pytest.raises(DataTypeError, match=r"cannot be a .*Give a DataFrame \(pandas, polars, Arrow, DuckDB\)"):
        quick(2).fit(thing)


def test_row_17_polars_and_arrow_are_tables_too() -> None:
    table, _ = planted("round", 2, categories=1, n=60)
    want = quick(2).fit(table).labels_
    for other in (pl.from_pandas(table), pl.from_pandas(table).to_arrow()):
        np.testing.assert_array_equal(quick(2).fit(other).labels_, want)


def test_row_72_one_rich_customer_is_no_group() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"spend": np.r_[np.exp(rng.normal(3, 0.3, 200)), np.exp(rng.normal(6, 0.3, 200)), 1e9]})
    assert np.bincount(quick(2).fit(table).labels_).min() >= 200


def test_row_73_all_alike_say_so() -> None:
    with pytest.raises(DataContractError, match="None of the 2 columns has two different values"):
        quick(2).fit(pd.DataFrame({"a": [7.0] * 9, "b": ["x"] * 9}))


def test_fewer_different_customers_than_groups() -> None:
    with pytest.warns(DataContractWarning, match="only 2 customers differ"):
        model = quick(4).fit(pd.DataFrame({"a": [1.0, 1, 1, 5, 5, 5]}))
    assert model.n_groups_ == 2
    assert len(set(model.labels_)) == 2


def test_unknown_value_column_and_silly_numbers() -> None:
    table = pd.DataFrame({"a": [1.0, 2, 3, 9]})
    with pytest.raises(DataContractError, match="value='spend' is no column"):
        quick(2, value="spend").fit(table)
    with pytest.raises(DataContractError, match="at least 1 group"):
        quick(0).fit(table)


# ---- Real data


@pytest.mark.slow
def test_households_of_the_complete_journey(data: Path) -> None:
    folder = data / "completejourney"
    spent = pd.read_parquet(folder / "transactions.parquet", columns=["household_id", "basket_id", "sales_value"])
    table = spent.groupby("household_id").agg(baskets=("basket_id", "nunique"), money=("sales_value", "sum"))
    people = pd.read_parquet(folder / "demographics.parquet").set_index("household_id")
    mixed = table.join(people, how="inner")
    model = CustomerGroups(max_groups=5, n_twins=19).fit(mixed)
    assert len(model.labels_) == 801
    assert model.groups_["customers"].sum() == 801
    assert model.structure_ is not None
    assert set(model.centres_.columns) == set(mixed.columns)


@pytest.mark.slow
def test_rules_tell_segments_of_a_shop_nearly_all_right_and_groups_mostly(data: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)  # what the log says of its quality is tested elsewhere
        log = InteractionLog.read(
            data / "online_retail" / "interactions.parquet",
            policies=Policies(on_missing="drop"),
            timezone="Europe/London",
        )
    table = RFM().fit(log, at="2011-12-01").segments()
    values = table[["recency_days", "frequency", "monetary"]]
    assert rules(values, table["segment"]).fidelity.low >= 0.95
    groups = rules(values, CustomerGroups(4, n_bootstraps=2, n_twins=0).fit(values).segments(values))
    assert groups.fidelity.low > groups.largest_share + 0.3
