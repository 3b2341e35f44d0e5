"""Counts, and aggregates of a number."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from crmintel.errors import DataContractError
from crmintel.features.arithmetic import Float, days, pick, prefix, quotient, segments, spare, spread_out
from crmintel.features.engine import Chunk, Span, Sub
from crmintel.features.spec import Aggregate, Vocabulary
from crmintel.features.words import Feature, in_words, length, literal, spoken
from crmintel.interactions.clock import Int


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
    """Sum of a number; 0 for nothing. Exact where the numbers are whole hundredths."""

    zero_of_nothing = True

    def window(self, span: Span) -> npt.NDArray[Any]:
        return span.total(self.column)


@final
@dataclass(frozen=True, kw_only=True)
class Mean(_Number):
    """Mean of a number; missing for nothing."""

    def window(self, span: Span) -> npt.NDArray[Any]:
        return quotient(span.total(self.column), span.n)


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
        return span.spread(self.column)


@final
@dataclass(frozen=True, kw_only=True)
class Quantile(_Number):
    """A quantile of a number, linear between neighbours; missing for nothing."""

    q: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.q <= 1:
            raise DataContractError(f"A quantile lies between 0 and 1, not at {self.q}.")

    @property
    def default_stem(self) -> str:
        return f"median_{self.column}" if self.q == 0.5 else f"quantile{self.q:g}_{self.column}"

    @property
    def default_sentence(self) -> str:
        what = "median" if self.q == 0.5 else f"{100 * self.q:g} % quantile of the"
        return f"{what} {spoken(self.column)} of {self.of}"

    def window(self, span: Span) -> npt.NDArray[Any]:
        """The values of each customer in order, those outside the window left out."""
        sub, out = span.sub, np.empty(span.start.shape)
        order = sub.by_number(self.column)
        x = sub.number(self.column)[order]
        for i, (start, stop) in enumerate(zip(span.start, span.stop, strict=True)):
            inside = (order >= sub.each(start)) & (order < sub.each(stop))
            values, first, n = x[inside], prefix(inside)[sub.starts[:-1]], stop - start
            place = self.q * (n - 1)
            low = np.floor(place).astype(np.int64)
            a, b = (pick(values, first + np.minimum(low + k, n - 1), n > 0) for k in (0, 1))
            out[i] = a + (b - a) * (place - low)
        return out


@final
@dataclass(frozen=True, kw_only=True)
class Drift(_Number):
    """Least-squares slope of a number over time, per day; missing for fewer than two moments."""

    plain = False

    @property
    def default_sentence(self) -> str:
        return f"change a day of the {spoken(self.column)} of {self.of}"

    def window(self, span: Span) -> npt.NDArray[Any]:
        """Times and numbers are centred in each slice first, so that no digits are lost."""
        sub, out = span.sub, np.empty(span.start.shape)
        x, moments = sub.number(self.column), spare(sub.time)
        for i, (start, stop) in enumerate(zip(span.start, span.stop, strict=True)):
            n, t = stop - start, days(moments - span.ends[i])
            dx, dt = (
                v - spread_out(quotient(segments(np.add, v, start, stop, np.nan), n), start, stop, len(v))
                for v in (x, t)
            )
            first, last = (segments(op, moments, start, stop, np.nan) for op in (np.minimum, np.maximum))
            along, square = (segments(np.add, dt * v, start, stop, np.nan) for v in (dx, dt))
            out[i] = quotient(along, np.where(first < last, square, 0.0))
        return out


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
        opening = np.append(np.flatnonzero(sub.opens()), len(sub))
        end = np.append(opening[sub.opened()[1:]], len(sub))  # of the day of each row
        day = Span(sub, span.start, np.minimum(end[span.start], span.stop), span.begins, span.ends)
        return np.where(span.some, day.total(self.column), np.nan)


@final
@dataclass(frozen=True, kw_only=True)
class Decayed(Aggregate):
    """A count, or a sum of a number, in which an interaction weighs half after each half-life."""

    zero_of_nothing = True

    column: str | None = None
    half_life: str = "30d"

    @property
    def default_stem(self) -> str:
        return f"decayed_{self.column or 'count'}"

    @property
    def default_sentence(self) -> str:
        return f"recent {spoken(self.column)} of {self.of}" if self.column else f"recent {self.of}"

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column, named after its half-life."""
        words = f"{self.sentence} (each counts half after {in_words(self.half_life)})"
        return [Feature(f"{self.stem}_{self.half_life}", words, f"{literal(words)}: {{value}}", plain=False)]

    def rows(self, chunk: Chunk) -> Sub:
        return chunk.sub(self.where, number=self.column)

    def window(self, span: Span) -> npt.NDArray[Any]:
        """Weights of the rows before each instant, summed; rows at or after it are cut to weight 1, and belong to no slice."""
        sub, out = span.sub, np.empty(span.start.shape)
        for i, end in enumerate(span.ends.tolist()):
            weight = sub.once(("decay", self.half_life, end), lambda end=end: self._weights(sub.time, end))  # type: ignore[misc]
            x = weight if self.column is None else weight * sub.number(self.column)
            out[i] = segments(np.add, x, span.start[i], span.stop[i], 0.0)
        return out

    def _weights(self, time: Int, end: int) -> Float:
        """The weight of each row, and a spare cell."""
        return spare(np.exp2(np.minimum(time - end, 0) / length(self.half_life)))
