"""What was logged and what a new policy would do, checked and in one shape."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.actions.catalogue.eligibility import NONE
from crmintel.errors import DataContractError
from crmintel.evaluation.aligned import together
from crmintel.evaluation.intervals import Floats, group_codes

Ints = npt.NDArray[np.intp]
BLOCK: Final = 4_096
"""Rounds that are worked on at once, so that all estimators find them in the cache."""
MANY: Final = 20
"""More unknown names than these are counted, not told: they may be customers in the wrong column."""
SUM: Final = 1e-6
"""Probabilities of a round may miss one by this, for files keep few digits."""


@final
@dataclass(frozen=True)
class Logged:
    """Rounds of a logging policy beside the probabilities of another one, the rounds of a customer next to each other.

    Parameters
    ----------
    names : Index
        Actions, in the order of the codes.
    action : array of int, shape (n,)
    outcome : array, shape (n,)
        Less the cost of the action.
    propensity : array, shape (n,)
        Of the action logged.
    every : array, shape (n, n_actions), optional
        Propensities of all actions.
    target : array, shape (n, n_actions), optional
        Probabilities of the new policy.
    choice : array of int, shape (n,), optional
        Codes of what the new policy chooses, where it leaves nothing to chance.
    model : array, shape (n, n_actions), optional
        Predicted outcomes, less costs.
    starts : array of int, optional
        The first round of each customer; every round is one of its own if there is none.
    """

    names: pd.Index
    action: Ints
    outcome: Floats
    propensity: Floats
    every: Floats | None
    target: Floats | None
    choice: Ints | None
    model: Floats | None
    starts: Ints | None

    @property
    def n(self) -> int:
        """Number of rounds."""
        return len(self.action)

    @property
    def clusters(self) -> int:
        """Number of customers."""
        return self.n if self.starts is None else len(self.starts)

    @cached_property
    def counts(self) -> Ints:
        """How often each action was logged."""
        return np.bincount(self.action, minlength=len(self.names))

    @cached_property
    def chance(self) -> Floats:
        """Probability that the new policy takes the action logged."""
        if self.choice is not None:
            return np.asarray(self.choice == self.action, np.float64)
        assert self.target is not None  # the one or the other
        return _at(self.target, self.action)

    @cached_property
    def means(self) -> Floats:
        """Mean outcome of each action; of all rounds where it was never logged."""
        sums = np.bincount(self.action, self.outcome, minlength=len(self.names))
        return np.where(self.counts > 0, sums / np.maximum(self.counts, 1), self.outcome.mean())

    @cached_property
    def own(self) -> Floats:
        """Outcome expected of the action logged: the model's, or the mean of the other customers."""
        if self.model is not None:
            return _at(self.model, self.action)
        count: Floats = np.ones(self.n)
        total = self.outcome
        if self.starts is not None:
            # Rounds of the customer with another action stay in the means: they move them by the order of 1 / n.
            pair = np.repeat(np.arange(self.clusters), self.sizes) * len(self.names) + self.action
            inverse = np.unique(pair, return_inverse=True)[1]
            count = np.asarray(np.bincount(inverse)[inverse], np.float64)
            total = np.asarray(np.bincount(inverse, self.outcome)[inverse], np.float64)
        rest = self.counts[self.action] - count
        left = self.means[self.action] * self.counts[self.action] - total
        return np.where(rest > 0, left / np.maximum(rest, 1), self.outcome.mean())

    @cached_property
    def residual(self) -> Floats:
        """Outcome less what was expected of the action logged."""
        return np.asarray(self.outcome - self.own)

    @cached_property
    def direct(self) -> Floats:
        """Outcome expected under the new policy."""
        if self.choice is not None:
            told = self.means[self.choice] if self.model is None else _at(self.model, self.choice)
        else:
            assert self.target is not None  # the one or the other
            told = self.target @ self.means if self.model is None else np.einsum("ij,ij->i", self.target, self.model)
        own = 0 if self.model is not None else self.chance * (self.own - self.means[self.action])
        return np.asarray(told + own)

    @property
    def sizes(self) -> Ints:
        """Rounds of each customer."""
        return np.ones(self.n, np.intp) if self.starts is None else np.diff(np.append(self.starts, self.n))

    def per_customer(self, values: Floats) -> Floats:
        """Sums of values of rounds, one a customer, along the last axis."""
        return values if self.starts is None else np.add.reduceat(values, self.starts, axis=-1)

    def expected(self, rows: slice) -> Floats:
        """Outcome expected of every action, shape (n_actions, rows)."""
        if self.model is not None:
            return self.model[rows].T
        action = self.action[rows]
        told = np.repeat(self.means[:, None], len(action), axis=1)
        told[action, np.arange(len(action))] = self.own[rows]
        return told

    def blocks(self) -> Iterator[tuple[slice, Ints | None]]:
        """Rows of some customers at a time, and where each customer begins among them."""
        cuts = np.append(np.arange(0, self.n, BLOCK), self.n)
        if self.starts is not None:
            cuts = np.unique(np.append(self.starts, self.n)[np.searchsorted(self.starts, cuts)])
        for a, b in pairwise(cuts):
            mine = None if self.starts is None else self.starts[slice(*np.searchsorted(self.starts, (a, b)))] - a
            yield slice(int(a), int(b)), mine


def read_log(
    action: Any, outcome: Any, propensity: Any, target: Any, *,
    expected: Any = None, customer: Any = None, cost: Mapping[Any, float] | None = None,
) -> Logged:  # fmt: skip
    """Rounds in one shape, or a complaint that says what is wrong with them.

    Raises
    ------
    DataContractError
        If lengths or names differ, a propensity is 0, above 1 or missing, or probabilities of a round do not sum to one.
    """
    columns = {"action": action, "outcome": outcome, "propensity": propensity, "target": target, "customer": customer}
    columns |= {"expected": expected}
    series = together(**{k: v for k, v in columns.items() if v is not None})
    action, target = series["action"], _plain(series["target"])
    n = 0 if np.ndim(action) == 0 else len(action)
    if not n:
        raise DataContractError("action has no round. Pass one row for each round.")
    for name, values in series.items():
        if np.ndim(values) == 0 or len(values) != n:
            seen = "is one value" if np.ndim(values) == 0 else f"has {len(values):,} rounds"
            raise DataContractError(f"{name} {seen}, action has {n:,} rounds. Pass one row for each round.")
    index = action.index if isinstance(action, pd.Series) else None
    frames = {k: _rows(series.get(k), index, k) for k in ("target", "propensity", "expected")}
    names = _names(frames, action, target)
    codes = _codes(action, names, "action", n)
    y = _finite(series["outcome"], "outcome")
    every = _matrix(frames["propensity"], names, "propensity")
    p = _finite(series["propensity"], "propensity") if every is None else every[np.arange(n), codes]
    _propensities(p)
    told = _matrix(frames["target"], names, "target")
    model = _matrix(frames["expected"], names, "expected")
    if cost is not None:
        price = _prices(cost, names)
        y, model = y - price[codes], None if model is None else model - price
    choice = _codes(target, names, "target", n) if told is None else None
    starts = None
    if customer is not None:
        who = group_codes(series["customer"], n)
        order = np.argsort(who, kind="stable")
        codes, y, p = codes[order], y[order], p[order]
        every, told, model = (None if m is None else m[order] for m in (every, told, model))
        choice = None if choice is None else choice[order]
        starts = np.flatnonzero(np.diff(who[order], prepend=-1))
    return Logged(names, codes, y, p, every, told, choice, model, starts)


def _at(table: Floats, codes: Ints) -> Floats:
    """The column of each row."""
    return np.asarray(table[np.arange(len(codes)), codes], np.float64)


def _plain(values: Any) -> Any:
    return values if isinstance(values, pd.Series | pd.DataFrame) else np.asarray(values)


def _rows(values: Any, index: pd.Index | None, name: str) -> Any:
    """What has a column an action, its rows in the order of the rounds; None if it has one value a round."""
    if values is None or np.ndim(values) == 1:
        return None
    if not isinstance(values, pd.DataFrame) or index is None or values.index.equals(index):
        return values
    if not (index.is_unique and values.index.is_unique and values.index.isin(index).all()):
        raise DataContractError(
            f"{name} has another index than action. Give the same rounds, or arrays in their order."
        )
    return values.reindex(index)


def _names(frames: Mapping[str, Any], action: Any, target: Any) -> pd.Index:
    """The actions: the columns of the first frame, the numbers of columns of an array, or what occurs."""
    for values in frames.values():
        if isinstance(values, pd.DataFrame):
            return values.columns
    widths = [np.shape(v)[1] for v in frames.values() if v is not None]
    if widths:
        return pd.RangeIndex(widths[0])
    found = pd.Index(pd.unique(pd.concat([pd.Series(action), pd.Series(target)]).dropna()))
    try:
        return found.sort_values()
    except TypeError:
        raise DataContractError(
            "action and target mix names of several kinds, such as text and numbers. Use one."
        ) from None


def _codes(values: Any, names: pd.Index, what: str, n: int) -> Ints:
    if np.ndim(values) != 1 or len(values) != n:
        raise DataContractError(f"{what} has shape {np.shape(values)}. Pass the action of each round.")
    codes = np.asarray(values)
    if not (
        isinstance(names, pd.RangeIndex) and codes.dtype.kind in "iu" and 0 <= codes.min() <= codes.max() < len(names)
    ):
        codes = names.get_indexer(pd.Index(values))
    codes = codes.astype(np.intp, copy=False)
    if unknown := int((codes < 0).sum()):
        known = ", ".join(map(str, names[:20])) + (", ..." if len(names) > 20 else "")
        strange = pd.unique(pd.Series(values)[codes < 0]).tolist()
        told = ", ".join(map(repr, strange)) if len(strange) <= MANY else f"{len(strange):,} names"
        raise DataContractError(f"{what} is unknown for {unknown:,} of {n:,} rounds: {told}. Known actions: {known}.")
    return codes


def _finite(values: Any, name: str) -> Floats:
    if np.ndim(values) != 1:
        raise DataContractError(f"{name} has shape {np.shape(values)}. Pass one number for each round.")
    try:
        plain = isinstance(values, np.ndarray) and values.dtype.kind in "fiub"
        numbers = values if plain else pd.to_numeric(pd.Series(values)).to_numpy(dtype=float, na_value=np.nan)
        numbers = np.asarray(numbers, np.float64)
    except (TypeError, ValueError) as error:
        raise DataContractError(f"{name} is not numeric. Pass one number for each round.") from error
    if name != "propensity" and not np.isfinite(numbers.sum()):
        bad = int((~np.isfinite(numbers)).sum())
        raise DataContractError(
            f"{name} is missing or infinite for {bad:,} of {len(numbers):,} rounds. Leave them out."
        )
    return numbers


def _propensities(p: Floats) -> None:
    """Range check of the propensities of the actions logged (BAD_INPUTS row 104)."""
    if p.min() > 0 and p.max() <= 1 + SUM:
        return
    kinds = {"missing": np.isnan(p), "0 or below": p <= 0, "above 1": p > 1 + SUM}
    seen = ", ".join(f"{name} for {mask.sum():,}" for name, mask in kinds.items() if mask.any())
    raise DataContractError(
        f"propensity of the action logged is {seen} of {len(p):,} rounds. "
        "Log the final probability of what was done, or leave these rounds out."
    )


def _matrix(values: Any, names: pd.Index, what: str) -> Floats | None:
    if values is None:
        return None
    if isinstance(values, pd.DataFrame):
        if unknown := [c for c in values.columns if c not in names] + [c for c in names if c not in values.columns]:
            known = ", ".join(map(str, names[:20]))
            raise DataContractError(f"{what} does not share the columns {unknown[:5]}. Known actions: {known}.")
        values = values[names] if not values.columns.equals(names) else values
    result = np.asarray(values, float)
    if result.ndim != 2 or result.shape[1] != len(names):
        raise DataContractError(
            f"{what} has shape {result.shape} for {len(names):,} actions. Pass one column an action."
        )
    if not np.isfinite(result.sum()):
        bad = int((~np.isfinite(result)).any(axis=1).sum())
        raise DataContractError(
            f"{what} is missing or infinite in {bad:,} of {len(result):,} rounds. Fill in every action."
        )
    if what == "expected":
        return result
    off = np.abs(result @ np.ones(len(names)) - 1) > SUM
    if off.any() or result.min() < -SUM:
        raise DataContractError(
            f"{what} does not sum to one over the actions in {int(off.sum()):,} of {len(result):,} rounds, "
            f"or is negative (least {result.min():.3g}). Pass probabilities, renormalised after all rules."
        )
    return result


def _prices(cost: Mapping[Any, float], names: pd.Index) -> Floats:
    if not isinstance(cost, Mapping | pd.Series):
        raise DataContractError(f"cost is {type(cost).__name__}. Give money by the name of each action.")
    cost = dict(cost.items())
    strange, missing = [a for a in cost if a not in names], [a for a in names if a not in cost and a != NONE]
    if strange or missing:
        known = ", ".join(map(str, names[:20]))
        raise DataContractError(
            f"cost names unknown actions {strange[:5]} and lacks {missing[:5]}. Known actions: {known}."
        )
    price = _finite([cost.get(a, 0.0) for a in names], "cost")
    if dear := [a for a, money in zip(names, price, strict=True) if money < 0]:
        raise DataContractError(f"cost is negative for {dear[:5]}. Give money of at least 0.")
    return price
