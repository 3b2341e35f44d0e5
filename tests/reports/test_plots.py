"""The pictures: markup that can live beside others, and nothing drawn of nothing."""

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from crmintel.reports import Report, plots, small

PICTURES: list[Callable[..., str]] = [
    plots.monthly_activity,
    plots.monthly_money,
    plots.concentration,
    plots.retention,
    plots.gain_curve,
    plots.calibration,
    plots.score_histogram,
    plots.value_deciles,
]


@pytest.mark.parametrize("draw", PICTURES)
def test_nothing_is_drawn_of_nothing(draw: Callable[..., str]) -> None:
    assert draw(pd.DataFrame()) == ""


def test_a_picture_is_whole_markup_without_fonts_dates_or_rules(report: Report) -> None:
    svg = plots.monthly_activity(report.base.monthly, prefix="p1")
    root = ET.fromstring(svg)
    assert all(e.attrib["id"].startswith("p1-") for e in root.iter() if "id" in e.attrib)
    assert not any(word in svg for word in ("<style", "<metadata", "DejaVu", "xlink"))
    assert "Feb 2023" in svg


def test_half_of_the_money_is_found_between_two_points() -> None:
    curve = pd.DataFrame({"customer_share": [0.1, 0.3, 1.0], "revenue_share": [0.4, 0.6, 1.0]})
    assert plots.half_point(curve) == pytest.approx(0.2)
    assert plots.half_point(curve.assign(revenue_share=[0.0, 0.0, 0.0])) is None


def test_small_groups_merge_until_the_whole_is_large_enough() -> None:
    frame = pd.DataFrame({"g": list("abcd"), "n": [100, 2, 3, 40], "m": [1.0, 2.0, 4.0, 8.0]})
    merged = small.merge_small(frame, name="g", customers="n", means=("m",))
    assert merged["g"].tolist() == ["a", small.OTHER]
    assert merged["n"].tolist() == [100, 45]
    assert merged["m"].iloc[-1] == pytest.approx((2 * 2 + 3 * 4 + 40 * 8) / 45)


def test_groups_that_are_too_small_even_together_vanish() -> None:
    frame = pd.DataFrame({"g": list("ab"), "n": [2, 3]})
    assert small.merge_small(frame, name="g", customers="n").empty


def test_large_groups_stay_as_they_are() -> None:
    frame = pd.DataFrame({"g": list("abc"), "n": [10, 20, 0]})
    assert small.merge_small(frame, name="g", customers="n").equals(frame)
