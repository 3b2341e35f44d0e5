"""The pictures: markup that can live beside others, and nothing drawn of nothing."""

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb

from crmintel.reports import Report, canvas, plots, small
from crmintel.reports.axes import figure_of, letters

PICTURES: list[Callable[..., str]] = [
    plots.monthly_activity,
    plots.monthly_changes,
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


def tips(svg: str) -> list[str]:
    return [e.attrib["data-tip"] for e in ET.fromstring(svg).iter() if "data-tip" in e.attrib]


@pytest.mark.slow
def test_every_mark_says_its_value(report: Report) -> None:
    assert report.churn is not None
    assert report.value is not None
    drawn = {
        "active": plots.monthly_activity(report.base.monthly, partial=[True]),
        "moved": plots.monthly_changes(report.base.monthly),
        "money": plots.monthly_money(report.base.monthly),
        "shares": plots.retention(report.base.retention),
        "histogram": plots.score_histogram(report.churn.scores_histogram),
        "deciles": plots.value_deciles(report.value.deciles),
    }
    counts = {name: len(tips(svg)) for name, svg in drawn.items()}
    assert counts == {"active": 25, "moved": 24, "money": 25, "shares": 78, "histogram": 20, "deciles": 10}
    assert tips(drawn["active"])[:2] == [
        "Dec 2022: 1,748 active customers, 1,748 of them new (not a whole month)",
        "Jan 2023: 1,532 active customers, 469 of them new",
    ]


def test_a_month_without_a_figure_says_nothing(report: Report) -> None:
    monthly = report.base.monthly.copy()
    monthly.loc[1, ["active_customers", "new_customers", "revenue"]] = np.nan
    monthly.loc[2, "new_customers"] = np.nan
    assert tips(plots.monthly_activity(monthly))[1] == "Feb 2023: 1,484 active customers"
    assert len(tips(plots.monthly_money(monthly))) == 24


def test_a_long_curve_says_at_most_sixty_values_its_ends_among_them() -> None:
    share = np.linspace(0.001, 1, 5_000)
    said = tips(plots.concentration(pd.DataFrame({"customer_share": share, "revenue_share": share**0.5})))
    assert 50 <= len(said) <= 60
    assert said[0] == "0% of customers bring 0% of the money"
    assert said[-1] == "100% of customers bring 100% of the money"


def test_words_of_marks_are_escaped_and_lie_where_the_mark_does() -> None:
    def drawn(*marks: tuple[str, canvas.Place, canvas.Place | None]) -> str:
        with canvas.theme():
            axes = canvas.sheet(2.0, left=10, bottom=20, top=30, right=10)
            axes.set_xlim(0, 10)
            axes.set_ylim(0, 1)
            for text, x, y in marks:
                canvas.tip(axes, text, x, y)
            return canvas.svg(figure_of(axes), prefix="p", label="x")

    svg = drawn(('"<b>&', 5.0, 0.5), ("column", (0.0, 10.0), None))
    wide, high = canvas.WIDTH * 72 - 20, 2.0 * 72 - 50
    point, column = list(ET.fromstring(svg))[-1]
    assert point.attrib["data-tip"] == '"<b>&'
    assert [float(point.attrib[c]) for c in ("cx", "cy")] == pytest.approx([10 + wide / 2, 30 + high / 2], abs=0.01)
    place = [float(column.attrib[c]) for c in ("x", "y", "width", "height")]
    assert place == pytest.approx([10, 30, wide, high], abs=0.01)
    assert re.sub(r'<g class="tips".*</g>', "", svg) == drawn()  # nothing else changes


def test_colours_turn_with_the_page_and_words_do_not() -> None:
    turned = canvas.themed('<svg aria-label="white #0072b2"><path style="fill: #0072B2; stroke: white"/></svg>')
    assert turned == '<svg aria-label="white #0072b2"><path style="fill: var(--blue); stroke: var(--paper)"/></svg>'


def luminance(color: str) -> float:
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_letters_stand_out_on_every_shade_of_the_heat_map_in_print_light_and_dark() -> None:
    style = (Path(canvas.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    found = re.findall(r"--((?:heat|on)-\w+): (#\w+)", style)
    light, dark = dict(found[:18]), dict(found[18:])
    assert light.keys() == dark.keys()
    for shade in range(256):
        fill, letter = to_hex(canvas.HEAT(shade)), letters(shade / 256)
        steps = re.findall(r"--([\w-]+)", canvas.themed(f"fill: {fill}; stroke: {letter}"))
        for under, over in ((fill, letter), *((scheme[steps[0]], scheme[steps[1]]) for scheme in (light, dark))):
            low, high = sorted((luminance(under), luminance(over)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (shade, under, over)
    for scheme, up in ((light, -1), (dark, 1)):
        steps = [up * luminance(scheme[f"heat-{i}"]) for i in range(16)]
        assert steps == sorted(steps)
