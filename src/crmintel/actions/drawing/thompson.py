"""The probability that an arm is the best of several normal ones."""

from typing import Final

import numpy as np
from scipy.special import ndtr

from crmintel.actions.allocation.limits import Float

REACH: Final = (-7.0, -3.0, 0.0, 3.0, 7.0)
"""Where the integral is cut, in standard errors around each mean: between cuts it is smooth."""
NODES: Final = np.polynomial.legendre.leggauss(10)
CELLS: Final = 200_000
"""Numbers in a table that is held while integrating: few enough for the cache."""


def best_arm(worth: Float, error: Float) -> Float:
    """The probability that each arm is the best, by integration over its value; shape (n, n_arms).

    Parameters
    ----------
    worth : array of shape (n, n_arms)
        Mean of each arm; minus infinity where it is not open.
    error : array of the same shape
        Standard errors; 0 for an arm that is certain, of which each row has at least one that is open, and for closed arms.

    Notes
    -----
    P(a) is the integral of the density of arm a times the distribution functions of the other arms, above the best certain arm. It is
    cut at the places of all arms, so that Gauss and Legendre's 10 nodes give it within 1e-9 (measured: 1e-10, however different the errors are).
    """
    wide = worth.shape[1]
    rows = max(CELLS // (wide * wide * len(REACH) * len(NODES[0])), 1)
    parts = [_best(worth[i : i + rows], error[i : i + rows]) for i in range(0, len(worth), rows)]
    return np.asarray(np.concatenate(parts) if parts else np.zeros_like(worth))


def _best(worth: Float, error: Float) -> Float:
    sure = error == 0
    floor = np.where(sure, worth, -np.inf).max(axis=1)  # others must pass the best certain arm
    scale = np.where(sure, 1.0, error)
    centre = np.where(sure, floor[:, None], worth)
    places = np.where(sure[:, :, None], floor[:, None, None], centre[:, :, None] + scale[:, :, None] * np.array(REACH))
    low = places[:, :, :1].max(axis=1)  # below this some arm lies above almost surely
    cuts = np.sort(np.maximum(places.reshape(len(worth), -1), low), axis=1)
    cuts = cuts[:, int((cuts <= low).sum(axis=1).min(initial=cuts.shape[1] - 1)) - 1 :]  # nothing lies before
    half, middle = np.diff(cuts, axis=1) / 2, (cuts[:, 1:] + cuts[:, :-1]) / 2
    x = (middle[:, :, None] + half[:, :, None] * NODES[0]).reshape(len(worth), -1)
    weight = (half[:, :, None] * NODES[1]).reshape(len(worth), -1)
    z = (x[:, None, :] - centre[:, :, None]) / scale[:, :, None]
    below = np.where(sure[:, :, None], 1.0, ndtr(z))
    density = np.where(sure[:, :, None], 0.0, np.exp(-z * z / 2) / (scale[:, :, None] * np.sqrt(2 * np.pi)))
    ahead, behind = np.ones_like(below), np.ones_like(below)
    ahead[:, 1:] = np.cumprod(below[:, :-1], axis=1)
    behind[:, :-1] = np.cumprod(below[:, :0:-1], axis=1)[:, ::-1]
    parts = (density * ahead * behind * weight[:, None, :]).reshape(*worth.shape, -1, len(NODES[0])).sum(axis=3)
    out = parts.cumsum(axis=2)[
        :, :, -1
    ]  # one after the other: how many empty pieces come first does not matter to the last bit
    fallen = np.where(sure, 1.0, ndtr((floor[:, None] - centre) / scale)).prod(axis=1)
    out[np.arange(len(out)), np.where(sure, worth, -np.inf).argmax(axis=1)] = fallen
    return np.asarray(out)
