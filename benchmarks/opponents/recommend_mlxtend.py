"""mlxtend's pairs with lift from the same filtered baskets: their number and the CPU seconds. Run in an environment of its own.

recommend_mlxtend.py BASKETS.npz LEAST
"""

import json
import sys
import time

import numpy as np
import pandas as pd
import scipy.sparse as sp
from mlxtend.frequent_patterns import association_rules, fpgrowth


def main(path: str, least: int) -> None:
    """Print pairs found and seconds."""
    data = np.load(path)
    X = sp.csr_matrix((np.ones(len(data["item"]), bool), (data["basket"], data["item"])), shape=tuple(data["shape"]))
    start = time.process_time()
    X = X[:, np.asarray(X.sum(axis=0)).ravel() >= least]
    frame = pd.DataFrame.sparse.from_spmatrix(X)
    frame.columns = [str(c) for c in frame.columns]
    sets = fpgrowth(frame, min_support=least / X.shape[0], use_colnames=True, max_len=2)
    rules = association_rules(sets, metric="lift", min_threshold=0.0)
    print(json.dumps([len(rules) // 2, time.process_time() - start]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
