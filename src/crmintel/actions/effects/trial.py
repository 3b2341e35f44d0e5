"""What was done to whom, how likely that was, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.errors import DataContractError
from crmintel.evaluation.aligned import aligned

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
FEWEST: Final = 20
"""Rows that each arm needs before anything is learned from it."""
NAMES: Final = 20
"""More names than these are counted, not told: they may be customers in the wrong column."""


@final
@dataclass(frozen=True, eq=False)
class Trial:
    """Rows with the action that each got.

    Parameters
    ----------
    names : tuple of str
        The arms; the first is doing nothing.
    arm : int, shape (n_rows,)
        The position of each row's arm in `names`.
    outcome : float, shape (n_rows,)
    propensity : float, shape (n_rows, n_arms), optional
        The probability of each arm, where it is known; NaN where only that of what was done was logged.
    customer : int, shape (n_rows,), optional
        A number for each row's customer.
    """

    names: tuple[str, ...]
    arm: Int
    outcome: Float
    propensity: Float | None
    customer: Int | None

    def take(self, rows: Any) -> "Trial":
        """Some of the rows, or all in another order."""
        p = None if self.propensity is None else self.propensity[rows]
        c = None if self.customer is None else self.customer[rows]
        return Trial(self.names, self.arm[rows], self.outcome[rows], p, c)

    def __len__(self) -> int:
        return len(self.arm)

    @property
    def got(self) -> npt.NDArray[np.bool_]:
        """Who got what, shape (n_rows, n_arms)."""
        return np.asarray(self.arm[:, None] == np.arange(len(self.names)))


def read_trial(
    index: pd.Index, action: Any, outcome: Any, *, control: str, propensity: Any = None, customer: Any = None
) -> Trial:
    """Actions, outcomes and propensities in the order of the rows, checked.

    Raises
    ------
    DataContractError
        If the control was given to nobody, an arm is too small or has no outcome (it is named), outcomes are missing, or
        propensities are no probabilities.
    """
    control = str(control)
    arms = _named(aligned(action, index, "action"), len(index))
    y = _outcome(aligned(outcome, index, "outcome"), arms)
    found = sorted(set(arms))
    if control not in found:
        raise DataContractError(
            f"Nobody got {control!r}, so no action can be compared with doing nothing (seen: {listed(found)}). "
            "Name the arm that got nothing with control=."
        )
    if len(found) == 1:
        raise DataContractError(
            f"Every row got {control!r}: the effect of an action is undefined. Add rows that got one."
        )
    names = (control, *(n for n in found if n != control))
    arm = np.asarray(pd.Index(names).get_indexer(pd.Index(arms)), np.int64)
    whose = None if customer is None else _codes(aligned(customer, index, "customer"), len(arm))
    each = arm if whose is None else pd.DataFrame({"arm": arm, "who": whose}).drop_duplicates()["arm"].to_numpy()
    counts = np.bincount(each, minlength=len(names))
    if (counts < FEWEST).any():
        few = listed([f"{n} ({c})" for n, c in zip(names, counts, strict=True) if c < FEWEST])
        raise DataContractError(
            f"Too few {'rows' if whose is None else 'customers'} of an arm: {few}. Each needs at least {FEWEST}; drop the arm, or collect more."
        )
    p = None if propensity is None else read_propensity(propensity, names, arm, index)
    return Trial(names, arm, y, p, whose)


def read_propensity(given: Any, names: Sequence[str], arm: Int, index: pd.Index | None) -> Float:
    """Known probabilities: a share for each arm, a table with a column for each, or one number a row of what was done."""
    whole = isinstance(given, Mapping | pd.DataFrame)
    p = _of_arms(given, names, len(arm), index) if whole else _of_done(given, names, arm, index)
    if len(p) != len(arm):
        raise DataContractError(f"propensity has {len(p):,} rows for {len(arm):,} actions. Give one row an action.")
    done = p[np.arange(len(arm)), arm]
    bad = ~(done > 0) | ~((p >= 0) & (p <= 1) | (np.isnan(p) & (not whole))).all(axis=1)
    if bad.any():
        raise DataContractError(
            f"propensity is 0, negative, above 1 or missing in {int(bad.sum()):,} of {len(arm):,} rows. "
            "What was done had a probability above 0 and at most 1: log it as it was drawn."
        )
    if whole and (odd := int((np.abs(p.sum(axis=1) - 1) > 1e-6).sum())):
        raise DataContractError(
            f"The propensities of {odd:,} of {len(arm):,} rows do not sum to 1. Give one for every arm, doing nothing included."
        )
    return np.ascontiguousarray(p)


def _of_arms(given: Any, names: Sequence[str], n: int, index: pd.Index | None) -> Float:
    """A column for each arm, from a share for all rows or a table."""
    if isinstance(given, Mapping):
        given = {str(n): share for n, share in given.items()}  # as actions are named
        known(given, names, "propensity")
        if missing := [n for n in names if n not in given]:
            raise DataContractError(
                f"propensity has no share for {', '.join(missing)}. Give one for each of {', '.join(names)}."
            )
        return np.broadcast_to(_numbers([given[n] for n in names], "propensity"), (n, len(names)))
    given = given.set_axis(given.columns.map(str), axis=1)
    known(given.columns, names, "propensity")
    if missing := [n for n in names if n not in given.columns]:
        raise DataContractError(
            f"propensity has no column {', '.join(missing)}. Give one for each of {', '.join(names)}."
        )
    return np.column_stack([_numbers(aligned(given[n], index, "propensity"), "propensity") for n in names])


def _of_done(given: Any, names: Sequence[str], arm: Int, index: pd.Index | None) -> Float:
    """A column for each arm, from the probability of what was done."""
    done = _numbers(aligned(given, index, "propensity"), "propensity")
    if done.shape != arm.shape:
        raise DataContractError(
            f"propensity has shape {done.shape} for {len(arm):,} rows. Give the probability of what was done, one a row, "
            f"or a mapping or table with that of each of {', '.join(names)}."
        )
    others = 1 - done if len(names) == 2 else np.full(len(arm), np.nan)
    return np.where(arm[:, None] == np.arange(len(names)), done[:, None], others[:, None])


def known(given: Any, names: Sequence[str], what: str) -> None:
    """Complain about actions that are not known, with those that are."""
    if strange := [str(n) for n in given if n not in names]:
        near = get_close_matches(strange[0], list(names), 1)
        hint = f" Did you mean {near[0]!r}?" if near and len(strange) <= NAMES else ""
        raise DataContractError(f"{what} names unknown actions: {listed(strange)}. Known: {listed(names)}.{hint}")


def listed(names: Sequence[str]) -> str:
    """Names of actions for a complaint; so many that they may be customers are only counted."""
    return ", ".join(names) if len(names) <= NAMES else f"{len(names):,} names"


def _column(values: Any, what: str, dtype: Any = None) -> Any:
    """One value a row, also out of a table of one column."""
    if isinstance(values, pd.Series):
        return values.array
    values = np.asarray(values, dtype)
    if values.ndim > 1 and values.shape[1:] != (1,):
        raise DataContractError(f"{what} has shape {values.shape}. Give one value a row.")
    return values.reshape(-1)


def _numbers(values: Any, what: str) -> Float:
    try:
        own = isinstance(values, pd.Series)
        return np.asarray(values.to_numpy(np.float64, na_value=np.nan) if own else values, np.float64)
    except (TypeError, ValueError) as error:
        raise DataContractError(f"{what} is not numeric. Give probabilities.") from error


def _codes(customer: Any, n: int) -> Int:
    """A number for each row's customer."""
    if len(customer) != n:
        raise DataContractError(f"customer has {len(customer):,} values for {n:,} rows. Give one a row.")
    codes = np.asarray(pd.factorize(pd.Index(_column(customer, "customer")), sort=True)[0], np.int64)
    if holes := int((codes < 0).sum()):
        raise DataContractError(f"customer is missing in {holes:,} of {n:,} rows. Leave these rows out.")
    return codes


def _named(action: Any, n: int) -> npt.NDArray[np.object_]:
    values = pd.Series(_column(action, "action", object))
    if len(values) != n:
        raise DataContractError(f"action has {len(values):,} values for {n:,} rows. Give one a row.")
    if missing := int(values.isna().sum()):
        raise DataContractError(
            f"action is missing in {missing:,} of {n:,} rows. Name the arm that got nothing, or leave these rows out."
        )
    return values.map(str).to_numpy(object)


def _outcome(outcome: Any, arms: npt.NDArray[np.object_]) -> Float:
    values = pd.Series(_column(outcome, "outcome"))
    if len(values) != len(arms):
        raise DataContractError(f"outcome has {len(values):,} values for {len(arms):,} rows. Give one a row.")
    y = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if (bad := ~np.isfinite(y)).any():
        held = pd.Series(bad).groupby(arms).mean()
        empty = [str(n) for n in held.index[held == 1]]
        where = f"; it is missing for all of {', '.join(empty)}" if empty else ""
        raise DataContractError(
            f"outcome is missing, infinite or no number in {int(bad.sum()):,} of {len(y):,} rows{where}. "
            "Drop rows whose outcome is not known yet; a row without a response is 0."
        )
    return y
