"""Which columns of a feature table to look at before a model does: constant, doubled, leaking or unstable ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.columns import AT
from crmintel.errors import DataContractError
from crmintel.features.arithmetic import Float

NEAR_CONSTANT: Final = 0.995
"""Share of one value from which a column says almost nothing."""
NEAR_LABEL: Final = 0.98
"""Area under the ROC curve, or rank correlation, from which one column alone is too good to be true."""
WATCH, UNSTABLE = 0.1, 0.25
"""Population stability index from which a distribution has changed a little, and a lot: the usual thresholds of credit scoring."""

_ADVICE: Final = {
    "near-constant": "drop it: it says almost nothing",
    "duplicate": "drop it: another column says the same",
    "near-label": "find out where it comes from: it probably knows the label",
    "unstable": "compare it with a shorter window, a share or a ratio: its distribution moved between the instants",
    "drifting": "watch it: its distribution moved a little between the instants",
}
_DROPPED: Final = frozenset({"near-constant", "duplicate", "near-label"})


@final
@dataclass(frozen=True)
class Screening:
    """What `screen` found.

    Parameters
    ----------
    columns : tuple of str
        The columns that were looked at.
    findings : tuple of (column, finding, measure, value, other column)
        In the order of the columns; a column may be found several times.

    Examples
    --------
    >>> X = pd.DataFrame({"orders": [1.0, 2.0, 3.0, 4.0], "twice": [2.0, 4.0, 6.0, 8.0], "one": 1.0})
    >>> screen(X).drop
    ['twice', 'one']
    """

    columns: tuple[str, ...]
    findings: tuple[tuple[str, str, str, float, str], ...]

    @property
    def drop(self) -> list[str]:
        """Columns that are better left out: near-constant, doubled and near-label ones."""
        return list(dict.fromkeys(f[0] for f in self.findings if f[1] in _DROPPED))

    @property
    def keep(self) -> list[str]:
        """The other columns, such as for ``X[screening.keep]``."""
        out = set(self.drop)
        return [c for c in self.columns if c not in out]

    def to_frame(self) -> pd.DataFrame:
        """A row a finding: column, what was found, how it was measured, and what to do."""
        rows = [(c, found, measure, value, other, _ADVICE[found]) for c, found, measure, value, other in self.findings]
        return pd.DataFrame(rows, columns=["feature", "finding", "measure", "value", "like", "what to do"])

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{self.to_frame().to_html(index=False, float_format='{:.3f}'.format)}"

    def __repr__(self) -> str:
        return (
            f"Screening: {len(self.columns)} columns, {len(self.findings)} findings, {len(self.drop)} columns to drop"
        )


def screen(X: pd.DataFrame, y: Any = None) -> Screening:
    """Look for columns that harm or do not help: near-constant, duplicate, near-label and unstable over time.

    Parameters
    ----------
    X : DataFrame of numbers, shape (n_rows, n_features)
        As `FeatureSet.build` returns it. Stability is told where its index has several instants (level ``at``).
    y : array-like, shape (n_rows,), optional
        The label: two values, or a number; taken in the order of `X`, by its index where it has one.

    Returns
    -------
    Screening
        Near-constant: one value (or missing) in 99.5 % of rows. Duplicate: equal, or of equal ranks. Near-label: the
        column, or whether it is missing, ranks the label with an area under the ROC curve (or, for numbers, a Spearman
        correlation) of 0.98 or more, in either direction. Unstable: population stability index of a later instant
        against the first above 0.25 (drifting: above 0.1), over deciles of the first instant and missing.

    Raises
    ------
    DataContractError
        If a column is not numeric, or the label has another length or index than the rows.

    Examples
    --------
    >>> X = pd.DataFrame({"orders": [1.0, 2.0, 3.0, 4.0], "twice": [2.0, 4.0, 6.0, 8.0], "one": 1.0})
    >>> screen(X).drop
    ['twice', 'one']
    """
    if len(set(X.columns)) < X.shape[1] or not all(isinstance(c, str) for c in X):
        raise DataContractError("The columns of the table need names that are text and differ. Rename them first.")
    if odd := [str(c) for c in X if not pd.api.types.is_numeric_dtype(X[c])]:
        raise DataContractError(f"Columns {', '.join(odd)} hold no numbers. Encode or leave them out first.")
    label = None if y is None else _label(X, y)
    names = [str(c) for c in X]
    values = [X.iloc[:, i].to_numpy(np.float64, na_value=np.nan) for i in range(X.shape[1])]
    found: list[tuple[str, str, str, float, str]] = []
    seen: dict[bytes, str] = {}
    groups = _instants(X.index)
    for name, x in zip(names, values, strict=True):
        constant = _commonest(x)
        if constant >= NEAR_CONSTANT:
            found.append((name, "near-constant", "share of one value", constant, ""))
            continue
        ranks = _ranks(x)
        print_ = blake2b(np.where(np.isnan(ranks), -1.0, ranks).tobytes()).digest()
        if print_ in seen:
            found.append((name, "duplicate", "share of equal ranks", 1.0, seen[print_]))
            continue
        seen[print_] = name
        found += [(name, "near-label", *told, "") for told in _leaks(x, label)]
        if len(groups) > 1:
            moved = max(stability(x[groups[0]], x[g]) for g in groups[1:])
            if moved > WATCH:
                kind = "unstable" if moved > UNSTABLE else "drifting"
                found.append((name, kind, "population stability index", moved, ""))
    return Screening(tuple(names), tuple(found))


def stability(before: Float, after: Float, *, bins: int = 10) -> float:
    """Population stability index of a later sample against an earlier one, over its quantile bins and missing.

    Sum over bins of (q − p) ln(q / p), with half a row added to each bin so that empty ones do not make it infinite
    (Siddiqi, Credit Risk Scorecards, 2006).

    >>> round(stability(np.arange(100.0), np.arange(100.0)), 6)
    0.0
    """
    known = before[~np.isnan(before)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.zeros(0)

    def shares(x: Float) -> Float:
        place = np.where(np.isnan(x), len(edges) + 1, np.searchsorted(edges, x, side="right"))
        counts = np.bincount(place, minlength=len(edges) + 2) + 0.5
        return np.asarray(counts / counts.sum(), np.float64)

    p, q = shares(before), shares(after)
    return float(((q - p) * np.log(q / p)).sum())


def _label(X: pd.DataFrame, y: Any) -> Float:
    if isinstance(y, pd.Series) and not y.index.equals(X.index):
        if len(y) != len(X) or not y.index.sort_values().equals(X.index.sort_values()):
            raise DataContractError(
                "The label has another index than the rows. Make both of the same customers and instants."
            )
        y = y.reindex(X.index)
    try:
        out = pd.Series(y).to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise DataContractError("The label holds no numbers. Make it true and false, or a number.") from None
    if len(out) != len(X):
        raise DataContractError(f"The label has {len(out):,} values for {len(X):,} rows. Give one a row.")
    return out


def _instants(index: pd.Index) -> list[npt.NDArray[np.intp]]:
    """The rows of each instant, the earliest first."""
    if AT not in index.names:
        return []
    codes, _ = pd.factorize(index.get_level_values(AT), sort=True)
    return [np.flatnonzero(codes == i) for i in range(int(codes.max(initial=-1)) + 1)]


def _ranks(x: Float) -> Float:
    """Ranks from 1 on, equal numbers sharing their mean; missing stays missing."""
    return np.asarray(pd.Series(x).rank(), np.float64)


def _commonest(x: Float) -> float:
    """The share of the most frequent value; all missing values are one."""
    _, counts = np.unique(x, return_counts=True, equal_nan=True)
    return float(counts.max() / len(x)) if len(x) else 1.0


def _leaks(x: Float, label: Float | None) -> Iterator[tuple[str, float]]:
    """How well a column, or its holes, tell the label by themselves, where it is too well."""
    if label is None:
        return
    for what, z in (("", x), (" of being missing", np.isnan(x).astype(np.float64))):
        both = ~np.isnan(z) & ~np.isnan(label)
        a, b = z[both], label[both]
        if len(np.unique(b)) < 2 or len(np.unique(a)) < 2:
            continue
        if len(np.unique(b)) == 2:
            top = b == b.max()
            n, m = int(top.sum()), int((~top).sum())
            auc = (_ranks(a)[top].sum() - n * (n + 1) / 2) / (n * m)
            if max(auc, 1 - auc) >= NEAR_LABEL:
                yield f"area under the ROC curve{what}", float(auc)
        else:
            rho = float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])
            if abs(rho) >= NEAR_LABEL:
                yield f"Spearman correlation{what}", rho
