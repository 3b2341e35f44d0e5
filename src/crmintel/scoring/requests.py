"""What others send to be scored: tables of interactions or of features, checked without ever showing a cell."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from crmintel.columns import CUSTOMER, KNOWN_AT, NUMBERS, TIME
from crmintel.errors import DataContractError, DataTypeError
from crmintel.interactions import InteractionLog
from crmintel.recommend import Recommender
from crmintel.scoring.model import CustomerModel, customer_model
from crmintel.scoring.scores import learns_from_log, scores_of_table

_OFFSET: Final = r"(?:[Zz]|[+-]\d\d:?\d\d)$"


def answer(model: Any, frame: pd.DataFrame, at: Any = None) -> pd.DataFrame:
    """Scores of a table that somebody sent, customers in a column.

    Parameters
    ----------
    model : CustomerModel or another model of crmintel
    frame : DataFrame
        Interactions (with a column ``timestamp``), rows of features, or for recommenders customers alone.
    at : instant, optional
        Now, without it.

    Raises
    ------
    DataContractError
        If it is empty, or columns are missing or hold something else than they should; columns are named, cells never.
    """
    if not len(frame):
        raise DataContractError("The request has no rows. Send at least one.")
    inner = model.estimator if isinstance(model, CustomerModel) else model
    if TIME in frame.columns and (isinstance(model, CustomerModel) or learns_from_log(model)):
        return _flat(_of_interactions(customer_model(model), frame, at))
    if isinstance(inner, Recommender):
        if CUSTOMER not in frame.columns:
            raise DataContractError(f"The request has no column {CUSTOMER!r}. Send the customers who are to get items.")
        return inner.recommend(frame[CUSTOMER].tolist(), threads=1)
    features = model.features.names if isinstance(model, CustomerModel) and model.features is not None else None
    table = frame.set_index(CUSTOMER) if CUSTOMER in frame.columns else frame
    return _flat(scores_of_table(inner, _numbers(table, features) if features else table))


def _of_interactions(model: CustomerModel, frame: pd.DataFrame, at: Any) -> pd.DataFrame:
    return model.score(log_of(model, frame), at=pd.Timestamp.now("UTC") if at is None else at)


def log_of(model: CustomerModel, frame: pd.DataFrame) -> InteractionLog:
    """Interactions that somebody sent, read as the model needs them.

    Raises
    ------
    DataContractError
        If times are no times, or a rule is broken that no policy forgives.
    """
    frame = frame.drop(columns=[c for c in frame.columns if c not in model.needs and frame[c].isna().all()])
    for name in {TIME, KNOWN_AT} & set(frame.columns):
        if frame[name].dtype.kind != "M":
            frame = frame.assign(**{name: _times(frame[name], name)})
    numbers = [c for c in NUMBERS if c in frame.columns]
    frame = frame.assign(**{str(c): v for c, v in _numbers(frame, numbers).items()}) if numbers else frame
    return model.read(frame, columns=None, policies=replace(model.policies, time_format=None), quiet=True)


def _times(values: pd.Series, name: str) -> pd.Series:
    """Times that were sent as text (ISO 8601)."""
    text, mixed = values.astype("str"), False
    try:
        found = pd.to_datetime(text, format="ISO8601", errors="coerce")
    except ValueError:  # several offsets, or some without one
        found, mixed = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True), True
    if mixed and not text.dropna().str.contains(_OFFSET).all():
        raise DataContractError(f"{name}: some times have an offset from UTC, others have none. Write all of them alike.")  # fmt: skip
    if bad := int((found.isna() & values.notna()).sum()):
        raise DataContractError(f"{name}: {bad:,} of {len(values):,} values are no times in ISO 8601. Write them as 2024-03-01T12:00:00.")  # fmt: skip
    return found


def _numbers(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Columns as numbers, the bad ones named together."""
    if absent := [n for n in names if n not in frame.columns]:
        more = "" if len(absent) <= 8 else f" and {len(absent) - 8} more"
        raise DataContractError(f"Missing columns: {', '.join(absent[:8])}{more}. Send interactions, or every feature of the model.")  # fmt: skip
    held, bad = {}, []
    for name in names:
        try:
            column = frame[name].to_numpy(np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            bad.append(name)
            continue
        if np.isinf(column).any():
            bad.append(name)
        held[name] = column
    if bad:
        raise DataTypeError(f"No finite numbers in {', '.join(bad[:8])}. Send numbers; a missing one is null.")
    return pd.DataFrame(held, index=frame.index)


def _flat(scores: pd.DataFrame) -> pd.DataFrame:
    """Customers as a column, where they are known."""
    return scores.reset_index() if scores.index.name is not None else scores.reset_index(drop=True)
