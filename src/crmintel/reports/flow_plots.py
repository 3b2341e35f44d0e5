"""The picture of who moved from segment to segment: two columns of segments, and ribbons between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from scipy.optimize import isotonic_regression

from crmintel.columns import AT, SOURCE
from crmintel.errors import DataContractError
from crmintel.reports import canvas, small, words
from crmintel.reports.axes import APART, WIDE, Names, Numbers, in_points, key_at, lines
from crmintel.reports.canvas import BLUE, INK, MUTED, ORANGE
from crmintel.reports.language import say, told
from crmintel.segmentation import Migration
from crmintel.segmentation.migration import GONE, NOT_YET

_STAYED: Final = "#cfd6dd"
_ELSE: Final = "#7b8794"
_LEFT, _RIGHT, _BAR = 111.0, WIDE - 111.0, 7.0
_TOP: Final = 34.0
_TOUCH: Final = 45.0
"""Points from the left bar on in which a ribbon tells its figure: further on they cross."""
_ROW: Final = 27.0
"""Points that a label of two lines takes."""
_GAP: Final = 5.0


def migration_flows(
    migration: Migration, period: int | None = None, *, order: Sequence[str] | None = None, prefix: str = "flows"
) -> str:
    """Who moved where: segments at the start on the left, at the end on the right, ribbons as thick as customers are many.

    Ribbons of fewer than ten customers are left out, of the heights and figures of the segments, too, so that nothing can be worked
    out: “≥” stands before such figures. Those that a shared migration hides are left out in the same way. Stayers are pale.

    Parameters
    ----------
    migration : Migration
    period : int, optional
        Which (0 is the first); all periods together, if not given.
    order : sequence of str, optional
        The segments, best first: moves are then coloured by whether they lead up or down. Otherwise segments stand in the
        order that the migration has, by falling size where that is merely the alphabet, and moves have the colour of
        where they come from.

    Raises
    ------
    DataContractError
        If there is no such period, or `order` lacks a segment.
    """
    moves = _moves(migration, period)
    shown = moves[moves["customers"] >= small.SMALLEST]
    if shown.empty:
        return ""
    places, left_out = _places(migration, shown, order), moves[moves["customers"] < small.SMALLEST]
    with canvas.theme():
        note = _note(left_out=not left_out.empty, ranked=order is not None)
        sides = tuple(_Side.of(shown, column, places, set(left_out[column])) for column in (SOURCE, "target"))
        high = max(190.0, 1.12 * _ROW * max(len(s.names) for s in sides))
        figure = Figure(figsize=(canvas.WIDTH, (_TOP + high + 22 + 15 * len(note) + (18 if order else 0)) / 72))
        axes, names = in_points(figure), Names()
        scale = min((high - _GAP * (len(s.names) - 1)) / float(shown["customers"].sum()) for s in sides)
        _ribbons(axes, shown, [s.starts(scale, high) for s in sides], places, scale, names, ranked=order is not None)
        for side, right in zip(sides, (False, True), strict=True):
            _column(axes, side, scale, high, right=right, names=names)
        _when(axes, migration, period, names)
        y = _TOP + high + 20
        if order is not None:
            key_at(
                axes,
                ((say("up"), BLUE), (say("down"), ORANGE), (say("stayed"), _STAYED), (say("came or gone"), _ELSE)),
                4,
                y,
            )
            y += 18
        for i, line in enumerate(note):
            axes.text(4, y + 15 * i, line, color=MUTED, fontsize=10)
        largest = shown[shown[SOURCE] != shown["target"]].nlargest(1, "customers")
        said = "".join(
            say("; most moved from {0} to {1}", names(told(a), 40), names(told(b), 40))
            for a, b in zip(largest[SOURCE], largest["target"], strict=True)
        )
        return names.put(canvas.svg(figure, prefix=prefix, label=say("Flows of customers between segments{0}", said)))


def _moves(migration: Migration, period: int | None) -> pd.DataFrame:
    """source, target, customers (0 where hidden) of one period or of all; nobody, and those never there, left out."""
    counts = migration.counts
    if period is not None:
        if not 0 <= period < len(migration.periods):
            raise DataContractError(f"There is no period {period}. Name one of 0 to {len(migration.periods) - 1}.")
        at, to = migration.periods[period]
        counts = counts[(counts[AT] == at) & (counts["to"] == to)]
    counts = counts.assign(hidden=counts["customers"].isna(), customers=counts["customers"].fillna(0).astype(np.int64))
    pooled = counts.groupby([SOURCE, "target"], as_index=False).agg({"customers": "sum", "hidden": "any"})
    pooled.loc[pooled["hidden"], "customers"] = 0
    away = pooled[SOURCE].isin([GONE, NOT_YET]) & pooled["target"].isin([GONE, NOT_YET])
    kept: pd.DataFrame = pooled[((pooled["customers"] > 0) | pooled["hidden"]) & ~away].reset_index(drop=True)
    return kept


def _places(migration: Migration, shown: pd.DataFrame, order: Sequence[str] | None) -> dict[str, int]:
    """From top to bottom."""
    segments = list(migration.segments)
    if order is not None:
        if missing := [s for s in segments if s not in set(order)]:
            raise DataContractError(
                f"order lacks {len(missing)} of {len(segments)} segments. List all of them, best first."
            )
        segments = [s for s in dict.fromkeys(order) if s in set(segments)]
    elif segments == sorted(segments):
        size = shown.groupby(SOURCE)["customers"].sum().add(shown.groupby("target")["customers"].sum(), fill_value=0)
        segments = sorted(segments, key=lambda s: (-size.get(s, 0), s))
    return {name: place for place, name in enumerate([*segments, GONE, NOT_YET])}


@final
@dataclass(frozen=True)
class _Side:
    """One column: its segments from top to bottom, the customers of each, and whether these are all of them."""

    names: tuple[str, ...]
    sizes: Numbers
    whole: tuple[bool, ...]

    @classmethod
    def of(cls, shown: pd.DataFrame, column: str, places: dict[str, int], cut: set[str]) -> "_Side":
        size = shown.groupby(column)["customers"].sum()
        names = sorted(size.index, key=places.__getitem__)
        return cls(tuple(names), size.loc[names].to_numpy(dtype=np.float64), tuple(n not in cut for n in names))

    def starts(self, scale: float, high: float) -> dict[str, float]:
        """Where each begins, in points from the top; the room left over stands evenly between them."""
        room = high - scale * float(self.sizes.sum())
        gap = room / max(len(self.names) - 1, 1)
        begin = _TOP + np.r_[0.0, np.cumsum(scale * self.sizes + gap)[:-1]]
        return dict(zip(self.names, begin.tolist(), strict=True))


def _ribbons(
    axes: Axes,
    shown: pd.DataFrame,
    starts: list[dict[str, float]],
    places: dict[str, int],
    scale: float,
    names: Names,
    *,
    ranked: bool,
) -> None:
    """Those that leave a segment leave it in the order of where they go, so that none cross before they must."""
    rows = [
        (places[a], places[b], a, b, n)
        for a, b, n in zip(shown[SOURCE], shown["target"], shown["customers"], strict=True)
    ]
    below, above = dict(starts[0]), dict(starts[1])
    left: dict[tuple[str, str], float] = {}
    for _, _, a, b, n in sorted(rows):
        left[a, b] = below[a]
        below[a] += scale * n
    for p, q, a, b, n in sorted(rows, key=lambda row: (row[1], row[0])):
        color = _color(p, q, a, b, ranked=ranked)
        axes.add_patch(_ribbon(left[a, b], above[b], scale * n, color, pale=p == q))
        tip = say("{0} to {1}: {2} customers", names(told(a), 40), names(told(b), 40), words.count(n))
        canvas.tip(axes, tip, (_LEFT + _BAR, _LEFT + _BAR + _TOUCH), (left[a, b], left[a, b] + scale * n))
        above[b] += scale * n


def _color(p: int, q: int, source: str, target: str, *, ranked: bool) -> str:
    if p == q:
        return _STAYED
    if source in (NOT_YET, GONE) or target == GONE:
        return _ELSE
    return (BLUE if q < p else ORANGE) if ranked else APART[p % len(APART)]


def _ribbon(y0: float, y1: float, thick: float, color: str, *, pale: bool) -> PathPatch:
    x0, x1 = _LEFT + _BAR, _RIGHT - _BAR
    middle = (x0 + x1) / 2
    corners = [
        (x0, y0), (middle, y0), (middle, y1), (x1, y1),
        (x1, y1 + thick), (middle, y1 + thick), (middle, y0 + thick), (x0, y0 + thick), (x0, y0),
    ]  # fmt: skip
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    return PathPatch(
        Path(corners, codes), facecolor=color, linewidth=0, alpha=0.75 if pale else 0.62, zorder=1 if pale else 2
    )


def _column(axes: Axes, side: _Side, scale: float, high: float, *, right: bool, names: Names) -> None:
    """The bars, and beside them the names and figures, moved apart where they are too near."""
    x = _RIGHT - _BAR if right else _LEFT
    starts = np.array(list(side.starts(scale, high).values()))
    middles = starts + scale * side.sizes / 2
    labels = apart(middles, _ROW, _TOP + _ROW / 2 - 4, _TOP + high - _ROW / 2 + 4)
    edge, ha, to = (_RIGHT, "left", 12.0) if right else (_LEFT, "right", -12.0)
    for name, size, whole, start, middle, label in zip(
        side.names, side.sizes, side.whole, starts, middles, labels, strict=True
    ):
        axes.add_patch(Rectangle((x, start), _BAR, scale * size, facecolor=INK, linewidth=0, zorder=3))
        axes.plot([edge, edge + to * 0.25, edge + to * 0.75], [middle, middle, label], color=_ELSE, linewidth=0.8)
        axes.text(edge + to, label - 1, names(told(name), 16.7), ha=ha, va="bottom", fontsize=10)
        axes.text(
            edge + to,
            label + 1,
            words.count(size) if whole else f"≥ {words.count(size)}",
            ha=ha,
            va="top",
            fontsize=9.5,
            color=MUTED,
        )


def apart(wanted: Numbers, step: float, low: float, high: float) -> Numbers:
    """Places in the same order, at least a step from each other and within bounds, near to where they are wanted.

    >>> apart(np.array([5.0, 6.0, 50.0]), 10.0, 0.0, 52.0).tolist()
    [0.5, 10.5, 50.0]
    """
    steps = step * np.arange(len(wanted))
    free = np.asarray(isotonic_regression(wanted - steps).x, dtype=np.float64)
    out: Numbers = np.clip(free, low, high - steps[-1]) + steps
    return out


def _when(axes: Axes, migration: Migration, period: int | None, names: Names) -> None:
    """The instants above the columns."""
    periods: list[tuple[Any, Any]] = migration.periods
    if period is None and len(periods) > 1:
        ends: tuple[str, str] = (say("start of a period"), say("its end"))
    else:
        at, to = periods[period or 0]
        ends = _instant(at, names), _instant(to, names)
    axes.text(_LEFT + _BAR, _TOP - 16, ends[0], ha="right", color=MUTED)
    axes.text(_RIGHT - _BAR, _TOP - 16, ends[1], ha="left", color=MUTED)


def _instant(at: Any, names: Names) -> str:
    return words.day(at) if isinstance(at, pd.Timestamp) else names(at, 16)


def _note(*, left_out: bool, ranked: bool) -> list[str]:
    said = [] if ranked else [say("Moves have the colour of where they come from; those who stayed are pale.")]
    if left_out:
        said.append(
            say(
                "Ribbons of fewer than {0} customers, and those that hide such, are left out, of the figures, too (≥).",
                small.SMALLEST,
            )
        )
    return lines(" ".join(said), size=10)
