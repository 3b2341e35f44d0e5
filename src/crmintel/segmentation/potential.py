"""What customers could be worth: the gap between a customer and the better ones among those alike, and the wallet by category."""

from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from crmintel import features as f
from crmintel.columns import AMOUNT, AT, CATEGORY, CUSTOMER, PURCHASE, RETURN, SEGMENT
from crmintel.errors import DataContractError, DataTypeError
from crmintel.evaluation.intervals import Estimate, bootstrap
from crmintel.evaluation.tables import page
from crmintel.features import FeatureSet
from crmintel.interactions import InteractionLog
from crmintel.segmentation.doors import log_of, series_of
from crmintel.segmentation.rules import is_number, numbers

Float = npt.NDArray[np.float64]
CEILING: Final = 0.9
FEWEST: Final = 50
"""Customers that peers must number at least; smaller groups are compared with everybody."""
_STEPS: Final = np.arange(1, 10) / 10
_STRATA: Final = 10
MOST_DRAWN: Final = 20_000
"""With more customers than this the interval of the check is worked out, not drawn."""


@final
@dataclass(frozen=True)
class Potential:
    """Current value against that of the better ones among those alike.

    Parameters
    ----------
    customers : DataFrame, one row a customer
        segment, current, next_decile (what the peers one decile up are worth), ceiling (90 % quantile of the peers), gap and
        room (to the one and to the other, at least 0), own_peers (whether the segment was large enough to be the peers).
    check : Estimate, optional
        By how much customers in richer company were worth more later than others of equal current value; see `checked`.

    Examples
    --------
    >>> from crmintel.segmentation import potential
    >>> value = pd.Series(range(100), dtype=float)
    >>> gap = potential(value, pd.Series(["tea"] * 50 + ["coffee"] * 50))
    >>> gap.to_frame().columns.tolist()
    ['segment', 'customers', 'current', 'gap', 'room']
    """

    customers: pd.DataFrame
    check: Estimate | None = None

    @property
    def name(self) -> str:
        """ "potential" once the check is passed; "gap to peers" until then."""
        return "potential" if self.check is not None and self.check.low > 0 else "gap to peers"

    def to_frame(self) -> pd.DataFrame:
        """One row a segment: customers, current, gap and room, summed; largest room first."""
        told = self.customers.sort_values([SEGMENT, "current"]).groupby(SEGMENT)
        table = told.agg(
            customers=("current", "size"), current=("current", "sum"), gap=("gap", "sum"), room=("room", "sum")
        )
        return table.sort_values("room", ascending=False).reset_index()

    def checked(self, later: pd.Series, *, draws: int = 500, seed: int = 0) -> "Potential":
        """The same with a check on what customers were worth afterwards.

        In each tenth of the base by current value, customers are parted at the median ceiling of the tenth: some are in richer
        company than others who bring the same. If the gap means anything they are worth more later. What is left of the
        difference in current value within a tenth is taken out by a common slope. The difference is a coefficient of least
        squares: up to 20,000 customers its interval is the bootstrap's; above, it is the normal one with standard errors
        that hold for unequal spread (HC1), which needs no draws. ``check.method`` says which.

        Parameters
        ----------
        later : Series, shape (n_customers,)
            What each customer was worth in the time after, on any index with the same customers.
        draws, seed : int
            Of the bootstrap.

        Raises
        ------
        DataContractError
            If a customer has no later value, two or an infinite one, or nobody of equal value is in other company.
        DataTypeError
            If `later` is no Series of numbers.
        """
        table = self.customers.sort_index()
        after = _amounts(later, "later").reindex(table.index)
        if after.isna().any():
            raise DataContractError(
                f"{int(after.isna().sum()):,} of {len(table):,} customers have no later value. Give 0 for those who left."
            )
        stratum = _tenths(table["current"].to_numpy())
        richer = table["ceiling"].to_numpy()
        richer = richer > pd.Series(richer).groupby(stratum).transform("median").to_numpy()
        current = table["current"].to_numpy(np.float64)
        arrays = after.to_numpy(np.float64), richer, current, stratum
        few = len(table) <= MOST_DRAWN
        return replace(self, check=bootstrap(_more, *arrays, n=draws, seed=seed) if few else robust(*arrays))

    def __repr__(self) -> str:
        told = "not checked on later value"
        if self.check is not None:
            told = f"customers in richer company were worth {self.check:,.2f} more later than others of equal value"
        return f"Potential ({self.name}) of {len(self.customers):,} customers, {told}"

    def _repr_html_(self) -> str:
        return page(repr(self), segments=self.to_frame())


def potential(
    value: pd.Series, segments: pd.Series, *, tenure: pd.Series | None = None, fewest: int = FEWEST
) -> Potential:
    """What customers are worth, and what the better ones among those alike are worth.

    Parameters
    ----------
    value : Series, shape (n_customers,)
        What each customer brings now, such as the money of a year.
    segments : Series, shape (n_customers,)
        Who is alike: behavioural groups, for instance. Not segments made of `value` itself: there all are equal.
    tenure : Series, optional
        How long each has been a customer; peers are then of the same third of tenure, where that leaves enough of the segment.
    fewest : int, default=50
        Peers at least; a smaller segment is compared with everybody.

    Raises
    ------
    DataContractError
        If the series are not of the same customers, once each, values are missing or infinite, there is one customer only, or
        `fewest` is below 1.
    DataTypeError
        If one of them is no Series, or values or tenures are no numbers.

    Notes
    -----
    The idea of grading customers by what those of their kind bring is that of Shin and Sohn, "Segmentation of stock trading
    customers according to potential value", Expert Systems with Applications 27 (2004); quantiles of peers are ours. Until it
    is checked forward it is a gap to peers, not a potential.

    Examples
    --------
    >>> value = pd.Series(range(100), dtype=float)
    >>> potential(value, pd.Series(["tea"] * 50 + ["coffee"] * 50))
    Potential (gap to peers) of 100 customers, not checked on later value
    """
    if fewest < 1:
        raise DataContractError(f"fewest is {fewest}. Peers number at least 1.")
    table = pd.DataFrame({"current": _amounts(value, "value")}).sort_index()
    table[SEGMENT] = series_of(segments, "segments").reindex(table.index)
    if tenure is not None:
        table["tenure"] = _amounts(tenure, "tenure").reindex(table.index)
    if not len(table) or len(segments) != len(table) or table.isna().any().any():
        raise DataContractError(
            f"{len(value):,} values and {len(segments):,} segments (or tenures) do not match, or some are missing. Give one of each a customer."
        )
    if len(table) == 1:
        raise DataContractError("There is 1 customer: nobody is alike. Give at least 2.")
    kind, current = pd.factorize(table[SEGMENT], sort=True)[0], table["current"].to_numpy(np.float64)
    finer = kind if tenure is None else kind * 3 + _cut(table.pop("tenure").to_numpy(np.float64), 3)
    following, ceiling = _better(current)
    for group in (kind, finer):  # the narrower company comes last and counts, where it is large enough
        for one in np.flatnonzero(np.bincount(group) >= fewest):
            here = group == one
            following[here], ceiling[here] = _better(current[here])
    table["next_decile"], table["ceiling"] = following, ceiling
    table["gap"], table["room"] = np.maximum(following - current, 0.0), np.maximum(ceiling - current, 0.0)
    return Potential(table.assign(own_peers=np.bincount(kind)[kind] >= fewest))


def share_of_wallet(
    log: InteractionLog, segments: pd.Series, *, at: Any, window: str = "365d", column: str = CATEGORY
) -> pd.DataFrame:
    """How each customer's money is spread over categories, against the customers of the same segment.

    Only what was bought here is known, so the wallet is the part of it that is spent here. Customers without a segment are
    left out, and so are those who spent nothing in the window; a category with more returned than bought counts as 0.

    Parameters
    ----------
    log : InteractionLog
        With amounts and the column.
    segments : Series
        The segment of each customer; others are left out.
    at : instant
        Now.
    window : str, default="365d"
        How far back.
    column : str, default="category"
        What the wallet is divided by.

    Returns
    -------
    DataFrame
        One row a customer and category that occurs in the segment's purchases: customer, category, segment, money, share,
        segment_share (of the segment's money), short (money by which the customer's share lies below the segment's, at least 0).

    Raises
    ------
    DataContractError
        If the log lacks amounts or the column, a customer has two segments, or none of the customers is in the log.
    DataTypeError
        If the log or the segments are something else.

    Examples
    --------
    >>> from crmintel import InteractionLog
    >>> frame = pd.DataFrame({"customer_id": [1, 1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]), "category": ["tea", "cups", "tea"], "amount": [5.0, 15.0, 20.0]})
    >>> share_of_wallet(InteractionLog.read(frame), pd.Series("all", index=[1, 2]), at="2024-02-01")[["category", "share", "short"]].to_numpy().tolist()
    [['cups', 0.75, 0.0], ['tea', 0.25, 7.5], ['cups', 0.0, 7.5], ['tea', 1.0, 0.0]]
    """
    known = series_of(segments, "segments").index.isin(log_of(log).customers)
    lacking = [c for c in (AMOUNT, column) if c not in log.columns]
    if lacking:
        raise DataContractError(f"The log has no column {', '.join(lacking)}. A wallet needs amounts and categories.")
    if not known.any():
        raise DataContractError(
            f"None of the {len(segments):,} customers with a segment is in the log. Compare the identifiers: text and whole "
            "numbers never match."
        )
    spent = FeatureSet([f.total(AMOUNT, f.where(kind=[PURCHASE, RETURN])).over(window)])
    pairs = spent.build(log, at, by=(CUSTOMER, column)).iloc[:, 0].clip(lower=0.0)
    wide = pairs.rename("money").reset_index(AT, drop=True) if AT in pairs.index.names else pairs.rename("money")
    table = wide.unstack(column, fill_value=0).reindex(segments.index.sort_values())
    table = table.loc[table.sum(axis=1) > 0]
    kind = segments.reindex(table.index)
    whole = table.groupby(kind.to_numpy()).sum()
    usual = whole.div(whole.sum(axis=1), axis=0).reindex(kind).to_numpy()
    money, total = table.to_numpy(), table.sum(axis=1).to_numpy()[:, None]
    share = money / total
    row, place = np.nonzero(usual > 0)
    out = {
        CUSTOMER: table.index[row],
        column: table.columns[place],
        SEGMENT: kind.to_numpy()[row],
        "money": money[row, place],
    }
    short = np.maximum(usual - share, 0.0) * total
    told = {"share": share[row, place], "segment_share": usual[row, place], "short": short[row, place]}
    return pd.DataFrame({**out, **told})


def _better(current: Float) -> tuple[Float, Float]:
    """For each of some peers: the first decile of them that lies above, and their ninth."""
    steps = np.quantile(current, _STEPS, method="inverted_cdf")
    above = np.minimum(np.searchsorted(steps, current, side="right"), len(steps) - 1)
    return steps[above], np.full(len(current), steps[-1])


def _more(after: Float, richer: npt.NDArray[np.bool_], current: Float, stratum: npt.NDArray[np.int64]) -> float:
    """Mean later value of those in richer company less that of the others, within strata and at equal current value."""
    x, y = _left(after, richer, current, stratum)
    return float((x @ y) / (x @ x))


def robust(after: Float, richer: npt.NDArray[np.bool_], current: Float, stratum: npt.NDArray[np.int64]) -> Estimate:
    """The same with a normal interval that holds for unequal spread (HC1: White 1980, with the correction for few rows)."""
    x, y = _left(after, richer, current, stratum)
    value = float((x @ y) / (x @ x))
    n, fitted = len(x), len(np.unique(stratum)) + 2
    error = float(np.sqrt(n / (n - fitted) * ((x * (y - value * x)) ** 2).sum())) / float(x @ x)
    reach = float(norm.ppf(0.975)) * error
    return Estimate(value, value - reach, value + reach, method="normal, robust standard error (HC1)")


def _left(
    after: Float, richer: npt.NDArray[np.bool_], current: Float, stratum: npt.NDArray[np.int64]
) -> tuple[Float, Float]:
    """Company and later value, less what goes with the stratum and with current value."""
    n = np.maximum(np.bincount(stratum), 1)
    y, x, z = (v - (np.bincount(stratum, weights=v) / n)[stratum] for v in (after, richer.astype(np.float64), current))
    if z @ z > 0:
        x, y = x - (x @ z) / (z @ z) * z, y - (y @ z) / (z @ z) * z
    if not x @ x > 1e-9 * len(x):
        raise DataContractError("No two customers of equal value are in different company. Compare several segments.")
    return x, y


def _amounts(thing: Any, what: str) -> pd.Series:
    """One number a customer, none infinite."""
    if not is_number(series_of(thing, what).rename(what)):
        raise DataTypeError(f"{what} holds {thing.dtype}, not numbers. Convert it, such as with pd.to_numeric.")
    return pd.Series(numbers(thing.rename(what)), index=thing.index)


def _tenths(values: Float) -> npt.NDArray[np.int64]:
    """The tenth of the base that each value lies in; equal values share one."""
    return _cut(values, _STRATA)


def _cut(values: Float, parts: int) -> npt.NDArray[np.int64]:
    cuts = np.quantile(values, np.arange(1, parts) / parts, method="inverted_cdf")
    return np.searchsorted(np.unique(cuts), values, side="left").astype(np.int64)
