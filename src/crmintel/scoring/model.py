"""One object to ship: raw interactions in, scores out."""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Self, final

import numpy as np
import pandas as pd

from crmintel.churn import ChurnClassifier, LeafReasons
from crmintel.columns import AMOUNT, CHURN, CUSTOMER, KIND, KNOWN, KNOWN_AT, TEXT, TIME
from crmintel.errors import DataContractError, DataTypeError, LeakageError
from crmintel.evaluation import ProbabilityReport, compare_scores
from crmintel.evaluation.aligned import aligned
from crmintel.features import FeatureSet
from crmintel.features.instants import instants
from crmintel.interactions import InteractionLog, Policies
from crmintel.interactions.clock import duration
from crmintel.scoring.bundle import Manifest, load_bundle, save_bundle
from crmintel.scoring.monitor import Monitoring, monitor
from crmintel.scoring.monitor_profile import Profile, profile_of
from crmintel.scoring.scores import learns_from_log, scores_of_log, scores_of_table

Label = pd.Series | Callable[[InteractionLog, pd.Index], Any]


@final
class CustomerModel:
    """Features and a model as one: what is recorded, registered, scored in batch and in Spark, and served.

    Parameters
    ----------
    features : FeatureSet or None
        How a customer's past becomes a row; None for models that read interactions themselves (`LifetimeValue`, `RFM`,
        `ValueTiers`, recommenders).
    estimator : estimator of crmintel
        Fitted already, or to be fitted by `fit`.
    timezone : str
        The business zone in which times without a zone are told.
    policies : Policies
        What to do with rows that break a rule, when interactions are read for scoring.
    columns : mapping, optional
        Our names to those of the interactions that will come, where they differ.
    among : str, optional
        A feature that has to be known of a customer, such as ``"recency_days_purchase"``: who never bought cannot leave, and is neither
        learned from nor scored.

    Attributes
    ----------
    trained_ : dict
        What it was learned from: instants, horizon, customers, rows, and the fingerprint of the data.
    profile_ : str
        What it was judged on, as JSON without a row of anybody; filled by `judge`.

    Examples
    --------
    >>> from crmintel import features as f
    >>> from crmintel.churn import SMALL, ChurnClassifier
    >>> from crmintel.datasets import simulate
    >>> log = simulate(300, days=300, seed=1).log(quiet=True)
    >>> at = log.end - pd.Timedelta(days=60)
    >>> model = CustomerModel(f.standard(log, at=at), ChurnClassifier(SMALL, folds=2))
    >>> scores = model.fit(log, lambda log, at: f.churned(log, at, "60d"), at=at).score(log)
    >>> list(scores.columns)
    ['churn_probability', 'known', 'low_information']
    """

    among: str | None = None  # bundles that were written before there was this setting have none

    def __init__(
        self, features: FeatureSet | None, estimator: Any, *, timezone: str = "UTC", policies: Policies = Policies(),
        columns: Mapping[str, str] | None = None, among: str | None = None,
    ) -> None:  # fmt: skip
        if features is not None and not isinstance(features, FeatureSet):
            raise DataTypeError(f"features is a {type(features).__name__}. Give a FeatureSet, or None.")
        if (features is None) and not learns_from_log(estimator):
            raise DataTypeError(
                f"{type(estimator).__name__} learns from a table of features. Give the FeatureSet that makes it."
            )
        if features is not None and learns_from_log(estimator):
            raise DataTypeError(
                f"{type(estimator).__name__} reads interactions itself. Give None in place of features."
            )
        if among is not None and (features is None or (features.frozen and among not in features.names)):
            raise DataContractError(f"among is {among!r}, which is no feature of the model. Name one of its features.")
        self.features, self.estimator, self.among = features, estimator, among
        self.timezone, self.policies, self.columns = timezone, policies, dict(columns or {})

    def fit(
        self, log: InteractionLog, label: Label | None = None, *, at: Any = None, horizon: str | None = None
    ) -> Self:
        """Learn from customers as they were known at one or several instants, and what happened later.

        Parameters
        ----------
        log : InteractionLog
        label : Series by customer (and instant), or callable, optional
            What is to be foretold. A callable gets the log and the index of the table, such as
            ``lambda log, at: f.churned(log, at, "60d")``. Models that read interactions themselves need none.
        at : instant or iterable of instants
            By default the end of the log, for models that need no label.
        horizon : str, optional
            How long after an instant its labels are known; handed on to estimators that split by time.

        Raises
        ------
        DataContractError
            If a label is needed and not given, or is missing for a customer.
        """
        self.timezone = log.zone.name
        if self.features is None:
            at = log.zone.stamp(log.bounds[1] + 1) if at is None else at
            self.estimator.fit(log, at=at)
            rows = len(log.customers)
        else:
            if at is None or label is None:
                raise DataContractError("A model on features needs a label and an instant: fit(log, label, at=...).")
            if not self.features.frozen:
                self.features = self.features.freeze(log, at)
            several = isinstance(at, Iterable) and not isinstance(at, str)
            X = self.known(self.features.build(log, at if several else [at]))
            y = label(log, X.index) if callable(label) else _labels(label, X.index)
            self.estimator.fit(X, y, **({} if horizon is None else {"horizon": horizon}))
            rows = len(X)
        told = [] if at is None else [str(log.zone.stamp(int(a))) for a in instants(at, log.zone)]
        self.trained_: dict[str, Any] = {
            "at": told, "horizon": horizon, "customers": len(log.customers), "rows": rows, "interactions": len(log),
            "first": str(log.start), "last": str(log.end), "data": log.fingerprint,
        }  # fmt: skip
        return self

    def read(self, source: Any, **options: Any) -> InteractionLog:
        """Interactions as the model needs them; options are those of `InteractionLog.read`."""
        told: dict[str, Any] = {"timezone": self.timezone, "policies": self.policies, "columns": self.columns or None}
        told |= {"keep": self.keep} | options
        return InteractionLog.read(source, **told)

    @property
    def reads(self) -> list[str]:
        """The columns of interactions that it makes use of, or that rules at the door look at."""
        return [*KNOWN, *self.keep]

    @property
    def keep(self) -> list[str]:
        """The columns beyond the known ones that features read."""
        return [] if self.features is None else sorted(self.features.columns - set(KNOWN))

    def score(
        self, log: InteractionLog, *, at: Any = None, customers: Iterable[Any] | None = None, reasons: int = 0, k: int = 10
    ) -> pd.DataFrame:  # fmt: skip
        """What the model says of each customer at an instant.

        Parameters
        ----------
        log : InteractionLog
        at : instant, optional
            By default just after the last interaction.
        customers : iterable, optional
            Only these, the silent ones too; for models on features. With `among`, those of whom it is known.
        reasons : int
            How many reasons each customer gets, with what each adds to the log-odds; of churn models.
        k : int
            How many items each customer gets; of recommenders.

        Returns
        -------
        DataFrame
            Indexed by customer, sorted. The same bits whatever other customers are scored with it.

        Raises
        ------
        DataContractError
            If features are not frozen (fit the model first), or the log lacks columns.
        """
        at = log.zone.stamp(log.bounds[1] + 1) if at is None else at
        if isinstance(at, Iterable) and not isinstance(at, str):
            raise DataContractError("Scores are told at one instant. Call score() for each.")
        if self.features is None:
            return scores_of_log(self.estimator, log, at, k)
        if not self.features.frozen:
            raise DataContractError("The features are not frozen: fit the model, or freeze them, before it scores.")
        X = self.known(self.features.build(log, at, customers=customers, threads=1))
        if not len(X):  # the columns of an answer, without a row
            probe = self.features.build(self.probe, self.probe.end + pd.Timedelta(days=1), threads=1)
            return self._told(probe, reasons).iloc[:0].set_axis(X.index)
        return self._told(X, reasons)

    def known(self, X: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table of features that the model speaks of."""
        return X if self.among is None else X[X[self.among].notna()]

    def _told(self, X: pd.DataFrame, reasons: int) -> pd.DataFrame:
        if not reasons or not isinstance(self.estimator, ChurnClassifier):
            return scores_of_table(self.estimator, X)
        if reasons not in self._explainers:
            self._explainers[reasons] = LeafReasons.of(self.estimator, self.features, k=reasons)
        table = self.estimator.read(X)
        known = table.known
        return self._explainers[reasons](table, X.index).to_frame().assign(known=known, low_information=known < 0.5)

    @cached_property
    def _explainers(self) -> dict[int, LeafReasons]:
        """What gives reasons, by how many."""
        return {}

    def judge(
        self, log: InteractionLog, label: Label, *, at: Any, horizon: str | None = None,
        rules: Mapping[str, Any] | None = None, seed: int = 0,
    ) -> ProbabilityReport:  # fmt: skip
        """Judge a churn model at an instant that it did not learn from, and keep what it was judged on, to watch it by.

        Parameters
        ----------
        log, label
            As in `fit`.
        at : instant
            Later than everything that was learned from.
        horizon : str, optional
            How long after it the labels are known.
        rules : mapping of str to scores, optional
            Simple rules beside it, in the order of the customers known then.

        Returns
        -------
        ProbabilityReport
            The profile that :func:`crmintel.scoring.monitor` compares with goes into ``profile_``.

        Raises
        ------
        DataTypeError
            If the model tells no probability of leaving.
        LeakageError
            If the model learned from what came after the instant.
        """
        if self.features is None or not isinstance(self.estimator, ChurnClassifier):
            raise DataTypeError(
                f"{type(self.estimator).__name__} tells no probability of leaving. Judge a churn model."
            )
        self.refuse_seen(log, at)
        X = self.known(self.features.build(log, [at]))
        p = pd.Series(self.estimator.predict_proba(X)[:, 1], X.index)
        y = label(log, X.index) if callable(label) else _labels(label, X.index)
        report = compare_scores(np.asarray(y, np.float64), p.to_numpy(), dict(rules or {}), seed=seed)
        self.profile_ = profile_of(X, p, outcomes=pd.Series(np.asarray(y), X.index), horizon=horizon).to_json()
        return report

    def refuse_seen(self, log: InteractionLog, at: Any) -> None:
        """Complain of an instant before the end of what was learned from: the model would be judged by what it knows.

        Raises
        ------
        LeakageError
        """
        trained = getattr(self, "trained_", {})
        horizon = duration(trained["horizon"]) if trained.get("horizon") else 0
        ends = [log.zone.instant(t) + horizon for t in trained.get("at", [])]
        if not ends and trained.get("last"):  # it learned from the whole history
            ends = [log.zone.instant(trained["last"])]
        if ends and max(ends) > log.zone.instant(at):
            raise LeakageError(
                f"The model learned from what happened up to {log.zone.stamp(max(ends)):%Y-%m-%d}, after the instant at which it would be judged. "
                "Judge it at a later one."
            )

    def watch(
        self, log: InteractionLog, *, at: Any = None, outcomes: Label | None = None, until: Any = None
    ) -> Monitoring:
        """Whether the model may stay, by what its customers look like at an instant and, where known, what became of them.

        Parameters
        ----------
        log : InteractionLog
        at : instant, optional
            By default just after the last interaction.
        outcomes : as `label` in `fit`, optional
            What happened later.
        until : instant, optional
            Up to when that is known; needed with `outcomes`.

        Raises
        ------
        DataContractError
            If the model was not judged before (`judge`).
        """
        if self.features is None or not hasattr(self, "profile_"):
            raise DataContractError(
                "Nothing is known of what the model was judged on. Call judge(log, label, at=...) before it is saved."
            )
        profile = Profile.from_json(self.profile_)
        X = self.known(self.features.build(log, [log.zone.stamp(log.bounds[1] + 1) if at is None else at]))
        scored = X.assign(**{CHURN: self.estimator.predict_proba(X)[:, 1]})
        y = None if outcomes is None else outcomes(log, X.index) if callable(outcomes) else _labels(outcomes, X.index)
        return monitor(profile, scored, outcomes=y, until=until)

    def score_events(self, events: Any, *, at: Any = None) -> pd.DataFrame:
        """The same of the few customers in some events, now: a list of mappings, a mapping of columns, or a frame.

        `events` are everything the customers did, under our column names.
        """
        if self.features is None:
            return self.score(self.read(pd.DataFrame(events), columns=None, quiet=True), at=at)
        X = self.known(self.features.online(events, at, timezone=self.timezone, policies=self.policies))
        return scores_of_table(self.estimator, X)

    def score_table(self, X: pd.DataFrame) -> pd.DataFrame:
        """The same of rows of features that are there already."""
        if self.features is None:
            raise DataTypeError(
                f"{type(self.estimator).__name__} reads interactions, not rows of features. Use score()."
            )
        return scores_of_table(self.estimator, X)

    @cached_property
    def probe(self) -> InteractionLog:
        """Two made-up customers, on whom it can be tried whether the model answers."""
        day = pd.to_datetime(["2020-01-01", "2020-01-20", "2020-02-03", "2020-02-11"])
        rows: dict[str, Any] = {CUSTOMER: [1, 1, 2, 2], TIME: day}
        for name in sorted(set(self.needs) - {CUSTOMER, TIME, KIND, KNOWN_AT}):
            rows[name] = ["a", "b", "c", "d"] if name in TEXT else [1.0, 2.0, 3.0, 4.0]
        return InteractionLog.read(pd.DataFrame(rows), timezone=self.timezone, keep=self.keep, quiet=True)

    @property
    def needs(self) -> list[str]:
        """The columns of interactions that the model reads."""
        if self.features is not None:
            return sorted({CUSTOMER, TIME} | self.features.columns)
        return [CUSTOMER, TIME, *([AMOUNT] if getattr(self.estimator, "has_money_", True) else [])]

    def save(
        self, path: str | os.PathLike[str], *, metadata: Mapping[str, Any] | None = None, key: bytes | None = None,
        trained_on: Any = None,
    ) -> Manifest:  # fmt: skip
        """Write the model as a bundle; see `save_bundle`."""
        told = {"trained": getattr(self, "trained_", {}), "features": self.fingerprint} | dict(metadata or {})
        return save_bundle(self, path, metadata=told, key=key, trained_on=trained_on)

    @property
    def fingerprint(self) -> str | None:
        """That of the features."""
        return None if self.features is None else self.features.fingerprint

    @staticmethod
    def load(
        path: str | os.PathLike[str], *, key: bytes | None = None, fingerprint: str | None = None
    ) -> "CustomerModel":
        """The model of a bundle; one that reads interactions itself is wrapped.

        Raises
        ------
        BundleError
            See `load_bundle`.
        DataTypeError
            If the bundle holds an estimator without the features that make its table.
        """
        return customer_model(load_bundle(path, key=key, fingerprint=fingerprint))

    def __repr__(self) -> str:
        made = "" if self.features is None else f" on {self.features!r}"
        return f"CustomerModel: {type(self.estimator).__name__}{made}"

    def _repr_html_(self) -> str:
        inner = getattr(self.estimator, "_repr_html_", None)
        return f"<p><b>{self!r}</b></p>{inner() if inner else ''}"


def customer_model(model: Any) -> CustomerModel:
    """A model as one that takes raw interactions."""
    if isinstance(model, CustomerModel):
        return model
    if learns_from_log(model):
        return CustomerModel(None, model)
    raise DataTypeError(
        f"A {type(model).__name__} alone cannot read interactions. Save CustomerModel(features, model) instead, so that they come with it."
    )


def _labels(label: pd.Series, index: pd.Index) -> Any:
    """Labels in the order of rows; those by customer alone hold for the customer's row."""
    if not isinstance(label, pd.Series) or label.index.nlevels == index.nlevels:
        return aligned(label, index, "label")
    return aligned(label, index.get_level_values(CUSTOMER), "label").set_axis(index)
