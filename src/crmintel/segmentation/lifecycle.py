"""Where each customer stands, told by the customer's own rhythm rather than by one number of days for all."""

import warnings
from dataclasses import dataclass
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from crmintel import features as f
from crmintel.columns import KIND, PURCHASE, STAGE
from crmintel.errors import DataContractError, DataContractWarning
from crmintel.evaluation.intervals import wilson
from crmintel.features import FeatureSet
from crmintel.interactions import InteractionLog
from crmintel.interactions.clock import DAY
from crmintel.segmentation.doors import log_of

Float = npt.NDArray[np.float64]
Late = tuple[float, float, float]
STAGES = ("prospect", "new", "growing", "loyal", "regular", "reactivated", "declining", "at risk", "dormant", "lost")
TAIL: Final = 0.05
"""How often a rate that did not change may be called growing, and how often declining."""
STRETCH: Final = 8
"""Own gaps that the recent rate is told over: over fewer, too few purchases are expected to see a decline."""
STALE: Final = 30
"""Days that a log may end before the instant without a word."""
_FEW: Final = 10
_UNKNOWN_BETWEEN: Final = 0.5
_UNKNOWN_GAP: Final = 30.0


def lifecycle_stage(log: InteractionLog, *, at: Any, late: Late = (1.0, 2.0, 4.0)) -> pd.DataFrame:
    """The stage of every customer known before an instant.

    A customer's own gap is shrunk towards the base: with few gaps of one's own, the usual gap of everybody counts more.
    Silence of up to one own gap is normal, up to two is *at risk*, up to four *dormant*, beyond that *lost*
    (`late` sets the multiples). *Reactivated*: a gap beyond the last multiple ended within the last two gaps (the second
    multiple). *New*: known for less than one usual gap of the base. *Growing* and *declining*: the rate in the last eight
    gaps, or in the later half of the time known where that is shorter, differs from the rate before, beyond chance (exact
    conditional test, 5 % to each side). *Loyal*: none of these, and more active days than the median.

    Parameters
    ----------
    log : InteractionLog
    at : instant
    late : three rising numbers above 0
        Silences, as multiples of the own gap, from which customers are at risk, dormant and lost.

    Returns
    -------
    DataFrame
        One row a customer: own_gap_days, silence (days since the last purchase over the own gap), stage.

    Raises
    ------
    DataTypeError, DataContractError
        If it is no log, or `late` does not rise.

    Notes
    -----
    The own gap is exp((n log g + k c) / (n + k)): n gaps with mean g, c the mean of log g over customers, k the ratio of
    the squared coefficient of variation of gaps to the variance of log g between customers (.5, where fewer than ten
    customers have three gaps). Gaps that have not ended are not in it, so where customers are known for few gaps, own gaps
    are too short: see `return_rates` for what silences of each length meant.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> lifecycle_stage(log, at=log.end)["stage"].value_counts().to_dict()
    {'lost': 50, 'loyal': 38, 'at risk': 36, 'dormant': 30, 'regular': 25, 'new': 7, 'growing': 6, 'prospect': 6, 'reactivated': 2}
    """
    _check(log_of(log), at, late)
    buys = f.where(kind=PURCHASE)
    t = FeatureSet([f.recency(buys), f.tenure(buys), f.active_days(buys), f.gaps(buys)]).build(log, at)
    since, tenure, days = (
        t[c].to_numpy() for c in ("recency_days_purchase", "tenure_days_purchase", "active_days_purchase_all")
    )
    gap, spread, last_gap = (t[f"gap_purchase_{c}_all"].to_numpy() for c in ("mean", "spread", "last"))
    rhythm = Rhythm.of(gap, spread, days - 1)
    own = rhythm.own(gap, days - 1)
    silence = since / own
    recent, length = _days_within(log, at, np.minimum(STRETCH * own, np.nan_to_num(tenure, nan=1.0) / 2))
    trend = _changed(recent, np.minimum(length, tenure), days - recent, np.maximum(tenure - length, 0))
    conditions = [
        days == 0, silence > late[2], silence > late[1], last_gap > late[2] * own, silence > late[0],
        tenure < rhythm.usual, trend < 0, trend > 0, days > _median(days[days > 0]),
    ]  # fmt: skip
    names = ["prospect", "lost", "dormant", "reactivated", "at risk", "new", "declining", "growing", "loyal"]
    stage = pd.array(np.select(conditions, names, "regular"), dtype="str")
    return pd.DataFrame({"own_gap_days": own, "silence": silence, STAGE: stage}, index=t.index)


def return_rates(log: InteractionLog, *, at: Any, late: Late = (1.0, 2.0, 4.0)) -> pd.DataFrame:
    """How often customers came back after silences as long as those that stages are named after.

    Of all gaps between days with a purchase, and the silences that still last, those that reached a multiple of the
    customer's own gap: which share ended with a purchase before the instant. Each gap is held against the own gap that the
    customer's other gaps tell.

    Parameters
    ----------
    log, at, late
        As in `lifecycle_stage`.

    Returns
    -------
    DataFrame
        One row a multiple in `late`: silence, stage (that begins there), reached, returned, rate, low, high (Wilson, 95 %).
        Silences that still last may yet end, so a rate is the least that it can be.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> return_rates(log, at=log.end)[["stage", "reached", "returned"]].to_numpy().tolist()
    [['at risk', 830, 713], ['dormant', 379, 299], ['lost', 122, 72]]
    """
    stages = lifecycle_stage(log, at=at, late=late)
    gap, n, each = _all_gaps(log.before(at))
    mean = np.bincount(each, weights=gap, minlength=len(n)) / np.maximum(n, 1)
    off = np.bincount(each, weights=(gap - mean[each]) ** 2, minlength=len(n))
    spread = np.sqrt(np.divide(off, n - 1, out=np.full(len(n), np.nan), where=n > 1))
    rhythm = Rhythm.of(np.where(n > 0, mean, np.nan), spread, n)
    others, rest = _of_others(gap, each, n)
    ended = gap / rhythm.own(others, rest)
    lasting = stages["silence"].dropna().to_numpy()
    rows = []
    for multiple, stage in zip(late, ("at risk", "dormant", "lost"), strict=True):
        returned = int((ended > multiple).sum())
        reached = returned + int((lasting > multiple).sum())
        rate = wilson(returned, reached) if reached else None
        told = (rate.value, rate.low, rate.high) if rate else (np.nan, np.nan, np.nan)
        rows.append((multiple, stage, reached, returned, *told))
    return pd.DataFrame(rows, columns=["silence", STAGE, "reached", "returned", "rate", "low", "high"])


@final
@dataclass(frozen=True)
class Rhythm:
    """What the gaps of a base have in common.

    Parameters
    ----------
    usual : float
        The usual gap, in days.
    pull : float
        How many gaps of one's own the usual gap is worth.
    """

    usual: float
    pull: float

    @classmethod
    def of(cls, gap: Float, spread: Float, number: Float) -> Self:
        """From each customer's mean gap, its standard deviation, and the number of gaps."""
        known = (number > 0) & (gap > 0)
        if not known.any():
            return cls(_UNKNOWN_GAP, 1.0)
        logs, n = np.log(gap[known]), number[known]
        centre = float(np.average(logs, weights=np.minimum(n, 10)))
        varied = known & (number > 1) & ~np.isnan(spread)
        free = number[varied] - 1
        within = float(np.average((spread[varied] / gap[varied]) ** 2, weights=free)) if varied.any() else 1.0
        often = n >= 3
        between = _UNKNOWN_BETWEEN
        if often.sum() > _FEW:
            between = float(np.var(logs[often]) - within * np.mean(1 / n[often]))
        return cls(float(np.exp(centre)), max(within, 0.05) / max(between, 0.05))

    def own(self, gap: Float, number: Float) -> Float:
        """The own gap of customers with a mean gap and a number of gaps."""
        known = (number > 0) & (gap > 0)
        n, logs = np.where(known, number, 0.0), np.log(np.where(known, gap, 1.0))
        return np.asarray(np.exp((n * logs + self.pull * np.log(self.usual)) / (n + self.pull)))


def _check(log: InteractionLog, at: Any, late: Late) -> None:
    """Refuse multiples that do not rise, and say when the log ends long before the instant."""
    if len(late) != 3 or not 0 < late[0] < late[1] < late[2]:
        raise DataContractError(f"late is {late!r}. Give three rising numbers above 0, such as (1, 2, 4).")
    stale = (log.zone.instant(at) - log.zone.instant(log.end)) / DAY
    if stale > STALE:
        warnings.warn(
            f"The log ends {stale:,.0f} days before the instant, and all that time counts as silence. Use an earlier instant, or "
            "a newer log.",
            DataContractWarning,
            stacklevel=3,
        )


def _all_gaps(log: InteractionLog) -> tuple[Float, Float, npt.NDArray[np.int64]]:
    """Every gap between neighbouring local days with a purchase, in days; how many each customer has; whose each is."""
    gaps, counts, whose, buys, before = [np.zeros(0)], [np.zeros(0)], [np.zeros(0, np.int64)], f.where(kind=PURCHASE), 0
    for part in log.parts({KIND}):
        bought = buys.mask(part, log.zone)
        customer, day = part.customer_codes[bought], log.zone.to_local(part.time[bought]) // DAY
        gap = np.diff(day)
        there = (np.diff(customer) == 0) & (gap > 0)
        gaps.append(gap[there].astype(np.float64))
        whose.append(customer[1:][there] + before)
        counts.append(np.bincount(customer[1:][there], minlength=len(part.customers)).astype(np.float64))
        before += len(part.customers)
    return np.concatenate(gaps), np.concatenate(counts), np.concatenate(whose)


def _of_others(gap: Float, each: npt.NDArray[np.int64], n: Float) -> tuple[Float, Float]:
    """For each gap the mean of the customer's other gaps, and how many they are."""
    total = np.bincount(each, weights=gap, minlength=len(n))[each] - gap
    rest = n[each] - 1
    return np.divide(total, rest, out=np.full(len(gap), np.nan), where=rest > 0), rest


def _median(values: Float) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _days_within(log: InteractionLog, at: Any, wanted: Float) -> tuple[Float, Float]:
    """Active days in a last stretch of about the wanted length of each customer's own, and the length really taken."""
    ladder = np.array([int(d) for d in np.unique(np.geomspace(1, 2048, 23).round())])
    table = (
        FeatureSet([f.active_days(f.where(kind=PURCHASE)).over(*(f"{d}d" for d in ladder))]).build(log, at).to_numpy()
    )
    rung = np.clip(np.searchsorted(ladder, wanted), 0, len(ladder) - 1)
    return table[np.arange(len(table)), rung], ladder[rung].astype(np.float64)


def _changed(recent: Float, recent_time: Float, before: Float, before_time: Float) -> npt.NDArray[np.int64]:
    """+1 or −1 where the rate rose or fell beyond chance: given the total, the recent count is binomial."""
    total = recent + before
    known = (total > 0) & (before_time > 0) & (recent_time > 0)
    share = np.where(known, recent_time / np.where(known, recent_time + before_time, 1.0), 0.5)
    low, high = stats.binom.cdf(recent, total, share), stats.binom.sf(recent - 1, total, share)
    return np.where(known & (high < TAIL), 1, np.where(known & (low < TAIL), -1, 0))
