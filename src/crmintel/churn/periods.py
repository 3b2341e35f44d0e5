"""Time in periods: where they end, and the rows of customers and periods that hazards are learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from crmintel.churn.table import Float, Int
from crmintel.errors import DataContractError
from crmintel.evaluation.times import length

MOST_ROWS: Final = 1_000_000
"""Rows of customers and periods that are learned from at most; more are sampled and weighted."""
MOST_PERIODS: Final = 120
"""Periods of equal length at most; beyond, later ones grow."""
FINE: Final = 60
"""Periods of the full fineness where later ones grow."""
GROWING: Final = 40
"""Periods where times are no whole numbers; they grow, since most leave early."""
GROWTH: Final = 1.5


@final
@dataclass(frozen=True, eq=False)
class Periods:
    """Periods of time since the start: the first begins at 0, each ends where the next begins and holds its end.

    Parameters
    ----------
    ends : array, shape (n_periods,), rising
    rule : str
        How they were chosen.
    """

    ends: Float
    rule: str

    @property
    def starts(self) -> Float:
        """Where each begins."""
        return np.concatenate([[0.0], self.ends[:-1]])

    def of(self, t: npt.ArrayLike) -> Int:
        """The period that holds each time; the last one for later times."""
        return np.minimum(np.searchsorted(self.ends, t, side="left"), len(self.ends) - 1)


@final
@dataclass(frozen=True, eq=False)
class Rows:
    """One row a customer and period at risk.

    Parameters
    ----------
    customer, period : arrays of int, shape (n_rows,)
    left : array of int (0 or 1)
        Whether the customer was seen leaving in the period.
    weight : array of float
        The part of the period that was seen, times the customers that a sampled row stands for.
    rule : str
        Which rows were taken.
    """

    customer: Int
    period: Int
    left: Int
    weight: Float
    rule: str


def periods(duration: Float, period: float | Sequence[float] | None) -> Periods:
    """The periods for times: as given, of one length, or chosen from the times.

    Raises
    ------
    DataContractError
        If a length is not above 0, or ends do not rise from above 0 to at least the longest time.
    """
    longest = float(duration.max())
    if period is None:
        if not (duration % 1).any() and longest <= MOST_PERIODS:
            return Periods(np.arange(1.0, longest + 1), f"{longest:g} periods of 1: all times are whole numbers")
        return Periods(longest * (np.arange(1, GROWING + 1) / GROWING) ** GROWTH, f"{GROWING} periods that grow")
    if np.ndim(period) == 0:
        return _of_length(length(period, "period"), longest)
    ends = np.asarray(period, np.float64)
    if ends.ndim != 1 or not len(ends) or not (np.diff(ends, prepend=0.0) > 0).all() or ends[-1] < longest:
        raise DataContractError(
            f"The ends of periods must rise from above 0 to at least the longest duration, {longest:g}. Add later ends, or sort them."
        )
    ends = ends[: int(np.searchsorted(ends, longest)) + 1]
    return Periods(ends, f"{len(ends)} periods as given")


def _of_length(length: float, longest: float) -> Periods:
    if not 0 < length < np.inf:
        raise DataContractError(f"period is {length:g}. Pass a length above 0, in the unit of duration.")
    n = int(np.ceil(longest / length - 1e-9))
    if n <= MOST_PERIODS:
        return Periods(length * np.arange(1.0, n + 1), f"{n} periods of {length:g}")
    grown = np.geomspace(FINE, n, MOST_PERIODS - FINE + 1)[1:]
    ends: Float = np.unique(np.concatenate([np.arange(1, FINE + 1), np.ceil(grown - 1e-9)])).astype(np.float64)
    return Periods(length * ends, f"{FINE} periods of {length:g}, then {len(ends) - FINE} that grow")


def person_periods(
    entry: Float, duration: Float, observed: Any, cut: Periods, *, most: int = MOST_ROWS, seed: int = 0
) -> Rows:
    """The periods in which each customer is at risk; all of them, or a sample with weights where there are more than `most`.

    All rows of customers who left are kept up to half of `most`; of the other rows each stands for as many as are left out. Within a
    period hazard is taken as constant, so a part of a period counts as that part of a row.
    """
    first, last = cut.of(np.nextafter(entry, np.inf)), cut.of(duration)
    seen = np.asarray(observed, bool)
    stays = last - first + ~seen  # rows without an event
    total, events = int(stays.sum()), int(seen.sum())
    rng = np.random.default_rng(seed)
    if total + events <= most:
        kept, rule = np.arange(total), f"all {total + events:,} rows"
        gone = np.flatnonzero(seen)
    else:
        gone = np.flatnonzero(seen)[_sample(events, most // 2, rng)]
        kept = _sample(total, most - len(gone), rng)
        rule = (
            f"{len(gone):,} of {events:,} rows with an event and {len(kept):,} of {total:,} without, the latter with "
            f"weight {total / len(kept):.3g}"
        )
    before = np.concatenate([[0], np.cumsum(stays)])
    customer = np.searchsorted(before, kept, side="right") - 1
    period = first[customer] + kept - before[customer]
    part = _part(entry[customer], np.where(seen[customer], np.inf, duration[customer]), period, cut)
    weight = np.concatenate([part * (total / max(len(kept), 1)), np.full(len(gone), events / max(len(gone), 1))])
    left = np.concatenate([np.zeros(len(kept), np.int64), np.ones(len(gone), np.int64)])
    customer, period = np.concatenate([customer, gone]), np.concatenate([period, last[gone]])
    order = np.lexsort((period, customer))
    return Rows(customer[order], period[order], left[order], weight[order], rule)


def _part(entry: Float, end: Float, period: Int, cut: Periods) -> Float:
    """The part of each period between entry and end."""
    start, stop = cut.starts[period], cut.ends[period]
    return (np.minimum(end, stop) - np.maximum(entry, start)) / (stop - start)


def _sample(n: int, most: int, rng: np.random.Generator) -> Int:
    """Rising places, one from each of `most` equal stretches; all if there are no more."""
    if n <= most:
        return np.arange(n)
    return np.minimum((np.arange(most) + rng.random(most)) * (n / most), n - 1).astype(np.int64)
