"""Who moves from segment to segment: counts that reconcile, rates with intervals, tests, and what may be at stake."""

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, final

import numpy as np
import pandas as pd

from crmintel.columns import AMOUNT, AT, SEGMENT, SOURCE, STAGE, TIER, VALUE
from crmintel.errors import DataContractError, DataTypeError, LeakageError
from crmintel.evaluation import tables
from crmintel.evaluation.intervals import resamples
from crmintel.features import spend
from crmintel.interactions import InteractionLog
from crmintel.interactions.clock import duration
from crmintel.segmentation import chains as t
from crmintel.segmentation.chains import Float, Int
from crmintel.segmentation.doors import log_of
from crmintel.segmentation.lifecycle import STAGES
from crmintel.segmentation.small import FEWEST, pandas_of, suppressed

NOT_YET: Final = "not yet"
GONE: Final = "gone"
FEWEST_MOVERS: Final = 10
STAKE_DRAWS: Final = 500
MOST_SEGMENTS: Final = 200
UNEQUAL: Final = 1.15
"""Periods whose lengths differ by more are not compared; calendar months differ by up to 1.11."""
GRACE: Final = duration("1d")
WHOLE_PAST: Final = (
    "Segments look at the whole past, so hardly anybody moves down: give the segmenter a window, such as window='365d'."
)
_CLAIM = 0.05
_CHANGE = [AT, SOURCE, "statistic", "df", "p", "p_adjusted", "method"]
_STEADY = [SEGMENT, "share", "low", "high"]
_MEMORY = ["statistic", "df", "p", "method"]
_STAKE = [SOURCE, "target", "customers", "value_per_customer", "low", "high", VALUE]


@final
@dataclass(frozen=True, repr=False)
class Migration:
    """How customers moved between segments from one instant to the next.

    Parameters
    ----------
    counts : DataFrame
        at, to, source, target, customers: one row a period and pair. Who is not yet known at `at` has the source
        "not yet"; who was known before and has no segment any more is "gone". All pairs of segments are listed.
    rates : DataFrame
        source, target, customers, of, rate, low, high, pooled over the periods. A customer counts once a period, so
        rates are per period, however long that is. `of` is the row total; a rate of nothing is missing, and its interval 0 to 1.
    flows : DataFrame
        at, to, segment, at_start, came_in, newcomers, went_out, at_end, net:
        at_end = at_start + came_in + newcomers − went_out.
    change : DataFrame
        at (when the later of two periods in a row begins), source, statistic (G²), df, p, p_adjusted (Holm, over all rows),
        method. The source "not yet" tells whether newcomers enter elsewhere. Rows that cannot be compared are left out; empty
        with fewer than three instants, and where the lengths of periods differ by more than 15 %.
    steady_state : DataFrame
        segment, share, low, high: where constant rates would lead. Each customer who goes is replaced by one who enters
        as newcomers did. Assumes constant rates and no memory. Empty where periods differ in length.
    memory : DataFrame
        statistic (G²), df, p, method: whether the next segment depends on more than the present one. One row, or none
        with fewer than three instants or where periods differ in length.
    at_stake : DataFrame
        source, target, customers, value_per_customer, low, high, value. See `migration`.
    segments : tuple of str
    level : float
        Of all intervals.
    note : str
        What to know before reading it; may be empty.

    Examples
    --------
    >>> from crmintel.segmentation import RFM, migration
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> moved = migration(log, RFM(window="180d"), at=["2023-10-01", "2023-12-01"])
    >>> moved.matrix().sum(axis=1).round(6).unique().tolist()
    [1.0]
    """

    counts: pd.DataFrame
    rates: pd.DataFrame
    flows: pd.DataFrame
    change: pd.DataFrame
    steady_state: pd.DataFrame
    memory: pd.DataFrame
    at_stake: pd.DataFrame
    segments: tuple[str, ...]
    level: float
    note: str

    @property
    def periods(self) -> list[tuple[Any, Any]]:
        """Beginning and end of each period."""
        return list(dict.fromkeys(zip(self.counts[AT], self.counts["to"], strict=True)))

    def matrix(self, period: int | None = None) -> pd.DataFrame:
        """Rates, sources down and targets across, of one period (0 is the first) or pooled.

        Rows of nobody are missing, and so are rows with a hidden count.

        Raises
        ------
        DataContractError
            If there is no such period.
        """
        counts = self.counts
        if period is not None:
            if not 0 <= period < len(self.periods):
                raise DataContractError(f"There is no period {period}. Name one of 0 to {len(self.periods) - 1}.")
            at, to = self.periods[period]
            counts = counts[(counts[AT] == at) & (counts["to"] == to)]
        cells = counts.assign(customers=counts["customers"].to_numpy(dtype=np.float64, na_value=np.nan))
        square = cells.groupby([SOURCE, "target"])["customers"].sum(skipna=False).unstack(fill_value=0)
        extra = [s for s in (GONE, NOT_YET) if s in set(self.counts[SOURCE]) | set(self.counts["target"])]
        names = pd.Index([*self.segments, *extra], dtype="str")
        square = square.reindex(index=names, columns=names, fill_value=0)
        total = square.sum(axis=1, skipna=False).replace(0, np.nan)
        return square.div(total, axis=0).rename_axis(index=SOURCE, columns="target")

    def to_frame(self) -> pd.DataFrame:
        """The pooled rates: source, target, customers, of, rate, low, high."""
        return self.rates.copy(deep=False)

    @property
    def has_memory(self) -> bool:
        """Whether the test of memory rejects (p below .05): then the steady state is only a rough guide."""
        return bool(len(self.memory) and self.memory["p"].iloc[0] < _CLAIM)

    @property
    def _is_shared(self) -> bool:
        return isinstance(self.counts["customers"].dtype, pd.Int64Dtype)

    def shared(self, fewest: int = FEWEST) -> "Migration":
        """The same moves for other eyes: no count below `fewest`, and none from which such a count could be worked out.

        In each period the counts of fewer customers are missing, with further ones behind which they hide. What rests on
        a count that is missing in any period goes too: the pooled rate, the value at stake of the flow, and the test of
        change of the source. A flow goes where its newcomers, or those who stayed, are hidden, or nothing else is shown
        of its row or column. Do not share the numbers of an earlier migration of almost the same customers beside it.

        Raises
        ------
        DataContractError
            If it is a shared one already.
        """
        if self._is_shared:
            raise DataContractError("This migration is a shared one already. Share the one that it comes from.")
        squares = {p: _shown(self.counts[self.counts[AT] == p[0]], fewest) for p in self.periods}
        cells = zip(*(self.counts[c] for c in (AT, "to", SOURCE, "target")), strict=True)
        customers = pd.Series([squares[a, b].at[s, t] for a, b, s, t in cells], self.counts.index).astype("Int64")
        counts = self.counts.assign(customers=customers)
        gone = {(s, t) for s, t, n in zip(counts[SOURCE], counts["target"], customers, strict=True) if pd.isna(n)}
        flows = [
            _flow_shown(squares[a, b], s) for a, b, s in zip(*(self.flows[c] for c in (AT, "to", SEGMENT)), strict=True)
        ]
        at_stake = [
            (s, t) not in gone and (s, s) not in gone
            for s, t in zip(*(self.at_stake[c] for c in (SOURCE, "target")), strict=True)
        ]
        told = ~self.change[SOURCE].isin({s for s, _ in gone})
        return replace(
            self, counts=counts, rates=_rates_shown(self.rates, gone), flows=self.flows[flows].reset_index(drop=True),
            change=self.change[told].reset_index(drop=True), at_stake=self.at_stake[at_stake].reset_index(drop=True),
            note=_joined(self.note, f"Counts of fewer than {fewest} customers are hidden, with others behind which they hide."),
        )  # fmt: skip

    def __repr__(self) -> str:
        head = f"Migration: {len(self.segments)} segments, {len(self.periods)} periods"
        said = [head + self._moved(), self._steadily(), self.note.removesuffix(".")]
        return ". ".join(text for text in said if text) + "."

    def _moved(self) -> str:
        if self._is_shared:
            return ""
        known = self.counts[self.counts[SOURCE].isin(self.segments)]
        stayed = known.loc[known[SOURCE] == known["target"], "customers"].sum()
        moved = 1 - stayed / max(known["customers"].sum(), 1)
        return f", {moved:.0%} of customers moved a period"

    def _steadily(self) -> str:
        if self.steady_state.empty:
            return ""
        said = "The steady state assumes constant rates and no memory"
        return said + ("; memory was found, so it is only a rough guide" if self.has_memory else "")

    def _repr_html_(self) -> str:
        """A page for your own eyes; for others show the page of `shared()`."""
        names = ("rates", "flows", "change", "steady_state", "memory", "at_stake")
        frames = {n: getattr(self, n) for n in names if len(getattr(self, n))}
        return tables.page(repr(self), **frames)


def migration(
    log: InteractionLog, segmenter: Any, at: Sequence[Any], *, value: Callable[..., pd.Series] | None = None, horizon: Any = None,
    level: float = 0.95, random_state: int = 0,
) -> Migration:  # fmt: skip
    """Follow customers through the segments over two or more instants.

    Parameters
    ----------
    log : InteractionLog
        The history. At each instant only what was known before it counts.
    segmenter : object with fit and score, or callable
        An object such as `RFM()` is copied and fitted at the first instant, and its cut-points are used at all instants; if
        it is fitted already, as it is. A callable such as `lifecycle_stage` is asked anew: ``segmenter(log, at=at)``.
        Either gives one row a customer with a column segment, tier or stage; a callable may give a Series.
    at : sequence of instants
        Two or more, rising, the last at most a day after the end of the log. Give them at equal distances, or by calendar
        months.
    value : callable, optional
        The later value of customers: ``value(log, at, horizon)``, a label such as `crmintel.features.orders`;
        `spend` (money net of returns) by default, where the log has amounts.
    horizon : str or Timedelta, optional
        How far later value is counted from the end of each period; the length of the first period by default.
    level : float
        Of all intervals.
    random_state : int
        Seeds permutations and draws.

    Returns
    -------
    Migration
        `at_stake` compares, for each flow from source to target with at least 10 customers on both sides, the mean later value
        of those who stayed in the source with that of those who went: `value_per_customer` is stayers minus movers, with a
        bootstrap interval over customers, and `value` is that times the customers who went. It is a description, not an
        effect: who moves differs from who stays in more than the move.
        Periods whose horizon the log does not cover are left out of it; `note` says when all are.

    Raises
    ------
    DataContractError
        If there are fewer than two instants, they do not rise, or the segments have no such column or a customer twice.
    LeakageError
        If an instant lies after the end of the log: then everybody would look lost.
    DataTypeError
        If the log is no InteractionLog, or the segmenter can neither score at an instant nor be called.

    Examples
    --------
    >>> frame = pd.DataFrame({"customer_id": [1, 2, 1], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-02-29"])})
    >>> def known_twice(log, at):
    ...     counts = log.before(at).to_pandas().groupby("customer_id").size()
    ...     return counts.map(lambda n: "often" if n > 1 else "once")
    >>> moved = migration(InteractionLog.read(frame), known_twice, ["2024-02-01", "2024-03-01"])
    >>> moved.matrix().loc["once"].tolist()
    [0.5, 0.5]
    """
    when = _rising(log_of(log), at)
    tell = _teller(segmenter, log, at[0])
    states = pd.DataFrame({log.zone.stamp(w): _labels(tell(log, at=a)) for w, a in zip(when, at, strict=True)})
    moved = transitions(states, level=level, random_state=random_state)
    if isinstance(window := getattr(segmenter, "window", None), str) and window == "all":
        moved = replace(moved, note=_joined(moved.note, WHOLE_PAST))
    length = pd.Timedelta(duration(horizon) if horizon is not None else when[1] - when[0], unit="us")
    if value is None and not log.has_amounts:
        return replace(moved, note=_joined(moved.note, f"Nothing is at stake in a log without {AMOUNT!r}."))
    covered = [p for p, w in enumerate(when[1:]) if w + duration(length) <= log.bounds[1]]
    if not covered:
        days = length / pd.Timedelta("1D")
        note = f"Value at stake is not told: the log ends before {days:,.0f} days after any period."
        return replace(moved, note=_joined(moved.note, note))
    states = _canonical(states)
    later = {p: _later(value or spend, log, at[p + 1], length, states.index) for p in covered}
    return replace(moved, at_stake=_at_stake(states, moved.segments, later, level, random_state))


def transitions(
    states: pd.DataFrame, *, segments: Sequence[str] | None = None, level: float = 0.95, random_state: int = 0
) -> Migration:
    """Moves between labels of your own.

    Parameters
    ----------
    states : DataFrame
        One row a customer, one column an instant, in order of time; a missing label means not yet known, or, after a label,
        gone. Labels are told by their text, at most 200 of them. Row order plays no part. Columns of times whose distances
        differ by more than 15 % are not compared: no change, memory or steady state.
    segments : sequence of str, optional
        The order in which segments are shown; lifecycle stages in their own order, others by name.

    Raises
    ------
    DataContractError
        If `level` is no share, or there are fewer than two columns, no label, a customer twice, falling instants, an unlisted segment, a segment
        called "not yet" or "gone", or more than 200 different labels.
    DataTypeError
        If it is no DataFrame of pandas.

    Examples
    --------
    >>> states = pd.DataFrame({"spring": ["A", "A", "B", None], "autumn": ["A", "B", "B", "A"]})
    >>> transitions(states).flows[["segment", "at_start", "came_in", "newcomers", "went_out", "at_end"]]
      segment  at_start  came_in  newcomers  went_out  at_end
    0       A         2        0          1         1       2
    1       B         1        1          0         0       2
    """
    if not 0 < level < 1:
        raise DataContractError(f"level is {level:g}. Give a share between 0 and 1, such as 0.95.")
    states = _canonical(pandas_of(states, "A table of labels"))
    names = _names(states, segments)
    codes, size = _codes(states, names), len(names) + 2
    rng = np.random.default_rng(random_state)
    cube = t.moves(codes, size)
    columns = list(states.columns)
    moved = Migration(
        _counts(cube, columns, names), _rates(codes, names, level), _flows(cube, columns, names), pd.DataFrame(columns=_CHANGE),
        pd.DataFrame(columns=_STEADY), pd.DataFrame(columns=_MEMORY), pd.DataFrame(columns=_STAKE), names, level, "",
    )  # fmt: skip
    if unequal := _unequal(states.columns):
        return replace(moved, note=unequal)
    effect = t.design_effect(codes, size) if codes.shape[1] > 2 else np.ones((size, size))
    last = np.bincount(codes[:, -1], minlength=size)[:-2]
    steady = t.steady_state(cube.sum(axis=0), effect, last / max(last.sum(), 1), names, rng, level)
    shares = pd.DataFrame({SEGMENT: _text(names), "share": steady.share, "low": steady.low, "high": steady.high})
    found = t.memory(codes, size, rng) if codes.shape[1] > 2 else None
    memory = pd.DataFrame(
        [] if found is None else [[found.statistic, found.df, found.p, found.method]], columns=_MEMORY
    )
    change = _change(codes, columns, names, rng)
    return replace(moved, change=change, steady_state=shares, memory=memory, note=steady.note)


def _rising(log: InteractionLog, at: Sequence[Any]) -> list[int]:
    if isinstance(at, str) or not hasattr(at, "__len__") or len(at) < 2:
        raise DataContractError("Moves need two instants or more. Give them as a list, such as at=[spring, autumn].")
    when = [log.zone.instant(a) for a in at]
    if any(b <= a for a, b in pairwise(when)):
        raise DataContractError("The instants do not rise. Give each once, the earliest first.")
    end = log.bounds[1]
    if when[-1] > end + GRACE:
        raise LeakageError(
            f"The log ends {log.end:%Y-%m-%d}, before the instant {log.zone.stamp(when[-1]):%Y-%m-%d}: every customer would "
            f"look lost.\nUse instants up to {log.zone.stamp(end + GRACE):%Y-%m-%d}, or a longer log."
        )
    return when


def _unequal(instants: pd.Index) -> str:
    """A note where periods differ so much in length that they cannot be compared."""
    if not isinstance(instants, pd.DatetimeIndex):
        return ""
    lengths = [(b - a) / pd.Timedelta("1D") for a, b in pairwise(instants)]
    if max(lengths) <= UNEQUAL * min(lengths):
        return ""
    return (
        f"Periods of {min(lengths):,.0f} to {max(lengths):,.0f} days are not compared, so change, memory and the steady state "
        "are not told: give instants at equal distances."
    )


def _teller(segmenter: Any, log: InteractionLog, first: Any) -> Callable[..., Any]:
    """What tells the segments at an instant: a fitted copy of an object, or the callable itself."""
    is_class, name = isinstance(segmenter, type), getattr(segmenter, "__name__", type(segmenter).__name__)
    if not is_class and _asks_at(segmenter, "fit") and _asks_at(segmenter, "score"):
        fitted = any(name.endswith("_") and not name.startswith("_") for name in vars(segmenter))
        own = segmenter if fitted else copy.copy(segmenter).fit(log, at=first)
        score: Callable[..., Any] = own.score
        return score
    if callable(segmenter) and not is_class:
        return segmenter  # type: ignore[no-any-return]  # a callable, as was seen
    raise DataTypeError(
        f"{'The class ' if is_class else ''}{name} cannot tell segments of another instant. Give an object with fit(log, at=...) "
        "and score(log, at=...), such as RFM(), or a function that takes (log, at=...)."
    )


def _asks_at(segmenter: Any, method: str) -> bool:
    """Whether an object has a method that takes an instant."""
    found = getattr(segmenter, method, None)
    if not callable(found):
        return False
    parameters = inspect.signature(found).parameters.values()
    return any(p.name == AT or p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)


def _shown(counts: pd.DataFrame, fewest: int) -> pd.DataFrame:
    """The counts of a period, sources down and targets across, without those that would tell of few customers."""
    square = counts.pivot(index=SOURCE, columns="target", values="customers")
    listed, shown = square.notna().to_numpy(), suppressed(square.fillna(0), fewest=fewest)
    while True:  # a reader knows that a pair which is not listed is of nobody: nothing can hide behind it
        holes = shown.isna().to_numpy() & listed
        alone = (holes.sum(axis=1) == 1)[:, None] | (holes.sum(axis=0) == 1)[None, :]
        if not (further := alone & listed & ~holes).any():
            return shown
        shown = shown.mask(further)


def _flow_shown(square: pd.DataFrame, segment: str) -> bool:
    """Whether the flow of a segment gives no hidden count away: those who stayed, newcomers, or a whole line."""
    shown = square.notna()
    parts = [(s, segment) for s in (segment, NOT_YET) if s in square.index and segment in square.columns]
    if not all(shown.at[s, t] for s, t in parts):
        return False
    row = segment not in square.index or bool(shown.loc[segment].any())
    return row and (segment not in square.columns or bool(shown[segment].any()))


def _rates_shown(rates: pd.DataFrame, gone: set[tuple[Any, Any]]) -> pd.DataFrame:
    """The pooled rates without those of hidden counts, and without row totals that stand for hidden counts only."""
    out = rates.astype({"customers": "Int64", "of": "Int64"})
    few = pd.Series([pair in gone for pair in zip(out[SOURCE], out["target"], strict=True)], index=out.index)
    out.loc[few, ["customers", "rate", "low", "high"]] = pd.NA
    told = (out["customers"].fillna(0) > 0).groupby(out[SOURCE]).transform("any")
    out.loc[few.groupby(out[SOURCE]).transform("any") & ~told, "of"] = pd.NA
    return out


def _labels(told: Any) -> pd.Series:
    """One label a customer."""
    if isinstance(told, pd.DataFrame):
        have = [c for c in (SEGMENT, TIER, STAGE) if c in told.columns]
        if not have:
            raise DataContractError(
                f"The segmenter gave columns {', '.join(map(repr, told.columns))}. It must give one of "
                f"{SEGMENT!r}, {TIER!r}, {STAGE!r}."
            )
        told = told[have[0]]
    if not isinstance(told, pd.Series):
        raise DataTypeError(f"The segmenter gave {type(told).__name__}. It must give a Series or a DataFrame.")
    _refuse_doubled(told.index)
    return told


def _refuse_doubled(index: pd.Index) -> None:
    if index.has_duplicates:
        raise DataContractError(f"{int(index.duplicated().sum()):,} rows repeat a customer. Give one row a customer.")


def _canonical(states: pd.DataFrame) -> pd.DataFrame:
    """Checked, customers rising."""
    if states.shape[1] < 2:
        raise DataContractError(f"Moves need two instants or more; there are {states.shape[1]}.")
    _refuse_doubled(states.index)
    if states.columns.has_duplicates or (
        states.columns.inferred_type != "string" and not states.columns.is_monotonic_increasing
    ):
        raise DataContractError("The instants do not rise. Give each once, the earliest first.")
    if states.isna().all(axis=None):
        raise DataContractError("No customer has a label at any instant. Check the labels, or use later instants.")
    try:
        return states.sort_index()
    except TypeError:
        raise DataContractError("Customers are of several kinds, such as 1 and 'a'. Give them one dtype.") from None


def _name(label: Any) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def _names(states: pd.DataFrame, segments: Sequence[str] | None) -> tuple[str, ...]:
    found = {_name(label) for c in states for label in states[c].dropna().unique()}
    if clash := sorted(found & {NOT_YET, GONE}):
        raise DataContractError(
            f"A segment is called {clash[0]!r}, which is the name of who has no segment. Rename it, or leave it missing."
        )
    if len(found) > MOST_SEGMENTS:
        raise DataContractError(
            f"There are {len(found):,} different labels. Give segments, at most {MOST_SEGMENTS}, such as fifths of a number."
        )
    order = segments if segments is not None else STAGES if found <= set(STAGES) else sorted(found)
    if missing := sorted(found - set(order)):
        raise DataContractError(f"Segments {', '.join(missing)} are not listed in segments. List all of them.")
    return tuple(s for s in order if segments is not None or s in found)


def _codes(states: pd.DataFrame, names: Sequence[str]) -> Int:
    place = {n: i for i, n in enumerate(names)}
    codes = np.empty(states.shape, np.int64)
    for j, column in enumerate(states):
        code, labels = pd.factorize(states[column])
        codes[:, j] = np.append([place[_name(label)] for label in labels], -1).astype(np.int64)[code]
    begun = np.maximum.accumulate(codes >= 0, axis=1)
    codes = np.where(codes >= 0, codes, np.where(begun, len(names), len(names) + 1))
    return codes[begun.any(axis=1)]


def _text(values: Any) -> Any:
    return pd.array(list(values), dtype="str")


def _counts(cube: Int, columns: list[Any], names: Sequence[str]) -> pd.DataFrame:
    """All pairs of segments, and the pairs with "gone" and "not yet" that anybody took in any period."""
    k, every = len(names), np.array([*names, GONE, NOT_YET], dtype=object)
    shown = np.asarray(cube.any(axis=0))
    shown[:k, :k] = True
    source, target = np.nonzero(shown)
    frames = [
        pd.DataFrame({AT: a, "to": b, SOURCE: _text(every[source]), "target": _text(every[target]), "customers": n[source, target]})
        for a, b, n in zip(columns, columns[1:], cube, strict=False)
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _rates(codes: Int, names: Sequence[str], level: float) -> pd.DataFrame:
    k, every = len(names), np.array([*names, GONE, NOT_YET], dtype=object)
    counts, of, low, high = t.rates(codes, k + 2, level)
    rows, columns = np.asarray(counts.any(axis=1)), np.asarray(counts.any(axis=0))
    rows[:k] = columns[:k] = True
    source, target = np.nonzero(rows[:, None] & columns[None, :])
    n, total = counts[source, target], of[source, target]
    return pd.DataFrame({
        SOURCE: _text(every[source]), "target": _text(every[target]), "customers": n, "of": total,
        "rate": np.where(total > 0, n / np.maximum(total, 1), np.nan), "low": low[source, target], "high": high[source, target],
    })  # fmt: skip


def _flows(cube: Int, columns: list[Any], names: Sequence[str]) -> pd.DataFrame:
    k, frames = len(names), []
    for a, b, n in zip(columns, columns[1:], cube, strict=False):
        start, end, stayed = n.sum(axis=1), n.sum(axis=0), np.diagonal(n)
        new = n[k + 1]
        frame = {
            "at_start": start, "came_in": end - stayed - new, "newcomers": new, "went_out": start - stayed, "at_end": end,
            "net": end - start,
        }  # fmt: skip
        shown = pd.DataFrame({c: v[: k + 1] for c, v in frame.items()})
        shown.insert(0, SEGMENT, _text([*names, GONE]))
        shown.insert(0, "to", b)
        shown.insert(0, AT, a)
        frames.append(shown if cube[:, :, k].any() else shown.iloc[:k])
    return pd.concat(frames, ignore_index=True)


def _change(codes: Int, columns: list[Any], names: Sequence[str], rng: np.random.Generator) -> pd.DataFrame:
    size, every, rows = len(names) + 2, [*names, GONE, NOT_YET], []
    for p in range(codes.shape[1] - 2):
        for i in range(size):
            first, second = (
                np.where((codes[:, q] == i) & (codes[:, q + 1] != size - 1), codes[:, q + 1], -1) for q in (p, p + 1)
            )
            found = t.change_of_row(first, second, size, rng)
            if found is not None:
                rows.append([columns[p + 1], every[i], found.statistic, found.df, found.p, np.nan, found.method])
    out = pd.DataFrame(rows, columns=_CHANGE)
    return out.assign(p_adjusted=t.holm(out["p"].to_numpy(np.float64)))


def _later(value: Callable[..., pd.Series], log: InteractionLog, at: Any, length: pd.Timedelta, who: pd.Index) -> Float:
    """The later value of some customers, in their order; 0 where nothing is known of them."""
    told = value(log, [at], length).droplevel(AT)
    return np.asarray(told.reindex(who).fillna(0).to_numpy(np.float64))


def _at_stake(
    states: pd.DataFrame, names: tuple[str, ...], later: dict[int, Float], level: float, seed: int
) -> pd.DataFrame:
    codes, k = _codes(states, names), len(names)
    known = states.notna().any(axis=1).to_numpy()
    who, cell, money = [], [], []
    for p, spent in later.items():
        there = (codes[:, p] < k) & (codes[:, p + 1] < k)
        who.append(np.flatnonzero(there))
        cell.append((codes[:, p] * k + codes[:, p + 1])[there])
        money.append(spent[known][there])
    unit, cells, amount = np.concatenate(who), np.concatenate(cell), np.concatenate(money)
    ones = np.ones(len(unit))
    customers = np.bincount(cells, minlength=k * k).reshape(k, k)
    enough = (customers >= FEWEST_MOVERS) & (np.diagonal(customers) >= FEWEST_MOVERS)[:, None] & ~np.eye(k, dtype=bool)
    if not enough.any():
        return pd.DataFrame(columns=_STAKE)
    gap = _gaps(cells, amount, ones, k)
    drawn = [
        _gaps(cells, amount, w[unit].astype(np.float64), k)[enough]
        for w in resamples(len(codes), n=STAKE_DRAWS, seed=seed)
    ]
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    source, target = np.nonzero(enough)
    return pd.DataFrame({
        SOURCE: _text(names[i] for i in source), "target": _text(names[i] for i in target), "customers": customers[enough],
        "value_per_customer": gap[enough], "low": low, "high": high, VALUE: gap[enough] * customers[enough],
    })  # fmt: skip


def _gaps(cells: Int, amount: Float, weight: Float, k: int) -> Float:
    """Mean later value of stayers minus that of movers, by source and target."""
    total = np.bincount(cells, weights=weight * amount, minlength=k * k).reshape(k, k)
    count = np.bincount(cells, weights=weight, minlength=k * k).reshape(k, k)
    mean = np.divide(total, count, out=np.full((k, k), np.nan), where=count > 0)
    return np.asarray(np.diagonal(mean)[:, None] - mean)


def _joined(*notes: str) -> str:
    return " ".join(n for n in notes if n)
