"""What a new policy would have been worth, from the records of another one."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, final

import numpy as np
import pandas as pd
from scipy.stats import t as student

from crmintel.actions.proof.diagnostics import Diagnostics, diagnose
from crmintel.actions.proof.estimators import PLAIN
from crmintel.actions.proof.intervals import COLUMNS, always, asymptotic, estimated, lower, mips
from crmintel.actions.proof.logged import Logged, read_log
from crmintel.actions.proof.singles import ENOUGH, learned_over_singles, over_singles
from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Estimate, Floats
from crmintel.evaluation.tables import verdict


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
        Of the gain: proven, not proven, or worse; not proven where weights, support or propensities cannot be trusted.
    best_single : object
        The action that looks best for everybody.
    estimates : DataFrame
        One row an estimator: estimator, value, low, high, se, trusted, note.
    singles : DataFrame
        One row an action given to everybody: action, logged, value, gain (of the policy over it), low, high, compared.
    diagnostics : Diagnostics
    warnings : tuple of str
        To be read first.

    Examples
    --------
    >>> from crmintel.actions import evaluate_policy
    >>> rng = np.random.default_rng(0)
    >>> action = rng.choice(["no action", "mail"], 2000)
    >>> value = evaluate_policy(action, 1.0 + (action == "mail") + rng.normal(size=2000), np.full(2000, 0.5), np.full(2000, "mail"))
    >>> value
    Value a round (SNIPW): 1.995 (1.934 to 2.056)
    Gain over 'mail' for everybody: 0 (0 to 0), not proven
    2,000 rounds of 2,000 customers, 1,043 effective (52.1%)
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
        Probabilities of the new policy, or the action that it would choose. It must not have been learned from these
        rounds, or it flatters itself.
    expected : frame or array, shape (n, n_actions), optional
        Outcomes predicted by a model that did not see the row (cross-fitted). Without it, DM, DR and their kin use the
        mean outcome of each action over the other customers.
    customer : array, shape (n,), optional
        Rounds of one customer are summed before a spread is taken.
    cost : mapping, optional
        From every action to money, which is taken off the outcome; doing nothing is free if it is not named.
    embedding : frame or series, optional
        Features of every action (index: its name) through which alone it acts: adds MIPS for many actions. Needs the
        propensities of all.
    bounds : (low, high), optional
        Between which every outcome, before costs, lies: adds limits that hold for every sample size. An adaptive log
        takes the range seen for them, where they are left out.
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
    warnings, sound = list(support.warnings()), not support.warnings()
    limits = None if bounds is None else _net(bounds, cost, log)
    if adaptive:
        rows = [always(log, weight, limits or _seen(log), level, sound, seen=limits is None)]
        gain, singles = learned_over_singles(log, weight, limits or _seen(log), level)
        warnings.append("The logging policy learned from these rounds: only limits that hold at any time are shown.")
        head = 0
    else:
        k = float(student.ppf((1 + level) / 2, max(log.clusters - 1, 1)))
        rows, biased = estimated(log, weight, k, sound, expected is not None)
        dr = rows[PLAIN.index("DR")]
        rows += [] if embedding is None else [mips(log, embedding, k, sound)]
        rows.append(asymptotic("DR", dr[1], dr[4], log.clusters, level, sound))
        if limits is not None:
            rows += [always(log, weight, limits, level, sound), lower(log, weight, limits, level, sound)]
        gain, singles = over_singles(log, weight, k, level)
        warnings += biased
        head = PLAIN.index("SNIPW" if expected is None else "SNDR")
    if rare := int((~singles["compared"]).sum()):
        warnings.append(
            f"{rare:,} of {len(singles):,} actions were logged less than {ENOUGH} times: nobody knows whether one of them is "
            "the best for everybody."
        )
    compared = singles[singles["compared"]]
    best = compared["action"].tolist()[int(np.argmin(compared["gain"]))]
    estimates = pd.DataFrame(rows, columns=list(COLUMNS))
    name, value, low, high = rows[head][:4]
    return PolicyValue(
        Estimate(float(value), float(low), float(high), level, name), name, gain, verdict(gain, cases=_cases(log, weight)) if sound else "not proven",
        best, estimates, singles, support, tuple(warnings),
    )  # fmt: skip


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


def _seen(log: Logged) -> tuple[float, float]:
    """The range of the outcomes, which stands for their bounds where none are given."""
    low, high = float(log.outcome.min()), float(log.outcome.max())
    return low, high if high > low else low + 1


def _cases(log: Logged, weight: Floats) -> int:
    """Rounds that tell about the policy; of the rarer outcome, where there are two."""
    y = log.outcome if weight.min() > 0 else log.outcome[weight > 0]
    low, high = y.min(initial=np.inf), y.max(initial=-np.inf)
    count = [int((y == low).sum()), int((y == high).sum())]
    return min(count) if sum(count) == len(y) and low < high else len(y)
