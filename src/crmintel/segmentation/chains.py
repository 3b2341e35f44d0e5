"""Statistics of moves between states: rates with intervals, tests of change and of memory, and the steady state.

States are numbers: segments 0…k−1, then k for *gone* and k+1 for *not yet*. `codes` has shape (n_customers, n_instants).
A customer who is not yet known at two instants in a row makes no move; everybody else makes one move a period.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.sparse.csgraph import connected_components
from scipy.special import xlogy

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
PERMUTED: Final = "permutation of periods within customer"
SHUFFLED: Final = "permutation within the present segment"
CHI_SQUARE: Final = "likelihood ratio"
DRAWS: Final = 999
STEADY_DRAWS: Final = 1000
FEWEST_EXPECTED: Final = 5
_ROUNDING = 1e-9
_DUST = 1e-12


def moves(codes: Int, size: int) -> Int:
    """Customers by (period, source, target); shape (n_instants − 1, size, size)."""
    cells = codes[:, :-1] * size + codes[:, 1:]
    out = np.stack([np.bincount(c, minlength=size * size).reshape(size, size) for c in cells.T])
    out[:, -1, -1] = 0
    return out


def jeffreys(k: npt.ArrayLike, n: npt.ArrayLike, level: float = 0.95) -> tuple[Float, Float]:
    """Ends of Jeffreys' interval of a share: quantiles of beta(k + ½, n − k + ½), 0 at k = 0 and 1 at k = n.

    >>> low, high = jeffreys([0, 5, 10], [10, 10, 10])
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.224, 0.783], [0.217, 0.776, 1.0])

    Notes
    -----
    Brown, Cai and DasGupta (2001), Statistical Science 16, 101-133.
    """
    hit, of = np.asarray(k, np.float64), np.asarray(n, np.float64)
    low, high = (stats.beta.ppf(q, hit + 0.5, of - hit + 0.5) for q in ((1 - level) / 2, (1 + level) / 2))
    return np.where(hit == 0, 0.0, low), np.where(hit == of, 1.0, high)


def wilson_ends(rate: Float, n: Float, level: float = 0.95) -> tuple[Float, Float]:
    """Ends of Wilson's interval for a share of `n`, which need not be whole; 0 to 1 where `n` is 0."""
    z = float(stats.norm.ppf((1 + level) / 2))
    some = np.where(n > 0, n, 1.0)
    centre = (rate + z**2 / (2 * some)) / (1 + z**2 / some)
    half = z / (1 + z**2 / some) * np.sqrt(rate * (1 - rate) / some + z**2 / (4 * some**2))
    low, high = np.maximum(centre - half, 0), np.minimum(centre + half, 1)
    return np.where((n > 0) & (rate > 0), low, 0.0), np.where((n > 0) & (rate < 1), high, 1.0)


def design_effect(codes: Int, size: int) -> Float:
    """How many times wider the variance of each pooled rate is because the same customer counts several times.

    The variance of sums by customer over the binomial variance, at least 1. A rate of exactly 0 or 1 shows no spread of
    its own: it takes the largest of its row, or, where a row has one target only, counts each customer once.

    Returns
    -------
    array of float, shape (size, size)
    """
    out = np.ones((size, size))
    source, target = codes[:, :-1], codes[:, 1:]
    for i in range(size):
        who, period = np.nonzero((source == i) & (target != size - 1))
        if len(who) < 2:
            continue
        unit = np.unique(who, return_inverse=True)[1]
        n = np.bincount(unit)
        k = np.bincount(unit * size + target[who, period], minlength=len(n) * size).reshape(-1, size)
        p = k.sum(axis=0) / n.sum()
        squares = (k**2).sum(axis=0) - 2 * p * (k * n[:, None]).sum(axis=0) + p**2 * (n**2).sum()
        inside = (p > 0) & (p < 1)
        spread = np.where(inside, n.sum() * p * (1 - p), 1.0)
        effect = np.maximum(squares / spread * len(n) / max(len(n) - 1, 1), 1)
        rest = effect[inside].max() if inside.any() else (n**2).sum() / n.sum()
        out[i] = np.where(inside, effect, rest)
    return out


def rates(codes: Int, size: int, level: float = 0.95) -> tuple[Int, Int, Float, Float]:
    """Pooled counts, row totals and the ends of the intervals of the rates; each of shape (size, size).

    One period: Jeffreys' interval. Several: Wilson's on the moves divided by the design effect.
    """
    counts = moves(codes, size).sum(axis=0)
    of = np.broadcast_to(counts.sum(axis=1, keepdims=True), counts.shape)
    if codes.shape[1] == 2:
        return counts, of, *jeffreys(counts, of, level)
    return counts, of, *wilson_ends(counts / np.maximum(of, 1), of / design_effect(codes, size), level)


def g2(table: npt.NDArray[Any]) -> Float:
    """The likelihood-ratio statistic of independence; `table` has shape (..., rows, columns)."""
    seen = np.asarray(table, np.float64)
    every = seen.sum(axis=(-2, -1), keepdims=True)
    expected = _expected(seen)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(seen > 0, seen / expected, 1.0)
    out: Float = 2 * xlogy(seen, ratio).sum(axis=(-2, -1))
    return np.where(every[..., 0, 0] > 0, np.maximum(out, 0), 0.0)


def _expected(table: Float) -> Float:
    every = table.sum(axis=(-2, -1), keepdims=True)
    product: Float = table.sum(axis=-1, keepdims=True) * table.sum(axis=-2, keepdims=True) / np.maximum(every, 1)
    return product


@final
@dataclass(frozen=True)
class Verdict:
    """A test: the statistic, its degrees of freedom, the p-value, and how that was found."""

    statistic: float
    df: int
    p: float
    method: str


def change_of_row(first: Int, second: Int, size: int, rng: np.random.Generator) -> Verdict | None:
    """Whether the customers of one source went elsewhere in the second period than in the first.

    Parameters
    ----------
    first, second : array of int, shape (n_customers,)
        The target of each customer who made a move from the source in that period; −1 for the others.
    size : int
        How many states there are.

    Returns
    -------
    Verdict or None
        None where a period has no moves from this source, or there is one target only. With all expected cells of 5 or
        more, the chi-square limit of G²; otherwise each customer's two periods change places at random, 999 times.
        Customers with the same pair of targets are alike, so the number of them that change places is binomial.
    """
    pair, of_pair = np.unique((first + 1) * (size + 1) + second + 1, return_counts=True)
    hot = np.vstack([np.zeros((1, size), np.int64), np.eye(size, dtype=np.int64)])
    one, two = hot[pair // (size + 1)], hot[pair % (size + 1)]
    table = np.stack([of_pair @ one, of_pair @ two])
    table, keep = table[:, table.any(axis=0)], table.any(axis=0)
    if table.shape[1] < 2 or not table.any(axis=1).all():
        return None
    statistic, df = float(g2(table)), table.shape[1] - 1
    if _expected(table.astype(np.float64)).min() >= FEWEST_EXPECTED:
        return Verdict(statistic, df, float(stats.chi2.sf(statistic, df)), CHI_SQUARE)
    turned = rng.binomial(of_pair, 0.5, size=(DRAWS, len(of_pair))) @ (two - one)[:, keep]
    drawn = g2(np.stack([table[0] + turned, table[1] - turned], axis=1))
    return Verdict(statistic, df, _share_above(drawn, statistic), PERMUTED)


def _share_above(drawn: Float, statistic: float) -> float:
    return (1 + int((drawn >= statistic - _ROUNDING).sum())) / (1 + len(drawn))


def holm(p: Float) -> Float:
    """P-values adjusted for the number of tests (Holm 1979, Scandinavian Journal of Statistics 6, 65-70).

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    out = np.empty(len(p))
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return out


def memory(codes: Int, size: int, rng: np.random.Generator) -> Verdict | None:
    """Whether the next segment depends on more than the present one: where the customer was before that.

    For each present segment, the table of segment before × segment after, over all three instants in a row at which a
    customer was known; G² and degrees of freedom add up. Where an expected cell is below 5, tables with the same
    margins are drawn instead, 999 times.
    """
    rows = np.concatenate([codes[:, t : t + 3] for t in range(codes.shape[1] - 2)])
    rows = rows[(rows < size - 1).all(axis=1)]
    cell = (rows[:, 1] * size + rows[:, 0]) * size + rows[:, 2]
    cube = np.bincount(cell, minlength=size**3).reshape(size, size, size)
    tables = [t[t.any(axis=1)][:, t.any(axis=0)] for t in cube]
    tables = [t for t in tables if min(t.shape) > 1]
    if not tables:
        return None
    statistic = float(sum(g2(t) for t in tables))
    df = sum((t.shape[0] - 1) * (t.shape[1] - 1) for t in tables)
    if min(_expected(t.astype(np.float64)).min() for t in tables) >= FEWEST_EXPECTED:
        return Verdict(statistic, df, float(stats.chi2.sf(statistic, df)), CHI_SQUARE)
    drawn = np.zeros(DRAWS)
    for t in tables:
        drawn += g2(stats.random_table(t.sum(axis=1), t.sum(axis=0)).rvs(DRAWS, random_state=rng))
    return Verdict(statistic, df, _share_above(drawn, statistic), SHUFFLED)


@final
@dataclass(frozen=True)
class Steady:
    """Long-run shares of the segments with their interval, and what to know of them."""

    share: Float
    low: Float
    high: Float
    note: str


def steady_state(
    counts: Int, effect: Float, start: Float, names: Sequence[str], rng: np.random.Generator, level: float = 0.95
) -> Steady:
    """The shares to which constant rates would lead.

    Parameters
    ----------
    counts : array of int, shape (size, size)
        Pooled moves. Each customer who goes is replaced by one who enters as the newcomers did.
    effect : array of float, shape (size, size)
        Design effects: the moves of a row are divided by its largest one before rows are drawn.
    start : array of float, shape (size − 2,)
        Shares at the last instant, from which a base goes that can end in several ways.
    names : sequence of str
        The segments.

    Notes
    -----
    The interval holds the middle `level` of 1,000 draws of all rows (Dirichlet, counts + ½), and always the share itself.
    """
    k, nothing = len(names), np.full(len(names), np.nan)
    unseen = [n for n, row in zip(names, counts[:k], strict=True) if not row.any()]
    if unseen:
        return Steady(nothing, nothing, nothing, f"No steady state: nobody was seen leaving {', '.join(unseen)}.")
    leavers, newcomers = bool(counts[:k, k].any()), bool(counts[k + 1, :k].any())
    if leavers and not newcomers:
        return Steady(nothing, nothing, nothing, "No steady state: customers go and none come, so the base runs empty.")
    chain = _closed(counts.astype(np.float64), k, leavers)
    ends = _endings(chain)
    if len(ends) > 1:
        told = "; or ".join(" and ".join(names[i] for i in e) for e in ends)
        note = f"Who enters one of these never leaves it: {told}. Shares depend on where customers start (the last instant)."
        return Steady(_without_dust(_limit(chain, start)), nothing, nothing, note)
    share = _without_dust(_stationary(chain[None])[0])
    scaled = counts / effect.max(axis=1, keepdims=True)
    weights = rng.standard_gamma(
        scaled + 0.5, size=(STEADY_DRAWS, *scaled.shape)
    )  # rows of a Dirichlet draw, up to a factor
    drawn = _stationary(_closed(weights, k, leavers))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    absorbing = "" if len(ends[0]) == k else f"Everyone ends in {' or '.join(names[i] for i in ends[0])}."
    return Steady(share, np.minimum(low, share), np.maximum(high, share), absorbing)


def _closed(weights: Float, k: int, leavers: bool) -> Float:
    """Rates among segments, shape (..., k, k), who goes replaced by who enters."""
    rows = weights[..., :k, : k + leavers]
    rows = rows / rows.sum(axis=-1, keepdims=True)
    if not leavers:
        return np.asarray(rows)
    enters = weights[..., k + 1, :k]
    enters = enters / enters.sum(axis=-1, keepdims=True)
    return np.asarray(rows[..., :k] + rows[..., k:] * enters[..., None, :])


def _endings(chain: Float) -> list[list[int]]:
    """The groups of states that nobody leaves."""
    _, label = connected_components(chain > 0, directed=True, connection="strong")
    groups = [np.flatnonzero(label == g) for g in dict.fromkeys(label.tolist())]
    return [g.tolist() for g in groups if not np.delete(chain[g], g, axis=1).any()]


def _stationary(chains: Float) -> Float:
    """The left eigenvector of eigenvalue 1 of each chain, adding up to 1; shape (n, k)."""
    k = chains.shape[-1]
    system = np.swapaxes(np.eye(k) - chains + 1.0, -2, -1)
    found = np.maximum(np.linalg.solve(system, np.ones((len(chains), k, 1)))[..., 0], 0)
    return np.asarray(found / found.sum(axis=-1, keepdims=True))


def _without_dust(share: Float) -> Float:
    """Shares, those that only rounding keeps from 0 being 0."""
    return np.where(share < _DUST, 0.0, share)


def _limit(chain: Float, start: Float) -> Float:
    """Where a base goes that starts at some shares, when there are several ways to end."""
    step = (chain + np.eye(len(chain))) / 2
    for _ in range(60):
        step = step @ step
        step /= step.sum(axis=1, keepdims=True)
    return np.asarray(start @ step)
