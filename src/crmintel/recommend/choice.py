"""The default that chooses itself: candidates are compared on the last part of the past, for what is asked of them."""

from collections.abc import Sequence
from copy import copy
from typing import Final, Literal, final

import numpy as np
import pandas as pd

from crmintel.errors import DataContractError
from crmintel.evaluation import tables
from crmintel.recommend.base import Int, Recommender
from crmintel.recommend.basket import NextBasket
from crmintel.recommend.cooccurrence import CoOccurrence
from crmintel.recommend.ease import Ease
from crmintel.recommend.purchases import BOUGHT, Purchases
from crmintel.recommend.topk import Real
from crmintel.recommend.tuning import HeldOut

AFFORDABLE: Final = 10_000
"""Ease is tried where customers or items are no more than this."""
_SURE: Final = 1.0


@final
class AutoRecommender(Recommender):
    """Tries what fits the data on the last part of its past, keeps what was best there, and learns from everything then.

    For new items: co-occurrence, co-occurrence for sparse data (less damping), co-occurrence with few candidates an item, and Ease where it is
    affordable. For the next basket: these, and `NextBasket`. The first of them is kept unless another is better by more than a
    standard error.

    Parameters
    ----------
    task : {"new", "next"}
        What lists are for: items that are new to the customer, or anything, repeats included.
    candidates : sequence of Recommender, optional
        What is tried instead; the first is the one that is kept in doubt.

    Attributes
    ----------
    chosen_ : Recommender
    trials_ : DataFrame
        candidate, ndcg (at 20, on the last part of the past), gain over the first, error (standard, of the gain), chosen.

    Notes
    -----
    The past is cut at four fifths of its rows. Where it has no clock (all rows at one instant), a fifth of what each customer bought is hidden
    instead, by chance; for the next basket nothing can be told then, as what is hidden is never a repeat, and the first is kept.

    Examples
    --------
    >>> from crmintel.recommend import CoOccurrence, Popularity
    >>> from crmintel.datasets import simulate
    >>> log = simulate(200, days=400, seed=1).log(quiet=True)
    >>> model = AutoRecommender(candidates=[Popularity(), CoOccurrence(rank=16)]).fit(log)
    >>> model.trials_["candidate"].tolist()
    ['Popularity()', 'CoOccurrence(a=0.4, l=0.5, r=0.4)']
    """

    name = "auto"

    def __init__(
        self, task: Literal["new", "next"] = "new", *, candidates: Sequence[Recommender] | None = None
    ) -> None:
        self.task, self.candidates = task, candidates
        self.habit = "bought" if task == "new" else None

    def _fit(self, purchases: Purchases) -> None:
        if self.task not in ("new", "next"):
            raise DataContractError(f"task is {self.task!r}. Choose 'new' or 'next'.")
        if any(dict(m.evidence.kinds or BOUGHT) != BOUGHT or m.evidence.quantity for m in self.candidates or ()):
            raise DataContractError(
                "Some candidates learn from other kinds than purchases, or from units: here all are told of purchases alone. "
                "Leave that evidence out, or fit these candidates by themselves."
            )
        if any(type(m).fit is not Recommender.fit for m in self.candidates or ()):
            raise DataContractError(
                "Some candidates learn from the whole log, not from purchases alone (TwoStage). Fit them by themselves."
            )
        new = self.task == "new"
        models = [copy(m) for m in self.candidates or _usual(purchases, new)]
        held = HeldOut.of(purchases, new=new) or (HeldOut.hidden(purchases) if new else None)
        rows, best, top = [], 0, 0.0
        first = None
        for i, model in enumerate(models if held is not None else []):
            assert held is not None
            model._learn(held.past)
            found = held.ndcg(model._score, new=new)
            first = found if first is None else first
            gain = found - first
            error = float(gain.std() / np.sqrt(len(gain)))
            rows.append((_told(model), float(found.mean()), float(gain.mean()), error))
            if gain.mean() > max(_SURE * error, top):
                best, top = i, float(gain.mean())
        self.trials_ = pd.DataFrame(rows, columns=["candidate", "ndcg", "gain", "error"])
        self.trials_["chosen"] = self.trials_.index == best
        self.chosen_ = models[best]
        self.chosen_._learn(purchases)

    def _score(self, who: Int) -> Real:
        return self.chosen_._score(who)

    def __repr__(self) -> str:
        return (
            f"AutoRecommender({self.task!r}, chose {self.chosen_!r})"
            if hasattr(self, "chosen_")
            else f"AutoRecommender({self.task!r})"
        )

    def _repr_html_(self) -> str:
        return tables.page(repr(self), **({"trials": self.trials_} if hasattr(self, "trials_") else {}))


def _usual(purchases: Purchases, new: bool) -> list[Recommender]:
    """What is tried."""
    out: list[Recommender] = [CoOccurrence(), CoOccurrence(a=0.3, l=0.3, r=0.2), CoOccurrence(prune=100)]
    if min(purchases.shape) <= AFFORDABLE:
        out.append(Ease())
    return out if new else [NextBasket(), *out[:1], *out[3:]]


def _told(model: Recommender) -> str:
    """A candidate, with the options that tell it from others."""
    options = {n: getattr(model, n) for n in ("a", "l", "r", "prune", "ridge") if getattr(model, n, None) is not None}
    return f"{type(model).__name__}({', '.join(f'{k}={v:g}' for k, v in options.items())})"
