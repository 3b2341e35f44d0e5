"""Boosted trees, as one of the learners that are stacked."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import lightgbm as lgb
import numpy as np

from crmintel.churn.recipes import Data
from crmintel.churn.table import Float, Int, Table
from crmintel.churn.treeshap import TreeShap
from crmintel.showing import Shown


@final
@dataclass(frozen=True)
class Trees(Shown):
    """Boosted trees (LightGBM) on numbers and categories as they are.

    Parameters
    ----------
    name : str
    n_trees, learning_rate, leaves, depth : how many trees, how slow, how large (depth −1: no limit)
    min_leaf : int
        Rows that a leaf must hold.
    row_share, column_share : float
        Parts of rows and columns that a tree sees.
    ridge : float
        Penalty on squared leaf values.
    cat_smooth : float
        LightGBM's smoothing of categories.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmintel.churn import ChurnClassifier
    >>> X = pd.DataFrame({"orders": np.arange(200.0)})
    >>> model = ChurnClassifier(Trees("few", n_trees=20, leaves=4), folds=2, allow="*").fit(X, X["orders"] % 7 < 2)
    >>> model.weights_.index.tolist()
    ['few']
    """

    name: str = "trees"
    n_trees: int = 100
    learning_rate: float = 0.1
    leaves: int = 31
    depth: int = -1
    min_leaf: int = 20
    row_share: float = 1.0
    column_share: float = 1.0
    ridge: float = 0.0
    cat_smooth: float = 10.0

    def fit(self, data: Data, y: Int, rows: Int, *, weight: Float | None = None, seed: int = 0, threads: int = 1) -> "FittedTrees":  # fmt: skip
        """Learn from some rows."""
        params = {
            "objective": "binary", "learning_rate": self.learning_rate, "num_leaves": self.leaves, "max_depth": self.depth,
            "min_data_in_leaf": self.min_leaf, "bagging_fraction": self.row_share, "bagging_freq": int(self.row_share < 1),
            "feature_fraction": self.column_share, "lambda_l2": self.ridge, "cat_smooth": self.cat_smooth, "seed": seed,
            "deterministic": True, "force_col_wise": True, "num_threads": threads, "verbosity": -1, "feature_pre_filter": False,
        }  # fmt: skip
        sample = data.binned.subset(rows).construct()  # labels given to a subset before it is made are lost
        sample.set_label(y[rows])
        sample.set_weight(None if weight is None else weight[rows])
        booster = lgb.train(params, sample, num_boost_round=self.n_trees)
        return FittedTrees(lgb.Booster(model_str=booster.model_to_string()))


@final
@dataclass(frozen=True, eq=False)
class FittedTrees:
    """Trees that were learned."""

    booster: lgb.Booster

    def log_odds(self, table: Table) -> Float:
        """Log-odds of leaving, shape (n_rows,)."""
        return np.asarray(self.booster.predict(table.matrix(), raw_score=True, num_threads=1), np.float64)

    def contributions(self, table: Table) -> Float:
        """TreeSHAP values (Lundberg et al. 2018), the expected value last."""
        return self.explainer(table.matrix())

    @cached_property
    def explainer(self) -> TreeShap:
        """What they add, from tables: the same as LightGBM's, several times as fast."""
        return TreeShap.of(self.booster.dump_model())

    def __getstate__(self) -> dict[str, str]:
        return {"booster": self.booster.model_to_string()}

    def __setstate__(self, state: dict[str, str]) -> None:
        object.__setattr__(self, "booster", lgb.Booster(model_str=state["booster"]))
