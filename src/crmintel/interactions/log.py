"""`InteractionLog`: what customers did, checked once at the door and read-only afterwards."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import (
    AMOUNT,
    CATEGORY,
    CURRENCY,
    CUSTOMER,
    ITEM,
    KIND,
    KNOWN,
    KNOWN_AT,
    ORDER,
    QUANTITY,
    REQUIRED,
    RESERVED,
    TEXT,
    TIME,
    UNIT_PRICE,
)  # fmt: skip
from crmintel.errors import DataContractError, DataContractWarning
from crmintel.interactions.clock import Zone, micros
from crmintel.interactions.fingerprint import fingerprint
from crmintel.interactions.identity import Identities, Items
from crmintel.interactions.intake import Intake
from crmintel.interactions.memory import one_allocator, size
from crmintel.interactions.part import Part
from crmintel.interactions.policies import Policies
from crmintel.interactions.quality import Finding, QualityReport
from crmintel.interactions.read import Source, nearest, open_source, require, usual
from crmintel.interactions.rules import Census, refuse_shared_orders
from crmintel.interactions.store import Store, gather

_LOUDNESS = ("warning", "fixed", "note")


@final
@dataclass(frozen=True, eq=False)
class InteractionLog:
    """The history of what customers did. Make one with `InteractionLog.read`.

    One row is one interaction of one customer. Time is half-open everywhere: the past of an instant is
    ``timestamp < at``. Times given without a zone are told by the business zone of the log.

    Parameters
    ----------
    store : Store
        The checked rows, sorted.
    zone : Zone
        The business zone: it tells days, weekends and hours.
    columns : tuple of str
        The columns it holds, `customer_id` and `timestamp` first.
    quality : QualityReport
        What was found at the door and what was done about it.
    bounds : pair of int
        First and last believable time, UTC microseconds: sentinel and future dates do not move them.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({
    ...     "customer_id": [1, 1, 2], "amount": [5.0, 7.0, 9.0],
    ...     "timestamp": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-02-03"]),
    ... })
    >>> log = InteractionLog.read(frame)
    >>> log
    InteractionLog: 3 interactions of 2 customers, 2024-01-01 to 2024-02-03 (UTC)
    >>> len(log.before("2024-02-01"))
    1
    """

    store: Store
    zone: Zone
    columns: tuple[str, ...]
    quality: QualityReport
    bounds: tuple[int, int]

    @classmethod
    def read(
        cls,
        source: Any,
        *,
        columns: Mapping[str, str] | None = None,
        timezone: str = "UTC",
        policies: Policies = Policies(),
        keep: Iterable[str] = (),
        items: Any = None,
        identities: Any = None,
        memory: str | int = "2GB",
        quiet: bool = False,
    ) -> "InteractionLog":
        """Read and check interactions.

        Parameters
        ----------
        source : path, glob, list of paths, DataFrame, Arrow table or reader, DuckDB relation, iterator of frames
            Where the rows are. Files may be larger than memory.
        columns : mapping, optional
            Our names to the names of the source, where they differ: ``{"customer_id": "CustomerID"}``.
        timezone : str
            The business zone (IANA name). Times without a zone are in it.
        policies : Policies
            What to do with rows that break a rule.
        keep : iterable of str
            Further columns to keep by name; no other column is read.
        items : DataFrame or path, optional
            A table with one row an item, columns `item_id` and `category`, from which categories are taken.
        identities : mapping or DataFrame of two columns, optional
            Former identifier to present identifier, for customers who had several.
        memory : str or int
            Beyond about this size (``"2GB"`` or bytes) rows go to temporary files, by customer.

        quiet : bool
            Leave remarks to `quality`, and do not warn of them.

        Raises
        ------
        DataContractError
            If a rule is broken that no policy forgives. Messages hold counts and row positions, never values.
        DataTypeError
            If a container or a column has a dtype that cannot be read.
        """
        zone, keep = Zone(timezone), tuple(keep)
        limit = size(memory)
        known = Identities({} if identities is None else identities)
        table = None if items is None else Items.read(items)
        found = open_source(source)
        wanted = _wanted(found, columns or {}, keep)
        _check_choices(wanted, keep, policies, table)
        intake = Intake(wanted, keep, zone, policies, found.text, micros(pd.Timestamp.now("UTC")), table)
        words = {*(wanted[c] for c in TEXT if c in wanted), wanted[CUSTOMER], *keep} - {*policies.ranges}
        batches = found.batches(list(dict.fromkeys([*wanted.values(), *keep])), words)
        with one_allocator():
            raw = gather((known.apply(intake.check(batch)) for batch in batches), limit)
            try:
                intake.refuse()
                notes = refuse_shared_orders(raw, policies)
                unread = [n for n in found.names if n not in {*wanted.values(), *keep}]
                census = Census(policies, bool(unread))
                store = raw.surveyed(census.take)
            except BaseException:
                raw.discard()
                raise
        findings = sorted(
            [*intake.findings(), *census.findings(intake.rows), *notes], key=lambda f: _LOUDNESS.index(f.level)
        )
        quality = QualityReport(intake.rows, census.rows, (*findings, *_ignored(unread, wanted)))
        if quality.warnings and not quiet:
            said = "; ".join(f"{f.rows:,} {f.rule} ({f.action})" for f in quality.warnings)
            warnings.warn(f"Read {intake.rows:,} rows, with remarks: {said}.", DataContractWarning, stacklevel=2)
        names = store.schema.names
        bounds = (intake.first or 0, intake.last or 0)
        return cls(store, zone, (*(c for c in KNOWN if c in names), *sorted(set(names) - set(KNOWN))), quality, bounds)

    def before(self, at: Any) -> "InteractionLog":
        """What was known before an instant: ``timestamp < at``, and known by then."""
        return self._cut(None, self.zone.instant(at))

    def between(self, start: Any, end: Any) -> "InteractionLog":
        """What happened in ``[start, end)``."""
        first, last = self.zone.instant(start), self.zone.instant(end)
        if first > last:
            raise DataContractError("The start lies after the end. Give between(start, end) in that order.")
        return self._cut(first, last)

    def _cut(self, start: int | None, end: int) -> "InteractionLog":
        store = self.store.cut(start, end)
        low, high = self.bounds
        ends = [
            (int(t.min()), int(t.max())) for time in store.times() if (t := time[(time >= low) & (time <= high)]).size
        ]
        bounds = (min(a for a, _ in ends), max(b for _, b in ends)) if ends else (low, low)
        return replace(self, store=store, bounds=bounds)

    def parts(self, columns: Iterable[str] | None = None) -> Iterator[Part]:
        """The rows, some whole customers at a time; see `Part`."""
        yield from self.store.parts(columns)

    @property
    def start(self) -> pd.Timestamp:
        """The first believable time, by the business clock."""
        return self.zone.stamp(self.bounds[0])

    @property
    def end(self) -> pd.Timestamp:
        """The last believable time, by the business clock. A label must close at or before it."""
        return self.zone.stamp(self.bounds[1])

    @property
    def span(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """First and last believable time, by the business clock."""
        return self.start, self.end

    @cached_property
    def customers(self) -> pd.Index:
        """Identifiers of all customers, rising."""
        kind = self.store.schema.field(CUSTOMER).type
        ids = pa.chunked_array([p.customers for p in self.parts([])], kind)
        rising: pd.Index = pd.Index(ids.to_pandas(), name=CUSTOMER).sort_values()
        return rising

    @cached_property
    def _rows(self) -> int:
        return sum(len(time) for time in self.store.times())

    def __len__(self) -> int:
        return self._rows

    @property
    def has_amounts(self) -> bool:
        """Whether money is known."""
        return AMOUNT in self.columns

    def to_arrow(self) -> pa.Table:
        """All rows as one table, times in UTC; it must fit in memory."""
        instant = pa.timestamp("us", "UTC")
        kinds = {n: instant if n in (TIME, KNOWN_AT) else self.store.schema.field(n).type for n in self.columns}
        parts = (p.to_arrow().select([*self.columns]) for p in self.parts())
        table = pa.concat_tables([pa.schema([*kinds.items()]).empty_table(), *parts])
        return table.take(pc.sort_indices(table[CUSTOMER])) if self.store.files else table  # stable: times stay rising

    def to_pandas(self) -> pd.DataFrame:
        """All rows as a frame, times by the business clock without a zone; it must fit in memory."""
        table = self.to_arrow()
        frame: pd.DataFrame = table.to_pandas()
        for name in {TIME, KNOWN_AT} & set(self.columns):
            frame[name] = self.zone.to_local(table[name].cast(pa.int64()).to_numpy()).astype("datetime64[us]")
        return frame

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the checked rows: equal data give equal prints, in whatever order they came."""
        return fingerprint(self.store.schema, self.parts())

    def __repr__(self) -> str:
        if not len(self):
            return f"InteractionLog: no interactions ({self.zone.name})"
        return (
            f"InteractionLog: {len(self):,} interactions of {len(self.customers):,} customers, "
            f"{self.start:%Y-%m-%d} to {self.end:%Y-%m-%d} ({self.zone.name})"
        )

    def _repr_html_(self) -> str:
        return f"<p><b>{self!r}</b><br>columns: {', '.join(self.columns)}</p>{self.quality._repr_html_()}"


def _wanted(source: Source, columns: Mapping[str, str], keep: tuple[str, ...]) -> dict[str, str]:
    """Our names to theirs: what was mapped, and what already carries our name."""
    unknown = [c for c in columns if c not in KNOWN]
    if unknown and all(v in KNOWN for v in columns.values()):
        raise DataContractError(
            'The mapping is turned around. Write our name first, then theirs: customer_id = "CustomerID".'
        )
    if unknown:
        guess = nearest(unknown[0], KNOWN)
        hint = f" Did you mean {guess!r}?" if guess else ""
        raise DataContractError(
            f"Unknown names in columns: {', '.join(map(repr, unknown))}.{hint} Known: {', '.join(KNOWN)}."
        )
    if taken := [k for k in keep if k in RESERVED or k in KNOWN]:
        raise DataContractError(
            f"Columns {', '.join(map(repr, taken))} cannot be kept: results carry these names. Rename them first."
        )
    used = set(columns.values())
    wanted = {c: c for c in KNOWN if c in source.names and c not in used and c not in columns} | dict(columns)
    wanted |= {c: c for c in REQUIRED if c not in wanted}
    require({**wanted, **{k: k for k in keep}}, source.names)
    return {c: wanted[c] for c in KNOWN if c in wanted}


def _check_choices(wanted: Mapping[str, str], keep: tuple[str, ...], policies: Policies, items: Items | None) -> None:
    """Complain of choices that name columns which will not be read."""
    if items is not None and ITEM not in wanted:
        raise DataContractError(
            "A table of items was given, but the interactions have no 'item_id' to join it by. Map that column."
        )
    if wanted.get(ORDER) == wanted[CUSTOMER]:
        raise DataContractError(
            f"customer_id and order_id are both read from {wanted[CUSTOMER]!r}. An order is no customer: map the column of the customers."
        )
    names = {*wanted, *keep} - {CURRENCY}
    names |= (
        {KIND} | ({AMOUNT} if {QUANTITY, UNIT_PRICE} <= names else set()) | ({CATEGORY} if items is not None else set())
    )
    for choice, chosen in (("duplicate_key", policies.duplicate_key), ("ranges", policies.ranges)):
        if absent := [n for n in chosen if n not in names]:
            raise DataContractError(
                f"{choice} (a policy) names {', '.join(map(repr, absent))}, which the log does not have. Map or keep it; there are "
                f"{', '.join(sorted(names))}."
            )
    if unfit := [n for n in policies.ranges if n in {*REQUIRED, *TEXT, KNOWN_AT}]:
        raise DataContractError(
            f"ranges (a policy) names {', '.join(map(repr, unfit))}, which holds no numbers. Leave it out."
        )


def _ignored(unread: list[str], wanted: Iterable[str]) -> list[Finding]:
    """The columns of the source that were not asked for, listed once, with what they may be."""
    maybe = {theirs: f"{theirs} ({ours}?)" for ours, theirs in usual(unread, wanted).items()}
    told = [*maybe.values(), *(n for n in unread if n not in maybe)]
    listed = ", ".join(told[:12]) + (", …" if len(told) > 12 else "")
    return [Finding(f"columns not read: {listed}", 0, 0.0, "ignored", "note")] if unread else []
