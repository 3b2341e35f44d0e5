"""The door: each batch of a source becomes checked columns; every broken rule is counted, and refused at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import (
    AMOUNT, CATEGORY, CHANNEL, CURRENCY, CUSTOMER, ITEM, KIND, KNOWN_AT, ORDER, PURCHASE,
    QUANTITY, RETURN, TIME, UNIT_PRICE, UNKNOWN, NUMBERS,
)  # fmt: skip
from crmintel.errors import DataContractError
from crmintel.interactions import convert
from crmintel.interactions.clock import DAY, Int, Zone, micros
from crmintel.interactions.convert import MISSING_TIME, Column
from crmintel.interactions.part import ROW
from crmintel.interactions.policies import Policies
from crmintel.interactions.quality import Finding, Tally

Bool = npt.NDArray[np.bool_]

_OLDEST, _NEWEST = (micros(pd.Timestamp(y, 1, 1)) for y in (1900, 2200))
SENTINELS = tuple(int(np.datetime64(d, "us").astype(np.int64)) for d in ("1900-01-01", "1970-01-01", "9999-12-31"))

NO_OWNER = "rows without a customer or a time"
NO_AMOUNT = "purchases or returns without an amount"
NO_ITEM = "purchases or returns without an item"
RANGE_TIME = f"times before 1900 or after 2200 in {TIME!r}"
SENTINEL = "sentinel dates (1900-01-01, 1970-01-01, 9999-12-31)"
FUTURE = "times in the future"
UNFLAGGED = "negative amounts without a return flag"
NO_CATEGORY = "items without a category"


@final
@dataclass
class Intake:
    """Turns batches into checked tables and remembers what was wrong.

    Parameters
    ----------
    wanted : mapping
        Our column names to the source's.
    now : int
        UTC microseconds after which a time lies in the future.
    """

    wanted: Mapping[str, str]
    keep: Sequence[str]
    zone: Zone
    policies: Policies
    text: bool
    now: int
    items: pd.Series | None = None
    tally: Tally = field(default_factory=Tally)
    rows: int = 0
    currencies: set[str] = field(default_factory=set)
    first: int | None = None
    last: int | None = None

    def check(self, batch: pa.Table) -> pa.Table:
        """The rows of a batch that may enter, under our names."""
        n = batch.num_rows
        data: dict[str, Any] = {
            ours: self._convert(ours, Column(theirs, batch[theirs], self.tally, self.rows, self.text))
            for ours, theirs in {**self.wanted, **{k: k for k in self.keep}}.items()
        }
        self._amounts(data)
        kind = self._kinds(data, n)
        stay = self._owners(data) & self._dates(data) & self._bought(data, kind)
        self._labels(data, n)
        for name, (low, high) in self.policies.ranges.items():
            if name in data:
                self._note(f"values of {name!r} outside {low:g} to {high:g}", (data[name] < low) | (data[name] > high))
        data[ROW] = np.arange(self.rows, self.rows + n, dtype=np.float64)
        self.rows += n
        return pa.table(data).filter(pa.array(stay))

    def _convert(self, ours: str, column: Column) -> Any:
        if ours in (TIME, KNOWN_AT):
            return convert.times(column, self.zone, self.policies)
        if ours in (CUSTOMER, ITEM, ORDER):
            return convert.ids(column)
        if ours in (KIND, CATEGORY, CHANNEL, CURRENCY):
            return convert.labels(column)
        kept_text = ours not in NUMBERS and (
            self.text or column.category or not (pa.types.is_floating(column.values.type) or pa.types.is_integer(column.values.type)
                                                 or pa.types.is_decimal(column.values.type))
        )  # fmt: skip
        return convert.labels(column) if kept_text else convert.numbers(column)

    def _note(self, rule: str, mask: Bool) -> Bool:
        self.tally.note(rule, self.rows + np.flatnonzero(mask)[:3], int(np.count_nonzero(mask)))
        return mask

    def _amounts(self, data: dict[str, Any]) -> None:
        if AMOUNT not in data and QUANTITY in data and UNIT_PRICE in data:
            data[AMOUNT] = data[QUANTITY] * data[UNIT_PRICE] + 0.0

    def _kinds(self, data: dict[str, Any], n: int) -> npt.NDArray[np.object_]:
        """Every row gets a kind; negative purchases are returns, whether or not a flag says so."""
        negative = np.zeros(n, bool)
        for name in (AMOUNT, QUANTITY):
            if name in data:
                negative |= data[name] < 0
        if KIND in data:
            kind = pc.fill_null(data[KIND], UNKNOWN)
            wrong = convert.true(pc.equal(kind, PURCHASE)) & negative
            self._note(UNFLAGGED, wrong)
            negative = wrong
        else:
            kind = pa.array([PURCHASE]).take(pa.array(np.zeros(n, np.int64)))
            if AMOUNT in data or QUANTITY in data:
                self._note(UNFLAGGED, negative)
        data[KIND] = pc.if_else(pa.array(negative), RETURN, kind)
        return np.asarray(pc.is_in(data[KIND], pa.array([PURCHASE, RETURN])).to_numpy(zero_copy_only=False))

    def _owners(self, data: dict[str, Any]) -> Bool:
        missing = data[CUSTOMER].is_null().to_numpy(zero_copy_only=False) | (data[TIME] == MISSING_TIME)
        return ~self._note(NO_OWNER, missing)

    def _dates(self, data: dict[str, Any]) -> Bool:
        time: Int = data[TIME]
        present = time != MISSING_TIME
        sentinel = present & np.isin(np.floor_divide(self.zone.to_local(np.where(present, time, 0)), DAY) * DAY, SENTINELS)
        self._note(SENTINEL, sentinel)
        self._note(RANGE_TIME, present & ~sentinel & ((time < _OLDEST) | (time >= _NEWEST)))
        self._note(FUTURE, present & ~sentinel & (time > self.now) & (time < _NEWEST))
        believed = time[present & ~sentinel & (time <= self.now) & (time >= _OLDEST) & data[CUSTOMER].is_valid().to_numpy(zero_copy_only=False)]
        if len(believed):
            self.first = int(believed.min()) if self.first is None else min(self.first, int(believed.min()))
            self.last = int(believed.max()) if self.last is None else max(self.last, int(believed.max()))
        if KNOWN_AT in data:
            data[KNOWN_AT] = np.where(data[KNOWN_AT] == MISSING_TIME, time, np.maximum(data[KNOWN_AT], time))
        return np.ones(len(time), bool)

    def _bought(self, data: dict[str, Any], bought: npt.NDArray[Any]) -> Bool:
        stay = np.ones(len(bought), bool)
        owned = data[CUSTOMER].is_valid().to_numpy(zero_copy_only=False)
        if AMOUNT in data:
            missing = self._note(NO_AMOUNT, bought & owned & np.isnan(data[AMOUNT]))
            if self.policies.on_missing_amount == "zero":
                data[AMOUNT] = np.where(missing, 0.0, data[AMOUNT])
            else:
                stay &= ~missing
        if ITEM in data:
            missing = self._note(NO_ITEM, bought & owned & data[ITEM].is_null().to_numpy(zero_copy_only=False))
            if self.policies.on_missing_item != "keep":
                stay &= ~missing
        return stay

    def _labels(self, data: dict[str, Any], n: int) -> None:
        if self.items is not None:
            data[CATEGORY] = self._categories(data[ITEM])
        for name in (CATEGORY, CHANNEL):
            if name in data:
                data[name] = pc.fill_null(data[name], UNKNOWN)
        if CURRENCY in data:
            self.currencies |= set(pc.unique(data.pop(CURRENCY).drop_null()).to_pylist())

    def _categories(self, item: pa.Array) -> pa.Array:
        """The category of each item, from the table of items."""
        assert self.items is not None
        wants_text, has_text = pa.types.is_large_string(item.type), self.items.index.dtype.kind != "i"
        if wants_text != has_text and item.null_count < len(item):
            raise DataContractError(
                f"Items are {item.type} in the interactions and {self.items.index.dtype} in the item table. Give both one dtype."
            )
        found = self.items.reindex(item.to_pandas()).to_numpy()
        category = pa.array(found, pa.large_string(), from_pandas=True)
        self._note(NO_CATEGORY, pc.and_(category.is_null(), item.is_valid()).to_numpy(zero_copy_only=False))
        return category

    def refuse(self) -> None:
        """Raise for every rule that no policy forgives.

        Raises
        ------
        DataContractError
            Naming counts and the first row positions, never a value.
        """
        p = self.policies
        if len(self.currencies) > 1:
            raise DataContractError(f"Column 'currency' holds {len(self.currencies)} currencies. Convert the amounts to one first.")
        todo = [
            (NO_OWNER, p.on_missing == "raise", 'Drop them with Policies(on_missing="drop"), or repair them before reading.'),
            (NO_AMOUNT, p.on_missing_amount == "raise", 'Choose Policies(on_missing_amount="drop") or "zero", or repair them.'),
            (NO_ITEM, p.on_missing_item == "raise", 'Choose Policies(on_missing_item="drop") or "keep", or repair them.'),
        ]
        forgiven = {SENTINEL, FUTURE, UNFLAGGED, NO_CATEGORY, *(rule for rule, _, _ in todo)}
        for rule, fatal, advice in todo:
            if fatal and self.tally.count(rule):
                raise self._complaint(rule, advice)
        for rule in self.tally.rules:
            if rule not in forgiven and not rule.startswith(("texts longer", "decimals in")):
                raise self._complaint(rule, "Repair or drop them before reading.")

    def _complaint(self, rule: str, advice: str) -> DataContractError:
        n = self.tally.count(rule)
        what = "rows have no customer or no time" if rule == NO_OWNER else f"rows: {rule}"
        return DataContractError(f"{n:,} of {self.rows:,} {what} ({self.tally.where(rule)}). {advice}")

    def findings(self) -> list[Finding]:
        """What was forgiven, and how."""
        p = self.policies
        said = {
            NO_OWNER: ("dropped", "fixed"),
            NO_AMOUNT: ("counted as zero" if p.on_missing_amount == "zero" else "dropped", "fixed"),
            NO_ITEM: ("kept without an item" if p.on_missing_item == "keep" else "dropped", "fixed"),
            SENTINEL: ("kept, but left out of the span of the log", "warning"),
            FUTURE: ("kept, but left out of the span of the log and of every feature", "warning"),
            UNFLAGGED: ("treated as returns: they lower value and never count as purchases", "warning"),
            NO_CATEGORY: (f"put into category {UNKNOWN!r}", "warning"),
        }
        out = []
        for rule in self.tally.rules:
            default = ("converted to float64", "fixed") if rule.startswith("decimals") else ("cut", "fixed")
            action, level = said.get(rule, default)
            count = self.tally.count(rule)
            out.append(Finding(rule, count, count / max(self.rows, 1), action, level))  # type: ignore[arg-type]
        return out
