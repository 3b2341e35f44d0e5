"""How large and how long an experiment must be before it can prove anything."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import optimize, stats

from crmintel.errors import DataContractError


@final
@dataclass(frozen=True)
class ExperimentDesign:
    """What an experiment with two arms can see.

    Parameters
    ----------
    baseline : float
        Rate expected without the action.
    treated, held_out : int
        Customers of each arm in one round.
    smallest_drop : float
        The smallest drop of the rate that one round would prove with the given power; NaN if it could prove none.
    needed : int
        Customers in both arms together that would prove `wanted_drop`.
    rounds : int
        Rounds of this size until `needed` is reached.
    wanted_drop, power, level, horizon_days : float
    """

    baseline: float
    treated: int
    held_out: int
    smallest_drop: float
    wanted_drop: float
    needed: int
    rounds: int
    power: float
    level: float
    horizon_days: float

    @property
    def duration_days(self) -> float:
        """Days until the outcome of the last round is known, rounds one after the other."""
        return self.rounds * self.horizon_days

    def __str__(self) -> str:
        arms = f"{self.treated:,} treated against {self.held_out:,} held out for {self.horizon_days:.0f} days"
        proof = f"would prove a drop of the rate from {self.baseline:.1%} to {self.baseline - self.smallest_drop:.1%} or lower"
        if np.isnan(self.smallest_drop):
            proof = f"could prove no drop of the rate of {self.baseline:.1%}: the groups are too small"
        rounds = f"{self.rounds:,} round{'s' if self.rounds > 1 else ''} of this size ({self.duration_days:,.0f} days)"
        return f"{arms} {proof}; a drop by {self.wanted_drop:.1%} needs {self.needed:,} customers, {rounds}."


def design_experiment(
    baseline: float,
    treated: int,
    held_out: int,
    *,
    horizon_days: float,
    relative_drop: float = 0.1,
    power: float = 0.8,
    level: float = 0.05,
) -> ExperimentDesign:
    """Size and duration of a test of two rates (two-sided, normal approximation, unpooled variances under the alternative).

    Parameters
    ----------
    baseline : float in (0, 1)
        Rate without the action, such as the churn rate of the candidates.
    treated, held_out : int
        Customers of each arm in one round.
    relative_drop : float in (0, 1)
        The drop worth proving, as a share of the baseline.

    Raises
    ------
    DataContractError
        If a rate, an arm or a power is out of range; the argument is named.

    Notes
    -----
    n = ((z_a √(p̄(1−p̄)(1/q + 1/(1−q))) + z_b √(p₁(1−p₁)/q + p₀(1−p₀)/(1−q))) / (p₀ − p₁))², q the treated share
    (Fleiss, Levin, Paik, *Statistical Methods for Rates and Proportions*, ch. 4, without continuity correction).

    Examples
    --------
    >>> design_experiment(0.5, 800, 200, horizon_days=90).rounds
    5
    """
    for name, x in (("baseline", baseline), ("relative_drop", relative_drop), ("power", power), ("level", level)):
        if not 0 < x < 1:
            raise DataContractError(f"{name} is {x}. Give a share between 0 and 1.")
    if treated < 1 or held_out < 1:
        raise DataContractError(f"The arms hold {treated} and {held_out} customers. Each needs at least 1.")
    q = treated / (treated + held_out)
    a, b = stats.norm.ppf(1 - level / 2), stats.norm.ppf(power)

    def size(drop: float) -> float:
        p0, p1 = baseline, baseline - drop
        mean = q * p1 + (1 - q) * p0
        null = a * np.sqrt(mean * (1 - mean) * (1 / q + 1 / (1 - q)))
        other = b * np.sqrt(p1 * (1 - p1) / q + p0 * (1 - p0) / (1 - q))
        return float(((null + other) / drop) ** 2)

    here, edge = treated + held_out, baseline * (1 - 1e-9)
    smallest = np.nan if size(edge) > here else optimize.brentq(lambda d: size(d) - here, baseline * 1e-6, edge)
    wanted = relative_drop * baseline
    needed = int(np.ceil(size(wanted)))
    return ExperimentDesign(
        baseline,
        treated,
        held_out,
        float(smallest),
        wanted,
        needed,
        int(np.ceil(needed / here)),
        power,
        level,
        horizon_days,
    )
