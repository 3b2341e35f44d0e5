"""Labels of two kinds: who left, as 0 and 1, whatever they are written as."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.errors import DataContractError

Int = npt.NDArray[np.int64]


def outcome(y: Any, n_rows: int, positive: Any = None, *, constant: bool = False) -> tuple[npt.NDArray[Any], Int]:
    """The classes, the second of them *left*, and who left.

    Without `positive`, labels are false and true, 0 and 1, or -1 and 1. With `constant`, all rows may have one label.

    Raises
    ------
    DataContractError
        If labels are missing, of one kind only, of more than two, or neither of the above; if there are not as many as rows.
    """
    values = (y if isinstance(y, pd.Series) else pd.Series(np.asarray(y))).infer_objects()
    if len(values) != n_rows:
        raise DataContractError(f"y has {len(values):,} labels for {n_rows:,} rows. Give one a row.")
    if not n_rows:
        raise DataContractError("There are no rows to learn from (0 sample(s), a minimum of 2 is required).")
    if holes := int(values.isna().sum()):
        raise DataContractError(
            f"y is missing (NaN) for {holes:,} of {n_rows:,} rows. Leave these rows out, or find out."
        )
    try:
        kinds = np.unique(np.asarray(values))
    except TypeError:
        raise DataContractError(
            "y holds labels of several kinds, such as numbers and text. Write them alike."
        ) from None
    counts = ", ".join(f"{(values == k).sum():,}" for k in kinds[:5])
    if len(kinds) > 2:
        raise DataContractError(
            f"Only binary classification is supported: y has {len(kinds)} classes, with {counts}{', …' if len(kinds) > 5 else ''} rows."
        )
    if len(kinds) < 2 and not constant:
        raise DataContractError(
            f"y has 1 class only, with {counts} rows (Classifier can't train when only one class is present). "
            "Choose an instant or a horizon at which some leave and some stay."
        )
    if positive is None:
        if (
            kinds.dtype.kind not in "buif"
            or not set(kinds.astype(float)) <= {-1.0, 0.0, 1.0}
            or len(set(kinds) & {-1, 0}) > 1
        ):
            raise DataContractError(
                f"y holds labels of kind {kinds.dtype} that are not 0 and 1. Say which one left: positive=..."
            )
        positive = kinds.dtype.type(1)
    elif positive not in kinds:
        raise DataContractError("The label given as positive is none of the two in y. Give one of them.")
    other = [k for k in kinds if k != positive]
    return np.array([*other, positive], dtype=kinds.dtype), (np.asarray(values) == positive).astype(np.int64)
