"""What would have come without knowing the effect: outcomes and propensities, each row told by models that have not seen it."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from crmintel.actions.effects.linear import Line, lines
from crmintel.actions.effects.recipes import MANY, Learned, Rows
from crmintel.actions.effects.trial import Float, Int, Trial
from crmintel.errors import DataContractError

FOLDS: Final = 5
TENTHS: Final = 10
LEAST: Final = 0.01
"""Estimated propensities are at least this; known ones are never changed."""


@final
@dataclass(frozen=True, eq=False)
class Split:
    """Which rows are told by models of which others.

    Parameters
    ----------
    part : int, shape (n_rows,)
        The part of each row; customers are whole.
    used : int
        How many of the parts are told, one after the other, by models of all others.
    """

    part: Int
    used: int

    @property
    def pairs(self) -> list[tuple[Int, Int]]:
        """Rows to learn from and rows to tell."""
        return [(np.flatnonzero(self.part != k), np.flatnonzero(self.part == k)) for k in range(self.used)]


def split(trial: Trial, seed: int, folds: int | None = None) -> Split:
    """Five folds that hold arms and outcomes in equal shares; above 100,000 rows one tenth is held out instead."""
    rng = np.random.default_rng(seed)
    large = len(trial) > MANY and folds is None
    n = TENTHS if large else (folds or FOLDS)
    if trial.customer is not None and len(np.unique(trial.customer)) < len(trial):
        part = rng.permutation(np.arange(int(trial.customer.max()) + 1) % n)[trial.customer]
    else:
        rank = np.lexsort((rng.random(len(trial)), trial.outcome, trial.arm))
        part = np.empty(len(trial), np.int64)
        block = np.arange(len(trial)) // n
        part[rank] = (
            np.lexsort((rng.random(len(trial)), block)) % n
        )  # each block of n neighbours is dealt out at random
    return Split(part, 1 if large else n)


@final
@dataclass(frozen=True, eq=False)
class Outcomes:
    """What each row's outcome would be, told by models that have not seen the row.

    Parameters
    ----------
    level : float, shape (n_rows,)
        Whatever was done.
    arms : float, shape (n_rows, n_arms)
        With each arm; NaN where it was not told.
    last : list of models
        That of the level and one for each arm, learned from all but the last part that was told.
    """

    level: Float
    arms: Float
    last: "list[Leaning]"


@final
@dataclass(frozen=True, eq=False)
class Leaning:
    """A line, and what learns the rest of an outcome.

    Parameters
    ----------
    line : Line, optional
        Of one target; without it the other learns all.
    rest : Learned
    """

    line: Line | None
    rest: Learned

    def tell(self, Z: Float | None, matrix: Float) -> Float:
        """Outcomes, shape (n_rows,)."""
        flat = 0.0 if self.line is None or Z is None else self.line(Z)[:, 0]
        return np.asarray(flat + self.rest.predict(matrix))


def leaning(rows: Rows, Z: Float | None, trial: Trial, part: Int) -> Leaning:
    """A model of the outcome, learned from some rows."""
    y = trial.outcome[part]
    if Z is None:
        return Leaning(None, rows.learn(part, y))
    line = lines(Z[part], y[:, None])
    return Leaning(line, rows.learn(part, y - line(Z[part])[:, 0]))


def outcomes(rows: Rows, Z: Float | None, matrix: Float, trial: Trial, way: Split, seed: int) -> Outcomes:
    """Outcomes told out of fold: of all rows by level, of the told parts by arm.

    Parameters
    ----------
    Z : float, shape (n_rows, n_columns), optional
        The design of a line that is learned first, and the rest is left to `rows`.
    """
    n, arms = len(trial), len(trial.names)
    level, by_arm = np.empty(n), np.full((n, arms), np.nan)
    halves = way if way.used > 1 else Split((way.part % 2).astype(np.int64), 2)
    whole: list[Leaning] = []
    each: list[Leaning] = []
    for inside, outside in halves.pairs:
        whole = [leaning(rows, Z, trial, some(inside, seed))]
        level[outside] = whole[0].tell(None if Z is None else Z[outside], matrix[outside])
    for inside, outside in way.pairs:
        each = by_arms(rows, Z, trial, inside)
        for a, model in enumerate(each):
            by_arm[outside, a] = model.tell(None if Z is None else Z[outside], matrix[outside])
    return Outcomes(level, by_arm, whole + each)


def by_arms(rows: Rows, Z: Float | None, trial: Trial, inside: Int) -> list[Leaning]:
    """A model of the outcome for each arm."""
    return [leaning(rows, Z, trial, inside[trial.arm[inside] == a]) for a in range(len(trial.names))]


def some(rows: Int, seed: int) -> Int:
    """At most 100,000 of the rows: enough to take the noise of levels away."""
    return rows if len(rows) <= MANY else np.sort(np.random.default_rng(seed).choice(rows, MANY, replace=False))


def propensities(rows: Rows, matrix: Float, trial: Trial, way: Split, seed: int) -> Float:
    """The probability of each arm told out of fold, at least .01, shape (n_rows, n_arms)."""
    told = np.empty((len(trial), len(trial.names)))
    halves = way if way.used > 1 else Split((way.part % 2).astype(np.int64), 2)
    got = trial.got.astype(np.float64)
    for inside, outside in halves.pairs:
        few = some(inside, seed)
        for a in range(len(trial.names)):
            told[outside, a] = rows.learn(few, got[few, a]).predict(matrix[outside])
    told = np.maximum(told, LEAST)
    return np.asarray(told / told.sum(axis=1, keepdims=True))


def doubly_robust(trial: Trial, propensity: Float, told: Outcomes) -> Float:
    """What each arm brings each row, unbiased if propensities are right: shape (n_rows, n_arms).

    ψ_a = μ_a + 1{got a}(y − μ_a) ÷ e_a (Robins, Rotnitzky, Zhao 1994); where arms were not told apart, μ_a is the level.
    """
    expected = np.where(np.isnan(told.arms), told.level[:, None], told.arms)
    return np.asarray(expected + np.where(trial.got, (trial.outcome[:, None] - expected) / propensity, 0.0))


def residual(rows: Rows, trial: Trial, propensity: Float, told: Outcomes, inside: Int, a: int) -> Learned:
    """What one arm changes, from the rows of that arm and of none: residuals of outcomes on residuals of treatment."""
    two = inside[(trial.arm[inside] == a) | (trial.arm[inside] == 0)]
    if np.isnan(propensity[two][:, [0, a]]).any():
        raise DataContractError(
            "Only the propensity of what was done is known, and residuals of treatment need that of every arm. "
            "Give a table with a column for each arm, or use DRLearner."
        )
    share = propensity[two, a] / (propensity[two, a] + propensity[two, 0])
    gap = (trial.arm[two] == a) - share
    return rows.learn(two, (trial.outcome[two] - told.level[two]) / gap, gap**2)
