"""What a run did, in MLflow: parameters, figures, tags and files, in one batch. No customer's row is ever sent."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crmintel.tracking.store import connected, named


def record(
    uri: str,
    *,
    experiment: str,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    files: Iterable[Path] = (),
    artifacts: Path | None = None,
    parent: str | None = None,
    name: str | None = None,
    began: int | None = None,
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
    parent : str, optional
        The run that this one belongs to.
    name : str, optional
        What people see.
    began : int, optional
        When it was, in milliseconds since 1970; now without it.

    Raises
    ------
    DataContractError
        If the store cannot be reached or written.
    """
    with connected(uri, "To record the run") as client:
        run = begun(client, uri, experiment, artifacts=artifacts, parent=parent, name=name, at=began)
        try:
            batch(client, run, parameters=parameters, metrics=metrics, tags=tags)
            for file in files:
                client.log_artifact(run, str(file))
            client.set_terminated(run)
        except BaseException:
            with contextlib.suppress(Exception):
                client.set_terminated(run, status="FAILED")
            raise
    return run


def begun(
    client: Any,
    uri: str,
    experiment: str,
    *,
    artifacts: Path | None = None,
    parent: str | None = None,
    name: str | None = None,
    at: int | None = None,
) -> str:
    """A new run of an experiment, which is made if it is not there; `at` is its start in milliseconds since 1970, by default now."""
    found = client.get_experiment_by_name(experiment)
    home = None if artifacts is None or not uri.startswith("sqlite") else artifacts.resolve().as_uri()
    identity = found.experiment_id if found else client.create_experiment(experiment, artifact_location=home)
    tags = {} if parent is None else {"mlflow.parentRunId": parent}
    return str(client.create_run(identity, start_time=at, tags=tags, run_name=name).info.run_id)


def batch(
    client: Any, run: str, *, parameters: Mapping[str, Any], metrics: Mapping[str, float], tags: Mapping[str, str]
) -> None:
    """Parameters, metrics and tags in one call; a metric that is no number is left out."""
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    client.log_batch(
        run,
        metrics=[Metric(named(k), float(v), now, 0) for k, v in metrics.items() if v == v],
        params=[Param(named(k), str(v)[:500]) for k, v in parameters.items()],
        tags=[RunTag(named(k), str(v)[:5000]) for k, v in tags.items()],
    )
