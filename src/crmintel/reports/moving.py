"""The part of the page that says who moved from segment to segment."""

from typing import Final

import numpy as np
import pandas as pd

from crmintel.columns import SOURCE
from crmintel.reports import parts, plots, words
from crmintel.reports.blocks import Block, Picture
from crmintel.reports.language import say
from crmintel.segmentation import Migration
from crmintel.segmentation.types import PROSPECT, Grid

LEAST: Final = 0.6
"""Share of the customers that a picture has to show."""
RANKED: Final = (*Grid().names, PROSPECT)
"""The segments of the usual grid, from the best to the last."""


def moves(migration: Migration | None, k: int) -> list[Block | None]:
    """The flows as a picture and a table; nothing where all are too small."""
    if migration is None:
        return []
    shown = migration.shared(k)
    ranked = set(shown.segments) <= set(RANKED)
    svg = plots.migration_flows(shown, order=RANKED if ranked else None)
    drawn = shown.counts["customers"].fillna(0)[lambda n: n >= k].sum() / max(migration.counts["customers"].sum(), 1)
    if not svg or drawn < LEAST:
        return []  # a picture of the lesser part would mislead
    start, end = shown.periods[0][0], shown.periods[-1][1]
    caption = say(
        "From {0} to {1}, by today's bounds between segments. Ribbons are as thick as customers are many.",
        words.day(start),
        words.day(end),
    )
    if ranked:
        caption += say(
            " Up and down follow the order from champions to hibernating: how recently customers bought, then how often."
        )
    if drawn < 1:
        caption += say(" {0} of the customers are drawn.", words.percent(np.floor(100 * drawn) / 100))
    seen = shown.rates[shown.rates["customers"].fillna(0) >= k].sort_values(
        ["customers", SOURCE, "target"], ascending=[False, True, True], ignore_index=True
    )
    columns = (
        (SOURCE, say("From"), words.name, False),
        ("target", say("To"), words.name, False),
        ("customers", say("Customers"), words.count, True),
        ("rate", say("Share of those there before"), words.percent, True),
    )
    return [
        Picture(_title(seen, shown), svg, caption, wide=True),
        parts.table(say("All moves between segments"), seen, columns),
    ]


def _title(seen: pd.DataFrame, shown: Migration) -> str:
    """The largest move as a sentence."""
    known = seen[SOURCE].isin(shown.segments) & seen["target"].isin(shown.segments) & (seen[SOURCE] != seen["target"])
    if not known.any():
        return say("Who moved from segment to segment")
    row = seen[known].iloc[0]
    part = float(np.round(100 * row["rate"]))
    return say(
        "Of 100 customers who were {0}, {1} are now {2}",
        words.quoted(row[SOURCE]),
        f"{part:.0f}" if part else say("fewer than {0}", 1),
        words.quoted(row["target"]),
    )
