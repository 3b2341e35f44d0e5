"""Customers buy until, unseen, they leave: what the three models of it share."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from crmintel.errors import DataContractError, DataContractWarning
from crmintel.evaluation import tables
from crmintel.interactions.clock import DAY, Int, duration
from crmintel.value import concerns
from crmintel.value.histories import Histories
from crmintel.value.layout import Kind, Layout, Prior
from crmintel.value.maximise import inverted, maximise
from crmintel.value.packing import Float, Rows, distinct
from crmintel.value.point import Likelihood, Point

_CELLS: Final = 1 << 16
_FEWEST: Final = 256
_Z: Final = 1.959963984540054
_AGES: Final = 129


class BuyTillYouDie(BaseEstimator, ABC):
    """The promise of every model here: learn from purchase histories, tell what each customer will buy.

    Parameters
    ----------
    purchase_covariates : sequence of str
        Numeric columns of the history table that move the pace: alpha of a customer is ``alpha * exp(-sum(c * z))``, so a
        positive coefficient c means buying faster.
    dropout_covariates : sequence of str
        Numeric columns that move leaving; a positive coefficient means leaving sooner.
    prior : mapping, optional
        What is believed beforehand, by name: of a parameter its median and the standard deviation of its logarithm (a log-normal
        prior), of a coefficient (``"purchase:column"``, ``"dropout:column"``) its mean and standard deviation. Then what is found is
        the peak of the posterior. By default maximum likelihood.
    unit_days : float
        The unit of time in which parameters are told; by default weeks. Predictions do not depend on it.

    Attributes
    ----------
    parameters_, coefficients_ : dict of str to float
        Parameters on their own scale, and coefficients of covariates.
    covariance_ : DataFrame
        Of the logarithms of the parameters, and of the coefficients; very large where the data do not tell.
    log_likelihood_ : float
        Of all customers together, in the unit of time, without the prior.
    n_customers_, n_without_repeat_ : int
        How many customers were learned from, and how many of them never bought again.
    concerns_ : tuple of str
        What to know before the model is believed. Each is also part of the warning that `fit` gives.

    Examples
    --------
    >>> from crmintel.value import BetaGeoModel, purchase_history
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> history = purchase_history(log, log.end)
    >>> model = BetaGeoModel().fit(history)  # or ParetoModel(), ModifiedBetaGeoModel()
    >>> bool((model.expected_purchases(history, "90d") >= 0).all())
    True
    """

    _kind: ClassVar[Kind]

    def __init__(
        self, *, purchase_covariates: Sequence[str] = (), dropout_covariates: Sequence[str] = (),
        prior: Mapping[str, tuple[float, float]] | None = None, unit_days: float = 7.0,
    ) -> None:  # fmt: skip
        self.purchase_covariates = purchase_covariates
        self.dropout_covariates = dropout_covariates
        self.prior = prior
        self.unit_days = unit_days

    @abstractmethod
    def _likelihood(self, rows: Rows, point: Point) -> Likelihood:
        """Of all rows; the point has one number a group."""

    @abstractmethod
    def _alive(self, x: Float, t: Float, age: Float, point: Point) -> Float:
        """The chance of each customer to be there still."""

    @abstractmethod
    def _if_there(self, x: Float, age: Float, horizons: Float, point: Point) -> Float:
        """Expected purchases in each horizon of who is there now, shape (n_horizons, n_customers)."""

    @abstractmethod
    def _counts(self, x: Float, age: Float, days: float, most: int, point: Point) -> Float:
        """The chance of 0, 1, … `most` purchases of who is there now, shape (most + 1, n_customers)."""

    @abstractmethod
    def _leaving(self, point: Point, age: float, covariance: Float) -> tuple[float, float]:
        """A chance to leave by an age that is next to nothing if nobody is seen to, and the standard error of its logarithm."""

    def fit(self, history: pd.DataFrame) -> Self:
        """Learn the parameters from how often, until when and for how long customers have bought.

        Parameters
        ----------
        history : DataFrame, one row a customer
            ``frequency``, ``t_x_days`` and ``T_days`` as `purchase_history` gives them, and the covariates. Days may be fractions;
            whole days are faster. The order of rows does not change a bit of the result.

        Raises
        ------
        DataContractError
            If columns are missing, numbers are missing, infinite or below 0, a frequency is no whole number, `t_x_days` lies above
            `T_days` or does not go with the frequency, or nobody ever bought again.

        Warns
        -----
        DataContractWarning
            If there is something to know before the model is believed; see `concerns_`.
        """
        layout = self._layout()
        prior, rows = Prior.of(self.prior, layout), Histories.read(history, layout.covariates).pack()
        if not rows.x.any():
            raise DataContractError(
                f"None of {int(rows.n):,} customers ever bought again: no pace can be learned. Choose a later instant."
            )

        def objective(theta: Float, some: Rows) -> tuple[float, Float]:
            told = self._likelihood(some, layout.point(theta, some.covariates))
            against, slopes = prior.loss(theta)
            return (against - told.value) / some.n, (slopes - layout.slopes(told, some.covariates)) / some.n

        found = maximise(objective, rows, layout.starts(rows), len(self._kind.names))
        self._remember(found.theta, inverted(found.hessian) / rows.n, rows)
        return self

    def probability_alive(self, history: pd.DataFrame) -> pd.Series:
        """The chance that each customer has not left for good. Rank by expected purchases, never by it.

        Parameters
        ----------
        history : DataFrame, one row a customer
            As in `fit`; any customers.
        """
        read = self._read(history)
        return pd.Series(self._still(read), index=history.index, name="probability_alive")

    def expected_purchases(self, history: pd.DataFrame, horizon: Any) -> pd.Series | pd.DataFrame:
        """How many days with a purchase each customer will have in the coming horizon.

        Parameters
        ----------
        history : DataFrame, one row a customer
            As in `fit`; any customers.
        horizon : duration such as "39w" or "273d", or a list of them
            A list gives a DataFrame with one column a horizon.
        """
        read = self._read(history)
        several = isinstance(horizon, (list, tuple, pd.Index, np.ndarray))
        asked = list(horizon) if several else [horizon]
        days = np.array([duration(h) / DAY for h in asked])
        alive = self._still(read)
        first, code = distinct([read.x, read.age, *read.covariates.T])
        table = np.empty((len(days), len(first)))
        for b, x, age, point in self._blocks(read, first, len(days)):
            table[:, b] = self._if_there(x, age, days, point)
        out = np.empty((len(days), len(alive)))
        for row, filled in zip(table, out, strict=True):
            np.take(row, code, out=filled, mode="clip")
            filled *= alive
        if not several:
            return pd.Series(out[0], index=history.index, name="expected_purchases")
        return pd.DataFrame(out.T, index=history.index, columns=pd.Index(asked, name="horizon"), copy=False)

    def probability_of_purchases(self, history: pd.DataFrame, horizon: Any, most: int = 10) -> pd.DataFrame:
        """The chance of each number of days with a purchase in the coming horizon.

        Parameters
        ----------
        history : DataFrame, one row a customer
            As in `fit`; any customers.
        horizon : duration such as "39w" or "273d"
        most : int
            The greatest number that has a column of its own.

        Returns
        -------
        DataFrame
            Columns 0, 1, … `most` and ``"more"``; rows sum to 1.
        """
        if not isinstance(most, int) or most < 0:
            raise DataContractError(f"most is {most!r}. Give a whole number of 0 or more.")
        read, days = self._read(history), duration(horizon) / DAY
        alive = self._still(read)
        first, code = distinct([read.x, read.age, *read.covariates.T])
        table = np.empty((most + 1, len(first)))
        for b, x, age, point in self._blocks(read, first, most + 1):
            table[:, b] = self._counts(x, age, days, most, point)
        out = np.empty((most + 2, len(alive)))
        for row, filled in zip(table, out, strict=False):
            filled[:] = row[code] * alive
        out[0] += 1 - alive
        out[-1] = np.maximum(1 - sum(out[:-1]), 0.0)
        return pd.DataFrame(out.T, index=history.index, columns=[*range(most + 1), "more"])

    def summary(self) -> pd.DataFrame:
        """Each parameter and coefficient: parameter, estimate, standard_error, low and high (95 %; formed on logarithms)."""
        check_is_fitted(self, "parameters_")
        spread = np.sqrt(np.diag(self.covariance_.to_numpy()))
        n, center = len(self._kind.names), self._theta - self._layout().shift
        rows = np.array([center, spread, center - _Z * spread, center + _Z * spread])
        with np.errstate(over="ignore"):
            rows[[0, 2, 3], :n] = np.exp(rows[[0, 2, 3], :n])
        rows[1, :n] *= rows[0, :n]
        columns = ["estimate", "standard_error", "low", "high"]
        return pd.DataFrame(rows.T, columns=columns).assign(parameter=list(self.covariance_.index))[
            ["parameter", *columns]
        ]

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        if not hasattr(self, "parameters_"):
            return str(super().__repr__(N_CHAR_MAX))
        told = self.summary().to_string(index=False, float_format="{:,.4g}".format)
        return "\n".join([f"{type(self).__name__}, {self._told()}", told, *(f"! {c}" for c in self.concerns_)])

    def _html_repr(self) -> str:
        """What was learned; before that, as scikit-learn shows it."""
        if not hasattr(self, "parameters_"):
            return str(BaseEstimator._html_repr(self))
        shown = {"parameters": self.summary()}
        if self.concerns_:
            shown["concerns"] = pd.DataFrame({"concern": self.concerns_})
        with pd.option_context("display.max_colwidth", None):
            return tables.page(f"{type(self).__name__}, {self._told()}", **shown)

    def _told(self) -> str:
        share = self.n_without_repeat_ / self.n_customers_
        return (
            f"{self.n_customers_:,} customers, log-likelihood {self.log_likelihood_:,.2f}, unit of time {self.unit_days:g} days. "
            f"{self.n_without_repeat_:,} ({share:.0%}) never bought again: {self._kind.word}"
        )

    def _remember(self, theta: Float, covariance: Float, rows: Rows) -> None:
        """Everything that was learned, at once."""
        layout, n = self._layout(), len(self._kind.names)
        told = theta - layout.shift
        self._theta = theta
        self.parameters_ = dict(zip(layout.names[:n], map(float, np.exp(told[:n])), strict=True))
        self.coefficients_ = dict(zip(layout.coefficients, map(float, told[n:]), strict=True))
        self.covariance_ = pd.DataFrame(covariance, index=layout.names, columns=layout.names)
        self.n_customers_ = int(rows.n)
        self.n_without_repeat_ = int(rows.weight[rows.x == 0].sum())
        value = self._likelihood(rows, layout.point(theta, rows.covariates)).value
        self.log_likelihood_ = value + float((rows.weight * rows.x).sum()) * layout.log_unit
        self.concerns_ = self._worries(rows)
        if self.concerns_:
            warnings.warn(" ".join(self.concerns_), DataContractWarning, stacklevel=3)

    def _worries(self, rows: Rows) -> tuple[str, ...]:
        layout = self._layout()
        logs = dict(zip(self._kind.names, self._theta, strict=False))
        typical = layout.point(self._theta, (rows.weight @ rows.covariates[rows.group])[None, :] / rows.n)
        leaving = self._leaving(typical, float(rows.age @ rows.weight) / rows.n, self.covariance_.to_numpy())
        return (
            *concerns.unseen_leaving(*leaving),
            *concerns.at_the_edge(logs),
            *(self._cohorts(rows) if len(rows.covariates) <= concerns.MOST_GROUPS else ()),
        )

    def _cohorts(self, rows: Rows) -> Iterator[str]:
        point, zero = self._layout().point(self._theta, rows.covariates), np.zeros(len(rows.covariates))
        grid = np.linspace(0, max(float(rows.age.max()), 1.0), _AGES)
        new = self._if_there(zero, zero, grid, point) * self._alive(zero, zero, zero, point)
        return concerns.cohorts(rows, grid, new)

    def _still(self, read: Histories) -> Float:
        """P(alive) of each row; equal rows are worked out once."""
        first, code = distinct([read.x, read.age, read.t, *read.covariates.T])
        t, out = read.t[first].astype(np.float64), np.empty(len(first))
        for b, x, age, point in self._blocks(read, first, 8):
            out[b] = self._alive(x, t[b], age, point)
        return out[code]

    def _blocks(self, read: Histories, chosen: Int, columns: int) -> Iterator[tuple[slice, Float, Float, Point]]:
        """Some rows at a time, few if they make many columns: which, x, age and parameters."""
        x, age = read.x[chosen].astype(np.float64), read.age[chosen].astype(np.float64)
        point = self._layout().point(self._theta, read.covariates[chosen])
        step = max(_CELLS // columns, _FEWEST)
        for i in range(0, len(chosen), step):
            b = slice(i, i + step)
            yield b, x[b], age[b], point.take(b)

    def _read(self, history: Any) -> Histories:
        check_is_fitted(self, "parameters_")
        return Histories.read(history, self._layout().covariates)

    def _layout(self) -> Layout:
        return Layout.of(self._kind, self.purchase_covariates, self.dropout_covariates, self.unit_days)
