"""What nobody can know of real customers: their true chance to buy, given that they are still there."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from crmintel.columns import CUSTOMER
from crmintel.datasets.world import DAY, Floats, Season, World

_CHUNK = 20_000  # customers at once, so that (customers, days) stays small


def purchase_probability(world: World, truth: pd.DataFrame, at: pd.Timestamp, horizon: pd.Timedelta) -> pd.Series:
    """True chance of at least one order in [at, at + horizon); index customer_id; see `Simulation`."""

    def chance(rate: Floats, alive: Floats, season: Floats) -> Floats:
        waiting = _still_waiting(np.outer(rate, season - season[0]), world.regularity)
        return np.asarray((-np.diff(waiting, axis=1) * alive).sum(axis=1))

    return _each(world, truth, at, horizon, chance)


def expected_orders(world: World, truth: pd.DataFrame, at: pd.Timestamp, horizon: pd.Timedelta) -> pd.Series:
    """True mean number of orders in [at, at + horizon); index customer_id; see `Simulation`."""

    def mean(rate: Floats, alive: Floats, season: Floats) -> Floats:
        return np.asarray(rate * (alive @ np.diff(season)))

    return _each(world, truth, at, horizon, mean)


def _each(
    world: World,
    truth: pd.DataFrame,
    at: pd.Timestamp,
    horizon: pd.Timedelta,
    figure: Callable[[Floats, Floats, Floats], Floats],
) -> pd.Series:
    """The figure for those who are there, 0 for those who left, NaN for those who have not arrived."""
    if at < world.start or not horizon > pd.Timedelta(0):
        raise ValueError(f"at is {at} and the horizon {horizon}. Start at {world.start} or later, with time to come.")
    begin = (at - world.start).total_seconds()
    length = horizon.total_seconds()
    # Leaving within one day of the window is as good as leaving at its noon: hazards are a few thousandths a day.
    edges = begin + np.append(np.arange(0.0, length, DAY), length)
    season = Season.of(world, days=int(edges[-1] // DAY) + 1).at(edges)
    middle = ((edges[1:] + edges[:-1]) / 2 - begin) / DAY
    rate, hazard = truth["orders_per_day"].to_numpy(), truth["churn_per_day"].to_numpy()
    chunks = [slice(i, i + _CHUNK) for i in range(0, len(truth), _CHUNK)]
    values = [figure(rate[part], np.exp(-np.outer(hazard[part], middle)), season) for part in chunks]
    result = pd.Series(np.concatenate(values), index=pd.Index(truth[CUSTOMER], name=CUSTOMER))
    result[(truth["churned_at"] <= at).to_numpy()] = 0.0
    result[(truth["arrival"] >= at).to_numpy()] = np.nan
    return result


def _still_waiting(expected: Floats, k: int) -> Floats:
    """Chance of no order yet after so many expected ones, met at a random point of an Erlang-k gap (k = 1: Poisson)."""
    points = k * expected
    term, total = np.ones_like(points), np.zeros_like(points)
    for i in range(k):
        total += term * (k - i) / k
        term = term * points / (i + 1)
    return np.asarray(np.exp(-points) * total)
