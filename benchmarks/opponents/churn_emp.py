"""EMPC by emp-py 2.0.4, in an environment of its own.

python -m benchmarks.opponents.churn_emp FILE.npz
"""

import json
import sys

import numpy as np
from EMP.metrics import empChurn


def main() -> None:
    """The command; the file holds y_0, p_0, y_1, ...; prints a list of profit and fraction for each pair."""
    with np.load(sys.argv[1]) as held:
        pairs = [(held[f"y_{i}"], held[f"p_{i}"]) for i in range(len(held.files) // 2)]
    told = [empChurn(p, y) for y, p in pairs]
    print(json.dumps([[float(t.EMP), float(t.EMP_fraction)] for t in told]))


if __name__ == "__main__":
    main()
