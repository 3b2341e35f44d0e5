"""What the rows that were learned from prove: averages, groups, calibration, and whether arms overlap."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from crmintel.actions.effects.nuisance import Split
from crmintel.actions.effects.trial import Float, Int, Trial
from crmintel.columns import ACTION
from crmintel.evaluation.intervals import Estimate


def mean(values: Float, customer: Int | None = None, *, level: float = 0.95) -> Estimate:
    """A mean with its interval (normal, from the variance of the values); values of one customer are summed first.

    Parameters
    ----------
    values : float, shape (n_rows,)
        Doubly robust scores, or differences of them.
    customer : int, shape (n_rows,), optional

    Examples
    --------
    >>> print(mean(np.array([1.0, 2.0, 3.0, 4.0])))
    2.500 (1.235 to 3.765)
    """
    centre = float(values.mean())
    gap: Float = values - centre
    if customer is not None:
        gap = np.bincount(customer, gap)[np.bincount(customer) > 0].astype(np.float64)
    n = len(gap)
    if n < 2:
        return Estimate(centre, np.nan, np.nan, level, "normal")
    error = float(np.sqrt(np.sum(gap**2) * n / (n - 1)) / len(values))
    z = float(stats.norm.ppf((1 + level) / 2))
    return Estimate(centre, centre - z * error, centre + z * error, level, "normal")


@final
@dataclass(frozen=True, eq=False)
class Evidence:
    """Rows with their scores, in the order in which they were learned from.

    Parameters
    ----------
    trial : Trial
    way : Split
    scores : float, shape (n_rows, n_arms)
        Doubly robust: what each arm brings each row, without bias but with much noise.
    told_rows : int, shape (n_told,)
        The rows whose effects were told out of fold.
    effects : float, shape (n_told, n_actions)
    """

    trial: Trial
    way: Split
    scores: Float
    told_rows: Int
    effects: Float

    @property
    def differences(self) -> Float:
        """Scores of each action less those of doing nothing, shape (n_rows, n_actions)."""
        return np.asarray(self.scores[:, 1:] - self.scores[:, :1])

    def mean(self, values: Float, rows: npt.NDArray[Any] | None = None, level: float = 0.95) -> Estimate:
        """The mean of values of some rows, customers kept together."""
        c = self.trial.customer
        return mean(values, c if c is None or rows is None else pd.factorize(c[rows])[0].astype(np.int64), level=level)

    def calibration(self, parts: int, level: float) -> pd.DataFrame:
        """For each action: rows sorted by what they were told, in equal parts, beside what it was on average."""
        z, rows = self.differences[self.told_rows], []
        for a, name in enumerate(self.trial.names[1:]):
            told = self.effects[:, a]
            rank = (stats.rankdata(told, method="average") - 0.5) / len(told)
            part = np.minimum((rank * parts).astype(np.int64), parts - 1)
            for k in range(parts):
                here = np.flatnonzero(part == k)
                if len(here):
                    found = self.mean(z[here, a], self.told_rows[here], level)
                    rows.append((name, k + 1, len(here), told[here].mean(), found.value, found.low, found.high))
        return pd.DataFrame(rows, columns=[ACTION, "part", "customers", "told", "effect", "low", "high"])


def average(evidence: Evidence, level: float = 0.95) -> pd.DataFrame:
    """The average effect of each action with its interval."""
    z, counts = evidence.differences, np.bincount(evidence.trial.arm)
    found = [evidence.mean(z[:, a], level=level) for a in range(z.shape[1])]
    rows = [
        (name, int(n), e.value, e.low, e.high)
        for name, n, e in zip(evidence.trial.names[1:], counts[1:], found, strict=True)
    ]
    return pd.DataFrame(rows, columns=[ACTION, "customers", "effect", "low", "high"])


def by_group(evidence: Evidence, names: npt.NDArray[np.object_], level: float) -> pd.DataFrame:
    """The average effect of each action in each group."""
    z = evidence.differences
    rows = []
    for group, here in _groups(names):
        for a, action in enumerate(evidence.trial.names[1:]):
            e = evidence.mean(z[here, a], here, level)
            rows.append((group, action, len(here), e.value, e.low, e.high))
    return pd.DataFrame(rows, columns=["group", ACTION, "customers", "effect", "low", "high"])


def overlap(trial: Trial, propensity: Float) -> pd.DataFrame:
    """Whether every arm was possible for everybody, and whether its weights average to one.

    Returns
    -------
    DataFrame
        action, customers, share, least_propensity, effective (rows that weights leave), mean_weight, fits (whether the mean is 1
        within three standard errors).
    """
    rows = []
    for a, name in enumerate(trial.names):
        got = trial.arm == a
        weight = np.where(got, 1 / propensity[:, a], 0.0)
        error = weight.std() / np.sqrt(len(weight))
        fits = bool(abs(weight.mean() - 1) <= 3 * error + 1e-9)
        effective = weight.sum() ** 2 / (weight**2).sum()
        rows.append(
            (
                name,
                int(got.sum()),
                got.mean(),
                propensity[got if np.isnan(propensity[:, a]).any() else slice(None), a].min(),
                effective,
                weight.mean(),
                fits,
            )
        )
    return pd.DataFrame(
        rows, columns=[ACTION, "customers", "share", "least_propensity", "effective", "mean_weight", "fits"]
    )


def doubts(overlap: pd.DataFrame) -> str:
    """Why known propensities do not tell the effect on everybody, in a sentence; empty where nothing speaks against it."""
    odd = overlap[(overlap["least_propensity"] <= 0) | ~overlap["fits"]]
    if odd.empty:
        return ""
    seen = ", ".join(f"{r.action} (weights average to {r.mean_weight:.2f})" for r in odd.itertuples())
    return (
        f"Not everybody could get {seen}, or the propensities are wrong: for customers without a chance of it, "
        "what is told is a model's guess and not proven."
    )


def _groups(names: npt.NDArray[np.object_]) -> Iterator[tuple[str, Int]]:
    codes, found = pd.factorize(pd.Index(names).map(str), sort=True)
    for k, name in enumerate(found):
        yield str(name), np.flatnonzero(codes == k).astype(np.int64)
