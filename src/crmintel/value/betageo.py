"""BG/NBD and MBG/NBD: customers buy at a steady pace and may leave for good right after a purchase."""

from typing import ClassVar, Final, final

import numpy as np
from scipy.special import betaln, digamma, gammaln

from crmintel.value.betageo_mean import purchases_if_there
from crmintel.value.btyd import BuyTillYouDie
from crmintel.value.counts import leaving_after_purchases
from crmintel.value.layout import Kind
from crmintel.value.packing import Float, Rows
from crmintel.value.point import Likelihood, Point

_NAMES: Final = ("r", "alpha", "a", "b")
_RANK: Final = "rank by expected purchases, never by P(alive)."


def likelihood(rows: Rows, first: int, point: Point) -> Likelihood:
    """Log-likelihood of all customers and its slopes by logarithm of parameter.

    `first` is how many chances to leave come before the first repeat purchase: 0 in BG/NBD, 1 in MBG/NBD.
    """
    r, alpha, a, b = point.r, point.alpha, point.drop, point.other
    xs, ts, ages = rows.by_x, rows.by_t, rows.by_age
    of_x, of_age, bought = rows.weights
    k, m = r + xs.value, xs.value + first
    a_x = a[xs.group]
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.where(m > 0, np.log(a_x) - np.log(b + m - 1), -np.inf)
    at_age, at_t = alpha[ages.group] + ages.value, alpha[ts.group] + ts.value
    log_age = np.log(at_age)
    ratio = log_age[ages.code] - np.log(at_t)[ts.code]
    d = k[xs.code] * ratio
    d += odds[xs.code]
    small = np.exp(-np.abs(d))
    either = np.maximum(d, 0.0) + np.log1p(small)
    dead = rows.weight * np.where(d >= 0, 1.0, small) / (1.0 + small)
    gone = xs.total(dead)
    log_alpha, customers = np.log(alpha), rows.by_group(xs, of_x)
    value = (
        (of_x * (gammaln(k) - gammaln(r) + betaln(a_x, b + m) - betaln(a_x, b))).sum()
        + (customers * r * log_alpha).sum()
        - ((r * of_age + bought) * log_age).sum()
        + (rows.weight * either).sum()
    )
    d_r = (of_x * (digamma(k) - digamma(r))).sum() + (customers * log_alpha).sum() - (of_age * log_age).sum()
    d_r += (dead * ratio).sum()
    still = (r * of_age + bought) - ages.total(dead * k[xs.code])
    d_alpha = customers * r - alpha * (
        rows.by_group(ages, still / at_age) + rows.by_group(ts, ts.total(dead * k[xs.code]) / at_t)
    )
    less = digamma(a_x + b) - digamma(a_x + b + m)
    d_a = rows.by_group(xs, a_x * of_x * less + gone)
    last = np.where(m > 0, gone / np.where(m > 0, b + m - 1, 1.0), 0.0)
    d_b = (of_x * (digamma(b + m) - digamma(b) + less) - last).sum()
    return Likelihood(float(value), float(r * d_r), d_alpha, d_a, float(b * d_b))


def still_there(x: Float, t: Float, age: Float, first: int, point: Point) -> Float:
    """P(alive) of each customer."""
    r, alpha, a, b = point.r, point.alpha, point.drop, point.other
    m = x + first
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.where(m > 0, np.log(a) - np.log(b + m - 1), -np.inf)
    d = odds + (r + x) * (np.log(alpha + age) - np.log(alpha + t))
    small = np.exp(-np.abs(d))
    return np.asarray(np.where(d >= 0, small, 1.0) / (1.0 + small))


def leaving_at_a_purchase(point: Point, covariance: Float) -> tuple[float, float]:
    """The mean chance to leave after a purchase, and the standard error of the logarithm of a/b."""
    chance = float((point.drop / (point.drop + point.other)).mean())
    return chance, float(np.sqrt(covariance[2, 2] + covariance[3, 3] - 2 * covariance[2, 3]))


@final
class BetaGeoModel(BuyTillYouDie):
    """BG/NBD: customers buy at a steady pace, and after each repeat purchase some leave for good.

    The pace differs between customers by a gamma distribution (shape `r`, rate `alpha`), the chance to leave after a purchase by a
    beta distribution (`a`, `b`). Nobody leaves before the first repeat purchase, so P(alive) of who never bought again is 1.

    Notes
    -----
    Options, attributes and methods are those of `BuyTillYouDie`.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2).

    Examples
    --------
    >>> import pandas as pd
    >>> history = pd.DataFrame({
    ...     "frequency": [0, 0, 1, 1, 2, 12] * 50, "t_x_days": [0, 0, 20, 150, 60, 170] * 50, "T_days": range(181, 481),
    ... })
    >>> model = BetaGeoModel().fit(history)
    >>> model.expected_purchases(history, "26w").head(6).round(2).tolist()
    [0.3, 0.29, 0.13, 0.54, 0.34, 6.65]
    """

    _kind: ClassVar = Kind(_NAMES, ("alpha",), "a", 1.0, f"their P(alive) is 1 by construction, so {_RANK}")

    def _likelihood(self, rows: Rows, point: Point) -> Likelihood:
        return likelihood(rows, 0, point)

    def _alive(self, x: Float, t: Float, age: Float, point: Point) -> Float:
        return still_there(x, t, age, 0, point)

    def _if_there(self, x: Float, age: Float, horizons: Float, point: Point) -> Float:
        return purchases_if_there(point.r + x, point.alpha + age, point.drop, point.other + x, horizons)

    def _counts(self, x: Float, age: Float, days: float, most: int, point: Point) -> Float:
        return leaving_after_purchases(point.r + x, point.alpha + age, point.drop, point.other + x, days, most)

    def _leaving(self, point: Point, age: float, covariance: Float) -> tuple[float, float]:
        return leaving_at_a_purchase(point, covariance)


@final
class ModifiedBetaGeoModel(BuyTillYouDie):
    """MBG/NBD: as BG/NBD, but customers may leave right after the first purchase too.

    So P(alive) of who never bought again lies below 1 and falls with time.

    Notes
    -----
    Options, attributes and methods are those of `BuyTillYouDie`.

    References
    ----------
    Batislam, Denizel and Filiztekin (2007), Empirical Validation and Comparison of Models for Customer Base Analysis,
    International Journal of Research in Marketing 24(3).

    Examples
    --------
    >>> import pandas as pd
    >>> history = pd.DataFrame({
    ...     "frequency": [0, 0, 1, 1, 2, 12] * 50, "t_x_days": [0, 0, 20, 150, 60, 170] * 50, "T_days": range(181, 481),
    ... })
    >>> model = ModifiedBetaGeoModel().fit(history)
    >>> model.expected_purchases(history, "26w").head(6).round(2).tolist()
    [0.14, 0.14, 0.14, 0.88, 0.32, 5.23]
    """

    _kind: ClassVar = Kind(_NAMES, ("alpha",), "a", 1.0, _RANK)

    def _likelihood(self, rows: Rows, point: Point) -> Likelihood:
        return likelihood(rows, 1, point)

    def _alive(self, x: Float, t: Float, age: Float, point: Point) -> Float:
        return still_there(x, t, age, 1, point)

    def _if_there(self, x: Float, age: Float, horizons: Float, point: Point) -> Float:
        return purchases_if_there(point.r + x, point.alpha + age, point.drop, point.other + x + 1, horizons)

    def _counts(self, x: Float, age: Float, days: float, most: int, point: Point) -> Float:
        return leaving_after_purchases(point.r + x, point.alpha + age, point.drop, point.other + x + 1, days, most)

    def _leaving(self, point: Point, age: float, covariance: Float) -> tuple[float, float]:
        return leaving_at_a_purchase(point, covariance)
