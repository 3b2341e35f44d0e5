"""The language of a page: every sentence is written in English here, and looked up where another language is spoken."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Final, Literal, get_args

from crmintel.errors import DataContractError
from crmintel.reports.chinese import CHINESE, ELSEWHERE

Language = Literal["en", "zh"]
_spoken: Final[ContextVar[str]] = ContextVar("language", default="en")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Say everything in a language; afterwards again in the one before.

    Raises
    ------
    DataContractError
        If nobody taught us that language.
    """
    if language not in get_args(Language):
        raise DataContractError(f"Pages are written in 'en' or 'zh', not in {language!r}.")
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


def spoken() -> str:
    """The language of now."""
    return _spoken.get()


def say(text: str, *values: object) -> str:
    """A sentence of ours in the language of now; what varies takes the places {0}, {1} and so on.

    >>> with speaking("zh"):
    ...     say("{0} customers", "1,200"), say("Money")
    ('1,200 位客户', '金额')
    """
    known = text if _spoken.get() == "en" else CHINESE[text]
    return known.format(*values) if values else known


def told(text: str) -> str:
    """A text from elsewhere in the package, such as the name of a segment; as it is where we know no other word for it.

    >>> with speaking("zh"):
    ...     told("at risk"), told("Segment 7")
    ('有流失风险', 'Segment 7')
    """
    if _spoken.get() == "en" or text in CHINESE:
        return say(text) if text in CHINESE else text
    for pattern, theirs in _patterns():
        if found := pattern.fullmatch(text):
            return theirs.format(*map(told, found.groups()))
    return text


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What is said elsewhere with a figure or a name in it."""
    places = [
        (re.sub(r"\\\{\d\\\}", "(.+)", re.escape(ours)), theirs) for ours, theirs in ELSEWHERE.items() if "{0}" in ours
    ]
    return tuple((re.compile(ours, re.DOTALL), theirs) for ours, theirs in places)
