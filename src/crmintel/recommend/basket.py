"""The next basket: own habits, what is popular, and what goes together, weighed as the last baskets teach."""

from typing import final

import numpy as np

from crmintel.recommend.base import Int, Recommender
from crmintel.recommend.baskets import Baskets
from crmintel.recommend.blend import Alike, Blend, Parts
from crmintel.recommend.blend_learning import learn, told
from crmintel.recommend.purchases import Purchases
from crmintel.recommend.rules import Exclude
from crmintel.recommend.topk import Real


@final
class NextBasket(Recommender):
    """Rank items by how likely they are in each customer's next basket, those bought before among them.

    The score is own + popularity × share + together × company + alike × votes, all of them rates per basket:

    * own: the share of the customer's baskets that hold the item, later ones counting more;
    * share: of all baskets how many hold the item, or of the last weeks, or of the latest baskets of customers;
    * company: the mean over own items j, weighed by own, of baskets with both / (baskets with j + 5); with more than 4,000 items
      only pairs that were together in two baskets count;
    * votes: the mean of own over the hundred customers with the most alike histories, weighed by squared cosines.

    How own baskets fade, the weights (0 among them), and the window are learnt: which would have told the last basket before the instant best, from
    what was before it (recall + NDCG of ten)? Of other customers all but their own last basket is known then, later ones too.

    Parameters
    ----------
    blend : Blend, optional
        Weights that are not learnt.
    random_state : int
        Seed of the sample of customers whose last baskets are looked at, 3,000 at most.

    Attributes
    ----------
    blend_ : Blend
        The weights.
    trials_ : DataFrame
        What was tried: the fields of Blend, recall and ndcg at the earlier instant; no rows where weights are given, or fewer than
        50 customers have two baskets (then they are the defaults).
    n_cut_ : int
        Baskets of more than 200 items, whose rarest items are not paired.

    Notes
    -----
    Decay and popularity follow Hu et al. (2020), SIGIR, and Li et al. (2023), "A Next Basket Recommendation Reality Check", ACM TOIS.
    A log without a clock may give instants by position: only their order, and weeks, are looked at.

    Examples
    --------
    >>> import pandas as pd
    >>> from crmintel import InteractionLog
    >>> day = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-01", "2024-01-02"])
    >>> log = InteractionLog.read(pd.DataFrame({"customer_id": [1, 1, 1, 2, 2], "timestamp": day, "item_id": list("abbbc")}))
    >>> NextBasket().fit(log).recommend([1], k=3)["item_id"].tolist()
    ['b', 'a', 'c']
    """

    name = "next basket"
    habit: Exclude = None

    def __init__(self, *, blend: Blend | None = None, random_state: int = 0) -> None:
        self.blend, self.random_state = blend, random_state

    def _fit(self, purchases: Purchases) -> None:
        baskets = Baskets.of(purchases)
        if self.blend is None:
            self.blend_, self.trials_ = learn(baskets, self.random_state, Blend())
        else:
            self.blend_, self.trials_ = self.blend, told({})
        self._parts = Parts(baskets)
        self.n_cut_ = self._parts.n_cut
        self._rates = self._parts.own(self.blend_)
        self._share, self._period = self._parts.popular(self.blend_)
        self._alike = Alike(self._rates) if self.blend_.alike else None
        self._loyal = self._parts.repeats**self.blend_.loyalty

    def _score(self, who: Int) -> Real:
        own = self._rates[who]
        score = self.blend_.popularity * self._share[self._period[who]]
        score += own.toarray() * self._loyal
        if self.blend_.together:
            score += self.blend_.together * self._parts.company(own)
        if self._alike is not None:
            score += self.blend_.alike * self._alike.votes(who)
        return np.asarray(score)
