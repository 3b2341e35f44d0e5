"""What evaluation refuses to look at, with what was seen and what to do."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Floats


def numbers(values: npt.ArrayLike, name: str) -> Floats:
    """One finite-or-infinite number a customer, no NaN, as float64 of shape (n_customers,)."""
    result = _vector(values, name)
    missing = int(np.isnan(result).sum())
    if missing:
        raise DataContractError(
            f"{name} is missing (NaN) for {missing:,} of {len(result):,} customers. Score them, or leave them out."
        )
    return result


def amounts(values: npt.ArrayLike, name: str) -> Floats:
    """One finite number a customer."""
    result = numbers(values, name)
    infinite = int(np.isinf(result).sum())
    if infinite:
        raise DataContractError(f"{name} is infinite for {infinite:,} of {len(result):,} customers. Repair them first.")
    return result


def labels(y: npt.ArrayLike) -> Floats:
    """Yes or no for each customer, as 1.0 and 0.0; both must occur (BAD_INPUTS row 94).

    Raises
    ------
    DataContractError
        If y holds anything but 0 and 1, or only one of them.
    """
    result = numbers(y, "y")
    other = int(((result != 0) & (result != 1)).sum())
    if other:
        raise DataContractError(f"y is neither 0 nor 1 for {other:,} of {len(result):,} customers. Pass booleans.")
    positives = int(result.sum())
    if positives in (0, len(result)):
        raise DataContractError(
            f"y is constant: {positives:,} of {len(result):,} customers are positive, so no score can be judged. "
            "Use another instant or horizon, or check how the label was made."
        )
    return result


def probabilities(p: npt.ArrayLike) -> Floats:
    """Numbers from 0 to 1."""
    result = numbers(p, "p")
    outside = int(((result < 0) | (result > 1)).sum())
    if outside:
        raise DataContractError(
            f"p lies outside 0 to 1 for {outside:,} of {len(result):,} customers. "
            "Pass probabilities, such as predict_proba(X)[:, 1], not margins."
        )
    return result


def last_if_missing(score: npt.ArrayLike, name: str) -> Floats:
    """A rule's score, its missing ones put behind all others."""
    result = _vector(score, name)
    return np.where(np.isnan(result), -np.inf, result)


def same_length(arrays: Mapping[str, Floats]) -> None:
    """Complain when one array has another length than the first."""
    lengths = {name: len(a) for name, a in arrays.items()}
    if len(set(lengths.values())) > 1:
        seen = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise DataContractError(f"Lengths differ: {seen}. Pass the same customers in the same order.")


def nothing_spent(y: Floats) -> DataContractError:
    """The complaint that there is no money to hold a share of."""
    return DataContractError(
        f"The total of y over {len(y):,} customers is not above zero, so nothing can be a share of it. "
        "Use a horizon with purchases."
    )


def rule_names(rules: Mapping[str, object]) -> None:
    """Complain when a rule takes the name that the model's row has."""
    if "model" in rules:
        raise DataContractError('A rule is named "model", the name of the model\'s own row. Rename the rule.')


def _vector(values: npt.ArrayLike, name: str) -> Floats:
    try:
        # pandas hands out nullable columns as objects; only its own conversion knows what pd.NA means.
        own = isinstance(values, pd.Series | pd.Index | pd.api.extensions.ExtensionArray)
        result = values.to_numpy(dtype=float, na_value=np.nan) if own else np.asarray(values, dtype=float)  # type: ignore[union-attr]  # `own` has told that it has to_numpy
    except (TypeError, ValueError) as error:
        raise DataContractError(f"{name} is not numeric. Pass one number for each customer.") from error
    if result.ndim != 1 or len(result) == 0:
        raise DataContractError(f"{name} has shape {result.shape}. Pass one number for each customer, at least one.")
    return np.asarray(result, dtype=np.float64)
