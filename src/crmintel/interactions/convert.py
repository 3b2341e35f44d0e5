"""One column of a source, of whatever dtype, as the kind of column the contract asks for."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.errors import DataContractError, DataTypeError
from crmintel.interactions.clock import Int, Zone
from crmintel.interactions.policies import Policies
from crmintel.interactions.quality import Tally

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

MISSING_TIME = np.iinfo(np.int64).min
LONGEST_ID = 1_024
LONGEST_TEXT = 100_000
LARGEST_AMOUNT = 1e15
_TICKS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_SAFE = 2**53


class Column:
    """One mapped column of one batch: its name, its values, and the tally that complaints go to."""

    def __init__(self, name: str, values: pa.ChunkedArray, tally: Tally, offset: int, text: bool) -> None:
        values = values.combine_chunks()
        if isinstance(values, pa.ChunkedArray):  # combine_chunks of no or several chunks
            values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
        self.category = pa.types.is_dictionary(values.type)
        if self.category:
            values = values.cast(values.type.value_type)
        if isinstance(values.type, pa.BaseExtensionType):
            values = _uuid_text(values) if values.type.extension_name == "arrow.uuid" else values.storage
        self.name, self.values, self.tally, self.offset, self.text = name, values, tally, offset, text

    def note(self, rule: str, mask: Bool) -> Bool:
        """Count the rows of `mask` as breaking `rule`."""
        self.tally.note(rule, self.offset + np.flatnonzero(mask)[:3], int(np.count_nonzero(mask)))
        return mask

    def refuse(self, why: str, todo: str) -> DataTypeError:
        """A complaint about the dtype of this column."""
        return DataTypeError(f"Column {self.name!r} {why} ({self.values.type}). {todo}")


def ids(column: Column) -> pa.Array:
    """Identifiers as int64 or as text; blank text counts as missing."""
    v, t = column.values, column.values.type
    if pa.types.is_null(t):
        return v.cast(pa.large_string())
    if pa.types.is_integer(t):
        if pa.types.is_uint64(t) and (pc.max(v).as_py() or 0) >= 2**63:
            raise column.refuse("holds identifiers beyond 63 bits", "Store them as text.")
        return v.cast(pa.int64())
    if pa.types.is_floating(t):
        x = v.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
        if np.any(np.abs(x[np.isfinite(x)]) > _SAFE):
            raise column.refuse("holds identifiers as floats beyond 2^53, where neighbours collide", "Read them as integers or text.")
        raise column.refuse("holds identifiers as floats, probably because some are missing", "Cast it: astype('Int64').")
    if not _is_text(t):
        raise column.refuse("cannot be an identifier", "Give integers, text or UUIDs.")
    column.note(f"identifiers longer than {LONGEST_ID:,} characters", true(pc.greater(pc.utf8_length(v), LONGEST_ID)))
    blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(v)), 0)
    return pc.if_else(pc.fill_null(blank, True), pa.scalar(None, pa.large_string()), v.cast(pa.large_string()))


def labels(column: Column) -> pa.Array:
    """Names of kinds, channels and categories as text; missing stays missing."""
    t = column.values.type
    if pa.types.is_null(t) or pa.types.is_integer(t) or pa.types.is_boolean(t):
        return column.values.cast(pa.large_string())
    if not _is_text(t):
        raise column.refuse("cannot name a kind, channel or category", "Give text.")
    return words(column)


def words(column: Column) -> pa.Array:
    """Text, cut at a stated length."""
    v = column.values.cast(pa.large_string())
    longer = true(pc.greater(pc.utf8_length(v), LONGEST_TEXT))
    if column.note(f"texts longer than {LONGEST_TEXT:,} characters", longer).any():
        v = pc.utf8_slice_codeunits(v, 0, LONGEST_TEXT)
    blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(v)), 0)
    return pc.if_else(pc.fill_null(blank, True), pa.scalar(None, pa.large_string()), v)


def numbers(column: Column) -> Float:
    """Plain float64; missing is NaN, −0.0 is 0.0; what cannot be a number is tallied."""
    v, t = column.values, column.values.type
    if pa.types.is_null(t):
        return np.full(len(v), np.nan)
    if column.category or pa.types.is_boolean(t) or not (_is_text(t) or _is_number(t)):
        kind = "a category" if column.category else "not a number"
        raise column.refuse(f"is {kind}", "Give integers, floats or decimals.")
    if _is_text(t):
        x = _parsed(column)
    else:
        if pa.types.is_decimal(t):
            column.tally.note(f"decimals in {column.name!r}", [], len(v) - v.null_count)
        x = v.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
    column.note(f"infinite values in {column.name!r}", np.isinf(x))
    column.note(f"values beyond 1e15 in {column.name!r}", np.isfinite(x) & (np.abs(x) > LARGEST_AMOUNT))
    return x + 0.0


def _parsed(column: Column) -> Float:
    filled = column.values.to_pandas()
    x: Float = pd.to_numeric(filled, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    said = true(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(column.values)), 0))
    column.note(f"text that is no number in {column.name!r}", said & np.isnan(x))
    if not column.text:
        first = column.tally.where(f"text that is no number in {column.name!r}")
        raise column.refuse(f"is text, not numbers; {first}", "Convert it first: pandas.to_numeric(...).")
    return x


def times(column: Column, zone: Zone, policies: Policies) -> Int:
    """UTC microseconds; missing is `MISSING_TIME`."""
    v, t = column.values, column.values.type
    if pa.types.is_null(t):
        return np.full(len(v), MISSING_TIME)
    if pa.types.is_timestamp(t) or pa.types.is_date(t):
        ticks, aware = _ticks(v), pa.types.is_timestamp(t) and t.tz is not None
    elif _is_text(t):
        ticks, aware = _spelled(column, policies)
    elif _is_number(t) and not pa.types.is_decimal(t):
        if policies.time_unit is None:
            raise column.refuse("holds bare numbers, not times", "Say what they count since 1970: Policies(time_unit='s').")
        x = v.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
        factor = 0.001 if policies.time_unit == "ns" else _TICKS[policies.time_unit]
        fits = np.abs(x) * factor < 2.0**62
        column.note(f"times out of range in {column.name!r}", ~fits & ~np.isnan(x))
        ticks = np.where(fits, np.floor(np.where(fits, x, 0) * factor), MISSING_TIME).astype(np.int64)
        if pa.types.is_integer(t):  # exact where floats would round
            whole = v.fill_null(0).cast(pa.int64()).to_numpy(zero_copy_only=False)
            exact = whole // 1000 if policies.time_unit == "ns" else np.where(fits, whole, 0) * _TICKS[policies.time_unit]
            ticks = np.where(fits, exact, MISSING_TIME)
        aware = True
    else:
        raise column.refuse("cannot be a time", "Give a datetime dtype.")
    present = ticks != MISSING_TIME
    return ticks if aware else np.where(present, zone.to_utc(np.where(present, ticks, 0)), MISSING_TIME)


def _ticks(v: pa.Array) -> Int:
    """Microseconds of Arrow times of any resolution; finer ones are floored, what overflows is far out of range anyway."""
    if pa.types.is_date(v.type):
        v = v.cast(pa.timestamp("ms"))
    raw = v.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if v.type.unit == "ns":
        ticks = raw // 1000
    else:
        factor = _TICKS[v.type.unit]
        limit = (2**62) // factor
        ticks = np.clip(raw, -limit, limit) * factor
    return np.where(v.is_null().to_numpy(zero_copy_only=False), MISSING_TIME, ticks)


def _spelled(column: Column, policies: Policies) -> tuple[Int, bool]:
    """Times written as text, all in one stated form."""
    form = policies.time_format or ("ISO8601" if column.text else None)
    if form is None:
        raise column.refuse("holds times as text", "Give a datetime dtype, or say how they are written: Policies(time_format=...).")
    text = column.values.to_pandas()
    try:
        parsed = pd.to_datetime(text, format=form, errors="coerce")
    except ValueError:  # with and without a zone in one column
        raise DataContractError(f"Column {column.name!r} mixes times with and without a time zone. Give all of them one rule.") from None
    said = true(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(column.values)), 0))
    column.note(f"text that is no time in {column.name!r}", said & parsed.isna().to_numpy())
    aware = parsed.dt.tz is not None
    if aware:
        parsed = parsed.dt.tz_convert("UTC").dt.tz_localize(None)
    ticks = parsed.to_numpy().astype("datetime64[us]").astype(np.int64)
    return ticks, aware


def _uuid_text(values: Any) -> pa.Array:
    return pa.array([None if v is None else str(v) for v in values.to_pylist()], pa.large_string())


def _is_text(t: pa.DataType) -> bool:
    return bool(pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t))


def _is_number(t: pa.DataType) -> bool:
    return bool(pa.types.is_integer(t) or pa.types.is_floating(t) or pa.types.is_decimal(t))


def true(mask: pa.Array) -> Bool:
    """An Arrow mask as NumPy; missing is false."""
    out: Bool = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    return out
