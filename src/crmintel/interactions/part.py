"""Columns of whole customers, sorted by customer, time and then every other column: one order, whatever came in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import CUSTOMER, ITEM, KNOWN_AT, TIME
from crmintel.interactions.clock import Int

Codes = npt.NDArray[np.int32]
Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Window = tuple[int | None, int | None]
ROW = "row\n"  # a name that no source can have: the position in the source, kept while rules are checked


@final
@dataclass(frozen=True)
class Part:
    """Every interaction of some customers.

    Parameters
    ----------
    customers : Arrow array, shape (n_customers,)
        Their identifiers, rising; int64 or text.
    starts : int64, shape (n_customers + 1,)
        The rows of customer ``c`` are ``starts[c]:starts[c + 1]``; never empty.
    time : int64, shape (n_rows,)
        UTC microseconds, rising within a customer.
    codes : mapping of column to int32, shape (n_rows,)
        Positions in `vocabulary`; −1 is missing.
    vocabulary : mapping of column to Arrow array
        The values of each coded column, rising.
    numbers : mapping of column to float64, shape (n_rows,)
        Missing is NaN.
    known_at : int64, shape (n_rows,), optional
        When each row became known, where that differs from its time.
    """

    customers: pa.Array
    starts: Int
    time: Int
    codes: Mapping[str, Codes]
    vocabulary: Mapping[str, pa.Array]
    numbers: Mapping[str, Float]
    known_at: Int | None = None

    def __len__(self) -> int:
        return len(self.time)

    @property
    def customer_codes(self) -> Int:
        """The position in `customers` of each row."""
        return np.repeat(np.arange(len(self.customers)), np.diff(self.starts))

    def __repr__(self) -> str:
        return f"Part: {len(self):,} interactions of {len(self.customers):,} customers"

    def between(self, start: int | None, end: int | None) -> "Part":
        """The rows with start <= time < end that were known before the end."""
        keep = within((start, end), self.time, self.known_at)
        return self if keep.all() else self.take(keep)

    def compact(self) -> "Part":
        """The same rows, with a vocabulary of only the values that occur."""
        codes, vocabulary = dict(self.codes), dict(self.vocabulary)
        for name, values in self.vocabulary.items():
            used = np.zeros(len(values) + 1, bool)
            used[codes[name]] = True  # −1, missing, marks the last place
            if not used[:-1].all():
                rank = np.append(np.cumsum(used[:-1]) - 1, -1).astype(np.int32)
                codes[name], vocabulary[name] = rank[codes[name]], values.filter(pa.array(used[:-1]))
        return replace(self, codes=codes, vocabulary=vocabulary)

    def take(self, keep: Bool) -> "Part":
        """The rows of a mask; customers left without a row disappear."""
        if not len(self):
            return self
        rows = np.flatnonzero(keep)
        counts = np.add.reduceat(keep.astype(np.int64), self.starts[:-1])
        stay = counts > 0
        return Part(
            customers=self.customers.filter(pa.array(stay)),
            starts=np.concatenate([[0], np.cumsum(counts[stay])]).astype(np.int64),
            time=self.time[rows],
            codes={k: v[rows] for k, v in self.codes.items()},
            vocabulary=self.vocabulary,
            numbers={k: v[rows] for k, v in self.numbers.items()},
            known_at=None if self.known_at is None else self.known_at[rows],
        )

    def slice(self, first: int, last: int) -> "Part":
        """Customers ``first`` to ``last`` (exclusive), as views."""
        a, b = int(self.starts[first]), int(self.starts[last])
        return Part(
            self.customers[first:last],
            self.starts[first : last + 1] - a,
            self.time[a:b],
            {k: v[a:b] for k, v in self.codes.items()},
            self.vocabulary,
            {k: v[a:b] for k, v in self.numbers.items()},
            None if self.known_at is None else self.known_at[a:b],
        )

    def without(self, *columns: str) -> "Part":
        """The same rows without some columns."""
        return replace(
            self,
            codes={k: v for k, v in self.codes.items() if k not in columns},
            vocabulary={k: v for k, v in self.vocabulary.items() if k not in columns},
            numbers={k: v for k, v in self.numbers.items() if k not in columns},
        )

    def values(self, column: str) -> pa.Array:
        """A coded column as its values."""
        codes = self.codes[column]
        return pc.take(self.vocabulary[column], pa.array(codes, mask=codes < 0))

    def to_arrow(self) -> pa.Table:
        """All rows as a table; times are UTC."""
        data = {CUSTOMER: pc.take(self.customers, pa.array(self.customer_codes)), TIME: _utc(self.time)}
        data |= {k: self.values(k) for k in self.codes}
        data |= {k: pa.array(v, from_pandas=True) for k, v in self.numbers.items()}
        if self.known_at is not None:
            data[KNOWN_AT] = _utc(self.known_at)
        return pa.table(data)


def within(window: Window, time: Int, known_at: Int | None) -> Bool:
    """The rows with start <= time < end that were known before the end."""
    start, end = window
    keep = np.ones(len(time), bool)
    if start is not None:
        keep &= time >= start
    if end is not None:
        keep &= time < end
        if known_at is not None:
            keep &= known_at < end
    return keep


def sorted_part(table: pa.Table, *, in_order: bool = False) -> Part:
    """A part from a table of checked columns, with times as int64 UTC microseconds.

    Text and identifiers become codes of their sorted values. The order of rows is total: customer, time,
    then the item and every other column, so equal data give equal parts whatever order they came in. Rows that were sorted
    with more columns than are read now are `in_order` and stay as they are.
    """
    time = table[TIME].to_numpy()
    known_at = table[KNOWN_AT].to_numpy() if KNOWN_AT in table.column_names else None
    code, customers = factorise(table[CUSTOMER])
    codes: dict[str, Codes] = {}
    vocabulary: dict[str, pa.Array] = {}
    numbers: dict[str, Float] = {}
    for name in sorted(set(table.column_names) - {CUSTOMER, TIME, KNOWN_AT}):
        column = table[name]
        if pa.types.is_floating(column.type):
            numbers[name] = column.to_numpy()
        else:
            codes[name], vocabulary[name] = factorise(column)
    if not in_order:
        late = {} if known_at is None else {KNOWN_AT: known_at}
        ranks: dict[str, npt.NDArray[Any]] = {**late, **codes, **numbers}
        order = total_order(
            code, time, [ranks[k] for k in sorted(ranks, key=lambda k: (k == ROW, k != ITEM, k not in codes))]
        )
        code, time = code[order], time[order]
        known_at = None if known_at is None else known_at[order]
        codes, numbers = {k: v[order] for k, v in codes.items()}, {k: v[order] for k, v in numbers.items()}
    starts = np.searchsorted(code, np.arange(len(customers) + 1)).astype(np.int64)
    return Part(customers, starts, time, codes, vocabulary, numbers, known_at)


def factorise(column: pa.ChunkedArray | pa.Array) -> tuple[Codes, pa.Array]:
    """Codes of a column in the order of its sorted values (code points for text); −1 is missing."""
    if pa.types.is_integer(column.type):
        present = column.is_valid().to_numpy(
            **({} if isinstance(column, pa.ChunkedArray) else {"zero_copy_only": False})
        )
        codes = np.full(len(column), -1, np.int32)
        codes[present], values = pd.factorize(column.drop_null().to_numpy(), sort=True)
        return codes, pa.array(values.astype(np.int64))
    if pa.types.is_null(column.type):
        column = column.cast(pa.large_string())
    encoded = column.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
        encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) and encoded.num_chunks else encoded
    if not len(encoded):
        return np.zeros(0, np.int32), pa.array([], pa.large_string())
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order) + 1, np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    rank[-1] = -1
    codes = encoded.indices.fill_null(len(order)).to_numpy(zero_copy_only=False)
    values = pc.take(encoded.dictionary, pa.array(order))
    return rank[codes], values if pa.types.is_integer(values.type) else values.cast(pa.large_string())


def total_order(code: npt.NDArray[np.integer], time: Int, columns: Sequence[npt.NDArray[np.generic]]) -> Int:
    """Row numbers by (code, time, columns…): only the rows that tie so far are sorted by the next column."""
    order = _pair_order(code, time)
    ties, group = _still_tied(np.arange(len(order)), code[order], time[order])
    for column in columns:
        if not len(ties):
            break
        rows = order[ties]
        order[ties] = rows = rows[_pair_order(group, column[rows])]
        ties, group = _still_tied(ties, group, column[rows])
    return order


def _pair_order(first: npt.NDArray[np.integer], second: npt.NDArray[np.generic]) -> Int:
    """Positions by (first, second), as one key where both fit into it; equal pairs in any order."""
    if len(first) and np.issubdtype(second.dtype, np.integer):
        whole = second.astype(np.int64)
        low, span = int(whole.min()), int(whole.max()) - int(whole.min()) + 1
        if (int(first.max()) + 1) * span < 2**63:
            return np.argsort(first.astype(np.int64) * span + (whole - low))
    return np.lexsort((second, first))


def _still_tied(places: Int, first: npt.NDArray[np.integer], second: npt.NDArray[np.generic]) -> tuple[Int, Int]:
    """The places whose pair of values equals that of a neighbour, and the number of the pair; missing equals missing."""
    equal = (first[1:] == first[:-1]) & (
        (second[1:] == second[:-1]) | ((second[1:] != second[1:]) & (second[:-1] != second[:-1]))
    )
    edge = np.zeros(min(len(places), 1), bool)
    tied = np.append(edge, equal) | np.append(equal, edge)
    return places[tied], np.cumsum(np.append(edge, ~equal))[tied]


def _utc(micro: Int) -> pa.Array:
    return pa.array(micro, pa.int64()).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
