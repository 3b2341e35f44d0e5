"""What to do with rows that break a rule: chosen by the caller, said in the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, final, get_args, get_origin, get_type_hints

import pandas as pd

from crmintel.errors import DataContractError
from crmintel.showing import Shown


@final
@dataclass(frozen=True)
class Policies(Shown):
    """The choices a reader of interactions has to make. Defaults refuse whatever would lose money in silence.

    Parameters
    ----------
    on_missing : {"raise", "drop"}
        Rows without a customer or without a time.
    on_missing_amount : {"raise", "drop", "zero"}
        Purchases and returns without an amount, when the history has amounts.
    on_missing_item : {"raise", "drop", "keep"}
        Purchases and returns without an item, when the history has items.
    on_duplicate : {"keep", "drop"}
        Rows equal in every column that is read (or in `duplicate_key`); they are counted either way.
    duplicate_key : tuple of str
        Columns that make two rows the same interaction; empty means all that are read.
    on_shared_order : {"raise", "keep"}
        Orders that carry more than one customer.
    time_format : str, optional
        How text times are written (``strftime`` codes, or ``"ISO8601"``); text is refused without it,
        except in CSV files, where ISO 8601 is assumed.
    time_unit : {"s", "ms", "us", "ns"}, optional
        Unit of numeric times since 1970; bare numbers are refused without it.
    decimal : {".", ","}
        The decimal mark of numbers in CSV files; with ``","`` a point is the thousands mark.
    ranges : mapping of column to (low, high)
        Scales that numbers must keep to, such as ``{"rating": (1, 5)}``.

    Examples
    --------
    >>> Policies(on_missing="drop").on_missing
    'drop'
    """

    on_missing: Literal["raise", "drop"] = "raise"
    on_missing_amount: Literal["raise", "drop", "zero"] = "raise"
    on_missing_item: Literal["raise", "drop", "keep"] = "raise"
    on_duplicate: Literal["keep", "drop"] = "keep"
    duplicate_key: tuple[str, ...] = ()
    on_shared_order: Literal["raise", "keep"] = "raise"
    time_format: str | None = None
    time_unit: Literal["s", "ms", "us", "ns"] | None = None
    decimal: Literal[".", ","] = "."
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        hints = get_type_hints(Policies)
        for f in fields(self):
            choices = [
                a for t in (hints[f.name], *get_args(hints[f.name])) if get_origin(t) is Literal for a in get_args(t)
            ]
            value = getattr(self, f.name)
            if choices and value is not None and value not in choices:
                raise DataContractError(f"{f.name} is {value!r}. Choose one of {', '.join(map(repr, choices))}.")
        if self.time_format is not None and not _is_format(self.time_format):
            raise DataContractError(
                "time_format cannot be read. Use strftime codes such as '%d/%m/%Y %H:%M', or 'ISO8601'."
            )
        for name, (low, high) in self.ranges.items():
            if not low <= high:
                raise DataContractError(f"The range of {name!r} is upside down: {low} to {high}. Give (low, high).")


def _is_format(form: str) -> bool:
    """Whether pandas can parse times by a format that names one time strictly."""
    try:
        pd.to_datetime(pd.Series([""]), format=form, errors="coerce")
    except (ValueError, TypeError):
        return False
    return form == "ISO8601" or "%" in form
