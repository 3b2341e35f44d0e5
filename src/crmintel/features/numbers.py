"""Counts, and aggregates of a number."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from crmintel.features.arithmetic import Float, pick, quotient, row_spread
from crmintel.features.engine import Chunk, Span, Sub
from crmintel.features.spec import Aggregate, Spec, Vocabulary
from crmintel.features.words import ALL, Feature, in_words, length, literal, spoken


@final
@dataclass(frozen=True, kw_only=True)
class Count(Aggregate):
    """How many interactions; 0 for none."""

    zero_of_nothing = True
    countable = True
    default_stem = "count"

    @property
    def default_sentence(self) -> str:
        return self.of

    def window(self, span: Span) -> npt.NDArray[Any]:
        return span.n


@dataclass(frozen=True, kw_only=True)
class _Number(Aggregate):
    """An aggregate of a numeric column; rows without a value do not count."""

    column: str

    def rows(self, chunk: Chunk) -> Sub:
        return chunk.sub(self.where, number=self.column)

    @property
    def default_stem(self) -> str:
        return f"{type(self).__name__.lower()}_{self.column}"

    @property
    def default_sentence(self) -> str:
        return f"{type(self).__name__.lower()} {spoken(self.column)} of {self.of}"


@final
@dataclass(frozen=True, kw_only=True)
class Total(_Number):
    """Sum of a number; 0 for nothing. Sums of slices, never differences of float prefix sums."""

    zero_of_nothing = True

    def window(self, span: Span) -> npt.NDArray[Any]:
        return span.reduce(np.add, span.sub.number(self.column), 0.0)


@final
@dataclass(frozen=True, kw_only=True)
class Mean(_Number):
    """Mean of a number; missing for nothing."""

    def window(self, span: Span) -> npt.NDArray[Any]:
        return quotient(span.reduce(np.add, span.sub.number(self.column), np.nan), span.n)


@final
@dataclass(frozen=True, kw_only=True)
class Largest(_Number):
    """Largest value; missing for nothing."""

    def window(self, span: Span) -> npt.NDArray[Any]:
        return span.reduce(np.maximum, span.sub.number(self.column), np.nan)


@final
@dataclass(frozen=True, kw_only=True)
class Smallest(_Number):
    """Smallest value; missing for nothing."""

    def window(self, span: Span) -> npt.NDArray[Any]:
        return span.reduce(np.minimum, span.sub.number(self.column), np.nan)


@final
@dataclass(frozen=True, kw_only=True)
class Spread(_Number):
    """Sample standard deviation of a number; missing for fewer than two values, exactly 0 for equal ones."""

    plain = False

    @property
    def default_sentence(self) -> str:
        return f"unevenness of the {spoken(self.column)} of {self.of}"

    def window(self, span: Span) -> npt.NDArray[Any]:
        return row_spread(span.sub.number(self.column), span.start, span.stop)


@final
@dataclass(frozen=True, kw_only=True)
class Last(_Number):
    """The latest value; missing for nothing. Rows of one moment are ordered by their columns."""

    @property
    def default_sentence(self) -> str:
        return f"{spoken(self.column)} of the last {self.one}"

    def window(self, span: Span) -> npt.NDArray[Any]:
        return pick(span.sub.number(self.column), span.stop - 1, span.some)


@final
@dataclass(frozen=True, kw_only=True)
class First(_Number):
    """The earliest value; missing for nothing. Rows of one moment are ordered by their columns."""

    @property
    def default_sentence(self) -> str:
        return f"{spoken(self.column)} of the first {self.one}"

    def window(self, span: Span) -> npt.NDArray[Any]:
        return pick(span.sub.number(self.column), span.start, span.some)


@final
@dataclass(frozen=True, kw_only=True)
class FirstDay(_Number):
    """Sum of a number over the first local day that has one; missing for nothing."""

    @property
    def default_stem(self) -> str:
        return f"first_day_{self.column}"

    @property
    def default_sentence(self) -> str:
        return f"{spoken(self.column)} on the first day with {self.of}"

    def window(self, span: Span) -> npt.NDArray[Any]:
        sub = span.sub
        ends = np.append(np.flatnonzero(sub.first_of_day), len(sub))[
            np.append(sub.days_opened[1:], sub.days_opened[-1])
        ]
        return Span(sub, span.start, np.minimum(np.append(ends, len(sub))[span.start], span.stop)).reduce(
            np.add, sub.number(self.column), np.nan
        )


@final
@dataclass(frozen=True, kw_only=True)
class Decayed(Spec):
    """A count, or a sum of a number, in which an interaction weighs half after each half-life."""

    zero_of_nothing = True

    column: str | None = None
    half_life: str = "30d"

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column."""
        stem = self.title or "_".join(["decayed", self.column or "count", *([self.where.label] if self.where else [])])
        what = self.phrase or (f"recent {spoken(self.column)} of {self.of}" if self.column else f"recent {self.of}")
        words = f"{what} (each counts half after {in_words(self.half_life)})"
        return [Feature(f"{stem}_{self.half_life}", words, f"{literal(words)}: {{value}}", plain=False)]

    def compute(self, chunk: Chunk, vocabulary: Vocabulary) -> list[Float]:
        """Weights of the rows before each instant, summed; rows at or after it are cut to weight 1, and belong to no slice."""
        sub = chunk.sub(self.where, number=self.column)
        span = sub.over(ALL)
        out = np.empty(chunk.shape)
        for i, at in enumerate(chunk.at):
            weight = np.exp2(np.minimum(sub.time - at, 0) / length(self.half_life))
            x = weight if self.column is None else weight * sub.number(self.column)
            out[i] = Span(sub, span.start[i : i + 1], span.stop[i : i + 1]).reduce(np.add, x, 0.0)[0]
        return [out]
