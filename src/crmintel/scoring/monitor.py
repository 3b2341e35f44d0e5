"""Whether a model that is in use may stay: who is scored, what moved, whether scores are still true, and what to do."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd

from crmintel.columns import CHURN
from crmintel.errors import DataContractError
from crmintel.evaluation import tables
from crmintel.interactions.frames import frame_of
from crmintel.scoring.monitor_outcomes import outcomes_of, over_by, truth_of
from crmintel.scoring.monitor_profile import (
    Profile,
    features_of,
    odds_of,
    profile_of,
    read,
    scores_of,
)  # fmt: skip
from crmintel.scoring.monitor_tables import feature_table, population_table, score_table
from crmintel.scoring.monitor_verdict import Verdict, judge, metrics_of


@final
@dataclass(frozen=True, repr=False, eq=False)
class Monitoring:
    """How a model in use stands.

    Parameters
    ----------
    verdict : {"retrain", "look", "hold"}
        "retrain": order or calibration got worse beyond chance and by enough to matter. "look": inputs or scores moved by enough
        to matter and outcomes cannot tell yet what it does, or something is broken. "hold": neither.
    reasons : tuple of str
        Why, in words, without a value of any customer.
    population : DataFrame
        what, before, after: rows, who is new or gone, and shares of rows.
    score : DataFrame
        One row: psi, by_chance, limit, p_value, verdict, ks, ks_p, mean_before, mean_after, follows_before, follows_after.
    features : DataFrame
        One row a feature, what moved most first: feature, kind, psi, by_chance (what chance gives on average), limit (what it exceeds in
        1 % of cases for one feature), p_value (of all features together, Holm), score_shift (log-odds by which the feature alone moves the mean score), missing_before, missing, beyond_before, beyond (share outside
        the range or the categories that were met often), beyond_p, verdict ("stable", "moved", "new values", "dead").
    figures : DataFrame
        AUC and calibration before and after, and their change, with 99.2 % intervals; empty without mature outcomes.
    calibration : DataFrame
        Observed beside predicted shares by bin of probability.
    metrics : dict of str to float
        The main figures, for an experiment tracker; what is not known is left out.

    Examples
    --------
    >>> from crmintel.scoring import monitor, profile_of
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"orders": rng.poisson(4, 400).astype(float)}, index=pd.RangeIndex(400, name="customer_id"))
    >>> p = 1 / (1 + table["orders"].to_numpy())
    >>> monitor(profile_of(table, p), table.assign(churn_probability=p)).verdict
    'hold'
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    population: pd.DataFrame
    score: pd.DataFrame
    features: pd.DataFrame
    figures: pd.DataFrame
    calibration: pd.DataFrame
    metrics: Mapping[str, float]

    def to_frame(self) -> pd.DataFrame:
        """One row a feature."""
        return self.features.copy(deep=False)

    def to_json(self) -> str:
        """Everything as JSON text; what is missing is null."""
        told: dict[str, Any] = {"verdict": self.verdict, "reasons": self.reasons, "metrics": dict(self.metrics)}
        for name, frame in self._frames().items():
            told[name] = json.loads(frame.to_json(orient="records", double_precision=15))
        return json.dumps(told, sort_keys=True, allow_nan=False, ensure_ascii=False)

    def _frames(self) -> dict[str, pd.DataFrame]:
        names = ("population", "score", "features", "figures", "calibration")
        return {n: getattr(self, n) for n in names}

    def __repr__(self) -> str:
        return f"Monitoring(verdict={self.verdict!r}, features={len(self.features)})"

    def __str__(self) -> str:
        return "\n".join([f"Verdict: {self.verdict}", *(f"  {r}" for r in self.reasons)])

    def _repr_html_(self) -> str:
        return tables.page(" ".join([f"Verdict: {self.verdict}.", *self.reasons]), **self._frames())


def monitor(
    reference: Any, current: Any, *, outcomes: Any = None, score: str = CHURN, features: Collection[str] | None = None,
    horizon: str | None = None, at: Any = None, until: Any = None, previous: Any = None,
) -> Monitoring:  # fmt: skip
    """Compare a newly scored table with what the model was judged on, and say whether to retrain, to look or to hold.

    Parameters
    ----------
    reference : Profile, or DataFrame
        What `profile_of` kept at training; or the scored table of then, of customers whom the model was not fitted on.
    current : DataFrame (pandas, polars or Arrow), shape (n_rows, n_columns)
        The features and the score.
    outcomes : Series or array of bool, optional
        Who left, found by the index of `current` (some rows may have none), or one a row, missing where not known. Needs `until`.
    score : str
        The column of the score, a probability.
    features : collection of str, optional
        Which columns are compared; by default all of the profile, or of the table but the score and other results of ours. Leave
        out what moves by itself, such as the tenure of customers who stay.
    horizon : str, optional
        How long after its instant the outcome of a row is known, such as ``"90d"``; that of the profile by default.
    at : instant, or one a row, optional
        When the rows were scored; level ``at`` of the index by default.
    until : instant, optional
        How far events are known: a row whose horizon ends later is not mature and is only counted.
    previous : Index, optional
        The customers who were scored before, to say who is new and who is gone; that of `reference` if it is a table.

    Returns
    -------
    Monitoring
        When nothing changed the verdict is "retrain" in at most 2.5 % and "look" in at most 4 % of cases, by design.

    Raises
    ------
    DataContractError, DataTypeError
        If columns are absent or of another kind, scores are no probabilities, or outcomes cannot be placed or dated.

    Notes
    -----
    Population stability index with half a row added to each bin; its chance is that of a chi-squared test, over features by Holm
    (1979). What matters is an index 0.1 above what chance gives. A score that no longer follows its features (rows that were mixed up) is
    found by the correlation of its log-odds with their means by bin of each feature. With outcomes: AUC (DeLong), and calibration in
    the large and slope (Wald), each beside its figure of then. Rows count as independent: with several instants of one customer,
    alarms are more frequent than said.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> def month(mean):
    ...     orders = rng.poisson(mean, 2_000)
    ...     return pd.DataFrame({"orders": orders, "churn_probability": 1 / (2.0 + orders)})
    >>> monitor(month(3), month(3)).verdict, monitor(month(3), month(6)).verdict
    ('hold', 'look')
    """
    current = frame_of(current)
    if not isinstance(reference, Profile):
        reference = frame_of(reference)
        named = isinstance(reference, pd.DataFrame) and not isinstance(reference.index, pd.RangeIndex)
        previous = reference.index if previous is None and named else previous
        reference = _own_profile(reference, score, features, horizon)
    X = features_of(current, list(reference.columns))
    _has(current, score)
    p = scores_of(current[score], X.index)
    told = read(X, reference.columns, reference.leans, odds_of(p))
    horizon = reference.horizon if horizon is None else horizon
    y = None if outcomes is None else truth_of(outcomes, X.index)
    over = np.zeros(len(X), bool) if y is None else over_by(X.index, at, horizon, until)
    truth = outcomes_of(reference, p, y, over)
    moved, scored = (
        feature_table(reference, told, len(X), _chosen(reference, features)),
        score_table(reference, p, told.follows),
    )
    people = population_table(reference, told, len(X), previous, X.index, truth)
    verdict, reasons = judge(moved, scored, people, truth)
    metrics = metrics_of(verdict, moved, scored, people, truth)
    return Monitoring(verdict, tuple(reasons), people, scored, moved, truth.figures, truth.bins, metrics)


def _has(table: Any, score: str) -> None:
    if score not in table:
        raise DataContractError(f"The table has no column {score!r}. Name the column of the probability with `score`.")


def _chosen(profile: Profile, features: Collection[str] | None) -> list[str]:
    if odd := [c for c in features or () if c not in profile.columns]:
        raise DataContractError(f"The profile has no columns {', '.join(odd)}. Name columns that it was made of.")
    return [c for c in profile.columns if features is None or c in features]


def _own_profile(table: Any, score: str, features: Collection[str] | None, horizon: str | None) -> Profile:
    """The profile of a table that brings its score."""
    X = features_of(table, None if features is None else [*features, score])
    _has(table, score)
    return profile_of(X, frame_of(table)[score], features=[str(c) for c in X if c != score], horizon=horizon)
