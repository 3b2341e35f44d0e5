"""What can be done for customers: actions, the channels they go through, and the rules that open them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd

from crmintel.actions.catalogue.contact import ContactPolicy
from crmintel.actions.catalogue.eligibility import KINDS, NONE, Check, Eligibility, Rule, examine
from crmintel.actions.catalogue.hours import Hours, read_hours, within
from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog
from crmintel.showing import Shown

__all__ = ["NONE", "Action", "ActionCatalog", "Channel"]


@final
@dataclass(frozen=True)
class Action(Shown):
    """Something that can be done for a customer.

    Parameters
    ----------
    name : str
    cost : float
        Money per customer.
    capacity : int, optional
        How many customers it can reach.
    why : str
        The reason that is written beside it.
    channel : str, optional
        The channel it goes through.
    rules : sequence of Rule
        What must hold for a customer to get it.
    hours : pair of int, optional
        The local hours ``[first, last)`` in which it may be done; those of the channel without it.

    Examples
    --------
    >>> ActionCatalog([Action("call", cost=4.0, capacity=500), Action("mail", cost=0.2)]).costs
    {'call': 4.0, 'mail': 0.2}
    """

    name: str
    cost: float
    capacity: int | None = None
    why: str = "value at risk"
    channel: str | None = None
    rules: Sequence[Rule] = ()
    hours: Hours | None = None

    def __post_init__(self) -> None:
        _check("action", self.name, self.cost, self.capacity)
        if not isinstance(self.why, str) or not isinstance(self.channel, str | None):
            raise DataContractError(f"The why or the channel of action {self.name!r} is no text. Give text.")
        if not self.name or self.name == NONE:
            raise DataContractError(f"An action cannot be called {self.name!r}.")
        object.__setattr__(self, "rules", tuple(self.rules))
        if odd := [type(r).__name__ for r in self.rules if not isinstance(r, Rule)]:
            raise DataContractError(f"The rules of action {self.name!r} hold {', '.join(odd)}. Give Rule(...).")
        object.__setattr__(self, "hours", read_hours(self.hours, f"action {self.name!r}"))


@final
@dataclass(frozen=True)
class Channel(Shown):
    """A way to reach customers, which its actions share.

    Parameters
    ----------
    name : str
    cost : float
        Money per contact, on top of what the action itself costs.
    capacity : int, optional
        How many contacts all its actions together may make.
    hours : pair of int, optional
        The local hours ``[first, last)`` in which it may be used; they may pass midnight.

    Examples
    --------
    >>> catalog = ActionCatalog([Action("call", 2.0, channel="phone")], [Channel("phone", cost=1.0, capacity=100)])
    >>> catalog.costs
    {'call': 3.0}
    """

    name: str
    cost: float = 0.0
    capacity: int | None = None
    hours: Hours | None = None

    def __post_init__(self) -> None:
        _check("channel", self.name, self.cost, self.capacity)
        if not self.name:
            raise DataContractError("A channel has no name. Give text.")
        object.__setattr__(self, "hours", read_hours(self.hours, f"channel {self.name!r}"))


@final
@dataclass(frozen=True)
class ActionCatalog(Shown):
    """All actions, with the channels they go through.

    Parameters
    ----------
    actions : sequence of Action
        At least one, in order of preference where they are equal.
    channels : sequence of Channel
        Channels with a cost, a capacity or hours of their own; an action may name a channel that is not among them only
        if there are none at all.

    Raises
    ------
    DataContractError
        If names occur twice, an action names an unknown channel or hours outside its channel's, or two rules share a code
        but not a sentence.

    Examples
    --------
    >>> adult = Rule("under_age", "The customer is under age.", lambda table: table["age"] >= 18, "age")
    >>> catalog = ActionCatalog([Action("call", 2.0, channel="phone", rules=(adult,)), Action("letter", 0.5)], [Channel("phone", cost=1.0, capacity=100)])
    >>> catalog.costs
    {'call': 3.0, 'letter': 0.5}
    >>> catalog.check(pd.DataFrame({"age": [17, 40]}, index=pd.Index([7, 8], name="customer_id"))).why
                      call letter
    customer_id
    7            under_age    NaN
    8                  NaN    NaN
    """

    actions: tuple[Action, ...]
    channels: tuple[Channel, ...] = ()

    def __init__(self, actions: Sequence[Action], channels: Sequence[Channel] = ()) -> None:
        object.__setattr__(self, "actions", tuple(actions))
        object.__setattr__(self, "channels", tuple(channels))
        for what, things, kind in (("actions", self.actions, Action), ("channels", self.channels, Channel)):
            if odd := [type(t).__name__ for t in things if not isinstance(t, kind)]:
                raise DataContractError(f"{what} hold {', '.join(odd)}. Give {kind.__name__}(...).")
            names = [t.name for t in things]
            if twice := sorted({n for n in names if names.count(n) > 1}):
                raise DataContractError(f"These {what} occur twice: {twice}. Name each once.")
        if not self.actions:
            raise DataContractError("No action was given. Name at least one.")
        self._check_channels()
        self._check_codes()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the actions."""
        return tuple(a.name for a in self.actions)

    @property
    def costs(self) -> dict[str, float]:
        """Money a contact of each action costs, that of its channel included."""
        return {a.name: a.cost + (c.cost if (c := self._channel(a)) else 0.0) for a in self.actions}

    @property
    def capacity(self) -> dict[str, int]:
        """At most so many contacts of each action: the lower of its own and its channel's capacity, where there is one.

        Actions that share a channel are kept within it together by `allocate_catalog`.
        """
        both = {a.name: [a.capacity, c.capacity if (c := self._channel(a)) else None] for a in self.actions}
        return {name: min(x for x in most if x is not None) for name, most in both.items() if set(most) != {None}}

    @property
    def hours(self) -> dict[str, Hours | None]:
        """The local hours of each action: its own, or its channel's, or None."""
        return {a.name: a.hours or (c.hours if (c := self._channel(a)) else None) for a in self.actions}

    @property
    def through(self) -> dict[str, str]:
        """The channel of each action that has one; as `groups` of an allocation: one contact a channel and customer."""
        return {a.name: a.channel for a in self.actions if a.channel is not None}

    def check(
        self,
        table: pd.DataFrame,
        *,
        policy: ContactPolicy | None = None,
        log: InteractionLog | None = None,
        at: Any = None,
    ) -> Eligibility:
        """Which action is open to which customer.

        Rules that leave a customer no action, or contradict each other, are no error: the answer says which rule was the first
        to close each action. A missing value in a rule's column closes the action.

        Parameters
        ----------
        table : DataFrame
            One row a customer, who is the index, with every column that a rule reads.
        policy : ContactPolicy, optional
            Consent, cool-down and contact limits.
        log, at : InteractionLog and instant, optional
            The history that the policy counts in, and when the contact would be; needed if it counts anything.

        Raises
        ------
        DataContractError
            If columns are missing, customers occur twice, or the policy lacks a history.
        """
        if twice := int(table.index.duplicated().sum()):
            raise DataContractError(f"{twice:,} customers occur twice in the table. Give one row a customer.")
        if table.index.hasnans:
            raise DataContractError("Some customers of the table have no identifier. Leave them out.")
        wanted = dict.fromkeys(c for a in self.actions for r in a.rules for c in r.columns)
        if lost := [c for c in wanted if c not in table.columns]:
            raise DataContractError(f"Rules read columns that the table does not have: {', '.join(lost)}. Add them.")
        checks: list[Check] = list(self._rules(table))
        if policy is not None:
            checks += policy.checks(table.index, [a.channel for a in self.actions], log, at)
        return examine(table.index, self.names, checks)

    def _rules(self, table: pd.DataFrame) -> Iterator[Check]:
        """Each rule of each action, by kind; a rule that several actions share is asked once."""
        met: dict[int, Any] = {}
        for kind in KINDS:
            for number, action in enumerate(self.actions):
                for rule in (r for r in action.rules if r.kind == kind):
                    if id(rule) not in met:
                        met[id(rule)] = rule.met(table)
                    yield Check(number, kind, rule.code, rule.says, met[id(rule)])

    def _channel(self, action: Action) -> Channel | None:
        return next((c for c in self.channels if c.name == action.channel), None)

    def _check_channels(self) -> None:
        known = [c.name for c in self.channels]
        if known and (unknown := sorted({*self.through.values()} - {*known})):
            raise DataContractError(f"Actions name unknown channels: {unknown}. Known are {known}.")
        for action in self.actions:
            channel = self._channel(action)
            if action.hours and channel and channel.hours and not within(action.hours, channel.hours):
                raise DataContractError(
                    f"The hours of action {action.name!r}, {action.hours}, lie outside those of channel {channel.name!r}, {channel.hours}. Narrow them."
                )

    def _check_codes(self) -> None:
        said: dict[str, str] = {}
        for rule in (r for a in self.actions for r in a.rules):
            if said.setdefault(rule.code, rule.says) != rule.says:
                raise DataContractError(f"Two rules share the code {rule.code!r} but not the sentence. Rename one.")


def _check(what: str, name: Any, cost: Any, capacity: Any) -> None:
    kinds = (("name", name, str), ("cost", cost, (int, float)), ("capacity", capacity, (int, type(None))))
    for part, value, kind in kinds:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise DataContractError(
                f"The {part} of {'an' if what == 'action' else 'a'} {what} is {value!r}. Give a name, a cost in money and a whole capacity."
            )
    if not (np.isfinite(cost) and cost >= 0):
        raise DataContractError(f"The cost of {what} {name!r} is {cost}. Give money of at least 0.")
    if capacity is not None and capacity < 1:
        raise DataContractError(f"The capacity of {what} {name!r} is {capacity}. Give at least 1, or leave it out.")
