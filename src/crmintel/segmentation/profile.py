"""What sets each segment apart: sizes, differences beyond chance, real customers who stand for it, short rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np
import pandas as pd
from scipy import stats

from crmintel.columns import CUSTOMER, SEGMENT
from crmintel.errors import DataContractError, DataTypeError
from crmintel.evaluation.intervals import Floats
from crmintel.evaluation.tables import page
from crmintel.segmentation.doors import series_of, table_of
from crmintel.segmentation.rules import Ints, Rules, aligned, is_number, levels, numbers, rules
from crmintel.segmentation.small import FEWEST, Mask, hidden, suppressed

Z: Final = float(stats.norm.ppf(0.975))
SMALL: Final = 20
LEAST: Final = {"number": 0.2, "share": 0.05}
"""A difference below this is not worth telling, however certain: in standard deviations, and in shares."""
FIGURES: Final = ["difference", "low", "high", "p", "q"]
Masks = tuple[Mask, Mask]
STANDING: Final = 3
SHOWN: Final = 10
FEW_VALUES: Final = 150
FEW_EXPECTED: Final = 5
CLIP: Final = 4.0


@final
@dataclass(frozen=True, repr=False)
class Profile:
    """What sets segments apart, in tables and in one line each. The tables describe; they explain no cause.

    Parameters
    ----------
    sizes : DataFrame
        segment, customers, share and, with money, money, money_share (of the net total; missing where that is not
        positive), money_per_customer. Money is in whole hundredths and adds up to the total. By falling money, or customers.
    differences : DataFrame
        One row a segment and column, or level of a category: segment, column, level ("" for numbers), kind ("number" or
        "share"), inside and outside (means or shares of those with a known value), known_inside and known_outside
        (customers with a known value), difference (standardised for numbers, of the shares otherwise), low and high
        (95 %), p, q (Benjamini-Hochberg over all rows), telling, by_construction.
    lines : DataFrame
        segment, line: a sentence with at most three columns, those not by construction first.
    prototypes : DataFrame
        segment, customer_id (from the index, whatever its name), distance: three real customers nearest to the segment's
        mean.
    rules : Rules
        Who is in which segment, in short rules, and for how many held-out customers they are right.

    Examples
    --------
    >>> from crmintel.segmentation import profile
    >>> table = pd.DataFrame({"orders": np.arange(60.0), "age": np.arange(60.0) % 7})
    >>> told = profile(table, pd.Series(["few"] * 30 + ["many"] * 30))
    >>> told
    Profile of 2 segments, 2 telling differences
      few (30 customers, 50 %): orders 14.5 against 44.5
      many (30 customers, 50 %): orders 44.5 against 14.5
    """

    sizes: pd.DataFrame
    differences: pd.DataFrame
    lines: pd.DataFrame
    prototypes: pd.DataFrame
    rules: Rules
    fewest: int
    words: Mapping[str, str]

    def to_frame(self) -> pd.DataFrame:
        """The differences."""
        return self.differences.copy(deep=False)

    def shared(self, fewest: int = FEWEST) -> "Profile":
        """The same profile for other eyes: no identifiers, nothing about fewer than `fewest` customers.

        Segments below `fewest` are hidden, and the smallest others with them until the hidden ones are two segments of
        `fewest` customers together, so that taking the rest from the total tells nothing. Means of fewer customers and
        levels that fewer share are missing, as is the outside wherever it would give them away. Segments whose rules are
        hidden are not named among the rules. Of the prototypes only the distances stay. Do not share the numbers of an earlier profile of almost the same customers beside it.
        """
        if "known_inside" not in self.differences:
            raise DataContractError("This profile is a shared one already. Share the profile that it comes from.")
        small = self._small(fewest)
        gone = self.sizes[SEGMENT].isin(small)
        nameless = self.sizes.loc[gone, [SEGMENT]].sort_values(SEGMENT)  # their order must not tell their size
        sizes = pd.concat([self.sizes[~gone], nameless], ignore_index=True).astype({"customers": "Int64"})
        differences = _shared(self.differences, small, fewest)
        lines = _lines(sizes, differences, self.words, fewest)
        prototypes = self.prototypes.loc[~self.prototypes[SEGMENT].isin(small), [SEGMENT, "distance"]]
        frame = self.rules.frame[~self.rules.frame[SEGMENT].isin(small)]
        few = hidden(frame["customers"].to_numpy(dtype=np.float64), fewest)
        frame = frame[~few].reset_index(drop=True)
        silent = small | (set(self.rules.frame[SEGMENT]) - set(frame[SEGMENT]))
        told = replace(self.rules, frame=frame, segments=tuple(s for s in self.rules.segments if s not in silent))
        return Profile(sizes, differences, lines, prototypes.reset_index(drop=True), told, fewest, self.words)

    def _small(self, fewest: int) -> set[str]:
        sizes = self.sizes.sort_values(SEGMENT)
        few = hidden(sizes["customers"].to_numpy(dtype=np.float64), fewest)
        return set(sizes.loc[few, SEGMENT])

    def __repr__(self) -> str:
        head = (
            f"Profile of {len(self.sizes):,} segments, {int(self.differences['telling'].sum()):,} telling differences"
        )
        more = [f"and {len(self.lines) - SHOWN} more"] if len(self.lines) > SHOWN else []
        return "\n  ".join([head, *self.lines["line"].head(SHOWN), *more])

    def _repr_html_(self) -> str:
        telling = self.differences[self.differences["telling"]]
        return page(
            f"Profile of {len(self.sizes):,} segments",
            lines=self.lines, sizes=self.sizes, telling_differences=telling, rules=self.rules.frame,
        )  # fmt: skip


def profile(
    table: pd.DataFrame,
    segments: pd.Series,
    *,
    value: str | pd.Series | None = None,
    built_from: Iterable[str] = (),
    sentences: Mapping[str, str] | None = None,
    fewest: int = FEWEST,
    random_state: int = 0,
) -> Profile:
    """Tell segments apart: what differs from everybody else beyond chance, by how much, and for whom.

    Parameters
    ----------
    table : DataFrame
        One row a customer, indexed by customer: numbers (gaps allowed), text, categories or flags. Customers of a
        polars or Arrow table are told by the number of their row.
    segments : Series
        The segment of the same customers, aligned by index.
    value : str or Series, optional
        Money of each customer: a column of the table, or a Series aligned by index. Missing money counts as none.
    built_from : iterable of str
        Columns that the segments were built from: their differences are by construction, and marked so.
    sentences : mapping of column to words, optional
        Words for people, used in the lines; of a FeatureSet: `dict(fs.describe()[["feature", "meaning"]].values)`.
    fewest : int, default=10
        Nothing is called telling in segments of fewer customers, and no level that fewer customers of the segment have
        and fewer would have by chance, nor one that so few do without.

    Raises
    ------
    DataContractError
        If customers differ, occur twice or have no segment; if numbers are infinite; if `built_from` or `value` names no
        column; if there are fewer than two customers, or no columns.
    DataTypeError
        For columns of times, money that is no number, what is no table, and segments that are no Series.

    Notes
    -----
    Numbers: difference of the means over the root of the mean of both variances, with Hedges' factor below 20 known
    values; its variance is Bonett's (2008, Psychological Methods 13, 99-109), which allows unequal variances, and so are
    the degrees of freedom; p by Welch's t. With fewer than 150 known values on either side, where a few very large ones
    would mislead it, p is the larger of Welch's and that of the rank test of Mann and Whitney. Where both sides are constant but differ, the difference is infinite, p is that
    of two shares, and there is no interval. Shares: Newcombe's (1998, Statistics in Medicine 17, 873-890) hybrid score
    interval and the score test; where a count below 5 is expected, twice the smaller tail of the hypergeometric
    distribution, the observed table counted half (mid-p). Levels: the 20 most frequent, ties by name; a flag has one row, for True.

    Prototypes have the smallest mean squared distance (numbers by median and interquartile range / 1.349, or by the
    standard deviation where that range is zero, clipped at 4; a missing value or a level other than the segment's most
    frequent counts 1), ties by identifier.

    Examples
    --------
    >>> table = pd.DataFrame({"orders": [1, 2, 3] * 20 + [7, 8, 9] * 20})
    >>> profile(table, pd.Series(["few"] * 60 + ["many"] * 60)).lines["line"].tolist()
    ['few (60 customers, 50 %): orders 2 against 8', 'many (60 customers, 50 %): orders 8 against 2']
    """
    table = table_of(table)
    built = set(built_from)
    if strange := sorted(built - set(table.columns)):
        raise DataContractError(
            f"built_from names columns that the table lacks: {strange}. Leave them out, or add them."
        )
    ordered, codes, names = aligned(table, segments)
    cents = None if value is None else _cents(table, value).reindex(ordered.index).to_numpy()
    sizes = _sizes(codes, names, cents)
    differences = _differences(ordered, codes, names, built, sizes, fewest)
    words = dict(sentences or {})
    lines = _lines(sizes, differences, words, fewest)
    rank = [names.index(s) for s in sizes[SEGMENT]]
    prototypes = _prototypes(ordered, codes, names, rank)
    told = rules(ordered, segments, random_state=random_state)
    return Profile(sizes, differences, lines, prototypes, told, fewest, words)


def _cents(table: pd.DataFrame, value: str | pd.Series) -> pd.Series:
    if isinstance(value, str) and value not in table.columns:
        raise DataContractError(f"value is {value!r}, which is no column of the table. Columns: {list(table.columns)}.")
    money = table[value] if isinstance(value, str) else series_of(value, "The value")
    if not is_number(money):
        raise DataTypeError(f"The value is of type {money.dtype}. Pass money as numbers.")
    if not money.index.is_unique or not table.index.isin(money.index).all():
        raise DataContractError("The value lacks customers of the table, or repeats some. Pass one amount a customer.")
    cents = np.rint(np.nan_to_num(numbers(money)) * 100)
    if np.abs(cents).sum() >= 2**53:
        raise DataContractError("The value is too large to add up to the cent. Pass it in thousands.")
    return pd.Series(cents, index=money.index)


def _sizes(codes: Ints, names: list[str], cents: Floats | None) -> pd.DataFrame:
    customers = np.bincount(codes, minlength=len(names))
    out = pd.DataFrame({SEGMENT: pd.array(names, dtype="str"), "customers": customers, "share": customers / len(codes)})
    by = ["customers", SEGMENT]
    if cents is not None:
        total = np.bincount(codes, weights=cents, minlength=len(names))  # whole numbers below 2^53: exact
        net = total.sum()
        out["money"] = total / 100
        out["money_share"] = total / net if net > 0 else np.nan
        out["money_per_customer"] = total / 100 / customers
        by = ["money", *by]
    return out.sort_values(by, ascending=[False] * (len(by) - 1) + [True], ignore_index=True)


def _differences(
    table: pd.DataFrame, codes: Ints, names: list[str], built: set[str], sizes: pd.DataFrame, fewest: int
) -> pd.DataFrame:
    k = len(names)
    parts: list[pd.DataFrame] = []
    for column in table.columns:
        if is_number(table[column]):
            figures, told, kind = _of_numbers(numbers(table[column]), codes, k), [""], "number"
        else:
            level, told = levels(table[column])
            figures, kind = _of_levels(level, codes, k, len(told)), "share"
        if not told:
            continue
        keys = {SEGMENT: np.repeat(np.arange(k), len(told)), "column": str(column), "level": told * k, "kind": kind}
        parts.append(pd.DataFrame(keys | figures).assign(by_construction=column in built))
    out = pd.concat(parts, ignore_index=True)
    known = out["p"].notna().to_numpy()
    out["q"] = np.nan
    if known.any():
        out.loc[known, "q"] = stats.false_discovery_control(out.loc[known, "p"].to_numpy())
    large = sizes.set_index(SEGMENT)["customers"].reindex(names).to_numpy()[out[SEGMENT]] >= fewest
    enough = (out["kind"] == "number") | (_fewer(out) >= fewest)
    out["telling"] = (out["q"] < 0.05) & (out["difference"].abs() >= out["kind"].map(LEAST)) & large & enough
    place = pd.Index(sizes[SEGMENT]).get_indexer(pd.Index(names))[out[SEGMENT]]
    out[SEGMENT] = pd.array(np.asarray(names, dtype=object)[out[SEGMENT]], dtype="str")
    columns = [SEGMENT, "column", "level", "kind", "inside", "outside", "known_inside", "known_outside"]
    columns += [*FIGURES, "telling", "by_construction"]
    out = out.astype({"column": "str", "level": "str", "kind": "str"})
    return out.iloc[np.argsort(place, kind="stable")][columns].reset_index(drop=True)


def _fewer(rows: pd.DataFrame) -> pd.Series:
    """How many of the segment have the level or would by chance, whichever is more; or do without it, if that is less."""
    n1, n0 = rows["known_inside"], rows["known_outside"]
    have, others = rows["inside"].fillna(0.0) * n1, rows["outside"].fillna(0.0) * n0
    expected = (have + others) * n1 / (n1 + n0).clip(lower=1)
    fewer = np.minimum(np.maximum(have, expected), n1 - np.minimum(have, expected))
    return pd.Series(fewer + 1e-9, index=rows.index)  # a share times a number may miss the count


def _of_numbers(values: Floats, codes: Ints, k: int) -> dict[str, Floats]:
    """Means, standardised differences and Welch's test of every segment against the rest; each of shape (k,)."""
    known = ~np.isnan(values)
    group, v = codes[known], values[known]
    n1 = np.bincount(group, minlength=k).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        m1 = np.bincount(group, weights=v, minlength=k) / n1
        squares: Floats = np.bincount(group, weights=(v - m1[group]) ** 2, minlength=k).astype(np.float64)
        squares[squares <= n1 * (1e-12 * m1) ** 2] = 0.0  # a constant leaves only what rounding leaves
        n0, m0, squares0 = _rest(n1, np.where(n1 > 0, m1, 0.0), squares)
        v1, v0 = (np.where(n > 1, s / (n - 1), np.nan) for n, s in ((n1, squares), (n0, squares0)))
        d, low, high = _standardised(n1, m1, v1, n0, m0, v0)
        e1, e0 = v1 / n1, v0 / n0
        df = (e1 + e0) ** 2 / (e1**2 / (n1 - 1) + e0**2 / (n0 - 1))
        p = 2 * stats.t.sf(np.abs(m1 - m0) / np.sqrt(e1 + e0), df)
        few = np.minimum(n1, n0) < FEW_VALUES
        p = np.where(few, np.maximum(p, _by_ranks(v, group, n1, n0)), p) if few.any() else p
    constant = v1 + v0 == 0
    same = np.isclose(m1, m0, rtol=1e-12, atol=0)
    d = np.where(constant, np.where(same, 0.0, np.copysign(np.inf, m1 - m0)), d)
    p = np.where(constant, np.where(same, 1.0, 2 * stats.norm.sf(np.sqrt(n1 + n0))), p)
    m0 = np.where(n0 > 0, m0, np.nan)
    return {"inside": m1, "outside": m0, "known_inside": n1.astype(np.int64), "known_outside": n0.astype(np.int64),
            "difference": d, "low": low, "high": high, "p": p}  # fmt: skip


def _by_ranks(values: Floats, group: Ints, n1: Floats, n0: Floats) -> Floats:
    """P-values of Mann and Whitney's test by its normal limit, with ties and continuity; each of shape (k,)."""
    n = len(values)
    _, of_value, ties = np.unique(values, return_inverse=True, return_counts=True)
    rank = np.cumsum(ties) - (ties - 1) / 2
    above = np.bincount(group, weights=rank[of_value], minlength=len(n1)) - n1 * (n + 1) / 2
    spread = np.sqrt(n1 * n0 / 12 * (n + 1 - (ties.astype(np.float64) ** 3 - ties).sum() / (n * (n - 1.0))))
    return np.asarray(2 * stats.norm.sf(np.maximum(np.abs(above) - 0.5, 0.0) / spread))


def _rest(n: Floats, mean: Floats, squares: Floats) -> tuple[Floats, Floats, Floats]:
    """Number, mean and sum of squares of all other segments together, by adding, never by taking away."""
    others = 1.0 - np.eye(len(n))
    n0 = (others * n).sum(axis=1)
    m0 = (others * (n * mean)).sum(axis=1) / n0
    squares0 = (others * (squares + n * (mean - m0[:, None]) ** 2)).sum(axis=1)
    squares0[squares0 <= n0 * (1e-12 * m0) ** 2] = 0.0
    return n0, m0, squares0


def _standardised(
    n1: Floats, m1: Floats, v1: Floats, n0: Floats, m0: Floats, v0: Floats
) -> tuple[Floats, Floats, Floats]:
    """The difference over the root mean variance, with the interval of Bonett (2008)."""
    middle = (v1 + v0) / 2
    d = (m1 - m0) / np.sqrt(middle)
    spread = v1**2 / (n1 - 1) + v0**2 / (n0 - 1)
    variance = d**2 * spread / (8 * middle**2) + (v1 / (n1 - 1) + v0 / (n0 - 1)) / middle
    df = (v1 + v0) ** 2 / spread
    d = np.where(n1 < SMALL, d * (1 - 3 / (4 * df - 1)), d)
    half = Z * np.sqrt(variance)
    return d, d - half, d + half


def _of_levels(level: Ints, codes: Ints, k: int, n_levels: int) -> dict[str, Floats]:
    """Shares of every level in every segment against the rest; each of shape (k * n_levels,), by segment."""
    known = level >= 0
    wide = n_levels + 1  # the last holds all other levels
    counts = np.bincount(codes[known] * wide + level[known], minlength=k * wide).reshape(k, wide).astype(np.float64)
    n1 = np.broadcast_to(counts.sum(axis=1)[:, None], (k, n_levels))
    n0 = n1.sum(axis=0) - n1
    x1 = counts[:, :n_levels]
    x0 = x1.sum(axis=0) - x1
    with np.errstate(divide="ignore", invalid="ignore"):
        p1, p0, both = x1 / n1, x0 / n0, (x1 + x0) / (n1 + n0)
        (l1, u1), (l0, u0) = _ends(p1, n1), _ends(p0, n0)
        d = p1 - p0
        low, high = d - np.hypot(p1 - l1, u0 - p0), d + np.hypot(u1 - p1, p0 - l0)
        z = d / np.sqrt(both * (1 - both) * (1 / n1 + 1 / n0))
        few = np.minimum(n1, n0) * np.minimum(both, 1 - both) < FEW_EXPECTED
    p = 2 * stats.norm.sf(np.abs(z))
    p[few] = _mid_p(x1[few], n1[few], x0[few], n0[few])
    p = np.where(np.isnan(d), np.nan, np.where((both == 0) | (both == 1), 1.0, p))
    figures = {"inside": p1, "outside": p0, "difference": d, "low": low, "high": high, "p": p}
    numbers = {"known_inside": n1.astype(np.int64), "known_outside": n0.astype(np.int64)}
    return {name: array.ravel() for name, array in (figures | numbers).items()}


def _mid_p(x1: Floats, n1: Floats, x0: Floats, n0: Floats) -> Floats:
    """Twice the smaller tail of the hypergeometric distribution, the observed table counted half."""
    seen = stats.hypergeom(n1 + n0, x1 + x0, n1)
    half = seen.pmf(x1) / 2
    return np.asarray(np.minimum(2 * np.minimum(seen.cdf(x1 - 1), seen.sf(x1)) + 2 * half, 1.0))


def _ends(p: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Wilson's interval of shares."""
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return np.where(p == 0, 0.0, centre - half), np.where(p == 1, 1.0, centre + half)


def _lines(sizes: pd.DataFrame, differences: pd.DataFrame, words: Mapping[str, str], fewest: int) -> pd.DataFrame:
    telling = differences[differences["telling"]]
    inside, outside = telling["inside"].to_numpy(), telling["outside"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt((inside * (1 - inside) + outside * (1 - outside)) / 2)
        share = (telling["kind"] == "share").to_numpy()
        strength = np.abs(np.where(share, (inside - outside) / spread, telling["difference"]))
    telling = telling.assign(strength=strength).sort_values(
        ["by_construction", "strength"], ascending=[True, False], kind="stable"
    )
    found = {s: rows.drop_duplicates("column").head(3) for s, rows in telling.groupby(SEGMENT, sort=False)}
    lines = []
    for size in sizes.to_dict("records"):
        rows = found.get(size[SEGMENT])
        told = "" if rows is None else _told(rows, words)
        lines.append(_line(size, told, fewest, alone=len(sizes) == 1))
    return pd.DataFrame({SEGMENT: sizes[SEGMENT], "line": pd.array(lines, dtype="str")})


def _line(size: Mapping[Any, Any], told: str, fewest: int, alone: bool) -> str:
    name, customers = size[SEGMENT], size["customers"]
    if pd.isna(customers):
        return f"{name}: not shown, to protect segments of fewer than {fewest} customers"
    share = size.get("money_share", np.nan)
    money = f", {_percent(share)} of the money" if not np.isnan(share) else ""
    head = f"{name} ({customers:,} customers, {_percent(size['share'])}{money})"
    if alone:
        return f"{head}: there is no other segment to compare with"
    if customers < fewest:
        return f"{head}: too few customers to say what sets them apart"
    return f"{head}: {told or 'nothing sets them apart beyond chance'}"


def _told(rows: pd.DataFrame, words: Mapping[str, str]) -> str:
    """The columns that say something new, then those that had to differ."""
    made = rows["by_construction"].to_numpy()
    free, forced = ("; ".join(_words(r, words) for r in rows[m].to_dict("records")) for m in (~made, made))
    return "; ".join(t for t in (free, forced and f"by construction: {forced}") if t)


def _words(row: Mapping[Any, Any], words: Mapping[str, str]) -> str:
    column, level, inside, outside = (row[c] for c in ("column", "level", "inside", "outside"))
    name = words.get(str(column), str(column))
    if row["kind"] == "number":
        a, b = _pair(inside, outside)
        return f"{name} {a} against {b}"
    name = name if level == "True" else f"{name} {level}"
    more = "more" if inside > outside else "fewer"
    return f"{more} with {name} ({_percent(inside)} against {_percent(outside)})"


def _percent(share: float) -> str:
    shown = round(100 * share, 0 if abs(share) >= 0.1 else 1) + 0.0  # adding zero takes the sign off minus zero
    return f"{shown:,.1f}".removesuffix(".0") + " %"


def _pair(a: float, b: float) -> tuple[str, str]:
    """Two numbers with three digits, or with as many as show that they differ."""
    for digits in range(3, 18):
        texts = [f"{x:,.0f}" if abs(x) >= 10 ** (digits - 1) else f"{x:,.{digits}g}" for x in (a, b)]
        if a == b or texts[0] != texts[1]:
            break
    return texts[0], texts[1]


def _prototypes(table: pd.DataFrame, codes: Ints, names: list[str], rank: list[int]) -> pd.DataFrame:
    k = len(names)
    distance, used = np.zeros(len(codes)), 0
    for column in table.columns:
        one = _number_distance if is_number(table[column]) else _level_distance
        found = one(table[column], codes, k)
        if found is not None:
            distance, used = distance + found, used + 1
    distance = np.round(distance / max(used, 1), 12)  # what rounding leaves must not break ties
    order = np.lexsort((distance, np.argsort(rank)[codes]))  # stable: ties stay in the order of the customers
    sorted_codes = codes[order]
    first = np.concatenate([[0], np.flatnonzero(np.diff(sorted_codes)) + 1])
    sizes = np.diff(np.concatenate([first, [len(order)]]))
    chosen = order[np.arange(len(order)) - np.repeat(first, sizes) < STANDING]
    segment = pd.array(np.asarray(names, dtype=object)[codes[chosen]], dtype="str")
    return pd.DataFrame({SEGMENT: segment, CUSTOMER: table.index[chosen], "distance": distance[chosen]})


def _number_distance(column: pd.Series, codes: Ints, k: int) -> Floats | None:
    values = numbers(column)
    known = ~np.isnan(values)
    if not known.any():
        return None
    low, middle, high = np.quantile(values[known], [0.25, 0.5, 0.75])
    scale = (high - low) / 1.349 or float(values[known].std())
    if not scale > 0:
        return None
    z = np.clip((values - middle) / scale, -CLIP, CLIP)
    n = np.maximum(np.bincount(codes[known], minlength=k), 1)
    mean = np.bincount(codes[known], weights=z[known], minlength=k) / n
    return np.where(known, (z - mean[codes]) ** 2, 1.0)


def _level_distance(column: pd.Series, codes: Ints, k: int) -> Floats | None:
    level, told = levels(column)
    if not told:
        return None
    wide = len(told) + 1
    known = level >= 0
    counts = np.bincount(codes[known] * wide + level[known], minlength=k * wide).reshape(k, wide)
    usual = counts.argmax(axis=1)
    return np.asarray(level != usual[codes], dtype=np.float64)


def _shared(differences: pd.DataFrame, small: set[str], fewest: int) -> pd.DataFrame:
    """The differences without what is about too few customers, or would give that away."""
    inside, outside = np.zeros(len(differences), dtype=bool), np.zeros(len(differences), dtype=bool)
    gone = differences[SEGMENT].isin(small).to_numpy()
    for _, rows in differences.groupby("column", sort=False):
        at = rows.index.to_numpy()
        protect = _few_known if rows["kind"].iloc[0] == "number" else _few_alike
        inside[at], outside[at] = protect(rows, gone[at], fewest)
    out = differences.drop(columns=["known_inside", "known_outside"])
    out.loc[inside, "inside"] = np.nan
    out.loc[outside, "outside"] = np.nan
    out.loc[inside | outside, FIGURES] = np.nan
    out["telling"] &= ~(inside | outside)
    return out[~gone].reset_index(drop=True)


def _few_known(rows: pd.DataFrame, gone: Mask, fewest: int) -> Masks:
    """Of a column of numbers: means to hide, and whether the outside must go too."""
    counts = rows["known_inside"].to_numpy(dtype=np.float64)
    inside = hidden(counts, fewest, gone)
    return inside, np.full(len(rows), bool((inside != gone).any()))


def _few_alike(rows: pd.DataFrame, gone: Mask, fewest: int) -> Masks:
    """Of a category: shares to hide, and levels of which the outside must go too; hidden segments count as one."""
    rows = rows.assign(row=np.where(gone, "", "=" + rows[SEGMENT]), n=np.rint(rows["inside"] * rows["known_inside"]))
    cells = rows.pivot_table(index="row", columns="level", values="n", aggfunc="sum", sort=False).fillna(0.0)
    known = rows.drop_duplicates(SEGMENT).groupby("row", sort=False)["known_inside"].sum().reindex(cells.index)
    rest = (known - cells.sum(axis=1)).to_numpy()
    table = cells.set_axis(range(cells.shape[1]), axis=1)
    if rest.any():
        table = table.assign(rest=rest)
    missing = suppressed(table, fewest=fewest).isna().to_numpy()[:, : cells.shape[1]]
    r, c = cells.index.get_indexer(pd.Index(rows["row"])), cells.columns.get_indexer(pd.Index(rows["level"]))
    anywhere: Mask = np.asarray(missing.any(axis=0))
    return missing[r, c], anywhere[c]
