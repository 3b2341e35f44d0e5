"""From orders to the rows of a log: lines, returns and contacts of one cell, then tables of many cells."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from crmintel import columns as c
from crmintel.datasets.behaviour import CELL, NEVER, Customers, Orders, eligible
from crmintel.datasets.world import DAY, Floats, Integers, World

Arrays = dict[str, npt.NDArray[Any]]

KINDS: Final = (c.PURCHASE, c.RETURN, "contact")
CHANNELS: Final = ("web", "store", "app", "email")
_ORDERS: Final = 100_000  # order numbers set aside for each customer
_UNITS: Final = 1.3  # mean quantity of a line


def interactions(
    world: World,
    cell: int,
    people: Customers,
    orders: Orders,
    treated: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> Arrays:
    """All rows of one cell by customer and time, words as codes."""
    bought = _lines(world, people, orders, rng)
    parts = [bought, _returns(world, people, bought, rng), _contacts(world, treated)]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in bought}
    order = np.lexsort((rows[c.KIND], rows[c.TIME], rows[c.CUSTOMER]))
    rows = {name: values[order] for name, values in rows.items()}
    number = rows[c.ORDER]
    identity = rows[c.CUSTOMER] + _first(cell)
    rows[c.ORDER] = np.where(number > 0, identity * _ORDERS + number, -1)
    rows[c.CUSTOMER] = identity
    return rows


def truth(world: World, cell: int, people: Customers, treated: npt.NDArray[np.bool_]) -> Arrays:
    """One row a customer, as it really is."""
    could = eligible(world, people).sum(axis=1)
    with np.errstate(invalid="ignore"):
        share = treated.sum(axis=1) / could
    return {
        c.CUSTOMER: np.arange(CELL) + _first(cell),
        "arrival": people.arrival,
        "churned_at": people.churned,
        "orders_per_day": people.rate,
        "churn_per_day": people.hazard,
        "mean_basket": people.basket,
        "top_category": people.top,
        "promotion_effect": people.effect,
        "treated_share": share,
    }


def promotions(world: World, cell: int, people: Customers, treated: npt.NDArray[np.bool_]) -> Arrays:
    """One row for each campaign and customer who could have been contacted."""
    who, campaign = np.nonzero(eligible(world, people))
    return {
        "promotion_id": campaign.astype(np.int64) + 1,
        c.AT: world.campaigns[campaign],
        c.CUSTOMER: who + _first(cell),
        "treated": treated[who, campaign],
        "propensity": np.full(len(who), world.promotion_share),
    }


def frame(world: World, cells: Sequence[Arrays], n_customers: int) -> pd.DataFrame:
    """Cells under one another, the first `n_customers` of them, with words and times in place of codes and seconds."""
    arrays = {name: np.concatenate([cell[name] for cell in cells]) for name in cells[0]}
    keep = arrays[c.CUSTOMER] <= n_customers
    whole = bool(keep.all())
    words = _words(world)
    origin = int(world.start.as_unit("us").asm8.astype(np.int64))
    data = {}
    for name, values in arrays.items():
        column = values if whole else values[keep]
        if name in (c.TIME, c.AT, "arrival", "churned_at"):
            never = column == NEVER
            moments = np.where(never, 0, column) * 1_000_000 + origin
            data[name] = pa.array(moments, pa.timestamp("us"), mask=never)
        elif name in words:
            data[name] = words[name].take(pa.array(column, mask=column < 0))
        elif name == c.ORDER:
            data[name] = pa.array(column, mask=column < 0).cast(pa.string())
        else:
            data[name] = pa.array(column)
    result: pd.DataFrame = pa.table(data).to_pandas()
    return result


def _first(cell: int) -> int:
    """The id of a cell's first customer; ids start at 1, since 0 often stands for "unknown" in real logs."""
    return cell * CELL + 1


def _words(world: World) -> Mapping[str, pa.Array]:
    categories = [f"category_{i:02d}" for i in range(1, world.categories + 1)]
    items = [f"item_{i:05d}" for i in range(1, world.categories * world.items_per_category + 1)]
    return {
        c.KIND: pa.array(KINDS),
        c.CHANNEL: pa.array(CHANNELS),
        c.CATEGORY: pa.array(categories),
        "top_category": pa.array(categories),
        c.ITEM: pa.array(items),
    }


def _lines(world: World, people: Customers, orders: Orders, rng: np.random.Generator) -> Arrays:
    count = 1 + rng.poisson(world.lines_per_order - 1, len(orders.customer))
    favourite = people.favourite[orders.customer]
    channel = np.where(rng.random(len(count)) < 0.8, favourite, rng.integers(0, 3, len(count)))
    order = np.repeat(np.arange(len(count)), count)
    who = orders.customer[order]
    category = _choose(np.cumsum(people.taste, axis=1)[who], rng)
    popularity = np.cumsum(1 / np.arange(1, world.items_per_category + 1))  # Zipf
    place = np.searchsorted(popularity, rng.random(len(who)) * popularity[-1], side="right")
    item = category * world.items_per_category + np.minimum(place, world.items_per_category - 1)
    units = 1.0 + rng.poisson(_UNITS - 1, len(who))
    # The same item twice in an order is one line with more units, as on a receipt.
    key, line = np.unique(order * world.categories * world.items_per_category + item, return_inverse=True)
    quantity = np.bincount(line, weights=units, minlength=len(key))
    order, item = np.divmod(key, world.categories * world.items_per_category)
    who = orders.customer[order]
    noise = np.exp(world.line_noise * rng.normal(size=len(who)) - world.line_noise**2 / 2)
    price = people.basket[who] / (world.lines_per_order * _UNITS) * noise
    cents = np.maximum(np.rint(price * 100), 1.0)
    return {
        c.CUSTOMER: who,
        c.TIME: orders.second[order],
        c.KIND: np.zeros(len(who), dtype=np.int64),
        c.ITEM: item,
        c.CATEGORY: item // world.items_per_category,
        c.QUANTITY: quantity,
        c.UNIT_PRICE: cents / 100,
        c.AMOUNT: cents * quantity / 100,
        c.CHANNEL: channel[order],
        c.ORDER: orders.number[order],
    }


def _returns(world: World, people: Customers, bought: Arrays, rng: np.random.Generator) -> Arrays:
    """Lines sent back whole; whoever has left sends nothing back."""
    size = len(bought[c.CUSTOMER])
    chosen = rng.random(size) < world.return_rate
    wait = 3_600 + np.floor(rng.exponential(world.return_days * DAY, size)).astype(np.int64)
    second = bought[c.TIME] + wait
    chosen &= second < np.minimum(people.churned, world.days * DAY)[bought[c.CUSTOMER]]
    back = {name: values[chosen] for name, values in bought.items()}
    back[c.TIME] = second[chosen]
    back[c.KIND] = np.ones(int(chosen.sum()), dtype=np.int64)
    back[c.QUANTITY] = -back[c.QUANTITY]
    back[c.AMOUNT] = -back[c.AMOUNT]
    return back


def _contacts(world: World, treated: npt.NDArray[np.bool_]) -> Arrays:
    who, campaign = np.nonzero(treated)
    nothing, no_word = np.full(len(who), np.nan), np.full(len(who), -1)
    return {
        c.CUSTOMER: who,
        c.TIME: world.campaigns[campaign],
        c.KIND: np.full(len(who), KINDS.index("contact")),
        c.ITEM: no_word,
        c.CATEGORY: no_word,
        c.QUANTITY: nothing,
        c.UNIT_PRICE: nothing,
        c.AMOUNT: nothing,
        c.CHANNEL: np.full(len(who), CHANNELS.index("email")),
        c.ORDER: no_word,
    }


def _choose(cumulative: Floats, rng: np.random.Generator) -> Integers:
    """One column for each row, with the chances whose running sums these are."""
    chance = rng.random(len(cumulative)) * cumulative[:, -1]
    return np.asarray((cumulative[:, :-1] <= chance[:, None]).sum(axis=1), dtype=np.int64)
