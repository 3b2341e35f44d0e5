"""One fit by crmintel, timed as the peers are: CPU seconds, parameters and log-likelihood.

python -m benchmarks.opponents.value_ours FILE.npy BetaGeoModel|ModifiedBetaGeoModel|ParetoModel
"""

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd

from crmintel import value


def history(file: str) -> pd.DataFrame:
    """The table of a file with frequency, t_x and T in weeks, in whole days."""
    x, t, age = np.load(file)
    days = {"t_x_days": np.rint(t * 7).astype(np.int64), "T_days": np.rint(age * 7).astype(np.int64)}
    return pd.DataFrame({"frequency": x.astype(np.int64), **days})


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    table = history(sys.argv[1])
    model = getattr(value, sys.argv[2])
    model().fit(table[:300])
    start = time.process_time()
    found = model().fit(table)
    cpu = time.process_time() - start
    print(json.dumps({"cpu": cpu, "parameters": found.parameters_, "loss": -found.log_likelihood_}))
