"""What an effect may look like: candidates that are told out of fold, and one function of those that get weight."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from crmintel.actions.effects.aggregation import CHARGE
from crmintel.actions.effects.linear import Design, Line, lines
from crmintel.actions.effects.nuisance import (
    Outcomes,
    Split,
    by_arms,
    leaning,
    residual,
    some,
)
from crmintel.actions.effects.recipes import Learned, Rows
from crmintel.actions.effects.stacked import Stack
from crmintel.actions.effects.trial import Float, Int, Trial
from crmintel.churn.table import Schema

CANDIDATES: Final = ("constant", "ridge", "trees", "by arm", "response")
FLEXIBLE: Final = np.array([0.0, 0.0, CHARGE, CHARGE, 0.0])


@final
@dataclass(frozen=True, eq=False)
class Work:
    """Everything that candidates are learned from."""

    schema: Schema
    design: Design
    Z: Float
    matrix: Float
    rows: Rows
    trial: Trial
    propensity: Float
    told: Outcomes
    scores: Float
    seed: int

    def learn(self, inside: Int) -> tuple[Line, list[Learned]]:
        """The ridge regression of all effects, and trees for each."""
        z = self.scores[inside, 1:] - self.scores[inside, :1]
        line = lines(self.Z[inside], z)
        return line, [self._trees(inside, a) for a in range(1, len(self.trial.names))]

    def _trees(self, inside: Int, a: int) -> Learned:
        """Trees on what an arm changes: residuals in the rows of two arms; scores of all rows where rows have no weights, or the
        propensities of what was not done are not known."""
        if not self.rows.weighted or np.isnan(self.propensity).any():
            return self.rows.learn(inside, self.scores[inside, a] - self.scores[inside, 0])
        return residual(self.rows, self.trial, self.propensity, self.told, inside, a)

    def tell(self, line: Line, trees: list[Learned], outside: Int) -> Float:
        """Every candidate of some rows, shape (n_rows, n_actions, n_candidates)."""
        out = np.zeros((len(outside), len(trees), len(CANDIDATES)))
        out[:, :, 1] = line(self.Z[outside])
        for a, model in enumerate(trees):
            out[:, a, 2] = model.predict(self.matrix[outside])
        out[:, :, 3] = self.told.arms[outside, 1:] - self.told.arms[outside, :1]
        out[:, :, 4] = self.told.level[outside, None]
        return out

    def stack(self, line: Line, trees: list[Learned], way: Split, mix: Float, constant: Float) -> Stack:
        """What tells new customers; candidates without weight are left out."""
        one, everyone = np.eye(len(mix)), np.arange(len(self.trial))
        whole, arms = self.told.last[:1], self.told.last[1:]
        design = self.Z if whole[0].line is not None else None
        if way.used > 1 and mix[:, 4].any():
            whole = [leaning(self.rows, design, self.trial, some(everyone, self.seed))]
        if way.used > 1 and mix[:, 3].any():
            arms = by_arms(self.rows, design, self.trial, everyone)
        leaned = [*zip(whole, [mix[:, 4]], strict=True), (arms[0], -mix[:, 3])]
        leaned += [(model, one[a] * mix[a, 3]) for a, model in enumerate(arms[1:])]
        total = line.spread(mix[:, 1]) + Line(np.zeros_like(line.weights), constant)
        for model, share in leaned:
            if model.line is not None and share.any():
                total += model.line.spread(share)
        told = [(model, one[a] * mix[a, 2]) for a, model in enumerate(trees)] + [(m.rest, share) for m, share in leaned]
        kept = [(model, share) for model, share in told if share.any()]
        weights = np.array([share for _, share in kept]).reshape(len(kept), len(mix))
        return Stack(self.schema, self.design, total, [model for model, _ in kept], weights)
