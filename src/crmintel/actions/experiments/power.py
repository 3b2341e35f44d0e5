"""How many customers show a difference, and which difference so many customers show."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import optimize, stats


@final
@dataclass(frozen=True)
class Noise:
    """The spread of an outcome that two arms are compared on.

    Parameters
    ----------
    baseline : float
        Rate, or mean, without the action.
    sd : float, optional
        Of the outcome; left out for rates, whose spread follows from the rate.
    factor : float
        Customers needed over those that rows without covariates, strata and repeats would need.
    """

    baseline: float
    sd: float | None
    factor: float

    @property
    def variance(self) -> float:
        """Of one row without the action."""
        return self.baseline * (1 - self.baseline) if self.sd is None else self.sd**2

    def size(self, change: float, share: float, a: float, b: float) -> float:
        """Customers of both arms that show a change; `share` of them treated, `a` and `b` the quantiles of level and power."""
        weight = 1 / share + 1 / (1 - share)
        if self.sd is not None:
            return float(self.factor * weight * ((a + b) * self.sd / change) ** 2)
        p0, p1 = self.baseline, self.baseline + change
        mean = share * p1 + (1 - share) * p0
        null = a * np.sqrt(mean * (1 - mean) * weight)
        other = b * np.sqrt(p1 * (1 - p1) / share + p0 * (1 - p0) / (1 - share))
        return float(self.factor * ((null + other) / change) ** 2)

    def smallest(self, customers: float, share: float, a: float, b: float, sign: float) -> float:
        """The smallest change to one side that so many customers of both arms show; NaN if they show none."""
        if self.sd is not None:
            return float(sign * (a + b) * self.sd * np.sqrt(self.factor * (1 / share + 1 / (1 - share)) / customers))
        edge = (self.baseline if sign < 0 else 1 - self.baseline) * (1 - 1e-9)
        if self.size(sign * edge, share, a, b) > customers:
            return float("nan")
        low = edge * 1e-7
        if self.size(sign * low, share, a, b) < customers:
            return float(sign * low)
        return float(sign * optimize.brentq(lambda d: self.size(sign * d, share, a, b) - customers, low, edge))

    def error(self, treated: float, control: float) -> float:
        """The standard error of the difference where nothing changes."""
        return float(np.sqrt(self.factor * self.variance * (1 / treated + 1 / control)))


def quantile(error: float) -> float:
    """Standard errors that chance passes on one side with this probability."""
    return float(stats.norm.ppf(1 - error))
