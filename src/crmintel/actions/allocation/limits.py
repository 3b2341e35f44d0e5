"""What an allocation must keep to: capacities, quotas, a budget, contacts a customer, exclusive groups; read and checked by name."""

import operator
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.actions.catalogue.catalog import NONE
from crmintel.errors import DataContractError

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
SLACK: Final = 1e-12
"""Rounding of a sum of costs, as a share of the budget, that is no overspending."""


@final
@dataclass(frozen=True)
class Limits:
    """The limits of an allocation, one entry an action, in the order of the actions.

    Parameters
    ----------
    actions : tuple of str
    capacity : array of float
        At most so many contacts; infinity where there is no limit.
    quota : array of int
        At least so many contacts; 0 where there is no quota.
    budget : float
        Money for all contacts; infinity without a limit.
    contacts : int
        At most so many contacts a customer.
    group : array of int
        The number of each action's exclusive group; an action outside any group is a group of its own.
    cost : array of float, or None
        Money a contact; None where each pair of customer and action has its own.
    priced : bool
        Whether the cost is taken off the gain.
    """

    actions: tuple[str, ...]
    capacity: Float
    quota: Int
    budget: float
    contacts: int
    group: Int
    cost: Float | None
    priced: bool

    @cached_property
    def groups(self) -> tuple[Int, ...]:
        """The actions of each group that holds more than one."""
        sizes = np.bincount(self.group)
        return tuple(np.flatnonzero(self.group == g) for g in np.flatnonzero(sizes > 1))

    @property
    def most(self) -> float:
        """The most that may be spent, with rounding."""
        return self.budget * (1 + SLACK)

    @property
    def binding(self) -> bool:
        """Whether anything but the contacts a customer is limited."""
        return bool(np.isfinite(self.capacity).any() or self.quota.any() or np.isfinite(self.budget))


def read_limits(
    actions: Sequence[Any],
    *,
    cost: Float | None,
    capacity: Mapping[str, int] | None,
    budget: float | None,
    max_contacts: int,
    quota: Mapping[str, int] | None,
    groups: Mapping[str, Hashable] | None,
    priced: bool,
) -> Limits:
    """Limits by name as arrays.

    Raises
    ------
    DataContractError
        If a name is unknown, a number out of range, or a quota above its capacity; argument and action are named.
    """
    names = read_names(actions)
    most = np.full(len(names), np.inf)
    for at, number in _entries(capacity, "capacity", names):
        most[at] = _whole(
            number, f"capacity of action {names[at]!r}", 1, "leave the action out, or make nobody eligible"
        )
    least = np.zeros(len(names), np.int64)
    for at, number in _entries(quota, "quota", names):
        least[at] = _whole(number, f"quota of action {names[at]!r}", 0, "leave it out")
    for at in np.flatnonzero(least > most)[:1]:
        raise DataContractError(
            f"The quota of action {names[at]!r} is {least[at]:,}, above its capacity of {most[at]:,.0f}. Lower the one or raise the other."
        )
    if budget is not None and not (_number(budget) and np.isfinite(budget) and budget > 0):
        raise DataContractError(f"budget is {budget!r}. Give money above 0, or leave it out if money is no limit.")
    group = np.arange(len(names))
    codes: dict[Hashable, int] = {}
    for at, name in _entries(groups, "groups", names):
        group[at] = codes.setdefault(name, at)
    group = np.unique(group, return_inverse=True)[1]
    contacts = min(_whole(max_contacts, "max_contacts", 1, ""), int(group.max()) + 1)
    money = np.inf if budget is None else float(budget)
    return Limits(names, most, least, money, contacts, group, cost, priced)


def read_names(actions: Sequence[Any]) -> tuple[str, ...]:
    """The names of actions, as text, each once."""
    names = tuple(actions)
    if not names:
        raise DataContractError("No action was given. gain needs one column an action, at least one.")
    if wrong := [n for n in names if not isinstance(n, str) or n in ("", NONE)]:
        raise DataContractError(
            f"{len(wrong)} actions have no usable name: {wrong[:5]}. Name actions by text other than {NONE!r}."
        )
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise DataContractError(f"These actions occur twice: {twice}. Name each once.")
    return names


def read_cost(cost: Any, names: tuple[str, ...]) -> Float:
    """One cost an action, from a number, a mapping or one number an action."""
    if isinstance(cost, pd.Series):
        cost = cost.to_dict()
    if isinstance(cost, Mapping):
        if lost := [n for n in names if n not in cost]:
            raise DataContractError(f"cost is missing for {lost}. Give money for each of {list(names)}.")
        cost = [c for _, c in sorted(_entries(cost, "cost", names))]
    try:
        money = np.asarray(0.0 if cost is None else cost, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataContractError("cost is not numeric. Give money, one amount or one for each action.") from error
    if money.shape not in ((), (len(names),)):
        raise DataContractError(
            f"cost has shape {money.shape}. Give one amount, one for each of {len(names)} actions, or one for each pair."
        )
    money = np.broadcast_to(money, len(names)).copy()
    if wrong := [n for n, c in zip(names, money, strict=True) if not (np.isfinite(c) and c >= 0)]:
        raise DataContractError(f"cost is missing, infinite or negative for {wrong}. Give money of at least 0.")
    return money


def _entries(given: Mapping[str, Any] | None, what: str, names: tuple[str, ...]) -> list[tuple[int, Any]]:
    """The number of each action and what is said about it."""
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise DataContractError(f"{what} is {type(given).__name__}. Give a mapping from the name of an action.")
    if unknown := [n for n in given if n not in names]:
        raise DataContractError(f"{what} names unknown actions: {unknown}. Known are {list(names)}.")
    return [(names.index(name), value) for name, value in given.items()]


def _number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _whole(value: Any, what: str, least: int, otherwise: str) -> int:
    """A whole number of at least so many."""
    try:
        number = operator.index(value)
    except TypeError:
        number = int(value) if _number(value) and np.isfinite(value) and value == int(value) else least - 1
    if isinstance(value, (bool, np.bool_)) or number < least:
        raise DataContractError(
            f"The {what} is {value!r}. Give a whole number of at least {least}{', or ' if otherwise else ''}{otherwise}."
        )
    return number
