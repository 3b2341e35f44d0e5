"""What each customer will be worth over the coming horizon, with an interval."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from crmintel.columns import CUSTOMER, VALUE, VALUE_HIGH, VALUE_LOW
from crmintel.errors import DataContractError

Float = npt.NDArray[np.float64]
FOLDS = 3
GROUPS = 20
LEAST = 50


@final
class LifetimeValue(RegressorMixin, BaseEstimator):
    """Money a customer will spend over the horizon that `y` was told for.

    Shallow boosted trees with a Tweedie loss (many zeros, a heavy tail), brought to the right total on customers the
    trees had not seen. The interval is conformal: what customers with a similar prediction really spent, as a multiple
    of the prediction.

    Parameters
    ----------
    level : float in (0, 1)
        Nominal coverage of the interval.
    random_state : int
        Seed of trees and folds.
    threads : int
        How many folds are learned at a time, each on one thread; the result does not depend on it.

    Attributes
    ----------
    scale_ : float
        Factor that brings the out-of-fold predictions to the total.
    edges_, low_, high_ : arrays
        Interval multiples by group of prediction.

    Notes
    -----
    Negative totals (returns of earlier purchases) are learned as 0. Rows are ordered by content before fitting, so their
    order plays no part.
    """

    def __init__(self, *, level: float = 0.8, random_state: int = 0, threads: int = 2) -> None:
        self.level = level
        self.random_state = random_state
        self.threads = threads

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from feature tables at earlier instants and what was spent in the horizon after them.

        Raises
        ------
        DataContractError
            If nobody spent anything, or the level is no share.
        """
        if not 0 < self.level < 1:
            raise DataContractError(f"level is {self.level}. Give a share such as 0.8.")
        groups = (
            pd.factorize(X.index.get_level_values(CUSTOMER), sort=True)[0]
            if isinstance(X, pd.DataFrame) and CUSTOMER in X.index.names
            else None
        )
        X, y = validate_data(
            self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2, y_numeric=True
        )
        money = np.maximum(np.asarray(y, np.float64), 0.0)
        if not money.sum() > 0:
            raise DataContractError(
                f"None of {len(money):,} rows spent anything. Choose an instant or a horizon with purchases."
            )
        order = np.lexsort((*X.T[::-1], money))
        X, money = X[order], money[order]
        rng = np.random.default_rng(self.random_state)
        owner = np.arange(len(X)) if groups is None else groups[order]
        folds = rng.integers(0, FOLDS, int(owner.max()) + 1)[owner]
        unseen = np.full(len(X), money.mean())

        def learn(fold: int) -> Any:
            inside, outside = folds != fold, folds == fold
            if fold == FOLDS:  # the one that is kept
                return self._trees(X, money)
            if outside.any() and money[inside].sum() > 0:
                unseen[outside] = self._trees(X[inside], money[inside]).predict(X[outside], num_threads=1)
            return None

        with ThreadPoolExecutor(self.threads) as pool:
            self.booster_ = list(pool.map(learn, range(FOLDS + 1)))[-1]
        self.scale_ = float(money.sum() / unseen.sum())
        self._spread(unseen * self.scale_, money)
        return self

    def predict(self, X: Any) -> Float:
        """Expected money, shape (n_rows,)."""
        check_is_fitted(self)
        if hasattr(self, "feature_names_in_") and isinstance(X, pd.DataFrame):
            if absent := [c for c in self.feature_names_in_ if c not in X.columns]:
                raise DataContractError(
                    f"Missing features: {', '.join(absent)}. Build the table with the feature set of the model."
                )
            X = X[list(self.feature_names_in_)]
        X = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        return np.asarray(self.booster_.predict(X, num_threads=1)) * self.scale_

    def predict_interval(self, X: Any) -> pd.DataFrame:
        """Expected money with the interval of each row: value, value_low, value_high."""
        value = self.predict(X)
        group = np.searchsorted(self.edges_, value, side="right")
        low, high = value * self.low_[group], value * self.high_[group]
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame(
            {VALUE: value, VALUE_LOW: np.minimum(low, value), VALUE_HIGH: np.maximum(high, value)}, index=index
        )

    def _trees(self, X: Float, y: Float) -> lgb.Booster:
        options = {
            "objective": "tweedie", "tweedie_variance_power": 1.5, "learning_rate": 0.04, "num_leaves": 7, "max_depth": 3,
            "min_data_in_leaf": min(60, max(len(y) // 20, 1)), "bagging_fraction": 0.8, "bagging_freq": 1,
            "feature_fraction": 0.6, "lambda_l2": 20.0, "seed": self.random_state, "num_threads": 1,
            "deterministic": True, "force_row_wise": True, "verbose": -1,
        }  # fmt: skip
        return lgb.train(options, lgb.Dataset(X, y, free_raw_data=True), num_boost_round=150)

    def _spread(self, predicted: Float, spent: Float) -> None:
        """Interval multiples in groups of equal size by prediction, with the finite-sample correction of conformal sets."""
        groups = int(np.clip(len(predicted) // LEAST, 1, GROUPS))
        self.edges_ = np.unique(np.quantile(predicted, np.arange(1, groups) / groups))
        group = np.searchsorted(self.edges_, predicted, side="right")
        ratio = spent / np.maximum(predicted, 1e-9)
        tail = (1 - self.level) / 2
        low, high = [], []
        for g in range(len(self.edges_) + 1):
            mine = np.sort(ratio[group == g]) if (group == g).any() else np.array([0.0, 1.0])
            n = len(mine)
            low.append(mine[max(int(np.floor(tail * (n + 1))) - 1, 0)])
            high.append(mine[min(int(np.ceil((1 - tail) * (n + 1))) - 1, n - 1)])
        self.low_, self.high_ = np.array(low), np.array(high)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.positive_only = True
        tags.regressor_tags.poor_score = True
        return tags
