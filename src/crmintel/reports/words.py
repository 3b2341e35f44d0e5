"""Numbers and dates as people write them, the same in every locale."""

import math
from collections.abc import Callable
from typing import Final

import pandas as pd

from crmintel.reports.data import Estimate
from crmintel.reports.language import say, spoken, told

NOTHING: Final = "–"
"""Shown where there is no figure."""

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SCALES: Final = {
    "en": (("", 1.0), ("k", 1e3), ("M", 1e6), ("B", 1e9), ("T", 1e12)),
    "zh": (("", 1.0), ("万", 1e4), ("亿", 1e8), ("万亿", 1e12)),
}


def real(x: object) -> float | None:
    """The number behind a cell, or None when there is none.

    >>> real("3"), real(float("nan")), real(None), real("abc")
    (3.0, None, None, None)
    """
    try:
        number = float(x)  # type: ignore[arg-type]  # what is no number is caught
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _signed(text: str) -> str:
    """A true minus sign, and none before a zero."""
    if text.startswith("-"):
        return text[1:] if not text.strip("-0.,%") else "\N{MINUS SIGN}" + text[1:]
    return text


def count(x: object) -> str:
    """A whole number with thousands separators.

    >>> count(1234567), count(None)
    ('1,234,567', '–')
    """
    number = real(x)
    return NOTHING if number is None else _signed(f"{number:,.0f}")


def money(x: object) -> str:
    """An amount in at most three or four signs, without a currency.

    >>> [money(x) for x in (0, 4.5, 345.2, 999.96, 12_345, 999_960, -1_234_567)]
    ['0', '4.5', '345', '1k', '12.3k', '1M', '−1.2M']
    """
    number = real(x)
    if number is None:
        return NOTHING
    scales = _SCALES[spoken()]
    for (letter, scale), (_, above) in zip(scales, [*scales[1:], ("", math.inf)], strict=True):
        digits = 1 if abs(number) / scale < 99.95 else 0
        short = round(number / scale, digits)
        if abs(short) < above / scale:
            return _signed(f"{short:,.{digits}f}".removesuffix(".0") + letter)
    raise AssertionError("unreachable")


def exact(x: object) -> str:
    """An amount as on a receipt, without a currency.

    >>> exact(1234.5), exact(-3), exact(None)
    ('1,234.50', '−3.00', '–')
    """
    number = real(x)
    return NOTHING if number is None else _signed(f"{number:,.2f}")


def percent(x: object, digits: int | None = None) -> str:
    """A share in percent: one digit after the point below ten, none above, unless told.

    >>> percent(0.4999), percent(0.0812), percent(0.08), percent(0.0001), percent(0.123, 1)
    ('50%', '8.1%', '8%', '<0.1%', '12.3%')
    """
    number = real(x)
    if number is None:
        return NOTHING
    if 0 < number < 0.0005:
        return "<0.1%"
    if digits is None:
        digits = 1 if abs(number) < 0.0995 else 0
        return _signed(f"{100 * number:.{digits}f}".removesuffix(".0") + "%")
    return _signed(f"{100 * number:.{digits}f}%")


def fine_percent(x: object) -> str:
    """A share in percent with one digit after the point, for figures that stand below each other or have an interval.

    >>> fine_percent(0.8), fine_percent(None)
    ('80.0%', '–')
    """
    return percent(x, 1)


def score(x: object) -> str:
    """A measure with three digits after the point.

    >>> score(0.74123), score(-0.0001)
    ('0.741', '0.000')
    """
    number = real(x)
    return NOTHING if number is None else _signed(f"{number:.3f}")


def one_digit(x: object) -> str:
    """A small number with one digit after the point."""
    number = real(x)
    return NOTHING if number is None else _signed(f"{number:,.1f}")


def interval(value: object, low: object, high: object, write: Callable[[object], str] = score) -> str:
    """A figure with its interval.

    >>> interval(0.741, 0.722, 0.76), interval(0.01, -0.002, 0.02), interval(0.5, None, None)
    ('0.741 (0.722–0.760)', '0.010 (−0.002 to 0.020)', '0.500')
    """
    around = brackets(low, high, write)
    return f"{write(value)} {around}" if around else write(value)


def brackets(low: object, high: object, write: Callable[[object], str] = score) -> str:
    """An interval in brackets, or nothing."""
    if real(low) is None or real(high) is None:
        return ""
    dash = "–" if (real(low) or 0) >= 0 else " to " if spoken() == "en" else "至"
    return f"({write(low)}{dash}{write(high)})"


def estimate(e: Estimate, write: Callable[[object], str] = score) -> str:
    """An :class:`Estimate` with its interval."""
    return interval(e.value, e.low, e.high, write)


def gain(value: object, low: object, high: object, write: Callable[[object], str] = score) -> str:
    """A difference with its sign and interval.

    >>> gain(0.02, 0.01, 0.03), gain(-0.02, -0.03, -0.01)
    ('+0.020 (0.010–0.030)', '−0.020 (−0.030 to −0.010)')
    """
    text = interval(value, low, high, write)
    return ("+" if (real(value) or 0) > 0 else "") + text


def day(x: object) -> str:
    """A date.

    >>> day(pd.Timestamp("2024-03-09 12:00"))
    '9 Mar 2024'
    """
    stamp: pd.Timestamp = pd.Timestamp(x)  # type: ignore[arg-type]  # a date, as the caller knows
    english = f"{stamp.day} {_MONTHS[stamp.month - 1]} {stamp.year}" if stamp == stamp else NOTHING
    return f"{stamp.year}年{stamp.month}月{stamp.day}日" if spoken() == "zh" and stamp == stamp else english


def month(x: object) -> str:
    """A month.

    >>> month(pd.Timestamp("2024-03-09"))
    'Mar 2024'
    """
    text = day(x)
    return text.partition("月")[0] + "月" if "月" in text else text.partition(" ")[2] or NOTHING


def days(x: object) -> str:
    """A number of days.

    >>> days(90.0), days(1), days(0.5)
    ('90 days', '1 day', '0.5 days')
    """
    number = real(x)
    if number is None:
        return NOTHING
    return say("1 day") if number == 1 else say("{0} days", f"{number:,.1f}".removesuffix(".0"))


def text(x: object) -> str:
    """A name from the data, as it is; a missing one is said to be missing.

    >>> text(" a "), text(None), text(float("nan")), text("")
    ('a', '(no name)', '(no name)', '(no name)')
    """
    return say("(no name)") if missing(x) else str(x).strip()


def missing(x: object) -> bool:
    """Whether a cell holds no text."""
    return x is None or x is pd.NaT or x is pd.NA or x != x or not str(x).strip()


def name(x: object) -> str:
    """A name from the data or of ours, in the language of now where we know it.

    >>> name("at risk")
    'at risk'
    """
    return told(text(x))


def quoted(x: object, longest: int = 60) -> str:
    """A name inside a sentence: shortened between words, and kept apart from the direction of the text around it."""
    called = name(x)
    if len(called) > longest:
        cut = called[: longest - 1]
        called = (cut.rpartition(" ")[0] or cut).rstrip(" ,;:(") + "…"
    return f"\N{FIRST STRONG ISOLATE}{called}\N{POP DIRECTIONAL ISOLATE}"


def sentence(text: str) -> str:
    """Text with a capital at its beginning, as sentences have.

    >>> sentence("at risk"), sentence("2 orders")
    ('At risk', '2 orders')
    """
    first = next((i for i, c in enumerate(text) if c.isalnum()), 0)  # a mark of direction may stand before it
    return text[:first] + text[first : first + 1].upper() + text[first + 1 :]
