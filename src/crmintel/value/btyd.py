"""Customers buy until, unseen, they leave: what the three models of it share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from crmintel.interactions.clock import DAY, duration
from crmintel.value.histories import Histories
from crmintel.value.maximise import inverted, maximise
from crmintel.value.packing import Float, Rows, distinct
from crmintel.value.point import Likelihood, Point

_BLOCK: Final = 1 << 13


class BuyTillYouDie(BaseEstimator, ABC):
    """The promise of every model here: learn from purchase histories, tell what each customer will buy."""

    _names: ClassVar[tuple[str, ...]]
    _times: ClassVar[tuple[str, ...]]
    _drop: ClassVar[str]
    _sooner: ClassVar[float]

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

    def fit(self, history: pd.DataFrame) -> Self:
        rows = self._read(history).pack()
        found = maximise(self._objective, rows, self._start(rows), 4)
        self.theta_ = found.theta
        logs = dict(zip(self._names, found.theta[:4] - self._shift, strict=True))
        self.parameters_ = {n: float(np.exp(v)) for n, v in logs.items()}
        self.coefficients_ = dict(zip(self._coefficient_names, map(float, found.theta[4:]), strict=True))
        names = [*self._names, *self._coefficient_names]
        self.covariance_ = pd.DataFrame(inverted(found.hessian) / rows.n, index=names, columns=names)
        self.n_customers_ = int(rows.n)
        value = self._likelihood(rows, self._point(found.theta, rows.covariates)).value
        self.log_likelihood_ = value + float((rows.weight * rows.x).sum()) * np.log(self.unit_days)
        return self

    def probability_alive(self, history: pd.DataFrame) -> pd.Series:
        read = self._read(history)
        return pd.Series(self._still(read), index=history.index, name="probability_alive")

    def expected_purchases(self, history: pd.DataFrame, horizon: Any) -> pd.Series | pd.DataFrame:
        read = self._read(history)
        several = isinstance(horizon, (list, tuple, pd.Index, np.ndarray))
        asked = list(horizon) if several else [horizon]
        days = np.array([duration(h) / DAY for h in asked])
        first, code = distinct([read.x, read.age, *read.covariates.T])
        x, age = read.x[first].astype(np.float64), read.age[first].astype(np.float64)
        point = self._point(self.theta_, read.covariates[first])
        table = np.empty((len(days), len(first)))
        for i in range(0, len(first), _BLOCK):
            b = slice(i, i + _BLOCK)
            table[:, b] = self._if_there(x[b], age[b], days, point.take(b))
        alive = self._still(read)
        out = np.empty((len(days), len(alive)))
        for row, filled in zip(table, out, strict=True):
            np.take(row, code, out=filled)
            filled *= alive
        if not several:
            return pd.Series(out[0], index=history.index, name="expected_purchases")
        return pd.DataFrame(out.T, index=history.index, columns=asked, copy=False)

    def _still(self, read: Histories) -> Float:
        check_is_fitted(self)
        first, code = distinct([read.x, read.age, read.t, *read.covariates.T])
        x, t, age = (c[first].astype(np.float64) for c in (read.x, read.t, read.age))
        return self._alive(x, t, age, self._point(self.theta_, read.covariates[first]))[code]

    def _read(self, history: Any) -> Histories:
        return Histories.read(history, [*self.purchase_covariates, *self.dropout_covariates])

    @property
    def _shift(self) -> Float:
        """What turns logarithms of parameters in units into those in days."""
        return np.array([np.log(self.unit_days) if n in self._times else 0.0 for n in self._names])

    @property
    def _coefficient_names(self) -> list[str]:
        return [f"purchase:{c}" for c in self.purchase_covariates] + [f"dropout:{c}" for c in self.dropout_covariates]

    def _columns(self, covariates: Float) -> tuple[Float, Float]:
        names = list(dict.fromkeys([*self.purchase_covariates, *self.dropout_covariates]))
        return tuple(
            covariates[:, [names.index(c) for c in wanted]]
            for wanted in (self.purchase_covariates, self.dropout_covariates)
        )  # type: ignore[return-value]

    def _point(self, theta: Float, covariates: Float) -> Point:
        named = dict(zip(self._names, theta[:4], strict=True))
        other = next(n for n in self._names[2:] if n != self._drop)
        buying, leaving = self._columns(covariates)
        n = len(self.purchase_covariates)
        log_alpha = np.full(len(covariates), named["alpha"])
        for c, column in zip(theta[4 : 4 + n], buying.T, strict=True):
            log_alpha -= c * column
        log_drop = np.full(len(covariates), named[self._drop])
        for c, column in zip(theta[4 + n :], leaving.T, strict=True):
            log_drop += self._sooner * c * column
        return Point(float(np.exp(named["r"])), np.exp(log_alpha), np.exp(log_drop), float(np.exp(named[other])))

    def _start(self, rows: Rows) -> Float:
        bought, seen = (float((rows.weight * v).sum()) / rows.n for v in (rows.x, rows.age))
        scale = max(seen, 1.0)
        named = {"r": 0.5, "alpha": 0.5 * scale / max(bought, 0.1), "a": 0.8, "b": 2.5, "s": 0.5, "beta": 0.5 * scale}
        return np.array([*(np.log(named[n]) for n in self._names), *(0.0 for _ in self._coefficient_names)])

    def _objective(self, theta: Float, rows: Rows) -> tuple[float, Float]:
        """Mean loss: minus the log-likelihood and the log-prior, a customer."""
        told = self._likelihood(rows, self._point(theta, rows.covariates))
        buying, leaving = self._columns(rows.covariates)
        named = {"r": told.r, "alpha": told.alpha.sum(), self._drop: told.drop.sum()}
        slopes = [named.get(n, told.other) for n in self._names]
        slopes += [-(told.alpha * c).sum() for c in buying.T]
        slopes += [self._sooner * (told.drop * c).sum() for c in leaving.T]
        return -told.value / rows.n, -np.array(slopes) / rows.n
