"""`InteractionLog`: what customers did, checked once at the door and read-only afterwards."""

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crmintel.columns import AMOUNT, CATEGORY, CUSTOMER, ITEM, KNOWN, KNOWN_AT, REQUIRED, RESERVED, TIME
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.interactions.clock import Zone, micros
from crmintel.interactions.identity import current_ids, item_categories
from crmintel.interactions.intake import Intake
from crmintel.interactions.part import ROW, Part
from crmintel.interactions.policies import Policies
from crmintel.interactions.quality import Finding, QualityReport
from crmintel.interactions.read import Source, nearest, open_source, require
from crmintel.interactions.rules import Census, refuse_shared_orders
from crmintel.interactions.store import Store, gather


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

        Raises
        ------
        DataContractError
            If a rule is broken that no policy forgives. Messages hold counts and row positions, never values.
        DataTypeError
            If a container or a column has a dtype that cannot be read.
        """
        zone, keep = Zone(timezone), tuple(keep)
        found = open_source(source)
        wanted = _wanted(found, columns or {}, keep)
        table = None if items is None else item_categories(items)
        if table is not None and ITEM not in wanted:
            raise DataContractError("A table of items was given, but the interactions have no 'item_id' to join it by. Map that column.")
        now = micros(pd.Timestamp.now("UTC"))
        intake = Intake(wanted, keep, zone, policies, found.text, now, table)
        checked = (current_ids(intake.check(batch), identities) for batch in found.batches(_distinct(wanted, keep)))
        store = gather(checked, _bytes(memory))
        intake.refuse()
        notes = refuse_shared_orders(store, policies)
        census = Census(policies)
        store = _surveyed(store, census)
        unread = [n for n in found.names if n not in {*wanted.values(), *keep}]
        ignored = [Finding(f"columns not read: {', '.join(unread[:12])}", len(unread), 0.0, "ignored", "note")] if unread else []
        findings = sorted([*intake.findings(), *census.findings(), *notes], key=lambda f: f.level != "warning")
        quality = QualityReport(intake.rows, census.rows, (*findings, *ignored))
        if quality.warnings:
            said = "; ".join(f"{f.rows:,} {f.rule} ({f.action})" for f in quality.warnings)
            warnings.warn(f"Read {intake.rows:,} rows, with remarks: {said}.", DataContractWarning, stacklevel=2)
        names = _names(store, {*wanted, *keep} | ({CATEGORY} if table is not None else set()))
        return cls(store, zone, names, quality, (intake.first or 0, intake.last if intake.last is not None else 0))

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
        low, high = self.bounds
        held = tuple(p for p in (part.between(start, end) for part in self.parts()) if len(p))
        believed = [t for p in held if (t := p.time[(p.time >= low) & (p.time <= high)]).size]
        bounds = (min(int(t.min()) for t in believed), max(int(t.max()) for t in believed)) if believed else (low, low)
        return replace(self, store=Store(held=held, folder=self.store.folder), bounds=bounds)

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
        ids = [p.customers for p in self.parts([])]
        return pd.Index(pa.chunked_array(ids).to_pandas() if ids else [], name=CUSTOMER).sort_values()

    @cached_property
    def _rows(self) -> int:
        return sum(len(p) for p in self.parts([]))

    def __len__(self) -> int:
        return self._rows

    @property
    def has_amounts(self) -> bool:
        """Whether money is known."""
        return AMOUNT in self.columns

    def to_arrow(self) -> pa.Table:
        """All rows as one table, times in UTC; it must fit in memory."""
        tables = [p.to_arrow().select([*self.columns]) for p in self.parts()]
        return pa.concat_tables(tables) if tables else pa.table({c: [] for c in self.columns})

    def to_pandas(self) -> pd.DataFrame:
        """All rows as a frame, times by the business clock without a zone; it must fit in memory."""
        table = self.to_arrow()
        frame = table.to_pandas()
        for name in {TIME, KNOWN_AT} & set(self.columns):
            frame[name] = self.zone.to_local(table[name].cast(pa.int64()).to_numpy()).astype("datetime64[us]")
        return frame

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the checked rows: equal data give equal prints, in whatever order they came."""
        digest = hashlib.sha256()
        for part in self.parts():
            digest.update("\n".join(map(str, part.customers.to_pylist())).encode())
            for array in (part.starts, part.time, *part.codes.values(), *part.numbers.values()):
                digest.update(np.ascontiguousarray(array).data)
            for name, values in sorted(part.vocabulary.items()):
                digest.update("\n".join([name, *map(str, values.to_pylist())]).encode())
        return digest.hexdigest()

    def __repr__(self) -> str:
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
        raise DataContractError("The mapping is turned around. Write columns={ours: theirs}, such as {'customer_id': 'CustomerID'}.")
    if unknown:
        guess = nearest(unknown[0], KNOWN)
        hint = f" Did you mean {guess!r}?" if guess else ""
        raise DataContractError(f"Unknown names in columns: {', '.join(map(repr, unknown))}.{hint} Known: {', '.join(KNOWN)}.")
    if taken := [k for k in keep if k in RESERVED or k in KNOWN]:
        raise DataContractError(f"Columns {', '.join(map(repr, taken))} cannot be kept: results carry these names. Rename them first.")
    used = set(columns.values())
    wanted = {c: c for c in KNOWN if c in source.names and c not in used and c not in columns} | dict(columns)
    wanted |= {c: c for c in REQUIRED if c not in wanted}
    require({**wanted, **{k: k for k in keep}}, source.names)
    return {c: wanted[c] for c in KNOWN if c in wanted}


def _distinct(wanted: Mapping[str, str], keep: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys([*wanted.values(), *keep]))


def _names(store: Store, named: set[str]) -> tuple[str, ...]:
    """The columns that a log really holds, in the order of the contract."""
    for part in store.parts():
        have = {CUSTOMER, TIME, *part.codes, *part.numbers} | ({KNOWN_AT} if part.known_at is not None else set())
        return (*(c for c in KNOWN if c in have), *sorted(have - set(KNOWN)))
    return tuple(c for c in (*KNOWN, *sorted(named - set(KNOWN))) if c in named)


def _surveyed(store: Store, census: Census) -> Store:
    """The store after every part has passed the rules of whole customers."""
    held = tuple(census.take(p).without(ROW) for p in store.held)
    for file, part in zip(store.files, store.parts(), strict=True) if store.files else ():
        kept = census.take(part)
        if len(kept) < len(part):
            table = kept.to_arrow()
            for name in {TIME, KNOWN_AT} & set(table.column_names):
                table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.int64()))
            pq.write_table(table, file, compression="lz4")
    return replace(store, held=tuple(p for p in held if len(p)))


def _bytes(memory: str | int) -> int:
    """A size such as ``"2GB"`` in bytes."""
    if isinstance(memory, int):
        return memory
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9}
    number, unit = memory[:-2].strip(), memory[-2:].upper()
    try:
        return int(float(number) * units[unit])
    except (KeyError, ValueError):
        raise DataTypeError(f"memory is {memory!r}. Write it as '2GB', '500MB' or a number of bytes.") from None
