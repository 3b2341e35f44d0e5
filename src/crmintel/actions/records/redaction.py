"""Records taken out of a decision log: their content goes, their numbers stay, and the chain is hashed anew."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crmintel.actions.records.chain import GIVEN, HASH, NUMBER, canonical, chained
from crmintel.actions.records.decisions import START, DecisionLog
from crmintel.actions.records.files import replace_parts, writer
from crmintel.columns import AT, CUSTOMER
from crmintel.errors import DataContractError

REDACTED: Final = "redacted"
"""The rule that an emptied record carries."""
Chosen = Callable[[pa.Table], npt.NDArray[np.bool_]]


@final
@dataclass(frozen=True)
class Redaction:
    """What was taken out of a log.

    Parameters
    ----------
    records : int
        How many records were emptied.
    before, after : str
        The heads. Keep `after` where `before` was kept, and delete `before`: who has it can test guesses of what was taken out.
    """

    records: int
    before: str
    after: str


def redact(log: DecisionLog, chosen: Chosen) -> Redaction:
    """Empty the chosen records of a log, and hash the chain anew from the first of them on.

    An emptied record keeps its number and the day of the decision, with the rule "redacted". The old hashes are not kept: a hash of a record
    without a key is reversed by trying every customer. `DecisionLog.verify` then holds for the new head, and says of the old one that
    the log was rewritten, which is true.

    Parameters
    ----------
    log : DecisionLog
    chosen : callable
        From the records of a file to one true or false each.

    Raises
    ------
    DataContractError
        If the log is damaged, because new hashes would hide the damage, or another writer holds it.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> log = DecisionLog(Path(tempfile.mkdtemp()) / "decisions")
    >>> old = log.append(pd.DataFrame({"customer_id": [7, 8], "action": ["call", "no action"]}), at="2024-03-01")
    >>> done = redact(log, lambda table: table["customer_id"].to_numpy() == 7)
    >>> done.records, log.verify(done.after).whole, log.verify(old).whole, log.read()["customer_id"].tolist()
    (1, True, False, [8])
    """
    folder = Path(log.path)
    with writer(folder):
        if not (found := log.verify()).whole:
            raise DataContractError(
                f"The decision log is damaged: {found.problem}. Nothing was taken out; see verify()."
            )
        state = _State(START)
        first = next(
            (i for i, f in enumerate(log.parts()) if _mask(pq.read_table(f, partitioning=None), chosen).any()), None
        )
        if first is None:
            return Redaction(0, found.head, found.head)
        if first:
            state.head = pq.read_table(log.parts()[first - 1], columns=[HASH], partitioning=None)[HASH][-1].as_py()
        replace_parts(folder, _emptied(log.parts()[first:], chosen, state))
    return Redaction(state.records, found.head, state.head)


@final
@dataclass
class _State:
    head: str
    records: int = 0


def _emptied(files: list[Path], chosen: Chosen, state: _State) -> Iterator[tuple[str, pa.Table]]:
    for file in files:
        table = pq.read_table(file, partitioning=None)
        mask = _mask(table, chosen)
        state.records += int(mask.sum())
        keep, columns = pa.array(~mask), {NUMBER: table[NUMBER]}
        for name in GIVEN:
            instead: Any = pa.scalar(None, table.schema.field(name).type)
            if name == AT:
                instead = pc.floor_temporal(table[AT], unit="day")
            elif name == "rule":
                instead = pa.scalar(REDACTED, table.schema.field(name).type)
            columns[name] = pc.if_else(keep, table[name], instead)
        emptied = pa.table(columns)
        hashes = []
        for record in canonical(emptied):
            state.head = chained(state.head, record)
            hashes.append(state.head)
        yield file.name, emptied.append_column(HASH, pa.array(hashes))


def _mask(table: pa.Table, chosen: Chosen) -> npt.NDArray[np.bool_]:
    """The chosen records that are not empty yet."""
    full = np.asarray(pc.is_valid(table[CUSTOMER]).to_numpy(zero_copy_only=False), bool)
    out: npt.NDArray[np.bool_] = np.logical_and(full, np.asarray(chosen(table), bool))
    return out
