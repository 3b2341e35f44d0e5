"""Key customers: who they are, what is at risk with them, and whether they are the same as before."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel.errors import DataContractError, DataTypeError
from crmintel.value import key_customers

SOME = st.lists(st.integers(0, 50), min_size=2, max_size=60).filter(lambda v: sum(v) > 0)


def series(**values: float) -> pd.Series:
    return pd.Series(values)


# by hand


def test_a_pencil_can_follow_the_list() -> None:
    key = key_customers(series(a=10, b=50, c=30, d=10), series(b=0.2, c=0.5, x=1.0), count=2)
    assert key.table.index.tolist() == ["b", "c"]
    assert key.table["rank"].tolist() == [1, 2]
    assert key.table["share"].tolist() == [0.5, 0.3]
    assert key.table["cumulative_share"].tolist() == [0.5, 0.8]
    assert key.table["value_at_risk"].tolist() == [10.0, 15.0]
    assert key.share == 0.8
    assert key.at_risk == 25.0
    assert repr(key) == "KeyCustomers: 2 of 4 customers hold 80.0% of the value; 31.2% of it at risk"


def test_equal_customers_go_by_identifier_whatever_came_first() -> None:
    for order in ("abcd", "dcba", "bdac"):
        values = pd.Series([5.0] * 4, index=list(order))
        assert key_customers(values, count=2).table.index.tolist() == ["a", "b"]


def test_the_share_is_rounded_up_to_whole_customers() -> None:
    values = pd.Series(np.arange(1.0, 101.0))
    assert len(key_customers(values).table) == 10
    assert len(key_customers(values, share=0.07).table) == 7
    assert len(key_customers(values, share=0.071).table) == 8
    assert len(key_customers(values, count=500).table) == 100
    assert len(key_customers(values.iloc[:3]).table) == 1


def test_a_pencil_can_follow_what_changed() -> None:
    now, before = series(a=9, b=8, c=7, d=1, e=0), series(a=5, b=1, d=6, f=9, c=2)
    key = key_customers(now, count=3, previous=before)  # then f, d, a; now a, b, c
    assert key.table["before"].to_dict() == {"a": "on the list", "b": "below it", "c": "below it"}
    assert key.went["now"].to_dict() == {"f": "not a customer", "d": "below it"}
    assert key.went["value_before"].tolist() == [9.0, 6.0]
    told = key.stability
    assert told is not None
    assert (told.stayed, told.came, told.went) == (1, 2, 2)
    assert told.kept == pytest.approx(1 / 3)
    assert told.jaccard == pytest.approx(1 / 5)
    assert told.kept_by_chance == pytest.approx(4 * (3 / 5) * (3 / 5) / 3)  # a, b, c, d were customers at both times
    assert told.ranks.value == pytest.approx(-0.4)  # ranks 4 3 2 1 and 3 1 2 4
    assert "1 stayed, 2 came, 2 went: 33.3% were on the earlier list" in repr(key)
    new = key_customers(now, count=3, previous=series(z=1, a=2))
    assert new.table["before"].tolist() == ["on the list", "not a customer", "not a customer"]


# laws


@settings(max_examples=30)
@given(SOME, st.integers(1, 70))
def test_no_list_of_that_length_holds_more(values: list[int], count: int) -> None:
    drawn = pd.Series(np.array(values, float))
    key = key_customers(drawn, count=count)
    rest = drawn.drop(key.table.index)
    assert rest.empty or rest.max() <= key.table["value"].min()
    assert (np.diff(key.table["value"]) <= 0).all()
    assert key.table["cumulative_share"].iloc[-1] == pytest.approx(key.share)
    assert len(key.table) == min(count, len(values))


@settings(max_examples=25)
@given(SOME)
def test_a_list_compared_with_itself_is_the_same(values: list[int]) -> None:
    drawn = pd.Series(np.array(values, float))
    told = key_customers(drawn, count=2, previous=drawn.sample(frac=1, random_state=0)).stability
    assert told is not None
    assert (told.came, told.went, told.kept, told.jaccard) == (0, 0, 1.0, 1.0)
    assert np.isnan(told.ranks.value) or told.ranks.value == pytest.approx(1.0)


def test_lists_drawn_by_lot_overlap_as_chance_says() -> None:
    rng = np.random.default_rng(0)
    kept, told = [], 0.0
    for _ in range(60):
        now = pd.Series(rng.random(100))
        before = pd.Series(rng.random(120), index=np.arange(120) + 20)
        stability = key_customers(now, previous=before).stability
        assert stability is not None
        kept.append(stability.kept)
        told = stability.kept_by_chance
    assert told == pytest.approx(80 * (12 / 120) * (10 / 100) / 10)
    assert np.mean(kept) == pytest.approx(told, abs=4 * np.std(kept) / np.sqrt(60))


@pytest.mark.parametrize("n", [9, 105, 1234])
def test_the_curve_rises_to_the_whole_in_steps_of_ten_customers(n: int) -> None:
    values = pd.Series(np.random.default_rng(0).gamma(0.5, size=n))
    curve = key_customers(values).curve
    assert curve.iloc[0].tolist() == [0.0, 0.0]
    assert curve.iloc[-1].tolist() == pytest.approx([1.0, 1.0])
    assert (np.diff(curve["customer_share"]) * n >= min(n, 10) - 1e-6).all()
    assert (np.diff(np.diff(curve["revenue_share"]) / np.diff(curve["customer_share"])) <= 1e-12).all()


def test_values_below_zero_are_told_of_and_are_no_risk() -> None:
    key = key_customers(series(a=10, b=-2, c=-3), series(a=1.0, b=1.0, c=1.0), count=3)
    assert key.table["value_at_risk"].tolist() == [10, 0, 0]
    assert "2 customers have a value below zero" in repr(key)


# refusals and looks


@pytest.mark.parametrize(
    ("values", "options", "says"),
    [
        (series(a=1, b=np.nan), {}, "values is missing"),
        (series(a=1, b=np.inf), {}, "values is infinite"),
        (series(a=0, b=0), {}, "add up to no more than zero"),
        (pd.Series([], dtype=float), {}, "there are no customers"),
        (pd.Series([1.0, 2.0], index=["a", "a"]), {}, "1 customers occur twice"),
        (series(a=1, b=2), {"count": 0}, "count is 0"),
        (series(a=1, b=2), {"churn": series(a=0.5)}, "churn is missing for 1 of 1 key customers"),
        (series(a=1, b=2), {"churn": series(b=1.5)}, "outside 0 to 1"),
        (series(a=1, b=2), {"churn": [0.1, 0.2]}, "churn must be a Series"),
        (series(a=1, b=2), {"previous": series(a=np.nan)}, "previous is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_ranked_is_refused(values: pd.Series, options: dict[str, object], says: str) -> None:
    with pytest.raises(DataContractError, match=says):
        key_customers(values, **options)  # type: ignore[arg-type]


def test_values_need_customers() -> None:
    with pytest.raises(DataTypeError, match="cannot be a ndarray"):
        key_customers(np.ones(3))  # type: ignore[arg-type]
    frame = pd.DataFrame({"value": [1.0, 2.0], "other": [9.0, 0.0]}, index=["a", "b"])
    assert key_customers(frame, count=1).table.index.tolist() == ["b"]


def test_what_is_shown_names_nobody() -> None:
    values = pd.Series([5123.0, 1.0, 2.0, 3.0], index=["CANARY-1", "CANARY-2", "CANARY-3", "CANARY-4"])
    key = key_customers(values, pd.Series(0.5, index=values.index), count=2, previous=values[::-1])
    for shown in (repr(key), key._repr_html_(), key.summary().to_string()):
        assert "CANARY" not in shown
        assert "5,123" not in shown
        assert "5123" not in shown
    assert "one customer alone holds over half" in repr(key)
    assert key.to_frame().equals(key.table)


def test_the_page_shows_counts_as_counts_and_leaves_what_is_unknown_empty() -> None:
    values = pd.Series([6.0, 3.0, 2.0, 1.0], index=list("abcd"))
    page = key_customers(values, count=2, previous=values)._repr_html_()
    assert "<td>customers</td>\n      <td>4</td>" in page
    assert "<td>share of value</td>\n      <td>0.750</td>" in page
    assert "<td>Jaccard</td>\n      <td>1</td>" in page
    few = key_customers(values[:2], count=1, previous=values[:2])
    assert few.stability is not None
    assert np.isnan(few.stability.ranks.value)
    assert "<td>correlation of ranks</td>\n      <td></td>" in few._repr_html_()
