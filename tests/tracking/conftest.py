"""A store that was migrated once, copied for each test; MLflow without telemetry and without pickles."""

import shutil
from pathlib import Path

import pytest

from crmintel.tracking import sqlite_uri


@pytest.fixture(autouse=True)
def _sober(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store."""
    import sqlite3
    import warnings

    from mlflow import MlflowClient

    home = tmp_path_factory.mktemp("mlflow")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        MlflowClient(tracking_uri=sqlite_uri(home)).search_experiments()
    with sqlite3.connect(home / "mlflow.db") as store:
        store.execute("VACUUM INTO ?", (str(home / "template.db"),))
    return home / "template.db"


@pytest.fixture
def store(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a store of one's own; artifacts go below the working folder."""
    shutil.copy(template, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    return sqlite_uri(tmp_path)
