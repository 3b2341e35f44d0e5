"""A point in the space of parameters, and what the likelihood says there."""

from dataclasses import dataclass
from typing import Any, final

from crmintel.value.packing import Float


@final
@dataclass(frozen=True, eq=False)
class Point:
    """Parameters in days: those that covariates move have one number a group or a customer."""

    r: float
    alpha: Float
    drop: Float
    other: float

    def take(self, rows: Any) -> "Point":
        """Those of some customers."""
        return Point(self.r, self.alpha[rows], self.drop[rows], self.other)


@final
@dataclass(frozen=True, eq=False)
class Likelihood:
    """A log-likelihood and its slopes by the logarithms of what a `Point` holds, by group where that has groups."""

    value: float
    r: float
    alpha: Float
    drop: Float
    other: float
