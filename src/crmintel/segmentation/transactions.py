"""Plain rows of purchases in memory: recency, frequency and money without making a log first; the same values, in less time."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import AMOUNT, CUSTOMER, TIME
from crmintel.features.exact import SCALE
from crmintel.interactions import Zone
from crmintel.interactions.clock import DAY, Int
from crmintel.interactions.convert import LARGEST_AMOUNT, LONGEST_ID, MISSING_TIME
from crmintel.interactions.few import times
from crmintel.interactions.memory import keep_freed_memory
from crmintel.interactions.part import factorise

_EXACT = 2.0**53
_DENSE = 2
BLOCK: Final = 500_000
SHORT: Final = 8
"""Texts of at most so many bytes are compared as whole numbers."""


def plain_values(frame: Any, at: int, zone: Zone, back: int | None = None) -> pd.DataFrame | None:
    """Recency, frequency and money of each customer in plain rows; None where the door must look at them.

    Plain are a frame of customer_id (whole numbers or text), timestamp and, if wanted, amount, with nothing missing and
    amounts in whole hundredths: then sums do not depend on the order of rows. Frequency and money are those of the last
    `back` microseconds, if given.
    """
    if not isinstance(frame, pd.DataFrame) or not len(frame) or set(frame.columns) - {AMOUNT} != {CUSTOMER, TIME}:
        return None
    keep_freed_memory()
    time, cents, coded = times(frame[TIME], zone), _cents(frame), _coded(frame[CUSTOMER])
    if time is None or cents is None or coded is None or time.min() <= MISSING_TIME:
        return None
    code, customers = coded
    past = time < at
    if not past.all():
        code, time, cents = code[past], time[past], cents[past]
    n = len(customers)
    rows: npt.NDArray[Any] = np.bincount(code, minlength=n)
    spent = cents if back is None else cents * (time >= at - back)
    known, money = rows > 0, np.bincount(code, weights=spent, minlength=n) / SCALE
    if cents.min(initial=0.0) < 0:  # returns are no purchases
        bought = cents >= 0
        code, time = code[bought], time[bought]
        rows = np.bincount(code, minlength=n)
    last = np.full(n, MISSING_TIME)
    np.maximum.at(last, code, time)
    since = (at - last) / DAY
    since[rows == 0] = np.nan
    if back is not None:
        recent = time >= at - back
        code, time = code[recent], time[recent]
        rows = np.bincount(code, minlength=n)
    often = rows - _again(code, time, zone, n)
    table: dict[str, npt.NDArray[Any]] = {"recency_days": since, "frequency": often}
    if AMOUNT in frame:
        table["monetary"] = money
    index = pd.Index(
        customers.to_numpy() if pa.types.is_integer(customers.type) else customers.to_pandas(), name=CUSTOMER
    )
    told = pd.DataFrame(table, index)
    return told if known.all() else told[known]


def _again(code: npt.NDArray[np.integer[Any]], time: Int, zone: Zone, n: int) -> npt.NDArray[np.float64]:
    """How many rows of each customer fall on a local day that has another one already."""
    if not len(code):
        return np.zeros(n)
    first = int(time.min()) // DAY - 2  # no clock is two days behind
    bits = (int(time.max()) // DAY + 2 - first).bit_length()
    key = np.empty(len(code), np.uint32 if n << bits < 2**32 else np.int64)  # half as wide is sorted in half the time
    for block in _blocks(len(code)):
        day = zone.to_local(time[block]) // DAY - first
        day |= code[block].astype(np.int64) << bits
        key[block] = day
    key.sort()
    again = key[1:][key[1:] == key[:-1]] >> bits  # few of many rows
    return np.bincount(again, minlength=n).astype(np.float64)


def _blocks(n: int) -> Iterator[slice]:
    """Some rows at a time: what is worked out of them stays in memory that is used again."""
    return (slice(a, a + BLOCK) for a in range(0, n, BLOCK))


def _cents(frame: pd.DataFrame) -> npt.NDArray[np.float64] | None:
    """Amounts in hundredths; None unless all are known and whole."""
    cents = np.zeros(len(frame))
    if AMOUNT not in frame:
        return cents
    column = frame[AMOUNT]
    if column.dtype.kind not in "iuf":
        return None
    amounts = column.to_numpy(np.float64)
    for block in _blocks(len(cents)):
        some = cents[block]
        np.rint(np.multiply(amounts[block], SCALE, out=some), out=some)
        if not (some / SCALE == amounts[block]).all():  # never true of what is missing
            return None
    most = max(cents.max(), -cents.min())
    return cents if most <= LARGEST_AMOUNT * SCALE and most * len(cents) < _EXACT else None


def _coded(column: pd.Series) -> tuple[npt.NDArray[np.integer[Any]], pa.Array] | None:
    """Codes of customers in the order of their identifiers; None for what is neither whole numbers nor text.

    Whole numbers that lie close are their own codes, with those between that no customer has.
    """
    if column.dtype.kind in "iu":
        ids = column.to_numpy()
        low, high = int(ids.min()), int(ids.max())
        if high >= 2**63 or high - low > _DENSE * len(ids):
            return factorise(pa.array(ids)) if high < 2**63 else None
        ids = ids.astype(np.int64, copy=False)
        return ids - low if low else ids, pa.array(np.arange(low, high + 1))
    if column.dtype != "str" or column.isna().any():
        return None
    text = pa.array(column.array)
    text = (text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text).cast(pa.large_string())
    code, names = _short(text) or factorise(text)
    trimmed = pc.utf8_length(pc.utf8_trim_whitespace(names))
    if pc.min(trimmed).as_py() == 0 or pc.max(pc.utf8_length(names)).as_py() > LONGEST_ID:
        return None
    return code, names


def _short(text: pa.LargeStringArray) -> tuple[npt.NDArray[np.int32], pa.Array] | None:
    """Codes in rising order and the texts, by sorting short texts as whole numbers; None where they are not short and plain."""
    lengths = pc.binary_length(text)
    padded = pc.ascii_rpad(text, SHORT, padding="\0") if pc.max(lengths).as_py() <= SHORT else None
    if padded is None or not pc.all(pc.string_is_ascii(text)).as_py() or padded.offset:
        return None
    key = np.frombuffer(padded.buffers()[2], ">u8", count=len(text)).astype(np.uint64)
    if (pc.sum(lengths).as_py() or 0) != SHORT * len(text) - _zeros(key):
        return None  # a text holds a zero byte of its own
    order = np.argsort(key)
    key = key[order]
    new = np.append(True, key[1:] != key[:-1])
    rank = np.cumsum(new, dtype=np.int32)
    rank -= 1
    code = np.empty(len(text), np.int32)
    code[order] = rank
    raw = key[new].astype(">u8")
    ends = np.arange(0, SHORT * len(raw) + 1, SHORT, dtype=np.int64)
    held = pa.Array.from_buffers(pa.large_string(), len(raw), [None, pa.py_buffer(ends), pa.py_buffer(raw)])
    return code, pc.ascii_rtrim(held, characters="\0")


def _zeros(key: npt.NDArray[np.uint64]) -> int:
    """How many bytes are 0."""
    return int((key.view(np.uint8) == 0).sum())
