"""Do customers buy at random, as the models assume, or like clockwork?"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Estimate
from crmintel.showing import Shown
from crmintel.value.purchases import PurchaseDays

_RANDOM: Final = 1 / 12
_Z: Final = 1.959963984540054
REGULAR: Final = 1.5


@final
@dataclass(frozen=True)
class Regularity(Shown):
    """How evenly customers space their purchases.

    Parameters
    ----------
    shape : Estimate
        Shape of a gamma distribution of gaps, with its 95 % interval: 1 is random, 2 or more is regular, below 1 comes in bursts.
    n_customers : int
        Who has two gaps or more.

    Examples
    --------
    >>> from crmintel.value import PurchaseDays, regularity
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> round(regularity(PurchaseDays.of(log)).shape.value, 1)  # 1 is as irregular as chance
    1.1
    """

    shape: Estimate
    n_customers: int

    @property
    def regular(self) -> bool:
        """Whether the gaps are more even than the models can bear, beyond chance."""
        return self.shape.value > REGULAR and self.shape.low > 1

    def __str__(self) -> str:
        told = f"Shape of gaps {self.shape} (1 is random), by {self.n_customers:,} customers."
        if not self.regular:
            return told
        return (
            f"{told} Customers buy like clockwork: who is overdue has left more surely, and who is not is there more surely, than "
            "models of random purchases say. Read their P(alive) with care."
        )


def regularity(days: PurchaseDays) -> Regularity:
    """Measure regularity by the last two gaps of each customer.

    Of two random gaps the first is a uniform share of both, with variance 1/12; the more even the gaps, the closer to one half.
    Days are whole, so two random gaps that sum to S days have a share of variance (1 − 2/S)/12: that is what is compared with.

    Parameters
    ----------
    days : PurchaseDays

    Raises
    ------
    DataContractError
        If fewer than 2 customers have three purchase days.

    References
    ----------
    Wheat and Morrison (1990), Estimating Purchase Regularity with Two Interpurchase Times, Journal of Marketing Research 27(1).

    Examples
    --------
    >>> import pandas as pd
    >>> weekly = np.tile(np.arange(5) * 7 + 1, 20)
    >>> days = PurchaseDays(pd.Index(range(20)), np.arange(21) * 5, weekly, np.ones(100, bool), None, 40)
    >>> regularity(days).regular
    True
    """
    bought = days.purchases()
    last = bought.starts[1:][np.diff(bought.starts) >= 3] - 1
    if len(last) < 2:
        raise DataContractError(
            f"{len(last):,} of {len(days.customers):,} customers have three purchase days. Two are needed at least."
        )
    before, gap = bought.day[last - 1] - bought.day[last - 2], bought.day[last] - bought.day[last - 1]
    total = (before + gap).astype(np.float64)
    seen, random = (before / total - 0.5) ** 2, (1 - 2 / total) * _RANDOM
    if not random.any():
        raise DataContractError(
            "All gaps are one day: regularity cannot be told from whole days. Use a longer history."
        )
    ratio = float(seen.sum() / random.sum())
    error = float(np.sqrt(((seen - ratio * random) ** 2).sum()) / random.sum())
    low, value, high = (_shape(v * _RANDOM) for v in (ratio + _Z * error, ratio, max(ratio - _Z * error, 0.0)))
    return Regularity(Estimate(value, low, high), len(last))


def _shape(variance: float) -> float:
    """Of gamma gaps whose share has this variance: 1/(4 (2k + 1))."""
    with np.errstate(divide="ignore"):
        return float(max(np.divide(1 - 4 * variance, 8 * variance), 0.0))
