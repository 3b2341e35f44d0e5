"""Which hidden cell of a table follows from its totals."""

from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def bridge(hide: Mask, given: Mask) -> Mask | None:
    """Cells of which one more has to be hidden, because some hidden cell can be computed; None if none can.

    Rows and columns are the ends of links, hidden cells are the links. A cell follows from the totals by sums and differences
    exactly if it lies on no circle of links: then the totals of the part on its one side leave only it unknown.

    Parameters
    ----------
    hide : array of bool, shape (n_rows + 1, n_columns + 1)
        Hidden cells of a table whose last row and column hold the totals.
    given : array of bool, the same shape
        Which cells the table has; only they can be hidden.

    Returns
    -------
    array of bool, the same shape, or None
        The cells that would close a circle through the first such hidden cell.

    Examples
    --------
    >>> hide = np.array([[True, False, False], [False, False, False], [False, False, False]])
    >>> bridge(hide, np.ones((3, 3), bool)).astype(int).tolist()
    [[0, 0, 0], [1, 0, 0], [1, 0, 0]]
    """
    n = len(hide)
    for link, side in _cuts(hide):
        rows, columns = side[:n], side[n:]
        across: Mask = (rows[:, None] != columns[None, :]) & given & ~hide
        if across.any() and not _direct(across, link, hide).any():
            return across
        if across.any():
            return _direct(across, link, hide)
    return None


def _direct(across: Mask, link: tuple[int, int], hide: Mask) -> Mask:
    """Of the cells that close a circle those in the row or column of the link."""
    out = np.zeros_like(across)
    out[link[0]] = across[link[0]]
    out[:, link[1]] |= across[:, link[1]]
    return out


def _cuts(hide: Mask) -> list[tuple[tuple[int, int], Mask]]:
    """Each link that lies on no circle, as row and column, with the ends that it cuts off: rows first, then columns (Tarjan 1974)."""
    n, m = hide.shape
    near: list[Any] = [*(n + np.flatnonzero(r) for r in hide), *(np.flatnonzero(c) for c in hide.T)]
    order, low = np.full(n + m, -1), np.full(n + m, -1)
    found, count = [], 0
    for start in range(n + m):
        if order[start] >= 0 or not len(near[start]):
            continue
        order[start] = low[start] = count
        count += 1
        stack = [(start, -1, iter(near[start]))]
        while stack:
            here, before, rest = stack[-1]
            for there in rest:
                if order[there] < 0:
                    order[there] = low[there] = count
                    count += 1
                    stack.append((there, here, iter(near[there])))
                    break
                if there != before:
                    low[here] = min(low[here], order[there])
            else:
                stack.pop()
                if before >= 0:
                    low[before] = min(low[before], low[here])
                    if low[here] > order[before]:
                        row, column = sorted((int(here), int(before)))
                        found.append(((row, column - n), (order >= order[here]) & (order < count)))
    return found
