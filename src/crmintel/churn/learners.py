"""The learners that there are: the stack, the light one, and any classifier of somebody else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from sklearn.base import clone

from crmintel.churn.recipes import Data, Fitted, Recipe
from crmintel.churn.splines import SplineLogistic
from crmintel.churn.table import Float, Int, Table
from crmintel.churn.trees import Trees
from crmintel.errors import DataTypeError

CLIP: Final = 1e-5
"""Probabilities of other learners are kept this far from 0 and 1."""


@final
@dataclass(frozen=True)
class Other:
    """Any scikit-learn classifier: arrays where all columns are numbers, a frame with categories otherwise."""

    estimator: Any

    @property
    def name(self) -> str:
        """The name of its class."""
        return type(self.estimator).__name__

    def fit(self, data: Data, y: Int, rows: Int, *, weight: Float | None = None, seed: int = 0, threads: int = 1) -> "FittedOther":  # fmt: skip
        """Learn from some rows."""
        extra = {} if weight is None else {"sample_weight": weight[rows]}
        table = data.table.take(rows)
        try:
            return FittedOther(clone(self.estimator).fit(_plain(table), y[rows], **extra))
        except (ValueError, TypeError) as error:
            if not table.schema.levels:
                raise
            raise DataTypeError(
                f"{self.name} cannot learn from a table with the categories {', '.join(table.schema.levels)} ({type(error).__name__}). "
                "Give a pipeline that encodes them first."
            ) from None


@final
@dataclass(frozen=True, eq=False)
class FittedOther:
    """A classifier of somebody else."""

    estimator: Any

    def log_odds(self, table: Table) -> Float:
        """Log-odds of its probabilities, shape (n_rows,)."""
        p = np.clip(np.asarray(self.estimator.predict_proba(_plain(table)), np.float64)[:, 1], CLIP, 1 - CLIP)
        return np.log(p) - np.log1p(-p)


def _plain(table: Table) -> Any:
    return table.frame() if table.schema.levels else table.numbers


SMALL: Final = Trees("small trees", 260, 0.03, leaves=7, depth=3, min_leaf=40, row_share=0.7, column_share=0.4, ridge=5.0, cat_smooth=20.0)  # fmt: skip
MIDDLE: Final = Trees("middle trees", 300, 0.03, leaves=15, min_leaf=40, row_share=0.7, column_share=0.5, ridge=5.0, cat_smooth=20.0)  # fmt: skip
PLAIN: Final = Trees("plain trees")
LIGHT: Final = Trees("light trees", 120, 0.08, leaves=15, min_leaf=100, row_share=0.7, column_share=0.5, ridge=5.0, cat_smooth=20.0)  # fmt: skip
STACK: Final[tuple[Recipe, ...]] = (SplineLogistic(), SMALL, MIDDLE, PLAIN)


def named(recipes: tuple[Recipe, ...], fitted: list[Fitted]) -> Mapping[str, Fitted]:
    """What was learned, by name; a name that occurs again gets a number."""
    out: dict[str, Fitted] = {}
    for recipe, found in zip(recipes, fitted, strict=True):
        out[recipe.name if recipe.name not in out else f"{recipe.name} {len(out) + 1}"] = found
    return out
