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
    return Within(column, None if low == -np.inf else low, None if high == np.inf else high)


def weekend() -> Where:
    """Interactions on a local Saturday or Sunday."""
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
    return tuple(sorted(value))
