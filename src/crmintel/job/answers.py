"""Fit on earlier instants, judge at a later one beside simple rules, then learn from everything known."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel import features as f
from crmintel.actions import uniform
from crmintel.churn import SMALL, BestColumn, ChurnClassifier, simple_rules
from crmintel.columns import AMOUNT, AT, CUSTOMER, ITEM, ORDER, PURCHASE, RETURN, VALUE, VALUE_HIGH, VALUE_LOW
from crmintel.errors import DataContractError, DataContractWarning, LeakageError
from crmintel.evaluation import (
    ProbabilityReport,
    RankingReport,
    TimeSplit,
    ValueReport,
    compare_rankings,
    compare_scores,
    compare_values,
    suggest_horizon,
    time_split,
)
from crmintel.features import FeatureSet
from crmintel.interactions import InteractionLog
from crmintel.interactions.clock import duration
from crmintel.recommend import CoOccurrence, Popularity, Recommender, Repeat
from crmintel.scoring import Profile, profile_of
from crmintel.showing import Shown
from crmintel.value import LifetimeValue

BUYERS = "recency_days_purchase"
"""The feature that is known of who bought before."""
MOST_INSTANTS = 6
LEAST_CHANGES = 10
MOST_ROWS = 40_000
MOST_CUSTOMERS = 10_000


@final
@dataclass(frozen=True, eq=False)
class Ground(Shown):
    """What every answer stands on: the split, the features, and the customers known at each instant.

    Parameters
    ----------
    split : TimeSplit
    features : FeatureSet
    train, test : DataFrame
        Features of customers with a purchase, indexed by (customer, at).
    rules : DataFrame
        What simple business rules look at, at the test instant.
    """

    log: InteractionLog
    split: TimeSplit
    features: FeatureSet
    train: pd.DataFrame
    test: pd.DataFrame
    rules: pd.DataFrame

    def __repr__(self) -> str:
        sizes = f"{len(self.train):,} rows to learn from, {len(self.test):,} to test on"
        return f"Ground: {self.split}; {len(self.features.names)} features; {sizes}"

    @property
    def horizon(self) -> str:
        """The horizon as a text duration."""
        return f"{self.split.horizon.days}d"


def choose(log: InteractionLog, horizon: str | None = None, test: Any = None) -> TimeSplit:
    """Instants to train at and the later one to test at.

    Training instants at which nearly everybody or nearly nobody left carry no lesson and are passed over.

    Parameters
    ----------
    log : InteractionLog
    horizon : str, optional
        How far ahead to look, in whole days, such as ``"90d"``; by default the longest that the history can be tested on.
    test : instant, optional
        The later instant to test at.

    Raises
    ------
    DataContractError
        If the horizon is no whole number of days, or the history is too short.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(120, days=400, seed=1).log(quiet=True)
    >>> choose(log, "30d").test
    Timestamp('2024-01-01 00:00:00')
    """
    length = pd.Timedelta(duration(horizon), unit="us") if horizon else suggest_horizon(log.start, log.end)
    if length % pd.Timedelta(days=1):
        raise DataContractError(f"The horizon {horizon!r} is no whole number of days. Write it as '30d'.")
    split = time_split(log.start, log.end, length, test=test, most=36)
    told = f.churned(log, list(split.train), f"{length.days}d").groupby(level=AT).agg(["sum", "size"])
    useful = told[(told["sum"] >= LEAST_CHANGES) & (told["size"] - told["sum"] >= LEAST_CHANGES)].index
    train = tuple(t for t in split.train if t in useful) or split.train
    return TimeSplit(train[-MOST_INSTANTS:], split.test, split.horizon)


def prepare(log: InteractionLog, split: TimeSplit, *, progress: bool = False) -> Ground:
    """Features at every instant of a split; vocabularies are frozen at the first of them.

    Parameters
    ----------
    log : InteractionLog
    split : TimeSplit
        The instants, such as `choose` finds them.
    progress : bool
        Whether to show how far the work is.

    Returns
    -------
    Ground
        What every answer is learned from and judged on.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(120, days=400, seed=1).log(quiet=True)
    >>> ground = prepare(log, choose(log, "30d"))
    >>> len(ground.test), ground.horizon
    (111, '30d')
    """
    fs = f.standard(log, at=split.train[0])
    tables = [_buyers(fs.build(log, at=list(at), progress=progress)) for at in (split.train, [split.test])]
    tables[0] = _some(tables[0])
    buys, net = f.where(kind=PURCHASE), f.where(kind=[PURCHASE, RETURN])
    order = f.distinct(ORDER, buys) if ORDER in log.columns else f.active_days(buys)
    looks = [f.recency(buys), f.tenure(), f.gaps(buys), order.named("orders", "orders")]
    if log.has_amounts:
        looks.append(f.total(AMOUNT, net).named("money", "money").over(f"{split.horizon.days}d", "all"))
    rules = FeatureSet(looks).build(log, at=[split.test]).loc[tables[1].index]
    return Ground(log, split, fs, tables[0], tables[1], rules)


@final
@dataclass(frozen=True, eq=False)
class ChurnAnswer:
    """A classifier that has been judged, and the one that learned from everything."""

    model: ChurnClassifier
    report: ProbabilityReport
    rate: float
    profile: Profile

    def __repr__(self) -> str:
        return f"ChurnAnswer: {self.report!r}"

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


def answer_churn(ground: Ground, seed: int = 0) -> ChurnAnswer:
    """Learn who leaves; judge it at the later instant beside four rules.

    Parameters
    ----------
    ground : Ground
        Made by `prepare`.
    seed : int

    Raises
    ------
    DataContractError
        If everybody or nobody left at the instants of training or testing.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(120, days=400, seed=1).log(quiet=True)
    >>> answer = answer_churn(prepare(log, choose(log, "30d")))
    >>> answer.report.n, answer.report.metrics["auc"].low > 0.5
    (111, True)
    """
    train = f.churned(ground.log, ground.train.index, ground.horizon, known_by=ground.split.test).to_numpy()
    later = f.churned(ground.log, ground.test.index, ground.horizon).to_numpy()
    for when, left in (("at the instants of training", train), ("at the later instant", later)):
        if left.min() == left.max():
            who = "nobody" if left.max() == 0 else "everybody"
            raise DataContractError(
                f"{when.capitalize()} {who} left within {ground.split.horizon.days} days, so nothing can be learned of who leaves."
            )
    rules = simple_rules(ground.rules)
    best = BestColumn.learn(ground.train, train)
    words = {feature.name: feature.words for feature in ground.features.features}
    rules[f"{words[best.column]} alone"] = best(ground.test)
    judged = _classifier(seed).fit(ground.train, train, horizon=ground.horizon)
    told = pd.Series(judged.predict_proba(ground.test)[:, 1], ground.test.index)
    report = compare_scores(later, told.to_numpy(), rules, seed=seed)
    profile = profile_of(ground.test, told, outcomes=pd.Series(later, told.index), horizon=ground.horizon)
    model = _classifier(seed).fit(*_everything(ground, train, later), horizon=ground.horizon)
    return ChurnAnswer(model, report, float(later.mean()), profile)


def _classifier(seed: int) -> ChurnClassifier:
    """Small trees alone: on features of a log the whole stack orders customers no better, and takes ten times as long."""
    return ChurnClassifier(SMALL, folds=3, random_state=seed)


@final
@dataclass(frozen=True, eq=False)
class ValueAnswer:
    """A value model that has been judged, and the one that learned from everything."""

    model: LifetimeValue
    report: ValueReport

    def __repr__(self) -> str:
        return f"ValueAnswer: {self.report!r}"

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


def answer_value(ground: Ground, seed: int = 0) -> ValueAnswer:
    """Learn what customers spend over the horizon; judge it later beside two rules.

    Parameters
    ----------
    ground : Ground
        Made by `prepare`.
    seed : int

    Raises
    ------
    DataContractError
        If the history has no amounts, or is too short to learn from.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(60, days=400, seed=1).log(quiet=True)
    >>> answer = answer_value(prepare(log, choose(log, "30d")))
    >>> answer.report.rules["name"].tolist()
    ['model', 'as in the last 30 days', 'at the pace so far']
    """
    log, at = ground.log, ground.split.test
    later = f.spend(log, ground.test.index, ground.horizon).to_numpy()
    looks, days = ground.rules, ground.split.horizon.days
    pace = looks["money_all"].to_numpy() / np.maximum(looks["tenure_days"].to_numpy(), days) * days
    rules = {f"as in the last {days} days": looks[f"money_{days}d"].to_numpy(), "at the pace so far": pace}
    judged = _valued(ground, seed, at).predict(log, at=at).customers
    told = judged.loc[ground.test.index.get_level_values(CUSTOMER)]
    report = compare_values(
        np.maximum(later, 0.0),
        told[VALUE],
        told[VALUE_LOW],
        told[VALUE_HIGH],
        {k: np.maximum(v, 0) for k, v in rules.items()},
        seed=seed,
    )
    return ValueAnswer(_valued(ground, seed, None), report)


def _valued(ground: Ground, seed: int, at: Any) -> LifetimeValue:
    """Learned from the past of an instant; what to know of it stands in `concerns_`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataContractWarning)
        model = LifetimeValue(ground.horizon, most_customers=MOST_CUSTOMERS, random_state=seed)
        return model.fit(ground.log, at=at)


@final
@dataclass(frozen=True, eq=False)
class OfferAnswer:
    """Recommenders for new items and for repeats, each judged beside popularity, and replaced by it where it is better."""

    new: Recommender
    again: Recommender
    new_report: RankingReport
    again_report: RankingReport

    def __repr__(self) -> str:
        return f"OfferAnswer: new items {self.new_report!r}; repeats {self.again_report!r}"

    def _repr_html_(self) -> str:
        return f"<h4>New items</h4>{self.new_report._repr_html_()}<h4>Repeats</h4>{self.again_report._repr_html_()}"


def answer_offers(ground: Ground, k: int = 10, seed: int = 0) -> OfferAnswer:
    """Learn what customers buy next; judge new items and repeats separately, on what was really bought later.

    Parameters
    ----------
    ground : Ground
        Made by `prepare`.
    k : int
        Length of the lists that are judged.
    seed : int

    Raises
    ------
    DataContractError
        If the log has no items.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(120, days=400, seed=1).log(quiet=True)
    >>> answer = answer_offers(prepare(log, choose(log, "30d")), k=5)
    >>> answer.new.recommend([7], k=2, exclude="bought")["rank"].tolist()
    [1, 2]
    """
    log, at = ground.log, ground.split.test
    past = log.before(at)
    truth = f.next_items(log, at, ground.horizon)
    models = [m.fit(past) for m in (CoOccurrence(), Repeat(), Popularity())]
    bought, popular = models[1], models[2]
    pairs = bought.history_.tocoo()
    before = pd.MultiIndex.from_arrays([bought.customers_[pairs.row], bought.items_[pairs.col]])
    known = truth[CUSTOMER].isin(bought.customers_)
    repeated = pd.MultiIndex.from_frame(truth[[CUSTOMER, ITEM]]).isin(before)
    reports = []
    for model, exclude, mine in ((models[0], "bought", known & ~repeated), (bought, "new", known & repeated)):
        asked = truth[mine][[CUSTOMER, ITEM]]
        if asked.empty:
            kind = "new items" if exclude == "bought" else "items again"
            raise DataContractError(
                f"No known customer bought {kind} within {ground.split.horizon.days} days of the later instant, so no list can be judged."
            )
        who = pd.Index(asked[CUSTOMER].unique())
        size = min(k, len(model.items_))
        lists = {m.name: m.recommend(who, k=size, exclude=exclude) for m in (model, popular)}  # type: ignore[arg-type]  # one of the two words above
        reports.append(compare_rankings(asked, lists, k=size, seed=seed))
    kept = [Popularity() if worse(r) else m for m, r in zip((CoOccurrence(), Repeat()), reports, strict=True)]
    return OfferAnswer(kept[0].fit(log), kept[1].fit(log), *reports)


def worse(report: ProbabilityReport | ValueReport | RankingReport) -> list[str]:
    """The simple rules that beat a model beyond chance."""
    return [str(name) for name in report.rules.loc[report.rules["verdict"] == "worse", "name"]]


def attempt(make: Callable[[], Any], what: str, notes: list[str]) -> Any:
    """An answer, or None and a note that says in words why there is none."""
    try:
        return make()
    except (DataContractError, LeakageError) as error:
        notes.append(f"{what}: {error}")
        return None


def _some(table: pd.DataFrame) -> pd.DataFrame:
    """At most about `MOST_ROWS` rows, of customers drawn by their identifiers alone; more would teach little."""
    share = MOST_ROWS / max(len(table), 1)
    if share >= 1:
        return table
    ids = table.index.get_level_values(CUSTOMER)
    kept = ids.unique()
    return table[ids.isin(kept[uniform(kept, "sample") < share])]


def _buyers(table: pd.DataFrame) -> pd.DataFrame:
    return table[table[BUYERS].notna()]


def _everything(
    ground: Ground, train: npt.NDArray[Any], later: npt.NDArray[Any]
) -> tuple[pd.DataFrame, npt.NDArray[Any]]:
    """Training and test instants together: what the model that is used may learn from."""
    return pd.concat([ground.train, ground.test]), np.concatenate([train, later])
