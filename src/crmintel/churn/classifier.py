"""Who will leave: a probability that is true as it comes."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from crmintel.columns import CUSTOMER
from crmintel.errors import DataContractError, DataTypeError

Float = npt.NDArray[np.float64]
FOLDS = 3


def small_trees(random_state: int = 0) -> lgb.LGBMClassifier:
    """Many slow, shallow trees: they keep to the little that a churn table can tell, where the defaults overfit."""
    return lgb.LGBMClassifier(
        n_estimators=260, learning_rate=0.03, num_leaves=7, max_depth=3, min_child_samples=40, subsample=0.7,
        subsample_freq=1, colsample_bytree=0.4, reg_lambda=5.0, random_state=random_state, n_jobs=1,
        deterministic=True, force_row_wise=True, verbose=-1,
    )  # fmt: skip


@final
class ChurnClassifier(ClassifierMixin, BaseEstimator):
    """Probability that a customer leaves.

    Shallow boosted trees, then a two-number correction of their log-odds, learned on customers the trees had not seen
    (three folds; rows of one customer stay together when the index of `X` has a level ``customer_id``).

    Parameters
    ----------
    learner : scikit-learn classifier, optional
        Instead of LightGBM with small trees.
    random_state : int
        Seed of the learner and of the folds.
    threads : int
        How many folds are learned at a time, each on one thread; the result does not depend on it.

    Attributes
    ----------
    classes_ : array of two classes, the second is *left*
    slope_, offset_ : float
        The correction: log-odds = offset + slope × log-odds of the learner.
    learner_ : fitted learner

    Notes
    -----
    Rows are put into an order that depends on their content alone before anything is fitted, so shuffled rows give the
    same model. No class weights: they cost calibration and buy nothing.
    """

    def __init__(self, learner: Any = None, *, random_state: int = 0, threads: int = 2) -> None:
        self.learner = learner
        self.random_state = random_state
        self.threads = threads

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from a feature table and what happened later.

        Parameters
        ----------
        X : DataFrame or array of numbers, shape (n_rows, n_features)
            Missing values are allowed, infinite ones are not.
        y : array of two classes, shape (n_rows,)

        Raises
        ------
        DataContractError
            If a column is not numeric, `y` has one class only (the counts are named), or there is no feature.
        """
        groups = _customers(X)
        _numeric(X)
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            counts = ", ".join(f"{n:,}" for n in np.bincount(codes))
            raise DataContractError(
                f"Only binary classification is supported: y has {len(self.classes_)} class(es), with {counts} rows. "
                "Choose an instant or a horizon at which some leave and some stay."
            )
        order = np.lexsort((*X.T[::-1], codes))
        X, codes = X[order], codes[order]
        folds = _folds(None if groups is None else groups[order], codes, self.random_state)
        base = small_trees(self.random_state) if self.learner is None else self.learner
        unseen = np.full(len(X), _logit(codes.mean()))

        def learn(fold: int) -> Any:
            inside, outside = folds != fold, folds == fold
            if fold == FOLDS:  # the one that is kept
                return clone(base).fit(X, codes)
            if outside.any() and len(np.unique(codes[inside])) == 2:
                unseen[outside] = _log_odds(clone(base).fit(X[inside], codes[inside]), X[outside])
            return None

        with ThreadPoolExecutor(self.threads) as pool:
            self.learner_ = list(pool.map(learn, range(FOLDS + 1)))[-1]
        self.slope_, self.offset_ = _correction(unseen, codes)
        return self

    def decision_function(self, X: Any) -> Float:
        """Corrected log-odds of leaving, shape (n_rows,)."""
        check_is_fitted(self)
        X = self.prepared(X)
        return np.asarray(self.offset_ + self.slope_ * _log_odds(self.learner_, X))

    def predict_proba(self, X: Any) -> Float:
        """Probabilities of staying and leaving, shape (n_rows, 2)."""
        left = expit(self.decision_function(X))
        return np.column_stack([1.0 - left, left])

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The likelier class, shape (n_rows,)."""
        check_is_fitted(self)
        return np.asarray(self.classes_[(self.decision_function(X) > 0).astype(int)])

    def prepared(self, X: Any) -> Float:
        """A table as the columns that were learned from: put into their order by name, missing ones named."""
        if hasattr(self, "feature_names_in_") and isinstance(X, pd.DataFrame):
            if absent := [c for c in self.feature_names_in_ if c not in X.columns]:
                raise DataContractError(
                    f"Missing features: {', '.join(absent)}. Build the table with the feature set of the model."
                )
            X = X[list(self.feature_names_in_)]
        _numeric(X)
        return np.asarray(validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan"))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags


def _customers(X: Any) -> npt.NDArray[np.int64] | None:
    """A number for each customer, if the table knows its customers."""
    if isinstance(X, pd.DataFrame) and CUSTOMER in X.index.names:
        return np.asarray(pd.factorize(X.index.get_level_values(CUSTOMER), sort=True)[0])
    return None


def _folds(groups: npt.NDArray[np.int64] | None, y: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """A fold for each row: whole customers, or rows dealt out class by class."""
    rng = np.random.default_rng(seed)
    if groups is not None:
        return rng.integers(0, FOLDS, int(groups.max(initial=0)) + 1)[groups]
    out = np.empty(len(y), np.int64)
    for label in (0, 1):
        rows = np.flatnonzero(y == label)
        out[rows[rng.permutation(len(rows))]] = np.arange(len(rows)) % FOLDS
    return out


def _log_odds(model: Any, X: Float) -> Float:
    if isinstance(model, lgb.LGBMClassifier):
        return np.asarray(model.booster_.predict(X, raw_score=True, num_threads=1))
    return np.asarray(_logit(np.clip(model.predict_proba(X)[:, 1], 1e-6, 1 - 1e-6)))


def _logit(p: Any) -> Any:
    return np.log(p) - np.log1p(-p)


def _correction(z: Float, y: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Slope and offset of log-odds by log-loss; a slope of at least 0 keeps the order."""

    def loss(w: Float) -> tuple[float, Float]:
        s = w[1] + w[0] * z
        gap = expit(s) - y
        return float(np.mean(np.logaddexp(0, s) - y * s)), np.array([np.mean(gap * z), np.mean(gap)])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.05, 5.0), (None, None)])
    return float(found.x[0]), float(found.x[1])


def _numeric(X: Any) -> None:
    """Name the columns of a frame that cannot be learned from; arrays are left to scikit-learn's own checks."""
    if not isinstance(X, pd.DataFrame):
        return
    if not X.shape[1]:
        raise DataContractError("The table has no feature. Build one with crmintel.features.")
    if odd := [str(c) for c, t in X.dtypes.items() if not pd.api.types.is_numeric_dtype(t)]:
        raise DataTypeError(f"Columns that are not numbers: {', '.join(odd)}. Encode or drop them first.")
    if endless := [str(c) for c in X.columns if np.isinf(X[c].to_numpy(np.float64, na_value=np.nan)).any()]:
        raise DataContractError(f"Columns with infinity: {', '.join(endless)}. Repair them first.")
