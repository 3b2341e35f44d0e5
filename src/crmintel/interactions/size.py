"""Sizes of memory as people write them."""

import numpy as np

from crmintel.errors import DataTypeError


def size(memory: str | int) -> int:
    """A size such as ``"2GB"`` in bytes.

    >>> size("500MB")
    500000000
    """
    if isinstance(memory, int) and not isinstance(memory, bool):
        return memory
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9}
    try:
        return int(float(str(memory)[:-2]) * units[str(memory)[-2:].upper()])
    except (KeyError, ValueError, TypeError):
        raise DataTypeError(f"memory is {memory!r}. Write it as '2GB', '500MB' or a number of bytes.") from None


def keep_freed_memory() -> None:
    """Let the C library keep freed memory of working size instead of giving it back and asking for it anew.

    The GNU allocator learns from the largest block that was freed (at most 32 MB); the block is never touched. Without it
    a third of the time of many short-lived arrays of a megabyte went into page faults.
    """
    del_me = np.empty(33_000_000, np.uint8)
    del del_me
