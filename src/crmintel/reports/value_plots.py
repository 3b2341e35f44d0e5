"""Pictures of value: expected beside actual purchases, forecasts by group, cohorts, and the few who matter most.

As in `crmintel.reports.plots`: our objects in, inline SVG out, an empty string when there is nothing to draw. Nothing is
drawn that tells of fewer than ten customers.
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from crmintel.reports import canvas, words
from crmintel.reports.axes import (
    Numbers,
    amounts,
    figure_of,
    in_points,
    key_at,
    letters,
    mark,
    money_curve,
    money_scales,
    numbers,
)
from crmintel.reports.canvas import BLUE, HEAT, INK, MUTED, ORANGE, PALE
from crmintel.segmentation.small import FEWEST
from crmintel.value.calibration import GroupMeans
from crmintel.value.cohorts import BUYERS, CohortTriangle
from crmintel.value.key_customers import KeyCustomers
from crmintel.value.tracking import HOLDOUT, TrackingCurves

_ROWS: Final = 12
_AGES: Final = 12
_MONEY_AGES: Final = 9
_ENTRIES: Final = [("really bought", INK), ("expected", BLUE), ("expected, knowing the past", ORANGE)]
_CELL: Final = 22.0
"""Points that a row of the heat map takes."""


def tracking_cumulative(curves: TrackingCurves, *, prefix: str = "tracking") -> str:
    """All repeat purchases so far, week by week: those that came and those a model expected, with the end of what it learned from.

    Parameters
    ----------
    curves : TrackingCurves
    """
    weeks = curves.weeks
    if curves.customers < FEWEST or len(weeks) < 2:
        return ""
    names = ("cumulative_actual", "cumulative_expected", "cumulative_conditional")
    actual, expected, known = (numbers(weeks, n).copy() for n in names)
    split = int((weeks["part"] != HOLDOUT).sum())
    if split:  # the forecast begins where the actual curve was at the instant
        known[split - 1] = actual[split - 1]
    return _tracking(curves, (actual, expected, known), "Repeat purchases so far", prefix)


def tracking_weekly(curves: TrackingCurves, *, prefix: str = "weekly") -> str:
    """Repeat purchases of each week: those that came and those a model expected. Weeks of fewer than seven days are left out.

    Parameters
    ----------
    curves : TrackingCurves
    """
    ends = curves.weeks["ends"]
    whole = ends.diff().dt.days.fillna(7) == 7
    whole.iloc[0] = False  # it may have begun on any day
    if curves.customers < FEWEST or whole.sum() < 2:
        return ""
    weeks = curves.weeks[whole]
    part = replace(curves, weeks=weeks)
    told = tuple(numbers(weeks, n) for n in ("actual", "expected", "conditional"))
    return _tracking(part, told, "Repeat purchases a week", prefix)


def _tracking(curves: TrackingCurves, told: tuple[Numbers, ...], title: str, prefix: str) -> str:
    ends = curves.weeks["ends"]
    x = (ends - ends.iloc[0]).dt.days.to_numpy(np.float64)
    entries = _ENTRIES if np.isfinite(told[2]).sum() else _ENTRIES[:2]
    error = curves.totals.set_index("part")["error"]
    with canvas.theme():
        axes = canvas.sheet(3.8, top=62, bottom=30)
        for y, (_, color), wide in zip(told, entries, (1.6, 2.0, 2.0), strict=False):
            axes.plot(x, y, color=color, linewidth=wide)
        amounts(axes)
        axes.set_xlim(x[0], x[-1])
        _months(axes, ends)
        border = (curves.at - pd.Timedelta(days=1) - ends.iloc[0]).days
        if x[0] < border < x[-1]:
            axes.axvline(border, color=MUTED, linewidth=1, dashes=(3, 3))
            place = ((border - x[0]) / (x[-1] - x[0]), 1.0)
            side = "left" if place[0] < 0.2 else "right" if place[0] > 0.8 else "center"
            axes.annotate("learned until here", place, (0, 4), xycoords="axes fraction", textcoords="offset points", color=MUTED, ha=side)  # fmt: skip
        sheet = in_points(figure_of(axes))
        sheet.text(12, 16, title, color=MUTED, va="baseline")
        key_at(sheet, entries, 12, 36)
        off = (
            ""
            if np.isnan(error[HOLDOUT])
            else f"; after {words.day(curves.at)} it is off by {words.percent(error[HOLDOUT])}"
        )
        label = f"Curves: {title.lower()}, expected and actual, of {words.count(curves.customers)} customers{off}"
        return canvas.svg(figure_of(axes), prefix=prefix, label=label)


def _months(axes: Axes, ends: "pd.Series[Any]") -> None:
    """At most four months named, evenly and away from the edges."""
    first, last = ends.iloc[0], ends.iloc[-1]
    room = (last - first) * 0.07
    starts = pd.date_range(first.normalize(), last, freq="MS")
    inside = [m for m in starts if first + room <= m <= last - room]
    if inside:
        step = -(-len(inside) // 4)
        chosen = inside[::step]
        axes.set_xticks([(m - first).days for m in chosen], [words.month(m) for m in chosen])
    else:
        axes.set_xticks([(last - first).days / 2], [words.day(first + (last - first) / 2)])


def group_means(means: GroupMeans, *, prefix: str = "groups") -> str:
    """Forecast and outcome of groups of customers: bars with intervals for what came, dots for what was expected.

    Groups of fewer than ten customers are left out.

    Parameters
    ----------
    means : GroupMeans
        By frequency or by tenth.
    """
    told = means.table[means.table["customers"] >= FEWEST]
    if told.empty:
        return ""
    names = [str(n) for n in told.iloc[:, 0]]
    expected, actual, low, high = (numbers(told, c) for c in ("expected", "actual", "low", "high"))
    x = np.arange(len(told), dtype=np.float64)
    with canvas.theme():
        axes = canvas.sheet(3.7, top=38)
        axes.bar(x, actual, width=0.72, color=PALE, linewidth=0)
        axes.vlines(x, low, high, color=MUTED, linewidth=1.6)
        axes.plot(x, expected, "o", color=ORANGE, markersize=7.5, markeredgecolor="white", markeredgewidth=1.2)
        axes.update_datalim([(0.0, float(np.nanmax(np.r_[high, expected, actual])))])
        amounts(axes)
        axes.set_xlim(-0.7, len(x) - 0.3)
        axes.set_xticks(x, names)
        frequency = means.by == "frequency"
        axes.set_xlabel(
            "Purchases before, after the first" if frequency else "Tenth of customers, highest forecast first"
        )
        sheet = in_points(figure_of(axes))
        key_at(sheet, [("really came, with interval", PALE), ("expected", ORANGE)], 12, 16)
        inside = int(((expected >= low) & (expected <= high)).sum())
        label = f"Bars and dots: mean outcome and forecast by {means.by}; {inside} of {len(told)} forecasts lie in the interval"
        return canvas.svg(figure_of(axes), prefix=prefix, label=label)


def cohort_heat(triangle: CohortTriangle, *, prefix: str = "cohorts") -> str:
    """How cohorts go on: at most the last twelve, and all of them in the last row, over at most twelve later periods.

    Buyers are told in percent of the cohort, money per customer, with the period of the first purchase and eight later ones. Cohorts of fewer than ten customers are left out, of the last row, too.

    Parameters
    ----------
    triangle : CohortTriangle
    """
    large = triangle.customers >= FEWEST
    triangle = replace(triangle, customers=triangle.customers[large], totals=triangle.totals[large])
    each = triangle.each.iloc[:, : _AGES + 1]
    each = each.iloc[:, 1:] if triangle.what == BUYERS else each.iloc[:, :_MONEY_AGES]
    each = each.dropna(how="all").tail(_ROWS).dropna(how="all", axis=1)
    if each.empty:
        return ""
    names = [_named(c, triangle.period) for c in pd.DatetimeIndex(each.index)]
    sizes = [words.count(n) for n in triangle.customers[each.index]]
    cells = np.vstack([each.to_numpy(np.float64), triangle.overall[each.columns].to_numpy(np.float64)])
    rows, columns = cells.shape
    later = (
        cells if triangle.what == BUYERS or columns == 1 else cells[:, 1:]
    )  # the first purchase would outshine the rest
    most = float(np.nanmax(later, initial=0.0)) or 1.0
    with canvas.theme():
        axes = canvas.sheet((rows * _CELL + 66) / 72, left=116, bottom=6, top=60, right=4)
        axes.set_xlim(-0.5, max(columns, 4) - 0.5)
        axes.set_ylim(rows - 0.5 + 0.25, -0.5)
        axes.grid(False)
        axes.spines[["bottom"]].set_visible(False)
        for (row, column), value in np.ndenumerate(cells):
            if np.isfinite(value):
                _cell(axes, column, row + 0.25 * (row == rows - 1), value / most, _written(value, triangle.what))
        axes.xaxis.tick_top()
        axes.set_xticks(range(columns), [str(c) for c in each.columns])
        axes.set_yticks([*range(rows - 1), rows - 0.75], [*names, "all"])
        axes.tick_params(axis="y", pad=50)
        for row, n in zip(
            [*range(rows - 1), rows - 0.75], [*sizes, words.count(triangle.customers.sum())], strict=True
        ):
            axes.annotate(n, (0, row), (-8, 0), xycoords=("axes fraction", "data"), textcoords="offset points", ha="right", va="center", color=MUTED, fontsize=10)  # fmt: skip
        sheet = in_points(figure_of(axes))
        what = "Percent who buy" if triangle.what == BUYERS else "Money per customer"
        sheet.text(12, 16, f"{what}, by {triangle.period}s after the first purchase", color=MUTED, va="baseline")
        sheet.text(108, 50, "customers", color=MUTED, va="baseline", ha="right", fontsize=10)
        label = f"Heat map: {what.lower()} by {triangle.period} of first purchase and {triangle.period}s after it, {rows - 1} cohorts"
        return canvas.svg(figure_of(axes), prefix=prefix, label=label)


def _cell(axes: Axes, x: float, y: float, part: float, text: str) -> None:
    part = min(max(part, 0.0), 1.0)
    axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=HEAT(part), linewidth=0))
    axes.text(x, y, text, ha="center", va="center", fontsize=9.5, color=letters(part))


def _written(value: float, what: str) -> str:
    return f"{100 * value:.0f}" if what == BUYERS else words.money(value)


def _named(cohort: pd.Timestamp, period: str) -> str:
    if period == "quarter":
        return f"Q{cohort.quarter} {cohort.year}"
    return (
        words.month(cohort) if period == "month" else f"{cohort.day} {words.month(cohort)[:3]} {cohort.year % 100:02d}"
    )


def key_customer_curve(key: KeyCustomers, *, prefix: str = "key") -> str:
    """How value adds up over customers, with the list of key customers marked.

    The mark is left out where the list, or those not on it, are fewer than ten.

    Parameters
    ----------
    key : KeyCustomers
    """
    x, y = numbers(key.curve, "customer_share"), numbers(key.curve, "revenue_share")
    if key.n < FEWEST or len(x) < 2:
        return ""
    listed = len(key.table)
    with canvas.theme():
        axes = canvas.sheet(4.4, top=50, right=20)
        money_curve(axes, x, y)
        axes.fill_between(x, np.minimum(x, y), y, color=PALE, alpha=0.45, linewidth=0)
        said = f"The value of {words.count(key.n)} customers"
        if FEWEST <= listed <= key.n - FEWEST:
            part = listed / key.n
            mark(axes, part, key.share)
            said = f"{words.percent(part)} of customers hold {words.percent(key.share)} of the value"
        money_scales(axes, float(y.max()))
        axes.set_title("")
        axes.set_ylim(min(0.0, float(y.min()) * 1.05), axes.get_ylim()[1])
        sheet = in_points(figure_of(axes))
        sheet.text(12, 16, said, fontweight="bold", va="baseline")
        sheet.text(12, 36, "Share of the value", color=MUTED, va="baseline")
        label = f"Curve: value over customers, best first; {said[0].lower() + said[1:]}"
        return canvas.svg(figure_of(axes), prefix=prefix, label=label)
