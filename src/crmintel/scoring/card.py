"""Model cards: what a model is for, how good it is, where it must not be used, and how much it gives away."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from crmintel.churn import Fairness
from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Estimate
from crmintel.evaluation.probability import auc, surprise


@final
@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What whoever uses a model should have read.

    Parameters
    ----------
    name, purpose : str
        What it is called and what it is for.
    users : str
        Who decides with it.
    not_for : str
        Where it must not be used.
    trained : mapping
        What it was learned from: instants, horizon, customers, first and last interaction.
    quality : mapping of str to Estimate or float
        How good it was on customers and times it had not seen.
    limits : sequence of str
        What to know before it is believed.
    fairness : Fairness, optional
        From :func:`crmintel.churn.fairness`.
    membership : Estimate, optional
        From `membership_inference`: how well one can tell who was learned from.

    Examples
    --------
    >>> card = ModelCard(name="churn", purpose="Whom to call before they leave.", quality={"auc": Estimate(0.74, 0.72, 0.76)})
    >>> print(card.markdown().splitlines()[0])
    # churn
    """

    name: str
    purpose: str
    users: str = "Not stated."
    not_for: str = "Decisions about single people that bind them, such as credit or employment."
    trained: Mapping[str, Any] = field(default_factory=dict)
    quality: Mapping[str, Estimate | float] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    fairness: Fairness | None = None
    membership: Estimate | None = None

    def markdown(self) -> str:
        """The card as text for people."""
        blocks = [f"# {_plain(self.name)}", _plain(self.purpose), f"**Who decides with it.** {_plain(self.users)}", f"**Not for.** {_plain(self.not_for)}"]  # fmt: skip
        if self.trained:
            blocks += ["## Learned from", _listed(self.trained)]
        if self.quality:
            told = {k: str(v) if isinstance(v, Estimate) else f"{v:.4g} (no interval)" for k, v in self.quality.items()}
            blocks += ["## Quality on customers and times not seen", _listed(told)]
        blocks += ["## Limits", "\n".join(f"* {_plain(x)}" for x in self.limits) or "None were noted."]
        blocks += ["## Fairness", "Not looked at." if self.fairness is None else _plain(str(self.fairness))]
        blocks += ["## What it gives away", self._given_away()]
        return "\n\n".join(blocks) + "\n"

    def _given_away(self) -> str:
        if self.membership is None:
            return "Whether one can tell who was learned from was not measured."
        known = self.membership.low > 0.5
        said = "One can tell better than by chance" if known else "One cannot be shown to tell better than by chance"
        return f"{said} who was learned from: area under the curve {self.membership} (0.5 is chance; attack by the loss of each customer)."

    def _repr_html_(self) -> str:
        return pd.DataFrame({"card": self.markdown().splitlines()}).to_html(index=False, header=False, escape=True)


def membership_inference(
    learned_y: npt.ArrayLike, learned_p: npt.ArrayLike, unseen_y: npt.ArrayLike, unseen_p: npt.ArrayLike
) -> Estimate:
    """How well the loss of a customer tells whether the model was learned from this customer: area under the ROC curve.

    Parameters
    ----------
    learned_y, learned_p : arrays, shape (n_learned,)
        What happened to customers the model was learned from, and the probability it gives them.
    unseen_y, unseen_p : arrays, shape (n_unseen,)
        The same of customers of the same kind and time that it has not seen.

    Returns
    -------
    Estimate
        0.5 is chance, 1 gives everybody away. The 95 % interval is that of DeLong.

    Raises
    ------
    DataContractError
        If there are fewer than two customers of either kind, or lengths differ.

    References
    ----------
    Yeom, Giacomelli, Fredrikson and Jha (2018), Privacy risk in machine learning, arXiv:1709.01604. DeLong, DeLong and
    Clarke-Pearson (1988), Biometrics 44.

    Examples
    --------
    >>> print(membership_inference([0, 1, 0, 1], [0.4, 0.6, 0.4, 0.6], [0, 1, 0, 1], [0.4, 0.6, 0.4, 0.6]))
    0.500 (0.500 to 0.500)
    """
    losses = []
    for y, p in ((learned_y, learned_p), (unseen_y, unseen_p)):
        truth, told = np.asarray(y, np.float64), np.asarray(p, np.float64)
        if truth.shape != told.shape or truth.ndim != 1 or len(truth) < 2:
            raise DataContractError(
                f"Labels of shape {truth.shape} and probabilities of shape {told.shape}. Give one of each for at least two customers."
            )
        losses.append(surprise(truth, told))
    inside, outside = losses
    area = auc(np.repeat([1.0, 0.0], [len(inside), len(outside)]), -np.concatenate([inside, outside]))
    wins = [_wins(-inside, -outside), 1 - _wins(-outside, -inside)]
    error = float(np.sqrt(sum(np.var(w, ddof=1) / len(w) for w in wins)))
    reach = float(norm.ppf(0.975)) * error
    return Estimate(area, max(area - reach, 0.0), min(area + reach, 1.0), 0.95, "DeLong")


def _wins(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The share of `b` that each of `a` exceeds; ties count half."""
    rising = np.sort(b)
    below, not_above = np.searchsorted(rising, a, "left"), np.searchsorted(rising, a, "right")
    return np.asarray((below + not_above) / (2 * len(b)))


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    out = " ".join(text.split())
    for sign in "\\`*_[]<>#|":
        out = out.replace(sign, f"\\{sign}")
    return out


def _listed(values: Mapping[str, Any]) -> str:
    return "\n".join(f"* {_plain(str(k))}: {_plain(str(v))}" for k, v in values.items())
