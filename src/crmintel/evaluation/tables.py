"""How results show themselves, and when a gain may be called proven."""

from collections.abc import Mapping
from typing import Final

import pandas as pd

from crmintel.evaluation.intervals import Estimate
from crmintel.showing import page

__all__ = ["FEWEST", "lines", "metrics_frame", "page", "verdict"]

FEWEST: Final = 5
"""With fewer cases than this a bootstrap interval is too narrow to prove anything."""


def verdict(gain: Estimate, *, cases: int) -> str:
    """ "proven", "worse" or "not proven", from the paired interval of model minus rule.

    `cases` is how many customers of the rarer kind there are: below 5 nothing is proven either way.

    Examples
    --------
    >>> verdict(Estimate(0.02, 0.01, 0.03), cases=100), verdict(Estimate(0.02, -0.01, 0.05), cases=100)
    ('proven', 'not proven')
    """
    if not gain.excludes_zero or cases < FEWEST:
        return "not proven"
    return "proven" if gain.low > 0 else "worse"


def metrics_frame(metrics: Mapping[str, Estimate]) -> pd.DataFrame:
    """One row a metric: metric, value, low, high."""
    rows = [(name, e.value, e.low, e.high) for name, e in metrics.items()]
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high"])


def lines(title: str, metrics: Mapping[str, Estimate], rules: pd.DataFrame) -> str:
    """A few lines of text: the title, each metric, each rule's verdict."""
    shown = [title]
    shown += [f"  {name:<22} {estimate}" for name, estimate in metrics.items()]
    for row in rules.iloc[1:].itertuples():
        shown.append(
            f"  against {row.name}: {row.gain:+.3f} ({row.gain_low:+.3f} to {row.gain_high:+.3f}), {row.verdict}"
        )
    return "\n".join(shown)
