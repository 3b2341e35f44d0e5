"""Pictures of groups and what sets them apart: where customers lie, how well groups hold, how many there should be."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from threadpoolctl import threadpool_limits

from crmintel.columns import SEGMENT
from crmintel.reports import canvas, words
from crmintel.reports.axes import APART, WIDE, Names, Numbers, figure_of, in_points, key_at, lines, numbers, panel
from crmintel.reports.canvas import BLUE, INK, MUTED, ORANGE, PALE
from crmintel.segmentation import CustomerGroups, Profile
from crmintel.segmentation.kprototypes import Int, Mixed, Prototypes, by_content
from crmintel.segmentation.mixed import table_of
from crmintel.segmentation.stability import DISSOLVED, STABLE

POINTS: Final = 3_000
"""Customers who are drawn at most."""
_BATCH: Final = 100
COLUMNS: Final = 8
"""Differences that are drawn at most."""
_ITEM: Final = 37.0


def group_map(groups: CustomerGroups, table: pd.DataFrame, *, prefix: str = "groups") -> str:
    """Where the customers of each group lie, and how well each group comes back when customers are resampled.

    On the left at most 3,000 customers, chosen by the content of their rows, in the two directions in which the scaled
    rows differ most (a category counts as it does in the grouping); numbers stand at the prototypes. On the right the mean Jaccard
    similarity of each group.

    Parameters
    ----------
    groups : CustomerGroups
        Fitted.
    table : DataFrame
        The customers, with the columns that the groups were fitted on.
    """
    if len(table) == 0:
        return ""
    rows = groups.encoding_.rows(table_of(groups, table, reset=False))
    rows = rows.take(by_content(rows)[0][:POINTS])
    labels = groups.prototypes_.nearest(rows)[0]
    points, middles, part = _directions(rows, groups.prototypes_)
    with canvas.theme():
        names = Names()
        note = [names(line, 100) for line in lines(groups.verdict_, size=10)]
        figure = Figure(figsize=(canvas.WIDTH, (282 + 15 * len(note)) / 72))
        _cloud(panel(figure, 6, 30, 176, 206), points, labels, middles, part)
        _hold(panel(figure, 216, 30, 70, 206), groups.groups_["jaccard"].to_numpy(dtype=np.float64))
        sheet = in_points(figure)
        sheet.text(6, 18, "Customers", color=MUTED)
        sheet.text(188, 18, "How well groups hold", color=MUTED)
        for i, line in enumerate(note):
            sheet.text(6, 278 + 15 * i, line, fontsize=10)
        held = ", ".join(f"{g + 1} {v}" for g, v in enumerate(groups.groups_["verdict"]))
        return names.put(canvas.svg(figure, prefix=prefix, label=f"Map of customers in groups; groups: {held}"))


def _directions(rows: Mixed, prototypes: Prototypes) -> tuple[Numbers, Numbers, float]:
    """Rows and prototypes in the two main directions, and the part of the spread that these show."""
    weight = float(np.sqrt(prototypes.gamma / 2))  # two categories that differ are gamma apart, squared
    levels = [
        int(max(codes.max(initial=-1), modes.max(initial=-1))) + 1
        for codes, modes in zip(rows.codes, prototypes.modes.T, strict=True)
    ]
    flat, middle = (
        _flat(rows.x, rows.codes, levels, weight),
        _flat(prototypes.centres.T, prototypes.modes.T, levels, weight),
    )
    mean = flat.mean(axis=1, keepdims=True)
    with threadpool_limits(1):
        values, vectors = np.linalg.eigh((flat - mean) @ (flat - mean).T / flat.shape[1])
        main = vectors[:, ::-1][:, :2]
        main = main * np.where(main[np.abs(main).argmax(axis=0), np.arange(main.shape[1])] < 0, -1.0, 1.0)
        at, centre = main.T @ (flat - mean), main.T @ (middle - mean)
    if len(at) == 1:
        at, centre = np.vstack([at, np.zeros_like(at)]), np.vstack([centre, np.zeros_like(centre)])
    spread = np.maximum(values, 0.0)
    return at, centre, float(spread[-2:].sum() / (spread.sum() or 1.0))


def _flat(x: Numbers, codes: Int, levels: list[int], weight: float) -> Numbers:
    """Numbers and one-hot categories, one row each; a missing category is nowhere."""
    hot = [weight * (c[None, :] == np.arange(n)[:, None]) for c, n in zip(codes, levels, strict=True)]
    out: Numbers = np.vstack([x, *hot])
    return out


def _cloud(axes: Axes, points: Numbers, labels: Int, middles: Numbers, part: float) -> None:
    axes.set_axis_off()
    for start in range(0, points.shape[1], _BATCH):  # in batches, so that no group lies on top of all others
        some = slice(start, start + _BATCH)
        for g in np.unique(labels[some]):
            axes.add_patch(_dots(points[:, some][:, labels[some] == g], APART[int(g) % len(APART)]))
    every = np.hstack([points, middles])
    (left, low), (right, high) = every.min(axis=1), every.max(axis=1)
    wide, tall = (right - left) or 1.0, (high - low) or 1.0
    axes.set_xlim(left - 0.04 * wide, right + 0.04 * wide)
    axes.set_ylim(low - 0.04 * tall, high + 0.04 * tall)
    for g, (x, y) in enumerate(middles.T):
        color = APART[g % len(APART)]
        axes.plot([x], [y], "o", markersize=17, color="white", markeredgecolor=color, markeredgewidth=2.4)
        axes.annotate(
            str(g + 1), (x, y), (0, -0.5), textcoords="offset points", ha="center", va="center", fontweight="bold"
        )
    said = f"two directions, {words.percent(part)} of the spread"
    axes.annotate(
        said, (0, 0), (0, -16), xycoords="axes fraction", textcoords="offset points", color=MUTED, fontsize=10
    )


def _dots(places: Numbers, color: str) -> PathPatch:
    """Many points as one shape: strokes without length, with round ends."""
    vertices = np.repeat(places.T, 2, axis=0)
    path = Path(vertices, np.tile([Path.MOVETO, Path.LINETO], places.shape[1]))
    path.should_simplify = False
    return PathPatch(path, fill=False, edgecolor=color, linewidth=3.4, alpha=0.5, capstyle="round")


def _hold(axes: Axes, jaccard: Numbers) -> None:
    """A bar for each group, beside the bounds of what is called stable."""
    place = np.arange(1, len(jaccard) + 1)
    colors = [APART[g % len(APART)] for g in range(len(jaccard))]
    axes.bar(place, jaccard, width=0.72, color=colors, linewidth=0)
    axes.set_xlim(0.4, len(jaccard) + 0.6)
    axes.set_ylim(0, 1)
    axes.grid(False)
    axes.set_xticks(place)
    axes.set_yticks([0, DISSOLVED, STABLE, 1], ["0", str(DISSOLVED), str(STABLE), "1"])
    for bound in (DISSOLVED, STABLE):
        axes.axhline(bound, color="white", linewidth=2.4)
        axes.axhline(bound, color=INK, linewidth=1, dashes=(3, 3))
    for y, word in ((DISSOLVED / 2, "dissolved"), ((DISSOLVED + STABLE) / 2, "doubtful"), ((1 + STABLE) / 2, "stable")):
        axes.annotate(word, (1, y), (4, 0), xycoords="axes fraction", textcoords="offset points", va="center", fontsize=10, color=MUTED)  # fmt: skip


def profile_bars(profile: Profile, segment: str, *, prefix: str = "profile") -> str:
    """What sets one segment apart: its eight most telling columns, with 95 % intervals.

    Numbers are told in standard deviations, categories and flags in percentage points, each on its own scale. Columns that
    the segments were built from are paler and hatched. Numbers that are constant on both sides have no such difference and are left
    out. An unknown segment, or one that nothing sets apart beyond chance, gives an empty picture.

    Parameters
    ----------
    profile : Profile
    segment : str
    """
    told = _telling(profile, segment)
    if told.empty:
        return ""
    parts = [(kind, told[told["kind"] == kind]) for kind in ("number", "share") if (told["kind"] == kind).any()]
    built = bool(told["by_construction"].any())
    with canvas.theme():
        names, top = Names(), 26.0 + (20 if built else 0)
        figure = Figure(figsize=(canvas.WIDTH, (top + sum(_ITEM * len(rows) + 52 for _, rows in parts)) / 72))
        sheet = in_points(figure)
        sheet.text(10, 16, f"{names(segment, 30)} against all others", fontweight="bold")
        if built:
            key_at(sheet, (("found", BLUE), ("by construction (built from it)", PALE)), 10, 36)
        for kind, rows in parts:
            axes = panel(figure, 10, top, WIDE - 20, _ITEM * len(rows))
            _differences(axes, kind, rows, profile.words, names)
            top += _ITEM * len(rows) + 52
        first = told.iloc[0]
        said = f"most by {names(_label(first, profile.words), 60)}"
        return names.put(canvas.svg(figure, prefix=prefix, label=f"Bars: what sets {names(segment, 40)} apart, {said}"))


def _telling(profile: Profile, segment: str) -> pd.DataFrame:
    """One row a column, the most telling first."""
    rows = profile.differences
    rows = rows[(rows[SEGMENT] == segment) & rows["telling"] & np.isfinite(numbers(rows, "difference"))]
    inside, outside, difference = (numbers(rows, c) for c in ("inside", "outside", "difference"))
    share = (rows["kind"] == "share").to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt((inside * (1 - inside) + outside * (1 - outside)) / 2)
        strength = np.abs(np.where(share, difference / spread, difference))
    ranked = rows.assign(strength=strength).sort_values("strength", ascending=False, kind="stable")
    return ranked.drop_duplicates("column").head(COLUMNS)


def _label(row: Any, meaning: Mapping[str, str]) -> str:
    told = meaning.get(row["column"], row["column"])
    return f"{told}: {row['level']}" if row["level"] else str(told)


def _differences(axes: Axes, kind: str, rows: pd.DataFrame, meaning: Mapping[str, str], names: Names) -> None:
    """Bars from zero, the label above each, both means at its right end."""
    write = words.percent if kind == "share" else words.money
    difference, low, high = (numbers(rows, c) for c in ("difference", "low", "high"))
    for i, (row, d) in enumerate(zip(rows.to_dict("records"), difference, strict=True)):
        built = bool(row["by_construction"])
        axes.barh(i + 0.24, d, height=0.38, facecolor=PALE if built else BLUE, edgecolor="white", linewidth=0, hatch="////" if built else None)  # fmt: skip
        if np.isfinite(low[i]) and np.isfinite(high[i]):
            axes.plot([low[i], high[i]], [i + 0.24, i + 0.24], color=INK, linewidth=1.6)
        against = f"{write(row['inside'])} against {write(row['outside'])}"
        place = axes.get_yaxis_transform()
        axes.text(
            0, i - 0.22, names(_label(row, meaning), 54 - len(against)), transform=place, va="center", fontsize=10.5
        )
        axes.text(1, i - 0.22, against, transform=place, ha="right", va="center", fontsize=10, color=MUTED)
    ends = np.r_[0.0, difference, low[np.isfinite(low)], high[np.isfinite(high)]]
    margin = 0.03 * float(ends.max() - ends.min())
    axes.set_xlim(float(ends.min()) - margin, float(ends.max()) + margin)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(axis="x")
    axes.vlines(np.zeros(len(rows)), np.arange(len(rows)) + 0.02, np.arange(len(rows)) + 0.46, color=INK, linewidth=1)
    axes.locator_params(axis="x", nbins=5)
    ticks = [t for t in axes.get_xticks() if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [_points(t) if kind == "share" else f"{t:g}".replace("-", "\N{MINUS SIGN}") for t in ticks])
    axes.set_xlabel("Percentage points" if kind == "share" else "Standard deviations")


def _points(share: float) -> str:
    return f"{100 * share:g}".replace("-", "\N{MINUS SIGN}")


def stability_choice(groups: CustomerGroups, *, prefix: str = "choice") -> str:
    """How the number of groups was chosen: how well the weakest group holds, and how far apart groups are.

    Parameters
    ----------
    groups : CustomerGroups
        Fitted. Where the number was given, nothing was chosen and the picture is empty.
    """
    table = groups.choice_
    k, weakest, apart = (numbers(table, c) for c in ("groups", "smallest_jaccard", "silhouette"))
    if len(k) < 2:
        return ""
    chosen = int(groups.n_groups_)
    with canvas.theme():
        axes = canvas.sheet(3.6, top=38, right=48)
        axes.axvline(chosen, color=PALE, linewidth=14, alpha=0.45)
        axes.axhline(STABLE, color=INK, linewidth=1, dashes=(3, 3))
        axes.plot(k, apart, "s--", color=ORANGE, markersize=6, markeredgecolor="white")
        axes.plot(k, weakest, "o-", color=BLUE, markersize=8, markeredgecolor="white")
        axes.set_xlim(k.min() - 0.4, k.max() + 0.4)
        axes.set_ylim(min(0.0, float(np.nanmin(apart))), 1.04)
        axes.set_xticks(k, [f"{n:.0f}" for n in k])
        axes.set_yticks([0, 0.25, 0.5, STABLE, 1], ["0", "0.25", "0.5", str(STABLE), "1"])
        axes.set_xlabel("Number of groups; the shaded one was chosen")
        axes.annotate(
            "stable",
            (1, (1 + STABLE) / 2),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            color=BLUE,
        )
        figure = figure_of(axes)
        key_at(in_points(figure), (("weakest group (Jaccard)", BLUE), ("silhouette", ORANGE)), 12, 16)
        label = f"Lines: stability and silhouette by number of groups; {chosen} were chosen"
        return canvas.svg(figure, prefix=prefix, label=label)
