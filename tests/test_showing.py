"""Things in a notebook: in a line or field by field, escaped, without a row of any customer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crmintel.showing import Shown, card, page


@dataclass(frozen=True)
class Told(Shown):
    """A result with a line of its own."""

    table: pd.DataFrame
    ids: tuple[Any, ...] = (17, 23)
    n: int = 3

    def __repr__(self) -> str:
        return f"Told about {self.n} <customers>\n! and a second line"


@dataclass(frozen=True)
class Values(Shown):
    """Fields of every kind."""

    name: str = "a & b"
    count: int = 1234567
    share: float = 0.123456789
    flag: bool = True
    nothing: None = None
    texts: tuple[str, ...] = ("x", "<y>")
    empty: tuple[str, ...] = ()
    many: tuple[str, ...] = tuple("abcdefghij")
    costs: Mapping[str, float] = field(default_factory=lambda: {"call": 4.0})
    customers: Mapping[Any, float] = field(default_factory=lambda: {"canary": 7654.0})
    blocked: Any = field(default_factory=lambda: [("canary", 1)])
    rows: Any = field(default_factory=lambda: pd.DataFrame({"customer_id": ["canary"] * 2, "score": [0.5, 0.7]}))
    numbers: Any = field(default_factory=lambda: np.arange(12.0).reshape(3, 4))
    how: Any = len
    inner: Any = field(default_factory=lambda: Told(pd.DataFrame()))
    long: str = "z" * 500


def test_its_own_line_is_the_title_and_tables_are_told_by_their_size() -> None:
    html = card(Told(pd.DataFrame({"customer_id": ["canary"] * 1_200, "score": 0.5})))
    assert "<h4>Told about 3 &lt;customers&gt;</h4><pre>! and a second line</pre>" in html
    assert "1,200 rows: customer_id, score" in html
    assert "canary" not in html
    assert "<td>ids</td>" not in html
    assert "<td>n</td>" not in html


def test_without_a_line_of_its_own_every_field_is_told() -> None:
    html = Values()._repr_html_()
    assert "<h4>Values</h4>" in html
    for said in ("a &amp; b", "1,234,567", "0.123457", "True", "–", "x, &lt;y&gt;", "none", "10 entries", "call: 4"):
        assert f"<td>{said}</td>" in html
    for said in ("2 rows: customer_id, score", "12 values", "len", "Told about 3 &lt;customers&gt;", "z" * 119 + "…"):
        assert f"<td>{said}</td>" in html
    assert html.count("<td>1 entry</td>") == 2


def test_no_customer_appears_in_a_collection_or_a_table() -> None:
    html = Values()._repr_html_()
    assert "canary" not in html
    assert "7654" not in html
    assert "7,654" not in html


def test_a_thing_without_fields_is_called_by_its_name() -> None:
    class Plain(Shown):
        def __init__(self) -> None:
            self.secret = "canary"

    assert card(Plain()) == "<div><h4>Plain</h4></div>"


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame({1: [1], 2: [2]}), "1 row, 2 columns"),
        (pd.DataFrame({c: [1.0] for c in "abcdefghij"}), "1 row: a, b, c, d, e, f, g, h, …"),
        (pd.DataFrame(), "0 rows, 0 columns"),
    ],
)
def test_frames_are_told_by_their_columns(frame: pd.DataFrame, said: str) -> None:
    assert f"<td>{said}</td>" in card(Values(rows=frame))


def test_a_page_names_its_tables() -> None:
    html = page("a", first_table=pd.DataFrame({"x": ["<b>"], "y": [1234.5678]}))
    assert "<h5>first table</h5>" in html
    assert "&lt;b&gt;" in html
    assert "1,234.568" in html
