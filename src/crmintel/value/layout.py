"""Which number means what: from the vector that is searched to parameters of customers, and slopes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, final

import numpy as np

from crmintel.errors import DataContractError
from crmintel.value.packing import Float, Rows
from crmintel.value.point import Likelihood, Point


@final
@dataclass(frozen=True)
class Kind:
    """How a model differs from the others.

    Parameters
    ----------
    names : tuple of str
        Parameters; the first is r, the second alpha.
    times : tuple of str
        Those that are lengths of time.
    drop : str
        The parameter that covariates of leaving move, and which way: `sooner` is 1 if more of it means leaving sooner, else −1.
    word : str
        What to say of customers who never bought again.
    """

    names: tuple[str, ...]
    times: tuple[str, ...]
    drop: str
    sooner: float
    word: str

    @property
    def other(self) -> str:
        """The parameter that nothing moves, beside r."""
        return next(n for n in self.names[2:] if n != self.drop)


@final
@dataclass(frozen=True)
class Layout:
    """Logarithms of parameters in days, then coefficients of covariates."""

    kind: Kind
    buying: tuple[str, ...]
    leaving: tuple[str, ...]
    log_unit: float

    @classmethod
    def of(cls, kind: Kind, buying: Sequence[str], leaving: Sequence[str], unit_days: float) -> "Layout":
        """Raises DataContractError if the options make no sense."""
        if isinstance(unit_days, bool) or not isinstance(unit_days, (int, float)) or not 0 < unit_days < np.inf:
            raise DataContractError(f"unit_days is {unit_days!r}. Give a number of days above 0, such as 7 for weeks.")
        for what, names in (("purchase_covariates", buying), ("dropout_covariates", leaving)):
            if isinstance(names, str):
                raise DataContractError(f"{what} is {names!r}. Give a list of names: [{names!r}].")
            if len(set(names)) < len(names):
                raise DataContractError(f"{what} names a column twice. Give each column once.")
        return cls(kind, tuple(buying), tuple(leaving), float(np.log(unit_days)))

    @property
    def coefficients(self) -> list[str]:
        return [f"purchase:{c}" for c in self.buying] + [f"dropout:{c}" for c in self.leaving]

    @property
    def names(self) -> list[str]:
        return [*self.kind.names, *self.coefficients]

    @property
    def covariates(self) -> list[str]:
        """Columns of the history table, each once."""
        return list(dict.fromkeys([*self.buying, *self.leaving]))

    @property
    def shift(self) -> Float:
        """What lies between logarithms in days and in units."""
        return np.array([self.log_unit if n in self.kind.times else 0.0 for n in self.names])

    def point(self, theta: Float, covariates: Float) -> Point:
        """The parameters of each row of covariates; a row's numbers never depend on its neighbours."""
        named = dict(zip(self.names, theta, strict=True))
        log_alpha, log_drop = (np.full(len(covariates), named[n]) for n in ("alpha", self.kind.drop))
        for name in self.buying:
            log_alpha -= named[f"purchase:{name}"] * covariates[:, self.covariates.index(name)]
        for name in self.leaving:
            log_drop += self.kind.sooner * named[f"dropout:{name}"] * covariates[:, self.covariates.index(name)]
        with np.errstate(over="ignore"):
            return Point(
                float(np.exp(named["r"])), np.exp(log_alpha), np.exp(log_drop), float(np.exp(named[self.kind.other]))
            )

    def slopes(self, told: Likelihood, covariates: Float) -> Float:
        """The slopes of a likelihood along the vector."""
        named: dict[str, float] = {
            "r": told.r,
            "alpha": float(told.alpha.sum()),
            self.kind.drop: float(told.drop.sum()),
        }
        named[self.kind.other] = told.other
        for name in self.buying:
            named[f"purchase:{name}"] = -float((told.alpha * covariates[:, self.covariates.index(name)]).sum())
        for name in self.leaving:
            column = covariates[:, self.covariates.index(name)]
            named[f"dropout:{name}"] = self.kind.sooner * float((told.drop * column).sum())
        return np.array([named[n] for n in self.names])

    def starts(self, rows: Rows) -> list[Float]:
        """Where to begin, and where to begin again if that runs away: with nearly nobody leaving."""
        bought, seen = (float((rows.weight * v).sum()) / rows.n for v in (rows.x, rows.age))
        usual = {"r": 0.5, "alpha": 0.5 * max(seen, 1.0) / max(bought, 0.1), "a": 0.8, "b": 2.5, "s": 0.5, "beta": 0.5 * max(seen, 1.0)}  # fmt: skip
        staying = usual | {"a": 1.0, "b": 1e3, "s": 1e-3}
        return [
            np.array([*(np.log(named[n]) for n in self.kind.names), *(0.0 for _ in self.coefficients)])
            for named in (usual, staying)
        ]


@final
@dataclass(frozen=True, eq=False)
class Prior:
    """Normal beliefs about the vector in units: means, and inverse variances that are 0 where there is none."""

    mean: Float
    weight: Float

    @classmethod
    def of(cls, told: Mapping[str, tuple[float, float]] | None, layout: Layout) -> "Prior":
        """Raises DataContractError if a name is unknown or a spread is not above 0."""
        mean, weight = np.zeros(len(layout.names)), np.zeros(len(layout.names))
        for name, belief in (told or {}).items():
            if name not in layout.names:
                near = get_close_matches(str(name), layout.names, 1)
                meant = f" Did you mean {near[0]!r}?" if near else ""
                raise DataContractError(f"prior names {name!r}.{meant} Known are {', '.join(layout.names)}.")
            place, (center, spread) = layout.names.index(name), _pair(name, belief)
            if place < len(layout.kind.names) and not center > 0:
                raise DataContractError(f"The prior median of {name} is {center:g}. Give a number above 0.")
            mean[place] = np.log(center) if place < len(layout.kind.names) else center
            weight[place] = 1 / spread**2
        return cls(mean + layout.shift, weight)

    def loss(self, theta: Float) -> tuple[float, Float]:
        """Minus the logarithm of the density, but for a constant, and its slopes; in days."""
        off = theta - self.mean
        return float((off * off * self.weight).sum()) / 2, off * self.weight


def _pair(name: str, belief: Any) -> tuple[float, float]:
    try:
        center, spread = map(float, belief)
    except (TypeError, ValueError):
        raise DataContractError(f"The prior of {name} is no pair of numbers. Give (centre, spread).") from None
    if not (np.isfinite(center) and 0 < spread < np.inf):
        raise DataContractError(
            f"The prior of {name} is ({center:g}, {spread:g}). Give a finite centre and a spread above 0."
        )
    return center, spread
