"""The hazard of each period, out of several learners: their weights and interactions with time are settled on folds of customers."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from crmintel.churn.learners import named
from crmintel.churn.periods import Periods, Rows, person_periods
from crmintel.churn.recipes import Data, Fitted, Recipe
from crmintel.churn.splines import Pair, SplineLogistic
from crmintel.churn.stack import Weights
from crmintel.churn.table import Float, Int, Schema, Table
from crmintel.churn.trees import Trees
from crmintel.evaluation.survival import integrated_brier

HAZARD: Final[tuple[Recipe, ...]] = (
    SplineLogistic("spline-logistic", 8, 0.3, most_rows=200_000),
    SplineLogistic("stiff spline-logistic", 4, 0.01, most_rows=200_000),
    SplineLogistic("stiffest spline-logistic", 4, 0.001, most_rows=200_000),
    Trees("small trees", 200, 0.05, leaves=7, depth=3, min_leaf=100, row_share=0.7, column_share=0.5, ridge=5.0),
)
"""What a hazard is learned by."""
PER_COEFFICIENT: Final = 5
"""Customers who left for each coefficient of the least stiff of them; where there are fewer it is left out."""
PERIOD: Final = "√time\n"
"""The column of time; a name that no column of a table has."""
FOLDS: Final = 3
STEPS: Final = 8
"""Parts that the weights are made of."""
TRIED: Final = 1
"""Interactions with time that are tried in earnest."""
KNOTS: Final = 4
RIDGE: Final = 0.3
"""Knots of time, and inverse of the penalty, where interactions are looked for."""
CELLS: Final = 500_000
"""Customers × periods by which learners are judged at most."""
_CHUNK: Final = 200_000
Judge = Callable[[Float], float]


@final
@dataclass(frozen=True, eq=False)
class Hazards:
    """What was learned.

    Parameters
    ----------
    learners : mapping of str to what was learned
    weights : how they are summed
    interactions : tuple of str
        Columns whose effect changes with time.
    rule : str
        Which rows were learned from, and by what learners were judged.
    """

    learners: Mapping[str, Fitted]
    weights: Weights
    interactions: tuple[str, ...]
    rule: str

    def of(self, table: Table, cut: Periods) -> Float:
        """The hazard of each customer and period, shape (n_customers, n_periods)."""
        z = np.stack([grid(learner, table, cut).ravel() for learner in self.learners.values()], axis=1)
        return expit(self.weights(z)).reshape(len(table), len(cut.ends))


def usual(table: Table, events: int) -> tuple[Recipe, ...]:
    """The learners for a table and so many customers who left."""
    first = HAZARD[0]
    assert isinstance(first, SplineLogistic)
    coefficients = (first.knots + 2) * (table.numbers.shape[1] + 1) + sum(len(v) for v in table.schema.levels.values())
    return HAZARD if events >= PER_COEFFICIENT * coefficients else HAZARD[1:]


def expanded(table: Table, customer: Int, period: Int, cut: Periods) -> Table:
    """Rows of customers and periods: the customer's columns, and time."""
    of = table.schema
    schema = Schema((*of.names, PERIOD), (*of.numbers, PERIOD), of.levels)
    return Table(schema, np.column_stack([table.numbers[customer], np.sqrt(cut.ends[period])]), table.codes[customer])


def grid(learner: Fitted, table: Table, cut: Periods) -> Float:
    """Log-odds of leaving of each customer in each period, shape (n_customers, n_periods)."""
    k = len(cut.ends)
    out = np.empty((len(table), k))
    step = max(1, _CHUNK // k)
    for start in range(0, len(table), step):
        rows = np.arange(start, min(start + step, len(table)))
        long = expanded(table, np.repeat(rows, k), np.tile(np.arange(k), len(rows)), cut)
        out[rows] = learner.log_odds(long).reshape(len(rows), k)
    return out


@final
class _Folds:
    """Customers, their rows, and what learners say of customers that they have not seen."""

    def __init__(self, table: Table, rows: Rows, cut: Periods, fold: Int, seed: int, pool: ThreadPoolExecutor) -> None:
        self.table, self.rows, self.cut, self.fold, self.seed, self.pool = table, rows, cut, fold, seed, pool
        self.data = Data(expanded(table, rows.customer, rows.period, cut))
        self.judged = max(
            1, min(len(table), CELLS // len(cut.ends))
        )  # the first customers in the order of their content

    def fit(self, recipe: Recipe, rows: Int | None = None) -> Fitted:
        """What a recipe learns from some rows; from all of them by default."""
        rows = np.arange(len(self.rows.left)) if rows is None else rows
        return recipe.fit(self.data, self.rows.left, rows, weight=self.rows.weight, seed=self.seed)

    def unseen(self, recipes: tuple[Recipe, ...]) -> list[Float]:
        """For each recipe the log-odds of judged customers, shape (n_judged, n_periods)."""
        out = [np.empty((self.judged, len(self.cut.ends))) for _ in recipes]
        inside = self.fold[self.rows.customer]

        def learn(task: tuple[int, int]) -> None:
            j, f = task
            outside = np.flatnonzero(self.fold[: self.judged] == f)
            out[j][outside] = grid(
                self.fit(recipes[j], np.flatnonzero(inside != f)), self.table.take(outside), self.cut
            )

        list(self.pool.map(learn, [(j, f) for f in range(FOLDS) for j in range(len(recipes))]))
        return out


def learn(
    table: Table, entry: Float, duration: Float, observed: Any, who: Int, cut: Periods, recipes: tuple[Recipe, ...], *,
    seed: int, threads: int,
) -> Hazards:  # fmt: skip
    """Learn hazards from customers in an order that depends on their content alone."""
    rows = person_periods(entry, duration, observed, cut, seed=seed)
    with ThreadPoolExecutor(threads) as pool:
        folds = _Folds(table, rows, cut, _dealt(who, observed, seed), seed, pool)
        judge, words = _judge(folds, entry, duration, observed)
        told = folds.unseen(recipes)
        recipes, told = _changing(folds, recipes, told, judge)
        weights = _blend(told, judge)
        used = [j for j, w in enumerate(weights) if w > 0]
        fitted = list(pool.map(lambda j: folds.fit(recipes[j]), used))
    chosen = tuple(recipes[j] for j in used)
    changing = [
        name for r in chosen if isinstance(r, SplineLogistic) for first, name in r.interactions if first == PERIOD
    ]
    return Hazards(
        named(chosen, fitted), Weights(0.0, weights[used]), tuple(dict.fromkeys(changing)), f"{rows.rule}; learners judged by {words}"
    )  # fmt: skip


def _judge(folds: _Folds, entry: Float, duration: Float, observed: Any) -> tuple[Judge, str]:
    """What tells good log-odds from bad: the distance of curves from what happened, where all are seen from the start."""
    n = folds.judged
    times = folds.cut.ends[folds.cut.ends < duration[:n].max()]
    if not entry.any() and len(times) > 1 and observed[:n].any():
        return (
            lambda z: integrated_brier(duration[:n], observed[:n], _survival(z)[:, : len(times)], times),
            "integrated Brier score",
        )
    rows = np.flatnonzero(folds.rows.customer < n)
    at, y, w = (folds.rows.customer[rows], folds.rows.period[rows]), folds.rows.left[rows], folds.rows.weight[rows]
    return lambda z: float(np.average(_loss(z[at], y), weights=w)), "log-loss of periods"


def _survival(z: Float) -> Float:
    """The chance of being there at the end of each period."""
    return np.asarray(np.exp(-np.cumsum(np.logaddexp(0, z), axis=1)))


def _blend(told: list[Float], judge: Judge) -> Float:
    """Weights in eighths: part by part the learner that helps most, up to the best sum (Caruana et al. 2004, ICML)."""
    total, counts = np.zeros_like(told[0]), np.zeros(len(told))
    best, kept = np.inf, counts
    for step in range(1, STEPS + 1):
        scores = [judge((total + z) / step) for z in told]
        j = int(np.argmin(scores))
        total, counts = total + told[j], counts + (np.arange(len(told)) == j)
        if scores[j] < best:
            best, kept = scores[j], counts
    return np.asarray(kept / kept.sum())


def _changing(
    folds: _Folds, recipes: tuple[Recipe, ...], told: list[Float], judge: Judge
) -> tuple[tuple[Recipe, ...], list[Float]]:
    """Recipes and their log-odds, and those of the best spline-logistic with interactions of columns and time, if they help."""
    splines = [j for j, r in enumerate(recipes) if isinstance(r, SplineLogistic) and not r.interactions]
    if not splines or not folds.table.width:
        return recipes, told
    best = min(splines, key=lambda j: judge(told[j]))
    recipe, z, now = recipes[best], told[best], judge(told[best])
    assert isinstance(recipe, SplineLogistic)
    for name in _candidates(folds, z):
        more = replace(recipe, interactions=(*recipe.interactions, (PERIOD, name)))
        after = folds.unseen((more,))[0]
        if judge(after) < now:
            recipe, z, now = more, after, judge(after)
    if not recipe.interactions:
        return recipes, told
    return (*recipes, replace(recipe, name=f"{recipe.name}, changing")), [*told, z]


def _candidates(folds: _Folds, z: Float) -> list[str]:
    """The columns that promise most, as one Newton step from the log-odds without an interaction says.

    The step is learned on the other folds, and its gain in log-loss must exceed its standard error over customers.
    """
    keep = np.flatnonzero(folds.rows.customer < len(z))
    table, of, rows = folds.data.table.take(keep), folds.rows.customer[keep], folds.rows
    y, weight, fold = rows.left[keep], rows.weight[keep], folds.fold[of]
    here = z[of, rows.period[keep]]
    gains = {}
    for name in folds.table.schema.columns:
        moved = _stepped(Pair.learn(table, PERIOD, name, KNOTS).columns(table), here, y, weight, fold)
        won = np.bincount(of, weights=weight * (_loss(here, y) - _loss(moved, y)))
        if won.sum() > won.std() * np.sqrt(len(won)):
            gains[name] = float(won.sum())
    return sorted(gains, key=lambda name: -gains[name])[:TRIED]


def _stepped(Z: Float, z: Float, y: Int, weight: Float, fold: Int) -> Float:
    """Log-odds after one Newton step along some columns, each fold's step learned on the others."""
    p = expit(z)
    pull, curve = Z * (weight * (y - p))[:, None], Z * (weight * p * (1 - p))[:, None]
    parts = [np.flatnonzero(fold == f) for f in range(FOLDS)]
    slopes, bends = [pull[rows].sum(axis=0) for rows in parts], [curve[rows].T @ Z[rows] for rows in parts]
    out = z.copy()
    for f, rows in enumerate(parts):
        bend = sum(bends) - bends[f] + np.eye(Z.shape[1]) / RIDGE
        out[rows] += Z[rows] @ np.linalg.solve(bend, sum(slopes) - slopes[f])
    return out


def _loss(z: Float, y: Int) -> Float:
    return np.asarray(np.logaddexp(0, z) - y * z)


def _dealt(who: Int, observed: Any, seed: int) -> Int:
    """A fold for each row: whole customers, or rows dealt out by whether they left."""
    rng = np.random.default_rng(seed)
    if not (who < 0).all():
        return rng.permutation(np.arange(int(who.max()) + 1) % FOLDS)[who]
    out = np.empty(len(who), np.int64)
    for kind in (False, True):
        rows = np.flatnonzero(observed == kind)
        out[rows[rng.permutation(len(rows))]] = np.arange(len(rows)) % FOLDS
    return out


@final
@dataclass(frozen=True, eq=False)
class Tails:
    """Numbers with a long tail, put on the scale of logarithms; the others stay.

    Parameters
    ----------
    scale : array, shape (n_numbers,)
        The size from which steps shrink; infinite where nothing is done.
    """

    scale: Float

    @classmethod
    def learn(cls, numbers: Float) -> "Tails":
        """Which columns have one side of the middle more than four times as wide as the other."""
        return cls(np.array([_scale(x[~np.isnan(x)]) for x in numbers.T]))

    def __call__(self, table: Table) -> Table:
        """The table on these scales."""
        out = table.numbers.copy()
        for j in np.flatnonzero(np.isfinite(self.scale)):
            out[:, j] = np.sign(out[:, j]) * np.log1p(np.abs(out[:, j]) / self.scale[j])
        return Table(table.schema, out, table.codes)


def _scale(x: npt.NDArray[np.float64]) -> float:
    if not len(x) or not x.any():
        return np.inf
    low, middle, high = np.quantile(x, [0.01, 0.5, 0.99])
    sides = sorted([middle - low, high - middle])
    return float(np.median(np.abs(x[x != 0]))) if sides[1] > 4 * sides[0] else np.inf
