"""What a promotion changed, as far as transactions can tell, and whether that is its effect."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd
from scipy import stats

from crmintel.actions.effects.trial import FEWEST, Float, Int
from crmintel.actions.experiments.compared import Means, means
from crmintel.actions.experiments.counted import Windows, counted
from crmintel.actions.experiments.ratio import ALARM
from crmintel.columns import CUSTOMER
from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Estimate
from crmintel.evaluation.tables import page
from crmintel.features.instants import same_kind
from crmintel.interactions import InteractionLog

WITH: Final = "with less without"
CHANGE: Final = "change with less change without"
COLUMNS: Final = [
    "what",
    "when",
    "how",
    "treated",
    "controls",
    "mean",
    "control_mean",
    "difference",
    "low",
    "high",
    "p",
]
NEEDED: Final = (
    "To know it, hold out a random part of the customers next time (assign, design_experiment), log the probability of each, "
    "and pass it as propensity."
)


@final
@dataclass(frozen=True, eq=False)
class PromotionEffect:
    """What customers with a promotion did beside those without.

    Parameters
    ----------
    table : DataFrame
        what (orders, money, orders of other items), when (during, after, during and after), how (with less without; or their changes
        against the earlier periods), treated, controls (customers), mean, control_mean, difference, low, high, p; a customer.
    earlier : DataFrame
        Between periods when nobody had the promotion: what, period (its start), difference of the changes, low, high. They should be
        0.
    trends : DataFrame
        what, statistic, df, p, parallel: whether all of them are 0 together.
    causal : bool
        Whether the probability of the promotion was known: only then a difference is an effect.
    statement : str
        What may be claimed, and what else would be needed.
    level : float

    Examples
    --------
    >>> from crmintel.actions import promotion_effect
    >>> from crmintel.datasets import simulate
    >>> world = simulate(1000, days=200, promotion_effect=3.0, seed=1)
    >>> sent = world.promotions[world.promotions["promotion_id"] == 2].set_index("customer_id")
    >>> start = sent["at"].iloc[0]
    >>> told = promotion_effect(world.log(quiet=True), sent["treated"], start, start + pd.Timedelta(days=14), propensity=0.5)
    >>> told
    orders during, effect a customer: 0.797 (0.6043 to 0.9896)
    money during, effect a customer: 27.96 (18.02 to 37.89)
    The promotion was drawn with known probabilities, so the differences between those with and without it are its effects.
    """

    table: pd.DataFrame
    earlier: pd.DataFrame
    trends: pd.DataFrame
    causal: bool
    statement: str
    level: float

    def headline(self, what: str = "orders", when: str = "during") -> Estimate:
        """The figure to show: with less without where the promotion was drawn, the difference of changes otherwise."""
        how = WITH if self.causal else CHANGE
        found = self.table[(self.table["what"] == what) & (self.table["when"] == when) & (self.table["how"] == how)]
        if found.empty:
            seen = ", ".join(sorted({f"{r.what} {r.when}" for r in self.table.itertuples()}))
            raise DataContractError(f"There is no figure of {what!r} {when!r}. There are: {seen}.")
        row = found.iloc[0]
        return Estimate(float(row["difference"]), float(row["low"]), float(row["high"]), self.level, how)

    def to_frame(self) -> pd.DataFrame:
        """One row a figure."""
        return self.table.copy(deep=False)

    def __repr__(self) -> str:
        word = "effect" if self.causal else "difference (not causal)"
        told = [f"{what} during, {word} a customer: {self.headline(what):.4g}" for what in self.table["what"].unique()]
        return "\n".join([*told, self.statement])

    def _repr_html_(self) -> str:
        return page(self.statement, figures=self.table, earlier_periods=self.earlier, parallel_trends=self.trends)


def promotion_effect(
    log: InteractionLog,
    treated: Any,
    start: Any,
    end: Any,
    *,
    controls: Any = None,
    propensity: Any = None,
    items: Any = None,
    before: int = 3,
    level: float = 0.95,
) -> PromotionEffect:
    """What customers with a promotion did in [start, end) and as long after it, beside those without.

    Parameters
    ----------
    log : InteractionLog
    treated : Series of bool by customer, or identifiers
        Who got it.
    start, end : instants
    controls : identifiers, optional
        Who did not; all others that were there before the start, where it is left out.
    propensity : float or Series by customer, optional
        The probability with which each got it, as drawn. Without it nothing is called an effect.
    items : identifiers of items, optional
        What was promoted: then orders of other items are told, too.
    before : int, default=3
        So many earlier periods of the same length, with which changes are told and trends are compared.

    Raises
    ------
    DataContractError
        If a group is too small or customers are in both, are unknown, or propensities are no probabilities, or not those by which
        the promotion was given.
    LeakageError
        If the log ends before the promotion does.

    Notes
    -----
    Customers first seen before the start are compared, others are left out; with known propensities each counts for one over the probability of what he
    got. Changes are those of each customer against his mean of the earlier periods, of customers who were there in all of them:
    groups that differ, but move alike, have equal changes. The changes between earlier periods test that (Wald). A negative
    difference after the end says that orders were only brought forward; it is told if the log covers that time.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> world = simulate(2000, days=200, promotion_effect=3.0, seed=1)
    >>> sent = world.promotions[world.promotions["promotion_id"] == 2].set_index("customer_id")
    >>> start = sent["at"].iloc[0]
    >>> end = start + pd.Timedelta(days=14)
    >>> promotion_effect(world.log(), sent["treated"], start, end, propensity=sent["propensity"]).causal
    True
    >>> promotion_effect(world.log(), sent["treated"], start, end).causal
    False
    """
    if isinstance(before, bool) or not isinstance(before, int) or before < 1:
        raise DataContractError(f"before is {before!r}. Give the number of earlier periods, at least 1.")
    if not 0.5 <= level < 1:
        raise DataContractError(f"level is {level}. Give the confidence, such as 0.95.")
    windows = Windows.of(log, start, end, before)
    ids, got = _groups(log, treated, controls, windows)
    weight = None if propensity is None else _weights(propensity, ids, got)
    found = counted(log, ids, windows, items)
    steady = found.known
    if min(np.bincount(got[steady], minlength=2)) < FEWEST:
        steady = np.zeros(len(ids), bool)
    rows, earlier, trends = [], [], []
    for what, values in found.values.items():
        past = values[:, :before]
        for when, y in _whens(values[:, before:]):
            rows.append((what, when, WITH, *_compare(y, got, weight, level)))
            if steady.any():
                span = 2 if when == "during and after" else 1
                w = None if weight is None else weight[steady]
                rows.append(
                    (what, when, CHANGE, *_compare((y - span * past.mean(axis=1))[steady], got[steady], w, level))
                )
        if before > 1 and steady.any():
            change = np.diff(past[steady], axis=1)
            told, test = _placebo(change, got[steady], None if weight is None else weight[steady], level)
            earlier += [(what, when, *t) for when, t in zip(windows.stamps(log)[1:before], told, strict=True)]
            trends.append((what, *test))
    table = pd.DataFrame(rows, columns=COLUMNS)
    tests = pd.DataFrame(trends, columns=["what", "statistic", "df", "p", "parallel"])
    causal = weight is not None
    said = _statement(causal, tests, bool(steady.any()), table)
    told_earlier = pd.DataFrame(earlier, columns=["what", "period", "difference", "low", "high"])
    return PromotionEffect(table, told_earlier, tests, causal, said, level)


def _groups(log: InteractionLog, treated: Any, controls: Any, windows: Windows) -> tuple[pd.Index, Int]:
    """Customers who were there before the start, and whether each got the promotion."""
    if isinstance(treated, pd.Series) and pd.api.types.is_bool_dtype(treated.dtype):
        others = treated.index[~treated.to_numpy(bool)]
        treated, controls = treated.index[treated.to_numpy(bool)], others if controls is None else controls
    there = log.before(log.zone.stamp(windows.start)).customers
    groups = [_index(treated, log)]
    groups.append(there.difference(groups[0]) if controls is None else _index(controls, log))
    both = len(groups[0].intersection(groups[1]))
    unknown = [len(g.difference(log.customers)) for g in groups]
    if both or any(2 * n > len(g) for n, g in zip(unknown, groups, strict=True)):
        raise DataContractError(
            f"{both:,} customers are both treated and controls; {unknown[0]:,} of {len(groups[0]):,} treated and {unknown[1]:,} of "
            f"{len(groups[1]):,} controls are not in the log. Put each into one group, under the identifiers of the log."
        )
    groups = [g.intersection(there) for g in groups]
    if min(map(len, groups)) < FEWEST:
        raise DataContractError(
            f"{len(groups[0]):,} treated and {len(groups[1]):,} controls were there before the start. Each group needs at least {FEWEST}: "
            "without customers who did not get it, nothing tells the promotion from the season."
        )
    ids = groups[0].append(groups[1])
    order = np.argsort(ids)
    return pd.Index(ids[order], name=CUSTOMER), (np.arange(len(ids)) < len(groups[0])).astype(np.int64)[order]


def _index(ids: Any, log: InteractionLog) -> pd.Index:
    out: pd.Index = pd.Index(ids, name=CUSTOMER).unique()
    same_kind(out, log)
    return out


def _weights(propensity: Any, ids: pd.Index, got: Int) -> Float:
    """One over the probability of what each got, if the promotion was given with these probabilities."""
    told = propensity.reindex(ids) if isinstance(propensity, pd.Series) else np.full(len(ids), propensity)
    p = np.asarray(told, np.float64)
    if bad := int((~((p > 0) & (p < 1))).sum()):
        raise DataContractError(
            f"propensity is missing, or not between 0 and 1, for {bad:,} of {len(ids):,} customers. Give the probability of the "
            "promotion; leave out as treated and as controls those whom chance could not place."
        )
    z = float((got - p).sum() / np.sqrt((p * (1 - p)).sum()))
    if 2 * stats.norm.sf(abs(z)) < ALARM:
        raise DataContractError(
            f"{got.sum():,} of {len(ids):,} customers got the promotion where {p.sum():,.0f} were expected: it was not given with these "
            "propensities. Pass those it was drawn with, for everybody who was drawn."
        )
    return np.where(got == 1, 1 / p, 1 / (1 - p))


def _whens(values: Float) -> list[tuple[str, Float]]:
    told = [("during", values[:, 0])]
    if values.shape[1] > 1:
        told += [("after", values[:, 1]), ("during and after", values[:, 0] + values[:, 1])]
    return told


def _compare(y: Float, got: Int, weight: Float | None, level: float) -> tuple[Any, ...]:
    found = means(y, got, 2, weight=weight)
    gap, low, high, p = found.difference(1, level)
    return int(found.units[1]), int(found.units[0]), found.value[1], found.value[0], gap, low, high, p


def _placebo(
    change: Float, got: Int, weight: Float | None, level: float
) -> tuple[list[tuple[float, float, float]], tuple[float, int, float, bool]]:
    """The difference of each earlier change, and whether all are 0: a Wald test with their joint spread."""
    found: list[Means] = [means(column, got, 2, weight=weight) for column in change.T]
    gaps = np.array([m.value[1] - m.value[0] for m in found])
    w = np.ones(len(got)) if weight is None else weight
    joint = np.zeros((change.shape[1],) * 2)
    for arm in (0, 1):
        here = got == arm
        part = w[here] / w[here].sum()
        left = (change[here] - part @ change[here]) * part[:, None]
        joint += left.T @ left
    statistic, df = float(gaps @ np.linalg.pinv(joint) @ gaps), int(np.linalg.matrix_rank(joint))
    p = float(stats.chi2.sf(statistic, df)) if df else float(not gaps.any())
    return [m.difference(1, level)[:3] for m in found], (statistic, df, p, bool(p >= 1 - level))


def _statement(causal: bool, trends: pd.DataFrame, steady: bool, table: pd.DataFrame) -> str:
    said = []
    if causal:
        said.append(
            "The promotion was drawn with known probabilities, so the differences between those with and without it are its effects."
        )
    else:
        said.append(
            "Not causal: nobody knows with which probability each customer got the promotion, so those with it may differ anyway."
        )
        odd = ", ".join(trends.loc[~trends["parallel"].astype(bool), "what"])
        if not steady:
            said.append("Too few customers were there in all earlier periods to compare changes.")
        elif trends.empty:
            said.append("One earlier period cannot show whether the groups moved alike.")
        elif odd:
            said.append(f"They moved differently before it, too ({odd}): not even the changes can be compared.")
        else:
            said.append(
                "No different trend is seen in the earlier periods, which makes the change plausible, but does not prove it."
            )
        said.append(NEEDED)
    after = table[
        (table["when"] == "after") & (table["what"] == "orders") & (table["how"] == (WITH if causal else CHANGE))
    ]
    if not (table["when"] == "after").any():
        said.append("The log ends too early to see whether orders were only brought forward.")
    elif (after["high"] < 0).any():
        said.append("Orders are fewer after the end: some were only brought forward, so look at both periods together.")
    return " ".join(said)
