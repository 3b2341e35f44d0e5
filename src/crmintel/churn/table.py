"""Tables of customers with numbers and categories, checked once and read into arrays."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.validation import _check_feature_names, _check_n_features, validate_data

from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.evaluation.leakage import guard
from crmintel.interactions.frames import frame_of, is_number

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

MOST_LEVELS: Final = 100
"""Values of a category that are told apart at most: the most frequent ones, equal counts by name, and all others together."""
OTHER: Final = "(other values)"
"""What the rarer values of a category are, where it has too many."""
LARGEST: Final = 1e100
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


@final
@dataclass(frozen=True, eq=False)
class Table:
    """Rows as numbers (missing is NaN) and codes of categories (missing or never seen is −1).

    Parameters
    ----------
    numbers : float64, shape (n_rows, n_numbers), in the order of columns
    codes : int32, shape (n_rows, n_categories)
    """

    schema: "Schema"
    numbers: Float
    codes: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: Any) -> "Table":
        """Some of the rows."""
        return Table(self.schema, self.numbers[rows], self.codes[rows])

    @property
    def width(self) -> int:
        """How many columns there are."""
        return int(self.numbers.shape[1] + self.codes.shape[1])

    def column(self, j: int) -> Any:
        """One column: numbers come first, then categories as codes."""
        n = self.numbers.shape[1]
        return self.numbers[:, j] if j < n else self.codes[:, j - n]

    def matrix(self) -> Float:
        """Numbers, then codes as numbers; missing is NaN."""
        if not self.codes.shape[1]:
            return self.numbers
        return np.hstack([self.numbers, np.where(self.codes < 0, np.nan, self.codes)])

    def frame(self) -> pd.DataFrame:
        """The rows with their names, categories as pandas knows them."""
        columns: dict[str, Any] = dict(zip(self.schema.numbers, self.numbers.T, strict=True))
        for (name, levels), code in zip(self.schema.levels.items(), self.codes.T, strict=True):
            columns[name] = pd.Categorical.from_codes(code, dtype=pd.CategoricalDtype(list(levels)))
        return pd.DataFrame({name: columns[name] for name in self.schema.names})

    @property
    def known(self) -> Float:
        """The share of columns that are known, for each row."""
        held = (~np.isnan(self.numbers)).sum(axis=1) + (self.codes >= 0).sum(axis=1)
        return np.asarray(held / max(len(self.schema.names), 1))


@final
@dataclass(frozen=True)
class Schema:
    """The columns that were learned from: which are numbers, and the values of the others.

    Parameters
    ----------
    names : tuple of str
        All columns, in order.
    numbers : tuple of str
        Those that hold numbers.
    levels : mapping of str to tuple of str
        The values of each category, in order.
    """

    names: tuple[str, ...]
    numbers: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns in the order in which rows hold them: numbers, then categories."""
        return (*self.numbers, *self.levels)

    @classmethod
    def learn(cls, X: pd.DataFrame) -> "Schema":
        """The columns of a table, with the values of its categories."""
        names = tuple(map(str, X.columns))
        numbers = tuple(n for n in names if _numeric(X[n].dtype))
        return cls(names, numbers, {n: _levels(_text(X[n])) for n in names if n not in numbers})

    def read(self, X: pd.DataFrame, order: Any = None) -> Table:
        """The rows of a table, columns found by name, in another order if given.

        Raises
        ------
        DataContractError
            If columns are missing, or a number is infinite.
        DataTypeError
            If a column that held numbers holds none, or the other way round.
        """
        self._same(X)
        numbers = np.empty((len(X), len(self.numbers)), np.float64, order="F")
        codes = np.empty((len(X), len(self.levels)), np.int32)
        endless, unseen = [], {}
        for j, name in enumerate(self.numbers):
            x = X[name].to_numpy(np.float64, na_value=np.nan)
            if (np.abs(x) > LARGEST).any():
                endless.append(name)
            numbers[:, j] = x if order is None else x[order]
        if endless:
            raise DataContractError(
                f"Columns with infinity: {', '.join(endless)} (or with numbers beyond {LARGEST:g}). Repair them first."
            )
        for j, (name, levels) in enumerate(self.levels.items()):
            text = _text(X[name])
            code = pd.Index(levels, dtype="str").get_indexer(pd.Index(text)) if levels else np.full(len(X), -1)
            if OTHER in levels:
                code = np.where((code < 0) & text.notna().to_numpy(bool), levels.index(OTHER), code)
            if new := int((code < 0).sum() - text.isna().sum()):
                unseen[name] = new
            codes[:, j] = code if order is None else code[order]
        if unseen:
            told = ", ".join(f"{name} ({n:,} of {len(X):,} rows)" for name, n in unseen.items())
            warn(f"Values that were not learned count as missing: {told}.")
        return Table(self, numbers, codes)

    def _same(self, X: pd.DataFrame) -> None:
        """Complain about columns that are not as they were."""
        if absent := [n for n in self.names if n not in X.columns]:
            near = {n: get_close_matches(n, map(str, X.columns), 1) for n in absent}
            said = ", ".join(n + (f" (there is {near[n][0]})" if near[n] else "") for n in absent)
            raise DataContractError(f"Missing features: {said}. Build the table with the columns of the model.")
        odd = [
            f"{n} held {'numbers' if n in self.numbers else 'categories'} and is now {X[n].dtype}"
            for n in self.names
            if _numeric(X[n].dtype) != (n in self.numbers) and not X[n].isna().all()
        ]
        if odd:
            raise DataTypeError(f"The kind of a column changed: {'; '.join(odd)}. Give them as they were.")


def checked(X: Any, estimator: Any = None, *, reset: bool = True) -> pd.DataFrame:
    """A table as a frame with names that are text and differ; arrays get the names x0, x1, …

    Parameters
    ----------
    estimator : scikit-learn estimator, optional
        Remembers (`reset`) or compares the number and names of the columns.

    Raises
    ------
    DataTypeError
        If it is no table, or a column holds times.
    DataContractError
        If it has no column, or names that are no text or not different.
    LeakageError
        If times lie at or after the instant of their row.
    """
    X = frame_of(X)
    if not isinstance(X, pd.DataFrame):
        if estimator is not None:
            least = 2 if reset else 1
            X = validate_data(estimator, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=least)  # fmt: skip
        values = np.asarray(X, np.float64)
        return pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])
    if not X.shape[1]:
        raise DataContractError("The table has no feature (0 feature(s)). Build one with crmintel.features.")
    if odd := [repr(c) for c in X.columns if not isinstance(c, str)]:
        raise DataContractError(f"Names of columns that are no text: {', '.join(odd[:5])}. Rename them.")
    if twice := sorted(set(X.columns[X.columns.duplicated()])):
        raise DataContractError(f"Several columns have one name: {', '.join(twice)}. Rename or drop them.")
    if times := [c for c in X.columns if X[c].dtype.kind in "mM"]:
        guard(X[times])
        raise DataTypeError(f"Columns of times: {', '.join(times)}. Give days before the instant instead.")
    if estimator is not None and reset:
        _check_feature_names(estimator, X, reset=True)
        _check_n_features(estimator, X, reset=True)
    return X


def rows_of(X: Any) -> pd.Index:
    """The index of a table's rows; of one without names, their numbers."""
    X = frame_of(X)
    return X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(X))


def by_content(X: pd.DataFrame, schema: Schema, *more: npt.NDArray[Any]) -> Int:
    """An order of rows that depends on what they hold alone (and on `more`), not on how they came."""
    mixed = np.zeros(len(X), np.uint64)
    columns = [X[n].to_numpy(np.float64, na_value=np.nan) for n in schema.numbers]
    columns += [pd.util.hash_array(_text(X[n]).to_numpy(object), categorize=True) for n in schema.levels]
    for column in (*columns, *more):
        mixed = (mixed ^ _bits(column)) * _MIX
        mixed ^= mixed >> _SHIFT
    return np.argsort(mixed, kind="stable")


def _bits(column: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """The bits of hashes or of numbers; 0 and −0 are one, and so are all that is missing."""
    if column.dtype.kind == "u":
        return column.astype(np.uint64)
    number = column.astype(np.float64) + 0.0
    number[np.isnan(number)] = np.nan
    return number.view(np.uint64)


def warn(text: str) -> None:
    """Say what is probably not meant."""
    warnings.warn(text, DataContractWarning, stacklevel=4)


def _numeric(dtype: Any) -> bool:
    return is_number(dtype) or pd.api.types.is_bool_dtype(dtype)


def _text(values: pd.Series) -> pd.Series:
    """A column of categories as text; missing stays missing."""
    if isinstance(values.dtype, pd.StringDtype):
        return values
    return values.astype("object").map(str, na_action="ignore").astype("str")


def _levels(text: pd.Series) -> tuple[str, ...]:
    """The values of a category, in order; the most frequent ones where there are many."""
    counts = text.value_counts()
    kept = counts.index.sort_values()
    if len(kept) > MOST_LEVELS:
        often = counts.sort_index().sort_values(ascending=False, kind="stable").index[: MOST_LEVELS - 1]
        return (*map(str, often.sort_values()), OTHER)
    return tuple(map(str, kept))
