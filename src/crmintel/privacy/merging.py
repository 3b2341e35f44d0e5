"""Nobody is recognised in a small group: groups under ``k`` customers are merged or hidden before anything is drawn."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

OTHER: Final = "other (small groups)"
"""Name of what small groups are merged into."""

SMALLEST: Final = 10
"""Fewest customers that a group on the page may have."""


def small_names(frame: pd.DataFrame, *, name: str, customers: str, k: int = SMALLEST) -> tuple[str, ...]:
    """The groups that have to be merged so that no small one can be read or worked out from the total.

    What is merged takes the next smallest with it until it is large enough: so a lone small group is never alone.
    """
    sizes = pd.to_numeric(frame[customers], errors="coerce").fillna(0).to_numpy(dtype=float)
    merged = (sizes < k) & (sizes > 0)
    if not merged.any():
        return ()
    merged |= (frame[name].astype(object) == OTHER).to_numpy(dtype=bool)
    for row in np.argsort(sizes, kind="stable"):
        if sizes[merged].sum() >= k:
            break
        merged[row] |= sizes[row] > 0
    return tuple(str(x) for x in frame[name].to_numpy(dtype=object)[merged])


def merge(
    frame: pd.DataFrame,
    names: Sequence[str],
    *,
    name: str,
    customers: str,
    sums: Sequence[str] = (),
    means: Sequence[str] = (),
    k: int = SMALLEST,
) -> pd.DataFrame:
    """The named groups as one last row; without them when even together they are too small."""
    chosen = frame[name].astype(str).isin(list(names)).to_numpy(dtype=bool)
    if not chosen.any():
        return frame
    inside, outside = frame[chosen], frame[~chosen]
    weight = pd.to_numeric(inside[customers], errors="coerce").fillna(0).to_numpy(dtype=float)
    if weight.sum() < k:
        return outside
    row: dict[str, object] = {name: OTHER, customers: weight.sum()}
    for column in sums:
        row[column] = pd.to_numeric(inside[column], errors="coerce").sum(min_count=1)
    for column in means:
        values = pd.to_numeric(inside[column], errors="coerce").to_numpy(dtype=float)
        known = np.isfinite(values) & (weight > 0)
        row[column] = float(np.average(values[known], weights=weight[known])) if known.any() else float("nan")
    last = pd.DataFrame([row], columns=frame.columns).astype(object)
    return last if outside.empty else pd.concat([outside.astype(object), last], ignore_index=True)


def merge_small(
    frame: pd.DataFrame,
    *,
    name: str,
    customers: str,
    sums: Sequence[str] = (),
    means: Sequence[str] = (),
    k: int = SMALLEST,
) -> pd.DataFrame:
    """The frame with its small groups merged: money and shares add up, averages count by customers.

    >>> groups = pd.DataFrame({"segment": ["loyal", "new", "lost"], "customers": [80, 4, 7], "money": [900.0, 20.0, 10.0]})
    >>> merge_small(groups, name="segment", customers="customers", sums=["money"]).to_numpy().tolist()
    [['loyal', 80, 900.0], ['other (small groups)', 11.0, 30.0]]
    """
    names = small_names(frame, name=name, customers=customers, k=k)
    return merge(frame, names, name=name, customers=customers, sums=sums, means=means, k=k)


def hidden(customers: pd.Series, k: int = SMALLEST) -> npt.NDArray[np.bool_]:
    """Which cells of a series of counts have to stay empty: small ones, and a second one when there is just one.

    >>> hidden(pd.Series([100, 3, 40, 0])).tolist()
    [False, True, True, False]
    """
    sizes = pd.to_numeric(customers, errors="coerce").fillna(0).to_numpy(dtype=float)
    hide: npt.NDArray[np.bool_] = (sizes < k) & (sizes > 0)
    if hide.sum() == 1:
        others = np.flatnonzero(~hide & (sizes > 0))
        if others.size:
            hide[others[np.argmin(sizes[others])]] = True
    return hide
