"""Tables of customers with numbers and categories, as the rows that clustering takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
from sklearn.utils.validation import _check_feature_names, _check_n_features, check_array, validate_data

from crmintel.errors import DataContractError, DataTypeError
from crmintel.interactions.frames import frame_of, is_number
from crmintel.segmentation.kprototypes import Float, Mixed
from crmintel.segmentation.scaling import Scale, scale_of


@final
@dataclass(frozen=True)
class Table:
    """A checked table: its columns of numbers, and its columns of categories as text (missing is None)."""

    numbers: Mapping[str, Float]
    categories: Mapping[str, pd.Series]
    n: int

    def __len__(self) -> int:
        return self.n


@final
@dataclass(frozen=True)
class Encoding:
    """How a table becomes rows: the scale of each number, and the levels of each category in order."""

    scales: Mapping[str, Scale]
    levels: Mapping[str, tuple[str, ...]]

    def rows(self, table: Table) -> Mixed:
        """The rows of a table; a level that was not learned is −1."""
        x = np.empty((len(self.scales), len(table)))
        if text := sorted(self.scales.keys() - table.numbers.keys()):
            raise DataContractError(
                f"Columns held numbers when the groups were made: {', '.join(text)}. Give numbers again."
            )
        if whole := sorted(self.levels.keys() - table.categories.keys()):
            raise DataContractError(
                f"Columns held categories when the groups were made: {', '.join(whole)}. Give them again."
            )
        for row, (name, scale) in zip(x, self.scales.items(), strict=True):
            row[:] = scale(table.numbers[name])
        codes = np.empty((len(self.levels), len(table)), np.int64)
        for code, (name, levels) in zip(codes, self.levels.items(), strict=True):
            code[:] = pd.Index(levels).get_indexer(pd.Index(table.categories[name])) if levels else -1
        return Mixed(x, codes)

    @property
    def humps(self) -> tuple[str, ...]:
        """The columns that fall into two humps by themselves."""
        return tuple(name for name, scale in self.scales.items() if scale.humps)


def encoded(table: Table) -> tuple[Encoding, tuple[str, ...]]:
    """The encoding of a table, and the columns left out because all customers have the same value.

    Raises
    ------
    DataContractError
        If no column tells customers apart.
    """
    scales = {name: scale_of(x) for name, x in table.numbers.items()}
    levels = {name: tuple(sorted(v.dropna().unique())) for name, v in table.categories.items()}
    dull = [name for name, s in scales.items() if s is None] + [name for name, v in levels.items() if len(v) < 2]
    kept = Encoding(
        {name: s for name, s in scales.items() if s is not None}, {k: v for k, v in levels.items() if len(v) > 1}
    )
    if not kept.scales and not kept.levels:
        raise DataContractError(
            f"None of the {len(dull)} columns has two different values, so all customers are alike. Give columns that vary."
        )
    return kept, tuple(dull)


def table_of(estimator: Any, X: Any, *, reset: bool) -> Table:
    """A table as its numbers and categories, checked as scikit-learn checks tables.

    Raises
    ------
    DataTypeError
        If it is no table.
    """
    X = frame_of(X)
    if isinstance(X, pd.DataFrame) and not X.shape[1]:
        raise DataContractError(
            "The table has no column (0 feature(s)): nothing tells customers apart. Give at least one."
        )
    mixed = isinstance(X, pd.DataFrame) and not all(is_number(d) for d in X.dtypes)
    if not mixed:
        values = validate_data(estimator, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
        names = getattr(estimator, "feature_names_in_", [f"x{i}" for i in range(values.shape[1])])
        return Table(dict(zip(map(str, names), values.T, strict=True)), {}, len(values))
    _check_feature_names(estimator, X, reset=reset)
    _check_n_features(estimator, X, reset=reset)
    if len(set(X.columns)) < X.shape[1]:
        raise DataContractError("Two columns of the table have one name. Rename one of them.")
    if times := [str(c) for c in X.columns if X[c].dtype.kind in "mM"]:
        raise DataTypeError(f"Columns of times tell no groups: {', '.join(times)}. Give days since, or leave them out.")
    numbers = [c for c in X.columns if is_number(X[c].dtype)]
    checked = np.empty((len(X), 0))
    if numbers:
        checked = check_array(X[numbers], dtype=np.float64, ensure_all_finite="allow-nan")
    texts = {str(c): _text(X[c]) for c in X.columns if c not in numbers}
    return Table(dict(zip(map(str, numbers), checked.T, strict=True)), texts, len(X))


def _text(values: pd.Series) -> pd.Series:
    """A column of categories as text; missing stays missing."""
    return (
        values.astype("str")
        if values.notna().all()
        else values.astype("object").where(values.notna()).map(str, na_action="ignore")
    )
