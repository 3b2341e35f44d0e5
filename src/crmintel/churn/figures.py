"""The three figures that say whether scores are still true, with intervals, and whether they got worse."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from scipy.stats import norm, rankdata

from crmintel.errors import DataContractError
from crmintel.evaluation import checks
from crmintel.evaluation.intervals import Estimate, Floats

ALARM: Final = 0.025
"""Chance of an alarm when nothing changed: this much for all columns together, and as much for the three figures."""
LEVEL: Final = 1 - ALARM / 3
AUC_LOSS: Final = 0.01
LARGE: Final = 0.1
"""Log-odds, or slope, from which a loss of calibration matters."""
FIGURES: Final = {"auc": 0.0, "calibration in the large": 0.0, "calibration slope": 1.0}
"""What is watched with labels, and what it would be in a true model."""
_NONE: Final = Estimate(np.nan, np.nan, np.nan, method="not known")


def figures_of(then: dict[str, Estimate], now: dict[str, Estimate]) -> pd.DataFrame:
    """The figures of two periods and their change, one row each; the earlier ones are missing where they are not known."""
    rows = []
    for figure in FIGURES if now else ():
        old, new = then.get(figure, _NONE), now[figure]
        gap = new.value - old.value
        spread = [float(np.hypot(a, b)) for a, b in ((new.value - new.low, old.high - old.value), (new.high - new.value, old.value - old.low))]  # fmt: skip
        ends = [(e.value, e.low, e.high) for e in (old, new, Estimate(gap, gap - spread[0], gap + spread[1]))]
        rows.append((figure, *(x for end in ends for x in end)))
    names = [f"{period}{end}" for period in ("before", "after", "change") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["figure", *names])


def harm(figures: pd.DataFrame) -> Iterator[str]:
    """What is shown to be worse, by the change where both periods have labels, else by the later one alone."""
    for row in figures.to_dict("records"):
        alone = bool(np.isnan(row["change"]))
        if row["figure"] == "auc":
            if not alone and row["change_high"] < 0 and row["change"] < -AUC_LOSS:
                yield f"The order got worse: AUC {row['after']:.3f} after {row['before']:.3f}."
            continue
        ideal = FIGURES[row["figure"]]
        off = ideal if alone else 0.0
        value, low, high = (row[f"{'after' if alone else 'change'}{end}"] - off for end in ("", "_low", "_high"))
        worse = alone or abs(row["after"] - ideal) > abs(row["before"] - ideal)
        if worse and (low > 0 or high < 0) and abs(value) > LARGE:
            told = f"{row['after']:+.2f}" + ("" if alone else f" after {row['before']:+.2f}")
            yield f"Probabilities are no longer true: {row['figure']} {told}. If the order holds, calibrating again is enough."


def judged(y: npt.ArrayLike | None, p: Floats | None, period: str) -> dict[str, Estimate]:
    """The three figures of a period with labels."""
    if y is None:
        return {}
    if p is None:
        raise DataContractError(f"y_{period} comes without score_{period}. Pass the scores that the labels judge.")
    left = checks.labels(y)
    checks.same_length({f"y_{period}": left, f"score_{period}": p})
    order = np.lexsort((left, p))
    left, p = left[order], np.clip(p[order], 1e-6, 1 - 1e-6)
    odds = np.log(p) - np.log1p(-p)
    offset, slope = _refit(left, odds, np.ones((len(p), 1))), _refit(left, 0 * odds, np.column_stack([odds, np.ones(len(p))]))  # fmt: skip
    return dict(zip(FIGURES, (auc_of(left, p), offset, slope), strict=True))


def auc_of(left: Floats, p: Floats) -> Estimate:
    """Area under the ROC curve with DeLong's interval."""
    top, low = p[left > 0], p[left == 0]
    n, m = len(top), len(low)
    ranks = rankdata(np.r_[top, low])
    won = (ranks[:n] - rankdata(top)) / m
    lost = 1 - (ranks[n:] - rankdata(low)) / n
    error = float(np.sqrt(_variance(won) / n + _variance(lost) / m))
    return _around(float(won.mean()), error, "DeLong")


def _variance(x: Floats) -> float:
    return float(x.var(ddof=1)) if len(x) > 1 else 0.25


def _refit(left: Floats, fixed: Floats, columns: Floats) -> Estimate:
    """The first coefficient of a logistic regression on top of fixed log-odds; missing where it has no finite value."""
    w = np.zeros(columns.shape[1])
    for _ in range(50):
        chance = expit(fixed + columns @ w)
        bend = columns.T @ (columns * (chance * (1 - chance))[:, None])
        if np.linalg.cond(bend) > 1e12:
            return _NONE
        step = np.linalg.solve(bend, columns.T @ (left - chance))
        w = w + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-10:
            return _around(float(w[0]), float(np.sqrt(np.linalg.inv(bend)[0, 0])), "Wald")
    return _NONE


def _around(value: float, error: float, method: str) -> Estimate:
    half = float(norm.ppf((1 + LEVEL) / 2)) * error
    return Estimate(value, value - half, value + half, LEVEL, method)
