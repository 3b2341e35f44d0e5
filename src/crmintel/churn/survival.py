"""When customers will leave: a hazard for each period, learned by two learners, and the curves that it gives."""

from collections.abc import Sequence
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from crmintel.churn.exposure import customers_of, enough, guard_time, overlapping, whole
from crmintel.churn.hazard import Hazards, Tails, learn, usual
from crmintel.churn.periods import Periods, periods
from crmintel.churn.recipes import Recipe
from crmintel.churn.table import Float, Schema, Table, by_content, checked, warn
from crmintel.errors import DataContractError, DataTypeError
from crmintel.evaluation import checks, tables
from crmintel.evaluation.aligned import aligned, together
from crmintel.evaluation.kaplan_meier import spells
from crmintel.evaluation.leakage import guard
from crmintel.evaluation.times import length, unitless

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
    allow : sequence of str
        Columns that the leak guard must let pass; ``"*"`` for all.
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

    Examples
    --------
    >>> from crmintel.churn import SplineLogistic
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"calls": rng.poisson(2, 300).astype(float)})
    >>> months = np.minimum(np.ceil(rng.exponential(20 / (1 + X["calls"]))), 12)
    >>> model = TimeToChurn([SplineLogistic()]).fit(X, duration=months, observed=months < 12)
    >>> few, many = model.churn_probability(pd.DataFrame({"calls": [0.0, 6.0]}), 6)
    >>> bool(few < many)
    True
    """

    def __init__(
        self, learners: Sequence[Recipe] | None = None, *, period: float | Sequence[float] | None = None, allow: Sequence[str] = (),
        random_state: int = 0, threads: int = 2,
    ) -> None:  # fmt: skip
        self.learners = learners
        self.period = period
        self.allow = allow
        self.random_state = random_state
        self.threads = threads

    def fit(
        self, X: Any, duration: npt.ArrayLike, observed: npt.ArrayLike, *, entry: npt.ArrayLike | None = None
    ) -> Self:
        """Learn from a table and how long its customers stayed.

        Parameters
        ----------
        X : DataFrame or array, shape (n_rows, n_features)
            Numbers and categories; missing values are allowed. Arrays have no names, so the leak guard does not look at them.
        duration : array of float, shape (n_rows,)
            From a customer's start to leaving, or to when the customer was last seen; any unit, above 0. Series find their rows by
            their index.
        observed : array of bool, shape (n_rows,)
            Whether leaving was seen.
        entry : array of float, shape (n_rows,), optional
            When the customer came under observation, counted from the start, if later (left truncation).

        Raises
        ------
        DataContractError
            If times are missing, infinite or not above 0, nobody left (the counts are named), lengths or rows differ, or there are
            fewer than 6 customers.
        DataTypeError
            If times carry a unit of their own (timedelta).
        LeakageError
            If a column seems to know the future, or follows the duration (rank correlation ≥ 0.98 by itself or divided by another
            number; at least 50 rows).

        Warns
        -----
        DataContractWarning
            If rows of one customer overlap in time.
        """
        threads = whole(self.threads, "threads")
        frame = checked(X, self)
        span, seen, begin = _spells(frame, duration, observed, entry)
        who = customers_of(frame.index)
        enough(who)
        overlapping(frame.index, who, begin, span)
        named = not isinstance(X, np.ndarray | list)
        if named:
            guard(frame, seen, allow=self.allow)
        schema = Schema.learn(frame)
        order = by_content(frame, schema, span, seen.astype(np.float64), begin, who)
        table = schema.read(frame, order)
        if named:
            guard_time(table, span[order], begin[order], allow=self.allow)
        cut, tails = periods(span, self.period), Tails.learn(table.numbers)
        hazards = learn(
            tails(table), begin[order], span[order], seen[order], who[order], cut,
            usual(table, int(seen.sum())) if self.learners is None else tuple(self.learners), seed=self.random_state, threads=threads,
        )  # fmt: skip
        self._remember(schema, cut, tails, hazards, float(span.max()))
        return self

    def _remember(self, schema: Schema, cut: Periods, tails: Tails, hazards: Hazards, longest: float) -> None:
        """Everything that was learned, at once: a fit that fails leaves none of it half done."""
        self.schema_, self._cut, self._tails, self._hazards = schema, cut, tails, hazards
        self.periods_, self.longest_ = cut.ends, longest
        self.rule_ = f"{cut.rule}; {hazards.rule}"
        self.weights_ = pd.Series(hazards.weights.weights, index=list(hazards.learners), name="weight")
        self.interactions_ = hazards.interactions

    def _html_repr(self) -> str:
        """What was learned, in a few lines; before that, as scikit-learn shows it."""
        if not hasattr(self, "periods_"):
            return str(BaseEstimator._html_repr(self))
        told = {
            "periods": f"{len(self.periods_):,}, up to {self.periods_[-1]:g}",
            "rule": self.rule_,
            "act differently early and late": ", ".join(self.interactions_) or "none",
            "longest duration seen": f"{self.longest_:g}",
        }
        weights = self.weights_.rename_axis("learner").reset_index()
        with pd.option_context("display.max_colwidth", None):
            return tables.page(
                "TimeToChurn", learned=pd.DataFrame(told.items(), columns=["what", "value"]), weights=weights
            )

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
        since = self._since(elapsed, frame.index, float(at.max(initial=0.0)))
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
        horizon = _horizon(horizon)
        since = self._since(elapsed, frame.index, horizon)
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
        since = self._since(elapsed, frame.index, 0.0)
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

    def _since(self, elapsed: npt.ArrayLike | None, index: pd.Index, ahead: float) -> Float:
        """How long each customer has been there; who is asked for beyond the longest duration is counted."""
        n = len(index)
        if elapsed is None or np.ndim(elapsed) == 0:
            since = np.full(n, 0.0 if elapsed is None else length(elapsed, "elapsed"))
        else:
            found = aligned(unitless(elapsed, "elapsed"), index, "elapsed")
            since = checks.amounts(found, "elapsed") if len(found) else np.zeros(0)
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


def _spells(
    frame: pd.DataFrame, duration: Any, observed: Any, entry: Any
) -> tuple[Float, npt.NDArray[np.bool_], Float]:
    """Times in the order of the rows, whether the end was seen, and entries, checked."""
    told = together(duration=duration, observed=observed, entry=entry)
    span, seen, begin = spells(**{name: aligned(v, frame.index, name) for name, v in told.items()})
    if len(frame) != len(span):
        raise DataContractError(
            f"X has {len(frame):,} rows and duration {len(span):,}. Pass the same customers in the same order."
        )
    return span, seen, np.zeros(len(span)) if begin is None else begin


def _times(times: npt.ArrayLike) -> Float:
    told = unitless(times, "times")
    try:
        at = np.asarray(told, np.float64)
    except (TypeError, ValueError) as error:
        raise DataTypeError("times are no numbers. Pass numbers in the unit of duration.") from error
    if at.ndim != 1 or not len(at) or not ((at >= 0) & np.isfinite(at)).all():
        raise DataContractError(
            f"times has shape {at.shape}, or holds one below 0 or missing. Pass times of 0 or more."
        )
    return at


def _horizon(horizon: Any) -> float:
    told = length(horizon, "horizon")
    if not 0 < told < np.inf:
        raise DataContractError(f"horizon is {told:g}. Pass a time above 0, in the unit of duration.")
    return told
