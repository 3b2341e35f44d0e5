"""Pictures of actions: whom they change, what each way to act brings, what money buys, and who gets what.

As in `crmintel.reports.plots`: our objects in, inline SVG out, an empty string when there is nothing to draw. Nothing is
drawn that tells of fewer than ten customers.
"""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crmintel.actions import Policy, PolicyValue
from crmintel.columns import ACTION
from crmintel.evaluation.uplift import UpliftCurve
from crmintel.reports import canvas, words
from crmintel.reports.axes import (
    WIDE,
    Names,
    Numbers,
    amounts,
    figure_of,
    in_points,
    key_at,
    lines,
    mark,
    numbers,
    panel,
    percents,
)
from crmintel.reports.canvas import BLUE, INK, MUTED, ORANGE, PALE
from crmintel.segmentation.small import FEWEST

_POINTS: Final = 400
"""At so many depths a curve is drawn."""
_ROW: Final = 34.0
"""Points that a way to act takes, its name above its interval."""
_ROWS: Final = 12
_COLUMNS: Final = 6
_PANEL: Final = 170.0
_CELL: Final = 24.0


def uplift_plot(curve: UpliftCurve, *, prefix: str = "uplift") -> str:
    """What treating the top of a list gains, beside the band in which random lists lie.

    Parameters
    ----------
    curve : UpliftCurve
    """
    treated = float(curve.sums[-1, 0])
    if curve.customers < 2 * FEWEST or treated <= 0:
        return ""
    depth = np.linspace(0, 1, _POINTS)
    qini, low, high = (np.interp(depth, curve.depth, y) / treated for y in (curve.qini, curve.low, curve.high))
    area, band = curve.qini_area, curve.qini_area_band
    beyond = "more than random lists show" if area > band[1] else "less than random lists show" if area < band[0] else "no more than random lists show"  # fmt: skip
    area_, low_, high_ = alike(area, *band)
    said = f"Area above the random line {area_}: {beyond} ({low_} to {high_})"
    with canvas.theme():
        note = lines(said, size=10)
        axes = canvas.sheet(3.9, top=58, bottom=54 + 14 * len(note), right=22)
        axes.fill_between(depth, low, high, color=PALE, alpha=0.55, linewidth=0)
        axes.plot([0, 1], [0, qini[-1]], color=MUTED, linewidth=1.2, dashes=(3, 3))
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.plot(depth, qini, color=BLUE)
        _upright(axes, np.r_[qini, low, high, 0.0])
        percents(axes, "x", 1.0)
        axes.set_xlabel("Share of customers, highest score first")
        sheet = in_points(figure_of(axes))
        sheet.text(12, 16, "Outcome gained a treated customer of the whole", color=MUTED, va="baseline")
        key_at(sheet, [("this list", BLUE), ("random lists, 95 of 100", PALE)], 12, 38)
        _note(sheet, note)
        label = f"Curve: what the top of a list of {words.count(curve.customers)} customers gains. {said}"
        return canvas.svg(figure_of(axes), prefix=prefix, label=label)


def ladder_plot(policy: Policy | PolicyValue, *, prefix: str = "ladder") -> str:
    """What each way to act brings a customer, with its interval.

    Of a policy that was chosen: the value of each action for everybody and of the best for each, against doing nothing; the
    chosen one is marked. Of a policy that was judged from records: its gain over each action for everybody, the twelve that come
    nearest to it.

    Parameters
    ----------
    policy : Policy or PolicyValue
    """
    if isinstance(policy, Policy):
        rows = [(r["policy"], r["value"], r["low"], r["high"], r["chosen"]) for _, r in policy.ladder.iterrows()]
        title, axis = "Ways to act, and what they bring", "Money a customer, against the same customers left alone"
    else:
        told = policy.singles[policy.singles["compared"]].sort_values("gain", kind="stable").head(_ROWS)
        rows = [(f"{r[ACTION]} for everybody", r["gain"], r["low"], r["high"], False) for _, r in told.iterrows()]
        title, axis = f"Against one action for everybody: {policy.verdict}", "Gain of the policy over it, a round"
    if not rows:
        return ""
    high = _ROW * len(rows)
    with canvas.theme():
        names = Names()
        figure = Figure(figsize=(canvas.WIDTH, (36 + high + 48) / 72))
        sheet = in_points(figure)
        sheet.text(12, 18, title, fontweight="bold", va="baseline")
        axes = panel(figure, 16, 32, WIDE - 36, high)
        ends = np.array([[r[1], r[2], r[3]] for r in rows], np.float64)
        _across(axes, ends.ravel())
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(False)
        row = np.arange(len(rows))
        axes.vlines(np.zeros(len(rows)), row + 0.02, row + 0.46, color=INK, linewidth=1)
        told_ends = alike(*ends.ravel())
        for i, (name, value, low, top, chosen) in enumerate(rows):
            color = ORANGE if chosen else BLUE
            axes.plot([low, top], [i + 0.22] * 2, color=color, linewidth=3, alpha=0.45, solid_capstyle="butt")
            axes.plot([value], [i + 0.22], "o", color=color, markersize=7, markeredgecolor="white", markeredgewidth=1.2)
            told_name = names(name, 30) + (" (chosen)" if chosen else "")
            _left(axes, i - 0.2, told_name, weight="bold" if chosen else "normal")
            figure_text = "{} ({} to {})".format(*told_ends[3 * i : 3 * i + 3]) if low < top else plain(value)
            axes.text(1, i - 0.2, figure_text, transform=axes.get_yaxis_transform(), ha="right", va="center", color=MUTED, fontsize=10)  # fmt: skip
        axes.set_xlabel(axis)
        best = next((i for i, r in enumerate(rows) if r[4]), None)
        label = title + ("" if best is None else f"; chosen: {names(rows[best][0], 40)}")
        return names.put(canvas.svg(figure, prefix=prefix, label=f"Intervals: {label}"))


def budget_plot(frame: pd.DataFrame, *, budget: float | None = None, prefix: str = "budget") -> str:
    """What other budgets would bring, with the one that was planned.

    Parameters
    ----------
    frame : DataFrame
        budget, value, price, as `Allocation.budget_curve` returns it.
    budget : float, optional
        The one that was planned.
    """
    x, y, price = (numbers(frame, c) for c in ("budget", "value", "price"))
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < 2:
        return ""
    order = np.argsort(x[known], kind="stable")
    x, y, price = x[known][order], y[known][order], price[known][order]
    there = budget is not None and x[0] <= budget <= x[-1]
    at = float(budget if budget is not None and there else x[-1])
    value, worth = float(np.interp(at, x, y)), float(np.interp(at, x, price))
    said = f"{'A budget of' if there else 'At most'} {words.money(at)} brings {words.money(value)}"
    more = f"one more there brings {plain(worth)}"
    with canvas.theme():
        axes = canvas.sheet(3.8, top=62, left=54, right=22)
        axes.plot(x, y, color=BLUE)
        axes.update_datalim([(0, 0), (float(x[-1]), float(y.max()))])
        amounts(axes)
        axes.set_xlim(0, float(x[-1]) * 1.02)
        axes.locator_params(axis="x", nbins=5)
        ticks = [t for t in axes.get_xticks() if 0 <= t <= x[-1] * 1.02]
        axes.set_xticks(ticks, [words.money(t) for t in ticks])
        if there:
            mark(axes, at, value)
        axes.set_xlabel("Budget")
        sheet = in_points(figure_of(axes))
        sheet.text(12, 16, f"{said}; {more}", fontweight="bold", va="baseline", fontsize=10.5)
        sheet.text(12, 38, "Money that the best plan brings", color=MUTED, va="baseline")
        return canvas.svg(figure_of(axes), prefix=prefix, label=f"Curve: value by budget. {said}; {more}")


def effect_plot(calibration: pd.DataFrame, *, causal: bool = True, prefix: str = "effects") -> str:
    """The effect that customers were told beside the one that their group had, a panel for each action.

    Groups of fewer than ten customers are left out; at most four actions are drawn.

    Parameters
    ----------
    calibration : DataFrame
        action, part, customers, told, effect, low, high, as `EffectModel.calibration` returns it.
    causal : bool, default=True
        Whether it may be called an effect.
    """
    told = calibration[calibration["customers"] >= FEWEST]
    actions = list(dict.fromkeys(told[ACTION]))[:4]
    if not actions:
        return ""
    word = "effect" if causal else "difference (not causal)"
    step = _PANEL + 70
    with canvas.theme():
        names = Names()
        figure = Figure(figsize=(canvas.WIDTH, (54 + step * len(actions)) / 72))
        sheet = in_points(figure)
        sheet.text(12, 18, f"Customers by the {word} they were told", color=MUTED, va="baseline")
        key_at(sheet, [("what came, with interval", BLUE), ("as told", MUTED)], 12, 38)
        held = 0
        for i, action in enumerate(actions):
            part = told[told[ACTION] == action]
            x, y, low, high = (numbers(part, c) for c in ("told", "effect", "low", "high"))
            held += int(((x >= low) & (x <= high)).sum())
            top = 54 + i * step
            sheet.text(12, top + 14, names(action, 40), fontweight="bold", va="baseline")
            axes = panel(figure, 60, top + 24, WIDE - 80, _PANEL)
            _across(axes, x)
            _upright(axes, np.r_[low, high, x])
            ends = np.array(axes.get_xlim())
            axes.plot(ends, ends, color=MUTED, linewidth=1.2, dashes=(3, 3), scalex=False, scaley=False)
            axes.axhline(0, color=INK, linewidth=0.8)
            axes.vlines(x, low, high, color=BLUE, linewidth=2.4, alpha=0.45)
            axes.plot(x, y, "o", color=BLUE, markersize=7, markeredgecolor="white", markeredgewidth=1.2)
            axes.set_xlabel(f"{word.capitalize()} that they were told")
        count = len(told[told[ACTION].isin(actions)])
        label = f"Dots: {word} told and seen, by action; {held} of {count} groups have the told one in their interval"
        return names.put(canvas.svg(figure, prefix=prefix, label=label))


def plain(x: float) -> str:
    """A number with three digits that count, with a true minus sign.

    >>> plain(-0.01234), plain(12.0), plain(1234567.0)
    ('−0.0123', '12', '1,230,000')
    """
    short = float(f"{x:.3g}")
    text = f"{short:,.0f}" if abs(short) >= 1000 else f"{short:g}"
    return text.replace("-", "\N{MINUS SIGN}") if short else "0"


def alike(*values: float) -> list[str]:
    """Numbers that are read together, with three digits of the largest.

    >>> alike(0.00002, 0.123, -0.05), alike(1234.5, 3.0)
    (['0.000', '0.123', '−0.050'], ['1,234', '3'])
    """
    most = max((abs(v) for v in values if np.isfinite(v)), default=0.0)
    digits = max(2 - int(np.floor(np.log10(most))), 0) if most else 0
    digits = min(digits, 3) if most >= 0.1 else digits
    rounded = [round(float(v), digits) + 0.0 for v in values]
    return [f"{v:,.{digits}f}".replace("-", "\N{MINUS SIGN}") for v in rounded]


def _ticks(axes: Axes, which: str, values: Numbers, most: int) -> None:
    """Few round ticks over what is seen."""
    seen = values[np.isfinite(values)]
    least, top = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    room = 0.06 * ((top - least) or abs(top) or 1.0)
    limits, get, put = (axes.set_xlim, axes.get_xticks, axes.set_xticks) if which == "x" else (axes.set_ylim, axes.get_yticks, axes.set_yticks)  # fmt: skip
    limits(least - room, top + room)
    axes.locator_params(axis="x" if which == "x" else "y", nbins=most, min_n_ticks=2)
    ticks = [t for t in get() if least - room <= t <= top + room]
    put(ticks, [plain(t) for t in ticks])


def _upright(axes: Axes, values: Numbers) -> None:
    _ticks(axes, "y", values, 5)


def _across(axes: Axes, values: Numbers) -> None:
    _ticks(axes, "x", np.r_[values, 0.0], 5)
    axes.grid(axis="x")


def _left(axes: Axes, y: float, text: str, weight: str) -> None:
    """Words at the left end of axes."""
    axes.text(0, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=10.5, fontweight=weight)
    axes.set_yticks([])


def _note(sheet: Axes, text: list[str]) -> None:
    """Lines at the foot of a sheet."""
    foot = sheet.get_ylim()[0]
    for i, line in enumerate(text):
        sheet.text(12, foot - 8 - 14 * (len(text) - 1 - i), line, fontsize=10, color=MUTED, va="baseline")
