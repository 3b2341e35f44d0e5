"""When customers act: recency, tenure, days and the gaps between them."""

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt

from crmintel.columns import KIND, PURCHASE, RETURN
from crmintel.errors import DataContractError
from crmintel.features.arithmetic import days, pick, prefixes, quotient, quotient_of_pairs, segments, spare
from crmintel.features.days import PERIODS
from crmintel.features.engine import Chunk, Span, Sub, window
from crmintel.features.filters import Is, Where
from crmintel.features.plan import Answer, Plan
from crmintel.features.spec import OTHERS, RETURNS, Aggregate, Spec, Vocabulary
from crmintel.features.words import ALL, Feature, counted, literal, when

RHYTHM = "rhythm"


@final
@dataclass(frozen=True, kw_only=True)
class ActiveDays(Aggregate):
    """Local days, weeks or months with at least one interaction."""

    zero_of_nothing = True
    countable = True

    unit: str = "day"

    def __post_init__(self) -> None:
        _check_unit(self.unit)

    @property
    def default_stem(self) -> str:
        return f"active_{self.unit}s"

    @property
    def default_sentence(self) -> str:
        return f"{self.unit}s with {self.of}"

    def window(self, span: Span) -> npt.NDArray[Any]:
        opened = span.sub.opened(self.unit)
        return span.difference(opened) + span.begun(self.unit)


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
        return days(span.ends[:, None] - pick(span.sub.time, span.stop - 1, span.some))


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
        return days(span.ends[:, None] - pick(span.sub.time, span.start, span.some))


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

    def ask(self, plan: Plan, vocabulary: Vocabulary) -> list[Answer]:
        """One answer a window and value."""
        values = vocabulary[self.by]
        told = _LastOf(self.where, self.by, values)
        return [plan.ask(told, window(w), v) for v in range(len(values)) for w in self.windows]

    def _each(self, vocabulary: Vocabulary) -> list[Recency]:
        return [Recency(where=narrowed(self.where, self.by, v), windows=self.windows) for v in vocabulary[self.by]]


@final
@dataclass(frozen=True)
class _LastOf:
    """Days since the last row of each of some values."""

    where: Where | None
    by: str
    values: tuple[str, ...] = field(hash=False)

    def rows(self, chunk: Chunk) -> Sub:
        return chunk.sub(self.where)

    def window(self, span: Span) -> npt.NDArray[Any]:
        """Shape (n_values, n, n_customers)."""
        sub = span.sub
        tally = sub.tally(self.by, self.values)
        last, some = tally[:, span.stop], tally[:, span.stop] > tally[:, span.start]
        if not len(sub):
            return np.full(last.shape, np.nan)
        rows = sub.grouped(self.by, self.values)
        before = np.cumsum(tally[:, -1]) - tally[:, -1]  # the rows of each value stand together
        return days(span.ends[:, None] - pick(sub.time[rows], last + before[:, None, None] - 1, some))


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

    def ask(self, plan: Plan, vocabulary: Vocabulary) -> list[Answer]:
        """Gaps in days between neighbouring days; all missing for fewer than two days."""
        told, recency = _Rhythm(self.where), Recency(where=self.where).bare
        out: list[Answer] = []
        for w in map(window, self.windows):
            mean, *others = (plan.ask(told, w, part) for part in range(4))
            out += [mean, *others, _overdue(plan.ask(recency, w), mean)]
        return out


@final
@dataclass(frozen=True)
class _Rhythm:
    """Usual gap, spread, longest and last gap."""

    where: Where | None

    def rows(self, chunk: Chunk) -> Sub:
        return chunk.sub(self.where)

    def window(self, span: Span) -> npt.NDArray[Any]:
        """Shape (4, n, n_customers)."""
        day, start, stop = span.visits()
        gap = np.zeros(
            len(day) + 1, np.int64
        )  # before each visit, and a spare cell; those of first visits are never looked at
        np.subtract(day[1:], day[:-1], out=gap[1:-1])
        n = np.maximum(stop - start - 1, 0)
        some, inner = n > 0, np.minimum(start + 1, stop)
        bounds = day.take(np.stack([start, stop - 1]), mode="clip") if len(day) else np.zeros((2, *n.shape))
        sums = prefixes(gap[:-1])
        total, squares = sums[:, stop] - sums[:, inner]
        out = np.empty((4, *n.shape))
        out[0] = quotient(bounds[1] - bounds[0], n)
        out[1] = np.sqrt(quotient_of_pairs(n * squares - total * total, n))  # whole numbers: without any error
        out[2] = segments(np.maximum, gap, inner, stop, np.nan)
        out[3] = pick(gap, stop - 1, some)
        return out


def _overdue(recency: Answer, mean: Answer) -> Answer:
    """Time since the last interaction as a multiple of the usual gap."""
    return lambda chunk: quotient(recency(chunk), mean(chunk))


@final
@dataclass(frozen=True, kw_only=True)
class Streaks(Spec):
    """Local days, weeks or months in a row with an interaction: the streak that still lasts, and the longest ever.

    A streak lasts while its latest period is the present or the one before; both are 0 for customers without a row.
    """

    unit: str = "week"
    zero_of_nothing = True

    def __post_init__(self) -> None:
        _check_unit(self.unit)
        if self.windows != (ALL,):
            raise DataContractError("Streaks are told of the whole past. Leave over() out.")

    @property
    def theme(self) -> str:
        return RHYTHM

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """Two columns."""
        stem = "_".join([self.title or f"{self.unit}_streak", *([self.where.label] if self.where else [])])
        told = (("current", "still lasting"), ("longest", "the longest streak"))
        words = [f"{self.unit}s in a row with {self.of}, {end}" for _, end in told]
        return [Feature(f"{stem}_{part}", w, counted(w)) for (part, _), w in zip(told, words, strict=True)]

    def ask(self, plan: Plan, vocabulary: Vocabulary) -> list[Answer]:
        told = _Runs(self.where, self.unit)
        return [plan.ask(told, window(ALL), part) for part in (0, 1)]


@final
@dataclass(frozen=True)
class _Runs:
    """The two numbers of `Streaks`; the length of the run at each row needs earlier rows only, so it serves every instant."""

    where: Where | None
    unit: str

    def rows(self, chunk: Chunk) -> Sub:
        return chunk.sub(self.where)

    def window(self, span: Span) -> npt.NDArray[Any]:
        """Shape (2, n, n_customers)."""
        sub, (period, start, stop) = span.sub, span.visits(self.unit)
        place, some = np.arange(len(period)), start < stop
        breaks = np.ones(len(period), bool)
        np.not_equal(period[1:], period[:-1] + 1, out=breaks[1:])
        breaks[sub.opened(self.unit)[sub.starts[:-1][sub.counts > 0]]] = True
        run = spare(place - np.maximum.accumulate(np.where(breaks, place, 0)) + 1)
        now = PERIODS[self.unit](sub.chunk.zone.to_local(span.ends))[:, None]
        lasts = pick(period, stop - 1, some) >= now - 1
        return np.stack([np.where(lasts, pick(run, stop - 1, some), 0), segments(np.maximum, run, start, stop, 0)])


@final
@dataclass(frozen=True, kw_only=True)
class Joined(Spec):
    """The cohort of a customer: local year and month (1 to 12) of the first interaction."""

    def __post_init__(self) -> None:
        if self.windows != (ALL,):
            raise DataContractError("A cohort is told of the whole past. Leave over() out.")

    @property
    def theme(self) -> str:
        return "tenure"

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """Two columns."""
        stem = "_".join([self.title or "joined", *([self.where.label] if self.where else [])])
        return [
            Feature(f"{stem}_{part}", f"{part} of the first {self.one}", plain=part == "year")
            for part in ("year", "month")
        ]

    def ask(self, plan: Plan, vocabulary: Vocabulary) -> list[Answer]:
        told = _First(self.where)
        return [plan.ask(told, window(ALL), part) for part in (0, 1)]


@final
@dataclass(frozen=True)
class _First:
    """Year and month of the first row."""

    where: Where | None

    def rows(self, chunk: Chunk) -> Sub:
        return chunk.sub(self.where)

    def window(self, span: Span) -> npt.NDArray[Any]:
        """Shape (2, n, n_customers)."""
        month = pick(span.sub.period("month"), span.start, span.some)
        return np.stack([1970 + np.floor_divide(month, 12), np.mod(month, 12) + 1])


def _check_unit(unit: str) -> None:
    if unit not in PERIODS:
        raise DataContractError(f"Unknown unit {unit!r}. Choose {', '.join(map(repr, PERIODS))}.")


def narrowed(where: Where | None, column: str, value: Any) -> Where:
    """A filter that also asks for a value of a column."""
    return Is(column, (value,)) if where is None else where & Is(column, (value,))
