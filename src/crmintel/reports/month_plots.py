"""The pictures of the months: who was active, who came and went, and what they brought."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from crmintel.reports import canvas, words
from crmintel.reports.axes import Numbers, amounts, figure_of, key, numbers
from crmintel.reports.canvas import BLUE, GREEN, MUTED, ORANGE, PALE, tip
from crmintel.reports.language import say


def monthly_activity(monthly: pd.DataFrame, *, partial: Sequence[bool] = (), prefix: str = "monthly") -> str:
    """Active and new customers a month; months that are not complete are paler."""
    active, new = numbers(monthly, "active_customers"), numbers(monthly, "new_customers")
    if np.isfinite(active).sum() < 2:
        return ""
    months = [words.month(m) for m in monthly["month"]]
    with canvas.theme():
        axes = canvas.sheet(3.2, bottom=26)
        _month_bars(axes, active, PALE, partial)
        _month_bars(axes, new, BLUE, partial)
        amounts(axes)
        _month_ticks(axes, months)
        key(axes, ((say("active customers"), PALE), (say("of them new"), BLUE)))
        for i in np.flatnonzero(np.isfinite(active)).tolist():
            told = say("{0}: {1} active customers", months[i], words.count(active[i]))
            if np.isfinite(new[i]):
                told += say(", {0} of them new", words.count(new[i]))
            tip(axes, told + _unfinished(partial, i), (i - 0.5, i + 0.5))
        label = say("Bars: active and new customers a month from {0} to {1}", months[0], months[-1])
        return canvas.svg(figure_of(axes), prefix=prefix, label=label)


def monthly_changes(monthly: pd.DataFrame, *, partial: Sequence[bool] = (), prefix: str = "changes") -> str:
    """Customers who came, upwards, and who went quiet, downwards, each month; months that are not complete are paler."""
    came, quiet = numbers(monthly, "came_customers"), numbers(monthly, "quiet_customers")
    told = np.flatnonzero(np.isfinite(came) & np.isfinite(quiet)).tolist()
    if len(told) < 2:
        return ""
    months = [words.month(m) for m in monthly["month"]]
    with canvas.theme():
        axes = canvas.sheet(3.2, bottom=26)
        _month_bars(axes, came, BLUE, partial)
        _month_bars(axes, -quiet, ORANGE, partial)
        axes.axhline(0, color=MUTED, linewidth=0.8)
        amounts(axes)
        axes.set_ylim(1.06 * axes.get_ylim()[0], axes.get_ylim()[1])
        axes.set_yticks(axes.get_yticks(), [words.money(abs(t)) for t in axes.get_yticks()])
        _month_ticks(axes, months)
        key(axes, ((say("came"), BLUE), (say("went quiet"), ORANGE)))
        for i in told:
            said = say("{0}: {1} came, {2} went quiet", months[i], words.count(came[i]), words.count(quiet[i]))
            tip(axes, said + _unfinished(partial, i), (i - 0.5, i + 0.5))
        label = say("Bars: customers who came and who went quiet, a month from {0} to {1}", months[0], months[-1])
        return canvas.svg(figure_of(axes), prefix=prefix, label=label)


def monthly_money(monthly: pd.DataFrame, *, partial: Sequence[bool] = (), prefix: str = "money") -> str:
    """The money of each month; months that are not complete are paler."""
    revenue = numbers(monthly, "revenue")
    if np.isfinite(revenue).sum() < 2 or not np.nanmax(np.abs(revenue)) > 0:
        return ""
    months = [words.month(m) for m in monthly["month"]]
    with canvas.theme():
        axes = canvas.sheet(3.2, bottom=26)
        _month_bars(axes, revenue, GREEN, partial)
        amounts(axes)
        _month_ticks(axes, months)
        key(axes, ((say("money a month"), GREEN),))
        for i in np.flatnonzero(np.isfinite(revenue)).tolist():
            told = say("{0}: {1}", months[i], words.money(revenue[i]))
            tip(axes, told + _unfinished(partial, i), (i - 0.5, i + 0.5))
        label = say("Bars: money a month from {0} to {1}", months[0], months[-1])
        return canvas.svg(figure_of(axes), prefix=prefix, label=label)


def _month_bars(axes: Axes, height: Numbers, color: str, partial: Sequence[bool]) -> None:
    """Bars of one color, half transparent where the month is not complete; pale ones have an edge that stands out."""
    edge = {"edgecolor": BLUE, "linewidth": 0.8} if color == PALE else {"linewidth": 0}
    bars = axes.bar(np.arange(height.size), np.nan_to_num(height), width=0.78, color=color, **edge)
    for bar, faint in zip(bars, partial, strict=False):
        bar.set_alpha(0.45 if faint else None)
    axes.set_xlim(-0.6, height.size - 0.4)


def _unfinished(partial: Sequence[bool], i: int) -> str:
    """A remark about a month that is not complete."""
    return say(" (not a whole month)") if i < len(partial) and partial[i] else ""


def _month_ticks(axes: Axes, months: Sequence[str]) -> None:
    """At most four months named, evenly and away from the edges, so that the names keep apart."""
    last = len(months) - 1
    edge = round(0.07 * last)
    step = max(1, (last - 2 * edge) // 3)
    chosen = range(edge, last + 1 - edge, step)
    axes.set_xticks(list(chosen), [months[i] for i in chosen])
