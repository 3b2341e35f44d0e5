"""How tables of results look."""

import pandas as pd

from crmintel.evaluation import tables


def test_heads_stand_over_their_columns_on_the_left() -> None:
    shown = tables.page("A title", figures=pd.DataFrame({"group": ["a"], "rate": [0.25]}))
    assert "text-align: left" in shown
    assert "right" not in shown
