"""Heavy-tailed logs of any size, the same bytes every time, written in row groups.

python -m benchmarks.opponents.data ROWS
"""

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import CACHE
from benchmarks.opponents.names import CHANNELS, KINDS

VERSION = 1
GROUP_ROWS = 1_000_000
DAYS = 731
START = np.datetime64("2023-01-01", "s")
END = "2025-01-01"
"""The instant at which the whole log is past."""

CATEGORIES = tuple(f"category {i:02d}" for i in range(40))
ITEMS = 200_000
TIES = 0.003
AFTER_A_TIE = "email_open"

SCHEMA = pa.schema(
    {
        "customer_id": pa.int64(),
        "timestamp": pa.timestamp("us"),
        "kind": pa.string(),
        "channel": pa.string(),
        "category": pa.string(),
        "item_id": pa.int64(),
        "amount": pa.float64(),
    }
)


def skewed(n: int, power: float) -> np.ndarray:
    """Cumulative probabilities of ranks that fall as a power."""
    weight = np.arange(1, n + 1) ** -power
    return np.cumsum(weight) / weight.sum()


class World:
    """Customers who come and go and differ in how often they act, and what they act on."""

    def __init__(self, rows: int) -> None:
        self.rng = np.random.default_rng([VERSION, rows])
        n = max(rows // 50, 1)
        self.often = self.rng.lognormal(0, 1.25, n)
        self.joined = self.rng.uniform(-1, 0.95, n) * DAYS
        self.left = np.maximum(self.joined, 0) + 20 + self.rng.exponential(1.5 * DAYS, n)
        self.items = skewed(ITEMS, 0.8)
        self.category = np.searchsorted(skewed(len(CATEGORIES), 1.0), self.rng.random(ITEMS)).astype(np.int8)

    def group(self, rows: int, first: int, last: int) -> pa.Table:
        """Interactions of a stretch of seconds, in time order.

        0.3 % share customer and second with the row before: they open an e-mail, so that no two purchases of a customer tie.
        """
        rng, day = self.rng, first / 86_400
        second = np.sort(rng.integers(first, last, rows))
        reach = np.cumsum(self.often * ((self.joined <= day) & (day < self.left)))
        customer = np.searchsorted(reach, rng.random(rows) * reach[-1], side="right")
        again = np.flatnonzero(rng.random(rows - 1) < TIES) + 1
        customer[again], second[again] = customer[again - 1], second[again - 1]
        kind = np.searchsorted(np.cumsum([0.35, 0.40, 0.10, 0.05, 0.07]), rng.random(rows)).astype(np.int8)
        item = np.searchsorted(self.items, rng.random(rows))
        tied = tied_rows(customer, second)
        kind[tied], item[tied] = KINDS.index(AFTER_A_TIE), (item[tied - 1] + 1) % ITEMS
        amount = np.round(rng.lognormal(3, 1, rows), 2) * np.select([kind == 0, kind == 3], [1.0, -1.0], np.nan)
        channel = np.searchsorted(np.cumsum([0.45, 0.25, 0.18, 0.08]), rng.random(rows)).astype(np.int8)
        return pa.table(
            {
                "customer_id": customer + 1,
                "timestamp": (START + second).astype("datetime64[us]"),
                "kind": named(kind, KINDS),
                "channel": named(channel, CHANNELS),
                "category": named(self.category[item], CATEGORIES),
                "item_id": item + 1,
                "amount": pa.array(amount, from_pandas=True),
            },
            schema=SCHEMA,
        )


def tied_rows(customer: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rows whose customer has a row before in the same second."""
    order = np.lexsort((second, customer))
    same = (np.diff(customer[order]) == 0) & (np.diff(second[order]) == 0)
    return np.sort(order[1:][same])


def named(code: np.ndarray, names: tuple[str, ...]) -> pa.Array:
    """Codes as text."""
    return pa.DictionaryArray.from_arrays(code, pa.array(names)).cast(pa.string())


def log(rows: int) -> Path:
    """The Parquet file of a log of so many rows; made at the first call."""
    path = CACHE / f"log-{VERSION}-{rows}.parquet"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    world, n_groups = World(rows), max(24, -(-rows // GROUP_ROWS))
    edges = np.linspace(0, DAYS * 86_400, n_groups + 1).astype(np.int64)
    sizes = np.diff(np.linspace(0, rows, n_groups + 1).astype(np.int64))
    part = path.with_suffix(f".{os.getpid()}.part")
    with pq.ParquetWriter(part, SCHEMA) as out:
        for size, first, last in zip(sizes, edges[:-1], edges[1:], strict=True):
            out.write_table(world.group(int(size), int(first), int(last)))
    part.rename(path)
    return path


if __name__ == "__main__":
    print(log(int(sys.argv[1])))
