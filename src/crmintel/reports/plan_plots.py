"""Pictures of plans: who gets what.

Our objects in, inline SVG out, an empty string when there is nothing to draw. Nothing is drawn that tells of fewer than ten
customers.
"""

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from crmintel.columns import ACTION
from crmintel.reports import canvas, words
from crmintel.reports.axes import WIDE, Names, figure_of, in_points, letters, shortened
from crmintel.reports.canvas import HEAT, MUTED
from crmintel.segmentation.small import FEWEST, OTHER, hidden

_ROWS: Final = 12
_COLUMNS: Final = 6
_CELL: Final = 24.0
_LEFT, _RIGHT = 150.0, 6.0
_LETTER: Final = 5.3
"""Points that a letter takes in a heading."""


def plan_plot(table: pd.DataFrame, *, by: str, column: str = ACTION, prefix: str = "plan") -> str:
    """Who gets what: the share of each group of customers for each action or channel.

    At most twelve groups and six columns, the largest; the rest is called other. Cells of fewer than ten customers, and those that
    would tell them, are withheld; groups of fewer than ten are left out.

    Parameters
    ----------
    table : DataFrame
        One row a customer.
    by : str
        The column of groups, such as the segment.
    column : str
        The column of actions or channels.
    """
    groups, kinds = (_largest(table[c], most) for c, most in ((by, _ROWS), (column, _COLUMNS)))
    counts = pd.crosstab(groups, kinds)
    counts = counts.loc[counts.sum(axis=1) >= FEWEST]
    if counts.empty:
        return ""
    rank = {"index": counts.sum(axis=1), "columns": counts.sum()}
    counts = counts.loc[_ranked(rank["index"]), _ranked(rank["columns"])]
    cells = counts.to_numpy(np.float64)
    share = cells / cells.sum(axis=1, keepdims=True)
    rows, columns = cells.shape
    with canvas.theme():
        names = Names()
        shut = np.array([hidden(row) for row in cells])
        withheld = bool(shut.any())
        axes = canvas.sheet(
            (rows * _CELL + 70 + 18 * withheld) / 72, left=_LEFT, bottom=6 + 18 * withheld, top=64, right=6
        )
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(rows - 0.5, -0.5)
        axes.grid(False)
        axes.spines[["bottom"]].set_visible(False)
        for (i, j), part in np.ndenumerate(share):
            told = not shut[i, j]
            shade: Any = HEAT(part) if told and part else "white" if told else "#eef0f2"
            axes.add_patch(Rectangle((j - 0.485, i - 0.46), 0.97, 0.92, facecolor=shade, linewidth=0))
            letter = letters(part) if told and part else MUTED
            axes.text(j, i, words.percent(part) if told else "\N{EN DASH}", ha="center", va="center", fontsize=9.5, color=letter)  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        sheet = in_points(figure_of(axes))
        sheet.text(12, 18, "Who gets what, percent of each group", color=MUTED, va="baseline")
        sheet.text(144, 56, "customers", color=MUTED, va="baseline", ha="right", fontsize=10)
        wide = (WIDE - _LEFT - _RIGHT) / columns
        for j, name in enumerate(counts.columns):
            for up, part in enumerate(reversed(_heading(name, wide / _LETTER))):
                place = (_LEFT + (j + 0.5) * wide, 56 - 13 * up)
                sheet.text(*place, names(part, wide / _LETTER), va="baseline", ha="center", color=MUTED, fontsize=10)
        for i, (name, row) in enumerate(zip(counts.index, cells, strict=True)):
            y = 64 + (i + 0.5) * _CELL
            sheet.text(12, y, names(name, 15), va="center")
            sheet.text(144, y, words.count(row.sum()), va="center", ha="right", color=MUTED, fontsize=10)
        if withheld:
            text = f"\N{EN DASH} is withheld, so that fewer than {FEWEST} cannot be worked out."
            sheet.text(12, sheet.get_ylim()[0] - 8, text, fontsize=10, color=MUTED, va="baseline")
        label = f"Heat map: who gets what; {rows} groups, {columns} actions, {words.count(cells.sum())} customers"
        return names.put(canvas.svg(figure_of(axes), prefix=prefix, label=label))


def _heading(name: str, room: float) -> list[str]:
    """A name on one line, or on two where it is too long for the room and has several words."""
    parts = name.split()
    if shortened(name, room) == name or len(parts) < 2:
        return [name]
    fits = [k for k in range(1, len(parts)) if shortened(" ".join(parts[:k]), room) == " ".join(parts[:k])]
    cut = max(fits, default=1)
    return [" ".join(parts[:cut]), " ".join(parts[cut:])]


def _largest(values: "pd.Series[Any]", most: int) -> "pd.Series[Any]":
    """Names as text, the smaller ones joined where there are too many."""
    names = values.astype(object).map(words.text)
    order = _ranked(names.value_counts())
    return names if len(order) <= most else names.where(names.isin(order[: most - 1]), OTHER)


def _ranked(counts: "pd.Series[Any]") -> list[str]:
    """Names by how many they are of, equal ones by name, the joined rest last."""
    return sorted(counts.index, key=lambda n: (n == OTHER, -counts[n], n))
