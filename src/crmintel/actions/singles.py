"""Whether a policy beats the best single action for everybody."""

from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import norm

from crmintel.actions.estimators import moments
from crmintel.actions.logged import Logged
from crmintel.evaluation.intervals import Estimate, Floats

ENOUGH: Final = 30
"""An action that was logged less often is not compared with, for its spread is unknown."""


def over_singles(
    log: Logged, weight: Floats, k: float, wider: float, level: float, *, modelled: bool = True
) -> tuple[Estimate, pd.DataFrame]:
    """The policy less the best single action, and less each of them, by doubly robust scores.

    Parameters
    ----------
    k, wider : float
        Standard errors between gain and limits: of one comparison, and of the upper limits of all together.
    modelled : bool
        Whether outcomes are expected. Means over all rounds know the future of a round, which a sequence must not.
    """
    own = log.own if modelled else np.zeros(log.n)
    policy = weight * (log.outcome - own) + (log.direct if modelled else 0)
    rest = (log.outcome - own) / log.propensity

    def make(rows: slice) -> Floats:
        n = rows.stop - rows.start
        told = policy[rows] - (log.expected(rows) if modelled else np.zeros((len(log.names), n)))
        told[log.action[rows], np.arange(n)] -= rest[rows]
        return np.asarray(told)

    gain, se = moments(make, log)
    # A policy that is a single action differs from it by nothing but rounding.
    gain = np.where(np.abs(gain) < 1e-12 * (1 + np.abs(policy).max()), 0.0, gain)
    half, most = (np.full_like(se, np.inf) if np.isinf(x) else x * se for x in (k, wider))
    table = pd.DataFrame({
        "action": log.names, "logged": log.counts, "value": policy.mean() - gain, "gain": gain,
        "low": gain - half, "high": gain + half, "compared": log.counts >= min(ENOUGH, log.counts.max()),
    })  # fmt: skip
    mine = table["compared"].to_numpy()
    ends = float((gain - half)[mine].min()), float((gain + most)[mine].min())
    return Estimate(float(gain[mine].min()), *ends, level, "least of the limits against every action"), table


def bonferroni(k: float, comparisons: int, level: float) -> float:
    """Standard errors of an upper limit that holds for several comparisons together."""
    return k * float(norm.ppf(1 - (1 - level) / 2 / comparisons) / norm.ppf((1 + level) / 2))
