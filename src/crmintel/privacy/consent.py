"""Consent as a filter before anything is ranked: who has not agreed, or no longer agrees, is in no list."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import numpy as np
import pandas as pd

from crmintel.columns import CUSTOMER, TIME
from crmintel.errors import DataContractError, DataTypeError
from crmintel.interactions import Zone
from crmintel.privacy.pseudonyms import named

PURPOSE: Final = "purpose"
GRANTED: Final = "granted"
DEFAULTS: Final = ("out", "in")
Table = TypeVar("Table", pd.DataFrame, pd.Series)


def agreed(consents: pd.DataFrame, *, purpose: str, at: Any, timezone: str = "UTC") -> pd.Series:
    """Who had agreed to a purpose at an instant, by the last record before it.

    This is what ``ContactPolicy(consent=...)`` and ``ContactPolicy(opt_out=~...)`` of `crmintel.actions` take.

    Parameters
    ----------
    consents : DataFrame
        One row a statement of a customer: customer_id, purpose, granted (true, or false where consent was withdrawn), timestamp.
    purpose : str
    at : instant
        Statements of this instant and later are not known yet.
    timezone : str, default="UTC"
        The clock of times without a zone, in `consents` and `at`.

    Returns
    -------
    Series of bool, index customer_id
        One a customer with a statement before `at`, rising. Of statements at the same time a withdrawal counts;
        a statement whose answer is missing is a withdrawal.

    Raises
    ------
    DataContractError
        If a column is not there, a customer, purpose or time is missing, answers are other than true and false, or no statement is
        about the purpose at any time.

    Examples
    --------
    >>> consents = pd.DataFrame({
    ...     "customer_id": [7, 7, 8], "purpose": "email", "granted": [True, False, True],
    ...     "timestamp": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-01-05"]),
    ... })
    >>> agreed(consents, purpose="email", at="2024-03-01").to_dict()
    {7: False, 8: True}
    """
    named(consents, (CUSTOMER, PURPOSE, GRANTED, TIME))
    for name in (CUSTOMER, PURPOSE, TIME):
        if gaps := int(consents[name].isna().sum()):
            raise DataContractError(f"{name} is missing in {gaps:,} of {len(consents):,} consents. Repair these rows.")
    said = consents[GRANTED].astype(object)
    known = said.dropna()
    if odd := int((~known.isin([True, False])).sum()):
        raise DataContractError(f"{GRANTED} holds {odd:,} values other than true and false. Give true or false.")
    about = (consents[PURPOSE] == purpose).to_numpy(bool)
    if len(consents) and not about.any():
        some = sorted(map(str, consents[PURPOSE].unique()))[:10]
        raise DataContractError(f"No consent is about {purpose!r}. Choose one of {', '.join(map(repr, some))}.")
    zone = Zone(timezone)
    past = about & (_micros(consents[TIME], zone) < zone.instant(at))
    told = pd.DataFrame({
        CUSTOMER: _decoded(pd.Index(consents[CUSTOMER])), TIME: _micros(consents[TIME], zone), GRANTED: (said == True).to_numpy(bool),  # noqa: E712  # numpy's true counts too
    })[past]  # fmt: skip
    last = told.sort_values([TIME, GRANTED], ascending=[True, False], kind="stable").drop_duplicates(
        CUSTOMER, keep="last"
    )
    answer: pd.Series = last.set_index(CUSTOMER)[GRANTED].sort_index()
    return answer


def consenting(
    table: Table, consents: pd.DataFrame, *, purpose: str, at: Any, default: str = "out", timezone: str = "UTC"
) -> Table:
    """The customers of a table who may be contacted for a purpose: a filter to apply before ranking.

    Parameters
    ----------
    table : DataFrame or Series
        With a column or an index level ``customer_id``; an index without a name is taken for customers.
    consents : DataFrame
        Statements of consent; see `agreed`.
    purpose : str
    at : instant
        The filter knows what was stated before it. Filter again on the day of sending.
    default : {"out", "in"}
        What happens to customers without a statement. Those who have withdrawn are out in any case.
    timezone : str, default="UTC"

    Returns
    -------
    DataFrame or Series
        Some of the rows, in their order.

    Raises
    ------
    DataContractError
        As `agreed`; and if the table names no customers, some are missing, or they are numbers here and text there.

    Examples
    --------
    >>> consents = pd.DataFrame({
    ...     "customer_id": [7, 8], "purpose": "email", "granted": [True, False], "timestamp": pd.to_datetime(["2024-01-01"] * 2),
    ... })
    >>> consenting(pd.DataFrame({"customer_id": [7, 8, 9]}), consents, purpose="email", at="2024-03-01")
       customer_id
    0            7
    """
    if default not in DEFAULTS:
        raise DataContractError(f"default is {default!r}. Choose 'out' (who said nothing is not contacted) or 'in'.")
    customers = _customers(table)
    answers = agreed(consents, purpose=purpose, at=at, timezone=timezone)
    place = answers.index.get_indexer(_same_kind(customers, _decoded(pd.Index(consents[CUSTOMER]))))
    keep = np.append(answers.to_numpy(bool), default == "in")[place]
    return table[keep]


def _customers(table: Any) -> pd.Index:
    if not isinstance(table, pd.DataFrame | pd.Series):
        raise DataTypeError(f"A table cannot be a {type(table).__name__}. Give a DataFrame or a Series.")
    names: Sequence[Any] = table.index.names
    if isinstance(table, pd.DataFrame) and CUSTOMER in table.columns:
        customers: pd.Index = _decoded(pd.Index(table[CUSTOMER]))
    elif CUSTOMER in names:
        customers = _decoded(table.index.get_level_values(CUSTOMER))
    elif list(names) == [None] and isinstance(table, pd.Series):
        customers = _decoded(table.index)
    else:
        raise DataContractError(f"The table has neither a column nor an index {CUSTOMER!r}. Name the customers.")
    if gaps := int(np.count_nonzero(customers.isna())):
        raise DataContractError(f"{gaps:,} of {len(table):,} rows name no customer. Leave them out.")
    return customers


def _decoded(index: pd.Index) -> pd.Index:
    """Customers as they are, not as categories."""
    return index.astype(index.categories.dtype) if isinstance(index, pd.CategoricalIndex) else index


def _same_kind(customers: pd.Index, stated: pd.Index) -> pd.Index:
    """The customers, if they can be compared with those of the statements."""
    kinds = [_kind(x) for x in (customers, stated)]
    if None not in kinds and kinds[0] != kinds[1]:
        raise DataContractError(
            f"Customers are {kinds[0]} in the table and {kinds[1]} in the consents. Make them the same: nobody would be found."
        )
    return customers


def _kind(index: pd.Index) -> str | None:
    """Numbers, text, or both; None for nobody."""
    if not len(index):
        return None
    kinds = {"text" if isinstance(v, str) else "numbers" for v in index.unique()} if index.dtype == object else set()
    if kinds:
        return " and ".join(sorted(kinds))
    return "numbers" if pd.api.types.is_numeric_dtype(index.dtype) else "text"


def _micros(times: pd.Series, zone: Zone) -> Any:
    """UTC microseconds."""
    try:
        stamps = pd.DatetimeIndex(pd.to_datetime(times))
    except (ValueError, TypeError, OverflowError):
        raise DataTypeError("Times of consents cannot be read. Give timestamps.") from None
    if stamps.tz is None:
        return zone.to_utc(stamps.as_unit("us").asi8)
    return stamps.tz_convert("UTC").as_unit("us").asi8
