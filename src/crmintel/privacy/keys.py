"""Secret keys: where they come from, and which are too weak to keep a secret."""

import base64
import binascii
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from crmintel.errors import DataContractError, DataTypeError

BITS: Final = 128
"""Fewest bits that a key may have."""
_FEWEST_DIFFERENT: Final = 8  # 16 random bytes hold fewer different ones once in 10 ** 10 keys
_HEX: Final = re.compile(rb"(?:[0-9a-fA-F]{2})+")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")
_MAKE: Final = "Make one with: python -c 'import secrets; print(secrets.token_hex(32))'"


def key_of(given: Any) -> bytes:
    """The bytes of a key given as bytes, or as hexadecimal or base64 text.

    Raises
    ------
    DataContractError
        If it is no such text, is shorter than 128 bits, or follows a pattern that can be guessed.
    DataTypeError
        If it is neither bytes nor text. No message shows any of it.
    """
    if isinstance(given, str):
        key = _decoded(given.strip().encode("utf-8", "replace"))
        if key is None:
            raise DataContractError(f"The key is neither hexadecimal nor base64 text. {_MAKE}.")
    elif isinstance(given, bytes | bytearray):
        key = bytes(given)
    else:
        raise DataTypeError(f"A key is bytes or text, not {type(given).__name__}. {_MAKE}.")
    return _strong(key)


def key_from_environment(name: str) -> bytes:
    """The key in an environment variable, as hexadecimal or base64 text.

    Raises
    ------
    DataContractError
        If the variable is not set, or its key is weak.
    """
    value = os.environ.get(name, "")
    if not value.strip():
        raise DataContractError(f"The environment variable {name} holds no key. {_MAKE}.")
    return key_of(value)


def key_from_file(path: str | os.PathLike[str]) -> bytes:
    """The key in a file: hexadecimal text, base64 text, or bytes.

    Raises
    ------
    DataContractError
        If the file cannot be read, or its key is weak.
    """
    try:
        held = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise DataContractError(f"The file of the key cannot be read: {why}. Give a file that holds a key.") from None
    key = _decoded(held.strip())
    if key is None and held.strip().isascii() and held.strip().decode("ascii").isprintable():
        raise DataContractError(f"The file holds text that is neither hexadecimal nor base64. {_MAKE}.")
    return _strong(held if key is None else key)


def _decoded(text: bytes) -> bytes | None:
    """The bytes that a text stands for, if it is hexadecimal or base64."""
    if _HEX.fullmatch(text):
        return bytes.fromhex(text.decode("ascii"))
    if _BASE64.fullmatch(text):
        plain = text.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        try:
            return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
        except (binascii.Error, ValueError):
            return None
    return None


def _strong(key: bytes) -> bytes:
    if 8 * len(key) < BITS:
        raise DataContractError(f"The key has {8 * len(key)} bits, fewer than {BITS}. {_MAKE}.")
    steps = {(b - a) % 256 for a, b in pairwise(key)}
    repeats = any(key == (key[:n] * (len(key) // n + 1))[: len(key)] for n in range(1, min(BITS // 8, len(key) - 7)))
    if len(set(key)) < _FEWEST_DIFFERENT or len(steps) == 1 or repeats:
        raise DataContractError(f"The key follows a pattern that can be guessed. {_MAKE}.")
    return key
