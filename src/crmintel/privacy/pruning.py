"""Arrow tables without the customers to erase, whatever the columns are made of."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.privacy.matching import GONE, Wanted, names_in

Mask = npt.NDArray[np.bool_]


def columns_to_read(schema: pa.Schema, wanted: Wanted) -> list[str]:
    """The columns that may hold customers."""
    return [f.name for f in schema if _nested(f, wanted) or (not f.type.num_fields and wanted.looks_at(f.name, f.type))]


def rows_of(table: pa.Table, wanted: Wanted) -> Mask:
    """Which rows are about customers to erase."""
    out = np.zeros(len(table), bool)
    for field, column in zip(table.schema, table.columns, strict=True):
        if _nested(field, wanted):
            out |= np.array([v is GONE for v in _without(column, field.name, wanted)], bool)
        elif not field.type.num_fields and wanted.looks_at(field.name, field.type):
            out |= wanted.mask(field.name, column)
    return out


def pruned(table: pa.Table, wanted: Wanted) -> tuple[pa.Table, int, int]:
    """The table without them, how many rows went, and how many rows of others lost an element of a list."""
    gone = rows_of(table, wanted)
    kept = _filtered(table, ~gone) if gone.any() else table
    changed = np.zeros(len(kept), bool)
    for place, field in enumerate(table.schema):
        if _nested(field, wanted):
            before = kept.column(place).to_pylist()
            after = [None if v is None else wanted.pruned(v, field.name) for v in before]
            differ = np.array([a != b for a, b in zip(before, after, strict=True)], bool)
            if differ.any():
                kept = kept.set_column(place, field, pa.chunked_array([pa.array(after, field.type)]))
                changed |= differ
        elif gone.any() and pa.types.is_dictionary(field.type):
            kept = kept.set_column(place, field, _slim(table.column(place), kept.column(place)))
    return kept, int(gone.sum()), int(changed.sum())


def _filtered(table: pa.Table, keep: Mask) -> pa.Table:
    """Some rows, also of columns of views, which Arrow cannot filter."""
    views = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    plain = pa.schema([f.with_type(views.get(f.type, f.type)) for f in table.schema], table.schema.metadata)
    return table.cast(plain).filter(pa.array(keep)).cast(table.schema)


def _without(column: pa.ChunkedArray, name: str, wanted: Wanted) -> list[Any]:
    return [None if v is None else wanted.pruned(v, name) for v in column.to_pylist()]


def _nested(field: pa.Field, wanted: Wanted) -> bool:
    """Whether a column of lists, structures or maps may hold customers."""
    return (
        bool(field.type.num_fields)
        and not pa.types.is_dictionary(field.type)
        and bool(wanted.pseudonyms or wanted.columns & {*names_in(field)})
    )


def _slim(before: pa.ChunkedArray, after: pa.ChunkedArray) -> pa.ChunkedArray:
    """A coded column without the values that only rows which are gone had."""
    held, left = before.unify_dictionaries(), after.unify_dictionaries()
    if not held.num_chunks:
        return after
    values = held.chunk(0).dictionary
    was = np.zeros(len(values) + 1, bool)
    was[_codes(held, len(values))] = True
    left_values = left.chunk(0).dictionary if left.num_chunks else values[:0]
    still = np.zeros(len(left_values) + 1, bool)
    still[_codes(left, len(left_values))] = True
    stays = (
        pc.is_in(values, value_set=left_values.filter(pa.array(still[:-1]))).to_numpy(zero_copy_only=False) | ~was[:-1]
    )
    slim = values.filter(pa.array(np.asarray(stays, bool)))
    chunks = []
    for chunk in left.chunks:
        moved = pc.index_in(pc.take(chunk.dictionary, chunk.indices), value_set=slim)
        chunks.append(
            pa.DictionaryArray.from_arrays(moved.cast(chunk.type.index_type), slim, ordered=chunk.type.ordered)
        )
    return pa.chunked_array(chunks, before.type)


def _codes(column: pa.ChunkedArray, missing: int) -> npt.NDArray[np.int64]:
    codes = [c.indices.cast(pa.int64()).fill_null(missing).to_numpy() for c in column.chunks]
    return np.concatenate(codes) if codes else np.zeros(0, np.int64)
