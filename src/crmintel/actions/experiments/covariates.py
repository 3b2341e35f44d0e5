"""Covariates from before an experiment as numbers without gaps."""

from typing import Any

import numpy as np
import pandas as pd

from crmintel.actions.effects.trial import Float
from crmintel.errors import DataContractError
from crmintel.evaluation.aligned import aligned


def covariates(before: Any, index: pd.Index) -> tuple[Float, list[str]]:
    """Columns of numbers, each with an indicator where it is missing: not 0, and not left out.

    Returns
    -------
    array, shape (n_rows, n_columns), and the names

    Raises
    ------
    DataContractError
        If a column is no number, infinite, missing for all, or of other rows.

    Examples
    --------
    >>> covariates(pd.DataFrame({"spent": [1.0, None, 3.0]}), pd.RangeIndex(3))
    (array([[1., 0.],
           [2., 1.],
           [3., 0.]]), ['spent', 'spent is missing'])
    """
    frame = (
        before
        if isinstance(before, pd.DataFrame)
        else pd.DataFrame({getattr(before, "name", None) or "before": before})
    )
    columns: list[Float] = []
    names: list[str] = []
    for name in frame.columns:
        values = pd.Series(np.asarray(aligned(frame[name], index, "before"), object))
        number = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        gone = np.isnan(number)
        if (
            len(values) != len(index)
            or (gone & values.notna().to_numpy()).any()
            or np.isinf(number).any()
            or gone.all()
        ):
            raise DataContractError(
                f"before has a column {str(name)!r} that is no number, infinite, missing for all, or not of the {len(index):,} rows. "
                "Give numbers from before the assignment, one a row; names belong into strata or segments."
            )
        columns.append(np.where(gone, number[~gone].mean(), number))
        names.append(str(name))
        if gone.any():
            columns.append(gone.astype(np.float64))
            names.append(f"{name} is missing")
    return np.column_stack(columns), names
