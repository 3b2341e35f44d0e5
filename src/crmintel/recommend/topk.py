"""The best of each row at the speed of memory, and of products of factors at that of the product itself."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from threadpoolctl import ThreadpoolController

from crmintel.errors import DataContractError

Real = npt.NDArray[np.floating[Any]]
Places = npt.NDArray[np.int64]
Triple = tuple[Places, Places, Real]
CHUNK: Final = 64
"""Rows at a time: few enough that their scores stay near the processor."""
_BLOCKS: Final = 1_000
_FACTOR_CHUNK: Final = 128
_TIED: Final = 4


def best(scores: Real, k: int) -> Triple:
    """The `k` best of each row: rows, columns and scores, best first; equal scores go to the earlier column.

    Scores of −inf are never among them, so a row may have fewer. The k-th largest maximum of blocks of columns is no more than the
    k-th largest score: only what reaches it is sorted.

    Parameters
    ----------
    scores : array of float, shape (m, n)
        Not changed.
    """
    m, n = scores.shape
    k = min(k, n)
    if not k:
        return joined([])
    blocks = min(n, max(_BLOCKS, 4 * k))
    width = n // blocks
    tops = scores[:, : blocks * width].reshape(m, width, blocks).max(axis=1) if width > 1 else scores[:, :blocks]
    least = np.partition(tops, blocks - k, axis=1)[:, blocks - k]
    place = _reaching(scores, tops, least, width)
    if len(place) > _TIED * m * max(k, 32):  # many equal scores: tell each row by its true k-th best, and by column
        place = _without_ties(scores, (scores >= least[:, None]) & (scores > -np.inf), k)
    rows, columns = np.divmod(place, n)
    values = scores.reshape(-1)[place]
    order = np.lexsort((columns, -values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    stay = np.arange(len(rows)) - np.searchsorted(rows, rows) < k
    return rows[stay], columns[stay], values[stay]


def _reaching(scores: Real, tops: Real, least: Real, width: int) -> Places:
    """Places of scores that reach the least of their row: only blocks whose maximum does are looked at, and the columns beyond."""
    n, blocks = scores.shape[1], tops.shape[1]
    row, block = np.nonzero((tops >= least[:, None]) & (tops > -np.inf))
    inside = row[:, None] * n + block[:, None] + blocks * np.arange(width)
    told = scores.reshape(-1)[inside]
    found = inside[(told >= least[row][:, None]) & (told > -np.inf)]
    beyond = scores[:, blocks * width :]
    row, column = np.nonzero((beyond >= least[:, None]) & (beyond > -np.inf))
    return np.concatenate([found, row * n + blocks * width + column])


def _without_ties(scores: Real, keep: npt.NDArray[np.bool_], k: int) -> Places:
    """Places of those above the k-th best of their row, and of as many equal to it as are needed, the earlier columns first."""
    n = scores.shape[1]
    least = np.partition(scores, n - k, axis=1)[:, n - k][:, None]
    above = keep & (scores > least)
    room = k - above.sum(axis=1, keepdims=True)
    level = keep & (scores == least)
    level &= np.cumsum(level, axis=1, dtype=np.int32) <= room
    return np.flatnonzero(above | level)


def top_k(
    queries: npt.ArrayLike, items: npt.ArrayLike, k: int = 20, *, exclude: sp.csr_array | None = None, threads: int = 2
) -> tuple[npt.NDArray[np.int64], Real]:  # fmt: skip
    """The `k` items whose factors go best with each query, exactly.

    Parameters
    ----------
    queries, items : array of float, shapes (m, d) and (n, d)
        Factors; float32 is quicker.
    k : int
    exclude : CSR array, shape (m, n), optional
        What may not be among them, such as what was bought.
    threads : int
        Chunks at a time, each on one thread.

    Returns
    -------
    items, scores : arrays, shape (m, k)
        Best first; −1 and −inf where nothing is left.

    Raises
    ------
    DataContractError
        If shapes do not go together, numbers are missing, or `k` is no positive whole number.

    Examples
    --------
    >>> top_k([[1.0, 0.0]], [[1.0, 1.0], [3.0, 0.0], [2.0, 0.0]], k=2)[0].tolist()
    [[1, 2]]
    """
    q, v = (x if x.dtype.kind == "f" else x.astype(np.float64) for x in map(np.asarray, (queries, items)))
    if q.ndim != 2 or v.ndim != 2 or q.shape[1] != v.shape[1]:
        raise DataContractError(f"queries have shape {q.shape}, items {v.shape}. Give (m, d) and (n, d).")
    if not (np.isfinite(q).all() and np.isfinite(v).all()):
        raise DataContractError("Factors hold missing or infinite numbers. Repair them first.")
    check_k(k)
    if exclude is not None and exclude.shape != (len(q), len(v)):
        raise DataContractError(f"exclude has shape {exclude.shape}, not {(len(q), len(v))}.")
    v = np.ascontiguousarray(v.T)
    found = np.full((len(q), k), -1, np.int64)
    scores = np.full((len(q), k), -np.inf, np.result_type(q, v))

    def run(a: int) -> None:
        b = min(a + _FACTOR_CHUNK, len(q))
        block = q[a:b] @ v
        if exclude is not None:
            rows, columns = pairs(exclude, a, b)
            block[rows, columns] = -np.inf
        rows, columns, values = best(block, k)
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        found[a + rows, place], scores[a + rows, place] = columns, values

    in_chunks(run, range(0, len(q), _FACTOR_CHUNK), threads)
    return found, scores


def in_chunks(run: Callable[[Any], Any], work: Iterable[Any], threads: int) -> list[Any]:
    """What a function makes of each piece of work, in order, in threads that do not multiply with those of BLAS."""
    pieces = list(work)
    with _pools().limit(limits=1, user_api="blas"):
        if threads == 1 or len(pieces) < 2:
            return [run(piece) for piece in pieces]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(run, pieces))


@cache
def _pools() -> ThreadpoolController:
    """The thread pools of this process: to look for them takes longer than many a list."""
    return ThreadpoolController()


def joined(found: Sequence[Triple]) -> Triple:
    """Rows, columns and scores of several chunks."""
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    rows, columns, values = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def check_k(k: Any) -> None:
    """Refuse a length of lists that is no positive whole number."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
        raise DataContractError(f"k is {k!r}. Ask for a whole number of items, at least 1.")


def pairs(matrix: sp.csr_array, a: int, b: int) -> tuple[Places, Places]:
    """Rows (from 0) and columns of what is stored in the rows ``a`` to ``b``."""
    ends = matrix.indptr[a : b + 1]
    return np.repeat(np.arange(b - a), np.diff(ends)), matrix.indices[ends[0] : ends[-1]].astype(np.int64)


def pairs_of(matrix: sp.csr_array, rows: Places) -> tuple[Places, Places]:
    """Places in `rows` and columns of what is stored in some rows; a row below 0 holds nothing."""
    known = np.maximum(rows, 0)
    first = matrix.indptr[known].astype(np.int64)
    count = (matrix.indptr[known + 1] - first) * (rows >= 0)
    ends = np.cumsum(count)
    place = np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - count), count)
    return np.repeat(np.arange(len(rows)), count), matrix.indices[place].astype(np.int64)


def steps(n: int, size: int) -> Iterator[tuple[int, int]]:
    """``size`` rows at a time."""
    yield from ((a, min(a + size, n)) for a in range(0, n, size))
