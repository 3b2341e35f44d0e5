"""Pictures of churn: what contacting the riskiest brings."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crmintel.churn import ProfitCurve
from crmintel.reports import canvas, words
from crmintel.reports.axes import Numbers, in_points, key_at, lines, numbers, panel, percents
from crmintel.reports.canvas import BLUE, INK, MUTED, ORANGE, PALE

_LEFT, _TOP, _HIGH, _RIGHT = 46.0, 40.0, 190.0, 14.0
"""Points around and of the axes."""
_FLAT: Final = "#e9edf1"


def profit_plot(curve: ProfitCurve, *, prefix: str = "profit") -> str:
    """Profit by how much of the base is contacted, with the best depth and the depths that are about as good.

    The band holds 95 % of resampled customers at each depth; the dashed line is a random list, which ends where
    everybody is contacted. Money is per customer of the whole base.

    Parameters
    ----------
    curve : ProfitCurve
    """
    depth, profit, low, high = (numbers(curve.curve, c) for c in ("depth", "profit", "low", "high"))
    note = lines(curve.verdict, size=10)
    with canvas.theme():
        figure = Figure(figsize=(canvas.WIDTH, (_TOP + _HIGH + 62 + 15 * len(note)) / 72))
        axes = panel(figure, _LEFT, _TOP, 72 * canvas.WIDTH - _LEFT - _RIGHT, _HIGH)
        _scales(axes, np.r_[low, high, 0.0])
        axes.axvspan(*curve.flat, color=_FLAT, linewidth=0)
        axes.axhline(0, color=INK, linewidth=1)
        axes.fill_between(depth, low, high, color=PALE, alpha=0.5, linewidth=0)
        axes.plot([0, 1], [0, profit[-1]], color=MUTED, linewidth=1.2, dashes=(3, 3))
        axes.plot(depth, profit, color=BLUE)
        _best(axes, curve)
        sheet = in_points(figure)
        entries = [("list", BLUE), ("random list", MUTED), ("best depth", ORANGE)]
        if curve.flat[1] > curve.flat[0]:
            entries.append(("within 2% of it", "#b6c0ca"))
        key_at(sheet, entries, 6, 14)
        sheet.text(6, 32, "Profit per customer of the base", color=MUTED)
        for i, line in enumerate(note):
            sheet.text(6, _TOP + _HIGH + 58 + 15 * i, line, fontsize=10)
        label = f"Curve: profit by depth of contact; best at {words.percent(curve.best.depth.value)} of customers"
        return canvas.svg(figure, prefix=prefix, label=label)


def _scales(axes: Axes, seen: Numbers) -> None:
    """Round ticks of money upwards, percents of customers across."""
    least, most = float(seen.min()), float(seen.max())
    room = 0.06 * ((most - least) or 1.0)
    axes.set_ylim(least - (room if least < 0 else 0), most + room)
    axes.locator_params(axis="y", nbins=5, min_n_ticks=2)
    ticks = [t for t in axes.get_yticks() if axes.get_ylim()[0] <= t <= axes.get_ylim()[1]]
    axes.set_yticks(ticks, [words.money(t) for t in ticks])
    percents(axes, "x", 1.0)
    axes.set_xlabel("Share of customers contacted, most worth it first")


def _best(axes: Axes, curve: ProfitCurve) -> None:
    """The best cut, with the interval of its depth along the curve's foot."""
    best = curve.best
    x, y = best.depth.value, best.profit.value
    foot = axes.get_ylim()[0]
    axes.plot([x, x], [foot, y], color=ORANGE, linewidth=1.2)
    axes.plot(
        [best.depth.low, best.depth.high], [foot, foot], color=ORANGE, linewidth=5, solid_capstyle="butt", clip_on=False
    )
    axes.plot([x], [y], "o", color=ORANGE, markersize=8, markeredgecolor="white", markeredgewidth=1.5, clip_on=False)
