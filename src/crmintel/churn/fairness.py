"""Whether a churn list treats groups of customers alike: how true it is in each, and whom it contacts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel.columns import CUSTOMER
from crmintel.errors import DataContractError
from crmintel.evaluation import checks, tables
from crmintel.evaluation.aligned import together
from crmintel.evaluation.intervals import Estimate, Floats, group_codes, wilson
from crmintel.evaluation.ordering import top_size
from crmintel.interactions.frames import frame_of, is_number

SMALLEST: Final = 10
"""Groups of fewer customers are not shown (BAD_INPUTS row 134)."""
MOST_NUMBERS: Final = 20
"""An attribute of more different numbers than this is an amount, not a group."""
MISSING: Final = "missing"
OTHER: Final = "other small groups"
METRICS: Final = ("calibration", "contact_rate", "true_positive_rate", "false_positive_rate")
_LEVEL: Final = 0.95
Bools = npt.NDArray[np.bool_]
_NONE: Final = Estimate(np.nan, np.nan, np.nan, method="undefined")


@final
@dataclass(frozen=True, repr=False)
class Fairness:
    """How a churn list treats each group of customers.

    Parameters
    ----------
    groups : DataFrame
        One row a group, the largest first: group, customers, rows, mean_probability, rate (share that left), calibration
        (mean probability minus rate), contact_rate, true_positive_rate (of those who left, the share contacted),
        false_positive_rate (of those who stayed), the last five each with `_low` and `_high` (95 %), verdict
        ("differs" or "no difference shown") and where (the metrics that differ).
    differences : DataFrame
        One row a group and metric: group, metric, inside, outside (everybody else), difference, low, high, verdict.
        All intervals together hold with 95 %: each is widened for their number (Bonferroni), and a pair of
        groups, which is one comparison seen from two sides, counts once.
    threshold : float
        Whoever stands at or above it is contacted.
    notes : tuple of str
        What was merged, and what to keep in mind.
    n : int
        Customers looked at.

    Examples
    --------
    >>> from crmintel.churn import fairness
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(400)
    >>> fairness(rng.random(400) < p, p, rng.choice(["north", "south"], 400)).groups[["group", "verdict"]].to_numpy().tolist()
    [['south', 'no difference shown'], ['north', 'no difference shown']]
    """

    groups: pd.DataFrame
    differences: pd.DataFrame
    threshold: float
    notes: tuple[str, ...]
    n: int

    @property
    def differs(self) -> list[str]:
        """The groups that are shown to be treated differently."""
        return [str(g) for g in self.groups.loc[self.groups["verdict"] == "differs", "group"]]

    def to_frame(self) -> pd.DataFrame:
        """One row a group."""
        return self.groups.copy(deep=False)

    def __repr__(self) -> str:
        return f"Fairness(n={self.n:,}, groups={len(self.groups)}, differ={len(self.differs)})"

    def __str__(self) -> str:
        shown = [f"{self.n:,} customers in {len(self.groups)} groups; contacted from {self.threshold:.3f} on"]
        for row in self.groups.to_dict("records"):
            where = f" ({row['where']})" if row["where"] else ""
            seen = f"{row['customers']:,} customers, {row['contact_rate']:.0%} contacted"
            shown.append(f"  {row['group']}: {seen}, {row['verdict']}{where}")
        return "\n".join([*shown, *self.notes])

    def _repr_html_(self) -> str:
        return tables.page(" ".join([repr(self), *self.notes]), groups=self.groups, differences=self.differences)


def fairness(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    attribute: Any,
    *,
    threshold: float | None = None,
    depth: float | None = None,
    smallest: int = SMALLEST,
    groups: npt.ArrayLike | None = None,
) -> Fairness:
    """Compare each group of customers with everybody else: is the probability as true, are as many contacted?

    Parameters
    ----------
    y : array of bool, shape (n_customers,)
        Who really left. What comes with an index, here and below, is put into the order of the first that has one.
    p : array of float, shape (n_customers,)
        Probability to leave.
    attribute : Series, array or frame of one column, shape (n_customers,)
        The group of each customer, of at most 20 different numbers; missing ones are a group of their own.
    threshold : float, optional
        Contact whoever has this probability or more.
    depth : float in (0, 1], optional
        Contact this part of the list; all of equal probability at its end are contacted too. Default: 0.1.
    smallest : int, default=10
        Groups of fewer customers are merged, with the next smallest ones until they have as many.
    groups : array, shape (n_customers,), optional
        The customer of each row, where customers are judged at several instants: each counts once in the intervals. By
        default ``customer_id`` of the index that comes with the values.

    Raises
    ------
    DataContractError (a ValueError)
        If lengths or customers differ, y is constant, the attribute is several columns or an amount, both `threshold` and
        `depth` are given, or fewer than two groups are left.

    Notes
    -----
    A share has Wilson's interval; a difference of two the one that is put together from them (Newcombe 1998, Statistics
    in Medicine 17, 873-890, method 10). Several rows of a customer count as the number of rows that would vary as much
    (the variance of the share between customers, never more rows than there are; Kish 1965). Calibration takes `p` as fixed. Groups whose rates of leaving differ
    cannot agree in all four metrics: a difference is a reason to look, not a proof of unfairness.

    Examples
    --------
    >>> left = np.tile([True, False, False, False], 60)
    >>> told = fairness(left, np.where(left, 0.7, 0.1), np.repeat(["a", "b"], 120), threshold=0.5)
    >>> told.differs
    []
    """
    told = together(y=y, p=p, attribute=_column(attribute), groups=groups)
    left, chance = checks.labels(told["y"]), checks.probabilities(told["p"])
    checks.same_length({"y": left, "p": chance})
    who = _customers(told, len(left))
    names, notes = _merged(_groups(told["attribute"], len(left)), who, smallest)
    cut = _threshold(chance, threshold, depth)
    contacted = chance >= cut
    found = names.unique()
    if len(found) < 2:
        raise DataContractError(
            f"There is {len(found)} group with at least {smallest:,} customers, so nothing can be compared. "
            "Use an attribute that more customers differ in."
        )
    level = 1 - (1 - _LEVEL) / (len(METRICS) * (1 if len(found) == 2 else len(found)))
    counted = _counts(names, who)
    order = sorted(found, key=lambda g: (-int(counted[g]), g))
    sides = {g: _Side(left, chance, contacted, (names == g).to_numpy(), who) for g in order}
    rests = {g: _Side(left, chance, contacted, (names != g).to_numpy(), who) for g in order}
    rows = [row for g in order for row in _differences(g, sides[g], rests[g], level)]
    columns = ["group", "metric", "inside", "outside", "difference", "low", "high", "verdict"]
    differences = pd.DataFrame(rows, columns=columns)
    shown = pd.DataFrame([_row(g, sides[g], differences) for g in order])
    return Fairness(shown, differences, cut, (*notes, *_remarks(sides)), len(np.unique(who)))


@final
class _Side:
    """Some of the customers, and the four metrics on them at any level."""

    def __init__(self, left: Floats, chance: Floats, contacted: Bools, inside: Bools, who: npt.NDArray[np.intp]):
        self.mean = float(np.sort(chance[inside]).mean())
        self.left, self.contacted = left[inside] > 0, contacted[inside]
        self.who = np.unique(who[inside], return_inverse=True)[1]
        self.rows, self.customers = len(self.who), int(self.who.max()) + 1

    def estimate(self, metric: str, level: float) -> Estimate:
        """One metric, or the rate, with its interval; missing where nobody can be counted."""
        everybody = np.ones(self.rows, bool)
        if metric in ("rate", "calibration"):
            rate = self._share(self.left, everybody, level)
            if metric == "rate":
                return rate
            return Estimate(self.mean - rate.value, self.mean - rate.high, self.mean - rate.low, level, "Wilson")
        of = {"contact_rate": everybody, "true_positive_rate": self.left, "false_positive_rate": ~self.left}
        return self._share(self.contacted, of[metric], level)

    def _share(self, yes: Bools, among: Bools, level: float) -> Estimate:
        """A share of some rows with its interval, for which several rows of a customer count as fewer."""
        k, n = int((yes & among).sum()), int(among.sum())
        if not n:
            return _NONE
        rows = _effective(yes[among], self.who[among])
        told = wilson(rows if k == n else k * (rows / n), rows, level)
        return Estimate(k / n, told.low, told.high, level, told.method)


def _effective(yes: Bools, who: npt.NDArray[np.intp]) -> float:
    """How many rows of different customers would vary as much as these do, of customers that may have several."""
    n, size = len(yes), np.bincount(who)
    customers = int((size > 0).sum())
    if customers == n:
        return float(n)
    share = float(yes.mean())
    if customers == 1 or share in (0.0, 1.0):
        return float(customers)
    off = np.bincount(who, yes) - share * size
    variance = customers / (customers - 1) * float(off @ off) / n**2
    return float(np.clip(share * (1 - share) / max(variance, 1e-300), 1.0, n))


def _differences(group: str, inside: _Side, outside: _Side, level: float) -> Iterator[tuple[Any, ...]]:
    for metric in METRICS:
        a, b = inside.estimate(metric, level), outside.estimate(metric, level)
        gap = a.value - b.value
        low = gap - float(np.hypot(a.value - a.low, b.high - b.value))
        high = gap + float(np.hypot(a.high - a.value, b.value - b.low))
        differs = Estimate(gap, low, high).excludes_zero
        yield group, metric, a.value, b.value, gap, low, high, "differs" if differs else "no difference shown"


def _row(group: str, side: _Side, differences: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = {"group": group, "customers": side.customers, "rows": side.rows}
    row["mean_probability"] = side.mean
    for metric in ("rate", *METRICS):
        told = side.estimate(metric, _LEVEL)
        row |= {metric: told.value, f"{metric}_low": told.low, f"{metric}_high": told.high}
    of = differences[(differences["group"] == group) & (differences["verdict"] == "differs")]
    row["verdict"] = "differs" if len(of) else "no difference shown"
    row["where"] = ", ".join(of["metric"])
    return row


def _column(attribute: Any) -> Any:
    """The attribute as one column."""
    told = frame_of(attribute) if hasattr(attribute, "columns") else attribute
    if not isinstance(told, pd.DataFrame):
        return told
    if told.shape[1] != 1:
        raise DataContractError(f"attribute has {told.shape[1]:,} columns. Pass one of them, or both as one: a + b.")
    return told.iloc[:, 0]


def _customers(told: dict[str, Any], n: int) -> npt.NDArray[np.intp]:
    """The customer of each row: as given, or as an index knows them, or each row another."""
    if told["groups"] is not None:
        return group_codes(told["groups"], n)
    for values in told.values():
        if isinstance(values, pd.Series) and CUSTOMER in values.index.names:
            return group_codes(values.index.get_level_values(CUSTOMER), n)
    return np.arange(n)


def _groups(attribute: Any, n: int) -> pd.Series:
    told = pd.Series(np.asarray(attribute) if not isinstance(attribute, pd.Series) else attribute.array)
    if len(told) != n:
        raise DataContractError(
            f"attribute has {len(told):,} values for {n:,} customers. Pass the group of each customer in the order of y."
        )
    if is_number(told.dtype) and told.nunique() > MOST_NUMBERS:
        raise DataContractError(
            f"attribute holds {told.nunique():,} different numbers for {n:,} customers, so hardly two are in one group. Cut it "
            "into bins, such as pd.cut(attribute, 4); or, if the numbers are names of groups, pass attribute.astype(str)."
        )
    return told.astype(object).where(told.notna(), MISSING).astype(str)


def _counts(names: pd.Series, who: npt.NDArray[np.intp]) -> pd.Series:
    """How many different customers each group has."""
    return pd.Series(who).groupby(names).nunique()


def _merged(names: pd.Series, who: npt.NDArray[np.intp], smallest: int) -> tuple[pd.Series, list[str]]:
    """No group below `smallest`: small ones go together, and take the next smallest in while they are still too few."""
    if smallest < 1:
        raise DataContractError(f"smallest is {smallest}. A group has at least one customer.")
    counts = _counts(names, who)
    order = sorted(counts.index, key=lambda g: (int(counts[g]), g))
    small = [g for g in order if counts[g] < smallest]
    while small and len(np.unique(who[names.isin(small)])) < smallest and len(small) < len(order):
        small.append(order[len(small)])
    if not small:
        return names, []
    note = f"{len(small)} groups are shown together, because some of them have fewer than {smallest} customers."
    return names.where(~names.isin(small), OTHER), [note]


def _remarks(sides: dict[str, _Side]) -> Iterator[str]:
    without = sum(not side.left.any() for side in sides.values())
    if without:
        yield f"In {without} group(s) nobody left: they have no true positive rate."


def _threshold(chance: Floats, threshold: float | None, depth: float | None) -> float:
    if threshold is not None and depth is not None:
        raise DataContractError("Both threshold and depth are given. Pass one of them.")
    if threshold is None:
        size = top_size(len(chance), 0.1 if depth is None else depth)
        return float(np.sort(chance)[::-1][size - 1])
    if not 0 <= threshold <= 1:
        raise DataContractError(f"threshold is {threshold:g}. Pass a probability from 0 to 1.")
    return float(threshold)
