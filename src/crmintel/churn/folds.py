"""Who is learned from and who is left out: rows never learn from their own customer, nor from a later instant."""

from typing import Any, Final

import numpy as np
import pandas as pd

from crmintel.churn.table import Int
from crmintel.columns import AT, CUSTOMER
from crmintel.errors import DataContractError
from crmintel.interactions.clock import duration

MANY: Final = 20_000
"""With more rows than these, three folds tell as much as five."""
LARGE: Final = 200_000
"""With more rows than these, one held-out part is enough."""
Fold = tuple[Int, Int]


def folds(
    y: Int, customers: Int | None, instants: Int | None, n: int | None, seed: int, *, closed: Int | None = None
) -> tuple[Fold, ...]:
    """Pairs of rows to learn from and rows to predict; predicted rows never overlap.

    Without customers or with one row each, rows are dealt out label by label. With several rows a customer, whole customers are
    dealt out. With several instants, a fold predicts its customers at one of the later half of the instants, from other
    customers at earlier instants; where no earlier instant has labels that are known, folds are of customers alone.

    Parameters
    ----------
    y : int, shape (n_rows,)
    customers, instants : int, shape (n_rows,), optional
        Numbers of customers and of instants, these rising with time.
    n : int, optional
        How many folds; by the number of rows if not given.
    closed : int, shape (n_instants,), optional
        For each instant, how many of the first instants have labels that are known by then; all earlier ones if not given.
    """
    rng = np.random.default_rng(seed)
    n = (5 if len(y) <= MANY else 3) if n is None else max(2, n)
    used = 1 if len(y) > LARGE else n
    several = customers is not None and len(np.unique(customers)) < len(customers)
    part = _whole(customers, n, rng) if several and customers is not None else _dealt(y, n, rng)
    plain = [(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(used)]
    if instants is None or not instants.any():
        return _useful(y, plain)
    last = int(instants.max())
    cuts = np.arange(last // 2 + 1, last + 1)
    if closed is not None:
        cuts = cuts[closed[cuts] > 0]
    out = []
    for fold, (inside, outside) in enumerate(plain if len(cuts) else []):
        cut = cuts[-1 - fold % len(cuts)]
        known = cut if closed is None else min(cut, closed[cut])
        out.append((inside[instants[inside] < known], outside[instants[outside] == cut]))
    return _useful(y, out) or _useful(y, plain)


def _useful(y: Int, found: list[Fold]) -> tuple[Fold, ...]:
    """Folds with both labels to learn from, and rows to predict."""
    return tuple(f for f in found if len(np.unique(y[f[0]])) == 2 and len(f[1]))


def by_time(split: tuple[Fold, ...], instants: Int | None) -> bool:
    """Whether every fold learns from earlier instants than it predicts."""
    return instants is not None and bool(split) and all(instants[i].max() < instants[o].min() for i, o in split)


def told(split: tuple[Fold, ...], customers: Int | None, instants: Int | None) -> str:
    """How rows are split, in words: where a table knows neither customers nor instants it can only be at random."""
    if not split:
        return "not at all"
    if by_time(split, instants):
        return "by time" if customers is None else "by time and customer"
    return "at random" if customers is None else "by customer"


def customers_of(X: Any) -> Int | None:
    """A number for each row's customer, if the table knows its customers.

    Raises
    ------
    DataContractError
        If some are missing.
    """
    level = _level(X, CUSTOMER)
    return None if level is None else np.asarray(pd.factorize(level, sort=True)[0], np.int64)


def instants_of(X: Any) -> tuple[Int, pd.DatetimeIndex] | None:
    """A number for each row's instant, rising with time, and the instants; if the table knows them."""
    level = _level(X, AT)
    if level is None:
        return None
    try:
        codes, found = pd.factorize(pd.DatetimeIndex(pd.to_datetime(level)), sort=True)
    except (ValueError, TypeError):
        raise DataContractError(
            f"The level {AT!r} of the index holds no instants. Give dates, such as 2024-03-01."
        ) from None
    return np.asarray(codes, np.int64), pd.DatetimeIndex(found)


def closed_by(instants: pd.DatetimeIndex, horizon: str) -> Int:
    """For each instant how many instants have a label window that has closed by then."""
    ends = instants + pd.Timedelta(duration(horizon), unit="us")
    return np.searchsorted(np.asarray(ends), np.asarray(instants), side="right").astype(np.int64)


def _level(X: Any, name: str) -> pd.Index | None:
    if not isinstance(X, pd.DataFrame) or name not in X.index.names:
        return None
    level = X.index.get_level_values(name)
    if holes := int(np.asarray(level.isna()).sum()):
        raise DataContractError(
            f"The level {name!r} of the index is missing in {holes:,} of {len(X):,} rows. Leave these rows out."
        )
    return level


def _whole(customers: Int, n: int, rng: np.random.Generator) -> Int:
    return np.asarray(rng.integers(0, n, int(customers.max(initial=0)) + 1)[customers])


def _dealt(y: Int, n: int, rng: np.random.Generator) -> Int:
    out = np.empty(len(y), np.int64)
    for label in (0, 1):
        rows = np.flatnonzero(y == label)
        out[rows[rng.permutation(len(rows))]] = np.arange(len(rows)) % n
    return out
