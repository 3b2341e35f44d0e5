"""A million customers with fifty interactions each: seconds to read and fit, and to list ten items for everybody.

recommend_size.py PARQUET: the file is made if it is not there, and measured at the next call.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crmintel import InteractionLog
from crmintel.recommend import CoOccurrence

CUSTOMERS, ITEMS, EACH, TASTES = 1_000_000, 50_000, 50, 200


def table() -> pa.Table:
    """Interactions: each customer has two tastes of two hundred, and items of a taste have a long tail."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(CUSTOMERS, dtype=np.int32), EACH)
    taste = rng.integers(0, TASTES, (CUSTOMERS, 2), dtype=np.int32)
    pick = taste[who, rng.integers(0, 2, len(who), dtype=np.int8)]
    place = (rng.random(len(who), dtype=np.float32) ** 3 * (ITEMS // TASTES)).astype(np.int32)
    second = rng.integers(0, 365 * 86_400, len(who), dtype=np.int32).astype("timedelta64[s]")
    time_ = (np.datetime64("2024-01-01", "s") + second).astype("datetime64[us]")
    return pa.table({"customer_id": who, "timestamp": time_, "item_id": pick * (ITEMS // TASTES) + place})


def main() -> None:
    """Print the two times."""
    start = time.perf_counter()
    log = InteractionLog.read(sys.argv[1], quiet=True, memory="1GB")
    model = CoOccurrence(low_rank=0, prune=100).fit(log)
    fitted = time.perf_counter()
    rows = 0
    for a in range(0, CUSTOMERS, 100_000):
        rows += len(model.recommend(model.customers_[a : a + 100_000], k=10))
    assert rows == 10 * CUSTOMERS
    print(json.dumps([fitted - start, time.perf_counter() - fitted]))


if __name__ == "__main__":
    if Path(sys.argv[1]).exists():
        main()
    else:
        pq.write_table(table(), sys.argv[1])
