"""The few building blocks that every section of a page is made of. The templates know how each looks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
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
    """One figure with its name, what it means and, in brackets, the interval it lies in."""

    label: str
    value: str
    note: str = ""
    interval: str = ""


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


@final
@dataclass(frozen=True)
class Field:
    """A number that the reader may change: its key, what it is, its value as text, and from what to what it goes."""

    key: str
    label: str
    value: str
    most: str = ""


@final
@dataclass(frozen=True)
class Reply:
    """A figure that follows from the fields, with what it means; the script writes it anew."""

    key: str
    label: str
    value: str
    note: str


@final
@dataclass(frozen=True)
class WhatIfForm:
    """Fields, and the figures that follow from them. ``said`` is the reply in a sentence, ``data`` JSON for the script; without one the plan's own figures stand."""

    kind: ClassVar[str] = "whatif"
    title: str
    lead: str
    fields: tuple[Field, ...]
    replies: tuple[Reply, ...]
    said: str
    data: str
    caption: str = ""
    wide: bool = True


@final
@dataclass(frozen=True)
class Points:
    """Sentences or names below each other, each with what stands behind it in small letters."""

    kind: ClassVar[str] = "points"
    title: str
    rows: tuple[tuple[str, str], ...]
    ordered: bool = True
    wide: bool = False


Block = Picture | Bars | Intervals | Table | Facts | Callout | Points | WhatIfForm


def arranged(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Folded tables last; an odd half-width block becomes wide, bars rather than pictures."""
    blocks = list(blocks)
    folded = [b for b in blocks if isinstance(b, Table) and b.folded]
    placed: list[Block] = []
    run: list[Picture | Bars | Points] = []
    for block in [b for b in blocks if b not in folded]:
        if isinstance(block, Picture | Bars | Points) and not block.wide:
            run.append(block)
        else:
            placed += [*_paired(run), block]
            run = []
    return (*placed, *_paired(run), *folded)


def _paired(run: list[Picture | Bars | Points]) -> list[Picture | Bars | Points]:
    """An even number of half-width blocks, and a wide one when one is left over."""
    if len(run) % 2 == 0:
        return run
    chosen = max((i for i, b in enumerate(run) if isinstance(b, Bars)), default=len(run) - 1)
    return [*run[:chosen], *run[chosen + 1 :], replace(run[chosen], wide=True)]


@final
@dataclass(frozen=True)
class Section:
    """A part of the page: its name in the contents, the finding as a sentence, its blocks, and how sure it is."""

    anchor: str
    name: str
    finding: str
    lead: str
    blocks: tuple[Block, ...]
    badge: Badge | None = None

    def __post_init__(self) -> None:
        """Bring the blocks into an order without holes."""
        object.__setattr__(self, "blocks", arranged(self.blocks))
