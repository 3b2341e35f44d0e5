"""A handful of interactions, such as those of one customer who is served now: the same rows as through the door, in less time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from crmintel.columns import (  # fmt: skip
    AMOUNT,
    CATEGORY,
    CHANNEL,
    CURRENCY,
    CUSTOMER,
    ITEM,
    KIND,
    KNOWN_AT,
    NUMBERS,
    ORDER,
    PURCHASE,
    QUANTITY,
    RETURN,
    TEXT,
    TIME,
    UNIT_PRICE,
    UNKNOWN,
)
from crmintel.interactions.clock import Int, Zone
from crmintel.interactions.convert import LARGEST_AMOUNT, LONGEST_ID, MISSING_TIME
from crmintel.interactions.part import Codes, Float, Part

MOST = 5_000
"""Rows beyond which the door is the quicker way."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)
_PLAIN: Final = frozenset({int, float, type(None)})


class _Unusual(Exception):
    """Something that the door must look at: it forgives, or tells what is wrong."""


def few(frame: pd.DataFrame, zone: Zone, keep: Iterable[str] = ()) -> Part | None:
    """The rows of a small frame, checked and sorted as at the door; None where anything is unusual, and the door must decide."""
    if not 0 < len(frame) <= MOST:
        return None
    try:
        return _few({str(c): frame[c] for c in frame.columns if c in _READ or c in keep}, zone)
    except (
        _Unusual,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
    ):  # the door forgives it, or says what is wrong
        return None


def few_rows(events: Sequence[Mapping[str, Any]], zone: Zone, keep: Iterable[str] = ()) -> Part | None:
    """The same of interactions as JSON tells them: mappings of names to numbers and texts, with times in ISO 8601.

    They never become a frame. Names that nobody reads are left out.
    """
    if not 0 < len(events) <= MOST:
        return None
    try:
        return _few_rows(events, zone, frozenset(keep))
    except (_Unusual, TypeError, ValueError, AttributeError, OverflowError, KeyError):
        return None


_READ = frozenset({CUSTOMER, TIME, KNOWN_AT, *TEXT, *NUMBERS})
_TEXT = frozenset(TEXT)


def _few(columns: dict[str, pd.Series], zone: Zone) -> Part:
    if not {CUSTOMER, TIME} <= columns.keys() or CURRENCY in columns:
        raise _Unusual
    time = _times(columns.pop(TIME), zone)
    known = _times(columns.pop(KNOWN_AT), zone) if KNOWN_AT in columns else None
    who = columns.pop(CUSTOMER).tolist()
    numbers: dict[str, Float] = {}
    text: dict[str, list[Any]] = {}
    for name, column in columns.items():
        if name in NUMBERS or (name not in _TEXT and column.dtype.kind in "iuf"):
            numbers[name] = _numbers(column)
        else:
            text[name] = column.tolist()
    return _part(who, time, known, text, numbers)


def _few_rows(events: Sequence[Mapping[str, Any]], zone: Zone, keep: frozenset[str]) -> Part:
    columns = _columns(events, keep)
    kinds = {name: set(map(type, values)) for name, values in columns.items()}
    for name in [n for n, k in kinds.items() if k == {type(None)} and n not in {CUSTOMER, TIME, *keep}]:
        del columns[name]  # nobody said anything, and nobody asks
    if not {CUSTOMER, TIME} <= columns.keys() or CURRENCY in columns:
        raise _Unusual
    time = _moments(columns.pop(TIME), zone)
    known = _moments(columns.pop(KNOWN_AT), zone) if KNOWN_AT in columns else None
    who = columns.pop(CUSTOMER)
    numbers: dict[str, Float] = {}
    text: dict[str, list[Any]] = {}
    for name, values in columns.items():
        if name in NUMBERS or (name not in _TEXT and kinds[name] <= _PLAIN):
            if not kinds[name] <= _PLAIN:
                raise _Unusual
            x = np.array(values, np.float64) + 0.0
            if (np.abs(x) > LARGEST_AMOUNT).any():
                raise _Unusual
            numbers[name] = x
        else:
            text[name] = list(values)
    return _part(who, time, known, text, numbers)


def _columns(events: Sequence[Mapping[str, Any]], keep: frozenset[str]) -> dict[str, Sequence[Any]]:
    """The cells of each name that somebody reads; None where an interaction has no such name."""
    first = [n for n in events[0] if n in _READ or n in keep]
    told = events[0].keys()
    if len(first) > 1 and all(e.keys() == told for e in events):
        return dict(zip(first, zip(*map(itemgetter(*first), events), strict=True), strict=True))
    names = dict.fromkeys(n for e in events for n in e if n in _READ or n in keep)
    return {n: [e.get(n) for e in events] for n in names}


def _moments(values: Sequence[Any], zone: Zone) -> Int:
    """UTC microseconds of texts in ISO 8601, all with an offset or all without; of others the door must decide."""
    held = [v for v in values if v is not None]
    if not all(len(v) >= 10 and v[4] == v[7] == "-" and v[10:11] in ("", "T", " ") for v in held):
        raise _Unusual
    read = [datetime.fromisoformat(v) for v in held]
    aware = {d.tzinfo is not None for d in read}
    if len(aware) != 1 or not all(1900 < d.year < 2200 for d in read):
        raise _Unusual
    if aware.pop():
        micro = np.array([(d - _EPOCH) // _MICRO for d in read], np.int64)
    else:
        micro = zone.to_utc(np.array(read, "datetime64[us]").astype(np.int64))
    if len(held) == len(values):
        return micro
    out = np.full(len(values), MISSING_TIME, np.int64)
    out[[i for i, v in enumerate(values) if v is not None]] = micro
    return out


def _part(
    owners: Sequence[Any], time: Int, known: Int | None, text: dict[str, list[Any]], numbers: dict[str, Float]
) -> Part:
    """Checked, completed and sorted rows."""
    if time.min() <= MISSING_TIME:
        raise _Unusual
    known = None if known is None else np.maximum(known, time)  # missing: known at once
    who, customers = _coded(owners, numeric=True)
    if who.min() < 0 or (ORDER in text and len(customers) > 1):  # an order of several customers is refused at the door
        raise _Unusual
    _complete(text, numbers, len(time))
    coded = {name: _coded(text[name], numeric=name in (ITEM, ORDER)) for name in sorted(text)}
    numbers = {name: numbers[name] for name in sorted(numbers)}
    ranks = [c for _, c in sorted((k != ITEM, k) for k in coded)]
    keys: list[npt.NDArray[Any]] = [time, *(coded[k][0] for k in ranks)]
    keys = [*keys, *([] if known is None else [known]), *numbers.values()]
    order = np.lexsort([*reversed(keys), who] if len(customers) > 1 else keys[::-1])
    starts = np.searchsorted(who[order], np.arange(len(customers) + 1)).astype(np.int64)
    return Part(
        customers, starts, time[order], {k: c[order] for k, (c, _) in coded.items()}, {k: v for k, (_, v) in coded.items()},
        {k: x[order] for k, x in numbers.items()}, None if known is None else known[order],
    )  # fmt: skip


def times(column: pd.Series, zone: Zone) -> Int | None:
    """UTC microseconds, `MISSING_TIME` where there is none; None unless the column is of datetimes."""
    values = column.array
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        ticks = values.tz_convert("UTC").asi8
        unit, aware = str(values.dtype.unit), True
    elif values.dtype.kind == "M":
        ticks, unit, aware = values.asi8, np.datetime_data(values.dtype)[0], False
    else:
        return None
    there = None if len(ticks) and ticks.min() != MISSING_TIME else ticks != MISSING_TIME
    ticks = ticks if there is None else np.where(there, ticks, 0)
    micro: Int = (
        ticks // 1000 if unit == "ns" else ticks if unit == "us" else ticks * {"ms": 1_000, "s": 1_000_000}[unit]
    )
    micro = micro if aware else zone.to_utc(micro)
    return micro if there is None else np.where(there, micro, MISSING_TIME)


def _times(column: pd.Series, zone: Zone) -> Int:
    told = times(column, zone)
    if told is None:
        raise _Unusual
    return told


def _coded(values: Sequence[Any], *, numeric: bool) -> tuple[Codes, pa.Array]:
    """Codes in the order of the values, text or, in identifiers, whole numbers; −1 is missing."""
    code = dict.fromkeys(values, -1)
    held = [v for v in code if v is not None and v == v]
    kinds = set(map(type, held))
    if not (numeric and kinds == {int}) and not (
        kinds <= {str} and all(v.strip() and len(v) <= LONGEST_ID for v in held)
    ):
        raise _Unusual
    held.sort()
    code.update(zip(held, range(len(held)), strict=True))
    codes = np.fromiter(map(code.__getitem__, values), np.int32, len(values))
    return codes, pa.array(held, pa.int64() if kinds == {int} else pa.large_string())


def _numbers(column: pd.Series) -> Float:
    values = column.array
    if values.dtype.kind not in "iuf":
        raise _Unusual
    x = np.asarray(values, np.float64) + 0.0
    if (np.abs(x) > LARGEST_AMOUNT).any():
        raise _Unusual
    return x


def _complete(text: dict[str, list[Any]], numbers: dict[str, Float], n: int) -> None:
    """What the door adds: kinds, amounts, returns and the name of the unknown."""
    if AMOUNT not in numbers and QUANTITY in numbers and UNIT_PRICE in numbers:
        numbers[AMOUNT] = numbers[QUANTITY] * numbers[UNIT_PRICE] + 0.0
        if (np.abs(numbers[AMOUNT]) > LARGEST_AMOUNT).any():
            raise _Unusual
    for name in (KIND, CATEGORY, CHANNEL):
        if name in text:
            text[name] = [UNKNOWN if v is None or v != v else v for v in text[name]]
    kind = text[KIND] = text.get(KIND) or [PURCHASE] * n
    for name in (AMOUNT, QUANTITY):
        if name in numbers:
            for i in (numbers[name] < 0).nonzero()[0].tolist():
                kind[i] = RETURN if kind[i] == PURCHASE else kind[i]
    lacking = set(np.isnan(numbers[AMOUNT]).nonzero()[0].tolist()) if AMOUNT in numbers else set()
    if ITEM in text:
        lacking |= {i for i, v in enumerate(text[ITEM]) if v is None or v != v}
    if any(kind[i] in (PURCHASE, RETURN) for i in lacking):
        raise _Unusual


def frame_of(events: Any) -> Any:
    """Events as a frame, where they are rows or columns of plain Python."""
    if isinstance(events, Mapping | list):
        return pd.DataFrame(events)
    return events
