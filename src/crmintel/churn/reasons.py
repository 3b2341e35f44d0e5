"""Why a customer is at risk, in sentences: contributions that add up to the log-odds, grouped by what they speak of."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Literal, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from crmintel.churn.classifier import ChurnClassifier
from crmintel.churn.splines import Additive
from crmintel.churn.table import Float, Int, Table, rows_of
from crmintel.churn.telling import Teller, teller
from crmintel.churn.trees import FittedTrees
from crmintel.errors import DataContractError, DataTypeError
from crmintel.evaluation.aligned import aligned
from crmintel.features import FeatureSet
from crmintel.showing import page

CALIBRATION: Final = "(further calibration)"
"""The name of the term that a further calibration step adds."""
CHUNK: Final = 2_500
"""Rows that are explained at a time."""


@final
@dataclass(frozen=True)
class Reasons:
    """What moves each customer's log-odds of leaving.

    Parameters
    ----------
    contributions : DataFrame, shape (n_rows, n_reasons)
        By reason; with `base` they sum to the log-odds.
    base : float
        The log-odds of the typical customer.
    sentences : DataFrame, shape (n_rows, k)
        The strongest reasons for leaving first; empty text where fewer exist.
    themes : DataFrame, shape (n_rows, k)
        What each sentence speaks of.
    actionable : DataFrame of bool, shape (n_rows, k)
        Whether it is among those that the company said it can act on.

    Examples
    --------
    >>> from crmintel.churn import SMALL, ChurnClassifier, reasons
    >>> X = pd.DataFrame({"calls": np.tile([0.0, 1.0, 2.0, 3.0], 60), "orders": np.arange(240.0)})
    >>> model = ChurnClassifier(SMALL, folds=2, allow="*").fit(X, X["calls"] + (X["orders"] % 5) > 4)
    >>> told = reasons(model, X, k=1)
    >>> p = model.predict_proba(X)[:, 1]
    >>> bool(np.allclose(told.contributions.sum(axis=1) + told.base, np.log(p / (1 - p))))
    True
    """

    contributions: pd.DataFrame
    base: float
    sentences: pd.DataFrame
    themes: pd.DataFrame
    actionable: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """The sentences."""
        return self.sentences.copy(deep=False)

    def by(self, segments: Any) -> pd.DataFrame:
        """The mean contribution of each reason in each segment, the reasons that differ most first.

        Parameters
        ----------
        segments : array or Series, shape (n_rows,)
            The segment of each row, in the order of the rows.
        """
        segments = aligned(segments, self.contributions.index, "segments")
        if len(segments) != len(self.contributions):
            raise DataContractError(f"{len(segments):,} segments for {len(self.contributions):,} rows. Give one a row.")
        means = self.contributions.groupby(np.asarray(segments), sort=True).mean()
        return means[means.abs().max().sort_values(ascending=False, kind="stable").index]

    def __repr__(self) -> str:
        return f"Reasons for {len(self.sentences):,} rows in {self.contributions.shape[1]} themes"

    def _repr_html_(self) -> str:
        first = self.themes.iloc[:, 0] if self.themes.shape[1] else pd.Series(dtype=object)
        return page(
            repr(self), most_common=commonest(list(self.contributions.columns), first, self.contributions.to_numpy())
        )


def commonest(names: Sequence[str], first: Any, contributions: Any) -> pd.DataFrame:
    """How often each reason is the strongest one, and what it adds to the log-odds of the mean row; nothing of any single row.

    >>> commonest(["silence", "returns"], ["silence", "silence", ""], np.array([[0.4, 0.1], [0.2, 0.0], [0.0, -0.4]]))
        reason  times_strongest  mean_contribution
    0  silence                2                0.2
    1  returns                0               -0.1
    """
    often = pd.Series(np.asarray(first, object)).value_counts().reindex(list(names), fill_value=0)
    means = np.asarray(contributions, np.float64).mean(axis=0) if len(contributions) else np.full(len(names), np.nan)
    table = pd.DataFrame({"reason": list(names), "times_strongest": often.to_numpy(), "mean_contribution": means})
    return table.sort_values(
        ["times_strongest", "reason"], ascending=[False, True], kind="stable", ignore_index=True
    ).head(10)


def reasons(
    model: ChurnClassifier, X: Any, features: FeatureSet | None = None, *, k: int = 3, language: Literal["en", "zh"] = "en",
    themes: Mapping[str, str] | None = None, actionable: Collection[str] = (),
) -> Reasons:  # fmt: skip
    """The `k` strongest reasons for leaving of each row.

    Contributions are those of each learner (of a spline or a category what it adds beyond its mean; of trees their TreeSHAP
    values) times its weight, so they add up exactly to the log-odds. A further calibration step is a term of its own, called
    "(further calibration)", which is never quoted.

    Parameters
    ----------
    model : ChurnClassifier
        Fitted.
    X : DataFrame (pandas, polars, Arrow) or array, shape (n_rows, n_columns)
        Those who are to be explained, such as those who will be contacted.
    features : FeatureSet, optional
        What the columns were built with: it has the sentences, and says which columns speak of the same.
    k : int, default=3
        How many reasons.
    language : {"en", "zh"}
        English or Chinese.
    themes : mapping of column to text, optional
        Which columns are one reason; otherwise those of one theme of `features`, else each column by itself.
    actionable : collection of str
        Reasons or columns on which the company can act.

    Raises
    ------
    DataTypeError
        If a learner of the model cannot say what each column adds.
    DataContractError
        If a name in `actionable` or `themes` is unknown, or the language.

    References
    ----------
    Lundberg et al. (2018), Consistent individualized feature attribution for tree ensembles, arXiv:1802.03888.

    Examples
    --------
    >>> from crmintel.churn import SMALL, ChurnClassifier
    >>> X = pd.DataFrame({"calls": np.tile([0.0, 1.0, 2.0, 3.0], 60), "orders": np.arange(240.0)})
    >>> model = ChurnClassifier(SMALL, folds=2, allow="*").fit(X, X["calls"] + (X["orders"] % 5) > 4)
    >>> told = reasons(model, X.tail(2), k=1)
    >>> told.sentences
         reason_1
    238  calls: 2
    239  calls: 3
    """
    check_is_fitted(model)
    if k < 1:
        raise DataContractError(f"k is {k}. Ask for one reason at least.")
    actionable = (actionable,) if isinstance(actionable, str) else actionable
    index, table = rows_of(X), model.read(X)
    added, base = _contributions(model, table)
    names = table.schema.columns
    told = teller(names, table.schema.levels, features, themes, language)
    titles, place = titles_of(told)
    if odd := sorted(set(actionable) - set(titles) - set(names)):
        raise DataContractError(f"Neither reasons nor columns: {', '.join(odd)}. There are {', '.join(titles)}.")
    summed = np.column_stack([added[:, :-1][:, place == t].sum(axis=1) for t in range(len(titles))])
    order = np.argsort(-summed, axis=1, kind="stable")[:, :k]
    columns = [f"reason_{i + 1}" for i in range(order.shape[1])]
    against = np.take_along_axis(summed, order, axis=1) <= 0
    shown = np.array(titles, object)[order]
    shown[against] = ""
    can = np.array([t in actionable or bool(set(actionable) & _of(names, place, i)) for i, t in enumerate(titles)])
    every = pd.DataFrame(summed, index=index, columns=list(titles))
    if model.calibration_ != "none":
        every[CALIBRATION] = added[:, -1]
    return Reasons(
        every, base, pd.DataFrame(_sentences(told, table, added, place, order, against), index=index, columns=columns, dtype="str"),
        pd.DataFrame(shown, index=index, columns=columns, dtype="str"),
        pd.DataFrame(can[order] & ~against, index=index, columns=columns),
    )  # fmt: skip


def titles_of(told: Teller) -> tuple[tuple[str, ...], Int]:
    """The reasons that there are, and the place among them of each column.

    Raises
    ------
    DataContractError
        If one is called as the term of the further calibration is.
    """
    titles = tuple(dict.fromkeys(told.themes))
    if CALIBRATION in titles:
        raise DataContractError(
            f"A column or theme is called {CALIBRATION!r}, as the term of the further step is. Rename it."
        )
    return titles, np.array([titles.index(t) for t in told.themes], np.int64)


def explainable(model: ChurnClassifier) -> dict[str, tuple[FittedTrees | Additive, float]]:
    """The learners that have a weight, with it.

    Raises
    ------
    DataTypeError
        If it is not known what each column adds to one of them.
    """
    out: dict[str, tuple[FittedTrees | Additive, float]] = {}
    odd = []
    for (name, learner), weight in zip(model.learners_.items(), model.weights_, strict=True):
        if weight != 0 and isinstance(learner, FittedTrees | Additive):
            out[name] = learner, float(weight)
        elif weight != 0:
            odd.append(name)
    if odd:
        raise DataTypeError(
            f"What each column adds is not known of {', '.join(odd)}. Reasons need the learners of crmintel.churn."
        )
    return out


def _of(names: tuple[str, ...], place: Int, theme: int) -> set[str]:
    return {n for n, p in zip(names, place, strict=True) if p == theme}


def _contributions(model: ChurnClassifier, table: Table) -> tuple[Float, float]:
    """What each column adds to each row, the further step last, shape (n_rows, n_columns + 1); and the constant."""
    base, out = model.constant_, np.zeros((len(table), len(table.schema.columns) + 1))
    parts = list(explainable(model).values())

    def tell(start: int) -> float:
        some, constant = table.take(slice(start, start + CHUNK)), 0.0
        for learner, weight in parts:
            told = weight * learner.contributions(some)
            out[start : start + CHUNK, :-1] += told[:, :-1]
            constant += float(told[0, -1])
        stacked = model.stacked(some)
        out[start : start + CHUNK, -1] = model.step_(stacked) - stacked
        return constant

    with threadpool_limits(1), ThreadPoolExecutor(model.threads) as pool:
        constants = list(pool.map(tell, range(0, len(table), CHUNK)))
    return out, base + (constants[0] if constants else 0.0)


def _sentences(
    told: Teller, table: Table, added: Float, place: Int, order: Int, against: npt.NDArray[np.bool_]
) -> list[list[str]]:
    """Up to two plain columns of each reason, the strongest first; nothing for a reason that speaks against leaving."""
    groups = [told.plain_of(np.flatnonzero(place == t)) for t in range(int(place.max(initial=-1)) + 1)]
    values = table.matrix()
    out = []
    for row in range(len(table)):
        lines = []
        for theme, no in zip(order[row], against[row], strict=True):
            members = groups[theme]
            strength = added[row, members]
            best = members[np.argsort(-strength, kind="stable")[:2]]
            quoted = [m for m in best if added[row, m] > 0] or list(best[:1])
            lines.append("" if no else told.joint.join(dict.fromkeys(told(m, values[row, m]) for m in quoted)))
        out.append(lines)
    return out
