"""JSON without its traps: canonical when written; doubled keys, NaN, infinity and depth refused when read."""

import json
import math
from typing import Any, Final

from crmintel.errors import BundleError

MOST_DIGITS: Final = 400


def canonical(value: Any) -> bytes:
    """The one way to write a value: keys sorted, no blanks, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True, check_circular=True
    ).encode()


def parsed(raw: bytes, name: str = "the text") -> Any:
    """The value of a JSON text.

    Raises
    ------
    BundleError
        If it is no UTF-8 or no JSON, has a key twice, a number that is not finite, or is nested too deeply.
    """
    try:
        return strict_json(raw)
    except ValueError as error:
        raise BundleError(f"{name} cannot be read: {error}.") from None


def strict_json(raw: bytes) -> Any:
    """The value of a JSON text; a ValueError that quotes nothing of it otherwise."""
    wrong = "it is no JSON in UTF-8"
    try:
        text = raw.decode("utf-8")
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refused, parse_float=_finite, parse_int=_whole)
    except _Known as error:
        wrong = str(error)
    except RecursionError:
        wrong = "it is nested too deeply"
    except ValueError:
        pass
    raise ValueError(wrong)


class _Known(ValueError):
    """What is wrong, in words that quote nothing."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        raise _Known("a key stands twice in one object")
    return out


def _refused(text: str) -> Any:
    raise _Known(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Known("a number is too large")
    return number


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise _Known("a number has too many digits")
    return int(text)
