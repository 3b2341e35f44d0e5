"""Whether a churn model still fits: what moved since it was trained, and whether its probabilities are still true."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, final

import numpy.typing as npt
import pandas as pd

from crmintel.churn.bins import is_number
from crmintel.churn.figures import ALARM, figures_of, harm, judged
from crmintel.churn.shift import Shift, shift
from crmintel.errors import DataContractError, DataTypeError
from crmintel.evaluation import checks, tables
from crmintel.evaluation.aligned import aligned
from crmintel.evaluation.intervals import Floats
from crmintel.interactions.frames import frame_of


@final
@dataclass(frozen=True, repr=False)
class Drift:
    """What changed between two periods, and whether to train again.

    Parameters
    ----------
    columns : DataFrame
        One row a feature, and one of kind "score" where scores were given: feature, kind, psi, by_chance (what chance
        alone gives on average at these sizes), p_value, outside (share of later rows beyond the earlier range, or
        of a new level), outside_low, outside_high, verdict ("stable", "watch" or "moved").
    figures : DataFrame
        With labels: figure, before, after, change, each with `_low` and `_high` (99.2 %, so that the three hold
        together with 97.5 %). "calibration in the large" is the log-odds that the later rate lies above what was
        predicted, "calibration slope" is below 1 where probabilities are too extreme. Empty without labels.
    retrain : str
        "yes", "watch" or "no".
    reasons : tuple of str
        Why, in words.
    n_before, n_after : int
        Rows of each period.

    Examples
    --------
    >>> import numpy as np
    >>> from crmintel.churn import drift
    >>> rng = np.random.default_rng(0)
    >>> before, after = (pd.DataFrame({"orders": rng.poisson(mean, 400).astype(float)}) for mean in (4, 6))
    >>> drift(before, after).columns[["feature", "verdict"]].to_numpy().tolist()
    [['orders', 'moved']]
    """

    columns: pd.DataFrame
    figures: pd.DataFrame
    retrain: str
    reasons: tuple[str, ...]
    n_before: int
    n_after: int

    def to_frame(self) -> pd.DataFrame:
        """One row a column."""
        return self.columns.copy(deep=False)

    def __repr__(self) -> str:
        return f"Drift(retrain={self.retrain!r}, columns={len(self.columns)}, n={self.n_before:,} and {self.n_after:,})"

    def __str__(self) -> str:
        return "\n".join([f"Retrain? {self.retrain}", *(f"  {r}" for r in self.reasons)])

    def _repr_html_(self) -> str:
        title = " ".join([f"Retrain? {self.retrain}.", *self.reasons])
        return tables.page(title, columns=self.columns, figures=self.figures)


def drift(
    before: Any,
    after: Any,
    *,
    score_before: npt.ArrayLike | None = None,
    score_after: npt.ArrayLike | None = None,
    y_before: npt.ArrayLike | None = None,
    y_after: npt.ArrayLike | None = None,
) -> Drift:
    """Compare features, scores and, where labels are known, the truth of the scores between two periods.

    Parameters
    ----------
    before, after : DataFrame (pandas, polars or Arrow), shape (n_rows, n_features)
        The table that the model was trained (or last judged) on, and the one of now. Numbers or categories.
    score_before, score_after : array of float, shape (n_rows,), optional
        Probability to leave, in the order of the tables, or a Series with the index of its table; those of before for customers the model was not fitted on,
        otherwise every later figure looks like a loss.
    y_before, y_after : array of bool, shape (n_rows,), optional
        Who really left, in the same order or with the same index. With `y_after` alone, calibration is judged by itself.

    Returns
    -------
    Drift
        "yes": the order or calibration of the scores is shown to be worse by more than 0.01 of AUC or 0.1 in log-odds
        or slope; or, without labels, the scores moved (stability index 0.25 above what chance gives). "watch": something
        moved by 0.1 or more, or more than 1 % of a column is of values never seen before, with no harm shown.
        "no": nothing beyond chance; when nothing changed that is the answer in about 95 % of cases.

    Raises
    ------
    DataContractError (a ValueError)
        If a table is empty, the later one lacks a column, scores or labels are of other rows, or labels come without
        scores.
    DataTypeError
        If something is no table, or a column holds neither numbers nor categories.

    Notes
    -----
    AUC has the interval of DeLong, DeLong & Clarke-Pearson (1988), calibration Wald's; changes treat the periods as
    independent. A stability index of 0.1 or 0.25 means nothing in a small sample, where chance alone gives as much;
    so its expected value is taken off and a chi-squared test is asked too, at 2.5 % for all columns together.

    Rows count as independent. Where a customer has several rows in a period (several instants), intervals are too narrow and
    alarms more frequent than said: compare one instant with one, or one row a customer.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> then, now = (pd.DataFrame({"orders": rng.poisson(m, 500)}) for m in (3, 6))
    >>> drift(then, now).retrain
    'watch'
    """
    before, after = frame_of(before), frame_of(after)
    columns = _tables(before, after)
    shifts = {(str(c), "number" if is_number(before[c]) else "category"): shift(before[c], after[c]) for c in columns}
    scores = _score(score_before, before.index, "score_before"), _score(score_after, after.index, "score_after")
    if scores[0] is not None and scores[1] is not None:
        shifts["score", "score"] = shift(pd.Series(scores[0]), pd.Series(scores[1]))
    truth = _own(y_before, before.index, "y_before"), _own(y_after, after.index, "y_after")
    then, now = judged(truth[0], scores[0], "before"), judged(truth[1], scores[1], "after")
    alpha = ALARM / (2 * max(len(shifts), 1))
    rows = [_row(*name, told, told.verdict(alpha)) for name, told in shifts.items()]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    figures = figures_of(then, now)
    retrain, reasons = _verdict(table, figures)
    return Drift(table, figures, retrain, tuple(reasons), len(before), len(after))


_COLUMNS: Final = [
    "feature", "kind", "psi", "by_chance", "p_value", "outside", "outside_low", "outside_high", "verdict",
]  # fmt: skip


def _row(name: str, kind: str, told: Shift, verdict: str) -> tuple[object, ...]:
    seen = told.outside
    return name, kind, told.psi, told.by_chance, told.p_value, seen.value, seen.low, seen.high, verdict


def _verdict(table: pd.DataFrame, figures: pd.DataFrame) -> tuple[str, list[str]]:
    if worse := list(harm(figures)):
        return "yes", [*worse, *_moved(table)]
    moved = list(_moved(table))
    truth = "The order and the calibration of the scores show no loss." if len(figures) else "No labels: look again when they are known."  # fmt: skip
    score = table.loc[table["kind"] == "score", "verdict"]
    if not len(figures) and (score == "moved").any():
        return "yes", [*moved, truth]
    return ("watch", [*moved, truth]) if moved else ("no", ["Nothing moved beyond chance.", truth])


def _moved(table: pd.DataFrame) -> Iterator[str]:
    for row in table[table["verdict"] != "stable"].to_dict("records"):
        what = "The score" if row["kind"] == "score" else f"Column {row['feature']!r}"
        yield f"{what} moved: stability index {row['psi']:.2f}, of which chance explains {row['by_chance']:.2f}; {row['outside']:.1%} of values were never seen before."  # fmt: skip


def _score(score: npt.ArrayLike | None, index: pd.Index, name: str) -> Floats | None:
    if score is None:
        return None
    told = checks.probabilities(_own(score, index, name))
    if len(told) != len(index):
        raise DataContractError(
            f"{name} has {len(told):,} values for {len(index):,} rows. Pass one for each row of its table."
        )
    return told


def _own(values: Any, index: pd.Index, name: str) -> Any:
    """Values in the order of their table's rows; what their index knows beyond that of the table, such as `at`, is not read."""
    if isinstance(values, pd.Series) and values.index.nlevels != index.nlevels and index.names != [None]:
        more = [i for i, level in enumerate(values.index.names) if level not in index.names]
        if values.index.nlevels - len(more) != index.nlevels:
            raise DataContractError(
                f"{name} has an index of {values.index.nlevels} level(s), its table one of {index.nlevels}. Give both the same, or "
                "pass an array in the order of the rows."
            )
        values = values.reset_index(level=more, drop=True)
    return aligned(values, index, name)


def _tables(before: Any, after: Any) -> list[str]:
    """The columns of the earlier table, all of them known later and of a kind that can be compared."""
    if odd := [type(t).__name__ for t in (before, after) if not isinstance(t, pd.DataFrame)]:
        raise DataTypeError(f"A period cannot be a {odd[0]}. Give both as DataFrames with named columns.")
    if not len(before) or not len(after):
        raise DataContractError(f"The tables have {len(before):,} and {len(after):,} rows. Both need at least one.")
    if not before.columns.is_unique or not after.columns.is_unique:
        raise DataContractError("Columns have the same name twice. Rename them first.")
    if absent := [str(c) for c in before if c not in after]:
        raise DataContractError(f"The later table lacks columns: {', '.join(absent)}. Build both alike.")
    dates = pd.api.types.is_datetime64_any_dtype, pd.api.types.is_timedelta64_dtype
    if odd := [str(c) for c in before if any(f(t[c]) for f in dates for t in (before, after))]:
        raise DataTypeError(f"Columns of dates: {', '.join(odd)}. Turn them into days before the instant.")
    return list(before.columns)
