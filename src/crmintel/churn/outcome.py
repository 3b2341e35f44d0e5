"""Labels of two kinds: who left, as 0 and 1, whatever they are written as."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.churn.table import Int
from crmintel.errors import DataContractError


def outcome(y: Any, n_rows: int, positive: Any = None) -> tuple[npt.NDArray[Any], Int]:
    """The two classes, the second of them *left*, and who left.

    Without `positive`, labels are false and true, 0 and 1, or -1 and 1.

    Raises
    ------
    DataContractError
        If labels are missing, of one kind only, of more than two, or neither of the above; if there are not as many as rows.
    """
    values = y if isinstance(y, pd.Series) else pd.Series(np.asarray(y))
    if len(values) != n_rows:
        raise DataContractError(f"y has {len(values):,} labels for {n_rows:,} rows. Give one a row.")
    if holes := int(values.isna().sum()):
        raise DataContractError(
            f"y is missing (NaN) for {holes:,} of {n_rows:,} rows. Leave these rows out, or find out."
        )
    kinds = np.unique(np.asarray(values))
    counts = ", ".join(f"{(values == k).sum():,}" for k in kinds[:5])
    if len(kinds) > 2:
        raise DataContractError(
            f"Only binary classification is supported: y has {len(kinds)} classes, with {counts}{', …' if len(kinds) > 5 else ''} rows."
        )
    if len(kinds) < 2:
        raise DataContractError(
            f"y has 1 class only, with {counts} rows (Classifier can't train when only one class is present). "
            "Choose an instant or a horizon at which some leave and some stay."
        )
    if positive is None:
        if kinds.dtype.kind not in "buif" or kinds[1] != 1 or kinds[0] not in (0, -1):
            raise DataContractError(
                f"y holds two labels of kind {kinds.dtype} that are not 0 and 1. Say which one left: positive=..."
            )
        positive = kinds[1]
    elif positive not in kinds:
        raise DataContractError("The label given as positive is none of the two in y. Give one of them.")
    stayed = kinds[0] if kinds[1] == positive else kinds[1]
    return np.array([stayed, positive], dtype=kinds.dtype), (np.asarray(values) == positive).astype(np.int64)
