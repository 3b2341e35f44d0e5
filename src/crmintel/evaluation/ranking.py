"""How good recommendation lists are: did customers later buy what the list had near its top?

All figures are computed for each customer who bought something later, then averaged; a customer without a list
scores 0. The NDCG is the binary one: gain 1 for an item bought, discount log2(rank + 1), divided by the best that
min(k, number of items bought) hits could reach.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.columns import CUSTOMER, ITEM, RANK
from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Floats

METRICS: Final = ("hit_rate", "recall", "precision", "ndcg")


def hit_rate(truth: pd.DataFrame, recommended: pd.DataFrame, *, k: int = 10) -> float:
    """Share of customers for whom at least one of the first `k` items was right.

    Parameters
    ----------
    truth : DataFrame with customer_id, item_id
        What customers bought later; repeats count once.
    recommended : DataFrame with customer_id, item_id, rank
        Rank from 1; customers who bought nothing later are left out, missing ones score 0.
    k : int, default=10
        List length that is looked at.

    Raises
    ------
    DataContractError (a ValueError)
        If columns are missing, nobody bought anything, or a customer has an item or a rank twice.

    Examples
    --------
    >>> truth = pd.DataFrame({"customer_id": [1, 2], "item_id": ["cup", "pot"]})
    >>> lists = pd.DataFrame({"customer_id": [1, 1, 2], "item_id": ["tea", "cup", "tea"], "rank": [1, 2, 1]})
    >>> hit_rate(truth, lists, k=2), hit_rate(truth, lists, k=1)
    (0.5, 0.0)
    """
    return _mean(truth, recommended, k, "hit_rate")


def recall(truth: pd.DataFrame, recommended: pd.DataFrame, *, k: int = 10) -> float:
    """Share of what a customer bought later that was in the first `k` items. Arguments as in `hit_rate`.

    >>> truth = pd.DataFrame({"customer_id": [1, 2], "item_id": ["cup", "pot"]})
    >>> lists = pd.DataFrame({"customer_id": [1, 1, 2], "item_id": ["tea", "cup", "tea"], "rank": [1, 2, 1]})
    >>> recall(truth, lists, k=2)
    0.5
    """
    return _mean(truth, recommended, k, "recall")


def precision(truth: pd.DataFrame, recommended: pd.DataFrame, *, k: int = 10) -> float:
    """Share of `k` places that held an item bought later; short lists lose. Arguments as in `hit_rate`.

    >>> truth = pd.DataFrame({"customer_id": [1, 2], "item_id": ["cup", "pot"]})
    >>> lists = pd.DataFrame({"customer_id": [1, 1, 2], "item_id": ["tea", "cup", "tea"], "rank": [1, 2, 1]})
    >>> precision(truth, lists, k=2)
    0.25
    """
    return _mean(truth, recommended, k, "precision")


def ndcg(truth: pd.DataFrame, recommended: pd.DataFrame, *, k: int = 10) -> float:
    """Binary NDCG@k with the ideal over min(k, items bought): right items count more near the top.

    Arguments as in `hit_rate`.

    Examples
    --------
    >>> truth = pd.DataFrame({"customer_id": [1], "item_id": ["cup"]})
    >>> lists = pd.DataFrame({"customer_id": [1, 1, 1], "item_id": ["a", "b", "cup"], "rank": [1, 2, 3]})
    >>> ndcg(truth, lists, k=3)
    0.5
    """
    return _mean(truth, recommended, k, "ndcg")


def by_customer(truth: pd.DataFrame, recommended: pd.DataFrame, *, k: int = 10) -> pd.DataFrame:
    """The four figures of each customer who bought something later; index customer_id, sorted.

    Arguments and complaints as in `hit_rate`.
    """
    if k < 1:
        raise DataContractError(f"k is {k}. Look at one place of the list at least.")
    bought = _bought(truth)
    top = checked_list(recommended)
    top = top[top[RANK] <= k]
    hits = bought.merge(top, on=[CUSTOMER, ITEM], how="inner", validate="one_to_one")
    gained = (1 / np.log2(hits[RANK].to_numpy(float) + 1.0)).tolist()
    found = pd.DataFrame({CUSTOMER: hits[CUSTOMER], "hits": 1.0, "gain": gained}).groupby(CUSTOMER).sum()
    size = bought.groupby(CUSTOMER, sort=True).size()
    found = found.reindex(size.index, fill_value=0.0)
    hit, gain, bought_items = found["hits"].to_numpy(), found["gain"].to_numpy(), size.to_numpy()
    result = {"hit_rate": (hit > 0).astype(float), "recall": hit / bought_items, "precision": hit / k}
    return pd.DataFrame(result | {"ndcg": gain / _ideal(k)[np.minimum(bought_items, k)]}, index=size.index)


def checked_list(recommended: pd.DataFrame) -> pd.DataFrame:
    """The list's three columns, after the checks that `hit_rate` promises."""
    _need(recommended, [CUSTOMER, ITEM, RANK], "recommended")
    top = recommended[[CUSTOMER, ITEM, RANK]]
    gaps = int(top.isna().any(axis=1).sum())
    below = int((top[RANK] < 1).sum())
    if gaps or below:
        raise DataContractError(
            f"{gaps:,} of {len(top):,} rows of recommended have gaps and {below:,} a rank below 1. "
            "Give each row a customer, an item and a rank from 1."
        )
    for pair in ([CUSTOMER, ITEM], [CUSTOMER, RANK]):
        twice = int(top.duplicated(pair).sum())
        if twice:
            raise DataContractError(
                f"{twice:,} of {len(top):,} rows of recommended repeat a {pair[1]} of the same customer. "
                "Keep each item and each rank once a customer."
            )
    return top


def _bought(truth: pd.DataFrame) -> pd.DataFrame:
    _need(truth, [CUSTOMER, ITEM], "truth")
    bought = truth[[CUSTOMER, ITEM]].dropna().drop_duplicates()
    if bought.empty:
        raise DataContractError(f"truth has {len(truth):,} rows and no purchase of an item. Use a longer horizon.")
    return bought


def _mean(truth: pd.DataFrame, recommended: pd.DataFrame, k: int, metric: str) -> float:
    return float(by_customer(truth, recommended, k=k)[metric].mean())


def _ideal(k: int) -> Floats:
    """The DCG of 0, 1, ... k hits at the top."""
    places: npt.NDArray[np.int64] = np.arange(1, k + 1)
    return np.concatenate([[0.0], np.cumsum(1 / np.log2(places + 1.0))])


def _need(frame: pd.DataFrame, columns: list[str], name: str) -> None:
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise DataContractError(
            f"{name} has no column {', '.join(missing)} (it has {len(frame.columns)} columns). "
            f"Pass a table with {', '.join(columns)}."
        )
