"""Expected against actual purchases, week by week, before and after the instant up to which a model had learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.errors import DataContractError, LeakageError
from crmintel.evaluation import tables
from crmintel.interactions import InteractionLog
from crmintel.interactions.clock import DAY, Int
from crmintel.value.options import whole_days
from crmintel.value.purchases import AGE, FREQUENCY, T_X, Float, PurchaseDays

CALIBRATION: Final = "calibration"
HOLDOUT: Final = "holdout"
_WEEK: Final = 7


class CountModel(Protocol):
    """A fitted model of how often customers buy."""

    def expected_purchases(self, history: pd.DataFrame, horizon: Sequence[str], /) -> Any:
        """Purchase days of each row of a history within each horizon from its end; shape (n_rows, n_horizons)."""
        ...


_SHOWN: Final = 26
"""Weeks in the HTML table."""


@final
@dataclass(frozen=True, repr=False)
class TrackingCurves:
    """How well a model tells the purchases of a whole base over time.

    Parameters
    ----------
    weeks : DataFrame
        One row a week: ends (its last day), part ("calibration" or "holdout"), expected and actual (repeat purchase days
        of all customers), conditional (expected with what was known at the instant; missing in the calibration part), and
        the three added up: cumulative_expected, cumulative_actual, cumulative_conditional (the actual ones until the
        instant, then the conditional ones). The first and the last week may be shorter than seven days.
    at : Timestamp
        Where the holdout begins.
    customers : int
        Everybody who bought before it.

    Examples
    --------
    >>> from crmintel.value import BetaGeoModel, purchase_history, tracking_curves
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> model = BetaGeoModel().fit(purchase_history(log, "2023-10-01"))
    >>> tracking_curves(model, log, "2023-10-01", "90d")
    TrackingCurves: 162 customers, expected against actual purchases: -6.8% until 2023-10-01, -31.4% after it (-31.5% knowing each customer's past)
    """

    weeks: pd.DataFrame
    at: pd.Timestamp
    customers: int

    @property
    def totals(self) -> pd.DataFrame:
        """One row a part: expected, conditional, actual, and the errors of the first two in parts of the actual number."""
        rows = {}
        for name in (CALIBRATION, HOLDOUT, "whole"):
            part = self.weeks if name == "whole" else self.weeks[self.weeks["part"] == name]
            told = {c: float(part[c].sum()) for c in ("expected", "conditional", "actual")}
            told["conditional"] = told["conditional"] if name == HOLDOUT else np.nan
            off = [told[c] / told["actual"] - 1 if told["actual"] else np.nan for c in ("expected", "conditional")]
            rows[name] = told | {"error": off[0], "conditional_error": off[1]}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("part").reset_index()

    def to_frame(self) -> pd.DataFrame:
        """One row a week."""
        return self.weeks.copy(deep=False)

    def __repr__(self) -> str:
        told = self.totals[["error", "conditional_error"]].to_numpy(np.float64)
        fit, free, known = ("–" if np.isnan(e) else f"{e:+.1%}" for e in (told[0, 0], told[1, 0], told[1, 1]))
        return (
            f"TrackingCurves: {self.customers:,} customers, expected against actual purchases: "
            f"{fit} until {self.at:%Y-%m-%d}, {free} after it ({known} knowing each customer's past)"
        )

    def _repr_html_(self) -> str:
        weeks = self.weeks.assign(ends=self.weeks["ends"].dt.strftime("%Y-%m-%d"))
        told = (
            {"weeks": weeks} if len(weeks) <= _SHOWN else {f"last {_SHOWN} of {len(weeks)} weeks": weeks.tail(_SHOWN)}
        )
        return tables.page(repr(self), totals=self.totals, **told)


def tracking_curves(model: CountModel, log: InteractionLog, at: Any, horizon: str) -> TrackingCurves:
    """Repeat purchases that a model expects of everybody who bought before an instant, beside those that came.

    Two expectations are told. *Expected* knows of each customer only the day of the first purchase, before the instant and
    after it: what Fader and Hardie call tracking. *Conditional* is the sum of the forecasts made at the instant.

    Parameters
    ----------
    model : fitted model of counts
        With ``expected_purchases(history, horizons)``, learned from ``purchase_history(log, at)``.
    log : InteractionLog
    at : instant
        Everybody who bought before it is followed. Weeks are counted from it, backwards and forwards.
    horizon : str
        How long the holdout lasts, in whole days such as ``"91d"``; its last day counts as seen if the log has come to it.

    Raises
    ------
    LeakageError
        If the log ends before the holdout does.
    DataContractError
        If nobody bought before the instant, the horizon is not of whole days, or the model answers in another shape.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers the Easy Way", Marketing Science 24, figures 2 and 3.

    Examples
    --------
    >>> class Steady:
    ...     def expected_purchases(self, history, horizon):
    ...         return np.array([[int(h[:-1]) / 7 for h in horizon]] * len(history))
    >>> days = ["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-20", "2024-01-29"]
    >>> frame = pd.DataFrame({"customer_id": [1, 1, 1, 1, 2], "timestamp": pd.to_datetime(days)})
    >>> log = InteractionLog.read(frame)
    >>> tracking_curves(Steady(), log, "2024-01-16", "14d").weeks[["part", "expected", "actual"]]
              part  expected  actual
    0  calibration       1.0     1.0
    1  calibration       1.0     1.0
    2      holdout       1.0     1.0
    3      holdout       1.0     0.0
    """
    length = whole_days(horizon)
    past = PurchaseDays.of(log, at).purchases()
    close = past.end + length
    if (seen := int(log.zone.to_local(np.array([log.bounds[1]]))[0] // DAY)) < close:
        raise LeakageError(
            f"The log ends {_stamp(seen):%Y-%m-%d}, before the holdout ends on {_stamp(close):%Y-%m-%d}: purchases would seem "
            f"to stop.\nUse at <= {_stamp(seen - length + 1):%Y-%m-%d}, or a shorter horizon."
        )
    born = past.day[past.starts[:-1]]
    edges = _edges(int(born.min()), past.end, close)
    expected = _unconditional(model, born, edges)
    actual = _actual(log, past.customers, born, edges)
    ahead = edges[edges > past.end]
    known = _conditional(model, past.history(), ahead - past.end)
    split = len(edges) - 1 - len(ahead)
    conditional = np.r_[np.full(split, np.nan), known]
    since = float(actual[:split].sum()) + np.cumsum(known)
    weeks = pd.DataFrame(
        {
            "ends": _stamp(edges[1:]),
            "part": [CALIBRATION] * split + [HOLDOUT] * len(ahead),
            "expected": expected,
            "conditional": conditional,
            "actual": actual,
            "cumulative_expected": np.cumsum(expected),
            "cumulative_conditional": np.r_[np.full(split, np.nan), since],
            "cumulative_actual": np.cumsum(actual),
        }
    )
    return TrackingCurves(weeks, _stamp(past.end + 1), len(past.customers))


def _edges(first: int, end: int, close: int) -> Int:
    """The last days of weeks, counted from the instant; the first of them is the day of the first purchase at the latest."""
    before = np.arange(end, first - _WEEK, -_WEEK)[::-1]
    edges: Int = np.r_[np.maximum(before, first - 1), np.arange(end + _WEEK, close, _WEEK), close]
    return edges


def _unconditional(model: CountModel, born: Int, edges: Int) -> Float:
    """Expected repeat purchases in each week, of customers of whom only the first day is known."""
    fresh = pd.DataFrame({FREQUENCY: [0], T_X: [0], AGE: [0]})
    ages = np.arange(1, int(edges[-1] - born.min()) + 1)
    curve = np.r_[0.0, _told(model, fresh, ages)[0]] if len(ages) else np.zeros(1)
    days, counts = np.unique(born, return_counts=True)
    reached = np.array([counts @ curve[np.maximum(e - days, 0)] for e in edges])
    return np.asarray(np.diff(reached))


def _conditional(model: CountModel, history: pd.DataFrame, horizons: Int) -> Float:
    """Expected purchases in each week after the instant, customers of equal history told once."""
    alike = history.groupby([FREQUENCY, T_X, AGE], sort=True).size()
    rows = alike.index.to_frame(index=False)
    reached = alike.to_numpy(np.float64) @ _told(model, rows, horizons)
    return np.diff(reached, prepend=0.0)


def _told(model: CountModel, history: pd.DataFrame, days: Int) -> Float:
    told = np.asarray(model.expected_purchases(history, [f"{d}d" for d in days]), np.float64)
    if told.shape != (len(history), len(days)):
        raise DataContractError(
            f"The model answered with shape {told.shape} for {len(history):,} rows and {len(days):,} horizons. "
            "It must give one row a customer and one column a horizon."
        )
    return told


def _actual(log: InteractionLog, customers: pd.Index, born: Int, edges: Int) -> npt.NDArray[np.float64]:
    """Purchase days of these customers after their first, in each week."""
    close = int(log.zone.to_utc(np.array([(edges[-1] + 1) * DAY]))[0])
    days = PurchaseDays.of(log, pd.Timestamp(close, unit="us", tz="UTC"))
    owner = customers.get_indexer(days.customers)[days.owner]
    again = days.bought & (owner >= 0)
    again &= days.day > born[owner]
    week = np.searchsorted(edges, days.day[again], side="left") - 1
    return np.bincount(week, minlength=len(edges) - 1).astype(np.float64)


def _stamp(day: Any) -> Any:
    """A local day as a time stamp, or many."""
    return pd.to_datetime(day, unit="D").as_unit("us")
