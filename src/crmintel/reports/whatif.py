"""What another budget, or another cost of a contact, would reach: a ladder of groups of customers, never of one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.actions.plan import WORTH_PROVING
from crmintel.errors import DataContractError
from crmintel.reports.frames import take
from crmintel.reports.small import SMALLEST
from crmintel.showing import Shown

ASSUMED: Final = WORTH_PROVING
"""Share of the money at risk that a contact keeps, as long as nobody measured it: what the experiment is made to prove."""
MOST_STEPS: Final = 500
_GROWTH: Final = 0.025
_TOUCH: Final = 1e-9
_MANY: Final = 2.0**53
Whole = npt.NDArray[np.int64]


@final
@dataclass(frozen=True, eq=False)
class WhatIf(Shown):
    """What the plan page can work out anew when the reader changes the budget or the cost of a contact.

    Made by `what_if`. The plan takes customers by falling money at risk, as long as it exceeds the cost of a contact, until the
    money for all is planned; a random part of those chosen is left alone.

    Parameters
    ----------
    ladder : DataFrame
        customers, at_risk: how many customers, the most at risk first, and the money at risk of all of these; both
        cumulated, without a row for nobody. Inside a step, all customers count as its mean.
    cost, budget : float
        Of one contact, and of the plan; the money for those left alone is not spent.
    holdout : float in [0, 1)
        Share of those chosen that is left alone.
    chosen : int
        Customers that the plan chooses for this action; 0 or a step of the ladder.
    planned : int
        Customers that the plan chooses for all of its actions; 0 or a step of the ladder.
    action : str
        What is done.
    actions : int
        How many actions the plan has; the ladder speaks of this one, as if it were the only one.
    capacity : int, optional
        Customers that the action can reach, those left alone included.
    kept : float in [0, 1], optional
        Share of the money at risk that a contact keeps, where that was measured.
    """

    ladder: pd.DataFrame
    cost: float
    budget: float
    holdout: float
    chosen: int
    planned: int
    action: str
    actions: int = 1
    capacity: int | None = None
    kept: float | None = None

    def edges(self) -> tuple[Whole, npt.NDArray[np.float64]]:
        """Customers and money at risk at the beginning of each step and at the end of the last, 0 first."""
        frame = take(self.ladder, "plan.what_if.ladder", ("customers", "at_risk"))
        customers = np.r_[0, frame["customers"].to_numpy(dtype=np.int64)]
        at_risk = np.r_[0.0, frame["at_risk"].to_numpy(dtype=np.float64)]
        if (np.diff(customers) <= 0).any() or not np.isfinite(at_risk).all():
            raise DataContractError("The ladder of plan.what_if does not rise. Give cumulated customers and money.")
        if missing := {self.chosen, self.planned} - set(customers.tolist()):
            raise DataContractError(f"{len(missing)} of chosen and planned are no step of the ladder. Add these steps.")
        return customers, at_risk


@final
@dataclass(frozen=True)
class Outcome(Shown):
    """What a budget and a cost of a contact would come to; made by `outcome`.

    Parameters
    ----------
    chosen, contacted, left_alone : int
        Customers the plan would choose, and of these the ones who are contacted and the random rest.
    spent : float
        Cost of all contacts.
    at_risk : float
        Money at risk of those chosen.
    saved, net : float
        What contacting keeps of it, by the assumed share, and that less what is spent.
    worth : int
        Customers of whom a contact keeps at least its cost, by the mean of their step.
    enough : float
        The budget with which the plan reaches these, or as many as the action can.
    next_unit : float
        What one more unit of money would keep; 0 where more money reaches nobody else.
    counted, exact : bool
        Whether the number of customers is exact, and whether the money at risk is, too; otherwise they are right to a step.
    """

    chosen: int
    contacted: int
    left_alone: int
    spent: float
    at_risk: float
    saved: float
    net: float
    worth: int
    enough: float
    next_unit: float
    counted: bool
    exact: bool


def what_if(
    at_risk: Any,
    *,
    cost: float,
    budget: float,
    holdout: float,
    capacity: int | None = None,
    planned: int | None = None,
    action: str = "contact",
    actions: int = 1,
) -> WhatIf | None:
    """The ladder of a plan of `crmintel.actions.plan_actions`: what any budget would reach at any cost of a contact.

    Steps have at least ten customers, more where more are passed already, and no more than 500 of them are made, so nothing can be read from them about
    one customer. What the plan chooses is a step of its own, so that the ladder tells just what the plan does.

    Parameters
    ----------
    at_risk : array or Series of float, shape (n_customers,)
        Money at risk of each customer: recent business times the probability of leaving.
    cost, budget, holdout, capacity
        As the plan was told: of its first action where it has several.
    planned : int, optional
        Customers that the plan chooses for all of its actions together; by default it has one.
    action : str
        What is done.
    actions : int
        How many actions the plan has.

    Returns
    -------
    WhatIf or None
        None where so few are contacted or left alone that the ladder would tell about them.

    Examples
    --------
    >>> ladder = what_if(np.arange(200.0), cost=4.0, budget=320.0, holdout=0.2)
    >>> done = outcome(ladder)
    >>> done.chosen, done.contacted, done.spent, done.at_risk
    (100, 80, 320.0, 14950.0)
    """
    risk = np.sort(np.nan_to_num(np.asarray(at_risk, dtype=np.float64)))[::-1]
    risk = risk[risk > 0]
    whole = pd.DataFrame({"customers": np.arange(1, len(risk) + 1), "at_risk": np.cumsum(risk)})
    chosen = min(int((risk > cost).sum()), _afford(budget, cost, holdout), len(risk) if capacity is None else capacity)
    fine = WhatIf(
        whole, float(cost), float(budget), holdout, chosen, chosen if planned is None else planned, action, actions, capacity
    )  # fmt: skip
    return coarse(fine)


def coarse(fine: WhatIf, k: int = SMALLEST, *, held: int | None = None) -> WhatIf | None:
    """The same in steps of at least `k` customers, at most 500 of them.

    Parameters
    ----------
    held : int, optional
        Customers that the whole plan leaves alone; those of this one action by default.

    Returns
    -------
    WhatIf or None
        None where fewer than `k` customers could be told apart: the plan's own figures beside the ladder would give them away.
    """
    customers, at_risk = fine.edges()
    treated = math.floor(fine.chosen * (1 - fine.holdout))
    alone = fine.chosen - treated
    others = 0 if held is None else held - alone
    parts = (treated, alone, others, fine.planned - fine.chosen, int(customers[-1]))
    if any(0 < n < k for n in parts) or min(parts) < 0 or not customers[-1]:
        return None
    marks = sorted({fine.chosen, fine.planned} - {0})
    reach = int(customers[_reach(_means(customers, at_risk), fine.cost)])
    if all(abs(reach - m) >= k for m in (0, *marks, int(customers[-1]))):
        marks = sorted([*marks, reach])
    growth = _GROWTH
    while len(cut := _cut(customers, marks, k, growth)) > MOST_STEPS:
        growth *= 2
    kept = np.searchsorted(customers, cut)
    return replace(fine, ladder=pd.DataFrame({"customers": customers[kept], "at_risk": at_risk[kept]}))


def _cut(customers: Whole, marks: Sequence[int], k: int, growth: float) -> list[int]:
    """Ends of steps: the marks, and between them others that are far enough from both neighbours."""
    out, last, end = [], 0, int(customers[-1])
    for stop in [*marks, *([end] if end not in marks else [])]:
        while (i := int(np.searchsorted(customers, last + max(k, math.ceil(growth * last))))) < len(customers):
            if customers[i] > stop - k:
                break
            last = int(customers[i])
            out.append(last)
        if stop in marks or stop - last >= k:
            out.append(stop)
        elif last not in marks:
            out[-1] = stop
        last = out[-1]
    return out


def outcome(
    ladder: WhatIf, *, budget: float | None = None, cost: float | None = None, kept: float | None = None
) -> Outcome:
    """What the plan would come to with another budget or cost of a contact; the page's own script does the same sums.

    Parameters
    ----------
    ladder : WhatIf
    budget, cost : float, optional
        Those of the plan by default.
    kept : float in [0, 1], optional
        Share of the money at risk that a contact keeps. It is an assumption as long as the effect was not measured; by default what was measured, or a tenth.

    Raises
    ------
    DataContractError
        If an amount is negative or not finite, or the share lies outside 0 to 1.

    Examples
    --------
    >>> ladder = what_if(np.arange(200.0), cost=4.0, budget=320.0, holdout=0.2)
    >>> more = outcome(ladder, budget=400.0, kept=0.1)
    >>> more.chosen, more.contacted, round(more.net, 2), more.worth
    (125, 100, 969.0, 160)
    """
    budget, cost = (own if given is None else given for given, own in ((budget, ladder.budget), (cost, ladder.cost)))
    kept = (ASSUMED if ladder.kept is None else ladder.kept) if kept is None else kept
    if not (0 <= budget < math.inf and 0 <= cost < math.inf and 0 <= kept <= 1):
        raise DataContractError(
            f"The budget is {budget}, the cost {cost}, the share {kept}. Give money of at least 0, and a share between 0 and 1."
        )
    customers, at_risk = ladder.edges()
    means, share = _means(customers, at_risk), 1 - ladder.holdout
    reach, afford = _reach(means, cost), _afford(budget, cost, ladder.holdout)
    limit = int(customers[reach]) if ladder.capacity is None else min(int(customers[reach]), ladder.capacity)
    chosen = min(limit, afford)
    step = int(np.searchsorted(customers, chosen, side="right")) - 1
    inside = chosen - int(customers[step])
    risk = float(at_risk[step] + (inside * means[step] if inside else 0.0))
    contacted = math.floor(chosen * share)
    spent = contacted * cost
    saved = kept * risk * contacted / chosen if chosen else 0.0
    paying = int(np.argmin(np.r_[kept * means >= cost * (1 - _TOUCH), False])) if kept else 0
    worth = int(customers[paying])
    counted = chosen <= int(customers[max(reach - 1, 0)]) or (cost == ladder.cost and chosen <= ladder.chosen)
    return Outcome(
        chosen=chosen, contacted=contacted, left_alone=chosen - contacted, spent=spent, at_risk=risk, saved=saved, net=saved - spent,
        worth=worth, enough=(worth if ladder.capacity is None else min(worth, ladder.capacity)) * share * cost,
        next_unit=kept * float(means[step]) / cost if afford < limit else 0.0, counted=counted, exact=counted and not inside,
    )  # fmt: skip


def _means(customers: Whole, at_risk: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Money at risk of the mean customer of each step."""
    means: npt.NDArray[np.float64] = np.diff(at_risk) / np.diff(customers)
    return means


def _reach(means: npt.NDArray[np.float64], cost: float) -> int:
    """Steps in which a contact costs less than what is at risk."""
    return int(np.argmin(np.r_[means > cost * (1 + _TOUCH), False]))


def _afford(budget: float, cost: float, holdout: float) -> int:
    """Customers that the money is enough for, those left alone included; just as the plan counts them."""
    return int(min(budget / (1 - holdout) / cost + 1e-9, _MANY)) if cost else int(_MANY)


def amount(x: float) -> str:
    """Money of a form in full: two digits after the point below a hundred.

    >>> amount(1234.5), amount(4.5), amount(4.0), amount(-0.001)
    ('1,235', '4.50', '4', '0')
    """
    digits = 0 if abs(x) >= 100 else 2
    rounded = math.floor(abs(x) * 10**digits + 0.5) / 10**digits
    return ("\N{MINUS SIGN}" if x < 0 and rounded else "") + f"{rounded:,.{digits}f}".removesuffix(".00")
