"""Where each customer stands, told by the customer's own rhythm rather than by one number of days for all."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from crmintel import features as f
from crmintel.columns import KIND, PURCHASE, STAGE
from crmintel.evaluation.intervals import wilson
from crmintel.features import FeatureSet
from crmintel.interactions import InteractionLog
from crmintel.interactions.clock import DAY

Float = npt.NDArray[np.float64]
STAGES = ("prospect", "new", "growing", "loyal", "regular", "reactivated", "declining", "at risk", "dormant", "lost")
LEVEL = 0.95


def lifecycle_stage(
    log: InteractionLog, *, at: Any, late: tuple[float, float, float] = (1.0, 2.0, 4.0)
) -> pd.DataFrame:
    """The stage of every customer known before an instant.

    A customer's own gap is shrunk towards the base: with few gaps of one's own, the usual gap of everybody counts more.
    Silence of up to one own gap is normal, up to two is *at risk*, up to four *dormant*, beyond that *lost*
    (`late` sets the multiples). *Reactivated*: a gap beyond the last multiple ended within the last two gaps. *New*: known
    for less than one usual gap of the base. *Growing* and *declining*: the rate in the last two gaps differs from the rate
    before, beyond chance (exact conditional test at 95 %). *Loyal*: none of these, and more active days than the median.

    Returns
    -------
    DataFrame
        One row a customer: own_gap_days, silence (days since the last purchase over the own gap), stage.
    """
    buys = f.where(kind=PURCHASE)
    t = FeatureSet([f.recency(buys), f.tenure(buys), f.active_days(buys), f.gaps(buys)]).build(log, at)
    since, tenure, days = (
        t[c].to_numpy() for c in ("recency_days_purchase", "tenure_days_purchase", "active_days_purchase_all")
    )
    gap, last_gap = t["gap_purchase_mean_all"].to_numpy(), t["gap_purchase_last_all"].to_numpy()
    own, usual = _own_gaps(gap, days - 1)
    silence = since / own
    recent, length = _days_within(log, at, 2 * own)
    trend = _changed(recent, np.minimum(length, tenure), days - recent, np.maximum(tenure - length, 0))
    conditions = [
        days == 0, silence > late[2], silence > late[1], silence > late[0],
        (last_gap > late[2] * own) & (silence <= 2), tenure < usual, trend < 0, trend > 0, days > _median(days[days > 0]),
    ]  # fmt: skip
    names = ["prospect", "lost", "dormant", "at risk", "reactivated", "new", "declining", "growing", "loyal"]
    stage = pd.array(np.select(conditions, names, "regular"), dtype="str")
    return pd.DataFrame({"own_gap_days": own, "silence": silence, STAGE: stage}, index=t.index)


def return_rates(log: InteractionLog, *, at: Any, late: tuple[float, float, float] = (1.0, 2.0, 4.0)) -> pd.DataFrame:
    """How often customers came back after silences as long as those that stages are named after.

    Of all gaps between days with a purchase, and the silences that still last, those that reached a multiple of the
    customer's own gap: which share ended with a purchase before the instant.

    Returns
    -------
    DataFrame
        One row a multiple in `late`: silence, stage (that begins there), reached, returned, rate, low, high (Wilson, 95 %).
    """
    stages = lifecycle_stage(log, at=at, late=late)
    gaps, own = _all_gaps(log.before(at), stages["own_gap_days"])
    lasting = stages["silence"].to_numpy()
    lasting = lasting[~np.isnan(lasting)]
    rows = []
    for multiple, stage in zip(late, ("at risk", "dormant", "lost"), strict=True):
        returned = int((gaps > multiple * own).sum())
        reached = returned + int((lasting > multiple).sum())
        rate = wilson(returned, reached) if reached else None
        told = (rate.value, rate.low, rate.high) if rate else (np.nan, np.nan, np.nan)
        rows.append((multiple, stage, reached, returned, *told))
    return pd.DataFrame(rows, columns=["silence", STAGE, "reached", "returned", "rate", "low", "high"])


def _all_gaps(log: InteractionLog, own: pd.Series) -> tuple[Float, Float]:
    """Every gap between neighbouring local days with a purchase, in days, and the own gap of its customer."""
    gaps, owns, buys = [np.zeros(0)], [np.zeros(0)], f.where(kind=PURCHASE)
    for part in log.parts({KIND}):
        bought = buys.mask(part, log.zone)
        customer, day = part.customer_codes[bought], log.zone.to_local(part.time[bought]) // DAY
        gap, same = np.diff(day), np.diff(customer) == 0
        there = same & (gap > 0)
        usual = own.reindex(part.customers.to_pandas()).to_numpy()
        gaps.append(gap[there].astype(np.float64))
        owns.append(usual[customer[1:][there]])
    return np.concatenate(gaps), np.concatenate(owns)


def _own_gaps(gap: Float, number: Float) -> tuple[Float, float]:
    """Each customer's usual gap on the log scale, shrunk to the base by the ratio of variances; and the base's."""
    known = (number > 0) & (gap > 0)
    if not known.any():
        return np.full(len(gap), 30.0), 30.0
    logs, weight = np.log(gap[known]), number[known]
    centre = float(np.average(logs, weights=np.minimum(weight, 10)))
    often = weight >= 3
    between = float(np.var(logs[often])) if often.sum() > 10 else 0.5
    within = 1.0  # variance of a single log gap; an exponential gap has pi^2 / 6
    pull = within / max(between, 0.05)
    filled = np.where(known, np.log(np.where(known, gap, 1.0)), 0.0)
    count = np.where(known, number, 0.0)
    return np.exp((count * filled + pull * centre) / (count + pull)), float(np.exp(centre))


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
    tail = (1 - LEVEL) / 2
    low, high = stats.binom.cdf(recent, total, share), stats.binom.sf(recent - 1, total, share)
    return np.where(known & (high < tail), 1, np.where(known & (low < tail), -1, 0))
