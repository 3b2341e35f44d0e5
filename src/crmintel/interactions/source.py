"""A source of rows with names that can be told apart, and the complaints about names that are missing."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import pyarrow as pa

from crmintel.columns import CUSTOMER, TIME
from crmintel.errors import DataContractError

BATCH_ROWS = 500_000
LONGEST_NAME = 255
USUAL: Final = {
    CUSTOMER: (
        "customer", "customer number", "cust id", "client id", "client", "user id", "user", "member id", "household id",
        "account id", "reader id", "guest id", "buyer id", "card number",
    ),
    TIME: (
        "date", "time", "datetime", "order date", "invoice date", "transaction date", "purchase date", "date time", "event time",
        "created at", "transaction timestamp",
    ),
}  # fmt: skip
"""What others call the columns that nobody can do without."""


@final
@dataclass(frozen=True)
class Source:
    """Named columns that can be walked through once, in batches.

    Parameters
    ----------
    names : tuple of str
        The columns of the source.
    read : callable
        Takes the wanted column names, and those whose text may come as dictionaries; yields Arrow tables in source order.
    text : bool
        Whether everything is text (CSV): then numbers and ISO times are parsed, strictly.
    """

    names: tuple[str, ...]
    read: Callable[[list[str], Collection[str]], Iterator[pa.Table]]
    text: bool = False

    def batches(self, columns: list[str], words: Collection[str] = ()) -> Iterator[pa.Table]:
        """The wanted columns in source order; `words` hold names or identifiers, so their text may come as dictionaries."""
        return self.read(columns, words)


def check_names(names: Iterable[Any]) -> tuple[str, ...]:
    """The column names, if they can be told apart and written down."""
    names = list(names)
    if odd := [n for n in names if not isinstance(n, str)]:
        nested = any(isinstance(n, tuple) for n in odd)
        what = "are nested (a MultiIndex)" if nested else "are not text"
        raise DataContractError(f"{len(odd)} column names {what}: {odd[:3]!r}. Give flat text names.")
    if bad := [n for n in names if len(n) > LONGEST_NAME or re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", n)]:
        positions = ", ".join(str(names.index(n)) for n in bad[:3])
        raise DataContractError(
            f"{len(bad)} column names are longer than {LONGEST_NAME} characters or hold control characters "
            f"(columns at positions {positions}). Rename them."
        )
    if doubled := sorted({n for n in names if names.count(n) > 1}):
        raise DataContractError(f"Doubled column names: {', '.join(map(repr, doubled))}. Rename or drop one of each.")
    return tuple(names)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The existing name that was probably meant."""

    candidates = {_plain(n): n for n in reversed(list(names))}
    close = difflib.get_close_matches(_plain(name), candidates, n=1, cutoff=0.75)
    return candidates[close[0]] if close else None


def _plain(text: str) -> str:
    """A name without its spelling."""
    return re.sub(r"[\W_]+", "", text).casefold()


def _usual(ours: str, names: Iterable[str]) -> str | None:
    """The column that others usually call so: no spelling is guessed, since an order number is near to a customer number."""
    there = {_plain(n): n for n in names}
    return next((there[_plain(usual)] for usual in USUAL.get(ours, ()) if _plain(usual) in there), None)


def require(wanted: Mapping[str, str], names: tuple[str, ...]) -> None:
    """Complain of every mapped column that the source lacks, all at once."""
    missing = {ours: theirs for ours, theirs in wanted.items() if theirs not in names}
    if not missing:
        return
    hints, pairs = [], []
    for ours, theirs in missing.items():
        guess = nearest(theirs, names) or nearest(ours, names) or _usual(ours, names)
        pairs.append(f'{ours} = "{guess or "THEIRS"}"')
        hints.append(
            f"{theirs!r}"
            + (f" for {ours}" if ours != theirs else "")
            + (f" (did you mean {guess!r}?)" if guess else "")
        )
    seen = ", ".join(map(repr, names[:30])) + (", …" if len(names) > 30 else "")
    raise DataContractError(
        f"Missing columns: {', '.join(hints)}. The source has {seen}. Map them with columns: {', '.join(pairs)}."
    )
