"""Who will leave: a probability that is true as it comes."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d
from threadpoolctl import threadpool_limits

from crmintel.churn.folds import Fold, by_time, closed_by, customers_of, folds, instants_of, told
from crmintel.churn.learners import STACK, Other, named
from crmintel.churn.recipes import Data, Fitted, Recipe
from crmintel.churn.stack import FEW_POSITIVES, Calibration, Weights, chosen, constant_of, learned
from crmintel.churn.table import Float, Int, Schema, Table, by_content, checked, rows_of, warn
from crmintel.churn.threads import one_thread
from crmintel.churn.tuning import tuned
from crmintel.columns import CHURN
from crmintel.errors import DataContractError
from crmintel.evaluation.aligned import aligned
from crmintel.evaluation.leakage import guard
from crmintel.evaluation.outcome import outcome
from crmintel.evaluation.probability import auc, brier, log_loss

SHIFTED: Final = 0.5
"""Log-odds at later instants this far from those told, and three standard errors, say that instants differ."""
MOST_CENTRED: Final = 50_000


@final
class ChurnClassifier(ClassifierMixin, BaseEstimator):
    """Probability that a customer leaves.

    Four learners that err in different ways (a logistic regression on splines; small, middle and plain boosted trees) are
    weighed on the log-odds scale by how well they told customers that they had not seen, so the probability is calibrated as
    it comes. No class weights and no resampling: they cost calibration and buy nothing.

    Parameters
    ----------
    learners : recipe, scikit-learn classifier, or sequence of these, optional
        What is stacked: `crmintel.churn.STACK` by default. `LIGHT` is one learner for millions of rows. A classifier of your
        own gets a frame with pandas categories if the table has any, and an array of numbers otherwise.
    folds : int, optional
        In how many parts customers are split to weigh the learners: five, three above 20,000 rows. Above 200,000 rows one part is
        held out, whatever is asked.
    tune : int, default=0
        How many settings of trees are tried on the folds; the best one joins the stack.
    allow : sequence of str
        Columns that the leak guard must let pass; ``"*"`` for all.
    positive : optional
        The label of those who left, where labels are neither 0 and 1 nor false and true.
    random_state : int, default=0
    threads : int, default=2
        How many learners are fitted at a time, each on one thread; the result does not depend on it.

    Attributes
    ----------
    classes_ : array of two classes, the second is *left*
    weights_ : Series
        The weight of each learner.
    constant_ : float
        What is added on the log-odds scale.
    calibration_ : {"none", "sigmoid", "isotonic"}
        The further step; taken only where it lowers the Brier score of rows not seen, and never with several instants.
    shift_ : float
        With several instants (otherwise 0): by how much the log-odds at the later ones exceed those told by the earlier ones.
    split_ : str
        How rows that were not learned from were chosen: "by time and customer", "by time", "by customer", "at random", or "not at all".
    summary_ : DataFrame
        For each learner, and for the stack: weight, and auc, brier and log_loss on rows not learned from (of the stack, they are
        told by its own weights, which have seen the labels).
    tuning_ : DataFrame
        The settings tried, the best first (with `tune`).

    Notes
    -----
    The order in which rows come does not matter: before anything is fitted they are put into an order of their content. Where the
    index has the levels ``customer_id`` and ``at``, as feature tables have, folds keep customers whole and learn from earlier
    instants only.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.poisson(4, 400).astype(float), "plan": rng.choice(["month", "year"], 400)})
    >>> y = rng.random(400) < np.where(X["plan"] == "month", 0.5, 0.1)
    >>> model = ChurnClassifier(folds=2).fit(X, y)
    >>> model.predict_proba(X).shape
    (400, 2)
    """

    def __init__(
        self, learners: Any = None, *, folds: int | None = None, tune: int = 0, allow: Sequence[str] = (), positive: Any = None,
        random_state: int = 0, threads: int = 2,
    ) -> None:  # fmt: skip
        self.learners = learners
        self.folds = folds
        self.tune = tune
        self.allow = allow
        self.positive = positive
        self.random_state = random_state
        self.threads = threads

    def fit(self, X: Any, y: Any, *, horizon: str | None = None) -> Self:
        """Learn from a table as of an instant and what happened later.

        Parameters
        ----------
        X : DataFrame or array of numbers, shape (n_rows, n_columns)
            Numbers and categories; missing values are allowed, infinite ones are not. Arrays have no names, so the leak guard
            does not look at them.
        y : array of two classes, shape (n_rows,)
            In the order of the rows; a Series is put into it by its index.
        horizon : str, optional
            How long after an instant its labels are known, such as ``"60d"``: where rows are of several instants, the folds then learn
            only from instants whose labels were known at those that they predict.

        Raises
        ------
        DataContractError
            If `y` has one class only (the counts are named), more than two, or holes, or is of other rows; if there is no feature.
        LeakageError
            If a column seems to know the future.
        """
        self._check()
        names = not isinstance(X, np.ndarray | list)
        X = checked(X, self)
        y = aligned(y, X.index, "y")
        if not isinstance(y, pd.Series):
            y = column_or_1d(y, warn=True)
            if y.dtype.kind != "f" or np.isfinite(y).all():
                check_classification_targets(y)
        self.classes_, left = outcome(y, len(X), self.positive)
        customers, instants = customers_of(X), instants_of(X)
        if names:
            guard(X, left, allow=self.allow)
        self.schema_ = Schema.learn(X)
        codes = None if instants is None else instants[0]
        order = by_content(X, self.schema_, *(k for k in (left, customers, codes) if k is not None))
        table, left = self.schema_.read(X, order), left[order]
        groups, times = (None if k is None else k[order] for k in (customers, codes))
        closed = None if instants is None or horizon is None else closed_by(instants[1], horizon)
        split = folds(left, groups, times, self.folds, self.random_state, closed=closed)
        self.split_, self.shift_ = told(split, customers, times), 0.0
        self._say(left, split)
        with threadpool_limits(1):
            self._learn(Data(table), left, split, several=by_time(split, times))
        return self

    def _check(self) -> None:
        """Refuse settings that mean nothing."""
        numbers: tuple[tuple[str, Any, int], ...] = (
            ("threads", self.threads, 1),
            ("tune", self.tune, 0),
            ("folds", 2 if self.folds is None else self.folds, 2),
        )
        if odd := [
            f"{name} is {n!r}, at least {least}"
            for name, n, least in numbers
            if not isinstance(n, Integral) or n < least
        ]:
            raise DataContractError(f"Whole numbers are needed: {'; '.join(odd)}.")

    def _say(self, left: Int, split: tuple[Fold, ...]) -> None:
        """Say where there is too little to learn from (BAD_INPUTS row 96)."""
        rarer, what = int(min(np.bincount(left, minlength=2))), "left" if left.mean() < 0.5 else "stayed"
        if not split:
            warn(
                f"No part of the {len(left):,} rows can be held out: learners get equal weights and nothing is known of how good they are."
            )
        elif rarer < FEW_POSITIVES:
            warn(
                f"Only {rarer:,} of {len(left):,} rows {what}: learners get equal weights, there is no further calibration, and figures are uncertain."
            )

    def _learn(self, data: Data, y: Int, split: tuple[Fold, ...], *, several: bool) -> None:
        """Learners without each fold, their weights, and learners of all rows."""
        recipes, self.tuning_ = recipes_of(self.learners), pd.DataFrame()
        if self.tune:
            best, self.tuning_ = tuned(data, y, split, self.tune, self.random_state, self.threads)
            recipes = (*recipes, best)
        every = np.arange(len(y))
        jobs = [(r, inside) for r in recipes for inside in (every, *(f[0] for f in split))]
        if any(not isinstance(r, Other) for r in recipes):
            _ = data.binned  # once, before threads ask for it
        with ThreadPoolExecutor(self.threads) as pool:
            found = list(pool.map(lambda j: j[0].fit(data, y, j[1], seed=self.random_state), jobs))
        n = len(split) + 1
        self.learners_ = named(recipes, [found[i * n] for i in range(len(recipes))])
        outside = np.concatenate([every[:0], *(f[1] for f in split)])
        part = np.concatenate([every[:0], *(np.full(len(f[1]), i) for i, f in enumerate(split))])
        columns = [_unseen(data.table, split, found[i * n + 1 : (i + 1) * n]) for i in range(len(recipes))]
        self._weigh(data.table, y, np.column_stack(columns), y[outside], part, several=several)

    def _weigh(self, table: Table, y: Int, z: Float, unseen: Int, part: Int, *, several: bool) -> None:
        """The weights of the learners by the rows that each fold left out, and a further step where it helps."""
        k, known = len(self.learners_), len(np.unique(unseen)) == 2
        self.stack_ = learned(z, unseen, groups=part if several else None) if known else Weights(0.0, np.full(k, 1 / k))
        self.step_, self.candidates_ = chosen(z, unseen, part) if known and not several else (Calibration(), {})
        if several and known:
            self._centre(table, y, z, unseen)
        self.weights_ = pd.Series(self.stack_.weights, index=list(self.learners_), name="weight")
        self.constant_, self.calibration_ = self.stack_.constant, self.step_.kind
        self.rate_ = float(y.mean())
        self.summary_ = _summary(self.weights_, z, self.step_(self.stack_(z)), unseen) if known else pd.DataFrame()

    def _centre(self, table: Table, y: Int, z: Float, unseen: Int) -> None:
        """Make the mean probability the rate of all instants, not that of the last ones: a rate that moved may move back."""
        some = slice(MOST_CENTRED)
        own = [m.log_odds(table.take(some)) for m in self.learners_.values()]
        plain = Weights(0.0, self.stack_.weights)
        self.stack_ = Weights(constant_of(plain(np.column_stack(own)), y[some]), self.stack_.weights)
        self.shift_ = constant_of(self.stack_(z), unseen)
        p = expit(self.stack_(z))
        if abs(self.shift_) > max(SHIFTED, 3 / np.sqrt(float((p * (1 - p)).sum()))):
            warn(
                f"At the later instants customers leave {'more' if self.shift_ > 0 else 'less'} often than those like them at the "
                f"earlier ones ({self.shift_:+.2f} on the log-odds scale). Look at the rate of each instant before the "
                "probabilities are used."
            )

    def decision_function(self, X: Any) -> Float:
        """Log-odds of leaving, shape (n_rows,)."""
        return self.log_odds(self.read(X))

    def predict_proba(self, X: Any) -> Float:
        """Probabilities of staying and leaving, shape (n_rows, 2)."""
        left = expit(self.decision_function(X))
        return np.column_stack([1.0 - left, left])

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The likelier class, shape (n_rows,)."""
        check_is_fitted(self)
        return np.asarray(self.classes_[(self.decision_function(X) > 0).astype(int)])

    def scores(self, X: Any) -> pd.DataFrame:
        """The probability of leaving, and how much was known of each customer.

        Returns
        -------
        DataFrame
            On the index of `X`: churn_probability, known (the share of columns that are not missing), and low_information (less
            than half of them known).
        """
        table = self.read(X)
        known = table.known
        told = {CHURN: expit(self.log_odds(table)), "known": known, "low_information": known < 0.5}
        return pd.DataFrame(told, index=rows_of(X))

    def read(self, X: Any) -> Table:
        """A table as the columns that were learned from, found by name.

        Raises
        ------
        DataContractError, DataTypeError
            If columns are missing or infinite, or hold something else than they held.
        """
        check_is_fitted(self)
        reset = not hasattr(self, "feature_names_in_") or not isinstance(X, pd.DataFrame)
        table = self.schema_.read(checked(X, self if reset else None, reset=False))
        if empty := int((table.known == 0).sum()):
            warn(
                f"Of {empty:,} of {len(table):,} rows nothing is known: they get the probability of a customer without a past."
            )
        return table

    def log_odds(self, table: Table) -> Float:
        """Log-odds of rows that were read, after the further step, shape (n_rows,)."""
        return self.step_(self.stacked(table))

    def stacked(self, table: Table) -> Float:
        """The same before the further step."""
        with one_thread():
            parts = [m.log_odds(table) for m in self.learners_.values()]
        return self.stack_(np.column_stack(parts))

    def _repr_html_(self) -> str:
        if not hasattr(self, "summary_"):
            return f"<pre>{self!r}</pre>"
        said = f"Churn classifier: {self.rate_:.1%} left; judged on rows split {self.split_}; further calibration: {self.calibration_}"
        return f"<p>{said}</p>{self.summary_.to_html(float_format='{:.4f}'.format, na_rep='')}"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def recipes_of(learners: Any) -> tuple[Recipe, ...]:
    """What is stacked, of what was asked for.

    Raises
    ------
    DataContractError
        If something is neither a recipe nor a classifier.
    """
    several = isinstance(learners, Iterable) and not hasattr(learners, "predict_proba")
    asked = STACK if learners is None else tuple(learners) if several else (learners,)
    if not asked or (
        odd := [type(r).__name__ for r in asked if not (hasattr(r, "predict_proba") or hasattr(r, "name"))]
    ):
        said = ", ".join(odd) if asked else "nothing"
        raise DataContractError(
            f"learners holds {said}. Give recipes of crmintel.churn or classifiers with predict_proba."
        )
    return tuple(Other(r) if hasattr(r, "predict_proba") else r for r in asked)


def _unseen(table: Table, split: tuple[Fold, ...], found: list[Fitted]) -> Float:
    """Log-odds of the rows that each fold left out, fold after fold."""
    told = [m.log_odds(table.take(outside)) for (_, outside), m in zip(split, found, strict=True)]
    return np.concatenate(told) if told else np.zeros(0)


def _summary(weights: pd.Series, z: Float, stacked: Float, y: Int) -> pd.DataFrame:
    rows = [(name, w, expit(s)) for (name, w), s in zip(weights.items(), z.T, strict=True)]
    rows.append(("stack", weights.sum(), expit(stacked)))
    told = [(name, w, auc(y, p), brier(y, p), log_loss(y, p)) for name, w, p in rows]
    return pd.DataFrame(told, columns=["learner", "weight", "auc", "brier", "log_loss"]).set_index("learner")
