"""What is stacked: recipes that learn log-odds from a table, and what they learned, as plain arrays and trees.

A recipe is a frozen dataclass with ``fit(data, y, rows, weight=None, seed=0)``; what it learned gives ``log_odds(table)`` of
shape (n_rows,). Splines and trees also give ``contributions(table)`` of shape (n_rows, n_columns + 1) that add up to it, the
constant last.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, final

import lightgbm as lgb

from crmintel.churn.table import Float, Int, Table


class Fitted(Protocol):
    """What a recipe learned."""

    def log_odds(self, table: Table) -> Float:
        """Log-odds of leaving, shape (n_rows,)."""


class Recipe(Protocol):
    """How to learn."""

    @property
    def name(self) -> str:
        """What it is called in a stack."""

    def fit(self, data: "Data", y: Int, rows: Int, *, weight: Float | None = None, seed: int = 0, threads: int = 1) -> Fitted:  # fmt: skip
        """Learn from some rows."""


@final
@dataclass(frozen=True, eq=False)
class Data:
    """A table to learn from, and what its learners share: its values are put into bins once."""

    table: Table

    @cached_property
    def binned(self) -> lgb.Dataset:
        """The bins of all rows, for trees; only values are looked at, no label."""
        n = len(self.table.schema.numbers)
        made = lgb.Dataset(
            self.table.matrix(), categorical_feature=list(range(n, n + self.table.codes.shape[1])),
            params={"feature_pre_filter": False, "num_threads": 1, "verbosity": -1}, free_raw_data=True,
        )  # fmt: skip
        return made.construct()
