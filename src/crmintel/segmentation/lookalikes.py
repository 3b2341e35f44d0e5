"""Look-alike audiences: from a list of good customers to those who are most like them, with the proof that they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from crmintel.columns import CUSTOMER
from crmintel.errors import DataContractError, DataTypeError
from crmintel.evaluation.intervals import Estimate, bootstrap
from crmintel.evaluation.probability import auc
from crmintel.evaluation.tables import page
from crmintel.segmentation.doors import table_of
from crmintel.segmentation.rules import is_number, numbers

Float = npt.NDArray[np.float64]
FEWEST: Final = 20
SIZES: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
_FOLDS: Final = 5
_EDGE: Final = 1e-6


@final
@dataclass(frozen=True)
class LookAlikes:
    """How much each customer is like those of a list, told by a model that did not see the customer.

    Parameters
    ----------
    customers : DataFrame, one row a customer
        similarity (probability of being on the list), seed (whether the customer is).
    curve : DataFrame
        For each size of an audience: share (of customers), customers, similarity (the least that is let in), seeds_reached
        (share of the list, each seed scored as if it were not known), random (what a random audience of that size reaches), lift.
    separation : Estimate
        Area under the ROC curve of seeds against the others; .5 is random.
    unknown : int
        Customers of the list who are not in the table.

    Examples
    --------
    >>> from crmintel.segmentation import look_alikes
    >>> table = pd.DataFrame({"orders": np.arange(200) % 9, "age": np.arange(200) % 60})
    >>> found = look_alikes(table, table.index[table["orders"] == 8])
    >>> found.separation.low > 0.5
    True
    """

    customers: pd.DataFrame
    curve: pd.DataFrame
    separation: Estimate
    unknown: int = 0

    @property
    def better_than_random(self) -> bool:
        """Whether the whole interval of the separation lies above .5."""
        return self.separation.low > 0.5

    def audience(self, n: int) -> pd.DataFrame:
        """The `n` customers most like the list who are not on it, most alike first; of equal ones the first by index.

        Raises
        ------
        DataContractError
            If `n` is below 1.
        """
        if n < 1:
            raise DataContractError(f"n is {n}. Ask for at least one customer.")
        others = self.customers[~self.customers["seed"]].drop(columns="seed")
        return others.sort_values("similarity", ascending=False, kind="stable").head(n)

    def to_frame(self) -> pd.DataFrame:
        """The curve."""
        return self.curve

    def __repr__(self) -> str:
        verdict = "better than random" if self.better_than_random else "not proven better than random"
        strange = f" ({self.unknown:,} more are not in the table)" if self.unknown else ""
        return (
            f"LookAlikes of {int(self.customers['seed'].sum()):,} seeds among {len(self.customers):,} customers{strange}: "
            f"separation {self.separation}, {verdict}"
        )

    def _repr_html_(self) -> str:
        return page(repr(self), size_and_similarity=self.curve)


def look_alikes(table: Any, seeds: Iterable[Any], *, random_state: int = 0) -> LookAlikes:
    """Rank customers by how much they are like those of a list.

    Shallow boosted trees learn the list against everybody else in five folds; each customer is scored by the trees that
    did not see the customer, and the log-odds are then fitted to the truth by two numbers (Platt), so that a similarity of
    .2 means: of a hundred such customers about twenty are on the list. Where seeds do not score higher than the others,
    everybody is equally alike.

    Parameters
    ----------
    table : DataFrame (pandas, polars, Arrow or DuckDB), one row a customer
        Columns of numbers and of categories; missing values are allowed. No column that the list was made from. Customers
        are the index, or the column customer_id if there is one.
    seeds : iterable
        Identifiers of the customers on the list.
    random_state : int
        Seed of folds, trees and intervals.

    Raises
    ------
    DataContractError
        If fewer than 20 seeds are in the table, or fewer than 20 customers are not on the list; if the table has no
        columns, several rows of a customer, or infinite values.
    DataTypeError
        If the table is none, or the seeds are no list.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"orders": rng.poisson(4, 200), "age": rng.integers(20, 80, 200)})
    >>> found = look_alikes(table, table.index[table["orders"] > 6])
    >>> found
    LookAlikes of 24 seeds among 200 customers: separation 1.000 (1.000 to 1.000), better than random
    """
    table = _by_customer(table)
    if isinstance(seeds, str | bytes | pd.DataFrame) or not isinstance(seeds, Iterable):
        raise DataTypeError(f"Seeds cannot be a {type(seeds).__name__}. Give a list of identifiers.")
    wanted = pd.Index(list(seeds)).unique()
    if not table.index.is_unique or not table.columns.is_unique or not len(table.columns):
        raise DataContractError(
            f"The table has {len(table):,} rows of {table.index.nunique():,} customers and {len(table.columns)} columns of "
            f"{table.columns.nunique()} names. Give one row a customer, and at least one column."
        )
    table = table.sort_index()
    y = table.index.isin(wanted)
    strange = len(wanted) - int(y.sum())
    if min(y.sum(), (~y).sum()) < FEWEST:
        raise DataContractError(
            f"{int(y.sum()):,} seeds and {int((~y).sum()):,} others are in the table ({strange:,} seeds are not). "
            f"Give at least {FEWEST} of each."
        )
    with threadpool_limits(1):
        score = _unseen(_readable(table), y, random_state)
        chance = LogisticRegression(C=np.inf).fit(score[:, None], y)
    # Turned round, the scores would look better on the very seeds that turned them.
    alike = chance.decision_function(score[:, None]) if chance.coef_[0, 0] > 0 else np.full(len(y), logit(y.mean()))
    similarity = expit(alike)
    separation = bootstrap(auc, y, score, n=300, seed=random_state)
    customers = pd.DataFrame({"similarity": similarity, "seed": y}, index=table.index)
    return LookAlikes(customers, _curve(similarity, y), separation, strange)


def _by_customer(table: Any) -> pd.DataFrame:
    """A table indexed by customer."""
    frame = table_of(table)
    return table_of(frame.set_index(CUSTOMER)) if CUSTOMER in frame.columns else frame


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers as floats, everything else as categories, columns by name; of many levels the rare ones are missing."""
    out: dict[str, Any] = {}
    for name in sorted(table.columns, key=str):
        column = table[name]
        if is_number(column):
            out[str(name)] = pd.Series(numbers(column), index=column.index)
            continue
        text = column.astype("str")
        common = text.value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable").index[:200]
        out[str(name)] = text.where(text.isin(common)).astype(pd.CategoricalDtype(sorted(common)))
    return pd.DataFrame(out)


def _unseen(table: pd.DataFrame, y: npt.NDArray[np.bool_], random_state: int) -> Float:
    """Log-odds of each customer by trees that did not see the customer."""
    score = np.empty(len(y))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=random_state)
    for inside, outside in folds.split(table, y):
        trees = HistGradientBoostingClassifier(
            learning_rate=0.05, max_iter=120, max_leaf_nodes=8, min_samples_leaf=10, l2_regularization=5.0,
            early_stopping=False, random_state=random_state,
        )  # fmt: skip
        p = trees.fit(table.iloc[inside], y[inside]).predict_proba(table.iloc[outside])[:, 1]
        p = np.clip(p, _EDGE, 1 - _EDGE)
        score[outside] = np.log(p / (1 - p))
    return score


def _curve(similarity: Float, y: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """What audiences of several sizes reach; equal similarities are let in together by their expected share."""
    order = np.argsort(-similarity, kind="stable")
    ranked, hits = similarity[order], np.cumsum(_even(similarity[order], y[order]))
    sizes = np.unique(np.maximum(np.ceil(np.array(SIZES) * len(y)).astype(int), 1))
    reached, share = hits[sizes - 1] / y.sum(), sizes / len(y)
    return pd.DataFrame(
        {
            "share": share, "customers": sizes, "similarity": ranked[sizes - 1], "seeds_reached": reached, "random": share,
            "lift": reached / share,
        }
    )  # fmt: skip


def _even(ranked: Float, y: npt.NDArray[np.bool_]) -> Float:
    """Each place's expected hit: the mean over places with the same similarity."""
    group = np.concatenate([[0], np.cumsum(np.diff(ranked) != 0)])
    mean: Float = (np.bincount(group, weights=y) / np.bincount(group))[group]
    return mean
