"""The door: each batch of a source becomes checked columns; every broken rule is counted, and refused at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import (
    AMOUNT,
    CATEGORY,
    CHANNEL,
    CURRENCY,
    CUSTOMER,
    ITEM,
    KIND,
    KNOWN_AT,
    NUMBERS,
    ORDER,
    PURCHASE,
    QUANTITY,
    RETURN,
    TIME,
    UNIT_PRICE,
    UNKNOWN,
)  # fmt: skip
from crmintel.errors import DataContractError
from crmintel.interactions import convert
from crmintel.interactions.clock import DAY, Int, Zone, micros
from crmintel.interactions.convert import LARGEST_AMOUNT, MISSING_TIME, Bool, Column
from crmintel.interactions.identity import Items
from crmintel.interactions.part import ROW
from crmintel.interactions.policies import Policies
from crmintel.interactions.quality import Finding, Level, Tally
from crmintel.interactions.words import holding, present, replaced
from crmintel.interactions.writing import advice

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
FREE = "purchases or returns of amount zero"

_FORGIVEN: Mapping[str, tuple[str, Level]] = {
    SENTINEL: ("kept, but left out of the span of the log", "warning"),
    FUTURE: ("kept, but left out of the span of the log and of every feature", "warning"),
    UNFLAGGED: ("treated as returns: they lower value and never count as purchases", "warning"),
    NO_CATEGORY: (f"put into category {UNKNOWN!r}", "warning"),
    FREE: ("kept", "note"),
}


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
    items: Items | None = None
    tally: Tally = field(default_factory=Tally)
    rows: int = 0
    currencies: set[str] = field(default_factory=set)
    first: int | None = None
    last: int | None = None
    with_zone: dict[str, bool] = field(default_factory=dict)
    whole_floats: dict[str, bool] = field(default_factory=dict)

    def check(self, batch: pa.Table) -> pa.Table:
        """The rows of a batch that may enter, under our names."""
        n = batch.num_rows
        named = {**self.wanted, **{k: k for k in self.keep}}
        data = {
            ours: self._convert(
                ours, Column(theirs, batch[theirs], self.tally, self.rows, self.text, self.policies.decimal)
            )
            for ours, theirs in named.items()
        }
        self._amounts(data)
        owned = ~self._note(NO_OWNER, _absent(data[CUSTOMER]) | (data[TIME] == MISSING_TIME))
        bought = self._kinds(data, owned)
        stay = owned & self._bought(data, bought)
        self._dates(data, stay)
        self._labels(data, stay)
        for name, (low, high) in self.policies.ranges.items():
            self._note(
                f"values of {name!r} outside {low:g} to {high:g}", stay & ((data[name] < low) | (data[name] > high))
            )
        if ORDER in data:
            data[ROW] = np.arange(self.rows, self.rows + n, dtype=np.float64)
        self.rows += n
        table = pa.table(data)
        return table if stay.all() else table.filter(pa.array(stay))

    def _convert(self, ours: str, column: Column) -> Any:
        if ours in (TIME, KNOWN_AT):
            ticks, aware = convert.times(column, self.zone, self.policies)
            if (
                aware is not None and self.with_zone.setdefault(ours, aware) != aware
            ):  # another batch was of the other kind
                raise convert.mixed_zones(column.name)
            return ticks
        if ours in (CUSTOMER, ITEM, ORDER):
            found = convert.ids(column)
            if self.text and (whole := convert.whole_floats(found)) is not None:
                self.whole_floats[column.name] = self.whole_floats.get(column.name, True) and whole
            return found
        if ours in (KIND, CATEGORY, CHANNEL, CURRENCY):
            return convert.labels(column)
        if ours in NUMBERS or ours in self.policies.ranges:
            return convert.numbers(column)
        return convert.kept(column)

    def _note(self, rule: str, mask: Bool) -> Bool:
        self.tally.note(rule, self.rows + np.flatnonzero(mask)[:3], int(np.count_nonzero(mask)))
        return mask

    def _amounts(self, data: dict[str, Any]) -> None:
        if AMOUNT not in data and QUANTITY in data and UNIT_PRICE in data:
            data[AMOUNT] = data[QUANTITY] * data[UNIT_PRICE] + 0.0
            self._note("products of quantity and price beyond 1e15", np.abs(data[AMOUNT]) > LARGEST_AMOUNT)

    def _kinds(self, data: dict[str, Any], owned: Bool) -> Bool:
        """Every row gets a kind; negative purchases are returns, whether or not a flag says so. Purchases and returns are true."""
        n = len(owned)
        kind = data.get(KIND)
        if kind is None:
            kind = pa.DictionaryArray.from_arrays(
                pa.repeat(pa.scalar(0, pa.int32()), n), pa.array([PURCHASE], pa.large_string())
            )
        kind = replaced(kind, _absent(kind), UNKNOWN)
        negative = np.zeros(n, bool)
        for name in (AMOUNT, QUANTITY):
            if name in data:
                negative |= data[name] < 0
        negative &= holding(kind, pc.equal(kind.dictionary, PURCHASE))
        self._note(UNFLAGGED, negative & owned)
        data[KIND] = kind = replaced(kind, negative, RETURN)
        return owned & holding(kind, pc.is_in(kind.dictionary, pa.array([PURCHASE, RETURN], pa.large_string())))

    def _bought(self, data: dict[str, Any], bought: Bool) -> Bool:
        """Rows that stay although they may lack an amount or an item."""
        stay = np.ones(len(bought), bool)
        if AMOUNT in data:
            missing = self._note(NO_AMOUNT, bought & np.isnan(data[AMOUNT]))
            if self.policies.on_missing_amount == "zero":
                data[AMOUNT] = np.where(missing, 0.0, data[AMOUNT])
            else:
                stay &= ~missing
        if ITEM in data:
            missing = self._note(NO_ITEM, bought & _absent(data[ITEM]))
            if self.policies.on_missing_item != "keep":
                stay &= ~missing
        if AMOUNT in data:
            self._note(FREE, bought & stay & (data[AMOUNT] == 0))
        return stay

    def _dates(self, data: dict[str, Any], stay: Bool) -> None:
        """Dates that cannot be meant are counted; they do not move the first and the last believable time."""
        time: Int = data[TIME]
        usual = stay.all() and len(time) and time.min() >= 2 * DAY and time.max() <= min(self.now, _NEWEST - 1)
        believed = time if usual else self._believed(time, stay)
        if len(believed):
            low, high = int(believed.min()), int(believed.max())
            self.first = low if self.first is None else min(self.first, low)
            self.last = high if self.last is None else max(self.last, high)
        if KNOWN_AT in data:
            data[KNOWN_AT] = np.where(data[KNOWN_AT] == MISSING_TIME, time, np.maximum(data[KNOWN_AT], time))

    def _believed(self, time: Int, stay: Bool) -> Int:
        """The times that can be meant."""
        sentinel = self._note(SENTINEL, stay & self._is_sentinel(time))
        plain = stay & ~sentinel
        self._note(RANGE_TIME, plain & ((time < _OLDEST) | (time >= _NEWEST)))
        self._note(FUTURE, plain & (time > self.now) & (time < _NEWEST))
        return time[plain & (time <= self.now) & (time >= _OLDEST)]

    def _is_sentinel(self, time: Int) -> Bool:
        """Times on a sentinel day, by the business clock or by UTC."""
        out = np.zeros(len(time), bool)
        rare = np.flatnonzero((time != MISSING_TIME) & ((time < 2 * DAY) | (time >= _NEWEST)))
        for clock in (time[rare], self.zone.to_local(time[rare])):
            out[rare] |= np.isin(np.floor_divide(clock, DAY) * DAY, SENTINELS)
        return out

    def _labels(self, data: dict[str, Any], stay: Bool) -> None:
        if self.items is not None:
            data[CATEGORY] = self.items.categories(data[ITEM])
            self._note(NO_CATEGORY, stay & _absent(data[CATEGORY]) & ~_absent(data[ITEM]))
        for name in (CATEGORY, CHANNEL):
            if name in data:
                data[name] = replaced(data[name], _absent(data[name]), UNKNOWN)
        if CURRENCY in data:
            self.currencies |= set(present(data.pop(CURRENCY).filter(pa.array(stay))).to_pylist())

    def refuse(self) -> None:
        """Raise for every rule that no policy forgives.

        Raises
        ------
        DataContractError
            Naming counts and the first row positions, never a value.
        DataTypeError
            If all identifiers of a CSV column were floats.
        """
        for name in (name for name, whole in self.whole_floats.items() if whole):
            raise convert.float_text(name)
        if len(self.currencies) > 1:
            raise DataContractError(
                f"Column 'currency' holds {len(self.currencies)} currencies. Convert the amounts to one first."
            )
        advice = {
            NO_OWNER: 'Drop them with on_missing="drop" (a policy), or repair them before reading.',
            NO_AMOUNT: 'Choose on_missing_amount="drop" or "zero" (a policy), or repair them.',
            NO_ITEM: 'Choose on_missing_item="drop" or "keep" (a policy), or repair them.',
        }
        fatal = [rule for rule in self.tally.rules if self._remark(rule) is None]
        for rule in sorted(fatal, key=lambda rule: rule in advice):  # what cannot be read looks missing, too
            what = "rows have no customer or no time" if rule == NO_OWNER else f"rows: {rule}"
            raise DataContractError(
                f"{self.tally.count(rule):,} of {self.rows:,} {what} ({self.tally.where(rule)}). "
                f"{advice.get(rule) or self._unparsed(rule) or 'Repair or drop them before reading.'}"
            )

    def _unparsed(self, rule: str) -> str | None:
        """What to do about text that is no time or no number."""
        if rule.startswith("text that is no time"):
            form = self.policies.time_format
            return (f"They are not written as {form}. " if form else "") + advice(self.tally.forms.get(rule, ()))
        if not rule.startswith("text that is no number"):
            return None
        if self.policies.decimal == ",":
            return 'With decimal="," they must look like 1234,50 or 1.234,50, without a currency sign.'
        return (
            "Numbers need a decimal point and no thousands mark or currency sign. "
            'If they are written like 1.234,50, say so with decimal="," (a policy).'
        )

    def findings(self) -> list[Finding]:
        """What was forgiven, and how."""
        out = []
        for rule in self.tally.rules:
            if remark := self._remark(rule):
                count = self.tally.count(rule)
                out.append(Finding(rule, count, count / max(self.rows, 1), *remark))
        return out

    def _remark(self, rule: str) -> tuple[str, Level] | None:
        """What was done about a rule and how loud to say it; None if it is not forgiven."""
        p = self.policies
        chosen = {
            NO_OWNER: {"drop": "dropped"},
            NO_AMOUNT: {"drop": "dropped", "zero": "counted as zero"},
            NO_ITEM: {"drop": "dropped", "keep": "kept without an item"},
        }
        choice = {NO_OWNER: p.on_missing, NO_AMOUNT: p.on_missing_amount, NO_ITEM: p.on_missing_item}
        if rule in chosen:
            done = chosen[rule].get(choice[rule])
            return None if done is None else (done, "fixed")
        if rule.startswith("decimals in"):
            return "converted to float64", "fixed"
        if rule.startswith("texts longer"):
            return "cut", "fixed"
        return _FORGIVEN.get(rule)


def _absent(column: pa.Array) -> Bool:
    """Rows without a value."""
    if not column.null_count:
        return np.zeros(len(column), bool)
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False))
