"""Filters of interactions: small trees of conditions, composed with ``&``, ``|`` and ``~``; never strings of code."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import KIND
from crmintel.errors import DataContractError
from crmintel.features.days import hour, weekday
from crmintel.interactions import Part, Zone

Bool = npt.NDArray[np.bool_]


class Where(ABC):
    """A condition on one interaction, told by what was known when it happened."""

    @abstractmethod
    def mask(self, part: Part, zone: Zone) -> Bool:
        """Which rows of a part meet it."""

    @property
    @abstractmethod
    def label(self) -> str:
        """A short name that goes into the names of features."""

    @property
    @abstractmethod
    def words(self) -> str:
        """How a person would call the rows that meet it."""

    @property
    def one(self) -> str:
        """How a person would call a single row that meets it."""
        return f"of {self.words}"

    @property
    @abstractmethod
    def columns(self) -> frozenset[str]:
        """The columns it looks at."""

    def __and__(self, other: "Where") -> "Where":
        return Both(self, other)

    def __or__(self, other: "Where") -> "Where":
        return Either(self, other)

    def __invert__(self) -> "Where":
        return Not(self)


@final
@dataclass(frozen=True)
class Is(Where):
    """The column holds one of some values."""

    column: str
    values: tuple[Any, ...]

    def mask(self, part: Part, zone: Zone) -> Bool:
        """Which rows of a part meet it."""
        if self.column in part.numbers:
            return np.isin(part.numbers[self.column], np.array(self.values, float))
        vocabulary = _vocabulary(part, self.column)
        wanted = np.append(pc.is_in(vocabulary, pa.array(self.values, vocabulary.type)).to_numpy(zero_copy_only=False), False)
        return wanted[part.codes[self.column]]  # type: ignore[no-any-return]

    @property
    def label(self) -> str:
        """A short name that goes into the names of features."""
        values = "+".join(map(str, self.values))
        return values if self.column == KIND else f"{self.column}={values}"

    @property
    def words(self) -> str:
        """How a person would call the rows that meet it."""
        values = " or ".join(map(str, self.values))
        return " and ".join(f"{v}s" for v in self.values) if self.column == KIND else f"interactions with {self.column} {values}"

    @property
    def one(self) -> str:
        """How a person would call a single row that meets it."""
        return " or ".join(map(str, self.values)) if self.column == KIND else f"of {self.words}"

    @property
    def columns(self) -> frozenset[str]:
        """The columns it looks at."""
        return frozenset({self.column})


@final
@dataclass(frozen=True)
class Within(Where):
    """The number lies in ``[low, high)``."""

    column: str
    low: float
    high: float

    def mask(self, part: Part, zone: Zone) -> Bool:
        """Which rows of a part meet it."""
        if self.column not in part.numbers:
            raise DataContractError(f"The log has no number {self.column!r}. It has {', '.join(part.numbers) or 'none'}.")
        x = part.numbers[self.column]
        return np.asarray((x >= self.low) & (x < self.high))

    @property
    def label(self) -> str:
        """A short name that goes into the names of features."""
        return f"{self.column}[{self.low:g}..{self.high:g})"

    @property
    def words(self) -> str:
        """How a person would call the rows that meet it."""
        return f"interactions with {self.column} from {self.low:g} to under {self.high:g}"

    @property
    def columns(self) -> frozenset[str]:
        """The columns it looks at."""
        return frozenset({self.column})


@final
@dataclass(frozen=True)
class OnClock(Where):
    """The local time lies on some weekdays (Monday is 0) and in some hours ``[first, last)``; hours may pass midnight."""

    name: str
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    first_hour: int = 0
    last_hour: int = 24

    def mask(self, part: Part, zone: Zone) -> Bool:
        """Which rows of a part meet it."""
        local = zone.to_local(part.time)
        h = hour(local)
        inside = (h >= self.first_hour) & (h < self.last_hour)
        if self.first_hour > self.last_hour:
            inside = (h >= self.first_hour) | (h < self.last_hour)
        return np.asarray(inside & np.isin(weekday(local), self.weekdays))

    @property
    def label(self) -> str:
        """A short name that goes into the names of features."""
        return self.name

    @property
    def words(self) -> str:
        """How a person would call the rows that meet it."""
        return f"interactions at {self.name}"

    @property
    def columns(self) -> frozenset[str]:
        """The columns it looks at."""
        return frozenset()


@final
@dataclass(frozen=True)
class Both(Where):
    """Both conditions hold."""

    left: Where
    right: Where

    def mask(self, part: Part, zone: Zone) -> Bool:
        """Which rows of a part meet it."""
        return self.left.mask(part, zone) & self.right.mask(part, zone)

    @property
    def label(self) -> str:
        """A short name that goes into the names of features."""
        return f"{self.left.label}&{self.right.label}"

    @property
    def words(self) -> str:
        """How a person would call the rows that meet it."""
        return f"{self.left.words} that are {self.right.words}"

    @property
    def columns(self) -> frozenset[str]:
        """The columns it looks at."""
        return self.left.columns | self.right.columns


@final
@dataclass(frozen=True)
class Either(Where):
    """At least one condition holds."""

    left: Where
    right: Where

    def mask(self, part: Part, zone: Zone) -> Bool:
        """Which rows of a part meet it."""
        return self.left.mask(part, zone) | self.right.mask(part, zone)

    @property
    def label(self) -> str:
        """A short name that goes into the names of features."""
        return f"({self.left.label}|{self.right.label})"

    @property
    def words(self) -> str:
        """How a person would call the rows that meet it."""
        return f"{self.left.words} or {self.right.words}"

    @property
    def columns(self) -> frozenset[str]:
        """The columns it looks at."""
        return self.left.columns | self.right.columns


@final
@dataclass(frozen=True)
class Not(Where):
    """The condition does not hold."""

    inner: Where

    def mask(self, part: Part, zone: Zone) -> Bool:
        """Which rows of a part meet it."""
        return ~self.inner.mask(part, zone)

    @property
    def label(self) -> str:
        """A short name that goes into the names of features."""
        return f"not({self.inner.label})"

    @property
    def words(self) -> str:
        """How a person would call the rows that meet it."""
        return f"interactions other than {self.inner.words}"

    @property
    def columns(self) -> frozenset[str]:
        """The columns it looks at."""
        return self.inner.columns


def where(**equals: Any) -> Where:
    """Interactions whose columns equal the given values; a list, tuple or set means any of them.

    >>> where(kind="purchase", channel=["app", "web"]).label
    'purchase&channel=app+web'
    """
    if not equals:
        raise DataContractError("where() names no column. Write where(kind='purchase').")
    parts: list[Where] = [Is(column, _values(value)) for column, value in equals.items()]
    out = parts[0]
    for part in parts[1:]:
        out = Both(out, part)
    return out


def between(column: str, low: float = -np.inf, high: float = np.inf) -> Where:
    """Interactions whose number lies in ``[low, high)``."""
    return Within(column, low, high)


def weekend() -> Where:
    """Interactions on a local Saturday or Sunday."""
    return OnClock("the weekend", (5, 6))


def night() -> Where:
    """Interactions from 22 to 6 local time."""
    return OnClock("night", first_hour=22, last_hour=6)


def _values(value: Any) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (value,)
    return tuple(sorted(value))


def _vocabulary(part: Part, column: str) -> pa.Array:
    if column not in part.vocabulary:
        raise DataContractError(f"The log has no column {column!r} to filter by. It has {', '.join([*part.codes, *part.numbers])}.")
    return part.vocabulary[column]
