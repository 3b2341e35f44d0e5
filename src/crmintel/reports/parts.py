"""How frames become building blocks: bars, tables, dots with intervals and badges."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from crmintel.reports import plots, words
from crmintel.reports.blocks import Badge, Bar, Fact, IntervalRow, Intervals, Picture, Table
from crmintel.reports.data import Estimate
from crmintel.reports.frames import known, records
from crmintel.reports.language import say, told

Write = Callable[[object], str]

_TONES: Final = {
    "proven": "good",
    "not proven": "unsure",
    "worse": "bad",
    "ok": "good",
    "info": "plain",
    "warning": "unsure",
    "error": "bad",
}

METRICS: Final[Mapping[str, tuple[str, str, Write]]] = {
    "auc": ("Ranking (AUC)", "How often a leaver ranks above a stayer: 0.5 is chance, 1 is perfect.", words.score),
    "average_precision": ("Average precision", "Purity of the list, averaged over all lengths.", words.score),
    "brier": ("Brier score", "Mean squared error of the probabilities: lower is better.", words.score),
    "log_loss": ("Log loss", "Punishes confident mistakes: lower is better.", words.score),
    "ece": ("Calibration error", "Mean distance between said and seen share: lower is better.", words.score),
    "calibration_error": ("Calibration error", "Mean distance between said and seen share.", words.score),
    "lift_10": ("Lift at 10%", "Times more leavers than in a random tenth.", words.one_digit),
    "lift_20": ("Lift at 20%", "Times more leavers than in a random fifth.", words.one_digit),
    "mae": ("Mean error per customer", "Mean distance between predicted and real money.", words.money),
    "rmse": ("Root mean squared error", "As the mean error, large misses count more.", words.money),
    "bias": ("Bias of the total", "Predicted total against real total: 0 is right.", words.fine_percent),
    "capture": ("Money in the top tenth", "Share of real money in the tenth predicted highest.", words.fine_percent),
    "capture_10": ("Money in the top tenth", "Share of real money in the tenth predicted highest.", words.fine_percent),
    "gini": ("Ranking (Gini)", "How well customers are ordered by money: 1 is perfect.", words.score),
    "spearman": ("Rank correlation", "Agreement of the two orders: 1 is perfect.", words.score),
    "coverage": ("Coverage", "Share of real values inside their interval.", words.fine_percent),
}
"""Name, meaning and way of writing of the measures that have one; others are shown under their own name."""


def picture(title: str, svg: str, caption: str, *, wide: bool = False) -> Picture | None:
    """A picture, or None when there was nothing to draw."""
    return Picture(title, svg, caption, wide) if svg else None


def verdict(x: object) -> Badge | None:
    """A judgement as a badge; None for the model itself."""
    if not isinstance(x, str) or not x.strip() or x.strip().lower() == "model":
        return None
    return Badge(told(x.strip()), _TONES.get(x.strip().lower(), "plain"))


def facts(metrics: Mapping[str, Estimate]) -> tuple[Fact, ...]:
    """The measures with their intervals."""
    plain: tuple[str, Write] = ("", words.score)
    rows = []
    for name, e in metrics.items():
        label, note, write = METRICS.get(name, (name.replace("_", " "), *plain))
        label, note = told(label), told(note)
        if words.real(e.value) is not None:
            rows.append(Fact(label, write(e.value), note, words.brackets(e.low, e.high, write)))
    return tuple(rows)


def bar(x: object, most: float, text: str) -> Bar:
    """A bar whose full length is ``most``."""
    number = words.real(x)
    width = 0.0 if number is None or most <= 0 else max(0.0, min(100.0, 100 * number / most))
    return Bar(round(width, 2), text)


def most(frame: pd.DataFrame, *columns: str) -> float:
    """The largest figure in these columns, 0 without any."""
    values = frame[list(columns)].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    return float(np.nanmax(values)) if np.isfinite(values).any() else 0.0


def table(
    title: str, frame: pd.DataFrame, columns: Sequence[tuple[str, str, Write, bool]], *, folded: bool = True
) -> Table | None:
    """A table of (column, heading, way of writing, numeric); columns without any figure are left out."""
    if frame.empty:
        return None
    shown = [c for c in columns if not c[3] or known(frame, c[0])]
    rows = tuple(tuple(write(row[name]) for name, _, write, _ in shown) for row in records(frame))
    return Table(title, tuple(c[1] for c in shown), tuple(c[3] for c in shown), rows, folded=folded)


def is_model(row: Mapping[str, object]) -> bool:
    """Whether a row of a frame of rules is the model itself."""
    return verdict(row.get("verdict")) is None and words.real(row.get("gain")) is None


def strongest(rules: pd.DataFrame, measure: str, *, small_is_good: bool = False) -> dict[str, object] | None:
    """The simple rule that is hardest to beat."""
    rows = [r for r in records(rules) if not is_model(r) and words.real(r[measure]) is not None]
    sign = -1 if small_is_good else 1
    return max(rows, key=lambda r: sign * (words.real(r[measure]) or 0.0), default=None)


def with_model(rules: pd.DataFrame, measure: str, e: Estimate | None) -> list[dict[str, object]]:
    """The rows of the rules, the model first: as given, or made from its own measure."""
    rows = list(records(rules))
    own = [r for r in rows if is_model(r)]
    if not own and e is not None and words.real(e.value) is not None:
        blank: dict[str, object] = dict.fromkeys(map(str, rules.columns))
        own = [blank | {"name": say("the model"), measure: e.value, f"{measure}_low": e.low, f"{measure}_high": e.high}]
    return own + [r for r in rows if not is_model(r)]


def intervals(
    title: str, rows: Sequence[Mapping[str, object]], measure: str, caption: str, write: Write
) -> Intervals | None:
    """Dots with intervals on one scale, with the gain of the model over each rule and its verdict."""
    rows = [r for r in rows if words.real(r[measure]) is not None]
    ends = [words.real(r[c]) for r in rows for c in (measure, f"{measure}_low", f"{measure}_high")]
    seen = [e for e in ends if e is not None]
    if not seen:
        return None
    low, high = min(seen), max(seen)
    pad = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    low, high = (low - pad if low >= pad or low < 0 else 0.0), high + pad

    def place(x: float) -> float:
        return round(100 * (x - low) / (high - low), 2)

    drawn = []
    for row in rows:
        value = words.real(row[measure]) or 0.0
        left, right = (words.real(row[f"{measure}_{end}"]) for end in ("low", "high"))
        left, right = value if left is None else left, value if right is None else right
        own = is_model(row)
        drawn.append(
            IntervalRow(
                name=words.name(row["name"]),
                text=words.interval(value, row[f"{measure}_low"], row[f"{measure}_high"], write),
                dot=place(value),
                left=place(min(left, right)),
                width=round(place(max(left, right)) - place(min(left, right)), 2),
                gain="" if own else words.gain(row["gain"], row["gain_low"], row["gain_high"], write),
                badge=verdict(row["verdict"]),
                own=own,
            )
        )
    ticks = tuple((place(x), write(x)) for x in plots.round_ticks(low, high))
    reference = next((r.dot for r in drawn if r.own), None)
    return Intervals(title, tuple(drawn), ticks, reference, caption)
