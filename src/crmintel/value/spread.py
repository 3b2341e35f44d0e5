"""How far from its forecast a customer, or a segment, may end: shapes and levels seen at inner instants, carried forward."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import gamma
from scipy.stats import t as student

from crmintel.interactions.clock import Int
from crmintel.value.purchases import Float

BINS: Final = 10
LEAST: Final = 50
"""Customers that a bin must hold."""
USUAL, EVIDENCE = 0.15, 3.0
"""What is believed of the error of a total beforehand: the size of its logarithm, and as how many instants it counts."""
LEAST_DRIFT: Final = 0.05
CLEAR: Final = 0.1
"""Cells whose chance error (variance, relative) is greater than this tell nothing of drift."""
SIDE: Final = 5
_MASSES: Final = np.arange(0.3, 0.9975, 0.005)
_LEVELS, _QUANTILES, _BLOCK = 49, 99, 256
_FARTHEST: Final = 2.0


@final
@dataclass(frozen=True, eq=False)
class Seen:
    """Forecasts of customers at an inner instant who were not learned from, and what happened."""

    forecast: Float
    actual: Float
    cell: Int
    horizon: int


@final
@dataclass(frozen=True, eq=False)
class Cells:
    """Customers by how long ago they bought last and how often they bought again: a grid learned once."""

    since: Float
    repeats: Float

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Cells":
        """Quintiles of both columns."""
        share = np.arange(1, SIDE) / SIDE
        return cls(*(np.unique(np.quantile(table[c], share, method="inverted_cdf")) for c in ("since", "repeats")))

    def __call__(self, table: pd.DataFrame) -> Int:
        """The cell of each customer, 0 … SIDE² − 1."""
        row, column = (
            np.searchsorted(edges, table[c].to_numpy(), side="left")
            for edges, c in ((self.since, "since"), (self.repeats, "repeats"))
        )
        return np.asarray(row * SIDE + column, np.int64)


@final
@dataclass(frozen=True, eq=False)
class Spread:
    """What may become of a forecast.

    Parameters
    ----------
    edges : array of float, shape (n_bins - 1,)
        Bins of customers by their forecast.
    low, high : array of float, shape (n_bins,)
        Interval of a customer, as multiples of the forecast.
    nothing : array of float, shape (n_bins,)
        Share of customers with nothing at all.
    mean, variance : array of float, shape (n_bins,)
        Of what happened, as multiples of the forecast (squared), the total of all being right.
    drift : float
        Variance of the error of a cell of customers, relative, beyond that of the total and of chance.
    level, freedom : float
        Scale and degrees of freedom (Student's t) of the logarithm of the error of the total.
    coverage : float
    """

    edges: Float
    low: Float
    high: Float
    nothing: Float
    mean: Float
    variance: Float
    drift: float
    level: float
    freedom: float
    coverage: float

    @classmethod
    def learned(cls, seen: Sequence[Seen], forecast: Float, horizon: int, coverage: float) -> "Spread":
        """From forecasts at inner instants, the longest horizon first, for forecasts over a horizon; something came at each of them.

        The shape is that of the longest horizon. Errors of totals are taken for a walk: their variance grows with the horizon.
        The share of a customer's distribution that an interval holds is chosen such that on average over the customers
        who are forecast it covers what was asked for: where most have nothing, an interval from 0 to 0 covers more.
        """
        first, growth = seen[0], horizon / seen[0].horizon
        error = np.log([float(s.actual.sum()) / float(s.forecast.sum()) for s in seen])
        freedom = EVIDENCE + len(error)
        level = float(np.sqrt((EVIDENCE * USUAL**2 + (error**2).sum()) / freedom * growth))
        bins = int(np.clip(len(first.forecast) // LEAST, 1, BINS))
        edges = _filled(np.unique(np.quantile(first.forecast, np.arange(1, bins) / bins)), first.forecast)
        place, ratio = np.searchsorted(edges, first.forecast, side="right"), first.actual / first.forecast
        bins = len(edges) + 1
        factors = _levels(level, freedom, _LEVELS)
        shapes = [_Shape.of(ratio[place == k], factors) for k in range(bins)]
        ends = np.array([[shape.interval(m) for m in _MASSES] for shape in shapes])
        held = np.array([[shape.held(*e) for e in of] for shape, of in zip(shapes, ends, strict=True)])
        share = np.bincount(np.searchsorted(edges, forecast, side="right"), minlength=bins) / len(forecast)
        enough = share @ held >= coverage
        best = int(np.argmax(enough)) if enough.any() else len(_MASSES) - 1
        nothing, mean, variance = _moments(first.forecast, first.actual / np.exp(error[0]), place, bins)
        drift = _drift(seen, error, edges, mean, variance) * growth
        return cls(edges, ends[:, best, 0], ends[:, best, 1], nothing, mean, variance, drift, level, freedom, coverage)

    def bins(self, forecast: Float) -> Int:
        """The bin of each customer."""
        return np.asarray(np.searchsorted(self.edges, forecast, side="right"), np.int64)

    def silent(self, forecast: Float) -> Float:
        """The chance of nothing at all, of each customer."""
        return np.asarray(self.nothing[self.bins(forecast)], np.float64)

    def interval(self, forecast: Float) -> tuple[Float, Float]:
        """Of each customer; it holds the forecast itself."""
        k = self.bins(forecast)
        return forecast * np.minimum(self.low[k], 1.0), forecast * np.maximum(self.high[k], 1.0)

    def totals(self, forecast: Float, cell: Int, segment: Int, n_segments: int) -> tuple[Float, Float]:
        """Intervals of the totals of segments, each with at least one customer; shape (n_segments,).

        Three things may go wrong: customers by chance, cells of customers together, and the level of everybody.
        """
        k = self.bins(forecast)
        expected = self.mean[k] * forecast
        M = _sums(segment, expected, n_segments)
        V = _sums(segment, self.variance[k] * forecast**2, n_segments)
        by_cell = _sums(segment * SIDE**2 + cell, expected, n_segments * SIDE**2).reshape(n_segments, -1)
        V += self.drift * (by_cell**2).sum(axis=1)
        silent = np.exp(np.bincount(segment, np.log(np.clip(self.nothing[k], 1e-12, 1 - 1e-12)), n_segments))
        tail, factors = (1 - self.coverage) / 2, _levels(self.level, self.freedom, _LEVELS)
        low, high = np.empty(n_segments), np.empty(n_segments)
        for a in range(0, n_segments, _BLOCK):
            b = slice(a, a + _BLOCK)
            drawn = _draws(M[b], V[b], silent[b], factors)
            below = np.where(silent[b] >= tail, 0.0, tail)
            low[b] = _atom_quantile(drawn, silent[b], below)
            high[b] = _atom_quantile(drawn, silent[b], below + self.coverage)
        total = np.bincount(segment, forecast, n_segments)
        return np.minimum(low, total), np.maximum(high, total)


@final
@dataclass(frozen=True, eq=False)
class _Shape:
    """The distribution of what happened to `n` customers as a multiple of the forecast: an atom at 0, and draws above it."""

    nothing: float
    draws: Float
    n: int

    @classmethod
    def of(cls, ratio: Float, factors: Float) -> "_Shape":
        some = ratio[ratio > 0]
        draws = np.sort((some[:, None] * factors).ravel()) if len(some) else np.ones(1)
        return cls(float((ratio <= 0).mean()), draws, len(ratio))

    def interval(self, mass: float) -> tuple[float, float]:
        """Its ends: equal tails, but from 0 on where 0 alone is more than a tail."""
        below = (1 - mass) / 2 if self.nothing < (1 - mass) / 2 else 0.0
        return self._quantile(below), self._quantile(below + mass)

    def held(self, low: float, high: float) -> float:
        """What an interval covers of a further customer (the finite-sample correction of conformal sets)."""
        a, b = np.searchsorted(self.draws, low, side="left"), np.searchsorted(self.draws, high, side="right")
        inside = (1 - self.nothing) * (b - a) / len(self.draws) + self.nothing * (low <= 0)
        return float(inside * self.n / (self.n + 1))

    def _quantile(self, share: float) -> float:
        if share <= self.nothing:
            return 0.0
        place = int((share - self.nothing) / (1 - self.nothing) * len(self.draws))
        return float(self.draws[min(place, len(self.draws) - 1)])


def _filled(edges: Float, forecast: Float) -> Float:
    """Edges between bins that all hold somebody: of many equal forecasts an edge may coincide with the least."""
    held = np.unique(np.searchsorted(edges, forecast, side="right"))
    return edges[held[1:] - 1]


def _moments(forecast: Float, actual: Float, place: Int, n: int) -> tuple[Float, Float, Float]:
    """Of bins: the share of customers with nothing, and mean and variance as multiples of the forecast (squared).

    As if each bin had seen one usual customer with something more (a rule of succession): none is sure to be silent.
    """
    usual = float(actual[actual > 0].mean())
    customers = np.bincount(place, minlength=n)
    nothing = np.bincount(place, actual <= 0, n) / (customers + 1)
    mean = (_sums(place, actual, n) + usual) / (_sums(place, forecast, n) + usual)
    off = (actual - mean[place] * forecast) ** 2
    return nothing, mean, (_sums(place, off, n) + usual**2) / _sums(place, forecast**2, n)


def _sums(code: Int, weight: Float, n: int) -> Float:
    return np.bincount(code, weight, n).astype(np.float64)


def _levels(scale: float, freedom: float, n: int) -> Float:
    """Equally likely errors of the total, as factors."""
    draws = scale * student.ppf((np.arange(n) + 0.5) / n, freedom)
    return np.asarray(np.exp(np.clip(draws, -_FARTHEST, _FARTHEST)), np.float64)


def _drift(seen: Sequence[Seen], error: Float, edges: Float, mean: Float, variance: Float) -> float:
    """Mean squared relative error of cells at all instants, less what chance makes; the total is put right."""
    found: list[npt.NDArray[np.float64]] = []
    for s, e in zip(seen, error, strict=True):
        k = np.searchsorted(edges, s.forecast, side="right")
        M = _sums(s.cell, mean[k] * s.forecast, SIDE**2) * np.exp(e)
        V = _sums(s.cell, variance[k] * s.forecast**2, SIDE**2) * np.exp(2 * e)
        A = _sums(s.cell, s.actual, SIDE**2)
        clear = (M > 0) & (V < CLEAR * M**2)
        found.append((A[clear] / M[clear] - 1) ** 2 - V[clear] / M[clear] ** 2)
    told = np.concatenate(found)
    return max(float(told.mean()) if len(told) else 0.0, LEAST_DRIFT**2)


def _draws(mean: Float, variance: Float, silent: Float, factors: Float) -> Float:
    """Equally likely totals of segments that are not silent, rising; shape (n_segments, n_draws)."""
    m = mean / (1 - silent)
    v = np.maximum((variance + mean**2) / (1 - silent) - m**2, 1e-9 * m**2)
    share = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    sums = np.asarray(gamma.ppf(share, (m**2 / v)[:, None], scale=(v / m)[:, None]), np.float64)
    return np.sort((sums[:, :, None] * factors).reshape(len(mean), -1), axis=1)


def _atom_quantile(draws: Float, silent: Float, share: Float) -> Float:
    """Quantiles of an atom at 0 beside draws."""
    inside = np.clip((share - silent) / (1 - silent), 0.0, 1.0)
    place = np.minimum((inside * draws.shape[1]).astype(np.int64), draws.shape[1] - 1)
    return np.asarray(np.where(share <= silent, 0.0, draws[np.arange(len(draws)), place]), np.float64)
