"""What a model was judged on, in a few kilobytes: bins, shares and figures, no row of anybody."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit

from crmintel.churn.bins import Bins, is_number
from crmintel.churn.figures import judged
from crmintel.churn.table import checked
from crmintel.columns import RESERVED
from crmintel.errors import DataContractError
from crmintel.evaluation import checks
from crmintel.evaluation.aligned import aligned
from crmintel.evaluation.intervals import Estimate, Floats
from crmintel.interactions.clock import duration
from crmintel.interactions.frames import frame_of
from crmintel.showing import Shown

RIM: Final = 5
"""A number is new beyond the fifth least or greatest: one customer's extreme is nobody's business, and says little."""
GRID: Final = 100
"""Parts of equal size into which scores are cut for the Kolmogorov-Smirnov distance."""
FORMAT: Final = 1
_UNIT: Final = 2.0**12
"""Log-odds are summed in whole steps of this size, so that the order of rows changes no bit."""
_COARSE: Final = 2.0**8
_SHRUNK: Final = 10.0
"""A bin of few rows says little about its mean: as many rows at the mean of all are added."""


@final
@dataclass(frozen=True, eq=False)
class Profile(Shown):
    """What later tables are compared with.

    Parameters
    ----------
    columns : mapping of feature to Bins
    leans : mapping of feature to floats
        How far the log-odds of each bin lie from those of all rows.
    score : Bins
    grid, grid_counts : arrays
        Where scores are cut for the distance of Kolmogorov and Smirnov, and rows of each part.
    follows : float
        Correlation of the log-odds with the sum of leans, each told from other rows.
    n, low_information, nothing_known, rare : int
        Rows; those of which less than half is known; nothing; and those with a category that is rare.
    figures : mapping of figure to Estimate
        AUC and calibration of rows whose outcome was known; empty if none was.
    n_outcomes : int
    horizon : str, optional
        How long after an instant its outcome is known.

    Examples
    --------
    >>> from crmintel.scoring import profile_of
    >>> table = pd.DataFrame({"orders": np.arange(200.0)}, index=pd.RangeIndex(200, name="customer_id"))
    >>> profile = profile_of(table, np.linspace(0, 1, 200))
    >>> list(Profile.from_json(profile.to_json()).columns)
    ['orders']
    """

    columns: Mapping[str, Bins]
    leans: Mapping[str, Floats]
    score: Bins
    grid: Floats
    grid_counts: npt.NDArray[np.int64]
    follows: float
    n: int
    low_information: int
    nothing_known: int
    rare: int
    figures: Mapping[str, Estimate]
    n_outcomes: int
    horizon: str | None

    def to_json(self) -> str:
        """As canonical JSON text, such as for a part of a bundle."""
        told = {
            "format": FORMAT, "columns": {c: _plain(b) for c, b in self.columns.items()}, "leans": {c: x.tolist() for c, x in self.leans.items()},
            "score": _plain(self.score), "grid": self.grid.tolist(), "grid_counts": self.grid_counts.tolist(), "follows": _none(self.follows),
            "n": self.n, "low_information": self.low_information, "nothing_known": self.nothing_known, "rare": self.rare,
            "figures": {c: {k: _none(v) for k, v in asdict(e).items()} for c, e in self.figures.items()},
            "n_outcomes": self.n_outcomes, "horizon": self.horizon, "order": list(self.columns),
        }  # fmt: skip
        return json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From the text that `to_json` made.

        Raises
        ------
        DataContractError
            If it is something else, or of a later format.
        """
        try:
            told = json.loads(text)
            if told["format"] != FORMAT:
                raise DataContractError(
                    f"A profile of format {told['format']!r:.20}; this version reads {FORMAT}. Make it again."
                )
            figures = {c: _estimate(e) for c, e in told["figures"].items()}
            return cls(
                {c: _bins(told["columns"][c]) for c in told["order"]}, {c: np.array(told["leans"][c], float) for c in told["order"]},
                _bins(told["score"]), np.array(told["grid"], float), np.array(told["grid_counts"], np.int64), _nan(told["follows"]), told["n"],
                told["low_information"], told["nothing_known"], told["rare"], figures, told["n_outcomes"], told["horizon"],
            )  # fmt: skip
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError, RecursionError):
            raise DataContractError("The text is no profile. Give what Profile.to_json returned.") from None

    def __repr__(self) -> str:
        return f"Profile of {self.n:,} rows: {len(self.columns)} features, {self.n_outcomes:,} outcomes"


@final
@dataclass(frozen=True, eq=False)
class Reading:
    """What one pass over a table told."""

    counts: Mapping[str, npt.NDArray[np.int64]]
    new: Mapping[str, int]
    missing: Mapping[str, int]
    low_information: int
    nothing_known: int
    rare: int
    follows: float


def profile_of(
    table: Any, scores: Any, *, outcomes: Any = None, features: Collection[str] | None = None, horizon: str | None = None
) -> Profile:  # fmt: skip
    """Keep what a model was judged on, to compare later tables with it.

    Parameters
    ----------
    table : DataFrame (pandas, polars or Arrow), shape (n_rows, n_columns)
        Customers whom the model was not fitted on (a later instant, or held out): else every later figure looks like a loss.
    scores : array or Series of float, shape (n_rows,)
        Their probability to leave, in the order of the table or with its index.
    outcomes : array or Series of bool, shape (n_rows,), optional
        Who really left, all of them known.
    features : collection of str, optional
        The columns that the model reads; all but those with our own results by default.
    horizon : str, optional
        How long after an instant its outcome is known, such as ``"90d"``.

    Raises
    ------
    DataContractError, DataTypeError
        If the table is empty or no table, columns are absent or hold times, or scores are no probabilities, or of other rows.

    Notes
    -----
    Names of categories are kept where five rows and one in a hundred have them.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders": rng.poisson(3, 500)})
    >>> profile = profile_of(X, rng.random(500))
    >>> profile, len(profile.to_json()) < 5_000
    (Profile of 500 rows: 1 features, 0 outcomes, True)
    """
    X = features_of(table, features)
    p = scores_of(scores, X.index)
    if horizon is not None:
        duration(horizon)
    z = odds_of(p)
    half = pd.util.hash_pandas_object(X, index=False).to_numpy(np.uint64) % np.uint64(2)
    columns = {str(c): Bins.of(X[c], rim=RIM).forgotten() for c in X}
    leans, follows = _leans(X, columns, z, half.astype(np.int64))
    grid = np.unique(np.quantile(p, np.linspace(0, 1, GRID + 1)[1:-1]))
    told = read(X, columns, leans, z)
    y = None if outcomes is None else checks.labels(aligned(outcomes, X.index, "outcomes"))
    return Profile(
        columns, leans, Bins.of(pd.Series(p), rim=RIM), grid, parts_of(p, grid), follows, len(X), told.low_information,
        told.nothing_known, told.rare, judged(y, p, "before"), 0 if y is None else len(y), horizon,
    )  # fmt: skip


def read(X: pd.DataFrame, columns: Mapping[str, Bins], leans: Mapping[str, Floats], z: Floats) -> Reading:
    """Count the rows of a table in bins made before, column by column."""
    known, total = np.zeros(len(X), np.int64), np.zeros(len(X))
    rare = np.zeros(len(X), bool)
    counts, new, missing = {}, {}, {}
    for name, bins in columns.items():
        x = as_before(X[name], bins)
        place = bins.place(x)
        hole = place == len(bins.counts) - 1
        beyond = bins.new(x)
        counts[name], new[name], missing[name] = bins.count(place), int(beyond.sum()), int(hole.sum())
        known += ~hole
        total += leans[name][place]
        if not bins.number:
            rare |= beyond
    low, nothing = int((known < 0.5 * len(columns)).sum()), int((known == 0).sum())
    return Reading(counts, new, missing, low, nothing, int(rare.sum()), _correlation(total, z))


def as_before(column: pd.Series, bins: Bins) -> pd.Series:
    """A column of the kind that it was; one without any value has no kind.

    Raises
    ------
    DataContractError
        If it held numbers and holds none now, or the other way round.
    """
    if is_number(column) == bins.number:
        return column
    if not column.isna().all():
        was, now = ("numbers", "none") if bins.number else ("categories", "numbers")
        raise DataContractError(f"Column {str(column.name)!r} held {was} and holds {now} now. Read both alike.")
    return pd.Series(np.nan if bins.number else None, index=column.index, dtype=np.float64 if bins.number else "str")


def features_of(table: Any, features: Collection[str] | None) -> pd.DataFrame:
    """The columns of a table that are compared."""
    X = frame_of(table)
    own = isinstance(X, pd.DataFrame)
    if own and features is None:
        X = X[[c for c in X if c not in OURS]]
    elif own and features is not None:
        if absent := [str(c) for c in features if c not in X]:
            raise DataContractError(f"The table lacks columns: {', '.join(absent)}. Build it as the earlier one.")
        X = X[list(features)]
    if not len(X):
        raise DataContractError("The table has no row. Give at least one.")
    X = checked(X)
    if endless := [str(c) for c in X if is_number(X[c]) and np.isinf(X[c].to_numpy(np.float64, na_value=np.nan)).any()]:
        raise DataContractError(f"Columns with infinity: {', '.join(endless)}. Repair them first.")
    return X


OURS: Final = frozenset(RESERVED) | {"known", "low_information", *(f"{n}_{i}" for n in ("reason", "contribution") for i in range(1, 10))}  # fmt: skip
"""Columns of results, which are no features."""


def scores_of(scores: Any, index: pd.Index) -> Floats:
    """Probabilities in the order of the rows."""
    p = checks.probabilities(aligned(scores, index, "scores"))
    if len(p) != len(index):
        raise DataContractError(f"There are {len(p):,} scores for {len(index):,} rows. Give one a row.")
    return p


def odds_of(p: Floats) -> Floats:
    """Log-odds, at most 13.8 from even."""
    return np.asarray(logit(np.clip(p, 1e-6, 1 - 1e-6)), np.float64)


def parts_of(p: Floats, grid: Floats) -> npt.NDArray[np.int64]:
    """Rows of each part of a grid."""
    return np.bincount(np.searchsorted(grid, p, side="right"), minlength=len(grid) + 1).astype(np.int64)


def _leans(
    X: pd.DataFrame, columns: Mapping[str, Bins], z: Floats, half: npt.NDArray[np.int64]
) -> tuple[dict[str, Floats], float]:
    """Leans of each bin, and how well those of each half of the rows tell the log-odds of the other half."""
    step = np.rint(z * _UNIT)
    mean = np.array([step[half == h].sum() / max(int((half == h).sum()), 1) for h in (0, 1)])
    every = step.sum() / len(step)
    leans, told = {}, np.zeros(len(X))
    for name, bins in columns.items():
        place = bins.place(X[name])
        size = len(bins.counts)
        rows = np.bincount(half * size + place, minlength=2 * size).reshape(2, size)
        sums = np.bincount(half * size + place, step, minlength=2 * size).reshape(2, size)
        own = (sums - mean[:, None] * rows) / (rows + _SHRUNK) / _UNIT
        told += own[1 - half, place]
        leans[name] = (sums.sum(axis=0) - every * rows.sum(axis=0)) / (rows.sum(axis=0) + _SHRUNK) / _UNIT
    found = [_correlation(told[half == h], z[half == h]) for h in (0, 1)]
    return leans, float(np.nanmean(found)) if not np.isnan(found).all() else np.nan


def _correlation(a: Floats, b: Floats) -> float:
    """Pearson's, summed in whole steps."""
    if len(a) < 3:
        return np.nan
    x, y = (np.rint(v * _COARSE).astype(np.int64) for v in (a, b))
    n, sx, sy = len(x), int(x.sum()), int(y.sum())
    sides = [n * int((v * v).sum()) - s * s for v, s in ((x, sx), (y, sy))]
    return (
        (n * int((x * y).sum()) - sx * sy) / float(np.sqrt(float(sides[0]) * float(sides[1])))
        if min(sides) > 0
        else np.nan
    )


def _plain(bins: Bins) -> dict[str, Any]:
    return {
        "number": bins.number, "counts": bins.counts.tolist(), "edges": bins.edges.tolist(), "atoms": bins.atoms.tolist(),
        "low": _none(bins.low), "high": _none(bins.high), "levels": list(bins.levels), "extremes": bins.extremes,
    }  # fmt: skip


def _bins(told: Mapping[str, Any]) -> Bins:
    edges, atoms = (np.array(told[c], float) for c in ("edges", "atoms"))
    low, high = _nan(told["low"]), _nan(told["high"])
    return Bins(told["number"], np.array(told["counts"], np.int64), edges, atoms, low, high, tuple(told["levels"]), None, told["extremes"])  # fmt: skip


def _estimate(told: Mapping[str, Any]) -> Estimate:
    value, low, high, level = (_nan(told[c]) for c in ("value", "low", "high", "level"))
    return Estimate(value, low, high, level, str(told["method"]))


def _none(x: Any) -> Any:
    return None if isinstance(x, float) and not np.isfinite(x) else x


def _nan(x: Any) -> float:
    return np.nan if x is None else float(x)
