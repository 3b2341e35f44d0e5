"""How times that are written as text may be written: told to who has to say it, never decided for them."""

import itertools
from typing import Final

import pandas as pd

_DATES: Final = (
    "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%Y", "%d.%m.%y", "%d-%m-%Y", "%m-%d-%Y", "%d-%m-%y", "%m-%d-%y",
    "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y年%m月%d日",
)  # fmt: skip
_CLOCKS: Final = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
FORMS: Final = tuple(map("".join, itertools.product(_DATES, _CLOCKS)))
"""The usual ways."""
_SAMPLE: Final = 500


def fitting(texts: pd.Series, among: tuple[str, ...] = FORMS) -> tuple[str, ...]:
    """The forms by which all of the texts are times.

    >>> fitting(pd.Series(["31/12/23 18:05", "01/02/24 9:00"]))
    ('%d/%m/%y %H:%M',)
    >>> fitting(pd.Series(["01/02/2024"])), fitting(pd.Series(["soon"]))
    (('%d/%m/%Y', '%m/%d/%Y'), ())
    """

    def fits(some: pd.Series, form: str) -> bool:
        return bool(pd.to_datetime(some, format=form, errors="coerce").notna().all())

    few = texts.head(_SAMPLE)
    return tuple(form for form in among if fits(few, form) and fits(texts, form))


def advice(forms: tuple[str, ...]) -> str:
    """What to say about times whose form is one of these.

    >>> advice(("%d/%m/%Y",))
    'Say how they are written: time_format="%d/%m/%Y" (a policy).'
    """
    if not forms:
        return (
            "If all are written alike, say how, by the codes of strftime (%d day, %m month, %Y year, %y year of two digits, %H hour, "
            '%M minute): time_format="%d/%m/%Y %H:%M" (a policy).'
        )
    said = " or ".join(f'time_format="{form}" (a policy)' for form in forms)
    return f"Say how they are written: {said}{', whichever is right' if len(forms) > 1 else ''}."
