"""TreeSHAP by tables gives LightGBM's own values, and those of the definition."""

from itertools import combinations
from math import factorial
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel.churn import treeshap
from crmintel.churn.treeshap import TreeShap, _added


def rows(n: int, columns: int, seed: int) -> np.ndarray:
    """Numbers with holes and zeros."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, columns)).round(1)
    x[rng.random((n, columns)) < 0.15] = np.nan
    x[rng.random((n, columns)) < 0.1] = 0.0
    return x


def grown(x: np.ndarray, categorical: list[int], **params: Any) -> lgb.Booster:
    rng = np.random.default_rng(0)
    y = (np.nan_to_num(x[:, 0]) - np.nan_to_num(x[:, 1] * x[:, 2]) + rng.normal(size=len(x)) > 0).astype(int)
    data = lgb.Dataset(x, y, categorical_feature=categorical)
    options = {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 3, **params}
    booster = lgb.train(options, data, num_boost_round=15)
    return lgb.Booster(model_str=booster.model_to_string())


@pytest.mark.parametrize("leaves", [2, 8, 40])
@pytest.mark.parametrize("categories", [False, True])
@pytest.mark.parametrize("holes", ["as they are", "as zero", "zero is a hole"])
def test_the_values_are_those_of_lightgbm(leaves: int, categories: bool, holes: str) -> None:
    x = rows(600, 5, seed=leaves)
    if categories:
        x[:, 1] = np.where(np.isnan(x[:, 1]), np.nan, np.random.default_rng(1).integers(0, 12, 600))
    more: dict[str, Any] = {
        "as they are": {},
        "as zero": {"use_missing": False},
        "zero is a hole": {"zero_as_missing": True},
    }[holes]
    booster = grown(x, [1] if categories else [], num_leaves=leaves, min_data_per_group=5, **more)
    new = rows(200, 5, seed=99)
    if categories:
        new[:, 1] = np.where(np.isnan(new[:, 1]), np.nan, np.random.default_rng(2).integers(-1, 15, 200))
    told = TreeShap.of(booster.dump_model())(new)
    assert np.abs(told - booster.predict(new, pred_contrib=True, num_threads=1)).max() < 1e-12
    assert np.abs(told.sum(axis=1) - booster.predict(new, raw_score=True, num_threads=1)).max() < 1e-12


def test_long_paths_without_tables_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = rows(600, 6, seed=1)
    booster = grown(x, [], num_leaves=40)
    with_tables = TreeShap.of(booster.dump_model())(x)
    monkeypatch.setattr(treeshap, "DEEPEST", 2)
    assert np.abs(TreeShap.of(booster.dump_model())(x) - with_tables).max() < 1e-13


def test_a_tree_without_a_split_adds_its_value_to_the_base() -> None:
    booster = grown(rows(300, 3, seed=0), [], min_data_in_leaf=290)
    told = TreeShap.of(booster.dump_model())(rows(10, 3, seed=1))
    assert (told[:, :-1] == 0).all()
    assert told[:, -1] == pytest.approx(booster.predict(rows(10, 3, seed=1), raw_score=True))


def test_one_row_is_told_as_in_the_batch() -> None:
    x = rows(300, 4, seed=0)
    told = TreeShap.of(grown(x, []).dump_model())
    assert told(x)[7].tobytes() == told(x[7:8])[0].tobytes()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.05, 0.95), min_size=1, max_size=5), st.integers(0, 31))
def test_each_column_gets_its_shapley_value(chance: list[float], pattern: int) -> None:
    m = len(chance)
    agrees = [(pattern >> i) & 1 for i in range(m)]

    def worth(known: tuple[int, ...]) -> float:
        return float(np.prod([agrees[i] if i in known else chance[i] for i in range(m)]))

    expected = [
        sum(
            factorial(len(s)) * factorial(m - 1 - len(s)) / factorial(m) * (worth((*s, i)) - worth(s))
            for k in range(m)
            for s in combinations([j for j in range(m) if j != i], k)
        )
        for i in range(m)
    ]
    assert _added(np.array([chance]), np.array([pattern % 2**m]))[0, :, 0] == pytest.approx(expected, abs=1e-12)


def test_frames_of_pandas_are_no_matter_here() -> None:
    x = rows(200, 3, seed=0)
    told = TreeShap.of(grown(x, []).dump_model())
    assert told(np.asfortranarray(x)).tobytes() == told(pd.DataFrame(x).to_numpy()).tobytes()
