"""RFM as tutorials for pandas write it: groupby, ranks that break ties by row order, and `qcut`; the best of five.

python -m benchmarks.opponents.rfm_pandas FILE
"""

import json
import sys
import time

import pandas as pd

AT = pd.Timestamp("2024-01-01")


def segments(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a customer: recency, frequency, monetary, their quintiles and the segment."""
    table = frame.groupby("customer_id").agg(
        last=("timestamp", "max"), frequency=("timestamp", "size"), monetary=("amount", "sum")
    )
    table["recency"] = (AT - table["last"]).dt.total_seconds() / 86_400
    table["r"] = pd.qcut(table["recency"].rank(method="first"), 5, labels=[5, 4, 3, 2, 1]).astype(int)
    table["f"] = pd.qcut(table["frequency"].rank(method="first"), 5, labels=[1, 2, 3, 4, 5]).astype(int)
    table["m"] = pd.qcut(table["monetary"].rank(method="first"), 5, labels=[1, 2, 3, 4, 5]).astype(int)
    cell = (5 * (table["r"] - 1) + table["f"] - 1).to_numpy()
    names = pd.Categorical.from_codes(range(25), [f"{r}{f}" for r in range(1, 6) for f in range(1, 6)])
    table["segment"] = names.take(cell)  # categories: quicker than text
    return table


def main() -> None:
    """The command."""
    frame, least = pd.read_parquet(sys.argv[1]), 1e9
    for _ in range(5):
        begin = time.process_time()
        segments(frame)
        least = min(least, time.process_time() - begin)
    print(json.dumps({"segments": least}))


if __name__ == "__main__":
    main()
