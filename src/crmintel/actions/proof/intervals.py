"""Intervals of each estimator of a policy's value, and which of them can be believed."""

from typing import Any, Final

import numpy as np

from crmintel.actions.proof.estimators import PLAIN, embedded, grids, moments, plain, slope, tempered
from crmintel.actions.proof.logged import Logged
from crmintel.actions.proof.sequences import START, any_time, empirical_bernstein, off_policy_sequence
from crmintel.evaluation.intervals import Floats

COLUMNS: Final = ("estimator", "value", "low", "high", "se", "trusted", "note")
ANY_TIME: Final = "any time"
Row = list[Any]


def estimated(log: Logged, weight: Floats, k: float, sound: bool, modelled: bool) -> tuple[list[Row], list[str]]:
    """The estimators with their intervals, and which of them bias makes unbelievable."""
    shift = float(log.direct.mean())
    value, se = moments(plain(log, weight, shift), log, shift)
    model = "" if modelled else "outcomes expected: mean of each action over the other customers"
    notes = dict.fromkeys(PLAIN, model) | {
        "IPW": "",
        "SNIPW": "",
        "DM": f"blind to the bias of its model; {model}".strip("; "),
    }
    rows = [
        [n, v, *interval(v, e, k), e, sound and n != "DM", notes[n]] for n, v, e in zip(PLAIN, value, se, strict=True)
    ]
    dr, dr_se = value[PLAIN.index("DR")], se[PLAIN.index("DR")]
    cuts, shrinkages = grids(weight)
    tried, tried_se = moments(tempered(log, weight, cuts, shrinkages, shift), log, shift)
    warnings = []
    for name, settings, here in (
        ("Switch", cuts, slice(len(cuts))),
        ("shrinkage DR", shrinkages, slice(len(cuts), None)),
    ):
        values, widths = np.append(dr, tried[here]), np.append(dr_se, tried_se[here])
        i = slope(values, k * widths)
        row = [name, values[i], *interval(values[i], widths[i], k), widths[i]]
        if not i:
            rows.append([*row, sound, "SLOPE chose DR itself"])
            continue
        one = settings[i - 1]
        only = ([one], []) if name == "Switch" else ([], [one])
        (gap,), (gap_se,) = moments(tempered(log, weight, *only, None), log)
        note = f"chosen by SLOPE: {'cut' if name == 'Switch' else 'λ'} {one:g}"
        biased = bool(abs(gap) > 2 * gap_se)
        if biased:
            note += "; differs from DR by more than chance"
            warnings.append(
                f"{name} lies {gap:+.3g} from DR, {abs(gap) / gap_se if gap_se else np.inf:.1f} standard errors of the "
                "difference: its bias makes its interval untrustworthy."
            )
        if not modelled:  # its interval knows nothing of the spread of the means
            note += f"; {model}"
        rows.append([*row, sound and not biased and modelled, note])
    return rows, warnings


def interval(value: float, se: float, k: float) -> tuple[float, float]:
    """Value less and plus k standard errors; everything, where k is infinite."""
    return (value - k * se, value + k * se) if np.isfinite(k) else (-np.inf, np.inf)


def mips(log: Logged, embedding: Any, k: float, sound: bool) -> Row:
    """The estimator for many actions, untrusted where it differs from DR by more than chance."""
    weight, dr = embedded(log, embedding), log.direct + log.chance / log.propensity * log.residual
    (value, gap), (se, gap_se) = moments(
        lambda rows: np.stack([weight[rows] * log.outcome[rows], weight[rows] * log.outcome[rows] - dr[rows]]), log
    )
    note = "right only if actions act through these features"
    return ["MIPS", value, *interval(value, se, k), se, sound and abs(gap) <= 2 * gap_se, note]


def asymptotic(name: str, value: float, se: float, n: int, level: float, sound: bool) -> Row:
    """Limits that hold however often one looks, if there are many rounds."""
    k = float(any_time(n, n, 1 - level)) if n >= START else np.inf
    return [
        f"{name}, {ANY_TIME}",
        value,
        *interval(value, se, k),
        se,
        sound,
        "asymptotic; holds however often one looks",
    ]


def always(
    log: Logged, weight: Floats, bounds: tuple[float, float], level: float, sound: bool, *, seen: bool = False
) -> Row:
    """Limits for every sample size that hold however often one looks, from the bounds of the outcome."""
    mean, share, (low, high) = *_shares(log, weight, bounds), bounds
    outcome = np.minimum(np.divide(share, mean, out=np.zeros_like(mean), where=mean > 0), 1)
    last = off_policy_sequence(mean, outcome, bounds=(0, 1), level=level)[["mean", "low", "high"]].iloc[-1]
    note = "holds however often one looks, for every sample size" + ("; bounds are the range seen" if seen else "")
    return [f"IPW, exact, {ANY_TIME}", *(low + (high - low) * last), np.nan, sound, note]


def lower(log: Logged, weight: Floats, bounds: tuple[float, float], level: float, sound: bool) -> Row:
    """A lower limit for every sample size, from the bounds of the outcome."""
    share, (low, high) = _shares(log, weight, bounds)[1], bounds
    found = empirical_bernstein(share, upper=_largest(log) * log.clusters / log.n * log.sizes.max(), level=level)
    known = log.every is not None
    note = "exact lower limit" if known else "the largest weight is a guess: pass the propensities of all actions"
    ends = [low + (high - low) * found.value, low + (high - low) * found.low, np.inf]
    return ["IPW, empirical Bernstein", *ends, np.nan, known and sound, note]


def _shares(log: Logged, weight: Floats, bounds: tuple[float, float]) -> tuple[Floats, Floats]:
    """Weights, and weighted outcomes from 0 to 1, summed by customer, such that their means are those of the rounds."""
    share = weight * (log.outcome - bounds[0]) / (bounds[1] - bounds[0])
    scale = log.clusters / log.n
    return scale * log.per_customer(weight), scale * log.per_customer(share)


def _largest(log: Logged) -> float:
    """The largest weight that any action could have had; a guess without the propensities of all."""
    if log.every is None:
        return (1.0 if log.target is None else float(log.target.max())) / float(log.propensity.min())
    target = np.eye(len(log.names))[log.choice] if log.target is None else log.target
    return float(np.divide(target, log.every, out=np.zeros_like(log.every), where=log.every > 0).max())
