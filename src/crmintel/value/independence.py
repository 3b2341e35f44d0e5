"""Whether customers who buy more often spend more a purchase: what models of spend take not to be so."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from crmintel.evaluation.intervals import Estimate
from crmintel.showing import Shown
from crmintel.value.correlation import FEWEST, pearson, spearman
from crmintel.value.purchases import Float

MATTERS: Final = 0.3
"""A correlation of frequency and spend so far from what the model makes, either way, is warned of."""
_DRAWN: Final = 10_000
"""Customers that are simulated for the correlation of ranks, at least."""


@final
@dataclass(frozen=True)
class Independence(Shown):
    """Whether customers who buy more often spend more a purchase; the model takes it that they do not.

    Parameters
    ----------
    pearson, spearman : Estimate
        Correlation of frequency and mean value over the customers of the fit, and that of their ranks; NaN where one does
        not vary.
    ranks_by_model : float
        The correlation of ranks that the fitted model makes by itself, without any dependence: means of few purchases are
        more skewed, so that more of them are small. (Its other correlation is zero.)
    n : int
        Those customers.

    Examples
    --------
    >>> Independence(Estimate(0.5, 0.4, 0.6), Estimate(0.1, 0.0, 0.2), ranks_by_model=0.1, n=900).matters
    True
    """

    pearson: Estimate
    spearman: Estimate
    ranks_by_model: float
    n: int

    @property
    def matters(self) -> bool:
        """Whether either correlation is more than .3 from what the model makes."""
        return bool(max(abs(self.pearson.value), abs(self.spearman.value - self.ranks_by_model)) > MATTERS)

    def __str__(self) -> str:
        r, ranks = self.pearson, self.spearman
        if np.isnan(r.value):
            return f"whether spend goes with frequency cannot be told from {self.n:,} customers: too few, or one of the two does not vary"
        lead = r.value if r.excludes_zero else (ranks.value - self.ranks_by_model) * self.matters
        way = "as much" if lead == 0 else "more" if lead > 0 else "less"
        said = (
            f"customers who buy more often spend {way} a purchase "
            f"(correlation {r:.2f}; of ranks {ranks:.2f}, where the model makes {self.ranks_by_model:.2f})"
        )
        if lead == 0:
            return f"{said}, as the model assumes"
        weight = "too strong to pass over: learn the money itself instead" if self.matters else "weak enough to go on"
        return f"{said}: the model assumes that there is no difference; this is {weight}"


def independence(x: Float, m: Float, p: float, q: float) -> Independence:
    """The check for frequencies and mean values, beside a model of Gamma and Gamma with these shapes."""
    return Independence(pearson(x, m), spearman(x, m), _ranks_by_model(x, p, q), len(x))


def _ranks_by_model(x: Float, p: float, q: float) -> float:
    """The correlation of the ranks of frequency and mean value that the model makes, by simulation of the same customers."""
    if len(x) < FEWEST or np.ptp(x) == 0:
        return float("nan")
    seen = np.tile(x[:: max(1, len(x) // _DRAWN)], max(1, _DRAWN // len(x)))
    rng = np.random.default_rng(0)
    with np.errstate(divide="ignore", over="ignore"):
        m = rng.gamma(p * seen) / seen / rng.gamma(q, size=len(seen))
    return spearman(seen, m).value
