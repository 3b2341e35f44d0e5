"""One column of a source, of whatever dtype, as the kind of column the contract asks for."""

from functools import cached_property
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
from crmintel.interactions.words import WORDS, decoded, encoded, holding, joined, plain_type, present, without
from crmintel.interactions.writing import FORMS, advice, fitting

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

MISSING_TIME = np.iinfo(np.int64).min
LONGEST_ID = 1_024
LONGEST_TEXT = 100_000
LARGEST_AMOUNT = 1e15
_TICKS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_SAFE = 2**53
_ISO_DATE = r"^\s*\d{4}-?\d{2}-?\d{2}(\s*$|[T ])"  # a bare year or a count of seconds is no date
_COMMA = r"^\s*[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d*)?\s*$"  # 1234,50 and 1.234,50
_WHOLE_FLOAT = r"^\s*-?\d+\.0\s*$"
_ISO_OFFSET = r"[T ].*(Z|[+-]\d{2}(:?\d{2})?)\s*$"


class Column:
    """One mapped column of one batch: its name, its values, and the tally that complaints go to."""

    def __init__(
        self, name: str, values: pa.ChunkedArray, tally: Tally, offset: int, text: bool, decimal: str = "."
    ) -> None:
        self.name, self.tally, self.offset, self.text, self.decimal = name, tally, offset, text, decimal
        self.category = pa.types.is_dictionary(values.type)
        self._given = _strings_of_uuids(name, values)
        kind = plain_type(self._given.type)
        self.type = pa.large_string() if _is_text(kind) else kind

    @cached_property
    def values(self) -> pa.Array:
        """One array of a plain type: no chunks, no dictionary, no views, UUIDs as their text."""
        return joined([decoded(c, self.type) for c in self._given.chunks], self.type)

    @cached_property
    def words(self) -> pa.DictionaryArray:
        """Text as codes."""
        return encoded(self._given)

    def note(self, rule: str, mask: Bool) -> Bool:
        """Count the rows of `mask` as breaking `rule`."""
        self.tally.note(rule, self.offset + np.flatnonzero(mask)[:3], int(np.count_nonzero(mask)))
        return mask

    def refuse(self, why: str, todo: str) -> DataTypeError:
        """A complaint about the dtype of this column."""
        return DataTypeError(f"Column {self.name!r} {why} ({self.type}). {todo}")


def _is_text(t: pa.DataType) -> bool:
    return bool(pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t))


def _strings_of_uuids(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    if not isinstance(values.type, pa.BaseExtensionType):
        return values
    if values.type.extension_name != "arrow.uuid":
        raise DataTypeError(f"Column {name!r} is of an extension type ({values.type}). Give a plain dtype.")
    return pa.chunked_array([[None if v is None else str(v) for v in values.to_pylist()]], pa.large_string())


def ids(column: Column) -> pa.Array:
    """Identifiers as int64 or as coded text; blank text counts as missing."""
    t = column.type
    if pa.types.is_null(t):
        return column.values
    if pa.types.is_integer(t):
        v = column.values
        if pa.types.is_uint64(t) and (pc.max(v).as_py() or 0) >= 2**63:
            raise column.refuse("holds identifiers beyond 63 bits", "Store them as text.")
        return v.cast(pa.int64())
    if pa.types.is_floating(t):
        raise _float_ids(column)
    if not pa.types.is_large_string(t):
        raise column.refuse("cannot be an identifier", "Give integers, text or UUIDs.")
    long = pc.greater(pc.utf8_length(column.words.dictionary), LONGEST_ID)
    column.note(f"identifiers longer than {LONGEST_ID:,} characters in {column.name!r}", holding(column.words, long))
    return _blank_as_missing(column.words)


def _float_ids(column: Column) -> DataTypeError:
    """The complaint about identifiers that were read as floats."""
    x = column.values.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
    if np.any(np.abs(x[np.isfinite(x)]) > _SAFE):
        return column.refuse(
            "holds identifiers as floats beyond 2^53, where neighbours collide", "Read them as integers or text."
        )
    return column.refuse("holds identifiers as floats, probably because some are missing", "Cast it: astype('Int64').")


def whole_floats(ids: pa.DictionaryArray) -> bool | None:
    """Whether all identifiers of a text file look like 17850.0, as pandas writes them beside missing ones; None for none."""
    said = present(ids)
    return bool(pc.all(pc.match_substring_regex(said, _WHOLE_FLOAT)).as_py()) if len(said) else None


def float_text(name: str) -> DataTypeError:
    """The complaint about identifiers that were floats before they were written as text."""
    return DataTypeError(
        f"Column {name!r} holds identifiers that all end in '.0': they were written as floats, probably because some are "
        "missing. Cast it: astype('Int64') before to_csv."
    )


def labels(column: Column) -> pa.DictionaryArray:
    """Names of kinds, channels and categories as coded text; missing stays missing."""
    t = column.type
    if pa.types.is_null(t):
        return column.values.cast(WORDS)
    if pa.types.is_integer(t) or pa.types.is_boolean(t):
        return encoded(pa.chunked_array([column.values]))
    if not pa.types.is_large_string(t):
        raise column.refuse("cannot hold names", "Give text.")
    return words(column)


def kept(column: Column) -> Any:
    """A column of no known meaning: numbers stay numbers, all else is text."""
    t = column.type
    if pa.types.is_null(t):
        return column.values
    return numbers(column) if _is_number(t) and not column.category else labels(column)


def words(column: Column) -> pa.DictionaryArray:
    """Text, cut at a stated length; blank text counts as missing."""
    coded = column.words
    longer = holding(coded, pc.greater(pc.utf8_length(coded.dictionary), LONGEST_TEXT))
    if column.note(f"texts longer than {LONGEST_TEXT:,} characters in {column.name!r}", longer).any():
        cut = pc.utf8_slice_codeunits(coded.dictionary, 0, LONGEST_TEXT)
        coded = encoded(pa.chunked_array([pa.DictionaryArray.from_arrays(coded.indices, cut)]))
    return _blank_as_missing(coded)


def _blank_as_missing(coded: pa.DictionaryArray) -> pa.DictionaryArray:
    return without(coded, pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(coded.dictionary)), 0))


def numbers(column: Column) -> Float:
    """Plain float64; missing is NaN, −0.0 is 0.0; what cannot be a number is tallied."""
    v, t = column.values, column.values.type
    if pa.types.is_null(t):
        return np.full(len(v), np.nan)
    if column.category:
        raise column.refuse("is a category, not a number", "Give integers, floats or decimals.")
    if pa.types.is_large_string(t):
        x = _parsed(column)
    elif _is_number(t):
        if pa.types.is_decimal(t):
            column.tally.note(f"decimals in {column.name!r}", [], len(v) - v.null_count)
        x = _floats(v)
    else:
        raise column.refuse("does not hold numbers", "Give integers, floats or decimals.")
    if np.fmax.reduce(np.abs(x), initial=0.0) > LARGEST_AMOUNT:
        column.note(f"infinite values in {column.name!r}", np.isinf(x))
        column.note(f"values beyond 1e15 in {column.name!r}", np.isfinite(x) & (np.abs(x) > LARGEST_AMOUNT))
    return x + 0.0


def _floats(v: pa.Array) -> Float:
    floats = v.cast(pa.float64(), safe=False)
    x: Float = (floats.fill_null(np.nan) if v.null_count else floats).to_numpy()  # filling copies
    return x


def _parsed(column: Column) -> Float:
    """Numbers written as text: parsed in CSV files, refused elsewhere."""
    text = column.values
    if column.text and column.decimal == ",":
        plain = pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")
        text = pc.if_else(pc.match_substring_regex(text, _COMMA), plain, pa.scalar(None, text.type))
    x: Float = pd.to_numeric(text.to_pandas(), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    rule = f"text that is no number in {column.name!r}"
    column.note(rule, _said(column) & np.isnan(x))
    if not column.text:
        bad = (
            f"{column.tally.count(rule):,} rows cannot be parsed; {column.tally.where(rule)}"
            if column.tally.count(rule)
            else "all can be parsed"
        )
        raise column.refuse(f"is text, not numbers; {bad}", "Convert it first: pandas.to_numeric(...).")
    return x


def times(column: Column, zone: Zone, policies: Policies) -> tuple[Int, bool | None]:
    """UTC microseconds, missing is `MISSING_TIME`; and whether they came with a zone (None: nothing to tell by)."""
    v, t = column.values, column.values.type
    if pa.types.is_null(t):
        return np.full(len(v), MISSING_TIME), None
    if pa.types.is_timestamp(t) or pa.types.is_date(t):
        ticks, aware = _ticks(v), pa.types.is_timestamp(t) and t.tz is not None
    elif pa.types.is_large_string(t) and not (column.text and policies.time_unit):
        ticks, aware = _spelled(column, policies)
    elif pa.types.is_integer(t) or pa.types.is_floating(t) or pa.types.is_large_string(t):
        ticks, aware = _counted(column, policies), True
    else:
        raise column.refuse("cannot be a time", "Give a datetime dtype.")
    said = ticks != MISSING_TIME
    if not said.any():
        return ticks, None
    if aware:
        return ticks, True
    if said.all():
        return zone.to_utc(ticks), False
    return np.where(said, zone.to_utc(np.where(said, ticks, 0)), MISSING_TIME), False


def _counted(column: Column, policies: Policies) -> Int:
    """Times counted since 1970 in a stated unit; integers stay exact where floats would round."""
    v, unit = column.values, policies.time_unit
    if unit is None:
        raise column.refuse(
            "holds bare numbers, not times", 'Say what they count since 1970: time_unit="s" (a policy).'
        )
    x = _parsed(column) if pa.types.is_large_string(v.type) else _floats(v)
    factor = 0.001 if unit == "ns" else float(_TICKS[unit])
    fits = np.abs(x) * factor < 2.0**62
    column.note(f"times out of range in {column.name!r}", ~fits & ~np.isnan(x))
    if not pa.types.is_integer(v.type):
        return np.where(fits, np.floor(np.where(fits, x, 0) * factor), MISSING_TIME).astype(np.int64)
    whole = np.where(fits, v.fill_null(0).cast(pa.int64(), safe=False).to_numpy(zero_copy_only=False), 0)
    return np.where(fits, whole // 1000 if unit == "ns" else whole * _TICKS[unit], MISSING_TIME)


def _ticks(v: pa.Array) -> Int:
    """Microseconds of Arrow times of any resolution; finer ones are floored, what overflows is far out of range anyway."""
    if pa.types.is_date(v.type):
        v = v.cast(pa.timestamp("ms"))
    raw = (v.cast(pa.int64()).fill_null(0) if v.null_count else v.cast(pa.int64())).to_numpy()
    if v.type.unit == "ns":
        ticks = raw // 1000
    else:
        factor = _TICKS[v.type.unit]
        limit = (2**62) // factor
        ticks = np.clip(raw, -limit, limit) * factor
    return np.where(v.is_null().to_numpy(zero_copy_only=False), MISSING_TIME, ticks) if v.null_count else ticks


def _spelled(column: Column, policies: Policies) -> tuple[Int, bool]:
    """Times written as text, all in one stated form; offsets may differ, but all or none must have one."""
    form = policies.time_format or ("ISO8601" if column.text else None)
    if form is None:
        raise column.refuse(
            "holds times as text",
            f"Give a datetime dtype, or say how they are written. {advice(fitting(said_of(column)))}",
        )
    said, text = _said(column), column.values
    if form == "ISO8601":
        strict = true(pc.match_substring_regex(text, _ISO_DATE))
        with_zone = true(pc.match_substring_regex(text, _ISO_OFFSET)) & said
        text = pc.if_else(pa.array(strict), text, None)
        if with_zone.any() and (said & ~with_zone).any():
            raise mixed_zones(column.name)
        aware = bool(with_zone.any())
    else:
        aware = "%z" in form
    parsed = pd.to_datetime(text.to_pandas(), format=form, errors="coerce", utc=aware)
    rule = f"text that is no time in {column.name!r}"
    if column.note(rule, said & parsed.isna().to_numpy()).any():
        column.tally.forms[rule] = fitting(said_of(column), column.tally.forms.get(rule, FORMS))
    if aware:
        parsed = parsed.dt.tz_localize(None)
    return parsed.to_numpy().astype("datetime64[us]").astype(np.int64), aware


def mixed_zones(name: str) -> DataContractError:
    """The complaint about one column with and without a zone."""
    return DataContractError(f"Column {name!r} mixes times with and without a time zone. Give all of them one rule.")


def said_of(column: Column) -> pd.Series:
    """The texts that are not blank."""
    texts: pd.Series = column.values.filter(pa.array(_said(column))).to_pandas()
    return texts


def _said(column: Column) -> Bool:
    """Rows whose text is not blank."""
    return true(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(column.values)), 0))


def _is_number(t: pa.DataType) -> bool:
    return bool(pa.types.is_integer(t) or pa.types.is_floating(t) or pa.types.is_decimal(t))


def true(mask: pa.Array) -> Bool:
    """An Arrow mask as NumPy; missing is false."""
    out: Bool = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    return out
