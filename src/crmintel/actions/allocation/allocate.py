"""The best use of limited contacts and money: prices from the Lagrangian dual, then a whole plan, with a certificate."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from crmintel.actions.allocation.blocks import Source, read_source
from crmintel.actions.allocation.dual import FINE, Sample, descend, draw
from crmintel.actions.allocation.limits import Limits, read_limits
from crmintel.actions.allocation.milp import best
from crmintel.actions.allocation.polish import polish
from crmintel.actions.allocation.prices import Prices
from crmintel.actions.allocation.repair import Candidates, Mask, Unmet, collect, repair
from crmintel.actions.allocation.result import Allocation, allocation
from crmintel.errors import DataContractError

GAP: Final = 1e-4
"""A plan this close to its bound is good enough."""
TINY, SMALL, WHOLE = 2_000, 20_000, 200_000
"""Pairs up to which HiGHS closes a gap; up to which it settles whether limits can be kept; up to which every pair comes into question."""
FINER: Final = (1e-3, 1e-4, 1e-5, 1e-6)
"""Smoothing of further descents while the plan is not that close, in standard deviations of the net gain."""
NODES: Final = 2_000
"""Of HiGHS's search when it only closes a gap: no limit of time, so that the plan is the same on every machine."""
MARGIN: Final = 4 * FINE
"""How far below its price a pair still comes into question, in standard deviations of the net gain."""


def allocate(
    gain: Any,
    *,
    cost: Any = None,
    capacity: Mapping[str, int] | None = None,
    budget: float | None = None,
    max_contacts: int = 1,
    eligible: Any = None,
    quota: Mapping[str, int] | None = None,
    groups: Mapping[str, Hashable] | None = None,
    priced: bool = True,
    actions: Sequence[str] | None = None,
) -> Allocation:
    """Choose the actions for each customer that together bring the most within capacities, budget and contacts.

    Parameters
    ----------
    gain : DataFrame, array of shape (n_customers, n_actions), or a stream
        Money each action brings, before its cost; may be negative. A stream is a function (or a list) that starts the blocks anew at each
        pass: arrays of rows, or tuples (gain, cost, eligible); it is read three to six times, in memory that does not grow with the
        customers but for a few bytes each and the contacts chosen.
    cost : float, mapping from action, array (n_actions,), or table (n_customers, n_actions), default=0
        Money a contact costs, at least 0 (a cost of 0 is allowed, as for an `Action`); it counts against the budget.
    capacity : mapping from action, optional
        At most so many contacts, at least 1; actions left out have no limit.
    budget : float, optional
        Money for all contacts, above 0.
    max_contacts : int, default=1
        At most so many different actions a customer.
    eligible : table of bool, optional
        Which action is open to whom. The gain of the others is not looked at.
    quota : mapping from action, optional
        At least so many contacts, even at a loss.
    groups : mapping from action to the name of a group, optional
        A customer gets at most one action of a group.
    priced : bool, default=True
        Whether the gain is money, so that the cost is taken off it.
    actions : sequence of str, optional
        Names of the columns, if `gain` is no DataFrame.

    Raises
    ------
    DataContractError
        If a number is out of range, a name unknown, a table does not fit, or no plan meets the quotas (beyond 20,000 pairs: none was found).

    Notes
    -----
    Prices minimise the Lagrangian dual, smoothed by a quadratic term (Nesterov 2005, *Mathematical Programming* 103), by L-BFGS on a sample of a
    million pairs, then on those customers of all whose decision hangs on a small change of prices; the unsmoothed dual over all customers is the bound. The plan follows the prices but for the few decisions at the
    margin. It does not depend on the order of rows: where gains less prices are equal, customers go by a hash of their identifier (in an
    array or a stream: of their position), actions by their order. Up to 2,000 pairs HiGHS closes what gap is left.

    Examples
    --------
    >>> import pandas as pd
    >>> gain = pd.DataFrame({"call": [9.0, 8.0, 1.0], "mail": [8.0, 3.0, 2.0]}, index=pd.Index([7, 8, 9], name="customer_id"))
    >>> plan = allocate(gain, cost={"call": 2.0, "mail": 0.5}, capacity={"call": 1})
    >>> plan.table[["customer_id", "action", "net"]]
       customer_id action  net
    0            7   mail  7.5
    1            8   call  6.0
    2            9   mail  1.5
    >>> plan
    Allocation: 3 contacts for 3 of 3 customers, value 15.00 (at most 0 below the best), cost 3.00
    """
    source = read_source(gain, cost, eligible, actions)
    limits = read_limits(
        source.actions, cost=source.cost, capacity=capacity, budget=budget, max_contacts=max_contacts, quota=quota, groups=groups, priced=priced
    )  # fmt: skip
    sample = draw(source, limits)
    _check_quotas(limits, sample)
    size = sample.total * len(source.actions)
    prices = Prices(*descend(sample, limits), limits)
    if sample.net.shape[1] < sample.total:
        prices = polish(source, prices, sample, FINE)
    plan = _plan(source, prices, sample, size)
    for eps in FINER:
        if plan is None or plan.gap <= GAP or size <= TINY:
            break
        prices = polish(source, plan.prices, sample, eps)
        other = _plan(source, prices, sample, size)
        plan = plan if other is None or other.gap >= plan.gap else other
    if plan is None or (size <= TINY and plan.gap > GAP):
        return _exactly(source, prices, sample, plan, NODES if plan else None)
    return plan


def allocate_exactly(
    gain: Any,
    *,
    cost: Any = None,
    capacity: Mapping[str, int] | None = None,
    budget: float | None = None,
    max_contacts: int = 1,
    eligible: Any = None,
    quota: Mapping[str, int] | None = None,
    groups: Mapping[str, Hashable] | None = None,
    priced: bool = True,
    actions: Sequence[str] | None = None,
) -> Allocation:
    """The same as :func:`allocate`, solved to the end by HiGHS: for up to some 20,000 pairs of customer and action.

    Parameters and complaints are those of :func:`allocate`; that no plan exists is proven here.

    Examples
    --------
    >>> allocate_exactly(np.array([[5.0, 4.0], [4.0, 1.0]]), max_contacts=2, capacity={"a": 1}, actions=["a", "b"]).value
    10.0
    """
    source = read_source(gain, cost, eligible, actions)
    limits = read_limits(
        source.actions, cost=source.cost, capacity=capacity, budget=budget, max_contacts=max_contacts, quota=quota, groups=groups, priced=priced
    )  # fmt: skip
    sample = draw(source, limits)
    _check_quotas(limits, sample)
    return _exactly(source, Prices(*descend(sample, limits), limits), sample, None, None)


def _plan(source: Source, prices: Prices, sample: Sample, size: int) -> Allocation | None:
    """The plan of some prices; None if HiGHS has to settle whether there is one."""
    margin = np.inf if size <= WHOLE or sample.scale == 0 else MARGIN * sample.scale
    for wider in (1.0, 10.0, 100.0, np.inf):
        pairs = collect(source, prices, margin * wider)
        try:
            taken: Mask = repair(pairs, prices.limits)
        except Unmet as unmet:
            if margin * wider < np.inf:
                continue
            if size <= SMALL:
                return None
            raise DataContractError(
                f"No plan was found that keeps {unmet}. Lower the quotas, raise the budget or capacities, or open actions to more customers."
            ) from unmet
        return allocation(pairs, taken, pairs.bound, prices, source.customers, sample)
    raise AssertionError  # the last margin is infinite: it returns or raises


def _exactly(source: Source, prices: Prices, sample: Sample, plan: Allocation | None, nodes: int | None) -> Allocation:
    """HiGHS's plan, unless it stopped before finding a better one."""
    pairs: Candidates = collect(source, prices, np.inf)
    try:
        taken, bound = best(pairs, prices.limits, nodes=nodes)
    except Unmet as unmet:
        raise DataContractError(
            f"No plan keeps {unmet}. Lower the quotas, raise the budget or capacities, or open actions to more customers."
        ) from unmet
    bound = min(bound, pairs.bound)
    if taken is None:
        raise DataContractError("HiGHS found no plan. Use allocate.")
    other = allocation(pairs, taken, bound, prices, source.customers, sample)
    return (
        other
        if plan is None or other.value > plan.value
        else replace(plan, bound=max(min(bound, plan.bound), plan.value))
    )


def _check_quotas(limits: Limits, sample: Sample) -> None:
    """Complain about quotas that nobody could meet."""
    for name, least, people in zip(limits.actions, limits.quota, sample.eligible, strict=True):
        if least > people:
            raise DataContractError(
                f"The quota of action {name!r} is {least:,}, but {people:,} customers are eligible. Lower it."
            )
    wanted, places = int(limits.quota.sum()), limits.contacts * sample.total
    if wanted > places:
        raise DataContractError(
            f"The quotas ask for {wanted:,} contacts, {places:,} are allowed to all customers. Lower them."
        )
    if limits.cost is not None and (money := float(limits.quota @ limits.cost)) > limits.most:
        raise DataContractError(
            f"The quotas cost {money:,.2f}, the budget is {limits.budget:,.2f}. Lower the quotas or raise the budget."
        )
