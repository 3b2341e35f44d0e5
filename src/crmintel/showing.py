"""How things show themselves in a notebook: a sentence and small tables, escaped, without any customer's row."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from html import escape
from typing import Any, Final

import numpy as np
import pandas as pd

_LONGEST: Final = 120
_MOST: Final = 8


def page(title: str, **frames: pd.DataFrame) -> str:
    """The title and each table, with its name as heading, as HTML; further lines of the title stand below it.

    >>> page("2 < 3")
    '<div><h4>2 &lt; 3</h4></div>'
    """
    head, _, rest = title.partition("\n")
    parts = [f"<h4>{escape(head)}</h4>", *([f"<pre>{escape(rest)}</pre>"] if rest else [])]
    for name, frame in frames.items():
        table = frame.to_html(index=False, float_format="{:,.3f}".format, na_rep="", border=0, justify="left")
        parts.append(f"<h5>{escape(name.replace('_', ' '))}</h5>{table}")
    return "<div>" + "".join(parts) + "</div>"


class Shown:
    """Things that show themselves in a notebook as their own line says, or field by field where they have none.

    Tables and arrays are told by their size and their columns, collections by how many they hold unless these are declared to be texts, so
    that no customer appears; things with a name by that.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Offer(Shown):
    ...     name: str
    ...     sent: pd.Series
    >>> html = Offer("tea & cake", pd.Series([7, 9]))._repr_html_()
    >>> "tea &amp; cake" in html, "2 values" in html
    (True, True)
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        return card(self)


def card(thing: Any) -> str:
    """What a thing says in its own line, with the sizes of the tables that it holds; otherwise all of its fields."""
    line: Any = type(thing).__repr__
    speaks = line is not object.__repr__ and not hasattr(line, "__wrapped__")  # a dataclass wraps the one it writes
    hints = {f.name: str(f.type) for f in fields(thing)} if is_dataclass(thing) else {}
    names = hints or {name: "" for name in getattr(thing, "__dict__", {}) if not name.startswith("_")}
    held = {name: getattr(thing, name, None) for name in names}
    if speaks:
        held = {name: value for name, value in held.items() if isinstance(value, pd.DataFrame | pd.Series)}
    elif not hints:
        held = {}
    rows = [(name.strip("_").replace("_", " "), _text(value, hints.get(name, ""))) for name, value in held.items()]
    said = page(repr(thing) if speaks else type(thing).__name__)
    if not rows:
        return said
    with pd.option_context("display.max_colwidth", None):
        table = pd.DataFrame(rows).to_html(index=False, header=False, border=0, justify="left")
    return f"{said.removesuffix('</div>')}{table}</div>"


def _text(value: Any, hint: str) -> str:
    """A value in a few words."""
    if isinstance(value, pd.DataFrame):
        return _frame(value)
    if isinstance(value, pd.Series | pd.Index | np.ndarray):
        return f"{value.size:,} values"
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return _short(str(value))
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        return f"{value:,.6g}"
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _entries(value, hint)
    return _short(
        getattr(value, "__name__", type(value).__name__) if callable(value) else str(value).partition("\n")[0]
    )


def _frame(frame: pd.DataFrame) -> str:
    said = f"{len(frame):,} {'row' if len(frame) == 1 else 'rows'}"
    names = [c for c in frame.columns if isinstance(c, str)]
    if len(names) < frame.shape[1] or not names:
        return f"{said}, {frame.shape[1]:,} columns"
    return _short(f"{said}: {', '.join(names[:_MOST])}{', …' if len(names) > _MOST else ''}")


def _entries(value: Any, hint: str) -> str:
    """Texts and instants that were declared as such; of anything else only how many."""
    if not len(value):
        return "none"
    if all(isinstance(x, Shown) and isinstance(getattr(x, "name", None), str) for x in value):
        return _short(", ".join(x.name for x in value))
    if not any(kind in hint for kind in ("[str", "Timestamp", "[int")) or len(value) > _MOST:
        return f"{len(value):,} {'entry' if len(value) == 1 else 'entries'}"
    if isinstance(value, Mapping):
        return _short(", ".join(f"{k}: {_text(v, '')}" for k, v in value.items()))
    return _short(", ".join(str(x) for x in value))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"
