"""A forecast of money beside simple rules, on the same customers, with the interval of the difference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.evaluation import checks, tables
from crmintel.evaluation.intervals import Estimate, Floats, percentile, resamples
from crmintel.evaluation.ordering import Ordering, block_capture, equal_bins
from crmintel.evaluation.value import coverage, total_error


@final
@dataclass(frozen=True, repr=False)
class ValueReport:
    """How good a forecast of money is, and whether a simple rule would do as well.

    Parameters
    ----------
    metrics : dict of str to Estimate
        mean_absolute_error, total_error, top_decile_capture and, where intervals were given, coverage.
    rules : DataFrame
        A row for "model" and one for each rule: name, mae, mae_low, mae_high, gain, gain_low, gain_high, capture,
        verdict. The gain is the rule's error minus the model's (positive: the model is better), paired.
    deciles : DataFrame
        decile (1 holds the highest forecasts), customers, predicted and actual (means).
    n : int
        Customers looked at.

    Examples
    --------
    >>> from crmintel.evaluation import compare_values
    >>> spent = np.arange(40.0)
    >>> report = compare_values(spent, spent + 1, spent - 1, spent + 2, {"mean": np.full(40, spent.mean())}, n=50)
    >>> report.metrics["mean_absolute_error"].value
    1.0
    """

    metrics: dict[str, Estimate]
    rules: pd.DataFrame
    deciles: pd.DataFrame
    n: int

    def to_frame(self) -> pd.DataFrame:
        """The metrics as a table: metric, value, low, high."""
        return tables.metrics_frame(self.metrics)

    def __repr__(self) -> str:
        return f"ValueReport(n={self.n:,}, mean_absolute_error={self.metrics['mean_absolute_error']})"

    def __str__(self) -> str:
        return tables.lines(f"{self.n:,} customers", self.metrics, self.rules)

    def _repr_html_(self) -> str:
        frames = {"metrics": self.to_frame(), "rules": self.rules, "deciles": self.deciles}
        return tables.page(f"{self.n:,} customers", **frames)


def compare_values(
    y: npt.ArrayLike,
    prediction: npt.ArrayLike,
    low: npt.ArrayLike | None,
    high: npt.ArrayLike | None,
    rules: Mapping[str, npt.ArrayLike],
    *,
    groups: npt.ArrayLike | None = None,
    n: int = 300,
    seed: int = 0,
) -> ValueReport:
    """Judge a forecast of money beside simple forecasts, each figure with a 95 % interval.

    Parameters
    ----------
    y, prediction : array of float, shape (n_customers,)
        Money spent later and its forecast, in one currency; row i of every array is the same customer.
    low, high : array of float, shape (n_customers,), or None
        The forecast's own interval; None leaves the coverage out.
    rules : mapping of str to array of float, shape (n_customers,)
        Simple forecasts in the same currency, without gaps.
    groups : array, shape (n_customers,), optional
        Rows of the same group are resampled together.
    n : int, default=300
        Bootstrap draws, the same for the model and every rule.

    Raises
    ------
    DataContractError (a ValueError)
        If a number is missing or infinite, lengths differ, or the total of `y` is not above zero.

    Notes
    -----
    "proven", "worse" and "not proven" are as in `compare_scores`; a case is a customer with money other than zero.

    Examples
    --------
    >>> spent = np.arange(40.0)
    >>> report = compare_values(spent, spent + 1, spent - 1, spent + 2, {"mean": np.full(40, spent.mean())}, n=50)
    >>> report.rules[["name", "mae", "verdict"]].values.tolist()
    [['model', 1.0, ''], ['mean', 10.0, 'proven']]
    """
    checks.rule_names(rules)
    truth = checks.amounts(y, "y")
    forecasts = {"model": checks.amounts(prediction, "prediction")}
    forecasts |= {name: checks.amounts(rule, f"rule {name!r}") for name, rule in rules.items()}
    checks.same_length({"the outcome": truth} | {f"forecast {k!r}": v for k, v in forecasts.items()})
    if truth.sum() <= 0:
        raise checks.nothing_spent(truth)

    orderings = [Ordering.descending(f) for f in forecasts.values()]
    errors = np.column_stack([np.abs(f - truth) for f in forecasts.values()])
    model = forecasts["model"]
    value = _figures(truth, model, errors, orderings, np.ones(len(truth)))
    weights = resamples(len(truth), n=n, seed=seed, groups=groups)
    draws = np.array([_figures(truth, model, errors, orderings[:1], w.astype(np.float64)) for w in weights])
    last = errors.shape[1]
    metrics = {
        "mean_absolute_error": percentile(value[1], draws[:, 1]),
        "total_error": percentile(total_error(truth, model), draws[:, 0]),
        "top_decile_capture": percentile(value[last + 1], draws[:, last + 1]),
    }
    if low is not None and high is not None:
        metrics["coverage"] = coverage(truth, low, high)
    table = _rules(list(forecasts), value, draws, int((truth != 0).sum()))
    return ValueReport(metrics, table, _deciles(truth, model), len(truth))


def _figures(truth: Floats, model: Floats, errors: Floats, orderings: list[Ordering], weights: Floats) -> Floats:
    """One draw: the model's error of the total, the mean absolute error of each, the capture of each ordering."""
    money = weights * truth
    total = money.sum()
    relative = (weights @ model - total) / abs(total) if total else np.nan
    captured = [block_capture(o.sums(money), o.sums(weights), 0.1) for o in orderings]
    return np.array([relative, *(weights @ errors / weights.sum()), *captured])


def _rules(names: list[str], value: Floats, draws: Floats, cases: int) -> pd.DataFrame:
    rows = []
    for i, name in enumerate(names, start=1):
        mae = percentile(value[i], draws[:, i])
        gain = Estimate(np.nan, np.nan, np.nan)
        if i > 1:
            gain = percentile(value[i] - value[1], draws[:, i] - draws[:, 1])
        said = tables.verdict(gain, cases=cases) if i > 1 else ""
        held = value[len(names) + i]
        rows.append((name, mae.value, mae.low, mae.high, gain.value, gain.low, gain.high, held, said))
    columns = ["name", "mae", "mae_low", "mae_high", "gain", "gain_low", "gain_high", "capture", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _deciles(truth: Floats, model: Floats) -> pd.DataFrame:
    descending = Ordering.descending(model)
    sums = [descending.sums(v) for v in (np.ones(len(truth)), model, truth)]
    customers, predicted, actual = (np.bincount(equal_bins(sums[0], 10), weights=v) for v in sums)
    held = customers > 0
    return pd.DataFrame(
        {
            "decile": np.arange(1, held.sum() + 1),
            "customers": customers[held].astype(np.int64),
            "predicted": predicted[held] / customers[held],
            "actual": actual[held] / customers[held],
        }
    )
