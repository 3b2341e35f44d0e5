"""What is stacked: recipes that learn log-odds from a table, and what they learned, as plain arrays and trees.

A recipe is a frozen dataclass with ``fit(data, y, rows, weight=None, seed=0)``; what it learned gives ``log_odds(table)`` of
shape (n_rows,). Splines and trees also give ``contributions(table)`` of shape (n_rows, n_columns + 1) that add up to it, the
constant last.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Protocol, final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline, PPoly
from sklearn.base import clone

from crmintel.churn.ridge import ridge
from crmintel.churn.table import Float, Int, Table
from crmintel.churn.treeshap import TreeShap
from crmintel.errors import DataTypeError

CLIP: Final = 1e-5
"""Probabilities of other learners are kept this far from 0 and 1."""
DEGREE: Final = 3


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


@final
@dataclass(frozen=True)
class Trees:
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


@final
@dataclass(frozen=True)
class SplineLogistic:
    """Logistic regression on splines of the numbers and on the values of the categories.

    Parameters
    ----------
    name : str
    knots : int
        Knots of each number, at equal distances; fewer where a number has few values.
    C : float, optional
        Inverse of the ridge penalty, as in scikit-learn; chosen by leaving rows out if not given.
    most_rows : int
        More rows than these are not looked at: a smooth curve is known by then.
    interactions : pairs of column names
        The curve of a number may differ by another column: one curve for each value of a category, one that grows with a number.
    """

    name: str = "spline-logistic"
    knots: int = 8
    C: float | None = None
    most_rows: int = 25_000
    interactions: tuple[tuple[str, str], ...] = ()

    def fit(self, data: Data, y: Int, rows: Int, *, weight: Float | None = None, seed: int = 0, threads: int = 1) -> "Additive":  # fmt: skip
        """Learn from some rows: the first of them in the order of their content."""
        rows = rows[: self.most_rows]
        table, truth = data.table.take(rows), y[rows]
        curves = [_curve(x, self.knots) for x in table.numbers.T]
        steps = [_Levels(len(levels) + 1) for levels in table.schema.levels.values()]
        parts = [c.columns(x) for c, x in zip(curves, table.numbers.T, strict=True)]
        parts += [s.columns(code) for s, code in zip(steps, table.codes.T, strict=True)]
        pairs = [Pair.learn(table, *names, self.knots) for names in self.interactions]
        parts += [p.columns(table) for p in pairs]
        ends = np.cumsum([p.shape[1] for p in parts])
        found = ridge(np.hstack(parts), truth, None if weight is None else weight[rows], C=self.C)
        weights = np.split(found.weights, ends[:-1])
        made: list[_Spline | _Levels] = [*curves, *steps]
        terms = [t.term(w) for t, w in zip(made, weights[: table.width], strict=True)]
        more = tuple(p.term(w) for p, w in zip(pairs, weights[table.width :], strict=True))
        raw = Additive(found.constant, tuple(terms), np.zeros(len(terms)), more)
        return replace(raw, means=raw.contributions(table)[:, :-1].mean(axis=0))


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """What a number adds: a piecewise cubic between its least and largest value, constant beyond; and what a hole adds."""

    knots: Float
    coefficients: Float
    hole: float

    def __call__(self, x: Float) -> Float:
        inside = np.clip(x, self.knots[0], self.knots[-1])
        told = PPoly(self.coefficients, self.knots)(inside) if len(self.knots) > 1 else np.zeros(len(x))
        return np.where(np.isnan(x), self.hole, told)


@final
@dataclass(frozen=True, eq=False)
class Steps:
    """What each value of a category adds; what a hole adds stands last."""

    values: Float

    def __call__(self, codes: npt.NDArray[np.int32]) -> Float:
        return self.values[codes]


@final
@dataclass(frozen=True, eq=False)
class Crossed:
    """What the curve of a number adds beside another column: a curve for each value of a category (a hole last), or one curve
    times a number brought to mean 0 and spread 1, within the range that was learned from.

    Parameters
    ----------
    number, other : int
        Places of the columns.
    scale : least, greatest, mean and spread of the other column where it is a number; None for a category
    """

    number: int
    other: int
    curves: tuple[Curve, ...]
    scale: tuple[float, float, float, float] | None

    def __call__(self, table: Table) -> Float:
        x, other = table.column(self.number), table.column(self.other)
        if self.scale is not None:
            return self.curves[0](x) * _scaled(other, self.scale)
        out = np.empty(len(x))
        for code in np.unique(other):
            inside = other == code
            out[inside] = self.curves[code](x[inside])
        return out


@final
@dataclass(frozen=True, eq=False)
class Additive:
    """A sum of curves and steps, one for each column, and of what pairs of columns add; no matter in which batch a row comes."""

    constant: float
    terms: tuple[Curve | Steps, ...]
    means: Float
    crossed: tuple[Crossed, ...] = ()

    def log_odds(self, table: Table) -> Float:
        """Log-odds of leaving, shape (n_rows,)."""
        out = np.full(len(table), self.constant)
        for _, told in self._told(table):
            out += told
        return out

    def contributions(self, table: Table) -> Float:
        """What each column adds beyond its mean over the rows that were learned from; the constant takes the means.

        What a pair adds counts for its second column.
        """
        out = np.zeros((len(table), len(self.terms) + 1))
        for j, told in self._told(table):
            out[:, j] += told
        out[:, :-1] -= self.means
        out[:, -1] = self.constant + self.means.sum()
        return out

    def _told(self, table: Table) -> Iterator[tuple[int, Float]]:
        for j, term in enumerate(self.terms):
            yield j, term(table.column(j))
        for pair in self.crossed:
            yield pair.other, pair(table)


@final
@dataclass(frozen=True)
class _Spline:
    """Columns of a number: B-splines brought to mean 0 and spread 1, and whether it is missing."""

    knots: Float
    mean: Float
    spread: Float
    hole: tuple[float, float] | None

    def columns(self, x: Float) -> Float:
        known = ~np.isnan(x)
        out = np.zeros((len(x), len(self.mean) + (self.hole is not None)))
        out[known, : len(self.mean)] = (_basis(x[known], self.knots) - self.mean) / self.spread
        if self.hole is not None:
            out[:, -1] = (~known - self.hole[0]) / self.hole[1]
        return out

    def term(self, weights: Float) -> Curve:
        of, own = weights[: len(self.mean)] / self.spread, 0.0
        shift = -float(of @ self.mean)
        if self.hole is not None:
            shift -= weights[-1] * self.hole[0] / self.hole[1]
            own = float(weights[-1] * (1 - self.hole[0]) / self.hole[1])
        if not len(of):
            return Curve(np.zeros(1), np.zeros((DEGREE + 1, 0)), own)
        padded = _padded(self.knots)
        cubic = PPoly.from_spline((padded, of, DEGREE))
        inner = slice(DEGREE, len(padded) - DEGREE - 1)
        coefficients = np.array(cubic.c[:, inner])
        coefficients[-1] += shift
        return Curve(self.knots, coefficients, own)


@final
@dataclass(frozen=True)
class _Levels:
    """Columns of a category: one for each value, the hole last."""

    n: int

    def columns(self, codes: npt.NDArray[np.int32]) -> Float:
        out = np.zeros((len(codes), self.n))
        out[np.arange(len(codes)), codes] = 1.0
        return out

    def term(self, weights: Float) -> Steps:
        return Steps(weights.copy())


@final
@dataclass(frozen=True)
class Pair:
    """Columns of a pair: the splines of the number, times each value of a category or times the other number."""

    number: int
    other: int
    spline: "_Spline"
    levels: int
    scale: tuple[float, float, float, float] | None

    @classmethod
    def learn(cls, table: Table, number: str, other: str, knots: int) -> "Pair":
        """How two columns, given by name, are learned from together."""
        j, k = table.schema.columns.index(number), table.schema.columns.index(other)
        spline = _curve(table.column(j), knots)
        if other in table.schema.levels:
            return cls(j, k, spline, len(table.schema.levels[other]) + 1, None)
        known = table.numbers[~np.isnan(table.numbers[:, k]), k]
        if not len(known):
            return cls(j, k, spline, 1, (0.0, 0.0, 0.0, 1.0))
        scale = (float(known.min()), float(known.max()), float(known.mean()), float(known.std()) or 1.0)
        return cls(j, k, spline, 1, scale)

    def columns(self, table: Table) -> Float:
        basis, other = self.spline.columns(table.column(self.number)), table.column(self.other)
        if self.scale is not None:
            return basis * _scaled(other, self.scale)[:, None]
        return np.hstack([basis * (other % self.levels == level)[:, None] for level in range(self.levels)])

    def term(self, weights: Float) -> Crossed:
        curves = tuple(self.spline.term(w) for w in np.split(weights, self.levels))
        return Crossed(self.number, self.other, curves, self.scale)


def _scaled(x: Float, scale: tuple[float, float, float, float]) -> Float:
    """A number with mean 0 and spread 1, within its range; 0 where it is missing."""
    low, high, mean, spread = scale
    return np.where(np.isnan(x), 0.0, (np.clip(x, low, high) - mean) / spread)


def _curve(x: Float, n: int) -> _Spline:
    """The splines of a number, by the values that it has."""
    known = x[~np.isnan(x)]
    missing = 1 - len(known) / max(len(x), 1)
    hole = (missing, float(np.sqrt(missing * (1 - missing)))) if 0 < missing < 1 else None
    if not len(known) or known.min() == known.max():
        return _Spline(np.zeros(1), np.zeros(0), np.zeros(0), hole)
    different = len(np.unique(known))
    knots = np.linspace(known.min(), known.max(), max(2, min(n, different - 2)))  # no more splines than values
    basis = _basis(known, knots)
    spread = basis.std(axis=0)
    return _Spline(knots, basis.mean(axis=0), np.where(spread > 0, spread, 1.0), hole)


def _padded(knots: Float) -> Float:
    """Knots with as many more beyond each end as the degree, at the same distance."""
    step, more = knots[1] - knots[0], np.arange(1, DEGREE + 1)
    return np.concatenate([knots[0] - step * more[::-1], knots, knots[-1] + step * more])


def _basis(x: Float, knots: Float) -> Float:
    """The B-splines of a number, shape (n_rows, n_knots + 2)."""
    if len(knots) < 2:
        return np.zeros((len(x), 0))
    inside = np.clip(x, knots[0], knots[-1])
    return np.asarray(BSpline.design_matrix(inside, _padded(knots), DEGREE).toarray())


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
