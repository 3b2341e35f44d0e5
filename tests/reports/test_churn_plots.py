"""The pictures of churn: whole, labelled, readable, and true to what they show."""

import html
import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from scipy.special import expit

from crmintel.churn import ProfitCurve, profit_curve
from crmintel.reports import plots


def texts(svg: str) -> list[str]:
    """What can be read in a picture, and what a screen reader says."""
    root = ET.fromstring(svg)
    return [t for e in root.iter() for t in [(e.text or "").strip(), e.attrib.get("aria-label", "")] if t]


def said(svg: str) -> str:
    """All of it in one line."""
    return " ".join(texts(svg))


@pytest.fixture(scope="module")
def curve() -> ProfitCurve:
    rng = np.random.default_rng(1)
    p = expit(1.5 * rng.normal(size=2000) - 1.2)
    return profit_curve(rng.random(2000) < p, p, n=60)


@pytest.fixture(scope="module")
def losing() -> ProfitCurve:
    rng = np.random.default_rng(1)
    p = rng.random(400)
    return profit_curve(rng.random(400) < p, p, value=12, incentive_cost=11, contact_cost=5, n=30)


@pytest.fixture(scope="module")
def pictures(curve: ProfitCurve, losing: ProfitCurve) -> dict[str, Callable[[], str]]:
    return {
        "profit_plot": lambda: plots.profit_plot(curve, prefix="p"),
        "profit_plot, a loss": lambda: plots.profit_plot(losing, prefix="p"),
    }


NAMES = ["profit_plot", "profit_plot, a loss"]


@pytest.mark.parametrize("name", NAMES)
def test_each_picture_is_whole_labelled_markup_and_the_same_twice(
    name: str, pictures: dict[str, Callable[[], str]]
) -> None:
    svg = pictures[name]()
    root = ET.fromstring(svg)
    assert len(root.attrib["aria-label"]) > 25
    assert root.attrib["role"] == "img"
    assert all(e.attrib["id"].startswith("p-") for e in root.iter() if "id" in e.attrib)
    assert not any(word in svg for word in ("<style", "<metadata", "DejaVu", "xlink", "nan", "person-"))
    assert pictures[name]() == svg


@pytest.mark.parametrize("name", NAMES)
def test_nothing_leaves_the_sheet_and_no_lines_of_text_meet(name: str, pictures: dict[str, Callable[[], str]]) -> None:
    """Letters are taken to be of their usual width."""
    svg = pictures[name]()
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box is not None
    wide, high = (float(x) for x in box.groups())
    boxes = []
    for style, x, y, text in re.findall(r'<text style="([^"]*)" x="([-\d.]+)" y="([-\d.]+)"[^>]*>([^<]*)</text>', svg):
        size = float(re.search(r"font-size: ([\d.]+)px", style).group(1))  # type: ignore[union-attr]
        long = 0.5 * size * len(html.unescape(text))
        left = float(x) - (long / 2 if "middle" in style else long if "end" in style else 0)
        boxes.append((left, left + long, float(y) - 0.95 * size, float(y), text))
    assert len(boxes) >= 10
    assert [b for b in boxes if b[0] < -1 or b[1] > wide + 1 or b[3] > high] == []
    for i, (a, b, top, low, text) in enumerate(boxes):
        for c, d, top2, low2, other in boxes[i + 1 :]:
            assert min(b, d) - max(a, c) < 1 or min(low, low2) - max(top, top2) < 1, (text, other)


# profit


def test_the_curve_says_where_it_is_best_and_that_it_is_flat(curve: ProfitCurve) -> None:
    svg = plots.profit_plot(curve)
    told = said(svg)
    assert f"best at {curve.best.depth.value:.0%} of customers" in told
    assert curve.verdict in told
    assert "within 2% of it" in told
    assert {"list", "random list", "best depth", "Profit per customer of the base"} <= set(texts(svg))


def test_the_mark_stands_on_the_curve_at_the_best_depth(curve: ProfitCurve) -> None:
    svg = plots.profit_plot(curve).replace("\n", " ")
    paths = re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', svg)
    line = next(d for d, style in paths if "stroke: #0072b2" in style and "fill: none" in style)
    points = np.array([(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", line)])
    left, right = points[0, 0], points[-1, 0]
    stem = next(d for d, style in paths if "stroke: #d55e00; stroke-width: 1.2" in style)
    x = float(re.search(r"M ([\d.]+)", stem).group(1))  # type: ignore[union-attr]
    top = float(re.findall(r"L [\d.]+ ([\d.]+)", stem)[-1])
    assert (x - left) / (right - left) == pytest.approx(curve.best.depth.value, abs=0.005)
    assert top == pytest.approx(points[:, 1].min(), abs=1)
    shade = next(d for d, style in paths if "fill: #e9edf1" in style)
    ends = [float(a) for a in re.findall(r"[ML] ([\d.]+)", shade)]
    assert [(e - left) / (right - left) for e in (min(ends), max(ends))] == pytest.approx(curve.flat, abs=0.005)


def test_a_loss_has_no_flat_range_and_shows_it_below_zero(losing: ProfitCurve) -> None:
    told = said(plots.profit_plot(losing))
    assert "Contacting nobody is best" in told
    assert "Other customers of the same kind say the same" in told
    assert not any(words in told for words in ("between 0% and 0%", "not proven"))
    assert "within 2%" not in told
    assert "\N{MINUS SIGN}" in told
