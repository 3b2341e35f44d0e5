"""When customers act: recency, tenure, days and the gaps between them."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from crmintel.columns import KIND, PURCHASE, RETURN
from crmintel.features.arithmetic import Float, days, pick, quotient, row_spread, segments
from crmintel.features.engine import Chunk, Span, Sub
from crmintel.features.filters import Is, Where
from crmintel.features.spec import OTHERS, RETURNS, Aggregate, Spec, Vocabulary
from crmintel.features.words import ALL, Feature, literal, when

RHYTHM = "rhythm"


@final
@dataclass(frozen=True, kw_only=True)
class ActiveDays(Aggregate):
    """Local days with at least one interaction."""

    zero_of_nothing = True
    countable = True
    default_stem = "active_days"

    @property
    def default_sentence(self) -> str:
        return f"days with {self.of}"

    def window(self, span: Span) -> npt.NDArray[Any]:
        opened = span.sub.days_opened
        return opened[span.stop] - opened[span.start] + span.begun


@final
@dataclass(frozen=True, kw_only=True)
class Recency(Aggregate):
    """Days since the last interaction; missing without one."""

    default_stem = "recency_days"

    @property
    def default_sentence(self) -> str:
        return f"days since the last {self.one}"

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column a window; the whole past is not named."""
        return [
            Feature(
                self.stem if w == ALL else f"{self.stem}_{w}", self.sentence if w == ALL else self.words(w),
                f"last {literal(self.one)} {{value}} days ago", f"no {self.one}{when(w)}",
            )
            for w in self.windows
        ]  # fmt: skip

    @property
    def theme(self) -> str:
        kinds = self.where.kinds if self.where else frozenset()
        if not kinds or PURCHASE in kinds:
            return RHYTHM
        return RETURNS if RETURN in kinds else OTHERS

    def window(self, span: Span) -> npt.NDArray[Any]:
        return days(span.sub.chunk.at[:, None] - pick(span.sub.time, span.stop - 1, span.some))


@final
@dataclass(frozen=True, kw_only=True)
class Tenure(Aggregate):
    """Days since the first interaction; missing without one."""

    @property
    def default_stem(self) -> str:
        return "tenure_days"

    @property
    def default_sentence(self) -> str:
        return f"days since the first {self.one}"

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column a window; the whole past is not named."""
        quote = "a customer for {value} days" if self.where is None else f"first {literal(self.one)} {{value}} days ago"
        return [
            Feature(
                self.stem if w == ALL else f"{self.stem}_{w}",
                self.sentence if w == ALL else self.words(w),
                quote,
                f"no {self.one}{when(w)}",
            )
            for w in self.windows
        ]

    @property
    def theme(self) -> str:
        return "tenure"

    def window(self, span: Span) -> npt.NDArray[Any]:
        return days(span.sub.chunk.at[:, None] - pick(span.sub.time, span.start, span.some))


@final
@dataclass(frozen=True, kw_only=True)
class Since(Spec):
    """Days since the last interaction of each value of a column, such as each kind."""

    by: str = KIND

    @property
    def vocabularies(self) -> frozenset[str]:
        return frozenset({self.by})

    @property
    def theme(self) -> str:
        return RHYTHM if self.by == KIND else super().theme

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column a window and value."""
        return [f for spec in self._each(vocabulary) for f in spec.features(vocabulary)]

    def compute(self, chunk: Chunk, vocabulary: Vocabulary) -> list[Float]:
        """A recency a value."""
        return [x for spec in self._each(vocabulary) for x in spec.compute(chunk, vocabulary)]

    def _each(self, vocabulary: Vocabulary) -> list[Recency]:
        return [Recency(where=narrowed(self.where, self.by, v), windows=self.windows) for v in vocabulary[self.by]]


@final
@dataclass(frozen=True, kw_only=True)
class Gaps(Spec):
    """The rhythm of local days with an interaction: usual, longest and last gap, their spread, and how overdue the next is."""

    PARTS = (
        ("mean", "usual gap between days with {of}, in days", "usual gap {{value}} days between days with {of}"),
        ("spread", "unevenness of the gaps between days with {of}", ""),
        ("longest", "longest gap between days with {of}, in days", "longest gap {{value}} days between days with {of}"),
        ("last", "last gap between days with {of}, in days", "last gap {{value}} days between days with {of}"),
        (
            "overdue",
            "time since the last {one} as a multiple of the usual gap",
            "last {one} {{value}} times the usual gap ago",
        ),
    )

    @property
    def theme(self) -> str:
        return RHYTHM

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """Five columns a window."""
        stem = "_".join([self.title or "gap", *([self.where.label] if self.where else [])])
        said, quoted = {"of": self.of, "one": self.one}, {"of": literal(self.of), "one": literal(self.one)}
        return [
            Feature(f"{stem}_{part}_{w}", words.format(**said) + ("" if w == ALL else when(w)), quote.format(**quoted),
                    f"fewer than two days with {self.of}{when(w)}" if part != "spread" else "", part != "spread")
            for w in self.windows
            for part, words, quote in self.PARTS
        ]  # fmt: skip

    def compute(self, chunk: Chunk, vocabulary: Vocabulary) -> list[Float]:
        """Gaps in days between neighbouring days; all missing for fewer than two days."""
        return [
            x for w in self.windows for x in _rhythm(chunk.sub(self.where).over(w), chunk.visits(self.where).over(w))
        ]


def _rhythm(every: Span, visits: Span) -> list[Float]:
    """The five numbers from all rows of a window and from those that open a day.

    A window that starts inside a day already begun holds that day too, though not the row that opened it.
    """
    sub: Sub = visits.sub
    gap = np.diff(sub.day, prepend=sub.day[:1]).astype(np.float64)
    start = visits.start - every.begun  # the visit of the first day
    gaps = visits.stop - start - 1
    some = gaps > 0
    mean = quotient(np.where(some, pick(sub.day, visits.stop - 1, some) - pick(sub.day, start, some), np.nan), gaps)
    since = days(sub.chunk.at[:, None] - pick(every.sub.time, every.stop - 1, every.some))
    inner = np.minimum(start + 1, visits.stop)
    return [
        mean,
        row_spread(gap, inner, visits.stop),
        segments(np.maximum, gap, inner, visits.stop, np.nan),
        pick(gap, visits.stop - 1, some),
        quotient(since, mean),
    ]


def narrowed(where: Where | None, column: str, value: Any) -> Where:
    """A filter that also asks for a value of a column."""
    return Is(column, (value,)) if where is None else where & Is(column, (value,))
