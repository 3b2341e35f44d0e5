"""The best of each row: exactly those of a full sort, ties to the earlier column, whatever the shape."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel.errors import DataContractError
from crmintel.recommend import top_k
from crmintel.recommend.topk import best


def sorted_best(scores: np.ndarray, k: int) -> list[list[int]]:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return [[int(c) for c in row if scores[i, c] > -np.inf] for i, row in enumerate(order)]


def as_lists(found: tuple[np.ndarray, ...], m: int) -> list[list[int]]:
    rows, columns, _ = found
    return [columns[rows == i].tolist() for i in range(m)]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3_000), st.integers(1, 30), st.integers(1, 6), st.integers(0, 2**31))
def test_as_a_full_sort_with_many_ties_and_closed_cells(m: int, n: int, k: int, values: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, values, (m, n)).astype(float)
    scores[rng.random((m, n)) < 0.3] = -np.inf
    before = scores.copy()
    assert as_lists(best(scores, k), m) == sorted_best(scores, k)
    assert (scores == before).all()


def test_as_a_full_sort_of_numbers_all_different() -> None:
    scores = np.random.default_rng(0).normal(size=(20, 5_003)).astype(np.float32)
    assert as_lists(best(scores, 37), 20) == sorted_best(scores, 37)


@pytest.mark.parametrize("threads", [1, 2])
def test_factors_give_the_best_products_without_what_is_excluded(threads: int) -> None:
    rng = np.random.default_rng(1)
    q, v = rng.normal(size=(150, 8)).astype(np.float32), rng.normal(size=(2_000, 8)).astype(np.float32)
    out = sp.csr_array(rng.random((150, 2_000)) < 0.02)
    items, scores = top_k(q, v, 5, exclude=out, threads=threads)
    full = np.where(out.toarray(), -np.inf, q @ v.T)
    assert items.tolist() == np.argsort(-full, axis=1, kind="stable")[:, :5].tolist()
    assert scores == pytest.approx(np.take_along_axis(full, items, axis=1), rel=1e-5)


def test_where_nothing_is_left_there_is_minus_one() -> None:
    items, scores = top_k([[1.0]], [[1.0], [2.0]], 2, exclude=sp.csr_array([[0, 1]]))
    assert items.tolist() == [[0, -1]]
    assert np.isneginf(scores[0, 1])


@pytest.mark.parametrize(
    ("q", "v", "k", "said"),
    [([[1.0]], [[1.0, 2.0]], 1, "shape"), ([[np.nan]], [[1.0]], 1, "missing"), ([[1.0]], [[1.0]], 0, "k is 0")],
)
def test_what_cannot_be_meant_is_refused(q: list, v: list, k: int, said: str) -> None:
    with pytest.raises(DataContractError, match=said):
        top_k(q, v, k)
