"""One print of many rows, whatever their order and however they are divided."""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from crmintel.columns import CUSTOMER, KNOWN_AT, TIME
from crmintel.interactions.part import Part

Hash = npt.NDArray[np.uint64]
_SEEDS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)
_MISSING = np.uint64(0x27D4EB2F165667C5)


def fingerprint(schema: pa.Schema, parts: Iterable[Part]) -> str:
    """SHA-256 of the schema and of the sums of two 64-bit hashes of every row."""
    lanes = np.zeros(len(_SEEDS), np.uint64)
    rows = 0
    for part in parts:
        columns = _hashed_columns(part)
        lanes += np.array([_row_hashes(columns, seed, len(part)).sum() for seed in _SEEDS], np.uint64)
        rows += len(part)
    named = ",".join(f"{name}:{kind}" for name, kind in sorted(zip(schema.names, map(str, schema.types), strict=True)))
    return hashlib.sha256(f"{named};{rows};{lanes[0]:x};{lanes[1]:x}".encode()).hexdigest()


def _hashed_columns(part: Part) -> list[Hash]:
    """Each column as 64 bits a row, in the order of the names."""
    out = {CUSTOMER: hash_values(part.customers)[part.customer_codes], TIME: part.time.view(np.uint64)}
    for name, codes in part.codes.items():
        out[name] = np.append(hash_values(part.vocabulary[name]), _MISSING)[codes]  # −1 is the last: missing
    for name, x in part.numbers.items():
        out[name] = np.where(np.isnan(x), np.nan, x).view(np.uint64)  # one kind of NaN
    if part.known_at is not None:
        out[KNOWN_AT] = part.known_at.view(np.uint64)
    return [out[name] for name in sorted(out)]


def _row_hashes(columns: list[Hash], seed: int, rows: int) -> Hash:
    """Every column stirred into one hash a row by the finaliser of splitmix64."""
    h = np.full(rows, seed, np.uint64)
    for column in columns:
        h ^= column
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            h ^= h >> np.uint64(shift)
            h *= np.uint64(factor)
        h ^= h >> np.uint64(31)
        h += np.uint64(seed)
    return h


def hash_values(values: pa.Array) -> Hash:
    """A hash of integers or text that depends on nothing else: no seed, no machine, no order."""
    plain = (
        values.to_numpy(zero_copy_only=False)
        if pa.types.is_integer(values.type)
        else np.array(values.to_pylist(), object)
    )
    hashed: Hash = pd.util.hash_array(plain, categorize=False)
    return hashed
