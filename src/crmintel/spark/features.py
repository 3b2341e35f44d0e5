"""The engine inside `mapInArrow`: whole customers of each partition go through the door and become rows of features."""

import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, types
from pyspark.sql import functions as sql

from crmintel.columns import AT, CUSTOMER, KNOWN, TIME
from crmintel.errors import DataContractError, DataContractWarning
from crmintel.features import FeatureSet
from crmintel.features.instants import instants
from crmintel.interactions import InteractionLog, Policies, Profiles, Zone

ROWS_HELD: Final = 100_000
"""Rows of whole customers that a worker holds before it tells their features."""

_COUNTS = types.StructType([
    types.StructField("column", types.StringType()), types.StructField("value", types.StringType()), types.StructField("n", types.LongType()),
])  # fmt: skip


def build(
    features: FeatureSet, interactions: DataFrame, at: Any, *, columns: Mapping[str, str] | None = None, timezone: str = "UTC",
    policies: Policies = Policies(), profiles: Profiles | None = None, partitions: int | None = None,
) -> DataFrame:  # fmt: skip
    """The features of every customer known before each instant, as a Spark DataFrame.

    Parameters
    ----------
    features : FeatureSet
        Frozen; see `freeze`.
    interactions : Spark DataFrame
        One row an interaction. Times may be ``TIMESTAMP`` or, told by the business zone, ``TIMESTAMP_NTZ``; the zone of the
        session plays no part.
    at : instant or iterable of instants
        Only interactions with ``timestamp < at`` that were known by then play a part.
    columns : mapping, optional
        Our names to those of `interactions`, where they differ.
    timezone : str
        The business zone.
    policies : Policies
        What to do with rows that break a rule. Orders with several customers cannot be seen, since each customer is in one
        partition.
    profiles : Profiles, optional
        What is known of customers beside what they did; sent to every worker.
    partitions : int, optional
        How many partitions; Spark's own choice otherwise. A customer is never split.

    Returns
    -------
    Spark DataFrame
        `customer_id`, `at` (``TIMESTAMP_NTZ``, by the business clock) and one double a feature: bit for bit what
        `FeatureSet.build` says. In no stated order.

    Raises
    ------
    DataContractError
        If the features are not frozen, or a column is missing.
    """
    if not features.frozen:
        raise DataContractError(
            "Some features depend on the values of a column, and a worker sees only its own. Freeze them first: "
            "spark.freeze(features, interactions, at)."
        )
    when = [Zone(timezone).stamp(int(a)) for a in instants(at, Zone(timezone))]
    keep = sorted(features.columns - set(KNOWN))
    chosen = chosen_columns(interactions, keep, columns or {})
    text = features.to_json()
    kind = chosen.schema[CUSTOMER].dataType
    schema = types.StructType([
        types.StructField(CUSTOMER, types.LongType() if isinstance(kind, types.IntegralType) else types.StringType()),
        types.StructField(AT, types.TimestampNTZType()),
        *(types.StructField(name, types.DoubleType()) for name in features.names),
    ])  # fmt: skip

    def told(log: InteractionLog) -> Iterator[pa.RecordBatch]:
        with warnings.catch_warnings():  # who has no profile is not for a worker to say
            warnings.simplefilter("ignore", DataContractWarning)
            table = FeatureSet.from_json(text).build(log, at=when, profiles=profiles, threads=1)
        yield from _arrow(table, log).to_batches()

    spread = chosen.repartition(partitions, CUSTOMER) if partitions else chosen.repartition(CUSTOMER)
    return spread.sortWithinPartitions(CUSTOMER).mapInArrow(by_customer(told, keep, timezone, policies), schema)


def freeze(
    features: FeatureSet, interactions: DataFrame, at: Any, *, columns: Mapping[str, str] | None = None, timezone: str = "UTC",
    policies: Policies = Policies(), profiles: Profiles | None = None,
) -> FeatureSet:  # fmt: skip
    """The same features with vocabularies taken from what was known before the (first) instant, as `FeatureSet.freeze` does.

    Parameters are those of `build`.
    """
    if features.frozen:
        return features
    zone = Zone(timezone)
    first = zone.stamp(int(instants(at, zone)[0]))
    keep = sorted(features.columns - set(KNOWN))
    chosen = chosen_columns(interactions, keep, columns or {})
    names = features.unfrozen(chosen.columns)

    def told(log: InteractionLog) -> Iterator[pa.RecordBatch]:
        for column, found in FeatureSet.counted(log, first, names).items():
            if found:
                yield pa.record_batch([[column] * len(found), list(found), list(found.values())], names=_COUNTS.names)

    rows = chosen.repartition(CUSTOMER).sortWithinPartitions(CUSTOMER)
    counted = rows.mapInArrow(by_customer(told, keep, timezone, policies), _COUNTS)
    totals = {name: Counter[str]() for name in names}
    for row in counted.groupBy("column", "value").agg(sql.sum("n").alias("n")).collect():
        totals[row["column"]][row["value"]] = row["n"]
    return features.with_counts(totals, first, zone, profiles)


def chosen_columns(frame: DataFrame, keep: list[str], columns: Mapping[str, str]) -> DataFrame:
    """The columns that matter under our names: those of the door, and those to keep."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    named: dict[str, str] = {**{c: c for c in KNOWN if c in frame.columns}, **columns}
    named |= {c: c for c in keep}
    named |= {c: c for c in (CUSTOMER, TIME) if c not in named}
    if missing := [theirs for theirs in named.values() if theirs not in frame.columns]:
        raise DataContractError(
            f"The DataFrame has no columns {', '.join(map(repr, missing))}. It has {', '.join(frame.columns)}."
        )
    return frame.select(*(frame["`" + theirs.replace("`", "``") + "`"].alias(ours) for ours, theirs in named.items()))


def by_customer(
    told: Callable[[InteractionLog], Iterable[pa.RecordBatch]], keep: list[str], timezone: str, policies: Policies
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What `mapInArrow` calls: batches come in customer order, and may cut a customer in two."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held: list[pa.RecordBatch] = []
        rows = 0
        for batch in batches:
            held.append(batch)
            rows += batch.num_rows
            if rows >= ROWS_HELD:
                whole, rest = _split(pa.Table.from_batches(held))
                held, rows = rest.to_batches(), rest.num_rows
                if whole.num_rows:
                    yield from told(_log(whole, keep, timezone, policies))
        if rows:
            yield from told(_log(pa.Table.from_batches(held), keep, timezone, policies))

    return work


def _split(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """All customers but the last, and the last, who may go on in the next batch."""
    who = table[CUSTOMER]
    other = pc.index(pc.equal(who, who[-1]).combine_chunks(), True).as_py()
    cut = len(who) if other is None or other < 0 else other
    return table.slice(0, cut), table.slice(cut)


def _log(table: pa.Table, keep: list[str], timezone: str, policies: Policies) -> InteractionLog:
    # remarks belong to the whole log, not to a worker's share of it
    return InteractionLog.read(table, timezone=timezone, policies=policies, keep=keep, quiet=True)


def _arrow(table: pd.DataFrame, log: InteractionLog) -> pa.Table:
    """The rows of a table of features, with customers and instants as columns."""
    kind = log.store.schema.field(CUSTOMER).type
    who = pa.array(table.index.get_level_values(CUSTOMER), kind)
    data = {CUSTOMER: who.cast(pa.int64() if pa.types.is_integer(kind) else pa.string())}
    data[AT] = pa.array(table.index.get_level_values(AT).to_numpy(), pa.timestamp("us"))
    return pa.table(data | {str(c): pa.array(table[c].to_numpy()) for c in table})
