"""What is bought together, beyond chance: pairs and triples with intervals, what follows what, bundles and partners."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from scipy.stats import norm

from crmintel.errors import DataContractError
from crmintel.evaluation import tables
from crmintel.interactions import InteractionLog
from crmintel.interactions.clock import duration
from crmintel.recommend.purchases import Purchases

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
MOST_PAIRS: Final = 200_000
FIRST, SECOND, THIRD = "item_a", "item_b", "item_c"


@final
@dataclass(frozen=True, eq=False, repr=False)
class Together:
    """Items that are bought together.

    Parameters
    ----------
    pairs : DataFrame
        item_a, item_b, baskets (that hold both), support (their share), confidence (share of baskets with a that hold b),
        confidence_back, lift (how many times as often as if they had nothing to do with each other), lift_low, lift_high; the highest
        lower ends first. If directed, a was in a basket and b in the customer's next one.
    triples : DataFrame
        item_a, item_b, item_c, baskets, support, lift, lift_low, lift_high; empty if not asked for.
    baskets : int
        How many were looked at (pairs of a basket and the next one, if directed).
    cut : int
        Baskets that were left out as they hold too many items.
    directed : bool
    level : float
        Of the intervals.

    Examples
    --------
    >>> from crmintel.recommend import bought_together
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> found = bought_together(log, least=3)
    >>> found.pairs.columns[:4].tolist()
    ['item_a', 'item_b', 'baskets', 'support']
    """

    pairs: pd.DataFrame
    triples: pd.DataFrame
    baskets: int
    cut: int
    directed: bool
    level: float

    def to_frame(self) -> pd.DataFrame:
        """The pairs."""
        return self.pairs.copy(deep=False)

    def partners(self, item: Any, k: int = 5) -> pd.DataFrame:
        """What to offer beside an item that is promoted: item_id, confidence, lift, lift_low; only what goes with it beyond chance.

        Parameters
        ----------
        item : identifier
            One that stands in no pair has no partners.
        """
        told = self.pairs
        forth = told[told[FIRST] == item][[SECOND, "confidence", "lift", "lift_low"]]
        forth = forth.rename(columns={SECOND: "item_id"})
        if not self.directed:
            back = told[told[SECOND] == item][[FIRST, "confidence_back", "lift", "lift_low"]]
            forth = pd.concat([forth, back.set_axis(forth.columns, axis=1)])
        sure = forth[forth["lift_low"] > 1].sort_values(["lift_low", "item_id"], ascending=[False, True], kind="stable")
        out: pd.DataFrame = sure.head(k).reset_index(drop=True)
        return out

    def bundles(self, k: int = 5) -> pd.DataFrame:
        """Sets for a menu or a bundle: no item twice, those first that bring most joint baskets beyond chance, told by the lower end.

        Returns
        -------
        DataFrame
            items (tuple), baskets, beyond_chance (baskets, lower end), lift, lift_low.
        """
        found = []
        for table, names in ((self.triples, [FIRST, SECOND, THIRD]), (self.pairs, [FIRST, SECOND])):
            if len(table):
                extra = table["baskets"] * (1 - 1 / np.maximum(table["lift_low"], 1e-12))
                found.append(pd.DataFrame({
                    "items": list(zip(*(table[n] for n in names), strict=True)), "baskets": table["baskets"], "beyond_chance": extra,
                    "lift": table["lift"], "lift_low": table["lift_low"],
                }))  # fmt: skip
        columns = ["items", "baskets", "beyond_chance", "lift", "lift_low"]
        table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
        table = table[table["beyond_chance"] > 0].sort_values("beyond_chance", ascending=False, kind="stable")
        taken: set[Any] = set()
        keep = []
        for row, items in zip(table.index, table["items"], strict=True):
            if not taken & set(items):
                taken |= set(items)
                keep.append(row)
            if len(keep) == k:
                break
        return table.loc[keep].reset_index(drop=True)

    def __repr__(self) -> str:
        sure = int((self.pairs["lift_low"] > 1).sum())
        how = "follow each other" if self.directed else "go together"
        cut = f"; {self.cut:,} baskets with too many items were left out" if self.cut else ""
        triples = f", {len(self.triples):,} triples" if len(self.triples) else ""
        return f"Together: {sure:,} of {len(self.pairs):,} pairs {how} beyond chance{triples}, in {self.baskets:,} baskets{cut}"

    def _repr_html_(self) -> str:
        shown = {"pairs": self.pairs.head(20)} | ({"triples": self.triples.head(10)} if len(self.triples) else {})
        return tables.page(repr(self), **shown)


def bought_together(
    log: InteractionLog, *, at: Any = None, least: int | float = 20, triples: bool = False, follow: Any = None, largest: int = 200,
    level: float = 0.95,
) -> Together:  # fmt: skip
    """Pairs (and triples) of items that are bought together more often than chance would have it.

    A basket is an order, or a customer's day where orders are unknown; an item counts once a basket.

    Parameters
    ----------
    log : InteractionLog
    at : instant, optional
        Only what was known before it.
    least : int, or share below 1
        Baskets that must hold a pair.
    triples : bool
        Whether triples are looked for, made of pairs that were found.
    follow : duration such as "60d", optional
        In place of the same basket, look at the customer's next basket, if it comes within so long: what follows what.
    largest : int
        Baskets with more different items are left out, and counted: their pairs are no choice.
    level : float
        Of the intervals of lift, which are formed on its logarithm (delta method, baskets as independent draws).

    Raises
    ------
    DataContractError
        If the log has no items, an option is out of range, or there are more than 200,000 pairs.

    Examples
    --------
    >>> rows = [(c, f"2024-01-{c:02d}", i) for c in range(1, 13) for i in ("tea", "cup" if c % 2 else "pot")]
    >>> frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "item_id"]).astype({"timestamp": "datetime64[us]"})
    >>> bought_together(InteractionLog.read(frame), least=2).to_frame()[["item_a", "item_b", "baskets", "lift"]]
      item_a item_b  baskets  lift
    0    cup    tea        6   1.0
    1    pot    tea        6   1.0
    """
    if not least > 0 or not 0 < level < 1 or largest < 2:
        raise DataContractError(
            f"least is {least}, level {level}, largest {largest}: give numbers above 0, from 0 to 1, and above 1."
        )
    purchases = Purchases.read(log, at)
    X, first, who = _baskets(purchases)
    sizes = np.diff(X.indptr)
    fits = sizes <= largest
    if follow is None:
        A = B = X[np.flatnonzero(fits)]
    else:
        before, after = _next(first, who, fits, duration(follow))
        A, B = X[before], X[after]
    n = A.shape[0]
    need = max(1, int(np.ceil(round(least * n, 9)))) if least < 1 else int(least)
    table, keep, a, b = pair_table(A, purchases.items, need, level, None if follow is None else B)
    items = purchases.items[keep]
    if not triples or follow is not None:
        return Together(table, _no_triples(items), n, int((~fits).sum()), follow is not None, level)
    X = _narrow(A, np.isin(np.arange(A.shape[1]), keep))
    return Together(table, _triples(X, a, b, items, need, level), n, int((~fits).sum()), False, level)


def pair_table(
    A: sp.csr_array, items: pd.Index, need: int, level: float, B: sp.csr_array | None = None
) -> tuple[pd.DataFrame, Int, Int, Int]:
    """The table of `Together.pairs`, the items that are frequent enough, and the pairs as positions among them.

    Parameters
    ----------
    A, B : CSR arrays of 0 and 1, shape (n_baskets, n_items)
        Pairs of an item of A and one of the same row of B; without B, each pair within A once.

    Raises
    ------
    DataContractError
        If there are more than 200,000 pairs.
    """
    keep, a, b, count, (na, nb) = _counted(A, need, B)
    items = items[keep]
    if B is None:  # the names of a pair rise
        names = _in_order(items)
        turned = names[a] > names[b]
        a, b = np.where(turned, b, a), np.where(turned, a, b)
    if len(count) > MOST_PAIRS:
        raise DataContractError(
            f"{len(count):,} pairs are in {need:,} baskets or more. Ask for more than least={need:,} baskets."
        )
    n = A.shape[0]
    table = pd.DataFrame({
        FIRST: items[a], SECOND: items[b], "baskets": count.astype(np.int64), "support": count / max(n, 1), "confidence": count / na[a],
        "confidence_back": count / nb[b], **_lift(count, (na[a], nb[b]), (count,), n, level),
    })  # fmt: skip
    table = table.sort_values(
        ["lift_low", FIRST, SECOND], ascending=[False, True, True], kind="stable", ignore_index=True
    )
    return table, keep, a, b


def _counted(A: sp.csr_array, need: int, B: sp.csr_array | None) -> tuple[Int, Int, Int, Float, tuple[Float, Float]]:
    """Pairs of items in enough rows: the items that are frequent enough, pairs of their positions, rows, and rows of each item alone."""
    other = A if B is None else B
    alone = [np.bincount(m.indices, minlength=m.shape[1]) for m in (A, other)]
    frequent = (alone[0] >= need) & (alone[1] >= need) if B is None else (alone[0] >= need) | (alone[1] >= need)
    keep = np.flatnonzero(frequent)
    narrow = _narrow(A, frequent)
    joint = sp.coo_array(narrow.T @ (narrow if B is None else _narrow(other, frequent)))
    good = joint.data >= need
    good &= joint.row < joint.col if B is None else joint.row != joint.col  # to buy the same again is no pair
    a, b = joint.row[good].astype(np.int64), joint.col[good].astype(np.int64)
    na, nb = (x[keep].astype(np.float64) for x in alone)
    return keep, a, b, joint.data[good].astype(np.float64), (na, nb)


def _narrow(X: sp.csr_array, columns: npt.NDArray[np.bool_]) -> sp.csr_array:
    """Some columns of a table of 0 and 1."""
    stay = columns[X.indices]
    place = np.cumsum(columns) - 1
    starts = np.append(0, np.cumsum(stay))[X.indptr]
    ones = np.ones(int(stay.sum()), np.int32)
    return sp.csr_array((ones, place[X.indices[stay]], starts), shape=(X.shape[0], int(columns.sum())))


def _baskets(purchases: Purchases) -> tuple[sp.csr_array, Int, Int]:
    """Which items each basket holds, when it began, and whose it is."""
    rows = purchases.bought
    basket, number = np.unique(purchases.basket[rows], return_inverse=True)
    item = purchases.item[rows]
    X = sp.csr_array(sp.coo_array((np.ones(len(item), np.int64), (number, item)), (len(basket), len(purchases.items))))
    X.sum_duplicates()
    X.data[:] = 1
    time, who = np.full(len(basket), np.iinfo(np.int64).max), np.empty(len(basket), np.int64)
    np.minimum.at(time, number, purchases.time[rows])
    who[number] = purchases.who[rows]
    return X, time, who


def _next(time: Int, who: Int, fits: npt.NDArray[np.bool_], within: int) -> tuple[Int, Int]:
    """Baskets and the next ones of the same customers, if they come within so long."""
    order = np.lexsort((time, who))
    a, b = order[:-1], order[1:]
    good = (who[a] == who[b]) & (time[b] > time[a]) & (time[b] - time[a] <= within) & fits[a] & fits[b]
    return a[good], b[good]


def _in_order(items: pd.Index) -> Int:
    """The rank of each item by its identifier."""
    rank = np.empty(len(items), np.int64)
    rank[np.argsort(items.to_numpy(), kind="stable")] = np.arange(len(items))
    return rank


def _lift(count: Float, single: tuple[Float, ...], joint: tuple[Float, ...], n: int, level: float) -> dict[str, Float]:
    """How many times as often as by chance, with its interval.

    The logarithm is log C − Σ log n_i + (m − 1) log n; its variance, for independent draws of baskets, from the shares
    p of the set, of its items, and of its pairs: (1/p_C − 1 − Σ (1/p_i − 1) + 2 Σ (p_ij / (p_i p_j) − 1)) / n.
    """
    shares = [s / n for s in single]
    lift = count / n / np.prod(shares, axis=0)
    variance = n / count - 1 - sum(1 / p - 1 for p in shares)
    places = [(i, j) for i in range(len(single)) for j in range(i)]
    for c, (i, j) in zip(joint, places, strict=True):
        variance = variance + 2 * (c / n / (shares[i] * shares[j]) - 1)
    spread = float(norm.ppf(0.5 + level / 2)) * np.sqrt(np.maximum(variance / n, 0.0))
    return {"lift": lift, "lift_low": lift * np.exp(-spread), "lift_high": lift * np.exp(spread)}


def _triples(X: sp.csr_array, a: Int, b: Int, items: pd.Index, need: int, level: float) -> pd.DataFrame:
    """Triples whose three pairs were all found, in enough baskets; columns of X are the items."""
    n = X.shape[0]
    if not len(a):
        return _no_triples(items)
    columns = X.tocsc()
    pair_count = {}
    joint = columns[:, a].multiply(columns[:, b]).tocsc()
    for i, (first, second) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        pair_count[first, second] = float(joint.indptr[i + 1] - joint.indptr[i])
    found = sp.coo_array(joint.T @ X)
    names = _in_order(items)
    good = (found.data >= need) & (names[found.col] > names[b[found.row]])
    rows = []
    for pair, third, count in zip(
        found.row[good].tolist(), found.col[good].tolist(), found.data[good].tolist(), strict=True
    ):
        first, second = int(a[pair]), int(b[pair])
        if (first, third) in pair_count and (second, third) in pair_count:
            rows.append(
                (
                    first,
                    second,
                    third,
                    count,
                    pair_count[first, second],
                    pair_count[first, third],
                    pair_count[second, third],
                )
            )
    if not rows:
        return _no_triples(items)
    i, j, k, count, ij, ik, jk = np.array(rows, np.float64).T
    first, second, third = (v.astype(np.int64) for v in (i, j, k))
    single = np.diff(columns.indptr).astype(np.float64)
    told = _lift(count, (single[first], single[second], single[third]), (ij, ik, jk), n, level)
    table = pd.DataFrame({
        FIRST: items[first], SECOND: items[second], THIRD: items[third], "baskets": count.astype(np.int64), "support": count / n, **told,
    })  # fmt: skip
    return table.sort_values(
        ["lift_low", FIRST, SECOND, THIRD], ascending=[False, True, True, True], kind="stable", ignore_index=True
    )


def _no_triples(items: pd.Index) -> pd.DataFrame:
    return pd.DataFrame({
        FIRST: items[:0], SECOND: items[:0], THIRD: items[:0], "baskets": np.zeros(0, np.int64),
        **dict.fromkeys(("support", "lift", "lift_low", "lift_high"), np.zeros(0)),
    })  # fmt: skip
