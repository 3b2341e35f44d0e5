"""What may be offered to whom, and how a list is mixed: settled here once, whatever the model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from crmintel.columns import CUSTOMER, ITEM, UNKNOWN
from crmintel.errors import DataContractError, DataTypeError
from crmintel.showing import Shown

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Exclude = Literal["bought", "new"] | None
POPULAR: Final = "popular"
IN_SEGMENT: Final = "popular in segment"
IN_CATEGORY: Final = "popular in category"


@final
@dataclass(frozen=True, eq=False)
class Rules(Shown):
    """Limits and wishes for lists. Without any, a list is what the model ranks highest.

    Parameters
    ----------
    blocked : DataFrame of customer_id, item_id, optional
        Pairs that must not be offered.
    boosts : Series, index item_id, optional
        Factors for positive scores: 2 doubles one, 0 leaves the item to the fallback.
    stock : Series, index item_id, optional
        Units there are. An item is offered to at most so many of the customers asked for, the highest scores first; items
        that are not listed are not limited.
    categories : Series, index item_id, optional
        The category of each item, for quotas, diversity, calibration and the fallback by category; an item without one is
        ``unknown``.
    quota : int, or mapping of category to int, optional
        How many items of a category a list may hold.
    diversity : float from 0 to 1
        Maximal marginal relevance: how much likeness to what already stands in the list costs (same category, or bought by the same
        customers where there are no categories).
    calibration : float from 0 to 1
        How much the mix of categories in the list should follow that of what the customer bought (Steck 2018).
    novelty : float from 0 to 1
        How much a score is lowered for what many have: it is divided by owners to this power.
    least_score : float
        What a score must exceed to be the model's; below, the fallback fills the list.
    segments : Series, index customer_id, optional
        The segment of each customer: whoever the model has nothing for gets what is popular there.
    liked : Series, index customer_id, optional
        The category each customer likes: whoever the model has nothing for gets what is popular in it. It goes before the segment.
    fill : bool
        Whether popular items fill what the model leaves open.

    Examples
    --------
    >>> from crmintel.recommend import CoOccurrence
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> model = CoOccurrence().fit(log)
    >>> best = model.recommend([1], k=1)[["customer_id", "item_id"]]
    >>> other = model.recommend([1], k=1, rules=Rules(blocked=best))
    >>> bool(other["item_id"].iloc[0] == best["item_id"].iloc[0])
    False
    """

    blocked: Any = None
    boosts: Any = None
    stock: Any = None
    categories: Any = None
    quota: int | Mapping[Any, int] | None = None
    diversity: float = 0.0
    calibration: float = 0.0
    novelty: float = 0.0
    least_score: float = 0.0
    segments: Any = None
    liked: Any = None
    fill: bool = True

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises
        ------
        DataContractError
            If a number is out of range, or a wish needs categories and there are none.
        """
        for name in ("diversity", "calibration", "novelty"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataContractError(f"{name} is {getattr(self, name)!r}. Give a number from 0 to 1.")
        if not np.isfinite(self.least_score) or self.least_score < 0:
            raise DataContractError(f"least_score is {self.least_score!r}. Give a number of 0 or more.")
        wants = [n for n in ("quota", "liked") if getattr(self, n) is not None] + ["calibration"] * bool(
            self.calibration
        )
        if wants and self.categories is None:
            raise DataContractError(f"{', '.join(wants)} needs the categories of items. Give Rules(categories=...).")
        quotas = (
            list(self.quota.values()) if isinstance(self.quota, Mapping) else [1 if self.quota is None else self.quota]
        )
        if any(not isinstance(q, int | np.integer) or isinstance(q, bool) or q < 0 for q in quotas):
            raise DataContractError("A quota is no whole number of 0 or more.")
        boosts = np.zeros(0) if self.boosts is None else series(self.boosts, "boosts").to_numpy(np.float64)
        if not ((boosts >= 0) & (boosts < np.inf)).all():
            raise DataContractError("Some boosts are missing, infinite or below 0. Give factors of 0 or more.")

    @property
    def mixes(self) -> bool:
        """Whether a list depends on more than the scores of its items, one by one."""
        return self.quota is not None or self.stock is not None or self.diversity > 0 or self.calibration > 0


NO_RULES: Final = Rules()


def series(values: Any, name: str) -> pd.Series:
    """A series by identifier, from a series or a mapping."""
    if isinstance(values, Mapping):
        values = pd.Series(dict(values))
    if not isinstance(values, pd.Series):
        raise DataTypeError(f"{name} cannot be a {type(values).__name__}. Give a Series whose index holds identifiers.")
    if not values.index.is_unique:
        raise DataContractError(
            f"{name} names {int(values.index.duplicated().sum()):,} identifiers twice. Name each once."
        )
    return values


def label(category: Any) -> str:
    """A category as text: 1 and 1.0 (what pandas makes of it beside missing ones) are the same."""
    return str(int(category)) if isinstance(category, float | np.floating) and category.is_integer() else str(category)


def categories_of(items: pd.Index, categories: Any) -> tuple[Int, pd.Index]:
    """The category of each item as a code, and the categories, sorted."""
    told = series(categories, "categories").reindex(items).astype(object)
    code, names = pd.factorize(told.where(told.notna(), UNKNOWN).map(label).astype(str), sort=True)
    return code.astype(np.int64), pd.Index(names)


@final
@dataclass(frozen=True, eq=False)
class Allowed:
    """Which items each of the customers asked for may be offered, by position.

    Parameters
    ----------
    items : bool, shape (n_items,)
        Who is open to everybody.
    only : CSR array, shape (n_asked, n_items), optional
        The items that a customer may be offered, for those with a list of their own.
    closed : CSR array, shape (n_asked, n_items), optional
        Pairs that must not be offered.
    """

    items: Bool
    only: sp.csr_array | None
    closed: sp.csr_array | None


def allowed(asked: pd.Index, items: pd.Index, eligible: Any, rules: Rules) -> Allowed:
    """What may be offered, from a list of items, or of pairs of customers and items."""
    open_, only = np.ones(len(items), bool), None
    if isinstance(eligible, pd.DataFrame):
        only = pair_matrix(asked, items, eligible, "eligible")
    elif eligible is not None:
        if isinstance(eligible, str | Mapping) or not isinstance(eligible, Iterable):
            raise DataTypeError(
                f"eligible cannot be a {type(eligible).__name__}. Give items, or a frame of {CUSTOMER}, {ITEM}."
            )
        open_ = np.asarray(items.isin(list(eligible)))
    if rules.stock is not None:
        units = series(rules.stock, "stock").reindex(items).to_numpy(np.float64)
        open_ &= ~(units < 1)
    closed = None if rules.blocked is None else pair_matrix(asked, items, rules.blocked, "blocked")
    return Allowed(open_, only, closed)


def pair_matrix(asked: pd.Index, items: pd.Index, pairs: Any, name: str) -> sp.csr_array:
    """Pairs of customers and items as a matrix; those of nobody asked for, or of unknown items, are left out."""
    if not isinstance(pairs, pd.DataFrame) or not {CUSTOMER, ITEM} <= set(pairs.columns):
        raise DataTypeError(f"{name} is no frame with columns {CUSTOMER} and {ITEM}.")
    if not asked.is_unique:
        raise DataContractError(
            f"{int(asked.duplicated().sum()):,} customers are asked for twice. With {name}, ask for each once."
        )
    who, what = asked.get_indexer(pd.Index(pairs[CUSTOMER])), items.get_indexer(pd.Index(pairs[ITEM]))
    keep = (who >= 0) & (what >= 0)
    ones = np.ones(int(keep.sum()), np.int8)
    return sp.csr_array(sp.coo_array((ones, (who[keep], what[keep])), (len(asked), len(items))))
