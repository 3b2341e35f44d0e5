"""Columns that know the future: too good, too late, changed afterwards, made of the label, or a name for each customer."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2, kstest

from crmintel.columns import AT, CUSTOMER
from crmintel.errors import DataContractError, DataTypeError, LeakageError
from crmintel.evaluation.aligned import aligned
from crmintel.evaluation.intervals import Floats
from crmintel.evaluation.ordering import Ordering, block_auc
from crmintel.evaluation.outcome import outcome
from crmintel.interactions.clock import duration
from crmintel.interactions.frames import frame_of

NEAR_LABEL: Final = 0.98
"""Area under the ROC curve from which one column alone is too good to be true."""
NEAR_COPY: Final = 0.85
"""Correlation with the label from which a column of two values is taken for a copy of it."""
NEAR_UNIQUE: Final = 0.95
"""Share of different values from which text or whole numbers may be a name."""
TOO_CLOSE: Final = 1e-7
"""Chance of rates as close to a column's values as they are, below which the column was made of this very label."""
CHANGED: Final = 0.001
"""Share of past values that may differ between two exports."""
MOST_ROWS: Final = 50_000
FEWEST: Final = 20
"""Customers of each kind that it takes to speak of a column that is too good."""

LATE: Final = re.compile(
    r"(last_)?(call_)?duration(_(sec|secs|seconds|min|minutes))?"
    r"|(churn|churned|attrition|exited|attrited|cancelled|canceled)(_(reason|score|value|category|label|date|flag|risk|status|on|at))?"
    r"|(cancel|cancellation|termination|exit|closure|closing|contract_end|end|left|closed|terminated)_(date|day|on|at|reason|time)"
    r"|reason_(left|for_leaving)"
)
"""Names of what is known only once the outcome is: the length of the call that sold, the reason for leaving."""
IDENTIFIER: Final = re.compile(
    r"(^|_|(?<=[a-z]))(id|ids|uuid|guid|key|rownumber|row_?no|index|no|nr|number)$", re.IGNORECASE
)

_ADVICE: Final = {
    "after the instant": "holds times at or after the instant. Leave it out, or use days until it as known at the instant",
    "as of today": "has other values for the same past in another export: it tells today, not the instant",
    "near-label": "tells the label almost by itself: it probably knows it",
    "target mean": "holds mean labels of these very rows. Encode categories on other rows, or give the categories themselves",
    "near-unique": "names each customer: it can only be learned by heart. Leave it out",
    "known later": "has the name of something known only after the outcome. Was it known at the instant?",
    "numbers as text": "holds numbers written as text, and some blanks. Make it numbers: pd.to_numeric(..., errors='coerce')",
    "open labels": "have labels that are not known yet when the test begins. Train at earlier instants, or test later",
    "names rows": "says which row it is. Put it into the index: X.set_index([...])",
    "same customers": "stand on both sides of the split. Split by customer, or test at a later instant",
}


@final
@dataclass(frozen=True)
class LeakReport:
    """What the guard found.

    Parameters
    ----------
    findings : tuple of (column, kind, measure, value)
        In the order of the columns; a column may be found several times.
    columns : int
        How many columns were looked at.

    Examples
    --------
    >>> from crmintel.evaluation import leak_check
    >>> rng = np.random.default_rng(0)
    >>> y = rng.random(400) < 0.3
    >>> X = pd.DataFrame({"orders": rng.poisson(4, 400).astype(float), "copy": y + rng.normal(0, 0.01, 400)})
    >>> leak_check(X, y).suspects
    ['copy']
    """

    findings: tuple[tuple[str, str, str, float], ...]
    columns: int

    @property
    def suspects(self) -> list[str]:
        """The columns that were found, each once."""
        return list(dict.fromkeys(f[0] for f in self.findings))

    def to_frame(self) -> pd.DataFrame:
        """A row a finding: column, finding, measure, value, and what it means."""
        rows = [(*f, _ADVICE[f[1]]) for f in self.findings]
        return pd.DataFrame(rows, columns=["column", "finding", "measure", "value", "what it means"])

    def __repr__(self) -> str:
        return f"LeakReport: {self.columns} columns, {len(self.suspects)} suspects"

    def __str__(self) -> str:
        return "\n".join(f"{column!r} {_ADVICE[kind]} ({measure} {value:.4g})." for column, kind, measure, value in self.findings)  # fmt: skip

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{self.to_frame().to_html(index=False, float_format='{:.4g}'.format)}"


def leak_check(
    X: Any, y: Any = None, *, at: Any = None, earlier: Any = None, test: Any = None, horizon: str | None = None,
    allow: Sequence[str] = (), positive: Any = None,
) -> LeakReport:  # fmt: skip
    """Look for columns of a table that know more than was known at its instant.

    Parameters
    ----------
    X : DataFrame (pandas, polars, Arrow), shape (n_rows, n_columns)
        What a model would learn from, indexed by customer (and instant) where these are known.
    y : array of 0 and 1, shape (n_rows,), optional
        The label.
    at : instant, or array of instants, shape (n_rows,), optional
        When each row was told; the index level ``at`` by default.
    earlier : DataFrame, optional
        The same customers and instants as an earlier export told them: columns whose past has changed since are found.
    test : DataFrame, optional
        The table that the model will be tested on: customers who are in both, not at a later instant, are counted.
    horizon : str, optional
        How long after an instant its labels are known, such as ``"60d"``: instants of `X` whose labels are open when `test` begins are
        counted.
    allow : sequence of str
        Columns (or "same customers", "open labels") that are known to be fine; ``"*"`` for all.
    positive : optional
        The label of those who left, where labels are not 0 and 1.

    Returns
    -------
    LeakReport
        *near-label*: area under the ROC curve of the column, of its being missing, or of the rate of its values on other rows
        ≥ 0.98 (two values: correlation ≥ 0.85), with at least 20 rows of each label. *target mean*: rates by value lie closer
        to the values than chance allows (χ², 1e-7). *near-unique*: text, or whole numbers that are a sequence, carry the name of an
        identifier or fill a range evenly, with over 95 % different values. Values are looked at in at most 50,000 rows.

    Raises
    ------
    DataContractError
        If `y` is of other rows than `X` or holds no two labels, or `allow` names what does not exist.

    Examples
    --------
    >>> X = pd.DataFrame({"orders": [1, 2, 3] * 40, "call_duration": range(120)})
    >>> leak_check(X).to_frame()[["column", "finding"]].values.tolist()
    [['call_duration', 'near-unique'], ['call_duration', 'known later']]
    """
    X, allow = _frame(X), (allow,) if isinstance(allow, str) else tuple(allow)
    if odd := sorted(set(allow) - set(X.columns) - {"*", "same customers", "open labels"}):
        raise DataContractError(f"allow names columns that the table does not have: {', '.join(odd)}.")
    label = (
        None if y is None else outcome(aligned(y, X.index, "y"), len(X), positive, constant=True)[1].astype(np.float64)
    )
    test = None if test is None else _frame(test)
    found = [*_late(X, aligned(at, X.index, "at")), *_changed(X, earlier), *_shared(X, test), *_open(X, test, horizon)]
    rows = _sample(X, label)
    some, told = X.iloc[rows], None if label is None else label[rows]
    for name in map(str, X.columns):
        if name in (CUSTOMER, AT):
            found.append((name, "names rows", "different values", float(X[name].nunique())))
        elif X[name].dtype.kind not in "mM":
            found += [(name, *f) for f in _of_column(name, some[name], told)]
    place = {str(c): i for i, c in enumerate(X.columns)}
    kept = [f for f in found if f[0] not in allow and "*" not in allow]
    return LeakReport(tuple(sorted(kept, key=lambda f: place.get(f[0], len(place)))), X.shape[1])


def guard(X: pd.DataFrame, y: Any = None, *, allow: Sequence[str] = ()) -> None:
    """Refuse a table with columns that seem to know the future.

    Raises
    ------
    LeakageError
        Naming each column, what was found, and how to let it pass.
    """
    report = leak_check(X, y, allow=allow)
    if report.findings:
        names = ", ".join(repr(c) for c in report.suspects)
        raise LeakageError(f"Columns that seem to know too much:\n{report}\nLeave them out, or let them pass by name: allow=[{names}].")  # fmt: skip


def _late(X: pd.DataFrame, at: Any) -> Iterator[tuple[str, str, str, float]]:
    """Columns of times that lie at or after the instant of their row."""
    if at is None and AT in X.index.names:
        at = X.index.get_level_values(AT)
    if at is None:
        return
    when = np.asarray(pd.to_datetime(pd.Series(at) if np.ndim(at) else pd.Series([at] * len(X)), utc=True).dt.as_unit("us"))  # fmt: skip
    for name in X.columns:
        times = _times(X[name].reset_index(drop=True))
        if times is not None and (late := int((np.asarray(times.dt.as_unit("us")) >= when).sum())):
            yield str(name), "after the instant", "rows at or after it", float(late)


def _times(values: pd.Series) -> pd.Series | None:
    """A column of times, or of dates written as text, as times; None of anything else."""
    if values.dtype.kind == "M":
        return pd.to_datetime(values, utc=True)
    if pd.api.types.is_numeric_dtype(values.dtype) or values.dtype.kind == "m":
        return None
    text = values.astype("object").map(str, na_action="ignore")
    known = text.dropna()
    if len(known) == 0 or known.head(1_000).str.match(r"\d{4}-\d{2}-\d{2}").mean() < 0.95:
        return None
    return pd.to_datetime(text, utc=True, errors="coerce", format="ISO8601")


def _open(X: pd.DataFrame, test: pd.DataFrame | None, horizon: str | None) -> Iterator[tuple[str, str, str, float]]:
    """Instants whose labels are not known yet when the test begins."""
    if test is None or horizon is None or AT not in X.index.names or AT not in test.index.names:
        return
    begins = test.index.get_level_values(AT).min()
    at = pd.DatetimeIndex(X.index.get_level_values(AT).unique())
    if late := int((at + pd.Timedelta(duration(horizon), unit="us") > begins).sum()):
        yield "open labels", "open labels", "instants", float(late)


def _changed(X: pd.DataFrame, earlier: Any) -> Iterator[tuple[str, str, str, float]]:
    """Columns whose past values differ between two exports."""
    if earlier is None:
        return
    earlier = _frame(earlier)
    once = [t[~t.index.duplicated()] for t in (X, earlier)]
    both = once[0].index.intersection(once[1].index)
    now, then = (t.loc[both] for t in once)
    for name in X.columns.intersection(earlier.columns):
        a, b = now[name].reset_index(drop=True), then[name].reset_index(drop=True)
        if pd.api.types.is_numeric_dtype(a.dtype) and pd.api.types.is_numeric_dtype(b.dtype):
            x, z = a.to_numpy(np.float64, na_value=np.nan), b.to_numpy(np.float64, na_value=np.nan)
            same = np.isclose(x, z, rtol=1e-9, atol=0, equal_nan=True)
        else:
            told, before = (c.astype("object").map(str, na_action="ignore") for c in (a, b))
            same = ((told == before) | (a.isna() & b.isna())).to_numpy(bool, na_value=False)
        if len(both) and (share := float(1 - same.mean())) > CHANGED:
            yield str(name), "as of today", "share of past values that changed", share


def _shared(X: pd.DataFrame, test: pd.DataFrame | None) -> Iterator[tuple[str, str, str, float]]:
    """Customers on both sides who are not told at a later instant in the test."""
    if test is None or any(
        t.index.name is None and t.index.nlevels == 1 and isinstance(t.index, pd.RangeIndex) for t in (X, test)
    ):
        return  # rows that are only numbered name nobody
    mine, theirs = (
        pd.DataFrame({"who": t.index.get_level_values(CUSTOMER) if CUSTOMER in t.index.names else t.index}) for t in (X, test)
    )  # fmt: skip
    if AT in X.index.names and AT in test.index.names:
        mine["at"], theirs["at"] = X.index.get_level_values(AT), test.index.get_level_values(AT)
        last = mine.groupby("who")["at"].max()
        again = theirs["who"].map(last)
        both = int(theirs.loc[again.notna() & (again >= theirs["at"]), "who"].nunique())
    else:
        both = int(theirs["who"].drop_duplicates().isin(mine["who"]).sum())
    if both:
        yield "same customers", "same customers", "customers", float(both)


def _of_column(name: str, values: pd.Series, y: Floats | None) -> Iterator[tuple[str, str, float]]:
    """What one column by itself gives away."""
    numeric = pd.api.types.is_numeric_dtype(values.dtype)
    x = values.to_numpy(np.float64, na_value=np.nan) if numeric else None
    codes, levels = pd.factorize(values if numeric else values.astype("str"), sort=True)
    if x is None and _numbers_in_text(values):
        yield "numbers as text", "different values", float(len(levels))
    unique = len(levels) / max(int((codes >= 0).sum()), 1)
    if unique > NEAR_UNIQUE and len(levels) >= 50 and (x is None or _named(name, x)):
        yield "near-unique", "share of different values", unique
    if LATE.fullmatch(name.strip().lower().replace(" ", "_")):
        yield "known later", "different values", float(len(levels))
    if y is None or min((y == 1).sum(), (y == 0).sum()) < FEWEST:
        return
    told = [("area under the ROC curve", _auc(x, y))] if x is not None else []
    told += [("area under the ROC curve of being missing", _auc((codes < 0).astype(np.float64), y))]
    if 1 < len(levels) <= len(codes) / 5:
        told += [
            ("area under the ROC curve of its values' rates on other rows", _auc(_rates(codes, len(levels), y), y))
        ]
    best = max(told, key=lambda t: abs(t[1] - 0.5))
    copy = abs(float(np.corrcoef(codes, y)[0, 1])) if len(np.unique(codes)) == 2 else 0.0
    if max(best[1], 1 - best[1]) >= NEAR_LABEL:
        yield "near-label", *best
    elif copy >= NEAR_COPY:
        yield "near-label", "correlation with the label", copy
    elif x is not None and _made_of_label(codes, np.asarray(levels, np.float64), y):
        yield "target mean", "different values", float(len(levels))


def _auc(score: Floats, y: Floats) -> float:
    """Area under the ROC curve among rows where the score is known; one half where it cannot be told."""
    known = ~np.isnan(score)
    if not known.any() or score[known].min() == score[known].max():
        return 0.5
    ordering = Ordering.descending(score[known])
    told = block_auc(ordering.sums(y[known]), ordering.sums(np.ones(int(known.sum()))))
    return 0.5 if np.isnan(told) else told


def _rates(codes: npt.NDArray[np.intp], n: int, y: Floats) -> Floats:
    """For each row the rate of its value on the other half of the rows, drawn towards everybody's."""
    half, out = np.arange(len(y)) % 2, np.empty(len(y))
    code = np.where(codes < 0, n, codes)
    for side in (0, 1):
        other = half != side
        left = np.bincount(code[other], weights=y[other], minlength=n + 1)
        rate = (left + y.mean()) / (np.bincount(code[other], minlength=n + 1) + 1)
        out[~other] = rate[code[~other]]
    return out


def _made_of_label(codes: npt.NDArray[np.intp], values: Floats, y: Floats) -> bool:
    """Whether the rates by value are the values, or follow them (also smoothed) more closely than chance allows."""
    known = codes >= 0
    n, y, codes = np.bincount(codes[known], minlength=len(values)).astype(np.float64), y[known], codes[known]
    if len(values) < 2 or len(values) > len(y) / 3 or y.min() == y.max():
        return False
    rate = np.bincount(codes, weights=y, minlength=len(values)) / n
    if np.allclose(rate, values, rtol=0, atol=1e-9) and not set(values) <= {0.0, 1.0}:
        return True
    if _drawn_in(values, rate, float(y.mean())):
        return True
    told = n * y.mean() * (1 - y.mean()) >= 1  # values of fewer rows say nothing
    if told.sum() < 10:
        return False
    n, rate, scaled = n[told], rate[told], values[told] / values[told].std()
    design = np.column_stack([np.ones(len(n)), scaled, scaled / n, 1 / n])
    weight = np.sqrt(n / (y.mean() * (1 - y.mean())))
    fit, *_ = np.linalg.lstsq(design * weight[:, None], rate * weight, rcond=None)
    likely = np.clip(design @ fit, 0.01, 0.99)  # rates far from one half vary less
    off = float((n * (rate - likely) ** 2 / (likely * (1 - likely))).sum())
    return bool(chi2.cdf(off, len(n) - 4) < TOO_CLOSE)


def _drawn_in(values: Floats, rate: Floats, p: float) -> bool:
    """Whether values are rates drawn towards the mean by the number of rows: v = (n r + a p) / (n + a) for whole n and one a.

    Then (p - v) / (v - r) is n / a, so these are to one another as whole numbers.
    """
    off = (np.abs(values - rate) > 1e-9) & (np.abs(values - p) > 1e-9)
    sizes = (p - values[off]) / (values[off] - rate[off])
    if off.sum() < 5 or (sizes <= 0).any():
        return False
    ratio = sizes / sizes.min()
    return any(bool((np.abs(ratio * n - np.round(ratio * n)) < 1e-6 * n).all()) for n in range(1, 51))


def _named(name: str, x: Floats) -> bool:
    """Whether whole numbers that hardly ever repeat are names: so called, a sequence, or an evenly filled range far from zero."""
    known = np.sort(x[~np.isnan(x)])
    if not len(known) or (known != np.round(known)).any():
        return False
    low, high = known[0], known[-1]
    if IDENTIFIER.search(name) or high - low + 1 <= 1.1 * len(known):
        return True
    even = kstest((known - low) / (high - low), "uniform").pvalue > 0.01
    return bool(even and (high >= 1e5 or (high >= 1e4 and low > 0.05 * high)))


def _numbers_in_text(values: pd.Series) -> bool:
    """Whether a column of text holds numbers, but for some blanks."""
    text = values.dropna().astype("str").str.strip()
    numbers = pd.to_numeric(text, errors="coerce")
    odd = float(numbers.isna().mean()) if len(text) else 1.0
    return odd < 0.05 and numbers.nunique() > 20 and (odd > 0 or bool(text.str.contains(".", regex=False).any()))


def _sample(X: pd.DataFrame, y: Floats | None) -> npt.NDArray[np.intp]:
    """At most 50,000 rows, in an order that is random and yet depends on what they hold alone; equal rows are dealt out, too."""
    mixed = np.zeros(len(X), np.uint64) if y is None else y.astype(np.uint64)
    for name in X.columns:
        column = X[name].astype("str") if X[name].dtype == object else X[name]
        mixed = mixed * np.uint64(31) + np.asarray(pd.util.hash_array(column.to_numpy()), np.uint64)
    order = np.argsort(mixed, kind="stable")
    sorted_ = mixed[order]
    first = np.flatnonzero(np.r_[True, sorted_[1:] != sorted_[:-1]]) if len(X) else np.zeros(0, np.intp)
    again = np.arange(len(X)) - np.repeat(first, np.diff(np.r_[first, len(X)]))
    mixed[order] = sorted_ + again.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = np.asarray(pd.util.hash_array(mixed), np.uint64)
    return np.argsort(mixed, kind="stable")[:MOST_ROWS]


def _frame(X: Any) -> pd.DataFrame:
    """A table with names of columns that are text and differ."""
    X = frame_of(X)
    if not isinstance(X, pd.DataFrame):
        raise DataTypeError(
            f"The guard looks at tables with names of columns, not at {type(X).__name__}. Give a DataFrame."
        )
    if X.columns.has_duplicates or not all(isinstance(c, str) for c in X.columns):
        raise DataContractError("The columns of the table need names that are text and differ. Rename them first.")
    return X
