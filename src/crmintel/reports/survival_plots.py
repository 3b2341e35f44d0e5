"""How long customers stay, as a picture: a fan of their curves, some of them by name, beside the curve of all."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from crmintel.evaluation.kaplan_meier import KaplanMeier
from crmintel.reports import canvas, words
from crmintel.reports.axes import APART, Names, Numbers, figure_of, in_points, key_at, percents, shortened
from crmintel.reports.canvas import BLUE, INK, MUTED, PALE

MOST: Final = 5
"""Customers that are drawn one by one."""
BANDS: Final = ((0.05, 0.95), (0.25, 0.75))
"""Parts of the customers that the fan shows."""
FAN: Final = 10
"""With fewer customers there is no fan but a line for each; if none is named, the first five get a name."""
_BETWEEN: Final = 15.0
_JOIN: Final = 1.025
"""Where a line from the end of a curve to its name ends, as a share of the width."""
_COLORS: Final = (APART[1], APART[2], APART[3], APART[5], APART[6])


def survival_fan(
    curves: pd.DataFrame, everybody: KaplanMeier | None = None, *, customers: Sequence[object] = (), unit: str = "", prefix: str = "fan",
) -> str:  # fmt: skip
    """How many are still there after some time: shaded, the curves of the middle 90 % and 50 % of customers.

    Parameters
    ----------
    curves : DataFrame, one row a customer, columns are times that rise
        As from ``TimeToChurn.survival``. Without rows or with a single time the picture is empty.
    everybody : KaplanMeier, optional
        What was seen of all, drawn as steps with its band.
    customers : sequence of index labels
        At most five customers of `curves` that get a line and their name.
    unit : str
        Of time, such as ``"months"``.

    Raises
    ------
    ValueError
        If a customer is not in `curves`, or there are more than five.
    """
    if len(curves) == 0 or curves.shape[1] < 2:
        return ""
    fan = len(curves) >= FAN
    chosen = _chosen(curves, customers) if fan or len(customers) else curves.iloc[:MOST]
    others = curves.iloc[:0] if fan else curves[~curves.index.isin(chosen.index)]
    t = curves.columns.to_numpy(dtype=np.float64)
    with canvas.theme():
        names = Names()
        axes = canvas.sheet(
            3.7, top=52 if fan or len(others) or everybody is not None else 32, right=92 if len(chosen) else 14
        )
        entries = []
        if fan:
            every = curves.to_numpy(dtype=np.float64)
            for (low, high), alpha in zip(BANDS, (0.35, 0.6), strict=True):
                axes.fill_between(t, *np.quantile(every, [low, high], axis=0), color=PALE, alpha=alpha, linewidth=0)
            axes.plot(t, np.median(every, axis=0), color=BLUE)
            entries += [("middle customer", BLUE), ("middle 50 % and 90 %", PALE)]
        if len(others):
            axes.plot(t, others.to_numpy(dtype=np.float64).T, color=PALE, linewidth=1.2)
            entries.append(("other customers", PALE))
        if everybody is not None:
            _steps(everybody, axes, float(t[-1]))
            entries.append(("all, as seen", INK))
        for (_, row), color in zip(chosen.iterrows(), _COLORS, strict=False):
            axes.plot(t, row.to_numpy(dtype=np.float64), color=color, linewidth=1.8)
        percents(axes, "y", 1.0)
        axes.set_ylim(0, 1.02)
        axes.set_xlim(t[0], t[-1])
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel(f"Time in {names(unit, 20)}" if unit else "Time")
        figure = figure_of(axes)
        sheet = in_points(figure)
        sheet.text(12, 16, "Share of customers still there", color=MUTED, va="baseline")
        key_at(sheet, entries, 12, 36)
        ends = chosen.iloc[:, -1].to_numpy(dtype=np.float64)
        for (name, row), y, color in zip(
            chosen.iterrows(), _apart(ends, _BETWEEN / _tall(axes)), _COLORS, strict=False
        ):
            joined = axes.get_yaxis_transform()
            axes.plot((1, _JOIN), (float(row.iloc[-1]), y), transform=joined, color=color, linewidth=0.8, clip_on=False)
            axes.annotate(
                names(name, 12), (1, y), (12, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center", color=color
            )  # fmt: skip
        return names.put(canvas.svg(figure, prefix=prefix, label=_label(curves, unit)))


def _chosen(curves: pd.DataFrame, customers: Sequence[object]) -> pd.DataFrame:
    """The curves that get a line of their own."""
    if len(customers) > MOST:
        raise ValueError(f"{len(customers)} customers were asked for. Draw at most {MOST} one by one.")
    place = curves.index.get_indexer(pd.Index(list(customers))) if len(customers) else np.zeros(0, np.intp)
    if (place < 0).any():
        raise ValueError(
            f"{int((place < 0).sum())} of {len(customers)} customers are not in the curves. Use labels of its index."
        )
    return curves.iloc[place]


def _steps(everybody: KaplanMeier, axes: Axes, last: float) -> None:
    """The curve of all as steps, with its interval."""
    inside = everybody.time <= last
    t = np.r_[0.0, everybody.time[inside], min(last, everybody.time[-1])]
    s, low, high = (np.r_[1.0, v[inside], v[inside][-1:]] for v in (everybody.survival, everybody.low, everybody.high))
    axes.fill_between(t, low, high, step="post", color=INK, alpha=0.14, linewidth=0)
    axes.step(t, s, where="post", color=INK, linewidth=1.3, dashes=(3, 2))


def _tall(axes: Axes) -> float:
    """Points that the whole share takes."""
    box = axes.get_position()
    return float(box.height * figure_of(axes).get_size_inches()[1] * 72 / 1.02)


def _apart(places: Numbers, least: float) -> Numbers:
    """Heights near the given ones that stand at least so far apart, within 0 and 1."""
    order = np.argsort(places, kind="stable")
    out = places[order].copy()
    for i in range(1, len(out)):
        out[i] = max(out[i], out[i - 1] + least)
    if len(out) and out[-1] > 1:
        out[-1] = 1.0
        for i in range(len(out) - 2, -1, -1):
            out[i] = min(out[i], out[i + 1] - least)
    result = np.empty_like(out)
    result[order] = out
    return result


def _label(curves: pd.DataFrame, unit: str) -> str:
    last, share = float(curves.columns[-1]), float(np.median(curves.iloc[:, -1]))
    after = f"{last:g} {shortened(unit, 20)}" if unit else f"{last:g}"
    return f"Curves: how long {words.count(len(curves))} customers stay; after {after} half of them are there with at least {words.percent(share)}"
