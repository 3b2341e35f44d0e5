"""How the base grew: figures of few customers are told neither plainly nor between the lines."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from crmintel.reports import Report, words
from crmintel.reports.blocks import Picture, Table
from crmintel.reports.months import months


def rows(report: Report, k: int = 10, **changed: dict[int, float]) -> pd.DataFrame:
    """The table of the months, some figures replaced."""
    monthly = report.base.monthly.copy()
    for column, values in changed.items():
        monthly[column] = monthly[column].astype(float)
        for row, value in values.items():
            monthly.loc[row, column] = value
    blocks = months(dataclasses.replace(report, base=dataclasses.replace(report.base, monthly=monthly)), k)
    (table,) = (b for b in blocks if isinstance(b, Table))
    return pd.DataFrame(table.rows, columns=table.head).replace(words.NOTHING, np.nan)


def hidden(table: pd.DataFrame) -> list[int]:
    return np.flatnonzero(table["Came"].isna() & table["Went quiet"].isna()).tolist()


def test_who_came_and_who_went_is_told_of_whole_months(report: Report) -> None:
    first, last = 0, len(report.base.monthly) - 1
    plain = rows(report)
    assert hidden(plain) == [first, last]  # nothing is known before the first; the last one is not over
    titles = [b.title for b in months(report, 10) if isinstance(b, Picture)]
    assert any(" came and " in t and "went quiet in Nov 2024" in t for t in titles)


@pytest.mark.parametrize("changed", [
    {"came_customers": {7: 4}},  # few came
    {"quiet_customers": {7: 4}},  # few went
    {"came_customers": {7: 1_590}, "active_customers": {7: 1_594}},  # few stayed
    {"new_customers": {7: 400}, "came_customers": {7: 404}},  # few came back
], ids=["came", "quiet", "stayed", "back"])  # fmt: skip
def test_a_month_in_which_few_moved_tells_nobody(report: Report, changed: dict[str, dict[int, float]]) -> None:
    assert 7 in hidden(rows(report, **changed))
    assert 9 not in hidden(rows(report, **changed))


def test_a_month_of_few_hides_who_came_after_it(report: Report) -> None:
    """Those of the next month less those who came, and with those who went, would be those of this one."""
    assert {7, 8} <= set(hidden(rows(report, active_customers={7: 5})))


def test_nobody_is_a_figure_like_any_other(report: Report) -> None:
    table = rows(report, new_customers={7: 0}, came_customers={7: 0})
    assert table.loc[7, "Came"] == "0"


def test_a_report_without_these_figures_has_no_such_picture(report: Report) -> None:
    monthly = report.base.monthly.drop(columns=["came_customers", "quiet_customers"])
    bare = dataclasses.replace(report, base=dataclasses.replace(report.base, monthly=monthly))
    assert not any("went quiet" in b.title for b in months(bare, 10) if isinstance(b, Picture))


def test_after_a_month_that_is_not_whole_nobody_is_said_to_come(report: Report) -> None:
    late = dataclasses.replace(report, span=(pd.Timestamp("2022-12-20"), report.span[1]))
    assert hidden(rows(late))[:2] == [0, 1]
