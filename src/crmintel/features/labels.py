"""Labels: what happened in ``[at, at + horizon)``. Each refuses an instant whose horizon the log does not cover.

Where rows become known late (`known_at`), ``known_by`` leaves out those known later than an instant, such as the one
at which a model is trained; a window that closes after it is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
import pyarrow as pa

from crmintel.columns import AMOUNT, AT, CUSTOMER, ITEM, KIND, ORDER, PURCHASE, RETURN
from crmintel.errors import DataContractError, LeakageError
from crmintel.features.arithmetic import Float, days, pick
from crmintel.features.catalog import ActiveDays, Distinct, Total
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
    log: InteractionLog, at: Any, horizon: str, *, where: Where | None = None, known_by: Any = None, allow_censored: bool = False,
) -> pd.Series:  # fmt: skip
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
    allow_censored : bool
        Take windows that close after the end of the log too: whoever bought did not churn, the others are missing.

    Returns
    -------
    Series of bool
        Indexed by (customer, at); of pandas' ``boolean`` with `allow_censored`.

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
    lived = _happened(log, at, horizon, where or _BOUGHT, "churned", known_by, allow_censored)
    return ~lived


def bought(
    log: InteractionLog, at: Any, horizon: str, what: Where, *, known_by: Any = None, allow_censored: bool = False
) -> pd.Series:
    """Whether a customer bought something that meets a filter in ``[at, at + horizon)``, such as ``where(category="tea")``.

    Parameters, result and errors are those of `churned`.

    >>> from crmintel.features import where
    >>> frame = pd.DataFrame({"customer_id": [1, 1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-02-05", "2024-02-28"]), "category": ["cup", "tea", "cup"]})
    >>> log = InteractionLog.read(frame)
    >>> bought(log, "2024-02-01", "14d", where(category="tea")).tolist()
    [True]
    """
    return _happened(log, at, horizon, _BOUGHT & what, "bought", known_by, allow_censored)


def responded(
    log: InteractionLog, at: Any, horizon: str, answers: Where, *, contacts: Where | None = None, known_by: Any = None,
    allow_censored: bool = False,
) -> pd.Series:  # fmt: skip
    """Whether a customer gave an answer in ``[at, at + horizon)``; with `contacts`, one later than a contact in that time.

    Parameters, result and errors are those of `churned`.

    >>> from crmintel.features import where
    >>> frame = pd.DataFrame({"customer_id": [1, 1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-02-05", "2024-02-28"]), "kind": ["purchase", "click", "purchase"]})
    >>> log = InteractionLog.read(frame)
    >>> responded(log, "2024-02-01", "14d", where(kind="click")).tolist()
    [True]
    """
    if contacts is None:
        return _happened(log, at, horizon, answers, "responded", known_by, allow_censored)
    return _happened(log, at, horizon, answers, "responded", known_by, allow_censored, after=contacts)


def time_to_event(
    log: InteractionLog, at: Any, *, where: Where | None = None, horizon: str | None = None, known_by: Any = None
) -> pd.DataFrame:
    """Days from each instant to the first interaction at or after it, and whether it was seen.

    Parameters
    ----------
    where : Where, optional
        The event; purchases by default.
    horizon : str, optional
        Look no further than this.
    known_by : instant, optional
        Rows known later do not count, and nothing is seen after it.

    Returns
    -------
    DataFrame
        `days` and `observed`, indexed by (customer, at). Who did not act is censored at the end of the horizon, of the log or at
        `known_by`, whatever comes first: `days` is the time until then, and `observed` is false.

    Raises
    ------
    LeakageError
        If an instant lies at or after the end of what is seen.

    Examples
    --------
    >>> frame = pd.DataFrame({"customer_id": [1, 2, 1], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-02-20"])})
    >>> time_to_event(InteractionLog.read(frame), "2024-02-10").to_numpy().tolist()
    [[10.0, True], [10.0, False]]
    """
    index, end = rows_of(log, at), log.bounds[1]
    by = None if known_by is None else log.zone.instant(known_by)
    end = end if by is None else min(end, by)
    when = _instants_of(log, index)
    if len(when) and int(when.max()) >= end:
        raise LeakageError(
            f"Nothing is seen from {log.zone.stamp(int(when.max())):%Y-%m-%d} on: the log ends {log.zone.stamp(end):%Y-%m-%d}. "
            "Use an earlier at."
        )
    event = (where or _BOUGHT) if by is None else (where or _BOUGHT) & _KnownBy(by)
    last = np.minimum(when + duration(horizon), end) if horizon else np.full(len(when), end)

    def first(part: Part) -> Float:
        sub = Chunk(part, when, log.zone).sub(event)
        begins = sub.until(sub.chunk.before(when))
        ends = sub.until(sub.chunk.before(last + (horizon is None)))  # the last row of the log is seen
        found = pick(sub.time, begins, begins < ends)
        return days(found - when[:, None])

    waited = _of_rows(log, index, when, event.columns, first)
    seen = ~np.isnan(waited)
    allowed = days(last - when)[np.searchsorted(when, _micros_of(log, index))]
    return pd.DataFrame({"days": np.where(seen, waited, allowed), "observed": seen}, index=index)


def orders(
    log: InteractionLog, at: Any, horizon: str, *, known_by: Any = None, allow_censored: bool = False
) -> pd.Series:
    """Orders in ``[at, at + horizon)``: different `order_id` of purchases; local days with a purchase in a log without it.

    Rows known later than `known_by` do not count; with `allow_censored`, windows that the log does not cover are missing.

    >>> frame = pd.DataFrame({"customer_id": [1, 1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-02-05", "2024-02-28"])})
    >>> log = InteractionLog.read(frame)
    >>> orders(log, "2024-02-01", "14d").tolist()
    [1]
    """
    what = ORDER if ORDER in log.columns else DAYS
    found = _told(log, at, horizon, _BOUGHT, what, "orders", known_by, allow_censored)
    return found.astype("Int64" if allow_censored else np.int64)


def spend(
    log: InteractionLog, at: Any, horizon: str, *, known_by: Any = None, allow_censored: bool = False
) -> pd.Series:
    """Money spent in ``[at, at + horizon)``, net of returns; rows known later than `known_by` do not count.

    With `allow_censored`, windows that the log does not cover are missing.

    Raises
    ------
    DataContractError
        If the history has no amounts.

    Examples
    --------
    >>> frame = pd.DataFrame({"customer_id": [1, 1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-02-05", "2024-02-28"]), "amount": [5.0, 8.0, 3.0]})
    >>> log = InteractionLog.read(frame)
    >>> spend(log, "2024-02-01", "14d").tolist()
    [8.0]
    """
    if not log.has_amounts:
        raise DataContractError(
            f"The log has no column {AMOUNT!r}. Map it, or unit_price and quantity, to speak of money."
        )
    return _told(log, at, horizon, _MONEY, AMOUNT, "spend", known_by, allow_censored)


def next_items(log: InteractionLog, at: Any, horizon: str, *, known_by: Any = None) -> pd.DataFrame:
    """The items each customer bought in ``[at, at + horizon)``: rows (customer_id, at, item_id), each once, sorted.

    Rows known later than `known_by` do not count.

    >>> frame = pd.DataFrame({"customer_id": [1, 1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-02-05", "2024-02-28"]), "item_id": ["cup", "tea", "pot"]})
    >>> log = InteractionLog.read(frame)
    >>> next_items(log, "2024-02-01", "14d")["item_id"].tolist()
    ['tea']
    """
    index = rows_of(log, at)
    when = _instants_of(log, index)
    _refuse_open(log, index, horizon)
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


def _happened(
    log: InteractionLog, at: Any, horizon: str, where: Where, name: str, known_by: Any, censored: bool, *, after: Where | None = None,
) -> pd.Series:  # fmt: skip
    """Whether anything happened; what cannot be known yet is missing."""
    index = rows_of(log, at)
    if not censored:
        _refuse_open(log, index, horizon)
    counts = _counted(log, index, horizon, where, name, known_by, after)
    if not censored:
        return counts > 0
    out: pd.Series = (counts > 0).astype("boolean")
    return out.mask(_open(log, index, horizon) & (counts == 0).to_numpy())


def _counted(
    log: InteractionLog, index: pd.MultiIndex, horizon: str, where: Where, name: str, known_by: Any, after: Where | None
) -> pd.Series:
    """Rows in the window of each (customer, at); only those later than another kind of row of the window, if asked."""
    when = _instants_of(log, index)
    where = _seen(log, where, when, horizon, known_by)
    later = duration(horizon)

    def count(part: Part) -> Float:
        chunk = Chunk(part, when, log.zone)
        sub = chunk.sub(where)
        begins, ends = (sub.until(chunk.before(t)) for t in (when, when + later))
        if after is not None:
            contacted = chunk.sub(after)
            first = contacted.until(chunk.before(when))
            there = first < contacted.until(chunk.before(when + later))
            row = np.arange(len(part)) if contacted.rows is None else contacted.rows
            place = chunk.later[row[np.where(there, first, 0)]] if len(row) else np.zeros(first.shape, np.int64)
            begins = np.where(there, sub.until(place), ends)
        return np.asarray(np.maximum(ends - begins, 0), np.float64)

    columns = where.columns | (after.columns if after is not None else frozenset())
    return pd.Series(_of_rows(log, index, when, columns, count, nothing=0.0), index=index, name=name)


def _told(
    log: InteractionLog, at: Any, horizon: str, where: Where, column: str, name: str, known_by: Any, censored: bool
) -> pd.Series:
    """A number for each (customer, at): days, orders, or the sum of a column."""
    index = rows_of(log, at)
    when = _instants_of(log, index)
    if not censored:
        _refuse_open(log, index, horizon)
    where = _seen(log, where, when, horizon, known_by)
    columns = where.columns | ({column} - {DAYS})

    def total(part: Part) -> Float:
        return np.stack([_sum(part, log.zone, where, column, int(t), int(t) + duration(horizon)) for t in when])

    out = pd.Series(_of_rows(log, index, when, columns, total, nothing=0.0), index=index, name=name)
    return out.mask(_open(log, index, horizon)) if censored else out


def _of_rows(
    log: InteractionLog, index: pd.MultiIndex, when: Int, columns: frozenset[str], told: Callable[[Part], Float], nothing: float = np.nan,
) -> Float:  # fmt: skip
    """The values, shape (n_instants, n_customers), of the rows of an index; `nothing` for unknown customers."""
    tables = [pd.DataFrame(told(part).T, index=part.customers.to_pandas()) for part in log.parts(columns)]
    known = pd.concat(tables) if tables else pd.DataFrame()
    if not len(known) or not len(index):
        return np.full(len(index), nothing)
    row = known.index.get_indexer(index.get_level_values(CUSTOMER))
    place = np.searchsorted(when, _micros_of(log, index))
    return np.where(row < 0, nothing, known.to_numpy()[row, place])


def _sum(part: Part, zone: Zone, where: Where, column: str, start: int, end: int) -> Float:
    chunk = Chunk(part, np.array([end]), zone)
    feature: ActiveDays | Distinct | Total
    if column == DAYS:
        feature, sub = ActiveDays(), chunk.sub(where)
    elif column == ORDER:
        feature, sub = Distinct(column=column), chunk.sub(where, code=column)
    else:
        feature, sub = Total(column=column), chunk.sub(where, number=column)
    begins, ends = np.array([start]), np.array([end])
    span = Span(sub, sub.until(chunk.before(begins)), sub.until(chunk.before(ends)), ((end - start, 0),))
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


def _micros_of(log: InteractionLog, index: pd.MultiIndex) -> Int:
    """The instant of each row of an index as UTC microseconds."""
    if any((np.asarray(code) < 0).any() for code in index.codes):
        raise DataContractError("The index has rows without a customer or an instant. Leave them out.")
    level = index.levels[1]
    micro = np.array([log.zone.instant(s) for s in level], np.int64)
    found: Int = micro[index.codes[1]]
    return found


def _instants_of(log: InteractionLog, index: pd.MultiIndex) -> Int:
    """The instants of an index as rising UTC microseconds."""
    same_kind(index.levels[0], log)
    return np.unique(_micros_of(log, index)) if len(index) else np.zeros(0, np.int64)


def _open(log: InteractionLog, index: pd.MultiIndex, horizon: str) -> Bool:
    """The rows whose window closes after the end of the log."""
    late: Bool = _micros_of(log, index) + duration(horizon) > log.bounds[1]
    return late


def _refuse_open(log: InteractionLog, index: pd.MultiIndex, horizon: str) -> None:
    if len(index) and _open(log, index, horizon).any():
        length = duration(horizon)
        close = log.zone.stamp(int(_micros_of(log, index).max()) + length)
        latest = log.zone.stamp(log.bounds[1] - length)
        raise LeakageError(
            f"The log ends {log.end:%Y-%m-%d}, before the label window closes on {close:%Y-%m-%d}: "
            f"every customer would look churned.\nUse at <= {latest.floor('D'):%Y-%m-%d}, or a shorter horizon."
        )
