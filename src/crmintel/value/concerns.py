"""What to know before a fitted model is believed, in words."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from crmintel.value.maximise import EDGE
from crmintel.value.packing import Float, Rows

LEAST_LEAVING: Final = 1e-3
"""Below this chance to leave, nobody is seen to."""
MOST_SPREAD: Final = 1.5
"""Above this standard error of a logarithm, the data do not tell the parameter."""
COHORT_DAYS: Final = 91
OFF: Final = 0.2
_CHANCE: Final = 4.0
_SMALL: Final = 50
MOST_GROUPS: Final = 2_000
"""With more different covariates cohorts are not looked at."""


def unseen_leaving(chance: float, spread: float) -> Iterator[str]:
    """Whether leaving can be told from pausing; `spread` is the standard error of the logarithm that tells how many leave."""
    if chance < LEAST_LEAVING or not spread < MOST_SPREAD:
        yield (
            "Leaving cannot be seen in these data (a longer history may show it): the model falls back to everybody staying. "
            "Expected purchases remain usable; P(alive) says nothing."
        )


def at_the_edge(logs: Mapping[str, float]) -> Iterator[str]:
    """Parameters that ran away."""
    if away := [name for name, log in logs.items() if abs(log) > EDGE - 1]:
        yield f"No best value was found for {' and '.join(away)}: the likelihood still rises as it runs away. Do not interpret that parameter."


def cohorts(rows: Rows, grid: Float, expected: Float) -> Iterator[str]:
    """Customers by quarter of a year of their first purchase, counted back from the end: do they buy as the model expects?

    Parameters
    ----------
    grid : float64, shape (n_ages,)
        Days, rising, from 0 to the greatest age.
    expected : float64, shape (n_ages, n_groups)
        Expected purchases of a new customer by then.
    """
    place = np.clip(np.searchsorted(grid, rows.age, side="right") - 1, 0, len(grid) - 2)
    part = (rows.age - grid[place]) / (grid[place + 1] - grid[place])
    before, after = expected[place, rows.group], expected[place + 1, rows.group]
    mean = before + part * (after - before)
    cohort = (rows.age // COHORT_DAYS).astype(np.int64)
    n, bought, told, spread = (
        np.bincount(cohort, rows.weight * v) for v in (np.ones(len(mean)), rows.x, mean, (rows.x - mean) ** 2)
    )
    off = np.divide(bought, told, out=np.ones(len(n)), where=told > 0) - 1
    sure = (n >= _SMALL) & (np.abs(bought - told) > _CHANCE * np.sqrt(spread)) & (np.abs(off) > OFF)
    if sure.any():
        each = ", ".join(
            f"{i * COHORT_DAYS} to {(i + 1) * COHORT_DAYS - 1} days ago {off[i]:+.0%}" for i in np.flatnonzero(sure)
        )
        yield (
            f"Cohorts differ: customers by their first purchase bought more or less often than the model expects ({each}). "
            "Fit cohorts apart, or give the model a covariate."
        )
