"""Checks that raise AssertionError with a sentence when a promise is broken."""

import warnings
from collections.abc import Iterator
from typing import Any

import pandas as pd

from crmintel.columns import CUSTOMER, KIND, KNOWN, KNOWN_AT, ORDER, TIME
from crmintel.features import FeatureSet
from crmintel.interactions import InteractionLog, Policies

SHIFT = pd.Timedelta(days=3)


def assert_point_in_time(features: FeatureSet, data: InteractionLog | pd.DataFrame, at: Any, **options: Any) -> None:
    """Features told at an instant must not move, by not one bit, when anything changes that was not known before it.

    Rows at or after `at` are dropped, doubled, changed, put off and shuffled; copies of earlier rows are added at `at`,
    and such as became known only at `at` or later. What `features` makes of each of these histories must equal the original.

    Parameters
    ----------
    features : FeatureSet
        An unfrozen set is frozen anew on each history, so the vocabularies are tested too.
    data : InteractionLog or DataFrame
        A history with rows before and after `at`; a frame is read in UTC, with our column names.
    at : instant
        When the features are told.
    **options
        For `FeatureSet.build`, such as ``by="item_id"``.

    Raises
    ------
    AssertionError
        Naming the change and the features that moved.

    Examples
    --------
    >>> from crmintel import features as f
    >>> days = pd.to_datetime(["2024-01-01", "2024-01-05", "2024-01-09"])
    >>> history = pd.DataFrame({"customer_id": [1, 1, 2], "timestamp": days})
    >>> assert_point_in_time(f.FeatureSet([f.recency(), f.count()]), history, "2024-01-05")
    """
    log = data if isinstance(data, InteractionLog) else read(data, "UTC")
    frame = log.to_arrow().to_pandas()
    frame[TIME] = frame[TIME].dt.tz_convert("UTC")
    moment = pd.Timestamp(log.zone.instant(at), unit="us", tz="UTC")
    expected = features.build(log, at=at, **options)
    later = known(frame) >= moment
    if later.all() or not later.any():
        raise AssertionError(
            "The check needs rows known before the instant and rows known later. Choose another instant."
        )
    for change, other in _histories(frame, later, moment):
        told = features.build(read(other, log.zone.name), at=at, **options)
        if not told.index.equals(expected.index):
            raise AssertionError(f"The customers of the table changed when {change}.")
        if list(told.columns) != list(expected.columns):
            raise AssertionError(f"The features changed when {change}: freeze the vocabulary on what was known before.")
        moved = [str(c) for c in expected if told[c].to_numpy().tobytes() != expected[c].to_numpy().tobytes()]
        if moved:
            raise AssertionError(
                f"The future leaks: {', '.join(moved[:5])} ({len(moved)} of {told.shape[1]}) moved when {change}."
            )


def _histories(frame: pd.DataFrame, later: pd.Series, moment: pd.Timestamp) -> Iterator[tuple[str, pd.DataFrame]]:
    """What else could have been, with the same past."""
    past, future = frame[~later], frame[later]
    other = altered(past)
    yield "all rows were shuffled", frame.sample(frac=1, random_state=1)
    yield "later rows were dropped", past
    yield "later rows were doubled", pd.concat([frame, future])
    yield "later rows were changed", pd.concat([past, altered(future)])
    put_off = future[TIME].where(future[TIME] >= moment, moment) + SHIFT
    yield "later rows were put off", pd.concat([past, future.assign(**{TIME: put_off})])
    yield "rows were added at the very instant", pd.concat([frame, other.assign(**{TIME: moment})])
    yield "rows were added that became known at the instant", pd.concat([frame, other.assign(**{KNOWN_AT: moment})])
    yield "rows were added that became known later", pd.concat([frame, other.assign(**{KNOWN_AT: moment + SHIFT})])


def altered(rows: pd.DataFrame) -> pd.DataFrame:
    """Other values at the same times; orders stay with their customers."""
    out = rows.copy(deep=False)
    for column in set(rows.columns) - {CUSTOMER, TIME, KNOWN_AT, KIND, ORDER}:
        out[column] = rows[column] * 3 if pd.api.types.is_float_dtype(rows[column]) else rows[column].to_numpy()[::-1]
    return out


def known(frame: pd.DataFrame) -> pd.Series:
    """When each row was known."""
    return frame[TIME] if KNOWN_AT not in frame else frame[[TIME, KNOWN_AT]].max(axis=1)


def read(frame: pd.DataFrame, zone: str) -> InteractionLog:
    policies = Policies(on_missing_item="keep", on_missing_amount="zero", on_shared_order="keep")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return InteractionLog.read(
            frame, timezone=zone, keep=[str(c) for c in frame if c not in KNOWN], policies=policies
        )
