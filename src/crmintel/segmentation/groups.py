"""`CustomerGroups`: groups of customers who behave alike, with what a group needs before one may believe in it."""

import warnings
from typing import Any, Final, Self, final

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from crmintel.columns import SEGMENT
from crmintel.errors import DataContractError, DataContractWarning
from crmintel.segmentation.choice import complete, largest_stable, tried
from crmintel.segmentation.kprototypes import Clustering, Float, Int, Mixed, Prototypes, by_content, usual_gamma
from crmintel.segmentation.mixed import Table, encoded, table_of
from crmintel.segmentation.stability import cluster, silhouette, stability
from crmintel.segmentation.structure import structure
from crmintel.showing import page

NOT_ASKED: Final = "Whether there is any structure was not asked."

CHOICE_ROWS: Final = 3_000
"""Customers on whom the number of groups is chosen and their stability is told."""
STRUCTURE_ROWS: Final = 1_500
"""Customers who are compared with structureless twins."""
STRUCTURE_GROUPS: Final = 5
"""Up to how many groups structure is looked for, at least."""


@final
class CustomerGroups(ClusterMixin, BaseEstimator):
    """Groups of customers who behave alike: k-means, or k-prototypes where some columns are categories.

    Numbers with heavy tails are drawn in by a logarithm, put on the scale of their usual spread and clipped, so that one
    rich customer is no group. Of the numbers of groups up to `max_groups` whose every group comes back when customers are
    resampled (mean Jaccard similarity of at least .75), the largest is taken whose silhouette is within a tenth of the
    best; if there is none, the one whose weakest group is strongest. Whether there is any structure at all is asked apart from that, against twins without any.

    Parameters
    ----------
    n_groups : int, optional
        How many; chosen from the data, if not given.
    max_groups : int, default=8
        The most that are tried.
    value : str, optional
        A column of money: groups are numbered by its falling mean. By falling size, if not given.
    n_init : int, default=5
        Starts of the clustering.
    n_bootstraps : int, default=20
        How often customers are resampled.
    n_twins : int, default=39
        How many structureless twins; 0 leaves the question of structure open.
    random_state : int, optional
        Seed.

    Attributes
    ----------
    labels_ : int64, shape (n_customers,)
        The group of each, from 0.
    n_groups_ : int
    choice_ : DataFrame
        For each number of groups tried: smallest_jaccard, silhouette, gap, z, and whether it was chosen.
    groups_ : DataFrame
        For each group: customers, share, jaccard, verdict (stable, doubtful or dissolved).
    centres_ : DataFrame
        For each group the median of every number and the most frequent value of every category.
    ari_ : float
        Mean adjusted Rand index between the groups and those of resampled customers.
    structure_ : Structure or None
        Whether there is any structure, and at how many groups.
    verdict_ : str
        What that means for these groups, in a sentence.
    inertia_ : float
        Squared distances to the prototypes on the learned scales, summed over customers.

    Notes
    -----
    Rows are put into an order by their content before anything is drawn or summed, so shuffled rows get the same groups.
    A missing number stands in the middle of its column; a missing or unknown category equals no group's. Groups of new
    customers follow from the nearest prototype, the first of several, with the scales that were learned.

    Examples
    --------
    >>> table = pd.DataFrame({"orders": [1, 2, 1, 2, 30, 31, 29, 30], "channel": ["web"] * 4 + ["shop"] * 4})
    >>> CustomerGroups(2, n_bootstraps=3, n_twins=0).fit_predict(table).tolist()
    [0, 0, 0, 0, 1, 1, 1, 1]
    """

    def __init__(
        self, n_groups: int | None = None, *, max_groups: int = 8, value: str | None = None, n_init: int = 5,
        n_bootstraps: int = 20, n_twins: int = 39, random_state: int | None = 0,
    ) -> None:  # fmt: skip
        self.n_groups = n_groups
        self.max_groups = max_groups
        self.value = value
        self.n_init = n_init
        self.n_bootstraps = n_bootstraps
        self.n_twins = n_twins
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the groups of a table of customers.

        Parameters
        ----------
        X : DataFrame or array, shape (n_customers, n_columns)
            Columns of numbers; text, categorical and boolean columns are categories. Missing values are allowed.
        y : ignored

        Raises
        ------
        DataContractError
            If there are fewer customers than groups, or no column with two different values.
        DataTypeError
            If `X` is no table.
        """
        table = table_of(self, X, reset=True)
        self._check(table)
        self.encoding_, dull = encoded(table)
        if dull:
            _warn(f"Columns with one value tell nobody apart and are left out: {', '.join(dull)}.")
        rows = self.encoding_.rows(table)
        order, different = by_content(rows)
        rows, rng = rows.take(order), np.random.default_rng(self.random_state)
        with threadpool_limits(1):
            self._group(rows, None if self.value is None else table.numbers[self.value][order], different, rng)
        self.labels_ = self.prototypes_.nearest(rows)[0][np.argsort(order)]
        self._tell(table)
        return self

    def _html_repr(self) -> str:
        """What was found; before that, as scikit-learn shows it."""
        if not hasattr(self, "groups_"):
            return str(BaseEstimator._html_repr(self))
        return page(
            f"CustomerGroups: {self.n_groups_} groups. {self.verdict_}", groups=self.groups_, choice=self.choice_
        )

    def predict(self, X: Any) -> Int:
        """The group of each customer, shape (n_customers,)."""
        check_is_fitted(self)
        if isinstance(X, pd.DataFrame) and not len(X):
            return np.zeros(0, np.int64)
        return self.prototypes_.nearest(self.encoding_.rows(table_of(self, X, reset=False)))[0]

    def segments(self, X: pd.DataFrame) -> pd.Series:
        """The group of each customer as a name, such as "group 1", on the index of the table."""
        check_is_fitted(self)
        names = np.array([f"group {g + 1}" for g in range(len(self.prototypes_))])
        return pd.Series(pd.array(names[self.predict(X)], dtype="str"), index=X.index, name=SEGMENT)

    def _check(self, table: Table) -> None:
        """Refuse what cannot be grouped."""
        least = 2 if self.n_groups is None else self.n_groups
        if least < 1 or self.max_groups < 2 or self.n_bootstraps < 1 or self.n_init < 1:
            raise DataContractError(
                f"n_groups is {self.n_groups}, max_groups {self.max_groups}, n_bootstraps {self.n_bootstraps} and n_init "
                f"{self.n_init}. Ask for at least 1 group, try at least 2, and give at least 1 resample and 1 start."
            )
        if len(table) < max(least, 2):
            raise DataContractError(
                f"n_samples={len(table)} should be >= {max(least, 2)}: groups need more customers. Give a larger table."
            )
        if self.value is not None and self.value not in table.numbers:
            raise DataContractError(f"value={self.value!r} is no column of numbers. Name one of the table.")

    def _group(self, rows: Mixed, value: Float | None, different: int, rng: np.random.Generator) -> None:
        """Choose how many groups, find them, and ask how well they hold; rows are in the order of their content."""
        some, few = (rows.take(_some(len(rows), n, rng)) for n in (CHOICE_ROWS, STRUCTURE_ROWS))
        gamma, ks = usual_gamma(rows), self._numbers(different)
        self.structure_ = None
        if self.n_twins:
            looked = sorted({*ks, *range(2, min(STRUCTURE_GROUPS, different) + 1)} - {1})
            self.structure_ = structure(few, looked, rng, gamma=gamma, twins=self.n_twins, humps=self.encoding_.humps)
        k, choice = ks[0], None
        if self.n_groups is None:
            choice = tried(some, ks, rng, gamma=gamma, starts=self.n_init, draws=self.n_bootstraps)
            k = largest_stable(choice)
        found = cluster(rows, k, rng, gamma=gamma, starts=self.n_init)
        self.prototypes_, self.inertia_, self.costs_ = _numbered(found, value), found.cost, found.costs
        labels = self.prototypes_.nearest(some)[0]
        self.stability_ = stability(some, labels, k, rng, gamma=gamma, draws=self.n_bootstraps)
        if choice is None:
            told = [(k, self.stability_.jaccard.min(), silhouette(self.prototypes_, some))]
            choice = pd.DataFrame(told, columns=["groups", "smallest_jaccard", "silhouette"])
        self.n_groups_, self.choice_ = k, complete(choice, self.structure_, k)
        self.verdict_ = NOT_ASKED if self.structure_ is None else self.structure_.sentence(k)

    def _numbers(self, different: int) -> list[int]:
        """The numbers of groups to try, no more than there are different customers."""
        if self.n_groups is None:
            return list(range(2, min(self.max_groups, different) + 1))
        if different < self.n_groups:
            _warn(f"{self.n_groups} groups were asked for, and only {different} customers differ: as many are made.")
        return [min(self.n_groups, different)]

    def _tell(self, table: Table) -> None:
        """Size, stability and middle of each group."""
        sizes = np.bincount(self.labels_, minlength=self.n_groups_)
        self.ari_ = self.stability_.ari
        self.groups_ = pd.DataFrame(
            {
                SEGMENT: [f"group {g + 1}" for g in range(self.n_groups_)],
                "customers": sizes,
                "share": sizes / len(table),
                "jaccard": self.stability_.jaccard,
                "verdict": self.stability_.words,
            }
        )
        groups = pd.Series(self.labels_)
        middle = pd.DataFrame({name: pd.Series(x).groupby(groups).median() for name, x in table.numbers.items()})
        for (name, levels), mode in zip(self.encoding_.levels.items(), self.prototypes_.modes.T, strict=True):
            middle[name] = [levels[m] if m >= 0 else None for m in mode]
        self.centres_ = middle.set_axis(self.groups_[SEGMENT], axis=0)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def _some(n: int, most: int, rng: np.random.Generator) -> Any:
    """At most so many rows, drawn at random."""
    return slice(None) if n <= most else np.sort(rng.choice(n, most, replace=False))


def _numbered(found: Clustering, value: Float | None) -> Prototypes:
    """The prototypes by falling mean of a value, or by falling size; what is equal by the prototypes themselves."""
    labels, k = found.labels, len(found.prototypes)
    size = np.bincount(labels, minlength=k).astype(np.float64)
    weight = size
    if value is not None:
        known = ~np.isnan(value)
        counts = np.maximum(np.bincount(labels[known], minlength=k), 1)
        weight = np.bincount(labels[known], weights=value[known], minlength=k) / counts
    p = found.prototypes
    order = np.lexsort((*p.modes.T[::-1], *p.centres.T[::-1], -size, -weight))
    return Prototypes(p.centres[order], p.modes[order], p.gamma)


def _warn(text: str) -> None:
    warnings.warn(text, DataContractWarning, stacklevel=4)
