"""Which values are customers to erase: in columns of Arrow tables, in text, and in nested values."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]
_EXACT: Final = 2**53


class Gone:
    """What stands for a nested value that is about a customer to erase."""


GONE: Final = Gone()


@final
@dataclass(frozen=True)
class Wanted:
    """Customers to erase, and where they may stand.

    Parameters
    ----------
    ids : frozenset of str
        Their identifiers as text.
    pseudonyms : frozenset of str
        Their pseudonyms, looked for in every column of text.
    columns : frozenset of str
        Columns that hold customers.
    """

    ids: frozenset[str]
    pseudonyms: frozenset[str]
    columns: frozenset[str]

    @cached_property
    def texts(self) -> frozenset[str]:
        """All ways to write them in a column of customers: whole numbers also as a float writes them."""
        return self.ids | self.pseudonyms | {f"{n}.0" for n in self._numbers}

    @cached_property
    def _numbers(self) -> tuple[int, ...]:
        found = (
            int(t)
            for t in self.ids
            if t.isascii() and t.removeprefix("-").isdigit() and len(t) <= 20 and str(int(t)) == t
        )
        return tuple(found)

    def says(self, value: Any, *, customers: bool) -> bool:
        """Whether a plain value is one of them; `customers` tells that its column holds customers."""
        if isinstance(value, str):
            plain = value.strip().removeprefix("'")  # the mark that keeps spreadsheets from reading a formula
            return value in self.pseudonyms or (customers and (value in self.texts or plain in self.texts))
        if not customers or isinstance(value, bool):
            return False
        if isinstance(value, float):
            return math.isfinite(value) and value == int(value) and str(int(value)) in self.ids
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace") in self.texts or (
                len(value) == 16 and str(UUID(bytes=value)) in self.ids
            )
        return isinstance(value, int | UUID) and str(value) in self.ids

    def mask(self, name: str, column: pa.ChunkedArray) -> Mask:
        """Which values of a column are them."""
        customers = name in self.columns
        out = [self._chunk(chunk, customers) for chunk in column.chunks]
        return np.concatenate(out) if out else np.zeros(0, bool)

    def looks_at(self, name: str, kind: pa.DataType) -> bool:
        """Whether a plain column may hold them."""
        return name in self.columns or (bool(self.pseudonyms) and _is_text(_values(kind)))

    def _chunk(self, array: pa.Array, customers: bool) -> Mask:
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        kind = array.type
        if pa.types.is_dictionary(kind):
            inside = np.append(self._chunk(array.dictionary, customers), False)
            return np.asarray(inside[array.indices.fill_null(len(inside) - 1).cast(pa.int64()).to_numpy()])
        if pa.types.is_run_end_encoded(kind):
            return self._chunk(pc.run_end_decode(array), customers)
        if _is_text(kind):
            return self._among(
                array.cast(pa.large_string()),
                self._spelled if customers else pa.array(sorted(self.pseudonyms), pa.large_string()),
            )
        if not customers:
            return np.zeros(len(array), bool)
        if pa.types.is_integer(kind):
            signed = pa.types.is_signed_integer(kind)
            return self._among(
                array.cast(pa.int64() if signed else pa.uint64()), self._signed if signed else self._unsigned
            )
        if pa.types.is_floating(kind):
            return self._among(array.cast(pa.float64()), self._floats)
        return np.array([self._plain(v) for v in array.to_pylist()], bool)

    def _plain(self, value: Any) -> bool:
        if value is not None and type(value).__name__ == "Decimal":
            return bool(value.is_finite() and value == int(value) and str(int(value)) in self.ids)
        return self.says(value, customers=True)

    @cached_property
    def _signed(self) -> pa.Array:
        return pa.array([n for n in self._numbers if -(2**63) <= n < 2**63], pa.int64())

    @cached_property
    def _unsigned(self) -> pa.Array:
        return pa.array([n for n in self._numbers if 0 <= n < 2**64], pa.uint64())

    @cached_property
    def _floats(self) -> pa.Array:
        return pa.array([float(n) for n in self._numbers if abs(n) <= _EXACT], pa.float64())

    @cached_property
    def _spelled(self) -> pa.Array:
        encodable = sorted(t for t in self.texts if _encodable(t))
        return pa.array([*encodable, *(f"'{t}" for t in encodable)], pa.large_string())

    @staticmethod
    def _among(array: pa.Array, values: pa.Array) -> Mask:
        trimmed = pc.utf8_trim_whitespace(array) if pa.types.is_large_string(array.type) else array
        found = pc.or_(pc.is_in(array, value_set=values), pc.is_in(trimmed, value_set=values))
        return np.asarray(found.to_numpy(zero_copy_only=False), bool)

    def pruned(self, value: Any, name: str = "") -> Any:
        """A nested value without them: elements of lists go; an object that names one goes as a whole, and `GONE` stands for it."""
        if isinstance(value, dict):
            if any(
                self.says(v, customers=k in self.columns) for k, v in value.items() if not isinstance(v, dict | list)
            ):
                return GONE
            inside = {
                k: self.pruned(v, k) for k, v in value.items() if not self.says(k, customers=name in self.columns)
            }
            return GONE if any(v is GONE for v in inside.values()) else inside
        if isinstance(value, list):
            kept = (self.pruned(v, name) for v in value)
            return [v for v in kept if v is not GONE]
        if isinstance(value, tuple):  # a key and value of a map
            pair = {str(value[0]): value[1]}
            gone = self.says(value[0], customers=name in self.columns) or self.pruned(pair) is GONE
            return GONE if gone else (value[0], self.pruned(pair)[str(value[0])])
        return GONE if self.says(value, customers=name in self.columns) else value


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _values(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def names_in(field: pa.Field) -> Iterable[str]:
    """The names of a column and of everything nested in it."""
    yield field.name
    for i in range(field.type.num_fields):
        yield from names_in(field.type.field(i))
