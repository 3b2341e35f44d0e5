"""A recommender's lists beside simple lists, for the same customers, with the interval of the difference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from crmintel.columns import ITEM, RANK
from crmintel.errors import DataContractError
from crmintel.evaluation import tables
from crmintel.evaluation.intervals import Estimate, Floats, percentile, resamples
from crmintel.evaluation.ranking import METRICS, by_customer, checked_list


@final
@dataclass(frozen=True, repr=False)
class RankingReport:
    """How good the first list is, and whether a simpler list would do as well.

    Parameters
    ----------
    metrics : dict of str to Estimate
        hit_rate, recall, precision, ndcg of the first list, at `k`.
    rules : DataFrame
        A row for each list, the first one on top: name, hit_rate, recall, precision, ndcg, ndcg_low, ndcg_high,
        gain, gain_low, gain_high (NDCG of the first list minus that of this one, paired), verdict.
    coverage : dict of str to int
        How many different items each list has in its first `k` places.
    n, k : int
        Customers who bought something later, and the list length looked at.
    convention : str
        Which NDCG this is.

    Examples
    --------
    >>> from crmintel.evaluation import compare_rankings
    >>> truth = pd.DataFrame({"customer_id": [1, 2], "item_id": ["cup", "pot"]})
    >>> tea = truth.assign(item_id="tea", rank=1)
    >>> report = compare_rankings(truth, {"model": truth.assign(rank=1), "tea for all": tea}, k=1, n=20)
    >>> report.metrics["hit_rate"].value
    1.0
    """

    metrics: dict[str, Estimate]
    rules: pd.DataFrame
    coverage: dict[str, int]
    n: int
    k: int
    convention: str = "binary NDCG@k, ideal over min(k, items bought)"

    def to_frame(self) -> pd.DataFrame:
        """The metrics as a table: metric, value, low, high."""
        return tables.metrics_frame(self.metrics)

    def __repr__(self) -> str:
        return f"RankingReport(n={self.n:,}, k={self.k}, ndcg={self.metrics['ndcg']})"

    def __str__(self) -> str:
        return tables.lines(self._title(), self.metrics, self.rules)

    def _repr_html_(self) -> str:
        items = pd.DataFrame({"name": list(self.coverage), "items": list(self.coverage.values())})
        return tables.page(self._title(), metrics=self.to_frame(), rules=self.rules, coverage=items)

    def _title(self) -> str:
        return f"{self.n:,} customers, k = {self.k}, {self.convention}"


def compare_rankings(
    truth: pd.DataFrame, lists: Mapping[str, pd.DataFrame], *, k: int = 10, n: int = 300, seed: int = 0
) -> RankingReport:
    """Judge recommendation lists for the same customers; the first list is the model, the others are rules.

    Parameters
    ----------
    truth : DataFrame with customer_id, item_id
        What customers bought later; repeats count once.
    lists : mapping of str to DataFrame with customer_id, item_id, rank
        Rank from 1; customers missing from a list score 0 there.
    k : int, default=10
        List length that is looked at.
    n : int, default=300
        Bootstrap draws of customers, the same for every list.

    Raises
    ------
    DataContractError (a ValueError)
        If there is no list, columns are missing, nobody bought anything, or a list repeats an item or a rank.

    Examples
    --------
    >>> customers = list(range(30))
    >>> truth = pd.DataFrame({"customer_id": customers, "item_id": ["cup"] * 20 + ["pot"] * 10})
    >>> cups = truth.assign(item_id="cup", rank=1)
    >>> report = compare_rankings(truth, {"model": truth.assign(rank=1), "popular": cups}, k=1, n=50)
    >>> report.rules[["name", "hit_rate", "gain"]].round(2).values.tolist()
    [['model', 1.0, 0.0], ['popular', 0.67, 0.33]]
    """
    if not lists:
        raise DataContractError("There is no list to judge. Pass at least one, the model's first.")
    figures = {name: by_customer(truth, frame, k=k).to_numpy() for name, frame in lists.items()}
    stacked = np.stack(list(figures.values()), axis=1)  # (n_customers, n_lists, n_metrics)
    customers = len(stacked)
    value = stacked.mean(axis=0)
    draws = np.stack([np.tensordot(w / customers, stacked, axes=1) for w in resamples(customers, n=n, seed=seed)])
    metrics = {name: percentile(value[0, i], draws[:, 0, i]) for i, name in enumerate(METRICS)}
    items = {name: _items(frame, k) for name, frame in lists.items()}
    return RankingReport(metrics, _rules(list(lists), value, draws, customers), items, customers, k)


def _rules(names: list[str], value: Floats, draws: Floats, cases: int) -> pd.DataFrame:
    last = METRICS.index("ndcg")
    rows = []
    for i, name in enumerate(names):
        score = percentile(value[i, last], draws[:, i, last])
        gain = percentile(value[0, last] - value[i, last], draws[:, 0, last] - draws[:, i, last])
        said = tables.verdict(gain, cases=cases) if i else ""
        rows.append((name, *value[i], score.low, score.high, gain.value, gain.low, gain.high, said))
    columns = ["name", *METRICS, "ndcg_low", "ndcg_high", "gain", "gain_low", "gain_high", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _items(frame: pd.DataFrame, k: int) -> int:
    top = checked_list(frame)
    return int(top.loc[top[RANK] <= k, ITEM].nunique())
