"""What a table of customers may be: a frame of pandas, polars, Arrow or DuckDB, or an array; anything else is named."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crmintel.errors import DataTypeError


def frame_of(thing: Any) -> Any:
    """A table of pandas, polars, Arrow or DuckDB as one of pandas; an array as it is.

    Raises
    ------
    DataTypeError
        If it is no table.
    """
    if isinstance(thing, pd.DataFrame):
        return thing
    for name in ("to_pandas", "df"):  # polars and Arrow; DuckDB relations
        if not isinstance(thing, pd.Series | type) and callable(getattr(thing, name, None)):
            return getattr(thing, name)()
    listed = isinstance(thing, list) and any(isinstance(row, Mapping) for row in thing)
    sparse = hasattr(thing, "tocsr")  # a sparse matrix may be a mapping, too
    named = isinstance(thing, pd.Series | Mapping | str | bytes | type) and not sparse
    if listed or named or thing is None or hasattr(thing, "__fspath__"):
        raise DataTypeError(
            f"A table of customers cannot be a {type(thing).__name__}. Give a DataFrame (pandas, polars, Arrow, DuckDB) or an array."
        )
    return thing


def is_number(dtype: Any) -> bool:
    """Whether a column holds numbers; truth values are no numbers."""
    return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
