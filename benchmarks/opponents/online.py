"""One customer with 200 events, all features, now: the median and the worst of 200 calls, in milliseconds.

python -m benchmarks.opponents.online FILE
"""

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd

from benchmarks.opponents.data import END
from benchmarks.opponents.declared import feature_set
from crmintel import InteractionLog
from crmintel.errors import DataContractWarning

EVENTS, CALLS, WARM = 200, 200, 20


def somebody(file: str) -> pd.DataFrame:
    """The last events of a customer who has enough of them."""
    frame = pd.read_parquet(file)
    counts = frame["customer_id"].value_counts()
    return frame[frame["customer_id"] == counts[counts >= EVENTS].index[-1]].tail(EVENTS).reset_index(drop=True)


def main() -> None:
    """The command."""
    warnings.simplefilter("ignore", DataContractWarning)
    features, frame, now = feature_set(), somebody(sys.argv[1]), pd.Timestamp(END)
    log = InteractionLog.read(frame)
    built = features.build(log, at=now, threads=1)
    values = features.online(frame, at=now).to_numpy().reshape(-1)
    taken = []
    for _ in range(WARM + CALLS):
        start = time.perf_counter()
        features.online(frame, at=now)
        taken.append(1000 * (time.perf_counter() - start))
    told = {
        "what": "fs.online(frame, at=now)",
        "median": float(np.median(taken[WARM:])),
        "p99": float(np.quantile(taken[WARM:], 0.99)),
        "differ": int((~np.isclose(values, built.to_numpy().reshape(-1), rtol=1e-9, atol=0, equal_nan=True)).sum()),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
