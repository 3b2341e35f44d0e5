"""Pseudonyms of customers: keyed only, because a hash without a key is reversed by trying every identifier."""

import hmac
import os
from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn, final
from uuid import UUID

import numpy as np
import pandas as pd

from crmintel.columns import CUSTOMER
from crmintel.errors import DataContractError, DataTypeError
from crmintel.privacy.keys import key_from_environment, key_from_file, key_of
from crmintel.showing import Shown

VARIABLE: Final = "CRMINTEL_PSEUDONYM_KEY"
"""The environment variable that a key is taken from."""
NAMESPACE: Final = "customers"
_LABEL: Final = b"crmintel key id"


@final
class Pseudonymizer(Shown):
    """Turns identifiers into pseudonyms: HMAC-SHA-256 over a namespace and the identifier as text.

    Whoever has the key can link pseudonyms to people again, so the data stay personal: they are pseudonymous, not anonymous.
    The key is not kept as an attribute, does not show in any text, and cannot be pickled or copied to another process.

    Parameters
    ----------
    key : bytes or str
        At least 128 bits: bytes, or hexadecimal or base64 text.
    namespace : str, default="customers"
        Another namespace gives other pseudonyms of the same customers, so that tables given to different people cannot be joined.

    Raises
    ------
    DataContractError
        If the key is short or follows a pattern, or the namespace is empty. No message shows the key.
    DataTypeError
        If the key is neither bytes nor text.

    Examples
    --------
    >>> import secrets
    >>> who = Pseudonymizer(secrets.token_bytes(32))
    >>> who.of([7, 8, 7]).nunique(), who.of([7])[0] == who.of(["7"])[0]
    (2, True)
    >>> who.of([7])[0] == who.within("reports").of([7])[0]
    False
    """

    __slots__ = ("_mac", "key_id", "namespace")

    key_id: str
    """A short digest that tells keys apart; it may be stored beside the data."""
    namespace: str

    def __init__(self, key: bytes | str, namespace: str = NAMESPACE) -> None:
        if not isinstance(namespace, str) or not namespace.strip():
            raise DataContractError("The namespace is empty. Name it, such as 'customers'.")
        self._mac = hmac.new(key_of(key), digestmod="sha256")
        self.namespace = namespace
        label = self._mac.copy()
        label.update(_LABEL)
        self.key_id = label.hexdigest()[:16]

    @classmethod
    def from_environment(cls, name: str = VARIABLE, *, namespace: str = NAMESPACE) -> "Pseudonymizer":
        """With the key in an environment variable, as hexadecimal or base64 text.

        Raises
        ------
        DataContractError
            If the variable is not set, or its key is weak.
        """
        return cls(key_from_environment(name), namespace)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, namespace: str = NAMESPACE) -> "Pseudonymizer":
        """With the key in a file: hexadecimal text, base64 text, or bytes.

        Raises
        ------
        DataContractError
            If the file cannot be read, or its key is weak.
        """
        return cls(key_from_file(path), namespace)

    def within(self, namespace: str) -> "Pseudonymizer":
        """The same key in another namespace."""
        other = object.__new__(Pseudonymizer)
        if not isinstance(namespace, str) or not namespace.strip():
            raise DataContractError("The namespace is empty. Name it, such as 'customers'.")
        other._mac, other.key_id, other.namespace = self._mac, self.key_id, namespace
        return other

    def of(self, ids: Any) -> pd.Series:
        """The pseudonym of each identifier: 64 hexadecimal digits.

        Parameters
        ----------
        ids : Series, Index, array or iterable, shape (n,)
            Whole numbers, text or UUIDs. The integer 7 and the text "7" are the same customer, because a CSV file gives
            text where Parquet gives integers. Text is taken as it is: "a" and "A" are two customers.

        Returns
        -------
        Series of str, shape (n,)
            With the index and the name of a Series; otherwise counted from 0.

        Raises
        ------
        DataContractError
            If identifiers are missing or blank.
        DataTypeError
            If identifiers are floats, truth values or anything else.
        """
        series = _series(ids)
        codes, texts = coded_texts(series)
        made = np.array([self._one(t) for t in texts], dtype=object)
        return pd.Series(pd.array(made[codes], dtype="str"), index=series.index, name=series.name)

    def table(self, frame: pd.DataFrame, columns: Sequence[str] = (CUSTOMER,)) -> pd.DataFrame:
        """The same table with pseudonyms instead of identifiers in some columns.

        Raises
        ------
        DataContractError
            If a column is not there, or holds missing identifiers.
        DataTypeError
            If a column holds floats, truth values or anything else that is no identifier.
        """
        names = named(frame, columns)
        return _with(frame, {name: self.of(frame[name]) for name in names})

    def _one(self, text: str) -> str:
        mac = self._mac.copy()
        mac.update(f"{len(self.namespace)}:{self.namespace}:{text}".encode("utf-8", "surrogatepass"))
        return mac.hexdigest()

    def __repr__(self) -> str:
        return f"Pseudonymizer(namespace={self.namespace!r}, key_id={self.key_id!r})"

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Pseudonymizer) and (self.key_id, self.namespace) == (other.key_id, other.namespace)
        return same and hmac.compare_digest(self._mac.digest(), other._mac.digest())  # type: ignore[attr-defined]  # seen to be one

    def __hash__(self) -> int:
        return hash((self.key_id, self.namespace))

    def __copy__(self) -> "Pseudonymizer":
        return self

    def __deepcopy__(self, memo: Any) -> "Pseudonymizer":
        return self

    def __reduce__(self) -> NoReturn:
        raise DataTypeError(
            "A Pseudonymizer cannot be pickled: its key would be written. Make it anew where it is needed."
        )


def rekeyed(
    table: pd.DataFrame, *, old: Pseudonymizer, new: Pseudonymizer, ids: Any, columns: Sequence[str] = (CUSTOMER,)
) -> pd.DataFrame:
    """A table of pseudonyms moved to another key or namespace, where the identifiers behind them are known.

    Parameters
    ----------
    table : DataFrame
        With pseudonyms that `old` made.
    old, new : Pseudonymizer
    ids : iterable
        The identifiers of all customers in the table; more do no harm.
    columns : sequence of str, default=("customer_id",)
        Which columns hold pseudonyms.

    Raises
    ------
    DataContractError
        If the table holds pseudonyms that `old` makes of none of the identifiers.

    Examples
    --------
    >>> import secrets
    >>> old, new = Pseudonymizer(secrets.token_bytes(32)), Pseudonymizer(secrets.token_bytes(32))
    >>> given = old.table(pd.DataFrame({"customer_id": [7, 8], "score": [0.1, 0.2]}))
    >>> moved = rekeyed(given, old=old, new=new, ids=[7, 8, 9])
    >>> (moved["customer_id"] == new.of([7, 8])).all()
    np.True_
    """
    known = texts_of(ids)
    moves = dict(zip(old.of(known), new.of(known), strict=True))
    changed = {}
    for name in named(table, columns):
        moved = table[name].astype(object).map(moves)
        if lost := int(moved.isna().sum()):
            raise DataContractError(
                f"{lost:,} of {len(table):,} rows of {name!r} hold no pseudonym of the identifiers given, by key {old.key_id}. "
                "Give the identifiers of all customers, and the key that made the table."
            )
        changed[name] = moved.astype("str")
    return _with(table, changed)


def _with(frame: pd.DataFrame, columns: dict[str, pd.Series]) -> pd.DataFrame:
    """The frame with some columns replaced; `assign` cannot take a column named self."""
    out = frame.copy(deep=False)
    for name, column in columns.items():
        out[name] = column
    return out


def coded_texts(ids: pd.Series) -> tuple[Any, list[str]]:
    """Identifiers as positions in a list of different texts.

    Raises
    ------
    DataContractError
        If identifiers are missing or blank.
    DataTypeError
        If identifiers are floats, truth values or anything else.
    """
    if len(ids) and ids.isna().all():
        raise _missing(len(ids), len(ids))
    if len(ids) and (pd.api.types.is_bool_dtype(ids.dtype) or pd.api.types.is_float_dtype(ids.dtype)):
        raise DataTypeError(f"Identifiers are {ids.dtype}. Give whole numbers or text: astype('Int64').")
    try:
        codes, values = pd.factorize(ids)
    except TypeError:  # of values without a hash, such as lists
        raise DataTypeError("Some identifiers are lists or the like. Give whole numbers, text or UUIDs.") from None
    if gaps := int((codes < 0).sum()):
        raise _missing(gaps, len(ids))
    texts = [_text(v) for v in values.tolist()]
    if blank := int(np.isin(codes, [i for i, t in enumerate(texts) if not t.strip()]).sum()):
        raise _missing(blank, len(ids))
    return codes, texts


def texts_of(ids: Any) -> list[str]:
    """The different identifiers as texts, in the order in which they first occur."""
    return list(dict.fromkeys(coded_texts(_series(ids))[1]))


def named(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Names of columns that a table has.

    Raises
    ------
    DataTypeError
        If it is no DataFrame.
    DataContractError
        If it lacks some of them.
    """
    if not isinstance(frame, pd.DataFrame):
        raise DataTypeError(f"A table cannot be a {type(frame).__name__}. Give a DataFrame.")
    names = [columns] if isinstance(columns, str) else list(columns)
    if lost := [n for n in names if n not in frame.columns]:
        raise DataContractError(
            f"The table has no column {', '.join(map(repr, lost))}. Name the columns that hold customers."
        )
    return names


def _missing(gaps: int, rows: int) -> DataContractError:
    return DataContractError(
        f"{gaps:,} of {rows:,} identifiers are missing or blank. Leave these rows out, or repair them."
    )


def _series(ids: Any) -> pd.Series:
    """Identifiers as a column, whole numbers beside missing ones not turned into floats."""
    if isinstance(ids, pd.Series):
        return ids
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise DataTypeError(f"Identifiers cannot be a {type(ids).__name__}. Give a list, an array or a column.")
    plain: Any = ids.to_pandas() if hasattr(ids, "to_pandas") else ids  # Arrow and Polars
    if (
        isinstance(plain, pd.Series | pd.Index | np.ndarray | pd.api.extensions.ExtensionArray)
        and plain.dtype != object
    ):
        return pd.Series(plain).reset_index(drop=True)
    return pd.Series(np.array([*plain, None], dtype=object)[:-1], dtype=object)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, UUID) or (isinstance(value, int | np.integer) and not isinstance(value, bool)):
        return str(value)
    raise DataTypeError(f"Some identifiers are {type(value).__name__}. Give whole numbers, text or UUIDs.")
