"""The chance of each number of purchases, of customers who are there now; each array has the shape (most + 1, n_customers)."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from scipy.special import betainc

from crmintel.value.packing import Float

_LEAST_NODES: Final = 64
_MORE_NODES: Final = 20


def negative_binomial(size: Float, scale: Float, time: Float, most: int) -> Iterator[Float]:
    """P(0), P(1), … of who buys for the whole time and whose pace is Gamma(size, scale)."""
    grown = np.log1p(time / scale)
    with np.errstate(divide="ignore"):
        rise = np.log(time / (scale + time))
    log = -size * grown
    for k in range(most + 1):
        yield np.exp(log)
        log = log + (np.log((size + k) / (k + 1)) + rise)


def leaving_after_purchases(size: Float, scale: Float, a: Float, b: Float, days: float, most: int) -> Float:
    """BG/NBD and MBG/NBD: after each purchase a customer leaves with a chance that is Beta(a, b)."""
    out = np.empty((most + 1, len(size)))
    share, stay = days / (scale + days), np.ones(len(size))
    for k, bought in enumerate(negative_binomial(size, scale, np.full(len(size), days), most)):
        if k:
            leaves = stay * (a / (a + b + k - 1))
            stay = stay * ((b + k - 1) / (a + b + k - 1))
            out[k] = bought * stay + leaves * betainc(k, size, share)
        else:
            out[k] = bought
    return out


def leaving_any_time(size: Float, scale: Float, s: float, beta: Float, days: float, most: int) -> Float:
    """Pareto/NBD: how long a customer stays is Lomax(s, beta). The moment of leaving is summed on a logarithmic scale."""
    stays = np.exp(-s * np.log1p(days / beta))
    time = np.full(len(size), days)
    out = np.stack([p * stays for p in negative_binomial(size, scale, time, most)])
    near = np.minimum(scale / size, beta / (s + 1))
    end = np.log1p(days / near)
    nodes, weights = np.polynomial.legendre.leggauss(_LEAST_NODES + int(_MORE_NODES * np.sqrt(most)))
    for node, weight in zip(nodes, weights, strict=True):
        v = end * (0.5 * (1 + node))
        u = near * np.expm1(v)
        leaves = (0.5 * weight * s) * end * np.exp(-(s + 1) * np.log1p(u / beta)) * ((near + u) / beta)
        for k, bought in enumerate(negative_binomial(size, scale, u, most)):
            out[k] += leaves * bought
    return out
