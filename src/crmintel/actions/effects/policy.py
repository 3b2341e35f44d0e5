"""Whether to treat customers differently at all: personal actions against the best single action for everybody."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.utils.validation import check_is_fitted

from crmintel.actions.effects.evidence import Evidence, doubts
from crmintel.actions.effects.model import EffectModel
from crmintel.actions.effects.trial import Float, Int, known
from crmintel.columns import ACTION
from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Estimate
from crmintel.evaluation.tables import page

ENOUGH: Final = 0.8
"""The level of the interval whose lower end must lie above zero before personal actions are used: 90 % on one side."""
ONE_SIDED: Final = 0.9
"""The same for an order of customers: 95 % on one side."""
PERSONAL: Final = "the best for each"
LEAST: Final = 1e-9
"""By so much more than its cost everybody is told to gain, where only the order is proven."""


@final
@dataclass(frozen=True, eq=False)
class Policy:
    """Which action each customer gets, and what the evidence says of it.

    Parameters
    ----------
    model : EffectModel
    cost : mapping of str to float
        Money a customer, for each action.
    worth : float
        Money that one unit of the outcome is worth.
    personal : bool
        Whether customers get different actions: only where the gain over the best single action is above zero with 90 % confidence.
    best : str
        The best single action for everybody, doing nothing included.
    gain : Estimate
        Money a customer that personal actions bring over the best single action, both chosen on other customers (95 %).
    ladder : DataFrame
        Money a customer of each way to act, against doing nothing: policy, value, low, high, chosen.
    order : DataFrame
        For each action, whom to treat first where it is scarce: action, gain, low, high, used, proven. The gain is money a customer
        that the order by told effects brings over a random order, averaged over all depths of the list; the order is used where
        that is above zero with 95 % confidence, and proven where the whole interval is, widened for the number of actions.

    Examples
    --------
    >>> from crmintel.actions import EffectModel, choose_policy
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.normal(size=2000)})
    >>> action = rng.choice(["no action", "mail"], 2000)
    >>> spend = X["orders"] * (action == "mail") + rng.normal(size=2000)
    >>> policy = choose_policy(EffectModel().fit(X, action, spend, propensity={"no action": 0.5, "mail": 0.5}), cost=0.1)
    >>> policy.decide(pd.DataFrame({"orders": [-2.0, 2.0]})).tolist()
    ['no action', 'mail']
    """

    model: EffectModel
    cost: Mapping[str, float]
    worth: float
    personal: bool
    best: str
    gain: Estimate
    ladder: pd.DataFrame
    order: pd.DataFrame

    def gains(self, X: Any) -> pd.DataFrame:
        """Money that each action brings each customer before its cost: a column for each action.

        Where personal actions are not used, but the order of customers is, told gains only say who comes first: nobody for whom
        an action is worth it on average is told to gain less than it costs. Where neither is, everybody is told the average.
        """
        effects = self.model.predict(X)
        return pd.DataFrame(self.money(effects.to_numpy()), effects.index, effects.columns)

    def money(self, effects: Float) -> Float:
        """The same from effects, shape (n_customers, n_actions)."""
        gains = effects * self.worth
        if self.personal:
            return gains
        average = self.model.average_["effect"].to_numpy(np.float64) * self.worth
        for a, (cost, used) in enumerate(zip(self.cost.values(), self.order["used"], strict=True)):
            first_only = used and average[a] > cost
            gains[:, a] = np.maximum(gains[:, a], cost * (1 + LEAST) + LEAST) if first_only else average[a]
        return gains

    @property
    def looks(self) -> bool:
        """Whether customers are told different gains."""
        return self.personal or bool(self.order["used"].any())

    def decide(self, X: Any) -> pd.Series:
        """The action of each customer where nothing is scarce; `allocate` the gains where something is."""
        names = np.array([str(self.model.control), *self.model.actions_], object)
        if not self.personal:
            chosen = np.full(len(X), self.best, object)
            return pd.Series(pd.array(chosen, dtype="str"), index=self.model.predict(X).index, name=ACTION)
        gains = self.gains(X)
        net = gains.to_numpy() - np.array([self.cost[a] for a in self.model.actions_])
        chosen = names[np.argmax(np.column_stack([np.zeros(len(net)), net]), axis=1)]
        return pd.Series(pd.array(chosen, dtype="str"), index=gains.index, name=ACTION)

    @property
    def statement(self) -> str:
        """What to do, in a sentence."""
        gain = f"{self.gain.value:+.4g} ({self.gain.low:+.4g} to {self.gain.high:+.4g}) a customer"
        if not self.gain.value and self.gain.low == self.gain.high:
            said = f"{self.best!r} for everybody: no customer is told to gain more by another action."
        elif self.personal:
            sure = "are proven to" if self.gain.low > 0 else "are likely to, though not proven to,"
            said = f"Personal actions {sure} bring more than {self.best!r} for everybody: {gain}."
        else:
            less = "bring less" if self.gain.high < 0 else "are not proven to bring more"
            said = f"{self.best!r} for everybody: personal actions {less}, {gain}."
        for known_, word in ((True, "proven"), (False, "likely, though not proven,")):
            first = self.order.loc[self.order["used"] & (self.order["proven"] == known_), ACTION].tolist()
            if first and not self.personal:
                said += f" Where places are scarce, the order of customers is {word} for {', '.join(first)}."
        more = doubts(self.model.overlap_) if self.model.causal_ else self.model.statement_
        return f"{said} {more}".rstrip()

    def to_frame(self) -> pd.DataFrame:
        """What each way to act brings."""
        return self.ladder.copy(deep=False)

    def __repr__(self) -> str:
        return f"Policy: {self.statement}"

    def _repr_html_(self) -> str:
        return page(self.statement, value_a_customer=self.ladder, who_first=self.order)


def choose_policy(
    model: EffectModel, *, cost: Mapping[str, float] | float = 0.0, worth: float = 1.0, level: float = 0.95
) -> Policy:
    """Personal actions if they are better than one action for all with 90 % confidence, that action otherwise.

    Both are chosen on other customers than those whom they are judged on, so neither flatters itself. The gain is shown with its
    95 % interval, and is called proven only if that is above zero.

    Parameters
    ----------
    model : fitted EffectModel
    cost : mapping of action to money, or one number for all
        Beyond what doing nothing costs.
    worth : float
        Money that one unit of the outcome is worth.

    Raises
    ------
    DataContractError
        If a cost is negative or of an unknown action, doing nothing costs, worth is not above 0, or level is no share.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.normal(size=4000)})
    >>> action = rng.choice(["no action", "mail"], 4000)
    >>> spend = X["orders"] * (action == "mail") + rng.normal(size=4000)
    >>> model = EffectModel().fit(X, action, spend, propensity={"no action": 0.5, "mail": 0.5})
    >>> choose_policy(model, cost=0.1).personal
    True
    """
    check_is_fitted(model)
    evidence = model.evidence_
    charge = costs(cost, model.actions_, str(model.control))
    if not (isinstance(worth, int | float | np.number) and np.isfinite(worth) and worth > 0):
        raise DataContractError(f"worth is {worth!r}. Give the money that one unit of the outcome is worth, above 0.")
    if not 0 < level < 1:
        raise DataContractError(f"level is {level}. Give a share between 0 and 1, such as 0.95.")
    net = evidence.scores * worth - charge
    rows = evidence.told_rows
    told = np.column_stack([np.zeros(len(rows)), evidence.effects * worth]) - charge
    mine = np.argmax(told, axis=1)
    rival = _best_elsewhere(net, evidence, rows)
    here = net[rows]
    each = np.arange(len(rows))
    gain = evidence.mean(here[each, mine] - here[each, rival], rows, level)
    proof = evidence.mean(here[each, mine] - here[each, rival], rows, ENOUGH)
    personal = bool(proof.low > 0)
    names = model.evidence_.trial.names
    best = names[int(np.argmax(net.mean(axis=0)))]
    ways = [(f"{n} for everybody", evidence.mean(net[:, a] - net[:, 0], level=level)) for a, n in enumerate(names)]
    ways.append((PERSONAL, evidence.mean(here[each, mine] - here[:, 0], rows, level)))
    chosen = PERSONAL if personal else f"{best} for everybody"
    ladder = pd.DataFrame(
        [(n, e.value, e.low, e.high, n == chosen) for n, e in ways],
        columns=["policy", "value", "low", "high", "chosen"],
    )
    charged = dict(zip(model.actions_, charge[1:].tolist(), strict=True))
    return Policy(model, charged, float(worth), personal, best, gain, ladder, _order(model, worth, level))


def _order(model: EffectModel, worth: float, level: float) -> pd.DataFrame:
    """For each action what an order by told effects brings over a random one: the covariance of rank and effect.

    It is the mean over depths φ of φ times (the effect in the top φ less the average), a Qini area (Yadlowsky et al. 2025, JASA).
    """
    evidence, rows = model.evidence_, []
    together = 1 - (1 - level) / len(model.actions_)
    z = evidence.differences[evidence.told_rows] * worth
    for a, name in enumerate(model.actions_):
        rank = rankdata(evidence.effects[:, a]) / len(z) - 0.5
        area = (rank - rank.mean()) * (z[:, a] - z[:, a].mean())
        # Of many actions one would seem to be proven by chance, so each must hold at its share of the risk (Bonferroni).
        gain, enough, proof = (evidence.mean(area, evidence.told_rows, at) for at in (level, ONE_SIDED, together))
        rows.append((name, gain.value, gain.low, gain.high, bool(enough.low > 0), bool(proof.low > 0)))
    return pd.DataFrame(rows, columns=[ACTION, "gain", "low", "high", "used", "proven"])


def costs(cost: Mapping[str, float] | float, actions: tuple[str, ...], control: str) -> Float:
    """Money for each arm, doing nothing first."""
    if isinstance(cost, Mapping | pd.Series):
        cost = {str(a): money for a, money in cost.items()}  # as actions are named
        known(cost, (control, *actions), "cost")
        if missing := [a for a in actions if a not in cost]:
            raise DataContractError(f"cost has no money for {', '.join(missing)}. Give one for each action.")
        if cost.get(control, 0) != 0:
            raise DataContractError(
                f"cost of {control!r} is not 0. Costs are counted against doing nothing: take it off the others."
            )
        given = [0, *(cost[a] for a in actions)]
    else:
        given = [0, *([cost] * len(actions))]
    try:
        charge = np.array([float(money) for money in given])
    except (TypeError, ValueError):
        raise DataContractError(
            "A cost is no number. Give money a customer, one amount or one for each action."
        ) from None
    if not (np.isfinite(charge).all() and (charge >= 0).all()):
        raise DataContractError("A cost is negative or not finite. Give money a customer of at least 0.")
    return charge


def _best_elsewhere(net: Float, evidence: Evidence, rows: Int) -> Int:
    """For each row the single action that was best on the rows of the other parts."""
    part = evidence.way.part
    sums = np.array([net[part == k].sum(axis=0) for k in range(int(part.max()) + 1)])
    counts = np.bincount(part, minlength=len(sums))
    others = (sums.sum(axis=0) - sums) / np.maximum(counts.sum() - counts, 1)[:, None]
    return np.asarray(np.argmax(others, axis=1)[part[rows]], np.int64)
