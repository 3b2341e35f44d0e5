"""A bundle inside `mapInArrow`: features and model together, in Spark's own partitions."""

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark import SparkFiles
from pyspark.sql import DataFrame, types
from pyspark.sql import functions as sql

from crmintel.columns import CUSTOMER, TIME
from crmintel.errors import DataContractError
from crmintel.features.instants import instants
from crmintel.interactions import InteractionLog, Zone
from crmintel.scoring import CustomerModel, verify_bundle
from crmintel.scoring.model import customer_model
from crmintel.scoring.telling import Teller
from crmintel.spark.features import by_customer, chosen_columns


def score(
    interactions: DataFrame, bundle: str | os.PathLike[str], at: Any, *, columns: Mapping[str, str] | None = None, reasons: int = 0,
    k: int = 10, partitions: int | None = None, key: bytes | None = None, fingerprint: str | None = None,
) -> DataFrame:  # fmt: skip
    """Scores of every customer known before an instant, as a Spark DataFrame.

    Parameters
    ----------
    interactions : Spark DataFrame
        One row an interaction; times as in :func:`crmintel.spark.build`.
    bundle : path
        Of a `CustomerModel`, or of a model that reads interactions itself. It goes to the workers as one file, and is proven again there.
    at : instant
        Only interactions with ``timestamp < at`` that were known by then play a part.
    columns : mapping, optional
        Our names to those of `interactions`, where they differ from the model's own mapping.
    reasons, k : int
        As in :func:`crmintel.scoring.score_batch`.
    partitions : int, optional
        How many partitions; Spark's own choice otherwise. A customer is never split.
    key, fingerprint
        As in :func:`crmintel.scoring.load_bundle`.

    Returns
    -------
    Spark DataFrame
        `customer_id` and the columns that `CustomerModel.score` says: bit for bit the same. In no stated order.

    Raises
    ------
    BundleError
        If the bundle is not whole.
    DataContractError
        If a column is missing, or several instants are given.
    """
    made = verify_bundle(bundle, key=key, fingerprint=fingerprint)
    model = CustomerModel.load(bundle, key=key, fingerprint=made.fingerprint)
    zone = Zone(model.timezone)
    when = instants(at, zone)
    if len(when) != 1:
        raise DataContractError(f"Scores are told at one instant, not at {len(when)}.")
    stamp, told_at = zone.stamp(int(when[0])), made.fingerprint
    chosen = chosen_columns(interactions, model.keep, columns or model.columns)
    kind = chosen.schema[CUSTOMER].dataType
    who = types.LongType() if isinstance(kind, types.IntegralType) else types.StringType()
    fields = [
        types.StructField(f.name, _type(f.type)) for f in Teller.of(model, reasons, k).schema if f.name != CUSTOMER
    ]
    schema = types.StructType([types.StructField(CUSTOMER, who), *fields])
    name = _sent(interactions, Path(bundle))
    last = _last(chosen, zone) if model.features is None else None
    policies, keep, timezone = model.policies, model.keep, model.timezone

    def told(log: InteractionLog) -> Iterator[pa.RecordBatch]:
        if last is not None:  # a model that reads interactions asks when the history ends, not when this batch does
            log = replace(log, bounds=(log.bounds[0], last))
        table = Teller.of(_received(name, told_at), reasons, k)(log, stamp)
        yield from _as_spark(table).to_batches()

    spread = chosen.repartition(partitions, CUSTOMER) if partitions else chosen.repartition(CUSTOMER)
    return spread.sortWithinPartitions(CUSTOMER).mapInArrow(by_customer(told, keep, timezone, policies), schema)


def _sent(frame: DataFrame, bundle: Path) -> str:
    """The bundle as one file that every worker gets; its name there, which tells its content."""
    home = Path(tempfile.mkdtemp(prefix="crmintel-"))  # Spark serves the file until the session ends
    packed = home / "bundle.zip"
    if bundle.is_file():
        shutil.copyfile(bundle, packed)
    else:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as out:
            for part in sorted(bundle.iterdir()):
                out.writestr(zipfile.ZipInfo(part.name), part.read_bytes())  # without times: equal bundles, equal files
    with open(packed, "rb") as file:
        name = f"crmintel-{hashlib.file_digest(file, 'sha256').hexdigest()[:32]}.zip"
    packed.rename(home / name)
    frame.sparkSession.sparkContext.addFile(str(home / name))
    return name


def _last(frame: DataFrame, zone: Zone) -> int:
    """The last time of all interactions, UTC microseconds."""
    found = frame.agg(sql.max(TIME).alias(TIME)).toArrow()[TIME].combine_chunks()
    if not found.null_count:
        micros = found.cast(pa.timestamp("us", found.type.tz)).cast(pa.int64()).to_numpy()
        return int(micros[0] if found.type.tz is not None else zone.to_utc(micros)[0])
    raise DataContractError("The DataFrame has no interactions with a time.")


@lru_cache(maxsize=2)
def _received(name: str, fingerprint: str) -> CustomerModel:
    """The model in a worker, made once a process."""
    from crmintel.scoring import load_bundle

    return customer_model(load_bundle(SparkFiles.get(name), fingerprint=fingerprint))


def _type(kind: pa.DataType) -> types.DataType:
    """The type of Spark that holds a column."""
    if pa.types.is_boolean(kind):
        return types.BooleanType()
    if pa.types.is_integer(kind):
        return types.LongType()
    return types.DoubleType() if pa.types.is_floating(kind) else types.StringType()


def _as_spark(table: pa.Table) -> pa.Table:
    """The same with texts and numbers of the lengths that Spark knows."""
    kinds = []
    for field in table.schema:
        kind = field.type
        if pa.types.is_integer(kind):
            kind = pa.int64()
        elif pa.types.is_floating(kind):
            kind = pa.float64()
        elif not pa.types.is_boolean(kind):
            kind = pa.string()
        kinds.append(pa.field(field.name, kind))
    return table.cast(pa.schema(kinds))
