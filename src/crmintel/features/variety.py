"""How varied customers are: different values of a column, their mix, the favourite and the first."""

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import cache
from typing import Any, final

import numpy as np
import numpy.typing as npt

from crmintel.features.arithmetic import Float, pick, quotient, segments
from crmintel.features.engine import Chunk, Counts, Span, Sub, window
from crmintel.features.filters import Where
from crmintel.features.plan import Answer, Plan
from crmintel.features.spec import Aggregate, Spec, Vocabulary
from crmintel.features.words import Feature, literal, plural, spoken, when
from crmintel.interactions.clock import Int


@dataclass(frozen=True, kw_only=True)
class _Coded(Aggregate):
    """An aggregate of a column of names; rows without a value do not count."""

    column: str

    def rows(self, chunk: Chunk) -> Sub:
        return chunk.sub(self.where, code=self.column)


@final
@dataclass(frozen=True, kw_only=True)
class Distinct(_Coded):
    """How many different values of a column; missing values do not count."""

    zero_of_nothing = True
    countable = True

    @property
    def default_stem(self) -> str:
        return f"distinct_{self.column}"

    @property
    def default_sentence(self) -> str:
        return f"different {plural(spoken(self.column))} among {self.of}"

    def window(self, span: Span) -> npt.NDArray[Any]:
        """Rows whose next row of the same value lies at or after the end of the window."""
        out = np.empty(span.stop.shape)
        for i, end in enumerate(span.ends.tolist()):
            last = span.sub.last_of_value(self.column, end)
            out[i] = last[span.stop[i]] - last[span.start[i]]
        return out


@final
@dataclass(frozen=True, kw_only=True)
class Entropy(_Coded):
    """How mixed the values of a column are, in nats: 0 for one value; missing for none."""

    plain = False

    @property
    def default_stem(self) -> str:
        return f"entropy_{self.column}"

    @property
    def default_sentence(self) -> str:
        return f"variety of {plural(spoken(self.column))} among {self.of}"

    def window(self, span: Span) -> npt.NDArray[Any]:
        """ln N minus the mean of ln c over rows, c the count of the row's value."""
        mixed = _of_counts(np.add, span, self.column, _times_log)
        return np.maximum(np.log(np.where(span.some, span.n, np.nan)) - quotient(mixed, span.n), 0.0)


@final
@dataclass(frozen=True, kw_only=True)
class TopShare(_Coded):
    """Share of the most frequent value of a column; missing for none."""

    @property
    def default_stem(self) -> str:
        return f"top_share_{self.column}"

    @property
    def default_sentence(self) -> str:
        return f"share of the favourite {spoken(self.column)} among {self.of}"

    def window(self, span: Span) -> npt.NDArray[Any]:
        return quotient(_of_counts(np.maximum, span, self.column, lambda c: c), span.n)


@dataclass(frozen=True, kw_only=True)
class Which(Spec):
    """A value of a column, told as its place in the vocabulary: 0 for its first value, its length for any other, missing for none."""

    column: str

    @property
    def vocabularies(self) -> frozenset[str]:
        return frozenset({self.column})

    @property
    @abstractmethod
    def said(self) -> str:
        """Which value it is, in words."""

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column a window."""
        stem = self.title or "_".join(
            [_snake(type(self).__name__), self.column, *([self.where.label] if self.where else [])]
        )
        what, values = self.phrase or self.said, (*vocabulary[self.column], OTHER)
        return [
            Feature(
                f"{stem}_{w}",
                f"{what}{when(w)}",
                f"{literal(what + when(w))}: {{value}}",
                f"no {self.one}{when(w)}",
                values=values,
            )
            for w in self.windows
        ]

    @abstractmethod
    def code(self, span: Span) -> Float:
        """The code of the value for each slice of rows; missing for none."""

    def ask(self, plan: Plan, vocabulary: Vocabulary) -> list[Answer]:
        told, values = _Code(self), vocabulary[self.column]

        def placed(answer: Answer) -> Answer:
            return lambda chunk: named(answer(chunk), chunk.places(self.column, values), len(values))

        return [placed(plan.ask(told, window(w))) for w in self.windows]


OTHER = "another"


def named(code: Float, places: Int, n: int) -> Float:
    """Codes as places in a vocabulary of `n` values: `n` for a code outside it, missing for none."""
    there = ~np.isnan(code)
    found = places[np.where(there, code, -1).astype(np.int64)]
    return np.where(there, np.where(found < 0, n, found), np.nan)


@final
@dataclass(frozen=True)
class _Code:
    """What `Which` asks for: a code, whatever it is called in the vocabulary."""

    which: Which

    def rows(self, chunk: Chunk) -> Sub:
        return chunk.sub(self.which.where, code=self.which.column)

    def window(self, span: Span) -> npt.NDArray[Any]:
        return self.which.code(span)


@final
@dataclass(frozen=True, kw_only=True)
class Top(Which):
    """The most frequent value of a column; of equally frequent ones the first by name."""

    @property
    def said(self) -> str:
        return f"favourite {spoken(self.column)} of {self.of}"

    def code(self, span: Span) -> Float:
        return favourite(span, self.column)


@final
@dataclass(frozen=True, kw_only=True)
class FirstValue(Which):
    """The value of a column in the earliest interaction that has one."""

    @property
    def said(self) -> str:
        return f"{spoken(self.column)} of the first {self.one}"

    def code(self, span: Span) -> Float:
        return pick(span.sub.code(self.column), span.start, span.some)


@final
@dataclass(frozen=True, kw_only=True)
class LastValue(Which):
    """The value of a column in the latest interaction that has one."""

    @property
    def said(self) -> str:
        return f"{spoken(self.column)} of the last {self.one}"

    def code(self, span: Span) -> Float:
        return pick(span.sub.code(self.column), span.stop - 1, span.some)


@final
@dataclass(frozen=True, kw_only=True)
class Share(Spec):
    """Share of each value of a column among the interactions of a window, those without a value too; missing for none."""

    column: str

    @property
    def vocabularies(self) -> frozenset[str]:
        return frozenset({self.column})

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column a value and window."""
        stem, what = self.title or f"share_{self.column}", self.phrase or f"share of {spoken(self.column)}"
        told = [(v, w, f"{what} {v} among {self.of}{when(w)}") for v in vocabulary[self.column] for w in self.windows]
        return [Feature(f"{stem}={v}_{w}", words, f"{literal(words)}: {{value}}") for v, w, words in told]

    def ask(self, plan: Plan, vocabulary: Vocabulary) -> list[Answer]:
        """One answer a value and window."""
        values = vocabulary[self.column]
        told = _Shares(self.where, self.column, values)
        return [plan.ask(told, window(w), v) for v in range(len(values)) for w in self.windows]


@final
@dataclass(frozen=True)
class _Shares:
    """The shares of some values of a column."""

    where: Where | None
    column: str
    values: tuple[str, ...] = field(hash=False)

    def rows(self, chunk: Chunk) -> Sub:
        return chunk.sub(self.where)

    def window(self, span: Span) -> npt.NDArray[Any]:
        """Shape (n_values, n, n_customers)."""
        tally = span.sub.tally(self.column, self.values)
        counts = tally[:, span.stop] - tally[:, span.start]
        return quotient(counts, np.broadcast_to(span.n, counts.shape))


def share_of_values(span: Span, column: str) -> list[Counts]:
    """For each window and instant: how often each (customer, value) occurs, its number, and the values of each customer."""
    cuts = zip(span.begins.tolist(), span.ends.tolist(), strict=True)
    return [span.sub.value_counts(column, *cut) for cut in cuts]


def favourite(span: Span, column: str) -> Float:
    """The code that occurs most often in each slice of rows, the smallest of several; missing for none."""
    out = np.full(span.start.shape, np.nan)
    order, _, groups = span.sub.by_value(column)
    for i, (counts, number, first, last) in enumerate(share_of_values(span, column)):
        row = order[groups[number]]
        most = segments(np.maximum, np.append(counts, 0), first, last, 0)
        best = np.flatnonzero(counts == np.repeat(most, last - first))
        place = best[np.minimum(np.searchsorted(best, first), max(len(best) - 1, 0))] if len(best) else first
        out[i] = pick(span.sub.code(column), row[place] if len(row) else first, first < last)
    return out


@cache
def _table() -> Float:
    """n ln n of small numbers: looking them up is quicker than a logarithm, and the same."""
    n = np.arange(1, 4_096)
    return np.concatenate([[0.0], n * np.log(n)])


def _times_log(counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """n ln n of counts of at least 1."""
    table = _table()
    few = int(counts.max(initial=0)) < len(table)
    return np.asarray(table[counts] if few else counts * np.log(counts))


def _of_counts(op: np.ufunc, span: Span, column: str, told: Any) -> Float:
    """``op`` over the values of a column of ``told(rows with that value)``, for each slice of rows."""
    out = np.empty(span.start.shape)
    for i, (counts, _, first, last) in enumerate(share_of_values(span, column)):
        out[i] = segments(op, np.append(told(counts), 0), first, last, 0.0)
    return out


def _snake(name: str) -> str:
    """``TopValue`` as ``top_value``."""
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))
