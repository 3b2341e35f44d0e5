"""Trees: nobody is told by trees that learned from him, and each member sees and learns what it should."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crmintel.datasets import simulate
from crmintel.value import PurchaseDays, members
from crmintel.value.columns import LEVELS
from crmintel.value.forecast import PURCHASES, SPEND
from crmintel.value.instants import Inner, View, inner_instants
from crmintel.value.members import BOUGHT, FOLDS, HORIZON, LARGE, LONGEST, MEMBERS, OFFSET, SMALL, Trees, learn, link

Fold = list[np.ndarray]


@pytest.fixture(scope="module")
def inner() -> list[Inner]:
    log = simulate(200, days=400, seed=4).log(quiet=True)
    return list(inner_instants(log, PurchaseDays.of(log), 60))


@pytest.fixture(scope="module")
def fold(inner: list[Inner]) -> Fold:
    """By identifier: the same at every instant."""
    return [i.view.table.index.to_numpy() % FOLDS for i in inner]


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "MEMBERS", tuple(replace(m, n_trees=3, learning_rate=0.3) for m in MEMBERS))


def changed(inner: Sequence[Inner], rows: Sequence[np.ndarray]) -> list[Inner]:
    """Other labels for some customers."""
    return [
        Inner(i.view, np.where(r, 9.0 - i.counts.clip(0, 9), i.counts), np.where(r, 500.0, i.money))
        for i, r in zip(inner, rows, strict=True)
    ]


@pytest.mark.slow
def test_what_is_said_of_a_customer_does_not_know_his_own_labels_and_forecasts_know_all(
    inner: list[Inner], fold: Fold
) -> None:
    two, folds, view = inner[:2], fold[:2], inner[0].view
    plain = learn(two, folds, 0, 1)
    for k in range(FOLDS):
        other = learn(changed(two, [f == k for f in folds]), folds, 0, 1)
        for key, said in plain.unseen.items():
            for a, b, f in zip(said, other.unseen[key], folds, strict=True):
                assert a[f == k].tolist() == b[f == k].tolist()
            assert any((a != b).any() for a, b in zip(said, other.unseen[key], strict=True))
        told = other.tell(view)
        assert all((said != told[key]).any() for key, said in plain.tell(view).items())


def test_one_member_learns_from_the_longest_horizon_alone(inner: list[Inner], fold: Fold) -> None:
    rows = [np.zeros(len(fold[0]), bool), *(np.ones(len(f), bool) for f in fold[1:])]
    view = inner[0].view
    a, b = (learn(i, fold, 0, 1).tell(view) for i in (inner, changed(inner, rows)))
    assert {key for key in a if (a[key] == b[key]).all()} == {(LONGEST.name, BOUGHT)}


def test_trees_that_learn_nothing_say_what_they_start_from(
    inner: list[Inner], fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "MEMBERS", (replace(OFFSET, n_trees=1, learning_rate=1e-9),))
    trees = learn(inner, fold, 0, 1)
    for target in (PURCHASES, SPEND, BOUGHT):
        for found, said in zip(inner, trees.unseen[OFFSET.name, target], strict=True):
            assert said == pytest.approx(link(target, found.view), abs=1e-6)
            assert trees.tell(found.view)[OFFSET.name, target] == pytest.approx(link(target, found.view), abs=1e-6)


def test_each_instant_weighs_the_same_and_the_mean_weight_is_one(
    inner: list[Inner], fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = [inner[0], inner[1].of(inner[1].view.table.index[::2])]
    folds = [fold[0], fold[1][::2]]
    kept: list[np.ndarray] = []
    real = members.Member.learn
    monkeypatch.setattr(members.Member, "learn", lambda *a: (kept.append(a[3]), real(*a))[1])
    learn(small, folds, 0, 1)
    whole = next(w for w in kept if len(w) == sum(map(len, folds)))
    first = len(folds[0])
    assert whole[:first].sum() == pytest.approx(whole[first:].sum())
    assert whole.mean() == pytest.approx(1.0)


def test_members_see_what_is_meant_for_them() -> None:
    table = pd.DataFrame(columns=["since", *LEVELS, HORIZON])
    assert OFFSET.columns(table) == ["since"]
    assert SMALL.columns(table) == LONGEST.columns(table) == ["since", HORIZON]
    assert LARGE.columns(table) == list(table)


def test_trees_are_shown_the_horizon_of_the_forecast() -> None:
    class Booster:
        def predict(self, X: np.ndarray, **options: object) -> np.ndarray:
            return X[:, -1].copy()

    view = View(pd.DataFrame({"since": [1.0, 2.0]}), np.ones(2), None, 42)
    told = Trees({(SMALL.name, BOUGHT): Booster()}, {}).tell(view)  # type: ignore[dict-item]
    assert {k: v.tolist() for k, v in told.items()} == {(SMALL.name, BOUGHT): [42.0, 42.0]}


def test_links_by_pencil() -> None:
    view = View(pd.DataFrame(index=range(2)), np.array([np.log(2), np.log(4)]), np.array([5.0, 10.0]), 30)
    assert link(BOUGHT, view) == pytest.approx(
        [0.0, np.log(3)]
    )  # someone who is expected to buy log 2 times buys half the time
    assert np.exp(link(PURCHASES, view)) == pytest.approx([np.log(2), np.log(4)])
    assert np.exp(link(SPEND, view)) == pytest.approx([5 * np.log(2), 10 * np.log(4)])
