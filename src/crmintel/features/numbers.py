"""Counts, and aggregates of a number."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from crmintel.errors import DataContractError
from crmintel.features.arithmetic import Float, days, inside, pick, prefix, quotient, segments, spare, spread_out
from crmintel.features.engine import Chunk, Span, Sub
from crmintel.features.spec import Aggregate, Vocabulary
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
        order, time = sub.by_number(self.column)
        x = sub.number(self.column)[order]
        for i, n in enumerate(span.n):
            within = inside(time, int(span.begins[i]), int(span.ends[i]))
            values, first = x[within], prefix(within)[sub.starts[:-1]]
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
            n, t = stop - start, days(moments - spread_out(moments[start], start, stop, len(moments)))
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
        day = Span(sub, span.start, np.minimum(end[span.start], span.stop))
        return np.where(span.some, day.total(self.column), np.nan)


@final
@dataclass(frozen=True, kw_only=True)
class Decayed(Aggregate):
    """A count, or a sum of a number, in which an interaction weighs half after each half-life."""

    zero_of_nothing = True

    column: str | None = None
    half_life: str = "30d"

    def __post_init__(self) -> None:
        length(self.half_life)
        if self.windows != (ALL,):
            raise DataContractError(
                "A decayed feature looks at the whole past. Give it a half_life, and leave over() out."
            )

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
        """Weights grow from each customer's first row, so that one pass serves all instants; the end of the slice scales them."""
        sub, half = span.sub, length(self.half_life)
        age, weight = sub.once(("decay", half), lambda: _weights(sub, half))
        x = weight if self.column is None else weight * sub.number(self.column)
        last = np.maximum(span.stop - 1, 0)
        out = span.reduce(np.add, x, 0.0)
        if len(sub):
            out *= np.exp2(-age[last]) * np.exp2((sub.time[np.minimum(last, len(sub) - 1)] - span.ends[:, None]) / half)
            out[~span.some] = 0.0
        steep = span.some & (age[last] > _STEEP)
        for i in np.flatnonzero(steep.any(axis=1)):
            direct = spare(np.exp2(np.minimum(sub.time - span.ends[i], 0) / half))
            direct = direct if self.column is None else direct * sub.number(self.column)
            here = steep[i]
            out[i, here] = segments(np.add, direct, span.start[i, here], span.stop[i, here], 0.0)
        return out


_STEEP = 900.0
"""Half-lives after which a weight grows too large for a float, and every instant needs weights of its own."""


def _weights(sub: Sub, half: int) -> tuple[Float, Float]:
    """Half-lives since the customer's first row, and two to their power, for each row and a spare cell."""
    some = sub.counts > 0
    first = np.zeros(len(some), np.int64)
    first[some] = sub.time[sub.starts[:-1][some]]
    age = spare((sub.time - sub.each(first)) / half)
    return age, np.exp2(np.minimum(age, _STEEP))
