"""Other settings of trees, tried on the folds within a budget, for those who want it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np
import pandas as pd

from crmintel.churn.folds import Fold
from crmintel.churn.recipes import Data
from crmintel.churn.table import Int
from crmintel.churn.trees import Trees
from crmintel.errors import DataContractError


def tuned(
    data: Data, y: Int, split: tuple[Fold, ...], budget: int, seed: int, threads: int
) -> tuple[Trees, pd.DataFrame]:
    """The setting with the least log-loss on rows that were not learned from, and the table of all that were tried.

    Settings are drawn at random (Bergstra and Bengio 2012) from small and slow to large and fast.
    """
    if budget < 1 or not split:
        raise DataContractError(
            f"tune is {budget} with {len(split)} folds. Try one setting at least, on one fold at least."
        )
    rng = np.random.default_rng(seed)
    settings = [_drawn(rng) for _ in range(budget)]
    _ = data.binned

    def score(setting: Trees) -> float:
        lost = []
        for inside, outside in split:
            z = setting.fit(data, y, inside, seed=seed).log_odds(data.table.take(outside))
            lost.append(np.logaddexp(0, z) - y[outside] * z)
        return float(np.concatenate(lost).mean())

    with ThreadPoolExecutor(threads) as pool:
        scores = list(pool.map(score, settings))
    told = pd.DataFrame([asdict(s) for s in settings]).drop(columns="name").assign(log_loss=scores)
    return settings[int(np.argmin(scores))], told.sort_values("log_loss", kind="stable", ignore_index=True)


def _drawn(rng: np.random.Generator) -> Trees:
    rate = float(10 ** rng.uniform(-2, -0.8))
    return Trees(
        "tuned trees", n_trees=int(np.clip(rng.uniform(4, 14) / rate, 40, 900)), learning_rate=rate, leaves=int(2 ** rng.uniform(2, 6)),
        min_leaf=int(10 ** rng.uniform(0.7, 2.3)), row_share=float(rng.uniform(0.5, 1)), column_share=float(rng.uniform(0.3, 1)),
        ridge=float(10 ** rng.uniform(-1, 1.5)), cat_smooth=20.0,
    )  # fmt: skip
