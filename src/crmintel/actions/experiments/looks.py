"""An experiment that is looked at while it runs: limits that hold however often one looks."""

from typing import Any, Final

import numpy as np
import pandas as pd

from crmintel.actions.effects.trial import Float, Trial
from crmintel.actions.proof.sequences import confidence_sequence
from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Estimate
from crmintel.evaluation.tables import verdict

ANY_TIME: Final = "any time"


def sequence_of(trial: Trial, share: Float, when: pd.DatetimeIndex | None, look_at: int, level: float) -> pd.DataFrame:
    """Limits for each action as the customers came.

    Each customer's score is the difference of the arms' means so far, corrected by his own outcome over the probability of his arm:
    the mean of scores is the effect, and means that were known before him take most of the noise away.
    """
    if when is None or (trial.customer is not None and len(np.unique(trial.customer)) < len(trial)):
        raise DataContractError(
            "look_at needs at, the instant of each assignment, and one row a customer. Sum the outcomes of each customer first."
        )
    if look_at < 1:
        raise DataContractError(f"look_at is {look_at}. Give the customers after whom most depends on the limits.")
    order = np.lexsort((trial.outcome, trial.arm, when.asi8))
    y, got = trial.outcome[order], trial.got[order].astype(np.float64)
    so_far = (np.cumsum(y) - y) / np.maximum(np.arange(len(y)), 1)
    seen = np.cumsum(got, axis=0) - got
    guess = (np.cumsum(got * y[:, None], axis=0) - got * y[:, None] + so_far[:, None]) / (seen + 1)
    scores = guess + got * (y[:, None] - guess) / share
    parts = []
    for a, name in enumerate(trial.names[1:], start=1):
        found = confidence_sequence(scores[:, a] - scores[:, 0], level=level, focus=look_at)
        found.columns = pd.Index(["customers", "difference", "low", "high"])
        parts.append(found.assign(arm=name)[["arm", "customers", "difference", "low", "high"]])
    return pd.concat(parts, ignore_index=True)


def at_any_time(plain: pd.DataFrame, sequence: pd.DataFrame, trial: Trial, level: float) -> pd.DataFrame:
    """The table with the last limits of the sequence in the place of those for one look."""
    last = sequence.groupby("arm", sort=False).tail(1).set_index("arm").loc[plain["arm"]].reset_index()
    out = plain.assign(**{c: last[c] for c in ("difference", "low", "high")}, method=ANY_TIME)
    out[["p", "lift_low", "lift_high"]] = np.nan
    out["lift"] = (out["difference"] / out["control_mean"]).where(plain["lift"].notna())
    rows: list[Any] = list(out.itertuples())
    out["verdict"] = [
        verdict(Estimate(r.difference, r.low, r.high, level, ANY_TIME), cases=cases(trial, a))
        for a, r in enumerate(rows, start=1)
    ]
    return out


def cases(trial: Trial, arm: int) -> int:
    """Rows of the rarer outcome of two arms, where there are two outcomes; else rows of the smaller arm."""
    y = trial.outcome[np.isin(trial.arm, (0, arm))]
    counts = [int((y == y.min()).sum()), int((y == y.max()).sum())]
    if y.min() < y.max() and sum(counts) == len(y):
        return min(counts)
    return int(min((trial.arm == 0).sum(), (trial.arm == arm).sum()))
