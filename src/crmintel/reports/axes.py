"""What pictures share: scales written for people, keys, curves, and names from the data that no plotting font touches."""

import html
import re
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crmintel.reports import canvas, words
from crmintel.reports.canvas import BLUE, HEAT, MUTED, ON_DEEP, ON_PALE, ORANGE
from crmintel.reports.language import say

Numbers = npt.NDArray[np.float64]

APART: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5d3a9b", "#52606d")
"""Colors for groups that the colour-blind can tell apart; after the last they begin again."""
WIDE: Final = canvas.WIDTH * 72
"""Points from the left to the right end of a sheet."""
_LETTER = 5.7
"""Points that a letter takes in the middle, at 11 pt."""
_MOST_TIPS: Final = 60


def numbers(frame: pd.DataFrame, column: str) -> Numbers:
    """A column as floats; a column that is not there is all missing."""
    if column not in frame.columns:
        return np.full(len(frame), np.nan)
    values: Numbers = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def figure_of(axes: Axes) -> Figure:
    """The sheet that axes are on."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def panel(figure: Figure, left: float, top: float, wide: float, high: float) -> Axes:
    """Axes at a place in points from the upper left corner of the sheet."""
    all_wide, all_high = (72 * x for x in figure.get_size_inches())
    return figure.add_axes((left / all_wide, 1 - (top + high) / all_high, wide / all_wide, high / all_high))


def in_points(figure: Figure) -> Axes:
    """Bare axes over the whole sheet; places are points from the upper left corner."""
    high = 72 * figure.get_size_inches()[1]
    axes = panel(figure, 0, 0, WIDE, high)
    axes.set_axis_off()
    axes.set_xlim(0, WIDE)
    axes.set_ylim(high, 0)
    return axes


def amounts(axes: Axes, most: int = 4) -> None:
    """Few round ticks on the upright axis, written like money and starting at zero."""
    low, high = axes.dataLim.y0, axes.dataLim.y1
    axes.set_ylim(min(low, 0), max(high, 0) * 1.06 or 1)
    axes.locator_params(axis="y", nbins=most, min_n_ticks=2)
    ticks = [t for t in axes.get_yticks() if axes.get_ylim()[0] <= t <= axes.get_ylim()[1]]
    axes.set_yticks(ticks, [words.money(t) for t in ticks])


def percents(axes: Axes, which: str, high: float, most: int = 4) -> None:
    """An axis of shares from zero to ``high`` with at most ``most`` steps of a round size."""
    steps = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
    step = next((s for s in steps if high / s <= most + 1e-9), 1.0)
    ticks = np.arange(0, high + step * 1e-6, step)
    labels = [words.percent(t) for t in ticks]
    if which == "x":
        axes.set_xlim(0, high)
        axes.set_xticks(ticks, labels)
    else:
        axes.set_ylim(0, high)
        axes.set_yticks(ticks, labels)


def key(axes: Axes, entries: Sequence[tuple[str, str]]) -> None:
    """What the colors mean, written above the axes in these colors."""
    x = 0.0
    for name, color in entries:
        axes.annotate(
            "\N{BLACK SQUARE}", (x, 1), (0, 10), xycoords="axes fraction", textcoords="offset points", color=color
        )
        axes.annotate(
            name, (x, 1), (13, 10), xycoords="axes fraction", textcoords="offset points", color=MUTED, ha="left"
        )
        x += 0.085 + 0.0255 * sum(map(room, name))


def key_at(axes: Axes, entries: Sequence[tuple[str, str]], x: float, y: float) -> None:
    """The same anywhere on axes in points."""
    for name, color in entries:
        axes.text(x, y, "\N{BLACK SQUARE}", color=color, va="baseline")
        axes.text(x + 13, y, name, color=MUTED, va="baseline")
        x += 27 + _LETTER * sum(map(room, name))


def lines(text: str, room: float = WIDE - 12, size: float = 11) -> list[str]:
    """A note broken so that each line fits the room, in points."""
    wide = 1.9 if any(unicodedata.east_asian_width(c) in "WF" for c in text) else 1.0
    return textwrap.wrap(text, max(12, int(room / (_LETTER * size / 11 * wide))))


def dark(part: float) -> bool:
    """Whether white letters stand out better than black ones on this shade of the heat map."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in HEAT(part)[:3])
    return bool(0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.179)


def letters(part: float) -> str:
    """The colour of letters on this shade of the heat map: at least 4.5 times as light or as dark."""
    return ON_DEEP if dark(part) else ON_PALE


def rising(curve: pd.DataFrame) -> tuple[Numbers, Numbers] | None:
    """A curve of money over customers, from nothing on; None where there are not two known points."""
    x, y = numbers(curve, "customer_share"), numbers(curve, "revenue_share")
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < 2:
        return None
    order = np.argsort(x[known], kind="stable")
    return np.r_[0.0, x[known][order]], np.r_[0.0, y[known][order]]


def money_curve(axes: Axes, x: Numbers, y: Numbers) -> None:
    """The curve beside the line of equal customers."""
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, dashes=(3, 3))
    axes.plot(x, y, color=BLUE)


def money_scales(axes: Axes, most: float) -> None:
    """Shares of customers across, shares of the money upwards."""
    percents(axes, "x", 1.0)
    percents(axes, "y", 1.0)
    axes.set_ylim(0, max(1.02, most * 1.02))
    axes.set_title(say("Share of the money"))
    axes.set_xlabel(say("Share of customers, best first"))


def tips_along(axes: Axes, x: Numbers, y: Numbers, words_at: Callable[[float, float], str]) -> None:
    """Words at the points of a curve: all of them, or some sixty that lie evenly."""
    wanted = np.linspace(x[0], x[-1], _MOST_TIPS)
    chosen = np.unique(np.abs(x[:, None] - wanted).argmin(axis=0)) if x.size > _MOST_TIPS else np.arange(x.size)
    for i in chosen:
        canvas.tip(axes, words_at(float(x[i]), float(y[i])), float(x[i]), float(y[i]))


def mark(axes: Axes, x: float, y: float) -> None:
    """A point on a curve, with a line down to the axis."""
    axes.plot([x, x], [0, y], color=ORANGE, linewidth=1.2)
    axes.plot([x], [y], "o", color=ORANGE, markersize=8, markeredgecolor="white", markeredgewidth=1.5)


@final
class Names:
    """Names from the data: drawn as plain signs, and put into the markup afterwards, shortened and escaped.

    Plotting fonts lack most scripts, so the page's own letters must write them.
    """

    def __init__(self) -> None:
        self._names: list[str] = []

    def __call__(self, name: object, longest: float = 24) -> str:
        """The sign that stands for a name of at most the room of so many letters."""
        self._names.append(shortened(name, longest))
        return f"@{len(self._names) - 1}@"

    def put(self, markup: str) -> str:
        """The markup with the names in place of their signs."""
        return re.sub(r"@(\d+)@", lambda found: html.escape(self._names[int(found.group(1))], quote=True), markup)


def shortened(name: object, longest: float = 24) -> str:
    """A name that takes at most the room of so many usual letters.

    >>> shortened("customers who rarely buy", 12), shortened("高价值客户群", 8), shortened(None)
    ('customers…', '高价值…', '(no name)')
    """
    text = words.text("".join(c for c in words.text(name) if c.isprintable()))
    wide = np.cumsum([room(c) for c in text])
    if wide[-1] <= longest:
        return text
    return text[: int(np.searchsorted(wide, longest - 1, side="right"))].rstrip() + "…"


def room(letter: str) -> float:
    """What a letter takes of the room of a usual one, in most fonts."""
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.95
    if letter in " ijlrtfI.,:;'|!()[]":
        return 0.65
    return 1.4 if letter in "mwMW<>@%+=~…" else 1.25 if letter.isupper() else 1.05
