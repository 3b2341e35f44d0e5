"""What each customer will buy and be worth: models of counts and spend, trees that start from them, and a stack of both."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Self, final

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from crmintel.errors import DataContractError, DataContractWarning
from crmintel.evaluation import tables
from crmintel.interactions import InteractionLog
from crmintel.value.forecast import PURCHASES, SPEND, ValueForecast, forecast_table
from crmintel.value.instants import FEWEST, Inner, Past, View, inner_instants
from crmintel.value.joined import Joined, drawn
from crmintel.value.members import BOUGHT, learn
from crmintel.value.options import instant, log_of, number, whole_days, whole_number
from crmintel.value.purchases import PurchaseDays
from crmintel.value.regularity import regularity

MONTH_DAYS: Final = 30.4375
LONGEST_MONTHS: Final = 60
MOST_SEED: Final = 2**31 - 1
FARTHEST: Final = 4.0
"""A horizon so many times as long as the longest that was seen is warned of."""


@final
class LifetimeValue(BaseEstimator):
    """How often each customer will buy, and what for, over a horizon: the default that needs no settings.

    A Pareto/NBD model of counts and a Gamma-Gamma model of spend set the level. Boosted trees that start from their
    expectation learn, at instants within the history, what these do not see; stacks with weights that are never negative join
    both, one for counts, one for money, one for who buys at all. Intervals carry forward how far forecasts of customers who
    had not been seen, cells of them, and totals were off at those instants.

    Parameters
    ----------
    horizon : duration such as "180d", "26w" or a Timedelta
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
        self, horizon: Any = "180d", *, margin: float = 1.0, cost_to_serve: float = 0.0, coverage: float = 0.8,
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
            If an option is out of range, nobody bought before the instant, the log ends long before it, or the history is too short
            to learn from.

        Warns
        -----
        DataContractWarning
            With what is kept in ``concerns_``.
        """
        horizon, log = self._check(), log_of(log)
        at = instant(log, at)
        days = PurchaseDays.of(log, at)
        inner, concerns = list(inner_instants(log, days, horizon)), []
        if not inner and days.amount is not None:
            days = replace(days, amount=None)
            inner = list(inner_instants(log, days, horizon))
            concerns.append(f"At no inner instant did {FEWEST} customers bring money later: purchases alone are told.")
        if not inner:
            raise DataContractError(
                f"{len(days.customers):,} customers and {days.end - int(days.day.min())} days of history are too few to learn from: "
                f"no instant within them has {FEWEST} customers who buy later. Give a longer history."
            )
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", DataContractWarning)
            past = Past.learned(days)
        view = past.view(horizon)
        concerns += [str(w.message) for w in said if issubclass(w.category, DataContractWarning)]
        concerns += [*_clockwork(days), *_far(horizon, inner[0].view.horizon), *_small(past.usual)]
        self._joined = self._join(inner, view)
        self.pareto_, self.spend_, self._usual = past.pareto, past.spend, past.usual
        self.horizon_days_, self.has_money_ = horizon, days.amount is not None
        self._seen_until = min(log.bounds[1], log.zone.instant(at))
        self.spreads_ = dict(self._joined.spreads)
        self.instants_, self.weights_ = self._joined.instants(), self._joined.weights()
        self.concerns_ = tuple(dict.fromkeys(concerns))
        if self.concerns_:
            warnings.warn(" ".join(self.concerns_), DataContractWarning, stacklevel=2)
        return self

    def predict(self, log: InteractionLog, *, at: Any = None) -> ValueForecast:
        """Customers of a log at an instant, by default after its last interaction.

        Raises
        ------
        DataContractError
            If nobody bought before the instant, the log (and the one of `fit`) ends long before it, or it has no amounts and the
            one of `fit` had.
        """
        past, view, at = self._past(log, at)
        told = self._joined.tell(view)
        table = forecast_table(past.days.customers, told, told[BOUGHT], self.spreads_, self.margin, self.cost_to_serve)
        when = log.zone.stamp(log.zone.instant(at))
        cells = self._joined.cells(view.table)
        return ValueForecast(table, when, self.horizon_days_, self._joined.coverage, self.spreads_, cells)

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
        check_is_fitted(self, "concerns_")
        if not self.has_money_:
            raise DataContractError(
                "There were no amounts to learn from, so there is no value to discount. `predict` tells purchases."
            )
        months = whole_number("months", months, 1, LONGEST_MONTHS)
        annual_rate = number("annual_rate", annual_rate, above=-1, such_as="0.1")
        past, view, _ = self._past(log, at)
        told = self._joined.tell(view, (PURCHASES, SPEND))
        value = self.margin * told[SPEND] - self.cost_to_serve * told[PURCHASES]
        ends = [pd.Timedelta(days=MONTH_DAYS * (m + 1)) for m in range(months)]
        course = self.pareto_.expected_purchases(past.history, ends).to_numpy()
        course = np.diff(course, axis=1, prepend=0.0) * (1 + annual_rate) ** -((np.arange(months) + 0.5) / 12)
        np.cumsum(course, axis=1, out=course)
        course *= (value / view.expected)[:, None]
        return pd.DataFrame(course, index=past.days.customers, columns=range(1, months + 1))

    def _past(self, log: InteractionLog, at: Any) -> tuple[Past, View, Any]:
        """Customers of a log at an instant, as they were learned to be seen."""
        check_is_fitted(self, "concerns_")
        log = log_of(log)
        if self.has_money_ and not log.has_amounts:
            raise DataContractError("The log has no amounts, and the one that was learned from had. Map the column.")
        at = instant(log, at, self._seen_until)
        days = PurchaseDays.of(log, at)
        if not self.has_money_:
            days = replace(days, amount=None)
        past = Past.told(days, self.pareto_, self.spend_, self._usual)
        return past, past.view(self.horizon_days_), at

    def _check(self) -> int:
        """The days of the horizon, once all options are in range."""
        number("coverage", self.coverage, above=0, below=1, such_as="0.8")
        number("margin", self.margin, such_as="0.4")
        number("cost_to_serve", self.cost_to_serve, such_as="1.5")
        whole_number("most_customers", self.most_customers, FEWEST)
        whole_number("random_state", self.random_state, 0, MOST_SEED)
        whole_number("threads", self.threads, 1)
        return whole_days(self.horizon)

    def _join(self, inner: Sequence[Inner], view: View) -> Joined:
        """Trees, stacks and spreads, from inner instants and for those who are forecast."""
        inner, folds = drawn(inner, view.table.index, self.most_customers, self.random_state)
        if not inner:
            raise DataContractError(
                f"Of {self.most_customers:,} customers who were drawn, fewer than {FEWEST} buy later at every inner instant. "
                "Raise most_customers."
            )
        trees = learn(inner, folds, self.random_state, self.threads)
        return Joined.learned(inner, trees, view, whole_days(self.horizon), self.coverage)

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        if not hasattr(self, "concerns_"):
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
        if not hasattr(self, "concerns_"):
            return str(BaseEstimator._html_repr(self))
        first, *rest = repr(self).split("\n")
        inner = self.instants_.copy()
        for name in inner.columns[2:]:
            shown = "{:+.0%}" if name.endswith("_error") else "{:,.0f}"
            inner[name] = [shown.format(v) for v in inner[name]]
        weights = self.weights_.rename_axis("member").reset_index()
        return tables.page(first, inner_instants=inner, weights=weights, notes=pd.DataFrame({"to know": rest}))


def _clockwork(days: PurchaseDays) -> Iterator[str]:
    """Whether customers buy too evenly for the model of counts."""
    try:
        found = regularity(days)
    except DataContractError:  # too few purchases to tell
        return
    if found.regular:
        yield str(found)


def _far(horizon: int, longest: int) -> Iterator[str]:
    """Whether the horizon goes far beyond all that was seen."""
    if horizon > FARTHEST * longest:
        yield (
            f"The horizon of {horizon:,} days is {horizon / longest:.0f} times as long as the longest one that the history has seen "
            f"({longest:,} days): the forecast is an extrapolation."
        )


def _small(usual: float | None) -> Iterator[str]:
    """Whether amounts are so small that the floors beneath logarithms of money get in their way."""
    if usual is not None and usual < 1:
        yield (
            f"A purchase brings {usual:.2g} on average, and money below 0.01 a customer is not told apart. "
            "Give amounts in a smaller unit, such as cents."
        )
