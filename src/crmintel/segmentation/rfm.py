"""Recency, frequency and money, scored by value cut-points: equal values always get equal scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel import features as f
from crmintel.columns import AMOUNT, ORDER, PURCHASE, RETURN, SEGMENT
from crmintel.errors import DataContractError
from crmintel.features import FeatureSet
from crmintel.interactions import InteractionLog

SCORES = 5
PROSPECT = "prospects"
_GRID = (  # recency scores, frequency scores, name: the usual 5 x 5 grid
    ((5,), (4, 5), "champions"),
    ((3, 4), (4, 5), "loyal"),
    ((4, 5), (2, 3), "potential loyalists"),
    ((5,), (1,), "new customers"),
    ((4,), (1,), "promising"),
    ((3,), (3,), "need attention"),
    ((3,), (1, 2), "about to sleep"),
    ((1, 2), (5,), "cannot lose"),
    ((1, 2), (3, 4), "at risk"),
    ((1, 2), (1, 2), "hibernating"),
)
NAMES: Mapping[tuple[int, int], str] = MappingProxyType({(r, q): n for rs, qs, n in _GRID for r in rs for q in qs})


@final
@dataclass
class RFM:
    """Segments by how recently, how often and for how much customers buy.

    Cut-points are attained values (quantiles .2 to .8 by the inverted distribution function), learned once and kept, so a
    newcomer is scored as everybody else was, and row order plays no part. A score is one plus the number of cut-points
    strictly below the value; recency is mirrored, so 5 is best everywhere. Customers who never bought are prospects.

    Attributes
    ----------
    cuts_ : mapping of column to four cut-points

    Examples
    --------
    >>> frame = pd.DataFrame({"customer_id": [1, 2, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-02-20"])})
    >>> log = InteractionLog.read(frame)
    >>> RFM().fit(log, at="2024-03-01").segments()[["recency_days", "frequency", "r", "f"]]
                 recency_days  frequency  r  f
    customer_id
    1                    60.0        1.0  3  1
    2                    10.0        2.0  5  3
    """

    def fit(self, log: InteractionLog, *, at: Any) -> Self:
        """Learn the cut-points from the past of an instant.

        Raises
        ------
        DataContractError
            If fewer than two customers bought before it.
        """
        table = rfm_values(log, at)
        bought = table[table["frequency"] > 0]
        if len(bought) < 2:
            raise DataContractError(f"{len(bought)} customers bought before the instant. Segments need at least 2.")
        levels = np.arange(1, SCORES) / SCORES
        self.cuts_ = {c: np.quantile(bought[c].to_numpy(), levels, method="inverted_cdf") for c in bought.columns}
        self._table = table
        return self

    def segments(self) -> pd.DataFrame:
        """The customers it was fitted on, scored."""
        return self._scored(self._table)

    def score(self, log: InteractionLog, *, at: Any) -> pd.DataFrame:
        """Customers of any log at any instant, by the cut-points learned.

        Returns
        -------
        DataFrame
            One row a customer: recency_days, frequency, monetary (if there are amounts), r, f, m in 1…5 (0 for prospects), segment.
        """
        return self._scored(rfm_values(log, at))

    def _scored(self, table: pd.DataFrame) -> pd.DataFrame:
        out, bought = table.copy(deep=False), table["frequency"].to_numpy() > 0
        for column, short in (("recency_days", "r"), ("frequency", "f"), ("monetary", "m")):
            if column in self.cuts_:
                score = self._score(table[column].to_numpy(), self.cuts_[column])
                out[short] = np.where(bought, SCORES + 1 - score if short == "r" else score, 0)
        names = [NAMES.get((r, q), PROSPECT) for r, q in zip(out["r"], out["f"], strict=True)]
        out[SEGMENT] = pd.array(names, dtype="str")
        return out

    @staticmethod
    def _score(values: npt.NDArray[np.float64], cuts: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        return np.searchsorted(cuts, values, side="left") + 1


def rfm_values(log: InteractionLog, at: Any) -> pd.DataFrame:
    """Days since the last purchase, orders (days with a purchase where orders are unknown) and net money of each customer."""
    buys = f.where(kind=PURCHASE)
    order = f.distinct(ORDER, buys) if ORDER in log.columns else f.active_days(buys)
    specs: list[f.Spec] = [f.recency(buys), order]
    names = ["recency_days", "frequency"]
    if log.has_amounts:
        specs.append(f.total(AMOUNT, f.where(kind=[PURCHASE, RETURN])))
        names.append("monetary")
    return FeatureSet(specs).build(log, at).set_axis(names, axis=1)
