"""Other keys than the customer: the same engine sees the rows of an item, or of a customer and an item, as a history."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import CUSTOMER
from crmintel.errors import DataContractError
from crmintel.features.arithmetic import sorted_rows
from crmintel.interactions import InteractionLog, Part
from crmintel.interactions.clock import Int
from crmintel.interactions.part import Codes

ROWS_HELD = 20_000_000
"""Rows of one key held together; a larger log is walked through several times."""


def paired(part: Part, column: str) -> tuple[Part, Int, Int]:
    """The rows of each (customer, value of a column) as a history of its own; whose it is, and the code of the value.

    Rows without a value belong to nobody. Pairs are in the order of (customer, value).
    """
    code = _coded(part, column)
    there = np.flatnonzero(code >= 0)
    if not len(there):
        nobody = np.zeros(0, np.int64)
        return _taken(part, there, part.customers[:0], np.zeros(1, np.int64)), nobody, nobody
    n = len(part.vocabulary[column])
    order, key = sorted_rows(part.customer_codes[there] * n + code[there])
    new = np.ones(len(key), bool)
    np.not_equal(key[1:], key[:-1], out=new[1:])
    starts = np.append(np.flatnonzero(new), len(key))
    pairs = _taken(part, there[order], pa.array(np.arange(len(starts) - 1)), starts)
    return pairs, key[starts[:-1]] // n, key[starts[:-1]] % n


def keyed(log: InteractionLog, column: str, columns: Iterable[str]) -> Iterator[Part]:
    """The rows of each value of a column as a history, some values at a time; the customer becomes a column of codes.

    A log larger than `ROWS_HELD` is walked through several times, so that memory stays bounded.
    """
    names = sorted(columns)
    vocabulary = _vocabularies(log, column, names)
    if column not in vocabulary:  # no rows at all
        return
    values = vocabulary[column]
    cuts = np.linspace(0, len(values), -(-len(log) // ROWS_HELD) + 1).astype(np.int64)
    for low, high in pairwise(cuts.tolist()):
        pieces = [_piece(part, column, vocabulary, low, high) for part in log.parts(names)]
        if any(map(len, pieces)):
            yield _one(pieces, column, vocabulary)


def _vocabularies(log: InteractionLog, column: str, names: list[str]) -> dict[str, pa.Array]:
    """The values of each coded column in all parts, and the customers, rising."""
    found: dict[str, list[pa.Array]] = {CUSTOMER: [pa.array(log.customers, log.store.schema.field(CUSTOMER).type)]}
    for part in log.parts(names):
        _coded(part, column)
        for name, values in part.vocabulary.items():
            known = found.setdefault(name, [])
            if not any(values is v for v in known):
                known.append(values)
    return {name: _union(known) for name, known in found.items()}


def _piece(part: Part, column: str, vocabulary: Mapping[str, pa.Array], low: int, high: int) -> Part:
    """The rows of a part whose value lies at places ``low`` to ``high``, with codes of the common vocabulary; in no order."""

    def places(name: str, values: pa.Array) -> Codes:
        return np.append(pc.index_in(values, vocabulary[name]).to_numpy(zero_copy_only=False), -1).astype(np.int32)

    codes = {name: places(name, part.vocabulary[name])[code] for name, code in part.codes.items()}
    codes[CUSTOMER] = places(CUSTOMER, part.customers)[part.customer_codes]
    rows = np.flatnonzero((codes[column] >= low) & (codes[column] < high))
    return _taken(replace(part, codes=codes), rows, part.customers[:0], np.zeros(1, np.int64))


def _one(pieces: list[Part], column: str, vocabulary: Mapping[str, pa.Array]) -> Part:
    """Pieces as one part, sorted by value, time and customer."""
    codes = {name: np.concatenate([p.codes[name] for p in pieces]) for name in pieces[0].codes}
    time = np.concatenate([p.time for p in pieces])
    late = [p.known_at for p in pieces if p.known_at is not None]
    order = np.lexsort((codes[CUSTOMER], time, codes[column]))
    held, counts = np.unique(codes[column], return_counts=True)
    whole = Part(
        vocabulary[column].take(pa.array(held)), np.concatenate([[0], np.cumsum(counts)]), time, codes, vocabulary,
        {name: np.concatenate([p.numbers[name] for p in pieces]) for name in pieces[0].numbers}, np.concatenate(late) if late else None,
    )  # fmt: skip
    return _taken(whole, order, whole.customers, whole.starts)


def _taken(part: Part, rows: Int, keys: pa.Array, starts: Int) -> Part:
    """Rows of a part in another order, under other keys."""
    return Part(
        keys, starts.astype(np.int64), part.time[rows], {k: v[rows] for k, v in part.codes.items()}, part.vocabulary,
        {k: v[rows] for k, v in part.numbers.items()}, None if part.known_at is None else part.known_at[rows],
    )  # fmt: skip


def _union(vocabularies: list[pa.Array]) -> pa.Array:
    """All values of several vocabularies, rising."""
    values = pc.unique(pa.chunked_array(vocabularies))
    return values.take(pc.sort_indices(values))


def _coded(part: Part, column: str) -> Codes:
    if column not in part.codes:
        raise DataContractError(
            f"Features cannot be told by {column!r}: the log has no such names. It has {', '.join(part.codes) or 'none'}."
        )
    return part.codes[column]
