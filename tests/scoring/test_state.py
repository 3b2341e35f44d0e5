"""Values as plain data and back: the same types, orders and bits."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from crmintel.churn.table import Schema
from crmintel.errors import BundleError, DataTypeError
from crmintel.scoring.pools import Drawers, Pools
from crmintel.scoring.state import from_plain, to_plain
from crmintel.scoring.strict import canonical, strict_json

FRAME = pd.DataFrame(
    {
        "x": [1.0, np.nan, -0.0],
        "n": pd.array([1, None, 3], dtype="Int32"),
        "b": pd.array([True, None, False], dtype="boolean"),
        "s": ["a", None, "é"],
        "c": pd.Categorical(["lo", "hi", None], categories=["lo", "hi"], ordered=True),
        "t": pd.to_datetime(["2024-01-01", None, "2024-03-01"]),
        "z": pd.to_datetime(["2024-01-01", None, "2024-03-01"]).tz_localize("Europe/Berlin"),
        "d": pd.to_timedelta(["1D", None, "2h"]),
    },
    index=pd.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "a")], names=["k", None]),
)
VALUES: list[Any] = [
    None, True, 7, 2**70, -0.0, float("nan"), float("inf"), "text", "", "x" * 5_000, (1, "a"), [1, (2,)], {"b": 1, (1, "x"): [2]}, {3, 1}, frozenset({"b", "a"}),
    np.float32(1.5), np.int8(-3), np.bool_(True), np.datetime64("2024-01-01", "us"), pd.Timestamp("2024-01-01 01:02:03.000004"),
    pd.Timestamp("2024-07-01", tz="Asia/Kolkata"), pd.Timedelta("3h"), np.zeros((0, 3)), np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(3, dtype="u1"), np.array(["a", "bc"]), np.array(["a", None, 1.5], object), np.array([f"v{i}" for i in range(500)], object), np.arange(400_000.0),
    np.array(["2024-01-01", "NaT"], "M8[s]"), pd.RangeIndex(3, 9, 2, name="r"), pd.Index(["b", "a"], name="i"), pd.Index([f"c{i}" for i in range(300)]),
    pd.DatetimeIndex(["2024-01-01"], tz="UTC"), pd.Series([1, 2], ["a", "b"], name="s"), pd.Series([], dtype="float64"), FRAME, FRAME[["s"]].reset_index(drop=True),
]  # fmt: skip


def travelled(value: Any) -> Any:
    pools = Pools()
    plain = strict_json(canonical(to_plain(value, pools)))
    return from_plain(plain, Drawers(pools.parts()))


def alike(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b, check_exact=True)
    elif isinstance(a, pd.Series):
        pd.testing.assert_series_equal(a, b, check_exact=True)
    elif isinstance(a, pd.Index):
        pd.testing.assert_index_equal(a, b, exact=True)
    elif isinstance(a, np.ndarray | np.generic):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
        assert np.asarray(a).flags.f_contiguous == np.asarray(b).flags.f_contiguous  # sums depend on it
    elif isinstance(a, set | frozenset):
        assert a == b
    else:
        assert repr(a) == repr(b)


@pytest.mark.parametrize("value", VALUES, ids=[f"{i}-{type(v).__name__}" for i, v in enumerate(VALUES)])
def test_what_comes_back_is_what_went(value: Any) -> None:
    alike(value, travelled(value))


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_array, sp.csr_matrix])
def test_sparse_matrices_keep_their_kind(kind: Any) -> None:
    matrix = kind(np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]]))
    back = travelled(matrix)
    assert type(back) is kind
    assert (back != matrix).nnz == 0


@pytest.mark.parametrize(
    "value",
    [object(), lambda: 1, pd.Series([1 + 1j]).dtype, np.array([(1, 2)], "i4,i4"), pd.array([pd.Interval(0, 1)])],
)
def test_what_is_no_plain_data_is_refused(value: Any) -> None:
    with pytest.raises(DataTypeError):
        travelled(value)


def test_what_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(DataTypeError, match="holds itself"):
        travelled(value)


def test_a_part_without_what_it_needs_names_it() -> None:
    plain = to_plain(Schema(("a",), ("a",), {}), Pools())
    del plain["of"]["levels"]
    with pytest.raises(BundleError, match="without levels"):
        from_plain(plain, Drawers({}))


@pytest.mark.parametrize(
    "plain",
    [
        {"is": "churn.table.Schema", "of": []}, {"is": "os.system", "of": {}}, {"values": {"array": ["numbers-f8.npy", 0, "<f8", [9], "C"]}},
        {"values": {"array": ["numbers-f8.npy", 0, "<i8", [1], "C"]}}, {"sparse": "eval", "shape": [1], "arrays": []}, {"unknown": 1},
        {"values": {"array": ["numbers-f8.npy", 0, "<f8", [1], "C"], "as": "|O"}}, {"values": {"words": ["a"], "shape": [1], "as": "|O"}},
    ],
)  # fmt: skip
def test_what_nobody_wrote_is_refused(plain: Any) -> None:
    pools = Pools()
    to_plain(np.arange(3.0), pools)
    with pytest.raises(BundleError):
        from_plain(plain, Drawers(pools.parts()))
