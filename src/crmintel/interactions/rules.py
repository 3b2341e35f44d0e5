"""Rules about whole customers, orders and items: checked once all rows are in."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import AMOUNT, CUSTOMER, ITEM, KIND, KNOWN_AT, ORDER, POINTS, PURCHASE, RETURN, TIME
from crmintel.errors import DataContractError
from crmintel.interactions.files import connect
from crmintel.interactions.fingerprint import Hash, hash_values
from crmintel.interactions.part import ROW, Bool, Part, Rows
from crmintel.interactions.policies import Policies
from crmintel.interactions.quality import Finding
from crmintel.interactions.spelling import likeness
from crmintel.interactions.store import Pending
from crmintel.interactions.words import plain_type

PLACEHOLDERS = (
    "0", "-1", "unknown", "guest", "null", "none", "nan", "n/a", "na", "test", "anonymous", "default", "undefined",
)  # fmt: skip
HEAVY = 0.01
NEARLY_ALL, SOME, FEW = 0.95, 20, 10


@final
@dataclass
class Census:
    """Gathers what the rules need while parts pass by."""

    policies: Policies
    unread: bool = False  # whether the source has columns that were not read
    rows: int = 0
    customers: int = 0
    duplicates: int = 0
    once: int = 0
    instants: set[int] = field(default_factory=set)  # the first and the last of each part
    early_returns: int = 0
    overdrawn: int = 0
    placeholders: int = 0
    lines: int = 0
    orders: int = 0
    largest_customer: float = 0.0
    income: float = 0.0
    heavy: list[int] = field(default_factory=list)
    alike: list[Hash] = field(
        default_factory=list
    )  # what customers have in common whom a careless join would take for one

    def take(self, part: Part) -> Part:
        """Count a part, and return it as the policies want it."""
        again = duplicated(part, self.policies.duplicate_key)
        self.duplicates += int(again.sum())
        if self.policies.on_duplicate == "drop" and again.any():
            part = part.take(~again)
        self.rows += len(part)
        self.customers += len(part.customers)
        counts = np.diff(part.starts)
        self.heavy += np.sort(counts)[-100:].tolist()  # at most a hundred customers can hold 1 % each
        if len(part):
            first, last = (edge.reduceat(part.time, part.starts[:-1]) for edge in (np.minimum, np.maximum))
            self.once += int((first == last).sum())
            self.instants |= {int(first.min()), int(last.max())}
        self.placeholders += int(counts[_is_placeholder(part.customers)].sum())
        if not pa.types.is_integer(part.customers.type):
            self.alike.append(hash_values(likeness(part.customers)))
        self.early_returns += _early_returns(part)
        if POINTS in part.numbers:
            self.overdrawn += _overdrawn(part)
        if AMOUNT in part.numbers and len(part):
            amount = part.numbers[AMOUNT]
            spent = np.add.reduceat(np.where(np.isnan(amount), 0.0, amount), part.starts[:-1])
            self.largest_customer = max(self.largest_customer, float(spent.max()))
            self.income += float(spent[spent > 0].sum())
        if ORDER in part.codes:
            bought = pc.index(part.vocabulary[KIND], PURCHASE).as_py()
            code = np.where(part.codes[KIND] == bought, part.codes[ORDER], -1)
            own = part.customer_codes * len(part.vocabulary[ORDER]) + code
            self.lines += int((code >= 0).sum())
            self.orders += len(pd.unique(own[code >= 0]))
        return part

    def findings(self, read: int) -> Iterator[Finding]:
        """What fired, as counts and as shares of the rows that were read."""
        for rule, count, action, few in self._remarks():
            if count:
                yield Finding(rule, count, count / max(read, 1), action, "warning", few)
        if self.lines > self.orders:
            yield Finding(
                "order lines",
                self.lines,
                self.lines / max(read, 1),
                f"counted as {self.orders:,} orders",
                "note",
            )

    def _remarks(self) -> list[tuple[str, int, str, bool]]:
        """Rule, count, what was done, and whether it is about few customers."""
        limit = max(HEAVY, 10 / max(self.customers, 1))
        heavy = [c for c in self.heavy if c > limit * self.rows]
        who = "1 customer who holds" if len(heavy) == 1 else f"{len(heavy)} customers who each hold"
        robots = f"rows of {who} over {100 * limit:.3g} % of all rows (a robot or a shared account?)"
        collisions = sum(map(len, self.alike)) - len(pd.unique(np.concatenate(self.alike))) if self.alike else 0
        lonely = self.income > 0 and self.largest_customer > 0.5 * self.income and self.customers > 2
        again, done = "exact duplicate rows", 'kept; on_duplicate="drop" (a policy) removes them'
        if self.policies.duplicate_key:
            again = "rows with a doubled key"
        elif self.unread:
            again, done = (
                "rows equal in every column that was read",
                "kept; a column that was not read may tell them apart",
            )
        done = "dropped" if self.policies.on_duplicate == "drop" else done
        orders = self.customers >= SOME and self.once >= NEARLY_ALL * self.customers and len(self.instants) > 1
        return [
            ("customers seen only once, nearly all of them: is customer_id the customer, or the order?", orders * self.once, "kept", False),
            (again, self.duplicates, done, False),
            ("placeholder customers (0, -1, unknown, guest, test, …)", self.placeholders, "kept", True),
            (robots, sum(heavy), "kept", len(heavy) < FEW),
            (
                "customers whose ids differ only in case, spaces, width or leading zeros", collisions,
                "kept apart; see crmintel.interactions.normalise_ids", False,
            ),
            ("returns dated before the purchase of the same item", self.early_returns, "kept", False),
            ("customers who redeemed more points than they had", self.overdrawn, "kept", False),
            ("customer who alone holds over half of the money", int(lonely), "kept", True),
            ("only one row", int(self.rows == 1), "kept; models cannot be fitted", False),
            ("only one customer", int(self.customers == 1 < self.rows), "kept; models cannot be fitted", False),
        ]  # fmt: skip


def refuse_shared_orders(rows: Pending, policies: Policies) -> list[Finding]:
    """Orders that belong to more than one customer.

    Raises
    ------
    DataContractError
        With the count and the first positions, unless the policy keeps them.
    """
    if ORDER not in rows.schema.names:
        return []
    first = _shared_orders(rows)
    if first and policies.on_shared_order == "raise":
        raise DataContractError(
            f"{len(first):,} orders carry more than one customer (first rows: {', '.join(map(str, first[:3]))}). "
            'Repair them, or keep them with on_shared_order="keep" (a policy).'
        )
    return [Finding("orders with more than one customer", len(first), 0.0, "kept", "warning")] if first else []


def _shared_orders(pending: Pending) -> list[int]:
    """The first row of each order that carries more than one customer, rising."""
    if pending.rows is not None:
        return sorted(_shared_within(pending.rows))
    if not pending.files:
        return []
    columns = [ORDER, CUSTOMER, ROW]
    schema = pa.schema([(n, plain_type(pending.schema.field(n).type)) for n in columns])
    with connect(memory_limit="300MB", temp_directory=str(pending.files[0].with_name("orders"))) as connection:
        lines = connection.from_arrow(pa.RecordBatchReader.from_batches(schema, pending.batches(columns)))
        first: Any = lines.query(  # the stubs say that it may give nothing
            "lines",
            f'SELECT min("{ROW}") AS first FROM lines WHERE "{ORDER}" IS NOT NULL '
            f'GROUP BY "{ORDER}" HAVING min(hash("{CUSTOMER}")) <> max(hash("{CUSTOMER}")) ORDER BY first',
        )
        return [int(row) for row in first.fetchnumpy()["first"]]


def _shared_within(rows: Rows) -> list[int]:
    """The same for rows in memory."""
    known = rows.codes[ORDER] >= 0
    order, customer, row = rows.codes[ORDER][known], rows.customer[known], rows.numbers[ROW][known]
    n = len(rows.vocabulary[ORDER])
    one = np.zeros(n, np.int64)
    one[order] = customer  # any one of its customers
    shared = np.zeros(n, bool)
    shared[order[customer != one[order]]] = True
    first = np.full(n, np.inf)
    np.minimum.at(first, order[shared[order]], row[shared[order]])
    return [int(r) for r in first[shared]]


def duplicated(part: Part, key: tuple[str, ...]) -> Bool:
    """Rows that repeat an earlier row of the same customer, in every column or in the key."""
    if not len(part):
        return np.zeros(0, bool)
    if key:
        known = {CUSTOMER: part.customer_codes, TIME: part.time, KNOWN_AT: part.known_at, **part.codes, **part.numbers}
        again: Bool = pd.DataFrame({k: known[k] for k in (CUSTOMER, *key)}).duplicated().to_numpy()
        return again
    same = np.diff(part.time, prepend=part.time[0] - 1) == 0
    same[part.starts[:-1]] = False
    rows = np.flatnonzero(same)
    whole: list[npt.NDArray[Any]] = [*part.codes.values(), *([] if part.known_at is None else [part.known_at])]
    for column in [*whole, *part.numbers.values()]:
        here, before = column[rows], column[rows - 1]
        rows = rows[(here == before) | ((here != here) & (before != before))]  # missing equals missing
    out = np.zeros(len(part), bool)
    out[rows] = True
    return out


def _is_placeholder(customers: pa.Array) -> Bool:
    if pa.types.is_integer(customers.type):
        found = pc.is_in(customers, pa.array([0, -1], pa.int64()))
    else:
        found = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(customers)), pa.array(PLACEHOLDERS, pa.large_string()))
    return found.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]  # Arrow has no types of its own


def _early_returns(part: Part) -> int:
    kinds = part.vocabulary[KIND].to_pylist()
    if RETURN not in kinds or PURCHASE not in kinds:
        return 0
    item = part.codes.get(ITEM, np.zeros(len(part), np.int32))
    key = part.customer_codes * (int(item.max(initial=0)) + 2) + item
    bought, back = part.codes[KIND] == kinds.index(PURCHASE), part.codes[KIND] == kinds.index(RETURN)
    returned = np.zeros(int(item.max(initial=0)) + 2, bool)
    returned[item[back]] = True
    bought &= returned[item]  # most purchases need no further look
    keys, first = np.unique(key[bought], return_index=True)
    if not len(keys):
        return 0
    found = np.clip(np.searchsorted(keys, key[back]), 0, len(keys) - 1)
    known = keys[found] == key[back]
    return int((known & (part.time[bought][first][found] > part.time[back])).sum())


def _overdrawn(part: Part) -> int:
    points = np.nan_to_num(part.numbers[POINTS])
    running = np.cumsum(points)
    before = np.repeat(running[part.starts[:-1]] - points[part.starts[:-1]], np.diff(part.starts))
    return int((np.minimum.reduceat(running - before, part.starts[:-1]) < -1e-9).sum()) if len(part) else 0
