"""The pictures of value: whole, labelled, readable, true to what they show, and telling of nobody."""

import html
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from crmintel.datasets import simulate
from crmintel.interactions import InteractionLog
from crmintel.reports import plots
from crmintel.value import (
    CohortTriangle,
    GroupMeans,
    TrackingCurves,
    calibration_by_decile,
    cohort_retention,
    cohort_revenue,
    key_customers,
    tracking_curves,
)
from tests.value.conftest import Steady


def texts(svg: str) -> list[str]:
    """What can be read in a picture, and what a screen reader says."""
    root = ET.fromstring(svg)
    return [t for e in root.iter() for t in [(e.text or "").strip(), e.attrib.get("aria-label", "")] if t]


def curve_of(svg: str, color: str) -> list[tuple[float, float]]:
    """The points of the line of a color."""
    path = next(
        d for d, style in re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', svg) if f"stroke: {color}" in style
    )
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path)]


def followed(weeks: int = 20, split: int = 12, customers: int = 500) -> TrackingCurves:
    """A base that buys 10 times a week and of which 8 are expected."""
    later = np.arange(weeks) >= split
    frame = pd.DataFrame(
        {"ends": pd.date_range("2024-01-07", periods=weeks, freq="7D"), "expected": 8.0, "actual": 10.0}
    )
    frame["part"] = np.where(later, "holdout", "calibration")
    frame["conditional"] = np.where(later, 11.0, np.nan)
    frame["cumulative_expected"], frame["cumulative_actual"] = frame["expected"].cumsum(), frame["actual"].cumsum()
    frame["cumulative_conditional"] = np.where(later, 10.0 * split + frame["conditional"].cumsum(), np.nan)
    return TrackingCurves(frame, frame["ends"].iloc[split - 1] + pd.Timedelta(days=1), customers)


def triangle(*sizes: int, what: str = "buyers", ages: int = 6) -> CohortTriangle:
    months = pd.date_range("2024-01-01", periods=len(sizes), freq="MS", name="cohort")
    totals = pd.DataFrame(
        [[n * (0.5**a) if a < ages - i else np.nan for a in range(ages)] for i, n in enumerate(sizes)], index=months
    )
    return CohortTriangle(what, "month", pd.Series(sizes, index=months), totals, pd.Timestamp("2024-06-30"))


def groups() -> GroupMeans:
    table = pd.DataFrame({"frequency": ["0", "1", "7+"], "customers": [500, 200, 9], "expected": [0.5, 3.0, 9.0], "actual": [0.6, 1.0, 8.0],
                          "low": [0.4, 0.8, 2.0], "high": [0.8, 1.2, 14.0]})  # fmt: skip
    return GroupMeans(table)


def values(n: int = 400) -> pd.Series:
    return pd.Series(np.random.default_rng(0).gamma(0.4, 100.0, n), index=[f"person-{i:03d}" for i in range(n)])


@pytest.fixture(scope="module")
def pictures() -> dict[str, Callable[[], str]]:
    deciles = calibration_by_decile(values(), values() * 1.1)
    weeks = replace(triangle(30, 40, 50), period="week")
    return {
        "tracking_cumulative": lambda: plots.tracking_cumulative(followed(), prefix="p"),
        "tracking_weekly": lambda: plots.tracking_weekly(followed(), prefix="p"),
        "tracking, few weeks": lambda: plots.tracking_weekly(followed(4, 2), prefix="p"),
        "group_means": lambda: plots.group_means(groups(), prefix="p"),
        "group_means, tenths": lambda: plots.group_means(deciles, prefix="p"),
        "cohort_heat": lambda: plots.cohort_heat(triangle(*[1000] * 8, ages=14), prefix="p"),
        "cohort_heat, money": lambda: plots.cohort_heat(triangle(1000, 90, what="money"), prefix="p"),
        "cohort_heat, weeks": lambda: plots.cohort_heat(weeks, prefix="p"),
        "key_customer_curve": lambda: plots.key_customer_curve(key_customers(values()), prefix="p"),
    }


@pytest.fixture(scope="module")
def drawn(pictures: dict[str, Callable[[], str]]) -> dict[str, str]:
    """Each of them, drawn once."""
    return {name: draw() for name, draw in pictures.items()}


NAMES = [
    "tracking_cumulative", "tracking_weekly", "tracking, few weeks", "group_means", "group_means, tenths", "cohort_heat",
    "cohort_heat, money", "cohort_heat, weeks", "key_customer_curve",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_picture_is_whole_labelled_markup_and_the_same_twice(
    name: str, drawn: dict[str, str], pictures: dict[str, Callable[[], str]]
) -> None:
    svg = drawn[name]
    root = ET.fromstring(svg)
    assert len(root.attrib["aria-label"]) > 25
    assert root.attrib["role"] == "img"
    assert all(e.attrib["id"].startswith("p-") for e in root.iter() if "id" in e.attrib)
    assert not any(word in svg for word in ("<style", "<metadata", "DejaVu", "xlink", "nan", "person-"))
    assert pictures[name]() == svg


@pytest.mark.parametrize("name", NAMES)
def test_nothing_leaves_the_sheet_and_no_lines_of_text_meet(name: str, drawn: dict[str, str]) -> None:
    """Letters are taken to be of their usual width; the browser sees them in the report."""
    svg = drawn[name]
    wide = float(re.search(r'viewBox="0 0 ([\d.]+) ', svg).group(1))  # type: ignore[union-attr]
    boxes = []
    for style, x, y, text in re.findall(r'<text style="([^"]*)" x="([-\d.]+)" y="([-\d.]+)"[^>]*>([^<]*)</text>', svg):
        size = float(re.search(r"font-size: ([\d.]+)px", style).group(1))  # type: ignore[union-attr]
        long = 0.5 * size * len(html.unescape(text))
        left = float(x) - (long / 2 if "middle" in style else long if "end" in style else 0)
        boxes.append((left, left + long, float(y) - 0.7 * size, float(y), text))
    assert len(boxes) >= 4
    assert [b for b in boxes if b[0] < -1 or b[1] > wide + 1 or b[2] < 0] == []
    for i, (a, b, top, low, text) in enumerate(boxes):
        for c, d, top2, low2, other in boxes[i + 1 :]:
            assert min(b, d) - max(a, c) < 1 or min(low, low2) - max(top, top2) < 1, (text, other)


def test_nothing_is_drawn_of_nothing_or_of_few() -> None:
    assert plots.tracking_cumulative(followed(1, 0)) == ""
    assert plots.tracking_weekly(followed(2, 1)) == ""  # the first week may be cut
    assert plots.tracking_cumulative(followed(customers=9)) == ""
    assert plots.tracking_weekly(followed(customers=9)) == ""
    assert plots.group_means(GroupMeans(groups().table.iloc[2:])) == ""
    assert plots.cohort_heat(triangle(9, 5)) == ""
    assert plots.cohort_heat(triangle(100, ages=1)) == ""
    assert plots.key_customer_curve(key_customers(values(9))) == ""


# tracking


def test_the_forecast_begins_where_the_actual_curve_is_and_the_label_tells_the_error() -> None:
    svg = plots.tracking_cumulative(followed())
    actual, known, expected = (curve_of(svg, c) for c in ("#1b2733", "#d55e00", "#0072b2"))
    assert known[0] == pytest.approx(actual[11], abs=0.02)
    assert len(known) == 9
    assert all(e[1] > a[1] for e, a in zip(expected, actual, strict=True))  # lower on the sheet
    shown = texts(svg)
    assert {"really bought", "expected", "expected, knowing the past", "learned until here"} <= set(shown)
    assert any("of 500 customers; after 25 Mar 2024 it is off by −20%" in t for t in shown)


def test_the_border_stands_at_the_last_day_that_was_learned_from() -> None:
    svg = plots.tracking_weekly(followed())
    actual = curve_of(svg, "#1b2733")  # the first week is left out: eleven weeks of twenty are learned from
    border = re.search(
        r'<path d="M ([\d.]+) [\d.]+ L? ?([\d.]+)?[^"]*"[^>]*stroke-dasharray[^>]*#52606d', svg.replace("\n", "")
    )
    assert len(actual) == 19
    assert border is not None
    assert float(border.group(1)) == pytest.approx(actual[10][0], abs=0.05)


def test_drawing_changes_nothing_in_the_curves() -> None:
    told = followed()
    before = told.weeks.copy()
    plots.tracking_cumulative(told)
    pd.testing.assert_frame_equal(told.weeks, before)


# groups


@pytest.mark.slow
def test_groups_of_fewer_than_ten_are_left_out_of_the_picture() -> None:
    shown = texts(plots.group_means(groups()))
    assert "7+" not in shown
    assert {"0", "1", "expected", "Purchases before, after the first"} <= set(shown)
    assert any("1 of 2 forecasts lie in the interval" in t for t in shown)


# cohorts


def test_each_cohort_shows_its_size_and_shares_and_all_of_them_the_last_row() -> None:
    shown = texts(plots.cohort_heat(triangle(1000, 400)))
    assert {"Jan 2024", "Feb 2024", "1,000", "400", "1,400", "all", "50", "25", "12", "customers"} <= set(shown)
    assert shown.count("50") == 3
    assert shown.count("6") == 3  # 6.25 % of both at age 4
    assert "100" not in shown


def test_a_small_cohort_is_neither_shown_nor_found_from_the_last_row() -> None:
    assert plots.cohort_heat(triangle(1000, 400, 9)) == plots.cohort_heat(triangle(1000, 400))


def test_money_is_told_with_the_first_period_which_does_not_outshine_the_rest() -> None:
    svg = plots.cohort_heat(replace(triangle(100, 80, what="money"), totals=triangle(100, 80).totals * 64))
    assert {"64", "32", "16"} <= set(texts(svg))
    shades = re.findall(r"fill: (#\w{6})", svg)
    assert shades.count("#003f63") == 6  # age 0 and age 1, the darkest, of two cohorts and of all


def test_at_most_twelve_cohorts_the_last_ones() -> None:
    shown = texts(plots.cohort_heat(triangle(*[50] * 15, ages=16)))
    assert "Mar 2024" not in shown
    assert {"Apr 2024", "Mar 2025"} <= set(shown)


# key customers


def test_the_mark_tells_what_the_list_holds() -> None:
    told = key_customers(values())
    shown = texts(plots.key_customer_curve(told))
    assert f"10% of customers hold {told.share:.0%} of the value" in shown


@pytest.mark.parametrize("count", [9, 391])
def test_a_list_of_fewer_than_ten_or_of_nearly_all_is_not_marked(count: int) -> None:
    shown = texts(plots.key_customer_curve(key_customers(values(), count=count)))
    assert "The value of 400 customers" in shown
    assert not any("hold" in t for t in shown)


# whole logs


@pytest.mark.slow
def test_pictures_of_a_simulated_log() -> None:
    log = simulate(300, seed=7).log()
    at = (log.end - pd.Timedelta(days=100)).floor("D")
    curves = tracking_curves(Steady(), log, at, "91d")
    for svg in (plots.tracking_cumulative(curves), plots.tracking_weekly(curves)):
        assert "learned until here" in texts(svg)
    for period in ("week", "month", "quarter"):
        assert "all" in texts(plots.cohort_heat(cohort_retention(log, period)))
        assert "all" in texts(plots.cohort_heat(cohort_revenue(log, period)))


@pytest.mark.slow
def test_pictures_of_the_published_data(data: Path) -> None:
    log = InteractionLog.read(data / "cdnow" / "interactions.parquet", quiet=True)
    assert {"7,846", "8,476", "7,248", "23,570", "15"} <= set(texts(plots.cohort_heat(cohort_retention(log))))
