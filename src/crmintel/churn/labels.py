"""Churn that a contract tells: labels, and durations for survival, from a status or from start and end dates."""

import warnings
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd

from crmintel.columns import AT, CUSTOMER
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError, LeakageError
from crmintel.interactions.clock import duration
from crmintel.interactions.frames import frame_of

_DAY: Final = 86_400.0
NO_TIME: Final = "no time was seen (not in survival)"
"""Why a customer has no duration: it would be 0, or as long as the entry, which no curve of survival can take."""


@final
@dataclass(frozen=True, repr=False)
class Contracts:
    """Who left, and how long each customer has been seen.

    Parameters
    ----------
    label : Series of bool, or None
        Whether the contract ended in ``[at, at + horizon)``, indexed by (customer, at) as `features.churned` is; from
        a status, whether it is one of the positive ones, indexed by customer. None without a horizon.
    survival : DataFrame, or None
        Indexed by customer: duration (days from start to end, or to the last day seen; the unit of `tenure` where that
        was given), observed (whether the end was seen) and entry (the age from which the customer is in the table; who
        ended before it could not be, which is left truncation). None where no duration is known.
    left_out : DataFrame
        reason and customers, one row a reason; they are not in `survival`, and in `label` only where no time was seen: the
        contract ended right at the instant, or the tenure is 0.
    n : int
        Customers in the table.

    Examples
    --------
    >>> from crmintel.churn import by_status
    >>> table = pd.DataFrame({"customer_id": [1, 2], "churn": ["yes", "no"], "months": [5, 9]})
    >>> by_status(table, "churn", positive="yes", tenure="months")
    Contracts(n=2, kept=2, 1 of 2 leave)
    """

    label: pd.Series | None
    survival: pd.DataFrame | None
    left_out: pd.DataFrame
    n: int

    @property
    def duration(self) -> pd.Series | None:
        """How long each customer was seen."""
        return None if self.survival is None else self.survival["duration"]

    @property
    def observed(self) -> pd.Series | None:
        """Whether the end of each was seen."""
        return None if self.survival is None else self.survival["observed"]

    @property
    def entry(self) -> pd.Series | None:
        """From which age on each was in the table."""
        return None if self.survival is None else self.survival["entry"]

    def to_frame(self) -> pd.DataFrame:
        """Label and survival side by side, one row a customer; missing where a customer is in one of them alone."""
        parts = [] if self.label is None else [self.label.droplevel(AT) if self.label.index.nlevels > 1 else self.label]
        return pd.concat(parts + ([] if self.survival is None else [self.survival]), axis=1)

    def __repr__(self) -> str:
        kept = len(self.to_frame())
        left = "" if self.label is None else f", {int(self.label.sum()):,} of {len(self.label):,} leave"
        return f"Contracts(n={self.n:,}, kept={kept:,}{left})"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{self.left_out.to_html(index=False)}"


def by_status(
    table: Any, status: str, *, positive: Any = None, tenure: str | None = None, customer: str = CUSTOMER
) -> Contracts:
    """Read who left from a column that says so on the day of the export.

    Nothing tells when they left, so the label is of the past: a feature that was made later than the end of the contract
    leaks. Prefer dates (`contractual`).

    Parameters
    ----------
    table : DataFrame (pandas, polars or Arrow)
        One row a customer.
    status : str
        The column: 0 and 1, booleans, or text.
    positive : value or several values (list, set, array, …), optional
        What means that the customer left; needed for text and for more than two values.
    tenure : str, optional
        A column of how long each customer was there, in any unit; gives `survival` with entry 0, without tenures of 0.
    customer : str, default="customer_id"
        A column or the index.

    Raises
    ------
    DataContractError (a ValueError)
        If the status is missing, mixes text and numbers, or has other values than can be read, with their count
        (BAD_INPUTS row 95), or nobody has a positive one.

    Warns
    -----
    DataContractWarning
        If some of `positive` never occur; they are named.

    Examples
    --------
    >>> table = pd.DataFrame({"customer_id": [1, 2, 3], "churn": ["yes", "no", "no"], "months": [5, 9, 0]})
    >>> by_status(table, "churn", positive="yes", tenure="months").to_frame().to_numpy().tolist()
    [[True, 5.0, True, 0.0], [False, 9.0, False, 0.0], [False, nan, nan, nan]]
    """
    table = _checked(table, [c for c in (status, tenure) if c is not None])
    index = _customers(table, customer)
    left = _left(table[status], positive)
    label = pd.Series(left, index=index, name="churned")
    if tenure is None:
        return Contracts(label, None, _report({}), len(table))
    survival = pd.DataFrame({"duration": _tenure(table[tenure]), "observed": left, "entry": 0.0}, index=index)
    seen = survival["duration"] > 0
    return Contracts(label, survival[seen], _report({NO_TIME: int((~seen).sum())}), len(table))


def contractual(
    table: Any,
    *,
    start: str,
    end: str,
    seen: Any = None,
    at: Any = None,
    horizon: str | None = None,
    customer: str = CUSTOMER,
) -> Contracts:
    """Read labels and durations from the days on which contracts start and end.

    Parameters
    ----------
    table : DataFrame (pandas, polars or Arrow)
        One row a customer.
    start, end : str
        Columns of dates; a missing end means that the contract still runs.
    seen : date, optional
        Until when ends are known, usually the day of the export; pass it. By default the latest start: nothing else in
        the table is sure to be of the past, since an end may be a notice given in advance. A later end counts as not yet
        seen. Where contracts are entered before they start, even the latest start may lie ahead.
    at : date, optional
        When the question is asked: only contracts that started before it and had not ended count, and each enters
        at the age it had then.
    horizon : str, optional
        Label the contracts that end in ``[at, at + horizon)``, such as ``"90d"``.
    customer : str, default="customer_id"
        A column or the index.

    Raises
    ------
    LeakageError
        If the horizon closes after `seen`: nobody could know yet who leaves.
    DataContractError (a ValueError)
        If columns, dates or starts are missing, an end lies before its start, a customer stands there twice, or
        nobody is left.

    Warns
    -----
    DataContractWarning
        If `seen` is not given and ends lie after the latest start; they are counted.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "customer_id": [1, 2, 3, 4],
    ...     "start": ["2023-01-01", "2023-06-01", "2023-01-01", "2024-06-01"],
    ...     "end": ["2024-02-01", None, "2023-12-01", None]})
    >>> told = contractual(table, start="start", end="end", seen="2024-06-30", at="2024-01-01", horizon="90d")
    >>> told.label.tolist(), told.left_out.to_numpy().tolist()
    ([True, False], [['ended before at', 1], ['started at or after at', 1]])
    >>> told.survival.to_numpy().tolist()
    [[396.0, True, 365.0], [395.0, False, 214.0]]
    """
    table = _checked(table, [start, end])
    index = _customers(table, customer)
    begins, ends = _dates(table[start], start), _dates(table[end], end)
    _possible(begins, ends, start, end)
    last = begins.max() if seen is None else _instant(seen, "seen")
    when = None if at is None else _instant(at, "at")
    _refuse(when, horizon, last, "" if seen is not None else " (the latest start, since seen is not given)")
    alive, left_out = _alive(begins, ends, last, when)
    if not alive.any():
        raise DataContractError(f"None of {len(table):,} contracts runs then. Check at, seen and the dates.")
    if seen is None:
        _assumed(ends, last)
    begins, ends, index = begins[alive], ends[alive], index[alive.to_numpy()]
    observed = (ends <= last).to_numpy()
    until = ends.where(ends <= last, last)
    entry = np.zeros(len(index)) if when is None else (when - begins).dt.total_seconds().to_numpy() / _DAY
    spent = (until - begins).dt.total_seconds().to_numpy() / _DAY
    survival = pd.DataFrame({"duration": spent, "observed": observed, "entry": entry}, index=index)
    long = spent > entry
    left_out[NO_TIME] = int((~long).sum())
    return Contracts(_label(ends, index, when, horizon), survival[long], _report(left_out), len(table))


def _assumed(ends: pd.Series, last: pd.Timestamp) -> None:
    """Warn that the last day seen is only assumed, where that hides ends."""
    if later := int((ends > last).sum()):
        warnings.warn(
            f"seen is not given: ends are taken as known until {last:%Y-%m-%d}, the latest start. {later:,} of {len(ends):,} "
            "contracts end later, which counts as not yet seen. Pass seen, the day of the export.",
            DataContractWarning,
            stacklevel=3,
        )


def _label(ends: pd.Series, index: pd.Index, when: pd.Timestamp | None, horizon: str | None) -> pd.Series | None:
    if when is None or horizon is None:
        return None
    pairs = pd.MultiIndex.from_arrays([index, pd.DatetimeIndex([when] * len(index))], names=[CUSTOMER, AT])
    return pd.Series((ends < when + _length(horizon)).to_numpy(), index=pairs, name="churned")


def _alive(
    begins: pd.Series, ends: pd.Series, last: pd.Timestamp, when: pd.Timestamp | None
) -> tuple[pd.Series, dict[str, int]]:
    """Whose contract runs at the instant (or was ever seen), and how many of the others there are."""
    if when is None:
        late = begins > last
        return ~late, {"started after the last day seen": int(late.sum())}
    late, gone = begins >= when, ends < when
    return ~(late | gone), {"ended before at": int((gone & ~late).sum()), "started at or after at": int(late.sum())}


def _report(left_out: dict[str, int]) -> pd.DataFrame:
    rows = [(reason, n) for reason, n in left_out.items() if n]
    return pd.DataFrame(rows, columns=["reason", "customers"]).astype({"customers": np.int64})


def _refuse(when: pd.Timestamp | None, horizon: str | None, last: pd.Timestamp, why: str) -> None:
    if horizon is not None and when is None:
        raise DataContractError("A horizon needs an instant to start from. Pass at.")
    if when is None:
        return
    if horizon is not None and when + _length(horizon) > last:
        raise LeakageError(
            f"Ends are known until {last:%Y-%m-%d}{why}, before the label window closes on {when + _length(horizon):%Y-%m-%d}: "
            f"nobody knows yet who leaves.\nUse at <= {last - _length(horizon):%Y-%m-%d}, or a shorter horizon; "
            "or pass seen, the day of the export, if it is later."
        )
    if when >= last:
        raise LeakageError(
            f"Nothing is known from {when:%Y-%m-%d} on: ends are known until {last:%Y-%m-%d}{why}. Use an earlier at, or "
            "pass seen, the day of the export, if it is later."
        )


def _possible(begins: pd.Series, ends: pd.Series, start: str, end: str) -> None:
    if missing := int(begins.isna().sum()):
        raise DataContractError(f"{start!r} is missing for {missing:,} of {len(begins):,} customers. Leave them out.")
    if wrong := int((ends < begins).sum()):
        raise DataContractError(
            f"{end!r} lies before {start!r} for {wrong:,} of {len(begins):,} customers. Correct them, or leave them out."
        )


def _left(status: pd.Series, positive: Any) -> Any:
    """Whether each status means that the customer left."""
    name, n = str(status.name), len(status)
    if missing := int(status.isna().sum()):
        raise DataContractError(f"{name!r} is missing for {missing:,} of {n:,} customers. Leave them out.")
    if texts := _texts(status):
        raise DataContractError(
            f"{name!r} mixes text and other values: text for {texts:,} of {n:,} customers. Turn all into one kind, such as "
            "with astype(str)."
        )
    if positive is not None:
        return _among(status, positive)
    values = status.nunique()
    if not (pd.api.types.is_numeric_dtype(status) or _is_truth(status)):
        raise DataContractError(
            f"{name!r} is no number and has {values:,} different values. Say which of them means left: positive=…"
        )
    other = int((~status.isin([0, 1])).sum())
    if other:
        raise DataContractError(
            f"{name!r} is neither 0 nor 1 for {other:,} of {n:,} customers, with {values:,} different values in all. "
            "Repair it, or say which value means left: positive=…"
        )
    return (status == 1).to_numpy()


def _among(status: pd.Series, positive: Any) -> Any:
    """Whether each status is one of those that mean left; words that never occur are the caller's own, and are named."""
    several = isinstance(positive, Iterable) and not isinstance(positive, str | bytes)
    choices = (positive.tolist() if hasattr(positive, "tolist") else list(positive)) if several else [positive]
    absent = ", ".join(sorted(repr(choice) for choice in choices if not status.isin([choice]).any()))
    found = status.isin(choices).to_numpy()
    name, n = str(status.name), len(status)
    if not found.any():
        raise DataContractError(
            f"None of {n:,} customers has a {name!r} that is positive ({absent or 'none is named'}); {status.nunique():,} "
            "different values occur. Check its spelling, and whether it is text or a number."
        )
    if absent:
        warnings.warn(
            f"positive names values that never occur in {name!r}: {absent}. Check their spelling, or leave them out.",
            DataContractWarning,
            stacklevel=4,
        )
    return found


def _texts(status: pd.Series) -> int:
    """How many are text where others are not."""
    if not pd.api.types.is_object_dtype(status.dtype):
        return 0
    k = sum(isinstance(value, str) for value in status)
    return k if k < len(status) else 0


def _is_truth(status: pd.Series) -> bool:
    """Whether a column of objects holds only yes and no, or numbers."""
    return pd.api.types.infer_dtype(status) in {"boolean", "integer", "floating", "mixed-integer-float"}


def _tenure(tenure: pd.Series) -> Any:
    told = pd.to_numeric(tenure, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if wrong := int((~(np.isfinite(told) & (told >= 0))).sum()):
        raise DataContractError(
            f"{str(tenure.name)!r} is missing, negative or no number for {wrong:,} of {len(told):,} customers. "
            "Correct it, or leave them out."
        )
    return told


def _dates(column: pd.Series, name: str) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column) and column.notna().any():
        raise DataContractError(f"{name!r} holds numbers, not dates. Turn them into dates first.")
    told = pd.to_datetime(column, errors="coerce", format=None if _is_time(column) else "ISO8601")
    if wrong := int((told.isna() & column.notna()).sum()):
        raise DataContractError(
            f"{name!r} cannot be read as a date (YYYY-MM-DD) for {wrong:,} of {len(column):,} rows."
        )
    return (told.dt.tz_localize(None) if told.dt.tz is not None else told).reset_index(drop=True)


def _is_time(column: pd.Series) -> bool:
    return bool(pd.api.types.is_datetime64_any_dtype(column))


def _instant(x: Any, name: str) -> pd.Timestamp:
    try:
        told = pd.Timestamp(x)
    except (TypeError, ValueError):
        told = pd.NaT  # type: ignore[assignment]  # seen to be one just below
    if pd.isna(told):
        raise DataContractError(f"{name} cannot be read as a date. Write it as 'YYYY-MM-DD'.")
    return told.tz_localize(None)


def _length(horizon: str) -> pd.Timedelta:
    return pd.Timedelta(microseconds=duration(horizon))


def _checked(table: Any, wanted: Sequence[str]) -> pd.DataFrame:
    """The table as one of pandas, with the columns that are needed and some rows."""
    table = frame_of(table)
    if not isinstance(table, pd.DataFrame):
        raise DataTypeError(
            f"A table of contracts cannot be a {type(table).__name__}. Give a DataFrame with named columns."
        )
    if absent := [c for c in wanted if c not in table.columns]:
        raise DataContractError(f"The table lacks columns: {', '.join(absent)}. Name those that it has.")
    if not len(table):
        raise DataContractError("The table has no rows. Pass one row for each customer.")
    return table


def _customers(table: pd.DataFrame, customer: Hashable) -> pd.Index:
    if customer in table.columns:
        index: pd.Index = pd.Index(table[customer], name=CUSTOMER)
    elif table.index.name == customer:
        index = table.index.rename(CUSTOMER)
    else:
        raise DataContractError(f"The table has no column or index {customer!r}. Pass customer=…")
    if missing := int(np.sum(index.isna())):
        raise DataContractError(f"{missing:,} of {len(index):,} rows have no customer. Leave them out.")
    if twice := int(np.sum(index.duplicated())):
        raise DataContractError(f"{twice:,} of {len(index):,} rows repeat a customer. Keep one row for each.")
    return index
