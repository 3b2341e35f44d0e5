"""Several candidates as one function of a customer, the same for one customer as for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, final

import lightgbm as lgb
import numpy as np
import pandas as pd

from crmintel.actions.effects.linear import Design, Line
from crmintel.actions.effects.recipes import Boosted, Learned, fused
from crmintel.actions.effects.trial import Float
from crmintel.churn.table import OTHER, Schema, Table
from crmintel.errors import DataContractError

BLOCK: Final = 50_000
"""Rows that are told at a time."""


@final
@dataclass(frozen=True, eq=False)
class Stack:
    """Effects as a sum: a line, and models with their weights.

    Parameters
    ----------
    schema : Schema
    design : Design
    line : Line
        The ridge regression times its weight, and the constants.
    models : list
    weights : float, shape (n_models, n_actions)
    """

    schema: Schema
    design: Design
    line: Line
    models: list[Learned]
    weights: Float

    def tell(self, table: Table) -> Float:
        """Effects, shape (n_rows, n_actions); summed in one order, so that batches do not matter."""
        out = np.empty((len(table), self.weights.shape[1]))
        for start in range(0, len(table), BLOCK):
            part = table.take(slice(start, start + BLOCK))
            told, matrix = self.line(self.design(part)), part.matrix()
            for model, weight in zip(self.models, self.weights, strict=True):
                told += model.predict(matrix)[:, None] * weight
            out[start : start + BLOCK] = told
        return out

    @property
    def warm(self) -> bool:
        """Make what one customer needs; True once it is there."""
        _ = self._fused, self._codes, self._others
        return True

    @cached_property
    def _fused(self) -> lgb.Booster | None:
        boosted = [m for m in self.models if isinstance(m, Boosted)]
        return fused(boosted) if boosted and len(boosted) == len(self.models) else None

    def one(self, row: Sequence[Any] | Mapping[str, Any] | pd.Series) -> Float:
        """Effects of one customer, the same bits as among others, shape (n_actions,).

        Parameters
        ----------
        row : mapping, Series, or values in the order of the columns that were learned from

        Raises
        ------
        DataContractError
            If columns are missing, or a number is infinite.
        """
        numbers, codes = self._read(row)
        told = self.line.one(self.design.one(numbers, codes))
        if not self.models:
            return told
        matrix = np.array([[*numbers, *(np.nan if c < 0 else c for c in codes)]])
        if self._fused is None:
            each = np.array([m.predict(matrix)[0] for m in self.models])
        else:
            each = np.asarray(self._fused.predict(matrix, raw_score=True, num_threads=1)).ravel()
        parts = np.empty((len(each) + 1, len(told)))
        parts[0] = told
        np.multiply(each[:, None], self.weights, out=parts[1:])
        return np.asarray(np.add.accumulate(parts)[-1])

    def _read(self, row: Any) -> tuple[Float, list[int]]:
        """The numbers of one row, and the codes of its categories, read without a frame."""
        names = self.schema.names
        if isinstance(row, Mapping | pd.Series):
            if absent := [n for n in names if n not in row]:
                raise DataContractError(f"Missing features: {', '.join(absent)}. Give every column of the model.")
        elif len(row) != len(names):
            raise DataContractError(
                f"The row has {len(row)} values for {len(names)} features. Give one for each, in order."
            )
        value = row if isinstance(row, Mapping | pd.Series) else dict(zip(names, row, strict=True))
        numbers = _numbers([value[n] for n in self.schema.numbers])
        if np.isinf(numbers).any():
            raise DataContractError("A number is infinite. Repair it first; a missing one is NaN.")
        texts = [(n, value[n]) for n in self.schema.levels]
        return numbers, [self._codes[n].get(None if pd.isna(v) else str(v), self._others[n]) for n, v in texts]

    @cached_property
    def _codes(self) -> dict[str, dict[str | None, int]]:
        return {n: {**{v: j for j, v in enumerate(levels)}, None: -1} for n, levels in self.schema.levels.items()}

    @cached_property
    def _others(self) -> dict[str, int]:
        return {n: levels.index(OTHER) if OTHER in levels else -1 for n, levels in self.schema.levels.items()}


def _numbers(values: list[Any]) -> Float:
    """One row of numbers; nothing is NaN."""
    try:
        return np.array(values, np.float64)
    except TypeError:  # pandas' own missing value is no number
        return np.array([np.nan if v is pd.NA else v for v in values], np.float64)
