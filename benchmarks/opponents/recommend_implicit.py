"""implicit's models on a table of pairs: lists and CPU seconds. Run by the benchmark in an environment of its own.

recommend_implicit.py PAIRS.npz OUT.npz K FILTER MODELS
"""

import sys
import time

import numpy as np
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from threadpoolctl import threadpool_limits

MODELS = {
    "implicit ALS 64": lambda: AlternatingLeastSquares(
        factors=64, iterations=15, alpha=10, regularization=0.01, random_state=0, num_threads=1
    ),
    "implicit BPR 64": lambda: BayesianPersonalizedRanking(factors=64, iterations=100, random_state=0, num_threads=1),
    "implicit cosine 100": lambda: CosineRecommender(K=100, num_threads=1),
    "implicit BM25 100": lambda: BM25Recommender(K=100, num_threads=1),
    "implicit TF-IDF 100": lambda: TFIDFRecommender(K=100, num_threads=1),
}


def main(pairs: str, out: str, k: int, leave_out: bool, names: str) -> None:
    """Fit each model and write its lists for the customers asked for."""
    data = np.load(pairs)
    R = sp.csr_matrix((data["n"].astype(np.float32), (data["who"], data["item"])), shape=tuple(data["shape"]))
    found = {}
    for name in names.split(","):
        with threadpool_limits(1, "blas"):
            start = time.process_time()
            model = MODELS[name]()
            model.fit(R, show_progress=False)
            fitted = time.process_time()
            ids, scores = model.recommend(data["asked"], R[data["asked"]], N=k, filter_already_liked_items=leave_out)
            done = time.process_time()
        found[f"{name}|items"] = np.where(scores > -1e30, ids, -1)
        found[f"{name}|seconds"] = np.array([fitted - start, done - fitted])
    np.savez(out, **found)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "1", sys.argv[5])
