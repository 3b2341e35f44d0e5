"""What RFM segments are called: the usual grid, and the eight types of the Chinese textbooks; in English and in Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, Protocol, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.errors import DataContractError
from crmintel.showing import Shown

SCORES: Final = 5
PROSPECT: Final = "prospects"
_ROUNDING: Final = 1e-9
_GRID = (  # recency scores, frequency scores, name: the usual 5 x 5 grid
    ((5,), (4, 5), "champions"),
    ((3, 4), (4, 5), "loyal"),
    ((4, 5), (2, 3), "potential loyalists"),
    ((5,), (1,), "new customers"),
    ((4,), (1,), "promising"),
    ((3,), (3,), "need attention"),
    ((3,), (1, 2), "about to sleep"),
    ((1, 2), (5,), "cannot lose"),
    ((1, 2), (3, 4), "at risk"),
    ((1, 2), (1, 2), "hibernating"),
)
NAMES: Mapping[tuple[int, int], str] = MappingProxyType({(r, q): n for rs, qs, n in _GRID for r in rs for q in qs})
"""The segment of each recency and frequency score."""

TYPES: Mapping[tuple[bool, bool, bool], str] = MappingProxyType(
    {
        (True, True, True): "important, valued",
        (True, False, True): "important, to develop",
        (False, True, True): "important, to keep",
        (False, False, True): "important, to win back",
        (True, True, False): "ordinary, valued",
        (True, False, False): "ordinary, to develop",
        (False, True, False): "ordinary, to keep",
        (False, False, False): "ordinary, to win back",
    }
)
"""The type of customers who are better than the threshold in recency, frequency and money."""

CHINESE: Mapping[str, str] = MappingProxyType(
    {
        "champions": "冠军客户",
        "loyal": "忠诚客户",
        "potential loyalists": "潜力忠诚客户",
        "new customers": "新客户",
        "promising": "有希望的客户",
        "need attention": "需要关注的客户",
        "about to sleep": "即将沉睡的客户",
        "cannot lose": "不能失去的客户",
        "at risk": "有流失风险的客户",
        "hibernating": "沉睡客户",
        PROSPECT: "潜在客户",
        "important, valued": "重要价值客户",
        "important, to develop": "重要发展客户",
        "important, to keep": "重要保持客户",
        "important, to win back": "重要挽留客户",
        "ordinary, valued": "一般价值客户",
        "ordinary, to develop": "一般发展客户",
        "ordinary, to keep": "一般保持客户",
        "ordinary, to win back": "一般挽留客户",
    }
)
"""The Chinese name of each segment and type."""


class Naming(Protocol):
    """How scored customers are named."""

    def learned(self, bought: pd.DataFrame) -> Self:
        """The same with what it must know of the customers who bought."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names it gives."""

    def codes(self, table: pd.DataFrame) -> npt.NDArray[np.int64]:
        """For each customer who bought, with the values and the scores r, f and m: the place of the name."""


@final
@dataclass(frozen=True)
class Grid(Shown):
    """The usual ten segments, by the scores of recency and frequency.

    >>> from crmintel.segmentation import RFM
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> RFM(naming=Grid()).fit(log, at=log.end).segments()["segment"].value_counts().index[0]
    'hibernating'
    """

    def learned(self, bought: pd.DataFrame) -> Self:
        """The same with what it must know of the customers who bought."""
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names it gives."""
        return tuple(n for *_, n in _GRID)

    def codes(self, table: pd.DataFrame) -> npt.NDArray[np.int64]:
        """For each customer who bought, the place of the name."""
        place = np.zeros((SCORES + 1) ** 2, np.int64)
        for (r, f), name in NAMES.items():
            place[(SCORES + 1) * r + f] = self.names.index(name)
        return np.asarray(place[(SCORES + 1) * table["r"].to_numpy() + table["f"].to_numpy()])


@final
@dataclass(frozen=True)
class EightTypes(Shown):
    """Eight types: better or worse than the usual customer in recency, in frequency and in money.

    Parameters
    ----------
    usual : {"mean", "median"}, default="mean"
        What better is compared with. The mean is the rule of the textbooks; a few rich customers move it, not the median.
        A customer who equals it is better.

    Examples
    --------
    >>> from crmintel.segmentation import RFM
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> RFM(naming=EightTypes()).fit(log, at=log.end).segments(language="zh")["segment"].value_counts().index[0]
    '一般发展客户'
    """

    usual: Literal["mean", "median"] = "mean"
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.usual not in ("mean", "median"):
            raise DataContractError(f"usual is {self.usual!r}. Choose 'mean' or 'median'.")

    def learned(self, bought: pd.DataFrame) -> Self:
        """The same with what it must know of the customers who bought."""
        if "monetary" not in bought:
            raise DataContractError(
                "The eight types need amounts. Map 'amount', or use the grid of recency and frequency."
            )
        told = bought.median() if self.usual == "median" else bought.apply(_mean)
        return type(self)(self.usual, {str(c): float(x) for c, x in told.items()})

    @property
    def names(self) -> tuple[str, ...]:
        """The names it gives."""
        return tuple(TYPES.values())

    def codes(self, table: pd.DataFrame) -> npt.NDArray[np.int64]:
        """For each customer who bought, the place of the name."""
        better = [
            table[c].to_numpy() >= t - slack if c != "recency_days" else table[c].to_numpy() <= t + slack
            for c, t in self.thresholds.items()
            for slack in [_ROUNDING * max(abs(t), 1.0)]  # the mean of equal values may miss them by a rounding
        ]
        place = np.array([list(TYPES).index((bool(i & 4), bool(i & 2), bool(i & 1))) for i in range(8)])
        return np.asarray(place[better[0] * 4 + better[1] * 2 + better[2]], np.int64)


def _mean(column: pd.Series) -> float:
    """The mean, whatever the order of the rows."""
    return float(np.sort(column.to_numpy()).mean())
