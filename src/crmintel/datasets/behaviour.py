"""What a cell of simulated customers is like and when they order, drawn at once without loops over customers.

All times are whole seconds since the start. A cell is the unit of randomness: its customers depend on the seed and
the number of the cell only, so any number of customers gives the same first ones.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from crmintel.datasets.world import DAY, Floats, Integers, Season, World

CELL: Final = 1_000
NEVER: Final = np.iinfo(np.int64).max


@final
@dataclass(frozen=True)
class Customers:
    """The truth about a cell; each array has shape (CELL,), but `taste` is (CELL, n_categories).

    Rates and hazards are a day; `churned` is NEVER for those who stay past the end.
    """

    arrival: Integers
    newcomer: npt.NDArray[np.bool_]
    churned: Integers
    rate: Floats
    hazard: Floats
    basket: Floats
    taste: Floats
    favourite: Integers
    effect: Floats

    @property
    def top(self) -> Integers:
        """The category each customer likes best."""
        return np.asarray(self.taste.argmax(axis=1), dtype=np.int64)


@final
@dataclass(frozen=True)
class Orders:
    """Orders by customer and time: the customer's place in the cell, the second, and the number from 1."""

    customer: Integers
    second: Integers
    number: Integers


def streams(seed: int, cell: int) -> list[np.random.Generator]:
    """Separate generators for customers, campaigns, orders and lines, so that changing one leaves the others."""
    return [np.random.default_rng([seed, cell, purpose]) for purpose in range(4)]


def draw_customers(world: World, rng: np.random.Generator) -> Customers:
    """Who the customers of one cell are."""
    last = world.days * DAY
    newcomer = rng.random(CELL) >= world.present_share
    arrival = np.where(newcomer, rng.integers(0, last, CELL), 0)
    rate = rng.gamma(world.rate_shape, world.orders_a_year / 365.25 / world.rate_shape, CELL)
    hazard = rng.gamma(world.churn_shape, 1.0, CELL) * (world.churn_a_year / 365.25 / world.churn_shape)
    with np.errstate(divide="ignore"):
        life = rng.exponential(1.0, CELL) / hazard * DAY
    gone = arrival + np.ceil(np.minimum(np.maximum(life, 1.0), 2.0 * last)).astype(np.int64)
    basket = world.mean_basket * _lognormal(rng, world.basket_spread, CELL)
    # Earlier categories are liked by more people, so that there is something popular to recommend.
    weights = 1 / np.sqrt(np.arange(1, world.categories + 1))
    taste = rng.dirichlet(world.taste * world.categories * weights / weights.sum(), CELL)
    favourite = rng.choice(3, CELL, p=[0.5, 0.3, 0.2])
    return Customers(
        arrival, newcomer, np.where(gone < last, gone, NEVER), rate, hazard, basket, taste, favourite,
        _effects(world, taste.argmax(axis=1), rng),
    )  # fmt: skip


def draw_campaigns(world: World, people: Customers, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Whom each campaign contacted, shape (CELL, n_campaigns); only customers who have arrived."""
    chosen = rng.random((CELL, len(world.campaigns))) < world.promotion_share
    return chosen & eligible(world, people)


def eligible(world: World, people: Customers) -> npt.NDArray[np.bool_]:
    """Customers who had arrived when a campaign began; the business cannot see who has left."""
    return people.arrival[:, None] < world.campaigns[None, :]


def draw_orders(
    world: World, season: Season, people: Customers, treated: npt.NDArray[np.bool_], rng: np.random.Generator
) -> Orders:
    """When each customer ordered: their own rhythm, the first order, and what promotions added or took away."""
    last = np.minimum(people.churned, world.days * DAY)
    customer, second = _rhythm(world, season, people, last, rng)
    kept = _spared(world, people, treated, customer, second, rng)
    added, moment = _extra(world, season, people, treated, last, rng)
    first = np.flatnonzero(people.newcomer)
    customer = np.concatenate([first, customer[kept], added])
    second = np.concatenate([people.arrival[first], second[kept], moment])
    order = np.lexsort((second, customer))
    customer, second = customer[order], second[order]
    begins = np.searchsorted(customer, np.arange(CELL))
    return Orders(customer, second, np.arange(len(customer)) - begins[customer] + 1)


def _rhythm(
    world: World, season: Season, people: Customers, last: Integers, rng: np.random.Generator
) -> tuple[Integers, Integers]:
    """Orders of the customer's own accord: every k-th of the points of a Poisson process k times as fast.

    The points are drawn on the seasonal clock and mapped back. For Poisson customers this is the same as thinning;
    for regular ones it keeps their gaps regular, which thinning would not.
    """
    k = world.regularity
    begin, length = season.at(people.arrival), season.at(last) - season.at(people.arrival)
    points = rng.poisson(people.rate * k * length)
    customer = np.repeat(np.arange(CELL), points)
    place = np.sort(customer + rng.random(len(customer)))  # sorts within each customer
    number = np.arange(len(customer)) - np.repeat(np.cumsum(points) - points, points)
    # A newcomer's gaps start with the first order; others are met at a random point of a gap.
    phase = np.where(people.newcomer, 0, rng.integers(0, k, CELL))
    take = (number + phase[customer]) % k == k - 1
    customer, place = customer[take], place[take]
    second = season.when(begin[customer] + (place - customer) * length[customer])
    return customer, np.clip(second, people.arrival[customer], last[customer] - 1)


def _spared(
    world: World,
    people: Customers,
    treated: npt.NDArray[np.bool_],
    customer: Integers,
    second: Integers,
    rng: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    """Orders that a promotion with an effect below 1 did not prevent."""
    chance = rng.random(len(customer))
    if not len(world.campaigns):
        return np.ones(len(customer), dtype=bool)
    campaign = np.searchsorted(world.campaigns, second, side="right") - 1
    inside = (campaign >= 0) & (second < world.campaigns[campaign] + world.promotion_window_days * DAY)
    touched = inside & treated[customer, campaign]
    return ~touched | (chance < people.effect[customer])


def _extra(
    world: World,
    season: Season,
    people: Customers,
    treated: npt.NDArray[np.bool_],
    last: Integers,
    rng: np.random.Generator,
) -> tuple[Integers, Integers]:
    """Orders that a promotion with an effect above 1 added."""
    who, campaign = np.nonzero(treated)
    opens = world.campaigns[campaign]
    closes = np.maximum(np.minimum(opens + world.promotion_window_days * DAY, last[who]), opens)
    begin, length = season.at(opens), season.at(closes) - season.at(opens)
    count = rng.poisson(people.rate[who] * np.maximum(people.effect[who] - 1, 0) * length)
    window = np.repeat(np.arange(len(who)), count)
    second = season.when(begin[window] + rng.random(len(window)) * length[window])
    return who[window], np.clip(second, opens[window], closes[window] - 1)


def _effects(world: World, top: Integers, rng: np.random.Generator) -> Floats:
    """Factors on the order rate; most of the spread comes from the top category, so that it can be learned."""
    by_category = np.linspace(1.5, -1.5, world.categories) if world.categories > 1 else np.zeros(1)
    signal = 0.8 * by_category[top] + 0.6 * rng.normal(size=CELL)
    return world.promotion_effect * np.exp(world.promotion_spread * signal - world.promotion_spread**2 / 2)


def _lognormal(rng: np.random.Generator, spread: float, size: int) -> Floats:
    """Positive noise with mean 1."""
    return np.exp(spread * rng.normal(size=size) - spread**2 / 2)
