"""What is known of customers beside what they did: attributes, each valid from an instant on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crmintel.columns import CUSTOMER, TIME
from crmintel.errors import DataContractError
from crmintel.interactions import convert
from crmintel.interactions.clock import Int, Zone
from crmintel.interactions.part import Part, sorted_part
from crmintel.interactions.policies import Policies
from crmintel.interactions.quality import Tally
from crmintel.interactions.read import open_source, require
from crmintel.showing import Shown

VALID_FROM: Final = "valid_from"


@final
@dataclass(frozen=True)
class Profiles(Shown):
    """Attributes of customers. Make them with `Profiles.read`.

    Parameters
    ----------
    part : Part
        One row a customer and version; its time is the instant from which the version is valid.
    zone : Zone
        The clock of times without a zone.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({
    ...     "customer_id": [1, 1, 2], "plan": ["basic", "gold", "basic"],
    ...     "valid_from": pd.to_datetime(["2024-01-01", "2024-03-01", "2024-02-01"]),
    ... })
    >>> Profiles.read(frame)
    Profiles: 3 versions of 2 customers, attributes plan
    """

    part: Part
    zone: Zone

    @classmethod
    def read(cls, source: Any, *, keep: Iterable[str] | None = None, timezone: str = "UTC", policies: Policies = Policies()) -> "Profiles":  # fmt: skip
        """Read attributes from any source of interactions.

        Parameters
        ----------
        source : path, DataFrame, Arrow table, DuckDB relation
            Columns `customer_id`, the attributes, and `valid_from` where they change: a version holds from that instant on,
            until the next version of its customer. Without it there is one row a customer, and it always holds.
        keep : iterable of str, optional
            The attributes; every other column by default.
        timezone : str
            The zone of times without one.
        policies : Policies
            How times are written.

        Raises
        ------
        DataContractError
            If a customer or a time is missing, or a customer has two versions from the same instant.
        """
        found, zone = open_source(source), Zone(timezone)
        chosen = [n for n in found.names if n not in (CUSTOMER, VALID_FROM)] if keep is None else list(keep)
        changing = VALID_FROM in found.names
        names = [CUSTOMER, *([VALID_FROM] if changing else []), *chosen]
        require({n: n for n in names}, found.names)
        tally = Tally()
        table = pa.concat_tables(found.batches(names)).unify_dictionaries()
        columns = {n: convert.Column(n, table[n], tally, 0, found.text) for n in names}
        who = convert.ids(columns[CUSTOMER])
        time = (
            convert.times(columns[VALID_FROM], zone, policies)[0]
            if changing
            else np.full(len(table), convert.MISSING_TIME + 1)
        )
        lost = int((who.is_null().to_numpy(zero_copy_only=False) | (time == convert.MISSING_TIME)).sum())
        if lost or tally.rules:
            told = [f"{tally.count(r):,} rows: {r}" for r in tally.rules if not r.startswith("decimals")]
            if lost or told:
                raise DataContractError(
                    f"Of {len(table):,} profiles {lost:,} have no customer or no time"
                    f"{''.join('; ' + t for t in told)}. Repair or drop them before reading."
                )
        part = sorted_part(pa.table({CUSTOMER: who, TIME: time} | {n: convert.kept(columns[n]) for n in chosen}))
        twice = (np.diff(part.time) == 0) & (np.diff(part.customer_codes) == 0)
        if twice.any():
            from_when = f" from the same {VALID_FROM}" if changing else f"; give {VALID_FROM!r} where attributes change"
            raise DataContractError(
                f"{int(twice.sum()):,} customers stand in the profiles twice{from_when}. Keep one row of each: "
                "a join would multiply their interactions."
            )
        return cls(part, zone)

    @property
    def names(self) -> list[str]:
        """The attributes."""
        return [*self.part.numbers, *self.part.codes]

    def of(self, customers: pa.Array) -> Part:
        """The versions of some customers, in their order; customers without one have no rows."""
        self._same_kind(customers.type)
        place = pc.index_in(customers, self.part.customers).fill_null(-1).to_numpy(zero_copy_only=False)
        counts = np.where(place < 0, 0, np.append(np.diff(self.part.starts), 0)[place])
        starts: Int = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = np.repeat(self.part.starts[place] - starts[:-1], counts) + np.arange(starts[-1])
        return Part(
            customers, starts, self.part.time[rows], {k: v[rows] for k, v in self.part.codes.items()}, self.part.vocabulary,
            {k: v[rows] for k, v in self.part.numbers.items()},
        )  # fmt: skip

    def _same_kind(self, kind: pa.DataType) -> None:
        if kind != self.part.customers.type:
            raise DataContractError(
                f"Customers are {self.part.customers.type} in the profiles and {kind} in the log. Give both one dtype."
            )

    def compared(self, known: pa.Array) -> tuple[int, int]:
        """How many of some customers have no profile, and how many profiles belong to none of them."""
        self._same_kind(known.type)
        absent = len(known) - int(pc.sum(pc.is_in(known, self.part.customers)).as_py() or 0)
        idle = len(self.part.customers) - (len(known) - absent)
        return absent, idle

    def __repr__(self) -> str:
        return (
            f"Profiles: {len(self.part):,} versions of {len(self.part.customers):,} customers, "
            f"attributes {', '.join(self.names)}"
        )
