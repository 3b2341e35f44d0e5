"""What it is worth to contact customers of a churn list: profit by depth, the best depth, and simple rules beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.churn.money import Money, in_order
from crmintel.errors import DataContractError
from crmintel.evaluation import checks, tables
from crmintel.evaluation.intervals import Estimate, Floats, percentile, resamples
from crmintel.evaluation.ordering import Ordering

FLAT: Final = 0.02
"""Depths whose profit falls short of the best by at most this part of it count as equally good."""
WIDE: Final = 0.1
"""From this part of the base on, a range of equally good depths is called flat."""
FEW: Final = 50
"""With fewer leavers than this the words say so (BAD_INPUTS row 96)."""
_GRID: Final = np.linspace(0, 1, 101)


@final
@dataclass(frozen=True)
class Best:
    """One way to cut the list.

    Parameters
    ----------
    depth : Estimate
        Part of the base that is contacted.
    threshold : Estimate
        Contact whoever stands at or above it; just above the highest score where nobody is worth it.
    profit : Estimate
        Realised on the labels, per customer of the whole base.
    """

    depth: Estimate
    threshold: Estimate
    profit: Estimate


@final
@dataclass(frozen=True, repr=False)
class ProfitCurve:
    """Profit of contacting the top of a list, by how far down the contacts go; money is per customer of the whole base.

    Parameters
    ----------
    curve : DataFrame
        For each percent of depth: depth, threshold (lowest `ranked_by` of those contacted), contacted (customers),
        profit (realised on the labels), low, high (95 %, each depth for itself), expected (by the model's own
        probabilities). A block of equal scores that the depth cuts counts by its share.
    best : Best
        The cut with the highest realised profit. The interval of its depth and threshold is where the optimum of
        resampled customers lies; the interval of its profit is at the fixed depth. Chosen on the same labels, its
        profit is too high by up to about `optimism`.
    planned : Best
        The cut that needs no labels: whoever has an expected gain above zero.
    flat : (float, float)
        From which to which depth the profit stays within 2 % of the best.
    comparisons : DataFrame
        The best cut against contacting nobody, everybody and a random list of its depth: against, profit (of that),
        gain (less `optimism`), low, high (paired), verdict ("proven", "not proven", "worse", or "the same" where the
        best cut is that rule).
    optimism : float
        What choosing the depth on these labels adds to the profit: the mean, over resampled customers, of what their
        best depth brings them less what it brings the customers they were drawn from.
    n, leavers : int
        Customers, and how many of them left.
    ranked_by : str
        "probability" where the amounts are equal, else "expected gain".
    acceptance : float
        Mean chance that a leaver takes the offer.

    Examples
    --------
    >>> from crmintel.churn import profit_curve
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(400)
    >>> curve = profit_curve(rng.random(400) < p, p, value=50.0, contact_cost=1, incentive_cost=5)
    >>> curve
    ProfitCurve(n=400, best depth=64% (56% to 80%), profit=4.87 (4.04 to 5.59))
    """

    curve: pd.DataFrame
    best: Best
    planned: Best
    flat: tuple[float, float]
    comparisons: pd.DataFrame
    optimism: float
    n: int
    leavers: int
    ranked_by: str
    acceptance: float

    @property
    def is_flat(self) -> bool:
        """Whether depths over 10 % of the base or more are about equally good."""
        return self.flat[1] - self.flat[0] >= WIDE - 1e-12

    @property
    def verdict(self) -> str:
        """What the curve says, in sentences."""
        return " ".join(_sentences(self))

    def to_frame(self) -> pd.DataFrame:
        """The curve."""
        return self.curve.copy(deep=False)

    def __repr__(self) -> str:
        return f"ProfitCurve(n={self.n:,}, best depth={self.best.depth:.0%}, profit={self.best.profit:.2f})"

    def __str__(self) -> str:
        shown = [f"{self.n:,} customers, {self.leavers:,} left; money per customer of the base", *_sentences(self)]
        for row in self.comparisons.itertuples():
            shown.append(f"  against {row.against}: {row.gain:+.2f} ({row.low:+.2f} to {row.high:+.2f}), {row.verdict}")
        return "\n".join(shown)

    def _repr_html_(self) -> str:
        every_tenth = self.curve.iloc[::10]
        return tables.page(self.verdict, comparisons=self.comparisons, curve=every_tenth)


def profit_curve(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    *,
    value: npt.ArrayLike = 200.0,
    contact_cost: npt.ArrayLike = 1.0,
    incentive_cost: npt.ArrayLike = 10.0,
    acceptance: npt.ArrayLike = (6.0, 14.0),
    n: int = 300,
    seed: int = 0,
    groups: npt.ArrayLike | None = None,
) -> ProfitCurve:
    """How much money contacting the top of a churn list brings, at each depth, and where it brings most.

    A contact costs `contact_cost`. A leaver takes the offer with the chance `acceptance`, then stays and brings `value`
    less `incentive_cost`; a stayer always takes it and costs `incentive_cost`. That a leaver who takes it stays is an
    assumption, not an effect that was measured: measure it with an experiment.

    Parameters
    ----------
    y : array of bool, shape (n_customers,)
        Who really left, after `p` was known. What comes with an index, here and below, is put into the order of the
        first that has one.
    p : array of float, shape (n_customers,)
        Probability to leave.
    value, contact_cost, incentive_cost : float or array of float, shape (n_customers,)
        In one currency. Where they or `acceptance` differ between customers, the list is sorted by expected gain
        instead of `p`.
    acceptance : float, (float, float) or array of float, shape (n_customers,), default=(6, 14)
        A chance from 0 to 1, or one for each customer; a tuple is the two parameters of a beta distribution, of which
        the mean is taken.
    n : int, default=300
        Bootstrap draws of customers.
    groups : array, shape (n_customers,), optional
        Rows of one group (one customer at several instants) are drawn together.

    Raises
    ------
    DataContractError (a ValueError)
        If a probability, amount or `acceptance` is out of range, y is constant, a group is missing, or lengths or
        customers differ.

    Examples
    --------
    >>> left = np.tile([True, False, False, False], 50)
    >>> curve = profit_curve(left, np.where(left, 0.8, 0.1), n=50)
    >>> round(curve.best.depth.value, 2), round(curve.best.profit.value, 2)
    (0.25, 14.0)
    >>> curve.comparisons["verdict"].tolist()
    ['proven', 'proven', 'proven']
    """
    accepts = _mean(acceptance) if isinstance(acceptance, tuple) else acceptance
    checks.probabilities(p)
    left, chance, money, codes = in_order(y, p, value, contact_cost, incentive_cost, accepts, groups)
    of = _List(left, chance, money)
    whole = of.cut(np.ones(len(left)))
    depth, flat = whole.best_depth, whole.flat()
    weights = resamples(len(left), n=n, seed=seed, groups=codes if groups is not None else None)
    draws = [of.cut(w.astype(np.float64)) for w in weights]
    optimism = float(np.mean([d.best_profit - whole.profit_at(d.best_depth) for d in draws]))
    best = Best(
        percentile(depth, np.array([d.best_depth for d in draws])),
        percentile(of.threshold(whole.best_block), np.array([of.threshold(d.best_block) for d in draws])),
        percentile(whole.best_profit, np.array([d.profit_at(depth) for d in draws])),
    )
    table = _comparisons(whole, draws, depth, optimism, int(min(left.sum(), len(left) - left.sum())))
    ranked_by = "probability" if money.equal else "expected gain"
    return ProfitCurve(
        _curve(of, whole, draws), best, of.planned(whole, draws), flat, table, optimism, len(left), int(left.sum()),
        ranked_by, float(money.accepts.mean()),
    )  # fmt: skip


@final
@dataclass(frozen=True)
class _Cut:
    """One draw of the customers: depth and profit at the end of each block, from nobody to everybody."""

    depth: Floats
    profit: Floats
    planned: tuple[float, float]

    @property
    def best_block(self) -> int:
        """The first block end of highest profit; 0 is nobody."""
        return int(np.argmax(self.profit))

    @property
    def best_depth(self) -> float:
        return float(self.depth[self.best_block])

    @property
    def best_profit(self) -> float:
        return float(self.profit[self.best_block])

    def profit_at(self, depth: float) -> float:
        """Profit at any depth; a block that it cuts counts by its share."""
        return float(np.interp(depth, self.depth, self.profit))

    def flat(self) -> tuple[float, float]:
        """The depths around the best without a gap whose profit is as good but for 2 %."""
        good = self.profit >= self.best_profit - FLAT * abs(self.best_profit)
        wrong = np.flatnonzero(~good)
        place = int(np.searchsorted(wrong, self.best_block))
        first = wrong[place - 1] + 1 if place else 0
        last = wrong[place] - 1 if place < len(wrong) else len(good) - 1
        return float(self.depth[first]), float(self.depth[last])


@final
class _List:
    """The customers as a sorted list, ready to be drawn again and again."""

    def __init__(self, left: Floats, chance: Floats, money: Money) -> None:
        self.score = money.rank(chance)
        self.blocks = Ordering.descending(self.score)
        self.realised = money.gain(left)
        self.expected = money.gain(chance)
        self.worth = (self.expected > 0).astype(np.float64)

    def cut(self, weights: Floats) -> _Cut:
        """Depth and profit of one draw."""
        total = float(weights.sum())
        depth, profit = self.sums(weights) / total, self.sums(weights * self.realised) / total
        some = weights * self.worth
        depth[-1] = 1.0
        return _Cut(depth, profit, (float(some.sum()) / total, float(some @ self.realised) / total))

    def sums(self, values: Floats) -> Floats:
        """Sums of the top blocks, from none of them on."""
        return np.asarray(np.r_[0.0, np.cumsum(self.blocks.sums(values))])

    def threshold(self, block: int) -> float:
        """The score of the last of so many blocks; just above the highest of no block."""
        if block == 0:
            return float(np.nextafter(self.score.max(), np.inf))
        return float(self.score[self.blocks.order[self.blocks.starts[block - 1]]])

    def planned(self, whole: _Cut, draws: list[_Cut]) -> Best:
        """The cut at an expected gain of zero."""
        told = np.array([d.planned for d in draws])
        held = self.score[self.worth > 0]
        threshold = float(held.min()) if len(held) else self.threshold(0)
        fixed = Estimate(threshold, threshold, threshold, method="fixed")
        return Best(percentile(whole.planned[0], told[:, 0]), fixed, percentile(whole.planned[1], told[:, 1]))


def _curve(of: _List, whole: _Cut, draws: list[_Cut]) -> pd.DataFrame:
    profits = np.array([np.interp(_GRID, d.depth, d.profit) for d in draws])
    low, high = np.quantile(profits, [0.025, 0.975], axis=0)
    n = len(of.score)
    blocks = np.minimum(np.searchsorted(whole.depth, _GRID - 1e-9), len(whole.depth) - 1)
    expected = np.interp(_GRID, whole.depth, of.sums(of.expected) / n)
    return pd.DataFrame(
        {
            "depth": _GRID,
            "threshold": [of.threshold(int(b)) for b in blocks],
            "contacted": np.rint(_GRID * n).astype(np.int64),
            "profit": np.interp(_GRID, whole.depth, whole.profit),
            "low": low,
            "high": high,
            "expected": expected,
        }
    )


def _comparisons(whole: _Cut, draws: list[_Cut], depth: float, optimism: float, cases: int) -> pd.DataFrame:
    """The best cut against three that need no model."""
    rows = []
    for name, scale in (("nobody", 0.0), ("everybody", 1.0), ("a random list of the same depth", depth)):
        profit = scale * float(whole.profit[-1])
        told = np.array([d.profit_at(depth) - scale * d.profit[-1] for d in draws])
        # A depth of nobody or of everybody is the rule itself: nothing was gained by choosing.
        less = optimism if np.abs(told).max() > 1e-12 else 0.0
        gain = percentile(whole.best_profit - profit - less, told - less)
        said = tables.verdict(gain, cases=cases) if np.abs(told).max() > 1e-12 else "the same"
        if said == "worse" and gain.high + less >= 0:  # what is taken off is an upper figure: it proves no harm
            said = "not proven"
        rows.append((name, profit, gain.value, gain.low, gain.high, said))
    return pd.DataFrame(rows, columns=["against", "profit", "gain", "low", "high", "verdict"])


def _sentences(told: ProfitCurve) -> Iterator[str]:
    best = told.best
    if best.depth.value == 0:
        yield "Contacting nobody is best: no depth brings more than it costs."
    else:
        yield (
            f"Contacting {_part(best.depth.value)} of the base brings most: {best.profit.value:,.2f} per customer "
            f"({best.profit.low:,.2f} to {best.profit.high:,.2f}), {best.profit.value * told.n:,.0f} in all."
        )
    if told.is_flat:
        yield (
            f"The optimum is flat: from {_part(told.flat[0])} to {_part(told.flat[1])} the profit is within {FLAT:.0%} of the best."
        )
    if best.depth.low == best.depth.high:
        yield "Other customers of the same kind say the same."
    else:
        yield f"Other customers of the same kind put the best depth between {_part(best.depth.low)} and {_part(best.depth.high)}."
    yield _gains(told.comparisons)
    if told.leavers < FEW:
        yield f"Only {told.leavers:,} customers left: read the intervals, not the figures."


def _gains(comparisons: pd.DataFrame) -> str:
    """The verdicts against everybody and a random list, or against those whom the best cut differs from."""
    told = {str(row["against"]): row["verdict"] for row in comparisons.to_dict("records")}
    told = {against: said for against, said in told.items() if said != "the same"}
    if len(told) > 1:
        told.pop("nobody", None)
    if not told:
        return "No list brings more than another."
    (first, said), *rest = told.items()
    return ", over ".join([f"The gain over {first} is {said}", *(f"{rule} {word}" for rule, word in rest)]) + "."


def _part(depth: float) -> str:
    """A depth in percent, one digit after the point below ten."""
    return f"{depth:.1%}" if 0 < depth < 0.0995 else f"{depth:.0%}"


def _mean(parameters: tuple[Any, ...]) -> float:
    """The mean of a beta distribution."""
    told = np.asarray(parameters, dtype=np.float64)
    if told.shape != (2,) or not ((told > 0) & np.isfinite(told)).all():
        raise DataContractError(
            f"acceptance is a tuple of {len(parameters)}, not two parameters above zero of a beta distribution. "
            "Pass such as (6, 14), or a chance from 0 to 1; one for each customer as an array."
        )
    return float(told[0] / told.sum())
