"""Orders and money of customers in equal periods before, during and after a promotion."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.actions.effects.trial import Float
from crmintel.columns import AT, CUSTOMER, ITEM, ORDER, PURCHASE
from crmintel.errors import DataContractError
from crmintel.features import FeatureSet, active_days, distinct, orders, spend, where
from crmintel.interactions import InteractionLog


@final
@dataclass(frozen=True)
class Windows:
    """Periods of one length, told by when they begin, in UTC microseconds."""

    begins: tuple[int, ...]
    start: int
    length: int

    @classmethod
    def of(cls, log: InteractionLog, start: Any, end: Any, before: int) -> Self:
        """The earlier periods, the one of the promotion, and the one after it if the log covers it.

        Raises
        ------
        DataContractError
            If the end is not after the start, or the log begins after the first period does.
        """
        first, last = log.zone.instant(start), log.zone.instant(end)
        length = last - first
        if length <= 0:
            raise DataContractError("The promotion ends before it starts. Give start and end in that order.")
        begins = [first + k * length for k in range(-before, 2)]
        if begins[0] < log.bounds[0]:
            fit = max((first - log.bounds[0]) // length, 0)
            raise DataContractError(
                f"The log begins {log.start:%Y-%m-%d}: {fit} whole periods lie between it and the start, and before asks for {before}. "
                "Ask for fewer, or give a longer log."
            )
        covered = begins if begins[-1] + length <= log.bounds[1] else begins[:-1]
        return cls(tuple(covered), first, length)

    @property
    def horizon(self) -> str:
        """The length as the label and feature functions read it."""
        return f"{self.length}us"

    def stamps(self, log: InteractionLog) -> list[pd.Timestamp]:
        """When the periods begin, by the business clock."""
        return [log.zone.stamp(b) for b in self.begins]


@final
@dataclass(frozen=True, eq=False)
class Counted:
    """What was counted.

    Parameters
    ----------
    values : dict of name to float, shape (n_customers, n_periods)
    known : bool, shape (n_customers,)
        Who was there before the first period.
    """

    values: dict[str, Float]
    known: npt.NDArray[np.bool_]


def counted(log: InteractionLog, ids: pd.Index, windows: Windows, items: Any = None) -> Counted:
    """Orders, money if there is any, and orders of other items than `items`, of each customer in each period."""
    stamps = windows.stamps(log)
    index = pd.MultiIndex.from_product([ids, pd.DatetimeIndex(stamps)], names=[CUSTOMER, AT])
    shape = (len(ids), len(stamps))
    values = {"orders": orders(log, index, windows.horizon).to_numpy(np.float64).reshape(shape)}
    if log.has_amounts:
        values["money"] = spend(log, index, windows.horizon).to_numpy(np.float64).reshape(shape)
    if items is not None:
        values["orders of other items"] = _others(log, ids, windows, items)
    known = ids.isin(log.before(stamps[0]).customers)
    return Counted(values, known)


def _others(log: InteractionLog, ids: pd.Index, windows: Windows, items: Any) -> Float:
    """Orders (or days) with a purchase of something that was not promoted."""
    if ITEM not in log.columns:
        raise DataContractError(
            f"The log has no column {ITEM!r}, so nobody knows what was promoted. Map it, or leave items out."
        )
    promoted = [items] if isinstance(items, str) else [str(i) for i in items]
    other = where(kind=PURCHASE) & ~where(item_id=promoted)
    count = distinct(ORDER, other) if ORDER in log.columns else active_days(other)
    ends = [log.zone.stamp(b + windows.length) for b in windows.begins]
    table = FeatureSet([count.over(windows.horizon)]).build(log, ends, customers=ids)
    wanted = pd.MultiIndex.from_product([ids, pd.DatetimeIndex(ends)], names=table.index.names)
    return table.reindex(wanted).to_numpy(np.float64).reshape(len(ids), len(ends))
