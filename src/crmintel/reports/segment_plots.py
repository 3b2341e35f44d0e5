"""Pictures of segments: the map of recency and frequency, who brings the money, and who moved where.

As in `crmintel.reports.plots`: our objects in, inline SVG out, an empty string when there is nothing to draw. Nothing is
drawn that tells of fewer than ten customers.
"""

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation, Transform

from crmintel.columns import SEGMENT, TIER
from crmintel.reports import canvas, words
from crmintel.reports.axes import (
    Numbers,
    figure_of,
    letters,
    lines,
    mark,
    money_curve,
    money_scales,
    numbers,
    rising,
)
from crmintel.reports.canvas import BLUE, HEAT, INK, MUTED, ORANGE, PALE
from crmintel.segmentation import ValueTiers
from crmintel.segmentation.small import FEWEST, hidden
from crmintel.segmentation.types import NAMES, SCORES

Cells = dict[tuple[int, int], float]

_FEW: Final = "#eef0f2"
"""The shade of cells whose number is not told: it must not tell it either."""
_BANDS: Final = {"A": BLUE, "B": "#56a6d3", "C": PALE, "Z": ORANGE}
_NARROW: Final = 0.12
_SLIVER: Final = 0.035
_CLEAR: Final = 0.21
"""Left of this share of customers the line of equal customers would run through the name of a tier."""


def rfm_map(sizes: pd.DataFrame, *, prefix: str = "rfm") -> str:
    """How many customers have each score of recency (upwards) and frequency (to the right), and what they are called.

    Cells of fewer than ten customers are shown as "<10". Where the total, or the size of a segment, would tell such a cell,
    the next smallest cell is withheld, too. Names and outlines are drawn where the cells are named by the usual grid.

    Parameters
    ----------
    sizes : DataFrame
        r, f, customers, segment: one row a cell that occurs, as `RFM.sizes` gives them.
    """
    r, f, customers = (numbers(sizes, c) for c in ("r", "f", "customers"))
    there = np.isin(r, range(1, SCORES + 1)) & np.isin(f, range(1, SCORES + 1)) & (customers > 0)
    if not there.any():
        return ""
    places = [(int(a), int(b)) for a, b in zip(r[there], f[there], strict=True)]
    cells = dict.fromkeys(sorted(NAMES), 0.0) | dict(zip(places, customers[there].tolist(), strict=True))
    named = SEGMENT in sizes and [str(s) for s in sizes.loc[there, SEGMENT]] == [NAMES[p] for p in places]
    shut = _withheld(cells)
    with canvas.theme():
        note = any(cells[p] >= FEWEST for p in shut)
        axes = canvas.sheet(4.9 + 0.22 * note, left=34, bottom=46 + 16 * note, top=28, right=6)
        _heat(axes, cells, shut)
        if named:
            _regions(axes, cells, shut)
        _scores(axes)
        if note:
            text = f"– is withheld, so that fewer than {FEWEST} cannot be worked out."
            axes.annotate(text, (0, 0), (0, -44), xycoords="axes fraction", textcoords="offset points", color=MUTED, va="top", fontsize=10)  # fmt: skip
        most = max(cells, key=lambda p: (cells[p], p))
        said = f"most, {words.count(cells[most])}, at recency {most[0]} and frequency {most[1]}"
        if most in shut:
            said = f"fewer than {FEWEST} in some cells"
        label = f"Heat map: customers by score of recency and frequency; {said}"
        return canvas.svg(figure_of(axes), prefix=prefix, label=label)


def _withheld(cells: Cells) -> set[tuple[int, int]]:
    """The cells whose figure is not told: the small ones, and others that protect them within segments and in all."""
    places = list(cells)
    counts, segment = np.array([cells[p] for p in places]), np.array([NAMES[p] for p in places])
    shut = np.zeros(len(places), dtype=bool)
    for one in (*np.unique(segment), "", *np.unique(segment)):
        inside = (segment == one) if one else np.ones(len(places), dtype=bool)
        shut[inside] = hidden(counts[inside], already=shut[inside])
    return {p for p, s in zip(places, shut, strict=True) if s and cells[p] > 0}


def _heat(axes: Axes, cells: Cells, shut: set[tuple[int, int]]) -> None:
    """A shade and a figure for each cell; neither for those that are withheld."""
    total = sum(cells.values())
    for (r, f), n in cells.items():
        shade, color = _shade((r, f), cells, shut)
        axes.add_patch(Rectangle((f - 0.5, r - 0.5), 1, 1, facecolor=shade, edgecolor="white", linewidth=1.5))
        small = 0 < n < FEWEST
        text = f"<{FEWEST}" if small else "–" if (r, f) in shut else words.count(n)
        axes.text(
            f,
            r - 0.13,
            text,
            ha="center",
            va="center",
            color=color if n else MUTED,
            fontweight="bold" if n else "normal",
        )
        below = "customers" if small else words.percent(n / total) if n and (r, f) not in shut else ""
        axes.text(f, r - 0.35, below, ha="center", va="center", color=color, fontsize=9.5)


def _shade(place: tuple[int, int], cells: Cells, shut: set[tuple[int, int]]) -> tuple[Any, str]:
    """Of a cell, and of the letters in it."""
    part = cells[place] / max(cells.values())
    if place in shut or part == 0:
        return _FEW if part else "white", INK
    return HEAT(part), letters(part)


def _regions(axes: Axes, cells: Cells, shut: set[tuple[int, int]]) -> None:
    """The outline of each named segment, and its name in its upper left cell."""
    for name in dict.fromkeys(NAMES.values()):
        rows, columns = zip(*(p for p, n in NAMES.items() if n == name), strict=True)
        left, low, top = min(columns), min(rows), max(rows)
        corner, wide, high = (left - 0.5, low - 0.5), max(columns) - left + 1, top - low + 1
        axes.add_patch(Rectangle(corner, wide, high, fill=False, edgecolor=INK, linewidth=1.4, zorder=3))
        first, _, last = name.rpartition(" ")
        _, color = _shade((top, left), cells, shut)
        for line, word in enumerate(w for w in (first, last) if w):
            axes.text(left, top + 0.36 - 0.19 * line, word, ha="center", va="center", fontsize=9.5, color=color)


def _scores(axes: Axes) -> None:
    axes.grid(False)
    axes.spines[["bottom"]].set_visible(False)
    axes.set_xlim(0.48, SCORES + 0.52)
    axes.set_ylim(0.48, SCORES + 0.52)
    axes.set_xticks(range(1, SCORES + 1))
    axes.set_yticks(range(1, SCORES + 1))
    axes.set_title("Recency, 5 is most recent")
    axes.set_xlabel("Frequency, 5 is most often")


def pareto(tiers: ValueTiers, *, prefix: str = "pareto") -> str:
    """How the money adds up over customers, best first, with the tiers and the few who bring four fifths.

    All money is counted in parts of what those bring who bring any, as the tiers are. Where customers cost more than they
    bring, the curve passes the net total and comes back; what it comes back by is shaded. Points of the curve are at least ten
    customers apart, and tiers of fewer customers have no band of their own.

    Parameters
    ----------
    tiers : ValueTiers
        Fitted.
    """
    found = rising(tiers.concentration())
    if found is None or not (tiers.cents_ > 0).any():
        return ""
    people, (number, share) = len(tiers.cents_), tiers.share_that_makes(0.8)
    x, y = _thinned(*found, people)
    net = float(y[-1])
    with canvas.theme():
        note = lines(_taken_back(net)) if net < 1 - 5e-4 else []
        below = 14 * len(note) + 6 * bool(note)  # the last line needs room for what hangs below it
        axes = canvas.sheet(4.5 + below / 72, bottom=44 + below, top=46)
        money_curve(axes, x, y)
        _bands(axes, tiers, x, y)
        if note:
            _overshoot(axes, x, y, note)
        mark(axes, share, 0.8)
        few = number < FEWEST
        said = f"{f'Fewer than {FEWEST}' if few else f'{words.percent(share)} of'} customers bring 80% of the money"
        axes.plot([0.02], [1], "o", color=ORANGE, markersize=8, transform=_above(axes, 36), clip_on=False)
        axes.text(0.05, 1, said, transform=_above(axes, 36), va="center", fontweight="bold")
        money_scales(axes, float(y.max()))
        axes.set_ylim(min(0.0, float(y.min()) * 1.05), 1.06)
        label = f"Curve of the money over customers, with tiers: {said}"
        return canvas.svg(figure_of(axes), prefix=prefix, label=label)


def _above(axes: Axes, points: float) -> Transform:
    """Places in parts of the axes, raised by some points."""
    return axes.transAxes + ScaledTranslation(0, points / 72, figure_of(axes).dpi_scale_trans)


def _thinned(x: Numbers, y: Numbers, people: int) -> tuple[Numbers, Numbers]:
    """The points that are at least ten customers after the one before, and the last."""
    kept = [0]
    for i, share in enumerate(x):
        if round((share - x[kept[-1]]) * people) >= FEWEST:
            kept.append(i)
    if len(kept) > 1 and kept[-1] != len(x) - 1:
        kept.pop()
    kept.append(len(x) - 1)
    return x[kept], y[kept]


def _bands(axes: Axes, tiers: ValueTiers, x: Numbers, y: Numbers) -> None:
    """A shade below the curve for each tier, with its name and its part of the customers."""
    summary, start = tiers.summary(), 0.0
    for tier, n, share in zip(summary[TIER], summary["customers"], summary["share"], strict=True):
        end = start + float(share)
        if n >= FEWEST:
            inside = np.r_[start, x[(x > start) & (x < end)], end]
            under = np.interp(inside, x, y)
            color = _BANDS[str(tier)]
            axes.fill_between(inside, np.zeros(len(inside)), under, color=color, alpha=0.5, linewidth=0)
            if end < 1 - 1e-9:
                axes.plot([end, end], [0, float(np.interp(end, x, y))], color="white", linewidth=1.5)
            middle = (start + end) / 2
            low = 0.05 if middle > _CLEAR else middle + 0.09
            if share >= _SLIVER:
                axes.text(middle, low + 0.08, str(tier), ha="center", va="center", fontweight="bold", fontsize=13)
            if share >= _NARROW:
                axes.text(middle, low, words.percent(share), ha="center", va="center")
        start = end


def _taken_back(net: float) -> str:
    return (
        f"Tier Z, customers who cost as much as they bring or more, takes {words.percent(1 - net)} back: "
        f"the whole money is {words.percent(net, 1)} of what the others bring."
    )


def _overshoot(axes: Axes, x: Numbers, y: Numbers, note: list[str]) -> None:
    """What lies above the end of the curve, and a note about it below the axes."""
    net = float(y[-1])
    top = int(np.argmax(y)) + 1
    first = float(np.interp(net, y[:top], x[:top]))
    inside = np.r_[first, x[x > first]]
    axes.fill_between(inside, net, np.interp(inside, x, y), color=ORANGE, alpha=0.55, linewidth=0)
    axes.plot([first, 1], [net, net], color=ORANGE, linewidth=1.2, clip_on=False)
    for i, line in enumerate(note):
        axes.annotate(line, (0, 0), (0, -50 - 14 * i), xycoords="axes fraction", textcoords="offset points", color=MUTED, va="top", fontsize=10)  # fmt: skip
