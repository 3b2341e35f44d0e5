"""Who brings the money: tiers by contribution that add up to the total, to the cent."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.exceptions import NotFittedError

from crmintel import features as f
from crmintel.columns import AMOUNT, CHANNEL, PURCHASE, RETURN, TIER
from crmintel.errors import DataContractError, DataContractWarning
from crmintel.evaluation.tables import page
from crmintel.features import FeatureSet
from crmintel.features.words import ALL
from crmintel.interactions import InteractionLog
from crmintel.segmentation.doors import log_of
from crmintel.segmentation.small import FEWEST, hidden

Cents = npt.NDArray[np.int64]
CONTACT: Final = "contact"
DECILES: Final = 10
_MOST_CENTS = 2.0**62


@final
@dataclass
class ValueTiers:
    """ABC tiers: A is the smallest group that brings the first share of the money, B the next, C the rest, Z brings none.

    Parameters
    ----------
    shares : tuple of float
        Cumulative shares of the positive total at which A and B end.
    cost : str, optional
        A kept column with the cost of each purchase or return: customers are ranked by margin then, not by amount.
    contact_costs : mapping of channel to float
        What an interaction of kind ``contact`` costs on each channel; it is taken off the customer's contribution.
    window : str, default="all"
        How far back contributions look, such as ``"365d"``. Against ends that are kept, lifetime contributions hardly ever
        fall: give a window to compare instants. Who brought nothing in it is in Z.

    Attributes
    ----------
    cents_ : Series of int64
        Net contribution of each customer in hundredths, rounded once a customer, so that all sums are exact.
    ends_ : tuple of int
        The least contribution of A and of B, in hundredths.

    Notes
    -----
    Equal contributions at a boundary stay together in the better tier, so a tier depends on the value alone. Customers with
    nothing or less form a tier of their own; with them the curve of the money rises above its end and comes back.

    Examples
    --------
    >>> days = pd.to_datetime(["2024-01-01"] * 4)
    >>> frame = pd.DataFrame({"customer_id": [1, 2, 3, 4], "timestamp": days, "amount": [50.0, 40, 9, 1]})
    >>> ValueTiers().fit(InteractionLog.read(frame), at="2024-02-01").tiers()[["contribution", "tier"]]
                 contribution tier
    customer_id
    1                    50.0    A
    2                    40.0    A
    3                     9.0    B
    4                     1.0    C
    """

    shares: tuple[float, float] = (0.8, 0.95)
    cost: str | None = None
    contact_costs: Mapping[str, float] = field(default_factory=dict)
    window: str = ALL

    def fit(self, log: InteractionLog, *, at: Any) -> Self:
        """Rank the customers known before an instant, and learn where tiers end.

        Raises
        ------
        DataContractError
            If fewer than two customers are known before it, the log has no amounts, or lacks the cost column or the
            channels of contacts, a contact costs less than 0, the shares are not two, or the window is no duration.
        DataTypeError
            If the log is none.
        """
        log_of(log)
        if not _rising(self.shares):
            raise DataContractError(
                f"shares are {self.shares!r}. Give two rising shares of the money, such as (0.8, 0.95)."
            )
        cents = self._contribution(log, at)
        if len(cents) < 2:
            raise DataContractError(f"{len(cents)} customers are known before the instant. Tiers need at least 2.")
        self.cents_ = cents
        falling = np.sort(self.cents_[self.cents_ > 0].to_numpy())[::-1]
        running = np.cumsum(falling)
        self.ends_ = tuple(int(falling[_reached(running, s)]) if len(falling) else 1 for s in self.shares)
        self._deciles = (
            falling[[(i * len(falling) - 1) // DECILES for i in range(1, DECILES)]] if len(falling) else falling
        )
        return self

    def tiers(self) -> pd.DataFrame:
        """One row a customer: contribution (money), tier, and decile of those who bring money (1 is best, 0 brings none)."""
        return self._told(self._fitted)

    def score(self, log: InteractionLog, *, at: Any) -> pd.DataFrame:
        """Customers of any log at any instant, by the ends of the tiers that were learned; columns as in `tiers`."""
        _ = self._fitted
        return self._told(self._contribution(log_of(log), at))

    def summary(self) -> pd.DataFrame:
        """Customers and money of each tier; the money adds up to the total exactly, in cents."""
        table = (
            pd.DataFrame({TIER: self.tiers()[TIER], "cents": self.cents_}).groupby(TIER)["cents"].agg(["size", "sum"])
        )
        table.columns = pd.Index(["customers", "cents"])
        return table.assign(
            share=table["customers"] / max(len(self.cents_), 1), revenue_share=table["cents"] / self._positive
        ).reset_index()

    def shared(self, fewest: int = FEWEST) -> pd.DataFrame:
        """The summary fit for others to see: the figures of tiers of fewer than `fewest` customers are missing.

        So are those of a further tier, where the total would tell the first; see `small.hidden`.
        """
        table = self.summary()
        shut = hidden(table["customers"].to_numpy(np.float64), fewest)
        figures = table.drop(columns=TIER).astype({"customers": "Int64", "cents": "Int64"})
        return pd.concat([table[[TIER]], figures.mask(pd.Series(shut))], axis=1)

    def top(self, n: int) -> pd.DataFrame:
        """The `n` customers who bring most, best first; of equal ones those whose identifier comes first.

        Raises
        ------
        DataContractError
            If `n` is below 1.
        """
        if n < 1:
            raise DataContractError(f"n is {n}. Ask for at least one customer.")
        order = np.lexsort((np.arange(len(self._fitted)), -self.cents_.to_numpy()))
        return self.tiers().iloc[order[:n]]

    def share_that_makes(self, part: float = 0.8) -> tuple[int, float]:
        """The fewest customers who bring a part of the positive total, and their share of all customers.

        Raises
        ------
        DataContractError
            If `part` is not in (0, 1], or nobody brings money.
        """
        falling = np.sort(self._fitted[self._fitted > 0].to_numpy())[::-1]
        if not 0 < part <= 1 or not len(falling):
            raise DataContractError(
                f"{part} of the money of {len(falling)} customers cannot be told. Ask for a part in (0, 1]."
            )
        number = int(_reached(np.cumsum(falling), part)) + 1
        return number, number / len(self.cents_)

    def concentration(self) -> pd.DataFrame:
        """The curve of cumulative money over customers, richest first: customer_share, revenue_share."""
        cents = np.sort(self._fitted.to_numpy())[::-1]
        points = np.unique(np.linspace(0, len(cents), 101).astype(int))
        running = np.concatenate([[0], np.cumsum(cents)])
        return pd.DataFrame(
            {"customer_share": points / max(len(cents), 1), "revenue_share": running[points] / self._positive}
        )

    def _repr_html_(self) -> str:
        return page(repr(self), tiers=self.summary()) if hasattr(self, "cents_") else page(repr(self))

    @property
    def _fitted(self) -> pd.Series:
        """The contributions it was fitted on, in cents."""
        if not hasattr(self, "cents_"):
            raise NotFittedError("These ValueTiers are not fitted. Call fit(log, at=...) first.")
        return self.cents_

    @property
    def _positive(self) -> int:
        """What customers who bring money bring together, in cents; at least 1."""
        return max(int(self.cents_[self.cents_ > 0].sum()), 1)

    def _told(self, cents: pd.Series) -> pd.DataFrame:
        x = cents.to_numpy()
        tier = np.select([x <= 0, x >= self.ends_[0], x >= self.ends_[1]], ["Z", "A", "B"], "C")
        decile = np.where(x > 0, 1 + np.sum(x < self._deciles[:, None], axis=0), 0)
        return pd.DataFrame(
            {"contribution": x / 100, TIER: pd.array(tier, dtype="str"), "decile": decile}, index=cents.index
        )

    def _contribution(self, log: InteractionLog, at: Any) -> pd.Series:
        """What each customer brought before an instant, less costs, in cents."""
        if not log.has_amounts:
            raise DataContractError(f"Value tiers need amounts. Map {AMOUNT!r}, or unit_price and quantity.")
        lacking = [c for c in (self.cost, CHANNEL if self.contact_costs else None) if c and c not in log.columns]
        if lacking:
            raise DataContractError(
                f"The log has no column {', '.join(lacking)}. Read it with keep=, or leave the cost out."
            )
        wrong = [c for c, price in self.contact_costs.items() if not 0 <= price < np.inf]
        if wrong:
            raise DataContractError(f"The cost of a contact is no number of at least 0 on: {', '.join(wrong)}.")
        sold = f.where(kind=[PURCHASE, RETURN])
        specs: list[f.Spec] = [f.total(AMOUNT, sold)]
        weights = [1.0]
        if self.cost is not None:
            specs += [
                f.total(self.cost, sold),
                f.count(sold & ~f.between(self.cost)).named("without_cost", "without cost"),
            ]
            weights += [-1.0, 0.0]
        for channel, price in self.contact_costs.items():
            specs.append(f.count(f.where(kind=CONTACT, channel=channel)))
            weights.append(-float(price))
        table = FeatureSet([s.over(self.window) for s in specs]).build(log, at)
        if self.cost is not None and (without := int(table.iloc[:, 2].sum())):
            raise DataContractError(
                f"{without:,} purchases or returns have no {self.cost!r}: their margin is not known. Fill it, or rank by amount."
            )
        contacts = table.columns[len(specs) - len(self.contact_costs) :]
        if silent := [c for c, name in zip(self.contact_costs, contacts, strict=True) if not table[name].any()]:
            warnings.warn(
                f"No contact before the instant{'' if self.window == ALL else ', in the window,'} on: {', '.join(silent)}. Compare the names with those of the log's channels.",
                DataContractWarning,
                stacklevel=3,
            )
        money = sum(w * table[c].to_numpy() for w, c in zip(weights, table.columns, strict=True))
        cents = np.rint(np.asarray(money) * 100)
        if np.abs(cents).sum() >= _MOST_CENTS:
            raise DataContractError(
                "The money of all customers does not fit 63 bits of cents. Give amounts in a larger unit."
            )
        return pd.Series(cents.astype(np.int64), index=table.index, name="cents")


def _rising(shares: Any) -> bool:
    """Whether they are two rising numbers in (0, 1]."""
    try:
        first, second = (float(s) for s in shares)
    except (TypeError, ValueError):
        return False
    return 0 < first <= second <= 1


def _reached(running: Cents, share: float) -> Any:
    """The first place at which a rising sum reaches a share of its end."""
    wanted = Fraction(str(share)) * int(running[-1])  # as it is written: .55 of 100 cents is 55 of them
    return min(np.searchsorted(running, -(-wanted.numerator // wanted.denominator)), len(running) - 1)
