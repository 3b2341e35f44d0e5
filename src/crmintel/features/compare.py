"""Features made of other features: quotients, differences, changes and the same season a year ago."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from crmintel.errors import DataContractError
from crmintel.features.arithmetic import quotient
from crmintel.features.engine import Chunk
from crmintel.features.plan import Answer, Plan
from crmintel.features.spec import Windowed
from crmintel.features.words import ALL, in_words, length
from crmintel.interactions.clock import DAY

YEAR: Final = 364 * DAY
"""A year that keeps weekdays."""


@dataclass(frozen=True, kw_only=True)
class _Pair(Windowed):
    """Something made of two features over the same window."""

    top: Windowed
    bottom: Windowed

    def __post_init__(self) -> None:
        _windowed(self.top, self.bottom)

    @property
    def columns(self) -> frozenset[str]:
        return self.top.columns | self.bottom.columns

    @property
    def theme(self) -> str:
        return self.top.theme


@final
@dataclass(frozen=True, kw_only=True)
class Ratio(_Pair):
    """Quotient of two features over the same window; missing where the divisor is 0."""

    @property
    def default_stem(self) -> str:
        return f"{self.top.stem}_per_{self.bottom.stem}"

    @property
    def default_sentence(self) -> str:
        return f"{self.top.sentence} per {self.bottom.sentence}"

    def told(self, plan: Plan, over: str, ago: int = 0) -> Answer:
        a, b = self.top.told(plan, over, ago), self.bottom.told(plan, over, ago)
        return lambda chunk: quotient(a(chunk), b(chunk))


@final
@dataclass(frozen=True, kw_only=True)
class Difference(_Pair):
    """One feature less another over the same window, such as points earned less points redeemed."""

    @property
    def zero_of_nothing(self) -> bool:
        return self.top.zero_of_nothing and self.bottom.zero_of_nothing

    @property
    def default_stem(self) -> str:
        return f"{self.top.stem}_less_{self.bottom.stem}"

    @property
    def default_sentence(self) -> str:
        return f"{self.top.sentence} less {self.bottom.sentence}"

    def told(self, plan: Plan, over: str, ago: int = 0) -> Answer:
        a, b = self.top.told(plan, over, ago), self.bottom.told(plan, over, ago)
        return lambda chunk: a(chunk) - b(chunk)


@dataclass(frozen=True, kw_only=True)
class _Of(Windowed):
    """Something made of one other feature."""

    inner: Windowed

    def __post_init__(self) -> None:
        _windowed(self.inner)

    @property
    def columns(self) -> frozenset[str]:
        return self.inner.columns

    @property
    def theme(self) -> str:
        return self.inner.theme


@final
@dataclass(frozen=True, kw_only=True)
class OfCustomer(_Of):
    """A feature of a (customer, item) pair as a share of the same feature of the customer, such as the share of wallet.

    Missing where the customer has nothing. Only tables of pairs have it: ``build(..., by=("customer_id", "item_id"))``.
    """

    @property
    def default_stem(self) -> str:
        return f"share_of_{self.inner.stem}"

    @property
    def default_sentence(self) -> str:
        return f"share of all {self.inner.sentence}"

    def told(self, plan: Plan, over: str, ago: int = 0) -> Answer:
        answer = self.inner.told(plan, over, ago)

        def share(chunk: Chunk) -> npt.NDArray[Any]:
            if chunk.owners is None:
                raise DataContractError(
                    f"{self.stem!r} is a share of a customer's total, and these rows are no pairs. "
                    'Build it with by=("customer_id", "item_id").'
                )
            return quotient(answer(chunk), answer(chunk.owners.chunk)[:, chunk.owners.owner])

        return share


@dataclass(frozen=True, kw_only=True)
class _Shifted(_Of):
    """A feature looked at over other windows than those that end at the instant."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for window in set(self.windows) - {ALL}:
            length(window)
        if ALL in self.windows:
            raise DataContractError(
                "The whole past has nothing before it to compare with. Give a window such as '30d'."
            )

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

    def told(self, plan: Plan, over: str, ago: int = 0) -> Answer:
        now, before = self.inner.told(plan, over, ago), self.inner.told(plan, over, ago + length(over))
        return lambda chunk: now(chunk) - before(chunk)


@final
@dataclass(frozen=True, kw_only=True)
class Slope(_Shifted):
    """The least-squares slope of a feature over several windows in a row: its change from one window to the next."""

    plain = False
    bins: int = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bins < 2:
            raise DataContractError(f"A slope needs at least 2 windows in a row, not {self.bins}.")

    @property
    def default_stem(self) -> str:
        return f"slope{self.bins}_{self.inner.stem}"

    @property
    def default_sentence(self) -> str:
        return f"slope of {self.inner.sentence}"

    def words(self, window: str) -> str:
        """Over what it is told."""
        return f"{self.sentence} over the last {self.bins} times {in_words(window)}"

    def told(self, plan: Plan, over: str, ago: int = 0) -> Answer:
        answers = [self.inner.told(plan, over, ago + k * length(over)) for k in range(self.bins)]
        centred = (self.bins - 1) / 2 - np.arange(self.bins)  # the latest window comes first
        weights = centred / (centred**2).sum()
        return lambda chunk: sum(w * a(chunk) for w, a in zip(weights, answers, strict=True))


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

    def told(self, plan: Plan, over: str, ago: int = 0) -> Answer:
        return self.inner.told(plan, over, ago + YEAR)


def _windowed(*features: Any) -> None:
    """Complain of features that are several columns a window, or none."""
    if odd := [type(f).__name__ for f in features if not isinstance(f, Windowed)]:
        raise DataContractError(
            f"{', '.join(odd)} cannot be compared: it is not one number a window. Use a count, a total, a mean and the like."
        )


def ratio(top: Windowed, bottom: Windowed) -> Ratio:
    """Quotient of two features over the same windows.

    >>> from crmintel.features import count, total
    >>> ratio(total("amount"), count()).over("90d").features({})[0].words
    'total amount of interactions per interactions in the last 90 days'
    """
    return Ratio(top=top, bottom=bottom)
