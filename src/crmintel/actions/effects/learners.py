"""The meta-learners of the literature by name, for those who want one of them."""

from abc import ABC, abstractmethod
from typing import Any, Self, final

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from crmintel.actions.catalogue.catalog import NONE
from crmintel.actions.effects.nuisance import (
    FOLDS,
    Outcomes,
    by_arms,
    doubly_robust,
    outcomes,
    propensities,
    residual,
    split,
)
from crmintel.actions.effects.recipes import Learned, Rows, rows_for
from crmintel.actions.effects.trial import Float, Trial, read_trial
from crmintel.churn.folds import customers_of
from crmintel.churn.table import Schema, by_content, checked, rows_of
from crmintel.showing import page


class MetaLearner(BaseEstimator, ABC):
    """What one way of learning tells of each action's effect.

    Parameters
    ----------
    control : str
        The name of doing nothing.
    base : scikit-learn regressor, optional
        Boosted trees that come with the package by default.
    random_state : int, default=0

    Attributes
    ----------
    actions_ : tuple of str

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.poisson(4, 400).astype(float)})
    >>> action = rng.choice(["no action", "mail"], 400)
    >>> spend = X["orders"] * (1 + (action == "mail")) + rng.normal(size=400)
    >>> told = TLearner().fit(X, action, spend, propensity={"no action": 0.5, "mail": 0.5}).predict(X)
    >>> bool(told["mail"].corr(X["orders"]) > 0.5)
    True
    """

    def __init__(self, *, control: str = NONE, base: Any = None, random_state: int = 0) -> None:
        self.control = control
        self.base = base
        self.random_state = random_state

    def fit(self, X: Any, action: Any, outcome: Any, *, propensity: Any = None, customer: Any = None) -> Self:
        """Learn as `EffectModel.fit` does.

        Raises
        ------
        DataContractError
            If an arm is empty or too small, outcomes are missing, or propensities are no probabilities.
        """
        X = checked(X, self)
        self.schema_ = Schema.learn(X)
        trial = read_trial(X.index, action, outcome, control=self.control, propensity=propensity,
                           customer=customers_of(X) if customer is None else customer)  # fmt: skip
        order = by_content(X, self.schema_, trial.outcome, trial.arm)
        table, trial = self.schema_.read(X, order), trial.take(order)
        with threadpool_limits(1):
            self._learn(table.matrix(), trial)
        self.actions_ = trial.names[1:]
        return self

    def predict(self, X: Any) -> pd.DataFrame:
        """What each action changes, in the unit of the outcome: a column for each action."""
        check_is_fitted(self)
        table = self.schema_.read(checked(X, self, reset=False))
        with threadpool_limits(1):
            return pd.DataFrame(self._tell(table.matrix()), index=rows_of(X), columns=list(self.actions_))

    def _html_repr(self) -> str:
        """What was learned; before that, as scikit-learn shows it."""
        if not hasattr(self, "actions_"):
            return str(BaseEstimator._html_repr(self))
        told = pd.DataFrame({"action": list(self.actions_), "compared with": self.control})
        return page(f"{type(self).__name__}: effects from {len(self.schema_.names):,} columns", actions=told)

    @abstractmethod
    def _learn(self, matrix: Float, trial: Trial) -> None:
        """Learn from rows in an order of their content."""

    @abstractmethod
    def _tell(self, matrix: Float) -> Float:
        """Effects, shape (n_rows, n_actions)."""

    def _rows(self, matrix: Float) -> Rows:
        return rows_for(matrix, self.base, self.random_state)


@final
class TLearner(MetaLearner):
    """The difference of two models, one for each arm (Künzel et al. 2019, PNAS 116).

    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.poisson(4, 400).astype(float)})
    >>> action = rng.choice(["no action", "mail"], 400)
    >>> spend = X["orders"] * (1 + (action == "mail")) + rng.normal(size=400)
    >>> told = TLearner().fit(X, action, spend, propensity={"no action": 0.5, "mail": 0.5}).predict(X)
    >>> bool(told["mail"].corr(X["orders"]) > 0.5)
    True
    """

    def _learn(self, matrix: Float, trial: Trial) -> None:
        self.models_ = [m.rest for m in by_arms(self._rows(matrix), None, trial, np.arange(len(trial)))]

    def _tell(self, matrix: Float) -> Float:
        each = _columns(self.models_, matrix)
        return np.asarray(each[:, 1:] - each[:, :1])


@final
class SLearner(MetaLearner):
    """One model that sees the arm as columns, asked once for each arm (Künzel et al. 2019).

    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.poisson(4, 400).astype(float)})
    >>> action = rng.choice(["no action", "mail"], 400)
    >>> spend = X["orders"] * (1 + (action == "mail")) + rng.normal(size=400)
    >>> told = SLearner().fit(X, action, spend, propensity={"no action": 0.5, "mail": 0.5}).predict(X)
    >>> bool(told["mail"].mean() > 1)
    True
    """

    def _learn(self, matrix: Float, trial: Trial) -> None:
        wide = np.hstack([matrix, trial.got[:, 1:].astype(np.float64)])
        self.model_ = self._rows(wide).learn(np.arange(len(trial)), trial.outcome)

    def _tell(self, matrix: Float) -> Float:
        k = len(self.actions_)
        arms = np.vstack([np.zeros(k), np.eye(k)])
        each = np.column_stack([self.model_.predict(np.hstack([matrix, np.tile(a, (len(matrix), 1))])) for a in arms])
        return np.asarray(each[:, 1:] - each[:, :1])


@final
class XLearner(MetaLearner):
    """What was imputed from the other arm, learned in each arm and weighed by the propensity (Künzel et al. 2019).

    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.poisson(4, 400).astype(float)})
    >>> action = rng.choice(["no action", "mail"], 400)
    >>> spend = X["orders"] * (1 + (action == "mail")) + rng.normal(size=400)
    >>> told = XLearner().fit(X, action, spend, propensity={"no action": 0.5, "mail": 0.5}).predict(X)
    >>> bool(told["mail"].corr(X["orders"]) > 0.5)
    True
    """

    def _learn(self, matrix: Float, trial: Trial) -> None:
        rows = self._rows(matrix)
        arms = [m.rest for m in by_arms(rows, None, trial, np.arange(len(trial)))]
        idle = np.flatnonzero(trial.arm == 0)
        self.treated_, self.idle_ = [], []
        for a in range(1, len(trial.names)):
            mine = np.flatnonzero(trial.arm == a)
            self.treated_.append(rows.learn(mine, trial.outcome[mine] - arms[0].predict(matrix[mine])))
            self.idle_.append(rows.learn(idle, arms[a].predict(matrix[idle]) - trial.outcome[idle]))
        share = np.bincount(trial.arm) / len(trial)
        if trial.propensity is not None and not np.isnan(trial.propensity).any():
            share = trial.propensity.mean(axis=0)
        self.share_ = share[1:] / (share[1:] + share[0])

    def _tell(self, matrix: Float) -> Float:
        treated, idle = _columns(self.treated_, matrix), _columns(self.idle_, matrix)
        return np.asarray(self.share_ * idle + (1 - self.share_) * treated)


@final
class DRLearner(MetaLearner):
    """A regression of doubly robust scores (Kennedy 2023, Electronic Journal of Statistics 17).

    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.poisson(4, 400).astype(float)})
    >>> action = rng.choice(["no action", "mail"], 400)
    >>> spend = X["orders"] * (1 + (action == "mail")) + rng.normal(size=400)
    >>> told = DRLearner().fit(X, action, spend, propensity={"no action": 0.5, "mail": 0.5}).predict(X)
    >>> bool(told["mail"].corr(X["orders"]) > 0.5)
    True
    """

    def _learn(self, matrix: Float, trial: Trial) -> None:
        rows = self._rows(matrix)
        _, _, scores = robust(rows, matrix, trial, self.random_state)
        everyone = np.arange(len(trial))
        self.models_ = [rows.learn(everyone, scores[:, a] - scores[:, 0]) for a in range(1, len(trial.names))]

    def _tell(self, matrix: Float) -> Float:
        return _columns(self.models_, matrix)


@final
class RLearner(MetaLearner):
    """A weighted regression of what is left of the outcome on what is left of the treatment (Nie and Wager 2021, Biometrika 108).

    A regressor of one's own must accept ``sample_weight``.

    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.poisson(4, 400).astype(float)})
    >>> action = rng.choice(["no action", "mail"], 400)
    >>> spend = X["orders"] * (1 + (action == "mail")) + rng.normal(size=400)
    >>> told = RLearner().fit(X, action, spend, propensity={"no action": 0.5, "mail": 0.5}).predict(X)
    >>> bool(told["mail"].corr(X["orders"]) > 0.5)
    True
    """

    def _learn(self, matrix: Float, trial: Trial) -> None:
        rows = self._rows(matrix)
        told, propensity, _ = robust(rows, matrix, trial, self.random_state)
        everyone = np.arange(len(trial))
        self.models_ = [residual(rows, trial, propensity, told, everyone, a) for a in range(1, len(trial.names))]

    def _tell(self, matrix: Float) -> Float:
        return _columns(self.models_, matrix)


def robust(rows: Rows, matrix: Float, trial: Trial, seed: int) -> tuple[Outcomes, Float, Float]:
    """Cross-fitted outcomes, propensities, and the scores of each arm."""
    way = split(trial, seed, FOLDS)
    p = propensities(rows, matrix, trial, way, seed) if trial.propensity is None else trial.propensity
    told = outcomes(rows, None, matrix, trial, way, seed)
    return told, p, doubly_robust(trial, p, told)


def _columns(models: list[Learned], matrix: Float) -> Float:
    return np.column_stack([m.predict(matrix) for m in models])
