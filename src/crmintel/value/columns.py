"""What the trees look at: each customer's purchase days as numbers, most of them without a scale of their own."""

from typing import Final

import numpy as np
import pandas as pd

from crmintel.interactions.clock import Int
from crmintel.value.purchases import Bool, Float, PurchaseDays

SHORT: Final = (14, 30, 60, 91)
"""Days back in which purchase days are counted."""
LONG: Final = 182
LEVELS: Final = ("age", "t_x", "total", f"count_{LONG}", f"spend_{LONG}")
"""Columns that grow with age: only some trees see them."""


def columns(days: PurchaseDays) -> pd.DataFrame:
    """One row a customer. What cannot be told (a gap of who bought once) is missing; without money its columns are left out."""
    days = days.purchases()
    first, last, owner = days.starts[:-1], days.starts[1:] - 1, days.owner
    n, repeats = len(first), (last - first).astype(np.float64)
    born, latest = days.day[first], days.day[last]
    age, t_x, since = ((a - b).astype(np.float64) for a, b in ((days.end, born), (latest, born), (days.end, latest)))
    gap = np.diff(days.day, prepend=days.day[0]).astype(np.float64)
    gap[first] = 0.0
    mean_gap = _ratio(t_x, repeats)
    table = {
        "since": since, "since_by_gap": _ratio(since, mean_gap), "since_by_age": since / (age + 1), "t_x_by_age": t_x / (age + 1),
        "repeats": repeats, "gap_mean": mean_gap, "gap_sd": _spread(gap, mean_gap, days, first=False),
        "gap_max": np.where(repeats > 0, np.maximum.reduceat(gap, first), np.nan), "gap_last": np.where(repeats > 0, gap[last], np.nan),
        "rate": (repeats + 1) / (age + 1), "age": age, "t_x": t_x,
    }  # fmt: skip
    ago = days.end - days.day
    for back in (*SHORT, LONG):
        table[f"count_{back}"] = _sums(owner, ago < back, None, n)
    if days.amount is not None:
        money = days.amount
        total = np.add.reduceat(money, first)
        mean = total / (repeats + 1)
        table |= {
            "mean": mean, "largest": np.maximum.reduceat(money, first), "last": money[last], "sd": _spread(money, mean, days),
            "spend": total / (age + 1), "total": total,
        }  # fmt: skip
        for back in (30, 91, LONG):
            table[f"spend_{back}"] = _sums(owner, ago < back, money, n)
    return pd.DataFrame(table, index=days.customers)


def _sums(owner: Int, inside: Bool, weight: Float | None, n: int) -> Float:
    return np.bincount(owner[inside], None if weight is None else weight[inside], minlength=n).astype(np.float64)


def _ratio(a: Float, b: Float) -> Float:
    return np.asarray(np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0), np.float64)


def _spread(values: Float, mean: Float, days: PurchaseDays, *, first: bool = True) -> Float:
    """Standard deviation of each customer's values, the first of them left out if asked; missing below two values."""
    square = (values - np.nan_to_num(mean)[days.owner]) ** 2
    count = np.diff(days.starts).astype(np.float64)
    if not first:
        square[days.starts[:-1]] = 0.0
        count -= 1
    out: Float = np.sqrt(_ratio(np.add.reduceat(square, days.starts[:-1]), np.where(count > 1, count - 1, 0.0)))
    return out
