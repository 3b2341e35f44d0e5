"""What may come in: a log, a table of customers, a series of one value a customer; anything else is named."""

from typing import Any

import pandas as pd

from crmintel.errors import DataContractError, DataTypeError
from crmintel.interactions import InteractionLog
from crmintel.interactions.frames import frame_of


def log_of(thing: Any) -> InteractionLog:
    """A log as it is.

    Raises
    ------
    DataTypeError
        If it is something else.
    """
    if not isinstance(thing, InteractionLog):
        raise DataTypeError(
            f"A history cannot be a {type(thing).__name__} here. Read it first: InteractionLog.read(...)."
        )
    return thing


def table_of(thing: Any) -> pd.DataFrame:
    """A table of customers with at least one column, indexed by customer.

    Raises
    ------
    DataTypeError, DataContractError
        If it is no table with names, or has no column.
    """
    frame = frame_of(thing)
    if not isinstance(frame, pd.DataFrame):
        raise DataTypeError(
            f"A table of customers needs names of columns; a {type(thing).__name__} has none. Give a DataFrame."
        )
    if not frame.shape[1]:
        raise DataContractError(
            "The table has no column (0 feature(s)): nothing tells customers apart. Give at least one."
        )
    return frame


def series_of(thing: Any, what: str) -> pd.Series:
    """One value a customer, each customer once.

    Raises
    ------
    DataTypeError, DataContractError
        If it is no Series, or customers occur twice.
    """
    if not isinstance(thing, pd.Series):
        raise DataTypeError(f"{what} cannot be a {type(thing).__name__}. Give a Series indexed by customer.")
    if doubled := int(thing.index.duplicated().sum()):
        raise DataContractError(f"{what}: {doubled:,} customers occur twice. Give one value a customer.")
    return thing
