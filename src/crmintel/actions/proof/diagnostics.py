"""Whether a log can tell anything about another policy: weights, support, and the audit of its propensities."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import pandas as pd
from scipy.stats import norm

from crmintel.actions.proof.logged import Logged
from crmintel.evaluation.intervals import Floats
from crmintel.showing import Shown

FEW: Final = 0.05
"""Below this share of effective rounds, intervals rest on a few rounds with large weights."""
LEAST: Final = 50
"""So many effective rounds are needed, however many there are."""
JUDGED: Final = 100
"""So many effective rounds an action needs before its audit can fail: with fewer, the mean of 1 / p is too skew."""
RARE: Final = 0.01
FALSE_ALARM: Final = 0.001
"""How often an audit of right propensities complains, over all actions together."""


@final
@dataclass(frozen=True)
class Diagnostics(Shown):
    """What the weights of a log look like under a target policy.

    Parameters
    ----------
    rounds, customers : int
    effective : float
        (Σw)² / Σw²: as many rounds with equal weights would tell as much.
    largest_weight, mean_weight, mean_weight_se : float
        The mean must be one.
    rare : float
        Share of the rounds whose propensity is below 0.01.
    unsupported : float
        Probability that the target puts on actions without a chance of being logged, mean of the rounds.
    audit : DataFrame
        One row an action: action, logged, mean (of 1{A = a} / p), expected (1 where it is always possible), z, judged,
        passed (also where too little is known to judge).

    Examples
    --------
    >>> from crmintel.actions import evaluate_policy
    >>> rng = np.random.default_rng(0)
    >>> action = rng.choice(["no action", "mail"], 2000)
    >>> value = evaluate_policy(action, rng.normal(size=2000), np.full(2000, 0.5), np.full(2000, "mail"))
    >>> value.diagnostics.effective, value.diagnostics.largest_weight
    (1043.0, 2.0)
    """

    rounds: int
    customers: int
    effective: float
    largest_weight: float
    mean_weight: float
    mean_weight_se: float
    rare: float
    unsupported: float
    audit: pd.DataFrame

    @property
    def effective_share(self) -> float:
        """Effective rounds over rounds."""
        return self.effective / self.rounds

    @property
    def thin(self) -> bool:
        """Whether too few rounds carry the weight."""
        return self.effective_share < FEW or self.effective < LEAST

    def to_frame(self) -> pd.DataFrame:
        """One row a figure: figure, value."""
        names = ("rounds", "customers", "effective", "effective_share", "largest_weight", "mean_weight", "mean_weight_se",
                 "rare", "unsupported")  # fmt: skip
        return pd.DataFrame({"figure": names, "value": [float(getattr(self, n)) for n in names]})

    def warnings(self) -> tuple[str, ...]:
        """What is wrong, in sentences."""
        told = []
        if self.unsupported > 1e-9:
            told.append(
                f"{self.unsupported:.1%} of the target's probability lies on actions that could not be logged: "
                "its value there is undefined, and no figure below holds for it."
            )
        if self.thin:
            told.append(
                f"The weights leave {self.effective:,.0f} effective rounds of {self.rounds:,} ({self.effective_share:.1%}, "
                f"largest weight {self.largest_weight:,.0f}): the intervals rest on few rounds and cannot be trusted."
            )
        failed = self.audit.loc[~self.audit["passed"], "action"]
        if len(failed):
            names = ", ".join(map(str, failed[:5])) + (", ..." if len(failed) > 5 else "")
            told.append(
                f"The logged propensities of {len(failed):,} of {len(self.audit):,} actions do not match how often these were "
                f"taken ({names}): every estimate is wrong. Log the final probability, after all rules."
            )
        if abs(self.mean_weight - 1) > 4 * self.mean_weight_se and not len(failed) and self.unsupported <= 1e-9:
            told.append(
                f"The mean weight is {self.mean_weight:.3f} where 1 is due ({self.mean_weight_se:.3f} standard error)."
            )
        return tuple(told)


def diagnose(log: Logged, weight: Floats) -> Diagnostics:
    """Weights, support and audit of a log."""
    off = log.per_customer(weight - weight.mean())
    square = weight @ weight
    return Diagnostics(
        log.n, log.clusters, float(weight.sum() ** 2 / square) if square else 0.0, float(weight.max()),
        float(weight.mean()), float(np.sqrt(off @ off * log.clusters / max(log.clusters - 1, 1)) / log.n),
        float((log.propensity < RARE).mean()), _unsupported(log), _audit(log),
    )  # fmt: skip


def _unsupported(log: Logged) -> float:
    """Mean probability of the target's actions that had no chance; without all propensities, that were never logged."""
    if log.every is None and log.counts.all():
        return 0.0
    impossible = np.broadcast_to(log.counts == 0, (log.n, len(log.names))) if log.every is None else log.every <= 0
    if log.target is None:
        return float(impossible[np.arange(log.n), log.choice].mean())
    return float(log.target[impossible].sum() / log.n)


def _audit(log: Logged) -> pd.DataFrame:
    """The mean of 1{A = a} / p of each action beside the share of rounds in which it was possible."""
    inverse, k = 1 / log.propensity, len(log.names)
    mean = np.bincount(log.action, inverse, k) / log.n
    possible = np.ones(k) if log.every is None else (log.every > 0).mean(axis=0)
    # Given all propensities the spread is known; otherwise, or with several rounds a customer, it comes from the rounds.
    square = np.bincount(log.action, inverse**2, k) / log.n
    if log.every is not None:
        square = np.divide(1, log.every, out=np.zeros_like(log.every), where=log.every > 0).mean(axis=0)
    effective = log.n * np.divide(
        np.where(log.every is None, mean, possible) ** 2, square, out=np.zeros(k), where=square > 0
    )
    if log.starts is not None:
        spread = _clustered(log, inverse, mean)
    else:
        spread = square - (mean**2 if log.every is None else possible)
    se = np.sqrt(np.maximum(spread, 0) / log.n)
    judged = effective >= JUDGED
    z = np.divide(mean - possible, se, out=np.full(k, np.nan), where=se > 1e-9)
    limit = norm.ppf(1 - FALSE_ALARM / 2 / k)
    return pd.DataFrame({
        "action": log.names, "logged": log.counts, "mean": mean, "expected": possible, "z": z,
        "judged": judged, "passed": ~(judged & (np.abs(z) > limit)),
    })  # fmt: skip


def _clustered(log: Logged, inverse: Floats, mean: Floats) -> Floats:
    """n times the variance of each mean, the rounds of a customer summed first."""
    who = np.repeat(np.arange(log.clusters), log.sizes)
    k = len(log.names)
    pair, at = np.unique(who * k + log.action, return_inverse=True)
    sums, size = np.bincount(at, inverse), log.sizes
    # Σ_c (s_c − m n_c)², where most customers have no round with the action and s_c is 0.
    action = pair % k
    square = np.bincount(action, sums**2, k) - 2 * mean * np.bincount(action, sums * size[pair // k], k)
    return (square + mean**2 * (size @ size)) / log.n
