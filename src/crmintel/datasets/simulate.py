"""Simulated customers whose truth is known: what a method should find can be looked up."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crmintel.datasets import oracle, rows
from crmintel.datasets.behaviour import CELL, draw_campaigns, draw_customers, draw_orders, streams
from crmintel.datasets.world import Options, Season, World
from crmintel.showing import Shown

if TYPE_CHECKING:
    from crmintel.interactions import InteractionLog

_BLOCK = 50_000


@final
@dataclass(frozen=True, repr=False)
class Simulation(Shown):
    """A simulated business: what was seen, and what was true.

    Parameters
    ----------
    interactions : DataFrame
        What the business sees, by customer and time: customer_id, timestamp, kind ("purchase", "return" or "contact"),
        item_id, category, quantity, unit_price, amount, channel, order_id. Contacts have no item, money or order;
        the business goes on contacting customers who have left.
    truth : DataFrame
        One row a customer: arrival, churned_at (NaT: still there at the end), orders_per_day (mean over a year while
        there, without promotions), churn_per_day, mean_basket (money an order before returns), top_category,
        promotion_effect (factor on the order rate in the window after a contact), treated_share.
    promotions : DataFrame
        One row for each campaign and customer who could have been contacted: promotion_id, at, customer_id, treated,
        propensity.
    world : World
        The options it was made with.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> world = simulate(50, days=90, seed=1)
    >>> len(world.truth), world.truth["churned_at"].notna().any().item()
    (50, True)
    >>> world.log(quiet=True).quality.rows_kept == len(world.interactions)
    True
    """

    interactions: pd.DataFrame
    truth: pd.DataFrame
    promotions: pd.DataFrame
    world: World

    def log(self, **options: Any) -> "InteractionLog":
        """The interactions as a log; options are those of `InteractionLog.read`."""
        from crmintel.interactions import InteractionLog

        return InteractionLog.read(self.interactions, **options)

    def purchase_probability(self, at: pd.Timestamp | str, horizon: pd.Timedelta) -> pd.Series:
        """The true chance that each customer buys in [at, at + horizon), knowing who is still there.

        Promotions are left out. 0 for customers who have left, NaN for those who have not arrived before `at`. Exact
        for Poisson customers; with more regular ones it does not use how long ago the last order was.

        Returns
        -------
        Series of float, shape (n_customers,), index customer_id
        """
        return oracle.purchase_probability(self.world, self.truth, pd.Timestamp(at), horizon)

    def expected_orders(self, at: pd.Timestamp | str, horizon: pd.Timedelta) -> pd.Series:
        """The true mean number of orders in [at, at + horizon); conventions as in `purchase_probability`."""
        return oracle.expected_orders(self.world, self.truth, pd.Timestamp(at), horizon)

    def __repr__(self) -> str:
        seen = f"customers={len(self.truth):,}, interactions={len(self.interactions):,}"
        return f"Simulation({seen}, start={self.world.start:%Y-%m-%d}, days={self.world.days})"


def simulate(
    n_customers: int = 1_000,
    *,
    start: pd.Timestamp | str = "2023-01-01",
    days: int = 730,
    seed: int = 0,
    **options: Unpack[Options],
) -> Simulation:
    """Customers who arrive, order in their own rhythm, answer promotions and leave silently, with the truth.

    Parameters
    ----------
    n_customers : int, default=1,000
        Customers 1, 2, ...; the first ones are the same whatever the number.
    start, days
        First midnight and length of the log.
    seed : int, default=0
        Same seed, same bytes.
    **options
        Any option of `World` by name, such as ``orders_a_year=6``.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Notes
    -----
    Orders are a gamma mixture of Poisson (or Erlang) processes, lifetimes a gamma mixture of exponentials, as in
    Pareto/NBD (Schmittlein, Morrison, Colombo 1987), on a clock with weekly and yearly seasons.

    Examples
    --------
    >>> world = simulate(100, days=365, seed=1)
    >>> len(world.truth), sorted(world.interactions["kind"].unique())
    (100, ['contact', 'purchase', 'return'])
    """
    return next(iter_simulate(n_customers, block=_whole(n_customers), start=start, days=days, seed=seed, **options))


def iter_simulate(
    n_customers: int,
    *,
    block: int = _BLOCK,
    start: pd.Timestamp | str = "2023-01-01",
    days: int = 730,
    seed: int = 0,
    **options: Unpack[Options],
) -> Iterator[Simulation]:
    """The same customers as `simulate`, `block` of them at a time.

    `block` must be a multiple of 1,000, the number of customers that share a stream of random numbers.

    Examples
    --------
    >>> [len(part.truth) for part in iter_simulate(2_500, block=1_000, days=30)]
    [1000, 1000, 500]
    """
    if n_customers < 1 or seed < 0 or block < CELL or block % CELL:
        raise ValueError(
            f"n_customers is {n_customers:,}, seed {seed} and block {block:,}. Pass at least one customer, a seed of "
            f"at least 0 and a block that is a multiple of {CELL:,}."
        )
    world = World(start=pd.Timestamp(start), days=days, **options)
    season = Season.of(world, days)
    return (
        _block(world, season, seed, first, min(first + block, n_customers)) for first in range(0, n_customers, block)
    )


def simulate_to(
    folder: str | Path,
    n_customers: int,
    *,
    block: int = _BLOCK,
    start: pd.Timestamp | str = "2023-01-01",
    days: int = 730,
    seed: int = 0,
    progress: bool = False,
    **options: Unpack[Options],
) -> Path:
    """Simulate into a folder, block by block, so that any number of customers fits into memory.

    Writes ``interactions/part-*.parquet``, ``truth.parquet`` and ``promotions.parquet``, and returns the folder.

    Raises
    ------
    FileExistsError
        If the folder holds anything already.
    ValueError
        As in `simulate`.

    Examples
    --------
    >>> import tempfile
    >>> folder = simulate_to(tempfile.mkdtemp() + "/world", 100, days=90, seed=1)
    >>> sorted(p.name for p in folder.iterdir())
    ['interactions', 'promotions.parquet', 'truth.parquet']
    """
    blocks = iter_simulate(n_customers, block=block, start=start, days=days, seed=seed, **options)
    target = Path(folder)
    if target.exists() and any(target.iterdir()):
        raise FileExistsError(f"{target} is not empty. Choose a new folder, or empty this one.")
    (target / "interactions").mkdir(parents=True, exist_ok=True)
    done = 0
    writers: dict[str, pq.ParquetWriter] = {}
    try:
        for number, part in enumerate(blocks):
            pq.write_table(_arrow(part.interactions), target / "interactions" / f"part-{number:05d}.parquet")
            for name, table in (("truth", _arrow(part.truth)), ("promotions", _arrow(part.promotions))):
                if name not in writers:
                    writers[name] = pq.ParquetWriter(target / f"{name}.parquet", table.schema)
                writers[name].write_table(table)
            done += len(part.truth)
            if progress:
                print(f"\r{done:,} of {n_customers:,} customers", end="", file=sys.stderr, flush=True)
    finally:
        for writer in writers.values():
            writer.close()
    if progress:
        print(file=sys.stderr)
    return target


def _block(world: World, season: Season, seed: int, first: int, last: int) -> Simulation:
    """Customers `first` to `last` - 1; `first` is the beginning of a cell."""
    seen, true, offered = [], [], []
    for cell in range(first // CELL, _whole(last) // CELL):
        for_people, for_campaigns, for_orders, for_lines = streams(seed, cell)
        people = draw_customers(world, for_people)
        treated = draw_campaigns(world, people, for_campaigns)
        orders = draw_orders(world, season, people, treated, for_orders)
        seen.append(rows.interactions(world, cell, people, orders, treated, for_lines))
        true.append(rows.truth(world, cell, people, treated))
        offered.append(rows.promotions(world, cell, people, treated))
    return Simulation(
        interactions=rows.frame(world, seen, last),
        truth=rows.frame(world, true, last),
        promotions=rows.frame(world, offered, last),
        world=world,
    )


def _whole(n_customers: int) -> int:
    """Customers of all cells that are begun."""
    return max(1, -(-n_customers // CELL)) * CELL


def _arrow(frame: pd.DataFrame) -> pa.Table:
    # Without pandas' own notes the bytes do not depend on its version.
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
