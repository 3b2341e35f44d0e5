"""Rules about whole customers, orders and items: checked once all rows are in."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import AMOUNT, CUSTOMER, ITEM, KIND, ORDER, POINTS, PURCHASE, RETURN
from crmintel.errors import DataContractError
from crmintel.interactions.part import ROW, Bool, Part
from crmintel.interactions.policies import Policies
from crmintel.interactions.quality import Finding, Level
from crmintel.interactions.store import Store

PLACEHOLDERS = (
    "0", "-1", "unknown", "guest", "null", "none", "nan", "n/a", "na", "test", "anonymous", "default", "undefined",
)  # fmt: skip
HEAVY = 0.01


@final
@dataclass
class Census:
    """Gathers what the rules need while parts pass by."""

    policies: Policies
    rows: int = 0
    customers: int = 0
    duplicates: int = 0
    early_returns: int = 0
    overdrawn: int = 0
    heaviest: int = 0
    placeholders: int = 0
    collisions: int = 0
    lines: int = 0
    orders: int = 0
    largest_customer: float = 0.0
    income: float = 0.0
    heavy: list[int] = field(default_factory=list)

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
        self.placeholders += int(counts[_is_placeholder(part.customers)].sum())
        self.collisions += _collisions(part.customers)
        self.early_returns += _early_returns(part)
        if POINTS in part.numbers:
            self.overdrawn += _overdrawn(part)
        if AMOUNT in part.numbers and len(part):
            spent = np.add.reduceat(np.nan_to_num(part.numbers[AMOUNT]), part.starts[:-1])
            self.largest_customer = max(self.largest_customer, float(spent.max()))
            self.income += float(spent[spent > 0].sum())
        if ORDER in part.codes:
            code = part.codes[ORDER]
            self.lines += int((code >= 0).sum())
            self.orders += len(np.unique(code[code >= 0]))
        return part

    def findings(self) -> Iterator[Finding]:
        """What fired."""
        heavy = [c for c in self.heavy if c > max(HEAVY, 10 / max(self.customers, 1)) * self.rows]
        done = "dropped" if self.policies.on_duplicate == "drop" else 'kept; Policies(on_duplicate="drop") removes them'
        yield from self._one("exact duplicate rows", self.duplicates, done, "warning")
        yield from self._one("placeholder customers (0, -1, unknown, guest, test, …)", self.placeholders, "kept", "warning")
        yield from self._one(
            f"rows of {len(heavy)} customers who each hold over 1 % of all rows (a robot or a shared account?)",
            sum(heavy), "kept", "warning",
        )  # fmt: skip
        yield from self._one(
            "customers whose ids differ only in case, spaces, width or leading zeros", self.collisions,
            "kept apart; see crmintel.interactions.normalise_ids", "warning",
        )  # fmt: skip
        yield from self._one("returns dated before the purchase of the same item", self.early_returns, "kept", "warning")
        yield from self._one("customers who redeemed more points than they had", self.overdrawn, "kept", "warning")
        if self.income > 0 and self.largest_customer > 0.5 * self.income and self.customers > 2:
            yield from self._one("customers who alone hold over half of the money", 1, "kept", "warning")
        if self.lines > self.orders:
            yield from self._one("order lines", self.lines, f"counted as {self.orders:,} orders", "note")
        if self.rows == 1 or self.customers == 1:
            yield Finding("only one row" if self.rows == 1 else "only one customer", 1, 1.0, "models cannot be fitted", "warning")

    def _one(self, rule: str, count: int, action: str, level: Level) -> Iterator[Finding]:
        if count:
            yield Finding(rule, count, count / max(self.rows, 1), action, level)


def refuse_shared_orders(store: Store, policies: Policies) -> list[Finding]:
    """Orders that belong to more than one customer.

    Raises
    ------
    DataContractError
        With the count and the first positions, unless the policy keeps them.
    """
    names = {c for p in store.held for c in p.codes} | ({ORDER} if store.files else set())
    if ORDER not in names:
        return []
    with duckdb.connect(config={"threads": 2}) as connection:
        if store.files:
            rows = connection.read_parquet([str(f) for f in store.files])
            if ORDER not in rows.columns:
                return []
        else:
            part = store.held[0]
            order = pa.array(part.codes[ORDER], mask=part.codes[ORDER] < 0)
            rows = connection.from_arrow(
                pa.table({ORDER: order, CUSTOMER: part.customer_codes, ROW: part.numbers[ROW]})  # type: ignore[arg-type]
            )
        found = rows.query(
            "lines",
            f'SELECT min("{ROW}") AS first FROM lines WHERE "{ORDER}" IS NOT NULL '
            f'GROUP BY "{ORDER}" HAVING min("{CUSTOMER}") <> max("{CUSTOMER}") ORDER BY first',
        ).fetchall()
    if found and policies.on_shared_order == "raise":
        first = ", ".join(str(int(r[0])) for r in found[:3])
        raise DataContractError(
            f"{len(found):,} orders carry more than one customer (first rows: {first}). "
            'Repair them, or keep them with Policies(on_shared_order="keep").'
        )
    return [Finding("orders with more than one customer", len(found), 0.0, "kept", "warning")] if found else []


def duplicated(part: Part, key: tuple[str, ...]) -> Bool:
    """Rows that repeat an earlier row of the same customer, in every column or in the key."""
    if not len(part):
        return np.zeros(0, bool)
    if key:
        known = {CUSTOMER: part.customer_codes, "timestamp": part.time, **part.codes, **part.numbers}
        if absent := [k for k in key if k not in known]:
            raise DataContractError(f"The duplicate_key names {', '.join(map(repr, absent))}, which the log does not have.")
        return pd.DataFrame({k: known[k] for k in (CUSTOMER, *key)}).duplicated().to_numpy()  # type: ignore[no-any-return]
    same = np.concatenate([[False], np.diff(part.time) == 0])
    same[part.starts[:-1]] = False
    known_at = [] if part.known_at is None else [part.known_at]
    for column in (*part.codes.values(), *known_at):
        same[1:] &= column[1:] == column[:-1]
    for name, number in part.numbers.items():
        if name != ROW:
            same[1:] &= (number[1:] == number[:-1]) | (np.isnan(number[1:]) & np.isnan(number[:-1]))
    return same


def _is_placeholder(customers: pa.Array) -> Bool:
    text = customers.cast(pa.large_string())
    found = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(text)), pa.array(PLACEHOLDERS, pa.large_string()))
    return found.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _collisions(customers: pa.Array) -> int:
    """Customers that a careless join would take for another."""
    if pa.types.is_integer(customers.type) or not len(customers):
        return 0
    plain = normalised(customers)
    plain = pc.if_else(pc.equal(pc.utf8_ltrim(plain, "0"), ""), plain, pc.utf8_ltrim(plain, "0"))
    return len(customers) - len(pc.unique(plain))


def normalised(text: pa.Array) -> pa.Array:
    """Text in NFKC form, lower case, without surrounding spaces."""
    return pc.utf8_trim_whitespace(pc.utf8_lower(pc.utf8_normalize(text.cast(pa.string()), form="NFKC")))


def _early_returns(part: Part) -> int:
    kinds = part.vocabulary[KIND].to_pylist()
    if RETURN not in kinds or PURCHASE not in kinds:
        return 0
    item = part.codes.get(ITEM, np.zeros(len(part), np.int32))
    key = part.customer_codes * (int(item.max(initial=0)) + 2) + item
    bought, back = part.codes[KIND] == kinds.index(PURCHASE), part.codes[KIND] == kinds.index(RETURN)
    keys, first = np.unique(key[bought], return_index=True)
    found = np.clip(np.searchsorted(keys, key[back]), 0, max(len(keys) - 1, 0))
    if not len(keys):
        return 0
    known = keys[found] == key[back]
    return int((known & (part.time[bought][first][found] > part.time[back])).sum())


def _overdrawn(part: Part) -> int:
    points = np.nan_to_num(part.numbers[POINTS])
    running = np.cumsum(points)
    before = np.repeat(running[part.starts[:-1]] - points[part.starts[:-1]], np.diff(part.starts))
    return int((np.minimum.reduceat(running - before, part.starts[:-1]) < -1e-9).sum()) if len(part) else 0
