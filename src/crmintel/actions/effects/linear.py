"""Ridge regression of several targets on one design, its strength told by generalised cross-validation."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from crmintel.actions.effects.trial import Float, Int
from crmintel.churn.table import Table

PENALTIES: Final = tuple(10 ** np.linspace(1, 7, 19))
"""Penalties that are tried."""
SKEWED: Final = 1.0
_FURTHEST = 6.0


@final
@dataclass(frozen=True, eq=False)
class Design:
    """How a table becomes columns of one scale: numbers, logarithms of skewed ones, flags of missing ones, categories as 0 and 1.

    Parameters
    ----------
    median : float, shape (n_numbers,)
        What stands for a missing number.
    logs, holes : int
        Which numbers are skewed, and which were ever missing.
    levels : tuple of int
        How many values each category has.
    mean, scale : float, shape (n_columns,)
    """

    median: Float
    logs: Int
    holes: Int
    levels: tuple[int, ...]
    mean: Float
    scale: Float

    @classmethod
    def learn(cls, table: Table) -> "Design":
        """The columns of a table, each with mean 0 and scale 1."""
        x = table.numbers
        missing = np.isnan(x)
        median = np.array([np.median(c[~h]) if (~h).any() else 0.0 for c, h in zip(x.T, missing.T, strict=True)])
        filled = np.where(missing, median, x)
        gap = filled - filled.mean(axis=0)
        spread = np.maximum(gap.std(axis=0), 1e-12)
        skewed = np.abs((gap**3).mean(axis=0)) > SKEWED * spread**3
        several = np.array([len(np.unique(c[:10_000])) > 2 for c in filled.T], bool)
        levels = tuple(len(v) for v in table.schema.levels.values())
        blank = np.zeros(0)
        raw = cls(median, np.flatnonzero(skewed & several), np.flatnonzero(missing.any(axis=0)), levels, blank, blank)
        Z = raw._columns(table)
        scale = Z.std(axis=0)
        return cls(raw.median, raw.logs, raw.holes, levels, Z.mean(axis=0), np.where(scale > 1e-9, scale, np.inf))

    def __call__(self, table: Table) -> Float:
        """The columns, shape (n_rows, n_columns)."""
        return np.clip((self._columns(table) - self.mean) / self.scale, -_FURTHEST, _FURTHEST)

    def one(self, numbers: Float, codes: list[int]) -> Float:
        """The columns of one row, the same bits; numbers of shape (n_numbers,)."""
        missing = np.isnan(numbers)
        filled = np.where(missing, self.median, numbers)
        skewed = filled[self.logs]
        raw = np.zeros(len(self.mean))
        a, b = len(filled), len(filled) + len(skewed)
        start = b + len(self.holes)
        raw[:a], raw[a:b], raw[b:start] = filled, np.sign(skewed) * np.log1p(np.abs(skewed)), missing[self.holes]
        for code, k in zip(codes, self.levels, strict=True):
            if code >= 0:
                raw[start + code] = 1.0
            start += k
        return np.asarray(np.minimum(np.maximum((raw - self.mean) / self.scale, -_FURTHEST), _FURTHEST))

    def _columns(self, table: Table) -> Float:
        x = table.numbers
        missing = np.isnan(x)
        filled = np.where(missing, self.median, x)
        skewed = filled[:, self.logs]
        parts = [filled, np.sign(skewed) * np.log1p(np.abs(skewed)), missing[:, self.holes].astype(np.float64)]
        parts += [(table.codes[:, [j]] == np.arange(k)).astype(np.float64) for j, k in enumerate(self.levels)]
        return np.hstack(parts)


@final
@dataclass(frozen=True, eq=False)
class Line:
    """Weights of columns and a constant, for several targets.

    Parameters
    ----------
    weights : float, shape (n_columns, n_targets)
    constant : float, shape (n_targets,)
    """

    weights: Float
    constant: Float

    def __call__(self, Z: Float) -> Float:
        """Shape (n_rows, n_targets); summed column by column, so that batches do not matter."""
        out = np.repeat(self.constant[None], len(Z), axis=0)
        for column, weight in zip(Z.T, self.weights, strict=True):
            out += column[:, None] * weight
        return out

    def __add__(self, other: "Line") -> "Line":
        return Line(self.weights + other.weights, self.constant + other.constant)

    def spread(self, share: Float) -> "Line":
        """A line of one target as part of several: times the share of each, shape (n_targets,)."""
        return Line(self.weights * share, self.constant * share)

    def one(self, z: Float) -> Float:
        """The same of one row, with the same bits."""
        parts = np.empty((len(z) + 1, len(self.constant)))
        parts[0] = self.constant
        np.multiply(z[:, None], self.weights, out=parts[1:])
        return np.asarray(np.add.accumulate(parts)[-1])


def lines(Z: Float, targets: Float) -> Line:
    """A ridge regression of each target, its penalty chosen by generalised cross-validation (Golub, Heath, Wahba 1979).

    Parameters
    ----------
    Z : float, shape (n_rows, n_columns)
    targets : float, shape (n_rows, n_targets)
    """
    n = len(Z)
    centre, mean = Z.mean(axis=0), targets.mean(axis=0)
    gap, off = Z - centre, targets - mean
    values, axes = np.linalg.eigh(gap.T @ gap)
    values = np.maximum(values, 0)
    along, total = axes.T @ (gap.T @ off), (off**2).sum(axis=0)
    best, weights = np.full(targets.shape[1], np.inf), np.zeros((Z.shape[1], targets.shape[1]))
    for penalty in PENALTIES:
        inverse = 1 / (values + penalty)
        fit = along * inverse[:, None]
        error = total - 2 * (along * fit).sum(axis=0) + (values[:, None] * fit**2).sum(axis=0)
        left = 1 - ((values * inverse).sum() + 1) / n
        lost = error / max(left, 1e-3) ** 2
        better = lost < best
        best[better], weights[:, better] = lost[better], (axes @ fit)[:, better]
    return Line(weights, mean - centre @ weights)
