"""Instants: when features are told, and when labels begin."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.columns import AT, CUSTOMER
from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog, Zone
from crmintel.interactions.clock import Int


def monthly(start: Any, end: Any) -> pd.DatetimeIndex:
    """The month beginnings from `start` to `end`, both included, by the business clock.

    >>> [str(d.date()) for d in monthly("2011-01-01", "2011-03-01")]
    ['2011-01-01', '2011-02-01', '2011-03-01']
    """
    return pd.date_range(pd.Timestamp(start).normalize(), pd.Timestamp(end), freq="MS")


def instants(at: Any, zone: Zone) -> Int:
    """Rising UTC microseconds of one instant or several.

    Raises
    ------
    DataContractError
        If there is none, or one is asked for twice.
    """
    many = isinstance(at, Iterable) and not isinstance(at, str)
    out = np.array([zone.instant(a) for a in (at if many else [at])], np.int64)
    if not len(out):
        raise DataContractError("No instant was given. Name at least one.")
    if len(np.unique(out)) < len(out):
        raise DataContractError(f"{len(out) - len(np.unique(out))} instants are given twice. Name each once.")
    return np.sort(out)


def stamps(at: Int, zone: Zone) -> npt.NDArray[np.datetime64]:
    """Instants by the business clock, without a zone."""
    return zone.to_local(at).astype("datetime64[us]")


def rows_of(log: InteractionLog, at: Any) -> pd.MultiIndex:
    """The (customer, instant) pairs that `at` stands for.

    A table's index is taken as it is; instants mean every customer known before each of them.
    """
    if isinstance(at, pd.MultiIndex):
        if list(at.names) != [CUSTOMER, AT]:
            raise DataContractError(
                f"The index has levels {list(at.names)}. Give one of ({CUSTOMER}, {AT}), as FeatureSet.build returns."
            )
        return at
    when = instants(at, log.zone)
    pairs: list[pd.MultiIndex] = []
    for part in log.parts([]):
        known = part.time if part.known_at is None else np.maximum(part.time, part.known_at)
        first = np.minimum.reduceat(known, part.starts[:-1]) if len(part) else np.zeros(0, np.int64)
        who, which = np.nonzero(first[:, None] < when[None, :])
        ids = part.customers.to_pandas().to_numpy()
        pairs.append(pd.MultiIndex.from_arrays([ids[who], stamps(when, log.zone)[which]], names=[CUSTOMER, AT]))
    if not pairs:
        return pd.MultiIndex.from_arrays([pd.Index([]), pd.DatetimeIndex([])], names=[CUSTOMER, AT])
    out = pairs[0]
    for more in pairs[1:]:
        out = out.append(more)
    return out if len(pairs) == 1 else out.sort_values()


def same_kind(ids: pd.Index, log: InteractionLog) -> None:
    """Refuse identifiers of another kind than the log's: a join of 1 and "1" would match nothing.

    Raises
    ------
    DataContractError
        Naming both dtypes.
    """
    if not len(ids) or not len(log.customers):
        return
    ours = log.customers.inferred_type
    if ids.inferred_type != ours:
        raise DataContractError(
            f"Customers are {ids.dtype} ({ids.inferred_type}), but {log.customers.dtype} in the log. Give both one dtype."
        )
