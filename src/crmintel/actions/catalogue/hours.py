"""The hour of the day at which a customer is best reached."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.errors import DataContractError
from crmintel.features import FeatureSet, count
from crmintel.features import hours as at_hours
from crmintel.features import where as where_
from crmintel.interactions import InteractionLog

Hours = tuple[int, int]
SMOOTH: Final = (0.25, 0.5, 0.25)
"""How an interaction counts for the hour before, its own, and the hour after; midnight is no border."""


def preferred_hours(
    log: InteractionLog,
    at: Any,
    *,
    hours: Hours | None = None,
    customers: Iterable[Any] | None = None,
    without: Sequence[str] = ("contact",),
    strength: float = 5.0,
) -> pd.DataFrame:
    """The local hour at which each customer is most active.

    Each interaction counts half for its own hour and a quarter for each neighbour, round the clock. What a customer did is then
    mixed with everybody's distribution (in which each customer counts once), as if `strength` interactions followed it:
    who did little gets everybody's hour.

    Parameters
    ----------
    log, at
        Only what was known before `at` counts, by the business clock of the log.
    hours : pair of int, optional
        Only hours in ``[first, last)`` are answered, such as a channel's; they may pass midnight.
    customers : iterable, optional
        Exactly these customers; the silent ones get everybody's hour.
    without : sequence of str
        Kinds that are not the customer's own doing.
    strength : float, default=5
        Above 0.

    Returns
    -------
    DataFrame
        Indexed by customer: hour (0 to 23, the earliest of equals), share (of the mixed activity of the whole day that
        falls on it), interactions (how many of the customer's own were counted).

    Raises
    ------
    DataContractError
        If nothing happened before `at`, or all of it in the first hour of a day: then the log holds dates without hours.

    Examples
    --------
    >>> frame = pd.DataFrame({"customer_id": [7] * 9 + [8], "timestamp": pd.to_datetime(["2024-01-01 20:15"] * 9 + ["2024-01-02 09:30"])})
    >>> frame["timestamp"] += pd.to_timedelta(range(10), unit="D")
    >>> preferred_hours(InteractionLog.read(frame), "2024-02-01", hours=(8, 21))["hour"].tolist()
    [20, 9]
    """
    if not (np.isfinite(strength) and strength > 0):
        raise DataContractError(f"strength is {strength}. Give a number of interactions above 0.")
    open_ = opened(read_hours(hours, "this call"))
    own = ~where_(kind=list(without)) if without else None
    specs = [count(at_hours(h, h + 1) if own is None else own & at_hours(h, h + 1)) for h in range(24)]
    everybody = FeatureSet(specs).build(log, at)
    total = everybody.to_numpy(np.float64)
    n = total.sum(axis=1)
    if not n.any():
        raise DataContractError("Nobody did anything before at. Give a later instant, or leave fewer kinds out.")
    if not total[:, 1:].any():
        raise DataContractError("All interactions lie in the first hour of a day: the log tells dates, not hours.")
    common = np.mean(_smooth(total[n > 0]) / n[n > 0, None], axis=0)
    if customers is not None:
        wanted = pd.Index(list(customers), name=everybody.index.name).unique().sort_values()
        total = everybody.reindex(wanted).fillna(0.0).to_numpy(np.float64)
        everybody, n = everybody.reindex(wanted), total.sum(axis=1)
    mixed = (_smooth(total) + strength * common) / (n + strength)[:, None]
    # Rounding far below an interaction may not decide between hours that are equal.
    hour = np.where(open_, mixed.round(12), -1.0).argmax(axis=1)
    share = mixed[np.arange(len(hour)), hour]
    return pd.DataFrame({"hour": hour, "share": share, "interactions": n.astype(np.int64)}, index=everybody.index)


def read_hours(hours: Any, whose: str) -> Hours | None:
    """Two whole hours of the day that differ, or None."""
    if hours is None:
        return None
    told = tuple(hours) if isinstance(hours, tuple | list) else ()
    whole = len(told) == 2 and all(isinstance(h, int | np.integer) and not isinstance(h, bool) for h in told)
    if not whole or not (0 <= told[0] < 24 and 0 < told[1] <= 24 and told[0] != told[1]):
        raise DataContractError(f"The hours of {whose} are {hours!r}. Give two whole hours such as (9, 18).")
    return int(told[0]), int(told[1])


def opened(hours: Hours | None) -> npt.NDArray[np.bool_]:
    """Which of the 24 hours lie in ``[first, last)``."""
    if hours is None:
        return np.ones(24, bool)
    hour, (first, last) = np.arange(24), hours
    return (hour >= first) & (hour < last) if first < last else (hour >= first) | (hour < last)


def within(inner: Hours, outer: Hours) -> bool:
    """Whether all hours of one lie in the other."""
    return not (opened(inner) & ~opened(outer)).any()


def _smooth(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    before, here, after = SMOOTH
    told: npt.NDArray[np.float64] = (
        before * np.roll(counts, -1, axis=1) + here * counts + after * np.roll(counts, 1, axis=1)
    )
    return told
