"""Whether an experiment was carried out as planned: nothing may be read of it otherwise."""

from typing import Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from crmintel.actions.effects.trial import Float, Int
from crmintel.errors import DataContractError

ALARM: Final = 0.001
"""Chance makes arms differ from the plan by so much once in a thousand experiments."""
COLUMNS: Final = ["check", "where", "customers", "statistic", "p", "fits"]


def one_arm_each(arm: Int, customer: Int) -> None:
    """Refuse customers in more than one arm (BAD_INPUTS row 106)."""
    pairs = pd.DataFrame({"customer": customer, "arm": arm}).drop_duplicates()
    both = int((pairs["customer"].value_counts() > 1).sum())
    if both:
        raise DataContractError(
            f"{both:,} of {pairs['customer'].nunique():,} customers are in more than one arm, so their outcomes tell of none. "
            "Find out how they were assigned; leaving them out is right only if it happened to all arms alike."
        )


def sample_ratio(arm: Int, share: Float, names: tuple[str, ...]) -> tuple[float, float]:
    """Chi-square and p of the counts of the arms against the plan; a mismatch is refused (BAD_INPUTS row 105)."""
    counts = np.bincount(arm, minlength=len(share))
    statistic, p = _chi(counts, share)
    if p < ALARM:
        seen = ", ".join(
            f"{n} {c:,} ({e:,.0f} planned)" for n, c, e in zip(names, counts, share * len(arm), strict=True)
        )
        raise DataContractError(
            f"The arms do not have the sizes that were planned: {seen}; chance makes such a gap in {p:.1g} of experiments. No effect "
            "can be read. Look for rows lost after the assignment, such as by errors, bots, or a filter that the action changes."
        )
    return statistic, p


def ratio_checks(arm: Int, share: Float, names: tuple[str, ...], **groups: Any) -> pd.DataFrame:
    """The counts of all, and of each group (a stratum, a day), against the plan.

    Of many groups some stray: each is judged at its part of `ALARM`.
    """
    rows = [("arms as planned", "all", len(arm), *sample_ratio(arm, share, names), True)]
    for what, labels in groups.items():
        if labels is None:
            continue
        codes, found = pd.factorize(pd.Index(labels), sort=True)
        table = np.bincount(codes * len(share) + arm, minlength=len(found) * len(share)).reshape(len(found), -1)
        for label, counts in zip(found, table, strict=True):
            statistic, p = _chi(counts, share)
            name = f"{label:%Y-%m-%d}" if isinstance(label, pd.Timestamp) else str(label)
            rows.append((f"arms as planned, by {what}", name, int(counts.sum()), statistic, p, p * len(found) >= ALARM))
    return pd.DataFrame(rows, columns=COLUMNS)


def balance_checks(before: Float, columns: list[str], arm: Int, arms: int, customer: Int | None) -> pd.DataFrame:
    """Whether each covariate has the same mean in all arms, as all that is from before the assignment must."""
    from crmintel.actions.experiments.compared import means

    rows = []
    for name, column in zip(columns, before.T, strict=True):
        found = [means(column, arm, arms, customer=customer).difference(a, 0.95) for a in range(1, arms)]
        p = min(min(f[3] for f in found) * len(found), 1.0)
        rows.append(
            ("alike before", name, len(column), float(max(abs(f[0]) for f in found)), p, p * before.shape[1] >= ALARM)
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def _chi(counts: Any, share: Float) -> tuple[float, float]:
    expected = share * counts.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return statistic, float(stats.chi2.sf(statistic, len(share) - 1))
