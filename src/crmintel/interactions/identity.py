"""Who is who: merged customers, and the categories of items."""

from collections.abc import Mapping
from typing import Any

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
from crmintel.interactions.rules import normalised


def normalise_ids(ids: pd.Series) -> pd.Series:
    """Text identifiers in one form: NFKC, lower case, no surrounding spaces. Offered, never done in silence.

    >>> normalise_ids(pd.Series(["Ａ1 ", "a1"])).tolist()
    ['a1', 'a1']
    """
    return pd.Series(normalised(pa.array(ids, pa.large_string(), from_pandas=True)).to_pandas().array, index=ids.index, name=ids.name)


def current_ids(table: pa.Table, identities: Any) -> pa.Table:
    """The rows with former identifiers replaced by the present ones."""
    if identities is None:
        return table
    mapping = final_identities(identities)
    codes, values = factorise(table[CUSTOMER])
    if mapping and len(values) and isinstance(next(iter(mapping)), str) != (not pa.types.is_integer(values.type)):
        raise DataContractError(f"Customers are {values.type}, but the identities are of another kind. Give both one dtype.")
    present = pa.array([mapping.get(v, v) for v in values.to_pylist()], values.type)
    return table.set_column(table.column_names.index(CUSTOMER), CUSTOMER, pc.take(present, pa.array(codes)))


def final_identities(identities: Any) -> dict[Any, Any]:
    """Former to present identifier, chains followed to their end.

    Raises
    ------
    DataContractError
        If an identifier is mapped twice, or the chain of one returns to itself; rows are named by position.
    """
    if isinstance(identities, pd.DataFrame):
        if identities.shape[1] != 2:
            raise DataContractError(f"Identities have {identities.shape[1]} columns. Give two: former and present identifier.")
        former, present = (identities.iloc[:, i].tolist() for i in (0, 1))
    elif isinstance(identities, Mapping):
        former, present = list(identities.keys()), list(identities.values())
    else:
        raise DataTypeError(f"Identities cannot be read from {type(identities).__name__}. Give a mapping or a frame of two columns.")
    pairs = dict(zip(former, present, strict=True))
    if len(pairs) < len(former):
        twice = np.flatnonzero(pd.Series(former).duplicated().to_numpy())[:3]
        raise DataContractError(f"{len(former) - len(pairs)} identifiers are mapped twice (rows {', '.join(map(str, twice))}). Keep one row of each.")
    out = {}
    for i, (old, new) in enumerate(pairs.items()):
        seen = [old]
        while new in pairs and pairs[new] != new:
            if new in seen:
                rows = sorted(list(pairs).index(s) for s in seen)
                raise DataContractError(f"The identities run in a circle of {len(seen)} (rows {', '.join(map(str, rows[:5]))}). Break it.")
            seen.append(new)
            new = pairs[new]
        if new == old and len(seen) > 1:
            raise DataContractError(f"The identities run in a circle of {len(seen)} (row {i} returns to itself). Break it.")
        out[old] = new
    return out


def item_categories(items: Any) -> pd.Series:
    """Category by item, from a table with one row an item.

    Raises
    ------
    DataContractError
        If items are doubled with different categories, or a column is missing.
    """
    source = open_source(items)
    require({ITEM: ITEM, CATEGORY: CATEGORY}, source.names)
    tables = list(source.batches([ITEM, CATEGORY]))
    table = pa.concat_tables(tables) if tables else pa.table({ITEM: [], CATEGORY: []})
    tally = Tally()
    item = convert.ids(convert.Column(ITEM, table[ITEM], tally, 0, source.text))
    category = convert.labels(convert.Column(CATEGORY, table[CATEGORY], tally, 0, source.text))
    frame = pd.DataFrame({ITEM: item.to_pandas(), CATEGORY: category.to_pandas()}).dropna(subset=[ITEM]).drop_duplicates()
    if doubled := int(frame[ITEM].duplicated().sum()):
        raise DataContractError(f"{doubled:,} items stand in the item table with more than one category. Keep one row an item.")
    return frame.set_index(ITEM)[CATEGORY]
