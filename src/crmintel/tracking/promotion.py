"""Which of two registered models is used: both are judged on the same later period, and the new one has to prove itself."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd

from crmintel.columns import CHURN, CUSTOMER, SCORE, VALUE
from crmintel.errors import DataContractError
from crmintel.evaluation import ProbabilityReport, ValueReport, compare_scores, compare_values
from crmintel.evaluation.tables import page
from crmintel.interactions import InteractionLog
from crmintel.scoring import load_bundle
from crmintel.scoring.model import customer_model
from crmintel.tracking.registry import Fetched, aliases, fetch, set_alias

FIGURES: Final = (CHURN, SCORE, VALUE)
"""Columns of scores that are compared, the first that is there."""


@final
@dataclass(frozen=True)
class Promotion:
    """What became of a challenger.

    Parameters
    ----------
    promoted : bool
    reason : str
        In a sentence.
    report : ProbabilityReport or ValueReport
        The challenger, and the champion as a rule beside it.
    champion, challenger : str or None
        Their versions before.
    """

    promoted: bool
    reason: str
    report: ProbabilityReport | ValueReport
    champion: str | None
    challenger: str

    def to_frame(self) -> pd.DataFrame:
        """The comparison: one row the challenger, one the champion, one for each rule."""
        return self.report.rules.copy(deep=False)

    def __repr__(self) -> str:
        return f"Promotion: {self.reason}"

    def _repr_html_(self) -> str:
        return page(self.reason, comparison=self.report.rules)


def promote(
    name: str, log: InteractionLog, label: Callable[[InteractionLog, pd.Index], Any], *, at: Any, champion: str = "champion",
    challenger: str = "challenger", rules: dict[str, Any] | None = None, apply: bool = True, uri: str | None = None,
    key: bytes | None = None, seed: int = 0,
) -> Promotion:  # fmt: skip
    """Let a challenger take the champion's place if it is proven better on the same customers at a later instant.

    Parameters
    ----------
    name : str
        The registered model.
    log : InteractionLog
        The history, up to where labels are known.
    label : callable
        What happened: gets the log and the index (customer and instant), such as ``lambda log, at: f.churned(log, at, "60d")``. Yes and no are
        compared by the area under the ROC curve, other numbers by the absolute error.
    at : instant
        After everything that either model learned from.
    champion, challenger : str
        The aliases. Where there is no champion, the challenger becomes it if no rule beats it.
    rules : mapping of str to scores, optional
        Simple rules to beat as well, in the order of the customers known at the instant.
    apply : bool
        Move the aliases; otherwise only tell. The champion of before keeps the alias ``previous``.
    uri, key
        See `log`.

    Returns
    -------
    Promotion
        The gain with its interval (95 %, resampled customers); one that includes zero promotes nobody.

    Raises
    ------
    BundleError
        If there is no challenger; the latest version is never taken in its place.
    LeakageError
        If a model learned from the instant or later: it would be judged by what it knows.
    """
    there = aliases(name, uri=uri)
    with tempfile.TemporaryDirectory(prefix="crmintel-") as folder:
        new = fetch(f"models:/{name}@{challenger}", os.path.join(folder, "new"), uri=uri, key=key)
        old = (
            fetch(f"models:/{name}@{champion}", os.path.join(folder, "old"), uri=uri, key=key)
            if champion in there
            else None
        )
        models = {
            k: customer_model(load_bundle(f.path, key=key)) for k, f in (("new", new), ("old", old)) if f is not None
        }
    for model in models.values():
        model.refuse_seen(log, at)
    figures = {which: _figure(model.score(log, at=at)) for which, model in models.items()}
    index = _shared(figures)
    when = log.zone.stamp(log.zone.instant(at))
    y = np.asarray(label(log, pd.MultiIndex.from_product([index, [when]], names=[CUSTOMER, "at"])), np.float64)
    beside = ({champion: figures["old"].loc[index]} if old is not None else {}) | (rules or {})
    report = _report(y, figures["new"].loc[index], beside, seed)
    promoted, reason = _verdict(report, old, champion, challenger, len(index))
    if promoted and apply:
        _move(name, new, old, champion, uri)
    return Promotion(promoted, reason, report, None if old is None else old.version, str(new.version))


def _report(y: Any, told: pd.Series, rules: dict[str, Any], seed: int) -> ProbabilityReport | ValueReport:
    rules = {k: np.asarray(v, np.float64) for k, v in rules.items()}
    if set(np.unique(y)) <= {0.0, 1.0}:
        return compare_scores(y, told.to_numpy(), rules, seed=seed)
    return compare_values(y, told.to_numpy(), None, None, rules, seed=seed)


def _verdict(report: Any, old: Fetched | None, champion: str, challenger: str, n: int) -> tuple[bool, str]:
    rows = report.rules.set_index("name")
    worse = [str(r) for r in rows.index[rows["verdict"] == "worse"]]
    if old is None:
        if worse:
            return (
                False,
                f"There is no {champion!r}, and {challenger!r} is worse than {', '.join(worse)}: nothing was moved.",
            )
        return True, f"There was no {champion!r}; {challenger!r} takes its place. No rule was shown to beat it."
    row = rows.loc[champion]
    gain = f"{row['gain']:+.4f} ({row['gain_low']:+.4f} to {row['gain_high']:+.4f})"
    if row["verdict"] == "proven" and not worse:
        return (
            True,
            f"{challenger!r} is better than {champion!r} by {gain} on the same {n:,} customers, and takes its place.",
        )
    said = {"worse": "is worse than", "proven": "is better than"}.get(str(row["verdict"]), "is not proven better than")
    also = f"; it is worse than {', '.join(w for w in worse if w != champion)}" if set(worse) - {champion} else ""
    return False, f"{challenger!r} {said} {champion!r}: {gain} on the same {n:,} customers{also}. Nothing was moved."


def _move(name: str, new: Fetched, old: Fetched | None, champion: str, uri: str | None) -> None:
    if old is not None:
        set_alias(name, "previous", str(old.version), uri=uri)
    set_alias(name, champion, str(new.version), uri=uri)


def _figure(scores: pd.DataFrame) -> pd.Series:
    """The column of scores that is compared."""
    for column in FIGURES:
        if column in scores:
            return scores[column]
    raise DataContractError(
        f"The model says {', '.join(map(str, scores.columns))}; none of {', '.join(FIGURES)} is there to compare."
    )


def _shared(figures: dict[str, pd.Series]) -> pd.Index:
    """The customers whom every model scores."""
    index = figures["new"].index
    return index if "old" not in figures else index[index.isin(figures["old"].index)]
