"""What a feature is: an aggregate of filtered interactions over windows that end at the instant."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from crmintel.columns import AMOUNT, CATEGORY, CHANNEL, ITEM, RATING
from crmintel.errors import DataContractError
from crmintel.features.engine import Chunk, Sub
from crmintel.features.where import Where
from crmintel.interactions.clock import Int, duration

Float = npt.NDArray[np.float64]
Vocabulary = Mapping[str, tuple[str, ...]]
ALL = "all"


@final
@dataclass(frozen=True)
class Feature:
    """One column of a feature table: its name, and what a person reads.

    Parameters
    ----------
    name : str
        The name of the column.
    words : str
        What it tells.
    quote : str
        The sentence of one customer, with ``{value}`` for the number; the words and the number without it.
    absent : str
        The sentence of a customer for whom it is missing.
    plain : bool
        Whether a marketer understands it without a lesson; only such features are quoted as reasons.
    """

    name: str
    words: str
    quote: str = ""
    absent: str = ""
    plain: bool = True


@dataclass(frozen=True, kw_only=True)
class Spec(ABC):
    """A declared feature, or a small family of them.

    Parameters
    ----------
    where : Where, optional
        Which interactions count; all of them without it.
    windows : tuple of str
        Durations such as ``"30d"`` that end at the instant, and ``"all"`` for the whole past.
    title : str, optional
        The stem of the name, instead of the one that is made up.
    phrase : str, optional
        The stem of the sentence, instead of the one that is made up.
    """

    where: Where | None = None
    windows: tuple[str, ...] = (ALL,)
    title: str | None = None
    phrase: str | None = None

    def over(self, *windows: str) -> Self:
        """The same over other windows."""
        for window in windows:
            if window != ALL:
                duration(window)
        if not windows or len(set(windows)) < len(windows):
            raise DataContractError("over() needs windows that differ, such as over('30d', 'all').")
        return replace(self, windows=windows)

    def named(self, title: str, phrase: str) -> Self:
        """The same under another stem of name and sentence."""
        return replace(self, title=title, phrase=phrase)

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the log that it needs."""
        own = {getattr(self, f.name) for f in fields(self) if f.name in ("column", "by")} - {None}
        return frozenset(own) | (self.where.columns if self.where else frozenset())

    @property
    def vocabularies(self) -> frozenset[str]:
        """The columns whose values become features, and must be frozen first."""
        return frozenset()

    @property
    def theme(self) -> str:
        """What it speaks of: features of one theme make one reason."""
        if "return" in (self.where.label if self.where else ""):
            return "money" if AMOUNT in self.columns else "returns"
        known = {AMOUNT: "money", ITEM: "variety", CATEGORY: "variety", CHANNEL: "channels", RATING: "ratings"}
        return next((known[c] for c in known if c in self.columns), "how often")

    @property
    def zero_of_nothing(self) -> bool:
        """Whether its value is 0, not missing, for a customer without a past."""
        return False

    @abstractmethod
    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """The columns it makes, in order."""

    @abstractmethod
    def compute(self, chunk: Chunk, vocabulary: Vocabulary) -> list[Float]:
        """The values of these columns, each of shape (n_instants, n_customers)."""


@dataclass(frozen=True, kw_only=True)
class Windowed(Spec):
    """An aggregate that is one number for each window."""

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column a window."""
        words = {w: f"{self.sentence}{_when(w)}" for w in self.windows}
        return [Feature(f"{self.stem}_{w}", words[w], self.quote(words[w]), plain=self.plain) for w in self.windows]

    def quote(self, words: str) -> str:
        """The sentence of one customer."""
        return "{value} " + words if self.zero_of_nothing and self.plain else ""

    @property
    def plain(self) -> bool:
        """Whether a marketer understands it without a lesson."""
        return True

    def compute(self, chunk: Chunk, vocabulary: Vocabulary) -> list[Float]:
        """One array a window."""
        sub = self.rows(chunk)
        return [self.window(sub, *sub.span(_back(w))).astype(np.float64) for w in self.windows]

    def rows(self, chunk: Chunk) -> Sub:
        """The interactions it looks at."""
        return chunk.sub(self.where)

    @abstractmethod
    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """The value of the rows ``[start, stop)``, both (n_instants, n_customers)."""

    @property
    @abstractmethod
    def default_stem(self) -> str:
        """The first word of the name."""

    @property
    @abstractmethod
    def default_sentence(self) -> str:
        """The sentence without its window."""

    @property
    def stem(self) -> str:
        """The name without its window."""
        return self.title or "_".join([self.default_stem, *([self.where.label] if self.where else [])])

    @property
    def sentence(self) -> str:
        """The sentence without its window."""
        return self.phrase or self.default_sentence

    @property
    def of(self) -> str:
        """What is counted, in words."""
        return self.where.words if self.where else "interactions"


def _when(window: str) -> str:
    return " so far" if window == ALL else f" in the last {in_words(window)}"


def in_words(window: str) -> str:
    """``"30d"`` as ``"30 days"``.

    >>> in_words("1d"), in_words("36h")
    ('1 day', '36 hours')
    """
    seconds = duration(window) / 1e6
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= unit and seconds % unit == 0:
            count = int(seconds // unit)
            return f"{count} {name}" + ("" if count == 1 else "s")
    return window


def _back(window: str) -> int | None:
    return None if window == ALL else duration(window)


def to_dict(thing: Any) -> Any:
    """A spec or filter as plain values for JSON; the inverse is `from_dict`."""
    if is_dataclass(thing) and not isinstance(thing, type):
        return {"is": type(thing).__name__, **{f.name: to_dict(getattr(thing, f.name)) for f in fields(thing)}}
    if isinstance(thing, tuple):
        return [to_dict(t) for t in thing]
    return thing


def from_dict(data: Any, classes: Mapping[str, type]) -> Any:
    """Rebuild what `to_dict` wrote, from known classes only."""
    if isinstance(data, list):
        return tuple(from_dict(d, classes) for d in data)
    if isinstance(data, dict):
        kind = data.get("is")
        if kind not in classes:
            raise DataContractError(f"Unknown kind of feature {kind!r}. This file was written by another version.")
        return classes[kind](**{k: from_dict(v, classes) for k, v in data.items() if k != "is"})
    return data
