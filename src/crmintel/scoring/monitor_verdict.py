"""What to do with a model in use, and why, in words."""

from collections.abc import Iterator
from typing import Final, Literal

import numpy as np
import pandas as pd

from crmintel.scoring.monitor_outcomes import Outcomes
from crmintel.scoring.monitor_tables import SINGLE

KNOWN_LESS: Final = 0.05
"""A share of rows of low information that rises by this much matters."""
Verdict = Literal["retrain", "look", "hold"]


def judge(
    moved: pd.DataFrame, scored: pd.DataFrame, people: pd.DataFrame, truth: Outcomes
) -> tuple[Verdict, list[str]]:
    """What to do, and why."""
    broken, drifted = list(_broken(moved, scored, people)), list(_drifted(moved, scored))
    known = [_known(truth)]
    if truth.worse:
        return "retrain", [*truth.worse, *broken, *drifted, *known]
    if broken or (drifted and not truth.settled):
        return "look", [*broken, *drifted, *known]
    return "hold", [*(drifted or ["Nothing moved beyond chance by enough to matter."]), *known]


def _known(truth: Outcomes) -> str:
    """What the outcomes say."""
    if truth.observed is None:
        return "No outcome is mature yet."
    said = f"{truth.observed:.1%} of {truth.mature:,} mature rows left, {truth.expected:.1%} were expected"
    if truth.worse:
        return f"{said}."
    return (
        f"{said}: ranking and calibration show no loss beyond chance."
        if truth.settled
        else f"{said}: too few, or of too few rows, to settle it."
    )


def _broken(moved: pd.DataFrame, scored: pd.DataFrame, people: pd.DataFrame) -> Iterator[str]:
    """What no retraining mends."""
    if dead := moved.loc[moved["verdict"] == "dead", "feature"].tolist():
        yield f"Without any value now: {', '.join(sorted(dead))}. Repair the source."
    row = scored.iloc[0]
    if row["verdict"] == "mixed up":
        yield f"The score no longer follows the features: correlation {row['follows']:.2f} after {row['follows_before']:.2f}. Check that scores and rows belong together."
    low = people.set_index("what").loc["share: low information"]
    if low["p_value"] < SINGLE and low["after"] - low["before"] > KNOWN_LESS:
        yield f"Less than half is known of {low['after']:.1%} of rows, after {low['before']:.1%}."


def _drifted(moved: pd.DataFrame, scored: pd.DataFrame) -> Iterator[str]:
    row = scored.iloc[0]
    if row["verdict"] == "moved":
        yield f"The score moved: stability index {row['psi']:.2f}, of which chance explains {row['by_chance']:.2f}."
    for f in moved[moved["verdict"].isin(["moved", "new values"])].to_dict("records"):
        said = f"Column {f['feature']!r}:"
        if f["verdict"] == "moved":
            said = f"Column {f['feature']!r} moved: stability index {f['psi']:.2f}, of which chance explains {f['by_chance']:.2f};"
        met = "outside the range" if f["kind"] == "number" else "of a rare or unseen category"
        said += f" by itself it moves the log-odds by {f['score_shift']:+.2f};"
        yield f"{said} {f['beyond']:.1%} of rows {met}, after {f['beyond_before']:.1%}."


def metrics_of(
    verdict: Verdict, moved: pd.DataFrame, scored: pd.DataFrame, people: pd.DataFrame, truth: Outcomes
) -> dict[str, float]:
    """Names that a tracker takes, and what is known."""
    row = scored.iloc[0]
    count = moved["verdict"].value_counts()
    out = {f"monitor_{v}": float(v == verdict) for v in ("retrain", "look", "hold")}
    out |= {f"score_{c}": float(row[c]) for c in ("psi", "by_chance", "ks", "mean", "follows")}
    out |= {"features": float(len(moved)), "features_moved": float(len(moved) - count.get("stable", 0)),
            "largest_feature_psi": float(moved["psi"].max())}  # fmt: skip
    out |= {
        w.removeprefix("share: ").replace(" ", "_"): float(a)
        for w, a in zip(people["what"], people["after"], strict=True)
    }
    if truth.observed is not None:
        seen = truth.observed
        out |= {"observed_rate": seen.value, "observed_rate_low": seen.low, "observed_rate_high": seen.high, "expected_rate": truth.expected}  # fmt: skip
    for f in truth.figures.to_dict("records"):
        name = str(f["figure"]).replace(" ", "_")
        out |= {name: float(f["after"]), f"{name}_change": float(f["change"])}
    return {k: v for k, v in out.items() if np.isfinite(v)}
