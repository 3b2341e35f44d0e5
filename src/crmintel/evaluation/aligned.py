"""One value a row: what comes with an index is put into the order of the rows, and refused where it is of other rows."""

from typing import Any

import numpy as np
import pandas as pd

from crmintel.errors import DataContractError


def aligned(values: Any, index: pd.Index | None, name: str) -> Any:
    """Values in the order of the rows of an index.

    What has no index, or only the numbers of its rows, is taken in the order in which it comes; so is what carries other names where the
    rows have only numbers.

    Parameters
    ----------
    values : Series, frame of one column, array or list
    index : Index or None
        Of the rows.
    name : str
        What the values are called in a complaint.

    Raises
    ------
    DataContractError
        If the values are of other rows, or rows that occur twice come in another order.

    Examples
    --------
    >>> aligned(pd.Series([1, 2], index=["b", "a"]), pd.Index(["a", "b"]), "y").tolist()
    [2, 1]
    """
    if isinstance(values, pd.DataFrame) and values.shape[1] == 1:
        values = values.iloc[:, 0]
    if not isinstance(values, pd.Series) or index is None or values.index.equals(index):
        return values
    same = values.index.nlevels == index.nlevels and len(values) == len(index)
    found = int(values.index.isin(index).sum()) if same else 0
    if same and found == len(index) and index.is_unique and values.index.is_unique:
        return values.reindex(index)
    if _plain(index) or _plain(values.index):
        return values
    raise DataContractError(
        f"{name} has another index than the rows: {len(values):,} values, {found:,} of them of the {len(index):,} rows. "
        "Give one value a row under the same index, or an array in the order of the rows."
    )


def together(**values: Any) -> dict[str, Any]:
    """Several columns of values in the order of the first of them that comes with an index.

    Raises
    ------
    DataContractError
        If one is of other rows than the first.
    """
    series = [v.index for v in values.values() if isinstance(v, pd.Series)]
    first = next((i for i in series if not _plain(i)), series[0] if series else None)
    return {name: aligned(v, first, name) for name, v in values.items()}


def _plain(index: pd.Index) -> bool:
    """Whether an index only numbers the rows as they come."""
    numbers = index.nlevels == 1 and index.name is None and pd.api.types.is_integer_dtype(index.dtype)
    return numbers and np.array_equal(index, np.arange(len(index)))
