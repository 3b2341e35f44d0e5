"""Where personal data hide: a look at a sample of each column, told by kind and count, never by value."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, Final, final

import numpy as np
import pandas as pd

from crmintel.columns import CUSTOMER
from crmintel.errors import DataContractError, DataContractWarning
from crmintel.interactions import InteractionLog
from crmintel.interactions.frames import frame_of
from crmintel.privacy.patterns import LONGEST, PATTERNS, says_birth
from crmintel.showing import Shown

SAMPLE: Final = 10_000
_IN_NUMBERS: Final = frozenset({"phone", "card number", "Chinese resident id", "birth date"})


@final
@dataclass(frozen=True)
class Suspicion(Shown):
    """A column that seems to hold personal data.

    Parameters
    ----------
    column : str
    kind : str
        Such as "e-mail".
    count : int
        Values of the sample that are of the kind.
    share : float in (0, 1]
        The same as a part of the sample.

    Examples
    --------
    >>> from crmintel.privacy import personal_data
    >>> found = personal_data(pd.DataFrame({"login": ["a@example.org", "b@example.org"]}))
    >>> found.found[0]
    Suspicion(column='login', kind='e-mail', count=2, share=1.0)
    """

    column: str
    kind: str
    count: int
    share: float


@final
@dataclass(frozen=True)
class PersonalData:
    """Columns that seem to hold personal data. It is true if there are any.

    Parameters
    ----------
    found : tuple of Suspicion
        In the order of columns.
    columns : int
        How many columns were looked at.
    sample : int
        Different values that were looked at in a column at most.

    Examples
    --------
    >>> from crmintel.privacy import personal_data
    >>> found = personal_data(pd.DataFrame({"login": ["a@example.org", "b@example.org"]}))
    >>> [(s.column, s.kind) for s in found.found]
    [('login', 'e-mail')]
    """

    found: tuple[Suspicion, ...]
    columns: int
    sample: int

    def __bool__(self) -> bool:
        return bool(self.found)

    def to_frame(self) -> pd.DataFrame:
        """One row a suspicion: column, kind, count (in the sample), share (of the sample)."""
        names = ["column", "kind", "count", "share"]
        return pd.DataFrame([[getattr(f, n) for n in names] for f in self.found], columns=names)

    def __repr__(self) -> str:
        if not self:
            return f"PersonalData: nothing found in {self.columns:,} columns; that is no proof that there is none"
        lines = [f"PersonalData: {len({f.column for f in self.found}):,} of {self.columns:,} columns"]
        lines += [f"  {f.column!r}: {f.kind}, {f.count:,} values ({f.share:.0%} of the sample)" for f in self.found]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        table = self.to_frame().to_html(index=False, escape=True, border=0, formatters={"share": "{:.0%}".format})
        return f"<p>{escape(repr(self).splitlines()[0])}</p>{table if self else ''}"


def personal_data(data: Any, *, sample: int = SAMPLE) -> PersonalData:
    """Which columns seem to hold personal data, by the look of their values and by their names.

    Looked for are e-mail addresses, telephone numbers, names of people, card numbers (Luhn), bank accounts (IBAN),
    Chinese resident identity numbers, internet addresses, and dates of birth (by the name of the column).

    Parameters
    ----------
    data : DataFrame, Series, Arrow table, or InteractionLog
        Columns of text and of whole numbers are looked at, and columns whose name promises dates of birth.
    sample : int, default=10_000
        Different values that are looked at in a column at most. They are drawn by a hash of the value, so that the order
        of rows does not matter.

    Returns
    -------
    PersonalData
        Column, kind, count and share; never a value. Nothing found is no proof that there is nothing.

    Raises
    ------
    DataContractError
        If the sample is not a whole number of at least 1.

    Examples
    --------
    >>> personal_data(pd.DataFrame({"customer_id": [1, 2], "login": ["a@example.org", "b@example.org"]}))
    PersonalData: 1 of 2 columns
      'login': e-mail, 2 values (100% of the sample)
    """
    if isinstance(sample, bool) or not isinstance(sample, int | np.integer) or sample < 1:
        raise DataContractError("sample must be a whole number of at least 1.")
    found: list[Suspicion] = []
    seen = 0
    for name, column in _columns(data):
        seen += 1
        found += _suspicions(name, column, int(sample))
    return PersonalData(tuple(found), seen, int(sample))


def warn_of_personal_data(data: Any, *, sample: int = SAMPLE) -> PersonalData:
    """The same, and a warning that names columns and kinds if there are any: for the door through which tables come.

    Warns
    -----
    DataContractWarning
        If columns seem to hold personal data.

    Examples
    --------
    >>> warn_of_personal_data(pd.DataFrame({"orders": [3, 5]}))
    PersonalData: nothing found in 1 columns; that is no proof that there is none
    """
    report = personal_data(data, sample=sample)
    if report:
        told = ", ".join(f"{f.column!r} ({f.kind})" for f in report.found)
        warnings.warn(
            f"Columns seem to hold personal data: {told}. Leave them out of features, or replace them by pseudonyms.",
            DataContractWarning,
            stacklevel=2,
        )
    return report


def _columns(data: Any) -> Iterator[tuple[str, pd.Series]]:
    if isinstance(data, InteractionLog):
        for name in data.columns:
            yield name, _of_log(data, name)
        return
    frame = data.to_frame() if isinstance(data, pd.Series) else frame_of(data)
    if not isinstance(frame, pd.DataFrame):
        frame = pd.DataFrame(frame)
    for level, key in enumerate(frame.index.names):
        if key is not None:
            yield str(key), frame.index.get_level_values(level).to_series()
    for place, label in enumerate(frame.columns):
        yield str(label), frame.iloc[:, place]


def _of_log(log: InteractionLog, name: str) -> pd.Series:
    """The different values of a column of a log, part by part."""
    if name == CUSTOMER:
        return log.customers.to_series()
    held = [p.vocabulary[name].to_pandas() for p in log.parts([name]) if name in p.vocabulary]
    return pd.concat(held) if held else pd.Series(dtype=object)


def _suspicions(name: str, column: pd.Series, sample: int) -> Iterator[Suspicion]:
    whole = pd.api.types.is_integer_dtype(column.dtype)
    text = column.dtype == object or isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype)
    if not (whole or text or says_birth(name)):
        return
    values = _sampled(column, sample)
    for pattern in PATTERNS if text else [p for p in PATTERNS if p.kind in _IN_NUMBERS]:
        if count := pattern.count(name, values):
            yield Suspicion(name, pattern.kind, count, count / len(values))


def _sampled(column: pd.Series, sample: int) -> list[str]:
    """Different values as text, at most so many: those whose hashes are smallest."""
    known = column.dropna()
    if isinstance(known.dtype, pd.CategoricalDtype):
        known = pd.Series(known.cat.remove_unused_categories().cat.categories)
    if known.dtype == object:
        known = known[[isinstance(v, str | int) and not isinstance(v, bool) for v in known]]
        known = pd.Series([str(v)[:LONGEST].encode("utf-8", "replace").decode() for v in known], dtype="str")
    once = known.drop_duplicates()
    if len(once) > sample:
        hashes = pd.util.hash_array(once.astype("str").to_numpy(object))
        once = once.iloc[np.argpartition(hashes, sample)[:sample]]
    return [v[:LONGEST] for v in once.astype("str") if v.strip()]
