"""Who brings the money: tiers by contribution that add up to the total, to the cent."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import pandas as pd

from crmintel.columns import AMOUNT, TIER
from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog
from crmintel.segmentation.rfm import rfm_values


@final
@dataclass
class ValueTiers:
    """ABC tiers: A is the smallest group that brings the first share of the money, B the next, C the rest, Z brings none.

    Parameters
    ----------
    shares : tuple of float
        Cumulative shares of the positive total at which A and B end.

    Attributes
    ----------
    cents_ : Series of int64
        Net contribution of each customer in hundredths, so that sums are exact.

    Notes
    -----
    Customers are ranked by (contribution, falling; identifier). Equal contributions at a boundary stay together in the
    better tier, so a tier depends on the value alone.
    """

    shares: tuple[float, float] = (0.8, 0.95)

    def fit(self, log: InteractionLog, *, at: Any) -> Self:
        """Rank the customers known before an instant.

        Raises
        ------
        DataContractError
            If the log has no amounts.
        """
        if not log.has_amounts:
            raise DataContractError(f"Value tiers need amounts. Map {AMOUNT!r}, or unit_price and quantity.")
        money = rfm_values(log, at)["monetary"]
        self.cents_ = pd.Series(np.rint(money.to_numpy() * 100).astype(np.int64), index=money.index, name="cents")
        return self

    def tiers(self) -> pd.DataFrame:
        """One row a customer: contribution (money) and tier."""
        cents = self.cents_.to_numpy()
        falling = np.sort(cents[cents > 0])[::-1]
        running = np.cumsum(falling)
        ends = [falling[np.searchsorted(running, s * running[-1])] if len(falling) else np.inf for s in self.shares]
        tier = np.select([cents <= 0, cents >= ends[0], cents >= ends[1]], ["Z", "A", "B"], "C")
        return pd.DataFrame({"contribution": cents / 100, TIER: pd.array(tier, dtype="str")}, index=self.cents_.index)

    def summary(self) -> pd.DataFrame:
        """Customers and money of each tier; the money adds up to the total exactly, in cents."""
        tier = self.tiers()[TIER]
        table = pd.DataFrame({TIER: tier, "cents": self.cents_}).groupby(TIER)["cents"].agg(["size", "sum"])
        table.columns = pd.Index(["customers", "cents"])
        positive = max(int(self.cents_[self.cents_ > 0].sum()), 1)
        return table.assign(
            share=table["customers"] / max(len(tier), 1), revenue_share=table["cents"] / positive
        ).reset_index()

    def concentration(self) -> pd.DataFrame:
        """The curve of cumulative money over customers, richest first: customer_share, revenue_share."""
        cents = np.sort(self.cents_.to_numpy())[::-1]
        total = max(int(cents[cents > 0].sum()), 1)
        points = np.unique(np.linspace(0, len(cents), 101).astype(int))
        running = np.concatenate([[0], np.cumsum(cents)])
        return pd.DataFrame({"customer_share": points / max(len(cents), 1), "revenue_share": running[points] / total})
