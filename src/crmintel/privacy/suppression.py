"""The suppression list: keyed hashes of erased customers, so that they do not come back with the next import."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crmintel.columns import CUSTOMER
from crmintel.errors import DataContractError
from crmintel.privacy.pseudonyms import Pseudonymizer, coded_texts, named, texts_of
from crmintel.showing import Shown

NAMESPACE: Final = "crmintel.suppression"
"""The namespace of the list: its hashes are in no other table of pseudonyms."""
_COLUMN: Final = "erased"
_KEY: Final = b"crmintel.key_id"


@final
@dataclass(frozen=True, repr=False)
class SuppressionList(Shown):
    """Keyed hashes of erased customers. Make or read one with `SuppressionList.read`.

    Parameters
    ----------
    key_id : str
        Of the key that made the hashes.
    hashes : frozenset of str

    Examples
    --------
    >>> import secrets
    >>> who = Pseudonymizer(secrets.token_bytes(32))
    >>> erased = SuppressionList(who.key_id).with_ids([7], who)
    >>> suppressed(pd.DataFrame({"customer_id": [7, 8]}), erased, who)
       customer_id
    1            8
    """

    key_id: str
    hashes: frozenset[str] = frozenset()

    @classmethod
    def read(cls, path: str | os.PathLike[str], pseudonymizer: Pseudonymizer) -> "SuppressionList":
        """The list in a file, empty if there is no such file.

        Raises
        ------
        DataContractError
            If the file is no suppression list, or was made with another key: then nobody on it would be found.
        """
        if not Path(path).exists():
            return cls(pseudonymizer.key_id)
        try:
            table = pq.read_table(path, columns=[_COLUMN], partitioning=None)
            key = (table.schema.metadata or {})[_KEY].decode()
            held = frozenset(table[_COLUMN].to_pylist())
        except (OSError, KeyError, ValueError, pa.ArrowException):
            raise DataContractError("The suppression list cannot be read. Give the file that `erase` wrote.") from None
        _same_key(key, pseudonymizer)
        return cls(key, held)

    def with_ids(self, ids: Any, pseudonymizer: Pseudonymizer) -> "SuppressionList":
        """The list with more customers on it.

        Raises
        ------
        DataContractError
            If the list was made with another key.
        """
        _same_key(self.key_id, pseudonymizer)
        return SuppressionList(self.key_id, self.hashes | {*pseudonymizer.within(NAMESPACE).of(texts_of(ids))})

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the list as Parquet, whole or not at all; equal lists give equal files."""
        target = Path(path)
        beside = target.with_name(f".{target.name}.tmp")
        table = pa.table({_COLUMN: pa.array(sorted(self.hashes), pa.string())}).replace_schema_metadata(
            {_KEY: self.key_id}
        )
        try:
            with beside.open("wb") as file:
                pq.write_table(table, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self.hashes)

    def __repr__(self) -> str:
        return f"SuppressionList: {len(self):,} customers, key {self.key_id}"


def suppressed(
    table: pd.DataFrame,
    erased: SuppressionList | str | os.PathLike[str],
    pseudonymizer: Pseudonymizer,
    *,
    column: str = CUSTOMER,
) -> pd.DataFrame:
    """A table that is imported, without customers who were erased before.

    Parameters
    ----------
    table : DataFrame
        With a column of customers, as they are called in the source. Rows without a customer stay.
    erased : SuppressionList or path
        The list that `erase` wrote.
    pseudonymizer : Pseudonymizer
        With the key of the list; its namespace does not matter.
    column : str, default="customer_id"

    Raises
    ------
    DataContractError
        If the column is not there, there is no such file, or the list was made with another key.

    Examples
    --------
    >>> import secrets
    >>> from crmintel.privacy import Pseudonymizer
    >>> who = Pseudonymizer(secrets.token_bytes(32))
    >>> erased = SuppressionList(who.key_id).with_ids([7], who)
    >>> suppressed(pd.DataFrame({"customer_id": [7, 8]}), erased, who)["customer_id"].tolist()
    [8]
    """
    named(table, [column])
    if not isinstance(erased, SuppressionList):
        if not Path(erased).exists():
            raise DataContractError("There is no suppression list at this path. Give the file that `erase` wrote.")
        erased = SuppressionList.read(erased, pseudonymizer)
    _same_key(erased.key_id, pseudonymizer)
    known = table[column].notna().to_numpy(bool)
    codes, texts = coded_texts(table[column][known])
    on = np.array([h in erased.hashes for h in pseudonymizer.within(NAMESPACE).of(texts)], bool)
    gone = np.zeros(len(table), bool)
    gone[known] = on[codes] if len(on) else False
    return table[~gone]


def _same_key(key: str, pseudonymizer: Pseudonymizer) -> None:
    if key != pseudonymizer.key_id:
        raise DataContractError(
            f"The suppression list was made with key {key}, not with {pseudonymizer.key_id}. Use that key, or make the list anew."
        )
