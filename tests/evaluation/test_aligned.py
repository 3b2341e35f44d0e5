"""Values find their rows, or are refused."""

import numpy as np
import pandas as pd
import pytest

from crmintel.errors import DataContractError
from crmintel.evaluation.aligned import aligned, together

ROWS = pd.Index(["a", "b", "c"])


def test_values_in_another_order_are_put_into_that_of_the_rows() -> None:
    assert aligned(pd.Series([1, 2, 3], index=["c", "a", "b"]), ROWS, "y").tolist() == [2, 3, 1]
    assert aligned(pd.DataFrame({"y": [1, 2, 3]}, index=["c", "a", "b"]), ROWS, "y").tolist() == [2, 3, 1]


@pytest.mark.parametrize("values", [[1, 2, 3], np.array([1, 2, 3]), pd.Series([1, 2, 3])])
def test_what_has_no_index_comes_in_the_order_of_the_rows(values: object) -> None:
    assert list(aligned(values, ROWS, "y")) == [1, 2, 3]  # type: ignore[call-overload]


def test_rows_that_are_only_numbered_take_everything_as_it_comes() -> None:
    assert aligned(pd.Series([1, 2], index=["x", "y"]), pd.RangeIndex(2), "y").tolist() == [1, 2]


def test_values_of_some_shuffled_numbers_are_put_into_order() -> None:
    assert aligned(pd.Series([1, 2, 3], index=[7, 5, 9]), pd.Index([5, 7, 9]), "y").tolist() == [2, 1, 3]


@pytest.mark.parametrize("index", [["a", "b", "z"], ["a", "b"], ["a", "a", "b"]])
def test_values_of_other_rows_are_refused_without_naming_them(index: list[str]) -> None:
    with pytest.raises(DataContractError, match="y has another index than the rows") as caught:
        aligned(pd.Series(range(len(index)), index=index), ROWS, "y")
    assert "z" not in str(caught.value)


def test_rows_that_occur_twice_must_come_in_the_same_order() -> None:
    twice = pd.Index(["a", "a", "b"])
    assert aligned(pd.Series([1, 2, 3], index=twice), twice, "y").tolist() == [1, 2, 3]
    with pytest.raises(DataContractError):
        aligned(pd.Series([1, 2, 3], index=twice[::-1]), twice, "y")


def test_several_columns_follow_the_first_with_an_index() -> None:
    told = together(y=[1, 0, 1], p=pd.Series([1, 2, 3], index=ROWS), value=pd.Series([3, 2, 1], index=ROWS[::-1]))
    assert told["value"].tolist() == [1, 2, 3]
    assert told["y"] == [1, 0, 1]


def test_numbers_in_another_order_are_put_into_that_of_numbered_rows() -> None:
    values = pd.Series([1, 2, 3])
    assert aligned(values[::-1], pd.RangeIndex(3), "y").tolist() == [1, 2, 3]
    told = together(y=values, p=values[::-1])
    assert told["y"].tolist() == told["p"].tolist()


def test_customers_and_instants_are_not_taken_for_customers() -> None:
    both = pd.MultiIndex.from_product([["a", "b", "c"], [1]])
    with pytest.raises(DataContractError) as caught:
        aligned(pd.Series([1, 2, 3], index=both), ROWS, "y")
    assert "'a'" not in str(caught.value)
