"""Segments told as short rules, with the share of customers for whom the rules are right."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from crmintel.columns import SEGMENT
from crmintel.errors import DataContractError, DataTypeError
from crmintel.evaluation.intervals import Estimate, Floats, wilson
from crmintel.evaluation.tables import page
from crmintel.segmentation.doors import series_of, table_of

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
LEVELS: Final = 20
HELD_OUT: Final = 0.3
MOST_FITTED: Final = 10_000
GOOD: Final = 0.8


@final
@dataclass(frozen=True, repr=False)
class Rules:
    """Short rules that say who is in which segment, and how far they can be trusted.

    Parameters
    ----------
    frame : DataFrame
        segment, rule, customers (all that the rule selects), agreement (share of the held-out customers selected by
        the rule who are in the segment; missing where none was held out).
    fidelity : Estimate
        Share of held-out customers whom the rules put into their own segment, with Wilson's interval.
    largest_share : float
        What naming the largest segment for everybody would reach on the same customers.
    segments : tuple of str
        All segments; one without a rule is too small or too mixed for a short rule.

    Examples
    --------
    >>> from crmintel.segmentation import rules
    >>> table = pd.DataFrame({"orders": np.arange(60.0)})
    >>> rules(table, pd.Series(["few"] * 30 + ["many"] * 30))
    Rules(2 rules for 2 segments: right for 100% (82% to 100%) of held-out customers; naming the largest segment is right for 44%)
    """

    frame: pd.DataFrame
    fidelity: Estimate
    largest_share: float
    segments: tuple[str, ...]

    @property
    def text(self) -> dict[str, str]:
        """For each segment its rules in one line."""
        found = {s: "; or ".join(rows["rule"]) for s, rows in self.frame.groupby(SEGMENT, sort=False)}
        return {s: found.get(s, "no short rule finds them") for s in self.segments}

    @property
    def poor(self) -> bool:
        """Whether the rules miss more than a fifth of the customers, or may be no better than the largest segment."""
        beaten = self.fidelity.low <= self.largest_share and self.largest_share < 1
        return self.fidelity.value < GOOD or beaten

    def to_frame(self) -> pd.DataFrame:
        """segment, rule, customers, agreement."""
        return self.frame.copy(deep=False)

    def __repr__(self) -> str:
        told = f"{len(self.frame)} rules for {len(self.segments)} segments: right for {self.fidelity:.0%} of held-out customers"
        warning = ". These rules explain the segments poorly: do not tell the segments by them" if self.poor else ""
        return f"Rules({told}; naming the largest segment is right for {self.largest_share:.0%}{warning})"

    def _repr_html_(self) -> str:
        return page(repr(self), rules=self.frame)


def rules(table: pd.DataFrame, segments: pd.Series, *, random_state: int = 0) -> Rules:
    """Find short rules such as "recency_days <= 30 and frequency > 4" for segments made in any way.

    A decision tree of at most two leaves a segment, each with 1 % of the customers, is fitted on at most 10,000 of 70 %
    of the customers; the other 30 % judge the rules as they are written. Numbers are as round as they can be without
    moving any customer of the table; "or missing" stands where a rule selects missing values too, which needs missing
    values among the customers it was fitted on; "is not" holds for them as well. Two rules of a segment that one can
    say are one.

    Parameters
    ----------
    table : DataFrame
        One row a customer, indexed by customer: numbers (gaps allowed), text, categories (the 20 most frequent
        levels can be told) or flags. Customers of a polars or Arrow table are told by the number of their row.
    segments : Series
        The segment of the same customers, aligned by index.

    Raises
    ------
    DataContractError
        If customers differ, occur twice or have no segment; if numbers are infinite; if there are fewer than two, or no columns.
    DataTypeError
        For columns of dates, what is no table, and segments that are no Series.

    Examples
    --------
    >>> table = pd.DataFrame({"orders": [1, 2, 3] * 20 + [7, 8, 9] * 20})
    >>> rules(table, pd.Series(["few"] * 60 + ["many"] * 60)).text
    {'few': 'orders <= 3', 'many': 'orders > 3'}
    """
    table, codes, names = aligned(table, segments)
    order = np.random.default_rng(random_state).permutation(len(table))
    held = np.sort(order[: max(1, round(HELD_OUT * len(table)))])
    fitted = np.sort(order[len(held) :][:MOST_FITTED])
    read = _Values(table, fitted)
    leaves = _joined(_leaves(read, codes, fitted, len(names), random_state), read.gaps)
    chosen = np.full(len(table), -1)
    rows = []
    for label, ranges in leaves:
        mask = read.selected(ranges)
        chosen[mask] = label
        judged = codes[held[mask[held]]] == label
        agreement = float(judged.mean()) if len(judged) else np.nan
        rows.append((names[label], read.told(ranges), int(mask.sum()), agreement))
    frame = pd.DataFrame(rows, columns=[SEGMENT, "rule", "customers", "agreement"])
    frame = frame.sort_values([SEGMENT, "customers", "rule"], ascending=[True, False, True], ignore_index=True)
    right = int((chosen[held] == codes[held]).sum())
    largest = int(np.argmax(np.bincount(codes[fitted], minlength=len(names))))
    return Rules(frame, wilson(right, len(held)), float((codes[held] == largest).mean()), tuple(names))


def aligned(table: pd.DataFrame, segments: pd.Series) -> tuple[pd.DataFrame, Ints, list[str]]:
    """The table in the order of its customers, the number of each customer's segment, and the segments by name.

    Raises
    ------
    DataContractError
        If customers differ, occur twice or have no segment, or there are fewer than two; if columns share a name or there
        are none.
    DataTypeError
        If the table is none, or the segments are no Series.
    """
    table, segments = table_of(table), series_of(segments, "The segments")
    if len(table) < 2:
        raise DataContractError(f"The table has {len(table):,} customers. Segments need at least 2.")
    if not table.columns.is_unique:
        raise DataContractError(f"Columns share a name: {sorted(set(table.columns[table.columns.duplicated()]))}.")
    for what, index in (("table", table.index), ("segments", segments.index)):
        if twice := int(index.duplicated().sum()):
            raise DataContractError(f"{twice:,} rows of the {what} repeat a customer. Keep one row a customer.")
    without, extra = (~table.index.isin(segments.index)).sum(), (~segments.index.isin(table.index)).sum()
    if without or extra:
        raise DataContractError(
            f"{without:,} customers of the table are not in the segments, {extra:,} of the segments not in the table. "
            "Pass the same customers in both, as index."
        )
    try:
        table = table if table.index.is_monotonic_increasing else table.sort_index()
    except TypeError as error:
        raise DataTypeError("The index mixes kinds of identifiers. Make them all text.") from error
    found = segments.reindex(table.index)
    if missing := int(found.isna().sum()):
        raise DataContractError(f"{missing:,} of {len(found):,} customers have no segment. Name it, or leave them out.")
    codes, names = pd.factorize(found.astype("str"), sort=True)
    return table, codes.astype(np.int64), [str(n) for n in names]


def is_number(column: pd.Series) -> bool:
    """Whether a column is read as numbers; text, categories and flags are read as levels.

    Raises
    ------
    DataTypeError
        For dates and durations.
    """
    kind = column.dtype
    if pd.api.types.is_datetime64_any_dtype(kind) or pd.api.types.is_timedelta64_dtype(kind):
        raise DataTypeError(f"Column {column.name!r} holds times. Turn them into days before an instant, or drop it.")
    return bool(pd.api.types.is_numeric_dtype(kind)) and not bool(pd.api.types.is_bool_dtype(kind))


def numbers(column: pd.Series) -> Floats:
    """A column as floats, NaN where missing; infinite values raise DataContractError."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if infinite := int(np.isinf(values).sum()):
        raise DataContractError(
            f"Column {column.name!r} has {infinite:,} infinite values. Make them missing, or repair them."
        )
    return values


def levels(column: pd.Series) -> tuple[Ints, list[str]]:
    """The level of each customer, and the names of the 20 most frequent levels (ties by name).

    −1 stands for missing and the number of names for any other level; a flag has the one level True.
    """
    if pd.api.types.is_bool_dtype(column.dtype):
        flag = column.astype("boolean").to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isnan(flag), -1, 1 - np.nan_to_num(flag)).astype(np.int64), ["True"]
    codes, found = pd.factorize(column)
    names = [str(level) for level in found]
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    kept = heapq.nsmallest(LEVELS, range(len(names)), key=lambda i: (-counts[i], names[i]))
    number = np.full(len(names) + 1, len(kept), dtype=np.int64)  # the last place is read for missing, as -1
    number[kept], number[-1] = np.arange(len(kept)), -1
    return number[codes], [names[i] for i in kept]


@final
@dataclass(frozen=True)
class _Feature:
    """A number, or one level of a category as 0 and 1."""

    column: str
    level: str | None = None


@final
@dataclass(frozen=True)
class _Range:
    """The values from above `low` to `high` of a feature, and missing ones if `missing`."""

    low: float = -np.inf
    high: float = np.inf
    missing: bool = True
    names: Mapping[float, str] = field(default_factory=dict)

    def holds(self, values: Floats) -> Mask:
        inside: Mask = (values > self.low) & (values <= self.high)
        return inside | np.isnan(values) if self.missing else inside

    def alike(self, other: "_Range", gaps: bool) -> bool:
        """Whether both hold the same values of a feature, which may have gaps."""
        return (self.low, self.high, self.missing and gaps) == (other.low, other.high, other.missing and gaps)

    def and_also(self, other: "_Range") -> "_Range | None":
        """What either holds, unless there is a hole between them."""
        one, two = sorted((self, other), key=lambda r: (r.low, r.high))
        names, missing = {**one.names, **two.names}, one.missing or two.missing
        if one.low == one.high or two.low == two.high:  # one of them holds missing values only
            some = two if one.low == one.high else one
            return _Range(some.low, some.high, missing, names)
        return _Range(one.low, max(one.high, two.high), missing, names) if two.low <= one.high else None

    def told(self, feature: _Feature, gaps: bool) -> str:
        name = feature.column
        if feature.level is not None:
            return f"{name} is {'' if self.low >= 0 else 'not '}{feature.level}"
        low, high = self.names.get(self.low, ""), self.names.get(self.high, "")
        if self.low == np.inf or self.high == -np.inf:
            return f"{name} is missing"
        if not low and not high:
            return f"{name} is known"
        text = f"{low} < {name} <= {high}" if low and high else f"{name} > {low}" if low else f"{name} <= {high}"
        return f"({text} or missing)" if self.missing and gaps else text


Ranges = dict[_Feature, _Range]


@final
class _Values:
    """The features of a table; the levels of a category are looked up once."""

    def __init__(self, table: pd.DataFrame, fitted: Ints) -> None:
        self._table = table
        self._levels = {c: levels(table[c]) for c in table.columns if not is_number(table[c])}
        self.gaps = {c: bool(table[c].iloc[fitted].isna().any()) for c in table.columns}
        self.features: list[_Feature] = []
        for column in table.columns:
            told = self._levels[column][1] if column in self._levels else [None]
            self.features += [_Feature(column, level) for level in told]

    def of(self, feature: _Feature) -> Floats:
        if feature.level is None:
            return numbers(self._table[feature.column])
        codes, names = self._levels[feature.column]
        return np.asarray(codes == names.index(feature.level), dtype=np.float64)

    def selected(self, ranges: Ranges) -> Mask:
        out = np.ones(len(self._table), dtype=bool)
        for feature, interval in ranges.items():
            out &= interval.holds(self.of(feature))
        return out

    def told(self, ranges: Ranges) -> str:
        one = {f.column for f, r in ranges.items() if f.level is not None and r.low >= 0}
        told = [
            r.told(f, self.gaps[f.column])
            for f, r in ranges.items()
            if f.level is None or r.low >= 0 or f.column not in one  # "is web" makes "is not shop" needless
        ]
        return " and ".join(told) or "everybody"


def _leaves(read: _Values, codes: Ints, fitted: Ints, k: int, random_state: int) -> list[tuple[int, Ranges]]:
    """The leaves of a tree fitted on ranks, so that a cut lies at an attained value whatever the unit."""
    features = read.features
    attained, ranks = [], np.empty((len(fitted), len(features)), dtype=np.float32)
    for i, feature in enumerate(features):
        values = read.of(feature)[fitted]
        known = np.unique(values[~np.isnan(values)])
        ranks[:, i] = np.where(np.isnan(values), np.nan, np.searchsorted(known, values))
        attained.append(known)
    usable = [i for i, known in enumerate(attained) if len(known)]
    if not usable:
        return [(int(np.argmax(np.bincount(codes[fitted], minlength=k))), {})]
    tree = DecisionTreeClassifier(
        max_leaf_nodes=max(2, 2 * k), min_samples_leaf=max(1, -(-len(fitted) // 100)), random_state=random_state
    ).fit(ranks[:, usable], codes[fitted])
    grown = tree.tree_

    def below(node: int, ranges: Ranges) -> list[tuple[int, Ranges]]:
        label = int(tree.classes_[np.argmax(grown.value[node][0])])
        if grown.children_left[node] < 0:
            return [(label, ranges)]
        i = usable[grown.feature[node]]
        cut, name = _cut(read.of(features[i]), attained[i], float(grown.threshold[node]))
        gaps = read.gaps[features[i].column]
        go_left = bool(grown.missing_go_to_left[node])
        old = ranges.get(features[i], _Range())
        said = {**old.names, cut: name} if name else old.names
        left = _Range(old.low, min(old.high, cut), old.missing and gaps and go_left, said)
        right = _Range(max(old.low, cut), old.high, old.missing and gaps and not go_left, said)
        found = below(grown.children_left[node], {**ranges, features[i]: left})
        found += below(grown.children_right[node], {**ranges, features[i]: right})
        return [(label, ranges)] if len(found) == 2 and found[0][0] == found[1][0] == label else found

    return below(0, {})


def _joined(leaves: list[tuple[int, Ranges]], gaps: Mapping[str, bool]) -> list[tuple[int, Ranges]]:
    """The leaves, those of the same segment that one rule can say made one."""
    out = list(leaves)
    while True:
        for i, j in combinations(range(len(out)), 2):
            if out[i][0] == out[j][0] and (both := _union(out[i][1], out[j][1], gaps)) is not None:
                out[i] = (out[i][0], both)
                del out[j]
                break
        else:
            return out


def _union(a: Ranges, b: Ranges, gaps: Mapping[str, bool]) -> Ranges | None:
    """Both together where they differ in one feature only, in which they touch; else None."""
    full = _Range()
    differ = [f for f in {**a, **b} if not a.get(f, full).alike(b.get(f, full), gaps[f.column])]
    if len(differ) != 1:
        return None
    feature = differ[0]
    both = a.get(feature, full).and_also(b.get(feature, full))
    if both is None:
        return None
    rest = {f: r for f, r in a.items() if f != feature}
    return rest if both.alike(full, gaps[feature.column]) else {**rest, feature: both}


def _cut(values: Floats, attained: Floats, threshold: float) -> tuple[float, str]:
    """The roundest number that parts the customers of the table as the threshold on ranks does, and how it is written."""
    if not np.isfinite(threshold):
        return threshold, ""
    rank = int(np.floor(threshold))
    middle = attained[rank] / 2 + attained[rank + 1] / 2  # customers who were not fitted may lie in between
    middle = middle if middle < attained[rank + 1] else attained[rank]  # neighbours among the floats
    low, high = float(values[values <= middle].max()), float(values[values > middle].min())
    for digits in range(-15, 18):
        text = f"{np.ceil(low * 10.0**digits) / 10.0**digits:,.{max(digits, 0)}f}"
        value = float(text.replace(",", ""))
        if low <= value < high:
            return value, text.replace("-0", "0") if value == 0 else text
    return low, repr(low)
