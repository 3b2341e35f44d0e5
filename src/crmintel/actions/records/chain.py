"""Records of decisions: their columns, and their hashes."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from crmintel.columns import ACTION, AT, CUSTOMER, VALUE
from crmintel.errors import DataContractError
from crmintel.interactions import Zone

NUMBER: Final = "decision_id"
TEXTS: Final = (ACTION, "rule", "runner_up", "model", "bundle")
NUMBERS: Final = ("effect", VALUE, "price", "propensity")
GIVEN: Final = (AT, CUSTOMER, *TEXTS, *NUMBERS)
HASH: Final = "hash"
_UTC: Final = pa.timestamp("us", "UTC")


def kind_of(name: str) -> pa.DataType:
    return _UTC if name == AT else pa.float64() if name in NUMBERS else pa.string()


def decision_table(decisions: pd.DataFrame, told: dict[str, Any]) -> pa.Table:
    """Decisions as columns of the log."""
    if unknown := [c for c in decisions.columns if c not in GIVEN]:
        raise DataContractError(
            f"Decisions have columns that the log does not take: {unknown}. It takes {', '.join(GIVEN)}."
        )
    if both := [n for n in told if n in decisions.columns]:
        raise DataContractError(f"{', '.join(both)} is given twice: as a column, and for all alike. Give it one way.")
    if lost := [n for n in (CUSTOMER, ACTION, AT) if n not in decisions.columns and n not in told]:
        raise DataContractError(f"Decisions lack {', '.join(lost)}. Add it.")
    columns = {}
    for name in GIVEN:
        if name in decisions.columns:
            columns[name] = _column(name, decisions[name])
        elif name == AT:
            columns[name] = pa.array(np.full(len(decisions), Zone().instant(told[AT])), _UTC)
        else:
            columns[name] = pa.array([told.get(name)] * len(decisions), kind_of(name))
        if name in (CUSTOMER, ACTION, AT) and (gaps := columns[name].null_count):
            raise DataContractError(
                f"{name} is missing in {gaps:,} of {len(decisions):,} decisions. Leave these out, or fill it in."
            )
    return pa.table(columns)


def _column(name: str, values: pd.Series) -> pa.Array:
    try:
        if name == AT:
            times = pd.to_datetime(values, utc=True).dt.as_unit("us")
            return pa.array(times.astype("int64").to_numpy(), pa.int64(), mask=times.isna().to_numpy()).cast(_UTC)
        if name in NUMBERS:
            numbers = values.to_numpy(np.float64, na_value=np.nan)
            if infinite := int(np.isinf(numbers).sum()):
                raise DataContractError(
                    f"{name} is infinite in {infinite:,} decisions. Give a number, or leave it missing."
                )
            return pa.array(numbers, from_pandas=True)
        plain = values.astype(object).where(values.notna(), None)
        kinds = {type(v) for v in plain} - {type(None)}
        if name == CUSTOMER and kinds and all(issubclass(k, int | np.integer) and k is not bool for k in kinds):
            return pa.array(plain.to_list(), pa.int64())
        if not all(issubclass(k, str) for k in kinds):
            raise TypeError
        return pa.array(plain.to_list(), pa.string())
    except (TypeError, ValueError, OverflowError, pa.ArrowException) as error:
        if isinstance(error, DataContractError):
            raise
        kind = (
            "whole numbers or text, one of them"
            if name == CUSTOMER
            else "times"
            if name == AT
            else "numbers"
            if name in NUMBERS
            else "text"
        )
        raise DataContractError(f"{name} has values of another kind than it should. Give {kind}.") from None


def canonical(table: pa.Table) -> Iterator[bytes]:
    """Each row as canonical JSON."""
    names = sorted(table.column_names)
    columns = []
    for name in names:
        column = table[name].combine_chunks()
        if name == AT:
            stamps = np.datetime_as_string(column.cast(pa.int64()).to_numpy().astype("datetime64[us]"), unit="us")
            columns.append([f"{s}Z" for s in stamps.tolist()])
        else:
            columns.append(column.to_pylist())
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    for row in zip(*columns, strict=True):
        yield encode(dict(zip(names, row, strict=True))).encode()


def chained(before: str, record: bytes) -> str:
    return hashlib.sha256(before.encode() + record).hexdigest()
