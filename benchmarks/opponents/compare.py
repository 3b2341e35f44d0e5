"""Two tables of features, cell by cell."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

CLOSE = 1e-9


@dataclass(frozen=True)
class Difference:
    """How many cells were compared, and where they differ."""

    cells: int
    differ: int
    where: str = ""


def compare(ours: pd.DataFrame, theirs: pd.DataFrame, columns: list[str]) -> Difference:
    """Rows by (customer_id, at); numbers within 1e-9 of the larger of 1 and theirs, and missing equals missing.

    A row that only one of them has counts as one differing cell a column.
    """
    a, b = keyed(ours, columns), keyed(theirs, columns)
    both = a.index.intersection(b.index)
    lonely = len(a) + len(b) - 2 * len(both)
    x, y = a.loc[both].to_numpy(float), b.loc[both].to_numpy(float)
    apart = ~((np.isnan(x) & np.isnan(y)) | (np.abs(x - y) <= CLOSE * np.maximum(1.0, np.abs(y))))
    told = [f"{c}: {n}" for c, n in zip(columns, apart.sum(0), strict=True) if n]
    if lonely:
        told.append(f"rows of one side only: {lonely}")
    return Difference(x.size + lonely * len(columns), int(apart.sum()) + lonely * len(columns), "; ".join(told))


def keyed(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The columns by (customer_id, at), sorted."""
    at = pd.to_datetime(table["at"], utc=True).dt.as_unit("us") if "at" in table else None
    return table.assign(at=at).set_index(["customer_id", "at"])[columns].sort_index()


def compare_files(ours: Path, theirs: Path, columns: list[str]) -> Difference:
    """The same for Parquet files, or folders of them."""
    left, right = read(ours), read(theirs)
    if "at" not in left:
        right = right.drop(columns="at", errors="ignore")
    return compare(left, right, columns)


def read(path: Path) -> pd.DataFrame:
    """A table, or the parts of one."""
    return (
        pd.concat([pd.read_parquet(p) for p in sorted(path.glob("*.parquet"))])
        if path.is_dir()
        else pd.read_parquet(path)
    )
