"""How varied customers are: different values of a column, their mix and the favourite."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.features.arithmetic import Float, quotient, segments
from crmintel.features.engine import Chunk, Span, Sub
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
        for i, last in enumerate(span.sub.last_of_value(self.column, span.stop)):
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
        mixed = _of_counts(np.add, span, self.column, lambda c: c * np.log(np.maximum(c, 1)))
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

    def compute(self, chunk: Chunk, vocabulary: Vocabulary) -> list[Float]:
        """Counts of (customer, value) over counts of rows: one pass a window, whatever the number of values."""
        sub = chunk.sub(self.where)
        held = chunk.part.vocabulary.get(self.column, pa.array([], pa.large_string()))
        values = pa.array(vocabulary[self.column], held.type)
        place = pc.fill_null(pc.index_in(held, values), -1).to_numpy(zero_copy_only=False)
        shares = [self._shares(sub, np.append(place, -1), len(values), w) for w in self.windows]
        return [share[:, :, v] for v in range(len(values)) for share in shares]

    def _shares(self, sub: Sub, place: Int, n_values: int, window: str) -> Float:
        """Shape (n_instants, n_customers, n_values)."""
        span, n_customers = sub.over(window), len(sub.counts)
        row = np.arange(len(sub))
        value = place[sub.code(self.column)] if n_values else np.full(len(sub), -1)
        cell = sub.each(np.arange(n_customers) * n_values) + value
        out = np.empty((len(span.start), n_customers, n_values))
        for i, (start, stop) in enumerate(zip(span.start, span.stop, strict=True)):
            inside = (value >= 0) & (row >= sub.each(start)) & (row < sub.each(stop))
            counts = np.bincount(cell[inside], minlength=n_customers * n_values).reshape(n_customers, n_values)
            out[i] = quotient(counts, np.broadcast_to((stop - start)[:, None], counts.shape))
        return out


def _of_counts(op: np.ufunc, span: Span, column: str, told: Any) -> Float:
    """``op`` over the values of a column of ``told(rows with that value)``, for each slice of rows."""
    out = np.zeros(span.start.shape)
    for i, (counts, first, last) in enumerate(span.value_counts(column)):
        out[i] = segments(op, told(counts), first[None], last[None], 0.0)[0]
    return out
