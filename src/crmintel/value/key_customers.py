"""The few customers who matter most: what they hold, what may be lost with them, and whether it is still the same few."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.columns import CHURN, RANK, VALUE
from crmintel.errors import DataContractError, DataTypeError
from crmintel.evaluation import checks, tables
from crmintel.evaluation.intervals import Estimate
from crmintel.evaluation.ordering import top_size
from crmintel.showing import Shown
from crmintel.value.correlation import spearman
from crmintel.value.purchases import Float

AT_RISK: Final = "value_at_risk"
BEFORE: Final = "before"
STAYED, LOWER, NEW = "on the list", "below it", "not a customer"
HEAVY: Final = 0.5
"""A customer who holds more than this share of all value is told of."""
FEWEST: Final = 10
"""Points of the curve are at least so many customers apart."""


@final
@dataclass(frozen=True)
class ListStability(Shown):
    """How much a list is still the list that it was.

    Parameters
    ----------
    stayed, came, went : int
        Customers on both lists, on this one only, on the earlier one only.
    kept : float
        Part of this list that was on the earlier one.
    kept_by_chance : float
        The same if both lists were drawn by lot among those who were customers at their times.
    jaccard : float
        Customers on both lists, in parts of those on either.
    ranks : Estimate
        Correlation of the ranks of all who were customers at both times.

    Examples
    --------
    >>> from crmintel.value import key_customers
    >>> value = pd.Series(np.arange(200.0))
    >>> key = key_customers(value, churn=pd.Series(0.2, value.index), share=0.1, previous=value[::-1])
    >>> key.stability.stayed, key.stability.came
    (20, 0)
    """

    stayed: int
    came: int
    went: int
    kept: float
    kept_by_chance: float
    jaccard: float
    ranks: Estimate

    def __str__(self) -> str:
        return (
            f"{self.stayed:,} stayed, {self.came:,} came, {self.went:,} went: {self.kept:.1%} were on the earlier list "
            f"({self.kept_by_chance:.1%} by chance; Jaccard {self.jaccard:.2f}; correlation of ranks of all {self.ranks:.2f})"
        )


@final
@dataclass(frozen=True, repr=False)
class KeyCustomers:
    """A list of key customers, and what may be said of it without naming anybody.

    Parameters
    ----------
    table : DataFrame, indexed by customer
        Best first: rank, value, share (of all value) and cumulative_share; where churn was given, churn_probability and
        value_at_risk; where earlier values were given, before ("on the list", "below it" or "not a customer").
    went : DataFrame, indexed by customer
        Who was on the earlier list and is not on this one, best first: value_before, now ("below it" or "not a customer").
    curve : DataFrame
        customer_share, revenue_share: how value adds up over all customers, best first, in steps of at least ten customers.
    n : int
        Customers from whom the list was drawn.
    total : float
        Their value.
    stability : ListStability, optional
    notes : tuple of str

    Examples
    --------
    >>> from crmintel.value import key_customers
    >>> value = pd.Series(np.arange(200.0))
    >>> key = key_customers(value, churn=pd.Series(0.2, value.index), share=0.1)
    >>> key
    KeyCustomers: 20 of 200 customers hold 19.0% of the value; 20.0% of it at risk
    """

    table: pd.DataFrame
    went: pd.DataFrame
    curve: pd.DataFrame
    n: int
    total: float
    stability: ListStability | None = None
    notes: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Part of all value that the list holds."""
        return float(self.table[VALUE].sum() / self.total)

    @property
    def at_risk(self) -> float:
        """Value that the list is expected to lose; NaN without churn."""
        return float(self.table[AT_RISK].sum()) if AT_RISK in self.table else float("nan")

    def to_frame(self) -> pd.DataFrame:
        """One row a key customer, best first."""
        return self.table.copy(deep=False)

    def summary(self) -> pd.DataFrame:
        """The list in figures that name nobody: figure, value."""
        rows: list[tuple[str, float]] = [
            ("customers", self.n),
            ("key customers", len(self.table)),
            ("share of customers", len(self.table) / self.n),
            ("share of value", self.share),
        ]
        if AT_RISK in self.table:
            rows.append(("value at risk, share of the list's value", self.at_risk / float(self.table[VALUE].sum())))
        if (s := self.stability) is not None:
            rows += [
                ("stayed", s.stayed),
                ("came", s.came),
                ("went", s.went),
                ("share that was on the earlier list", s.kept),
            ]
            rows += [
                ("the same by chance", s.kept_by_chance),
                ("Jaccard", s.jaccard),
                ("correlation of ranks", s.ranks.value),
            ]
        return pd.DataFrame(rows, columns=["figure", VALUE])

    def __repr__(self) -> str:
        told = [f"KeyCustomers: {len(self.table):,} of {self.n:,} customers hold {self.share:.1%} of the value"]
        if AT_RISK in self.table:
            told.append(f"{self.at_risk / float(self.table[VALUE].sum()):.1%} of it at risk")
        told += [str(self.stability)] if self.stability is not None else []
        return "; ".join([*told, *self.notes])

    def _repr_html_(self) -> str:
        told = self.summary()
        told[VALUE] = ["" if np.isnan(v) else f"{v:,.0f}" if v == np.round(v) else f"{v:.3f}" for v in told[VALUE]]
        return tables.page(repr(self), summary=told)


def key_customers(
    values: pd.Series | pd.DataFrame,
    churn: pd.Series | None = None,
    *,
    share: float = 0.1,
    count: int | None = None,
    previous: pd.Series | pd.DataFrame | None = None,
) -> KeyCustomers:
    """The customers of highest value, what churn may take from them, and how the list has changed.

    Parameters
    ----------
    values : Series, or DataFrame with a column "value", indexed by customer
        Money, past or expected; of equal customers the one whose identifier comes first goes first.
    churn : Series, indexed by customer, optional
        Probability to leave; everybody on the list needs one.
    share : float in (0, 1], default=0.1
        How many of the customers are on the list, rounded up.
    count : int, optional
        How many are on it instead; with fewer customers all of them are.
    previous : as values, optional
        Values at an earlier instant: the earlier list is drawn from them in the same way.

    Raises
    ------
    DataContractError
        If values or probabilities are missing or infinite, customers occur twice, the total is not above zero, or the list
        has no size.
    DataTypeError
        If values come without customers.

    Notes
    -----
    Two lists share customers by chance alone: of customers of both times, each is on this list with the chance n / N of now
    and on the earlier one with that of then.

    Examples
    --------
    >>> now = pd.Series([70.0, 20.0, 10.0, 0.0], index=["ann", "bob", "cyd", "dot"])
    >>> before = pd.Series([1.0, 5.0, 9.0], index=["ann", "bob", "cyd"])
    >>> key = key_customers(now, pd.Series(0.5, index=now.index), count=2, previous=before)
    >>> key.table[["rank", "cumulative_share", "value_at_risk", "before"]]
         rank  cumulative_share  value_at_risk       before
    ann     1               0.7           35.0     below it
    bob     2               0.9           10.0  on the list
    >>> key.stability.stayed, key.stability.came, key.stability.went, key.went.index.tolist()
    (1, 1, 1, ['cyd'])
    """
    ranked = _ranked(values, "values")
    total = float(ranked.sum())
    if total <= 0:
        raise DataContractError(
            f"The {len(ranked):,} values add up to no more than zero: nobody holds a share of that. Pass what customers bring."
        )
    top = ranked.iloc[: _size(len(ranked), share, count)]
    money = top.to_numpy(np.float64)
    columns = {
        RANK: np.arange(1, len(top) + 1),
        VALUE: money,
        "share": money / total,
        "cumulative_share": np.cumsum(money) / total,
    }
    table = pd.DataFrame(columns, index=top.index)
    if churn is not None:
        table[CHURN] = _probabilities(churn, top.index)
        table[AT_RISK] = table[CHURN] * np.maximum(money, 0)
    notes = _notes(ranked, total)
    went, stability = pd.DataFrame({"value_before": [], "now": []}), None
    if previous is not None:
        earlier = _ranked(previous, "previous")
        listed = earlier.iloc[: _size(len(earlier), share, count)]
        table[BEFORE] = _placed(top.index, listed.index, earlier.index)
        gone = listed[~listed.index.isin(top.index)]
        went = pd.DataFrame({"value_before": gone, "now": _placed(gone.index, top.index, ranked.index)})
        stability = _stability(ranked, earlier, top.index, listed.index)
    return KeyCustomers(table, went, _curve(ranked.to_numpy(np.float64), total), len(ranked), total, stability, notes)


def _ranked(values: Any, name: str) -> pd.Series:
    """Values, highest first, equal ones by customer."""
    series = values[VALUE] if isinstance(values, pd.DataFrame) and VALUE in values else values
    if not isinstance(series, pd.Series):
        raise DataTypeError(
            f"{name} cannot be a {type(values).__name__}. Give a Series by customer, or a table with {VALUE!r}."
        )
    if doubled := int(series.index.duplicated().sum()):
        raise DataContractError(f"{name}: {doubled:,} customers occur twice. Give one value a customer.")
    if not len(series):
        raise DataContractError(f"{name}: there are no customers. Give at least one value.")
    money = pd.Series(checks.amounts(series, name), index=series.index).sort_index(kind="stable")
    return money.iloc[np.argsort(-money.to_numpy(), kind="stable")]


def _size(n: int, share: float, count: int | None) -> int:
    if count is not None and count < 1:
        raise DataContractError(f"count is {count}. Ask for at least one customer.")
    return top_size(n, share) if count is None else min(int(count), n)


def _probabilities(churn: pd.Series, who: pd.Index) -> Float:
    if not isinstance(churn, pd.Series) or churn.index.has_duplicates:
        raise DataContractError("churn must be a Series with one probability a customer. Index it by customer.")
    known = churn.reindex(who)
    if absent := int(known.isna().sum()):
        raise DataContractError(f"churn is missing for {absent:,} of {len(who):,} key customers. Score them, too.")
    return checks.probabilities(known)


def _placed(who: pd.Index, listed: pd.Index, known: pd.Index) -> npt.NDArray[np.object_]:
    """Whether customers were on a list, below it, or no customers."""
    return np.where(who.isin(listed), STAYED, np.where(who.isin(known), LOWER, NEW)).astype(object)


def _stability(now: pd.Series, then: pd.Series, top: pd.Index, listed: pd.Index) -> ListStability:
    stayed = int(top.isin(listed).sum())
    both = now.index[now.index.isin(then.index)].sort_values()
    chance = len(both) * len(listed) / len(then) / len(now)  # of the list, whose own length drops out
    ranks = spearman(now.reindex(both).to_numpy(np.float64), then.reindex(both).to_numpy(np.float64))
    came, went = len(top) - stayed, len(listed) - stayed
    return ListStability(stayed, came, went, stayed / len(top), chance, stayed / (stayed + came + went), ranks)


def _notes(ranked: pd.Series, total: float) -> tuple[str, ...]:
    notes = []
    if len(ranked) > 1 and float(ranked.iloc[0]) > HEAVY * total:
        notes.append("one customer alone holds over half of the value: look at the list without, too")
    if below := int((ranked < 0).sum()):
        notes.append(f"{below:,} customers have a value below zero, which the shares are told net of")
    return tuple(notes)


def _curve(falling: Float, total: float) -> pd.DataFrame:
    n = len(falling)
    steps = max(1, min(100, n // FEWEST))
    points = np.unique(np.linspace(0, n, steps + 1).astype(int))
    running = np.r_[0.0, np.cumsum(falling)] / total
    return pd.DataFrame({"customer_share": points / n, "revenue_share": running[points]})
