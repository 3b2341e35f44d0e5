"""k-prototypes by crmintel, five starts.

python -m benchmarks.opponents.prototypes_ours FILE.npz
"""

import json
import sys
import time

import numpy as np

from crmintel.segmentation.kprototypes import Mixed, k_prototypes


def main() -> None:
    """The command; prints CPU and wall seconds, and the cost."""
    with np.load(sys.argv[1]) as held:
        rows = Mixed(np.ascontiguousarray(held["x"].T), np.ascontiguousarray(held["codes"].T))
    cpu, wall = time.process_time(), time.perf_counter()
    told = k_prototypes(rows, 6, np.random.default_rng(0), gamma=0.5, starts=5)
    print(json.dumps({"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "cost": told.cost}))


if __name__ == "__main__":
    main()
