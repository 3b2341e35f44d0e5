"""The world that simulated customers live in: its options and its calendar."""

from dataclasses import dataclass, fields
from typing import Final, TypedDict, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.showing import Shown

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DAY: Final = 86_400
"""Seconds in a day; the simulated clock counts whole seconds since the start."""

_WEEKDAY: Final = np.array([-0.8, -0.6, -0.3, 0.0, 0.6, 1.0, 0.1])  # Monday to Sunday; sums to 0
_HOUR: Final = np.array(
    [0.05] * 7 + [0.4, 0.9, 1.3, 1.6, 1.7, 1.6, 1.4, 1.4, 1.6, 1.9, 2.2, 2.3, 2.1, 1.6, 1.1, 0.6, 0.2]
)
_PEAK: Final = 349  # day of the year with the most orders: mid-December

_START: Final = pd.Timestamp("2023-01-01")
_SHARES: Final = ("present_share", "promotion_share", "return_rate", "yearly", "weekly")
_ABOVE_ZERO: Final = (
    "days", "orders_a_year", "rate_shape", "regularity", "churn_shape", "mean_basket", "categories",
    "items_per_category", "taste", "promotion_every_days", "promotion_window_days", "return_days",
)  # fmt: skip
_NOT_NEGATIVE: Final = ("churn_a_year", "basket_spread", "line_noise", "promotion_effect", "promotion_spread")


class Options(TypedDict, total=False):
    """The options of `World` by name, for callers that pass them on."""

    present_share: float
    orders_a_year: float
    rate_shape: float
    regularity: int
    churn_a_year: float
    churn_shape: float
    mean_basket: float
    basket_spread: float
    lines_per_order: float
    line_noise: float
    categories: int
    items_per_category: int
    taste: float
    yearly: float
    weekly: float
    promotion_every_days: int
    promotion_window_days: int
    promotion_share: float
    promotion_effect: float
    promotion_spread: float
    return_rate: float
    return_days: float


@final
@dataclass(frozen=True)
class World(Shown):
    """How simulated customers behave; every default can be changed by name.

    Parameters
    ----------
    start : Timestamp
        Midnight at which the log begins.
    days : int
        Length of the log.
    present_share : float in [0, 1]
        Customers who are there at the start; the others arrive evenly, their first order at their arrival.
    orders_a_year, rate_shape : float
        Mean and gamma shape of a customer's order rate while alive, without promotions.
    regularity : int
        Gaps between orders are Erlang of this order: 1 is Poisson, more is more regular.
    churn_a_year, churn_shape : float
        Mean and gamma shape of the hazard of leaving silently; 0 a year: nobody leaves.
    mean_basket, basket_spread : float
        Mean money of an order, and the log-scale spread of that mean between customers.
    lines_per_order, line_noise : float
        Mean lines of an order (at least 1) before equal items become one line, and log-scale noise of a line's price.
    categories, items_per_category, taste : int, int, float
        The range; low `taste` makes customers differ more (Dirichlet concentration a category).
    yearly, weekly : float in [0, 1]
        Strength of the seasons.
    promotion_every_days, promotion_window_days, promotion_share : int, int, float
        Each campaign contacts this share of the customers who arrived, at random; it works in the window after it.
    promotion_effect, promotion_spread : float
        Typical factor on the order rate in that window, and its log-scale spread (most of it by top category).
    return_rate, return_days : float
        Share of lines sent back, and the mean wait before that.

    Raises
    ------
    ValueError
        If an option is out of its range.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> World().days
    730
    >>> faithful = simulate(50, days=365, seed=1, churn_a_year=0.0)
    >>> faithful.world.churn_a_year, int(faithful.truth["churned_at"].notna().sum())
    (0.0, 0)
    """

    start: pd.Timestamp = _START
    days: int = 730
    present_share: float = 0.4
    orders_a_year: float = 12.0
    rate_shape: float = 1.2
    regularity: int = 1
    churn_a_year: float = 0.5
    churn_shape: float = 1.5
    mean_basket: float = 40.0
    basket_spread: float = 0.6
    lines_per_order: float = 2.0
    line_noise: float = 0.3
    categories: int = 12
    items_per_category: int = 40
    taste: float = 0.3
    yearly: float = 0.3
    weekly: float = 0.3
    promotion_every_days: int = 60
    promotion_window_days: int = 14
    promotion_share: float = 0.5
    promotion_effect: float = 1.3
    promotion_spread: float = 0.3
    return_rate: float = 0.05
    return_days: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self)[1:]:
            seen = getattr(self, field.name)
            bound = "from 0 to 1" if field.name in _SHARES else "of at least 1"
            fits = 0 <= seen <= 1 if field.name in _SHARES else seen >= 1
            if field.name in _ABOVE_ZERO:
                bound, fits = "above 0", seen > 0
            elif field.name in _NOT_NEGATIVE:
                bound, fits = "of at least 0", seen >= 0
            if not fits:
                raise ValueError(f"{field.name} is {seen}. Pass a number {bound}.")
        if self.start.tzinfo is not None or self.start != self.start.normalize():
            raise ValueError(f"start is {self.start}. Pass a midnight without a time zone, such as 2023-01-01.")
        if self.promotion_window_days > self.promotion_every_days:
            raise ValueError(
                f"A promotion works for {self.promotion_window_days} days and comes every {self.promotion_every_days}: "
                "windows would overlap. Use a shorter window."
            )

    @property
    def end(self) -> pd.Timestamp:
        """The instant before which everything happens."""
        return self.start + pd.Timedelta(days=self.days)

    @property
    def campaigns(self) -> Integers:
        """Seconds since the start of each campaign: nine in the morning, not on the last day."""
        return (
            np.arange(self.promotion_every_days, self.days, self.promotion_every_days, dtype=np.int64) * DAY
            + DAY * 3 // 8
        )


@final
@dataclass(frozen=True)
class Season:
    """The clock on which orders come evenly: it runs fast when shops are full and slowly at night.

    Both clocks count from the start; a year on one is a year on the other. `seconds` is the time at each grid
    point (every hour), `reached` the seasonal time there, in days.

    Examples
    --------
    >>> season = Season.of(World(yearly=0.0, weekly=0.0), days=2)
    >>> season.at(np.array([0.0, 86_400.0])).round(9).tolist()
    [0.0, 1.0]
    """

    seconds: Floats
    reached: Floats

    @classmethod
    def of(cls, world: World, days: int) -> "Season":
        """The clock for the first `days` days of a world."""
        dates = pd.date_range(world.start, periods=days, freq="D")
        phase = 2 * np.pi * (np.asarray(dates.day_of_year, dtype=float) - _PEAK) / 365.25
        weekday = 1 + world.weekly * _WEEKDAY[np.asarray(dates.day_of_week)]
        pace = np.outer((1 + world.yearly * np.cos(phase)) * weekday, _HOUR / _HOUR.sum()).ravel()
        reached: Floats = np.append(0.0, np.cumsum(pace)).astype(np.float64)
        return cls(np.arange(len(reached), dtype=np.float64) * 3_600, reached)

    def at(self, seconds: npt.ArrayLike) -> Floats:
        """Seasonal time in days at these seconds since the start."""
        return np.interp(np.asarray(seconds, dtype=np.float64), self.seconds, self.reached)

    def when(self, reached: Floats) -> Integers:
        """Whole seconds since the start at these seasonal times."""
        return np.floor(np.interp(reached, self.reached, self.seconds)).astype(np.int64)
