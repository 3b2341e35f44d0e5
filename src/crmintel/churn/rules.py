"""What anybody could do without a model: the rules that a model has to beat."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd

from crmintel.churn.table import Float, checked
from crmintel.columns import PURCHASE
from crmintel.errors import DataContractError
from crmintel.evaluation.aligned import aligned
from crmintel.evaluation.outcome import outcome
from crmintel.evaluation.probability import auc
from crmintel.showing import Shown

RECENCY: Final = f"recency_days_{PURCHASE}"
ORDERS: Final = "orders_all"
USUAL_GAP: Final = f"gap_{PURCHASE}_mean_all"
FEWEST: Final = 5
"""Rows of everybody's rate that are added to those of each value of a category."""


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
        usual gap gets the median of the others; one without a purchase stands first.

    Returns
    -------
    dict of str to float, shape (n_rows,)
        Empty where the table has none of the columns.

    Examples
    --------
    >>> table = pd.DataFrame({"recency_days_purchase": [3.0, 40.0], "orders_all": [9.0, 1.0]})
    >>> {rule: score.tolist() for rule, score in simple_rules(table).items()}
    {'days since the last purchase': [3.0, 40.0], 'few past orders': [-9.0, -1.0]}
    """
    known = {n: X[c].to_numpy(np.float64, na_value=np.nan) for n, c in zip(("recency", "orders", "gap"), (recency, orders, usual_gap), strict=True) if c in X}  # fmt: skip
    out: dict[str, Float] = {}
    if "recency" in known:
        out["days since the last purchase"] = silent = np.where(np.isnan(known["recency"]), np.inf, known["recency"])
    if "orders" in known:
        out["few past orders"] = 0.0 - np.nan_to_num(known["orders"])
    if "recency" in known and "gap" in known:
        gap = known["gap"]
        middle = np.nanmedian(gap) if np.isfinite(gap).any() else 1.0
        out["silence over usual gap"] = silent / np.maximum(np.where(np.isnan(gap), middle, gap), 1e-9)
    return out


@final
@dataclass(frozen=True)
class BestColumn(Shown):
    """The column that ordered the customers of the training period best, all by itself.

    Parameters
    ----------
    column : str
    rising : bool
        Whether more of it means likelier to leave.
    missing_first : bool
        Whether customers for whom it is missing stand before all others, or behind them.
    auc : float
        Area under the ROC curve on the training period; of a category, by rates of other rows.
    rates : Series, optional
        Of a category: the share of leavers with each value, drawn towards that of all.

    Examples
    --------
    >>> rule = BestColumn("recency_days", rising=True, missing_first=False, auc=0.7)
    >>> rule.column, rule.rising
    ('recency_days', True)
    """

    column: str
    rising: bool
    missing_first: bool
    auc: float
    rates: pd.Series | None = None

    @classmethod
    def learn(cls, X: Any, y: Any) -> "BestColumn":
        """Look at each column; the first of equally good ones is taken.

        Raises
        ------
        DataContractError
            If no column has two different values, or labels are not 0 and 1.
        """
        X = checked(X)
        truth = outcome(aligned(y, X.index, "y"), len(X))[1].astype(np.float64)
        found = [told for name in X.columns if (told := cls._of(str(name), X[name], truth)) is not None]
        if not found:
            raise DataContractError(
                "No column has two different values, so none orders customers. Give columns that vary."
            )
        return max(found, key=lambda b: b.auc)

    @classmethod
    def _of(cls, name: str, values: pd.Series, y: Float) -> "BestColumn | None":
        numeric = pd.api.types.is_numeric_dtype(values.dtype)
        score = values.to_numpy(np.float64, na_value=np.nan) if numeric else _of_other_rows(values, y)
        known = score[~np.isnan(score)]
        if not len(known) or known.min() == known.max():
            return None
        ways = [(rising, first) for rising in ((True, False) if numeric else (True,)) for first in (True, False)]
        told = [(auc(y, _placed(score if rising else -score, first)), rising, first) for rising, first in ways]
        best = max(told, key=lambda t: t[0])
        return cls(name, best[1], best[2], best[0], None if numeric else _rates(values, y))

    def __call__(self, X: Any) -> Float:
        """Scores that rise with the risk of leaving; shape (n_rows,)."""
        values = checked(X)[self.column]
        if self.rates is None:
            score = values.to_numpy(np.float64, na_value=np.nan) * (1 if self.rising else -1)
        else:
            score = _text(values).map(self.rates).to_numpy(np.float64)
        return _placed(score, self.missing_first)

    def __str__(self) -> str:
        return (
            f"{'much' if self.rising else 'little'} of {self.column!r} alone"
            if self.rates is None
            else f"{self.column!r} alone"
        )


def _placed(score: Float, first: bool) -> Float:
    return np.where(np.isnan(score), np.inf if first else -np.inf, score)


def _text(values: pd.Series) -> pd.Series:
    return pd.Series(values.astype("str").to_numpy(object))


def _rates(values: pd.Series, y: Float) -> pd.Series:
    by = pd.Series(y).groupby(_text(values))
    out: pd.Series = (by.sum() + FEWEST * y.mean()) / (by.size() + FEWEST)
    return out


def _of_other_rows(values: pd.Series, y: Float) -> Float:
    """For each row the rate of its value on one half of the rows, which is not its own."""
    codes = pd.factorize(_text(values), sort=True)[0]
    half = np.empty(len(y), np.int64)
    half[np.lexsort((y, codes))] = np.random.default_rng(0).integers(0, 2, len(y))
    out = np.full(len(y), np.nan)
    for side in (0, 1):
        told = _rates(values[half != side], y[half != side])
        out[half == side] = _text(values[half == side]).map(told).to_numpy(np.float64)
    return out
