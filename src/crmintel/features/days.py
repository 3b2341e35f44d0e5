"""Local calendar arithmetic on microseconds."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from crmintel.interactions.clock import DAY, HOUR, Int


def day(local: Int) -> Int:
    """Days since 1970-01-01, floored, so that days before 1970 count down."""
    return np.floor_divide(local, DAY)


def weekday(local: Int) -> Int:
    """Monday is 0; 1970-01-01 was a Thursday."""
    return (day(local) + 3) % 7


def hour(local: Int) -> Int:
    """Hour of the local day, 0 to 23."""
    return np.floor_divide(local, HOUR) % 24


def month(local: Int) -> Int:
    """Month of the local year, 0 to 11."""
    return months(local) % 12


def months(local: Int) -> Int:
    """Calendar months since January 1970."""
    return local.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def week(local: Int) -> Int:
    """Weeks that begin on Monday, since the one of 1970-01-01."""
    return np.floor_divide(day(local) + 3, 7)


CLOCK: Final[Mapping[str, Callable[[Int], Int]]] = {"local_hour": hour, "local_weekday": weekday, "local_month": month}
"""Columns that every log has: they are read off the local clock."""

CLOCK_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "local_hour": tuple(map(str, range(24))),
    "local_weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "local_month": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
    ),
}  # fmt: skip

PERIODS: Final[Mapping[str, Callable[[Int], Int]]] = {"day": day, "week": week, "month": months}
"""The calendar periods in which activity is counted."""
