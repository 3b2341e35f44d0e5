"""Columns of whole customers, sorted by customer, time and then every other column: one order, whatever came in."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import CUSTOMER, ITEM, KNOWN_AT, TIME
from crmintel.interactions.ahead import ahead
from crmintel.interactions.clock import Int
from crmintel.interactions.words import encoded_chunks, positions
from crmintel.showing import Shown

Codes = npt.NDArray[np.int32]
Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Window = tuple[int | None, int | None]
ROW = "row\n"  # a name that no source can have: the position in the source, kept while orders are checked
PART_ROWS = 250_000
_RUN_ROWS = 500_000
THREADS = 2
_DENSE = 4


@final
@dataclass(frozen=True)
class Part(Shown):
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

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(100, days=400, seed=1).log(quiet=True)
    >>> part = next(log.parts(["amount"]))
    >>> len(part.customers) <= 100, len(part.starts) - len(part.customers)
    (True, 1)
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


@final
@dataclass(frozen=True)
class Rows:
    """Checked rows with the columns of a part, divided into blocks of whole customers, but not yet sorted within them.

    Parameters
    ----------
    customer : int32, shape (n_rows,)
        Positions in `customers`.
    starts : int64, shape (n_customers + 1,)
        How many rows the customers before each have.
    edges : shape (n_blocks + 1,)
        The customers of block ``b`` are ``edges[b]:edges[b + 1]``.
    runs : int64, shape (n_runs, n_blocks + 1)
        Each run of rows holds the blocks one after the other: the rows of block ``b`` are ``runs[:, b]:runs[:, b + 1]``.
    """

    customers: pa.Array
    starts: Int
    edges: Int
    runs: Int
    customer: Codes
    time: Int
    codes: Mapping[str, Codes]
    vocabulary: Mapping[str, pa.Array]
    numbers: Mapping[str, Float]
    known_at: Int | None

    @classmethod
    def of(cls, table: pa.Table, part_rows: int = PART_ROWS) -> "Rows":
        """From a table of checked columns, with times as int64 UTC microseconds."""
        plain = {n for n in table.column_names if n in (TIME, KNOWN_AT) or pa.types.is_floating(table[n].type)}
        coded = sorted({*table.column_names} - plain)
        found = dict(zip(coded, ahead(factorise, [table[n] for n in coded], THREADS), strict=True))
        customer, customers = found[CUSTOMER]
        pieces = [customer[a : a + _RUN_ROWS] for a in range(0, len(table), _RUN_ROWS)]
        counts = sum((np.bincount(p, minlength=len(customers)) for p in pieces), np.zeros(len(customers), np.int64))
        starts = np.append(0, np.cumsum(counts))
        edges = np.append(np.union1d(0, np.flatnonzero(np.diff(starts[:-1] // part_rows)) + 1), len(customers))
        block = np.repeat(np.arange(len(edges) - 1, dtype=np.uint16), np.diff(edges))
        runs, orders = [], []
        for first in range(0, len(table), _RUN_ROWS):
            of_row = block[customer[first : first + _RUN_ROWS]]
            orders.append(np.argsort(of_row, kind="stable"))  # 16 bits are sorted by counting
            runs.append(first + np.append(0, np.cumsum(np.bincount(of_row, minlength=len(edges) - 1))))

        def divided(name: str) -> npt.NDArray[Any]:
            """A column with the rows of each run in the order of their blocks; codes are ours to overwrite."""
            column = table[name] if name in plain else pa.chunked_array([found[name][0]])
            out = np.empty(len(column), column.type.to_pandas_dtype()) if name in plain else found[name][0]
            for run, order in zip(runs, orders, strict=True):
                out[run[0] : run[-1]] = column.slice(run[0], len(order)).to_numpy()[order]
            return out

        columns = dict(zip(table.column_names, ahead(divided, table.column_names, THREADS), strict=True))
        return cls(
            customers,
            starts,
            edges,
            np.array(runs, np.int64).reshape(-1, len(edges)),
            columns[CUSTOMER],
            columns[TIME],
            {k: columns[k] for k in coded if k != CUSTOMER},
            {k: found[k][1] for k in coded if k != CUSTOMER},
            {k: columns[k] for k in sorted(plain - {TIME, KNOWN_AT})},
            columns.get(KNOWN_AT),
        )

    def parts(self) -> Iterator[Part]:
        """Parts of some hundred thousand rows, with rising customers and one vocabulary, sorted in threads.

        The order of rows is total: customer, time, then the item and every other column, so equal data give equal parts
        whatever order they came in.
        """
        yield from ahead(self._part, range(len(self.edges) - 1), THREADS)

    def _part(self, block: int) -> Part:
        first, last = self.edges[block], self.edges[block + 1]

        def rows(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.concatenate([column[:0], *(column[a:b] for a, b in self.runs[:, block : block + 2].tolist())])

        code, time = rows(self.customer) - first, rows(self.time)
        known_at = None if self.known_at is None else rows(self.known_at)
        codes = {k: rows(v) for k, v in self.codes.items()}
        numbers = {k: rows(v) for k, v in self.numbers.items() if k != ROW}
        late = [] if known_at is None else [known_at]
        whole = [codes[k] for k in sorted(codes, key=lambda k: k != ITEM)]
        order = total_order(code, time, [*whole, *late, *numbers.values()])
        return Part(
            self.customers[first:last],
            self.starts[first : last + 1] - self.starts[first],
            time[order],
            {k: v[order] for k, v in codes.items()},
            self.vocabulary,
            {k: v[order] for k, v in numbers.items()},
            None if known_at is None else known_at[order],
        )


def sorted_part(table: pa.Table) -> Part:
    """One part from a table of checked columns."""
    (part,) = Rows.of(table, len(table) + 1).parts()
    return part


def factorise(column: pa.ChunkedArray | pa.Array) -> tuple[Codes, pa.Array]:
    """Codes of a column in the order of its sorted values (code points for text); −1 is missing."""
    column = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    if pa.types.is_integer(column.type):
        return _factorised_integers(column)
    chunks = encoded_chunks(column)
    values = chunks[0].dictionary if chunks else pa.array([], pa.large_string())
    codes, order = _ranked(len(column), lambda: map(positions, chunks), pc.sort_indices(values).to_numpy())
    return codes, pc.take(values, pa.array(order))


def _factorised_integers(column: pa.ChunkedArray) -> tuple[Codes, pa.Array]:
    if column.null_count:
        codes = np.full(len(column), -1, np.int32)
        codes[column.is_valid().to_numpy()], values = factorise(column.drop_null())
        return codes, values
    if not len(column):
        return np.zeros(0, np.int32), pa.array([], pa.int64())
    low, high = pc.min_max(column).as_py().values()
    if high - low > _DENSE * len(column):
        places, uniques = pd.factorize(column.to_numpy())
        codes, order = _ranked(len(column), lambda: [places], np.argsort(uniques))
        return codes, pa.array(uniques[order])
    # a place for each integer between is quicker than a search for each row
    codes, order = _ranked(len(column), lambda: (c.to_numpy() - low for c in column.chunks), np.arange(high - low + 1))
    return codes, pa.array(order + low)


def _ranked(n: int, places: Callable[[], Iterable[npt.NDArray[np.integer]]], order: Int) -> tuple[Codes, Int]:
    """Ranks of `n` places by the order of all places, and the order of those that occur; the place after all has no rank."""
    seen = np.zeros(len(order) + 1, bool)
    for chunk in places():
        seen[chunk] = True
    order = order[seen[order]]
    rank = np.full(len(seen), -1, np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    codes, end = np.empty(n, np.int32), 0
    for chunk in places():
        codes[end : end + len(chunk)] = rank[chunk]
        end += len(chunk)
    return codes, order


def total_order(code: npt.NDArray[np.integer], time: Int, columns: Sequence[npt.NDArray[np.generic]]) -> Int:
    """Row numbers by (code, time, columns…): only the rows that tie so far are sorted by the next column.

    Times are first told by as many of their bits as fit into one number beside the code and the row.
    """
    shift = max(0, _bits(code) + _bits(time) + len(code).bit_length() - 62)
    coarse = time >> shift
    order, equal = _pair_order(code, coarse)
    ties, group = _still_tied(np.arange(len(order)), equal)
    for column in [*([time] if shift else []), *columns]:
        if not len(ties):
            break
        rows = order[ties]
        by, equal = _pair_order(group, column[rows])
        order[ties] = rows[by]
        ties, group = _still_tied(ties, equal)
    return order


def _pair_order(first: npt.NDArray[np.integer], second: npt.NDArray[np.generic]) -> tuple[Int, Bool]:
    """Positions by (first, second), and which pair then equals the one before it; equal pairs in any order.

    Where all fit into one number together with the position, sorting such numbers is quicker than sorting positions.
    """
    n, low_bits = len(first), len(first).bit_length()
    if n and np.issubdtype(second.dtype, np.integer) and _bits(first) + _bits(second) + low_bits <= 63:
        high, low = (x.astype(np.int64) - int(x.min()) for x in (first, second))
        key = np.sort((((high << _bits(second)) + low) << low_bits) + np.arange(n))
        pair = key >> low_bits
        return key & ((1 << low_bits) - 1), np.append(False, pair[1:] == pair[:-1])
    order = np.lexsort((second, first))
    a, b = first[order], second[order]
    same = (b[1:] == b[:-1]) | ((b[1:] != b[1:]) & (b[:-1] != b[:-1]))  # missing equals missing
    return order, np.append(np.zeros(min(n, 1), bool), (a[1:] == a[:-1]) & same)


def _still_tied(places: Int, equal: Bool) -> tuple[Int, Int]:
    """The places whose value equals that of a neighbour, and the number of the value."""
    tied = equal.copy()
    tied[:-1] |= equal[1:]
    return places[tied], np.cumsum(~equal[tied])


def _bits(x: npt.NDArray[Any]) -> int:
    """How many bits tell the integers apart."""
    return (int(x.max()) - int(x.min())).bit_length() if len(x) else 0


def _utc(micro: Int) -> pa.Array:
    return pa.array(micro, pa.int64()).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
