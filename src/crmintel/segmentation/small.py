"""Groups too small to be shown to others: merged into larger ones, or left out so that they cannot be worked out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.errors import DataContractError, DataTypeError
from crmintel.segmentation.bridges import bridge
from crmintel.segmentation.doors import series_of

FEWEST = 10
OTHER = "other"
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def merged(
    segments: pd.Series, *, fewest: int = FEWEST, into: Mapping[str, str] | None = None, name: str = OTHER
) -> pd.Series:
    """The same segments, with those of too few customers joined to a neighbour or to the rest, until none is small.

    The smallest segment goes first (equal sizes by name). It joins the neighbour that `into` names, or wherever that
    neighbour has gone meanwhile; without a neighbour it joins `name`. While `name` itself is too small, the smallest
    other segment joins it.

    Parameters
    ----------
    segments : Series
        One segment a customer, without gaps.
    fewest : int, default=10
        Customers that a segment must have to be shown.
    into : mapping of segment to segment, optional
        The neighbour that a small segment joins.
    name : str, default="other"
        What those without a neighbour are called.

    Returns
    -------
    Series of str
        With the index and the name of `segments`.

    Raises
    ------
    DataContractError
        If segments are missing, customers occur twice, or there are fewer customers in all than one segment must have.
    DataTypeError
        If the segments are no Series.

    Examples
    --------
    >>> merged(pd.Series(["a"] * 12 + ["b"] * 11 + ["c"] * 2), into={"c": "b"}).value_counts().to_dict()
    {'b': 13, 'a': 12}
    """
    text = _text(series_of(segments, "The segments"))
    counts: dict[str, int] = {str(k): int(v) for k, v in text.value_counts().items()}
    if 0 < len(text) < fewest:
        raise DataContractError(
            f"{len(text):,} customers in all: no merging gives a segment of {fewest:,}. Share nothing about them."
        )
    neighbours, gone = dict(into or {}), dict[str, str]()
    while counts and min(counts.values()) < fewest:
        source = min(counts, key=lambda s: (counts[s], s))
        target = _end(neighbours.get(source, name), gone)
        if source == name:
            source, target = min((s for s in counts if s != name), key=lambda s: (counts[s], s)), name
        elif target == source:
            target = name
        gone[source] = target
        counts[target] = counts.get(target, 0) + counts.pop(source)
    ends = {s: _end(s, gone) for s in text.unique()}
    return text.map(ends).astype("str")


def suppressed(counts: pd.DataFrame, *, fewest: int = FEWEST) -> pd.DataFrame:
    """A table of counts without its small cells, and without those that would give a small cell away.

    Cells below `fewest` and above 0 go. While a row or a column with a missing cell has only one of them, or its missing
    cells add up to fewer than `fewest`, its smallest further cell goes too, so that nothing can be found by taking the
    shown cells from a total; and so does one more where a missing cell follows from the totals of several lines. A cell that helps both its row and its column goes before others, cells above 0 go before
    zeros, since a reader may guess a zero, and equal cells go by label.

    Parameters
    ----------
    counts : DataFrame of whole numbers
        Without rows or columns of totals; cells that are missing already stay missing and count as 0.

    Returns
    -------
    DataFrame of Int64
        The same shape. A line of one cell has nothing else to hide behind: do not show its total.

    Raises
    ------
    DataContractError
        If a count is negative or no whole number.
    DataTypeError
        If it is no DataFrame of pandas, or holds text.

    Examples
    --------
    >>> suppressed(pd.DataFrame({"web": [40, 3], "shop": [30, 50]}, index=["a", "b"])).isna().to_numpy().all()
    np.True_
    """
    counts = pandas_of(counts, "A table of counts")
    if text := [c for c, kind in counts.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]:
        raise DataTypeError(f"Columns hold no numbers: {', '.join(map(repr, text))}. Pass counts of customers.")
    cells = counts.to_numpy(dtype=np.float64, na_value=np.nan)
    known = cells[~np.isnan(cells)]
    if (known < 0).any() or (known != np.rint(known)).any():
        raise DataContractError("Some cells are negative or no whole numbers. Pass counts of customers.")
    rows, columns = (np.argsort(np.asarray([str(x) for x in axis]), kind="stable") for axis in counts.axes)
    ordered = cells[np.ix_(rows, columns)]
    missing = np.isnan(ordered) | ((ordered > 0) & (ordered < fewest))
    ordered = np.nan_to_num(ordered)
    while (needy := _needy(ordered, missing, fewest)).any() or (needy := _linking(missing)).any():
        at = np.lexsort((ordered.ravel(), ordered.ravel() == 0, -needy.ravel(), needy.ravel() == 0))[0]
        missing.flat[at] = True
    back = np.empty_like(missing)
    back[np.ix_(rows, columns)] = missing
    shown = pd.DataFrame(np.nan_to_num(cells), index=counts.index, columns=counts.columns).astype("Int64")
    return shown.mask(back)


def pandas_of(thing: Any, what: str) -> pd.DataFrame:
    """A DataFrame of pandas as it is; its index says whom the rows are about.

    Raises
    ------
    DataTypeError
        If it is something else.
    """
    if not isinstance(thing, pd.DataFrame):
        kind = type(thing)
        raise DataTypeError(f"{what} cannot be a {kind.__module__}.{kind.__qualname__}. Give a pandas DataFrame.")
    return thing


def hidden(counts: Floats, fewest: int = FEWEST, already: Mask | None = None) -> Mask:
    """Which groups of a row to hide, so that the hidden ones are none, or at least two of `fewest` customers together.

    Hidden are the groups below `fewest` (and above 0) and those hidden already; then the smallest others, zeros last.

    Examples
    --------
    >>> hidden(np.array([50.0, 3.0, 20.0, 0.0])).tolist()
    [False, True, True, False]
    """
    out = (counts > 0) & (counts < fewest)
    if already is not None:
        out |= already
    order = np.lexsort((np.arange(len(counts)), counts, counts == 0))
    while out.any() and not out.all() and (out.sum() < 2 or counts[out].sum() < fewest):
        out[next(i for i in order if not out[i])] = True
    return out


def _needy(cells: Floats, missing: Mask, fewest: int) -> npt.NDArray[np.int64]:
    """For each cell still shown, how many of its two lines give something away as they are."""
    need = []
    for axis in (0, 1):
        number, total = missing.sum(axis=axis), (cells * missing).sum(axis=axis)
        need.append((number > 0) & ((number < 2) | (total < fewest)))
    both = need[0][None, :].astype(np.int64) + need[1][:, None]
    return np.where(missing, 0, both)


def _linking(missing: Mask) -> npt.NDArray[np.int64]:
    """The cells still shown of which one has to go because a missing cell follows from the totals of several lines."""
    whole = np.pad(missing, ((0, 1), (0, 1)))  # the totals, which are known
    cut = bridge(whole, np.pad(np.ones_like(missing), ((0, 1), (0, 1))))
    return np.zeros(missing.shape, np.int64) if cut is None else cut[:-1, :-1].astype(np.int64)


def _end(segment: str, gone: Mapping[str, str]) -> str:
    while segment in gone:
        segment = gone[segment]
    return segment


def _text(segments: pd.Series) -> pd.Series:
    if missing := int(segments.isna().sum()):
        raise DataContractError(
            f"{missing:,} of {len(segments):,} customers have no segment. Name it, or leave them out."
        )
    return segments.astype("str")
