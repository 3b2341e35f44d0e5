"""One effect out of several candidates: weights on the simplex by out-of-fold loss, the simpler one where it is close."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from crmintel.actions.effects.trial import Float

NU: Final = 0.5
"""How much each candidate's own loss counts beside that of the mixture."""
CHARGE: Final = 4.0
"""What a flexible candidate must gain before it gets weight, in variances of the target by rows: the noise of about four parameters."""


@final
@dataclass(frozen=True, eq=False)
class Mix:
    """Candidates centred, scaled and weighed.

    Parameters
    ----------
    centre, slope, weights : float, shape (n_actions, n_candidates)
    """

    centre: Float
    slope: Float
    weights: Float

    @property
    def times(self) -> Float:
        """What each candidate is multiplied with."""
        return self.weights * self.slope

    def __call__(self, candidates: Float) -> Float:
        """Effects less their average of (n_rows, n_actions, n_candidates), shape (n_rows, n_actions)."""
        return np.asarray(np.einsum("iac,ac->ia", candidates - self.centre, self.times))


def mixed(z: Float, candidates: Float, charge: Float) -> Mix:
    """How candidates are mixed for each action, by what they told out of fold.

    Parameters
    ----------
    z : float, shape (n_rows, n_actions)
        Doubly robust scores.
    candidates : float, shape (n_rows, n_actions, n_candidates)
    charge : float, shape (n_candidates,)
    """
    centre = candidates.mean(axis=0)
    slope, weights = np.empty_like(centre), np.empty_like(centre)
    for a in range(z.shape[1]):
        target, gap = z[:, a] - z[:, a].mean(), candidates[:, a] - centre[a]
        slope[a] = slopes(target, gap)
        weights[a] = aggregated(target, gap * slope[a], charge)
    return Mix(centre, slope, weights)


def slopes(target: Float, candidates: Float) -> Float:
    """By how much each candidate must be scaled to tell the target, at least 0; both have mean 0."""
    length = np.einsum("ij,ij->j", candidates, candidates)
    return np.asarray(np.where(length > 0, np.maximum(candidates.T @ target, 0) / np.where(length > 0, length, 1), 0))


def aggregated(target: Float, candidates: Float, charge: Float) -> Float:
    """The weight of each candidate, shape (n_candidates,): at least 0, together 1 (Q-aggregation).

    Minimises (1 − ν)·mean (z − Mw)² + ν·Σ w ℓ + Σ w κ·var(z) ÷ n, ℓ the loss of each candidate alone.

    Parameters
    ----------
    target : float, shape (n_rows,)
        Doubly robust scores, less their mean.
    candidates : float, shape (n_rows, n_candidates)
        Told out of fold, less their mean, scaled by their slope; the constant is a column of zeros.
    charge : float, shape (n_candidates,)
        κ of each.

    References
    ----------
    Lecué and Rigollet (2014), Optimal learning with Q-aggregation, Annals of Statistics 42.

    Examples
    --------
    >>> z = np.array([1.0, -1.0, 1.0, -1.0])
    >>> aggregated(z, np.column_stack([0 * z, 0.9 * z]), np.zeros(2)).round(3).tolist()
    [0.0, 1.0]
    """
    n, spread = len(target), target @ target
    if not spread:
        return np.asarray(np.eye(candidates.shape[1])[0])
    gram, along = candidates.T @ candidates / spread, candidates.T @ target / spread
    alone = 1 - 2 * along + np.diag(gram)
    linear = NU * alone + charge / n - 2 * (1 - NU) * along
    return _on_simplex(2 * (1 - NU) * gram, linear)


def _on_simplex(curvature: Float, linear: Float) -> Float:
    """The weights that minimise w'Cw ÷ 2 + l'w over the simplex: the best of all its faces, since there are few candidates."""
    k = len(linear)
    best, found = float("inf"), np.zeros(k)
    for face in range(1, 2**k):
        on = np.flatnonzero([(face >> j) & 1 for j in range(k)])
        w = np.zeros(k)
        w[on] = _inside(curvature[np.ix_(on, on)], linear[on])
        value = float(w @ curvature @ w / 2 + linear @ w)
        if (w >= 0).all() and value < best - 1e-12:  # in a tie the simpler one
            best, found = value, w
    return found


def _inside(curvature: Float, linear: Float) -> Float:
    """Where the slope is equal along every weight and they sum to 1, whatever their signs."""
    k = len(linear)
    system = np.block([[curvature, np.ones((k, 1))], [np.ones((1, k)), np.zeros((1, 1))]])
    return np.asarray(np.linalg.lstsq(system, np.append(-linear, 1.0), rcond=None)[0][:k])
