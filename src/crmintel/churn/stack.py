"""One log-odds out of several: weights that are not negative, and a constant, by log-loss on rows not learned from."""

from dataclasses import dataclass
from typing import Any, Final, Literal, final

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from crmintel.churn.table import Float, Int

PENALTY: Final = 1e-3
"""How strongly weights are drawn towards equal ones at least, beside a mean log-loss."""
PRIOR: Final = 2.0
"""The same times the customers of the rarer kind: few of them say little about weights."""
FEW_POSITIVES: Final = 50
"""With fewer customers of the rarer kind, learners get equal weights and no further step is tried."""
Kind = Literal["none", "sigmoid", "isotonic"]


@final
@dataclass(frozen=True, eq=False)
class Weights:
    """A weighted sum of log-odds and a constant."""

    constant: float
    weights: Float

    def __call__(self, log_odds: Float) -> Float:
        """One log-odds for each row of (n_rows, n_learners); summed learner by learner, so that batches do not matter."""
        out = np.full(len(log_odds), self.constant)
        for j, w in enumerate(self.weights):
            out += w * log_odds[:, j]
        return out


def learned(z: Float, y: Int, *, groups: Int | None = None, penalty: float | None = None) -> Weights:
    """Weights and constant that minimise mean log-loss + penalty × squared distance to equal weights.

    The penalty is 0.001, or 2 ÷ the rows of the rarer label if that is more.

    Parameters
    ----------
    z : float, shape (n_rows, n_learners)
        Log-odds of rows that were not learned from.
    y : int, shape (n_rows,)
    groups : int, shape (n_rows,), optional
        Rows that get a constant of their own while weights are learned, such as those of one instant; the constant that is
        returned is then their mean.

    References
    ----------
    Stacking: Wolpert (1992), Neural Networks 5; weights that are not negative: Breiman (1996), Machine Learning 24.
    """
    k = z.shape[1]
    equal = np.full(k, 1 / k)
    rarer = int(min(np.bincount(y, minlength=2)))
    if rarer < FEW_POSITIVES:
        return Weights(constant_of(z @ equal, y), equal)
    penalty = max(PENALTY, PRIOR / rarer) if penalty is None else penalty
    of = np.zeros(len(y), np.int64) if groups is None else np.unique(groups, return_inverse=True)[1]
    n = int(of.max()) + 1

    def loss(at: Float) -> tuple[float, Float]:
        s = at[of] + z @ at[n:]
        gap = expit(s) - y
        value = np.mean(np.logaddexp(0, s) - y * s) + penalty * np.sum((at[n:] - equal) ** 2)
        slope = np.concatenate([np.bincount(of, gap, n), z.T @ gap]) / len(y)
        slope[n:] += 2 * penalty * (at[n:] - equal)
        return float(value), slope

    start = np.concatenate([np.zeros(n), equal])
    bounds = [(None, None)] * n + [(0.0, None)] * k
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-9})
    return Weights(float(found.x[:n].mean()), np.asarray(found.x[n:]))


def constant_of(s: Float, y: Int) -> float:
    """The constant that makes the mean probability equal the rate."""
    b = 0.0
    for _ in range(50):
        p = expit(s + b)
        step = (y.mean() - p.mean()) / max(float((p * (1 - p)).mean()), 1e-9)
        b += float(np.clip(step, -2, 2))
    return b


@final
@dataclass(frozen=True, eq=False)
class Calibration:
    """A last, rising step on the log-odds: none, a straight line, or a staircase whose corners are joined by lines."""

    kind: Kind = "none"
    x: Float | None = None
    y: Float | None = None

    def __call__(self, log_odds: Float) -> Float:
        """Log-odds after the step."""
        if self.x is None or self.y is None:
            return log_odds
        if self.kind == "sigmoid":
            return np.asarray(self.y[0] + self.y[1] * log_odds)
        return np.asarray(np.interp(log_odds, self.x, self.y))


def calibrated(kind: Kind, s: Float, y: Int) -> Calibration:
    """The step that log-odds and what happened ask for."""
    if kind == "sigmoid":
        found = learned(s[:, None], y, penalty=0.0)
        return Calibration(kind, np.zeros(1), np.array([found.constant, found.weights[0]]))
    if kind == "isotonic":
        stairs = IsotonicRegression(y_min=1 / (2 * len(y)), y_max=1 - 1 / (2 * len(y))).fit(s, y)
        p = np.asarray(stairs.y_thresholds_, np.float64)
        return Calibration(kind, np.asarray(stairs.X_thresholds_, np.float64), np.log(p) - np.log1p(-p))
    return Calibration()


def chosen(z: Float, y: Int, folds: Int) -> tuple[Calibration, dict[str, float]]:
    """The further step that lowers the Brier score of rows that neither learners, weights nor step have seen, if any does.

    Neither weights nor step are learned from the fold that is judged; it has a small say in the weights by which the step's own rows
    are told. A step is taken only where its gain exceeds its
    standard error over rows.

    Returns
    -------
    Calibration, and the Brier score of each candidate.
    """
    parts = np.unique(folds)
    if len(parts) < 2 or min(np.bincount(y, minlength=2)) < 2 * FEW_POSITIVES:
        return Calibration(), {}
    unseen = np.empty(len(y))
    for part in parts:
        inside = folds != part
        unseen[~inside] = learned(z[inside], y[inside])(z[~inside])
    errors = {"none": (expit(unseen) - y) ** 2}
    kinds: tuple[Kind, ...] = ("sigmoid", "isotonic")
    for kind in kinds:
        after = np.empty(len(y))
        for part in parts:
            inside = folds != part
            after[~inside] = calibrated(kind, unseen[inside], y[inside])(unseen[~inside])
        errors[kind] = (expit(after) - y) ** 2
    scores = {kind: float(e.mean()) for kind, e in errors.items()}
    best: Any = min(kinds, key=lambda k: scores[k])
    gain = errors["none"] - errors[best]
    if gain.mean() <= gain.std() / np.sqrt(len(y)):
        return Calibration(), scores
    return calibrated(best, learned(z, y)(z), y), scores
