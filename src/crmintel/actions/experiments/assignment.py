"""Who gets which arm: by chance, but the same chance wherever it is asked."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crmintel.actions.plan import uniform
from crmintel.columns import CUSTOMER
from crmintel.errors import DataContractError
from crmintel.evaluation.aligned import aligned


def assign(ids: Any, shares: Mapping[str, float], *, salt: str, strata: Any = None) -> pd.DataFrame:
    """Draw the arm of each customer from a hash of the identifier, and keep the probability on record.

    Parameters
    ----------
    ids : Index, Series or array, shape (n_customers,)
        Each customer once. The text 7 and the number 7 draw alike.
    shares : mapping of name to float
        The probability of each arm; they sum to 1.
    salt : str
        Of the experiment: another salt draws independently.
    strata : array of names, shape (n_customers,), optional
        Without it each customer is drawn alone, so that nobody's arm changes when others join. With it the arms get their shares
        of each stratum, but for less than one customer; then draw all customers at once, and keep the result.

    Returns
    -------
    DataFrame
        arm, propensity (of that arm), in the order and under the identifiers given.

    Raises
    ------
    DataContractError
        If a customer is missing or doubled, or the shares are none.

    Notes
    -----
    In a stratum the customers stand in the order of their hashes, and the arms take intervals of that order from a hashed start: so
    every customer has exactly the probability on record, in strata of one customer, too.

    Examples
    --------
    >>> drawn = assign(pd.Index(range(1000)), {"control": 0.2, "mail": 0.8}, salt="spring", strata=np.arange(1000) % 2)
    >>> drawn["arm"].value_counts().tolist()
    [800, 200]
    """
    index = pd.Index(ids, name=CUSTOMER)
    doubled, missing = int(index.duplicated().sum()), int(index.isna().sum())
    if doubled or missing:
        raise DataContractError(
            f"ids holds {doubled:,} doubled and {missing:,} missing of {len(index):,} customers. Give each customer once."
        )
    names, share = checked_shares(shares, "shares")
    draw = uniform(index, "arm", salt)
    place = draw if strata is None else _places(index, draw, aligned(strata, index, "strata"), salt)
    chosen = np.minimum(np.searchsorted(np.cumsum(share), place, side="right"), len(names) - 1)
    return pd.DataFrame(
        {"arm": pd.array(np.array(names, object)[chosen], dtype="str"), "propensity": share[chosen]}, index
    )


def checked_shares(shares: Mapping[str, float], name: str) -> tuple[list[str], np.ndarray[Any, np.dtype[np.float64]]]:
    """The names and shares of the arms, which must be above 0 and sum to 1."""
    try:
        values = np.array([*shares.values()], np.float64)
    except (AttributeError, TypeError, ValueError):
        raise DataContractError(
            f"{name} is no mapping of arms to numbers. Give the share of each arm by its name."
        ) from None
    if len(values) < 2 or not (values > 0).all() or abs(values.sum() - 1) > 1e-6:
        seen = ", ".join(f"{k} {v:g}" for k, v in shares.items())
        raise DataContractError(f"{name} holds: {seen}. Give two arms at least, with shares above 0 that sum to 1.")
    return [str(k) for k in shares], values


def _places(index: pd.Index, draw: Any, strata: Any, salt: str) -> Any:
    """Where each customer stands in his stratum, from 0 to 1."""
    codes, found = pd.factorize(np.asarray(strata, object))
    if len(codes) != len(index) or (codes < 0).any():
        raise DataContractError(
            f"strata has {len(codes):,} values, {int((codes < 0).sum()):,} of them missing, for {len(index):,} customers. Give one each."
        )
    text = index.map(str).to_numpy(object)
    order = np.lexsort((pd.factorize(text, sort=True)[0], draw, codes))
    size = np.bincount(codes, minlength=len(found))
    rank = np.empty(len(index))
    rank[order] = np.arange(len(index)) - np.repeat(np.cumsum(size) - size, size)
    return (rank + uniform(pd.Index(found), "stratum", salt)[codes]) / size[codes]
