"""Train before, test after: instants whose label windows neither overlap the test nor run past the data."""

import re
from dataclasses import dataclass
from typing import Final, final

import pandas as pd

from crmintel.errors import DataContractError, LeakageError
from crmintel.showing import Shown

CHOICES: Final = (90, 60, 30, 14, 7)
"""Horizons in days that `suggest_horizon` tries, longest first."""


@final
@dataclass(frozen=True)
class TimeSplit(Shown):
    """Instants to train at, and the later one to test at.

    Parameters
    ----------
    train : tuple of Timestamp
        Ascending; each label window [at, at + horizon) ends at or before `test`.
    test : Timestamp
        Its label window ends at or before the end of the data.
    horizon : Timedelta
        Length of the label window.

    Examples
    --------
    >>> from crmintel.evaluation import time_split
    >>> split = time_split("2023-01-01", "2024-06-30", "60d")
    >>> print(split)
    train at 2023-10-01, 2023-11-01, 2023-12-01, 2024-01-01, 2024-02-01, 2024-03-01; test at 2024-05-01; horizon 60 days
    """

    train: tuple[pd.Timestamp, ...]
    test: pd.Timestamp
    horizon: pd.Timedelta

    def __str__(self) -> str:
        instants = ", ".join(f"{at:%Y-%m-%d}" for at in self.train)
        return f"train at {instants}; test at {self.test:%Y-%m-%d}; horizon {self.horizon.days} days"


def time_split(
    start: pd.Timestamp | str,
    end: pd.Timestamp | str,
    horizon: pd.Timedelta | str,
    *,
    step: pd.Timedelta | str | None = None,
    first: pd.Timestamp | str | None = None,
    test: pd.Timestamp | str | None = None,
    most: int = 6,
) -> TimeSplit:
    """Choose instants so that everything learned was known before the test begins.

    The test instant is the latest first of a month (horizon of 28 days or more), Monday (7 days or more) or
    midnight whose label window fits into the data. Training instants are the earlier ones of that kind, the latest
    `most` of those whose window ends before the test.

    Parameters
    ----------
    start, end : Timestamp or str
        First and last moment the data cover, business-local and without a zone.
    horizon : Timedelta or str
        Length of the label window, such as "90d".
    step : Timedelta or str, optional
        Distance between training instants, counted back from the test; default is the calendar above.
    first : Timestamp or str, optional
        Earliest training instant; default leaves min(horizon, a quarter of the time before the test) as history.
    test : Timestamp or str, optional
        The test instant, where the calendar should not choose it.
    most : int, default=6
        How many training instants at most.

    Raises
    ------
    DataContractError
        If all events lie on one day (with the span), or the data are too short (with the longest horizon that fits).
    LeakageError
        If the label window of a given `test` runs past the end of the data.

    Examples
    --------
    >>> print(time_split("2023-01-05", "2023-12-31", "90d", most=2))
    train at 2023-06-01, 2023-07-01; test at 2023-10-01; horizon 90 days
    """
    begin, stop, length = _instant(start, "start"), _instant(end, "end"), _duration(horizon, "horizon")
    stride = None if step is None else _duration(step, "step")
    if most < 1:
        raise DataContractError(f"most is {most}. Allow one training instant at least.")
    if stop < begin:
        raise DataContractError(f"The data end {_told(begin - stop)} before they start. Swap start and end.")
    if begin.normalize() == stop.normalize():
        raise DataContractError(
            f"All events lie on one day (span {_told(stop - begin)}): there is no earlier time to learn from. "
            "Use data of several weeks, or check how the timestamps were read."
        )
    fixed = None if test is None else _instant(test, "test")
    if fixed is not None and fixed + length > stop:
        raise LeakageError(
            f"The data end {stop:%Y-%m-%d}, before the test's label window closes on {fixed + length:%Y-%m-%d}. "
            f"Use a test at or before {stop - length:%Y-%m-%d}, or a shorter horizon."
        )
    earliest = None if first is None else _instant(first, "first")
    split = _plan(begin, stop, length, stride, earliest, fixed, most)
    if split is None:
        raise _too_short(begin, stop, length, stride, earliest, fixed)
    return split


def suggest_horizon(start: pd.Timestamp | str, end: pd.Timestamp | str) -> pd.Timedelta:
    """The longest of 90, 60, 30, 14 and 7 days for which the data can be split by time.

    Raises
    ------
    DataContractError
        If all events lie on one day, or not even 7 days fit.

    Examples
    --------
    >>> suggest_horizon("2024-01-01", "2024-06-30").days
    60
    """
    for days in CHOICES:
        try:
            return time_split(start, end, pd.Timedelta(days=days)).horizon
        except DataContractError as error:
            if days == CHOICES[-1]:
                raise DataContractError(f"None of the usual horizons fits. {error}") from None
    raise AssertionError("unreachable")


def _plan(
    start: pd.Timestamp,
    end: pd.Timestamp,
    horizon: pd.Timedelta,
    step: pd.Timedelta | None,
    first: pd.Timestamp | None,
    test: pd.Timestamp | None,
    most: int = 1,
) -> TimeSplit | None:
    """The split, or None when no training instant fits."""
    chosen = _on_grid(end - horizon, horizon) if test is None else test
    if chosen <= start:
        return None
    earliest = start + min(horizon, (chosen - start) / 4) if first is None else first
    train: list[pd.Timestamp] = []
    # With a step: whole steps back, at least one horizon.
    at = _on_grid(chosen - horizon, horizon) if step is None else chosen - step * -(-horizon // step)
    while at >= earliest and at > start and len(train) < most:
        train.append(at)
        at = _on_grid(at - pd.Timedelta(1, "us"), horizon) if step is None else at - step
    return TimeSplit(tuple(reversed(train)), chosen, horizon) if train else None


def _on_grid(at: pd.Timestamp, horizon: pd.Timedelta) -> pd.Timestamp:
    """The latest calendar point at or before `at`: a first of a month, a Monday or a midnight."""
    midnight = at.normalize()
    if horizon >= pd.Timedelta(days=28):
        return midnight.replace(day=1)
    if horizon >= pd.Timedelta(days=7):
        return midnight - pd.Timedelta(days=midnight.weekday())
    return midnight


def _too_short(
    start: pd.Timestamp,
    end: pd.Timestamp,
    horizon: pd.Timedelta,
    step: pd.Timedelta | None,
    first: pd.Timestamp | None,
    test: pd.Timestamp | None,
) -> DataContractError:
    """The complaint, with the longest horizon of whole days that would fit."""
    longest = min(horizon, end - start).days
    fits = (d for d in range(longest, 0, -1) if _plan(start, end, pd.Timedelta(days=d), step, first, test))
    best = next(fits, None)
    advice = (
        "Use more history."
        if best is None
        else f"The longest horizon that fits is {best} days: ask for it, or use more history."
    )
    return DataContractError(
        f"The data span {_told((end - start).floor('D'))}, too short to train and test with a horizon of {_told(horizon)}. {advice}"
    )


def _told(length: pd.Timedelta) -> str:
    """A time as words: ``"14 days"``; only a part of a day brings hours."""
    if pd.isna(length) or length % pd.Timedelta(days=1):
        return str(length)
    return f"{length.days} day" + ("s" if length.days != 1 else "")


def _instant(value: pd.Timestamp | str, name: str) -> pd.Timestamp:
    at = pd.Timestamp(value)
    if pd.isna(at):
        raise DataContractError(f"{name} is missing. Pass a moment, such as 2024-03-01.")
    if at.tzinfo is not None:
        raise DataContractError(
            f"{name} carries the time zone {at.tzinfo}. Pass business-local time without a zone: tz_localize(None)."
        )
    return at


def _duration(value: pd.Timedelta | str, name: str) -> pd.Timedelta:
    # Our horizons are written 90d; pandas is about to accept only 90D.
    length = pd.Timedelta(re.sub(r"(?<=\d)\s*d$", "D", value) if isinstance(value, str) else value)
    if not length > pd.Timedelta(0):
        raise DataContractError(f"{name} is {_told(length)}. Pass a time above zero, such as 30d.")
    return length
