"""Indexes, series and tables of pandas as plain data, and back, with their types."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from crmintel.errors import BundleError, DataTypeError
from crmintel.scoring.pools import KINDS, Drawers, Pools

FEW: Final = 200
"""Up to so many texts are written among the other values; more have a part of their own."""
_MASKED: Final = (
    pd.Int8Dtype, pd.Int16Dtype, pd.Int32Dtype, pd.Int64Dtype, pd.UInt8Dtype, pd.UInt16Dtype, pd.UInt32Dtype, pd.UInt64Dtype,
    pd.Float32Dtype, pd.Float64Dtype, pd.BooleanDtype,
)  # fmt: skip
Encode = Callable[[Any], Any]


def values_to_plain(values: Any, pools: Pools, encode: Encode) -> dict[str, Any]:
    """The values of a column or an index."""
    dtype: Any = values.dtype
    if isinstance(values, np.ndarray):
        return array_to_plain(values, pools, encode)
    if isinstance(dtype, pd.StringDtype):
        arrow = pa.array(values, pa.large_string(), from_pandas=True)
        told: Any = arrow.to_pylist() if len(arrow) <= FEW else pools.strings(arrow)
        return {"text": told, "storage": dtype.storage, "nan": dtype.na_value is not pd.NA}
    if isinstance(dtype, pd.CategoricalDtype):
        codes = pools.array(np.asarray(values.codes))
        return {"codes": codes, "levels": index_to_plain(dtype.categories, pools, encode), "ordered": bool(dtype.ordered)}  # fmt: skip
    if isinstance(dtype, pd.DatetimeTZDtype):
        return {"instants": pools.array(values.asi8), "unit": dtype.unit, "zone": str(dtype.tz)}
    if dtype.kind in "mM":
        return array_to_plain(np.asarray(values), pools, encode)
    if isinstance(dtype, _MASKED):
        missing = np.asarray(values.isna())
        plain: Any = np.dtype(str(dtype).lower().replace("boolean", "bool"))
        numbers = values.to_numpy(plain, na_value=plain.type(0))
        return {"masked": pools.array(numbers), "missing": pools.array(missing), "type": str(dtype)}
    raise DataTypeError(f"A column has the type {dtype}, which a bundle cannot hold. Convert it first.")


def values_from_plain(plain: dict[str, Any], drawers: Drawers, decode: Encode) -> Any:
    """What `values_to_plain` wrote."""
    if "text" in plain:
        told = plain["text"]
        arrow = pa.array(told, pa.large_string()) if isinstance(told, list) else drawers.strings(told)
        dtype = pd.StringDtype(plain["storage"], na_value=np.nan if plain["nan"] else pd.NA)
        return pd.array(arrow.to_numpy(zero_copy_only=False), dtype=dtype)
    if "codes" in plain:
        levels = pd.CategoricalDtype(index_from_plain(plain["levels"], drawers, decode), plain["ordered"])
        return pd.Categorical.from_codes(drawers.array(plain["codes"]), dtype=levels)
    if "instants" in plain:
        return pd.DatetimeIndex(
            drawers.array(plain["instants"]).view(f"M8[{plain['unit']}]"), tz="UTC"
        ).tz_convert(plain["zone"]).array  # fmt: skip
    if "masked" in plain:
        made = pd.array(drawers.array(plain["masked"]), dtype=plain["type"])
        made[drawers.array(plain["missing"])] = pd.NA
        return made
    return array_from_plain(plain, drawers, decode)


def array_to_plain(array: npt.NDArray[Any], pools: Pools, encode: Encode) -> dict[str, Any]:
    """An array of NumPy: numbers, times, texts of one length, or objects that are plain themselves."""
    if array.dtype.kind in KINDS:
        return {"array": pools.array(array)}
    if array.dtype.kind in "mM":
        return {"array": pools.array(array.view(np.int64)), "as": array.dtype.str}
    if array.dtype.kind == "U":
        return {"words": [str(v) for v in array.ravel()], "shape": list(array.shape), "as": array.dtype.str}
    if array.dtype.kind == "O":
        flat = array.ravel()
        if len(flat) > FEW and all(type(v) is str for v in flat):
            return {"objects": pools.strings(pa.array(flat, pa.large_string())), "shape": list(array.shape)}
        return {"objects": [encode(v) for v in flat], "shape": list(array.shape)}
    raise DataTypeError(f"An array has the type {array.dtype}, which a bundle cannot hold. Convert it first.")


def array_from_plain(plain: dict[str, Any], drawers: Drawers, decode: Encode) -> npt.NDArray[Any]:
    """What `array_to_plain` wrote."""
    if "array" in plain:
        array = drawers.array(plain["array"])
        return array.view(_times(plain["as"])) if "as" in plain else array
    if "words" in plain:
        return np.array(plain["words"], _text(plain["as"])).reshape(plain["shape"])
    told = plain["objects"]
    held = [decode(v) for v in told] if isinstance(told, list) else drawers.strings(told).to_pylist()
    out = np.empty(len(held), object)
    out[:] = held
    return out.reshape(plain["shape"])


def index_to_plain(index: pd.Index, pools: Pools, encode: Encode) -> dict[str, Any]:
    """An index with its names."""
    if isinstance(index, pd.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "name": encode(index.name)}
    if isinstance(index, pd.MultiIndex):
        levels = [index_to_plain(level, pools, encode) for level in index.levels]
        codes = [pools.array(np.asarray(c)) for c in index.codes]
        return {"levels": levels, "codes": codes, "names": [encode(n) for n in index.names]}
    return {"values": values_to_plain(index.array if not _plain(index) else index.to_numpy(), pools, encode), "name": encode(index.name)}  # fmt: skip


def index_from_plain(plain: dict[str, Any], drawers: Drawers, decode: Encode) -> pd.Index:
    """What `index_to_plain` wrote."""
    if "range" in plain:
        start, stop, step = plain["range"]
        return pd.RangeIndex(start, stop, step, name=decode(plain["name"]))
    if "levels" in plain:
        levels: list[Any] = [index_from_plain(level, drawers, decode) for level in plain["levels"]]
        codes: list[Any] = [drawers.array(c) for c in plain["codes"]]
        return pd.MultiIndex(levels, codes, names=[decode(n) for n in plain["names"]])
    values = values_from_plain(plain["values"], drawers, decode)
    index: pd.Index = pd.Index(values, name=decode(plain["name"]), dtype=values.dtype)
    return index


def series_to_plain(series: pd.Series, pools: Pools, encode: Encode) -> dict[str, Any]:
    """A series with its index and name."""
    values = series.to_numpy() if _plain(series) else series.array
    return {"values": values_to_plain(values, pools, encode), "index": index_to_plain(series.index, pools, encode), "name": encode(series.name)}  # fmt: skip


def series_from_plain(plain: dict[str, Any], drawers: Drawers, decode: Encode) -> pd.Series:
    """What `series_to_plain` wrote."""
    values = values_from_plain(plain["values"], drawers, decode)
    return pd.Series(values, index_from_plain(plain["index"], drawers, decode), values.dtype, decode(plain["name"]))


def table_to_plain(table: pd.DataFrame, pools: Pools, encode: Encode) -> dict[str, Any]:
    """A table, column by column."""
    columns = [table.iloc[:, j] for j in range(table.shape[1])]
    values = [values_to_plain(c.to_numpy() if _plain(c) else c.array, pools, encode) for c in columns]
    return {"columns": index_to_plain(table.columns, pools, encode), "index": index_to_plain(table.index, pools, encode), "values": values}  # fmt: skip


def table_from_plain(plain: dict[str, Any], drawers: Drawers, decode: Encode) -> pd.DataFrame:
    """What `table_to_plain` wrote."""
    index = index_from_plain(plain["index"], drawers, decode)
    columns = index_from_plain(plain["columns"], drawers, decode)
    held = {j: values_from_plain(v, drawers, decode) for j, v in enumerate(plain["values"])}
    if len(held) != len(columns) or any(len(v) != len(index) for v in held.values()):
        raise BundleError("A table has other columns or rows than it says. Get the bundle anew.")
    return pd.DataFrame(held, index=index).set_axis(columns, axis=1)


def _plain(column: Any) -> bool:
    """Whether values lie in an array of NumPy."""
    return isinstance(column.dtype, np.dtype)


def _times(text: str) -> np.dtype[Any]:
    dtype = np.dtype(text) if text.startswith(("<M8[", "<m8[")) else None
    if dtype is None:
        raise BundleError("Times of an unknown type. Get the bundle anew.")
    return dtype


def _text(text: str) -> np.dtype[Any]:
    if not (text.startswith("<U") and text[2:].isdigit() and len(text) < 9):
        raise BundleError("Texts of an unknown type. Get the bundle anew.")
    return np.dtype(text)
