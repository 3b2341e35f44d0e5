"""Whether a model learned from a customer: the list that its bundle keeps, or nobody knows."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NAMES: Final = ("trained_on.json", "trained_on.npy", "trained_on.parquet")


def listed_in(path: Path, ids: frozenset[str]) -> bool | None:
    """Whether one of some customers is in the list of trained customers of a bundle; None if it has none that can be read.

    The list is ``trained_on.json`` (a list), ``trained_on.npy`` (an array of whole numbers or text) or ``trained_on.parquet`` (any column).

    Parameters
    ----------
    path : Path
        The folder of the bundle.
    ids : frozenset of str
        Identifiers as text, and pseudonyms.

    Examples
    --------
    >>> import json, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> listed_in(folder, frozenset({"7"})) is None
    True
    >>> _ = (folder / "trained_on.json").write_text(json.dumps(["7", "8"]))
    >>> listed_in(folder, frozenset({"7"}))
    True
    """
    for name in NAMES:
        if (path / name).is_file():
            try:
                return any(str(v) in ids for v in _values(path / name))
            except (OSError, ValueError, TypeError, RecursionError, pa.ArrowException):
                return None
    return None


def _values(file: Path) -> Any:
    if file.suffix == ".npy":
        return np.load(file, allow_pickle=False).ravel().tolist()
    if file.suffix == ".parquet":
        return [v for column in pq.read_table(file, partitioning=None).columns for v in column.to_pylist()]
    told = json.loads(file.read_bytes())
    if not isinstance(told, list):
        raise TypeError("a list is expected")
    return told
