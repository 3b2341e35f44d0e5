"""What customers are expected to do over a horizon, each with an interval, and the totals of any segments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd

from crmintel.columns import CUSTOMER, SEGMENT, VALUE, VALUE_HIGH, VALUE_LOW
from crmintel.errors import DataContractError
from crmintel.evaluation import tables
from crmintel.evaluation.aligned import aligned
from crmintel.interactions.clock import Int
from crmintel.value.purchases import Float
from crmintel.value.spread import Spread

PURCHASES: Final = "purchases"
SPEND: Final = "spend"
WILL_BUY: Final = "buy_probability"
_ALL: Final = "all customers"


@final
@dataclass(frozen=True, eq=False, repr=False)
class ValueForecast:
    """What each customer is expected to do in ``[at, at + horizon)``.

    Parameters
    ----------
    customers : DataFrame, index customer_id
        ``purchases`` (days with a purchase), ``buy_probability`` (of at least one) and, where the log has amounts, ``spend`` and
        ``value`` (what remains of the spend after margin and cost to serve); each amount with ``_low`` and ``_high``. An interval
        is for a customer's own later sum, not for its mean.
    at : Timestamp
    horizon_days : int
    coverage : float
        What intervals should cover.
    spreads : mapping of str to Spread
        Of purchases and, where there is money, of spend.
    cell : array of int, shape (n_customers,)
        Which customers may go astray together.
    """

    customers: pd.DataFrame
    at: pd.Timestamp
    horizon_days: int
    coverage: float
    spreads: Mapping[str, Spread]
    cell: Int

    @property
    def has_money(self) -> bool:
        """Whether value is told; without amounts there are purchases alone."""
        return SPEND in self.spreads

    def to_frame(self) -> pd.DataFrame:
        """One row a customer."""
        return self.customers.copy(deep=False)

    def total(self, segments: Any = None) -> pd.DataFrame:
        """Totals of segments with intervals, which also hold what whole segments may do together.

        Parameters
        ----------
        segments : Series or array, shape (n_customers,), optional
            The segment of each customer; a Series is matched by customer. Customers without one (missing) are left out.
            By default everybody is one segment. Rows are rising, or in the order of the categories where there are some.

        Returns
        -------
        DataFrame, index segment
            ``customers``, and the sums of ``purchases``, ``spend`` and ``value`` with ``_low`` and ``_high``.

        Raises
        ------
        DataContractError
            If segments are of other customers, or nobody has one.
        """
        index = self.customers.index
        if segments is None:
            segments = np.full(len(index), _ALL)
        code, names = _coded(aligned(segments, index, "segments"), len(index))
        rows = code >= 0
        if not rows.any():
            raise DataContractError("No customer has a segment. Give at least one.")
        code, n = code[rows], len(names)
        out = pd.DataFrame({"customers": np.bincount(code, minlength=n)}, index=pd.Index(names, name=SEGMENT))
        for name, spread in self.spreads.items():
            told = self.customers[name].to_numpy()[rows]
            out[name] = np.bincount(code, told, n)
            out[f"{name}_low"], out[f"{name}_high"] = spread.totals(told, self.cell[rows], code, n)
        if self.has_money:
            out[VALUE] = np.bincount(code, self.customers[VALUE].to_numpy()[rows], n)
            out[VALUE_LOW], out[VALUE_HIGH] = scaled(out[VALUE].to_numpy(), *(out[c].to_numpy() for c in _ENDS))
        return out

    def __repr__(self) -> str:
        everybody = self.total().iloc[0]
        told = [f"{name} {_shown(everybody, name)}" for name in self._amounts]
        said = "" if self.has_money else "; no amounts to learn from, so value is not told"
        return (
            f"ValueForecast of {len(self.customers):,} customers, {self.horizon_days} days from {self.at:%Y-%m-%d}, "
            f"{self.coverage:.0%} intervals: {', '.join(told)}{said}"
        )

    def _repr_html_(self) -> str:
        ranks = self.customers[self._amounts[-1]].rank(method="first", ascending=False).to_numpy()
        tenth = np.minimum((ranks - 1) * 10 // len(ranks), 9).astype(np.int64) + 1
        total = self.total(tenth)
        shown = pd.DataFrame({"tenth": total.index, "customers": total["customers"].to_numpy()})
        for name in self._amounts:
            shown[name] = [_shown(row, name) for _, row in total.iterrows()]
        return tables.page(repr(self), **{f"tenths of customers by {self._amounts[-1]}": shown})

    @property
    def _amounts(self) -> list[str]:
        return [PURCHASES, SPEND, VALUE] if self.has_money else [PURCHASES]


def _shown(row: pd.Series, name: str) -> str:
    """A total and its interval."""
    return f"{row[name]:,.0f} ({row[f'{name}_low']:,.0f} to {row[f'{name}_high']:,.0f})"


def _coded(segments: Any, n: int) -> tuple[Int, pd.Index]:
    """The number of each customer's segment, -1 where there is none, and the names of those that occur."""
    if np.ndim(segments) != 1 or len(segments) != n:
        shape = " x ".join(f"{length:,}" for length in np.shape(segments)) or "1"
        raise DataContractError(f"segments has {shape} values for {n:,} customers. Give one a customer.")
    given = pd.Series(segments).reset_index(drop=True)
    if isinstance(given.dtype, pd.CategoricalDtype):
        given = given.cat.remove_unused_categories()
        return np.asarray(given.cat.codes, np.int64), pd.Index(given.cat.categories)
    code, names = pd.factorize(given.astype(object), sort=True)
    return np.asarray(code, np.int64), pd.Index(names).infer_objects()


_ENDS: Final = (SPEND, f"{SPEND}_low", f"{SPEND}_high")


def scaled(value: Float, spend: Float, low: Float, high: Float) -> tuple[Float, Float]:
    """The interval of a value that goes with a spend, from the interval of the spend; it holds the value."""
    a, b = (np.divide(value * end, spend, out=np.zeros(len(value)), where=spend > 0) for end in (low, high))
    return np.minimum(np.minimum(a, b), value), np.maximum(np.maximum(a, b), value)


def forecast_table(
    customers: pd.Index, told: Mapping[str, Float], chance: Float, spreads: Mapping[str, Spread], margin: float, cost: float
) -> pd.DataFrame:  # fmt: skip
    """One row a customer: what is expected, with intervals; see `ValueForecast`."""
    out = pd.DataFrame(index=pd.Index(customers, name=CUSTOMER))
    for name, spread in spreads.items():
        out[name] = told[name]
        out[f"{name}_low"], out[f"{name}_high"] = spread.interval(told[name])
        if name == PURCHASES:
            out[WILL_BUY] = chance
    if SPEND in spreads:
        out[VALUE] = margin * told[SPEND] - cost * told[PURCHASES]
        out[VALUE_LOW], out[VALUE_HIGH] = scaled(out[VALUE].to_numpy(), *(out[c].to_numpy() for c in _ENDS))
    return out
