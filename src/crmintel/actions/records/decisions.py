"""`DecisionLog`: what was decided for whom, when and how probably; append-only, and unable to be changed unnoticed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crmintel.actions.records.chain import GIVEN, HASH, NUMBER, canonical, chained, decision_table, kind_of
from crmintel.actions.records.files import write_part, writer
from crmintel.columns import AT, CUSTOMER
from crmintel.errors import DataContractError
from crmintel.interactions import Zone
from crmintel.interactions.clock import duration
from crmintel.showing import Shown

START: Final = "0" * 64
"""The head of a log that holds nothing."""


@final
@dataclass(frozen=True)
class Verification(Shown):
    """Whether a log is as it was written.

    Parameters
    ----------
    whole : bool
    records : int
        How many records are sound, from the first on.
    head : str
        Hash of the last sound record.
    problem : str, optional
        What is wrong.
    part, row : str and int, optional
        The file of the first damaged record, and its row there, from 0.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from crmintel.actions import DecisionLog
    >>> records = DecisionLog(tempfile.mkdtemp())
    >>> head = records.append(pd.DataFrame({"customer_id": [7], "action": ["mail"]}), at="2024-03-01")
    >>> records.verify(head).whole
    True
    """

    whole: bool
    records: int
    head: str
    problem: str | None = None
    part: str | None = None
    row: int | None = None

    def to_frame(self) -> pd.DataFrame:
        """The same as one row."""
        return pd.DataFrame([vars(self)])

    def __repr__(self) -> str:
        if self.whole:
            return f"Verification: whole, {self.records:,} records, head {self.head[:12]}…"
        where = "" if self.part is None else f" ({self.part}{'' if self.row is None else f', row {self.row}'})"
        return f"Verification: damaged after {self.records:,} sound records{where}: {self.problem}"


@final
@dataclass(frozen=True, eq=False)
class Matured(Shown):
    """Decisions with what came of them.

    Parameters
    ----------
    table : DataFrame
        One row a decision whose horizon is over: the columns of the log, then those of the outcomes (missing where none is known).
    immature : int
        Decisions left out, because their horizon is not over yet.
    unknown : int
        Decisions in the table without an outcome.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from crmintel.actions import DecisionLog
    >>> records = DecisionLog(tempfile.mkdtemp())
    >>> _ = records.append(pd.DataFrame({"customer_id": [7, 8], "action": ["mail", "mail"]}), at="2024-03-01")
    >>> index = pd.MultiIndex.from_tuples([(7, pd.Timestamp("2024-03-01"))], names=["customer_id", "at"])
    >>> told = records.join_outcomes(pd.Series([20.0], index, name="spend"), horizon="30d", now="2024-05-01")
    >>> told.table["spend"].tolist(), told.unknown
    ([20.0, nan], 1)
    """

    table: pd.DataFrame
    immature: int
    unknown: int

    def to_frame(self) -> pd.DataFrame:
        """The decisions with their outcomes."""
        return self.table.copy(deep=False)

    def __repr__(self) -> str:
        return f"Matured: {len(self.table):,} decisions, {self.unknown:,} of them without outcome; {self.immature:,} are not due yet"


@final
@dataclass(frozen=True)
class DecisionLog(Shown):
    """A folder of Parquet files in which each record carries the hash of itself and the record before.

    Parameters
    ----------
    path : path
        The folder; it is made by the first `append`.

    Notes
    -----
    The hash of a record is SHA-256 of the previous hash (64 hexadecimal digits) and the record as JSON: sorted keys, no spaces, UTF-8,
    missing as null, times as ISO 8601 in UTC with microseconds. A customer is taken out by `crmintel.privacy.erase`, which empties the
    records and hashes the chain anew. Whoever rewrites the whole chain, or cuts off its tail, is noticed by
    the head only: keep what `append` returns somewhere else, such as with the run.

    Examples
    --------
    >>> import tempfile
    >>> log = DecisionLog(Path(tempfile.mkdtemp()) / "decisions")
    >>> head = log.append(pd.DataFrame({"customer_id": [7, 8], "action": ["call", "no action"], "propensity": [0.9, 0.1]}), at="2024-03-01")
    >>> log.verify(head).whole
    True
    >>> log.read()[["decision_id", "customer_id", "action", "propensity"]]
       decision_id  customer_id     action  propensity
    0            0            7       call         0.9
    1            1            8  no action         0.1
    """

    path: str | Path

    def append(
        self, decisions: pd.DataFrame, *, at: Any = None, model: str | None = None, bundle: str | None = None
    ) -> str:
        """Write decisions as one new file, whole or not at all.

        Parameters
        ----------
        decisions : DataFrame
            customer_id (whole numbers or text) and action, and what there is of at, rule (the one that blocked), effect, value,
            price, runner_up, propensity, model, bundle. Missing values are allowed but for customer, action and at.
        at : instant, optional
            When it was decided, if for all alike; without a zone it is UTC, as a column is.
        model, bundle : str, optional
            What decided, if for all alike.

        Returns
        -------
        str
            The head: the hash of the last record.

        Raises
        ------
        DataContractError
            If a column is unknown or of a wrong kind, a customer, an action or a time is missing, a number is infinite, or another
            writer holds the log.
        """
        told = {n: v for n, v in ((AT, at), ("model", model), ("bundle", bundle)) if v is not None}
        table = decision_table(decisions, told)
        folder = Path(self.path)
        folder.mkdir(parents=True, exist_ok=True)
        with writer(folder):
            parts = self.parts()
            number, head, kind, place = 0, START, None, 0
            if parts:
                number, head, kind = _last(parts[-1])
                place = (
                    int(parts[-1].stem.removeprefix("part-")) + 1
                )  # never a name that exists, even if a part is lost
            if not len(table):
                return head
            if kind is not None and kind != table.schema.field(CUSTOMER).type:
                raise DataContractError(
                    f"Customers in this log are {kind}, these are {table.schema.field(CUSTOMER).type}. Make them the same."
                )
            table = table.add_column(0, NUMBER, pa.array(np.arange(number, number + len(table))))
            hashes = [head := chained(head, record) for record in canonical(table)]
            write_part(table.append_column(HASH, pa.array(hashes)), folder / f"part-{place:06d}.parquet")
        return head

    def verify(self, head: str | None = None) -> Verification:
        """Recompute every hash, and say where the first damage is.

        Parameters
        ----------
        head : str, optional
            A head that `append` returned once. Records after it are sound additions; without it a tail that was cut off, or a
            chain that was rewritten as a whole, cannot be noticed.
        """
        last, records, found = START, 0, head in (None, START)

        def damaged(problem: str, part: str | None = None, row: int | None = None) -> Verification:
            return Verification(False, records, last, problem, part, row)

        for place, file in enumerate(self.parts()):
            name = f"part-{place:06d}.parquet"
            if file.name != name:
                return damaged("the file is missing", name)
            try:
                table = pq.read_table(file, partitioning=None)
                stored = table[HASH].to_pylist()
                told = list(canonical(table.select([NUMBER, *GIVEN])))
            except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
                return damaged("the file cannot be read as a part of the log", name)
            if not stored:
                return damaged("the file holds no record", name)
            for row, (record, hash_) in enumerate(zip(told, stored, strict=True)):
                if (mine := chained(last, record)) != hash_:
                    return damaged("the record, or the one before it, is not what was written", name, row)
                last, records, found = mine, records + 1, found or mine == head
        if not found:
            return damaged("the head given is not in the log: its tail was cut off, or it was rewritten")
        return Verification(True, records, last)

    def read(self) -> pd.DataFrame:
        """All records but emptied ones, without a look at their hashes; times are UTC."""
        parts = [pq.read_table(f, columns=[NUMBER, *GIVEN], partitioning=None) for f in self.parts()]
        empty = pa.schema([(NUMBER, pa.int64()), *((n, kind_of(n)) for n in GIVEN)]).empty_table()
        frame: pd.DataFrame = _whole(pa.concat_tables(parts) if parts else empty).to_pandas()
        return frame

    def join_outcomes(
        self, outcomes: pd.Series | pd.DataFrame, *, horizon: str, now: Any, timezone: str = "UTC"
    ) -> Matured:
        """What came of the decisions whose horizon is over.

        Parameters
        ----------
        outcomes : Series or DataFrame
            Indexed by (customer_id, at), as labels are: what happened in the horizon after the decision.
        horizon : str
            How long an outcome takes to be known: decisions with ``at + horizon > now`` are left out, and counted.
        now : instant
        timezone : str
            The clock of times without a zone, in `outcomes` and `now`.

        Raises
        ------
        DataContractError
            If outcomes are indexed otherwise, hold a pair twice, or bring columns that the log has.
        """
        zone = Zone(timezone)
        table = outcomes.to_frame(outcomes.name or "outcome") if isinstance(outcomes, pd.Series) else outcomes
        if list(table.index.names) != [CUSTOMER, AT]:
            raise DataContractError(
                f"outcomes are indexed by {list(table.index.names)}. Index them by ['customer_id', 'at']."
            )
        if twice := int(table.index.duplicated().sum()):
            raise DataContractError(f"{twice:,} pairs of customer and time occur twice in outcomes. Keep one each.")
        if both := [c for c in table.columns if c in (NUMBER, *GIVEN)]:
            raise DataContractError(
                f"outcomes bring columns that the log has: {', '.join(map(str, both))}. Rename them."
            )
        made = self.read()
        ripe = made[AT].astype("int64") + duration(horizon) <= zone.instant(now)
        made, names = made[ripe], "__outcome known"
        times = pd.DatetimeIndex(table.index.get_level_values(AT))
        if times.tz is None:
            local = times.as_unit("us").asi8
            times = pd.DatetimeIndex(zone.to_utc(local).astype("datetime64[us]"), tz="UTC")
        right = table.assign(**{names: True}).set_axis(
            pd.MultiIndex.from_arrays(
                [table.index.get_level_values(CUSTOMER), times.as_unit("us")], names=[CUSTOMER, AT]
            )
        )
        joined = made.join(right, on=[CUSTOMER, AT])
        unknown = int(joined.pop(names).isna().sum())
        return Matured(joined.reset_index(drop=True), int((~ripe).sum()), unknown)

    def parts(self) -> list[Path]:
        """The files of the log, in the order of their records."""
        return sorted(Path(self.path).glob("part-*.parquet"))


def _whole(table: pa.Table) -> pa.Table:
    """The records that have not been emptied; see `crmintel.actions.records.redaction`."""
    return table.filter(pc.is_valid(table[CUSTOMER])) if table[CUSTOMER].null_count else table


def _last(part: Path) -> tuple[int, str, pa.DataType]:
    """The number after, the hash, and the kind of customers of the last record of a file."""
    try:
        table = pq.read_table(part, columns=[NUMBER, CUSTOMER, HASH], partitioning=None)
        return table[NUMBER][-1].as_py() + 1, table[HASH][-1].as_py(), table.schema.field(CUSTOMER).type
    except (OSError, ValueError, KeyError, IndexError, pa.ArrowException):
        raise DataContractError(f"{part.name}, the last file of the log, cannot be read. See verify().") from None
