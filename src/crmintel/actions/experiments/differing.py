"""Whether an action changes more in some segments than in others."""

from typing import Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from crmintel.actions.effects.trial import FEWEST, Float, Trial
from crmintel.actions.experiments.compared import means
from crmintel.errors import DataContractError
from crmintel.evaluation.aligned import aligned

SEGMENTS: Final = ["by", "segment", "arm", "customers", "difference", "low", "high"]
TESTS: Final = ["by", "arm", "statistic", "df", "p"]


def by_segment(
    trial: Trial, segments: Any, index: pd.Index, before: Float | None, level: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Differences in each segment, and for each column and action the test of whether they are one (Cochran's Q).

    Segments in which an arm has fewer than 20 rows are counted, but tell no difference and take no part in the test.
    """
    if segments is None:
        return pd.DataFrame(columns=SEGMENTS), pd.DataFrame(columns=TESTS)
    frame = (
        segments
        if isinstance(segments, pd.DataFrame)
        else pd.DataFrame({getattr(segments, "name", None) or "segment": segments})
    )
    told, tests = [], []
    for by in frame.columns:
        labels = (
            pd.Series(np.asarray(aligned(frame[by], index, "segments"), object))
            .map(str, na_action="ignore")
            .fillna("(missing)")
        )
        if len(labels) != len(trial):
            raise DataContractError(f"segments has {len(labels):,} values for {len(trial):,} rows. Give one a row.")
        codes, found = pd.factorize(labels, sort=True)
        _constant(codes, trial, str(by))
        gaps = np.full((len(found), len(trial.names), 2), np.nan)
        for k, segment in enumerate(found):
            here = np.flatnonzero(codes == k)
            part = trial.take(here)
            counts = np.bincount(part.arm, minlength=len(trial.names))
            customers = None if part.customer is None else pd.factorize(part.customer)[0].astype(np.int64)
            size = len(here) if customers is None else int(customers.max()) + 1
            if counts.min() < FEWEST:
                told += [(str(by), str(segment), name, size, np.nan, np.nan, np.nan) for name in trial.names[1:]]
                continue
            x = None if before is None or counts.min() < 10 * (before.shape[1] + 1) else before[here]
            mean = means(part.outcome, part.arm, len(trial.names), before=x, customer=customers)
            for a, name in enumerate(trial.names[1:], start=1):
                gap, low, high, _ = mean.difference(a, level)
                gaps[k, a] = gap, mean.error(a)[0]
                told.append((str(by), str(segment), name, size, gap, low, high))
        tests += [(str(by), name, *_cochran(gaps[:, a])) for a, name in enumerate(trial.names[1:], start=1)]
    return pd.DataFrame(told, columns=SEGMENTS), pd.DataFrame(tests, columns=TESTS)


def holm(tests: pd.DataFrame, error: float) -> pd.DataFrame:
    """The tests with p-values that hold for all of them together, and what may be said.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6.

    Examples
    --------
    >>> holm(pd.DataFrame({"p": [0.01, 0.04, 0.03]}), 0.05)["p_holm"].tolist()
    [0.03, 0.06, 0.06]
    """
    p = tests["p"].to_numpy(np.float64)
    order = np.argsort(p, kind="stable")
    count = int(np.isfinite(p).sum())
    raised = np.minimum(np.maximum.accumulate(p[order] * np.maximum(count - np.arange(len(p)), 1)), 1)
    corrected = np.empty_like(raised)
    corrected[order] = raised
    said = np.where(
        np.isnan(corrected), "too few", np.where(corrected < error, "segments differ", "no difference proven")
    )
    return tests.assign(p_holm=corrected, verdict=pd.array(said.astype(object), dtype="str"))


def _cochran(gaps: Float) -> tuple[float, int, float]:
    """Q, its degrees of freedom, and p: whether independent estimates are of one figure."""
    kept = gaps[(gaps[:, 1] > 0)]
    if len(kept) < 2:
        return np.nan, 0, np.nan
    weight = 1 / kept[:, 1] ** 2
    q = float(weight @ (kept[:, 0] - weight @ kept[:, 0] / weight.sum()) ** 2)
    return q, len(kept) - 1, float(stats.chi2.sf(q, len(kept) - 1))


def _constant(codes: Any, trial: Trial, by: str) -> None:
    if trial.customer is None:
        return
    pairs = pd.DataFrame({"customer": trial.customer, "segment": codes}).drop_duplicates()
    if moved := int((pairs["customer"].value_counts() > 1).sum()):
        raise DataContractError(
            f"{moved:,} customers are in several segments of {by!r}. Give the segment from before the assignment."
        )
