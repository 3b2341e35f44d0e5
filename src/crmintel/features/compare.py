"""Features made of other features: quotients, changes and the same season a year ago."""

from dataclasses import dataclass
from typing import Final, final

from crmintel.errors import DataContractError
from crmintel.features.arithmetic import Float, quotient
from crmintel.features.engine import Chunk
from crmintel.features.spec import Windowed
from crmintel.features.words import ALL, in_words, length
from crmintel.interactions.clock import DAY

YEAR: Final = 364 * DAY
"""A year that keeps weekdays."""


@final
@dataclass(frozen=True, kw_only=True)
class Ratio(Windowed):
    """Quotient of two features over the same window; missing where the divisor is 0."""

    top: Windowed
    bottom: Windowed

    @property
    def columns(self) -> frozenset[str]:
        return self.top.columns | self.bottom.columns

    @property
    def theme(self) -> str:
        return self.top.theme

    @property
    def default_stem(self) -> str:
        return f"{self.top.stem}_per_{self.bottom.stem}"

    @property
    def default_sentence(self) -> str:
        return f"{self.top.sentence} per {self.bottom.sentence}"

    def told(self, chunk: Chunk, window: str, ago: int = 0) -> Float:
        return quotient(self.top.told(chunk, window, ago), self.bottom.told(chunk, window, ago))


@dataclass(frozen=True, kw_only=True)
class _Shifted(Windowed):
    """A feature looked at over other windows than those that end at the instant."""

    inner: Windowed

    def __post_init__(self) -> None:
        if ALL in self.windows:
            raise DataContractError(
                "The whole past has nothing before it to compare with. Give a window such as '30d'."
            )

    @property
    def columns(self) -> frozenset[str]:
        return self.inner.columns

    @property
    def theme(self) -> str:
        return self.inner.theme

    @property
    def zero_of_nothing(self) -> bool:
        return self.inner.zero_of_nothing


@final
@dataclass(frozen=True, kw_only=True)
class Trend(_Shifted):
    """A feature over the last window minus the same over the window before it."""

    plain = False

    @property
    def default_stem(self) -> str:
        return f"trend_{self.inner.stem}"

    @property
    def default_sentence(self) -> str:
        return f"change of {self.inner.sentence}"

    def words(self, window: str) -> str:
        """What is compared with what."""
        time = in_words(window)
        return f"{self.sentence} in the last {time} against the {time} before"

    def told(self, chunk: Chunk, window: str, ago: int = 0) -> Float:
        return self.inner.told(chunk, window, ago) - self.inner.told(chunk, window, ago + length(window))


@final
@dataclass(frozen=True, kw_only=True)
class YearAgo(_Shifted):
    """A feature over the window of the same length that ended 364 days before: the same season, the same weekdays."""

    @property
    def countable(self) -> bool:
        return self.inner.countable

    @property
    def default_stem(self) -> str:
        return f"{self.inner.stem}_year_ago"

    @property
    def default_sentence(self) -> str:
        return self.inner.sentence

    def words(self, window: str) -> str:
        """Which window it is."""
        return f"{self.sentence} in the same {in_words(window)} a year ago"

    def told(self, chunk: Chunk, window: str, ago: int = 0) -> Float:
        return self.inner.told(chunk, window, ago + YEAR)


def ratio(top: Windowed, bottom: Windowed) -> Ratio:
    """Quotient of two features over the same windows."""
    return Ratio(top=top, bottom=bottom)
