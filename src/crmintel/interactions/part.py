"""Columns of whole customers, sorted by customer, time and then every other column: one order, whatever came in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import CUSTOMER, KNOWN_AT, TIME
from crmintel.interactions.clock import Int

Codes = npt.NDArray[np.int32]
Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
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

    def between(self, start: int | None, end: int | None) -> "Part":
        """The rows with start <= time < end that were known before the end."""
        keep = np.ones(len(self), bool)
        if start is not None:
            keep &= self.time >= start
        if end is not None:
            keep &= self.time < end
            if self.known_at is not None:
                keep &= self.known_at < end
        return self if keep.all() else self.take(keep)

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


def sorted_part(table: pa.Table, known: bool) -> Part:
    """A part from a table of checked columns, with times as int64 UTC microseconds.

    Text and identifiers become codes of their sorted values. The order of rows is total: customer, time,
    then every column, so equal data give equal parts whatever order they came in.
    """
    time = table[TIME].to_numpy()
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
    known_at = table[KNOWN_AT].to_numpy() if known else None
    late = [] if known_at is None else [known_at]
    rank = [v for k, v in {**codes, **numbers}.items() if k != ROW]
    order = total_order(code, time, [*late, *rank, *([numbers[ROW]] if ROW in numbers else [])])
    return Part(
        customers=customers,
        starts=np.searchsorted(code[order], np.arange(len(customers) + 1)).astype(np.int64),
        time=time[order],
        codes={k: v[order] for k, v in codes.items()},
        vocabulary=vocabulary,
        numbers={k: v[order] for k, v in numbers.items()},
        known_at=None if known_at is None else known_at[order],
    )


def factorise(column: pa.ChunkedArray | pa.Array) -> tuple[Codes, pa.Array]:
    """Codes of a column in the order of its sorted values (code points for text); −1 is missing."""
    if pa.types.is_integer(column.type):
        present = column.is_valid().to_numpy(**({} if isinstance(column, pa.ChunkedArray) else {"zero_copy_only": False}))
        codes = np.full(len(column), -1, np.int32)
        codes[present], values = pd.factorize(column.drop_null().to_numpy(), sort=True)
        return codes, pa.array(values.astype(np.int64))
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
    return rank[codes], pc.take(encoded.dictionary, pa.array(order))


def total_order(code: npt.NDArray[np.integer], time: Int, columns: list[npt.NDArray[np.generic]]) -> Int:
    """Row numbers by (code, time, columns…), sorting the few rows that tie in code and time a second time."""
    if not len(code):
        return np.zeros(0, np.int64)
    first, span = int(time.min()), int(time.max()) - int(time.min()) + 1
    if (int(code.max()) + 1) * span < 2**63:
        key = code.astype(np.int64) * span + (time - first)
        order = np.argsort(key)
        same = np.diff(key[order]) == 0
    else:
        order = np.lexsort((time, code))
        same = (np.diff(code[order]) == 0) & (np.diff(time[order]) == 0)
    tied = np.flatnonzero(np.concatenate([[False], same]) | np.concatenate([same, [False]]))
    rows = order[tied]
    order[tied] = rows[np.lexsort((*[c[rows] for c in reversed(columns)], time[rows], code[rows]))]
    return order


def _utc(micro: Int) -> pa.Array:
    return pa.array(micro, pa.int64()).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
