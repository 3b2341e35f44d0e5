"""Boosted trees that learn from inner instants what the models of counts and spend do not see."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, final

import lightgbm as lgb
import numpy as np
import pandas as pd
from scipy.special import logit

from crmintel.interactions.clock import Int
from crmintel.value.columns import LEVELS
from crmintel.value.forecast import PURCHASES, SPEND
from crmintel.value.instants import Inner, View
from crmintel.value.purchases import Float

FOLDS: Final = 3
BOUGHT: Final = "bought"
OBJECTIVES: Final = {PURCHASES: "poisson", SPEND: "tweedie", BOUGHT: "binary"}


@final
@dataclass(frozen=True)
class Member:
    """How trees are learned.

    Parameters
    ----------
    name : str
    n_trees, learning_rate, leaves, depth, min_leaf, ridge : as LightGBM knows them (depth −1: no limit)
    offset : bool
        Whether they start from what the models of counts and spend expect over the row's own horizon; those who do not see
        the length of the horizon as a column.
    levels : bool
        Whether they see columns that grow with age.
    longest : bool
        Whether they learn from the instant with the longest horizon alone.
    targets : tuple of str
        What they are learned for.
    """

    name: str
    n_trees: int = 120
    learning_rate: float = 0.04
    leaves: int = 7
    depth: int = 3
    min_leaf: int = 100
    ridge: float = 20.0
    offset: bool = False
    levels: bool = False
    longest: bool = False
    targets: tuple[str, ...] = (SPEND, BOUGHT)

    def columns(self, table: pd.DataFrame) -> list[str]:
        """What they see of a table."""
        seen = [c for c in table.columns if self.levels or c not in LEVELS]
        return [c for c in seen if c != HORIZON] if self.offset else seen

    def learn(self, X: Float, y: Float, weight: Float, start: Float | None, target: str, seed: int) -> lgb.Booster:
        """Trees for some rows."""
        options: dict[str, Any] = {
            "objective": OBJECTIVES[target], "learning_rate": self.learning_rate, "num_leaves": self.leaves, "max_depth": self.depth,
            "min_data_in_leaf": min(self.min_leaf, max(len(y) // 20, 1)), "bagging_fraction": 0.8, "bagging_freq": 1,
            "feature_fraction": 0.6, "lambda_l2": self.ridge, "seed": seed, "num_threads": 1, "deterministic": True,
            "force_col_wise": True, "verbosity": -1, "feature_pre_filter": False, "tweedie_variance_power": 1.5,
        }  # fmt: skip
        sample = lgb.Dataset(X, y, weight=weight, init_score=start, params=options)
        return lgb.train(options, sample, num_boost_round=self.n_trees)


HORIZON: Final = "horizon"
OFFSET: Final = Member("offset", offset=True, targets=(PURCHASES, SPEND, BOUGHT))
LARGE: Final = Member("large", 150, 0.05, 15, -1, 50, 5.0, levels=True)
SMALL: Final = Member("small")
LONGEST: Final = Member("longest", longest=True, targets=(BOUGHT,))
MEMBERS: Final = (OFFSET, LARGE, SMALL, LONGEST)


def link(target: str, view: View) -> Float:
    """What the models of counts and spend expect, on the scale on which trees add up."""
    if target == BOUGHT:
        return np.asarray(logit(np.clip(-np.expm1(-view.expected), 1e-9, 1 - 1e-9)), np.float64)
    told: Float = np.log(view.spend if target == SPEND else view.expected)
    return told


@final
@dataclass(frozen=True, eq=False)
class Trees:
    """Members that were learned, by member and target.

    Parameters
    ----------
    boosters : dict of (member name, target) to Booster
    unseen : dict of (member name, target) to list of arrays
        What each said of customers that it had not seen: an array an inner instant, on the scale of `link`.
    """

    boosters: dict[tuple[str, str], lgb.Booster]
    unseen: dict[tuple[str, str], list[Float]]

    def __getstate__(self) -> dict[str, Any]:
        """The trees as text; what was said while learning is needed then only."""
        return {"boosters": {key: b.model_to_string() for key, b in self.boosters.items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        texts = state["boosters"].items()
        object.__setattr__(self, "boosters", {key: lgb.Booster(model_str=text) for key, text in texts})
        object.__setattr__(self, "unseen", {})

    def tell(self, view: View, targets: Sequence[str] = tuple(OBJECTIVES)) -> dict[tuple[str, str], Float]:
        """What every member says of customers for some targets, on the scale of `link`."""
        table = view.table.assign(**{HORIZON: float(view.horizon)})
        out = {}
        for member in MEMBERS:
            X = table[member.columns(table)].to_numpy()
            for target in (t for t in member.targets if t in targets):
                if (booster := self.boosters.get((member.name, target))) is not None:
                    told = np.asarray(booster.predict(X, raw_score=True, num_threads=1), np.float64)
                    out[member.name, target] = told + (link(target, view) if member.offset else 0.0)
        return out


def learn(inner: Sequence[Inner], fold: Sequence[Int], seed: int, threads: int) -> Trees:
    """Every member for every target, from all inner instants at once; each instant has the same weight.

    Parameters
    ----------
    inner : the longest horizon first
    fold : an array an instant, shape (n_customers,)
        0 … FOLDS − 1: a customer has the same one at every instant.
    """
    sizes = np.array([len(i.counts) for i in inner])
    instant, folds = np.repeat(np.arange(len(inner)), sizes), np.concatenate(fold)
    table = pd.concat([i.view.table.assign(**{HORIZON: float(i.view.horizon)}) for i in inner])
    weight = (sizes.sum() / len(sizes) / sizes)[instant]
    y = {PURCHASES: np.concatenate([i.counts for i in inner])}
    y[BOUGHT] = (y[PURCHASES] > 0).astype(np.float64)
    if inner[0].money is not None:
        y[SPEND] = np.concatenate([i.money for i in inner if i.money is not None])
    starts = {t: np.concatenate([link(t, i.view) for i in inner]) for t in y}
    jobs = [(m, t, k) for m in MEMBERS for t in m.targets if t in y for k in range(FOLDS + 1)]
    X = {m.name: table[m.columns(table)].to_numpy() for m in MEMBERS}

    def run(job: tuple[Member, str, int]) -> tuple[lgb.Booster, Float]:
        """One member without one fold, and what it says of that fold; the last fold is nobody's."""
        member, target, k = job
        rows = (folds != k) & ((instant == 0) | (not member.longest))
        start = starts[target] if member.offset else None
        booster = member.learn(
            X[member.name][rows], y[target][rows], weight[rows], None if start is None else start[rows], target, seed
        )
        left = folds == k
        if not left.any():
            return booster, np.zeros(0)
        said = np.asarray(booster.predict(X[member.name][left], raw_score=True, num_threads=1), np.float64)
        return booster, said if start is None else said + start[left]

    with ThreadPoolExecutor(threads) as pool:
        done = dict(zip(jobs, pool.map(run, jobs), strict=True))
    boosters, unseen = {}, {}
    for member in MEMBERS:
        for target in (t for t in member.targets if t in y):
            out = np.empty(len(instant))
            for k in range(FOLDS):
                out[folds == k] = done[member, target, k][1]
            boosters[member.name, target] = done[member, target, FOLDS][0]
            unseen[member.name, target] = np.split(out, np.cumsum(sizes)[:-1])
    return Trees(boosters, unseen)
