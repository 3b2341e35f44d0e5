"""A model's probabilities beside simple rules, on the same customers, with the interval of the difference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.evaluation import checks, tables
from crmintel.evaluation.aligned import together
from crmintel.evaluation.intervals import Estimate, Floats, percentile, resamples
from crmintel.evaluation.ordering import Ordering, block_auc, block_average_precision, block_capture, block_lift
from crmintel.evaluation.probability import POINTS, binned_error, calibration_table, lift_table, surprise

METRICS: Final = ("auc", "average_precision", "brier", "log_loss", "calibration_error", "top_decile_lift")


@final
@dataclass(frozen=True, repr=False)
class ProbabilityReport:
    """How good the probabilities are, and whether a simple rule would do as well.

    Parameters
    ----------
    metrics : dict of str to Estimate
        auc, average_precision, brier, log_loss, calibration_error, top_decile_lift of the model.
    rules : DataFrame
        A row for "model" and one for each rule: name, auc, auc_low, auc_high, gain, gain_low, gain_high, verdict.
        The gain is the model's AUC minus the rule's, on the same resampled customers.
    calibration : DataFrame
        See `calibration_table`.
    lift : DataFrame
        See `lift_table`; with the 95 % intervals captured_low, captured_high, lift_low and lift_high.
    n, positives : int
        Rows looked at, and how many of them did.

    Examples
    --------
    >>> from crmintel.evaluation import compare_scores
    >>> y, p = [False] * 10 + [True] * 10, np.linspace(0, 1, 20)
    >>> report = compare_scores(y, p, {"coin": [0, 1] * 10}, n=50)
    >>> report.metrics["auc"].value
    1.0
    """

    metrics: dict[str, Estimate]
    rules: pd.DataFrame
    calibration: pd.DataFrame
    lift: pd.DataFrame
    n: int
    positives: int

    def to_frame(self) -> pd.DataFrame:
        """The metrics as a table: metric, value, low, high."""
        return tables.metrics_frame(self.metrics)

    def __repr__(self) -> str:
        return f"ProbabilityReport(n={self.n:,}, positives={self.positives:,}, auc={self.metrics['auc']})"

    def __str__(self) -> str:
        return tables.lines(self._title(), self.metrics, self.rules)

    def _repr_html_(self) -> str:
        frames = {"metrics": self.to_frame(), "rules": self.rules, "calibration": self.calibration, "lift": self.lift}
        return tables.page(self._title(), **frames)

    def _title(self) -> str:
        return f"{self.n:,} customers, {self.positives:,} positive ({self.positives / self.n:.1%})"


def compare_scores(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    rules: Mapping[str, npt.ArrayLike],
    *,
    groups: npt.ArrayLike | None = None,
    n: int = 300,
    seed: int = 0,
) -> ProbabilityReport:
    """Judge probabilities beside simple rules, each figure with a 95 % interval.

    Parameters
    ----------
    y : array of bool, shape (n_customers,)
        Who really did; row i of every array is the same customer.
    p : array of float in [0, 1], shape (n_customers,)
        The model's probabilities.
    rules : mapping of str to array of float, shape (n_customers,)
        Simple scores, higher means likelier; customers with NaN are put last, as one tie.
    groups : array, shape (n_customers,), optional
        Rows of the same group (a customer at several instants) are resampled together.
    n : int, default=300
        Bootstrap draws. The same draws are used for the model and every rule.

    Raises
    ------
    DataContractError (a ValueError)
        If y is constant (with the counts), lengths differ, p is NaN or outside 0 to 1.

    Notes
    -----
    What comes as a Series with an index is put into the order of the first of them.

    A gain is "proven" when its interval lies above zero, "worse" when below, else "not proven"; with fewer than
    5 customers of either kind it is always "not proven". The interval of the calibration error is centred on the
    figure, because resampling alone makes that error larger.

    Examples
    --------
    >>> y = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1] * 5
    >>> p = [0.1, 0.2, 0.3, 0.4, 0.6, 0.5, 0.7, 0.8, 0.9, 0.9] * 5
    >>> report = compare_scores(y, p, {"coin": [0, 1] * 25}, n=50)
    >>> report.rules[["name", "auc", "verdict"]].values.tolist()
    [['model', 0.96, ''], ['coin', 0.6, 'proven']]
    """
    checks.rule_names(rules)
    told = together(y=y, p=p, groups=groups, **{f"rule {k!r}": v for k, v in rules.items()})
    y, p, groups = told.pop("y"), told.pop("p"), told.pop("groups")
    rules = dict(zip(rules, told.values(), strict=True))
    truth, probability = checks.numbers(y, "y"), checks.probabilities(p)
    scores = {name: checks.last_if_missing(score, f"rule {name!r}") for name, score in rules.items()}
    checks.same_length({"y": truth, "p": probability} | {f"rule {k!r}": v for k, v in scores.items()})
    truth = checks.labels(truth)

    orderings = {name: Ordering.descending(s) for name, s in {"model": probability, **scores}.items()}
    ascending = Ordering.descending(-probability)
    losses = np.column_stack([(probability - truth) ** 2, surprise(truth, probability)])
    ones = np.ones(len(truth))
    value = _figures(truth, probability, orderings, ascending, losses, ones)
    draws = np.array(
        [
            _figures(truth, probability, orderings, ascending, losses, weights.astype(np.float64))
            for weights in resamples(len(truth), n=n, seed=seed, groups=groups)
        ]
    )
    metrics = {
        name: percentile(value[i], draws[:, i], centred=name == "calibration_error") for i, name in enumerate(METRICS)
    }
    metrics["calibration_error"] = _not_negative(metrics["calibration_error"])
    column = {name: i for i, name in enumerate(orderings, start=len(METRICS))}
    table = _rules(column, value, draws, _cases(truth, groups))
    return ProbabilityReport(
        metrics, table, calibration_table(truth, probability), _lift(truth, probability, draws[:, -len(POINTS) :]), len(truth),
        int(truth.sum()),
    )  # fmt: skip


def _lift(truth: Floats, probability: Floats, captured: Floats) -> pd.DataFrame:
    """How much the top of the list holds, with intervals: what is captured, and that over the depth."""
    out = lift_table(truth, probability)
    for i, (depth, share) in enumerate(zip(POINTS, out["captured"], strict=True)):
        told = percentile(float(share), captured[:, i])
        ends = {"captured_low": told.low, "captured_high": told.high}
        ratio = out.loc[i, "lift"] / share if share else 1 / depth
        ends |= {"lift_low": told.low * ratio, "lift_high": told.high * ratio}
        out.loc[i, list(ends)] = list(ends.values())
    return out


def _figures(
    truth: Floats,
    probability: Floats,
    orderings: Mapping[str, Ordering],
    ascending: Ordering,
    losses: Floats,
    weights: Floats,
) -> Floats:
    """All figures of one draw: METRICS of the model, the AUC of the model and of each rule, what the model captures at POINTS."""
    positive = weights * truth
    sums = {name: (o.sums(positive), o.sums(weights)) for name, o in orderings.items()}
    aucs = [block_auc(*blocks) for blocks in sums.values()]
    squared, surprised = weights @ losses / weights.sum()
    model = sums["model"]
    error = binned_error(ascending, truth, probability, weights)
    captured = [block_capture(*model, depth) for depth in POINTS]
    return np.array(
        [aucs[0], block_average_precision(*model), squared, surprised, error, block_lift(*model, 0.1), *aucs, *captured]
    )


def _rules(column: Mapping[str, int], value: Floats, draws: Floats, cases: int) -> pd.DataFrame:
    model = column["model"]
    rows = []
    for name, i in column.items():
        auc = percentile(value[i], draws[:, i])
        gain = Estimate(np.nan, np.nan, np.nan)
        if i != model:
            gain = percentile(value[model] - value[i], draws[:, model] - draws[:, i])
        said = "" if i == model else tables.verdict(gain, cases=cases)
        rows.append((name, auc.value, auc.low, auc.high, gain.value, gain.low, gain.high, said))
    columns = ["name", "auc", "auc_low", "auc_high", "gain", "gain_low", "gain_high", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _cases(truth: Floats, groups: npt.ArrayLike | None) -> int:
    """How many customers of the rarer kind there are; a customer at several instants counts once."""
    customers = np.arange(len(truth)) if groups is None else np.asarray(groups)
    return min(len(np.unique(customers[truth == kind])) for kind in (0, 1))


def _not_negative(error: Estimate) -> Estimate:
    return Estimate(error.value, max(0.0, error.low), error.high, error.level, error.method)
