"""What a run did, in MLflow: parameters, figures, tags and files, in one batch. No customer's row is ever sent."""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def sqlite_uri(folder: Path) -> str:
    """The default store: one SQLite file in a folder."""
    return f"sqlite:///{(folder / 'mlflow.db').resolve().as_posix()}"


def record(
    uri: str,
    *,
    experiment: str,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    files: Iterable[Path] = (),
    artifacts: Path | None = None,
) -> str:
    """Record one run and return its id.

    Parameters
    ----------
    uri : str
        A tracking URI: ``sqlite:///…`` or a server's address.
    parameters, metrics, tags : mappings
        What was chosen, what was measured, what it was made from.
    files : iterable of Path
        Files to keep beside it. They must hold no customer's row.
    artifacts : Path, optional
        Where a new experiment of a local store keeps its files.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for chatty in ("mlflow", "alembic"):  # a new store tells about each of its tables
        logging.getLogger(chatty).setLevel(logging.WARNING)
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.utils.time import get_current_time_millis

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    home = None if artifacts is None or not uri.startswith("sqlite") else artifacts.resolve().as_uri()
    identity = found.experiment_id if found else client.create_experiment(experiment, artifact_location=home)
    run = client.create_run(identity).info.run_id
    now = get_current_time_millis()
    client.log_batch(
        run,
        metrics=[Metric(k, float(v), now, 0) for k, v in metrics.items()],
        params=[Param(k, str(v)[:500]) for k, v in parameters.items()],
        tags=[RunTag(k, str(v)) for k, v in tags.items()],
    )
    for file in files:
        client.log_artifact(run, str(file))
    client.set_terminated(run)
    return str(run)
