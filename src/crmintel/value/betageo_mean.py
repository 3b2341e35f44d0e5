"""Expected purchases of a BG/NBD or MBG/NBD customer who is there now."""

from typing import Final

import numpy as np
from scipy.special import hyp2f1

from crmintel.value.packing import Float, distinct

_NODES: Final = 32
_TINY: Final = 1e-100
_MANY: Final = 1_000.0
_LOW: Final = 0.5
_ONE: Final = 1e-3
_ASIDE: Final = 3e-3


def purchases_if_there(k: Float, scale: Float, a: Float, b: Float, horizons: Float) -> Float:
    """Expected purchases in each horizon, shape (n_horizons, n_customers).

    The pace of a customer is Gamma(k, scale), and the chance to leave after a purchase Beta(a, b).

    Notes
    -----
    The textbook formula holds 2F1(k, b; a+b−1; z) with z = t/(scale+t), which overflows for some hundred purchases. By Euler's
    transformation it is (1−z)^(a−1−k) 2F1(a+b−1−k, a−1; a+b−1; z), in which the number of purchases is left in the third place only:
    nothing overflows. At a = 1 it is 0/0, and neighbours are taken. With thousands of purchases, or where nearly nobody leaves, it
    loses digits; there a sum over the law of the chance to leave is exact, if the horizon is not long beside the history.
    """
    grown = horizons[:, None] / scale
    out = _transformed(k, grown, a, b)
    if (one := np.abs(a - 1) < _ONE).any():
        k1, u1, a1, b1 = k[one], grown[:, one], a[one], b[one]
        near, far = (
            (_transformed(k1, u1, a1 - h, b1) + _transformed(k1, u1, a1 + h, b1)) / 2 for h in (_ASIDE, 2 * _ASIDE)
        )
        out[:, one] = (4 * near - far) / 3
    lost = ~np.isfinite(out) | ((b > _MANY) & (k * grown < b))
    if (some := np.flatnonzero(lost.any(axis=0))).size:
        out[:, some] = np.where(lost[:, some], _summed(k[some], grown[:, some], a[some], b[some]), out[:, some])
    return out


def _transformed(k: Float, grown: Float, a: Float, b: Float) -> Float:
    """By 2F1; where its third parameter is near 0 or below, by the two above it."""
    c, z = a + b - 1, grown / (1 + grown)
    with np.errstate(all="ignore"):
        series = c * hyp2f1(c - k, a - 1, c, z)
        if (low := c < _LOW).any():
            kl, al, bl, cl, zl = k[low], a[low], b[low], c[low], z[:, low]
            first, second = (hyp2f1(cl - kl, al - 1, cl + i, zl) for i in (1, 2))
            slope = cl - (cl + kl - al + 2) * zl
            series[:, low] = (slope * first + (kl + 1) * (bl + 1) / (cl + 1) * zl * second) * (1 + grown[:, low])
        return np.asarray((c - np.exp((1 - a) * np.log1p(grown)) * series) / (a - 1))


def _summed(k: Float, grown: Float, a: Float, b: Float) -> Float:
    """By Gauss–Jacobi nodes; added up in a fixed order, so a row never depends on its neighbours."""
    first, code = distinct([a, b])
    nodes, weights = _leaving(a[first], b[first])
    total = np.zeros(grown.shape)
    for node, weight in zip(np.maximum(nodes[code].T, _TINY), weights[code].T, strict=True):
        fall = np.log1p(node * grown)
        fall *= -k
        total -= np.expm1(fall, out=fall) * (weight / node)
    return total


def _leaving(a: Float, b: Float) -> tuple[Float, Float]:
    """Gauss–Jacobi nodes and weights of Beta(a, b), shape (n, n_nodes) each; weights sum to 1."""
    k = np.arange(1.0, _NODES)
    low, high = (a - 1.0)[:, None], (b - 1.0)[:, None]
    total = low + high
    diagonal = np.empty((len(a), _NODES))
    diagonal[:, :1] = (low - high) / (total + 2)
    diagonal[:, 1:] = (low - high) * total / ((2 * k + total) * (2 * k + total + 2))
    beside = np.empty((len(a), _NODES - 1))
    beside[:, :1] = 4 * (1 + high) * (1 + low) / ((2 + total) ** 2 * (3 + total))
    j, c = k[1:], 2 * k[1:] + total
    beside[:, 1:] = 4 * j * (j + high) * (j + low) * (j + total) / (c * c * (c + 1) * (c - 1))
    matrix = np.zeros((len(a), _NODES, _NODES))
    here = np.arange(_NODES)
    matrix[:, here, here] = diagonal
    matrix[:, here[1:], here[:-1]] = np.sqrt(beside)
    z, vectors = np.linalg.eigh(matrix)
    return np.clip((1 + z) / 2, 0.0, 1.0), vectors[:, 0, :] ** 2
