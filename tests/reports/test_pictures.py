"""Pictures in notebooks: one width, letters of their own, words where nothing can be drawn."""

from xml.etree import ElementTree as ET

import pandas as pd

from crmintel.reports import plots

LIFT = pd.DataFrame({"depth": [0.1, 0.5, 1.0], "captured": [0.4, 0.9, 1.0]})


def test_a_picture_has_its_width_and_its_letters_once() -> None:
    drawn = plots.Picture(plots.gain_curve(LIFT), width=300)._repr_svg_()
    assert drawn is not None
    root = ET.fromstring(drawn)
    assert (root.get("width"), root.get("font-family")) == ("300", "sans-serif")
    assert drawn.count("sans-serif") == 1


def test_the_words_of_a_picture_are_those_for_who_cannot_see_it() -> None:
    assert repr(plots.Picture('<svg aria-label="Fees &amp; gains"></svg>')) == "Fees & gains"


def test_nothing_to_draw_is_said_in_words() -> None:
    empty = plots.Picture(plots.gain_curve(LIFT.head(0)))
    assert empty._repr_svg_() is None
    assert "nothing to draw" in repr(empty)
