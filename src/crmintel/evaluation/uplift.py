"""Whether a score puts first the customers whom an action changes most: Qini and uplift curves beside random order."""

from dataclasses import dataclass
from html import escape
from typing import Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from crmintel.errors import DataContractError
from crmintel.evaluation.aligned import together
from crmintel.evaluation.checks import amounts, same_length
from crmintel.evaluation.intervals import Estimate, Floats

CONVENTION: Final = "scikit-uplift"
"""Whose scale the two coefficients are on: area above the random line over that of the perfect curve."""
LEVEL: Final = 0.95
POINTS: Final = 201
"""At so many depths the random orders are looked at; between them their curves are straight lines."""
TREATED, CONTROL, Y_TREATED, Y_CONTROL = range(4)


@final
@dataclass(frozen=True)
class UpliftCurve:
    """What treating the top of a list changes, beside what random lists show.

    Parameters
    ----------
    depth : array, shape (n_points,)
        Share of the customers in the top, from 0 to 1; equal scores enter together.
    qini : array, shape (n_points,)
        Y_t − Y_c N_t / N_c in the top: outcome gained by the treated of the top, in the unit of the outcome.
    gain : array, shape (n_points,)
        (Y_t / N_t − Y_c / N_c) × customers in the top: outcome gained if all of the top were treated.
    low, high : array, shape (n_points,)
        Between them the Qini curve of a random order lies at that depth, in 95 % of the orders drawn.
    sums : array, shape (n_points, 10)
        Weights of treated and of control, weighted outcomes, then squared weights times outcome to the powers 0, 1, 2.
    qini_area : float
        Area of Q / N_t over N_t(depth) / N_t, less half of its last value: outcome per treated customer.
    qini_coefficient, auuc_coefficient : float
        Area above the random line over that of the perfect curve, as scikit-uplift's `qini_auc_score` and
        `uplift_auc_score`; NaN where the outcome is not yes or no, and no curve is perfect.
    auuc : float
        Area under gain per customer, over depth, in the unit of the outcome; not scaled, the random line not taken off.
    qini_area_band, qini_coefficient_band : tuple of float
        What random orders show in 95 % of the draws.
    customers : int
    """

    depth: Floats
    qini: Floats
    gain: Floats
    low: Floats
    high: Floats
    sums: Floats
    qini_area: float
    qini_coefficient: float
    auuc: float
    auuc_coefficient: float
    qini_area_band: tuple[float, float]
    qini_coefficient_band: tuple[float, float]
    customers: int

    def uplift_at(self, depth: float) -> Estimate:
        """Mean outcome of treated less control in the top, with its interval; a block of ties enters by its share.

        Examples
        --------
        >>> curve = uplift_curve([4, 3, 2, 1], [1, 0, 1, 0], [1, 0, 0, 0])
        >>> curve.uplift_at(0.5).value
        1.0
        """
        if not 0 < depth <= 1:
            raise DataContractError(f"depth is {depth}. Give a share of the customers above 0 and at most 1.")
        s = np.array([np.interp(depth, self.depth, column) for column in self.sums.T])
        mean = np.divide(s[2:4], s[:2], out=np.full(2, np.nan), where=s[:2] > 0)
        arms = slice(0, 1) if not self.sums[-1, CONTROL] else slice(0, 2)
        squares = s[4:6] - 2 * mean * s[6:8] + mean**2 * s[8:10]
        se = float(np.sqrt(np.maximum(squares[arms], 0) @ (1 / s[:2][arms] ** 2))) if s[:2][arms].all() else np.nan
        value = float(mean[0] - (mean[1] if arms.stop == 2 else 0.0))
        half = float(norm.ppf((1 + LEVEL) / 2)) * se
        return Estimate(value, value - half, value + half, LEVEL, "normal")

    def to_frame(self) -> pd.DataFrame:
        """One row a depth: depth, customers, qini, random_low, random_high, gain."""
        return pd.DataFrame({
            "depth": self.depth, "customers": self.depth * self.customers, "qini": self.qini,
            "random_low": self.low, "random_high": self.high, "gain": self.gain,
        })  # fmt: skip

    def __repr__(self) -> str:
        area = "Qini area {:.4f} per treated (random {:.4f} to {:.4f})".format(self.qini_area, *self.qini_area_band)
        told = [f"UpliftCurve of {self.customers:,} customers: {area}"]
        if not np.isnan(self.qini_coefficient):
            low, high = self.qini_coefficient_band
            told.append(f"Qini coefficient {self.qini_coefficient:.4f} (random {low:.4f} to {high:.4f})")
            told.append(f"AUUC coefficient {self.auuc_coefficient:.4f}, both as {CONVENTION} scales them")
        return ", ".join([*told, f"AUUC {self.auuc:.4f} (unscaled)"])

    def _repr_html_(self) -> str:
        tenths = np.linspace(0.1, 1, 10)
        rows = [(f"{d:.0%}", e.value, e.low, e.high) for d in tenths for e in [self.uplift_at(float(min(d, 1)))]]
        table = pd.DataFrame(rows, columns=["top", "uplift", "low", "high"])
        return f"<p>{escape(repr(self))}</p>{table.to_html(index=False, float_format='{:,.4f}'.format, na_rep='')}"


def uplift_curve(
    score: npt.ArrayLike,
    treated: npt.ArrayLike,
    outcome: npt.ArrayLike,
    *,
    propensity: npt.ArrayLike | None = None,
    permutations: int = 200,
    seed: int = 0,
) -> UpliftCurve:
    """How much more the treated gain at the top of a list, from an experiment.

    Parameters
    ----------
    score : array of float, shape (n_customers,)
        Higher means treated first; equal scores are one block. From a model that has not seen these customers' outcomes,
        or it flatters itself.
    treated : array of bool, shape (n_customers,)
    outcome : array of float, shape (n_customers,)
        Yes or no, or an amount.
    propensity : array of float in (0, 1), shape (n_customers,), optional
        Probability of treatment, where it varies: then every customer counts for one over that of his arm.
    permutations : int, default=200
        Random orders that the band is made of.

    Raises
    ------
    DataContractError
        If an arm is empty, a propensity is not between 0 and 1, or something is missing.

    References
    ----------
    Radcliffe (2007), Direct Marketing Analytics Journal 3, 14-21. Devriendt, Guns, Verbeke (2020), arXiv 2002.05897.

    Examples
    --------
    >>> uplift_curve([4, 3, 2, 1], [1, 0, 1, 0], [1, 0, 0, 0], permutations=20).qini.tolist()
    [0.0, 1.0, 1.0, 1.0, 1.0]
    """
    columns = together(score=score, treated=treated, outcome=outcome)
    s, t, y = (amounts(values, name) for name, values in columns.items())
    e = np.full(len(t), 0.5)
    if propensity is not None:
        e = amounts(together(score=columns["score"], propensity=propensity)["propensity"], "propensity")
    same_length({"score": s, "treated": t, "outcome": y, "propensity": e})
    if other := int(((t != 0) & (t != 1)).sum()):
        raise DataContractError(f"treated is neither 0 nor 1 for {other:,} of {len(t):,} customers. Pass booleans.")
    for arm, count in (("treated", int(t.sum())), ("control", int((1 - t).sum()))):
        if not count:
            raise DataContractError(f"No customer is in the {arm} arm, so no uplift is defined. Pass both arms.")
    if outside := int(((e <= 0) | (e >= 1)).sum()):
        raise DataContractError(
            f"propensity is not between 0 and 1 for {outside:,} of {len(e):,} customers. Leave out whom chance could not place."
        )
    weight = np.ones(len(t)) if propensity is None else 1 / np.where(t == 1, e, 1 - e)
    perfect = None
    if np.isin(y, (0, 1)).all():
        most = t if ((y == 1) & (t == 0)).sum() <= ((y == 0) & (t == 1)).sum() else y
        perfect = (y * (2 * t - 1), 2.0 * (y == t) + most)
    return _curve(s, t * weight, (1 - t) * weight, y, perfect, permutations, seed)


def uplift_curve_from_scores(
    score: npt.ArrayLike, effect_score: npt.ArrayLike, *, permutations: int = 200, seed: int = 0
) -> UpliftCurve:
    """How much the top of a list gains, from doubly robust scores of the effect: any propensities, arms and outcomes.

    Parameters
    ----------
    score : array of float, shape (n_customers,)
    effect_score : array of float, shape (n_customers,)
        Cross-fitted z, whose mean over any group is the effect in that group.

    Examples
    --------
    >>> uplift_curve_from_scores([3, 2, 1], [2.0, 1.0, 0.0], permutations=20).qini.tolist()
    [0.0, 2.0, 3.0, 3.0]
    """
    columns = together(score=score, effect_score=effect_score)
    s, z = (amounts(values, name) for name, values in columns.items())
    same_length({"score": s, "effect_score": z})
    return _curve(s, np.ones(len(z)), np.zeros(len(z)), z, None, permutations, seed)


def _curve(
    score: Floats, treated: Floats, control: Floats, y: Floats, perfect: tuple[Floats, Floats] | None, n: int, seed: int
) -> UpliftCurve:
    if n < 1:
        raise DataContractError(f"permutations is {n}. Draw at least one random order.")
    # Rows that are alike in everything may change places, so the draws do not depend on the order of the rows.
    order = np.lexsort((y, control, treated, -score))
    columns = np.column_stack([treated, control, treated * y, control * y])[order]
    ends = _ends(score[order])
    size, points = np.append(0, ends), _cumulate(columns, ends)
    square, outcome = columns[:, :2] ** 2, y[order, None]
    squares = _cumulate(np.hstack([square * outcome**2, square * outcome, square]), ends)
    qini, gain = _qini(points), _gain(points, size)
    scale, auuc_scale = np.nan, np.nan
    if perfect is not None:
        best = [np.argsort(-p[order], kind="stable") for p in perfect]
        cuts = [_ends(p[order][b]) for p, b in zip(perfect, best, strict=True)]
        scale = _above(np.append(0, cuts[0]), _qini(_cumulate(columns[best[0]], cuts[0])))
        whole = np.append(0, cuts[1])
        auuc_scale = _above(whole, _gain(_cumulate(columns[best[1]], cuts[1]), whole))
    some, drawn, areas = _random_orders(columns, size, n, seed)
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = (np.interp(size, some, band) for band in np.quantile(drawn, tails, axis=0))
    areas[:, 1] = _over(areas[:, 1], scale)
    bands = np.quantile(areas, tails, axis=0)
    return UpliftCurve(
        size / len(y), qini, gain, low, high, np.hstack([points, squares]), _area(points, qini),
        float(_over(_above(size, qini), scale)), float(np.trapezoid(gain, size)) / len(y) ** 2,
        float(_over(_above(size, gain), auuc_scale)),
        (float(bands[0, 0]), float(bands[1, 0])), (float(bands[0, 1]), float(bands[1, 1])), len(y),
    )  # fmt: skip


def _random_orders(
    columns: Floats, size: npt.NDArray[np.intp], n: int, seed: int
) -> tuple[npt.NDArray[np.intp], Floats, Floats]:
    """At some depths the Qini curves of random orders with blocks of the same sizes, and the two areas of each."""
    rng = np.random.default_rng(seed)
    some = size[np.unique(np.linspace(0, len(size) - 1, min(POINTS, len(size))).astype(int))]
    part, rows = np.repeat(np.arange(1, len(some)), np.diff(some)), np.ascontiguousarray(columns.T)
    drawn, areas = np.zeros((n, len(some))), np.zeros((n, 2))
    for i in range(n):
        mixed = rng.permutation(part)
        sums: Floats = np.cumsum([np.bincount(mixed, row, len(some)) for row in rows], axis=1).T
        drawn[i] = _qini(sums)
        areas[i] = _area(sums, drawn[i]), _above(some, drawn[i])
    return some, drawn, areas


def _ends(ordered: Floats) -> npt.NDArray[np.intp]:
    """How many rows each block of equal scores and all before it hold."""
    return np.append(np.flatnonzero(np.diff(ordered)) + 1, len(ordered))


def _cumulate(columns: Floats, ends: npt.NDArray[np.intp]) -> Floats:
    """Sums of the rows before each end, from nothing on."""
    blocks = np.add.reduceat(columns, np.append(0, ends[:-1]), axis=0)
    return np.vstack([np.zeros(columns.shape[1]), np.cumsum(blocks, axis=0)])


def _mean(y: Floats, n: Floats) -> Floats:
    return np.divide(y, n, out=np.zeros_like(y), where=n > 0)


def _qini(s: Floats) -> Floats:
    return np.asarray(s[:, Y_TREATED] - _mean(s[:, Y_CONTROL], s[:, CONTROL]) * s[:, TREATED])


def _gain(s: Floats, size: npt.NDArray[np.intp]) -> Floats:
    return np.asarray((_mean(s[:, Y_TREATED], s[:, TREATED]) - _mean(s[:, Y_CONTROL], s[:, CONTROL])) * size)


def _area(s: Floats, qini: Floats) -> float:
    whole = s[-1, TREATED]
    return float(np.trapezoid(qini / whole, s[:, TREATED] / whole) - qini[-1] / whole / 2)


def _above(size: npt.NDArray[np.intp], curve: Floats) -> float:
    """The area between a curve and the straight line to its end."""
    return float(np.trapezoid(curve, size) - curve[-1] * size[-1] / 2)


def _over(area: float | Floats, scale: float) -> Floats:
    return np.asarray(area) / (scale if scale else np.nan)
