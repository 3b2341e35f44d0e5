"""What is checked before hazards are learned: who the customers are, times that overlap, and columns that tell the duration."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from crmintel.churn.table import Float, Int, Table, warn
from crmintel.columns import AT, CUSTOMER
from crmintel.errors import DataContractError, LeakageError

FEWEST: Final = 6
"""Customers that it takes at least: two for each of three folds."""
NEAR_TIME: Final = 0.98
"""Rank correlation with the duration from which a column is taken for the duration itself."""
NEARLY: Final = 0.8
"""Rank correlation from which it is tried whether a column becomes the duration when it is divided by another."""
LEAST_ROWS: Final = 50
MOST_ROWS: Final = 50_000
MOST_DIVIDED: Final = 5_000


def customers_of(index: pd.Index) -> Int:
    """A number for each customer; −1 for all rows where the index does not say."""
    if CUSTOMER in index.names:
        return np.asarray(pd.factorize(index.get_level_values(CUSTOMER), sort=True)[0], np.int64)
    return np.full(len(index), -1, np.int64)


def enough(who: Int) -> None:
    """Refuse fewer customers than three folds need.

    Raises
    ------
    DataContractError
        With the count, and the least that it takes.
    """
    known = len(np.unique(who[who >= 0])) + int((who < 0).sum())
    if known < FEWEST:
        raise DataContractError(
            f"There are {known:,} customers. Pass at least {FEWEST}: learners are judged on three folds of whole customers."
        )


def whole(value: Any, name: str) -> int:
    """A count of at least one.

    Raises
    ------
    DataContractError
        If it is anything else.
    """
    if type(value) is bool or not isinstance(value, int | np.integer) or value < 1:
        raise DataContractError(f"{name} is {value!r}. Pass a whole number of 1 or more.")
    return int(value)


def overlapping(index: pd.Index, who: Int, begin: Float, span: Float) -> None:
    """Warn with the count of customers who have several rows at one time (at one instant, where the index has ``at``)."""
    own = who
    if AT in index.names:
        own = who * (len(who) + 1) + pd.factorize(index.get_level_values(AT))[0]
    order = np.lexsort((begin, own))
    again = (np.diff(own[order]) == 0) & (who[order][1:] >= 0) & (begin[order][1:] < span[order][:-1])
    if k := len(np.unique(who[order][1:][again])):
        warn(
            f"{k:,} of {len(np.unique(who[who >= 0])):,} customers have rows whose times overlap: each such row counts as another "
            "customer. Pass `entry`, so that a row begins where the one before ends, or one row a customer."
        )


def guard_time(table: Table, duration: Float, entry: Float, *, allow: Sequence[str] = ()) -> None:
    """Refuse numbers that are the duration, or become it when they are divided by another column.

    Parameters
    ----------
    table : Table, rows in an order of their content
        Its first 50,000 rows are looked at (divided: 5,000).
    duration, entry : arrays, shape (n_rows,)
        What follows `entry` at least as closely was known then, and passes.
    allow : sequence of str
        Columns that are known to be fine; ``"*"`` for all.

    Raises
    ------
    LeakageError
        Naming each column, what was found, and how to let it pass.
    """
    if "*" in allow:
        return
    found = {name: words for name, words in _telling(table, duration, entry) if name not in allow}
    if found:
        lines = "\n".join(f"{name!r} {words}" for name, words in found.items())
        names = ", ".join(map(repr, found))
        raise LeakageError(f"Columns that seem to know too much:\n{lines}\nLeave them out, or let them pass by name: allow=[{names}].")  # fmt: skip


def _telling(table: Table, duration: Float, entry: Float) -> Iterator[tuple[str, str]]:
    """Each column that tells the duration, and how."""
    some, fewer = slice(MOST_ROWS), slice(MOST_DIVIDED)
    names = table.schema.numbers
    for j, name in enumerate(names):
        near = _follows(table.numbers[some, j], duration[some], entry[some])
        if near >= NEAR_TIME:
            yield name, f"follows the duration, which is known only at its end (rank correlation {near:.4g})."
        elif near >= NEARLY:
            for k, other in enumerate(names):
                divisor = np.where(table.numbers[fewer, k] == 0, np.nan, table.numbers[fewer, k])
                told = 0.0 if k == j else _follows(table.numbers[fewer, j] / divisor, duration[fewer], entry[fewer])
                if told >= NEAR_TIME:
                    yield (
                        name,
                        f"divided by {other!r} follows the duration, which is known only at its end (rank correlation {told:.4g}).",
                    )
                    break


def _follows(x: Float, duration: Float, entry: Float) -> float:
    """How closely a column follows the duration, or what is left of it since entry; 0 where it follows the entry as closely."""
    known = np.isfinite(x)
    if known.sum() < LEAST_ROWS:
        return 0.0
    rank = rankdata(x[known])
    to_end, to_entry, since = (_correlation(rank, rankdata(t[known])) for t in (duration, entry, duration - entry))
    return max(to_end if to_end > to_entry else 0.0, since)


def _correlation(a: Float, b: Float) -> float:
    """The size of the correlation of ranks; 0 where one is constant."""
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(abs(a @ b) / size) if size > 0 else 0.0
