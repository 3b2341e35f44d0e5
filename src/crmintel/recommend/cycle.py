"""When a customer will need an item again: repeat cycles, and what is due."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.columns import CUSTOMER, ITEM
from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog
from crmintel.interactions.clock import DAY, Int
from crmintel.recommend.purchases import Purchases

Float = npt.NDArray[np.float64]
SHRINK: Final = 2.0
"""The gap that is usual for an item counts like so many gaps of the customer."""


def replenishment(
    log: InteractionLog, *, at: Any = None, customers: Iterable[Any] | None = None, least: int = 3, most: int | None = None,
    patience: float = 3.0,
) -> pd.DataFrame:  # fmt: skip
    """What each customer buys again and again, and when it is due: "due again in 5 days".

    A gap is the days from one local day with the item to the next. What a customer's gap is taken to be is the median of the gaps,
    drawn to what is usual for the item (the median over customers of their medians), which counts like two gaps: (n - 1 gaps ×
    own median + 2 × usual) / (n + 1).

    Parameters
    ----------
    log : InteractionLog
    at : instant, optional
        What happens from then on is not looked at; the end of the log, without it.
    customers : iterable, optional
        Whom to tell of; everybody, without it. The usual gaps come from everybody in any case.
    least : int, default=3
        Days with the item that there must be, at least 2.
    most : int, optional
        Rows for each customer: those due first.
    patience : float, default=3
        A customer who let this many gaps go by is taken to have stopped, and the item is left out.

    Returns
    -------
    DataFrame
        customer_id, item_id, last (local day), gap_days, due_in_days (whole days; below 0: overdue), due_at (local day), n (days with
        the item), sentence. By customer, what is due first on top, then by item.

    Raises
    ------
    DataContractError
        If the log has no items or no purchases, or a number is out of range.

    Examples
    --------
    >>> day = pd.to_datetime(["2024-03-01", "2024-03-08", "2024-03-15", "2024-03-16"])
    >>> log = InteractionLog.read(pd.DataFrame({"customer_id": [1, 1, 1, 2], "timestamp": day, "item_id": "milk"}))
    >>> replenishment(log, at="2024-03-17")[["gap_days", "due_in_days", "sentence"]].values.tolist()
    [[7.0, 5, 'due again in 5 days']]
    """
    for value, low, name in ((least, 2, "least"), (1 if most is None else most, 1, "most")):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < low:
            raise DataContractError(f"{name} is {value!r}. Give a whole number, at least {low}.")
    if not patience > 0:
        raise DataContractError(f"patience is {patience!r}. Give a number of gaps above 0.")
    purchases = Purchases.read(log, at, fewest=1)
    rows = purchases.bought
    day = log.zone.to_local(purchases.time[rows]) // DAY
    who, item, n, last, gap = _cycles(
        purchases.who[rows].astype(np.int64), purchases.item[rows].astype(np.int64), day, least
    )
    gap = _drawn(item, n, gap)
    today = int(log.zone.to_local(np.array([purchases.at]))[0] // DAY)
    due = last + np.floor(gap + 0.5).astype(np.int64)
    keep = today - last <= patience * gap
    if customers is not None:
        keep &= purchases.customers[who].isin(list(customers))
    order = np.flatnonzero(keep)
    names = purchases.items[item].astype(str)
    order = order[np.lexsort((np.asarray(names)[order].astype(str), due[order], who[order]))]
    if most is not None:
        order = order[np.arange(len(order)) - np.searchsorted(who[order], who[order]) < most]
    who, item, n, last, due = (v[order] for v in (who, item, n, last, due))
    gap = gap[order]
    table = {
        CUSTOMER: purchases.customers[who], ITEM: purchases.items[item], "last": _dates(last), "gap_days": gap,
        "due_in_days": due - today, "due_at": _dates(due), "n": n, "sentence": pd.array([_sentence(d) for d in due - today], dtype="str"),
    }  # fmt: skip
    return pd.DataFrame(table)


def _cycles(who: Int, item: Int, day: Int, least: int) -> tuple[Int, Int, Int, Int, Float]:
    """Customers and items with enough days: how many, the last one, and the median gap."""
    order = np.lexsort((day, item, who))
    who, item, day = who[order], item[order], day[order]
    new = np.append(True, (np.diff(who) != 0) | (np.diff(item) != 0))[: len(who)]
    once = new | (np.diff(day, prepend=day[:1]) != 0)
    who, item, day, new = who[once], item[once], day[once], new[once]
    pair = np.cumsum(new) - 1
    n = np.bincount(pair)
    ends = np.cumsum(n)
    within = ~new
    gap, of = np.diff(day, prepend=0)[within], pair[within]
    gap = gap[np.lexsort((gap, of))]
    enough = n >= least
    begin = np.append(0, np.cumsum(n - 1))[:-1][enough]
    count = (n - 1)[enough]
    median = (gap[begin + (count - 1) // 2] + gap[begin + count // 2]) / 2
    first = ends[enough] - 1
    return who[first], item[first], n[enough], day[first], median


def _drawn(item: Int, n: Int, gap: Float) -> Float:
    """Gaps drawn to the median of their item."""
    usual = pd.Series(gap).groupby(item).transform("median").to_numpy()
    return np.asarray(((n - 1) * gap + SHRINK * usual) / (n - 1 + SHRINK))


def _dates(day: Int) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(day.astype("datetime64[D]").astype("datetime64[us]"))


def _sentence(days: int) -> str:
    """What is said of one row."""
    if days == 0:
        return "due today"
    length = f"{abs(days):,} day{'s' if abs(days) != 1 else ''}"
    return f"due again in {length}" if days > 0 else f"overdue by {length}"
