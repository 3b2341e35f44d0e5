"""Pictures of reasons: what moves one customer, or a segment, towards leaving and towards staying."""

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expit

from crmintel.churn import Reasons
from crmintel.evaluation.aligned import aligned
from crmintel.reports import canvas, words
from crmintel.reports.axes import WIDE, Names, in_points, key_at, panel
from crmintel.reports.canvas import BLUE, INK, MUTED, ORANGE

SHOWN: Final = 8
"""Reasons that are drawn at most; the others are one bar."""
FEWEST: Final = 10
"""Customers that a segment must have to be drawn."""
_ITEM: Final = 37.0
_OTHERS: Final = "all other reasons"


def customer_reasons(told: Reasons, row: int = 0, *, prefix: str = "reasons") -> str:
    """What moves one customer's log-odds of leaving, the strongest first: reasons that `told` has sentences for by these, others by name.

    The picture shows what is known of one person: it is for those who talk to this customer, not for sharing.

    Parameters
    ----------
    told : Reasons
    row : int, default=0
        Which row, counted from 0.
    """
    if not -len(told.contributions) <= row < len(told.contributions):
        return ""
    added = told.contributions.iloc[row]
    said = dict(zip(told.themes.iloc[row], told.sentences.iloc[row], strict=True))
    can = set(told.themes.iloc[row][told.actionable.iloc[row].to_numpy(bool)])
    labels = {str(t): said.get(t) or str(t) for t in added.index}
    return _bars("This customer", added, told.base, float(expit(told.base + added.sum())), labels, can, prefix)


def segment_reasons(told: Reasons, segments: Any, segment: str, *, prefix: str = "reasons") -> str:
    """What moves the customers of a segment towards leaving and staying, on average, against the typical customer.

    Parameters
    ----------
    told : Reasons
    segments : array or Series, shape (n_rows,)
        The segment of each row.
    segment : str
        The one that is drawn; with fewer than ten customers the picture is empty.
    """
    inside = np.asarray(aligned(segments, told.contributions.index, "segments")) == segment
    if inside.sum() < FEWEST:
        return ""
    added = told.contributions[inside].mean()
    likely = float(expit(told.base + told.contributions[inside].sum(axis=1)).mean())
    can = {t for column in told.themes for t in told.themes[column][told.actionable[column]]}
    return _bars(f"{segment}: mean of {words.count(inside.sum())} customers", added, told.base, likely, {}, can, prefix)


def _bars(
    title: str, added: pd.Series, base: float, likely: float, labels: dict[str, str], can: set[str], prefix: str
) -> str:
    """A bar for each of the strongest reasons, from zero to both sides, its sentence above it."""
    order = added.abs().sort_values(ascending=False, kind="stable").index
    shown = added[order[:SHOWN]]
    if len(order) > SHOWN:
        shown = pd.concat([shown, pd.Series({_OTHERS: added[order[SHOWN:]].sum()})])
    high = _ITEM * len(shown)
    with canvas.theme():
        names = Names()
        figure = Figure(figsize=(canvas.WIDTH, (66 + high + 46) / 72))
        sheet = in_points(figure)
        sheet.text(10, 16, names(title, 52), fontweight="bold")
        chances = f"{words.percent(likely)} likely to leave; the typical customer {words.percent(expit(base))}"
        sheet.text(10, 34, chances, color=MUTED)
        key_at(sheet, (("towards leaving", ORANGE), ("towards staying", BLUE)), 10, 54)
        axes = panel(figure, 10, 66, WIDE - 20, high)
        for i, (theme, value) in enumerate(shown.items()):
            axes.barh(i + 0.24, value, height=0.38, color=ORANGE if value > 0 else BLUE, linewidth=0)
            act = " (can act)" if theme in can else ""
            label = names(labels.get(str(theme), str(theme)), 58 - len(act))
            axes.text(0, i - 0.2, label + act, transform=axes.get_yaxis_transform(), va="center", fontsize=10.5)
        _scale(axes, shown)
        return names.put(canvas.svg(figure, prefix=prefix, label=f"Bars: reasons to leave and to stay; {chances}"))


def _scale(axes: Axes, shown: pd.Series) -> None:
    ends = np.r_[0.0, shown.to_numpy(np.float64)]
    room = 0.04 * (float(ends.max() - ends.min()) or 1.0)
    axes.set_xlim(float(ends.min()) - room, float(ends.max()) + room)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(axis="x")
    axes.vlines(
        np.zeros(len(shown)), np.arange(len(shown)) + 0.02, np.arange(len(shown)) + 0.46, color=INK, linewidth=1
    )
    axes.locator_params(axis="x", nbins=5)
    ticks = [t for t in axes.get_xticks() if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]]
    signs = [f"{t:+g}".replace("-", "\N{MINUS SIGN}") if t else "0" for t in ticks]
    axes.set_xticks(ticks, signs)
    axes.set_xlabel("What is added to the log-odds of leaving")
