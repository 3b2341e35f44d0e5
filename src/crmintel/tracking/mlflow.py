"""What a run did, in MLflow: parameters, figures, tags and files, in one batch. No customer's row is ever sent."""

import contextlib
import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crmintel.errors import DataContractError


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

    Raises
    ------
    DataContractError
        If the store cannot be reached or written.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException
    from mlflow.utils.time import get_current_time_millis

    for chatty in ("mlflow", "alembic"):  # a new store tells about each of its tables
        logging.getLogger(chatty).setLevel(logging.WARNING)
    now = get_current_time_millis()
    client, run = None, None
    try:
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(experiment)
        home = None if artifacts is None or not uri.startswith("sqlite") else artifacts.resolve().as_uri()
        identity = found.experiment_id if found else client.create_experiment(experiment, artifact_location=home)
        run = client.create_run(identity).info.run_id
        client.log_batch(
            run,
            metrics=[Metric(_named(k), float(v), now, 0) for k, v in metrics.items()],
            params=[Param(k, str(v)[:500]) for k, v in parameters.items()],
            tags=[RunTag(k, str(v)) for k, v in tags.items()],
        )
        for file in files:
            client.log_artifact(run, str(file))
        client.set_terminated(run)
    except (MlflowException, OSError) as error:
        if client is not None and run is not None:
            with contextlib.suppress(MlflowException, OSError):
                client.set_terminated(run, status="FAILED")
        raise DataContractError(
            f"The run could not be recorded in {uri!r} ({type(error).__name__}). Tables and page are written; "
            "check the tracking URI and record again."
        ) from None
    return str(run)


def _named(metric: str) -> str:
    """A name that a store takes: other signs than letters, numbers and ``_-. /:`` become ``_``."""
    return re.sub(r"[^\w\-. /:]", "_", metric)[:250]
