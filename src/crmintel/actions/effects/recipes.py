"""What learns an outcome or an effect from a table: boosted trees, or any regressor of scikit-learn."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final, final

import lightgbm as lgb
import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from crmintel.actions.effects.trial import Float, Int
from crmintel.errors import DataContractError

MANY: Final = 100_000
"""With more rows than these, one tenth is held out instead of five folds in turn, and trees grow faster."""
_HEADER: Final = ("tree_sizes=", "objective=")
_BLANK: Final = (
    "num_leaves=1\nnum_cat=0\nsplit_feature=\nsplit_gain=\nthreshold=\ndecision_type=\nleft_child=\nright_child=\nleaf_value=0\n"
    "leaf_weight=\nleaf_count=\ninternal_value=\ninternal_weight=\ninternal_count=\nis_linear=0\nshrinkage=1"
)


class Learned(ABC):
    """Something that was learned."""

    @abstractmethod
    def predict(self, matrix: Float) -> Float:
        """One number a row."""


class Rows(ABC):
    """A table that can be learned from again and again."""

    weighted: bool
    """Whether rows may have weights."""

    @abstractmethod
    def learn(self, rows: Int, y: Float, weight: Float | None = None) -> Learned:
        """A regression on some rows; `y` and `weight` are of these rows."""


@final
@dataclass(frozen=True)
class Trees:
    """How boosted trees are grown (LightGBM, squared error)."""

    n_trees: int
    rate: float
    leaves: int
    most_leaf: int
    least_leaf: int
    bagging: float
    columns: float
    ridge: float
    bins: int

    def options(self, n: int, seed: int) -> dict[str, Any]:
        """LightGBM's parameters for so many rows."""
        return {
            "objective": "l2", "num_leaves": self.leaves, "learning_rate": self.rate, "lambda_l2": self.ridge,
            "min_data_in_leaf": int(np.clip(n // 50, self.least_leaf, self.most_leaf)), "bagging_fraction": self.bagging,
            "bagging_freq": int(self.bagging < 1), "feature_fraction": self.columns, "max_bin": self.bins, "seed": seed,
            "num_threads": 1, "deterministic": True, "force_col_wise": True, "verbosity": -1, "feature_pre_filter": False,
        }  # fmt: skip


CAREFUL: Final = Trees(80, 0.03, 8, 300, 20, 0.7, 0.7, 10.0, 255)
"""For up to 100,000 rows, where an effect is faint beside what else moves the outcome."""
FAST: Final = Trees(70, 0.1, 8, 300, 50, 1.0, 0.7, 10.0, 63)


@final
@dataclass(frozen=True, eq=False)
class Boosted(Learned):
    """Trees that were grown."""

    booster: lgb.Booster

    def predict(self, matrix: Float) -> Float:
        return np.asarray(self.booster.predict(matrix, num_threads=1), np.float64)

    def __getstate__(self) -> dict[str, str]:
        return {"booster": self.booster.model_to_string()}

    def __setstate__(self, state: dict[str, str]) -> None:
        object.__setattr__(self, "booster", lgb.Booster(model_str=state["booster"]))


@final
class Binned(Rows):
    """A table in bins, shared by all trees that learn from parts of it."""

    weighted = True

    def __init__(self, matrix: Float, seed: int) -> None:
        self.trees, self.seed = CAREFUL if len(matrix) <= MANY else FAST, seed
        options = self.trees.options(len(matrix), seed) | {"bin_construct_sample_cnt": 50_000}
        self.data = lgb.Dataset(matrix, np.zeros(len(matrix)), params=options, free_raw_data=False).construct()

    def learn(self, rows: Int, y: Float, weight: Float | None = None) -> Learned:
        order = np.argsort(rows, kind="stable")  # LightGBM wants the rows of a part in order
        part = self.data.subset(rows[order]).construct()
        part.set_label(y[order])
        part.set_weight(None if weight is None else weight[order])
        options = self.trees.options(len(rows), self.seed)
        booster = lgb.train(options | {"bin_construct_sample_cnt": 50_000}, part, num_boost_round=self.trees.n_trees)
        return Boosted(lgb.Booster(model_str=booster.model_to_string()))


@final
@dataclass(frozen=True, eq=False)
class Regressed(Learned):
    """A regressor that was fitted."""

    regressor: Any
    fill: Float

    def predict(self, matrix: Float) -> Float:
        return np.asarray(self.regressor.predict(np.where(np.isnan(matrix), self.fill, matrix)), np.float64)


@final
class Plain(Rows):
    """A table for a regressor of scikit-learn: missing values are medians, categories their codes."""

    def __init__(self, matrix: Float, base: Any) -> None:
        self.base, self.matrix = base, matrix
        self.weighted = has_fit_parameter(base, "sample_weight")
        held = ~np.isnan(self.matrix)
        self.fill = np.array([np.median(c[h]) if h.any() else 0.0 for c, h in zip(self.matrix.T, held.T, strict=True)])

    def learn(self, rows: Int, y: Float, weight: Float | None = None) -> Learned:
        if weight is not None and not self.weighted:
            raise DataContractError(
                f"{type(self.base).__name__} takes no sample_weight, which this learner needs. Use another base, or DRLearner."
            )
        x = self.matrix[rows]
        weights = {} if weight is None else {"sample_weight": weight}
        return Regressed(clone(self.base).fit(np.where(np.isnan(x), self.fill, x), y, **weights), self.fill)


def rows_for(matrix: Float, base: Any, seed: int) -> Rows:
    """A table of numbers, ready for the trees that come with the package or for a regressor of one's own."""
    return Binned(matrix, seed) if base is None else Plain(matrix, base)


def fused(models: list[Boosted]) -> lgb.Booster:
    """Several models of trees as one with several outputs: one call tells all, with the same bits."""
    texts = [m.booster.model_to_string() for m in models]
    bodies = [
        [tree.split("\n", 1)[1].rstrip("\n") for tree in t.split("\nend of trees")[0].split("\nTree=")[1:]]
        for t in texts
    ]
    head = [line for line in texts[0].split("\nTree=", 1)[0].split("\n") if not line.startswith(_HEADER)]
    counts = {"num_class": len(models), "num_tree_per_iteration": len(models)}
    head = [f"{name}={counts[name]}" if (name := line.split("=")[0]) in counts else line for line in head]
    trees = [b[j] if j < len(b) else _BLANK for j in range(max(map(len, bodies))) for b in bodies]
    text = "".join(f"Tree={j}\n{tree}\n\n\n" for j, tree in enumerate(trees))
    return lgb.Booster(model_str="\n".join(head).rstrip("\n") + "\n\n" + text + "end of trees\n")
