"""The short names by which filters are written."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from crmintel.errors import DataContractError
from crmintel.features.filters import Both, Is, OnClock, Where, Within


def where(**equals: Any) -> Where:
    """Interactions whose columns equal the given values; a list, tuple or set means any of them.

    >>> tea = where(kind="purchase", category=["tea", "cup"])
    >>> tea.label, tea.words
    ('purchase&category=cup+tea', 'purchases with category cup or tea')
    """
    if not equals:
        raise DataContractError("where() names no column. Write where(kind='purchase').")
    parts: list[Where] = [Is(column, _values(value)) for column, value in equals.items()]
    out = parts[0]
    for part in parts[1:]:
        out = Both(out, part)
    return out


def between(column: str, low: float = -np.inf, high: float = np.inf) -> Where:
    """Interactions whose number lies in ``[low, high)``.

    >>> between("amount", 20).words
    'interactions with amount of 20 or more'
    """
    try:
        low, high = float(low), float(high)
    except (TypeError, ValueError):
        raise DataContractError(
            f"between({column!r}, …) needs numbers; times are told by windows and instants."
        ) from None
    return Within(column, None if low == -np.inf else low, None if high == np.inf else high)


def hours(first: int, last: int) -> Where:
    """Interactions in the hours ``[first, last)`` of the local day, which may pass midnight.

    >>> print((where(kind="purchase") & hours(6, 12)).words)
    purchases from 6 to 12 o'clock
    """
    if not (0 <= first < 24 and 0 < last <= 24 and first != last):
        raise DataContractError(f"Hours go from 0 to 24, not from {first} to {last}.")
    return OnClock(f"hours{first}to{last}", f"from {first} to {last} o'clock", first_hour=first, last_hour=last)


def weekend() -> Where:
    """Interactions on a local Saturday or Sunday.

    >>> (where(kind="purchase") & weekend()).words
    'purchases at the weekend'
    """
    return OnClock("weekend", "at the weekend", (5, 6))


def night() -> Where:
    """Interactions from 22 to 6 local time.

    >>> (where(kind="purchase") & night()).one
    'purchase at night'
    """
    return OnClock("night", "at night", first_hour=22, last_hour=6)


def _values(value: Any) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (value,)
    try:
        values = tuple(sorted(value))
    except TypeError:
        raise DataContractError(
            "A filter compares a column with values of several kinds, or with a missing one. Give one kind."
        ) from None
    if not values:
        raise DataContractError("A filter compares a column with no value at all. Name at least one.")
    return values
