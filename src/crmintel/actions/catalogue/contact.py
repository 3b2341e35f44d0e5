"""Whom one may contact: consent, opt-out, cool-down and limits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import pandas as pd

from crmintel.actions.catalogue.eligibility import CONTACT, Check, Mask
from crmintel.columns import CHANNEL
from crmintel.errors import DataContractError
from crmintel.features import FeatureSet, count, where
from crmintel.interactions import InteractionLog
from crmintel.interactions.clock import duration
from crmintel.showing import Shown


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ContactPolicy(Shown):
    """Consent and opt-out, cool-down after an event, and how many contacts are too many.

    Contacts and events are counted in the log, in ``[at - window, at)``, and only if they were known by then. Limits leave room for
    one contact more: plan with one contact a customer, or leave lower limits. A log that holds no contacts limits nobody.

    Parameters
    ----------
    consent : Series of bool by customer, DataFrame with one column a channel, or None
        Who agreed to be contacted. A customer who is not in it, or whose value is missing, did not. None, which must be
        written, means that no consent is needed. An action without channel needs consent to every channel.
    opt_out : Series of bool by customer, or DataFrame with one column a channel, optional
        Who must not be contacted; customers who are not in it may be, a missing value means that they must not. A channel without
        column is not opted out of. An action without channel is closed by any.
    limits : mapping from window to number
        ``{"30d": 2}``: at most two contacts in 30 days, this one included.
    per_channel : mapping from channel to such limits
        ``{"phone": {"90d": 1}}``: they hold for actions through that channel, and count its contacts only.
    cool_down : mapping from kind of interaction to duration
        ``{"complaint": "30d"}``: no contact within 30 days of one.
    kinds : sequence of str, default=("contact",)
        The kinds of interaction that are contacts.

    Examples
    --------
    >>> frame = pd.DataFrame({"customer_id": [7, 7, 8], "kind": "contact", "timestamp": pd.to_datetime(["2024-01-02", "2024-01-20", "2024-01-20"])})
    >>> policy = ContactPolicy(consent=pd.Series({7: True, 8: True}), limits={"30d": 2})
    >>> [c.holds.tolist() for c in policy.checks(pd.Index([7, 8, 9]), [None], InteractionLog.read(frame), "2024-01-21") if c.code == "limit_30d"]
    [[False, True, True]]
    """

    consent: Any
    opt_out: Any = None
    limits: Mapping[str, int] = field(default_factory=dict)
    per_channel: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    cool_down: Mapping[str, str] = field(default_factory=dict)
    kinds: Sequence[str] = ("contact",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", (self.kinds,) if isinstance(self.kinds, str) else tuple(self.kinds))
        if not self.kinds:
            raise DataContractError("kinds names no kind of interaction. Name those that are contacts.")
        for name in ("consent", "opt_out"):
            _check_flags(getattr(self, name), name)
        for whose, limits in (
            ("limits", self.limits),
            *((f"per_channel of {c!r}", x) for c, x in self.per_channel.items()),
        ):
            for window, most in dict[str, Any](limits).items():
                duration(window)
                if not isinstance(most, int | np.integer) or isinstance(most, bool) or most < 1:
                    raise DataContractError(
                        f"{whose} allow {most!r} contacts in {window}. Give a whole number of at least 1."
                    )
        for length in self.cool_down.values():
            duration(length)

    def checks(
        self, customers: pd.Index, channels: Sequence[str | None], log: InteractionLog | None = None, at: Any = None
    ) -> Iterator[Check]:
        """For each action, by its channel: opt-out, consent, cool-down, limits; see `ActionCatalog.check`."""
        counted: list[tuple[str, int, str | None]] = [(w, n, None) for w, n in self.limits.items()]
        counted += [(w, n, c) for c, x in self.per_channel.items() for w, n in x.items()]
        past = self._past(customers, counted, log, at)
        opted: dict[str | None, Mask] = {}
        agreed: dict[str | None, Mask] = {}
        for number, channel in enumerate(channels):
            if self.opt_out is not None:
                if channel not in opted:
                    opted[channel] = ~_told(self.opt_out, "opt_out", customers, channel)
                yield Check(number, CONTACT, "opted_out", "The customer does not want to be contacted.", opted[channel])
            if self.consent is not None:
                if channel not in agreed:
                    agreed[channel] = _told(self.consent, "consent", customers, channel)
                yield Check(number, CONTACT, "no_consent", "No consent to be contacted is on record.", agreed[channel])
            for i, (kind, length) in enumerate(self.cool_down.items()):
                says = f"There was a {kind} in the last {length}."
                yield Check(number, CONTACT, f"cool_down_{kind}", says, past[:, i] < 1)
            for i, (window, most, only) in enumerate(counted, start=len(self.cool_down)):
                if only is None or only == channel:
                    code, by = (f"limit_{window}", "") if only is None else (f"limit_{only}_{window}", f" by {only}")
                    says = f"The customer had {most} or more contacts{by} in the last {window}."
                    yield Check(number, CONTACT, code, says, past[:, i] < most)

    def _past(
        self, customers: pd.Index, counted: list[tuple[str, int, str | None]], log: InteractionLog | None, at: Any
    ) -> Any:
        """How often each event of a cool-down, and each counted contact, occurred: shape (n_customers, n)."""
        specs = [count(where(kind=kind)).over(length) for kind, length in self.cool_down.items()]
        for i, (window, _, channel) in enumerate(counted):
            only = where(kind=list(self.kinds)) if channel is None else where(kind=list(self.kinds), channel=channel)
            specs.append(count(only).over(window).named(f"contacts {i}", "contacts"))
        if not specs:
            return np.zeros((len(customers), 0))
        if log is None or at is None:
            raise DataContractError("The policy has limits or cool-downs. Give log and at, to count by.")
        if self.per_channel and CHANNEL not in log.columns:
            raise DataContractError("per_channel counts by channel, which the log does not have. Map that column.")
        if not len(customers):
            return np.zeros((0, len(specs)))
        told = FeatureSet(specs).build(log, at, customers=customers)
        return told.reindex(customers).to_numpy(np.float64)


def _check_flags(given: Any, name: str) -> None:
    if given is None:
        return
    if not isinstance(given, pd.Series | pd.DataFrame):
        raise DataContractError(
            f"{name} is {type(given).__name__}. Give a Series by customer, or a table with one column a channel."
        )
    if twice := int(given.index.duplicated().sum()):
        raise DataContractError(f"{twice:,} customers occur twice in {name}. Keep the row that holds now.")
    for column in [given] if isinstance(given, pd.Series) else [given[c] for c in given.columns]:
        known = column.dropna()
        if odd := int((~known.isin([True, False])).sum()):
            raise DataContractError(
                f"{name} holds {odd:,} values other than true and false. Give true, false or missing."
            )


def _told(given: Any, name: str, customers: pd.Index, channel: str | None) -> Mask:
    """Whether the flag of a channel is set for each customer."""
    if (
        len(given)
        and len(customers)
        and pd.api.types.is_numeric_dtype(given.index) != pd.api.types.is_numeric_dtype(customers)
    ):
        raise DataContractError(
            f"Customers of {name} and of the table differ in kind: text here, numbers there. Make them the same."
        )
    opting = name == "opt_out"
    if isinstance(given, pd.DataFrame):
        if channel is not None and channel not in given.columns:
            if opting:
                return np.zeros(len(customers), bool)
            raise DataContractError(f"{name} has no column for channel {channel!r}. It has {list(given.columns)}.")
        mine = given if channel is None else given[[channel]]
    else:
        mine = given.to_frame()
    flags = [_flag(mine[c], customers, opting) for c in mine.columns]
    told = np.array(flags, bool).reshape(len(flags), len(customers))
    return np.asarray(told.any(axis=0) if opting else told.all(axis=0) & (len(flags) > 0))


def _flag(column: pd.Series, customers: pd.Index, unknown: bool) -> Mask:
    """A flag by customer: `unknown` where its value is missing, unset for customers who are not in it."""
    values = column.astype(object)
    values = values.where(values.notna(), unknown)
    place = column.index.get_indexer(customers)
    return np.append(values.to_numpy(object) == True, False)[place]  # noqa: E712  # 1 and numpy's true count too
