"""k-prototypes by kmodes at its default (start by Cao, ten starts, at most 100 passes), in an environment of its own.

python -m benchmarks.opponents.prototypes_kmodes FILE.npz
"""

import inspect
import json
import sys
import time

import numpy as np
from kmodes.kprototypes import KPrototypes


def main() -> None:
    """The command; prints CPU seconds, the cost and the number of starts."""
    with np.load(sys.argv[1]) as held:
        rows = np.concatenate([held["x"], held["codes"]], axis=1).astype(object)
    model = KPrototypes(6, gamma=0.5, random_state=0)
    cpu = time.process_time()
    model.fit(rows, categorical=list(range(5, 10)))
    starts = inspect.signature(KPrototypes).parameters["n_init"].default
    print(json.dumps({"cpu": time.process_time() - cpu, "cost": float(model.cost_), "starts": starts}))


if __name__ == "__main__":
    main()
