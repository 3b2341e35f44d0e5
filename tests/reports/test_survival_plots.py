"""The fan of survival curves: whole markup, what it says, and what it refuses."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from crmintel.evaluation.kaplan_meier import kaplan_meier
from crmintel.reports import plots
from crmintel.reports.survival_plots import _apart

ODD = '高 <b>& "co"</b>'


def curves(n: int = 40) -> pd.DataFrame:
    t = np.arange(0.0, 13.0)
    frame = pd.DataFrame(np.exp(-np.linspace(0.01, 0.6, n)[:, None] * t), columns=t)
    frame.index = [ODD, *(f"person-{i}" for i in range(1, n))]
    return frame


def texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)
    return [t for e in root.iter() for t in [(e.text or "").strip(), e.attrib.get("aria-label", "")] if t]


def picture(**more: object) -> str:
    everybody = kaplan_meier(np.arange(1, 13), np.ones(12))
    return plots.survival_fan(curves(), everybody, customers=[ODD, "person-39"], unit="months", prefix="p", **more)


def test_the_fan_is_whole_labelled_markup_and_the_same_twice() -> None:
    svg = picture()
    root = ET.fromstring(svg)
    assert root.attrib["role"] == "img"
    assert "how long 40 customers stay; after 12 months" in root.attrib["aria-label"]
    assert all(name.startswith("p-") for name in re.findall(r'\bid="([^"]*)"', svg))
    assert picture() == svg


@pytest.mark.slow
def test_it_names_what_it_draws_and_nobody_else() -> None:
    told = texts(picture())
    assert {"middle customer", "middle 50 % and 90 %", "all, as seen", "person-39", "Time in months"} <= set(told)
    assert any(t.startswith("高 <b>") for t in told)
    assert "<b>" not in picture()
    assert not any("person-7" in t for t in told)


def test_the_middle_line_is_the_median_of_the_curves() -> None:
    svg = plots.survival_fan(curves().iloc[:21], prefix="p")
    share = np.exp(-np.linspace(0.01, 0.6, 40)[10] * 12)
    assert f"{share:.1%}".replace(".0%", "%") in texts(svg)[0] or f"{100 * share:.0f}%" in texts(svg)[0]


def test_few_customers_are_lines_without_a_fan() -> None:
    told = texts(plots.survival_fan(curves().iloc[1:4], prefix="p"))
    assert "person-1" in told
    assert "middle customer" not in told
    assert "other customers" not in told


@pytest.mark.slow
def test_of_few_customers_those_without_a_name_are_drawn_too() -> None:
    def lines(svg: str) -> int:
        return svg.count("stroke: #") + svg.count('stroke="#')

    seven, five = (plots.survival_fan(curves().iloc[1 : n + 1], prefix="p") for n in (7, 5))
    assert "other customers" in texts(seven)
    assert "person-5" in texts(seven)
    assert "person-6" not in texts(seven)
    assert lines(seven) >= lines(five) + 2


def test_without_curves_there_is_no_picture() -> None:
    assert plots.survival_fan(curves().iloc[:0]) == ""
    assert plots.survival_fan(curves().iloc[:, :1]) == ""


def test_unknown_and_too_many_customers_are_refused_without_their_names() -> None:
    with pytest.raises(ValueError, match="1 of 2 customers are not in the curves") as caught:
        plots.survival_fan(curves(), customers=["person-1", "secret"])
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="at most 5"):
        plots.survival_fan(curves(), customers=[f"person-{i}" for i in range(1, 7)])


def test_names_at_one_height_are_moved_apart() -> None:
    assert _apart(np.array([0.0, 0.0, 0.5]), 0.1).tolist() == [0.0, 0.1, 0.5]
    high = _apart(np.array([1.0, 0.99, 0.98]), 0.1)
    assert high == pytest.approx([1.0, 0.9, 0.8])
