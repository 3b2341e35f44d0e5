"""Who is who: merged customers, and the categories of items."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import CATEGORY, CUSTOMER, ITEM
from crmintel.errors import DataContractError, DataTypeError
from crmintel.interactions import convert
from crmintel.interactions.part import factorise
from crmintel.interactions.quality import Tally
from crmintel.interactions.read import open_source, require
from crmintel.interactions.spelling import normalised
from crmintel.interactions.words import WORDS, decoded, encoded, plain_type


def normalise_ids(ids: pd.Series) -> pd.Series:
    """Text identifiers in one form: NFKC, lower case, no surrounding spaces. Offered, never done in silence.

    >>> normalise_ids(pd.Series(["Ａ1 ", "a1"])).tolist()
    ['a1', 'a1']
    """
    return pd.Series(
        normalised(pa.array(ids, pa.large_string(), from_pandas=True)).to_pandas().array, index=ids.index, name=ids.name
    )


@final
class Identities:
    """Former and present identifiers of customers who had several, chains followed to their end.

    Raises
    ------
    DataContractError
        If an identifier is mapped twice, or the chain of one returns to itself; rows are named by position.
    """

    def __init__(self, identities: Any) -> None:
        former, present = (
            _ids(column, name) for column, name in zip(_two_columns(identities), ("former", "present"), strict=True)
        )
        if former.null_count or present.null_count:
            raise DataContractError(
                f"{former.null_count + present.null_count} identities are missing or blank. Remove or repair them."
            )
        if len(former) and former.type != present.type:
            raise DataContractError(f"The identities lead from {former.type} to {present.type}. Give both one dtype.")
        final = _ends(former.to_pylist(), present.to_pylist())
        self._former = former
        self._present = pa.array([final[f] for f in former.to_pylist()], former.type)

    def apply(self, table: pa.Table) -> pa.Table:
        """The rows with former identifiers replaced by the present ones."""
        if not len(self._former):
            return table
        codes, values = factorise(table[CUSTOMER])
        if not len(values):
            return table
        if values.type != self._former.type:
            raise DataContractError(
                f"Customers are {values.type}, but the identities are {self._former.type}. Give both one dtype."
            )
        present = pc.coalesce(pc.take(self._present, pc.index_in(values, self._former)), values)
        merged = pa.chunked_array([pc.take(present, pa.array(codes))])
        merged = merged if pa.types.is_integer(merged.type) else encoded(merged)
        return table.set_column(table.column_names.index(CUSTOMER), CUSTOMER, merged)


def _two_columns(identities: Any) -> tuple[pd.Series, pd.Series]:
    if isinstance(identities, Mapping):
        return pd.Series(list(identities.keys()), dtype=object), pd.Series(list(identities.values()), dtype=object)
    if not isinstance(identities, pd.DataFrame):
        raise DataTypeError(
            f"Identities cannot be read from {type(identities).__name__}. Give a mapping or a frame of two columns."
        )
    if identities.shape[1] != 2:
        raise DataContractError(
            f"Identities have {identities.shape[1]} columns. Give two: former and present identifier."
        )
    return identities.iloc[:, 0], identities.iloc[:, 1]


def _ids(series: pd.Series, name: str) -> pa.Array:
    source = open_source(series.to_frame(f"{name} identifiers"))
    (table,) = source.batches(list(source.names))
    return decoded(convert.ids(convert.Column(source.names[0], table[0], Tally(), 0, text=False)))


def _ends(former: list[Any], present: list[Any]) -> dict[Any, Any]:
    """Where each chain of identifiers ends."""
    pairs = dict(zip(former, present, strict=True))
    if len(pairs) < len(former):
        twice = np.flatnonzero(pd.Series(former).duplicated().to_numpy())[:3]
        raise DataContractError(
            f"{len(former) - len(pairs)} identifiers are mapped twice (rows {', '.join(map(str, twice))}). Keep one row of each."
        )
    ends: dict[Any, Any] = {}
    for start in pairs:
        chain = dict.fromkeys([start])
        while (new := pairs[next(reversed(chain))]) in pairs and new not in ends and new not in chain:
            chain[new] = None
        if new in chain and pairs[new] != new:
            circle = list(chain)[list(chain).index(new) :]
            rows = ", ".join(str(i) for i, f in enumerate(former) if f in circle[:5])
            raise DataContractError(f"The identities run in a circle of {len(circle)} (rows {rows}). Break it.")
        ends |= dict.fromkeys(chain, ends.get(new, new))
    return ends


@final
@dataclass(frozen=True)
class Items:
    """Category by item, from a table with one row an item.

    Parameters
    ----------
    item, category : Arrow arrays, shape (n_items,)
        Each item once; its category.
    """

    item: pa.Array
    category: pa.Array

    @classmethod
    def read(cls, items: Any) -> "Items":
        """From any source of interactions that has the two columns.

        Raises
        ------
        DataContractError
            If items stand there with different categories, or a column is missing.
        """
        source = open_source(items)
        require({ITEM: ITEM, CATEGORY: CATEGORY}, source.names)
        tables = list(source.batches([ITEM, CATEGORY]))
        table = (
            pa.concat_tables(tables)
            if tables
            else pa.table({ITEM: pa.array([], pa.null()), CATEGORY: pa.array([], pa.null())})
        )
        tally = Tally()
        item = convert.ids(convert.Column(ITEM, table[ITEM], tally, 0, source.text))
        if source.text and convert.whole_floats(item):
            raise convert.float_text(ITEM)
        category = convert.labels(convert.Column(CATEGORY, table[CATEGORY], tally, 0, source.text))
        pairs = (
            pa.table({ITEM: decoded(item), CATEGORY: decoded(category)})
            .drop_null()
            .group_by([ITEM, CATEGORY])
            .aggregate([])
        )
        if doubled := len(pairs) - len(pc.unique(pairs[ITEM])):
            raise DataContractError(
                f"{doubled:,} items stand in the item table with more than one category. Keep one row an item."
            )
        return cls(pairs[ITEM].combine_chunks(), pairs[CATEGORY].combine_chunks())

    def categories(self, item: pa.Array) -> pa.DictionaryArray:
        """The category of each item; unknown items have none."""
        if not len(self.item) or item.null_count == len(item):
            return pa.nulls(len(item), WORDS)
        if plain_type(item.type) != self.item.type:
            raise DataContractError(
                f"Items are {plain_type(item.type)} in the interactions and {self.item.type} in the item table. Give both one dtype."
            )
        coded = item.dictionary_encode()
        of_each = pc.take(self.category, pc.index_in(coded.dictionary, self.item)).dictionary_encode()
        return pa.DictionaryArray.from_arrays(pc.take(of_each.indices, coded.indices), of_each.dictionary)
