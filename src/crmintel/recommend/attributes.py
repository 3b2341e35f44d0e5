"""Items that nobody has bought yet, offered to those who bought their like: by category, maker, price band and other attributes."""

from copy import copy
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from crmintel.columns import ITEM, UNKNOWN
from crmintel.errors import DataContractError, DataTypeError
from crmintel.interactions import InteractionLog
from crmintel.recommend.base import Int, Recommender
from crmintel.recommend.purchases import Purchases
from crmintel.recommend.rules import Exclude
from crmintel.recommend.topk import Real

Float = npt.NDArray[np.float64]
BANDS: Final = 5
"""Into so many bands of about as many items each, numbers are cut."""


@final
class ByAttributes(Recommender):
    """Rank items by how much they are like what the customer bought: the only way to offer what nobody has bought yet.

    What a customer bought is summed to values of attributes. An item scores the sum, over its values, of the share of the customer's
    items that have the value, divided by the share usual among all customers to the power `damp`: so a rare taste in common says
    more than a usual one. Every item of the table may be offered. Items nobody bought come after all others at ties and in the fallback.

    Parameters
    ----------
    items : DataFrame
        One column for each attribute; identifiers in the index or in a column ``item_id``. Text stands for itself, numbers are cut
        into five bands of as many items each (make codes text). What is missing is the value ``unknown``, and so is everything of
        items that are not in the table. An item with several values of an attribute has several rows.
    base : Recommender, optional
        What ranks the items that were bought; likeness is added, so items nobody bought take their places between. Without it
        likeness ranks all items.
    weight : float above 0
        What likeness counts beside the base, both brought to one length over the items that were bought.
    damp : float from 0 to 1
        0 counts values in common, 1 compares with what is usual.

    Attributes
    ----------
    values_ : MultiIndex of attribute and value
        What items are told by; bands are named by their limits.

    Raises
    ------
    DataContractError
        When fitted, if the table has no attributes, or holds none of the items that were bought.

    Notes
    -----
    Half the power was best or close to it on films, books and groceries with a tenth of the items held out, and better there than a second
    step over customers with a like taste. Customers who bought nothing have no taste: ``Rules(segments=...)`` or ``Rules(liked=...)``
    give them what is popular in their segment or category. To leave out what is no longer sold, give `recommend` the items that are eligible.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmintel import InteractionLog
    >>> day = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"])
    >>> log = InteractionLog.read(pd.DataFrame({"customer_id": [1, 2, 3], "timestamp": day, "item_id": ["mug", "green tea", "mug"]}))
    >>> items = pd.DataFrame({"kind": ["cup", "tea", "tea"]}, index=["mug", "green tea", "black tea"])
    >>> ByAttributes(items).fit(log).recommend([2], k=1)["item_id"].tolist()
    ['black tea']
    """

    name = "by attributes"

    def __init__(
        self, items: pd.DataFrame, *, base: Recommender | None = None, weight: float = 0.3, damp: float = 0.5
    ) -> None:
        self.items, self.base, self.weight, self.damp = items, base, weight, damp

    def fit(self, log: InteractionLog, *, at: Any = None) -> Self:
        """Learn what customers like, and what the base learns, from the purchases of a log, or from those before an instant."""
        self._base = None if self.base is None else copy(self.base).fit(log, at=at)
        self.habit: Exclude = "bought" if self._base is None else self._base.habit
        return super().fit(log, at=at)

    def _learn(self, purchases: Purchases) -> None:
        if not 0 < self.weight < np.inf or not 0 <= self.damp <= 1:
            raise DataContractError(
                f"weight is {self.weight!r} and damp {self.damp!r}. Give a number above 0, and one from 0 to 1."
            )
        table = _table(self.items, purchases.items)
        self._n_bought = len(purchases.items)
        wide = purchases.offering(table.index.unique())
        self.values_, self._has = _values(table, wide.items)
        super()._learn(wide)

    def _fit(self, purchases: Purchases) -> None:
        owned = self.history_.copy()
        owned.data[:] = 1.0
        size = np.maximum(np.asarray(owned.sum(axis=1), np.float64), 1.0)
        taste = (owned @ self._has).tocsr()
        usual = np.asarray(taste.sum(axis=0), np.float64) / size.sum()
        damped = np.where(usual > 0, usual, 1.0) ** -self.damp
        self._taste = (sp.diags_array(1 / size) @ taste).tocsr()
        self._like = (self._has @ sp.diags_array(damped)).T.tocsr()

    def _score(self, who: Int) -> Real:
        like = np.asarray((self._taste[who] @ self._like).toarray(), np.float64)
        if self._base is None:
            return like
        n = self._n_bought
        known = np.zeros_like(like)
        place = self._base.items_.get_indexer(self.items_[:n])
        told = self._base._score(self._base.customers_.get_indexer(self.customers_[who]))
        known[:, :n] = np.where(place >= 0, told[:, place], 0.0)
        lengths = [np.sqrt(np.einsum("ij,ij->i", s[:, :n], s[:, :n])) for s in (known, like)]
        both = (lengths[0] > 0) & (lengths[1] > 0)
        factor = np.divide(self.weight * lengths[0], lengths[1], out=np.ones(len(who)), where=both)
        return np.asarray(known + factor[:, None] * like)


def _table(items: Any, bought: pd.Index) -> pd.DataFrame:
    """Attributes by identifier, with identifiers of the kind that the log has."""
    if not isinstance(items, pd.DataFrame):
        raise DataTypeError(f"items cannot be a {type(items).__name__}. Give a DataFrame, one column an attribute.")
    table = items.set_index(ITEM) if ITEM in items.columns else items
    if not table.shape[1]:
        raise DataContractError(
            "The table of items has no attributes. Give a column for each, such as category or price."
        )
    if n := int(np.sum(table.index.isna())):
        raise DataContractError(f"{n:,} rows of the table of items have no identifier. Drop them.")
    if not table.index.isin(bought).any():
        raise DataContractError(
            f"None of the {len(bought):,} items bought is in the table of items: identifiers are {bought.dtype} in the log, and "
            f"{table.index.dtype} in the table. Give them in the index or in a column {ITEM!r}, as in the log."
        )
    return table.set_axis(pd.Index(table.index.to_numpy(), dtype=bought.dtype, name=ITEM))


def _values(table: pd.DataFrame, items: pd.Index) -> tuple[pd.MultiIndex, sp.csr_array]:
    """The values of all attributes, and which item has which: shape (n_items, n_values)."""
    names, blocks = [], []
    for column in table:
        told = _text(table[column])
        missing = pd.Series(UNKNOWN, index=items.difference(table.index, sort=False))
        told = pd.concat([told, missing])
        code, words = pd.factorize(told.to_numpy(), sort=True)
        place = items.get_indexer(told.index)
        block = sp.csr_array(sp.coo_array((np.ones(len(code)), (place, code)), (len(items), len(words))))
        block.data[:] = 1.0  # a row that comes twice says nothing new
        blocks.append(block)
        names += [(str(column), str(w)) for w in words]
    return pd.MultiIndex.from_tuples(names, names=["attribute", "value"]), sp.csr_array(sp.hstack(blocks))


def _text(column: pd.Series) -> pd.Series:
    """Values as text: numbers as bands, missing ones as unknown."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return column.astype(object).where(column.notna(), UNKNOWN).astype(str)
    number = column.to_numpy(np.float64, na_value=np.nan)
    known = np.isfinite(number)
    if not known.any():
        return pd.Series(UNKNOWN, index=column.index)
    limits = np.unique(np.quantile(number[known], np.linspace(0, 1, BANDS + 1)[1:-1]))
    band = np.searchsorted(limits, number, side="left")
    low, high = ["", *(f"above {x:g} " for x in limits)], [*(f"to {x:g}" for x in limits), ""]
    words = np.array([(a + b).strip() for a, b in zip(low, high, strict=True)], object)
    return pd.Series(np.where(known, words[band], UNKNOWN), index=column.index)
