"""Satisfaction is not loyalty: what customers say beside what they do."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmintel import features as f
from crmintel.columns import AMOUNT, KIND, PURCHASE, RATING, RETURN, STAGE
from crmintel.errors import DataContractError, DataContractWarning
from crmintel.evaluation import tables
from crmintel.features import FeatureSet
from crmintel.interactions import InteractionLog
from crmintel.segmentation.doors import log_of
from crmintel.segmentation.lifecycle import lifecycle_stage
from crmintel.segmentation.small import FEWEST, suppressed
from crmintel.showing import Shown

Float = npt.NDArray[np.float64]
COMPLAINT: Final = "complaint"
SATISFACTION: Final = "satisfaction"
BEHAVIOUR: Final = "behaviour"
PROSPECT: Final = "prospect"
SAYS: Final = ("satisfied", "neutral", "dissatisfied", "silent")
DOES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "coming": ("new", "growing", "loyal", "regular", "reactivated"),
    "slipping": ("declining", "at risk"),
    "gone": ("dormant", "lost"),
})  # fmt: skip
_CELLS = (
    ("loyal and satisfied", "satisfied but leaving", "satisfied but gone"),
    ("neutral and coming", "neutral and leaving", "neutral and gone"),
    ("captive", "dissatisfied and leaving", "dissatisfied and gone"),
    ("silent and coming", "silent and leaving", "silent and gone"),
)
CELLS: Mapping[tuple[str, str], str] = MappingProxyType(
    {(s, b): name for s, row in zip(SAYS, _CELLS, strict=True) for b, name in zip(DOES, row, strict=True)}
)


@final
@dataclass(frozen=True)
class Scale(Shown):
    """How a rating is read.

    Parameters
    ----------
    low, high : float
        The ends of the scale.
    satisfied : float
        Satisfied is a mean rating of this or more.
    dissatisfied : float
        Dissatisfied is a mean rating below this; between the two is neutral.

    Examples
    --------
    >>> Scale.between(1, 5)
    Scale(low=1, high=5, satisfied=4.0, dissatisfied=3.0)
    """

    low: float
    high: float
    satisfied: float
    dissatisfied: float

    def __post_init__(self) -> None:
        if not self.low <= self.dissatisfied <= self.satisfied <= self.high or not self.low < self.high:
            raise DataContractError(
                f"The scale {self.low:g} to {self.high:g} does not hold dissatisfied below {self.dissatisfied:g} and "
                f"satisfied from {self.satisfied:g}. Give low <= dissatisfied <= satisfied <= high, and low < high."
            )

    @classmethod
    def between(cls, low: float, high: float) -> "Scale":
        """A scale whose upper quarter is satisfied and whose lower half is dissatisfied."""
        return cls(low, high, low + 0.75 * (high - low), low + 0.5 * (high - low))

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}, satisfied from {self.satisfied:g}, dissatisfied below {self.dissatisfied:g}"


NPS: Final = Scale(0, 10, satisfied=9, dissatisfied=7)
"""The scale of the net promoter score: promoters 9 and 10, passives 7 and 8, detractors 0 to 6."""


@final
@dataclass(frozen=True, repr=False)
class SatisfactionGrid:
    """Customers by what they say and what they do.

    Parameters
    ----------
    customers : DataFrame
        One row a customer who ever bought: satisfaction, behaviour, cell, and money (net of returns in the look-back
        window, rounded to hundredths) if the log has amounts.
    grid : DataFrame of int
        Customers, satisfaction down and behaviour across.
    money : DataFrame of float
        The same for money, exact to the hundredth; without rows if the log has no amounts.
    prospects : int
        Customers who never bought: they have no behaviour and are left out.
    scale : Scale or None
        How ratings were read; None in a log without ratings.

    Examples
    --------
    >>> from crmintel import InteractionLog
    >>> from crmintel.segmentation import satisfaction_grid
    >>> frame = pd.DataFrame({"customer_id": [1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02"]), "rating": [5, 1]})
    >>> told = satisfaction_grid(InteractionLog.read(frame), at="2024-01-10", scale=(1, 5))
    >>> told.customers["cell"].tolist()
    ['loyal and satisfied', 'captive']
    """

    customers: pd.DataFrame
    grid: pd.DataFrame
    money: pd.DataFrame
    prospects: int
    scale: Scale | None

    def to_frame(self) -> pd.DataFrame:
        """One row a cell: satisfaction, behaviour, cell, customers, share, and money if there are amounts."""
        keys = pd.DataFrame([(*key, name) for key, name in CELLS.items()], columns=[SATISFACTION, BEHAVIOUR, "cell"])
        counts = self.grid.to_numpy().ravel()
        out = keys.astype("str").assign(customers=counts, share=counts / max(counts.sum(), 1))
        return out.assign(money=self.money.to_numpy().ravel()) if len(self.money) else out

    def shared(self, fewest: int = FEWEST) -> pd.DataFrame:
        """The grid fit for others to see: cells of fewer than `fewest` customers are missing; see `small.suppressed`."""
        return suppressed(self.grid, fewest=fewest)

    def __repr__(self) -> str:
        every = max(len(self.customers), 1)
        told = ", ".join(f"{int((self.customers[SATISFACTION] == s).sum()) / every:.0%} {s}" for s in SAYS)
        counts = self.customers["cell"].value_counts()
        leaving, captive = (sum(int(counts.get(c, 0)) for c in cells) for cells in (_CELLS[0][1:], _CELLS[2][:1]))
        return (
            f"SatisfactionGrid: {len(self.customers):,} customers, {told}; {leaving:,} satisfied but leaving or gone, "
            f"{captive:,} captive; {self.prospects:,} prospects left out; "
            f"{'no ratings' if self.scale is None else f'ratings read on {self.scale}'}"
        )

    def _repr_html_(self) -> str:
        return tables.page(repr(self), cells=self.to_frame())


def satisfaction_grid(
    log: InteractionLog, *, at: Any, horizon_back: str = "365d", scale: Scale | tuple[float, float] | None = None,
    stages: pd.Series | pd.DataFrame | None = None,
) -> SatisfactionGrid:  # fmt: skip
    """Set what customers say beside what they do, because satisfied customers leave and dissatisfied ones stay.

    What they say is the mean of their ratings (column `rating`, on rows of any kind) in the look-back window: satisfied from
    three quarters of the scale on, dissatisfied below half of it, neutral between. A complaint in the window (rows of kind
    "complaint") later than the customer's last good rating is open, and makes dissatisfied whatever the mean. Silent:
    neither rating nor complaint in the window; a complaint that a good rating followed, and nothing else, is neutral. What they do is the lifecycle stage: *coming* (new, growing, loyal, regular, reactivated),
    *slipping* (declining, at risk) or *gone* (dormant, lost).

    Parameters
    ----------
    log : InteractionLog
        With ratings, complaints or both.
    at : instant
        Only what was known before it counts.
    horizon_back : str
        The look-back window, ``[at - horizon_back, at)``.
    scale : Scale or pair of float, optional
        How ratings are read: `NPS`, a `Scale` of your own, or (low, high). Without it the smallest and the largest rating known
        before `at` are taken for the ends, and a warning says so: a shop that only ever gets 4 and 5 of 5 would find its 4s
        dissatisfied.
    stages : Series or DataFrame, optional
        Lifecycle stages told before, one row a customer; `lifecycle_stage` by default.

    Raises
    ------
    DataContractError
        If there are neither ratings nor complaints before the instant, ratings lie outside the scale, only one rating value
        was seen and no scale given, or a customer has no stage or one of another name.
    DataTypeError
        If the log is none.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "customer_id": [1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02"]), "rating": [5, 1],
    ... })
    >>> grid = satisfaction_grid(InteractionLog.read(frame), at="2024-01-10", scale=(1, 5))
    >>> grid.customers["cell"].tolist()
    ['loyal and satisfied', 'captive']
    """
    told, read_as = _said(log_of(log), at, horizon_back, scale)
    stage = _stages(log, at, stages).reindex(told.index)
    does = stage.map({s: b for b, group in DOES.items() for s in group} | {PROSPECT: PROSPECT})
    if does.isna().any():
        raise DataContractError(
            f"{int(does.isna().sum()):,} of {len(does):,} customers have no stage, or one of another name. Give a stage of "
            f"{', '.join([PROSPECT, *(s for group in DOES.values() for s in group)])} to everybody known before the instant."
        )
    bought = (does != PROSPECT).to_numpy()
    told.insert(1, BEHAVIOUR, does)
    told = told[bought]
    names = [CELLS[key] for key in zip(told[SATISFACTION], told[BEHAVIOUR], strict=True)]
    told.insert(2, "cell", pd.Series(names, index=told.index, dtype="str"))
    grid, money = _crossed(told, np.ones(len(told), np.int64)), pd.DataFrame()
    if "cents" in told:
        money = _crossed(told, told["cents"].to_numpy()) / 100
        told = told.assign(money=told["cents"] / 100).drop(columns="cents")
    return SatisfactionGrid(told, grid, money, int((~bought).sum()), read_as)


def _said(
    log: InteractionLog, at: Any, window: str, scale: Scale | tuple[float, float] | None
) -> tuple[pd.DataFrame, Scale | None]:
    """What each customer said in the window, and cents in the window if the log has amounts."""
    read_as = _scale(log, at, scale) if RATING in log.columns else None
    complained = f.where(kind=COMPLAINT)
    specs: dict[str, f.Spec] = {"complaints": f.count(complained).over(window), "complaint": f.recency(complained)}
    if read_as is not None:
        specs |= {"rating": f.mean(RATING).over(window), "good": f.recency(f.between(RATING, read_as.satisfied))}
    if log.has_amounts:
        specs["amount"] = f.total(AMOUNT, f.where(kind=[PURCHASE, RETURN])).over(window)
    built = FeatureSet(list(specs.values())).build(log, at)
    told = dict(zip(specs, built.to_numpy(np.float64).T, strict=True))
    nothing = np.full(len(built), np.nan)
    if read_as is None and np.isnan(told["complaint"]).all():
        raise DataContractError(
            f"No customer gave a rating or complained before the instant. The log has the columns {', '.join(log.columns)}. "
            f"Map {RATING!r}, or give complaints the {KIND} {COMPLAINT!r}."
        )
    good = told.get("good", nothing)
    open_ = (told["complaints"] > 0) & (np.isnan(good) | (told["complaint"] < good))
    says = _says(told.get("rating", nothing), told["complaints"], open_, read_as)
    out = pd.DataFrame({SATISFACTION: says}, index=built.index)
    if log.has_amounts:
        out["cents"] = np.rint(np.nan_to_num(told["amount"]) * 100).astype(np.int64)
    return out, read_as


def _says(rating: Float, complaints: Float, open_: npt.NDArray[np.bool_], scale: Scale | None) -> Any:
    """The words for what each customer said."""
    silent = np.isnan(rating) & ~(complaints > 0)
    satisfied = np.zeros(len(rating), bool) if scale is None else rating >= scale.satisfied
    dissatisfied = open_ if scale is None else open_ | (rating < scale.dissatisfied)
    return pd.array(
        np.select([silent, dissatisfied, satisfied], ["silent", "dissatisfied", "satisfied"], "neutral"), dtype="str"
    )


def _scale(log: InteractionLog, at: Any, scale: Scale | tuple[float, float] | None) -> Scale | None:
    """The scale given, checked against the ratings known before the instant, or theirs; None if there are none."""
    ends = FeatureSet([f.smallest(RATING), f.largest(RATING)]).build(log, at).to_numpy()
    if np.isnan(ends).all():
        return None
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    if scale is None:
        if low == high:
            raise DataContractError(
                "All ratings are equal, so the scale cannot be seen. Give it, such as scale=(1, 5)."
            )
        warnings.warn(
            f"No scale was given, and ratings from {low:g} to {high:g} were seen: these are taken for its ends. Give the scale "
            "of the question, such as scale=(1, 5): where its ends were never chosen, satisfied and dissatisfied are wrong.",
            DataContractWarning,
            stacklevel=4,
        )
        return Scale.between(low, high)
    found = scale if isinstance(scale, Scale) else Scale.between(*scale)
    if low < found.low or high > found.high:
        raise DataContractError(
            f"Some ratings lie outside the scale {found.low:g} to {found.high:g}. Give the scale that was used, or repair them."
        )
    return found


def _stages(log: InteractionLog, at: Any, stages: pd.Series | pd.DataFrame | None) -> pd.Series:
    told = lifecycle_stage(log, at=at) if stages is None else stages
    if isinstance(told, pd.DataFrame):
        if STAGE not in told:
            raise DataContractError(f"The stages have columns {', '.join(map(repr, told.columns))}, but no {STAGE!r}.")
        told = told[STAGE]
    if told.index.has_duplicates:
        raise DataContractError(
            f"{int(told.index.duplicated().sum()):,} customers have two stages. Give one row a customer."
        )
    return told


def _crossed(told: pd.DataFrame, number: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Sums of whole numbers, satisfaction down and behaviour across, every cell shown."""
    both = pd.DataFrame({SATISFACTION: told[SATISFACTION], BEHAVIOUR: told[BEHAVIOUR], "number": number})
    wide = both.groupby([SATISFACTION, BEHAVIOUR])["number"].sum().unstack(fill_value=0)
    return wide.reindex(index=pd.Index(SAYS, name=SATISFACTION), columns=pd.Index(DOES, name=BEHAVIOUR), fill_value=0)
