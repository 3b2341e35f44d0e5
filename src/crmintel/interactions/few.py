"""A handful of interactions, such as those of one customer who is served now: the same rows as through the door, in less time."""

from collections.abc import Iterable, Mapping
from typing import Any

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


_READ = frozenset({CUSTOMER, TIME, KNOWN_AT, *TEXT, *NUMBERS})
_TEXT = frozenset(TEXT)


def _few(columns: dict[str, pd.Series], zone: Zone) -> Part:
    if not {CUSTOMER, TIME} <= columns.keys() or CURRENCY in columns:
        raise _Unusual
    time = _times(columns.pop(TIME), zone)
    if time.min() <= MISSING_TIME:
        raise _Unusual
    known = (
        np.maximum(_times(columns.pop(KNOWN_AT), zone), time) if KNOWN_AT in columns else None
    )  # missing: known at once
    who, customers = _coded(columns.pop(CUSTOMER).tolist(), numeric=True)
    if who.min() < 0 or (
        ORDER in columns and len(customers) > 1
    ):  # an order of several customers is refused at the door
        raise _Unusual
    numbers: dict[str, Float] = {}
    text: dict[str, list[Any]] = {}
    for name, column in columns.items():
        if name in NUMBERS or (name not in _TEXT and column.dtype.kind in "iuf"):
            numbers[name] = _numbers(column)
        else:
            text[name] = column.tolist()
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


def _coded(values: list[Any], *, numeric: bool) -> tuple[Codes, pa.Array]:
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
