"""What a new policy would have been worth, from the records of another one."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Final, final

import numpy as np
import pandas as pd
from scipy.stats import norm
from scipy.stats import t as student

from crmintel.actions.diagnostics import Diagnostics, diagnose
from crmintel.actions.estimators import PLAIN, embedded, grids, moments, plain, slope, tempered
from crmintel.actions.logged import Logged, read_log
from crmintel.actions.sequences import START, any_time, empirical_bernstein, off_policy_sequence
from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Estimate, Floats
from crmintel.evaluation.tables import verdict

COLUMNS: Final = ("estimator", "value", "low", "high", "se", "trusted", "note")
ANY_TIME: Final = "any time"


@final
@dataclass(frozen=True)
class PolicyValue:
    """What a policy is worth a round, whether that beats one action for everybody, and what speaks against believing it.

    Parameters
    ----------
    value : Estimate
        The headline: SNDR with `expected`, SNIPW without, the sequence for an adaptive log.
    headline : str
        The estimator that it comes from.
    gain : Estimate
        The policy less the best single action for everybody.
    verdict : str
        Of the gain: proven, not proven, or worse.
    best_single : object
        The action that looks best for everybody.
    estimates : DataFrame
        One row an estimator: estimator, value, low, high, se, trusted, note.
    singles : DataFrame
        One row an action given to everybody: action, value, gain (of the policy over it), low, high.
    diagnostics : Diagnostics
    warnings : tuple of str
        To be read first.
    """

    value: Estimate
    headline: str
    gain: Estimate
    verdict: str
    best_single: Any
    estimates: pd.DataFrame
    singles: pd.DataFrame
    diagnostics: Diagnostics
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row an estimator."""
        return self.estimates.copy(deep=False)

    def __repr__(self) -> str:
        told = [f"Warning: {w}" for w in self.warnings]
        told.append(f"Value a round ({self.headline}): {self.value:.4g}")
        told.append(f"Gain over {self.best_single!r} for everybody: {self.gain:.4g}, {self.verdict}")
        d = self.diagnostics
        told.append(
            f"{d.rounds:,} rounds of {d.customers:,} customers, {d.effective:,.0f} effective ({d.effective_share:.1%})"
        )
        return "\n".join(told)

    def _repr_html_(self) -> str:
        told = "".join(f"<p>{escape(line)}</p>" for line in repr(self).splitlines())
        tables = [self.estimates, self.diagnostics.to_frame()]
        return told + "".join(t.to_html(index=False, float_format="{:,.4g}".format, na_rep="") for t in tables)


def evaluate_policy(
    action: Any,
    outcome: Any,
    propensity: Any,
    target: Any,
    *,
    expected: Any = None,
    customer: Any = None,
    cost: Mapping[Any, float] | None = None,
    embedding: Any = None,
    bounds: tuple[float, float] | None = None,
    adaptive: bool = False,
    level: float = 0.95,
) -> PolicyValue:
    """What another policy would have been worth in logged rounds, beside the best single action for everybody.

    Parameters
    ----------
    action : array, shape (n,)
        Names, or codes, of the actions logged, in the order in which they were taken.
    outcome : array of float, shape (n,)
    propensity : array of float, shape (n,), or frame or array, shape (n, n_actions)
        Probability of the action logged, final, after all rules; or of all actions, then support and audit are exact.
    target : frame or array, shape (n, n_actions), or array of names, shape (n,)
        Probabilities of the new policy, or the action that it would choose.
    expected : frame or array, shape (n, n_actions), optional
        Outcomes predicted by a model that did not see the row (cross-fitted). Without it, DM, DR and their kin use the
        mean outcome of each action over the other customers.
    customer : array, shape (n,), optional
        Rounds of one customer are summed before a spread is taken.
    cost : mapping, optional
        From every action to money, which is taken off the outcome.
    embedding : frame or series, optional
        Features of every action (index: its name) through which alone it acts: adds MIPS for many actions. Needs the
        propensities of all.
    bounds : (low, high), optional
        Between which every outcome, before costs, lies: adds limits that hold for every sample size.
    adaptive : bool, default=False
        Logged by a policy that learned from these rounds: only sequences are shown, and `customer` is not used.
    level : float, default=0.95

    Raises
    ------
    DataContractError
        If names, lengths or propensities are wrong, or probabilities of a round do not sum to one.

    Notes
    -----
    The gain is judged by doubly robust scores, d_i = ψ_π − ψ_b, against *every* action b: the lower limit is the least of
    the lower limits, so the choice of the best cannot flatter it (intersection-union); the upper limit is the least of
    limits widened by Bonferroni.

    References
    ----------
    Dudík, Langford, Li (2011), arXiv 1103.4601. Swaminathan, Joachims (2015), NeurIPS. Wang, Agarwal, Dudík (2017), arXiv
    1612.01205. Su and others (2020), arXiv 1907.09623.

    Examples
    --------
    >>> rounds = pd.DataFrame({"action": ["mail", "call"] * 50, "bought": [1, 0, 0, 1] * 25, "p": 0.5})
    >>> found = evaluate_policy(rounds["action"], rounds["bought"], rounds["p"], np.repeat("call", 100))
    >>> print(found.value, found.verdict)
    0.500 (0.359 to 0.641) not proven
    """
    if not 0 < level < 1:
        raise DataContractError(f"level is {level}. Pass a share between 0 and 1, such as 0.95.")
    log = read_log(
        action, outcome, propensity, target, expected=expected, customer=None if adaptive else customer, cost=cost
    )
    weight = log.chance / log.propensity
    support = diagnose(log, weight)
    limits = None if bounds is None else _net(bounds, cost, log)
    warnings = list(support.warnings())
    sound = not warnings
    if adaptive:
        warnings.append("The logging policy learned from these rounds: only limits that hold at any time are shown.")
        rows, k = [], float(any_time(log.n, log.n, 1 - level))
    else:
        k = float(student.ppf((1 + level) / 2, max(log.clusters - 1, 1)))
        rows, biased = _rows(log, weight, k, sound, expected is not None)
        warnings += biased
        if embedding is not None:
            rows.append(_mips(log, embedding, k, sound))
    rows += _limits(log, weight, limits, level, adaptive, sound, rows)
    estimates = pd.DataFrame(rows, columns=list(COLUMNS))
    head = estimates.iloc[0 if adaptive else PLAIN.index("SNIPW" if expected is None else "SNDR")]
    gain, singles = _gain(log, weight, k, level, adaptive)
    best = singles["action"].tolist()[int(np.argmin(singles["gain"]))]
    return PolicyValue(
        Estimate(float(head["value"]), float(head["low"]), float(head["high"]), level, str(head["estimator"])),
        str(head["estimator"]), gain, verdict(gain, cases=_cases(log, weight)), best, estimates, singles, support,
        tuple(warnings),
    )  # fmt: skip


def _rows(log: Logged, weight: Floats, k: float, sound: bool, modelled: bool) -> tuple[list[Any], list[str]]:
    """The estimators with their intervals, and which of them bias makes unbelievable."""
    shift = float(log.direct.mean())
    value, se = moments(plain(log, weight, shift), log, shift)
    model = "" if modelled else "outcomes expected: mean of each action over the other customers"
    notes = dict.fromkeys(PLAIN, model) | {
        "IPW": "",
        "SNIPW": "",
        "DM": f"blind to the bias of its model; {model}".strip("; "),
    }
    rows = [[n, v, *_ends(v, e, k), e, sound and n != "DM", notes[n]] for n, v, e in zip(PLAIN, value, se, strict=True)]
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
        row = [name, values[i], *_ends(values[i], widths[i], k), widths[i]]
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


def _ends(value: float, se: float, k: float) -> tuple[float, float]:
    return (value - k * se, value + k * se) if np.isfinite(k) else (-np.inf, np.inf)


def _mips(log: Logged, embedding: Any, k: float, sound: bool) -> list[Any]:
    weight, dr = embedded(log, embedding), log.direct + log.chance / log.propensity * (log.outcome - log.own)
    (value, gap), (se, gap_se) = moments(
        lambda rows: np.stack([weight[rows] * log.outcome[rows], weight[rows] * log.outcome[rows] - dr[rows]]), log
    )
    note = "right only if actions act through these features"
    return ["MIPS", value, *_ends(value, se, k), se, sound and abs(gap) <= 2 * gap_se, note]


def _limits(
    log: Logged,
    weight: Floats,
    limits: tuple[float, float] | None,
    level: float,
    adaptive: bool,
    sound: bool,
    rows: list[Any],
) -> list[Any]:
    """Limits that hold for any sample size or at any time."""
    told: list[Any] = []
    if limits is None or not adaptive:
        if adaptive:
            (value,), (se,) = moments(lambda rows: (weight[rows] * log.outcome[rows])[None], log)
        else:
            value, se = next((r[1], r[4]) for r in rows if r[0] == "DR")
        wide = float(any_time(log.clusters, log.clusters, 1 - level)) if log.clusters >= START else np.inf
        base = "IPW" if adaptive else "DR"
        note = "asymptotic; holds however often one looks"
        told.append([f"{base}, {ANY_TIME}", value, *_ends(value, se, wide), se, sound, note])
    if limits is None:
        return told
    low, high = limits
    mean = log.clusters / log.n * log.per_customer(weight)
    share = log.clusters / log.n * log.per_customer(weight * (log.outcome - low) / (high - low))
    if not adaptive:
        exact = log.every is not None
        most = _largest(log) * log.clusters / log.n * log.sizes.max()
        bound = empirical_bernstein(share, upper=most, level=level)
        note = "exact lower limit" if exact else "the largest weight is a guess: pass the propensities of all actions"
        told.append([
            "IPW, empirical Bernstein", low + (high - low) * bound.value, low + (high - low) * bound.low, np.inf, np.nan,
            exact and sound, note,
        ])  # fmt: skip
    path = off_policy_sequence(
        mean, np.divide(share, mean, out=np.zeros_like(mean), where=mean > 0), bounds=(0, 1), level=level
    )
    last = low + (high - low) * path[["mean", "low", "high"]].iloc[-1]
    told.insert(
        0, [f"IPW, exact, {ANY_TIME}", *last, np.nan, sound, "holds however often one looks, for every sample size"]
    )
    return told


def _largest(log: Logged) -> float:
    """The largest weight that any action could have had; at least the largest seen."""
    if log.every is None:
        most = 1.0 if log.choice is not None else float(log.target.max())
        return most / float(log.propensity.min())
    if log.choice is not None:
        p = log.every[np.arange(log.n), log.target]
        return float((1 / p[p > 0]).max(initial=0.0))
    return float(np.divide(log.target, log.every, out=np.zeros_like(log.every), where=log.every > 0).max())


def _net(bounds: tuple[float, float], cost: Mapping[Any, float] | None, log: Logged) -> tuple[float, float]:
    """Bounds of the outcome less cost."""
    costs = [0.0] if cost is None else list(cost.values())
    low, high = bounds[0] - max(costs), bounds[1] - min(costs)
    outside = int(((log.outcome < low) | (log.outcome > high)).sum())
    if outside or not low < high:
        raise DataContractError(
            f"{outside:,} of {log.n:,} outcomes lie outside bounds {bounds}. Pass what is possible."
        )
    return low, high


def _gain(log: Logged, weight: Floats, k: float, level: float, adaptive: bool) -> tuple[Estimate, pd.DataFrame]:
    """The policy less every single action, and less the best of them."""
    # Means over all rounds know the future of a round, which the sequence of an adaptive log must not.
    own = np.zeros(log.n) if adaptive else log.own
    policy = weight * (log.outcome - own) + (0 if adaptive else log.direct)
    rest = (log.outcome - own) / log.propensity

    def make(rows: slice) -> Floats:
        n = rows.stop - rows.start
        told = policy[rows] - (np.zeros((len(log.names), n)) if adaptive else log.expected(rows))
        told[log.action[rows], np.arange(n)] -= rest[rows]
        return np.asarray(told)

    gain, se = moments(make, log)
    # A policy that is a single action differs from it by nothing but rounding.
    gain = np.where(np.abs(gain) < 1e-12 * (1 + np.abs(policy).max()), 0.0, gain)
    alpha = (1 - level) / len(log.names)
    if adaptive:
        wider = float(any_time(log.n, log.n, alpha))
    else:
        wider = k * float(norm.ppf(1 - alpha / 2) / norm.ppf((1 + level) / 2))
    total = float(policy.mean())
    # An action that was never logged has no spread to judge by.
    low, high = np.where(log.counts > 0, [gain - k * se, gain + wider * se], np.nan)
    singles = pd.DataFrame(
        {"action": log.names, "value": total - gain, "gain": gain, "low": low, "high": gain + k * se}
    )
    singles = singles[log.counts > 0]
    method = "least of the limits against every action"
    return Estimate(float(singles["gain"].min()), float(np.nanmin(low)), float(np.nanmin(high)), level, method), singles


def _cases(log: Logged, weight: Floats) -> int:
    """Rounds that tell about the policy; of the rarer outcome, where there are two."""
    y = log.outcome[weight > 0]
    low, high = y.min(initial=np.inf), y.max(initial=-np.inf)
    count = [int((y == low).sum()), int((y == high).sum())]
    return min(count) if sum(count) == len(y) and low < high else len(y)
