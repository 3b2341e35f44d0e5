"""When customers will leave: a hazard for each period, learned by two learners, and the curves that it gives."""

from collections.abc import Sequence
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from crmintel.churn.hazard import Hazards, Tails, learn, usual
from crmintel.churn.learners import Recipe
from crmintel.churn.periods import periods
from crmintel.churn.table import Float, Int, Schema, Table, by_content, checked, warn
from crmintel.columns import CUSTOMER
from crmintel.errors import DataContractError
from crmintel.evaluation import checks
from crmintel.evaluation.kaplan_meier import spells

_CHUNK: Final = 200_000
"""Rows of customers and periods that are predicted at a time."""


@final
class TimeToChurn(BaseEstimator):
    """How long customers stay: a curve for each, and from it the chance of leaving by any time.

    Each customer gives one row for each period at risk; what is learned is the chance to leave in a period of who is there when it
    begins (its hazard). Customers who have not left yet just have no further rows. Spline-logistic regression (more or less stiff) and
    small boosted trees are averaged on the log-odds. Which of them, with what weight, and which columns act differently early and late is
    settled on three folds of whole customers, by the integrated Brier score of the curves of customers that the learners had not seen
    (by the log-loss of periods where customers come under observation late).

    Parameters
    ----------
    learners : sequence of recipes, optional
        Instead of these.
    period : float or sequence of float, optional
        The length of a period, or the ends of all, in the unit of `duration`. By default periods of 1 where all durations are
        whole numbers up to 120, and 40 that grow with time otherwise.
    random_state : int
        Seed of the learners, the folds, and the sample of rows.
    threads : int
        How many fits at a time, each on one thread; the result does not depend on it.

    Attributes
    ----------
    periods_ : array, shape (n_periods,)
        Where each period ends.
    rule_ : str
        Which periods and which rows were used: all, or with more than a million a sample in which the rows of customers who left are
        kept and the others have weights.
    weights_ : Series
        The weight of each learner that has one.
    interactions_ : tuple of str
        Columns that act differently early and late.
    longest_ : float
        The longest duration that was seen.

    Notes
    -----
    Columns are what was known when a customer's time began, or at `entry`. Where they change, give a customer several rows, each
    from `entry` to `duration` (both from the customer's start) with `observed` true in the last at most, under one ``customer_id`` in the index.

    Numbers with a long tail are learned from on the scale of logarithms.

    Within a period hazard is constant, so curves are smooth lines between the ends of periods. Beyond the longest duration that was
    seen nothing is known: there the hazard of the last period is carried on, with a warning that counts the customers.

    References
    ----------
    Singer and Willett (1993), Journal of Educational Statistics 18; Tutz and Schmid (2016), Modeling Discrete Time-to-Event Data.
    """

    def __init__(
        self, learners: Sequence[Recipe] | None = None, *, period: float | Sequence[float] | None = None, random_state: int = 0, threads: int = 2,
    ) -> None:  # fmt: skip
        self.learners = learners
        self.period = period
        self.random_state = random_state
        self.threads = threads

    def fit(
        self, X: Any, duration: npt.ArrayLike, observed: npt.ArrayLike, *, entry: npt.ArrayLike | None = None
    ) -> Self:
        """Learn from a table and how long its customers stayed.

        Parameters
        ----------
        X : DataFrame or array, shape (n_rows, n_features)
            Numbers and categories; missing values are allowed.
        duration : array of float, shape (n_rows,)
            From a customer's start to leaving, or to when the customer was last seen; any unit, above 0.
        observed : array of bool, shape (n_rows,)
            Whether leaving was seen.
        entry : array of float, shape (n_rows,), optional
            When the customer came under observation, counted from the start, if later (left truncation).

        Raises
        ------
        DataContractError
            If times are missing, infinite or not above 0, nobody left (the counts are named), or lengths differ.
        """
        frame = checked(X, self)
        span, seen, begin = spells(duration, observed, entry)
        if len(frame) != len(span):
            raise DataContractError(
                f"X has {len(frame):,} rows and duration {len(span):,}. Pass the same customers in the same order."
            )
        begin = np.zeros(len(span)) if begin is None else begin
        who = _customers(X)
        self.schema_ = Schema.learn(frame)
        order = by_content(frame, self.schema_, span, seen.astype(np.float64), begin, who)
        self._cut = periods(span, self.period)
        table = self.schema_.read(frame, order)
        self._tails = Tails.learn(table.numbers)
        self._hazards: Hazards = learn(
            self._tails(table), begin[order], span[order], seen[order], who[order], self._cut,
            usual(table, int(seen.sum())) if self.learners is None else tuple(self.learners), seed=self.random_state, threads=self.threads,
        )  # fmt: skip
        self.periods_, self.longest_ = self._cut.ends, float(span.max())
        self.rule_ = f"{self._cut.rule}; {self._hazards.rule}"
        self.weights_ = pd.Series(self._hazards.weights.weights, index=list(self._hazards.learners), name="weight")
        self.interactions_ = self._hazards.interactions
        return self

    def hazard(self, X: Any) -> pd.DataFrame:
        """The chance of leaving in each period of who is there when it begins; one row a customer, columns the ends of periods."""
        frame, table = self._read(X)
        parts = [self._hazard(table, rows) for rows in self._chunks(len(table))]
        return pd.DataFrame(np.vstack(parts), index=frame.index, columns=pd.Index(self.periods_, name="time"))

    def survival(
        self, X: Any, *, times: npt.ArrayLike | None = None, elapsed: npt.ArrayLike | None = None
    ) -> pd.DataFrame:
        """The chance of being there after each time; one row a customer, columns the times.

        Parameters
        ----------
        times : array, shape (n_times,), optional
            By default 0 and the ends of periods.
        elapsed : float or array, shape (n_customers,), optional
            How long each customer has already been there; `times` then count from now, for customers who are there now.
        """
        frame, table = self._read(X)
        at = np.concatenate([[0.0], self.periods_]) if times is None else _times(times)
        since = self._since(elapsed, len(frame), float(at.max(initial=0.0)))
        out = np.empty((len(frame), len(at)))
        for rows in self._chunks(len(table)):
            curve = self._log_survival(table, rows)
            begin = self._at(curve, since[rows, None])
            out[rows] = np.exp(self._at(curve, since[rows, None] + at) - begin)
        return pd.DataFrame(out, index=frame.index, columns=pd.Index(at, name="time"))

    def churn_probability(self, X: Any, horizon: float, *, elapsed: npt.ArrayLike | None = None) -> pd.Series:
        """The chance of leaving within a horizon from now, for customers who are there now.

        Parameters
        ----------
        horizon : float
            In the unit of `duration`, above 0.
        elapsed : float or array, shape (n_customers,), optional
            How long each customer has already been there; 0 by default.
        """
        told = self.survival(X, times=[_horizon(horizon)], elapsed=elapsed)
        return (1 - told.iloc[:, 0]).rename("churn_probability")

    def expected_remaining(self, X: Any, horizon: float, *, elapsed: npt.ArrayLike | None = None) -> pd.Series:
        """The expected time from now to leaving, or to the horizon for who stays longer (restricted mean).

        Parameters are those of `churn_probability`; the answer lies between 0 and `horizon`.
        """
        frame, table = self._read(X)
        since = self._since(elapsed, len(frame), _horizon(horizon))
        out = np.empty(len(frame))
        for rows in self._chunks(len(table)):
            curve, begin = self._log_survival(table, rows), since[rows, None]
            edges = np.clip(np.concatenate([[0.0], self.periods_, [np.inf]]), begin, begin + horizon)
            log_s = self._at(curve, edges) - self._at(curve, begin)
            out[rows] = (np.diff(edges, axis=1) * _mean_between(log_s)).sum(axis=1)
        return pd.Series(out, index=frame.index, name="expected_remaining")

    def median_remaining(self, X: Any, *, elapsed: npt.ArrayLike | None = None) -> pd.Series:
        """The time from now at which the chance of being there falls to one half; infinite where it does not by the last period."""
        frame, table = self._read(X)
        since = self._since(elapsed, len(frame), 0.0)
        out = np.full(len(frame), np.inf)
        ends = np.concatenate([[0.0], self.periods_])
        for rows in self._chunks(len(table)):
            curve, begin = self._log_survival(table, rows), since[rows]
            goal = self._at(curve, begin[:, None])[:, 0] + np.log(0.5)
            k = np.clip((curve > goal[:, None]).sum(axis=1), 1, len(ends) - 1)
            here = np.arange(len(curve))
            before, after = curve[here, k - 1], curve[here, k]
            crossed = ends[k - 1] + (ends[k] - ends[k - 1]) * (before - goal) / np.where(
                before > after, before - after, 1.0
            )
            out[rows] = np.where(curve[:, -1] <= goal, crossed - begin, np.inf)
        return pd.Series(out, index=frame.index, name="median_remaining")

    def _read(self, X: Any) -> tuple[pd.DataFrame, Table]:
        check_is_fitted(self)
        frame = checked(X, self, reset=False)
        return frame, self._tails(self.schema_.read(frame))

    def _chunks(self, n: int) -> list[slice]:
        step = max(1, _CHUNK // len(self.periods_))
        return [slice(i, i + step) for i in range(0, n, step)] or [slice(0, 0)]

    def _hazard(self, table: Table, rows: slice) -> Float:
        return self._hazards.of(table.take(rows), self._cut)

    def _log_survival(self, table: Table, rows: slice) -> Float:
        """The logarithm of the curve at 0 and at the ends of periods, shape (n_rows, n_periods + 1)."""
        falls = np.cumsum(np.log1p(-self._hazard(table, rows)), axis=1)
        return np.concatenate([np.zeros((len(falls), 1)), falls], axis=1)

    def _at(self, curve: Float, t: Float) -> Float:
        """The logarithm of the curve at times, shape (n_rows, n_times): straight within a period, carried on after the last."""
        ends = np.concatenate([[0.0], self.periods_])
        t = np.broadcast_to(t, (len(curve), t.shape[1]))
        k = self._cut.of(t)
        part = (t - ends[k]) / (ends[k + 1] - ends[k])
        before, after = (np.take_along_axis(curve, place, axis=1) for place in (k, k + 1))
        return np.asarray(before + part * (after - before))

    def _since(self, elapsed: npt.ArrayLike | None, n: int, ahead: float) -> Float:
        """How long each customer has been there; who is asked for beyond the longest duration is counted."""
        if elapsed is None or np.ndim(elapsed) == 0:
            since = np.full(n, 0.0 if elapsed is None else float(np.asarray(elapsed, np.float64)))
        else:
            since = checks.amounts(elapsed, "elapsed") if n else np.zeros(0)
        if len(since) != n:
            raise DataContractError(f"elapsed has {len(since):,} rows and X {n:,}. Pass one time a customer.")
        if k := int((~(since >= 0)).sum()):
            raise DataContractError(
                f"elapsed is below 0 or missing for {k:,} of {n:,} customers. Count from the start."
            )
        if k := int((since + ahead > self.longest_ * (1 + 1e-12)).sum()):
            warn(
                f"{k:,} of {n:,} customers are asked for beyond {self.longest_:g}, the longest duration that was seen: "
                "the hazard of the last period is carried on there."
            )
        return since


def _mean_between(log_s: Float) -> Float:
    """The mean of exponentials of straight lines between neighbours, shape (n_rows, n − 1)."""
    a, b = log_s[:, :-1], log_s[:, 1:]
    fall = a - b
    small = fall < 1e-8
    return np.where(small, np.exp(a), np.exp(a) * -np.expm1(-fall) / np.where(small, 1.0, fall))


def _times(times: npt.ArrayLike) -> Float:
    at = np.asarray(times, np.float64)
    if at.ndim != 1 or not len(at) or not ((at >= 0) & np.isfinite(at)).all():
        raise DataContractError(
            f"times has shape {at.shape}, or holds one below 0 or missing. Pass times of 0 or more."
        )
    return at


def _horizon(horizon: float) -> float:
    if not 0 < horizon < np.inf:
        raise DataContractError(f"horizon is {horizon:g}. Pass a time above 0, in the unit of duration.")
    return float(horizon)


def _customers(X: Any) -> Int:
    """A number for each customer; each row is one where the index does not say."""
    if isinstance(X, pd.DataFrame) and CUSTOMER in X.index.names:
        return np.asarray(pd.factorize(X.index.get_level_values(CUSTOMER), sort=True)[0], np.int64)
    return np.full(len(X), -1, np.int64)
