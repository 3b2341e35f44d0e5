"""What a feature is: an aggregate of filtered interactions over windows that end at the instant."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from crmintel.columns import AMOUNT, CATEGORY, CHANNEL, ITEM, PURCHASE, RATING, RETURN
from crmintel.errors import DataContractError
from crmintel.features.days import CLOCK
from crmintel.features.engine import Chunk, Span, Sub, window
from crmintel.features.filters import Where
from crmintel.features.plan import Answer, Plan
from crmintel.features.words import ALL, Feature, counted, literal, when
from crmintel.interactions.clock import duration
from crmintel.showing import Shown

Vocabulary = Mapping[str, tuple[str, ...]]
OFTEN, OTHERS, RETURNS = "how often", "other contacts", "returns"
_THEMES = {AMOUNT: "money", ITEM: "variety", CATEGORY: "variety", CHANNEL: "channels", RATING: "ratings"}


@dataclass(frozen=True, kw_only=True)
class Spec(Shown, ABC):
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

    Examples
    --------
    >>> from crmintel.features import count
    >>> orders = count().over("30d", "90d").named("orders", "orders")
    >>> [f.name for f in orders.features({})], orders.theme
    (['orders_30d', 'orders_90d'], 'how often')
    """

    where: Where | None = None
    windows: tuple[str, ...] = (ALL,)
    title: str | None = None
    phrase: str | None = None

    def over(self, *windows: str) -> Self:
        """The same over other windows."""
        if odd := [type(w).__name__ for w in windows if not isinstance(w, str)]:
            raise DataContractError(f"Windows are text such as '30d', not {', '.join(odd)}: they become part of names.")
        for name in set(windows) - {ALL}:
            duration(name)
        if not windows or len(set(windows)) < len(windows):
            raise DataContractError("over() needs windows that differ, such as over('30d', 'all').")
        return replace(self, windows=windows)

    def named(self, title: str, phrase: str) -> Self:
        """The same under another stem of name and sentence."""
        return replace(self, title=title, phrase=phrase)

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the log that it needs."""
        own = {getattr(self, f.name) for f in fields(self) if f.name in ("column", "by")}
        return frozenset(own - {None, *CLOCK}) | (self.where.columns if self.where else frozenset())

    @property
    def vocabularies(self) -> frozenset[str]:
        """The columns whose values become features, and must be frozen first."""
        return frozenset()

    @property
    def theme(self) -> str:
        """What it speaks of: features of one theme make one reason."""
        known = next((_THEMES[c] for c in _THEMES if c in self.columns), None)
        kinds = self.where.kinds if self.where else frozenset()
        if not kinds or PURCHASE in kinds:
            return known or OFTEN
        return known or (RETURNS if RETURN in kinds else OTHERS)

    @property
    def zero_of_nothing(self) -> bool:
        """Whether its value is 0, not missing, for a customer without a past."""
        return False

    def zeros(self, vocabulary: Vocabulary) -> list[str]:
        """The columns that are 0, not missing, for a customer without a past."""
        return [f.name for f in self.features(vocabulary)] if self.zero_of_nothing else []

    @property
    def of(self) -> str:
        """What is looked at, in words."""
        return self.where.words if self.where else "interactions"

    @property
    def one(self) -> str:
        """One of what is looked at, in words."""
        return self.where.one if self.where else "interaction"

    @abstractmethod
    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """The columns it makes, in order."""

    @abstractmethod
    def ask(self, plan: Plan, vocabulary: Vocabulary) -> list[Answer]:
        """Ask a plan for what it needs; what gives the values of these columns, each of shape (n_instants, n_customers)."""


@dataclass(frozen=True, kw_only=True)
class Windowed(Spec):
    """A feature that is one number for each window."""

    @abstractmethod
    def told(self, plan: Plan, over: str, ago: int = 0) -> Answer:
        """What gives its value over a window that ends `ago` microseconds before each instant."""

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
    def plain(self) -> bool:
        """Whether a marketer understands it without a lesson."""
        return True

    @property
    def countable(self) -> bool:
        """Whether one says "3 orders" rather than "mean amount: 3"."""
        return False

    def words(self, window: str) -> str:
        """The sentence over a window."""
        return f"{self.sentence}{when(window)}"

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column a window."""
        told = {w: self.words(w) for w in self.windows}
        return [
            Feature(
                f"{self.stem}_{w}",
                words,
                counted(words) if self.countable else f"{literal(words)}: {{value}}",
                plain=self.plain,
            )
            for w, words in told.items()
        ]

    def ask(self, plan: Plan, vocabulary: Vocabulary) -> list[Answer]:
        """One answer a window."""
        return [self.told(plan, w) for w in self.windows]


@dataclass(frozen=True, kw_only=True)
class Aggregate(Windowed):
    """An aggregate of the rows in a window."""

    def rows(self, chunk: Chunk) -> Sub:
        """The interactions it looks at."""
        return chunk.sub(self.where)

    @abstractmethod
    def window(self, span: Span) -> npt.NDArray[Any]:
        """The value of each slice of rows."""

    @cached_property
    def bare(self) -> Self:
        """The same without windows and words: what is equal then is worked out once."""
        return replace(self, windows=(ALL,), title=None, phrase=None)

    def told(self, plan: Plan, over: str, ago: int = 0) -> Answer:
        """The aggregate of the rows of a window."""
        return plan.ask(self.bare, window(over, ago))


def to_dict(thing: Any) -> Any:
    """A spec or filter as plain values for JSON; the inverse is `from_dict`."""
    if is_dataclass(thing) and not isinstance(thing, type):
        return {"is": type(thing).__name__, **{f.name: to_dict(getattr(thing, f.name)) for f in fields(thing)}}
    if isinstance(thing, tuple):
        return [to_dict(t) for t in thing]
    return thing.item() if isinstance(thing, np.generic) else thing


def from_dict(data: Any, classes: Mapping[str, type]) -> Any:
    """Rebuild what `to_dict` wrote, from known classes only."""
    if isinstance(data, list):
        return tuple(from_dict(d, classes) for d in data)
    if isinstance(data, dict):
        kind = str(data.get("is"))
        if kind not in classes:
            raise DataContractError(f"Unknown kind of feature {kind!r}. This file was written by another version.")
        return classes[kind](**{k: from_dict(v, classes) for k, v in data.items() if k != "is"})
    return data
