"""Whether a policy beats the best single action for everybody."""

from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import norm

from crmintel.actions.proof.estimators import moments
from crmintel.actions.proof.logged import Logged
from crmintel.actions.proof.sequences import off_policy_sequence
from crmintel.evaluation.intervals import Estimate, Floats

ENOUGH: Final = 30
"""An action that was logged less often is not compared with, for its spread is unknown."""


def over_singles(log: Logged, weight: Floats, k: float, level: float) -> tuple[Estimate, pd.DataFrame]:
    """The policy less the best single action, and less each of them, by doubly robust scores.

    Parameters
    ----------
    k : float
        Standard errors between a gain and its limits.
    """
    rest = log.residual

    def make(rows: slice) -> Floats:
        told = log.direct[rows] + weight[rows] * rest[rows] - log.expected(rows)
        told[log.action[rows], np.arange(rows.stop - rows.start)] -= rest[rows] / log.propensity[rows]
        return np.asarray(told)

    gain, se = moments(make, log)
    # A policy that is a single action differs from it by nothing but rounding.
    size = max(float(weight.max()), 1.0) * (1 + np.abs(log.means).max())
    gain, se = (np.where(np.abs(v) < 1e-12 * size, 0.0, v) for v in (gain, se))
    together = 1 - (1 - level) / len(log.names)
    wider = k * float(norm.ppf((1 + together) / 2) / norm.ppf((1 + level) / 2))
    return _least(
        log,
        float(log.direct.mean() + weight @ rest / log.n),
        gain,
        gain - k * se,
        gain + k * se,
        gain + wider * se,
        level,
    )


def learned_over_singles(
    log: Logged, weight: Floats, bounds: tuple[float, float], level: float
) -> tuple[Estimate, pd.DataFrame]:
    """The same at any time for a log whose policy learned: exact limits of the policy less those of each action."""
    # Half of what may go wrong is the policy's; the other half is shared by the actions.
    spare = (1 - level) / 2
    mine = off_policy_sequence(weight, log.outcome, bounds=bounds, level=1 - spare).iloc[-1]
    ends = [
        off_policy_sequence(
            (log.action == b) / log.propensity, log.outcome, bounds=bounds, level=1 - spare / len(log.names)
        ).iloc[-1]
        for b in range(len(log.names))
    ]
    value, low, high = (np.array([e[c] for e in ends]) for c in ("mean", "low", "high"))
    gain, least, most = mine["mean"] - value, mine["low"] - high, mine["high"] - low
    return _least(log, float(mine["mean"]), gain, least, most, most, level)


def _least(
    log: Logged, value: float, gain: Floats, low: Floats, high: Floats, together: Floats, level: float
) -> tuple[Estimate, pd.DataFrame]:
    compared = log.counts >= min(ENOUGH, log.counts.max())
    table = pd.DataFrame({
        "action": log.names, "logged": log.counts, "value": value - gain, "gain": gain, "low": low, "high": high,
        "compared": compared,
    })  # fmt: skip
    least, lowest, highest = (float(x[compared].min()) for x in (gain, low, together))
    return Estimate(least, lowest, highest, level, "least of the limits against every action"), table
