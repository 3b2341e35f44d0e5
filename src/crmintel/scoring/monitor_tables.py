"""How far features, scores and customers moved, beside what chance gives."""

from collections.abc import Collection
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import chi2, kstwobign, norm

from crmintel.churn.bins import Bins
from crmintel.churn.shift import OUTSIDE, compared
from crmintel.evaluation.intervals import Floats
from crmintel.features.screen import WATCH
from crmintel.scoring.monitor_outcomes import Outcomes
from crmintel.scoring.monitor_profile import Profile, Reading, parts_of

ALPHA: Final = 0.01
"""Chance of an alarm by the bins of all features together when nothing changed, and by values beyond what was met."""
SINGLE: Final = 0.005
"""The same for each other question: the score, how it follows the features, how much is known."""
LOOSE: Final = 0.2
"""A correlation of score and features that falls by this much matters."""


def feature_table(profile: Profile, told: Reading, m: int, features: Collection[str]) -> pd.DataFrame:
    """How far some features moved, the furthest first."""
    rows = []
    for name in features:
        bins = profile.columns[name]
        found = compared(bins, told.counts[name], told.new[name])
        n, gone = int(bins.counts.sum()), told.missing[name] == m and bins.counts[-1] < bins.counts.sum()
        before = bins.extremes / (n + 1) if bins.number else (bins.extremes - 1) / n
        moves = float((profile.leans[name] * (told.counts[name] / m - bins.counts / n)).sum())
        rows.append((name, "number" if bins.number else "category", found.psi, found.by_chance, _limit(bins, m, ALPHA), found.p_value, moves,
                     bins.counts[-1] / n, told.missing[name] / m, before, found.outside.value, found.outside_p, gone))  # fmt: skip
    names = ["feature", "kind", "psi", "by_chance", "limit", "p_value", "score_shift", "missing_before", "missing", "beyond_before", "beyond", "beyond_p", "dead"]  # fmt: skip
    out = pd.DataFrame(rows, columns=names)
    for c in ("p_value", "beyond_p"):
        out[c] = holm(out[c].to_numpy(np.float64))
    far = (out["p_value"] < ALPHA) & (out["psi"] - out["by_chance"] > WATCH)
    new = (out["beyond_p"] < ALPHA) & (out["beyond"] - out["beyond_before"] > OUTSIDE)
    dead = out.pop("dead") & (out["p_value"] < ALPHA)
    out["verdict"] = np.select([dead, far, new], ["dead", "moved", "new values"], "stable")
    order = np.argsort(-(out["psi"] - out["by_chance"]).to_numpy(np.float64), kind="stable")
    return out.iloc[order].reset_index(drop=True)


def holm(p: Floats) -> Floats:
    """Chances of several tests, so that all together are wrong no more often than one (Holm 1979).

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    out = np.empty(len(p))
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return out


def _limit(bins: Bins, m: int, alpha: float) -> float:
    """The stability index that chance alone exceeds with a probability."""
    freedom = max(int((bins.counts > 0).sum()) - 1, 1)
    return float(chi2.isf(alpha, freedom)) * (1 / int(bins.counts.sum()) + 1 / m)


def score_table(profile: Profile, p: Floats, follows: float) -> pd.DataFrame:
    values = pd.Series(p)
    bins, n, m = profile.score, profile.n, len(p)
    found = compared(bins, bins.count(bins.place(values)), int(bins.new(values).sum()))
    then, now = profile.grid_counts, parts_of(p, profile.grid)
    distance = float(np.abs(np.cumsum(then) / n - np.cumsum(now) / m).max())
    moved = found.p_value < SINGLE and found.psi - found.by_chance > WATCH
    low, high = (np.arctanh(np.clip(r, -0.999, 0.999)) for r in (follows, profile.follows))
    chance = float(norm.cdf((low - high) / np.sqrt(1 / max(m - 3, 1) + 2 / max(n - 3, 1))))
    loose = bool(chance < SINGLE and profile.follows - follows > LOOSE)
    verdict = "mixed up" if loose else "moved" if moved else "stable"
    return pd.DataFrame([{
        "psi": found.psi, "by_chance": found.by_chance, "limit": _limit(bins, m, SINGLE), "p_value": found.p_value, "verdict": verdict,
        "ks": distance, "ks_p": float(kstwobign.sf(distance * np.sqrt(n * m / (n + m)))), "mean": float(np.sort(p).mean()),
        "follows_before": profile.follows, "follows": follows, "follows_p": chance,
    }])  # fmt: skip


def population_table(
    profile: Profile, told: Reading, m: int, previous: Any, index: pd.Index, truth: Outcomes
) -> pd.DataFrame:  # fmt: skip
    """Rows, who is new and who is gone, and shares of rows."""
    n = profile.n
    rows: list[tuple[str, float, float, float]] = [("rows", n, m, np.nan)]
    if previous is not None:
        ids, before = (_customers(i) for i in (index, previous))
        rows += [("new customers", np.nan, len(ids.difference(before, sort=False)), np.nan),
                 ("gone customers", np.nan, len(before.difference(ids, sort=False)), np.nan)]  # fmt: skip
    shares = {
        "low information": (profile.low_information, told.low_information),
        "nothing known": (profile.nothing_known, told.nothing_known),
        "rare or unseen category": (profile.rare, told.rare),
    }
    rows += [(f"share: {what}", a / n, b / m, _rise(a, n, b, m)) for what, (a, b) in shares.items()]
    rows += [("outcome mature", profile.n_outcomes, truth.mature, np.nan), ("outcome not mature", np.nan, truth.immature, np.nan),
             ("outcome missing though mature", np.nan, truth.unknown, np.nan)]  # fmt: skip
    return pd.DataFrame(rows, columns=["what", "before", "after", "p_value"])


def _customers(rows: Any) -> pd.Index:
    """Each customer once; instants do not make another."""
    index = rows if isinstance(rows, pd.Index) else pd.Index(rows)
    return (index.get_level_values(0) if index.nlevels > 1 else index).unique()


def _rise(a: int, n: int, b: int, m: int) -> float:
    """Chance of a share that rose as much, when nothing changed."""
    pooled = (a + b) / (n + m)
    spread = np.sqrt(max(pooled * (1 - pooled) * (1 / n + 1 / m), 1e-300))
    return float(norm.sf((b / m - a / n) / spread))
