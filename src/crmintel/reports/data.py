"""What the report page is filled with: frozen records of plain values and small frames, nothing of the models.

Every frame may be empty (with or without columns). Columns marked *optional* may be left out or hold missing values.
Shares and probabilities lie between 0 and 1. In every frame of rules a row is one simple rule, ``gain`` says how much
better the model is than that rule (positive is good for the model, also where a smaller error is better) and
``verdict`` is "proven", "not proven" or "worse"; a row without gain and verdict is the model itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, final

import pandas as pd

from crmintel.reports.whatif import WhatIf
from crmintel.segmentation import Migration
from crmintel.showing import Shown, page


class Estimate(Protocol):
    """A figure with the interval that it may lie in: anything with these three attributes.

    Examples
    --------
    >>> from crmintel.evaluation import Estimate
    >>> auc = Estimate(0.79, 0.77, 0.81)
    >>> auc.value, auc.low, auc.high
    (0.79, 0.77, 0.81)
    """

    @property
    def value(self) -> float:
        """The best guess."""

    @property
    def low(self) -> float:
        """Lower end of the interval."""

    @property
    def high(self) -> float:
        """Upper end of the interval."""


@final
@dataclass(frozen=True, eq=False)
class Base(Shown):
    """The customer base at a glance.

    Parameters
    ----------
    customers, interactions, orders : int
        How many there are in the whole history.
    revenue : float or None
        Money of the whole history; None when the history has no amounts.
    monthly : DataFrame
        month (Timestamp), active_customers, new_customers; one row a calendar month. Optional: revenue, came_customers (active, and
        not in the month before) and quiet_customers (the other way round).
    concentration : DataFrame or None
        customer_share, revenue_share: cumulated, best customers first.
    retention : DataFrame
        Index: month of the first purchase (Timestamp); columns: months since (int); cells: share that came back.

    Examples
    --------
    >>> months = pd.date_range("2024-01-01", periods=3, freq="MS")
    >>> base = Base(800, 5_000, 2_400, 96_000.0, pd.DataFrame({"month": months, "active_customers": [500, 520, 610], "new_customers": 100}))
    >>> base.revenue / base.customers
    120.0
    """

    customers: int
    interactions: int
    orders: int
    revenue: float | None
    monthly: pd.DataFrame
    concentration: pd.DataFrame | None = None
    retention: pd.DataFrame = field(default_factory=pd.DataFrame)


@final
@dataclass(frozen=True, eq=False)
class ChurnSection(Shown):
    """Who is likely to leave, and how far that can be trusted.

    Parameters
    ----------
    n : int
        Customers the model was tested on.
    churn_rate : float
        Share of them that really left.
    horizon_days : float
        Days of silence that count as leaving.
    trained_at, tested_at : Timestamps
        The instants it learned from, and the later one it was tested at.
    metrics : mapping of str to Estimate
        For example "auc", "average_precision", "brier", "log_loss", "lift_10"; "auc" adds the model to the rules.
    rules : DataFrame
        name, auc, auc_low, auc_high, gain, gain_low, gain_high, verdict.
    calibration : DataFrame
        bin, customers, predicted, observed, low, high.
    lift : DataFrame
        depth (share of the list), captured (share of all leavers), lift.
    reasons : DataFrame
        reason, customers, share: the most common top reasons.
    scores_histogram : DataFrame
        low, high (edges of churn probability), customers.

    Examples
    --------
    >>> from crmintel.evaluation import Estimate
    >>> at, none = pd.Timestamp("2024-01-01"), pd.DataFrame()
    >>> auc = {"auc": Estimate(0.79, 0.77, 0.81)}
    >>> churn = ChurnSection(6_120, 0.37, 90.0, [at], at + pd.Timedelta("90D"), auc, none, none, none, none, none)
    >>> churn.metrics["auc"].value
    0.79
    """

    n: int
    churn_rate: float
    horizon_days: float
    trained_at: list[pd.Timestamp]
    tested_at: pd.Timestamp
    metrics: Mapping[str, Estimate]
    rules: pd.DataFrame
    calibration: pd.DataFrame
    lift: pd.DataFrame
    reasons: pd.DataFrame
    scores_histogram: pd.DataFrame


@final
@dataclass(frozen=True, eq=False)
class ValueSection(Shown):
    """What customers will be worth in the coming horizon.

    Parameters
    ----------
    n : int
        Customers the model was tested on.
    metrics : mapping of str to Estimate
        For example "mae", "capture", "gini", "bias"; "mae" adds the model to the rules.
    rules : DataFrame
        name, mae, mae_low, mae_high, gain, gain_low, gain_high, verdict; capture (optional).
    deciles : DataFrame
        decile, customers, predicted, actual: mean money per customer in each tenth by predicted value.
    coverage : Estimate
        Share of customers whose real value lay inside their interval.
    level : float
        What that share should be.
    total : Estimate
        Money expected from everybody in the coming horizon.

    Examples
    --------
    >>> from crmintel.evaluation import Estimate
    >>> tenths = pd.DataFrame({"decile": [1, 2], "customers": 400, "predicted": [90.0, 20.0], "actual": [84.0, 22.0]})
    >>> value = ValueSection(800, {"mae": Estimate(31.0, 29.5, 32.4)}, pd.DataFrame(), tenths, coverage=None)
    >>> value.level
    0.8
    """

    n: int
    metrics: Mapping[str, Estimate]
    rules: pd.DataFrame
    deciles: pd.DataFrame
    coverage: Estimate | None
    level: float = 0.8
    total: Estimate | None = None


@final
@dataclass(frozen=True, eq=False)
class OfferSection(Shown):
    """What to offer next.

    Parameters
    ----------
    n : int
        Customers the recommender was tested on.
    k : int
        Length of the list offered to each.
    mode : str
        What may be offered, in words, for example "new items only".
    rules : DataFrame
        name, ndcg, ndcg_low, ndcg_high, gain, gain_low, gain_high, verdict; hit_rate, recall, precision (optional).
        The model is the row without gain and verdict.
    top : DataFrame
        item, customers, category (optional): the items recommended most.
    horizon_days : float
        Days in which a purchase counts as a hit.

    Examples
    --------
    >>> top = pd.DataFrame({"item": ["tea", "cup"], "customers": [310, 120]})
    >>> offers = OfferSection(800, 10, "items the customer never bought", pd.DataFrame(), top, horizon_days=30)
    >>> offers.k
    10
    """

    n: int
    k: int
    mode: str
    rules: pd.DataFrame
    top: pd.DataFrame
    horizon_days: float


@final
@dataclass(frozen=True, eq=False)
class PlanSection(Shown):
    """What to do for whom, and the experiment that would prove it.

    Parameters
    ----------
    causal : bool
        Whether the effect of the actions was measured with a randomised or known assignment.
    statement : str
        One sentence on how far the plan can be trusted.
    budget : float or None
        Money that may be spent; None when unlimited.
    cost : float
        Money the plan spends.
    by_action : DataFrame
        action, customers, cost, value_at_risk (optional).
    by_segment : DataFrame
        segment, contacted, customers.
    holdout, treated : int
        Customers left alone on purpose, and customers who get an action.
    experiment : mapping of str to str or float
        Rows to show, label to value, for example "customers per arm", "duration".
    what_if : WhatIf or None
        What other budgets and costs of a contact would reach: a form on the page; None leaves it out.

    Examples
    --------
    >>> actions = pd.DataFrame({"action": ["call", "no action"], "customers": [80, 720], "cost": [320.0, 0.0]})
    >>> segments = pd.DataFrame({"segment": ["loyal"], "contacted": [80], "customers": [800]})
    >>> plan = PlanSection(False, "No effect is known.", 400.0, 320.0, actions, segments, holdout=20, treated=80)
    >>> plan.cost / plan.treated
    4.0
    """

    causal: bool
    statement: str
    budget: float | None
    cost: float
    by_action: pd.DataFrame
    by_segment: pd.DataFrame
    holdout: int
    treated: int
    experiment: Mapping[str, str | float] = field(default_factory=dict)
    what_if: WhatIf | None = None


@final
@dataclass(frozen=True, eq=False)
class Report(Shown):
    """All that one page shows.

    Parameters
    ----------
    title, source : str
        Name of the page and of the data.
    created : str or None
        When the page was made, as text; None keeps the page free of the clock.
    span : pair of Timestamps
        First and last moment of the history.
    at, horizon : Timestamp and Timedelta
        The instant the customers are described at, and how far ahead the predictions look.
    base : Base
        The customer base at a glance.
    quality : DataFrame
        rule, rows, share, action, level ("ok", "info", "warning" or "error").
    segments : DataFrame
        segment, customers, share; revenue, revenue_share, recency_days, orders, mean_value, churn_probability
        (optional; recency_days and orders are means a customer).
    tiers : DataFrame
        tier, customers, share; revenue, revenue_share (optional).
    stages : DataFrame
        stage, customers, share; churn_probability (optional).
    churn, value, offers, repeats, plan : sections or None
        None leaves the section out.
    notes : tuple of str
        What was left out, and why.
    moves : Migration or None
        Who moved from segment to segment from an earlier instant to `at`; small counts are hidden on the page.

    Examples
    --------
    >>> none, at = pd.DataFrame(), pd.Timestamp("2024-04-01")
    >>> base = Base(800, 5_000, 2_400, None, none)
    >>> span = (pd.Timestamp("2023-01-01"), at)
    >>> report = Report("Tea shop", "orders.csv", None, span, at, pd.Timedelta("90D"), base, none, none, none, none)
    >>> report.churn is None
    True
    """

    title: str
    source: str
    created: str | None
    span: tuple[pd.Timestamp, pd.Timestamp]
    at: pd.Timestamp
    horizon: pd.Timedelta
    base: Base
    quality: pd.DataFrame
    segments: pd.DataFrame
    tiers: pd.DataFrame
    stages: pd.DataFrame
    churn: ChurnSection | None = None
    value: ValueSection | None = None
    offers: OfferSection | None = None
    repeats: OfferSection | None = None
    plan: PlanSection | None = None
    notes: tuple[str, ...] = ()
    moves: Migration | None = None

    def _repr_html_(self) -> str:
        from crmintel.reports.page import findings  # the page is made of this

        return page(self.title, findings=findings(self))
