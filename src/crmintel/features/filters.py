"""Filters of interactions: small trees of conditions, composed with ``&``, ``|`` and ``~``; never strings of code."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import KIND
from crmintel.errors import DataContractError
from crmintel.features.days import hour, weekday
from crmintel.features.words import plural, spoken
from crmintel.interactions import Part, Zone
from crmintel.interactions.clock import Int
from crmintel.showing import Shown

Bool = npt.NDArray[np.bool_]
ANYTHING = ("interactions", "interaction")


class Where(Shown, ABC):
    """A condition on one interaction, told by what was known when it happened.

    >>> from crmintel.features import between, where
    >>> dear = where(kind="purchase") & between("amount", 50)
    >>> dear.words, (~where(channel="web")).words
    ('purchases with amount of 50 or more', 'interactions not with channel web')
    """

    @abstractmethod
    def mask(self, part: Part, zone: Zone) -> Bool:
        """Which rows of a part meet it."""

    @property
    @abstractmethod
    def label(self) -> str:
        """A short name that goes into the names of features."""

    @property
    @abstractmethod
    def columns(self) -> frozenset[str]:
        """The columns it looks at."""

    @property
    @abstractmethod
    def condition(self) -> str:
        """What is said behind the noun: ``"at night"``; nothing where the noun says it all."""

    @property
    def nouns(self) -> tuple[str, str]:
        """What a person calls many of the rows, and one."""
        return ANYTHING

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of interaction that it names."""
        return frozenset()

    @property
    def words(self) -> str:
        """How a person would call the rows that meet it."""
        return f"{self.nouns[0]} {self.condition}".rstrip()

    @property
    def one(self) -> str:
        """How a person would call a single row that meets it."""
        return f"{self.nouns[1]} {self.condition}".rstrip()

    def __and__(self, other: "Where") -> "Where":
        return Both(self, other)

    def __or__(self, other: "Where") -> "Where":
        return Either(self, other)

    def __invert__(self) -> "Where":
        return Not(self)


@final
@dataclass(frozen=True)
class Is(Where):
    """The column holds one of some values; a missing value is none of them."""

    column: str
    values: tuple[Any, ...]

    def mask(self, part: Part, zone: Zone) -> Bool:
        if self.column in part.numbers:
            if not all(isinstance(v, int | float | np.number) for v in self.values):
                raise DataContractError(
                    f"Column {self.column!r} holds numbers; the filter compares it with another kind."
                )
            return np.isin(part.numbers[self.column], np.array(self.values, float))
        vocabulary = _vocabulary(part, self.column)
        if not all(
            isinstance(v, int | np.integer if pa.types.is_integer(vocabulary.type) else str) for v in self.values
        ):
            raise DataContractError(
                f"Column {self.column!r} holds {vocabulary.type}; the filter compares it with another kind. Give both one."
            )
        codes, found = part.codes[self.column], places(vocabulary, self.values)
        if len(found) == 1:
            return codes == found[0] if found[0] >= 0 else np.zeros(len(codes), bool)
        wanted = np.zeros(len(vocabulary) + 1, bool)
        wanted[found] = True  # a value that does not occur marks the last place,
        wanted[-1] = False  # which is that of missing values
        return wanted[codes]

    @property
    def label(self) -> str:
        values = "+".join(map(str, self.values))
        return values if self.column == KIND else f"{self.column}={values}"

    @property
    def columns(self) -> frozenset[str]:
        return frozenset({self.column})

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self.values) if self.column == KIND else frozenset()

    @property
    def nouns(self) -> tuple[str, str]:
        if self.column != KIND:
            return ANYTHING
        names = [spoken(v) for v in self.values]
        return " and ".join(map(plural, names)), " or ".join(names)

    @property
    def condition(self) -> str:
        return "" if self.column == KIND else f"with {spoken(self.column)} {' or '.join(map(str, self.values))}"


@final
@dataclass(frozen=True)
class Within(Where):
    """The number lies in ``[low, high)``; no bound is no limit, and a missing number lies nowhere."""

    column: str
    low: float | None = None
    high: float | None = None

    def mask(self, part: Part, zone: Zone) -> Bool:
        if self.column not in part.numbers:
            raise DataContractError(
                f"The log has no number {self.column!r}. It has {', '.join(part.numbers) or 'none'}."
            )
        x = part.numbers[self.column]
        above = ~np.isnan(x) if self.low is None else x >= self.low
        return np.asarray(above if self.high is None else above & (x < self.high))

    @property
    def label(self) -> str:
        low, high = ("" if x is None else f"{x:g}" for x in (self.low, self.high))
        return f"{self.column}[{low}..{high})"

    @property
    def columns(self) -> frozenset[str]:
        return frozenset({self.column})

    @property
    def condition(self) -> str:
        name = spoken(self.column)
        if self.low is None:
            return f"with any {name}" if self.high is None else f"with {name} under {self.high:g}"
        return (
            f"with {name} of {self.low:g} or more"
            if self.high is None
            else f"with {name} from {self.low:g} to under {self.high:g}"
        )


@final
@dataclass(frozen=True)
class OnClock(Where):
    """The local time lies on some weekdays (Monday is 0) and in some hours ``[first, last)``; hours may pass midnight."""

    name: str
    phrase: str
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    first_hour: int = 0
    last_hour: int = 24

    def mask(self, part: Part, zone: Zone) -> Bool:
        local = zone.to_local(part.time)
        return self.told(len(part), lambda: weekday(local), lambda: hour(local))

    def told(self, n: int, weekdays: Callable[[], Int], hours: Callable[[], Int]) -> Bool:
        """The same for `n` rows whose weekday and hour are told; neither is asked for without need."""
        inside = None
        if len(self.weekdays) < 7:
            chosen = np.zeros(7, bool)
            chosen[list(self.weekdays)] = True
            inside = chosen[weekdays()]
        if (self.first_hour, self.last_hour) != (0, 24):
            h = hours()
            after, before = h >= self.first_hour, h < self.last_hour
            within = after | before if self.first_hour > self.last_hour else after & before
            inside = within if inside is None else inside & within
        return np.ones(n, bool) if inside is None else inside

    @property
    def label(self) -> str:
        return self.name

    @property
    def columns(self) -> frozenset[str]:
        return frozenset()

    @property
    def condition(self) -> str:
        return self.phrase


@final
@dataclass(frozen=True)
class Both(Where):
    """Both conditions hold."""

    left: Where
    right: Where

    def mask(self, part: Part, zone: Zone) -> Bool:
        return self.left.mask(part, zone) & self.right.mask(part, zone)

    @property
    def label(self) -> str:
        return f"{self.left.label}&{self.right.label}"

    @property
    def columns(self) -> frozenset[str]:
        return self.left.columns | self.right.columns

    @property
    def kinds(self) -> frozenset[str]:
        return self.left.kinds | self.right.kinds

    @property
    def nouns(self) -> tuple[str, str]:
        return self.right.nouns if self.left.nouns == ANYTHING else self.left.nouns

    @property
    def condition(self) -> str:
        return " ".join(c for c in (self.left.condition, self.right.condition) if c)


@final
@dataclass(frozen=True)
class Either(Where):
    """At least one condition holds."""

    left: Where
    right: Where

    def mask(self, part: Part, zone: Zone) -> Bool:
        return self.left.mask(part, zone) | self.right.mask(part, zone)

    @property
    def label(self) -> str:
        return f"({self.left.label}|{self.right.label})"

    @property
    def columns(self) -> frozenset[str]:
        return self.left.columns | self.right.columns

    @property
    def kinds(self) -> frozenset[str]:
        return self.left.kinds | self.right.kinds

    @property
    def nouns(self) -> tuple[str, str]:
        if self.left.nouns == self.right.nouns:
            return self.left.nouns
        return f"{self.left.words} or {self.right.words}", f"{self.left.one} or {self.right.one}"

    @property
    def condition(self) -> str:
        told = [c for c in (self.left.condition, self.right.condition) if c]
        return " or ".join(told) if self.left.nouns == self.right.nouns else ""


@final
@dataclass(frozen=True)
class Not(Where):
    """The condition does not hold."""

    inner: Where

    def mask(self, part: Part, zone: Zone) -> Bool:
        return ~self.inner.mask(part, zone)

    @property
    def label(self) -> str:
        return f"not({self.inner.label})"

    @property
    def columns(self) -> frozenset[str]:
        return self.inner.columns

    @property
    def condition(self) -> str:
        return f"not {self.inner.condition}" if self.inner.nouns == ANYTHING else f"other than {self.inner.words}"


_FEW = 256


def places(vocabulary: pa.Array, values: tuple[Any, ...]) -> Int:
    """The code of each value; −1 for a value that does not occur."""
    if len(vocabulary) <= _FEW:  # a call of Arrow takes longer than a few values of Python
        held = {v: i for i, v in enumerate(vocabulary.to_pylist())}
        return np.array([held.get(v, -1) for v in values], np.int64)
    found = pc.index_in(pa.array(values, vocabulary.type), vocabulary).fill_null(-1)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)


def _vocabulary(part: Part, column: str) -> pa.Array:
    if column not in part.vocabulary:
        raise DataContractError(
            f"The log has no column {column!r} to filter by. It has {', '.join([*part.codes, *part.numbers])}."
        )
    return part.vocabulary[column]
