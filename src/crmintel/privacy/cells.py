"""Tables that may be shared: small cells hidden, and others with them, so that no total gives a small one away."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.errors import DataContractError, DataTypeError
from crmintel.privacy.pseudonyms import named
from crmintel.segmentation.bridges import bridge
from crmintel.segmentation.small import FEWEST, hidden

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
MARGIN: Final = "All"
"""What pandas calls the totals of a crosstab."""


def suppress_small(
    table: pd.DataFrame, *, by: str | Sequence[str], count: str = "customers", k: int = FEWEST, margin: str = MARGIN
) -> pd.DataFrame:
    """A table of groups without what it says of groups of fewer than `k` customers.

    In the rows of hidden groups every column but those of `by` becomes missing. Where the hidden groups are only one, or hold
    fewer than `k` customers together, further groups are hidden, the smallest first, so that none can be found by taking the shown
    groups from a total. With two columns in `by` the table is a cross of two groupings, and totals of both are taken to be known.

    Parameters
    ----------
    table : DataFrame
        One row a group, or a pair of groups. Customers may stand in one group only.
    by : str or pair of str
        The columns that name the groups.
    count : str, default="customers"
        The column of customers in the group.
    k : int, default=10
        Fewest customers that a shown group has.
    margin : str, default="All"
        What rows of totals are called in the columns of `by`. A total below `k` is hidden, too.

    Returns
    -------
    DataFrame
        The same rows; counts as Int64. Groups of nobody are shown as long as they need not hide others.

    Raises
    ------
    DataContractError
        If a column is not there, a group occurs twice, or a count is negative or no whole number.

    Examples
    --------
    >>> table = pd.DataFrame({"segment": ["a", "b", "c"], "customers": [40, 3, 12], "spend": [900.0, 70.0, 200.0]})
    >>> suppress_small(table, by="segment")
      segment  customers  spend
    0       a         40  900.0
    1       b       <NA>    NaN
    2       c       <NA>    NaN
    """
    groups = named(table, by)
    counts = _counts(table, count, k)
    if len(groups) not in (1, 2):
        raise DataContractError(f"by names {len(groups)} columns. Name one grouping, or two that are crossed.")
    if twice := int(table.duplicated(groups).sum()):
        raise DataContractError(f"{twice:,} groups occur twice. Give one row a group.")
    hide = (
        _alone(table[groups[0]], counts, k, margin) if len(groups) == 1 else _crossed(table, groups, counts, k, margin)
    )
    out = table.copy(deep=False)
    for name in [c for c in table.columns if c not in groups]:
        column = pd.Series(counts, index=table.index).astype("Int64") if name == count else table[name]
        out[name] = column.mask(hide)
    return out


def suppress_crosstab(counts: pd.DataFrame, *, k: int = FEWEST, margin: str = MARGIN) -> pd.DataFrame:
    """A crosstab of customers without small cells, and without those that would give a small one away.

    Parameters
    ----------
    counts : DataFrame of whole numbers
        As ``pd.crosstab`` makes it, with totals or without. Totals are taken to be known also where they are not shown.
    k : int, default=10
    margin : str, default="All"
        What the row and the column of totals are called.

    Returns
    -------
    DataFrame of Int64
        The same shape.

    Raises
    ------
    DataContractError
        If a count is negative or no whole number.

    Examples
    --------
    >>> counts = pd.DataFrame({"web": [40, 3, 43], "shop": [30, 50, 80], "All": [70, 53, 123]}, index=["a", "b", "All"])
    >>> suppress_crosstab(counts)
          web  shop  All
    a    <NA>  <NA>   70
    b    <NA>  <NA>   53
    All    43    80  123
    """
    if not isinstance(counts, pd.DataFrame):
        raise DataTypeError(f"A crosstab cannot be a {type(counts).__name__}. Give a DataFrame.")
    long = pd.DataFrame({
        "row": np.repeat(np.arange(counts.shape[0]), counts.shape[1]), "column": np.tile(np.arange(counts.shape[1]), len(counts)),
        "n": counts.to_numpy(dtype=object).ravel(),
    })  # fmt: skip
    ends = [_place(axis, margin) for axis in counts.axes]
    hide = _hidden(long["row"].to_numpy(), long["column"].to_numpy(), _counts(long, "n", k), ends, k)
    values = _counts(long, "n", k).reshape(counts.shape)
    shown = pd.DataFrame(values, index=counts.index, columns=counts.columns).astype("Int64")
    return shown.mask(hide.reshape(counts.shape))


def _counts(table: pd.DataFrame, count: str, k: Any) -> Floats:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise DataContractError("k must be a whole number of at least 1.")
    named(table, [count])
    try:
        counts = pd.to_numeric(table[count]).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise DataTypeError(f"Column {count!r} holds no numbers. Give counts of customers.") from None
    known = counts[~np.isnan(counts)]
    if (known < 0).any() or not np.isfinite(known).all() or (known != np.rint(known)).any():
        raise DataContractError(f"Some counts in {count!r} are negative or no whole numbers. Give counts of customers.")
    return counts


def _alone(groups: pd.Series, counts: Floats, k: int, margin: str) -> Mask:
    total = (groups.astype(object) == margin).to_numpy(bool)
    hide = np.zeros(len(counts), bool)
    inside = counts[~total]
    hide[~total] = hidden(np.nan_to_num(inside), k, np.isnan(inside))
    hide[total] = np.isnan(counts[total]) | ((counts[total] > 0) & (counts[total] < k))
    everything = hide[~total].any() and (hide[~total].sum() < 2 or np.nansum(inside[hide[~total]]) < k)
    return hide | (total & everything)


def _crossed(table: pd.DataFrame, groups: list[str], counts: Floats, k: int, margin: str) -> Mask:
    codes, ends = [], []
    for name in groups:
        code, values = pd.factorize(table[name], use_na_sentinel=False)
        codes.append(code)
        ends.append(_place(pd.Index(values), margin))
    return _hidden(codes[0], codes[1], counts, ends, k)


def _place(labels: pd.Index, margin: str) -> int | None:
    found = np.flatnonzero(np.asarray([isinstance(x, str) and x == margin for x in labels], bool))
    if len(found) > 1:
        raise DataContractError(f"{margin!r} names {len(found)} rows or columns. Name totals once.")
    return int(found[0]) if len(found) else None


def _hidden(rows: Any, columns: Any, counts: Floats, ends: list[int | None], k: int) -> Mask:
    """Which cells of a cross to hide, given as row, column and count; `ends` say which row and column hold the totals."""
    size = [int(c.max(initial=-1)) + 1 for c in (rows, columns)]
    order = [[i for i in range(n) if i != end] for n, end in zip(size, ends, strict=True)]
    to = [np.full(n, len(o)) for n, o in zip(size, order, strict=True)]  # totals go last
    for t, o in zip(to, order, strict=True):
        t[o] = np.arange(len(o))
    at = (to[0][rows], to[1][columns])
    whole = np.zeros((len(order[0]) + 1, len(order[1]) + 1))
    given = np.zeros(whole.shape, bool)
    whole[at], given[at] = np.nan_to_num(counts), True
    whole[:-1, -1] = np.where(given[:-1, -1], whole[:-1, -1], whole[:-1, :-1].sum(axis=1))
    whole[-1, :] = np.where(given[-1, :], whole[-1, :], whole[:-1, :].sum(axis=0))
    hide = np.zeros(whole.shape, bool)
    hide[at] = np.isnan(counts)
    shut: Mask = protected(whole, hide | (given & (whole > 0) & (whole < k)), given, k)[at]
    return shut


def protected(whole: Floats, hide: Mask, given: Mask, k: int) -> Mask:
    """Hidden cells of a table with totals in its last row and column, and as few others as it takes to protect them.

    Where a hidden cell is the only link between two parts of the table, it follows from the totals of one part; see `bridge`. Where the
    hidden cells of a line are fewer than `k` customers together, too much is known of them. In both cases the smallest cell that
    helps is hidden, too; totals and cells of nobody last.
    """
    hide = hide.copy()
    while True:
        choice = _thin(whole, hide, given, k)
        if choice is None and (cut := bridge(hide, given)) is not None:
            choice = cut
        if choice is None:
            return hide
        at = _smallest(whole, choice)
        hide[at] = True


def _thin(whole: Floats, hide: Mask, given: Mask, k: int) -> Mask | None:
    """Cells that can thicken the first line whose hidden cells are few customers although its total is shown."""
    for axis in (0, 1):
        w, h, g = (whole, hide, given) if axis == 0 else (whole.T, hide.T, given.T)
        inner = h[:, :-1]
        thin = inner.any(axis=1) & ((w[:, :-1] * inner).sum(axis=1) < k) & ~h[:, -1]
        for line in np.flatnonzero(thin):
            choice = np.zeros(w.shape, bool)
            choice[line] = g[line] & ~h[line]
            if choice.any():
                return choice if axis == 0 else choice.T
    return None


def _smallest(whole: Floats, choice: Mask) -> tuple[int, int]:
    rows, columns = np.nonzero(choice)
    values = whole[rows, columns]
    totals = (rows == whole.shape[0] - 1).astype(int) + (columns == whole.shape[1] - 1)
    first = np.lexsort((columns, rows, values, values == 0, totals))[0]
    return int(rows[first]), int(columns[first])
