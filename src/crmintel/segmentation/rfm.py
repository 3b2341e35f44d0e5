"""Recency, frequency and money, scored by value cut-points: equal values always get equal scores."""

from collections.abc import Sequence
from typing import Any, Literal, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sklearn.exceptions import NotFittedError

from crmintel import features as f
from crmintel.columns import AMOUNT, ORDER, PURCHASE, RETURN, SEGMENT
from crmintel.errors import DataContractError, DataTypeError
from crmintel.evaluation.tables import page
from crmintel.features import FeatureSet
from crmintel.features.words import ALL, length
from crmintel.interactions import InteractionLog, Zone
from crmintel.segmentation.small import FEWEST, hidden
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
    window : str, default="all"
        How far back frequency and money look, such as ``"365d"``; recency always looks at the whole past. Lifetime totals
        only grow, so against cut-points that are kept hardly anybody moves down: give a window to compare instants. Cut-points
        are then those of customers who bought in it; who bought before it only has frequency 0, and 1 in every score.

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

    def __init__(
        self, *, naming: Naming | None = None, weights: Sequence[float] = (1.0, 1.0, 1.0), window: str = ALL
    ) -> None:
        self.naming = naming
        self.weights = weights
        self.window = window

    def fit(self, log: Any, *, at: Any, timezone: str = "UTC") -> Self:
        """Learn the cut-points from the past of an instant.

        Parameters
        ----------
        log : InteractionLog or whatever `InteractionLog.read` takes
            A frame of customer_id, timestamp and amount alone, in order, is taken as it is, in less time, and without
            remarks on its quality (doubled rows, identifiers that stand for nobody): `InteractionLog.read` gives them.
        at : instant
        timezone : str, default="UTC"
            The business zone of what is no log yet.

        Raises
        ------
        DataContractError
            If fewer than two customers bought before it (in the window), the window is no duration, or the weights are not
            three numbers of at least 0.
        DataTypeError
            If the naming is none.
        """
        _check(self.weights, self.naming)
        table = rfm_values(log, at, timezone, self.window)
        often = table["frequency"].to_numpy() > 0
        bought = table if often.all() else pd.DataFrame({c: table[c].to_numpy()[often] for c in table.columns})
        if len(bought) < 2:
            when = "" if self.window == ALL else f", in the {self.window} that count"
            raise DataContractError(
                f"{len(bought)} customers bought before the instant{when}. Segments need at least 2."
            )
        self.cuts_ = {str(c): _cuts(bought[c].to_numpy(), less=c in BETTER) for c in bought.columns}
        self.naming_ = (Grid() if self.naming is None else self.naming).learned(bought)
        self._table = table
        return self

    def segments(self, *, language: Literal["en", "zh"] = "en") -> pd.DataFrame:
        """The customers it was fitted on, scored; see `score`."""
        return self._scored(self._fitted, language)

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
        _ = self._fitted
        table = rfm_values(log, at, timezone, self.window)
        if not set(self.cuts_) <= set(table.columns):
            raise DataContractError(f"The log has no amounts, and money was scored in fit. Map {AMOUNT!r}.")
        return self._scored(table, language)

    def sizes(self, *, language: Literal["en", "zh"] = "en") -> pd.DataFrame:
        """How many customers have each score of recency and frequency, and what they brought: one row a cell that occurs."""
        table = self._scored(self._fitted, language).query("r > 0")
        out = table.groupby(["r", "f"], as_index=False).size().rename(columns={"size": "customers"})
        if "monetary" in table:
            cents = (table["monetary"] * 100).round().astype("int64")
            out["money"] = cents.groupby([table["r"], table["f"]]).sum().to_numpy() / 100
        out[SEGMENT] = table.groupby(["r", "f"])[SEGMENT].agg(lambda s: ", ".join(sorted(s.unique()))).to_numpy()
        return out

    def shared(self, fewest: int = FEWEST, *, language: Literal["en", "zh"] = "en") -> pd.DataFrame:
        """The sizes fit for others to see: customers and money of cells of fewer than `fewest` are missing.

        So are those of further cells, while a row, a column, a segment or the total would tell them; see `small.hidden`.
        """
        sizes = self.sizes(language=language)
        counts, shut = sizes["customers"].to_numpy(np.float64), np.zeros(len(sizes), bool)
        lines = [np.ones(len(sizes), bool)]
        lines += [(sizes[c] == v).to_numpy() for c in ("r", "f", SEGMENT) for v in sizes[c].unique()]
        before = None
        while before != (before := int(shut.sum())):
            for line in lines:
                shut[line] = hidden(counts[line], fewest, shut[line])
        told = [c for c in ("customers", "money") if c in sizes]
        sizes["customers"] = sizes["customers"].astype("Int64")
        sizes[told] = sizes[told].mask(pd.Series(shut))
        return sizes

    @property
    def _fitted(self) -> pd.DataFrame:
        """The values of the customers it was fitted on."""
        if not hasattr(self, "_table"):
            raise NotFittedError("This RFM is not fitted. Call fit(log, at=...) first.")
        return self._table

    def _scored(self, table: pd.DataFrame, language: str) -> pd.DataFrame:
        if language not in ("en", "zh"):
            raise DataContractError(f"Segments are named in 'en' or 'zh', not in {language!r}.")
        out, never = table.copy(deep=False), np.isnan(table["recency_days"].to_numpy())
        idle = table["frequency"].to_numpy() <= 0  # in the window; all of them never bought where it is the whole past
        weighted, total = np.zeros(len(table)), 0.0
        for (column, short), weight in zip(SCORED, self.weights, strict=True):
            if column in self.cuts_:
                values, better = table[column].to_numpy(), np.less if column in BETTER else np.greater
                score = 1 + sum(better(values, c).view(np.int8) for c in self.cuts_[column])
                score[idle] = 1
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
        back = "" if self.window == ALL else f" over {self.window}"
        return f"RFM by {type(self.naming or Grid()).__name__}{back}{told}"

    def _repr_html_(self) -> str:
        return page(repr(self), sizes=self.sizes()) if hasattr(self, "_table") else page(repr(self))


def _check(weights: Any, naming: Any) -> None:
    """Refuse weights that are no three numbers, and names that name nothing."""
    try:
        numbers = np.asarray(weights, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (3,) or not ((numbers >= 0) & (numbers < np.inf)).all() or not numbers.any():
        raise DataContractError(
            f"weights are {weights!r}. Give three numbers of at least 0, not all 0: recency, frequency, money."
        )
    if naming is not None and (isinstance(naming, type) or not hasattr(naming, "learned")):
        raise DataTypeError(f"naming cannot be {naming!r}. Give Grid() or EightTypes().")


def _cuts(values: Float, *, less: bool) -> Float:
    """Quantiles .2 to .8 that are attained, counted from the worse end."""
    rising = np.sort(values)
    n = len(rising)
    place = np.array([-(-n * i // SCORES) - 1 for i in range(1, SCORES)])  # of the smallest with so many at or below it
    cuts: Float = rising[n - 1 - place] if less else rising[place]
    return cuts


def rfm_values(log: Any, at: Any, timezone: str = "UTC", window: str = ALL) -> pd.DataFrame:
    """Days since the last purchase, orders (days with a purchase where orders are unknown) and net money of each customer.

    Orders and money are those of the window; only who never bought has no recency.
    """
    if not isinstance(window, str):
        raise DataTypeError(f"window is {window!r}. Write it as '365d', or 'all'.")
    back = None if window == ALL else length(window)
    if not isinstance(log, InteractionLog):
        zone = Zone(timezone)
        plain = plain_values(log, zone.instant(at), zone, back)
        if plain is not None:
            return plain
        log = InteractionLog.read(log, timezone=timezone)
    buys = f.where(kind=PURCHASE)
    order = f.distinct(ORDER, buys) if ORDER in log.columns else f.active_days(buys)
    specs: list[f.Spec] = [f.recency(buys), order.over(window)]
    names = ["recency_days", "frequency"]
    if log.has_amounts:
        specs.append(f.total(AMOUNT, f.where(kind=[PURCHASE, RETURN])).over(window))
        names.append("monetary")
    return FeatureSet(specs).build(log, at).set_axis(names, axis=1)
