"""Churn without a contract: how long a silence must last, and how often it was broken after all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.columns import AT, CUSTOMER, KIND, PURCHASE
from crmintel.errors import DataContractError, LeakageError
from crmintel.evaluation import tables
from crmintel.evaluation.intervals import Estimate, Floats, percentile, resamples, wilson
from crmintel.features.filters import Is, Where
from crmintel.features.labels import churned, time_to_event
from crmintel.interactions import InteractionLog
from crmintel.interactions.clock import duration

CANDIDATES: Final = (7, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365)
"""Horizons in days that are looked at; those longer than half the log are left out."""
CLASSES: Final = {"1 purchase": 1, "2 to 3": 2, "4 to 7": 4, "8 or more": 8}
"""How often a customer had bought when a silence began, by the least number of days with a purchase."""
_DAY: Final = 86_400_000_000
Ints = npt.NDArray[np.int64]


@final
@dataclass(frozen=True, repr=False)
class Silence:
    """How long a silence must last before a customer counts as lost.

    Parameters
    ----------
    horizon : str
        The suggestion, such as ``"90d"``.
    curve : DataFrame
        One row a candidate: horizon_days, false_alarms (share of returns that come only after so long a silence),
        low, high (95 %, customers resampled), decided (share of customers known for as long, so that a label can be
        made for them).
    classes : DataFrame
        One row a class of customers, by purchases so far: purchases, customers (at the end of the log), gaps,
        open_gaps, returned (share that comes back within the log), days_90 and days_95 (silence after which 10 % and 5 %
        of returns are still to come).
    share : float
        Returns that the suggestion should have waited for.
    why : str
        In words.

    Examples
    --------
    >>> from crmintel.churn import suggest_silence
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> suggest_silence(log, n=20).horizon
    '90d'
    """

    horizon: str
    curve: pd.DataFrame
    classes: pd.DataFrame
    share: float
    why: str

    def to_frame(self) -> pd.DataFrame:
        """The curve."""
        return self.curve.copy(deep=False)

    def __repr__(self) -> str:
        return f"Silence(horizon={self.horizon!r})"

    def __str__(self) -> str:
        return f"{self.horizon}: {self.why}"

    def _repr_html_(self) -> str:
        return tables.page(str(self), curve=self.curve, classes=self.classes)


def suggest_silence(
    log: InteractionLog,
    *,
    share: float = 0.9,
    candidates: Sequence[int] = CANDIDATES,
    where: Where | None = None,
    n: int = 100,
    seed: int = 0,
) -> Silence:
    """Suggest a horizon for `features.churned` from the gaps between the purchases of each customer.

    Gaps between days with a purchase are pooled by how often the customer had bought when the gap began, each customer
    counting once in a class. The last gap of everybody is still open: it is taken as longer than what was seen (Kaplan &
    Meier 1958), since leaving it out would make gaps look too short. False alarms are told among returns that the log can
    show; those after its end are not counted, so that long horizons look a little better than they are.

    Parameters
    ----------
    log : InteractionLog
    share : float in (0, 1), default=0.9
        The horizon is the shortest candidate by which so many of the returns have come, averaged over the classes as
        customers are spread over them at the end of the log.
    candidates : sequence of int
        Horizons in days.
    where : Where, optional
        What counts as a sign of life; purchases by default.
    n : int, default=100
        Draws of customers for the intervals.

    Raises
    ------
    DataContractError (a ValueError)
        If nobody bought on two days, or no candidate is as short as half the log.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> suggest_silence(log, n=20)
    Silence(horizon='90d')
    """
    if not 0 < share < 1:
        raise DataContractError(f"share is {share:g}. Pass a share between 0 and 1, such as 0.9.")
    told = _gaps(log, where or Is(KIND, (PURCHASE,)))
    if not told.observed.any():
        raise DataContractError("Nobody bought on two different days: there is no gap to learn from. Use a longer log.")
    tried = np.array(sorted({int(c) for c in candidates if 0 < c <= told.span / 2}), dtype=np.int64)
    if not len(tried):
        raise DataContractError(
            f"The log spans {told.span:,} days, and half of it must hold a horizon. Pass shorter candidates."
        )
    curves = _Curves(told, tried)
    whole = curves.mixed(np.ones(told.customers))
    draws = np.array([curves.mixed(w.astype(np.float64)) for w in resamples(told.customers, n=n, seed=seed)])
    ends = [percentile(v, d) for v, d in zip(whole, draws.T, strict=True)]
    decided = [float((told.first <= told.end - h).mean()) for h in tried]
    curve = pd.DataFrame(
        {"horizon_days": tried, "false_alarms": whole, "low": [e.low for e in ends], "high": [e.high for e in ends], "decided": decided}
    )  # fmt: skip
    row, why = _chosen(curve, share)
    return Silence(f"{tried[row]}d", curve, curves.classes(), share, why)


def _chosen(curve: pd.DataFrame, share: float) -> tuple[int, str]:
    enough = np.flatnonzero(curve["false_alarms"].to_numpy() <= 1 - share)
    row = int(enough[0]) if len(enough) else len(curve) - 1
    at = curve.iloc[row]
    known = f"a label can be made for {at['decided']:.0%} of customers"
    late = f"{at['false_alarms']:.1%} ({at['low']:.1%} to {at['high']:.1%}) of returns come only after it"
    if not len(enough):
        return row, f"the longest horizon that half the log holds; {late}, more than {1 - share:.0%}; {known}."
    return row, f"the shortest horizon by which {share:.0%} of returns have come; {late}; {known}."


@final
@dataclass(frozen=True)
class _Gaps:
    """Every gap of every customer: whose, after how many purchases, how many days, and whether it ended."""

    customer: Ints
    bought: Ints
    days: Ints
    observed: npt.NDArray[np.bool_]
    first: Ints
    end: int
    span: int

    @property
    def customers(self) -> int:
        return len(self.first)


def _gaps(log: InteractionLog, where: Where) -> _Gaps:
    end, start = (int(log.zone.to_local(np.array([t]))[0] // _DAY) for t in (log.bounds[1], log.bounds[0]))
    found = []
    before = 0
    for part in log.parts(where.columns):
        mask = where.mask(part, log.zone)
        who, day = part.customer_codes[mask].astype(np.int64), log.zone.to_local(part.time[mask]) // _DAY
        fresh = np.ones(len(who), bool)
        fresh[1:] = (who[1:] != who[:-1]) | (day[1:] != day[:-1])
        found.append(np.column_stack([who[fresh] + before, day[fresh]]))
        before += len(part.customers)
    rows = np.concatenate(found) if found else np.zeros((0, 2), np.int64)
    if not len(rows):
        raise DataContractError("The log has no purchase: there is no gap to learn from. Map the kinds, or pass where.")
    _, who, counts = np.unique(rows[:, 0], return_inverse=True, return_counts=True)
    day, starts = rows[:, 1], np.cumsum(counts) - counts
    last = np.zeros(len(day), bool)
    last[starts + counts - 1] = True
    until = np.where(last, end, np.r_[day[1:], end])
    bought = np.arange(len(day)) - starts[who] + 1
    return _Gaps(who, bought, until - day, ~last, day[starts], end, end - start)


@final
class _Curves:
    """The curve of Kaplan and Meier in each class, for any weights of the customers."""

    def __init__(self, gaps: _Gaps, tried: Ints) -> None:
        self.gaps, self.tried = gaps, tried
        self.of = np.searchsorted(list(CLASSES.values()), gaps.bought, side="right") - 1
        pair = gaps.customer * len(CLASSES) + self.of
        self.once = 1.0 / np.bincount(pair)[pair]
        self.now = self.of[~gaps.observed]  # one open gap a customer, in the order of customers
        self.rows = [*(np.flatnonzero(self.of == c) for c in range(len(CLASSES))), np.arange(len(self.of))]

    def survival(self, c: int, weights: Floats) -> Floats:
        """Share of gaps longer than 0, 1, 2 … days, up to the longest that ended."""
        rows, gaps = self.rows[c], self.gaps
        ended = gaps.observed[rows]
        longest = int(gaps.days[rows][ended].max()) if ended.any() else 0
        days, w = np.minimum(gaps.days[rows], longest + 1), self.once[rows] * weights[gaps.customer[rows]]
        risk = np.bincount(days, w, minlength=longest + 2)[::-1].cumsum()[::-1][: longest + 1]
        events = np.bincount(days, w * ended, minlength=longest + 2)[: longest + 1]
        return np.asarray(np.cumprod(1 - np.divide(events, risk, out=np.zeros(longest + 1), where=risk > 0)))

    def late(self, c: int, weights: Floats) -> Floats:
        """Share of returns that come after a silence of 0, 1, 2 … days or later; missing where nobody returned."""
        alive = self.survival(c, weights)
        never = alive[-1]
        if never >= 1 - 1e-12:
            return np.full(1, np.nan)
        return np.asarray((np.r_[1.0, alive] - never) / (1 - never))

    def mixed(self, weights: Floats) -> Floats:
        """The same at each candidate, averaged over customers as they are at the end of the log.

        A class in which nobody has returned yet is taken to be like all customers together.
        """
        size = np.bincount(self.now, weights, minlength=len(CLASSES))
        told = [self.late(c, weights) for c in range(len(CLASSES) + 1)]
        at = np.array([a[np.minimum(self.tried, len(a) - 1)] for a in told])
        of_class = np.where(np.isnan(at[:-1]), at[-1], at[:-1])
        return np.asarray(size @ of_class / size.sum())

    def classes(self) -> pd.DataFrame:
        return pd.DataFrame(list(self._rows()))

    def _rows(self) -> Iterator[dict[str, Any]]:
        even = np.ones(self.gaps.customers)
        for c, name in enumerate(CLASSES):
            late = self.late(c, even)
            back = 1 - self.survival(c, even)[-1] if len(self.rows[c]) else np.nan
            days = {f"days_{s}": _first(late, 1 - s / 100) for s in (90, 95)}
            yield {
                "purchases": name,
                "customers": int((self.now == c).sum()),
                "gaps": len(self.rows[c]),
                "open_gaps": int((~self.gaps.observed[self.rows[c]]).sum()),
                "returned": float(back),
                **days,
            }


def _first(late: Floats, most: float) -> float:
    """The first day from which at most this share of returns is still to come."""
    found = np.flatnonzero(late <= most + 1e-12)
    return float(found[0]) if len(found) else float("nan")


@final
@dataclass(frozen=True, repr=False)
class Reactivation:
    """How many customers who were called lost bought again: the error rate of the label.

    Parameters
    ----------
    instants : DataFrame
        One row an instant: at, customers, called (silent for the horizon), returned (bought later, until the end of the
        log), followed_days (from the end of the horizon to the end of the log), returned_within, share, low, high (of
        those called, within `within`; Wilson). The last four are missing where the log ends too early to know.
    share : Estimate
        The same share over all instants that are followed long enough; customers resampled.
    horizon, within : str

    Examples
    --------
    >>> from crmintel.churn import re_activated
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> re_activated(log, "2023-06-01", "60d", n=20)
    Reactivation(33.3% (24.8% to 44.9%) of those silent for 60d bought within 60d more)
    """

    instants: pd.DataFrame
    share: Estimate
    horizon: str
    within: str

    def to_frame(self) -> pd.DataFrame:
        """One row an instant."""
        return self.instants.copy(deep=False)

    def __repr__(self) -> str:
        return f"Reactivation({self.share:.1%} of those silent for {self.horizon} bought within {self.within} more)"

    def _repr_html_(self) -> str:
        return tables.page(repr(self), instants=self.instants)


def re_activated(
    log: InteractionLog,
    at: Any,
    horizon: str,
    *,
    within: str | None = None,
    where: Where | None = None,
    n: int = 300,
    seed: int = 0,
) -> Reactivation:
    """Count the customers whom `features.churned` called lost at earlier instants and who bought again later.

    Every instant is followed for the same time, so that early instants, which the log follows longer, do not look worse.

    Parameters
    ----------
    at : instant or instants
        When they were called lost.
    horizon : str
        The silence that was asked for, such as ``"90d"``.
    within : str, optional
        How long to look for a return after it; by default as long as the horizon.
    where : Where, optional
        What counts as a sign of life; purchases by default.

    Raises
    ------
    LeakageError
        If a label window, or the time to look for returns of every instant, closes after the end of the log.
    DataContractError (a ValueError)
        If nobody was called lost.

    Examples
    --------
    >>> days = ["2024-01-01", "2024-03-15", "2024-01-01", "2024-06-30"]
    >>> log = InteractionLog.read(pd.DataFrame({"customer_id": [1, 1, 2, 3], "timestamp": pd.to_datetime(days)}))
    >>> re_activated(log, "2024-02-01", "30d", n=20).instants[["called", "returned", "share"]].to_numpy().tolist()
    [[2.0, 1.0, 0.5]]
    """
    lost = churned(log, at, horizon, where=where)
    spent, more = (duration(x) / _DAY for x in (horizon, within or horizon))
    event = time_to_event(log, lost.index, where=where)
    called = lost.to_numpy()
    later = called & event["observed"].to_numpy()
    soon = later & (event["days"].to_numpy() < spent + more)
    when = pd.DatetimeIndex(lost.index.get_level_values(AT))
    followed = (log.end - when).total_seconds().to_numpy() / 86_400 - spent
    full = followed >= more
    if not full.any():
        latest = log.end - pd.Timedelta(days=spent + more)
        raise LeakageError(
            f"The log ends {log.end:%Y-%m-%d}, before returns within {within or horizon} can be known at any instant.\n"
            f"Use at <= {latest:%Y-%m-%d}, or a shorter time to look."
        )
    frame = pd.DataFrame(
        {"at": when, "called": called, "returned": later, "soon": soon, "followed": followed, "full": full}
    )
    table = pd.DataFrame([_instant_row(stamp, rows) for stamp, rows in frame.groupby("at")])
    who = pd.factorize(lost.index.get_level_values(CUSTOMER), sort=True)[0]
    share = _pooled(who, called & full, soon & full, n, seed)
    return Reactivation(table, share, horizon, within or horizon)


def _instant_row(at: Any, rows: pd.DataFrame) -> dict[str, Any]:
    called, soon = int(rows["called"].sum()), int(rows["soon"].sum())
    known = bool(rows["full"].iloc[0]) and called > 0
    told = wilson(soon, called) if known else Estimate(np.nan, np.nan, np.nan)
    return {
        "at": at,
        "customers": len(rows),
        "called": called,
        "returned": int(rows["returned"].sum()),
        "followed_days": float(rows["followed"].iloc[0]),
        "returned_within": float(soon) if known else np.nan,
        "share": told.value,
        "low": told.low,
        "high": told.high,
    }


def _pooled(who: Ints, called: npt.NDArray[np.bool_], soon: npt.NDArray[np.bool_], n: int, seed: int) -> Estimate:
    """Returns over calls, customers resampled with all their instants."""
    calls, returns = np.bincount(who, called), np.bincount(who, soon)
    if not calls.sum():
        raise DataContractError("Nobody was silent for the horizon at these instants. Use a shorter one, or others.")
    sums = np.array([(w @ returns, w @ calls) for w in resamples(len(calls), n=n, seed=seed)], dtype=np.float64)
    draws = np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)
    return percentile(float(returns.sum() / calls.sum()), draws)
