"""Logistic regression on splines, as one of the learners that are stacked, and the curves that it learned."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline, PPoly

from crmintel.churn.recipes import Data
from crmintel.churn.ridge import ridge
from crmintel.churn.table import Float, Int, Table
from crmintel.showing import Shown

DEGREE: Final = 3


@final
@dataclass(frozen=True)
class SplineLogistic(Shown):
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

    Examples
    --------
    >>> import pandas as pd
    >>> from crmintel.churn import ChurnClassifier
    >>> X = pd.DataFrame({"orders": np.arange(200.0)})
    >>> model = ChurnClassifier(SplineLogistic(knots=4), folds=2, allow="*").fit(X, X["orders"] % 7 < 2)
    >>> model.weights_.index.tolist()
    ['spline-logistic']
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
        for _, told in self.told(table):
            out += told
        return out

    def contributions(self, table: Table) -> Float:
        """What each column adds beyond its mean over the rows that were learned from; the constant takes the means.

        What a pair adds counts for its second column.
        """
        out = np.zeros((len(table), len(self.terms) + 1))
        for j, told in self.told(table):
            out[:, j] += told
        out[:, :-1] -= self.means
        out[:, -1] = self.constant + self.means.sum()
        return out

    def told(self, table: Table) -> Iterator[tuple[int, Float]]:
        """The column and what it adds, in the order in which log-odds are summed; a column may come several times."""
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
