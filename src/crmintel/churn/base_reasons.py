"""Why customers are at risk, for a whole base: score and strongest reasons from one pass, by tables of leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, final

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.utils.validation import check_is_fitted

from crmintel.churn.classifier import ChurnClassifier
from crmintel.churn.leaves import LeafTable
from crmintel.churn.reasons import CALIBRATION, commonest, explainable, titles_of
from crmintel.churn.splines import Additive
from crmintel.churn.table import Float, Int, Table, rows_of
from crmintel.churn.telling import teller
from crmintel.churn.threads import one_thread
from crmintel.churn.trees import FittedTrees
from crmintel.columns import CHURN
from crmintel.errors import DataContractError
from crmintel.features import FeatureSet
from crmintel.showing import Shown, page

CHUNK: Final = 4_096
"""Rows that are told at a time: what they need stays in the cache."""


@final
@dataclass(frozen=True, eq=False)
class BaseReasons:
    """The log-odds of many customers, what moves them, and the strongest reasons of each.

    Parameters
    ----------
    log_odds : float, shape (n_rows,)
        Those of the model, bit for bit.
    contributions : float, shape (n_rows, n_titles)
        With `base` they add up to the log-odds.
    base : float
        The log-odds of the typical customer.
    titles : tuple of str
        What the contributions are of; a further calibration step stands last, if there is one.
    strongest : int, shape (n_rows, k)
        Places in `titles` of the strongest reasons for leaving, the strongest first; −1 where fewer exist. A calibration step
        is never among them.
    index : Index
        Of the rows.

    Examples
    --------
    >>> from crmintel.churn import SMALL, ChurnClassifier, base_reasons
    >>> X = pd.DataFrame({"calls": np.tile([0.0, 1.0, 2.0, 3.0], 60), "orders": np.arange(240.0)})
    >>> model = ChurnClassifier(SMALL, folds=2, allow="*").fit(X, X["calls"] + (X["orders"] % 5) > 4)
    >>> base_reasons(model, X, k=1).to_frame().columns.tolist()
    ['churn_probability', 'reason_1', 'contribution_1']
    """

    log_odds: Float
    contributions: Float
    base: float
    titles: tuple[str, ...]
    strongest: Int
    index: pd.Index

    def to_frame(self) -> pd.DataFrame:
        """churn_probability, reason_1 … reason_k (categories; missing where fewer exist) and contribution_1 … (their log-odds)."""
        kinds = pd.CategoricalDtype([t for t in self.titles if t != CALIBRATION])
        columns: dict[str, Any] = {CHURN: expit(self.log_odds)}
        for i, code in enumerate(self.strongest.T, start=1):
            columns[f"reason_{i}"] = pd.Categorical.from_codes(code, dtype=kinds)
        rows = np.arange(len(self.log_odds))
        for i, code in enumerate(self.strongest.T, start=1):
            columns[f"contribution_{i}"] = np.where(code < 0, np.nan, self.contributions[rows, code])
        return pd.DataFrame(columns, index=self.index)

    def __repr__(self) -> str:
        return f"BaseReasons: {len(self.log_odds):,} rows, {len(self.titles)} reasons"

    def _repr_html_(self) -> str:
        first = np.array([*self.titles, ""], object)[self.strongest[:, 0]]  # −1 where none fits
        return page(repr(self), most_common=commonest(self.titles, first, self.contributions))


@final
@dataclass(frozen=True, eq=False)
class LeafReasons(Shown):
    """A churn model, ready to say score and reasons of millions of customers.

    What it holds beside the model is arrays and text, made again in a fraction of a second.

    Parameters
    ----------
    model : ChurnClassifier
    titles : tuple of str
        The reasons that there are.
    group : int, shape (n_columns,)
        The reason that each column belongs to.
    base : float
    tables : mapping of learner to LeafTable
        Of the trees that have a weight.
    k : int
        How many reasons a row gets.

    Examples
    --------
    >>> from crmintel.churn import LIGHT, ChurnClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.poisson(4, 4_000).astype(float), "visits": rng.poisson(9, 4_000).astype(float)})
    >>> model = ChurnClassifier(LIGHT, folds=2).fit(X, rng.random(4_000) < 1 / (1 + X["orders"]))
    >>> explain = LeafReasons.of(model, k=1)
    >>> told = explain(model.read(X))
    >>> bool((told.log_odds == model.decision_function(X)).all())
    True
    >>> told.to_frame().columns.tolist()
    ['churn_probability', 'reason_1', 'contribution_1']
    """

    model: ChurnClassifier
    titles: tuple[str, ...]
    group: Int
    base: float
    tables: Mapping[str, LeafTable]
    k: int = 3

    @classmethod
    def of(
        cls, model: ChurnClassifier, features: FeatureSet | None = None, *, k: int = 3, language: Literal["en", "zh"] = "en",
        themes: Mapping[str, str] | None = None,
    ) -> Self:  # fmt: skip
        """Tables for a fitted model; arguments and complaints as in `crmintel.churn.reasons`."""
        check_is_fitted(model)
        if k < 1:
            raise DataContractError(f"k is {k}. Ask for one reason at least.")
        schema = model.schema_
        titles, group = titles_of(teller(schema.columns, schema.levels, features, themes, language))
        base, tables = float(model.constant_), {}
        for name, (learner, weight) in explainable(model).items():
            if isinstance(learner, Additive):
                base += weight * (learner.constant + float(learner.means.sum()))
                continue
            table = LeafTable.of(learner.booster, len(schema.columns))
            base += weight * table.base
            tables[name] = table.grouped(group, len(titles), weight)
        return cls(model, titles, group, base, tables, k)

    def __call__(self, table: Table, index: pd.Index | None = None) -> BaseReasons:
        """Score and reasons of rows that `ChurnClassifier.read` read; the batches in which they come change no bit.

        Parameters
        ----------
        table : Table, n_rows
        index : Index of n_rows, optional
            What the rows are called; their numbers by default.
        """
        n, last = len(table), self.model.calibration_ != "none"
        odds, added = np.empty(n), np.empty((n, len(self.titles) + last))
        strongest = np.empty((n, min(self.k, len(self.titles))), np.int64)
        with one_thread():
            for start in range(0, n, CHUNK):
                rows = slice(start, start + CHUNK)
                stacked, told = self._told(table.take(rows))
                odds[rows] = self.model.step_(stacked)
                added[rows, : len(self.titles)] = told
                strongest[rows] = _strongest(told, strongest.shape[1])
                if last:
                    added[rows, -1] = odds[rows] - stacked
        titles = (*self.titles, CALIBRATION) if last else self.titles
        return BaseReasons(odds, added, self.base, titles, strongest, pd.RangeIndex(n) if index is None else index)

    def _told(self, table: Table) -> tuple[Float, Float]:
        """Log-odds before the further step, and what each reason adds; a learner without weight is not asked."""
        learners = self.model.learners_
        each, added = np.zeros((len(table), len(learners))), np.zeros((len(table), len(self.titles)))
        matrix = table.matrix()
        for j, (name, (learner, weight)) in enumerate(_all_of(self.model).items()):
            if weight == 0:
                continue
            if isinstance(learner, FittedTrees):
                each[:, j], told = self.tables[name](learner.booster, matrix)
                added += told
            elif isinstance(learner, Additive):
                each[:, j] = self._curves(learner, table, weight, added)
        return self.model.stack_(each), added

    def _curves(self, learner: Additive, table: Table, weight: float, added: Float) -> Float:
        """Log-odds of a sum of curves; what each adds beyond its mean goes to its reason."""
        odds = np.full(len(table), learner.constant)
        added -= weight * np.bincount(self.group, learner.means, len(self.titles))
        for column, told in learner.told(table):
            odds += told
            added[:, self.group[column]] += weight * told
        return odds


def base_reasons(
    model: ChurnClassifier, X: Any, features: FeatureSet | None = None, *, k: int = 3, language: Literal["en", "zh"] = "en",
    themes: Mapping[str, str] | None = None,
) -> BaseReasons:  # fmt: skip
    """Score and the `k` strongest reasons of every customer of a base, many times as fast as `reasons`.

    Contributions add up to the log-odds, as those of `reasons` do, and have the same base; those of trees come from tables of
    leaves (`LeafTable`) in place of TreeSHAP, so that a second reason may be another. Use `reasons` for those whom somebody will
    look at or call: it has sentences too.

    Parameters
    ----------
    model, X, features, k, language, themes
        As in `crmintel.churn.reasons`.

    Raises
    ------
    DataTypeError
        If a learner of the model cannot say what each column adds.
    DataContractError
        If a name in `themes` is unknown, or the language, or `k` is below one.

    Examples
    --------
    >>> from crmintel.churn import SMALL, ChurnClassifier
    >>> X = pd.DataFrame({"calls": np.tile([0.0, 1.0, 2.0, 3.0], 60), "orders": np.arange(240.0)})
    >>> model = ChurnClassifier(SMALL, folds=2, allow="*").fit(X, X["calls"] + (X["orders"] % 5) > 4)
    >>> base_reasons(model, X, k=1).to_frame().shape
    (240, 3)
    """
    explain = LeafReasons.of(model, features, k=k, language=language, themes=themes)
    return explain(model.read(X), rows_of(X))


def _all_of(model: ChurnClassifier) -> dict[str, tuple[Any, float]]:
    return {n: (m, float(w)) for (n, m), w in zip(model.learners_.items(), model.weights_, strict=True)}


def _strongest(added: Float, k: int) -> Int:
    """Places of the `k` largest of each row, the largest first and equal ones in order; −1 for what is not above zero."""
    left, rows = added.copy(), np.arange(len(added))
    out = np.empty((len(added), k), np.int64)
    for i in range(k):
        best = left.argmax(axis=1)
        out[:, i] = np.where(left[rows, best] > 0, best, -1)
        left[rows, best] = -np.inf
    return out
