"""Scores as one file for people and their tools: Parquet, or CSV that no spreadsheet takes for formulas."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

FORMULA: Final = "^([=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20])"
"""What a spreadsheet may run: cells that begin so get an apostrophe."""


def neutral(table: pa.Table) -> pa.Table:
    """The table with texts and names that a spreadsheet shows as they are; numbers stay numbers.

    >>> neutral(pa.table({"customer_id": ["=1+1", "b"], "score": [-0.5, 1.0]})).to_pydict()
    {'customer_id': ["'=1+1", 'b'], 'score': [-0.5, 1.0]}
    """
    columns = []
    for column in table.columns:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        columns.append(pc.replace_substring_regex(column.cast(pa.large_string()), FORMULA, "'\\1") if text else column)
    names = pc.replace_substring_regex(pa.array(table.column_names, pa.large_string()), FORMULA, "'\\1").to_pylist()
    return pa.table(columns, names=names)


def one_file(parts: Iterable[Path], path: Path) -> None:
    """All parts in one file, by the ending of its name: ``.csv`` or ``.parquet``; some rows in memory at a time."""
    writer: pa.csv.CSVWriter | pq.ParquetWriter | None = None
    try:
        for part in parts:
            table = pq.read_table(part)
            table = neutral(table) if ".csv" in path.name else table
            if writer is None:
                writer = (
                    pa.csv.CSVWriter(path, table.schema)
                    if ".csv" in path.name
                    else pq.ParquetWriter(path, table.schema)
                )
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
