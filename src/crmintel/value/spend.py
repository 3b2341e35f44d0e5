"""What a purchase of each customer is worth on average: the model of Gamma and Gamma."""

import warnings
from collections.abc import Mapping
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize
from scipy.special import betaln, digamma
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.evaluation import tables
from crmintel.value.independence import independence
from crmintel.value.purchases import FREQUENCY, MEAN_VALUE, Float

NAMES: Final = ("p", "q", "v")
HEAVY: Final = 0.5
"""A customer who holds more than this share of the money is told of."""
_KINDS: Final = ("integer", "floating", "mixed-integer-float", "decimal", "empty")
_FAR: Final = 12.0
"""A logarithm of a parameter beyond this has run away."""


@final
class GammaGammaModel(BaseEstimator):
    """Mean money of a purchase: each customer's own mean, drawn towards that of all, the more so the fewer the purchases.

    Money of one purchase of a customer is Gamma with shape p and a rate of the customer's own; the rates are Gamma with
    shape q and rate v. Frequency plays no part but that of evidence, which `independence_` checks.

    Parameters
    ----------
    prior : mapping of str to pair of float, optional
        For "p", "q" or "v" the median, and the standard deviation of the logarithm. Of use with few customers.

    Attributes
    ----------
    parameters_ : dict
        p, q (without unit) and v (money).
    covariance_ : DataFrame, shape (3, 3)
        Of the logarithms of the parameters; missing where one ran away.
    log_likelihood_ : float
        Without the prior.
    independence_ : Independence
    counts_ : dict
        Customers who were fitted, who were left out as they bought on one day only (no_repeat), and as their mean was not
        above zero (not_positive).
    notes_ : tuple of str
        What a reader should know.

    References
    ----------
    Colombo and Jiang (1999), Journal of Interactive Marketing 13, 2-12. Fader, Hardie and Lee (2005), "RFM and CLV",
    Journal of Marketing Research 42, 415-430. Fader and Hardie (2013), "The Gamma-Gamma Model of Monetary Value".

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.integers(0, 9, 2000)
    >>> mean = rng.gamma(6 * np.maximum(x, 1), 15 / rng.gamma(4, size=2000)) / np.maximum(x, 1)
    >>> table = pd.DataFrame({"frequency": x, "mean_value": np.where(x > 0, mean, np.nan)})
    >>> model = GammaGammaModel().fit(table)
    >>> {name: round(value, 1) for name, value in model.parameters_.items()}
    {'p': 5.3, 'q': 4.1, 'v': 17.6}
    >>> model.expected_value(pd.DataFrame({"frequency": [0, 1, 8], "mean_value": [np.nan, 60.0, 60.0]})).round(1).tolist()
    [29.8, 48.8, 57.9]
    """

    def __init__(self, prior: Mapping[str, tuple[float, float]] | None = None) -> None:
        self.prior = prior

    def fit(self, history: pd.DataFrame, y: Any = None) -> Self:
        """Learn from a table such as `purchase_history` makes; ``frequency`` and ``mean_value`` are read.

        Raises
        ------
        DataContractError
            If columns are missing, numbers are infinite, nobody bought again for money, or all means are equal.
        DataTypeError
            If a column holds something else than numbers.
        """
        x, m = _read(history)
        again = x > 0
        kept = again & (m > 0)
        self.counts_ = {"fitted": int(kept.sum()), "no_repeat": int((~again).sum()), "not_positive": int((again & ~kept).sum())}  # fmt: skip
        _refuse(m[kept], self.counts_)
        x, m = x[kept], m[kept]
        order = np.lexsort((m, x))  # sums must not depend on who came first
        x, m = x[order], m[order]
        unit = float(np.median(m))
        centre, weight = self._centre(unit)
        surface = _Surface(x, m / unit, centre, weight)
        found = minimize(
            surface, np.log([4.0, 4.0, 4.0]), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 500}
        )
        theta = np.clip(found.x, -_FAR, _FAR)
        runaway = [n for n, t in zip(NAMES, found.x, strict=True) if abs(t) > _FAR - 0.1]
        cov = _inverse(surface, theta)
        self.covariance_ = pd.DataFrame(cov, index=list(NAMES), columns=list(NAMES))
        values = np.exp(theta) * np.array([1.0, 1.0, unit])
        self.parameters_ = {n: float(v) for n, v in zip(NAMES, values, strict=True)}
        self.log_likelihood_ = float(surface.likelihood(theta)[0] - len(x) * np.log(unit))
        self.independence_ = independence(x, m, *np.exp(theta[:2]))
        self.notes_ = tuple(self._notes(x * m, bool(runaway) or bool(np.isnan(cov).any())))
        if self.independence_.matters:
            warnings.warn(f"GammaGammaModel: {self.independence_}.", DataContractWarning, stacklevel=2)
        return self

    def expected_value(self, history: pd.DataFrame) -> pd.Series:
        """Expected money of a purchase of each customer, with the index of the table.

        Who bought on one day only has the mean of all. It exists if q > 1; otherwise it is missing, with a warning. A mean
        below zero counts as zero.

        Raises
        ------
        DataContractError
            If columns are missing, numbers are infinite, or a mean is missing where there were purchases.
        """
        check_is_fitted(self)
        x, m = _read(history)
        p, q, v = (self.parameters_[n] for n in NAMES)
        below = p * x + q - 1
        total = np.where(x > 0, x * np.maximum(np.nan_to_num(m), 0), 0.0)
        out = np.divide(p * (v + total), below, out=np.full(len(x), np.nan), where=below > 0)
        if lost := int((below <= 0).sum()):
            warnings.warn(
                f"q is {q:.2f}: spend varies so much between customers that the mean of all does not exist. "
                f"{lost:,} of {len(x):,} customers have too few purchases for a mean of their own and get none.",
                DataContractWarning,
                stacklevel=2,
            )
        return pd.Series(out, index=history.index, name=MEAN_VALUE)

    def summary(self) -> pd.DataFrame:
        """Parameters and the check of independence: parameter, estimate, standard_error, low and high (95 %; formed on logarithms)."""
        check_is_fitted(self)
        z, rows, said = float(norm.ppf(0.975)), [], self.independence_
        for name, spread in zip(NAMES, np.sqrt(np.diag(self.covariance_)), strict=True):
            value = self.parameters_[name]
            rows.append((name, value, value * spread, value * np.exp(-z * spread), value * np.exp(z * spread)))
        for name, r in (("correlation", said.pearson), ("rank_correlation", said.spearman)):
            rows.append((name, r.value, np.nan, r.low, r.high))
        rows.append(("rank_correlation_by_model", said.ranks_by_model, np.nan, np.nan, np.nan))
        return pd.DataFrame(rows, columns=["parameter", "estimate", "standard_error", "low", "high"])

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        if not hasattr(self, "parameters_"):
            return str(super().__repr__(N_CHAR_MAX))
        told = ", ".join(f"{n} {v:.4g}" for n, v in self.parameters_.items())
        return f"GammaGammaModel: {told}; {'; '.join(self.notes_)}"

    def _html_repr(self) -> str:
        """What was learned; before that, as scikit-learn shows it."""
        if not hasattr(self, "parameters_"):
            return str(BaseEstimator._html_repr(self))
        return tables.page(repr(self), summary=self.summary())

    def _centre(self, unit: float) -> tuple[Float, Float]:
        """Middle and weight of the prior of each logarithm, money told in units."""
        centre, weight = np.zeros(3), np.zeros(3)
        for name, pair in (self.prior or {}).items():
            told = np.asarray(pair, np.float64)
            if name not in NAMES or told.shape != (2,) or not (np.isfinite(told).all() and (told > 0).all()):
                raise DataContractError(
                    f"prior names {name!r} with {pair!r}. Give p, q or v a median and a spread of the logarithm, both above zero."
                )
            i = NAMES.index(name)
            centre[i], weight[i] = np.log(told[0] / (unit if name == "v" else 1.0)), told[1] ** -2
        return centre, weight

    def _notes(self, money: Float, flat: bool) -> list[str]:
        counts = self.counts_
        notes = [
            f"{counts['fitted']:,} customers ({counts['no_repeat']:,} without a second purchase day and "
            f"{counts['not_positive']:,} with a mean that is not above zero left out)",
            str(self.independence_),
        ]
        if len(money) > 1 and float(money.max()) > HEAVY * float(money.sum()):
            notes.append("one customer alone holds over half of the money: look at the model without, too")
        if self.parameters_["q"] <= 1:
            notes.append("q is not above 1: the mean of all does not exist")
        if flat:
            notes.append(
                "the data do not tell all parameters apart (customers, or the purchases of one customer, hardly differ): "
                "means can be used, intervals cannot"
            )
        return notes


class _Surface:
    """Minus the mean log-posterior and its gradient at logarithms of p, q and v."""

    def __init__(self, x: Float, m: Float, centre: Float, weight: Float) -> None:
        self.n, self.total = len(x), x * m
        self.levels, self.place, self.counts = np.unique(x, return_inverse=True, return_counts=True)
        self.bits, self.constant = np.log(self.total), float(np.log(m).sum())
        self.centre, self.weight = centre, weight

    def __call__(self, theta: Float) -> tuple[float, Float]:
        inside = np.clip(theta, -_FAR, _FAR)
        value, slope = self.likelihood(inside)
        off = inside - self.centre
        value -= float(self.weight @ off**2) / 2
        slope = np.where(inside == theta, slope - self.weight * off, 0.0)
        return -value / self.n, -slope / self.n

    def likelihood(self, theta: Float) -> tuple[float, Float]:
        """The sum over customers, and its slopes along the logarithms."""
        p, q, v = np.exp(theta)
        px, s, n = p * self.levels, self.total, self.n  # what depends on frequency alone is told once a frequency
        up = np.log1p(s / v)
        down = up - self.bits + theta[2]
        ups, downs = up.sum(), np.bincount(self.place, down)
        value = self.counts @ -betaln(px, q) - q * ups - px @ downs - self.constant
        both = digamma(px + q)
        slope = [
            px @ (self.counts * (both - digamma(px)) - downs),
            q * (self.counts @ both - n * digamma(q) - ups),
            n * q - (px + q) @ np.bincount(self.place, v / (s + v)),
        ]
        return float(value), np.array(slope)


def _inverse(surface: _Surface, theta: Float, step: float = 1e-4) -> Float:
    """Covariance of the logarithms: the inverse of the slopes' slopes, by differences; NaN where these do not bend downwards."""
    rows = np.array([surface(theta + step * e)[1] - surface(theta - step * e)[1] for e in np.eye(3)])
    bend = (rows + rows.T) * (surface.n / (4 * step))
    if np.abs(theta).max() > _FAR - 0.1 or np.linalg.eigvalsh(bend)[0] <= 1e-3:
        return np.full((3, 3), np.nan)
    out: Float = np.linalg.inv(bend)
    return out


def _read(history: Any) -> tuple[Float, Float]:
    """Frequency and mean value of each row, checked."""
    if not isinstance(history, pd.DataFrame):
        raise DataContractError(
            f"A history cannot be a {type(history).__name__} here. Make it with purchase_history(log, at)."
        )
    if absent := [c for c in (FREQUENCY, MEAN_VALUE) if c not in history.columns]:
        raise DataContractError(
            f"Missing columns: {', '.join(map(repr, absent))}. Make the table with purchase_history(log, at), from a log with amounts."
        )
    x, m = (_numbers(history[c], c) for c in (FREQUENCY, MEAN_VALUE))
    _complain(~np.isfinite(x) | (x < 0) | (x != np.floor(x)), f"{FREQUENCY!r} is no whole number from 0 on")
    _complain(np.isinf(m), f"{MEAN_VALUE!r} is infinite")
    _complain((x > 0) & np.isnan(m), f"{MEAN_VALUE!r} is missing although there were repeat purchases")
    return x, m


def _numbers(column: pd.Series, name: str) -> Float:
    """Numbers as floats; text that looks like numbers is refused, too."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind not in _KINDS:
        raise DataTypeError(f"{name!r} does not hold numbers ({kind}). Convert it with pandas.to_numeric.")
    out: Float = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return out


def _complain(wrong: npt.NDArray[np.bool_], what: str) -> None:
    if n := int(wrong.sum()):
        first = ", ".join(map(str, np.flatnonzero(wrong)[:5]))
        raise DataContractError(
            f"{n:,} of {len(wrong):,} rows: {what} (first rows: {first}). Repair or leave them out."
        )


def _refuse(m: Float, counts: Mapping[str, int]) -> None:
    if not len(m):
        raise DataContractError(
            f"Nobody bought again for money: {counts['no_repeat']:,} customers without a second purchase day, "
            f"{counts['not_positive']:,} with a mean that is not above zero. Use a longer history, or map the amounts."
        )
    if np.ptp(m) <= 1e-9 * m.max():
        raise DataContractError(
            f"All {len(m):,} mean values are equal: there is no spread of spend to learn from. "
            "Where every purchase costs the same, multiply the counts by that price."
        )
