"""What an experiment showed: whether it may be read at all, what each action changed, and for whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd

from crmintel.actions.catalogue.eligibility import NONE
from crmintel.actions.effects.trial import Float, Int, Trial, known, read_trial
from crmintel.actions.experiments.assignment import checked_shares
from crmintel.actions.experiments.compared import Means, means
from crmintel.actions.experiments.covariates import covariates
from crmintel.actions.experiments.differing import by_segment, holm
from crmintel.actions.experiments.looks import at_any_time, cases, sequence_of
from crmintel.actions.experiments.ratio import balance_checks, one_arm_each, ratio_checks
from crmintel.errors import DataContractError
from crmintel.evaluation.aligned import aligned
from crmintel.evaluation.intervals import Estimate
from crmintel.evaluation.tables import page, verdict

PLAIN: Final = "difference"
ADJUSTED: Final = "adjusted"
ODD: Final = 0.01
"""Arms that chance makes so rarely are not refused, but told."""


@final
@dataclass(frozen=True, eq=False)
class ReadOut:
    """What an experiment showed.

    Parameters
    ----------
    control : str
    effects : DataFrame
        One row an action: arm, customers, control_customers, mean, control_mean, difference, low, high, p, lift, lift_low, lift_high
        (shares of the control's mean), method (difference, adjusted, any time), variance_saved (by the adjustment), verdict.
    plain : DataFrame
        The same without adjustment, and for one look.
    checks : DataFrame
        check, where, customers, statistic, p, fits: arms against the plan (chi-square), and whether the arms were alike before (the
        largest difference).
    segments : DataFrame
        by, segment, arm, customers, difference, low, high (each on its own).
    tests : DataFrame
        by, arm, statistic, df, p, p_holm, verdict: whether segments differ, corrected for all the tests.
    sequence : DataFrame
        arm, customers, difference, low, high as the customers came: limits that hold however often one looks.
    level : float
        Of all actions together.
    warnings : tuple of str
        To be read first.

    Examples
    --------
    >>> from crmintel.actions import read_experiment
    >>> rng = np.random.default_rng(0)
    >>> arm = rng.choice(["no action", "mail"], 2000)
    >>> read_experiment(arm, rng.random(2000) < np.where(arm == "mail", 0.2, 0.1), planned={"no action": 0.5, "mail": 0.5})
    mail less no action: +0.1019 (+0.06989 to +0.1339), +90.3% (+53.9% to +135.3%) of its mean, proven [1,043 against 957 customers, difference]
    """

    control: str
    effects: pd.DataFrame
    plain: pd.DataFrame
    checks: pd.DataFrame
    segments: pd.DataFrame
    tests: pd.DataFrame
    sequence: pd.DataFrame
    level: float
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row an action."""
        return self.effects.copy(deep=False)

    def __repr__(self) -> str:
        told = [f"Warning: {w}" for w in self.warnings]
        rows: list[Any] = list(self.effects.itertuples())
        for r in rows:
            lift = "" if np.isnan(r.lift) else f", {r.lift:+.1%} ({r.lift_low:+.1%} to {r.lift_high:+.1%}) of its mean"
            saved = "" if np.isnan(r.variance_saved) else f"; {r.variance_saved:.0%} of the variance saved"
            told.append(
                f"{r.arm} less {self.control}: {r.difference:+.4g} ({r.low:+.4g} to {r.high:+.4g}){lift}, {r.verdict} "
                f"[{r.customers:,} against {r.control_customers:,} customers, {r.method}{saved}]"
            )
        told += [f"{r.arm} by {r.by}: {r.verdict} (p {r.p_holm:.2g} after Holm)" for r in self.tests.itertuples()]
        return "\n".join(told)

    def _repr_html_(self) -> str:
        last = self.sequence.groupby("arm", sort=False).tail(1)
        more = {"whether_segments_differ": self.tests, "segments": self.segments, "at_any_time": last}
        shown = {name: table for name, table in more.items() if len(table)}
        return page("; ".join(self.warnings) or "As planned", effects=self.effects, **shown, checks=self.checks)


def read_experiment(
    arm: Any,
    outcome: Any,
    *,
    planned: Mapping[str, float],
    control: str = NONE,
    before: Any = None,
    customer: Any = None,
    strata: Any = None,
    segments: Any = None,
    at: Any = None,
    look_at: int | None = None,
    level: float = 0.95,
) -> ReadOut:
    """What each arm of an experiment changed against the control, if the arms have the sizes that were planned.

    Parameters
    ----------
    arm : array of names, shape (n_rows,)
        What each was assigned to, whether or not it reached him.
    outcome : array of numbers, shape (n_rows,)
        More is better: give who stayed, not who left.
    planned : mapping of name to share
        The share of each arm, such as ``{"no action": 0.2, "mail": 0.8}``.
    before : Series or DataFrame, optional
        Numbers from before the assignment, such as the same outcome a period earlier. They take noise away (CUPED); a missing one
        becomes an indicator of its own.
    customer : array, shape (n_rows,), optional
        Where rows repeat customers.
    strata : array of names, shape (n_rows,), optional
        Within which arms were drawn: what differs between them is taken away, too.
    segments : Series or DataFrame, optional
        Names from before the assignment, in each of which the difference is told, with a test of whether they differ.
    at : array of instants, shape (n_rows,), optional
        When each was assigned: counts are checked day by day.
    look_at : int, optional
        The experiment was looked at while it ran, and after so many customers with most care, as fixed in advance: then the figures
        are those of a confidence sequence in the order of `at`, which holds however often one looks. It is about half as wide again
        as for one look, and uses no covariates.
    level : float, default=0.95
        Confidence of all actions together (Bonferroni).

    Raises
    ------
    DataContractError
        If arms are empty, unknown, or not of the sizes planned (chi-square, p < .001), a customer is in two arms, or outcomes are
        missing. Nothing is shown then.

    References
    ----------
    Fabijan and others (2019), KDD, on sample ratios; Deng, Xu, Kohavi, Walker (2013), WSDM; Lin (2013), Annals of Applied Statistics
    7; Waudby-Smith and others (2021), arXiv 2103.06476.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> arm, spent = np.repeat(["no action", "mail"], 500), rng.normal(50, 10, 1000)
    >>> now = spent + rng.normal(0, 3, 1000) + 2 * (arm == "mail")
    >>> read = read_experiment(arm, now, planned={"no action": 0.5, "mail": 0.5}, before=pd.Series(spent, name="spent"))
    >>> read.effects[["difference", "variance_saved", "verdict"]].round(2).to_numpy().tolist()
    [[1.66, 0.91, 'proven']]
    """
    if not 0.5 <= level < 1:
        raise DataContractError(f"level is {level}. Give the confidence, such as 0.95.")
    index = next((v.index for v in (arm, outcome) if isinstance(v, pd.Series)), pd.RangeIndex(len(arm)))
    control = str(control)  # as arms are named
    trial, share = _planned(arm, outcome, planned, control, customer, index)
    names, warnings = trial.names, []
    first = np.arange(len(trial))
    if trial.customer is not None:
        one_arm_each(trial.arm, trial.customer)
        first = np.unique(trial.customer, return_index=True)[1]
    when = None if at is None else _instants(at, index)
    layers = None if strata is None else _labels(strata, index, "strata")
    checks = ratio_checks(
        trial.arm[first], share, names, strata=None if layers is None else layers[first],
        days=None if when is None else _first(when, trial.customer).floor("D"),
    )  # fmt: skip
    each = 1 - (1 - level) / (len(names) - 1)
    plain = means(trial.outcome, trial.arm, len(names), customer=trial.customer)
    shown = _table(trial, plain, None, each, PLAIN)
    effects, table, columns = shown, None, list[str]()
    if before is not None:
        table, columns = covariates(before, index)
        checks = pd.concat(
            [checks, balance_checks(table, columns, trial.arm, len(names), trial.customer)], ignore_index=True
        )
    used, said = _with_strata(table, layers, trial)
    warnings += said
    if used is not None:
        better = means(trial.outcome, trial.arm, len(names), before=used, customer=trial.customer)
        effects = _table(trial, better, plain, each, ADJUSTED)
    sequence = pd.DataFrame(columns=["arm", "customers", "difference", "low", "high"])
    if look_at is not None:
        sequence = sequence_of(trial, share, when, look_at, each)
        effects = at_any_time(shown, sequence, trial, each)
    told, tests = by_segment(trial, segments, index, used, level)
    if (p := float(checks["p"].iloc[0])) < ODD:
        warnings.append(
            f"Chance makes the arms stray from the plan by so much in {p:.1%} of experiments only: look for lost rows."
        )
    if odd := int((~checks["fits"]).sum()):
        where = ", ".join(sorted(set(checks.loc[~checks["fits"], "check"])))
        warnings.append(f"{odd:,} of {len(checks):,} checks fail ({where}): find out why before believing the effects.")
    return ReadOut(control, effects, shown, checks, told, holm(tests, 1 - level), sequence, level, tuple(warnings))


def _planned(
    arm: Any, outcome: Any, planned: Mapping[str, float], control: str, customer: Any, index: pd.Index
) -> tuple[Trial, Float]:
    """Arms, outcomes and customers, checked against the plan; an arm that is empty is named (BAD_INPUTS row 102)."""
    names, share = checked_shares(planned, "planned")
    given = pd.Series(np.asarray(aligned(arm, index, "arm"), object))
    known([control], names, "control")
    known(pd.unique(given.dropna().map(str)), names, "arm")
    if empty := [n for n in names if not (given.map(str) == n).any()]:
        raise DataContractError(
            f"Nobody is in {', '.join(empty)} of the arms planned ({', '.join(names)}), so nothing can be compared with it. "
            "Add its customers, or leave the arm out of planned if it never began."
        )
    trial = read_trial(index, arm, outcome, control=control, customer=customer)
    return trial, np.array([share[names.index(n)] for n in trial.names])


def _with_strata(table: Float | None, layers: Any, trial: Trial) -> tuple[Float | None, list[str]]:
    """Covariates and an indicator for each stratum but one, if every arm has enough of each."""
    if layers is None:
        return table, []
    codes, found = pd.factorize(layers, sort=True)
    counts = np.bincount(codes * len(trial.names) + trial.arm, minlength=len(found) * len(trial.names))
    if counts.min() < 10:
        few = int((counts.reshape(len(found), -1).min(axis=1) < 10).sum())
        return table, [
            f"{few:,} of {len(found):,} strata have fewer than 10 rows of an arm: strata are not used to take noise away."
        ]
    marks = (codes[:, None] == np.arange(1, len(found))).astype(np.float64)
    return (marks if table is None else np.hstack([table, marks])) if len(found) > 1 else table, []


def _table(trial: Trial, found: Means, plain: Means | None, level: float, method: str) -> pd.DataFrame:
    rows = []
    for a, name in enumerate(trial.names[1:], start=1):
        gap, low, high, p = found.difference(a, level)
        error = 0.0 if plain is None else plain.error(a)[0]
        saved = 1 - (found.error(a)[0] / error) ** 2 if error else np.nan
        said = verdict(Estimate(gap, low, high, level, method), cases=cases(trial, a))
        rows.append((name, int(found.units[a]), int(found.units[0]), found.value[a], found.value[0], gap, low, high, p,
                     *found.lift(a, level), method, saved, said))  # fmt: skip
    columns = "arm customers control_customers mean control_mean difference low high p lift lift_low lift_high method variance_saved verdict"
    return pd.DataFrame(rows, columns=columns.split())


def _first(when: pd.DatetimeIndex, customer: Int | None) -> pd.DatetimeIndex:
    """The first instant of each customer."""
    if customer is None:
        return when
    return pd.DatetimeIndex(pd.Series(when).groupby(customer).min())


def _instants(at: Any, index: pd.Index) -> pd.DatetimeIndex:
    values = aligned(at, index, "at")
    try:
        when = pd.DatetimeIndex(values)
    except (TypeError, ValueError):
        raise DataContractError("at cannot be read as instants. Give dates or timestamps.") from None
    if len(when) != len(index) or np.isnat(when.to_numpy()).any():
        raise DataContractError(
            f"at has {len(when):,} instants, {int(np.isnat(when.to_numpy()).sum()):,} of them missing, for {len(index):,} rows. Give one a row."
        )
    return when


def _labels(values: Any, index: pd.Index, name: str) -> Any:
    labels = pd.Series(np.asarray(aligned(values, index, name), object))
    if len(labels) != len(index) or labels.isna().any():
        raise DataContractError(
            f"{name} has {len(labels):,} values, {int(labels.isna().sum()):,} of them missing, for {len(index):,} rows. Give one a row."
        )
    return labels.map(str).to_numpy(object)
