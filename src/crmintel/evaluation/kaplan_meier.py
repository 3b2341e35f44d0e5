"""How many are still there after some time: the Kaplan–Meier curve with its band, and whether groups differ."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2, norm

from crmintel.errors import DataContractError, DataContractWarning
from crmintel.evaluation import checks, tables
from crmintel.evaluation.aligned import together
from crmintel.evaluation.intervals import Estimate, Floats
from crmintel.evaluation.times import unitless

Bools = npt.NDArray[np.bool_]
_LONGEST: Final = 1_000_000
"""Whole times up to this are counted, others are sorted."""


@final
@dataclass(frozen=True, repr=False, eq=False)
class KaplanMeier:
    """The share of customers still there after each time at which somebody left or was last seen.

    Parameters
    ----------
    time : array, shape (n_times,), rising
    at_risk, events : arrays of int, shape (n_times,)
        Customers under observation just before the time, and those of them who left at it.
    survival, low, high : arrays in [0, 1], shape (n_times,)
        The curve, and the ends of its interval, time by time (not for the whole curve at once).
    level : float
        How often such an interval holds the truth.

    Examples
    --------
    >>> from crmintel.evaluation import kaplan_meier
    >>> stay = kaplan_meier([1, 2, 3, 4], [True, True, False, True])
    >>> stay
    KaplanMeier(times=4, events=3, median=2 (1 to inf))
    """

    time: Floats
    at_risk: npt.NDArray[np.int64]
    events: npt.NDArray[np.int64]
    survival: Floats
    low: Floats
    high: Floats
    level: float = 0.95

    def at(self, t: npt.ArrayLike) -> Floats:
        """The share still there after times `t`; missing beyond the longest time, unless all had left by then."""
        return self._steps(self.survival, 1.0, np.asarray(t, np.float64))

    def estimate(self, t: float) -> Estimate:
        """The share still there after one time, with its interval."""
        value, low, high = (float(self._steps(v, 1.0, np.asarray(t))) for v in (self.survival, self.low, self.high))
        return Estimate(value, low, high, self.level, "Greenwood, log-log")

    @property
    def median(self) -> Estimate:
        """The first time after which at most half are still there, with its interval; infinite where none is reached.

        References
        ----------
        Brookmeyer and Crowley (1982), Biometrics 38, 29-41.
        """
        value, low, high = (self._first(v) for v in (self.survival, self.low, self.high))
        return Estimate(value, low, high, self.level, "Brookmeyer and Crowley, log-log")

    def to_frame(self) -> pd.DataFrame:
        """One row a time: time, at_risk, events, survival, low, high."""
        names = ("time", "at_risk", "events", "survival", "low", "high")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def __repr__(self) -> str:
        return f"KaplanMeier(times={len(self.time):,}, events={int(self.events.sum()):,}, median={self.median:.3g})"

    def _repr_html_(self) -> str:
        return tables.page(repr(self), curve=self.to_frame().iloc[_few(len(self.time))])

    def _first(self, curve: Floats) -> float:
        below = np.flatnonzero(curve <= 0.5)
        return float(self.time[below[0]]) if len(below) else np.inf

    def _steps(self, values: Floats, before: float, t: Floats) -> Floats:
        place = np.searchsorted(self.time, t, side="right")
        out = np.concatenate([[before], values])[place]
        unknown = (t > self.time[-1]) & (self.survival[-1] > 0) | np.isnan(t)
        return np.where(unknown, np.nan, out)


def kaplan_meier(
    duration: npt.ArrayLike, observed: npt.ArrayLike, *, entry: npt.ArrayLike | None = None, level: float = 0.95
) -> KaplanMeier:
    """The share of customers still there after each time, when some have not left yet.

    Parameters
    ----------
    duration : array of float, shape (n_customers,)
        Time from the start to leaving, or to the last time that the customer was seen; above 0, in any one unit. Series with an
        index find one another's customers by it.
    observed : array of bool, shape (n_customers,)
        Whether leaving was seen (True) or the customer was still there (False).
    entry : array of float, shape (n_customers,), optional
        Time from the start at which the customer came under observation, if later than the start (left truncation).
    level : float in (0, 1), default=0.95
        Of the intervals: Greenwood's variance on the scale log(−log survival), which keeps them inside 0 and 1.

    Raises
    ------
    DataContractError
        If times are missing, infinite or not above 0, nobody left, or an entry is not before its end.

    Warns
    -----
    DataContractWarning
        If late entries leave so few at risk at an early time that the curve falls to 0 there for good.

    Notes
    -----
    Who left and who was last seen at the same time: leaving counts first. Where the curve is 1 its interval is 1 to 1;
    where it is 0, the interval goes from 0 to its last upper end.

    References
    ----------
    Kaplan and Meier (1958), JASA 53, 457-481; Kalbfleisch and Prentice (2002), section 1.4.

    Examples
    --------
    >>> kaplan_meier([1, 2, 2, 3], [True, True, False, False]).survival.tolist()
    [0.75, 0.5, 0.5]
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level:g}. Pass a share between 0 and 1, such as 0.95.")
    times, seen, begin = spells(duration, observed, entry)
    time, code = distinct(times)
    events = np.bincount(code, weights=seen, minlength=len(time)).astype(np.int64)
    at_risk = risk_sets(time, code, begin)
    gone = (events == at_risk) & (at_risk > 0)
    if begin is not None and gone[:-1].any():
        warnings.warn(
            f"All customers at risk at time {time[gone][0]:g} left ({int(events[gone][0]):,} of so many): the curve stays at 0. "
            "Start later, or take customers that are seen from the start.", DataContractWarning, stacklevel=2,
        )  # fmt: skip
    survival: Floats = np.cumprod(1 - events / np.maximum(at_risk, 1)).astype(np.float64)
    low, high = _band(survival, events, at_risk, float(norm.ppf((1 + level) / 2)))
    return KaplanMeier(time, at_risk, events, survival, low, high, level)


@final
@dataclass(frozen=True, repr=False, eq=False)
class LogRank:
    """Whether groups of customers leave at different times.

    Parameters
    ----------
    groups : DataFrame
        One row a group: group, customers, events, and the events expected if all groups left alike.
    statistic, p_value : float
        Chi-square with one degree of freedom less than there are groups.

    Examples
    --------
    >>> from crmintel.evaluation import log_rank
    >>> log_rank([1, 2, 3, 4, 5, 6], [True] * 6, ["S", "S", "S", "L", "L", "L"])
    LogRank(groups=2, statistic=5.052, p_value=0.0246)
    """

    groups: pd.DataFrame
    statistic: float
    p_value: float

    def to_frame(self) -> pd.DataFrame:
        """The groups."""
        return self.groups

    def __repr__(self) -> str:
        return f"LogRank(groups={len(self.groups)}, statistic={self.statistic:.3f}, p_value={self.p_value:.3g})"

    def _repr_html_(self) -> str:
        return tables.page(repr(self), groups=self.groups)


def log_rank(
    duration: npt.ArrayLike, observed: npt.ArrayLike, group: Any, *, entry: npt.ArrayLike | None = None
) -> LogRank:
    """Test whether groups of customers leave at different times.

    Parameters
    ----------
    group : array, shape (n_customers,)
        At least two different values, none missing; the others are as in `kaplan_meier`.

    References
    ----------
    Mantel (1966), Cancer Chemotherapy Reports 50; Kalbfleisch and Prentice (2002), section 1.5.

    Examples
    --------
    >>> log_rank([1, 2, 3, 4], [True] * 4, ["a", "a", "b", "b"]).groups["expected"].round(3).tolist()
    [0.833, 3.167]
    """
    told = together(duration=duration, observed=observed, entry=entry, group=group)
    of, names = pd.factorize(np.asarray(told.pop("group")), sort=True)
    times, seen, begin = spells(**told)
    if len(of) != len(times) or (of < 0).any() or len(names) < 2:
        raise DataContractError(
            f"group holds {len(of):,} rows for {len(times):,} customers, {int((of < 0).sum()):,} missing, and {len(names)} "
            "different value(s). Give each customer one of at least two groups."
        )
    time, code = distinct(times)
    events = np.stack(
        [np.bincount(code[of == g], weights=seen[of == g], minlength=len(time)) for g in range(len(names))]
    )
    risk = np.stack(
        [risk_sets(time, code[of == g], None if begin is None else begin[of == g]) for g in range(len(names))]
    )
    n, d = risk.sum(axis=0), events.sum(axis=0)
    share = risk / np.maximum(n, 1)
    gap = (events - share * d).sum(axis=1)[1:]
    spread = d * (n - d) / np.maximum(n - 1, 1)
    covariance = (np.diag((share * spread).sum(axis=1)) - (share * spread) @ share.T)[1:, 1:]
    statistic = float(gap @ np.linalg.pinv(covariance) @ gap)
    table = pd.DataFrame({
        "group": names, "customers": np.bincount(of), "events": events.sum(axis=1).astype(np.int64), "expected": (share * d).sum(axis=1),
    })  # fmt: skip
    return LogRank(table, statistic, float(chi2.sf(statistic, len(names) - 1)))


def spells(
    duration: npt.ArrayLike, observed: npt.ArrayLike, entry: npt.ArrayLike | None = None
) -> tuple[Floats, Bools, Floats | None]:
    """Times, whether the end was seen, and entries, checked; Series in the order of the first one.

    Raises
    ------
    DataContractError
        As in `kaplan_meier`; what is wrong is counted.
    DataTypeError
        If times carry a unit of their own, or are dates.
    """
    told = together(duration=unitless(duration, "duration"), observed=observed, entry=entry)
    times, seen = checks.amounts(told["duration"], "duration"), checks.numbers(told["observed"], "observed")
    begin = None if entry is None else checks.amounts(unitless(told["entry"], "entry"), "entry")
    checks.same_length({"duration": times, "observed": seen} | ({} if begin is None else {"entry": begin}))
    for message in _wrong(times, seen, begin):
        raise DataContractError(message)
    return times, seen == 1, begin


def _wrong(times: Floats, seen: Floats, begin: Floats | None) -> Iterator[str]:
    n = len(times)
    if k := int((times <= 0).sum()):
        yield f"duration is not above 0 for {k:,} of {n:,} customers. Leave out who has not started yet."
    if k := int(((seen != 0) & (seen != 1)).sum()):
        yield f"observed is neither 0 nor 1 for {k:,} of {n:,} customers. Pass booleans."
    if not seen.any():
        yield f"observed is constant: 0 of {n:,} customers left. Choose a time in which some leave, or a longer log."
    if begin is None:
        return
    if k := int((begin < 0).sum()):
        yield f"entry is negative for {k:,} of {n:,} customers. Count it from the start, as duration is."
    if k := int((begin >= times).sum()):
        yield f"entry is not before duration for {k:,} of {n:,} customers. Both count from the start; leave out who came after leaving."


def distinct(times: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    """The different times, rising, and the place of each time among them."""
    if times.max() <= _LONGEST and not (times % 1).any():
        whole = times.astype(np.intp)
        there = np.bincount(whole) > 0
        return np.flatnonzero(there).astype(np.float64), (np.cumsum(there) - 1)[whole]
    time, code = np.unique(times, return_inverse=True)
    return time, code


def risk_sets(time: Floats, code: npt.NDArray[np.intp], begin: Floats | None) -> npt.NDArray[np.int64]:
    """How many are under observation just before each time: who ends at it or later, and came before it."""
    ends = np.bincount(code, minlength=len(time))
    if begin is not None:
        first = np.searchsorted(time, begin, side="right")
        comes = np.bincount(first, minlength=len(time) + 1)[: len(time)]
        return np.cumsum(comes) - np.cumsum(ends) + ends
    return np.cumsum(ends[::-1])[::-1].astype(np.int64)


def _band(survival: Floats, events: Any, at_risk: Any, z: float) -> tuple[Floats, Floats]:
    """Greenwood's interval on the scale log(−log S)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.cumsum(events / (at_risk * (at_risk - events.astype(np.float64)))))
        wide = np.exp(z * spread / -np.log(survival))
        low, high = survival**wide, survival ** (1 / wide)
    low, high = np.where(survival == 1, 1.0, low), np.where(survival == 1, 1.0, high)
    over = survival == 0
    if over.any():
        last = high[~over][-1] if (~over).any() else 1.0
        low, high = np.where(over, 0.0, low), np.where(over, last, high)
    return low, high


def _few(n: int, most: int = 20) -> npt.NDArray[np.intp]:
    """Rows of a long table that are shown."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))
