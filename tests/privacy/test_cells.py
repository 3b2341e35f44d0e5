from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from crmintel.errors import DataContractError, DataTypeError
from crmintel.privacy import merge_small, suppress_crosstab, suppress_small
from crmintel.segmentation import suppressed

SIZES = st.sampled_from([0, 1, 2, 3, 8, 9, 10, 12, 20, 50, 100])


def crosstab(cells: Any) -> pd.DataFrame:
    table = pd.DataFrame(cells)
    table.index = [f"r{i}" for i in table.index]
    table.columns = [f"c{i}" for i in table.columns]
    table["All"] = table.sum(axis=1)
    table.loc["All"] = table.sum()
    return table


def ranges(whole: np.ndarray, hide: np.ndarray) -> dict[tuple[int, int], float]:
    """How far each hidden cell may lie between its extremes, given all that is shown: a linear programme a cell."""
    places = {(int(i), int(j)): n for n, (i, j) in enumerate(np.argwhere(hide))}
    left, right = [], []
    for w, h, flip in ((whole, hide, False), (whole.T, hide.T, True)):
        for i in range(len(w)):
            row, known = np.zeros(len(places)), 0.0
            for j in range(w.shape[1]):
                sign = -1.0 if j == w.shape[1] - 1 else 1.0
                if h[i, j]:
                    row[places[(j, i) if flip else (i, j)]] += sign
                else:
                    known -= sign * w[i, j]
            left.append(row)
            right.append(known)
    out = {}
    for place, n in places.items():
        goal = np.zeros(len(places))
        goal[n] = 1
        ends = [linprog(s * goal, A_eq=left, b_eq=right, bounds=(0, None)) for s in (1, -1)]
        out[place] = np.inf if ends[1].status == 3 else -ends[1].fun - ends[0].fun
    return out


def test_row_134_a_small_group_and_the_next_smallest_are_hidden_by_hand():
    table = pd.DataFrame(
        {"g": list("abcd"), "customers": [40, 3, 12, 0], "spend": [900.0, 70.0, 200.0, 0.0], "word": list("wxyz")}
    )
    out = suppress_small(table, by="g")
    assert (
        out["customers"].isna().tolist()
        == out["spend"].isna().tolist()
        == out["word"].isna().tolist()
        == [False, True, True, False]
    )
    assert out["customers"].dtype == "Int64"
    assert out["g"].tolist() == list("abcd")
    assert table["customers"].tolist() == [40, 3, 12, 0]
    assert suppress_small(table, by="g", k=3)["customers"].tolist() == [40, 3, 12, 0]
    assert suppress_small(table, by="g", k=4)["customers"].isna().sum() == 2


def test_row_134_a_total_is_hidden_where_nothing_else_protects():
    table = pd.DataFrame({"g": ["a", "All"], "customers": [3, 3]})
    assert suppress_small(table, by="g")["customers"].isna().all()
    table = pd.DataFrame({"g": ["a", "b", "All"], "customers": [3, 4, 7]})
    assert suppress_small(table, by="g")["customers"].isna().all()
    table = pd.DataFrame({"g": ["a", "b", "c", "All"], "customers": [3, 40, 50, 93]})
    assert suppress_small(table, by="g")["customers"].isna().tolist() == [True, True, False, False]


def test_row_134_a_total_is_hidden_where_it_would_tell_the_one_group_that_is_missing():
    table = pd.DataFrame({"g": ["a", "All"], "customers": [None, 50]})
    assert suppress_small(table, by="g")["customers"].isna().all()


def test_row_134_a_crosstab_hides_a_rectangle_by_hand():
    out = suppress_crosstab(crosstab([[40, 30, 20], [3, 50, 60], [70, 80, 90]]))
    assert out.isna().to_numpy().tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [False] * 4,
        [False] * 4,
    ]
    assert out.loc["All"].tolist() == [113, 160, 170, 443]
    clean = crosstab([[40, 30], [50, 60]])
    assert suppress_crosstab(clean).equals(clean.astype("Int64"))


def test_row_134_one_cell_between_two_rectangles_follows_from_their_totals():
    """Two cells in each line are not enough: the cell at row 2, column 2 is the total of its part minus the rest."""
    cells = np.full((5, 5), 50)
    hide = np.zeros((5, 5), bool)
    hide[0:2, 0:2] = hide[3:5, 3:5] = True
    hide[0, 3] = True
    whole = crosstab(cells).to_numpy(float)
    full = np.zeros((6, 6), bool)
    full[:5, :5] = hide
    assert ranges(whole, full)[0, 3] == pytest.approx(0, abs=1e-6)
    cells[hide] = 9
    cells[hide & (np.arange(25).reshape(5, 5) % 2 == 0)] = 8
    for out in (
        suppress_crosstab(crosstab(cells)).to_numpy(float, na_value=np.nan),
        suppressed(pd.DataFrame(cells)).to_numpy(float, na_value=np.nan),
    ):
        missing = np.zeros((6, 6), bool)
        missing[: len(out), : out.shape[1]] = np.isnan(out)
        assert missing.sum() > hide.sum()
        assert min(ranges(crosstab(cells).to_numpy(float), missing).values()) > 0.5


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(SIZES, min_size=n, max_size=n), min_size=2, max_size=4)))
def test_row_134_no_small_cell_follows_from_what_is_shown(cells):
    table = crosstab(cells)
    hide = suppress_crosstab(table).isna().to_numpy()
    whole = table.to_numpy(float)
    small = (whole > 0) & (whole < 10)
    assert hide[small].all()
    for place, width in ranges(whole, hide).items():
        assert not small[place] or width > 1e-6
    for w, h in ((whole, hide), (whole.T, hide.T)):  # whoever knows a total knows of no few customers together
        few = (w[:, :-1] * h[:, :-1]).sum(axis=1) < 10
        assert not (h[:, :-1].any(axis=1) & ~h[:, -1] & few & ~h[:, :-1].all(axis=1)).any()


@settings(max_examples=40, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=8), st.integers(2, 20))
def test_row_134_hidden_groups_are_none_or_several_of_k_customers_together(sizes, k):
    table = pd.DataFrame({"g": range(len(sizes)), "customers": sizes})
    hide = suppress_small(table, by="g", k=k)["customers"].isna().to_numpy()
    small = (table["customers"] > 0) & (table["customers"] < k)
    assert hide[small].all()
    if hide.any() and not hide.all():
        assert hide.sum() >= 2
        assert table["customers"][hide].sum() >= k


def test_a_long_table_of_two_groupings_says_the_same_as_the_crosstab():
    table = crosstab([[40, 3, 20, 7], [30, 50, 60, 11], [70, 80, 2, 90]])
    long = table.rename_axis(index="row", columns="column").stack().rename("customers").reset_index()
    expected = suppress_crosstab(table).to_numpy(float, na_value=np.nan)
    for order in (long, long.sample(frac=1, random_state=1)):
        out = suppress_small(order, by=["row", "column"]).pivot(index="row", columns="column", values="customers")
        out = out.loc[table.index, table.columns].to_numpy(float, na_value=np.nan)
        small = (table.to_numpy() > 0) & (table.to_numpy() < 10)
        assert np.isnan(out[small]).all()
        assert min(ranges(table.to_numpy(float), np.isnan(out)).values()) > 0
    assert np.array_equal(
        np.isnan(
            suppress_small(long, by=["row", "column"])["customers"].to_numpy(float, na_value=np.nan).reshape(4, 5)
        ),
        np.isnan(expected),
    )


def test_totals_are_taken_to_be_known_where_they_are_not_shown():
    cells = pd.DataFrame([[40, 3, 20], [30, 50, 60], [70, 80, 90]])
    out = suppress_crosstab(cells)
    inner = np.zeros((4, 4), bool)
    inner[:3, :3] = out.isna().to_numpy()
    assert min(ranges(crosstab(cells).to_numpy(float), inner).values()) > 0
    long = cells.rename_axis(index="row", columns="column").stack().rename("customers").reset_index()
    assert np.array_equal(suppress_small(long, by=["row", "column"])["customers"].isna(), out.isna().to_numpy().ravel())


def test_row_134_merged_groups_add_up():
    table = pd.DataFrame({"g": list("abcd"), "customers": [40, 3, 4, 12], "spend": [9.0, 1.0, 2.0, 4.0]})
    out = merge_small(table, name="g", customers="customers", sums=("spend",))
    assert out["customers"].sum() == 59
    assert out["spend"].sum() == 16.0
    assert (out["customers"] >= 10).all()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"by": "x"}, "no column 'x'"), ({"count": "x"}, "no column 'x'"), ({"by": ["g", "h", "i"]}, "no column"), ({"by": []}, "names 0"),
        ({"k": 0}, "k must be"), ({"k": 2.5}, "k must be"), ({"k": True}, "k must be"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(change, match):
    table = pd.DataFrame({"g": list("ab"), "customers": [40, 3]})
    with pytest.raises(DataContractError, match=match):
        suppress_small(table, **({"by": "g"} | change))


def test_odd_counts_are_refused():
    for counts in ([-1, 2], [1.5, 2], [np.inf, 2]):
        with pytest.raises(DataContractError, match="negative or no whole"):
            suppress_small(pd.DataFrame({"g": list("ab"), "customers": counts}), by="g")
    with pytest.raises(DataTypeError, match="no numbers"):
        suppress_small(pd.DataFrame({"g": list("ab"), "customers": ["many", "few"]}), by="g")
    with pytest.raises(DataContractError, match="1 groups occur twice"):
        suppress_small(pd.DataFrame({"g": list("aa"), "customers": [10, 20]}), by="g")
    with pytest.raises(DataTypeError):
        suppress_small([1], by="g")
    with pytest.raises(DataTypeError):
        suppress_crosstab([1])
    with pytest.raises(DataContractError, match="names 2 rows"):
        suppress_crosstab(pd.DataFrame([[1], [2]], index=["All", "All"]))


def test_empty_tables_and_missing_counts_stay():
    assert suppress_small(pd.DataFrame({"g": [], "customers": []}), by="g").empty
    assert suppress_crosstab(pd.DataFrame()).empty
    out = suppress_small(pd.DataFrame({"g": list("abc"), "customers": [40, None, 60]}), by="g")
    assert out["customers"].isna().tolist() == [True, True, False]
