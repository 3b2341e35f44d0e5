"""Memory: sizes as people write them, and allocators that keep what they will need again."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

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

    The GNU allocator learns from the largest block that was freed (at most 32 MB), and this one is never touched. Without
    it much of the time of many short-lived arrays of a megabyte goes into page faults.
    """
    np.empty(33_000_000, np.uint8)


@contextmanager
def one_allocator() -> Iterator[None]:
    """Let Arrow take memory from the C library, as NumPy does, so that each reuses what the other has freed."""
    keep_freed_memory()
    pool = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(pool)
