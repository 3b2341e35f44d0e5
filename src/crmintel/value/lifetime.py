"""What each customer will buy and be worth: models of counts and spend, trees that start from them, and a stack of both."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Self, final

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logsumexp
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from crmintel.errors import DataContractError, DataContractWarning
from crmintel.evaluation import tables
from crmintel.interactions import InteractionLog
from crmintel.interactions.clock import DAY, duration
from crmintel.value.forecast import PURCHASES, SPEND, ValueForecast, forecast_table
from crmintel.value.instants import FEWEST, Inner, Past, View, inner_instants
from crmintel.value.members import BOUGHT, COUNTS, FOLDS, LARGE, LONGEST, MONEY, OFFSET, SMALL, learn, link
from crmintel.value.purchases import Float, PurchaseDays
from crmintel.value.regularity import regularity
from crmintel.value.spread import Cells, Seen, Spread
from crmintel.value.stacks import spread_over, stack_bought, stack_counts, stack_money

MONTH_DAYS: Final = 30.4375
LONGEST_MONTHS: Final = 60
UNSEEN_DAYS: Final = 31
_FLOORS: Final = {COUNTS: 1e-4, MONEY: 0.01}
_Told = dict[tuple[str, str], Float]


@final
class LifetimeValue(BaseEstimator):
    """How often each customer will buy, and what for, over a horizon: the default that needs no settings.

    A Pareto/NBD model of counts and a Gamma-Gamma model of spend set the level. Boosted trees that start from their
    expectation learn, at instants within the history, what these do not see; stacks with weights that are never negative join
    both, one for counts, one for money, one for who buys at all. Intervals carry forward how far forecasts of customers who
    had not been seen, cells of them, and totals were off at those instants.

    Parameters
    ----------
    horizon : duration such as "180d"
        How far ahead; a whole number of days.
    margin : float
        Share of the spend that remains after the cost of goods.
    cost_to_serve : float
        Money that a day with a purchase costs.
    coverage : float in (0, 1)
        What intervals should cover.
    most_customers : int
        Trees and stacks learn from at most so many customers, drawn at random; the models of counts and spend from all.
    random_state : int
        Seed of trees, folds and the draw.
    threads : int
        How many trees are learned at a time, each on one thread; the result does not depend on it.

    Attributes
    ----------
    pareto_ : ParetoModel
    spend_ : GammaGammaModel or None
        None where there are no amounts, or nothing to learn of them.
    instants_ : DataFrame
        The inner instants: horizon_days, customers, and for purchases and spend what came later, what was expected of customers not
        learned from, and the error of the total (share). Read it beside any total.
    weights_ : DataFrame
        What each member of a stack weighs, by target.
    spreads_ : dict of str to Spread
    concerns_ : tuple of str
        What to know before the forecast is believed.

    Notes
    -----
    Inner instants lie at the end of the history less the horizon, a half and a quarter of it; the horizon there is at most half of
    the history. Returns net the spend and never count as a purchase; a sum below zero counts as zero. Totals are those of
    the models of counts and spend. Recipe and figures: docs/value.md. Sources: Schmittlein, Morrison and Colombo (1987),
    Fader, Hardie and Lee (2005).

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(300, days=300, seed=1).log(quiet=True)
    >>> model = LifetimeValue(horizon="60d").fit(log)
    >>> forecast = model.predict(log)
    >>> sorted(forecast.to_frame().columns)[:4]
    ['buy_probability', 'purchases', 'purchases_high', 'purchases_low']
    """

    def __init__(
        self, horizon: str = "180d", *, margin: float = 1.0, cost_to_serve: float = 0.0, coverage: float = 0.8,
        most_customers: int = 40_000, random_state: int = 0, threads: int = 2,
    ) -> None:  # fmt: skip
        self.horizon = horizon
        self.margin = margin
        self.cost_to_serve = cost_to_serve
        self.coverage = coverage
        self.most_customers = most_customers
        self.random_state = random_state
        self.threads = threads

    def fit(self, log: InteractionLog, *, at: Any = None) -> Self:
        """Learn from what was known before an instant; by default from the whole log.

        Raises
        ------
        DataContractError
            If an option is out of range, nobody bought before the instant, or the history is too short to learn from.
        """
        days_ahead = self._check()
        at = _instant(log, at)
        days = PurchaseDays.of(log, at)
        inner = list(inner_instants(log, days, days_ahead))
        if not inner:
            raise DataContractError(
                f"{len(days.customers):,} customers and {days.end - int(days.day.min())} days of history are too few to learn from: "
                "no instant within them has 20 customers who buy later. Give a longer history."
            )
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", DataContractWarning)
            past = Past.learned(days)
        self.pareto_, self.spend_ = past.pareto, past.spend
        self.horizon_days_ = days_ahead
        self.has_money_ = days.amount is not None
        self._learn(inner, past.view(days_ahead))
        told = [str(w.message) for w in said if issubclass(w.category, DataContractWarning)]
        self.concerns_ = tuple(dict.fromkeys([*told, *_clockwork(days)]))
        if self.concerns_:
            warnings.warn(" ".join(self.concerns_), DataContractWarning, stacklevel=2)
        return self

    def predict(self, log: InteractionLog, *, at: Any = None) -> ValueForecast:
        """Customers of a log at an instant, by default after its last interaction.

        Raises
        ------
        DataContractError
            If nobody bought before the instant, or the log has no amounts and the one of `fit` had.
        """
        past, view, at = self._past(log, at)
        told = self._tell(view)
        table = forecast_table(past.days.customers, told, told[BOUGHT], self.spreads_, self.margin, self.cost_to_serve)
        when = log.zone.stamp(log.zone.instant(at))
        return ValueForecast(table, when, self.horizon_days_, self.coverage, self.spreads_, self._cells(view.table))

    def discounted(
        self, log: InteractionLog, *, at: Any = None, months: int = LONGEST_MONTHS, annual_rate: float = 0.1
    ) -> pd.DataFrame:
        """What each customer is worth today: value of the coming months, discounted and added up.

        Parameters
        ----------
        months : int from 1 to 60
        annual_rate : float
            By how much money is worth less after a year: .1 is 10 %.

        Returns
        -------
        DataFrame, index customer_id, columns 1 … months
            One row a customer: the value of the first so many months. Their course is that of the model of counts, their size that of
            the forecast over the horizon.

        Raises
        ------
        DataContractError
            If an option is out of range, or there are no amounts.
        """
        check_is_fitted(self, "pareto_")
        if not self.has_money_:
            raise DataContractError(
                "The log has no amounts, so there is no value to discount. `predict` tells purchases."
            )
        if not 1 <= months <= LONGEST_MONTHS or not annual_rate > -1:
            raise DataContractError(
                f"months is {months} (1 to {LONGEST_MONTHS}), annual_rate is {annual_rate} (above -1)."
            )
        past, view, _ = self._past(log, at)
        told = self._tell(view)
        value = self.margin * told[SPEND] - self.cost_to_serve * told[PURCHASES]
        ends = [pd.Timedelta(days=MONTH_DAYS * (m + 1)) for m in range(months)]
        course = self.pareto_.expected_purchases(past.history, ends).to_numpy()
        course = np.diff(course, axis=1, prepend=0.0) * (1 + annual_rate) ** -((np.arange(months) + 0.5) / 12)
        np.cumsum(course, axis=1, out=course)
        course *= (value / view.expected)[:, None]
        return pd.DataFrame(course, index=past.days.customers, columns=range(1, months + 1))

    def _learn(self, inner: Sequence[Inner], view: View) -> None:
        """Trees, stacks and spreads, from inner instants and for those who are forecast."""
        everybody = view.table.index
        draw = np.random.default_rng(self.random_state)
        fold = pd.Series(draw.integers(0, FOLDS, len(everybody)), everybody)
        if len(everybody) > self.most_customers:
            chosen = everybody[np.sort(draw.permutation(len(everybody))[: self.most_customers])]
            inner = [i.of(chosen) for i in inner]
        folds = [fold.loc[i.view.table.index].to_numpy() for i in inner]
        self._trees = learn(inner, folds, self.random_state, self.threads)
        unseen: list[_Told] = [{k: v[i] for k, v in self._trees.unseen.items()} for i in range(len(inner))]
        views = [i.view for i in inner]
        logs = [_logs(COUNTS, v, u) for v, u in zip(views, unseen, strict=True)]
        self._weights = {
            COUNTS: stack_counts(logs, [i.counts for i in inner], [float(v.expected.sum()) for v in views])
        }
        money = [i.money for i in inner if i.money is not None]
        if money:
            logs = [_logs(MONEY, v, u) for v, u in zip(views, unseen, strict=True)]
            self._weights[MONEY] = stack_money(logs, money, np.array([0.25, 0.0, 0.25, 0.25, 0.25]))
        start = np.array([0.2, 0.0, 0.2, 0.2, 0.2, 0.2])
        odds = _logs(BOUGHT, views[0], unseen[0])
        self._weights[BOUGHT] = stack_bought(odds, (inner[0].counts > 0).astype(np.float64), start)
        scores, said = (
            self._scores(view, self._trees.tell(view)),
            [self._scores(v, u) for v, u in zip(views, unseen, strict=True)],
        )
        self._level = {PURCHASES: _constant(scores[PURCHASES], view.expected)}
        if money:
            self._level[SPEND] = _constant(scores[SPEND], view.spend)
        self._cells = Cells.of(views[0].table)
        actual = {PURCHASES: [i.counts for i in inner], SPEND: money}
        self.spreads_ = {}
        rows: dict[str, list[float]] = {
            "horizon_days": [v.horizon for v in views],
            "customers": [len(v.table) for v in views],
        }
        for name in self._level:
            totals = [v.expected if name == PURCHASES else v.spend for v in views]
            unseen_ = [spread_over(s[name], float(t.sum())) for s, t in zip(said, totals, strict=True)]
            seen = [
                Seen(u, a, self._cells(v.table), v.horizon)
                for u, a, v in zip(unseen_, actual[name], views, strict=True)
            ]
            told = np.exp(scores[name] + self._level[name])
            self.spreads_[name] = Spread.learned(seen, told, self.horizon_days_, self.coverage)
            rows |= {
                name: [float(s.actual.sum()) for s in seen],
                f"{name}_expected": [float(s.forecast.sum()) for s in seen],
            }
            rows[f"{name}_error"] = [float(s.forecast.sum() / s.actual.sum() - 1) for s in seen]
        self.instants_ = pd.DataFrame(rows)
        self.weights_ = pd.DataFrame({t: pd.Series(w, _NAMES[t]) for t, w in self._weights.items()})
        counts = self.spreads_[PURCHASES]
        buyers = 1 - counts.nothing[counts.bins(np.exp(scores[PURCHASES] + self._level[PURCHASES]))].mean()
        self._level[BOUGHT] = _shift(scores[BOUGHT], float(buyers))

    def _scores(self, view: View, members: _Told) -> dict[str, Float]:
        """Logarithms of purchases and of money, and log-odds of buying at all, each up to a constant."""
        targets = {PURCHASES: COUNTS, SPEND: MONEY, BOUGHT: BOUGHT}
        return {n: _logs(t, view, members) @ self._weights[t] for n, t in targets.items() if t in self._weights}

    def _tell(self, view: View) -> dict[str, Float]:
        """Purchases, money, and the chance to buy at all."""
        scores = {n: s + self._level[n] for n, s in self._scores(view, self._trees.tell(view)).items()}
        return {n: expit(s) if n == BOUGHT else np.exp(s) for n, s in scores.items()}

    def _past(self, log: InteractionLog, at: Any) -> tuple[Past, View, Any]:
        """Customers of a log at an instant, as they were learned to be seen."""
        check_is_fitted(self, "pareto_")
        if self.has_money_ and not log.has_amounts:
            raise DataContractError("The log has no amounts, and the one that was learned from had. Map the column.")
        at = _instant(log, at)
        days = PurchaseDays.of(log, at)
        if not self.has_money_:
            days = replace(days, amount=None)
        past = Past.told(days, self.pareto_, self.spend_)
        return past, past.view(self.horizon_days_), at

    def _check(self) -> int:
        """The days of the horizon, once all options are in range."""
        length = duration(self.horizon)
        if length % DAY:
            raise DataContractError(f"The horizon {self.horizon!r} is no whole number of days. Write it as '180d'.")
        if not 0 < self.coverage < 1:
            raise DataContractError(f"coverage is {self.coverage}. Give a share such as 0.8.")
        if not (np.isfinite(self.margin) and np.isfinite(self.cost_to_serve)):
            raise DataContractError(
                f"margin is {self.margin} and cost_to_serve {self.cost_to_serve}. Give two numbers."
            )
        if self.most_customers < FEWEST:
            raise DataContractError(f"most_customers is {self.most_customers}. Give at least {FEWEST}.")
        return length // DAY

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        if not hasattr(self, "pareto_"):
            return str(super().__repr__(N_CHAR_MAX))
        errors = ", ".join(f"{r.purchases_error:+.0%} over {r.horizon_days} days" for r in self.instants_.itertuples())
        return "\n".join([
            f"LifetimeValue over {self.horizon_days_} days, learned from {self.pareto_.n_customers_:,} customers"
            f"{'' if self.has_money_ else ' without amounts: purchases alone'}.",
            f"Totals of purchases expected at inner instants were off by {errors}.",
            *(f"! {c}" for c in self.concerns_),
        ])  # fmt: skip

    def _html_repr(self) -> str:
        """What was learned; before that, as scikit-learn shows it."""
        if not hasattr(self, "pareto_"):
            return str(BaseEstimator._html_repr(self))
        first, *rest = repr(self).split("\n")
        weights = self.weights_.rename_axis("member").reset_index()
        return tables.page(
            first, inner_instants=self.instants_, weights=weights, to_know=pd.DataFrame({"to know": rest})
        )


_NAMES: Final = {
    COUNTS: ["Pareto/NBD", OFFSET.name],
    MONEY: ["Pareto/NBD", "past money", OFFSET.name, LARGE.name, SMALL.name],
    BOUGHT: ["Pareto/NBD", "recency", OFFSET.name, LARGE.name, SMALL.name, LONGEST.name],
}
"""The members of each stack."""


def _logs(target: str, view: View, members: _Told) -> Float:
    """What is stacked for a target, on the scale of `link`, shape (n_customers, n_members)."""
    own = [link(target, view)]
    if target == MONEY:
        own.append(np.log(np.maximum(view.table["total"].to_numpy(), _FLOORS[MONEY])))
    if target == BOUGHT:
        own.append(-np.log1p(view.table["since"].to_numpy()))
    trees = [members[m.name, target] for m in (OFFSET, LARGE, SMALL, LONGEST) if (m.name, target) in members]
    out: Float = np.column_stack([*own, *trees])
    return out if target == BOUGHT else np.maximum(out, np.log(_FLOORS[target]))


def _constant(score: Float, expected: Float) -> float:
    """What brings the exponentials of scores to the total of what is expected."""
    return float(np.log(expected.sum()) - logsumexp(score))


def _shift(score: Float, share: float) -> float:
    """What brings log-odds to a mean probability."""
    share = float(np.clip(share, 1e-6, 1 - 1e-6))
    return float(brentq(lambda c: expit(score + c).mean() - share, -60.0 - score.max(), 60.0 - score.min()))


def _clockwork(days: PurchaseDays) -> Iterator[str]:
    """Whether customers buy too evenly for the model of counts."""
    try:
        found = regularity(days)
    except DataContractError:  # too few purchases to tell
        return
    if found.regular:
        yield str(found)


def _instant(log: InteractionLog, at: Any) -> Any:
    """Just after the last interaction if none is given; one long after it would take what was not seen for silence."""
    if at is None:
        return log.end + pd.Timedelta(microseconds=1)
    late = log.zone.instant(at) - log.bounds[1]
    if late > UNSEEN_DAYS * DAY:
        raise DataContractError(
            f"The log ends {log.end:%Y-%m-%d}, {late // DAY} days before the instant: what was not seen would count as silence. "
            "Choose an instant at or before the end of the log."
        )
    return at
