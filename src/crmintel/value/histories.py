"""The history table that models of purchases read, checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.errors import DataContractError, DataTypeError
from crmintel.value.packing import Bool, Float, Rows, distinct, runs
from crmintel.value.purchases import AGE, FREQUENCY, T_X


@final
@dataclass(frozen=True, eq=False)
class Histories:
    """The columns of a history table that the models read, checked."""

    x: npt.NDArray[Any]
    t: npt.NDArray[Any]
    age: npt.NDArray[Any]
    covariates: Float

    @classmethod
    def read(cls, history: Any, covariates: Sequence[str]) -> "Histories":
        """See `BuyTillYouDie.fit` for what is refused."""
        if not isinstance(history, pd.DataFrame):
            raise DataTypeError(
                f"history is a {type(history).__name__}. Pass the table of purchase_history, a DataFrame."
            )
        names = list(dict.fromkeys(covariates))
        if absent := [c for c in (FREQUENCY, T_X, AGE, *names) if c not in history.columns]:
            raise DataContractError(
                f"Missing columns: {', '.join(absent)}. Pass the table of purchase_history, with the covariates as columns."
            )
        x, t, age = (_numbers(history, c) for c in (FREQUENCY, T_X, AGE))
        _refuse(x != np.rint(x) if x.dtype.kind == "f" else None, f"a {FREQUENCY} that is no whole number", "Count the days with a purchase after the first.")  # fmt: skip
        _refuse(t > age, f"{T_X} above {AGE}", "Both count from the first purchase; the last cannot lie after the end.")
        _refuse((x > 0) & (t == 0), f"a {FREQUENCY} above 0 and a {T_X} of 0", "Several purchases on one day are one: do not count the first day.")  # fmt: skip
        _refuse((x == 0) & (t > 0), f"a {FREQUENCY} of 0 and a {T_X} above 0", "Who bought on one day only has a t_x of 0.")  # fmt: skip
        z = [_numbers(history, c, signed=True).astype(np.float64) for c in names]
        return cls(x, t, age, np.column_stack(z) if z else np.zeros((len(x), 0)))

    def pack(self) -> Rows:
        """Equal histories once."""
        if not len(self.x):
            raise DataContractError("history has no customers. Choose a later instant.")
        z = self.covariates
        if z.shape[1]:
            first, group = distinct(list(z.T))
            z = z[first]
            columns, count = runs([self.x, group, self.age, self.t])
            x, group, age, t = columns
            group = group.astype(np.int64)
        else:
            (x, age, t), count = runs([self.x, self.age, self.t])
            z, group = np.zeros((1, 0)), np.zeros(len(x), np.int64)
        x, t, age = (c.astype(np.float64) for c in (x, t, age))
        return Rows(x, t, age, group, z, count.astype(np.float64))


def _numbers(history: pd.DataFrame, name: str, *, signed: bool = False) -> npt.NDArray[Any]:
    """A column of finite numbers, not below 0 unless signed."""
    if (k := int((history.columns == name).sum())) > 1:
        raise DataContractError(f"{name} is there {k} times. Keep one column of that name.")
    column = history[name]
    if pd.api.types.is_bool_dtype(column) and signed:
        column = column.astype(np.float64)
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise DataTypeError(f"{name} is {column.dtype}. Pass numbers; times are numbers of days.")
    if pd.api.types.is_integer_dtype(column) and not column.hasnans:
        values: npt.NDArray[Any] = column.to_numpy(np.int64)
    else:
        values = column.to_numpy(np.float64, na_value=np.nan) + 0.0
        _refuse(~np.isfinite(values), f"a {name} that is missing or infinite", "Drop those customers, or repair them.")
    if not signed:
        _refuse(values < 0, f"a {name} below 0", "Times and counts start at the first purchase.")
    return values


def _refuse(bad: Bool | None, what: str, todo: str) -> None:
    if bad is not None and bad.any():
        rows = np.flatnonzero(bad)
        shown = ", ".join(map(str, rows[:3]))
        raise DataContractError(f"{len(rows):,} of {len(bad):,} rows have {what} (first rows: {shown}). {todo}")
