"""Weights of the parts of a next-basket score, learnt from the last baskets before the instant."""

from collections.abc import Iterator
from dataclasses import astuple, fields, replace
from itertools import product
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.interactions.clock import Int
from crmintel.recommend.baskets import Baskets
from crmintel.recommend.blend import Alike, Blend, Parts
from crmintel.recommend.topk import best, steps

Float = npt.NDArray[np.float64]
LIST: Final = 10
SAMPLE: Final = 3_000
FEWEST: Final = 50
"""Customers whose last basket must be there before weights are learnt from them."""
_CHUNK, _OWN, _OTHERS = 128, 60, 40
_FADING: Final[tuple[dict[str, Any], ...]] = (
    *({"decay": d, "power": 0.0, "half_life_days": None} for d in (0.9, 0.8, 0.95, 1.0)),
    *({"decay": 1.0, "power": p, "half_life_days": None} for p in (0.25, 0.5, 0.75, 1.0, 1.5)),
    *({"decay": 1.0, "power": 0.0, "half_life_days": h} for h in (30.0, 60.0, 90.0, 180.0)),
)
_POPULARITY: Final = (0.3, 0.03, 0.1, 1.0, 3.0)
_TOGETHER: Final = (0.3, 0.0, 0.1, 1.0)
_ALIKE: Final = (0.0, 0.1, 0.3, 1.0)
_WINDOWS: Final[tuple[dict[str, Any], ...]] = (
    {"weeks": None, "each": False, "latest": None},
    *({"weeks": w, "each": e, "latest": None} for e in (False, True) for w in (2, 4, 13)),
    *({"weeks": None, "each": False, "latest": n} for n in (1, 3)),
)
_LOYALTY: Final = (0.0, 0.25, 0.5, 1.0)


def learn(baskets: Baskets, seed: int, start: Blend) -> tuple[Blend, pd.DataFrame]:
    """The best weights for the last basket of customers, told from those before it.

    Up to 3,000 customers with two or more baskets are looked at. How the past fades, the weights, the window of popularity,
    alike customers and loyalty are chosen one after the other, twice; equal results go to what was tried first, the defaults on top.

    Returns
    -------
    blend : Blend
    trials : DataFrame
        The settings tried, with recall and ndcg (ideal over all items of the basket) at 10.
    """
    past, last = baskets.without_last()
    who = np.flatnonzero(last.count > 0)
    if len(who) < FEWEST:
        return start, told({})
    if len(who) > SAMPLE:
        who = np.sort(np.random.default_rng(seed).choice(who, SAMPLE, replace=False))
    bench = _Bench(Parts(past), last, who, start)
    trials: dict[Blend, tuple[float, float]] = {start: bench.measure(start)}
    chosen = start
    for _ in range(2):
        for options in _stages():
            bench.look(chosen)
            for option in options:
                tried = replace(chosen, **option)
                if tried not in trials:
                    trials[tried] = bench.measure(tried)
            chosen = max(trials, key=lambda blend: sum(trials[blend]))
    return chosen, told(trials)


def told(trials: dict[Blend, tuple[float, float]]) -> pd.DataFrame:
    """What was tried, as a table."""
    columns = [field.name for field in fields(Blend)] + ["recall", "ndcg"]
    return pd.DataFrame([(*astuple(blend), *found) for blend, found in trials.items()], columns=columns)


def _stages() -> Iterator[list[dict[str, Any]]]:
    """What is tried together."""
    yield [{**f, "popularity": w} for f, w in product(_FADING, _POPULARITY)]
    yield [{"popularity": w, "together": c} for w, c in product(_POPULARITY, _TOGETHER)]
    yield [{**k, "popularity": w} for k, w in product(_WINDOWS, _POPULARITY)]
    yield [{"alike": a, "together": c} for a, c in product(_ALIKE, _TOGETHER)]
    yield [{"loyalty": e} for e in _LOYALTY]


@final
class _Bench:
    """Items that may be in the last baskets of some customers, with all parts of their scores, in rectangles."""

    def __init__(self, parts: Parts, last: Baskets, who: Int, start: Blend) -> None:
        self.parts, self.who = parts, who
        self.row, self.item = self._candidates(start)
        n, width = len(who), np.bincount(self.row, minlength=len(who))
        self.cell = (self.row, np.arange(len(self.row)) - np.searchsorted(self.row, self.row))
        self.shape = (n, max(int(width.max()), LIST))
        self.pair = self._pairs(parts.baskets)
        wanted = np.sort(last.owner[last.basket] * last.n_items + last.item)
        asked = who[self.row] * last.n_items + self.item
        place = np.minimum(np.searchsorted(wanted, asked), len(wanted) - 1)
        self.right = self._filled(wanted[place] == asked) > 0
        self.size = np.bincount(last.owner[last.basket], minlength=len(last.count))[who]
        gains = 1 / np.log2(np.arange(2, 2 + max(int(self.size.max()), LIST)))
        self.gains, self.ideal = gains[:LIST], np.cumsum(gains)[self.size - 1]
        self.nobody = self._filled(np.ones(len(self.row))) == 0
        self.tie = self._filled(self.item / last.n_items) * 1e-9  # equal scores go to the earlier item
        self.popular: dict[Any, Float] = {}
        self.fading: Any = None
        self.look(start)

    def measure(self, blend: Blend) -> tuple[float, float]:
        """Recall and NDCG of the first ten."""
        score = self._own(blend) + blend.popularity * self._popular(blend) - self.tie
        score += blend.together * self.company + blend.alike * self.votes
        score[self.nobody] = -np.inf
        first = np.argpartition(score, -LIST, axis=1)[:, -LIST:]
        order = np.argsort(-np.take_along_axis(score, first, axis=1), axis=1)
        first = np.take_along_axis(first, order, axis=1)
        hit = np.take_along_axis(self.right, first, axis=1) & (np.take_along_axis(score, first, axis=1) > 0)
        return float((hit.sum(axis=1) / self.size).mean()), float((hit @ self.gains / self.ideal).mean())

    def look(self, blend: Blend) -> None:
        """Tell what goes with own items, and what alike customers have, as own baskets fade now."""
        if self.fading == blend.fading:
            return
        self.fading = blend.fading
        own, ends = self.parts.own(blend), np.searchsorted(self.row, np.arange(len(self.who) + 1))
        peers = Alike(own)
        values = []
        for a, b in steps(len(self.who), _CHUNK):
            who, lines = self.who[a:b], slice(ends[a], ends[b])
            cell = self.row[lines] - a, self.item[lines]
            values.append((self.parts.company(own[who])[cell], peers.votes(who)[cell]))
        self.company, self.votes = (self._filled(np.concatenate(v)) for v in zip(*values, strict=True))

    def _own(self, blend: Blend) -> Float:
        values = np.append(self.parts.own(blend).data, 0.0)[self.pair]
        return self._filled(values * self.parts.repeats[self.item] ** blend.loyalty)

    def _popular(self, blend: Blend) -> Float:
        if blend.window not in self.popular:
            table, period = self.parts.popular(blend)
            self.popular[blend.window] = self._filled(table[period[self.who[self.row]], self.item])
        return self.popular[blend.window]

    def _filled(self, values: npt.NDArray[Any]) -> Float:
        out = np.zeros(self.shape)
        out[self.cell] = values
        return out

    def _pairs(self, baskets: Baskets) -> Int:
        """Where the values of candidates are among those of all own items; the end, for others'."""
        who, item, _ = baskets._pairs
        known, asked = who * baskets.n_items + item, self.who[self.row] * baskets.n_items + self.item
        place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        return np.where(known[place] == asked, place, len(known))

    def _candidates(self, start: Blend) -> tuple[Int, Int]:
        """Items that one of the parts ranks high, rising for each customer."""
        owns = [self.parts.own(replace(start, decay=d, power=p)) for d, p in ((1.0, 0.0), (0.9, 0.0), (1.0, 1.0))]
        shares = [self.parts.popular(replace(start, **window)) for window in _WINDOWS]
        tops = [np.argsort(-share, axis=1, kind="stable")[:, :_OTHERS] for share, _ in shares]
        rows, items = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for a, b in steps(len(self.who), _CHUNK):
            who = self.who[a:b]
            some = np.zeros((len(who), self.parts.baskets.n_items), bool)
            blocks = [(own[who].toarray(), _OWN) for own in owns]
            for block, k in [*blocks, (self.parts.company(owns[1][who]), _OTHERS)]:
                block[block <= 0] = -np.inf
                row, item, _ = best(block, k)
                some[row, item] = True
            for (_, period), top in zip(shares, tops, strict=True):
                some[np.arange(len(who))[:, None], top[period[who]]] = True
            row, item = np.nonzero(some)
            rows.append(row + a)
            items.append(item)
        return np.concatenate(rows), np.concatenate(items)
