"""Arrays and texts of a model as parts of a bundle: few files, plain data."""

import hashlib
import io
from collections.abc import Mapping
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from crmintel.errors import BundleError

LARGE: Final = 1 << 20
"""Arrays of so many bytes have a part of their own; smaller ones of one type lie one after the other in one part."""
KINDS: Final = "biufc"
_DTYPES: Final = frozenset(
    np.dtype(t).str for t in ("?", *(f"{k}{n}" for k in "iu" for n in (1, 2, 4, 8)), "f2", "f4", "f8", "c8", "c16")
)


@final
class Pools:
    """Where parts are gathered while a model is written."""

    def __init__(self) -> None:
        self._small: dict[str, list[npt.NDArray[Any]]] = {}
        self._ends: dict[str, int] = {}
        self._places: dict[bytes, list[Any]] = {}
        self._parts: dict[str, bytes] = {}

    def array(self, array: npt.NDArray[Any]) -> list[Any]:
        """Keep an array of numbers; where it lies: part, start, type, shape, order."""
        order = "F" if array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        flat = np.ravel(array, order=order)  # type: ignore[call-overload]  # order is C or F
        code = array.dtype.newbyteorder("<").str
        flat = np.ascontiguousarray(flat, code)
        shape = list(array.shape)
        mark = hashlib.sha256(f"{code}{order}{shape}".encode() + flat.tobytes()).digest()
        if mark in self._places:
            return self._places[mark]  # equal arrays lie in one place
        if flat.nbytes >= LARGE:
            name, start = f"array-{len(self._parts):04d}.npy", 0
            self._parts[name] = _npy(flat)
        else:
            name, start = f"numbers-{code[1:]}.npy", self._ends.get(code, 0)
            self._small.setdefault(code, []).append(flat)
            self._ends[code] = start + len(flat)
        self._places[mark] = [name, start, code, shape, order]
        return self._places[mark]

    def text(self, text: str) -> str:
        """Keep a long text, such as the trees of a booster; the name of its part."""
        name = f"text-{len(self._parts):04d}.txt"
        self._parts[name] = text.encode("utf-8", "surrogatepass")
        return name

    def strings(self, values: pa.Array) -> str:
        """Keep a column of texts; the name of its part."""
        name = f"strings-{len(self._parts):04d}.parquet"
        out = io.BytesIO()
        pq.write_table(pa.table({"values": values}), out, compression="zstd", write_statistics=False)
        self._parts[name] = out.getvalue()
        return name

    def parts(self) -> dict[str, bytes]:
        """All parts, by name."""
        small = {f"numbers-{code[1:]}.npy": _npy(np.concatenate(arrays)) for code, arrays in self._small.items()}
        return self._parts | small


@final
class Drawers:
    """The parts of a bundle that was proven, opened when asked for."""

    def __init__(self, parts: Mapping[str, bytes]) -> None:
        self._parts = dict(parts)
        self._open: dict[str, npt.NDArray[Any]] = {}

    def array(self, place: list[Any]) -> npt.NDArray[Any]:
        """The array at a place."""
        name, start, code, shape, order = place
        if name not in self._open:
            array = np.load(io.BytesIO(self._parts[name]), allow_pickle=False)
            if array.dtype.str not in _DTYPES or array.dtype.str.lstrip("<|") != str(code).lstrip("<|"):
                raise BundleError(f"The part {name!r} holds numbers of another type than the manifest says.")
            self._open[name] = array
        n = int(np.prod(shape, dtype=np.int64))
        flat = self._open[name][start : start + n]
        if len(flat) != n:
            raise BundleError(f"The part {name!r} is shorter than the model says. Get the bundle anew.")
        return flat.reshape(shape, order=order)

    def text(self, name: str) -> str:
        """A long text."""
        return self._parts[name].decode("utf-8", "surrogatepass")

    def strings(self, name: str) -> pa.Array:
        """A column of texts."""
        column = pq.read_table(pa.BufferReader(self._parts[name]))["values"]
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _npy(array: npt.NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()
