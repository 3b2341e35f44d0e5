"""Options and instants, checked where they enter."""

from numbers import Integral, Real
from typing import Any, Final

import numpy as np
import pandas as pd

from crmintel.errors import DataContractError, DataTypeError
from crmintel.interactions import InteractionLog
from crmintel.interactions.clock import DAY, duration

UNSEEN_DAYS: Final = 31
"""An instant may lie so many days after the last that was seen."""


def number(name: str, value: Any, *, above: float = -np.inf, below: float = np.inf, such_as: str = "1.0") -> float:
    """A finite number strictly between two others.

    Raises
    ------
    DataTypeError, DataContractError
        If it is no number, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise DataTypeError(f"{name} is {value!r}. Give a number such as {such_as}.")
    if not above < float(value) < below:
        raise DataContractError(f"{name} is {value}. Give a number such as {such_as}.")
    return float(value)


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """A whole number in a range whose ends are part of it.

    Raises
    ------
    DataTypeError, DataContractError
        If it is no whole number, or out of range.
    """
    among = f"at least {least}" if most is None else f"from {least} to {most}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise DataTypeError(f"{name} is {value!r}. Give a whole number {among}.")
    if int(value) < least or (most is not None and int(value) > most):
        raise DataContractError(f"{name} is {value}. Give a whole number {among}.")
    return int(value)


def whole_days(horizon: Any) -> int:
    """The days of a horizon.

    Raises
    ------
    DataContractError
        If it is no duration, or not of whole days.
    """
    micros = duration(horizon)
    if micros % DAY:
        raise DataContractError(
            f"The horizon {horizon!r} is no whole number of days, and purchases are counted by the day. Write it as '180d'."
        )
    return micros // DAY


def log_of(thing: Any) -> InteractionLog:
    """A log as it is.

    Raises
    ------
    DataTypeError
        If it is something else.
    """
    if not isinstance(thing, InteractionLog):
        raise DataTypeError(f"log is a {type(thing).__name__}. Read it first: InteractionLog.read(...).")
    return thing


def instant(log: InteractionLog, at: Any, seen_until: int | None = None) -> Any:
    """An instant, just after the last interaction if none is given.

    Parameters
    ----------
    log : InteractionLog
    at : instant or None
    seen_until : int, optional
        UTC microseconds until which customers are known to have been watched, though the log itself may end before.

    Raises
    ------
    DataContractError
        If the instant lies long after what was seen: silence would be taken for leaving.
    """
    if at is None:
        return pd.Timestamp(log.bounds[1] + 1, unit="us", tz="UTC")
    end = max(log.bounds[1], seen_until if seen_until is not None else log.bounds[1])
    late = log.zone.instant(at) - end
    if late > UNSEEN_DAYS * DAY and len(log):
        raise DataContractError(
            f"The log ends {log.zone.stamp(end):%Y-%m-%d}, {late // DAY} days before the instant: what was not seen would count as "
            "silence. Choose an instant at or before the end of the log."
        )
    return at
