"""Lengths of time are plain numbers, all in one unit: what carries a unit of its own is refused."""

from reprlib import repr as short
from typing import Any

import numpy as np
import pandas as pd

from crmintel.errors import DataTypeError


def unitless(values: Any, name: str) -> Any:
    """The values as they are, if they are neither dates nor lengths of time with a unit of their own.

    Raises
    ------
    DataTypeError
        If they are; as numbers they would silently count nanoseconds.

    Examples
    --------
    >>> unitless([1, 2], "duration")
    [1, 2]
    """
    kind = _kind(values)
    if kind == "m":
        raise DataTypeError(
            f"{name} holds lengths of time with a unit (timedelta). Pass numbers, all in one unit; for days: {name} / pd.Timedelta(days=1)."
        )
    if kind == "M":
        raise DataTypeError(
            f"{name} holds dates. Pass lengths of time as numbers, all in one unit; for days: (end - start) / pd.Timedelta(days=1)."
        )
    return values


def length(value: Any, name: str) -> float:
    """One length of time as a number.

    Raises
    ------
    DataTypeError
        If it is text, has a unit of its own, or is not one number.

    Examples
    --------
    >>> length(30, "horizon")
    30.0
    """
    kind = _kind(value)
    if np.ndim(value) or kind not in "iuf":
        seen = short(value) if not np.ndim(value) else f"no single number (shape {np.shape(value)})"
        raise DataTypeError(
            f"{name} is {seen}. Pass a number in the unit of duration, which has no name here: where durations are days, 30 is 30 days."
        )
    return float(np.asarray(value, np.float64))


def _kind(values: Any) -> str:
    """What NumPy calls the kind of the values; m and M also for lists of objects that are lengths of time or dates."""
    if isinstance(values, pd.Timedelta | pd.Timestamp):
        return "m" if isinstance(values, pd.Timedelta) else "M"
    own = isinstance(values, pd.Series | pd.Index | pd.api.extensions.ExtensionArray)
    try:
        held = values if own else np.asarray(values)
    except ValueError:  # lists of different lengths; whoever reads numbers says so
        return "O"
    if held.dtype.kind != "O" or held.ndim != 1:
        return str(held.dtype.kind)
    inferred = pd.api.types.infer_dtype(held, skipna=True)
    return "m" if inferred.startswith("timedelta") else "M" if inferred.startswith("date") else "O"
