"""How large and how long an experiment must be before it can prove anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, final

import numpy as np
import pandas as pd

from crmintel.actions.experiments.power import Noise, quantile
from crmintel.errors import DataContractError
from crmintel.evaluation.tables import page

HALVES: Final = {"control": 0.5, "treated": 0.5}
TENTH: Final = 0.1
"""The change that is looked for where none is told, as a share of the baseline."""


@final
@dataclass(frozen=True, eq=False)
class ExperimentDesign:
    """What an experiment can see, how large it must be, and how to begin it.

    Parameters
    ----------
    baseline : float
        Rate, or mean, without the action.
    rate : bool
        Whether the outcome is yes or no.
    wanted : float
        The change worth proving, with its sign.
    arms : DataFrame
        One row an arm, the control first: arm, share, needed (customers that prove the wanted change), customers (of one
        round), smallest (the smallest change that one round proves; NaN if none).
    customers : int, optional
        In one round.
    rounds : int
        Rounds of this size until the customers needed are reached.
    duration_days : float
        Until the outcome of the last customer is known.
    power, level : float
    factor : float
        What covariates, strata and repeated rows make of the number of customers.
    stages : DataFrame
        Of a staged roll-out: stage (share of the treated), arm, treated, control, harm (the smallest harm that is found with the
        power), stop_at (the difference observed at which to stop).
    strata : DataFrame
        stratum, arm, customers needed there.

    Examples
    --------
    >>> from crmintel.actions import design_experiment
    >>> design_experiment(0.12, relative=0.2)
    ExperimentDesign: From a rate of 12.0%, a gain to 14.4% needs 6,244 customers.
    """

    baseline: float
    rate: bool
    wanted: float
    arms: pd.DataFrame
    customers: int | None
    rounds: int
    duration_days: float
    power: float
    level: float
    factor: float
    stages: pd.DataFrame
    strata: pd.DataFrame

    @property
    def needed(self) -> int:
        """Customers of all arms together that prove the wanted change."""
        return int(self.arms["needed"].sum())

    @property
    def smallest(self) -> float:
        """The smallest change that one round proves in every arm, with its sign; NaN if it could prove none."""
        found = self.arms["smallest"].to_numpy()[1:]
        return float("nan") if np.isnan(found).any() else float(found[np.argmax(np.abs(found))])

    def to_frame(self) -> pd.DataFrame:
        """One row an arm."""
        return self.arms.copy(deep=False)

    def __str__(self) -> str:
        write = "{:.1%}" if self.rate else "{:,.4g}"
        base, what = write.format(self.baseline), "rate" if self.rate else "mean"
        change = "drop" if self.wanted < 0 else "gain"
        needs = f"a {change} to {write.format(self.baseline + self.wanted)} needs {self.needed:,} customers"
        days = f" ({self.duration_days:,.0f} days)" if self.duration_days else ""
        if self.customers is None:
            return f"From a {what} of {base}, {needs}{days}."
        arms = " against ".join(f"{r.customers:,} {r.arm}" for r in self.arms.iloc[::-1].itertuples())
        if np.isnan(self.smallest):
            proof = f"could prove no {change} of the {what} of {base}: the groups are too small"
        else:
            end = write.format(self.baseline + self.smallest)
            proof = f"would prove a {change} of the {what} from {base} to {end} or {'lower' if self.wanted < 0 else 'higher'}"
        rounds = f"{self.rounds:,} round{'s' if self.rounds > 1 else ''} of this size"
        return f"{arms} {proof}; {needs}, {rounds}{days}."

    def __repr__(self) -> str:
        return f"ExperimentDesign: {self}"

    def _repr_html_(self) -> str:
        tables = {"arms": self.arms} | {n: t for n, t in (("stages", self.stages), ("strata", self.strata)) if len(t)}
        return page(str(self), **tables)


def design_experiment(
    baseline: float,
    *,
    sd: float | None = None,
    detect: float | None = None,
    relative: float | None = None,
    arms: Mapping[str, float] = HALVES,
    customers: int | None = None,
    power: float = 0.8,
    level: float = 0.95,
    correlation: float = 0.0,
    rows: float = 1.0,
    icc: float = 0.0,
    strata: Mapping[str, tuple[float, float]] | None = None,
    customers_a_day: float | None = None,
    horizon_days: float = 0.0,
    stages: Sequence[float] = (),
) -> ExperimentDesign:
    """Size, duration and stages of an experiment of one or several actions against a control (two-sided, normal approximation).

    Parameters
    ----------
    baseline : float
        Rate without the action, between 0 and 1; a mean, where `sd` is given.
    sd : float, optional
        Standard deviation of the outcome of one row: then means are compared, not rates.
    detect : float, optional
        The change worth proving, in the unit of the outcome; negative for a drop.
    relative : float, optional
        The same as a share of the baseline, in the place of `detect`: a gain of one tenth where both are left out.
    arms : mapping of name to size
        Shares or customers of each arm; the first is the control that every other is compared with.
    customers : int, optional
        In one round, all arms together: tells the smallest change that is proven, and how many rounds the wanted one takes.
    level : float, default=0.95
        Confidence of all comparisons together: with several actions each is tested at its share of the error (Bonferroni).
    correlation : float in (-1, 1)
        Of the outcome with what is known from before the experiment: CUPED saves its square.
    rows, icc : float
        Rows a customer, and how alike they are (0 to 1).
    strata : mapping of name to (share, baseline), optional
        Customers are drawn within strata: what differs between them is no noise.
    customers_a_day : float, optional
        Who enter the experiment; without it rounds follow one another.
    horizon_days : float
        From the treatment until the outcome is known.
    stages : sequence of float, such as (0.01, 0.1, 0.5, 1)
        A staged roll-out: shares of the treated who are treated, while the whole control is watched.

    Raises
    ------
    DataContractError
        If a number is out of range, or two tell the same; the argument is named.

    Notes
    -----
    Rates: n = ((z_a √(p̄(1−p̄)w) + z_b √(p₁(1−p₁)/q + p₀(1−p₀)/(1−q))) / (p₁ − p₀))², q the treated share of both arms, w = 1/q +
    1/(1−q) (Fleiss, Levin, Paik, *Statistical Methods for Rates and Proportions*, ch. 4, without continuity correction).
    Means: n = w ((z_a + z_b) sd / δ)². Both times (1 − ρ²) (Deng and others, 2013), (1 + (m−1) ICC)/m for m rows a customer, and
    the share of the variance within strata. The harm of a stage is looked for on one side, its error split over stages and arms.

    Examples
    --------
    >>> design_experiment(0.5, arms={"held out": 200, "treated": 800}, customers=1000, relative=-0.1, horizon_days=90).rounds
    5
    >>> design_experiment(20, sd=50, detect=2, correlation=0.6).needed
    12560
    """
    _check(baseline, sd, power, level, correlation, rows, icc, customers, customers_a_day, horizon_days)
    shares = _shares(arms)
    wanted = _wanted(baseline, sd, detect, relative)
    spread = Noise(baseline, sd, 1.0).variance
    factor = (1 - correlation**2) * (1 + (rows - 1) * icc) / rows * _within(strata, baseline, spread)
    noise, control = Noise(baseline, sd, factor), shares.iloc[0]
    a, b = quantile((1 - level) / 2 / (len(shares) - 1)), quantile(1 - power)
    pair = shares.iloc[1:] + control
    total = max(noise.size(wanted, s / p, a, b) / p for s, p in zip(shares.iloc[1:], pair, strict=True))
    table = pd.DataFrame({"arm": shares.index, "share": shares.to_numpy()})
    table["needed"] = np.ceil(total * table["share"] - 1e-9).astype(np.int64)
    sign = float(np.sign(wanted))
    table["customers"] = pd.array(
        [None] * len(shares) if customers is None else np.round(customers * table["share"]), dtype="Int64"
    )
    table["smallest"] = [np.nan, *(
        np.nan if customers is None else noise.smallest(customers * p, s / p, a, b, sign)
        for s, p in zip(shares.iloc[1:], pair, strict=True)
    )]  # fmt: skip
    needed = int(table["needed"].sum())
    rounds = 1 if customers is None else int(np.ceil(needed / customers))
    days = rounds * horizon_days if customers_a_day is None else needed / customers_a_day + horizon_days
    return ExperimentDesign(
        float(baseline), sd is None, wanted, table, customers, rounds, float(days), power, level, factor,
        _stages(noise, stages, shares * (customers or needed), sign, 1 - level, b), _by_stratum(strata, table),
    )  # fmt: skip


def _stages(
    noise: Noise, stages: Sequence[float], sizes: "pd.Series[float]", sign: float, error: float, b: float
) -> pd.DataFrame:
    """Each stage of each arm: how many, which harm they show, and the difference at which to stop."""
    if stages and not (all(0 < s <= 1 for s in stages) and all(x < y for x, y in pairwise(stages))):
        raise DataContractError(
            f"stages are {tuple(stages)}. Give rising shares of the treated, above 0 and at most 1."
        )
    control, out = float(sizes.iloc[0]), []
    a = quantile(error / (len(stages) * (len(sizes) - 1))) if stages else np.nan
    for stage in stages:
        for arm, size in sizes.iloc[1:].items():
            treated = max(stage * size, 1.0)
            both = treated + control
            harm = noise.smallest(both, treated / both, a, b, -sign)
            out.append((stage, arm, round(treated), round(control), harm, -sign * a * noise.error(treated, control)))
    return pd.DataFrame(out, columns=["stage", "arm", "treated", "control", "harm", "stop_at"])


def _within(strata: Mapping[str, tuple[float, float]] | None, baseline: float, variance: float) -> float:
    """The share of the variance that lies within strata."""
    if strata is None:
        return 1.0
    share, mean = np.array([*strata.values()], np.float64).reshape(-1, 2).T
    if not (share > 0).all() or abs(share.sum() - 1) > 1e-6 or abs(share @ mean - baseline) > 0.02 * np.sqrt(variance):
        raise DataContractError(
            f"The shares of the strata sum to {share.sum():.4g}, their mean is {share @ mean:.4g} for a baseline of {baseline:.4g}. "
            "Give shares above 0 that sum to 1, and baselines whose mean is the baseline."
        )
    between = float(share @ (mean - share @ mean) ** 2)
    if between >= variance:
        raise DataContractError(
            f"strata differ by more ({between:.4g}) than the outcome varies ({variance:.4g}). Check sd, or the baselines of the strata."
        )
    return 1 - between / variance


def _by_stratum(strata: Mapping[str, tuple[float, float]] | None, arms: pd.DataFrame) -> pd.DataFrame:
    sizes = dict(zip(arms["arm"].astype(str), arms["needed"].to_numpy(np.float64), strict=True))
    rows = [
        (name, arm, int(np.ceil(size * share - 1e-9)))
        for name, (share, _) in (strata or {}).items()
        for arm, size in sizes.items()
    ]
    return pd.DataFrame(rows, columns=["stratum", "arm", "customers"])


def _shares(arms: Mapping[str, float]) -> "pd.Series[float]":
    sizes = pd.Series({str(k): float(v) for k, v in arms.items()})
    if len(sizes) < 2 or not (np.isfinite(sizes) & (sizes > 0)).all():
        seen = ", ".join(f"{k} {v:g}" for k, v in sizes.items())
        raise DataContractError(
            f"The arms are: {seen}. Give a control and an action at least, each with a size above 0."
        )
    return sizes / sizes.sum()


def _wanted(baseline: float, sd: float | None, detect: float | None, relative: float | None) -> float:
    if detect is not None and relative is not None:
        raise DataContractError("detect and relative tell the same. Give one of them.")
    wanted = detect if detect is not None else baseline * (TENTH if relative is None else relative)
    if not np.isfinite(wanted) or wanted == 0 or (sd is None and not 0 < baseline + wanted < 1):
        raise DataContractError(
            f"detect or relative means a change by {wanted:.4g} from a baseline of {baseline:.4g}. "
            "Give a change other than 0; a rate must stay between 0 and 1."
        )
    return float(wanted)


def _check(
    baseline: float, sd: float | None, power: float, level: float, correlation: float, rows: float, icc: float,
    customers: int | None, a_day: float | None, horizon: float,
) -> None:  # fmt: skip
    ranges: list[tuple[str, Any, bool, str]] = [
        ("baseline", baseline, 0 < baseline < 1 if sd is None else bool(np.isfinite(baseline)), "a rate between 0 and 1, or a mean with its sd"),
        ("sd", sd, sd is None or (np.isfinite(sd) and sd > 0), "a number above 0"),
        ("power", power, 0.5 <= power < 1, "a share of at least 0.5, such as 0.8"),
        ("level", level, 0.5 <= level < 1, "the confidence, such as 0.95"),
        ("correlation", correlation, -1 < correlation < 1, "a number between -1 and 1"),
        ("rows", rows, np.isfinite(rows) and rows >= 1, "rows a customer, at least 1"),
        ("icc", icc, 0 <= icc <= 1, "a share from 0 to 1"),
        ("customers", customers, customers is None or customers >= 1, "at least 1"),
        ("customers_a_day", a_day, a_day is None or (np.isfinite(a_day) and a_day > 0), "a number above 0"),
        ("horizon_days", horizon, np.isfinite(horizon) and horizon >= 0, "days, at least 0"),
    ]  # fmt: skip
    for name, value, fits, todo in ranges:
        if not fits:
            raise DataContractError(f"{name} is {value}. Give {todo}.")
