"""Acting a little at random, with the probability of what was done on record, so that it can be learned from."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.actions.allocation import Allocation
from crmintel.actions.catalog import NONE
from crmintel.actions.eligibility import Eligibility
from crmintel.actions.limits import Float, Int, read_names
from crmintel.actions.plan import uniform
from crmintel.actions.thompson import best_arm
from crmintel.columns import ACTION, CUSTOMER
from crmintel.errors import DataContractError

Mask = npt.NDArray[np.bool_]


@final
@dataclass(frozen=True)
class Epsilon:
    """The best action, but with probability `share` any open one, doing nothing included, each alike."""

    share: float

    def __post_init__(self) -> None:
        _share(self.share, "share")


@final
@dataclass(frozen=True)
class Softmax:
    """Each action with a probability that grows by e for each `temperature` of gain, in money."""

    temperature: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise DataContractError(f"temperature is {self.temperature}. Give money above 0.")


@final
@dataclass(frozen=True, eq=False)
class Thompson:
    """Each action with the probability that it is the best, gains being normal with these standard errors (Thompson 1933, *Biometrika* 25).

    Parameters
    ----------
    error : DataFrame
        Standard error of each gain, at least 0, by customer and action.
    """

    error: pd.DataFrame


Method = Epsilon | Softmax | Thompson


def explore(
    gains: pd.DataFrame, method: Method, *, eligible: Any = None, seed: int = 0, at: Any = None
) -> pd.DataFrame:
    """Draw an action for each customer, and say how probable it was.

    Parameters
    ----------
    gains : DataFrame, one row a customer, one column an action
        Money each action brings after its cost; doing nothing brings 0, and is open to all.
    method : Epsilon, Softmax or Thompson
    eligible : Eligibility or table of bool, optional
        Which action is open to whom. The gain of the others is not looked at.
    seed, at
        The draw depends on these and the identifier only.

    Returns
    -------
    DataFrame
        customer_id, action, propensity (of this action, the number to log), greedy (the best action). Nothing that comes
        later may change the action, or the propensity is not true: see `explore_plan` where capacities are scarce.

    Raises
    ------
    DataContractError
        If a gain or error of an open action is missing, tables do not fit, or customers occur twice.

    Examples
    --------
    >>> gains = pd.DataFrame({"call": [2.0, -1.0]}, index=pd.Index([7, 8], name="customer_id"))
    >>> explore(gains, Epsilon(0.2), seed=1)
       customer_id     action  propensity     greedy
    0            7       call         0.9       call
    1            8  no action         0.9  no action
    """
    table = propensities(gains, method, eligible=eligible)
    chances = table.to_numpy(np.float64)
    drawn = _draw(chances, uniform(gains.index, "explore", seed, at))
    arms = np.array(table.columns, object)
    return pd.DataFrame({
        CUSTOMER: gains.index, ACTION: pd.array(arms[drawn], dtype="str"), "propensity": chances[np.arange(len(drawn)), drawn],
        "greedy": pd.array(arms[_gains(gains, eligible).argmax(axis=1)], dtype="str"),
    })  # fmt: skip


def propensities(gains: pd.DataFrame, method: Method, *, eligible: Any = None) -> pd.DataFrame:
    """The probability of each arm for each customer, "no action" first; each row sums to one. See `explore`."""
    worth = _gains(gains, eligible)
    if isinstance(method, Epsilon):
        open_ = np.isfinite(worth)
        chances = open_ * (method.share / open_.sum(axis=1, keepdims=True))
        chances[np.arange(len(worth)), worth.argmax(axis=1)] += 1 - method.share
    elif isinstance(method, Softmax):
        chances = np.exp((worth - worth.max(axis=1, keepdims=True)) / method.temperature)
    elif isinstance(method, Thompson):
        chances = best_arm(worth, _errors(method.error, gains, worth))
    else:
        raise DataContractError(f"method is {type(method).__name__}. Give Epsilon, Softmax or Thompson.")
    chances /= chances.sum(axis=1, keepdims=True)
    return pd.DataFrame(chances, gains.index, [NONE, *gains.columns])


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
    """
    _share(share, "share")
    limits, ids = plan.prices.limits, plan._customers
    if limits.contacts != 1 or ids is None:
        raise DataContractError(
            "The plan has several contacts a customer, or customers without identifiers. Plan one contact each from a table."
        )
    arms = np.array([NONE, *limits.actions], object)
    open_ = np.isfinite(_gains(pd.DataFrame(0.0, ids, list(limits.actions)), eligible))
    planned = np.zeros(len(ids), np.int64)
    planned[plan.row] = plan.action.astype(np.int64) + 1
    every = np.arange(len(ids))
    if wrong := int((~open_[every, planned]).sum()):
        raise DataContractError(
            f"The plan gives {wrong:,} customers an action that is not open to them. Pass its own eligible."
        )
    exempt = held_out(ids, share, f"explore {seed} {at}").to_numpy()
    chances = open_ / open_.sum(axis=1, keepdims=True)
    drawn = np.where(exempt, _draw(chances, uniform(ids, "explore plan", seed, at)), planned)
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
    _share(share, "share")
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
    _share(share, "share")
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


def _draw(chances: Float, u: Float) -> Int:
    """The arm at which the cumulated probability passes u; never one of probability 0."""
    passed = np.cumsum(chances, axis=1) > u[:, None]
    passed[np.arange(len(u)), chances.shape[1] - 1 - (chances[:, ::-1] > 0).argmax(axis=1)] = (
        True  # rounding of the sum
    )
    return np.asarray(passed.argmax(axis=1), np.int64)


def _gains(gains: pd.DataFrame, eligible: Any) -> Float:
    """What each arm brings, nothing first; minus infinity where it is not open."""
    names = read_names(list(gains.columns))
    if twice := int(gains.index.duplicated().sum()):
        raise DataContractError(f"{twice:,} customers occur twice in gains. Give one row a customer.")
    worth = gains.to_numpy(np.float64)
    open_ = np.ones(worth.shape, bool)
    if eligible is not None:
        open_ = _fitted(eligible.mask if isinstance(eligible, Eligibility) else eligible, gains, "eligible")
        if open_.dtype != bool:
            raise DataContractError(f"eligible has type {open_.dtype}. Give true or false for each pair, none missing.")
    if bad := [n for n, wrong in zip(names, (open_ & ~np.isfinite(worth)).any(axis=0), strict=True) if wrong]:
        raise DataContractError(
            f"gains are missing or infinite for open actions {bad}. Give money, or close these pairs."
        )
    return np.column_stack([np.zeros(len(worth)), np.where(open_, worth, -np.inf)])


def _errors(error: pd.DataFrame, gains: pd.DataFrame, worth: Float) -> Float:
    """Standard error of each arm, that of doing nothing 0."""
    values = np.column_stack([np.zeros(len(worth)), _fitted(error, gains, "error").astype(np.float64)])
    if wrong := int((~(np.isfinite(values) & (values >= 0)) & np.isfinite(worth)).sum()):
        raise DataContractError(
            f"error is missing, infinite or negative for {wrong:,} open pairs. Give money of at least 0."
        )
    return np.where(np.isfinite(worth), values, 0.0)


def _fitted(table: Any, gains: pd.DataFrame, name: str) -> npt.NDArray[Any]:
    """A second table in the order of the gains."""
    if not isinstance(table, pd.DataFrame):
        raise DataContractError(f"{name} is {type(table).__name__}. Give a table by customer and action.")
    lost = [int((~a.isin(b)).sum()) for a, b in ((gains.index, table.index), (gains.columns, table.columns))]
    if any(lost) or table.index.has_duplicates or table.columns.has_duplicates:
        raise DataContractError(
            f"{name} lacks {lost[0]:,} customers and {lost[1]} actions of the gains, or holds some twice."
        )
    return table.reindex(index=gains.index, columns=gains.columns).to_numpy()


def _share(share: float, name: str) -> None:
    if not 0 <= share <= 1:
        raise DataContractError(f"{name} is {share}. Give a share between 0 and 1.")
