"""The few building blocks that every section of a page is made of. The templates know how each looks."""

from dataclasses import dataclass
from typing import ClassVar, final


@final
@dataclass(frozen=True)
class Badge:
    """A short judgement in colour: tone is "good", "unsure", "bad" or "plain"."""

    text: str
    tone: str


@final
@dataclass(frozen=True)
class Picture:
    """A drawn picture. ``svg`` is trusted markup of our own; all other text is escaped."""

    kind: ClassVar[str] = "picture"
    title: str
    svg: str
    caption: str
    wide: bool = False


@final
@dataclass(frozen=True)
class Bar:
    """One bar: its length in percent of the longest possible, and what is written at its end."""

    width: float
    text: str


@final
@dataclass(frozen=True)
class BarRow:
    """A name with one bar for each entry of the legend."""

    name: str
    bars: tuple[Bar, ...]
    detail: str = ""


@final
@dataclass(frozen=True)
class Bars:
    """Bars with names from the data, drawn by the page itself so that every script and length works."""

    kind: ClassVar[str] = "bars"
    title: str
    legend: tuple[str, ...]
    rows: tuple[BarRow, ...]
    caption: str = ""
    wide: bool = False


@final
@dataclass(frozen=True)
class IntervalRow:
    """A dot with its interval on a common scale; positions are percent of the scale."""

    name: str
    text: str
    dot: float
    left: float
    width: float
    gain: str = ""
    badge: Badge | None = None
    own: bool = False


@final
@dataclass(frozen=True)
class Intervals:
    """The model and the simple rules beside each other."""

    kind: ClassVar[str] = "intervals"
    title: str
    rows: tuple[IntervalRow, ...]
    ticks: tuple[tuple[float, str], ...]
    reference: float | None
    caption: str = ""
    wide: bool = True


@final
@dataclass(frozen=True)
class Table:
    """A table; ``numeric`` says which columns stand right-aligned. Folded tables open on a click."""

    kind: ClassVar[str] = "table"
    title: str
    head: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str | Badge, ...], ...]
    folded: bool = True
    wide: bool = True


@final
@dataclass(frozen=True)
class Fact:
    """One figure with its name and what it means."""

    label: str
    value: str
    note: str = ""


@final
@dataclass(frozen=True)
class Facts:
    """A strip of figures."""

    kind: ClassVar[str] = "facts"
    facts: tuple[Fact, ...]
    title: str = ""
    wide: bool = True


@final
@dataclass(frozen=True)
class Callout:
    """Something the reader must not miss."""

    kind: ClassVar[str] = "callout"
    badge: Badge
    text: str
    wide: bool = True


Block = Picture | Bars | Intervals | Table | Facts | Callout


@final
@dataclass(frozen=True)
class Section:
    """A part of the page: its name in the contents, the finding as a sentence, and its blocks."""

    anchor: str
    name: str
    finding: str
    lead: str
    blocks: tuple[Block, ...]
