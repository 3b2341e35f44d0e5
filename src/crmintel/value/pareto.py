"""Pareto/NBD: customers buy at a steady pace and may leave for good at any moment."""

from typing import ClassVar, final

import numpy as np
from scipy.special import digamma, gammaln

from crmintel.value.btyd import BuyTillYouDie
from crmintel.value.counts import leaving_any_time
from crmintel.value.layout import Kind
from crmintel.value.packing import Float, Rows
from crmintel.value.pareto_integral import DayTable, leaving_by_row, log_integral, soft
from crmintel.value.point import Likelihood, Point


def likelihood(rows: Rows, point: Point) -> Likelihood:
    """Log-likelihood of all customers and its slopes by logarithm of parameter."""
    r, alpha, s, beta = point.r, point.alpha, point.other, point.drop
    xs, ages = rows.by_x, rows.by_age
    of_x, of_age, bought = rows.weights
    k = r + xs.value
    at_alpha, at_beta = alpha[ages.group] + ages.value, beta[ages.group] + ages.value
    log_alpha, log_beta = np.log(at_alpha), np.log(at_beta)
    stay = -(k[xs.code] * log_alpha[ages.code] + s * log_beta[ages.code])
    table = DayTable.of(rows)
    gone = leaving_by_row(rows, point, stay) if table is None else table.leaving(rows, point, stay)
    left = rows.weight * gone.share
    stayed = of_age - ages.total(left)
    pace = (r * of_age + bought) - ages.total(left * k[xs.code])
    customers = rows.by_group(xs, of_x)
    value = (
        (of_x * (gammaln(k) - gammaln(r))).sum()
        + (customers * (r * np.log(alpha) + s * np.log(beta))).sum()
        + (rows.weight * (stay + gone.gain)).sum()
    )
    d_r = (of_x * (digamma(k) - digamma(r))).sum() + (customers * np.log(alpha)).sum()
    d_r -= (stayed * log_alpha).sum() + gone.log_alpha
    d_alpha = customers * r - alpha * (rows.by_group(ages, pace / at_alpha) + gone.inverse_alpha)
    d_s = (customers * np.log(beta)).sum() + left.sum() / s - (stayed * log_beta).sum() - gone.log_beta
    d_beta = customers * s - beta * (s * rows.by_group(ages, stayed / at_beta) + (s + 1) * gone.inverse_beta)
    return Likelihood(float(value), float(r * d_r), d_alpha, d_beta, float(s * d_s))


@final
class ParetoModel(BuyTillYouDie):
    """Pareto/NBD: customers buy at a steady pace and may leave for good at any moment.

    The pace differs between customers by a gamma distribution (shape `r`, rate `alpha`), the rate of leaving by another (`s`, `beta`).

    Notes
    -----
    Options, attributes and methods are those of `BuyTillYouDie`.

    The likelihood is that of having stayed plus an integral over the moment of leaving. The integral is summed by Gauss–Legendre
    quadrature, on a grid of days that all customers share or for each customer by itself; no hypergeometric function is needed, so
    ten thousand purchases are as safe as one.

    References
    ----------
    Schmittlein, Morrison and Colombo (1987), Counting Your Customers: Who Are They and What Will They Do Next?, Management Science
    33(1).

    Examples
    --------
    >>> import pandas as pd
    >>> history = pd.DataFrame({
    ...     "frequency": [0, 0, 1, 1, 2, 12] * 50, "t_x_days": [0, 0, 20, 150, 60, 170] * 50, "T_days": range(181, 481),
    ... })
    >>> model = ParetoModel(prior={"s": (0.6, 0.5), "beta": (12.0, 0.5)}).fit(history)
    >>> model.expected_purchases(history, "26w").head(6).round(2).tolist()
    [0.06, 0.06, 0.09, 0.77, 0.23, 5.65]
    """

    _kind: ClassVar = Kind(
        ("r", "alpha", "s", "beta"), ("alpha", "beta"), "beta", -1.0, "rank by expected purchases, never by P(alive)."
    )

    def _likelihood(self, rows: Rows, point: Point) -> Likelihood:
        return likelihood(rows, point)

    def _alive(self, x: Float, t: Float, age: Float, point: Point) -> Float:
        r, alpha, s, beta = point.r, point.alpha, point.other, point.drop
        stay = -((r + x) * np.log(alpha + age) + s * np.log(beta + age))
        return soft(stay - np.log(s) - log_integral(x, t, age, r, alpha, s, beta))[1]

    def _if_there(self, x: Float, age: Float, horizons: Float, point: Point) -> Float:
        pace, s = (point.r + x) / (point.alpha + age), point.other
        grown = np.log1p(horizons[:, None] / (point.drop + age))
        there = grown if s == 1 else -np.expm1(-(s - 1) * grown) / (s - 1)
        return np.asarray(pace * (point.drop + age) * there)

    def _counts(self, x: Float, age: Float, days: float, most: int, point: Point) -> Float:
        return leaving_any_time(point.r + x, point.alpha + age, point.other, point.drop + age, days, most)

    def _leaving(self, point: Point, age: float, covariance: Float) -> tuple[float, float]:
        beta = float(point.drop.mean())
        grown = float(np.log1p(age / beta))
        by = np.array([1.0, -age / (beta + age) / grown]) if grown > 0 else np.array([1.0, -1.0])
        return float(-np.expm1(-point.other * grown)), float(np.sqrt(by @ covariance[2:4, 2:4] @ by))
