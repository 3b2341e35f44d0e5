"""A churn model for the few customers who are served now: the bits of the batch, without a frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any, Final, Self, final

import numpy as np

from crmintel.churn.classifier import ChurnClassifier
from crmintel.churn.splines import Additive, Curve, Steps
from crmintel.churn.table import LARGEST, OTHER, Float, Int, Schema, Table
from crmintel.churn.trees import FittedTrees
from crmintel.errors import DataContractError, DataTypeError

MOST_NAMED: Final = 8
"""Columns that a complaint names."""
_NUMBER: Final = frozenset({int, float, bool, type(None)})
_TRIED: Final = 64


@final
@dataclass(frozen=True, eq=False)
class Online:
    """A fitted churn model, ready to be asked for a few rows at a time.

    Parameters
    ----------
    model : ChurnClassifier
    sums : mapping of learner to Sums
        The splines of the model, all at once; without those that do not give the very bits of the model here.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmintel.churn import SMALL
    >>> X = pd.DataFrame({"orders": np.arange(200.0)})
    >>> model = ChurnClassifier(SMALL, folds=2, allow="*").fit(X, (X["orders"] % 3 < 1).astype(int))
    >>> online = Online.of(model)
    >>> table = online.read([{"orders": 7}, {"orders": None}])
    >>> bool((online.log_odds(table)[0] == model.decision_function(X.iloc[[7]])).all())
    True
    """

    model: ChurnClassifier
    sums: "Mapping[str, Sums]"

    @classmethod
    def of(cls, model: ChurnClassifier) -> Self:
        """What the model needs for it; a fraction of a second."""
        tried = _tried(model.schema_)
        made = {name: (m, Sums.of(m)) for name, m in model.learners_.items() if isinstance(m, Additive)}
        return cls(model, {n: s for n, (m, s) in made.items() if np.array_equal(s(tried), m.log_odds(tried))})

    @property
    def schema(self) -> Schema:
        """The columns."""
        return self.model.schema_

    def read(self, rows: Sequence[Mapping[str, Any]]) -> Table:
        """Rows as mappings of column to number, text or None.

        Raises
        ------
        DataContractError
            If columns are missing, or numbers are too large; columns are named, cells never.
        DataTypeError
            If a column of numbers holds something else, or a column of categories no text.
        """
        try:
            held = [self._cells(row) for row in rows]
        except KeyError:
            raise DataContractError(_absent(self.schema.names, rows)) from None
        n = len(self.schema.numbers)
        bad: list[str] = []
        numbers = _numbers([h[:n] for h in held], self.schema.numbers, bad)
        codes = np.empty((len(held), len(self._codes)), np.int32)
        for j, (name, (known, other)) in enumerate(self._codes.items()):
            texts = [h[n + j] for h in held]
            if not set(map(type, texts)) <= {str, type(None)}:
                bad.append(name)
                continue
            codes[:, j] = [known.get(v, other) for v in texts]
        if bad:
            raise DataTypeError(
                f"Not as the model knows them: {_some(bad)}. Send finite numbers where it learned numbers, text where it learned "
                "categories, and null for what is missing."
            )
        return Table(self.schema, numbers, codes)

    def unseen(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """How many cells hold a category that was never learned; they count as missing, or as one of the rare ones."""
        return sum(row[n] is not None and row[n] not in known for n, (known, _) in self._codes.items() for row in rows)

    def log_odds(self, table: Table) -> Float:
        """Log-odds of leaving, the bits of `ChurnClassifier.log_odds`, shape (n_rows,)."""
        model, matrix = self.model, table.matrix()
        each = np.empty((len(table), len(model.learners_)))
        for j, (name, learner) in enumerate(model.learners_.items()):
            if isinstance(learner, FittedTrees):
                each[:, j] = learner.booster.predict(matrix, raw_score=True, num_threads=1)
            else:
                each[:, j] = self.sums.get(name, learner.log_odds)(table)
        return model.step_(model.stack_(each))

    @cached_property
    def _cells(self) -> Any:
        """What gives the cells of a row, in the order of the schema's columns."""
        names = self.schema.columns
        if len(names) == 1:
            return lambda row: (row[names[0]],)
        return itemgetter(*names)

    @cached_property
    def _codes(self) -> dict[str, tuple[dict[str | None, int], int]]:
        """For each category the code of each value, and that of a value that was never learned."""
        return {
            name: ({**{v: j for j, v in enumerate(levels)}, None: -1}, levels.index(OTHER) if OTHER in levels else -1)
            for name, levels in self.schema.levels.items()
        }


@final
@dataclass(frozen=True, eq=False)
class Sums:
    """A sum of curves and steps, all columns at once: for a few rows many times as quick as one column after the other.

    Parameters
    ----------
    additive : Additive
    knots : float, shape (n_curves, most_knots), filled up with infinity
    coefficients : float, shape (4, n_curves, most_intervals)
    last : int, shape (n_curves,)
        The last interval of each curve.
    ends : float, shape (2, n_curves)
    holes : float, shape (n_curves,)
    """

    additive: Additive
    knots: Float
    coefficients: Float
    last: Int
    ends: Float
    holes: Float

    @classmethod
    def of(cls, additive: Additive) -> Self:
        """The arrays of a sum; curves come before steps."""
        curves = [t for t in additive.terms if isinstance(t, Curve)]
        most = max((len(c.knots) for c in curves), default=1)
        knots = np.full((len(curves), most), np.inf)
        coefficients = np.zeros((4, len(curves), max(most - 1, 1)))
        for i, curve in enumerate(curves):
            knots[i, : len(curve.knots)] = curve.knots
            coefficients[:, i, : len(curve.knots) - 1] = curve.coefficients
        last = np.array([max(len(c.knots) - 2, 0) for c in curves], np.int64)
        ends = np.array([[c.knots[0] for c in curves], [c.knots[-1] for c in curves]])
        return cls(additive, knots, coefficients, last, ends, np.array([c.hole for c in curves]))

    def __call__(self, table: Table) -> Float:
        """Log-odds, summed in the order of `Additive.log_odds`."""
        n, terms = len(self.last), self.additive.terms
        parts = np.empty((len(table), 1 + len(terms)))
        parts[:, 0] = self.additive.constant
        parts[:, 1 : 1 + n] = self._curves(table.numbers)
        for j, steps in enumerate(terms[n:]):
            if isinstance(steps, Steps):
                parts[:, 1 + n + j] = steps(table.codes[:, j])
        out: Float = np.add.accumulate(parts, axis=1)[:, -1]
        for pair in self.additive.crossed:
            out = out + pair(table)
        return out

    def _curves(self, x: Float) -> Float:
        """What each number adds; the arithmetic of SciPy's piecewise polynomials, operation by operation."""
        inside = np.clip(x, self.ends[0], self.ends[1])
        place = np.clip((self.knots <= inside[:, :, None]).sum(axis=2) - 1, 0, self.last)
        curve = np.arange(len(self.last))
        step = inside - self.knots[curve, place]
        c3, c2, c1, c0 = self.coefficients[:, curve, place]
        square = step * step
        told = ((0.0 + c0) + c1 * step) + c2 * square + c3 * (square * step)
        return np.where(np.isnan(x), self.holes, told)


def _tried(schema: Schema) -> Table:
    """Rows of every size, some with holes, on which it is seen whether two ways give the same bits."""
    rng = np.random.default_rng(0)
    shape = (_TRIED, len(schema.numbers))
    numbers = rng.normal(size=shape) * 10.0 ** rng.integers(-2, 5, shape)
    numbers[: _TRIED // 2] = np.abs(np.round(numbers[: _TRIED // 2]))
    numbers[rng.random(shape) < 0.1] = np.nan
    codes = np.empty((_TRIED, len(schema.levels)), np.int32)
    for j, levels in enumerate(schema.levels.values()):
        codes[:, j] = rng.integers(-1, max(len(levels), 1), _TRIED)
    return Table(schema, numbers, codes)


def _numbers(rows: list[tuple[Any, ...]], names: tuple[str, ...], bad: list[str]) -> Float:
    """Rows of numbers, missing is NaN; the names of columns that hold something else are noted."""
    shape = (len(rows), len(names))
    if all(_NUMBER.issuperset(map(type, row)) for row in rows):
        try:
            out = np.array(rows, np.float64).reshape(shape)
            if not (np.abs(out) > LARGEST).any():
                return out
        except OverflowError:  # a whole number beyond all floats: the column is found below
            pass
    out = np.full(shape, np.nan)
    for j, name in enumerate(names):
        values = [row[j] for row in rows]
        try:
            if not _NUMBER.issuperset(map(type, values)):
                raise TypeError
            out[:, j] = np.array(values, np.float64)
        except (TypeError, OverflowError):
            bad.append(name)
            continue
        if (np.abs(out[:, j]) > LARGEST).any():
            bad.append(name)
    return out


def _absent(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    absent = [n for n in names if any(n not in row for row in rows)]
    return f"Missing columns: {_some(absent)}. Send every feature of the model, null where it is missing."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
