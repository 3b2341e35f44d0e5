"""What people read: a feature in words, and the sentence of one customer."""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from crmintel.interactions.clock import duration
from crmintel.showing import Shown

ALL = "all"
"""The window that holds the whole past."""


@final
@dataclass(frozen=True)
class Feature(Shown):
    """One column of a feature table: its name, and what a person reads.

    Parameters
    ----------
    name : str
        The name of the column.
    words : str
        What it tells.
    quote : str
        The sentence of one customer, with ``{value}`` for the number; the words and the number without it.
    absent : str
        The sentence of a customer for whom it is missing.
    plain : bool
        Whether a marketer understands it without a lesson; only such features are quoted as reasons.
    values : tuple of str
        What the numbers 0, 1, … stand for, where they are no quantity.
    """

    name: str
    words: str
    quote: str = ""
    absent: str = ""
    plain: bool = True
    values: tuple[str, ...] = ()

    def tell(self, value: float) -> str:
        """The sentence of one customer.

        >>> orders = Feature("orders_30d", "orders in the last 30 days", "{value} orders in the last 30 days")
        >>> [orders.tell(n) for n in (0, 1, 1200)]
        ['no orders in the last 30 days', '1 order in the last 30 days', '1,200 orders in the last 30 days']
        >>> Feature("mean_amount_all", "mean amount so far").tell(float("nan"))
        'mean amount so far: not known yet'
        >>> Feature("share", "share of milk").tell(0.0003)
        'share of milk: nearly 0'
        """
        if math.isnan(value):
            return self.absent or f"{self.words}: not known yet"
        if self.values:
            return self.quote.format(value=self.values[int(value)])
        digits = 0 if abs(value) >= 10 or value == round(value) else 1 if abs(value) >= 1 else 2
        number = f"{value:,.{digits}f}" if value == 0 or abs(value) >= TINY else "nearly 0"
        if not self.quote:
            return f"{self.words}: {number}"
        if number == "0" and self.quote.startswith("{value} "):
            number = "no"
        quote = _COUNTED.sub(lambda m: m[1] + singular(m[2]), self.quote) if number == "1" else self.quote
        return quote.format(value=number)


TINY = 0.005
"""What rounds to 0.00 without being nothing."""
_COUNTED = re.compile(r"(\{value\} (?:different )?)(\w+)")


def singular(noun: str) -> str:
    """One of many.

    >>> [singular(n) for n in ("purchases", "categories", "boxes", "days", "glass")]
    ['purchase', 'category', 'box', 'day', 'glass']
    """
    if noun.endswith("ss") or not noun.endswith("s"):
        return noun
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    return noun[:-2] if re.search("(ss|x|z|ch|sh)es$", noun) else noun[:-1]


def plural(noun: str) -> str:
    """Many of one.

    >>> [plural(n) for n in ("purchase", "category", "survey", "box")]
    ['purchases', 'categories', 'surveys', 'boxes']
    """
    if re.search("[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search("(s|x|z|ch|sh)$", noun) else "s")


def spoken(name: str) -> str:
    """The name of a column or a kind as a person would say it.

    >>> spoken("item_id"), spoken("support_call")
    ('item', 'support call')
    """
    return name.removesuffix("_id").replace("_", " ")


def counted(words: str) -> str:
    """The quote of a number of things; braces in names of channels and the like stay what they are."""
    return "{value} " + literal(words)


@lru_cache(maxsize=1_024)
def length(window: str) -> int:
    """Microseconds of a window."""
    return duration(window)


def literal(words: str) -> str:
    """Words that go into a quote as they are."""
    return words.replace("{", "{{").replace("}", "}}")


def when(window: str) -> str:
    """The end of a sentence: ``" in the last 30 days"``."""
    return " so far" if window == ALL else f" in the last {in_words(window)}"


@lru_cache(maxsize=1_024)
def in_words(window: str) -> str:
    """``"30d"`` as ``"30 days"``.

    >>> in_words("1d"), in_words("36h")
    ('1 day', '36 hours')
    """
    seconds = duration(window) / 1e6
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= unit and seconds % unit == 0:
            count = int(seconds // unit)
            return f"{count} {name}" + ("" if count == 1 else "s")
    return window
