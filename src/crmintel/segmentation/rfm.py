"""Recency, frequency and money, scored by value cut-points: equal values always get equal scores."""

from collections.abc import Sequence
from typing import Any, Literal, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from crmintel import features as f
from crmintel.columns import AMOUNT, ORDER, PURCHASE, RETURN, SEGMENT
from crmintel.errors import DataContractError
from crmintel.features import FeatureSet
from crmintel.interactions import InteractionLog, Zone
from crmintel.segmentation.transactions import plain_values
from crmintel.segmentation.types import CHINESE, PROSPECT, SCORES, Grid, Naming

Float = npt.NDArray[np.float64]
SCORED = (("recency_days", "r"), ("frequency", "f"), ("monetary", "m"))
BETTER = frozenset({"recency_days"})
"""The values of which less is better."""


@final
class RFM:
    """Segments by how recently, how often and for how much customers buy.

    Cut-points are attained values (quantiles .2 to .8 by the inverted distribution function), learned once and kept, so a
    newcomer is scored as everybody else was, and row order plays no part. A score is one plus the number of cut-points
    that the customer is strictly better than: fewer days, more orders, more money. Where many customers have one value,
    cut-points coincide and a score stays empty: sizes are told as they are; where all have one value, it is 1. Customers
    who never bought are prospects.

    Parameters
    ----------
    naming : Naming, default=Grid()
        How scores become segments: the usual grid, or `EightTypes()`.
    weights : three floats, default=(1, 1, 1)
        What recency, frequency and money count in ``rfm_score``, their weighted mean.

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
    1                    60.0        1.0  1  1
    2                    10.0        2.0  3  3
    """

    def __init__(self, *, naming: Naming | None = None, weights: Sequence[float] = (1.0, 1.0, 1.0)) -> None:
        self.naming = naming
        self.weights = weights

    def fit(self, log: Any, *, at: Any, timezone: str = "UTC") -> Self:
        """Learn the cut-points from the past of an instant.

        Parameters
        ----------
        log : InteractionLog or whatever `InteractionLog.read` takes
            A frame of customer_id, timestamp and amount alone, in order, is taken as it is, in less time.
        at : instant
        timezone : str, default="UTC"
            The business zone of what is no log yet.

        Raises
        ------
        DataContractError
            If fewer than two customers bought before it, or the weights are not three numbers of at least 0.
        """
        weights = np.asarray(self.weights, np.float64)
        if weights.shape != (3,) or not ((weights >= 0) & (weights < np.inf)).all() or not weights.any():
            raise DataContractError(
                "weights must be three numbers of at least 0, not all 0: recency, frequency, money."
            )
        table = rfm_values(log, at, timezone)
        often = table["frequency"].to_numpy() > 0
        bought = table if often.all() else pd.DataFrame({c: table[c].to_numpy()[often] for c in table.columns})
        if len(bought) < 2:
            raise DataContractError(f"{len(bought)} customers bought before the instant. Segments need at least 2.")
        self.cuts_ = {str(c): _cuts(bought[c].to_numpy(), less=c in BETTER) for c in bought.columns}
        self.naming_ = (Grid() if self.naming is None else self.naming).learned(bought)
        self._table = table
        return self

    def segments(self, *, language: Literal["en", "zh"] = "en") -> pd.DataFrame:
        """The customers it was fitted on, scored; see `score`."""
        return self._scored(self._table, language)

    def score(self, log: Any, *, at: Any, timezone: str = "UTC", language: Literal["en", "zh"] = "en") -> pd.DataFrame:
        """Customers of any log at any instant, by the cut-points learned; parameters as in `fit`.

        Returns
        -------
        DataFrame
            One row a customer: recency_days, frequency, monetary (if there are amounts), r, f, m in 1…5 (0 for prospects),
            rfm_score (missing for prospects), segment.

        Raises
        ------
        DataContractError
            If the log has no amounts and the one it was fitted on had.
        """
        table = rfm_values(log, at, timezone)
        if not set(self.cuts_) <= set(table.columns):
            raise DataContractError(f"The log has no amounts, and money was scored in fit. Map {AMOUNT!r}.")
        return self._scored(table, language)

    def sizes(self) -> pd.DataFrame:
        """How many customers have each score of recency and frequency, and what they brought: one row a cell that occurs."""
        table = self._scored(self._table, "en").query("r > 0")
        out = table.groupby(["r", "f"], as_index=False).size().rename(columns={"size": "customers"})
        if "monetary" in table:
            cents = (table["monetary"] * 100).round().astype("int64")
            out["money"] = cents.groupby([table["r"], table["f"]]).sum().to_numpy() / 100
        out[SEGMENT] = table.groupby(["r", "f"])[SEGMENT].agg(lambda s: ", ".join(sorted(s.unique()))).to_numpy()
        return out

    def _scored(self, table: pd.DataFrame, language: str) -> pd.DataFrame:
        if language not in ("en", "zh"):
            raise DataContractError(f"Segments are named in 'en' or 'zh', not in {language!r}.")
        out, never = table.copy(deep=False), table["frequency"].to_numpy() <= 0
        weighted, total = np.zeros(len(table)), 0.0
        for (column, short), weight in zip(SCORED, self.weights, strict=True):
            if column in self.cuts_:
                values, better = table[column].to_numpy(), np.less if column in BETTER else np.greater
                score = 1 + sum(better(values, c).view(np.int8) for c in self.cuts_[column])
                score[never] = 0
                out[short] = score.astype(np.int64)
                weighted += weight * score
                total += weight
        weighted /= total or np.nan
        weighted[never] = np.nan
        names, code = [*self.naming_.names, PROSPECT], self.naming_.codes(out)
        code[never] = len(names) - 1
        told = pa.array([CHINESE.get(n, n) if language == "zh" else n for n in names], pa.large_string())
        out["rfm_score"], out[SEGMENT] = weighted, pd.array(told.take(pa.array(code)), dtype="str")
        return out

    def __repr__(self) -> str:
        told = f", fitted on {len(self._table):,} customers" if hasattr(self, "_table") else ", not fitted"
        return f"RFM by {type(self.naming or Grid()).__name__}{told}"


def _cuts(values: Float, *, less: bool) -> Float:
    """Quantiles .2 to .8 that are attained, counted from the worse end."""
    rising = np.sort(values)
    n = len(rising)
    place = np.array([-(-n * i // SCORES) - 1 for i in range(1, SCORES)])  # of the smallest with so many at or below it
    cuts: Float = rising[n - 1 - place] if less else rising[place]
    return cuts


def rfm_values(log: Any, at: Any, timezone: str = "UTC") -> pd.DataFrame:
    """Days since the last purchase, orders (days with a purchase where orders are unknown) and net money of each customer."""
    if not isinstance(log, InteractionLog):
        zone = Zone(timezone)
        plain = plain_values(log, zone.instant(at), zone)
        if plain is not None:
            return plain
        log = InteractionLog.read(log, timezone=timezone)
    buys = f.where(kind=PURCHASE)
    order = f.distinct(ORDER, buys) if ORDER in log.columns else f.active_days(buys)
    specs: list[f.Spec] = [f.recency(buys), order]
    names = ["recency_days", "frequency"]
    if log.has_amounts:
        specs.append(f.total(AMOUNT, f.where(kind=[PURCHASE, RETURN])))
        names.append("monetary")
    return FeatureSet(specs).build(log, at).set_axis(names, axis=1)
