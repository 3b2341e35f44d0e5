"""Scores of some customers as an Arrow table: what batch and Spark write."""

from dataclasses import dataclass
from typing import Any, final

import pandas as pd
import pyarrow as pa

from crmintel.columns import CUSTOMER
from crmintel.errors import NoBuyersError
from crmintel.interactions import InteractionLog
from crmintel.scoring.model import CustomerModel


@final
@dataclass(frozen=True)
class Teller:
    """What is said of the customers of a part."""

    model: CustomerModel
    reasons: int
    k: int
    columns: frozenset[str] | None

    @classmethod
    def of(cls, model: CustomerModel, reasons: int, k: int) -> "Teller":
        features = model.features
        return cls(model, reasons, k, None if features is None else features.columns - {CUSTOMER})

    @property
    def schema(self) -> pa.Schema:
        """The columns and their types, told from made-up customers; identifiers are text or whole numbers as they come."""
        return self(self.model.probe, self.model.probe.end + pd.Timedelta(days=1)).schema

    def __call__(self, log: InteractionLog, at: pd.Timestamp) -> pa.Table:
        table = self._scores(log, at)
        kind = log.store.schema.field(CUSTOMER).type
        who = pa.array(table.index if len(table) else [], kind).cast(
            pa.int64() if pa.types.is_integer(kind) else pa.large_string()
        )
        columns = [pa.array(_plain(table[c])) for c in table.columns]
        return pa.table([who, *columns], names=[CUSTOMER, *map(str, table.columns)])

    def _scores(self, log: InteractionLog, at: pd.Timestamp) -> pd.DataFrame:
        """Scores of a part; no rows where nobody in it was known, or had bought, by then."""
        if any((part.time < log.zone.instant(at)).any() for part in log.parts([])):
            try:
                return self.model.score(log, at=at, reasons=self.reasons, k=self.k)
            except NoBuyersError:
                pass
        return self.model.score(self.model.probe, reasons=self.reasons, k=self.k).iloc[:0]


def _plain(column: pd.Series) -> Any:
    """Texts instead of categories, so that equal tables are equal bytes."""
    return column.astype("str") if isinstance(column.dtype, pd.CategoricalDtype) else column
