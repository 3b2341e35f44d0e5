"""Ease: the closed form, and its dual on the other side of the table."""

import numpy as np
import pytest

from crmintel.errors import DataContractError
from crmintel.recommend import Ease
from tests.recommend.worlds import answer, log_of

WIDE = {c: "".join(chr(97 + (c * k) % 20) for k in range(1, 6)) for c in range(1, 9)}
LONG = {c: "abcdefg"[c % 3 : c % 3 + 4] for c in range(1, 30)}


def full(X: np.ndarray, ridge: float) -> np.ndarray:
    P = np.linalg.inv(X.T @ X + ridge * np.eye(X.shape[1]))
    B = np.eye(X.shape[1]) - P / np.diag(P)
    np.fill_diagonal(B, 0)
    return X @ B


@pytest.mark.parametrize("world", [WIDE, LONG])
def test_scores_of_what_is_new_are_those_of_the_closed_form(world: dict[int, str]) -> None:
    model = Ease(ridge=2.0).fit(log_of(world))
    X = (model.history_.toarray() > 0).astype(float)
    found = model._score(np.arange(len(X)))
    assert found[X == 0] == pytest.approx(full(X, 2.0)[X == 0], abs=1e-10)


def test_a_checkerboard_has_one_right_answer() -> None:
    world = {c: "".join(i for n, i in enumerate("acegik" if c % 2 else "bdfhjl") if n != c % 6) for c in range(1, 61)}
    table = Ease(ridge=1.0).fit(log_of(world)).recommend(k=1)
    for c in range(1, 61):
        assert answer(table, c) == [("acegik" if c % 2 else "bdfhjl")[c % 6]]


def test_a_table_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crmintel.recommend.ease.MOST", 3)
    with pytest.raises(DataContractError, match="Use CoOccurrence"):
        Ease().fit(log_of(WIDE))
    with pytest.raises(DataContractError, match="ridge is 0"):
        Ease(ridge=0).fit(log_of(LONG))
