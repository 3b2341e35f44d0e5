"""The time line of one customer: orders, returns, other contacts and the silence up to now."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

from crmintel.columns import AMOUNT, KIND, PURCHASE, RETURN, TIME
from crmintel.reports import canvas, words
from crmintel.reports.axes import Numbers, amounts, figure_of, key, numbers
from crmintel.reports.canvas import BLUE, MUTED, ORANGE, PALE
from crmintel.reports.language import say

MOST_BARS = 150
"""Days with orders up to which every day has a bar of its own; beyond, every month has."""
SHORTEST = 60.0
"""Days that the line shows at least, so that a young history looks young."""


def timeline(history: pd.DataFrame, at: pd.Timestamp, *, prefix: str = "timeline") -> str:
    """One customer's history on a line of time.

    Parameters
    ----------
    history : DataFrame
        timestamp, kind, and amount where money is known; without it every order is as high as any other.
    at : Timestamp
        Now: the end of the line.
    prefix : str
        Of the ids in the drawing.

    Returns
    -------
    str
        SVG; empty without anything to draw.
    """
    if history.empty:
        return ""
    day, now = _day(history[TIME]), _day(pd.Series([at]))[0]
    kind, money = history[KIND].to_numpy(object), numbers(history, AMOUNT)
    priced = bool(np.isfinite(money).any())
    height = money if priced else np.where(kind == PURCHASE, 1.0, np.nan)
    first, orders = day.min(), day[kind == PURCHASE]
    with canvas.theme():
        axes = canvas.sheet(3.2, bottom=40)
        bought = _bars(axes, day, height, kind == PURCHASE, BLUE)
        returned = _bars(axes, day, -np.abs(height), kind == RETURN, ORANGE)
        if orders.size and now > orders.max():
            axes.axvspan(orders.max(), now, facecolor=to_rgba(PALE, 0.35), linewidth=0, zorder=0)
        others = np.unique(day[~np.isin(kind, [PURCHASE, RETURN])])
        amounts(axes)
        low, high = axes.get_ylim()
        if others.size:
            low = min(low, 0) - 0.09 * (high - low)
            axes.plot(others, np.full(others.size, low + 0.04 * (high - low)), "D", color=MUTED, markersize=4)
        axes.set_ylim(low, high)
        if not priced:
            axes.set_yticks([])
        begin = min(first, now - SHORTEST)
        room = 0.03 * (now - begin)
        axes.set_xlim(begin - room, now + room)
        _calendar(axes, begin, now)
        shown = (
            (say("orders"), BLUE, bought),
            (say("returns"), ORANGE, returned),
            (say("other contacts"), MUTED, others.size > 0),
        )
        key(axes, [(name, color) for name, color, there in shown if there])
        _tips(axes, day, kind, height, priced=priced)
        named = [words.day(_stamp(d)) for d in (first, now)]
        label = say("Time line: {0} days with orders from {1} to {2}", np.unique(orders).size, *named)
        return canvas.svg(figure_of(axes), prefix=prefix, label=label)


def _day(times: pd.Series) -> Numbers:
    """Days since 1970, by the clock that the times are told by."""
    local = pd.DatetimeIndex(pd.to_datetime(times)).tz_localize(None)
    return local.to_numpy().astype("datetime64[D]").astype(np.float64)


def _stamp(day: float) -> pd.Timestamp:
    return pd.Timestamp(np.datetime64(int(day), "D"))


def _bars(axes: Axes, day: Numbers, height: Numbers, mine: npt.NDArray[np.bool_], color: str) -> bool:
    """The sums of each day, or of each month where there are too many days. Whether there was anything to draw."""
    mine = mine & np.isfinite(height)
    if not mine.any():
        return False
    place, width = day[mine], max(0.9, min((day.max() - day.min()) / 110, 6.0))
    if np.unique(place).size > MOST_BARS:
        months = place.astype("datetime64[D]").astype("datetime64[M]")
        place, width = months.astype("datetime64[D]").astype(np.float64) + 14, 26.0
    at, which = np.unique(place, return_inverse=True)
    axes.bar(at, np.bincount(which, height[mine]), width=width, color=color, linewidth=0)
    return True


def _tips(axes: Axes, day: Numbers, kind: npt.NDArray[np.object_], height: Numbers, *, priced: bool) -> None:
    """What happened on each day, or in each month of a long history."""
    place, named = day, words.day
    if np.unique(day).size > MOST_BARS:
        place, named = (
            day.astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]").astype(np.float64),
            words.month,
        )
    for at in np.unique(place):
        here = place == at
        happened = pd.Series(kind[here]).value_counts(sort=False)
        told = say("; ").join(words.name(k) if n == 1 else f"{n} × {words.name(k)}" for k, n in happened.items())
        paid = height[here & np.isin(kind, [PURCHASE, RETURN])]
        told += say(", {0}", words.exact(np.nansum(paid))) if priced and np.isfinite(paid).any() else ""
        wide = (at, at + 30.0) if named is words.month else (at - 0.5, at + 0.5)
        canvas.tip(axes, f"{named(_stamp(at))}: {told}", wide)


def _calendar(axes: Axes, first: float, now: float) -> None:
    """At most four months named, or days where the history is short."""
    months = pd.date_range(_stamp(first), _stamp(now), freq="MS")
    if len(months) < 3:
        ticks = np.round(first + (now - first) * np.array([0.12, 0.88]))
        axes.set_xticks(ticks, [words.day(_stamp(t)) for t in ticks])
        return
    edge = round(0.07 * (len(months) - 1))
    chosen = months[edge : len(months) - edge][:: max(1, -(-len(months) // 4))]
    axes.set_xticks(_day(chosen.to_series()), [words.month(m) for m in chosen])
