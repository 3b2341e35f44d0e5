"""How customers answer: to contacts and promotions, and how long their complaints stay open."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from crmintel.features.arithmetic import NEVER, days, prefix, quotient
from crmintel.features.engine import Chunk, Span, Sub, window
from crmintel.features.filters import Where
from crmintel.features.plan import Answer, Plan
from crmintel.features.spec import OTHERS, Spec, Vocabulary
from crmintel.features.words import Feature, in_words, length, literal, when
from crmintel.interactions.clock import HOUR, Int


@dataclass(frozen=True, kw_only=True)
class _Answered(Spec):
    """Something of interactions (`where`) and of the next one, later in time, that answers them."""

    answers: Where

    @property
    def columns(self) -> frozenset[str]:
        return super().columns | self.answers.columns

    @property
    def theme(self) -> str:
        return OTHERS

    def stem(self, what: str, *more: str) -> str:
        """The name without its window."""
        return self.title or "_".join([what, *([self.where.label] if self.where else []), self.answers.label, *more])


@final
@dataclass(frozen=True, kw_only=True)
class Response(_Answered):
    """Response to contacts: the share answered within a time, and the mean hours until the answer.

    A contact younger than the time allowed, and not answered yet, is undecided: it is in neither number.
    """

    within: str = "7d"

    def __post_init__(self) -> None:
        length(self.within)

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """Two columns a window."""
        stem, time, out = self.stem("response", self.within), in_words(self.within), []
        for w in self.windows:
            rate = f"share of {self.of} followed by {self.answers.words} within {time}{when(w)}"
            hours = f"mean hours from {self.of} to {self.answers.words} within {time}{when(w)}"
            nothing = f"no {self.one} to answer{when(w)}"
            out += [
                Feature(f"{stem}_rate_{w}", rate, f"{literal(rate)}: {{value}}", nothing),
                Feature(f"{stem}_hours_{w}", hours, f"{literal(hours)}: {{value}}", f"no answer{when(w)}"),
            ]
        return out

    def ask(self, plan: Plan, vocabulary: Vocabulary) -> list[Answer]:
        told = _Next(self.where, self.answers, length(self.within))
        return [plan.ask(told, window(w), part) for w in self.windows for part in (_RATE, _HOURS)]


@final
@dataclass(frozen=True, kw_only=True)
class Resolution(_Answered):
    """Complaints and their resolution: the mean days from one to the other, and how many are still open."""

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """Two columns a window."""
        stem, out = self.stem("resolution"), []
        for w in self.windows:
            took, still = f"days from {self.of} to {self.answers.words}{when(w)}", f"{self.of}{when(w)} still open"
            out += [
                Feature(f"{stem}_days_{w}", took, f"{literal(took)}: {{value}}", f"no {self.one} resolved{when(w)}"),
                Feature(f"{stem}_open_{w}", still, f"{{value}} {literal(still)}"),
            ]
        return out

    def zeros(self, vocabulary: Vocabulary) -> list[str]:
        return [f.name for f in self.features(vocabulary)][1::2]

    def ask(self, plan: Plan, vocabulary: Vocabulary) -> list[Answer]:
        told = _Next(self.where, self.answers, None)
        return [plan.ask(told, window(w), part) for w in self.windows for part in (_DAYS, _OPEN)]


@final
@dataclass(frozen=True, kw_only=True)
class BestHour(_Answered):
    """The local hour (0 to 23) whose contacts were answered most often, the earliest of several; missing without an answer."""

    within: str = "7d"

    def __post_init__(self) -> None:
        length(self.within)

    def features(self, vocabulary: Vocabulary) -> list[Feature]:
        """One column a window."""
        return [
            Feature(
                f"{self.stem('best_hour', self.within)}_{w}",
                words,
                f"{literal(words)}: {{value}}",
                f"no answer{when(w)}",
            )
            for w in self.windows
            for words in [f"local hour at which {self.of} were answered most often{when(w)}"]
        ]

    def ask(self, plan: Plan, vocabulary: Vocabulary) -> list[Answer]:
        told = _Hours(self.where, self.answers, length(self.within))
        return [plan.ask(told, window(w)) for w in self.windows]


_RATE, _HOURS, _DAYS, _OPEN = range(4)


@final
@dataclass(frozen=True)
class _Next:
    """The four numbers of `Response` and `Resolution`: share, hours, days and how many wait."""

    where: Where | None
    answers: Where
    within: int | None

    def rows(self, chunk: Chunk) -> Sub:
        return chunk.sub(self.where)

    def window(self, span: Span) -> npt.NDArray[Any]:
        """Shape (4, n, n_customers)."""
        sub, out = span.sub, np.empty((4, *span.start.shape))
        following = next_answer(sub, self.answers)
        for i, end in enumerate(span.ends.tolist()):
            answered = answered_by(sub.time, following, self.within, end)
            decided = answered if self.within is None else answered | (sub.time + self.within <= end)
            wait = np.where(answered, following - sub.time, 0)
            n, all_decided, waited = (
                (p := prefix(x))[span.stop[i]] - p[span.start[i]] for x in (answered, decided, wait)
            )
            usual = quotient(waited, n)
            out[:, i] = quotient(n, all_decided), usual / HOUR, days(usual), span.n[i] - n
        return out


@final
@dataclass(frozen=True)
class _Hours:
    """The number of `BestHour`."""

    where: Where | None
    answers: Where
    within: int

    def rows(self, chunk: Chunk) -> Sub:
        return chunk.sub(self.where)

    def window(self, span: Span) -> npt.NDArray[Any]:
        sub, out = span.sub, np.empty(span.start.shape)
        following, hour = next_answer(sub, self.answers), sub.code("local_hour")
        row, cell = np.arange(len(sub)), sub.each(np.arange(len(sub.counts))) * 24 + hour
        for i, end in enumerate(span.ends.tolist()):
            there = answered_by(sub.time, following, self.within, end) & (row >= sub.each(span.start[i]))
            counts = np.bincount(cell[there], minlength=24 * len(sub.counts)).reshape(-1, 24)
            out[i] = np.where(counts.any(axis=1), counts.argmax(axis=1), np.nan)
        return out


def answered_by(time: Int, following: Int, within: int | None, end: int) -> npt.NDArray[np.bool_]:
    """Which rows were answered before an instant, in the time allowed."""
    known: npt.NDArray[np.bool_] = following < end
    return known if within is None else known & (following < time + within)


def next_answer(sub: Sub, answers: Where) -> Int:
    """Time of the same customer's first answer later than each row; never, where there is none."""

    def make() -> Int:
        given = sub.chunk.sub(answers)
        rows = np.arange(len(sub)) if sub.rows is None else sub.rows
        place = given.until(sub.chunk.later[rows])
        there = place < sub.each(given.starts[1:])
        out = np.full(len(sub), NEVER)
        out[there] = given.time[place[there]]
        return out

    return sub.once(("answer", answers), make)
