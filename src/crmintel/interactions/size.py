"""Sizes of memory as people write them."""

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
