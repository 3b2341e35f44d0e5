"""Who bought what, when and together with what: the one table that every recommender learns from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from crmintel.columns import CUSTOMER, ITEM, KIND, ORDER, PURCHASE, QUANTITY
from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog, Part
from crmintel.interactions.clock import DAY, Int, duration
from crmintel.showing import Shown

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]
Real32 = npt.NDArray[np.float32]
BOUGHT: Final[Mapping[str, float]] = {PURCHASE: 1.0}


@final
@dataclass(frozen=True)
class Evidence(Shown):
    """What counts as interest in an item, and how much.

    Parameters
    ----------
    kinds : mapping of kind to weight
        Kinds of interactions that count; by default purchases, 1 each. Only purchases make an item one that was bought.
    half_life : duration such as "90d", optional
        An interaction counts half after so long.
    quantity : bool
        Whether units count: log2(1 + units) in place of 1.

    Notes
    -----
    Of several interactions of a customer with an item the strongest counts, so the default is 1 for every item that was bought.

    Examples
    --------
    >>> from crmintel.recommend import CoOccurrence
    >>> from crmintel.datasets import simulate
    >>> log = simulate(100, days=400, seed=1).log(quiet=True)
    >>> model = CoOccurrence(evidence=Evidence(half_life="90d", quantity=True)).fit(log)
    >>> len(model.recommend([1], k=3))
    3
    """

    kinds: Mapping[str, float] | None = None
    half_life: str | None = None
    quantity: bool = False

    def check(self) -> None:
        """Refuse weights that are no weights, and half-lives that are no durations."""
        if bad := [k for k, w in (self.kinds or BOUGHT).items() if not 0 < w < np.inf]:
            raise DataContractError(f"The weight of {', '.join(map(repr, bad))} is not above 0. Leave the kind out.")
        if self.half_life is not None:
            duration(self.half_life)


PURCHASES: Final = Evidence()
_BLOCK: Final = 2_000_000


@final
@dataclass(frozen=True, eq=False)
class Purchases(Shown):
    """Interactions with items, of rising customers and in order of time.

    Parameters
    ----------
    customers : Index, shape (n_customers,)
        Identifiers of who bought at least one item, rising.
    items : Index, shape (n_items,)
        Identifiers of what was bought, most owners first, then by identifier.
    owners : int64, shape (n_items,)
        How many customers bought each item.
    starts : int64, shape (n_customers + 1,)
        The rows of customer ``c`` are ``starts[c]:starts[c + 1]``.
    item : int32, shape (n_rows,)
        Positions in `items`.
    time : int64, shape (n_rows,)
        UTC microseconds, rising within a customer.
    basket : int32, shape (n_rows,)
        Which basket a row belongs to, numbered from 0, customer after customer in order of time: rows of one order, or of one local day.
    weight : float32, shape (n_rows,)
        How much a row counts, before time is looked at.
    bought : bool, shape (n_rows,)
        Whether it is a purchase.
    at : int
        The instant it was told at, UTC microseconds.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> Purchases.read(log)
    Purchases: 4,226 rows, 194 customers, 455 items
    """

    customers: pd.Index
    items: pd.Index
    owners: Int
    starts: Int
    item: Codes
    time: Int
    basket: Codes
    weight: Real32
    bought: Bool
    at: int

    @classmethod
    def read(
        cls, log: InteractionLog, at: Any = None, evidence: Evidence = PURCHASES, *, fewest: int = 2
    ) -> "Purchases":
        """What was known of a log before an instant; by default the whole log.

        Parameters
        ----------
        fewest : int
            Customers and items that there must be.

        Raises
        ------
        DataContractError
            If the log has no items, or fewer than two customers or items were bought from.
        """
        evidence.check()
        if ITEM not in log.columns:
            raise DataContractError(f"The log has no column {ITEM!r}. Map it to recommend items.")
        past = log if at is None else log.before(at)
        when = log.bounds[1] + 1 if at is None else log.zone.instant(at)
        columns = [ITEM, KIND] + [c for c in (ORDER, QUANTITY) if c in log.columns]
        pieces = [_piece(part, past, evidence) for part in past.parts(columns)]
        kept = [p for p in pieces if p is not None]
        customers = pd.Index(np.concatenate([p.customers for p in kept]) if kept else [], name=CUSTOMER)
        vocabulary = pd.Index(np.unique(np.concatenate([p.vocabulary for p in kept]))) if kept else pd.Index([])
        if len(customers) < max(fewest, 1) or not kept:
            raise _too_few(len(customers), len(vocabulary), fewest)
        words = [vocabulary.get_indexer(pd.Index(p.vocabulary)) for p in kept]
        owners = np.zeros(len(vocabulary), np.int64)
        for p, word in zip(kept, words, strict=True):
            np.add.at(owners, word, p.owners)
        popular = np.argsort(-owners, kind="stable")
        popular = popular[owners[popular] > 0]
        if len(popular) < fewest:
            raise _too_few(len(customers), len(popular), fewest)
        place = np.full(len(vocabulary), -1, np.int32)
        place[popular] = np.arange(len(popular), dtype=np.int32)
        offset = np.append(0, np.cumsum([p.n_baskets for p in kept]))
        counts = np.concatenate([p.counts for p in kept])
        # one column after the other, and the pieces let go: at a hundred million rows two copies would not fit
        item = np.concatenate([place[w][p.rows.pop("item")] for p, w in zip(kept, words, strict=True)])
        basket = np.concatenate([p.rows.pop("basket") + np.int32(o) for p, o in zip(kept, offset[:-1], strict=True)])
        time, weight, bought = (np.concatenate([p.rows.pop(n) for p in kept]) for n in ("time", "weight", "bought"))
        starts = np.append(0, np.cumsum(counts))
        if not customers.is_monotonic_increasing:  # files hold customers by hash
            order = np.argsort(customers.to_numpy(), kind="stable")
            ends = np.cumsum(counts[order])
            rows = np.arange(len(item)) + np.repeat(starts[:-1][order] - (ends - counts[order]), counts[order])
            customers, starts = customers[order], np.append(0, ends)
            item, time, weight, bought, basket = item[rows], time[rows], weight[rows], bought[rows], basket[rows]
            basket = pd.factorize(basket)[0].astype(np.int32)
        known = item >= 0  # an item that was only looked at cannot be offered
        if not known.all():
            starts = np.append(0, np.cumsum(known))[starts]
            item, time, weight, bought, basket = item[known], time[known], weight[known], bought[known], basket[known]
        items = pd.Index(vocabulary[popular], name=ITEM)
        return cls(customers, items, owners[popular], starts, item, time, basket, weight, bought, when)

    @property
    def who(self) -> Codes:
        """The position in `customers` of each row."""
        return np.repeat(np.arange(len(self.customers), dtype=np.int32), np.diff(self.starts))

    @property
    def shape(self) -> tuple[int, int]:
        """Customers, items."""
        return len(self.customers), len(self.items)

    def history(self) -> sp.csr_array:
        """On how many rows each customer bought each item, shape (n_customers, n_items)."""
        who, item, count, _ = self.pairs()
        some = count > 0
        starts = np.searchsorted(who[some], np.arange(self.shape[0] + 1))
        return sp.csr_array((count[some], item[some], starts), shape=self.shape)

    def pairs(self, key: Callable[[slice], Float] | None = None) -> tuple[Codes, Codes, Real32, Float | None]:
        """Each pair of a customer and an item once: positions, rows of purchases, and the greatest of what `key` says of the rows.

        Some customers at a time: a sort of all rows would take several times their memory.
        """
        found: list[tuple[Codes, Codes, Real32, Float | None]] = []
        edges = np.unique(np.append(np.searchsorted(self.starts, np.arange(0, len(self.item), _BLOCK)), self.shape[0]))
        for a, b in pairwise(edges.tolist()):
            rows = slice(int(self.starts[a]), int(self.starts[b]))
            who = np.repeat(np.arange(a, b), np.diff(self.starts[a : b + 1]))
            pair = who * self.shape[1] + self.item[rows]
            order = np.argsort(pair, kind="stable")
            pair = pair[order]
            first = np.flatnonzero(np.append(np.ones(min(len(pair), 1), bool), pair[1:] != pair[:-1]))
            bought = (
                np.add.reduceat(self.bought[rows][order].astype(np.float32), first)
                if len(first)
                else np.zeros(0, np.float32)
            )
            top = None if key is None else np.maximum.reduceat(key(rows)[order], first) if len(first) else np.zeros(0)
            one = pair[first]
            found.append(((one // self.shape[1]).astype(np.int32), (one % self.shape[1]).astype(np.int32), bought, top))
        who, item, count = (np.concatenate([f[i] for f in found]) for i in range(3))
        return who, item, count, None if key is None else np.concatenate([f[3] for f in found if f[3] is not None])

    def before(self, time: int) -> "Purchases":
        """What was known before an earlier instant (UTC microseconds), with the same customers and items."""
        return replace(self.only(self.time < time), at=time)

    def only(self, keep: Bool) -> "Purchases":
        """Some of the rows, with the same customers and items."""
        starts = np.append(0, np.cumsum(keep))[self.starts]
        item, bought = self.item[keep], self.bought[keep]
        who = np.repeat(np.arange(self.shape[0]), np.diff(starts))
        return replace(
            self, owners=_owners(who[bought], item[bought], *self.shape), starts=starts, item=item, time=self.time[keep],
            basket=self.basket[keep], weight=self.weight[keep], bought=bought,
        )  # fmt: skip

    def offering(self, items: pd.Index) -> "Purchases":
        """With items that nobody bought as well: after all others, by identifier, so they lose every tie."""
        new = items.difference(self.items, sort=True)
        owners = np.append(self.owners, np.zeros(len(new), np.int64))
        return replace(self, items=self.items.append(new).rename(ITEM), owners=owners)

    def __repr__(self) -> str:
        return f"Purchases: {len(self.item):,} rows, {self.shape[0]:,} customers, {self.shape[1]:,} items"


@final
@dataclass(frozen=True, eq=False)
class _Piece:
    """What one part holds; items are positions in its own vocabulary, baskets are numbered from 0."""

    customers: npt.NDArray[Any]
    counts: Int
    vocabulary: npt.NDArray[Any]
    owners: Int
    n_baskets: int
    rows: dict[str, npt.NDArray[Any]]


def _piece(part: Part, log: InteractionLog, evidence: Evidence) -> _Piece | None:
    """The rows of a part that count, of customers who bought; None if there are none."""
    kinds, worth = part.vocabulary[KIND].to_pylist(), evidence.kinds or BOUGHT
    scale = np.array([worth.get(k, 0.0) for k in kinds] + [0.0])
    is_purchase = np.array([k == PURCHASE for k in kinds] + [False])
    row = (part.codes[ITEM] >= 0) & (is_purchase | (scale > 0))[part.codes[KIND]]
    bought = is_purchase[part.codes[KIND]] & row
    buyers = np.bincount(part.customer_codes[bought], minlength=len(part.customers)) > 0
    row &= buyers[part.customer_codes]
    if not row.any():
        return None
    code = part.customer_codes[row]
    weight = scale[part.codes[KIND][row]]
    if evidence.quantity and QUANTITY in part.numbers:
        weight = weight * np.log2(1 + np.maximum(np.nan_to_num(part.numbers[QUANTITY][row], nan=1.0), 0.0))
    used, item = np.unique(part.codes[ITEM][row], return_inverse=True)
    basket = _baskets(code, part, row, log)
    counts = np.bincount(code, minlength=len(part.customers))
    rows: dict[str, npt.NDArray[Any]] = {
        "item": item.astype(np.int32), "time": part.time[row], "basket": basket.astype(np.int32), "weight": weight.astype(np.float32),
        "bought": bought[row],
    }  # fmt: skip
    owners = _owners(code[bought[row]], item[bought[row]], len(part.customers), len(used))
    return _Piece(
        part.customers.to_pandas().to_numpy()[counts > 0], counts[counts > 0], part.vocabulary[ITEM].to_pandas().to_numpy()[used], owners,
        int(basket.max()) + 1, rows,
    )  # fmt: skip


def _baskets(code: Int, part: Part, row: Bool, log: InteractionLog) -> Int:
    """Number the baskets of each customer in the order in which they begin; a row without an order is of its day."""
    day = log.zone.to_local(part.time[row]) // DAY
    if ORDER not in part.codes:
        return np.cumsum((np.diff(code, prepend=code[0]) != 0) | (np.diff(day, prepend=day[0]) != 0))
    order = part.codes[ORDER][row].astype(np.int64)
    own = np.where(order >= 0, order, order.max() + 1 + day - day.min())
    return np.asarray(pd.factorize(code * (own.max() + 1) + own)[0], np.int64)


def _owners(
    who: npt.NDArray[np.integer[Any]], item: npt.NDArray[np.integer[Any]], n_customers: int, n_items: int
) -> Int:
    """How many customers have each item."""
    pairs = np.unique(who.astype(np.int64) * n_items + item)
    return np.bincount(pairs % n_items, minlength=n_items)


def _too_few(customers: int, items: int, fewest: int) -> DataContractError:
    return DataContractError(
        f"{customers} customers bought {items} items. Recommending needs at least {fewest} of each."
    )
