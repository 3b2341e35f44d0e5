"""What happened to those who were scored: only where the horizon is over, so that early leavers do not count alone."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit

from crmintel.churn.figures import LARGE, LEVEL, figures_of, harm, judged
from crmintel.columns import AT
from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Estimate, Floats, wilson
from crmintel.evaluation.probability import calibration_table
from crmintel.interactions.clock import Zone, duration
from crmintel.scoring.monitor_profile import Profile

FEW: Final = 30
"""With fewer leavers (or stayers) than these, order and slope are not judged, only the rate."""
_BINS: Final = ["bin", "customers", "predicted", "observed", "low", "high"]


@final
@dataclass(frozen=True, eq=False)
class Outcomes:
    """What the outcomes that are known say.

    Parameters
    ----------
    mature, immature, unknown : int
        Rows whose horizon is over and whose outcome is known; whose horizon is not over; and without an outcome though it is.
    observed : Estimate, or None
        Share who left of the mature rows.
    expected : float
        Their mean probability.
    figures : DataFrame
        As of :class:`crmintel.churn.Drift`.
    bins : DataFrame
        Observed beside expected, from unlikely to likely.
    worse : tuple of str
        What is shown to have got worse.
    settled : bool
        Whether the outcomes are many enough, and of enough of the rows, to say that nothing got worse.
    """

    mature: int
    immature: int
    unknown: int
    observed: Estimate | None
    expected: float
    figures: pd.DataFrame
    bins: pd.DataFrame
    worse: tuple[str, ...]
    settled: bool


def outcomes_of(profile: Profile, p: Floats, y: Floats | None, over: npt.NDArray[np.bool_]) -> Outcomes:
    """Judge scores by outcomes (missing where not known) of rows whose horizon is over."""
    if y is None:
        return Outcomes(0, len(p), 0, None, np.nan, figures_of({}, {}), pd.DataFrame(columns=_BINS), (), False)
    known = ~np.isnan(y) & over
    left, told = y[known], np.sort(p[known])
    n, k = len(left), int(left.sum())
    immature, unknown = int((~over).sum()), int((over & np.isnan(y)).sum())
    if not n:
        return Outcomes(0, immature, unknown, None, np.nan, figures_of({}, {}), pd.DataFrame(columns=_BINS), (), False)
    observed, expected = wilson(k, n, LEVEL), float(told.mean())
    enough = min(k, n - k) >= FEW
    figures = figures_of(dict(profile.figures), judged(left, p[known], "after") if enough else {})
    worse = tuple(harm(figures)) if enough else tuple(_rate(observed, expected, n))
    bins = calibration_table(left, p[known]) if 0 < k < n else pd.DataFrame(columns=_BINS)
    return Outcomes(n, immature, unknown, observed, expected, figures, bins, worse, enough and 2 * n >= len(p))


def _rate(observed: Estimate, expected: float, n: int) -> list[str]:
    """Where few left (or stayed) the rate alone is judged, by the end of its interval that is nearer to what was expected."""
    nearest = float(np.clip(expected, observed.low, observed.high))
    gap = float(np.subtract(*logit(np.clip([nearest, expected], 1e-9, 1 - 1e-9))))
    if abs(gap) <= LARGE:
        return []
    return [f"Probabilities are no longer true: {observed.value:.1%} of {n:,} left, {expected:.1%} were expected."]


def truth_of(outcomes: Any, index: pd.Index) -> Floats:
    """Outcomes in the order of the rows; missing where not known.

    Raises
    ------
    DataContractError
        If they are of nobody in the table, or of several lengths, or neither 0 nor 1.
    """
    if isinstance(outcomes, pd.DataFrame) and outcomes.shape[1] == 1:
        outcomes = outcomes.iloc[:, 0]
    if isinstance(outcomes, pd.Series) and not outcomes.index.equals(index) and not _numbered(index, outcomes.index):
        if outcomes.index.nlevels != index.nlevels or not outcomes.index.is_unique or not index.is_unique:
            raise DataContractError(
                f"Outcomes have an index of {outcomes.index.nlevels} level(s), the table one of {index.nlevels}, or rows occur twice. "
                "Give both the same index, such as (customer_id, at)."
            )
        if not outcomes.index.isin(index).any():
            raise DataContractError(
                f"None of {len(outcomes):,} outcomes is of one of the {len(index):,} rows. Give both the same customers."
            )
        outcomes = outcomes.reindex(index)
    try:
        y = pd.Series(outcomes).to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise DataContractError("Outcomes are no truth values. Give True, False or missing.") from None
    if len(y) != len(index):
        raise DataContractError(f"There are {len(y):,} outcomes for {len(index):,} rows. Give one a row, or an index.")
    if odd := int((~np.isin(y[~np.isnan(y)], (0, 1))).sum()):
        raise DataContractError(f"Outcomes are neither 0 nor 1 in {odd:,} rows. Give True, False or missing.")
    return y


def _numbered(*both: pd.Index) -> bool:
    return all(isinstance(i, pd.RangeIndex) for i in both) and len(both[0]) == len(both[1])


def over_by(index: pd.Index, at: Any, horizon: str | None, until: Any) -> npt.NDArray[np.bool_]:
    """Whether the horizon of each row is over by an instant.

    Raises
    ------
    DataContractError
        If the instants of the rows, the horizon or the end are not known.
    """
    if until is None or horizon is None:
        raise DataContractError(
            "Outcomes came without `until` (how far events are known) or `horizon`. Give both: customers who leave early are known "
            "first, so a rate of those known so far is too high."
        )
    zone, end = Zone(), Zone().instant(until) - duration(horizon)
    if at is None:
        if AT not in index.names:
            raise DataContractError(f"The table has no instants. Give `at`, or an index with the level {AT!r}.")
        at = index.get_level_values(AT)
    if isinstance(at, pd.Series | pd.Index | np.ndarray | list):
        if len(at) != len(index):
            raise DataContractError(f"There are {len(at):,} instants for {len(index):,} rows. Give one, or one a row.")
        code, found = pd.factorize(np.asarray(at))
        if (code < 0).any():
            raise DataContractError(f"The instant is missing in {int((code < 0).sum()):,} rows. Leave these rows out.")
        return np.array([zone.instant(a) <= end for a in found], bool)[code]
    return np.full(len(index), zone.instant(at) <= end)
