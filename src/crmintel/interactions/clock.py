"""Business time: UTC microseconds to local microseconds and back, by the zone's own change-overs."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from numbers import Number
from typing import Any, final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.errors import DataContractError
from crmintel.showing import Shown

Int = npt.NDArray[np.int64]
SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = 1900, 2200
_FEW_CHANGES = 12
_UNIT = re.compile(r"(?<=\d)\s*([dw])$")


@lru_cache(maxsize=32)
def _changes(name: str) -> tuple[Int, Int]:
    """UTC instants from which an offset holds, and the offsets, both in microseconds."""
    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        raise DataContractError(f"Unknown time zone {name!r}. Use an IANA name such as 'Europe/London'.") from None

    def offset(at: datetime) -> timedelta:
        return at.astimezone(zone).utcoffset() or timedelta(0)

    since, offsets = [_EPOCH.replace(year=_FIRST)], [offset(_EPOCH.replace(year=_FIRST))]
    low, end = since[0], _EPOCH.replace(year=_LAST)
    while low < end:
        high = low + timedelta(days=7)  # no zone changes twice within a week in the years that we read
        if offset(high) != offsets[-1]:
            a, b = low, high
            while b - a > timedelta(seconds=1):
                middle = a + (b - a) // 2
                a, b = (middle, b) if offset(middle) == offsets[-1] else (a, middle)
            b = b.replace(microsecond=0)
            since.append(b)
            offsets.append(offset(b))
        low = high
    micro = timedelta(microseconds=1)
    return np.array([(s - _EPOCH) // micro for s in since]), np.array([o // micro for o in offsets])


def _shift(ticks: Int, since: Int, offsets: Int) -> Int | np.int64:
    """The offset of each tick: the last of those that hold by then, or the first."""
    if len(offsets) == 1:
        return np.int64(offsets[0])
    if not ticks.size:
        return ticks
    first, last = np.clip(np.searchsorted(since, [ticks.min(), ticks.max()], side="right") - 1, 0, None)
    if last - first > _FEW_CHANGES:
        return offsets[np.clip(np.searchsorted(since, ticks, side="right") - 1, 0, None)]
    out: Int | np.int64 = offsets[first]
    for i in range(first + 1, last + 1):  # a few passes are quicker than a search for each row
        out = out + (ticks >= since[i]) * (offsets[i] - offsets[i - 1])
    return out


@final
@dataclass(frozen=True)
class Zone(Shown):
    """A business zone: the clock by which days, weekends and hours are told.

    Examples
    --------
    >>> zone = Zone("Europe/London")
    >>> zone.instant("2011-07-01") == micros(pd.Timestamp("2011-06-30 23:00"))
    True
    """

    name: str = "UTC"

    def __post_init__(self) -> None:
        _changes(self.name)

    def to_local(self, utc: Int) -> Int:
        """Local wall-clock microseconds of UTC microseconds; the same shape."""
        return utc + _shift(utc, *_changes(self.name))

    def to_utc(self, local: Int) -> Int:
        """UTC of local wall-clock times: the first of a repeated hour; a skipped hour moves forward."""
        since, offsets = _changes(self.name)
        before = np.concatenate([offsets[:1], offsets[:-1]])
        return local - _shift(local, since + np.maximum(before, offsets), offsets)  # when the later clock shows it

    def instant(self, at: Any) -> int:
        """UTC microseconds of an instant; without a zone of its own it is told by this clock."""
        todo = "Give a date or a timestamp such as '2024-03-01'."
        if isinstance(at, Number):  # pandas would count nanoseconds since 1970
            raise DataContractError(f"An instant is a bare number. {todo}")
        try:
            stamp = pd.Timestamp(at)
        except (ValueError, TypeError, OverflowError):
            raise DataContractError(f"An instant cannot be read. {todo}") from None
        if pd.isna(stamp):
            raise DataContractError(f"An instant is missing. {todo}")
        if stamp.tzinfo is not None:
            return micros(stamp.tz_convert("UTC"))
        return int(self.to_utc(np.array([micros(stamp)]))[0])

    def stamp(self, utc: int) -> pd.Timestamp:
        """The local wall-clock time of a UTC instant, without a zone."""
        return pd.Timestamp(int(self.to_local(np.array([utc]))[0]), unit="us").as_unit("us")


def duration(length: Any) -> int:
    """Microseconds of a duration such as ``"90d"``; it must be longer than nothing.

    >>> duration("1d") == 24 * 3600 * 10**6, duration("2w") == duration("14d")
    (True, True)
    """
    todo = "Write it as '90d', '12h' or a Timedelta."
    if isinstance(length, Number) and not isinstance(length, np.timedelta64):
        raise DataContractError(f"A duration is a bare number. {todo}")
    try:
        # pandas wants capitals for days and weeks; people write "90d", as this package does.
        delta = pd.Timedelta(_UNIT.sub(lambda m: m[1].upper(), length) if isinstance(length, str) else length)
    except (ValueError, TypeError, OverflowError):
        raise DataContractError(f"A duration cannot be read. {todo}") from None
    if pd.isna(delta) or delta < pd.Timedelta(microseconds=1):
        raise DataContractError(f"A duration must be longer than nothing, not {length!r}. Write it as '90d'.")
    return int(delta // pd.Timedelta(microseconds=1))


def micros(stamp: pd.Timestamp) -> int:
    """Microseconds since 1970 of a UTC or zoneless timestamp of any resolution."""
    plain = stamp.tz_localize(None) if stamp.tzinfo is not None else stamp
    return int(plain.as_unit("us").asm8.astype(np.int64))
