"""What is kept beside a recorded model: its card, pictures, and tables of aggregates."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from crmintel.columns import CUSTOMER
from crmintel.errors import DataContractError
from crmintel.evaluation.intervals import Estimate
from crmintel.scoring.card import ModelCard
from crmintel.scoring.export import neutral


def card_of(model: Any, name: str | None, metrics: Mapping[str, Estimate | float]) -> ModelCard:
    kind = type(getattr(model, "estimator", model)).__name__
    trained = {k: v for k, v in getattr(model, "trained_", {}).items() if k != "data"}
    return ModelCard(
        name=name or kind, purpose=f"A {kind}; nobody wrote down what it is for.", trained=trained, quality=metrics
    )


def write_files(folder: Path, figures: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], card: ModelCard) -> None:
    """Card, figures and tables as files in a folder."""
    import pyarrow as pa
    from pyarrow import csv

    home = folder / "files"
    home.mkdir()
    (home / "model_card.md").write_text(card.markdown(), encoding="utf-8")
    for title, figure in figures.items():
        (home / "figures").mkdir(exist_ok=True)
        if hasattr(figure, "savefig"):
            out = io.StringIO()
            figure.savefig(out, format="svg")
            figure = out.getvalue()
        (home / "figures" / f"{_file(title)}.svg").write_text(str(figure), encoding="utf-8")
    for title, table in tables.items():
        (home / "tables").mkdir(exist_ok=True)
        keys = not isinstance(table.index, pd.RangeIndex)
        csv.write_csv(neutral(pa.Table.from_pandas(table.reset_index() if keys else table, preserve_index=False)), home / "tables" / f"{_file(title)}.csv")  # fmt: skip


def _file(title: str) -> str:
    """A name of a file, whatever a title holds; titles that differ have names that differ."""
    plain = "".join(c if c.isalnum() and c.isascii() else "-" for c in title)[:80]
    return (
        plain if plain == title else f"{plain}-{hashlib.sha256(title.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    )


def refuse_rows(title: str, table: pd.DataFrame) -> None:
    if CUSTOMER in [*map(str, table.columns), *map(str, table.index.names)]:
        raise DataContractError(
            f"The table {title!r} has a row a customer ({len(table):,} rows). Record aggregates: nothing of single customers goes to MLflow."
        )
