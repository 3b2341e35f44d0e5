"""The integral over the moment of leaving in the Pareto/NBD model: a table by day, or a sum for each customer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from crmintel.interactions.clock import Int
from crmintel.value.packing import Bool, Float, Rows
from crmintel.value.point import Point

_CELL, _CELL_WEIGHT = np.polynomial.legendre.leggauss(4)
_NODE, _WEIGHT = np.polynomial.legendre.leggauss(40)
_FAR: Final = 40.0
"""Where the integrand has fallen by exp(−40) the rest is nothing."""
_HIGHEST: Final = 600.0
_BLOCK: Final = 1 << 13
_LARGEST: Final = 8_000_000
_WORTH: Final = 60


@final
@dataclass(frozen=True, eq=False)
class Leaving:
    """What customers who may have left add to the likelihood.

    Parameters
    ----------
    gain : float64, shape (n_rows,)
        What the logarithm of the likelihood has above that of having stayed.
    share : float64, shape (n_rows,)
        The chance to have left.
    log_alpha, log_beta : float
        Sums of weight × share × mean of ln(α+τ), and of ln(β+τ).
    inverse_alpha, inverse_beta : float64, shape (n_groups,)
        Sums of weight × share × (r+x) × mean of 1/(α+τ), and of weight × share × mean of 1/(β+τ).
    """

    gain: Float
    share: Float
    log_alpha: float
    log_beta: float
    inverse_alpha: Float
    inverse_beta: Float


@final
@dataclass(frozen=True, eq=False)
class _Path:
    """From the last purchase to the end on the scale v of ln(near + τ), where near is the lesser of α and β."""

    swapped: Bool
    near: Float
    far: Float
    k_near: Float
    k_far: Float
    end: Float

    @classmethod
    def of(cls, x: Float, t: Float, age: Float, r: float, alpha: Float, s: float, beta: Float) -> "_Path":
        swapped = beta < alpha
        k, j = r + x, np.full(len(x), s + 1.0)
        near, far = np.where(swapped, beta, alpha) + t, np.where(swapped, alpha, beta) + t
        k_near, k_far = np.where(swapped, j, k), np.where(swapped, k, j)
        v = np.log1p((age - t) / near)
        for _ in range(40):  # Newton from the right: the fall is convex, so it never overshoots
            after = near * np.expm1(v)
            fall = (k_near - 1) * v + k_far * np.log1p(after / far)
            beyond = fall > 1.5 * _FAR
            if not beyond.any():
                break
            slope = (k_near - 1) + k_far * (near + after) / (far + after)
            v = np.where(beyond, v - (fall - _FAR) / np.where(beyond, slope, 1.0), v)
        return cls(swapped, near, far, k_near, k_far, v)

    def nodes(self) -> Iterator[tuple[Float, Float, Float, Float]]:
        """Weighted integrand, v, days after the last purchase and ln of the growth of far, at each node."""
        for node, weight in zip(_NODE, _WEIGHT, strict=True):
            v = self.end * (0.5 * (1 + node))
            after = self.near * np.expm1(v)
            grown = np.log1p(after / self.far)
            yield 0.5 * weight * np.exp((1 - self.k_near) * v - self.k_far * grown), v, after, grown

    def means(self) -> tuple[Float, Float]:
        """ln of the integral, and the means of ln(α+τ), 1/(α+τ), ln(β+τ), 1/(β+τ), shape (4, n_rows)."""
        sums = np.zeros((5, len(self.end)))
        for f, v, after, grown in self.nodes():
            sums[0] += f
            sums[1] += f * v
            sums[2] += f * np.exp(-v)
            sums[3] += f * grown
            sums[4] += f / (self.far + after)
        near = np.log(self.near) + sums[1] / sums[0], sums[2] / (sums[0] * self.near)
        far = np.log(self.far) + sums[3] / sums[0], sums[4] / sums[0]
        told = np.array([*near, *far])
        return self.log_sum(sums[0]), np.where(self.swapped, told[[2, 3, 0, 1]], told)

    def log_sum(self, total: Float) -> Float:
        with np.errstate(divide="ignore"):
            return np.asarray(
                np.log(self.end * total) + (1 - self.k_near) * np.log(self.near) - self.k_far * np.log(self.far)
            )


def log_integral(x: Float, t: Float, age: Float, r: float, alpha: Float, s: float, beta: Float) -> Float:
    """ln ∫ (α+τ)^−(r+x) (β+τ)^−(s+1) dτ from t to age, for each row; −∞ where both are the same."""
    out = np.empty(len(x))
    for i in range(0, len(x), _BLOCK):
        b = slice(i, i + _BLOCK)
        path = _Path.of(x[b], t[b], age[b], r, alpha[b], s, beta[b])
        total = np.zeros(len(path.end))
        for f, _, _, _ in path.nodes():
            total += f
        out[b] = path.log_sum(total)
    return out


def leaving_by_row(rows: Rows, point: Point, stay: Float) -> Leaving:
    """By a sum for each row."""
    xs, s = rows.by_x, point.other
    alpha, beta = point.alpha[rows.group], point.drop[rows.group]
    gain, share = np.empty(len(rows.x)), np.empty(len(rows.x))
    logs, inverse = np.zeros(2), np.zeros((2, len(rows.x)))
    for i in range(0, len(rows.x), _BLOCK):
        b = slice(i, i + _BLOCK)
        path = _Path.of(rows.x[b], rows.t[b], rows.age[b], point.r, alpha[b], s, beta[b])
        log_i, means = path.means()
        gain[b], share[b] = soft(np.log(s) + log_i - stay[b])
        left = rows.weight[b] * share[b]
        logs += (left * means[::2]).sum(axis=1)
        inverse[:, b] = left * means[1::2]
    inverse[0] *= point.r + rows.x
    groups = [rows.by_group(xs, xs.total(v)) for v in inverse]
    return Leaving(gain, share, float(logs[0]), float(logs[1]), groups[0], groups[1])


def soft(d: Float) -> tuple[Float, Float]:
    """ln(1 + e^d) and its slope, without overflow."""
    small = np.exp(-np.abs(d))
    return np.maximum(d, 0.0) + np.log1p(small), np.where(d >= 0, 1.0, small) / (1.0 + small)


@final
class DayTable:
    """The integral from each whole day to the last, for each number of purchases and group of covariates.

    The integrand depends on both alone, so the work does not grow with the number of customers.
    """

    def __init__(self, rows: Rows) -> None:
        self.grid = rows.grid
        self.end = self.grid.days - 1
        self.node = np.arange(self.end) + (0.5 * (1 + _CELL))[:, None]

    @classmethod
    def of(cls, rows: Rows) -> "DayTable | None":
        """None where it costs more than a sum for each row."""
        size = len(rows.by_x.value) * 4.0 * rows.age.max()
        worth = 0 < size <= min(max(_WORTH * len(rows.x), 1 << 18), _LARGEST)
        return cls(rows) if worth and rows.whole else None

    def leaving(self, rows: Rows, point: Point, stay: Float) -> Leaving:
        """By the table; rows whose integrand is too steep for it by a sum of their own."""
        xs, s = rows.by_x, point.other
        k, alpha, beta = point.r + xs.value, point.alpha, point.drop
        deep = self._deep(k, alpha[xs.group], s, beta[xs.group])[xs.code]
        if deep.any():
            return self._both(rows, point, stay, deep)
        logs = [np.log(v[:, None, None] + self.node) for v in (alpha, beta)]
        ends = [np.log(v + self.end) for v in (alpha, beta)]
        f = self._integrand(xs.group, k, s, logs, ends)
        total = np.zeros((len(k), self.end + 1))
        total[:, :-1] = np.cumsum(f.sum(axis=1)[:, ::-1], axis=1)[:, ::-1]
        integral = total.ravel()[self.grid.at_t] - total.ravel()[self.grid.at_age]
        scale = np.log(s) - k * ends[0][xs.group] - (s + 1) * ends[1][xs.group]
        with np.errstate(divide="ignore"):
            gain, share = soft(np.log(integral) + scale[xs.code] - stay)
        each = np.divide(rows.weight * share, integral, out=np.zeros(len(share)), where=integral > 0)
        f *= self._passed(each, len(k))[:, None, :]
        return self._sums(gain, share, f, k, alpha, beta, logs)

    def _integrand(self, group: Int, k: Float, s: float, logs: list[Float], ends: list[Float]) -> Float:
        """The integrand at four nodes of each day, times their weights, as a multiple of that at the end, by pair."""
        rise = [end[:, None, None] - log for log, end in zip(logs, ends, strict=True)]
        rest = (s + 1) * rise[1] + np.log(0.5 * _CELL_WEIGHT)[:, None]
        out = k[:, None, None] * rise[0][group]
        out += rest[group]
        np.minimum(out, _HIGHEST, out=out)  # days before the first that is needed
        return np.asarray(np.exp(out, out=out))

    def _passed(self, each: Float, n: int) -> Float:
        """For each pair and day the sum of `each` over rows that may have left on that day."""
        size = n * (self.end + 1)
        change = np.bincount(self.grid.at_t, each, size) - np.bincount(self.grid.at_age, each, size)
        return np.cumsum(change.reshape(n, -1), axis=1)[:, :-1]

    def _sums(
        self, gain: Float, share: Float, f: Float, k: Float, alpha: Float, beta: Float, logs: list[Float]
    ) -> Leaving:
        log, inverse = np.zeros(2), np.zeros((2, len(alpha)))
        for g, (a, b) in enumerate(zip(self.grid.starts[:-1], self.grid.starts[1:], strict=True)):
            mass, pace = f[a:b].sum(axis=0), np.einsum("k,kcd->cd", k[a:b], f[a:b])
            log += [(mass * logs[0][g]).sum(), (mass * logs[1][g]).sum()]
            inverse[:, g] = (pace / (alpha[g] + self.node)).sum(), (mass / (beta[g] + self.node)).sum()
        return Leaving(gain, share, float(log[0]), float(log[1]), inverse[0], inverse[1])

    def _both(self, rows: Rows, point: Point, stay: Float, deep: Bool) -> Leaving:
        parts, gain, share = [], np.empty(len(stay)), np.empty(len(stay))
        for chosen, by in ((deep, leaving_by_row), (~deep, None)):
            if chosen.any():
                some = rows.where(chosen)
                part = (by or DayTable(some).leaving)(some, point, stay[chosen])
                gain[chosen], share[chosen] = part.gain, part.share
                parts.append(part)
        sums = ("log_alpha", "log_beta", "inverse_alpha", "inverse_beta")
        return Leaving(gain, share, *(sum(getattr(p, name) for p in parts) for name in sums))

    def _deep(self, k: Float, alpha: Float, s: float, beta: Float) -> Bool:
        """Pairs whose integrand falls too far, or within a day, for the table."""
        fall = k * (np.log(alpha + self.end) - np.log(alpha + self.grid.first))
        fall += (s + 1) * (np.log(beta + self.end) - np.log(beta + self.grid.first))
        return np.asarray(
            (fall > _HIGHEST) | (k / (alpha + self.grid.first) + (s + 1) / (beta + self.grid.first) > 1.5)
        )
