"""What each action changes, customer by customer."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final, Self, final

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from crmintel.actions.catalogue.catalog import NONE
from crmintel.actions.effects.aggregation import mixed
from crmintel.actions.effects.candidates import CANDIDATES, FLEXIBLE, Work
from crmintel.actions.effects.evidence import Evidence, average, by_group, doubts, overlap
from crmintel.actions.effects.linear import Design
from crmintel.actions.effects.nuisance import (
    Split,
    doubly_robust,
    outcomes,
    propensities,
    split,
)
from crmintel.actions.effects.recipes import MANY, rows_for
from crmintel.actions.effects.trial import Int, Trial, read_trial
from crmintel.churn.folds import customers_of
from crmintel.churn.table import Schema, Table, by_content, checked, rows_of
from crmintel.errors import DataContractError
from crmintel.evaluation.aligned import aligned
from crmintel.evaluation.leakage import guard
from crmintel.evaluation.tables import page

LOOKED_AT: Final = 50_000
"""About so many rows show whether a column names customers."""


@final
class EffectModel(BaseEstimator):
    """What each action changes for each customer, against doing nothing.

    Five candidates are told out of fold: nothing but the average, a ridge regression and boosted trees on the effect, the
    difference of one model an arm, and the outcome itself (effects are often proportional to it). Each is scaled by how well it
    tells doubly robust scores of customers it has not seen, and they are mixed by Q-aggregation, flexible ones only where they
    gain more than chance. So the model does not lose to a line where effects are faint, and bends where they are strong.

    Parameters
    ----------
    control : str
        The name of doing nothing.
    base : scikit-learn regressor, optional
        Learns outcomes and effects in the place of the trees that come with the package.
    folds : int, optional
        In how many parts rows are told by models of the others: five. Above 100,000 rows one tenth is held out, and nothing is
        learned twice.
    allow : sequence of str
        Columns that the leak guard must let pass; ``"*"`` for all. Columns of times, and names of customers, are refused.
    random_state : int, default=0

    Attributes
    ----------
    actions_ : tuple of str
        The arms besides the control, in order.
    causal_ : bool
        Whether propensities were given. Without them no figure is called an effect.
    statement_ : str
        What may be claimed.
    weights_ : DataFrame
        Of each candidate (rows) for each action (columns).
    average_ : DataFrame
        For each action: customers, effect, low, high (95 %).
    overlap_ : DataFrame
        For each arm: customers, share, the least propensity, the effective sample size, and whether weights average to one.
    order_ : array
        In which rows were learned from: by what they hold.
    index_ : Index
        Of the rows given to `fit`.
    evidence_ : Evidence
        Doubly robust scores and effects told out of fold, from which policies are judged.

    Notes
    -----
    Rows are put into an order of their content first, so their order does not matter. Known propensities are never refitted or
    clipped. Outcomes may be yes and no, numbers, or mostly zero: errors are squared everywhere, so means are what is told.

    References
    ----------
    Kennedy (2023), Towards optimal doubly robust estimation of heterogeneous causal effects, Electronic Journal of Statistics 17;
    Lecué and Rigollet (2014), Annals of Statistics 42; Nie and Wager (2021), Biometrika 108.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.poisson(4, 900).astype(float)})
    >>> action = rng.choice(["no action", "mail"], 900)
    >>> spend = X["orders"] * (1 + (action == "mail")) + rng.normal(size=900)
    >>> model = EffectModel().fit(X, action, spend, propensity={"no action": 0.5, "mail": 0.5})
    >>> model.predict(X).columns.tolist()
    ['mail']
    """

    NOT_SHIPPED: ClassVar = ("evidence_", "order_", "index_")
    """What is of the customers who were learned from: bundles leave it at home, and policies are chosen before."""

    def __init__(
        self,
        *,
        control: str = NONE,
        base: Any = None,
        folds: int | None = None,
        allow: Sequence[str] = (),
        random_state: int = 0,
    ) -> None:
        self.control = control
        self.base = base
        self.folds = folds
        self.allow = allow
        self.random_state = random_state

    def fit(self, X: Any, action: Any, outcome: Any, *, propensity: Any = None, customer: Any = None) -> Self:
        """Learn from customers whose action was drawn, and what came of it.

        Parameters
        ----------
        X : DataFrame or array, shape (n_rows, n_columns)
            What was known before the action; numbers and categories, missing values allowed.
        action : array of names, shape (n_rows,)
        outcome : array of numbers, shape (n_rows,)
        propensity : mapping, DataFrame or array, optional
            The probability of each arm: one share for all rows, a column for each arm, or one number a row, the probability of what
            was done as it was logged. Without it, propensities are estimated and nothing is called an effect.
        customer : array, shape (n_rows,), optional
            Where rows repeat customers; the level ``customer_id`` of the index is used where there is one.

        Raises
        ------
        DataContractError
            If an arm is empty, too small or without outcomes (it is named), or propensities are no probabilities.
        LeakageError
            If a column seems to know the future, or to name customers.
        """
        _check_folds(self.folds, len(X))
        named = not isinstance(X, np.ndarray | list)
        X = checked(X, self)
        if named:
            guard(X.iloc[:: max(len(X) // LOOKED_AT, 1)], allow=self.allow)
        schema = Schema.learn(X)
        trial = read_trial(X.index, action, outcome, control=self.control, propensity=propensity,
                           customer=customers_of(X) if customer is None else customer)  # fmt: skip
        order = by_content(X, schema, trial.outcome, trial.arm)
        self.order_, self.index_ = order, X.index
        table, trial = schema.read(X, order), trial.take(order)
        with threadpool_limits(1):
            self._learn(table, trial)
        self.actions_ = trial.names[1:]
        self.causal_ = trial.propensity is not None
        self.average_ = average(self.evidence_)
        self.statement_ = _statement(self.causal_, self.overlap_)
        return self

    def _learn(self, table: Table, trial: Trial) -> None:
        way = split(trial, self.random_state, self.folds)
        matrix = table.matrix()
        rows = rows_for(matrix, self.base, self.random_state)
        given = trial.propensity
        p = propensities(rows, matrix, trial, way, self.random_state) if given is None else given
        design = Design.learn(table.take(slice(None, None, max(len(table) // MANY, 1))))
        Z = design(table)
        told = outcomes(rows, Z if self.base is None else None, matrix, trial, way, self.random_state)
        scores = doubly_robust(trial, p, told)
        work = Work(table.schema, design, Z, matrix, rows, trial, p, told, scores, self.random_state)
        self._mix(work, way)

    def _mix(self, work: Work, way: Split) -> None:
        """Candidates out of fold, their weights, and the models that tell new customers."""
        z = work.scores[:, 1:] - work.scores[:, :1]
        at = np.concatenate([outside for _, outside in way.pairs])
        held = np.empty((len(at), z.shape[1], len(CANDIDATES)))
        start = 0
        for inside, outside in way.pairs:
            line, trees = work.learn(inside)
            held[start : start + len(outside)] = work.tell(line, trees, outside)
            start += len(outside)
        mix = mixed(z[at], held, FLEXIBLE)
        effects, block = np.empty((len(at), z.shape[1])), _blocks(work.trial, way, at)
        for k in np.unique(block):  # effects are told by weights that have not seen the row either
            mine = block == k
            away = np.ones(len(z), bool)
            away[at[mine]] = False
            effects[mine] = mixed(z[at[~mine]], held[~mine], FLEXIBLE)(held[mine]) + z[away].mean(axis=0)
        if way.used > 1:
            line, trees = work.learn(np.arange(len(work.trial)))
        self.weights_ = pd.DataFrame(
            mix.weights.T, index=pd.Index(CANDIDATES, name="candidate"), columns=list(work.trial.names[1:])
        )
        self.overlap_ = overlap(work.trial, work.propensity)
        self.evidence_ = Evidence(work.trial, way, work.scores, at, effects)
        self.stack_ = work.stack(
            line, trees, way, mix.times, z.mean(axis=0) - np.einsum("ac,ac->a", mix.centre, mix.times)
        )

    def predict(self, X: Any) -> pd.DataFrame:
        """What each action changes for each customer, in the unit of the outcome: a column for each action.

        Raises
        ------
        DataContractError
            If columns are missing.
        """
        check_is_fitted(self)
        table = self.stack_.schema.read(checked(X, self, reset=False))
        with threadpool_limits(1):
            return pd.DataFrame(self.stack_.tell(table), index=rows_of(X), columns=list(self.actions_))

    def effects_of(self, groups: Any, *, level: float = 0.95) -> pd.DataFrame:
        """The average effect in each group of the rows that were learned from, with intervals that need no model to be right.

        Parameters
        ----------
        groups : Series or array of names, shape (n_rows,)
            Of the rows given to `fit`: under their index, or in their order.

        Returns
        -------
        DataFrame
            group, action, customers, effect, low, high.
        """
        check_is_fitted(self)
        names = np.asarray(aligned(groups, self.index_, "groups"), object)
        if names.shape != (len(self.order_),):
            raise DataContractError(
                f"groups has {len(names):,} values of shape {names.shape} for {len(self.order_):,} rows. Give one a row, in the order given to fit."
            )
        return by_group(self.evidence_, names[self.order_], level)

    def calibration(self, *, parts: int = 5, level: float = 0.95) -> pd.DataFrame:
        """Customers sorted by the effect that they were told out of fold, in equal parts, and what the effect was on average.

        Returns
        -------
        DataFrame
            action, part (the last has the highest), customers, told, effect, low, high.
        """
        check_is_fitted(self)
        if parts < 1:
            raise DataContractError(f"parts is {parts}. Give at least 1.")
        return self.evidence_.calibration(parts, level)

    def __repr__(self) -> str:
        if not hasattr(self, "average_"):
            return f"EffectModel(control={self.control!r})"
        word = "effect" if self.causal_ else "difference (not causal)"
        told = "; ".join(
            f"{r.action} {r.effect:+.4g} ({r.low:+.4g} to {r.high:+.4g})" for r in self.average_.itertuples()
        )
        return f"EffectModel: average {word} against {self.control!r}: {told}"

    def _repr_html_(self) -> str:
        if not hasattr(self, "average_"):
            return f"<p>{self!r}</p>"
        weights = self.weights_.reset_index()
        return page(self.statement_, average=self.average_, weights=weights, overlap=self.overlap_)


def _blocks(trial: Trial, way: Split, at: Int) -> Int:
    """The parts of the told rows: the folds, or two halves of the one part that was held out; customers are whole."""
    if way.used > 1:
        return way.part[at]
    return np.arange(len(at)) % 2 if trial.customer is None else trial.customer[at] % 2


def _check_folds(folds: int | None, rows: int) -> None:
    whole = isinstance(folds, int | np.integer) and not isinstance(folds, bool)
    if folds is not None and not (whole and 2 <= folds <= max(rows // 2, 2)):
        raise DataContractError(
            f"folds is {folds!r} for {rows:,} rows. Give a whole number from 2 to half of the rows."
        )


def _statement(causal: bool, overlap: pd.DataFrame) -> str:
    if causal:
        return f"Propensities are known, so differences between arms are effects of the actions. {doubts(overlap)}".rstrip()
    thin = overlap.loc[overlap["least_propensity"] < 0.02, "action"].tolist()
    where = f" Overlap is poor for {', '.join(thin)}." if thin else ""
    return (
        "Not causal: the propensities of the actions are not known, and estimated ones cannot take out what the table does not hold."
        f"{where} Draw the actions of the next campaign, and log the probability (design_experiment)."
    )
