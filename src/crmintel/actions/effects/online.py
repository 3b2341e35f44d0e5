"""The next best action of one customer at once, the same that the batch would give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import pandas as pd

from crmintel.actions.allocation.prices import Prices
from crmintel.actions.catalogue.catalog import NONE
from crmintel.actions.effects.policy import Policy
from crmintel.errors import DataContractError
from crmintel.showing import Shown


@final
@dataclass(frozen=True)
class Decision(Shown):
    """What one customer gets.

    Parameters
    ----------
    actions : tuple of str
        The best first; empty where nothing is worth its price.
    gains : mapping of action to float
        Money that each action brings this customer, before cost and prices.

    Examples
    --------
    >>> from crmintel.actions import Decider, EffectModel, allocate, choose_policy
    >>> import numpy as np
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.normal(size=2000)})
    >>> action = rng.choice(["no action", "mail"], 2000)
    >>> spend = X["orders"] * (action == "mail") + rng.normal(size=2000)
    >>> policy = choose_policy(EffectModel().fit(X, action, spend, propensity={"no action": 0.5, "mail": 0.5}), cost=0.1)
    >>> decision = Decider(policy, allocate(policy.gains(X), cost=0.1).prices).decide({"orders": -2.5})
    >>> decision.action
    'no action'
    """

    actions: tuple[str, ...]
    gains: Mapping[str, float]

    @property
    def action(self) -> str:
        """The best action, "no action" if there is none."""
        return self.actions[0] if self.actions else NONE


@final
@dataclass(frozen=True, eq=False)
class Decider(Shown):
    """A policy and the prices of its limits, ready for one customer at a time.

    Parameters
    ----------
    policy : Policy
        From `choose_policy`.
    prices : Prices
        Of an allocation of the policy's gains.

    Raises
    ------
    DataContractError
        If the prices are of other actions.

    Examples
    --------
    >>> import numpy as np
    >>> from crmintel.actions import EffectModel, allocate, choose_policy
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.normal(size=2000)})
    >>> action = rng.choice(["no action", "mail"], 2000)
    >>> spend = X["orders"] * (action == "mail") + rng.normal(size=2000)
    >>> policy = choose_policy(EffectModel().fit(X, action, spend, propensity={"no action": 0.5, "mail": 0.5}), cost=0.1)
    >>> prices = allocate(policy.gains(X), cost=0.1, capacity={"mail": 200}).prices
    >>> Decider(policy, prices).decide({"orders": 2.5}).action
    'mail'
    """

    policy: Policy
    prices: Prices

    def __post_init__(self) -> None:
        ours, theirs = self.policy.model.actions_, self.prices.limits.actions
        if not set(ours) <= set(theirs):
            raise DataContractError(
                f"The prices are of {', '.join(theirs)}, the policy of {', '.join(ours)}. Allocate the policy's gains."
            )
        self.decide_warm()

    def decide(
        self, row: Sequence[Any] | Mapping[str, Any] | pd.Series, *, eligible: Sequence[bool] | None = None
    ) -> Decision:
        """The actions of one customer.

        Parameters
        ----------
        row : mapping, Series, or values in the order of the columns that effects were learned from
        eligible : sequence of bool, optional
            Which actions are open to the customer, in the order of the prices' actions.

        Raises
        ------
        DataContractError
            If columns are missing or a number is infinite.
        """
        gains = self._gains(row)
        tried = self._columns
        if None in tried:  # an action that was never tried is never chosen
            may = [True] * len(tried) if eligible is None else list(eligible)
            eligible = [bool(ok) and a is not None for ok, a in zip(may, tried, strict=True)]
        chosen = self.prices.decide(gains, None, eligible)
        names = self.prices.limits.actions
        return Decision(chosen, {n: g for n, g, a in zip(names, gains, tried, strict=True) if a is not None})

    def decide_warm(self) -> None:
        """Make what the first decision would have to wait for."""
        _ = self._columns, self.policy.model.stack_.warm

    def _gains(self, row: Any) -> list[float]:
        stack = self.policy.model.stack_
        effects = stack.one(row) if self.policy.looks else np.zeros(len(self.policy.model.actions_))
        told = self.policy.money(effects[None])[0]
        return [0.0 if a is None else float(told[a]) for a in self._columns]

    @cached_property
    def _columns(self) -> list[int | None]:
        """The number of each action of the prices among those of the policy; none of one that was never tried."""
        ours = self.policy.model.actions_
        return [ours.index(name) if name in ours else None for name in self.prices.limits.actions]
