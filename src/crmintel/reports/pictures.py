"""A drawing where it is looked at: in a notebook."""

import html
import re
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, repr=False)
class Picture:
    """A picture that a notebook draws, of one width and in letters without serifs.

    Parameters
    ----------
    markup : str
        What a function of `crmintel.reports.plots` returned.
    width : int, default=440
        In pixels; the height follows.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmintel.reports import plots
    >>> lift = pd.DataFrame({"depth": [0.1, 0.5, 1.0], "captured": [0.4, 0.9, 1.0]})
    >>> plots.Picture(plots.gain_curve(lift))
    Curve: the first 20% of the list hold 52% of the leavers
    >>> plots.Picture(plots.gain_curve(lift.head(0)))
    There is nothing to draw.
    """

    markup: str
    width: int = 440

    def _repr_svg_(self) -> str | None:
        """What notebooks ask for; None where there is nothing to draw, then they show the words."""
        own = f'<svg width="{self.width}" font-family="sans-serif" '
        return self.markup.replace("<svg ", own, 1) if self.markup else None

    def __repr__(self) -> str:
        label = re.search(r'aria-label="([^"]*)"', self.markup)
        return html.unescape(label.group(1)) if label else "There is nothing to draw."
