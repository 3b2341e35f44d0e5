"""What an offer to a customer brings and costs: checked amounts, one for everybody or one for each customer."""

from dataclasses import dataclass
from typing import Self, final

import numpy as np
import numpy.typing as npt

from crmintel.errors import DataContractError
from crmintel.evaluation import checks
from crmintel.evaluation.aligned import together
from crmintel.evaluation.intervals import Floats, group_codes


@final
@dataclass(frozen=True)
class Money:
    """What is at stake with each customer, in one currency.

    Parameters
    ----------
    value : array of float, shape (n_customers,)
        What is kept when a leaver stays; above the incentive.
    contact, incentive : array of float, shape (n_customers,)
        What a contact costs, and what is given to those who take the offer; zero or more.
    accepts : array of float in [0, 1], shape (n_customers,)
        Chance that a leaver takes the offer.
    equal : bool
        Whether every customer has the same four.
    """

    value: Floats
    contact: Floats
    incentive: Floats
    accepts: Floats
    equal: bool

    @classmethod
    def checked(
        cls,
        n: int,
        value: npt.ArrayLike,
        contact_cost: npt.ArrayLike,
        incentive_cost: npt.ArrayLike,
        acceptance: npt.ArrayLike,
    ) -> "Money":
        """What is at stake with `n` customers, each amount a number or an array (BAD_INPUTS row 107).

        Raises
        ------
        DataContractError
            If an amount is missing, infinite, out of range or of another length.
        """
        named = {
            "value": value, "contact_cost": contact_cost, "incentive_cost": incentive_cost, "acceptance": acceptance
        }  # fmt: skip
        told = {name: _amount(amount, name, n) for name, amount in named.items()}
        _range("value", told["value"] > 0, "above zero")
        _range("contact_cost", told["contact_cost"] >= 0, "zero or more")
        _range("incentive_cost", told["incentive_cost"] >= 0, "zero or more")
        _range("incentive_cost", told["incentive_cost"] < told["value"], "below the value of the customer")
        _range("acceptance", (told["acceptance"] >= 0) & (told["acceptance"] <= 1), "a chance from 0 to 1")
        equal = all(bool((amount == amount[0]).all()) for amount in told.values())
        return cls(told["value"], told["contact_cost"], told["incentive_cost"], told["acceptance"], equal)

    def take(self, rows: npt.NDArray[np.intp]) -> Self:
        """The amounts of some customers, in their order."""
        return type(self)(self.value[rows], self.contact[rows], self.incentive[rows], self.accepts[rows], self.equal)

    def gain(self, leaves: Floats) -> Floats:
        """What contacting each customer brings: `leaves` is the label, or the chance of leaving.

        A leaver takes the offer with the own chance and then stays; a stayer always takes it.

        >>> Money.checked(2, 200, 1, 10, 0.3).gain(np.array([1.0, 0.0])).tolist()
        [56.0, -11.0]
        """
        kept = leaves * (self.accepts * (self.value - self.incentive))
        return np.asarray(kept - (1 - leaves) * self.incentive - self.contact)

    def rank(self, score: Floats) -> Floats:
        """What the list is sorted by: the score where all amounts are equal, else the expected gain."""
        return score if self.equal else self.gain(score)


def in_order(
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    value: npt.ArrayLike,
    contact_cost: npt.ArrayLike,
    incentive_cost: npt.ArrayLike,
    acceptance: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
) -> tuple[Floats, Floats, Money, npt.NDArray[np.intp]]:
    """Labels, scores, amounts and codes of the groups, checked, in an order that the content of the rows decides.

    What comes with an index finds its customers by it.
    """
    told = together(
        y=y, score=score, value=value, contact_cost=contact_cost, incentive_cost=incentive_cost, acceptance=acceptance,
        groups=groups,
    )  # fmt: skip
    left, scores = checks.labels(told.pop("y")), checks.amounts(told.pop("score"), "score")
    checks.same_length({"y": left, "score": scores})
    groups = told.pop("groups")
    money = Money.checked(len(left), **told)
    codes = np.arange(len(left)) if groups is None else group_codes(groups, len(left))
    rows = by_content(scores, left, money.value, money.contact, money.incentive, money.accepts, codes)
    return left[rows], scores[rows], money.take(rows), codes[rows]


def by_content(*columns: npt.NDArray[np.generic]) -> npt.NDArray[np.intp]:
    """An order of the rows that depends on what they hold alone, so that shuffled rows give the same bits."""
    return np.lexsort(columns[::-1])


def _amount(amount: npt.ArrayLike, name: str, n: int) -> Floats:
    if np.ndim(amount) == 0:
        return np.full(n, checks.amounts(np.atleast_1d(np.asarray(amount)), name)[0])
    told = checks.amounts(amount, name)
    if len(told) != n:
        raise DataContractError(
            f"{name} has {len(told):,} amounts for {n:,} customers. Pass one number, or one for each customer."
        )
    return told


def _range(name: str, right: npt.NDArray[np.bool_], rule: str) -> None:
    wrong = int((~right).sum())
    if wrong:
        raise DataContractError(
            f"{name} must be {rule}; it is not for {wrong:,} of {len(right):,} customers. "
            "Correct it, or leave these customers out."
        )
