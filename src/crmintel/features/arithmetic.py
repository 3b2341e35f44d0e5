"""Arithmetic on slices of rows: every feature is one of these operations, vectorised over customers and instants."""

import numpy as np
import numpy.typing as npt

from crmintel.interactions.clock import DAY, Int

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64] | npt.NDArray[np.int64] | npt.NDArray[np.bool_]


def segments(op: np.ufunc, x: npt.NDArray[np.generic], start: Int, stop: Int, empty: float) -> Float:
    """``op`` over ``x[start:stop)`` for each slice, shape (n_instants, n_customers); an empty slice gives `empty`.

    ``reduceat`` gives ``x[start]`` for an empty slice and refuses an index equal to the length. Slices rise from customer
    to customer, so those that touch the end come last: they are cut off, which leaves the last one open to the end.
    """
    out = np.full(start.shape, empty)
    pairs = np.empty((start.shape[-1], 2), np.int64)
    flat = pairs.reshape(-1)
    for i in range(len(start)):
        pairs[:, 0], pairs[:, 1] = start[i], stop[i]
        inside = int(np.searchsorted(flat, len(x)))
        if inside:
            found = op.reduceat(x, flat[:inside])[::2]
            np.copyto(out[i, : len(found)], found, where=(start[i] < stop[i])[: len(found)])
    return out


def pick(x: npt.NDArray[np.generic], row: Int, there: Bool) -> Float:
    """Values at rows; missing where there is none."""
    out = np.full(row.shape, np.nan)
    out[there] = x[row[there]]
    return out


def quotient(a: Numbers, b: Numbers) -> Float:
    """Quotients; missing where the divisor is 0 or missing."""
    out = np.full(np.shape(b), np.nan)
    return np.divide(a, b, out=out, where=b != 0)


def days(micro: Int | Float) -> Float:
    """Microseconds as days."""
    return np.asarray(micro / DAY, np.float64)


def prefix(mask: Bool) -> Int:
    """How many rows before each row, and before the end, are meant."""
    out = np.zeros(len(mask) + 1, np.int64)
    np.cumsum(mask, out=out[1:])
    return out


def row_spread(x: Float, start: Int, stop: Int) -> Float:
    """Sample standard deviation of slices; missing for fewer than two values, exactly 0 for equal ones.

    In two passes, the second over distances to the mean: the sum-of-squares formula loses all digits on large, close numbers.
    """
    out = np.full(start.shape, np.nan)
    for i in range(len(start)):
        here = (start[i : i + 1], stop[i : i + 1])
        n = here[1] - here[0]
        mean = quotient(segments(np.add, x, *here, empty=np.nan), n)
        off = x - spread_out(mean[0], start[i], stop[i], len(x))
        squares = segments(np.add, off * off, *here, empty=np.nan)
        low, high = (segments(op, x, *here, empty=np.nan) for op in (np.minimum, np.maximum))
        some = n[0] > 1
        out[i, some] = np.where(low == high, 0.0, np.sqrt(squares / np.maximum(n - 1, 1)))[0, some]
    return out


def spread_out(value: Float, start: Int, stop: Int, length: int) -> Float:
    """The value of each slice, on its rows; 0 on rows between slices."""
    counts = np.zeros(2 * len(start) + 1, np.int64)
    counts[0], counts[1::2], counts[2:-1:2], counts[-1] = (
        start[0],
        stop - start,
        start[1:] - stop[:-1],
        length - stop[-1],
    )
    values = np.zeros(len(counts), value.dtype)
    values[1::2] = value
    return np.repeat(values, counts)
