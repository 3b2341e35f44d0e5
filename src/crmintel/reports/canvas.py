"""Sheets to draw on, and how a drawing becomes markup that can share a page with others and is the same every time."""

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, final

from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter

INK: Final = "#1b2733"
MUTED: Final = "#52606d"
GRID: Final = "#e4e8ec"
BLUE: Final = "#0072b2"
PALE: Final = "#9cc9e3"
ORANGE: Final = "#d55e00"
GREEN: Final = "#00785a"
HEAT: Final = LinearSegmentedColormap.from_list("crmintel", ["#f1f7fb", "#8fc3e2", "#0072b3", "#003f63"])
"""From few to many. A dark page has a scale of its own for it."""
ON_PALE: Final = "#000001"
ON_DEEP: Final = "#fffffe"
"""Letters on its two halves."""

WIDTH: Final = 4.8
"""Inches. At 72 units an inch a phone shows the drawing about one to one, so that 11 pt stay readable."""

_THEME: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "crmintel",
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.titlecolor": MUTED,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelsize": 11,
    "axes.labelcolor": MUTED,
    "axes.labelpad": 7,
    "axes.edgecolor": "#9aa5b1",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.9,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": "#9aa5b1",
    "ytick.color": "#9aa5b1",
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 7,
    "ytick.major.pad": 5,
    "lines.linewidth": 2.2,
    "lines.solid_capstyle": "round",
}
_VARIABLES: Final = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    "#9aa5b1": "rim",
    "#b3bcc6": "rim",
    "#ffffff": "paper",
    "white": "paper",
    "#eef0f2": "plain-bg",
    "#e9edf1": "plain-bg",
    BLUE: "blue",
    PALE: "pale",
    ORANGE: "orange",
    GREEN: "green",
    ON_PALE: "on-pale",
    ON_DEEP: "on-deep",
    **{to_hex(HEAT(i)): f"heat-{i * 16 // 256}" for i in range(256)},
}
_COLOUR: Final = re.compile(rf"(?:(?<=fill: )|(?<=stroke: ))(?:{'|'.join(map(re.escape, _VARIABLES))})", re.IGNORECASE)
_METADATA: Final = {"Creator": None, "Date": None, "Format": None, "Type": None}


@contextmanager
def theme() -> Iterator[None]:
    """Our look, whatever the reader's own settings are; those are as before afterwards."""
    with style.context(["default", _THEME]):
        yield


def sheet(height: float = 3.2, *, left: float = 46, bottom: float = 44, top: float = 28, right: float = 14) -> Axes:
    """Empty axes with fixed margins in points, so that pictures beside each other line up."""
    figure = Figure(figsize=(WIDTH, height))
    wide, high = WIDTH * 72, height * 72
    return figure.add_axes((left / wide, bottom / high, 1 - (left + right) / wide, 1 - (bottom + top) / high))


def themed(markup: str) -> str:
    """The same picture with the colours of the page it stands on, be it light or dark."""
    return _COLOUR.sub(lambda found: f"var(--{_VARIABLES[found.group().lower()]})", markup)


Place = float | tuple[float, float]


@final
class _Tip(Artist):
    """What a mark stands for, in words, and where it lies. It draws nothing and moves no scale."""

    def __init__(self, text: str, x: Place, y: Place | None) -> None:
        super().__init__()
        self.text, self._x, self._y = text, x, y

    def draw(self, renderer: RendererBase) -> None:
        """Nothing."""

    def markup(self, axes: Axes, high: float, dpi: float) -> str:
        """The place in points from the upper left corner: a rectangle for a stretch, a point for two numbers."""
        stretches = self._x, axes.get_ylim() if self._y is None else self._y
        (left, right), (low, top) = (p if isinstance(p, tuple) else (p, p) for p in stretches)
        ends = axes.transData.transform([(left, low), (right, top)]) * 72 / dpi
        (x0, x1), (y0, y1) = sorted(ends[:, 0]), sorted(high - ends[:, 1])
        said = f'data-tip="{html.escape(self.text, quote=True)}"/>'
        if x1 - x0 < 1e-9 and y1 - y0 < 1e-9:
            return f'<circle cx="{_short(x0)}" cy="{_short(y0)}" {said}'
        x, y, wide, tall = map(_short, (x0, y0, x1 - x0, y1 - y0))
        return f'<rect x="{x}" y="{y}" width="{wide}" height="{tall}" {said}'


def tip(axes: Axes, text: str, x: Place, y: Place | None = None) -> None:
    """Words that a page shows where somebody points at a mark; nothing is drawn.

    Parameters
    ----------
    axes : Axes
        Where the mark lies.
    text : str
        What it stands for.
    x, y : float or pair of float
        A place on the scales of the axes, or the two ends of a stretch; no `y` is the whole height.
    """
    axes.add_artist(_Tip(text, x, y))


def _tips(figure: Figure) -> str:
    """What the marks stand for, as shapes that nobody sees and a page's script finds."""
    high = 72 * float(figure.get_size_inches()[1])
    marks = [a.markup(axes, high, figure.dpi) for axes in figure.axes for a in axes.artists if isinstance(a, _Tip)]
    return f'<g class="tips" fill="none">{"".join(marks)}</g>' if marks else ""


def svg(figure: Figure, *, prefix: str, label: str) -> str:
    """The drawing as inline markup: no fonts, no dates, no style rules, ids that start with ``prefix``."""
    strange = _strange(figure)
    sink = io.StringIO()
    FigureCanvasSVG(figure).print_svg(sink, metadata=_METADATA)  # type: ignore[no-untyped-call]  # matplotlib does not say
    text = sink.getvalue()
    text = text[text.index("<svg") :].rstrip()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}-', text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    text = re.sub(r"font: (?:(\d{3}|bold) )?([\d.]+)px [^;\"]*", _font, text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"-?\d+\.\d{3,}(?![\w.])", _shorter, tag.group()), text)
    box = re.search(r'viewBox="[^"]*"', text)
    open_tag = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box.group() if box else ""} role="img" '
        f'aria-label="{html.escape(label, quote=True)}">'
    )
    text = re.sub(r"@x(\d+)@", lambda found: html.escape(strange[int(found.group(1))]), text)
    return open_tag + text[text.index(">") + 1 :].removesuffix("</svg>") + _tips(figure) + "</svg>"


def _strange(figure: Figure) -> list[str]:
    """Texts that no plotting font can write: signs stand for them until the page's own letters do."""
    held: list[str] = []

    def sign(text: str) -> str:
        if all(ord(c) <= 0x2E7F for c in text):
            return text
        held.append(text)
        return f"@x{len(held) - 1}@"

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            if (signs := [sign(text) for text in labels]) != labels:
                axis.set_major_formatter(FixedFormatter(signs))
    for text in figure.findobj(Text):
        text.set_text(sign(text.get_text()))
    return held


def _font(found: re.Match[str]) -> str:
    """Only the size and weight: the page chooses the letters."""
    weight = f"font-weight: {found.group(1)}; " if found.group(1) else ""
    return f"{weight}font-size: {found.group(2)}px"


def _shorter(found: re.Match[str]) -> str:
    """A coordinate to a hundredth of a point."""
    return _short(float(found.group()))


def _short(place: float) -> str:
    short = f"{place:.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short
