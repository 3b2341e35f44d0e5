"""What anybody could do without a model: the rules that a model has to beat."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd

from crmintel.churn.table import Float, checked
from crmintel.columns import PURCHASE
from crmintel.errors import DataContractError
from crmintel.evaluation.probability import auc

RECENCY: Final = f"recency_days_{PURCHASE}"
ORDERS: Final = "orders_all"
USUAL_GAP: Final = f"gap_{PURCHASE}_mean_all"
FEWEST: Final = 5
"""Rows that a value of a category must have to get a rate of its own."""


def simple_rules(
    X: pd.DataFrame, *, recency: str = RECENCY, orders: str = ORDERS, usual_gap: str = USUAL_GAP
) -> dict[str, Float]:
    """Scores that rise with the risk of leaving, of the columns that a table has: days since the last purchase, few past orders,
    and silence over the customer's usual gap.

    Parameters
    ----------
    X : DataFrame
        A feature table; the defaults are names of `crmintel.features.standard`.
    recency, orders, usual_gap : str
        The columns of days since the last purchase, of orders so far, and of usual days between purchases. A customer without a
        usual gap gets the median of the others.

    Returns
    -------
    dict of str to float, shape (n_rows,)
        Empty where the table has none of the columns.
    """
    known = {n: X[c].to_numpy(np.float64, na_value=np.nan) for n, c in zip(("recency", "orders", "gap"), (recency, orders, usual_gap), strict=True) if c in X}  # fmt: skip
    out: dict[str, Float] = {}
    if "recency" in known:
        out["days since the last purchase"] = known["recency"]
    if "orders" in known:
        out["few past orders"] = 0.0 - known["orders"]
    if "recency" in known and "gap" in known:
        gap = known["gap"]
        middle = np.nanmedian(gap) if np.isfinite(gap).any() else 1.0
        out["silence over usual gap"] = known["recency"] / np.maximum(np.where(np.isnan(gap), middle, gap), 1e-9)
    return out


@final
@dataclass(frozen=True)
class BestColumn:
    """The column that ordered the customers of the training period best, all by itself.

    Parameters
    ----------
    column : str
    rising : bool
        Whether more of it means likelier to leave.
    auc : float
        Area under the ROC curve on the training period.
    rates : mapping of text to float, optional
        Of a category: the share of leavers with each value.
    """

    column: str
    rising: bool
    auc: float
    rates: pd.Series | None = None

    @classmethod
    def learn(cls, X: Any, y: Any) -> "BestColumn":
        """Look at each column; the first of equally good ones is taken.

        Raises
        ------
        DataContractError
            If no column has two different values.
        """
        X, truth, best = checked(X), np.asarray(y, np.float64), None
        for name in X.columns:
            rates = None if pd.api.types.is_numeric_dtype(X[name].dtype) else _rates(X[name], truth)
            score = _score(X[name], rates)
            if np.isnan(score).all() or np.nanmin(score) == np.nanmax(score):
                continue
            told = (
                auc(truth, np.where(np.isnan(score), -np.inf, score)),
                auc(truth, np.where(np.isnan(score), np.inf, score)),
            )
            found = max(told[0], 1 - told[1])
            if best is None or found > best.auc:
                best = cls(str(name), told[0] >= 1 - told[1], found, rates)
        if best is None:
            raise DataContractError(
                "No column has two different values, so none orders customers. Give columns that vary."
            )
        return best

    def __call__(self, X: pd.DataFrame) -> Float:
        """Scores that rise with the risk of leaving; missing where the column is."""
        score = _score(X[self.column], self.rates)
        return score if self.rising else -score

    def __str__(self) -> str:
        return (
            f"{'much' if self.rising else 'little'} of {self.column!r} alone"
            if self.rates is None
            else f"{self.column!r} alone"
        )


def _rates(values: pd.Series, y: Float) -> pd.Series:
    by = pd.Series(y).groupby(values.astype("str").to_numpy(object))
    return by.mean()[by.size() >= FEWEST]


def _score(values: pd.Series, rates: pd.Series | None) -> Float:
    if rates is None:
        return values.to_numpy(np.float64, na_value=np.nan)
    return pd.Series(values.astype("str").to_numpy(object)).map(rates).to_numpy(np.float64)
