"""Customers who are exempt from a plan: held out, or given random actions."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from crmintel.actions.allocation.result import Allocation
from crmintel.actions.catalogue.catalog import NONE
from crmintel.actions.catalogue.eligibility import Eligibility
from crmintel.actions.drawing.explore import check_share, draw, worths
from crmintel.actions.plan import uniform
from crmintel.columns import ACTION, CUSTOMER
from crmintel.errors import DataContractError


def explore_plan(
    plan: Allocation,
    *,
    share: float,
    eligible: Any = None,
    capacity: Mapping[str, int] | None = None,
    seed: int = 0,
    at: Any = None,
) -> pd.DataFrame:
    """Exempt a hashed share of the customers from a plan: they get any open action, doing nothing included, each alike.

    The propensity is exact for every customer, given the plan: share / open arms, and 1 - share more for the action that was
    planned. Random actions take places that the plan did not foresee: plan with the capacities that `spare` leaves.

    Parameters
    ----------
    plan : Allocation
        One contact a customer, of a DataFrame of gains.
    share : float in [0, 1]
        Part of the customers who are exempt.
    eligible : Eligibility or table of bool, optional
        The same as the plan's.
    capacity : mapping from action, optional
        The true capacities: complain if they are exceeded.
    seed, at
        The draws depend on these and the identifier only.

    Returns
    -------
    DataFrame
        customer_id, action, propensity, planned, exempt; one row a customer, in the plan's order.

    Raises
    ------
    DataContractError
        If the plan allows several contacts, names no customers, holds actions that are not open, or a capacity is exceeded.

    Examples
    --------
    >>> from crmintel.actions import allocate
    >>> gains = pd.DataFrame({"call": np.linspace(-1, 3, 50)}, index=pd.RangeIndex(50, name="customer_id"))
    >>> drawn = explore_plan(allocate(gains, cost=0.0), share=0.2, seed=1)
    >>> drawn["propensity"].unique().tolist()
    [0.1, 0.9]
    """
    check_share(share, "share")
    limits, ids = plan.prices.limits, plan._customers
    if limits.contacts != 1 or ids is None:
        raise DataContractError(
            "The plan has several contacts a customer, or customers without identifiers. Plan one contact each from a table."
        )
    arms = np.array([NONE, *limits.actions], object)
    open_ = np.isfinite(worths(pd.DataFrame(0.0, ids, list(limits.actions)), eligible))
    planned = np.zeros(len(ids), np.int64)
    planned[plan.row] = plan.action.astype(np.int64) + 1
    every = np.arange(len(ids))
    if wrong := int((~open_[every, planned]).sum()):
        raise DataContractError(
            f"The plan gives {wrong:,} customers an action that is not open to them. Pass its own eligible."
        )
    exempt = held_out(ids, share, f"explore {seed} {at}").to_numpy()
    chances = open_ / open_.sum(axis=1, keepdims=True)
    drawn = np.where(exempt, draw(chances, uniform(ids, "explore plan", seed, at)), planned)
    for name, number in (capacity or {}).items():
        used = int((arms[drawn] == name).sum())
        if used > number:
            raise DataContractError(
                f"With exploration action {name!r} is used {used:,} times, its capacity is {number:,}. Plan with less: see spare()."
            )
    propensity = share * chances[every, drawn] + (1 - share) * (drawn == planned)
    return pd.DataFrame({
        CUSTOMER: ids, ACTION: pd.array(arms[drawn], dtype="str"), "propensity": propensity,
        "planned": pd.array(arms[planned], dtype="str"), "exempt": exempt,
    })  # fmt: skip


def spare(capacity: Mapping[str, int], eligible: Any, *, share: float) -> dict[str, int]:
    """The capacities to plan with, so that random actions of a share of the customers find a place.

    Four standard deviations are kept beyond the mean: one run in some 30,000 needs more.

    Raises
    ------
    DataContractError
        If nothing is left of a capacity.

    Examples
    --------
    >>> spare({"call": 100}, pd.DataFrame({"call": [True] * 1000}), share=0.1)
    {'call': 22}
    """
    check_share(share, "share")
    mask = eligible.mask if isinstance(eligible, Eligibility) else eligible
    each = share / (1 + mask.sum(axis=1))
    left = {}
    for name, number in capacity.items():
        chance = each[mask[name]].to_numpy()
        left[name] = int(number - chance.sum() - 4 * np.sqrt((chance * (1 - chance)).sum()))
        if left[name] < 1:
            raise DataContractError(
                f"Exploration takes all of the capacity of action {name!r}, {number:,}. Lower share."
            )
    return left


def held_out(ids: Iterable[Any], share: float, salt: str) -> pd.Series:
    """Who belongs to a held-out share: by a hash, so that everybody stays in it, and stays when it grows.

    Parameters
    ----------
    ids : Index, Series or list of text or whole numbers
        Text ``"7"`` and the number 7 are different customers.
    share : float in [0, 1]
    salt : str
        Name of the programme: shares of programmes with other salts are independent.

    Returns
    -------
    Series of bool, indexed by identifier

    Raises
    ------
    DataContractError
        If an identifier is neither text nor a whole number, or share is none.

    Notes
    -----
    The first 8 bytes of BLAKE2b(hash of the salt, kind of the identifier, identifier), as a number below 1.

    Examples
    --------
    >>> held_out([1, 2, 3, 4, 5], 0.4, "winter").tolist()
    [True, False, True, False, False]
    """
    check_share(share, "share")
    index = pd.Index(ids)
    base = hashlib.blake2b(hashlib.blake2b(salt.encode()).digest())
    most = share * 2.0**64
    out = np.empty(len(index), bool)
    for i, who in enumerate(index.tolist()):
        if isinstance(who, bool) or not isinstance(who, str | int):
            raise DataContractError(
                "Some identifiers are neither text nor whole numbers. Make all of them one of these."
            )
        state = base.copy()
        state.update(b"text:" + who.encode() if isinstance(who, str) else b"number:%d" % who)
        out[i] = int.from_bytes(state.digest()[:8], "big") < most
    return pd.Series(out, index, name="held_out")
