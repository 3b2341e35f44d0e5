"""Rows as frames, and tables as plain values."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crmintel.churn.table import LARGEST
from crmintel.errors import DataContractError, DataTypeError

MOST_NAMED = 8


def frame_of_rows(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], levels: Mapping[str, Any], *, told: bool
) -> pd.DataFrame:
    """A frame of some columns of rows: those with levels hold text; of others the model has told that they are numbers, or what comes tells.

    Raises
    ------
    DataContractError, DataTypeError
        If columns are missing or hold what they should not; columns are named, cells never.
    """
    if absent := [n for n in names if any(n not in row for row in rows)]:
        raise DataContractError(f"Missing columns: {_some(absent)}. Send every column of the model, null where it is missing.")  # fmt: skip
    held, bad = {}, []
    for name in names:
        values = [row[name] for row in rows]
        kinds = set(map(type, values)) - {type(None)}
        category = name in levels or (not told and kinds == {str})
        try:
            if category and kinds <= {str}:
                held[name] = pd.Series(values, dtype="str")
            elif not category and kinds <= {int, float, bool}:
                held[name] = pd.Series(np.array(values, np.float64))
                if (held[name].abs() > LARGEST).any():
                    bad.append(name)
            else:
                bad.append(name)
        except OverflowError:
            bad.append(name)
    if bad:
        raise DataTypeError(
            f"Not as the model knows them: {_some(bad)}. Send finite numbers where it learned numbers, text where it learned "
            "categories, and null for what is missing."
        )
    return pd.DataFrame(held)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain values, without its index."""
    columns = [[plain(v) for v in table[c].tolist()] for c in table.columns]
    names = [str(c) for c in table.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def plain(value: Any) -> Any:
    """A value as JSON has it; what is missing or not finite is null, durations are days."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, pd.Timedelta):
        return value / pd.Timedelta("1D")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
