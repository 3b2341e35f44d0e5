"""Gains, costs and eligibility as blocks of rows: what lies in memory and what streams is read by one loop."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.actions.allocation.limits import Limits, read_cost, read_names
from crmintel.errors import DataContractError

Matrix = npt.NDArray[Any]
Keys = npt.NDArray[np.uint64]
ROWS: Final = 16_384
"""Rows looked at in one go: with ten actions they fit the cache."""


@final
@dataclass(frozen=True)
class Block:
    """A few customers: `gain` of shape (rows, actions), and the same for `cost` (if each pair has its own) and `eligible`."""

    start: int
    gain: Matrix
    cost: Matrix | None
    eligible: npt.NDArray[np.bool_] | None

    def net(self, limits: Limits) -> npt.NDArray[np.float64]:
        """Gain less cost, (actions, rows)."""
        net = np.array(self.gain.T, dtype=np.float64, order="C")
        if limits.priced:
            net -= self.charge(limits)
        return net

    def charge(self, limits: Limits) -> npt.NDArray[np.float64]:
        """What a contact costs, (actions, rows) or (actions, 1)."""
        return limits.cost[:, None] if limits.cost is not None else np.array(_own(self.cost).T, np.float64, order="C")


@final
@dataclass(frozen=True)
class Source:
    """Where blocks come from, as often as they are wanted.

    Parameters
    ----------
    open : callable
        Starts a pass: (gain, cost, eligible) of some rows each.
    actions : tuple of str
    customers : Index, optional
        Who they are; without it customers are numbered as they come.
    cost : array or None
        Of each action; None where each pair has its own.
    """

    open: Callable[[], Iterable[Any]]
    actions: tuple[str, ...]
    customers: pd.Index | None
    cost: npt.NDArray[np.float64] | None
    _keys: Keys | None

    def __iter__(self) -> Iterator[Block]:
        start = 0
        for given in self.open():
            gain, cost, eligible = _parts(given)
            self._check(gain, cost, eligible)
            for at in range(0, len(gain), ROWS):
                part = slice(at, at + ROWS)
                yield Block(start + at, gain[part], *(None if m is None else m[part] for m in (cost, eligible)))
            start += len(gain)

    def keys(self, positions: npt.NDArray[Any]) -> Keys:
        """A number for each customer that has nothing to do with the order of rows (or with the gain)."""
        if self._keys is not None:
            return np.asarray(self._keys[positions], np.uint64)
        return np.asarray(pd.util.hash_array(positions.astype(np.int64)), np.uint64)

    def _check(self, gain: Matrix, cost: Matrix | None, eligible: Matrix | None) -> None:
        wide = len(self.actions)
        if gain.ndim != 2 or gain.shape[1] != wide or gain.dtype.kind not in "fiub":
            raise DataContractError(
                f"gain has shape {gain.shape} and type {gain.dtype}. Give numbers, {wide} columns: one an action."
            )
        if (cost is None) == (self.cost is None):
            raise DataContractError(
                "cost comes both by itself and with the blocks, or in some blocks only. Give it one way."
            )
        for name, other in (("cost", cost), ("eligible", eligible)):
            if other is not None and other.shape != gain.shape:
                raise DataContractError(
                    f"{name} has shape {other.shape}, gain {gain.shape}. Give one value a pair of customer and action."
                )
        if eligible is not None and eligible.dtype != bool:
            raise DataContractError(
                f"eligible has type {eligible.dtype}. Give true or false for each pair, none missing."
            )


def read_source(gain: Any, cost: Any, eligible: Any, actions: Any) -> Source:
    """Data in memory, or a stream, as a source of blocks.

    Raises
    ------
    DataContractError
        If names, customers or shapes do not fit, or a stream can be read only once.
    """
    if isinstance(gain, pd.DataFrame):
        return _memory(gain, cost, eligible, read_names(list(gain.columns)), gain.index)
    if isinstance(gain, np.ndarray):
        wide = gain.shape[1] if gain.ndim == 2 else 0
        if wide == 0:
            raise DataContractError(f"gain has shape {gain.shape}. Give one row a customer and one column an action.")
        return _memory(gain, cost, eligible, _names(actions, wide), None)
    return _stream(gain, cost, eligible, actions)


def _memory(gain: Any, cost: Any, eligible: Any, names: tuple[str, ...], who: pd.Index | None) -> Source:
    keys = None
    if who is not None:
        if twice := int(who.duplicated().sum()):
            raise DataContractError(f"{twice:,} customers occur twice in gain. Give one row a customer.")
        if who.nlevels == 1 and (holes := int(np.asarray(who.isna()).sum())):
            raise DataContractError(
                f"The customer of {holes:,} rows of gain is missing. Name them, or leave these rows out."
            )
        keys = np.asarray(pd.util.hash_pandas_object(who, index=False), np.uint64)
    pairs = isinstance(cost, pd.DataFrame) or np.ndim(cost) == 2
    money = _like(cost, gain, "cost") if pairs else None
    allowed = None if eligible is None else _like(eligible, gain, "eligible")
    try:
        values = gain.to_numpy() if who is not None else gain
        values = values if values.dtype.kind in "fiub" else values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataContractError("gain is not numeric. Give money for each pair of customer and action.") from error
    one = (values, money, allowed)
    return Source(lambda: [one], names, who, None if pairs else read_cost(cost, names), keys)


def _stream(gain: Any, cost: Any, eligible: Any, actions: Any) -> Source:
    if not callable(gain) and (not isinstance(gain, Iterable) or iter(gain) is gain):
        raise DataContractError(
            f"gain is {type(gain).__name__}, which can be read only once or not at all. "
            "Give a table, an array, or for a stream a function that starts it anew."
        )
    if eligible is not None or np.ndim(cost) == 2:
        raise DataContractError(
            "gain is a stream. Let its blocks bring their own eligibility and cost: (gain, cost, eligible)."
        )
    opened = gain if callable(gain) else lambda: gain
    first = next((_parts(b) for b in opened()), None)
    if first is None or first[0].ndim != 2:
        raise DataContractError(
            "The stream holds no block of rows. Give arrays of one row a customer and one column an action."
        )
    names = _names(actions, first[0].shape[1])
    if cost is not None and first[1] is not None:
        raise DataContractError("cost comes both by itself and with the blocks. Give it one way.")
    return Source(opened, names, None, None if first[1] is not None else read_cost(cost, names), None)


def _names(actions: Any, wide: int) -> tuple[str, ...]:
    names = read_names([f"action {i}" for i in range(wide)] if actions is None else list(actions))
    if len(names) != wide:
        raise DataContractError(f"actions names {len(names)}, gain has {wide} columns. Name each column.")
    return names


def _like(given: Any, gain: Any, name: str) -> Matrix:
    """A second table in the order of the first."""
    if isinstance(given, pd.DataFrame) and isinstance(gain, pd.DataFrame):
        lost = [int((~a.isin(b)).sum()) for a, b in ((gain.index, given.index), (gain.columns, given.columns))]
        if any(lost) or given.index.has_duplicates or given.columns.has_duplicates:
            raise DataContractError(
                f"{name} lacks {lost[0]:,} customers and {lost[1]} actions of gain, or holds some twice. Give one value a pair."
            )
        given = given.reindex(index=gain.index, columns=gain.columns)
    values = np.asarray(given)
    if values.shape != gain.shape:
        raise DataContractError(
            f"{name} has shape {values.shape}, gain {gain.shape}. Give one value a pair of customer and action."
        )
    return values


def _parts(given: Any) -> tuple[Matrix, Matrix | None, npt.NDArray[np.bool_] | None]:
    parts: list[Any] = [None if p is None else np.asarray(p) for p in (given if isinstance(given, tuple) else (given,))]
    if not 1 <= len(parts) <= 3 or parts[0] is None:
        raise DataContractError(f"A block holds {len(parts)} arrays. Give gain, or (gain, cost, eligible).")
    gain, cost, eligible = (*parts, None, None)[:3]
    return gain, cost, eligible


def _own(cost: Matrix | None) -> Matrix:
    assert cost is not None  # the source has checked that each block brings one
    return cost
