"""The pictures of the report: frame in, inline SVG out, an empty string when there is nothing to draw.

Only our own words and numbers are drawn. Names that come from the data never pass through a plotting font: bars with
such names are drawn by the page itself.
"""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from crmintel.reports import canvas, words
from crmintel.reports.action_plots import budget_plot, effect_plot, ladder_plot, uplift_plot
from crmintel.reports.axes import (
    Numbers,
    amounts,
    figure_of,
    key,
    letters,
    mark,
    money_curve,
    money_scales,
    numbers,
    percents,
    rising,
    tips_along,
)
from crmintel.reports.canvas import BLUE, HEAT, INK, MUTED, ORANGE, PALE, tip
from crmintel.reports.churn_plots import profit_plot
from crmintel.reports.flow_plots import migration_flows
from crmintel.reports.group_plots import group_map, profile_bars, stability_choice
from crmintel.reports.language import say
from crmintel.reports.month_plots import monthly_activity, monthly_changes, monthly_money
from crmintel.reports.pictures import Picture
from crmintel.reports.plan_plots import plan_plot
from crmintel.reports.reason_plots import customer_reasons, segment_reasons
from crmintel.reports.segment_plots import pareto, rfm_map
from crmintel.reports.survival_plots import survival_fan
from crmintel.reports.value_plots import (
    cohort_heat,
    group_means,
    key_customer_curve,
    tracking_cumulative,
    tracking_weekly,
)

__all__ = [
    "Numbers",
    "Picture",
    "budget_plot",
    "calibration",
    "cohort_heat",
    "concentration",
    "customer_reasons",
    "effect_plot",
    "gain_curve",
    "group_map",
    "group_means",
    "half_point",
    "key_customer_curve",
    "ladder_plot",
    "migration_flows",
    "monthly_activity",
    "monthly_changes",
    "monthly_money",
    "numbers",
    "pareto",
    "plan_plot",
    "profile_bars",
    "profit_plot",
    "retention",
    "rfm_map",
    "round_ticks",
    "score_histogram",
    "segment_reasons",
    "stability_choice",
    "survival_fan",
    "tracking_cumulative",
    "tracking_weekly",
    "uplift_plot",
    "value_deciles",
]

_MOST_COHORTS: Final = 12
_MOST_MONTHS: Final = 12


def concentration(curve: pd.DataFrame, *, prefix: str = "concentration") -> str:
    """How much of the money the best customers bring; the point where half of it is reached is marked."""
    found = rising(curve)
    if found is None:
        return ""
    x, y = found
    half = half_point(curve)
    with canvas.theme():
        axes = canvas.sheet(4.2)
        money_curve(axes, x, y)
        axes.fill_between(x, np.minimum(x, y), y, color=PALE, alpha=0.45, linewidth=0)
        axes.annotate(
            say("if all were equal"),
            (0.66, 0.66),
            (6, -6),
            textcoords="offset points",
            color=MUTED,
            va="top",
            ha="left",
        )
        if half is not None:
            mark(axes, half, 0.5)
            place = (max(half, 0.1), 0)
            text = say("{0} of customers", words.percent(half))
            axes.annotate(text, place, (8, 8), textcoords="offset points", fontweight="bold")
        money_scales(axes, float(y.max()))
        tips_along(axes, x, y, lambda a, b: say("{0} of customers bring {1} of the money", *map(words.percent, (a, b))))
        said = "" if half is None else say(": {0} of customers bring half of it", words.percent(half))
        return canvas.svg(
            figure_of(axes), prefix=prefix, label=say("Curve: share of money by share of customers{0}", said)
        )


def half_point(curve: pd.DataFrame, part: float = 0.5) -> float | None:
    """Which share of the customers brings this part of the money, None when it cannot be told.

    >>> half_point(pd.DataFrame({"customer_share": [0.1, 0.3, 1.0], "revenue_share": [0.4, 0.6, 1.0]}))
    0.2
    """
    x, y = numbers(curve, "customer_share"), numbers(curve, "revenue_share")
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    reached = np.flatnonzero(y >= part)
    if not reached.size or reached[0] == 0:
        return None
    i = int(reached[0])
    return round(float(x[i - 1] + (x[i] - x[i - 1]) * (part - y[i - 1]) / (y[i] - y[i - 1])), 9)


def retention(shares: pd.DataFrame, *, prefix: str = "retention") -> str:
    """Which share of each month's new customers came back later: at most the last twelve cohorts by twelve months."""
    shares = shares.apply(pd.to_numeric, errors="coerce")
    shares = shares[[c for c in shares.columns if float(c) > 0][:_MOST_MONTHS]].dropna(how="all")
    shares = shares.tail(_MOST_COHORTS).dropna(how="all", axis=1)
    cells: Numbers = shares.to_numpy(dtype=np.float64, na_value=np.nan)
    if cells.size == 0 or not np.isfinite(cells).any():
        return ""
    rows, columns = cells.shape
    cohorts, later = [words.month(m) for m in shares.index], [f"{float(c):.0f}" for c in shares.columns]
    most = float(np.nanmax(cells)) or 1.0
    with canvas.theme():
        axes = canvas.sheet((rows * 22 + 52) / 72, left=66, bottom=6, top=46, right=4)
        axes.set_xlim(-0.5, max(columns, 4) - 0.5)
        axes.set_ylim(rows - 0.5, -0.5)
        axes.grid(False)
        axes.spines[["bottom"]].set_visible(False)
        axes.pcolormesh(
            np.arange(columns + 1) - 0.5,
            np.arange(rows + 1) - 0.5,
            np.ma.masked_invalid(cells / most),
            cmap=HEAT,
            vmin=0,
            vmax=1,
            edgecolors="white",
            linewidth=1.5,
        )
        for (row, column), share in np.ndenumerate(cells):
            if np.isfinite(share):
                text = f"{100 * share:.0f}"
                axes.text(column, row, text, ha="center", va="center", fontsize=10, color=letters(share / most))
                seen = say(
                    "First seen in {0}: {1} were back in month {2}",
                    cohorts[row],
                    words.percent(share),
                    later[column],
                )
                tip(axes, seen, (column - 0.5, column + 0.5), (row - 0.5, row + 0.5))
        axes.xaxis.tick_top()
        axes.set_xticks(range(columns), later)
        axes.set_yticks(range(rows), cohorts)
        axes.set_title(say("Months after the first purchase"), pad=24)
        return canvas.svg(
            figure_of(axes), prefix=prefix, label=say("Heat map: share of new customers that came back, by month")
        )


def gain_curve(lift: pd.DataFrame, *, churn_rate: float | None = None, prefix: str = "gain") -> str:
    """Which share of all leavers is found in the first part of the list, beside a random and a perfect list."""
    x, y = numbers(lift, "depth"), numbers(lift, "captured")
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return ""
    order = np.argsort(x[known], kind="stable")
    x, y = np.r_[0.0, x[known][order]], np.r_[0.0, y[known][order]]
    if x[-1] < 1:
        x, y = np.r_[x, 1.0], np.r_[y, 1.0]
    with canvas.theme():
        axes = canvas.sheet(3.6)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, dashes=(3, 3))
        rate = words.real(churn_rate)
        if rate is not None and 0 < rate < 1:
            axes.plot([0, rate, 1], [0, 1, 1], color="#b3bcc6", linewidth=1.2)
        axes.fill_between(x, np.minimum(x, y), y, color=PALE, alpha=0.45, linewidth=0)
        axes.plot(x, y, color=BLUE)
        axes.annotate(
            say("random list"), (0.66, 0.66), (6, -6), textcoords="offset points", color=MUTED, va="top", ha="left"
        )
        at = 0.2
        found = float(np.interp(at, x, y))
        mark(axes, at, found)
        axes.annotate(
            say("{0} of leavers", words.percent(found)),
            (at, 0),
            (8, 10),
            textcoords="offset points",
            color=INK,
            fontweight="bold",
        )
        percents(axes, "x", 1.0, most=5)
        percents(axes, "y", 1.0)
        axes.set_ylim(0, 1.02)
        axes.set_title(say("Share of leavers found"))
        axes.set_xlabel(say("Share of customers looked at, riskiest first"))
        tips_along(
            axes, x, y, lambda a, b: say("The riskiest {0} hold {1} of the leavers", *map(words.percent, (a, b)))
        )
        label = say("Curve: the first 20% of the list hold {0} of the leavers", words.percent(found))
        return canvas.svg(figure_of(axes), prefix=prefix, label=label)


def calibration(bins: pd.DataFrame, *, prefix: str = "calibration") -> str:
    """Predicted against observed share of leavers, with intervals, beside the line of a perfect forecast."""
    x, y, low, high = (numbers(bins, c) for c in ("predicted", "observed", "low", "high"))
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return ""
    x, y, low, high = x[known], y[known], low[known], high[known]
    low, high = np.where(np.isfinite(low), low, y), np.where(np.isfinite(high), high, y)
    end = min(1.0, float(np.ceil(max(x.max(), y.max(), high.max()) * 10 + 1e-9) / 10)) or 0.1
    with canvas.theme():
        axes = canvas.sheet(3.6)
        axes.plot([0, end], [0, end], color=MUTED, linewidth=1.2, dashes=(3, 3))
        axes.vlines(x, low, high, color=BLUE, linewidth=2, alpha=0.55, clip_on=False)
        axes.plot(x, y, "o", color=BLUE, markersize=7, markeredgecolor="white", markeredgewidth=1.2, clip_on=False)
        axes.annotate(
            say("more left than said"), (0.04, 0.95), xycoords="axes fraction", color=MUTED, va="top", ha="left"
        )
        axes.annotate(
            say("fewer left than said"),
            (0.97, 0.06),
            xycoords="axes fraction",
            color=MUTED,
            va="bottom",
            ha="right",
        )
        percents(axes, "x", end, most=5)
        percents(axes, "y", end, most=5)
        for at, seen, bottom, top in zip(x, y, low, high, strict=True):
            interval = words.interval(seen, bottom, top, words.percent)
            tip(axes, say("{0} predicted to leave, {1} left", words.percent(at), interval), at, seen)
        axes.set_title(say("Share that really left"))
        axes.set_xlabel(say("Share predicted to leave"))
        return canvas.svg(
            figure_of(axes), prefix=prefix, label=say("Dots: predicted against observed share of leavers")
        )


def score_histogram(bins: pd.DataFrame, *, prefix: str = "scores") -> str:
    """How many customers have which churn probability."""
    low, high, customers = (numbers(bins, c) for c in ("low", "high", "customers"))
    known = np.isfinite(low) & np.isfinite(high) & np.isfinite(customers)
    if not known.any() or customers[known].sum() <= 0:
        return ""
    low, high, customers = low[known], high[known], customers[known]
    with canvas.theme():
        axes = canvas.sheet(3.6)
        gap = (high - low) * 0.06
        axes.bar(low + gap, customers, width=high - low - 2 * gap, align="edge", color=BLUE, linewidth=0)
        amounts(axes)
        percents(axes, "x", max(float(high.max()), 0.01), most=5)
        axes.set_title(say("Customers"))
        axes.set_xlabel(say("Probability to leave"))
        for left, right, n in zip(low, high, customers, strict=True):
            ends = words.percent(left), words.percent(right)
            tip(axes, say("Probability {0} to {1}: {2} customers", *ends, words.count(n)), (left, right))
        return canvas.svg(figure_of(axes), prefix=prefix, label=say("Bars: customers by their probability to leave"))


def value_deciles(deciles: pd.DataFrame, *, prefix: str = "deciles") -> str:
    """Mean money per customer in each tenth by predicted value: bars for what came, dots for what was predicted."""
    predicted, actual = numbers(deciles, "predicted"), numbers(deciles, "actual")
    known = np.isfinite(predicted) & np.isfinite(actual)
    if not known.any():
        return ""
    predicted, actual = predicted[known], actual[known]
    order = np.argsort(-predicted, kind="stable")
    predicted, actual = predicted[order], actual[order]
    x = np.arange(1, len(predicted) + 1)
    with canvas.theme():
        axes = canvas.sheet(3.6)
        axes.bar(x, actual, width=0.72, color=PALE, linewidth=0)
        axes.plot(x, predicted, "o", color=ORANGE, markersize=7.5, markeredgecolor="white", markeredgewidth=1.2)
        amounts(axes)
        axes.set_xlim(0.3, len(x) + 0.7)
        axes.set_xticks(x)
        key(axes, ((say("really came"), PALE), (say("predicted"), ORANGE)))
        axes.set_xlabel(say("Tenth of customers, highest predicted first"))
        for tenth, said, came in zip(x, predicted, actual, strict=True):
            told = say("Tenth {0}: {1} predicted, {2} really came", tenth, words.money(said), words.money(came))
            tip(axes, told, (tenth - 0.5, tenth + 0.5))
        return canvas.svg(
            figure_of(axes), prefix=prefix, label=say("Bars and dots: actual and predicted value by tenth")
        )


def round_ticks(low: float, high: float) -> tuple[float, ...]:
    """A few round figures between two ends, for scales that the page draws itself.

    >>> round_ticks(0.68, 0.81)
    (0.7, 0.75, 0.8)
    """
    ticks = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return tuple(round(float(t), 12) for t in ticks if low <= t <= high)
