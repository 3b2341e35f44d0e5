"""One run of the main job on simulated customers, shared by the tests that look at it."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from crmintel import InteractionLog
from crmintel.datasets import simulate
from crmintel.job import Results, Settings, analyse, write


@dataclass(frozen=True)
class Run:
    """A finished run and where it wrote."""

    rows: pd.DataFrame
    results: Results
    folder: Path
    settings: Settings

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / f"{name}.parquet")


def done(rows: pd.DataFrame, folder: Path, settings: Settings) -> Run:
    results = analyse(InteractionLog.read(rows), settings, source="simulated")
    write(results, folder)
    return Run(rows, results, folder, settings)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return done(
        simulate(500, days=420, seed=11).interactions,
        tmp_path_factory.mktemp("run"),
        Settings(title="Simulated", seed=3),
    )
