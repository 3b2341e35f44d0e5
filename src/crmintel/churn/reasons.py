"""Why a customer is at risk, in sentences: contributions that add up to the log-odds, grouped by what they speak of."""

from dataclasses import dataclass
from typing import final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from crmintel.churn.classifier import ChurnClassifier
from crmintel.errors import DataTypeError
from crmintel.features import Feature, FeatureSet

Float = npt.NDArray[np.float64]


@final
@dataclass(frozen=True)
class Reasons:
    """What moves each customer's log-odds of leaving.

    Parameters
    ----------
    contributions : DataFrame, shape (n_rows, n_themes)
        By theme; with `base` they sum to the log-odds.
    base : float
        The log-odds of the typical customer.
    sentences : DataFrame, shape (n_rows, k)
        The strongest reasons for leaving first; empty text where fewer exist.
    themes : DataFrame, shape (n_rows, k)
        What each sentence speaks of.
    """

    contributions: pd.DataFrame
    base: float
    sentences: pd.DataFrame
    themes: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """The sentences."""
        return self.sentences

    def __repr__(self) -> str:
        return f"Reasons for {len(self.sentences):,} rows in {self.contributions.shape[1]} themes"

    def _repr_html_(self) -> str:
        return self.sentences.head(20).to_html(escape=True)


def reasons(model: ChurnClassifier, X: pd.DataFrame, features: FeatureSet, *, k: int = 3) -> Reasons:
    """The `k` strongest reasons for leaving of each row.

    Contributions are TreeSHAP values of the trees times the slope of the correction, so they are exactly additive on the
    corrected log-odds. Features of one declaration (orders in 30, 60, 90 days) are one theme: their contributions are added
    up and the strongest of them is quoted.

    Raises
    ------
    DataTypeError
        If the model's learner is not LightGBM.
    """
    check_is_fitted(model)
    if not isinstance(model.learner_, lgb.LGBMClassifier):
        raise DataTypeError(f"Reasons need LightGBM trees, not {type(model.learner_).__name__}.")
    values = model.prepared(X)
    raw = np.asarray(model.learner_.booster_.predict(values, pred_contrib=True, num_threads=1)) * model.slope_
    names = list(model.feature_names_in_)
    theme_of = features.themes
    themes = list(dict.fromkeys(theme_of[n] for n in names))
    place = np.array([themes.index(theme_of[n]) for n in names])
    summed = np.column_stack([raw[:, :-1][:, place == t].sum(axis=1) for t in range(len(themes))])
    order = np.argsort(-summed, axis=1, kind="stable")[:, :k]
    by_name = {f.name: f for f in features.features}
    told = [
        [_told(t, summed[row], raw[row], place, [by_name[n] for n in names], values[row]) for t in order[row]]
        for row in range(len(values))
    ]
    titles = np.array(themes, object)[order]
    titles[np.take_along_axis(summed, order, axis=1) <= 0] = ""
    columns = [f"reason_{i + 1}" for i in range(order.shape[1])]
    return Reasons(
        pd.DataFrame(summed, index=X.index, columns=themes),
        float(raw[0, -1] + model.offset_) if len(raw) else 0.0,
        pd.DataFrame(told, index=X.index, columns=columns, dtype="str"),
        pd.DataFrame(titles, index=X.index, columns=columns, dtype="str"),
    )


def _told(
    theme: int, summed: Float, raw: Float, place: npt.NDArray[np.int64], features: list[Feature], values: Float
) -> str:
    """Up to two plain features of a theme, the strongest first; nothing for a theme that speaks against leaving."""
    if summed[theme] <= 0:
        return ""
    members = [m for m in np.flatnonzero(place == theme) if features[m].plain] or list(np.flatnonzero(place == theme))
    members.sort(key=lambda m: -raw[m])
    quoted = [m for m in members if raw[m] > 0][:2] or members[:1]
    return "; ".join(dict.fromkeys(features[m].tell(float(values[m])) for m in quoted))
