"""Bodies of requests: strict JSON, and the few names that there are in it."""

import re
from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from crmintel.errors import DataContractError
from crmintel.interactions import Zone
from crmintel.scoring.strict import strict_json
from crmintel.serving.refusals import Refused

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII)
MOST_REASONS: Final = 20


def read(raw: bytes, names: Sequence[str]) -> dict[str, Any]:
    """An object with some of these names.

    Raises
    ------
    Refused
        400 for what is no JSON, 422 for other names.
    """
    try:
        body = strict_json(raw)
        if b"\\u" in raw:  # half a pair of UTF-16 can be written so, and no text holds it
            _whole(body)
    except ValueError as error:
        said = "a text holds half a character" if isinstance(error, UnicodeError) else str(error)
        raise Refused(400, "bad_json", f"The body cannot be read: {said}.") from None
    if not isinstance(body, dict):
        raise Refused(422, "bad_request", f"The body is no object. Send one with {_or(names)}.")
    if body.keys() - set(names):
        raise Refused(422, "bad_request", f"The body has names that are not known here. There are {_or(names)}.")
    return body


def _whole(value: Any) -> None:
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, list):
        for inner in value:
            _whole(inner)
    elif isinstance(value, dict):
        for key, inner in value.items():
            key.encode()
            _whole(inner)


def listed(body: dict[str, Any], name: str, kind: type | tuple[type, ...], most: int) -> list[Any]:
    """A list that is neither empty nor too long, all of one kind."""
    held = body.get(name)
    if not isinstance(held, list):
        raise Refused(422, "bad_request", f"{name} is no list.", [name])
    if not held:
        raise Refused(422, "no_rows", f"{name} is empty. Send at least one.", [name])
    if len(held) > most:
        raise Refused(413, "too_many_rows", f"{name} has more than {most:,} entries. Send them in several requests.", [name])  # fmt: skip
    if not all(isinstance(v, kind) and not isinstance(v, bool) for v in held):
        raise Refused(422, "bad_request", f"{name} holds entries of another kind than it should.", [name])
    return held


def number(body: dict[str, Any], name: str, low: int, high: int, default: int) -> int:
    """A whole number within bounds."""
    value = body.get(name, default)
    if type(value) is not int or not low <= value <= high:
        raise Refused(422, "bad_request", f"{name} is no whole number from {low} to {high:,}.", [name])
    return value


def choice(body: dict[str, Any], name: str, choices: tuple[Any, ...], default: Any) -> Any:
    """One of a few values."""
    value = body.get(name, default)
    if not isinstance(value, str | bool | None) or value not in choices:
        raise Refused(422, "bad_request", f"{name} is none of {', '.join(map(str, choices))}.", [name])
    return value


def instant(body: dict[str, Any], zone: Zone) -> pd.Timestamp:
    """The instant that is asked for, by the business clock where it has no offset; now, without one."""
    told = body.get("at")
    if told is None:
        return pd.Timestamp.now("UTC")
    if isinstance(told, str) and _INSTANT.fullmatch(told) and "1900" < told[:4] < "2200":
        try:
            zone.instant(told)
            return pd.Timestamp(told)
        except DataContractError:
            pass
    raise Refused(422, "bad_request", "at is no instant in ISO 8601, such as 2024-03-01T12:00:00Z.", ["at"])


def _or(names: Sequence[str]) -> str:
    return ", ".join(names)
