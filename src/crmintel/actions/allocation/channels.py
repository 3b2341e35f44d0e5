"""An allocation whose actions share the capacities of channels."""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize

from crmintel.actions.allocation.allocate import allocate
from crmintel.actions.allocation.blocks import read_source
from crmintel.actions.allocation.dual import FEW, FINE, SMOOTH, Sample, draw, room, smoothed
from crmintel.actions.allocation.limits import Float, Int, Limits, read_limits
from crmintel.actions.allocation.result import Allocation
from crmintel.actions.catalogue.catalog import ActionCatalog
from crmintel.actions.catalogue.eligibility import Eligibility
from crmintel.errors import DataContractError

EASED: Final = (1.0, 0.98, 0.9, 0.5, 0.0)
"""Shares of the channels' prices that are tried until they leave no channel emptier than need be."""
EMPTY: Final = 1e-3
"""The part of a channel that may stay empty before its price is eased."""


def allocate_catalog(
    gain: pd.DataFrame,
    catalog: ActionCatalog,
    *,
    eligible: Any = None,
    budget: float | None = None,
    max_contacts: int = 1,
    quota: Mapping[str, int] | None = None,
    groups: Mapping[str, Hashable] | None = None,
    priced: bool = True,
) -> Allocation:
    """The best use of a catalogue's actions, within its capacities and those of its channels.

    Parameters
    ----------
    gain : DataFrame, one row a customer, one column an action
        Money each action brings, before its cost.
    catalog : ActionCatalog
        Names, costs and capacities.
    eligible : Eligibility or table of bool, optional
        What `catalog.check` said.
    budget, max_contacts, quota, groups, priced
        As in `allocate`.

    Raises
    ------
    DataContractError
        As `allocate` does; if gain lacks an action of the catalogue or holds an unknown one; or if quotas exceed a channel.

    Notes
    -----
    A channel's capacity has one price for all its actions, learned with the other prices from the dual of a sample. The contacts
    that are worth most at this price say how the channel is divided between its actions; with these capacities the plan is
    made. `bound` is of the undivided problem. No channel is ever exceeded.

    Examples
    --------
    >>> from crmintel.actions import Action, Channel
    >>> catalog = ActionCatalog([Action("call", 1.0, channel="phone"), Action("text", 0.5, channel="phone")], [Channel("phone", capacity=2)])
    >>> gain = pd.DataFrame({"call": [9.0, 8.0, 1.0], "text": [8.0, 3.0, 7.0]}, index=pd.Index([7, 8, 9], name="customer_id"))
    >>> allocate_catalog(gain, catalog).table[["customer_id", "action"]]
       customer_id action
    0            7   call
    1            8   call
    """
    names = catalog.names
    if unknown := [c for c in gain.columns if c not in names]:
        raise DataContractError(f"gain has columns that are no actions: {unknown}. Known are {list(names)}.")
    if lost := [n for n in names if n not in gain.columns]:
        raise DataContractError(f"gain has no column for {lost}. Give one for each action of the catalogue.")
    gain = gain[list(names)]
    allowed = eligible.mask if isinstance(eligible, Eligibility) else eligible
    options: dict[str, Any] = {
        "cost": catalog.costs, "budget": budget, "max_contacts": max_contacts, "quota": quota, "groups": groups, "priced": priced,
    }  # fmt: skip
    shared, most = _shared(catalog)
    least = np.array([(quota or {}).get(n, 0) for n in names])
    if (over := np.flatnonzero(shared @ least > most)).size:
        which = [c.name for c in catalog.channels if c.capacity is not None and c.name in catalog.through.values()]
        raise DataContractError(f"The quotas ask for more than the capacity of channel {which[over[0]]!r}. Lower them.")
    plan = free = allocate(gain, capacity=catalog.capacity, eligible=allowed, **options)
    if (shared @ plan.counts.to_numpy() <= most).all():
        return plan
    source = read_source(gain, options["cost"], allowed, None)
    limits = read_limits(source.actions, capacity=catalog.capacity, **(options | {"cost": source.cost}))
    charge = _prices(draw(source, limits), limits, shared, most)
    bound, money = plan.bound, charge @ shared
    for share in EASED:
        plan = allocate(gain - share * money, capacity=catalog.capacity, eligible=allowed, **options)
        bound = min(bound, plan.bound + share * float(charge @ most))
        if ((shared @ plan.counts.to_numpy() >= most * (1 - EMPTY)) | (charge == 0)).all():
            break
    capacity = _divided(plan, shared, most, least, limits)
    shut = [n for n, c in zip(names, capacity, strict=True) if c == 0]
    allowed = (
        pd.DataFrame(True, gain.index, gain.columns)
        if allowed is None
        else pd.DataFrame(allowed, gain.index, gain.columns)
    )
    allowed = allowed.assign(**{n: np.zeros(len(gain), bool) for n in shut})
    rest = {n: int(c) for n, c in zip(names, capacity, strict=True) if 0 < c < np.inf}
    plan = allocate(gain, capacity=rest, eligible=allowed, **options)
    # An action that got none of its channel was closed above: what is said of customers left out is of the time before.
    return replace(plan, bound=max(bound, plan.value), _standing=free._standing)


def _shared(catalog: ActionCatalog) -> tuple[Float, Int]:
    """Which actions each limited channel has, of shape (n_channels, n_actions), and its capacity."""
    limited = [c for c in catalog.channels if c.capacity is not None and c.name in catalog.through.values()]
    members = np.array([[a.channel == c.name for a in catalog.actions] for c in limited], np.float64)
    return members.reshape(len(limited), len(catalog.actions)), np.array([c.capacity for c in limited], np.int64)


def _prices(sample: Sample, limits: Limits, shared: Float, most: Int) -> Float:
    """What a contact through each channel must bring for its place, from the smoothed dual of a sample; in money."""
    a = len(limits.actions)
    limit = np.concatenate([room(limits, sample.unit), most]) / sample.total
    free = np.concatenate([np.isfinite(limits.capacity), limits.quota > 0, [np.isfinite(limits.budget)], most > 0])
    z = np.zeros(len(limit))
    few = sample.first(FEW)
    stages = [(few, *s) for s in SMOOTH] + ([(sample, FINE, 30)] if few.net.shape[1] < sample.net.shape[1] else [])
    for part, eps, looks in stages:

        def loss(y: Float, part: Sample = part, eps: float = eps) -> tuple[float, Float]:
            z[free] = y
            price = z[:a] - z[a : 2 * a] + z[2 * a + 1 :] @ shared
            value, used, spent = smoothed(part, price, z[2 * a], eps, limits)
            slope = limit - np.concatenate([used, -used, [spent], shared @ used])
            return value + float(limit @ z), slope[free]

        options: Any = {"maxfun": looks, "maxcor": 20, "ftol": 1e-9, "gtol": 1e-5}
        z[free] = minimize(
            loss, z[free], jac=True, method="L-BFGS-B", bounds=[(0, None)] * int(free.sum()), options=options
        ).x
    return z[2 * a + 1 :] * sample.scale


def _divided(plan: Allocation, shared: Float, most: Int, least: Int, limits: Limits) -> npt.NDArray[np.float64]:
    """The capacity of each action: its share of its channel is what the contacts that are worth most take."""
    capacity = limits.capacity.copy()
    for members, places in zip(shared > 0, most.tolist(), strict=True):
        mine = np.flatnonzero(members[plan.action])
        # Only numbers count here: equal contacts of several customers need no order between them.
        mine = mine[np.lexsort((plan.action[mine], -plan.advantage[mine]))]
        taken = np.where(members, least, 0)
        counts = _most_worth(plan.action[mine], taken, places)
        for a in np.argsort(-counts, kind="stable"):
            if members[a]:
                extra = int(min(places - counts[members].sum(), limits.capacity[a] - counts[a]))
                counts[a] += max(extra, 0)
        capacity[members] = counts[members]
    return capacity


def _most_worth(actions: npt.NDArray[np.integer], least: Int, places: int) -> Int:
    """How many contacts of each action are among the first that fit, places for quotas being kept free."""
    rank = np.zeros(len(actions), np.int64)
    for a in np.unique(actions):
        rank[actions == a] = np.arange(int((actions == a).sum()))
    beyond = rank >= least[actions]  # the others stand on places that are kept for them
    room_left = max(places - int(least.sum()), 0)
    kept = np.flatnonzero(beyond)[:room_left]
    return least + np.bincount(actions[kept], minlength=len(least))
