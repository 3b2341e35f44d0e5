"""CatBoost at its defaults on the folds of a table: probabilities of the rows that each fold left out.

python -m benchmarks.opponents.churn_catboost TABLE.parquet OUT.npy
"""

import os
import sys

import catboost
import numpy as np
import pandas as pd

if __name__ == "__main__":
    table = pd.read_parquet(sys.argv[1])
    y, folds = table.pop("_y").to_numpy(), table.filter(regex="^_fold").to_numpy()
    table = table.drop(columns=[c for c in table if c.startswith("_fold")])
    text = [c for c in table if not pd.api.types.is_numeric_dtype(table[c])]
    table[text] = table[text].astype(object).where(table[text].notna(), "missing").astype(str)
    out = np.full(folds.shape, np.nan)
    for repeat in range(folds.shape[1]):
        for fold in np.unique(folds[:, repeat]):
            inside = folds[:, repeat] != fold
            model = catboost.CatBoostClassifier(verbose=0, thread_count=int(os.environ["OMP_NUM_THREADS"]), random_seed=0, allow_writing_files=False, cat_features=text)  # fmt: skip
            model.fit(table[inside], y[inside])
            out[~inside, repeat] = model.predict_proba(table[~inside])[:, 1]
    np.save(sys.argv[2], out)
