"""Labels: what happened in ``[at, at + horizon)``. Each refuses an instant whose horizon the log does not cover.

Where rows become known late (`known_at`), ``known_by`` leaves out those known later than an instant, such as the one
at which a model is trained; a window that closes after it is refused.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
import pyarrow as pa

from crmintel.columns import AMOUNT, AT, CUSTOMER, ITEM, KIND, ORDER, PURCHASE, RETURN
from crmintel.errors import DataContractError, LeakageError
from crmintel.features.arithmetic import Float
from crmintel.features.catalog import ActiveDays, Count, Distinct, Total
from crmintel.features.engine import Chunk, Span
from crmintel.features.filters import Bool, Is, Where
from crmintel.features.instants import rows_of, same_kind
from crmintel.interactions import InteractionLog, Part, Zone
from crmintel.interactions.clock import Int, duration

_BOUGHT = Is(KIND, (PURCHASE,))
DAYS = "day\n"  # a name that no column can have
_MONEY = Is(KIND, (PURCHASE, RETURN))


@final
@dataclass(frozen=True)
class _KnownBy(Where):
    """What was known at an instant."""

    by: int

    label = "known"
    columns = frozenset[str]()
    condition = "known by then"

    def mask(self, part: Part, zone: Zone) -> Bool:
        known: Bool = (part.time if part.known_at is None else np.maximum(part.time, part.known_at)) <= self.by
        return known


def churned(
    log: InteractionLog, at: Any, horizon: str, *, where: Where | None = None, known_by: Any = None
) -> pd.Series:
    """Whether a customer bought nothing in ``[at, at + horizon)``.

    Parameters
    ----------
    at : instant, instants, or the index of a feature table
        When the question is asked.
    horizon : str
        How long silence must last, such as ``"90d"``.
    where : Where, optional
        What counts as a sign of life; purchases by default.
    known_by : instant, optional
        Rows known later than this do not count; by default all rows of the log count.

    Returns
    -------
    Series of bool
        Indexed by (customer, at).

    Raises
    ------
    LeakageError
        If a window closes after the end of the log, or after `known_by`: then everybody would look churned.

    Examples
    --------
    >>> frame = pd.DataFrame({"customer_id": [1, 2, 1], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-02-20"])})
    >>> churned(InteractionLog.read(frame), "2024-02-01", "14d").tolist()
    [True, True]
    """
    return _told(log, at, horizon, where or _BOUGHT, None, "churned", known_by) == 0


def orders(log: InteractionLog, at: Any, horizon: str, *, known_by: Any = None) -> pd.Series:
    """Orders in ``[at, at + horizon)``: different `order_id` of purchases; local days with a purchase in a log without it.

    Rows known later than `known_by` do not count.
    """
    what = ORDER if ORDER in log.columns else DAYS
    return _told(log, at, horizon, _BOUGHT, what, "orders", known_by).astype(np.int64)


def spend(log: InteractionLog, at: Any, horizon: str, *, known_by: Any = None) -> pd.Series:
    """Money spent in ``[at, at + horizon)``, net of returns; rows known later than `known_by` do not count.

    Raises
    ------
    DataContractError
        If the history has no amounts.
    """
    if not log.has_amounts:
        raise DataContractError(
            f"The log has no column {AMOUNT!r}. Map it, or unit_price and quantity, to speak of money."
        )
    return _told(log, at, horizon, _MONEY, AMOUNT, "spend", known_by)


def next_items(log: InteractionLog, at: Any, horizon: str, *, known_by: Any = None) -> pd.DataFrame:
    """The items each customer bought in ``[at, at + horizon)``: rows (customer_id, at, item_id), each once, sorted.

    Rows known later than `known_by` do not count.
    """
    index = rows_of(log, at)
    when = _covered(log, index, horizon)
    where = _seen(log, _BOUGHT, when, horizon, known_by)
    frames = []
    for part in log.parts([ITEM, KIND]):
        if ITEM not in part.codes:
            raise DataContractError(f"The log has no column {ITEM!r}. Map it to speak of items.")
        mask = where.mask(part, log.zone) & (part.codes[ITEM] >= 0)
        code = part.customer_codes
        for start in when:
            inside = mask & (part.time >= start) & (part.time < start + duration(horizon))
            frame = (
                pd.DataFrame({CUSTOMER: code[inside], ITEM: part.codes[ITEM][inside]})
                .drop_duplicates()
                .sort_values([CUSTOMER, ITEM])
            )
            frame[CUSTOMER] = part.customers.take(pa.array(frame[CUSTOMER])).to_pandas().array
            frame[ITEM] = part.vocabulary[ITEM].take(pa.array(frame[ITEM])).to_pandas().array
            frame.insert(1, AT, log.zone.stamp(int(start)))
            frames.append(frame)
    if not frames:
        return pd.DataFrame({CUSTOMER: [], AT: pd.DatetimeIndex([]), ITEM: []})
    found = pd.concat(frames, ignore_index=True).sort_values([CUSTOMER, AT], kind="stable", ignore_index=True)
    return found[pd.MultiIndex.from_frame(found[[CUSTOMER, AT]]).isin(index)].reset_index(drop=True)


def _told(
    log: InteractionLog, at: Any, horizon: str, where: Where, column: str | None, name: str, known_by: Any
) -> pd.Series:
    """A number for each (customer, at): rows, days, orders, or the sum of a column."""
    index = rows_of(log, at)
    when = _covered(log, index, horizon)
    where = _seen(log, where, when, horizon, known_by)
    tables = []
    for part in log.parts([*where.columns, *([column] if column not in (None, DAYS) else [])]):
        values = np.stack([_sum(part, log.zone, where, column, int(t), int(t) + duration(horizon)) for t in when])
        ids = part.customers.to_pandas()
        tables.append(pd.DataFrame(values.T, index=ids, columns=log.zone.to_local(when).astype("datetime64[us]")))
    known = pd.concat(tables) if tables else pd.DataFrame()
    row = known.index.get_indexer(index.get_level_values(CUSTOMER))
    column_of = known.columns.get_indexer(index.get_level_values(AT))
    out = np.where(row < 0, 0.0, known.to_numpy()[row, column_of]) if len(index) else np.zeros(0)
    return pd.Series(out, index=index, name=name)


def _sum(part: Part, zone: Zone, where: Where, column: str | None, start: int, end: int) -> Float:
    chunk = Chunk(part, np.array([end]), zone)
    feature: Count | ActiveDays | Distinct | Total
    if column is None or column == DAYS:
        feature, sub = (Count() if column is None else ActiveDays()), chunk.sub(where)
    elif column == ORDER:
        feature, sub = Distinct(column=column), chunk.sub(where, code=column)
    else:
        feature, sub = Total(column=column), chunk.sub(where, number=column)
    begins, ends = np.array([start]), np.array([end])
    span = Span(sub, sub.until(chunk.before(begins)), sub.until(chunk.before(ends)), begins, ends)
    return np.asarray(feature.window(span)[0], np.float64)


def _seen(log: InteractionLog, where: Where, when: Int, horizon: str, known_by: Any) -> Where:
    """A filter that also asks what was known by an instant, if every window has closed by then."""
    if known_by is None:
        return where
    by, length = log.zone.instant(known_by), duration(horizon)
    if len(when) and int(when.max()) + length > by:
        close, latest = log.zone.stamp(int(when.max()) + length), log.zone.stamp(by - length)
        raise LeakageError(
            f"known_by is {log.zone.stamp(by):%Y-%m-%d}, before the label window closes on {close:%Y-%m-%d}: "
            f"every customer would look churned.\nUse at <= {latest.floor('D'):%Y-%m-%d}, or a later known_by."
        )
    return where & _KnownBy(by)


def _covered(log: InteractionLog, index: pd.MultiIndex, horizon: str) -> Int:
    """The instants of an index as UTC microseconds, if the log reaches to the end of each window."""
    same_kind(index.levels[0], log)
    stamps = index.get_level_values(AT).unique().sort_values()
    when = np.array([log.zone.instant(s) for s in stamps], np.int64)
    length = duration(horizon)
    if len(when) and int(when.max()) + length > log.bounds[1]:
        close, latest = log.zone.stamp(int(when.max()) + length), log.zone.stamp(log.bounds[1] - length)
        raise LeakageError(
            f"The log ends {log.end:%Y-%m-%d}, before the label window closes on {close:%Y-%m-%d}: "
            f"every customer would look churned.\nUse at <= {latest.floor('D'):%Y-%m-%d}, or a shorter horizon."
        )
    return when
