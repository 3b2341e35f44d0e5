"""Models of counts and spend joined with trees: what inner instants teach, kept for those who are forecast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logsumexp

from crmintel.interactions.clock import Int
from crmintel.value.forecast import PURCHASES, SPEND
from crmintel.value.instants import Inner, View
from crmintel.value.members import BOUGHT, FOLDS, LARGE, LONGEST, OFFSET, SMALL, Trees, link
from crmintel.value.purchases import Float
from crmintel.value.spread import Cells, Seen, Spread
from crmintel.value.stacks import spread_over, stack_bought, stack_counts, stack_money

Told = Mapping[tuple[str, str], Float]
"""What members say, by member and target."""
_FLOORS: Final = {PURCHASES: 1e-4, SPEND: 0.01}
_NAMES: Final = {
    PURCHASES: ["Pareto/NBD", OFFSET.name],
    SPEND: ["Pareto/NBD", "past money", OFFSET.name, LARGE.name, SMALL.name],
    BOUGHT: ["Pareto/NBD", "recency", OFFSET.name, LARGE.name, SMALL.name, LONGEST.name],
}
"""The members of each stack."""
_STARTS: Final = {SPEND: (0.25, 0.0, 0.25, 0.25, 0.25), BOUGHT: (0.2, 0.0, 0.2, 0.2, 0.2, 0.2)}
"""The weights towards which stacks are drawn."""


@final
@dataclass(frozen=True, eq=False)
class Joined:
    """What is told of customers, and how far it may be off.

    Parameters
    ----------
    trees : Trees
    stacks : mapping of str to array of float, shape (n_members,)
        Weights by target: purchases, spend (where there is money), bought.
    level : mapping of str to float
        What is added to the scores of each target.
    spreads : mapping of str to Spread
        Of purchases and spend.
    cells : Cells
    seen : mapping of str to sequence of Seen
        What the spreads were learned from, an inner instant each.
    """

    trees: Trees
    stacks: Mapping[str, Float]
    level: Mapping[str, float]
    spreads: Mapping[str, Spread]
    cells: Cells
    seen: Mapping[str, Sequence[Seen]]

    @classmethod
    def learned(cls, inner: Sequence[Inner], trees: Trees, view: View, horizon: int, coverage: float) -> "Joined":
        """Stacks, levels and spreads.

        Parameters
        ----------
        inner : the longest horizon first
        trees : Trees
            Learned from the same inner instants.
        view : View
            Those who are forecast: they set the levels.
        horizon : int
            Days.
        coverage : float
        """
        views = [i.view for i in inner]
        unseen = [{key: said[i] for key, said in trees.unseen.items()} for i in range(len(inner))]
        stacks = _stacks(inner, unseen)
        told = _scores(stacks, view, trees.tell(view))
        said = [_scores(stacks, v, u) for v, u in zip(views, unseen, strict=True)]
        cells = Cells.of(views[0].table)
        level: dict[str, float] = {}
        spreads: dict[str, Spread] = {}
        seen: dict[str, list[Seen]] = {}
        for name in (n for n in (PURCHASES, SPEND) if n in stacks):
            level[name] = _constant(told[name], view.level(name))
            seen[name] = [
                Seen(spread_over(s[name], i.view.level(name)), i.actual(name), cells(i.view.table), i.view.horizon)
                for s, i in zip(said, inner, strict=True)
            ]
            spreads[name] = Spread.learned(seen[name], np.exp(told[name] + level[name]), horizon, coverage)
        buyers = 1 - spreads[PURCHASES].silent(np.exp(told[PURCHASES] + level[PURCHASES])).mean()
        level[BOUGHT] = _shift(told[BOUGHT], float(buyers))
        return cls(trees, stacks, level, spreads, cells, seen)

    @property
    def coverage(self) -> float:
        """What intervals should cover."""
        return self.spreads[PURCHASES].coverage

    def tell(self, view: View, targets: Sequence[str] = (PURCHASES, SPEND, BOUGHT)) -> dict[str, Float]:
        """Purchases, money, and the chance to buy at all, as far as they are asked for and known."""
        stacks = {t: w for t, w in self.stacks.items() if t in targets}
        scores = _scores(stacks, view, self.trees.tell(view, targets))
        raised = {t: s + self.level[t] for t, s in scores.items()}
        return {t: expit(s) if t == BOUGHT else np.exp(s) for t, s in raised.items()}

    def instants(self) -> pd.DataFrame:
        """One row an inner instant: its horizon, its customers, what came and what was expected of customers not learned from."""
        first = self.seen[PURCHASES]
        out = pd.DataFrame({"horizon_days": [s.horizon for s in first], "customers": [len(s.actual) for s in first]})
        for name, seen in self.seen.items():
            out[name] = [float(s.actual.sum()) for s in seen]
            out[f"{name}_expected"] = [float(s.forecast.sum()) for s in seen]
            out[f"{name}_error"] = out[f"{name}_expected"] / out[name] - 1
        return out

    def weights(self) -> pd.DataFrame:
        """What each member weighs, by target; missing where a stack does not hold it."""
        told = pd.DataFrame({t: pd.Series(w, _NAMES[t]) for t, w in self.stacks.items()})
        return told.reindex(
            [m for m in dict.fromkeys(_NAMES[BOUGHT][:1] + _NAMES[SPEND] + _NAMES[BOUGHT]) if m in told.index]
        )


def drawn(inner: Sequence[Inner], customers: pd.Index, most: int, seed: int) -> tuple[Sequence[Inner], list[Int]]:
    """Inner instants of at most so many of the customers, and the fold of each customer: the same one at every instant.

    Instants with too few buyers among those who were drawn are left out.
    """
    draw = np.random.default_rng(seed)
    fold = pd.Series(draw.integers(0, FOLDS, len(customers)), customers)
    if len(customers) > most:
        chosen = customers[np.sort(draw.permutation(len(customers))[:most])]
        inner = [part for i in inner if (part := i.of(chosen)).teaches]
    return inner, [fold.loc[i.view.table.index].to_numpy() for i in inner]


def _stacks(inner: Sequence[Inner], unseen: Sequence[Told]) -> dict[str, Float]:
    """Weights by target, from what was said of customers who had not been seen."""
    views = [i.view for i in inner]

    def logs(target: str) -> list[Float]:
        return [_logs(target, v, u) for v, u in zip(views, unseen, strict=True)]

    totals = [float(v.expected.sum()) for v in views]
    out = {PURCHASES: stack_counts(logs(PURCHASES), [i.counts for i in inner], totals)}
    if inner[0].money is not None:
        out[SPEND] = stack_money(logs(SPEND), [i.actual(SPEND) for i in inner], np.array(_STARTS[SPEND]))
    odds = _logs(BOUGHT, views[0], unseen[0])
    out[BOUGHT] = stack_bought(odds, (inner[0].counts > 0).astype(np.float64), np.array(_STARTS[BOUGHT]))
    return out


def _scores(stacks: Mapping[str, Float], view: View, members: Told) -> dict[str, Float]:
    """Logarithms of purchases and of money, and log-odds of buying at all, each up to a constant."""
    return {target: _logs(target, view, members) @ weights for target, weights in stacks.items()}


def _logs(target: str, view: View, members: Told) -> Float:
    """What is stacked for a target, on the scale of `link`, shape (n_customers, n_members)."""
    own = [link(target, view)]
    if target == SPEND:
        own.append(np.log(np.maximum(view.table["total"].to_numpy(), _FLOORS[SPEND])))
    if target == BOUGHT:
        own.append(-np.log1p(view.table["since"].to_numpy()))
    trees = [members[m.name, target] for m in (OFFSET, LARGE, SMALL, LONGEST) if (m.name, target) in members]
    out: Float = np.column_stack([*own, *trees])
    return out if target == BOUGHT else np.maximum(out, np.log(_FLOORS[target]))


def _constant(score: Float, total: float) -> float:
    """What brings the exponentials of scores to a total."""
    return float(np.log(total) - logsumexp(score))


def _shift(score: Float, share: float) -> float:
    """What brings log-odds to a mean probability."""
    share = float(np.clip(share, 1e-6, 1 - 1e-6))
    return float(brentq(lambda c: expit(score + c).mean() - share, -60.0 - score.max(), 60.0 - score.min()))
