"""Arithmetic on slices of rows: every feature is one of these operations, vectorised over windows, instants and customers."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from crmintel.interactions.clock import DAY, Int

EVER: Final = int(np.iinfo(np.int64).min)
NEVER: Final = int(np.iinfo(np.int64).max)
"""Before and after every time."""

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64] | npt.NDArray[np.int64] | npt.NDArray[np.bool_]


def spare(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy with one cell more, so that a slice may end at the end."""
    out = np.empty(len(x) + 1, x.dtype)
    out[:-1] = x
    out[-1] = 0
    return out


def segments(op: np.ufunc, x: npt.NDArray[np.generic], start: Int, stop: Int, empty: float) -> Float:
    """``op`` over ``x[start:stop)`` for each slice, of any shape; an empty slice gives `empty`.

    `x` carries a spare cell at its end: ``reduceat`` refuses an index equal to the length. For an empty slice it gives
    ``x[start]``, which is overwritten. Bits do not depend on where a slice lies, nor on its neighbours.
    """
    pairs = np.empty((*start.shape, 2), np.int64)
    pairs[..., 0], pairs[..., 1] = start, stop
    found = op.reduceat(x, pairs.reshape(-1))[::2] if pairs.size else np.zeros(0)
    out: Float = found.reshape(start.shape).astype(np.float64)
    out[start >= stop] = empty
    return out


def pick(x: npt.NDArray[np.generic], row: npt.NDArray[np.integer[Any]], there: Bool) -> Float:
    """Values at rows; missing where there is none."""
    if not len(x):
        return np.full(row.shape, np.nan)
    out = x.take(row, mode="clip").astype(np.float64)
    out[~there] = np.nan
    return out


def quotient(a: Numbers, b: Numbers) -> Float:
    """Quotients; missing where the divisor is 0 or missing."""
    zero = np.equal(b, 0)
    out: Float = np.divide(a, b, where=~zero, out=np.empty(zero.shape))
    out[zero] = np.nan
    return out


def days(micro: Int | Float) -> Float:
    """Microseconds as days."""
    return np.asarray(micro / DAY, np.float64)


def prefix(mask: npt.NDArray[Any]) -> Int:
    """How many rows before each row, and before the end, are meant; or the sum of a whole number over them."""
    out = np.zeros(len(mask) + 1, np.int64)
    (mask.view(np.int8) if mask.dtype == bool else mask).cumsum(out=out[1:])
    return out


def prefixes(x: Int) -> Int:
    """The sums of whole numbers and of their squares over the rows before each, and before the end; shape (2, n_rows + 1)."""
    out = np.zeros((2, len(x) + 1), np.int64)
    x.cumsum(out=out[0, 1:])
    (x * x).cumsum(out=out[1, 1:])
    return out


def row_spread(x: Float, start: Int, stop: Int) -> Float:
    """Sample standard deviation of slices, shape (n, n_customers); missing for fewer than two values, 0 for equal ones.

    In two passes, the second over distances to the mean: the sum-of-squares formula loses all digits on large, close numbers.
    `x` carries a spare cell.
    """
    out = np.full(start.shape, np.nan)
    for i in range(len(start)):
        n = stop[i] - start[i]
        mean = quotient(segments(np.add, x, start[i], stop[i], np.nan), n)
        off = x - spread_out(mean, start[i], stop[i], len(x))
        squares = segments(np.add, off * off, start[i], stop[i], np.nan)
        low, high = (segments(op, x, start[i], stop[i], np.nan) for op in (np.minimum, np.maximum))
        out[i] = np.where(n > 1, np.where(low == high, 0.0, np.sqrt(squares / np.maximum(n - 1, 1))), np.nan)
    return out


def spread_out(value: npt.NDArray[Any], start: Int, stop: Int, length: int) -> npt.NDArray[Any]:
    """The value of each slice, on its rows; 0 on rows between slices."""
    counts = np.zeros(2 * len(start) + 1, np.int64)
    counts[0], counts[1::2] = start[0] if len(start) else 0, stop - start
    counts[2:-1:2], counts[-1] = start[1:] - stop[:-1], length - (stop[-1] if len(stop) else 0)
    values = np.zeros(len(counts), value.dtype)
    values[1::2] = value
    return np.repeat(values, counts)


def inside(time: Int, begin: int, end: int) -> Bool:
    """Which times lie in ``[begin, end)``."""
    early: Bool = time < end
    return early if begin == EVER else early & (time >= begin)


def quotient_of_pairs(parts: Int, n: Int) -> Float:
    """``parts / (n (n − 1))``; missing for fewer than two rows."""
    out: Float = np.divide(parts, n * (n - 1.0), out=np.full(n.shape, np.nan), where=n > 1)
    return out


def sorted_rows(key: Int) -> tuple[Int, Int]:
    """The stable order of keys, and the keys in it.

    One sort of (key, row) packed into 63 bits where they fit: NumPy sorts integers with vector instructions, but not by key.
    """
    bits = max(len(key) - 1, 0).bit_length()
    if int(key.max(initial=0)) >> (62 - bits):
        order = np.argsort(key, kind="stable")
        return order, key[order]
    packed = np.sort((key << bits) | np.arange(len(key)))
    return packed & ((1 << bits) - 1), packed >> bits
