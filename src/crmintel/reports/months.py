"""The part of the page that tells how the base grew: month by month, who came, who went, and what they brought."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.reports import parts, plots, small, words
from crmintel.reports.blocks import Block
from crmintel.reports.data import Report
from crmintel.reports.frames import known, take, zoneless
from crmintel.reports.language import say

Hidden = npt.NDArray[np.bool_]
SLACK: Final = pd.Timedelta(days=3)
"""Time before the end of a month from which on it counts as over, and after its beginning up to which it counts as whole."""


def months(report: Report, k: int) -> list[Block | None]:
    """Activity by month as a picture and a table."""
    columns = ("month", "active_customers", "new_customers")
    monthly = take(report.base.monthly, "base.monthly", columns, ("revenue", "came_customers", "quiet_customers"))
    if monthly.empty:
        return []
    few = small.hidden(monthly["active_customers"], k)
    few_new = small.hidden(monthly["new_customers"], k) | few
    few_moved = _few_moved(monthly, few, few_new, k)
    masks = {"active_customers": few, "revenue": few, "new_customers": few_new, "came_customers": few_moved, "quiet_customers": few_moved}  # fmt: skip
    for column, hide in masks.items():
        monthly[column] = pd.to_numeric(monthly[column], errors="coerce").where(~hide)
    starts = [zoneless(m) for m in monthly["month"]]
    first, last = zoneless(report.span[0]), zoneless(report.span[1])
    partial = [s < first - SLACK or s + pd.offsets.MonthBegin(1) > last + SLACK for s in starts]
    cut = np.array(partial, bool) | np.r_[False, np.array(partial[:-1], bool)]  # who has not come yet is not quiet
    monthly.loc[cut, ["came_customers", "quiet_customers"]] = np.nan
    caption = say("Every month counts a customer once.")
    if not known(monthly, "revenue"):
        caption = say("Every month counts a customer once. The history has no amounts.")
    monthly.loc[0, "new_customers"] = np.nan
    caption += say(" All are new to the file in its first month: who is new is not told there.")
    caption += say(" Paler months are not complete.") if any(partial) else ""
    caption += say(" Figures of fewer than {0} customers are left empty.", k) if few_new.any() else ""
    table = parts.table(
        say("Month by month"),
        monthly,
        (
            ("month", say("Month"), words.month, False),
            ("active_customers", say("Active customers"), words.count, True),
            ("new_customers", say("New customers"), words.count, True),
            ("came_customers", say("Came"), words.count, True),
            ("quiet_customers", say("Went quiet"), words.count, True),
            ("revenue", say("Money"), words.money, True),
        ),
    )
    moved = say(
        "Came: bought in the month and not in the one before, new customers among them. Went quiet: the other way round; many come back."
    )
    activity = plots.monthly_activity(monthly, partial=partial)
    money = plots.monthly_money(monthly, partial=partial)
    return [
        parts.picture(_months_title(monthly, "active_customers", partial), activity, caption),
        parts.picture(_changes_title(monthly), plots.monthly_changes(monthly), moved),
        parts.picture(_months_title(monthly, "revenue", partial), money, say("The sum of all amounts of each month.")),
        table,
    ]


def _few_moved(monthly: pd.DataFrame, few: Hidden, few_new: Hidden, k: int) -> Hidden:
    """Months of which it cannot be told how many came and went, as somebody would be among few.

    With the active of a month and of the one before, those who came tell those who stayed, and those who went; with the new, those
    who came back.
    """
    active, new, came, quiet = (plots.numbers(monthly, c) for c in ("active_customers", "new_customers", "came_customers", "quiet_customers"))  # fmt: skip
    back = np.where(few_new, 0, came - new)
    told = np.vstack([came, quiet, active - came, back])
    hide: Hidden = ((told > 0) & (told < k)).any(axis=0) | few
    hide[1:] |= few[:-1]
    return hide


def _changes_title(monthly: pd.DataFrame) -> str:
    """The last month of which it is known who came and went."""
    told = monthly.dropna(subset=["came_customers", "quiet_customers"])
    if told.empty:
        return say("Who came and who went")
    month, came, quiet = told[["month", "came_customers", "quiet_customers"]].iloc[-1]
    return say("{0} came and {1} went quiet in {2}", words.count(came), words.count(quiet), words.month(month))


def _months_title(monthly: pd.DataFrame, column: str, partial: list[bool]) -> str:
    """How the last complete month compares with the same month a year before."""
    figures = plots.numbers(monthly, column)
    whole = [i for i, p in enumerate(partial) if not p and np.isfinite(figures[i])]
    if not whole:
        return say("Month by month")
    i, when = whole[-1], words.month(monthly["month"].iloc[whole[-1]])
    text = say("{0} customers were active in {1}", words.count(figures[i]), when)
    if column == "revenue":
        text = say("{0} brought {1}", when, words.money(figures[i]))
    before = i - 12
    if before in whole and figures[before] > 0:
        change = figures[i] / figures[before] - 1
        text += say(", {0}", _compared(change, column))
    return text


def _compared(change: float, column: str) -> str:
    """A change over a year in words."""
    if abs(change) < 0.005:
        return say("as much as a year before")
    size = words.percent(abs(change))
    if change > 0:
        return say("{0} more than a year before", size)
    return (
        say("{0} less than a year before", size) if column == "revenue" else say("{0} fewer than a year before", size)
    )
