"""How good a churn probability is: beside the rules anybody could use, by segment, and from instant to instant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from crmintel.churn.folds import customers_of
from crmintel.churn.rules import BestColumn, simple_rules
from crmintel.churn.table import Float, checked
from crmintel.columns import AT, SEGMENT
from crmintel.errors import DataContractError
from crmintel.evaluation import ProbabilityReport, compare_scores, tables
from crmintel.evaluation.aligned import aligned
from crmintel.evaluation.outcome import outcome

GRADES: Final = ((0.25, "A"), (0.10, "B"), (0.0, "C"))
"""How much of what the best rule leaves to a perfect order the model gains, for each grade."""
FEWEST: Final = 10
"""Customers that a segment must have to be shown."""


@final
@dataclass(frozen=True, repr=False)
class ChurnReport:
    """What a churn probability is worth.

    Parameters
    ----------
    overall : ProbabilityReport
        Figures with intervals, beside each rule.
    segments : DataFrame
        attribute, segment, customers, predicted, observed, difference, low, high: the mean probability less the share who left, with
        its 95 % interval. Segments of fewer than ten customers are left out.
    instants : DataFrame
        at, customers, rate, predicted, auc, auc_low, auc_high, and best_rule, gain, gain_low, gain_high, verdict against the rule that is
        best at that instant; empty for a single instant.
    grade : {"A", "B", "C", "not proven", "worse"}
        A letter only where the gain over every rule has an interval above zero: A, if at least a quarter of what the best rule
        leaves to a perfect order is gained, B for a tenth, C for less. "worse" where a rule is proven to be better.

    Examples
    --------
    >>> from crmintel.churn import churn_report
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"recency_days_purchase": rng.exponential(50, 300), "orders_all": rng.poisson(4, 300).astype(float)})
    >>> p = (X["recency_days_purchase"] / 100).clip(upper=0.95).to_numpy()
    >>> told = churn_report(X, rng.random(300) < p, p)
    >>> told.grade
    'not proven'
    """

    overall: ProbabilityReport
    segments: pd.DataFrame
    instants: pd.DataFrame
    grade: str

    def to_frame(self) -> pd.DataFrame:
        """The figures as a table: metric, value, low, high."""
        return self.overall.to_frame()

    def __repr__(self) -> str:
        return f"ChurnReport(grade={self.grade!r}, {self.overall!r})"

    def __str__(self) -> str:
        return f"{self.overall}\n  grade: {self.grade}"

    def _repr_html_(self) -> str:
        frames = {n: f for n, f in (("by segment", self.segments), ("by instant", self.instants)) if len(f)}
        return f"{self.overall._repr_html_()}{tables.page(f'Grade: {self.grade}', **frames)}"


def churn_report(
    X: Any, y: Any, p: Any, *, train: tuple[Any, Any] | None = None, rules: Mapping[str, Any] | None = None,
    segments: Mapping[str, Any] | None = None, positive: Any = None, n: int = 300, seed: int = 0,
) -> ChurnReport:  # fmt: skip
    """Judge churn probabilities beside simple rules, by segment, and from instant to instant.

    Parameters
    ----------
    X : DataFrame (pandas, polars, Arrow), shape (n_rows, n_columns)
        The table of a later period than the model learned from.
    y : array of bool, shape (n_rows,)
        Who left.
    p : array of float in [0, 1], shape (n_rows,)
        The model's probabilities.
    train : pair of table and labels, optional
        The training period: the best single column is chosen there, never on the test period.
    rules : mapping of name to scores, optional
        Further rules, or others where the table does not have the columns of the usual ones. Scores rise with the risk.
    segments : mapping of attribute to values, shape (n_rows,), optional
        Whose calibration is looked at; a text names a column of `X`.
    positive : optional
        The label of those who left, where labels are not 0 and 1.
    n : int
        Bootstrap draws, over customers.

    Raises
    ------
    DataContractError
        If there is no rule to be compared with, `y` is constant, or something is of other rows than `X`. What comes with an index
        is put into the order of the rows.

    Examples
    --------
    >>> X = pd.DataFrame({"orders": np.arange(200.0)})
    >>> y = np.arange(200) % 10 < 3
    >>> churn_report(X, y, np.where(y, 0.6, 0.2), rules={"few orders": -X["orders"]}, n=50).grade
    'A'
    """
    X = checked(X)
    found = simple_rules(X) | {
        k: np.asarray(aligned(v, X.index, f"rule {k!r}"), np.float64) for k, v in (rules or {}).items()
    }
    if train is not None:
        best = BestColumn.learn(_same_columns(X, checked(train[0])), train[1])
        found[str(best)] = best(X)
    if not found:
        raise DataContractError(
            "There is no rule to compare with. Give rules=..., or train=(X, y) of the training period."
        )
    truth = outcome(aligned(y, X.index, "y"), len(X), positive)[1].astype(np.float64)
    probability, customers = np.asarray(aligned(p, X.index, "p"), np.float64), customers_of(X)
    overall = compare_scores(truth, probability, found, groups=customers, n=n, seed=seed)
    by = {name: _values(X, name, v) for name, v in (segments or {}).items()}
    told = [_by_segment(name, np.asarray(v), truth, probability, customers) for name, v in by.items()]
    return ChurnReport(
        overall, pd.concat(told, ignore_index=True) if told else pd.DataFrame(),
        _by_instant(X, truth, probability, found, n, seed), _grade(overall),
    )  # fmt: skip


def _same_columns(X: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    if absent := [c for c in X.columns if c not in train.columns]:
        raise DataContractError(
            f"The table of the training period lacks {', '.join(absent)}. Build both with the same columns."
        )
    return train[list(X.columns)]


def _values(X: pd.DataFrame, name: str, of: Any) -> Any:
    """The segment of each row."""
    if isinstance(of, str) and of not in X.columns:
        raise DataContractError(
            f"segments names the column {of!r}, which X does not have. It has {', '.join(X.columns[:20])}."
        )
    values = X[of] if isinstance(of, str) else aligned(of, X.index, f"segments {name!r}")
    if len(values) != len(X):
        raise DataContractError(f"segments {name!r} has {len(values):,} values for {len(X):,} rows. Give one a row.")
    return values


def _grade(report: ProbabilityReport) -> str:
    rules = report.rules.iloc[1:]
    if (rules["verdict"] == "worse").any():
        return "worse"
    if (rules["verdict"] != "proven").any():
        return "not proven"
    best = float(rules["auc"].max())
    gained = (float(report.rules["auc"].iloc[0]) - best) / (1 - best)
    return next(letter for least, letter in GRADES if gained >= least)


def _by_segment(name: str, of: Any, y: Float, p: Float, customers: npt.NDArray[np.int64] | None) -> pd.DataFrame:
    """Mean probability and share who left in each segment; the interval takes rows of one customer together."""
    who = np.arange(len(y)) if customers is None else customers
    told = pd.DataFrame(
        {SEGMENT: pd.Series(of).astype("str").fillna("missing"), "who": who, "p": p, "y": y, "off": p - y}
    )
    groups = told.groupby(SEGMENT)
    n = groups.size()
    own = told.groupby([SEGMENT, "who"])["off"].sum() ** 2
    error = np.sqrt(own.groupby(level=0).sum()) / n
    off, half = groups["off"].mean(), norm.ppf(0.975) * error
    out = pd.DataFrame({
        "attribute": name, "customers": groups["who"].nunique(), "predicted": groups["p"].mean(), "observed": groups["y"].mean(),
        "difference": off, "low": off - half, "high": off + half,
    })  # fmt: skip
    return out[out["customers"] >= FEWEST].reset_index()[["attribute", SEGMENT, *out.columns[1:]]]


def _by_instant(X: pd.DataFrame, y: Float, p: Float, rules: Mapping[str, Float], n: int, seed: int) -> pd.DataFrame:
    """The same comparison at each instant by itself; instants without both kinds of customers have no figures."""
    if AT not in X.index.names:
        return pd.DataFrame()
    at = X.index.get_level_values(AT)
    if at.nunique() < 2:
        return pd.DataFrame()
    rows = []
    for moment in at.unique().sort_values():
        some = np.asarray(at == moment)
        row = {AT: moment, "customers": int(some.sum()), "rate": y[some].mean(), "predicted": p[some].mean()}
        if 0 < y[some].sum() < some.sum():
            told = compare_scores(y[some], p[some], {k: v[some] for k, v in rules.items()}, n=n, seed=seed).rules
            best = told.iloc[1:].sort_values("auc", ascending=False, kind="stable").iloc[0]
            row |= {c: told[c].iloc[0] for c in ("auc", "auc_low", "auc_high")} | {"best_rule": best["name"]}
            row |= {c: best[c] for c in ("gain", "gain_low", "gain_high", "verdict")}
        rows.append(row)
    return pd.DataFrame(rows)
