"""Acting a little at random, with the probability of what was done on record, so that it can be learned from."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.actions.allocation.limits import Float, Int, read_names
from crmintel.actions.catalogue.catalog import NONE
from crmintel.actions.catalogue.eligibility import Eligibility
from crmintel.actions.drawing.thompson import best_arm
from crmintel.actions.plan import uniform
from crmintel.columns import ACTION, CUSTOMER
from crmintel.errors import DataContractError
from crmintel.showing import Shown

Mask = npt.NDArray[np.bool_]


@final
@dataclass(frozen=True)
class Epsilon(Shown):
    """The best action, but with probability `share` any open one, doing nothing included, each alike.

    >>> gains = pd.DataFrame({"call": [2.0], "mail": [1.0]}, index=[7])
    >>> propensities(gains, Epsilon(0.3)).round(2).to_dict("records")
    [{'no action': 0.1, 'call': 0.8, 'mail': 0.1}]
    """

    share: float

    def __post_init__(self) -> None:
        check_share(self.share, "share")


@final
@dataclass(frozen=True)
class Softmax(Shown):
    """Each action with a probability that grows by e for each `temperature` of gain, in money.

    >>> gains = pd.DataFrame({"call": [2.0], "mail": [1.0]}, index=[7])
    >>> propensities(gains, Softmax(temperature=1.0)).round(2).to_dict("records")
    [{'no action': 0.09, 'call': 0.67, 'mail': 0.24}]
    """

    temperature: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise DataContractError(f"temperature is {self.temperature}. Give money above 0.")


@final
@dataclass(frozen=True, eq=False)
class Thompson(Shown):
    """Each action with the probability that it is the best, gains being normal with these standard errors (Thompson 1933, *Biometrika* 25).

    Parameters
    ----------
    error : DataFrame
        Standard error of each gain, at least 0, by customer and action.

    Examples
    --------
    >>> gains = pd.DataFrame({"call": [2.0], "mail": [1.0]}, index=[7])
    >>> error = pd.DataFrame({"call": [1.0], "mail": [1.0]}, index=[7])
    >>> propensities(gains, Thompson(error)).round(2).to_dict("records")
    [{'no action': 0.0, 'call': 0.76, 'mail': 0.24}]
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
    drawn = draw(chances, uniform(gains.index, "explore", seed, at))
    arms = np.array(table.columns, object)
    return pd.DataFrame({
        CUSTOMER: gains.index, ACTION: pd.array(arms[drawn], dtype="str"), "propensity": chances[np.arange(len(drawn)), drawn],
        "greedy": pd.array(arms[worths(gains, eligible).argmax(axis=1)], dtype="str"),
    })  # fmt: skip


def propensities(gains: pd.DataFrame, method: Method, *, eligible: Any = None) -> pd.DataFrame:
    """The probability of each arm for each customer, "no action" first; each row sums to one. See `explore`.

    >>> gains = pd.DataFrame({"call": [2.0, -1.0]}, index=[7, 8])
    >>> propensities(gains, Epsilon(0.2)).to_numpy().tolist()
    [[0.1, 0.9], [0.9, 0.1]]
    """
    worth = worths(gains, eligible)
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


def draw(chances: Float, u: Float) -> Int:
    """The arm at which the cumulated probability passes u; never one of probability 0."""
    passed = np.cumsum(chances, axis=1) > u[:, None]
    passed[np.arange(len(u)), chances.shape[1] - 1 - (chances[:, ::-1] > 0).argmax(axis=1)] = (
        True  # rounding of the sum
    )
    return np.asarray(passed.argmax(axis=1), np.int64)


def worths(gains: pd.DataFrame, eligible: Any) -> Float:
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


def check_share(share: float, name: str) -> None:
    if not 0 <= share <= 1:
        raise DataContractError(f"{name} is {share}. Give a share between 0 and 1.")
