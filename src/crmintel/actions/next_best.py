"""From a history to a plan: who gets what next and why, or, where nothing was ever drawn, the experiment that would tell."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from crmintel import features as f
from crmintel.actions.allocation.channels import allocate_catalog
from crmintel.actions.allocation.result import Allocation
from crmintel.actions.catalogue.catalog import Action, ActionCatalog
from crmintel.actions.catalogue.contact import ContactPolicy
from crmintel.actions.catalogue.eligibility import NONE, Eligibility
from crmintel.actions.effects.model import EffectModel
from crmintel.actions.effects.policy import Policy, choose_policy
from crmintel.actions.effects.trial import known
from crmintel.actions.plan import (
    OUTSIDE,
    TREATED,
    WHY_HELD,
    Plan,
    of_customers,
    plan_actions,
    split_arms,
    uniform,
)
from crmintel.columns import ACTION, AT, CUSTOMER, WHY
from crmintel.errors import DataContractError
from crmintel.features import FeatureSet
from crmintel.interactions import InteractionLog
from crmintel.interactions.clock import Zone, duration

PROPENSITY: Final = "propensity"
MOST_INSTANTS: Final = 60
"""With decisions at more instants than these, what was known is taken as of the beginning of their day."""
Outcome = Callable[..., pd.Series]


def next_best_actions(
    log: InteractionLog,
    catalog: ActionCatalog | Sequence[Action],
    *,
    at: Any,
    horizon: str,
    history: pd.DataFrame | None = None,
    features: FeatureSet | None = None,
    outcome: Outcome | None = None,
    margin: float = 1.0,
    budget: float | None = None,
    max_contacts: int = 1,
    contact: ContactPolicy | None = None,
    profiles: pd.DataFrame | None = None,
    at_risk: pd.Series | None = None,
    probability: pd.Series | None = None,
    holdout: float = 0.1,
    seed: int = 0,
) -> Plan:
    """Which action each customer gets as of an instant, within all limits, with the reason beside it.

    With a `history` of drawn actions, effects are learned from it, personal actions are used only if they are proven better than
    one action for all, and money and places go where they change most. Without one nothing is known of effects, and nothing is
    claimed: customers are ranked by what is at risk, a random part is held out, and the plan says what it will prove.

    Parameters
    ----------
    log : InteractionLog
    catalog : ActionCatalog or sequence of Action
    at : instant
        When the plan is made; nothing at or after it is looked at.
    horizon : str
        How long an action works, such as ``"30d"``.
    history : DataFrame, optional
        Past decisions, such as `DecisionLog.read()` or `Plan.decisions()` gives them: customer_id, at, action ("no action" for those left
        alone) and propensity, the probability of what was done. Decisions whose horizon is not over by `at` are left out, and so are
        those with probability 1: they could not have been otherwise.
    features : FeatureSet, optional
        What is known of a customer: `crmintel.features.standard` by default.
    outcome : callable, optional
        ``outcome(log, index, horizon, known_by=…)`` tells what came of each (customer, at): money spent where the log has
        amounts, orders otherwise.
    margin : float
        Money that one unit of the outcome is worth.
    budget : float, optional
        Money for all contacts together.
    max_contacts : int
        Actions that one customer may get.
    contact : ContactPolicy, optional
        Contact limits, cool-downs and consent.
    profiles : DataFrame, optional
        What rules and consent ask for beside the features; indexed by customer.
    at_risk, probability : Series, optional
        Without history: money that is lost with each customer over the horizon, and its probability, from a churn and a value
        model; indexed by customer.
    holdout : float in (0, 1)
        Share of those who would get an action and are left alone at random, so that the next plan can learn.
    seed : int

    Raises
    ------
    DataContractError
        If the history lacks a column, knows other actions than the catalogue, or holds no decision that is mature; if there is neither a
        history nor what is at risk.

    Examples
    --------
    >>> from crmintel.datasets import simulate
    >>> log = simulate(300, days=400, seed=1).log(quiet=True)
    >>> import pandas as pd
    >>> from crmintel.actions import Action
    >>> risk = pd.Series(8.0, index=pd.RangeIndex(1, 301, name="customer_id"))
    >>> plan = next_best_actions(log, [Action("call", 4.0, capacity=50)], at=log.end, horizon="30d", at_risk=risk, probability=risk / 20)
    >>> plan.table["action"].value_counts().to_dict()
    {'no action': 270, 'call': 29}
    """
    _check_options(budget, holdout)
    catalog = catalog if isinstance(catalog, ActionCatalog) else ActionCatalog(catalog)
    when = log.zone.stamp(log.zone.instant(at))
    past = None if history is None else _history(history, catalog.names, log.zone)
    declared = _declared(log, features, when, past)
    X = declared.build(log, when)
    table = X if profiles is None else _with_profiles(X, profiles)
    open_ = catalog.check(table, policy=contact, log=log, at=when)
    tried = None if past is None else _learned(log, past, catalog, margin, when, horizon, declared, outcome, seed)
    if tried is None or not tried[0].model.causal_:
        plan = _experiment(X.index, catalog, open_, at_risk, probability, budget, horizon, holdout, seed, when)
    else:
        plan = _plan(tried[0], X, catalog, open_, budget, max_contacts, holdout, seed, when, tried[1])
    return replace(plan, at=pd.Timestamp(log.zone.instant(at), unit="us", tz=log.zone.name))


def _learned(
    log: InteractionLog, past: pd.DataFrame, catalog: ActionCatalog, margin: float, when: pd.Timestamp, horizon: str,
    declared: FeatureSet, outcome: Outcome | None, seed: int,
) -> tuple[Policy, int]:  # fmt: skip
    """The policy that past decisions teach, and how many of these are too young."""
    model, late = learn_effects(
        log, past, at=when, horizon=horizon, features=declared, outcome=outcome, names=catalog.names, seed=seed
    )
    return choose_policy(model, cost={a: catalog.costs[a] for a in model.actions_}, worth=margin), late


def _with_profiles(X: pd.DataFrame, profiles: pd.DataFrame) -> pd.DataFrame:
    """Features, and beside them what else is known; a name that is taken gets the end "_profile"."""
    if twice := int(profiles.index.duplicated().sum()):
        raise DataContractError(f"profiles holds {twice:,} customers twice. Give one row a customer.")
    more = profiles.rename(columns=lambda c: f"{c}_profile" if c in X.columns else c)
    return pd.concat([X, more.reindex(X.index)], axis=1)


def _check_options(budget: Any, holdout: Any) -> None:
    """Complain about money and shares before anything is learned."""
    number = isinstance(budget, int | float | np.number) and not isinstance(budget, bool)
    if budget is not None and not (number and np.isfinite(budget) and budget > 0):
        raise DataContractError(f"budget is {budget!r}. Give money above 0, or leave it out if money is no limit.")
    if not (isinstance(holdout, int | float | np.number) and 0 < holdout < 1):
        raise DataContractError(
            f"holdout is {holdout!r}. Give a share between 0 and 1: without one the next plan cannot learn."
        )


def learn_effects(
    log: InteractionLog, history: pd.DataFrame, *, at: Any, horizon: str, names: tuple[str, ...],
    features: FeatureSet | None = None, outcome: Outcome | None = None, seed: int = 0,
) -> tuple[EffectModel, int]:  # fmt: skip
    """What each action changed in past decisions, from what was known before each of them; and how many are not mature yet.

    >>> from crmintel.datasets import simulate
    >>> log = simulate(400, days=300, seed=1).log(quiet=True)
    >>> import numpy as np
    >>> import pandas as pd
    >>> drawn = np.random.default_rng(0).random(400) < 0.5
    >>> history = pd.DataFrame({"customer_id": range(1, 401), "at": pd.Timestamp("2023-08-01"), "action": np.where(drawn, "mail", "no action"), "propensity": 0.5})
    >>> model, immature = learn_effects(log, history, at=log.end, horizon="30d", names=("mail",))
    >>> model.actions_, immature
    (('mail',), 0)
    """
    past = _history(history, names, log.zone)
    when, days = log.zone.stamp(log.zone.instant(at)), pd.Timedelta(duration(horizon), unit="us")
    mature = past[AT] + days <= min(when, log.end + pd.Timedelta(1, unit="us"))
    late = int((~mature).sum())
    past = past[mature]
    if past.empty:
        raise DataContractError(
            f"None of the {late:,} decisions is mature: their {horizon} are not over by {when:%Y-%m-%d}. Plan later, or leave history out."
        )
    index = pd.MultiIndex.from_frame(past[[CUSTOMER, AT]])
    tell = outcome or (f.spend if log.has_amounts else f.orders)
    y = tell(log, index, horizon, known_by=when)
    X = _known_before(log, past, features)
    given = past[PROPENSITY].to_numpy(np.float64) if PROPENSITY in past else None
    model = EffectModel(random_state=seed).fit(
        X,
        past[ACTION].to_numpy(object),
        np.asarray(y, np.float64),
        propensity=given,
        customer=past[CUSTOMER].to_numpy(),
    )
    return model, late


def _declared(log: InteractionLog, features: FeatureSet | None, when: Any, history: pd.DataFrame | None) -> FeatureSet:
    """The features of the plan: the same columns before each decision and now, frozen on what the first decision could know."""
    if history is None or history.empty:
        return features or f.standard(log, when)
    first = min(history[AT].min(), when)
    declared = features or f.standard(log, first)
    return declared if declared.frozen else declared.freeze(log, first)


def _history(history: Any, names: tuple[str, ...], zone: Zone) -> pd.DataFrame:
    """Past decisions, checked; their instants by the business clock."""
    history = history.to_pandas() if hasattr(history, "to_pandas") else history
    if not isinstance(history, pd.DataFrame):
        raise DataContractError(f"history is {type(history).__name__}. Give a table, one row a decision.")
    if missing := [c for c in (CUSTOMER, AT, ACTION) if c not in history]:
        raise DataContractError(
            f"history has no column {', '.join(missing)}. Give customer_id, at, action and propensity."
        )
    past = history[[c for c in (CUSTOMER, AT, ACTION, PROPENSITY) if c in history]].copy()
    if holes := [f"{c} in {n:,}" for c, n in past[[CUSTOMER, AT, ACTION]].isna().sum().items() if n]:
        raise DataContractError(
            f"Of {len(past):,} decisions of history {', '.join(holes)} are missing. Leave these out."
        )
    past[ACTION] = past[ACTION].map(str)
    known(sorted(set(past[ACTION])), (NONE, *names), "history")
    past[AT] = _by_clock(past[AT], zone)
    if twice := int(past.duplicated([CUSTOMER, AT]).sum()):
        raise DataContractError(f"{twice:,} decisions of history repeat a customer and instant. Keep one of each.")
    if PROPENSITY in past:  # what could not have been otherwise teaches nothing of effects
        past[PROPENSITY] = pd.to_numeric(past[PROPENSITY], errors="coerce")
        past = past[~(past[PROPENSITY] == 1)]
    if past.empty:
        raise DataContractError(
            f"None of the {len(history):,} decisions of history was drawn: all have probability 1. Leave history out."
        )
    return past.reset_index(drop=True)


def _by_clock(at: pd.Series, zone: Zone) -> pd.Series:
    """Instants by the business clock, whether they have a zone of their own, none, or some have."""
    if isinstance(at.dtype, pd.DatetimeTZDtype):
        at = at.dt.tz_convert(zone.name).dt.tz_localize(None)
    if pd.api.types.is_datetime64_dtype(at.dtype):
        return at
    return pd.to_datetime(at.map({value: zone.stamp(zone.instant(value)) for value in at.unique()}))


def _known_before(log: InteractionLog, past: pd.DataFrame, features: FeatureSet | None) -> pd.DataFrame:
    """What was known of each customer before each decision."""
    seen = past[AT] if past[AT].nunique() <= MOST_INSTANTS else past[AT].dt.floor("D")
    instants = sorted(seen.unique())
    declared = features or f.standard(log, instants[0])
    panel = declared.build(log, instants, customers=past[CUSTOMER].unique())
    if panel.index.nlevels == 1:
        return panel.reindex(past[CUSTOMER]).reset_index(drop=True)
    return panel.reindex(pd.MultiIndex.from_arrays([past[CUSTOMER], seen])).reset_index(drop=True)


def _plan(
    policy: Policy, X: pd.DataFrame, catalog: ActionCatalog, open_: Eligibility, budget: float | None, k: int, holdout: float,
    seed: int, when: pd.Timestamp, late: int,
) -> Plan:  # fmt: skip
    """The plan whose effects are known: candidates within limits, a random part of them held out."""
    names, share = list(policy.model.actions_), 1 - holdout
    gains = policy.gains(X.reindex(columns=policy.model.stack_.schema.names)).reindex(columns=list(catalog.names))
    allocation = allocate_catalog(
        gains.fillna(0.0), _wider(catalog, share), eligible=open_.mask & gains.notna(), max_contacts=k,
        budget=None if budget is None else budget / share,
    )  # fmt: skip
    table = allocation.table.astype({ACTION: "str", "runner_up": "str"})
    draw = uniform(pd.Index(table[CUSTOMER]), "hold-out", seed, when)
    arm, propensity = split_arms(allocation.action, len(catalog.names), draw, holdout)
    treated = arm == TREATED
    why = np.where(treated, _worth(policy), WHY_HELD)
    table["arm"], table[PROPENSITY], table[WHY], table["wanted"], table["rule"] = (
        arm,
        propensity,
        why,
        table[ACTION],
        None,
    )
    table.loc[~treated, ACTION], table.loc[~treated, "cost"] = NONE, 0.0
    rest = _left_alone(allocation, gains, open_)
    whole = pd.concat([table, rest], ignore_index=True).sort_values(CUSTOMER, kind="stable", ignore_index=True)
    for column in (ACTION, WHY, "arm", "wanted", "runner_up", "rule"):
        whole[column] = pd.array(whole[column].to_numpy(object), dtype="str")
    untried = [a for a in catalog.names if a not in names]
    statement = policy.statement + (f" Nothing is known of {', '.join(untried)}: never tried." if untried else "")
    if late:
        statement += f" {late:,} decisions are too young to learn from."
    spent, limit = float(whole["cost"].sum()), np.inf if budget is None else float(budget)
    return Plan(
        whole, limit, spent, statement, True, None, at=when, policy=policy, allocation=allocation, eligibility=open_
    )


def _wider(catalog: ActionCatalog, share: float) -> ActionCatalog:
    """The catalogue with room for those who will be held out."""
    actions = [replace(a, capacity=None if a.capacity is None else int(a.capacity / share)) for a in catalog.actions]
    channels = [replace(c, capacity=None if c.capacity is None else int(c.capacity / share)) for c in catalog.channels]
    return ActionCatalog(actions, channels)


def _worth(policy: Policy) -> str:
    if policy.personal:
        return "changes most for this customer, beyond its cost and its place"
    if policy.looks:
        return "among those who gain most; which action for whom is the same for all"
    return "the best single action; who gains most is not known"


def _left_alone(allocation: Allocation, gains: pd.DataFrame, open_: Eligibility) -> pd.DataFrame:
    """Customers without a contact, with the rule that kept them from the action that would bring most."""
    rest = allocation.reasons().astype({ACTION: "str", WHY: "str"})
    rows = gains.index.get_indexer(pd.Index(rest[CUSTOMER]))
    best = gains.fillna(-np.inf).to_numpy()[rows].argmax(axis=1)
    rule = open_.why[gains.columns].to_numpy(object)[rows, best]
    blocked = pd.notna(rule)
    said = dict(zip(open_.rules["code"], open_.rules["says"], strict=True))
    why = [said[r] if b else w for r, b, w in zip(rule, blocked, rest[WHY], strict=True)]
    rest[WHY] = why
    rest["rule"] = pd.Series(rule, rest.index).where(blocked, None)
    rest["arm"], rest["wanted"], rest["runner_up"] = OUTSIDE, NONE, NONE
    for column in (PROPENSITY, "cost", "gain", "net", "advantage"):
        rest[column] = 0.0
    return rest


def _experiment(
    customers: pd.Index, catalog: ActionCatalog, open_: Eligibility, at_risk: pd.Series | None, probability: pd.Series | None,
    budget: float | None, horizon: str, holdout: float, seed: int, when: pd.Timestamp,
) -> Plan:  # fmt: skip
    """The plan where no effect is known: those with most at risk, and a hold-out that will tell."""
    if at_risk is None or probability is None:
        raise DataContractError(
            "No propensity of past actions is known, so no effect can be learned, and nothing says whom to try first. "
            "Give at_risk and probability from a churn and a value model, and the plan will be an experiment."
        )
    cheapest = min(catalog.costs.values())
    money = 0.1 * len(customers) * cheapest if budget is None else budget
    days = pd.Timedelta(duration(horizon), unit="us") / pd.Timedelta(days=1)
    plan = plan_actions(
        of_customers(at_risk, customers, "at_risk"), of_customers(probability, customers, "probability"), catalog, budget=money,
        horizon_days=days, holdout=holdout, eligible=open_.mask, seed=seed, at=when,
    )  # fmt: skip
    return replace(plan, eligibility=open_)
