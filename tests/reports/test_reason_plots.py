"""Pictures of reasons: whole markup, the strongest first, nothing about fewer than ten."""

from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from crmintel.churn import Reasons
from crmintel.reports import plots

ODD = '高价值 <b>& "co"</b>'


@pytest.fixture
def told() -> Reasons:
    """Twenty customers with ten reasons; the first names carry markup."""
    rng = np.random.default_rng(0)
    names = [ODD, *(f"reason {i}" for i in range(9))]
    added = pd.DataFrame(rng.normal(0, 0.3, (20, 10)), columns=names)
    added.loc[0, [ODD, "reason 0"]] = [2.0, -1.5]
    top = np.argsort(-added.to_numpy(), axis=1)[:, :2]
    themes = pd.DataFrame(np.array(names)[top], columns=["reason_1", "reason_2"])
    sentences = themes.map(lambda t: f"told: {t}")
    return Reasons(added, float(logit(0.2)), sentences, themes, themes == ODD)


def texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)
    return [t for e in root.iter() for t in [(e.text or "").strip(), e.attrib.get("aria-label", "")] if t]


def test_a_customer_sees_own_sentences_the_strongest_first_and_the_rest_together(told: Reasons) -> None:
    svg = plots.customer_reasons(told, 0, prefix="p")
    shown = texts(svg)
    places = [i for i, t in enumerate(shown) if t.startswith("told: 高价值")]
    assert places
    assert places[0] < shown.index("reason 0") < shown.index("all other reasons")
    assert any("(can act)" in t for t in shown)
    total = told.base + told.contributions.iloc[0].sum()
    assert any(f"{100 / (1 + np.exp(-total)):.0f}% likely to leave; the typical customer 20%" in t for t in shown)
    assert "<b>" not in svg
    assert plots.customer_reasons(told, 0, prefix="p") == svg


def test_bars_have_the_colors_of_their_sides(told: Reasons) -> None:
    one = Reasons(
        pd.DataFrame({"up": [1.0], "down": [-1.0]}), 0.0, told.sentences[:1], told.themes[:1], told.actionable[:1]
    )
    svg = plots.customer_reasons(one)
    assert svg.count("#d55e00") == svg.count("#0072b2")


def test_a_segment_is_drawn_by_its_means(told: Reasons) -> None:
    segments = np.where(np.arange(20) < 12, ODD, "few")
    shown = texts(plots.segment_reasons(told, segments, ODD))
    assert any("mean of 12 customers" in t for t in shown)
    likely = (1 / (1 + np.exp(-told.base - told.contributions[:12].sum(axis=1)))).mean()
    assert any(f"{100 * likely:.0f}% likely" in t for t in shown)
    assert not any("told:" in t for t in shown)


def test_nothing_is_drawn_of_fewer_than_ten_or_of_nobody(told: Reasons) -> None:
    segments = np.where(np.arange(20) < 12, "many", "few")
    assert plots.segment_reasons(told, segments, "few") == ""
    assert plots.segment_reasons(told, segments, "unknown") == ""
    assert plots.customer_reasons(told, 20) == ""


def test_every_id_has_the_prefix(told: Reasons) -> None:
    root = ET.fromstring(plots.customer_reasons(told, 3, prefix="q"))
    assert all(e.attrib["id"].startswith("q-") for e in root.iter() if "id" in e.attrib)
    assert len(root.attrib["aria-label"]) > 25
