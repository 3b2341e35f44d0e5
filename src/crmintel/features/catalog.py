"""The features that are shipped. Each is a declaration; how it is computed stands in `compute` or `window`."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from crmintel.columns import KIND, PURCHASE
from crmintel.features.engine import Chunk, Float, Sub, days, segments
from crmintel.features.spec import ALL, Feature, Spec, Vocabulary, Windowed, _back, _when, in_words
from crmintel.features.where import Is, Where
from crmintel.interactions.clock import DAY, Int, duration

NAN = np.nan
RHYTHM = "rhythm"


@final
@dataclass(frozen=True, kw_only=True)
class Count(Windowed):
    """How many interactions; 0 for none."""

    zero_of_nothing = True

    default_stem = "count"

    @property
    def default_sentence(self) -> str:
        """The sentence without its window."""
        return self.of

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """Prefix counts, subtracted."""
        return stop - start


@dataclass(frozen=True, kw_only=True)
class _Number(Windowed):
    """An aggregate of a numeric column; rows without a value do not count."""

    column: str

    def rows(self, chunk: Chunk) -> Sub:
        """The interactions that have a value."""
        return chunk.sub(self.where, number=self.column)

    @property
    def default_stem(self) -> str:
        """The first words of the name."""
        return f"{type(self).__name__.lower()}_{self.column}"

    @property
    def default_sentence(self) -> str:
        """The sentence without its window."""
        return f"{type(self).__name__.lower()} {self.column} of {self.of}"


@final
@dataclass(frozen=True, kw_only=True)
class Total(_Number):
    """Sum of a number; 0 for nothing."""

    zero_of_nothing = True

    def quote(self, words: str) -> str:
        """The sentence of one customer."""
        return words + ": {value}"

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """Sums of slices, never differences of float prefix sums."""
        return segments(np.add, sub.number(self.column), start, stop, 0.0)


@final
@dataclass(frozen=True, kw_only=True)
class Mean(_Number):
    """Mean of a number; missing for nothing."""

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """Sum over count."""
        return _divide(segments(np.add, sub.number(self.column), start, stop, NAN), stop - start)


@final
@dataclass(frozen=True, kw_only=True)
class Largest(_Number):
    """Largest value; missing for nothing."""

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """Maxima of slices."""
        return segments(np.maximum, sub.number(self.column), start, stop, NAN)


@final
@dataclass(frozen=True, kw_only=True)
class Smallest(_Number):
    """Smallest value; missing for nothing."""

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """Minima of slices."""
        return segments(np.minimum, sub.number(self.column), start, stop, NAN)


@final
@dataclass(frozen=True, kw_only=True)
class Spread(_Number):
    """Sample standard deviation of a number; missing for fewer than two values."""

    plain = False

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """Two passes: the sum-of-squares formula loses all digits on large, close amounts."""
        return spread(sub, sub.number(self.column), start, stop)


@final
@dataclass(frozen=True, kw_only=True)
class Last(_Number):
    """The latest value; missing for nothing. Rows of one moment are ordered by their columns."""

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """The row before the bound."""
        return _at(sub.number(self.column), stop - 1, start < stop)


@final
@dataclass(frozen=True, kw_only=True)
class First(_Number):
    """The earliest value; missing for nothing."""

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """The row at the lower bound."""
        return _at(sub.number(self.column), start, start < stop)


@final
@dataclass(frozen=True, kw_only=True)
class Distinct(Windowed):
    """How many different values of a column; missing values do not count."""

    zero_of_nothing = True

    column: str

    @property
    def default_stem(self) -> str:
        """The first words of the name."""
        return f"distinct_{self.column}"

    @property
    def default_sentence(self) -> str:
        """The sentence without its window."""
        return f"different {self.column} among {self.of}"

    def rows(self, chunk: Chunk) -> Sub:
        """The interactions that have a value."""
        return chunk.sub(self.where, code=self.column)

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """Rows whose next row of the same value lies at or after the bound."""
        following = sub.next_same(self.column)
        out = np.empty(stop.shape)
        for i in range(len(stop)):
            last = np.concatenate([[0], np.cumsum(following >= sub.each(stop[i]), dtype=np.int64)])
            out[i] = last[stop[i]] - last[start[i]]
        return out


@final
@dataclass(frozen=True, kw_only=True)
class ActiveDays(Windowed):
    """Local days with at least one interaction."""

    zero_of_nothing = True

    default_stem = "active_days"

    @property
    def default_sentence(self) -> str:
        """The sentence without its window."""
        return f"days with {self.of}"

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """Days opened inside the window, and the one it starts in."""
        opened = np.concatenate([[0], np.cumsum(sub.first_of_day, dtype=np.int64)])
        inside = np.append(~sub.first_of_day, False)[start] & (start < stop)
        return opened[stop] - opened[start] + inside


@final
@dataclass(frozen=True, kw_only=True)
class Recency(Windowed):
    """Days since the last interaction; missing without one."""

    default_stem = "recency_days"

    @property
    def default_sentence(self) -> str:
        """The sentence without its window."""
        return f"days since the last {self.where.one if self.where else 'interaction'}"

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column, without a window in its name."""
        what = self.where.one if self.where else "interaction"
        return [Feature(self.stem, self.sentence, f"last {what} {{value}} days ago", f"no {what} so far")]

    @property
    def theme(self) -> str:
        """What it speaks of."""
        return RHYTHM if not self.where or self.where == Is(KIND, (PURCHASE,)) else "other contacts"

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """Instant minus the time of the row before the bound."""
        return days(sub.chunk.at[:, None] - _at(sub.time, stop - 1, start < stop))


@final
@dataclass(frozen=True, kw_only=True)
class Tenure(Windowed):
    """Days since the first interaction; missing without one."""

    default_stem = "tenure_days"
    default_sentence = "days since the first interaction"

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column, without a window in its name."""
        return [Feature(self.stem, self.sentence, "a customer for {value} days")]

    @property
    def theme(self) -> str:
        """What it speaks of."""
        return "tenure"

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """Instant minus the time of the first row."""
        return days(sub.chunk.at[:, None] - _at(sub.time, start, start < stop))


@final
@dataclass(frozen=True, kw_only=True)
class Since(Spec):
    """Days since the last interaction of each value of a column, such as each kind."""

    by: str = KIND

    @property
    def vocabularies(self) -> frozenset[str]:
        """The values must be frozen."""
        return frozenset({self.by})

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column a value."""
        return [f for spec in self._each(vocabulary) for f in spec.features(vocabulary)]

    def compute(self, chunk: Chunk, vocabulary: Vocabulary) -> list[Float]:
        """A recency a value."""
        return [x for spec in self._each(vocabulary) for x in spec.compute(chunk, vocabulary)]

    def _each(self, vocabulary: Vocabulary) -> list[Recency]:
        return [Recency(where=_with(self.where, Is(self.by, (v,)))) for v in vocabulary[self.by]]


@final
@dataclass(frozen=True, kw_only=True)
class Share(Spec):
    """Share of each value of a column among the interactions of a window; missing for none."""

    column: str

    @property
    def vocabularies(self) -> frozenset[str]:
        """The values must be frozen."""
        return frozenset({self.column})

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column a window and value."""
        return [f for r in self._each(vocabulary) for f in r.features(vocabulary)]

    def compute(self, chunk: Chunk, vocabulary: Vocabulary) -> list[Float]:
        """Quotients of counts."""
        return [x for r in self._each(vocabulary) for x in r.compute(chunk, vocabulary)]

    def _each(self, vocabulary: Vocabulary) -> list["Ratio"]:
        whole = Count(where=self.where)
        return [
            ratio(Count(where=_with(self.where, Is(self.column, (v,)))), whole)
            .named(f"share_{self.column}={v}", f"share of {self.column} {v} among {whole.of}")
            .over(*self.windows)
            for v in vocabulary[self.column]
        ]


@final
@dataclass(frozen=True, kw_only=True)
class Ratio(Windowed):
    """Quotient of two features over the same window; missing where the divisor is 0."""

    top: Windowed
    bottom: Windowed

    @property
    def columns(self) -> frozenset[str]:
        """The columns of both."""
        return self.top.columns | self.bottom.columns

    @property
    def default_stem(self) -> str:
        """Both names."""
        return f"{self.top.stem}_per_{self.bottom.stem}"

    @property
    def default_sentence(self) -> str:
        """Both sentences."""
        return f"{self.top.sentence} per {self.bottom.sentence}"

    def compute(self, chunk: Chunk, vocabulary: Vocabulary) -> list[Float]:
        """Each over its own rows."""
        tops, bottoms = (s.over(*self.windows).compute(chunk, vocabulary) for s in (self.top, self.bottom))
        return [_divide(a, b) for a, b in zip(tops, bottoms, strict=True)]

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """Not used: a ratio looks at two sets of rows."""
        raise TypeError("A ratio has no rows of its own; use compute().")


@final
@dataclass(frozen=True, kw_only=True)
class Trend(Windowed):
    """A feature over the last window minus the same over the window before it."""

    plain = False

    zero_of_nothing = True

    inner: Windowed

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the feature."""
        return self.inner.columns

    @property
    def default_stem(self) -> str:
        """The name of the feature, marked."""
        return f"trend_{self.inner.stem}"

    @property
    def default_sentence(self) -> str:
        """What is compared."""
        return f"change of {self.inner.sentence} against the time before,"

    def compute(self, chunk: Chunk, vocabulary: Vocabulary) -> list[Float]:
        """Difference of two windows."""
        sub, out = self.inner.rows(chunk), []
        for w in self.windows:
            now, before = duration(w), 2 * duration(w)
            recent = self.inner.window(sub, *sub.span(now))
            out.append((recent - self.inner.window(sub, sub.span(before)[0], sub.span(now)[0])).astype(np.float64))
        return out

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """Not used: a trend looks at two windows."""
        raise TypeError("A trend has two windows; use compute().")


@final
@dataclass(frozen=True, kw_only=True)
class Gaps(Spec):
    """The rhythm of local days with an interaction: usual, longest and last gap, their spread, and how overdue the next is."""

    PARTS = (
        ("mean", "usual gap between days with {of}, in days", "usual gap {value} days"),
        ("spread", "unevenness of the gaps between days with {of}", ""),
        ("longest", "longest gap between days with {of}, in days", "longest gap {value} days"),
        ("last", "last gap between days with {of}, in days", "last gap {value} days"),
        ("overdue", "time since the last {one} as a multiple of the usual gap", "silent for {value} times the usual gap"),
    )

    @property
    def theme(self) -> str:
        """What it speaks of."""
        return RHYTHM

    @property
    def _stem(self) -> str:
        return "_".join([self.title or "gap", *([self.where.label] if self.where else [])])

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """Five columns a window."""
        of, one = (self.where.words, self.where.one) if self.where else ("interactions", "interaction")
        return [
            Feature(f"{self._stem}_{part}_{w}", f"{words.format(of=of, one=one)}{'' if w == ALL else _when(w)}",
                    quote, f"no second day with {of} yet", part != "spread")
            for w in self.windows
            for part, words, quote in self.PARTS
        ]  # fmt: skip

    def compute(self, chunk: Chunk, vocabulary: Vocabulary) -> list[Float]:
        """Gaps in days between neighbouring days; all missing for fewer than two days."""
        sub = chunk.visits(self.where)
        gap = np.zeros(len(sub.rows))
        gap[1:] = np.diff(sub.day)
        out: list[Float] = []
        for w in self.windows:
            start, stop = sub.span(_back(w))
            first, some = np.minimum(start + 1, stop), stop - start >= 2
            number = np.where(some, stop - start - 1, 0)
            mean = _divide(_at(sub.day, stop - 1, some) - _at(sub.day, start, some), number)
            since = days(chunk.at[:, None] - _at(sub.time, stop - 1, start < stop))
            longest = segments(np.maximum, gap, first, stop, NAN)
            out += [mean, spread(sub, gap, first, stop), longest, _at(gap, stop - 1, some), _divide(since, mean)]
        return out


@final
@dataclass(frozen=True, kw_only=True)
class Entropy(Windowed):
    """How mixed the values of a column are, in nats: 0 for one value; missing for none."""

    plain = False

    column: str

    @property
    def default_stem(self) -> str:
        """The first words of the name."""
        return f"entropy_{self.column}"

    @property
    def default_sentence(self) -> str:
        """The sentence without its window."""
        return f"variety of {self.column} among {self.of}"

    def rows(self, chunk: Chunk) -> Sub:
        """The interactions that have a value."""
        return chunk.sub(self.where, code=self.column)

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """ln N minus the mean of ln c over rows, c the count of the row's value."""
        n = (stop - start).astype(np.float64)
        mixed = segments_of_values(np.add, sub, self.column, start, stop, lambda c: c * np.log(np.maximum(c, 1)))
        return np.where(n > 0, np.maximum(np.log(np.maximum(n, 1)) - _divide(mixed, n), 0.0), NAN)


@final
@dataclass(frozen=True, kw_only=True)
class TopShare(Windowed):
    """Share of the most frequent value of a column; missing for none."""

    column: str

    @property
    def default_stem(self) -> str:
        """The first words of the name."""
        return f"top_share_{self.column}"

    @property
    def default_sentence(self) -> str:
        """The sentence without its window."""
        return f"share of the favourite {self.column} among {self.of}"

    def rows(self, chunk: Chunk) -> Sub:
        """The interactions that have a value."""
        return chunk.sub(self.where, code=self.column)

    def window(self, sub: Sub, start: Int, stop: Int) -> npt.NDArray[Any]:
        """Largest count of a value over the count of rows."""
        return _divide(segments_of_values(np.maximum, sub, self.column, start, stop, lambda c: c), stop - start)


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
        what = self.phrase or f"recent {self.column or 'number'} of {self.where.words if self.where else 'interactions'}"
        return [Feature(f"{stem}_{self.half_life}", f"{what} (half counts after {in_words(self.half_life)})", plain=False)]

    def compute(self, chunk: Chunk, vocabulary: Vocabulary) -> list[Float]:
        """Weights of the rows before each instant, summed."""
        sub = chunk.sub(self.where, number=self.column)
        start, stop = sub.span(None)
        out = np.empty(chunk.shape)
        for i, at in enumerate(chunk.at):
            weight = np.exp2(np.minimum(sub.time - at, 0) / duration(self.half_life))
            x = weight if self.column is None else weight * sub.number(self.column)
            out[i] = segments(np.add, x, start[i], stop[i], 0.0)
        return [out]


def spread(sub: Sub, x: Float, start: Int, stop: Int) -> Float:
    """Sample standard deviation of slices in two passes; missing for fewer than two values, exactly 0 for equal ones."""
    out = np.full(start.shape, NAN)
    for i in range(len(start)):
        n = stop[i] - start[i]
        mean = _divide(segments(np.add, x, start[i], stop[i], 0.0), n)
        off = (x - sub.each(mean)) ** 2
        low, high = (segments(op, x, start[i], stop[i], 0.0) for op in (np.minimum, np.maximum))
        out[i] = np.where(n > 1, np.sqrt(_divide(segments(np.add, off, start[i], stop[i], 0.0), n - 1)), NAN)
        out[i][(low == high) & (n > 1)] = 0.0
    return out


def segments_of_values(op: np.ufunc, sub: Sub, column: str, start: Int, stop: Int, of_count: Any) -> Float:
    """``op`` over the values of a column of ``of_count(rows with that value)``, for each slice of rows."""
    order, new = sub.by_value(column)
    out = np.zeros(start.shape)
    if not len(order):
        return out
    groups = np.flatnonzero(new)
    customer = sub.each(np.arange(len(sub.counts)))[order[groups]]
    owners = np.searchsorted(customer, np.arange(len(sub.counts) + 1))
    for i in range(len(start)):
        inside = (order >= sub.each(start[i])) & (order < sub.each(stop[i]))  # a customer's rows keep their places
        per_group = of_count(np.add.reduceat(inside, groups, dtype=np.int64))
        out[i] = segments(op, per_group, owners[:-1], owners[1:], 0.0)
    return out


def _with(where: Where | None, other: Where) -> Where:
    return other if where is None else where & other


def _at(x: npt.NDArray[Any], index: Int, there: npt.NDArray[np.bool_]) -> Float:
    """Values at positions; missing where there is none."""
    if not len(x):
        return np.full(index.shape, NAN)
    return np.where(there, x[np.clip(index, 0, len(x) - 1)], NAN)


def _divide(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Float:
    """Quotients; missing where the divisor is 0 or missing."""
    safe = np.where((b == 0) | np.isnan(b), NAN, b)
    return np.asarray(a / safe, np.float64)


def ratio(top: Windowed, bottom: Windowed) -> Ratio:
    """Quotient of two features over the same windows."""
    return Ratio(top=top, bottom=bottom)


__all__ = [
    "ActiveDays", "Count", "DAY", "Decayed", "Distinct", "Entropy", "First", "Gaps", "Largest", "Last", "Mean",
    "Ratio", "Recency", "Share", "Since", "Smallest", "Spread", "Tenure", "TopShare", "Total", "Trend", "ratio",
]  # fmt: skip
